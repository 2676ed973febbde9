//! Styles of ODS cells that display more than the number.

use std::collections::BTreeMap;

use quick_xml::events::BytesStart;

use super::SourceFault;
use super::number_format::{Described, NumberFormat};
use super::workbook_part::attribute;

/// Maximum number of styles of a spreadsheet.
pub(super) const MAX_STYLES: usize = 65_536;

/// Maximum length of a style name that is kept, in bytes.
const MAX_NAME: usize = 256;

/// The number formats of ODS cells, by the names of their styles.
#[derive(Default)]
pub(super) struct Styles {
    // Formats that display more than a number, by their names; and the formats of cell styles.
    formats: BTreeMap<String, NumberFormat>,
    cells: BTreeMap<String, String>,
    // The current format: its name, its parts so far, and where the next text belongs.
    open: Option<(String, Described)>,
    text: TextPlace,
}

/// The position of text in a format.
#[derive(Clone, Copy, Default)]
enum TextPlace {
    /// Outside of it.
    #[default]
    Outside,
    BesideDigits,
    BeforeLast(usize),
}

impl Styles {
    /// Reads the start of an element outside a table.
    pub(super) fn start(&mut self, element: &BytesStart<'_>) -> Result<(), SourceFault> {
        let named = |name: &str| -> Result<String, SourceFault> {
            Ok(attribute(element, name)?.filter(|name| name.len() <= MAX_NAME).unwrap_or_default())
        };
        let count = |name: &str| -> Result<Option<usize>, SourceFault> {
            Ok(attribute(element, name)?.and_then(|count| count.parse().ok()))
        };
        match (element.name().as_ref(), &mut self.open) {
            ("number:number-style", _) => self.open = Some((named("style:name")?, Described::default())),
            ("style:style", _) if self.cells.len() < MAX_STYLES => {
                let (name, format) = (named("style:name")?, named("style:data-style-name")?);
                if !name.is_empty() && !format.is_empty() {
                    self.cells.insert(name, format);
                }
            }
            ("number:text", Some(_)) => self.text = TextPlace::BesideDigits,
            ("number:embedded-text", Some(_)) => {
                self.text = TextPlace::BeforeLast(count("number:position")?.unwrap_or(0));
            }
            ("number:number", Some((_, format))) => {
                let is_fraction = count("number:decimal-places")?.is_some_and(|places| places > 0);
                if is_fraction || attribute(element, "number:grouping")?.is_some_and(|grouping| grouping == "true") {
                    format.other();
                }
                format.digits(count("number:min-integer-digits")?.unwrap_or(0));
            }
            ("style:text-properties", _) | (_, None) => {}
            (_, Some((_, format))) => format.other(),
        }
        Ok(())
    }

    /// Reads text outside a table.
    pub(super) fn text(&mut self, text: &str) {
        let Some((_, format)) = &mut self.open else { return };
        match self.text {
            TextPlace::Outside => {}
            TextPlace::BesideDigits => format.text(text),
            TextPlace::BeforeLast(places) => format.text_inside(places, text),
        }
    }

    /// Reads the end of an element.
    pub(super) fn end(&mut self, name: &str) {
        match name {
            "number:text" | "number:embedded-text" => self.text = TextPlace::Outside,
            "number:number-style" => {
                if let Some((name, format)) = self.open.take()
                    && let Some(format) = format.end()
                    && self.formats.len() < MAX_STYLES
                {
                    self.formats.insert(name, format);
                }
            }
            _ => {}
        }
    }

    /// The format of a cell style, if it displays more than a number.
    pub(super) fn of_cell(&self, style: &str) -> Option<&NumberFormat> {
        self.formats.get(self.cells.get(style)?)
    }
}
