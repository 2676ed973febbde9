//! The wait that a response asks for: the `Retry-After` header.

use std::time::{Duration, SystemTime};

use super::response::Response;

const RETRY_AFTER: &str = "retry-after";
const DATE: &str = "date";

/// The longest wait that a `Retry-After` can ask for; a longer one counts as this.
///
/// A wait of hours is honoured. The cap exists because a wrong unit or date must not stop a nightly job forever: the
/// next night's run asks again.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Reads `Retry-After`: in seconds, with or without a fraction (rounded up), or as an HTTP date. `None` if it is absent
/// or cannot be read. Of several values the longest counts, up to [`LONGEST_RETRY_AFTER`].
///
/// A date is compared with the `Date` of the response, since the local clock may differ, or with the time at which the
/// response was received if it has none. A date in the past is no wait.
pub(super) fn retry_after(response: &Response<'_>) -> Option<Duration> {
    let date = response.header(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = date.unwrap_or(response.received);
    let longest = response.values(RETRY_AFTER).filter_map(|value| wait(value?, now)).max()?;
    Some(longest.min(LONGEST_RETRY_AFTER))
}

fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(date) = httpdate::parse_http_date(text.trim()) {
        return Some(date.duration_since(now).unwrap_or_default());
    }
    // A proxy may join several headers into one.
    text.split(',').map(seconds).collect::<Option<Vec<_>>>()?.into_iter().max()
}

// Digits, with or without a fraction. A number that is too large for the type is a long wait, not an unreadable one.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let rest = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole.parse().unwrap_or(u64::MAX).saturating_add(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    fn check(values: &[&str], date: Option<&str>, expected: Option<u64>) {
        let received = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let waits = values.iter().map(|value| ("Retry-After", value.as_bytes()));
        let headers: Vec<_> = waits.chain(date.map(|date| ("Date", date.as_bytes()))).collect();
        let response = Response { status: 503, headers: &headers, body: b"", received };
        assert_eq!(retry_after(&response), expected.map(Duration::from_secs), "{values:?} {date:?}");
    }

    #[test]
    fn seconds_are_honoured_as_they_are() {
        check(&[], None, None);
        check(&["0"], None, Some(0));
        check(&[" 17 "], None, Some(17));
        check(&["3601"], None, Some(3_601));
        check(&["7200"], None, Some(7_200));
        check(&["1.5"], None, Some(2));
        check(&["0.001"], None, Some(1));
        check(&["2.0"], None, Some(2));
        for unreadable in ["soon", "-1", "", "1e3", ".5", "5.", "1.5.2", "+5", "60s", "\u{661}", "5,"] {
            check(&[unreadable], None, None);
        }
    }

    #[test]
    fn a_wait_counts_up_to_a_day() {
        check(&["86400"], None, Some(DAY));
        check(&["86401"], None, Some(DAY));
        check(&["99999999999999999999999"], None, Some(DAY));
        check(&["18446744073709551615.5"], None, Some(DAY));
        check(&["Mon, 06 Nov 1995 08:49:37 GMT"], None, Some(DAY));
    }

    #[test]
    fn a_date_is_compared_with_the_clock_of_the_response() {
        check(&["Sun, 06 Nov 1994 08:50:07 GMT"], None, Some(30));
        check(&["Sun, 06 Nov 1994 10:49:37 GMT"], None, Some(7_200));
        check(&["Sun, 06 Nov 1994 08:49:00 GMT"], None, Some(0));
        check(&["Sun, 06 Nov 1994 08:50:07 GMT"], Some("Sun, 06 Nov 1994 08:50:02 GMT"), Some(5));
        check(&["Sun, 06 Nov 1994 08:50:07 GMT"], Some("today"), Some(30));
    }

    #[test]
    fn the_longest_of_several_counts() {
        check(&["5", "9"], None, Some(9));
        check(&["9", "soon"], None, Some(9));
        check(&["5, 9.5"], None, Some(10));
        check(&["5", "Sun, 06 Nov 1994 08:50:07 GMT"], None, Some(30));
        let headers: [(&str, &[u8]); 2] = [(RETRY_AFTER, b"5"), (RETRY_AFTER, b"\xff")];
        let response = Response { status: 503, headers: &headers, body: b"", received: SystemTime::UNIX_EPOCH };
        assert_eq!(retry_after(&response), Some(Duration::from_secs(5)));
    }
}
