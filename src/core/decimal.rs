//! Plain decimal numbers, compared digit by digit. As floats, different large numbers could compare as equal.

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

impl Decimal {
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
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
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
