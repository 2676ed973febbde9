//! A record into a contact, by the names of its columns alone.
//!
//! The name of a CSV column or of a JSON key is the custom field's name, but for three columns that mean something else
//! and for those that begin with `_`, which are ignored. A blank cell leaves the platform's value alone.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::model::{Contact, ContactId, Draft, Field, Mode, Rejection, Value};
use crate::core::record::{Cells, Record, Texts};

/// The column that holds the platform's id. `id` is a plain field: a CRM has ids of its own.
pub const ID_COLUMN: &str = "contact_id";

/// The column that holds the tags to have.
pub const TAGS_COLUMN: &str = "tags";

/// The column that holds the tags to remove.
pub const REMOVE_TAGS_COLUMN: &str = "remove_tags";

/// What the name of a column that is ignored begins with.
pub const IGNORED_PREFIX: char = '_';

/// What parts the tags of one cell.
pub const TAG_SEPARATORS: [char; 3] = [';', '|', ','];

/// The key that tells a contact in the platform's own shape.
const SHAPE_KEY: &str = "custom_fields";

/// How many columns an error lists before it only counts.
const COLUMNS_LISTED: usize = 20;

/// The rules by which the records of one input become contacts.
#[derive(Clone, Debug)]
pub struct Mapping {
    match_fields: Vec<String>,
    mode: Mode,
    // Of an input with a header: what each of its columns is, in its order.
    columns: Vec<Column>,
    channel: Option<Route>,
}

/// The column that says which channel a row belongs to: its name, and its place in a header.
#[derive(Clone, Debug)]
struct Route {
    column: String,
    place: Option<usize>,
}

/// What a column is.
#[derive(Clone, Debug)]
enum Column {
    /// Nothing.
    Ignored,
    /// The platform's id.
    Id,
    /// Tags to have.
    Tags,
    /// Tags to remove.
    RemoveTags,
    /// The match field at this place.
    Match(usize),
    /// Another field, of this name.
    Field(String),
}

/// Why an input cannot be mapped at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Nothing says how to find a contact.
    #[error("expected a match field or a column `contact_id`, found neither: pass --match FIELD ({})", Listed(columns))]
    NoMatch {
        /// The header's columns.
        columns: Vec<String>,
    },
    /// A match field is no column of the file.
    #[error("match field `{field}`: expected a column of the file, found none of that name{}; {}", Meant(close.as_deref()), Listed(columns))]
    NoColumn {
        /// The match field.
        field: String,
        /// The column whose name differs only in case or in one letter.
        close: Option<String>,
        /// The header's columns.
        columns: Vec<String>,
    },
    /// A match field has a name that cannot be a custom field's.
    #[error("match field `{0}`: expected the name of a custom field, found {what}", what = reserved(.0).unwrap_or("none"))]
    Reserved(String),
    /// The channel's column is no column of the file.
    #[error("channel column `{column}`: expected a column of the file, found none of that name{}; {}", Meant(close.as_deref()), Listed(columns))]
    NoChannelColumn {
        /// The column.
        column: String,
        /// The column whose name differs only in case or in one letter.
        close: Option<String>,
        /// The header's columns.
        columns: Vec<String>,
    },
    /// The channel's column is a match field as well.
    #[error("channel column `{0}`: expected a column of its own, found a match field")]
    ChannelMatches(String),
    /// A match field is named twice.
    #[error("match field `{0}`: expected once, found twice")]
    Repeated(String),
}

impl Mapping {
    /// Rules for an input with these columns (`None`: JSONL, where each row has its own). The match fields are tried in
    /// the order given.
    ///
    /// # Errors
    /// When a match field is reserved, repeated or not a column; when contacts are to be found and nothing says how.
    pub fn new(header: Option<&[Arc<str>]>, match_fields: Vec<String>, mode: Mode) -> Result<Self, MappingError> {
        let has_column = |name: &str| header.is_none_or(|columns| columns.iter().any(|column| **column == *name));
        let columns = || header.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
        for (at, field) in match_fields.iter().enumerate() {
            if reserved(field).is_some() {
                return Err(MappingError::Reserved(field.clone()));
            }
            if match_fields[..at].contains(field) {
                return Err(MappingError::Repeated(field.clone()));
            }
            if !has_column(field) {
                let close = columns().into_iter().find(|column| is_close(column, field));
                return Err(MappingError::NoColumn { field: field.clone(), close, columns: columns() });
            }
        }
        if must_find(mode) && match_fields.is_empty() && !has_column(ID_COLUMN) {
            return Err(MappingError::NoMatch { columns: columns() });
        }
        let columns = header.unwrap_or_default().iter().map(|name| Column::of(name, &match_fields)).collect();
        Ok(Self { match_fields, mode, columns, channel: None })
    }

