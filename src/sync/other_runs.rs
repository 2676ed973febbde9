//! The runs of an input that are not sent now. They are summarised all the same, so that a report covers the whole input.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::journal::{Counts, Journal, JournalError, NO_CHANNEL, RunRow, RunState};
use crate::sync::report::RunSummary;
use crate::sync::summary::run_summary;

/// The name of the rows without a channel among the channels' names.
pub const WITHOUT_CHANNEL: &str = "(no channel)";

/// Runs that are not sent now.
#[derive(Debug, Default)]
pub(super) struct OtherRuns {
    runs: Vec<RunRow>,
}

impl OtherRuns {
    /// The runs of these inputs, except those that are sent, and those of channels that have a newer run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn of(
        journal: &Journal,
        syncs: impl IntoIterator<Item = i64>,
        sent: &BTreeSet<i64>,
    ) -> Result<Self, JournalError> {
        let mut runs = Vec::new();
        for sync in syncs {
            runs.extend(journal.current_runs(sync)?.into_iter().filter(|run| !sent.contains(&run.id)));
        }
        Ok(Self { runs })
    }

    /// Whether one of them has rows that are pending.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn has_pending(&self, journal: &Journal) -> Result<bool, JournalError> {
        // Most are finished, and their rows need no counting.
        for run in self.runs.iter().filter(|run| run.state != RunState::Finished) {
            if journal.counts_blocking(run.id)?.pending > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Their summaries, by channel.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn summaries(&self, journal: &Journal) -> Result<BTreeMap<String, RunSummary>, JournalError> {
        let mut channels: BTreeMap<&str, BTreeMap<String, RunSummary>> = BTreeMap::new();
        for run in &self.runs {
            let name = if run.channel == NO_CHANNEL { WITHOUT_CHANNEL } else { &run.channel };
            let summary = summary(run, &journal.counts_blocking(run.id)?);
            channels.entry(name).or_default().insert(run.id.to_string(), summary);
        }
        Ok(channels.into_iter().map(|(name, runs)| (name.to_owned(), sum(runs))).collect())
    }
}

// As it ended when it was last sent; a run whose process was killed has no reason.
fn summary(run: &RunRow, counts: &Counts) -> RunSummary {
    let (state, reason) = match run.state {
        _ if counts.pending == 0 && counts.marks == 0 => (RunState::Finished, None),
        RunState::Failed => (RunState::Failed, run.reason.clone()),
        RunState::Planning
        | RunState::Planned
        | RunState::Sending
        | RunState::Finished
        | RunState::Stopped
        | RunState::Replaced => (RunState::Stopped, run.reason.clone()),
    };
    run_summary(run.id, state, reason, counts, Duration::ZERO)
}

// Each of two inputs may have rows without a channel.
fn sum(mut runs: BTreeMap<String, RunSummary>) -> RunSummary {
    match runs.pop_first() {
        Some((_, only)) if runs.is_empty() => only,
        first => {
            runs.extend(first);
            RunSummary { channels: BTreeMap::new(), ..RunSummary::of_channels(runs) }
        }
    }
}
