//! The content of ODS, which is one document: its tables, in which rows and cells are repeated.

use std::ops::Range;

use compact_str::CompactString;
use quick_xml::escape::unescape;
use quick_xml::events::BytesStart;

use super::Probe;
use crate::input::SourceFault;
use crate::input::number_format::{Display, is_scientific, rounded, shows_more};
use crate::input::styles::MAX_STYLES;
use crate::input::workbook_layout::{Content, Layout, Merged, Shown};
use crate::input::workbook_part::{attribute, damaged};
use crate::input::workbook_size::{MAX_COLUMNS, MAX_ROWS};

/// Maximum length of the text that a cell of a number displays, in bytes; longer ones are not kept.
const MAX_SHOWN: usize = 64;

/// The attributes of a cell of ODS with its value (ODF 1.2, 19.369 to 19.391).
const VALUES: [&str; 5] =
    ["office:value", "office:string-value", "office:date-value", "office:time-value", "office:boolean-value"];

/// A table of ODS, in which rows and cells are repeated.
#[derive(Default)]
pub(super) struct Table {
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
    pub(super) stored: u64,
    is_open: bool,
    // How often the current cell is repeated in the table.
    pub(super) copies: u64,
    name: String,
    // The number of the current cell, its columns, and its displayed text, if that is short.
    number: Option<f64>,
    columns: Range<u64>,
    text: CompactString,
    annotations: u64,
    cell: CellParts,
    style: Option<String>,
    // The default styles of columns, each with the column up to which it applies.
    styles: Vec<(u64, String)>,
    // The cells that display more than their number.
    shown: Vec<Shown>,
    layout: Layout,
    // Whether the current row is hidden.
    is_hidden: bool,
}

/// What the current cell of a table has.
#[derive(Clone, Copy, Default)]
struct CellParts {
    has_formula: bool,
    has_value: bool,
    has_text: bool,
}

impl CellParts {
    // Whether it has a formula and no result. An empty text is a result, too.
    const fn lacks_result(self) -> bool {
        self.has_formula && !self.has_value && !self.has_text
    }
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
    pub(super) fn add(&mut self, text: &str) {
        if self.annotations > 0 {
            return;
        }
        self.cell.has_text |= !text.trim().is_empty();
        if self.text.len() + text.len() > MAX_SHOWN {
            self.number = None;
        }
        if self.number.is_some() {
            self.text.push_str(text);
        }
    }
}

impl Probe {
    pub(super) fn start_document(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
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
            "table:table-cell" | "table:covered-table-cell" => self.start_cell(element)?,
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

    fn start_cell(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let table = &mut self.table;
        self.in_cell += 1;
        let repeats = repeats(element, "table:number-columns-repeated")?;
        let mut holds = false;
        if self.in_cell == 1 {
            table.number = None;
            table.cell = CellParts::default();
            table.style = attribute(element, "table:style-name")?;
            table.columns = table.at..table.at.saturating_add(repeats);
            table.text.clear();
            let spanned = |name| -> Result<u64, SourceFault> {
                Ok(attribute(element, name)?.and_then(|count| count.parse().ok()).unwrap_or(1))
            };
            let down = spanned("table:number-rows-spanned")?;
            let across = spanned("table:number-columns-spanned")?;
            if down > 1 || across > 1 {
                let (first_line, first_column) = (table.rows.saturating_add(1), table.at.saturating_add(1));
                table.layout.merge(Merged {
                    first_line,
                    last_line: first_line.saturating_add(down.saturating_sub(1)),
                    first_column,
                    last_column: first_column.saturating_add(across.saturating_sub(1)),
                });
            }
        }
        table.copies = repeats.saturating_mul(table.repeats);
        for attribute in element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|_| damaged())?;
            let key = attribute.key.as_ref();
            if self.in_cell == 1 {
                if key == "office:value" {
                    table.number = attribute.value.parse().ok();
                }
                table.cell.has_formula |= key == "table:formula";
                table.cell.has_value |= VALUES.contains(&key);
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
        Ok(())
    }

    pub(super) fn end_document(&mut self, name: &str) {
        let table = &mut self.table;
        match name {
            "table:table-cell" | "table:covered-table-cell" => self.end_cell(),
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

    fn end_cell(&mut self) {
        let table = &mut self.table;
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
        let content = match text {
            Some(text) => {
                self.text = self.text.saturating_add(table.copies.saturating_mul(text.len() as u64));
                Some(Content::Text(text))
            }
            None => (self.in_cell == 0 && table.cell.lacks_result()).then_some(Content::NoResult),
        };
        if let Some(content) = content {
            let rows = table.rows..table.rows.saturating_add(table.repeats);
            table.shown.push(Shown { rows, columns: table.columns.clone(), content });
        }
    }
}

// Zero is not a valid number of rows or cells.
fn repeats(element: &BytesStart<'_>, name: &str) -> Result<u64, SourceFault> {
    let Some(count) = attribute(element, name)? else { return Ok(1) };
    count.parse().ok().filter(|count| *count > 0).ok_or_else(damaged)
}
