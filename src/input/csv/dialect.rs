//! Detects dialects of CSV from the first rows. `rewriter` converts them to the one of RFC 4180 that the parser reads.
//!
//! Spaces before an opening quote, quotes inside cells that are escaped by a backslash (`SELECT … INTO OUTFILE`, pandas),
//! and single quotes around cells. Line breaks stay where they are, so that line numbers do not change. A file of the plain
//! dialect is not rewritten.

use memchr::memmem;

use super::super::Bytes;
use super::super::lookahead::{Lookahead, View};
use super::quotes::misplaced;
use super::rewriter::{Apostrophes, BACKSLASH, QUOTE, Rewriter, Rewritten, SINGLE};

pub(super) use super::rewriter::Dialect;

/// Where text in single quotes doubles an apostrophe inside a cell, although other cells have single ones: the meaning of
/// such a pair is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MixedApostrophes {
    /// The number of bytes before it.
    pub(super) at: usize,
}

impl Dialect {
    /// The dialect of text with this beginning: the one with the fewest misplaced quotes, and the plain one on a tie.
    pub(super) fn of(start: &View<'_>, delimiter: u8) -> Result<Self, MixedApostrophes> {
        let text = start.bytes;
        let is_single = is_in_single_quotes(text, delimiter) || has_single_quoted_column(start, delimiter);
        let quote = if is_single { SINGLE } else { QUOTE };
        let has = |before: u8| memmem::find(text, &[before, quote]).is_some();
        let (escapes, spaces) = (has(BACKSLASH), has(b' '));
        let candidates = [(false, false), (true, false), (false, true), (true, true)]
            .into_iter()
            .filter(|candidate| (escapes || !candidate.0) && (spaces || !candidate.1))
            // Only quotes of the plain dialect can be out of place.
            .filter(|candidate| quote == QUOTE || candidate.1 == spaces)
            .map(|(escapes, spaces)| Self { quote, escapes, spaces, bare: false });
        // Databases write single quotes, and double a backslash.
        let is_doubled = quote == SINGLE && has_only_pairs_of(BACKSLASH, text);
        let cost = |candidate: &Self| (candidate.misplaced(text, delimiter), is_doubled && !candidate.escapes);
        let found = candidates.min_by_key(cost).unwrap_or(Self::PLAIN);
        if found.quote == SINGLE { found.with_apostrophes(start, delimiter) } else { Ok(found) }
    }

    // Also detects whether cells have apostrophes that are not doubled.
    fn with_apostrophes(self, start: &View<'_>, delimiter: u8) -> Result<Self, MixedApostrophes> {
        let text = start.bytes;
        // Where they are doubled, reading them as they stand finds none that is not.
        let (_, Apostrophes { bare, doubled }) = Self { bare: true, ..self }.rewritten_text(text, delimiter);
        // A delimiter or a line break behind a doubled one, and another of them, look like the next cell to that reading.
        let are_all_doubled = || {
            let (misplaced, is_open, bare) = self.misplaced(text, delimiter);
            misplaced == 0 && bare == 0 && !(is_open && start.whole)
        };
        match doubled {
            Some(_) if bare > 0 && are_all_doubled() => Ok(self),
            Some(at) if bare > 0 => Err(MixedApostrophes { at }),
            Some(_) | None => Ok(Self { bare: bare > 0, ..self }),
        }
    }

    // The number of misplaced quotes, whether one is open at the end, and the number of apostrophes that are not doubled.
    fn misplaced(self, text: &[u8], delimiter: u8) -> (usize, bool, usize) {
        let (count, is_open, bare) = if self == Self::PLAIN {
            let (count, is_open) = misplaced(text, delimiter);
            (count, is_open, 0)
        } else {
            let (plain, apostrophes) = self.rewritten_text(text, delimiter);
            let (count, is_open) = misplaced(&plain, delimiter);
            (count, is_open, apostrophes.bare)
        };
        (count, is_open, bare)
    }

