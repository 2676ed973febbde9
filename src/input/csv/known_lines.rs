//! Skips rows that are as they were in the last input, by hashes of their lines, before they are parsed.
//!
//! A line that was a whole row, and that begins where a row begins, is the same row again: the state of the parser at the start
//! of a row is always the same, and everything else that decides which cells a line has, and what the checks of the input make
//! of them, is the context of the hash. What a row depends on besides:
//! - A row whose last cell may go on in the next line, because its opening quote is missing, is judged by the next lines. A row
//!   is therefore skipped only if another known row follows it. That one has all cells, or its first quote opens one, so that it
//!   ends no cell of the row before.
//! - The last row may be a total or be cut off. It is never skipped, as no row follows it.
//! - A row that adds a notice has another hash, and so has one with quotes around all cells as long as all rows have them.
//! - Short rows that depend on their neighbours occur only in files that leave out blank cells, of which no row is skipped.

use std::io::BufRead as _;
use std::ops::Range;

use memchr::memchr2;

use super::super::encoding::Found as FoundCharset;
use super::super::lines::Lines;
use super::super::{BOM, Bytes};
use super::block::Block;
use crate::core::snapshot::{LineHasher, Matcher, Recognition, RowHash, RowPosition, SnapshotKey, TOGETHER};

/// Maximum length of a line that is hashed. A longer row is recognised by its cells.
const LONGEST: usize = if cfg!(test) { 120 } else { 64 * 1024 };

/// Hashes the lines of a file.
#[derive(Debug)]
pub(super) struct LineHashers {
    key: SnapshotKey,
    context: String,
    ascii: LineHasher,
    // For other lines: whether they look wrong depends on the encoding, which is known once the first such line is read.
    other: Option<LineHasher>,
    charset: FoundCharset,
    ahead: LinesAhead,
}

/// Lines that come next, which are searched for together when the order of the rows changed.
#[derive(Debug, Default)]
struct LinesAhead {
    // Where each begins in the view, with its hash and its place in the last input.
    lines: Vec<(usize, RowHash, Option<usize>)>,
    next: usize,
}

impl LineHashers {
    /// `context` is everything besides a line that decides which cells it has, without the encoding.
    pub(super) fn new(key: &SnapshotKey, context: String, charset: FoundCharset) -> Self {
        Self { key: *key, ascii: key.lines(&context), other: None, context, charset, ahead: LinesAhead::default() }
    }

    fn hash(&mut self, line: &[u8]) -> RowHash {
        if line.is_ascii() {
            return self.ascii.line(line);
        }
        let Self { key, context, other, charset, .. } = self;
        other.get_or_insert_with(|| key.lines(&format!("{context} {}", charset.judgement()))).line(line)
    }

    /// The hash and the length of the line that comes next. `None` for one that is too long.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Option<(RowHash, usize)> {
        let mut seen = 0;
        loop {
            let view = bytes.peek(seen + 1);
            let end = memchr2(b'\n', b'\r', &view.bytes[seen.min(view.bytes.len())..]).map(|at| seen + at);
            let is_last = view.whole || view.bytes.len() <= seen;
            if let Some(length) = end.or_else(|| (view.whole && is_last).then_some(view.bytes.len())) {
                return (length <= LONGEST).then(|| (self.hash(&view.bytes[..length]), length));
            }
            seen = view.bytes.len();
            if is_last || seen > LONGEST {
                return None;
            }
        }
    }
}

/// What was skipped.
#[derive(Debug, Default)]
pub(super) struct Skipping {
    /// The number of rows.
    pub(super) rows: u64,
    /// The number of their bytes.
    pub(super) bytes: usize,
    /// How many rows have to be parsed before it is worth to look for known ones again.
    pub(super) to_parse: usize,
}

/// A known row that is skipped if a known row follows it.
struct Candidate {
    place: usize,
    // The line breaks before it, and where its end is.
    breaks: Range<usize>,
    end: usize,
}

