//! Opening a journal: creating it, refusing other files, and handling what a crash or a deletion left.
//!
//! A new journal is created under a temporary name and then renamed without replacing another file. So processes that start
//! at the same time never see half of a journal, and a crash never leaves an empty one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{APPLICATION_ID, CACHE_KIB, OpenFiles, RUN_TABLES, Result, SCHEMA_VERSION, Store};
use crate::core::kept_values::KeptValues;
use crate::journal::JournalError;
use crate::journal::error::is_damage;
use crate::journal::files::{FileId, Presence, has_other_names, with_suffix};
use crate::journal::lock::{LOCK_ENDING, calls_of};

/// How a journal is opened. Only one thread at a time uses a connection, so that SQLite need not lock it for each value.
const TO_WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// How long to wait for another process that holds the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait for other processes that are opening or closing the journal.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause between attempts, in milliseconds: a base and a random part, so that two processes do not wait for each other
/// forever.
const LOOKS_AGAIN_AFTER: (u64, u64) = (3, 12);

/// The endings of the files that SQLite writes beside a database and reads as a part of it.
const PARTS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Maximum size of a lock's file that is read.
const LONGEST_LOCK: u64 = 4_096;

/// Number of bytes of two files that are compared at a time.
const COMPARED: usize = 1 << 20;

/// Byte offset of the write version in SQLite's file format, and its value for a database with a write-ahead log.
const WRITE_VERSION: (usize, u8) = (18, 2);

impl Store {
    /// Opens a journal, which keeps values as `kept` has it from then on.
    pub(in crate::journal) fn open(path: &Path, kept: Option<KeptValues>) -> Result<Self> {
        let failed = |source| JournalError::open(path, source);
        if !path.exists() {
            make(path)?;
        }
        // The canonical path, because SQLite treats some names, such as `:memory:`, specially. A link is followed once, here:
        // the journal may lie on another disk, and its log and its locks lie beside the file itself.
        let file = path.canonicalize().map_err(failed)?;
        refuse_unsound(path, &file)?;
        let presence = Presence::open(&file).map_err(failed)?;
        let was_alone = join(path, &file, &presence)?;
        let deadline = Instant::now() + BUSY_TIMEOUT;
        let mut store = loop {
            match Self::try_open(path, &file, was_alone, kept) {
                Err(JournalError::Sql(error)) if is_busy(&error) && Instant::now() < deadline => look_again_later(),
                Err(error) => return Err(in_opening(path, error)),
                Ok(store) => break store,
            }
        };
        let open_files = OpenFiles::of(file, presence.clone(), was_alone);
        store.open_files = Some(open_files);
        store.hold_all()?;
        if !presence.join(Instant::now() + OTHERS_TIMEOUT) {
            return Err(JournalError::Locked { path: path.to_owned() });
        }
        Ok(store)
    }

    // Returns SQLite's error when another process holds the file.
    fn try_open(path: &Path, file: &Path, is_alone: bool, kept: Option<KeptValues>) -> Result<Self> {
        // Whether the last process ended without closing the journal.
        let was_left_open = is_alone && fs::metadata(with_suffix(file, "-wal")).is_ok_and(|log| log.len() > 0);
        let mut store = Self::on(Connection::open_with_flags(file, TO_WRITE)?, false);
        store.db.busy_timeout(BUSY_TIMEOUT)?;
        let is_new = store.check(path)?;
        if is_new {
            refuse_emptied(path, file)?;
        }
        let before = if is_new { SCHEMA_VERSION } else { store.version()? };
        if before < SCHEMA_VERSION {
            // A process of an earlier version would find none of its tables.
            if !is_alone {
                return Err(JournalError::InUse { path: path.to_owned(), found: before });
            }
            store.db.pragma_update(None, "journal_mode", "WAL")?;
            store.backup = Some(store.back_up_beside(path, file, before)?);
        }
        let shrinks = !is_new && is_alone && !store.is_incremental()?;
        if is_new || shrinks {
            store.set_incremental()?;
        }
        store.configure()?;
        if is_new || before < SCHEMA_VERSION {
            // Another process may do the same; the second one finds the tables created.
            let make = || if store.check(path)? { store.create() } else { store.upgrade() };
            store.begin().and_then(|()| make()).and_then(|()| store.commit())?;
        }
        if shrinks {
            // Only this makes the vacuum incremental in a file of an earlier version. Without it, the journal is larger than it
            // needs to be.
            let _ = store.db.execute_batch("VACUUM");
        }
        // From the first transaction on, the log is open.
        store.begin().and_then(|()| store.commit())?;
        if was_left_open {
            store.verify("PRAGMA integrity_check(1)").map_err(|error| in_opening(path, error))?;
        }
        store.is_converted = store.keep(path, kept, is_alone)?;
        Ok(store)
    }

