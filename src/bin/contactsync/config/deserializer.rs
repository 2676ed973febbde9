//! Deserializes the groups of `options` from a table of the configuration.
//!
//! The fields of a group are the keys of the table, so there is no second list of keys.

use std::os::unix::ffi::OsStrExt;

use serde::de::value::{BorrowedStrDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::de::DeValue;

use super::table::{ConfigItem, Table};
use crate::options::{ConfigError, Location, value};

/// Reads a group of options. Other keys stay in the table.
pub fn group<'de, T: Deserialize<'de>>(table: &mut Table<'de>) -> Result<T, ConfigError> {
    T::deserialize(Group { table, only_one: false })
}

/// Reads a group of which only one option can be set.
pub fn exclusive<'de, T: Deserialize<'de>>(table: &mut Table<'de>) -> Result<T, ConfigError> {
    T::deserialize(Group { table, only_one: true })
}

struct Group<'t, 'de> {
    table: &'t mut Table<'de>,
    only_one: bool,
}

impl<'de> Deserializer<'de> for Group<'_, 'de> {
    type Error = ConfigError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let entries: Vec<_> = fields.iter().filter_map(|&key| Some((key, self.table.item(key)?))).collect();
        if self.only_one
            && let [(_, one), (_, other), ..] = entries.as_slice()
        {
            return Err(both(&one.place, &other.place));
        }
        visitor.visit_map(Entries { left: entries.into_iter(), value: None })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        self.deserialize_struct("", &[], visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The error for two keys of which only one can be set, at the second one.
pub fn both(one: &Location, other: &Location) -> ConfigError {
    let (first, second) = if one.line < other.line { (one, other) } else { (other, one) };
    second.wrong(format!(
        "expected `{}` or `{}`, found both; the other one is in line {}",
        one.key, other.key, first.line
    ))
}

struct Entries<'de> {
    left: std::vec::IntoIter<(&'static str, ConfigItem<'de>)>,
    value: Option<ConfigItem<'de>>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ConfigError> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ConfigError> {
        seed.deserialize(self.value.take().expect("serde reads each value after its key"))
    }
}

impl<'de> Deserializer<'de> for ConfigItem<'de> {
    type Error = ConfigError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let place = self.place.clone();
        let other = |found| serde::de::Error::invalid_type(Unexpected::Other(found), &visitor);
        let read = match self.value {
            DeValue::String(text) => visitor.visit_str(&text),
            DeValue::Boolean(flag) => visitor.visit_bool(flag),
            DeValue::Integer(ref number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => match i64::try_from(number) {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_i128(number),
                },
                Err(_) => Err(other("a longer number")),
            },
            DeValue::Datetime(moment) if moment.date.is_none() => visitor.visit_str(&moment.to_string()),
            DeValue::Datetime(_) => Err(other("a date or a time")),
            DeValue::Float(_) => Err(other("a number with a decimal point")),
            DeValue::Table(_) => Err(other("a table")),
            DeValue::Array(_) => visitor.visit_seq(Elements(self.list().into_iter())),
        };
        read.map_err(|error| error.at(&place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let name = self.text()?;
        visitor.visit_enum(StrDeserializer::new(&name.value)).map_err(|error: ConfigError| error.at(&name.place))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_bool(self.flag()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_string(self.text()?.value)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        if name == value::SOURCED {
            visitor.visit_seq(WithPlace { place: self.place.clone(), value: Some(self), next: 0 })
        } else {
            self.deserialize_any(visitor)
        }
    }

    // Asked for by a value that may be a text or a table.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        if !matches!(self.value, DeValue::Table(_)) {
            return self.deserialize_any(visitor);
        }
        let place = self.place.clone();
        let left = self.table("a table")?.items().into_iter();
        visitor.visit_map(TableEntries { left, value: None }).map_err(|error| error.at(&place))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct newtype_struct seq tuple
        struct identifier ignored_any
    }
}

/// The entries of a table that is a value, in the order of the file.
struct TableEntries<'de> {
    left: std::vec::IntoIter<(String, ConfigItem<'de>)>,
    value: Option<ConfigItem<'de>>,
}

impl<'de> MapAccess<'de> for TableEntries<'de> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ConfigError> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ConfigError> {
        seed.deserialize(self.value.take().expect("serde reads each value after its key"))
    }
}

struct Elements<'de>(std::vec::IntoIter<ConfigItem<'de>>);

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = ConfigError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ConfigError> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }
}

/// A value, then the file, the line and the key of its place.
struct WithPlace<'de> {
    value: Option<ConfigItem<'de>>,
    place: Location,
    next: usize,
}

impl<'de> SeqAccess<'de> for WithPlace<'de> {
    type Error = ConfigError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ConfigError> {
        self.next += 1;
        let Location { file, line, key } = &self.place;
        let part = match self.next {
            1 => return self.value.take().map(|value| seed.deserialize(value)).transpose(),
            2 => seed.deserialize(SeqDeserializer::new(file.as_os_str().as_bytes().iter().copied())),
            3 => seed.deserialize(u64::try_from(*line).unwrap_or(u64::MAX).into_deserializer()),
            4 => seed.deserialize(key.as_str().into_deserializer()),
            _ => return Ok(None),
        };
        part.map(Some)
    }
}
