//! The transport that sends calls.

use std::future::Future;

use crate::core::answer::Answer;
use crate::core::call::Cleared;
use crate::core::window_id::WindowId;
use crate::sync::stop::StopReason;

/// Sends calls to the platform: over HTTP, or to a model of it in a test.
pub trait Transport {
    /// Sends one call once and returns the answer. It only takes a call that is paced and journaled.
    fn send(&self, call: Cleared<'_>) -> impl Future<Output = Answer>;

    /// Replaces a token that the platform refused, while no call is in flight, and returns the window of the new token;
    /// `None` when there is no other token. After it has returned a window, [`Transport::send`] uses the new token.
    ///
    /// # Errors
    /// The reason to stop the run when the new token cannot be used.
    fn renewed(&self) -> impl Future<Output = Result<Option<WindowId>, StopReason>> {
        std::future::ready(Ok(None))
    }
}
