//! Maximum sizes of calls and of a contact's parts. The rate limit is in [`window`](crate::core::window).
//!
//! The platforms document no maximum lengths. Without one, a row that no server accepts would fail in every run (413, 414,
//! or a URL that cannot be built). A row with a longer part is rejected before anything is sent.

use std::fmt;

use crate::core::model::key::ContactId;
use crate::core::model::value::{Field, Value};
use crate::core::text::Text;

/// Maximum number of custom fields in one create or update request (API.md, "The six calls").
pub const FIELDS_PER_CALL: usize = 30;

/// Maximum number of tags in one request that adds or removes tags (API.md, "The six calls").
pub const TAGS_PER_CALL: usize = 10;

/// Number of contacts on a full page of a search (API.md, "The six calls").
pub const CONTACTS_PER_PAGE: usize = 10;

/// Maximum length of a custom field's value, in bytes of UTF-8: what a text column holds in the databases that the
/// framework behind the platforms is used with (`TEXT` in `MySQL`).
pub const VALUE_BYTES: usize = 65_535;

/// Maximum length of what a search carries, in bytes: the field's name and its value, percent-encoded.
///
/// With up to 300 bytes of method, path and page number, the request line then has at most 8,000. nginx accepts 8,192 by
/// default and Apache 8,190, and answer 414 to more.
pub const SEARCH_BYTES: usize = 7_700;

/// Maximum length of a contact's id, in characters: the framework's default length of a text key.
pub const ID_CHARACTERS: usize = 255;

/// Maximum length of a tag, in characters: the framework's default length of a name.
pub const TAG_CHARACTERS: usize = 255;

/// Maximum length of a custom field's name, in characters: the framework's default length of a name.
pub const FIELD_NAME_CHARACTERS: usize = 255;

/// Maximum number of characters of a name in an error.
const SHOWN_CHARACTERS: usize = 60;

/// A part of a contact that is longer than a request can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Which part.
    pub part: Bounded,
    /// Its length, in the unit of its limit.
    pub length: usize,
}

/// A part of a contact whose length is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bounded {
    /// The platform's id; at most `ID_CHARACTERS`.
    Id,
    /// A tag to have; at most `TAG_CHARACTERS`.
    Tag,
    /// A tag to remove; at most `TAG_CHARACTERS`.
    RemovedTag,
    /// The name of this field; at most `FIELD_NAME_CHARACTERS`.
    Name(String),
    /// The value of this field; at most `VALUE_BYTES`.
    Value(String),
    /// The value of this match field, with the field's name; at most `SEARCH_BYTES`.
    Search(String),
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length;
        match &self.part {
            Bounded::Id => write!(f, "the contact id has {length} characters; the maximum is {ID_CHARACTERS}"),
            Bounded::Tag | Bounded::RemovedTag => {
                write!(f, "a tag has {length} characters; the maximum is {TAG_CHARACTERS}")
            }
            Bounded::Name(name) => {
                let name = shown(name);
                write!(f, "the name of field `{name}` has {length} characters; the maximum is {FIELD_NAME_CHARACTERS}")
            }
            Bounded::Value(name) => {
                write!(f, "the value of field `{name}` has {length} bytes; the maximum is {VALUE_BYTES}")
            }
            Bounded::Search(name) => {
                write!(
                    f,
                    "match field `{name}` is too long to search for: {length} bytes in a URL; the maximum is {SEARCH_BYTES}"
                )
            }
        }
    }
}

/// Checks a contact's id, its fields (the first `matches` of which are searched) and its tags.
///
/// # Errors
/// The first part that is too long.
pub fn check(
    id: Option<&ContactId>,
    fields: &[Field],
    matches: usize,
    tags: &[Text],
    removed_tags: &[Text],
) -> Result<(), TooLong> {
    if let Some(length) = id.and_then(|id| beyond(id.as_str(), ID_CHARACTERS)) {
        return Err(TooLong { part: Bounded::Id, length });
    }
    for (place, field) in fields.iter().enumerate() {
        check_field(field, place < matches)?;
    }
    for (tags, part) in [(tags, Bounded::Tag), (removed_tags, Bounded::RemovedTag)] {
        if let Some(length) = tags.iter().find_map(|tag| beyond(tag, TAG_CHARACTERS)) {
            return Err(TooLong { part, length });
        }
    }
    Ok(())
}

