//! What an answer means for the run beyond its contact: pauses, stops, and whether refusals concern the account.

use std::time::Duration;

use super::Executor;
use super::active_contact::ActiveContact;
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::circuit_breaker::{RATE_LIMIT_WAIT, Reaction};
use crate::core::refusals::{REFUSALS_IN_A_ROW, Refusal};
use crate::core::retry::asked_wait;
use crate::core::time::Timestamp;
use crate::journal::SendJournal;
use crate::platform::limiter::{Clock, RateLimiter};
use crate::sync::event::{Event, Observer};
use crate::sync::stop::{Stop, StopReason};
use crate::sync::transport::Transport;

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Follows what an answer means for all calls: reports it, waits as the platform asks, and pauses or stops when the
    /// circuit breaker says so.
    pub fn react(&self, kind: CallKind, attempt: &Attempt, is_own: bool, begun: Timestamp, at: Timestamp) {
        let took = at.since(begun);
        // The latest calls count most: a platform is slower at noon than at night.
        self.latency.set((self.latency.get() * 15 + took) / 16);
        report_trouble(kind, attempt, self.job.observer);
        if let Attempt::Unauthorized { message } = attempt {
            self.job.stop.ask(StopReason::Unauthorized(message.clone()));
        }
        self.asked_waits().follow(attempt, at);
        let reaction = self.admission.record(kind, attempt, is_own, at);
        follow(&reaction, (kind, attempt), self.limiter, self.job.observer, self.job.stop);
    }

    /// Follows what an answer means for its contact beyond the next step, and for the refusals before it. `begun` and
    /// `at` are the times when the call began and ended.
    pub fn react_for_contact(
        &self,
        contact: &mut ActiveContact,
        kind: CallKind,
        attempt: &Attempt,
        (begun, at): (Timestamp, Timestamp),
    ) {
        contact.failures.record(kind, attempt, &self.admission.breaker());
        if contact.trial == Some(kind) {
            contact.trial = None;
            self.admission.trial_ends(kind);
        }
        if let Attempt::Unsent { cause } | Attempt::WrongPath { message: cause } | Attempt::Lost { cause, .. } = attempt
        {
            contact.cause.clone_from(cause);
        }
        match self.refusals.borrow_mut().record(kind, attempt, contact.task.contact(), (begun, at)) {
            Refusal::None => {}
            // A read only looks into what another call was refused for.
            Refusal::Cleared
                if kind == CallKind::Read && contact.refused.is_some_and(|(refused, _)| refused != kind) => {}
            Refusal::Cleared => contact.refused = None,
            Refusal::Open => contact.refused = Some((kind, at)),
            Refusal::TooMany => {
                contact.refused = Some((kind, at));
                if let Attempt::Refused { message, .. } = attempt {
                    let calls = plural(kind);
                    let text = format!("the platform refused {REFUSALS_IN_A_ROW} {calls} in a row: {message}");
                    self.job.stop.ask(StopReason::Refusing(text));
                }
            }
        }
    }

    /// Stops when an earlier process, or another channel of the token, was asked for a wait that is too long for this
    /// run.
    pub fn stop_if_asked_to_wait(&self) {
        self.asked_waits().stop_if_paused();
    }

    const fn asked_waits(&self) -> AskedWaits<'_, O> {
        AskedWaits {
            limiter: self.limiter,
            observer: self.job.observer,
            stop: self.job.stop,
            clock: self.job.clock,
            outage_timeout: self.job.outage_timeout,
            latest: self.budget.latest(),
        }
    }
}

/// Follows the waits that a platform asks for, and stops where they are too long.
pub(in crate::sync) struct AskedWaits<'a, O> {
    pub limiter: &'a RateLimiter,
    pub observer: &'a O,
    pub stop: &'a Stop,
    pub clock: &'a Clock,
    pub outage_timeout: Duration,
    /// The latest time at which a call can start; any when `None`.
    pub latest: Option<Timestamp>,
}

