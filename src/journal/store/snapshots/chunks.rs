//! The rows of a snapshot, many together. A chunk of which few rows changed stays as it is, and the changed rows are stored
//! beside it: on most nights, some rows of each chunk change.

use std::cell::OnceCell;

use rusqlite::{OptionalExtension, params};

use super::packed::{differences, packed, sums, unpacked};
use super::{HASH, TAG, checked, checked_parts, with_checksum};
use crate::core::snapshot::{CHUNK, ContactDigest, Entry, NextRow, RowHash};
use crate::journal::snapshots::NewSnapshot;
use crate::journal::store::{Result, Store};

/// Maximum number of changed rows beside a chunk. With more, the chunk is written again.
const MOST_CHANGES: usize = if cfg!(test) { 3 } else { CHUNK / 8 };

/// Size of a changed row: its place in the chunk, its hash, and the tag and the number of its contact.
const CHANGE: usize = size_of::<u16>() + HASH + TAG + size_of::<i64>();

/// A row as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct StoredRow {
    // 0 for a row that is not to be recognised.
    hash: u128,
    // The tag and the number of its contact, 0 for none.
    contact: u64,
    number: i64,
}

/// A row that differs from what its chunk has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Its place in the chunk.
    pub at: u16,
    row: StoredRow,
}

/// A column of the chunks, of values of this type.
struct Column<T> {
    name: &'static str,
    // Adds the values of a chunk to others. `None` where it is damaged.
    open: fn(&[u8], &mut Vec<T>) -> Option<()>,
    of_row: fn(&StoredRow) -> T,
}

const HASHES: Column<u128> = Column {
    name: "hashes",
    open: |stored, values| {
        values.extend(checked_parts::<HASH>(stored)?.map(u128::from_le_bytes));
        Some(())
    },
    of_row: |row| row.hash,
};
const CONTACTS: Column<u64> = Column {
    name: "contacts",
    open: |stored, values| {
        values.extend(checked_parts::<TAG>(stored)?.map(u64::from_le_bytes));
        Some(())
    },
    of_row: |row| row.contact,
};
const NUMBERS: Column<i64> = Column {
    name: "numbers",
    open: |stored, values| {
        values.extend(sums(unpacked(checked(stored)?)?));
        Some(())
    },
    of_row: |row| row.number,
};

impl<T> Column<T> {
    // The values of one chunk.
    fn opened(&self, stored: &[u8]) -> Option<Vec<T>> {
        let mut values = Vec::new();
        (self.open)(stored, &mut values)?;
        Some(values)
    }
}

/// The rows of a snapshot that stand in the next one, by their places.
struct KeptRows<'a> {
    store: &'a Store,
    snapshot: i64,
    hashes: &'a [u128],
    // The tags and the numbers of their contacts, which are only read if they are written again.
    contacts: OnceCell<(Vec<u64>, Vec<i64>)>,
}

impl KeptRows<'_> {
    fn contacts(&self) -> Result<&(Vec<u64>, Vec<i64>)> {
        if let Some(contacts) = self.contacts.get() {
            return Ok(contacts);
        }
        let rows = self.hashes.len() as u64;
        let tags = self.store.contacts_of(self.snapshot, rows)?.unwrap_or_default();
        let numbers = self.store.numbers_of(self.snapshot, rows)?.unwrap_or_default();
        Ok(self.contacts.get_or_init(|| (tags, numbers)))
    }

    fn row(&self, place: usize) -> Result<StoredRow> {
        let (tags, numbers) = self.contacts()?;
        Ok(StoredRow {
            hash: self.hashes.get(place).copied().unwrap_or(0),
            contact: tags.get(place).copied().unwrap_or(0),
            number: numbers.get(place).copied().unwrap_or(0),
        })
    }
}

impl Store {
    /// The hashes of all rows; `None` where they are damaged.
    pub(super) fn hashes_of(&self, snapshot: i64, rows: u64) -> Result<Option<Vec<u128>>> {
        self.column(&HASHES, snapshot, rows)
    }

