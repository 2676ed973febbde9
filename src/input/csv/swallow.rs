//! Recognises a quoted cell of several lines that holds other rows, because its closing quote is missing and a later quote
//! closed it.
//!
//! Such a cell looks like a note or an address with line breaks, and its row may have the right number of cells. It is
//! recognised by its lines, which are rows: they have as many cells as the header, and their numbers and e-mail addresses are
//! in the columns in which the other rows have them. The first of its lines ends the row before, and the last one begins
//! the row after.

use super::super::cell_kind::{Kind, is_address};
use super::super::lines::Lines;
use super::block::RawRow;
use super::quotes::Quoting;
use super::usual::Usual;

/// How many cells in whole lines make a quoted cell one that holds rows, whatever the cells are.
const CELLS: usize = 3;

/// How many whole lines are enough for a few of them to be damaged.
const MANY_LINES: usize = 8;

/// The kind of a row with a quoted cell of several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swallow {
    /// A separate row.
    Nothing,
    /// It may hold another row: in this cell, from 0, which begins on line `first` of the file and ends on `last`.
    Doubtful { cell: usize, first: u64, last: u64 },
    /// It holds other rows. The quote that is not closed is on this line.
    Rows { line: u64 },
}

/// The shape of the rows of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowShape<'a> {
    /// How many cells a row has, at least and at most.
    pub(super) cells: (usize, usize),
    pub(super) delimiter: u8,
    pub(super) usual: &'a Usual,
}

impl Swallow {
    /// Judges a row by its quoted cells of several lines.
    pub(super) fn of(raw: RawRow<'_>, shape: RowShape<'_>) -> Self {
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
            // In a file that quotes each cell that is not blank, another row would have brought its quotes along.
            let is_own = raw.found.quoting == Quoting::Sound && shape.usual.quotes_all() && !cell.contains(&b'"');
            if is_own {
                continue;
            }
            match Evidence::of(cell, at, raw.found.cells, shape).verdict(shape.usual) {
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
    // How many delimiters there are, and after how many a space follows, as it does in a sentence.
    delimiters: usize,
    spaces: usize,
    // How many lines after the first one have a phone or an e-mail address, and how many of those between the ends.
    addressed: usize,
    addressed_between: usize,
    // Of the cells in columns of numbers or e-mail addresses: how many are such, are as long as a phone, are blank, and are
    // something else.
    likely: usize,
    addresses: usize,
    blank: usize,
    unlikely: usize,
}

/// Properties of one line of a cell.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    cells: usize,
    // Whether a column of phones or e-mail addresses has one.
    has_address: bool,
}

impl Evidence {
    // `at` is the place of the cell among the `count` cells of its row.
    fn of(cell: &[u8], at: usize, count: usize, shape: RowShape<'_>) -> Self {
        let mut lines: Vec<&[u8]> = cell.split(|byte| matches!(byte, b'\n' | b'\r')).collect();
        let mut evidence = Self::default();
        let (Some(last), true) = (lines.pop(), !lines.is_empty()) else { return evidence };
        let first = lines.remove(0);
        lines.retain(|line| !line.trim_ascii().is_empty());
        evidence.lines = lines.len();
        let before = evidence.add(first, at, shape).cells;
        evidence.ends_fit = shape.fits(at + before);
        // A quote that begins a line and ends its cell opens nothing: no row begins with a blank last line.
        if !last.trim_ascii().is_empty() {
            let after = evidence.add(last, 0, shape);
            evidence.ends_fit &= shape.fits(after.cells + count - 1 - at);
            evidence.addressed += usize::from(after.has_address);
        } else if evidence.lines == 0 {
            return Self::default();
        }
        let mut are_whole = true;
        for line in lines {
            let Line { cells, has_address } = evidence.add(line, 0, shape);
            are_whole &= cells == shape.cells.1;
            evidence.fitting += usize::from(shape.fits(cells));
            evidence.addressed_between += usize::from(has_address);
        }
        evidence.addressed += evidence.addressed_between;
        evidence.whole_cells = if are_whole { evidence.lines * (shape.cells.1 - 1) } else { 0 };
        evidence
    }

    // Adds a line whose first cell belongs to this column.
    fn add(&mut self, line: &[u8], column: usize, shape: RowShape<'_>) -> Line {
        let mut found = Line::default();
        for (at, cell) in line.split(|byte| *byte == shape.delimiter).enumerate() {
            self.delimiters += usize::from(at > 0);
            self.spaces += usize::from(at > 0 && cell.first() == Some(&b' '));
            found.cells += 1;
            let usual = shape.usual.kinds().get(column + at);
            let Some(usual) = usual.filter(|usual| usual.is_telling()) else { continue };
            match Kind::of(cell) {
                Kind::Blank => self.blank += 1,
                // A postal code among phones shows nothing.
                Kind::Number if shape.usual.are_phones(column + at) && !is_address(cell) => {}
                kind if kind == *usual => {
                    self.likely += 1;
                    self.addresses += usize::from(is_address(cell));
                    found.has_address |= is_address(cell);
                }
                Kind::Mail | Kind::Number | Kind::Text => self.unlikely += 1,
            }
        }
        found
    }

    // A file is refused only where two lines or more have a phone or an address in its column, or where no column has any.
    fn verdict(&self, usual: &Usual) -> Verdict {
        // Lines of text in a file that has no space after a delimiter.
        let are_text = self.spaces > 0 && self.spaces == self.delimiters && !usual.begins_blank();
        if self.unlikely * 4 > self.addresses || are_text {
            return Verdict::Own;
        }
        let has_spaces = self.spaces > 0;
        let is_told = usual.kinds().iter().any(|kind| kind.is_telling());
        let are_whole = self.whole_cells >= CELLS && !has_spaces;
        let fits = self.ends_fit && self.fitting == self.lines;
        let are_many = self.lines >= MANY_LINES && self.fitting * 5 >= self.lines * 4;
        if (are_whole && (self.addressed_between > 1 || !is_told))
            || (fits && self.lines > 0 && self.addressed > 1)
            || (are_many && self.addresses * 2 >= self.lines)
        {
            let is_doubtful = has_spaces && !usual.begins_blank();
            return if is_doubtful { Verdict::Doubtful } else { Verdict::Rows };
        }
        let may_be_row = self.likely + self.blank > 0 && !has_spaces;
        let is_row = (self.addresses > 0 && !has_spaces) || self.addresses > 1;
        if (fits && (is_row || may_be_row))
            || (self.fitting > 0 && self.addresses > 0)
            || (are_whole && self.addresses + self.blank > 0)
        {
            return Verdict::Doubtful;
        }
        Verdict::Own
    }
}

impl RowShape<'_> {
    // Whether a row may have so many cells.
    fn fits(self, cells: usize) -> bool {
        let (least, most) = self.cells;
        let least = if self.usual.leaves_out_blanks() { least.min(2) } else { least };
        (least..=most).contains(&cells)
    }
}
