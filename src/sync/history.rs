//! The use case of `runs`: the history of a journal.

use std::path::Path;

use crate::journal::{Counts, Journal, JournalError, Lock, RunRow, RunState};

/// The state of a run whose process ended before the run did. It can be resumed.
pub const INTERRUPTED: &str = "interrupted";

/// A run of the past, or one that is in progress.
#[derive(Clone, Debug)]
pub struct PastRun {
    /// The run as the journal has it.
    pub run: RunRow,
    /// Whether its process ended before the run did, so that it can be resumed.
    pub is_interrupted: bool,
    /// Its rows and calls, counted now; `None` when the run has a summary, because rows may have been removed since.
    pub counts: Option<Counts>,
}

/// Returns the newest runs of the journal at `path`, at most `limit`, the newest first. It upgrades no
/// journal of an earlier version.
///
/// # Errors
/// A [`JournalError`] when the journal cannot be read.
pub fn history(path: &Path, limit: u32) -> Result<Vec<PastRun>, JournalError> {
    let journal = Journal::open_to_read(path)?;
    let past = |run: RunRow| {
        let is_summed_up = run.summary.as_deref().is_some_and(is_json);
        let counts = if is_summed_up { None } else { Some(journal.counts_blocking(run.id)?) };
        Ok(PastRun { is_interrupted: is_interrupted(&run, path), run, counts })
    };
    journal.runs(limit)?.into_iter().map(past).collect()
}

fn is_json(summary: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(summary).is_ok()
}

// Whether a run that is in progress by the journal has no process any more.
pub(super) fn is_interrupted(run: &RunRow, journal: &Path) -> bool {
    match run.state {
        RunState::Planning | RunState::Planned | RunState::Sending => !Lock::is_held(journal, &run.channel),
        RunState::Finished | RunState::Stopped | RunState::Failed | RunState::Replaced => false,
    }
}
