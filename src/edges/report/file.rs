//! A file that is written anew beside the old one, takes its place in one step, and goes on growing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How the name of the new file ends as long as it is not in its place.
const PART_ENDING: &str = ".part";

/// A file that this process alone writes. Until the new one is put in its place, whatever was there before stays.
#[derive(Debug)]
pub struct ListFile {
    // The file itself: where it is a link, what that leads to.
    path: PathBuf,
    // What a person calls it.
    name: PathBuf,
    part: PathBuf,
    state: State,
    // The right to write the file that is to be replaced.
    _replaced: Option<File>,
}

#[derive(Debug)]
enum State {
    /// New, beside the one that it is to replace.
    Part(File),
    /// In its place.
    InPlace(File),
    /// Neither: making it failed.
    Gone,
}

/// Why a file that lists rows cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", name.display())]
pub struct ListError {
    name: PathBuf,
    fault: ListFault,
}

/// What is wrong with a file that is to list rows.
#[derive(Debug, thiserror::Error)]
pub enum ListFault {
    /// It is no file that could be replaced.
    #[error("expected a file to write, found {0}")]
    Kind(&'static str),
    /// It is one that the run needs as it is.
    #[error("expected a file of its own, found {0}")]
    Taken(String),
    /// Another run writes it.
    #[error("another run writes it")]
    Busy,
    /// Its path is no text, and could not be written down.
    #[error("expected a path in UTF-8")]
    Path,
    /// The system says no.
    #[error("cannot write it: {0}")]
    Write(#[source] io::Error),
}

impl ListError {
    pub(super) fn new(name: &Path, fault: ListFault) -> Self {
        Self { name: name.to_owned(), fault }
    }

    /// What is wrong.
    pub const fn fault(&self) -> &ListFault {
        &self.fault
    }
}

impl ListFile {
    /// Makes sure that the file at `path` can be written, and takes the right to. `others` are the files that it must not
    /// be, with what they are.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written or is one of the others.
    pub fn claim(path: &Path, others: &[(&Path, &str)]) -> Result<Self, ListError> {
        let failed = |fault| ListError::new(path, fault);
        if path.as_os_str() == "-" {
            return Err(failed(ListFault::Kind("standard output")));
        }
        for (other, what) in others {
            if is_same(path, other) {
                return Err(failed(ListFault::Taken((*what).to_owned())));
            }
        }
        let target = target(path).map_err(failed)?;
        if target.to_str().is_none() {
            return Err(failed(ListFault::Path));
        }
        let replaced = match File::open(&target) {
            Ok(file) => Some(lock(file).map_err(failed)?),
            // Whether it may be read does not matter; whether it may be replaced is seen below.
            Err(_) => None,
        };
        let mut name: OsString = target.clone().into_os_string();
        name.push(PART_ENDING);
        let part = PathBuf::from(name);
        let file = make(&part).map_err(failed)?;
        Ok(Self { path: target, name: path.to_owned(), part, state: State::Part(file), _replaced: replaced })
    }

    /// The whole path of the file itself.
    pub fn path(&self) -> &str {
        self.path.to_str().expect("it was checked when it was claimed")
    }

    /// What a person calls it.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// A new file beside what is there, to be written from its beginning.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be made.
    pub(super) fn begin(&mut self) -> Result<File, ListError> {
        let made = match std::mem::replace(&mut self.state, State::Gone) {
            State::Part(file) => file.set_len(0).map(|()| file).map_err(ListFault::Write),
            State::InPlace(_) | State::Gone => make(&self.part),
        };
        let cloned = made.and_then(|file| Ok((file.try_clone().map_err(ListFault::Write)?, file)));
        let (copy, file) = cloned.map_err(|fault| ListError::new(&self.name, fault))?;
        self.state = State::Part(file);
        Ok(copy)
    }

    /// Puts the new file, which is written, in the place of the old one.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be put there.
    pub(super) fn put_in_place(&mut self) -> Result<(), ListError> {
        let placed = match std::mem::replace(&mut self.state, State::Gone) {
            State::Part(file) => {
                file.sync_all().and_then(|()| fs::rename(&self.part, &self.path)).map(|()| State::InPlace(file))
            }
            State::InPlace(file) => Ok(State::InPlace(file)),
            State::Gone => Err(io::Error::other("it was never begun")),
        };
        self.state = placed.map_err(|error| ListError::new(&self.name, ListFault::Write(error)))?;
        Ok(())
    }

    pub(super) fn failed(&self, error: io::Error) -> ListError {
        ListError::new(&self.name, ListFault::Write(error))
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        if matches!(self.state, State::Part(_)) {
            // What is left of it would be in nobody's way: the next one begins anew.
            let _ = fs::remove_file(&self.part);
        }
    }
}

// Follows links, so that they stay links; only what can be replaced by a file.
fn target(path: &Path) -> Result<PathBuf, ListFault> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(ListFault::Kind("a directory")),
        Ok(metadata) if !metadata.is_file() => Err(ListFault::Kind("a device or a pipe")),
        Ok(_) => path.canonicalize().map_err(ListFault::Write),
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
            Err(ListFault::Kind("a link that leads nowhere"))
        }
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

// For its owner alone. What a killed process left is replaced, what a living one writes is not.
fn make(part: &Path) -> Result<File, ListFault> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(part) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if let Ok(left) = File::open(part) {
                lock(left)?;
            }
            fs::remove_file(part).map_err(ListFault::Write)?;
            lock(options.open(part).map_err(ListFault::Write)?)
        }
        Err(error) => Err(ListFault::Write(error)),
        Ok(file) => lock(file),
    }
}