    /// The same rules for an input in which `column` says which channel a row belongs to. It is no field then.
    ///
    /// # Errors
    /// When the input has no such column, or it is a match field.
    pub fn routed_by(mut self, header: Option<&[Arc<str>]>, column: &str) -> Result<Self, MappingError> {
        let columns = || header.unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
        if self.match_fields.iter().any(|field| field == column) {
            return Err(MappingError::ChannelMatches(column.to_owned()));
        }
        let place = header.and_then(|columns| columns.iter().position(|name| **name == *column));
        if header.is_some() && place.is_none() {
            let close = columns().into_iter().find(|name| is_close(name, column));
            return Err(MappingError::NoChannelColumn { column: column.to_owned(), close, columns: columns() });
        }
        if let Some(ignored) = place.and_then(|at| self.columns.get_mut(at)) {
            *ignored = Column::Ignored;
        }
        self.channel = Some(Route { column: column.to_owned(), place });
        Ok(self)
    }

    /// The match fields, in the order in which they are tried.
    pub fn match_fields(&self) -> &[String] {
        &self.match_fields
    }

    /// The column that says which channel a row belongs to, when there is one.
    pub fn channel_column(&self) -> Option<&str> {
        self.channel.as_ref().map(|route| route.column.as_str())
    }

    /// The channel that a record names; `None` when it names none.
    pub fn channel<'a>(&self, record: &'a Record) -> Option<&'a str> {
        let Route { column, place } = self.channel.as_ref()?;
        let text = match &record.cells {
            Cells::Texts(texts) => texts.get((*place)?)?,
            Cells::Object(object) => object.iter().find(|(name, _)| **name == **column)?.1.as_str()?,
        };
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    /// The contact that a record asks for.
    ///
    /// # Errors
    /// A [`Rejection`] with the record's line when a cell holds the wrong kind of thing, when nothing says which contact
    /// it is, or when its parts contradict each other.
    pub fn contact(&self, record: &Record) -> Result<Contact, Rejection> {
        let Record { row, line, cells } = record;
        let draft = match cells {
            Cells::Texts(texts) => self.texts(texts),
            Cells::Object(object) => self.object(object),
        };
        draft.and_then(|draft| self.checked(draft)).map_err(|Refusal { column, reason }| Rejection {
            row: *row,
            line: *line,
            column,
            reason,
        })
    }

    fn texts(&self, texts: &Texts) -> Result<Draft, Refusal> {
        let mut parts = Parts::new(&self.match_fields, self.columns.len());
        for (column, text) in self.columns.iter().zip(texts.iter()) {
            parts.text(column, text.trim())?;
        }
        Ok(parts.draft())
    }

    fn object(&self, object: &[(Arc<str>, Json)]) -> Result<Draft, Refusal> {
        let mut parts = Parts::new(&self.match_fields, object.len());
        let shaped = object.iter().any(|(name, json)| **name == *SHAPE_KEY && is_shape(json));
        for (name, json) in object.iter().filter(|(name, _)| Some(&**name) != self.channel_column()) {
            if shaped { parts.shaped(name, json) } else { parts.json(name, json) }?;
        }
        Ok(parts.draft())
    }

    fn checked(&self, draft: Draft) -> Result<Contact, Refusal> {
        if must_find(self.mode) && draft.matches.is_empty() && draft.id.is_none() {
            return Err(self.nothing_to_find_by());
        }
        Contact::new(draft).map_err(|flaw| Refusal { column: None, reason: flaw.to_string() })
    }

    fn nothing_to_find_by(&self) -> Refusal {
        match self.match_fields.as_slice() {
            [] => Refusal::of(ID_COLUMN, "expected an id, as there is no match field; found none"),
            [field] => Refusal::of(field, "expected a value (match field), found none"),
            [first, ..] => {
                let reason =
                    format!("expected a value in one of the match fields {}, found none", Quoted(&self.match_fields));
                Refusal { column: Some(first.clone()), reason }
            }
        }
    }
}

