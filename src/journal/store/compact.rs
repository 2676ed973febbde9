//! The compact form of contacts and of what is known of them: names by number, values with their lengths before them, and a
//! checksum at the end.
//!
//! SQLite's log has checksums and its file has none: a flipped bit in a match value would create a contact that does not exist,
//! and drop the one that does. The checksum covers what the bytes stand for: the contact's number, the value of its key, and the
//! text of each name. So it also finds damage in the tables that hold those.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keys::KeyParts;
use super::{Result, Store, damaged};
use crate::core::doubt::{Doubt, Origin};
use crate::core::model::{
    Contact, ContactId, Field, Forms, HashedKey, HashedValue, Key, Known, Value, ValueKind, WriteMode,
};
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::core::undo::{TagBefore, Written, WrittenField};

const CONTACT: &str = "a contact";
const KNOWN: &str = "a known contact";
const DOUBT: &str = "a contact in doubt";
const WRITTEN: &str = "the values before a run";

/// The first byte of a known contact from which on it has the time of its creation. SQL compares it.
pub(super) const HAS_MADE_AT: u8 = 0x80;
const IS_IN_DOUBT: u8 = 1;
const IS_REPLACED: u8 = 2;
const IS_WHOLE: u8 = 4;
const HAS_ALL_TAGS: u8 = 8;

const HAS_ID: u8 = 1;
/// Its key is a match field of this name, and not an id: both have the same text.
const IS_MATCH: u8 = 2;
/// After the fields, the number of the write mode of each.
const HAS_MODES: u8 = 4;
/// After the id, the text of its key, because the journal has a hash of it.
const HAS_KEY: u8 = 8;

/// The kinds of values, in the two lowest bits of a value's length.
mod kind {
    pub(super) const TEXT: u64 = 0;
    pub(super) const NUMBER: u64 = 1;
    /// Its length is 1 for true, and 2 or more for hashes: their flags, from 2 on.
    pub(super) const FLAG: u64 = 2;
    /// The text of the contact's key. No bytes follow.
    pub(super) const KEY: u64 = 3;
}

/// What the hashes of a value are of, in flags.
mod hashes {
    /// The first one of a value that is not a boolean.
    pub(super) const FIRST: u64 = 2;
    pub(super) const IS_NUMBER: u64 = 1;
    pub(super) const IS_BOOL: u64 = 2;
    pub(super) const IS_IDENTIFYING: u64 = 4;
    pub(super) const IS_PHONE: u64 = 8;
    pub(super) const HAS_TYPED: u64 = 16;
    pub(super) const HAS_TAILS: [u64; 2] = [32, 64];
    pub(super) const ALL: u64 = 127;
}

/// The doubts of creates that are in flight, in place of the length of the JSON of others, which is longer.
mod in_flight {
    /// There was no search before it.
    pub(super) const UNSEARCHED: u64 = 0;
    /// The searches before it had no inexact hits.
    pub(super) const NONE_SEEN: u64 = 1;
}

/// The contact to which bytes belong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub number: i64,
    /// The value of its key.
    pub key: &'a str,
}

/// What a doubt has besides the contact as it was sent. There are few at a time.
#[derive(Serialize, Deserialize)]
struct DoubtParts<'a> {
    since: Option<Timestamp>,
    searches: usize,
    origin: Cow<'a, Origin>,
    lookalike: Option<Cow<'a, str>>,
    conflict: Option<Cow<'a, str>>,
    named: Option<Cow<'a, ContactId>>,
}

struct Writer<'a> {
    store: &'a Store,
    owner: Owner<'a>,
    bytes: Vec<u8>,
    sum: crc32fast::Hasher,
}

struct Reader<'a> {
    store: &'a Store,
    owner: Owner<'a>,
    what: &'static str,
    content: &'a [u8],
    left: &'a [u8],
    stored_sum: [u8; 4],
    sum: crc32fast::Hasher,
}

pub(super) fn contact_bytes(store: &Store, owner: Owner<'_>, contact: &Contact) -> Result<Vec<u8>> {
    let mut writer = Writer::new(store, owner);
    writer.contact(contact)?;
    Ok(writer.finish())
}

