//! One look at a platform: a search that changes nothing, to see whether the token works. It is paced and written down
//! like any other call.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::{Call, Cleared};
use crate::core::channel::WindowId;
use crate::core::model::Field;
use crate::core::recognition::{Acquaintance, READ, Recognition, Verdict};
use crate::core::sample::Sample;
use crate::core::window::{LINGER, MARGIN, MINUTE};
use crate::journal::{Journal, JournalError};
use crate::platform::limiter::{Clock, delays};
use crate::sync::channels::restored;
use crate::sync::transport::Transport;

/// How long a look waits for its place in the minute: one that is full has room again by then, even when the calls that
/// fill it may linger. Only a pause that a 429 asked for can be longer.
const OUTAGE_TIMEOUT: Duration =
    MINUTE.saturating_add(MARGIN).saturating_add(LINGER).saturating_add(Duration::from_secs(5));

/// How often a read that gets no answer is repeated before nothing is decided.
const READ_TRIES: usize = 2;

/// A channel that is to be looked at.
#[derive(Debug)]
pub struct Probe<'a, T> {
    /// Where the call is written down.
    pub journal: &'a Journal,
    /// The channel's name.
    pub channel: &'a str,
    /// The window that the call counts in.
    pub window: &'a WindowId,
    /// The platform.
    pub transport: &'a T,
    /// How long a call can take before the transport gives it up.
    pub call_timeout: Duration,
    /// The most calls a minute.
    pub rate: NonZeroU32,
    /// The process's clock.
    pub clock: &'a Clock,
}

/// What reading known contacts came to.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// Number of calls that it took.
    pub calls: usize,
    /// Whether the token opens the channel of the known contacts; else the answer that left it undecided, `None` when a
    /// 429 asked for a longer pause than a look waits.
    pub verdict: Result<Verdict, Option<Attempt>>,
}

impl<T: Transport> Probe<'_, T> {
    /// Searches for `field`, whose value nobody needs to have. `None` when it is not asked, since a 429
    /// asked for a pause that is longer than it takes a full minute to have room again.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn find(&self, field: Field) -> Result<Option<Attempt>, JournalError> {
        self.ask(&Call::Find { field, page: 1 }).await
    }

    // Sends a call that changes nothing.
    async fn ask(&self, call: &Call) -> Result<Option<Attempt>, JournalError> {
        let (now, clock_offset) = (self.clock.now(), self.clock.clock_offset());
        self.journal.begin_probe(self.channel, self.window, self.call_timeout, now, clock_offset).await?;
        let limiter = restored(self.journal, self.window, self.rate, None, self.clock).await?;
        let Ok(permit_guard) = limiter.permit(Some(self.clock.now() + OUTAGE_TIMEOUT)).await else { return Ok(None) };
        let started = self.journal.start_probe(self.channel, self.window, call.kind(), self.clock.now()).await?;
        let number = started.number();
        let (permit, on_its_way) = permit_guard.set_out();
        let answer = self.transport.send(Cleared::new(call, permit, started)).await;
        let _ = on_its_way.end(&answer);
        let attempt = answer.attempt.reduced(call.searched());
        self.journal.end_probe(number, attempt.clone(), self.clock.now()).await?;
        Ok(Some(attempt))
    }

    /// Reads known contacts by id, at most six of them, until three have answered, and compares what the platform
    /// shows with what is known. A read that gets no answer is repeated twice.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn recognise(&self, known: &[Acquaintance]) -> Result<Recognised, JournalError> {
        let (mut recognition, mut calls) = (Recognition::default(), 0);
        let delays = delays(READ_TRIES);
        for acquaintance in known.iter().take(READ) {
            let call = Call::Read { id: acquaintance.known.id.clone() };
            let mut waits = delays.iter();
            let answer = loop {
                let answer = self.ask(&call).await?;
                calls += usize::from(answer.is_some());
                let is_lost = matches!(answer, Some(Attempt::Unsent { .. } | Attempt::Lost { .. }));
                match waits.next().filter(|_| is_lost) {
                    Some(wait) => self.clock.sleep_until(self.clock.now() + *wait).await,
                    None => break answer,
                }
            };
            match answer {
                Some(Attempt::Contact(shown)) => recognition.compare(acquaintance, known, &shown),
                // One that is still being created shows nothing yet.
                Some(Attempt::Missing { .. } | Attempt::Queued { .. }) => recognition.miss(),
                undecided @ (None
                | Some(
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
                )) => return Ok(Recognised { calls, verdict: Err(undecided) }),
            }
            if recognition.is_decided() {
                break;
            }
        }
        Ok(Recognised { calls, verdict: Ok(recognition.verdict()) })
    }

    /// Searches for a contact of the input by `asked`: this match field of it, or the field with its value in another form.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub async fn sample(&self, field: &Field, asked: Field) -> Result<Sample, JournalError> {
        let attempt = self.find(asked).await?;
        Ok(attempt.map_or_else(|| Sample::Unknown("the rate limit is reached".into()), |it| Sample::of(&it, field)))
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

    /// A platform on which nobody is found.
    struct Empty;

    impl Transport for Empty {
        async fn send(&self, _: Cleared<'_>) -> Answer {
            Attempt::Page(Page::of(Vec::new())).into()
        }
    }

    // After a process whose only call of the minute came to this; nothing when it was killed meanwhile.
    async fn looked_after(attempt: Option<Attempt>) -> (Option<Attempt>, Duration) {
        let (journal, clock) = (Journal::in_memory().unwrap(), Clock::starting_at(NOON));
        let window = WindowId::of("token", b"salt");
        let number = journal.start_probe("c", &window, CallKind::Find, NOON).await.unwrap().number();
        if let Some(attempt) = attempt {
            journal.end_probe(number, attempt, NOON).await.unwrap();
        }
        let look = Probe {
            journal: &journal,
            channel: "c",
            window: &window,
            transport: &Empty,
            call_timeout: Duration::from_secs(30),
            rate: NonZeroU32::MIN,
            clock: &clock,
        };
        let found = look.find(Field::text("email", "nobody")).await.unwrap();
        (found, clock.now().since(NOON))
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_minute_is_waited_for_and_a_longer_pause_is_not() {
        let page = Some(Attempt::Page(Page::of(Vec::new())));
        let lost = || Some(Attempt::lost(None, "reset".into()));
        let throttled = |seconds| Some(Attempt::throttled(Some(Duration::from_secs(seconds))));
        let check = async |before: Option<Attempt>, expected: &Option<Attempt>, waited: Duration| {
            let (found, took) = looked_after(before.clone()).await;
            assert_eq!(&found, expected, "after {before:?}");
            // The timers count whole milliseconds.
            assert!(took >= waited && took < waited + Duration::from_millis(10), "after {before:?}: {took:?}");
        };
        check(Some(Attempt::Done), &page, MINUTE + MARGIN).await;
        check(lost(), &page, MINUTE + MARGIN + LINGER).await;
        check(None, &page, MINUTE + MARGIN + LINGER).await;
        check(throttled(80), &page, Duration::from_secs(81)).await;
        check(throttled(600), &None, Duration::ZERO).await;
    }
}
