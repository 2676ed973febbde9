//! Text that is no value: placeholders, booleans, and lists or objects that a program printed in place of a value.
//!
//! In a match field, such text would make one contact of many people, so its row is rejected. In another field it is sent,
//! because a person may be called `Null` or `None`; what no person writes is reported.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Why text identifies no contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonValue {
    /// A boolean as a program prints it.
    Boolean,
    /// An array or an object of JSON.
    Json,
    /// Another list or object as a program prints it, or JSON that is cut off.
    Printed,
    /// Text that stands for a missing value.
    Placeholder,
}

/// Text that a program wrote and no person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Artifact {
    /// This text, in place of a missing value or of one that cannot be shown.
    Word(&'static str),
    /// An error of a spreadsheet, such as `#REF!`.
    SpreadsheetError,
    /// A list or an object as a program prints it, or JSON that is cut off.
    Printed,
}

/// What programs print for a boolean: English, Spanish and Portuguese spreadsheets, and scripts.
const BOOLEANS: [&str; 5] = ["true", "false", "verdadero", "verdadeiro", "falso"];

/// What programs and people write for a missing value, in lower case.
const PLACEHOLDERS: &[&str] = &[
    "null",
    "nil",
    "none",
    "undefined",
    "nan",
    "nat",
    "n/a",
    "n.a.",
    "#n/a",
    "n/d",
    "n.d.",
    "#n/d",
    "s/d",
    "unknown",
    "missing",
    "empty",
    "blank",
    "no value",
    "no data",
    "not available",
    "not applicable",
    "no aplica",
    "no disponible",
    "no tiene",
    "sin datos",
    "sin correo",
    "sin email",
    "sin tel\u{e9}fono",
    "sin telefono",
    "desconocido",
    "ninguno",
    "vac\u{ed}o",
    "desconhecido",
    "nenhum",
    "n\u{e3}o tem",
    "nao tem",
    "n\u{e3}o informado",
    "nao informado",
    "n\u{e3}o possui",
    "nao possui",
    "s/n",
    "n.a",
    "n.d",
    "en blanco",
    "sin informaci\u{f3}n",
    "sin informacion",
    "sin n\u{fa}mero",
    "sin numero",
    "no tiene telefono",
    "no tiene tel\u{e9}fono",
    "no tiene correo",
    "no tiene email",
    "ninguna",
    "nenhuma",
    "no email",
    "no e-mail",
    "no phone",
    "no number",
    "not provided",
    "not specified",
    "invalid date",
];

/// Placeholders that are other words in other capitals: what R writes for a missing value, and PHP for an array.
const EXACT_PLACEHOLDERS: [&str; 2] = ["NA", "Array"];

/// Words that only programs write. In columns of names, those that are also names are not reported.
const WORDS: [&str; 8] = ["undefined", "NaN", "nan", "NULL", "null", "(null)", "<null>", "[NULL]"];

/// The longest placeholder with its brackets or its repetitions, in bytes.
const LONGEST: usize = 40;

/// How a program prints an object that it has no text for: JavaScript, .NET, Java, Ruby, Python, PHP.
const OBJECT_STARTS: [&str; 8] =
    ["[object ", "[Object: ", "System.", "[Ljava.", "java.lang.Object@", "#<", "<__main__.", "O:8:\"stdClass\""];

/// Why `text`, without spaces around it, identifies no contact. `None` when it may.
pub(crate) fn non_value(text: &str) -> Option<NonValue> {
    // Most match values are numbers.
    if let [] | [b'0'..=b'9', ..] | [b'+', b'0'..=b'9', ..] = text.as_bytes() {
        return None;
    }
    if is_json(text) {
        return Some(NonValue::Json);
    }
    if is_printed(text) || is_list_or_map(text) {
        return Some(NonValue::Printed);
    }
    if text.len() > LONGEST {
        return is_punctuation(text).then_some(NonValue::Placeholder);
    }
    let narrow = narrowed(text);
    let text = &*narrow;
    let inner = without_brackets(text);
    if is_word(&BOOLEANS, inner) {
        return Some(NonValue::Boolean);
    }
    let is_placeholder = is_placeholder(text)
        || EXACT_PLACEHOLDERS.contains(&inner)
        || is_spreadsheet_error(text)
        || is_punctuation(text)
        || is_merge_tag(text)
        || is_error_number(text)
        || is_repeated_placeholder(text);
    is_placeholder.then_some(NonValue::Placeholder)
}

