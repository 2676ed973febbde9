//! Measures the memory that reading one part of a spreadsheet would take, and finds hidden rows, merged ranges and formats.

mod document;

use std::collections::BTreeMap;

use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;

use self::document::Table;
use super::SourceFault;
use super::styles::Styles;
use super::workbook_layout::{Layout, Merged, Shown};
use super::workbook_part::{Relationship, attribute, damaged};
use super::workbook_size::{MAX_BYTES, MAX_CELLS, MAX_COLUMNS, MAX_ROWS};

/// Maximum size of a part when its longest text is copied to each of its elements, in bytes.
const MAX_COPIES: u64 = 256 * 1024 * 1024;

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
            Kind::Document => self.start_document(element),
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
                if let Some(range) = attribute(element, "ref")?.as_deref().and_then(range_of) {
                    self.layout.merge(range);
                }
                true
            }
            "c" if self.in_cells => attribute(element, "r")?.is_none_or(|cell| is_cell(&cell)),
            _ => true,
        };
        if is_sound { Ok(()) } else { Err(damaged()) }
    }

    pub(super) fn end(&mut self, name: &str) {
        if self.kind == Kind::Document {
            self.end_document(name);
        }
    }

    pub(super) fn text(&mut self, bytes: usize, text: &str) {
        if self.in_cell == 0 {
            return self.styles.text(text);
        }
        self.text = self.text.saturating_add(self.table.copies.saturating_mul(bytes as u64));
        self.table.add(text);
    }
}

// A range such as `A1:C3` or `$A$1:$C$3`.
fn range_of(range: &str) -> Option<Merged> {
    let place = |cell: &str| {
        let cell = cell.replace('$', "");
        let row = cell.trim_start_matches(|character: char| character.is_ascii_alphabetic());
        Some((row.parse::<u64>().ok()?, column_of(&cell[..cell.len() - row.len()])))
    };
    let (first, last) = range.split_once(':')?;
    let ((first_line, first_column), (last_line, last_column)) = (place(first)?, place(last)?);
    Some(Merged { first_line, last_line, first_column, last_column })
}

// The number of a column by its letters, from 1. More letters than fit are cut.
fn column_of(letters: &str) -> u64 {
    let place = |letter: u8| u64::from(letter.to_ascii_uppercase() - b'A') + 1;
    letters.bytes().take(8).fold(0, |column, letter| column * 26 + place(letter))
}

fn is_row(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|row| (1..=MAX_ROWS).contains(&row))
}

// `A1` to `XFD1048576`.
fn is_cell(text: &str) -> bool {
    let row = text.trim_start_matches(|character: char| character.is_ascii_alphabetic());
    let letters = &text[..text.len() - row.len()];
    (1..=MAX_COLUMNS).contains(&column_of(letters)) && is_row(row)
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
