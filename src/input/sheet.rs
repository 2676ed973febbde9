//! Rows of a spreadsheet, XLSX or ODS. It is read completely when it is opened, so that it takes memory in proportion to its
//! size, which `workbook_limits` bounds.

mod book;
mod cover;
mod table;

use std::sync::Arc;

use calamine::{Sheet, SheetVisible};

use self::book::{Opened, damaged};
use self::table::{Faults, Found, Table};
use super::columns::Columns;
use super::decompress::Book;
use super::isolate::caught;
use super::json_text::AddressColumns;
use super::notice::{NoticeKind, Notices};
use super::open::Steady;
use super::workbook_layout::{Cover, Layout};
use super::workbook_overview::{self, inspect};
use super::{Row, SourceFault, SourceOptions};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record, Texts};
use crate::core::text::visible;

/// The rows of one sheet.
pub(super) struct Rows {
    columns: Columns,
    addresses: AddressColumns,
    read: std::vec::IntoIter<Record>,
    faults: Faults,
    // Whether each column of the header is read; all of them by default.
    used: Vec<bool>,
    // The cells before the one for which the last row was rejected.
    remains: Option<Texts>,
    sheet: String,
    sheets: usize,
    passed_over: Option<String>,
    likely_header: Option<u64>,
    notices: Notices,
    has_header: bool,
    // How many rows repeated the header so far.
    repeated: u64,
}

impl Rows {
    /// Reads the requested sheet, or the first visible one that is not empty, unless that one holds instructions and a single
    /// sheet follows.
    pub(super) fn new(book: Book, file: Steady, given: &SourceOptions, notices: &Notices) -> Result<Self, SourceFault> {
        let watched = file.try_clone().map_err(SourceFault::Unpack)?;
        let read = Self::read(book, file, given, notices);
        // A file that is being written, or a failing disk, looks like a damaged file.
        watched.check().map_err(|cause| SourceFault::Read { line: 1, cause })?;
        read
    }

    fn read(book: Book, file: Steady, given: &SourceOptions, notices: &Notices) -> Result<Self, SourceFault> {
        let overview = inspect(book, &file)?;
        let workbook_overview::Found { renamed, shown, layouts, is_uncomputed } = overview;
        let file = renamed.unwrap_or(file);
        let mut book = caught(|| Opened::new(book, file, shown)).unwrap_or(Err(damaged(None)))?;
        let sheets = book.sheets();
        let mut names = chosen(&sheets, given.sheet.as_deref())?.into_iter();
        let mut next = |book: &mut Opened| -> Result<Option<(Found, String)>, SourceFault> {
            for name in names.by_ref() {
                let cover = layouts.get(&name).map(Cover::of).unwrap_or_default();
                let mut table = Table::new(given, is_uncomputed, cover);
                book.read(&name, &mut table)?;
                if let Some(found) = table.end()? {
                    return Ok(Some((found, name)));
                }
            }
            Ok(None)
        };
        let Some((mut found, mut sheet)) = next(&mut book)? else { return Err(SourceFault::EmptySheet) };
        let mut passed_over = None;
        if given.sheet.is_none()
            && found.is_cover(&sheet)
            && let Some((second, name)) = next(&mut book)?
        {
            if let Some((_, third)) = next(&mut book)? {
                let sheets = [&name, &third].map(|name| format!("`{name}`")).join(", ");
                return Err(SourceFault::SeveralSheets { cover: sheet, sheets });
            }
            passed_over = Some(std::mem::replace(&mut sheet, name));
            found = second;
        }
        if let Some(line) = found.second_header {
            return Err(SourceFault::SecondHeader { line });
        }
        if let Some(column) = found.columns.contact_at().filter(|_| !given.no_header && found.likely_header.is_none()) {
            return Err(SourceFault::NoHeader { line: found.header_line, column });
        }
        if let Some(layout) = layouts.get(&sheet) {
            notice_layout(layout, found.header_line.max(given.skip_lines), notices);
        }
        found.day_orders.notice(notices);
        found.beside.iter().for_each(|line| notices.add(NoticeKind::TextBeside, *line));
        let Found { columns, rows, faults, likely_header, .. } = found;
        let used = vec![true; columns.header().len()];
        let read = rows.into_iter();
        let sheets = sheets.len();
        Ok(Self {
            addresses: AddressColumns::of(columns.header()),
            columns,
            read,
            faults,
            used,
            remains: None,
            sheet,
            sheets,
            passed_over,
            likely_header,
            notices: notices.clone(),
            has_header: !given.no_header,
            repeated: 0,
        })
    }