    /// The tags of the contacts of all rows, 0 for a row without one; `None` where they are damaged.
    pub(in crate::journal::store) fn contacts_of(&self, snapshot: i64, rows: u64) -> Result<Option<Vec<u64>>> {
        self.column(&CONTACTS, snapshot, rows)
    }

    /// The numbers of the contacts of all rows, 0 for a row without a known one; `None` where they are damaged.
    pub(in crate::journal::store) fn numbers_of(&self, snapshot: i64, rows: u64) -> Result<Option<Vec<i64>>> {
        self.column(&NUMBERS, snapshot, rows)
    }

    fn column<T>(&self, column: &Column<T>, snapshot: i64, rows: u64) -> Result<Option<Vec<T>>> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT {}, changes FROM snapshot_chunks LEFT JOIN snapshot_changes USING (snapshot, number)
             WHERE snapshot = ?1 ORDER BY number",
            column.name
        ))?;
        let mut chunks = query.query([snapshot])?;
        // A damaged number must not take all memory.
        let mut values: Vec<T> = Vec::with_capacity(usize::try_from(rows).unwrap_or(0).min(CHUNK * CHUNK));
        while let Some(chunk) = chunks.next()? {
            let start = values.len();
            if (column.open)(chunk.get_ref(0)?.as_blob().unwrap_or_default(), &mut values).is_none() {
                return Ok(None);
            }
            let Some(changes) = chunk.get_ref(1)?.as_blob_or_null().map_or(None, changes_of) else { return Ok(None) };
            for Change { at, row } in changes {
                let Some(value) = values.get_mut(start + usize::from(at)) else { return Ok(None) };
                *value = (column.of_row)(&row);
            }
        }
        Ok((values.len() as u64 == rows).then_some(values))
    }

    // The rows of one chunk; `None` where they are damaged.
    fn chunk(&self, snapshot: i64, number: i64) -> Result<Option<Vec<StoredRow>>> {
        let mut query = self.db.prepare_cached(
            "SELECT hashes, contacts, numbers, changes FROM snapshot_chunks
             LEFT JOIN snapshot_changes USING (snapshot, number) WHERE snapshot = ?1 AND number = ?2",
        )?;
        let read = query.query_row([snapshot, number], |chunk| {
            let bytes = |at| Ok::<_, rusqlite::Error>(chunk.get_ref(at)?.as_blob().unwrap_or_default());
            let (hashes, contacts) = (HASHES.opened(bytes(0)?), CONTACTS.opened(bytes(1)?));
            let (numbers, changes) = (NUMBERS.opened(bytes(2)?), chunk.get_ref(3)?.as_blob_or_null().ok());
            Ok((hashes, contacts, numbers, changes.and_then(changes_of)))
        });
        let Some((Some(hashes), Some(contacts), Some(numbers), Some(changes))) = read.optional()? else {
            return Ok(None);
        };
        let rows = hashes.into_iter().zip(contacts).zip(numbers);
        let mut rows: Vec<StoredRow> =
            rows.map(|((hash, contact), number)| StoredRow { hash, contact, number }).collect();
        for Change { at, row } in changes {
            let Some(stored) = rows.get_mut(usize::from(at)) else { return Ok(None) };
            *stored = row;
        }
        Ok(Some(rows))
    }

    /// Writes the rows of a snapshot that had `before` rows, where they differ.
    pub(super) fn write_chunks(&self, snapshot: i64, before: usize, new: &NewSnapshot) -> Result<()> {
        if new.next.has_same_rows(before) {
            return Ok(());
        }
        let hashes = new.base.as_ref().map_or(&[][..], |base| base.rows.hashes_of(base.run));
        let kept = KeptRows { store: self, snapshot, hashes, contacts: OnceCell::new() };
        if new.next.moves_rows() {
            // Before a chunk is written: a row may move out of a chunk of which rows changed.
            kept.contacts()?;
        }
        let mut rows = new.next.rows();
        let (mut number, mut start) = (0_i64, 0);
        loop {
            let chunk: Vec<NextRow> = rows.by_ref().take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            let stored = before.saturating_sub(start).min(CHUNK);
            let is_in_place = chunk.len() == stored
                && (start..).zip(&chunk).all(|(at, row)| match row {
                    NextRow::Kept(place) => *place == at,
                    NextRow::New(_) => true,
                });
            let place = ChunkPlace { snapshot, number, start };
            if !is_in_place || !self.write_changes(place, &chunk, &kept, new)? {
                self.write_chunk(place, &chunk, &kept, new)?;
            }
            start += chunk.len();
            number += 1;
        }
        for table in ["snapshot_chunks", "snapshot_changes"] {
            let delete = format!("DELETE FROM {table} WHERE snapshot = ?1 AND number >= ?2");
            self.db.prepare_cached(&delete)?.execute([snapshot, number])?;
        }
        Ok(())
    }

    // Writes the changed rows of a chunk whose other rows are where they were. Returns `false` when there are too many.
    fn write_changes(
        &self,
        place: ChunkPlace,
        chunk: &[NextRow],
        kept: &KeptRows<'_>,
        new: &NewSnapshot,
    ) -> Result<bool> {
        let ChunkPlace { snapshot, number, start } = place;
        let stored = OnceCell::new();
        let mut changes = Vec::new();
        for (at, row) in chunk.iter().enumerate() {
            let is_same = match row {
                NextRow::Kept(_) if !new.next.has_shared() => true,
                NextRow::Kept(place) => !is_shared(new, kept.row(*place)?),
                // The hash shows most differences. A hash of 0 may stand for a row that was touched, whose stored one is another.
                NextRow::New(Entry { hash, .. }) => {
                    hash.map_or(0, RowHash::number) == kept.hashes.get(start + at).copied().unwrap_or(0) && {
                        if stored.get().is_none() {
                            let read = self.chunk(snapshot, number)?;
                            stored.get_or_init(|| read);
                        }
                        let stored =
                            stored.get().and_then(Option::as_ref).and_then(|rows: &Vec<StoredRow>| rows.get(at));
                        stored == Some(&stored_row(row, kept, new)?)
                    }
                }
            };
            let Ok(at) = u16::try_from(at) else { return Ok(false) };
            if !is_same {
                changes.push(Change { at, row: stored_row(row, kept, new)? });
            }
        }
        if changes.is_empty() {
            return Ok(true);
        }
        let mut find =
            self.db.prepare_cached("SELECT changes FROM snapshot_changes WHERE snapshot = ?1 AND number = ?2")?;
        let earlier: Option<Vec<u8>> = find.query_row([snapshot, number], |row| row.get(0)).optional()?;
        let Some(earlier) = changes_of(earlier.as_deref()) else { return Ok(false) };
        let others =
            earlier.into_iter().filter(|earlier| changes.binary_search_by_key(&earlier.at, |new| new.at).is_err());
        let mut all: Vec<Change> = others.collect();
        all.extend(&changes);
        all.sort_unstable_by_key(|change| change.at);
        if all.len() > MOST_CHANGES {
            return Ok(false);
        }
        let mut write = self.db.prepare_cached(
            "INSERT OR REPLACE INTO snapshot_changes (snapshot, number, changes) VALUES (?1, ?2, ?3)",
        )?;
        write.execute(params![snapshot, number, with_checksum(&bytes_of(&all))])?;
        Ok(true)
    }

    fn write_chunk(&self, place: ChunkPlace, chunk: &[NextRow], kept: &KeptRows<'_>, new: &NewSnapshot) -> Result<()> {
        let ChunkPlace { snapshot, number, .. } = place;
        let rows = chunk.iter().map(|row| stored_row(row, kept, new)).collect::<Result<Vec<_>>>()?;
        self.store_chunk(snapshot, number, &rows)
    }

    /// Removes a contact from the rows of a snapshot, by its tag and its number: those rows are mapped next time, and are of no
    /// contact. Returns `false` where the rows are damaged.
    pub(super) fn forget_contact(&self, snapshot: i64, tag: u64, contact: i64) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT number FROM snapshot_chunks WHERE snapshot = ?1")?;
        let numbers = query.query_map([snapshot], |row| row.get(0))?;
        for number in numbers.collect::<rusqlite::Result<Vec<i64>>>()? {
            let Some(mut rows) = self.chunk(snapshot, number)? else { return Ok(false) };
            let is_of_contact = |row: &&mut StoredRow| row.contact == tag || row.number == contact;
            let of_contact = rows.iter_mut().filter(is_of_contact).map(|row| *row = StoredRow::default());
            // A chunk that was written again may still have the contact's row as it was before the last change.
            if of_contact.count() > 0 || self.has_contact_beside(snapshot, number, tag)? {
                self.store_chunk(snapshot, number, &rows)?;
            }
        }
        Ok(true)
    }

    // Whether a chunk has a contact in a row that the changes beside it replace.
    fn has_contact_beside(&self, snapshot: i64, number: i64, tag: u64) -> Result<bool> {
        let mut query =
            self.db.prepare_cached("SELECT contacts FROM snapshot_chunks WHERE snapshot = ?1 AND number = ?2")?;
        let contacts: Vec<u8> = query.query_row([snapshot, number], |row| row.get(0))?;
        Ok(CONTACTS.opened(&contacts).is_some_and(|contacts| contacts.contains(&tag)))
    }

    fn store_chunk(&self, snapshot: i64, number: i64, rows: &[StoredRow]) -> Result<()> {
        let (mut hashes, mut contacts, mut numbers) =
            (Vec::with_capacity(rows.len() * HASH), Vec::with_capacity(rows.len() * TAG), Vec::new());
        for StoredRow { hash, contact, number } in rows {
            hashes.extend_from_slice(&hash.to_le_bytes());
            contacts.extend_from_slice(&contact.to_le_bytes());
            numbers.push(*number);
        }
        let mut write = self.db.prepare_cached(
            "INSERT OR REPLACE INTO snapshot_chunks (snapshot, number, hashes, contacts, numbers)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let numbers = packed(differences(numbers));
        write.execute(params![
            snapshot,
            number,
            with_checksum(&hashes),
            with_checksum(&contacts),
            with_checksum(&numbers)
        ])?;
        let mut delete = self.db.prepare_cached("DELETE FROM snapshot_changes WHERE snapshot = ?1 AND number = ?2")?;
        delete.execute([snapshot, number])?;
        Ok(())
    }
}

