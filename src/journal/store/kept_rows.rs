//! The rows of an input that were recognised and not mapped, for the list of all rows: where they are in the input, and whose
//! rows they are.
//!
//! Where they are is stored with the plan, and their contacts are in the snapshot that the plan left. Nothing is stored for each
//! row, so the rows of a night without changes take no space.

use std::collections::VecDeque;
use std::ops::Range;

use rusqlite::{Row, params};

use super::ids::StoredId;
use super::keys::KeyParts;
use super::snapshots::packed::{packed, unpacked};
use super::snapshots::{checked, with_checksum};
use super::{Result, Store, damaged, natural};
use crate::core::model::key::shown;
use crate::core::snapshot::{KeptRows, RowPosition};
use crate::journal::rows::ListedRow;

/// Number of rows whose contacts are read together, in the order of their numbers: so many that they are close together even if
/// the rows are in another order. They take some 15 MB.
const TOGETHER: usize = if cfg!(test) { 5 } else { 128 * 1024 };

/// Contacts are read one after the other if at least one in so many of those between them is asked for.
const DENSE: i64 = 16;

/// The runs of `?1` whose recognised rows can be listed: their snapshot is still that of the run.
const LISTABLE: &str = "SELECT runs.id, runs.channel, kept_rows.rows, snapshots.id, snapshots.source FROM runs
     JOIN kept_rows ON kept_rows.run = runs.id
     JOIN snapshots ON snapshots.id = kept_rows.snapshot AND snapshots.run = runs.id
     WHERE runs.sync = ?1 AND runs.kept > 0";

/// The recognised rows of an input, in the input's order.
pub(super) struct ListedKept<'a> {
    store: &'a Store,
    runs: Vec<KeptOfRun>,
    // What is left of the rows, by the places of their runs.
    left: VecDeque<(usize, KeptRows)>,
    // Rows whose contacts were read.
    read: VecDeque<KeptRow>,
    texts: String,
    // The last field of a key, with the text before the value.
    prefix: Option<(i64, String)>,
}

/// The recognised rows of a run.
struct KeptOfRun {
    channel: String,
    // The number of the contact of each row of its snapshot.
    numbers: Vec<i64>,
}

/// A recognised row. Its key and id are in the texts that were read with it.
#[derive(Clone, Debug, Default)]
struct KeptRow {
    run: usize,
    row: u64,
    line: u64,
    key: Option<Range<usize>>,
    id: Option<Range<usize>>,
}

/// A recognised row, for the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListedKeptRow<'a> {
    pub channel: &'a str,
    pub row: u64,
    pub line: u64,
    pub key: Option<&'a str>,
    pub contact_id: Option<&'a str>,
}

impl ListedKeptRow<'_> {
    /// Writes it to a row of a list that has its state.
    pub(super) fn write_to(self, listed: &mut ListedRow) {
        let Self { channel, row, line, key, contact_id } = self;
        (listed.row, listed.line) = (row, line);
        if listed.channel != channel {
            channel.clone_into(&mut listed.channel);
        }
        for (text, listed) in [(key, &mut listed.key), (contact_id, &mut listed.contact_id)] {
            match text {
                Some(text) => text.clone_into(listed.get_or_insert_default()),
                None => *listed = None,
            }
        }
    }
}

