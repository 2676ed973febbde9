//! The type of texts that are mostly short; trimming, invisible characters and folding.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::core::nfc::nfc;

/// Trims what the platforms' framework strips at both ends of a value (API.md, trap 10): white space, NUL and invisible
/// marks.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\0' | '\u{feff}' | '\u{200b}' | '\u{200e}'))
}

/// Whether a character shows nothing and takes no room: zero-width spaces and joiners, soft hyphens, byte order marks, and
/// the controls of direction (Unicode, general category Cf), and a few fillers. Text that was copied from a web page, a chat
/// or a document is full of them. Variation selectors are not among them, because emoji look different without them.
pub const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
    )
}

/// Whether a character shows nothing itself but changes how the one before it looks: variation selectors, and the letters in
/// the flags of regions. After a character of ASCII it changes nothing.
pub const fn is_modifier(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0020}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// The text of a cell without what a person cannot see at its ends: white space, NUL, invisible characters, and the three
/// characters that are drawn as a blank but are no white space.
#[inline]
pub fn bare(text: &str) -> &str {
    // Most cells begin and end with a visible ASCII character, so that nothing has to be decoded.
    match text.as_bytes() {
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => bare_by_character(text),
    }
}

fn bare_by_character(text: &str) -> &str {
    const DRAWN_BLANK: [char; 3] = ['\u{2800}', '\u{3164}', '\u{ffa0}'];
    let bare = text.trim_matches(|character: char| {
        character.is_whitespace() || character == '\0' || is_invisible(character) || DRAWN_BLANK.contains(&character)
    });
    // A modifier without a character before it shows nothing.
    if bare.chars().all(|character| is_invisible(character) || is_modifier(character)) { "" } else { bare }
}

/// The letters and digits of a key, in lower case: `Has-More` and `has_more` are one key.
pub(crate) fn folded_key(key: &str) -> String {
    key.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether text has digits and nothing else.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name without the colon or the asterisk that some programs put after it.
pub(crate) fn bare_name(name: &str) -> &str {
    let bare = name.trim_end_matches([':', '*', '\u{ff1a}', ' ']);
    if bare.is_empty() { name } else { bare }
}

/// Removes invisible characters from text that identifies something (a match value, an id, a tag, the name of a column), and
/// normalises it to Unicode NFC. Two such strings that look the same are equal, and none has white space at its ends.
///
/// The two joiners (U+200C and U+200D) stay between two characters that are not ASCII: in Persian and in the scripts of
/// India they change a word, and they hold emoji together. A [modifier](is_modifier) stays after such a character, and in a
/// keycap emoji.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    if !text.contains(|character| is_invisible(character) || is_modifier(character)) {
        return nfc(text);
    }
    let mut seen = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_joiner = matches!(character, '\u{200c}' | '\u{200d}');
        let joins = |character: char| !character.is_ascii() && !is_invisible(character);
        let is_joining = is_joiner && seen.ends_with(joins) && rest.peek().is_some_and(|next| joins(*next));
        let mut is_changing = || seen.ends_with(joins) || (!seen.is_empty() && rest.peek() == Some(&'\u{20e3}'));
        if is_joining || (!is_invisible(character) && (!is_modifier(character) || is_changing())) {
            seen.push(character);
        }
    }
    // White space beside a modifier that was removed.
    Cow::Owned(nfc(bare(&seen)).into_owned())
}

/// Text that needs no separate memory up to 24 bytes. Names and values of fields mostly have fewer, and a contact has
/// dozens of them.
///
/// ```
/// use contactsync::contact::Text;
///
/// let name = Text::from("Ann");
/// assert_eq!(name, "Ann");
/// assert!(name.starts_with('A'));
/// ```
// Inlined wherever it is used: there are dozens in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(CompactString);

impl Text {
    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

// It is equal, ordered and hashed as the text that it holds.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    #[inline]
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self(CompactString::new(text))
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self(CompactString::new(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(CompactString::from(text))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into_string()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        **self == **other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character of the kind; the first and the last of each range.
    const INVISIBLE: [char; 29] = [
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{17b5}',
        '\u{180b}',
        '\u{180f}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{202a}',
        '\u{202b}',
        '\u{202c}',
        '\u{202d}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{206f}',
        '\u{feff}',
        '\u{fff9}',
        '\u{fffb}',
    ];

    #[test]
    fn blanks_are_removed_from_visible_ascii_as_from_other_text() {
        let mut chance = fastrand::Rng::with_seed(1);
        let characters = [
            ' ', '\t', '\0', '\u{7f}', '!', '~', 'a', '\u{e9}', '\u{a0}', '\u{2003}', '\u{85}', '\u{200b}', '\u{fe0f}',
        ];
        for length in 0..6 {
            for _ in 0..2_000 {
                let text: String = (0..length).map(|_| *chance.choice(&characters).unwrap()).collect();
                assert_eq!(bare(&text), bare_by_character(&text), "{text:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_seen_makes_no_other_text() {
        for character in INVISIBLE {
            for text in ["+52155", "ana@example.com", "Jos\u{e9}"] {
                assert_eq!(bare(&format!("{character} {text}\u{a0}{character}")), text, "{character:?}");
                let (first, second) = text.split_at(2);
                assert_eq!(
                    visible(&format!("{character}{first}{character}{character}{second}{character}")),
                    text,
                    "{character:?}"
                );
            }
            assert_eq!(bare(&character.to_string()), "");
        }
        for blank in ['\u{2800}', '\u{3164}', '\u{ffa0}', '\0', '\u{3000}'] {
            assert_eq!(bare(&format!("{blank}a{blank}b{blank}")), format!("a{blank}b"));
        }
    }

    #[test]
    fn what_can_be_seen_stays() {
        let check = |text: &str, expected: &str| assert_eq!(visible(text), expected, "{}", text.escape_unicode());
        // Joiners where they change a word, and where they hold an emoji together.
        check("\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}", "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}");
        check("\u{915}\u{94d}\u{200d}\u{937}", "\u{915}\u{94d}\u{200d}\u{937}");
        check("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{200d}\u{1f469}");
        // And where they do neither.
        check("\u{645}\u{200c}", "\u{645}");
        check("\u{200c}\u{645}", "\u{645}");
        check("\u{645}\u{200c}\u{200b}\u{645}", "\u{645}\u{645}");
        check("a\u{200c}\u{645}", "a\u{645}");
        check("\u{2764}\u{fe0f}", "\u{2764}\u{fe0f}");
        // The flag of England, and a keycap.
        let england = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        check(england, england);
        check("1\u{fe0f}\u{20e3}", "1\u{fe0f}\u{20e3}");
        // Modifiers that change nothing.
        check("+52\u{fe0f}55\u{fe0e}", "+5255");
        check("\u{fe0f}a\u{e0067}\u{e0100}b", "ab");
        check("\u{e0100} a", "a");
        check("a \u{fe0f}", "a");
        check("\u{fe0f} \u{e0100}", "");
        // Without the invisible character, the accent belongs to its letter.
        check("Jose\u{200b}\u{301}", "Jos\u{e9}");
        check("Jose\u{301}", "Jos\u{e9}");
        assert!(matches!(visible("Ana"), Cow::Borrowed(_)));
        assert!(matches!(visible("Jos\u{e9}"), Cow::Borrowed(_)));
        assert_eq!(bare("\u{feff} \u{2764}\u{fe0f} \u{200b}"), "\u{2764}\u{fe0f}");
        assert_eq!(bare(" \u{fe0f}\u{200b}\u{fe00} "), "");
    }
}
