//! The SQL: the file and its schema here, what is asked of it in the modules below. Every function runs within a
//! transaction that its caller begins and ends.

mod columns;
mod history;
mod kept;
mod listing;
mod order;
mod placing;
mod planning;
mod sending;
mod stated;
mod tokens;

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempPath;

use super::JournalError;
use super::lock::LOCK_ENDING;
use crate::core::call::CallKind;
use crate::core::model::{Contact, Standing};
use crate::core::time::Timestamp;

type Result<T> = std::result::Result<T, JournalError>;

/// Marks the file as ours (`PRAGMA application_id`): "csyn".
const APPLICATION_ID: i64 = 0x6373_796e;

/// The schema that this program writes (`PRAGMA user_version`).
const SCHEMA_VERSION: i64 = 5;

const LASTING_TABLES: &str = include_str!("lasting.sql");
const RUN_TABLES: &str = include_str!("runs.sql");

/// What brings a file of an earlier version to the next one, from version 1 on.
const UPGRADES: [&str; 4] = [
    include_str!("upgrade_1.sql"),
    include_str!("upgrade_2.sql"),
    include_str!("upgrade_3.sql"),
    include_str!("upgrade_4.sql"),
];

/// How long another process may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of the file is kept in memory, in KiB, which SQLite tells from pages by the sign. A thousand channels are at
/// work on some 20 MB of it, five pages each, over and over.
const CACHE_KIB: i64 = -32 * 1024;

/// How many pages of 4 KiB the write-ahead log takes before SQLite brings them into the file. That holds the writer up, the less often
/// the better: a page that was written ten times meanwhile is brought over once.
const WAL_PAGES: i64 = 8_192;

