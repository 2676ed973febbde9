//! The words of the field as types: values, fields, ids, keys, and what a file and the platform say of a contact.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::decimal::Decimal;
use crate::core::doubt::Doubt;
use crate::core::limits::{self, TooLong};
use crate::core::nfc::nfc;
use crate::core::text::{Text, trimmed};
use crate::core::time::Timestamp;

/// A custom field's value, in the type in which it is written.
///
/// Values are sent as text, as in every documented request, unless a rule gives the field another type, because some
/// typed fields refuse a wrong one (API.md, trap 11). What the platform shows may have any type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A JSON number, digits kept.
    Number(serde_json::Number),
    /// Text.
    Text(Text),
}

impl Value {
    /// The value as text, the way a search takes it: of a number its exact decimal, without an exponent or trailing zeros.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Number(number) => {
                let written = number.to_string();
                let plain = Decimal::of_json(&written).and_then(|decimal| decimal.plain());
                Cow::Owned(plain.unwrap_or(written))
            }
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// The value as it is sent where no rule gives the field a type: as text.
    #[must_use]
    pub fn into_text(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text),
            typed @ (Self::Bool(_) | Self::Number(_)) => Self::Text((*typed.text()).into()),
        }
    }

    /// Whether the platform takes it for no value: the framework behind it trims text and turns `""` into null
    /// (API.md, trap 10).
    pub fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if trimmed(text).is_empty())
    }

    /// Whether the platform's value equals this one, so that its contact is an exact hit.
    ///
    /// Text is compared after trimming (API.md, trap 2). A JSON number is compared as an exact decimal, a boolean as `true`
    /// or `false` (API.md, trap 11); text with a leading zero or plus sign is no number.
    pub fn is_shown_as(&self, shown: &Self) -> bool {
        match (self, shown) {
            (Self::Text(text), Self::Text(other)) => trimmed(text) == trimmed(other),
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Text(text), Self::Bool(flag)) | (Self::Bool(flag), Self::Text(text)) => {
                trimmed(text).eq_ignore_ascii_case(if *flag { "true" } else { "false" })
            }
            (Self::Text(text), Self::Number(number)) | (Self::Number(number), Self::Text(text)) => {
                let text = Decimal::of_text(trimmed(text));
                text.is_some() && text == Decimal::of_number(number)
            }
            (Self::Number(one), Self::Number(other)) => {
                let decimal = Decimal::of_number(one);
                one == other || (decimal.is_some() && decimal == Decimal::of_number(other))
            }
            (Self::Bool(_), Self::Number(_)) | (Self::Number(_), Self::Bool(_)) => false,
        }
    }

    /// Whether writing one over the other would change nothing that a reader can see.
    ///
    /// The platform gives numbers and booleans back for what was written as text (API.md, trap 11), and trims.
    pub fn same(&self, other: &Self) -> bool {
        if trimmed(&self.text()) == trimmed(&other.text()) {
            return true;
        }
        match (self, other) {
            (Self::Text(text), Self::Number(number)) | (Self::Number(number), Self::Text(text)) => {
                same_number(text, number)
            }
            (Self::Number(one), Self::Number(two)) => same_number(&one.to_string(), two),
            // Some platforms write TRUE (API.md, trap 9).
            (Self::Text(_), Self::Bool(_)) | (Self::Bool(_), Self::Text(_)) => self.is_shown_as(other),
            (Self::Text(_), Self::Text(_)) | (Self::Bool(_), _) | (_, Self::Bool(_)) => false,
        }
    }

    /// Whether two values could be one in two forms: a phone with or without its `+`, country code (API.md, trap 9) or the
    /// `1` of mobiles after `+52`; other case, punctuation or Unicode form; a number with or without `.0`; or cut short.
    pub fn resembles(&self, other: &Self) -> bool {
        let bare = |value: &Self| -> String {
            nfc(&value.text()).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let (one, two) = (bare(self), bare(other));
        let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
        let are_digits = short.len() >= SHORTEST_PHONE && [&short, &long].iter().all(|text| text.bytes().all(is_digit));
        let is_phone = are_digits && (long.ends_with(&short) || long.ends_with(last_digits(&short)));
        let is_cut = short.chars().count() >= SHORTEST_CUT && long.starts_with(&short);
        let decimal = |value: &Self| Decimal::of_text(trimmed(&value.text()));
        let is_decimal = decimal(self).is_some_and(|one| decimal(other).is_some_and(|two| one == two));
        short == long || is_phone || is_cut || is_decimal || self.same(other)
    }
}

