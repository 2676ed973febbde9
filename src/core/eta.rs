//! The limits of a run, and the prediction of when its calls can start, for plans and progress.
//!
//! The start of a call follows from the window's rule, the burst, the number of calls in flight, and the other channels
//! if there are many. After two laps of as many calls as the limit is, the rule alone decides: each call starts a
//! minute, a margin and a latency after the one a lap before it. So two laps are worked out call by call, and the rest
//! is a multiplication.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::core::forecast::Range;
use crate::core::start_throttle::StartThrottle;
use crate::core::time::Timestamp;
use crate::core::window::{MARGIN, MINUTE};

/// Latency of a call before any was measured.
pub const TYPICAL_LATENCY: Duration = Duration::from_millis(300);

/// How far a run goes in this process. The next run continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of calls that it starts; unlimited when `None`.
    pub max_calls: Option<u64>,
    /// When the last call must have ended; no deadline when `None`.
    pub until: Option<Timestamp>,
}

impl Limits {
    /// Returns the latest time at which a call that may take `call_timeout` can start to end in time.
    pub fn latest_start(&self, call_timeout: Duration) -> Option<Timestamp> {
        self.until.map(|until| until.before(call_timeout))
    }
}

/// Predicts when calls can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateModel {
    /// Maximum number of calls a minute.
    pub limit: usize,
    /// Maximum number of calls that start at once; the limit when `None`.
    pub burst: Option<usize>,
    /// Maximum number of calls in flight.
    pub concurrency: usize,
    /// Time that a call takes.
    pub latency: Duration,
    /// The present time.
    pub now: Timestamp,
    /// The time before which no call starts; `None` without a pause.
    pub paused_until: Option<Timestamp>,
    /// When the calls ended that count already, in any order. A call in flight counts as ended now.
    pub ended: Vec<Timestamp>,
    /// The start throttle that all channels share; `None` for a single channel.
    pub throttle: Option<StartThrottle>,
}

/// Minimum and maximum time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// For the minimum of calls.
    pub min: Duration,
    /// For the maximum of calls.
    pub max: Duration,
}

/// The expected calls and time of a run in which no call fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Eta {
    /// Number of calls that this process makes within its limits.
    pub calls: Range,
    /// Time until the last of them is answered.
    pub time: Span,
    /// Number of processes with the same limits that the run takes, including this one: the nights of a sync that has a
    /// few hours a night. `None` when the limits allow no call at all.
    pub runs: Option<Range>,
}

impl RateModel {
    /// The model of a token without calls in the past minute, before any call was measured.
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

    /// Returns the time that `calls` take.
    pub fn time(&self, calls: u64) -> Duration {
        Laps::of(self, calls).end(calls).since(self.now)
    }

    /// Returns the expected calls and time when `calls` are left, each of which takes at most `call_timeout`.
    pub fn eta(&self, calls: Range, limits: &Limits, call_timeout: Duration) -> Eta {
        let latest = limits.latest_start(call_timeout);
        let laps = Laps::of(self, calls.max);
        let this = laps.room(latest, limits.max_calls);
        let now = Range { min: calls.min.min(this), max: calls.max.min(this) };
        let time = Span { min: laps.end(now.min).since(self.now), max: laps.end(now.max).since(self.now) };
        let runs = if calls.max <= this {
            Some(Range { min: 1, max: 1 })
        } else {
            // No calls count at the beginning of the next run.
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
    // Number of calls.
    calls: u64,
    // The starts of the calls of the first two laps.
    starts: Vec<Timestamp>,
    // Number of calls in a lap.
    limit: usize,
    // Time from one call to the call a lap later.
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
            // So many earlier calls must have left the window before this call has room.
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

    // The start of a call, counted from 0.
    fn start(&self, call: u64) -> Timestamp {
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        let laps = (call / limit).saturating_sub(1);
        let place = usize::try_from(call - laps * limit).unwrap_or(usize::MAX);
        self.starts[place] + times(self.lap, laps)
    }

    fn end(&self, calls: u64) -> Timestamp {
        calls.checked_sub(1).map_or(self.now, |last| self.start(last) + self.latency)
    }

    // Number of calls, at most `max`, that can start by `latest`.
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