impl<O: Observer> AskedWaits<'_, O> {
    /// Waits as an answer asks. A 429 asks the whole channel to wait, and a 503 may.
    pub fn follow(&self, attempt: &Attempt, at: Timestamp) {
        let Some(wait) = asked_wait(attempt) else { return };
        let is_limit = matches!(attempt, Attempt::Throttled { .. });
        // Calls that are in flight together are refused together, which is one event.
        if self.limiter.pause(wait) {
            let event = if is_limit { Event::Throttled { wait } } else { Event::AskedToWait { wait } };
            self.observer.observe(&event);
        }
        self.stop_if_longer(at + wait, if is_limit { RATE_LIMIT_WAIT } else { Duration::ZERO });
    }

    /// Stops when an earlier process, or another channel of the token, was asked for a wait that is too long.
    pub fn stop_if_paused(&self) {
        if let Some(until) = self.limiter.paused_until() {
            self.stop_if_longer(until, RATE_LIMIT_WAIT);
        }
    }

    // Stops instead of sleeping for hours: when the wait is longer than both the outage timeout and `shortest`, or ends
    // too late for another call.
    fn stop_if_longer(&self, until: Timestamp, shortest: Duration) {
        let wait = until.since(self.clock.now());
        if wait > self.outage_timeout.max(shortest) || self.latest.is_some_and(|latest| until > latest) {
            self.stop.ask(StopReason::AskedToWait(self.clock.shown(until)));
        }
    }
}

/// Reports a call that got no answer, was put off, or was refused for the rate limit with a message.
pub(in crate::sync) fn report_trouble(kind: CallKind, attempt: &Attempt, observer: &impl Observer) {
    match attempt {
        Attempt::Unsent { cause }
        | Attempt::WrongPath { message: cause }
        | Attempt::Lost { cause, .. }
        | Attempt::Queued { message: cause }
        | Attempt::Throttled { message: Some(cause), .. } => observer.observe(&Event::Trouble { kind, cause }),
        Attempt::Throttled { message: None, .. }
        | Attempt::Page(_)
        | Attempt::Contact(_)
        | Attempt::Created(_)
        | Attempt::Done
        | Attempt::Missing { .. }
        | Attempt::Taken { .. }
        | Attempt::Refused { .. }
        | Attempt::Unauthorized { .. } => {}
    }
}

/// Follows what the circuit breaker decided after an attempt: pauses all calls, or stops.
pub(in crate::sync) fn follow(
    reaction: &Reaction,
    (kind, attempt): (CallKind, &Attempt),
    limiter: &RateLimiter,
    observer: &impl Observer,
    stop: &Stop,
) {
    match reaction {
        Reaction::Recovered => limiter.recover(),
        Reaction::None => {}
        Reaction::Pause(wait) => {
            limiter.pause_and_probe(*wait);
            observer.observe(&Event::Paused { wait: *wait });
        }
        Reaction::PauseKind(wait) => observer.observe(&Event::KindPaused { kind, wait: *wait }),
        Reaction::Stop(cause) => {
            stop.ask(StopReason::Down(format!("the platform is not available: {cause}")));
        }
        Reaction::StopForKind { span, cause } => {
            let (calls, span) = (plural(kind), in_words(*span));
            stop.ask(StopReason::KindDown(format!("{calls} have failed for {span}: {cause}")));
        }
        Reaction::StopForThrottling => {
            let message = match attempt {
                Attempt::Throttled { message: Some(message), .. } => format!(": {message}"),
                Attempt::Throttled { message: None, .. }
                | Attempt::Page(_)
                | Attempt::Contact(_)
                | Attempt::Created(_)
                | Attempt::Done
                | Attempt::Missing { .. }
                | Attempt::Taken { .. }
                | Attempt::Refused { .. }
                | Attempt::Unauthorized { .. }
                | Attempt::Queued { .. }
                | Attempt::WrongPath { .. }
                | Attempt::Unsent { .. }
                | Attempt::Lost { .. } => String::new(),
            };
            let calls = plural(kind);
            let text = format!("the platform refuses all {calls} for its limit (429, too many requests){message}");
            stop.ask(StopReason::Down(text));
        }
        Reaction::StopForWrongUrl(message) => stop.ask(StopReason::WrongUrl(message.clone())),
    }
}

const fn plural(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Find => "searches",
        CallKind::Read => "reads",
        CallKind::Create => "creates",
        CallKind::Update => "updates",
        CallKind::AddTags => "tag additions",
        CallKind::RemoveTags => "tag removals",
    }
}

// In whole minutes, or in seconds below a minute.
fn in_words(span: Duration) -> String {
    match (span.as_secs() / 60, span.as_secs()) {
        (0, 1) => "1 second".into(),
        (0, seconds) => format!("{seconds} seconds"),
        (1, _) => "1 minute".into(),
        (minutes, _) => format!("{minutes} minutes"),
    }
}
