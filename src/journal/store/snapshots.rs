//! The SQL of snapshots: which rows were unchanged in the last input of each channel and source.
//!
//! A snapshot is written in the transaction that finishes the plan of its input. A contact whose remote state changes later
//! without a row of that source is touched in the same transaction. A damaged snapshot is ignored, and all rows are mapped.

mod check;
mod chunks;
pub(super) mod packed;

use rusqlite::{OptionalExtension, params};

use super::keys::KeyParts;
use super::prior::Prior;
use super::state;
use super::{Result, Store, damaged, integer, natural};
use crate::core::model::Key;
use crate::core::planner::{PriorRows as _, Resolution, RowRole};
use crate::core::snapshot::{Basis, ContactDigest, SnapshotKey};
use crate::journal::rows::Plan;
use crate::journal::snapshots::{NewSnapshot, RowTrace, StoredSnapshot};

/// Size of a checksum.
const SUM: usize = 4;

const HASH: usize = size_of::<u128>();
const TAG: usize = size_of::<u64>();

impl Store {
    pub(in crate::journal) fn snapshot_key(&self) -> Result<SnapshotKey> {
        let mut query = self.db.prepare_cached("SELECT value FROM snapshot_key")?;
        let value: [u8; 16] = query.query_row([], |row| row.get(0))?;
        Ok(SnapshotKey::new(value))
    }

    // `None` where there is none, where it has another basis, and where it is damaged.
    pub(in crate::journal) fn snapshot(
        &self,
        channel: &str,
        source: &str,
        basis: Basis,
        lists_rows: bool,
    ) -> Result<Option<StoredSnapshot>> {
        let Some(head) = self.snapshot_head(channel, source)? else { return Ok(None) };
        if head.basis != basis.number().to_le_bytes() || !head.is_sound(channel, source) {
            return Ok(None);
        }
        if self.count_changes(head.id)? != head.changed {
            return Ok(None);
        }
        let touched = self.touched(head.id)?;
        let Some(touched) = touched.filter(|touched| touched.len() as u64 == head.touched) else { return Ok(None) };
        let Some(mut hashes) = self.hashes_of(head.id, head.rows)? else { return Ok(None) };
        if !touched.is_empty() {
            let Some(contacts) = self.contacts_of(head.id, head.rows)? else { return Ok(None) };
            for (hash, contact) in hashes.iter_mut().zip(contacts) {
                if touched.binary_search(&contact).is_ok() {
                    *hash = 0;
                }
            }
        }
        if lists_rows {
            let Some(numbers) = self.numbers_of(head.id, head.rows)? else { return Ok(None) };
            // Of a row without a number, the key of the contact would not be known.
            for (hash, _) in hashes.iter_mut().zip(numbers).filter(|(_, number)| *number == 0) {
                *hash = 0;
            }
        }
        Ok(Some(StoredSnapshot { id: head.id, hashes }))
    }

    pub(super) fn snapshot_head(&self, channel: &str, source: &str) -> Result<Option<Head>> {
        let mut query = self.db.prepare_cached(
            "SELECT id, run, basis, rows, touched, changed, sum FROM snapshots WHERE channel = ?1 AND source = ?2",
        )?;
        let head = query.query_row([channel, source], |row| {
            Ok(Head {
                id: row.get(0)?,
                run: row.get(1)?,
                basis: row.get(2)?,
                rows: natural(row.get(3)?),
                touched: natural(row.get(4)?),
                changed: natural(row.get(5)?),
                sum: row.get(6)?,
            })
        });
        Ok(head.optional()?)
    }

    // The number of chunks beside which changed rows are stored.
    pub(super) fn count_changes(&self, snapshot: i64) -> Result<u64> {
        let mut query = self.db.prepare_cached("SELECT count(*) FROM snapshot_changes WHERE snapshot = ?1")?;
        Ok(natural(query.query_row([snapshot], |row| row.get(0))?))
    }

