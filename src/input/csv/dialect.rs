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
    // Whether cells in single quotes have apostrophes that are not doubled.
    bare: bool,
}

/// Where a text in single quotes doubles an apostrophe inside a cell, although other cells have single ones: what such a pair
/// stands for cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MixedApostrophes {
    /// How many bytes stand before it.
    pub(super) at: usize,
}

impl Dialect {
    const PLAIN: Self = Self { quote: QUOTE, escapes: false, spaces: false, bare: false };

    /// The dialect of a text that begins like this: the one in which the fewest quotes are out of place, the plain one when
    /// it does as well as another.
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
        let found = candidates.min_by_key(|candidate| candidate.misplaced(text, delimiter)).unwrap_or(Self::PLAIN);
        if found.quote == SINGLE { found.with_apostrophes(start, delimiter) } else { Ok(found) }
    }

    // The same, and whether cells have apostrophes that are not doubled.
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

    // How many quotes are out of place, whether one is open at the end, and how many apostrophes are not doubled.
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

// Whether there is a column, without single quotes in the header, in which each cell with a value has them, and rows have as
// many cells as the header when cells may have them. Without them, some cell would be split or would keep its quotes. A few rows may be
// damaged: they are rejected, and the others are read.
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

/// A cell of a text in which some cells are quoted.
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

/// Rewrites a dialect, byte by byte.
#[derive(Debug)]
struct Rewriter {
    dialect: Dialect,
    delimiter: u8,
    state: State,
    mark: Mark,
    // Whether the quoted cell has a line break so far.
    has_break: bool,
    // How many bytes were read, and what was seen of apostrophes in cells in single quotes.
    read: usize,
    apostrophes: Apostrophes,
}

/// Apostrophes in cells in single quotes.
#[derive(Clone, Copy, Debug, Default)]
struct Apostrophes {
    // How many are not doubled.
    bare: usize,
    // Where the first doubled one is that does not stand at the end of its cell.
    doubled: Option<usize>,
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
    /// After a single quote inside single quotes, and so many spaces.
    Spaced(usize),
    /// After two single quotes inside single quotes.
    Doubled,
    /// After a backslash that begins a cell, and after an `N` behind it: what databases write for no value.
    Backslash,
    Null,
}

impl Rewriter {
    const fn new(dialect: Dialect, delimiter: u8) -> Self {
        Self {
            dialect,
            delimiter,
            state: State::Start(0),
            mark: Mark(0, false),
            has_break: false,
            read: 0,
            apostrophes: Apostrophes { bare: 0, doubled: None },
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        let Dialect { quote, escapes, spaces, .. } = self.dialect;
        self.read += 1;
        let ends = byte == self.delimiter || matches!(byte, b'\n' | b'\r');
        if self.mark.takes(byte) && matches!(self.state, State::Start(0)) {
            out.push(byte);
            return;
        }
        self.state = match self.state {
            State::Start(count) if byte == b' ' && spaces => State::Start(count + 1),
            State::Start(count) if byte == quote && (count == 0 || spaces) => {
                out.push(QUOTE);
                self.has_break = false;
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
            State::Quoted => self.inside(byte, out),
            State::Escape => {
                if byte != quote && byte != BACKSLASH && !matches!(byte, b'\n' | b'\r') {
                    out.push(BACKSLASH);
                }
                push_inside(byte, out);
                State::Quoted
            }
            State::Closing | State::Spaced(_) | State::Doubled => self.closing(byte, ends, out),
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

    // Inside quotes.
    fn inside(&mut self, byte: u8, out: &mut Vec<u8>) -> State {
        let Dialect { quote, escapes, .. } = self.dialect;
        if byte == quote {
            State::Closing
        } else if byte == BACKSLASH && escapes {
            State::Escape
        } else {
            self.has_break |= matches!(byte, b'\n' | b'\r');
            push_inside(byte, out);
            State::Quoted
        }
    }

    // After a quote inside quotes. `ends` is whether this byte ends a cell.
    fn closing(&mut self, byte: u8, ends: bool, out: &mut Vec<u8>) -> State {
        let bare = self.dialect.bare;
        match self.state {
            State::Doubled if bare && ends => {
                // Where apostrophes are not doubled, one stands before the closing quote.
                out.extend([SINGLE, QUOTE, byte]);
                State::Start(0)
            }
            State::Doubled if bare => {
                self.apostrophes.doubled.get_or_insert(self.read - 1);
                out.extend([QUOTE, SINGLE, byte]);
                State::Text
            }
            State::Doubled => {
                out.push(SINGLE);
                self.inside(byte, out)
            }
            State::Spaced(count) if byte == b' ' => State::Spaced(count + 1),
            State::Spaced(count) if ends => {
                out.push(QUOTE);
                out.resize(out.len() + count, b' ');
                out.push(byte);
                State::Start(0)
            }
            State::Spaced(count) => self.after_quote(count, byte, out),
            State::Start(_)
            | State::Text
            | State::Stray
            | State::Wrapped
            | State::Quoted
            | State::Escape
            | State::Closing
            | State::Backslash
            | State::Null => self.after_first(byte, ends, out),
        }
    }

    // Right after the first quote inside quotes.
    fn after_first(&mut self, byte: u8, ends: bool, out: &mut Vec<u8>) -> State {
        let quote = self.dialect.quote;
        if byte == quote && quote == SINGLE {
            State::Doubled
        } else if byte == quote {
            push_inside(byte, out);
            State::Quoted
        } else if ends {
            out.extend([QUOTE, byte]);
            State::Start(0)
        } else if byte == b' ' && quote == SINGLE {
            State::Spaced(1)
        } else {
            self.after_quote(0, byte, out)
        }
    }

    // After a quote inside quotes that no other one, no delimiter and no line break follows, but so many spaces and this byte:
    // in a cell of one line an apostrophe is part of the text. In one of several lines the quote may be that of another row.
    fn after_quote(&mut self, spaces: usize, byte: u8, out: &mut Vec<u8>) -> State {
        let is_text = self.dialect.quote == SINGLE && !self.has_break;
        out.push(if is_text { SINGLE } else { QUOTE });
        out.resize(out.len() + spaces, b' ');
        if is_text {
            self.apostrophes.bare += 1;
            self.inside(byte, out)
        } else {
            out.push(byte);
            State::Text
        }
    }

    // What is held back at the end of the text.
    fn end(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Start(count) => out.resize(out.len() + count, b' '),
            State::Spaced(count) => {
                out.push(QUOTE);
                out.resize(out.len() + count, b' ');
            }
            State::Doubled if self.dialect.bare => out.extend([SINGLE, QUOTE]),
            State::Doubled => out.push(SINGLE),
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
