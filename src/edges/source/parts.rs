//! Looks over the parts of a spreadsheet before `sheet` has them read.
//!
//! The library that reads them believes what they say of themselves: it makes room for as many texts as are promised and
//! for every cell that is repeated, and looks for the end of a table for ever. A few bytes can so ask for more memory than
//! there is, which nothing can catch. So what it is going to read is read here first, in bounded memory: that every part is
//! what its checksum says, whole XML, and no more than a spreadsheet may come to.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::open::Steady;
use super::peel::{Book, Place, places};
use super::{MAX_ROW, SourceFault};

/// The most that the parts of a spreadsheet may come to when they are unpacked, in bytes; and the most text of its cells.
pub(super) const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// The most cells that a sheet may have, blank ones between others with them.
pub(super) const MAX_CELLS: u64 = 10_000_000;

/// The rows of a sheet, in every program that writes them.
pub(super) const MAX_ROWS: u64 = 1_048_576;

/// The columns of a sheet.
pub(super) const MAX_COLUMNS: u64 = 16_384;

/// The most bytes of a part that says how cells look or where sheets are.
const MAX_SMALL: u64 = 16 * 1024 * 1024;

/// The most bytes that such a part may come to when its longest text is copied to each of its elements.
const MAX_COPIES: u64 = 256 * 1024 * 1024;

/// What a part is read for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Small,
    Texts,
    Sheet,
    Document,
}

/// Holds the parts that are going to be read against what they may be.
///
/// # Errors
/// When one of them is damaged, or all of them are too much.
pub(super) fn look_over(book: Book, file: &Steady) -> Result<(), SourceFault> {
    let left = Rc::new(Cell::new(MAX_BYTES));
    let mut parts = Parts { places: by_name(file)?, looked_at: BTreeSet::new(), file, left };
    match book {
        Book::Ods => {
            parts.look_at("meta-inf/manifest.xml", Kind::Small)?;
            parts.look_at("content.xml", Kind::Document)?;
        }
        Book::Xlsx => {
            let package = parts.look_at("_rels/.rels", Kind::Small)?;
            let is_usual = |(kind, target): &(String, String)| {
                !kind.ends_with("/officeDocument") || target.strip_prefix('/').unwrap_or(target) == "xl/workbook.xml"
            };
            if !package.iter().all(is_usual) {
                return Err(damaged());
            }
            for name in ["xl/workbook.xml", "xl/styles.xml", "xl/theme/theme1.xml"] {
                parts.look_at(name, Kind::Small)?;
            }
            parts.look_at("xl/sharedstrings.xml", Kind::Texts)?;
            let sheets = parts.look_at("xl/_rels/workbook.xml.rels", Kind::Small)?;
            let sheets = sheets.iter().filter(|(kind, _)| kind.rsplit('/').next() == Some("worksheet"));
            let name = |target: &str| target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
            let names: BTreeSet<_> = sheets.map(|(_, target)| plain(&name(target))).collect();
            for name in names {
                parts.look_at(&name, Kind::Sheet)?;
            }
        }
    }
    Ok(())
}

pub(super) const fn too_large() -> SourceFault {
    SourceFault::LargeSheet { cells: MAX_CELLS, mib: MAX_BYTES / (1024 * 1024) }
}

const fn damaged() -> SourceFault {
    SourceFault::Sheet { line: None, found: "a damaged or a rare one" }
}

// Names are compared without capitals, and with `/` between folders: so they are looked for.
fn by_name(file: &Steady) -> Result<BTreeMap<String, Place>, SourceFault> {
    let mut by_name = BTreeMap::new();
    for (name, place) in places(file)? {
        if by_name.insert(plain(&name), place).is_some() {
            return Err(damaged());
        }
    }
    Ok(by_name)
}

fn plain(name: &str) -> String {
    name.replace('\\', "/").to_ascii_lowercase()
}

struct Parts<'f> {
    places: BTreeMap<String, Place>,
    looked_at: BTreeSet<String>,
    file: &'f Steady,
    // How many bytes of all parts may still come.
    left: Rc<Cell<u64>>,
}