fn lock(file: File) -> Result<File, ListFault> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ListFault::Busy),
        // Some file systems have no locks. Then two runs that write one file are the user's care.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

// Whether two paths lead to one file, by whatever links. What is not there yet is compared by its folder and name.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| target(path).ok();
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

    #[test]
    fn what_was_there_stays_until_the_new_file_is_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        fs::write(&path, "old").unwrap();
        let mut file = ListFile::claim(&path, &[]).unwrap();
        file.begin().unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.put_in_place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // Anew, and given up.
        file.begin().unwrap().write_all(b"newer").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn it_is_for_its_owner_alone_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("list.csv"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut file = ListFile::claim(&link, &[]).unwrap();
        file.begin().unwrap().write_all(b"new").unwrap();
        file.put_in_place().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("input.csv"), "a\n1\n").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let input = at("input.csv");
        let check = |path: PathBuf, expected: &str| {
            let refused = ListFile::claim(&path, &[(&input, "the input")]).unwrap_err();
            assert_eq!(refused.to_string(), format!("{}: {expected}", path.display()));
        };
        check(PathBuf::from("-"), "expected a file to write, found standard output");
        check(at("folder"), "expected a file to write, found a directory");
        check(at("nowhere/list.csv"), "expected a file to write, found a folder that is not there");
        check(at("input.csv"), "expected a file of its own, found the input");
        check(at("folder/../input.csv"), "expected a file of its own, found the input");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("input.csv"), at("link")).unwrap();
            std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
            fs::hard_link(at("input.csv"), at("hard")).unwrap();
            check(at("link"), "expected a file of its own, found the input");
            check(at("hard"), "expected a file of its own, found the input");
            check(at("dangling"), "expected a file to write, found a link that leads nowhere");
            check(PathBuf::from("/dev/null"), "expected a file to write, found a device or a pipe");
        }
        let _first = ListFile::claim(&at("list.csv"), &[]).unwrap();
        check(at("list.csv"), "another run writes it");
    }

    #[test]
    fn what_a_killed_process_left_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        fs::write(folder.path().join("list.csv.part"), "half").unwrap();
        let mut file = ListFile::claim(&path, &[]).unwrap();
        file.begin().unwrap().write_all(b"new").unwrap();
        file.put_in_place().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
}
