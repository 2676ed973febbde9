//! The clock of a process: it begins at the wall clock's time and from then on only goes forward.

use std::time::{Duration, SystemTime};

use governor::nanos::Nanos;
use tokio::time::Instant;

use crate::core::time::Timestamp;

/// A clock that a jump of the wall clock does not disturb. Under tokio's paused time it is virtual.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    origin_wall: Timestamp,
}

impl Clock {
    /// A clock that agrees with the wall clock now.
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(Timestamp::from_millis(0) + wall)
    }

    /// A clock that shows `moment` now.
    pub fn starting_at(moment: Timestamp) -> Self {
        Self { origin: Instant::now(), origin_wall: moment }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.origin_wall + self.elapsed_duration()
    }

    /// Waits until `moment`; not at all when it has passed.
    pub async fn sleep_until(&self, moment: Timestamp) {
        tokio::time::sleep_until(self.origin + moment.since(self.origin_wall)).await;
    }

    pub(super) fn elapsed(&self) -> Nanos {
        self.elapsed_duration().into()
    }

    pub(super) fn since_origin(&self) -> SinceOrigin {
        SinceOrigin(self.clone())
    }

    fn elapsed_duration(&self) -> Duration {
        self.origin.elapsed()
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