pub(super) fn read_contact(store: &Store, owner: Owner<'_>, key: &KeyParts<'_>, bytes: &[u8]) -> Result<Contact> {
    let mut reader = Reader::new(store, owner, CONTACT, bytes)?;
    let contact = reader.contact(key);
    reader.finish(contact)
}

pub(super) fn known_bytes(store: &Store, owner: Owner<'_>, known: &Known) -> Result<Vec<u8>> {
    let Known { id, fields, tags, own_tags, absent_tags, made_at, doubt, replaces, is_whole, has_all_tags } = known;
    let mut writer = Writer::new(store, owner);
    writer.sum.update(id.as_str().as_bytes());
    let flags = flag(made_at.is_some(), HAS_MADE_AT)
        | flag(*doubt, IS_IN_DOUBT)
        | flag(replaces.is_some(), IS_REPLACED)
        | flag(*is_whole, IS_WHOLE)
        | flag(*has_all_tags, HAS_ALL_TAGS);
    writer.bytes.push(flags);
    if let Some(made_at) = made_at {
        writer.count(made_at.as_millis());
    }
    if let Some(replaces) = replaces {
        writer.text(replaces.as_str());
    }
    writer.count(length(fields.len()));
    for (name, value) in fields {
        writer.name(name)?;
        writer.value(&store.kept_value(name, value));
    }
    for tags in [tags, own_tags, absent_tags] {
        writer.names(tags.iter().map(String::as_str))?;
    }
    Ok(writer.finish())
}

pub(super) fn read_known(store: &Store, owner: Owner<'_>, id: &str, bytes: &[u8]) -> Result<Known> {
    let mut reader = Reader::new(store, owner, KNOWN, bytes)?;
    reader.sum.update(id.as_bytes());
    let known = reader.known(id);
    reader.finish(known)
}

pub(super) fn doubt_bytes(store: &Store, owner: Owner<'_>, doubt: &Doubt) -> Result<Vec<u8>> {
    let Doubt { sent, since, searches, origin, lookalike, conflict, named } = doubt;
    let mut writer = Writer::new(store, owner);
    if let Some(in_flight) = in_flight_of(doubt) {
        writer.count(in_flight);
        writer.contact(sent)?;
        return Ok(writer.finish());
    }
    let parts = DoubtParts {
        since: *since,
        searches: *searches,
        origin: Cow::Borrowed(origin),
        lookalike: lookalike.as_deref().map(Cow::Borrowed),
        conflict: conflict.as_deref().map(Cow::Borrowed),
        named: named.as_ref().map(Cow::Borrowed),
    };
    writer.text(&super::json(&parts));
    writer.contact(sent)?;
    Ok(writer.finish())
}

pub(super) fn read_doubt(store: &Store, owner: Owner<'_>, key: &KeyParts<'_>, bytes: &[u8]) -> Result<Doubt> {
    let mut reader = Reader::new(store, owner, DOUBT, bytes)?;
    let head = reader.count()?;
    if let in_flight::UNSEARCHED | in_flight::NONE_SEEN = head {
        let sent = reader.contact(key);
        let seen = (head == in_flight::NONE_SEEN).then(BTreeSet::new);
        return Ok(Doubt::of_create(&reader.finish(sent)?, seen));
    }
    let parts = reader.text_of(head).map(str::to_owned);
    let sent = parts.and_then(|parts| Ok((parts, reader.contact(key)?)));
    // JSON is read once the checksum is known to be right.
    let (parts, sent) = reader.finish(sent)?;
    let parts: DoubtParts<'_> = super::parse(DOUBT, &parts)?;
    Ok(Doubt {
        sent,
        since: parts.since,
        searches: parts.searches,
        origin: parts.origin.into_owned(),
        lookalike: parts.lookalike.map(Cow::into_owned),
        conflict: parts.conflict.map(Cow::into_owned),
        named: parts.named.map(Cow::into_owned),
    })
}

