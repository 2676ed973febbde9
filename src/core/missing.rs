//! Contacts that a source had and no longer has: which they are, and the mark that they get on the platform.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::core::call::CallKind;
use crate::core::model::{Contact, ContactId, Draft, Field, Key, RemoteState, Value};
use crate::core::nfc::nfc;
use crate::core::text::{Text, bare, visible};

const TAG_PREFIX: &str = "tag:";
const FIELD_PREFIX: &str = "field:";

/// The mark that missing contacts get on the platform, until they return.
///
/// ```
/// use contactsync::Mark;
///
/// assert_eq!("tag:left".parse(), Mark::tag("left"));
/// assert_eq!("field:status=left".parse(), Mark::field("status", "left"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A tag, which is removed when the contact returns.
    Tag(Text),
    /// A value of a field. When the contact returns, the field gets the value of the input, or is cleared.
    Field {
        /// The field's name.
        name: Text,
        /// The value.
        value: Text,
    },
}

/// Text that is no mark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMark {
    /// It has another form.
    #[error("expected ignore, tag:NAME or field:NAME=VALUE, found `{0}`")]
    Form(String),
    /// A request could not carry it.
    #[error("{0}")]
    Unfit(String),
}

impl Mark {
    /// A tag.
    ///
    /// # Errors
    /// The tag is blank or too long.
    pub fn tag(name: &str) -> Result<Self, BadMark> {
        Self::Tag((*visible(bare(name))).into()).checked()
    }

    /// A value of a field.
    ///
    /// # Errors
    /// The name or the value is blank or too long.
    pub fn field(name: &str, value: &str) -> Result<Self, BadMark> {
        Self::Field { name: (*visible(bare(name))).into(), value: (*nfc(bare(value))).into() }.checked()
    }

    fn checked(self) -> Result<Self, BadMark> {
        let any = ContactId::new("1").ok_or_else(|| BadMark::Form(self.to_string()))?;
        match Contact::new(self.draft(any)) {
            Ok(_) => Ok(self),
            Err(flaw) => Err(BadMark::Unfit(flaw.to_string())),
        }
    }

    fn draft(&self, id: ContactId) -> Draft {
        let mut draft = Draft { id: Some(id), ..Draft::default() };
        match self {
            Self::Tag(tag) => draft.tags.push(tag.clone()),
            Self::Field { name, value } => draft.fields.push(Field::text(name.clone(), value.clone())),
        }
        draft
    }

    /// The name of the field that it sets.
    pub fn field_name(&self) -> Option<&str> {
        match self {
            Self::Tag(_) => None,
            Self::Field { name, .. } => Some(name),
        }
    }

    /// The kind of the call that sets it.
    pub const fn call_kind(&self) -> CallKind {
        match self {
            Self::Tag(_) => CallKind::AddTags,
            Self::Field { .. } => CallKind::Update,
        }
    }

    /// The contact with this id as it is with the mark, and with nothing else; `None` if no request can carry the id.
    pub fn contact(&self, key: Key, id: ContactId) -> Option<Contact> {
        Contact::new(self.draft(id)).ok().map(|contact| contact.known_as(key))
    }

    /// Whether a contact of the input, once it is sent, has the mark only if the input wants it.
    pub fn is_settled_by(&self, contact: &Contact) -> bool {
        match self {
            Self::Tag(tag) => contact.tags().contains(tag) || contact.remove_tags().contains(tag),
            Self::Field { name, .. } => contact.fields().iter().any(|field| field.name == *name),
        }
    }

    /// A contact of the input that returned, as it is to be without the mark. What the input has for the tag or the field counts,
    /// and a field that has another value by now is left alone.
    #[must_use]
    pub fn taken_back(&self, contact: Contact, remote_state: &RemoteState) -> Contact {
        match self {
            Self::Tag(tag) => contact.without_tag(tag),
            Self::Field { name, value } => {
                let found = match remote_state {
                    RemoteState::Known(known) => known.fields.get(name.as_str()),
                    RemoteState::Unknown | RemoteState::InDoubt(_) => None,
                };
                if found.is_none_or(|found| found.same(&Value::Text(value.clone()))) {
                    contact.with_written(name)
                } else {
                    contact
                }
            }
        }
    }
}

