//! Maps a record to a contact: by rules, and by the names of columns that no rule names.
//!
//! The name of a CSV column or a JSON key is the custom field's name, except for three reserved names and for names that begin
//! with `_`, which are ignored. A blank cell leaves the platform's value unchanged. [`Rules`] change this. All text is
//! normalised to Unicode NFC, so that text that looks the same is equal.

mod by_name;
mod cells;
mod close;
mod control;
mod country_column;
mod coverage;
mod date;
mod error;
mod field;
mod keys;
mod number;
mod outline;
mod parts;
mod path;
mod pattern;
mod phone;
mod phone_country;
mod phone_date;
mod reading;
mod resolve;
pub mod rules;
mod steps;
mod tag_artifacts;
mod tags;
mod template;
mod totals;
mod unseen;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::email::{NoEmail, email_address};
use crate::core::headings::{is_email_heading, is_phone_heading};
use crate::core::model::{Contact, Flaw, Mode, Rejection, WriteMode};
use crate::core::nfc::nfc_texts;
use crate::core::non_value::NonValue;
use crate::core::record::{Cells, Record, Texts};
use crate::core::size_limits::{Bounded, TooLong, shown};
use crate::core::text::visible;
use crate::core::total::REASON;

use self::by_name::{Column, ID_COLUMN, REMOVE_TAGS_COLUMN, TAGS_COLUMN};
use self::cells::{Defaults, Row};
use self::close::closest;
pub(in crate::core) use self::country_column::{
    CountryHeading, heading as country_heading, is_area_code, named as named_country,
};
pub(in crate::core) use self::date::{NoDate, is_zero_date};
pub use self::error::MappingError;
use self::error::Quoted;
use self::field::{FieldReader, rounded_match};
pub(crate) use self::number::is_grouped;
pub(in crate::core) use self::number::{is_rounded, is_scientific};
pub use self::outline::OutlineLine;
use self::parts::{JSON_TEXT, Parts, Refusal};
pub use self::path::Obstacle;
use self::path::Path;
pub(crate) use self::path::{BlockedPath, is_place, takes_by_position};
pub(in crate::core) use self::phone::{NumberParts, e164, is_of, number_parts};
use self::reading::{IdReader, RowFilter, TagReader};
use self::rules::{Rules, Unmapped};
use self::steps::Unfit;
pub(crate) use self::tag_artifacts::TagArtifact;
use self::totals::TITLE;
pub use self::unseen::UnseenPaths;

/// The rules that turn the records of one input into contacts, resolved against its header.
#[derive(Clone, Debug)]
pub struct Mapping {
    match_fields: Vec<String>,
    // What each match field holds, if it is known.
    addresses: Vec<Option<Address>>,
    mode: Mode,
    // The use of each column of a header by its name, in its order. A column that a rule names is ignored here.
    columns: Vec<Column>,
    // Whether any of these columns is not ignored.
    names_count: bool,
    // For each column of the header, its name if it is read for a contact.
    read: Vec<Option<String>>,
    channel: Option<Route>,
    unmapped: Unmapped,
    // The columns and paths that the rules name.
    named: Vec<Path>,
    defaults: Defaults,
    id: Option<IdReader>,
    fields: Vec<FieldReader>,
    tags: Vec<TagReader>,
    take: Vec<RowFilter>,
}

/// What was found in place of an e-mail address.
const SEVERAL_ADDRESSES: &str = "several (the step `first` takes one of them)";

/// The column that names the channel of a row, and its place in the header.
#[derive(Clone, Debug)]
struct Route {
    column: String,
    place: Option<usize>,
}

/// What a match field of addresses holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    Email,
    Phone,
}

impl Address {
    fn of(name: &str) -> Option<Self> {
        if is_email_heading(name) { Some(Self::Email) } else { is_phone_heading(name).then_some(Self::Phone) }
    }

