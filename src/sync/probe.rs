//! Probes a platform with calls that change nothing, to see whether the token works. They are paced and journaled like
//! any other call.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::{Call, Cleared};
use crate::core::model::Field;
use crate::core::sample::Sample;
use crate::core::token_recognition::{KnownContact, READ, TokenRecognition, Verdict};
use crate::core::window::{IN_FLIGHT_GRACE, MARGIN, MINUTE};
use crate::core::window_id::WindowId;
use crate::journal::{Journal, JournalError};
use crate::platform::limiter::{Clock, delays};
use crate::sync::limiters::restored;
use crate::sync::transport::Transport;

/// Longest wait of a probe for the rate limit. A full minute has room again by then, even after its in-flight grace.
/// Only a pause that a 429 asked for can be longer.
const LONGEST_WAIT: Duration =
    MINUTE.saturating_add(MARGIN).saturating_add(IN_FLIGHT_GRACE).saturating_add(Duration::from_secs(5));

/// How often a read without an answer is repeated before the result is undecided.
const READ_TRIES: usize = 2;

/// Number of calls that reads of known contacts leave: the search that shows whether the token works.
const KEPT_CALLS: usize = 1;

/// The answer to a call that changes nothing.
pub type Probed = Result<Attempt, NotProbed>;

/// Why a call that changes nothing was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotProbed {
    /// A 429 asked for a pause that is longer than a full minute takes to have room again.
    Paused,
    /// The calls are used up.
    NoCallsLeft,
}

/// The calls that probes may still make.
#[derive(Debug)]
pub struct ProbeCalls {
    left: Cell<usize>,
    // The numbers of the calls that were made.
    made: RefCell<Vec<i64>>,
}

impl ProbeCalls {
    /// At most this many.
    pub const fn at_most(calls: usize) -> Self {
        Self { left: Cell::new(calls), made: RefCell::new(Vec::new()) }
    }

    /// As many as it takes.
    pub const fn unlimited() -> Self {
        Self::at_most(usize::MAX)
    }

    /// Number of calls that may still be made.
    pub const fn left(&self) -> usize {
        self.left.get()
    }

    /// Number of calls that were made.
    pub fn made(&self) -> usize {
        self.made.borrow().len()
    }

    /// The numbers of the calls that were made.
    pub fn into_numbers(self) -> Vec<i64> {
        self.made.into_inner()
    }

    fn count(&self, number: i64) {
        self.left.set(self.left.get().saturating_sub(1));
        self.made.borrow_mut().push(number);
    }
}

/// A channel to probe.
#[derive(Debug)]
pub struct Probe<'a, T> {
    /// The journal that records the calls.
    pub(in crate::sync) journal: &'a Journal,
    /// The channel's name.
    pub(in crate::sync) channel: &'a str,
    /// The window in which the calls count.
    pub(in crate::sync) window: &'a WindowId,
    /// The platform.
    pub(in crate::sync) transport: &'a T,
    /// Longest time that a call takes before the transport abandons it.
    pub(in crate::sync) call_timeout: Duration,
    /// Maximum number of calls a minute.
    pub(in crate::sync) rate: NonZeroU32,
    /// The process's clock.
    pub(in crate::sync) clock: &'a Clock,
    /// The calls that may still be made.
    pub(in crate::sync) calls: &'a ProbeCalls,
}

