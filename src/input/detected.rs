//! The detected format of an input.

use std::fmt;
use std::sync::Arc;

use super::encoding::Found;
use super::notice::{Notice, NoticeKind, Notices};
use super::object::Keys;
use super::{Charset, Delimiter, Format, Packing};
use crate::core::doubtful_values::{ArtifactField, DoubtfulValues};
use crate::core::mapping::Mapping;
use crate::core::output_format::OutputFormat;
use crate::core::shared_values::SharedField;

/// The detected format of an input, and what was noticed in its rows.
#[derive(Clone, Debug)]
pub struct Detected {
    pub(super) format: Format,
    pub(super) packing: Option<Packing>,
    pub(super) charset: Option<Found>,
    pub(super) mark: bool,
    pub(super) skipped: u64,
    pub(super) delimiter: Option<Delimiter>,
    pub(super) sheet: Option<SheetRead>,
    pub(super) unnamed: Vec<usize>,
    pub(super) header: bool,
    pub(super) rows_path: Vec<String>,
    pub(super) likely_header: Option<u64>,
    pub(super) notices: Notices,
    pub(super) keys: Keys,
}

/// The sheet that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SheetRead {
    /// Its name.
    pub name: String,
    /// How many sheets the file has.
    pub of: usize,
    /// The sheet before it that is skipped, because it holds instructions.
    pub passed_over: Option<String>,
}

impl Detected {
    /// The format of the input.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The keys of the objects that were read so far, in the order in which they came; none of an input with a header.
    pub fn keys(&self) -> Vec<Arc<str>> {
        self.keys.all()
    }

    /// The compression or archive that it is in.
    pub const fn packing(&self) -> Option<&Packing> {
        self.packing.as_ref()
    }

    /// The encoding of its text; `None` for a spreadsheet, and as long as only ASCII was read, because a later byte may show
    /// it.
    pub fn encoding(&self) -> Option<Charset> {
        self.charset.as_ref()?.get()
    }

    /// The field delimiter of CSV.
    pub const fn delimiter(&self) -> Option<Delimiter> {
        self.delimiter
    }

    /// The sheet of a spreadsheet that is read.
    pub const fn sheet(&self) -> Option<&SheetRead> {
        self.sheet.as_ref()
    }

    /// The positions, from 1, of columns that have values but no name: they are ignored.
    pub fn unnamed(&self) -> &[usize] {
        &self.unnamed
    }

    /// A message that columns without a name are ignored, if there are any.
    pub fn ignored(&self) -> Option<String> {
        match self.unnamed.as_slice() {
            [] => None,
            [one] => Some(format!("column {one} has no name and is ignored")),
            [most @ .., last] => {
                let most: Vec<_> = most.iter().map(ToString::to_string).collect();
                Some(format!("columns {} and {last} have no name and are ignored", most.join(", ")))
            }
        }
    }

    /// Whether the first row names the columns.
    pub const fn has_header(&self) -> bool {
        self.header
    }

    /// The keys that lead from an object of the input to the array of its rows, joined by dots; `None` where its objects
    /// are the rows.
    pub fn rows_under(&self) -> Option<String> {
        (!self.rows_path.is_empty()).then(|| self.rows_path.join("."))
    }

    /// The line, from 1, of a row below rows of titles that looks more like the header than the first row.
    pub const fn likely_header(&self) -> Option<u64> {
        self.likely_header
    }

    /// The notices about the rows that were read so far.
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.all()
    }

    /// Adds a notice about the row at `line`, which was found when the row was mapped.
    pub fn add_notice(&self, kind: NoticeKind, line: u64) {
        self.notices.add(kind, line);
    }

    /// Sets a notice of one row, whether it was added before or not.
    pub(crate) fn set_notice(&self, kind: NoticeKind, line: u64) {
        self.notices.set(kind, line, 1);
    }

    /// Adds what is doubtful in the values of the rows, by the columns that `mapping` reads them from.
    pub fn add_doubtful_values(&self, doubtful: &DoubtfulValues, mapping: &Mapping) {
        for SharedField { field, evidence, values, rows, line } in doubtful.shared() {
            let column = mapping.column_of(&field).into();
            self.notices.set(NoticeKind::SharedValue { column, evidence, values }, line, rows);
        }
        for ArtifactField { field, text, rows, line } in doubtful.artifacts() {
            let column = mapping.column_of(&field).into();
            self.notices.set(NoticeKind::Artifact { column, text: text.into() }, line, rows);
        }
    }

    /// How a list of rows of this input is written, with this header or none, in the encoding that is known so far. Rows of
    /// any JSON are written as one object a line, rows of a spreadsheet as CSV in UTF-8 with a byte order mark.
    pub fn output_format(&self, header: Option<&[Arc<str>]>) -> OutputFormat {
        let Some(header) = header else { return OutputFormat::Objects };
        let encoding = self.encoding().unwrap_or(Charset::UTF_8);
        OutputFormat::Table {
            header: header.iter().map(ToString::to_string).collect(),
            delimiter: self.delimiter.unwrap_or(Delimiter::COMMA).byte(),
            encoding: encoding.name().to_owned(),
            skipped: self.skipped,
            mark: self.mark || self.sheet.is_some() || encoding.is_utf16(),
        }
    }

    /// What the name of the file does not show, or may be a wrong guess; `None` for UTF-8 with commas, JSON whose objects are
    /// the rows, and a single sheet. It follows the name: `contacts.csv: read as …`.
    pub fn summary(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(Packing::Zip(name)) = &self.packing {
            parts.push(format!("read from `{}` in it", name.escape_debug()));
        }
        let charset = self.encoding().filter(|charset| !charset.is_utf8());
        let delimiter = self.delimiter.filter(|delimiter| *delimiter != Delimiter::COMMA);
        match (charset, delimiter) {
            (None, None) => {}
            (Some(charset), None) => parts.push(format!("read as {charset}")),
            (None, Some(delimiter)) => parts.push(format!("columns separated by {delimiter}")),
            (Some(charset), Some(delimiter)) => {
                parts.push(format!("read as {charset}, columns separated by {delimiter}"));
            }
        }
        if let Some(keys) = self.rows_under() {
            parts.push(format!("rows read from `{}`", keys.escape_debug()));
        }
        parts.extend(self.ignored());
        if let Some(sheet) = self.sheet.as_ref().filter(|sheet| sheet.of > 1) {
            let skipped = sheet.passed_over.as_ref();
            let skipped = skipped.map_or_else(String::new, |other| format!(", as `{other}` holds instructions"));
            parts.push(format!("read from sheet `{}`, one of {}{skipped}", sheet.name, sheet.of));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// All of it in one line: `csv in Windows-1252, columns separated by ;`.
impl fmt::Display for Detected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.format)?;
        if let Some(packing) = &self.packing {
            write!(f, " in {packing}")?;
        }
        if let Some(charset) = self.encoding() {
            write!(f, ", {charset}")?;
        }
        if let Some(delimiter) = self.delimiter {
            write!(f, ", columns separated by {delimiter}")?;
        }
        if let Some(sheet) = &self.sheet {
            write!(f, ", sheet `{}` of {}", sheet.name, sheet.of)?;
        }
        if let Some(keys) = self.rows_under() {
            write!(f, ", rows under `{}`", keys.escape_debug())?;
        }
        if !self.header && self.format.has_header() {
            f.write_str(", no header")?;
        }
        Ok(())
    }
}