impl Parts<'_> {
    // The types and the targets of the relationships in it. A part that is not there is missed by who reads it.
    fn look_at(&mut self, name: &str, kind: Kind) -> Result<Vec<(String, String)>, SourceFault> {
        // What is looked at as one kind is not to be read as another.
        if !self.looked_at.insert(name.to_owned()) {
            return Err(damaged());
        }
        let Some(place) = self.places.remove(name) else { return Ok(Vec::new()) };
        let part = place.open(self.file.try_clone().map_err(SourceFault::Unpack)?).map_err(SourceFault::Unpack)?;
        let event = Rc::new(Cell::new(0));
        let bounded = Bounded { part, left: Rc::clone(&self.left), event: Rc::clone(&event) };
        let mut xml = Reader::from_reader(BufReader::with_capacity(64 * 1024, bounded));
        xml.config_mut().expand_empty_elements = true;
        let mut look = Look::new(kind);
        let (mut depth, mut buffer) = (0_u64, Vec::new());
        loop {
            buffer.clear();
            event.set(MAX_ROW);
            match xml.read_event_into(&mut buffer) {
                Ok(Event::Start(element)) => {
                    depth += 1;
                    look.start(&element)?;
                }
                Ok(Event::End(element)) => {
                    depth = depth.saturating_sub(1);
                    look.end(element.name().as_ref());
                }
                Ok(Event::Text(text)) => look.text(text.len()),
                Ok(Event::CData(text)) => look.text(text.len()),
                Ok(Event::Eof) if depth == 0 => return Ok(look.relationships),
                // One character, of at most so many bytes.
                Ok(Event::GeneralRef(_)) => look.text(4),
                // An empty element comes as its start and its end, as told above.
                Ok(Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
                Err(_) if self.left.get() == 0 || event.get() == 0 => return Err(too_large()),
                Ok(Event::Eof) | Err(_) => return Err(damaged()),
            }
            if look.is_too_much() || (kind == Kind::Small && xml.buffer_position() > MAX_SMALL) {
                return Err(too_large());
            }
        }
    }
}

/// A part that fails where it comes to more than it may.
struct Bounded<R> {
    part: R,
    left: Rc<Cell<u64>>,
    // The bytes that may still come of what is being read of it.
    event: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 || self.event.get() == 0 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let count = self.part.read(buffer)?;
        self.left.set(self.left.get().saturating_sub(count as u64));
        self.event.set(self.event.get().saturating_sub(count));
        Ok(count)
    }
}

/// What a part was found to come to so far.
struct Look {
    kind: Kind,
    elements: u64,
    longest: u64,
    // The cells that room is made for, in ODS those of all tables that have ended, and the bytes of text in them.
    cells: u64,
    text: u64,
    relationships: Vec<(String, String)>,
    // Of XLSX: whether it is among the cells. Of ODS: how deep in them, and the table.
    in_cells: bool,
    in_cell: u64,
    table: Table,
}

/// A table of ODS, in which rows and cells are repeated.
#[derive(Default)]
struct Table {
    rows: u64,
    // Up to the last row and the last column that has something.
    used: u64,
    width: u64,
    // The row that is being read: how often it comes, how far it goes, and how far up to its last cell with something.
    repeats: u64,
    at: u64,
    row_width: u64,
    // The cells of it that room is made for before it is repeated: blank ones too, when any cell follows. And those of the
    // rows before it, for which there is room until the table ends.
    row_stored: u64,
    stored: u64,
    is_open: bool,
    // How often the cell that is being read comes in the table.
    copies: u64,
}

