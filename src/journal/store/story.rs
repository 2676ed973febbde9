//! The SQL of the story of one contact. There is no index from contacts to rows and calls, which would cost each of them a write:
//! the tables are read as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

use super::attempts::{attempt_of, kind_of};
use super::compact::Owner;
use super::ids::StoredId;
use super::keys::KeyParts;
use super::listing::state_name;
use super::stored_cells::StoredCells;
use super::{FIRST_IN_MEMORY, Result, Store, integer, natural, state};
use crate::core::model::RemoteState;
use crate::core::selection::ContactRef;
use crate::core::time::Timestamp;
use crate::journal::story::{NamedRow, StoredStory, StoryCall, StoryRejection, StoryRow, StoryRun};

/// The rows of a contact in a run: line, state and reason. The state of a pending row is 0.
const ROWS: &str = "SELECT items.line, items.state, coalesce(open_rows.reason, items.reason), items.row FROM items
     LEFT JOIN open_rows ON open_rows.run = items.run AND open_rows.row = items.row
     WHERE items.run = ?1 AND items.contact = ?2 AND items.state <> ?3
     UNION ALL SELECT line, 0, NULL, row FROM pending WHERE run = ?1 AND contact = ?2 ORDER BY 4";

impl Store {
    pub(in crate::journal) fn story(&self, contact: i64) -> Result<Option<StoredStory>> {
        let mut query = self.db.prepare("SELECT channel, field, value FROM contacts WHERE number = ?1")?;
        let found: Option<(i64, i64, String)> =
            query.query_row([contact], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((channel_number, field, value)) = found else { return Ok(None) };
        let parts = KeyParts::stored(self, field, value)?;
        let channel = self.channels.text(self, channel_number)?.to_string();
        let stored = self.find_contact(channel_number, &parts)?;
        let remote_state = stored.map_or(Ok(RemoteState::Unknown), |stored| stored.remote_state(self, &parts))?;
        let match_field = match &remote_state {
            RemoteState::Known(known) => parts.match_field(self, known),
            RemoteState::Unknown | RemoteState::InDoubt(_) => None,
        };
        Ok(Some(StoredStory {
            key: parts.shown(),
            aliases: self.aliases_of(contact)?,
            match_field,
            remote_state,
            runs: self.runs_of(contact, &parts)?,
            rejections: self.rejections_of(contact)?,
            missing: self.missing_since(contact)?,
            channel,
        }))
    }

    fn aliases_of(&self, contact: i64) -> Result<Vec<String>> {
        let mut query = self.db.prepare("SELECT field, value FROM aliases WHERE contact = ?1 ORDER BY field, value")?;
        let found = query.query_map([contact], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found = found.collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
        found.into_iter().map(|(field, value)| Ok(KeyParts::stored(self, field, value)?.shown())).collect()
    }

    fn runs_of(&self, contact: i64, parts: &KeyParts<'_>) -> Result<Vec<StoryRun>> {
        let mut query = self.db.prepare(
            "SELECT run FROM items WHERE contact = ?1 AND state <> ?2 UNION SELECT run FROM pending WHERE contact = ?1
             UNION SELECT run FROM calls WHERE contact = ?1 UNION SELECT run FROM values_before WHERE contact = ?1",
        )?;
        let runs = query.query_map(params![contact, state::SKIPPED], |row| row.get(0))?;
        let runs = runs.collect::<rusqlite::Result<BTreeSet<i64>>>()?;
        let mut found = Vec::new();
        for number in runs {
            let Some(run) = self.run(number)? else { continue };
            found.push(StoryRun {
                is_by_hand: self.is_by_hand(number)?,
                rows: self.story_rows(number, contact)?,
                calls: self.story_calls(number, contact)?,
                written: self.written(number, Owner { number: contact, key: parts.value() })?,
                run,
            });
        }
        Ok(found)
    }

    fn story_rows(&self, run: i64, contact: i64) -> Result<Vec<StoryRow>> {
        let mut query = self.db.prepare_cached(ROWS)?;
        let mut rows = query.query(params![run, contact, state::SKIPPED])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(story_row(row)?);
        }
        Ok(found)
    }

    fn story_calls(&self, run: i64, contact: i64) -> Result<Vec<StoryCall>> {
        let mut query = self.db.prepare_cached(
            "SELECT kind, asked, started_at, took, result, detail FROM calls
             WHERE run = ?1 AND contact = ?2 ORDER BY number",
        )?;
        let mut rows = query.query([run, contact])?;
        let mut calls = Vec::new();
        while let Some(row) = rows.next()? {
            let (asked, took, result): (Option<i64>, Option<i64>, Option<i64>) =
                (row.get(1)?, row.get(3)?, row.get(4)?);
            let detail: Option<StoredId> = row.get(5)?;
            calls.push(StoryCall {
                kind: kind_of(row.get(0)?)?,
                asked: asked.map(|asked| self.asked_of(asked)).transpose()?,
                started_at: Timestamp::from_millis(natural(row.get(2)?)),
                took: took.map(|took| Duration::from_millis(natural(took))),
                attempt: result.map(|result| attempt_of(result, detail)).transpose()?,
            });
        }
        Ok(calls)
    }

    fn rejections_of(&self, contact: i64) -> Result<Vec<StoryRejection>> {
        let mut query =
            self.db.prepare("SELECT tries, tried_at, reason FROM rejections WHERE contact = ?1 ORDER BY tried_at")?;
        let found = query.query_map([contact], |row| {
            Ok(StoryRejection {
                tries: u32::try_from(row.get::<_, i64>(0)?).unwrap_or(u32::MAX),
                tried_at: Timestamp::from_millis(natural(row.get(1)?)),
                reason: row.get(2)?,
            })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn missing_since(&self, contact: i64) -> Result<Vec<(String, Timestamp)>> {
        let mut query = self.db.prepare(
            "SELECT snapshots.source, missing_contacts.since FROM missing_contacts
             JOIN snapshots ON snapshots.id = missing_contacts.snapshot
             WHERE missing_contacts.contact = ?1 AND missing_contacts.is_sure ORDER BY snapshots.source",
        )?;
        let found =
            query.query_map([contact], |row| Ok((row.get(0)?, Timestamp::from_millis(natural(row.get(1)?)))))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    pub(in crate::journal) fn rows_without_contact(&self, name: &ContactRef) -> Result<Vec<StoryRun>> {
        let line = match name {
            ContactRef::Line(line) => Some(integer(*line)),
            ContactRef::Match(_) => None,
            ContactRef::Id(_) => return Ok(Vec::new()),
        };
        let mut query = self.db.prepare(
            "SELECT items.line, items.state, coalesce(open_rows.reason, items.reason), items.row, items.run,
                 coalesce(open_rows.cells, items.cells)
             FROM items LEFT JOIN open_rows ON open_rows.run = items.run AND open_rows.row = items.row
             WHERE items.contact IS NULL AND (items.line = ?1 OR ?1 IS NULL AND coalesce(open_rows.cells, items.cells) IS NOT NULL)
                 AND items.run IN
                 (SELECT id FROM runs WHERE undoes IS NULL AND sync =
                     (SELECT max(sync) FROM runs WHERE state <> 'planning' AND undoes IS NULL))
             ORDER BY items.run, items.row",
        )?;
        let mut rows = query.query([line])?;
        let mut found: Vec<StoryRun> = Vec::new();
        while let Some(row) = rows.next()? {
            let cells: Option<String> = row.get(5)?;
            if line.is_none() && !cells.is_some_and(|cells| has_cell(&cells, name)) {
                continue;
            }
            let (number, story_row) = (row.get(4)?, story_row(row)?);
            if let Some(last) = found.last_mut().filter(|last| last.run.id == number) {
                last.rows.push(story_row);
                continue;
            }
            let Some(run) = self.run(number)? else { continue };
            found.push(StoryRun { run, is_by_hand: false, rows: vec![story_row], calls: Vec::new(), written: None });
        }
        Ok(found)
    }

    pub(in crate::journal) fn named_rows(&self, sync: i64, line: Option<u64>) -> Result<Vec<NamedRow>> {
        let runs: Vec<i64> = {
            let mut query = self.db.prepare("SELECT id FROM runs WHERE sync = ?1 ORDER BY id")?;
            let runs = query.query_map([sync], |row| row.get(0))?;
            runs.collect::<rusqlite::Result<_>>()?
        };
        let named: BTreeSet<i64> = {
            let plans = self.plans.borrow();
            let plans = plans.finished.values().filter(|plan| runs.contains(&plan.run));
            plans.flat_map(|plan| plan.named.iter().copied()).collect()
        };
        let mut found = Vec::new();
        for run in runs {
            for &contact in &named {
                let key = self.key_of_planned(sync, (run, contact))?.map(|key| key.shown());
                let stored = (contact < FIRST_IN_MEMORY).then_some(contact);
                let rows = self.story_rows(run, contact)?;
                found.extend(rows.into_iter().map(|row| NamedRow { contact: stored, key: key.clone(), row }));
            }
            let Some(line) = line else { continue };
            let mut query = self.db.prepare_cached(
                "SELECT line, state, reason, row FROM items WHERE run = ?1 AND line = ?2 AND contact IS NULL",
            )?;
            let mut rows = query.query([run, integer(line)])?;
            while let Some(row) = rows.next()? {
                found.push(NamedRow { contact: None, key: None, row: story_row(row)? });
            }
        }
        found.sort_by_key(|named| named.row.line);
        Ok(found)
    }
}

// From the columns line, state and reason.
fn story_row(row: &Row<'_>) -> Result<StoryRow> {
    Ok(StoryRow { line: natural(row.get(0)?), state: state_name(row.get(1)?)?, reason: row.get(2)? })
}

// Whether a stored row has a cell with what is named.
fn has_cell(cells: &str, name: &ContactRef) -> bool {
    serde_json::from_str(cells)
        .is_ok_and(|cells: StoredCells<String, serde_json::Value>| name.matches_row(&cells.cells()))
}
