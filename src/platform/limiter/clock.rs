//! The clock of a process. It starts at the wall clock's time and never goes back.

use std::time::{Duration, SystemTime};

use governor::nanos::Nanos;
use tokio::time::Instant;

use crate::core::time::{ClockOffset, Timestamp};

/// A clock that does not follow jumps of the wall clock.
#[derive(Clone, Debug)]
pub struct Clock {
    count: TimeSource,
    origin_wall: Timestamp,
    offset: Option<ClockOffset>,
}

/// The source of the time since the clock's origin.
#[derive(Clone, Copy, Debug)]
enum TimeSource {
    /// The runtime's timers, which are virtual under tokio's paused time.
    Timers(Instant),
    /// The machine's uptime. Unlike the timers it includes the time in which the machine was suspended: a call that
    /// ended before a laptop was closed must not look new when it is opened, and a call that ends afterwards must not
    /// look old to the next process.
    #[cfg(target_os = "linux")]
    Machine(Duration),
}

impl Clock {
    /// Creates a clock that shows the wall clock's time now.
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let clock = Self::starting_at(Timestamp::from_millis(0) + wall);
        #[cfg(target_os = "linux")]
        let clock =
            Self { count: TimeSource::Machine(machine::uptime()), offset: machine::clock_offset(wall), ..clock };
        clock
    }

    /// Creates a clock that shows `moment` now. Under tokio's paused time it is virtual.
    pub fn starting_at(moment: Timestamp) -> Self {
        Self { count: TimeSource::Timers(Instant::now()), origin_wall: moment, offset: None }
    }

    /// Sets the offset of the machine's wall clock.
    #[must_use]
    pub fn with_clock_offset(self, clock_offset: ClockOffset) -> Self {
        Self { offset: Some(clock_offset), ..self }
    }

    /// The offset of the wall clock when this clock was created; `None` where the machine does not provide it.
    pub const fn clock_offset(&self) -> Option<&ClockOffset> {
        self.offset.as_ref()
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.origin_wall + self.elapsed_duration()
    }

    /// Waits until `moment`. Returns at once when it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep(moment.since(self.now())).await;
    }

    /// Formats a time as local time with its offset from UTC: `2026-11-26 03:12:45 +01:00`.
    pub fn shown(&self, moment: Timestamp) -> String {
        let millis = i64::try_from(moment.as_millis()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(millis).map_or_else(
            |_| "?".into(),
            |moment| moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        )
    }

    pub(super) fn elapsed(&self) -> Nanos {
        self.elapsed_duration().into()
    }

    pub(super) fn since_origin(&self) -> SinceOrigin {
        SinceOrigin(self.clone())
    }

    fn elapsed_duration(&self) -> Duration {
        match self.count {
            TimeSource::Timers(origin) => origin.elapsed(),
            #[cfg(target_os = "linux")]
            TimeSource::Machine(origin) => machine::uptime().saturating_sub(origin),
        }
    }
}

/// The same clock as governor reads it.
#[derive(Clone, Debug)]
pub struct SinceOrigin(Clock);

impl governor::clock::Clock for SinceOrigin {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed()
    }
}

#[cfg(target_os = "linux")]
mod machine {
    use std::fs;
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    use crate::core::time::{ClockOffset, Timestamp};

    /// The time since the machine was started, including the time in which it was suspended.
    pub fn uptime() -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
        Duration::new(seconds, nanos)
    }

    /// The offset of a wall clock that shows `wall` now.
    pub fn clock_offset(wall: Duration) -> Option<ClockOffset> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        Some(ClockOffset { boot, zero: (Timestamp::from_millis(0) + wall).before(uptime()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_clock_advances_with_the_wall_clock() {
        let clock = Clock::system();
        let begun = clock.now();
        clock.sleep_until(begun + Duration::from_millis(30)).await;
        assert!(clock.now().since(begun) >= Duration::from_millis(29));
        let again = Clock::system();
        assert!(again.now().since(begun) < Duration::from_mins(10) && again.now() >= begun);
        // The clock is not set meanwhile, so two readings differ by noise at most.
        let settings = clock.clock_offset().zip(again.clock_offset());
        assert_eq!(settings.is_some(), cfg!(target_os = "linux"));
        assert!(settings.is_none_or(|(earlier, later)| later.ahead_of(earlier).is_zero()));
    }
}
