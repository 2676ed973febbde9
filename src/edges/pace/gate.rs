//! The gate of a process: through it the calls of all its paces set out, no faster than a machine can bring them through.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;

use super::clock::{Clock, SinceOrigin};

/// The calls a second that every machine is trusted with. Two cores brought through some two thousand, beside the
/// platform that they called.
const TRUSTED: u64 = 1_000;

/// The calls that may set out together, so that few channels never wait here, and that make up for a moment in which
/// nothing moved.
const TOGETHER: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

/// What the paces of a process share.
///
/// A thousand of them that each began with all that its window allows would have a hundred thousand calls under way, and
/// what such a crowd lost in time would be lost in every minute that follows: a window repeats the minute before. So the
/// calls are spread, in the order in which they come. It holds no pace back for good, because more may set out than the
/// windows let go.
#[derive(Debug)]
pub struct Gate {
    clock: Clock,
    // Whoever holds the turn is the next to pass.
    turn: Mutex<()>,
    quota: RateLimiter<NotKeyed, InMemoryState, SinceOrigin, NoOpMiddleware<Nanos>>,
}

impl Gate {
    /// A gate for paces of these rates, in calls a minute.
    pub fn new(rates: impl IntoIterator<Item = NonZeroU32>, clock: Clock) -> Self {
        let a_minute: u64 = rates.into_iter().map(|rate| u64::from(rate.get())).sum();
        // A tenth more than the windows let go.
        let a_second = u32::try_from((a_minute * 11 / 600).max(TRUSTED)).unwrap_or(u32::MAX);
        let quota = Quota::per_second(NonZeroU32::new(a_second).unwrap_or(TOGETHER)).allow_burst(TOGETHER);
        Self { turn: Mutex::new(()), quota: RateLimiter::direct_with_clock(quota, clock.since_origin()), clock }
    }

    /// Waits until one more call may set out. Who stops waiting leaves nothing behind.
    pub(super) async fn pass(&self) {
        let _turn = self.turn.lock().await;
        while let Err(not_yet) = self.quota.check() {
            let wait = not_yet.wait_time_from(self.clock.elapsed());
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::answer::Answer;
    use crate::core::attempt::Attempt;
    use crate::core::time::Timestamp;
    use crate::edges::pace::{Pace, TooLate};

    fn paces(number: usize, rate: u32, clock: &Clock) -> Vec<Arc<Pace>> {
        let rate = NonZeroU32::new(rate).unwrap();
        let gate = Arc::new(Gate::new(vec![rate; number], clock.clone()));
        let through = || Arc::new(Pace::new(rate, None, [], clock.clone()).through(Arc::clone(&gate)));
        (0..number).map(|_| through()).collect()
    }

    fn clock() -> Clock {
        Clock::starting_at(Timestamp::from_millis(1_700_000_000_000))
    }

    /// When the calls of each pace set out, in milliseconds, each of which ends at once.
    async fn starts(paces: &[Arc<Pace>], calls: usize, clock: &Clock) -> Vec<Vec<u128>> {
        let begun = clock.now();
        let callers = paces.iter().cloned().map(|pace| {
            let clock = clock.clone();
            tokio::spawn(async move {
                let mut starts = Vec::new();
                for _ in 0..calls {
                    let call = pace.permit(None).await.unwrap().set_out().1;
                    starts.push(clock.now().since(begun).as_millis());
                    call.end(&Answer::from(Attempt::Done));
                    // The others are at it as well.
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
    async fn few_paces_never_wait() {
        let clock = clock();
        let all = starts(&paces(10, 100, &clock), 200, &clock).await;
        for (n, start) in all.iter().flat_map(|starts| starts.iter().enumerate()) {
            assert_eq!(*start, if n < 100 { 0 } else { 60_250 });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_are_spread_in_turn_and_held_back_only_once() {
        let clock = clock();
        let all = starts(&paces(30, 100, &clock), 300, &clock).await;
        let mut first: Vec<u128> = all.iter().flat_map(|starts| &starts[..100]).copied().collect();
        first.sort_unstable();
        for (n, start) in (0..).zip(&first) {
            let earliest = u128::saturating_sub(n, 1_000);
            assert!((earliest..=earliest + 3).contains(start), "the {n}th set out after {start} ms");
        }
        for starts in &all {
            let in_turn = |n: usize| all.iter().all(|others| others[n].abs_diff(starts[n]) <= 32);
            assert!((0..100).all(in_turn), "{starts:?}");
            for n in 100..300 {
                let late = starts[n] - starts[n - 100] - 60_250;
                assert!(late <= 3, "the {n}th set out {late} ms late");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_windows_let_go_passes_with_a_tenth_to_spare() {
        let clock = clock();
        let all = starts(&paces(5, 60_000, &clock), 2_300, &clock).await;
        let last = all.iter().flatten().max().unwrap();
        // A thousand of them at once, and 5,500 a second.
        assert!((1_909..=1_915).contains(last), "the last set out after {last} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_the_gate_hears_what_happens_meanwhile() {
        let clock = clock();
        let paces = paces(20, 100, &clock);
        let crowd = tokio::spawn({
            let (paces, clock) = (paces[1..].to_vec(), clock.clone());
            async move { starts(&paces, 100, &clock).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let begun = clock.now();
        // Its turn is after those of the others.
        let too_late = paces[0].permit(Some(begun + Duration::from_millis(5))).await.map(drop);
        assert_eq!(too_late, Err(TooLate));
        let paused = tokio::spawn({
            let pace = Arc::clone(&paces[0]);
            async move { pace.permit(None).await.map(drop) }
        });
        tokio::task::yield_now().await;
        paces[0].pause(Duration::from_secs(20));
        paused.await.unwrap().unwrap();
        assert_eq!(clock.now().since(begun), Duration::from_millis(20_006));
        crowd.await.unwrap();
    }
}
