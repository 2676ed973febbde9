//! What the values of a column say: phones, e-mail addresses, dates, yes and no.

use crate::core::guess::words::Language;
use crate::core::mapping::e164;
use crate::core::mapping::rules::{Country, DateForm, Words, YES};

/// What people write for no in English, Spanish and Portuguese.
const NO: [&str; 9] = ["no", "n", "false", "0", "-", "n\u{e3}o", "nao", "falso", "f"];

/// The countries that are tried for numbers without a country code: those where the platforms are sold, the larger first.
const COUNTRIES: [&str; 21] = [
    "MX", "ES", "BR", "CO", "AR", "US", "PE", "CL", "EC", "GT", "PT", "VE", "DO", "BO", "HN", "SV", "PY", "NI", "CR",
    "PA", "UY",
];

/// The days that are tried, by which comes first.
const ISO: [&str; 2] = ["YYYY-MM-DD", "YYYY/M/D"];
const DAY_FIRST: [&str; 3] = ["D/M/YYYY", "D-M-YYYY", "D.M.YYYY"];
const MONTH_FIRST: [&str; 3] = ["M/D/YYYY", "M-D-YYYY", "M.D.YYYY"];

/// The times of day that are tried after a day.
const TIMES: [&str; 6] = ["", " H:mm", " H:mm:ss", " h:mm A", " h:mm:ss A", "THH:mm:ss"];

/// How the dates of a column are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dates {
    /// As ISO 8601 already.
    Iso,
    /// In one form, and no other that was tried.
    Form(String),
    /// With the day or the month first: all values are dates both ways. The first form is that of the language.
    Either(String, String),
}

/// How many of `values` are phone numbers, each by itself or as one of `country`.
pub fn phones(values: &[&str], country: Option<Country>) -> usize {
    values.iter().filter(|value| e164(value, country).is_ok()).count()
}

/// The country of which most of `values` are phone numbers, and how many are. It is for a person to judge.
pub fn likely_country(values: &[&str]) -> Option<(Country, usize)> {
    let countries = COUNTRIES.iter().filter_map(|letters| letters.parse::<Country>().ok());
    let counted = countries.map(|country| (country, phones(values, Some(country))));
    counted.filter(|(_, count)| *count > 0).fold(None, |best: Option<(Country, usize)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        Some(_) | None => Some(next),
    })
}

/// Whether a text has the form of an e-mail address.
pub fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = !name.is_empty() && !text.contains(char::is_whitespace);
    is_plain && domain.split('.').count() > 1 && domain.split('.').all(|part| !part.is_empty())
}

/// Whether a text holds digits as a phone number does, and hardly anything else.
pub fn is_phone_like(text: &str) -> bool {
    let digits = text.chars().filter(|sign| sign.is_numeric()).count();
    let letters = text.chars().filter(|sign| sign.is_alphabetic()).count();
    digits >= 6 && letters <= 3
}

/// How `values` are written when all of them are dates.
pub fn dates(values: &[&str], language: Option<Language>) -> Option<Dates> {
    let fitting = |days: &[&str]| {
        let forms = days.iter().flat_map(|day| TIMES.iter().map(move |time| format!("{day}{time}")));
        forms.into_iter().find(|said| {
            let form = said.parse::<DateForm>().expect("each part stands once, an hour of half a day with its half");
            values.iter().all(|value| form.read(value).is_ok())
        })
    };
    if values.is_empty() {
        return None;
    }
    if let Some(form) = fitting(&ISO) {
        return Some(if form.starts_with("YYYY-MM-DD") && !form.contains(' ') {
            Dates::Iso
        } else {
            Dates::Form(form)
        });
    }
    match (fitting(&DAY_FIRST), fitting(&MONTH_FIRST)) {
        (Some(day), Some(month)) => Some(match language {
            Some(Language::English) => Dates::Either(month, day),
            Some(Language::Spanish | Language::Portuguese) | None => Dates::Either(day, month),
        }),
        (Some(form), None) | (None, Some(form)) => Some(Dates::Form(form)),
        (None, None) => None,
    }
}

/// Whether all of `values` say yes or no, and one of them yes.
pub fn is_yes_or_no(values: &[&str]) -> bool {
    let (yes, no) = (Words::new(YES), Words::new(NO));
    values.iter().all(|value| yes.have(value) || no.have(value)) && values.iter().any(|value| yes.have(value))
}

/// What parts the tags of `values`, when something does.
pub fn separator(values: &[&str]) -> Option<&'static str> {
    [":::", ";", "|", ","].into_iter().find(|separator| values.iter().any(|value| value.contains(separator)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_by_all_values() {
        let check = |values: &[&str], language: Option<Language>, expected: Option<Dates>| {
            assert_eq!(dates(values, language), expected, "{values:?}");
        };
        let form = |form: &str| Some(Dates::Form(form.into()));
        let either = |first: &str, second: &str| Some(Dates::Either(first.into(), second.into()));
        check(&["25/12/1980", "01/02/1990"], Some(Language::English), form("D/M/YYYY"));
        check(&["12/25/1980", "01/02/1990"], Some(Language::Spanish), form("M/D/YYYY"));
        check(&["1/2/1990"], Some(Language::Spanish), either("D/M/YYYY", "M/D/YYYY"));
        check(&["1/2/1990"], Some(Language::English), either("M/D/YYYY", "D/M/YYYY"));
        check(&["1/2/1990"], None, either("D/M/YYYY", "M/D/YYYY"));
        check(&["25.12.1980 14:30"], None, form("D.M.YYYY H:mm"));
        check(&["12/25/1980 2:30 PM"], None, form("M/D/YYYY h:mm A"));
        check(&["1980-12-25"], None, Some(Dates::Iso));
        check(&["1980-12-25T10:00:00"], None, Some(Dates::Iso));
        check(&["1980-12-25 10:00"], None, form("YYYY-MM-DD H:mm"));
        check(&["25/12/80"], None, None);
        check(&["25/12/1980", "12/25/1980"], None, None);
        check(&["x"], None, None);
        check(&[], None, None);
    }

    #[test]
    fn the_likely_country_is_that_of_most_numbers() {
        let check = |values: &[&str], expected: Option<(&str, usize)>| {
            let found = likely_country(values).map(|(country, count)| (country.to_string(), count));
            assert_eq!(found, expected.map(|(country, count)| (country.to_owned(), count)), "{values:?}");
        };
        check(&["612 345 678", "600 11 22 33", "x"], Some(("ES", 2)));
        check(&["55 1234 5678"], Some(("MX", 1)));
        check(&["(11) 91234-5678"], Some(("BR", 1)));
        check(&["x"], None);
    }

    #[test]
    fn yes_and_no_are_told_by_all_values() {
        let check = |values: &[&str], expected: bool| assert_eq!(is_yes_or_no(values), expected, "{values:?}");
        check(&["s\u{ed}", "no"], true);
        check(&["x"], true);
        check(&["TRUE", "false"], true);
        check(&["no"], false);
        check(&["yes", "perhaps"], false);
    }

    #[test]
    fn addresses_are_told_by_their_form() {
        let check = |text: &str, expected: bool| assert_eq!(is_email(text), expected, "{text}");
        check("a@example.com", true);
        check("a@b", false);
        check("@example.com", false);
        check("a b@example.com", false);
        check("a@example.", false);
    }
}
