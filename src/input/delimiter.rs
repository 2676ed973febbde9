//! Detects the field delimiter of a CSV file from its first rows.
//!
//! Each candidate is tried with quotes taken into account. It must split the header. The candidate wins whose rows most often
//! have as many cells as the header. On a tie, any other one wins over the comma, which also occurs in numbers, names and
//! sentences: rows rarely have as many semicolons, tabs or bars as their header by chance. Then the one with more cells wins,
//! and then the one that is less often followed by a space, as it is inside a sentence.

use std::cmp::Reverse;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::Delimiter;
use super::lines::Lines;
use super::lookahead::View;

/// The candidates. The first one wins a tie.
pub(super) const TRIED: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Maximum number of rows that are examined.
const ROWS: usize = 200;

/// How well a candidate fits.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    // Of a thousand rows.
    fitting: usize,
    is_rare: bool,
    columns: usize,
    before_spaces: Reverse<usize>,
}

/// The delimiter of text with this beginning: the comma if no candidate splits its header.
pub(super) fn detect(start: &View<'_>) -> Delimiter {
    let mut best: Option<(Score, u8)> = None;
    for byte in TRIED {
        let Some(score) = score(start, byte) else { continue };
        if best.as_ref().is_none_or(|(other, _)| score > *other) {
            best = Some((score, byte));
        }
    }
    best.and_then(|(_, byte)| Delimiter::new(byte)).unwrap_or(Delimiter::COMMA)
}

/// The delimiter of a first line like `sep=;`, as Excel writes it, and the length of that line with its end.
pub(super) fn named(start: &[u8]) -> Option<(Delimiter, usize)> {
    let quoted = usize::from(start.first() == Some(&b'"'));
    let text = start.get(quoted..)?;
    if !text.get(..4)?.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    let delimiter = Delimiter::new(*text.get(4)?)?;
    let rest = text.get(5..)?;
    let rest = if quoted == 1 { rest.strip_prefix(b"\"")? } else { rest };
    let end = match rest {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        [] => 0,
        [_, ..] => return None,
    };
    Some((delimiter, quoted + 5 + quoted + end))
}

/// Those of these columns, by their positions from 1, that have a value in the sample.
pub(super) fn holding(start: &View<'_>, delimiter: Delimiter, columns: &[usize]) -> Vec<usize> {
    let mut holding = vec![false; columns.len()];
    if !columns.is_empty() {
        each_row(start, delimiter.byte(), |row| {
            for (holds, column) in holding.iter_mut().zip(columns) {
                *holds |= row.get(column - 1).is_some_and(|cell| !cell.trim_ascii().is_empty());
            }
        });
    }
    columns.iter().zip(holding).filter(|(_, holds)| *holds).map(|(column, _)| *column).collect()
}

// `None` when it does not part the header.
fn score(start: &View<'_>, delimiter: u8) -> Option<Score> {
    let (mut columns, mut rows, mut fitting, mut before_spaces) = (0, 0, 0, 0);
    each_row(start, delimiter, |row| {
        if rows == 0 {
            columns = row.len();
        }
        // Cells past the header's that are empty are no columns.
        let filled = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |at| at + 1);
        rows += 1;
        fitting += usize::from(row.len() == columns || (row.len() > columns && filled <= columns));
        before_spaces += row.iter().skip(1).filter(|cell| cell.starts_with(b" ")).count();
    });
    (columns > 1).then(|| Score {
        fitting: fitting * 1_000 / rows.max(1),
        // A header alone shows nothing.
        is_rare: delimiter != b',' && rows > 1 && fitting == rows,
        columns,
        before_spaces: Reverse(before_spaces),
    })
}

// Hands on the rows that are whole. Blank lines are none.
pub(super) fn each_row(start: &View<'_>, delimiter: u8, mut take: impl FnMut(&[&[u8]])) {
    each_row_at(start, delimiter, |_, row| take(row));
}

