//! Converts phone numbers to E.164, by the rules of each country.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use rlibphonenumber::{CountryCodeSource, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};

use crate::core::mapping::number::{Fraction, is_scientific, without_fraction};
use crate::core::mapping::phone_date::is_date;
use crate::core::text::{is_digits, is_invisible, is_modifier};

/// The country calling code of Mexico.
const MEXICO: i32 = 52;

/// The country calling code of Argentina.
const ARGENTINA: i32 = 54;

/// The country calling code of Belarus, which dials 80 before its own numbers.
const BELARUS: i32 = 375;

/// The country calling codes of the countries that dial 8 before their own numbers.
const EIGHT: [i32; 8] = [7, 370, 375, 992, 993, 994, 996, 998];

/// What Russia and its neighbours, and Cuba, dial before numbers of other countries, where most dial 00 or 011.
const ABROAD: [&str; 2] = ["810", "119"];

/// The schemes before a number: that of RFC 3966, and those of messages.
const SCHEMES: [&str; 4] = ["tel:", "whatsapp:", "sms:", "callto:"];

/// What `WhatsApp` puts after the number of an account.
const HOSTS: [&str; 2] = ["@s.whatsapp.net", "@c.us"];

/// The longest word before a number with a `+`, as in `cel: +52…` and in the `p:+52…` of Meta's exports, in bytes.
const LONGEST_LABEL: usize = 12;

/// What people put between two numbers in one cell. A `/` also stands between an area and the number in it.
const BETWEEN_NUMBERS: [char; 6] = [',', ';', '|', '&', '\n', '\r'];

/// The minimum number of digits of a second number in the same cell.
const DIGITS_OF_A_NUMBER: usize = 6;

/// The most digits of an area before a `/`, with and without a country code: `+49 (0)2151/123456`.
const DIGITS_OF_AN_AREA: (usize, usize) = (8, 6);

/// The lengths of a number with its `+`: at most 15 digits (E.164), and at least the 7 of the smallest islands. The rules of
/// some countries allow more, and fewer for numbers of services.
const LENGTHS: RangeInclusive<usize> = 8..=16;

/// A country, by its two letters (ISO 3166).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country(Region);

/// Why text is no country.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a country's two letters, such as MX, found `{0}`")]
pub struct UnknownCountry(String);

/// Why text is no phone number, as what was found instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPhone {
    /// It is other text.
    Other,
    /// It has letters, which a keypad would turn into digits of another number.
    Letters,
    /// It has no country code, and no country is known.
    NoCountry,
    /// A spreadsheet has put a power of ten in place of its last digits.
    Rounded,
    /// It has decimals.
    Decimals,
    /// It has an extension, which the platform cannot store.
    Extension,
    /// The cell has several numbers.
    Several,
    /// Its country has no numbers of this length, or with this beginning.
    NotOfItsCountry,
    /// A space, a dash or a bracket splits its country code, or the digits before it are no prefix.
    UnclearCode,
    /// Its first digits may be its country's calling code without a `+`, or an area of that country.
    CodeOrArea,
    /// It is a date.
    Date,
    /// It begins with `#`, which in lists stands before a row that is not meant.
    CommentedOut,
    /// It is no number of the country, but with a `+` before it, it would be a number of another country.
    OfAnotherCountry,
}

impl NoPhone {
    /// What was found.
    pub(super) const fn found(self) -> &'static str {
        match self {
            Self::Other => "something else",
            Self::Letters => "one with letters",
            Self::NoCountry => "one without a country code (set `country`, or the country in `e164`)",
            Self::Rounded => ROUNDED,
            Self::Decimals => "a number with decimals",
            Self::Extension => "one with an extension",
            Self::Several => "several (the step `first` takes one of them)",
            Self::NotOfItsCountry => "one that its country does not have",
            Self::UnclearCode => "one whose country code is unclear",
            Self::CodeOrArea => {
                "one whose first digits may be the country code or an area (write a `+` before a country code)"
            }
            Self::Date => DATE,
            Self::CommentedOut => COMMENTED_OUT,
            Self::OfAnotherCountry => "what looks like a number of another country without its `+`",
        }
    }
}

/// What was found in place of a number that a spreadsheet has rounded, and what helps.
pub(super) const ROUNDED: &str = "a number that a spreadsheet has rounded, such as 5.2E+11 (export the column as text)";

/// What was found in place of a phone number that is a date.
pub(super) const DATE: &str = "a date";

/// What was found in place of a phone number in a row that was commented out.
pub(super) const COMMENTED_OUT: &str = "one that begins with `#`, like a row that was commented out";

/// Converts `text` to a phone number of `+` and digits.
///
/// Only the prefixes of its country are removed: a national prefix, an international prefix, the code of a carrier, such as
/// `044` in `044 55 1234 5678` of Mexico. No letter becomes a digit, and no other digit is dropped.
pub(in crate::core) fn e164(text: &str, country: Option<Country>) -> Result<String, NoPhone> {
    let text = plain(text);
    let text = without_scheme(text.trim());
    if is_valid_e164(text) { Ok(text.to_owned()) } else { converted(text, country) }
}