impl Store {
    /// Stores where the recognised rows of a run are, those of which are listed. Those of earlier runs with the snapshot are gone
    /// with it.
    pub(super) fn store_kept_rows(&self, run: i64, snapshot: i64, rows: &[KeptRows]) -> Result<()> {
        self.db.prepare_cached("DELETE FROM kept_rows WHERE snapshot = ?1")?.execute([snapshot])?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut insert = self.db.prepare_cached("INSERT INTO kept_rows (run, snapshot, rows) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![run, snapshot, with_checksum(&bytes_of(rows))])?;
        Ok(())
    }

    /// The number of rows of an input that cannot be listed: they needed nothing and are not stored.
    pub(in crate::journal) fn rows_not_stored(&self, sync: i64) -> Result<u64> {
        let rows = format!(
            "SELECT coalesce(sum(unchanged + merged + skipped - iif(id IN (SELECT id FROM ({LISTABLE})), kept, 0)), 0)
             FROM runs WHERE sync = ?1"
        );
        Ok(natural(self.db.query_row(&rows, [sync], |row| row.get(0))?))
    }

    /// The recognised rows of an input. Those of which it is not stored where they are, are left out.
    pub(super) fn listed_kept(&self, sync: i64) -> Result<ListedKept<'_>> {
        let mut query = self.db.prepare_cached(LISTABLE)?;
        let mut found = query.query([sync])?;
        let (mut runs, mut left) = (Vec::new(), Vec::new());
        while let Some(run) = found.next()? {
            let (channel, source): (String, String) = (run.get(1)?, run.get(4)?);
            let rows = checked(run.get_ref(2)?.as_blob().unwrap_or_default()).and_then(rows_of);
            let head = self.snapshot_head(&channel, &source)?;
            let numbers = head.map_or(Ok(None), |head| self.numbers_of(head.id, head.rows))?;
            let (Some(rows), Some(numbers)) = (rows, numbers) else {
                return Err(damaged("which rows were recognised", "the checksum is wrong"));
            };
            left.extend(rows.into_iter().map(|rows| (runs.len(), rows)));
            runs.push(KeptOfRun { channel, numbers });
        }
        if runs.len() > 1 {
            left.sort_unstable_by_key(|(_, rows)| rows.first.row);
        }
        let (read, texts) = (VecDeque::new(), String::new());
        Ok(ListedKept { store: self, runs, left: left.into(), read, texts, prefix: None })
    }
}

impl ListedKept<'_> {
    /// The next row, if it is before this one.
    pub(super) fn next_before(&mut self, row: u64) -> Result<Option<ListedKeptRow<'_>>> {
        if self.read.is_empty() {
            self.read()?;
        }
        if self.read.front().is_none_or(|kept| kept.row >= row) {
            return Ok(None);
        }
        let Some(KeptRow { run, row, line, key, id }) = self.read.pop_front() else { return Ok(None) };
        let text = |range: Option<Range<usize>>| range.map(|range| &self.texts[range]);
        Ok(Some(ListedKeptRow { channel: &self.runs[run].channel, row, line, key: text(key), contact_id: text(id) }))
    }

    // Reads the contacts of the next rows.
    fn read(&mut self) -> Result<()> {
        self.texts.clear();
        let mut wanted: Vec<(i64, usize)> = Vec::new();
        while let Some((run, rows)) = self.left.front_mut()
            && wanted.len() < TOGETHER
        {
            let numbers = &self.runs[*run].numbers;
            let count = rows.count.min((TOGETHER - wanted.len()) as u64);
            for nth in 0..count {
                let place = usize::try_from(rows.place + nth).ok();
                let number = place.and_then(|place| numbers.get(place)).copied();
                let number = number.ok_or_else(|| damaged("which rows were recognised", "the snapshot has fewer"))?;
                wanted.push((number, self.read.len()));
                let (row, line) = (rows.first.row + nth, rows.first.line + nth);
                self.read.push_back(KeptRow { run: *run, row, line, ..KeptRow::default() });
            }
            (rows.first.row, rows.first.line) = (rows.first.row + count, rows.first.line + count);
            (rows.place, rows.count) = (rows.place + count, rows.count - count);
            if rows.count == 0 {
                self.left.pop_front();
            }
        }
        wanted.sort_unstable();
        let is_dense = |few: &[(i64, usize)], more: i64| {
            let count = i64::try_from(few.len()).unwrap_or(i64::MAX);
            few.first().is_some_and(|(first, _)| more.saturating_sub(*first) <= count.saturating_mul(DENSE))
        };
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let mut count = 1;
            while rest.get(count).is_some_and(|(number, _)| is_dense(&rest[..count], *number)) {
                count += 1;
            }
            let (these, others) = rest.split_at(count);
            self.read_contacts(these)?;
            rest = others;
        }
        Ok(())
    }

    // Reads these contacts, which are in ascending order and close together.
    fn read_contacts(&mut self, wanted: &[(i64, usize)]) -> Result<()> {
        let mut query = self.store.db.prepare_cached(
            "SELECT contacts.number, contacts.field, contacts.value, states.id FROM contacts
             LEFT JOIN states ON states.contact = contacts.number
             WHERE contacts.number BETWEEN ?1 AND ?2 ORDER BY contacts.number",
        )?;
        let (Some((first, _)), Some((last, _))) = (wanted.first(), wanted.last()) else { return Ok(()) };
        let mut rows = query.query([first, last])?;
        let mut wanted = wanted.iter().peekable();
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            while wanted.next_if(|(wanted, _)| *wanted < number).is_some() {}
            let mut place = None;
            while let Some((_, at)) = wanted.next_if(|(wanted, _)| *wanted == number) {
                let (key, id) = match &place {
                    Some(place) => place,
                    None => place.insert(self.add_texts(row)?),
                };
                if let Some(kept) = self.read.get_mut(*at) {
                    (kept.key, kept.id) = (Some(key.clone()), id.clone());
                }
            }
        }
        Ok(())
    }

    // Adds the key and the id of a contact to the texts.
    fn add_texts(&mut self, contact: &Row<'_>) -> Result<(Range<usize>, Option<Range<usize>>)> {
        let field = contact.get(1)?;
        if self.prefix.as_ref().is_none_or(|(of, _)| *of != field) {
            // What stands before the value in the text of a key depends on the field only.
            self.prefix = Some((field, KeyParts::stored(self.store, field, String::new())?.text()));
        }
        let Self { texts, prefix, .. } = self;
        let mut add = |text: &str| {
            texts.push_str(text);
            texts.len() - text.len()..texts.len()
        };
        let prefix = prefix.as_ref().map_or("", |(_, prefix)| prefix);
        let value = contact.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
        // No match value begins with a space.
        let key = if value.starts_with(' ') {
            add(&shown(&format!("{prefix}{value}")))
        } else {
            add(prefix).start..add(value).end
        };
        let id: Option<StoredId> = contact.get(3)?;
        Ok((key, id.map(|StoredId(id)| add(&id))))
    }
}