/// The text of a program that `text`, without spaces around it, is. `is_name`: whether it stands where a person's name does.
#[inline]
pub(crate) fn artifact(text: &str, is_name: bool) -> Option<Artifact> {
    // Nearly all text is recognised by its first byte.
    if !matches!(
        text.as_bytes().first(),
        Some(b'[' | b'{' | b'(' | b'<' | b'#' | b'u' | b'N' | b'n' | b'S' | b'j' | b'O' | b'a')
    ) {
        return None;
    }
    let is_own = |word: &&&str| !(is_name && (word.eq_ignore_ascii_case("null") || **word == "nan"));
    if let Some(word) = WORDS.iter().filter(is_own).find(|word| **word == text) {
        return Some(Artifact::Word(word));
    }
    if is_spreadsheet_error(text) {
        return Some(Artifact::SpreadsheetError);
    }
    (is_printed(text) && !is_json(text)).then_some(Artifact::Printed)
}

/// Whether text without spaces around it is an array or an object of JSON. Other text is recognised by its first byte.
pub(crate) fn is_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Whether text contains an object as JavaScript prints it.
pub(crate) fn has_printed_object(text: &str) -> bool {
    text.contains("[object ") && text.contains(']')
}

// Whether text is one of these words in lower case, ignoring case.
fn is_word(words: &[&str], text: &str) -> bool {
    if text.is_ascii() {
        return words.iter().any(|word| word.eq_ignore_ascii_case(text));
    }
    let lower = text.to_lowercase();
    words.contains(&lower.as_str())
}

// Whether text is a placeholder, with any marks around it: `--None--`, `(en blanco)`, `N/A.`, `n / a`.
fn is_placeholder(text: &str) -> bool {
    let inner = text.trim_matches(['(', ')', '[', ']', '{', '}', '<', '>', '-', '.', '*', '"', ' ']);
    // `n.a.` has its last point in the list, and a handle such as `@none` is a value.
    is_word(PLACEHOLDERS, inner) || is_word(PLACEHOLDERS, text) || is_word(PLACEHOLDERS, &inner.replace(" / ", "/"))
}

// `NULL,NULL`, `n/a n/a`: a template or an export of several columns without values.
fn is_repeated_placeholder(text: &str) -> bool {
    let mut words = text.split([' ', ',', ';', '|']).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return false };
    is_placeholder(first) && words.all(|word| word.eq_ignore_ascii_case(first))
}

// A field of a mail merge that was not filled in: `*|PHONE|*`, `%FIRST_NAME%`.
fn is_merge_tag(text: &str) -> bool {
    let of = |start: &str, end: &str| text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
    };
    of("*|", "|*").or_else(|| of("%", "%")).is_some_and(is_name)
}

// An error of a spreadsheet as its automation interface writes it: `Error 2042`.
fn is_error_number(text: &str) -> bool {
    let rest = text.get(..5).filter(|word| word.eq_ignore_ascii_case("error")).map(|_| &text[5..]);
    rest.is_some_and(|rest| rest.starts_with([':', ' ']) && is_digits(rest.trim_start_matches([':', ' '])))
}

// Text with wide letters as usual ones. Nearly all text is ASCII or Latin.
fn narrowed(text: &str) -> Cow<'_, str> {
    let is_wide = |character: char| matches!(character, '\u{ff01}'..='\u{ff5e}' | '\u{3000}');
    if text.chars().any(is_wide) { Cow::Owned(text.nfkc().collect()) } else { Cow::Borrowed(text) }
}

// Whether a program printed it, for certain: an object, a list of Python with quoted text or constants, cut JSON.
fn is_printed(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    if OBJECT_STARTS.iter().any(|start| text.starts_with(start)) {
        return match first {
            '[' => text.ends_with([']', '}']) || text.contains("[object ") || text.starts_with("[Ljava."),
            '#' => text.ends_with('>'),
            // `System.Object`, `System.String[]`, `System.Collections.Generic.List`1[System.String]`.
            'S' => {
                text.split('.').nth(1).is_some_and(|name| name.starts_with(char::is_uppercase)) && !text.contains(' ')
            }
            _ => true,
        };
    }
    if first == '<' {
        // `<object at 0x7f…>` of Python.
        return text.ends_with('>') && text.contains(" at 0x");
    }
    // An array of PHP: `a:2:{i:0;…}`.
    let is_php =
        || text.strip_prefix("a:").and_then(|rest| rest.split_once(":{")).is_some_and(|(count, _)| is_digits(count));
    if first == 'a' {
        return is_php();
    }
    if !matches!(first, '[' | '{' | '(') {
        return false;
    }
    let inner = text[1..].trim_start();
    // `['a', 'b']`, `{'a': 1}`, `('a',)`, whole or cut.
    if inner.starts_with('\'') && (first != '(' || text.ends_with("')") || text.ends_with(",)")) {
        return true;
    }
    let is_whole = text.ends_with([']', '}', ')']);
    if first != '(' && is_whole {
        // Numbers or constants first: `[1, 'a']`, `[None, 'a']`, `{1: 'a'}`.
        let is_constant = ["None", "True", "False", "nan"].iter().any(|word| inner.starts_with(word));
        let follows = inner.trim_start_matches(|character: char| character.is_ascii_alphanumeric() || character == '.');
        return (is_constant && follows.starts_with([',', ']', ':', '}'])) || has_quoted_element(inner);
    }
    first != '(' && is_cut_json(text)
}