impl Column {
    fn of(name: &str, match_fields: &[String]) -> Self {
        match name {
            name if is_ignored(name) => Self::Ignored,
            ID_COLUMN => Self::Id,
            TAGS_COLUMN => Self::Tags,
            REMOVE_TAGS_COLUMN => Self::RemoveTags,
            name => match_fields
                .iter()
                .position(|field| field == name)
                .map_or_else(|| Self::Field(name.to_owned()), Self::Match),
        }
    }
}

/// Why a row is no contact; its place is added later.
struct Refusal {
    column: Option<String>,
    reason: String,
}

impl Refusal {
    fn of(column: &str, reason: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), reason: reason.into() }
    }

    fn kind(column: &str, expected: &str, found: &Json) -> Self {
        Self::of(column, format!("expected {expected}, found {}", kind(found)))
    }
}

/// The parts of a contact while its cells are read.
struct Parts<'a> {
    match_fields: &'a [String],
    // By the place of the match field.
    matches: Vec<Option<Value>>,
    id: Option<ContactId>,
    fields: Vec<Field>,
    tags: Vec<String>,
    remove_tags: Vec<String>,
}

impl<'a> Parts<'a> {
    fn new(match_fields: &'a [String], cells: usize) -> Self {
        Self {
            match_fields,
            matches: vec![None; match_fields.len()],
            id: None,
            fields: Vec::with_capacity(cells),
            tags: Vec::new(),
            remove_tags: Vec::new(),
        }
    }

    fn text(&mut self, column: &Column, text: &str) -> Result<(), Refusal> {
        if text.is_empty() {
            return Ok(());
        }
        let value = || Value::Text(text.to_owned());
        match column {
            Column::Ignored => {}
            Column::Id => self.id(ContactId::new(text))?,
            Column::Tags => self.tags.extend(split(text)),
            Column::RemoveTags => self.remove_tags.extend(split(text)),
            // A header names a column once.
            Column::Match(place) => self.matches[*place] = Some(value()),
            Column::Field(name) => self.fields.push(Field { name: name.clone(), value: value() }),
        }
        Ok(())
    }

    fn json(&mut self, key: &str, json: &Json) -> Result<(), Refusal> {
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

    // A key of a contact in the platform's own shape (API.md, "The six calls").
    fn shaped(&mut self, key: &str, json: &Json) -> Result<(), Refusal> {
        match key {
            "id" => self.id(id(key, json)?),
            "created_at" => Ok(()),
            SHAPE_KEY => self.custom_fields(json),
            key => self.json(key, json),
        }
    }

    // As an object, the way the platform shows them, or as an array of names and values, the way it takes them. Here a
    // name is a custom field's whatever it is.
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
        let value = match json {
            Json::Null => return Ok(()),
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => Value::Number(number.clone()),
            Json::String(text) => Value::Text(trimmed(text)),
            Json::Array(_) | Json::Object(_) => {
                return Err(Refusal::kind(name, "text, a number or a boolean", json));
            }
        };
        if !value.is_blank() && !name.trim().is_empty() {
            self.field(name, value);
        }
        Ok(())
    }

    fn field(&mut self, name: &str, value: Value) {
        let place = self.match_fields.iter().position(|field| field == name);
        match place.and_then(|at| self.matches.get_mut(at)) {
            Some(empty @ None) => *empty = Some(value),
            // A second value for a match field goes to the others, where the contact's own check finds it.
            Some(Some(_)) | None => self.fields.push(Field { name: name.to_owned(), value }),
        }
    }

    fn id(&mut self, id: Option<ContactId>) -> Result<(), Refusal> {
        match (&self.id, id) {
            (_, None) => {}
            (Some(first), Some(second)) if *first != second => {
                return Err(Refusal::of(ID_COLUMN, "expected one id, found two"));
            }
            (Some(_) | None, Some(id)) => self.id = Some(id),
        }
        Ok(())
    }

