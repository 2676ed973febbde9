//! The use case of `resume`: sends what interrupted runs left pending, without their input.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::model::Field;
use crate::journal::{Journal, JournalError, RunRow};
use crate::sync::access::check_access;
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::execute::{ReadyRun, RunOptions, SyncOutcome, execute};
use crate::sync::guard_error::GuardError;
use crate::sync::other_runs::OtherRuns;
use crate::sync::report::Summary;
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::row_lists::{NO_LISTS, RowLists};
use crate::sync::sync_error::SyncError;
use crate::sync::workspace::{Locked, LockedChannel, Overrides, Workspace};

/// The interrupted runs of channels, whose locks are held.
#[derive(Debug)]
pub struct Interrupted<'w> {
    workspace: &'w Workspace,
    runs: Vec<RunRow>,
    // The inputs that are continued.
    syncs: BTreeSet<i64>,
    // The inputs of channels without an interrupted run.
    done: BTreeSet<i64>,
}

/// How interrupted runs are resumed. [`ResumeOptions::default`] has the defaults: rows of one channel, and no lists.
#[derive(Clone, Copy, Debug)]
pub struct ResumeOptions<'a> {
    /// Whether rows were routed by channel, so that the other channels of the inputs are reported as well.
    pub by_channel: bool,
    /// The files that list the rows of the newest input.
    pub lists: &'a RowLists,
    /// The field and the value that a contact must have on each platform; see [`SyncInput`](crate::SyncInput).
    pub access: Option<&'a Field>,
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// How far the runs go.
    pub options: RunOptions,
}

impl Default for ResumeOptions<'_> {
    fn default() -> Self {
        Self {
            by_channel: false,
            lists: &NO_LISTS,
            access: None,
            overrides: Overrides::default(),
            options: RunOptions::default(),
        }
    }
}

