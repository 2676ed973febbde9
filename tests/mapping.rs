//! Properties for arbitrary text: the phone step, the date step, the decimal step, tags, and the whole mapping.
//!
//! `CASES=10000000 cargo test --release --test mapping` is the full run.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails the test it is called by")]

use std::sync::Arc;

use contactsync::contact::{Cells, Rejection, Value};
use contactsync::mapping::rules::{Country, DecimalMark, FieldRule, Origin, Rules, Step, TagOrigin, TagRule, Words};
use contactsync::source::Record;
use contactsync::{Contact, Mapping, Mode};
use proptest::prelude::*;
use serde_json::Value as Json;
use unicode_normalization::UnicodeNormalization;

/// Countries whose rules only remove a prefix of a number.
const PLAIN: [&str; 12] = ["MX", "ES", "US", "GB", "IT", "BR", "DE", "FR", "CO", "CL", "PE", "IN"];

/// Countries whose rules change digits of a number or add an area code.
const OTHERS: [&str; 6] = ["AR", "AG", "CN", "RU", "MN", "SM"];

const FORMS: [&str; 8] = [
    "DD/MM/YYYY",
    "D/M/YYYY",
    "M-D-YYYY",
    "YYYY-MM-DD",
    "YYYY/M/D H:mm",
    "D.M.YYYY HH:mm:ss",
    "M/D/YYYY h:mm A",
    "YYYY-MM-DDTHH:mm:ss",
];

fn config() -> ProptestConfig {
    let cases = std::env::var("CASES").ok().map(|cases| cases.parse().expect("CASES is a number"));
    ProptestConfig { cases: cases.unwrap_or(2_000), failure_persistence: None, ..ProptestConfig::default() }
}

// Pieces that matter to a step, more often than uniform randomness gives.
fn piece() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "+",
        "00",
        "011",
        "044",
        "045",
        "01",
        "1",
        "52",
        "521",
        "15",
        "9",
        "0",
        "(0)",
        "tel:",
        "whatsapp:",
        " ext. ",
        "x",
        "#",
        ";",
        ",",
        "/",
        ".",
        ".0",
        ",00",
        "E+12",
        "e12",
        "-",
        " ",
        "\u{2013}",
        "\u{a0}",
        "\u{202f}",
        "\u{200b}",
        "\u{202a}",
        "\u{feff}",
        "\u{200d}",
        "cel",
        "\u{ff15}",
        "\u{661}",
        "\u{b2}",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\"\"",
        "'",
        "\\",
        "\\\"",
        "|",
        "null",
        "0000-00-00",
        "1900-01-00",
        " AM",
        " p. m.",
        "T",
        ":",
        "$",
        "\u{20ac}",
        "\u{301}",
        "e\u{301}",
        "\0",
        "\u{1f468}\u{200d}\u{1f469}",
    ]);
    prop_oneof![
        4 => "[0-9]{1,10}",
        4 => special.prop_map(str::to_owned),
        1 => "\\PC{0,4}",
        1 => any::<String>(),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::collection::vec(piece(), 0..6).prop_map(|pieces| pieces.concat()),
        2 => "[+(]{0,2}[0-9]{2,3}[ )(./-]{0,2}[0-9 ./-]{5,14}",
        1 => "[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}( [0-9]{1,2}:[0-9]{2}( [AP]M)?)?",
        1 => "-?[0-9]{0,4}[., ]?[0-9]{1,3}[., ]?[0-9]{0,3}",
    ]
}

fn any_country() -> impl Strategy<Value = Option<Country>> {
    let all: Vec<&str> = PLAIN.into_iter().chain(OTHERS).collect();
    prop::option::weighted(0.9, prop::sample::select(all).prop_map(|letters| letters.parse().unwrap()))
}

fn column(name: &str, steps: Vec<Step>) -> FieldRule {
    FieldRule { steps, ..FieldRule::column(name, name) }
}

