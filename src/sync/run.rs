//! Sends the pending contacts of one run: takes them in the file's order and executes many at a time.
//!
//! The parts: `queue` has the order of contacts, `schedule` begins them, `execute` takes one through its calls,
//! `clearance` gets a permit for a call, `exchange` sends it and records its answer, `reaction` decides what an answer
//! means for the run, and `progress` emits events.

mod active_contact;
mod admission_control;
mod call_budget;
mod clearance;
mod contact_budget;
mod contact_calls;
mod create_trust;
mod exchange;
mod held_rejections;
mod marks;
mod open_creates;
mod progress;
mod queue;
mod reaction;
mod read_back;
mod schedule;
mod tries;

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use self::admission_control::AdmissionControl;
pub(super) use self::call_budget::CallBudget;
pub(super) use self::contact_budget::ContactBudget;
use self::contact_budget::ContactShare;
use self::create_trust::CreateTrust;
use self::held_rejections::HeldRejections;
use self::open_creates::OpenCreates;
pub(super) use self::reaction::{AskedWaits, follow, report_trouble};
use self::read_back::WrittenFields;
pub(super) use self::tries::TryCount;
use crate::core::circuit_breaker::CircuitBreaker;
use crate::core::eta::{Limits, TYPICAL_LATENCY};
use crate::core::forecast::Range;
use crate::core::model::Mode;
use crate::core::refusals::Refusals;
use crate::core::retry::TRIES;
use crate::core::task::Policy;
use crate::core::time::Timestamp;
use crate::core::window_id::WindowId;
use crate::journal::{Counts, JournalError, RunState, SendJournal};
use crate::platform::limiter::{Clock, RateLimiter, delays};
use crate::sync::event::Observer;
use crate::sync::report::RunSummary;
use crate::sync::stop::{Stop, StopReason};
use crate::sync::summary::run_summary;
use crate::sync::transport::Transport;

/// A planned run, and everything that sending it takes.
#[derive(Debug)]
pub struct Job<'a, J, T, O> {
    /// The journal that records the calls and their answers.
    pub journal: &'a J,
    /// The run's number.
    pub run: i64,
    /// The channel's name.
    pub channel: &'a str,
    /// The window in which the run's calls count.
    pub window: &'a WindowId,
    /// The rules by which contacts are matched, created and updated.
    pub policy: Policy,
    /// The platform.
    pub transport: &'a T,
    /// Longest time that a call takes before the transport abandons it.
    pub call_timeout: Duration,
    /// Maximum number of calls a minute.
    pub rate: NonZeroU32,
    /// Maximum number of calls that start at once; the rate when `None`.
    pub burst: Option<NonZeroU32>,
    /// Maximum number of calls in flight; [`concurrency_for`] the rate when `None`.
    pub concurrency: Option<usize>,
    /// Whether a contact is read back after the first write of a field on the channel.
    pub read_back: bool,
    /// How far the run goes in this process.
    pub limits: Limits,
    /// How long the platform may give no answer before the run stops; the default is
    /// [`OUTAGE_TIMEOUT`](crate::OUTAGE_TIMEOUT).
    pub outage_timeout: Duration,
    /// The process's clock.
    pub clock: &'a Clock,
    /// Seed of the random part of the delays between tries.
    pub seed: u64,
    /// Receives the events.
    pub observer: &'a O,
    /// Stops the run early.
    pub stop: &'a Stop,
}

/// How a run ended in this process.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The run's summary.
    pub summary: RunSummary,
    /// Why the run stopped early; `None` also when contacts were left because their calls kept failing.
    pub stopped: Option<StopReason>,
    /// Number of calls that this process started.
    pub started: u64,
}

/// Returns the default for the number of calls in flight: the calls that the rate starts in five seconds, at least 8
/// and at most 256. That keeps a platform busy that takes five seconds to answer. At higher rates, the more calls are in
/// flight, the more of them share a commit of the journal.
pub fn concurrency_for(rate: NonZeroU32) -> usize {
    usize::try_from(rate.get() / 12).unwrap_or(usize::MAX).clamp(8, 256)
}

impl<J, T, O> Job<'_, J, T, O> {
    /// Maximum number of calls in flight.
    pub(super) fn concurrency(&self) -> usize {
        self.concurrency.unwrap_or_else(|| concurrency_for(self.rate)).max(1)
    }
}

/// Begins to send, before anything is read back: calls that a killed process left open are closed.
pub(super) async fn begin<J: SendJournal, T, O>(job: &Job<'_, J, T, O>) -> Result<Timestamp, JournalError> {
    let now = job.clock.now();
    job.journal
        .begin_sending(job.run, job.channel, job.window, job.call_timeout, now, job.clock.clock_offset())
        .await?;
    Ok(now)
}

/// Marks a run as failed if the journal can still be written. If not, the run stays marked as being sent, and the next
/// process takes it up as well.
pub(super) async fn fail<J: SendJournal, T, O>(job: &Job<'_, J, T, O>, begun: Timestamp, error: &JournalError) {
    if let Ok(counts) = job.journal.counts(job.run).await {
        let _ = end(job, begun, RunState::Failed, Some(error.to_string()), (&counts, Vec::new())).await;
    }
}

