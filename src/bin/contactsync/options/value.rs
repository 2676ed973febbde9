//! The types of values of options and keys. clap reads each from the command line, serde from the file, and both report the
//! same errors.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{StringValueParser, TryMapValueParser, TypedValueParser, ValueParserFactory};
use contactsync::client::{ChannelKind, Preset, UnknownPreset, preset};
use contactsync::options::BadMark;
use contactsync::{Duplicates, KeptValues, Mark, Mode, TagsMode};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use super::place::{Location, SettingOrigin, Sourced};
use super::token_command::TokenCommand;

/// The largest number that a key of the configuration can hold.
const MOST: u64 = i64::MAX as u64;

/// A number of contacts.
pub type ContactCount = WholeNumber<1, MOST>;

/// A number of calls.
pub type Calls = WholeNumber<1, MOST>;

/// Calls a minute, or calls at once.
pub type Rate = WholeNumber<1, { u32::MAX as u64 }>;

/// Calls in flight.
pub type Concurrency = WholeNumber<1, { u16::MAX as u64 }>;

/// Lines of a file.
pub type LineCount = WholeNumber<0, MOST>;

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeNumber<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> WholeNumber<LEAST, MOST> {
    pub const fn get(self) -> u64 {
        self.0
    }

    fn of(number: i128) -> Option<Self> {
        u64::try_from(number).ok().filter(|number| (LEAST..=MOST).contains(number)).map(Self)
    }

    fn expected(found: impl Display) -> String {
        format!("expected a whole number from {LEAST} to {MOST}, found {found}")
    }
}

/// Reads a whole number up to the largest one of the type, for an option without a key.
pub fn whole_number<T, const LARGEST: u64>(text: &str) -> Result<T, String>
where
    T: TryFrom<u64>,
{
    let WholeNumber(number) = text.parse::<WholeNumber<0, LARGEST>>()?;
    T::try_from(number).map_err(|_| WholeNumber::<0, LARGEST>::expected(format_args!("`{text}`")))
}

impl Rate {
    pub fn non_zero(self) -> NonZeroU32 {
        u32::try_from(self.0).ok().and_then(NonZeroU32::new).expect("it is from 1 to the largest u32")
    }
}

impl Concurrency {
    pub fn non_zero(self) -> NonZeroU32 {
        u32::try_from(self.0).ok().and_then(NonZeroU32::new).expect("it is from 1 to the largest u16")
    }
}

impl<const LEAST: u64, const MOST: u64> FromStr for WholeNumber<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::of).ok_or_else(|| Self::expected(format_args!("`{text}`")))
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for WholeNumber<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number<const LEAST: u64, const MOST: u64>;

        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Number<LEAST, MOST> {
            type Value = WholeNumber<LEAST, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {LEAST}")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_i128(number.into())
            }

            fn visit_i128<E: de::Error>(self, number: i128) -> Result<Self::Value, E> {
                WholeNumber::of(number).ok_or_else(|| E::custom(WholeNumber::<LEAST, MOST>::expected(number)))
            }
        }

        deserializer.deserialize_any(Number::<LEAST, MOST>)
    }
}

/// A time such as `300ms`, `30s`, `5m` or `2h`; a plain number is in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("expected a time such as 300ms, 30s, 5m, 2h or 90d, found `{text}`");
        let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let number: u64 = digits.parse().map_err(|_| expected())?;
        let millis = match unit {
            "ms" => Some(number),
            "" | "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            "d" => number.checked_mul(86_400_000),
            _ => None,
        };
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or_else(expected)
    }
}

impl Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        match units.into_iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// A platform by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresetArg(pub &'static Preset);

impl FromStr for PresetArg {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        preset(name).map(Self)
    }
}

/// A number of rows, not a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCount(pub u64);

impl FromStr for RowCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| format!("expected a number of rows such as 900, found `{text}`"))
    }
}

/// A field and a value that a contact must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldValue {
    pub field: String,
    pub value: String,
}

impl FieldValue {
    const EXPECTED: &'static str = "expected FIELD=VALUE, or a table such as { field = \"source\", value = \"crm\" }";

    fn of(field: &str, value: &str) -> Option<Self> {
        let (field, value) = (field.trim(), value.trim());
        (!field.is_empty() && !value.is_empty()).then(|| Self { field: field.to_owned(), value: value.to_owned() })
    }
}

impl FromStr for FieldValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let both = text.split_once('=').and_then(|(field, value)| Self::of(field, value));
        both.ok_or_else(|| format!("{}, found `{text}`", Self::EXPECTED))
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(pub String);

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        if name.is_empty() { Err("expected a tag, found blank text".into()) } else { Ok(Self(name.to_owned())) }
    }
}

/// `--on-missing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnMissingArg {
    /// They are only counted.
    Ignore,
    /// They get this mark.
    Mark(Mark),
}

