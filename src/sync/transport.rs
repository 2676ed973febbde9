//! What the sync needs of a platform.

use std::future::Future;

use crate::core::answer::Answer;
use crate::core::call::Cleared;
use crate::core::channel::WindowId;
use crate::sync::stop::StopReason;

/// Something that sends calls: the platform over HTTP, or a model of it in a test.
pub trait Transport {
    /// Sends one call, once, and says what came back. It takes nothing but a call that is paced and journaled.
    fn send(&self, call: Cleared<'_>) -> impl Future<Output = Answer>;

    /// Replaces a token that the platform refused, when no call is on its way, and returns the window of the new one;
    /// `None` when there is no other. Once it has returned a window, [`Transport::send`] uses the new token.
    ///
    /// # Errors
    /// Why the run stops, when the new token cannot be used.
    fn renewed(&self) -> impl Future<Output = Result<Option<WindowId>, StopReason>> {
        std::future::ready(Ok(None))
    }
}