/// Sends a run that was begun at `begun`, at the pace of `limiter`, with its share of the contacts that the process
/// keeps in memory.
pub(super) async fn send_begun<J: SendJournal, T: Transport, O: Observer>(
    job: &Job<'_, J, T, O>,
    limiter: &RateLimiter,
    contacts: &ContactBudget,
    begun: Timestamp,
) -> Result<Ending, JournalError> {
    let latency = job.journal.mean_latency(job.window).await?.unwrap_or(TYPICAL_LATENCY);
    let written = if job.read_back {
        WrittenFields::new(job.journal.written_fields(job.channel).await?)
    } else {
        WrittenFields::default()
    };
    let executor = Executor::new(job, limiter, contacts, latency, written);
    executor.announce().await?;
    executor.stop_if_asked_to_wait();
    executor.execute_pending().await?;
    executor.conclude_held().await?;
    executor.execute_marks().await?;
    let dropped = executor.read_back().await?;

    let counts = job.journal.counts(job.run).await?;
    let left = counts.pending - counts.deferred + counts.marks;
    if let (true, Some(reason)) = (left > 0, executor.budget.reason()) {
        job.stop.ask(reason);
    }
    let stopped = job.stop.reason();
    let (state, reason) = match &stopped {
        _ if counts.pending == 0 && counts.marks == 0 => (RunState::Finished, None),
        _ if left == 0 => (RunState::Stopped, Some(left_out(counts.deferred))),
        Some(reason) => (RunState::Stopped, Some(reason.text())),
        None => (RunState::Stopped, Some(kept_failing(left))),
    };
    let summary = end(job, begun, state, reason, (&counts, dropped)).await?;
    let started = executor.budget.started();
    Ok(Ending { summary, stopped: stopped.filter(|_| left > 0), started })
}

fn left_out(contacts: u64) -> String {
    match contacts {
        1 => "1 contact of an earlier run is left out of this one".into(),
        _ => format!("{contacts} contacts of an earlier run are left out of this one"),
    }
}

fn kept_failing(contacts: u64) -> String {
    match contacts {
        1 => "1 contact is left: its calls kept failing".into(),
        _ => format!("{contacts} contacts are left: their calls kept failing"),
    }
}

async fn end<J: SendJournal, T, O>(
    job: &Job<'_, J, T, O>,
    begun: Timestamp,
    state: RunState,
    reason: Option<String>,
    (counts, dropped_fields): (&Counts, Vec<String>),
) -> Result<RunSummary, JournalError> {
    let now = job.clock.now();
    let worked = now.since(begun);
    let summary = RunSummary { dropped_fields, ..run_summary(job.run, state, reason.clone(), counts, worked) };
    job.journal.end(job.run, state, reason, worked, now, summary.to_json()).await?;
    Ok(summary)
}

/// The state of a run while it is sent.
struct Executor<'a, J, T, O> {
    job: &'a Job<'a, J, T, O>,
    limiter: &'a RateLimiter,
    // The holder of a slot has a call in flight, or is next in line for a permit.
    slots: Semaphore,
    concurrency: usize,
    delays: Vec<Duration>,
    random: RefCell<fastrand::Rng>,
    admission: AdmissionControl,
    refusals: RefCell<Refusals>,
    // Rejected rows that are not in the journal yet.
    held: HeldRejections,
    // When the journal last recorded the limit that the platform states.
    limit_stated: Cell<Option<Timestamp>>,
    // Of the contacts that did not come to their end, the first in the file's order: its number, key and row.
    first_missed: RefCell<Option<(u64, String, u64)>>,
    budget: CallBudget,
    // This run's share of the contacts that the process keeps in memory.
    contacts: Rc<ContactShare>,
    // When this process began with the run.
    begun: Timestamp,
    // When the last event about other clients of the token was emitted.
    others_reported: Cell<Option<Timestamp>>,
    // Contacts that wait for a delay, the search lag, or the commit of their last answer. Other contacts go on meanwhile.
    idle: Cell<usize>,
    became_idle: Notify,
    // Lost creates of contacts that the file no longer has and that are still in doubt.
    orphans: Cell<usize>,
    calls_left: Cell<Range>,
    // The calls that are kept free for the contacts that have begun.
    reserved: Cell<u64>,
    latency: Cell<Duration>,
    trust: CreateTrust,
    creates: OpenCreates,
    written: WrittenFields,
}

impl<'a, J, T, O> Executor<'a, J, T, O> {
    fn new(
        job: &'a Job<'a, J, T, O>,
        limiter: &'a RateLimiter,
        contacts: &ContactBudget,
        latency: Duration,
        written: WrittenFields,
    ) -> Self {
        let concurrency = job.concurrency();
        Self {
            slots: Semaphore::new(concurrency),
            concurrency,
            delays: delays(usize::try_from(TRIES).unwrap_or(usize::MAX)),
            random: RefCell::new(fastrand::Rng::with_seed(job.seed)),
            admission: AdmissionControl::new(
                CircuitBreaker::new(job.outage_timeout),
                job.policy.mode != Mode::Create || job.policy.search_first,
            ),
            refusals: RefCell::default(),
            held: HeldRejections::default(),
            limit_stated: Cell::new(None),
            first_missed: RefCell::default(),
            budget: CallBudget::new(job.limits, job.call_timeout),
            contacts: contacts.share(concurrency),
            begun: job.clock.now(),
            others_reported: Cell::new(None),
            idle: Cell::new(0),
            became_idle: Notify::new(),
            orphans: Cell::new(0),
            calls_left: Cell::default(),
            reserved: Cell::default(),
            latency: Cell::new(latency),
            trust: CreateTrust::default(),
            creates: OpenCreates::default(),
            written,
            limiter,
            job,
        }
    }
}

#[cfg(test)]
mod tests;
