//! The SQL of the history: runs and their counts.

use rusqlite::{Row, params};

use super::attempts::{kind_of, result};
use super::state;
use super::{RESUMABLE, Result, Store, damaged, natural, parse};
use crate::core::time::Timestamp;
use crate::journal::JournalError;
use crate::journal::rows::{Counts, NO_CHANNEL, RunRow, RunState};

impl Store {
    pub(in crate::journal) fn resumable(&self, channel: &str) -> Result<Option<RunRow>> {
        let rows = self.select_runs(
            &format!("WHERE runs.channel = ?1 AND state IN {RESUMABLE} ORDER BY id DESC LIMIT 1"),
            params![channel],
        )?;
        Ok(rows.into_iter().next())
    }

    pub(in crate::journal) fn newest(&self, channel: &str) -> Result<Option<RunRow>> {
        let which = "WHERE runs.channel = ?1 AND state <> 'planning' ORDER BY id DESC LIMIT 1";
        Ok(self.select_runs(which, params![channel])?.into_iter().next())
    }

    pub(in crate::journal) fn current_runs(&self, sync: i64) -> Result<Vec<RunRow>> {
        let later =
            "later.id > runs.id AND later.channel = runs.channel AND later.channel <> ?2 AND later.state <> 'planning'";
        // A sync has the number of the first of its runs.
        let which = format!("WHERE id >= ?1 AND sync = ?1 AND NOT EXISTS (SELECT 1 FROM runs AS later WHERE {later})");
        self.select_runs(&which, params![sync, NO_CHANNEL])
    }

    pub(in crate::journal) fn runs(&self, limit: u32) -> Result<Vec<RunRow>> {
        self.select_runs("WHERE state <> 'planning' ORDER BY id DESC LIMIT ?1", params![limit])
    }

    pub(super) fn select_runs(&self, which: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<RunRow>> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT id, sync, channel, url, kind, rate, input, policy, state, reason, started_at, ended_at, worked_ms, summary FROM runs {which}"
        ))?;
        let mut rows = query.query(params)?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            runs.push(run_row(row)?);
        }
        Ok(runs)
    }

    pub(in crate::journal) fn counts(&self, run: i64) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut query = self.db.prepare_cached(
            // Each count reads all pending rows. Only a limited run has deferred ones.
            "SELECT unchanged, merged, dropped, worked_ms, (SELECT count(*) FROM pending WHERE run = ?1), skipped,
                 CASE WHEN is_limited THEN (SELECT count(*) FROM pending WHERE run = ?1 AND deferred) ELSE 0 END, missing
             FROM runs WHERE id = ?1",
        )?;
        let [unchanged, merged, dropped, worked_ms, pending, skipped, deferred, missing] =
            query.query_row([run], |row| {
                let column = |at: usize| row.get(at).map(natural);
                Ok([column(0)?, column(1)?, column(2)?, column(3)?, column(4)?, column(5)?, column(6)?, column(7)?])
            })?;
        (counts.unchanged, counts.merged, counts.worked_ms) = (unchanged, merged, worked_ms);
        (counts.skipped, counts.deferred, counts.missing) = (skipped, deferred, missing);
        counts.marks = self.count_marks(run)?;
        counts.pending = pending.saturating_add(dropped);
        let mut query = self.db.prepare_cached("SELECT state, count(*) FROM items WHERE run = ?1 GROUP BY state")?;
        let mut rows = query.query([run])?;
        while let Some(row) = rows.next()? {
            let (state, number): (i64, i64) = (row.get(0)?, row.get(1)?);
            let of_state = match state {
                state::CREATED => &mut counts.created,
                state::UPDATED => &mut counts.updated,
                state::UNCHANGED => &mut counts.unchanged,
                state::REJECTED | state::REPEATED => &mut counts.rejected,
                state::MERGED => &mut counts.merged,
                state::SKIPPED => &mut counts.skipped,
                _ => return Err(damaged("a row's state", "unknown state")),
            };
            *of_state = of_state.saturating_add(natural(number));
        }
        let Counts { created, updated, unchanged, rejected, merged, pending, skipped, .. } = counts;
        let all = [created, updated, unchanged, rejected, merged, pending, skipped];
        counts.rows = all.into_iter().fold(0, u64::saturating_add);
        let mut query = self
            .db
            .prepare_cached("SELECT kind, result, count(*) FROM run_calls WHERE run = ?1 GROUP BY kind, result")?;
        let mut rows = query.query([run])?;
        while let Some(row) = rows.next()? {
            let (kind, ended, number): (i64, Option<i64>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let number = natural(number);
            *counts.calls.entry(kind_of(kind)?).or_default() += number;
            match ended {
                Some(result::THROTTLED) => {
                    counts.throttled += number;
                    counts.retries += number;
                }
                Some(result::LOST | result::UNSENT | result::QUEUED) => counts.retries += number,
                Some(_) | None => {}
            }
        }
        Ok(counts)
    }
}

fn run_row(row: &Row<'_>) -> Result<RunRow> {
    let (policy, state): (String, String) = (row.get("policy")?, row.get("state")?);
    let unreadable = || JournalError::damaged("a run's state")(serde::de::Error::custom("unknown state"));
    Ok(RunRow {
        id: row.get("id")?,
        sync: row.get("sync")?,
        channel: row.get("channel")?,
        url: row.get("url")?,
        kind: row.get("kind")?,
        rate: row.get("rate")?,
        input: row.get("input")?,
        policy: parse("a run's policy", &policy)?,
        state: RunState::from_name(&state).ok_or_else(unreadable)?,
        reason: row.get("reason")?,
        started_at: Timestamp::from_millis(natural(row.get("started_at")?)),
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(|at| Timestamp::from_millis(natural(at))),
        worked_ms: natural(row.get("worked_ms")?),
        summary: row.get("summary")?,
    })
}
