//! Forms in which a platform stores and returns a value, other than the one that was sent (API.md, traps 9 and 11).

use std::str::FromStr;

use serde_json::Number;
use unicode_normalization::UnicodeNormalization as _;

use crate::core::model::Value;

/// Number of characters that [`StoredForm::Cut`] keeps.
const CUT_CHARACTERS: usize = 20;

/// Number of digits of a Mexican number after `+52`, without and with the former mobile prefix `1`.
const MEXICAN_DIGITS: (usize, usize) = (10, 11);

/// The form in which a platform stores a value that was sent as text. Values to which it does not apply stay unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredForm {
    /// `+52…` with ten digits becomes `+521…`, the form of `WhatsApp`, and `+521…` becomes `+52…`.
    MexicanMobile,
    /// A leading `+` is added to digits.
    WithPlus,
    /// A leading `+` is removed.
    WithoutPlus,
    /// Unicode NFC.
    Nfc,
    /// Unicode NFD.
    Nfd,
    /// Text is cut after 20 characters.
    Cut,
    /// Digits, with or without `+` and leading zeros, become a JSON number.
    Number,
    /// `.0` is added to digits, as a column of decimal numbers does.
    Decimal,
    /// `true` and `false` in any case become JSON booleans.
    Boolean,
    /// The value is accepted and not stored, as that of a field whose name is misspelt.
    Dropped,
}

impl StoredForm {
    const NAMES: [(&'static str, Self); 10] = [
        ("mexican-mobile", Self::MexicanMobile),
        ("with-plus", Self::WithPlus),
        ("without-plus", Self::WithoutPlus),
        ("nfc", Self::Nfc),
        ("nfd", Self::Nfd),
        ("cut", Self::Cut),
        ("number", Self::Number),
        ("decimal", Self::Decimal),
        ("boolean", Self::Boolean),
        ("dropped", Self::Dropped),
    ];

    /// Returns the value as it is stored.
    pub fn keep(self, value: Value) -> Value {
        let Value::Text(text) = &value else { return value };
        let kept = match self {
            Self::MexicanMobile => mexican_mobile(text),
            Self::WithPlus => digits(text).map(|digits| format!("+{digits}")),
            Self::WithoutPlus => text.strip_prefix('+').map(str::to_owned),
            Self::Nfc => Some(text.nfc().collect()),
            Self::Nfd => Some(text.nfd().collect()),
            Self::Cut => Some(text.chars().take(CUT_CHARACTERS).collect()),
            Self::Decimal => digits(text).map(|digits| format!("{digits}.0")),
            Self::Number => return number(text).map_or(value, Value::Number),
            Self::Boolean => return boolean(text).map_or(value, Value::Bool),
            Self::Dropped => Some(String::new()),
        };
        kept.map_or(value, |text| Value::Text(text.into()))
    }
}

impl FromStr for StoredForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, form)| *form);
        known.ok_or_else(|| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            format!("unknown form `{text}`; expected one of {}", names.join(", "))
        })
    }
}

fn mexican_mobile(text: &str) -> Option<String> {
    let digits = digits(text.strip_prefix("+52")?)?;
    match digits.strip_prefix('1') {
        Some(rest) if digits.len() == MEXICAN_DIGITS.1 => Some(format!("+52{rest}")),
        Some(_) | None => (digits.len() == MEXICAN_DIGITS.0).then(|| format!("+521{digits}")),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = digits(text.strip_prefix('+').unwrap_or(text))?;
    digits.parse::<u64>().ok().map(Number::from)
}

fn boolean(text: &str) -> Option<bool> {
    text.to_lowercase().parse().ok()
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_keeps_what_a_platform_keeps() {
        let text = |text: &str| Value::Text(text.into());
        let check = |form: &str, sent: &str, kept: Value| {
            let form: StoredForm = form.parse().unwrap();
            assert_eq!(form.keep(text(sent)), kept, "{form:?} {sent}");
        };
        check("mexican-mobile", "+525512345678", text("+5215512345678"));
        check("mexican-mobile", "+5215512345678", text("+525512345678"));
        check("mexican-mobile", "+34600000000", text("+34600000000"));
        check("mexican-mobile", "+521", text("+521"));
        check("with-plus", "34600000000", text("+34600000000"));
        check("with-plus", "+34600000000", text("+34600000000"));
        check("without-plus", "+34600000000", text("34600000000"));
        check("nfc", "Jose\u{301}", text("José"));
        check("nfd", "José", text("Jose\u{301}"));
        check("cut", "maria.fernandez.garcia@example.com", text("maria.fernandez.garc"));
        check("cut", "ééééééééééééééééééééé", text("éééééééééééééééééééé"));
        check("number", "12345", Value::Number(12_345.into()));
        check("number", "007", Value::Number(7.into()));
        check("number", "+34600", Value::Number(34_600.into()));
        check("number", "12a", text("12a"));
        check("decimal", "12345", text("12345.0"));
        check("decimal", "A-1", text("A-1"));
        check("boolean", "TRUE", Value::Bool(true));
        check("boolean", "yes", text("yes"));
        assert_eq!(StoredForm::Cut.keep(Value::Bool(true)), Value::Bool(true));
        assert!("bigger".parse::<StoredForm>().is_err_and(|error| error.contains("mexican-mobile")));
    }
}
