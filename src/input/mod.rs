//! Reads contacts from a file or from standard input, row by row, into records.
//!
//! An input is read in layers, one file each, and each layer is recognised by its content: `open` (a file or a pipe) →
//! `decompress` (gzip, zstd, zip) → `encoding` (text into UTF-8) → `sniff` (which format) → `csv`, `jsonl` or `json` (rows).
//! A spreadsheet goes from `decompress` to `sheet`. The options (`options`) take precedence over detection, whose results
//! are in `detected`.
//!
//! A row that cannot be read is rejected with its line, and reading continues; only a fault of the whole input is an error.
//! Memory is bounded by [`MAX_ROW`] and not by the size of the input, except for spreadsheets. No message contains the
//! content of a cell.

mod again;
mod batches;
mod cell;
mod cell_kind;
mod columns;
mod command;
mod csv;
mod day_order;
mod decompress;
mod delimiter;
mod detected;
mod edge;
mod element_order;
mod encoding;
mod error;
mod falses;
mod format;
mod isolate;
mod json;
mod json_scan;
mod json_text;
mod jsonl;
mod lines;
mod lookahead;
mod mixed;
mod mojibake;
mod nesting;
mod notice;
mod notice_text;
mod number_format;
mod object;
mod open;
mod options;
mod package;
mod padding;
mod page_keys;
mod pages;
mod sample;
mod sheet;
mod sniff;
mod styles;
mod text_prefix;
mod titles;
mod total;
mod workbook_layout;
mod workbook_limits;
mod workbook_overview;
mod workbook_part;
mod workbook_probe;
mod workbook_size;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use self::again::Again;
use self::command::RunningCommand;
use self::decompress::{Book, Content, unpack};
use self::encoding::{Found, Text, Wanted};
use self::lookahead::Lookahead;
use self::mixed::Mixed;
use self::notice::Notices;
use self::object::Keys;
use self::open::{Opened, Steady};
use self::padding::Unpadded;
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record};
use crate::core::time::Timestamp;

pub(crate) use self::batches::InputPart;
pub use self::decompress::Packing;
pub use self::detected::{Detected, SheetRead};
pub use self::encoding::{Charset, UnknownCharset};
pub use self::error::{RowsFault, SourceError, SourceFault};
pub use self::format::{Format, UnknownFormat};
pub use self::isolate::panic_is_caught;
pub use self::notice::{Notice, NoticeKind};
pub use self::open::Input;
pub use self::options::{Delimiter, InputSetting, SourceOptions, UnknownDelimiter};

/// Maximum size of a row, in bytes. A contact is thousands of times smaller, but a file without line breaks is a single row,
/// which must not fill the memory.
pub const MAX_ROW: usize = 16 * 1024 * 1024;

/// The byte order mark of UTF-8. In concatenated files it also occurs between the files.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One data row of the input. Blank lines are skipped.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A row that could be read.
    Record(Record),
    /// A row that could not be read, with the reason.
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

/// An open input: an iterator that reads one row at a time.
///
/// ```
/// use contactsync::source::{Row, SourceError};
/// use contactsync::{Format, Source};
///
/// let text = "phone,name\n+5215550001,Ann\n+5215550002\n";
/// let rows: Vec<Row> = Source::from_reader("contacts.csv", Box::new(text.as_bytes()), Format::Csv)?.collect::<Result<_, _>>()?;
/// assert!(matches!(&rows[0], Row::Record(record) if record.line == 2));
/// assert!(matches!(&rows[1], Row::Rejected(rejection) if rejection.reason == "expected 2 cells, found 1"));
/// # Ok::<(), SourceError>(())
/// ```
pub struct Source {
    name: String,
    rows: Rows,
    detected: Detected,
    mixed: Mixed,
    broken: bool,
    // Which columns are read, once it is set.
    used: Option<Vec<bool>>,
    again: Arc<Again>,
    command: Option<RunningCommand>,
    // Whether the first row was read.
    has_begun: bool,
}

