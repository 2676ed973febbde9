//! Reads a table of the configuration key by key, and refuses unknown keys.
//!
//! The keys that are read are the known keys, so there is no second list of keys.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::lines::LineIndex;
use crate::options::{ConfigError, Located, Location, not_one_of};

/// A table with the keys that were not read yet.
#[derive(Clone, Debug)]
pub struct Table<'f> {
    lines: Arc<LineIndex>,
    entries: DeTable<'f>,
    // The keys that were requested, in that order.
    asked: Vec<&'static str>,
    // An option and its key in this table, if the key is not the name of the option.
    renamed: Option<(&'static str, &'static str)>,
}

impl<'f> Table<'f> {
    pub const fn new(lines: Arc<LineIndex>, entries: DeTable<'f>) -> Self {
        Self { lines, entries, asked: Vec::new(), renamed: None }
    }

    /// Renames the key of `option` in this table to `key`.
    pub fn renaming(self, option: &'static str, key: &'static str) -> Self {
        Self { renamed: Some((option, key)), ..self }
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Result<Option<Located<String>>, ConfigError> {
        self.read(key, |value, place| match text(value, place)? {
            text if text.trim().is_empty() => Err(place.wrong("expected a text, found an empty one")),
            text => Ok(text),
        })
    }

    /// A text that `parse` reads; its error states what was expected. Whole numbers and times of day are accepted too, so
    /// that `30` and `06:00` need no quotes.
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

    /// One of these texts, as the value that it stands for.
    pub fn choice<T: Clone>(
        &mut self,
        key: &'static str,
        all: &[(&'static str, T)],
    ) -> Result<Option<Located<T>>, ConfigError> {
        self.read(key, |value, place| one_of(&text(value, place)?, all, place))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Result<Option<Located<bool>>, ConfigError> {
        self.read(key, |value, place| match value {
            DeValue::Boolean(value) => Ok(value),
            other => Err(place.wrong_type(format!("expected true or false, found {}", kind(&other)))),
        })
    }

    /// A value of any kind.
    pub fn item(&mut self, key: &'static str) -> Option<ConfigItem<'f>> {
        let (place, value) = self.take(key)?;
        Some(ConfigItem { lines: Arc::clone(&self.lines), place, value })
    }

    /// All remaining entries, in the order of the file.
    pub fn items(self) -> Vec<(String, ConfigItem<'f>)> {
        let Self { lines, entries, .. } = self;
        let mut items: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| {
                let start = key.span().start;
                let key = key.into_inner().into_owned();
                let place = lines.place(start, key.clone());
                (start, (key, ConfigItem { lines: Arc::clone(&lines), place, value: value.into_inner() }))
            })
            .collect();
        items.sort_by_key(|&(start, _)| start);
        items.into_iter().map(|(_, item)| item).collect()
    }

    /// Whether the value of the key is a table.
    pub fn holds_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// The tables `[key.NAME]`, with their names, in the order of the file.
    pub fn named(&mut self, key: &'static str) -> Result<Vec<(Located<String>, Table<'f>)>, ConfigError> {
        let Some((place, value)) = self.take(key) else { return Ok(Vec::new()) };
        let DeValue::Table(entries) = value else {
            return Err(place.wrong_type(format!("expected tables [{key}.NAME], found {}", kind(&value))));
        };
        let mut tables = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let start = name.span().start;
            let name = name.into_inner().into_owned();
            let place = self.lines.place(start, format!("[{key}.{name}]"));
            let DeValue::Table(inner) = value.into_inner() else {
                let what = format!("expected tables [{key}.NAME], found a key of [{key}]");
                return Err(Location { key: name, ..place }.wrong_type(what));
            };
            let table = Table::new(Arc::clone(&self.lines), inner);
            tables.push((start, (Located { value: name, place }, table)));
        }
        tables.sort_by_key(|&(start, _)| start);
        Ok(tables.into_iter().map(|(_, table)| table).collect())
    }

    /// Takes a key with its value out of the table, to put it into another one.
    pub fn take_entry(&mut self, key: &str) -> Option<TableEntry<'f>> {
        self.entries.remove_entry(key)
    }

    /// Puts a key with its value into the table, in place of one of the same name.
    pub fn put_entry(&mut self, (key, value): TableEntry<'f>) {
        self.entries.remove(key.get_ref().as_ref());
        self.entries.insert(key, value);
    }

    /// The place of a key, if the table has it.
    pub fn place_of(&self, key: &str) -> Option<Location> {
        self.entries.get_key_value(key).map(|(key, _)| self.place(key))
    }

    /// The table with the keys of a higher one instead of the same keys here. Of each group, a key of the higher table also replaces the
    /// others. The keys of the table `merged` are replaced one by one.
    pub fn overlaid(mut self, upper: Self, groups: &[&[&str]], merged: &str) -> Self {
        let replaced = groups.iter().filter(|group| group.iter().any(|key| upper.entries.contains_key(*key)));
        for key in replaced.copied().flatten() {
            self.entries.remove(*key);
        }
        for (key, value) in upper.entries {
            let is_merged = key.get_ref() == merged;
            let value = match (self.entries.remove(key.get_ref().as_ref()), value.span(), value.into_inner()) {
                (Some(lower), span, DeValue::Table(upper)) if is_merged => match lower.into_inner() {
                    DeValue::Table(lower) => Spanned::new(span, DeValue::Table(merge(lower, upper))),
                    _ => Spanned::new(span, DeValue::Table(upper)),
                },
                (_, span, value) => Spanned::new(span, value),
            };
            self.entries.insert(key, value);
        }
        self
    }

    /// Refuses a key; `reason` states what to do instead.
    pub fn refuse(&self, key: &str, reason: &str) -> Result<(), ConfigError> {
        match self.entries.get_key_value(key) {
            Some((key, _)) => Err(self.place(key).wrong(reason)),
            None => Ok(()),
        }
    }

    /// The requested keys.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Refuses keys of the whole file, which belong to this table because they come after its name.
    pub fn refuse_keys_of_all(&self, keys: &[&str]) -> Result<(), ConfigError> {
        let left = |key: &&&str| self.entries.contains_key(**key) && !self.asked.contains(*key);
        keys.iter()
            .find(left)
            .map_or(Ok(()), |key| self.refuse(key, "it belongs to the whole file; move it above all tables"))
    }

    /// Refuses the first key that was not requested.
    pub fn finish(self) -> Result<(), ConfigError> {
        match self.entries.iter().min_by_key(|(key, _)| key.span().start) {
            Some((key, _)) => Err(ConfigError::unknown_key(&self.place(key), &self.asked)),
            None => Ok(()),
        }
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
        let key = self.renamed.filter(|(option, _)| *option == key).map_or(key, |(_, key)| key);
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (key, value) = self.entries.remove_entry(key)?;
        Some((self.place(&key), value.into_inner()))
    }

    fn place(&self, key: &Spanned<DeString<'_>>) -> Location {
        self.lines.place(key.span().start, key.get_ref().clone().into_owned())
    }
}

/// A key of a table, with its value.
pub type TableEntry<'f> = (Spanned<DeString<'f>>, Spanned<DeValue<'f>>);

// The entries of `lower`, with those of `upper` in their places; also in the tables among them.
fn merge<'f>(mut lower: DeTable<'f>, upper: DeTable<'f>) -> DeTable<'f> {
    for (key, value) in upper {
        let (span, earlier) = (value.span(), lower.remove(key.get_ref().as_ref()).map(Spanned::into_inner));
        let value = match (earlier, value.into_inner()) {
            (Some(DeValue::Table(lower)), DeValue::Table(upper)) => DeValue::Table(merge(lower, upper)),
            (_, value) => value,
        };
        lower.insert(key, Spanned::new(span, value));
    }
    lower
}

/// A value with its place.
#[derive(Debug)]
pub struct ConfigItem<'f> {
    lines: Arc<LineIndex>,
    pub place: Location,
    pub value: DeValue<'f>,
}

/// A value in its short form (a text) or its long form (a table).
pub enum Short<'f> {
    Text(String),
    Table(Table<'f>),
}

impl<'f> ConfigItem<'f> {
    /// A text, or a table with more keys.
    pub fn short(self, expected: &str) -> Result<Short<'f>, ConfigError> {
        match self.value {
            DeValue::String(text) => Ok(Short::Text(text.into_owned())),
            DeValue::Table(entries) => Ok(Short::Table(Table::new(self.lines, entries))),
            other => Err(self.place.wrong_type(format!("expected {expected}, found {}", kind(&other)))),
        }
    }

