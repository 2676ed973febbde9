//! What a person should know of an input that was read: what was skipped, completed, or may be wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Rows with different names share values of a match field, so that they may become one contact: placeholders perhaps.
    SharedValue {
        /// The column or key of the values.
        column: Arc<str>,
        /// The number of values that are shared.
        values: u64,
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
    /// Rows have JSON text in this column, or under this key, of phones or e-mail addresses.
    JsonText(Arc<str>),
    /// This list of fields by name and value has other names at its positions than in the first row.
    FieldOrder(Arc<str>),
    /// The elements of this list have the same texts under a key in another order than in an earlier row.
    ElementOrder {
        /// The keys that lead to the list, joined by dots.
        list: Arc<str>,
        /// The key of the texts.
        key: Arc<str>,
    },
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
            | Self::MorePages
            | Self::FewerRows { .. }
            | Self::FewerPages { .. }
            | Self::FalseInText(_)
            | Self::JsonText(_)
            | Self::FieldOrder(_)
            | Self::ElementOrder { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_and_the_number_of_rows_are_kept() {
        let notices = Notices::default();
        for line in [9, 4, 7] {
            notices.clone().add(NoticeKind::RepeatedHeader, line);
        }
        assert_eq!(notices.all(), [Notice { kind: NoticeKind::RepeatedHeader, line: 4, rows: 3 }]);
    }
}
