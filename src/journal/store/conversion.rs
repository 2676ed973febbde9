//! Replaces the values of a journal with hashes.
//!
//! It is one transaction: a kill leaves the journal as it was. No other process has the journal open meanwhile, since that one
//! would look for contacts by their values. Afterwards the file is written anew, because deleted values may be left in its pages.

use std::path::Path;

use rusqlite::params;

use super::attempts::{attempt_of, detail};
use super::checked_json::parse_checked;
use super::compact::{self, Owner};
use super::hashing::Texts;
use super::ids::StoredId;
use super::keys::KeyParts;
use super::readings::PULL;
use super::state;
use super::{RESUMABLE, Result, Store};
use crate::core::kept_values::KeptValues;
use crate::core::verification::Difference;
use crate::journal::JournalError;

/// Number of rows that are in memory at a time.
const TOGETHER: i64 = if cfg!(test) { 3 } else { 2_000 };

/// What a removed reason is replaced with.
const REMOVED: &str = "the reason was removed when the journal began to keep hashes";

/// The index of contacts by their keys, which is made anew because every key changes.
const BY_KEY: &str = "CREATE UNIQUE INDEX contacts_by_key ON contacts (channel, field, value)";

/// A contact: its number, field and value, its id with what is known of it, and its doubt.
type Stored = (i64, i64, String, Option<(String, Vec<u8>)>, Option<Vec<u8>>);

impl Store {
    /// Makes the journal keep values like this from now on. Returns whether its values were replaced with hashes.
    pub(super) fn keep(&self, path: &Path, kept: Option<KeptValues>, is_alone: bool) -> Result<bool> {
        let mut query = self.db.prepare("SELECT are_hashed, is_swept FROM kept_values")?;
        let (are_hashed, is_swept): (bool, bool) = query.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop(query);
        let is_converted = match kept {
            Some(KeptValues::Hashed) if !are_hashed => {
                if !is_alone {
                    return Err(JournalError::InUseToHash { path: path.to_owned() });
                }
                self.begin().and_then(|()| self.convert()).and_then(|()| self.commit()).inspect_err(|_| {
                    self.roll_back();
                })?;
                true
            }
            Some(KeptValues::Plain) if are_hashed => {
                self.begin()?;
                self.db.execute("UPDATE kept_values SET are_hashed = 0", [])?;
                self.commit()?;
                false
            }
            Some(KeptValues::Plain | KeptValues::Hashed) | None => false,
        };
        if is_converted || (!is_swept && is_alone) {
            self.sweep()?;
        }
        self.load_hashing()?;
        Ok(is_converted)
    }

    // Removes what is left of deleted values.
    fn sweep(&self) -> Result<()> {
        self.db.execute_batch("VACUUM")?;
        self.empty_log()?;
        self.db.execute("UPDATE kept_values SET is_swept = 1", [])?;
        Ok(())
    }

    /// Copies the log into the file and empties it, unless another process reads it.
    pub(super) fn empty_log(&self) -> Result<()> {
        let mut checkpoint = self.db.prepare("PRAGMA wal_checkpoint(TRUNCATE)")?;
        checkpoint.query_row([], |_| Ok(()))?;
        Ok(())
    }

    fn convert(&self) -> Result<()> {
        self.db.execute("UPDATE kept_values SET has_hashes = 1, are_hashed = 1, is_swept = 0", [])?;
        self.forget_numbers();
        self.load_hashing()?;
        // What processes left that were killed while they planned, and a pull that is not continued.
        self.db.execute_batch(&format!(
            "DELETE FROM merging; DELETE FROM new_aliases; DELETE FROM shown_contacts; DELETE FROM shown_aliases;
             DELETE FROM readings WHERE kind = {PULL} AND NOT ended;"
        ))?;
        self.convert_pending()?;
        self.convert_values_before()?;
        self.convert_contacts()?;
        self.convert_aliases()?;
        self.convert_items()?;
        self.convert_calls()?;
        self.convert_differences()
    }