    pub(in crate::journal) fn dry(path: &Path) -> Result<Self> {
        if !path.exists() {
            refuse_left_log(path, path)?;
            return Self::dry_and_empty();
        }
        let Some(mut store) = Self::open_existing(path)? else { return Self::dry_and_empty() };
        store.dry = true;
        store.is_read_only = store.copy.is_none();
        store.db.pragma_update(Some("temp"), "cache_size", CACHE_KIB)?;
        // Temporary tables hide the lasting ones of the same name.
        let tables = RUN_TABLES.replace("CREATE TABLE ", "CREATE TEMP TABLE ").replace("INDEX ", "INDEX temp.");
        store.db.execute_batch(&tables)?;
        Ok(store)
    }

    /// Opens a journal that is there, and writes nothing to it.
    pub(in crate::journal) fn open_to_read(path: &Path) -> Result<Self> {
        let missing = || JournalError::open(path, io::Error::from(ErrorKind::NotFound));
        let mut store = Self::open_existing(path)?.ok_or_else(missing)?;
        store.is_read_only = true;
        Ok(store)
    }

    /// Opens an upgraded copy of a journal of an earlier version; `None` for a journal of the present version.
    pub(in crate::journal) fn open_earlier(path: &Path) -> Result<Option<Self>> {
        let mut earlier = Self::open_existing(path)?.filter(|store| store.copy.is_some());
        if let Some(store) = &mut earlier {
            store.is_read_only = true;
            tidy(path);
        }
        Ok(earlier)
    }

