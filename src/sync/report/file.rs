//! A list file: a new one is written beside the old one, replaces it in one step, and grows after that.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::core::output_format::{LINE_COLUMN, REASON_COLUMN};

/// Suffix of the new file's name until it replaces the old one.
const PART_ENDING: &str = ".part";

/// Number of bytes from which a list is recognised: its first line, with some blank lines before it.
const HEAD: u64 = 64 * 1024;

/// The columns of a list of results.
pub(super) const RESULT_COLUMNS: [&str; 7] = ["line", "key", "outcome", "contact_id", "calls", "reason", "channel"];

/// File extensions of formats that lists are not written in.
const OTHER_FORMATS: [&str; 8] = ["xlsx", "xlsm", "xlsb", "xls", "ods", "gz", "zst", "zip"];

/// The kind of a list. A file is only replaced by a list of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// Rejected rows.
    Rejects,
    /// How each row ended.
    Results,
}

/// A list file that only this process writes. The old file stays until the new one replaces it.
#[derive(Debug)]
pub struct ListFile {
    // The canonical path of the file.
    path: PathBuf,
    // The path as it was given.
    name: PathBuf,
    kind: ListKind,
    part: PathBuf,
    state: ListState,
    // Holds the lock of the file to be replaced.
    _replaced: Option<File>,
}

#[derive(Debug)]
enum ListState {
    /// A new file beside the one that it will replace.
    Part(File),
    /// It has replaced the old file.
    InPlace(File),
    /// Creating or replacing it failed.
    Gone,
}

/// Why a file that lists rows cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", name.display())]
pub struct ListError {
    name: PathBuf,
    fault: ListFault,
}