// Whether text is a number in E.164 that its country has. Nothing else can be meant by it, so that the checks of other text are left
// out (benchmark: `reading`).
fn is_valid_e164(text: &str) -> bool {
    let is_plain = text.strip_prefix('+').is_some_and(is_digits) && LENGTHS.contains(&text.len());
    is_plain && PHONE_NUMBER_UTIL.parse(text, None).is_ok_and(|number| number.is_valid() && written(&number) == text)
}

fn converted(text: &str, country: Option<Country>) -> Result<String, NoPhone> {
    if is_scientific(text) {
        return Err(NoPhone::Rounded);
    }
    if is_date(text, || !country.is_some_and(has_six_digits)) {
        return Err(NoPhone::Date);
    }
    if text.starts_with('#') {
        return Err(NoPhone::CommentedOut);
    }
    let text = match without_fraction(text) {
        Fraction::None(text) => text,
        Fraction::Some => return Err(NoPhone::Decimals),
    };
    let region = country.map(|Country(region)| region);
    if let Some(found) = no_single_number(&text, region).or_else(|| more_after_number(&text, country)) {
        return Err(found);
    }
    let has_code = text.contains('+');
    let number = PHONE_NUMBER_UTIL.parse_and_keep_raw_input(&*text, region).map_err(|_| {
        if region.is_none() && !has_code && text.contains(char::is_numeric) {
            NoPhone::NoCountry
        } else {
            NoPhone::Other
        }
    })?;
    if has_extension(&number) {
        return Err(NoPhone::Extension);
    }
    if number.is_valid() {
        let number = as_only_reading(&text, number)?;
        if !has_clear_code(&text, &number) && !region.is_some_and(|region| is_of_region(&number, region)) {
            return Err(NoPhone::UnclearCode);
        }
        if !has_known_prefix(&text, &number) {
            return Err(NoPhone::NotOfItsCountry);
        }
        let number = written(&number);
        return if LENGTHS.contains(&number.len()) { Ok(number) } else { Err(NoPhone::NotOfItsCountry) };
    }
    let is_national = number.country_code_source() == CountryCodeSource::FromDefaultCountry;
    as_dialed_in_mexico(&number, is_national).ok_or_else(|| {
        if is_national && is_foreign(&text) { NoPhone::OfAnotherCountry } else { NoPhone::NotOfItsCountry }
    })
}

// The number, or the one that it is with a `+` before it. Where numbers have several lengths, both may exist: in Germany,
// `491711234567` is a mobile with the country code, and would be one of the area 4917. A mobile is never the worse reading,
// because its area code is no area.
fn as_only_reading(text: &str, number: PhoneNumber) -> Result<PhoneNumber, NoPhone> {
    let code = number.country_code.to_string();
    if number.country_code_source() != CountryCodeSource::FromDefaultCountry || !digits_of(text).starts_with(&code) {
        return Ok(number);
    }
    let kind = |number: &PhoneNumber| number.get_type();
    let is_mobile =
        |kind: PhoneNumberType| matches!(kind, PhoneNumberType::Mobile | PhoneNumberType::FixedLineOrMobile);
    let with_code = PHONE_NUMBER_UTIL.parse_and_keep_raw_input(format!("+{text}"), None).ok();
    let is_of_person = |number: &PhoneNumber| kind(number) == PhoneNumberType::FixedLine || is_mobile(kind(number));
    let Some(with_code) = with_code.filter(|with_code| with_code.is_valid() && is_of_person(with_code)) else {
        return Ok(number);
    };
    // `49(0)30…`
    let has_trunk = text.split_once("(0)").is_some_and(|(before, _)| digits_of(before) == code);
    if has_trunk || (is_mobile(kind(&with_code)) && !is_mobile(kind(&number))) {
        Ok(with_code)
    } else {
        Err(NoPhone::CodeOrArea)
    }
}

fn has_six_digits(country: Country) -> bool {
    PHONE_NUMBER_UTIL
        .get_example_number(country.0)
        .is_ok_and(|number| number.get_national_significant_number().len() == 6)
}

// What follows a number that is complete without it: `030 123456 (2)`, `030/123456/57`.
fn more_after_number(text: &str, country: Option<Country>) -> Option<NoPhone> {
    let is_number = |text: &str| e164(text, country).is_ok();
    let bracket = text.trim_end().strip_suffix(')').and_then(|text| text.rsplit_once('('));
    if bracket.is_some_and(|(number, rest)| !digits_of(rest).is_empty() && is_number(number)) {
        return Some(NoPhone::Extension);
    }
    let mut slashes = text.match_indices('/').skip(1);
    slashes.any(|(at, _)| is_number(&text[..at])).then_some(NoPhone::Several)
}

// Whether no space, dash or bracket splits the country code, as in `004-92 58 76 11`, a French number with a zero too many
// that would be a number of Germany (`+49 2587611`), or in `+38 (067) 454-54-51`, as Ukraine writes `+380 67 454 54 51`.
fn has_clear_code(text: &str, number: &PhoneNumber) -> bool {
    let Some((before, code, _)) = parts(text, number) else { return true };
    let places: Vec<usize> =
        text.char_indices().filter(|(_, character)| character.is_numeric()).map(|(at, _)| at).collect();
    let of_code = places.get(before.len()..before.len() + code.len()).unwrap_or_default();
    of_code.windows(2).all(|pair| text[pair[0]..pair[1]].chars().count() == 1)
}

