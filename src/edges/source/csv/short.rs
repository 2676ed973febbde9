//! Rows with fewer cells than the header: which of them only lack their last cells.
//!
//! Some programs write a row up to its last cell that is not blank. Such a row is completed; but a row that a line break
//! without quotes split in two, a row that lost a cell in between, and the last line of a file that was cut off also have
//! too few cells, and their values would move under other columns. So a row is completed when all of these hold:
//!
//! - No row among the first of the file ends with a blank cell: the file leaves out all blank cells at the end.
//! - The row ends with a line break, and with a cell that is not blank. It has more than one cell: a lone one is as likely
//!   the end of a cell of the row above.
//! - The quotes of the row above stand right.
//! - Its numbers and e-mail addresses stand in the columns in which the first rows have them.
//! - It does not look like a part of a split row: with one or two short neighbours it comes to exactly one whole row, unless
//!   their numbers and e-mail addresses stand in the same columns.

use super::super::ahead::View;
use super::super::delimiter::each_row;
use super::block::{End, RawRow};
use super::quotes::Quoting;

/// The fewest digits of what is taken for a number, such as a phone.
const DIGITS: usize = 5;

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

/// What is remembered of a row while its neighbours are judged.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    cells: usize,
    is_short: bool,
    is_sound: bool,
    // Of a short row only.
    kinds: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Blank,
    Mail,
    Number,
    Text,
}

impl Outline {
    /// Of a row under a header that needs so many cells.
    pub(super) fn of(raw: RawRow<'_>, needed: usize) -> Self {
        let found = raw.found;
        let is_sound = found.end == End::Whole && found.quoting == Quoting::Sound && found.kept;
        let is_short = is_sound && found.cells < needed;
        let kinds = if is_short { (0..found.cells).map(|at| Kind::of(raw.cell(at))).collect() } else { Vec::new() };
        Self { cells: found.cells, is_short, is_sound, kinds }
    }

    pub(super) const fn is_short(&self) -> bool {
        self.is_short
    }
}

impl Kind {
    fn of(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        let digits = cell.iter().filter(|byte| byte.is_ascii_digit()).count();
        let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-()./ \t".contains(byte);
        if cell.is_empty() {
            Self::Blank
        } else if cell.contains(&b'@') {
            Self::Mail
        } else if digits >= DIGITS && cell.iter().all(is_number) {
            Self::Number
        } else {
            Self::Text
        }
    }

    const fn tells(self) -> bool {
        matches!(self, Self::Mail | Self::Number)
    }
}

/// How the rows of a file that leaves out blank cells at their ends look: what most of the cells of each column are.
#[derive(Debug)]
pub(super) struct Habit(Vec<Kind>);

impl Habit {
    /// That of a text whose header ends before `start`; `None` when a row there ends with a blank cell.
    pub(super) fn of(start: &View<'_>, delimiter: u8) -> Option<Self> {
        let mut leaves_out = true;
        // By column: how many cells are not blank, are an address, and are a number.
        let mut counts: Vec<[usize; 3]> = Vec::new();
        each_row(start, delimiter, |row| {
            leaves_out &= row.len() == 1 || row.last().is_some_and(|cell| !cell.trim_ascii().is_empty());
            if counts.len() < row.len() {
                counts.resize(row.len(), [0; 3]);
            }
            for (count, cell) in counts.iter_mut().zip(row) {
                let kind = Kind::of(cell);
                count[0] += usize::from(kind != Kind::Blank);
                count[1] += usize::from(kind == Kind::Mail);
                count[2] += usize::from(kind == Kind::Number);
            }
        });
        let kind = |[all, mails, numbers]: [usize; 3]| {
            if mails > 0 && mails * 2 >= all {
                Kind::Mail
            } else if numbers > 0 && numbers * 2 >= all {
                Kind::Number
            } else {
                Kind::Text
            }
        };
        leaves_out.then(|| Self(counts.into_iter().map(kind).collect()))
    }

    // Whether the cells of a row may stand where they do.
    fn fits(&self, kinds: &[Kind]) -> bool {
        kinds.iter().zip(&self.0).all(|(own, usual)| match (own, usual) {
            (Kind::Blank, _) | (Kind::Text | Kind::Number, Kind::Text | Kind::Blank) => true,
            (own, usual) => own == usual,
        })
    }

    /// What becomes of a short row, whose neighbours are at most two before and two after it. `whole` is how many cells a
    /// whole row has, at least and at most.
    pub(super) fn judge(
        &self,
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
        let follows_sound = before.last().is_none_or(|row| row.is_sound);
        if own.cells > 1 && !ends_blank && follows_sound && self.fits(&own.kinds) {
            Short::Completed
        } else {
            Short::Rejected
        }
    }
}

// Whether these rows come to one whole row, a cell of which was split at each of their ends.
fn is_split(rows: &[&Outline], (least, most): (usize, usize)) -> bool {
    let cells = rows.iter().map(|row| row.cells).sum::<usize>() - (rows.len() - 1);
    rows.iter().all(|row| row.is_short)
        && (least..=most).contains(&cells)
        && !rows.windows(2).all(|pair| are_alike(&pair[0].kinds, &pair[1].kinds))
}

// Whether numbers and addresses stand in the same columns of both.
fn are_alike(one: &[Kind], other: &[Kind]) -> bool {
    let pairs = || one.iter().zip(other).filter(|(one, other)| **one != Kind::Blank && **other != Kind::Blank);
    pairs().all(|(one, other)| one == other || !(one.tells() || other.tells()))
        && pairs().any(|(one, other)| one == other && one.tells())
}