impl FromStr for OnMissingArg {
    type Err = BadMark;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "ignore" { Ok(Self::Ignore) } else { text.parse().map(Self::Mark) }
    }
}

/// A command line for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand(pub String);

impl FromStr for ShellCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The shell would run it, and its empty output would be an empty input.
        if text.trim().is_empty() { Err("the command is empty".into()) } else { Ok(Self(text.to_owned())) }
    }
}

/// A text that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            Err("expected a text, found an empty one".into())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Options with a fixed set of values, each the library's of the same name. The first value is the default.
macro_rules! choices {
    ($($(#[$about:meta])* $name:ident is $target:ty {
        $(#[doc = $first_doc:literal])* $first:ident, $($(#[doc = $doc:literal])* $variant:ident,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[doc = $first_doc])* #[default] $first,
            $($(#[doc = $doc])* $variant,)*
        }

        impl From<$name> for $target {
            fn from(choice: $name) -> Self {
                match choice {
                    $name::$first => Self::$first,
                    $($name::$variant => Self::$variant,)*
                }
            }
        }
    )*};
}

choices! {
    /// `--mode`.
    ModeArg is Mode {
        /// Create missing contacts and update existing ones
        Upsert,
        /// Create contacts that the journal does not know, without a search; skip the others
        Create,
        /// Update existing contacts only
        Update,
    }

    /// `--tags-mode`.
    TagsModeArg is TagsMode {
        /// Keep them
        Add,
        /// Remove those that contactsync added; tags that others added stay
        Mirror,
        /// Remove all of them, also those of others; each known contact is read once
        MirrorAll,
    }

    /// `--duplicates`.
    DuplicatesArg is Duplicates {
        /// Use the last row
        Last,
        /// Use the first row
        First,
        /// Combine all rows: later values win, blank cells keep earlier values
        Merge,
        /// Use the first row and reject the others
        Reject,
    }

    /// `--values`.
    KeptValuesArg is KeptValues {
        /// Values are kept as they are
        Plain,
        /// Keyed hashes are kept in place of values
        Hashed,
    }

    /// `--channel-kind`.
    KindArg is ChannelKind {
        /// Contact ids are sent unchanged
        Standard,
        /// Contact ids are encoded in Base64
        Viber,
    }
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text with date and time
    Text,
    /// One JSON object per line
    Json,
}

/// Parses a text.
struct Text<F> {
    parse: F,
    /// Whether a whole number is accepted as a text, so that `30` needs no quotes.
    takes_numbers: bool,
}

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        if self.takes_numbers {
            self.visit_str(&number.to_string())
        } else {
            Err(E::invalid_type(Unexpected::Signed(number), &self))
        }
    }
}

/// A value that is written as a text, a whole number or a time of day.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    deserializer.deserialize_any(Text { parse: from_text, takes_numbers: true }).map(Some)
}

/// A field and a value: one text, or a table of both.
pub fn field_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FieldValue>, D::Error> {
    struct Both;

    impl<'de> Visitor<'de> for Both {
        type Value = FieldValue;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text in quotes, or a table with `field` and `value`")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<FieldValue, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<FieldValue, A::Error> {
            let (mut field, mut value) = (None, None);
            while let Some(key) = table.next_key::<String>()? {
                match key.as_str() {
                    "field" => field = Some(table.next_value::<String>()?),
                    "value" => value = Some(table.next_value::<String>()?),
                    _ => return Err(de::Error::unknown_field(&key, &["field", "value"])),
                }
            }
            let both = field.zip(value).and_then(|(field, value)| FieldValue::of(&field, &value));
            both.ok_or_else(|| de::Error::custom(FieldValue::EXPECTED))
        }
    }

    deserializer.deserialize_map(Both).map(Some)
}

/// The same with its place.
pub fn parsed_sourced<'de, D, T>(deserializer: D) -> Result<Option<Sourced<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    sourced(deserializer, Text { parse: from_text, takes_numbers: true }).map(Some)
}

/// A text that is not blank.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sourced<Name>>, D::Error> {
    sourced(deserializer, Text { parse: from_text, takes_numbers: false }).map(Some)
}

/// A path. A relative path in a file starts at the folder of that file.
pub fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(sourced_path(deserializer)?.map(|path| path.value))
}

/// The same with its place.
pub fn sourced_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sourced<PathBuf>>, D::Error> {
    Ok(name(deserializer)?.map(|name| match &name.origin {
        SettingOrigin::Key(place) => Sourced { value: place.path(&name.0), origin: name.origin },
        SettingOrigin::Option(_) => name.map(|name| name.0.into()),
    }))
}

