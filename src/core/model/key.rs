//! Contact ids of the platform, and the keys that identify the contact of a row.

mod hashed;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::hashed::{HashedKey, shown};
use crate::core::model::value::Field;
use crate::core::text::{Text, trimmed};

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
    /// Wraps an id as the platform gave it. `None` when it is blank.
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

/// The name of the platform's id in the text of a key.
pub const ID_NAME: &str = "contact_id";

/// Prefix of the text of a key that holds the platform's id: its [name](ID_NAME) and `=`.
pub const ID_KEY: &str = "contact_id=";

/// The identity of a contact within a channel. Rows with equal keys are one contact.
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
    /// Whether this is the key of another value of the same match field.
    pub fn is_another(&self, field: &Field) -> bool {
        match self {
            Self::Match { field: name, value } => field.name == *name && *value != *trimmed(&field.value.text()),
            Self::Id(_) | Self::Row { .. } => false,
        }
    }

    /// Parses the key of a match field from its text. `None` when the text has no `=`.
    pub fn parse_match(text: &str) -> Option<Self> {
        let (field, value) = text.split_once('=')?;
        let field = field.replace("%3D", "=").replace("%25", "%");
        Some(Self::Match { field: field.into(), value: value.into() })
    }

    /// The match field that the key is, with its value. `None` for a row without one, and where only a hash of the value is kept.
    pub fn match_field(&self) -> Option<Field> {
        match self {
            Self::Match { field, value } if HashedKey::parse(value).is_none() => {
                Some(Field::text(field.clone(), value.clone()))
            }
            Self::Match { .. } | Self::Id(_) | Self::Row { .. } => None,
        }
    }

    /// The text as it is printed. Of a match value of which only a hash is kept, it has a part of the hash.
    pub fn shown(&self) -> String {
        shown(&self.to_string())
    }

    /// The key for a match field and its value.
    pub fn of(field: &Field) -> Self {
        Self::Match { field: field.name.clone(), value: trimmed(&field.value.text()).into() }
    }
}

/// `email=ann@example.com`, `contact_id=123`, `#d41d8c…00000001`: one line, unique per contact, ordered by `nth` within a digest.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The `=` between name and value must not occur in the name, or two contacts could share one key.
            Self::Match { field, value } => write!(f, "{}={value}", field.replace('%', "%25").replace('=', "%3D")),
            Self::Id(id) => write!(f, "{ID_KEY}{id}"),
            Self::Row { digest, nth } => write!(f, "#{digest}.{nth:08}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_contacts_differ() {
        let one = Key::Match { field: "a=b%".into(), value: "c".into() };
        assert_eq!(Key::parse_match(&one.to_string()), Some(one.clone()));
        let two = Key::Match { field: "a".into(), value: "b=c".into() };
        assert_ne!(one.to_string(), two.to_string());
    }
}