// Each piece by what it adds to where the one before it ended.
fn bytes_of(rows: &[KeptRows]) -> Vec<u8> {
    let signed = |number: u64| number.cast_signed();
    let mut end = KeptRows { first: RowPosition { row: 0, line: 0 }, place: 0, count: 0 };
    let numbers = rows.iter().flat_map(|rows| {
        let KeptRows { first, place, count } = *rows;
        let numbers = [
            signed(first.row).wrapping_sub(signed(end.first.row)),
            signed(first.line).wrapping_sub(signed(end.first.line)),
            signed(place).wrapping_sub(signed(end.place)),
            signed(count),
        ];
        end = after(*rows);
        numbers
    });
    packed(numbers)
}

fn rows_of(bytes: &[u8]) -> Option<Vec<KeptRows>> {
    let numbers = unpacked(bytes)?;
    let (pieces, rest) = numbers.as_chunks::<4>();
    let mut end = KeptRows { first: RowPosition { row: 0, line: 0 }, place: 0, count: 0 };
    let rows = pieces.iter().map(|&[row, line, place, count]| {
        let first =
            RowPosition { row: end.first.row.wrapping_add_signed(row), line: end.first.line.wrapping_add_signed(line) };
        let rows = KeptRows { first, place: end.place.wrapping_add_signed(place), count: natural(count) };
        end = after(rows);
        rows
    });
    let rows = rows.collect();
    rest.is_empty().then_some(rows)
}

// Where the rows after some rows would be.
const fn after(rows: KeptRows) -> KeptRows {
    let KeptRows { first: RowPosition { row, line }, place, count } = rows;
    let first = RowPosition { row: row.wrapping_add(count), line: line.wrapping_add(count) };
    KeptRows { first, place: place.wrapping_add(count), count: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_rows_are_is_read_as_it_was_written() {
        let piece = |row, line, place, count| KeptRows { first: RowPosition { row, line }, place, count };
        let rows = [piece(1, 2, 0, 1_000_000), piece(1_000_003, 1_000_009, 1_000_000, 1), piece(2_000_000, 2, 5, 7)];
        let bytes = bytes_of(&rows);
        assert_eq!(rows_of(&bytes), Some(rows.to_vec()));
        assert_eq!(rows_of(&bytes[1..]), None);
        // What each of many pieces with one row between them takes.
        let many: Vec<KeptRows> = (0..1_000).map(|nth| piece(1 + nth * 100, 2 + nth * 100, nth * 100, 99)).collect();
        assert!(bytes_of(&many).len() < 1_000 * 6);
    }
}
