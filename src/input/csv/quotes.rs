//! Checks that the quotes of a row are where CSV (RFC 4180) allows them.
//!
//! The parser accepts a quote anywhere and never reports a misplaced one, so that an unclosed quote swallows the rows after it.
//! The quotes of each row are therefore checked here as well. A row without quotes costs one search.

use memchr::{memchr, memchr2};

const QUOTE: u8 = b'"';

/// Follows the quotes of text that is read in pieces.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what was seen beside the state, in any combination")]
pub(super) struct Quotes {
    delimiter: u8,
    state: State,
    // Whether nothing but spaces came since the last delimiter or line break, and whether there was one.
    at_start: bool,
    spaced: bool,
    // How many line breaks came before the open quote, and since.
    before: u64,
    inside: u64,
    after_return: bool,
    // The last byte inside the open quote that is neither a quote nor a space.
    preceding: u8,
    found: Quoting,
    // The most line breaks in one cell.
    most_breaks: u64,
    // Whether the last cell of the row that ended is quoted.
    ended_quoted: bool,
    // How many cells of the row are quoted, and how many of them hold nothing.
    quoted: usize,
    quoted_blank: usize,
    // Whether the quoted cell holds something.
    is_filled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Outside quotes.
    Outside,
    /// Inside.
    Inside,
    /// After a quote inside: it closes the cell, unless another one follows.
    Closing,
    /// After the closing quote, and spaces.
    Closed,
    /// After a quote in a cell without quotes, and spaces.
    Stray,
}

/// The fault in the quotes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// None.
    Sound,
    /// Text follows a closing quote.
    TextAfter,
    /// Spaces are between the delimiter and the opening quote, which is therefore part of the text.
    SpaceBefore,
    /// A cell without quotes ends with one.
    Stray,
    /// The last cell, which is not quoted, goes on up to a stray quote so many lines below.
    Split { lines: u64 },
    /// A quoted cell of several lines, from 0, may have taken in another row. It begins and ends on these lines.
    Doubtful { cell: usize, first: u64, last: u64 },
    /// What closes a cell several lines later opens another one: its own quote is never closed. How many line breaks of the
    /// row stand before its opening quote.
    Unclosed(u64),
}

