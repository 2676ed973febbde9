//! The SQL of reports about single runs.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::attempts::{attempt_of, kind_of};
use super::by_hand::BY_HAND;
use super::ids::StoredId;
use super::keys::KeyParts;
use super::marks::mark_state;
use super::state;
use super::{Result, Store, natural};
use crate::core::call_failures::{CallFailures, FailureFold};
use crate::core::call_rate::{CallEnd, CallTrace};
use crate::core::reason_groups::{ReasonFold, ReasonGroups};
use crate::core::time::Timestamp;
use crate::core::window::{MARGIN, MINUTE};
use crate::journal::rows::{NO_CHANNEL, RunRow, RunState};
use crate::journal::run_report::{ListBounds, MissingContact, RunDetails, SlowCall};

impl Store {
    pub(in crate::journal) fn run_details(
        &self,
        run: Option<i64>,
        bounds: ListBounds,
        now: Timestamp,
    ) -> Result<Option<RunDetails>> {
        let found = run.map_or_else(|| self.newest_run(), |run| self.run(run))?;
        let Some(run) = found else { return Ok(None) };
        let counts = self.counts(run.id)?;
        let (calls, failures) = self.traced_calls(run.id, bounds)?;
        let is_left = match run.state {
            RunState::Planning | RunState::Finished | RunState::Replaced => false,
            RunState::Planned | RunState::Sending | RunState::Stopped | RunState::Failed => {
                counts.pending + counts.marks > 0
            }
        };
        let forecast = is_left.then(|| self.forecast(run.id, &run.channel, run.policy)).transpose()?;
        Ok(Some(RunDetails {
            undoes: self.undoes(run.id)?.filter(|undone| *undone != BY_HAND),
            others: self.others_of_input(&run)?,
            counts,
            calls,
            failures,
            slowest: self.slowest_calls(run.id, bounds.slowest)?,
            reasons: self.grouped_reasons(run.id, bounds)?,
            missing: self.listed_missing(&run, bounds.missing)?,
            forecast,
            ended_lately: self.ended_lately(&run.channel, now.before(MINUTE + MARGIN))?,
            mean_latency: self.mean_latency_of(&run.channel)?,
            learnt_limit: self.learnt_limit_of(&run.channel, now)?,
            run,
        }))
    }

    // The run of rows without a known channel has the highest number of its input, and sent nothing.
    fn newest_run(&self) -> Result<Option<RunRow>> {
        let which = "WHERE state <> 'planning' ORDER BY channel = ?1, id DESC LIMIT 1";
        Ok(self.select_runs(which, params![NO_CHANNEL])?.into_iter().next())
    }

    fn others_of_input(&self, run: &RunRow) -> Result<Vec<i64>> {
        let mut query = self
            .db
            .prepare_cached("SELECT id FROM runs WHERE sync = ?1 AND id <> ?2 AND state <> 'planning' ORDER BY id")?;
        let others = query.query_map([run.sync, run.id], |row| row.get(0))?;
        Ok(others.collect::<rusqlite::Result<_>>()?)
    }

    fn traced_calls(&self, run: i64, bounds: ListBounds) -> Result<(Vec<CallTrace>, CallFailures)> {
        // Most calls have an answer that is not read.
        let mut query = self.db.prepare_cached(
            "SELECT kind, started_at, took, result, iif(result <= 4, NULL, detail) FROM run_calls WHERE run = ?1 ORDER BY number",
        )?;
        let mut rows = query.query([run])?;
        let (mut calls, mut failures) = (Vec::new(), FailureFold::new(bounds.groups));
        while let Some(row) = rows.next()? {
            let (took, result): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            let end = match result {
                None => CallEnd::Open,
                Some(result) if is_success(result) => CallEnd::Answered,
                Some(result) => {
                    let attempt = attempt_of(result, row.get::<_, Option<StoredId>>(4)?)?;
                    failures.add(kind_of(row.get(0)?)?, &attempt);
                    CallEnd::of(&attempt)
                }
            };
            let started = Timestamp::from_millis(natural(row.get(1)?));
            calls.push(CallTrace { started, took: took.map(|took| Duration::from_millis(natural(took))), end });
        }
        Ok((calls, failures.finish()))
    }

    pub(in crate::journal) fn call_starts(&self, run: i64) -> Result<Vec<Timestamp>> {
        let mut query = self.db.prepare_cached("SELECT started_at FROM run_calls WHERE run = ?1")?;
        let starts = query.query_map([run], |row| Ok(Timestamp::from_millis(natural(row.get(0)?))))?;
        Ok(starts.collect::<rusqlite::Result<_>>()?)
    }

    fn slowest_calls(&self, run: i64, most: u32) -> Result<Vec<SlowCall>> {
        let mut query = self.db.prepare_cached(
            "SELECT number, kind, started_at, took, result, detail, contact FROM run_calls
             WHERE run = ?1 AND took IS NOT NULL ORDER BY took DESC, number LIMIT ?2",
        )?;
        let mut rows = query.query(params![run, most])?;
        let mut slowest = Vec::new();
        while let Some(row) = rows.next()? {
            let contact: Option<i64> = row.get(6)?;
            let key = contact.map_or(Ok(None), |contact| self.key_of_contact(contact))?;
            slowest.push(SlowCall {
                number: row.get(0)?,
                kind: kind_of(row.get(1)?)?,
                key: key.map(|key| key.shown()),
                started: Timestamp::from_millis(natural(row.get(2)?)),
                took: Duration::from_millis(natural(row.get(3)?)),
                result: attempt_of(row.get(4)?, row.get::<_, Option<StoredId>>(5)?)?.name(),
            });
        }
        Ok(slowest)
    }

