//! The window: which calls count against the limit, and when the next may start.
//!
//! A call may start only when fewer than `limit` calls are unfinished or finished less than a minute and a margin ago.
//! The server counts each call somewhere between its start and its end, so no 60-second span on the server holds more
//! than `limit`, wherever it begins (API.md, "The limit", has the proof).

use std::collections::VecDeque;
use std::time::Duration;

use crate::core::time::Timestamp;

/// The span over which the platform counts calls (API.md, "Platforms").
pub const MINUTE: Duration = Duration::from_mins(1);

/// What is added to the minute, against whole-second arithmetic and rounding on either side.
pub const MARGIN: Duration = Duration::from_millis(250);

/// How far ahead of a restart a killed process's call may end: as long as a call can take. What was written may be on its
/// way, or in the server's queue, long after the process is gone.
pub const LINGER: Duration = Duration::from_secs(30);

/// The calls of the past minute.
#[derive(Debug)]
pub struct Window {
    limit: usize,
    unfinished: usize,
    // When each call ended that may still count, oldest first.
    finished: VecDeque<Timestamp>,
}

/// Proof that the window had room. Sending consumes it; only [`Window::admit`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    _only_the_window: (),
}

/// The window's word on one more call.
#[derive(Debug)]
pub enum Admission {
    /// It may start now.
    Granted(Permit),
    /// Not before this moment.
    At(Timestamp),
    /// Not before an unfinished call ends.
    WhenOneFinishes,
}

impl Window {
    /// An empty window for `limit` calls a minute; at least 1 is allowed.
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), unfinished: 0, finished: VecDeque::new() }
    }

    /// A window that already holds calls, by the moments at which they ended.
    ///
    /// A moment that lies further ahead of `now` than [`LINGER`] (the clock was set back) counts as so far ahead.
    pub fn restored(limit: usize, ends: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Self {
        let mut ends: Vec<_> = ends.into_iter().map(|end| end.min(now + LINGER)).collect();
        ends.sort_unstable();
        Self { finished: ends.into(), ..Self::new(limit) }
    }

    /// Admits one call at `now`, or says what to wait for. A granted call counts until [`Window::finish`].
    pub fn admit(&mut self, now: Timestamp) -> Admission {
        match self.next_start(now) {
            None => {
                self.unfinished += 1;
                Admission::Granted(Permit { _only_the_window: () })
            }
            Some(wait) => wait,
        }
    }

    /// Whether a call could start at `now`, without starting it.
    pub fn has_room(&mut self, now: Timestamp) -> bool {
        self.next_start(now).is_none()
    }

    /// Ends one admitted call.
    pub fn finish(&mut self, now: Timestamp) {
        debug_assert!(self.unfinished > 0, "a call ended that never started");
        self.unfinished = self.unfinished.saturating_sub(1);
        // Kept in order even if the clock is not: a call that seems to have ended earlier counts as the one before it.
        let end = self.finished.back().map_or(now, |&last| last.max(now));
        self.finished.push_back(end);
    }

    /// How many calls count at `now`.
    pub fn used(&mut self, now: Timestamp) -> usize {
        self.forget(now);
        self.unfinished + self.finished.len()
    }

    /// Whether a call is on its way.
    pub const fn has_unfinished(&self) -> bool {
        self.unfinished > 0
    }

    fn next_start(&mut self, now: Timestamp) -> Option<Admission> {
        let used = self.used(now);
        if used < self.limit {
            return None;
        }
        // So many must leave before there is room; the finished ones leave in order, oldest first.
        let leaving = used - self.limit;
        Some(match self.finished.get(leaving) {
            Some(&end) => Admission::At(end + MINUTE + MARGIN),
            None => Admission::WhenOneFinishes,
        })
    }

    fn forget(&mut self, now: Timestamp) {
        while self.finished.front().is_some_and(|&end| end + MINUTE + MARGIN <= now) {
            self.finished.pop_front();
        }
    }
}

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
    fn what_ended_before_a_restart_still_counts() {
        let mut window = Window::restored(2, [at(500), at(0), at(900_000)], at(1_000));
        assert_eq!(window.used(at(1_000)), 3);
        // Two must leave before there is room for one.
        assert!(matches!(window.admit(at(1_000)), Admission::At(t) if t == at(500 + SPAN)));
        assert!(granted(&mut window, 500 + SPAN));
        // The one from the future counts as ended a call's time after the restart.
        assert!(matches!(window.admit(at(500 + SPAN)), Admission::At(t) if t == at(31_000 + SPAN)));
    }

    #[test]
    fn a_clock_that_stands_back_never_frees_a_slot_early() {
        let mut window = Window::new(2);
        assert!(granted(&mut window, 0) && granted(&mut window, 0));
        window.finish(at(1_000));
        window.finish(at(10));
        assert!(!granted(&mut window, 10 + SPAN));
        assert!(granted(&mut window, 1_000 + SPAN));
    }
}
