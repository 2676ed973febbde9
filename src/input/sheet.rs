//! Rows of a spreadsheet, XLSX or ODS. It is read as a whole when it is opened, so this is the one input
//! that takes as much memory as it holds; `parts` says how much that may be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufReader;
use std::sync::Arc;

use calamine::{
    DataType, Ods, OdsError, Reader as _, Sheet, SheetType, SheetVisible, Style, Xlsx, XlsxError, XlsxFormulaMetadata,
};

use super::cell::Around;
use super::cell_kind::{Kind, is_address, kinds_of};
use super::columns::Columns;
use super::day_order::DayOrders;
use super::decompress::Book;
use super::isolate::caught;
use super::json_text::AddressColumns;
use super::notice::{NoticeKind, Notices};
use super::number_format::NumberFormat;
use super::open::Steady;
use super::workbook_limits::{self, Layout, Shown};
use super::workbook_overview::{self, look_over};
use super::workbook_size::{MAX_BYTES, MAX_CELLS, MAX_COLUMNS, MAX_ROWS, too_large};
use super::{Row, SourceFault, SourceOptions, cell, titles, total};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record, Texts};
use crate::core::text::visible;

/// The rows of one sheet.
pub(super) struct Rows {
    columns: Columns,
    addresses: AddressColumns,
    read: std::vec::IntoIter<Record>,
    faults: Faults,
    // Whether anybody reads a column, by its place in the header; all of them, where nothing is said.
    used: Vec<bool>,
    // The cells before the one for which the last row was set aside.
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
    /// Reads the requested sheet; or the first visible one with anything in it, unless that is a page of instructions
    /// before the one sheet of contacts.
    pub(super) fn new(book: Book, file: Steady, given: &SourceOptions, notices: &Notices) -> Result<Self, SourceFault> {
        let watched = file.try_clone().map_err(SourceFault::Unpack)?;
        let read = Self::read(book, file, given, notices);
        // A file that is being written, or a failing disk, looks like damage to the reader.
        watched.check().map_err(|cause| SourceFault::Read { line: 1, cause })?;
        read
    }

