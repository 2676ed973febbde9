//! A moment, as the core counts it.

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
}
