//! Dialects of CSV, recognised by the first rows, and rewritten as they are read into the one of RFC 4180 that the parser reads.
//!
//! Spaces before an opening quote, quotes inside cells that are escaped by a backslash (`SELECT … INTO OUTFILE`, pandas),
//! single quotes around cells, and lines that are quoted as a whole. Line breaks stay where they are, so that lines keep
//! their numbers. A file of the plain dialect passes through none of this.

use std::io::{self, BufRead as _, ErrorKind, Read};

use memchr::memmem;

use super::super::lookahead::{Lookahead, View};
use super::super::{BOM, Bytes};
use super::quotes::misplaced;

const QUOTE: u8 = b'"';
const SINGLE: u8 = b'\'';
const BACKSLASH: u8 = b'\\';

/// How the cells of a CSV file are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    quote: u8,
    // Whether a backslash inside quotes takes the meaning from a quote and from a backslash.
    escapes: bool,
    // Whether spaces may stand before an opening quote.
    spaces: bool,
}

impl Dialect {
    const PLAIN: Self = Self { quote: QUOTE, escapes: false, spaces: false };

    /// The dialect of a text that begins like this: the one in which the fewest quotes are out of place, the plain one when
    /// it does as well as another.
    pub(super) fn of(start: &View<'_>, delimiter: u8) -> Self {
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
            .map(|(escapes, spaces)| Self { quote, escapes, spaces });
        candidates.min_by_key(|candidate| candidate.misplaced(text, delimiter)).unwrap_or(Self::PLAIN)
    }

    fn misplaced(self, text: &[u8], delimiter: u8) -> (usize, bool) {
        if self == Self::PLAIN {
            return misplaced(text, delimiter);
        }
        let mut plain = Vec::with_capacity(text.len() + text.len() / 8);
        let mut rewriter = Rewriter::new(self, delimiter);
        for byte in text {
            rewriter.step(*byte, &mut plain);
        }
        misplaced(&plain, delimiter)
    }