    /// Sets which columns are read. An error in another column rejects no row.
    pub(super) fn only(&mut self, used: Vec<bool>) {
        self.used = used;
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) const fn addresses(&self) -> &AddressColumns {
        &self.addresses
    }

    pub(super) fn sheet(&self) -> &str {
        &self.sheet
    }

    /// The number of sheets with cells in the file.
    pub(super) const fn sheets(&self) -> usize {
        self.sheets
    }

    /// The sheet before it that holds instructions, if there is one.
    pub(super) fn passed_over(&self) -> Option<&str> {
        self.passed_over.as_deref()
    }

    /// The line of a row that looks more like the header than the first one.
    pub(super) const fn likely_header(&self) -> Option<u64> {
        self.likely_header
    }

    pub(super) fn next_row(&mut self) -> Option<Row> {
        let mut record = self.read.next()?;
        while self.has_header && self.is_header(&record) {
            self.notices.add(NoticeKind::RepeatedHeader, record.line);
            self.repeated += 1;
            record = self.read.next()?;
        }
        let uncorrected = match &record.cells {
            Cells::Texts(texts) => self.columns.uncorrected(texts),
            Cells::Object(_) => None,
        };
        if let (Some(uncorrected), Cells::Texts(texts)) = (uncorrected, &record.cells) {
            self.remains = Some(texts.iter().take(uncorrected.own).collect());
            let row = record.row - self.repeated;
            return Some(Row::Rejected(Rejection {
                row,
                line: record.line,
                column: None,
                reason: uncorrected.reason.to_owned(),
            }));
        }
        let is_used = |(place, _): &&(usize, String)| self.used.get(*place).is_none_or(|used| *used);
        let faults = self.faults.get(&record.row).filter(|_| record.total.is_none());
        let Some((place, reason)) = faults.and_then(|faults| faults.iter().find(is_used)) else {
            record.row -= self.repeated;
            return Some(Row::Record(record));
        };
        self.remains = match &record.cells {
            Cells::Texts(texts) => Some(texts.iter().take(*place).collect()),
            Cells::Object(_) => None,
        };
        let (column, reason) = (Some(self.columns.header()[*place].to_string()), reason.clone());
        Some(Row::Rejected(Rejection { row: record.row - self.repeated, line: record.line, column, reason }))
    }

    fn is_header(&self, record: &Record) -> bool {
        match &record.cells {
            Cells::Texts(texts) => {
                let is_same =
                    |(text, name): (&str, &Arc<str>)| visible(text).trim().to_lowercase() == name.to_lowercase();
                texts.iter().zip(self.columns.header()).all(is_same)
            }
            Cells::Object(_) => false,
        }
    }

    /// The cells that could be read of the row that was just rejected.
    pub(super) fn remains(&self) -> Option<Cells> {
        self.remains.clone().filter(|texts| !texts.is_empty()).map(Cells::Texts)
    }
}

// Adds notices about hidden rows and merged cells below the header.
fn notice_layout(layout: &Layout, header_line: u64, notices: &Notices) {
    if layout.hidden > 0 {
        notices.add_rows(NoticeKind::HiddenRow, layout.first_hidden, layout.hidden);
    }
    // Titles and headers are often merged.
    for range in layout.merged.iter().filter(|range| range.last_line > header_line) {
        notices.add(NoticeKind::MergedCells, range.first_line);
    }
}

// The names of the sheets to try.
fn chosen(sheets: &[Sheet], given: Option<&str>) -> Result<Vec<String>, SourceFault> {
    let Some(given) = given else {
        let visible = sheets.iter().filter(|sheet| sheet.visible == SheetVisible::Visible);
        return Ok(visible.map(|sheet| sheet.name.clone()).collect());
    };
    let by_name = sheets.iter().find(|sheet| sheet.name == given);
    let by_place = || sheets.get(given.parse::<usize>().ok()?.checked_sub(1)?);
    let Some(sheet) = by_name.or_else(by_place) else {
        let sheets: Vec<_> = sheets.iter().map(|sheet| format!("`{}`", sheet.name)).collect();
        return Err(SourceFault::NoSheet { sheet: given.to_owned(), sheets: sheets.join(", ") });
    };
    Ok(vec![sheet.name.clone()])
}
