//! A cell as a spreadsheet may see it: what it would take for a formula is made harmless.

use std::borrow::Cow;

/// What a formula begins with in the spreadsheets of the day, in their wide forms too.
const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// What makes text of a formula. Whoever reads the cell back trims it off; see [`QUOTED`].
const GUARD: char = '\t';

/// The byte that a table must quote: then no program takes the guard for what parts cells.
pub(super) const QUOTED: u8 = b'\t';

/// The text of a cell, which reads back the same after trimming, and which no spreadsheet calculates: with a tab before
/// it when it begins like a formula, or when a part of it does that another separator than the table's would make a cell.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.starts_with(GUARD) && text.split([',', ';', '|', GUARD, '\n', '\r']).any(begins_like_a_formula) {
        Cow::Owned(format!("{GUARD}{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

// Blanks and signs that nobody sees do not hide it from every spreadsheet.
fn begins_like_a_formula(text: &str) -> bool {
    let hidden = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}')
    };
    text.trim_start_matches(hidden).starts_with(SIGNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_guarded_and_reads_back_the_same() {
        let check = |text: &str, is_guarded: bool| {
            let written = harmless(text);
            assert_eq!(written.starts_with('\t'), is_guarded, "{text:?}");
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
