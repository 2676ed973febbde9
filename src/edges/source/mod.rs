//! Reads contacts from a file or from standard input, row by row, into records.
//!
//! A row that cannot be read is set aside with its line and reading goes on; only what makes the whole input unusable
//! is an error. Memory is bounded by [`MAX_ROW`], not by the input. No message repeats what a cell holds.

mod csv;
mod error;
mod format;
mod jsonl;
mod object;

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Chain, Cursor, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::core::model::Rejection;
use crate::core::record::Record;

pub use self::error::{SourceError, SourceFault};
pub use self::format::{Format, UnknownFormat};

/// The longest row that is read, in bytes. A contact is thousands of times smaller; but a file without line breaks, or a
/// quote that is never closed, makes one row of the whole file, and that must not fill the memory.
pub const MAX_ROW: usize = 16 * 1024 * 1024;

/// How many bytes are asked of the input at once.
const CHUNK: usize = 64 * 1024;

/// Where the contacts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

/// One data row of the input. Blank lines are no rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A row that could be read.
    Record(Record),
    /// A row that could not, and why.
    Rejected(Rejection),
}

/// An open input: an iterator over its rows, each read when it is asked for.
///
/// ```
/// use contactsync::{Format, Row, Source};
///
/// let text = "phone,name\n+5215550001,Ann\n+5215550002\n";
/// let rows: Vec<Row> = Source::from_reader("contacts.csv", Box::new(text.as_bytes()), Format::Csv)?.collect::<Result<_, _>>()?;
/// assert!(matches!(&rows[0], Row::Record(record) if record.line == 2));
/// assert!(matches!(&rows[1], Row::Rejected(set_aside) if set_aside.reason == "expected 2 cells, found 1"));
/// # Ok::<(), contactsync::SourceError>(())
/// ```
#[derive(Debug)]
pub struct Source {
    name: String,
    rows: Rows,
    broken: bool,
}

#[derive(Debug)]
enum Rows {
    // Boxed for the tables of its parser.
    Csv(Box<csv::Rows>),
    Jsonl(jsonl::Rows),
}

/// The input's bytes, after a byte order mark.
type Bytes = BufReader<Chain<Cursor<Vec<u8>>, Unnamed>>;

/// A file that is to stay as it is while it is read. A file that replaces it does it no harm; one that is written in place
/// may be half of what it is to be, and whoever reads it would take the cut row for a whole one, and miss the others.
struct Steady {
    file: File,
    opened: Option<(SystemTime, u64)>,
}

impl Steady {
    fn new(file: File) -> Self {
        Self { opened: state_of(&file), file }
    }
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count == 0 && state_of(&self.file) != self.opened {
            return Err(std::io::Error::other("it was changed while it was read"));
        }
        Ok(count)
    }
}

// When the file was last written, and its size; a pipe has neither.
fn state_of(file: &File) -> Option<(SystemTime, u64)> {
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// A reader that has nothing to show of itself.
struct Unnamed(Box<dyn Read + Send>);

impl Source {
    /// Opens a file or standard input; for CSV, reads the header. Without `format` the file's extension decides.
    ///
    /// # Errors
    /// When the input cannot be opened or read, has no known format, or has no usable header.
    pub fn open(input: &Input, format: Option<Format>) -> Result<Self, SourceError> {
        let name = input.to_string();
        let (reader, format): (Box<dyn Read + Send>, _) = match input {
            Input::Stdin => {
                let format = format.ok_or_else(|| SourceError::new(&name, SourceFault::StdinFormat))?;
                (Box::new(std::io::stdin()), format)
            }
            // The file comes before its format: that it is not there says more than that its name ends oddly.
            Input::Path(path) => {
                let file = File::open(path).map_err(|cause| SourceError::opening(&name, cause))?;
                // A directory opens like a file on some systems, and fails only when it is read.
                if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    return Err(SourceError::new(&name, SourceFault::Directory));
                }
                let format = format.or_else(|| Format::of(path));
                (Box::new(Steady::new(file)), format.ok_or_else(|| SourceError::new(&name, SourceFault::Format))?)
            }
        };
        Self::from_reader(name, reader, format)
    }

    /// Reads rows from any reader; for CSV, reads the header. `name` is what errors call the input.
    ///
    /// # Errors
    /// When the reader fails, or when there is no usable header.
    pub fn from_reader(
        name: impl Into<String>,
        reader: Box<dyn Read + Send>,
        format: Format,
    ) -> Result<Self, SourceError> {
        let name = name.into();
        let place = |fault| SourceError::new(&name, fault);
        let bytes = without_mark(reader).map_err(|cause| place(SourceFault::Read { line: 1, cause }))?;
        let rows = match format {
            Format::Csv => Rows::Csv(Box::new(csv::Rows::new(bytes).map_err(place)?)),
            Format::Jsonl => Rows::Jsonl(jsonl::Rows::new(bytes)),
        };
        Ok(Self { name, rows, broken: false })
    }

    /// What errors call the input: the path, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format that is read.
    pub const fn format(&self) -> Format {
        match self.rows {
            Rows::Csv(_) => Format::Csv,
            Rows::Jsonl(_) => Format::Jsonl,
        }
    }

    /// The columns of a CSV file that have a name, in the file's order; `None` for JSONL, which has no header.
    pub fn header(&self) -> Option<&[Arc<str>]> {
        match &self.rows {
            Rows::Csv(rows) => Some(rows.header()),
            Rows::Jsonl(_) => None,
        }
    }
}

impl Iterator for Source {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let row = match &mut self.rows {
            Rows::Csv(rows) => rows.next_row(),
            Rows::Jsonl(rows) => rows.next_row(),
        };
        row.map_err(|fault| {
            // What could not be read once is not asked again: rows would be missing in between.
            self.broken = true;
            SourceError::new(&self.name, fault)
        })
        .transpose()
    }
}

/// `-` is standard input, everything else a path.
impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::Path(path) }
    }
}

/// As errors name it.
impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

impl Read for Unnamed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        // `BufRead::fill_buf` hands an interruption on, though it is no failure.
        loop {
            match self.0.read(buffer) {
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl fmt::Debug for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Read")
    }
}

// The mark may come in pieces from a pipe, so it is read whole before anything looks at it.
fn without_mark(reader: Box<dyn Read + Send>) -> std::io::Result<Bytes> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    let mut reader = Unnamed(reader);
    let mut start = Vec::with_capacity(MARK.len());
    (&mut reader).take(MARK.len() as u64).read_to_end(&mut start)?;
    if start == MARK {
        start.clear();
    }
    Ok(BufReader::with_capacity(CHUNK, Cursor::new(start).chain(reader)))
}

fn too_long(row: u64, line: u64) -> Rejection {
    let reason = format!("expected a row of at most {} MiB, found a longer one", MAX_ROW / (1024 * 1024));
    Rejection { row, line, column: None, reason }
}