// Past 2^53 neighbouring whole numbers share one f64, so only text can tell them apart.
fn same_number(text: &str, number: &serde_json::Number) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match (trimmed(text).parse::<f64>(), number.as_f64()) {
        (Ok(one), Some(two)) => one.total_cmp(&two).is_eq() && one.abs() < EXACT,
        (Ok(_), None) | (Err(_), _) => false,
    }
}

/// A custom field with the value to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The custom field's name on the platform.
    pub name: Text,
    /// The value to write.
    pub value: Value,
}

impl Field {
    /// A field that holds text.
    pub fn text(name: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { name: name.into(), value: Value::Text(value.into()) }
    }
}

/// The platform's id of a contact: a string, native to the channel (API.md, trap 4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContactId(String);

impl TryFrom<String> for ContactId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(id).ok_or("expected a contact id, found a blank one")
    }
}

impl From<ContactId> for String {
    fn from(id: ContactId) -> Self {
        id.0
    }
}

impl ContactId {
    /// Takes an id as the platform gave it. `None` when it is blank.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        (!id.trim().is_empty()).then_some(Self(id))
    }

    /// The id as the platform gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prefix of the text of a key that holds the platform's id.
pub const ID_KEY: &str = "contact_id=";

/// What makes two rows the same contact of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    /// The first match field that has a value, and that value, trimmed.
    Match {
        /// The match field's name.
        field: Text,
        /// Its value, trimmed.
        value: Text,
    },
    /// The platform's id, for a row that has no match field.
    Id(ContactId),
    /// A row with neither: a digest of its content, and its place among the equal rows of its file, from 1.
    Row {
        /// 32 hexadecimal digits.
        digest: String,
        /// 1 for the first row with this content.
        nth: u32,
    },
}

impl Key {
    /// Whether it names another value of this field.
    pub fn is_another(&self, field: &Field) -> bool {
        match self {
            Self::Match { field: name, value } => field.name == *name && *value != *trimmed(&field.value.text()),
            Self::Id(_) | Self::Row { .. } => false,
        }
    }

    /// Reads a match field's key back from its text.
    pub fn parse_match(text: &str) -> Option<Self> {
        let (field, value) = text.split_once('=')?;
        let field = field.replace("%3D", "=").replace("%25", "%");
        Some(Self::Match { field: field.into(), value: value.into() })
    }

    /// The key that a match field and its value give.
    pub fn of(field: &Field) -> Self {
        Self::Match { field: field.name.clone(), value: trimmed(&field.value.text()).into() }
    }
}

/// `email=ann@example.com`, `contact_id=123`, `#d41d8c…00000001`: one line, unique per contact, ordered by `nth` within a digest.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The sign that parts name and value must not occur in the name, or two contacts could share one key.
            Self::Match { field, value } => write!(f, "{}={value}", field.replace('%', "%25").replace('=', "%3D")),
            Self::Id(id) => write!(f, "{ID_KEY}{id}"),
            Self::Row { digest, nth } => write!(f, "#{digest}.{nth:08}"),
        }
    }
}

/// A validated record: whoever holds one can send it.
///
/// Every field has a name, and names are unique. The match fields come first (so that the first call of a create carries
/// them), then the other fields that have a value, then those that are to become blank. Tags are unique, and none is both
/// to have and to remove.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Contact {
    key: Key,
    id: Option<ContactId>,
    matches: usize,
    fields: Vec<Field>,
    tags: Vec<Text>,
    remove_tags: Vec<Text>,
}

/// A contact as it is stored, which may be damaged.
#[derive(Deserialize)]
struct Parts {
    key: Key,
    id: Option<ContactId>,
    matches: usize,
    fields: Vec<Field>,
    tags: Vec<Text>,
    remove_tags: Vec<Text>,
}

impl TryFrom<Parts> for Contact {
    type Error = &'static str;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        let Parts { key, id, matches, fields, tags, remove_tags } = parts;
        if matches > fields.len().min(crate::core::call::FIELDS_PER_CALL) {
            return Err("expected a contact with all its match fields, found fewer fields");
        }
        if id.is_none() && fields.is_empty() {
            return Err("expected a contact with an id or a value, found neither");
        }
        Ok(Self { key, id, matches, fields, tags, remove_tags })
    }
}