    /// The bytes in the plain dialect.
    pub(super) fn rewritten(self, bytes: Bytes, delimiter: u8) -> Bytes {
        if self == Self::PLAIN {
            return bytes;
        }
        let rewriter = Rewriter::new(self, delimiter);
        Lookahead::new(Box::new(Rewritten { bytes, rewriter, out: Vec::new(), at: 0, ended: false }))
    }
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

// Whether each row has as many cells as the header when cells may be in single quotes, and there is a column, without them in
// the header, in which each cell has them. Without them, some cell would be split or would keep its quotes.
fn has_single_quoted_column(start: &View<'_>, delimiter: u8) -> bool {
    const ROWS: usize = 2;
    let text = start.bytes;
    let begins_cell = |at: usize| at == 0 || text[at - 1] == delimiter || matches!(text[at - 1], b'\n' | b'\r');
    if memchr::memchr(SINGLE, text).is_none() || memchr::memchr_iter(QUOTE, text).any(begins_cell) {
        return false;
    }
    let dialect = Dialect { quote: SINGLE, escapes: memmem::find(start.bytes, b"\\'").is_some(), spaces: false };
    let mut plain = Vec::with_capacity(start.bytes.len());
    let mut rewriter = Rewriter::new(dialect, delimiter);
    start.bytes.iter().for_each(|byte| rewriter.step(*byte, &mut plain));
    if misplaced(&plain, delimiter) != (0, false) {
        return false;
    }
    let (mut columns, mut rows, mut quoted, mut fits) = (0, 0, Vec::new(), true);
    each_single_quoted(start, delimiter, |cells| {
        if columns == 0 {
            columns = cells.len();
            quoted = vec![true; columns];
            fits = columns > 1;
            return;
        }
        rows += 1;
        fits &= cells.len() == columns;
        for (all, cell) in quoted.iter_mut().zip(cells) {
            *all &= *cell;
        }
    });
    fits && rows >= ROWS && quoted.contains(&true)
}

// Hands on, of each row that is whole, whether each cell is in single quotes.
fn each_single_quoted(start: &View<'_>, delimiter: u8, mut take: impl FnMut(&[bool])) {
    let (mut row, mut is_quoted, mut is_open, mut at_start, mut escaped) = (Vec::new(), false, false, true, false);
    for &byte in start.bytes {
        if is_open {
            is_open = escaped || byte != SINGLE;
            escaped = !escaped && byte == BACKSLASH;
        } else if byte == delimiter || matches!(byte, b'\n' | b'\r') {
            if byte == delimiter || !row.is_empty() || !at_start {
                row.push(is_quoted);
            }
            if byte != delimiter && !row.is_empty() {
                take(&row);
                row.clear();
            }
            (is_quoted, at_start) = (false, true);
        } else {
            is_open = byte == SINGLE && (at_start || is_quoted);
            is_quoted |= byte == SINGLE && at_start;
            at_start = false;
        }
    }
    if start.whole && !at_start {
        row.push(is_quoted);
        take(&row);
    }
}

/// Rewrites a dialect, byte by byte.
#[derive(Debug)]
struct Rewriter {
    dialect: Dialect,
    delimiter: u8,
    state: State,
    mark: Mark,
}

/// How much of a byte order mark at the beginning of a line was read. A file that was appended to another begins with it.
#[derive(Debug, Default)]
struct Mark(usize, bool);

impl Mark {
    /// Whether this byte belongs to a mark at the beginning of a line.
    fn takes(&mut self, byte: u8) -> bool {
        let Self(read, is_inside) = self;
        let is_next = !*is_inside && BOM.get(*read) == Some(&byte);
        if is_next {
            *read += 1;
        } else {
            (*read, *is_inside) = (0, !matches!(byte, b'\n' | b'\r'));
        }
        is_next
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// At the beginning of a cell, after so many spaces.
    Start(usize),
    /// In a cell without quotes.
    Text,
    /// After a quote in such a cell.
    Stray,
    /// The same, where the plain dialect needs quotes.
    Wrapped,
    /// Inside quotes.
    Quoted,
    /// After a backslash inside quotes.
    Escape,
    /// After a quote inside quotes.
    Closing,
    /// After a backslash that begins a cell, and after an `N` behind it: what databases write for no value.
    Backslash,
    Null,
}

impl Rewriter {
    const fn new(dialect: Dialect, delimiter: u8) -> Self {
        Self { dialect, delimiter, state: State::Start(0), mark: Mark(0, false) }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        let Dialect { quote, escapes, spaces } = self.dialect;
        let ends = byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        if self.mark.takes(byte) && matches!(self.state, State::Start(0)) {
            out.push(byte);
            return;
        }
        self.state = match self.state {
            State::Start(count) if byte == b' ' && spaces => State::Start(count + 1),
            State::Start(count) if byte == quote && (count == 0 || spaces) => {
                out.push(QUOTE);
                State::Quoted
            }
            State::Start(0) if byte == BACKSLASH && escapes => State::Backslash,
            State::Start(count) if byte == QUOTE && quote != QUOTE => {
                out.push(QUOTE);
                out.resize(out.len() + count, b' ');
                out.extend([QUOTE, QUOTE]);
                State::Wrapped
            }
            State::Start(count) => {
                out.resize(out.len() + count, b' ');
                out.push(byte);
                if ends { State::Start(0) } else { State::Text }
            }
            State::Text if byte == quote && quote != QUOTE => State::Stray,
            State::Text => {
                out.push(byte);
                if ends { State::Start(0) } else { State::Text }
            }
            State::Stray => {
                // At the end of a cell, where its opening quote is missing, it stays one.
                out.extend([if ends { QUOTE } else { quote }, byte]);
                if ends { State::Start(0) } else { State::Text }
            }
            State::Wrapped if ends => {
                out.extend([QUOTE, byte]);
                State::Start(0)
            }
            State::Wrapped => {
                push_inside(byte, out);
                State::Wrapped
            }
            State::Quoted if byte == quote => State::Closing,
            State::Quoted if byte == BACKSLASH && escapes => State::Escape,
            State::Quoted => {
                push_inside(byte, out);
                State::Quoted
            }
            State::Escape => {
                if byte != quote && byte != BACKSLASH && !matches!(byte, b'\n' | b'\r') {
                    out.push(BACKSLASH);
                }
                push_inside(byte, out);
                State::Quoted
            }
            State::Closing if byte == quote => {
                push_inside(byte, out);
                State::Quoted
            }
            State::Closing => {
                out.extend([QUOTE, byte]);
                if ends { State::Start(0) } else { State::Text }
            }
            State::Backslash if byte == b'N' => State::Null,
            State::Backslash => {
                out.extend([BACKSLASH, byte]);
                if ends { State::Start(0) } else { State::Text }
            }
            State::Null if ends => {
                out.push(byte);
                State::Start(0)
            }
            State::Null => {
                out.extend([BACKSLASH, b'N', byte]);
                State::Text
            }
        };
    }

