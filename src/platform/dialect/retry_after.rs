//! How long an answer asks to wait: the `Retry-After` header.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// Longest wait that a `Retry-After` can ask for; a longer one counts as this.
///
/// A wait of hours is honoured. The cap exists because a wrong unit or date must not stop a nightly job for ever: the
/// next night's run asks again.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Reads `Retry-After`: in seconds, with or without a fraction (rounded up), or as an HTTP date. `None` when it is absent
/// or cannot be read. Of several values the longest counts, up to [`LONGEST_RETRY_AFTER`].
///
/// A date is measured by the clock of the answer (`Date`), since the local clock may differ, and by `received` where the
/// answer has none. A date that has passed is no wait at all.
pub(super) fn retry_after(headers: &HeaderMap, received: SystemTime) -> Option<Duration> {
    let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let now = date.unwrap_or(received);
    let longest = headers.get_all(RETRY_AFTER).iter().filter_map(|value| wait(value.to_str().ok()?, now)).max()?;
    Some(longest.min(LONGEST_RETRY_AFTER))
}

fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(date) = httpdate::parse_http_date(text.trim()) {
        return Some(date.duration_since(now).unwrap_or_default());
    }
    // A proxy may join several headers into one.
    text.split(',').map(seconds).collect::<Option<Vec<_>>>()?.into_iter().max()
}

// Digits, with a fraction or without. More digits than fit are a long wait, not an unreadable one.
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
    use reqwest::header::HeaderValue;

    const DAY: u64 = 24 * 60 * 60;

    fn check(values: &[&str], date: Option<&str>, expected: Option<u64>) {
        let received = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        if let Some(date) = date {
            headers.append(DATE, HeaderValue::from_str(date).unwrap());
        }
        assert_eq!(retry_after(&headers, received), expected.map(Duration::from_secs), "{values:?} {date:?}");
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
    fn a_wait_is_believed_up_to_a_day() {
        check(&["86400"], None, Some(DAY));
        check(&["86401"], None, Some(DAY));
        check(&["99999999999999999999999"], None, Some(DAY));
        check(&["18446744073709551615.5"], None, Some(DAY));
        check(&["Mon, 06 Nov 1995 08:49:37 GMT"], None, Some(DAY));
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_answer() {
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
        let mut headers = HeaderMap::new();
        headers.append(RETRY_AFTER, HeaderValue::from_static("5"));
        headers.append(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(retry_after(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(5)));
    }
}