    // The address in text, without what is around it, or why there is none.
    fn read(self, text: &str) -> Result<&str, Unfit> {
        let (expected, found) = match self {
            Self::Email => match email_address(text) {
                Ok(address) => return Ok(address),
                Err(NoEmail::Several) => ("an e-mail address (match field)", SEVERAL_ADDRESSES),
                Err(NoEmail::Other) => {
                    ("an e-mail address (match field)", "text that is not in the form `name@domain`")
                }
            },
            Self::Phone => {
                let found = if text.starts_with('#') {
                    phone::COMMENTED_OUT
                } else if phone_date::is_date(text, || false) {
                    // Without a country, a date with a short year may be a number of six digits.
                    phone::DATE
                } else if text.contains(char::is_numeric) {
                    return Ok(text);
                } else {
                    "text without digits"
                };
                ("a phone number (match field)", found)
            }
        };
        Err(Unfit { expected: expected.to_owned(), found })
    }
}

impl Mapping {
    /// Creates a mapping without rules for an input with these columns (`None`: JSONL, where each row has its own keys). The
    /// match fields are tried in the given order.
    ///
    /// # Errors
    /// If a match field is reserved, repeated or not a column; if contacts have to be found, and there is neither a match field
    /// nor an id.
    pub fn new(header: Option<&[Arc<str>]>, match_fields: Vec<String>, mode: Mode) -> Result<Self, MappingError> {
        Self::by(&Rules { matches: match_fields, ..Rules::default() }, header, mode)
    }

    /// The match fields, in the order in which they are tried.
    pub fn match_fields(&self) -> &[String] {
        &self.match_fields
    }

    /// The columns of the header that no rule names and that are sent as the field of their name.
    pub fn fields_by_name(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(|column| match column {
            Column::Match(place) => self.match_fields.get(*place).map(String::as_str),
            Column::Field(name) => Some(name),
            Column::Ignored | Column::Id | Column::Tags | Column::RemoveTags => None,
        })
    }

    /// The column that names the channel of a row, if there is one.
    pub fn channel_column(&self) -> Option<&str> {
        self.channel.as_ref().map(|route| route.column.as_str())
    }

