//! Plain decimal numbers, compared digit by digit. As floats, different large numbers could compare as equal.

use crate::core::text::is_digits;

/// A decimal number in canonical form: the sign, the digits without leading or trailing zeros, and the power of ten of
/// the last digit.
#[derive(Debug, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

/// Maximum number of digits of a JSON number with a fraction or an exponent. Further digits may be lost when it is
/// parsed.
const EXACT_DIGITS: usize = 15;

/// Maximum number of digits of a number that is written in plain form. Every float has fewer, except some that no program
/// writes.
pub const PLAIN_DIGITS: usize = 400;

impl Decimal {
    /// Parses a number as JSON writes it, with all its digits.
    pub fn of_json(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    /// Parses text that is to be sent as a JSON number: a sign or none, digits, and a fraction or none. Leading zeros do
    /// not count; `.5` is 0.5. `None` for anything else, such as an exponent or separators of thousands.
    pub fn of_words(text: &str) -> Option<Self> {
        if text.contains(['e', 'E']) {
            return None;
        }
        let unsigned = text.strip_prefix('+').filter(|rest| !rest.starts_with('-')).unwrap_or(text);
        match unsigned.strip_prefix('-').map_or(("", unsigned), |rest| ("-", rest)) {
            (sign, rest) if rest.starts_with('.') => Self::parse(&format!("{sign}0{rest}")),
            _ => Self::parse(unsigned),
        }
    }

    /// The number in plain form: a sign when it is negative, digits, and a fraction without trailing zeros. No exponent.
    /// `None` when that takes more than [`PLAIN_DIGITS`] digits.
    pub fn plain(&self) -> Option<String> {
        let digits = i64::try_from(self.digits.len()).ok()?;
        let most = i64::try_from(PLAIN_DIGITS).ok()?;
        // How many digits stand before the point.
        let whole = digits.checked_add(self.exponent)?;
        let decimals = digits.checked_sub(whole)?;
        if whole > most || digits.max(decimals) > most {
            return None;
        }
        let sign = if self.is_negative { "-" } else { "" };
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        Some(match usize::try_from(whole) {
            _ if self.digits.is_empty() => "0".to_owned(),
            Ok(whole) if whole >= self.digits.len() => format!("{sign}{}{}", self.digits, zeros(self.exponent)),
            Ok(whole) if whole > 0 => format!("{sign}{}.{}", &self.digits[..whole], &self.digits[whole..]),
            Ok(_) | Err(_) => format!("{sign}0.{}{}", zeros(-whole), self.digits),
        })
    }

    /// The number as JSON keeps it: a whole one of 64 bits, else a float that has exactly these digits. `None` when
    /// neither has.
    pub fn number(&self) -> Option<serde_json::Number> {
        let plain = self.plain()?;
        if let Ok(whole) = plain.parse::<i64>() {
            return Some(whole.into());
        }
        if let Ok(whole) = plain.parse::<u64>() {
            return Some(whole.into());
        }
        let number = serde_json::Number::from_f64(plain.parse().ok()?)?;
        (Self::parse(&number.to_string()).as_ref() == Some(self)).then_some(number)
    }

    /// Parses text from the input. `None` unless it is a number in plain form: no plus sign, no leading zero, no
    /// exponent. `0012` and `+12` are text.
    pub fn of_text(text: &str) -> Option<Self> {
        let (whole, _) = text.split_once('.').unwrap_or((text, ""));
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        let is_plain = whole == "0" || !whole.starts_with('0');
        if text.contains(['e', 'E']) || !is_plain { None } else { Self::parse(text) }
    }

    /// Parses a JSON number. `None` when it may have lost digits.
    pub fn of_number(number: &serde_json::Number) -> Option<Self> {
        let decimal = Self::parse(&number.to_string())?;
        (!number.is_f64() || decimal.digits.len() <= EXACT_DIGITS).then_some(decimal)
    }

    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (is_negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
        let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
        if !is_digits(whole) || fraction.is_some_and(|fraction| !is_digits(fraction)) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: 0 });
        }
        let places = i64::try_from(fraction.len()).ok()?;
        let dropped = i64::try_from(significant.len() - digits.len()).ok()?;
        let exponent = exponent.checked_sub(places)?.checked_add(dropped)?;
        Some(Self { is_negative, digits: digits.to_owned(), exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_plain_form_has_no_exponent_and_no_trailing_zeros() {
        let check = |json: &str, expected: &str| {
            assert_eq!(Decimal::of_json(json).and_then(|decimal| decimal.plain()).as_deref(), Some(expected), "{json}");
        };
        check("0", "0");
        check("-0", "0");
        check("-0.0e5", "0");
        check("7", "7");
        check("-7", "-7");
        check("1.50", "1.5");
        check("1.0", "1");
        check("100", "100");
        check("1e3", "1000");
        check("1E+3", "1000");
        check("1.25e1", "12.5");
        check("12e-1", "1.2");
        check("-12e-4", "-0.0012");
        check("0.05", "0.05");
        check("5.2155E+12", "5215500000000");
        for json in ["1e-9223372036854775808", "1.5e-9223372036854775807", "1e9223372036854775807"] {
            assert_eq!(Decimal::of_json(json).and_then(|decimal| decimal.plain()), None, "{json}");
        }
        check("12345678901234567890", "12345678901234567890");
        check("123456789012345678901234.5", "123456789012345678901234.5");
        check("1e399", &format!("1{}", "0".repeat(399)));
        for json in ["1e400", "1e-401", "1e99999999999999999999", "1e9223372036854775807", "10e9223372036854775807"] {
            assert_eq!(Decimal::of_json(json).and_then(|decimal| decimal.plain()), None, "{json}");
        }
    }

    #[test]
    fn a_text_is_a_json_number_with_all_its_digits_or_none() {
        let check = |text: &str, expected: Option<&str>| {
            let number = Decimal::of_words(text).and_then(|decimal| decimal.number());
            assert_eq!(number.map(|number| number.to_string()).as_deref(), expected, "{text}");
        };
        check("5", Some("5"));
        check("-5", Some("-5"));
        check("+5", Some("5"));
        check("007", Some("7"));
        check("5.0", Some("5"));
        check("1.50", Some("1.5"));
        check(".5", Some("0.5"));
        check("-.5", Some("-0.5"));
        check("-0", Some("0"));
        check("18446744073709551615", Some("18446744073709551615"));
        check("0.30000000000000004", Some("0.30000000000000004"));
        check("100000000000000000000", Some("1e+20"));
        for text in ["", "+", "-", ".", "5.", "--5", "+-5", "1e3", "1,5", "1 000", "0x10", "five", "\u{661}", "NaN"] {
            check(text, None);
        }
        for text in ["123456789012345678901", "0.12345678901234567890", "9007199254740993.1"] {
            check(text, None);
        }
    }

    #[test]
    fn text_equals_a_json_number_by_its_exact_decimal() {
        let check = |text: &str, json: &str, equal: bool| {
            let number = serde_json::from_str(json).unwrap();
            let (text_decimal, decimal) = (Decimal::of_text(text), Decimal::of_number(&number));
            assert_eq!(text_decimal.is_some() && text_decimal == decimal, equal, "{text} and {json}");
        };
        check("12345", "12345", true);
        check("12345.0", "12345", true);
        check("12345", "12345.0", true);
        check("12345", "1.2345e4", true);
        check("-5", "-5", true);
        check("0", "0", true);
        check("0", "-0.0", true);
        check("0.5", "0.50", true);
        check("100", "1e2", true);
        check("12345", "12346", false);
        check("012345", "12345", false);
        check("00", "0", false);
        check("+12345", "12345", false);
        check("1.2345e4", "12345", false);
        check("12,345", "12345", false);
        check("12345.", "12345", false);
        check(".5", "0.5", false);
        check("-05", "-5", false);
        check("", "0", false);
        check("-", "0", false);
        // Above 2^53 only whole numbers are exact.
        check("9007199254740993", "9007199254740993", true);
        check("9007199254740993", "9007199254740992", false);
        check("18446744073709551615", "18446744073709551615", true);
        check("123456789012345678901", "123456789012345678901", false);
        check("0.1234567890123456", "0.1234567890123456", false);
    }
}
