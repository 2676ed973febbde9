//! What an answer's headers say of the limit.

use reqwest::header::{HeaderMap, HeaderName};

use crate::core::answer::RateLimit;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// Reads `X-RateLimit-Limit` and `X-RateLimit-Remaining` (API.md, "The limit").
///
/// `None` when the limit is absent, is no whole number, is zero, or comes in several versions: then it is not known of
/// what it speaks. Of what remains, the same is `None` in its place, and so is more than the limit.
pub(super) fn rate_limit(headers: &HeaderMap) -> Option<RateLimit> {
    let limit = only_number(headers, &LIMIT).filter(|&limit| limit > 0)?;
    let remaining = only_number(headers, &REMAINING).filter(|&remaining| remaining <= limit);
    Some(RateLimit { limit, remaining })
}

fn only_number(headers: &HeaderMap, name: &HeaderName) -> Option<u32> {
    let mut numbers = headers.get_all(name).iter().map(|value| {
        let text = value.to_str().ok()?.trim();
        // `parse` would take a sign as well.
        if text.starts_with('+') { None } else { text.parse::<u32>().ok() }
    });
    let first = numbers.next()??;
    // A proxy may repeat what the platform said, but not contradict it.
    numbers.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let check = |headers: &[(&HeaderName, &str)], expected: Option<(u32, Option<u32>)>| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let expected = expected.map(|(limit, remaining)| RateLimit { limit, remaining });
            assert_eq!(rate_limit(&map), expected, "{headers:?}");
        };
        check(&[(&LIMIT, "100"), (&REMAINING, "99")], Some((100, Some(99))));
        check(&[(&LIMIT, " 100 "), (&REMAINING, "0")], Some((100, Some(0))));
        check(&[(&LIMIT, "200")], Some((200, None)));
        check(&[(&LIMIT, "60"), (&LIMIT, "60"), (&REMAINING, "1")], Some((60, Some(1))));
        check(&[], None);
        check(&[(&REMAINING, "5")], None);
        for garbage in ["", "many", "-1", "+100", "1e2", "99.5", "0", "4294967296", "100, 200", "100;w=60", "\u{661}"] {
            check(&[(&LIMIT, garbage), (&REMAINING, "5")], None);
        }
        for garbage in ["", "few", "-1", "101", "5, 6"] {
            check(&[(&LIMIT, "100"), (&REMAINING, garbage)], Some((100, None)));
        }
        check(&[(&LIMIT, "100"), (&LIMIT, "60"), (&REMAINING, "5")], None);
        check(&[(&LIMIT, "100"), (&REMAINING, "5"), (&REMAINING, "6")], Some((100, None)));
    }
}
