//! Why an input cannot be read at all.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// What makes a whole input unusable: its name and the line if there is one, then what was expected and what was found.
#[derive(Debug)]
pub struct SourceError {
    name: String,
    fault: SourceFault,
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// There is no such file.
    #[error("expected a file, found none of that name")]
    Missing(#[source] io::Error),
    /// It is a directory.
    #[error("expected a file, found a directory")]
    Directory,
    /// This user may not read it.
    #[error("expected a file that may be read, found no permission")]
    Permission(#[source] io::Error),
    /// It cannot be opened for another reason.
    #[error("expected a file, could not open it")]
    Open(#[source] io::Error),
    /// The name does not tell what the file holds.
    #[error(
        "expected a name that ends in .csv, .jsonl or .ndjson, found another: say it with --format csv or --format jsonl"
    )]
    Format,
    /// Standard input has no name that could tell what it holds.
    #[error("expected --format csv or --format jsonl, found neither")]
    StdinFormat,
    /// Reading failed after it had begun.
    #[error("expected more of the input, could not read it")]
    Read {
        /// The line on which the row that was being read begins.
        line: u64,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// There is not even a header.
    #[error("expected a header, found an empty file")]
    Empty,
    /// The header names no column.
    #[error("expected names of columns, found a header of blanks")]
    Nameless {
        /// The header's line.
        line: u64,
    },
    /// Two columns have the same name.
    #[error("expected each column once, found `{column}` as column {first} and column {second}")]
    ColumnTwice {
        /// The header's line.
        line: u64,
        /// The name that occurs twice.
        column: String,
        /// The position of the first, from 1.
        first: usize,
        /// The position of the second, from 1.
        second: usize,
    },
    /// The header is not UTF-8.
    #[error("expected UTF-8 in the header, found {found} in column {column}: save the file as UTF-8")]
    Encoding {
        /// The header's line.
        line: u64,
        /// The position of the column, from 1.
        column: usize,
        /// What stands there instead.
        found: String,
    },
    /// The header does not end.
    #[error("expected a header, found no end of it: is a quote not closed?")]
    Endless {
        /// The header's line.
        line: u64,
    },
}

impl SourceError {
    pub(super) fn new(name: &str, fault: SourceFault) -> Self {
        Self { name: name.to_owned(), fault }
    }

    pub(super) fn opening(name: &str, cause: io::Error) -> Self {
        // The kinds of the system are many and not ours: what has no sentence of its own shows its cause.
        let fault = match cause.kind() {
            ErrorKind::NotFound => SourceFault::Missing(cause),
            ErrorKind::PermissionDenied => SourceFault::Permission(cause),
            ErrorKind::IsADirectory => SourceFault::Directory,
            _ => SourceFault::Open(cause),
        };
        Self::new(name, fault)
    }

    /// What is wrong.
    pub const fn fault(&self) -> &SourceFault {
        &self.fault
    }
}

impl SourceFault {
    const fn line(&self) -> Option<u64> {
        match self {
            Self::Read { line, .. }
            | Self::Nameless { line }
            | Self::ColumnTwice { line, .. }
            | Self::Encoding { line, .. }
            | Self::Endless { line } => Some(*line),
            Self::Missing(_)
            | Self::Directory
            | Self::Permission(_)
            | Self::Open(_)
            | Self::Format
            | Self::StdinFormat
            | Self::Empty => None,
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault.line() {
            Some(line) => write!(f, "{}:{line}: {}", self.name, self.fault),
            None => write!(f, "{}: {}", self.name, self.fault),
        }
    }
}

impl Error for SourceError {
    // The fault is this error in other words; the next in the chain is what the system says.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_a_sentence_and_stays_as_the_cause() {
        let check = |kind: ErrorKind, expected: &str, has_cause: bool| {
            let error = SourceError::opening("in.csv", io::Error::from(kind));
            assert_eq!(error.to_string(), format!("in.csv: {expected}"));
            assert_eq!(error.source().is_some(), has_cause, "{kind:?}");
        };
        check(ErrorKind::NotFound, "expected a file, found none of that name", true);
        check(ErrorKind::PermissionDenied, "expected a file that may be read, found no permission", true);
        check(ErrorKind::IsADirectory, "expected a file, found a directory", false);
        check(ErrorKind::Other, "expected a file, could not open it", true);
    }
}
