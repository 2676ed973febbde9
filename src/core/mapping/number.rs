//! Numbers as spreadsheets and people write them: in scientific notation, with decimals, with thousands in groups.

use std::borrow::Cow;

use crate::core::text::{is_digits, is_invisible};

/// The character between a whole number and its decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalMark {
    /// `0.50`, as in English.
    Point,
    /// `0,50`, as in Spanish and Portuguese.
    Comma,
}

impl DecimalMark {
    /// The character.
    pub const fn character(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }
}

/// Why text is no decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDecimal {
    /// It is something else.
    Other,
    /// It is in scientific notation.
    Rounded,
    /// Its only point or comma may separate thousands or decimals.
    Ambiguous,
}

/// The decimals of a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fraction<'a> {
    /// There are none, or only zeros: the text without them, and without separators of thousands.
    None(Cow<'a, str>),
    /// It has decimals.
    Some,
}

/// The minimum number of digits before a point for decimals to follow it, and not another group of a phone number.
const DIGITS_BEFORE_DECIMALS: usize = 7;

/// Whether `text` is a number in scientific notation, in any form: `5.2E+11`, `5,2e11`, `5E11`.
pub(in crate::core) fn is_scientific(text: &str) -> bool {
    scientific(text).is_some()
}

/// Whether `text` is certainly a number that a spreadsheet has rounded. `12E5` may be an id, and counts as one because it has
/// neither a decimal mark nor a sign before the power.
pub(in crate::core) fn is_rounded(text: &str) -> bool {
    scientific(text).is_some_and(|(digits, power)| digits.contains(['.', ',']) || power.starts_with(['+', '-']))
}

// The digits and the power of ten.
fn scientific(text: &str) -> Option<(&str, &str)> {
    // Each match value is searched (benchmark: `reading`).
    let at = text.bytes().position(|byte| matches!(byte, b'E' | b'e'))?;
    let (digits, power) = (&text[..at], &text[at + 1..]);
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let is_number =
        is_digits(&unsigned.replacen(['.', ','], "", 1)) && unsigned.starts_with(|c: char| c.is_ascii_digit());
    (is_number && is_digits(power.strip_prefix(['+', '-']).unwrap_or(power))).then_some((digits, power))
}

/// Text that may be a whole number, without the decimals that a program added: `1711234567.0`, `1,711.00`.
pub(super) fn without_fraction(text: &str) -> Fraction<'_> {
    let Some((whole, decimals)) = text.rsplit_once(['.', ',']) else { return Fraction::None(Cow::Borrowed(text)) };
    let mark = if text.as_bytes()[whole.len()] == b'.' { DecimalMark::Point } else { DecimalMark::Comma };
    let unsigned = whole.strip_prefix('+').unwrap_or(whole);
    let has_groups = is_grouped(unsigned, &[mark.other().character()], 3);
    let is_number = is_digits(unsigned) || has_groups;
    if !is_number || !is_digits(decimals) || decimals.len() > 2 {
        // `1,711,234,567`
        let has_groups = is_grouped(text, &[','], 3) && text.matches(',').count() > 1;
        return Fraction::None(if has_groups { Cow::Owned(text.replace(',', "")) } else { Cow::Borrowed(text) });
    }
    if decimals.bytes().all(|digit| digit == b'0') {
        let whole =
            if has_groups { Cow::Owned(whole.replace(mark.other().character(), "")) } else { Cow::Borrowed(whole) };
        return Fraction::None(whole);
    }
    let digits = unsigned.bytes().filter(u8::is_ascii_digit).count();
    if digits >= DIGITS_BEFORE_DECIMALS { Fraction::Some } else { Fraction::None(Cow::Borrowed(text)) }
}

