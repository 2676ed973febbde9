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
    pub(super) merged: Vec<Merged>,
}

/// A merged range, of which a sheet displays the first cell: its lines and columns, from 1, with the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merged {
    pub(super) first_line: u64,
    pub(super) last_line: u64,
    pub(super) first_column: u64,
    pub(super) last_column: u64,
}

/// The merged ranges of a sheet while its cells are read in order.
#[derive(Debug, Default)]
pub(super) struct Cover {
    // In reverse order, and those that the current line is in, with the text of their first cells.
    later: Vec<Merged>,
    current: Vec<(Merged, String)>,
}

impl Cover {
    pub(super) fn of(layout: &Layout) -> Self {
        let mut later = layout.merged.clone();
        later.sort_unstable_by(|one, other| other.cmp(one));
        Self { later, current: Vec::new() }
    }

    /// Whether a merged range hides a cell with this text, by its line and column from 1. A cell with the text of the first cell
    /// of the range counts as displayed: some programs fill all of them.
    pub(super) fn hides(&mut self, line: u64, column: u64, text: &str) -> bool {
        if self.later.is_empty() && self.current.is_empty() {
            return false;
        }
        self.current.retain(|(range, _)| range.last_line >= line);
        while let Some(range) = self.later.pop_if(|range| range.first_line <= line) {
            if range.last_line >= line {
                self.current.push((range, String::new()));
            }
        }
        let is_in = |range: &Merged| (range.first_column..=range.last_column).contains(&column);
        let Some((range, first)) = self.current.iter_mut().find(|(range, _)| is_in(range)) else { return false };
        if (range.first_line, range.first_column) == (line, column) {
            text.clone_into(first);
            return false;
        }
        text != first
    }
}

impl Layout {
    pub(super) fn hide(&mut self, line: u64, rows: u64) {
        if self.hidden == 0 {
            self.first_hidden = line;
        }
        self.hidden = self.hidden.saturating_add(rows);
    }

    pub(super) fn merge(&mut self, range: Merged) {
        if self.merged.len() < MAX_MERGED {
            self.merged.push(range);
        }
    }
}

/// Cells of ODS that display something else than their value.
pub(super) struct Shown {
    pub(super) rows: Range<u64>,
    pub(super) columns: Range<u64>,
    pub(super) content: Content,
}

/// What such cells display.
pub(super) enum Content {
    /// A number with its format, such as `02138`.
    Text(CompactString),
    /// The result of a formula, which the file does not have.
    NoResult,
}

/// What the cell at a position displays; `cells` are those of its table, in order.
pub(super) fn shown_at(cells: &[Shown], (row, column): (u32, u32)) -> Option<&Content> {
    let (row, column) = (u64::from(row), u64::from(column));
    let is_before = |cell: &Shown| cell.rows.end <= row || (cell.rows.start <= row && cell.columns.end <= column);
    let cell = cells.get(cells.partition_point(is_before))?;
    (cell.rows.contains(&row) && cell.columns.contains(&column)).then_some(&cell.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_range_hides_other_text_than_that_of_its_first_cell() {
        let range = |lines: (u64, u64), columns: (u64, u64)| Merged {
            first_line: lines.0,
            last_line: lines.1,
            first_column: columns.0,
            last_column: columns.1,
        };
        let layout = Layout { merged: vec![range((4, 6), (1, 1)), range((2, 2), (2, 3))], ..Layout::default() };
        let mut cover = Cover::of(&layout);
        let mut check = |line: u64, column: u64, text: &str, expected: bool| {
            assert_eq!(cover.hides(line, column, text), expected, "{line} {column} {text}");
        };
        check(1, 2, "name", false);
        check(2, 1, "1", false);
        check(2, 2, "Ann", false);
        check(2, 3, "old", true);
        check(2, 4, "x", false);
        check(3, 3, "Lima", false);
        check(4, 1, "Acme", false);
        check(5, 1, "Acme", false);
        check(5, 2, "Bo", false);
        check(6, 1, "old", true);
        check(7, 1, "Other", false);
    }
}