pub(super) fn written_bytes(store: &Store, owner: Owner<'_>, written: &Written) -> Result<Vec<u8>> {
    let Written { fields, added, removed } = written;
    let mut writer = Writer::new(store, owner);
    writer.count(length(fields.len()));
    for (name, WrittenField { before, after }) in fields {
        writer.name(name)?;
        writer.count(u64::from(before.is_some()));
        before.iter().chain([after]).for_each(|value| writer.value(value));
    }
    writer.names(added.iter().map(String::as_str))?;
    writer.count(length(removed.len()));
    for (tag, before) in removed {
        writer.name(tag)?;
        writer.count(match before {
            TagBefore::Unknown => 0,
            TagBefore::Foreign => 1,
            TagBefore::Own => 2,
        });
    }
    Ok(writer.finish())
}

pub(super) fn read_written(store: &Store, owner: Owner<'_>, bytes: &[u8]) -> Result<Written> {
    let mut reader = Reader::new(store, owner, WRITTEN, bytes)?;
    let written = reader.written();
    reader.finish(written)
}

fn in_flight_of(doubt: &Doubt) -> Option<u64> {
    let Doubt {
        sent: _,
        since: None,
        searches: 0,
        origin: Origin::Create { seen },
        lookalike: None,
        conflict: None,
        named: None,
    } = doubt
    else {
        return None;
    };
    match seen {
        None => Some(in_flight::UNSEARCHED),
        Some(seen) => seen.is_empty().then_some(in_flight::NONE_SEEN),
    }
}

