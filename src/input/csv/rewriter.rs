//! Rewrites a dialect of CSV into the one of RFC 4180, as it is read.

use std::io::{self, BufRead as _, Read};

use super::super::{BOM, Bytes};

pub(super) const QUOTE: u8 = b'"';
pub(super) const SINGLE: u8 = b'\'';
pub(super) const BACKSLASH: u8 = b'\\';

/// How the cells of a CSV file are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) quote: u8,
    // Whether a backslash inside quotes escapes a quote and a backslash.
    pub(super) escapes: bool,
    // Whether spaces may precede an opening quote.
    pub(super) spaces: bool,
    // Whether cells in single quotes have apostrophes that are not doubled.
    pub(super) bare: bool,
}

impl Dialect {
    pub(super) const PLAIN: Self = Self { quote: QUOTE, escapes: false, spaces: false, bare: false };
}

/// Rewrites a dialect, byte by byte.
#[derive(Debug)]
pub(super) struct Rewriter {
    dialect: Dialect,
    delimiter: u8,
    state: State,
    mark: Mark,
    // Whether the quoted cell has a line break so far.
    has_break: bool,
    // The number of bytes read, and the apostrophes in single-quoted cells so far.
    read: usize,
    pub(super) apostrophes: Apostrophes,
}

/// Apostrophes in cells in single quotes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Apostrophes {
    // How many are not doubled.
    pub(super) bare: usize,
    // The position of the first doubled one that is not at the end of its cell.
    pub(super) doubled: Option<usize>,
}

/// How much of a byte order mark was read at the beginning of a line, as in appended files.
#[derive(Debug, Default)]
pub(super) struct Mark(usize, bool);

impl Mark {
    /// Whether this byte belongs to a mark at the beginning of a line.
    pub(super) fn takes(&mut self, byte: u8) -> bool {
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
    /// After a backslash at the beginning of a cell, and after an `N` behind it, which databases write for null.
    Backslash,
    Null,
}

impl Rewriter {
    pub(super) const fn new(dialect: Dialect, delimiter: u8) -> Self {
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

    pub(super) fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
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

    // Writes what is pending at the end of the text.
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

/// A reader that rewrites the dialect of its text.
pub(super) struct Rewritten {
    bytes: Bytes,
    rewriter: Rewriter,
    out: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Rewritten {
    pub(super) const fn new(bytes: Bytes, rewriter: Rewriter) -> Self {
        Self { bytes, rewriter, out: Vec::new(), at: 0, ended: false }
    }
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

// Copies what is left of `out` after `at`.
pub(super) fn take(out: &[u8], at: &mut usize, buffer: &mut [u8]) -> usize {
    let count = buffer.len().min(out.len() - *at);
    buffer[..count].copy_from_slice(&out[*at..*at + count]);
    *at += count;
    count
}
