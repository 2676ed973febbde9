//! A value of a configuration file of which it is not known yet what it is: a text, a list or a table may say one thing.

use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;

use super::file::Lines;
use super::location::{ConfigError, Located, Location};
use super::table::{Table, kind};

/// A value, and where it stands.
#[derive(Debug)]
pub struct Item<'f> {
    lines: Arc<Lines>,
    pub place: Location,
    value: DeValue<'f>,
}

/// A value that may be said shortly, as a text, or at length.
pub enum Short<'f> {
    Text(String),
    Table(Table<'f>),
}

impl<'f> Item<'f> {
    pub(super) const fn new(lines: Arc<Lines>, place: Location, value: DeValue<'f>) -> Self {
        Self { lines, place, value }
    }

    /// A text, or a table that says more.
    pub fn short(self, expected: &str) -> Result<Short<'f>, ConfigError> {
        match self.value {
            DeValue::String(text) => Ok(Short::Text(text.into_owned())),
            DeValue::Table(entries) => Ok(Short::Table(Table::new(self.lines, entries))),
            other => Err(self.place.wrong(format!("expected {expected}, found {}", kind(&other)))),
        }
    }

    /// Whether it is neither a text nor a table, one of which a field is.
    pub const fn is_no_field(&self) -> bool {
        !matches!(self.value, DeValue::String(_) | DeValue::Table(_))
    }

    /// A table.
    pub fn table(self, expected: &str) -> Result<Table<'f>, ConfigError> {
        match self.value {
            DeValue::Table(entries) => Ok(Table::new(self.lines, entries)),
            other => Err(self.place.wrong(format!("expected {expected}, found {}", kind(&other)))),
        }
    }

    /// The values of a list, in its order; what is no list is a list of one.
    pub fn list(self) -> Vec<Self> {
        let Self { lines, place, value } = self;
        let DeValue::Array(values) = value else { return vec![Self { lines, place, value }] };
        let item = |value: Spanned<DeValue<'f>>| {
            let place = lines.place(value.span().start, place.key.clone());
            Self { lines: Arc::clone(&lines), place, value: value.into_inner() }
        };
        values.into_iter().map(item).collect()
    }

    /// A text; an empty one, too.
    pub fn text(self) -> Result<Located<String>, ConfigError> {
        match self.value {
            DeValue::String(text) => Ok(Located { value: text.into_owned(), place: self.place }),
            other => Err(self.place.wrong(format!("expected a text in quotes, found {}", kind(&other)))),
        }
    }

    /// Texts, or one of them.
    pub fn texts(self) -> Result<Vec<Located<String>>, ConfigError> {
        self.list().into_iter().map(Item::text).collect()
    }

    /// A text, a whole number, or `true` or `false`.
    pub fn value(self) -> Result<contactsync::Value, ConfigError> {
        use contactsync::Value;
        let Self { place, value, .. } = self;
        match value {
            DeValue::String(text) => Ok(Value::Text(text.as_ref().into())),
            DeValue::Boolean(flag) => Ok(Value::Bool(flag)),
            DeValue::Integer(ref number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map(|number| Value::Number(number.into())).map_err(
                    |_| place.wrong("expected a number of at most 18 digits, found a longer one: write it as text"),
                )
            }
            other => Err(place
                .wrong(format!("expected a text in quotes, a whole number, or true or false, found {}", kind(&other)))),
        }
    }
}
