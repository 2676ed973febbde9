//! The words for a total, which programs write below the last row of an export.

/// Why a total is rejected where it may be a contact.
pub(crate) const REASON: &str = "expected a contact, found a total below the last row";

/// What stands in such a line, in small letters.
const TOTALS: [&str; 26] = [
    "total",
    "totals",
    "totales",
    "totais",
    "grand total",
    "grand totals",
    "overall total",
    "sub total",
    "sub-total",
    "subtotal",
    "subtotals",
    "subtotales",
    "total general",
    "total generale",
    "totale",
    "totale generale",
    "total g\u{e9}n\u{e9}ral",
    "total geral",
    "total global",
    "gesamt",
    "gesamtsumme",
    "gesamtergebnis",
    "summe",
    "sum total",
    "suma total",
    "soma total",
];

/// Words for a total that are names of people too.
const NAMES: [&str; 4] = ["suma", "soma", "sum", "count"];

/// What is counted in such a line.
const COUNTED: [&str; 10] =
    ["rows", "row", "rows affected", "records", "contacts", "filas", "registros", "contactos", "linhas", "contatos"];

/// What stands before what is counted, the longest first.
const PREFIXES: [&str; 5] = ["total general ", "total de ", "total of ", "total do ", "total "];

/// The longest text that is looked at, in bytes.
const LONGEST: usize = 40;

/// What a cell with a word for a total says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    /// Whether it has the number as well.
    pub(crate) has_number: bool,
    /// Whether it names what is counted, which no name does.
    pub(crate) names_counted: bool,
    /// Whether it may be the name of a person.
    pub(crate) may_be_name: bool,
}

/// The total that the text of a cell, without blanks around it, is a word for.
pub(crate) fn total(cell: &str) -> Option<Total> {
    if cell.len() > LONGEST {
        return None;
    }
    // Most cells that are asked about are numbers.
    if !cell.contains(char::is_alphabetic) {
        return None;
    }
    let text = cell.to_lowercase();
    let text = text.trim_start_matches('(').trim_end_matches(')');
    let is_number = |letter: char| letter.is_ascii_digit() || ".,:=# ".contains(letter);
    let has_number = text.contains(|letter: char| letter.is_ascii_digit());
    let word = text.trim_matches(is_number);
    let rest = PREFIXES.iter().find_map(|prefix| word.strip_prefix(prefix));
    let names_counted = rest.is_some_and(|rest| COUNTED.contains(&rest));
    let counts = names_counted || (has_number && COUNTED.contains(&word));
    let may_be_name = NAMES.contains(&word);
    (TOTALS.contains(&word) || may_be_name || counts).then_some(Total { has_number, names_counted, may_be_name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_known_by_its_words() {
        // Whether there is a number, what is counted is named, and it may be a name; `None`: no total.
        let check = |cell: &str, expected: Option<(bool, bool, bool)>| {
            let found = total(cell).map(|total| (total.has_number, total.names_counted, total.may_be_name));
            assert_eq!(found, expected, "{cell:?}");
        };
        check("Total", Some((false, false, false)));
        check("TOTAL:", Some((false, false, false)));
        check("Grand Total", Some((false, false, false)));
        check("Total general", Some((false, false, false)));
        check("Total g\u{c9}n\u{e9}ral", Some((false, false, false)));
        check("Gesamt", Some((false, false, false)));
        check("Total: 12", Some((true, false, false)));
        check("Total de contactos", Some((false, true, false)));
        check("(2 rows affected)", Some((true, false, false)));
        check("Suma", Some((false, false, true)));
        check("Count: 3", Some((true, false, true)));
        check("Total Recall", None);
        check("contacts", None);
        check("", None);
    }
}
