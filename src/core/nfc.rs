//! Normalises text to Unicode NFC, so that text that looks the same is equal.
//!
//! A name typed on one machine as `é` and on another as `e` with an accent after it is one name to a person, and must be
//! one to a search.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::core::byte_scan;
use crate::core::record::Texts;

/// The lowest first byte of a character that can combine with the one before it, or be part of such a pair: U+0300.
/// Everything below is in NFC as it stands.
const FIRST_COMBINING: u8 = 0xCC;

/// `text` in Unicode NFC.
#[inline]
pub fn nfc(text: &str) -> Cow<'_, str> {
    if is_plain(text) || is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// A row's texts in Unicode NFC.
pub fn nfc_texts(texts: &Texts) -> Cow<'_, Texts> {
    // Nearly always, one scan of the whole row is enough.
    if is_plain(texts.whole()) {
        return Cow::Borrowed(texts);
    }
    let mut normal = Texts::with_capacity(texts.len(), texts.whole().len());
    texts.iter().for_each(|cell| normal.push(&nfc(cell)));
    Cow::Owned(normal)
}

fn is_plain(text: &str) -> bool {
    !byte_scan::any(text, byte_scan::has_non_ascii, |byte| byte >= FIRST_COMBINING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_becomes_the_same() {
        let check = |text: &str, expected: &str| {
            assert_eq!(nfc(text), expected, "{}", text.escape_unicode());
            let texts: Texts = ["a", text, ""].into_iter().collect();
            assert_eq!(nfc_texts(&texts).iter().collect::<Vec<_>>(), ["a", expected, ""]);
        };
        check("", "");
        check("Ann", "Ann");
        check("Jos\u{e9} \u{2cf}", "Jos\u{e9} \u{2cf}");
        check("Jose\u{301}", "Jos\u{e9}");
        check("n\u{303}", "\u{f1}");
        check("\u{212b}", "\u{c5}");
        check("\u{1f600} \u{4e2d}", "\u{1f600} \u{4e2d}");
        check("\u{1100}\u{1161}", "\u{ac00}");
    }

    #[test]
    fn a_sign_that_combines_is_seen_wherever_it_stands() {
        for length in 0..200 {
            let text = "a".repeat(length);
            assert!(is_plain(&text));
            for at in 0..=length {
                let text = format!("{}\u{301}{}", &text[..at], &text[at..]);
                assert!(!is_plain(&text), "{length} {at}");
            }
        }
    }

    #[test]
    fn what_is_passed_over_at_once_is_in_the_form_already() {
        for character in ('\0'..'\u{300}').chain(['\u{300}']) {
            let is_plain = is_plain(&character.to_string());
            assert_eq!(is_plain, character < '\u{300}', "{}", character.escape_unicode());
            assert!(!is_plain || is_nfc(&format!("e{character}e")));
        }
    }
}
