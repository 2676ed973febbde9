//! What else there is of the inputs that are brought: runs that are not sent now. They are told of all the same, since
//! whoever asks wants to know how the input stands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contactsync::{Counts, Journal, JournalError, NO_CHANNEL, RunRow, RunState, RunSummary, run_summary};

/// How the rows without a channel are called where the channels' names stand.
pub const WITHOUT_CHANNEL: &str = "(no channel)";

/// Runs that are not sent now.
#[derive(Debug, Default)]
pub struct OtherRuns {
    runs: Vec<RunRow>,
}

impl OtherRuns {
    /// The runs of these inputs, but for those that are sent, and those of channels that have a newer run.
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

    /// What they came to, by their channels' names.
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

// How it ended when it was last sent; one whose process was killed says nothing of that.
fn summary(run: &RunRow, counts: &Counts) -> RunSummary {
    let (state, reason) = match run.state {
        _ if counts.pending == 0 => (RunState::Finished, None),
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