enum Rows {
    // Boxed, because their parsers have large tables or much state.
    Csv(Box<csv::Rows>),
    Jsonl(jsonl::Rows),
    Json(Box<json::Rows>),
    Sheet(Box<sheet::Rows>),
}

/// The bytes of a layer.
type Bytes = Lookahead<Box<dyn Read + Send>>;

impl Source {
    /// Opens a file or standard input, and reads its header if it has one. Options that are not set are detected from the
    /// content, and from the file's name where the content is ambiguous.
    ///
    /// # Errors
    /// When the input cannot be opened or read, has an unsupported format, or has no usable header.
    pub fn open(input: &Input, options: impl Into<SourceOptions>) -> Result<Self, SourceError> {
        let name = input.to_string();
        let named = match input {
            Input::Path(path) => Format::of(path),
            Input::Stdin | Input::Command(_) => None,
        };
        let opened = Opened::open(input)?;
        Self::assembled(name, opened, named, &options.into())
    }

    /// Reads rows from any reader, and its header if it has one. `name` is the name of the input in error messages.
    ///
    /// # Errors
    /// When the reader fails, or its content has an unsupported format or no usable header.
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
        let command = match &opened {
            Opened::Command(command) => Some(command.clone()),
            Opened::File(_) | Opened::Stream(_) => None,
        };
        let (opened, again) = Again::of(opened, named, given);
        match layers(opened, named, given) {
            Ok((rows, detected)) => Ok(Self {
                name,
                rows,
                detected,
                mixed: Mixed::default(),
                broken: false,
                used: None,
                again: Arc::new(again),
                command,
                has_begun: false,
            }),
            Err(SourceFault::Read { cause, .. }) if command::is_failure(&cause) => {
                Err(SourceError::new(&name, SourceFault::Command(cause)))
            }
            Err(fault) => Err(SourceError::new(&name, fault)),
        }
    }

    // The end of the rows. The output of a command is complete only if the command succeeded.
    fn end(&mut self) -> Result<(), SourceError> {
        let Some(command) = self.command.take() else { return Ok(()) };
        let messages = command.finish().map_err(|cause| self.broken_by(SourceFault::Command(cause)))?;
        if let Some(line) = messages.lines().rev().find(|line| !line.trim().is_empty()) {
            self.detected.add_notice(NoticeKind::CommandMessages(line.trim().into()), 1);
        }
        Ok(())
    }

    // Reading does not continue after an error: rows would be missing.
    fn broken_by(&mut self, fault: SourceFault) -> SourceError {
        self.broken = true;
        let fault = match fault {
            SourceFault::Read { cause, .. } if command::is_failure(&cause) => SourceFault::Command(cause),
            fault => fault,
        };
        SourceError::new(&self.name, fault)
    }

    // Adds notices about text that was encoded twice, and about values of JSON that differ in meaning between rows. Rows of CSV
    // are checked where they are decoded.
    fn watch(&mut self, record: &Record) -> Result<(), SourceFault> {
        let notices = &self.detected.notices;
        let is_twice = match &record.cells {
            Cells::Texts(_) if matches!(self.rows, Rows::Csv(_)) => false,
            Cells::Texts(texts) => {
                if let Rows::Sheet(rows) = &self.rows {
                    rows.addresses().watch(texts, record.line, notices);
                }
                texts.iter().any(mojibake::is_double_encoded)
            }
            Cells::Object(object) => {
                self.mixed.watch(object, record.line, notices)?;
                object.iter().any(|(_, json)| mojibake::is_double_encoded_json(json))
            }
        };
        if is_twice {
            notices.add(NoticeKind::DoubleEncoded, record.line);
        }
        Ok(())
    }

    // Before each row or batch of rows.
    fn begin(&mut self) {
        if !self.has_begun {
            self.has_begun = true;
            self.again.release();
        }
    }

    /// Prepares for reading the input [again](Self::again), before its first row is read. Returns whether that is possible. From
    /// now on, input from a pipe is copied to a temporary file.
    pub(crate) fn prepare_again(&self) -> bool {
        self.again.prepare()
    }

    /// The same input from its beginning, once all of it was read. It is detected anew.
    ///
    /// # Errors
    /// When it cannot be read again, or was changed meanwhile.
    pub(crate) fn again(&self) -> Result<Self, SourceError> {
        let mut again = self.again.open(&self.name)?;
        // It may be read once more itself.
        again.again = Arc::clone(&self.again);
        if let Some(used) = self.used.clone() {
            again.only(used);
        }
        Ok(again)
    }

    /// The error for an input that changed since it was read first.
    pub(crate) fn changed(&self) -> SourceError {
        let cause = std::io::Error::other("it changed while it was being read");
        SourceError::new(&self.name, SourceFault::Read { line: 1, cause })
    }

    /// The name in error messages: the path, or `standard input`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the input was last written; `None` when it is no file.
    pub fn modified(&self) -> Option<Timestamp> {
        self.again.modified()
    }

    /// The format.
    pub const fn format(&self) -> Format {
        self.detected.format
    }

    /// The detected properties of the input.
    pub const fn detected(&self) -> &Detected {
        &self.detected
    }

    /// The cells that could be read of the row that was just rejected: fewer or more than a row has, or, if it is not a JSON
    /// object, its text under the key `_row`. `None` when nothing could be read.
    pub fn remains(&self) -> Option<Cells> {
        match &self.rows {
            Rows::Csv(rows) => rows.remains(),
            Rows::Jsonl(rows) => rows.remains(),
            Rows::Json(rows) => rows.remains(),
            Rows::Sheet(rows) => rows.remains(),
        }
    }

    /// Sets which columns of the header are read. An error such as `#N/A` in another column of a spreadsheet rejects no row.
    pub fn only(&mut self, used: Vec<bool>) {
        self.used = Some(used.clone());
        match &mut self.rows {
            Rows::Sheet(rows) => rows.only(used),
            Rows::Csv(_) | Rows::Jsonl(_) | Rows::Json(_) => {}
        }
    }

    /// Sets the paths of JSON by which ids and match values are read. An input in which the elements of a list change their
    /// order is refused when one of these paths takes an element by its position.
    pub fn match_by(&mut self, paths: Vec<String>) {
        self.mixed.match_by(paths);
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

// From the outside in: compression, encoding, format.
fn layers(opened: Opened, named: Option<Format>, given: &SourceOptions) -> Result<(Rows, Detected), SourceFault> {
    let (packing, content) = unpack(Lookahead::new(opened))?;
    let mut raw = match content {
        Content::Bytes(raw) => raw,
        Content::Workbook(book, file) => return workbook(book, file, packing, given),
    };
    let mark = Charset::of_mark(raw.peek(4).bytes).is_some_and(|(_, length)| length > 0);
    let notices = Notices::default();
    let found = Found::reporting_to(notices.clone());
    let (format, mut text) = text_layer(raw, named, given, &found)?;
    check_settings(given, format)?;
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
            let rows = Box::new(json::Rows::new(text, rows_path, keys, notices.clone()));
            Ok((Rows::Json(rows), detected))
        }
        Format::Xlsx | Format::Ods => Err(SourceFault::FormatMismatch { expected: format, found: Format::Csv }),
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

// The rows of a spreadsheet.
fn workbook(
    book: Book,
    file: Steady,
    packing: Option<Packing>,
    given: &SourceOptions,
) -> Result<(Rows, Detected), SourceFault> {
    let format = match book {
        Book::Xlsx => Format::Xlsx,
        Book::Ods => Format::Ods,
    };
    check_settings(given, format)?;
    let notices = Notices::default();
    let rows = Box::new(sheet::Rows::new(book, file, given, &notices)?);
    let passed_over = rows.passed_over().map(str::to_owned);
    let sheet = Some(SheetRead { name: rows.sheet().to_owned(), of: rows.sheets(), passed_over });
    let detected = Detected {
        format,
        packing,
        charset: None,
        mark: false,
        skipped: given.skip_lines,
        delimiter: None,
        sheet,
        unnamed: rows.columns().unnamed().to_vec(),
        header: !given.no_header,
        rows_path: Vec::new(),
        likely_header: rows.likely_header(),
        notices,
        keys: Keys::default(),
    };
    Ok((Rows::Sheet(rows), detected))
}

// The format of the text, and the text in UTF-8.
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
    let marked = Charset::of_mark(raw.peek(4).bytes);
    if let Some(charset) = given.encoding.or(marked.map(|(charset, _)| charset)).filter(|charset| charset.is_utf16()) {
        // The format is detected from the decoded text.
        let mut text = decoded(raw, &Wanted::Given(charset));
        return Ok((format(text.peek(sniff::SAMPLE).bytes)?, text));
    }
    let mark = marked.map_or(0, |(_, length)| length);
    let format = format(&raw.peek(sniff::SAMPLE).bytes[mark..])?;
    let wanted = match given.encoding {
        Some(charset) => Wanted::Given(charset),
        // JSON is in no other encoding (RFC 8259, 8.1).
        None if !format.has_header() => Wanted::Utf8,
        None => Wanted::Guessed,
    };
    Ok((format, decoded(raw, &wanted)))
}

