//! The lists of rows: rejected rows in the format of the input, and how each row ended.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde_json::Value as Json;

use super::cell::{QUOTED, harmless};
use super::encoded::Encoded;
use super::file::{ListError, ListFile, RESULT_COLUMNS};
use crate::core::output_format::{LINE_COLUMN, OutputFormat, REASON_COLUMN, listed_part};
use crate::core::record::Cells;

/// Size of the write buffer in bytes.
const CHUNK: usize = 64 * 1024;

/// The file of rejected rows. Once corrected, it is a valid input.
#[derive(Debug)]
pub struct Rejects {
    file: ListFile,
    output_format: OutputFormat,
    out: Option<Out>,
}

/// The file that lists how each row ended.
#[derive(Debug)]
pub struct Results {
    file: ListFile,
    // Whether it has a column for the channel.
    channels: bool,
    out: Option<TableWriter>,
}

/// A row and how it ended, for a list.
#[derive(Clone, Copy, Debug)]
pub struct RowResult<'a> {
    /// The line of the input on which the row begins.
    pub line: u64,
    /// The key of its contact, if the row was valid.
    pub key: Option<&'a str>,
    /// How it ended, in one word.
    pub outcome: &'a str,
    /// The platform's id of its contact, if known.
    pub contact_id: Option<&'a str>,
    /// Number of calls that it took.
    pub calls: u64,
    /// The reason, if there is one.
    pub reason: Option<&'a str>,
    /// Its channel.
    pub channel: &'a str,
}

#[derive(Debug)]
enum Out {
    // Boxed for the tables of its writer.
    Table(Box<TableWriter>, TableLayout),
    Objects(BufWriter<File>),
}

/// The positions of a rejected row's own cells.
#[derive(Debug)]
struct TableLayout {
    cells: usize,
    // The positions of the line and the reason of an earlier rejection in the input.
    replaced: Vec<usize>,
}

/// Rows of cells, in an encoding.
struct TableWriter(csv::Writer<Encoded<File>>);

impl Rejects {
    /// Creates a list of rejected rows in `file`, in this format.
    pub const fn new(file: ListFile, output_format: OutputFormat) -> Self {
        Self { file, output_format, out: None }
    }

    /// The file.
    pub const fn file(&self) -> &ListFile {
        &self.file
    }

    /// Begins a new file beside the old one.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written.
    pub fn begin(&mut self) -> Result<(), ListError> {
        let file = self.file.begin()?;
        let out = match &self.output_format {
            OutputFormat::Objects => Ok(Out::Objects(BufWriter::with_capacity(CHUNK, file))),
            // The lines before the input's header are left out: a list is read without skipping lines.
            OutputFormat::Table { header, delimiter, encoding, mark, skipped: _ } => {
                TableWriter::new(file, *delimiter, encoding, *mark).and_then(|mut table| {
                    let layout = TableLayout::of(header);
                    let names = layout.own(header.iter().map(String::as_str).collect());
                    table.row([LINE_COLUMN, REASON_COLUMN].into_iter().chain(names))?;
                    Ok(Out::Table(Box::new(table), layout))
                })
            }
        };
        self.out = Some(out.map_err(|error| self.file.failed(error))?);
        Ok(())
    }

    /// Adds a row. A row that could not be read has the cells that are known, and its reason says that it is
    /// incomplete.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written.
    pub fn row(&mut self, line: u64, reason: &str, cells: Option<&Cells>) -> Result<(), ListError> {
        let written = match &mut self.out {
            None => Ok(()),
            Some(Out::Objects(out)) => out.write_all(object(line, reason, cells).as_bytes()),
            Some(Out::Table(table, layout)) => {
                let texts = match cells {
                    Some(Cells::Texts(texts)) => layout.own(texts.iter().collect()),
                    Some(Cells::Object(_)) | None => Vec::new(),
                };
                let line = line.to_string();
                // A spreadsheet may fill the row up, so the reason says that it is incomplete.
                let reason = if texts.len() < layout.own_cells() {
                    format!("{reason}{}", listed_part(texts.len(), layout.own_cells()))
                } else {
                    reason.to_owned()
                };
                table.row([line.as_str(), reason.as_str()].into_iter().chain(texts))
            }
        };
        written.map_err(|error| self.file.failed(error))
    }

    /// Writes the buffered rows to the file.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written.
    pub fn flush(&mut self) -> Result<(), ListError> {
        let flushed = match &mut self.out {
            None => Ok(()),
            Some(Out::Objects(out)) => out.flush(),
            Some(Out::Table(table, _)) => table.0.flush(),
        };
        flushed.map_err(|error| self.file.failed(error))
    }

    /// Replaces the old file with the new one. Rows that are added later are appended.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be replaced.
    pub fn put_in_place(&mut self) -> Result<(), ListError> {
        self.flush()?;
        self.file.put_in_place()
    }
}

