//! Builds the rows of a sheet, and finds a second header and a total in them.

use std::collections::{BTreeMap, BTreeSet};

use calamine::DataType;

use super::super::cell_kind::{Kind, is_address, kinds_of};
use super::super::columns::Columns;
use super::super::csv::{BesideCounts, MOVED, RowBeside, Stray};
use super::super::day_order::DayOrders;
use super::super::workbook_layout::Cover;
use super::super::workbook_size::{MAX_BYTES, MAX_CELLS, MAX_COLUMNS, MAX_ROWS, too_large};
use super::super::{SourceFault, SourceOptions, cell, titles, total};
use crate::core::record::{Cells, Record, Texts, TotalRow};
use crate::core::total::ColumnSums;

/// How many of the first rows are kept whole, to find a header below titles.
const FIRST_ROWS: usize = 25;

/// Maximum number of rows kept that may be another header, until the kinds of the columns are known.
const HEADERS: usize = 100;

/// How many rows show the kinds of the columns.
const KIND_ROWS: usize = 1_000;

/// Errors in cells, by row: the position of the column in the header, and the reason.
pub(super) type Faults = BTreeMap<u64, Vec<(usize, String)>>;

/// The kind of a cell, besides its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    Date,
    /// A formula with the result zero, which programs that do not compute write.
    Zero,
    /// A formula with another result.
    Computed,
    Other,
}

impl CellKind {
    pub(super) fn of(value: &impl DataType, has_formula: bool) -> Self {
        let moment = value.get_datetime();
        let number = value.get_float().or_else(|| moment.map(|moment| moment.as_f64()));
        let is_zero = value.get_int() == Some(0) || number == Some(0.0);
        match (has_formula, is_zero) {
            (true, true) => Self::Zero,
            (true, false) if !value.is_empty() => Self::Computed,
            (false, _) if moment.is_some_and(|moment| !moment.is_duration()) => Self::Date,
            (false, _) if value.get_datetime_iso().is_some() => Self::Date,
            (true | false, _) => Self::Other,
        }
    }
}

/// The content of a sheet: its columns, its rows, and the errors in their cells.
pub(super) struct Found {
    pub(super) columns: Columns,
    pub(super) rows: Vec<Record>,
    pub(super) faults: Faults,
    // The number of cells of the widest row, which may be the header.
    pub(super) width: usize,
    pub(super) likely_header: Option<u64>,
    // 0 when there is no header.
    pub(super) header_line: u64,
    pub(super) day_orders: DayOrders,
    // The line of a header below the first one, with other columns or in another order.
    pub(super) second_header: Option<u64>,
    // The lines of rows with text in a column without a name, where most rows have none.
    pub(super) beside: Vec<u64>,
}

/// Builds the rows of a sheet from its cells, which come row by row and from left to right.
pub(super) struct Table<'t> {
    given: &'t SourceOptions,
    // What merged ranges hide.
    cover: Cover,
    columns: Option<Columns>,
    rows: Vec<Record>,
    faults: Faults,
    // The current row: its cells that are not empty, with their positions.
    line: u64,
    cells: Vec<(usize, Result<String, String>)>,
    row: u64,
    width: usize,
    // The number of cells of all rows, and of the bytes of their text.
    held: u64,
    text: u64,
    // The columns with values but no name, by their positions from 1.
    unnamed: BTreeSet<usize>,
    // The first rows with all their cells, and their lines.
    first: Vec<(u64, Vec<String>)>,
    // Whether formulas may have no results yet; then the lines of those that are zero, by their columns, and the columns
    // in which a formula has a result.
    is_uncomputed: bool,
    zeros: BTreeMap<usize, Vec<u64>>,
    computed: BTreeSet<usize>,
    header_line: u64,
    day_orders: DayOrders,
    // Rows that may be another header, and the last row if it may be a total, each with its line and all its cells.
    headers: Vec<(u64, Vec<String>)>,
    total: Option<(u64, Vec<String>)>,
    // Rows with text in the columns without a name after the last one with a name: their numbers and lines, and the column of
    // their first cell that begins with a space. They are judged by how many rows are like them.
    beside: Vec<(RowBeside, u64, u64, Option<usize>)>,
    counts: BesideCounts,
}

