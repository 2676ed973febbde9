//! The bounds of a run: a number of calls, a time of day, a time span, and the outage timeout.

use std::time::Duration;

use contactsync::{KEPT_BEFORE, KEPT_HISTORY, Limits, OUTAGE_TIMEOUT, Timestamp};
use jiff::tz::TimeZone;

use crate::options::value::TimeSpan;
use crate::options::{EndArgs, TimeOfDay};

/// The bounds of a run. The next run continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum number of calls that each channel starts.
    pub max_calls: Option<u64>,
    pub end: Option<End>,
    /// The longest wait for a platform that is down.
    pub outage_timeout: Duration,
    /// How long the journal keeps what runs did.
    pub keep_history: Duration,
    /// How long it keeps the values before their changes.
    pub keep_before: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_calls: None,
            end: None,
            outage_timeout: OUTAGE_TIMEOUT,
            keep_history: KEPT_HISTORY,
            keep_before: KEPT_BEFORE,
        }
    }
}

impl Bounds {
    /// The limits of a run that begins at `now`, on this machine's clock.
    pub fn limits(&self, now: Timestamp) -> Limits {
        Limits { max_calls: self.max_calls, until: self.end.map(|end| end.moment(now)) }
    }
}

/// The time from which no call starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// When the local clock shows this.
    Until(TimeOfDay),
    /// After this time.
    For(Duration),
}

impl End {
    /// The end that the options set.
    pub fn of(EndArgs { until, span }: EndArgs) -> Option<Self> {
        until.map(Self::Until).or_else(|| span.map(|TimeSpan(span)| Self::For(span)))
    }

    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::For(span) => now + span,
            Self::Until(time) => time.next(now, &TimeZone::system()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_ends_that_long_after_the_start() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(End::For(Duration::from_hours(2)).moment(now), now + Duration::from_hours(2));
    }
}
