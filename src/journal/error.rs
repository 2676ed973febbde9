//! What can go wrong with a journal, in words.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the journal cannot be used.
///
/// It is cloned to everybody who waited for one commit, so the causes are shared.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened or made.
    #[error("journal {}: cannot open or write it", path.display())]
    Open {
        /// The journal's path.
        path: PathBuf,
        /// What the system said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else.
    #[error("journal {}: expected a journal of contactsync, found {found}", path.display())]
    Foreign {
        /// The journal's path.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// The file was a journal and is damaged.
    #[error("journal {}: the file is damaged", path.display())]
    Unreadable {
        /// The journal's path.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The file was a journal and holds nothing any more. Taken for a new one, it would make everybody again.
    #[error("journal {}: the file is damaged: it is empty, and a run has used it before", path.display())]
    Emptied {
        /// The journal's path.
        path: PathBuf,
    },
    /// The file is not there, but a part of it that SQLite keeps beside it.
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
    /// A lock cannot be written any more, so that the next run would not know which calls were sent.
    #[error("lock {}: cannot write it", path.display())]
    Lock {
        /// The lock's path.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The file, or one that SQLite keeps beside it, is not a file of its own.
    #[error("journal {}: {}: expected a file of its own, found {found}", path.display(), file.display())]
    Linked {
        /// The journal's path.
        path: PathBuf,
        /// The file.
        file: PathBuf,
        /// What it is instead.
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
    /// A value in the journal is not what this program writes.
    #[error("journal: damaged: {what} is not readable")]
    Damaged {
        /// Which value.
        what: &'static str,
        /// What reading it said.
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

    /// Whether somebody can mend it by other options or rights, before anything was sent.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Foreign { .. } | Self::Newer { .. } | Self::Linked { .. } => true,
            Self::Unreadable { .. }
            | Self::Emptied { .. }
            | Self::OnlyLog { .. }
            | Self::LogMissing { .. }
            | Self::Locked { .. }
            | Self::Replaced { .. }
            | Self::Lock { .. }
            | Self::Sql(_)
            | Self::Damaged { .. }
            | Self::Gone => false,
        }
    }

    /// Whether the system refused to write: a full disk, a limit of the sizes of files, a disk that fails.
    pub fn is_unwritten(&self) -> bool {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        // What an `Arc` holds is no source of it.
        let error = if let Self::Open { source, .. } = self { of_sqlite(&**source) } else { of_sqlite(self) };
        matches!(error.and_then(rusqlite::Error::sqlite_error_code), Some(DiskFull | SystemIoFailure))
    }

    /// Whether the file no longer holds what was written into it.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::Emptied { .. } | Self::Damaged { .. } => true,
            Self::Sql(error) => is_damage(error),
            Self::Open { .. }
            | Self::Foreign { .. }
            | Self::OnlyLog { .. }
            | Self::LogMissing { .. }
            | Self::Locked { .. }
            | Self::Replaced { .. }
            | Self::Lock { .. }
            | Self::Linked { .. }
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

// The error of SQLite that is behind this one.
fn of_sqlite<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rusqlite::Error> {
    let shared = || error.downcast_ref::<Arc<rusqlite::Error>>().map(|error| &**error);
    error.downcast_ref().or_else(shared).or_else(|| of_sqlite(error.source()?))
}

// Besides what SQLite calls so: a value, a table or a JSON text that this program never writes. SQLite has no code of its own
// for these.
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