    fn read(book: Book, file: Steady, given: &SourceOptions, notices: &Notices) -> Result<Self, SourceFault> {
        let parts = look_over(book, &file)?;
        let workbook_overview::Found { renamed, shown, layouts, is_uncomputed } = parts;
        let file = renamed.unwrap_or(file);
        let mut book = caught(|| Opened::new(book, file, shown)).unwrap_or(Err(damaged(None)))?;
        let sheets = book.sheets();
        let mut names = chosen(&sheets, given.sheet.as_deref())?.into_iter();
        let mut next = |book: &mut Opened| -> Result<Option<(Found, String)>, SourceFault> {
            for name in names.by_ref() {
                let mut table = Table::new(given, is_uncomputed);
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
        if let Some(layout) = layouts.get(&sheet) {
            notice_layout(layout, found.header_line.max(given.skip_lines), notices);
        }
        found.day_orders.notice(notices);
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

    /// A cell with an error in a column that no rule reads rejects no row.
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

    /// How many sheets of cells the file has.
    pub(super) const fn sheets(&self) -> usize {
        self.sheets
    }

    /// The sheet before it that holds instructions, if there is one.
    pub(super) fn passed_over(&self) -> Option<&str> {
        self.passed_over.as_deref()
    }

    /// The line of a row that looks more like the header than the one that was taken for it.
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
        let unmended = match &record.cells {
            Cells::Texts(texts) => self.columns.unmended(texts),
            Cells::Object(_) => None,
        };
        if let (Some(unmended), Cells::Texts(texts)) = (unmended, &record.cells) {
            self.remains = Some(texts.iter().take(unmended.own).collect());
            let row = record.row - self.repeated;
            return Some(Row::Rejected(Rejection {
                row,
                line: record.line,
                column: None,
                reason: unmended.reason.to_owned(),
            }));
        }
        let is_used = |(place, _): &&(usize, String)| self.used.get(*place).is_none_or(|used| *used);
        let faults = self.faults.get(&record.row).filter(|_| !record.is_total);
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

    /// What could be read of the row that was just set aside.
    pub(super) fn remains(&self) -> Option<Cells> {
        self.remains.clone().filter(|texts| !texts.is_empty()).map(Cells::Texts)
    }
}

/// A spreadsheet that is open.
enum Opened {
    // Boxed for its tables.
    Xlsx(Box<Xlsx<BufReader<Steady>>>),
    // And its cells that show more than their number.
    Ods(Ods<BufReader<Steady>>, BTreeMap<String, Vec<Shown>>),
}

impl Opened {
    fn new(book: Book, file: Steady, shown: BTreeMap<String, Vec<Shown>>) -> Result<Self, SourceFault> {
        let file = BufReader::new(file);
        match book {
            Book::Xlsx => Xlsx::new(file).map(Box::new).map(Self::Xlsx).map_err(|error| xlsx_fault(&error, None)),
            Book::Ods => Ods::new(file).map(|book| Self::Ods(book, shown)).map_err(|error| ods_fault(&error)),
        }
    }

    // Those that hold cells.
    fn sheets(&self) -> Vec<Sheet> {
        let sheets = match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Ods(book, _) => book.sheets_metadata(),
        };
        sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).cloned().collect()
    }

    fn read(&mut self, sheet: &str, table: &mut Table<'_>) -> Result<(), SourceFault> {
        match self {
            Self::Xlsx(book) => read_xlsx(book, sheet, table),
            Self::Ods(book, shown) => {
                let shown = shown.get(sheet).map_or(&[][..], Vec::as_slice);
                read_ods(book, shown, sheet, table)
            }
        }
    }
}

fn read_xlsx(book: &mut Xlsx<BufReader<Steady>>, sheet: &str, table: &mut Table<'_>) -> Result<(), SourceFault> {
    let (formats, places) =
        caught(|| formats_of(book, sheet).map_err(|error| xlsx_fault(&error, None))).unwrap_or(Err(damaged(None)))?;
    if places.len() as u64 > MAX_CELLS {
        return Err(too_large());
    }
    let mut places = places.into_iter().peekable();
    let cells = caught(|| book.worksheet_cells_reader(sheet).map_err(|error| xlsx_fault(&error, None)));
    let mut cells = cells.unwrap_or(Err(damaged(None)))?;
    let mut line = None;
    loop {
        let next = caught(|| {
            let next = cells.next_cell_with_formula_metadata();
            let found = next.map_err(|error| xlsx_fault(&error, line))?;
            Ok(found.map(|found| {
                // Both readings give the cells in one order; one that only the first has is passed over.
                while places.next_if(|(place, _)| *place < found.pos).is_some() {}
                let format = places.next_if(|(place, _)| *place == found.pos).map(|(_, style)| style);
                let around = Around {
                    formula: found.formula.as_ref().map(formula_text),
                    format: format.and_then(|style| formats.get(&style)),
                };
                let kind = CellKind::of(&found.value, found.formula.is_some());
                (found.pos, kind, cell::text(&found.value, around))
            }))
        });
        let Some((place, kind, cell)) = next.unwrap_or(Err(damaged(line)))? else { return Ok(()) };
        line = Some(u64::from(place.0) + 1);
        table.add(place, kind, cell)?;
    }
}

// Says once what of the rows below the header looks otherwise than they are read.
fn notice_layout(layout: &Layout, header_line: u64, notices: &Notices) {
    if layout.hidden > 0 {
        notices.add_rows(NoticeKind::HiddenRow, layout.first_hidden, layout.hidden);
    }
    // Titles and headers are often merged.
    for (first, _) in layout.merged.iter().filter(|(_, last)| *last > header_line) {
        notices.add(NoticeKind::MergedCells, *first);
    }
}

/// What a cell is, beside its text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CellKind {
    Date,
    /// A formula that came to zero: programs that compute nothing write that.
    Zero,
    /// A formula that came to something else.
    Computed,
    Other,
}

