//! Parsed rows in one buffer, with the end of each cell.

use std::ops::Range;

use super::quotes::Quoting;
use crate::core::record::TotalRow;
use crate::core::snapshot::{RowHash, RowPosition};

/// Rows that are parsed and not decoded yet.
#[derive(Debug, Default)]
pub(in super::super) struct Block {
    // The cells of all rows, concatenated; used up to `length`.
    text: Vec<u8>,
    length: usize,
    // The end of each cell, relative to the start of its row; used up to `stored`.
    ends: Vec<usize>,
    stored: usize,
    rows: Vec<Place>,
    skipped: Vec<Skipped>,
}

/// Rows that were skipped, because they are as they were in the last input.
#[derive(Debug)]
struct Skipped {
    // The number of rows of the block before them.
    before: usize,
    // Their places in the last input.
    places: Range<usize>,
    // Where the first of them is; the others are on the next lines.
    first: RowPosition,
}

/// A part of a block, in the order of the input.
#[derive(Debug)]
pub(super) enum Part<'a> {
    Row(RawRow<'a>),
    /// Rows that were skipped, by their places in the last input, and where the first of them is in this one.
    Skipped(Range<usize>, RowPosition),
}

/// One row of a block, and the positions of its cells.
#[derive(Debug)]
struct Place {
    found: Found,
    text: Range<usize>,
    ends: Range<usize>,
}

/// Properties of a parsed row besides its cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its number in the file, from 1.
    pub(super) row: u64,
    /// The line on which it begins.
    pub(super) line: u64,
    /// The number of cells, stored or not.
    pub(super) cells: usize,
    /// Whether they are stored.
    pub(super) kept: bool,
    pub(super) end: End,
    /// Whether it ends with a line break, and not with the file.
    pub(super) terminated: bool,
    pub(super) quoting: Quoting,
    /// How many line breaks its cells have.
    pub(super) breaks: u64,
    /// Whether a byte order mark precedes it, as in appended files.
    pub(super) follows_mark: bool,
    /// How it looks like a total of the rows above it, if it is the last row.
    pub(super) total: Option<TotalRow>,
    /// How it is treated if it has too few cells.
    pub(super) short: Short,
    /// The hash of its line, if it is one line and rows are hashed.
    pub(super) hash: Option<RowHash>,
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At a line break or the end of the file.
    Whole,
    /// It exceeds the size limit. Its bytes were skipped.
    TooLong,
    /// It does not end: a quote that opens on this line is not closed.
    Unclosed { line: u64 },
}

/// How a row with too few cells is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// Its last cells are blank.
    Completed,
    /// It is rejected.
    Rejected,
    /// It is rejected as a part of a split row.
    Split,
    /// It is rejected as the cut end of a file.
    Cut,
}

/// The capacity that rows need in a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    rows: usize,
    text: usize,
    ends: usize,
}

impl Block {
    /// A block with room for as many rows, and somewhat longer ones.
    pub(super) fn with_room_of(room: Room) -> Self {
        let Room { rows, text, ends } = room;
        let text = text + text / 8;
        let (text, ends, rows) = (vec![0; text], vec![0; ends], Vec::with_capacity(rows));
        Self { text, length: 0, ends, stored: 0, rows, skipped: Vec::new() }
    }

    pub(super) fn room_taken(&self) -> Room {
        Room { rows: self.rows.len(), text: self.length, ends: self.stored }
    }

    /// The number of rows.
    pub(in super::super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.skipped.is_empty()
    }

    /// The number of bytes of its rows.
    pub(in super::super) fn weight(&self) -> usize {
        self.length + self.stored * size_of::<usize>() + self.rows.len() * size_of::<Place>()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.skipped.clear();
        (self.length, self.stored) = (0, 0);
    }