fn flag(is: bool, flag: u8) -> u8 {
    if is { flag } else { 0 }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const fn mode_number(mode: WriteMode) -> u8 {
    match mode {
        WriteMode::Always => 0,
        WriteMode::OnCreate => 1,
        WriteMode::IfBlank => 2,
        WriteMode::WithOthers => 3,
    }
}

// The checksum begins with whose bytes they are.
fn sum_of(owner: Owner<'_>) -> crc32fast::Hasher {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&owner.number.to_le_bytes());
    sum.update(owner.key.as_bytes());
    sum
}

impl<'a> Writer<'a> {
    fn new(store: &'a Store, owner: Owner<'a>) -> Self {
        Self { store, owner, bytes: Vec::with_capacity(256), sum: sum_of(owner) }
    }

    // Seven bits a byte, the lowest first.
    #[inline]
    fn count(&mut self, mut count: u64) {
        while count >= 0x80 {
            self.bytes.push((count & 0x7F) as u8 | 0x80);
            count >>= 7;
        }
        self.bytes.push((count & 0x7F) as u8);
    }

    fn text(&mut self, text: &str) {
        self.count(length(text.len()));
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn name(&mut self, name: &str) -> Result<()> {
        let number = self.store.names.number(self.store, name)?;
        self.sum.update(name.as_bytes());
        self.count(number.unsigned_abs());
        Ok(())
    }

    fn names<'n>(&mut self, names: impl ExactSizeIterator<Item = &'n str>) -> Result<()> {
        self.count(length(names.len()));
        names.into_iter().try_for_each(|name| self.name(name))
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(text) if !text.is_empty() && **text == *self.owner.key => self.count(kind::KEY),
            Value::Text(text) => {
                self.count(length(text.len()) << 2 | kind::TEXT);
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Value::Number(number) => {
                let digits = number.to_string();
                self.count(length(digits.len()) << 2 | kind::NUMBER);
                self.bytes.extend_from_slice(digits.as_bytes());
            }
            Value::Bool(flag) => self.count(u64::from(*flag) << 2 | kind::FLAG),
            Value::Hashed(hashed) => self.hashes(hashed.forms()),
        }
    }

    fn hashes(&mut self, forms: &Forms) {
        let Forms { kind, is_identifying, is_phone, exact, typed, bare, tails } = *forms;
        let mut flags = match kind {
            ValueKind::Text => 0,
            ValueKind::Number => hashes::IS_NUMBER,
            ValueKind::Bool => hashes::IS_BOOL,
        };
        let has = [
            (is_identifying, hashes::IS_IDENTIFYING),
            (is_phone, hashes::IS_PHONE),
            (typed.is_some(), hashes::HAS_TYPED),
            (tails[0].is_some(), hashes::HAS_TAILS[0]),
            (tails[1].is_some(), hashes::HAS_TAILS[1]),
        ];
        flags |= has.into_iter().filter(|(has, _)| *has).fold(0, |flags, (_, flag)| flags | flag);
        self.count((hashes::FIRST + flags) << 2 | kind::FLAG);
        self.bytes.extend_from_slice(&exact.to_le_bytes());
        self.bytes.extend(typed.iter().flat_map(|typed| typed.to_le_bytes()));
        self.bytes.extend_from_slice(&bare.to_le_bytes());
        self.bytes.extend(tails.iter().flatten().flat_map(|tail| tail.to_le_bytes()));
    }

    fn contact(&mut self, contact: &Contact) -> Result<()> {
        let is_match = matches!(contact.key(), Key::Match { .. }) && KeyParts::of(contact.key()).is_id();
        let flags = flag(contact.id().is_some(), HAS_ID)
            | flag(is_match, IS_MATCH)
            | flag(!contact.modes().is_empty(), HAS_MODES);
        let has_key = HashedKey::parse(self.owner.key).is_some() && !KeyParts::of(contact.key()).is_id();
        self.bytes.push(flags | flag(has_key, HAS_KEY));
        if let Some(id) = contact.id() {
            self.text(id.as_str());
        }
        if has_key {
            self.text(&contact.key().to_string());
        }
        self.count(length(contact.matches().len()));
        self.count(length(contact.fields().len()));
        for field in contact.fields() {
            self.name(&field.name)?;
            self.value(&field.value);
        }
        self.bytes.extend(contact.modes().iter().map(|mode| mode_number(*mode)));
        for tags in [contact.tags(), contact.remove_tags()] {
            self.names(tags.iter().map(Text::as_str))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        self.sum.update(&self.bytes);
        self.bytes.extend_from_slice(&self.sum.finalize().to_le_bytes());
        self.bytes
    }
}

impl<'a> Reader<'a> {
    fn new(store: &'a Store, owner: Owner<'a>, what: &'static str, bytes: &'a [u8]) -> Result<Self> {
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged(what, "it is too short"))?;
        Ok(Self { store, owner, what, content, left: content, stored_sum: *sum, sum: sum_of(owner) })
    }

    // The names that were read are a part of the checksum, so it is compared at the end.
    fn finish<T>(mut self, read: Result<T>) -> Result<T> {
        let read = read?;
        self.sum.update(self.content);
        if !self.left.is_empty() || self.sum.finalize().to_le_bytes() != self.stored_sum {
            return Err(damaged(self.what, "its checksum is another one"));
        }
        Ok(read)
    }

    fn cut(&self) -> super::JournalError {
        damaged(self.what, "it ends too early")
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let taken = usize::try_from(length).ok().and_then(|length| self.left.split_at_checked(length));
        let (taken, left) = taken.ok_or_else(|| self.cut())?;
        self.left = left;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn count(&mut self) -> Result<u64> {
        let mut count = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            count |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(count);
            }
        }
        Err(damaged(self.what, "a number is too long"))
    }

    fn text_of(&mut self, length: u64) -> Result<&'a str> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| damaged(self.what, "it is not UTF-8"))
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = self.count()?;
        self.text_of(length)
    }

    fn name(&mut self) -> Result<Arc<str>> {
        let number = self.count()?;
        let name = self.store.names.text(self.store, i64::try_from(number).unwrap_or(-1))?;
        self.sum.update(name.as_bytes());
        Ok(name)
    }

    // As many as are counted. Nothing is reserved for them, because the number may be damaged.
    fn each<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.count()?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(read(self)?);
        }
        Ok(all)
    }

    // The value of this field.
    fn value(&mut self, name: &str) -> Result<Value> {
        let head = self.count()?;
        let length = head >> 2;
        Ok(match head & 3 {
            kind::TEXT => Value::Text(self.text_of(length)?.into()),
            kind::NUMBER => Value::Number(super::parse(self.what, self.text_of(length)?)?),
            kind::FLAG if length < hashes::FIRST => Value::Bool(length == 1),
            kind::FLAG => self.hashed(name, length - hashes::FIRST)?,
            _ => Value::Text(self.owner.key.into()),
        })
    }

    fn field(&mut self) -> Result<Field> {
        let name = self.name()?;
        Ok(Field { name: (*name).into(), value: self.value(&name)? })
    }

    fn hashed(&mut self, name: &str, flags: u64) -> Result<Value> {
        let has = |flag: u64| flags & flag != 0;
        let kind = match (has(hashes::IS_NUMBER), has(hashes::IS_BOOL)) {
            (false, false) => ValueKind::Text,
            (true, false) => ValueKind::Number,
            (false, true) => ValueKind::Bool,
            (true, true) => return Err(damaged(self.what, "the type of a value is unknown")),
        };
        let key = self.store.value_key().filter(|_| flags <= hashes::ALL);
        let key = key.ok_or_else(|| damaged(self.what, "it has hashes of values"))?;
        let exact = self.hash()?;
        let typed = if has(hashes::HAS_TYPED) { Some(self.hash()?) } else { None };
        let bare = self.short_hash()?;
        let mut tails = [None; 2];
        for (tail, flag) in tails.iter_mut().zip(hashes::HAS_TAILS) {
            *tail = if has(flag) { Some(self.short_hash()?) } else { None };
        }
        let (is_identifying, is_phone) = (has(hashes::IS_IDENTIFYING), has(hashes::IS_PHONE));
        let forms = Forms { kind, is_identifying, is_phone, exact, typed, bare, tails };
        Ok(Value::Hashed(Box::new(HashedValue::new(key.of_field(name), forms))))
    }

    fn hash(&mut self) -> Result<u64> {
        let bytes = self.take(8)?.try_into().map_err(|_| self.cut())?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn short_hash(&mut self) -> Result<u32> {
        let bytes = self.take(4)?.try_into().map_err(|_| self.cut())?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn mode(&mut self) -> Result<WriteMode> {
        let number = self.byte()?;
        let found = WriteMode::ALL.into_iter().find(|mode| mode_number(*mode) == number);
        found.ok_or_else(|| damaged(self.what, "a write mode is unknown"))
    }

    fn id(&self, id: &str) -> Result<ContactId> {
        ContactId::new(id).ok_or_else(|| damaged(self.what, "its id is blank"))
    }

    fn contact(&mut self, key: &KeyParts<'_>) -> Result<Contact> {
        let flags = self.byte()?;
        let id = if flags & HAS_ID == 0 { None } else { Some(self.text()?).map(|id| self.id(id)).transpose()? };
        let own = if flags & HAS_KEY == 0 { None } else { Some(KeyParts::of_text(self.text()?)) };
        let key = own.as_ref().unwrap_or(key);
        let matches = usize::try_from(self.count()?).unwrap_or(usize::MAX);
        let fields = self.each(Self::field)?;
        let count = if flags & HAS_MODES == 0 { 0 } else { fields.len() };
        let modes = (0..count).map(|_| self.mode()).collect::<Result<_>>()?;
        let mut tags = || self.each(|reader| Ok(Text::from(&*reader.name()?)));
        let (tags, remove_tags) = (tags()?, tags()?);
        let key = key.key(flags & IS_MATCH != 0).ok_or_else(|| damaged(self.what, "its key is not readable"))?;
        Contact::from_stored(key, id, matches, (fields, modes), tags, remove_tags)
            .map_err(|why| damaged(self.what, &why))
    }

    fn written(&mut self) -> Result<Written> {
        let fields = self.each(|reader| {
            let name = reader.name()?.to_string();
            let before = if reader.count()? == 0 { None } else { Some(reader.value(&name)?) };
            let after = reader.value(&name)?;
            Ok((name, WrittenField { before, after }))
        })?;
        let added = self.each(|reader| Ok(reader.name()?.to_string()))?;
        let removed = self.each(|reader| {
            let tag = reader.name()?.to_string();
            let before = match reader.count()? {
                0 => TagBefore::Unknown,
                1 => TagBefore::Foreign,
                2 => TagBefore::Own,
                _ => return Err(damaged(WRITTEN, "unknown kind of tag")),
            };
            Ok((tag, before))
        })?;
        Ok(Written {
            fields: fields.into_iter().collect(),
            added: added.into_iter().collect(),
            removed: removed.into_iter().collect(),
        })
    }

    fn known(&mut self, id: &str) -> Result<Known> {
        let flags = self.byte()?;
        let made_at = if flags & HAS_MADE_AT == 0 { None } else { Some(Timestamp::from_millis(self.count()?)) };
        let replaces = if flags & IS_REPLACED == 0 { None } else { Some(self.text()?) };
        let replaces = replaces.map(|id| self.id(id)).transpose()?;
        let fields = self.each(|reader| {
            let name = reader.name()?;
            let value = reader.value(&name)?;
            Ok((name.to_string(), value))
        })?;
        let mut tags = || self.each(|reader| Ok(reader.name()?.to_string()));
        let (tags, own_tags, absent_tags) = (tags()?, tags()?, tags()?);
        Ok(Known {
            id: self.id(id)?,
            fields: fields.into_iter().collect::<BTreeMap<_, _>>(),
            tags: tags.into_iter().collect::<BTreeSet<_>>(),
            own_tags: own_tags.into_iter().collect(),
            absent_tags: absent_tags.into_iter().collect(),
            made_at,
            doubt: flags & IS_IN_DOUBT != 0,
            replaces,
            is_whole: flags & IS_WHOLE != 0,
            has_all_tags: flags & HAS_ALL_TAGS != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Draft;

    const OWNER: Owner<'static> = Owner { number: 7, key: "+521" };

    fn key() -> KeyParts<'static> {
        KeyParts::of_text("phone=+521")
    }

    fn contact() -> Contact {
        let typed = |name: &str, json: &str| Field { name: name.into(), value: serde_json::from_str(json).unwrap() };
        Contact::new(Draft {
            id: ContactId::new("a7"),
            matches: vec![Field::text("phone", "+521"), Field::text("email", "a\u{f1}n@example.com")],
            fields: vec![typed("age", "1e3"), typed("vip", "true"), typed("new", "false"), Field::text("copy", "+521")],
            clear: vec!["city".into()],
            tags: vec!["a".into(), "phone".into()],
            remove_tags: vec!["b".into()],
        })
        .unwrap()
    }

    fn with_modes() -> Contact {
        contact().written(|name| match name {
            "age" => WriteMode::OnCreate,
            "vip" => WriteMode::IfBlank,
            "copy" => WriteMode::WithOthers,
            _ => WriteMode::Always,
        })
    }

    fn known() -> Known {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let fields = contact().fields().iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        Known {
            fields,
            tags: names(&["a", "b"]),
            own_tags: names(&["a"]),
            absent_tags: names(&["c"]),
            made_at: Some(Timestamp::from_millis(1_700_000_000_000)),
            doubt: true,
            replaces: ContactId::new("old"),
            is_whole: true,
            has_all_tags: true,
            ..Known::only_id(ContactId::new("a7").unwrap())
        }
    }

    fn written() -> Written {
        let after = |value: &str| Value::Text(value.into());
        let contact = contact();
        let fields = contact.fields().iter().map(|field| {
            let before = (!field.value.is_blank()).then(|| field.value.clone());
            (field.name.to_string(), WrittenField { before, after: after("+521") })
        });
        Written {
            fields: fields.chain([("x".into(), WrittenField { before: Some(after("")), after: after("y") })]).collect(),
            added: ["a".into(), "b".into()].into(),
            removed: [("c", TagBefore::Unknown), ("d", TagBefore::Foreign), ("e", TagBefore::Own)]
                .map(|(tag, before)| (tag.into(), before))
                .into(),
        }
    }

    fn doubt() -> Doubt {
        Doubt {
            since: Some(Timestamp::from_millis(1)),
            searches: 2,
            lookalike: Some("contact 8".into()),
            conflict: None,
            named: ContactId::new("9"),
            ..Doubt::of_create(&contact(), Some([1, u64::MAX].into()))
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let store = Store::in_memory(None).unwrap();
        let bytes = contact_bytes(&store, OWNER, &contact()).unwrap();
        assert_eq!(read_contact(&store, OWNER, &key(), &bytes).unwrap(), contact());
        // The key's value is not repeated, and each name is a number of one byte.
        assert!(bytes.len() < 64, "{}", bytes.len());
        let moded = contact_bytes(&store, OWNER, &with_modes()).unwrap();
        assert_eq!(read_contact(&store, OWNER, &key(), &moded).unwrap(), with_modes());
        assert_eq!(moded.len(), bytes.len() + contact().fields().len());
        let of_create = |seen: Option<BTreeSet<u64>>| Doubt::of_create(&contact(), seen);
        let lost = Doubt { since: Some(Timestamp::from_millis(1)), ..of_create(None) };
        for doubt in [doubt(), of_create(None), of_create(Some(BTreeSet::new())), of_create(Some([1].into())), lost] {
            let bytes = doubt_bytes(&store, OWNER, &doubt).unwrap();
            assert_eq!(read_doubt(&store, OWNER, &key(), &bytes).unwrap(), doubt);
        }
        // While a create is in flight, its doubt takes a byte more than its contact.
        let contact_length = contact_bytes(&store, OWNER, &contact()).unwrap().len();
        assert_eq!(doubt_bytes(&store, OWNER, &of_create(None)).unwrap().len(), contact_length + 1);
        // Earlier versions wrote the JSON of every doubt.
        let parts = r#"{"since":null,"searches":0,"origin":{"create":{"seen":null}},"lookalike":null,"conflict":null,"named":null}"#;
        let mut writer = Writer::new(&store, OWNER);
        writer.text(parts);
        writer.contact(&contact()).unwrap();
        assert_eq!(read_doubt(&store, OWNER, &key(), &writer.finish()).unwrap(), of_create(None));
        for written in [written(), Written::default()] {
            let bytes = written_bytes(&store, OWNER, &written).unwrap();
            assert_eq!(read_written(&store, OWNER, &bytes).unwrap(), written);
            read_written(&store, Owner { number: 8, ..OWNER }, &bytes).unwrap_err();
        }
        for known in [known(), Known::only_id(ContactId::new("a7").unwrap())] {
            let bytes = known_bytes(&store, OWNER, &known).unwrap();
            assert_eq!(read_known(&store, OWNER, "a7", &bytes).unwrap(), known);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let store = Store::in_memory(None).unwrap();
        let bytes = known_bytes(&store, OWNER, &known()).unwrap();
        let read = |bytes: &[u8]| read_known(&store, OWNER, "a7", bytes);
        read(&bytes).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        // Nor is it believed of another contact, with another id, or under another key.
        read_known(&store, Owner { number: 8, ..OWNER }, "a7", &bytes).unwrap_err();
        read_known(&store, OWNER, "a8", &bytes).unwrap_err();
        read_known(&store, Owner { key: "+522", ..OWNER }, "a7", &bytes).unwrap_err();
        // A damaged name is noticed as well.
        store.db.execute("UPDATE names SET name = 'eMail' WHERE name = 'email'", []).unwrap();
        store.names.forget();
        assert!(read(&bytes).is_err());
    }

    #[test]
    fn bytes_that_mean_nothing_are_reported_and_never_panic() {
        let store = Store::in_memory(None).unwrap();
        contact_bytes(&store, OWNER, &contact()).unwrap();
        let mut chance = fastrand::Rng::with_seed(1);
        let whole = contact_bytes(&store, OWNER, &with_modes()).unwrap();
        let mut checked = 0;
        for _ in 0..20_000 {
            let mut bytes = whole[..whole.len() - 4].to_vec();
            for _ in 0..chance.usize(1..4) {
                let at = chance.usize(..bytes.len());
                bytes[at] = chance.u8(..);
            }
            if chance.bool() {
                bytes.truncate(chance.usize(0..=bytes.len()));
            }
            bytes.extend([0; 4]);
            // As if the checksum were right: what remains must still be a valid contact.
            let mut reader = Reader::new(&store, OWNER, CONTACT, &bytes).unwrap();
            checked += usize::from(reader.contact(&key()).is_ok());
            let mut reader = Reader::new(&store, OWNER, KNOWN, &bytes).unwrap();
            let _ = reader.known("a7");
            assert!(read_contact(&store, OWNER, &key(), &bytes).is_err());
        }
        assert!(checked > 100, "{checked}");
    }
}