    // In ascending order; `None` where they are damaged.
    fn touched(&self, snapshot: i64) -> Result<Option<Vec<u64>>> {
        let mut query = self.db.prepare_cached("SELECT contact FROM snapshot_touched WHERE snapshot = ?1")?;
        let mut rows = query.query([snapshot])?;
        let mut touched = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(mut one) = checked_parts::<TAG>(row.get_ref(0)?.as_blob().unwrap_or_default()) else {
                return Ok(None);
            };
            touched.extend(one.next().map(u64::from_le_bytes));
        }
        touched.sort_unstable();
        Ok(Some(touched))
    }

    /// The tags of the rows of a snapshot that was read before.
    pub(in crate::journal) fn snapshot_contacts(&self, snapshot: i64, rows: u64) -> Result<Option<Vec<u64>>> {
        self.contacts_of(snapshot, rows)
    }

    /// The contacts that rows with these keys may be, before any row is planned: those of the keys themselves, and those that
    /// are known by them. Of each run by its place in the plan.
    pub(in crate::journal) fn contacts_by_keys(
        &self,
        plan: &Plan,
        rows: &[(usize, Vec<Key>)],
    ) -> Result<Vec<(usize, ContactDigest)>> {
        let hasher = self.snapshot_key()?;
        let plans = self.plans.borrow();
        let open = plans.open.get(&plan.sync).ok_or_else(|| damaged("a plan", "it ended with an error before"))?;
        let mut found = Vec::with_capacity(rows.len());
        for (at, keys) in rows {
            let Some(tally) = open.runs.get(&plan.runs[*at].run) else { continue };
            for key in keys {
                found.push((*at, hasher.contact(key)));
                if !tally.has_aliases() {
                    continue;
                }
                let known = self.alias(tally.channel, &self.key_parts(key))?;
                if let Some(known) = known.map_or(Ok(None), |known| self.key_of_contact(known))? {
                    found.push((*at, hasher.contact_of_text(&known.text())));
                }
            }
        }
        Ok(found)
    }

    /// Before the aliases of a finished plan replace others: the contacts that had them are no longer found by them.
    pub(super) fn touch_replaced_aliases(&self, run: i64, channel: &str, channel_number: i64) -> Result<()> {
        if self.dry || !self.has_other_snapshots(channel, None)? {
            return Ok(());
        }
        let mut query = self.db.prepare_cached(
            "SELECT DISTINCT aliases.contact FROM new_aliases
             JOIN aliases ON aliases.channel = ?2 AND aliases.field = new_aliases.field AND aliases.value = new_aliases.value
             WHERE new_aliases.run = ?1 AND aliases.contact <> new_aliases.contact",
        )?;
        let contacts = query.query_map([run, channel_number], |row| row.get(0))?;
        self.touch_all(channel, contacts.collect::<rusqlite::Result<Vec<i64>>>()?, None)
    }

    fn touch_all(&self, channel: &str, contacts: Vec<i64>, except: Option<&str>) -> Result<()> {
        for contact in contacts {
            if let Some(key) = self.key_of_contact(contact)? {
                self.touch(channel, &key.text(), except)?;
            }
        }
        Ok(())
    }

    // Whether a channel has snapshots of other sources than this one.
    fn has_other_snapshots(&self, channel: &str, source: Option<&str>) -> Result<bool> {
        let mut query = self
            .db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM snapshots WHERE channel = ?1 AND source IS NOT ?2)")?;
        Ok(query.query_row(params![channel, source], |row| row.get(0))?)
    }

    /// The remote state of a contact changes without a row of its sources: its row is mapped next time. `except` is the source
    /// that has the row.
    pub(super) fn touch(&self, channel: &str, key: &str, except: Option<&str>) -> Result<()> {
        if self.dry {
            return Ok(());
        }
        let mut query =
            self.db.prepare_cached("SELECT source FROM snapshots WHERE channel = ?1 AND source IS NOT ?2")?;
        let sources = query.query_map(params![channel, except], |row| row.get::<_, String>(0))?;
        let sources = sources.collect::<rusqlite::Result<Vec<_>>>()?;
        if sources.is_empty() {
            return Ok(());
        }
        let tag = self.snapshot_key()?.contact_of_text(key);
        let contact = with_checksum(&tag.number().to_le_bytes());
        for source in sources {
            let Some(mut head) = self.snapshot_head(channel, &source)? else { continue };
            let mut insert =
                self.db.prepare_cached("INSERT OR IGNORE INTO snapshot_touched (snapshot, contact) VALUES (?1, ?2)")?;
            if insert.execute(params![head.id, contact])? == 0 || !head.is_sound(channel, &source) {
                continue;
            }
            head.touched += 1;
            let mut count = self.db.prepare_cached("UPDATE snapshots SET touched = ?2, sum = ?3 WHERE id = ?1")?;
            count.execute(params![head.id, integer(head.touched), head.sum_of(channel, &source)])?;
        }
        Ok(())
    }

    /// Removes a contact from all snapshots of its channel. A damaged snapshot is removed as a whole.
    pub(super) fn forget_in_snapshots(&self, channel: &str, key: &str, number: i64) -> Result<()> {
        let tag = self.snapshot_key()?.contact_of_text(key).number();
        let mut query = self.db.prepare_cached("SELECT source FROM snapshots WHERE channel = ?1")?;
        let sources = query.query_map([channel], |row| row.get::<_, String>(0))?;
        for source in sources.collect::<rusqlite::Result<Vec<_>>>()? {
            let Some(mut head) = self.snapshot_head(channel, &source)? else { continue };
            if !head.is_sound(channel, &source) || !self.forget_contact(head.id, tag, number)? {
                for table in ["snapshot_chunks", "snapshot_changes", "snapshot_touched"] {
                    self.db.execute(&format!("DELETE FROM {table} WHERE snapshot = ?1"), [head.id])?;
                }
                self.db.execute("DELETE FROM snapshots WHERE id = ?1", [head.id])?;
                continue;
            }
            let touched = params![head.id, with_checksum(&tag.to_le_bytes())];
            let touched =
                self.db.execute("DELETE FROM snapshot_touched WHERE snapshot = ?1 AND contact = ?2", touched)?;
            head.touched = head.touched.saturating_sub(touched as u64);
            head.changed = self.count_changes(head.id)?;
            self.db.execute(
                "UPDATE snapshots SET touched = ?2, changed = ?3, sum = ?4 WHERE id = ?1",
                params![head.id, integer(head.touched), integer(head.changed), head.sum_of(channel, &source)],
            )?;
        }
        Ok(())
    }

    /// Whether a contact is among the rows of the input that a run was planned from; `None` when the run has no snapshot.
    pub(super) fn is_in_snapshot(&self, channel: &str, run: i64, key: &KeyParts<'_>) -> Result<Option<bool>> {
        let mut query = self.db.prepare_cached("SELECT id, rows FROM snapshots WHERE channel = ?1 AND run = ?2")?;
        let found: Option<(i64, i64)> =
            query.query_row(params![channel, run], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((snapshot, rows)) = found else { return Ok(None) };
        let tag = self.snapshot_key()?.contact_of_text(&key.text()).number();
        // Of damaged tags, the contact may be any of them.
        Ok(Some(self.contacts_of(snapshot, natural(rows))?.is_none_or(|contacts| contacts.contains(&tag))))
    }

    #[cfg(test)]
    pub(in crate::journal) fn kept_rows(&self, run: i64) -> Result<u64> {
        let mut query = self.db.prepare_cached("SELECT kept FROM runs WHERE id = ?1")?;
        Ok(query.query_row([run], |row| row.get(0)).map(natural)?)
    }

    /// Stores what the finished plan of a run leaves for the next input of its source.
    pub(super) fn finish_snapshot(&self, run: i64, channel: &str, new: &NewSnapshot) -> Result<()> {
        if self.dry {
            return Ok(());
        }
        self.touch_items(run, channel, Some(&new.source))?;
        let mut before = 0;
        let mut head = match (self.snapshot_head(channel, &new.source)?, &new.base) {
            (Some(head), Some(base)) if head.id == base.id => {
                before = base.rows.hashes_of(base.run).len();
                self.write_chunks(head.id, before, new)?;
                head
            }
            (Some(head), _) => {
                for table in ["snapshot_chunks", "snapshot_changes"] {
                    self.db.execute(&format!("DELETE FROM {table} WHERE snapshot = ?1"), [head.id])?;
                }
                self.write_chunks(head.id, 0, new)?;
                head
            }
            (None, _) => {
                self.db.execute(
                    "INSERT INTO snapshots (channel, source, run, basis, rows, sum) VALUES (?1, ?2, 0, x'', 0, 0)",
                    params![channel, new.source],
                )?;
                let id = self.db.last_insert_rowid();
                self.write_chunks(id, 0, new)?;
                Head { id, ..Head::default() }
            }
        };
        if head.touched > 0 {
            self.db.execute("DELETE FROM snapshot_touched WHERE snapshot = ?1", [head.id])?;
        }
        (head.run, head.basis, head.touched) = (run, new.basis.number().to_le_bytes().to_vec(), 0);
        (head.rows, head.changed) = (new.next.len() as u64, self.count_changes(head.id)?);
        self.store_kept_rows(run, head.id, &new.next.kept_rows(before))?;
        self.db.execute(
            "UPDATE snapshots SET run = ?2, basis = ?3, rows = ?4, touched = 0, changed = ?5, sum = ?6 WHERE id = ?1",
            params![
                head.id,
                run,
                head.basis,
                integer(head.rows),
                integer(head.changed),
                head.sum_of(channel, &new.source)
            ],
        )?;
        Ok(())
    }

    /// The contacts of a run's items are to be changed: the other sources of the channel than this one map their rows next
    /// time.
    pub(super) fn touch_items(&self, run: i64, channel: &str, source: Option<&str>) -> Result<()> {
        if self.dry || !self.has_other_snapshots(channel, source)? {
            return Ok(());
        }
        let mut query = self.db.prepare_cached(
            "SELECT contact FROM pending WHERE run = ?1
             UNION SELECT contact FROM items WHERE run = ?1 AND contact IS NOT NULL AND state NOT IN (?2, ?3, ?4)",
        )?;
        let contacts = query.query_map([run, state::UNCHANGED, state::MERGED, state::SKIPPED], |row| row.get(0))?;
        self.touch_all(channel, contacts.collect::<rusqlite::Result<Vec<i64>>>()?, source)
    }

    #[cfg(test)]
    pub(in crate::journal) fn forget_snapshot_changes(&self) -> Result<()> {
        self.db.execute("DELETE FROM snapshot_changes", [])?;
        let mut query = self.db.prepare("SELECT channel, source FROM snapshots")?;
        let names = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        for (channel, source) in names.collect::<rusqlite::Result<Vec<_>>>()? {
            let Some(head) = self.snapshot_head(&channel, &source)? else { continue };
            let head = Head { changed: 0, ..head };
            let sum = head.sum_of(&channel, &source);
            self.db.execute("UPDATE snapshots SET changed = 0, sum = ?2 WHERE id = ?1", params![head.id, sum])?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub(in crate::journal) fn forget_touched(&self) -> Result<()> {
        let mut query = self.db.prepare("SELECT channel, source FROM snapshots")?;
        let names = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        for (channel, source) in names.collect::<rusqlite::Result<Vec<_>>>()? {
            let Some(head) = self.snapshot_head(&channel, &source)? else { continue };
            let head = Head { touched: 0, ..head };
            let sum = head.sum_of(&channel, &source);
            self.db.execute("UPDATE snapshots SET touched = 0, sum = ?2 WHERE id = ?1", params![head.id, sum])?;
        }
        self.db.execute("DELETE FROM snapshot_touched", [])?;
        Ok(())
    }
}

/// What the next snapshot has to know of a row, before the row is stored.
pub(super) fn trace(hasher: &SnapshotKey, prior: &Prior<'_>, resolution: &Resolution) -> Result<RowTrace> {
    let Resolution { contact, role } = resolution;
    let tag = hasher.contact(contact.key());
    let mut trace = RowTrace { contact: Some(tag), ..RowTrace::default() };
    match role {
        RowRole::Counts { replaced: None } => {}
        RowRole::Counts { replaced: Some(_) } | RowRole::Merged { .. } | RowRole::Rejected { .. } => {
            trace.shared.push(tag);
        }
    }
    if let Some(id) = contact.id().filter(|_| !matches!(contact.key(), Key::Id(_))) {
        trace.also.push(hasher.contact(&Key::Id(id.clone())));
    }
    // A further row with the same content and no key.
    if matches!(contact.key(), Key::Row { nth: 2.., .. }) {
        trace.shared.push(tag);
    }
    // A further match value may be another contact's too.
    if contact.matches().len() > 1 {
        for field in contact.matches() {
            if let Some(other) = prior.key_of(&Key::of(field))?.filter(|other| hasher.contact(other) != tag) {
                trace.shared.extend([tag, hasher.contact(&other)]);
            }
        }
    }
    Ok(trace)
}

/// What the next snapshot has to know of a rejected row that has these keys: its contact is not missing.
pub(super) fn rejected_trace(hasher: &SnapshotKey, prior: &Prior<'_>, keys: &[Key]) -> Result<RowTrace> {
    let mut trace = RowTrace::default();
    for key in keys {
        let known = match key {
            Key::Match { .. } => prior.key_of(key)?,
            Key::Id(_) | Key::Row { .. } => None,
        };
        let known = known.as_ref().unwrap_or(key);
        // One that is known says most.
        if trace.number == 0 {
            let located = prior.locate(known)?.filter(|located| located.is_known());
            let number = located.map_or(0, |located| located.number());
            if trace.contact.is_none() || number != 0 {
                (trace.contact, trace.number) = (Some(hasher.contact(known)), number);
            }
        }
        trace.also.extend([hasher.contact(key), hasher.contact(known)]);
    }
    Ok(trace)
}

/// A snapshot without its rows.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub id: i64,
    pub run: i64,
    pub basis: Vec<u8>,
    pub rows: u64,
    touched: u64,
    pub changed: u64,
    sum: i64,
}

impl Head {
    pub(super) fn is_sound(&self, channel: &str, source: &str) -> bool {
        self.sum == self.sum_of(channel, source)
    }

    fn sum_of(&self, channel: &str, source: &str) -> i64 {
        let Self { id, run, basis, rows, touched, changed, .. } = self;
        let text = format!("{id} {run} {basis:?} {rows} {touched} {changed} {channel:?} {source:?}");
        crc32fast::hash(text.as_bytes()).into()
    }
}

// The bytes with their checksum.
pub(super) fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat()
}

/// The bytes without their checksum; `None` where they are damaged.
pub(super) fn checked(stored: &[u8]) -> Option<&[u8]> {
    let (bytes, sum) = stored.split_last_chunk::<SUM>()?;
    (*sum == crc32fast::hash(bytes).to_le_bytes()).then_some(bytes)
}

// The parts of bytes with a checksum, each of `SIZE` bytes; `None` where they are damaged.
pub(super) fn checked_parts<const SIZE: usize>(stored: &[u8]) -> Option<impl Iterator<Item = [u8; SIZE]>> {
    let (parts, rest) = checked(stored)?.as_chunks::<SIZE>();
    rest.is_empty().then(|| parts.iter().copied())
}