/// The parts of a contact before they are checked.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The platform's id, when the row gives it.
    pub id: Option<ContactId>,
    /// The match fields that have a value, in the order in which they are tried.
    pub matches: Vec<Field>,
    /// The other fields, in the file's order.
    pub fields: Vec<Field>,
    /// The fields that are to become blank.
    pub clear: Vec<Text>,
    /// The tags to have.
    pub tags: Vec<Text>,
    /// The tags to remove.
    pub remove_tags: Vec<Text>,
}

/// Why parts do not make a contact.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// Two values for one field.
    #[error("field `{0}` occurs twice")]
    FieldTwice(String),
    /// One tag in both lists.
    #[error("a tag is both to have and to remove: `{0}`")]
    TagTwice(String),
    /// More match fields than the first call of a create can carry.
    #[error("{0} match fields, and a create carries {limit}", limit = crate::core::call::FIELDS_PER_CALL)]
    MatchFields(usize),
    /// A part is longer than a request can carry.
    #[error("{0}")]
    TooLong(TooLong),
    /// Nothing to write and nothing to find it by.
    #[error("the row has no value")]
    Empty,
}

impl Contact {
    /// Checks the parts. A contact with neither id nor match field is taken for the first of its equals; see
    /// [`Contact::as_nth`].
    ///
    /// # Errors
    /// A [`Flaw`] when the parts contradict each other, hold nothing, or are longer than a request can carry.
    pub fn new(draft: Draft) -> Result<Self, Flaw> {
        let Draft { id, matches, fields, clear, tags, remove_tags } = draft;
        let count = matches.len();
        let mut all = matches;
        all.extend(fields);
        Self::of(id, all, &[], count, clear, tags, remove_tags)
    }

    /// [`Contact::new`] where the fields stand in one list, the first `matches` of them the match fields. `read` are those
    /// whose values the input has in another type than the one that is sent.
    pub(in crate::core) fn of(
        id: Option<ContactId>,
        fields: Vec<Field>,
        read: &[Field],
        matches: usize,
        clear: Vec<Text>,
        tags: Vec<Text>,
        remove_tags: Vec<Text>,
    ) -> Result<Self, Flaw> {
        let mut all = fields;
        if id.is_none() && all.is_empty() {
            return Err(Flaw::Empty);
        }
        if matches > crate::core::call::FIELDS_PER_CALL {
            return Err(Flaw::MatchFields(matches));
        }
        let filled = all.len();
        all.extend(clear.into_iter().map(|name| Field::text(name, "")));
        if let Some(twice) = first_twice(&all, |field| &*field.name) {
            return Err(Flaw::FieldTwice(twice.name.to_string()));
        }
        let (tags, remove_tags) = (unique(tags), unique(remove_tags));
        if let Some(twice) = tags.iter().find(|tag| remove_tags.contains(tag)) {
            return Err(Flaw::TagTwice(twice.to_string()));
        }
        limits::check(id.as_ref(), &all, matches, &tags, &remove_tags).map_err(Flaw::TooLong)?;
        let key = match (&all[..matches], &id) {
            ([first, ..], _) => Key::of(first),
            ([], Some(id)) => Key::Id(id.clone()),
            ([], None) => Key::Row { digest: digest(&all[..filled], read, &tags), nth: 1 },
        };
        Ok(Self { key, id, matches, fields: all, tags, remove_tags })
    }

    /// The same contact as the `nth` of its file's equal rows (from 1). Changes nothing for a contact that has an id or
    /// a match field.
    #[must_use]
    pub fn as_nth(mut self, number: u32) -> Self {
        if let Key::Row { nth, .. } = &mut self.key {
            *nth = number;
        }
        self
    }

