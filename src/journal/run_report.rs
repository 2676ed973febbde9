//! What the journal has of single runs, for reports about them.

use std::time::Duration;

use super::{Counts, Journal, JournalError, LearntLimit, RunRow};
use crate::core::call::CallKind;
use crate::core::call_failures::CallFailures;
use crate::core::call_rate::CallTrace;
use crate::core::forecast::Forecast;
use crate::core::reason_groups::ReasonGroups;
use crate::core::time::Timestamp;

/// Maximum numbers of what is listed of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListBounds {
    /// Reasons of rejected rows, and ways in which calls failed.
    pub groups: usize,
    /// Lines of a reason.
    pub lines: usize,
    /// Slowest calls.
    pub slowest: u32,
    /// Missing contacts.
    pub missing: u32,
}

/// A call that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowCall {
    /// Its number in the journal.
    pub number: i64,
    /// Its kind.
    pub kind: CallKind,
    /// The key of its contact; `None` if it belongs to none, or the contact is no longer in the journal.
    pub key: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Its result in one word.
    pub result: &'static str,
}

/// A contact that the source had and no longer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingContact {
    /// Its key.
    pub key: String,
    /// When it was first missing.
    pub since: Timestamp,
    /// Whether it is marked on the platform.
    pub is_marked: bool,
}

/// A run with everything that the journal has of it.
#[derive(Clone, Debug)]
pub(crate) struct RunDetails {
    /// The run.
    pub run: RunRow,
    /// The run that it undoes.
    pub undoes: Option<i64>,
    /// The other runs of the same input.
    pub others: Vec<i64>,
    /// Its rows and calls, as far as they are in the journal.
    pub counts: Counts,
    /// Its calls, in order.
    pub calls: Vec<CallTrace>,
    /// Those that failed.
    pub failures: CallFailures,
    /// The slowest ones.
    pub slowest: Vec<SlowCall>,
    /// Its rejected rows.
    pub reasons: ReasonGroups,
    /// The first missing contacts; `None` if a newer run of the source replaced the list.
    pub missing: Option<Vec<MissingContact>>,
    /// The calls that its pending rows and marks take; `None` if nothing is pending.
    pub forecast: Option<Forecast>,
    /// When the calls of the past minute ended that count with those of its channel.
    pub ended_lately: Vec<Timestamp>,
    /// The mean duration of its channel's latest calls.
    pub mean_latency: Option<Duration>,
    /// The limit that the platform stated.
    pub learnt_limit: Option<LearntLimit>,
}

impl Journal {
    /// These runs, all at one moment; the newest one for `None`. A run that does not exist is `None`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn run_details(
        &self,
        runs: Vec<Option<i64>>,
        bounds: ListBounds,
        now: Timestamp,
    ) -> Result<Vec<Option<RunDetails>>, JournalError> {
        self.ask_blocking(move |store| runs.into_iter().map(|run| store.run_details(run, bounds, now)).collect())
    }

    /// When the calls of a run started.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn call_starts(&self, run: i64) -> Result<Vec<Timestamp>, JournalError> {
        self.ask_blocking(move |store| store.call_starts(run))
    }
}