impl<'t> Table<'t> {
    pub(super) fn new(given: &'t SourceOptions, is_uncomputed: bool, cover: Cover) -> Self {
        Self {
            given,
            cover,
            columns: None,
            rows: Vec::new(),
            faults: Faults::new(),
            line: 0,
            cells: Vec::new(),
            row: 0,
            width: 0,
            held: 0,
            text: 0,
            unnamed: BTreeSet::new(),
            first: Vec::new(),
            is_uncomputed,
            zeros: BTreeMap::new(),
            computed: BTreeSet::new(),
            header_line: 0,
            day_orders: DayOrders::new(),
            headers: Vec::new(),
            total: None,
            beside: Vec::new(),
            counts: BesideCounts::default(),
        }
    }

    pub(super) fn add(
        &mut self,
        place: (u32, u32),
        kind: CellKind,
        cell: Result<String, String>,
    ) -> Result<(), SourceFault> {
        let (line, column) = (u64::from(place.0) + 1, place.1 as usize);
        let is_hidden = self.cover.hides(line, column as u64 + 1, cell.as_deref().unwrap_or_default());
        if line <= self.given.skip_lines || cell.as_ref().is_ok_and(String::is_empty) {
            return Ok(());
        }
        if line != self.line {
            self.end_row()?;
        }
        // The header of merged columns may have a name for each.
        if is_hidden && self.columns.is_some() {
            return Ok(());
        }
        if line > MAX_ROWS || column as u64 >= MAX_COLUMNS {
            return Err(SourceFault::Sheet { line: Some(line), found: "cells that are beyond the edge of a sheet" });
        }
        if line < self.line || self.cells.last().is_some_and(|(last, _)| *last >= column) {
            return Err(SourceFault::Sheet { line: Some(line), found: "cells that are out of order" });
        }
        self.text = self.text.saturating_add(cell.as_ref().map_or(0, |text| text.len() as u64));
        if self.text > MAX_BYTES {
            return Err(too_large());
        }
        self.line = line;
        match kind {
            CellKind::Zero if self.is_uncomputed => self.zeros.entry(column).or_default().push(line),
            CellKind::Computed if self.is_uncomputed => {
                self.computed.insert(column);
            }
            CellKind::Date | CellKind::Zero | CellKind::Computed | CellKind::Other => {}
        }
        if let Ok(text) = &cell {
            self.day_orders.take(column, line, text, kind == CellKind::Date);
        }
        self.cells.push((column, cell));
        Ok(())
    }

    // A program that does not compute writes zero for each formula. If no formula of a column has another result, its zeros are
    // errors.
    fn refuse_uncomputed(&mut self, columns: &Columns) {
        for (column, lines) in std::mem::take(&mut self.zeros) {
            let Some(place) = columns.places().position(|at| at == column) else { continue };
            for line in lines.into_iter().filter(|_| !self.computed.contains(&column)) {
                if let Ok(at) = self.rows.binary_search_by_key(&line, |row| row.line) {
                    let faults = self.faults.entry(self.rows[at].row).or_default();
                    faults.push((place, cell::NO_RESULT.to_owned()));
                    faults.sort_by_key(|(place, _)| *place);
                }
            }
        }
    }

