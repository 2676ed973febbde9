//! Reads the cells of XLSX and ODS with the spreadsheet library, which panics on some damaged files.

use std::collections::{BTreeMap, HashMap};
use std::io::BufReader;

use calamine::{
    Data, Ods, OdsError, Range, Reader as _, Sheet, SheetType, Style, Xlsx, XlsxError, XlsxFormulaMetadata,
};

use super::super::SourceFault;
use super::super::cell::{self, Around};
use super::super::decompress::Book;
use super::super::isolate::caught;
use super::super::number_format::NumberFormat;
use super::super::open::Steady;
use super::super::workbook_layout::{Content, Shown, shown_at};
use super::super::workbook_size::{MAX_CELLS, too_large};
use super::table::{CellKind, Table};

/// An open spreadsheet.
pub(super) enum Opened {
    // Boxed for its tables.
    Xlsx(Box<Xlsx<BufReader<Steady>>>),
    // With its cells that display their number with a format.
    Ods(Ods<BufReader<Steady>>, BTreeMap<String, Vec<Shown>>),
}

impl Opened {
    pub(super) fn new(book: Book, file: Steady, shown: BTreeMap<String, Vec<Shown>>) -> Result<Self, SourceFault> {
        let file = BufReader::new(file);
        match book {
            Book::Xlsx => Xlsx::new(file).map(Box::new).map(Self::Xlsx).map_err(|error| xlsx_fault(&error, None)),
            Book::Ods => Ods::new(file).map(|book| Self::Ods(book, shown)).map_err(|error| ods_fault(&error)),
        }
    }

    // The sheets with cells, without charts.
    pub(super) fn sheets(&self) -> Vec<Sheet> {
        let sheets = match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Ods(book, _) => book.sheets_metadata(),
        };
        sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).cloned().collect()
    }

    pub(super) fn read(&mut self, sheet: &str, table: &mut Table<'_>) -> Result<(), SourceFault> {
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
                // Both readings give the cells in one order; one that only the first has is skipped.
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

/// Formats that display more than the value, by their styles.
type Formats = HashMap<usize, NumberFormat>;

/// The position of a cell, and its style.
type Styled = ((u32, u32), usize);

// The formats of a sheet that display more than the value, and the cells that have them, in order. Most sheets have no such
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
    // The enum of the library is not exhaustive.
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
    let mut next = merged_cells(&cells, &formulas, shown);
    while let Some((place, value)) = caught(&mut next).ok_or_else(|| damaged(None))? {
        let formula = formulas.get_value(place).filter(|formula| !formula.is_empty());
        let around = Around { formula: formula.map(|formula| without_namespace(formula)), format: None };
        let text = match shown_at(shown, place) {
            Some(Content::Text(text)) => Ok(text.to_string()),
            Some(Content::NoResult) => cell::text(&Data::Empty, around),
            None => cell::text(value, around),
        };
        table.add(place, CellKind::of(value, formula.is_some()), text)?;
    }
    Ok(())
}

// A formula of ODS without the name of its grammar and the equals sign: `of:="02138"` (ODF 1.2, 19.642).
fn without_namespace(formula: &str) -> &str {
    let formula = formula.strip_prefix("of:").unwrap_or(formula);
    formula.strip_prefix('=').unwrap_or(formula)
}

// The cells with a value, and those with a formula that has no result, in order.
fn merged_cells<'c>(
    cells: &'c Range<Data>,
    formulas: &'c Range<String>,
    shown: &'c [Shown],
) -> impl FnMut() -> Option<((u32, u32), &'c Data)> {
    let lacks_result = |place: &(u32, u32)| matches!(shown_at(shown, *place), Some(Content::NoResult));
    let has_any = shown.iter().any(|cell| matches!(cell.content, Content::NoResult));
    let without = formulas.used_cells().take_while(move |_| has_any).map(placed(formulas.start()));
    let mut without = without.map(|(place, _)| place).filter(move |place| lacks_result(place)).peekable();
    let mut values = cells.used_cells().map(placed(cells.start())).peekable();
    move || {
        let next = values.peek().map(|(place, _)| *place);
        match without.next_if(|place| next.is_none_or(|next| *place <= next)) {
            Some(place) => {
                values.next_if(|(next, _)| *next == place);
                Some((place, &Data::Empty))
            }
            None => values.next(),
        }
    }
}

// A sheet has no more rows and columns than fit.
fn placed<'c, T>(start: Option<(u32, u32)>) -> impl Fn((usize, usize, &'c T)) -> ((u32, u32), &'c T) {
    let (row, column) = start.unwrap_or_default();
    let place = |at: usize, start: u32| u32::try_from(at).unwrap_or(u32::MAX).saturating_add(start);
    move |(down, across, value)| ((place(down, row), place(across, column)), value)
}

pub(super) const fn damaged(line: Option<u64>) -> SourceFault {
    SourceFault::Sheet { line, found: "a damaged or a rare one" }
}

// The messages of the library repeat content of the file, and are not used.
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
