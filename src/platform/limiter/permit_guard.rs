//! The way of one granted call through the window. Whatever becomes of its future, the window learns of it.

use super::RateLimiter;
use crate::core::answer::Answer;
use crate::core::time::Timestamp;
use crate::core::window::{Learned, Permit};

/// Leave for one call that has not set out. Dropped, it is given back as if it had never been asked for.
#[derive(Debug)]
#[must_use]
pub struct PermitGuard<'a> {
    permit: Permit,
    place: Place<'a>,
    begun: Timestamp,
    is_probe: bool,
}

/// A call that may be on its way. Dropped, it counts as one that nobody answered.
#[derive(Debug)]
#[must_use]
pub struct OnItsWay<'a> {
    place: Place<'a>,
    begun: Timestamp,
}

/// What an admitted call comes to for the window.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// Nothing of it left this machine.
    Unsent,
    /// It ended.
    Ended,
    /// It ended here, and may linger elsewhere.
    Unanswered,
}

/// One place in the window, which ends when it is dropped.
#[derive(Debug)]
struct Place<'a> {
    limiter: &'a RateLimiter,
    fate: Fate,
}

impl<'a> PermitGuard<'a> {
    pub(super) const fn new(limiter: &'a RateLimiter, permit: Permit, begun: Timestamp, is_probe: bool) -> Self {
        Self { permit, place: Place { limiter, fate: Fate::Unsent }, begun, is_probe }
    }

    /// Whether the call is the one that finds out whether a platform that seemed gone is back.
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Sets out: the permit to send the call with. From now on something of it may leave this machine.
    pub fn set_out(self) -> (Permit, OnItsWay<'a>) {
        let Self { permit, mut place, begun, is_probe: _ } = self;
        place.fate = Fate::Unanswered;
        (permit, OnItsWay { place, begun })
    }
}

impl OnItsWay<'_> {
    /// Ends the call with its answer, and says what the pace learned from it.
    pub fn end(mut self, answer: &Answer) -> Vec<Learned> {
        self.place.fate = match answer {
            Answer { left: false, .. } => Fate::Unsent,
            Answer { attempt, .. } if attempt.may_be_in_flight() => Fate::Unanswered,
            Answer { .. } => Fate::Ended,
        };
        let Self { place, begun } = self;
        let limiter = place.limiter;
        drop(place);
        answer.rate_limit.map(|said| limiter.hear(said, begun)).unwrap_or_default()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.limiter.end(self.fate);
    }
}
