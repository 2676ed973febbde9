//! Reads contacts from a file or from standard input, row by row, into records.
//!
//! An input is read in layers, one file each, and each layer is recognised by its content: `open` (a file or a pipe) →
//! `decompress` (gzip, zstd, zip) → `encoding` (text into UTF-8) → `sniff` (which format) → `csv`, `jsonl` or `json` (rows).
//! A spreadsheet goes from `decompress` to `sheet`. Options of the user (`options`) take precedence over detection, whose results
//! are in `detected`.
//!
//! A row that cannot be read is set aside with its line and reading goes on; only what makes the whole input unusable
//! is an error. Memory is bounded by [`MAX_ROW`], not by the input, but for spreadsheets. No message repeats what a cell
//! holds.

mod again;
mod batches;
mod cell;
mod cell_kind;
mod columns;
mod csv;
mod day_order;
mod decompress;
mod delimiter;
mod detected;
mod doubt;
mod encoding;
mod error;
mod format;
mod guard;
mod isolate;
mod json;
mod jsonl;
mod lines;
mod lookahead;
mod mixed;
mod nesting;
mod notice;
mod number_format;
mod object;
mod open;
mod options;
mod package;
mod padding;
mod pages;
mod sample;
mod sheet;
mod sniff;
mod styles;
mod titles;
mod total;
mod workbook_limits;
mod workbook_overview;
mod workbook_part;
mod workbook_size;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use self::again::Again;
use self::decompress::{Book, Content, peel};
use self::encoding::{Found, Text, Wanted};
use self::lookahead::Lookahead;
use self::mixed::Mixed;
use self::notice::Notices;
use self::object::Keys;
use self::open::Opened;
use self::padding::Unpadded;
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record};

pub use self::decompress::Packing;
pub use self::detected::{Detected, SheetRead};
pub use self::encoding::{Charset, UnknownCharset};
pub use self::error::{RowsFault, SourceError, SourceFault};
pub use self::format::{Format, UnknownFormat};
pub use self::isolate::panic_is_caught;
pub use self::notice::{Notice, NoticeKind};
pub use self::open::Input;
pub use self::options::{Delimiter, SourceOptions, UnknownDelimiter};

/// The longest row that is read, in bytes. A contact is thousands of times smaller; but a file without line breaks, or a
/// quote that is never closed, makes one row of the whole file, and that must not fill the memory.
pub const MAX_ROW: usize = 16 * 1024 * 1024;

/// The byte order mark of UTF-8. Where JSON files were put together, it stands between them too.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One data row of the input. Blank lines are no rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A row that could be read.
    Record(Record),
    /// A row that could not, and why.
    Rejected(Rejection),
}

impl Row {
    /// Its place among the data rows, from 1.
    pub(crate) const fn place(&self) -> u64 {
        match self {
            Self::Record(record) => record.row,
            Self::Rejected(rejection) => rejection.row,
        }
    }
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
pub struct Source {
    name: String,
    rows: Rows,
    detected: Detected,
    mixed: Mixed,
    broken: bool,
    // Which columns are read, once that was said.
    used: Option<Vec<bool>>,
    again: Again,
}

enum Rows {
    // Boxed for the tables of its parser.
    Csv(Box<csv::Rows>),
    Jsonl(jsonl::Rows),
    Json(json::Rows),
    Sheet(sheet::Rows),
}

/// The bytes of a layer.
type Bytes = Lookahead<Box<dyn Read + Send>>;

impl Source {
    /// Opens a file or standard input; where there is a header, reads it. What `options` leaves open is found in the
    /// input, and where that leaves a choice by the file's name.
    ///
    /// # Errors
    /// When the input cannot be opened or read, is nothing that is read, or has no usable header.
    pub fn open(input: &Input, options: impl Into<SourceOptions>) -> Result<Self, SourceError> {
        let name = input.to_string();
        let named = match input {
            Input::Path(path) => Format::of(path),
            Input::Stdin => None,
        };
        let opened = Opened::open(input)?;
        Self::assembled(name, opened, named, &options.into())
    }

    /// Reads rows from any reader; where there is a header, reads it. `name` is what errors call the input.
    ///
    /// # Errors
    /// When the reader fails, when what it gives is nothing that is read, or when there is no usable header.
    pub fn from_reader(
        name: impl Into<String>,
        reader: Box<dyn Read + Send>,
        options: impl Into<SourceOptions>,
    ) -> Result<Self, SourceError> {
        let name = name.into();
        let named = Format::of(Path::new(&name));
        Self::assembled(name, Opened::Stream(reader), named, &options.into())
    }

    fn assembled(
        name: String,
        opened: Opened,
        named: Option<Format>,
        given: &SourceOptions,
    ) -> Result<Self, SourceError> {
        let (opened, again) = Again::of(opened, named, given);
        match layers(opened, named, given) {
            Ok((rows, detected)) => {
                Ok(Self { name, rows, detected, mixed: Mixed::default(), broken: false, used: None, again })
            }
            Err(fault) => Err(SourceError::new(&name, fault)),
        }
    }