// Refuses options that do not apply to the format: either they or the format are not what the user meant.
fn check_settings(given: &SourceOptions, format: Format) -> Result<(), SourceFault> {
    let is_sheet = matches!(format, Format::Xlsx | Format::Ods);
    if let Some(expected) = given.format.filter(|given| *given != format) {
        return Err(SourceFault::FormatMismatch { expected, found: format });
    }
    let has_rows_of_text = format.has_header() && !is_sheet;
    let settings = [
        (InputSetting::Delimiter, given.delimiter.is_some(), has_rows_of_text),
        (InputSetting::Encoding, given.encoding.is_some(), !is_sheet),
        (InputSetting::SkipLines, given.skip_lines > 0, format.has_header()),
        (InputSetting::NoHeader, given.no_header, format.has_header()),
        (InputSetting::Sheet, given.sheet.is_some(), is_sheet),
    ];
    match settings.into_iter().find(|(_, is_set, applies)| *is_set && !applies) {
        Some((setting, ..)) => Err(SourceFault::Inapplicable { setting, found: format }),
        None => Ok(()),
    }
}

impl Iterator for Source {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        self.begin();
        let row = match &mut self.rows {
            Rows::Csv(rows) => rows.next_row(),
            Rows::Jsonl(rows) => rows.next_row(),
            Rows::Json(rows) => rows.next_row(),
            Rows::Sheet(rows) => Ok(rows.next_row()),
        };
        let row = row.and_then(|row| {
            if let Some(Row::Record(record)) = &row {
                self.watch(record)?;
            }
            Ok(row)
        });
        match row {
            Ok(None) => self.end().err().map(Err),
            row => row.map_err(|fault| self.broken_by(fault)).transpose(),
        }
    }
}

/// Without its buffers, which contain personal data.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("detected", &self.detected).finish_non_exhaustive()
    }
}

// The text of a row that is not a JSON object. A key that begins with `_` is not a field.
fn raw_row(text: &[u8]) -> Option<Cells> {
    let text = String::from_utf8_lossy(text.trim_ascii()).into_owned();
    (!text.is_empty()).then(|| Cells::Object(vec![("_row".into(), Json::String(text))]))
}

fn too_long(row: u64, line: u64) -> Rejection {
    let reason = format!("expected a row of at most {} MiB, found a longer one", MAX_ROW / (1024 * 1024));
    Rejection { row, line, column: None, reason }
}