/// What is wrong with the path of a list.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// It is not a file that can be replaced.
    #[error("expected a file to write, found {0}")]
    Kind(&'static str),
    /// It is not a list of this kind; it is left unchanged.
    #[error("expected a new file or an earlier list of the same kind, found {0}")]
    Foreign(String),
    /// Its extension is that of a format that lists are not written in.
    #[error("expected a name such as `list.csv`, found the ending `.{0}`")]
    Ending(String),
    /// The run uses this file for something else.
    #[error("expected a separate file, found {0}")]
    Taken(String),
    /// Another run writes it.
    #[error("another run writes it")]
    Busy,
    /// Its path is not UTF-8, so the journal cannot record it.
    #[error("expected a path in UTF-8")]
    Path,
    /// The system refused to open or write it.
    #[error("cannot write it: {0}")]
    Write(#[source] io::Error),
}

impl ListError {
    pub(super) fn new(name: &Path, fault: ListFault) -> Self {
        Self { name: name.to_owned(), fault }
    }

    /// Whether the file is not a list that may be replaced.
    pub(in crate::sync) const fn is_foreign(&self) -> bool {
        matches!(self.fault, ListFault::Foreign(_) | ListFault::Kind(_))
    }

    /// What is wrong with the file.
    pub const fn fault(&self) -> &ListFault {
        &self.fault
    }
}

impl ListFile {
    /// Checks that the file at `path` can be written, and locks it. An existing file is only taken when it is empty or
    /// a list of the same kind, and has no other name: links are not followed, and nothing else is overwritten.
    /// `others` are the files that must not be overwritten, each with a description.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written, is something else, or is one of the others.
    pub fn claim(path: &Path, kind: ListKind, others: &[(&Path, &str)]) -> Result<Self, ListError> {
        let failed = |fault| ListError::new(path, fault);
        if path.as_os_str() == "-" {
            return Err(failed(ListFault::Kind("standard output")));
        }
        for (other, what) in others {
            if is_same(path, other) {
                return Err(failed(ListFault::Taken((*what).to_owned())));
            }
        }
        if let Some(ending) = other_format(path) {
            return Err(failed(ListFault::Ending(ending)));
        }
        let target = target(path).map_err(failed)?;
        if target.to_str().is_none() {
            return Err(failed(ListFault::Path));
        }
        let replaced = open_own(&target, kind).map_err(failed)?.map(lock).transpose().map_err(failed)?;
        let mut name: OsString = target.clone().into_os_string();
        name.push(PART_ENDING);
        let part = PathBuf::from(name);
        let file = make(&part, kind).map_err(failed)?;
        Ok(Self { path: target, name: path.to_owned(), kind, part, state: ListState::Part(file), _replaced: replaced })
    }

    /// The canonical path of the file.
    pub fn path(&self) -> &str {
        self.path.to_str().expect("it was checked when it was claimed")
    }

    /// The path as it was given.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Creates an empty file beside the old one.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be created.
    pub(super) fn begin(&mut self) -> Result<File, ListError> {
        let made = match std::mem::replace(&mut self.state, ListState::Gone) {
            ListState::Part(file) => file.set_len(0).map(|()| file).map_err(ListFault::Write),
            ListState::InPlace(_) | ListState::Gone => make(&self.part, self.kind),
        };
        let cloned = made.and_then(|file| Ok((file.try_clone().map_err(ListFault::Write)?, file)));
        let (copy, file) = cloned.map_err(|fault| ListError::new(&self.name, fault))?;
        self.state = ListState::Part(file);
        Ok(copy)
    }

    /// Replaces the old file with the new one, which is written.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be replaced.
    pub(super) fn put_in_place(&mut self) -> Result<(), ListError> {
        let placed = match std::mem::replace(&mut self.state, ListState::Gone) {
            // The old file may have been replaced since it was checked.
            ListState::Part(file) => open_own(&self.path, self.kind).and_then(|_| {
                let placed = file.sync_all().and_then(|()| fs::rename(&self.part, &self.path));
                placed.map(|()| ListState::InPlace(file)).map_err(ListFault::Write)
            }),
            ListState::InPlace(file) => Ok(ListState::InPlace(file)),
            ListState::Gone => Err(ListFault::Write(io::Error::other("it was never begun"))),
        };
        self.state = placed.map_err(|fault| ListError::new(&self.name, fault))?;
        Ok(())
    }

    pub(super) fn failed(&self, error: io::Error) -> ListError {
        ListError::new(&self.name, ListFault::Write(error))
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        if matches!(self.state, ListState::Part(_)) {
            // If it cannot be removed, the next run replaces it.
            let _ = fs::remove_file(&self.part);
        }
    }
}

// The file's extension when it is that of a format that lists are not written in.
fn other_format(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    OTHER_FORMATS.contains(&ending.as_str()).then_some(ending)
}

// The canonical path of a regular or a new file. Links are not followed: they may lead to any file.
fn target(path: &Path) -> Result<PathBuf, ListFault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => Err(ListFault::Kind("a symbolic link")),
        Ok(metadata) if metadata.is_dir() => Err(ListFault::Kind("a directory")),
        Ok(metadata) if !metadata.is_file() => Err(ListFault::Kind("a device or a pipe")),
        Ok(_) => path.canonicalize().map_err(ListFault::Write),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let whole = std::path::absolute(path).map_err(ListFault::Write)?;
            let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else {
                return Err(ListFault::Kind("a directory"));
            };
            let folder = folder.canonicalize().map_err(|error| match error.kind() {
                ErrorKind::NotFound => ListFault::Kind("a folder that is not there"),
                _ => ListFault::Write(error),
            })?;
            Ok(folder.join(name))
        }
        Err(error) => Err(ListFault::Write(error)),
    }
}

// The file at a path when it is an earlier list of this kind or empty; `None` when there is no file.
fn open_own(path: &Path, kind: ListKind) -> Result<Option<File>, ListFault> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, i32::try_from(flags.bits()).unwrap_or(0));
    }
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => return Err(ListFault::Foreign("a symbolic link".into())),
        Ok(metadata) if metadata.is_dir() => return Err(ListFault::Foreign("a directory".into())),
        Ok(metadata) if !metadata.is_file() => return Err(ListFault::Foreign("a device or a pipe".into())),
        Ok(metadata) if has_other_names(&metadata) => {
            return Err(ListFault::Foreign("a file with several names (hard links)".into()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ListFault::Write(error)),
    }
    let file = options.open(path).map_err(ListFault::Write)?;
    let mut head = Vec::new();
    (&file).take(HEAD).read_to_end(&mut head).map_err(ListFault::Write)?;
    if is_own(&head, kind) { Ok(Some(file)) } else { Err(ListFault::Foreign("another file".into())) }
}

