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

    /// Records that the platform stated at `at` a limit of so many calls a minute; less than 1 counts as 1.
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
mod properties;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod shared;

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: u64 = 60_250;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn granted(window: &mut Window, millis: u64) -> bool {
        matches!(window.admit(at(millis)), Admission::Granted(_))
    }

    #[test]
    fn a_quiet_minute_permits_a_burst_of_the_limit_and_no_more() {
        let mut window = Window::new(3);
        assert!((0..3).all(|_| granted(&mut window, 0)));
        assert!(matches!(window.admit(at(0)), Admission::WhenOneFinishes));
        window.finish(at(100));
        assert!(matches!(window.admit(at(100)), Admission::At(t) if t == at(100 + SPAN)));
        assert!(!granted(&mut window, 100 + SPAN - 1));
        assert!(granted(&mut window, 100 + SPAN));
    }

    #[test]
    fn calls_that_ended_before_a_restart_still_count() {
        let mut window = Window::restored(2, [at(500), at(0), at(900_000)], at(1_000));
        assert_eq!(window.used(at(1_000)), 3);
        // Two must leave before there is room for one.
        assert!(matches!(window.admit(at(1_000)), Admission::At(t) if t == at(500 + SPAN)));
        assert!(granted(&mut window, 500 + SPAN));
        // The one from the future counts as ended a call's time after the restart.
        assert!(matches!(window.admit(at(500 + SPAN)), Admission::At(t) if t == at(31_000 + SPAN)));
    }

    #[test]
    fn a_clock_that_goes_back_never_frees_a_slot_early() {
        let mut window = Window::new(2);
        assert!(granted(&mut window, 0) && granted(&mut window, 0));
        window.finish(at(1_000));
        window.finish(at(10));
        assert!(!granted(&mut window, 10 + SPAN));
        assert!(granted(&mut window, 1_000 + SPAN));
    }

    fn stated(limit: u32, remaining: u32) -> RateLimit {
        RateLimit { limit, remaining: Some(remaining) }
    }

    #[test]
    fn a_lower_limit_of_the_platform_holds_and_a_higher_one_changes_nothing() {
        let mut window = Window::new(3);
        let learn = |window: &mut Window, limit| window.learn(RateLimit { limit, remaining: None }, at(0), at(0));
        assert_eq!(learn(&mut window, 200), []);
        assert_eq!(learn(&mut window, 2), [Learned::Limit(2)]);
        assert_eq!(learn(&mut window, 2), []);
        assert!(granted(&mut window, 0) && granted(&mut window, 0) && !granted(&mut window, 0));
        assert_eq!(learn(&mut window, 200), [Learned::Limit(3)]);
        assert!(granted(&mut window, 0) && !granted(&mut window, 0));
        // A limit of 0 counts as 1: without any call, a change would never be noticed.
        assert_eq!(learn(&mut window, 0), [Learned::Limit(1)]);
    }

    #[test]
    fn a_limit_that_is_not_stated_again_is_forgotten_after_a_day() {
        let mut window = Window::new(3);
        let day = 24 * 3_600_000;
        window.state_limit(2, at(0));
        assert_eq!((window.limit(at(day - 1)), window.limit(at(day))), (2, 3));
        assert!((0..3).all(|_| granted(&mut window, day)) && !granted(&mut window, day));
        // Stated again, it holds for another day.
        let mut window = Window::new(3);
        window.state_limit(2, at(0));
        let again = RateLimit { limit: 2, remaining: None };
        assert_eq!(window.learn(again, at(day - 1), at(day - 1)), []);
        assert_eq!((window.limit(at(2 * day - 2)), window.limit(at(2 * day - 1))), (2, 3));
        assert_eq!(window.learn(again, at(2 * day), at(2 * day)), [Learned::Limit(2)]);
    }

    /// Each step: when a call ends that took 100 ms, how many of 10 calls the platform states as remaining, and how
    /// many calls then count for other clients.
    fn check_others(steps: &[(u64, u32, usize)]) {
        let mut window = Window::new(10);
        for &(millis, remaining, others) in steps {
            assert!(granted(&mut window, millis - 100), "at {millis}");
            window.finish(at(millis));
            window.learn(stated(10, remaining), at(millis - 100), at(millis));
            assert_eq!(window.others(at(millis)), others, "at {millis}");
        }
    }

    #[test]
    fn calls_that_cannot_be_ours_count_for_other_clients_for_a_minute() {
        check_others(&[(1_000, 9, 0), (2_000, 8, 0), (3_000, 7, 0)]);
        // Two of them, which are not counted again with each answer; then one more.
        check_others(&[(1_000, 7, 2), (2_000, 6, 2), (3_000, 4, 3)]);
        // They leave after a minute, and what is unexplained then is new.
        check_others(&[(1_000, 7, 2), (61_000, 8, 2), (61_251, 8, 0), (61_500, 5, 2)]);
        // A server that has just begun its minute anew knows of less than we do.
        check_others(&[(1_000, 9, 0), (2_000, 8, 0), (3_000, 9, 0)]);
    }

    #[test]
    fn calls_of_other_clients_take_room_and_give_it_back() {
        let mut window = Window::new(5);
        assert!(granted(&mut window, 0));
        window.finish(at(100));
        assert_eq!(window.learn(stated(5, 1), at(0), at(100)), [Learned::Others(3)]);
        assert!(granted(&mut window, 200));
        assert!(matches!(window.admit(at(200)), Admission::At(t) if t == at(100 + SPAN)));
        // They use the part of a larger limit that our own limit leaves.
        assert_eq!(window.learn(stated(20, 15), at(0), at(200)), []);
        assert!((0..3).all(|_| granted(&mut window, 200)));
        assert!(matches!(window.admit(at(200)), Admission::At(t) if t == at(100 + SPAN)));
    }

    #[test]
    fn a_slow_answer_reports_on_calls_that_no_longer_count() {
        let mut window = Window::new(10);
        assert!(granted(&mut window, 0));
        window.finish(at(10));
        assert!(granted(&mut window, 59_000));
        window.finish(at(80_000));
        // At its beginning the first still counted, so two are explained, though only one counts by now.
        assert_eq!((window.used(at(80_000)), window.learn(stated(10, 8), at(59_000), at(80_000))), (1, vec![]));
        assert_eq!(window.learn(stated(10, 7), at(59_000), at(80_000)), [Learned::Others(1)]);
        // Nothing is concluded from an answer that took longer than ends are kept.
        assert_eq!(window.learn(stated(10, 0), at(49_999), at(80_000)), []);
    }

    #[test]
    fn a_call_without_an_answer_counts_longer_and_one_that_never_left_does_not_count() {
        let mut window = Window::new(1);
        assert!(granted(&mut window, 0));
        window.give_back();
        assert!(granted(&mut window, 0));
        window.finish_unanswered(at(0));
        assert!(!granted(&mut window, 30_000 + SPAN - 1));
        assert!(granted(&mut window, 30_000 + SPAN));
    }
}