    fn draft(self) -> Draft {
        let matches = self
            .match_fields
            .iter()
            .zip(self.matches)
            .filter_map(|(name, value)| value.map(|value| Field { name: name.clone(), value }))
            .collect();
        Draft { id: self.id, matches, fields: self.fields, tags: self.tags, remove_tags: self.remove_tags }
    }
}

const fn must_find(mode: Mode) -> bool {
    match mode {
        Mode::Upsert | Mode::Update => true,
        Mode::Create => false,
    }
}

fn is_ignored(column: &str) -> bool {
    column.starts_with(IGNORED_PREFIX) || column.trim().is_empty()
}

// What a name means when it is not a custom field's.
fn reserved(name: &str) -> Option<&'static str> {
    match name {
        ID_COLUMN => Some("the column of the platform's id, by which a contact is found anyway"),
        TAGS_COLUMN | REMOVE_TAGS_COLUMN => Some("a column of tags"),
        name if name.trim().is_empty() => Some("an empty name"),
        name if is_ignored(name) => Some("a column that is ignored, because it begins with `_`"),
        _ => None,
    }
}

// Null and the empty list count: that is how the platform's own language writes "no fields".
fn is_shape(json: &Json) -> bool {
    matches!(json, Json::Object(_) | Json::Array(_) | Json::Null)
}

// The platform trims text (API.md, trap 10); so what is sent is what will be read back.
fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

fn split(text: &str) -> impl Iterator<Item = String> {
    text.split(TAG_SEPARATORS).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned)
}

fn tags(column: &str, json: &Json) -> Result<Vec<String>, Refusal> {
    const EXPECTED: &str = "an array of text";
    match json {
        Json::Null => Ok(Vec::new()),
        Json::String(text) => Ok(split(text).collect()),
        Json::Array(tags) => {
            let mut texts = Vec::with_capacity(tags.len());
            for tag in tags {
                match tag {
                    Json::Null => {}
                    Json::String(text) => texts.push(trimmed(text)),
                    other => {
                        return Err(Refusal::of(column, format!("expected {EXPECTED}, found {} in it", kind(other))));
                    }
                }
            }
            texts.retain(|tag| !tag.is_empty());
            Ok(texts)
        }
        other => Err(Refusal::kind(column, EXPECTED, other)),
    }
}

fn id(column: &str, json: &Json) -> Result<Option<ContactId>, Refusal> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => Ok(ContactId::new(trimmed(text))),
        Json::Number(number) if !number.is_f64() => Ok(ContactId::new(number.to_string())),
        other => Err(Refusal::kind(column, "an id (text or a whole number)", other)),
    }
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

// Whether two names differ only in case, or in one letter more, less or other.
fn is_close(one: &str, two: &str) -> bool {
    let chars = |name: &str| name.to_lowercase().chars().collect::<Vec<_>>();
    let (one, two) = (chars(one), chars(two));
    let (long, short) = if one.len() < two.len() { (two, one) } else { (one, two) };
    if long == short {
        return true;
    }
    // In a name of two letters one letter is half of it.
    if short.len() < 2 || long.len() < 3 || long.len() - short.len() > 1 {
        return false;
    }
    let same = long.iter().zip(&short).take_while(|(a, b)| a == b).count();
    let rest = if long.len() == short.len() { &short[same + 1..] } else { &short[same..] };
    long[same + 1..] == *rest
}

struct Meant<'a>(Option<&'a str>);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |close| write!(f, "; `{close}` is one"))
    }
}

struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = self.0.split_at(self.0.len().min(COLUMNS_LISTED));
        write!(f, "the columns are {}", Quoted(shown))?;
        if more.is_empty() { Ok(()) } else { write!(f, " and {} more", more.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Key;

    fn header(columns: &[&str]) -> Vec<Arc<str>> {
        columns.iter().map(|column| Arc::from(*column)).collect()
    }

    fn names(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|field| (*field).to_owned()).collect()
    }

    // A contact as `key; name=value …; +tag …; -tag …`, a rejection as `[column] reason`.
    fn show(contact: Result<Contact, Rejection>) -> String {
        match contact {
            Ok(contact) => {
                let key = match contact.key() {
                    Key::Row { .. } => "row".to_owned(),
                    key @ (Key::Match { .. } | Key::Id(_)) => key.to_string(),
                };
                let fields = contact.fields().iter().map(|field| format!(" {}={}", field.name, json(&field.value)));
                let id = contact.id().map(|id| format!(" id:{id}"));
                let tags = contact.tags().iter().map(|tag| format!(" +{tag}"));
                let removed = contact.remove_tags().iter().map(|tag| format!(" -{tag}"));
                [key + ";"].into_iter().chain(id).chain(fields).chain(tags).chain(removed).collect()
            }
            Err(Rejection { row, line, column, reason }) => {
                assert_eq!((row, line), (3, 7), "a rejection says where the row stands");
                format!("[{}] {reason}", column.unwrap_or_default())
            }
        }
    }

    fn json(value: &Value) -> String {
        serde_json::to_string(value).unwrap()
    }

    fn csv(cells: &[(&str, &str)], match_fields: &[&str], mode: Mode) -> String {
        let columns = header(&cells.iter().map(|(column, _)| *column).collect::<Vec<_>>());
        let mapping = Mapping::new(Some(&columns), names(match_fields), mode).unwrap();
        let cells = Cells::Texts(cells.iter().map(|(_, text)| *text).collect());
        show(mapping.contact(&Record { row: 3, line: 7, cells }))
    }

    fn jsonl(object: &str, match_fields: &[&str], mode: Mode) -> String {
        let mapping = Mapping::new(None, names(match_fields), mode).unwrap();
        let object: serde_json::Map<String, Json> = serde_json::from_str(object).unwrap();
        let cells = Cells::Object(object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect());
        show(mapping.contact(&Record { row: 3, line: 7, cells }))
    }

    #[test]
    fn a_column_means_what_its_name_says() {
        let check = |cells: &[(&str, &str)], expected: &str| {
            assert_eq!(csv(cells, &["phone"], Mode::Upsert), expected, "{cells:?}");
        };
        check(&[("phone", "1"), ("name", " Ann ")], r#"phone=1; phone="1" name="Ann""#);
        check(&[("name", "Ann"), ("phone", "1")], r#"phone=1; phone="1" name="Ann""#);
        check(&[("phone", "1"), ("id", "5")], r#"phone=1; phone="1" id="5""#);
        check(&[("phone", "1"), ("contact_id", " 5 ")], r#"phone=1; id:5 phone="1""#);
        check(&[("phone", " "), ("contact_id", "5"), ("name", "Ann")], r#"contact_id=5; id:5 name="Ann""#);
        check(&[("phone", "1"), ("_line", "4"), ("_", "x")], r#"phone=1; phone="1""#);
        check(&[("phone", "1"), ("name", " \u{a0}\t"), ("city", "")], r#"phone=1; phone="1""#);
        check(&[("phone", "1"), ("tags", " a b ;c|d, ,a;")], r#"phone=1; phone="1" +a b +c +d +a"#);
        check(&[("phone", "1"), ("tags", "a"), ("remove_tags", "b;c")], r#"phone=1; phone="1" +a -b -c"#);
        check(&[("phone", "1"), ("tags", " ; ")], r#"phone=1; phone="1""#);
        check(&[("phone", "1"), ("custom_fields", "x")], r#"phone=1; phone="1" custom_fields="x""#);
        check(&[("phone", "1"), ("tags", "a"), ("remove_tags", "a")], "[] a tag is both to have and to remove: `a`");
    }

    #[test]
    fn a_json_value_keeps_its_type() {
        let check = |object: &str, expected: &str| {
            assert_eq!(jsonl(object, &["phone"], Mode::Upsert), expected, "{object}");
        };
        check(r#"{"phone":" 1 ","n":5,"x":1.5,"b":true}"#, r#"phone=1; phone="1" b=true n=5 x=1.5"#);
        check(r#"{"phone":5215550001}"#, "phone=5215550001; phone=5215550001");
        check(r#"{"phone":"1","a":null,"b":" ","_c":{},"":"x"}"#, r#"phone=1; phone="1""#);
        check(r#"{"phone":"1","tags":[" a ",null,"","b;c"],"remove_tags":["d"]}"#, r#"phone=1; phone="1" +a +b;c -d"#);
        check(r#"{"phone":"1","tags":"a;b","remove_tags":null}"#, r#"phone=1; phone="1" +a +b"#);
        check(r#"{"contact_id":7,"a":"x"}"#, r#"contact_id=7; id:7 a="x""#);
        check(r#"{"phone":"1","a":{}}"#, "[a] expected text, a number or a boolean, found an object");
        check(r#"{"phone":["1"]}"#, "[phone] expected text, a number or a boolean, found an array");
        check(r#"{"phone":"1","tags":5}"#, "[tags] expected an array of text, found a number");
        check(r#"{"phone":"1","tags":["a",5]}"#, "[tags] expected an array of text, found a number in it");
        check(r#"{"contact_id":true}"#, "[contact_id] expected an id (text or a whole number), found a boolean");
        check(r#"{"contact_id":1.5}"#, "[contact_id] expected an id (text or a whole number), found a number");
    }

    #[test]
    fn the_platforms_own_shape_is_taken() {
        let check = |object: &str, expected: &str| {
            assert_eq!(jsonl(object, &["phone"], Mode::Upsert), expected, "{object}");
        };
        check(
            r#"{"id":"7","custom_fields":{"phone":"1","name":"Ann","x":null},"tags":["a"],"created_at":1700000000}"#,
            r#"phone=1; id:7 phone="1" name="Ann" +a"#,
        );
        check(
            r#"{"custom_fields":[{"name":"phone","value":"1"},{"name":"x","value":2},{"name":"y"}]}"#,
            r#"phone=1; phone="1" x=2"#,
        );
        check(r#"{"id":7,"custom_fields":[]}"#, "contact_id=7; id:7");
        check(r#"{"id":7,"custom_fields":null}"#, "contact_id=7; id:7");
        check(r#"{"id":7,"custom_fields":{},"contact_id":"7"}"#, "contact_id=7; id:7");
        check(r#"{"id":7,"custom_fields":{},"contact_id":"8"}"#, "[contact_id] expected one id, found two");
        // Inside, a name is a custom field's whatever it is.
        check(r#"{"id":7,"custom_fields":{"tags":"x","_y":"z"}}"#, r#"contact_id=7; id:7 _y="z" tags="x""#);
        check(r#"{"phone":"1","custom_fields":{"phone":"2"}}"#, "[] field `phone` occurs twice");
        check(r#"{"id":7,"custom_fields":{"a":[1]}}"#, "[a] expected text, a number or a boolean, found an array");
        check(
            r#"{"id":7,"custom_fields":["a"]}"#,
            "[custom_fields] expected objects with a name and a value, found text",
        );
        check(
            r#"{"id":7,"custom_fields":[{"phone":"1"}]}"#,
            "[custom_fields] expected objects with a name and a value, found others",
        );
        // Without custom fields beside it, `id` is a plain field and so is `created_at`.
        check(r#"{"id":7,"phone":"1","created_at":5}"#, r#"phone=1; phone="1" created_at=5 id=7"#);
    }

    #[test]
    fn match_fields_are_taken_in_the_order_given() {
        let cells = |phone: &'static str, email: &'static str| [("name", "Ann"), ("email", email), ("phone", phone)];
        let check = |phone, email, mode, expected: &str| {
            assert_eq!(csv(&cells(phone, email), &["phone", "email"], mode), expected, "{phone} {email} {mode:?}");
        };
        check("1", "a@x", Mode::Upsert, r#"phone=1; phone="1" email="a@x" name="Ann""#);
        check("", "a@x", Mode::Upsert, r#"email=a@x; email="a@x" name="Ann""#);
        let none = "[phone] expected a value in one of the match fields `phone`, `email`, found none";
        check("", "", Mode::Upsert, none);
        check(" ", "", Mode::Update, none);
        check("", "", Mode::Create, r#"row; name="Ann""#);
    }

    #[test]
    fn a_row_says_which_contact_it_is_or_is_set_aside() {
        let row = [("phone", " "), ("name", "Ann")];
        let none = "[phone] expected a value (match field), found none";
        assert_eq!(csv(&row, &["phone"], Mode::Upsert), none);
        assert_eq!(csv(&row, &["phone"], Mode::Update), none);
        assert_eq!(csv(&row, &["phone"], Mode::Create), r#"row; name="Ann""#);
        assert_eq!(csv(&[("a", " "), ("tags", "x")], &[], Mode::Create), "[] the row has no value");
        let no_id = "[contact_id] expected an id, as there is no match field; found none";
        assert_eq!(csv(&[("contact_id", " "), ("a", "x")], &[], Mode::Upsert), no_id);
        assert_eq!(jsonl(r#"{"a":"x"}"#, &[], Mode::Update), no_id);
        assert_eq!(jsonl(r#"{"a":"x"}"#, &[], Mode::Create), r#"row; a="x""#);
    }

    #[test]
    fn match_fields_are_checked_before_the_first_row() {
        let check = |columns: &[&str], fields: &[&str], mode, expected: &str| {
            let found = Mapping::new(Some(&header(columns)), names(fields), mode);
            assert_eq!(found.unwrap_err().to_string(), expected, "{columns:?} {fields:?}");
        };
        let no_column = |field: &str, close: &str| {
            format!(
                "match field `{field}`: expected a column of the file, found none of that name{close}; \
                 the columns are `phone`, `name`"
            )
        };
        let columns = &["phone", "name"];
        check(columns, &["email"], Mode::Upsert, &no_column("email", ""));
        check(columns, &["email"], Mode::Create, &no_column("email", ""));
        check(columns, &["Phone"], Mode::Upsert, &no_column("Phone", "; `phone` is one"));
        check(columns, &["phne"], Mode::Upsert, &no_column("phne", "; `phone` is one"));
        check(
            columns,
            &[],
            Mode::Upsert,
            "expected a match field or a column `contact_id`, found neither: pass --match FIELD (the columns are `phone`, `name`)",
        );
        check(columns, &["phone", "phone"], Mode::Upsert, "match field `phone`: expected once, found twice");
        let reserved = |field: &str, what: &str| {
            let expected = format!("match field `{field}`: expected the name of a custom field, found {what}");
            check(&[field, "phone"], &[field], Mode::Upsert, &expected);
        };
        reserved("tags", "a column of tags");
        reserved("remove_tags", "a column of tags");
        reserved("contact_id", "the column of the platform's id, by which a contact is found anyway");
        reserved("_x", "a column that is ignored, because it begins with `_`");
        reserved(" ", "an empty name");

        let accepted = |columns: Option<&[&str]>, fields: &[&str], mode| {
            let columns = columns.map(header);
            assert!(Mapping::new(columns.as_deref(), names(fields), mode).is_ok(), "{columns:?} {fields:?}");
        };
        accepted(Some(&["a", "contact_id"]), &[], Mode::Upsert);
        accepted(Some(&["a"]), &[], Mode::Create);
        accepted(None, &["anything"], Mode::Upsert);
        accepted(None, &[], Mode::Update);
    }

    #[test]
    fn names_are_close_by_case_or_one_letter() {
        let check = |one: &str, two: &str, close: bool| {
            assert_eq!(is_close(one, two), close, "{one} {two}");
            assert_eq!(is_close(two, one), close, "{two} {one}");
        };
        check("Phone", "phone", true);
        check("phone", "phones", true);
        check("phone", "hone", true);
        check("phone", "phane", true);
        check("phone", "phon", true);
        check("phone", "pone2", false);
        check("phone", "ph", false);
        check("id", "ID", true);
        check("id", "it", false);
        check("a", "ab", false);
        check("", "a", false);
        check("teléfono", "telefono", true);
    }

    #[test]
    fn a_long_header_is_listed_in_part() {
        let columns: Vec<String> = (1..=30).map(|number| format!("c{number}")).collect();
        assert!(Listed(&columns).to_string().ends_with("`c19`, `c20` and 10 more"));
    }
}