#[cfg(unix)]
fn has_other_names(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &fs::Metadata) -> bool {
    false
}

// Whether a file begins like a list of this kind, or is empty. The bytes of the header are the same in every encoding
// that lists are written in, except for the zeros of UTF-16.
fn is_own(head: &[u8], kind: ListKind) -> bool {
    if head.is_empty() {
        return true;
    }
    let head: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
    let marks: [&[u8]; 3] = [b"\xEF\xBB\xBF", b"\xFF\xFE", b"\xFE\xFF"];
    let head = marks.iter().find_map(|mark| head.strip_prefix(*mark)).unwrap_or(&head);
    // Lists of earlier versions have blank lines for the lines that were skipped before the input's header.
    let first = head.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty()).unwrap_or_default();
    let line = String::from_utf8_lossy(first).replace('"', "");
    match kind {
        // A spreadsheet may have saved it with another delimiter.
        ListKind::Results => [",", ";", "\t"]
            .iter()
            .any(|delimiter| line == RESULT_COLUMNS[..6].join(delimiter) || line == RESULT_COLUMNS.join(delimiter)),
        ListKind::Rejects => {
            // Any character may be the delimiter; a quote is removed above.
            let is_separated = |text: &str| {
                let mut rest = text.chars();
                text.starts_with(REASON_COLUMN) || (rest.next().is_some() && rest.as_str().starts_with(REASON_COLUMN))
            };
            // Earlier versions wrote the two columns last.
            line.strip_prefix(LINE_COLUMN).is_some_and(is_separated)
                || line.strip_suffix(REASON_COLUMN).is_some_and(|line| {
                    line.trim_end_matches(|character: char| !character.is_alphanumeric() && character != '_')
                        .ends_with(LINE_COLUMN)
                })
                || line.strip_prefix(&format!("{{{LINE_COLUMN}:")).is_some_and(|line| line.contains(REASON_COLUMN))
        }
    }
}

// Creates the file with mode 0600. A file that a killed process left is replaced; one that a running process writes is
// not.
fn make(part: &Path, kind: ListKind) -> Result<File, ListFault> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(part) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let left = open_own(part, kind).map_err(|fault| of_part(fault, part))?;
            if let Some(left) = left {
                lock(left)?;
            }
            fs::remove_file(part).map_err(ListFault::Write)?;
            lock(options.open(part).map_err(ListFault::Write)?)
        }
        Err(error) => Err(ListFault::Write(error)),
        Ok(file) => lock(file),
    }
}

// Names the file beside the list that is in the way.
fn of_part(fault: ListFault, part: &Path) -> ListFault {
    match fault {
        ListFault::Foreign(found) => ListFault::Foreign(format!("{found} at {}", part.display())),
        fault @ (ListFault::Kind(_)
        | ListFault::Ending(_)
        | ListFault::Taken(_)
        | ListFault::Busy
        | ListFault::Path
        | ListFault::Write(_)) => fault,
    }
}

fn lock(file: File) -> Result<File, ListFault> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ListFault::Busy),
        // Some file systems have no locks. There, the user has to keep two runs from writing the same list.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

// Whether two paths lead to the same file, through any links. A file that does not exist yet is compared by its folder
// and name.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().ok().or_else(|| target(path).ok());
    if let (Some(one), Some(other)) = (place(one), place(other))
        && one == other
    {
        return true;
    }
    same_inode(one, other)
}

