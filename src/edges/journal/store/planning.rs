//! The SQL of planning: rows become items, compared with what is known.

use rusqlite::{OptionalExtension, params};

use super::{Result, Store, integer, json, millis, outcome_columns};
use crate::core::channel::WindowId;
use crate::core::model::{Contact, Key};
use crate::core::plan::{Decision, Forecast, decide, forecast};
use crate::core::task::{Outcome, Policy, Task};
use crate::core::time::Timestamp;
use crate::edges::journal::rows::{NO_CHANNEL, NewRun, Planned, Planning, RunState, Settled};

/// How many pending items a forecast reads at a time.
const FORECAST_PAGE: u32 = 1_000;

impl Store {
    pub(in crate::edges::journal) fn salt(&self) -> Result<Vec<u8>> {
        Ok(self.db.query_row("SELECT value FROM salt", [], |row| row.get(0))?)
    }

    pub(in crate::edges::journal) fn channel_url(&self, channel: &str) -> Result<Option<String>> {
        let mut query = self.db.prepare_cached(
            "SELECT url FROM channels WHERE name = ?1 AND EXISTS (SELECT 1 FROM known WHERE channel = ?1)",
        )?;
        Ok(query.query_row([channel], |row| row.get(0)).optional()?)
    }

    // A plan has runs of its own: `main` has those that were sent.
    pub(in crate::edges::journal) fn ended_lately(&self, channel: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
        let mut query = self.db.prepare_cached(
            "SELECT window FROM main.runs WHERE channel = ?1 AND window <> '' ORDER BY id DESC LIMIT 1",
        )?;
        let window: Option<String> = query.query_row([channel], |row| row.get(0)).optional()?;
        window.map_or_else(|| Ok(Vec::new()), |window| self.ended_since(&WindowId::from_journal(window), since))
    }

