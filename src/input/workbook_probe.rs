//! Measures the memory that reading one part of a spreadsheet would take, and finds hidden rows, merged ranges and formats.

use std::collections::BTreeMap;
use std::ops::Range;

use compact_str::CompactString;
use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;

use super::SourceFault;
use super::number_format::{Display, is_scientific, rounded, shows_more};
use super::styles::{MAX_STYLES, Styles};
use super::workbook_layout::{Layout, Shown};
use super::workbook_part::{Relationship, attribute, damaged};
use super::workbook_size::{MAX_BYTES, MAX_CELLS, MAX_COLUMNS, MAX_ROWS};

/// Maximum size of a part when its longest text is copied to each of its elements, in bytes.
const MAX_COPIES: u64 = 256 * 1024 * 1024;

/// Maximum length of the text that a cell of a number displays, in bytes; longer ones are not kept.
const MAX_SHOWN: usize = 64;

/// The kind of a part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Small,
    Texts,
    Sheet,
    Document,
}

/// What was found in a part so far.
pub(super) struct Probe {
    kind: Kind,
    elements: u64,
    longest: u64,
    // The number of cells that memory is allocated for (in ODS, of all finished tables), and the bytes of their text.
    cells: u64,
    text: u64,
    pub(super) relationships: Vec<Relationship>,
    /// For the workbook of XLSX: the names of its sheets with the ids of their relationships, and whether its formulas are
    /// computed only when it is opened.
    pub(super) sheets: Vec<(String, String)>,
    pub(super) is_uncomputed: bool,
    /// For a sheet of XLSX: its hidden rows and merged ranges.
    pub(super) layout: Layout,
    // The line of the current row, and whether it is hidden.
    line: u64,
    is_hidden: bool,
    /// For ODS: the cells that display more than their number, and hidden rows and merged ranges, by the name of their table.
    pub(super) shown: BTreeMap<String, Vec<Shown>>,
    pub(super) layouts: BTreeMap<String, Layout>,
    // For XLSX: whether the reader is among the cells. For ODS: how deep in a cell it is, and the table.
    in_cells: bool,
    in_cell: u64,
    table: Table,
    styles: Styles,
}

/// A table of ODS, in which rows and cells are repeated.
#[derive(Default)]
struct Table {
    rows: u64,
    // Up to the last row and the last column that has something.
    used: u64,
    width: u64,
    // The current row: how often it is repeated, its width, and its width up to the last cell that is not empty.
    repeats: u64,
    at: u64,
    row_width: u64,
    // The cells that the library allocates for the row before it is repeated, including blank ones before others; and those of
    // the previous rows, which stay allocated until the table ends.
    row_stored: u64,
    stored: u64,
    is_open: bool,
    // How often the current cell is repeated in the table.
    copies: u64,
    name: String,
    // The number of the current cell, its columns, and its displayed text, if that is short.
    number: Option<f64>,
    columns: Range<u64>,
    text: CompactString,
    annotations: u64,
    style: Option<String>,
    // The default styles of columns, each with the column up to which it applies.
    styles: Vec<(u64, String)>,
    // The cells that display more than their number.
    shown: Vec<Shown>,
    layout: Layout,
    // Whether the current row is hidden.
    is_hidden: bool,
}

impl Table {
    // The style of the current cell.
    fn style(&self) -> Option<&str> {
        let of_column = || {
            let at = self.styles.partition_point(|(end, _)| *end <= self.columns.start);
            self.styles.get(at).map(|(_, style)| style.as_str())
        };
        self.style.as_deref().or_else(of_column)
    }

    // Longer text does not display a number.
    fn add(&mut self, text: &str) {
        if self.annotations > 0 {
            return;
        }
        if self.text.len() + text.len() > MAX_SHOWN {
            self.number = None;
        }
        if self.number.is_some() {
            self.text.push_str(text);
        }
    }
}