    /// The rows, and what was skipped between them.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut skipped = self.skipped.iter().peekable();
        let mut rows = self.rows.iter().enumerate().peekable();
        std::iter::from_fn(move || {
            let at = rows.peek().map_or(self.rows.len(), |(at, _)| *at);
            if let Some(skipped) = skipped.next_if(|skipped| skipped.before <= at) {
                return Some(Part::Skipped(skipped.places.clone(), skipped.first));
            }
            rows.next().map(|(_, place)| Part::Row(self.row(place)))
        })
    }

    /// Adds a row that is skipped, by its place in the last input, and where it is in this one.
    pub(super) fn skip(&mut self, place: usize, at: RowPosition) {
        let before = self.rows.len();
        if let Some(skipped) = self.skipped.last_mut() {
            let is_next_line = skipped.first.line + skipped.places.len() as u64 == at.line;
            if skipped.before == before && skipped.places.end == place && is_next_line {
                skipped.places.end += 1;
                return;
            }
        }
        self.skipped.push(Skipped { before, places: place..place + 1, first: at });
    }

    #[inline]
    pub(super) fn last(&self) -> Option<RawRow<'_>> {
        self.rows.last().map(|place| self.row(place))
    }

    #[inline]
    fn row<'a>(&'a self, place: &'a Place) -> RawRow<'a> {
        RawRow { found: &place.found, text: &self.text[place.text.clone()], ends: &self.ends[place.ends.clone()] }
    }

    /// Room for the text of the next row, of which so much is written already, and for the ends of its cells.
    pub(super) fn room(&mut self, written: usize, ended: usize) -> (&mut [u8], &mut [usize]) {
        (&mut self.text[self.length + written..], &mut self.ends[self.stored + ended..])
    }

    /// Room for a row whose text and cells are known.
    pub(super) fn room_for(&mut self, text: usize, cells: usize) -> (&mut [u8], &mut [usize]) {
        while self.text.len() - self.length < text {
            self.more_text();
        }
        while self.ends.len() - self.stored < cells {
            self.more_ends();
        }
        let (text, ends) = (self.length..self.length + text, self.stored..self.stored + cells);
        (&mut self.text[text], &mut self.ends[ends])
    }

    /// More room for text than there was.
    pub(super) fn more_text(&mut self) {
        self.text.resize((self.text.len() * 2).max(1024), 0);
    }

    /// More room for ends than there was.
    pub(super) fn more_ends(&mut self) {
        self.ends.resize((self.ends.len() * 2).max(32), 0);
    }

    /// Adds the row of which so much is written; nothing, when it is not kept.
    pub(super) fn push(&mut self, found: Found, written: usize) {
        let (text, ends) = if found.kept { (written, found.cells) } else { (0, 0) };
        let text = self.length..self.length + text;
        let ends = self.stored..self.stored + ends;
        (self.length, self.stored) = (text.end, ends.end);
        self.rows.push(Place { found, text, ends });
    }

    /// Adds the row of another block.
    pub(super) fn push_row(&mut self, row: RawRow<'_>) {
        let (text, ends) = (row.text.len(), row.ends.len());
        while self.text.len() - self.length < text {
            self.more_text();
        }
        while self.ends.len() - self.stored < ends {
            self.more_ends();
        }
        self.text[self.length..self.length + text].copy_from_slice(row.text);
        self.ends[self.stored..self.stored + ends].copy_from_slice(row.ends);
        self.push(*row.found, text);
    }

    /// How the last row looks like a total.
    pub(in super::super) fn total(&self) -> Option<TotalRow> {
        self.rows.last().and_then(|place| place.found.total)
    }

    /// Sets how the last row looks like a total.
    pub(in super::super) fn set_total(&mut self, total: Option<TotalRow>) {
        if let Some(found) = self.last_found() {
            found.total = total;
        }
    }

    /// The properties of the last row.
    pub(super) fn last_found(&mut self) -> Option<&mut Found> {
        self.rows.last_mut().map(|place| &mut place.found)
    }

    /// Removes the last row.
    pub(super) fn pop(&mut self) {
        if let Some(place) = self.rows.pop() {
            (self.length, self.stored) = (place.text.start, place.ends.start);
        }
    }
}

/// A parsed row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRow<'a> {
    pub(super) found: &'a Found,
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> RawRow<'a> {
    /// The first `count` cells, concatenated, and the end of each.
    #[inline]
    pub(super) fn first(self, count: usize) -> (&'a [u8], &'a [usize]) {
        let ends = &self.ends[..count];
        (&self.text[..ends.last().copied().unwrap_or(0)], ends)
    }

    #[inline]
    pub(super) fn cell(self, at: usize) -> &'a [u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// The number of its cells that are not empty; 0 when they are not stored.
    pub(super) fn filled(self) -> usize {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends).filter(|(start, end)| start < *end).count()
    }

    /// Whether it has several cells, the last of them blank.
    pub(super) fn ends_blank(self) -> bool {
        let is_whole = self.found.end == End::Whole && self.found.kept;
        is_whole && self.found.cells > 1 && self.cell(self.found.cells - 1).trim_ascii().is_empty()
    }

    /// Whether it consists of spaces or delimiters only. A lone `""` is not blank, because it was written on purpose.
    pub(super) fn is_blank(self) -> bool {
        let is_whole = self.found.end == End::Whole && self.found.kept;
        is_whole && {
            let (text, _) = self.first(self.found.cells);
            (self.found.cells > 1 || !text.is_empty()) && text.trim_ascii().is_empty()
        }
    }
}
