//! A validated contact of the input, the parts that it is made from, and the rejection of a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::core::model::key::{ContactId, Key};
use crate::core::model::value::{Field, Value};
use crate::core::model::write_mode::WriteMode;
use crate::core::size_limits::{self, FIELDS_PER_CALL, TooLong};
use crate::core::text::{Text, trimmed};

/// A validated record, ready to send.
///
/// Guarantees, which [`Contact::new`] checks:
/// - It has an id or a field with a value.
/// - Every field has a name, and names are unique.
/// - The match fields come first, so that the first call of a create carries them; there are at most
///   30 (API.md, "The six calls"). Then come the other fields that have a value, then those that are to become blank.
/// - No tag is blank, tags are unique, and none is both to be added and to be removed.
/// - No part is longer than a request can carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Contact {
    key: Key,
    id: Option<ContactId>,
    matches: usize,
    // Shared by the copies of a contact: each call makes several. In one piece of memory, which is mostly freed by another
    // thread than the one that made the contact (`benches/reading`).
    #[serde(serialize_with = "as_list")]
    fields: Arc<[Field]>,
    // When each field is written; empty if all are always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    modes: Vec<WriteMode>,
    tags: Vec<Text>,
    remove_tags: Vec<Text>,
}

fn as_list<S: Serializer>(fields: &Arc<[Field]>, serializer: S) -> Result<S::Ok, S::Error> {
    fields.serialize(serializer)
}

/// A contact as it is stored, which may be damaged.
#[derive(Deserialize)]
struct Parts {
    key: Key,
    id: Option<ContactId>,
    matches: usize,
    fields: Vec<Field>,
    #[serde(default)]
    modes: Vec<WriteMode>,
    tags: Vec<Text>,
    remove_tags: Vec<Text>,
}

/// Values and lengths were checked by the version that stored the contact, by the rules of that version.
impl TryFrom<Parts> for Contact {
    type Error = String;

