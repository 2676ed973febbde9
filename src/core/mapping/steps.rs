//! The transforms of a value.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::core::decimal::Decimal;
use crate::core::mapping::date::{DateForm, NoDate, iso};
use crate::core::mapping::number::{DecimalMark, Fraction, NoDecimal, decimal, is_scientific, without_fraction};
use crate::core::mapping::phone::{Country, ROUNDED, digits_of, e164};
use crate::core::mapping::rules::{Accept, FALSE, Rules, Step, TRUE, ValueType, Words};
use crate::core::model::{Field, Value};
use crate::core::text::is_invisible;

/// What was expected of a value, and what was found. It does not repeat the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) expected: String,
    pub(super) found: &'static str,
}

/// The countries of phone numbers without a country code. The country of a step, if it names one, comes between these.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Countries {
    /// The country that the row names.
    pub(super) of_row: Option<Country>,
    /// The country of the whole input.
    pub(super) of_all: Option<Country>,
}

impl Countries {
    /// The country for a step that names none itself.
    pub(super) fn or(self, own: Option<Country>) -> Option<Country> {
        self.of_row.or(own).or(self.of_all)
    }
}

/// Applies all steps in order.
pub(super) fn apply<'a>(steps: &[Step], countries: Countries, text: Cow<'a, str>) -> Result<Cow<'a, str>, Unfit> {
    steps.iter().try_fold(text, |text, step| one(step, countries, text))
}

/// Whether `null` or a table replaces text.
pub(super) fn replaces(steps: &[Step], countries: Countries, text: &str) -> bool {
    let mut text = Cow::Borrowed(text);
    for step in steps {
        let Ok(made) = one(step, countries, text.clone()) else { return false };
        if matches!(step, Step::Null(_) | Step::Table(_)) && made != text {
            return true;
        }
        text = made;
    }
    false
}

fn one<'a>(step: &Step, countries: Countries, text: Cow<'a, str>) -> Result<Cow<'a, str>, Unfit> {
    if text.is_empty() {
        return Ok(if let Step::Default(value) = step { Cow::Owned(value.clone()) } else { text });
    }
    Ok(match step {
        Step::Trim => trimmed(text),
        Step::Lower => changed(text, |character| !character.is_lowercase(), str::to_lowercase),
        Step::Upper => changed(text, |character| !character.is_uppercase(), str::to_uppercase),
        Step::CollapseSpaces => collapsed(text),
        Step::Digits => changed(digits_expected(text)?, |character| !character.is_ascii_digit(), digits_of),
        Step::First(separator) => {
            let first = text.split(separator.as_str()).map(str::trim).find(|part| !part.is_empty());
            first.map_or(Cow::Borrowed(""), |first| Cow::Owned(first.to_owned()))
        }
        Step::E164(own) => {
            let country = countries.or(*own);
            Cow::Owned(e164(&text, country).map_err(|no| Unfit { expected: phone_of(country), found: no.found() })?)
        }
        Step::Date(forms) => Cow::Owned(date(forms, &text)?),
        Step::Decimal(mark) => Cow::Owned(decimal(&text, *mark).map_err(|no| no_decimal(no, *mark))?),
        Step::Prefix(prefix) => Cow::Owned([prefix.as_str(), &text].concat()),
        Step::Table(table) => match table.value(&text) {
            Some(value) => Cow::Owned(value.to_owned()),
            None => text,
        },
        Step::Null(words) if words.have(&text) => Cow::Borrowed(""),
        Step::Default(_) | Step::Null(_) => text,
    })
}

/// Checks text that is not blank against the accepted values.
pub(super) fn check(accept: &Accept, text: &str) -> Result<(), Unfit> {
    match accept {
        Accept::Values(values) if values.iter().any(|value| value == text) => Ok(()),
        Accept::Values(values) => {
            let mut expected = "one of ".to_owned();
            for (at, value) in values.iter().enumerate() {
                let _ = write!(expected, "{}`{value}`", if at == 0 { "" } else { ", " });
            }
            Err(Unfit { expected, found: "another value" })
        }
        Accept::Pattern(pattern) if pattern.describes(text) => Ok(()),
        Accept::Pattern(pattern) => {
            Err(Unfit { expected: format!("a value of the pattern `{pattern}`"), found: "another" })
        }
    }
}

impl Rules {
    /// The field with its value in the type that its rule gives it; as text if no rule does.
    ///
    /// # Errors
    /// What was expected of the value, with the name of the field.
    pub fn typed(&self, field: Field) -> Result<Field, String> {
        let rule = self.fields.iter().find(|rule| *rule.name.trim() == *field.name);
        let value_type = rule.map_or(ValueType::Text, |rule| rule.value_type);
        let unfit = |Unfit { expected, found }| format!("`{}`: expected {expected}, found {found}", field.name);
        let value = typed(&field.value, value_type).map_err(unfit)?;
        Ok(Field { value, ..field })
    }
}

