//! Spreads the starts of the calls of several rate limiters, as [`StartThrottle`] has it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::core::start_throttle::StartThrottle;
use crate::core::time::Timestamp;

/// The start throttle that the rate limiters of a process share. Calls start in the order in which they ask.
#[derive(Debug)]
pub struct SharedThrottle {
    throttle: StartThrottle,
    // When the next call would start without a burst, since the epoch. It is finer than a timestamp.
    next: Mutex<Duration>,
}

impl SharedThrottle {
    /// Creates a throttle through which no call has started.
    pub fn new(throttle: StartThrottle) -> Self {
        Self { throttle, next: Mutex::new(Duration::ZERO) }
    }

    /// The rule by which it spreads the calls.
    pub(super) const fn throttle(&self) -> StartThrottle {
        self.throttle
    }

    /// Reserves the next start, at `now` or later. A start that is not used delays the others by less than 1 ms.
    pub(super) fn start(&self, now: Timestamp) -> Timestamp {
        let epoch = Timestamp::default();
        let (now, interval) = (now.since(epoch), self.throttle.interval());
        let lookahead = u32::try_from(self.throttle.burst().saturating_sub(1)).unwrap_or(u32::MAX);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let start = next.saturating_sub(interval * lookahead).max(now);
        *next = start.max(*next) + interval;
        epoch + start
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use super::*;
    use crate::core::answer::Answer;
    use crate::core::attempt::Attempt;
    use crate::platform::limiter::{Clock, RateLimiter, TooLate};

    fn limiters(number: usize, rate: u32, clock: &Clock) -> Vec<Arc<RateLimiter>> {
        let rate = NonZeroU32::new(rate).unwrap();
        let throttle = Arc::new(SharedThrottle::new(StartThrottle::of(vec![rate; number])));
        let through = || Arc::new(RateLimiter::new(rate, None, [], clock.clone()).with_throttle(Arc::clone(&throttle)));
        (0..number).map(|_| through()).collect()
    }

    fn clock() -> Clock {
        Clock::starting_at(Timestamp::from_millis(1_700_000_000_000))
    }

    /// When the calls of each limiter start, in milliseconds. Each call ends at once.
    async fn starts(limiters: &[Arc<RateLimiter>], calls: usize, clock: &Clock) -> Vec<Vec<u128>> {
        let begun = clock.now();
        let callers = limiters.iter().cloned().map(|limiter| {
            let clock = clock.clone();
            tokio::spawn(async move {
                let mut starts = Vec::new();
                for _ in 0..calls {
                    let call = limiter.permit(None).await.unwrap().start().1;
                    starts.push(clock.now().since(begun).as_millis());
                    call.end(&Answer::from(Attempt::Done));
                    // Lets the other callers run.
                    tokio::task::yield_now().await;
                }
                starts
            })
        });
        let mut starts = Vec::new();
        for caller in callers.collect::<Vec<_>>() {
            starts.push(caller.await.unwrap());
        }
        starts
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_limiters_never_wait_for_each_other() {
        for (number, rate) in [(10, 100), (1, 2_000)] {
            let clock = clock();
            let window = usize::try_from(rate).unwrap();
            let all = starts(&limiters(number, rate, &clock), 2 * window, &clock).await;
            for (n, start) in all.iter().flat_map(|starts| starts.iter().enumerate()) {
                assert_eq!(*start, if n < window { 0 } else { 60_250 });
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_limiters_are_spread_in_turn_and_delayed_only_once() {
        let clock = clock();
        let all = starts(&limiters(30, 100, &clock), 300, &clock).await;
        let mut first: Vec<u128> = all.iter().flat_map(|starts| &starts[..100]).copied().collect();
        first.sort_unstable();
        for (n, start) in (1..).zip(&first) {
            let earliest = u128::saturating_sub(n, 1_000);
            assert!((earliest..=earliest + 2).contains(start), "the {n}th started after {start} ms");
        }
        for starts in &all {
            let in_turn = |n: usize| all.iter().all(|others| others[n].abs_diff(starts[n]) <= 32);
            assert!((0..100).all(in_turn), "{starts:?}");
            for n in 100..300 {
                let late = starts[n] - starts[n - 100] - 60_250;
                assert!(late <= 2, "the {n}th started {late} ms late");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_throttle_starts_a_tenth_more_calls_than_the_windows_allow() {
        let clock = clock();
        let all = starts(&limiters(5, 20_000, &clock), 8_000, &clock).await;
        let last = all.iter().flatten().max().unwrap();
        // 20,000 of them at once, and 1,833 a second.
        assert!((10_909..=10_920).contains(last), "the last started after {last} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_start_notices_deadlines_and_pauses() {
        let clock = clock();
        let limiters = limiters(20, 100, &clock);
        let crowd = tokio::spawn({
            let (limiters, clock) = (limiters[1..].to_vec(), clock.clone());
            async move { starts(&limiters, 100, &clock).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let begun = clock.now();
        // Its start comes after those of the others, so it fails at once.
        let too_late = limiters[0].permit(Some(begun + Duration::from_millis(5))).await.map(drop);
        assert_eq!((too_late, clock.now()), (Err(TooLate), begun));
        let paused = tokio::spawn({
            let limiter = Arc::clone(&limiters[0]);
            async move { limiter.permit(None).await.map(drop) }
        });
        tokio::task::yield_now().await;
        limiters[0].pause(Duration::from_secs(20));
        paused.await.unwrap().unwrap();
        assert_eq!(clock.now().since(begun), Duration::from_secs(20));
        crowd.await.unwrap();
    }
}