    /// What makes this contact the same as another row's.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The same contact under the key by which it is known already.
    #[must_use]
    pub fn known_as(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The platform's id, when the row gave it.
    pub fn id(&self) -> Option<&ContactId> {
        self.id.as_ref()
    }

    /// The match fields that have a value, in the order in which they are tried.
    pub fn matches(&self) -> &[Field] {
        &self.fields[..self.matches]
    }

    /// All fields to write, match fields first and those that are to become blank last.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields that have a value, match fields first.
    pub fn filled(&self) -> &[Field] {
        &self.fields[..self.fields.len() - self.clear().len()]
    }

    /// The fields that are to become blank.
    pub fn clear(&self) -> &[Field] {
        let others = &self.fields[self.matches..];
        let blank = others.iter().rev().take_while(|field| field.value.is_blank()).count();
        &others[others.len() - blank..]
    }

    /// The tags to have.
    pub fn tags(&self) -> &[Text] {
        &self.tags
    }

    /// The tags to remove.
    pub fn remove_tags(&self) -> &[Text] {
        &self.remove_tags
    }
}

fn unique(tags: Vec<Text>) -> Vec<Text> {
    if first_twice(&tags, Text::as_str).is_none() {
        return tags;
    }
    let mut seen = BTreeSet::new();
    tags.into_iter().filter(|tag| seen.insert(tag.clone())).collect()
}

// The first whose name one before it has. Few are held against each other, which needs no memory; they mostly are few.
fn first_twice<T>(all: &[T], name: impl Fn(&T) -> &str) -> Option<&T> {
    const FEW: usize = 24;
    if all.len() <= FEW {
        let mut seen = 0;
        let mut is_twice = |at: usize, one: &str| {
            let mark = mark(one);
            let may_be = seen & mark != 0;
            seen |= mark;
            may_be && all[..at].iter().any(|other| name(other) == one)
        };
        return all.iter().enumerate().find(|(at, one)| is_twice(*at, name(one))).map(|(_, one)| one);
    }
    let mut names = BTreeSet::new();
    all.iter().find(|one| !names.insert(name(one)))
}

// One of 64 bits. Names whose bits differ are different, which most are told by.
fn mark(name: &str) -> u64 {
    let mut bytes = name.bytes();
    let (first, last, before) = (bytes.next(), bytes.next_back(), bytes.next_back());
    let byte = |byte: Option<u8>| byte.map_or(0, usize::from);
    1 << ((name.len() + 3 * byte(first) + 7 * byte(last) + 13 * byte(before)) % 64)
}

// SHA-256, because two rows that share a digest by somebody's design would be one contact. Fields are taken by name,
// so that a reordered export is still the same rows; values in the type that the input has, so that a journal of a version
// which sent that type knows the rows again.
fn digest(fields: &[Field], read: &[Field], tags: &[Text]) -> String {
    use sha2::{Digest, Sha256};
    let by_name: BTreeMap<&str, &Value> = fields.iter().chain(read).map(|field| (&*field.name, &field.value)).collect();
    let tags: BTreeSet<&Text> = tags.iter().collect();
    let content = serde_json::to_vec(&(by_name, tags)).expect("text, numbers and booleans are always JSON");
    let digest = Sha256::digest(&content);
    let half = digest.first_chunk::<16>().expect("SHA-256 has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*half))
}

/// A contact as the platform shows it. Null and blank values are left out: they are the same as missing (API.md, trap 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// The platform's id.
    pub id: ContactId,
    /// The custom fields that have a value.
    pub fields: BTreeMap<String, Value>,
    /// The tags it has.
    pub tags: BTreeSet<String>,
}

impl Remote {
    /// Whether the contact has exactly this value in this field ([`Value::is_shown_as`]). Search is looser than that
    /// (API.md, trap 2).
    pub fn has(&self, field: &Field) -> bool {
        self.fields.get(&*field.name).is_some_and(|value| field.value.is_shown_as(value))
    }

    /// Whether the contact has a value in this field, and another one.
    pub fn has_another(&self, field: &Field) -> bool {
        self.fields.get(&*field.name).is_some_and(|value| !value.is_blank() && !value.same(&field.value))
    }

    /// Whether the contact's value in this field could be the same one in another form ([`Value::resembles`]). True for a
    /// contact without the field.
    pub fn resembles(&self, field: &Field) -> bool {
        self.fields.get(&*field.name).is_none_or(|value| value.resembles(&field.value))
    }
}

/// Minimum length, in digits, of a phone number that may lack its country code.
const SHORTEST_PHONE: usize = 7;

/// Number of digits at the end of a phone number that no country or mobile prefix changes.
const SUBSCRIBER_DIGITS: usize = 8;

/// Minimum length, in characters, of a text that may be a longer one cut short.
const SHORTEST_CUT: usize = 15;

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn last_digits(digits: &str) -> &str {
    &digits[digits.len().saturating_sub(SUBSCRIBER_DIGITS)..]
}

/// What the journal says the platform has for a contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The platform's id. An update's answer never replaces it (API.md, trap 3).
    pub id: ContactId,
    /// The fields last seen or written. A blank value is one that is known to be blank; of a field that is not here
    /// nobody has looked.
    pub fields: BTreeMap<String, Value>,
    /// The tags last seen or written.
    pub tags: BTreeSet<String>,
    /// Those of them that contactsync put there: the only ones that `--tags-mode mirror` may take away.
    pub own_tags: BTreeSet<String>,
    /// Tags last seen or made missing. Of a tag in neither set nobody knows: agents add tags by hand (API.md, trap 12).
    pub absent_tags: BTreeSet<String>,
    /// When contactsync made the contact, as long as it has not written all of it.
    pub made_at: Option<Timestamp>,
    /// Whether a change of it was sent whose answer was lost.
    pub doubt: bool,
    /// The id that the file gives for it and that the platform no longer has.
    pub replaces: Option<ContactId>,
}

