//! What the values of a column are: phones, e-mail addresses, dates, yes and no.

use crate::core::email::email_address;
use crate::core::headings::Language;
use crate::core::mapping::rules::{Country, DateForm, Words};
use crate::core::mapping::{NoDate, e164, is_of, is_scientific, is_zero_date};
use crate::core::yes_no::{NO, YES};

/// The countries that are tried for numbers without a country code: those where the platforms are sold, the largest first.
const COUNTRIES: [&str; 21] = [
    "MX", "ES", "BR", "CO", "AR", "US", "PE", "CL", "EC", "GT", "PT", "VE", "DO", "BO", "HN", "SV", "PY", "NI", "CR",
    "PA", "UY",
];

/// The forms of days that are tried.
const ISO: [&str; 2] = ["YYYY-MM-DD", "YYYY/M/D"];
const DAY_FIRST: [&str; 3] = ["D/M/YYYY", "D-M-YYYY", "D.M.YYYY"];
const MONTH_FIRST: [&str; 3] = ["M/D/YYYY", "M-D-YYYY", "M.D.YYYY"];

/// The forms of times that are tried after a day.
const TIMES: [&str; 6] = ["", " H:mm", " H:mm:ss", " h:mm A", " h:mm:ss A", "THH:mm:ss"];

/// Countries that write the month before the day (CLDR 47, short date formats). Others write the day first, except the undecided.
const MONTH_FIRST_IN: [&str; 9] = ["US", "PR", "GU", "AS", "VI", "MP", "UM", "MH", "PH"];

/// Countries that use both orders, or write the year first.
const UNDECIDED_IN: [&str; 11] = ["CA", "PA", "FM", "PW", "CN", "JP", "KR", "KP", "TW", "MN", "BT"];

/// Maximum number of forms of one column.
const FORMS: usize = 4;

/// Whether the day or the month comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayOrder {
    /// `31/12/1999`.
    DayFirst,
    /// `12/31/1999`.
    MonthFirst,
}

impl DayOrder {
    /// The order of a country, if it has one.
    pub fn of_country(country: Country) -> Option<Self> {
        let is_among = |countries: &[&str]| countries.contains(&country.to_string().as_str());
        match (is_among(&MONTH_FIRST_IN), is_among(&UNDECIDED_IN)) {
            (true, _) => Some(Self::MonthFirst),
            (false, true) => None,
            (false, false) => Some(Self::DayFirst),
        }
    }

    /// The order of a language.
    pub const fn of_language(language: Option<Language>) -> Self {
        match language {
            Some(Language::English) => Self::MonthFirst,
            Some(Language::Spanish | Language::Portuguese) | None => Self::DayFirst,
        }
    }
}

/// The forms of the dates in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dates {
    /// ISO 8601.
    Iso,
    /// These forms, and no others that were tried.
    Forms(Vec<String>),
    /// The day or the month may be first, because all values are dates both ways. The forms of the requested order come first.
    Either(Vec<String>, Vec<String>),
}

/// The phone numbers among some values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phones {
    /// Number of phone numbers.
    pub numbers: usize,
    /// Number of these that are of the country in question.
    pub of_country: usize,
    /// Number of values that a spreadsheet has rounded.
    pub rounded: usize,
}

/// Counts the phone numbers among `values`, with a country code or of `country`.
pub fn phones(values: &[&str], country: Option<Country>) -> Phones {
    let mut phones = Phones::default();
    for value in values {
        if let Ok(number) = e164(value, country) {
            phones.numbers += 1;
            phones.of_country += usize::from(country.is_some_and(|country| is_of(&number, country)));
        } else if is_scientific(value) {
            phones.rounded += 1;
        }
    }
    phones
}

/// The country that most of `values` fit as phone numbers, and how many fit it. A person has to judge it.
pub fn likely_country(values: &[&str]) -> Option<(Country, usize)> {
    let countries = COUNTRIES.iter().filter_map(|letters| letters.parse::<Country>().ok());
    let counted = countries.map(|country| (country, phones(values, Some(country)).of_country));
    counted.filter(|(_, count)| *count > 0).fold(None, |best: Option<(Country, usize)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        Some(_) | None => Some(next),
    })
}

/// Whether text has the form of an e-mail address.
pub fn is_email(text: &str) -> bool {
    email_address(text).is_ok_and(|address| address.rsplit('@').next().is_some_and(|domain| domain.contains('.')))
}

/// Whether text has the digits of a phone number and hardly any letters.
pub fn is_phone_like(text: &str) -> bool {
    let digits = text.chars().filter(|character| character.is_numeric()).count();
    let letters = text.chars().filter(|character| character.is_alphabetic()).count();
    (digits >= 6 && letters <= 3) || is_scientific(text)
}

