//! The errors of a journal.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the journal cannot be used.
///
/// All requests that waited for one commit get a clone, so the causes are shared.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or created.
    #[error("journal {}: cannot open or write it{}", path.display(), disk_cause(&**source))]
    Open {
        /// The journal's path.
        path: PathBuf,
        /// The system's error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not a journal.
    #[error("journal {}: expected a journal of contactsync, found {found}", path.display())]
    Foreign {
        /// The journal's path.
        path: PathBuf,
        /// What the file is instead.
        found: &'static str,
    },
    /// The file was a journal and is damaged.
    #[error("journal {}: the file is damaged", path.display())]
    Unreadable {
        /// The journal's path.
        path: PathBuf,
        /// SQLite's error.
        source: Arc<rusqlite::Error>,
    },
    /// The file was a journal and is empty. Taken for a new journal, it would create all contacts again.
    #[error("journal {}: the file is damaged: it is empty, and a run has used it before", path.display())]
    Emptied {
        /// The journal's path.
        path: PathBuf,
    },
    /// The file is missing, but a file that SQLite keeps beside it exists and holds a part of it.
    #[error("journal {}: the file is missing, but {} is there, which holds a part of it", path.display(), left.display())]
    OnlyLog {
        /// The journal's path.
        path: PathBuf,
        /// The part.
        left: PathBuf,
    },
    /// Another process has the journal open, and there is no log.
    #[error("journal {}: another process has it open, but its log (`-wal`) is missing", path.display())]
    LogMissing {
        /// The journal's path.
        path: PathBuf,
    },
    /// The file is of an earlier version, and another process has it open, so it cannot be upgraded.
    #[error("journal {}: cannot upgrade schema version {found} while another process has the journal open", path.display())]
    InUse {
        /// The journal's path.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// Another process has it open, so that its values cannot be replaced with hashes.
    #[error("journal {}: cannot replace its values with hashes while another process has the journal open", path.display())]
    InUseToHash {
        /// The journal's path.
        path: PathBuf,
    },
    /// A backup would replace a file.
    #[error("{}: the file exists", path.display())]
    Exists {
        /// The file's path.
        path: PathBuf,
    },
    /// Another program holds the file locked.
    #[error("journal {}: another program holds the file locked (`flock`)", path.display())]
    Locked {
        /// The journal's path.
        path: PathBuf,
    },
    /// A file of the journal was deleted, replaced or truncated while it was open.
    #[error("{}: it was deleted, replaced or truncated while this run was using it", path.display())]
    Replaced {
        /// The file's path.
        path: PathBuf,
    },
    /// A lock file cannot be written, so the next run would not know which calls were sent.
    #[error("lock {}: cannot write it", path.display())]
    Lock {
        /// The lock's path.
        path: PathBuf,
        /// The system's error.
        source: Arc<std::io::Error>,
    },
    /// The file, or a file that SQLite keeps beside it, is a link, has several names, or is not a regular file.
    #[error("journal {}: {}: expected a regular file with one name, found {found}", path.display(), file.display())]
    Linked {
        /// The journal's path.
        path: PathBuf,
        /// The file.
        file: PathBuf,
        /// What the file is instead.
        found: &'static str,
    },
    /// The file was written by a later version.
    #[error(
        "journal {}: expected schema version {supported} or less, found {found}: it was written by a newer contactsync; update this one",
        path.display()
    )]
    Newer {
        /// The journal's path.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version that this program knows.
        supported: i64,
    },
    /// SQLite failed: a full disk, a damaged file, a lock that does not come free.
    #[error("journal: {}", in_words(.0))]
    Sql(#[source] Arc<rusqlite::Error>),
    /// A value in the journal cannot be read.
    #[error("journal: damaged: {what} is not readable")]
    Damaged {
        /// Which value.
        what: &'static str,
        /// The error of reading it.
        source: Arc<serde_json::Error>,
    },
    /// The owner thread has ended.
    #[error("journal: its thread has ended")]
    Gone,
}

impl JournalError {
    pub(super) fn open(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Open { path: path.to_owned(), source: Arc::new(source) }
    }

    pub(super) fn damaged(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Damaged { what, source: Arc::new(source) }
    }