// Whether the digits between the country code and the number, or before a number without a country code, are at most the
// prefix that its country dials: `1112205552637` is no number of the United States.
fn has_known_prefix(text: &str, number: &PhoneNumber) -> bool {
    // Argentina also has one inside the number.
    let Some((before, _, trunk)) = parts(text, number).filter(|_| number.country_code != ARGENTINA) else {
        return true;
    };
    // Countries with carriers for calls abroad have many international prefixes that no address book has.
    if !before.is_empty() && !ABROAD.contains(&&*before) && !before.starts_with('0') {
        return false;
    }
    match trunk.as_str() {
        "" => true,
        "1" => number.country_code_source() == CountryCodeSource::FromDefaultCountry,
        "8" => EIGHT.contains(&number.country_code),
        "80" => number.country_code == BELARUS,
        // A zero, and what follows it: of a carrier in Brazil, of a mobile in Mexico.
        trunk => trunk.starts_with('0') && !trunk.starts_with("00") && trunk.len() <= 4,
    }
}

// The digits before the country code, the country code, and the digits between it and the number; without a code the first
// two are empty. `None` when the number's digits are not the last ones.
fn parts(text: &str, number: &PhoneNumber) -> Option<(String, String, String)> {
    let digits = digits_of(text);
    let code = number.country_code.to_string();
    let written = written(number);
    let before = digits.strip_suffix(written.strip_prefix('+')?.strip_prefix(&*code)?)?;
    if number.country_code_source() == CountryCodeSource::FromDefaultCountry {
        return Some((String::new(), String::new(), before.to_owned()));
    }
    let (first, trunk) = match number.country_code_source() {
        CountryCodeSource::FromNumberWithIdd => before.rsplit_once(&*code)?,
        _ => ("", before.strip_prefix(&*code)?),
    };
    Some((first.to_owned(), code, trunk.to_owned()))
}

/// Whether `number`, as `+` and digits, is one of `country`.
pub(in crate::core) fn is_of(number: &str, country: Country) -> bool {
    PHONE_NUMBER_UTIL.parse(number, None).is_ok_and(|number| is_of_region(&number, country.0))
}

/// Whether `text` itself has a country code, after a `+` or after what `country` dials for calls abroad.
pub(super) fn has_code(text: &str, country: Option<Country>) -> bool {
    let text = plain(text);
    let number =
        PHONE_NUMBER_UTIL.parse_and_keep_raw_input(without_scheme(text.trim()), country.map(|Country(region)| region));
    number.is_ok_and(|number| match number.country_code_source() {
        CountryCodeSource::FromNumberWithPlusSign | CountryCodeSource::FromNumberWithIdd => true,
        CountryCodeSource::FromNumberWithoutPlusSign
        | CountryCodeSource::FromDefaultCountry
        | CountryCodeSource::Unspecified => false,
    })
}

// The library's own check takes the rules of the region also for a number with another country code.
fn is_of_region(number: &PhoneNumber, region: Region) -> bool {
    PHONE_NUMBER_UTIL.get_country_code_for_region(region) == Some(number.country_code)
        && number.is_valid_for_region(region)
}

/// A number as `+` and digits in the parts that other programs write: its country code, the digits after it, and those in
/// the groups of its country.
pub(in crate::core) struct NumberParts {
    pub(in crate::core) code: String,
    pub(in crate::core) national: String,
    pub(in crate::core) grouped: String,
}

/// The parts of `number`; `None` for what is no number that a country has.
pub(in crate::core) fn number_parts(number: &str) -> Option<NumberParts> {
    let number = PHONE_NUMBER_UTIL.parse(number, None).ok()?;
    let number = match as_dialed_in_mexico(&number, false) {
        _ if number.is_valid() => number,
        Some(mexican) => PHONE_NUMBER_UTIL.parse(&mexican, None).ok()?,
        None => return None,
    };
    Some(NumberParts {
        code: number.country_code.to_string(),
        national: number.get_national_significant_number(),
        grouped: number.format_as(PhoneNumberFormat::International).into_owned(),
    })
}

/// The digits of text; those of other scripts become those of ASCII.
pub(super) fn digits_of(text: &str) -> String {
    PHONE_NUMBER_UTIL.normalize_digits_only(text)
}

// Replaces the dashes, spaces and dots of other keyboards by those of ASCII, and drops invisible characters.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    // Of a keycap emoji, the digit is left.
    let is_shown = |character: &char| !is_invisible(*character) && !is_modifier(*character) && *character != '\u{20e3}';
    let characters = text.chars().filter(is_shown).map(|character| match character {
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{207b}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' => '-',
        '\u{b7}' | '\u{2022}' | '\u{2024}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{ff0e}' => '.',
        '\u{207a}' | '\u{fe62}' | '\u{ff0b}' => '+',
        character if character.is_whitespace() && !character.is_control() => ' ',
        character => character,
    });
    Cow::Owned(characters.collect())
}