    pub(in crate::edges::journal) fn known_by_others(&self, channel: &str, matches: &[String]) -> Result<Option<Key>> {
        let mut query =
            self.db.prepare_cached("SELECT key FROM known WHERE channel = ?1 AND key NOT LIKE 'contact_id=%'")?;
        let mut rows = query.query([channel])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            let key = Key::parse_match(&text);
            let is_ours = match &key {
                Some(Key::Match { field, .. }) => matches.contains(field),
                Some(Key::Id(_) | Key::Row { .. }) | None => matches.is_empty(),
            };
            if !is_ours {
                return Ok(Some(key.unwrap_or(Key::Row { digest: String::new(), nth: 0 })));
            }
        }
        Ok(None)
    }

    pub(in crate::edges::journal) fn move_channel(&self, channel: &str, url: &str) -> Result<()> {
        self.db.execute("UPDATE channels SET url = ?2 WHERE name = ?1", [channel, url])?;
        // What is left of a run is left there: it is resumed where its contacts are.
        self.db.execute(
            "UPDATE runs SET url = ?2 WHERE channel = ?1 AND state IN ('planned', 'sending', 'stopped', 'failed')",
            [channel, url],
        )?;
        Ok(())
    }

    pub(in crate::edges::journal) fn begin_plan(&self, runs: &[NewRun]) -> Result<Vec<Planning>> {
        let mut begun: Vec<Planning> = Vec::with_capacity(runs.len());
        for new in runs {
            let run = self.begin_run(new, begun.first().map(|first| first.run))?;
            begun.push(Planning { run, channel: new.channel.clone(), policy: new.policy });
        }
        Ok(begun)
    }

    fn begin_run(&self, run: &NewRun, first: Option<i64>) -> Result<i64> {
        let stale = "SELECT id FROM runs WHERE channel = ?1 AND state = 'planning'";
        self.db.execute(&format!("DELETE FROM new_aliases WHERE run IN ({stale})"), [&run.channel])?;
        self.db.execute(&format!("DELETE FROM items WHERE run IN ({stale})"), [&run.channel])?;
        self.db.execute("DELETE FROM runs WHERE channel = ?1 AND state = 'planning'", [&run.channel])?;
        self.db.execute(
            "INSERT INTO runs (sync, channel, url, kind, rate, input, policy, state, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'planning', ?8)",
            params![
                first.unwrap_or_default(),
                run.channel,
                run.url,
                run.kind,
                run.rate,
                run.input,
                json(&run.policy),
                millis(run.now)
            ],
        )?;
        let id = self.db.last_insert_rowid();
        if first.is_none() {
            self.db.execute("UPDATE runs SET sync = id WHERE id = ?1", [id])?;
        }
        Ok(id)
    }

    pub(in crate::edges::journal) fn plan_rows(
        &self,
        runs: &[Planning],
        rows: &[(usize, Planned)],
    ) -> Result<Vec<Settled>> {
        rows.iter().map(|(at, row)| self.plan_row(&runs[*at], row)).collect()
    }

    fn plan_row(&self, planning: &Planning, planned: &Planned) -> Result<Settled> {
        let Planning { run, ref channel, policy } = *planning;
        let (row, line, contact) = match planned {
            Planned::Contact { row, line, contact } => (*row, *line, contact),
            Planned::Rejected(rejection) => {
                let reason = rejection.to_string();
                self.insert_item(run, rejection.row, rejection.line, None, "rejected", Some(&reason), None)?;
                return Ok(Settled::Done { line: rejection.line, outcome: Outcome::Rejected(reason) });
            }
        };
        let contact = &self.as_known(run, channel, self.among_equals(run, contact)?)?;
        let key = contact.key().to_string();
        let mut merge = self.db.prepare_cached(
            "UPDATE items SET state = 'merged', contact = NULL, reason = 'a later row is the same contact'
             WHERE run = ?1 AND key = ?2 AND state <> 'merged'",
        )?;
        merge.execute(params![run, key])?;
        let standing = self.standing(channel, &key)?;
        match decide(contact, &standing, policy) {
            Decision::Done(outcome) => {
                let (state, reason) = outcome_columns(&outcome);
                self.insert_item(run, row, line, Some(&key), state, reason, None)?;
                Ok(Settled::Done { line, outcome })
            }
            Decision::Pending(_) => {
                self.insert_item(run, row, line, Some(&key), "pending", None, Some(&json(contact)))?;
                Ok(Settled::Pending)
            }
        }
    }

    // A contact with several match fields is one contact, whichever of them a row has.
    fn as_known(&self, run: i64, channel: &str, contact: Contact) -> Result<Contact> {
        let mut find = self.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key = ?2 AND state <> 'merged'
             UNION ALL SELECT key FROM new_aliases WHERE run = ?1 AND value = ?2
             UNION ALL SELECT key FROM known WHERE channel = ?3 AND key = ?2
             UNION ALL SELECT key FROM aliases WHERE channel = ?3 AND value = ?2 LIMIT 1",
        )?;
        let values: Vec<String> = contact.matches().iter().map(|field| Key::of(field).to_string()).collect();
        let mut known = None;
        for (nth, value) in values.iter().enumerate() {
            let found: Option<String> = find.query_row(params![run, value, channel], |row| row.get(0)).optional()?;
            let Some(key) = found.as_deref().and_then(Key::parse_match) else { continue };
            // Whoever has another value in a field that is tried before is somebody else, who shares this one.
            if !contact.matches()[..nth].iter().any(|field| key.is_another(field)) {
                known = Some(key);
                break;
            }
        }
        let contact = match known {
            Some(key) => contact.known_as(key),
            None => contact,
        };
        if values.len() > 1 {
            let key = contact.key().to_string();
            let mut note = self.db.prepare_cached(
                "INSERT OR REPLACE INTO new_aliases (run, value, key) SELECT ?1, ?2, ?3 WHERE ?2 <> ?3",
            )?;
            for value in &values {
                note.execute(params![run, value, key])?;
            }
        }
        Ok(contact)
    }

    // A contact without a key of its own is one more of the rows with its content.
    fn among_equals(&self, run: i64, contact: &Contact) -> Result<Contact> {
        let digest = match contact.key() {
            Key::Row { digest, .. } => digest,
            Key::Match { .. } | Key::Id(_) => return Ok(contact.clone()),
        };
        let mut newest = self.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key > ?2 AND key < ?3 AND state <> 'merged' ORDER BY key DESC LIMIT 1",
        )?;
        // The key ends in a point and eight digits, and the sign after the point is the slash.
        let last: Option<String> = newest
            .query_row(params![run, format!("#{digest}."), format!("#{digest}/")], |row| row.get(0))
            .optional()?;
        let nth = last.and_then(|key| key.rsplit('.').next().and_then(|nth| nth.parse::<u32>().ok())).unwrap_or(0);
        Ok(contact.clone().as_nth(nth + 1))
    }

    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    fn insert_item(
        &self,
        run: i64,
        row: u64,
        line: u64,
        key: Option<&str>,
        state: &str,
        reason: Option<&str>,
        contact: Option<&str>,
    ) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO items (run, row, line, key, state, reason, contact) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![run, integer(row), integer(line), key, state, reason, contact])?;
        Ok(())
    }

    pub(in crate::edges::journal) fn finish_plan(&self, runs: &[Planning]) -> Result<()> {
        for planning in runs {
            self.finish_run(planning.run, &planning.channel)?;
        }
        Ok(())
    }

    fn finish_run(&self, run: i64, channel: &str) -> Result<()> {
        // What belongs to no channel is never sent.
        let state = if channel == NO_CHANNEL { RunState::Finished } else { RunState::Planned };
        self.db.execute("UPDATE runs SET state = ?2 WHERE id = ?1", params![run, state.name()])?;
        if channel == NO_CHANNEL {
            let empty = "id = ?1 AND NOT EXISTS (SELECT 1 FROM items WHERE run = ?1)";
            self.db.execute(&format!("DELETE FROM runs WHERE {empty}"), [run])?;
        }
        if self.dry {
            return Ok(());
        }
        self.db.execute(
            "INSERT OR REPLACE INTO aliases (channel, value, key) SELECT ?2, value, key FROM new_aliases WHERE run = ?1",
            params![run, channel],
        )?;
        self.db.execute("DELETE FROM new_aliases WHERE run = ?1", [run])?;
        let left = "channel = ?1 AND id < ?2 AND state IN ('planned', 'sending', 'stopped', 'failed')";
        self.db.execute(
            &format!(
                "UPDATE items SET contact = NULL WHERE state = 'pending' AND run IN (SELECT id FROM runs WHERE {left})"
            ),
            params![channel, run],
        )?;
        self.db.execute(&format!("UPDATE runs SET state = 'replaced' WHERE {left}"), params![channel, run])?;
        // The bulk of a nightly run's rows. Their counts stay in the run's summary.
        let done = "channel = ?1 AND id < ?2 AND summary IS NOT NULL AND NOT pruned";
        self.db.execute(
            &format!(
                "DELETE FROM items WHERE state IN ('unchanged', 'merged') AND run IN (SELECT id FROM runs WHERE {done})"
            ),
            params![channel, run],
        )?;
        self.db.execute(&format!("UPDATE runs SET pruned = 1 WHERE {done}"), params![channel, run])?;
        Ok(())
    }

    pub(in crate::edges::journal) fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast> {
        let mut sum = Forecast::default();
        let mut after = 0;
        loop {
            let page = self.pending_contacts(run, after, FORECAST_PAGE)?;
            let Some(last) = page.last() else { return Ok(sum) };
            after = last.0;
            for (_, _, contact) in page {
                let standing = self.standing(channel, &contact.key().to_string())?;
                let task = Task::new(contact, standing, policy, &[], Timestamp::default());
                sum += forecast(&task, policy.mode);
            }
        }
    }
}