    // A row of blank cells looks like a missing one, and is skipped.
    fn end_row(&mut self) -> Result<(), SourceFault> {
        let cells = std::mem::take(&mut self.cells);
        if cells.iter().all(|(_, cell)| cell.as_ref().is_ok_and(|text| text.trim().is_empty())) {
            return Ok(());
        }
        let width = cells.last().map_or(0, |(last, _)| last + 1);
        self.width = self.width.max(cells.len());
        if self.first.len() < FIRST_ROWS {
            let mut texts = vec![String::new(); width];
            for (at, cell) in &cells {
                texts[*at] = cell.clone().unwrap_or_default();
            }
            self.first.push((self.line, texts));
        }
        self.held += self.columns.as_ref().map_or(width, |columns| columns.header().len()) as u64;
        if self.held > MAX_CELLS {
            return Err(too_large());
        }
        self.find_header_or_total(&cells);
        match &self.columns {
            Some(columns) => {
                self.row += 1;
                let filled = || cells.iter().map(|(at, cell)| (*at, text_of(cell).as_bytes()));
                let beside = RowBeside::of(filled(), columns);
                self.counts.add(beside);
                if beside.has_text && !columns.are_of_rejects() {
                    let spaced = filled().find(|(at, cell)| *at > 0 && cell.starts_with(b" ")).map(|(at, _)| at);
                    self.beside.push((beside, self.row, self.line, spaced));
                }
                self.unnamed.extend(cells.iter().filter(|(at, _)| !columns.has_name(*at)).map(|(at, _)| at + 1));
                self.rows.push(row(columns, self.row, self.line, cells, &mut self.faults));
            }
            None if self.given.no_header => {
                let columns = Columns::numbered(width);
                self.row += 1;
                self.rows.push(row(&columns, self.row, self.line, cells, &mut self.faults));
                self.columns = Some(columns);
            }
            None => {
                let mut names = vec![String::new(); width];
                for (at, cell) in cells {
                    names[at] = cell.unwrap_or_default();
                }
                self.header_line = self.line;
                self.columns = Some(Columns::named(self.line, names.iter().map(String::as_bytes))?);
            }
        }
        Ok(())
    }

    // Keeps a row below the header that may be another header, or a total.
    fn find_header_or_total(&mut self, cells: &[(usize, Result<String, String>)]) {
        let Some(columns) = self.columns.as_ref().filter(|_| !self.given.no_header) else { return };
        // A row of a wide sheet may have a single cell, so only candidates are filled up.
        let filled = || cells.iter().map(|(_, cell)| text_of(cell).as_bytes());
        let all = || owned(&all_cells(cells, columns.len()));
        let may_be_header = || {
            cells.iter().all(|(_, cell)| cell.is_ok())
                && !filled().any(is_address)
                && columns.has_named_by(filled())
                && !columns.are_repeated_by(all_cells(cells, columns.len()).iter().map(|text| text.as_bytes()))
        };
        self.total = None;
        if self.headers.len() < HEADERS && may_be_header() {
            self.headers.push((self.line, all()));
        } else if !columns.are_of_rejects() && total::has_word(filled()) {
            self.total = Some((self.line, all()));
        }
    }

    // Rejects rows whose cells have moved, and returns the lines of other rows with text in a column without a name.
    fn judge_beside(&mut self, columns: &Columns) -> Vec<u64> {
        let beside = self.counts.beside();
        let mut unclear = Vec::new();
        for (row, number, line, spaced) in std::mem::take(&mut self.beside) {
            match beside.judge(row) {
                Some(Stray::Moved) => {
                    let last = columns.header().len().saturating_sub(1);
                    let first = spaced.and_then(|spaced| columns.places().position(|at| at >= spaced)).unwrap_or(last);
                    let faults = self.faults.entry(number).or_default();
                    faults.extend((first..=last).map(|place| (place, MOVED.to_owned())));
                    faults.sort_by_key(|(place, _)| *place);
                }
                Some(Stray::Unclear) => unclear.push(line),
                None => {}
            }
        }
        unclear
    }