impl<T: Transport> Probe<'_, T> {
    /// Searches for `field`; no contact needs to have its value.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn find(&self, field: Field) -> Result<Probed, JournalError> {
        self.ask(&Call::Find { field, page: 1 }, 0).await
    }

    // Sends a call that changes nothing, if it leaves `kept` calls.
    async fn ask(&self, call: &Call, kept: usize) -> Result<Probed, JournalError> {
        if self.calls.left() <= kept {
            return Ok(Err(NotProbed::NoCallsLeft));
        }
        let (now, clock_offset) = (self.clock.now(), self.clock.clock_offset());
        self.journal.begin_probe(self.channel, self.window, self.call_timeout, now, clock_offset).await?;
        let limiter = restored(self.journal, self.window, self.rate, None, self.clock).await?;
        let Ok(permit_guard) = limiter.permit(Some(self.clock.now() + LONGEST_WAIT)).await else {
            return Ok(Err(NotProbed::Paused));
        };
        let started = self.journal.start_probe(self.channel, self.window, call.kind(), self.clock.now()).await?;
        let number = started.number();
        let (permit, in_flight) = permit_guard.start();
        self.calls.count(number);
        let answer = self.transport.send(Cleared::new(call, permit, started)).await;
        let _ = in_flight.end(&answer);
        let attempt = answer.attempt.reduced(call.searched());
        self.journal.end_probe(number, attempt.clone(), self.clock.now()).await?;
        Ok(Ok(attempt))
    }

    /// Reads at most six known contacts by id, until three were answered, and compares the platform's values with the
    /// journal's. A read without an answer is repeated twice. The error of the inner result is the answer that left it
    /// undecided.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn recognise(&self, known: &[KnownContact]) -> Result<Result<Verdict, Probed>, JournalError> {
        let mut recognition = TokenRecognition::default();
        let delays = delays(READ_TRIES);
        for acquaintance in known.iter().take(READ) {
            let call = Call::Read { id: acquaintance.known.id.clone() };
            let mut waits = delays.iter();
            let answer = loop {
                let answer = self.ask(&call, KEPT_CALLS).await?;
                let is_lost = matches!(answer, Ok(Attempt::Unsent { .. } | Attempt::Lost { .. }));
                match waits.next().filter(|_| is_lost) {
                    Some(wait) => self.clock.sleep_until(self.clock.now() + *wait).await,
                    None => break answer,
                }
            };
            match answer {
                Ok(Attempt::Contact(shown)) => recognition.compare(acquaintance, known, &shown),
                // A contact that is still being created has no values yet.
                Ok(Attempt::Missing { .. } | Attempt::Queued { .. }) => recognition.miss(),
                undecided @ (Err(_)
                | Ok(
                    Attempt::Page(_)
                    | Attempt::Created(_)
                    | Attempt::Done
                    | Attempt::Taken { .. }
                    | Attempt::Refused { .. }
                    | Attempt::Unauthorized { .. }
                    | Attempt::Throttled { .. }
                    | Attempt::WrongPath { .. }
                    | Attempt::Unsent { .. }
                    | Attempt::Lost { .. },
                )) => return Ok(Err(undecided)),
            }
            if recognition.is_decided() {
                break;
            }
        }
        Ok(Ok(recognition.verdict()))
    }

    /// Searches for a contact of the input by `asked`: its match field, or the same field with its value in another
    /// form.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn sample(&self, field: &Field, asked: Field) -> Result<Sample, JournalError> {
        Ok(match self.find(asked).await? {
            Ok(attempt) => Sample::of(&attempt, field),
            Err(NotProbed::Paused) => Sample::Unknown("the rate limit is reached".into()),
            Err(NotProbed::NoCallsLeft) => Sample::Unknown("the calls of the check are used up".into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::answer::Answer;
    use crate::core::call::CallKind;
    use crate::core::page::Page;
    use crate::core::time::Timestamp;

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// A platform without contacts.
    struct Empty;

    impl Transport for Empty {
        async fn send(&self, _: Cleared<'_>) -> Answer {
            Attempt::Page(Page::of(Vec::new())).into()
        }
    }

    // Probes after a process whose only call of the minute had this result; `None` when it was killed meanwhile.
    async fn probed_after(attempt: Option<Attempt>) -> (Probed, Duration) {
        let (journal, clock) = (Journal::in_memory().unwrap(), Clock::starting_at(NOON));
        let window = WindowId::of("token", b"salt");
        let number = journal.start_probe("c", &window, CallKind::Find, NOON).await.unwrap().number();
        if let Some(attempt) = attempt {
            journal.end_probe(number, attempt, NOON).await.unwrap();
        }
        let probe = Probe {
            journal: &journal,
            channel: "c",
            window: &window,
            transport: &Empty,
            call_timeout: Duration::from_secs(30),
            rate: NonZeroU32::MIN,
            clock: &clock,
            calls: &ProbeCalls::unlimited(),
        };
        let found = probe.find(Field::text("email", "absent")).await.unwrap();
        (found, clock.now().since(NOON))
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_waits_for_a_full_minute_and_not_for_a_longer_pause() {
        let page = Ok(Attempt::Page(Page::of(Vec::new())));
        let lost = || Some(Attempt::lost(None, "reset".into()));
        let throttled = |seconds| Some(Attempt::throttled(Some(Duration::from_secs(seconds))));
        let check = async |before: Option<Attempt>, expected: &Probed, waited: Duration| {
            let (found, took) = probed_after(before.clone()).await;
            assert_eq!(&found, expected, "after {before:?}");
            // The timers count whole milliseconds.
            assert!(took >= waited && took < waited + Duration::from_millis(10), "after {before:?}: {took:?}");
        };
        check(Some(Attempt::Done), &page, MINUTE + MARGIN).await;
        check(lost(), &page, MINUTE + MARGIN + IN_FLIGHT_GRACE).await;
        check(None, &page, MINUTE + MARGIN + IN_FLIGHT_GRACE).await;
        check(throttled(80), &page, Duration::from_secs(81)).await;
        check(throttled(600), &Err(NotProbed::Paused), Duration::ZERO).await;
    }
}
