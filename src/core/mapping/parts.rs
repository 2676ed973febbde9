//! The parts of a contact while its cells are read.

use serde_json::Value as Json;

use crate::core::mapping::by_name::{Column, ID_COLUMN, REMOVE_TAGS_COLUMN, SHAPE_KEY, TAGS_COLUMN, is_ignored};
use crate::core::mapping::date::is_zero_date;
use crate::core::mapping::number::is_rounded;
use crate::core::mapping::phone::ROUNDED;
use crate::core::mapping::steps::Unfit;
use crate::core::mapping::tags::{BadList, is_tag, tags_of};
use crate::core::model::{Contact, ContactId, Field, Flaw, Value};
use crate::core::nfc::nfc;
use crate::core::non_value::{NonValue, is_json, non_value};
use crate::core::text::{Text, bare, visible};

/// The separators of tags in a column that no rule names: [`TAG_SEPARATORS`](crate::core::mapping::words::TAG_SEPARATORS).
pub(super) const SEPARATORS: [&str; 3] = [";", "|", ","];

/// What is found in place of a match value that is a boolean.
const BOOLEAN: &str =
    "a boolean, which cannot identify a contact (add `{ null = [\"false\"] }` to its transform if it means blank)";

/// What is found in place of a value that is JSON text.
pub(super) const JSON_TEXT: &str = "JSON text (export its values as separate columns)";

impl NonValue {
    /// What is found in place of a match value or an id.
    pub(super) const fn found(self) -> &'static str {
        match self {
            Self::Boolean => BOOLEAN,
            Self::Json => JSON_TEXT,
            Self::Printed => {
                "a list or an object that a program printed, such as `[object Object]` (export its values as separate columns)"
            }
            Self::Placeholder => {
                "a placeholder such as `N/A`, which cannot identify a contact (add the word to `nulls` if it means blank)"
            }
            Self::Zero => "a zero, which stands for a missing value (add it to `nulls` if it means blank)",
            Self::Total => "a word for a total, which cannot identify a contact",
            Self::ReportLine => "a line of a report, which cannot identify a contact",
        }
    }
}

/// Why a row is rejected. Its line is added later.
pub(super) struct Refusal {
    pub(super) column: Option<String>,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn of(column: &str, reason: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), reason: reason.into() }
    }

    pub(super) fn unfit(column: &str, unfit: &Unfit) -> Self {
        Self::of(column, format!("expected {}, found {}", unfit.expected, unfit.found))
    }

    pub(super) fn kind(column: &str, expected: &str, found: &Json) -> Self {
        Self::of(column, format!("expected {expected}, found {}", kind(found)))
    }
}

