//! The prediction compared with the window itself, and the number of nights.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::core::window::{Admission, Window};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

fn rate_model(limit: u32) -> RateModel {
    let rate = NonZeroU32::new(limit).expect("not zero");
    RateModel { latency: Duration::ZERO, ..RateModel::quiet(rate, None, 8, NOW) }
}

/// When each of so many calls starts that keep the window as full as the rule allows.
fn simulated(rate_model: &RateModel, calls: u64) -> Vec<Timestamp> {
    let mut window = Window::restored(rate_model.limit, rate_model.ended.iter().copied(), NOW);
    let (mut now, mut on_their_way, mut starts) = (NOW, VecDeque::new(), Vec::new());
    let pass_until = |until: Timestamp, window: &mut Window, on_their_way: &mut VecDeque<Timestamp>| {
        while let Some(&end) = on_their_way.front().filter(|&&end| end <= until) {
            on_their_way.pop_front();
            window.finish(end);
        }
    };
    while (starts.len() as u64) < calls {
        pass_until(now, &mut window, &mut on_their_way);
        let next_end = on_their_way.front().copied();
        if on_their_way.len() == rate_model.concurrency {
            now = next_end.expect("some are on their way");
            continue;
        }
        match window.admit(now) {
            Admission::Granted(_) => {
                starts.push(now);
                on_their_way.push_back(now + rate_model.latency);
            }
            Admission::At(moment) => now = next_end.map_or(moment, |end| end.min(moment)),
            Admission::WhenOneFinishes => now = next_end.expect("one is on its way"),
        }
    }
    starts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_known_plan_ends_when_predicted(
        limit in 1_u32..40,
        concurrency in 1_usize..20,
        latency in 0_u64..3_000,
        ended in vec(0_u64..60_000, 0..40),
        calls in 1_u64..150,
    ) {
        let ended = ended.into_iter().take(limit as usize).map(|ago| NOW.before(Duration::from_millis(ago))).collect();
        let rate_model = RateModel { concurrency, latency: Duration::from_millis(latency), ended, ..rate_model(limit) };
        let starts = simulated(&rate_model, calls);
        let took = starts[starts.len() - 1].since(NOW) + rate_model.latency;
        let predicted = rate_model.time(calls);
        let tolerance = took.mul_f64(0.02) + Duration::from_millis(10);
        prop_assert!(predicted.abs_diff(took) <= tolerance, "predicted {:?}, took {:?}", predicted, took);
        // As many calls start by a given time as predicted.
        let until = NOW + took / 2 + CALL_TIMEOUT;
        let eta = rate_model.eta(Range { min: calls, max: calls }, &Limits { until: Some(until), max_calls: None }, CALL_TIMEOUT);
        let (early, late) = (took.mul_f64(0.48), took.mul_f64(0.52) + Duration::from_millis(10));
        let by = |span: Duration| starts.iter().filter(|start| start.since(NOW) <= span).count() as u64;
        prop_assert!((by(early)..=by(late)).contains(&eta.calls.max), "{:?}, and it was {}", eta, by(took / 2));
    }
}

