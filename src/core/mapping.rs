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
mod date;
mod error;
mod field;
mod number;
mod outline;
mod parts;
mod path;
mod pattern;
mod phone;
mod phone_country;
mod reading;
pub mod rules;
mod steps;
mod tags;
mod template;
mod unseen;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::headings::{is_address_heading, is_phone_heading};
use crate::core::limits::{Bounded, TooLong, shown};
use crate::core::model::{Contact, Flaw, Mode, Rejection};
use crate::core::nfc::nfc_texts;
use crate::core::record::{Cells, Record, Texts, TotalRow};
use crate::core::text::visible;
use crate::core::total::{REASON, total};

use self::by_name::{Column, ID_COLUMN, REMOVE_TAGS_COLUMN, TAGS_COLUMN, reserved};
use self::cells::{Defaults, Header, Row};
use self::close::closest;
pub(in crate::core) use self::country_column::{
    CountryHeading, heading as country_heading, is_area_code, named as named_country,
};
pub(in crate::core) use self::date::{NoDate, is_zero_date};
pub use self::error::MappingError;
use self::error::Quoted;
use self::field::{FieldReader, rounded_match};
pub(in crate::core) use self::number::{is_rounded, is_scientific};
pub use self::outline::OutlineLine;
use self::parts::{JSON_TEXT, Parts, Refusal};
use self::path::Path;
pub(in crate::core) use self::phone::{NumberParts, e164, is_of, number_parts};
use self::reading::{IdReader, RowFilter, TagReader};
use self::rules::{Rules, Unmapped};
use self::steps::Unfit;
pub use self::unseen::UnseenPaths;

/// The rules that turn the records of one input into contacts, resolved against its header.
#[derive(Clone, Debug)]
pub struct Mapping {
    match_fields: Vec<String>,
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

/// The column that names the channel of a row, and its place in the header.
#[derive(Clone, Debug)]
struct Route {
    column: String,
    place: Option<usize>,
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

    /// Creates a mapping by `rules` for an input with these columns (`None`: JSONL, where each row has its own keys).
    ///
    /// # Errors
    /// Like [`Mapping::new`]; also if a rule names a missing column, if a field would get two values, or if no rule names a
    /// column and the rules refuse such columns.
    pub fn by(rules: &Rules, header: Option<&[Arc<str>]>, mode: Mode) -> Result<Self, MappingError> {
        let header = Header::new(header);
        let match_fields = match_fields(rules)?;
        let mut fields = Vec::with_capacity(rules.fields.len());
        let mut filling = BTreeSet::new();
        for rule in &rules.fields {
            let filled = FieldReader::new(rule, &header, &match_fields)?;
            if !filling.insert(filled.name().to_owned()) {
                return Err(MappingError::FieldTwice { field: filled.name().to_owned(), line: rule.line });
            }
            fields.push(filled);
        }
        let id = rules.id.as_ref().map(|rule| IdReader::id(rule, &header)).transpose()?;
        let tags = rules.tags.iter().map(|rule| TagReader::new(rule, &header)).collect::<Result<Vec<_>, _>>()?;
        let take = rules.take.iter().map(|rule| RowFilter::new(rule, &header)).collect::<Result<Vec<_>, _>>()?;

        let named: Vec<Path> =
            fields.iter().flat_map(FieldReader::paths).chain(id.iter().map(IdReader::path)).cloned().collect();
        let named: Vec<Path> = named.into_iter().chain(tags.iter().filter_map(TagReader::path).cloned()).collect();
        let mut mapping = Self {
            columns: Vec::new(),
            names_count: false,
            read: Vec::new(),
            channel: None,
            unmapped: rules.unmapped,
            defaults: Defaults { nulls: rules.nulls.clone(), country: rules.country },
            match_fields,
            mode,
            named,
            id,
            fields,
            tags,
            take,
        };
        mapping.resolve_columns(rules, &header, &filling)?;
        Ok(mapping)
    }

