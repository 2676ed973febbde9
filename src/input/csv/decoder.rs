//! What the bytes of a parsed row say: a record, or why it is set aside.

use std::str::from_utf8;

use super::super::columns::Columns;
use super::super::encoding::Found as FoundCharset;
use super::super::json_text::AddressColumns;
use super::super::notice::{NoticeKind, Notices};
use super::super::{Delimiter, Row, guard, too_long};
use super::block::{Block, End, RawRow, Short};
use super::quotes::Quoting;
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record, Texts};
use crate::core::total;

/// What it takes to make rows of bytes. Any thread can.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    columns: Columns,
    addresses: AddressColumns,
    charset: FoundCharset,
    notices: Notices,
    delimiter: Delimiter,
}

impl Decoder {
    pub(super) fn new(columns: Columns, charset: FoundCharset, notices: Notices, delimiter: Delimiter) -> Self {
        let addresses = AddressColumns::of(columns.header());
        Self { columns, addresses, charset, notices, delimiter }
    }

    pub(super) const fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(super) const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The rows of a block, each with what is left of it when it could not be read.
    pub(in super::super) fn rows(&self, block: &Block) -> impl Iterator<Item = (Row, Option<Cells>)> {
        block.rows().map(|raw| {
            let row = self.row(raw);
            let remains = matches!(row, Row::Rejected(_)).then(|| self.remains(raw)).flatten();
            (row, remains)
        })
    }

    pub(super) fn row(&self, raw: RawRow<'_>) -> Row {
        let found = raw.found;
        let (row, line) = (found.row, found.line);
        let rejected = |reason| Row::Rejected(Rejection { row, line, column: None, reason });
        match found.end {
            End::Whole => {}
            End::TooLong => return Row::Rejected(too_long(row, line)),
            // Reading has ended before.
            End::Unclosed { .. } => return rejected("expected a closing quote, found none".to_owned()),
        }
        match found.quoting {
            Quoting::Sound | Quoting::Unclosed(_) => {}
            Quoting::TextAfter => {
                let expected = "expected a delimiter after the closing quote of a cell, found text";
                let lines = lines_of(line, line + found.breaks);
                return rejected(format!("{expected}: quotes inside a cell must be doubled{lines}"));
            }
            Quoting::Stray => {
                let expected = "expected quotes around a cell that ends with a quote, found none";
                return rejected(format!(
                    "{expected}: is the opening quote missing?{}",
                    lines_of(line, line + found.breaks)
                ));
            }
            Quoting::Split { lines } => {
                let lines = lines_of(line, line + found.breaks + lines);
                return rejected(format!(
                    "expected quotes around a cell with line breaks, found only the closing one below this row{lines}"
                ));
            }
            Quoting::Doubtful { cell, first, last } => {
                let lines = lines_of(first, last);
                let reason = format!("expected a closing quote, found what looks like another row before it{lines}");
                return Row::Rejected(Rejection { row, line, column: Some(self.columns.name(cell)), reason });
            }
            Quoting::SpaceBefore => {
                return rejected("expected no space between a delimiter and a quote, found one".to_owned());
            }
        }
        if self.columns.are_of_rejects() && self.has_text_beside(raw) {
            let expected = self.columns.header().len();
            return rejected(format!("expected {expected} cells, found text in a column without a name"));
        }
        let is_completed = found.short == Short::Completed;
        let is_short_total = found.is_total && found.cells < self.columns.needed();
        if !is_completed && !is_short_total && !self.fits(raw) {
            if found.is_total {
                return rejected(total::REASON.to_owned());
            }
            let expected = self.columns.len();
            let plural = if expected == 1 { "" } else { "s" };
            let why = match found.short {
                Short::Completed | Short::Rejected => "",
                Short::Split => ": it looks like a part of a row that a line break without quotes split",
                Short::Cut => ": the last line does not end, so the file may be cut off",
            };
            return rejected(format!("expected {expected} cell{plural}, found {}{why}", found.cells));
        }
        if is_completed {
            self.notices.add(NoticeKind::PaddedRow, line);
        }
        match self.cells(raw) {
            Ok(cells) => {
                if let Some(unmended) = self.columns.unmended(&cells) {
                    return rejected(unmended.reason.to_owned());
                }
                self.addresses.watch(&cells, line, &self.notices);
                self.charset.watch(raw.first(self.columns.needed().min(raw.found.cells)).0, line);
                Row::Record(Record { row, line, cells: Cells::Texts(cells), is_total: found.is_total })
            }
            Err((column, byte)) => {
                let place = format!("at byte {byte} of the cell");
                let reason = match self.charset.get() {
                    Some(charset) if !charset.is_utf8() => {
                        format!("expected {charset}, found bytes that stand for nothing in it {place}")
                    }
                    Some(_) | None => format!("expected UTF-8, found another encoding {place}"),
                };
                Row::Rejected(Rejection { row, line, column: Some(self.columns.name(column)), reason })
            }
        }
    }