    // Opens a journal to read it, or an upgraded copy of one of an earlier version; `None` when it is empty.
    fn open_existing(path: &Path) -> Result<Option<Self>> {
        let failed = |source| JournalError::open(path, source);
        let file = path.canonicalize().map_err(failed)?;
        refuse_unsound(path, &file)?;
        let mut store = Self::on(
            Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)
                .map_err(|source| JournalError::open(path, source))?,
            false,
        );
        store.db.busy_timeout(BUSY_TIMEOUT)?;
        let is_new = store.check(path).map_err(|error| in_opening(path, error))?;
        if is_new {
            refuse_emptied(path, &file)?;
            return Ok(None);
        }
        if store.version()? < SCHEMA_VERSION {
            store = store.upgraded_copy(path)?;
            store.db.busy_timeout(BUSY_TIMEOUT)?;
        }
        store.load_hashing()?;
        Ok(Some(store))
    }

    /// Copies the journal to a new file with mode 0600.
    pub(in crate::journal) fn copy_to_new(&self, copy: &Path) -> Result<()> {
        let failed = |source| JournalError::open(copy, source);
        if copy.symlink_metadata().is_ok() {
            return Err(JournalError::Exists { path: copy.to_owned() });
        }
        let part = tempfile::Builder::new().prefix(".contactsync-").suffix(".backup").tempfile_in(folder_of(copy));
        let part = part.map_err(failed)?.into_temp_path();
        self.copy_to(&part)?;
        part.persist_noclobber(copy).map_err(|error| failed(error.error))?;
        sync_folder(folder_of(copy));
        Ok(())
    }

    // Whether the file is new. Nothing is written before the file is known to be a journal. It is one query, so that it never
    // sees a file in which another process is creating the tables.
    fn check(&self, path: &Path) -> Result<bool> {
        let foreign = |found| JournalError::Foreign { path: path.to_owned(), found };
        let found = self.db.query_row(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
                 (SELECT count(*) FROM sqlite_schema)",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        );
        let found = found.map_err(|source| match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) if !was_ours(path) => foreign("a file that is no database"),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                JournalError::Unreadable { path: path.to_owned(), source: source.into() }
            }
            _ => source.into(),
        })?;
        match found {
            (0, _, 0) => Ok(true),
            (APPLICATION_ID, found, _) if found > SCHEMA_VERSION => {
                Err(JournalError::Newer { path: path.to_owned(), found, supported: SCHEMA_VERSION })
            }
            (APPLICATION_ID, ..) => Ok(false),
            _ => Err(foreign("a database of another program")),
        }
    }

    /// Checks the tables of known contacts against their indexes: a contact with a damaged key would count as unknown.
    pub(in crate::journal) fn verify_known(&self) -> Result<()> {
        self.verify("PRAGMA integrity_check(contacts)")?;
        self.verify("PRAGMA integrity_check(states)")
    }

    fn verify(&self, check: &str) -> Result<()> {
        let found: String = self.db.query_row(check, [], |row| row.get(0))?;
        if found == "ok" {
            return Ok(());
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        let what = found.lines().last().unwrap_or_default().to_owned();
        Err(rusqlite::Error::SqliteFailure(code, Some(what)).into())
    }

    // Whether the file can shrink by some pages at a time.
    fn is_incremental(&self) -> Result<bool> {
        let mode: i64 = self.db.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
        Ok(mode == 2)
    }

    // Copies the journal as it is before an upgrade, under a name that is free. A copy that an interrupted upgrade left is used
    // again.
    fn back_up_beside(&self, path: &Path, file: &Path, version: i64) -> Result<PathBuf> {
        let failed = |source| JournalError::open(path, source);
        let copy = tempfile::Builder::new().prefix(".contactsync-").suffix(".backup").tempfile_in(folder_of(file));
        let mut copy = copy.map_err(failed)?.into_temp_path();
        self.copy_to(&copy).map_err(|error| in_opening(path, error))?;
        for nth in 1_u32.. {
            let nth = if nth == 1 { String::new() } else { format!("-{nth}") };
            let backup = with_suffix(file, &format!(".backup-v{version}{nth}"));
            if is_equal(&copy, &backup).map_err(failed)? {
                return Ok(backup);
            }
            match copy.persist_noclobber(&backup) {
                Ok(()) => {
                    sync_folder(folder_of(file));
                    return Ok(backup);
                }
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => copy = error.path,
                Err(error) => return Err(failed(error.error)),
            }
        }
        Err(failed(ErrorKind::AlreadyExists.into()))
    }

    /// Writes a copy of the journal to a file that is empty, and syncs it to the disk.
    pub(super) fn copy_to(&self, file: &Path) -> Result<()> {
        self.db.execute("VACUUM INTO ?1", [file.to_string_lossy()])?;
        let synced = OpenOptions::new().write(true).open(file).and_then(|file| file.sync_all());
        synced.map_err(|source| JournalError::open(file, source))
    }

    // An upgraded copy of a journal of an earlier version that may not be written.
    fn upgraded_copy(&self, path: &Path) -> Result<Self> {
        let failed = |source| JournalError::open(path, source);
        let copy = tempfile::NamedTempFile::new().map_err(|source| JournalError::open(path, source))?.into_temp_path();
        self.db.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(failed)?;
        let mut store = Self::on(Connection::open(&copy).map_err(failed)?, true);
        store.db.pragma_update(None, "cache_size", CACHE_KIB)?;
        store.db.pragma_update(None, "synchronous", "OFF")?;
        store.begin().and_then(|()| store.upgrade()).and_then(|()| store.commit())?;
        store.copy = Some(copy);
        Ok(store)
    }
}

// Removes the empty files that SQLite leaves beside a journal that was only read. A log that holds something stays for the next
// run.
pub(in crate::journal) fn tidy(path: &Path) {
    let Ok(file) = path.canonicalize() else { return };
    if !fs::metadata(with_suffix(&file, "-wal")).is_ok_and(|log| log.len() == 0) {
        return;
    }
    if let Ok(db) = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE) {
        // The last connection that can write removes them when it is closed.
        let _ = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    }
}