/// The parts of a contact while its cells are read.
pub(super) struct Parts<'a> {
    match_fields: &'a [String],
    // First one for each match field, in their order, with an empty name until it has a value; then the others.
    fields: Vec<Field>,
    // The fields that are sent as text, with the values of other types that the row has.
    read: Vec<Field>,
    // Number of match fields with a value.
    matches: usize,
    id: Option<ContactId>,
    clear: Vec<Text>,
    tags: Vec<Text>,
    remove_tags: Vec<Text>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(match_fields: &'a [String], cells: usize) -> Self {
        let mut fields = Vec::with_capacity(match_fields.len() + cells);
        fields.resize_with(match_fields.len(), || Field::text("", ""));
        let (clear, tags, remove_tags) = (Vec::new(), Vec::new(), Vec::new());
        Self { match_fields, fields, read: Vec::new(), matches: 0, id: None, clear, tags, remove_tags }
    }

    /// Adds the cell of a column that no rule names. The text has no spaces around it and is in NFC.
    #[inline]
    pub(super) fn text(&mut self, column: &Column, text: &str) -> Result<(), Refusal> {
        if text.is_empty() {
            return Ok(());
        }
        let value = || Value::Text(text.into());
        match column {
            Column::Ignored => {}
            Column::Id => self.id(id_of(ID_COLUMN, text)?)?,
            Column::Tags => append(&mut self.tags, split(TAGS_COLUMN, text)?),
            Column::RemoveTags => append(&mut self.remove_tags, split(REMOVE_TAGS_COLUMN, text)?),
            Column::Match(place) => self.matched(*place, value()),
            Column::Field(name) => self.other(name, value()),
        }
        Ok(())
    }

    /// Adds the value of a key that no rule names.
    pub(super) fn json(&mut self, key: &str, json: &Json) -> Result<(), Refusal> {
        if is_ignored(key) {
            return Ok(());
        }
        match key {
            ID_COLUMN => self.id(id(key, json)?)?,
            TAGS_COLUMN => self.tags.extend(tags(key, json)?),
            REMOVE_TAGS_COLUMN => self.remove_tags.extend(tags(key, json)?),
            name => self.json_field(name, json)?,
        }
        Ok(())
    }

    /// Adds the value of a key of a contact in the platform's own shape (API.md, "The six calls").
    pub(super) fn shaped(&mut self, key: &str, json: &Json) -> Result<(), Refusal> {
        match key {
            "id" => self.id(id(key, json)?),
            "created_at" => Ok(()),
            SHAPE_KEY => self.custom_fields(json),
            key => self.json(key, json),
        }
    }

    // An object, as the platform shows them, or an array of names and values, as requests send them. Every name is a custom
    // field's here.
    fn custom_fields(&mut self, json: &Json) -> Result<(), Refusal> {
        match json {
            Json::Null => Ok(()),
            Json::Object(fields) => fields.iter().try_for_each(|(name, json)| self.json_field(name, json)),
            Json::Array(fields) => fields.iter().try_for_each(|field| self.written_field(field)),
            other => Err(Refusal::kind(SHAPE_KEY, "an object", other)),
        }
    }

    fn written_field(&mut self, json: &Json) -> Result<(), Refusal> {
        const EXPECTED: &str = "objects with a name and a value";
        let Json::Object(field) = json else { return Err(Refusal::kind(SHAPE_KEY, EXPECTED, json)) };
        let strange = field.keys().any(|key| key != "name" && key != "value");
        match field.get("name") {
            Some(Json::String(name)) if !strange => self.json_field(name, field.get("value").unwrap_or(&Json::Null)),
            Some(_) | None => Err(Refusal::of(SHAPE_KEY, format!("expected {EXPECTED}, found others"))),
        }
    }

    fn json_field(&mut self, name: &str, json: &Json) -> Result<(), Refusal> {
        let name = visible(name);
        if let Some(value) = value(&name, json)?
            && !name.trim().is_empty()
        {
            let value = self.as_text(&name, value);
            self.field(&name, value);
        }
        Ok(())
    }

    /// Converts the value of a field without a type to text.
    pub(super) fn as_text(&mut self, name: &str, value: Value) -> Value {
        match value {
            Value::Text(text) => Value::Text(text),
            typed @ (Value::Bool(_) | Value::Number(_) | Value::Hashed(_)) => {
                self.read.push(Field { name: name.into(), value: typed.clone() });
                typed.into_text()
            }
        }
    }

    fn field(&mut self, name: &str, value: Value) {
        match self.match_fields.iter().position(|field| field == name) {
            Some(place) => self.matched(place, value),
            None => self.fields.push(Field { name: name.into(), value }),
        }
    }

    /// Adds the value of the match field at this place.
    pub(super) fn matched(&mut self, place: usize, value: Value) {
        let value = match value {
            Value::Text(text) if !text.is_ascii() => Value::Text((*visible(&text)).into()),
            value @ (Value::Text(_) | Value::Bool(_) | Value::Number(_) | Value::Hashed(_)) => value,
        };
        let field = Field { name: self.match_fields[place].as_str().into(), value };
        let empty = &mut self.fields[place];
        if empty.name.is_empty() {
            *empty = field;
            self.matches += 1;
        } else {
            // A second value for a match field goes to the others, where the contact's own check finds it.
            self.fields.push(field);
        }
    }

    /// Adds the value of another field.
    #[inline]
    pub(super) fn other(&mut self, name: &Text, value: Value) {
        self.fields.push(Field { name: name.clone(), value });
    }

    /// Adds a field to clear.
    pub(super) fn clear(&mut self, name: &Text) {
        self.clear.push(name.clone());
    }

    /// Adds a tag to add or, if `remove` is set, to remove.
    pub(super) fn tag(&mut self, tag: Text, remove: bool) {
        if remove { &mut self.remove_tags } else { &mut self.tags }.push(tag);
    }

    /// Adds the platform's id. The same id may come twice.
    pub(super) fn id(&mut self, id: Option<ContactId>) -> Result<(), Refusal> {
        match (&self.id, id) {
            (_, None) => {}
            (Some(first), Some(second)) if *first != second => {
                return Err(Refusal::of(ID_COLUMN, "expected one id, found two"));
            }
            (Some(_) | None, Some(id)) => self.id = Some(id),
        }
        Ok(())
    }

    /// Whether the contact has an id or a match value.
    pub(super) fn can_be_found(&self) -> bool {
        self.id.is_some() || self.matches > 0
    }

    /// The match field whose value a spreadsheet has rounded. Several contacts may have the same one.
    pub(super) fn rounded(&self) -> Option<&str> {
        let is_rounded = |field: &&Field| matches!(&field.value, Value::Text(text) if is_rounded(text));
        self.fields.iter().take(self.match_fields.len()).find(is_rounded).map(|field| field.name.as_str())
    }

    /// The match field whose value identifies no contact, and what is found there. `counts` is whether text does not count as a
    /// value in a field.
    pub(super) fn no_match(&self, counts: impl Fn(&str, NonValue) -> bool) -> Option<(&str, &'static str)> {
        let is_typed =
            |name: &Text| self.read.iter().any(|read| read.name == *name && matches!(read.value, Value::Bool(_)));
        let found = |field: &Field| match &field.value {
            Value::Text(_) if is_typed(&field.name) => Some(BOOLEAN),
            Value::Text(text) => non_value(text).filter(|found| counts(&field.name, *found)).map(NonValue::found),
            Value::Bool(_) => Some(BOOLEAN),
            Value::Number(_) | Value::Hashed(_) => None,
        };
        let mut matches = self.fields.iter().take(self.match_fields.len());
        matches.find_map(|field| Some((&*field.name, found(field)?)))
    }

    /// The texts of the match fields, with their places.
    pub(super) fn match_texts(&mut self) -> impl Iterator<Item = (usize, &mut Text)> {
        let matches = self.fields.iter_mut().take(self.match_fields.len()).enumerate();
        matches.filter_map(|(place, field)| match &mut field.value {
            Value::Text(text) if !text.is_empty() => Some((place, text)),
            Value::Text(_) | Value::Bool(_) | Value::Number(_) | Value::Hashed(_) => None,
        })
    }

    /// The fields whose values are JSON text.
    pub(super) fn json_texts(&self) -> impl Iterator<Item = &str> {
        let is_json = |field: &&Field| matches!(&field.value, Value::Text(text) if is_json(text));
        self.fields.iter().filter(is_json).map(|field| &*field.name)
    }

    /// Creates the contact.
    pub(super) fn contact(self) -> Result<Contact, Flaw> {
        let Self { id, mut fields, read, matches, clear, tags, remove_tags, .. } = self;
        if matches < self.match_fields.len() {
            fields.retain(|field| !field.name.is_empty());
        }
        Contact::of(id, fields, &read, matches, clear, tags, remove_tags)
    }
}