    // Resolves the columns that no rule names, and checks the match fields.
    fn resolve_columns(
        &mut self,
        rules: &Rules,
        header: &Header,
        names: &BTreeSet<String>,
    ) -> Result<(), MappingError> {
        let is_named = |column: &str| self.named.iter().any(|path| path.goes_by(column));
        let is_deciding = |column: &str| self.take.iter().any(|taken| taken.path().goes_by(column));
        let loose = |column: &&String| !is_named(column) && !by_name::is_ignored(column);
        if self.unmapped == Unmapped::Refuse {
            let columns: Vec<String> =
                header.columns().filter(loose).filter(|column| !is_deciding(column)).cloned().collect();
            if !columns.is_empty() {
                return Err(MappingError::Unmapped { columns });
            }
        }
        let column = |name: &String| {
            let is_sent = self.unmapped == Unmapped::Send && loose(&name);
            if is_sent { Column::of(name, &self.match_fields) } else { Column::Ignored }
        };
        let columns: Vec<Column> = header.columns().map(column).collect();
        for (name, column) in header.columns().zip(&columns) {
            if matches!(column, Column::Match(_) | Column::Field(_)) && names.contains(name) {
                let line = rules
                    .fields
                    .iter()
                    .find(|rule| visible(rule.name.trim()).trim() == *name)
                    .and_then(|rule| rule.line);
                return Err(MappingError::Doubled { field: name.clone(), line });
            }
        }
        for (place, field) in self.match_fields.iter().enumerate() {
            let by_its_name = match (header.is_known(), self.unmapped) {
                (true, _) => columns.contains(&Column::Match(place)),
                (false, Unmapped::Send) => true,
                (false, Unmapped::Ignore | Unmapped::Refuse) => false,
            };
            if !by_its_name && !names.contains(field) {
                return Err(self.no_source(field, header, names));
            }
        }
        let has_id = self.id.is_some() || columns.contains(&Column::Id) || !header.is_known();
        if must_find(self.mode) && self.match_fields.is_empty() && !has_id {
            return Err(MappingError::NoMatch { columns: header.names() });
        }
        self.names_count = columns.iter().any(|column| *column != Column::Ignored);
        let is_read = |(name, column): (&String, &Column)| {
            let is_read = *column != Column::Ignored || is_named(name);
            is_read.then(|| name.clone())
        };
        self.read = header.columns().zip(&columns).map(is_read).collect();
        self.columns = columns;
        Ok(())
    }

    fn no_source(&self, field: &str, header: &Header, names: &BTreeSet<String>) -> MappingError {
        let field = field.to_owned();
        let fields = names.iter().cloned().collect();
        if self.unmapped == Unmapped::Send {
            let known = header.columns().chain(names).map(String::as_str);
            let close = closest(&field, known).map(str::to_owned);
            MappingError::NoColumn { close, fields, columns: header.names(), field }
        } else {
            let close = closest(&field, names.iter().map(String::as_str)).map(str::to_owned);
            MappingError::NoField { close, fields, field }
        }
    }

    /// Makes `column` name the channel of each row. It is no field then.
    ///
    /// # Errors
    /// If the input has no such column, or it is a match field.
    pub fn routed_by(mut self, header: Option<&[Arc<str>]>, column: &str) -> Result<Self, MappingError> {
        let header = Header::new(header);
        let column = visible(column.trim()).trim().to_owned();
        if self.match_fields.contains(&column) {
            return Err(MappingError::ChannelMatches(column));
        }
        let place = header.columns().position(|name| *name == column);
        if header.is_known() && place.is_none() {
            let close = closest(&column, header.columns().map(String::as_str)).map(str::to_owned);
            return Err(MappingError::NoChannelColumn { close, columns: header.names(), column });
        }
        if let Some(ignored) = place.and_then(|at| self.columns.get_mut(at)) {
            *ignored = Column::Ignored;
        }
        self.channel = Some(Route { column, place });
        Ok(self)
    }

    /// Whether each of these columns is read for a contact, for its channel, or by a row filter.
    pub fn reads(&self, header: &[Arc<str>]) -> Vec<bool> {
        let named = |column: &str| {
            let paths = self.named.iter().chain(self.take.iter().map(RowFilter::path));
            Some(column) == self.channel_column() || paths.into_iter().any(|path| path.goes_by(column))
        };
        // Without a header, the keys are sent by name, or not at all.
        let of_key = |key: &Arc<str>| self.unmapped == Unmapped::Send && !by_name::is_ignored(key);
        let by_name: Vec<bool> = if self.columns.is_empty() {
            header.iter().map(of_key).collect()
        } else {
            self.columns.iter().map(|column| *column != Column::Ignored).collect()
        };
        let header = Header::new(Some(header));
        header.columns().zip(by_name).map(|(column, by_name)| by_name || named(column)).collect()
    }