impl Known {
    /// What is known of a contact whose id came from the input: nothing but that it is there.
    pub fn only_id(id: ContactId) -> Self {
        Self {
            id,
            fields: BTreeMap::new(),
            tags: BTreeSet::new(),
            own_tags: BTreeSet::new(),
            absent_tags: BTreeSet::new(),
            made_at: None,
            doubt: false,
            replaces: None,
        }
    }

    /// The same, with the knowledge that these fields are blank where no value was seen or written.
    #[must_use]
    pub fn blank_in(mut self, fields: &[Field]) -> Self {
        for field in fields {
            self.fields.entry(field.name.to_string()).or_insert_with(|| field.value.clone());
        }
        self
    }

    /// Whether the file may give this id for the contact.
    pub fn goes_by(&self, id: &ContactId) -> bool {
        self.id == *id || self.replaces.as_ref() == Some(id)
    }

    /// What is known after the platform showed the contact; of `own` tags, those that it still has stay ours.
    pub fn seen(remote: Remote, own: &BTreeSet<String>) -> Self {
        let own_tags = own.intersection(&remote.tags).cloned().collect();
        Self { fields: remote.fields, tags: remote.tags, own_tags, ..Self::only_id(remote.id) }
    }
}

/// A row that is set aside: where it stands and why. It names no person's data but the cell at fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The row's place among the data rows of its file, from 1.
    pub row: u64,
    /// The physical line on which the row begins, from 1.
    pub line: u64,
    /// The column at fault, when there is one.
    pub column: Option<String>,
    /// What was expected and what was found.
    pub reason: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column `{column}`: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Which contacts a run may make and change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Makes those that are not there, changes those that are.
    #[default]
    Upsert,
    /// Makes those that the journal does not know, without a search, and leaves the others alone.
    Create,
    /// Changes those that are there, makes none.
    Update,
}

/// What the journal says of a contact on the platform.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteState {
    /// Never seen.
    Unknown,
    /// The contact may be on the platform: the answer to its create was lost, or its id is gone.
    InDoubt(Doubt),
    /// It is there.
    Known(Known),
}