// A row mostly has one list, which need not be copied.
fn append(tags: &mut Vec<Text>, mut more: Vec<Text>) {
    if tags.is_empty() {
        *tags = more;
    } else {
        tags.append(&mut more);
    }
}

/// Whether text is a JSON array of one string or number.
pub(super) fn is_list_of_one(text: &str) -> bool {
    serde_json::from_str::<[Json; 1]>(text).is_ok_and(|[only]| only.is_string() || only.is_number())
}

/// The value of a field in its JSON type; `None` if it is blank.
pub(super) fn value(column: &str, json: &Json) -> Result<Option<Value>, Refusal> {
    let value = match json {
        Json::Null => return Ok(None),
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Number(number.clone()),
        Json::String(text) if is_zero_date(bare(text)) => return Ok(None),
        Json::String(text) => Value::Text((*nfc(bare(text))).into()),
        Json::Array(_) | Json::Object(_) => {
            return Err(Refusal::kind(column, "text, a number or a boolean", json));
        }
    };
    Ok((!value.is_blank()).then_some(value))
}

/// The tags in a JSON value.
pub(super) fn tags(column: &str, json: &Json) -> Result<Vec<Text>, Refusal> {
    const EXPECTED: &str = "an array of text";
    match json {
        // Some programs write `false` for a blank.
        Json::Null | Json::Bool(false) => Ok(Vec::new()),
        Json::String(text) => split(column, bare(text)),
        Json::Array(tags) => {
            let mut texts = Vec::with_capacity(tags.len());
            for tag in tags {
                match tag {
                    Json::Null => {}
                    Json::String(text) => texts.push(Text::from(&*visible(bare(text)))),
                    other => {
                        return Err(Refusal::of(column, format!("expected {EXPECTED}, found {} in it", kind(other))));
                    }
                }
            }
            texts.retain(|tag| !tag.is_empty() && is_tag(tag));
            Ok(texts)
        }
        other => Err(Refusal::kind(column, EXPECTED, other)),
    }
}

fn id(column: &str, json: &Json) -> Result<Option<ContactId>, Refusal> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => id_of(column, bare(text)),
        Json::Number(number) if !number.is_f64() => id_of(column, &number.to_string()),
        other => Err(Refusal::kind(column, "an id (text or a whole number)", other)),
    }
}

/// The id in text without spaces around it.
pub(super) fn id_of(column: &str, text: &str) -> Result<Option<ContactId>, Refusal> {
    if is_rounded(text) {
        return Err(Refusal::of(column, format!("expected an id, found {ROUNDED}")));
    }
    if let Some(non_value) = non_value(&visible(text)) {
        return Err(Refusal::of(column, format!("expected an id, found {}", non_value.found())));
    }
    Ok(ContactId::new(visible(text)))
}

fn split(column: &str, text: &str) -> Result<Vec<Text>, Refusal> {
    let tags = tags_of(text, &SEPARATORS).map_err(|BadList| bad_list(column))?;
    Ok(tags.into_iter().filter(|tag| is_tag(tag)).map(|tag| Text::from(&*tag)).collect())
}

/// Why a row whose tags cannot be read is rejected.
pub(super) fn bad_list(column: &str) -> Refusal {
    Refusal::of(column, format!("expected tags, found {}", BadList::FOUND))
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
