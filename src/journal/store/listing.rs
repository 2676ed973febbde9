//! The SQL of listing rows with their present states.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, Row, params};

use super::ids::StoredId;
use super::keys::KeyParts;
use super::state;
use super::stored_cells::StoredCells;
use super::{Result, Store, damaged, json, natural, parse};
use crate::core::output_format::{Listing, OutputFormat};
use crate::core::record::Cells;
use crate::journal::JournalError;
use crate::journal::rows::{ListedRow, Rows};

const WHICH_FILES: &str = "which files list its rows";

/// Maximum number of lines before the header of an input that a list reproduces. No export has as many.
const MOST_SKIPPED: u64 = 1_000_000;

impl Store {
    pub(in crate::journal) fn listing(&self, sync: i64) -> Result<Option<(Listing, bool)>> {
        let mut query = self.db.prepare_cached("SELECT listing, written FROM listings WHERE sync = ?1")?;
        let found: Option<(String, bool)> = query.query_row([sync], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((listing, written)) = found else { return Ok(None) };
        let listing: Listing = parse(WHICH_FILES, &listing)?;
        match listing.output_format {
            // Each of them is a line of the list.
            OutputFormat::Table { skipped, .. } if skipped > MOST_SKIPPED => {
                Err(damaged(WHICH_FILES, "it skips too many lines"))
            }
            OutputFormat::Table { .. } | OutputFormat::Objects => Ok(Some((listing, written))),
        }
    }

    pub(in crate::journal) fn set_listing(&self, sync: i64, listing: &Listing) -> Result<()> {
        self.db
            .execute("INSERT OR REPLACE INTO listings (sync, listing) VALUES (?1, ?2)", params![sync, json(listing)])?;
        Ok(())
    }

    pub(in crate::journal) fn set_listed(&self, sync: i64, written: bool) -> Result<()> {
        self.db.execute("UPDATE listings SET written = ?2 WHERE sync = ?1", params![sync, written])?;
        self.close_rows()?;
        if written { self.clear_remains() } else { Ok(()) }
    }

    /// Whether calls were made for an input.
    pub(in crate::journal) fn has_calls_of(&self, sync: i64) -> Result<bool> {
        let calls = "SELECT EXISTS (SELECT 1 FROM run_calls WHERE run IN (SELECT id FROM runs WHERE sync = ?1))";
        Ok(self.db.query_row(calls, [sync], |row| row.get(0))?)
    }

    pub(in crate::journal) fn channels_of(&self, sync: i64) -> Result<u64> {
        Ok(natural(self.db.query_row("SELECT count(*) FROM runs WHERE sync = ?1", [sync], |row| row.get(0))?))
    }

    pub(in crate::journal) fn each_row(
        &self,
        sync: i64,
        rows: Rows,
        mut each: impl FnMut(&ListedRow) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut kept = match rows {
            Rows::All => Some(self.listed_kept(sync)?),
            Rows::Rejected => None,
        };
        let mut recognised = ListedRow { state: state_name(state::UNCHANGED)?.into(), ..ListedRow::default() };
        // Passes the recognised rows before a row; whether to stop.
        let mut each_kept = |before: u64, each: &mut dyn FnMut(&ListedRow) -> ControlFlow<()>| {
            let Some(kept) = &mut kept else { return Ok(false) };
            while let Some(row) = kept.next_before(before)? {
                row.write_to(&mut recognised);
                if each(&recognised).is_break() {
                    return Ok(true);
                }
            }
            Ok::<_, JournalError>(false)
        };
        // The rows of one run are stored in order. The rows of several runs are sorted.
        let runs = if self.channels_of(sync)? == 1 { "=" } else { "IN" };
        let runs = format!("{runs} (SELECT id FROM runs WHERE sync = ?1)");
        let (which, pending) = match rows {
            Rows::All => (
                String::new(),
                format!("UNION ALL SELECT run, row, line, contact, 0, NULL, NULL FROM pending WHERE run {runs}"),
            ),
            Rows::Rejected => (format!("AND state IN ({}, {})", state::REJECTED, state::REPEATED), String::new()),
        };
        let calls = format!("SELECT contact, count(*) AS calls FROM run_calls WHERE run {runs} GROUP BY contact");
        let mut query = self.db.prepare(&format!(
            "WITH counted AS MATERIALIZED ({calls}),
                 listed AS (SELECT run, row, line, contact, state, reason, cells FROM items WHERE run {runs} {which} {pending})
             SELECT runs.channel, listed.row, listed.line, contacts.field, contacts.value, listed.state, coalesce(open_rows.reason, listed.reason),
                 coalesce(open_rows.cells, listed.cells), states.id, coalesce(counted.calls, 0), open_rows.key
             FROM listed CROSS JOIN runs ON runs.id = listed.run
             LEFT JOIN contacts ON contacts.number = listed.contact
             LEFT JOIN states ON states.contact = listed.contact
             LEFT JOIN counted ON counted.contact = listed.contact
             LEFT JOIN open_rows ON open_rows.run = listed.run AND open_rows.row = listed.row
             ORDER BY listed.row"
        ))?;
        let mut rows = query.query([sync])?;
        while let Some(row) = rows.next()? {
            let listed = self.listed(row)?;
            if each_kept(listed.row, &mut each)? || each(&listed).is_break() {
                return Ok(());
            }
        }
        each_kept(u64::MAX, &mut each)?;
        Ok(())
    }

    fn listed(&self, row: &Row<'_>) -> Result<ListedRow> {
        let (field, value, state): (Option<i64>, Option<String>, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let key = field.zip(value).map(|(field, value)| KeyParts::stored(self, field, value)).transpose()?;
        let cells: Option<String> = row.get(7)?;
        Ok(ListedRow {
            channel: row.get(0)?,
            row: natural(row.get(1)?),
            line: natural(row.get(2)?),
            key: row.get::<_, Option<String>>(10)?.or_else(|| key.map(|key| key.shown())),
            state: state_name(state)?.into(),
            reason: row.get(6)?,
            cells: cells.as_deref().map(read_cells).transpose()?,
            contact_id: row.get::<_, Option<StoredId>>(8)?.map(|StoredId(id)| id),
            // They belong to the row that counts.
            calls: if matches!(state, state::MERGED | state::REPEATED) { 0 } else { natural(row.get(9)?) },
        })
    }
}

// The state of a row in one word; 0 for one that is pending.
pub(super) fn state_name(state: i64) -> Result<&'static str> {
    Ok(match state {
        0 => "pending",
        state::CREATED => "created",
        state::UPDATED => "updated",
        state::UNCHANGED => "unchanged",
        state::REJECTED | state::REPEATED => "rejected",
        state::MERGED => "merged",
        state::SKIPPED => "skipped",
        _ => return Err(damaged("a row's state", "unknown state")),
    })
}

pub(super) fn read_cells(text: &str) -> Result<Cells> {
    Ok(parse::<StoredCells<String, serde_json::Value>>("a row", text)?.cells())
}
