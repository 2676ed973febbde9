//! The cells of a row, by the columns of a header or by the paths of JSON.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::mapping::close::closest;
use crate::core::mapping::date::is_zero_date;
use crate::core::mapping::error::MappingError;
use crate::core::mapping::parts::{Refusal, value};
use crate::core::mapping::path::Path;
use crate::core::mapping::phone::Country;
use crate::core::mapping::rules::ColumnName;
use crate::core::mapping::words::Words;
use crate::core::model::Value;
use crate::core::nfc::nfc;
use crate::core::non_value::{NonValue, is_zero, non_value};
use crate::core::record::Texts;
use crate::core::text::{bare, visible};

/// The columns of an input, in NFC; of an input without a header, nothing is known.
pub(super) struct Header(Option<Vec<String>>);

impl Header {
    pub(super) fn new(header: Option<&[Arc<str>]>) -> Self {
        Self(header.map(|columns| columns.iter().map(|name| visible(name).trim().to_owned()).collect()))
    }

    pub(super) const fn is_known(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &String> + Clone {
        self.0.iter().flatten()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.columns().cloned().collect()
    }
}

/// What applies to every cell.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) nulls: Words,
    pub(super) country: Option<Country>,
}

impl Defaults {
    /// A cell's text without spaces around it; blank for the words that count as blank, dates of zeros, and the `\N` of
    /// databases.
    #[inline]
    pub(super) fn clean<'a>(&self, text: &'a str) -> &'a str {
        let text = bare(text);
        if text == "\\N" || self.nulls.have(text) || is_zero_date(text) { "" } else { text }
    }

    /// The same of text that is not in NFC yet, as that of JSON.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match nfc(bare(text)) {
            Cow::Borrowed(text) => Cow::Borrowed(self.clean(text)),
            Cow::Owned(text) if self.nulls.have(&text) => Cow::Borrowed(""),
            Cow::Owned(text) => Cow::Owned(text),
        }
    }

    /// Whether a value is a word that counts as blank. A boolean counts as its word, because Odoo writes `false` for a blank,
    /// except in a field of booleans.
    pub(super) fn is_null(&self, json: &Json) -> bool {
        if self.nulls.is_empty() {
            return false;
        }
        match json {
            Json::String(text) => self.nulls.have(&nfc(bare(text))),
            Json::Bool(flag) => self.nulls.have(if *flag { "true" } else { "false" }),
            Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => false,
        }
    }
}

/// A row's cells. Texts are in NFC.
#[derive(Clone, Copy)]
pub(super) enum Row<'a> {
    Texts(&'a Texts),
    Object(&'a [(Arc<str>, Json)]),
}

/// The place of a column.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) at: Option<usize>,
    pub(super) path: Path,
}

impl Place {
    pub(super) fn new(rule: &str, column: &ColumnName, header: &Header) -> Result<Self, MappingError> {
        let name = visible(column.name.trim()).trim().to_owned();
        let at = header.columns().position(|known| *known == name);
        if header.is_known() && at.is_none() {
            return Err(MappingError::Missing {
                rule: rule.to_owned(),
                close: closest(&name, header.columns().map(String::as_str)).map(str::to_owned),
                columns: header.names(),
                line: column.line,
                column: name,
            });
        }
        Ok(Self { at, path: Path::new(&name), name })
    }

    /// Its cell; blank if the row has none.
    #[inline]
    pub(super) fn cell<'a>(&self, row: Row<'a>) -> Cell<'a> {
        match row {
            Row::Texts(texts) => self.cell_of(texts),
            Row::Object(object) => Cell::of(self.path.find(object)),
        }
    }

    /// The same, with all values of a field as a list: the only element of a list of tags is one tag, not text with several.
    pub(super) fn values<'a>(&self, row: Row<'a>) -> Cell<'a> {
        match row {
            Row::Texts(texts) => self.cell_of(texts),
            Row::Object(object) => Cell::of(self.path.find_values(object)),
        }
    }

    #[inline]
    fn cell_of<'a>(&self, texts: &'a Texts) -> Cell<'a> {
        Cell::Text(self.at.and_then(|at| texts.get(at)).unwrap_or_default())
    }

    /// Refuses a match value or an id that is read by position from a list of fields. Another row may have another field there.
    pub(super) fn check_position(&self, row: Row<'_>) -> Result<(), Refusal> {
        let Row::Object(object) = row else { return Ok(()) };
        let Some(list) = self.path.list_by_position(object) else { return Ok(()) };
        let reason = format!(
            "expected a match field or id read by name (`{list}.NAME`), found one read by position; other rows may have \
             another field there"
        );
        Err(Refusal::of(&self.name, reason))
    }

    /// Why its cell identifies no contact. `None` for a blank cell.
    pub(super) fn non_value(&self, row: Row<'_>, defaults: &Defaults) -> Option<NonValue> {
        match self.cell(row) {
            Cell::Text(text) => {
                non_value(&visible(&defaults.text(text))).filter(|found| found.counts_under(&self.name))
            }
            Cell::Json(Json::Number(number)) => is_zero(&number.to_string()).then_some(NonValue::Zero),
            Cell::Json(json) => (json.is_boolean() && !defaults.is_null(json)).then_some(NonValue::Boolean),
        }
    }

    /// Its cell as text.
    pub(super) fn text<'a>(&self, row: Row<'a>, defaults: &Defaults) -> Result<Cow<'a, str>, Refusal> {
        match self.cell(row) {
            Cell::Text(text) => Ok(defaults.text(text)),
            Cell::Json(json) if defaults.is_null(json) => Ok(Cow::Borrowed("")),
            Cell::Json(json) => Ok(value(&self.name, json)?.map_or(Cow::Borrowed(""), |value| match value {
                Value::Text(text) => Cow::Owned(text.into()),
                value @ (Value::Bool(_) | Value::Number(_) | Value::Hashed(_)) => Cow::Owned(value.text().into_owned()),
            })),
        }
    }
}

/// One cell of a row.
pub(super) enum Cell<'a> {
    Text(&'a str),
    // Any value except a string.
    Json(&'a Json),
}

impl NonValue {
    // Whether it is refused if the steps turn the cell into this text. A step may make a placeholder blank.
    pub(super) fn counts_for(self, made: &str) -> bool {
        self == Self::Boolean || !made.is_empty()
    }
}

impl<'a> Cell<'a> {
    fn of(json: Option<&'a Json>) -> Self {
        match json {
            Some(Json::String(text)) => Self::Text(text),
            Some(json) => Self::Json(json),
            None => Self::Text(""),
        }
    }
}