#[test]
fn the_time_follows_from_the_limit() {
    let check = |rate_model: &RateModel, calls: u64, millis: u64| {
        assert_eq!(rate_model.time(calls), Duration::from_millis(millis), "{calls} calls of {rate_model:?}");
    };
    let quiet = rate_model(100);
    check(&quiet, 0, 0);
    check(&quiet, 100, 0);
    check(&quiet, 101, 60_250);
    check(&quiet, 10_000, 99 * 60_250);
    // Half the limit is in use since 20 s ago.
    let used = RateModel { ended: vec![NOW.before(Duration::from_secs(20)); 50], ..rate_model(100) };
    check(&used, 50, 0);
    check(&used, 51, 40_250);
    check(&used, 101, 60_250);
    check(&used, 151, 40_250 + 60_250);
    // A call that takes 300 ms holds its place for as much longer, and eight are on their way at once.
    let slow = RateModel { latency: Duration::from_millis(300), ..rate_model(100) };
    check(&slow, 8, 300);
    check(&slow, 9, 600);
    check(&slow, 101, 60_250 + 2 * 300);
    // Calls that take longer than the limit does.
    let slower = RateModel { latency: Duration::from_secs(10), ..rate_model(100) };
    check(&slower, 100, 13 * 10_000);
    check(&slower, 800, 1_000_000);
    // One at a time, and five of nineteen places free after a minute only: the first call of the next lap waits for
    // them.
    let alone =
        RateModel { concurrency: 1, latency: Duration::from_millis(2_462), ended: vec![NOW; 5], ..rate_model(19) };
    check(&alone, 20, 60_250 + 6 * 2_462);
    // One every 600 ms; then the rule holds, which is slower by its margin.
    let even = RateModel { burst: Some(1), ..rate_model(100) };
    check(&even, 100, 99 * 600);
    check(&even, 101, 60_250);
    check(&even, 200, 60_250 + 99 * 600);
    // Each channel's last call of the first minute after those of a thousand others.
    let one_of_many = RateModel {
        throttle: Some(StartThrottle::of(vec![NonZeroU32::new(100).expect("not zero"); 1_000])),
        ..rate_model(100)
    };
    check(&one_of_many, 1, 0);
    check(&one_of_many, 100, 54_010);
    check(&one_of_many, 101, 60_250);
    check(&one_of_many, 200, 54_010 + 60_250);
    // A pause comes first.
    let paused = RateModel { paused_until: Some(NOW + Duration::from_secs(61)), ..rate_model(100) };
    check(&paused, 100, 61_000);
    check(&paused, 101, 61_000 + 60_250);
}

#[test]
fn a_plan_that_does_not_fit_into_a_night_takes_several() {
    let check = |limits: Limits, calls: u64, this: u64, runs: Option<u64>| {
        let eta = rate_model(100).eta(Range { min: calls, max: calls }, &limits, CALL_TIMEOUT);
        let exactly = |calls| Range { min: calls, max: calls };
        assert_eq!((eta.calls, eta.runs), (exactly(this), runs.map(exactly)), "{calls} calls in {limits:?}");
    };
    let hours = |hours| Limits { until: Some(NOW + Duration::from_hours(hours)), max_calls: None };
    let calls = |max| Limits { max_calls: Some(max), until: None };
    // In four hours, 240 · 60 s, less the half minute in which no call may start: 239 windows of 60.25 s.
    check(hours(4), 23_900, 23_900, Some(1));
    check(hours(4), 23_901, 23_900, Some(2));
    check(hours(4), 90_000, 23_900, Some(4));
    check(calls(1_000), 1_000, 1_000, Some(1));
    check(calls(1_000), 1_001, 1_000, Some(2));
    check(calls(1_000), 5_000, 1_000, Some(5));
    check(Limits { max_calls: Some(500), ..hours(4) }, 1_200, 500, Some(3));
    check(Limits::default(), 90_000, 90_000, Some(1));
    // No call that may take half a minute fits into twenty seconds.
    let seconds = |seconds| Limits { until: Some(NOW + Duration::from_secs(seconds)), max_calls: None };
    check(seconds(29), 1, 0, None);
    check(seconds(30), 100, 100, Some(1));
    check(calls(0), 5, 0, None);
    check(calls(0), 0, 0, Some(1));
}

#[test]
fn the_first_night_may_find_the_window_full() {
    let full = RateModel { ended: vec![NOW; 100], ..rate_model(100) };
    let limits = Limits { until: Some(NOW + Duration::from_mins(1)), max_calls: None };
    let eta = full.eta(Range { min: 100, max: 150 }, &limits, CALL_TIMEOUT);
    assert_eq!(eta.calls, Range::default());
    assert_eq!(eta.runs, Some(Range { min: 2, max: 3 }));
    assert_eq!(eta.time, Span::default());
}
