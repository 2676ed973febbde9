//! Calls that read back what the platform has: paced, journaled and retried like those of a run, but for no row of an input.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::sync::Notify;

use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Cleared};
use crate::core::circuit_breaker::{CircuitBreaker, Room};
use crate::core::counted::counted;
use crate::core::eta::{Eta, Limits, TYPICAL_LATENCY};
use crate::core::forecast::Range;
use crate::core::retry::{Retry, TRIES, decide};
use crate::core::time::Timestamp;
use crate::core::window::Learned;
use crate::core::window_id::WindowId;
use crate::journal::{Ended, Journal, JournalError, SendJournal};
use crate::platform::limiter::{Clock, RateLimiter, delays};
use crate::sync::event::{Event, Observer};
use crate::sync::limiters::restored;
use crate::sync::report::Calls;
use crate::sync::run::{AskedWaits, CallBudget, TryCount, concurrency_for, follow, report_trouble};
use crate::sync::stop::{Stop, StopReason};
use crate::sync::transport::Transport;

/// A channel whose contacts are read back, and how far that goes.
#[derive(Debug)]
pub(super) struct ReadJob<'a, T, O> {
    pub journal: &'a Journal,
    pub channel: &'a str,
    pub window: &'a WindowId,
    pub transport: &'a T,
    pub call_timeout: Duration,
    pub rate: NonZeroU32,
    pub burst: Option<NonZeroU32>,
    pub concurrency: Option<usize>,
    pub limits: Limits,
    pub outage_timeout: Duration,
    pub clock: &'a Clock,
    pub seed: u64,
    pub observer: &'a O,
    pub stop: &'a Stop,
}

impl<T, O> Clone for ReadJob<'_, T, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, O> Copy for ReadJob<'_, T, O> {}

/// Lets `work` make calls until it has ended or the process is asked to stop, and returns the number of calls. A token that is
/// refused meanwhile is replaced once, if it can be, and `work` continues where it was.
pub(super) async fn with_calls<T: Transport, O: Observer>(
    job: ReadJob<'_, T, O>,
    mut work: impl AsyncFnMut(&ReadCalls<'_, T, O>) -> Result<(), JournalError>,
) -> Result<Calls<u64>, JournalError> {
    let first = ReadCalls::begin(job).await?;
    work(&first).await?;
    let mut made = first.made();
    if !matches!(job.stop.reason(), Some(StopReason::Unauthorized(_))) {
        return Ok(made);
    }
    match job.transport.renewed().await {
        Ok(Some(window)) => {
            job.stop.take_back();
            let again = ReadCalls::begin(ReadJob { window: &window, limits: first.left(), ..job }).await?;
            work(&again).await?;
            made += again.made();
        }
        Ok(None) => {}
        Err(reason) => {
            job.stop.take_back();
            job.stop.ask(reason);
        }
    }
    Ok(made)
}

/// The calls of a process in one window.
pub(super) struct ReadCalls<'a, T, O> {
    job: ReadJob<'a, T, O>,
    limiter: RateLimiter,
    breaker: RefCell<CircuitBreaker>,
    budget: CallBudget,
    delays: Vec<Duration>,
    random: RefCell<fastrand::Rng>,
    calls: Cell<Calls<u64>>,
    in_flight: [Cell<u32>; CallKind::ALL.len()],
    ended: Notify,
}

/// What became of a call.
pub(super) enum Asked {
    /// It was answered. Its end is to be journaled, together with what it implies.
    Answered(Ended),
    /// It failed several times, for this reason, while others were answered.
    Failed(String),
    /// The process was asked to stop, or may send no further call.
    Stopped,
}

impl<'a, T: Transport, O: Observer> ReadCalls<'a, T, O> {
    /// Begins to call, as a run begins: the calls that a killed process left open are closed first.
    pub async fn begin(job: ReadJob<'a, T, O>) -> Result<Self, JournalError> {
        let ReadJob { journal, channel, window, clock, .. } = job;
        journal.begin_probe(channel, window, job.call_timeout, clock.now(), clock.clock_offset()).await?;
        let limiter = restored(journal, window, job.rate, job.burst, clock).await?;
        let calls = Self {
            limiter,
            breaker: RefCell::new(CircuitBreaker::new(job.outage_timeout)),
            budget: CallBudget::new(job.limits, job.call_timeout),
            delays: delays(usize::try_from(TRIES).unwrap_or(usize::MAX)),
            random: RefCell::new(fastrand::Rng::with_seed(job.seed)),
            calls: Cell::default(),
            in_flight: Default::default(),
            ended: Notify::new(),
            job,
        };
        calls.asked_waits().stop_if_paused();
        Ok(calls)
    }