/// The same with the line of each, from 1.
pub(super) fn each_row_at(start: &View<'_>, delimiter: u8, mut take: impl FnMut(u64, &[&[u8]])) {
    let mut lines = Lines::default();
    let mut parser: Reader = ReaderBuilder::new().delimiter(delimiter).build();
    let mut input = start.bytes;
    let mut text = vec![0; input.len() + 1];
    let mut ends = vec![0; input.len() + 1];
    for _ in 0..ROWS {
        let (mut length, mut cells) = (0, 0);
        let breaks = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        lines.pass(&input[..breaks]);
        input = &input[breaks..];
        let line = lines.number();
        let ended = loop {
            let at_end = input.is_empty();
            let (result, read, written, ended) = parser.read_record(input, &mut text[length..], &mut ends[cells..]);
            lines.pass(&input[..read]);
            input = &input[read..];
            (length, cells) = (length + written, cells + ended);
            match result {
                ReadRecordResult::Record => break true,
                // The buffers have room for the whole of the input: they are never full.
                ReadRecordResult::End | ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => break false,
                ReadRecordResult::InputEmpty if at_end || !start.whole => break false,
                ReadRecordResult::InputEmpty => {}
            }
        };
        if !ended {
            return;
        }
        let row: Vec<&[u8]> = (0..cells).map(|at| &text[if at == 0 { 0 } else { ends[at - 1] }..ends[at]]).collect();
        if row.iter().any(|cell| !cell.trim_ascii().is_empty()) {
            take(line, &row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_parts_rows_evenly() {
        let check = |text: &str, expected: char| {
            let found = detect(&View { bytes: text.as_bytes(), whole: true });
            assert_eq!(char::from(found.byte()), expected, "{text:?}");
        };
        check("", ',');
        check("phone\n1\n2\n", ',');
        check("phone\n1;2\n", ',');
        check("phone,name\n1,Ann\n", ',');
        check("phone;name\n1;Ann\n", ';');
        check("phone\tname\n1\tAnn\n", '\t');
        check("phone|name\n1|Ann\n", '|');
        check("phone;name", ';');
        check("\n\r\nphone;name\n", ';');
        check("phone;name\r1;Ann\r", ';');
        // Inside quotes it parts nothing.
        check("phone,\"a;b;c;d\"\n1,\"x;y\"\n", ',');
        check("\"name, full\";phone\n\"Ann, Lee\";1\n", ';');
        check("phone,note\n1,\"a;b\nc;d\"\n2,x\n", ',');
        // In sentences it parts unevenly.
        check("phone;note\n1;Yes, and no\n2;well\n3;a, b, c\n", ';');
        check("phone;price;tax\n1;3,50;0,10\n2;4,00;0,20\n", ';');
        check("phone,tags\n1,a;b\n2,a;b;c\n3,a\n", ',');
        check("phone,tags\n1,a|b\n2,a|b\n", ',');
        check("last, first;phone\nLee, Ann;1\nRoy, Bob;2\n", ';');
        check("name;phone;city, state\nAnn;1;Puebla, PUE\n", ';');
        // As many commas as semicolons, or more, in the header and in each row.
        check("name;price,eur\nAnn;3,50\nBob;4,00\n", ';');
        check("price,eur;weight,kg\n3,50;0,10\n4,00;0,20\n", ';');
        check("a,b,c;d\n1,2,3;Ann\n4,5,6;Bob\n", ';');
        check("last, first; phone\nLee, Ann; 1\nRoy, Bob; 2\n", ';');
        check("item_id;description\nmy-item-id;One, two, three, four, five.\n", ';');
        check("column ; a,b,c,\ncolumn ; a,b,c,\ncolumn ; a\n", ';');
        check("nome;telefone\nJessica;5,58199E+12\nJoi;5,51197E+12\n", ';');
        check("x,y\tz,w\n1,2\t3,4\n", '\t');
        check("x,y|z,w\n1,2|3,4\n", '|');
        check("x,y,note;z\n1,2,a;b\n3,4,c\n", ',');
        // Ragged rows.
        check("a;b;c\n1;2;3\n1;2\n1;2;3;4\n1;2;3\n", ';');
        check("a;b\n1;2;\n3;4;\n", ';');
        // The last row is cut.
        check("a,b;c\n1;2\n\"3, 4, 5\";", ';');
    }

    #[test]
    fn rows_that_are_cut_off_do_not_count() {
        let view = View { bytes: b"phone;name\n1;Ann\n2;Bob, who is", whole: false };
        assert_eq!(detect(&view).byte(), b';');
    }

    #[test]
    fn the_first_line_may_name_it() {
        let check = |text: &str, expected: Option<(char, usize)>| {
            let found = named(text.as_bytes()).map(|(delimiter, length)| (char::from(delimiter.byte()), length));
            assert_eq!(found, expected, "{text:?}");
        };
        check("sep=;\nphone;name\n", Some((';', 6)));
        check("SEP=,\r\nphone", Some((',', 7)));
        check("\"sep=;\"\nphone", Some((';', 8)));
        check("sep=\t\rphone", Some(('\t', 6)));
        check("sep=;", Some((';', 5)));
        check("sep=\n", None);
        check("sep=;x\n", None);
        check("sep", None);
        check("separator;name\n", None);
        check("", None);
    }

    #[test]
    fn columns_that_hold_something_are_seen() {
        let check = |text: &str, expected: &[usize]| {
            let view = View { bytes: text.as_bytes(), whole: true };
            assert_eq!(holding(&view, Delimiter::COMMA, &[2, 3]), expected, "{text:?}");
        };
        check("", &[]);
        check("1,,\n3,, \n", &[]);
        check("1,,\n3,,x\n", &[3]);
        check("1,y,\n3,,x,z\n", &[2, 3]);
    }
}