#[derive(Debug)]
pub(super) struct Store {
    db: Connection,
    // What is planned is forgotten, and what lasts may not be written.
    dry: bool,
    // The file that a dry run of a journal of an earlier version works on.
    _copy: Option<TempPath>,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let was_there = path.exists();
        make_private(path)?;
        // The whole path: some names, such as `:memory:`, mean something else to SQLite.
        let file = path.canonicalize().map_err(|source| JournalError::open(path, source))?;
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|source| JournalError::open(path, source))?;
        let store = Self { db, dry: false, _copy: None };
        let is_new = store.check(path)?;
        if is_new && was_there {
            refuse_emptied(path)?;
        }
        store.configure().map_err(|source| JournalError::open(path, source))?;
        if is_new || store.version()? < SCHEMA_VERSION {
            // Another process may be at the same; who comes second finds it made.
            let make = || if store.check(path)? { store.create() } else { store.upgrade() };
            store.begin().and_then(|()| make()).and_then(|()| store.commit()).map_err(|error| match error {
                JournalError::Sql(source) => JournalError::open(path, source),
                other => other,
            })?;
        }
        Ok(store)
    }

    pub(super) fn in_memory() -> Result<Self> {
        let store = Self { db: Connection::open_in_memory()?, dry: false, _copy: None };
        store.configure()?;
        store.create()?;
        Ok(store)
    }

    // SQLite keeps it in a file of its own making when it grows, and deletes that at the end.
    pub(super) fn dry_and_empty() -> Result<Self> {
        let store = Self { db: Connection::open("")?, dry: true, _copy: None };
        store.db.pragma_update(None, "cache_size", CACHE_KIB)?;
        store.create()?;
        Ok(store)
    }

    pub(super) fn dry(path: &Path) -> Result<Self> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|source| JournalError::open(path, source))?;
        let mut store = Self { db, dry: true, _copy: None };
        if store.check(path)? {
            refuse_emptied(path)?;
            return Self::dry_and_empty();
        }
        if store.version()? < SCHEMA_VERSION {
            store = store.upgraded_copy(path)?;
        }
        store.db.busy_timeout(BUSY_TIMEOUT)?;
        store.db.pragma_update(Some("temp"), "cache_size", CACHE_KIB)?;
        // Temporary tables hide the lasting ones of the same name.
        let tables = RUN_TABLES.replace("CREATE TABLE ", "CREATE TEMP TABLE ").replace("INDEX ", "INDEX temp.");
        store.db.execute_batch(&tables)?;
        Ok(store)
    }

    // Whether the file is new. Nothing is written before it is known to be ours.
    fn check(&self, path: &Path) -> Result<bool> {
        let foreign = |found| JournalError::Foreign { path: path.to_owned(), found };
        let number = |sql: &str| {
            self.db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|source| match source.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) if !was_ours(path) => foreign("a file that is no database"),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                    JournalError::Unreadable { path: path.to_owned(), source: source.into() }
                }
                _ => JournalError::open(path, source),
            })
        };
        let application = number("PRAGMA application_id")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        match (application, tables) {
            (0, 0) => Ok(true),
            (APPLICATION_ID, _) => {
                let found = number("PRAGMA user_version")?;
                if found > SCHEMA_VERSION {
                    return Err(JournalError::Newer { path: path.to_owned(), found, supported: SCHEMA_VERSION });
                }
                Ok(false)
            }
            _ => Err(foreign("a database of another program")),
        }
    }

    fn configure(&self) -> rusqlite::Result<()> {
        self.db.busy_timeout(BUSY_TIMEOUT)?;
        self.db.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on disk when it returns: an intent that a power failure takes back is a second contact.
        self.db.pragma_update(None, "synchronous", "FULL")?;
        // A mapped file that is cut short kills the process instead of giving an error.
        self.db.pragma_update(None, "mmap_size", 0)?;
        self.db.pragma_update(None, "cache_size", CACHE_KIB)?;
        self.db.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
        self.db.set_prepared_statement_cache_capacity(64);
        Ok(())
    }

    fn create(&self) -> Result<()> {
        self.db.execute_batch(LASTING_TABLES)?;
        self.db.execute_batch(RUN_TABLES)?;
        self.db.pragma_update(None, "application_id", APPLICATION_ID)?;
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    fn version(&self) -> Result<i64> {
        Ok(self.db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    fn upgrade(&self) -> Result<()> {
        let version = usize::try_from(self.version()?).unwrap_or(0);
        for upgrade in UPGRADES.iter().skip(version.saturating_sub(1)) {
            self.db.execute_batch(upgrade)?;
        }
        self.db.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        Ok(())
    }

    // Of a journal of an earlier version that may not be written.
    fn upgraded_copy(&self, path: &Path) -> Result<Self> {
        let failed = |source| JournalError::open(path, source);
        let copy = tempfile::NamedTempFile::new().map_err(|source| JournalError::open(path, source))?.into_temp_path();
        self.db.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(failed)?;
        let store = Self { db: Connection::open(&copy).map_err(failed)?, dry: true, _copy: Some(copy) };
        store.upgrade()?;
        Ok(store)
    }

    pub(super) fn begin(&self) -> Result<()> {
        if !self.db.is_autocommit() {
            self.roll_back();
        }
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub(super) fn commit(&self) -> Result<()> {
        Ok(self.db.execute_batch("COMMIT")?)
    }

    pub(super) fn roll_back(&self) {
        // Some failures have rolled back already; then there is nothing left to do.
        let _ = self.db.execute_batch("ROLLBACK");
    }

    fn pending_contacts(&self, run: i64, row: u64, limit: u32) -> Result<Vec<(u64, u64, Contact)>> {
        let mut query = self.db.prepare_cached(
            "SELECT row, line, contact FROM items WHERE run = ?1 AND state = 'pending' AND row > ?2 ORDER BY row LIMIT ?3",
        )?;
        let mut rows = query.query(params![run, integer(row), limit])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let contact: String = row.get(2)?;
            page.push((natural(row.get(0)?), natural(row.get(1)?), parse("a contact", &contact)?));
        }
        Ok(page)
    }

    fn standing(&self, channel: &str, key: &str) -> Result<Standing> {
        let mut query = self.db.prepare_cached("SELECT contact, doubt FROM known WHERE channel = ?1 AND key = ?2")?;
        let known: Option<(Option<String>, Option<String>)> =
            query.query_row([channel, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match known {
            None | Some((None, None)) => Standing::Unknown,
            Some((_, Some(doubt))) => Standing::InDoubt(parse("a contact in doubt", &doubt)?),
            Some((Some(contact), None)) => Standing::Known(parse("a known contact", &contact)?),
        })
    }
}

// SQLite gives its other files the rights of the first, so that one is made before SQLite sees it.
fn make_private(path: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|source| JournalError::open(path, source))
}

// For a file that holds nothing. A run takes its lock once the journal's tables are there, and leaves the lock's file
// beside it.
fn refuse_emptied(path: &Path) -> Result<()> {
    let had_a_run = names_beside(path).iter().any(|name| name.ends_with(LOCK_ENDING));
    if had_a_run { Err(JournalError::Emptied { path: path.to_owned() }) } else { Ok(()) }
}

// Whether a file that is no database was a journal once: a run leaves its lock, or SQLite its log, beside it.
fn was_ours(path: &Path) -> bool {
    !names_beside(path).is_empty()
}

// The names of the files that belong to a journal.
fn names_beside(path: &Path) -> Vec<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { return Vec::new() };
    let beside = format!("{}-", name.to_string_lossy());
    let names = folder.read_dir().into_iter().flatten().flatten();
    let names = names.map(|file| file.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&beside)).collect()
}

fn call_kind(name: &str) -> Result<CallKind> {
    CallKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| JournalError::damaged("a call's kind")(serde::de::Error::custom("unknown kind")))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the core's types have text keys, which JSON can always hold")
}

fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(JournalError::damaged(what))
}

// SQLite's integers are signed. No count or moment of ours comes near their end.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn millis(moment: Timestamp) -> i64 {
    integer(moment.as_millis())
}