    /// Maximum number of calls in flight.
    pub fn concurrency(&self) -> usize {
        self.job.concurrency.unwrap_or_else(|| concurrency_for(self.job.rate)).max(1)
    }

    /// Number of calls that were started, by kind.
    pub const fn made(&self) -> Calls<u64> {
        self.calls.get()
    }

    /// What is left of the limits.
    pub fn left(&self) -> Limits {
        self.budget.left()
    }

    /// Reports what is about to be read back: this many contacts, in this many calls.
    pub fn announce(&self, contacts: u64, calls: u64) {
        let (used, limit) = (self.limiter.used(), self.limiter.limit());
        let calls = Range { min: calls, max: calls };
        self.job.observer.observe(&Event::Sending { pending: contacts, calls, used, limit, eta: self.eta(calls) });
    }

    /// Reports that `contacts` were read back so far, and that this many calls are left.
    pub fn tick(&self, contacts: u64, calls: u64) {
        let (used, limit) = (self.limiter.used(), self.limiter.limit());
        let calls = Range { min: calls, max: calls };
        self.job.observer.observe(&Event::ReadBack { contacts });
        self.job.observer.observe(&Event::Tick { used, limit, calls, eta: self.eta(calls), wait: None });
    }

    fn eta(&self, calls: Range) -> Eta {
        let rate_model = self.limiter.rate_model(self.concurrency(), TYPICAL_LATENCY);
        rate_model.eta(calls, &self.budget.left(), self.job.call_timeout)
    }

    /// Sends a call until it is answered. `key` names its contact. Repeating the call must change nothing, except for a create: one
    /// that may have made its contact is not repeated.
    pub async fn ask(&self, call: &Call, key: &str) -> Result<Asked, JournalError> {
        let (kind, mut tries) = (call.kind(), TryCount::default());
        loop {
            let Some(ended) = self.try_once(call, key).await? else { return Ok(Asked::Stopped) };
            if kind == CallKind::Create && ended.attempt.leaves_create_open() {
                return Ok(Asked::Answered(ended));
            }
            tries.record(kind, &self.breaker.borrow());
            let roll = self.random.borrow_mut().f64();
            let cause = match decide(&ended.attempt, false, tries.made(), &self.delays, roll) {
                Retry::Finish => return Ok(Asked::Answered(ended)),
                Retry::Call(wait) => {
                    self.journal_end(&ended).await?;
                    if !self.sleep_until(self.job.clock.now() + wait).await {
                        return Ok(Asked::Stopped);
                    }
                    continue;
                }
                Retry::Channel(_) => {
                    self.journal_end(&ended).await?;
                    tries.forgive();
                    continue;
                }
                Retry::GiveUp => cause_of(&ended.attempt),
                Retry::Stop => {
                    self.journal_end(&ended).await?;
                    return Ok(Asked::Stopped);
                }
            };
            self.journal_end(&ended).await?;
            return Ok(Asked::Failed(format!(
                "{} failed {}{cause}",
                kind.name(),
                counted(tries.made().into(), "time", "times")
            )));
        }
    }

    /// Journals the end of a call that implies nothing.
    pub async fn journal_end(&self, ended: &Ended) -> Result<(), JournalError> {
        self.job.journal.end_probe(ended.number, ended.attempt.clone(), ended.at).await
    }

    // `None` when the process is to stop.
    async fn try_once(&self, call: &Call, key: &str) -> Result<Option<Ended>, JournalError> {
        let ReadJob { journal, channel, window, clock, stop, observer, .. } = self.job;
        let kind = call.kind();
        if !self.wait_for_kind(kind).await {
            return Ok(None);
        }
        let asked = clock.now();
        let permitted = tokio::select! {
            biased;
            () = stop.asked() => return Ok(None),
            // Instead of waiting for a permit that would be useless.
            reason = self.budget.all_taken() => {
                stop.ask(reason);
                return Ok(None);
            }
            permitted = self.limiter.permit(self.budget.latest()) => permitted,
        };
        let taken = permitted.map_err(|_too_late| StopReason::Deadline);
        let taken = taken.and_then(|permit_guard| self.budget.take().map(|()| permit_guard));
        let permit_guard = match taken {
            Ok(permit_guard) => permit_guard,
            Err(reason) => {
                stop.ask(reason);
                return Ok(None);
            }
        };
        self.breaker.borrow_mut().held_back(kind, asked, clock.now());
        let begun = clock.now();
        let started = journal.start_probe(channel, window, kind, begun).await?;
        let number = started.number();
        let (permit, in_flight) = permit_guard.start();
        self.count(kind);
        let place = InFlightCount::of(&self.in_flight[kind as usize], &self.ended);
        let answer = self.job.transport.send(Cleared::new(call, permit, started)).await;
        drop(place);
        let at = clock.now();
        let attempt = &answer.attempt;
        observer.observe(&Event::Called { kind, line: None, key, result: attempt.name(), took: at.since(begun) });
        self.react(kind, attempt, at);
        for learned in in_flight.end(&answer) {
            self.learned(learned, at).await?;
        }
        Ok(Some(Ended { number, attempt: answer.attempt, at }))
    }

