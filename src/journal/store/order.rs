//! The SQL of the order in which a run takes its rows: rows that were tried before, and the row where the last run ended.

use rusqlite::{OptionalExtension, params};

use super::{Result, Store, integer, millis, natural};
use crate::core::time::Timestamp;

impl Store {
    pub(in crate::journal) fn left(&self, run: i64, channel: &str) -> Result<Vec<u64>> {
        let mut query = self.db.prepare_cached(
            "SELECT items.row FROM left_rows
             JOIN items ON items.run = ?1 AND items.key = left_rows.key AND items.doubles IS NULL
             WHERE left_rows.channel = ?2 AND items.state = 'pending' ORDER BY left_rows.tried_at, items.row",
        )?;
        let rows = query.query_map(params![run, channel], |row| row.get(0))?;
        rows.map(|row| Ok(natural(row?))).collect()
    }

    pub(in crate::journal) fn leave(&self, channel: &str, key: &str, at: Timestamp) -> Result<()> {
        let mut leave =
            self.db.prepare_cached("INSERT OR REPLACE INTO left_rows (channel, key, tried_at) VALUES (?1, ?2, ?3)")?;
        leave.execute(params![channel, key, millis(at)])?;
        Ok(())
    }

    // Of a row that ended.
    pub(super) fn no_longer_left(&self, channel: &str, key: &str) -> Result<()> {
        let mut delete = self.db.prepare_cached("DELETE FROM left_rows WHERE channel = ?1 AND key = ?2")?;
        delete.execute([channel, key])?;
        Ok(())
    }

    pub(in crate::journal) fn turn(&self, run: i64, channel: &str) -> Result<u64> {
        let mut query = self.db.prepare_cached(
            "SELECT coalesce(
                 (SELECT row FROM items
                  WHERE items.run = ?1 AND items.key = turns.key AND items.doubles IS NULL AND items.state = 'pending'),
                 row)
             FROM turns WHERE channel = ?2",
        )?;
        let row: Option<i64> = query.query_row(params![run, channel], |row| row.get(0)).optional()?;
        Ok(row.map_or(0, natural))
    }

    pub(in crate::journal) fn set_turn(&self, channel: &str, next: Option<(&str, u64)>) -> Result<()> {
        match next {
            Some((key, row)) => self.db.execute(
                "INSERT OR REPLACE INTO turns (channel, key, row) VALUES (?1, ?2, ?3)",
                params![channel, key, integer(row)],
            )?,
            None => self.db.execute("DELETE FROM turns WHERE channel = ?1", [channel])?,
        };
        Ok(())
    }
}
