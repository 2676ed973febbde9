//! The answer to one sent call: the attempt, and the rate limit that the answer states.

use crate::core::attempt::{Attempt, NO_REQUEST};

/// The rate limit that an answer states in its headers (API.md, "The limit").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Maximum number of calls a minute, from `X-RateLimit-Limit`.
    pub limit: u32,
    /// Number of calls left, from `X-RateLimit-Remaining`; `None` when it is absent.
    pub remaining: Option<u32>,
}

/// The answer to one sent call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The result of the call.
    pub attempt: Attempt,
    /// The rate limit that the answer states; `None` when it states none or an unreadable one, or when the answer did
    /// not come from the platform.
    pub rate_limit: Option<RateLimit>,
    /// Whether any part of the call left this machine. A call that did not leave it counts in no window.
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
