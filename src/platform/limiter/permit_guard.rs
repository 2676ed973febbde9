//! Guards of one granted call. However its future ends, also when it is dropped, the window counts the call correctly.

use super::RateLimiter;
use crate::core::answer::Answer;
use crate::core::time::Timestamp;
use crate::core::window::{Learned, Permit};

/// The permit of one call that has not started. Dropping it gives the permit back.
#[derive(Debug)]
#[must_use]
pub struct PermitGuard<'a> {
    permit: Permit,
    slot: Slot<'a>,
    begun: Timestamp,
    is_probe: bool,
}

/// A call that may be in flight. Dropping it counts the call as one without an answer.
#[derive(Debug)]
#[must_use]
pub struct InFlight<'a> {
    slot: Slot<'a>,
    begun: Timestamp,
}

/// How an admitted call ended for the window.
#[derive(Clone, Copy, Debug)]
pub(super) enum CallEnd {
    /// Nothing of it left this machine.
    Unsent,
    /// It was answered.
    Ended,
    /// It got no answer, and may still reach the server.
    Unanswered,
}

/// One call in the window, which ends when this is dropped.
#[derive(Debug)]
struct Slot<'a> {
    limiter: &'a RateLimiter,
    end: CallEnd,
}

impl<'a> PermitGuard<'a> {
    pub(super) const fn new(limiter: &'a RateLimiter, permit: Permit, begun: Timestamp, is_probe: bool) -> Self {
        Self { permit, slot: Slot { limiter, end: CallEnd::Unsent }, begun, is_probe }
    }

    /// Whether this call finds out whether the platform answers again after an outage.
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Starts the call: returns the permit to send it with. From now on a part of it may leave this machine.
    pub fn start(self) -> (Permit, InFlight<'a>) {
        let Self { permit, mut slot, begun, is_probe: _ } = self;
        slot.end = CallEnd::Unanswered;
        (permit, InFlight { slot, begun })
    }
}

impl InFlight<'_> {
    /// Ends the call with its answer, and returns what the limiter learned from it.
    pub fn end(mut self, answer: &Answer) -> Vec<Learned> {
        self.slot.end = match answer {
            Answer { left: false, .. } => CallEnd::Unsent,
            Answer { attempt, .. } if attempt.may_be_in_flight() => CallEnd::Unanswered,
            Answer { .. } => CallEnd::Ended,
        };
        let Self { slot, begun } = self;
        let limiter = slot.limiter;
        drop(slot);
        answer.rate_limit.map(|stated| limiter.learn(stated, begun)).unwrap_or_default()
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.limiter.end(self.end);
    }
}
