//! The methods by which a server may count calls. Each returns the call that it would refuse.
//!
//! None of them refuses a client that keeps to the rule, because no half-open span of 60 seconds holds more than
//! `limit`:
//!
//! * A **fixed window** is such a span, wherever it begins, if it is not longer than a minute. Whole-second arithmetic
//!   makes it up to a second shorter, which is harmless.
//! * A **sliding window** checks each such span, and nothing else.
//! * A **GCRA** limiter (a bucket that leaks) of one call every 60/`limit` s and a burst of `limit` refuses only when
//!   some span of length `t` holds more than `limit` + `limit` · `t` / 60 s. By the rule a span of length `t` holds at
//!   most `limit` · (⌊`t` / 60 s⌋ + 1), which is never more. A burst below `limit` does refuse what the rule allows at
//!   once: against such a server only a small burst of our own helps, and no rule that knows no more than the limit.

use std::collections::VecDeque;

const MINUTE: u64 = 60_000;
const SECOND: u64 = 1_000;

/// How a server counts. Moments are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Server {
    /// Minutes that follow each other from this moment on.
    FixedFrom(u64),
    /// The same, by moments in whole seconds.
    FixedFromInSeconds(u64),
    /// A minute that begins with the first counted call.
    FixedFromFirst,
    /// The same, whose end is noted in whole seconds.
    FixedFromFirstInSeconds,
    /// The minute before each call.
    Sliding,
    /// A bucket of the limit, which leaks as many a minute.
    Gcra,
}

impl Server {
    /// All kinds; fixed windows begin at this time.
    pub const fn all(anchor: u64) -> [Self; 6] {
        [
            Self::FixedFrom(anchor % MINUTE),
            Self::FixedFromInSeconds(anchor % MINUTE),
            Self::FixedFromFirst,
            Self::FixedFromFirstInSeconds,
            Self::Sliding,
            Self::Gcra,
        ]
    }

    /// The first of these calls, in the order of their moments, that a server with this limit refuses.
    pub fn refused(self, limit: usize, calls: &[u64]) -> Option<u64> {
        match self {
            Self::FixedFrom(anchor) => fixed(limit, calls, |opened, call| {
                (call + MINUTE - anchor) / MINUTE > (opened + MINUTE - anchor) / MINUTE
            }),
            Self::FixedFromInSeconds(anchor) => {
                let number = |call: u64| (call / SECOND + 60 - anchor / SECOND) / 60;
                fixed(limit, calls, |opened, call| number(call) > number(opened))
            }
            Self::FixedFromFirst => fixed(limit, calls, |opened, call| call >= opened + MINUTE),
            Self::FixedFromFirstInSeconds => fixed(limit, calls, |opened, call| call / SECOND >= opened / SECOND + 60),
            Self::Sliding => {
                let mut minute = VecDeque::new();
                calls.iter().copied().find(|&call| {
                    while minute.front().is_some_and(|&first| call - first >= MINUTE) {
                        minute.pop_front();
                    }
                    minute.push_back(call);
                    minute.len() > limit
                })
            }
            Self::Gcra => {
                // In milliseconds times the limit, so that the interval between two calls is a whole number.
                let limit = u64::try_from(limit).expect("a limit is small");
                let mut due = 0;
                calls.iter().copied().find(|&call| {
                    let at = call * limit;
                    let is_early = due > at + (limit - 1) * MINUTE;
                    due = due.max(at) + MINUTE;
                    is_early
                })
            }
        }
    }
}

fn fixed(limit: usize, calls: &[u64], is_over: impl Fn(u64, u64) -> bool) -> Option<u64> {
    let (mut opened, mut hits) = (None, 0);
    calls.iter().copied().find(|&call| {
        if opened.is_none_or(|opened| is_over(opened, call)) {
            (opened, hits) = (Some(call), 0);
        }
        hits += 1;
        hits > limit
    })
}

#[test]
fn each_server_refuses_what_its_limit_forbids() {
    let check = |server: Server, calls: &[u64], refused: Option<u64>| {
        assert_eq!(server.refused(3, calls), refused, "{server:?} {calls:?}");
    };
    for server in Server::all(17_500) {
        check(server, &[0, 0, 0, 1], Some(1));
        check(server, &[0, 0, 0, 60_000, 60_000, 60_000], None);
    }
    // The edges of a fixed window let twice the limit pass.
    let edges = [0, 17_400, 17_450, 17_500, 17_500, 17_500, 17_501];
    check(Server::FixedFrom(17_500), &edges, Some(17_501));
    check(Server::FixedFromInSeconds(17_500), &edges, Some(17_500));
    check(Server::FixedFromFirst, &[500, 60_499, 60_499, 60_499], Some(60_499));
    check(Server::FixedFromFirstInSeconds, &[500, 60_499, 60_499, 60_499, 60_499], Some(60_499));
    check(Server::FixedFromFirstInSeconds, &[500, 500, 500, 60_000, 60_000, 60_000], None);
    check(Server::Sliding, &[0, 30_000, 59_999, 60_000, 89_999], Some(89_999));
    // One call every 20 s, of which three may come together.
    check(Server::Gcra, &[0, 0, 0, 19_999], Some(19_999));
    check(Server::Gcra, &[0, 0, 0, 20_000, 40_000, 60_000, 79_999], Some(79_999));
    check(Server::Gcra, &[100_000, 100_000, 100_000, 160_000, 160_000, 160_000], None);
}
