//! Keys as the journal stores them: a field by number, and a value.

use std::borrow::Cow;

use super::{Result, Store};
use crate::core::model::key::shown;
use crate::core::model::{ContactId, Field, HashedKey, HashedValue, ID_KEY, ID_NAME, Key, Known, Value, ValueKey};
use crate::core::snapshot::SnapshotKey;

/// The number of the field of a key that is a contact id.
const ID: i64 = 0;

/// The number of the field of a key that is a digest of the row.
const ROW: i64 = -1;

/// A key in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyParts<'a> {
    field: KeyField<'a>,
    value: Cow<'a, str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyField<'a> {
    Id,
    Row,
    Match(Cow<'a, str>),
}

impl<'a> KeyField<'a> {
    // The text of a key does not tell an id from a match field of that name.
    #[inline]
    fn named(name: Cow<'a, str>) -> Self {
        if name == ID_NAME { Self::Id } else { Self::Match(name) }
    }
}

impl<'a> KeyParts<'a> {
    pub(super) fn of(key: &'a Key) -> Self {
        match key {
            Key::Match { field, value } => {
                Self { field: KeyField::named(Cow::Borrowed(field)), value: Cow::Borrowed(value) }
            }
            Key::Id(id) => Self { field: KeyField::Id, value: Cow::Borrowed(id.as_str()) },
            Key::Row { digest, nth } => Self { field: KeyField::Row, value: Cow::Owned(format!("{digest}.{nth:08}")) },
        }
    }

    /// The parts of a key's text.
    pub(super) fn of_text(text: &'a str) -> Self {
        match (text.strip_prefix(ID_KEY), Key::parse_match(text)) {
            (Some(id), _) => Self { field: KeyField::Id, value: Cow::Borrowed(id) },
            (None, Some(Key::Match { field, value })) => {
                let (field, value) = (field.to_string(), value.to_string());
                Self { field: KeyField::named(field.into()), value: value.into() }
            }
            (None, Some(Key::Id(_) | Key::Row { .. }) | None) => {
                Self { field: KeyField::Row, value: Cow::Borrowed(text.strip_prefix('#').unwrap_or(text)) }
            }
        }
    }

    /// The parts that the journal has: the number of the field, and the value.
    pub(super) fn stored(store: &Store, field: i64, value: String) -> Result<KeyParts<'static>> {
        let field = match field {
            ID => KeyField::Id,
            ROW => KeyField::Row,
            number => KeyField::Match(store.names.text(store, number)?.to_string().into()),
        };
        Ok(KeyParts { field, value: value.into() })
    }

    /// With hashes in place of the value, unless it is a contact id or has them already.
    pub(super) fn hashed(self, values: &ValueKey, hasher: &SnapshotKey) -> Self {
        if self.is_id() || self.is_hashed() {
            return self;
        }
        let tag = hasher.contact_of_text(&self.text()).number();
        let with_hashes = |name: &str, value: &str| {
            let is_identifying = Value::Text(value.into()).is_identifying();
            HashedKey { tag, exact: values.of_field(name).text(value), is_identifying }.text()
        };
        let value = match &self.field {
            KeyField::Match(name) => with_hashes(name, &self.value),
            KeyField::Row | KeyField::Id => {
                let (digest, nth) = self.value.split_once('.').unwrap_or((&self.value, ""));
                format!("{}.{nth}", with_hashes("", digest))
            }
        };
        Self { value: Cow::Owned(value), ..self }
    }

    /// Whether it has hashes in place of a value.
    pub(super) fn is_hashed(&self) -> bool {
        !self.is_id() && HashedKey::parse(&self.value).is_some()
    }

    /// The match field that the key is, with its value, to be compared with what the platform shows. `None` for a row without one.
    pub(super) fn match_field(&self, store: &Store, known: &Known) -> Option<Field> {
        let name: &str = match &self.field {
            KeyField::Match(name) => name,
            KeyField::Id => ID_NAME,
            KeyField::Row => return None,
        };
        let hashed = if self.is_id() { None } else { HashedKey::parse(&self.value) };
        let value = match (hashed, store.value_key()) {
            (Some(HashedKey { exact, is_identifying, .. }), Some(key)) => {
                let value = Value::Hashed(Box::new(HashedValue::of_text(key.of_field(name), exact, is_identifying)));
                // The known value has more hashes.
                known.fields.get(name).filter(|known| known.same(&value)).cloned().unwrap_or(value)
            }
            (Some(_) | None, _) => Value::Text((*self.value).into()),
        };
        Some(Field { name: name.into(), value })
    }

    /// The text of the key as it is printed.
    pub(super) fn shown(&self) -> String {
        shown(&self.text())
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    pub(super) fn is_id(&self) -> bool {
        self.field == KeyField::Id
    }

    /// The number of the field; `None` when no key has this field.
    pub(super) fn find_field(&self, store: &Store) -> Result<Option<i64>> {
        self.field_by(|name| store.names.find(store, name))
    }

    /// The number of the field, which gets one if it has none.
    pub(super) fn field(&self, store: &Store) -> Result<i64> {
        Ok(self.field_by(|name| store.names.number(store, name).map(Some))?.unwrap_or(ID))
    }

    fn field_by(&self, number: impl FnOnce(&str) -> Result<Option<i64>>) -> Result<Option<i64>> {
        match &self.field {
            KeyField::Id => Ok(Some(ID)),
            KeyField::Row => Ok(Some(ROW)),
            KeyField::Match(name) => number(name),
        }
    }

    /// The key. With `is_match`, a key whose field has the name of the id is that of a match field.
    pub(super) fn key(&self, is_match: bool) -> Option<Key> {
        let of_match = |field: &str| Key::Match { field: field.into(), value: (*self.value).into() };
        match &self.field {
            KeyField::Match(name) => Some(of_match(name)),
            KeyField::Id if is_match => Some(of_match(ID_NAME)),
            KeyField::Id => ContactId::new(&*self.value).map(Key::Id),
            KeyField::Row => {
                let (digest, nth) = self.value.split_once('.')?;
                Some(Key::Row { digest: digest.to_owned(), nth: nth.parse().ok()? })
            }
        }
    }

    /// The text of the key.
    pub(super) fn text(&self) -> String {
        match &self.field {
            KeyField::Match(name) => Key::Match { field: (**name).into(), value: (*self.value).into() }.to_string(),
            KeyField::Id => format!("{ID_KEY}{}", self.value),
            KeyField::Row => format!("#{}", self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_key_and_of_its_text_are_the_same() {
        let matching = |field: &str, value: &str| Key::Match { field: field.into(), value: value.into() };
        for key in [
            matching("phone", "+521"),
            matching("a=b%", "c=d"),
            matching("#a", "1"),
            matching("contact_id", "7"),
            Key::Id(ContactId::new("7").unwrap()),
            Key::Row { digest: "0".repeat(32), nth: 3 },
        ] {
            let text = key.to_string();
            let parts = KeyParts::of(&key);
            assert_eq!((parts.text(), KeyParts::of_text(&text)), (text.clone(), parts.clone()));
            assert_eq!(parts.key(matches!(key, Key::Match { .. })), Some(key));
        }
    }
}