    /// Whether it is neither a text nor a table, and so not a field.
    pub const fn is_no_field(&self) -> bool {
        !matches!(self.value, DeValue::String(_) | DeValue::Table(_))
    }

    /// A table.
    pub fn table(self, expected: &str) -> Result<Table<'f>, ConfigError> {
        match self.value {
            DeValue::Table(entries) => Ok(Table::new(self.lines, entries)),
            other => Err(self.place.wrong_type(format!("expected {expected}, found {}", kind(&other)))),
        }
    }

    /// The values of a list, in its order. Any other value is a list of one.
    pub fn list(self) -> Vec<Self> {
        let Self { lines, place, value } = self;
        let DeValue::Array(values) = value else { return vec![Self { lines, place, value }] };
        let item = |value: Spanned<DeValue<'f>>| {
            let place = lines.place(value.span().start, place.key.clone());
            Self { lines: Arc::clone(&lines), place, value: value.into_inner() }
        };
        values.into_iter().map(item).collect()
    }

    /// `true` or `false`.
    pub fn flag(self) -> Result<bool, ConfigError> {
        match self.value {
            DeValue::Boolean(flag) => Ok(flag),
            other => Err(self.place.wrong_type(format!("expected true or false, found {}", kind(&other)))),
        }
    }

    /// A text, possibly empty.
    pub fn text(self) -> Result<Located<String>, ConfigError> {
        match self.value {
            DeValue::String(text) => Ok(Located { value: text.into_owned(), place: self.place }),
            other => Err(self.place.wrong_type(format!("expected a text in quotes, found {}", kind(&other)))),
        }
    }

    /// A list of texts, or one text.
    pub fn texts(self) -> Result<Vec<Located<String>>, ConfigError> {
        self.list().into_iter().map(ConfigItem::text).collect()
    }

    /// A text, a whole number, or `true` or `false`.
    pub fn value(self) -> Result<contactsync::contact::Value, ConfigError> {
        use contactsync::contact::Value;
        let Self { place, value, .. } = self;
        match value {
            DeValue::String(text) => Ok(Value::Text(text.as_ref().into())),
            DeValue::Boolean(flag) => Ok(Value::Bool(flag)),
            DeValue::Integer(ref number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map(|number| Value::Number(number.into())).map_err(
                    |_| place.wrong("expected a number of at most 18 digits, found a longer one; write it as text"),
                )
            }
            other => Err(place.wrong_type(format!(
                "expected a text in quotes, a whole number, or true or false, found {}",
                kind(&other)
            ))),
        }
    }
}

/// The value of a name, or the error that lists all names.
pub fn one_of<T: Clone>(text: &str, all: &[(&'static str, T)], place: &Location) -> Result<T, ConfigError> {
    let names = || all.iter().map(|&(name, _)| name);
    let found = all.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone());
    found.ok_or_else(|| place.wrong(not_one_of(text, &names().collect::<Vec<_>>())).with_values(names()))
}

fn text(value: DeValue<'_>, place: &Location) -> Result<String, ConfigError> {
    match value {
        DeValue::String(text) => Ok(text.into_owned()),
        other => Err(place.wrong_type(format!("expected a text in quotes, found {}", kind(&other)))),
    }
}

/// The kind of a value in words. The value is not repeated: it could be a secret under the wrong key.
const fn kind(value: &DeValue<'_>) -> &'static str {
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
