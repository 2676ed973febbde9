//! The rate limiter under virtual time.

use super::permit_guard::InFlight;
use super::*;
use crate::core::answer::Answer;
use crate::core::attempt::Attempt;
use crate::core::window::{IN_FLIGHT_GRACE, MARGIN, MINUTE};
use std::sync::Arc;

fn rate(calls: u32) -> NonZeroU32 {
    NonZeroU32::new(calls).unwrap()
}

fn clock() -> Clock {
    Clock::starting_at(Timestamp::from_millis(1_700_000_000_000))
}

async fn begin(limiter: &RateLimiter) -> InFlight<'_> {
    limiter.permit(None).await.expect("there is no latest moment").start().1
}

fn answered() -> Answer {
    Attempt::Done.into()
}

async fn starts(limiter: &RateLimiter, clock: &Clock, calls: usize, latency: Duration) -> Vec<u64> {
    let begun = clock.now();
    let mut starts = Vec::new();
    for _ in 0..calls {
        let call = begin(limiter).await;
        starts.push(u64::try_from(clock.now().since(begun).as_millis()).unwrap());
        tokio::time::sleep(latency).await;
        call.end(&answered());
    }
    starts
}

#[tokio::test(start_paused = true)]
async fn a_quiet_minute_is_used_at_once_and_then_the_window_holds() {
    let clock = clock();
    let limiter = RateLimiter::new(rate(3), None, [], clock.clone());
    assert_eq!(starts(&limiter, &clock, 7, Duration::ZERO).await, [0, 0, 0, 60_250, 60_250, 60_250, 120_500]);
}

#[tokio::test(start_paused = true)]
async fn a_small_burst_spreads_the_calls_evenly() {
    let clock = clock();
    let limiter = RateLimiter::new(rate(60), Some(rate(2)), [], clock.clone());
    let starts = starts(&limiter, &clock, 5, Duration::ZERO).await;
    assert_eq!(starts[..2], [0, 0]);
    for (n, start) in (1..).zip(&starts[2..]) {
        assert!((n * 1_000..=n * 1_000 + 5).contains(start), "{starts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_calls_before_a_restart_count() {
    let clock = clock();
    let now = clock.now();
    let ended = [now, now.before(Duration::from_secs(59)), now.before(Duration::from_secs(90))];
    let limiter = RateLimiter::new(rate(2), None, ended, clock.clone());
    assert_eq!(limiter.used(), 2);
    assert_eq!(starts(&limiter, &clock, 2, Duration::ZERO).await, [1_250, 60_250]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_every_call_and_the_longer_one_counts() {
    let clock = clock();
    let limiter = RateLimiter::new(rate(10), None, [], clock.clone());
    limiter.pause(Duration::from_secs(5));
    limiter.pause(Duration::from_secs(2));
    assert_eq!(starts(&limiter, &clock, 2, Duration::ZERO).await, [5_000, 5_000]);
}

#[tokio::test(start_paused = true)]
async fn the_reason_why_the_next_call_waits_is_known() {
    let clock = clock();
    let begun = clock.now();
    let limiter = Arc::new(RateLimiter::new(rate(2), None, [], clock.clone()));
    let check = async |expected: Option<WaitsFor>| {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(limiter.waits_for(), expected);
    };
    let first = begin(&limiter).await;
    check(None).await;
    first.end(&answered());
    let second = begin(&limiter).await;
    check(None).await;
    let waiting = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { limiter.permit(None).await.map(drop) }
    });
    // The first of the two is the first to leave.
    check(Some(WaitsFor::Room(begun + Duration::from_millis(1) + MINUTE + MARGIN))).await;
    limiter.pause(Duration::from_mins(5));
    let paused_at = clock.now();
    check(Some(WaitsFor::Pause(paused_at + Duration::from_mins(5)))).await;
    waiting.abort();
    check(None).await;
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_one_call_at_a_time_probes() {
    let clock = clock();
    let limiter = Arc::new(RateLimiter::new(rate(10), None, [], clock.clone()));
    let begun = clock.now();
    limiter.pause_and_probe(Duration::from_secs(2));
    let probe = limiter.permit(None).await.unwrap();
    assert!(probe.is_probe());
    let (_, _probe) = probe.start();
    assert_eq!(clock.now().since(begun), Duration::from_secs(2));
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.permit(None).await.unwrap().is_probe() }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished());
    limiter.recover();
    assert!(!waiting.await.unwrap());
    assert_eq!(clock.now().since(begun), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_full_window_waits_for_an_unfinished_call() {
    let clock = clock();
    let limiter = Arc::new(RateLimiter::new(rate(1), None, [], clock.clone()));
    let begun = clock.now();
    let first = begin(&limiter).await;
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { drop(limiter.permit(None).await) }
    });
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(!waiting.is_finished());
    first.end(&answered());
    waiting.await.unwrap();
    assert_eq!(clock.now().since(begun), Duration::from_millis(360_250));
}
#[tokio::test(start_paused = true)]
async fn a_call_that_could_only_start_too_late_fails_at_once() {
    let clock = clock();
    let limiter = RateLimiter::new(rate(2), None, [], clock.clone());
    let begun = clock.now();
    let after = |millis| Some(begun + Duration::from_millis(millis));
    let _first = begin(&limiter).await;
    begin(&limiter).await.end(&answered());
    // One call is in flight, and the other one leaves the window after a minute and its margin.
    assert_eq!(limiter.permit(after(60_249)).await.err(), Some(TooLate));
    assert_eq!(clock.now(), begun);
    let third = limiter.permit(after(60_250)).await.expect("it is just in time").start().1;
    assert_eq!(clock.now(), begun + Duration::from_millis(60_250));
    // Now both are in flight and may end at any time, so the request waits.
    assert_eq!(limiter.permit(after(90_000)).await.err(), Some(TooLate));
    assert_eq!(clock.now(), begun + Duration::from_millis(90_001));
    assert_eq!(limiter.permit(after(90_000)).await.err(), Some(TooLate));
    third.end(&answered());
    limiter.pause(Duration::from_mins(10));
    assert_eq!(limiter.permit(after(600_000)).await.err(), Some(TooLate));
}

#[tokio::test(start_paused = true)]
async fn a_request_in_the_queue_does_not_wait_beyond_its_deadline() {
    let limiter = Arc::new(RateLimiter::new(rate(1), None, [clock().now()], clock()));
    let begun = limiter.clock.now();
    let first = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { limiter.permit(None).await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert_eq!(limiter.permit(Some(begun + Duration::from_secs(10))).await.err(), Some(TooLate));
    assert_eq!(limiter.clock.now().since(begun), Duration::from_millis(10_001));
    // A waiting request notices a pause.
    let late = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { limiter.permit(Some(begun + Duration::from_mins(2))).await.map(drop) }
    });
    first.await.unwrap().unwrap();
    late.await.unwrap().unwrap();
    let called = begin(&limiter).await;
    called.end(&answered());
    let late = tokio::spawn({
        let limiter = Arc::clone(&limiter);
        async move { limiter.permit(Some(begun + Duration::from_mins(5))).await.map(drop) }
    });
    tokio::task::yield_now().await;
    let asked = limiter.clock.now();
    limiter.pause(Duration::from_mins(30));
    assert_eq!(late.await.unwrap(), Err(TooLate));
    assert_eq!(limiter.clock.now(), asked);
}

