//! What a person should know of an input that was read: what was skipped, completed, or may be wrong.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::shared_values::Evidence;

/// One kind of thing that was noticed while reading, each reported once per input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A row that repeats the header was skipped.
    RepeatedHeader,
    /// The last row is a total of the rows above it, and was left out.
    Total,
    /// A row that looks wrong in the encoding that was guessed, and right in the one that is named here.
    DoubtfulEncoding(&'static str),
    /// A row with text that was encoded twice, such as `JosÃ©` for `José`.
    DoubleEncoded,
    /// A row without its last cells was read as if they were blank.
    PaddedRow,
    /// Each line is quoted as a whole, and was read without those quotes.
    QuotedLines,
    /// A hidden row of a sheet was read.
    HiddenRow,
    /// Of a merged range of a sheet, the first cell alone holds something.
    MergedCells,
    /// A cell of this column of a sheet is a date, and others of the column are texts that would be no dates with their
    /// days and months in the order of the program that made the sheet: it may have taken a day for a month.
    SwappedDate(u16),
    /// Rows of different people share values of a match field, so that they may become one contact: placeholders perhaps.
    SharedValue {
        /// The column or key of the values.
        column: Arc<str>,
        /// What shows that the people are different.
        evidence: Evidence,
        /// The number of values that are shared.
        values: u64,
    },
    /// Values that a program wrote in place of those that are meant, such as `[object Object]`.
    Artifact {
        /// The column or key of the values.
        column: Arc<str>,
        /// The text in backticks, or a description of it.
        text: Arc<str>,
    },
    /// The pages of an API's answers that were read mention more pages after the last one.
    MorePages,
    /// The pages mention so many rows in all, which is more than there are.
    FewerRows {
        /// The number of rows that they mention.
        total: u64,
    },
    /// The pages mention so many pages in all, which is more than there are.
    FewerPages {
        /// The number of pages that they mention.
        total: u64,
    },
    /// Rows have a JSON `false` under this key, or at this path, where others have text: programs such as Odoo write it for
    /// a blank.
    FalseInText(Arc<str>),
    /// This list of fields by name and value has other names at its positions than in the first row.
    FieldOrder(Arc<str>),
    /// Another element of this list than the first says that it is the primary one.
    PrimaryNotFirst(Arc<str>),
}

impl NoticeKind {
    /// Whether contacts may have been misread, so that a person has to look.
    pub const fn is_doubtful(&self) -> bool {
        match self {
            Self::DoubtfulEncoding(_)
            | Self::DoubleEncoded
            | Self::SwappedDate(_)
            | Self::SharedValue { .. }
            | Self::Artifact { .. }
            | Self::MorePages
            | Self::FewerRows { .. }
            | Self::FewerPages { .. }
            | Self::FalseInText(_)
            | Self::FieldOrder(_)
            | Self::PrimaryNotFirst(_) => true,
            Self::RepeatedHeader
            | Self::Total
            | Self::PaddedRow
            | Self::QuotedLines
            | Self::HiddenRow
            | Self::MergedCells => false,
        }
    }
}

/// Where a thing was noticed, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What was noticed.
    pub kind: NoticeKind,
    /// The first line where it was noticed, from 1.
    pub line: u64,
    /// How many rows it was noticed in; of pages that are not all there, how many rows or pages were read.
    pub rows: u64,
}

/// The notices of one input. Clones share their content, because rows are read by several threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices(Arc<Mutex<BTreeMap<NoticeKind, (u64, u64)>>>);

impl Notices {
    /// Records that a thing was noticed in the row at `line`.
    pub(super) fn add(&self, kind: NoticeKind, line: u64) {
        self.add_rows(kind, line, 1);
    }

    /// Records that a thing was noticed in so many rows, the first at `line`.
    pub(super) fn add_rows(&self, kind: NoticeKind, line: u64, count: u64) {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, rows) = notices.entry(kind).or_insert((line, 0));
        *first = line.min(*first);
        *rows += count;
    }

    /// Records what was noticed of so many rows together, the last of them at `line`.
    pub(super) fn set(&self, kind: NoticeKind, line: u64, rows: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, (line, rows));
    }

    /// Takes back what proved to be no such thing.
    pub(super) fn remove(&self, kind: &NoticeKind) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    /// All notices so far, one of each kind.
    pub(super) fn all(&self) -> Vec<Notice> {
        let notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notices.iter().map(|(kind, &(line, rows))| Notice { kind: kind.clone(), line, rows }).collect()
    }
}

