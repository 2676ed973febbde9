//! What people and programs put before a cell so that a spreadsheet takes it for text, and takes no part in its meaning.

use memchr::{memchr, memchr3};

/// The first bytes of typographic quotes.
const TYPOGRAPHIC: &[u8] = "\u{201c}".as_bytes();

/// Whether a row can have a cell with such a guard. Most have none, and are not looked at cell by cell.
pub(super) fn may_be_in(row: &[u8]) -> bool {
    memchr3(b'\'', b'=', b'"', row).is_some() || memchr(TYPOGRAPHIC[0], row).is_some()
}

/// The text behind the guard, if there is one: `="02138"` and `'+525550001`. An apostrophe is one only before what a
/// spreadsheet would calculate or take for a number: that of `'s-Hertogenbosch` and of `'90s` belongs to the name.
pub(super) fn taken_off(cell: &str) -> &str {
    let text = cell.trim();
    if let Some(formula) = text.strip_prefix('\'')
        && is_guarded(formula)
    {
        return literal(formula).unwrap_or(formula);
    }
    literal(text).or_else(|| unquoted(text)).unwrap_or(cell)
}

// The phone number or e-mail address between quotes that a program has written as a part of the cell. Those around a name
// may belong to it.
fn unquoted(text: &str) -> Option<&str> {
    let pairs = [('"', '"'), ('\u{201c}', '\u{201d}')];
    let inner = pairs.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close))?.trim();
    let digits = inner.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits >= 5 && inner.chars().all(|part| part.is_ascii_digit() || " +-.()/".contains(part));
    let is_mail = inner.contains('@') && !inner.contains(|part: char| part.is_whitespace() || part == '"');
    (is_number || is_mail).then_some(inner)
}

/// The text of a formula that is nothing but a text, without its equals character: `"02138"`.
pub(super) fn text_of_formula(formula: &str) -> Option<&str> {
    formula.trim().strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('"'))
}

fn literal(text: &str) -> Option<&str> {
    text_of_formula(text.strip_prefix('=')?)
}

fn is_guarded(text: &str) -> bool {
    // Between two apostrophes it is a quotation.
    if text.ends_with('\'') {
        return false;
    }
    match text.chars().next() {
        Some('+' | '-' | '=' | '@') => true,
        Some('0'..='9') => text.chars().all(|character| character.is_ascii_digit() || " +-.,()/:".contains(character)),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_taken_off_and_a_name_keeps_its_apostrophe() {
        let check = |cell: &str, expected: &str| {
            assert_eq!(taken_off(cell), expected, "{cell}");
            assert!(cell == expected || may_be_in(cell.as_bytes()), "{cell}");
        };
        check("=\"02138\"", "02138");
        check(" =\"02138\" ", "02138");
        check("=\"\"", "");
        check("= \"02138\"", "02138");
        check("=\"+52 55 1234\"", "+52 55 1234");
        check("'+525550001", "+525550001");
        check("'02138", "02138");
        check("'55 1234-5678", "55 1234-5678");
        check("'01/02/2024", "01/02/2024");
        check("'-5", "-5");
        check("'=1+1", "=1+1");
        check("'=\"02138\"", "02138");
        check("'@ann", "@ann");
        check("\"+525550009001\"", "+525550009001");
        check(" \"55 1234-5678\" ", "55 1234-5678");
        check("\"ann@example.com\"", "ann@example.com");
        check("\u{201c}+525550009001\u{201d}", "+525550009001");
        // What belongs to the cell.
        check("\"Ana\"", "\"Ana\"");
        check("\"5\"", "\"5\"");
        check("\u{201c}Ana\u{201d}", "\u{201c}Ana\u{201d}");
        check("\"a@b c\"", "\"a@b c\"");
        check("'s-Hertogenbosch", "'s-Hertogenbosch");
        check("'t Hart", "'t Hart");
        check("'90s", "'90s");
        check("'68 Comeback", "'68 Comeback");
        check("'5'", "'5'");
        check("'+1'", "'+1'");
        check("'", "'");
        check("''", "''");
        check("O'Brien", "O'Brien");
        check("5'", "5'");
        check("=1+1", "=1+1");
        check("=\"a\"&\"b\"", "=\"a\"&\"b\"");
        check("=\"a", "=\"a");
        check("=\"", "=\"");
        check("=", "=");
        check("a=\"b\"", "a=\"b\"");
        check(" a ", " a ");
        check("", "");
    }
}
