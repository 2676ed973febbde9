//! Removes padding after the end of text: the Ctrl-Z that ends text under DOS, and the NUL bytes that fill the last block of
//! a device, or of a file that was allocated before it was written.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;

use memchr::memchr2;

const SUBSTITUTE: u8 = 0x1A;

/// Maximum number of changes between the two in padding, and of line breaks among them.
const MOST_RUNS: usize = 1_000;

/// Text without the padding after its end.
pub(super) struct Unpadded<R> {
    reader: R,
    // What may be padding: bytes and how many of each, in their order.
    held: VecDeque<(u8, u64)>,
    // What was read after it, which shows that it is none.
    after: Vec<u8>,
    at: usize,
    // What may be padding after that.
    then: Vec<u8>,
}

impl<R: Read> Unpadded<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self { reader, held: VecDeque::new(), after: Vec::new(), at: 0, then: Vec::new() }
    }

    // Gives back bytes that turned out to be text.
    fn give_back(&mut self, buffer: &mut [u8]) -> usize {
        let mut count = 0;
        while let Some((byte, length)) = self.held.front_mut()
            && count < buffer.len()
        {
            let fits = usize::try_from(*length).unwrap_or(usize::MAX).min(buffer.len() - count);
            buffer[count..count + fits].fill(*byte);
            count += fits;
            *length -= fits as u64;
            if *length == 0 {
                self.held.pop_front();
            }
        }
        let fits = (buffer.len() - count).min(self.after.len() - self.at);
        buffer[count..count + fits].copy_from_slice(&self.after[self.at..self.at + fits]);
        self.at += fits;
        if self.at == self.after.len() {
            self.after.clear();
            self.at = 0;
            let then = mem::take(&mut self.then);
            self.hold(&then);
        }
        count + fits
    }

    fn hold(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.held.back_mut() {
                Some((last, count)) if *last == byte => *count += 1,
                Some(_) | None => self.held.push_back((byte, 1)),
            }
        }
    }
}

impl<R: Read> Read for Unpadded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.after.is_empty() {
                return Ok(self.give_back(buffer));
            }
            let count = self.reader.read(buffer)?;
            if count == 0 {
                // All that is held is padding.
                return Ok(0);
            }
            let read = &buffer[..count];
            let may_be = |byte: u8| matches!(byte, 0 | SUBSTITUTE) || matches!(byte, b'\n' | b'\r');
            let text = read.iter().rposition(|byte| !may_be(*byte)).map_or(0, |at| at + 1);
            // After the text, padding begins with one of these bytes: a line break before it ends the last line. What is held
            // goes on with either.
            let begins = if text == 0 && !self.held.is_empty() {
                0
            } else {
                memchr2(0, SUBSTITUTE, &read[text..]).map_or(count, |at| text + at)
            };
            if self.held.is_empty() && begins == count {
                return Ok(count);
            }
            if self.held.is_empty() && begins > 0 {
                let held = read[begins..].to_vec();
                self.hold(&held);
                return Ok(begins);
            }
            let mut read = read.to_vec();
            if begins == 0 && self.held.len() < MOST_RUNS {
                self.hold(&read);
            } else {
                self.then = if begins == 0 { Vec::new() } else { read.split_off(begins) };
                self.after = read;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn what_follows_the_end_is_left_out_and_nothing_else() {
        let check = |text: &[u8], expected: &[u8]| {
            for size in 1..=text.len() + 1 {
                let mut read = Vec::new();
                Unpadded::new(Pieces(text, size)).read_to_end(&mut read).unwrap();
                assert_eq!(read, expected, "{} in {size}s", text.escape_ascii());
            }
        };
        check(b"", b"");
        check(b"a\n", b"a\n");
        check(b"a\n\x1A", b"a\n");
        check(b"a\x1A", b"a");
        check(b"a\r\n\x1A\r\n", b"a\r\n");
        check(b"a\n\0\0\0\0", b"a\n");
        check(b"a\0\0\x1A\0\n\n", b"a");
        check(b"\0\0", b"");
        check(b"a\0b\n", b"a\0b\n");
        check(b"a\n\x1A\nb\n", b"a\n\x1A\nb\n");
        check(b"a\n\0\0\0b\0", b"a\n\0\0\0b");
        check(b"\0a", b"\0a");
        let mixed = b"\0\n".repeat(2 * MOST_RUNS);
        let mut read = Vec::new();
        Unpadded::new(Pieces(&mixed, 7)).read_to_end(&mut read).unwrap();
        assert!(read.len() <= mixed.len());
    }
}