fn without_scheme(text: &str) -> &str {
    let rest = SCHEMES.into_iter().find_map(|scheme| {
        let start = text.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then(|| text[scheme.len()..].trim_start())
    });
    let text = rest.or_else(|| without_label(text)).unwrap_or(text);
    // The number of an account has its country code. Without a `+` before it, it may be half of another address.
    let number = HOSTS.into_iter().find_map(|host| text.strip_suffix(host));
    number.filter(|number| number.starts_with('+')).unwrap_or(text)
}

// With a `+`, a word before a number can be nothing but a label.
fn without_label(text: &str) -> Option<&str> {
    let (label, number) = text.split_once(':')?;
    let is_word = label.trim_end_matches('.').chars().all(char::is_alphabetic);
    let number = number.trim_start();
    (is_word && label.len() <= LONGEST_LABEL && number.starts_with('+')).then_some(number)
}

// Why text cannot be a single number.
fn no_single_number(text: &str, region: Option<Region>) -> Option<NoPhone> {
    let digits = |text: &str| text.chars().filter(|character| character.is_numeric()).count();
    let is_number = |text: &&str| digits(text) >= DIGITS_OF_A_NUMBER;
    let slashed = text.rsplit_once('/').is_some_and(|(first, second)| {
        let (with_code, without) = DIGITS_OF_AN_AREA;
        let is_area = digits(first) <= if first.trim_start().starts_with(['+', '0']) { with_code } else { without };
        let is_list = !first.contains('/');
        // `040 123456/7` are two numbers as well.
        is_list && ((!is_area && is_number(&second)) || (is_number(&first) && (1..=2).contains(&digits(second))))
    });
    let is_several = text.split(BETWEEN_NUMBERS).filter(is_number).count() > 1 || text.matches('+').count() > 1;
    if is_several || slashed {
        return Some(NoPhone::Several);
    }
    if !text.chars().any(char::is_alphabetic) {
        return None;
    }
    let number = PHONE_NUMBER_UTIL.parse(text, region).ok();
    Some(match number {
        Some(number) if has_extension(&number) => NoPhone::Extension,
        Some(_) | None if digits(text) >= 3 => NoPhone::Letters,
        Some(_) | None => NoPhone::Other,
    })
}

fn has_extension(number: &PhoneNumber) -> bool {
    number.extension.as_ref().is_some_and(|extension| !extension.is_empty())
}

fn is_foreign(text: &str) -> bool {
    e164(&format!("+{text}"), None).is_ok()
}

// Until 2019 a mobile was called with 044, 045 or, from abroad, 1 before its ten digits, and a land line with 01. Address
// books are full of them. Without a country code, a 1 begins a number of North America.
fn as_dialed_in_mexico(number: &PhoneNumber, is_national: bool) -> Option<String> {
    if number.country_code != MEXICO {
        return None;
    }
    let zeros = if number.italian_leading_zero() { number.number_of_leading_zeros().max(1) } else { 0 };
    let digits = format!("{}{}", "0".repeat(usize::try_from(zeros).ok()?), number.national_number);
    let mut prefixes = ["044", "045", "01", "1"].into_iter().filter(|prefix| !(is_national && *prefix == "1"));
    let bare = prefixes.find_map(|prefix| digits.strip_prefix(prefix))?;
    let number = PHONE_NUMBER_UTIL.parse(bare, Some(Region::MX)).ok()?;
    // `01 0998766000` would be the international prefix `09` and a number of Iran.
    (bare.len() == 10 && is_of_region(&number, Region::MX)).then(|| written(&number))
}

fn written(number: &PhoneNumber) -> String {
    number.format_as(PhoneNumberFormat::E164).into_owned()
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(letters: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownCountry(letters.to_owned());
        let region: Region = letters.trim().to_ascii_uppercase().parse().map_err(|_| unknown())?;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|_| Self(region)).ok_or_else(unknown)
    }
}

impl Country {
    /// The country of a country calling code in digits; of several with one code, the largest. `None` for what is no code
    /// of a country.
    pub(super) fn of_code(digits: &str) -> Option<Self> {
        let is_code = (1..=3).contains(&digits.len()) && !digits.starts_with('0');
        let code = digits.parse::<i32>().ok().filter(|_| is_code)?;
        let region = PHONE_NUMBER_UTIL.get_region_for_country_code(code)?;
        // Codes of services are of no country.
        (PHONE_NUMBER_UTIL.get_country_code_for_region(region) == Some(code)).then_some(Self(region))
    }