impl FromStr for Mark {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || BadMark::Form(text.to_owned());
        if let Some(tag) = text.strip_prefix(TAG_PREFIX) {
            return Self::tag(tag);
        }
        let (name, value) = text.strip_prefix(FIELD_PREFIX).and_then(|field| field.split_once('=')).ok_or_else(form)?;
        Self::field(name, value)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "{TAG_PREFIX}{tag}"),
            Self::Field { name, value } => write!(f, "{FIELD_PREFIX}{name}={value}"),
        }
    }
}

/// How many contacts of the sources of an input are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingCounts {
    /// Contacts that the sources had.
    pub known: u64,
    /// Of these, those that the last input had and this one does not have, and those that are to be marked now.
    pub gone: u64,
    /// Contacts that are to be marked now.
    pub marks: u64,
}

/// Why a run does nothing about contacts that seem to be missing from a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingUnsure {
    /// The journal has no earlier input of the source.
    NoEarlierInput,
    /// What it has of the last input is damaged.
    Damaged,
    /// The mapping, the columns or the options changed since the last input, so contacts may have other keys now. They count as
    /// missing after a complete run.
    OtherBasis,
    /// This input has rejected rows without a usable match value or id, any of which may be one of them.
    UnidentifiedRows,
    /// This input has no row for the channel.
    NoRows,
}

/// Finds the contacts of the last input of which a new one has no row: by their first places in the last input. `before` are the
/// numbers of the contacts' tags in its order, 0 for a row without one; `is_kept` tells of each place whether the row is as it was;
/// `present` are those of the new input's other rows, in ascending order.
pub fn gone(before: &[u64], is_kept: impl Fn(usize) -> bool, present: &[u64]) -> Vec<usize> {
    let mut gone: HashMap<u64, usize> = HashMap::new();
    for (place, tag) in before.iter().enumerate().filter(|(place, tag)| **tag != 0 && !is_kept(*place)) {
        if present.binary_search(tag).is_err() {
            gone.entry(*tag).or_insert(place);
        }
    }
    if !gone.is_empty() {
        for (_, tag) in before.iter().enumerate().filter(|(place, _)| is_kept(*place)) {
            gone.remove(tag);
        }
    }
    let mut places: Vec<usize> = gone.into_values().collect();
    places.sort_unstable();
    places
}

/// The rejected rows of an input that have no usable match value or id, by digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnidentifiedRows {
    /// Those that were there when no contact was missing: they are none of the missing contacts.
    pub harmless: BTreeSet<u64>,
    /// Those of the present input.
    pub now: BTreeSet<u64>,
}

impl UnidentifiedRows {
    /// Whether one of them may be a contact that seems to be missing.
    pub fn may_be_missing(&self) -> bool {
        !self.now.is_subset(&self.harmless)
    }

