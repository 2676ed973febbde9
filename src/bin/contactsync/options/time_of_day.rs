//! A time of day on the local clock, such as 06:00.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use contactsync::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A time of day on the local clock, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(Time);

impl TimeOfDay {
    /// The next moment at which the clock in `zone` shows this time. If the clock is set ahead and skips this time, it is the
    /// moment of the change, and not a day later.
    pub fn next(self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let a_day_later = now + Duration::from_hours(24);
        let Some(begin) =
            i64::try_from(now.as_millis()).ok().and_then(|now| jiff::Timestamp::from_millisecond(now).ok())
        else {
            return a_day_later;
        };
        let today = begin.to_zoned(zone.clone()).date();
        let shown = std::iter::once(today).chain(today.tomorrow()).flat_map(|date| self.on(date, zone));
        let next = shown.filter(|&moment| moment > begin).min();
        next.and_then(|moment| u64::try_from(moment.as_millisecond()).ok()).map_or(a_day_later, Timestamp::from_millis)
    }

    /// The moments of a day at which the clock shows or skips this time.
    fn on(self, date: Date, zone: &TimeZone) -> Vec<jiff::Timestamp> {
        let shown = date.to_datetime(self.0);
        let moments = match zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => vec![offset.to_timestamp(shown)],
            // The clock is set back and shows it twice.
            AmbiguousOffset::Fold { before, after } => vec![before.to_timestamp(shown), after.to_timestamp(shown)],
            // With the later offset, it is shortly before the change.
            AmbiguousOffset::Gap { before: _, after } => {
                let set = |moment| zone.following(moment).next().map(|transition| transition.timestamp());
                after.to_timestamp(shown).ok().and_then(set).map(Ok).into_iter().collect()
            }
        };
        moments.into_iter().flatten().collect()
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |digits: &str| {
            let plain = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<i8>().ok().filter(|_| plain)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Some((number(hour)?, number(minute).filter(|_| minute.len() == 2)?)))
            .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok())
            .map(Self)
            .ok_or_else(|| format!("expected a time of day from 00:00 to 23:59, found `{text}`"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_read() {
        let check = |text: &str, expected: Option<&str>| {
            let read = text.parse::<TimeOfDay>().map(|time| time.to_string());
            assert_eq!(read.ok().as_deref(), expected, "{text}");
        };
        check("06:00", Some("06:00"));
        check("6:05", Some("06:05"));
        check("23:59", Some("23:59"));
        check("00:00", Some("00:00"));
        for text in ["24:00", "06:60", "6", "6:5", "06:00:00", "+6:00", "-6:00", "6 :00", "6am", "", ":"] {
            check(text, None);
        }
        let message = "25:00".parse::<TimeOfDay>().unwrap_err();
        assert_eq!(message, "expected a time of day from 00:00 to 23:59, found `25:00`");
    }

    #[test]
    fn the_next_one_is_meant() {
        // As in Madrid: at 02:00 on the last Sunday of March the clock is set to 03:00, at 03:00 on that of October to 02:00.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |text: &str| {
            let moment: jiff::Timestamp = text.parse().unwrap();
            Timestamp::from_millis(u64::try_from(moment.as_millisecond()).unwrap())
        };
        let check = |time: &str, now: &str, expected: &str| {
            let next = time.parse::<TimeOfDay>().unwrap().next(at(now), &zone);
            assert_eq!(next, at(expected), "{time} from {now}");
        };
        check("06:00", "2026-01-10T22:00:00+01", "2026-01-11T06:00:00+01");
        check("06:00", "2026-01-10T02:00:00+01", "2026-01-10T06:00:00+01");
        check("06:00", "2026-01-10T05:59:59.999+01", "2026-01-10T06:00:00+01");
        check("06:00", "2026-01-10T06:00:00+01", "2026-01-11T06:00:00+01");
        check("06:00", "2026-12-31T07:00:00+01", "2027-01-01T06:00:00+01");
        check("00:00", "2026-07-10T23:00:00+02", "2026-07-11T00:00:00+02");
        // A night of 23 hours and one of 25.
        check("06:00", "2026-03-28T22:00:00+01", "2026-03-29T06:00:00+02");
        check("06:00", "2026-10-24T22:00:00+02", "2026-10-25T06:00:00+01");
        // A time that the clock passes over, and one that it shows twice.
        check("02:30", "2026-03-28T22:00:00+01", "2026-03-29T03:00:00+02");
        check("02:30", "2026-03-29T03:00:00+02", "2026-03-30T02:30:00+02");
        check("02:30", "2026-10-24T22:00:00+02", "2026-10-25T02:30:00+02");
        check("02:30", "2026-10-25T02:30:00+02", "2026-10-25T02:30:00+01");
        check("02:30", "2026-10-25T02:30:00+01", "2026-10-26T02:30:00+01");
    }
}