/// Skips known rows, the first of which would be the `row`th, up to about so many bytes. `all_quoted` is whether each row so far
/// has quotes around each cell that is not blank: then only such rows are skipped.
pub(super) fn skip(
    (bytes, lines): (&mut Bytes, &mut Lines),
    hashers: &mut LineHashers,
    recognition: &Recognition<'_>,
    block: &mut Block,
    (row, all_quoted, most): (u64, bool, usize),
) -> Skipping {
    let Some(matcher) = recognition.matcher() else { return Skipping::default() };
    let mut skipping = Skipping { to_parse: 1, ..Skipping::default() };
    let mut seen = 0;
    // Until a line is not known, or no more bytes come.
    loop {
        let view = bytes.peek(seen + 1);
        if view.bytes.len() <= seen {
            return skipping;
        }
        seen = view.bytes.len();
        hashers.ahead.clear();
        let (mut at, mut done) = (0, 0);
        let mut candidate: Option<Candidate> = None;
        let is_over = loop {
            let rest = &view.bytes[at..];
            let breaks = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            let start = at + breaks;
            let rest = &rest[breaks..];
            let Some(length) = memchr2(b'\n', b'\r', rest).filter(|length| *length <= LONGEST) else {
                break view.whole || rest.len() > LONGEST;
            };
            let number = row + skipping.rows + u64::from(candidate.is_some());
            let place = hashers.known((view.bytes, start..start + length), matcher, (number, all_quoted));
            if let Some(Candidate { place, breaks, end }) =
                candidate.take_if(|known| (place.is_some() || !recognition.looks_ahead()) && matcher.take(known.place))
            {
                lines.pass(&view.bytes[breaks]);
                block.skip(place, RowPosition { row: row + skipping.rows, line: lines.number() });
                lines.end(view.bytes[end]);
                skipping.rows += 1;
                done = end + 1;
            }
            // Another row was found to be the one before.
            let (Some(place), None) = (place, &candidate) else {
                skipping.to_parse += usize::from(candidate.is_some());
                break true;
            };
            candidate = Some(Candidate { place, breaks: at..start, end: start + length });
            at = start + length + 1;
            if skipping.bytes + done > most {
                break true;
            }
        };
        bytes.consume(done);
        skipping.bytes += done;
        seen -= done;
        if is_over {
            return skipping;
        }
    }
}

impl LineHashers {
    // The place of a line in the last input, for the row with this number.
    fn known(
        &mut self,
        (text, line): (&[u8], Range<usize>),
        matcher: &Matcher,
        (row, all_quoted): (u64, bool),
    ) -> Option<usize> {
        if text[line.clone()].starts_with(BOM) {
            return None;
        }
        let (hash, found) = if matcher.has_table() {
            self.known_ahead(text, line, matcher, all_quoted)
        } else {
            let hash = self.hash(&text[line]);
            (hash, matcher.peek(row, if all_quoted { hash.quoted() } else { hash }))
        };
        let place = if all_quoted { found } else { found.or_else(|| matcher.peek(row, hash.quoted())) };
        if place.is_none() {
            matcher.note_miss();
        }
        place.filter(|place| !matcher.is_taken(*place))
    }

    // The hash of a line and its place in the table, which is searched for the lines after it as well.
    fn known_ahead(
        &mut self,
        text: &[u8],
        line: Range<usize>,
        matcher: &Matcher,
        all_quoted: bool,
    ) -> (RowHash, Option<usize>) {
        if let Some((_, hash, place)) = self.ahead.take(line.start) {
            return (hash, place);
        }
        let (first, start) = (self.hash(&text[line.clone()]), line.start);
        self.ahead.clear();
        let mut hashes = vec![first];
        let mut starts = vec![start];
        let mut at = line.end + 1;
        while hashes.len() < TOGETHER {
            let rest = text.get(at..).unwrap_or_default();
            let start = at + rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            let Some(length) = text.get(start..).and_then(|rest| memchr2(b'\n', b'\r', rest)) else { break };
            if length > LONGEST {
                break;
            }
            starts.push(start);
            hashes.push(self.hash(&text[start..start + length]));
            at = start + length + 1;
        }
        let wanted: Vec<RowHash> = hashes.iter().map(|hash| if all_quoted { hash.quoted() } else { *hash }).collect();
        let Some(places) = matcher.peek_all(&wanted) else { return (first, None) };
        self.ahead
            .lines
            .extend(starts.into_iter().zip(hashes).zip(places).map(|((start, hash), place)| (start, hash, place)));
        self.ahead.next = 1;
        (first, places[0])
    }
}

impl LinesAhead {
    fn clear(&mut self) {
        self.lines.clear();
        self.next = 0;
    }

    // The next line, if it begins there.
    fn take(&mut self, start: usize) -> Option<(usize, RowHash, Option<usize>)> {
        let next = self.lines.get(self.next).filter(|(at, ..)| *at == start).copied()?;
        self.next += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests;
