//! The line with a total that programs write below the last row of an export.

use super::block::{End, RawRow};
use super::quotes::Quoting;
use super::usual::{Kind, is_address};

/// What stands in such a line, in small letters.
const TOTALS: [&str; 14] = [
    "total",
    "totals",
    "totales",
    "totais",
    "grand total",
    "total general",
    "total geral",
    "gesamt",
    "suma",
    "soma",
    "sum",
    "subtotal",
    "count",
    "summe",
];

/// What is counted in such a line.
const COUNTED: [&str; 10] =
    ["rows", "row", "rows affected", "records", "contacts", "filas", "registros", "contactos", "linhas", "contatos"];

/// Whether a row may be a total of those above: one of its cells is a word for it, with or without a number, and the others
/// are blank or sums. A phone number or an address is none. `usual` is what each column holds.
pub(super) fn may_be(raw: RawRow<'_>, usual: &[Kind]) -> bool {
    let found = raw.found;
    if found.end != End::Whole || !found.kept || found.quoting != Quoting::Sound {
        return false;
    }
    let (mut words, mut has_number, mut is_telling) = (0, false, false);
    for at in 0..found.cells {
        let cell = raw.cell(at).trim_ascii();
        let is_of_addresses = usual.get(at).is_some_and(|kind| kind.is_telling());
        if cell.is_empty() {
            continue;
        }
        if is_sum(cell) && !(is_of_addresses && is_address(cell)) {
            has_number = true;
        } else if let Some(with_number) = total(cell) {
            words += 1;
            has_number |= with_number;
            is_telling |= is_of_addresses;
        } else {
            return false;
        }
    }
    words == 1 && (has_number || is_telling || found.cells > 1)
}

fn is_sum(cell: &[u8]) -> bool {
    let sum = cell.strip_prefix(b"$").or_else(|| cell.strip_suffix(b"%")).unwrap_or(cell);
    let is_part = |byte: &u8| byte.is_ascii_digit() || b".,- ".contains(byte);
    !cell.starts_with(b"+") && sum.iter().any(u8::is_ascii_digit) && sum.iter().all(is_part)
}

// Whether a cell is a word for a total, and then whether it has a number.
fn total(cell: &[u8]) -> Option<bool> {
    const LONGEST: usize = 40;
    let text = std::str::from_utf8(cell).ok().filter(|text| text.len() <= LONGEST)?.to_lowercase();
    let text = text.trim_start_matches('(').trim_end_matches(')');
    let is_number = |letter: char| letter.is_ascii_digit() || ".,:=# ".contains(letter);
    let has_number = text.contains(|letter: char| letter.is_ascii_digit());
    let word = text.trim_matches(is_number);
    let counts = has_number && COUNTED.contains(&word.strip_prefix("total ").unwrap_or(word));
    (TOTALS.contains(&word) || counts).then_some(has_number)
}
