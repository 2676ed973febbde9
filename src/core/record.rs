//! One row as read: its place in the input, and its cells.

use std::sync::Arc;

use serde_json::Value as Json;

/// One row as read: its place in the input, and its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The row's place among the data rows of its file, from 1.
    pub row: u64,
    /// The physical line on which the row begins, from 1.
    pub line: u64,
    /// The row's cells.
    pub cells: Cells,
    /// How it looks like a total of the rows above it, such as `Total,,5049`. Only the last row does.
    pub total: Option<TotalRow>,
}

/// How the last row of an input looks like a total of the rows above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TotalRow {
    /// It has a word for a total, and all other cells are blank or numbers. A person may be called `Suma` or `Total`.
    Likely,
    /// A number in it is also the sum of its column.
    AddsUp,
}

/// The cells of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// A row of an input with a header: one text for each column of the header, in its order.
    Texts(Texts),
    /// A row of an input without a header: the keys of an object with their values, in the input's order, each key once.
    Object(Vec<(Arc<str>, Json)>),
}

/// The texts of one row's cells, untrimmed, one after the other in one allocation, so that a row is read and dropped
/// without an allocation for each cell.
///
/// ```
/// use contactsync::contact::Texts;
///
/// let texts: Texts = ["+5215550001", "", "Ann"].into_iter().collect();
/// assert_eq!(texts.get(2), Some("Ann"));
/// assert_eq!(texts.iter().count(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    text: String,
    // Where each cell ends in `text`, as bytes.
    ends: Vec<usize>,
}

impl Texts {
    /// Creates an empty list with room for `cells` cells of `bytes` bytes in total.
    pub fn with_capacity(cells: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(cells) }
    }

    /// Adds a cell after the others.
    pub fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len());
    }

    /// Creates the list of cells that follow each other in `text` and end at the byte offsets `ends`. `None` unless the
    /// offsets ascend, lie on character boundaries, and end with the length of the text.
    pub fn from_ends(text: String, ends: Vec<usize>) -> Option<Self> {
        let fills = ends.last().copied().unwrap_or(0) == text.len();
        let mut start = 0;
        let parts = ends.iter().all(|end| {
            let follows = start <= *end;
            start = *end;
            follows && text.is_char_boundary(*end)
        });
        (fills && parts).then_some(Self { text, ends })
    }

    /// The cell of the column at this place of the header, from 0.
    #[inline]
    pub fn get(&self, column: usize) -> Option<&str> {
        let end = *self.ends.get(column)?;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// All cells, one after the other.
    pub(super) fn whole(&self) -> &str {
        &self.text
    }

    /// Where each cell ends in [`whole`](Self::whole), as bytes.
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Number of cells.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cells, in the header's order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (mut start, mut rest) = (0, self.text.as_str());
        self.ends.iter().map(move |end| {
            let (cell, after) = rest.split_at(*end - start);
            (start, rest) = (*end, after);
            cell
        })
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<T: IntoIterator<Item = &'a str>>(cells: T) -> Self {
        let mut texts = Self::default();
        cells.into_iter().for_each(|cell| texts.push(cell));
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_their_place() {
        let check = |cells: &[&str]| {
            let texts: Texts = cells.iter().copied().collect();
            assert_eq!(texts.iter().collect::<Vec<_>>(), cells);
            assert_eq!((texts.len(), texts.is_empty()), (cells.len(), cells.is_empty()));
            for (at, cell) in cells.iter().enumerate() {
                assert_eq!(texts.get(at), Some(*cell), "{cells:?}");
            }
            assert_eq!(texts.get(cells.len()), None);
        };
        check(&[]);
        check(&[""]);
        check(&["a", "", "\u{e9}b", ""]);
    }

    #[test]
    fn ends_must_lie_between_characters() {
        let check = |text: &str, ends: &[usize], cells: Option<&[&str]>| {
            let texts = Texts::from_ends(text.to_owned(), ends.to_vec());
            assert_eq!(texts, cells.map(|cells| cells.iter().copied().collect()), "{text} {ends:?}");
        };
        check("", &[], Some(&[]));
        check("a\u{e9}", &[1, 3], Some(&["a", "\u{e9}"]));
        check("ab", &[0, 0, 2], Some(&["", "", "ab"]));
        check("a\u{e9}", &[2, 3], None);
        check("ab", &[2, 1], None);
        check("ab", &[3], None);
        check("ab", &[1], None);
        check("ab", &[], None);
    }
}
