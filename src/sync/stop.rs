//! Asks runs to stop, with the reason.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Why a run stops early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The process received this signal.
    Signal(&'static str),
    /// The platform refuses the token. Holds its message.
    Unauthorized(String),
    /// The platform refused the token, and no other token can be used. Holds the cause.
    Unrenewed(String),
    /// The platform gives no usable answer. Holds the cause.
    Down(String),
    /// Calls of one kind get no usable answer while others do. Holds the cause.
    KindDown(String),
    /// The platform refused many calls in a row with the same message, so the account is the cause, not the rows.
    Refusing(String),
    /// The platform asked for a longer wait than the run allows. Holds the time at which the wait ends.
    AskedToWait(String),
    /// The server answered each of the first calls with a 404 that does not mention a contact: the URL is wrong. Holds
    /// its message.
    WrongUrl(String),
    /// No further call could end before the deadline.
    Deadline,
    /// The run has made its maximum number of calls.
    MaxCalls(u64),
    /// A file that lists rows cannot be written. Holds the cause.
    Unlisted(String),
}

impl StopReason {
    /// Whether the platform caused it, and neither a limit of the run, nor a signal, nor this machine.
    pub const fn is_of_platform(&self) -> bool {
        match self {
            Self::Unauthorized(_)
            | Self::Unrenewed(_)
            | Self::Down(_)
            | Self::KindDown(_)
            | Self::Refusing(_)
            | Self::AskedToWait(_)
            | Self::WrongUrl(_) => true,
            Self::Signal(_) | Self::Deadline | Self::MaxCalls(_) | Self::Unlisted(_) => false,
        }
    }

    /// The reason in words.
    pub fn text(&self) -> String {
        match self {
            Self::Signal(name) => format!("stopped by {name}"),
            Self::Unauthorized(message) => format!("the platform refused the token: {message}"),
            Self::Unrenewed(cause)
            | Self::Down(cause)
            | Self::KindDown(cause)
            | Self::Refusing(cause)
            | Self::Unlisted(cause) => cause.clone(),
            Self::AskedToWait(until) => format!("the platform asked to wait until {until}"),
            Self::WrongUrl(words) => format!("every call was answered 404: {words}"),
            Self::Deadline => "reached the time limit".to_owned(),
            Self::MaxCalls(1) => "reached the limit of 1 call".to_owned(),
            Self::MaxCalls(calls) => format!("reached the limit of {calls} calls"),
        }
    }
}

/// A request to stop, shared by its clones. The first reason stays.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    own: Arc<Own>,
    // A request to stop that applies to this part as well.
    above: Option<Arc<Self>>,
}

// Waiters are woken in the order in which they began to wait, so that a simulated run can be repeated. A `watch`
// channel wakes them in a random order.
#[derive(Debug, Default)]
struct Own {
    reason: Mutex<Option<StopReason>>,
    asked: Notify,
}

impl Own {
    // A reason is only ever set or taken back, so a panic elsewhere leaves it whole.
    fn reason(&self) -> MutexGuard<'_, Option<StopReason>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn asked(&self) {
        loop {
            // Created before the check, so that a request after it wakes this.
            let asked = self.asked.notified();
            if self.reason().is_some() {
                return;
            }
            asked.await;
        }
    }
}

impl Stop {
    /// Returns the stop request of a part. It stops with the whole; a request to the part stops only the part.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { above: Some(Arc::new(self.clone())), ..Self::default() }
    }

    /// Requests to stop.
    pub fn ask(&self, why: StopReason) {
        self.own.reason().get_or_insert(why);
        self.own.asked.notify_waiters();
    }

    /// Withdraws the part's own request after its cause is gone. A request to the whole stays.
    pub(super) fn take_back(&self) {
        self.own.reason().take();
    }

    /// The reason of the first request; `None` before.
    pub fn reason(&self) -> Option<StopReason> {
        self.own.reason().clone().or_else(|| self.above.as_ref().and_then(|above| above.reason()))
    }

    /// Waits for a request.
    pub async fn asked(&self) {
        match &self.above {
            None => self.own.asked().await,
            Some(above) => tokio::select! {
                biased;
                () = self.own.asked() => {}
                () = Box::pin(above.asked()) => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_stops_with_the_whole_and_not_the_other_way_round() {
        let whole = Stop::default();
        let (one, other) = (whole.part(), whole.part());
        one.ask(StopReason::Signal("ONE"));
        one.asked().await;
        assert_eq!((whole.reason(), other.reason()), (None, None));
        whole.ask(StopReason::Signal("ALL"));
        other.asked().await;
        assert_eq!(other.reason(), Some(StopReason::Signal("ALL")));
        assert_eq!(one.reason(), Some(StopReason::Signal("ONE")));
    }
}