/// Converts a value to the type of its field.
pub(super) fn typed(value: &Value, value_type: ValueType) -> Result<Value, Unfit> {
    let text = value.text();
    match value_type {
        ValueType::Text => Ok(value.clone().into_text()),
        ValueType::Number => {
            let unfit = |found| Unfit { expected: "a number".to_owned(), found };
            let decimal = match value {
                Value::Bool(_) => return Err(unfit("a boolean")),
                Value::Text(_) | Value::Number(_) | Value::Hashed(_) => Decimal::of_words(&text),
            };
            let is_scientific = Decimal::of_json(&text).is_some();
            let none = if is_scientific { "one in scientific notation, which may be rounded" } else { "other text" };
            let number = decimal.ok_or_else(|| unfit(none))?.number();
            number.map(Value::Number).ok_or_else(|| unfit("one with more digits than a JSON number keeps"))
        }
        ValueType::Boolean => {
            let is = |words: &[&str]| Words::new(words).have(&text);
            match (is(&TRUE), is(&FALSE)) {
                (true, _) => Ok(Value::Bool(true)),
                (false, true) => Ok(Value::Bool(false)),
                (false, false) => {
                    Err(Unfit { expected: "true or false (or yes, no, 1, 0)".to_owned(), found: "another value" })
                }
            }
        }
    }
}

fn phone_of(country: Option<Country>) -> String {
    match country {
        Some(country) => format!("a phone number of {country}, or one with its country code"),
        None => "a phone number with its country code".to_owned(),
    }
}