impl Look {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            elements: 0,
            longest: 0,
            cells: 0,
            text: 0,
            relationships: Vec::new(),
            in_cells: false,
            in_cell: 0,
            table: Table::default(),
        }
    }

    const fn is_too_much(&self) -> bool {
        let copies = self.elements.saturating_mul(self.longest);
        let is_full = self.cells > MAX_CELLS || self.table.stored > MAX_CELLS;
        is_full || self.text > MAX_BYTES || (matches!(self.kind, Kind::Small) && copies > MAX_COPIES)
    }

    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        self.elements += 1;
        match self.kind {
            Kind::Small => self.small(element),
            Kind::Texts => self.texts(element),
            Kind::Sheet => self.sheet(element),
            Kind::Document => self.document(element),
        }
    }

    fn small(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let (mut kind, mut target) = (String::new(), String::new());
        let is_relationship = element.local_name().as_ref() == "Relationship";
        if element.name().as_ref() == "manifest:encryption-data" {
            return Err(SourceFault::Sheet { line: None, found: "one with a password" });
        }
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| damaged())?;
            self.longest = self.longest.max(attribute.value.len() as u64);
            match attribute.key.as_ref() {
                "Type" if is_relationship => kind = attribute.value.into_owned(),
                "Target" if is_relationship => target = attribute.value.into_owned(),
                _ => {}
            }
        }
        if is_relationship {
            self.relationships.push((kind, target));
        }
        Ok(())
    }

    // Room is made for as many as are promised.
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
            "row" if self.in_cells => attribute(element, "r")?.is_none_or(|row| is_row(&row)),
            "c" if self.in_cells => attribute(element, "r")?.is_none_or(|cell| is_cell(&cell)),
            _ => true,
        };
        if is_sound { Ok(()) } else { Err(damaged()) }
    }

    fn document(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let table = &mut self.table;
        match element.name().as_ref() {
            "table:table" if self.in_cell == 0 => {
                // The end of one among the rows of another would be taken for the end of the other.
                if table.is_open {
                    return Err(damaged());
                }
                *table = Table { is_open: true, ..Table::default() };
            }
            "table:table-row" if self.in_cell == 0 => {
                table.repeats = repeats(element, "table:number-rows-repeated")?;
                (table.at, table.row_width, table.row_stored) = (0, 0, 0);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.in_cell += 1;
                let repeats = repeats(element, "table:number-columns-repeated")?;
                let mut holds = false;
                table.copies = repeats.saturating_mul(table.repeats);
                for attribute in element.attributes().with_checks(false) {
                    let attribute = attribute.map_err(|_| damaged())?;
                    let key = attribute.key.as_ref();
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
                // Empty cells may go on to the edge of the sheet, and are said to by some programs to go on beyond.
                if holds && (table.at > MAX_COLUMNS || table.rows.saturating_add(table.repeats) > MAX_ROWS) {
                    return Err(damaged());
                }
            }
            // A sign for each, though the first paragraph needs none.
            "text:p" | "text:tab" | "text:line-break" => self.text(1),
            "text:s" if self.in_cell > 0 => {
                let spaces = attribute(element, "text:c")?.map_or(Ok(1), |count| count.parse::<u64>());
                let spaces = spaces.map_err(|_| damaged())?;
                self.text = self.text.saturating_add(table.copies.saturating_mul(spaces));
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, bytes: usize) {
        if self.in_cell > 0 {
            self.text = self.text.saturating_add(self.table.copies.saturating_mul(bytes as u64));
        }
    }

    fn end(&mut self, name: &str) {
        if self.kind != Kind::Document {
            return;
        }
        let table = &mut self.table;
        match name {
            "table:table-cell" | "table:covered-table-cell" => self.in_cell = self.in_cell.saturating_sub(1),
            "table:table-row" if self.in_cell == 0 => {
                table.rows = table.rows.saturating_add(table.repeats);
                if table.row_width > 0 {
                    table.used = table.rows;
                    table.width = table.width.max(table.row_width);
                }
                table.stored = table.stored.saturating_add(table.row_stored);
            }
            "table:table" if self.in_cell == 0 => {
                self.cells = self.cells.saturating_add(table.used.saturating_mul(table.width));
                *table = Table::default();
            }
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, SourceFault> {
    let found = element.try_get_attribute(name).map_err(|_| damaged())?;
    Ok(found.map(|attribute| attribute.value.into_owned()))
}

// None at all is no number of rows or cells.
fn repeats(element: &BytesStart<'_>, name: &str) -> Result<u64, SourceFault> {
    let Some(count) = attribute(element, name)? else { return Ok(1) };
    count.parse().ok().filter(|count| *count > 0).ok_or_else(damaged)
}

fn is_row(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|row| (1..=MAX_ROWS).contains(&row))
}

// `A1` to `XFD1048576`.
fn is_cell(text: &str) -> bool {
    let row = text.trim_start_matches(|sign: char| sign.is_ascii_alphabetic());
    let letters = &text[..text.len() - row.len()];
    let place = |letter: u8| u64::from(letter.to_ascii_uppercase() - b'A') + 1;
    let column = letters.bytes().take(8).fold(0, |column, letter| column * 26 + place(letter));
    (1..=MAX_COLUMNS).contains(&column) && is_row(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether tables of these rows are too much.
    #[track_caller]
    fn check_tables(tables: &[String], expected: bool) {
        let content = format!("<table:table>{}</table:table>", tables.join("</table:table><table:table>"));
        let mut xml = Reader::from_str(&content);
        xml.config_mut().expand_empty_elements = true;
        let mut look = Look::new(Kind::Document);
        let mut is_too_much = false;
        loop {
            match xml.read_event().expect("whole XML") {
                Event::Start(element) => look.start(&element).expect("a sound element"),
                Event::End(element) => look.end(element.name().as_ref()),
                Event::Eof => break,
                _ => {}
            }
            is_too_much |= look.is_too_much();
        }
        assert_eq!(is_too_much, expected);
    }

    #[test]
    fn tables_have_as_many_cells_as_is_said() {
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
        // Blank ones for which there is room until the table ends.
        let blank = "<table:table-row><table:table-cell table:number-columns-repeated='10000'/><table:table-cell/>\
                     </table:table-row>";
        check_tables(&[blank.repeat(1_000), blank.repeat(1_000)], false);
        check_tables(&[blank.repeat(1_001)], true);
        // The last ones of a row take no room.
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
