//! The columns of an input with a header: their names, and the places of the cells that have one.

use std::collections::HashMap;
use std::str::from_utf8;
use std::sync::Arc;

use crate::core::text::visible;

use super::SourceFault;

/// The columns of an input, in its order.
#[derive(Debug)]
pub(super) struct Columns {
    // What each cell's column is called; `None` for a column without a name, whose cells are ignored.
    names: Vec<Option<Arc<str>>>,
    header: Vec<Arc<str>>,
    // How many cells a row must have: up to the last column with a name.
    needed: usize,
    unnamed: Vec<usize>,
}

impl Columns {
    /// The columns that a header names, each once.
    pub(super) fn named<'a>(line: u64, cells: impl Iterator<Item = &'a [u8]>) -> Result<Self, SourceFault> {
        let mut names = Vec::new();
        let mut positions: HashMap<Arc<str>, usize> = HashMap::new();
        for (at, cell) in cells.enumerate() {
            let text = from_utf8(cell).map_err(|error| {
                let found = format!("another encoding at byte {}", error.valid_up_to() + 1);
                SourceFault::Encoding { line, column: at + 1, found }
            })?;
            if text.chars().any(|sign| sign.is_control() && !matches!(sign, '\n' | '\r' | '\t')) {
                return Err(SourceFault::Binary { line });
            }
            let name: Arc<str> = Arc::from(visible(text).trim());
            if name.is_empty() {
                names.push(None);
                continue;
            }
            if let Some(first) = positions.insert(Arc::clone(&name), at + 1) {
                return Err(SourceFault::ColumnTwice { line, column: name.to_string(), first, second: at + 1 });
            }
            names.push(Some(name));
        }
        let columns = Self::new(names);
        if columns.header.is_empty() { Err(SourceFault::Nameless { line }) } else { Ok(columns) }
    }

    /// As many columns, called by their places.
    pub(super) fn numbered(count: usize) -> Self {
        Self::new((1..=count).map(|place| Some(Arc::from(format!("column {place}")))).collect())
    }

    fn new(names: Vec<Option<Arc<str>>>) -> Self {
        let header = names.iter().flatten().cloned().collect();
        let needed = names.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let unnamed = names.iter().zip(1..).filter(|(name, _)| name.is_none()).map(|(_, place)| place).collect();
        Self { names, header, needed, unnamed }
    }

    /// Those without a name that hold something. A delimiter at the end of each line makes one that does not, and that is
    /// no column to speak of.
    pub(super) fn set_unnamed(&mut self, holding: Vec<usize>) {
        self.unnamed = holding;
    }

    /// How many there are, with a name or without.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// How many cells a row must have at least.
    pub(super) const fn needed(&self) -> usize {
        self.needed
    }

    /// The names of those that have one.
    pub(super) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    /// The positions of those that have none, from 1.
    pub(super) fn unnamed(&self) -> &[usize] {
        &self.unnamed
    }

    /// Whether all that a row needs have a name.
    pub(super) fn have_names(&self) -> bool {
        self.header.len() == self.needed
    }

    /// The places of those that have a name, from 0.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.names.iter().enumerate().filter(|(_, name)| name.is_some()).map(|(at, _)| at)
    }

    /// Whether there is a column at this place, from 0, and it has a name.
    pub(super) fn has_name(&self, at: usize) -> bool {
        self.names.get(at).is_some_and(Option::is_some)
    }

    /// What the column at a place is called, or its position.
    pub(super) fn name(&self, at: usize) -> String {
        self.names.get(at).cloned().flatten().map_or_else(|| (at + 1).to_string(), |name| name.to_string())
    }
}