fn has_quoted_element(inner: &str) -> bool {
    let starts_with_number = inner.starts_with(|character: char| character.is_ascii_digit() || character == '-');
    starts_with_number && [", '", ": '", ",'", ":'"].iter().any(|quoted| inner.contains(quoted))
}

// Whether text is the beginning of an array or of an object of JSON that holds something.
fn is_cut_json(text: &str) -> bool {
    let inner = text[1..].trim_start();
    let begins = inner.starts_with(['"', '{', '[']) || inner.starts_with(|character: char| character.is_ascii_digit());
    begins && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

// Whether text is in brackets as a list or a map is: `{a=1, b=2}`, `[a, b]`. An id in braces, as Windows writes it, is none.
fn is_list_or_map(text: &str) -> bool {
    let inner = match text.as_bytes() {
        [b'[', .., b']'] | [b'{', .., b'}'] => &text[1..text.len() - 1],
        [b'[' | b'{', ..] => return !text.contains([']', '}']),
        _ => return false,
    };
    inner.trim().is_empty() || inner.contains([',', ':', '=', '"', '\'', '[', '{'])
}

// `#REF!`, `#NAME?`, `#DIV/0!`, and those of spreadsheets in other languages, such as `#\u{a1}VALOR!`.
fn is_spreadsheet_error(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('#') else { return false };
    if matches!(rest, "N/A" | "N/D") {
        return true;
    }
    let Some(name) = rest.strip_suffix(['!', '?']) else { return false };
    let is_part = |character: char| {
        character.is_uppercase() || character.is_ascii_digit() || matches!(character, '/' | '_' | '\u{a1}' | '\u{bf}')
    };
    name.chars().any(char::is_uppercase) && name.chars().all(is_part)
}

// Whether there is neither a letter nor a digit nor any other symbol of a name: `-`, `?`, `...`.
fn is_punctuation(text: &str) -> bool {
    let is_mark = |character: char| {
        character.is_ascii_punctuation()
            || character.is_whitespace()
            || matches!(character, '\u{2010}'..='\u{2015}' | '\u{2026}' | '\u{b7}' | '\u{2022}' | '\u{bf}' | '\u{a1}')
    };
    !text.is_empty() && text.chars().all(is_mark)
}

fn without_brackets(text: &str) -> &str {
    match text.as_bytes() {
        [b'(', .., b')'] | [b'[', .., b']'] | [b'<', .., b'>'] => text[1..text.len() - 1].trim(),
        _ => text,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &[&str] = &[
        "[object Object]",
        "[object Object],[object Object]",
        "[object Undefined]",
        "['a', 'b']",
        "['a']",
        "['a', \"it's\"]",
        "{'a': 1}",
        "{'a', 'b'}",
        "('a', 'b')",
        "('a',)",
        "[None]",
        "[None, 'a']",
        "[1, 'a']",
        "{1: 'a'}",
        "[nan, 'a']",
        "['a', 'b",
        "{'a': ",
        r#"["a","b"#,
        r#"{"a":"b"#,
        r#"[{"a":"#,
        "[1, 2",
        "[5512345678",
        "[a, b]",
        "{a=1, b=2}",
        "{:a=>1}",
        "{VIP,NULL}",
        "a:2:{i:0;s:1:\"a\";i:1;s:1:\"b\";}",
        "System.Object",
        "System.String[]",
        "System.Collections.Generic.List`1[System.String]",
        "[Ljava.lang.String;@1b6d3586",
        "java.lang.Object@6d06d69c",
        "#<Contact:0x000055d5>",
        "<__main__.Contact object at 0x7f2b>",
        "<models.Phone object at 0x7f2b>",
    ];

    const PLACEHOLDER_TEXTS: &[&str] = &[
        "null",
        "NULL",
        "Null",
        "(null)",
        "<null>",
        "[NULL]",
        "nil",
        "None",
        "none",
        "undefined",
        "N/A",
        "n/a",
        "#N/A",
        "NA",
        "nan",
        "NaN",
        "NaT",
        "unknown",
        "Unknown",
        "(unknown)",
        "-",
        "--",
        "\u{2014}",
        "?",
        "???",
        "...",
        "*",
        "/",
        "- -",
        "--------------------------",
        "n/d",
        "S/D",
        "No tiene",
        "Sin tel\u{e9}fono",
        "SIN TEL\u{c9}FONO",
        "n\u{e3}o tem",
        "desconocido",
        "(blank)",
        "<empty>",
        "Array",
        "S/N",
        "--None--",
        "(en blanco)",
        "n/a n/a",
        "null null",
        "undefined undefined",
        "{NULL}",
        "NULL,NULL",
        "N.A",
        "n / a",
        "N/A.",
        "none.",
        "Invalid Date",
        "*|PHONE|*",
        "%FIRSTNAME%",
        "Sin informaci\u{f3}n",
        "sin n\u{fa}mero",
        "NO TIENE TELEFONO",
        "ninguna",
        "no email",
        "No Phone",
        "not provided",
        "n\u{e3}o possui",
        "Error: 2042",
        "Error 2042",
        "\u{ff4e}\u{ff55}\u{ff4c}\u{ff4c}",
        "#REF!",
        "#NAME?",
        "#DIV/0!",
        "#\u{a1}VALOR!",
        "#\u{bf}NOMBRE?",
        "#N/D",
    ];

    const OF_PEOPLE: &[&str] = &[
        "",
        "0",
        "x",
        "5512345678",
        "+525512345678",
        "a@example.com",
        "null@example.com",
        "none-17",
        "@none",
        "_null_",
        "#blank",
        "Error17",
        "None Smith",
        "50%",
        "S/N 17",
        "error",
        "Ann Ann",
        "Nullen",
        "na",
        "array",
        "{6B29FC40-CA47-1067-B31D-00DD010662DA}",
        "[A]-17",
        "[VIP]",
        "(55) 1234 5678",
        "(55)",
        "#17",
        "#1!",
        "C-17",
        "<a@example.com>",
        "[a@example.com](mailto:a@example.com)",
        "O'Neil",
        "System",
        "system.admin",
        "System. Ann",
        "a:b",
        "\u{1f600}",
        "\u{5d0}",
    ];

    #[test]
    fn text_that_identifies_no_contact_is_recognised() {
        let check = |texts: &[&str], expected: Option<NonValue>| {
            for text in texts {
                assert_eq!(non_value(text), expected, "{text}");
            }
        };
        check(&["true", "False", "FALSE", "VERDADERO", "falso", "(false)"], Some(NonValue::Boolean));
        check(&["[]", "{}", "[ ]", "[1,2]", r#"["a"]"#, r#"{"a":1}"#, r#"[{"a":[]}]"#], Some(NonValue::Json));
        check(PRINTED, Some(NonValue::Printed));
        check(PLACEHOLDER_TEXTS, Some(NonValue::Placeholder));
        check(OF_PEOPLE, None);
    }

    #[test]
    fn text_of_programs_is_told_from_text_of_people() {
        let check = |texts: &[&str], is_name: bool, expected: Option<Artifact>| {
            for text in texts {
                assert_eq!(artifact(text, is_name), expected, "{text}");
            }
        };
        for word in ["undefined", "NaN"] {
            check(&[word], true, Some(Artifact::Word(word)));
        }
        for word in ["null", "NULL", "nan"] {
            check(&[word], false, Some(Artifact::Word(word)));
            check(&[word], true, None);
        }
        check(&["#REF!", "#N/A"], false, Some(Artifact::SpreadsheetError));
        let printed = [
            "[object Object]",
            "['a', 'b']",
            "{'a': 1}",
            r#"{"a":"b"#,
            "[None]",
            "System.String[]",
            "a:1:{i:0;s:1:\"a\";}",
        ];
        check(&printed, false, Some(Artifact::Printed));
        let of_people = [
            "",
            "None",
            "none",
            "Null",
            "-",
            "?",
            "unknown",
            "true",
            "N/A",
            "Undefined behaviour",
            "nullable",
            "[VIP]",
            "[old] customer",
            "(old) customer",
            "('70s)",
            "#1",
            "#vip",
            "{name}",
            "[call him",
            r#"["a"]"#,
            r#"{"a":1}"#,
            "Systems",
            "O'Neil",
            "jane",
            "Nan",
            "[x, y]",
        ];
        check(&of_people, false, None);
    }
}