fn in_opening(path: &Path, error: JournalError) -> JournalError {
    match error {
        JournalError::Sql(source) if is_damage(&source) => JournalError::Unreadable { path: path.to_owned(), source },
        JournalError::Sql(source) => JournalError::Open { path: path.to_owned(), source },
        other => other,
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn look_again_later() {
    let (base, chance) = LOOKS_AGAIN_AFTER;
    thread::sleep(Duration::from_millis(base + fastrand::u64(..chance)));
}

// Joins the processes that use the journal. True when there are none: then this process has the journal alone until it has
// opened it. A journal that others use is incomplete without its log.
fn join(path: &Path, file: &Path, presence: &Presence) -> Result<bool> {
    let deadline = Instant::now() + OTHERS_TIMEOUT;
    loop {
        if presence.is_alone() {
            return Ok(true);
        }
        if !presence.join(deadline) {
            return Err(JournalError::Locked { path: path.to_owned() });
        }
        if FileId::at(&with_suffix(file, "-wal")).is_some() || !has_log(presence) {
            return Ok(false);
        }
        // The last of them may be closing it.
        presence.leave();
        if Instant::now() > deadline {
            return Err(JournalError::LogMissing { path: path.to_owned() });
        }
        look_again_later();
    }
}

// Whether the database has a write-ahead log while it is open.
fn has_log(presence: &Presence) -> bool {
    let (at, number) = WRITE_VERSION;
    presence.head::<19>().is_some_and(|head| head[at] == number)
}

// Creates a new journal with mode 0600.
fn make(path: &Path) -> Result<()> {
    refuse_left_log(path, path)?;
    // A link without a target, for instance to another disk: the file is created at the target.
    if path.is_symlink() {
        return make_in_place(path).map_err(|source| JournalError::open(path, source));
    }
    let made = make_beside(path)?;
    match put(&made, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            make_in_place(path).map_err(|source| JournalError::open(path, source))
        }
        Err(source) => Err(JournalError::open(path, source)),
        Ok(()) => {
            // It has another name now.
            std::mem::forget(made);
            sync_folder(folder_of(path));
            Ok(())
        }
    }
}

fn make_beside(path: &Path) -> Result<tempfile::TempPath> {
    let failed = |source: rusqlite::Error| JournalError::open(path, source);
    let made = tempfile::Builder::new().prefix(".contactsync-").suffix(".new").tempfile_in(folder_of(path));
    let made = made.map_err(|source| JournalError::open(path, source))?.into_temp_path();
    let store = Store::on(Connection::open(&made).map_err(failed)?, false);
    let write = || -> rusqlite::Result<()> {
        store.set_incremental()?;
        // No other process sees it yet, so it needs no rollback.
        store.db.pragma_update(None, "journal_mode", "OFF")?;
        store.db.pragma_update(None, "synchronous", "FULL")?;
        store.db.execute_batch("BEGIN IMMEDIATE")
    };
    write().map_err(failed)?;
    store.create().and_then(|()| store.commit()).map_err(|error| in_opening(path, error))?;
    store.db.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    drop(store);
    Ok(made)
}

// Gives the file its name, unless there is one of that name.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn put(made: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, made, CWD, path, RenameFlags::NOREPLACE).map_err(|error| match error {
        rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL | rustix::io::Errno::NOTSUP => {
            ErrorKind::Unsupported.into()
        }
        error => error.into(),
    })
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn put(_: &Path, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

// SQLite gives its other files the permissions of the database, so the database is created before SQLite opens it.
fn make_in_place(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

// Refuses the log of a missing journal: SQLite would take it for a part of the new journal, or delete it.
fn refuse_left_log(path: &Path, file: &Path) -> Result<()> {
    for ending in ["-wal", "-journal"] {
        let left = with_suffix(file, ending);
        if fs::symlink_metadata(&left).is_ok_and(|left| left.len() > 0) {
            return Err(JournalError::OnlyLog { path: path.to_owned(), left });
        }
    }
    Ok(())
}

// Refuses links among the journal and the files beside it: through a link, another file would be overwritten.
fn refuse_unsound(path: &Path, file: &Path) -> Result<()> {
    let linked = |file: &Path, found| JournalError::Linked { path: path.to_owned(), file: file.to_owned(), found };
    let found = |metadata: &fs::Metadata| {
        if metadata.is_symlink() {
            Some("a symbolic link")
        } else if metadata.is_dir() {
            Some("a directory")
        } else if !metadata.is_file() {
            Some("a device or a pipe")
        } else if has_other_names(metadata) {
            Some("a file with several names (hard links)")
        } else {
            None
        }
    };
    let parts = PARTS.map(|ending| with_suffix(file, ending));
    for file in [file].into_iter().chain(parts.iter().map(PathBuf::as_path)) {
        if let Some(found) = fs::symlink_metadata(file).ok().as_ref().and_then(found) {
            return Err(linked(file, found));
        }
    }
    // SQLite deletes the log of an empty database.
    if fs::metadata(file).is_ok_and(|metadata| metadata.len() == 0)
        && fs::metadata(&parts[0]).is_ok_and(|log| log.len() > 0)
    {
        return Err(JournalError::Emptied { path: path.to_owned() });
    }
    Ok(())
}

// Refuses an empty file if the locks beside it show that calls were journaled in it.
fn refuse_emptied(path: &Path, file: &Path) -> Result<()> {
    let had_calls = |lock: PathBuf| {
        let mut text = String::new();
        let is_file = FileId::at(&lock).is_some();
        let read = File::open(&lock).and_then(|lock| lock.take(LONGEST_LOCK).read_to_string(&mut text));
        // Locks of earlier versions do not record calls.
        is_file && !matches!(read, Ok(0)) && calls_of(&text) != Some(0)
    };
    let locks = names_beside(file).into_iter().filter(|name| name.ends_with(LOCK_ENDING));
    if locks.map(|name| folder_of(file).join(name)).any(had_calls) {
        Err(JournalError::Emptied { path: path.to_owned() })
    } else {
        Ok(())
    }
}

// Whether a file that is not a database was a journal: a run leaves its lock, or SQLite its log, beside it.
fn was_ours(path: &Path) -> bool {
    !names_beside(path).is_empty()
}

// The names of the files that belong to a journal.
fn names_beside(path: &Path) -> Vec<String> {
    let Some(name) = path.file_name() else { return Vec::new() };
    let prefix = format!("{}-", name.to_string_lossy());
    let names = folder_of(path).read_dir().into_iter().flatten().flatten();
    let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

// Some file systems cannot sync a folder.
fn sync_folder(folder: &Path) {
    drop(File::open(folder).and_then(|folder| folder.sync_all()));
}

// Whether two files have the same content; false when the other one is missing or no regular file.
fn is_equal(file: &Path, other: &Path) -> io::Result<bool> {
    let lengths = [file, other].map(|path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file));
    let [Some(one), Some(two)] = lengths else { return Ok(false) };
    if one.len() != two.len() {
        return Ok(false);
    }
    let (mut one, mut two) = (File::open(file)?, File::open(other)?);
    let (mut ours, mut theirs) = (vec![0; COMPARED], vec![0; COMPARED]);
    loop {
        let read = one.read(&mut ours)?;
        if read == 0 {
            return Ok(true);
        }
        two.read_exact(&mut theirs[..read])?;
        if ours[..read] != theirs[..read] {
            return Ok(false);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::diff::TagsMode;
    use crate::core::model::Mode;
    use crate::core::output_format::{ListFiles, Listing, OutputFormat};
    use crate::core::task::Policy;
    use crate::journal::Journal;
    use crate::journal::store::json;

    const POLICY: Policy = Policy {
        mode: Mode::Create,
        tags_mode: TagsMode::Mirror,
        search_lag: Duration::from_millis(90_500),
        retry_in_doubt: true,
        search_first: true,
    };

    fn listing() -> Listing {
        let output_format = OutputFormat::Table {
            header: vec!["email".into(), "name \"\u{e9}\"".into()],
            delimiter: b';',
            encoding: "windows-1252".into(),
            mark: false,
            skipped: 2,
        };
        Listing { files: ListFiles { rejects: Some("/tmp/bad.csv".into()), results: None }, output_format }
    }

    /// A journal of version 5 with a planned run and its listing, under the names of that version.
    fn fifth_version(path: &Path) -> i64 {
        let db = Connection::open(path).unwrap();
        let tables = [include_str!("../tests/lasting_6.sql"), include_str!("../tests/runs_6.sql")].concat();
        db.execute_batch(&tables).unwrap();
        let old = |json: String| {
            let renamed = [("search_lag", "settle"), ("retry_in_doubt", "resend_unsure"), ("output_format", "shape")];
            renamed.iter().fold(json, |json, (new, old)| json.replace(new, old))
        };
        let (policy, listing) = (old(json(&POLICY)), old(json(&listing())));
        assert!(policy.contains(r#""settle":{"secs":90,"nanos":500000000},"resend_unsure":true"#), "{policy}");
        assert!(listing.contains(r#""shape":{"table":"#), "{listing}");
        db.execute(
            "INSERT INTO runs (id, sync, channel, url, kind, rate, input, policy, state, started_at)
             VALUES (1, 1, 'c', '', '', 100, '', ?1, 'planned', 0)",
            [policy],
        )
        .unwrap();
        db.execute("INSERT INTO listings (sync, listing) VALUES (1, ?1)", [listing]).unwrap();
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 5).unwrap();
        1
    }

    #[test]
    fn a_journal_of_version_5_keeps_its_policies_and_listings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contactsync.db");
        let sync = fifth_version(&path);
        let version = || -> i64 {
            let db = Connection::open(&path).unwrap();
            db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
        };
        // A dry run upgrades a copy and leaves the file as it is.
        drop(Journal::dry(&path).unwrap());
        assert_eq!(version(), 5);
        let journal = Journal::open(&path).unwrap();
        assert_eq!(version(), SCHEMA_VERSION);
        assert_eq!(journal.listing(sync).unwrap(), Some((listing(), false)));
        assert_eq!(journal.resumable("c").unwrap().expect("it was planned").policy, POLICY);
        let db = Connection::open(&path).unwrap();
        let policy: String = db.query_row("SELECT policy FROM runs", [], |row| row.get(0)).unwrap();
        assert!(!policy.contains("settle") && !policy.contains("resend_unsure"), "{policy}");
        // A process of that version that had the journal open before still writes its names.
        db.execute_batch(
            "UPDATE runs SET policy = replace(replace(policy, 'search_lag', 'settle'), 'retry_in_doubt', 'resend_unsure');
             UPDATE listings SET listing = replace(listing, 'output_format', 'shape');",
        )
        .unwrap();
        assert_eq!(journal.listing(sync).unwrap(), Some((listing(), false)));
        assert_eq!(journal.resumable("c").unwrap().expect("it was planned").policy, POLICY);
    }

    #[test]
    fn a_damaged_policy_of_version_5_does_not_keep_the_journal_from_opening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contactsync.db");
        fifth_version(&path);
        let db = Connection::open(&path).unwrap();
        db.execute("UPDATE runs SET policy = replace(policy, '{', '[')", []).unwrap();
        drop(db);
        let journal = Journal::open(&path).unwrap();
        assert!(matches!(journal.resumable("c"), Err(JournalError::Damaged { .. })), "{:?}", journal.resumable("c"));
    }

    /// The tables and their columns, and the indexes and views, of a journal.
    fn schema(path: &Path) -> Vec<String> {
        let db = Connection::open(path).unwrap();
        let mut query = db
            .prepare(
                "SELECT type || ' ' || name || coalesce(' ' || (SELECT group_concat(name || ' ' || type || ' ' || pk, ', ')
                     FROM pragma_table_info(sqlite_master.name)), '') FROM sqlite_master ORDER BY type, name",
            )
            .unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<Vec<String>>>().unwrap()
    }

    #[test]
    fn an_upgraded_journal_has_the_tables_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let [new, ninth, fifth] = ["new", "ninth", "fifth"].map(|name| folder.path().join(name));
        drop(Journal::open(&new).unwrap());
        let db = Connection::open(&ninth).unwrap();
        for tables in [
            include_str!("../tests/lasting_9.sql"),
            include_str!("../tests/runs_9.sql"),
            include_str!("../tests/readings_9.sql"),
        ] {
            db.execute_batch(tables).unwrap();
        }
        db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 9).unwrap();
        drop(db);
        fifth_version(&fifth);
        for old in [ninth, fifth] {
            drop(Journal::open(&old).unwrap());
            assert_eq!(schema(&old), schema(&new), "{}", old.display());
        }
    }
}
