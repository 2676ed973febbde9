//! Whether a quoted cell with several lines holds rows of its own, because its closing quote is missing and another quote
//! further down closed it.
//!
//! Such a cell looks like a note or an address with line breaks, and its row may have the right number of cells. What gives
//! it away is that its lines are rows: they have as many cells as the header, and their numbers and e-mail addresses stand
//! in the columns in which the other rows have them. The first of its lines ends the row before, and the last one begins
//! the row after.

use super::super::lines::Lines;
use super::block::RawRow;
use super::usual::{Kind, Usual, is_address};

/// How many cells in whole lines make a quoted cell one that holds rows, whatever the cells are.
const CELLS: usize = 3;

/// How many whole lines are enough for a few of them to be damaged.
const MANY_LINES: usize = 8;

/// What a row with a quoted cell of several lines is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swallow {
    /// A row of its own.
    Nothing,
    /// It may have taken in another row: in this cell, from 0, which begins on one line of the file and ends on another.
    Doubtful { cell: usize, first: u64, last: u64 },
    /// It has taken in other rows. The quote that is not closed is on this line.
    Rows { line: u64 },
}

/// The shape of the rows of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    /// How many cells a row has, at least and at most.
    pub(super) cells: (usize, usize),
    pub(super) delimiter: u8,
    pub(super) usual: &'a Usual,
}

impl Swallow {
    /// Judges a row by its quoted cells of several lines.
    pub(super) fn of(raw: RawRow<'_>, shape: Shape<'_>) -> Self {
        let stored = if raw.found.kept { raw.found.cells } else { 0 };
        let mut lines = Lines::default();
        for at in 0..stored {
            let cell = raw.cell(at);
            let first = raw.found.line + lines.number() - 1;
            lines.pass(cell);
            let last = raw.found.line + lines.number() - 1;
            if last == first {
                continue;
            }
            match Evidence::of(cell, at, raw.found.cells, shape).verdict() {
                Verdict::Own => {}
                Verdict::Doubtful => return Self::Doubtful { cell: at, first, last },
                Verdict::Rows => return Self::Rows { line: first },
            }
        }
        Self::Nothing
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Own,
    Doubtful,
    Rows,
}

/// What the lines of a cell have in common with rows.
#[derive(Debug, Default)]
struct Evidence {
    // Whether the line that ends the row before, and the one that begins the row after, have the right number of cells.
    ends_fit: bool,
    // The lines between them, and how many of them have the right number of cells.
    lines: usize,
    fitting: usize,
    // How many cells those are when each of these lines has as many as the header.
    whole_cells: usize,
    // Whether a space follows some delimiter, as it does in a sentence.
    has_spaces: bool,
    // Of the cells in columns of numbers or e-mail addresses: how many are such, are as long as a phone, are blank, and are
    // something else.
    likely: usize,
    addresses: usize,
    blank: usize,
    unlikely: usize,
}

impl Evidence {
    // `at` is the place of the cell among the `count` cells of its row.
    fn of(cell: &[u8], at: usize, count: usize, shape: Shape<'_>) -> Self {
        let mut lines: Vec<&[u8]> = cell.split(|byte| matches!(byte, b'\n' | b'\r')).collect();
        let mut evidence = Self::default();
        let (Some(last), true) = (lines.pop(), !lines.is_empty()) else { return evidence };
        let first = lines.remove(0);
        lines.retain(|line| !line.trim_ascii().is_empty());
        let ends = [evidence.add(first, at, shape), evidence.add(last, 0, shape)];
        evidence.ends_fit = shape.fits(at + ends[0]) && shape.fits(ends[1] + count - 1 - at);
        evidence.lines = lines.len();
        let mut are_whole = true;
        for line in lines {
            let cells = evidence.add(line, 0, shape);
            are_whole &= cells == shape.cells.1;
            evidence.fitting += usize::from(shape.fits(cells));
        }
        evidence.whole_cells = if are_whole { evidence.lines * (shape.cells.1 - 1) } else { 0 };
        evidence
    }

    // Adds a line whose first cell belongs to this column, and returns how many cells it has.
    fn add(&mut self, line: &[u8], column: usize, shape: Shape<'_>) -> usize {
        let mut count = 0;
        let kinds = shape.usual.kinds().iter().skip(column).map(Some).chain(std::iter::repeat(None));
        for (cell, usual) in line.split(|byte| *byte == shape.delimiter).zip(kinds) {
            self.has_spaces |= count > 0 && cell.first() == Some(&b' ');
            count += 1;
            let Some(usual) = usual.filter(|usual| usual.is_telling()) else { continue };
            match Kind::of(cell) {
                Kind::Blank => self.blank += 1,
                kind if kind == *usual => {
                    self.likely += 1;
                    self.addresses += usize::from(is_address(cell));
                }
                Kind::Mail | Kind::Number | Kind::Text => self.unlikely += 1,
            }
        }
        count
    }

    fn verdict(&self) -> Verdict {
        if self.unlikely * 4 > self.addresses {
            return Verdict::Own;
        }
        let fits = self.ends_fit && self.fitting == self.lines;
        let are_many = self.lines >= MANY_LINES && self.fitting * 5 >= self.lines * 4;
        if (self.whole_cells >= CELLS && !self.has_spaces)
            || (fits && self.lines > 0 && self.addresses > 1)
            || (are_many && self.addresses * 2 >= self.lines)
        {
            return Verdict::Rows;
        }
        let may_be_row = self.likely + self.blank > 0 && !self.has_spaces;
        let is_row = (self.addresses > 0 && !self.has_spaces) || self.addresses > 1;
        if (fits && (is_row || may_be_row)) || (self.fitting > 0 && self.addresses > 0) {
            return Verdict::Doubtful;
        }
        Verdict::Own
    }
}

impl Shape<'_> {
    // Whether a row may have so many cells.
    fn fits(self, cells: usize) -> bool {
        let (least, most) = self.cells;
        let least = if self.usual.leaves_out_blanks() { least.min(2) } else { least };
        (least..=most).contains(&cells)
    }
}
