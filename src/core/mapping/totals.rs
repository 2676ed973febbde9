//! Tells a total of the rows above it, and a title between the rows, from a contact.

use crate::core::headings::{is_address_heading, is_id_heading};
use crate::core::nfc::nfc_texts;
use crate::core::record::{Cells, Record, Texts, TotalRow};
use crate::core::total::total;

use super::by_name::Column;
use super::cells::Row;
use super::field::FieldReader;
use super::{Mapping, must_find};

/// Why a title between the rows is rejected.
pub(super) const TITLE: &str = "expected an id, found a section title (all other cells are blank)";

/// The columns that a row with a title has at least.
const TITLE_COLUMNS: usize = 3;

impl Mapping {
    /// Whether a record is certainly a total of the rows above it, and no contact: it has no id, each of its match values is
    /// blank or, where they are phone numbers or e-mail addresses, a word for a total; and a number in it is the sum of its column,
    /// or it states a count. It is no row of the input then. Any other total is rejected, since a company or a person may be
    /// called so. With `--mode create`, each total is.
    pub fn leaves_out_total(&self, record: &Record) -> bool {
        let Some(evidence) = record.total.filter(|_| must_find(self.mode)) else { return false };
        match &record.cells {
            Cells::Texts(texts) => {
                let texts = &nfc_texts(texts);
                self.names_no_contact(texts)
                    && (evidence == TotalRow::AddsUp
                        || states_count(record.row, texts)
                        || self.has_address_total(texts))
            }
            Cells::Object(_) => false,
        }
    }

    /// The column of ids in which a row has several words and no digit, while all its other cells are blank: a title of the rows
    /// below it. A row with few columns may have nothing but an id.
    pub(super) fn title_among_rows(&self, texts: &Texts) -> Option<&str> {
        let mut filled = texts.iter().enumerate().filter(|(_, text)| !text.trim().is_empty());
        let (Some((at, text)), None) = (filled.next(), filled.next()) else { return None };
        let is_title = text.split_whitespace().count() > 1 && !text.contains(char::is_numeric) && !text.contains('@');
        if texts.len() < TITLE_COLUMNS || !is_title {
            return None;
        }
        let by_name = match self.columns.get(at) {
            Some(Column::Match(place)) => self.match_fields.get(*place).map(String::as_str),
            Some(Column::Ignored | Column::Id | Column::Field(_) | Column::Tags | Column::RemoveTags) | None => None,
        };
        let of_match =
            |field: &&FieldReader| field.is_match() && field.places().iter().any(|place| place.at == Some(at));
        let by_rule = || self.fields.iter().find(of_match).map(FieldReader::label);
        by_name.or_else(by_rule).filter(|column| is_id_heading(column))
    }

    // Whether a match field of phone numbers or e-mail addresses holds a word for a total. Neither is called so.
    fn has_address_total(&self, texts: &Texts) -> bool {
        let row = Row::Texts(texts);
        let reads_address = |field: &&FieldReader| field.is_match() && field.reads_address();
        let by_rule = |field: &FieldReader| field.texts(row, &self.defaults).any(|text| is_word(&text));
        let by_name = |(column, text): (&Column, &str)| match column {
            Column::Match(place) => {
                self.match_fields.get(*place).is_some_and(|name| is_address_heading(name))
                    && is_word(self.defaults.clean(text))
            }
            Column::Id | Column::Ignored | Column::Field(_) | Column::Tags | Column::RemoveTags => false,
        };
        self.fields.iter().filter(reads_address).any(by_rule) || self.columns.iter().zip(texts.iter()).any(by_name)
    }

    fn names_no_contact(&self, texts: &Texts) -> bool {
        let row = Row::Texts(texts);
        let by_rule = |field: &FieldReader| {
            field.texts(row, &self.defaults).all(|text| text.is_empty() || (field.reads_address() && is_word(&text)))
        };
        let by_name = |(column, text): (&Column, &str)| {
            let text = self.defaults.clean(text);
            match column {
                Column::Match(place) => {
                    let is_of_addresses = self.match_fields.get(*place).is_some_and(|name| is_address_heading(name));
                    text.is_empty() || (is_of_addresses && is_word(text))
                }
                Column::Id => text.is_empty(),
                Column::Ignored | Column::Field(_) | Column::Tags | Column::RemoveTags => true,
            }
        };
        self.id.iter().flat_map(|id| id.texts(row, &self.defaults)).all(|text| text.is_empty())
            && self.fields.iter().filter(|field| field.is_match()).all(by_rule)
            && self.columns.iter().zip(texts.iter()).all(by_name)
    }
}

// Whether a text is a word for a total, and cannot be a name.
fn is_word(text: &str) -> bool {
    total(text).is_some_and(|total| !total.may_be_name)
}

// Whether a total, the row at `row` of its input, states a count: with its word, as in `Total: 57` and `57 rows affected`, or as
// the number of rows above it beside a word that is no name.
fn states_count(row: u64, texts: &Texts) -> bool {
    let words = || texts.iter().filter_map(|text| total(text.trim()));
    let is_count = |text: &str| text.trim().parse().is_ok_and(|number: u64| number > 0 && number + 1 == row);
    words().any(|total| total.has_number || total.names_counted)
        || (words().all(|total| !total.may_be_name) && texts.iter().any(is_count))
}