    // What is held back at the end of the text.
    fn end(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Start(count) => out.resize(out.len() + count, b' '),
            State::Wrapped | State::Closing | State::Stray => out.push(QUOTE),
            State::Escape | State::Backslash => out.push(BACKSLASH),
            State::Text | State::Quoted | State::Null => {}
        }
    }
}

// A byte inside the quotes of the plain dialect.
fn push_inside(byte: u8, out: &mut Vec<u8>) {
    out.push(byte);
    if byte == QUOTE {
        out.push(QUOTE);
    }
}

/// A text whose dialect is rewritten as it is read.
struct Rewritten {
    bytes: Bytes,
    rewriter: Rewriter,
    out: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Rewritten {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() && !self.ended {
            self.out.clear();
            self.at = 0;
            let chunk = self.bytes.fill_buf()?;
            let length = chunk.len();
            for byte in chunk {
                self.rewriter.step(*byte, &mut self.out);
            }
            if length == 0 {
                self.rewriter.end(&mut self.out);
                self.ended = true;
            }
            self.bytes.consume(length);
        }
        Ok(take(&self.out, &mut self.at, buffer))
    }
}

/// Whether each line of a text that begins like this is quoted as a whole, the delimiters inside.
pub(super) fn is_quoted_by_line(start: &View<'_>) -> bool {
    let mut rows = 0;
    let mut has_delimiter = true;
    let mut quoted = 0;
    let whole = start.whole;
    let lines = start.bytes.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() && !whole {
            break;
        }
        rows += 1;
        let line = line.strip_prefix(BOM).unwrap_or(line);
        let inner = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\""));
        let Some(inner) = inner.filter(|inner| is_one_cell(inner)) else {
            // A line without a delimiter needs no quotes; any other shows that its cells are quoted one by one.
            if rows == 1 || line.contains(&QUOTE) || line.iter().any(|byte| DELIMITERS.contains(byte)) {
                return false;
            }
            continue;
        };
        quoted += 1;
        has_delimiter &= rows > 1 || inner.iter().any(|byte| DELIMITERS.contains(byte));
    }
    has_delimiter && quoted > 1
}

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

// Whether all quotes are doubled.
fn is_one_cell(inner: &[u8]) -> bool {
    let mut run = 0_usize;
    for byte in inner {
        if *byte == QUOTE {
            run += 1;
        } else if !run.is_multiple_of(2) {
            return false;
        } else {
            run = 0;
        }
    }
    run.is_multiple_of(2)
}

/// A text without the quotes around each of its lines.
struct Unwrapped {
    bytes: Bytes,
    state: Line,
    mark: Mark,
    out: Vec<u8>,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Start,
    Bare,
    Inside,
    Closing,
}

/// The bytes without the quotes around each line.
pub(super) fn unwrapped(bytes: Bytes) -> Bytes {
    Lookahead::new(Box::new(Unwrapped { bytes, state: Line::Start, mark: Mark::default(), out: Vec::new(), at: 0 }))
}

impl Read for Unwrapped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() {
            self.out.clear();
            self.at = 0;
            let chunk = self.bytes.fill_buf()?;
            if chunk.is_empty() {
                return if matches!(self.state, Line::Inside) { Err(not_as_the_others()) } else { Ok(0) };
            }
            for &byte in chunk {
                let ends = matches!(byte, b'\n' | b'\r');
                if self.mark.takes(byte) && matches!(self.state, Line::Start) {
                    self.out.push(byte);
                    continue;
                }
                self.state = match self.state {
                    Line::Start if byte == QUOTE => Line::Inside,
                    Line::Start | Line::Bare => {
                        self.out.push(byte);
                        if ends { Line::Start } else { Line::Bare }
                    }
                    Line::Inside if byte == QUOTE => Line::Closing,
                    Line::Inside => {
                        self.out.push(byte);
                        Line::Inside
                    }
                    Line::Closing if byte == QUOTE => {
                        self.out.push(byte);
                        Line::Inside
                    }
                    Line::Closing if ends => {
                        self.out.push(byte);
                        Line::Start
                    }
                    Line::Closing if byte == b' ' => Line::Closing,
                    Line::Closing => return Err(not_as_the_others()),
                };
            }
            let length = chunk.len();
            self.bytes.consume(length);
        }
        Ok(take(&self.out, &mut self.at, buffer))
    }
}

