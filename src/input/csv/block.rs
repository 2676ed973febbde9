//! Rows as the parser left them: bytes in one piece of memory, whatever their number, and where each cell ends.

use std::ops::Range;

use super::quotes::Quoting;

/// Rows that were parsed and are not decoded yet.
#[derive(Debug, Default)]
pub(in super::super) struct Block {
    // The cells of all rows, one after the other; used up to `length`.
    text: Vec<u8>,
    length: usize,
    // Where each cell ends, counted from where the text of its row begins; used up to `stored`.
    ends: Vec<usize>,
    stored: usize,
    rows: Vec<Place>,
}

/// One row of a block, and where its cells are there.
#[derive(Debug)]
struct Place {
    found: Found,
    text: Range<usize>,
    ends: Range<usize>,
}

/// What parsing found of a row beside its cells.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate fact, in any combination with the others")]
pub(super) struct Found {
    /// Its place among the rows of the file, from 1.
    pub(super) row: u64,
    /// The line on which it begins.
    pub(super) line: u64,
    /// How many cells it has, stored or not.
    pub(super) cells: usize,
    /// Whether they are stored.
    pub(super) kept: bool,
    pub(super) end: End,
    /// Whether a line break ends it, and not the file.
    pub(super) terminated: bool,
    pub(super) quoting: Quoting,
    /// How many line breaks its cells have.
    pub(super) breaks: u64,
    /// Whether a byte order mark stands before it, as where a file was appended to another.
    pub(super) follows_mark: bool,
    /// Whether it is the last row, and a total of those above.
    pub(super) is_total: bool,
    /// What becomes of it when it has too few cells.
    pub(super) short: Short,
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Where it should.
    Whole,
    /// Past the bound. Its bytes were passed over.
    TooLong,
    /// Not where it should: a quote that opens on this line is not closed.
    Unclosed { line: u64 },
}

/// What becomes of a row with too few cells.
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

/// How much room rows take in a block.
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
        Self { text: vec![0; text], length: 0, ends: vec![0; ends], stored: 0, rows: Vec::with_capacity(rows) }
    }

    pub(super) fn room_taken(&self) -> Room {
        Room { rows: self.rows.len(), text: self.length, ends: self.stored }
    }

    /// How many rows it has.
    pub(in super::super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many bytes its rows take.
    pub(in super::super) fn weight(&self) -> usize {
        self.length + self.stored * size_of::<usize>() + self.rows.len() * size_of::<Place>()
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        (self.length, self.stored) = (0, 0);
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = RawRow<'_>> {
        self.rows.iter().map(|place| self.row(place))
    }

    pub(super) fn last(&self) -> Option<RawRow<'_>> {
        self.rows.last().map(|place| self.row(place))
    }

    fn row(&self, place: &Place) -> RawRow<'_> {
        RawRow { found: place.found, text: &self.text[place.text.clone()], ends: &self.ends[place.ends.clone()] }
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
        self.push(row.found, text);
    }

    /// What was found of the last row.
    pub(super) fn last_found(&mut self) -> Option<&mut Found> {
        self.rows.last_mut().map(|place| &mut place.found)
    }

    /// Takes the last row away.
    pub(super) fn pop(&mut self) {
        if let Some(place) = self.rows.pop() {
            (self.length, self.stored) = (place.text.start, place.ends.start);
        }
    }
}

/// A row as the parser left it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRow<'a> {
    pub(super) found: Found,
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> RawRow<'a> {
    /// The first `count` cells, one after the other, and where each ends.
    pub(super) fn first(self, count: usize) -> (&'a [u8], &'a [usize]) {
        let ends = &self.ends[..count];
        (&self.text[..ends.last().copied().unwrap_or(0)], ends)
    }

    pub(super) fn cell(self, at: usize) -> &'a [u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// How many of its cells hold something; 0 when they are not stored.
    pub(super) fn filled(self) -> usize {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(self.ends).filter(|(start, end)| start < *end).count()
    }

    /// Whether it has several cells, the last of them blank.
    pub(super) fn ends_blank(self) -> bool {
        let is_whole = self.found.end == End::Whole && self.found.kept;
        is_whole && self.found.cells > 1 && self.cell(self.found.cells - 1).trim_ascii().is_empty()
    }

    /// Whether it is of spaces or of delimiters alone. A lone `""` is not: it was written on purpose.
    pub(super) fn is_blank(self) -> bool {
        let is_whole = self.found.end == End::Whole && self.found.kept;
        is_whole && {
            let (text, _) = self.first(self.found.cells);
            (self.found.cells > 1 || !text.is_empty()) && text.trim_ascii().is_empty()
        }
    }
}
