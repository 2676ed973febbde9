//! Rows with fewer cells than the header: recognises those that lack only their last cells.
//!
//! Some programs write a row up to its last cell that is not blank. Such a row is padded. But a row that a line break without
//! quotes split in two, a row that lost a cell in between, and the last line of a file that was cut off also have too few
//! cells, and their values would move under other columns. A row is padded when all of these hold:
//!
//! - At least two rows among the first of the file are short, and none so far ends with a blank cell: the file leaves out all
//!   blank cells at the end.
//! - The row ends with a line break, and with a cell that is not blank. It has more than one cell: a lone one is as likely
//!   the end of a cell of the row above.
//! - The rows above and below have no misplaced quotes.
//! - Its numbers and e-mail addresses are in the columns in which the first rows have them.
//! - It does not look like a part of a split row: with one or two short neighbours it comes to exactly one whole row, unless
//!   their numbers and e-mail addresses are in the same columns.

use super::super::cell_kind::Kind;
use super::block::{End, RawRow, Short};
use super::quotes::Quoting;
use super::usual::Usual;

/// What is kept of a row while its neighbours are judged.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    cells: usize,
    is_short: bool,
    is_sound: bool,
    // Whether it may be the end of a cell of the row above whose opening quote is missing.
    may_be_end: bool,
    // Of a short row only.
    kinds: Vec<Kind>,
}

impl Outline {
    /// Of a row under a header that needs so many cells.
    pub(super) fn of(raw: RawRow<'_>, needed: usize) -> Self {
        let found = raw.found;
        let is_sound = found.end == End::Whole && found.quoting == Quoting::Sound && found.kept;
        let is_short = is_sound && found.cells < needed;
        let kinds = if is_short { (0..found.cells).map(|at| Kind::of(raw.cell(at))).collect() } else { Vec::new() };
        let may_be_end = matches!(found.quoting, Quoting::Stray | Quoting::TextAfter);
        Self { cells: found.cells, is_short, is_sound, may_be_end, kinds }
    }

    pub(super) const fn is_short(&self) -> bool {
        self.is_short
    }
}

/// How a short row of a file with these usual rows is treated. Its neighbours are at most two before and two after it.
/// `whole` is how many cells a whole row has, at least and at most.
pub(super) fn judge(
    usual: &Usual,
    raw: RawRow<'_>,
    before: &[Outline],
    own: &Outline,
    after: &[Outline],
    whole: (usize, usize),
) -> Short {
    if !raw.found.terminated {
        return Short::Cut;
    }
    let all: Vec<&Outline> = before.iter().chain([own]).chain(after).collect();
    let at = before.len();
    let windows = [2, 3].into_iter().flat_map(|length| {
        let first = (at + 1).saturating_sub(length);
        (first..=at).map(move |first| first..first + length)
    });
    if windows.filter_map(|window| all.get(window)).any(|rows| is_split(rows, whole)) {
        return Short::Split;
    }
    let ends_blank = own.kinds.last() == Some(&Kind::Blank);
    let is_among_sound =
        before.last().is_none_or(|row| row.is_sound) && after.first().is_none_or(|row| !row.may_be_end);
    if own.cells > 1 && !ends_blank && is_among_sound && fits(&own.kinds, usual.kinds()) {
        Short::Completed
    } else {
        Short::Rejected
    }
}

// Whether the cells of a row may be in the right columns.
fn fits(kinds: &[Kind], usual: &[Kind]) -> bool {
    kinds.iter().zip(usual).all(|(own, usual)| match (own, usual) {
        (Kind::Blank, _) | (Kind::Text | Kind::Number, Kind::Text | Kind::Blank) => true,
        (own, usual) => own == usual,
    })
}

// Whether these rows come to one whole row, a cell of which was split at each of their ends.
fn is_split(rows: &[&Outline], (least, most): (usize, usize)) -> bool {
    let cells = rows.iter().map(|row| row.cells).sum::<usize>() - (rows.len() - 1);
    rows.iter().all(|row| row.is_short)
        && (least..=most).contains(&cells)
        && !rows.windows(2).all(|pair| are_alike(&pair[0].kinds, &pair[1].kinds))
}

// Whether numbers and addresses are in the same columns of both.
fn are_alike(one: &[Kind], other: &[Kind]) -> bool {
    let pairs = || one.iter().zip(other).filter(|(one, other)| **one != Kind::Blank && **other != Kind::Blank);
    pairs().all(|(one, other)| one == other || !(one.is_telling() || other.is_telling()))
        && pairs().any(|(one, other)| one == other && one.is_telling())
}