fn contact(rules: &Rules, cells: &[(&str, &str)]) -> Result<Contact, Rejection> {
    let names: Vec<Arc<str>> = cells.iter().map(|(name, _)| Arc::from(*name)).collect();
    let mapping = Mapping::by(rules, Some(&names), Mode::Create).unwrap();
    let cells = Cells::Texts(cells.iter().map(|(_, text)| *text).collect());
    mapping.contact(&Record { row: 1, line: 2, cells, total: None })
}

/// The result of a step; empty where the text means no value.
fn made(step: Step, text: &str) -> Result<String, String> {
    let always = FieldRule { origin: Origin::Constant(Value::Bool(true)), ..FieldRule::column("always", "") };
    let rules = Rules { fields: vec![always, column("x", vec![step])], ..Rules::default() };
    let contact = contact(&rules, &[("x", text)]).map_err(|rejection| rejection.reason)?;
    let made = contact.filled().iter().find(|field| field.name == "x").map(|field| field.value.text().into_owned());
    Ok(made.unwrap_or_default())
}

fn e164(text: &str, country: Option<Country>) -> Option<String> {
    made(Step::E164(country), text).ok().filter(|number| !number.is_empty())
}

fn date(text: &str, form: &str) -> Result<String, String> {
    made(Step::Date(vec![form.parse().unwrap()]), text)
}

fn is_invisible(character: char) -> bool {
    let others = ['\u{ad}', '\u{34f}', '\u{61c}', '\u{180e}', '\u{feff}'];
    let ranges = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{206f}', '\u{fff9}'..='\u{fffb}'];
    others.contains(&character) || ranges.iter().any(|range| range.contains(&character))
}

fn nfc(text: &str) -> String {
    text.nfc().collect()
}

#[test]
fn the_examples_of_the_documentation_hold() {
    let country = |letters: &str| letters.parse::<Country>().ok();
    let check = |steps: &[Step], text: &str, expected: Option<&str>| {
        let always = FieldRule { origin: Origin::Constant(Value::Bool(true)), ..FieldRule::column("always", "") };
        let rules = Rules { fields: vec![always, column("x", steps.to_vec())], ..Rules::default() };
        let found = contact(&rules, &[("x", text)]);
        let found = found.map(|contact| {
            let field = contact.filled().iter().find(|field| field.name == "x");
            field.map(|field| field.value.text().into_owned()).unwrap_or_default()
        });
        assert_eq!(found.ok().as_deref(), expected, "{steps:?} {text}");
    };
    let mexican = [Step::E164(country("MX"))];
    check(&mexican, "5215512345678", Some("+525512345678"));
    check(&mexican, "+5215512345678", Some("+525512345678"));
    for prefix in ["01", "044", "045"] {
        check(&mexican, &format!("{prefix} 55 1234 5678"), Some("+525512345678"));
    }
    for same in ["tel:5512345678", "5512345678.0"] {
        check(&mexican, same, Some("+525512345678"));
    }
    check(&mexican, "14155552671", None);
    check(&mexican, "+14155552671", Some("+14155552671"));
    for rejected in ["555 1234 cel", "5512345678.5", "55 1234 5678 ext. 7", "5512345678; 5512345679"] {
        check(&mexican, rejected, None);
    }
    for split in ["004-92 58 76 11", "00 4 92 58 76 11"] {
        check(&[Step::E164(country("FR"))], split, None);
    }
    let stored = [Step::E164(country("MX")), Step::First("+52".into()), Step::Prefix("521".into())];
    check(&stored, "55 1234 5678", Some("5215512345678"));
    check(&[Step::Decimal(None)], "0,50", Some("0.50"));
    check(&[Step::Decimal(None)], "1.234,56", Some("1234.56"));
    check(&[Step::Decimal(None)], "1.234", None);
    check(&[Step::Decimal(Some(DecimalMark::Comma))], "1.234", Some("1234"));
    check(&[Step::First(";".into())], " ; a; b", Some("a"));
    check(&[Step::Digits], "1001.0", Some("1001"));
    let dates = [Step::Date(vec!["YYYY-MM-DD".parse().unwrap(), "DD/MM/YYYY HH:mm".parse().unwrap()])];
    check(&dates, "31/12/1999 08:30", Some("1999-12-31T08:30:00"));
    for missing in ["0000-00-00", "1900-01-00", "1899-12-30", "0001-01-01"] {
        check(&dates, missing, Some(""));
    }
}

