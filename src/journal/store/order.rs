//! The SQL of the order in which a run takes its rows: rows that were tried before, and the row where the last run ended.

use rusqlite::{OptionalExtension, params};

use super::{Result, Store, integer, millis, natural};
use crate::core::time::Timestamp;

impl Store {
    pub(in crate::journal) fn left(&self, run: i64) -> Result<Vec<u64>> {
        // Mostly there are none, and the pending rows need not be read.
        let mut has_any = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM left_rows)")?;
        if !has_any.query_row([], |row| row.get(0))? {
            return Ok(Vec::new());
        }
        let mut query = self.db.prepare_cached(
            "SELECT pending.row FROM pending CROSS JOIN left_rows ON left_rows.contact = pending.contact
             WHERE pending.run = ?1 AND NOT pending.deferred ORDER BY left_rows.tried_at, pending.row",
        )?;
        let rows = query.query_map([run], |row| row.get(0))?;
        rows.map(|row| Ok(natural(row?))).collect()
    }

    pub(in crate::journal) fn leave(&self, channel: &str, key: &str, at: Timestamp) -> Result<()> {
        let contact = self.contact_number(self.channel_number(channel)?, &self.key_parts_of_text(key))?;
        let mut leave =
            self.db.prepare_cached("INSERT OR REPLACE INTO left_rows (contact, tried_at) VALUES (?1, ?2)")?;
        leave.execute(params![contact, millis(at)])?;
        Ok(())
    }

    // Of a row that ended.
    pub(super) fn no_longer_left(&self, contact: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM left_rows WHERE contact = ?1")?.execute([contact])?;
        Ok(())
    }

    pub(in crate::journal) fn turn(&self, run: i64, channel: &str) -> Result<u64> {
        let mut query = self.db.prepare_cached(
            "SELECT coalesce((SELECT pending.row FROM pending WHERE pending.run = ?1 AND pending.contact = turns.contact), row)
             FROM turns WHERE channel = ?2",
        )?;
        let row: Option<i64> = query.query_row(params![run, channel], |row| row.get(0)).optional()?;
        Ok(row.map_or(0, natural))
    }

    pub(in crate::journal) fn set_turn(&self, channel: &str, next: Option<(&str, u64)>) -> Result<()> {
        match next {
            Some((key, row)) => {
                let contact = self.contact_number(self.channel_number(channel)?, &self.key_parts_of_text(key))?;
                self.db.execute(
                    "INSERT OR REPLACE INTO turns (channel, contact, row) VALUES (?1, ?2, ?3)",
                    params![channel, contact, integer(row)],
                )?
            }
            None => self.db.execute("DELETE FROM turns WHERE channel = ?1", [channel])?,
        };
        Ok(())
    }
}
