//! The SQL of the fields that were written to each channel, and of those that are still to be read back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rusqlite::params;

use super::changes::Changes;
use super::{Result, Store, millis, natural};
use crate::core::first_writes::{FieldVerdict, FirstWrite, MOST_READS, expected_reads};
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::journal::Ended;

impl Store {
    /// The fields that were written to a channel.
    pub(in crate::journal) fn written_fields(&self, channel: &str) -> Result<BTreeSet<String>> {
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(BTreeSet::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT names.name FROM written_fields JOIN names ON names.number = written_fields.field WHERE channel = ?1",
        )?;
        let names = query.query_map([channel], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes that these fields of a contact were the first of their names that were written to the channel.
    pub(super) fn add_written_fields(&self, channel: i64, contact: i64, fields: &[Text], at: Timestamp) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT OR IGNORE INTO written_fields (channel, field, contact, written_at) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for field in fields {
            insert.execute(params![channel, self.names.number(self, field)?, contact, millis(at)])?;
        }
        Ok(())
    }

    /// The fields that are still to be read back. Those of contacts that cannot be read any more are forgotten: the next write is
    /// their first one again.
    pub(in crate::journal) fn first_writes(&self, channel: &str) -> Result<Vec<FirstWrite>> {
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT names.name, written_fields.field, contact, written_at FROM written_fields
             JOIN names ON names.number = written_fields.field WHERE channel = ?1 AND contact IS NOT NULL",
        )?;
        let rows = query.query_map([channel], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let mut forget = self.db.prepare_cached("DELETE FROM written_fields WHERE channel = ?1 AND field = ?2")?;
        let mut writes = Vec::new();
        for (field, number, contact, written_at) in rows.collect::<rusqlite::Result<Vec<(String, i64, i64, i64)>>>()? {
            let parts = self.key_of_contact(contact)?;
            let known = parts.as_ref().map(|parts| self.known_of(contact, parts)).transpose()?.flatten();
            let known = known.filter(|known| known.fields.get(&field).is_some_and(|value| !value.is_blank()));
            let key = parts.and_then(|parts| parts.key(false));
            if let Some((key, known)) = key.zip(known) {
                let written_at = Timestamp::from_millis(natural(written_at));
                writes.push(FirstWrite { field, contact, key, known, written_at });
            } else {
                forget.execute([channel, number])?;
            }
        }
        Ok(writes)
    }

    pub(in crate::journal) fn read_back(
        &self,
        channel: &str,
        ended: &Ended,
        verdicts: &BTreeMap<String, FieldVerdict>,
    ) -> Result<()> {
        self.end_probe(ended.number, &ended.attempt, ended.at)?;
        let channel = self.channel_number(channel)?;
        let mut settle = self.db.prepare_cached(
            "UPDATE written_fields SET contact = NULL, is_dropped = ?3 WHERE channel = ?1 AND field = ?2",
        )?;
        let mut again = self.db.prepare_cached(
            "UPDATE written_fields SET reads = reads + 1, contact = iif(reads + 1 < ?3, contact, NULL)
             WHERE channel = ?1 AND field = ?2",
        )?;
        for (field, verdict) in verdicts {
            let field = self.names.number(self, field)?;
            match verdict {
                FieldVerdict::Stored | FieldVerdict::Dropped => {
                    settle.execute(params![channel, field, *verdict == FieldVerdict::Dropped])?;
                }
                FieldVerdict::Unclear => drop(again.execute(params![channel, field, MOST_READS])?),
            }
        }
        Ok(())
    }

    /// The number of contacts that the runs of a planned input are expected to read back, by channel: by the first contacts that
    /// they send, as many as are looked at.
    pub(in crate::journal) fn expected_reads(&self, sync: i64, looked_at: usize) -> Result<BTreeMap<String, u64>> {
        let mut by_channel: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        let mut left = looked_at;
        self.each_change(sync, Changes::All, |change| {
            let filled = change.fields.into_iter().filter(|field| !field.new.is_blank()).map(|field| field.name);
            by_channel.entry(change.channel).or_default().push(filled.collect());
            left = left.saturating_sub(1);
            if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let mut waiting = self.db.prepare_cached(
            "SELECT count(DISTINCT contact) FROM written_fields WHERE channel = ?1 AND contact IS NOT NULL",
        )?;
        let mut expected = BTreeMap::new();
        for (channel, contacts) in by_channel {
            let written = self.written_fields(&channel)?;
            let fields = contacts.iter().map(|fields| fields.iter().map(String::as_str));
            let mut reads = expected_reads(fields, |field| !written.contains(field));
            if let Some(number) = self.channels.find(self, &channel)? {
                reads += natural(waiting.query_row([number], |row| row.get(0))?);
            }
            expected.insert(channel, reads);
        }
        Ok(expected)
    }
}
