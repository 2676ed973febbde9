//! How calls of many windows are spread out that would all start at the same moment.

use std::num::NonZeroU32;
use std::time::Duration;

/// The least calls a second that all windows together may start: 2 cores, shared with the platform that was called, bring
/// through the 1,833 of a thousand windows (`cargo bench --bench channels`).
const LEAST_A_SECOND: u64 = 1_000;

/// The least calls that may start together, so that a few windows never wait for each other, and that a crowd has to make
/// up for a moment in which nothing moved.
const LEAST_TOGETHER: u64 = 1_000;

/// What the windows of a process may start together.
///
/// A thousand that each began with all that it allows would have a hundred thousand calls under way, and what such a crowd
/// lost in time would be lost in every minute that follows: a window repeats the minute before. It holds no window back
/// for good, because all may start a tenth more than they let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartThrottle {
    windows: u64,
    burst: u64,
    a_second: u64,
}

impl StartThrottle {
    /// Of windows of these rates, in calls a minute.
    pub fn of(rates: impl IntoIterator<Item = NonZeroU32>) -> Self {
        let (mut windows, mut largest, mut a_minute) = (0, 0, 0);
        for rate in rates {
            let rate = u64::from(rate.get());
            windows += 1;
            largest = rate.max(largest);
            a_minute += rate;
        }
        // One window alone is never held back.
        let burst = largest.max(LEAST_TOGETHER);
        Self { windows, burst, a_second: (a_minute * 11 / 10 / 60).max(LEAST_A_SECOND) }
    }

    /// How many calls may start together.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// How long after one call the next may start, beyond the burst.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / u32::try_from(self.a_second).unwrap_or(u32::MAX)
    }

    /// How long it takes until the window that comes last in each round may start its call `n`, from 0, when all begin at
    /// once.
    pub fn start(&self, n: u64) -> Duration {
        let calls = self.windows.saturating_mul(n + 1);
        let waiting = calls.saturating_sub(self.burst);
        self.interval() * u32::try_from(waiting).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_crowd_is_spread() {
        let check = |windows: usize, rate: u32, n: u64, millis: u64| {
            let throttle = StartThrottle::of(vec![NonZeroU32::new(rate).unwrap(); windows]);
            let start = throttle.start(n);
            assert_eq!(start.as_millis(), u128::from(millis), "call {n} of {windows} windows of {rate}");
        };
        check(1, 100, 99, 0);
        check(10, 100, 99, 0);
        check(1, 6_000, 5_999, 0);
        // A thousand a second: more than all let go.
        check(30, 100, 32, 0);
        check(30, 100, 99, 2_000);
        // 1,833 a second.
        check(1_000, 100, 0, 0);
        check(1_000, 100, 99, 54_009);
    }
}