    fn try_from(parts: Parts) -> Result<Self, Self::Error> {
        let Parts { key, id, matches, fields, modes, tags, remove_tags } = parts;
        if matches > fields.len().min(FIELDS_PER_CALL) {
            return Err("expected a contact with all its match fields, found fewer fields".to_owned());
        }
        if id.is_none() && fields.is_empty() {
            return Err("expected a contact with an id or a value, found neither".to_owned());
        }
        check_unique(&fields, &tags, &remove_tags).map_err(|flaw| flaw.to_string())?;
        if let Some(twice) = first_twice(&tags, Text::as_str).or_else(|| first_twice(&remove_tags, Text::as_str)) {
            return Err(format!("expected each tag once, found `{twice}` twice"));
        }
        if !modes.is_empty() && modes.len() != fields.len() {
            return Err("expected the write mode of each field, found another number of them".to_owned());
        }
        Ok(Self { key, id, matches, fields: fields.into(), modes, tags, remove_tags })
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
#[non_exhaustive]
pub enum Flaw {
    /// Two values for one field.
    #[error("field `{0}` occurs twice")]
    FieldTwice(String),
    /// One tag in both lists.
    #[error("a tag is both to have and to remove: `{0}`")]
    TagTwice(String),
    /// A field without a name.
    #[error("a field has no name")]
    Nameless,
    /// A match field, or another field that is to be written, whose value is blank. Fields that are to become blank stand
    /// in [`Draft::clear`].
    #[error("field `{0}` has a blank value")]
    Blank(String),
    /// A tag that is blank.
    #[error("a tag is blank")]
    BlankTag,
    /// More match fields than the first call of a create can carry.
    #[error("{0} match fields, and a create carries {limit}", limit = FIELDS_PER_CALL)]
    MatchFields(usize),
    /// A part is longer than a request can carry.
    #[error("{0}")]
    TooLong(TooLong),
    /// It has neither an id nor a value.
    #[error("the row has no value")]
    Empty,
}

impl Contact {
    /// Checks the parts. A contact with neither an id nor a match field gets the key of the first row with its content; see
    /// [`Contact::as_nth`].
    ///
    /// # Errors
    /// The first [`Flaw`] of the parts: they contradict each other, hold nothing, are blank, or are longer than a request
    /// can carry.
    pub fn new(draft: Draft) -> Result<Self, Flaw> {
        let Draft { id, matches, fields, clear, tags, remove_tags } = draft;
        let count = matches.len();
        let mut all = matches;
        all.extend(fields);
        Self::of(id, all, &[], count, clear, tags, remove_tags)
    }

    /// [`Contact::new`] for fields in one list, of which the first `matches` are the match fields. `read` are the fields whose
    /// values have another type in the input than in the request.
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
        if matches > FIELDS_PER_CALL {
            return Err(Flaw::MatchFields(matches));
        }
        let filled = all.len();
        all.extend(clear.into_iter().map(|name| Field::text(name, "")));
        let (tags, remove_tags) = (unique(tags), unique(remove_tags));
        check_unique(&all, &tags, &remove_tags)?;
        check_present(&all, filled, &tags, &remove_tags)?;
        size_limits::check(id.as_ref(), &all, matches, &tags, &remove_tags).map_err(Flaw::TooLong)?;
        let key = match (&all[..matches], &id) {
            ([first, ..], _) => Key::of(first),
            ([], Some(id)) => Key::Id(id.clone()),
            ([], None) => Key::Row { digest: digest(&all[..filled], read, &tags), nth: 1 },
        };
        Ok(Self { key, id, matches, fields: all.into(), modes: Vec::new(), tags, remove_tags })
    }

    /// The contact that a journal stored in these parts. Their values were checked when it was stored.
    ///
    /// # Errors
    /// What is wrong with the parts, which may be damaged.
    pub(crate) fn from_stored(
        key: Key,
        id: Option<ContactId>,
        matches: usize,
        (fields, modes): (Vec<Field>, Vec<WriteMode>),
        tags: Vec<Text>,
        remove_tags: Vec<Text>,
    ) -> Result<Self, String> {
        Parts { key, id, matches, fields, modes, tags, remove_tags }.try_into()
    }

    /// The same contact, whose fields are written when `mode` says for each name. Match fields are written always or on
    /// create.
    #[must_use]
    pub fn written(mut self, mode: impl Fn(&str) -> WriteMode) -> Self {
        self.modes = self.fields.iter().map(|field| mode(&field.name)).collect();
        if self.modes.iter().all(WriteMode::is_always) {
            self.modes = Vec::new();
        }
        self
    }

    /// The same contact as the `nth` row with its content (from 1). A contact that has an id or a match field stays as it
    /// is.
    #[must_use]
    pub fn as_nth(mut self, number: u32) -> Self {
        if let Key::Row { nth, .. } = &mut self.key {
            *nth = number;
        }
        self
    }

    /// The key. Rows with equal keys are one contact.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The same contact under the key by which it is already known.
    #[must_use]
    pub fn known_as(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The same contact, from which this tag is removed unless it has it.
    #[must_use]
    pub fn without_tag(mut self, tag: &Text) -> Self {
        if !self.tags.contains(tag) && !self.remove_tags.contains(tag) {
            self.remove_tags.push(tag.clone());
        }
        self
    }

    /// The same contact, whose field of this name gets its value whatever its mode is; it is cleared if it has none.
    #[must_use]
    pub fn with_written(mut self, name: &Text) -> Self {
        if let Some(place) = self.fields.iter().position(|field| field.name == *name) {
            if let Some(mode) = self.modes.get_mut(place) {
                *mode = WriteMode::Always;
            }
            return self;
        }
        self.fields = self.fields.iter().cloned().chain([Field::text(name.clone(), "")]).collect();
        if !self.modes.is_empty() {
            self.modes.push(WriteMode::Always);
        }
        self
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

    /// All fields to write with their modes, in the order of [`fields`](Self::fields).
    pub fn fields_with_modes(&self) -> impl Iterator<Item = (&Field, WriteMode)> {
        let modes = self.modes.iter().copied().chain(std::iter::repeat(WriteMode::Always));
        self.fields.iter().zip(modes)
    }

    /// The modes of the fields in their order; empty if all are [`WriteMode::Always`].
    pub(crate) fn modes(&self) -> &[WriteMode] {
        &self.modes
    }

    /// When a field is written.
    pub fn mode_of(&self, name: &str) -> WriteMode {
        if self.modes.is_empty() {
            return WriteMode::Always;
        }
        self.fields_with_modes().find(|(field, _)| *field.name == *name).map_or(WriteMode::Always, |(_, mode)| mode)
    }

    /// The names of the fields of which it matters that the platform shows no value: those that are to become blank, and
    /// those that are written only while they are.
    pub fn may_be_blank(&self) -> impl Iterator<Item = &Text> {
        let waiting = self.fields_with_modes().filter(|(_, mode)| *mode == WriteMode::IfBlank);
        self.clear().iter().chain(waiting.map(|(field, _)| field)).map(|field| &field.name)
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

fn check_unique(fields: &[Field], tags: &[Text], remove_tags: &[Text]) -> Result<(), Flaw> {
    if let Some(twice) = first_twice(fields, |field| &*field.name) {
        return Err(Flaw::FieldTwice(twice.name.to_string()));
    }
    match tags.iter().find(|tag| remove_tags.contains(tag)) {
        Some(twice) => Err(Flaw::TagTwice(twice.to_string())),
        None => Ok(()),
    }
}

// The first `filled` fields are those that have a value.
fn check_present(fields: &[Field], filled: usize, tags: &[Text], remove_tags: &[Text]) -> Result<(), Flaw> {
    if fields.iter().any(|field| is_blank(&field.name)) {
        return Err(Flaw::Nameless);
    }
    let is_value_blank = |field: &&Field| matches!(&field.value, Value::Text(text) if is_blank(text));
    if let Some(blank) = fields[..filled].iter().find(is_value_blank) {
        return Err(Flaw::Blank(blank.name.to_string()));
    }
    if tags.iter().chain(remove_tags).any(|tag| is_blank(tag)) {
        return Err(Flaw::BlankTag);
    }
    Ok(())
}

// Most texts begin with a visible ASCII character, which decides it.
fn is_blank(text: &str) -> bool {
    !text.as_bytes().first().is_some_and(u8::is_ascii_graphic) && trimmed(text).is_empty()
}

fn unique(tags: Vec<Text>) -> Vec<Text> {
    if first_twice(&tags, Text::as_str).is_none() {
        return tags;
    }
    let mut seen = BTreeSet::new();
    tags.into_iter().filter(|tag| seen.insert(tag.clone())).collect()
}

// The first element whose name occurs before it. A short list is compared pairwise, which needs no memory; most lists are
// short.
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

// One of 64 bits. Names with different bits differ, which decides most comparisons.
fn mark(name: &str) -> u64 {
    let mut bytes = name.bytes();
    let (first, last, before) = (bytes.next(), bytes.next_back(), bytes.next_back());
    let byte = |byte: Option<u8>| byte.map_or(0, usize::from);
    1 << ((name.len() + 3 * byte(first) + 7 * byte(last) + 13 * byte(before)) % 64)
}

// SHA-256, because crafted rows with equal digests would be one contact. Fields are ordered by name, so
// that a reordered export has the same digests. Values have the type of the input, so that journals of versions that sent
// that type recognise the rows.
fn digest(fields: &[Field], read: &[Field], tags: &[Text]) -> String {
    use sha2::{Digest, Sha256};
    let by_name: BTreeMap<&str, &Value> = fields.iter().chain(read).map(|field| (&*field.name, &field.value)).collect();
    let tags: BTreeSet<&Text> = tags.iter().collect();
    let content = serde_json::to_vec(&(by_name, tags)).expect("text, numbers and booleans are always JSON");
    let digest = Sha256::digest(&content);
    let half = digest.first_chunk::<16>().expect("SHA-256 has 32 bytes");
    format!("{:032x}", u128::from_be_bytes(*half))
}

/// A rejected row: where it stands, and why it is rejected. Of the row's data, only the invalid cell may be quoted.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::size_limits::Bounded;

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
    fn blank_parts_are_refused() {
        let named = |name: &str, value: &str| Field::text(name, value);
        let check = |draft: Draft, expected: &Flaw| {
            assert_eq!(Contact::new(draft.clone()).as_ref(), Err(expected), "{draft:?}");
        };
        let ann = || vec![named("name", "Ann")];
        for blank in ["", " ", "\t\n"] {
            let flaw = Flaw::Blank("email".into());
            check(Draft { matches: vec![named("email", blank)], fields: ann(), ..Draft::default() }, &flaw);
            check(Draft { fields: [ann(), vec![named("email", blank)]].concat(), ..Draft::default() }, &flaw);
            check(Draft { matches: vec![named(blank, "a")], ..Draft::default() }, &Flaw::Nameless);
            check(Draft { fields: vec![named(blank, "a")], ..Draft::default() }, &Flaw::Nameless);
            check(Draft { fields: ann(), clear: vec![blank.into()], ..Draft::default() }, &Flaw::Nameless);
            check(Draft { fields: ann(), tags: vec!["x".into(), blank.into()], ..Draft::default() }, &Flaw::BlankTag);
            check(Draft { fields: ann(), remove_tags: vec![blank.into()], ..Draft::default() }, &Flaw::BlankTag);
        }
        assert!(Contact::new(Draft { fields: ann(), clear: vec!["email".into()], ..Draft::default() }).is_ok());
    }

    #[test]
    fn a_stored_contact_whose_parts_contradict_each_other_is_not_read() {
        let contact = Contact::new(Draft {
            matches: vec![Field::text("email", "a")],
            fields: vec![Field::text("name", "Ann")],
            tags: vec!["x".into(), "y".into()],
            remove_tags: vec!["z".into()],
            ..Draft::default()
        })
        .unwrap();
        let stored = serde_json::to_string(&contact).unwrap();
        assert_eq!(serde_json::from_str::<Contact>(&stored).unwrap(), contact);
        for (from, to) in [
            (r#""matches":1"#, r#""matches":3"#),
            (r#""name":"name""#, r#""name":"email""#),
            (r#"["x","y"]"#, r#"["x","x"]"#),
            (r#"["x","y"]"#, r#"["x","z"]"#),
            (r#"["z"]"#, r#"["z","z"]"#),
        ] {
            let damaged = stored.replace(from, to);
            assert_ne!(damaged, stored, "{from}");
            assert!(serde_json::from_str::<Contact>(&damaged).is_err(), "{damaged}");
        }
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
        // Blanked fields are not part of the content that identifies a row without a key.
        let row = |clear: &[&str]| {
            let clear = clear.iter().map(|name| Text::from(*name)).collect();
            let fields = vec![Field::text("name", "Ann")];
            Contact::new(Draft { fields, clear, ..Draft::default() }).unwrap().key().clone()
        };
        assert_eq!(row(&[]), row(&["city"]));
    }
}
