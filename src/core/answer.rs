//! What came back of one sent call: the attempt, and what the answer said beside it.

use crate::core::attempt::{Attempt, NO_REQUEST};

/// What the platform says of the limit beside an answer (API.md, "The limit").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The most calls a minute, from `X-RateLimit-Limit`.
    pub limit: u32,
    /// How many of them are left, from `X-RateLimit-Remaining`; `None` when that was absent.
    pub remaining: Option<u32>,
}

/// What came back of one sent call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What the call came to.
    pub attempt: Attempt,
    /// The rate limit that the answer states; `None` when it states none or an unreadable one, or when the answer did
    /// not come from the platform.
    pub rate_limit: Option<RateLimit>,
    /// Whether anything of the call left this machine. What did not is in nobody's window.
    pub left: bool,
}

/// An attempt whose answer states no rate limit. An [`Attempt::Unsent`], or a call from which no request could be
/// built, was not sent.
impl From<Attempt> for Answer {
    fn from(attempt: Attempt) -> Self {
        let left = !matches!(attempt, Attempt::Unsent { .. } | Attempt::Refused { status: NO_REQUEST, .. });
        Self { attempt, rate_limit: None, left }
    }
}
