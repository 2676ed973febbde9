//! Line numbers as editors count them: each of `\n`, `\r\n` and a lone `\r` ends a line.

use std::io::{self, BufRead};

use super::Bytes;

/// The position of a reader, in lines.
#[derive(Debug)]
pub(super) struct Lines {
    number: u64,
    after_return: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { number: 1, after_return: false }
    }
}

/// What ends lines in some bytes.
struct Ends {
    /// How many `\n` there are.
    feeds: u64,
    /// Whether there is any `\r`.
    has_return: bool,
}

impl Ends {
    fn of(bytes: &[u8]) -> Self {
        let (mut feeds, mut has_return) = (0, false);
        // So few that a byte counts them, which lets many be counted at once.
        for chunk in bytes.chunks(u8::MAX.into()) {
            let mut count = 0_u8;
            for byte in chunk {
                count += u8::from(*byte == b'\n');
                has_return |= *byte == b'\r';
            }
            feeds += u64::from(count);
        }
        Self { feeds, has_return }
    }
}

impl Lines {
    /// The line that comes next, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Counts the lines in bytes that were read.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        let mut breaks = 0;
        let ends = Ends::of(bytes);
        if ends.has_return || self.after_return {
            let mut before = if self.after_return { b'\r' } else { 0 };
            for &byte in bytes {
                breaks += u64::from(byte == b'\r' || (byte == b'\n' && before != b'\r'));
                before = byte;
            }
        } else {
            breaks = ends.feeds;
        }
        self.number += breaks;
        self.after_return = *last == b'\r';
    }

    /// Counts a line that was not empty and ended with this byte.
    pub(super) const fn end(&mut self, byte: u8) {
        self.number += 1;
        self.after_return = byte == b'\r';
    }

    /// Skips one line with its end. False when there is none.
    pub(super) fn skip_one(&mut self, bytes: &mut Bytes) -> io::Result<bool> {
        let mut text = 0;
        loop {
            let chunk = bytes.fill_buf()?;
            // The second half of the end of the line before.
            if text == 0 && self.after_return && chunk.first() == Some(&b'\n') {
                self.pass(b"\n");
                bytes.consume(1);
                continue;
            }
            let end = chunk.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let count = end.map_or(chunk.len(), |at| at + 1);
            text += count;
            let at_end = end.is_some() || chunk.is_empty();
            self.pass(&chunk[..count]);
            bytes.consume(count);
            if at_end {
                return Ok(text > 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_are_counted_one_by_one() {
        let mut chance = fastrand::Rng::with_seed(1);
        for case in 0..5_000 {
            let characters: &[u8] = if case % 2 == 0 { b"\n\ra" } else { b"\na" };
            let text: Vec<u8> = (0..chance.usize(0..700)).map(|_| *chance.choice(characters).unwrap()).collect();
            let mut lines = Lines::default();
            let mut rest = text.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(chance.usize(1..=rest.len()));
                lines.pass(piece);
                rest = after;
            }
            let ends = |at: usize| text[at] == b'\r' || (text[at] == b'\n' && (at == 0 || text[at - 1] != b'\r'));
            let breaks = (0..text.len()).filter(|at| ends(*at)).count();
            assert_eq!(lines.number(), 1 + breaks as u64, "{}", text.escape_ascii());
        }
    }
}
