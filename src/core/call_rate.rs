//! The calls of a run over time: calls per minute, and the times without a call.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::time::Timestamp;
use crate::core::window::{MARGIN, MINUTE};

/// Shortest time without a call that divides a run into parts. Pauses within a process are shorter, except in long outages.
const BREAK: Duration = Duration::from_mins(10);

/// Maximum number of parts. Of more, the shortest breaks are drawn as time without calls.
const MOST_PARTS: usize = 24;

/// Shortest pause that is counted, if the limit was not reached. Calls are further apart than nothing anyway.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// How a call ended, as far as its rate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It had its effect.
    Answered,
    /// The platform refused it.
    Refused,
    /// The platform answered 429.
    Throttled,
    /// It got no usable answer, or was postponed.
    Unanswered,
    /// It has no answer yet.
    Open,
}

impl CallEnd {
    /// How an attempt ended.
    pub const fn of(attempt: &Attempt) -> Self {
        match attempt {
            Attempt::Page(_) | Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done => Self::Answered,
            Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. }
            | Attempt::Unauthorized { .. }
            | Attempt::WrongPath { .. } => Self::Refused,
            Attempt::Throttled { .. } => Self::Throttled,
            Attempt::Queued { .. } | Attempt::Unsent { .. } | Attempt::Lost { .. } => Self::Unanswered,
        }
    }
}

/// A call of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallTrace {
    /// When it started.
    pub started: Timestamp,
    /// How long it took; `None` while it is open.
    pub took: Option<Duration>,
    /// How it ended.
    pub end: CallEnd,
}

/// Calls by their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallEnds {
    /// Those that had their effect.
    pub answered: u64,
    /// Those that the platform refused.
    pub refused: u64,
    /// Those that were answered with 429.
    pub throttled: u64,
    /// Those without a usable answer, and those that are open.
    pub unanswered: u64,
}

impl CallEnds {
    /// The number of all.
    pub const fn total(self) -> u64 {
        self.answered + self.refused + self.throttled + self.unanswered
    }

    const fn add(&mut self, end: CallEnd) {
        let count = match end {
            CallEnd::Answered => &mut self.answered,
            CallEnd::Refused => &mut self.refused,
            CallEnd::Throttled => &mut self.throttled,
            CallEnd::Unanswered | CallEnd::Open => &mut self.unanswered,
        };
        *count += 1;
    }
}

/// One or more minutes of a run, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateBar {
    /// When they begin.
    pub at: Timestamp,
    /// The number of minutes.
    pub minutes: u64,
    /// The calls that started in them.
    pub calls: CallEnds,
    /// The number of calls in the busiest of these minutes.
    pub peak: u64,
    /// The time without a call before them, if it is a break of the run.
    pub after_break: Option<Duration>,
}

/// The calls of a run over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRate {
    /// The minutes of the run, in order.
    pub bars: Vec<RateBar>,
    /// The number of minutes of a bar. The last one of a part may have fewer.
    pub minutes_per_bar: u64,
    /// The number of calls in the busiest minute.
    pub peak: u64,
    /// How long no call was in flight because the limit of the minute was reached.
    pub limit_wait: Duration,
    /// How long no call was in flight for other reasons, such as an outage or a wait that the platform asked for.
    pub pauses: Duration,
}

/// The calls of a run over time, as at most about `most_bars` bars, under a limit of `limit` calls a minute. The calls are in the
/// order of their starts. `ended` is when the run ended; `None` if it did not.
pub fn call_rate(calls: &[CallTrace], ended: Option<Timestamp>, limit: u64, most_bars: usize) -> CallRate {
    let parts = parts(calls);
    let minutes: u64 = parts.iter().map(|part| minutes_of(part)).sum();
    let minutes_per_bar = minutes.div_ceil(most_bars.max(1) as u64).max(1);
    let mut rate = CallRate { minutes_per_bar, ..CallRate::default() };
    let mut previous: Option<&CallTrace> = None;
    for part in parts {
        let after_break = previous.map(|last| part[0].started.since(last.started));
        add_part(&mut rate, part, after_break);
        previous = part.last();
    }
    rate.peak = rate.bars.iter().map(|bar| bar.peak).max().unwrap_or(0);
    (rate.limit_wait, rate.pauses) = waits(calls, ended, limit);
    rate
}

/// How long answered calls took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took at most this long.
    pub median: Duration,
    /// 95 % of them took at most this long.
    pub most: Duration,
    /// The slowest one.
    pub max: Duration,
}

/// How long the calls took that the platform answered; `None` without one.
pub fn latency(calls: &[CallTrace]) -> Option<Latency> {
    let is_answer = |call: &&CallTrace| matches!(call.end, CallEnd::Answered | CallEnd::Refused | CallEnd::Throttled);
    let mut times: Vec<Duration> = calls.iter().filter(is_answer).filter_map(|call| call.took).collect();
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Latency { median: at(50)?, most: at(95)?, max: at(100)? })
}