#[tokio::test(start_paused = true)]
async fn the_limiter_learns_from_answers_and_reports_only_the_first_of_several_pauses() {
    let limiter = RateLimiter::new(rate(10), None, [], clock());
    let call = begin(&limiter).await;
    let stated = RateLimit { limit: 5, remaining: Some(1) };
    let answer = Answer { rate_limit: Some(stated), ..answered() };
    assert_eq!(call.end(&answer), [Learned::Limit(5), Learned::Others(3)]);
    assert_eq!((limiter.used(), limiter.limit()), (1, 5));
    begin(&limiter).await.end(&answered());
    let begun = limiter.clock.now();
    begin(&limiter).await.end(&answered());
    assert_eq!(limiter.clock.now().since(begun), Duration::from_millis(60_250));
    assert!(limiter.pause(Duration::from_secs(1)));
    assert!(!limiter.pause(Duration::from_secs(2)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(limiter.pause(Duration::from_secs(1)));
}

/// How a request for a permit ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It is dropped after this wait.
    Leaves(Duration),
    /// It is granted, and dropped after this without being sent.
    Unsent(Duration),
    /// It is sent, and ends after this.
    Answered(Duration),
    /// It is sent, and its future is dropped after this.
    Dropped(Duration),
}

/// The times of a request and of its call.
#[derive(Clone, Copy, Debug)]
struct Seen {
    asked: Timestamp,
    granted: Option<Timestamp>,
    /// When it gave up waiting, or ended.
    over: Timestamp,
    counts_after: Option<Duration>,
}

async fn request(limiter: Arc<RateLimiter>, end: End) -> Seen {
    let asked = limiter.clock.now();
    let now = || limiter.clock.now();
    let permit = limiter.permit(None);
    let permit_guard = match end {
        End::Leaves(after) => match tokio::time::timeout(after, permit).await {
            Ok(permit_guard) => permit_guard,
            Err(_) => return Seen { asked, granted: None, over: now(), counts_after: None },
        },
        End::Unsent(_) | End::Answered(_) | End::Dropped(_) => permit.await,
    };
    let permit_guard = permit_guard.expect("there is no latest moment");
    let granted = Some(now());
    let counts_after = match end {
        End::Leaves(_) => {
            drop(permit_guard);
            None
        }
        End::Unsent(after) => {
            tokio::time::sleep(after).await;
            drop(permit_guard);
            None
        }
        End::Answered(after) => {
            let (_permit, call) = permit_guard.start();
            tokio::time::sleep(after).await;
            call.end(&answered());
            Some(MINUTE + MARGIN)
        }
        End::Dropped(after) => {
            let (_permit, call) = permit_guard.start();
            tokio::time::sleep(after).await;
            drop(call);
            Some(IN_FLIGHT_GRACE + MINUTE + MARGIN)
        }
    };
    Seen { asked, granted, over: now(), counts_after }
}

/// Checks the requests, in their order, against the rule and for fairness.
fn check_seen(limit: usize, all: &[Seen], seed: u64) {
    let takes_room = |at: Timestamp, other: &Seen| {
        other.granted.is_some_and(|granted| granted <= at)
            && at < other.counts_after.map_or(other.over, |span| other.over + span)
    };
    let leaves = |other: &Seen| other.counts_after.map_or(other.over, |span| other.over + span);
    for (n, one) in all.iter().enumerate() {
        let until = one.granted.unwrap_or(one.over);
        // No later request was granted while this one waited.
        let overtaken = all[n + 1..].iter().any(|later| later.granted.is_some_and(|granted| granted < until));
        assert!(!overtaken, "seed {seed}: {n} was overtaken: {one:?}");
        let Some(granted) = one.granted else { continue };
        let others = || all.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, other)| other);
        let full = |at: Timestamp| others().filter(|other| takes_room(at, other)).count() >= limit;
        let earlier_at_once =
            all[..n].iter().filter(|other| other.granted == one.granted && takes_room(granted, other)).count();
        let held = others().filter(|other| other.granted < one.granted && takes_room(granted, other)).count();
        assert!(held + earlier_at_once < limit, "seed {seed}: {n} was granted while the rule forbids it: {one:?}");
        // While it was first in the queue, the window was full each time a call left it.
        let first_in_line =
            all[..n].iter().map(|earlier| earlier.granted.unwrap_or(earlier.over)).fold(one.asked, Timestamp::max);
        let moments = others().map(leaves).filter(|&moment| moment > first_in_line && moment < granted);
        for moment in moments.chain((first_in_line < granted).then_some(first_in_line)) {
            assert!(full(moment), "seed {seed}: {n} waited from {moment:?} for nothing: {one:?}");
        }
    }
}