    // The columns and the rows, unless the sheet is empty.
    pub(super) fn end(mut self) -> Result<Option<Found>, SourceFault> {
        self.end_row()?;
        let Some(mut columns) = self.columns.take() else { return Ok(None) };
        self.refuse_uncomputed(&columns);
        let beside = self.judge_beside(&columns);
        columns.set_unnamed(self.unnamed.into_iter().collect());
        let likely_header = if self.given.no_header { None } else { titles::header_of_sheet(&self.first) };
        let Self { mut rows, faults, width, header_line, day_orders, headers, total, .. } = self;
        // The kinds of the columns are known after all rows.
        let kinds = kinds(&columns, &rows);
        let telling = || (0..kinds.len()).filter(|at| kinds[*at].is_telling());
        let is_header = |texts: &[String]| {
            let cells = || texts.iter().map(String::as_bytes);
            let cell = |at: usize| cells().nth(at).unwrap_or_default();
            let is_text = |at: usize| matches!(Kind::of(cell(at)), Kind::Text | Kind::Blank);
            let may_be = telling().next().map_or_else(|| columns.may_name(cell(0)), is_text);
            (may_be && columns.are_renamed_by(cells(), false))
                || columns.are_renamed_at(cells(), telling())
                || (telling().next().is_none() && columns.are_all_headings(cells()))
        };
        let second_header = headers.into_iter().find(|(_, cells)| is_header(cells)).map(|(line, _)| line);
        if let Some((_, cells)) = total
            && total::may_be(cells.iter().map(String::as_bytes), &kinds)
            && let Some((last, above)) = rows.split_last_mut()
        {
            let mut sums = ColumnSums::default();
            for row in above.iter() {
                if let Cells::Texts(texts) = &row.cells {
                    sums.add(texts.len(), |at| texts.get(at).unwrap_or_default().as_bytes());
                }
            }
            last.total = Some(if sums.add_up(bytes_of(last)) { TotalRow::AddsUp } else { TotalRow::Likely });
        }
        Ok(Some(Found { columns, rows, faults, width, likely_header, header_line, day_orders, second_header, beside }))
    }
}

// The text of a cell; an error counts as the sum of a formula.
fn text_of(cell: &Result<String, String>) -> &str {
    cell.as_deref().unwrap_or("0")
}

// All cells of a row, at least `columns` of them.
fn all_cells(cells: &[(usize, Result<String, String>)], columns: usize) -> Vec<&str> {
    let count = cells.last().map_or(0, |(last, _)| last + 1).max(columns);
    let mut texts = vec![""; count];
    for (at, cell) in cells {
        texts[*at] = text_of(cell);
    }
    texts
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

// The kind of most cells of each column. Columns without a name count as text.
fn kinds<'r>(columns: &Columns, rows: &'r [Record]) -> Vec<Kind> {
    let texts = |row: &'r Record| match &row.cells {
        Cells::Texts(texts) => texts.iter().map(str::as_bytes).collect::<Vec<_>>().into_iter(),
        Cells::Object(_) => Vec::new().into_iter(),
    };
    let named = kinds_of(rows.iter().take(KIND_ROWS).map(texts));
    let mut kinds = vec![Kind::Text; columns.len()];
    for (at, kind) in columns.places().zip(named) {
        kinds[at] = kind;
    }
    kinds
}

// The cells of a row of a sheet.
fn bytes_of(row: &Record) -> impl Iterator<Item = &[u8]> {
    let texts = match &row.cells {
        Cells::Texts(texts) => Some(texts),
        Cells::Object(_) => None,
    };
    texts.into_iter().flat_map(|texts| texts.iter().map(str::as_bytes))
}

fn row(
    columns: &Columns,
    row: u64,
    line: u64,
    cells: Vec<(usize, Result<String, String>)>,
    faults: &mut Faults,
) -> Record {
    let mut texts = Texts::with_capacity(columns.header().len(), 0);
    let mut cells = cells.into_iter().peekable();
    for (place, at) in columns.places().enumerate() {
        while cells.next_if(|(found, _)| *found < at).is_some() {}
        match cells.next_if(|(found, _)| *found == at) {
            None => texts.push(""),
            Some((_, Ok(text))) => texts.push(&text),
            Some((_, Err(reason))) => {
                texts.push("");
                faults.entry(row).or_default().push((place, reason));
            }
        }
    }
    Record { row, line, cells: Cells::Texts(texts), total: None }
}
