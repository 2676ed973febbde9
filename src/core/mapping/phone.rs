//! Phone numbers into E.164, by the rules of each country.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};

/// The country calling code of Mexico.
const MEXICO: i32 = 52;

/// A country, by its two letters (ISO 3166).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(Region);

/// What is no country.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a country's two letters, such as MX, found `{0}`")]
pub struct UnknownCountry(String);

/// Why a text is no phone number, as what was found instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPhone {
    /// It is something else.
    Other,
    /// It has no country code, and no country is known.
    NoCountry,
    /// A spreadsheet has put a power of ten in place of its last digits.
    Rounded,
    /// It names a line inside a house, which the platform cannot.
    Extension,
    /// It is shorter or longer than its country's numbers, or begins as none of them does.
    NotOfItsCountry,
}

impl NoPhone {
    /// What was found.
    pub(super) const fn found(self) -> &'static str {
        match self {
            Self::Other => "something else",
            Self::NoCountry => "one without a country code (say `country`, or the country in `e164`)",
            Self::Rounded => "a number that a spreadsheet has rounded, such as 5.2E+11",
            Self::Extension => "one with an extension",
            Self::NotOfItsCountry => "one that its country does not have",
        }
    }
}

/// The phone number that `text` is, as `+` and digits.
pub(in crate::core) fn e164(text: &str, country: Option<Country>) -> Result<String, NoPhone> {
    if is_rounded(text) {
        return Err(NoPhone::Rounded);
    }
    let region = country.map(|Country(region)| region);
    let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| {
        let has_code = text.trim_start().starts_with(['+', '\u{ff0b}']);
        if region.is_none() && !has_code && text.bytes().any(|sign| sign.is_ascii_digit()) {
            NoPhone::NoCountry
        } else {
            NoPhone::Other
        }
    })?;
    if number.extension.as_ref().is_some_and(|extension| !extension.is_empty()) {
        return Err(NoPhone::Extension);
    }
    if number.is_valid() {
        return Ok(written(&number));
    }
    as_dialed_in_mexico(&number).ok_or(NoPhone::NotOfItsCountry)
}

// Until 2019 a mobile was called with 044, 045 or, from abroad, 1 before its ten digits, and a land line with 01. Address
// books are full of them.
fn as_dialed_in_mexico(number: &PhoneNumber) -> Option<String> {
    if number.country_code != MEXICO {
        return None;
    }
    let zeros = if number.italian_leading_zero() { "0" } else { "" };
    let digits = format!("{zeros}{}", number.national_number);
    let bare = ["044", "045", "01", "1"].into_iter().find_map(|prefix| digits.strip_prefix(prefix))?;
    let number = PHONE_NUMBER_UTIL.parse(bare, Some(Region::MX)).ok()?;
    (bare.len() == 10 && number.is_valid()).then(|| written(&number))
}

fn written(number: &PhoneNumber) -> String {
    number.format_as(PhoneNumberFormat::E164).into_owned()
}

// `5.51235E+11`, with the decimal comma of other countries, too.
fn is_rounded(text: &str) -> bool {
    let Some((digits, power)) = text.split_once(['E', 'e']) else { return false };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|sign| sign.is_ascii_digit());
    is_digits(&digits.replacen(['.', ','], "", 1)) && power.strip_prefix('+').is_some_and(is_digits)
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(letters: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownCountry(letters.to_owned());
        let region: Region = letters.trim().to_ascii_uppercase().parse().map_err(|_| unknown())?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Self(region)).ok_or_else(unknown)
    }
}

/// Its two letters.
impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_region_str().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_e164() {
        let check = |country: &str, text: &str, expected: Result<&str, NoPhone>| {
            let country = (!country.is_empty()).then(|| country.parse().unwrap());
            assert_eq!(e164(text, country).as_deref(), expected.as_ref().copied(), "{country:?} {text}");
        };
        check("MX", "55 1234 5678", Ok("+525512345678"));
        check("mx", "(55) 1234-5678", Ok("+525512345678"));
        check("MX", "+52 55 1234 5678", Ok("+525512345678"));
        check("MX", "52 55 1234 5678", Ok("+525512345678"));
        check("MX", "+34 612 34 56 78", Ok("+34612345678"));
        check("ES", "612 345 678", Ok("+34612345678"));
        check("ES", "0034 612 345 678", Ok("+34612345678"));
        check("BR", "(11) 91234-5678", Ok("+5511912345678"));
        check("AR", "11 15 2345 6789", Ok("+5491123456789"));
        check("", "+525512345678", Ok("+525512345678"));
        check("", "\u{ff0b}\u{ff15}\u{ff12}5512345678", Ok("+525512345678"));
        // As Mexico dialed until 2019.
        check("MX", "+52 1 55 1234 5678", Ok("+525512345678"));
        check("MX", "044 55 1234 5678", Ok("+525512345678"));
        check("MX", "045 55 1234 5678", Ok("+525512345678"));
        check("MX", "01 55 1234 5678", Ok("+525512345678"));
        check("ES", "+521 55 1234 5678", Ok("+525512345678"));

        check("", "55 1234 5678", Err(NoPhone::NoCountry));
        check("MX", "none", Err(NoPhone::Other));
        check("", "none", Err(NoPhone::Other));
        check("MX", "ann@example.com", Err(NoPhone::Other));
        check("MX", "5.51235E+11", Err(NoPhone::Rounded));
        check("MX", "5,51E+11", Err(NoPhone::Rounded));
        check("MX", "55 1234 567", Err(NoPhone::NotOfItsCountry));
        check("MX", "55 1234 56789", Err(NoPhone::NotOfItsCountry));
        check("ES", "112", Err(NoPhone::NotOfItsCountry));
        check("ES", "+34 612 345 678 ext. 5", Err(NoPhone::Extension));
    }

    #[test]
    fn a_country_has_two_letters() {
        let check = |letters: &str, expected: Option<&str>| {
            let country = letters.parse::<Country>().ok().map(|country| country.to_string());
            assert_eq!(country.as_deref(), expected, "{letters}");
        };
        check("MX", Some("MX"));
        check(" es", Some("ES"));
        check("ZZ", None);
        check("XX", None);
        check("MEX", None);
        check("", None);
        check("\u{f1}\u{f1}", None);
    }
}
