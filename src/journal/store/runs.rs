//! The SQL of runs: they begin with a plan, and become the current runs of their channels when it is finished.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, ToSql, params};

use super::attempts::result;
use super::compact::{self, Owner};
use super::keys::KeyParts;
use super::planning::{FinishedPlan, OpenPlan, RunPlan};
use super::state;
use super::{RESUMABLE, Result, Store, damaged, integer, json, millis};
use crate::core::forecast::{Forecast, forecast};
use crate::core::guard::RowCounts;
use crate::core::missing::MissingCounts;
use crate::core::model::Key;
use crate::core::output_format::Listing;
use crate::core::task::{Policy, Task};
use crate::core::time::Timestamp;
use crate::core::window_id::WindowId;
use crate::journal::rows::{Extent, FirstRows, NO_CHANNEL, NewPlan, NewRun, Plan, PlanningRun, RunState};
use crate::journal::snapshots::NewSnapshot;

/// Maximum mean duration of calls that is read from a journal. Calls time out far sooner.
const LONGEST_LATENCY: Duration = Duration::from_mins(10);

/// Number of the latest calls, without answers with 429, from which the mean duration is computed.
const LATENCY_OF: u32 = 100;

impl Store {
    pub(in crate::journal) fn salt(&self) -> Result<Vec<u8>> {
        Ok(self.db.query_row("SELECT value FROM salt", [], |row| row.get(0))?)
    }

