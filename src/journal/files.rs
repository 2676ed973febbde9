//! The files of a journal: the file that a path names now, and the mark that a process is using the journal.
//!
//! SQLite holds its locks by `fcntl`, and the system drops all of them as soon as the process closes any descriptor of the
//! file. So the descriptor here is opened before SQLite opens the file, and closed after SQLite closed it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// The identity of a file, independent of its name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file that the path names now. `None` when there is none, and for a link, which is never a file of a journal
    /// whose true path is known.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| Self::of(&metadata))
    }

    #[cfg(unix)]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    // Elsewhere an open file cannot be deleted or replaced.
    #[cfg(not(unix))]
    pub(super) fn of(_: &fs::Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}

/// Whether a file has several names. A process that uses another name would not see the locks and the log beside this one.
#[cfg(unix)]
pub(super) fn has_other_names(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.nlink() > 1
}

#[cfg(not(unix))]
pub(super) fn has_other_names(_: &fs::Metadata) -> bool {
    false
}

/// The path with `ending` added to its file name.
pub(super) fn with_suffix(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Marks the journal as used by this process. The mark survives the deletion of lock files, because it is a lock on the
/// journal file itself.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    file: Arc<File>,
    id: FileId,
}

/// All journals that this process has open. Two journals of one file share a descriptor, because closing one of two would drop
/// SQLite's locks.
static OPEN: Mutex<BTreeMap<FileId, Weak<File>>> = Mutex::new(BTreeMap::new());

impl Presence {
    /// Opens the journal at its true path, before SQLite does.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = FileId::at(path)
            && let Some(file) = open.get(&id).and_then(Weak::upgrade)
        {
            return Ok(Self { file, id });
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let id = FileId::of(&file.metadata()?);
        open.retain(|_, file| file.strong_count() > 0);
        // The path may name another file by now.
        if let Some(other) = open.get(&id).and_then(Weak::upgrade) {
            // Closing this descriptor would drop the locks of the first one.
            std::mem::forget(file);
            return Ok(Self { file: other, id });
        }
        let file = Arc::new(file);
        open.insert(id, Arc::downgrade(&file));
        Ok(Self { file, id })
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// Whether the journal still begins as a database does: another program may have truncated it.
    #[cfg(unix)]
    pub(super) fn is_whole(&self) -> bool {
        self.head::<16>().is_some_and(|head| &head == b"SQLite format 3\0")
    }

    #[cfg(not(unix))]
    pub(super) fn is_whole(&self) -> bool {
        true
    }

    /// The first bytes of the journal. `None` when it has fewer.
    #[cfg(unix)]
    pub(super) fn head<const BYTES: usize>(&self) -> Option<[u8; BYTES]> {
        let mut head = [0; BYTES];
        std::os::unix::fs::FileExt::read_exact_at(&*self.file, &mut head, 0).ok()?;
        Some(head)
    }

    #[cfg(not(unix))]
    pub(super) fn head<const BYTES: usize>(&self) -> Option<[u8; BYTES]> {
        None
    }

    /// Takes the journal for this process alone while it is being opened. False when another process is using it.
    ///
    /// Only on Linux: on other systems, such a lock may conflict with SQLite's locks.
    #[cfg(target_os = "linux")]
    pub(super) fn is_alone(&self) -> bool {
        !matches!(self.file.try_lock(), Err(fs::TryLockError::WouldBlock))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn is_alone(&self) -> bool {
        true
    }

    /// Joins the processes that use the journal. Waits until `deadline` for a process that is opening the journal alone.
    /// Returns whether it joined: another program may hold the lock for longer.
    #[cfg(target_os = "linux")]
    pub(super) fn join(&self, deadline: Instant) -> bool {
        loop {
            match self.file.try_lock_shared() {
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => return false,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
                // Where the file system has no such locks, the lock files cannot be locked either, which ends the run.
                Ok(()) | Err(TryLockError::Error(_)) => return true,
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn join(&self, _: Instant) -> bool {
        true
    }

    /// Leaves the processes that use the journal for a moment.
    pub(super) fn leave(&self) {
        let _ = self.file.unlock();
    }
}
