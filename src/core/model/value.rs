//! Values of custom fields, and the comparison of two values.

mod hashed;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use self::hashed::{Forms, HashedValue, ValueKey, ValueKind};
use crate::core::decimal::Decimal;
use crate::core::nfc::nfc;
use crate::core::text::{Text, trimmed};

/// The value of a custom field, in the type in which it is written.
///
/// Values are sent as text, as in every documented request, unless a rule gives the field another type, because some
/// typed fields refuse a wrong one (API.md, trap 11). A value that the platform shows may have any type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A JSON number, digits kept.
    Number(serde_json::Number),
    /// Text.
    Text(Text),
    /// A known value of which only keyed hashes are kept. It compares with others as the value would. Serde refuses to write it, so
    /// that no call can carry it.
    #[serde(skip)]
    Hashed(Box<HashedValue>),
}

/// What stands for a value of which only hashes are kept.
pub const HASHED: &str = "(hashed)";

impl Value {
    /// The value as text, in the form that a search takes: a number is its exact decimal, without exponent or trailing zeros.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Number(number) => {
                let written = number.to_string();
                let plain = Decimal::of_json(&written).and_then(|decimal| decimal.plain());
                Cow::Owned(plain.unwrap_or(written))
            }
            Self::Text(text) => Cow::Borrowed(text),
            Self::Hashed(_) => Cow::Borrowed(HASHED),
        }
    }

    /// The value as it is sent where no rule gives the field a type: as text.
    #[must_use]
    pub fn into_text(self) -> Self {
        match self {
            value @ (Self::Text(_) | Self::Hashed(_)) => value,
            typed @ (Self::Bool(_) | Self::Number(_)) => Self::Text((*typed.text()).into()),
        }
    }

    /// Whether the platform treats the value as missing: the framework behind it trims text and turns `""` into null
    /// (API.md, trap 10).
    #[inline]
    pub fn is_blank(&self) -> bool {
        // Nearly all text is recognised by its first byte.
        let is_shown = |text: &Text| text.as_bytes().first().is_some_and(u8::is_ascii_graphic);
        matches!(self, Self::Text(text) if !is_shown(text) && trimmed(text).is_empty())
    }

    /// Whether the platform's value equals this one, so that its contact is an exact hit.
    ///
    /// Text is compared after trimming (API.md, trap 2). A JSON number is compared as an exact decimal, a boolean as `true`
    /// or `false` (API.md, trap 11); text with a leading zero or plus sign is not a number.
    pub fn is_shown_as(&self, shown: &Self) -> bool {
        match (self, shown) {
            (Self::Hashed(hashed), other) | (other, Self::Hashed(hashed)) => hashed.same(other),
            (Self::Text(text), Self::Text(other)) => trimmed(text) == trimmed(other),
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Text(text), Self::Bool(flag)) | (Self::Bool(flag), Self::Text(text)) => {
                trimmed(text).eq_ignore_ascii_case(if *flag { "true" } else { "false" })
            }
            (Self::Text(text), Self::Number(number)) | (Self::Number(number), Self::Text(text)) => {
                let text = Decimal::of_text(trimmed(text));
                text.is_some() && text == Decimal::of_number(number)
            }
            (Self::Number(one), Self::Number(other)) => {
                let decimal = Decimal::of_number(one);
                one == other || (decimal.is_some() && decimal == Decimal::of_number(other))
            }
            (Self::Bool(_), Self::Number(_)) | (Self::Number(_), Self::Bool(_)) => false,
        }
    }

    /// Whether writing one value over the other changes nothing that a reader can see.
    ///
    /// The platform trims text, and may return numbers and booleans for values that were written as text (API.md, trap 11).
    pub fn same(&self, other: &Self) -> bool {
        if let (Self::Hashed(hashed), other) | (other, Self::Hashed(hashed)) = (self, other) {
            return hashed.same(other);
        }
        if trimmed(&self.text()) == trimmed(&other.text()) {
            return true;
        }
        match (self, other) {
            (Self::Text(text), Self::Number(number)) | (Self::Number(number), Self::Text(text)) => {
                same_number(text, number)
            }
            (Self::Number(one), Self::Number(two)) => same_number(&one.to_string(), two),
            // Some platforms write TRUE (API.md, trap 9).
            (Self::Text(_), Self::Bool(_)) | (Self::Bool(_), Self::Text(_)) => self.is_shown_as(other),
            (Self::Text(_), Self::Text(_))
            | (Self::Bool(_) | Self::Hashed(_), _)
            | (_, Self::Bool(_) | Self::Hashed(_)) => false,
        }
    }

    /// Whether two values could be one value in two forms: a phone with or without its `+`, country code (API.md, trap 9) or the
    /// `1` of mobiles after `+52`; other case, punctuation or Unicode form; a number with or without `.0`; or cut short.
    pub fn resembles(&self, other: &Self) -> bool {
        if let (Self::Hashed(hashed), other) | (other, Self::Hashed(hashed)) = (self, other) {
            return hashed.resembles(other);
        }
        let (one, two) = (bare(self), bare(other));
        let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
        let are_digits = short.len() >= SHORTEST_PHONE && [&short, &long].iter().all(|text| text.bytes().all(is_digit));
        let is_phone = are_digits && (long.ends_with(&short) || long.ends_with(last_digits(&short)));
        let is_cut = short.chars().count() >= SHORTEST_CUT && long.starts_with(&short);
        let decimal = |value: &Self| Decimal::of_text(trimmed(&value.text()));
        let is_decimal = decimal(self).is_some_and(|one| decimal(other).is_some_and(|two| one == two));
        short == long || is_phone || is_cut || is_decimal || self.same(other)
    }

    /// Whether it is long enough to identify a person by itself.
    pub fn is_identifying(&self) -> bool {
        match self {
            Self::Hashed(hashed) => hashed.forms().is_identifying,
            Self::Text(_) | Self::Number(_) | Self::Bool(_) => {
                trimmed(&self.text()).chars().count() >= IDENTIFYING_CHARACTERS
            }
        }
    }

    /// Whether it has the characters of a phone number.
    pub fn is_written_as_phone(&self) -> bool {
        if let Self::Hashed(hashed) = self {
            return hashed.forms().is_phone;
        }
        let text = self.text();
        let is_part = |character: char| character.is_ascii_digit() || "+-.() ".contains(character);
        text.chars().all(is_part) && text.chars().filter(char::is_ascii_digit).count() >= SHORTEST_PHONE
    }
}