fn not_as_the_others() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the first lines are quoted as a whole, and a later one is not")
}

fn take(out: &[u8], at: &mut usize, buffer: &mut [u8]) -> usize {
    let count = buffer.len().min(out.len() - *at);
    buffer[..count].copy_from_slice(&out[*at..*at + count]);
    *at += count;
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> View<'_> {
        View { bytes: text.as_bytes(), whole: true }
    }

    fn bytes(text: &str) -> Bytes {
        Lookahead::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())))
    }

    #[test]
    fn the_dialect_is_the_one_in_which_the_quotes_stand_right() {
        let dialect = |quote, escapes, spaces| Dialect { quote, escapes, spaces };
        let check = |text: &str, expected: Dialect| assert_eq!(Dialect::of(&view(text), b','), expected, "{text:?}");
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
    }

    #[test]
    fn a_dialect_becomes_the_plain_one() {
        let check = |text: &str, expected: &str| {
            let dialect = Dialect::of(&view(text), b',');
            let mut read = String::new();
            dialect.rewritten(bytes(text), b',').read_to_string(&mut read).unwrap();
            assert_eq!(read, expected, "{text:?}");
        };
        check("\"a\",  \"b\"\n 1, \"x, \"\"y\"\"\"\n", "\"a\",\"b\"\n 1,\"x, \"\"y\"\"\"\n");
        check("a,b\n\"x \\\"y\\\" \\\\ \\t\",\\N\n", "a,b\n\"x \"\"y\"\" \\ \\t\",\n");
        check("a,b\n\"x \\\"y\\\"\",\\Nx\n\\,2\n", "a,b\n\"x \"\"y\"\"\",\\Nx\n\\,2\n");
        check("a,b\n\"x\\\"\\\ny\",2", "a,b\n\"x\"\"\ny\",2");
        check("'a','b'\n'x \"y\"','O''Brien'\n\"5,6\n", "\"a\",\"b\"\n\"x \"\"y\"\"\",\"O'Brien\"\n\"\"\"5\",6\n");
        check("'a','b'\n'1','2'", "\"a\",\"b\"\n\"1\",\"2\"");
    }

    #[test]
    fn lines_that_are_quoted_as_a_whole_lose_their_quotes() {
        let check = |text: &str, expected: Option<&str>| {
            let found = is_quoted_by_line(&view(text));
            assert_eq!(found, expected.is_some(), "{text:?}");
            if let Some(expected) = expected {
                let mut read = String::new();
                unwrapped(bytes(text)).read_to_string(&mut read).unwrap();
                assert_eq!(read, expected);
            }
        };
        check("\"a,b\"\n\"1,\"\"x, y\"\"\"\n", Some("a,b\n1,\"x, y\"\n"));
        check("\"a;b\"\r\n\"1;2\"", Some("a;b\r\n1;2"));
        check("\"a,b\"\n1\n\"1,2\"\n", Some("a,b\n1\n1,2\n"));
        check("\"a\"\n\"1\"\n", None);
        check("name\n\"Doe, Ann\"\n\"Roe, Bob\"\n", None);
        check("\"a\",\"b\"\n\"1\",\"2\"\n", None);
        check("\"a, b\"\n1,2\n", None);
        check("a,b\n\"1,2\"\n", None);
        check("\"a,b\"\n", None);
        check("", None);
        let mut read = String::new();
        let cut = unwrapped(bytes("\"a,b\"\n\"1,2\"\n\"3\",\"4\"\n")).read_to_string(&mut read);
        assert!(cut.unwrap_err().to_string().contains("quoted as a whole"));
    }
}