fn check_field(field: &Field, is_searched: bool) -> Result<(), TooLong> {
    if let Some(length) = beyond(&field.name, FIELD_NAME_CHARACTERS) {
        return Err(TooLong { part: Bounded::Name(field.name.to_string()), length });
    }
    // Numbers and booleans are short.
    let Value::Text(value) = &field.value else { return Ok(()) };
    if value.len() > VALUE_BYTES {
        return Err(TooLong { part: Bounded::Value(field.name.to_string()), length: value.len() });
    }
    if is_searched && ENCODED_BYTE * (field.name.len() + value.len()) > SEARCH_BYTES {
        let length = encoded_length(&field.name) + encoded_length(value);
        if length > SEARCH_BYTES {
            return Err(TooLong { part: Bounded::Search(field.name.to_string()), length });
        }
    }
    Ok(())
}

/// Length of a percent-encoded byte, such as `%2B`.
const ENCODED_BYTE: usize = 3;

/// Length of a text in a URL, in bytes. Every byte except letters, digits and `-._~` is percent-encoded.
pub fn encoded_length(text: &str) -> usize {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if is_plain(byte) { 1 } else { ENCODED_BYTE }).sum()
}

/// The name, shortened for an error.
pub fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN_CHARACTERS) {
        None => name.to_owned(),
        Some((at, _)) => format!("{}…", &name[..at]),
    }
}

// The length in characters, if it exceeds the limit. No text has more characters than bytes.
fn beyond(text: &str, limit: usize) -> Option<usize> {
    if text.len() <= limit {
        return None;
    }
    Some(text.chars().count()).filter(|&length| length > limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The error for a contact with this id, these fields (the first of which is searched) and this tag.
    fn error(id: &str, fields: &[(&str, &str)], tag: &str) -> Option<String> {
        let fields: Vec<Field> = fields.iter().map(|(name, value)| Field::text(*name, *value)).collect();
        let of = |tags: &[Text], removed: &[Text]| check(ContactId::new(id).as_ref(), &fields, 1, tags, removed).err();
        let (added, removed) = (of(&[tag.into()], &[]), of(&[], &[tag.into()]));
        assert_eq!(added.as_ref().map(ToString::to_string), removed.map(|error| error.to_string()));
        added.map(|error| error.to_string())
    }

    #[test]
    fn each_part_may_be_as_long_as_its_limit() {
        let (plain, accented) = ("a".repeat(ID_CHARACTERS), "é".repeat(TAG_CHARACTERS));
        let value = "x".repeat(VALUE_BYTES);
        let searched = "x".repeat(SEARCH_BYTES - 5);
        let encoded = "+".repeat((SEARCH_BYTES - 5) / 3);
        for id in ["", &plain, &accented] {
            for searched in ["", &searched, &encoded] {
                assert_eq!(error(id, &[("phone", searched), (&accented, &value)], &accented), None);
            }
        }
    }

    #[test]
    fn a_longer_part_is_refused_with_its_limit() {
        let check = |id: &str, fields: &[(&str, &str)], tag: &str, expected: &str| {
            assert_eq!(error(id, fields, tag).as_deref(), Some(expected));
        };
        let long = "é".repeat(256);
        check(&long, &[], "", "the contact id has 256 characters; the maximum is 255");
        check("", &[], &long, "a tag has 256 characters; the maximum is 255");
        let shown = "é".repeat(60);
        let name = format!("the name of field `{shown}…` has 256 characters; the maximum is 255");
        check("", &[("phone", "1"), (&long, "1")], "", &name);
        let value = "x".repeat(65_536);
        let too_long = "the value of field `notes` has 65536 bytes; the maximum is 65535";
        check("", &[("phone", "1"), ("notes", &value)], "", too_long);
        check("", &[("notes", &value)], "", too_long);
        let searched = |length| {
            format!("match field `phone` is too long to search for: {length} bytes in a URL; the maximum is 7700")
        };
        check("", &[("phone", &"x".repeat(7_696))], "", &searched(7_701));
        check("", &[("phone", &"+".repeat(2_566))], "", &searched(7_703));
        check("", &[("phone", &"ñ".repeat(1_283))], "", &searched(7_703));
    }
}