impl Quotes {
    pub(super) const fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::Outside,
            at_start: true,
            spaced: false,
            before: 0,
            inside: 0,
            after_return: false,
            preceding: 0,
            found: Quoting::Sound,
            most_breaks: 0,
            ended_quoted: false,
            quoted: 0,
            quoted_blank: 0,
            is_filled: false,
        }
    }

    pub(super) const fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Begins a row.
    pub(super) const fn begin(&mut self) {
        *self = Self::new(self.delimiter);
    }

    /// The first fault of the row.
    pub(super) fn found(&self) -> Quoting {
        match (self.found, self.state) {
            (Quoting::Sound, State::Stray) => Quoting::Stray,
            (found, State::Outside | State::Inside | State::Closing | State::Closed | State::Stray) => found,
        }
    }

    /// How many line breaks all quoted cells of the row have that were closed.
    pub(super) const fn breaks(&self) -> u64 {
        self.before
    }

    /// How many line breaks the cell with the most of them has.
    pub(super) const fn most_breaks(&self) -> u64 {
        self.most_breaks
    }

    /// The number of cells of the row that are quoted and not empty.
    pub(super) const fn quoted(&self) -> usize {
        // At the end of the file nothing follows the closing quote.
        let ends_blank = matches!(self.state, State::Closing | State::Closed) && !self.is_filled;
        self.quoted - self.quoted_blank - ends_blank as usize
    }

    /// Whether the last cell of the row is quoted.
    pub(super) const fn ended_quoted(&self) -> bool {
        self.ended_quoted
    }

    /// How many line breaks of the row stand before the quote that is open, when one is.
    pub(super) const fn open(&self) -> Option<u64> {
        match self.state {
            State::Inside => Some(self.before),
            State::Outside | State::Closing | State::Closed | State::Stray => None,
        }
    }

    /// Whether the quote that is open has taken in a line break.
    pub(super) const fn is_open_over_lines(&self) -> bool {
        matches!(self.state, State::Inside) && self.inside > 0
    }

    /// Adds the next bytes.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.state {
                State::Outside => self.outside(rest),
                State::Inside => self.inside(rest),
                State::Closing if rest[0] == QUOTE => {
                    self.state = State::Inside;
                    self.is_filled = true;
                    1
                }
                State::Stray => {
                    self.stray(rest[0]);
                    1
                }
                State::Closing | State::Closed => {
                    self.closed(rest[0]);
                    1
                }
            };
        }
    }

    // Up to the next quote, or all of it.
    fn outside(&mut self, bytes: &[u8]) -> usize {
        let Some(at) = memchr(QUOTE, bytes) else {
            self.leave(bytes);
            return bytes.len();
        };
        self.leave(&bytes[..at]);
        match (self.at_start, self.spaced) {
            (true, false) => {
                self.state = State::Inside;
                (self.inside, self.preceding, self.is_filled) = (0, 0, false);
                self.quoted += 1;
            }
            (true, true) => self.note(Quoting::SpaceBefore),
            (false, _) => self.state = State::Stray,
        }
        (self.at_start, self.spaced) = (false, false);
        at + 1
    }

    // Bytes outside quotes and without one.
    fn leave(&mut self, bytes: &[u8]) {
        let text = bytes.trim_ascii_end_spaces();
        match text.last() {
            None => self.spaced |= self.at_start && !bytes.is_empty(),
            Some(last) => {
                self.at_start = *last == self.delimiter || matches!(last, b'\n' | b'\r');
                self.spaced = self.at_start && text.len() < bytes.len();
            }
        }
    }

    fn inside(&mut self, bytes: &[u8]) -> usize {
        let end = memchr(QUOTE, bytes).unwrap_or(bytes.len());
        let text = &bytes[..end];
        self.is_filled |= end > 0;
        if self.after_return || memchr2(b'\n', b'\r', text).is_some() {
            self.count_breaks(text);
        }
        if let Some(last) = text.trim_ascii_end_spaces().last() {
            self.preceding = *last;
        }
        if end == bytes.len() {
            return end;
        }
        self.state = State::Closing;
        self.after_return = false;
        end + 1
    }

    fn count_breaks(&mut self, text: &[u8]) {
        for &byte in text {
            self.inside += u64::from(byte == b'\r' || (byte == b'\n' && !self.after_return));
            self.after_return = byte == b'\r';
        }
        self.most_breaks = self.most_breaks.max(self.inside);
    }

    fn closed(&mut self, next: u8) {
        if next == self.delimiter || matches!(next, b'\n' | b'\r') {
            self.before += self.inside;
            self.quoted_blank += usize::from(!self.is_filled);
            self.ended_quoted = next != self.delimiter;
            self.state = State::Outside;
            (self.at_start, self.spaced) = (true, false);
        } else if next == b' ' {
            self.state = State::Closed;
        } else {
            let opens = self.preceding == self.delimiter || matches!(self.preceding, b'\n' | b'\r');
            let unclosed = self.inside > 0 && opens;
            self.note(if unclosed { Quoting::Unclosed(self.before) } else { Quoting::TextAfter });
            self.before += self.inside;
            // From here on the parser takes quotes for text, up to the next delimiter.
            self.state = State::Outside;
            (self.at_start, self.spaced) = (false, false);
        }
    }

    fn stray(&mut self, next: u8) {
        if next == self.delimiter || matches!(next, b'\n' | b'\r') {
            self.note(Quoting::Stray);
            self.state = State::Outside;
            (self.at_start, self.spaced) = (true, false);
        } else if next != b' ' && next != QUOTE {
            self.state = State::Outside;
        }
    }

    // The first of several; but one that is never closed is worse than all others, and a stray one is the least of them.
    fn note(&mut self, found: Quoting) {
        let is_worse = matches!(found, Quoting::Unclosed(_)) && !matches!(self.found, Quoting::Unclosed(_));
        if matches!(self.found, Quoting::Sound | Quoting::Stray) || is_worse {
            self.found = found;
        }
    }
}

trait TrimSpaces {
    fn trim_ascii_end_spaces(&self) -> &[u8];
}

impl TrimSpaces for [u8] {
    fn trim_ascii_end_spaces(&self) -> &[u8] {
        let length = self.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
        &self[..length]
    }
}

