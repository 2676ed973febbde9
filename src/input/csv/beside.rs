//! Text in the columns without a name after the last one with a name. Where a file ends each line with a delimiter, it is the
//! last cell of a row whose cells have moved because one of them has a delimiter without quotes.

use super::super::columns::Columns;
use super::super::delimiter::each_row;
use super::super::lookahead::View;

/// Why a row is rejected whose cells have moved.
pub(in super::super) const MOVED: &str = "expected the cells of the header, found text in a column without a name: a cell with a \
                                          delimiter may lack its quotes";

/// What the first rows show about text in these columns.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Beside {
    // Whether most rows are blank there.
    is_rare: bool,
    // Whether cells of most rows begin with a space, after the delimiter.
    begins_blank: bool,
}

/// How text in a column without a name is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Stray {
    /// A delimiter inside a cell has moved the cells after it.
    Moved,
    /// It may be a note, or the last cell of a row whose cells have moved.
    Unclear,
}

impl Beside {
    /// For text whose header ends before `start`.
    pub(super) fn of(start: &View<'_>, delimiter: u8, columns: &Columns) -> Self {
        let mut counts = Counts::default();
        if columns.needed() < columns.len() {
            each_row(start, delimiter, |row| counts.add(RowBeside::of(row.iter().copied().enumerate(), columns)));
        }
        counts.beside()
    }

    /// Judges a row; `None` if it has no text in these columns, or if most rows have.
    pub(in super::super) const fn judge(self, row: RowBeside) -> Option<Stray> {
        if !self.is_rare || !row.has_text {
            return None;
        }
        Some(if !self.begins_blank && row.begins_blank { Stray::Moved } else { Stray::Unclear })
    }
}

/// What a row is like.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct RowBeside {
    /// Whether it has text in these columns.
    pub(in super::super) has_text: bool,
    /// Whether one of its cells begins with a space, after a delimiter.
    pub(in super::super) begins_blank: bool,
}

impl RowBeside {
    /// For the cells of a row with their positions.
    pub(in super::super) fn of<'a>(cells: impl Iterator<Item = (usize, &'a [u8])>, columns: &Columns) -> Self {
        let mut row = Self { has_text: false, begins_blank: false };
        for (at, cell) in cells.filter(|(_, cell)| !cell.trim_ascii().is_empty()) {
            row.has_text |= at >= columns.needed();
            row.begins_blank |= at > 0 && cell.starts_with(b" ");
        }
        row
    }
}

/// Counts of rows, from which follows what most of them are like.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Counts {
    rows: usize,
    with_text: usize,
    begin_blank: usize,
}

impl Counts {
    /// Counts a row.
    pub(in super::super) fn add(&mut self, row: RowBeside) {
        self.rows += 1;
        self.with_text += usize::from(row.has_text);
        self.begin_blank += usize::from(row.begins_blank);
    }

    /// What they show.
    pub(in super::super) const fn beside(self) -> Beside {
        Beside { is_rare: self.with_text * 2 < self.rows, begins_blank: self.begin_blank * 2 >= self.rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_cells_are_told_from_notes() {
        let columns = |header: &str| Columns::named(1, header.split(',').map(str::as_bytes)).unwrap();
        let check = |header: &str, rows: &str, row: &str, expected: Option<Stray>| {
            let columns = columns(header);
            let beside = Beside::of(&View { bytes: rows.as_bytes(), whole: true }, b',', &columns);
            let found = beside.judge(RowBeside::of(row.split(',').map(str::as_bytes).enumerate(), &columns));
            assert_eq!(found, expected, "{header:?} {rows:?} {row:?}");
        };
        let (header, usual) = ("phone,name,city,", "1,Ann,Lima,\n2,Bo,Lima,\n3,Cy,X,\n");
        check(header, usual, "4,Smith, John,Lima", Some(Stray::Moved));
        check(header, usual, "4,Smith,Lima,a note", Some(Stray::Unclear));
        check(header, usual, "4,Smith,Lima,", None);
        check(header, usual, "4,Smith, Lima,", None);
        check(header, usual, "4,Smith,Lima, ", None);
        check(header, usual, "4,Ann,San Luis, SLP", Some(Stray::Moved));
        check("phone,name,city", usual, "4,Smith,Lima", None);
        // Most rows have text there, or spaces after their delimiters.
        check(header, "1,Ann,Lima,x\n2,Bo,Lima,y\n3,Cy,X,\n", "4,Smith, John,Lima", None);
        check(header, "1, Ann, Lima,\n2, Bo, Lima,\n3, Cy, X,\n", "4, Smith, Lima,x", Some(Stray::Unclear));
        // The index of a table.
        check(",phone,name", "0,1,Ann\n1,2,Bo\n", "2, 3,Cy", None);
    }
}
