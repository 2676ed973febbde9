//! What people and programs put before a cell so that a spreadsheet takes it for text, and takes no part in its meaning.

/// Whether a row can have a cell with such a guard. Most have none, and are not looked at cell by cell.
pub(super) fn may_be_in(row: &[u8]) -> bool {
    row.contains(&b'\'') || row.contains(&b'=')
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
    literal(text).unwrap_or(cell)
}

/// The text of a formula that is nothing but a text, without its equals sign: `"02138"`.
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
        Some('0'..='9') => text.chars().all(|sign| sign.is_ascii_digit() || " +-.,()/:".contains(sign)),
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
        // What belongs to the cell.
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