impl Results {
    /// Creates a list of results in `file`, with a column for the channel if there are several.
    pub const fn new(file: ListFile, channels: bool) -> Self {
        Self { file, channels, out: None }
    }

    /// The file.
    pub const fn file(&self) -> &ListFile {
        &self.file
    }

    /// Begins a new file beside the old one.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written.
    pub fn begin(&mut self) -> Result<(), ListError> {
        let file = self.file.begin()?;
        let names = &RESULT_COLUMNS[..if self.channels { 7 } else { 6 }];
        let table = TableWriter::new(file, b',', "UTF-8", false)
            .and_then(|mut table| table.row(names.iter().copied()).map(|()| table));
        self.out = Some(table.map_err(|error| self.file.failed(error))?);
        Ok(())
    }

    /// Adds a row.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written.
    pub fn row(&mut self, row: &RowResult<'_>) -> Result<(), ListError> {
        let Some(table) = &mut self.out else { return Ok(()) };
        let (line, count) = (row.line.to_string(), row.calls.to_string());
        let cells = [
            line.as_str(),
            row.key.unwrap_or_default(),
            row.outcome,
            row.contact_id.unwrap_or_default(),
            &count,
            row.reason.unwrap_or_default(),
            row.channel,
        ];
        let cells = &cells[..if self.channels { 7 } else { 6 }];
        table.row(cells.iter().copied()).map_err(|error| self.file.failed(error))
    }

    /// Writes the buffered rows to the file.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be written.
    pub fn flush(&mut self) -> Result<(), ListError> {
        let flushed = self.out.as_mut().map_or(Ok(()), |table| table.0.flush());
        flushed.map_err(|error| self.file.failed(error))
    }

    /// Replaces the old file with the new one. Rows that are added later are appended.
    ///
    /// # Errors
    /// A [`ListError`] when it cannot be replaced.
    pub fn put_in_place(&mut self) -> Result<(), ListError> {
        self.flush()?;
        self.file.put_in_place()
    }

    /// Lets each later row find a full disk.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn fill_the_disk(&mut self) {
        let full = File::options().write(true).open("/dev/full").expect("the device");
        self.out = Some(TableWriter::new(full, b',', "UTF-8", false).expect("a table"));
    }
}

impl TableLayout {
    fn of(header: &[String]) -> Self {
        let is_ours = |name: &str| name == LINE_COLUMN || name == REASON_COLUMN;
        let replaced = header.iter().enumerate().filter(|(_, name)| is_ours(name)).map(|(at, _)| at).collect();
        Self { cells: header.len(), replaced }
    }

    // Number of a row's own cells.
    const fn own_cells(&self) -> usize {
        self.cells - self.replaced.len()
    }

    // The row's cells without an earlier line and reason.
    fn own<'a>(&self, mut cells: Vec<&'a str>) -> Vec<&'a str> {
        if cells.len() == self.cells {
            let mut at = 0;
            cells.retain(|_| {
                at += 1;
                !self.replaced.contains(&(at - 1))
            });
        } else if let [line, _, ..] = cells[..]
            && self.replaced == [0, 1]
            && is_line(line)
        {
            // In a row with a wrong number of cells, they are the first two.
            cells.drain(..2);
        } else if let [.., line, _] = cells[..]
            && self.cells >= 2
            && self.replaced == [self.cells - 2, self.cells - 1]
            && is_line(line)
        {
            // In lists of earlier versions, the last two.
            cells.truncate(cells.len() - 2);
        }
        cells
    }
}

// Whether a cell is a line number. A phone number with its `+` is not.
fn is_line(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl TableWriter {
    fn new(file: File, delimiter: u8, encoding: &str, mark: bool) -> io::Result<Self> {
        let file = Encoded::new(file, encoding, mark)?;
        let mut builder = csv::WriterBuilder::new();
        // The writer quotes cells that contain the comment character, which is the only use of it here.
        builder.flexible(true).delimiter(delimiter).comment(Some(QUOTED)).buffer_capacity(CHUNK);
        Ok(Self(builder.from_writer(file)))
    }

    fn row<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
        for cell in cells {
            self.0.write_field(harmless(cell).as_bytes())?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }
}

/// Leaves the buffer out, which holds personal data.
impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

// One line of JSON, with the line and the reason first.
fn object(line: u64, reason: &str, cells: Option<&Cells>) -> String {
    let text = |text: &str| Json::from(text).to_string();
    let mut object = format!("{{{}:{line},{}:{}", text(LINE_COLUMN), text(REASON_COLUMN), text(reason));
    if let Some(Cells::Object(pairs)) = cells {
        for (key, json) in pairs.iter().filter(|(key, _)| !matches!(&**key, LINE_COLUMN | REASON_COLUMN)) {
            object.push_str(&format!(",{}:{json}", text(key)));
        }
    }
    object.push_str("}\n");
    object
}
