//! Control characters in the cells of a row: NUL and others that no text has, and that a platform keeps, refuses or cuts a
//! value at. They show that a file is damaged or in an unknown encoding, so their row is rejected.

use serde_json::Value as Json;

use crate::core::byte_scan::{self, has, has_below};
use crate::core::record::Texts;
use crate::core::text::trimmed;

/// The first control character in text, except tabs and line breaks, and NUL at its ends, which is trimmed like spaces.
pub(super) fn control_character(text: &str) -> Option<char> {
    if !may_have_some(text) {
        return None;
    }
    trimmed(text).chars().find(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
}

/// The place of the first cell with a control character, from 0, among those that `is_read`, and that character.
pub(super) fn in_texts(texts: &Texts, is_read: impl Fn(usize) -> bool) -> Option<(usize, char)> {
    // Nearly always, one scan of the whole row is enough.
    if !may_have_some(texts.whole()) {
        return None;
    }
    texts.iter().enumerate().filter(|(at, _)| is_read(*at)).find_map(|(at, text)| Some((at, control_character(text)?)))
}

/// The first control character in the strings of a JSON value, including keys.
pub(super) fn in_json(json: &Json) -> Option<char> {
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
        Json::String(text) => control_character(text),
        Json::Array(items) => items.iter().find_map(in_json),
        Json::Object(object) => object.iter().find_map(|(key, json)| control_character(key).or_else(|| in_json(json))),
    }
}

/// Why a row with this character is rejected.
pub(super) fn reason(character: char) -> String {
    format!("expected text, found the control character U+{:04X}", u32::from(character))
}

// Whether text has bytes of control characters: those of ASCII but tabs and line breaks, and the first byte of U+0080 to
// U+009F, which other characters share.
fn may_have_some(text: &str) -> bool {
    let is_one = |byte: u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7F || byte == 0xC2;
    let may_have_one = |word| has_below(word, b' ') || has(word, 0x7F) || has(word, 0xC2);
    byte_scan::any(text, may_have_one, is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_no_text_has_are_found() {
        let check = |text: &str, expected: Option<char>| {
            assert_eq!(control_character(text), expected, "{text:?}");
            let long = format!("{}{text}{}", "a".repeat(100), "b".repeat(100));
            let inside = text.chars().find(|character| character.is_control() && !"\t\n\r".contains(*character));
            assert_eq!(control_character(&long), inside, "{text:?}");
            let texts: Texts = ["", text, "c"].into_iter().collect();
            assert_eq!(in_texts(&texts, |_| true), expected.map(|character| (1, character)));
            assert_eq!(in_texts(&texts, |at| at != 1), None);
            let json = serde_json::json!({ "a": [1, text] });
            assert_eq!(in_json(&json), expected);
        };
        check("", None);
        check("Ann", None);
        check("a\tb\nc\r\nd", None);
        check("Jos\u{e9} \u{b0} \u{a1}", None);
        check("a\0b", Some('\0'));
        check("\0a\0", None);
        check("\u{1}a", Some('\u{1}'));
        check("a\u{b}b", Some('\u{b}'));
        check("a\u{1a}", Some('\u{1a}'));
        check("a\u{1b}[0m", Some('\u{1b}'));
        check("a\u{7f}b", Some('\u{7f}'));
        check("a\u{80}b", Some('\u{80}'));
        check("a\u{85}b", Some('\u{85}'));
        check("a\u{9f}b", Some('\u{9f}'));
        check("a\u{a0}b", None);
    }
}
