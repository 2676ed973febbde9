//! The keys of the tables of the mapping, each declared once: its type, its default and its meaning.

use std::fmt::Display;
use std::str::FromStr;

use contactsync::contact::Value;
use contactsync::mapping::rules::{
    Blank, Country, DecimalMark, Pattern, Step, Template, Unmapped, ValueType, Words, WriteMode,
};

use super::{dates, step, word_table};
use crate::config::table::{ConfigItem, Table};
use crate::config::value;
use crate::options::{ConfigError, Located};

/// A key, for the reference and the schema.
#[derive(Clone, Copy)]
pub struct KeyInfo {
    pub name: &'static str,
    #[cfg(test)]
    pub default: &'static str,
    pub meaning: &'static str,
}

/// Declares the keys of a table. Each has its meaning, its default, its type, and the function that reads it.
macro_rules! keys {
    (@table) => { Table<'_> };
    (@table $life:lifetime) => { Table<$life> };
    (@name $key:ident) => { stringify!($key) };
    (@name $key:ident $name:literal) => { $name };
    ($(
        $(#[doc = $about:literal])+
        struct $table:ident $(<$life:lifetime>)? in $list:ident {
            $(
                $(#[doc = $meaning:literal])+
                #[default($default:literal)]
                $key:ident $(as $name:literal)?: $type:ty = $read:expr,
            )+
        }
    )+) => {$(
        $(#[doc = $about])+
        pub struct $table $(<$life>)? {
            $($(#[doc = $meaning])+ pub $key: $type,)+
        }

        impl $(<$life>)? $table $(<$life>)? {
            pub fn read(table: &mut keys!(@table $($life)?)) -> Result<Self, ConfigError> {
                Ok(Self { $($key: $read(table, keys!(@name $key $($name)?))?,)+ })
            }
        }

        /// Its keys, in the order in which they are read.
        pub const $list: &[KeyInfo] = &[$(KeyInfo {
            name: keys!(@name $key $($name)?),
            #[cfg(test)]
            default: $default,
            meaning: concat!($($meaning),+).trim_ascii_start(),
        },)+];
    )+};
}

keys! {
    /// The keys of the mapping above all tables.
    struct RulesTable<'f> in KEYS {
        /// What to do with columns that no rule names: `"send"`, `"ignore"` or `"refuse"`
        #[default("`\"send\"`")]
        unmapped: Unmapped = choice(&[("send", Unmapped::Send), ("ignore", Unmapped::Ignore), ("refuse", Unmapped::Refuse)]),
        /// The country of phone numbers without a country code, such as `"MX"`
        #[default("none")]
        country: Option<Located<Country>> = parsed,
        /// Words that mean that a cell is blank, in any column, such as `["N/A", "-"]`
        #[default("none")]
        nulls: Option<Words> = words,
        /// The column with the platform's contact id, or a table with `column` and `transform`
        #[default("column `contact_id`")]
        id: Option<ConfigItem<'f>> = item,
        /// A table with a line for each custom field: its column, or a table of the keys below
        #[default("none")]
        fields: Option<ConfigItem<'f>> = item,
        /// Tables `[[tags]]`: which columns, or which constant tags, become tags
        #[default("column `tags`")]
        tags: Option<ConfigItem<'f>> = item,
        /// Tables `[[take]]`: use only the rows for which all of them hold
        #[default("all rows")]
        take: Option<ConfigItem<'f>> = item,
    }

    /// The keys of the table of `id`.
    struct IdTable in ID_KEYS {
        /// The column with the contact id
        #[default("required")]
        column: Option<Located<String>> = text,
        /// A list of steps, applied in order
        #[default("none")]
        transform: Vec<Step> = steps,
    }

    /// The keys of a field's table under `[fields]`.
    struct FieldTable in FIELD_KEYS {
        /// The column with the value; one of `column`, `template` and `constant` is required
        #[default("none")]
        column: Option<Located<String>> = text,
        /// A text with columns in braces, such as `"{First} {Last}"`
        #[default("none")]
        template: Option<Located<Template>> = parsed,
        /// The same value for every row: a text, a whole number, or `true` or `false`
        #[default("none")]
        constant: Option<Value> = constant,
        /// The column with the country of each phone number, for the step `e164`
        #[default("none")]
        country_column: Option<Located<String>> = text,
        /// A list of steps, applied in order (below)
        #[default("none")]
        transform: Vec<Step> = steps,
        /// The JSON type in which the value is sent: `"text"`, `"number"` or `"boolean"`
        #[default("`\"text\"`")]
        value_type as "type": ValueType =
            choice(&[("text", ValueType::Text), ("number", ValueType::Number), ("boolean", ValueType::Boolean)]),
        /// What a blank cell does to the platform's value: `"keep"` or `"clear"`
        #[default("`\"keep\"`")]
        blank: Blank = choice(&[("keep", Blank::Keep), ("clear", Blank::Clear)]),
        /// When an existing contact gets the value: `"always"`, `"on_create"` (never), `"if_blank"` or `"with_others"`
        #[default("`\"always\"`")]
        write: WriteMode = choice(&[
            ("always", WriteMode::Always),
            ("on_create", WriteMode::OnCreate),
            ("if_blank", WriteMode::IfBlank),
            ("with_others", WriteMode::WithOthers),
        ]),
        /// Reject a row whose value is blank
        #[default("`false`")]
        required: bool = flag,
        /// A list of accepted values; other values are rejected
        #[default("all values")]
        accept: Option<Vec<Located<String>>> = texts,
        /// A regular expression that the whole value must match; other values are rejected
        #[default("all values")]
        pattern: Option<Located<Pattern>> = parsed,
    }

    /// The keys of a table `[[tags]]`.
    struct TagTable in TAG_KEYS {
        /// The column with the tags, or with the answer that `tag` depends on
        #[default("none")]
        column: Option<Located<String>> = text,
        /// The texts that separate tags in a cell
        #[default("`;`, `|` and `,`")]
        separators: Option<Vec<Located<String>>> = texts,
        /// Tags to leave out
        #[default("none")]
        except: Option<Words> = words,
        /// The tag to set when the cell means yes
        #[default("none")]
        tag: Option<Located<String>> = text,
        /// The words that mean yes, for `tag`
        #[default("words for yes")]
        when: Option<Words> = words,
        /// Tags for every row
        #[default("none")]
        constant: Option<Vec<Located<String>>> = texts,
        /// A text to put before each tag
        #[default("none")]
        prefix: Option<Located<String>> = text,
        /// Remove these tags instead of adding them
        #[default("`false`")]
        remove: bool = flag,
    }

    /// The keys of a table `[[take]]`.
    struct TakeTable in TAKE_KEYS {
        /// The column to look at
        #[default("required")]
        column: Option<Located<String>> = text,
        /// Use rows with one of these values
        #[default("none")]
        is: Option<Words> = words,
        /// Use rows with none of these values
        #[default("none")]
        is_not: Option<Words> = words,
        /// Use rows with a value
        #[default("`false`")]
        not_blank: bool = flag,
    }
}

/// Declares the steps with a parameter. Each has its meaning, an example of its parameter, and the function that reads it.
macro_rules! steps_in_braces {
    ($(
        $(#[doc = $meaning:literal])+
        #[example($example:literal)]
        $key:ident = $read:expr,
    )+) => {
        /// The names of the steps that are written in braces, with a parameter.
        pub const STEPS_IN_BRACES: &[&str] = &[$(stringify!($key)),+];

        /// Reads the steps of a table in braces.
        pub fn steps_in_braces(table: &mut Table<'_>) -> Result<Vec<Step>, ConfigError> {
            Ok([$($read(table, stringify!($key))?),+].into_iter().flatten().collect())
        }

        /// The steps with their parameters. The default is an example.
        pub const STEP_KEYS: &[KeyInfo] = &[$(KeyInfo {
            name: stringify!($key),
            #[cfg(test)]
            default: $example,
            meaning: concat!($($meaning),+).trim_ascii_start(),
        },)+];
    };
}

steps_in_braces! {
    /// Write a phone number of this country as `+` and digits
    #[example("\"MX\"")]
    e164 = e164,
    /// Read a date in this form, or in one of a list, and write it in ISO 8601
    #[example("\"DD/MM/YYYY\"")]
    date = |table: &mut Table<'_>, key| table.item(key).map(dates).transpose(),
    /// Replace words by other words
    #[example("{ B = \"basic\" }")]
    table = |table: &mut Table<'_>, key| table.item(key).map(word_table).transpose(),
    /// Use this value for a blank one
    #[example("\"none\"")]
    default = |table: &mut Table<'_>, key| Ok(table.text(key)?.map(|set| Step::Default(set.value))),
    /// Treat these words as blank
    #[example("\"?\"")]
    null = |table: &mut Table<'_>, key| Ok(words(table, key)?.map(Step::Null)),
    /// Keep the text before the first separator
    #[example("\";\"")]
    first = |table: &mut Table<'_>, key| Ok(table.text(key)?.map(|set| Step::First(set.value))),
    /// The same as `"decimal"`, for numbers with this decimal separator
    #[example("\",\"")]
    decimal = decimal,
    /// Put a text before the value
    #[example("\"EUR \"")]
    prefix = |table: &mut Table<'_>, key| Ok(table.text(key)?.map(|set| Step::Prefix(set.value))),
}

/// A step that is written by its name alone.
pub struct NamedStep {
    pub name: &'static str,
    pub step: Step,
    pub meaning: &'static str,
}

macro_rules! named_steps {
    ($($(#[doc = $meaning:literal])+ $name:literal: $step:expr,)+) => {
        /// The steps that are written by their names alone.
        pub const NAMED_STEPS: &[NamedStep] = &[$(NamedStep {
            name: $name,
            step: $step,
            meaning: concat!($($meaning),+).trim_ascii_start(),
        },)+];
    };
}

named_steps! {
    /// Remove blanks at both ends
    "trim": Step::Trim,
    /// Convert to lower case
    "lower": Step::Lower,
    /// Convert to upper case
    "upper": Step::Upper,
    /// Replace each run of blanks by one space
    "collapse_spaces": Step::CollapseSpaces,
    /// Keep digits only
    "digits": Step::Digits,
    /// Write a phone number as `+` and digits, with the country of `country` or `country_column`
    "e164": Step::E164(None),
    /// Write a number with a decimal point and without thousands separators
    "decimal": Step::Decimal(None),
}

fn text(table: &mut Table<'_>, key: &'static str) -> Result<Option<Located<String>>, ConfigError> {
    table.text(key)
}

fn flag(table: &mut Table<'_>, key: &'static str) -> Result<bool, ConfigError> {
    Ok(table.flag(key)?.is_some_and(value))
}

#[expect(clippy::unnecessary_wraps, reason = "as the other readers")]
fn item<'f>(table: &mut Table<'f>, key: &'static str) -> Result<Option<ConfigItem<'f>>, ConfigError> {
    Ok(table.item(key))
}

fn constant(table: &mut Table<'_>, key: &'static str) -> Result<Option<Value>, ConfigError> {
    table.item(key).map(ConfigItem::value).transpose()
}

fn texts(table: &mut Table<'_>, key: &'static str) -> Result<Option<Vec<Located<String>>>, ConfigError> {
    table.item(key).map(ConfigItem::texts).transpose()
}

fn words(table: &mut Table<'_>, key: &'static str) -> Result<Option<Words>, ConfigError> {
    Ok(texts(table, key)?.map(|texts| Words::new(texts.into_iter().map(value))))
}

fn steps(table: &mut Table<'_>, key: &'static str) -> Result<Vec<Step>, ConfigError> {
    table.item(key).map(ConfigItem::list).unwrap_or_default().into_iter().map(step).collect()
}

fn parsed<T: FromStr<Err: Display>>(
    table: &mut Table<'_>,
    key: &'static str,
) -> Result<Option<Located<T>>, ConfigError> {
    table.parsed(key, |text| text.parse().map_err(|error: T::Err| error.to_string()))
}

fn choice<T: Clone + Default>(
    all: &'static [(&'static str, T)],
) -> impl Fn(&mut Table<'_>, &'static str) -> Result<T, ConfigError> {
    |table, key| Ok(table.choice(key, all)?.map(value).unwrap_or_default())
}

fn e164(table: &mut Table<'_>, key: &'static str) -> Result<Option<Step>, ConfigError> {
    Ok(parsed(table, key)?.map(|set| Step::E164(Some(set.value))))
}

fn decimal(table: &mut Table<'_>, key: &'static str) -> Result<Option<Step>, ConfigError> {
    let mark = |text: &str| match text {
        "." => Ok(DecimalMark::Point),
        "," => Ok(DecimalMark::Comma),
        _ => Err("expected \",\" or \".\", found another text".to_owned()),
    };
    Ok(table.parsed(key, mark)?.map(|set| Step::Decimal(Some(set.value))))
}