    /// Whether other options or permissions can remove the cause before anything is sent.
    pub fn is_configuration(&self) -> bool {
        match self {
            // A full or failing disk is not a configuration error.
            Self::Open { .. } => !self.is_disk_failure(),
            Self::Foreign { .. } | Self::Newer { .. } | Self::Linked { .. } | Self::Exists { .. } => true,
            Self::Unreadable { .. }
            | Self::Emptied { .. }
            | Self::OnlyLog { .. }
            | Self::LogMissing { .. }
            | Self::Locked { .. }
            | Self::InUse { .. }
            | Self::InUseToHash { .. }
            | Self::Replaced { .. }
            | Self::Lock { .. }
            | Self::Sql(_)
            | Self::Damaged { .. }
            | Self::Gone => false,
        }
    }

    /// Whether the system refused a write: a full disk, a file size limit, or a failing disk.
    pub fn is_disk_failure(&self) -> bool {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        // `Error::source` does not look into an `Arc`.
        let (error, io) = match self {
            Self::Open { source, .. } => (of_sqlite(&**source), source.downcast_ref::<io::Error>()),
            _ => (of_sqlite(self), None),
        };
        let is_full = |io: &io::Error| {
            matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
        };
        io.is_some_and(is_full)
            || matches!(error.and_then(rusqlite::Error::sqlite_error_code), Some(DiskFull | SystemIoFailure))
    }

    /// Whether the file is damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::Emptied { .. } | Self::Damaged { .. } => true,
            Self::Sql(error) => is_damage(error),
            Self::Open { .. }
            | Self::Foreign { .. }
            | Self::OnlyLog { .. }
            | Self::LogMissing { .. }
            | Self::Locked { .. }
            | Self::InUse { .. }
            | Self::InUseToHash { .. }
            | Self::Replaced { .. }
            | Self::Lock { .. }
            | Self::Linked { .. }
            | Self::Exists { .. }
            | Self::Newer { .. }
            | Self::Gone => false,
        }
    }
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(Arc::new(error))
    }
}

// The SQLite error that caused this one.
fn of_sqlite<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rusqlite::Error> {
    let shared = || error.downcast_ref::<Arc<rusqlite::Error>>().map(|error| &**error);
    error.downcast_ref().or_else(shared).or_else(|| of_sqlite(error.source()?))
}

// The cause as the end of a message if the disk is full or failing; blank for other causes.
fn disk_cause(source: &(dyn std::error::Error + 'static)) -> String {
    use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
    let error = of_sqlite(source).filter(|error| matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure)));
    error.map(|error| format!(": {}", in_words(error))).unwrap_or_default()
}

// What SQLite reports as damage, and also values, tables and JSON texts that this program never writes, for which SQLite has
// no separate code.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows, SqlInputError,
        Utf8Error,
    };
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::Unknown
        ),
        None => matches!(
            error,
            FromSqlConversionFailure(..)
                | IntegralValueOutOfRange(..)
                | InvalidColumnType(..)
                | QueryReturnedNoRows
                | SqlInputError { .. }
                | Utf8Error(..)
        ),
    }
}

fn in_words(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode;
    if is_damage(error) {
        return "the file is damaged";
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "it may not be written",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it locked",
        Some(ErrorCode::CannotOpen) => "it cannot be opened",
        Some(ErrorCode::SystemIoFailure) => "reading or writing failed",
        _ => "SQLite failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_or_fails_is_no_matter_of_options() {
        let check = |code: i32, is_configuration: bool| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            let error = JournalError::open(Path::new("j.db"), error);
            assert_eq!(error.is_disk_failure(), !is_configuration, "{error}");
            assert_eq!(error.is_configuration(), is_configuration, "{code}");
        };
        check(rusqlite::ffi::SQLITE_FULL, false);
        check(rusqlite::ffi::SQLITE_IOERR_WRITE, false);
        check(rusqlite::ffi::SQLITE_CANTOPEN, true);
        check(rusqlite::ffi::SQLITE_READONLY, true);
        let of_system = |kind| JournalError::open(Path::new("j.db"), io::Error::from(kind)).is_configuration();
        assert!(!of_system(ErrorKind::StorageFull) && of_system(ErrorKind::PermissionDenied));
    }
}
