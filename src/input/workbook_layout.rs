//! How cells and rows of a spreadsheet are displayed: hidden rows, merged ranges, and numbers with a format.

use std::ops::Range;

use compact_str::CompactString;

/// Maximum number of merged ranges of a sheet that are counted.
const MAX_MERGED: usize = 65_536;

/// Hidden rows and merged ranges of a sheet, which are displayed otherwise than they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The number of hidden rows that are not empty, and the line of the first.
    pub(super) hidden: u64,
    pub(super) first_hidden: u64,
    /// The first and the last line of each merged range.
    pub(super) merged: Vec<(u64, u64)>,
}

impl Layout {
    pub(super) fn hide(&mut self, line: u64, rows: u64) {
        if self.hidden == 0 {
            self.first_hidden = line;
        }
        self.hidden = self.hidden.saturating_add(rows);
    }

    pub(super) fn merge(&mut self, first: u64, last: u64) {
        if self.merged.len() < MAX_MERGED {
            self.merged.push((first, last));
        }
    }
}

/// Cells of ODS that display their number with a format, such as `02138`.
pub(super) struct Shown {
    pub(super) rows: Range<u64>,
    pub(super) columns: Range<u64>,
    pub(super) text: CompactString,
}

/// The displayed text of the cell at a position; `cells` are those of its table, in order.
pub(super) fn shown_at(cells: &[Shown], (row, column): (u32, u32)) -> Option<&str> {
    let (row, column) = (u64::from(row), u64::from(column));
    let is_before = |cell: &Shown| cell.rows.end <= row || (cell.rows.start <= row && cell.columns.end <= column);
    let cell = cells.get(cells.partition_point(is_before))?;
    (cell.rows.contains(&row) && cell.columns.contains(&column)).then_some(cell.text.as_str())
}