    fn grouped_reasons(&self, run: i64, bounds: ListBounds) -> Result<ReasonGroups> {
        let mut query = self
            .db
            .prepare_cached("SELECT line, reason FROM items WHERE run = ?1 AND state IN (?2, ?3) ORDER BY row")?;
        let mut rows = query.query([run, state::REJECTED, state::REPEATED])?;
        let mut reasons = ReasonFold::new(bounds.groups, bounds.lines);
        while let Some(row) = rows.next()? {
            reasons.add(natural(row.get(0)?), row.get::<_, Option<String>>(1)?.as_deref().unwrap_or_default());
        }
        Ok(reasons.finish())
    }

    // The list belongs to the snapshot, which is that of the source's last input.
    fn listed_missing(&self, run: &RunRow, most: u32) -> Result<Option<Vec<MissingContact>>> {
        let mut find = self.db.prepare_cached("SELECT id FROM snapshots WHERE channel = ?1 AND run = ?2")?;
        let snapshot: Option<i64> = find.query_row(params![run.channel, run.id], |row| row.get(0)).optional()?;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let mut query = self.db.prepare_cached(
            "SELECT contacts.field, contacts.value, missing_contacts.since, contact_marks.state IS ?3
             FROM missing_contacts JOIN contacts ON contacts.number = missing_contacts.contact
             LEFT JOIN contact_marks ON contact_marks.contact = missing_contacts.contact
             WHERE missing_contacts.snapshot = ?1 AND missing_contacts.is_sure ORDER BY missing_contacts.contact LIMIT ?2",
        )?;
        let mut rows = query.query(params![snapshot, most, mark_state::SET])?;
        let mut missing = Vec::new();
        while let Some(row) = rows.next()? {
            missing.push(MissingContact {
                key: KeyParts::stored(self, row.get(0)?, row.get(1)?)?.shown(),
                since: Timestamp::from_millis(natural(row.get(2)?)),
                is_marked: row.get(3)?,
            });
        }
        Ok(Some(missing))
    }
}

fn is_success(result: i64) -> bool {
    // The numbers of `Attempt::is_success`.
    (1..=4).contains(&result)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::core::attempt::Attempt;
    use crate::core::call::CallKind;
    use crate::core::model::{ContactId, Remote};
    use crate::core::page::Page;
    use crate::journal::store::attempts::{kind_number, result_number};

    #[test]
    fn the_numbers_of_successes_are_those_of_the_attempts() {
        let id = ContactId::new("7").unwrap();
        let remote = Remote { id: id.clone(), fields: BTreeMap::new(), tags: BTreeSet::new() };
        for attempt in [
            Attempt::Page(Page::default()),
            Attempt::Contact(remote),
            Attempt::Created(id),
            Attempt::Done,
            Attempt::Missing { message: String::new() },
            Attempt::throttled(None),
            Attempt::lost(None, String::new()),
        ] {
            assert_eq!(is_success(result_number(&attempt)), attempt.is_success(), "{attempt:?}");
        }
    }

    #[test]
    fn the_words_of_the_views_are_those_of_the_program() {
        let store = Store::in_memory(None).unwrap();
        let message = String::new;
        let id = ContactId::new("7").unwrap();
        let remote = Remote { id: id.clone(), fields: BTreeMap::new(), tags: BTreeSet::new() };
        let attempts = [
            Attempt::Page(Page::default()),
            Attempt::Contact(remote),
            Attempt::Created(id),
            Attempt::Done,
            Attempt::Missing { message: message() },
            Attempt::Taken { message: message(), by: None },
            Attempt::refused(403, message()),
            Attempt::Unauthorized { message: message() },
            Attempt::throttled(None),
            Attempt::Queued { message: message() },
            Attempt::WrongPath { message: message() },
            Attempt::Unsent { cause: message() },
            Attempt::lost(None, message()),
        ];
        let check = |table: &str, column: &str, number: i64, view: &str, word: &str| {
            store.db.execute(&format!("UPDATE {table} SET {column} = ?1"), [number]).unwrap();
            let found: Option<String> = store.db.query_row(view, [], |row| row.get(0)).unwrap();
            assert_eq!(found.as_deref(), Some(word), "{column} {number}");
        };
        store
            .db
            .execute_batch(
                "INSERT INTO calls (number, run, channel, window, kind, started_at) VALUES (1, 0, 1, 1, 1, 1000);
                 INSERT INTO runs (id, sync, channel, url, kind, rate, input, policy, state, started_at)
                     VALUES (1, 1, 'c', '', '', 100, '', '', 'finished', 0);
                 INSERT INTO items (run, row, line, state) VALUES (1, 1, 2, 1);",
            )
            .unwrap();
        for attempt in attempts {
            let number = result_number(&attempt);
            check("calls", "result", number, "SELECT result FROM contactsync_calls", attempt.name());
        }
        for kind in CallKind::ALL {
            check("calls", "kind", kind_number(kind), "SELECT kind FROM contactsync_calls", kind.name());
        }
        let outcomes = [
            (state::CREATED, "created"),
            (state::UPDATED, "updated"),
            (state::UNCHANGED, "unchanged"),
            (state::REJECTED, "rejected"),
            (state::MERGED, "merged"),
            (state::REPEATED, "rejected"),
            (state::SKIPPED, "skipped"),
        ];
        for (number, word) in outcomes {
            check("items", "state", number, "SELECT outcome FROM contactsync_results", word);
        }
    }
}