    pub(in crate::journal) fn channel_url(&self, channel: &str) -> Result<Option<String>> {
        let mut query = self.db.prepare_cached("SELECT number, url FROM channels WHERE name = ?1")?;
        let found: Option<(i64, Option<String>)> =
            query.query_row([channel], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((number, Some(url))) = found else { return Ok(None) };
        Ok(if self.has_known_contacts(number)? { Some(url) } else { None })
    }

    pub(in crate::journal) fn ended_lately(&self, channel: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
        self.last_window(channel)?.map_or_else(|| Ok(Vec::new()), |window| self.ended_since(&window, since))
    }

    pub(in crate::journal) fn mean_latency_of(&self, channel: &str) -> Result<Option<Duration>> {
        self.last_window(channel)?.map_or(Ok(None), |window| self.mean_latency(&window))
    }

    pub(in crate::journal) fn mean_latency(&self, window: &WindowId) -> Result<Option<Duration>> {
        let Some(window) = self.windows.find(self, window.as_str())? else { return Ok(None) };
        let mut query = self.db.prepare_cached(
            "SELECT avg(took) FROM (
                 SELECT max(took, 0) AS took FROM calls INDEXED BY calls_of_window
                 WHERE window = ?1 AND took IS NOT NULL AND result NOT IN (?3, ?4, ?5) ORDER BY number DESC LIMIT ?2)",
        )?;
        let left_out = (result::LOST, result::UNSENT, result::THROTTLED);
        let millis: Option<f64> =
            query.query_row(params![window, LATENCY_OF, left_out.0, left_out.1, left_out.2], |row| row.get(0))?;
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
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(None) };
        for parts in self.fields_of_keys(channel)? {
            let key = Key::parse_match(&parts.shown());
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
            &format!("UPDATE runs SET url = ?2 WHERE channel = ?1 AND state IN {RESUMABLE}"),
            [channel, url],
        )?;
        Ok(())
    }

    pub(in crate::journal) fn begin_plan(&self, new: NewPlan) -> Result<Plan> {
        let NewPlan { runs, planner, lists_rows } = new;
        self.hold_all()?;
        let mut begun: Vec<PlanningRun> = Vec::with_capacity(runs.len());
        for new in runs {
            let run = self.begin_run(&new, begun.first().map(|first| first.run))?;
            begun.push(PlanningRun { run, channel: new.channel, policy: new.policy, now: new.now });
        }
        let sync = begun.first().map_or(0, |first| first.run);
        self.forget_dropped_plans()?;
        let rejected = self.rejected_contacts()?;
        let mut open = OpenPlan::new(sync, lists_rows, rejected, self.suppressed()?, self.has_marks()?);
        for PlanningRun { run, channel, .. } in &begun {
            open.runs.insert(*run, RunPlan::begin(self, self.channel_number(channel)?)?);
        }
        self.plans.borrow_mut().open.insert(sync, open);
        Ok(Plan { sync, runs: begun, planner })
    }

    // Plans that ended with an error elsewhere, whose runs were dropped by now.
    fn forget_dropped_plans(&self) -> Result<()> {
        let mut exists = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1)")?;
        let syncs: Vec<i64> = self.plans.borrow().open.keys().copied().collect();
        for sync in syncs {
            if !exists.query_row([sync], |row| row.get::<_, bool>(0))? {
                self.plans.borrow_mut().open.remove(&sync);
            }
        }
        Ok(())
    }

    fn begin_run(&self, run: &NewRun, first: Option<i64>) -> Result<i64> {
        // A process that plans for a channel holds its lock, so an unfinished plan of the channel was left by a process that
        // has ended, together with all runs of the same input. No lock protects the run of no channel: another process may be
        // planning one.
        if run.channel != NO_CHANNEL {
            let left = "SELECT sync FROM runs WHERE channel = ?1 AND state = 'planning'";
            let mut find = self.db.prepare_cached(left)?;
            // Dropping runs reads all of them.
            if find.exists([&run.channel])? {
                self.drop_runs(&format!("state = 'planning' AND sync IN ({left})"), &run.channel)?;
            }
        }
        let mut insert = self.db.prepare_cached(
            "INSERT INTO runs (sync, channel, url, kind, rate, input, policy, state, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'planning', ?8)",
        )?;
        insert.execute(params![
            first.unwrap_or_default(),
            run.channel,
            run.url,
            run.kind,
            run.rate,
            run.input,
            json(&run.policy),
            millis(run.now)
        ])?;
        let id = self.db.last_insert_rowid();
        if first.is_none() {
            self.db.execute("UPDATE runs SET sync = id WHERE id = ?1", [id])?;
        }
        Ok(id)
    }

    pub(super) fn drop_runs(&self, which: &str, value: impl ToSql + Copy) -> Result<()> {
        let runs = format!("SELECT id FROM runs WHERE {which}");
        for table in ["new_aliases", "merging", "pending", "items", "pending_marks", "open_rows"] {
            self.db.execute(&format!("DELETE FROM {table} WHERE run IN ({runs})"), [value])?;
        }
        self.forget_numbers();
        if !self.is_read_only {
            let blocks =
                format!("SELECT first, last FROM contact_blocks WHERE sync IN (SELECT sync FROM runs WHERE {which})");
            let mut blocks = self.db.prepare(&blocks)?;
            let blocks = blocks.query_map([value], |row| Ok([row.get(0)?, row.get(1)?]))?;
            for block in blocks.collect::<rusqlite::Result<Vec<[i64; 2]>>>()? {
                self.db.execute("DELETE FROM contacts WHERE number BETWEEN ?1 AND ?2", block)?;
                self.db.execute("DELETE FROM contact_blocks WHERE first = ?1", [block[0]])?;
            }
        }
        self.db.execute(&format!("DELETE FROM runs WHERE {which}"), [value])?;
        Ok(())
    }

    pub(in crate::journal) fn drop_plan(&self, plan: &Plan) -> Result<()> {
        self.plans.borrow_mut().open.remove(&plan.sync);
        for planning in &plan.runs {
            self.drop_runs("id = ?1", planning.run)?;
        }
        Ok(())
    }

    pub(in crate::journal) fn extent(&self, plan: &Plan) -> Result<Extent> {
        let plans = self.plans.borrow();
        let open = plans.open.get(&plan.sync).ok_or_else(|| damaged("a plan", "it ended with an error before"))?;
        let sum = |of: fn(&RunPlan) -> u64| open.runs.values().map(of).sum();
        let counts = RowCounts {
            rows: sum(|run| run.rows),
            changes: sum(|run| run.pending - run.deferred),
            rejected: sum(|run| run.rejected),
            missing: MissingCounts::default(),
        };
        let has_marks = |run: &i64| open.missing.get(run).is_some_and(|missing| !missing.due.is_empty());
        let to_send = open.runs.iter().filter(|(run, of_run)| of_run.pending > of_run.deferred || has_marks(run));
        let to_send = to_send.map(|(run, _)| *run).collect();
        Ok(Extent { counts, has_waiting: open.has_waiting, to_send, suppressed: open.suppressed.1 })
    }

    pub(in crate::journal) fn first_rows(&self, sync: i64, which: FirstRows, limit: u32) -> Result<Vec<String>> {
        self.store_staged(sync)?;
        let runs = "run IN (SELECT id FROM runs WHERE sync = ?1)";
        match which {
            FirstRows::Rejected => {
                let mut query = self.db.prepare(&format!(
                    "SELECT line, coalesce((SELECT reason FROM open_rows WHERE run = items.run AND row = items.row), reason)
                     FROM items WHERE {runs} AND state IN (?3, ?4) ORDER BY row LIMIT ?2"
                ))?;
                let rows = query.query_map(params![sync, limit, state::REJECTED, state::REPEATED], |row| {
                    Ok(format!("line {}: {}", row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            }
            FirstRows::Pending => {
                let mut query = self.db.prepare(&format!(
                    "SELECT run, contact, content FROM pending WHERE {runs} AND NOT deferred ORDER BY row LIMIT ?2"
                ))?;
                let rows = query.query_map(params![sync, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                let mut keys = Vec::new();
                for (run, number, content) in rows.collect::<rusqlite::Result<Vec<(i64, i64, Vec<u8>)>>>()? {
                    let Some(key) = self.key_of_planned(sync, (run, number))? else { continue };
                    let contact = compact::read_contact(self, Owner { number, key: key.value() }, &key, &content)?;
                    keys.push(contact.key().shown());
                }
                Ok(keys)
            }
        }
    }

    pub(in crate::journal) fn finish_plan(
        &self,
        plan: &Plan,
        listing: Option<&Listing>,
        snapshots: &[(usize, NewSnapshot)],
    ) -> Result<()> {
        self.hold_all()?;
        if let Some(listing) = listing {
            self.set_listing(plan.sync, listing)?;
        }
        let open = self.plans.borrow_mut().open.remove(&plan.sync);
        let mut open = open.ok_or_else(|| damaged("a plan", "it ended with an error before"))?;
        open.store(self)?;
        self.db.execute("DELETE FROM contact_blocks WHERE sync = ?1", [plan.sync])?;
        let members = Arc::new(open.seen.members());
        if !self.dry {
            open.returned.iter().try_for_each(|contact| self.forget_mark(*contact))?;
        }
        let open = Arc::new(open);
        for (at, PlanningRun { run, channel, policy, now }) in plan.runs.iter().enumerate() {
            let Some(planned) = open.runs.get(run) else { continue };
            let snapshot = snapshots.iter().find(|(of, _)| *of == at).map(|(_, snapshot)| snapshot);
            let missing = open.missing.get(run);
            planned.store(self, *run, snapshot.map_or(0, |snapshot| snapshot.next.kept() as u64))?;
            self.touch_replaced_aliases(*run, channel, planned.channel)?;
            let finished = FinishedPlan {
                run: *run,
                members: Arc::clone(&members),
                forecast: planned.forecast.map(|mut forecast| {
                    if let Some(missing) = missing {
                        forecast += missing.forecast();
                    }
                    (*policy, forecast)
                }),
                keys: self.is_read_only.then(|| Arc::clone(&open)),
                named: Arc::new(open.selected.named.clone()),
            };
            self.finish_run(*run, channel, planned.channel, &finished)?;
            match snapshot {
                Some(snapshot) => self.finish_snapshot(*run, channel, snapshot)?,
                None => self.touch_items(*run, channel, None)?,
            }
            if let Some(missing) = missing {
                self.finish_missing(&plan.runs[at], missing)?;
            }
            if !self.dry {
                self.forget_old_rejections(*now)?;
            }
            self.plans.borrow_mut().finished.insert(channel.clone(), finished);
        }
        Ok(())
    }

    fn finish_run(&self, run: i64, channel: &str, channel_number: i64, plan: &FinishedPlan) -> Result<()> {
        // Rows of no channel are never sent.
        let state = if channel == NO_CHANNEL { RunState::Finished } else { RunState::Planned };
        // There may be a thousand runs.
        let execute = |sql: &str, values: &[&dyn ToSql]| self.db.prepare_cached(sql)?.execute(values);
        execute("UPDATE runs SET state = ?2 WHERE id = ?1", &[&run, &state.name()])?;
        execute("DELETE FROM merging WHERE run = ?1", &[&run])?;
        if channel == NO_CHANNEL {
            self.db.execute("DELETE FROM runs WHERE id = ?1 AND rows = 0", [run])?;
        }
        if self.dry {
            return Ok(());
        }
        execute(
            "INSERT OR REPLACE INTO aliases (channel, field, value, contact)
             SELECT ?2, field, value, contact FROM new_aliases WHERE run = ?1",
            &[&run, &channel_number],
        )?;
        execute("DELETE FROM new_aliases WHERE run = ?1", &[&run])?;
        self.replace_runs(run, channel, plan)?;
        // Most rows of a nightly run are among these. Their counts stay in the run's summary.
        let done = "channel = ?1 AND id < ?2 AND summary IS NOT NULL AND NOT pruned";
        execute(
            &format!("DELETE FROM items WHERE state IN (?3, ?4, ?5) AND run IN (SELECT id FROM runs WHERE {done})"),
            &[&channel, &run, &state::UNCHANGED, &state::MERGED, &state::SKIPPED],
        )?;
        execute(
            &format!(
                "UPDATE items SET cells = NULL WHERE cells IS NOT NULL AND run IN (SELECT id FROM runs WHERE {done})"
            ),
            &[&channel, &run],
        )?;
        execute(&format!("DELETE FROM open_rows WHERE run IN (SELECT id FROM runs WHERE {done})"), &[&channel, &run])?;
        execute(&format!("UPDATE runs SET pruned = 1 WHERE {done}"), &[&channel, &run])?;
        Ok(())
    }

    // Replaces the earlier runs of a channel that can be resumed. Their pending rows are deleted, and so are contacts that only
    // those rows had.
    fn replace_runs(&self, run: i64, channel: &str, plan: &FinishedPlan) -> Result<()> {
        let left = format!("SELECT id FROM runs WHERE channel = ?1 AND id < ?2 AND state IN {RESUMABLE}");
        let mut left = self.db.prepare_cached(&left)?;
        let left = left.query_map(params![channel, run], |row| row.get(0))?;
        for left in left.collect::<rusqlite::Result<Vec<i64>>>()? {
            let mut contacts = self.db.prepare_cached(
                "SELECT contact FROM pending WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM states WHERE contact = pending.contact)
                     AND NOT EXISTS (SELECT 1 FROM doubts WHERE contact = pending.contact)
                     AND NOT EXISTS (SELECT 1 FROM rejections WHERE contact = pending.contact)",
            )?;
            let contacts = contacts.query_map([left], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            self.forget_numbers();
            let mut forget = self.db.prepare_cached("DELETE FROM contacts WHERE number = ?1")?;
            let mut has_forgotten = false;
            for contact in contacts.into_iter().filter(|contact| !plan.members.has(*contact)) {
                forget.execute([contact])?;
                has_forgotten = true;
            }
            if has_forgotten {
                self.db.execute("DELETE FROM aliases WHERE contact NOT IN (SELECT number FROM contacts)", [])?;
            }
            let dropped = self.db.execute("DELETE FROM pending WHERE run = ?1", [left])?;
            self.db.execute("DELETE FROM pending_marks WHERE run = ?1", [left])?;
            self.db.execute(
                "UPDATE runs SET state = 'replaced', dropped = dropped + ?2 WHERE id = ?1",
                params![left, integer(u64::try_from(dropped).unwrap_or(u64::MAX))],
            )?;
        }
        Ok(())
    }

    pub(in crate::journal) fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast> {
        // The plan was made in this process, and nothing was sent since.
        let planned =
            self.plans.borrow().finished.get(channel).filter(|plan| plan.run == run).and_then(|plan| plan.forecast);
        if let Some((_, forecast)) = planned.filter(|(planned, _)| *planned == policy)
            && !self.has_calls(run)?
        {
            return Ok(forecast);
        }
        let mut sum = Forecast::default();
        let undoes = self.undoes(run)?;
        let mut query = self.db.prepare_cached(
            "SELECT pending.contact, pending.content, contacts.field, contacts.value FROM pending
             LEFT JOIN contacts ON contacts.number = pending.contact WHERE pending.run = ?1 AND NOT pending.deferred",
        )?;
        let mut rows = query.query([run])?;
        while let Some(row) = rows.next()? {
            let (number, content): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let key: Option<(i64, String)> = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?);
            let key = match key {
                Some((field, value)) => Some(KeyParts::stored(self, field, value)?),
                None => self.plans.borrow().key_in_memory(self, run, number)?,
            };
            let key = key.ok_or_else(|| damaged("a contact", "its key is missing"))?;
            let owner = Owner { number, key: key.value() };
            let contact = compact::read_contact(self, owner, &key, &content)?;
            let undone = undoes.map_or(Ok(None), |undone| self.written(undone, owner))?;
            let remote_state = self.remote_state(channel, contact.key())?;
            let task = Task::of_row(contact, undone, remote_state, policy, &[], Timestamp::default());
            sum += forecast(&task, policy);
        }
        sum += self.forecast_of_marks(run)?;
        Ok(sum)
    }

    fn has_calls(&self, run: i64) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM run_calls WHERE run = ?1)")?;
        Ok(query.query_row([run], |row| row.get(0))?)
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
        NewPlan { runs, planner: Planner::default(), lists_rows: false }
    }

    fn rejected(row: u64) -> Planned {
        let rejection = Rejection { row, line: row + 1, column: None, reason: "of no channel".into() };
        Planned::Rejected { rejection, cells: None, keys: Vec::new() }
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
            journal.finish_plan(&plan, None, Vec::new()).unwrap();
            assert_eq!(journal.counts_blocking(plan.runs[1].run).unwrap().rejected, rejected);
        }
    }

    #[test]
    fn a_plan_whose_rows_were_undone_takes_no_more_rows() {
        let store = Store::in_memory(None).unwrap();
        let [undone, other] = ["a", "b"].map(|channel| store.begin_plan(new(&[channel])).unwrap());
        let rows = [(0, Box::new(rejected(1)))];
        for (plan, is_undone) in [(&undone, true), (&other, false)] {
            store.begin().unwrap();
            store.plan_rows(plan, &rows).unwrap();
            // As after a commit that fails.
            if is_undone { store.roll_back() } else { store.commit().unwrap() }
        }
        // A failure of something else undoes no plan.
        store.begin().unwrap();
        store.roll_back();
        for (plan, is_undone) in [(&undone, true), (&other, false)] {
            store.begin().unwrap();
            assert_eq!(store.plan_rows(plan, &[(0, Box::new(rejected(2)))]).is_err(), is_undone);
            store.commit().unwrap();
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
            journal.finish_plan(&plan, None, Vec::new()).unwrap();
        }
        assert_eq!(journal.runs(10).unwrap().len(), 3);
    }
}
