//! Words that a cell is compared with, ignoring case.

use crate::core::nfc::nfc;

/// The separators of the tags in one cell, unless a rule names others.
pub const TAG_SEPARATORS: [char; 3] = [';', '|', ','];

/// Words that a cell is compared with, ignoring case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// These words.
    pub fn new<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Self {
        Self(words.into_iter().map(|word| folded(word.as_ref())).collect())
    }

    /// Whether `text` is one of them. It has no spaces around it and is in NFC.
    #[inline]
    pub fn have(&self, text: &str) -> bool {
        !self.0.is_empty() && self.are_it(text)
    }

    fn are_it(&self, text: &str) -> bool {
        if text.is_ascii() {
            return self.0.iter().any(|word| word.eq_ignore_ascii_case(text));
        }
        let text = text.to_lowercase();
        self.0.contains(&text)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The words, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Another value for each of some words, ignoring case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(Vec<(String, String)>);

/// Two entries of a table for one word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected each word once, found `{0}` twice (case is ignored)")]
pub struct WordTwice(String);

impl Table {
    /// The table with these entries.
    ///
    /// # Errors
    /// When two entries are for the same word.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, WordTwice> {
        let mut table: Vec<(String, String)> = Vec::new();
        for (word, value) in entries {
            let folded = folded(&word);
            if table.iter().any(|(known, _)| *known == folded) {
                return Err(WordTwice(word));
            }
            table.push((folded, nfc(value.trim()).into_owned()));
        }
        Ok(Self(table))
    }

    /// The value for `text`, which has no spaces around it and is in NFC.
    pub fn value(&self, text: &str) -> Option<&str> {
        let folded = text.to_lowercase();
        self.0.iter().find(|(word, _)| *word == folded).map(|(_, value)| value.as_str())
    }
}

fn folded(word: &str) -> String {
    nfc(word.trim()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::yes_no::YES;

    #[test]
    fn capitals_do_not_count() {
        let check = |words: &[&str], text: &str, expected: bool| {
            assert_eq!(Words::new(words).have(text), expected, "{words:?} {text}");
        };
        check(&["N/A", "-"], "n/a", true);
        check(&["n/a", "-"], "N/A", true);
        check(&["n/a", "-"], "-", true);
        check(&["n/a"], "n/", false);
        check(&[], "n/a", false);
        check(&[" S\u{cd} "], "s\u{ed}", true);
        check(&["si\u{301}"], "S\u{cd}", true);
        check(&["s\u{ed}"], "si", false);
        check(&YES, "Verdadero", true);
        check(&YES, "no", false);
    }

    #[test]
    fn a_table_has_one_value_a_word() {
        let entry = |word: &str, value: &str| (word.to_owned(), value.to_owned());
        let table = Table::new([entry("S", " activo "), entry("N", "")]).unwrap();
        assert_eq!((table.value("s"), table.value("N"), table.value("x")), (Some("activo"), Some(""), None));
        let twice = Table::new([entry("S", "1"), entry("s", "2")]).unwrap_err();
        assert_eq!(twice.to_string(), "expected each word once, found `s` twice (case is ignored)");
    }
}