// The value of a digit in any of the scripts in `any_text` and some others.
fn digit(character: char) -> Option<char> {
    const ZEROS: [u32; 9] = [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0xff10, 0x1d7ce, 0x104a0];
    let zero = ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&u32::from(character)));
    zero.map(|zero| char::from_digit(u32::from(character) - zero, 10).unwrap())
        .or_else(|| character.is_numeric().then_some('?'))
}

fn is_of(number: &str, country: &str) -> bool {
    let number = rlibphonenumber::PHONE_NUMBER_UTIL.parse(number, None).ok();
    number.is_some_and(|number| number.is_valid_for_region(country.parse().unwrap()))
}

// Whether a date survives the conversion to days since 1 March of the year 0 and back (Howard Hinnant, "chrono-compatible
// low-level date algorithms").
fn is_day(year: i64, month: i64, day: i64) -> bool {
    if year < 1 || !(1..=12).contains(&month) || day < 1 {
        return false;
    }
    let (from_march, year_from_march) = ((month + 9) % 12, if month > 2 { year } else { year - 1 });
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days =
        365 * year_from_march + year_from_march / 4 - year_from_march / 100 + year_from_march / 400 + day_of_year;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let back_month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let back_year = year_of_era + era * 400 + i64::from(back_month <= 2);
    (back_year, back_month, day_of_year - (153 * from_march + 2) / 5 + 1) == (year, month, day)
}

fn digits(text: &str) -> String {
    text.chars().filter_map(digit).collect()
}

