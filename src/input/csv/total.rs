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

/// What stands before what is counted, the longest first.
const PREFIXES: [&str; 5] = ["total general ", "total de ", "total of ", "total do ", "total "];

/// Whether a row may be a total of those above: one of its cells is a word for it, with or without a number, and the others
/// are blank or sums. A phone number or an address is none, unless the words say what is counted. Neither is a number that
/// begins the row, as an id does. `usual` is what each column holds.
pub(super) fn may_be(raw: RawRow<'_>, usual: &[Kind]) -> bool {
    let found = raw.found;
    if found.end != End::Whole || !found.kept || found.quoting != Quoting::Sound {
        return false;
    }
    let (mut words, mut has_number, mut is_telling, mut says_what, mut has_address) = (0, false, false, false, false);
    for at in 0..found.cells {
        let cell = raw.cell(at).trim_ascii();
        let is_of_addresses = usual.get(at).is_some_and(|kind| kind.is_telling());
        if cell.is_empty() {
            continue;
        }
        if is_sum(cell) {
            if at == 0 && found.cells > 1 {
                return false;
            }
            has_number = true;
            has_address |= is_of_addresses && is_address(cell);
        } else if let Some(found) = total(cell) {
            words += 1;
            has_number |= found.has_number;
            says_what |= found.says_what;
            is_telling |= is_of_addresses;
        } else {
            return false;
        }
    }
    words == 1 && (says_what || !has_address) && (has_number || is_telling || found.cells > 1)
}

fn is_sum(cell: &[u8]) -> bool {
    let sum = cell.strip_prefix(b"$").or_else(|| cell.strip_suffix(b"%")).unwrap_or(cell);
    let is_part = |byte: &u8| byte.is_ascii_digit() || b".,- ".contains(byte);
    !cell.starts_with(b"+") && sum.iter().any(u8::is_ascii_digit) && sum.iter().all(is_part)
}

// A word for a total.
struct Total {
    has_number: bool,
    // Whether it says what is counted, which no name does.
    says_what: bool,
}

fn total(cell: &[u8]) -> Option<Total> {
    const LONGEST: usize = 40;
    let text = std::str::from_utf8(cell).ok().filter(|text| text.len() <= LONGEST)?.to_lowercase();
    let text = text.trim_start_matches('(').trim_end_matches(')');
    let is_number = |letter: char| letter.is_ascii_digit() || ".,:=# ".contains(letter);
    let has_number = text.contains(|letter: char| letter.is_ascii_digit());
    let word = text.trim_matches(is_number);
    let rest = PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix));
    let says_what = rest.is_some_and(|rest| COUNTED.contains(&rest));
    let counts = says_what || (has_number && COUNTED.contains(&word));
    (TOTALS.contains(&word) || counts).then_some(Total { has_number, says_what })
}
