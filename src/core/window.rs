//! The window: which calls count against the limit, and when the next may start.
//!
//! A call may start only when fewer than `limit` calls are unfinished or finished less than a minute and a margin ago.
//! The server counts each call somewhere between its start and its end, so no 60-second span on the server holds more
//! than `limit`, wherever it begins (API.md, "The limit", has the proof).
//!
//! The limit that the platform states can only make this stricter: a lower limit holds, and calls that the platform
//! counted and that cannot be ours belong to another client of the token, to which room is left.

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::answer::RateLimit;
use crate::core::time::Timestamp;

/// The span over which the platform counts calls (API.md, "Platforms").
pub const MINUTE: Duration = Duration::from_mins(1);

/// Added to the minute, against whole-second arithmetic and rounding on either side.
pub const MARGIN: Duration = Duration::from_millis(250);

/// In-flight grace: how long after a restart a killed process's call may end, which is as long as a call can take. A
/// request may be on the network or in the server's queue long after the process has ended; so may a call without an
/// answer.
pub const IN_FLIGHT_GRACE: Duration = Duration::from_secs(30);

/// How long a limit that the platform stated holds unless it is stated again.
pub const LEARNT_LIMIT_HOLDS: Duration = Duration::from_hours(24);

/// The calls of the past minute.
#[derive(Debug)]
pub struct Window {
    limit: usize,
    // The platform's own limit, once it has stated it, and when it did last.
    platform_limit: Option<(usize, Timestamp)>,
    unfinished: usize,
    // When each call ended, oldest first. Ends are kept longer than they count, because a slow answer reports on a
    // minute that began before ours.
    finished: VecDeque<Timestamp>,
    // When calls of other clients were noticed, oldest first.
    others: VecDeque<Timestamp>,
    // The latest time that was passed in.
    latest: Timestamp,
}

/// Proof that the window had room. Sending consumes it; only [`Window::admit`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    _only_the_window: (),
}

/// The window's decision about one more call.
#[derive(Debug)]
pub enum Admission {
    /// The call may start now.
    Granted(Permit),
    /// The call may start at this time.
    At(Timestamp),
    /// The call may start after an unfinished call has ended.
    WhenOneFinishes,
}

/// What the window learned from an answer of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The new limit in calls a minute. It is never higher than the configured limit.
    Limit(usize),
    /// Number of calls of the past minute that other clients made.
    Others(usize),
}

/// What a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    Until(Timestamp),
    // Later than any known time.
    ForAnEnd,
}