fn is_of_a_control_character(reason: &str, text: &str) -> bool {
    reason.contains("found the control character") && text.contains(char::is_control)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_phone_number_keeps_the_digits_of_its_text(text in any_text(), country in any_country()) {
        let Some(number) = e164(&text, country) else { return Ok(()) };
        let dialed = number.strip_prefix('+').unwrap_or_default();
        prop_assert!((7..=15).contains(&dialed.len()) && !dialed.starts_with('0'), "{}", number);
        prop_assert!(dialed.bytes().all(|digit| digit.is_ascii_digit()), "{}", number);
        // A word and a colon before a `+` are a label, which is dropped.
        let labelled = text.split_once(':').filter(|(label, number)| {
            let plus = ['+', '\u{ff0b}', '\u{207a}', '\u{fe62}'];
            !label.contains(|character| digit(character).is_some()) && number.contains(plus)
        });
        let unlabelled = labelled.map_or(text.as_str(), |(_, number)| number);
        let without_scheme = unlabelled.to_lowercase().replace("tel:", "").replace("whatsapp:", "").replace("sms:", "");
        // The fillers of Hangul are letters that cannot be seen.
        let is_letter = |character: char| character.is_alphabetic() && !"\u{115f}\u{1160}\u{3164}\u{ffa0}".contains(character);
        prop_assert!(!without_scheme.replace("callto:", "").contains(is_letter), "a letter became a digit");

        // The last digits are in the text as they are dialed. A country code and a country's trunk digits precede them.
        let read = digits(&text);
        let endings = [read.as_str(), read.strip_suffix('0').unwrap_or(&read), read.strip_suffix("00").unwrap_or(&read)];
        let ends_with = |tail: &str| endings.iter().any(|read| read.ends_with(tail) || (read.contains('?') && read.len() >= tail.len()));
        prop_assert!(ends_with(&dialed[dialed.len() - 4..]), "{} of {}", number, read);
        let is_plain = country.is_none_or(|country| PLAIN.contains(&country.to_string().as_str()));
        // Norfolk Island (672) adds a 3 before numbers of five digits, and Madagascar (261) adds 20 before those of seven.
        let rules_inside = ["54", "1", "86", "7", "976", "378", "39", "672", "261"];
        let has_rules_inside = rules_inside.into_iter().any(|code| dialed.starts_with(code));
        if is_plain && !has_rules_inside {
            prop_assert!((1..=3).any(|code| ends_with(&dialed[code..])), "{} of {}", number, read);
        }

        // The result is itself a number: with any country, and without one.
        for again in [None, country, "GB".parse().ok()] {
            prop_assert_eq!(e164(&number, again), Some(number.clone()));
        }
    }

    #[test]
    fn a_national_phone_number_gets_the_country_code(
        text in "[0-9]{7,13}",
        country in prop::sample::select(PLAIN.to_vec()),
    ) {
        let region: Country = country.parse().unwrap();
        let Some(number) = e164(&text, Some(region)) else { return Ok(()) };
        // Otherwise the text has an international prefix or a code that several countries share.
        let is_shared = number.starts_with("+44") || number.starts_with("+39");
        let is_international = text.starts_with("00") || text.starts_with("011") || text.starts_with("09") || country == "US";
        prop_assert!(is_international || is_of(&number, country) || is_shared, "{} {} {}", country, text, number);
    }

    #[test]
    fn a_date_must_exist_in_the_calendar(text in any_text(), form in prop::sample::select(FORMS.to_vec())) {
        match date(&text, form) {
            Ok(date) if date.is_empty() => {}
            Ok(date) => {
                let (day, time) = date.split_once('T').unwrap_or((&date, "00:00:00"));
                let number = |text: &str| text.parse::<i64>().unwrap();
                let [year, month, day] = day.split('-').map(number).collect::<Vec<_>>()[..] else { panic!("{date}") };
                let [hour, minute, second] = time.split(':').map(number).collect::<Vec<_>>()[..] else { panic!("{date}") };
                prop_assert!(is_day(year, month, day) && hour < 24 && minute < 60 && second < 60, "{}", date);
                prop_assert!([10, 19].contains(&date.len()), "{}", date);
                prop_assert!(digits(&text).len() >= 6, "{} of {}", date, text);
            }
            Err(reason) => prop_assert!(
                reason.contains("expected a date written") || is_of_a_control_character(&reason, &text),
                "{}",
                reason
            ),
        }
    }

    #[test]
    fn every_date_is_read_in_its_format(year in 1_i64..=9999, month in 1_i64..=12, day in 1_i64..=31, as_written in 0..5) {
        let (form, text) = match as_written {
            0 => ("DD/MM/YYYY", format!("{day:02}/{month:02}/{year:04}")),
            1 => ("D/M/YYYY", format!("{day}/{month}/{year:04}")),
            2 => ("M-D-YYYY", format!("{month}-{day}-{year:04}")),
            3 => ("YYYY-MM-DD", format!("{year:04}-{month:02}-{day:02}")),
            _ => ("M/D/YYYY h:mm A", format!("{month}/{day}/{year:04} 12:00 AM")),
        };
        let read = date(&text, form);
        let zeros = [(1899, 12, 30), (1899, 12, 31), (1, 1, 1)];
        if zeros.contains(&(year, month, day)) {
            prop_assert_eq!(read.as_deref(), Ok(""));
        } else if is_day(year, month, day) {
            prop_assert_eq!(&read.unwrap()[..10], &format!("{year:04}-{month:02}-{day:02}"));
        } else {
            prop_assert!(read.unwrap_err().contains("a date or a time that does not exist"));
        }
    }

    #[test]
    fn a_decimal_keeps_the_digits_of_its_text(
        text in any_text(),
        mark in prop::option::of(prop::sample::select(vec![DecimalMark::Comma, DecimalMark::Point])),
    ) {
        let Ok(number) = made(Step::Decimal(mark), &text) else { return Ok(()) };
        if number.is_empty() {
            return Ok(());
        }
        let unsigned = number.strip_prefix('-').unwrap_or(&number);
        let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        for part in [whole, decimals] {
            prop_assert!(!part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit()), "{}", number);
        }
        let (written, read) = (digits(&number), digits(&text));
        prop_assert_eq!(written.trim_start_matches('0'), read.trim_start_matches('0'));
        prop_assert_eq!(made(Step::Decimal(Some(DecimalMark::Point)), &number), Ok(number));
    }

    #[test]
    fn tags_are_parts_of_the_text(text in any_text()) {
        let separators = vec![";".to_owned(), ",".to_owned()];
        let origin = TagOrigin::Column { column: "t".into(), separators, except: Words::default() };
        let always = FieldRule { origin: Origin::Constant(Value::Bool(true)), ..FieldRule::column("always", "") };
        let tags = vec![TagRule { origin, prefix: String::new(), remove: false }];
        let rules = Rules { fields: vec![always], tags, ..Rules::default() };
        let contact = match contact(&rules, &[("t", &text)]) {
            Ok(contact) => contact,
            Err(rejection) => {
                let is_list = text.contains(['"', '[', '{', '\'']);
                let is_known = rejection.reason.contains("a tag has") || is_of_a_control_character(&rejection.reason, &text);
                prop_assert!(is_list || is_known, "{:?}", rejection);
                return Ok(());
            }
        };
        for tag in contact.tags() {
            prop_assert!(!tag.trim().is_empty() && tag.trim() == tag.as_str(), "{:?}", tag);
            prop_assert_eq!(nfc(tag), tag.as_str());
            // Each character was in the text, except for JSON escapes and the zeros of a power of ten.
            let all = nfc(&text);
            let is_power = text.contains(['e', 'E']);
            let kept = |character: char| {
                text.contains(character) || all.contains(character) || text.contains('\\') || (is_power && matches!(character, '0' | '.'))
            };
            prop_assert!(tag.chars().all(|character| kept(character) || !character.is_ascii()), "{:?} of {:?}", tag, text);
        }
    }

    #[test]
    fn every_row_becomes_a_contact_or_a_rejection(
        cells in prop::array::uniform6(any_text()),
        country in any_country(),
        by_rules in any::<bool>(),
        is_json in any::<bool>(),
    ) {
        let fields = vec![
            column("phone", vec![Step::E164(None)]),
            column("crm", vec![Step::Digits]),
            column("born", vec![Step::Date(FORMS.iter().map(|form| form.parse().unwrap()).collect())]),
            column("sum", vec![Step::Decimal(None), Step::Prefix("EUR ".into())]),
        ];
        let rules = Rules {
            matches: vec!["phone".into(), "crm".into()],
            fields: if by_rules { fields } else { Vec::new() },
            country,
            ..Rules::default()
        };
        let names: Vec<Arc<str>> = ["phone", "crm", "born", "sum", "tags", "contact_id"].map(Arc::from).to_vec();
        let mapping = Mapping::by(&rules, (!is_json).then_some(names.as_slice()), Mode::Create).unwrap();
        let cells = if is_json {
            let json = cells.iter().map(|cell| Json::String(cell.clone()));
            Cells::Object(names.into_iter().zip(json).collect())
        } else {
            Cells::Texts(cells.iter().map(String::as_str).collect())
        };
        let Ok(contact) = mapping.contact(&Record { row: 1, line: 2, cells, total: None }) else { return Ok(()) };
        for field in contact.filled() {
            let text = field.value.text();
            prop_assert!(!text.is_empty() && text.trim() == text, "{:?}", field);
            prop_assert_eq!(nfc(&text), text.as_ref());
        }
        for field in contact.matches() {
            let Value::Text(text) = &field.value else { panic!("all cells are text") };
            prop_assert!(!text.contains(|character| is_invisible(character) && !matches!(character, '\u{200c}' | '\u{200d}')), "{:?}", field);
            let is_rounded = text.split_once(['E', 'e']).is_some_and(|(digits, power)| {
                let is_number = |text: &str| !text.is_empty() && text.bytes().all(|character| character.is_ascii_digit());
                digits.split_once(['.', ',']).is_some_and(|(one, two)| is_number(one) && is_number(two))
                    && is_number(power.trim_start_matches('+'))
            });
            prop_assert!(!is_rounded, "{:?}", field);
        }
        for tag in contact.tags() {
            prop_assert!(!tag.is_empty() && tag.trim() == tag.as_str(), "{:?}", tag);
        }
    }
}
