//! Notices about an input: what was skipped, completed, or may be wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::mapping::Obstacle;
use crate::core::shared_values::Evidence;

/// The kind of a notice. Each kind is reported once per input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NoticeKind {
    /// A row that repeats the header was skipped.
    RepeatedHeader,
    /// The last row is a total of the rows above it, and was left out.
    Total,
    /// Rows that look wrong in the guessed encoding, and right in this one.
    DoubtfulEncoding(&'static str),
    /// Rows with text that was encoded twice, such as `JosÃ©` for `José`.
    DoubleEncoded,
    /// Rows without their last cells were padded with blank ones.
    PaddedRow,
    /// Rows have text in a column without a name after the last one with a name, where most rows have none.
    TextBeside,
    /// Each line is quoted as a whole, and was read without those quotes.
    QuotedLines,
    /// A hidden row of a sheet was read.
    HiddenRow,
    /// Merged ranges of a sheet, of which only the first cell has a value.
    MergedCells,
    /// Dates in this column of a sheet, while other cells are dates as text in the other order of day and month: the program that
    /// wrote the sheet may have swapped day and month.
    SwappedDate(u16),
    /// Rows of different people share values of a match field, perhaps placeholders, so that they may become one contact.
    SharedValue {
        /// The column or key of the values.
        column: Arc<str>,
        /// What shows that the people are different.
        evidence: Evidence,
        /// The number of shared values.
        values: u64,
    },
    /// Values that a program wrote in place of those that are meant, such as `[object Object]`.
    Artifact {
        /// The column or key of the values.
        column: Arc<str>,
        /// The text in backticks, or a description of it.
        text: Arc<str>,
    },
    /// Values that a program wrote in place of tags, such as `#REF!`. They are not sent.
    TagArtifact {
        /// The column or key of the tags.
        column: Arc<str>,
        /// The text in backticks, or a description of it.
        text: Arc<str>,
    },
    /// The last page of an API response announces another one.
    MorePages,
    /// The pages announce more rows than the input has.
    FewerRows {
        /// The announced number of rows.
        total: u64,
    },
    /// The pages announce more pages than the input has.
    FewerPages {
        /// The announced number of pages.
        total: u64,
    },
    /// Pages of an API response have the same rows as earlier ones.
    RepeatedPage,
    /// A page of an API response is missing before another one.
    MissingPage {
        /// Its number.
        page: u64,
    },
    /// The first page of an API response mentions pages or rows before it.
    EarlierPages,
    /// JSON `false` under this key or at this path, where other rows have text: programs such as Odoo write it for a blank.
    FalseInText(Arc<str>),
    /// The mapping reads this key or path, and no row has it. A blank value counts as having it.
    UnseenPath(Arc<str>),
    /// A path of the mapping reads nothing in some rows, because a value on the way is no object or no list.
    BlockedPath {
        /// The path.
        path: Arc<str>,
        /// The part of the path that leads to the value.
        at: Arc<str>,
        /// What is there.
        cause: Obstacle,
    },
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
    /// The values of this list, by the keys that lead to it, are at other positions than in an earlier row, such as an e-mail
    /// address in place of a phone.
    ValueOrder(Arc<str>),
    /// Another element of this list than the first is marked as primary.
    PrimaryNotFirst(Arc<str>),
    /// The command whose output is the input succeeded, and wrote this last line to standard error.
    CommandMessages(Arc<str>),
}

impl NoticeKind {
    /// Whether contacts may have been misread, so that the notice is a warning.
    pub const fn is_doubtful(&self) -> bool {
        match self {
            Self::DoubtfulEncoding(_)
            | Self::DoubleEncoded
            | Self::SwappedDate(_)
            | Self::TextBeside
            | Self::SharedValue { .. }
            | Self::Artifact { .. }
            | Self::TagArtifact { .. }
            | Self::MorePages
            | Self::FewerRows { .. }
            | Self::FewerPages { .. }
            | Self::RepeatedPage
            | Self::MissingPage { .. }
            | Self::EarlierPages
            | Self::FalseInText(_)
            | Self::BlockedPath { .. }
            | Self::JsonText(_)
            | Self::FieldOrder(_)
            | Self::ElementOrder { .. }
            | Self::ValueOrder(_)
            | Self::PrimaryNotFirst(_) => true,
            Self::RepeatedHeader
            | Self::Total
            | Self::PaddedRow
            | Self::QuotedLines
            | Self::UnseenPath(_)
            | Self::HiddenRow
            | Self::CommandMessages(_)
            | Self::MergedCells => false,
        }
    }
}

/// A notice, with its first line and its number of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The kind.
    pub kind: NoticeKind,
    /// The first line, from 1.
    pub line: u64,
    /// The number of rows with it; for missing pages, the number of rows or pages that were read.
    pub rows: u64,
}

/// The notices of one input. Clones share their content, because rows are read by several threads.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices(Arc<Mutex<BTreeMap<NoticeKind, (u64, u64)>>>);

impl Notices {
    /// Adds a notice about the row at `line`.
    pub(super) fn add(&self, kind: NoticeKind, line: u64) {
        self.add_rows(kind, line, 1);
    }

    /// Adds a notice about so many rows, the first at `line`.
    pub(super) fn add_rows(&self, kind: NoticeKind, line: u64, count: u64) {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, rows) = notices.entry(kind).or_insert((line, 0));
        *first = line.min(*first);
        *rows += count;
    }

    /// Sets a notice to this line and number of rows.
    pub(super) fn set(&self, kind: NoticeKind, line: u64, rows: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, (line, rows));
    }

    /// Removes a notice that later rows disproved.
    pub(super) fn remove(&self, kind: &NoticeKind) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(kind);
    }

    /// All notices so far, one per kind.
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
