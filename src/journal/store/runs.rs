//! The SQL of plans: runs begin, and become the current runs of their channels.

use std::time::Duration;

use rusqlite::{OptionalExtension, ToSql, params};

use super::{Result, Store, json, millis, natural};
use crate::core::channel::WindowId;
use crate::core::duplicates::Duplicates;
use crate::core::forecast::{Forecast, forecast};
use crate::core::model::Key;
use crate::core::output_format::Listing;
use crate::core::task::{Policy, Task};
use crate::core::time::Timestamp;
use crate::journal::rows::{Extent, NO_CHANNEL, NewPlan, NewRun, Plan, PlanningRun, RunState};

/// Maximum mean duration of calls that is read from a journal. Calls time out far sooner.
const LONGEST_LATENCY: Duration = Duration::from_mins(10);

/// Number of the latest calls, without answers with 429, from which the mean duration is computed.
const LATENCY_OF: u32 = 100;

/// Number of pending items that a forecast reads at a time.
const FORECAST_PAGE: u32 = 1_000;

impl Store {
    pub(in crate::journal) fn salt(&self) -> Result<Vec<u8>> {
        Ok(self.db.query_row("SELECT value FROM salt", [], |row| row.get(0))?)
    }

    pub(in crate::journal) fn channel_url(&self, channel: &str) -> Result<Option<String>> {
        let mut query = self.db.prepare_cached(
            "SELECT url FROM channels WHERE name = ?1 AND EXISTS (SELECT 1 FROM known WHERE channel = ?1)",
        )?;
        Ok(query.query_row([channel], |row| row.get(0)).optional()?)
    }

    pub(in crate::journal) fn ended_lately(&self, channel: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
        self.last_window(channel)?.map_or_else(|| Ok(Vec::new()), |window| self.ended_since(&window, since))
    }

    pub(in crate::journal) fn mean_latency_of(&self, channel: &str) -> Result<Option<Duration>> {
        self.last_window(channel)?.map_or(Ok(None), |window| self.mean_latency(&window))
    }

    pub(in crate::journal) fn mean_latency(&self, window: &WindowId) -> Result<Option<Duration>> {
        let mut query = self.db.prepare_cached(
            "SELECT avg(took) FROM (
                 SELECT max(ended_at - started_at, 0) AS took FROM calls
                 WHERE window = ?1 AND result NOT IN ('lost', 'unsent', 'throttled') ORDER BY started_at DESC LIMIT ?2)",
        )?;
        let millis: Option<f64> = query.query_row(params![window.as_str(), LATENCY_OF], |row| row.get(0))?;
        let seconds = millis.map(|millis| (millis / 1_000.0).clamp(0.0, LONGEST_LATENCY.as_secs_f64()));
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    // A dry run hides the table with one for its plan, and `main` is the table of the runs that were sent.
    pub(super) fn last_window(&self, channel: &str) -> Result<Option<WindowId>> {
        let mut query = self.db.prepare_cached(
            "SELECT window FROM main.runs WHERE channel = ?1 AND window <> '' ORDER BY id DESC LIMIT 1",
        )?;
        let window: Option<String> = query.query_row([channel], |row| row.get(0)).optional()?;
        Ok(window.map(WindowId::from_journal))
    }

