//! Decodes a parsed row into a record, or rejects it with a reason.

use std::str::from_utf8;

use super::super::batches::InputPart;
use super::super::columns::Columns;
use super::super::encoding::Found as FoundCharset;
use super::super::json_text::AddressColumns;
use super::super::notice::{NoticeKind, Notices};
use super::super::{Delimiter, Row, text_prefix, too_long};
use super::beside::{Beside, MOVED, RowBeside, Stray};
use super::block::{Block, End, Part, RawRow, Short};
use super::quotes::Quoting;
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record, Texts};
use crate::core::total;

/// Decodes rows, on any thread.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    columns: Columns,
    addresses: AddressColumns,
    charset: FoundCharset,
    notices: Notices,
    delimiter: Delimiter,
    beside: Beside,
}

impl Decoder {
    pub(super) fn new(
        columns: Columns,
        charset: FoundCharset,
        notices: Notices,
        delimiter: Delimiter,
        beside: Beside,
    ) -> Self {
        let addresses = AddressColumns::of(columns.header());
        Self { columns, addresses, charset, notices, delimiter, beside }
    }

    pub(super) const fn beside(&self) -> Beside {
        self.beside
    }

    pub(super) const fn notices(&self) -> &Notices {
        &self.notices
    }

    pub(super) const fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) const fn charset(&self) -> &FoundCharset {
        &self.charset
    }

    /// What was read into a block.
    pub(in super::super) fn parts(&self, block: &Block) -> impl Iterator<Item = InputPart> {
        block.parts().map(|part| match part {
            Part::Skipped(places, first) => InputPart::Skipped { places, first },
            Part::Row(raw) => {
                let (row, is_noted) = self.noted_row(raw);
                let remains = matches!(row, Row::Rejected(_)).then(|| self.remains(raw)).flatten();
                let hash = raw.found.hash.map(|hash| if is_noted { hash.noted() } else { hash });
                InputPart::Row { row, remains, hash }
            }
        })
    }

    pub(super) fn row(&self, raw: RawRow<'_>) -> Row {
        self.noted_row(raw).0
    }

    // The row, and whether it added a notice.
    fn noted_row(&self, raw: RawRow<'_>) -> (Row, bool) {
        let found = raw.found;
        let (row, line) = (found.row, found.line);
        let rejected = |reason| (Row::Rejected(Rejection { row, line, column: None, reason }), false);
        match found.end {
            End::Whole => {}
            End::TooLong => return (Row::Rejected(too_long(row, line)), false),
            // Reading ends at such a row, so that it is not decoded.
            End::Unclosed { .. } => return rejected("expected a closing quote, found none".to_owned()),
        }
        if let Some((column, reason)) = self.misquoted(raw) {
            return (Row::Rejected(Rejection { row, line, column, reason }), false);
        }
        if self.columns.are_of_rejects() && self.has_text_beside(raw) {
            let expected = self.columns.header().len();
            return rejected(format!("expected {expected} cells, found text in a column without a name"));
        }
        let is_completed = found.short == Short::Completed;
        let is_short_total = found.total.is_some() && found.cells < self.columns.needed();
        if !is_completed && !is_short_total && !self.fits(raw) {
            if found.total.is_some() {
                return rejected(total::REASON.to_owned());
            }
            return rejected(self.wrong_count(raw));
        }
        let stray = self.stray(raw);
        match stray {
            Some(Stray::Moved) => return rejected(MOVED.to_owned()),
            Some(Stray::Unclear) => self.notices.add(NoticeKind::TextBeside, line),
            None => {}
        }
        if is_completed {
            self.notices.add(NoticeKind::PaddedRow, line);
        }
        match self.cells(raw) {
            Ok(cells) => {
                if let Some(uncorrected) = self.columns.uncorrected(&cells) {
                    return rejected(uncorrected.reason.to_owned());
                }
                let has_json = self.addresses.watch(&cells, line, &self.notices);
                let is_doubtful = self.charset.watch(raw.first(self.columns.needed().min(raw.found.cells)).0, line);
                let row = Row::Record(Record { row, line, cells: Cells::Texts(cells), total: found.total });
                (row, is_completed || has_json || is_doubtful || stray.is_some())
            }
            Err((column, byte)) => {
                let (column, reason) = (Some(self.columns.name(column)), self.undecodable(byte));
                (Row::Rejected(Rejection { row, line, column, reason }), false)
            }
        }
    }

    // The fault in the quotes of a row, with the column of the cell if it is known.
    fn misquoted(&self, raw: RawRow<'_>) -> Option<(Option<String>, String)> {
        let (line, breaks) = (raw.found.line, raw.found.breaks);
        let reason = match raw.found.quoting {
            Quoting::Sound | Quoting::Unclosed(_) => return None,
            Quoting::TextAfter => format!(
                "expected a delimiter after the closing quote of a cell, found text: quotes inside a cell must be doubled{}",
                lines_of(line, line + breaks)
            ),
            Quoting::Stray => format!(
                "expected quotes around a cell that ends with a quote, found none: is the opening quote missing?{}",
                lines_of(line, line + breaks)
            ),
            Quoting::Split { lines } => format!(
                "expected quotes around a cell with line breaks, found only the closing one below this row{}",
                lines_of(line, line + breaks + lines)
            ),
            Quoting::Doubtful { cell, first, last } => {
                let lines = lines_of(first, last);
                let reason = format!("expected a closing quote, found what looks like another row before it{lines}");
                return Some((Some(self.columns.name(cell)), reason));
            }
            Quoting::SpaceBefore => "expected no space between a delimiter and a quote, found one".to_owned(),
        };
        Some((None, reason))
    }

    fn wrong_count(&self, raw: RawRow<'_>) -> String {
        let expected = self.columns.len();
        let plural = if expected == 1 { "" } else { "s" };
        let why = match raw.found.short {
            Short::Completed | Short::Rejected => "",
            Short::Split => ": it looks like a part of a row that a line break without quotes split",
            Short::Cut => ": the last line does not end, so the file may be cut off",
        };
        format!("expected {expected} cell{plural}, found {}{why}", raw.found.cells)
    }

    fn undecodable(&self, byte: usize) -> String {
        let place = format!("at byte {byte} of the cell");
        match self.charset.get() {
            Some(charset) if !charset.is_utf8() => {
                format!("expected {charset}, found bytes that are invalid in it {place}")
            }
            Some(_) | None => format!("expected UTF-8, found another encoding {place}"),
        }
    }

    /// The cells that could be read of a rejected row: those before the fault, or all. They are never as many as a row has, so
    /// that the list of rejected rows does not look complete: if necessary, the last two are joined.
    pub(super) fn remains(&self, raw: RawRow<'_>) -> Option<Cells> {
        // With an unclosed quote, the cells before it.
        let found = raw.found;
        let known = if found.kept { found.cells } else { 0 };
        let is_of_rejects = self.columns.are_of_rejects() || self.stray(raw) == Some(Stray::Moved);
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
            if let Some(uncorrected) = texts.and_then(|texts| self.columns.uncorrected(&texts)) {
                cells.truncate(uncorrected.own);
            } else if let Some(cell) = cells.last_mut().filter(|_| !last.is_empty()) {
                joined = format!("{cell}{}{last}", char::from(self.delimiter.byte()));
                *cell = &joined;
            }
        }
        (!cells.is_empty()).then(|| Cells::Texts(cells.into_iter().collect()))
    }

    // Whether it has text in a column without a name, as after a spreadsheet has saved a row with too many cells.
    fn has_text_beside(&self, raw: RawRow<'_>) -> bool {
        let stored = if raw.found.kept { raw.found.cells.min(self.columns.len()) } else { 0 };
        (0..stored).any(|at| !self.columns.has_name(at) && !raw.cell(at).trim_ascii().is_empty())
    }

    // Whether it has text in a column without a name where most rows have none. A list of rejected rows is judged before.
    fn stray(&self, raw: RawRow<'_>) -> Option<Stray> {
        let has_beside = self.columns.needed() < self.columns.len();
        if !has_beside || !raw.found.kept || self.columns.are_of_rejects() {
            return None;
        }
        let stored = raw.found.cells.min(self.columns.len());
        self.beside.judge(RowBeside::of((0..stored).map(|at| (at, raw.cell(at))), &self.columns))
    }

    // Columns without a name may be missing at the end, and empty cells may follow there.
    fn fits(&self, raw: RawRow<'_>) -> bool {
        let (columns, found) = (self.columns.len(), raw.found);
        found.cells == columns
            || (self.columns.needed()..columns).contains(&found.cells)
            || (found.cells > columns && found.kept && raw.first(found.cells).0.len() == raw.first(columns).0.len())
    }

    // The error is the position of invalid UTF-8: the column, from 0, and the byte of the cell, from 1.
    fn cells(&self, raw: RawRow<'_>) -> Result<Texts, (usize, usize)> {
        let (text, ends) = raw.first(self.columns.needed().min(raw.found.cells));
        // Nearly all rows can be decoded at once.
        if self.columns.have_names()
            && !text_prefix::may_be_in(text)
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
            texts.push(text_prefix::stripped(cell));
        }
        Ok(texts)
    }
}

fn lines_of(first: u64, last: u64) -> String {
    if first == last { String::new() } else { format!(" (lines {first} to {last})") }
}
