//! Sends planned runs to locked channels, all at the same time, and sums up what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::circuit_breaker::OUTAGE_TIMEOUT;
use crate::core::eta::Limits;
use crate::core::task::Policy;
use crate::core::time::Timestamp;
use crate::journal::{JournalError, RunState};
use crate::platform::BaseUrl;
use crate::sync::channels::send_all;
use crate::sync::environment::Environment;
use crate::sync::guard_error::GuardError;
use crate::sync::other_runs::OtherRuns;
use crate::sync::report::{Listed, ListingError, RunSummary, Summary};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::run::{Ending, Job};
use crate::sync::stop::Stop;
use crate::sync::summary::run_summary;
use crate::sync::workspace::{LockedChannel, Renewing, Tokens, Workspace};

/// How long the journal keeps the calls and rows of earlier runs, by default: 90 days.
pub const KEPT_HISTORY: Duration = Duration::from_hours(90 * 24);

/// How long the journal keeps what was known of contacts before runs changed them, by default: 30 days.
pub const KEPT_BEFORE: Duration = Duration::from_hours(30 * 24);

/// How far runs go, and how they are reported. [`RunOptions::default`] has the defaults of the program.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// How far each run goes in this process. By default, to its end.
    pub limits: Limits,
    /// Whether a contact is read back after the first write of a field on its channel: the platform may accept a field and drop it.
    /// `true` by default.
    pub read_back: bool,
    /// How long to wait for a platform that is down. The default is [`OUTAGE_TIMEOUT`].
    pub outage_timeout: Duration,
    /// How long the journal keeps the calls and rows of earlier runs. The default is [`KEPT_HISTORY`].
    pub keep_history: Duration,
    /// How long the journal keeps what was known of contacts before the runs change them, for an undo; nothing is kept when it is
    /// zero. The default is [`KEPT_BEFORE`].
    pub keep_before: Duration,
    /// The seed of the random spread of retries. It should differ between processes; by default, it is random.
    pub seed: u64,
}

impl Default for RunOptions {
    /// The defaults of the program: no limits, a contact is read back after the first write of a field, and a random seed.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            read_back: true,
            outage_timeout: OUTAGE_TIMEOUT,
            keep_history: KEPT_HISTORY,
            keep_before: KEPT_BEFORE,
            seed: fastrand::u64(..),
        }
    }
}

/// A planned run of a channel.
pub(super) struct ReadyRun<'a, 'w> {
    pub run: i64,
    pub policy: Policy,
    pub channel: &'a LockedChannel<'w>,
    /// What lists its rows.
    pub listed: Option<&'a Listed>,
}

/// What became of a sync or a resume.
#[derive(Debug)]
pub struct SyncOutcome {
    /// The summary of all runs.
    ///
    /// # Errors
    /// Why the rows cannot be counted. Nothing is known of how many there are of each state.
    pub summary: Result<RunSummary, JournalError>,
    /// The channels that were sent to.
    pub channels: Vec<ChannelOutcome>,
    /// The channels that were not sent to, because their tokens are not theirs or could not be checked.
    pub refused: BTreeMap<String, GuardError>,
    /// Whether the files that list the rows are complete.
    pub lists: Result<(), ListingError>,
}

/// What became of the run of one channel.
#[derive(Debug)]
pub struct ChannelOutcome {
    /// The channel's name.
    pub name: String,
    /// Where its calls went.
    pub url: BaseUrl,
    /// How its run ended.
    pub ending: Result<Ending, JournalError>,
}

/// Sends runs, and sums them up with the `other_runs` of their inputs. Rows that are routed `by_channel` have a summary for
/// each channel, even of one.
pub(super) fn execute<R: Reporter>(
    workspace: &Workspace,
    runs: &[ReadyRun<'_, '_>],
    other_runs: &OtherRuns,
    by_channel: bool,
    options: RunOptions,
    environment: Environment<'_, R>,
) -> (Result<RunSummary, JournalError>, Vec<ChannelOutcome>) {
    let Environment { runtime, clock, stop, reporter } = environment;
    reporter.notify(&Notification::Calling);
    reporter.notify(&Notification::Sending);
    let names: Vec<&str> = runs.iter().map(|run| run.channel.name()).collect();
    let lists = runs.iter().map(|run| run.listed);
    let observers: Vec<_> = reporter.channels(&names).into_iter().zip(lists).collect();
    let stops: Vec<Stop> = runs.iter().map(|_| stop.part()).collect();
    let tokens = Tokens { workspace, clock, reporter };
    let renewing: Vec<_> = runs.iter().map(|run| Renewing { channel: run.channel.held(), tokens }).collect();
    let jobs: Vec<_> = runs
        .iter()
        .zip(observers.iter().zip(&stops).zip(&renewing))
        .map(|(ready, ((observer, stop), transport))| {
            let held = ready.channel.held();
            Job {
                journal: workspace.journal(),
                run: ready.run,
                channel: &held.name,
                window: &held.window,
                policy: ready.policy,
                transport,
                call_timeout: held.connection.transport.0.call_timeout(),
                rate: held.connection.rate,
                burst: held.connection.burst,
                concurrency: held.connection.concurrency,
                read_back: options.read_back,
                limits: options.limits,
                outage_timeout: options.outage_timeout,
                clock,
                seed: options.seed ^ ready.run.unsigned_abs().rotate_left(32),
                observer,
                stop,
            }
        })
        .collect();
    // A journal that is gone is reported by the runs.
    let _ = workspace.journal().set_keeps_before(!options.keep_before.is_zero());
    let endings = runtime.block_on(send_all(&jobs));
    reporter.notify(&Notification::Sent);
    // After a stop, nothing is waited for: the next run removes it.
    if stop.reason().is_none()
        && let Err(error) = remove_old(workspace, options, clock.now())
    {
        reporter.notify(&Notification::HistoryNotRemoved(&error));
    }
    let outcome = |(run, ending): (&ReadyRun<'_, '_>, _)| {
        let channel = run.channel;
        ChannelOutcome { name: channel.name().to_owned(), url: channel.url().clone(), ending }
    };
    let channels: Vec<_> = runs.iter().zip(endings).map(outcome).collect();
    (summary(workspace, runs, &channels, other_runs, by_channel), channels)
}

fn remove_old(workspace: &Workspace, options: RunOptions, now: Timestamp) -> Result<(), JournalError> {
    let journal = workspace.journal();
    journal.remove_values_before(now, options.keep_before)?;
    journal.remove_history(now, options.keep_history).map(drop)
}

fn summary(
    workspace: &Workspace,
    runs: &[ReadyRun<'_, '_>],
    outcomes: &[ChannelOutcome],
    other_runs: &OtherRuns,
    by_channel: bool,
) -> Result<RunSummary, JournalError> {
    let journal = workspace.journal();
    let mut channels = BTreeMap::new();
    for (run, ChannelOutcome { name, ending, .. }) in runs.iter().zip(outcomes) {
        let summary = match ending {
            Ok(ending) => ending.summary.clone(),
            Err(error) => {
                let counts = journal.counts_blocking(run.run)?;
                run_summary(run.run, RunState::Failed, Some(error.to_string()), &counts, Duration::ZERO)
            }
        };
        if !by_channel {
            return Ok(summary);
        }
        channels.insert(name.clone(), summary);
    }
    channels.extend(other_runs.summaries(journal)?);
    Ok(Summary::of_channels(channels))
}