impl Probe {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            elements: 0,
            longest: 0,
            cells: 0,
            text: 0,
            relationships: Vec::new(),
            sheets: Vec::new(),
            is_uncomputed: false,
            layout: Layout::default(),
            line: 0,
            is_hidden: false,
            shown: BTreeMap::new(),
            layouts: BTreeMap::new(),
            in_cells: false,
            in_cell: 0,
            table: Table::default(),
            styles: Styles::default(),
        }
    }

    pub(super) const fn is_too_much(&self) -> bool {
        let copies = self.elements.saturating_mul(self.longest);
        let is_full = self.cells > MAX_CELLS || self.table.stored > MAX_CELLS;
        is_full || self.text > MAX_BYTES || (matches!(self.kind, Kind::Small) && copies > MAX_COPIES)
    }

    pub(super) fn start(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        self.elements += 1;
        match self.kind {
            Kind::Small => self.small(element),
            Kind::Texts => self.texts(element),
            Kind::Sheet => self.sheet(element),
            Kind::Document => self.document(element),
        }
    }

    fn small(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let mut relationship = Relationship::default();
        let is_relationship = element.local_name().as_ref() == "Relationship";
        if element.local_name().as_ref() == "calcPr" {
            let on_load = attribute(element, "fullCalcOnLoad")?;
            self.is_uncomputed |= on_load.is_some_and(|flag| matches!(flag.as_str(), "1" | "true"));
        }
        let is_sheet = element.local_name().as_ref() == "sheet";
        let (mut sheet, mut id) = (String::new(), String::new());
        if element.name().as_ref() == "manifest:encryption-data" {
            return Err(SourceFault::Sheet { line: None, found: "one with a password" });
        }
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| damaged())?;
            self.longest = self.longest.max(attribute.value.len() as u64);
            match attribute.key.as_ref() {
                "Id" if is_relationship => relationship.id = attribute.value.into_owned(),
                "Type" if is_relationship => relationship.kind = attribute.value.into_owned(),
                "Target" if is_relationship => relationship.target = attribute.value.into_owned(),
                "name" if is_sheet => sheet = unescape(&attribute.value).map_err(|_| damaged())?.into_owned(),
                key if is_sheet && key.ends_with(":id") => id = attribute.value.into_owned(),
                _ => {}
            }
        }
        if is_sheet && !sheet.is_empty() {
            self.sheets.push((sheet, id));
        }
        if is_relationship {
            self.relationships.push(relationship);
        }
        Ok(())
    }

    // The library allocates memory for as many as are announced.
    fn texts(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        match element.local_name().as_ref() {
            "si" => self.cells += 1,
            "sst" => {
                let promised = attribute(element, "uniqueCount")?.and_then(|count| count.parse::<u64>().ok());
                if promised.is_some_and(|count| count > MAX_CELLS) {
                    return Err(damaged());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn sheet(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let name = element.local_name();
        let is_sound = match name.as_ref() {
            "sheetData" => {
                self.in_cells = true;
                true
            }
            "row" if self.in_cells => {
                let row = attribute(element, "r")?;
                self.line = row.as_ref().and_then(|row| row.parse().ok()).unwrap_or(self.line.saturating_add(1));
                let hidden = attribute(element, "hidden")?;
                self.is_hidden = hidden.is_some_and(|hidden| matches!(hidden.as_str(), "1" | "true"));
                row.is_none_or(|row| is_row(&row))
            }
            "v" | "is" if self.is_hidden && self.in_cells => {
                self.layout.hide(self.line, 1);
                self.is_hidden = false;
                true
            }
            "mergeCell" => {
                if let Some((first, last)) = attribute(element, "ref")?.as_deref().and_then(lines_of) {
                    self.layout.merge(first, last);
                }
                true
            }
            "c" if self.in_cells => attribute(element, "r")?.is_none_or(|cell| is_cell(&cell)),
            _ => true,
        };
        if is_sound { Ok(()) } else { Err(damaged()) }
    }

    fn document(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let table = &mut self.table;
        match element.name().as_ref() {
            "table:table" if self.in_cell == 0 => {
                // The library would read the end of a nested table as the end of the outer one.
                if table.is_open {
                    return Err(damaged());
                }
                let name = attribute(element, "table:name")?.unwrap_or_default();
                let name = unescape(&name).map_err(|_| damaged())?.into_owned();
                *table = Table { is_open: true, name, ..Table::default() };
            }
            "table:table-column" if table.styles.len() < MAX_STYLES => {
                let style = attribute(element, "table:default-cell-style-name")?.unwrap_or_default();
                let before = table.styles.last().map_or(0, |(end, _)| *end);
                let end = before.saturating_add(repeats(element, "table:number-columns-repeated")?);
                table.styles.push((end, style));
            }
            "table:table-row" if self.in_cell == 0 => {
                table.repeats = repeats(element, "table:number-rows-repeated")?;
                let visibility = attribute(element, "table:visibility")?;
                table.is_hidden = visibility.is_some_and(|it| matches!(it.as_str(), "collapse" | "filter"));
                (table.at, table.row_width, table.row_stored) = (0, 0, 0);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.in_cell += 1;
                let repeats = repeats(element, "table:number-columns-repeated")?;
                let mut holds = false;
                if self.in_cell == 1 {
                    table.number = None;
                    table.style = attribute(element, "table:style-name")?;
                    table.columns = table.at..table.at.saturating_add(repeats);
                    table.text.clear();
                    let spanned = |name| -> Result<u64, SourceFault> {
                        Ok(attribute(element, name)?.and_then(|count| count.parse().ok()).unwrap_or(1))
                    };
                    let down = spanned("table:number-rows-spanned")?;
                    if down > 1 || spanned("table:number-columns-spanned")? > 1 {
                        let first = table.rows.saturating_add(1);
                        table.layout.merge(first, first.saturating_add(down.saturating_sub(1)));
                    }
                }
                table.copies = repeats.saturating_mul(table.repeats);
                for attribute in element.attributes().with_checks(false) {
                    let attribute = attribute.map_err(|_| damaged())?;
                    let key = attribute.key.as_ref();
                    if key == "office:value" && self.in_cell == 1 {
                        table.number = attribute.value.parse().ok();
                    }
                    if key.starts_with("office:") || key.starts_with("calcext:") || key == "table:formula" {
                        holds = true;
                        let copied = table.copies.saturating_mul(attribute.value.len() as u64);
                        self.text = self.text.saturating_add(copied);
                    }
                }
                table.row_stored = table.at.min(MAX_COLUMNS);
                table.at = table.at.saturating_add(repeats);
                if holds {
                    table.row_width = table.at;
                    table.row_stored = table.at.min(MAX_COLUMNS);
                }
                // Empty cells may extend to the edge of the sheet; some programs write even more.
                if holds && (table.at > MAX_COLUMNS || table.rows.saturating_add(table.repeats) > MAX_ROWS) {
                    return Err(damaged());
                }
            }
            // A character for each, though the first paragraph needs none.
            "text:p" => self.text(1, ""),
            "text:tab" | "text:line-break" => self.text(1, " "),
            "office:annotation" => table.annotations += 1,
            "text:s" if self.in_cell > 0 => {
                let spaces = attribute(element, "text:c")?.map_or(Ok(1), |count| count.parse::<u64>());
                let spaces = spaces.map_err(|_| damaged())?;
                self.text = self.text.saturating_add(table.copies.saturating_mul(spaces));
                table.add(" ");
            }
            _ if self.in_cell == 0 => self.styles.start(element)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn text(&mut self, bytes: usize, text: &str) {
        if self.in_cell == 0 {
            return self.styles.text(text);
        }
        self.text = self.text.saturating_add(self.table.copies.saturating_mul(bytes as u64));
        self.table.add(text);
    }

    pub(super) fn end(&mut self, name: &str) {
        if self.kind != Kind::Document {
            return;
        }
        let table = &mut self.table;
        match name {
            "table:table-cell" | "table:covered-table-cell" => {
                self.in_cell = self.in_cell.saturating_sub(1);
                let number = if self.in_cell == 0 { table.number.take() } else { None };
                let text = number.and_then(|number| {
                    if shows_more(&table.text, number) {
                        return Some(CompactString::new(table.text.trim()));
                    }
                    let is_whole = number >= 0.0 && number.fract() == 0.0 && number < 1e15;
                    let plain = format!("{number:.0}");
                    if is_whole && is_scientific(table.text.trim()) {
                        return rounded(&plain).map(CompactString::from);
                    }
                    // Programs that do not compute display nothing, or the plain number.
                    let format = self.styles.of_cell(table.style()?).filter(|_| is_whole)?;
                    match format.display(&plain) {
                        Display::Text(text) => Some(CompactString::new(text)),
                        Display::Scientific => rounded(&plain).map(CompactString::from),
                        Display::Number | Display::Date | Display::Unclear => None,
                    }
                });
                if let Some(text) = text {
                    self.text = self.text.saturating_add(table.copies.saturating_mul(text.len() as u64));
                    let rows = table.rows..table.rows.saturating_add(table.repeats);
                    table.shown.push(Shown { rows, columns: table.columns.clone(), text });
                }
            }
            "office:annotation" => table.annotations = table.annotations.saturating_sub(1),
            "table:table-row" if self.in_cell == 0 => {
                table.rows = table.rows.saturating_add(table.repeats);
                if table.row_width > 0 && table.is_hidden {
                    let line = table.rows.saturating_sub(table.repeats).saturating_add(1);
                    table.layout.hide(line, table.repeats);
                }
                if table.row_width > 0 {
                    table.used = table.rows;
                    table.width = table.width.max(table.row_width);
                }
                table.stored = table.stored.saturating_add(table.row_stored);
            }
            "table:table" if self.in_cell == 0 => {
                self.cells = self.cells.saturating_add(table.used.saturating_mul(table.width));
                let Table { name, shown, layout, .. } = std::mem::take(table);
                self.layouts.insert(name.clone(), layout);
                // Of two tables with one name, the last one is read.
                self.shown.remove(&name);
                if !shown.is_empty() {
                    self.shown.insert(name, shown);
                }
            }
            _ if self.in_cell == 0 => self.styles.end(name),
            _ => {}
        }
    }
}

// Zero is not a valid number of rows or cells.
fn repeats(element: &BytesStart<'_>, name: &str) -> Result<u64, SourceFault> {
    let Some(count) = attribute(element, name)? else { return Ok(1) };
    count.parse().ok().filter(|count| *count > 0).ok_or_else(damaged)
}

// The first and the last line of a range such as `A1:C3`.
fn lines_of(range: &str) -> Option<(u64, u64)> {
    let line = |cell: &str| {
        cell.trim_start_matches(|character: char| character.is_ascii_alphabetic() || character == '$').parse().ok()
    };
    let (first, last) = range.split_once(':')?;
    Some((line(first)?, line(last)?))
}

fn is_row(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|row| (1..=MAX_ROWS).contains(&row))
}

// `A1` to `XFD1048576`.
fn is_cell(text: &str) -> bool {
    let row = text.trim_start_matches(|character: char| character.is_ascii_alphabetic());
    let letters = &text[..text.len() - row.len()];
    let place = |letter: u8| u64::from(letter.to_ascii_uppercase() - b'A') + 1;
    let column = letters.bytes().take(8).fold(0, |column, letter| column * 26 + place(letter));
    (1..=MAX_COLUMNS).contains(&column) && is_row(row)
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    /// Whether tables of these rows exceed the limits.
    #[track_caller]
    fn check_tables(tables: &[String], expected: bool) {
        let content = format!("<table:table>{}</table:table>", tables.join("</table:table><table:table>"));
        let mut xml = Reader::from_str(&content);
        xml.config_mut().expand_empty_elements = true;
        let mut probe = Probe::new(Kind::Document);
        let mut is_too_much = false;
        loop {
            match xml.read_event().expect("whole XML") {
                Event::Start(element) => probe.start(&element).expect("a sound element"),
                Event::End(element) => probe.end(element.name().as_ref()),
                Event::Eof => break,
                _ => {}
            }
            is_too_much |= probe.is_too_much();
        }
        assert_eq!(is_too_much, expected);
    }

    #[test]
    fn the_cells_of_tables_are_limited() {
        let full = "<table:table-row><table:table-cell office:value='1' table:number-columns-repeated='10000'/>\
                    </table:table-row>";
        check_tables(&[full.repeat(1_000)], false);
        check_tables(&[full.repeat(1_001)], true);
        check_tables(&[full.repeat(500), full.repeat(500)], false);
        check_tables(&[full.repeat(500), full.repeat(501)], true);
        let wide =
            full.replace("10000", "12").replacen("table-row", "table-row table:number-rows-repeated='420001'", 1);
        check_tables(std::slice::from_ref(&wide), false);
        check_tables(&[wide.clone(), wide], true);
        // Blank cells that stay allocated until the table ends.
        let blank = "<table:table-row><table:table-cell table:number-columns-repeated='10000'/><table:table-cell/>\
                     </table:table-row>";
        check_tables(&[blank.repeat(1_000), blank.repeat(1_000)], false);
        check_tables(&[blank.repeat(1_001)], true);
        // The last blank cells of a row are not allocated.
        let rest = "<table:table-row><table:table-cell table:number-columns-repeated='16384'/></table:table-row>";
        check_tables(&[rest.repeat(2_000)], false);
    }

    #[test]
    fn a_cell_is_on_the_sheet() {
        let check = |text: &str, expected: bool| assert_eq!(is_cell(text), expected, "{text}");
        check("A1", true);
        check("xfd1048576", true);
        check("XFE1", false);
        check("A1048577", false);
        check("ZZZZZZZZZZZZZZZZZZZZ1", false);
        check("A99999999999999999999999", false);
        check("A0", false);
        check("A", false);
        check("1", false);
        check("A-1", false);
        check("", false);
        check("\u{c1}1", false);
    }
}