/// A chunk: its snapshot, its number, and the place of its first row.
#[derive(Clone, Copy)]
struct ChunkPlace {
    snapshot: i64,
    number: i64,
    start: usize,
}

// A row of the next snapshot as it is stored.
fn stored_row(row: &NextRow, kept: &KeptRows<'_>, new: &NewSnapshot) -> Result<StoredRow> {
    match row {
        NextRow::Kept(place) => {
            let row = kept.row(*place)?;
            Ok(if is_shared(new, row) { StoredRow { hash: 0, ..row } } else { row })
        }
        NextRow::New(Entry { hash, contact, number }) => Ok(StoredRow {
            hash: hash.map_or(0, RowHash::number),
            contact: contact.map_or(0, ContactDigest::number),
            number: *number,
        }),
    }
}

// Whether the contact of a kept row has other rows now. Of damaged tags, each may be such a contact.
fn is_shared(new: &NewSnapshot, row: StoredRow) -> bool {
    ContactDigest::from_stored(row.contact).is_none_or(|tag| new.next.is_shared(tag))
}

fn bytes_of(changes: &[Change]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(changes.len() * CHANGE);
    for Change { at, row: StoredRow { hash, contact, number } } in changes {
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&contact.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// The changed rows of a chunk, by their places; none if nothing is stored, and `None` where they are damaged.
pub(super) fn changes_of(stored: Option<&[u8]>) -> Option<Vec<Change>> {
    let Some(stored) = stored else { return Some(Vec::new()) };
    let changes = checked_parts::<CHANGE>(stored)?.map(|bytes| {
        let (at, rest) = bytes.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (contact, rest) = rest.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let (hash, contact) = (u128::from_le_bytes(*hash), u64::from_le_bytes(*contact));
        let row = StoredRow { hash, contact, number: i64::from_le_bytes(*number) };
        Some(Change { at: u16::from_le_bytes(*at), row })
    });
    changes.collect()
}