/// The letters and digits of a value, in lower case.
fn bare(value: &Value) -> String {
    nfc(&value.text()).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The number that a text stands for, unless neighbouring whole numbers share its f64.
fn exact_number(text: &str) -> Option<f64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    text.parse::<f64>().ok().filter(|number| number.abs() < EXACT)
}

// Beyond 2^53, only their text can distinguish them.
fn same_number(text: &str, number: &serde_json::Number) -> bool {
    match (exact_number(trimmed(text)), number.as_f64()) {
        (Some(one), Some(two)) => one.total_cmp(&two).is_eq(),
        (Some(_), None) | (None, _) => false,
    }
}

/// A custom field with the value to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The custom field's name on the platform.
    pub name: Text,
    /// The value to write.
    pub value: Value,
}

impl Field {
    /// A field that holds text.
    pub fn text(name: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self { name: name.into(), value: Value::Text(value.into()) }
    }
}

/// Minimum length of a match value that identifies a person by itself. Two CRMs may both number their customers from 1.
const IDENTIFYING_CHARACTERS: usize = 7;

/// Minimum length, in digits, of a phone number that may lack its country code.
const SHORTEST_PHONE: usize = 7;

/// Number of digits at the end of a phone number that no country or mobile prefix changes.
const SUBSCRIBER_DIGITS: usize = 8;

/// Minimum length, in characters, of a text that may be the beginning of a longer one.
const SHORTEST_CUT: usize = 15;

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn last_digits(digits: &str) -> &str {
    &digits[digits.len().saturating_sub(SUBSCRIBER_DIGITS)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn values_are_the_same_when_a_write_would_change_nothing() {
        let check = |one: &str, two: &str, same: bool| {
            assert_eq!(json(one).same(&json(two)), same, "{one} {two}");
            assert_eq!(json(two).same(&json(one)), same, "{two} {one}");
        };
        check(r#""a""#, r#"" a ""#, true);
        check(r#""a""#, r#""A""#, false);
        check(r#""5""#, "5", true);
        check(r#""5.0""#, "5", true);
        check("5.0", "5", true);
        check(r#""007""#, "7", true);
        check(r#""007""#, r#""7""#, false);
        check(r#""true""#, "true", true);
        check(r#""TRUE""#, "true", true);
        check(r#""false""#, "true", false);
        check("1", "true", false);
        check(r#""1000""#, "1e3", true);
        check(r#""1000""#, "1000.0", true);
        check(r#""1.5""#, "1.50", true);
        check(r#""0""#, "-0.0", true);
        check(r#""12345678901234567890""#, "12345678901234567890", true);
        check(r#""5.00""#, "5", true);
        check("9007199254740993", "9007199254740992", false);
        check(r#""9007199254740993""#, "9007199254740992", false);
    }
}