impl RemoteState {
    /// The platform's id, when it is known.
    pub const fn id(&self) -> Option<&ContactId> {
        match self {
            Self::Known(known) => Some(&known.id),
            Self::Unknown | Self::InDoubt(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::limits::Bounded;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_are_the_same_when_a_write_would_change_nothing() {
        let check = |one: &str, two: &str, same: bool| {
            assert_eq!(json(one).same(&json(two)), same, "{one} {two}");
            assert_eq!(json(two).same(&json(one)), same, "{two} {one}");
        };
        check(r#""a""#, r#"" a ""#, true);
        check(r#""a""#, r#""A""#, false);
        check(r#""5""#, "5", true);
        check(r#""5.0""#, "5", true);
        check("5.0", "5", true);
        check(r#""007""#, "7", true);
        check(r#""007""#, r#""7""#, false);
        check(r#""true""#, "true", true);
        check(r#""TRUE""#, "true", true);
        check(r#""false""#, "true", false);
        check("1", "true", false);
        check(r#""1000""#, "1e3", true);
        check(r#""1000""#, "1000.0", true);
        check(r#""1.5""#, "1.50", true);
        check(r#""0""#, "-0.0", true);
        check(r#""12345678901234567890""#, "12345678901234567890", true);
        check(r#""5.00""#, "5", true);
        check("9007199254740993", "9007199254740992", false);
        check(r#""9007199254740993""#, "9007199254740992", false);
    }

    #[test]
    fn match_fields_come_first_and_give_the_key() {
        let contact = Contact::new(Draft {
            matches: vec![Field::text("phone", " +521 ")],
            fields: vec![Field::text("name", "Ann")],
            tags: vec!["a".into(), "a".into()],
            ..Draft::default()
        })
        .unwrap();
        assert_eq!(contact.key().to_string(), "phone=+521");
        assert_eq!(contact.fields().len(), 2);
        assert_eq!(contact.matches().len(), 1);
        assert_eq!(contact.tags(), ["a"]);
    }

    #[test]
    fn keys_of_different_contacts_differ() {
        let one = Key::Match { field: "a=b%".into(), value: "c".into() };
        assert_eq!(Key::parse_match(&one.to_string()), Some(one.clone()));
        let two = Key::Match { field: "a".into(), value: "b=c".into() };
        assert_ne!(one.to_string(), two.to_string());
    }

    #[test]
    fn a_row_without_key_is_known_by_its_content_and_count() {
        let row = |fields: Vec<Field>, nth| Contact::new(Draft { fields, ..Draft::default() }).unwrap().as_nth(nth);
        let ab = row(vec![Field::text("a", "1"), Field::text("b", "2")], 1);
        let ba = row(vec![Field::text("b", "2"), Field::text("a", "1")], 1);
        assert_eq!(ab.key(), ba.key());
        assert_ne!(ab.key(), row(vec![Field::text("a", "1"), Field::text("b", "2")], 2).key());
        assert_ne!(ab.key(), row(vec![Field::text("a", "12")], 1).key());
    }

    #[test]
    fn parts_that_contradict_each_other_are_no_contact() {
        let twice = Draft { fields: vec![Field::text("a", "1"), Field::text("a", "2")], ..Draft::default() };
        assert_eq!(Contact::new(twice), Err(Flaw::FieldTwice("a".into())));
        let both = Draft {
            fields: vec![Field::text("a", "1")],
            tags: vec!["x".into()],
            remove_tags: vec!["x".into()],
            ..Draft::default()
        };
        assert_eq!(Contact::new(both), Err(Flaw::TagTwice("x".into())));
        assert_eq!(Contact::new(Draft::default()), Err(Flaw::Empty));
        let long = |name: &str| Field::text(name, "1".repeat(7_700));
        let searched = Draft { matches: vec![long("phone")], ..Draft::default() };
        assert!(matches!(Contact::new(searched), Err(Flaw::TooLong(TooLong { part: Bounded::Search(_), .. }))));
        assert!(Contact::new(Draft { fields: vec![long("phone")], ..Draft::default() }).is_ok());
        let removed =
            Draft { fields: vec![long("phone")], remove_tags: vec!["x".repeat(256).into()], ..Draft::default() };
        assert_eq!(Contact::new(removed), Err(Flaw::TooLong(TooLong { part: Bounded::RemovedTag, length: 256 })));
        let emptied = Draft { fields: vec![Field::text("a", "1")], clear: vec!["a".into()], ..Draft::default() };
        assert_eq!(Contact::new(emptied), Err(Flaw::FieldTwice("a".into())));
        assert_eq!(Contact::new(Draft { clear: vec!["a".into()], ..Draft::default() }), Err(Flaw::Empty));
    }

    #[test]
    fn the_first_name_that_occurs_twice_is_found() {
        let mut chance = fastrand::Rng::with_seed(1);
        for case in 0..20_000 {
            let name = |_: usize| -> String {
                (0..chance.usize(0..4)).map(|_| *chance.choice(&['a', 'b', 'c', '1', '\u{e9}']).unwrap()).collect()
            };
            let names: Vec<String> = (0..case % 30).map(name).collect();
            let slow = (0..names.len()).find(|at| names[..*at].contains(&names[*at])).map(|at| &names[at]);
            assert_eq!(first_twice(&names, String::as_str), slow, "{names:?}");
        }
    }

    #[test]
    fn fields_that_become_blank_come_last() {
        let draft = Draft {
            matches: vec![Field::text("phone", "1")],
            fields: vec![Field::text("name", "Ann")],
            clear: vec!["city".into(), "plan".into()],
            ..Draft::default()
        };
        let contact = Contact::new(draft).unwrap();
        assert_eq!(contact.filled(), [Field::text("phone", "1"), Field::text("name", "Ann")]);
        assert_eq!(contact.clear(), [Field::text("city", ""), Field::text("plan", "")]);
        assert_eq!(contact.fields().len(), 4);
        // What a row without key is known by is what it has.
        let row = |clear: &[&str]| {
            let clear = clear.iter().map(|name| Text::from(*name)).collect();
            let fields = vec![Field::text("name", "Ann")];
            Contact::new(Draft { fields, clear, ..Draft::default() }).unwrap().key().clone()
        };
        assert_eq!(row(&[]), row(&["city"]));
    }
}
