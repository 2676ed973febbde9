//! The use cases of `report` and `runs diff`: what happened in a run, and how two runs differ. They only read the journal.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use serde_json::Value as Json;

use crate::core::call::CallKind;
use crate::core::call_failures::CallFailures;
use crate::core::call_rate::{CallRate, Latency, call_rate, latency, spread};
use crate::core::eta::{Eta, Limits, RateModel, TYPICAL_LATENCY};
use crate::core::forecast::Range;
use crate::core::reason_groups::{ReasonChange, ReasonGroups};
use crate::core::run_sentence::{RunProgress, SentenceCounts, run_sentence};
use crate::core::time::Timestamp;
use crate::journal::{
    Counts, Journal, JournalError, ListBounds, Lock, MissingContact, NO_CHANNEL, RunDetails, RunRow, RunState, SlowCall,
};
use crate::platform::TIMEOUT;
use crate::sync::run::concurrency_for;

/// What is listed of a run. A report stays small whatever its run was like.
const BOUNDS: ListBounds = ListBounds { groups: 50, lines: 50, slowest: 10, missing: 100 };

/// The number of bars in which the calls of a run are shown, about.
const RATE_BARS: usize = 90;

/// What happened in a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run as the journal has it.
    pub run: RunRow,
    /// How far it is.
    pub progress: RunProgress,
    /// What happened, in a sentence.
    pub sentence: String,
    /// The run that it undoes.
    pub undoes: Option<i64>,
    /// The other runs of the same input: those of other channels.
    pub others: Vec<i64>,
    /// Its rows and calls.
    pub counts: Counts,
    /// Its calls over time.
    pub rate: CallRate,
    /// How long its calls took; `None` without an answer.
    pub latency: Option<Latency>,
    /// The calls that failed.
    pub failures: CallFailures,
    /// The slowest calls.
    pub slowest: Vec<SlowCall>,
    /// Number of calls that are no longer in the journal.
    pub calls_removed: u64,
    /// Its rejected rows.
    pub reasons: ReasonGroups,
    /// Number of rejected rows that are no longer in the journal.
    pub rejections_removed: u64,
    /// The first missing contacts; `None` if a newer run of the source replaced the list.
    pub missing: Option<Vec<MissingContact>>,
    /// What is left to do; `None` when nothing is.
    pub left: Option<RemainingWork>,
}

/// What is left of a run.
#[derive(Clone, Copy, Debug)]
pub struct RemainingWork {
    /// Rows that are not done.
    pub rows: u64,
    /// Missing contacts that are not marked.
    pub marks: u64,
    /// The calls that they take.
    pub calls: Range,
    /// How long these calls take at the limit, from now on.
    pub eta: Eta,
}

