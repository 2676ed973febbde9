//! The locks of a journal: one run at a time brings a file to a channel, and one process at a time fills a window.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::core::channel::WindowId;

/// How the name of a lock's file ends, which begins with the journal's.
pub(super) const LOCK_ENDING: &str = ".lock";

/// The right to run on a channel of a journal, or to fill one of its windows. The operating system takes it back when the
/// process ends, however it ends, so a killed run never blocks the next.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds the channel.
    #[error("channel `{channel}`: another run holds it: {holder}")]
    Held {
        /// The channel.
        channel: String,
        /// What the other run wrote of itself.
        holder: String,
    },
    /// Another run sends with the same token, to this channel or to another one.
    #[error("channel `{channel}`: another run holds its token: {holder}")]
    WindowHeld {
        /// The channel.
        channel: String,
        /// What the other run wrote of itself.
        holder: String,
    },
    /// The lock's file cannot be made or locked.
    #[error("lock {}: cannot open or write it", path.display())]
    File {
        /// The lock's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of `channel` beside the journal at `journal`; `holder` tells others who has it, and since when.
    ///
    /// # Errors
    /// [`LockError::Held`] when another run has it, [`LockError::File`] when its file cannot be used.
    pub fn of_channel(journal: &Path, channel: &str, holder: &str) -> Result<Self, LockError> {
        let held = |holder| LockError::Held { channel: channel.to_owned(), holder };
        Self::take(journal, &encoded(channel), holder, held)
    }

    /// Takes the lock of the window that `channel` fills.
    ///
    /// # Errors
    /// [`LockError::WindowHeld`] when another run has it, [`LockError::File`] when its file cannot be used.
    pub fn of_window(journal: &Path, window: &WindowId, channel: &str, holder: &str) -> Result<Self, LockError> {
        let held = |holder| LockError::WindowHeld { channel: channel.to_owned(), holder };
        // The sign is in no channel's encoded name.
        Self::take(journal, &format!("~{window}"), holder, held)
    }

    /// Whether the lock of a channel was ever taken: if not, no process has it.
    pub fn has_channel(journal: &Path, channel: &str) -> bool {
        path_of(journal, &encoded(channel)).exists()
    }

    /// Whether the lock of a window was ever taken: if not, no process has it.
    pub fn has_window(journal: &Path, window: &WindowId) -> bool {
        path_of(journal, &format!("~{window}")).exists()
    }

    /// Whether a process runs on `channel` of the journal at `journal`. It makes no file.
    pub fn is_held(journal: &Path, channel: &str) -> bool {
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        File::open(path_of(journal, &encoded(channel))).is_ok_and(held)
    }

    fn take(journal: &Path, name: &str, holder: &str, held: impl Fn(String) -> LockError) -> Result<Self, LockError> {
        let path = path_of(journal, name);
        let failed = |source| LockError::File { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(held(holder));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Written in place, not renamed over: the lock is on this very file.
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        file.write_all(holder.as_bytes()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

// By the journal's true name: a journal that is reached by two names is one journal.
fn path_of(journal: &Path, name: &str) -> PathBuf {
    let named = journal.canonicalize();
    let mut path = named.as_deref().unwrap_or(journal).as_os_str().to_owned();
    path.push(format!("-{name}{LOCK_ENDING}"));
    PathBuf::from(path)
}

// A channel's name may hold what a file's name may not; two names must not share a file.
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
    fn a_second_holder_is_told_of_the_first_and_other_channels_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        assert!(!Lock::is_held(&journal, "a/b"));
        let first = Lock::of_channel(&journal, "a/b", "process 1").unwrap();
        assert!(Lock::is_held(&journal, "a/b"));
        let refused = Lock::of_channel(&journal, "a/b", "process 2").unwrap_err();
        assert_eq!(refused.to_string(), "channel `a/b`: another run holds it: process 1");
        Lock::of_channel(&journal, "a_b", "process 2").unwrap();
        std::fs::write(&journal, "").unwrap();
        std::os::unix::fs::symlink(&journal, dir.path().join("other.db")).unwrap();
        Lock::of_channel(&dir.path().join("other.db"), "a/b", "process 2").unwrap_err();
        let window = WindowId::of("token", b"");
        let held = Lock::of_window(&journal, &window, "a", "process 1").unwrap();
        let refused = Lock::of_window(&journal, &window, "b", "process 2").unwrap_err();
        assert_eq!(refused.to_string(), "channel `b`: another run holds its token: process 1");
        drop((first, held));
        assert!(!Lock::is_held(&journal, "a/b"));
        Lock::of_channel(&journal, "a/b", "process 2").unwrap();
    }
}