#[cfg(unix)]
fn same_inode(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(not(unix))]
fn same_inode(_: &Path, _: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const OLD: &[u8] = b"_line,_reason,email\n2,old,a\n";
    const NEW: &[u8] = b"_line,_reason,email\n2,new,a\n";

    #[test]
    fn the_old_file_stays_until_the_new_one_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        fs::write(&path, OLD).unwrap();
        let mut file = ListFile::claim(&path, ListKind::Rejects, &[]).unwrap();
        file.begin().unwrap().write_all(NEW).unwrap();
        assert_eq!(fs::read(&path).unwrap(), OLD);
        file.put_in_place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), NEW);
        // A second file is begun and dropped.
        file.begin().unwrap().write_all(OLD).unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), NEW);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        fs::write(&path, OLD).unwrap();
        let mut file = ListFile::claim(&path, ListKind::Rejects, &[]).unwrap();
        file.begin().unwrap().write_all(NEW).unwrap();
        file.put_in_place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), NEW);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_must_not_be_replaced_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("input.csv"), "a\n1\n").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let input = at("input.csv");
        let check = |path: PathBuf, expected: &str| {
            let refused = ListFile::claim(&path, ListKind::Rejects, &[(&input, "the input")]).unwrap_err();
            assert_eq!(refused.to_string(), format!("{}: {expected}", path.display()));
        };
        check(PathBuf::from("-"), "expected a file to write, found standard output");
        check(at("folder"), "expected a file to write, found a directory");
        check(at("nowhere/list.csv"), "expected a file to write, found a folder that is not there");
        check(at("input.csv"), "expected a separate file, found the input");
        check(at("folder/../input.csv"), "expected a separate file, found the input");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("input.csv"), at("link")).unwrap();
            std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
            fs::hard_link(at("input.csv"), at("hard")).unwrap();
            check(at("link"), "expected a separate file, found the input");
            check(at("hard"), "expected a separate file, found the input");
            check(at("dangling"), "expected a file to write, found a symbolic link");
            fs::write(at("list.csv.old"), OLD).unwrap();
            std::os::unix::fs::symlink(at("list.csv.old"), at("linked.csv")).unwrap();
            check(at("linked.csv"), "expected a file to write, found a symbolic link");
            check(PathBuf::from("/dev/null"), "expected a file to write, found a device or a pipe");
        }
        let _first = ListFile::claim(&at("list.csv"), ListKind::Rejects, &[]).unwrap();
        check(at("list.csv"), "another run writes it");
    }

    #[test]
    fn a_part_file_of_a_killed_process_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        for left in [OLD, b""] {
            fs::write(folder.path().join("list.csv.part"), left).unwrap();
            let mut file = ListFile::claim(&path, ListKind::Rejects, &[]).unwrap();
            file.begin().unwrap().write_all(NEW).unwrap();
            file.put_in_place().unwrap();
            assert_eq!(fs::read(&path).unwrap(), NEW);
        }
    }

    #[test]
    fn only_a_list_of_the_same_kind_is_replaced() {
        let results = "line,key,outcome,contact_id,calls,reason";
        for (text, rejects, is_results) in [
            ("", true, true),
            ("_line,_reason,email\n2,x,a\n", true, false),
            ("\u{feff}_line;_reason;email\r\n", true, false),
            ("\n\n_line\t_reason\temail\n", true, false),
            ("email,_line,_reason\n", true, false),
            ("\"_line\",\"_reason\"\n", true, false),
            ("{\"_line\":2,\"_reason\":\"x\"}\n", true, false),
            ("_\0l\0i\0n\0e\0,\0_\0r\0e\0a\0s\0o\0n\0\n\0", true, false),
            (results, false, true),
            (&format!("{results},channel\n2,,,,,,\n"), false, true),
            (&format!("{results},mine\n"), false, false),
            ("line,key\n", false, false),
            ("_line__reason_email\n", true, false),
            ("_lines,_reason\n", false, false),
            ("_line\n", false, false),
            ("chapter,page\n1,2\n", false, false),
            ("a secret", false, false),
            ("\n", false, false),
            ("{\"_line\":2}", false, false),
        ] {
            assert_eq!(is_own(text.as_bytes(), ListKind::Rejects), rejects, "{text:?}");
            assert_eq!(is_own(text.as_bytes(), ListKind::Results), is_results, "{text:?}");
        }
    }
}