    // What could not be read once is not asked again: rows would be missing in between.
    fn broken_by(&mut self, fault: SourceFault) -> SourceError {
        self.broken = true;
        SourceError::new(&self.name, fault)
    }

    // Takes note of text that was encoded twice, and of what means another thing in each row of JSON. The rows of CSV are
    // watched where they are decoded.
    fn watch(&mut self, record: &Record) {
        let notices = &self.detected.notices;
        let is_twice = match &record.cells {
            Cells::Texts(_) if matches!(self.rows, Rows::Csv(_)) => false,
            Cells::Texts(texts) => texts.iter().any(doubt::is_double_encoded),
            Cells::Object(object) => {
                self.mixed.watch(object, record.line, notices);
                object.iter().any(|(_, json)| doubt::is_double_encoded_json(json))
            }
        };
        if is_twice {
            notices.add(NoticeKind::DoubleEncoded, record.line);
        }
    }

    /// Prepares for reading the input [again](Self::again), before its first row is read, and says whether that is possible. What
    /// comes through a pipe is copied from now on.
    pub(crate) fn prepare_again(&self) -> bool {
        self.again.prepare()
    }

    /// The same input from its beginning, once all of it was read. What it was found to be is found once more.
    ///
    /// # Errors
    /// When it cannot be read again, or was changed meanwhile.
    pub(crate) fn again(&self) -> Result<Self, SourceError> {
        let mut again = self.again.open(&self.name)?;
        if let Some(used) = self.used.clone() {
            again.only(used);
        }
        Ok(again)
    }

    /// That the input is not what it was when it was read first.
    pub(crate) fn changed(&self) -> SourceError {
        let cause = std::io::Error::other("it was changed while it was read");
        SourceError::new(&self.name, SourceFault::Read { line: 1, cause })
    }

    /// What errors call the input: the path, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format that is read.
    pub const fn format(&self) -> Format {
        self.detected.format
    }

    /// What the input was found to be.
    pub const fn detected(&self) -> &Detected {
        &self.detected
    }

    /// What could be read of the row that was just set aside: texts that are fewer or more than a row has, or, of what is
    /// no JSON object, the text under the key `_row`. `None` when nothing is known of it.
    pub fn remains(&self) -> Option<Cells> {
        match &self.rows {
            Rows::Csv(rows) => rows.remains(),
            Rows::Jsonl(rows) => rows.remains(),
            Rows::Json(rows) => rows.remains(),
            Rows::Sheet(rows) => rows.remains(),
        }
    }

    /// Says which columns of the header anybody reads: for a cell of a spreadsheet that came to nothing, such as `#N/A`, in
    /// another one, no row is set aside.
    pub fn only(&mut self, used: Vec<bool>) {
        self.used = Some(used.clone());
        match &mut self.rows {
            Rows::Sheet(rows) => rows.only(used),
            Rows::Csv(_) | Rows::Jsonl(_) | Rows::Json(_) => {}
        }
    }

