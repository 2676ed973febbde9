//! Where something stands in a configuration file, and what is wrong there.

use std::fmt::{self, Display};
use std::sync::Arc;

/// A key of a configuration file: the file, the line, the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub file: Arc<str>,
    pub line: usize,
    /// As it stands in the file: `rate`, or `[channel.viber]` for a table.
    pub key: String,
}

impl Location {
    /// That what stands here is wrong: what was expected, and what was found.
    pub fn wrong(&self, what: impl Display) -> ConfigError {
        ConfigError(format!("{self}: {what}"))
    }
}

impl Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, key } = self;
        if key.starts_with('[') { write!(f, "{file}:{line}: {key}") } else { write!(f, "{file}:{line}: key `{key}`") }
    }
}

/// What stands in a configuration file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub place: Location,
}

impl<T> Located<T> {
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: with(self.value), place: self.place }
    }
}

/// The one of two keys that is there. They say the same thing in two ways, so that there must not be both.
pub fn either<T>(one: Option<Located<T>>, other: Option<Located<T>>) -> Result<Option<Located<T>>, ConfigError> {
    match (one, other) {
        (Some(Located { place: one, .. }), Some(Located { place: other, .. })) => {
            let (first, second) = if one.line < other.line { (&one, &other) } else { (&other, &one) };
            Err(second.wrong(format!(
                "expected `{}` or `{}`, found both: the other one is in line {}",
                one.key, other.key, first.line
            )))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// What is wrong with a configuration file, in one line with its place. No value that could be a secret is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);
