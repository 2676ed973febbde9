//! Errors that make a whole input unusable.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use super::{Format, InputSetting};

/// An input that cannot be read: its name, the line if there is one, and the fault.
#[derive(Debug)]
pub struct SourceError {
    name: String,
    fault: SourceFault,
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// There is no such file.
    #[error("no such file or directory")]
    Missing,
    /// It is a directory.
    #[error("expected a file, found a directory")]
    Directory,
    /// It is a device, which may never end.
    #[error("expected a file, found a device")]
    Device,
    /// This user may not read it.
    #[error("permission denied")]
    Permission,
    /// It cannot be opened for another reason.
    #[error("failed to open the file")]
    Open(#[source] io::Error),
    /// It has a format that is not supported.
    #[error("expected CSV, JSON or a spreadsheet, found {found}")]
    Foreign {
        /// The format, and what to do about it.
        found: String,
    },
    /// It has another format than the options give.
    #[error("expected {expected}, found {found}")]
    FormatMismatch {
        /// The format in the options.
        expected: Format,
        /// The format of the input.
        found: Format,
    },
    /// An option was set that does not apply to the format of the input.
    #[error("{setting} applies to {} only, found {found}", setting.applies_to())]
    Inapplicable {
        /// The option.
        setting: InputSetting,
        /// The format of the input.
        found: Format,
    },
    /// It could not be decompressed.
    #[error("expected an archive that can be unpacked, found a damaged one")]
    Unpack(#[source] io::Error),
    /// An archive inside an archive.
    #[error("expected a file in the archive, found another archive: unpack it once")]
    PackedTwice,
    /// A zip archive with none or several files.
    #[error("expected a zip archive that holds one file, found {found}")]
    Members {
        /// How many, and their names.
        found: String,
    },
    /// A spreadsheet that cannot be read.
    #[error("expected a spreadsheet, found {found}: open it, and save it again as .xlsx or .csv")]
    Sheet {
        /// The row up to which it was read.
        line: Option<u64>,
        /// What was found.
        found: &'static str,
    },
    /// A spreadsheet that exceeds the size limits.
    #[error(
        "expected a spreadsheet of at most {cells} cells and {mib} MiB unpacked, found a larger one: save it as .csv"
    )]
    LargeSheet {
        /// Maximum number of cells in a sheet.
        cells: u64,
        /// Maximum uncompressed size, in MiB.
        mib: u64,
    },
    /// The requested sheet does not exist.
    #[error("expected a sheet called `{sheet}`, found {sheets}")]
    NoSheet {
        /// The requested name or number.
        sheet: String,
        /// The existing sheets.
        sheets: String,
    },
    /// A sheet of instructions before several others.
    #[error(
        "expected contacts on the first sheet, found instructions on `{cover}` and several sheets after it: {sheets}"
    )]
    SeveralSheets {
        /// The sheet of instructions.
        cover: String,
        /// The sheets after it.
        sheets: String,
    },
    /// A sheet, or all of them, without any cell.
    #[error("expected a sheet with a header, found an empty one")]
    EmptySheet,
    /// Reading failed after it had begun.
    #[error("failed to read the input")]
    Read {
        /// The line on which the row that was being read begins.
        line: u64,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// Its rows may be incomplete, because the command that writes them failed.
    #[error("the input command failed")]
    Command(#[source] io::Error),
    /// It is empty, without a header.
    #[error("expected a header, found an empty file")]
    Empty,
    /// It is empty, without any JSON.
    #[error("expected an array or an object, found an empty file")]
    EmptyJson,
    /// It is not valid JSON from here on.
    #[error("expected {expected} at byte {byte}, found {found}")]
    Json {
        /// The line.
        line: u64,
        /// The position in the line, from 1.
        byte: u64,
        /// What was expected there.
        expected: &'static str,
        /// What was found there.
        found: String,
    },
    /// An id or a match value is read by position from a list that has its elements in different orders.
    #[error(
        "expected the elements of the list `{list}` in the same order as in earlier rows, found another order: an id or match \
         value that is read by position may belong to another contact"
    )]
    ElementOrder {
        /// The first line with another order.
        line: u64,
        /// The keys that lead to the list, joined by dots.
        list: String,
    },
    /// It is unclear which objects of JSON are the rows, or some of them may be missing.
    #[error("{fault}")]
    Rows {
        /// The line of the object.
        line: u64,
        /// What is wrong with it.
        fault: RowsFault,
    },
    /// The header names no column.
    #[error("expected column names, found a blank header")]
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
    /// The header has an e-mail address or a phone number in place of a column name, so that it is the first contact.
    #[error(
        "expected column names, found what looks like a contact: column {column} is an e-mail address or a phone number"
    )]
    NoHeader {
        /// The line of the first row.
        line: u64,
        /// The position of the column, from 1.
        column: usize,
    },
    /// The header is not UTF-8.
    #[error("expected UTF-8 in the header, found {found} in column {column}: save the file as UTF-8")]
    Encoding {
        /// The header's line.
        line: u64,
        /// The position of the column, from 1.
        column: usize,
        /// What was found there.
        found: String,
    },
    /// The header is not text.
    #[error("expected column names, found control characters: is it text?")]
    Binary {
        /// The header's line.
        line: u64,
    },
    /// A quoted cell without a closing quote swallows the rows that follow it.
    #[error("a quoted cell begins in the row on this line, and its closing quote is missing")]
    Unclosed {
        /// The line on which it opens; of a cell that holds rows, the line on which its row begins.
        line: u64,
    },
    /// A row names columns, as the header does, but others or in another order.
    #[error(
        "found a second header with other columns or in another order: the rows below it do not fit the first header"
    )]
    SecondHeader {
        /// The line of the second header.
        line: u64,
    },
    /// The input ends inside a row.
    #[error("the last row is incomplete: the file may be cut off")]
    CutOff {
        /// The line on which the row begins.
        line: u64,
    },
    /// The header has misplaced quotes.
    #[error("expected column names, found misplaced quotes: is the file CSV?")]
    Quotes {
        /// The header's line.
        line: u64,
    },
    /// Cells in single quotes have apostrophes that are doubled and others that are not.
    #[error(
        "expected the apostrophes in single-quoted cells to be all doubled or none, found both: double them all, or export the \
         file with double quotes"
    )]
    Apostrophes {
        /// The first line with a doubled one.
        line: u64,
    },
    /// The header does not end.
    #[error("the header does not end: is a closing quote missing?")]
    Endless {
        /// The header's line.
        line: u64,
    },
}

