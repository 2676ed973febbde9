//! The words for a total, which programs write below the last row of an export.

/// Why a total is rejected where it may be a contact.
pub(crate) const REASON: &str = "expected a contact, found a total below the last row";

/// Words in such a line, in lower case.
const TOTALS: &[&str] = &[
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
    "average",
    "averages",
    "promedio",
    "promedios",
    "promedio general",
    "moyenne",
    "durchschnitt",
    "mittelwert",
];

/// Words for a total that are names of people too.
const NAMES: [&str; 4] = ["suma", "soma", "sum", "count"];

/// What is counted in such a line.
const COUNTED: [&str; 10] =
    ["rows", "row", "rows affected", "records", "contacts", "filas", "registros", "contactos", "linhas", "contatos"];

/// What stands before what is counted, the longest first.
const PREFIXES: [&str; 5] = ["total general ", "total de ", "total of ", "total do ", "total "];

/// The longest text that is examined, in bytes.
const LONGEST: usize = 40;

/// What a cell with a word for a total shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Total {
    /// Whether it has the number as well.
    pub(crate) has_number: bool,
    /// Whether it names what is counted, which no name does.
    pub(crate) names_counted: bool,
    /// Whether it may be the name of a person.
    pub(crate) may_be_name: bool,
}

/// The total that the text of a cell, without spaces around it, is a word for.
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

/// The sums of the columns of an input, so far as they hold numbers alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnSums {
    columns: Vec<Sums>,
    // The columns whose cells so far are blank or numbers.
    of_numbers: Vec<usize>,
}

/// The sums of one column, in millionths: with `.` and with `,` before the decimals. `None` once a cell is no such number.
#[derive(Clone, Copy, Debug)]
struct Sums {
    by_mark: [Option<i128>; 2],
    numbers: u32,
}

/// The characters that may stand before the decimals of a number.
const DECIMAL_MARKS: [u8; 2] = *b".,";

/// The digits after the decimal mark that count.
const DECIMALS: usize = 6;

/// The most digits of a number that is added.
const DIGITS: usize = 18;

impl ColumnSums {
    /// Adds a row of `count` cells; `cell_at` returns each by its place, from 0.
    pub(crate) fn add<'a>(&mut self, count: usize, cell_at: impl Fn(usize) -> &'a [u8]) {
        let known = self.columns.len();
        self.columns.resize(known.max(count), Sums { by_mark: [Some(0); 2], numbers: 0 });
        self.of_numbers.extend(known..self.columns.len());
        let columns = &mut self.columns;
        self.of_numbers.retain(|at| {
            let cell = if *at < count { cell_at(*at).trim_ascii() } else { &[] };
            if cell.is_empty() {
                return true;
            }
            let sums = &mut columns[*at];
            for (sum, number) in sums.by_mark.iter_mut().zip(numbers(cell)) {
                *sum = sum.zip(number).and_then(|(sum, number)| sum.checked_add(number));
            }
            sums.numbers = sums.numbers.saturating_add(1);
            sums.by_mark.iter().any(Option::is_some)
        });
    }

    /// Whether one of these cells is the sum of its column. A single number, or none but zeros, is no sum.
    pub(crate) fn add_up<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> bool {
        let is_sum = |(sums, cell): (&Sums, &[u8])| {
            let mut by_mark = sums.by_mark.iter().zip(numbers(cell));
            sums.numbers > 1 && by_mark.any(|(sum, number)| sum.is_some() && *sum == number && number != Some(0))
        };
        self.columns.iter().zip(cells).any(is_sum)
    }
}

// The number in a cell in millionths, by each of the decimal marks: a number of digits or an amount of money.
fn numbers(cell: &[u8]) -> [Option<i128>; 2] {
    let cell = cell.trim_ascii();
    if cell.len() < DIGITS && cell.iter().all(u8::is_ascii_digit) {
        let whole = cell.iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        return [(!cell.is_empty()).then_some(i128::from(whole) * MILLION); 2];
    }
    let Ok(text) = std::str::from_utf8(cell) else { return [None; 2] };
    let text = text.strip_prefix("R$").unwrap_or(text);
    let text = text.trim_matches(['$', '\u{20ac}', '\u{a3}', '%', ' ', '\u{a0}', '\u{202f}']);
    DECIMAL_MARKS.map(|mark| number(text.as_bytes(), mark))
}

const MILLION: i128 = 1_000_000;

fn number(text: &[u8], mark: u8) -> Option<i128> {
    let (is_negative, text) = text.strip_prefix(b"-").map_or((false, text), |text| (true, text));
    let (whole, decimals) = match text.iter().position(|byte| *byte == mark) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    // Three digits after each separator of thousands.
    let separator = DECIMAL_MARKS.into_iter().find(|other| *other != mark)?;
    let mut groups = whole.split(|byte| *byte == separator);
    let first = groups.next().unwrap_or_default();
    let is_grouped = groups.all(|group| group.len() == 3);
    let digits = || whole.iter().filter(|byte| **byte != separator).chain(decimals);
    let is_number = is_grouped && !first.is_empty() && decimals.len() <= DECIMALS && digits().all(u8::is_ascii_digit);
    if !is_number || digits().count() > DIGITS {
        return None;
    }
    let number = digits().fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
    let number = (decimals.len()..DECIMALS).fold(number, |number, _| number * 10);
    Some(if is_negative { -number } else { number })
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

    #[test]
    fn rows_of_any_length_are_added_up() {
        let mut sums = ColumnSums::default();
        for row in [&["x", "1"][..], &["x"], &["x", "2", "4"], &[], &["x", "3", "5", "n"], &["x", " ", "0", "1"]] {
            sums.add(row.len(), |at| row[at].as_bytes());
        }
        let check = |cells: &[&str], expected: bool| {
            assert_eq!(sums.add_up(cells.iter().map(|cell| cell.as_bytes())), expected, "{cells:?}");
        };
        check(&["Total", "6", ""], true);
        check(&["Total", "", "9"], true);
        check(&["Total", "7", "8", "1"], false);
    }

    #[test]
    fn a_number_is_the_sum_of_its_column() {
        // The cells of one column, the last of them the sum that is asked for.
        let check = |cells: &[&str], expected: bool| {
            let (last, above) = cells.split_last().unwrap();
            let mut sums = ColumnSums::default();
            for cell in above {
                sums.add(2, |at| [b"x".as_slice(), cell.as_bytes()][at]);
            }
            assert_eq!(sums.add_up([b"Total".as_slice(), last.as_bytes()].into_iter()), expected, "{cells:?}");
        };
        check(&["2000", "3049", "5049"], true);
        check(&["2000", "", " 3049 ", "5,049"], true);
        check(&["2000", "3049", "5.049"], true);
        check(&["$1,000.50", "$2.25", "$1,002.75"], true);
        check(&["1.000,50 \u{20ac}", "2,25 \u{20ac}", "1.002,75 \u{20ac}"], true);
        check(&["R$ 10", "R$ -3", "7"], true);
        check(&["0.1", "0.2", "0.3"], true);
        check(&["2000", "3049", "5048"], false);
        check(&["2000", "n/a", "2000"], false);
        check(&["31", "31"], false);
        check(&["0", "0", "0"], false);
        check(&["", "", "0"], false);
        check(&["1", "2", ""], false);
        check(&["+5215550001", "+5215550002", "+10431100003"], false);
        check(&["999999999999999999999", "1", "1000000000000000000000"], false);
        check(&["1,00", "2", "102"], false);
    }
}
