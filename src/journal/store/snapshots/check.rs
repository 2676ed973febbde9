//! Whether the snapshots are whole. A damaged one is never believed: then all rows of its source are mapped.

use super::chunks::changes_of;
use super::packed::unpacked;
use super::{HASH, Head, TAG, checked, checked_parts};
use crate::journal::store::{Result, Store, natural};

impl Store {
    /// Reads all snapshots, so that each checksum is compared.
    pub(in crate::journal::store) fn check_snapshots(&self, problems: &mut Vec<String>) -> Result<()> {
        let mut query = self.db.prepare("SELECT id, channel, source FROM snapshots ORDER BY id")?;
        let names = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        for (id, channel, source) in names.collect::<rusqlite::Result<Vec<(i64, String, String)>>>()? {
            let Some(head) = self.snapshot_head(&channel, &source)? else { continue };
            if let Some(why) = self.fault_of(&head, &channel, &source)? {
                problems.push(format!("snapshot {id}: {why}"));
            }
        }
        for table in ["snapshot_chunks", "snapshot_changes", "snapshot_touched"] {
            let query =
                format!("SELECT DISTINCT snapshot FROM {table} WHERE snapshot NOT IN (SELECT id FROM snapshots)");
            let mut query = self.db.prepare(&query)?;
            for snapshot in query.query_map([], |row| row.get::<_, i64>(0))? {
                problems.push(format!("snapshot {}: its rows belong to no source", snapshot?));
            }
        }
        Ok(())
    }

    fn fault_of(&self, head: &Head, channel: &str, source: &str) -> Result<Option<&'static str>> {
        if !head.is_sound(channel, source) {
            return Ok(Some("its checksum is wrong"));
        }
        let mut query = self.db.prepare_cached(
            "SELECT number, hashes, contacts, numbers, changes FROM snapshot_chunks
             LEFT JOIN snapshot_changes USING (snapshot, number) WHERE snapshot = ?1 ORDER BY number",
        )?;
        let mut chunks = query.query([head.id])?;
        let (mut next, mut rows) = (0_i64, 0_u64);
        while let Some(chunk) = chunks.next()? {
            if chunk.get::<_, i64>(0)? != next {
                return Ok(Some("some of its rows are missing"));
            }
            next += 1;
            let hashes = checked_parts::<HASH>(chunk.get_ref(1)?.as_blob().unwrap_or_default()).map(Iterator::count);
            let contacts = checked_parts::<TAG>(chunk.get_ref(2)?.as_blob().unwrap_or_default()).map(Iterator::count);
            let numbers = checked(chunk.get_ref(3)?.as_blob().unwrap_or_default());
            let numbers = numbers.and_then(unpacked).map(|numbers| numbers.len());
            let changes = chunk.get_ref(4)?.as_blob_or_null().map_or(None, changes_of);
            let (Some(hashes), Some(contacts), Some(numbers), Some(changes)) = (hashes, contacts, numbers, changes)
            else {
                return Ok(Some("the checksum of some of its rows is wrong"));
            };
            if hashes != contacts || hashes != numbers {
                return Ok(Some("the numbers of row hashes and contacts differ"));
            }
            if changes.iter().any(|change| usize::from(change.at) >= hashes) {
                return Ok(Some("a changed row is none of its rows"));
            }
            rows = rows.saturating_add(natural(i64::try_from(hashes).unwrap_or(i64::MAX)));
        }
        if rows != head.rows {
            return Ok(Some("some of its rows are missing"));
        }
        if self.count_changes(head.id)? != head.changed {
            return Ok(Some("some changed rows are missing"));
        }
        match self.touched(head.id)? {
            None => Ok(Some("the checksum of a changed contact is wrong")),
            Some(touched) if touched.len() as u64 != head.touched => Ok(Some("some changed contacts are missing")),
            Some(_) => Ok(None),
        }
    }
}
