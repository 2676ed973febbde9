//! The origin of a setting, which is an option of the command line or a line of the configuration file, and errors with it.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de;

use super::near::{did_you_mean, not_one_of};
use super::renamed::renamed;

/// A key of a configuration file: the file, the line, the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    pub file: Arc<Path>,
    pub line: usize,
    /// The key as it is written in the file: `rate`, or `[channel.viber]` for a table.
    pub key: String,
}

impl Location {
    /// The error for the value at this place.
    pub fn wrong(&self, what: impl Display) -> ConfigError {
        ConfigError { place: Some(self.clone()), message: what.to_string(), expected: Expected::Other }
    }

    /// The error for a value of another type than the expected one.
    pub fn wrong_type(&self, what: impl Display) -> ConfigError {
        ConfigError { expected: Expected::Type, ..self.wrong(what) }
    }

    /// A path of this file: a relative one starts at the folder of the file, because the working directory varies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.file.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
    }
}

impl Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, key } = self;
        let file = file.display();
        if key.starts_with('[') { write!(f, "{file}:{line}: {key}") } else { write!(f, "{file}:{line}: key `{key}`") }
    }
}

/// A value of a configuration file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub place: Location,
}

/// The origin of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// An option of the command line, such as `--url`.
    Option(String),
    /// A key of the configuration.
    Key(Location),
}

/// A setting with its origin, so that later errors can name the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    pub origin: SettingOrigin,
}

impl<T> Sourced<T> {
    /// A value of the command line.
    pub fn typed(option: impl Into<String>, value: T) -> Self {
        Self { value, origin: SettingOrigin::Option(option.into()) }
    }

    /// The same setting with another value.
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { value: with(self.value), origin: self.origin }
    }
}

impl<T> Deref for Sourced<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => f.write_str(name),
            Self::Key(place) => place.fmt(f),
        }
    }
}

/// An error in a configuration file, in one line with its place. It repeats no value that could be a secret.
///
/// All errors of serde about a value become this type, so the wording of each kind of mistake is decided here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    place: Option<Location>,
    message: String,
    expected: Expected,
}

/// What the parser expected instead of a wrong value. The schema is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Another value.
    Other,
    /// A value of another type.
    Type,
    /// One of these values.
    Values(Vec<&'static str>),
    /// One of these keys.
    Keys(Vec<&'static str>),
}

impl ConfigError {
    /// An error that is not about one key; the message names the place.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), expected: Expected::Other }
    }

    /// The same error, with the values that are possible.
    pub fn with_values(self, values: impl IntoIterator<Item = &'static str>) -> Self {
        Self { expected: Expected::Values(values.into_iter().collect()), ..self }
    }

    /// What was expected.
    pub fn into_expected(self) -> Expected {
        self.expected
    }

    /// The same error at `place`, unless it has a more exact place already.
    pub fn at(self, place: &Location) -> Self {
        Self { place: self.place.or_else(|| Some(place.clone())), ..self }
    }

    /// An unknown key, with the known ones.
    pub fn unknown_key(place: &Location, known: &[&'static str]) -> Self {
        let Location { file, line, key } = place;
        let keys = Expected::Keys(known.to_vec());
        let present = renamed(key).filter(|present| known.contains(present));
        let known = match (present, did_you_mean(key, known.iter().copied())) {
            (Some(present), _) => format!("; it was renamed to `{present}`"),
            (None, meant) if meant.is_empty() => format!("; expected one of {}", known.join(", ")),
            (None, meant) => meant,
        };
        let message = format!("{}:{line}: unknown key `{key}`{known}", file.display());
        Self { expected: keys, ..Self::of_file(message) }
    }
}

impl Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

impl de::Error for ConfigError {
    fn custom<T: Display>(message: T) -> Self {
        Self::of_file(message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self { expected: Expected::Type, ..Self::custom(format!("expected {expected}, found {}", kind(&found))) }
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        let names: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("expected {}, found `{found}`", names.join(" and "));
        Self { expected: Expected::Keys(expected.to_vec()), ..Self::custom(message) }
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(not_one_of(found, expected)).with_values(expected.iter().copied())
    }
}

/// The kind of a value in words. The value is not repeated: it could be a secret under the wrong key.
fn kind(found: &de::Unexpected<'_>) -> String {
    use de::Unexpected;
    match found {
        Unexpected::Bool(_) => "true or false".into(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number".into(),
        Unexpected::Float(_) => "a number with a decimal point".into(),
        Unexpected::Char(_) | Unexpected::Str(_) => "text".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a table".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_starts_at_the_folder_of_its_file() {
        let check = |file: &str, path: &str, expected: &str| {
            let place = Location { file: Path::new(file).into(), line: 1, key: "journal".into() };
            assert_eq!(place.path(path), Path::new(expected));
        };
        check("contactsync.toml", "journal.db", "journal.db");
        check("/etc/sync/contactsync.toml", "journal.db", "/etc/sync/journal.db");
        check("a/c.toml", "../b.db", "a/../b.db");
        check("/etc/c.toml", "/var/j.db", "/var/j.db");
    }
}