/// The forms of `values` if all of them are dates, or what programs write for missing dates.
pub fn dates(values: &[&str], order: DayOrder) -> Option<Dates> {
    let values: Vec<&str> = values.iter().copied().filter(|value| !is_zero_date(value)).collect();
    if values.is_empty() {
        return None;
    }
    let fitting = |days: &[&'static str]| fitting(&values, &[ISO.as_slice(), days].concat());
    let is_iso = |form: &String| form.starts_with("YYYY-MM-DD") && !form.contains(' ');
    let (day, month) = (fitting(&DAY_FIRST), fitting(&MONTH_FIRST));
    match (day, month) {
        (Some(Fitting { forms, has_zeros: false }), _) if forms.iter().all(is_iso) => Some(Dates::Iso),
        (Some(day), Some(month)) if day.forms == month.forms => Some(Dates::Forms(day.forms)),
        (Some(day), Some(month)) => Some(match order {
            DayOrder::MonthFirst => Dates::Either(month.forms, day.forms),
            DayOrder::DayFirst => Dates::Either(day.forms, month.forms),
        }),
        (Some(only), None) | (None, Some(only)) => Some(Dates::Forms(only.forms)),
        (None, None) => None,
    }
}

/// The forms of most of `values`, if all others look like dates that are not in the calendar, such as `31/02/1990`; and the
/// number of the others.
pub fn dates_and_impossible(values: &[&str], order: DayOrder) -> Option<(Dates, usize)> {
    let forms = forms_of(&[ISO.as_slice(), &DAY_FIRST, &MONTH_FIRST].concat());
    let mut possible = Vec::new();
    for value in values {
        let mut is_impossible = false;
        let is_read = |form: &DateForm| match form.read(value) {
            Ok(_) | Err(NoDate::NoValue) => true,
            Err(NoDate::NotInCalendar) => {
                is_impossible = true;
                false
            }
            Err(NoDate::OtherForm | NoDate::ShortYear) => false,
        };
        if is_zero_date(value) || forms.iter().map(|(_, form)| form).any(is_read) {
            possible.push(*value);
        } else if !is_impossible {
            return None;
        }
    }
    let impossible = values.len() - possible.len();
    if impossible == 0 || impossible * 2 >= values.len() {
        return None;
    }
    let dates = match dates(&possible, order)? {
        // Unconverted, an impossible date would be sent; a `date` step rejects it.
        Dates::Iso => Dates::Forms(fitting(&possible, &ISO)?.forms),
        dates @ (Dates::Forms(_) | Dates::Either(..)) => dates,
    };
    Some((dates, impossible))
}

// These forms of days with each form of times.
fn forms_of(days: &[&str]) -> Vec<(String, DateForm)> {
    let sources = days.iter().flat_map(|day| TIMES.iter().map(move |time| format!("{day}{time}")));
    let parsed = |source: &String| source.parse().expect("each part stands once, an hour of half a day with its half");
    sources.map(|source| (source.clone(), parsed(&source))).collect()
}

// The forms of some values, each of which is a date in one of them.
struct Fitting {
    forms: Vec<String>,
    // Whether one of them is what a program writes for a missing date.
    has_zeros: bool,
}

fn fitting(values: &[&str], days: &[&str]) -> Option<Fitting> {
    let forms = forms_of(days);
    let mut chosen: Vec<usize> = Vec::new();
    let mut has_zeros = false;
    for value in values {
        // Forms that were chosen already come first.
        let mut tried = chosen.iter().copied().chain(0..forms.len());
        let (found, is_zero) = tried.find_map(|at| match forms[at].1.read(value) {
            Ok(_) => Some((at, false)),
            Err(NoDate::NoValue) => Some((at, true)),
            Err(NoDate::OtherForm | NoDate::NotInCalendar | NoDate::ShortYear) => None,
        })?;
        has_zeros |= is_zero;
        if !chosen.contains(&found) {
            chosen.push(found);
        }
        if chosen.len() > FORMS {
            return None;
        }
    }
    chosen.sort_unstable();
    Some(Fitting { forms: chosen.into_iter().map(|at| forms[at].0.clone()).collect(), has_zeros })
}

/// Whether one of `values` is a date whose year has two digits.
pub fn has_short_years(values: &[&str]) -> bool {
    let forms = DAY_FIRST.iter().chain(&MONTH_FIRST).filter_map(|form| form.parse::<DateForm>().ok());
    let forms: Vec<DateForm> = forms.collect();
    values.iter().any(|value| forms.iter().any(|form| form.read(value) == Err(NoDate::ShortYear)))
}

/// Whether all of `values` mean yes or no, and at least one of them yes.
pub fn is_yes_or_no(values: &[&str]) -> bool {
    let (yes, no) = (Words::new(YES), Words::new(NO));
    values.iter().all(|value| yes.have(value) || no.have(value)) && values.iter().any(|value| yes.have(value))
}

/// The separator of the tags in `values`, if there is one. Quoted text is ignored.
pub fn separator(values: &[&str]) -> Option<&'static str> {
    let outside = |value: &&str| value.split('"').step_by(2).collect::<String>();
    let values: Vec<String> = values.iter().filter(|value| !value.starts_with(['[', '{'])).map(outside).collect();
    let separators = [":::", ";", "|", ","];
    let separator = separators.into_iter().find(|separator| values.iter().any(|value| value.contains(separator)))?;
    // If cells without it have other separators, all usual ones separate tags.
    let has_other =
        |value: &String| !value.contains(separator) && separators.into_iter().any(|other| value.contains(other));
    (!values.iter().any(has_other)).then_some(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_by_all_values() {
        use DayOrder::{DayFirst, MonthFirst};
        let check = |values: &[&str], order: DayOrder, expected: Option<Dates>| {
            assert_eq!(dates(values, order), expected, "{values:?}");
        };
        let owned = |forms: &[&str]| forms.iter().map(|&form| form.to_owned()).collect::<Vec<String>>();
        let forms = |forms: &[&str]| Some(Dates::Forms(owned(forms)));
        let either = |first: &[&str], second: &[&str]| Some(Dates::Either(owned(first), owned(second)));
        check(&["25/12/1980", "01/02/1990"], MonthFirst, forms(&["D/M/YYYY"]));
        check(&["12/25/1980", "01/02/1990"], DayFirst, forms(&["M/D/YYYY"]));
        check(&["1/2/1990"], DayFirst, either(&["D/M/YYYY"], &["M/D/YYYY"]));
        check(&["1/2/1990"], MonthFirst, either(&["M/D/YYYY"], &["D/M/YYYY"]));
        check(&["25.12.1980 14:30"], DayFirst, forms(&["D.M.YYYY H:mm"]));
        check(&["12/25/1980 2:30 PM"], DayFirst, forms(&["M/D/YYYY h:mm A"]));
        check(&["1980-12-25"], DayFirst, Some(Dates::Iso));
        check(&["1980-12-25T10:00:00"], DayFirst, Some(Dates::Iso));
        check(&["1980-12-25", "1980-12-25T10:00:00"], DayFirst, Some(Dates::Iso));
        check(&["1980-12-25 10:00"], DayFirst, forms(&["YYYY-MM-DD H:mm"]));
        // Several forms that contradict each other nowhere.
        check(&["25/12/1980", "1980-12-25"], DayFirst, forms(&["YYYY-MM-DD", "D/M/YYYY"]));
        check(
            &["1980-12-25", "12-25-1980", "12/25/1980 10:00"],
            DayFirst,
            forms(&["YYYY-MM-DD", "M/D/YYYY H:mm", "M-D-YYYY"]),
        );
        check(&["1/2/1990", "1990-02-01"], DayFirst, either(&["YYYY-MM-DD", "D/M/YYYY"], &["YYYY-MM-DD", "M/D/YYYY"]));
        // A date of zeros is none.
        check(&["0000-00-00", "1980-12-25"], DayFirst, Some(Dates::Iso));
        check(&["0/0/00", "25/12/1980"], DayFirst, forms(&["D/M/YYYY"]));
        check(&["1900-01-00", "1980-12-25"], DayFirst, forms(&["YYYY-MM-DD"]));
        check(&["0000-00-00"], DayFirst, None);
        check(&["25/12/80"], DayFirst, None);
        check(&["25/12/1980", "12/25/1980"], DayFirst, None);
        check(&["x"], DayFirst, None);
        check(&[], DayFirst, None);
    }

    #[test]
    fn dates_that_are_not_in_the_calendar_are_set_aside() {
        use DayOrder::{DayFirst, MonthFirst};
        let check = |values: &[&str], order: DayOrder, expected: Option<(Dates, usize)>| {
            assert_eq!(dates_and_impossible(values, order), expected, "{values:?}");
        };
        let owned = |forms: &[&str]| forms.iter().map(|&form| form.to_owned()).collect::<Vec<String>>();
        let forms = |forms: &[&str], count: usize| Some((Dates::Forms(owned(forms)), count));
        check(&["25/12/1980", "31/02/1990", "01/02/1990"], MonthFirst, forms(&["D/M/YYYY"], 1));
        check(&["12/25/1980", "02/31/1990", "1/2/1990"], DayFirst, forms(&["M/D/YYYY"], 1));
        check(&["25/12/1980", "1/2/1990", "31/02/1990", "31/11/1990", "1/3/1990"], MonthFirst, forms(&["D/M/YYYY"], 2));
        check(
            &["1/2/1990", "3/4/1990", "31/02/1990"],
            DayFirst,
            Some((Dates::Either(owned(&["D/M/YYYY"]), owned(&["M/D/YYYY"])), 1)),
        );
        // In ISO 8601 as well, because only a step rejects them.
        check(&["1980-12-25", "1990-02-30", "1990-02-03"], DayFirst, forms(&["YYYY-MM-DD"], 1));
        check(&["25/12/1980 10:00", "1/2/1990 11:30", "31/02/1990 10:00"], DayFirst, forms(&["D/M/YYYY H:mm"], 1));
        // Missing dates are no impossible ones.
        check(&["0000-00-00", "1980-12-25", "31/02/1990"], DayFirst, forms(&["YYYY-MM-DD"], 1));
        // None or half of them, other text, and days and months in both orders.
        check(&["25/12/1980", "01/02/1990"], DayFirst, None);
        check(&["25/12/1980", "31/02/1990"], DayFirst, None);
        check(&["25/12/1980", "1/2/1990", "31/02/1990", "x"], DayFirst, None);
        check(&["25/12/1980", "12/25/1980", "1/2/1990", "31/02/1990"], DayFirst, None);
        check(&["25/12/1980", "1/2/1990", "31/02/90"], DayFirst, None);
        check(&[], DayFirst, None);
    }

    #[test]
    fn a_country_and_a_language_have_an_order_of_day_and_month() {
        let check = |country: &str, expected: Option<DayOrder>| {
            assert_eq!(DayOrder::of_country(country.parse().unwrap()), expected, "{country}");
        };
        for country in ["GB", "MX", "ES", "BR", "AR", "CO", "AU", "IE", "IN", "NZ", "ZA", "DE", "FR", "SE"] {
            check(country, Some(DayOrder::DayFirst));
        }
        for country in ["US", "PR", "PH", "GU"] {
            check(country, Some(DayOrder::MonthFirst));
        }
        for country in ["CA", "PA", "JP", "CN", "KR"] {
            check(country, None);
        }
        // Each of the tables is a country, and in one of them.
        for country in
            MONTH_FIRST_IN.iter().chain(&UNDECIDED_IN).filter(|country| !["UM", "PW", "KP"].contains(country))
        {
            assert!(country.parse::<Country>().is_ok(), "{country}");
        }
        assert!(!MONTH_FIRST_IN.iter().any(|country| UNDECIDED_IN.contains(country)));
        assert_eq!(DayOrder::of_language(Some(Language::English)), DayOrder::MonthFirst);
        assert_eq!(DayOrder::of_language(None), DayOrder::DayFirst);
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
        // One of another country is not counted for it.
        check(&["55 1234 5678", "+34 612 345 678", "5.2E+11"], Some(("MX", 1)));
        check(&["x"], None);
    }

    #[test]
    fn phones_are_counted_by_their_country() {
        let values = ["55 1234 5678", "+52 33 1234 5678", "+34 612 345 678", "5.2155E+12", "5E12", "x"];
        let counted = phones(&values, "MX".parse().ok());
        assert_eq!(counted, Phones { numbers: 3, of_country: 2, rounded: 2 });
        assert_eq!(phones(&values, None), Phones { numbers: 2, of_country: 0, rounded: 2 });
    }

    #[test]
    fn a_separator_in_quotes_parts_nothing() {
        let check = |values: &[&str], expected: Option<&str>| assert_eq!(separator(values), expected, "{values:?}");
        check(&["a;b"], Some(";"));
        check(&["a"], None);
        check(&["a;b", "Big, spender;b"], Some(";"));
        check(&["a;b", "VIP, b"], None);
        check(&["a;b", "a|b"], None);
        check(&[r#""VIP","Big; spender""#], Some(","));
        check(&[r#"["a;b","c"]"#, "{a,b}"], None);
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
        check("a@example.x;b@example.com", false);
        check("a@@example.com", false);
        check("a,b@example.com", false);
        check("a@example.com/12", false);
        check("Ann Roe <a@example.com>", true);
        check("a@example.com;", true);
    }
}
