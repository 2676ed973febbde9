//! The rate limit that a response states in its headers.

use super::response::Response;
use crate::core::answer::RateLimit;

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";

/// Reads `X-RateLimit-Limit` and `X-RateLimit-Remaining` (API.md, "The limit").
///
/// `None` if the limit is absent, is not a whole number, is zero, or occurs with several values, because then it is unclear
/// what it limits. The remaining calls alone are `None` in the same cases, and if they exceed the limit.
pub(super) fn rate_limit(response: &Response<'_>) -> Option<RateLimit> {
    let limit = only_number(response, LIMIT).filter(|&limit| limit > 0)?;
    let remaining = only_number(response, REMAINING).filter(|&remaining| remaining <= limit);
    Some(RateLimit { limit, remaining })
}

fn only_number(response: &Response<'_>, name: &str) -> Option<u32> {
    let mut numbers = response.values(name).map(|value| {
        let text = value?.trim();
        // `parse` would accept a sign as well.
        if text.starts_with('+') { None } else { text.parse::<u32>().ok() }
    });
    let first = numbers.next()??;
    // A proxy may repeat the header, but must not contradict it.
    numbers.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn an_unreadable_limit_is_ignored() {
        let check = |headers: &[(&str, &str)], expected: Option<(u32, Option<u32>)>| {
            let pairs: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let response = Response { status: 200, headers: &pairs, body: b"", received: SystemTime::UNIX_EPOCH };
            let expected = expected.map(|(limit, remaining)| RateLimit { limit, remaining });
            assert_eq!(rate_limit(&response), expected, "{headers:?}");
        };
        check(&[(LIMIT, "100"), (REMAINING, "99")], Some((100, Some(99))));
        check(&[(LIMIT, " 100 "), (REMAINING, "0")], Some((100, Some(0))));
        check(&[(LIMIT, "200")], Some((200, None)));
        check(&[(LIMIT, "60"), (LIMIT, "60"), (REMAINING, "1")], Some((60, Some(1))));
        check(&[], None);
        check(&[(REMAINING, "5")], None);
        for garbage in ["", "many", "-1", "+100", "1e2", "99.5", "0", "4294967296", "100, 200", "100;w=60", "\u{661}"] {
            check(&[(LIMIT, garbage), (REMAINING, "5")], None);
        }
        for garbage in ["", "few", "-1", "101", "5, 6"] {
            check(&[(LIMIT, "100"), (REMAINING, garbage)], Some((100, None)));
        }
        check(&[(LIMIT, "100"), (LIMIT, "60"), (REMAINING, "5")], None);
        check(&[(LIMIT, "100"), (REMAINING, "5"), (REMAINING, "6")], Some((100, None)));
    }
}