/// A sentence that follows the input's name: `contacts.csv: line 7 repeats the header and is skipped`.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, line, rows } = self;
        match (kind, rows) {
            (NoticeKind::RepeatedHeader, 1) => write!(f, "line {line} repeats the header and is skipped"),
            (NoticeKind::RepeatedHeader, _) => {
                write!(f, "{rows} lines repeat the header and are skipped (the first is line {line})")
            }
            (NoticeKind::Total, _) => write!(f, "line {line} is a total of the rows above it and is left out"),
            (NoticeKind::DoubtfulEncoding(name), _) => {
                let rows = counted(*rows, "line looks", "lines look");
                write!(
                    f,
                    "{rows} wrong in the encoding that was guessed (the first is line {line}): \
                     try `--encoding {name}`, or save the file as UTF-8"
                )
            }
            (NoticeKind::DoubleEncoded, _) => {
                let rows = counted(*rows, "line holds", "lines hold");
                write!(
                    f,
                    "{rows} text that was encoded twice, such as `JosÃ©` for `José` (the first is line {line}): \
                     export it again as UTF-8"
                )
            }
            (NoticeKind::PaddedRow, 1) => {
                write!(f, "the row on line {line} ends before the last column; its missing cells are read as blank")
            }
            (NoticeKind::PaddedRow, _) => write!(
                f,
                "{rows} rows end before the last column (the first is on line {line}); their missing cells are read as blank"
            ),
            (NoticeKind::SharedValue { column, evidence, values }, _) => {
                f.write_str(&shared(column, *evidence, *values, *line, *rows))
            }
            (NoticeKind::Artifact { column, text }, _) => {
                let rows = counted(*rows, "row holds", "rows hold");
                write!(
                    f,
                    "column `{column}`: {rows} {text} (first on line {line}), which a program wrote in place of a value; it is \
                     sent as it is"
                )
            }
            (NoticeKind::MorePages, _) => {
                let rows = counted(*rows, "row", "rows");
                write!(f, "the last page, with which the file comes to {rows}, says that more follow: {PART}")
            }
            (NoticeKind::FewerRows { total }, _) => {
                write!(f, "it has {rows} of the {total} rows that its pages mention: {PART}")
            }
            (NoticeKind::FewerPages { total }, _) => {
                write!(f, "it has {rows} of the {total} pages that its pages mention: {PART}")
            }
            (NoticeKind::FalseInText(path), _) => {
                let rows = counted(*rows, "row", "rows");
                write!(
                    f,
                    "`{path}` is `false` in {rows} (first on line {line}) and text in others; it is sent as the text `false`. To \
                     send nothing instead, add `{{ null = [\"false\"] }}` to the transform of its field"
                )
            }
            (NoticeKind::FieldOrder(list), _) => {
                let rows = counted(*rows, "row", "rows");
                write!(
                    f,
                    "the list `{list}` has other fields at its positions in {rows} (first on line {line}) than in the first \
                     row, and the mapping reads one by position; read it by name, as `{list}.NAME`"
                )
            }
            (NoticeKind::PrimaryNotFirst(list), _) => {
                let rows = counted(*rows, "row", "rows");
                write!(
                    f,
                    "in {rows} (first on line {line}) the primary element of `{list}` is not the first one, but the mapping \
                     reads the first; use `{list}.primary`"
                )
            }
            (NoticeKind::QuotedLines, _) => f.write_str("each line is quoted as a whole; read without those quotes"),
            (NoticeKind::HiddenRow, _) => {
                let rows = counted(*rows, "hidden row is", "hidden rows are");
                write!(f, "{rows} read as well (the first is row {line})")
            }
            (NoticeKind::MergedCells, _) => {
                let ranges = counted(*rows, "merged range holds", "merged ranges hold");
                write!(f, "{ranges} a value in the first cell alone (row {line}); the other cells are read as blank")
            }
            (NoticeKind::SwappedDate(column), _) => {
                let dates = counted(*rows, "date", "dates");
                write!(
                    f,
                    "column {}: {dates} may have day and month swapped (the first is in row {line}), because other cells \
                     of the column are texts such as 13/02/2025; export the dates as YYYY-MM-DD",
                    letters(*column)
                )
            }
        }
    }
}

// A column as spreadsheets call it, by its number from 1.
fn letters(column: u16) -> String {
    let (mut rest, mut letters) = (column, Vec::new());
    while rest > 0 {
        letters.push(char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}
const PART: &str = "the file may be only a part of the contacts";

// How rows of different people share values of a column.
fn shared(column: &str, evidence: Evidence, values: u64, line: u64, rows: u64) -> String {
    let different = different(evidence);
    if values == 1 {
        format!(
            "column `{column}`: {rows} rows, with {different}, have the same value (the first is on line {line}), so they may \
             become one contact; if it is a placeholder, add it to `nulls`"
        )
    } else {
        format!(
            "column `{column}`: {rows} rows share {values} values (the first is on line {line}), each with {different}, so each \
             value may become one contact; add those that are placeholders to `nulls`"
        )
    }
}

// What at least three of the rows with one value differ in.
const fn different(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Names => "at least three different names",
        Evidence::OtherColumns => "at least three different combinations of other columns",
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        let check = |column: u16, expected: &str| assert_eq!(letters(column), expected);
        check(1, "A");
        check(26, "Z");
        check(27, "AA");
        check(16_384, "XFD");
    }

    #[test]
    fn the_first_line_and_the_number_of_rows_are_kept() {
        let notices = Notices::default();
        for line in [9, 4, 7] {
            notices.clone().add(NoticeKind::RepeatedHeader, line);
        }
        assert_eq!(notices.all(), [Notice { kind: NoticeKind::RepeatedHeader, line: 4, rows: 3 }]);
    }
}