/// Two runs and in what they differ.
#[derive(Clone, Debug)]
pub struct RunComparison {
    /// The first run.
    pub before: RunReport,
    /// The second run.
    pub after: RunReport,
    /// The reasons of which they have different numbers of rejected rows.
    pub reasons: Vec<ReasonChange>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunReportError {
    /// The journal has no run of this number.
    #[error("run {run}: the journal has no such run")]
    NoRun {
        /// Its number.
        run: i64,
    },
    /// The journal has no run.
    #[error("the journal has no run yet")]
    NoRuns,
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Returns what happened in a run of the journal at `path`, or in the newest one. The run may be in progress.
///
/// # Errors
/// A [`RunReportError`] when there is no such run, or the journal cannot be read.
pub fn run_report(path: &Path, run: Option<i64>, now: Timestamp) -> Result<RunReport, RunReportError> {
    let mut reports = reports(path, vec![run], now)?;
    reports.pop().ok_or(RunReportError::NoRuns)
}

/// Returns in what two runs of the journal at `path` differ.
///
/// # Errors
/// A [`RunReportError`] when one of them does not exist, or the journal cannot be read.
pub fn compare_runs(path: &Path, (before, after): (i64, i64), now: Timestamp) -> Result<RunComparison, RunReportError> {
    let mut reports = reports(path, vec![Some(before), Some(after)], now)?.into_iter();
    let (Some(before), Some(after)) = (reports.next(), reports.next()) else { return Err(RunReportError::NoRuns) };
    let reasons = before.reasons.changes(&after.reasons);
    Ok(RunComparison { before, after, reasons })
}

/// Returns the number of calls that each of these runs started in each of `bars` equal times.
///
/// # Errors
/// A [`JournalError`] when the journal cannot be read.
pub fn call_rates(path: &Path, runs: &[i64], bars: usize) -> Result<Vec<Vec<u64>>, JournalError> {
    Journal::read(path, |journal| runs.iter().map(|run| Ok(spread(&journal.call_starts(*run)?, bars))).collect())
}

fn reports(path: &Path, runs: Vec<Option<i64>>, now: Timestamp) -> Result<Vec<RunReport>, RunReportError> {
    let found = Journal::read(path, |journal| journal.run_details(runs.clone(), BOUNDS, now))?;
    let report = |(run, details): (Option<i64>, Option<RunDetails>)| match (details, run) {
        (Some(details), _) => Ok(report_of(path, details, now)),
        (None, Some(run)) => Err(RunReportError::NoRun { run }),
        (None, None) => Err(RunReportError::NoRuns),
    };
    runs.into_iter().zip(found).map(report).collect()
}

fn report_of(path: &Path, details: RunDetails, now: Timestamp) -> RunReport {
    let progress = progress_of(&details.run, path);
    let left = details.forecast.map(|forecast| left(&details, forecast.total, now));
    let RunDetails { run, undoes, others, counts: live, calls, failures, slowest, reasons, missing, .. } = details;
    // Rows and calls may have been removed since the run was summed up.
    let counts = run.summary.as_deref().and_then(|summary| summed_up(summary, &live)).unwrap_or(live);
    let all_calls: u64 = counts.calls.values().sum();
    let sentence = run_sentence(run.id, progress, &sentence_counts(&counts, all_calls));
    RunReport {
        progress,
        sentence,
        undoes,
        others,
        rate: call_rate(&calls, run.ended_at, u64::from(run.rate), RATE_BARS),
        latency: latency(&calls),
        failures,
        slowest,
        calls_removed: all_calls.saturating_sub(calls.len() as u64),
        rejections_removed: counts.rejected.saturating_sub(reasons.rows()),
        reasons,
        missing: missing.filter(|_| run.channel != NO_CHANNEL),
        left,
        counts,
        run,
    }
}

fn progress_of(run: &RunRow, journal: &Path) -> RunProgress {
    match run.state {
        RunState::Planning | RunState::Planned | RunState::Sending if Lock::is_held(journal, &run.channel) => {
            RunProgress::Running
        }
        RunState::Planning | RunState::Planned | RunState::Sending => RunProgress::Interrupted,
        RunState::Finished => RunProgress::Finished,
        RunState::Stopped => RunProgress::Stopped,
        RunState::Failed => RunProgress::Failed,
        RunState::Replaced => RunProgress::Replaced,
    }
}

// As if it were sent from now on: the calls of the past minute count, and calls take as long as they took before.
fn left(details: &RunDetails, calls: Range, now: Timestamp) -> RemainingWork {
    let RunDetails { run, counts, ended_lately, mean_latency, learnt_limit, .. } = details;
    let stated = learnt_limit.map_or(run.rate, |learnt| learnt.calls.min(run.rate));
    let rate = NonZeroU32::new(stated).unwrap_or(NonZeroU32::MIN);
    let rate_model = RateModel {
        latency: mean_latency.unwrap_or(TYPICAL_LATENCY),
        ended: ended_lately.clone(),
        ..RateModel::quiet(rate, None, concurrency_for(rate), now)
    };
    let eta = rate_model.eta(calls, &Limits::default(), TIMEOUT);
    RemainingWork { rows: counts.pending, marks: counts.marks, calls, eta }
}

// The counts of a run's summary; `None` if it cannot be read.
fn summed_up(summary: &str, live: &Counts) -> Option<Counts> {
    let summary: Json = serde_json::from_str(summary).ok()?;
    let of = |name: &str| summary[name].as_u64();
    let calls: BTreeMap<CallKind, u64> = CallKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, summary["calls"][kind.name()].as_u64()?)))
        .filter(|(_, calls)| *calls > 0)
        .collect();
    Some(Counts {
        rows: of("rows")?,
        created: of("created")?,
        updated: of("updated")?,
        unchanged: of("unchanged")?,
        rejected: of("rejected")?,
        merged: of("merged")?,
        pending: of("pending")?,
        // Earlier versions wrote summaries without these.
        skipped: of("skipped").unwrap_or(0),
        missing: of("missing").unwrap_or(0),
        retries: of("retries").unwrap_or(live.retries),
        throttled: of("throttled").unwrap_or(live.throttled),
        calls,
        deferred: live.deferred,
        marks: live.marks,
        worked_ms: live.worked_ms,
    })
}

fn sentence_counts(counts: &Counts, calls: u64) -> SentenceCounts {
    let Counts { rows, created, updated, unchanged, rejected, merged, pending, skipped, missing, .. } = *counts;
    SentenceCounts { rows, created, updated, unchanged, rejected, merged, pending, skipped, missing, calls }
}
