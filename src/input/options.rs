//! What a person says about an input, instead of what it is found to be.

use std::fmt;
use std::str::FromStr;

use super::{Charset, Format};

/// How an input is to be read. What is not given is found in the input itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// What it holds.
    pub format: Option<Format>,
    /// What parts the cells of CSV.
    pub delimiter: Option<Delimiter>,
    /// What its text is written in.
    pub encoding: Option<Charset>,
    /// How many lines of CSV, or rows of a sheet, stand before the header.
    pub skip_lines: u64,
    /// Whether the first row is a contact already. The columns are then called `column 1`, `column 2`, and so on.
    pub no_header: bool,
    /// The sheet of a spreadsheet: its name, or its place from 1. Without it, the first visible sheet with anything in it.
    pub sheet: Option<String>,
}

/// What parts the cells of CSV: one character of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(u8);

/// What cannot part cells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one character such as `,` `;` `|` or the word tab, found `{0}`")]
pub struct UnknownDelimiter(String);

impl Delimiter {
    /// The plain case.
    pub const COMMA: Self = Self(b',');
    /// That of TSV.
    pub const TAB: Self = Self(b'\t');

    /// This character, unless it means something else in CSV, or is a letter or a digit.
    pub const fn new(byte: u8) -> Option<Self> {
        let parts = byte == b'\t' || byte == b' ' || byte == 0x1F || byte.is_ascii_punctuation();
        if parts && byte != b'"' { Some(Self(byte)) } else { None }
    }

    /// The character.
    pub const fn byte(self) -> u8 {
        self.0
    }
}

impl From<Format> for SourceOptions {
    fn from(format: Format) -> Self {
        Some(format).into()
    }
}

impl From<Option<Format>> for SourceOptions {
    fn from(format: Option<Format>) -> Self {
        Self { format, ..Self::default() }
    }
}

impl FromStr for Delimiter {
    type Err = UnknownDelimiter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let byte = match text {
            "tab" | "\\t" => Some(b'\t'),
            "comma" => Some(b','),
            "semicolon" => Some(b';'),
            "pipe" => Some(b'|'),
            _ => text.bytes().next().filter(|_| text.len() == 1),
        };
        byte.and_then(Self::new).ok_or_else(|| UnknownDelimiter(text.escape_debug().to_string()))
    }
}

/// As a sentence names it: quoted, except for invisible ones.
impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tabs"),
            b' ' => f.write_str("spaces"),
            0x1F => f.write_str("unit separators"),
            byte => write!(f, "`{}`", char::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_one_character_that_is_no_text() {
        let check = |text: &str, expected: Option<u8>| {
            assert_eq!(text.parse::<Delimiter>().ok().map(Delimiter::byte), expected, "{text:?}");
        };
        check(";", Some(b';'));
        check("tab", Some(b'\t'));
        check("\\t", Some(b'\t'));
        check("\t", Some(b'\t'));
        check("^", Some(b'^'));
        check("", None);
        check(";;", None);
        check("\"", None);
        check("\n", None);
        check("a", None);
        check("ñ", None);
    }
}
