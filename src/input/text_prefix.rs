//! Removes what people and programs put around a value so that a spreadsheet treats it as text.

use memchr::{memchr, memchr3};

/// The first bytes of typographic quotes.
const TYPOGRAPHIC: &[u8] = "\u{201c}".as_bytes();

/// Whether a row can have a cell with such a prefix. Most rows have none, and their cells are not examined one by one.
pub(super) fn may_be_in(row: &[u8]) -> bool {
    memchr3(b'\'', b'=', b'"', row).is_some() || memchr(TYPOGRAPHIC[0], row).is_some()
}

/// The value without its prefix: `="02138"` and `'+525550001`. An apostrophe is a prefix only before a formula or a number:
/// in `'s-Hertogenbosch` and `'90s` it belongs to the name.
pub(super) fn stripped(cell: &str) -> &str {
    let text = cell.trim();
    if let Some(formula) = text.strip_prefix('\'')
        && is_formula_or_number(formula)
    {
        return literal(formula).unwrap_or(formula);
    }
    literal(text).or_else(|| unquoted(text)).unwrap_or(cell)
}

// The phone number or e-mail address between quotes that are part of the cell. Quotes around a name may belong to it.
fn unquoted(text: &str) -> Option<&str> {
    let pairs = [('"', '"'), ('\u{201c}', '\u{201d}')];
    let inner = pairs.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close))?.trim();
    let digits = inner.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits >= 5 && inner.chars().all(|part| part.is_ascii_digit() || " +-.()/".contains(part));
    let is_mail = inner.contains('@') && !inner.contains(|part: char| part.is_whitespace() || part == '"');
    (is_number || is_mail).then_some(inner)
}

/// The text of a formula without its equals sign, if it is a string literal: `"02138"`.
pub(super) fn text_of_formula(formula: &str) -> Option<&str> {
    formula.trim().strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('"'))
}

fn literal(text: &str) -> Option<&str> {
    text_of_formula(text.strip_prefix('=')?)
}

fn is_formula_or_number(text: &str) -> bool {
    // Text between two apostrophes is quoted.
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
    fn a_prefix_is_removed_and_a_name_keeps_its_apostrophe() {
        let check = |cell: &str, expected: &str| {
            assert_eq!(stripped(cell), expected, "{cell}");
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