impl CellKind {
    fn of(value: &impl DataType, has_formula: bool) -> Self {
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

/// Formats that show more than a value, by their styles.
type Formats = HashMap<usize, NumberFormat>;

/// A cell, and its style.
type Styled = ((u32, u32), usize);

// The formats of a sheet that show more than a value, and the cells that have them, in their order. Most sheets have no such
// format, and are read once.
fn formats_of(book: &mut Xlsx<BufReader<Steady>>, sheet: &str) -> Result<(Formats, Vec<Styled>), XlsxError> {
    let mut cells = book.worksheet_cells_reader(sheet)?;
    let code = |style: &Style| NumberFormat::of(&style.number_format.as_ref()?.format_code);
    let formats = cells.styles().iter().enumerate();
    let formats: Formats = formats.filter_map(|(at, style)| Some((at, code(style)?))).collect();
    let mut places = Vec::new();
    if formats.is_empty() {
        return Ok((formats, places));
    }
    while let Some((row, column, style)) = cells.next_style_id()? {
        if formats.contains_key(&style) {
            places.push(((row, column), style));
            if places.len() as u64 > MAX_CELLS {
                break;
            }
        }
    }
    Ok((formats, places))
}

fn formula_text(formula: &XlsxFormulaMetadata) -> &str {
    // Their enum grows with what they can read.
    match formula {
        XlsxFormulaMetadata::Normal { formula } | XlsxFormulaMetadata::Shared { formula, .. } => formula,
        _ => "",
    }
}

fn read_ods(
    book: &mut Ods<BufReader<Steady>>,
    shown: &[Shown],
    sheet: &str,
    table: &mut Table<'_>,
) -> Result<(), SourceFault> {
    let read = caught(|| {
        let cells = book.worksheet_range(sheet).map_err(|error| ods_fault(&error))?;
        Ok((cells, book.worksheet_formula(sheet).map_err(|error| ods_fault(&error))?))
    });
    let (cells, formulas) = read.unwrap_or(Err(damaged(None)))?;
    let Some(start) = cells.start() else { return Ok(()) };
    let mut used = cells.used_cells();
    let mut next = || {
        used.next().map(|(row, column, value)| {
            // A sheet has no more of either than fit.
            let place = |at: usize, start: u32| u32::try_from(at).unwrap_or(u32::MAX).saturating_add(start);
            let place = (place(row, start.0), place(column, start.1));
            let formula = formulas.get_value(place).filter(|formula| !formula.is_empty());
            let around = Around { formula: formula.map(String::as_str), format: None };
            let text = match workbook_limits::shown_at(shown, place) {
                Some(shown) => Ok(shown.to_owned()),
                None => cell::text(value, around),
            };
            (place, CellKind::of(value, formula.is_some()), text)
        })
    };
    while let Some((place, kind, cell)) = caught(&mut next).ok_or_else(|| damaged(None))? {
        table.add(place, kind, cell)?;
    }
    Ok(())
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

/// What a sheet holds: its columns, its rows, and the cells in them that came to nothing.
struct Found {
    columns: Columns,
    rows: Vec<Record>,
    faults: Faults,
    // How many cells its widest row has, that of the header included.
    width: usize,
    likely_header: Option<u64>,
    // 0 when there is no header.
    header_line: u64,
    day_orders: DayOrders,
    // The line of a header below the first one, with other columns or in another order.
    second_header: Option<u64>,
}

/// How many rows at the start are kept whole, to tell titles from the header.
const FIRST_ROWS: usize = 25;

/// How many rows that may be another header are kept until all rows tell what the columns hold.
const HEADERS: usize = 100;

/// How many rows tell what the columns hold.
const KIND_ROWS: usize = 1_000;

/// How a sheet is called that tells how to fill in the next one, in the languages of its users, without accents.
const COVERS: [&str; 14] = [
    "instruc",
    "instrucoes",
    "instrukt",
    "istruzioni",
    "anleitung",
    "read me",
    "readme",
    "read-me",
    "read_me",
    "leeme",
    "lea me",
    "leia-me",
    "leia me",
    "leiame",
];

/// A text of so many words is a sentence, and names no column.
const SENTENCE: usize = 5;

impl Found {
    /// Whether it holds no contacts but what people are to know of them: by its name, or when it has one column, of
    /// sentences.
    fn is_cover(&self, name: &str) -> bool {
        let name = plain(name);
        let is_sentence = |text: &str| text.split_whitespace().count() >= SENTENCE;
        let has_sentence = |row: &Record| match &row.cells {
            Cells::Texts(texts) => texts.iter().any(is_sentence),
            Cells::Object(_) => false,
        };
        let is_prose = self.width == 1
            && (self.columns.header().iter().any(|name| is_sentence(name)) || self.rows.iter().any(has_sentence));
        COVERS.iter().any(|cover| name.starts_with(cover)) || is_prose
    }
}

// Small letters without the accents that the names of these languages have.
fn plain(name: &str) -> String {
    let without = |character: char| match character {
        'á' | 'à' | 'ã' | 'â' => 'a',
        'é' | 'è' | 'ê' => 'e',
        'í' => 'i',
        'ó' | 'õ' | 'ô' => 'o',
        'ú' => 'u',
        'ç' => 'c',
        _ => character,
    };
    name.trim().chars().flat_map(char::to_lowercase).map(without).collect()
}

/// Cells that came to nothing, by the place of their row: their places in the header, and why.
type Faults = BTreeMap<u64, Vec<(usize, String)>>;

/// The rows of a sheet while its cells come, row by row and in each from left to right.
struct Table<'t> {
    given: &'t SourceOptions,
    columns: Option<Columns>,
    rows: Vec<Record>,
    faults: Faults,
    // The row that is being read, with the places of its cells that are not empty.
    line: u64,
    cells: Vec<(usize, Result<String, String>)>,
    row: u64,
    width: usize,
    // The cells of all rows, and the bytes of their text.
    held: u64,
    text: u64,
    // The columns without a name that hold something, by their positions from 1.
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
}

impl<'t> Table<'t> {
    const fn new(given: &'t SourceOptions, is_uncomputed: bool) -> Self {
        Self {
            given,
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
        }
    }

    fn add(&mut self, place: (u32, u32), kind: CellKind, cell: Result<String, String>) -> Result<(), SourceFault> {
        let (line, column) = (u64::from(place.0) + 1, place.1 as usize);
        if line <= self.given.skip_lines || cell.as_ref().is_ok_and(String::is_empty) {
            return Ok(());
        }
        if line != self.line {
            self.end_row()?;
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

    // A program that computes nothing writes a zero for each formula. Where no formula of a column has come to anything
    // else, its zeros are taken for such.
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

    // A row of blanks looks as empty as one that is not there.
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
        match &self.columns {
            Some(columns) => {
                self.row += 1;
                if !self.given.no_header {
                    // A row of a wide sheet may have one cell: only one that may be a header or a total is filled up.
                    let filled = || cells.iter().map(|(_, cell)| text_of(cell).as_bytes());
                    let is_header = || {
                        let may_be = cells.iter().all(|(_, cell)| cell.is_ok())
                            && !filled().any(is_address)
                            && columns.has_named_by(filled());
                        let texts = if may_be { all_cells(&cells, columns.len()) } else { Vec::new() };
                        let bytes = || texts.iter().map(|text| text.as_bytes());
                        may_be && !columns.are_repeated_by(bytes())
                    };
                    self.total = None;
                    if self.headers.len() < HEADERS && is_header() {
                        self.headers.push((self.line, owned(&all_cells(&cells, columns.len()))));
                    } else if !columns.are_of_rejects() && total::has_word(filled()) {
                        self.total = Some((self.line, owned(&all_cells(&cells, columns.len()))));
                    }
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

    // The columns and the rows, if there is anything.
    fn end(mut self) -> Result<Option<Found>, SourceFault> {
        self.end_row()?;
        let Some(mut columns) = self.columns.take() else { return Ok(None) };
        self.refuse_uncomputed(&columns);
        columns.set_unnamed(self.unnamed.into_iter().collect());
        let likely_header = if self.given.no_header { None } else { titles::header_of_sheet(&self.first) };
        let Self { mut rows, faults, width, header_line, day_orders, headers, total, .. } = self;
        // What the columns hold is known by all their rows.
        let kinds = kinds(&columns, &rows);
        let telling = || (0..kinds.len()).filter(|at| kinds[*at].is_telling());
        let is_header = |texts: &[String]| {
            let cells = || texts.iter().map(String::as_bytes);
            let cell = |at: usize| cells().nth(at).unwrap_or_default();
            let is_text = |at: usize| matches!(Kind::of(cell(at)), Kind::Text | Kind::Blank);
            let may_be = telling().next().map_or_else(|| columns.may_name(cell(0)), is_text);
            (may_be && columns.are_renamed_by(cells(), false)) || columns.are_renamed_at(cells(), telling())
        };
        let second_header = headers.into_iter().find(|(_, cells)| is_header(cells)).map(|(line, _)| line);
        if let Some((_, cells)) = total
            && total::may_be(cells.iter().map(String::as_bytes), &kinds)
            && let Some(last) = rows.last_mut()
        {
            last.is_total = true;
        }
        Ok(Some(Found { columns, rows, faults, width, likely_header, header_line, day_orders, second_header }))
    }
}

// The text of a cell; one that came to nothing is taken for the sum of a formula.
fn text_of(cell: &Result<String, String>) -> &str {
    cell.as_deref().unwrap_or("0")
}

// All cells of a row with at least so many.
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

// What most cells of each column are, those without a name among them, of which nothing is known.
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
    Record { row, line, cells: Cells::Texts(texts), is_total: false }
}

const fn damaged(line: Option<u64>) -> SourceFault {
    SourceFault::Sheet { line, found: "a damaged or a rare one" }
}

// Their words repeat what stands in the file, and are not used.
fn xlsx_fault(error: &XlsxError, line: Option<u64>) -> SourceFault {
    match error {
        XlsxError::Password => SourceFault::Sheet { line, found: "one with a password" },
        _ => damaged(line),
    }
}

fn ods_fault(error: &OdsError) -> SourceFault {
    match error {
        OdsError::Password => SourceFault::Sheet { line: None, found: "one with a password" },
        OdsError::CellLimitExceeded { .. } => too_large(),
        _ => damaged(None),
    }
}