    fn react(&self, kind: CallKind, attempt: &Attempt, at: Timestamp) {
        let ReadJob { stop, observer, .. } = self.job;
        report_trouble(kind, attempt, observer);
        if let Attempt::Unauthorized { message } = attempt {
            stop.ask(StopReason::Unauthorized(message.clone()));
        }
        self.asked_waits().follow(attempt, at);
        let reaction = self.breaker.borrow_mut().record(kind, attempt, false, at);
        follow(&reaction, (kind, attempt), &self.limiter, observer, stop);
        self.ended.notify_waiters();
    }

    async fn learned(&self, learned: Learned, at: Timestamp) -> Result<(), JournalError> {
        match learned {
            Learned::Limit(limit) => {
                let calls = u32::try_from(limit).unwrap_or(u32::MAX);
                let lower = (calls < self.job.rate.get()).then_some(calls);
                self.job.journal.set_learnt_limit(self.job.window, lower, at).await?;
                self.job.observer.observe(&Event::Limited { limit });
            }
            Learned::Others(calls) => self.job.observer.observe(&Event::Others { calls }),
        }
        Ok(())
    }

    const fn asked_waits(&self) -> AskedWaits<'_, O> {
        let ReadJob { observer, stop, clock, outage_timeout, .. } = self.job;
        AskedWaits { limiter: &self.limiter, observer, stop, clock, outage_timeout, latest: self.budget.latest() }
    }

    // Waits until calls of this kind may be sent: false when the process is to stop first.
    async fn wait_for_kind(&self, kind: CallKind) -> bool {
        loop {
            let in_flight = self.in_flight[kind as usize].get();
            // Created before the look, so that a call which ends meanwhile wakes it.
            let ended = self.ended.notified();
            let room = self.breaker.borrow().room(kind, in_flight, self.job.clock.now());
            match room {
                Room::Free => return true,
                Room::At(moment) => {
                    if !self.sleep_until(moment).await {
                        return false;
                    }
                }
                Room::Occupied => tokio::select! {
                    biased;
                    () = self.job.stop.asked() => return false,
                    () = ended => {}
                },
            }
        }
    }

    async fn sleep_until(&self, moment: Timestamp) -> bool {
        if !self.budget.waits_for(moment) {
            self.job.stop.ask(StopReason::Deadline);
            return false;
        }
        tokio::select! {
            biased;
            () = self.job.stop.asked() => false,
            () = self.job.clock.sleep_until(moment) => true,
        }
    }

    fn count(&self, kind: CallKind) {
        let mut calls = self.calls.get();
        calls.total += 1;
        match kind {
            CallKind::Find => calls.find += 1,
            CallKind::Read => calls.read += 1,
            CallKind::Create => calls.create += 1,
            CallKind::Update => calls.update += 1,
            CallKind::AddTags => calls.add_tags += 1,
            CallKind::RemoveTags => calls.remove_tags += 1,
        }
        self.calls.set(calls);
    }
}

/// Counts a call among those in flight until it is dropped.
struct InFlightCount<'a>(&'a Cell<u32>, &'a Notify);

impl<'a> InFlightCount<'a> {
    fn of(count: &'a Cell<u32>, ended: &'a Notify) -> Self {
        count.set(count.get() + 1);
        Self(count, ended)
    }
}

impl Drop for InFlightCount<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
        self.1.notify_waiters();
    }
}

fn cause_of(attempt: &Attempt) -> String {
    match attempt {
        Attempt::Unsent { cause } | Attempt::WrongPath { message: cause } | Attempt::Lost { cause, .. } => {
            format!(": {cause}")
        }
        Attempt::Queued { message } | Attempt::Missing { message } => format!(": {message}"),
        Attempt::Page(_)
        | Attempt::Contact(_)
        | Attempt::Created(_)
        | Attempt::Done
        | Attempt::Taken { .. }
        | Attempt::Refused { .. }
        | Attempt::Unauthorized { .. }
        | Attempt::Throttled { .. } => String::new(),
    }
}
