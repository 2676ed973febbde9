//! Escapes cells that a spreadsheet would take for a formula.

use std::borrow::Cow;

/// Characters that begin a formula in spreadsheets, with their full-width forms.
const FORMULA_STARTS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Prefix that makes a spreadsheet read a formula as text. Readers trim it off; see [`QUOTED`].
const GUARD: char = '\t';

/// The byte that a table must quote, so that no program takes the prefix for a delimiter.
pub(super) const QUOTED: u8 = b'\t';

/// Returns the text of a cell so that no spreadsheet calculates it: with a tab before it when it, or a part of it that
/// another delimiter would make a cell, begins like a formula. After trimming, the text is the same.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    // Most cells, such as numbers, are plain.
    let is_plain = || text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !text.starts_with(GUARD)
        && !is_plain()
        && text.split([',', ';', '|', GUARD, '\n', '\r']).any(begins_like_a_formula)
    {
        Cow::Owned(format!("{GUARD}{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

// Some spreadsheets skip white space and invisible characters before a formula.
fn begins_like_a_formula(text: &str) -> bool {
    let hidden = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}')
    };
    text.trim_start_matches(hidden).starts_with(FORMULA_STARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_begins_like_a_formula_is_escaped_and_reads_back_the_same() {
        let check = |text: &str, is_escaped: bool| {
            let written = harmless(text);
            assert_eq!(written.starts_with('\t'), is_escaped, "{text:?}");
            assert_eq!(written.trim(), text.trim(), "{text:?}");
            assert_eq!(harmless(&written), written, "once is enough: {text:?}");
        };
        for text in ["=1+1", "+525550001", "-5", "@SUM(A1)", "＝1", "＋1", "－1", "＠a"] {
            check(text, true);
            check(&format!(" {text}"), true);
            check(&format!("\r{text}"), true);
            check(&format!("\u{feff}{text}"), true);
            check(&format!("\u{a0}{text}"), true);
            check(&format!("\t{text}"), true);
            check(&format!("a;{text}"), true);
            check(&format!("a\n{text}"), true);
            check(&format!("a{text}"), false);
            check(&format!("\"{text}\""), false);
        }
        check("", false);
        check("Ann", false);
        check("2026-01-05", false);
        check("a@example.com", false);
        check("a=b", false);
    }
}