/// The number of misplaced quotes in text, and whether one is open at its end after a line break.
pub(super) fn misplaced(text: &[u8], delimiter: u8) -> (usize, bool) {
    let mut quotes = Quotes::new(delimiter);
    let mut count = 0;
    // Each quote that is out of place ends at the next delimiter or line break.
    for piece in text.split_inclusive(|byte| matches!(byte, b'\n' | b'\r') || *byte == delimiter) {
        quotes.pass(piece);
        // In a dialect without quotes they are text.
        count += usize::from(!matches!(quotes.found, Quoting::Sound | Quoting::Stray));
        quotes.found = Quoting::Sound;
    }
    (count, quotes.is_open_over_lines())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_out_of_place_are_found_however_the_text_is_parted() {
        let check = |text: &str, expected: Quoting, is_open: bool| {
            for size in 1..=text.len().max(1) {
                let mut quotes = Quotes::new(b',');
                text.as_bytes().chunks(size).for_each(|piece| quotes.pass(piece));
                assert_eq!((quotes.found(), quotes.open().is_some()), (expected, is_open), "{text:?} in {size}s");
            }
        };
        check("", Quoting::Sound, false);
        check("a,b\n", Quoting::Sound, false);
        check("\"a\",\"b\"\n", Quoting::Sound, false);
        check("\"a\" ,\"b\"  \n", Quoting::Sound, false);
        check("\"a \"\"b\"\" c\",\"\"\n", Quoting::Sound, false);
        check("a \"b\" c,5\" d\n", Quoting::Sound, false);
        check("5\",a\n", Quoting::Stray, false);
        check("a,b \"c\"\n", Quoting::Stray, false);
        check("a,say \"\"hi\"\"\"", Quoting::Stray, false);
        check("5\" ,\"a\"b\n", Quoting::TextAfter, false);
        check("\"a\nb\",\"c,\nd\"\n", Quoting::Sound, false);
        check("\"a,\",b\n", Quoting::Sound, false);
        check("\"a", Quoting::Sound, true);
        check("a,\"", Quoting::Sound, true);
        check("\"a\"\"", Quoting::Sound, true);
        check("\"a\"b,c\n", Quoting::TextAfter, false);
        check("\"a \"b\" c\",d\n", Quoting::TextAfter, false);
        check("\"a\" b,c\n", Quoting::TextAfter, false);
        check("\"a,\"b\",c\n", Quoting::TextAfter, false);
        check("\"a\nhe said \"hi\" there\",c\n", Quoting::TextAfter, false);
        check("a, \"b\"\n", Quoting::SpaceBefore, false);
        check(" \"a\",b\n", Quoting::SpaceBefore, false);
        check("a,  \"b, c\"\n", Quoting::SpaceBefore, false);
        check("1,\"he said\n2,\"Bo\"\n", Quoting::Unclosed(0), false);
        check("1,\"he said\r\n\"2\",\"Bo\"\r\n", Quoting::Unclosed(0), false);
        check("\"1\n\",\"x\",\"he said\n2, \"Bo\"\n", Quoting::Unclosed(1), false);
        check("1,\"he said\n2,\"\",3\n4,\"Bo\"\n", Quoting::Unclosed(0), false);
        check("1,\"he said\n2,\"\"\"Bo\"\"\"\n", Quoting::Unclosed(0), false);
        check("1,\"he \"\"said\"\"\nso\"x\n", Quoting::TextAfter, false);
    }

    #[test]
    fn quoted_cells_that_hold_something_are_counted() {
        let check = |text: &str, expected: usize| {
            let mut quotes = Quotes::new(b',');
            text.as_bytes().chunks(1).for_each(|piece| quotes.pass(piece));
            assert_eq!(quotes.quoted(), expected, "{text:?}");
        };
        check("a,b\n", 0);
        check("\"a\",\"b\"\n", 2);
        check("\"a\",,\"\",b\n", 1);
        check("\"\",\"\" \n", 0);
        check("\"a\",\"\"", 1);
        check("\"a\",\"b\"", 2);
        check("\"\"\"\",\"x \"\"y\"\"\"\n", 2);
    }

    #[test]
    fn a_text_is_judged_as_a_whole() {
        let check = |text: &str, expected: (usize, bool)| {
            assert_eq!(misplaced(text.as_bytes(), b','), expected, "{text:?}");
        };
        check("a,b\n\"1\",\"2\"\n", (0, false));
        check("a, \"b\"\n1, \"2\"\n", (2, false));
        check("a\n\"x \\\"y\\\" z\"\n\"x \\\"y\\\" z\"\n", (2, false));
        check("a,b\n\"1\n2\n", (0, true));
    }
}
