//! Maps the rows of an input as they are read, except those that did not change since the last input of its source.

use std::ops::Range;

use crate::core::model::{Key, Rejection};
use crate::core::record::{Cells, Record};
use crate::core::routing::{NotRouted, RoutedRow};
use crate::core::snapshot::{RowHash, RowPosition};
use crate::input::{InputPart, Row};
use crate::journal::Planned;
use crate::sync::known_rows::{KnownRow, KnownRows};
use crate::sync::row_router::RowRouter;

/// What a row that was read is.
pub(super) enum ReadRow {
    /// It did not change since the last input: which row it is, and where it is.
    Known(KnownRow, RowPosition),
    /// They did not change since the last input, and were not even parsed: their places in the snapshots of all runs, and where
    /// the first of them is.
    Skipped(Range<usize>, RowPosition),
    /// It was mapped.
    Mapped(MappedRow),
    /// It goes to no run. A row that names no channel may be of a contact of any of them.
    NotRouted(NotRouted, Option<Identity>),
    /// It was not looked at, because all rows will be read again.
    Drained,
}

/// A row that was mapped.
pub(super) struct MappedRow {
    /// The index of its run.
    pub run: usize,
    pub planned: Box<Planned>,
    /// The hash by which it can be recognised in the next input.
    pub hash: Option<RowHash>,
    /// Whose row it is, if it is rejected.
    pub identity: Option<Identity>,
}

/// Whose row a rejected row is.
pub(super) enum Identity {
    /// A contact with one of these keys.
    Keys(Vec<Key>),
    /// That cannot be known. The text differs from that of other such rows.
    Unknown(String),
}

/// Maps rows. Several threads may use it.
pub(super) struct RowMapper<'a> {
    pub router: &'a RowRouter<'a>,
    /// The rows of the last input; `None` when nothing is kept of an input for the next one.
    pub known: Option<&'a KnownRows<'a>>,
    /// Whether the plan keeps the cells of rows, for the list of rejected rows.
    pub keeps_cells: bool,
}

impl RowMapper<'_> {
    /// Maps what was read of an input, unless it did not change.
    pub fn map_part(&self, part: InputPart) -> ReadRow {
        match part {
            InputPart::Row { row, remains, hash } => self.map(row, remains, hash),
            InputPart::Skipped { places, first } => {
                self.router.note_skipped();
                ReadRow::Skipped(places, first)
            }
        }
    }

    /// Maps a row, unless it did not change. `remains` are the cells that could be read of a rejected row, `line` the hash of
    /// the row's line, if it has one.
    pub fn map(&self, row: Row, remains: Option<Cells>, line: Option<RowHash>) -> ReadRow {
        let Some(known) = self.known else { return self.map_changed(row, remains, None) };
        if known.is_draining() {
            return ReadRow::Drained;
        }
        let hash = known.hash(&row, line);
        if let (Some(hash), Row::Record(record)) = (hash, &row)
            && let Some(found) = known.find(record.row, hash)
        {
            self.router.note_unchanged(record);
            return ReadRow::Known(found, RowPosition { row: record.row, line: record.line });
        }
        self.map_changed(row, remains, hash)
    }

    /// Maps a row in any case.
    pub fn map_changed(&self, row: Row, remains: Option<Cells>, hash: Option<RowHash>) -> ReadRow {
        let routed = self.router.route(&row);
        let identity = match &routed {
            Ok(RoutedRow { contact: Err(rejection), .. }) => {
                self.identity(&row, &rejection.to_string(), remains.as_ref())
            }
            Err(NotRouted::NoChannel) => self.identity(&row, "", remains.as_ref()),
            Ok(_) | Err(NotRouted::LeftOut | NotRouted::Total | NotRouted::OtherChannel) => None,
        };
        let RoutedRow { destination, contact } = match routed {
            Ok(routed) => routed,
            Err(why) => return ReadRow::NotRouted(why, identity),
        };
        let (row, line, cells) = match row {
            Row::Record(Record { row, line, cells, total: _ }) => (row, line, Some(cells)),
            Row::Rejected(Rejection { row, line, .. }) => (row, line, remains),
        };
        let cells = cells.filter(|_| self.keeps_cells);
        let planned = match contact {
            Ok(contact) => Planned::Contact { row, line, contact, cells },
            Err(rejection) => {
                let keys = match &identity {
                    Some(Identity::Keys(keys)) => keys.clone(),
                    Some(Identity::Unknown(_)) | None => Vec::new(),
                };
                Planned::Rejected { rejection, cells, keys }
            }
        };
        ReadRow::Mapped(MappedRow { run: destination, planned: Box::new(planned), hash, identity })
    }

    // Whose row a rejected row is. Only the next input of the source asks for it.
    fn identity(&self, row: &Row, reason: &str, remains: Option<&Cells>) -> Option<Identity> {
        let known = self.known?;
        let keys = self.router.keys(row);
        if !keys.is_empty() {
            return Some(Identity::Keys(keys));
        }
        let (cells, reason) = match row {
            Row::Record(record) => (Some(&record.cells), reason),
            Row::Rejected(rejection) => (remains, rejection.reason.as_str()),
        };
        Some(Identity::Unknown(known.text_of(reason, cells)))
    }
}