    pub(in crate::journal) fn known_by_others(&self, channel: &str, matches: &[String]) -> Result<Option<Key>> {
        let mut query =
            self.db.prepare_cached("SELECT key FROM known WHERE channel = ?1 AND key NOT LIKE 'contact_id=%'")?;
        let mut rows = query.query([channel])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            let key = Key::parse_match(&text);
            let is_ours = match &key {
                Some(Key::Match { field, .. }) => matches.iter().any(|name| *field == *name),
                Some(Key::Id(_) | Key::Row { .. }) | None => matches.is_empty(),
            };
            if !is_ours {
                return Ok(Some(key.unwrap_or(Key::Row { digest: String::new(), nth: 0 })));
            }
        }
        Ok(None)
    }

    pub(in crate::journal) fn move_channel(&self, channel: &str, url: &str) -> Result<()> {
        self.db.execute("UPDATE channels SET url = ?2 WHERE name = ?1", [channel, url])?;
        // Interrupted runs move too: they are resumed where their contacts are.
        self.db.execute(
            "UPDATE runs SET url = ?2 WHERE channel = ?1 AND state IN ('planned', 'sending', 'stopped', 'failed')",
            [channel, url],
        )?;
        Ok(())
    }

    pub(in crate::journal) fn begin_plan(&self, new: NewPlan) -> Result<Plan> {
        let NewPlan { runs, planner } = new;
        self.hold_all()?;
        let mut begun: Vec<PlanningRun> = Vec::with_capacity(runs.len());
        for new in runs {
            let run = self.begin_run(&new, begun.first().map(|first| first.run))?;
            begun.push(PlanningRun { run, channel: new.channel, policy: new.policy });
        }
        let sync = begun.first().map_or(0, |first| first.run);
        Ok(Plan { sync, runs: begun, planner })
    }

    fn begin_run(&self, run: &NewRun, first: Option<i64>) -> Result<i64> {
        // A process that plans for a channel holds its lock, so an unfinished plan of the channel was left by a process that
        // has ended, together with all runs of the same input. No lock protects the run of no channel: another process may be
        // planning one.
        if run.channel != NO_CHANNEL {
            let left = "SELECT sync FROM runs WHERE channel = ?1 AND state = 'planning'";
            self.drop_runs(&format!("state = 'planning' AND sync IN ({left})"), &run.channel)?;
        }
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

    fn drop_runs(&self, which: &str, value: impl ToSql + Copy) -> Result<()> {
        let runs = format!("SELECT id FROM runs WHERE {which}");
        self.db.execute(&format!("DELETE FROM new_aliases WHERE run IN ({runs})"), [value])?;
        self.db.execute(&format!("DELETE FROM items WHERE run IN ({runs})"), [value])?;
        self.db.execute(&format!("DELETE FROM runs WHERE {which}"), [value])?;
        Ok(())
    }

    pub(in crate::journal) fn drop_plan(&self, plan: &Plan) -> Result<()> {
        for planning in &plan.runs {
            self.drop_runs("id = ?1", planning.run)?;
        }
        Ok(())
    }

    pub(in crate::journal) fn extent(&self, plan: &Plan) -> Result<Extent> {
        let mut extent = Extent::default();
        let mut count = self
            .db
            .prepare_cached("SELECT count(*), count(*) FILTER (WHERE state = 'pending') FROM items WHERE run = ?1")?;
        for planning in &plan.runs {
            let (rows, changes) = count.query_row([planning.run], |row| Ok((row.get(0)?, row.get(1)?)))?;
            extent.rows += natural(rows);
            extent.changes += natural(changes);
        }
        Ok(extent)
    }

    pub(in crate::journal) fn finish_plan(&self, plan: &Plan, listing: Option<&Listing>) -> Result<()> {
        self.hold_all()?;
        if let Some(listing) = listing {
            self.set_listing(plan.sync, listing)?;
        }
        for planning in &plan.runs {
            if plan.planner.duplicates == Duplicates::Merge {
                let kept = "run = ?1 AND state <> 'pending' AND contact IS NOT NULL";
                self.db.execute(&format!("UPDATE items SET contact = NULL WHERE {kept}"), [planning.run])?;
            }
            self.finish_run(planning.run, &planning.channel)?;
        }
        Ok(())
    }

    fn finish_run(&self, run: i64, channel: &str) -> Result<()> {
        // Rows of no channel are never sent.
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
                "UPDATE items SET contact = NULL, cells = NULL WHERE state = 'pending' AND run IN (SELECT id FROM runs WHERE {left})"
            ),
            params![channel, run],
        )?;
        self.db.execute(&format!("UPDATE runs SET state = 'replaced' WHERE {left}"), params![channel, run])?;
        // Most rows of a nightly run are among these. Their counts stay in the run's summary.
        let done = "channel = ?1 AND id < ?2 AND summary IS NOT NULL AND NOT pruned";
        self.db.execute(
            &format!(
                "DELETE FROM items WHERE state IN ('unchanged', 'merged') AND run IN (SELECT id FROM runs WHERE {done})"
            ),
            params![channel, run],
        )?;
        self.db.execute(
            &format!(
                "UPDATE items SET cells = NULL WHERE state = 'rejected' AND run IN (SELECT id FROM runs WHERE {done})"
            ),
            params![channel, run],
        )?;
        self.db.execute(&format!("UPDATE runs SET pruned = 1 WHERE {done}"), params![channel, run])?;
        Ok(())
    }

    pub(in crate::journal) fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast> {
        let mut sum = Forecast::default();
        let mut after = 0;
        loop {
            let page = self.pending_contacts(run, after, FORECAST_PAGE)?;
            let Some(last) = page.last() else { return Ok(sum) };
            after = last.0;
            for (_, _, contact) in page {
                let remote_state = self.remote_state(channel, &contact.key().to_string())?;
                let task = Task::new(contact, remote_state, policy, &[], Timestamp::default());
                sum += forecast(&task, policy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::diff::TagsMode;
    use crate::core::model::{Mode, Rejection};
    use crate::core::planner::Planner;
    use crate::journal::{Journal, Planned};

    fn new(channels: &[&str]) -> NewPlan {
        let policy = Policy {
            mode: Mode::Upsert,
            tags_mode: TagsMode::Add,
            search_lag: Duration::ZERO,
            retry_in_doubt: false,
            search_first: false,
        };
        let run = |channel: &&str| NewRun {
            channel: (*channel).to_owned(),
            url: String::new(),
            kind: String::new(),
            rate: 100,
            input: String::new(),
            policy,
            now: Timestamp::default(),
        };
        let runs = channels.iter().map(run).collect();
        NewPlan { runs, planner: Planner::default() }
    }

    fn rejected(row: u64) -> Planned {
        let rejection = Rejection { row, line: row + 1, column: None, reason: "of no channel".into() };
        Planned::Rejected { rejection, cells: None }
    }

    #[test]
    fn two_processes_that_plan_other_channels_keep_their_rows_of_no_channel() {
        let journal = Journal::in_memory().unwrap();
        let one = journal.begin_plan(new(&["a", NO_CHANNEL])).unwrap();
        journal.plan_rows(&one, vec![(1, rejected(1))]).unwrap();
        let other = journal.begin_plan(new(&["b", NO_CHANNEL])).unwrap();
        journal.plan_rows(&other, vec![(1, rejected(1)), (1, rejected(2))]).unwrap();
        journal.plan_rows(&one, vec![(1, rejected(2)), (1, rejected(3))]).unwrap();
        for (plan, rejected) in [(one, 3), (other, 2)] {
            journal.finish_plan(&plan, None).unwrap();
            assert_eq!(journal.counts_blocking(plan.runs[1].run).unwrap().rejected, rejected);
        }
    }

    #[test]
    fn an_unfinished_plan_of_a_killed_process_is_dropped_with_all_its_runs() {
        let journal = Journal::in_memory().unwrap();
        let left = journal.begin_plan(new(&["a", "b", NO_CHANNEL])).unwrap();
        journal.plan_rows(&left, vec![(0, rejected(1)), (2, rejected(2))]).unwrap();
        // The run of another process has a later number, so that the dropped numbers are not used again.
        let others = journal.begin_plan(new(&["d"])).unwrap();
        let next = journal.begin_plan(new(&["b", "c"])).unwrap();
        for planning in &left.runs {
            assert!(journal.counts_blocking(planning.run).is_err(), "{planning:?}");
        }
        for plan in [others, next] {
            journal.finish_plan(&plan, None).unwrap();
        }
        assert_eq!(journal.runs(10).unwrap().len(), 3);
    }
}