    fn rewritten_text(self, text: &[u8], delimiter: u8) -> (Vec<u8>, Apostrophes) {
        let mut plain = Vec::with_capacity(text.len() + text.len() / 8);
        let mut rewriter = Rewriter::new(self, delimiter);
        for byte in text {
            rewriter.step(*byte, &mut plain);
        }
        (plain, rewriter.apostrophes)
    }

    /// The bytes in the plain dialect.
    pub(super) fn rewritten(self, bytes: Bytes, delimiter: u8) -> Bytes {
        if self == Self::PLAIN {
            return bytes;
        }
        let rewriter = Rewriter::new(self, delimiter);
        Lookahead::new(Box::new(Rewritten::new(bytes, rewriter)))
    }
}

// Whether each run of this byte has an even length.
fn has_only_pairs_of(byte: u8, text: &[u8]) -> bool {
    text.split(|other| *other != byte).all(|run| run.len() % 2 == 0)
}

// Whether each cell of the header is in single quotes.
fn is_in_single_quotes(text: &[u8], delimiter: u8) -> bool {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(text.len());
    let is_quoted = |cell: &[u8]| {
        let cell = cell.trim_ascii();
        cell.len() > 2 && cell.first() == Some(&SINGLE) && cell.last() == Some(&SINGLE)
    };
    text[..end].split(|byte| *byte == delimiter).all(is_quoted)
}

// Whether there is a column, without single quotes in the header, in which each cell with a value has them, and rows have as
// many cells as the header if single quotes are read. Otherwise cells would be split or would keep their quotes. A few rows
// may be damaged: they are rejected, and the others are read.
fn has_single_quoted_column(start: &View<'_>, delimiter: u8) -> bool {
    const ROWS: usize = 2;
    let text = start.bytes;
    let begins_cell = |at: usize| at == 0 || text[at - 1] == delimiter || matches!(text[at - 1], b'\n' | b'\r');
    if memchr::memchr(SINGLE, text).is_none() || memchr::memchr_iter(QUOTE, text).any(begins_cell) {
        return false;
    }
    let escapes = memmem::find(text, b"\\'").is_some();
    let dialect = Dialect { quote: SINGLE, escapes, spaces: false, bare: false };
    let bare = dialect.with_apostrophes(start, delimiter).is_ok_and(|dialect| dialect.bare);
    let (plain, _) = Dialect { bare, ..dialect }.rewritten_text(text, delimiter);
    let (mut columns, mut quoted, mut sound, mut damaged) = (0, Vec::new(), 0, 0);
    each_quoted(&plain, start.whole, delimiter, |cells, is_sound| {
        if columns == 0 {
            columns = cells.len();
            quoted = vec![Some(0); columns];
        } else if !is_sound || cells.len() != columns {
            damaged += 1;
        } else {
            sound += 1;
            for (count, cell) in quoted.iter_mut().zip(cells) {
                match cell {
                    Cell::Quoted => *count = count.map(|count: usize| count + 1),
                    Cell::Absent => {}
                    Cell::Plain => *count = None,
                }
            }
        }
    });
    let is_column = |count: &Option<usize>| count.is_some_and(|count| count >= ROWS);
    columns > 1 && sound >= ROWS && damaged * 2 <= sound && quoted.iter().any(is_column)
}

/// How a cell is written in a file in which some cells are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Quoted,
    /// Without quotes, because it has no value.
    Absent,
    Plain,
}

impl Cell {
    fn without_quotes(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        if cell.is_empty() || cell.eq_ignore_ascii_case(b"null") || cell == b"\\N" { Self::Absent } else { Self::Plain }
    }
}

