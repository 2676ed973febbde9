//! Files in which each line is quoted as a whole, including the delimiters.

use std::io::{self, BufRead as _, ErrorKind, Read};

use super::super::lookahead::{Lookahead, View};
use super::super::{BOM, Bytes};
use super::rewriter::{Mark, QUOTE, take};

/// Whether each line of text with this beginning is quoted as a whole, including the delimiters.
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

/// A reader that removes the quotes around each line.
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
