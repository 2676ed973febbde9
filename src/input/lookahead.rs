//! A reader whose next bytes can be peeked.

use std::io::{self, BufRead, ErrorKind, Read};

/// How many bytes are read at once.
const CHUNK: usize = 64 * 1024;

/// The bytes of an input, with a view of the next ones.
pub(super) struct Lookahead<R> {
    reader: R,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    ended: bool,
    failure: Option<io::Error>,
}

impl<R: Read> Lookahead<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), at: 0, end: 0, ended: false, failure: None }
    }

    /// The next `count` bytes or more; fewer when the input ends or fails before. The error is returned to the caller that
    /// reads up to there.
    pub(super) fn peek(&mut self, count: usize) -> View<'_> {
        while self.end - self.at < count && !self.ended && self.failure.is_none() {
            if self.at > 0 {
                self.buffer.copy_within(self.at..self.end, 0);
                (self.at, self.end) = (0, self.end - self.at);
            }
            if self.buffer.len() < count.max(CHUNK) {
                self.buffer.resize(count.max(CHUNK), 0);
            }
            self.fill();
        }
        View { bytes: &self.buffer[self.at..self.end], whole: self.ended }
    }

    /// The peeked bytes that were not read, and the reader of the rest.
    pub(super) fn into_parts(self) -> (Vec<u8>, R) {
        (self.buffer[self.at..self.end].to_vec(), self.reader)
    }

    // Reads once into what is free of the buffer.
    fn fill(&mut self) {
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                // A terminal and a pipe may have more after an end; what came after it was not part of the input.
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
                Err(cause) => self.failure = Some(cause),
            }
            return;
        }
    }
}

/// The next bytes of an input.
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether they reach the end of the input.
    pub(super) whole: bool,
}

impl<R: Read> BufRead for Lookahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end && !self.ended {
            if self.failure.is_none() {
                (self.at, self.end) = (0, 0);
                if self.buffer.len() < CHUNK {
                    self.buffer.resize(CHUNK, 0);
                }
                self.fill();
            }
            if let Some(cause) = self.failure.take() {
                return Err(cause);
            }
        }
        Ok(&self.buffer[self.at..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.end);
    }
}

impl<R: Read> Read for Lookahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let count = chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&chunk[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Gives at most so many bytes at once, then fails if it is told to.
    struct Pieces {
        bytes: Vec<u8>,
        size: usize,
        fails: bool,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.size.min(self.bytes.len()).min(buffer.len());
            if count == 0 && self.fails {
                return Err(io::Error::other("torn"));
            }
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            Ok(count)
        }
    }

    fn pieces(size: usize, fails: bool) -> Lookahead<Pieces> {
        Lookahead::new(Pieces { bytes: b"abcdefghij".to_vec(), size, fails })
    }

    #[test]
    fn peeked_bytes_are_still_read() {
        for size in [1, 3, 100] {
            let mut lookahead = pieces(size, false);
            assert!(lookahead.peek(2).bytes.starts_with(b"ab"));
            lookahead.consume(1);
            let view = lookahead.peek(5);
            assert!(view.bytes.starts_with(b"bcdef"));
            let view = lookahead.peek(100);
            assert!(view.whole && view.bytes == b"bcdefghij", "{size}");
            let mut rest = String::new();
            lookahead.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "bcdefghij");
            assert!(lookahead.peek(1).bytes.is_empty());
        }
    }

    #[test]
    fn peeking_keeps_a_failure() {
        let mut lookahead = pieces(4, true);
        let view = lookahead.peek(100);
        assert!(!view.whole && view.bytes == b"abcdefghij");
        let mut read = Vec::new();
        assert_eq!(lookahead.read_to_end(&mut read).unwrap_err().to_string(), "torn");
        assert_eq!(read, b"abcdefghij");
    }
}