    /// Whether both have one country calling code, as the United States and Canada have.
    pub(super) fn shares_code(self, other: Self) -> bool {
        let code = |Self(region): Self| PHONE_NUMBER_UTIL.get_country_code_for_region(region);
        code(self) == code(other)
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

    #[track_caller]
    fn check(country: &str, text: &str, expected: Result<&str, NoPhone>) {
        let country = (!country.is_empty()).then(|| country.parse().unwrap());
        assert_eq!(e164(text, country).as_deref(), expected.as_ref().copied(), "{country:?} {}", text.escape_debug());
    }

    #[test]
    fn numbers_become_e164() {
        check("MX", "55 1234 5678", Ok("+525512345678"));
        check("mx", "(55) 1234-5678", Ok("+525512345678"));
        check("MX", "+52 55 1234 5678", Ok("+525512345678"));
        check("MX", "+52 (55) 1234-5678", Ok("+525512345678"));
        check("MX", "(+52) 55 1234 5678", Ok("+525512345678"));
        check("MX", "52 55 1234 5678", Ok("+525512345678"));
        check("MX", "+34 612 34 56 78", Ok("+34612345678"));
        check("ES", "612 345 678", Ok("+34612345678"));
        check("BR", "(11) 91234-5678", Ok("+5511912345678"));
        check("AR", "11 15 2345 6789", Ok("+5491123456789"));
        check("", "+525512345678", Ok("+525512345678"));

        check("", "55 1234 5678", Err(NoPhone::NoCountry));
        check("", "525512345678", Err(NoPhone::NoCountry));
        check("MX", "ann@example.com", Err(NoPhone::Other));
        check("MX", "-", Err(NoPhone::Other));
        check("MX", "55 1234 567", Err(NoPhone::NotOfItsCountry));
        check("MX", "55 1234 56789", Err(NoPhone::NotOfItsCountry));
        check("MX", "+52 52 55 1234 5678", Err(NoPhone::NotOfItsCountry));
        check("ES", "112", Err(NoPhone::NotOfItsCountry));
        check("DE", "201000000000001", Err(NoPhone::NotOfItsCountry));
        check("DE", "1640", Err(NoPhone::NotOfItsCountry));
    }

    #[test]
    fn only_the_prefixes_of_its_own_country_are_dropped() {
        // As Mexico dialed until 2019.
        check("MX", "044 55 1234 5678", Ok("+525512345678"));
        check("MX", "045 55 1234 5678", Ok("+525512345678"));
        check("MX", "01 55 1234 5678", Ok("+525512345678"));
        for abroad in ["010998766000", "0440998766000", "+5210098766000", "01 0098766000"] {
            check("MX", abroad, Err(NoPhone::NotOfItsCountry));
        }
        check("MX", "+52 1 55 1234 5678", Ok("+525512345678"));
        check("MX", "52 1 55 1234 5678", Ok("+525512345678"));
        check("MX", "5215512345678", Ok("+525512345678"));
        check("MX", "00 52 1 55 1234 5678", Ok("+525512345678"));
        check("MX", "+52 044 55 1234 5678", Ok("+525512345678"));
        check("ES", "+521 55 1234 5678", Ok("+525512345678"));
        check("MX", "+52 0044 55 1234 5678", Err(NoPhone::NotOfItsCountry));
        check("MX", "046 55 1234 5678", Err(NoPhone::NotOfItsCountry));
        check("MX", "0 55 1234 5678", Err(NoPhone::NotOfItsCountry));
        // Without a country code, a 1 is not Mexico's.
        check("MX", "14155552671", Err(NoPhone::OfAnotherCountry));
        check("MX", "1 415 555 2671", Err(NoPhone::OfAnotherCountry));
        check("MX", "1 55 1234 5678", Err(NoPhone::OfAnotherCountry));
        check("MX", "1 11 1234 5678", Err(NoPhone::NotOfItsCountry));
        check("ES", "5215512345678", Err(NoPhone::OfAnotherCountry));
        check("ES", "525512345678", Err(NoPhone::OfAnotherCountry));
        check("MX", "34612345678", Err(NoPhone::OfAnotherCountry));
        check("MX", "00 1 415 555 2671", Ok("+14155552671"));

        check("US", "14155552671", Ok("+14155552671"));
        check("US", "415 555 2671", Ok("+14155552671"));
        check("US", "011 52 55 1234 5678", Ok("+525512345678"));
        check("US", "0 415 555 2671", Err(NoPhone::NotOfItsCountry));
        check("US", "1112205552637", Err(NoPhone::NotOfItsCountry));
        check("US", "11 220 555 2637", Err(NoPhone::NotOfItsCountry));
        check("RU", "8 912 345-67-89", Ok("+79123456789"));
        check("HU", "06 20 123 4567", Ok("+36201234567"));
        check("BY", "8 (029) 491-19-11", Ok("+375294911911"));
        check("US", "555 2671", Err(NoPhone::NotOfItsCountry));
        check("DO", "809 555 1234", Ok("+18095551234"));
        check("DO", "415 555 2671", Ok("+14155552671"));

        check("GB", "07400 123456", Ok("+447400123456"));
        check("GB", "447400123456", Ok("+447400123456"));
        check("GB", "+44 (0) 7400 123456", Ok("+447400123456"));
        check("GB", "0044 7400 123456", Ok("+447400123456"));
        check("GB", "14155552671", Err(NoPhone::OfAnotherCountry));

        check("ES", "0034 612 345 678", Ok("+34612345678"));
        check("ES", "34 612 345 678", Ok("+34612345678"));
        check("ES", "0 612 345 678", Err(NoPhone::NotOfItsCountry));

        // The zero belongs to the number.
        check("IT", "06 6982 1234", Ok("+390669821234"));
        check("IT", "+39 06 6982 1234", Ok("+390669821234"));
        check("IT", "347 123 4567", Ok("+393471234567"));

        // A carrier stands before the area.
        check("BR", "0 15 11 91234-5678", Ok("+5511912345678"));
        check("BR", "011 91234-5678", Ok("+5511912345678"));
        check("BR", "5511912345678", Ok("+5511912345678"));

        // 15 is for calls inside the country, 9 for those from abroad.
        check("AR", "011 15 2345-6789", Ok("+5491123456789"));
        check("AR", "11 2345-6789", Ok("+541123456789"));
        check("AR", "+54 9 11 2345-6789", Ok("+5491123456789"));

        check("CO", "300 123 4567", Ok("+573001234567"));
        check("CL", "9 6123 4567", Ok("+56961234567"));
        check("PE", "912 345 678", Ok("+51912345678"));
        check("DE", "030/123456", Ok("+4930123456"));
        check("DE", "0151 23456789", Ok("+4915123456789"));
        check("FR", "06 12 34 56 78", Ok("+33612345678"));
        check("FR", "06.12.34.56.78", Ok("+33612345678"));
    }

    #[test]
    fn two_readings_are_not_decided() {
        // A mobile with the code of its country, and a land line of an area that begins like it.
        check("DE", "491711234567", Ok("+491711234567"));
        check("DE", "4915112345678", Ok("+4915112345678"));
        check("DE", "49 171 1234567", Ok("+491711234567"));
        check("DE", "49(0)345279580", Ok("+49345279580"));
        check("DE", "49 (0) 345 279580", Ok("+49345279580"));
        check("ID", "62812345678", Ok("+62812345678"));
        check("DE", "49 7755 91155", Err(NoPhone::CodeOrArea));
        check("DE", "49775591155", Err(NoPhone::CodeOrArea));
        check("IT", "3906123456", Err(NoPhone::CodeOrArea));
        check("DE", "+49 7755 91155", Ok("+49775591155"));
        check("DE", "0049 7755 91155", Ok("+49775591155"));
        check("DE", "04977 591155", Ok("+494977591155"));
        // One reading.
        check("IT", "392 123 4567", Ok("+393921234567"));
        check("IT", "393921234567", Ok("+393921234567"));
        check("BR", "55 99123-4567", Ok("+5555991234567"));
        check("PE", "51 123456", Ok("+5151123456"));
        check("DK", "45123456", Ok("+4545123456"));
        check("SE", "0701234567", Ok("+46701234567"));
        check("SE", "46701234567", Ok("+46701234567"));
        check("RU", "79123456789", Ok("+79123456789"));
        check("US", "12125552671", Ok("+12125552671"));
    }

    #[test]
    fn a_date_is_no_number() {
        for (country, text) in [
            ("CR", "22/05/1990"),
            ("DE", "05.10.1986"),
            ("DE", "03.06.15"),
            ("DE", "04.06.-07.06"),
            ("DE", "05.10.1986 10:00"),
            ("IT", "05/10/1986"),
            ("PE", "12/05/1990"),
            ("PE", "1986-10-05"),
            ("SE", "22-05-1990"),
            ("FI", "5.10.1986"),
            ("", "22/05/1990"),
            ("MX", "22/05/1990"),
        ] {
            check(country, text, Err(NoPhone::Date));
        }
        check("CR", "2205 1990", Ok("+50622051990"));
        check("NO", "22 05 19 90", Ok("+4722051990"));
        check("FR", "06.12.34.56.78", Ok("+33612345678"));
        // Numbers of six digits are written like dates.
        check("NC", "25.12.15", Ok("+687251215"));
    }

    #[test]
    fn nothing_after_a_number_becomes_a_part_of_it() {
        check("DE", "030 123456 (2)", Err(NoPhone::Extension));
        check("ID", "021 1234567 (2)", Err(NoPhone::Extension));
        check("FI", "040 123456 (2)", Err(NoPhone::Extension));
        check("DE", "030 123456 (02)", Err(NoPhone::Extension));
        check("DE", "030/123456/57", Err(NoPhone::Several));
        check("DE", "030/123456/7/8", Err(NoPhone::Several));
        check("DE", "(030) 123456", Ok("+4930123456"));
        check("DE", "(030 123456)", Ok("+4930123456"));
        check("DE", "030 123456-2", Ok("+49301234562"));
        check("MX", "55 1234 (5678)", Ok("+525512345678"));
        check("FR", "06/12/34/56/78", Ok("+33612345678"));
    }

    #[test]
    fn a_number_that_is_commented_out_is_none() {
        check("", "#+525512345601", Err(NoPhone::CommentedOut));
        check("MX", "# 55 1234 5601", Err(NoPhone::CommentedOut));
    }

    #[test]
    fn a_country_code_stands_together() {
        check("FR", "004-92-58-76-11", Err(NoPhone::UnclearCode));
        check("FR", "004 92 58 76 11", Err(NoPhone::UnclearCode));
        check("FR", "04-92-58-76-11", Ok("+33492587611"));
        check("FR", "0049 30 123456", Ok("+4930123456"));
        check("FR", "00 49 30 123456", Ok("+4930123456"));
        check("FR", "+33 (0)4 92 58 76 11", Ok("+33492587611"));
        check("", "+38(674)545451", Err(NoPhone::UnclearCode));
        check("UA", "+38(674)545451", Err(NoPhone::UnclearCode));
        check("UA", "+38 (067) 454-54-51", Ok("+380674545451"));
        check("PL", "+38 (067) 454-54-51", Err(NoPhone::UnclearCode));
        check("MX", "+5 2 55 1234 5678", Ok("+525512345678"));
        check("ES", "+5 2 55 1234 5678", Err(NoPhone::UnclearCode));
        check("EG", "20001012341234", Err(NoPhone::NotOfItsCountry));
        check("CL", "11004312000", Err(NoPhone::NotOfItsCountry));
        check("RU", "8 10 52 55 1234 5678", Ok("+525512345678"));
    }

    #[test]
    fn a_number_is_of_the_country_whose_code_it_has() {
        let check = |country: &str, number: &str, expected: bool| {
            assert_eq!(is_of(number, country.parse().unwrap()), expected, "{number} {country}");
        };
        check("MX", "+525512345678", true);
        check("MX", "+14155552671", false);
        check("US", "+14155552671", true);
        check("DO", "+14155552671", false);
        check("PL", "+380674545451", false);
        check("MX", "x", false);
    }

    #[test]
    fn letters_are_no_digits() {
        check("MX", "555 1234 cel", Err(NoPhone::Letters));
        check("MX", "cel 55 1234 5678", Err(NoPhone::Letters));
        check("MX", "55 1234 5678 (casa)", Err(NoPhone::Letters));
        check("MX", "55 1234 567O", Err(NoPhone::Letters));
        check("MX", "55 1234 56xx", Err(NoPhone::Letters));
        check("US", "1-800-FLOWERS", Err(NoPhone::Letters));
        check("US", "+1 800 FLOWERS", Err(NoPhone::Letters));
        check("MX", "\u{442}\u{435}\u{43b} 55 1234 5678", Err(NoPhone::Letters));
        check("MX", "55 1234 5678 y 55 8765 4321", Err(NoPhone::Letters));
        check("MX", "none", Err(NoPhone::Other));
        check("", "none", Err(NoPhone::Other));
        check("MX", "5215512345678@c.us", Err(NoPhone::Letters));

        check("ES", "+34 612 345 678 ext. 5", Err(NoPhone::Extension));
        check("ES", "+34 612 345 678 x12", Err(NoPhone::Extension));
        check("ES", "612 345 678 extension 12", Err(NoPhone::Extension));
        check("ES", "612 345 678 #12", Err(NoPhone::Extension));
        check("ES", "tel:+34-612-345-678;ext=12", Err(NoPhone::Extension));

        check("", "tel:+52-55-1234-5678", Ok("+525512345678"));
        check("MX", "TEL: 55 1234 5678", Ok("+525512345678"));
        check("", "whatsapp:+5215512345678", Ok("+525512345678"));
    }

    #[test]
    fn a_label_is_dropped_only_where_it_can_be_nothing_else() {
        for label in ["p:", "P: ", "tel:", "Tel.: ", "whatsapp:", "cel: ", "M\u{f3}vil: "] {
            for country in ["", "MX", "ES"] {
                check(country, &format!("{label}+52 55 1234 5678"), Ok("+525512345678"));
            }
        }
        check("", "+5215512345678@s.whatsapp.net", Ok("+525512345678"));
        check("ES", "+5215512345678@c.us", Ok("+525512345678"));
        check("ES", "whatsapp:+525512345678@c.us", Ok("+525512345678"));
        for other in [
            "p:5512345678",
            "cel: 5512345678",
            "p:p:+525512345678",
            "home or office: +525512345678",
            "5215512345678@s.whatsapp.net",
            "+525512345678@example.com",
            "1203634567-1612345678@g.us",
            "https://wa.me/525512345678",
        ] {
            let found = e164(other, "MX".parse().ok());
            assert!(found.is_err(), "{other}: {found:?}");
        }
        check("", "p:+52 55 1234 5678 +34612345678", Err(NoPhone::Several));
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_a_number() {
        check("MX", "5\u{fe0f}\u{20e3}5\u{fe0f}\u{20e3} 1234 5678", Ok("+525512345678"));
        for character in
            ['\u{fe0f}', '\u{fe0e}', '\u{fe00}', '\u{e0100}', '\u{e0062}', '\u{115f}', '\u{17b4}', '\u{180b}']
        {
            check("MX", &format!("{character}+52 55{character} 1234 5678{character}"), Ok("+525512345678"));
        }
        check("MX", "\u{1f4de} 55 1234 5678", Ok("+525512345678"));
    }

    #[test]
    fn calls_abroad_are_dialed_by_the_prefix_of_the_country() {
        check("CU", "119 52 55 1234 5678", Ok("+525512345678"));
        check("CU", "52123456", Ok("+5352123456"));
        check("CU", "0 52123456", Ok("+5352123456"));
        check("CU", "119 53 52123456", Ok("+5352123456"));
        check("CU", "119 52123456", Err(NoPhone::NotOfItsCountry));
        check("MX", "119 1 415 555 2671", Err(NoPhone::NotOfItsCountry));
    }

    #[test]
    fn other_keyboards_have_other_digits_dashes_and_blanks() {
        check("", "\u{ff0b}\u{ff15}\u{ff12}5512345678", Ok("+525512345678"));
        check("", "\u{ff0b}52\u{2010}55\u{2013}1234\u{2212}5678", Ok("+525512345678"));
        check("MX", "55\u{a0}1234\u{202f}56\u{2009}78", Ok("+525512345678"));
        check("MX", "55\u{b7}1234\u{b7}5678", Ok("+525512345678"));
        check("MX", "\u{202a}+52 55 1234 5678\u{202c}", Ok("+525512345678"));
        check("MX", "55\u{ad}1234\u{200b}56\u{2060}78\u{feff}", Ok("+525512345678"));
        check(
            "EG",
            "\u{660}\u{661}\u{660}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}\u{668}",
            Ok("+201012345678"),
        );
        check("", "\u{6f9}\u{6f8}", Err(NoPhone::NoCountry));
        // Numbers that are no decimal digits.
        check("MX", "55 1234 567\u{b2}", Err(NoPhone::Other));
        check("MX", "55 1234 567\u{2466}", Err(NoPhone::Other));
    }

    #[test]
    fn numbers_of_spreadsheets_are_whole_or_refused() {
        for rounded in [
            "5.51235E+11",
            "5,51E+11",
            "5.2155E12",
            "5,2155e12",
            "5E+12",
            "5E12",
            "5.2155E+012",
            " 5.2E+11 ",
            "+5.2E+11",
        ] {
            check("MX", rounded, Err(NoPhone::Rounded));
            check("", rounded, Err(NoPhone::Rounded));
        }
        check("MX", "5512345678.0", Ok("+525512345678"));
        check("MX", "5512345678,00", Ok("+525512345678"));
        check("", "+525512345678.0", Ok("+525512345678"));
        check("US", "4155552671.0", Ok("+14155552671"));
        check("MX", "5,512,345,678", Ok("+525512345678"));
        check("MX", "5.512.345.678", Ok("+525512345678"));
        check("MX", "5,512,345,678.00", Ok("+525512345678"));
        check("MX", "5.512.345.678,00", Ok("+525512345678"));
        check("MX", "551234567.8", Err(NoPhone::Decimals));
        check("MX", "5512345678.25", Err(NoPhone::Decimals));
        check("MX", "55.1234.5678", Ok("+525512345678"));
        check("ES", "61234567.8", Err(NoPhone::Decimals));
    }

    #[test]
    fn one_cell_is_one_number() {
        check("MX", "55 1234 5678 / 55 8765 4321", Err(NoPhone::Several));
        check("MX", "5512345678;5587654321", Err(NoPhone::Several));
        check("MX", "5512345678,5587654321", Err(NoPhone::Several));
        check("MX", "5512345678\n5587654321", Err(NoPhone::Several));
        check("", "+525512345678 +525587654321", Err(NoPhone::Several));
        check("MX", "5512345678 5587654321", Err(NoPhone::Other));
        check("ES", "612345678/600112233", Err(NoPhone::Several));
        check("DE", "040 1234567/8", Err(NoPhone::Several));
        check("DE", "02151/123456", Ok("+492151123456"));
        check("DE", "+49 (0)2151/123456", Ok("+492151123456"));
        check("FR", "06/12/34/56/78", Ok("+33612345678"));
    }

    #[test]
    fn a_number_in_e164_is_converted_as_other_text_is() {
        let check = |text: &str, country: Option<Country>| {
            assert_eq!(e164(text, country), converted(text, country), "{text} {country:?}");
        };
        let letters = || 'A'..='Z';
        let countries = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
        let countries: Vec<Country> = countries.filter_map(|country| country.parse().ok()).collect();
        assert!(countries.len() > 200, "{}", countries.len());
        for country in &countries {
            let number = PHONE_NUMBER_UTIL.get_example_number(country.0).unwrap();
            for country in [None, Some(*country)] {
                check(&written(&number), country);
            }
        }
        let mut chance = fastrand::Rng::with_seed(1);
        let mut valid = 0;
        for _ in 0..20_000 {
            let code =
                chance.choice(["1", "7", "34", "44", "49", "52", "54", "55", "57", "298", "375", "593"]).unwrap();
            let digits: String = (0..chance.usize(5..13)).map(|_| chance.digit(10)).collect();
            let text = format!("+{code}{digits}");
            valid += usize::from(is_valid_e164(&text));
            check(&text, chance.choice(&countries).copied().filter(|_| chance.bool()));
        }
        assert!(valid > 1_000, "{valid}");
    }

    #[test]
    fn a_number_is_of_one_country() {
        let check = |number: &str, country: &str, expected: bool| {
            assert_eq!(is_of(number, country.parse().unwrap()), expected, "{number} {country}");
        };
        check("+525512345678", "MX", true);
        check("+34612345678", "MX", false);
        check("+14155552671", "US", true);
        check("+14155552671", "CA", false);
        check("+1", "US", false);
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
