//! How far a run may go, and when calls can start: what a plan and a progress line tell of the time.
//!
//! When a call can start follows from the window's rule, from the burst, from how many are on their way at once, and
//! from the other channels when they are many. After two laps of as many calls as the limit is, the rule alone decides:
//! each call starts a minute, a margin and a latency after the one a lap before it. So two laps are worked out call by
//! call, and the rest is a multiplication.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::core::plan::Range;
use crate::core::start_throttle::StartThrottle;
use crate::core::time::Timestamp;
use crate::core::window::{MARGIN, MINUTE};

/// How long a call takes, as long as none was measured.
pub const TYPICAL_LATENCY: Duration = Duration::from_millis(300);

/// How far a run goes in this process. What is left then is for the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most calls that it starts; without end when `None`.
    pub max_calls: Option<u64>,
    /// When the last call must have ended; whenever it is done when `None`.
    pub until: Option<Timestamp>,
}

impl Limits {
    /// When a call that may take `call_timeout` can start at the latest to end in time.
    pub fn latest_start(&self, call_timeout: Duration) -> Option<Timestamp> {
        self.until.map(|until| until.before(call_timeout))
    }
}

/// What decides when calls can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateModel {
    /// The most calls a minute.
    pub limit: usize,
    /// The most calls at once; the limit when `None`.
    pub burst: Option<usize>,
    /// The most calls on their way at once.
    pub concurrency: usize,
    /// How long a call takes.
    pub latency: Duration,
    /// The present moment.
    pub now: Timestamp,
    /// Before this moment no call starts; `None` without a pause.
    pub paused_until: Option<Timestamp>,
    /// When the calls ended that count already, in any order; one that is on its way counts as ended now.
    pub ended: Vec<Timestamp>,
    /// How calls are spread out that all channels would start at once; `None` for a single channel.
    pub throttle: Option<StartThrottle>,
}

/// The shortest and the longest time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// For the least calls.
    pub min: Duration,
    /// For the most.
    pub max: Duration,
}

/// What is to be expected of a run when nothing fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eta {
    /// The calls that it makes in this process: those that are left, as far as its limits let it.
    pub calls: Range,
    /// How long until the last of them is answered.
    pub time: Span,
    /// How many processes it takes, this one included, each as long as this one and with the same limits: the nights of a
    /// sync that has a few hours a night. `None` when the limits leave room for no call at all.
    pub runs: Option<Range>,
}

impl RateModel {
    /// The tempo of a token that nobody used in the past minute, with nothing measured yet.
    pub fn quiet(rate: NonZeroU32, burst: Option<NonZeroU32>, concurrency: usize, now: Timestamp) -> Self {
        let size = |calls: NonZeroU32| usize::try_from(calls.get()).unwrap_or(usize::MAX);
        Self {
            limit: size(rate),
            burst: burst.map(size),
            concurrency,
            latency: TYPICAL_LATENCY,
            now,
            paused_until: None,
            ended: Vec::new(),
            throttle: None,
        }
    }

    /// How long `calls` take.
    pub fn time(&self, calls: u64) -> Duration {
        Laps::of(self, calls).end(calls).since(self.now)
    }

    /// What is to be expected when `calls` are left, each of which may take `call_timeout` at most.
    pub fn eta(&self, calls: Range, limits: &Limits, call_timeout: Duration) -> Eta {
        let latest = limits.latest_start(call_timeout);
        let laps = Laps::of(self, calls.max);
        let this = laps.room(latest, limits.max_calls);
        let now = Range { min: calls.min.min(this), max: calls.max.min(this) };
        let time = Span { min: laps.end(now.min).since(self.now), max: laps.end(now.max).since(self.now) };
        let runs = if calls.max <= this {
            Some(Range { min: 1, max: 1 })
        } else {
            // The minute before the next night is quiet.
            let next = Self { ended: Vec::new(), paused_until: None, ..self.clone() };
            let each = Laps::of(&next, calls.max).room(latest, limits.max_calls);
            let runs = |calls: u64| 1 + calls.saturating_sub(this).div_ceil(each.max(1));
            (each > 0).then(|| Range { min: runs(calls.min), max: runs(calls.max) })
        };
        Eta { calls: now, time, runs }
    }
}

/// When each call can start.
struct Laps {
    now: Timestamp,
    // How many there are.
    calls: u64,
    // Of the first two laps, as far as there are calls.
    starts: Vec<Timestamp>,
    // How many calls a lap has.
    limit: usize,
    // From one call to the one a lap later.
    lap: Duration,
    latency: Duration,
}

impl Laps {
    fn of(rate_model: &RateModel, calls: u64) -> Self {
        let RateModel { limit, burst, concurrency, latency, now, paused_until, ended, throttle } = rate_model;
        let from = paused_until.map_or(*now, |paused| paused.max(*now));
        let (limit, concurrency) = ((*limit).max(1), (*concurrency).max(1));
        let burst = burst.unwrap_or(limit).clamp(1, limit);
        let mut ended: Vec<Timestamp> = ended.iter().map(|&end| end + MINUTE + MARGIN).collect();
        ended.sort_unstable();
        let mut starts: Vec<Timestamp> = Vec::new();
        for n in 0..limit.saturating_mul(2).min(usize::try_from(calls).unwrap_or(usize::MAX)) {
            // So many must have left before there is room beside the calls of this lap.
            let leaves = (ended.len() + n).checked_sub(limit).and_then(|last| ended.get(last)).copied();
            let lap = n.checked_sub(limit).map(|earlier| starts[earlier] + *latency + MINUTE + MARGIN);
            let slot = n.checked_sub(concurrency).map(|earlier| starts[earlier] + *latency);
            let paced = n.checked_sub(burst).map(|over| from + portion(MINUTE, over + 1, limit));
            let throttle = throttle.map(|throttle| from + throttle.start(u64::try_from(n).unwrap_or(u64::MAX)));
            let start = [leaves, lap, slot, paced, throttle].into_iter().flatten().fold(from, Timestamp::max);
            starts.push(start);
        }
        let lap = (MINUTE + MARGIN + *latency).max(portion(*latency, limit, concurrency));
        Self { now: *now, calls, starts, limit, lap, latency: *latency }
    }

    // Of a call that there is, counted from 0.
    fn start(&self, call: u64) -> Timestamp {
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        let laps = (call / limit).saturating_sub(1);
        let place = usize::try_from(call - laps * limit).unwrap_or(usize::MAX);
        self.starts[place] + times(self.lap, laps)
    }

    fn end(&self, calls: u64) -> Timestamp {
        calls.checked_sub(1).map_or(self.now, |last| self.start(last) + self.latency)
    }

    // How many of the calls can start by `latest`, of `max` at most.
    fn room(&self, latest: Option<Timestamp>, max: Option<u64>) -> u64 {
        let (mut in_time, mut beyond) = (0, self.calls.min(max.unwrap_or(u64::MAX)));
        let Some(latest) = latest else { return beyond };
        while in_time < beyond {
            let middle = in_time.midpoint(beyond);
            if self.start(middle) <= latest {
                in_time = middle + 1;
            } else {
                beyond = middle;
            }
        }
        in_time
    }
}

// `of` · `part` / `whole`, rounded up.
fn portion(of: Duration, part: usize, whole: usize) -> Duration {
    let (part, whole) = (u128::try_from(part).unwrap_or(0), u128::try_from(whole).unwrap_or(1));
    let nanos = of.as_nanos().saturating_mul(part).div_ceil(whole.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn times(span: Duration, count: u64) -> Duration {
    let nanos = span.as_nanos().saturating_mul(u128::from(count));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
