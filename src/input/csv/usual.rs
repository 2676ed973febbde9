//! What the first rows show about a file: the kinds of its columns, whether blank cells are omitted at the ends of rows, and
//! whether cells are quoted as in RFC 4180.

use super::super::cell_kind::{Counts, Kind};
use super::super::delimiter::each_row;
use super::super::lookahead::View;

const QUOTE: u8 = b'"';

/// How many rows must lack cells at their ends for the file to be one that leaves out blank cells.
const SHORT_ROWS: usize = 2;

/// How many quoted cells show how the program that wrote the file quotes.
const QUOTED_CELLS: usize = 3;

/// How many rows in which each cell that is not blank is quoted, the header among them, show that the program quotes them all.
const QUOTED_ROWS: u64 = 2;

/// What the first rows show.
#[derive(Debug)]
pub(super) struct Usual {
    // The kind of most cells of each column.
    kinds: Vec<Kind>,
    // Of each column: whether most of its cells are phones.
    phones: Vec<bool>,
    leaves_out_blanks: bool,
    // Whether some cell begins with a space, after a delimiter.
    begins_blank: bool,
    // How many rows there were with quotes around each cell that is not blank; `None` after one without.
    quoted_rows: Option<u64>,
}

impl Usual {
    /// For text whose header ends before `start` and needs so many cells.
    pub(super) fn of(start: &View<'_>, delimiter: u8, needed: usize) -> Self {
        let (mut ends_blank, mut begins_blank, mut short) = (false, false, 0);
        let mut counts = Counts::default();
        each_row(start, delimiter, |row| {
            ends_blank |= row.len() > 1 && row.last().is_some_and(|cell| cell.trim_ascii().is_empty());
            begins_blank |= row.iter().skip(1).any(|cell| cell.starts_with(b" "));
            short += usize::from(row.len() > 1 && row.len() < needed);
            counts.add(row.iter().copied());
        });
        let leaves_out_blanks = !ends_blank && short >= SHORT_ROWS;
        Self { kinds: counts.kinds(), phones: counts.phones(), leaves_out_blanks, begins_blank, quoted_rows: Some(0) }
    }

    /// What most cells of each column are, as far as the first rows go.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether some of these cells, the first of a row, are a number or an address where the other rows have one, and none is
    /// something else.
    pub(super) fn is_like<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut is_like = false;
        for (cell, usual) in cells.zip(&self.kinds).filter(|(_, usual)| usual.is_telling()) {
            match Kind::of(cell) {
                Kind::Blank => {}
                kind if kind == *usual => is_like = true,
                Kind::Mail | Kind::Number | Kind::Text => return false,
            }
        }
        is_like
    }

    /// Whether rows end with their last cell that is not blank.
    pub(super) const fn leaves_out_blanks(&self) -> bool {
        self.leaves_out_blanks
    }

    /// Whether most cells of a column, from 0, that are numbers are phones.
    pub(super) fn are_phones(&self, column: usize) -> bool {
        self.phones.get(column) == Some(&true)
    }

    /// Whether some cell of the first rows begins with a space, after a delimiter.
    pub(super) const fn begins_blank(&self) -> bool {
        self.begins_blank
    }

    /// Adds a row without misplaced quotes, and whether each of its cells that is not blank is quoted.
    pub(super) fn saw_quoted(&mut self, all: bool) {
        self.quoted_rows = self.quoted_rows.filter(|_| all).map(|rows| rows + 1);
    }

    /// Adds so many rows in which each cell that is not blank is quoted.
    pub(super) fn saw_quoted_rows(&mut self, count: u64) {
        self.quoted_rows = self.quoted_rows.map(|rows| rows + count);
    }

    /// Whether no cell so far that is not blank is without quotes.
    pub(super) const fn may_quote_all(&self) -> bool {
        self.quoted_rows.is_some()
    }

    /// Whether each cell of all rows so far that is not blank is quoted.
    pub(super) fn quotes_all(&self) -> bool {
        self.quoted_rows.is_some_and(|rows| rows > QUOTED_ROWS)
    }

    /// Adds a row that ends with a blank cell.
    pub(super) const fn ended_blank(&mut self) {
        self.leaves_out_blanks = false;
    }
}

/// Whether the program that wrote this text quotes a cell that has a quote in it: it quotes cells that need no quotes, or
/// doubles the quotes inside quoted cells, and hardly ever leaves a quote at the end of a cell without quotes.
pub(super) fn quotes_by_rule(text: &[u8], delimiter: u8) -> bool {
    let ends = |byte: u8| byte == delimiter || matches!(byte, b'\n' | b'\r');
    let (mut by_rule, mut against) = (0, 0);
    let mut rest = text;
    while !rest.is_empty() {
        let mut at;
        if rest[0] == QUOTE {
            at = 1;
            let (mut is_needed, mut is_doubled, mut is_closed) = (false, false, false);
            while let Some(byte) = rest.get(at) {
                at += 1;
                if *byte != QUOTE {
                    is_needed |= ends(*byte);
                } else if rest.get(at) == Some(&QUOTE) {
                    is_doubled = true;
                    at += 1;
                } else {
                    is_closed = rest.get(at).is_none_or(|next| ends(*next));
                    break;
                }
            }
            by_rule += usize::from(is_closed && (!is_needed || is_doubled));
            at += rest[at..].iter().position(|byte| ends(*byte)).unwrap_or(rest.len() - at);
        } else {
            at = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
            against += usize::from(rest[..at].trim_ascii_end().last() == Some(&QUOTE));
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    by_rule >= QUOTED_CELLS && against * 3 <= by_rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_quotes_by_the_rule_is_known_by_its_quotes() {
        let check =
            |text: &str, expected: bool| assert_eq!(quotes_by_rule(text.as_bytes(), b','), expected, "{text:?}");
        check("\"a\",\"b\"\n\"1\",\"2\"\n", true);
        check("\"a\",\"b\"\n\"1\",2\"\n", true);
        check("a,b\n1,\"x \"\"y\"\"\"\n2,\"5\"\"\"\n3,\"\"\"z\"\"\"\n", true);
        // Cells that need their quotes show nothing, and so do few of them.
        check("a,b\n1,\"x, y\"\n2,\"x, y\"\n3,\"x\ny\"\n4,\"z, w\"\n", false);
        check("\"a\",b\n1,2\n", false);
        // Inches.
        check("a,b\n\"1\",5'7\"\n\"2\",6'1\"\n\"3\",5'2\"\n", false);
        check("a,b\n1,5\"\n2,6\"\n", false);
        check("", false);
    }
}