// Passes the cells of each complete row to `take`, with whether the quotes of the row are where they may be.
fn each_quoted(plain: &[u8], whole: bool, delimiter: u8, mut take: impl FnMut(&[Cell], bool)) {
    let (mut row, mut is_quoted, mut is_open, mut at_start, mut is_sound) = (Vec::new(), false, false, true, true);
    let (mut was_closed, mut start) = (false, 0);
    let cell = |is_quoted, text: &[u8]| if is_quoted { Cell::Quoted } else { Cell::without_quotes(text) };
    for (at, &byte) in plain.iter().enumerate() {
        if is_open {
            is_open = byte != QUOTE;
            was_closed = !is_open;
        } else if byte == delimiter || matches!(byte, b'\n' | b'\r') {
            if byte == delimiter || !row.is_empty() || !at_start {
                row.push(cell(is_quoted, &plain[start..at]));
            }
            if byte != delimiter && !row.is_empty() {
                take(&row, is_sound);
                row.clear();
                is_sound = true;
            }
            (is_quoted, at_start, was_closed, start) = (false, true, false, at + 1);
        } else {
            // A doubled quote opens the cell again.
            is_open = byte == QUOTE && (at_start || was_closed);
            is_sound &= !is_quoted || is_open || byte == b' ';
            is_quoted |= byte == QUOTE && at_start;
            (at_start, was_closed) = (false, false);
        }
    }
    if whole && !at_start {
        row.push(cell(is_quoted, &plain[start..]));
        take(&row, is_sound && !is_open);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _};

    use super::*;

    fn view(text: &str) -> View<'_> {
        View { bytes: text.as_bytes(), whole: true }
    }

    fn bytes(text: &str) -> Bytes {
        Lookahead::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())))
    }

    #[test]
    fn the_dialect_is_the_one_in_which_the_quotes_stand_right() {
        let dialect = |quote, escapes, spaces| Dialect { quote, escapes, spaces, bare: false };
        let bare = Dialect { bare: true, ..dialect(SINGLE, false, false) };
        let check =
            |text: &str, expected: Dialect| assert_eq!(Dialect::of(&view(text), b','), Ok(expected), "{text:?}");
        let plain = Dialect::PLAIN;
        check("", plain);
        check("a,b\n1,2\n", plain);
        check("a,b\n\"1 \"\"x\"\"\",2\n", plain);
        check("\"a\", \"b\"\n\"1\", \"2, 3\"\n", dialect(QUOTE, false, true));
        check("a,b\n1, \"2\"\n", dialect(QUOTE, false, true));
        check("a,b\n\"x \\\"y\\\"\",2\n", dialect(QUOTE, true, false));
        check("a,b\n\"5\\\"\",2\n\"x\",3\n", dialect(QUOTE, true, false));
        check("\"a\", \"b\"\n\"1\", \"x \\\"y\\\"\"\n", dialect(QUOTE, true, true));
        // A backslash that ends a cell is text.
        check("a,b\n\"C:\\\",\"D:\\\"\n\"E\",\"F\"\n", plain);
        check("a,b\n\"C:\\\",2\n\"x\",3\n", plain);
        // Text with quotes in it is no dialect.
        check("a,b\n1,2 \"x\" y\n", plain);
        check("'a','b'\n'1','x, y'\n", dialect(SINGLE, false, false));
        check("'a', 'b'\n'1', 'x'\n", dialect(SINGLE, false, true));
        check("'a','b'\n'1','O\\'Brien'\n", dialect(SINGLE, true, false));
        check("'a,b\n1,2\n", plain);
        check("a,b\n'1','2'\n", plain);
        check("a,b\n'1','2'\n'3','4'\n", dialect(SINGLE, false, false));
        check("a,b\n'1','it\\'s'\n'3','4'\n", dialect(SINGLE, true, false));
        check("a,b\n1,'2'\n3,'4, 5'\n", dialect(SINGLE, false, false));
        check("a,b\n1,'2\n3,'4'\n", plain);
        check("a,b\n1,'t Hooft\n2,'s-Hertog'\n", plain);
        check("a,b\n1,x\n2,'y'\n", plain);
        // Cells without a value have no quotes.
        for absent in ["", "NULL", "null", " ", "\\N"] {
            check(&format!("a,b\n1,'Ann'\n2,{absent}\n3,'Bo, Jr'\n"), dialect(SINGLE, false, false));
            check(
                &format!("a,b,c\n1,'Ann',{absent}\n2,{absent},'x'\n3,'Bo',{absent}\n"),
                dialect(SINGLE, false, false),
            );
            check(&format!("a,b\n1,{absent}\n2,'Ann'\n3,Bo\n4,'Cy'\n"), plain);
            check(&format!("a,b\n1,'Ann'\n2,{absent}\n3,{absent}\n"), plain);
        }
        check("a,b\n1,'Ann'\n2,'O'Neil'\n", bare);
        check("'a','b'\n'1','O'Neil'\n", bare);
        check("a,b\n1,'Ann'\n2,'the boys' club'\n", bare);
        check("a,b\n1,'Ann'\n2,'James''\n3,'O'Neil'\n", bare);
        check("a,b\n1,'Ann'\n2,'O''Neil'\n", dialect(SINGLE, false, false));
        // A delimiter, or a line break, between doubled ones.
        let doubled = dialect(SINGLE, false, false);
        check("a,b\n1,'Ann'\n2,'O''Neil,''x'''\n", doubled);
        check("a,b\n1,'Ann'\n2,'the boys'',''x'''\n", doubled);
        check("'a','b'\n'1','O''Neil,''x'''\n", doubled);
        check("'a','b'\n'1','it''s\n''so'' it''s'\n'2','x'\n", doubled);
        check("'a','b'\n'1','it''s\r\n''so'''\n'2','x'\n", doubled);
        // Damaged rows among others.
        check("a,b\n1,'Ann'\n2,'Bo'\n3,'Cy\n", dialect(SINGLE, false, false));
        check("a,b\n1,'Ann'\n2,'Bo'\n3,'Cy',x\n4,'Di'\n", dialect(SINGLE, false, false));
        check("a,b\n1,'Ann'\n2,'Bo\n3,'Cy'\n", plain);
        let mixed = |text: &str, at: usize| {
            assert_eq!(Dialect::of(&view(text), b','), Err(MixedApostrophes { at }), "{text:?}");
        };
        mixed("a,b\n1,'O''Neil'\n2,'D'Angelo'\n", 10);
        mixed("'a','b'\n'1','O'Neil'\n'2','D''Angelo'\n", 29);
        mixed("a,b\n1,'O''Neil,''x'''\n2,'D'Angelo'\n", 10);
        mixed("'a','b'\n'1','it''s\n''so'''\n'2','O'Neil'\n", 17);
    }

    #[test]
    fn a_dialect_becomes_the_plain_one() {
        let check = |text: &str, expected: &str| {
            let dialect = Dialect::of(&view(text), b',').unwrap();
            let mut read = String::new();
            dialect.rewritten(bytes(text), b',').read_to_string(&mut read).unwrap();
            assert_eq!(read, expected, "{text:?}");
        };
        check("\"a\",  \"b\"\n 1, \"x, \"\"y\"\"\"\n", "\"a\",\"b\"\n 1,\"x, \"\"y\"\"\"\n");
        check("a,b\n\"x \\\"y\\\" \\\\ \\t\",\\N\n", "a,b\n\"x \"\"y\"\" \\ \\t\",\n");
        check("a,b\n\"x \\\"y\\\"\",\\Nx\n\\,2\n", "a,b\n\"x \"\"y\"\"\",\\Nx\n\\,2\n");
        check("a,b\n\"x\\\"\\\ny\",2", "a,b\n\"x\"\"\ny\",2");
        check("'a','b'\n'x \"y\"','O''Brien'\n\"5,6\n", "\"a\",\"b\"\n\"x \"\"y\"\"\",\"O'Brien\"\n\"\"\"5\",6\n");
        check("'a','b'\n'O''Neil,''x''','it''s\n''so'' x'\n", "\"a\",\"b\"\n\"O'Neil,'x'\",\"it's\n'so' x\"\n");
        check("'a','b'\n'1','2'", "\"a\",\"b\"\n\"1\",\"2\"");
        check("'a','b'\n'O'Neil','James''\n'','x''", "\"a\",\"b\"\n\"O'Neil\",\"James'\"\n\"\",\"x'\"");
        check("'a','b'\n'the boys' club' ,'it's \"so\"'", "\"a\",\"b\"\n\"the boys' club\" ,\"it's \"\"so\"\"\"");
    }
}
