//! Reads a table of the configuration key by key, and refuses the keys that nobody asked for.
//!
//! The keys that are asked for are the keys that there are: there is no second list that could say otherwise.

use std::num::NonZeroU32;
use std::sync::Arc;

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::file::Lines;
use super::item::Item;
use super::location::{ConfigError, Located, Location};
use super::near::{did_you_mean, nearest};
use crate::settings::TokenCommand;

/// A table of which not everything was read yet.
#[derive(Debug)]
pub struct Table<'f> {
    lines: Arc<Lines>,
    entries: DeTable<'f>,
    // What was asked for, in that order.
    asked: Vec<&'static str>,
}

impl<'f> Table<'f> {
    pub(super) const fn new(lines: Arc<Lines>, entries: DeTable<'f>) -> Self {
        Self { lines, entries, asked: Vec::new() }
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Result<Option<Located<String>>, ConfigError> {
        self.read(key, |value, place| match text(value, place)? {
            text if text.trim().is_empty() => Err(place.wrong("expected a text, found an empty one")),
            text => Ok(text),
        })
    }

    /// A text that is to be understood by `parse`, whose error says what was expected. A whole number and a time of day
    /// are texts too, so that `30` and `06:00` need no quotes.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Located<T>>, ConfigError> {
        self.read(key, |value, place| {
            let text = match value {
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Datetime(moment) if moment.date.is_none() => moment.to_string(),
                other => text(other, place)?,
            };
            parse(&text).map_err(|expected| place.wrong(expected))
        })
    }

