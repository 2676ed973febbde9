//! What each use case works with, whatever its input.

use tokio::runtime::Handle;

use crate::platform::limiter::Clock;
use crate::sync::stop::Stop;

/// What a use case works with, whatever its input. Use cases block: asynchronous programs call them on a thread that may,
/// such as with `tokio::task::spawn_blocking`.
#[derive(Debug)]
pub struct Environment<'a, R> {
    /// The runtime that drives connections and timers; it needs both.
    pub runtime: &'a Handle,
    /// The process's clock.
    pub clock: &'a Clock,
    /// How to stop early.
    pub stop: &'a Stop,
    /// Follows what happens.
    pub reporter: &'a R,
}

impl<R> Clone for Environment<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Environment<'_, R> {}
