//! Pace: the only waiting. It hands out permits, one by one and in order, as the window and the quota allow.

mod clock;
mod delays;

use std::mem;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;

pub use self::clock::Clock;
use self::clock::SinceOrigin;
pub use self::delays::delays;
use crate::core::time::Timestamp;
use crate::core::window::{Admission, Permit, Window};

/// The pace of one channel.
#[derive(Debug)]
pub struct Pace {
    clock: Clock,
    // Whoever holds the turn gets the next permit, so permits come in the order in which they were asked for.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    quota: RateLimiter<NotKeyed, InMemoryState, SinceOrigin, NoOpMiddleware<Nanos>>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    window: Window,
    paused_until: Option<Timestamp>,
    // One call at a time, until one shows that the platform is there.
    probing: bool,
}

enum Next {
    Permit(Permit),
    At(Timestamp),
    AfterChange,
}

impl Pace {
    /// A pace of `rate` calls a minute, of which at most `burst` come at once, that already counts the calls in `ended`:
    /// the moments at which the calls of the past minute ended.
    pub fn new(
        rate: NonZeroU32,
        burst: Option<NonZeroU32>,
        ended: impl IntoIterator<Item = Timestamp>,
        clock: Clock,
    ) -> Self {
        let limit = usize::try_from(rate.get()).unwrap_or(usize::MAX);
        let window = Window::restored(limit, ended, clock.now());
        let quota = Quota::per_minute(rate).allow_burst(burst.unwrap_or(rate));
        Self {
            quota: RateLimiter::direct_with_clock(quota, clock.since_origin()),
            clock,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State { window, paused_until: None, probing: false }),
            changed: Notify::new(),
        }
    }

    /// Waits until one more call may start. Every permit is to be ended with [`Pace::finish`].
    pub async fn permit(&self) -> Permit {
        let _turn = self.turn.lock().await;
        loop {
            match self.next() {
                Next::Permit(permit) => return permit,
                Next::At(moment) => tokio::select! {
                    () = self.clock.sleep_until(moment) => {}
                    () = self.changed.notified() => {}
                },
                Next::AfterChange => self.changed.notified().await,
            }
        }
    }

    /// Ends one permitted call: it was answered, or will not be.
    pub fn finish(&self) {
        let now = self.clock.now();
        self.state().window.finish(now);
        self.changed.notify_one();
    }

    /// Lets no call start for `span`; a pause that ends later stays.
    pub fn pause(&self, span: Duration) {
        let until = self.clock.now() + span;
        let mut state = self.state();
        state.paused_until = Some(state.paused_until.map_or(until, |earlier| earlier.max(until)));
    }

    /// Lets no call start for `span`, and then one at a time until [`Pace::recover`].
    pub fn pause_and_probe(&self, span: Duration) {
        self.pause(span);
        self.state().probing = true;
    }

    /// Ends the probing: the platform is there.
    pub fn recover(&self) {
        let was_probing = mem::take(&mut self.state().probing);
        if was_probing {
            self.changed.notify_one();
        }
    }

    /// How many calls count against the limit now.
    pub fn used(&self) -> usize {
        let now = self.clock.now();
        self.state().window.used(now)
    }

    fn next(&self) -> Next {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(until) = state.paused_until.filter(|&until| now < until) {
            return Next::At(until);
        }
        if state.probing && state.window.has_unfinished() {
            return Next::AfterChange;
        }
        // The quota is asked only when the window has room: what it grants is spent.
        if state.window.has_room(now)
            && let Err(not_yet) = self.quota.check()
        {
            let wait = not_yet.wait_time_from(self.clock.elapsed());
            return Next::At(now + wait.max(Duration::from_millis(1)));
        }
        match state.window.admit(now) {
            Admission::Granted(permit) => Next::Permit(permit),
            Admission::At(moment) => Next::At(moment),
            Admission::WhenOneFinishes => Next::AfterChange,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is changed in single steps, so a panic elsewhere cannot leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(calls: u32) -> NonZeroU32 {
        NonZeroU32::new(calls).unwrap()
    }

    async fn starts(pace: &Pace, clock: &Clock, calls: usize, latency: Duration) -> Vec<u64> {
        let begin = clock.now();
        let mut starts = Vec::new();
        for _ in 0..calls {
            let _permit = pace.permit().await;
            starts.push(u64::try_from(clock.now().since(begin).as_millis()).unwrap());
            tokio::time::sleep(latency).await;
            pace.finish();
        }
        starts
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_minute_is_used_at_once_and_then_the_window_holds() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let pace = Pace::new(rate(3), None, [], clock.clone());
        assert_eq!(starts(&pace, &clock, 7, Duration::ZERO).await, [0, 0, 0, 60_250, 60_250, 60_250, 120_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_burst_spreads_the_calls_evenly() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let pace = Pace::new(rate(60), Some(rate(2)), [], clock.clone());
        let starts = starts(&pace, &clock, 5, Duration::ZERO).await;
        assert_eq!(starts[..2], [0, 0]);
        for (n, start) in (1..).zip(&starts[2..]) {
            assert!((n * 1_000..=n * 1_000 + 5).contains(start), "{starts:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_calls_before_a_restart_count() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let now = clock.now();
        let ended = [now, now.before(Duration::from_secs(59)), now.before(Duration::from_secs(90))];
        let pace = Pace::new(rate(2), None, ended, clock.clone());
        assert_eq!(pace.used(), 2);
        assert_eq!(starts(&pace, &clock, 2, Duration::ZERO).await, [1_250, 60_250]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_every_call_and_the_longer_one_counts() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let pace = Pace::new(rate(10), None, [], clock.clone());
        pace.pause(Duration::from_secs(5));
        pace.pause(Duration::from_secs(2));
        assert_eq!(starts(&pace, &clock, 2, Duration::ZERO).await, [5_000, 5_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_outage_one_call_at_a_time_probes() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let pace = std::sync::Arc::new(Pace::new(rate(10), None, [], clock.clone()));
        let begin = clock.now();
        pace.pause_and_probe(Duration::from_secs(2));
        let _probe = pace.permit().await;
        assert_eq!(clock.now().since(begin), Duration::from_secs(2));
        let waiting = tokio::spawn({
            let pace = pace.clone();
            async move { pace.permit().await }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!waiting.is_finished());
        pace.recover();
        let _second = waiting.await.unwrap();
        assert_eq!(clock.now().since(begin), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_window_waits_for_an_unfinished_call() {
        let clock = Clock::starting_at(Timestamp::from_millis(1_700_000_000_000));
        let pace = std::sync::Arc::new(Pace::new(rate(1), None, [], clock.clone()));
        let begin = clock.now();
        let _first = pace.permit().await;
        let waiting = tokio::spawn({
            let pace = pace.clone();
            async move { pace.permit().await }
        });
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(!waiting.is_finished());
        pace.finish();
        let _second = waiting.await.unwrap();
        assert_eq!(clock.now().since(begin), Duration::from_millis(360_250));
    }
}
