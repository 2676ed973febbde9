//! Spreads out the calls of many windows that would all start at the same time.

use std::num::NonZeroU32;
use std::time::Duration;

/// Minimum number of calls a second that all windows together may start. Two cores, shared with the called sandbox,
/// handle the 1,833 calls a second of a thousand windows (`cargo bench --bench channels`).
const LEAST_A_SECOND: u64 = 1_000;

/// Minimum number of calls that may start together, so that a few windows never wait for each other, and many windows
/// catch up after a short stall.
const LEAST_TOGETHER: u64 = 1_000;

/// The rule by which the windows of a process start calls.
///
/// A thousand windows that each started their whole minute at once would have a hundred thousand calls in flight, and
/// time that they lost would be lost in every later minute, because a window repeats the minute before. The throttle
/// does not slow any window down permanently: together they may start a tenth more calls than their windows allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartThrottle {
    windows: u64,
    burst: u64,
    a_second: u64,
}

impl StartThrottle {
    /// Creates a throttle for windows of these rates, in calls a minute.
    pub fn of(rates: impl IntoIterator<Item = NonZeroU32>) -> Self {
        let (mut windows, mut largest, mut a_minute) = (0, 0, 0);
        for rate in rates {
            let rate = u64::from(rate.get());
            windows += 1;
            largest = rate.max(largest);
            a_minute += rate;
        }
        // A single window is never delayed.
        let burst = largest.max(LEAST_TOGETHER);
        Self { windows, burst, a_second: (a_minute * 11 / 10 / 60).max(LEAST_A_SECOND) }
    }

    /// Number of calls that may start together.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Time between the starts of two calls beyond the burst.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(1) / u32::try_from(self.a_second).unwrap_or(u32::MAX)
    }

    /// Time until the window that is last in each round may start its call `n` (from 0), when all windows begin at
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
    fn only_many_windows_are_spread() {
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