/// Why the objects of a JSON input cannot be read as rows, nor as objects that hold rows under a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsFault {
    /// An object holds several arrays that may be the rows.
    #[error("expected one array of objects, found several that may be the rows: {}", Quoted(arrays))]
    Several {
        /// The keys that lead to them, joined by dots.
        arrays: Vec<String>,
    },
    /// An object may be a contact with an array in it, or hold contacts in the array.
    #[error(
        "expected a contact or an object that holds contacts, found an object that may be either, with objects under `{array}`"
    )]
    Unclear {
        /// The keys that lead to the array, joined by dots.
        array: String,
    },
    /// The rows are no objects.
    #[error("expected an array of objects under `{array}`, found an array of {found}")]
    NotObjects {
        /// The keys that lead to the array, joined by dots.
        array: String,
        /// What is in it.
        found: &'static str,
    },
    /// The rows are the members of an object.
    #[error("expected an array of objects{}, found an object with one key for each contact", Under(key))]
    Keyed {
        /// The keys that lead to the object, joined by dots; empty for the object itself.
        key: String,
    },
    /// The rows are in arrays inside the elements of another array.
    #[error("expected one array of objects, found contacts in arrays inside another array: {}", Quoted(arrays))]
    Nested {
        /// The keys that lead to them, joined by dots; `[]` follows the key of an array.
        arrays: Vec<String>,
    },
    /// The values are given by column and not by row.
    #[error("expected an object for each contact, found a table by columns: {}", Quoted(columns))]
    Columns {
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// An object that holds rows stands where a row should be.
    #[error("expected a row, found an object that holds rows under `{array}`")]
    Mixed {
        /// The keys that lead to its rows, joined by dots.
        array: String,
    },
    /// An object has no rows where those before it have them.
    #[error("expected rows under `{array}`, as in the first object of the input, found an object without that key")]
    Missing {
        /// The keys that lead to the rows, joined by dots.
        array: String,
    },
    /// The object is the answer to a request that failed.
    #[error("expected rows, found the answer to a request that failed: the input may lack the rows of that request")]
    Failed,
}

struct Under<'a>(&'a str);

impl fmt::Display for Under<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " under `{}`", self.0) }
    }
}

struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|name| format!("`{name}`")).collect();
        f.write_str(&names.join(", "))
    }
}

impl SourceError {
    pub(super) fn new(name: &str, fault: SourceFault) -> Self {
        Self { name: name.to_owned(), fault }
    }

    pub(super) fn opening(name: &str, cause: io::Error) -> Self {
        // Other errors of the system are shown by their cause.
        let fault = match cause.kind() {
            ErrorKind::NotFound => SourceFault::Missing,
            ErrorKind::PermissionDenied => SourceFault::Permission,
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
            | Self::Json { line, .. }
            | Self::ElementOrder { line, .. }
            | Self::Rows { line, .. }
            | Self::Nameless { line }
            | Self::ColumnTwice { line, .. }
            | Self::NoHeader { line, .. }
            | Self::Encoding { line, .. }
            | Self::Binary { line }
            | Self::Unclosed { line }
            | Self::SecondHeader { line }
            | Self::CutOff { line }
            | Self::Quotes { line }
            | Self::Apostrophes { line }
            | Self::Endless { line } => Some(*line),
            Self::Sheet { line, .. } => *line,
            Self::Missing
            | Self::Directory
            | Self::Device
            | Self::Permission
            | Self::Open(_)
            | Self::Command(_)
            | Self::Foreign { .. }
            | Self::FormatMismatch { .. }
            | Self::Inapplicable { .. }
            | Self::Unpack(_)
            | Self::PackedTwice
            | Self::Members { .. }
            | Self::LargeSheet { .. }
            | Self::NoSheet { .. }
            | Self::SeveralSheets { .. }
            | Self::EmptySheet
            | Self::Empty
            | Self::EmptyJson => None,
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
    // The fault is part of this error's message, so that the next in the chain is the error of the system.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_has_a_message_or_stays_the_cause() {
        let check = |kind: ErrorKind, expected: &str, has_cause: bool| {
            let error = SourceError::opening("in.csv", io::Error::from(kind));
            assert_eq!(error.to_string(), format!("in.csv: {expected}"));
            assert_eq!(error.source().is_some(), has_cause, "{kind:?}");
        };
        check(ErrorKind::NotFound, "no such file or directory", false);
        check(ErrorKind::PermissionDenied, "permission denied", false);
        check(ErrorKind::IsADirectory, "expected a file, found a directory", false);
        check(ErrorKind::Other, "failed to open the file", true);
    }
}
