//! The locks of a journal: one run at a time uses a channel, and one process at a time uses a window.
//!
//! The file of a lock has two lines: the holder, and the number of the last call of its channel that may have been sent. By
//! the second line, the next run notices when the journal lost calls, for instance because its log was truncated.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::JournalError;
use super::files::{FileId, has_other_names, with_suffix};
use crate::core::window_id::WindowId;

/// How the name of a lock's file ends, which begins with the journal's.
pub(super) const LOCK_ENDING: &str = ".lock";

/// Number of digits of a call's number. It is fixed, because each number overwrites the one before.
const DIGITS: usize = 20;

/// Maximum number of attempts to take a lock whose file is deleted meanwhile.
const TRIES: u32 = 20;

/// Number of further attempts to take a lock that is held, and the pause before each.
const LOCK_TRIES: (u32, Duration) = (3, Duration::from_millis(5));

/// Number of attempts to read the name of a holder that has not written it yet, and the pause before each.
const NAME_READS: (u32, Duration) = (50, Duration::from_millis(10));

/// Maximum number of bytes that are read from a lock's file.
const LONGEST: u64 = 4_096;

/// A held lock on a channel or a window of a journal. The operating system releases it when the process ends for any reason,
/// so a killed run never blocks the next one. Clones share the lock.
#[derive(Clone, Debug)]
pub struct Lock {
    file: Arc<HeldFile>,
    calls: Option<i64>,
    // `None` for the lock of a window.
    channel: Option<String>,
}

/// The file of a lock that is held.
#[derive(Debug)]
pub(super) struct HeldFile {
    file: File,
    path: PathBuf,
    id: FileId,
    is_new: bool,
    // Byte offset of the last call's number.
    at: u64,
}

/// Why the lock cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds the channel.
    #[error("channel `{channel}`: in use by another run ({holder})")]
    Held {
        /// The channel.
        channel: String,
        /// The other run, by its own description.
        holder: String,
    },
    /// Another run sends with the same token, to this channel or to another one.
    #[error("channel `{channel}`: its token is in use by another run ({holder})")]
    WindowHeld {
        /// The channel.
        channel: String,
        /// The other run, by its own description.
        holder: String,
    },
    /// The lock's file cannot be created or locked.
    #[error("lock {}: cannot open or write it", path.display())]
    File {
        /// The lock's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(JournalError),
    /// The lock's path names something else, which is left as it is.
    #[error("lock {}: expected a regular file with one name, found {found}", path.display())]
    Foreign {
        /// The lock's path.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
}

impl Lock {
    /// Takes the lock of `channel` beside the journal at `journal`. `holder` describes the process and its start to others.
    ///
    /// # Errors
    /// [`LockError::Held`] when another run has it, [`LockError::File`] when its file cannot be used,
    /// [`LockError::Foreign`] when it is a link or no file.
    pub fn of_channel(journal: &Path, channel: &str, holder: &str) -> Result<Self, LockError> {
        let held = |holder| LockError::Held { channel: channel.to_owned(), holder };
        let lock = Self::take(journal, &encoded(channel), holder, held)?;
        Ok(Self { channel: Some(channel.to_owned()), ..lock })
    }

    /// Whether it is the lock of this channel.
    pub fn is_of(&self, channel: &str) -> bool {
        self.channel.as_deref() == Some(channel)
    }

    /// Takes the lock of the window that `channel` uses.
    ///
    /// # Errors
    /// [`LockError::WindowHeld`] when another run has it, [`LockError::File`] when its file cannot be used,
    /// [`LockError::Foreign`] when it is a link or no file.
    pub fn of_window(journal: &Path, window: &WindowId, channel: &str, holder: &str) -> Result<Self, LockError> {
        let held = |holder| LockError::WindowHeld { channel: channel.to_owned(), holder };
        // `~` occurs in no channel's encoded name.
        let lock = Self::take(journal, &format!("~{window}"), holder, held)?;
        Ok(lock)
    }

    /// The number of the last call of the channel that earlier runs may have sent; `None` when they did not record it.
    pub(super) fn calls(&self) -> Option<i64> {
        self.calls
    }

    pub(super) fn file(&self) -> &Arc<HeldFile> {
        &self.file
    }

    /// Whether the lock of a channel was ever taken: if not, no process has it.
    pub fn has_channel(journal: &Path, channel: &str) -> bool {
        path_of(journal, &encoded(channel)).exists()
    }

    /// Whether the lock of a window was ever taken: if not, no process has it.
    pub fn has_window(journal: &Path, window: &WindowId) -> bool {
        path_of(journal, &format!("~{window}")).exists()
    }

    /// Whether a process is using `channel` of the journal at `journal`. Creates no file.
    pub fn is_held(journal: &Path, channel: &str) -> bool {
        let path = path_of(journal, &encoded(channel));
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) && File::open(path).is_ok_and(held)
    }

    fn take(journal: &Path, name: &str, holder: &str, held: impl Fn(String) -> LockError) -> Result<Self, LockError> {
        let path = path_of(journal, name);
        let failed = |source| LockError::File { path: path.clone(), source };
        for _ in 0..TRIES {
            let (mut file, is_new) = open(&path)?;
            match try_lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(name_in(&mut file))),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            let id = FileId::of(&file.metadata().map_err(failed)?);
            // The file was deleted or replaced before it was locked. Another process may hold the file that is there now.
            if FileId::at(&path) == Some(id) {
                return Self::write(file, id, is_new, holder, &path).map_err(failed);
            }
        }
        Err(failed(io::Error::other("it is deleted again and again")))
    }

    fn write(mut file: File, id: FileId, is_new: bool, holder: &str, path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        (&file).take(LONGEST).read_to_string(&mut text)?;
        let calls = calls_of(&text);
        let holder: String = holder.chars().filter(|character| !character.is_control()).collect();
        let text = format!("{holder}\n{:0DIGITS$}\n", calls.unwrap_or(0));
        // Written in place instead of replaced, because the lock is on this file. In one write and without truncating it
        // first, so that a kill does not lose the number.
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        file.set_len(length)?;
        let at = u64::try_from(holder.len() + 1).unwrap_or(u64::MAX);
        Ok(Self { file: Arc::new(HeldFile { file, path: path.to_owned(), id, is_new, at }), calls, channel: None })
    }
}

