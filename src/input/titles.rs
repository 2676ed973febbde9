//! Recognises rows of titles above the header, by the first rows.

use super::delimiter::{TRIED, each_row_at};
use super::lookahead::View;

/// Maximum number of rows above the header that are examined.
const TITLES: usize = 20;

/// Maximum length of a column name, in bytes, and maximum number of digits in it.
const NAME: usize = 60;
const DIGITS: usize = 4;

/// What distinguishes a header from a title in a row.
struct Row {
    line: u64,
    cells: usize,
    filled: usize,
    has_names: bool,
}

/// The line of a header below the first row: a row of at least two names, with rows of as many cells below it and only rows
/// with less than half as many above it. `line` is the first line of the text.
pub(super) fn header_below(start: &View<'_>, delimiter: Option<u8>, line: u64) -> Option<u64> {
    let tried: Vec<u8> = delimiter.map_or_else(|| TRIED.to_vec(), |given| vec![given]);
    let found = tried.into_iter().filter_map(|delimiter| below(start, delimiter));
    found.max_by_key(|header| header.filled).map(|header| line + header.line - 1)
}

fn below(start: &View<'_>, delimiter: u8) -> Option<Row> {
    let mut rows = Vec::new();
    each_row_at(start, delimiter, |line, cells| rows.push(Row::new(line, cells)));
    among(rows)
}

/// The line of a header below the first row of a sheet. `rows` are its first rows with their lines.
pub(super) fn header_of_sheet(rows: &[(u64, Vec<String>)]) -> Option<u64> {
    let width = rows.iter().map(|(_, cells)| cells.len()).max()?;
    let row = |(line, cells): &(u64, Vec<String>)| {
        let mut cells: Vec<&[u8]> = cells.iter().map(String::as_bytes).collect();
        cells.resize(width, b"");
        Row::new(*line, &cells)
    };
    among(rows.iter().map(row).collect()).map(|header| header.line)
}

fn among(mut rows: Vec<Row>) -> Option<Row> {
    let is_header = |at: &usize| {
        let (row, above, below) = (&rows[*at], &rows[..*at], &rows[at + 1..]);
        let like_it = below.iter().filter(|other| other.cells == row.cells && other.filled > 1).count();
        row.has_names
            && above.iter().all(|other| other.filled * 2 <= row.filled)
            && like_it * 5 >= below.len() * 4
            && like_it > 0
    };
    let at = (1..rows.len().min(TITLES)).find(is_header)?;
    Some(rows.swap_remove(at))
}

impl Row {
    fn new(line: u64, cells: &[&[u8]]) -> Self {
        let filled: Vec<&[u8]> = cells.iter().map(|cell| cell.trim_ascii()).filter(|cell| !cell.is_empty()).collect();
        let is_name = |cell: &&[u8]| {
            cell.len() <= NAME
                && !cell.contains(&b'@')
                && cell.iter().filter(|byte| byte.is_ascii_digit()).count() <= DIGITS
        };
        let are_distinct = filled.iter().enumerate().all(|(at, cell)| !filled[..at].contains(cell));
        // In a sentence a space follows the comma.
        let is_sentence = filled.len() == 2 && cells.iter().any(|cell| cell.starts_with(b" "));
        let has_names = filled.len() > 1 && are_distinct && !is_sentence && filled.iter().all(is_name);
        Self { line, cells: cells.len(), filled: filled.len(), has_names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_below_titles_of_a_sheet_is_found() {
        let check = |rows: &[&[&str]], expected: Option<u64>| {
            let cells = |row: &&[&str]| row.iter().map(ToString::to_string).collect();
            let rows: Vec<_> = rows.iter().zip(1..).map(|(row, line)| (line, cells(row))).collect();
            assert_eq!(header_of_sheet(&rows), expected, "{rows:?}");
        };
        let (title, header, ann) = (&["Contacts of today"][..], &["phone", "name", "city"][..], &["+52155", "Ann"][..]);
        check(&[title, header, ann, ann], Some(2));
        check(&[title, &["", "26.11.2026"], header, ann], Some(3));
        check(&[header, ann, ann], None);
        check(&[title, title], None);
        check(&[], None);
    }

    #[test]
    fn a_header_below_titles_is_found() {
        let check = |text: &str, expected: Option<u64>| {
            let found = header_below(&View { bytes: text.as_bytes(), whole: true }, None, 1);
            assert_eq!(found, expected, "{text:?}");
        };
        check("Contacts of today\n\nphone,name\n+5215550001,Ann\n+5215550002,Bo\n", Some(3));
        check("Contacts;;\r\n26.11.2026;;\r\nphone;name;city\r\n+5215550001;Ann;Lima\r\n", Some(3));
        check("\"Report\nof today\"\nphone\tname\n+5215550001\tAnn\n", Some(3));
        check("phone,name\n+5215550001,Ann\n", None);
        check("phone\n+5215550001\n", None);
        check("name\nLee, Ann\nRoy, Bob\n", None);
        check("name,phone,city\nAnn,+5215550001,Lima\n", None);
        check("Contacts\nphone,name\n", None);
        check("", None);
    }
}