// The text without decimals, which are not part of a phone number or an id.
fn digits_expected(text: Cow<'_, str>) -> Result<Cow<'_, str>, Unfit> {
    if is_scientific(text.trim()) {
        return Err(Unfit { expected: "digits".to_owned(), found: ROUNDED });
    }
    Ok(match without_fraction(&text) {
        Fraction::None(whole) if whole.len() < text.len() => Cow::Owned(whole.into_owned()),
        Fraction::None(_) | Fraction::Some => text,
    })
}

fn no_decimal(no: NoDecimal, mark: Option<DecimalMark>) -> Unfit {
    let expected = match mark {
        Some(mark) => format!("a number with `{}` before its decimals", mark.character()),
        None => "a number".to_owned(),
    };
    let found = match no {
        NoDecimal::Other => "something else",
        NoDecimal::Rounded => ROUNDED,
        NoDecimal::Ambiguous => {
            "one whose `.` or `,` may separate thousands or decimals (write { decimal = \",\" } or { decimal = \".\" })"
        }
    };
    Unfit { expected, found }
}

/// What is found in place of a date in one of the forms.
const OTHER_FORM: &str = "another form";

// Of several forms, one that fits but has no such day in the calendar explains more than those that do not fit.
fn date(forms: &[DateForm], text: &str) -> Result<String, Unfit> {
    let mut found = OTHER_FORM;
    // Some programs put direction marks between the numbers of a date.
    let text: Cow<'_, str> = if text.contains(is_invisible) {
        Cow::Owned(text.chars().filter(|character| !is_invisible(*character)).collect())
    } else {
        Cow::Borrowed(text)
    };
    for form in forms {
        match form.read(text.trim()) {
            Ok(date) => return Ok(date),
            Err(NoDate::NoValue) => return Ok(String::new()),
            Err(NoDate::NotInCalendar) => found = "a date or a time that does not exist",
            Err(NoDate::ShortYear) if found == OTHER_FORM => {
                found = "a year of two digits, which has no century (export the dates with years of four digits)";
            }
            Err(NoDate::OtherForm | NoDate::ShortYear) => {}
        }
    }
    if let Some(date) = iso(text.trim()) {
        return Ok(date.to_owned());
    }
    let forms: Vec<String> = forms.iter().map(|form| format!("`{form}`")).collect();
    Err(Unfit { expected: format!("a date written {}", forms.join(" or ")), found })
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

fn changed(text: Cow<'_, str>, is_to_change: fn(char) -> bool, change: fn(&str) -> String) -> Cow<'_, str> {
    if text.chars().any(is_to_change) { Cow::Owned(change(&text)) } else { text }
}

fn collapsed(text: Cow<'_, str>) -> Cow<'_, str> {
    let mut was_blank = false;
    let is_to_change = text.chars().any(|character| {
        let is_run = was_blank && character.is_whitespace();
        was_blank = character.is_whitespace();
        is_run || (was_blank && character != ' ')
    });
    if !is_to_change {
        return text;
    }
    Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mapping::words::{Table, Words};

    fn forms(forms: &[&str]) -> Step {
        Step::Date(forms.iter().map(|form| form.parse().unwrap()).collect())
    }

    fn table(entries: &[(&str, &str)]) -> Step {
        let entries = entries.iter().map(|(word, value)| ((*word).to_owned(), (*value).to_owned()));
        Step::Table(Table::new(entries).unwrap())
    }

    fn check(steps: &[Step], text: &str, expected: &str) {
        let found = match apply(steps, Countries { of_row: None, of_all: "MX".parse().ok() }, text.into()) {
            Ok(text) => text.into_owned(),
            Err(Unfit { expected, found }) => format!("expected {expected}, found {found}"),
        };
        assert_eq!(found, expected, "{steps:?} {text}");
    }

    #[test]
    fn a_step_makes_one_thing_of_a_text() {
        check(&[Step::Trim], " a\u{a0}", "a");
        check(&[Step::Lower], "\u{c9}a B", "\u{e9}a b");
        check(&[Step::Upper], "\u{e9}a B", "\u{c9}A B");
        check(&[Step::CollapseSpaces], "a \t b\u{a0}c", "a b c");
        check(&[Step::CollapseSpaces], "a b c", "a b c");
        check(&[Step::Digits], "+52 (55) a1", "52551");
        check(&[Step::Digits], "1711234567.0", "1711234567");
        check(&[Step::Digits], "1,711,234,567.00", "1711234567");
        check(&[Step::Digits], "\u{ff15}\u{ff15} \u{661}\u{662}", "5512");
        check(&[Step::Digits], "52", "52");
        check(&[Step::First(":::".into())], "a b ::: c", "a b");
        check(&[Step::First(":::".into())], " ::: c", "c");
        check(&[Step::First(";".into())], ";;", "");
        check(&[Step::E164(None)], "55 1234 5678", "+525512345678");
        check(&[Step::E164("ES".parse().ok())], "612345678", "+34612345678");
        check(&[forms(&["DD/MM/YYYY"])], "05/03/2024", "2024-03-05");
        check(&[forms(&["DD/MM/YYYY", "YYYY-MM-DD"])], "2024-03-05", "2024-03-05");
        // A cell of a sheet that is a date is ISO 8601 when it is read.
        check(&[forms(&["DD/MM/YYYY"])], "2024-03-05", "2024-03-05");
        check(&[forms(&["D/M/YYYY HH:mm"])], "2024-03-05T14:30:00", "2024-03-05T14:30:00");
        check(&[forms(&["DD/MM/YYYY"])], "\u{200e}05\u{200e}/\u{200e}03\u{200e}/\u{200e}2024", "2024-03-05");
        check(
            &[forms(&["DD/MM/YYYY", "YYYY-MM-DD"])],
            "05/03/24",
            "expected a date written `DD/MM/YYYY` or `YYYY-MM-DD`, found a year of two digits, which has no century (export \
             the dates with years of four digits)",
        );
        check(&[forms(&["DD/MM/YYYY"])], "00/00/0000", "");
        check(&[forms(&["DD/MM/YYYY", "YYYY-MM-DD"]), Step::Default("x".into())], "1900-01-00", "x");
        check(&[Step::Decimal(None)], "0,50", "0.50");
        check(&[Step::Decimal(Some(DecimalMark::Comma))], "1.234", "1234");
        check(&[Step::Prefix("521".into())], "5512345678", "5215512345678");
        check(&[Step::Prefix("crm: ".into())], "a", "crm: a");
        check(
            &[Step::E164(None), Step::First("+52".into()), Step::Prefix("521".into())],
            "044 55 1234 5678",
            "5215512345678",
        );
        check(&[table(&[("S", "yes"), ("N", "")])], "s", "yes");
        check(&[table(&[("S", "yes"), ("N", "")])], "n", "");
        check(&[table(&[("S", "yes")])], "other", "other");
        check(&[Step::Default("x".into())], "", "x");
        check(&[Step::Default("x".into())], "y", "y");
        check(&[Step::Null(Words::new(["N/A"]))], "n/a", "");
        check(&[Step::Null(Words::new(["N/A"]))], "n", "n");
    }

    #[test]
    fn steps_are_done_in_order() {
        let none = || Step::Null(Words::new(["-"]));
        check(&[none(), Step::Default("x".into())], "-", "x");
        check(&[Step::Default("x".into()), none()], "-", "");
        check(&[Step::Lower, table(&[("a", "B")]), Step::Lower], "A", "b");
        check(&[none(), Step::E164(None), Step::Digits], "-", "");
    }

    #[test]
    fn a_blank_stays_blank() {
        for step in [
            Step::E164(None),
            forms(&["DD/MM/YYYY"]),
            table(&[("a", "b")]),
            Step::Digits,
            Step::First("a".into()),
            Step::Decimal(None),
            Step::Prefix("a".into()),
        ] {
            check(&[step], "", "");
        }
    }

    #[test]
    fn what_does_not_fit_says_what_was_expected() {
        check(
            &[Step::E164(None)],
            "55",
            "expected a phone number of MX, or one with its country code, found one that its country does not have",
        );
        let rounded = "found a number that a spreadsheet has rounded, such as 5.2E+11 (export the column as text)";
        for text in ["5.2155E+12", "5,2155E+12", "5.2E12", "5E12"] {
            check(&[Step::Digits], text, &format!("expected digits, {rounded}"));
            check(
                &[Step::E164(None)],
                text,
                &format!("expected a phone number of MX, or one with its country code, {rounded}"),
            );
            check(&[Step::Decimal(None)], text, &format!("expected a number, {rounded}"));
        }
        check(
            &[Step::Decimal(Some(DecimalMark::Comma))],
            "x",
            "expected a number with `,` before its decimals, found something else",
        );
        check(
            &[Step::Decimal(None)],
            "1.234",
            "expected a number, found one whose `.` or `,` may separate thousands or decimals (write { decimal = \",\" } \
             or { decimal = \".\" })",
        );
        check(&[forms(&["DD/MM/YYYY"])], "5/3/24", "expected a date written `DD/MM/YYYY`, found another form");
        check(
            &[forms(&["DD/MM/YYYY", "YYYY-MM-DD"])],
            "31/02/2024",
            "expected a date written `DD/MM/YYYY` or `YYYY-MM-DD`, found a date or a time that does not exist",
        );
    }

    #[test]
    fn a_value_is_sent_in_the_type_of_its_field() {
        use ValueType::{Boolean, Number, Text};
        let check = |json: &str, value_type: ValueType, expected: &str| {
            let value: Value = serde_json::from_str(json).unwrap();
            let found = match typed(&value, value_type) {
                Ok(value) => serde_json::to_string(&value).unwrap(),
                Err(Unfit { expected, found }) => format!("expected {expected}, found {found}"),
            };
            assert_eq!(found, expected, "{json} {value_type:?}");
        };
        for (json, text) in [("1e3", "1000"), ("-0", "0"), ("1.50", "1.5"), ("5.0", "5"), ("true", "true")] {
            check(json, Text, &format!("{text:?}"));
        }
        check("12345678901234567890", Text, r#""12345678901234567890""#);
        check(r#""1e3""#, Text, r#""1e3""#);
        check(r#""1.50""#, Text, r#""1.50""#);
        for (json, number) in
            [(r#""5""#, "5"), ("5", "5"), ("5.0", "5"), (r#""007""#, "7"), (r#""1.50""#, "1.5"), ("1e3", "1000")]
        {
            check(json, Number, number);
        }
        let number = "expected a number, found";
        check(r#""five""#, Number, &format!("{number} other text"));
        check(r#""1,5""#, Number, &format!("{number} other text"));
        check("true", Number, &format!("{number} a boolean"));
        check(r#""1e3""#, Number, &format!("{number} one in scientific notation, which may be rounded"));
        let digits = format!("{number} one with more digits than a JSON number keeps");
        check(r#""123456789012345678901""#, Number, &digits);
        for word in ["true", "TRUE", "yes", "Y", "1", "S\u{ed}", "si", "s", "sim", "verdadero", "verdadeiro"] {
            check(&format!("{word:?}"), Boolean, "true");
        }
        for word in ["false", "False", "no", "N", "0", "n\u{e3}o", "nao", "falso"] {
            check(&format!("{word:?}"), Boolean, "false");
        }
        for (json, flag) in [("true", "true"), ("false", "false"), ("1", "true"), ("0", "false")] {
            check(json, Boolean, flag);
        }
        for json in ["2", r#""perhaps""#, r#""x""#, "0.5"] {
            check(json, Boolean, "expected true or false (or yes, no, 1, 0), found another value");
        }
    }

    #[test]
    fn only_what_is_accepted_passes() {
        let refused = |accept: &Accept, text: &str| {
            super::check(accept, text)
                .err()
                .map(|Unfit { expected, found }| format!("expected {expected}, found {found}"))
        };
        let values = Accept::Values(vec!["a".into(), "b".into()]);
        assert_eq!(refused(&values, "a"), None);
        assert_eq!(refused(&values, "A").as_deref(), Some("expected one of `a`, `b`, found another value"));
        let pattern = Accept::Pattern("[0-9]+".parse().unwrap());
        assert_eq!(refused(&pattern, "17"), None);
        assert_eq!(refused(&pattern, "a1").as_deref(), Some("expected a value of the pattern `[0-9]+`, found another"));
    }
}