impl HeldFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file was created for this lock.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the path still names the file.
    pub(super) fn is_in_place(&self) -> bool {
        FileId::at(&self.path) == Some(self.id)
    }

    /// Records the last call that may be sent from now on.
    pub(super) fn note(&self, call: i64) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.at))?;
        file.write_all(format!("{call:0DIGITS$}").as_bytes())
    }
}

// Retries a lock that is held, because a process that only checks whether it is held holds it for a moment.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    let (more, pause) = LOCK_TRIES;
    for _ in 0..more {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(pause),
            decided => return decided,
        }
    }
    file.try_lock()
}

/// The number of the last call in the text of a lock's file. `None` when the file is of an earlier version or empty.
pub(super) fn calls_of(text: &str) -> Option<i64> {
    text.lines().nth(1)?.parse().ok()
}

// The file, and whether it is new. A link is not followed, because its target would be overwritten.
fn open(path: &Path) -> Result<(File, bool), LockError> {
    let failed = |source| LockError::File { path: path.to_owned(), source };
    let foreign = |found| LockError::Foreign { path: path.to_owned(), found };
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => return Err(foreign("a symbolic link")),
        Ok(metadata) if metadata.is_dir() => return Err(foreign("a directory")),
        Ok(metadata) if !metadata.is_file() => return Err(foreign("a device or a pipe")),
        Ok(_) | Err(_) => {}
    }
    let (file, is_new) = match options.create_new(true).open(path) {
        Ok(file) => (file, true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // It was deleted meanwhile, so it is created.
            let file = options.create_new(false).create(true).truncate(false).open(path).map_err(failed)?;
            (file, false)
        }
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(foreign("no file"));
    }
    if has_other_names(&metadata) {
        return Err(foreign("a file with several names (hard links)"));
    }
    if metadata.len() > LONGEST {
        return Err(foreign("a file that is not a lock"));
    }
    Ok((file, is_new))
}

// The holder's description. The holder may not have written it yet.
fn name_in(file: &mut File) -> String {
    let (reads, pause) = NAME_READS;
    for _ in 0..reads {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.take(LONGEST).read_to_string(&mut text));
        if let (Ok(_), Some(holder)) = (read, text.lines().next().filter(|holder| !holder.is_empty())) {
            return holder.to_owned();
        }
        thread::sleep(pause);
    }
    "a run that has just begun".to_owned()
}

// By the canonical path, because a journal that is reached by two paths is one journal.
fn path_of(journal: &Path, name: &str) -> PathBuf {
    let named = journal.canonicalize();
    with_suffix(named.as_deref().unwrap_or(journal), &format!("-{name}{LOCK_ENDING}"))
}

// Channel names may have characters that file names may not have, and two channels must not share a file.
fn encoded(channel: &str) -> String {
    let mut name = String::with_capacity(channel.len());
    for byte in channel.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_gets_the_name_of_the_first_and_other_channels_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        assert!(!Lock::is_held(&journal, "a/b"));
        let first = Lock::of_channel(&journal, "a/b", "process 1").unwrap();
        assert!(Lock::is_held(&journal, "a/b"));
        let refused = Lock::of_channel(&journal, "a/b", "process 2").unwrap_err();
        assert_eq!(refused.to_string(), "channel `a/b`: in use by another run (process 1)");
        Lock::of_channel(&journal, "a_b", "process 2").unwrap();
        std::fs::write(&journal, "").unwrap();
        std::os::unix::fs::symlink(&journal, dir.path().join("other.db")).unwrap();
        Lock::of_channel(&dir.path().join("other.db"), "a/b", "process 2").unwrap_err();
        let window = WindowId::of("token", b"");
        let held = Lock::of_window(&journal, &window, "a", "process 1").unwrap();
        let refused = Lock::of_window(&journal, &window, "b", "process 2").unwrap_err();
        assert_eq!(refused.to_string(), "channel `b`: its token is in use by another run (process 1)");
        drop((first, held));
        assert!(!Lock::is_held(&journal, "a/b"));
        Lock::of_channel(&journal, "a/b", "process 2").unwrap();
    }
}