    /// The channel that a record names, if it names one.
    pub fn channel<'a>(&self, record: &'a Record) -> Option<&'a str> {
        let Route { column, place } = self.channel.as_ref()?;
        let text = match &record.cells {
            Cells::Texts(texts) => texts.get((*place)?)?,
            Cells::Object(object) => object.iter().find(|(name, _)| visible(name) == *column)?.1.as_str()?,
        };
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    /// The entry of `channels` for the channel that a record names; `None` if no column names channels.
    ///
    /// # Errors
    /// A [`Rejection`] if the record names no channel, or none of these.
    pub fn channel_among<'c, T>(
        &self,
        record: &Record,
        channels: &'c BTreeMap<String, T>,
    ) -> Result<Option<&'c T>, Rejection> {
        let Some(column) = self.channel_column() else { return Ok(None) };
        let name = self.channel(record);
        if let Some(channel) = name.and_then(|name| channels.get(name)) {
            return Ok(Some(channel));
        }
        let found = name.map_or_else(
            || "none".to_owned(),
            |name| {
                let close = closest(name, channels.keys().map(String::as_str));
                let meant = close.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
                format!("`{}`, which is not in the configuration{meant}", shown(name))
            },
        );
        let reason = format!("expected the name of a channel, found {found}");
        Err(Rejection { row: record.row, line: record.line, column: Some(column.to_owned()), reason })
    }

    /// Whether a record has tags, even blank ones: by a rule, or in the column or key for tags.
    pub fn mentions_tags(&self, record: &Record) -> bool {
        let by_rule = |object: Option<&[(Arc<str>, Json)]>| {
            let has = |path: &Path| object.is_none_or(|object| path.find(object).is_some());
            self.tags.iter().any(|tags| !tags.remove() && tags.path().is_none_or(has))
        };
        match &record.cells {
            Cells::Texts(_) => by_rule(None) || self.columns.contains(&Column::Tags),
            Cells::Object(object) => {
                let is_own = |key: &str| !self.named.iter().any(|path| path.goes_by(key));
                let has_key = || object.iter().any(|(key, _)| *visible(key) == *TAGS_COLUMN);
                by_rule(Some(object)) || (self.unmapped == Unmapped::Send && is_own(TAGS_COLUMN) && has_key())
            }
        }
    }

    /// Whether a record satisfies the row filters. Otherwise it is no row of the input.
    pub fn takes(&self, record: &Record) -> bool {
        if self.take.is_empty() {
            return true;
        }
        let takes = |row: Row<'_>| self.take.iter().all(|taken| taken.holds(row, &self.defaults));
        match &record.cells {
            Cells::Texts(texts) => takes(Row::Texts(&nfc_texts(texts))),
            Cells::Object(object) => takes(Row::Object(object)),
        }
    }

    /// Maps a record to a contact.
    ///
    /// # Errors
    /// A [`Rejection`] with the record's line if a cell does not satisfy its rule, if the record has neither an id nor a match
    /// value, if its values contradict each other, or if it is a total of the rows above it.
    pub fn contact(&self, record: &Record) -> Result<Contact, Rejection> {
        if record.total.is_some() {
            let (row, line, reason) = (record.row, record.line, REASON.to_owned());
            return Err(Rejection { row, line, column: None, reason });
        }
        let parts = self.no_control_characters(record).and_then(|()| match &record.cells {
            Cells::Texts(texts) => match self.title_among_rows(texts) {
                Some(column) => Err(Refusal::of(column, TITLE)),
                None => self.of_texts(&nfc_texts(texts)),
            },
            Cells::Object(object) => self.of_object(object),
        });
        parts.and_then(|parts| self.checked(parts)).map_err(|Refusal { column, reason }| Rejection {
            row: record.row,
            line: record.line,
            column,
            reason,
        })
    }

    // Checks all cells that are read.
    fn no_control_characters(&self, record: &Record) -> Result<(), Refusal> {
        let refused = |column: &str, character| Err(Refusal::of(column, control::reason(character)));
        match &record.cells {
            Cells::Texts(texts) => {
                match control::in_texts(texts, |at| self.read.get(at).is_some_and(Option::is_some)) {
                    Some((at, character)) => refused(self.read[at].as_deref().unwrap_or_default(), character),
                    None => Ok(()),
                }
            }
            Cells::Object(object) => {
                for (key, json) in object {
                    let is_sent = self.unmapped == Unmapped::Send && !by_name::is_ignored(key);
                    let is_named = || self.named.iter().any(|path| path.goes_by(key));
                    if let Some(character) = control::control_character(key).or_else(|| control::in_json(json))
                        && (is_sent || is_named())
                    {
                        return refused(&shown(&key.escape_debug().to_string()), character);
                    }
                }
                Ok(())
            }
        }
    }

    fn of_texts(&self, texts: &Texts) -> Result<Parts<'_>, Refusal> {
        let mut parts = Parts::new(&self.match_fields, self.columns.len() + self.fields.len());
        self.by_rules(Row::Texts(texts), &mut parts)?;
        if self.names_count {
            for (column, text) in self.columns.iter().zip(texts.iter()) {
                parts.text(column, self.defaults.clean(text))?;
            }
        }
        Ok(parts)
    }

    fn of_object(&self, object: &[(Arc<str>, Json)]) -> Result<Parts<'_>, Refusal> {
        let mut parts = Parts::new(&self.match_fields, object.len() + self.fields.len());
        self.by_rules(Row::Object(object), &mut parts)?;
        let shaped = by_name::is_shaped(object, self.channel_column());
        for (key, json) in object {
            let key = visible(key);
            if Some(&*key) == self.channel_column() || self.named.iter().any(|path| path.goes_by(&key)) {
                continue;
            }
            match self.unmapped {
                Unmapped::Send if self.defaults.is_null(json) => {}
                Unmapped::Send if shaped => parts.shaped(&key, json)?,
                Unmapped::Send => parts.json(&key, json)?,
                Unmapped::Ignore => {}
                Unmapped::Refuse
                    if by_name::is_ignored(&key) || self.take.iter().any(|taken| taken.path().goes_by(&key)) => {}
                Unmapped::Refuse => {
                    return Err(Refusal::of(&key, "expected a key that the mapping names, found another"));
                }
            }
        }
        Ok(parts)
    }

    fn by_rules(&self, row: Row<'_>, parts: &mut Parts<'_>) -> Result<(), Refusal> {
        if let Some(id) = &self.id {
            parts.id(id.id_of(row, &self.defaults)?)?;
        }
        self.fields.iter().try_for_each(|field| field.fill(row, &self.defaults, parts))?;
        self.tags.iter().try_for_each(|tags| tags.put(row, &self.defaults, parts))
    }

    fn checked(&self, mut parts: Parts<'_>) -> Result<Contact, Refusal> {
        if let Some(field) = parts.rounded() {
            return Err(Refusal::unfit(self.column_of(field), &rounded_match()));
        }
        let counts =
            |field: &str, found: NonValue| found.counts_under(field) && found.counts_under(self.column_of(field));
        if let Some((field, found)) = parts.no_match(counts) {
            let expected = "a value (match field)".to_owned();
            return Err(Refusal::unfit(self.column_of(field), &Unfit { expected, found }));
        }
        for (place, text) in parts.match_texts() {
            let Some(address) = self.addresses.get(place).copied().flatten() else { continue };
            let read = address.read(text);
            let read = read.map_err(|unfit| Refusal::unfit(self.column_of(&self.match_fields[place]), &unfit))?;
            if read.len() < text.len() {
                *text = read.into();
            }
        }
        // Most text is recognised by its first byte.
        let is_phone = |name: &str| is_phone_heading(name) || is_phone_heading(self.column_of(name));
        if let Some(field) = parts.json_texts().find(|name| is_phone(name)) {
            let unfit = Unfit { expected: "a phone number".to_owned(), found: JSON_TEXT };
            return Err(Refusal::unfit(self.column_of(field), &unfit));
        }
        if must_find(self.mode) && !parts.can_be_found() {
            return Err(self.nothing_to_find_by());
        }
        let contact = parts
            .contact()
            .map_err(|flaw| Refusal { column: self.column_at_fault(&flaw), reason: flaw.to_string() })?;
        Ok(if self.has_modes() { contact.written(|name| self.mode_of(name)) } else { contact })
    }

    fn has_modes(&self) -> bool {
        self.fields.iter().any(|field| field.write() != WriteMode::Always)
    }

    /// When a field is written.
    pub fn mode_of(&self, name: &str) -> WriteMode {
        self.fields.iter().find(|field| field.name() == name).map_or(WriteMode::Always, FieldReader::write)
    }

    // What each match field holds by its name, or else by its column's.
    fn addresses(match_fields: &[String], fields: &[FieldReader]) -> Vec<Option<Address>> {
        let column = |name: &String| fields.iter().find(|field| field.name() == *name).map(FieldReader::label);
        let of = |name: &String| Address::of(name).or_else(|| Address::of(column(name)?));
        match_fields.iter().map(of).collect()
    }

    // The column with the flaw, if it is in one.
    fn column_at_fault(&self, flaw: &Flaw) -> Option<String> {
        let Flaw::TooLong(TooLong { part, .. }) = flaw else { return None };
        Some(match part {
            Bounded::Id => self.id.as_ref().map_or(ID_COLUMN, IdReader::label).to_owned(),
            Bounded::Tag => self.tags_column(false).unwrap_or(TAGS_COLUMN).to_owned(),
            Bounded::RemovedTag => self.tags_column(true).unwrap_or(REMOVE_TAGS_COLUMN).to_owned(),
            Bounded::Name(field) => shown(self.column_of(field)),
            Bounded::Value(field) | Bounded::Search(field) => self.column_of(field).to_owned(),
        })
    }

    // The first column from which a rule reads tags.
    fn tags_column(&self, remove: bool) -> Option<&str> {
        self.tags.iter().filter(|tags| tags.remove() == remove).find_map(TagReader::column)
    }

    /// The column with the value of a field: that of its rule, or else the one of its name.
    pub fn column_of<'a>(&'a self, field: &'a str) -> &'a str {
        self.fields.iter().find(|filled| filled.name() == field).map_or(field, FieldReader::label)
    }

    fn nothing_to_find_by(&self) -> Refusal {
        match self.match_fields.as_slice() {
            [] => {
                let column = self.id.as_ref().map_or(ID_COLUMN, IdReader::label);
                Refusal::of(column, "expected an id, as there is no match field; found none")
            }
            [field] => Refusal::of(self.column_of(field), "expected a value (match field), found none"),
            [first, ..] => {
                let reason =
                    format!("expected a value in one of the match fields {}, found none", Quoted(&self.match_fields));
                Refusal { column: Some(self.column_of(first).to_owned()), reason }
            }
        }
    }
}

const fn must_find(mode: Mode) -> bool {
    match mode {
        Mode::Upsert | Mode::Update => true,
        Mode::Create => false,
    }
}

#[cfg(test)]
mod tests;