    // While the contacts have their keys as they were.
    fn convert_pending(&self) -> Result<()> {
        let (mut run, mut row) = (i64::MIN, i64::MIN);
        loop {
            let mut query = self.db.prepare_cached(
                "SELECT run, row, contact, content FROM pending WHERE (run, row) > (?1, ?2) ORDER BY run, row LIMIT ?3",
            )?;
            let page = query.query_map([run, row, TOGETHER], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Vec<u8>>(3)?))
            })?;
            let page: Vec<(i64, i64, i64, Vec<u8>)> = page.collect::<rusqlite::Result<_>>()?;
            let Some((last_run, last_row, ..)) = page.last() else { return Ok(()) };
            (run, row) = (*last_run, *last_row);
            for (run, row, number, content) in page {
                // Of a plan that is dropped by the next one.
                let Some(key) = self.key_of_contact(number)? else { continue };
                let contact = compact::read_contact(self, Owner { number, key: key.value() }, &key, &content)?;
                let key = self.kept_key(key);
                let content = compact::contact_bytes(self, Owner { number, key: key.value() }, &contact)?;
                let mut update =
                    self.db.prepare_cached("UPDATE pending SET content = ?3 WHERE run = ?1 AND row = ?2")?;
                update.execute(params![run, row, content])?;
            }
        }
    }

    // What an interrupted undo still needs stays until it is over.
    fn convert_values_before(&self) -> Result<()> {
        self.close_values_before()?;
        let mut query = self.db.prepare("SELECT run, contact FROM values_before")?;
        let left = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (run, number) in left.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            let Some(key) = self.key_of_contact(number)? else { continue };
            let Some(written) = self.written(run, Owner { number, key: key.value() })? else { continue };
            let key = self.kept_key(key);
            let content = compact::written_bytes(self, Owner { number, key: key.value() }, &written)?;
            let mut update =
                self.db.prepare_cached("UPDATE values_before SET content = ?3 WHERE run = ?1 AND contact = ?2")?;
            update.execute(params![run, number, content])?;
        }
        Ok(())
    }

    fn convert_contacts(&self) -> Result<()> {
        self.db.execute_batch("DROP INDEX contacts_by_key")?;
        let mut last = i64::MIN;
        loop {
            let mut query = self.db.prepare_cached(
                "SELECT contacts.number, contacts.field, contacts.value, states.id, states.content, doubts.content
                 FROM contacts LEFT JOIN states ON states.contact = contacts.number
                 LEFT JOIN doubts ON doubts.contact = contacts.number
                 WHERE contacts.number > ?1 ORDER BY contacts.number LIMIT ?2",
            )?;
            let page = query.query_map([last, TOGETHER], |row| {
                let id: Option<StoredId> = row.get(3)?;
                let state = id.map(|StoredId(id)| Ok::<_, rusqlite::Error>((id, row.get(4)?))).transpose()?;
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, state, row.get(5)?))
            })?;
            let page: Vec<Stored> = page.collect::<rusqlite::Result<_>>()?;
            let Some((number, ..)) = page.last() else { break };
            last = *number;
            for (number, field, value, state, doubt) in page {
                let key = KeyParts::stored(self, field, value)?;
                let new = self.kept_key(key.clone());
                let (before, after) = (Owner { number, key: key.value() }, Owner { number, key: new.value() });
                if let Some((id, content)) = state {
                    let known = compact::read_known(self, before, &id, &content)?;
                    let content = compact::known_bytes(self, after, &known)?;
                    self.db
                        .prepare_cached("UPDATE states SET content = ?2 WHERE contact = ?1")?
                        .execute(params![number, content])?;
                }
                if let Some(content) = doubt {
                    let doubt = compact::read_doubt(self, before, &key, &content)?;
                    let content = compact::doubt_bytes(self, after, &doubt)?;
                    self.db
                        .prepare_cached("UPDATE doubts SET content = ?2 WHERE contact = ?1")?
                        .execute(params![number, content])?;
                }
                self.db
                    .prepare_cached("UPDATE contacts SET value = ?2 WHERE number = ?1")?
                    .execute(params![number, new.value()])?;
            }
        }
        self.db.execute_batch(BY_KEY)?;
        Ok(())
    }

    // Beside each other in a temporary table, since the value is a part of the key.
    fn convert_aliases(&self) -> Result<()> {
        self.db.execute_batch(
            "CREATE TEMP TABLE hashed_aliases (channel INTEGER, field INTEGER, value TEXT, contact INTEGER)",
        )?;
        {
            let mut query = self.db.prepare("SELECT channel, field, value, contact FROM aliases")?;
            let mut insert = self.db.prepare("INSERT INTO hashed_aliases VALUES (?1, ?2, ?3, ?4)")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let (channel, field, contact): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(3)?);
                let value = self.kept_key(KeyParts::stored(self, field, row.get(2)?)?);
                insert.execute(params![channel, field, value.value(), contact])?;
            }
        }
        self.db.execute_batch(
            "DELETE FROM aliases;
             INSERT OR REPLACE INTO aliases (channel, field, value, contact)
                 SELECT channel, field, value, contact FROM hashed_aliases ORDER BY channel, field, value;
             DROP TABLE hashed_aliases;",
        )?;
        Ok(())
    }

    // The lists of an input that can be resumed still need its rows. Of other rejected rows, the values are not known any more
    // that their reasons may quote.
    fn convert_items(&self) -> Result<()> {
        let rejected = format!("state IN ({}, {})", state::REJECTED, state::REPEATED);
        self.db.execute_batch(&format!(
            "INSERT OR IGNORE INTO open_rows (run, row, reason, cells)
                 SELECT run, row, reason, cells FROM items WHERE {rejected} AND reason <> '{REMOVED}'
                     AND run IN (SELECT id FROM runs WHERE sync IN (
                         SELECT sync FROM runs WHERE state IN {RESUMABLE}
                         UNION ALL SELECT sync FROM listings WHERE NOT written));
             UPDATE items SET cells = NULL WHERE cells IS NOT NULL;
             UPDATE items SET reason = '{REMOVED}' WHERE {rejected};
             UPDATE rejections SET reason = '{REMOVED}';"
        ))?;
        let mut query =
            self.db.prepare("SELECT id, reason, summary FROM runs WHERE reason IS NOT NULL OR summary IS NOT NULL")?;
        let runs = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let runs: Vec<(i64, Option<String>, Option<String>)> = runs.collect::<rusqlite::Result<_>>()?;
        for (run, reason, summary) in runs {
            let reason = reason.map(|reason| self.kept_reason(&reason));
            let summary = summary.map(|summary| self.kept_summary(&summary));
            let mut update = self.db.prepare_cached("UPDATE runs SET reason = ?2, summary = ?3 WHERE id = ?1")?;
            update.execute(params![run, reason, summary])?;
        }
        Ok(())
    }

    fn convert_calls(&self) -> Result<()> {
        let mut last = i64::MIN;
        loop {
            let mut query = self.db.prepare_cached(
                "SELECT number, result, detail FROM calls WHERE number > ?1 AND typeof(detail) = 'text' AND result IS NOT NULL
                 ORDER BY number LIMIT ?2",
            )?;
            let page = query.query_map([last, TOGETHER], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let page: Vec<(i64, i64, Option<StoredId>)> = page.collect::<rusqlite::Result<_>>()?;
            let Some((number, ..)) = page.last() else { return Ok(()) };
            last = *number;
            for (number, result, text) in page {
                let attempt = attempt_of(result, text)?;
                let kept = self.kept_attempt(number, &attempt, Texts::None)?;
                let mut update = self.db.prepare_cached("UPDATE calls SET detail = ?2 WHERE number = ?1")?;
                update.execute(params![number, detail(&kept)])?;
            }
        }
    }

    fn convert_differences(&self) -> Result<()> {
        for (table, rest) in [("differences", ", reading, nth"), ("accepted", ", 0, 0")] {
            let mut query = self.db.prepare(&format!("SELECT contact, difference {rest} FROM {table}"))?;
            let found = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            let found: Vec<(i64, String, i64, i64)> = found.collect::<rusqlite::Result<_>>()?;
            for (contact, text, reading, nth) in found {
                let difference: Difference = parse_checked("a difference", &text)?;
                let kept = self.kept_difference(&difference);
                if table == "accepted" {
                    self.db.execute(
                        "UPDATE OR REPLACE accepted SET difference = ?3 WHERE contact = ?1 AND difference = ?2",
                        params![contact, text, kept],
                    )?;
                } else {
                    self.db.execute(
                        "UPDATE differences SET difference = ?4 WHERE reading = ?1 AND contact = ?2 AND nth = ?3",
                        params![reading, contact, nth, kept],
                    )?;
                }
            }
        }
        Ok(())
    }
}