    /// One of the values of an option.
    pub fn choice<T: ValueEnum>(&mut self, key: &'static str) -> Result<Option<Located<T>>, ConfigError> {
        let names = || T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        self.read(key, |value, place| {
            let text = text(value, place)?;
            T::from_str(&text, false).map_err(|_| {
                let names: Vec<String> = names().map(|name| name.get_name().to_owned()).collect();
                let meant = did_you_mean(&text, names.iter().map(String::as_str));
                place.wrong(format!("expected one of {}, found another text{meant}", names.join(", ")))
            })
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Result<Option<Located<bool>>, ConfigError> {
        self.read(key, |value, place| match value {
            DeValue::Boolean(value) => Ok(value),
            other => Err(place.wrong(format!("expected true or false, found {}", kind(&other)))),
        })
    }

    /// A whole number from 1 to `most`.
    pub fn count(&mut self, key: &'static str, most: u32) -> Result<Option<Located<NonZeroU32>>, ConfigError> {
        self.read(key, |value, place| {
            let expected = "expected a whole number from 1";
            let DeValue::Integer(number) = value else {
                return Err(place.wrong(format!("{expected}, found {}", kind(&value))));
            };
            let read = u32::from_str_radix(number.as_str(), number.radix()).ok().and_then(NonZeroU32::new);
            read.filter(|number| number.get() <= most)
                .ok_or_else(|| place.wrong(format!("{expected} to {most}, found {number}")))
        })
    }

    /// One text, or a list of texts.
    pub fn texts(&mut self, key: &'static str) -> Result<Option<Located<Vec<String>>>, ConfigError> {
        self.read(key, |value, place| match value {
            DeValue::Array(values) => values
                .into_iter()
                .map(|value| match value.into_inner() {
                    DeValue::String(text) => Ok(text.into_owned()),
                    other => Err(place.wrong(format!("expected a list of texts, found {} in it", kind(&other)))),
                })
                .collect(),
            other => Ok(vec![text(other, place)?]),
        })
    }

    /// A command: one text, which is split into words, or a list of them.
    pub fn words(&mut self, key: &'static str) -> Result<Option<Located<TokenCommand>>, ConfigError> {
        self.read(key, |value, place| {
            let command = match value {
                DeValue::Array(values) => {
                    let words = values.into_iter().map(|value| text(value.into_inner(), place));
                    TokenCommand::of(words.collect::<Result<_, _>>()?)
                }
                other => TokenCommand::parse(&text(other, place)?),
            };
            command.map_err(|wrong| place.wrong(wrong))
        })
    }

    /// A value of any kind.
    pub fn item(&mut self, key: &'static str) -> Option<Item<'f>> {
        let (place, value) = self.take(key)?;
        Some(Item::new(Arc::clone(&self.lines), place, value))
    }

    /// All that is left, whatever it is called, in the order of the file.
    pub fn items(self) -> Vec<(String, Item<'f>)> {
        let Self { lines, entries, .. } = self;
        let mut items: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| {
                let start = key.span().start;
                let key = key.into_inner().into_owned();
                let place = lines.place(start, key.clone());
                (start, (key, Item::new(Arc::clone(&lines), place, value.into_inner())))
            })
            .collect();
        items.sort_by_key(|&(start, _)| start);
        items.into_iter().map(|(_, item)| item).collect()
    }

    /// Whether a table stands there.
    pub fn holds_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// The tables `[key.NAME]`, with their names, in the order of the file.
    pub fn named(&mut self, key: &'static str) -> Result<Vec<(Located<String>, Table<'f>)>, ConfigError> {
        let Some((place, value)) = self.take(key) else { return Ok(Vec::new()) };
        let DeValue::Table(entries) = value else {
            return Err(place.wrong(format!("expected tables [{key}.NAME], found {}", kind(&value))));
        };
        let mut tables = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let start = name.span().start;
            let name = name.into_inner().into_owned();
            let place = self.lines.place(start, format!("[{key}.{name}]"));
            match value.into_inner() {
                DeValue::Table(inner) => {
                    let table = Table::new(Arc::clone(&self.lines), inner);
                    tables.push((start, (Located { value: name, place }, table)));
                }
                other => {
                    let what =
                        format!("expected a name in the brackets above, as [{key}.NAME], found {}", kind(&other));
                    return Err(Location { key: name, ..place }.wrong(what));
                }
            }
        }
        tables.sort_by_key(|&(start, _)| start);
        Ok(tables.into_iter().map(|(_, table)| table).collect())
    }

    /// Refuses a key with a reason of its own, which says what to do instead.
    pub fn refuse(&self, key: &str, reason: &str) -> Result<(), ConfigError> {
        match self.entries.get_key_value(key) {
            Some((key, _)) => Err(self.place(key).wrong(reason)),
            None => Ok(()),
        }
    }

    /// The keys that were asked for.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Refuses keys of the whole file, which stand under this table's name because they come after it.
    pub fn refuse_keys_of_all(&self, keys: &[&str]) -> Result<(), ConfigError> {
        let left = |key: &&&str| self.entries.contains_key(**key) && !self.asked.contains(*key);
        keys.iter()
            .find(left)
            .map_or(Ok(()), |key| self.refuse(key, "it belongs to no table: move it above all of them"))
    }

    /// Refuses what was not asked for, the first of it.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Some((key, _)) = self.entries.iter().min_by_key(|(key, _)| key.span().start) else { return Ok(()) };
        let place = self.place(key);
        Err(match nearest(key.get_ref(), self.asked.iter().copied()) {
            Some(meant) => place.wrong(format!("expected a key that contactsync knows; did you mean `{meant}`?")),
            None => place.wrong(format!("expected one of {}", self.asked.join(", "))),
        })
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        understand: impl FnOnce(DeValue<'f>, &Location) -> Result<T, ConfigError>,
    ) -> Result<Option<Located<T>>, ConfigError> {
        let Some((place, value)) = self.take(key) else { return Ok(None) };
        Ok(Some(Located { value: understand(value, &place)?, place }))
    }

    fn take(&mut self, key: &'static str) -> Option<(Location, DeValue<'f>)> {
        self.asked.push(key);
        let (key, value) = self.entries.remove_entry(key)?;
        Some((self.place(&key), value.into_inner()))
    }

    fn place(&self, key: &Spanned<DeString<'_>>) -> Location {
        self.lines.place(key.span().start, key.get_ref().clone().into_owned())
    }
}

fn text(value: DeValue<'_>, place: &Location) -> Result<String, ConfigError> {
    match value {
        DeValue::String(text) => Ok(text.into_owned()),
        other => Err(place.wrong(format!("expected a text in quotes, found {}", kind(&other)))),
    }
}

/// What kind of value it is, in words. The value itself is not repeated: it could be a secret at a wrong place.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