    /// What could be read of a row that is set aside: the cells before what is wrong with it, or all of them. They are never
    /// as many as a row has, so that they cannot be taken for one: the last two are joined then.
    pub(super) fn remains(&self, raw: RawRow<'_>) -> Option<Cells> {
        // Of a quote that is never closed, what stands before it.
        let found = raw.found;
        let known = if found.kept { found.cells } else { 0 };
        let is_of_rejects = self.columns.are_of_rejects();
        let has_name = |at: &usize| {
            *at >= self.columns.len()
                || self.columns.has_name(*at)
                || (is_of_rejects && !raw.cell(*at).trim_ascii().is_empty())
        };
        let mut cells: Vec<&str> = Vec::new();
        for at in (0..known).filter(has_name) {
            let Ok(cell) = from_utf8(raw.cell(at)) else { break };
            cells.push(cell);
        }
        let joined;
        if cells.len() == self.columns.header().len() {
            let texts = self.cells(raw).ok();
            let last = cells.pop().unwrap_or_default();
            if let Some(unmended) = texts.and_then(|texts| self.columns.unmended(&texts)) {
                cells.truncate(unmended.own);
            } else if let Some(cell) = cells.last_mut().filter(|_| !last.is_empty()) {
                joined = format!("{cell}{}{last}", char::from(self.delimiter.byte()));
                *cell = &joined;
            }
        }
        (!cells.is_empty()).then(|| Cells::Texts(cells.into_iter().collect()))
    }

    // Whether it has text in a column without a name: what a spreadsheet makes of a row with too many cells.
    fn has_text_beside(&self, raw: RawRow<'_>) -> bool {
        let stored = if raw.found.kept { raw.found.cells.min(self.columns.len()) } else { 0 };
        (0..stored).any(|at| !self.columns.has_name(at) && !raw.cell(at).trim_ascii().is_empty())
    }

    // Columns without a name may be missing at the end, and empty cells may follow there.
    fn fits(&self, raw: RawRow<'_>) -> bool {
        let (columns, found) = (self.columns.len(), raw.found);
        found.cells == columns
            || (self.columns.needed()..columns).contains(&found.cells)
            || (found.cells > columns && found.kept && raw.first(found.cells).0.len() == raw.first(columns).0.len())
    }

    // On bytes that are not UTF-8: which column, from 0, and which byte of the cell, from 1.
    fn cells(&self, raw: RawRow<'_>) -> Result<Texts, (usize, usize)> {
        let (text, ends) = raw.first(self.columns.needed().min(raw.found.cells));
        // The whole row at once is what it nearly always comes to.
        if self.columns.have_names()
            && !guard::may_be_in(text)
            && ends.len() == self.columns.needed()
            && let Ok(text) = from_utf8(text)
            && let Some(texts) = Texts::from_ends(text.to_owned(), ends.to_vec())
        {
            return Ok(texts);
        }
        let mut texts = Texts::with_capacity(self.columns.header().len(), text.len());
        for at in self.columns.places() {
            // A row without its last cells is completed.
            let cell = if at < raw.found.cells { raw.cell(at) } else { b"" };
            let cell = from_utf8(cell).map_err(|error| (at, error.valid_up_to() + 1))?;
            texts.push(guard::taken_off(cell));
        }
        Ok(texts)
    }
}

fn lines_of(first: u64, last: u64) -> String {
    if first == last { String::new() } else { format!(" (lines {first} to {last})") }
}
