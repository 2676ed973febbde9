//! Options for reading an input, which override the detection.

use std::fmt;
use std::str::FromStr;

use super::{Charset, Format};

/// How an input is read. Options that are not set are detected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceOptions {
    /// The format.
    pub format: Option<Format>,
    /// The field delimiter of CSV.
    pub delimiter: Option<Delimiter>,
    /// The encoding of its text.
    pub encoding: Option<Charset>,
    /// The number of lines of CSV, or rows of a sheet, before the header.
    pub skip_lines: u64,
    /// Whether the first row is a contact, and not a header. The columns are then called `column 1`, `column 2`, and so on.
    pub no_header: bool,
    /// The sheet of a spreadsheet: its name, or its position from 1. Without it, the first visible sheet that is not empty.
    pub sheet: Option<String>,
}

/// An option that applies to some formats only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputSetting {
    /// The field delimiter.
    Delimiter,
    /// The encoding.
    Encoding,
    /// The number of lines to skip.
    SkipLines,
    /// That there is no header.
    NoHeader,
    /// The sheet.
    Sheet,
}

impl InputSetting {
    /// The inputs that it applies to.
    pub const fn applies_to(self) -> &'static str {
        match self {
            Self::Delimiter => "CSV",
            Self::Encoding => "text",
            Self::SkipLines | Self::NoHeader => "CSV or a spreadsheet",
            Self::Sheet => "a spreadsheet",
        }
    }
}

/// As the subject of a sentence.
impl fmt::Display for InputSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delimiter => "a delimiter",
            Self::Encoding => "an encoding",
            Self::SkipLines => "a number of lines to skip",
            Self::NoHeader => "reading without a header",
            Self::Sheet => "the name of a sheet",
        })
    }
}

/// The field delimiter of CSV: one ASCII character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiter(u8);

/// A text that is not a delimiter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one character such as `,` `;` `|` or the word tab, found `{0}`")]
pub struct UnknownDelimiter(String);

impl Delimiter {
    /// The usual one.
    pub const COMMA: Self = Self(b',');
    /// That of TSV.
    pub const TAB: Self = Self(b'\t');

    /// This character, unless it has another meaning in CSV, or is a letter or a digit.
    pub const fn new(byte: u8) -> Option<Self> {
        let can_separate = byte == b'\t' || byte == b' ' || byte == 0x1F || byte.is_ascii_punctuation();
        if can_separate && byte != b'"' { Some(Self(byte)) } else { None }
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

/// As a sentence names it: in backquotes, or by name if it is invisible.
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
    fn a_delimiter_is_one_character_that_is_not_text() {
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
