//! The lock of a channel: one run at a time brings a file to it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// How the name of a lock's file ends, which begins with the journal's.
pub(super) const LOCK_ENDING: &str = ".lock";

/// The right to run on a channel of a journal. The operating system takes it back when the process ends, however it
/// ends, so a killed run never blocks the next.
#[derive(Debug)]
pub struct ChannelLock {
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
    /// The lock's file cannot be made or locked.
    #[error("lock {}: cannot open or write it", path.display())]
    File {
        /// The lock's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ChannelLock {
    /// Takes the lock of `channel` beside the journal at `journal`; `holder` tells others who has it, and since when.
    ///
    /// # Errors
    /// [`LockError::Held`] when another run has it, [`LockError::File`] when its file cannot be used.
    pub fn take(journal: &Path, channel: &str, holder: &str) -> Result<Self, LockError> {
        // By its true name: a journal that is reached by two names is one journal.
        let named = journal.canonicalize();
        let path = path(named.as_deref().unwrap_or(journal), channel);
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
                return Err(LockError::Held { channel: channel.to_owned(), holder });
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

// A channel's name may hold what a file's name may not; two names must not share a file.
fn path(journal: &Path, channel: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push("-");
    for byte in channel.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(char::from(byte).to_string());
        } else {
            name.push(format!("%{byte:02X}"));
        }
    }
    name.push(LOCK_ENDING);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_of_the_first_and_other_channels_are_free() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("journal.db");
        let first = ChannelLock::take(&journal, "a/b", "process 1").unwrap();
        let refused = ChannelLock::take(&journal, "a/b", "process 2").unwrap_err();
        assert_eq!(refused.to_string(), "channel `a/b`: another run holds it: process 1");
        ChannelLock::take(&journal, "a_b", "process 2").unwrap();
        std::fs::write(&journal, "").unwrap();
        std::os::unix::fs::symlink(&journal, dir.path().join("other.db")).unwrap();
        ChannelLock::take(&dir.path().join("other.db"), "a/b", "process 2").unwrap_err();
        drop(first);
        ChannelLock::take(&journal, "a/b", "process 2").unwrap();
    }
}