/// The number of calls that started in each of `bars` equal times between the first and the last one.
pub fn spread(starts: &[Timestamp], bars: usize) -> Vec<u64> {
    let (Some(first), Some(last)) = (starts.iter().min(), starts.iter().max()) else { return Vec::new() };
    let span = last.since(*first).as_millis() + 1;
    let mut counts = vec![0; bars];
    for start in starts {
        let at = start.since(*first).as_millis() * bars as u128 / span;
        if let Some(count) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    counts
}

// The run, divided where it has a break.
fn parts(calls: &[CallTrace]) -> Vec<&[CallTrace]> {
    let mut shortest = BREAK;
    loop {
        let is_together = |one: &CallTrace, next: &CallTrace| next.started.since(one.started) < shortest;
        let parts: Vec<&[CallTrace]> = calls.chunk_by(is_together).collect();
        if parts.len() <= MOST_PARTS {
            return parts;
        }
        shortest = shortest.saturating_mul(2);
    }
}

fn minute_of(call: &CallTrace, first: Timestamp) -> u64 {
    call.started.since(first).as_secs() / MINUTE.as_secs()
}

// The clock may have been set back, so the last call need not be the latest.
fn minutes_of(part: &[CallTrace]) -> u64 {
    part.iter().map(|call| minute_of(call, part[0].started) + 1).max().unwrap_or(0)
}

fn add_part(rate: &mut CallRate, part: &[CallTrace], after_break: Option<Duration>) {
    let (first, minutes, width) = (part[0].started, minutes_of(part), rate.minutes_per_bar);
    let mut by_minute = vec![0_u64; usize::try_from(minutes).unwrap_or(0)];
    let begun = rate.bars.len();
    for nth in 0..minutes.div_ceil(width) {
        rate.bars.push(RateBar {
            at: first + Duration::from_secs(nth * width * MINUTE.as_secs()),
            minutes: width.min(minutes - nth * width),
            calls: CallEnds::default(),
            peak: 0,
            after_break: if nth == 0 { after_break } else { None },
        });
    }
    for call in part {
        let minute = minute_of(call, first);
        if let Some(count) = usize::try_from(minute).ok().and_then(|minute| by_minute.get_mut(minute)) {
            *count += 1;
        }
        if let Some(bar) = usize::try_from(minute / width).ok().and_then(|nth| rate.bars.get_mut(begun + nth)) {
            bar.calls.add(call.end);
        }
    }
    let groups = by_minute.chunks(usize::try_from(width).unwrap_or(usize::MAX));
    for (bar, minutes) in rate.bars[begun..].iter_mut().zip(groups) {
        bar.peak = minutes.iter().copied().max().unwrap_or(0);
    }
}

// How long no call was in flight: because the limit was reached, and for other reasons without the breaks.
fn waits(calls: &[CallTrace], run_ended: Option<Timestamp>, limit: u64) -> (Duration, Duration) {
    let (mut at_limit, mut pauses) = (Duration::ZERO, Duration::ZERO);
    let mut ended: VecDeque<Timestamp> = VecDeque::new();
    let mut busy_until: Option<Timestamp> = None;
    for call in calls {
        if let Some(idle_from) = busy_until {
            let idle = call.started.since(idle_from);
            let waited = limit_wait(&mut ended, idle_from, limit).min(idle);
            at_limit += waited;
            let rest = idle.saturating_sub(waited);
            if rest >= SHORTEST_PAUSE && idle < BREAK {
                pauses += rest;
            }
        }
        let end = call.started + call.took.unwrap_or_default();
        ended.push_back(end);
        busy_until = busy_until.max(Some(end));
    }
    // A run that was stopped while it waited has no further call.
    if let (Some(idle_from), Some(run_ended)) = (busy_until, run_ended) {
        at_limit += limit_wait(&mut ended, idle_from, limit).min(run_ended.since(idle_from));
    }
    (at_limit, pauses)
}

// How long the limit leaves no room for a call from this moment on. `ended` has the ends of the calls that may still count.
fn limit_wait(ended: &mut VecDeque<Timestamp>, from: Timestamp, limit: u64) -> Duration {
    while ended.front().is_some_and(|end| from.since(*end) > MINUTE + MARGIN) {
        ended.pop_front();
    }
    // So many calls must have left the minute before the next one has room.
    let leaves = (ended.len() as u64).checked_sub(limit).and_then(|at| ended.get(usize::try_from(at).ok()?));
    leaves.map_or(Duration::ZERO, |end| (*end + MINUTE + MARGIN).since(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn at(seconds: u64, end: CallEnd) -> CallTrace {
        CallTrace { started: FIRST + Duration::from_secs(seconds), took: Some(Duration::from_millis(100)), end }
    }

    fn counts(rate: &CallRate) -> Vec<(u64, u64, u64)> {
        rate.bars.iter().map(|bar| (bar.calls.total(), bar.minutes, bar.peak)).collect()
    }

    #[test]
    fn calls_are_counted_by_minute_and_by_end() {
        let ends = [CallEnd::Answered, CallEnd::Refused, CallEnd::Throttled, CallEnd::Unanswered, CallEnd::Open];
        let calls: Vec<CallTrace> =
            ends.into_iter().zip([0, 59, 60, 185, 185]).map(|(end, when)| at(when, end)).collect();
        let rate = call_rate(&calls, None, 100, 60);
        assert_eq!(counts(&rate), [(2, 1, 2), (1, 1, 1), (0, 1, 0), (2, 1, 2)]);
        assert_eq!(rate.bars[0].calls, CallEnds { answered: 1, refused: 1, ..CallEnds::default() });
        assert_eq!(rate.bars[3].calls, CallEnds { unanswered: 2, ..CallEnds::default() });
        assert_eq!((rate.peak, rate.minutes_per_bar, rate.bars[3].at), (2, 1, FIRST + Duration::from_mins(3)));
        assert_eq!(call_rate(&[], None, 100, 60), CallRate { minutes_per_bar: 1, ..CallRate::default() });
    }

    #[test]
    fn many_minutes_share_a_bar_and_keep_their_peak() {
        let calls: Vec<CallTrace> =
            (0..10).flat_map(|minute| (0..=minute).map(move |_| at(minute * 60, CallEnd::Answered))).collect();
        let rate = call_rate(&calls, None, 100, 4);
        assert_eq!(counts(&rate), [(6, 3, 3), (15, 3, 6), (24, 3, 9), (10, 1, 10)]);
        assert_eq!((rate.peak, rate.minutes_per_bar), (10, 3));
    }

    #[test]
    fn a_break_divides_the_run_and_is_no_pause() {
        let hours = 7 * 3_600;
        let calls = [0, 30, hours, hours + 90].map(|when| at(when, CallEnd::Answered));
        let rate = call_rate(&calls, None, 100, 60);
        assert_eq!(counts(&rate), [(2, 1, 2), (1, 1, 1), (1, 1, 1)]);
        let breaks: Vec<_> = rate.bars.iter().map(|bar| bar.after_break).collect();
        assert_eq!(breaks, [None, Some(Duration::from_secs(hours - 30)), None]);
        // 29.9 s and 89.9 s.
        assert_eq!((rate.limit_wait, rate.pauses), (Duration::ZERO, Duration::from_millis(119_800)));
        // A run of a hundred nights does not become a hundred parts.
        let nights: Vec<CallTrace> = (0..100).map(|night| at(night * 86_400, CallEnd::Answered)).collect();
        let rate = call_rate(&nights, None, 100, 60);
        assert!(rate.bars.len() <= 60 + MOST_PARTS, "{} bars", rate.bars.len());
        assert_eq!(rate.bars.iter().map(|bar| bar.calls.total()).sum::<u64>(), 100);
    }

    #[test]
    fn a_wait_for_the_limit_is_no_pause() {
        // Three calls a minute: the fourth waits until the first has left the window.
        let calls = [0, 1, 2, 60, 61, 70].map(|when| at(when, CallEnd::Answered));
        let rate = call_rate(&calls, None, 3, 60);
        assert_eq!(rate.limit_wait, Duration::from_millis(57_900 + 900 + 1_250));
        // Between the last two. The first three are too close together.
        assert_eq!(rate.pauses, Duration::from_millis(7_650));
        // The last three leave no room, and the run is stopped before it would have some.
        for (ended, more) in [(70, 0), (80, 9_900), (600, 50_250)] {
            let ended = call_rate(&calls, Some(FIRST + Duration::from_secs(ended)), 3, 60);
            assert_eq!(ended.limit_wait, rate.limit_wait + Duration::from_millis(more));
            assert_eq!(ended.pauses, rate.pauses);
        }
        let rate = call_rate(&calls, None, 4, 60);
        assert_eq!(rate.limit_wait, Duration::from_millis(250 + 250));
        assert_eq!(rate.pauses, Duration::from_millis(57_900 + 8_650));
    }

    #[test]
    fn the_latency_is_that_of_answers() {
        let took = |millis, end| CallTrace { started: FIRST, took: Some(Duration::from_millis(millis)), end };
        let mut calls: Vec<CallTrace> = (1..=100).rev().map(|millis| took(millis, CallEnd::Answered)).collect();
        calls.push(took(30_000, CallEnd::Unanswered));
        let millis = |latency: Latency| [latency.median, latency.most, latency.max].map(|time| time.as_millis());
        assert_eq!(latency(&calls).map(millis), Some([50, 95, 100]));
        assert_eq!(latency(&calls[99..100]).map(millis), Some([1, 1, 1]));
        assert_eq!(latency(&calls[100..]), None);
    }

    #[test]
    fn starts_are_spread_over_bars() {
        let starts = |seconds: &[u64]| seconds.iter().map(|at| FIRST + Duration::from_secs(*at)).collect::<Vec<_>>();
        assert_eq!(spread(&[], 4), Vec::<u64>::new());
        assert_eq!(spread(&starts(&[5]), 4), [1, 0, 0, 0]);
        assert_eq!(spread(&starts(&[0, 11, 22, 40]), 4), [1, 1, 1, 1]);
        assert_eq!(spread(&starts(&[0, 1, 2, 39, 40]), 2), [3, 2]);
    }
}