/// Converts `text` to a number with a decimal point and without separators of thousands. Its decimals stay unchanged, so
/// `0,50` becomes `0.50`.
///
/// With a `mark`, the other character can only separate thousands. Without one, the text itself decides, unless it is
/// ambiguous, as `1.234` is.
pub(super) fn decimal(text: &str, mark: Option<DecimalMark>) -> Result<String, NoDecimal> {
    let text: String = text.chars().filter(|sign| !is_invisible(*sign)).collect();
    let text = without_currency(text.trim());
    if is_scientific(text) {
        return Err(NoDecimal::Rounded);
    }
    let (is_negative, unsigned) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, without_currency(rest.trim_start())),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mark = match mark {
        Some(mark) => mark,
        None => mark_of(unsigned)?,
    };
    let (whole, decimals) = match unsigned.split_once(mark.character()) {
        Some((_, "")) => return Err(NoDecimal::Other),
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (unsigned, None),
    };
    let between: [char; 8] = [mark.other().character(), ' ', '\u{a0}', '\u{202f}', '\u{2009}', '\'', '\u{2019}', '_'];
    let is_whole = is_digits(whole) || (whole.is_empty() && decimals.is_some()) || is_grouped(whole, &between, 2);
    if !is_whole || !decimals.is_none_or(is_digits) {
        return Err(NoDecimal::Other);
    }
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    let mut number = String::with_capacity(text.len() + 1);
    number.push_str(if is_negative { "-" } else { "" });
    number.push_str(if digits.is_empty() { "0" } else { digits });
    if let Some(decimals) = decimals {
        number.push('.');
        number.push_str(decimals);
    }
    Ok(number)
}

// The decimal mark that text itself shows.
fn mark_of(text: &str) -> Result<DecimalMark, NoDecimal> {
    use DecimalMark::{Comma, Point};
    let (points, commas) = (text.matches('.').count(), text.matches(',').count());
    let (mark, count) = match (text.rfind('.'), text.rfind(',')) {
        // With both, the last one. Only the other one may be repeated.
        (Some(point), Some(comma)) => return Ok(if point > comma { Point } else { Comma }),
        (Some(_), None) => (Point, points),
        (None, Some(_)) => (Comma, commas),
        (None, None) => return Ok(Point),
    };
    if count > 1 {
        return Ok(mark.other());
    }
    let (whole, rest) = text.split_once(mark.character()).expect("it is there once");
    let may_be_thousands = rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    if may_be_thousands { Err(NoDecimal::Ambiguous) } else { Ok(mark) }
}

// The text without a currency symbol at either end.
fn without_currency(text: &str) -> &str {
    const SYMBOLS: [&str; 12] =
        ["R$", "US$", "MX$", "S/", "$", "\u{20ac}", "\u{a3}", "\u{a5}", "\u{20b2}", "\u{20a1}", "\u{20b9}", "Bs"];
    let before = SYMBOLS.into_iter().find_map(|symbol| text.strip_prefix(symbol));
    let text = before.unwrap_or(text);
    SYMBOLS.into_iter().find_map(|symbol| text.strip_suffix(symbol)).unwrap_or(text).trim()
}

