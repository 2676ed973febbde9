//! The calls that a run may still start in this process, and those that it has started.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

use crate::core::eta::Limits;
use crate::core::time::Timestamp;
use crate::sync::stop::StopReason;

/// The calls that may still start.
#[derive(Debug)]
pub struct CallBudget {
    limits: Limits,
    latest: Option<Timestamp>,
    started: Cell<u64>,
    last_taken: Notify,
    // Whether a contact was left because it could not go on in time.
    has_left: Cell<bool>,
}

impl CallBudget {
    /// The full `limits`, for calls that take at most `call_timeout`.
    pub fn new(limits: Limits, call_timeout: Duration) -> Self {
        Self {
            limits,
            latest: limits.latest_start(call_timeout),
            started: Cell::new(0),
            last_taken: Notify::new(),
            has_left: Cell::new(false),
        }
    }

    /// The latest time at which a call may start so that it ends in time.
    pub const fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Number of calls that were started.
    pub const fn started(&self) -> u64 {
        self.started.get()
    }

    /// What is left of the limits.
    pub fn left(&self) -> Limits {
        let max_calls = self.limits.max_calls.map(|max| max.saturating_sub(self.started.get()));
        Limits { max_calls, ..self.limits }
    }

    /// Takes one call.
    ///
    /// # Errors
    /// The reason to stop when there is none left.
    pub fn take(&self) -> Result<(), StopReason> {
        if let Some(reason) = self.spent() {
            return Err(reason);
        }
        self.started.set(self.started.get() + 1);
        if self.spent().is_some() {
            self.last_taken.notify_waiters();
        }
        Ok(())
    }

    /// Whether the run waits for a contact that can go on at `moment`. If not, the contact is left for the next run.
    pub fn waits_for(&self, moment: Timestamp) -> bool {
        let in_time = self.latest.is_none_or(|latest| moment <= latest);
        if !in_time {
            self.has_left.set(true);
        }
        in_time
    }

    /// Waits until all calls are taken, and returns the reason to stop. Never returns when their number is not limited.
    pub async fn all_taken(&self) -> StopReason {
        loop {
            // Created before the count is read, so that a call taken after that wakes it.
            let taken = self.last_taken.notified();
            match self.spent() {
                Some(reason) => return reason,
                None => taken.await,
            }
        }
    }

    /// The limit at which the run ends early when contacts are left.
    pub fn reason(&self) -> Option<StopReason> {
        self.spent().or_else(|| self.has_left.get().then_some(StopReason::Deadline))
    }

    fn spent(&self) -> Option<StopReason> {
        self.limits.max_calls.filter(|&max| self.started.get() >= max).map(StopReason::MaxCalls)
    }
}