/// The name of an environment variable. Another text is not repeated: it may be the token under the wrong key.
pub fn variable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sourced<String>>, D::Error> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let parse = |text: &str| {
        let begins = text.starts_with(|character: char| is_name(character) && !character.is_ascii_digit());
        if begins && text.chars().all(is_name) {
            Ok(text.to_owned())
        } else {
            Err("expected the name of an environment variable, such as CONTACTSYNC_TOKEN, found another text"
                .to_owned())
        }
    };
    sourced(deserializer, Text { parse, takes_numbers: false }).map(Some)
}

/// One text, or a list of texts.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    deserializer.deserialize_any(Texts).map(Some)
}

/// A command: one text, which is split into words, or a list of them. A relative program starts at the folder of the file.
pub fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sourced<TokenCommand>>, D::Error> {
    struct Command;

    impl<'de> Visitor<'de> for Command {
        type Value = TokenCommand;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text in quotes")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<TokenCommand, E> {
            TokenCommand::parse(text).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<TokenCommand, A::Error> {
            TokenCommand::of(Texts.visit_seq(words)?).map_err(de::Error::custom)
        }
    }

    let command = sourced(deserializer, Command)?;
    Ok(Some(match command.origin {
        SettingOrigin::Key(place) => {
            let value = command.value.relative_to(|path| place.path(path));
            Sourced { value, origin: SettingOrigin::Key(place) }
        }
        SettingOrigin::Option(_) => command,
    }))
}

fn from_text<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(texts)
    }
}

/// The name with which a type requests its place from the deserializer of the configuration, as `toml::Spanned` requests its span.
pub const SOURCED: &str = "$contactsync::Sourced";

// A value with its place.
fn sourced<'de, D: Deserializer<'de>, V: Visitor<'de>>(
    deserializer: D,
    visitor: V,
) -> Result<Sourced<V::Value>, D::Error> {
    struct Seed<V>(V);

    impl<'de, V: Visitor<'de>> de::DeserializeSeed<'de> for Seed<V> {
        type Value = V::Value;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
            deserializer.deserialize_any(self.0)
        }
    }

    struct WithPlace<V>(V);

    impl<'de, V: Visitor<'de>> Visitor<'de> for WithPlace<V> {
        type Value = Sourced<V::Value>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
            let missing = || de::Error::invalid_value(Unexpected::Seq, &"a value with its place");
            let value = parts.next_element_seed(Seed(self.0))?.ok_or_else(missing)?;
            let file: Vec<u8> = parts.next_element()?.ok_or_else(missing)?;
            let line: u64 = parts.next_element()?.ok_or_else(missing)?;
            let key = parts.next_element()?.ok_or_else(missing)?;
            let file = Path::new(OsStr::from_bytes(&file)).into();
            let line = usize::try_from(line).map_err(de::Error::custom)?;
            Ok(Sourced { value, origin: SettingOrigin::Key(Location { file, line, key }) })
        }
    }

    deserializer.deserialize_tuple_struct(SOURCED, 4, WithPlace(visitor))
}

/// Reads an option's value with `P`, and adds the option's name.
#[derive(Clone)]
pub struct SourcedParser<P>(pub P);

impl<P: TypedValueParser> TypedValueParser for SourcedParser<P> {
    type Value = Sourced<P::Value>;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let option = argument.and_then(clap::Arg::get_long).map(|long| format!("--{long}")).unwrap_or_default();
        self.0.parse_ref(command, argument, value).map(|value| Sourced::typed(option, value))
    }
}

impl<T> ValueParserFactory for Sourced<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: Display,
{
    type Parser = SourcedParser<TryMapValueParser<StringValueParser, fn(String) -> Result<T, String>>>;

    fn value_parser() -> Self::Parser {
        let parse: fn(String) -> Result<T, String> = |text| text.parse().map_err(|error: T::Err| error.to_string());
        SourcedParser(StringValueParser::new().try_map(parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let check = |text: &str, millis: u64| {
            assert_eq!(text.parse(), Ok(TimeSpan(Duration::from_millis(millis))), "{text}");
        };
        check("300ms", 300);
        check("30s", 30_000);
        check("30", 30_000);
        check("5m", 300_000);
        check("2h", 7_200_000);
        check("90d", 7_776_000_000);
        for text in ["0ms", "300ms", "1500ms", "30s", "5m", "90m", "2h"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
        for text in ["", "s", "1w", "-1s", "1.5s", "99999999999999999h"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_is_in_its_range() {
        let check = |text: &str, expected: Result<u64, &str>| {
            assert_eq!(text.parse().map(WholeNumber::<1, 65_535>::get), expected.map_err(str::to_owned), "{text}");
        };
        check("1", Ok(1));
        check("65535", Ok(65_535));
        for text in ["0", "65536", "-1", "1.5", "many", "", "99999999999999999999999999999999999999999999"] {
            check(text, Err(&format!("expected a whole number from 1 to 65535, found `{text}`")));
        }
    }
}