    /// Whether a JSON `false` at a key or path is sent as text.
    pub fn sends_false(&self, path: &str) -> bool {
        if self.defaults.nulls.have("false") {
            return false;
        }
        let (key, is_whole) = path.split_once('.').map_or((path, true), |(key, _)| (key, false));
        if self.named.iter().any(|named| named.is(path) || named.goes_by(key)) {
            return self.fields.iter().any(|field| field.sends_false(path));
        }
        let is_field = !is_whole || matches!(Column::of(key, &self.match_fields), Column::Match(_) | Column::Field(_));
        self.unmapped == Unmapped::Send && is_field && self.channel_column() != Some(key)
    }

    /// Whether JSON text in a column, under a key or at a path, is sent as it is: not as a match value or a phone, which are
    /// rejected.
    pub fn sends_json_text(&self, path: &str) -> bool {
        let key = path.split('.').next().unwrap_or(path);
        if self.named.iter().any(|named| named.is(path) || named.goes_by(path) || named.goes_by(key)) {
            return self.fields.iter().any(|field| field.sends_json_text(path));
        }
        let is_field = matches!(Column::of(path, &self.match_fields), Column::Field(_));
        self.unmapped == Unmapped::Send && is_field && self.channel_column() != Some(path)
    }

    /// Whether a rule reads a value by its position in this list.
    pub fn takes_by_position(&self, list: &str) -> bool {
        self.named.iter().chain(self.take.iter().map(RowFilter::path)).any(|path| path.takes_by_position(list))
    }

    /// The keys and paths that rules read from objects, none of which is seen yet.
    pub fn unseen_paths(&self) -> UnseenPaths {
        UnseenPaths::new(self.named.iter().chain(self.take.iter().map(RowFilter::path)))
    }

    /// The paths by which rules read ids and match values.
    pub fn match_paths(&self) -> Vec<String> {
        let fields = self.fields.iter().filter(|field| field.is_match()).flat_map(FieldReader::paths);
        fields.chain(self.id.iter().map(IdReader::path)).map(|path| path.as_str().to_owned()).collect()
    }

    /// Whether a rule reads the first element of this list.
    pub fn takes_first(&self, list: &str) -> bool {
        self.named.iter().chain(self.take.iter().map(RowFilter::path)).any(|path| path.takes_first(list))
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

    /// Whether a record is certainly a total of the rows above it, and no contact: it has no id, each of its match values is
    /// blank or, where they are phone numbers or e-mail addresses, a word for a total; and a number in it is the sum of its column,
    /// or it states a count. It is no row of the input then. Any other total is rejected, since a company or a person may be
    /// called so. With [`Mode::Create`], each total is.
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

    // Whether a match field of phone numbers or e-mail addresses holds a word for a total. Neither is called so.
    fn has_address_total(&self, texts: &Texts) -> bool {
        let is_word = |text: &str| total(text).is_some_and(|total| !total.may_be_name);
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
        let is_word = |text: &str| total(text).is_some_and(|total| !total.may_be_name);
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
            Cells::Texts(texts) => self.of_texts(&nfc_texts(texts)),
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

    fn checked(&self, parts: Parts<'_>) -> Result<Contact, Refusal> {
        if let Some(field) = parts.rounded() {
            return Err(Refusal::unfit(self.column_of(field), &rounded_match()));
        }
        if let Some((field, found)) = parts.no_match() {
            let expected = "a value (match field)".to_owned();
            return Err(Refusal::unfit(self.column_of(field), &Unfit { expected, found }));
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
        parts.contact().map_err(|flaw| Refusal { column: self.column_at_fault(&flaw), reason: flaw.to_string() })
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

// Whether a total, the row at `row` of its input, states a count: with its word, as in `Total: 57` and `57 rows affected`, or as
// the number of rows above it beside a word that is no name.
fn states_count(row: u64, texts: &Texts) -> bool {
    let words = || texts.iter().filter_map(|text| total(text.trim()));
    let is_count = |text: &str| text.trim().parse().is_ok_and(|number: u64| number > 0 && number + 1 == row);
    words().any(|total| total.has_number || total.names_counted)
        || (words().all(|total| !total.may_be_name) && texts.iter().any(is_count))
}

fn match_fields(rules: &Rules) -> Result<Vec<String>, MappingError> {
    let mut fields: Vec<String> = Vec::with_capacity(rules.matches.len());
    for field in &rules.matches {
        let field = visible(field).into_owned();
        let has_rule = rules.fields.iter().any(|rule| visible(rule.name.trim()).trim() == field);
        if field.trim().is_empty() || (reserved(&field).is_some() && !has_rule) {
            return Err(MappingError::Reserved(field));
        }
        if fields.contains(&field) {
            return Err(MappingError::Repeated(field));
        }
        fields.push(field);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests;
