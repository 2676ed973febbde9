//! Recognises the total that programs write below the last row of an export.

use std::str::from_utf8;

use super::cell_kind::{Kind, is_address};
use crate::core::total::total;

/// Whether a row with these cells may be a total of the rows above: one cell is a word for a total, with or without a number,
/// and the others are blank or sums. A phone number or an address is not a sum, unless the words name what is counted. Neither
/// is a number in the first cell, which may be an id. `usual` is the kind of each column.
pub(super) fn may_be<'a>(cells: impl ExactSizeIterator<Item = &'a [u8]>, usual: &[Kind]) -> bool {
    let count = cells.len();
    let (mut words, mut has_number, mut is_telling, mut names_counted, mut has_address) =
        (0, false, false, false, false);
    for (at, cell) in cells.enumerate() {
        let cell = cell.trim_ascii();
        let is_of_addresses = usual.get(at).is_some_and(|kind| kind.is_telling());
        if cell.is_empty() {
            continue;
        }
        if is_sum(cell) {
            if at == 0 && count > 1 {
                return false;
            }
            has_number = true;
            has_address |= is_of_addresses && is_address(cell);
        } else if let Some(found) = from_utf8(cell).ok().and_then(total) {
            words += 1;
            has_number |= found.has_number;
            names_counted |= found.names_counted;
            is_telling |= is_of_addresses;
        } else {
            return false;
        }
    }
    words == 1 && (names_counted || !has_address) && (has_number || is_telling || count > 1)
}

/// Whether the cell with the word for a total has the number itself, or names what is counted. Then even the last line of a file
/// that was cut off is a total. A word that may be a name does not count.
pub(super) fn is_sure<'a>(cells: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut totals = cells.filter_map(|cell| from_utf8(cell.trim_ascii()).ok().and_then(total));
    totals.any(|total| (total.has_number || total.names_counted) && !total.may_be_name)
}

/// Whether one of these cells is a word for a total and all before it are blank or sums: other rows need no further check.
pub(super) fn has_word<'a>(cells: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut cells = cells.map(<[u8]>::trim_ascii).filter(|cell| !cell.is_empty() && !is_sum(cell));
    cells.next().is_some_and(|cell| from_utf8(cell).ok().and_then(total).is_some())
}

/// Whether a cell, without white space around it, is a sum: a number, or an amount of money.
fn is_sum(cell: &[u8]) -> bool {
    // The first byte of most cells cannot begin a sum (benchmark: `reading`).
    matches!(cell.first(), Some(b'0'..=b'9' | b'.' | b',' | b'-' | b'$' | b'%' | b'R' | 0x80..)) && is_sum_of_text(cell)
}

fn is_sum_of_text(cell: &[u8]) -> bool {
    let Ok(text) = from_utf8(cell) else { return false };
    let text = text.strip_prefix("R$").unwrap_or(text);
    let sum = text.trim_matches(['$', '\u{20ac}', '\u{a3}', '%']);
    let is_part = |letter: char| letter.is_ascii_digit() || ".,- \u{a0}\u{202f}".contains(letter);
    sum.contains(|letter: char| letter.is_ascii_digit()) && sum.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_rules_out_no_sum() {
        let mut chance = fastrand::Rng::with_seed(1);
        let characters: Vec<char> = "0129.,-$%R\u{20ac}\u{a3}\u{a0}\u{202f}a+(".chars().collect();
        let mut sums = 0;
        for _ in 0..20_000 {
            let text: String = (0..chance.usize(0..6)).filter_map(|_| chance.choice(&characters)).collect();
            let text = text.trim();
            assert_eq!(is_sum(text.as_bytes()), is_sum_of_text(text.as_bytes()), "{text:?}");
            sums += usize::from(is_sum(text.as_bytes()));
        }
        assert!(sums > 1_000, "{sums}");
    }
}
