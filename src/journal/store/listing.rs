//! The SQL of listing rows with their present states.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, Row, params};

use super::stored_cells::StoredCells;
use super::{Result, Store, damaged, json, natural, parse};
use crate::core::output_format::{Listing, OutputFormat};
use crate::core::record::Cells;
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
        Ok(())
    }

    pub(in crate::journal) fn channels_of(&self, sync: i64) -> Result<u64> {
        Ok(natural(self.db.query_row("SELECT count(*) FROM runs WHERE sync = ?1", [sync], |row| row.get(0))?))
    }

    pub(in crate::journal) fn each_row(
        &self,
        sync: i64,
        rows: Rows,
        mut each: impl FnMut(ListedRow) -> ControlFlow<()>,
    ) -> Result<()> {
        // The rows of one run are stored in order. The rows of several runs are sorted.
        let runs = if self.channels_of(sync)? == 1 { "=" } else { "IN" };
        let which = match rows {
            Rows::All => "",
            Rows::Rejected => "AND items.state = 'rejected'",
        };
        let mut query = self.db.prepare(&format!(
            "SELECT runs.channel, items.row, items.line, items.key, items.state, items.reason, items.cells,
                 (SELECT contact ->> '$.id' FROM known WHERE known.channel = runs.channel AND known.key = items.key),
                 (SELECT count(*) FROM calls
                  WHERE calls.run = items.run AND calls.key = items.key AND items.doubles IS NULL)
             FROM items JOIN runs ON runs.id = items.run WHERE items.run {runs} (SELECT id FROM runs WHERE sync = ?1) {which}
             ORDER BY items.row"
        ))?;
        let mut rows = query.query([sync])?;
        while let Some(row) = rows.next()? {
            if each(listed(row)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn listed(row: &Row<'_>) -> Result<ListedRow> {
    let cells: Option<String> = row.get(6)?;
    Ok(ListedRow {
        channel: row.get(0)?,
        row: natural(row.get(1)?),
        line: natural(row.get(2)?),
        key: row.get(3)?,
        state: row.get(4)?,
        reason: row.get(5)?,
        cells: cells.as_deref().map(read_cells).transpose()?,
        contact_id: row.get(7)?,
        calls: natural(row.get(8)?),
    })
}

pub(super) fn read_cells(text: &str) -> Result<Cells> {
    Ok(parse::<StoredCells<String, serde_json::Value>>("a row", text)?.cells())
}