/// Whether digits stand in groups with one of these between all of them: up to three first, three last, and in the middle
/// three, or as few as `fewest`, as in India.
pub(crate) fn is_grouped(text: &str, between: &[char], fewest: usize) -> bool {
    let Some(sign) = text.chars().find(|sign| between.contains(sign)) else { return false };
    let groups: Vec<&str> = text.split(sign).collect();
    let [first, inner @ .., last] = groups.as_slice() else { return false };
    is_digits(first)
        && first.len() <= 3
        && is_digits(last)
        && last.len() == 3
        && inner.iter().all(|group| is_digits(group) && (fewest..=3).contains(&group.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounded_number_is_told_from_an_id() {
        let check = |text: &str, expected: (bool, bool)| {
            assert_eq!((is_scientific(text), is_rounded(text)), expected, "{text}");
        };
        check("5.2155E+12", (true, true));
        check("5,2155E+12", (true, true));
        check("5.2155e+12", (true, true));
        check("5.2E12", (true, true));
        check("5,2E12", (true, true));
        check("5E+12", (true, true));
        check("5.2155E+012", (true, true));
        check("-5.2E+12", (true, true));
        check("1.5E-05", (true, true));
        check("5E-5", (true, true));
        check("12E5", (true, false));
        check("1E5", (true, false));
        check("12E10", (true, false));
        check("5E12", (true, false));
        check("E12", (false, false));
        check("5.2E", (false, false));
        check("5.2E+", (false, false));
        check("5.2.1E+12", (false, false));
        check(".5E+12", (false, false));
        check("5.2E+12x", (false, false));
        check("3e8f", (false, false));
        check("1E5E7", (false, false));
        check("E", (false, false));
        check("", (false, false));
    }

    #[test]
    fn decimals_of_zeros_are_none() {
        let none = |text: &str, expected: &str| {
            assert_eq!(without_fraction(text), Fraction::None(expected.into()), "{text}");
        };
        none("1711234567.0", "1711234567");
        none("1711234567.00", "1711234567");
        none("1711234567,0", "1711234567");
        none("+5215512345678.0", "+5215512345678");
        none("1,711,234,567.0", "1711234567");
        none("1.711.234.567,00", "1711234567");
        none("1,711,234,567", "1711234567");
        none("12.0", "12");
        none("", "");
        none("1711234567", "1711234567");
        none("06.12.34.56.00", "06.12.34.56.00");
        none("55.1234.5600", "55.1234.5600");
        none("1711234567.000", "1711234567.000");
        none("171 123 4567.0", "171 123 4567.0");
        none(".0", ".0");
        none("12.5", "12.5");
        assert_eq!(without_fraction("1711234567.5"), Fraction::Some);
        assert_eq!(without_fraction("1,711,234,567.25"), Fraction::Some);
    }

    #[test]
    fn decimals_have_a_point_before_them() {
        let check = |mark: Option<DecimalMark>, text: &str, expected: Result<&str, NoDecimal>| {
            assert_eq!(decimal(text, mark).as_deref(), expected.as_ref().copied(), "{mark:?} {text}");
        };
        let (none, comma, point) = (None, Some(DecimalMark::Comma), Some(DecimalMark::Point));
        for mark in [none, comma] {
            check(mark, "0,50", Ok("0.50"));
            check(mark, "1.234,56", Ok("1234.56"));
            check(mark, "1.234.567,8", Ok("1234567.8"));
            check(mark, "1.234.567", Ok("1234567"));
            check(mark, "-0,5", Ok("-0.5"));
            check(mark, "\u{2212}0,5", Ok("-0.5"));
            check(mark, "+0,5", Ok("0.5"));
            check(mark, ",5", Ok("0.5"));
            check(mark, "007,5", Ok("7.5"));
            check(mark, "1 234,56", Ok("1234.56"));
            check(mark, "1\u{202f}234,56", Ok("1234.56"));
            check(mark, "1.234,56 \u{20ac}", Ok("1234.56"));
            check(mark, "\u{20ac} -1.234,56", Ok("-1234.56"));
            check(mark, "R$ 1.234,56", Ok("1234.56"));
            check(mark, "-$1.234,56", Ok("-1234.56"));
            check(mark, "\u{200b}0,50\u{feff}", Ok("0.50"));
            check(mark, "5", Ok("5"));
            check(mark, "0", Ok("0"));
            check(mark, "1234567", Ok("1234567"));
        }
        for mark in [none, point] {
            check(mark, "0.50", Ok("0.50"));
            check(mark, "1,234.56", Ok("1234.56"));
            check(mark, "1,234,567", Ok("1234567"));
            check(mark, "12,34,567.8", Ok("1234567.8"));
            check(mark, "1'234.56", Ok("1234.56"));
            check(mark, "$1,234.56", Ok("1234.56"));
        }
        // One mark with three digits after it may be either.
        check(none, "1.234", Err(NoDecimal::Ambiguous));
        check(none, "12,345", Err(NoDecimal::Ambiguous));
        check(none, "123.456", Err(NoDecimal::Ambiguous));
        check(comma, "1.234", Ok("1234"));
        check(comma, "1,234", Ok("1.234"));
        check(point, "1.234", Ok("1.234"));
        check(point, "1,234", Ok("1234"));
        check(none, "0.125", Ok("0.125"));
        check(none, "0,125", Ok("0.125"));
        check(none, "1234.567", Ok("1234.567"));
        check(none, "1234,567", Ok("1234.567"));
        check(none, "1.23", Ok("1.23"));
        check(none, "1,2345", Ok("1.2345"));
        // The configured mark decides.
        check(comma, "0.50", Err(NoDecimal::Other));
        check(comma, "1,234.56", Err(NoDecimal::Other));
        check(point, "1.234,56", Err(NoDecimal::Other));
        check(point, "0,50", Err(NoDecimal::Other));

        for mark in [none, comma, point] {
            for text in [
                "abc", "12a", "1..5", "1,,5", "5,", "5.", "-", "", "1.23.4", "1,2,3", "12 %", "1 23", "--5", "1-",
                "(5)",
            ] {
                check(mark, text, Err(NoDecimal::Other));
            }
            check(mark, "1,5E+3", Err(NoDecimal::Rounded));
            check(mark, "1.5e3", Err(NoDecimal::Rounded));
            check(mark, "\u{661},\u{665}", Err(NoDecimal::Other));
        }
    }
}