impl<'w> Interrupted<'w> {
    /// Locks these channels, and finds the interrupted run of each.
    ///
    /// # Errors
    /// A [`GuardError`] when a channel is held by another run, or the journal fails.
    pub fn find<'a, R: Reporter>(
        workspace: &'w Workspace,
        channels: impl IntoIterator<Item = &'a str>,
        environment: Environment<'_, R>,
    ) -> Result<Self, GuardError> {
        let journal = workspace.journal();
        let mut found = Self { workspace, runs: Vec::new(), syncs: BTreeSet::new(), done: BTreeSet::new() };
        for channel in channels {
            // The lock comes first: a run that another process is sending is not interrupted.
            workspace.hold(channel, environment)?;
            if let Some(run) = journal.resumable(channel)? {
                found.syncs.insert(run.sync);
                found.runs.push(run);
            } else {
                found.done.extend(journal.newest(channel)?.map(|run| run.sync));
            }
        }
        Ok(found)
    }

    /// The runs, one for each channel that has one, in the order of the channels.
    pub fn runs(&self) -> &[RunRow] {
        &self.runs
    }

    /// Sends what the runs left pending, after it made sure that their channels may be sent to. `connections` are those of the
    /// channels of the [runs](Self::runs), by name. Completes the lists of rows that an earlier process did not complete. Returns
    /// `None` when no run has anything left. It blocks.
    ///
    /// # Errors
    /// A [`SyncError`] when a channel has no connection, a guard refuses it, or a list cannot be written: then nothing was sent
    /// that changes a contact. Later failures are those of the [outcome](SyncOutcome).
    pub fn resume<R: Reporter>(
        mut self,
        connections: BTreeMap<String, Connection>,
        options: ResumeOptions<'_>,
        environment: Environment<'_, R>,
    ) -> Result<Option<SyncOutcome>, SyncError> {
        let ResumeOptions { by_channel, lists, access, overrides, options } = options;
        let journal = self.workspace.journal();
        for run in &mut self.runs {
            self.workspace.take_up(run)?;
            journal.undefer(run.id)?;
        }
        // The last input's rows are counted even when none of its channels is among these.
        let counted = self.done.iter().copied().chain(journal.runs(1)?.into_iter().map(|run| run.sync)).collect();
        // A resume of one channel leaves no other channel to report.
        let mut other_runs = if by_channel { self.other_runs(&self.runs, &counted)? } else { OtherRuns::default() };
        for &sync in &self.done {
            if !is_listed(journal, sync)? {
                self.syncs.insert(sync);
            }
        }
        if self.runs.is_empty() {
            return self.complete_lists(lists, &other_runs, environment);
        }
        let Locked { mut channels, refused } = self.lock(connections, overrides, by_channel, environment)?;
        if let Some(field) = access {
            for channel in &mut channels {
                let calls = check_access(channel, field, environment)?;
                if let Some(run) = self.runs.iter().find(|run| run.channel == channel.name()) {
                    journal.count_in_run(run.id, calls)?;
                }
            }
        }
        let channels: BTreeMap<&str, &LockedChannel<'_>> =
            channels.iter().map(|channel| (channel.name(), channel)).collect();
        // The runs of refused channels are reported with those of the channels that are not sent to.
        let sent: Vec<RunRow> =
            self.runs.iter().filter(|run| channels.contains_key(run.channel.as_str())).cloned().collect();
        if !refused.is_empty() {
            other_runs = self.other_runs(&sent, &counted)?;
        }
        let listed = lists.continued(self.workspace, &self.syncs, environment)?;
        let ready: Vec<_> = sent
            .iter()
            .filter_map(|run| {
                let channel = channels.get(run.channel.as_str())?;
                Some(ReadyRun { run: run.id, policy: run.policy, channel, listed: listed.get(&run.sync) })
            })
            .collect();
        let (summary, channels) = execute(self.workspace, &ready, &other_runs, by_channel, options, environment);
        let lists = listed.values().try_for_each(|listed| listed.finish(journal));
        Ok(Some(SyncOutcome { summary, channels, refused, lists }))
    }

    // Where no run has anything left.
    fn complete_lists<R: Reporter>(
        &self,
        lists: &RowLists,
        other_runs: &OtherRuns,
        environment: Environment<'_, R>,
    ) -> Result<Option<SyncOutcome>, SyncError> {
        let journal = self.workspace.journal();
        for (_, listed) in lists.continued(self.workspace, &self.syncs, environment)? {
            listed.finish(journal)?;
            environment.reporter.notify(&Notification::ListsCompleted);
        }
        let summaries = other_runs.summaries(journal)?;
        if summaries.values().all(|summary| summary.pending == 0) {
            return Ok(None);
        }
        let summary = Ok(Summary::of_channels(summaries));
        Ok(Some(SyncOutcome { summary, channels: Vec::new(), refused: BTreeMap::new(), lists: Ok(()) }))
    }

    fn lock<R: Reporter>(
        &self,
        mut connections: BTreeMap<String, Connection>,
        overrides: Overrides,
        by_channel: bool,
        environment: Environment<'_, R>,
    ) -> Result<Locked<'w>, GuardError> {
        let connected = |run: &RunRow| {
            let connected = connections.remove_entry(&run.channel);
            connected.ok_or_else(|| GuardError::NotConnected { channel: run.channel.clone() })
        };
        let channels = self.runs.iter().map(connected).collect::<Result<_, _>>()?;
        let held = self.workspace.hold_windows(channels, overrides)?;
        for channel in &held {
            self.workspace.compare_url(channel, overrides)?;
        }
        let locked = self.workspace.admit(held, overrides, by_channel, environment)?;
        for channel in &locked.channels {
            self.follow_url(channel)?;
        }
        Ok(locked)
    }

    // Sends a run to the URL of its channel from now on: the platform has moved, or the channel has no known contacts at the URL
    // of the run, which was a wrong one.
    fn follow_url(&self, channel: &LockedChannel<'_>) -> Result<(), GuardError> {
        let url = channel.url().as_str();
        if self.runs.iter().any(|run| run.channel == channel.name() && run.url != url) {
            self.workspace.journal().move_channel(channel.name(), url)?;
        }
        Ok(())
    }

    // Of the inputs that are continued, and of those of which only other channels have something left: they were taken out of
    // the configuration, or moved to another process.
    fn other_runs(&self, sent: &[RunRow], done: &BTreeSet<i64>) -> Result<OtherRuns, JournalError> {
        let journal = self.workspace.journal();
        let sent = sent.iter().map(|run| run.id).collect();
        let mut counted = self.syncs.clone();
        for &sync in done {
            if OtherRuns::of(journal, [sync], &sent)?.has_pending(journal)? {
                counted.insert(sync);
            }
        }
        OtherRuns::of(journal, counted, &sent)
    }
}

// Whether the lists of an input's rows are whole. A process may have been killed while it wrote them, or could not.
fn is_listed(journal: &Journal, sync: i64) -> Result<bool, JournalError> {
    Ok(journal.listing(sync)?.is_none_or(|(_, is_whole)| is_whole))
}
