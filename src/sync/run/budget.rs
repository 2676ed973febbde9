//! How far a run may go in this process, and how far it has gone.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;

use crate::core::eta::Limits;
use crate::core::time::Timestamp;
use crate::sync::stop::StopReason;

/// The calls that may still start.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    latest: Option<Timestamp>,
    started: Cell<u64>,
    last_taken: Notify,
    // Whether a contact was left because it could not go on in time.
    has_left: Cell<bool>,
}

impl Budget {
    /// The whole of `limits`, for calls that take `call_timeout` at most.
    pub fn new(limits: Limits, call_timeout: Duration) -> Self {
        Self {
            limits,
            latest: limits.latest_start(call_timeout),
            started: Cell::new(0),
            last_taken: Notify::new(),
            has_left: Cell::new(false),
        }
    }

    /// When a call may start at the latest to end in time.
    pub const fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// The calls that were started.
    pub const fn started(&self) -> u64 {
        self.started.get()
    }

    /// What is left of the limits.
    pub fn left(&self) -> Limits {
        let max_calls = self.limits.max_calls.map(|max| max.saturating_sub(self.started.get()));
        Limits { max_calls, ..self.limits }
    }

    /// Takes one call out.
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

    /// Whether a contact that can go on at `moment` is to be waited for. If not, it is left for the next run.
    pub fn waits_for(&self, moment: Timestamp) -> bool {
        let in_time = self.latest.is_none_or(|latest| moment <= latest);
        if !in_time {
            self.has_left.set(true);
        }
        in_time
    }

    /// Waits until all calls are taken, for ever when they have no end; then gives the reason to stop.
    pub async fn all_taken(&self) -> StopReason {
        loop {
            // Before the look at the count: whoever takes the last call later wakes it.
            let taken = self.last_taken.notified();
            match self.spent() {
                Some(reason) => return reason,
                None => taken.await,
            }
        }
    }

    /// Why the run ends before its end although nobody asked for it, when something is left to do.
    pub fn reason(&self) -> Option<StopReason> {
        self.spent().or_else(|| self.has_left.get().then_some(StopReason::Deadline))
    }

    fn spent(&self) -> Option<StopReason> {
        self.limits.max_calls.filter(|&max| self.started.get() >= max).map(StopReason::MaxCalls)
    }
}