    /// Those that are harmless in the next input. `none_unsure` is whether no contact seems to be missing without counting as
    /// missing.
    pub fn harmless_next(&self, none_unsure: bool) -> BTreeSet<u64> {
        if none_unsure { self.now.clone() } else { self.now.intersection(&self.harmless).copied().collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::core::model::Known;

    proptest! {
        #[test]
        fn exactly_the_contacts_without_a_row_are_gone(
            before in proptest::collection::vec((0_u64..30, any::<bool>()), 0..40),
            present in proptest::collection::btree_set(1_u64..30, 0..10),
        ) {
            let tags: Vec<u64> = before.iter().map(|(tag, _)| *tag).collect();
            let present: Vec<u64> = present.into_iter().collect();
            let kept: BTreeSet<u64> = before.iter().filter(|(_, kept)| *kept).map(|(tag, _)| *tag).collect();
            let mut expected = BTreeMap::new();
            for (place, tag) in tags.iter().enumerate() {
                if *tag != 0 && !kept.contains(tag) && !present.contains(tag) && !before[place].1 {
                    expected.entry(*tag).or_insert(place);
                }
            }
            let expected: BTreeSet<usize> = expected.into_values().collect();
            let found = gone(&tags, |place| before[place].1, &present);
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = text.parse::<Mark>().map(|mark| mark.to_string()).map_err(|bad| bad.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        };
        check("tag:left", Ok("tag:left"));
        check("tag: left the club ", Ok("tag:left the club"));
        check("field:status=left", Ok("field:status=left"));
        check("field:a=b=c", Ok("field:a=b=c"));
        for text in ["left", "tag", "field:status", "Tag:left", ""] {
            check(text, Err(&format!("expected ignore, tag:NAME or field:NAME=VALUE, found `{text}`")));
        }
        check("tag:", Err("a tag is blank"));
        check("field:=left", Err("a field has no name"));
        check("field:status= ", Err("field `status` has a blank value"));
        check(&format!("tag:{}", "x".repeat(256)), Err("a tag has 256 characters; the maximum is 255"));
    }

    #[test]
    fn a_mark_is_taken_back_unless_the_input_or_another_user_decides() {
        let contact = |fields: &[(&str, &str)], tags: &[&str]| {
            let fields = fields.iter().map(|(name, value)| Field::text(*name, *value)).collect();
            let tags = tags.iter().map(|tag| Text::from(*tag)).collect();
            Contact::new(Draft { matches: vec![Field::text("phone", "1")], fields, tags, ..Draft::default() }).unwrap()
        };
        let known = |status: Option<&str>| {
            let mut known = Known::only_id(ContactId::new("7").unwrap());
            known.fields = status.map(|status| ("status".to_owned(), Value::Text(status.into()))).into_iter().collect();
            RemoteState::Known(known)
        };
        let check = |mark: &str, contact: Contact, state: &RemoteState, expected: (&[&str], &[&str])| {
            let taken = mark.parse::<Mark>().unwrap().taken_back(contact, state);
            let cleared: Vec<&str> = taken.clear().iter().map(|field| field.name.as_str()).collect();
            let removed: Vec<&str> = taken.remove_tags().iter().map(Text::as_str).collect();
            assert_eq!((&cleared[..], &removed[..]), expected, "{mark} {taken:?}");
        };
        check("tag:left", contact(&[], &["vip"]), &known(None), (&[], &["left"]));
        check("tag:left", contact(&[], &["left"]), &known(None), (&[], &[]));
        let field = "field:status=left";
        check(field, contact(&[("city", "Lima")], &[]), &known(Some("left")), (&["status"], &[]));
        check(field, contact(&[], &[]), &known(None), (&["status"], &[]));
        check(field, contact(&[("status", "new")], &[]), &known(Some("left")), (&[], &[]));
        check(field, contact(&[], &[]), &known(Some("by an agent")), (&[], &[]));
    }

    #[test]
    fn rows_that_were_there_before_anything_was_missing_are_harmless() {
        let rows = |harmless: &[u64], now: &[u64]| UnidentifiedRows {
            harmless: harmless.iter().copied().collect(),
            now: now.iter().copied().collect(),
        };
        assert!(!rows(&[], &[]).may_be_missing());
        assert!(!rows(&[1, 2], &[1]).may_be_missing());
        assert!(rows(&[1], &[1, 2]).may_be_missing());
        assert_eq!(rows(&[1], &[1, 2]).harmless_next(true), [1, 2].into());
        // As long as one of them may be a missing contact.
        assert_eq!(rows(&[1, 3], &[1, 2]).harmless_next(false), [1].into());
    }
}
