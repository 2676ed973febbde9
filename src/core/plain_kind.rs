//! The kind of a plain JSON value by its form, which distinguishes the values of a list without keys.

use serde_json::Value as Json;

use crate::core::text::visible;

/// The fewest digits of a phone, and the most of a number in other text.
const PHONE_DIGITS: usize = 7;
const TEXT_DIGITS: usize = 4;

/// The kind of a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainKind {
    Email,
    Phone,
    Date,
    Url,
    /// Other text, with letters and few digits.
    Text,
}

impl PlainKind {
    /// The kind of a value; `None` for a blank, a short number, and a value that may be of several kinds.
    pub(crate) fn of(json: &Json) -> Option<Self> {
        match json {
            Json::String(text) => Self::of_text(text),
            Json::Number(number) => (number.as_u64()?.to_string().len() >= PHONE_DIGITS).then_some(Self::Phone),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// The kind of a text.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let text = visible(text);
        let text = text.trim();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let has_letters = text.chars().any(char::is_alphabetic);
        let has_blanks = text.contains(char::is_whitespace);
        if ["http://", "https://", "www."].iter().any(|start| text.starts_with(start)) {
            Some(Self::Url)
        } else if text.contains('@') {
            (has_letters && !has_blanks).then_some(Self::Email)
        } else if is_date(text) {
            Some(Self::Date)
        } else if has_letters {
            (digits <= TEXT_DIGITS).then_some(Self::Text)
        } else {
            (digits >= PHONE_DIGITS).then_some(Self::Phone)
        }
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Email => "e-mail",
            Self::Phone => "phone",
            Self::Date => "date",
            Self::Url => "url",
            Self::Text => "text",
        }
    }

    /// Whether other text, such as a remark in place of a missing value, cannot be mistaken for it.
    pub(crate) const fn is_sure(self) -> bool {
        match self {
            Self::Email | Self::Phone | Self::Date | Self::Url => true,
            Self::Text => false,
        }
    }
}

// Whether a text begins with a date of numbers that has a year of four digits: `1990-05-17`, `17/05/1990`.
fn is_date(text: &str) -> bool {
    let date = text.split(['T', ' ']).next().unwrap_or_default();
    let Some(separator) = date.chars().find(|character| "-/.".contains(*character)) else { return false };
    let lengths: Vec<usize> = date.split(separator).map(str::len).collect();
    let is_of_digits = date.chars().all(|character| character == separator || character.is_ascii_digit());
    is_of_digits && matches!(lengths.as_slice(), [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_have_a_kind_by_their_form() {
        let check = |json: Json, expected: Option<PlainKind>| assert_eq!(PlainKind::of(&json), expected, "{json}");
        for text in ["ann@x.mx", " Ann@X.mx ", "\u{200b}a1234567@x.mx"] {
            check(text.into(), Some(PlainKind::Email));
        }
        for text in ["+52 55 1234 5671", "(55) 1234-5671", "5512345671", "55.1234.5671", "2025-551234"] {
            check(text.into(), Some(PlainKind::Phone));
        }
        for text in ["1990-05-17", "17/05/1990", "5/17/1990", "17.05.1990", "1990-05-17T10:00:00Z", "1990-05-17 10:00"]
        {
            check(text.into(), Some(PlainKind::Date));
        }
        for text in ["https://x.mx/ann@y", "www.x.mx", "http://x.mx/1234567"] {
            check(text.into(), Some(PlainKind::Url));
        }
        for text in ["Ann", "Calle 5", "n/a", "José"] {
            check(text.into(), Some(PlainKind::Text));
        }
        for text in ["", " ", "5", "12345", "ask for ann@x.mx", "55 1234 5671 ext. 5", "A1234567", "@", "-"] {
            check(text.into(), None);
        }
        check(525_512_345_671_u64.into(), Some(PlainKind::Phone));
        check(1990.into(), None);
        check(Json::from(-99.123_456_7), None);
        check(true.into(), None);
        check(Json::Null, None);
    }
}
