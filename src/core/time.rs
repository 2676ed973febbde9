//! A moment, as the core counts it, and the offset by which a clock that was set is noticed.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in whole milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment that lies `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long before `self` the moment `earlier` was; zero when it was not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` before this one, or the epoch when that is later.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(span)))
    }
}

/// The offset of the wall clock from the machine's monotonic clock, which counts from the machine's start and cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// Which start of the machine it is: another one counts anew.
    pub boot: String,
    /// What the wall clock shows for the moment at which the machine's own clock began.
    pub zero: Timestamp,
}

/// A difference that two readings of an undisturbed clock may have. The window's margin is larger.
const NOISE: Duration = Duration::from_millis(100);

impl ClockOffset {
    /// How far the wall clock was set ahead since `earlier`: what was noted then is not as old as it looks now.
    ///
    /// Zero after another start of the machine, when it is unknown, and when the clock was set back: then what was
    /// noted looks newer than it is, or lies in the future, and counts for longer than it has to.
    pub fn ahead_of(&self, earlier: &Self) -> Duration {
        let lookahead = self.zero.since(earlier.zero);
        if self.boot == earlier.boot && lookahead > NOISE { lookahead } else { Duration::ZERO }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(span)))
    }
}

// Rounded up: who waits for a span must never wait less than it.
fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_rounded_up_and_never_wraps() {
        let t = Timestamp::from_millis(10);
        assert_eq!(t + Duration::from_micros(1), Timestamp::from_millis(11));
        assert_eq!(t.before(Duration::from_secs(1)), Timestamp::from_millis(0));
        assert_eq!(t + Duration::MAX, Timestamp::from_millis(u64::MAX));
        assert_eq!(t.since(Timestamp::from_millis(12)), Duration::ZERO);
    }

    #[test]
    fn only_a_clock_set_ahead_makes_what_was_noted_look_old() {
        let check = |(boot, zero): (&str, u64), (later_boot, later_zero): (&str, u64), millis: u64| {
            let clock_offset = |boot: &str, zero| ClockOffset { boot: boot.into(), zero: Timestamp::from_millis(zero) };
            let lookahead = clock_offset(later_boot, later_zero).ahead_of(&clock_offset(boot, zero));
            assert_eq!(lookahead, Duration::from_millis(millis), "from {boot} {zero} to {later_boot} {later_zero}");
        };
        check(("a", 5_000_000), ("a", 5_000_000), 0);
        check(("a", 5_000_000), ("a", 5_000_100), 0);
        check(("a", 5_000_000), ("a", 5_000_101), 101);
        check(("a", 5_000_000), ("a", 8_600_000), 3_600_000);
        check(("a", 5_000_000), ("a", 1_400_000), 0);
        check(("a", 5_000_000), ("b", 8_600_000), 0);
    }
}