impl Window {
    /// Creates an empty window for `limit` calls a minute; less than 1 counts as 1.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            platform_limit: None,
            unfinished: 0,
            finished: VecDeque::new(),
            others: VecDeque::new(),
            latest: Timestamp::default(),
        }
    }

    /// Creates a window that already holds calls, by the times at which they ended.
    ///
    /// A time that is further ahead of `now` than [`IN_FLIGHT_GRACE`] (the clock was set back) counts as that far
    /// ahead.
    pub fn restored(limit: usize, ends: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let mut ends: Vec<_> = ends.into_iter().map(|end| end.min(now + IN_FLIGHT_GRACE)).collect();
        ends.sort_unstable();
        Self { finished: ends.into(), ..Self::new(limit) }
    }

    /// Admits one call at `now`, or returns what to wait for. A granted call counts until [`Window::finish`].
    pub fn admit(&mut self, now: Timestamp) -> Admission {
        match self.wait(now) {
            None => {
                self.unfinished += 1;
                Admission::Granted(Permit { _only_the_window: () })
            }
            Some(Wait::Until(moment)) => Admission::At(moment),
            Some(Wait::ForAnEnd) => Admission::WhenOneFinishes,
        }
    }

    /// Whether a call could start at `now`. It is not started.
    pub fn has_room(&self, now: Timestamp) -> bool {
        self.wait(now).is_none()
    }

    /// The time at which there is room for one more call, if it is known and later than `now`.
    pub fn room_from(&self, now: Timestamp) -> Option<Timestamp> {
        match self.wait(now) {
            Some(Wait::Until(moment)) => Some(moment),
            Some(Wait::ForAnEnd) | None => None,
        }
    }

    /// Ends one admitted call that was answered.
    pub fn finish(&mut self, now: Timestamp) {
        self.end(now, Duration::ZERO);
    }

    /// Ends one admitted call without an answer: it may be in flight for the in-flight grace.
    pub fn finish_unanswered(&mut self, now: Timestamp) {
        self.end(now, IN_FLIGHT_GRACE);
    }

    /// Takes back one admitted call of which nothing left this machine.
    pub fn give_back(&mut self) {
        debug_assert!(self.unfinished > 0, "a call was given back that was never admitted");
        self.unfinished = self.unfinished.saturating_sub(1);
    }

    /// Learns from the rate limit that the platform stated in the answer to a call that began at `begun` and ended at
    /// `now`.
    pub fn learn(&mut self, stated: RateLimit, begun: Timestamp, now: Timestamp) -> Vec<Learned> {
        self.forget(now);
        let mut learned = Vec::new();
        let before = self.limit(now);
        let platform_limit = self.state_limit(stated.limit, now);
        if self.limit(now) != before {
            learned.push(Learned::Limit(self.limit(now)));
        }
        // Ends are not kept long enough to know what the platform had counted before a call that took longer.
        if let Some(remaining) = stated.remaining
            && now.since(begun) <= IN_FLIGHT_GRACE
        {
            let counted = platform_limit.saturating_sub(size(remaining));
            // At most those that are unfinished, or that ended at a time on which the answer may report.
            let ours = self.unfinished + self.finished.len() - self.older_than(begun);
            let others = counted.saturating_sub(ours);
            let known = self.others.len();
            if others > known {
                self.others.extend(std::iter::repeat_n(self.latest.max(now), others - known));
                learned.push(Learned::Others(others));
            }
        }
        learned
    }

    /// Records the limit that the platform stated at `at`, in calls a minute; less than 1 counts as 1.
    pub fn state_limit(&mut self, limit: u32, at: Timestamp) -> usize {
        let limit = size(limit).max(1);
        self.platform_limit = Some((limit, at));
        limit
    }

    /// Maximum calls a minute: the configured limit, or the one that the platform stated within [`LEARNT_LIMIT_HOLDS`]
    /// when that is lower.
    pub fn limit(&self, now: Timestamp) -> usize {
        self.platform_limit(now).map_or(self.limit, |platform| platform.min(self.limit))
    }

    fn platform_limit(&self, now: Timestamp) -> Option<usize> {
        let (limit, stated) = self.platform_limit?;
        (now.since(stated) < LEARNT_LIMIT_HOLDS).then_some(limit)
    }

    /// Number of own calls that count at `now`.
    pub fn used(&self, now: Timestamp) -> usize {
        self.unfinished + self.finished.len() - self.older_than(now)
    }

    /// Number of calls of other clients that count at `now`.
    #[cfg(test)]
    fn others(&self, now: Timestamp) -> usize {
        self.others.len() - counted_until(&self.others, now)
    }

    /// When the calls ended that take room at `now`. Calls in flight end now at the earliest. Calls of other clients
    /// are included if they take room from ours.
    pub fn ends(&self, now: Timestamp) -> Vec<Timestamp> {
        let ours = self.finished.range(self.older_than(now)..).copied();
        let others = self.others.range(counted_until(&self.others, now)..);
        // Other clients may use what the platform allows beyond our own limit.
        let beyond = self.platform_limit(now).map_or(0, |platform| platform.saturating_sub(self.limit));
        let others = others.copied().skip(beyond);
        ours.chain(others).chain(std::iter::repeat_n(now, self.unfinished)).collect()
    }

    /// Whether a call is in flight.
    pub const fn has_unfinished(&self) -> bool {
        self.unfinished > 0
    }

    fn end(&mut self, now: Timestamp, in_flight_grace: Duration) {
        debug_assert!(self.unfinished > 0, "a call ended that never started");
        self.unfinished = self.unfinished.saturating_sub(1);
        // Never before an earlier end, even if the clock goes back.
        self.latest = self.latest.max(now);
        let end = self.latest + in_flight_grace;
        let place = self.finished.partition_point(|&earlier| earlier <= end);
        self.finished.insert(place, end);
        self.forget(now);
    }

    // What one more call waits for: our own limit counts our calls, the platform's limit counts all.
    fn wait(&self, now: Timestamp) -> Option<Wait> {
        let used = self.used(now);
        let ends = self.older_than(now);
        let own = (used >= self.limit).then(|| {
            // So many calls must leave before there is room. Finished calls leave in order, oldest first.
            let leaving = used - self.limit;
            self.finished.get(ends + leaving).map_or(Wait::ForAnEnd, |&end| leaves(end))
        });
        let shared = self.platform_limit(now).and_then(|limit| {
            let others = self.others.range(counted_until(&self.others, now)..);
            let leaving = (used + others.len()).checked_sub(limit)?;
            let mut all: Vec<Timestamp> = self.finished.range(ends..).chain(others).copied().collect();
            all.sort_unstable();
            Some(all.get(leaving).map_or(Wait::ForAnEnd, |&end| leaves(end)))
        });
        own.max(shared)
    }

    // Number of kept ends that no longer count at `now`.
    fn older_than(&self, now: Timestamp) -> usize {
        counted_until(&self.finished, now)
    }

    fn forget(&mut self, now: Timestamp) {
        self.finished.drain(..counted_until(&self.finished, now.before(IN_FLIGHT_GRACE)));
        self.others.drain(..counted_until(&self.others, now));
    }
}

// Number of these times, which are in order, that are so old that they no longer count.
fn counted_until(moments: &VecDeque<Timestamp>, now: Timestamp) -> usize {
    moments.partition_point(|&moment| moment + MINUTE + MARGIN <= now)
}

fn leaves(end: Timestamp) -> Wait {
    Wait::Until(end + MINUTE + MARGIN)
}

fn size(calls: u32) -> usize {
    usize::try_from(calls).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