#[test]
fn permits_are_granted_in_order_and_dropped_requests_have_no_effect() {
    for seed in 0..400 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mut chance = fastrand::Rng::with_seed(seed);
        runtime.block_on(async {
            let limit = chance.u32(1..8);
            let limiter = Arc::new(RateLimiter::new(rate(limit), None, [], clock()));
            let mut wanting = Vec::new();
            for _ in 0..40 {
                let millis = |chance: &mut fastrand::Rng, most| Duration::from_millis(chance.u64(0..most));
                let end = match chance.u8(0..8) {
                    0 => End::Leaves(millis(&mut chance, 200_000)),
                    1 => End::Unsent(millis(&mut chance, 5_000)),
                    2 => End::Dropped(millis(&mut chance, 5_000)),
                    _ => End::Answered(millis(&mut chance, 30_000)),
                };
                wanting.push(tokio::spawn(request(Arc::clone(&limiter), end)));
                // The requests come one after the other.
                tokio::task::yield_now().await;
                if chance.bool() {
                    tokio::time::sleep(millis(&mut chance, 20_000)).await;
                }
            }
            let mut seen = Vec::new();
            for one in wanting {
                seen.push(one.await.unwrap());
            }
            check_seen(usize::try_from(limit).unwrap(), &seen, seed);
            tokio::time::sleep(Duration::from_mins(2)).await;
            assert_eq!(limiter.used(), 0, "seed {seed}");
        });
    }
}