    /// The columns that have a name, in the file's order; `None` for JSON, which has no header.
    pub fn header(&self) -> Option<&[Arc<str>]> {
        match &self.rows {
            Rows::Csv(rows) => Some(rows.columns().header()),
            Rows::Sheet(rows) => Some(rows.columns().header()),
            Rows::Jsonl(_) | Rows::Json(_) => None,
        }
    }
}

// From the outside in: what it is packed in, what its text is written in, what the text holds.
fn layers(opened: Opened, named: Option<Format>, given: &SourceOptions) -> Result<(Rows, Detected), SourceFault> {
    let (packing, content) = peel(Lookahead::new(opened))?;
    let mut raw = match content {
        Content::Bytes(raw) => raw,
        Content::Workbook(book, file) => {
            let format = match book {
                Book::Xlsx => Format::Xlsx,
                Book::Ods => Format::Ods,
            };
            check_meaning(given, format)?;
            let notices = Notices::default();
            let rows = sheet::Rows::new(book, file, given, &notices)?;
            let passed_over = rows.passed_over().map(str::to_owned);
            let sheet = Some(SheetRead { name: rows.sheet().to_owned(), of: rows.sheets(), passed_over });
            let unnamed = rows.columns().unnamed().to_vec();
            let header = !given.no_header;
            let detected = Detected {
                format,
                packing,
                charset: None,
                mark: false,
                skipped: given.skip_lines,
                delimiter: None,
                sheet,
                unnamed,
                header,
                rows_path: Vec::new(),
                likely_header: rows.likely_header(),
                notices,
                keys: Keys::default(),
            };
            return Ok((Rows::Sheet(rows), detected));
        }
    };
    let mark = Charset::of_mark(raw.look(4).bytes).is_some_and(|(_, length)| length > 0);
    let notices = Notices::default();
    let found = Found::reporting_to(notices.clone());
    let (format, mut text) = text_layer(raw, named, given, &found)?;
    check_meaning(given, format)?;
    let rows_path = if format.has_header() { Vec::new() } else { nesting::rows_path(&mut text)? };
    let keys = Keys::default();
    let detected = |format, delimiter, unnamed: &[usize], header| Detected {
        format,
        packing,
        charset: Some(found.clone()),
        mark,
        skipped: given.skip_lines,
        delimiter,
        sheet: None,
        unnamed: unnamed.to_vec(),
        header,
        rows_path: rows_path.clone(),
        likely_header: None,
        notices: notices.clone(),
        keys: keys.clone(),
    };
    match format {
        // Objects that hold rows are longer than a row may be.
        Format::Jsonl if rows_path.is_empty() => {
            let detected = detected(format, None, &[], false);
            Ok((Rows::Jsonl(jsonl::Rows::new(text, keys)), detected))
        }
        Format::Jsonl | Format::Json => {
            let detected = detected(format, None, &[], false);
            Ok((Rows::Json(json::Rows::new(text, rows_path, keys, notices.clone())), detected))
        }
        Format::Xlsx | Format::Ods => Err(SourceFault::NotAsTold { expected: format, found: Format::Csv }),
        Format::Csv | Format::Tsv => {
            let rows = Box::new(csv::Rows::new(text, found.clone(), notices.clone(), given)?);
            let delimiter = rows.delimiter();
            let format = if delimiter == Delimiter::TAB { Format::Tsv } else { Format::Csv };
            let detected = detected(format, Some(delimiter), rows.columns().unnamed(), rows.has_header());
            let detected = Detected { likely_header: rows.likely_header(), ..detected };
            Ok((Rows::Csv(rows), detected))
        }
    }
}

// What a text holds, and the text in UTF-8.
fn text_layer(
    mut raw: Bytes,
    named: Option<Format>,
    given: &SourceOptions,
    found: &Found,
) -> Result<(Format, Bytes), SourceFault> {
    let decoded = |raw, wanted: &Wanted| -> Bytes {
        Lookahead::new(Box::new(Unpadded::new(Text::new(raw, wanted, found.clone()))))
    };
    let format = |start: &[u8]| given.format.map_or_else(|| sniff::format(start, named), Ok);
    let marked = Charset::of_mark(raw.look(4).bytes);
    if let Some(charset) = given.encoding.or(marked.map(|(charset, _)| charset)).filter(|charset| charset.is_utf16()) {
        // Its letters are seen when it is decoded.
        let mut text = decoded(raw, &Wanted::Told(charset));
        return Ok((format(text.look(sniff::SAMPLE).bytes)?, text));
    }
    let mark = marked.map_or(0, |(_, length)| length);
    let format = format(&raw.look(sniff::SAMPLE).bytes[mark..])?;
    let wanted = match given.encoding {
        Some(charset) => Wanted::Told(charset),
        // JSON is in no other encoding (RFC 8259, 8.1).
        None if !format.has_header() => Wanted::Utf8,
        None => Wanted::Guessed,
    };
    Ok((format, decoded(raw, &wanted)))
}

// Options that the format cannot have are refused: either they or the format are not what the user meant.
fn check_meaning(given: &SourceOptions, format: Format) -> Result<(), SourceFault> {
    let is_sheet = matches!(format, Format::Xlsx | Format::Ods);
    if let Some(expected) = given.format.filter(|given| *given != format) {
        return Err(SourceFault::NotAsTold { expected, found: format });
    }
    let said = [
        ("--delimiter", given.delimiter.is_some(), "CSV", format.has_header() && !is_sheet),
        ("--encoding", given.encoding.is_some(), "text", !is_sheet),
        ("--skip-lines", given.skip_lines > 0, "CSV or a spreadsheet", format.has_header()),
        ("--no-header", given.no_header, "CSV or a spreadsheet", format.has_header()),
        ("--sheet", given.sheet.is_some(), "a spreadsheet", is_sheet),
    ];
    match said.into_iter().find(|(_, said, _, has_meaning)| *said && !has_meaning) {
        Some((option, _, wanted, _)) => Err(SourceFault::Meaningless { option, wanted, found: format }),
        None => Ok(()),
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
            Rows::Json(rows) => rows.next_row(),
            Rows::Sheet(rows) => Ok(rows.next_row()),
        };
        if let Ok(Some(Row::Record(record))) = &row {
            self.watch(record);
        }
        row.map_err(|fault| self.broken_by(fault)).transpose()
    }
}

/// Without its buffers, which hold people.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("detected", &self.detected).finish_non_exhaustive()
    }
}

// Of a row that is no JSON object. A key that begins with `_` is no field.
fn raw_row(text: &[u8]) -> Option<Cells> {
    let text = String::from_utf8_lossy(text.trim_ascii()).into_owned();
    (!text.is_empty()).then(|| Cells::Object(vec![("_row".into(), Json::String(text))]))
}

fn too_long(row: u64, line: u64) -> Rejection {
    let reason = format!("expected a row of at most {} MiB, found a longer one", MAX_ROW / (1024 * 1024));
    Rejection { row, line, column: None, reason }
}
