//! What the engine needs of a platform.

use std::future::Future;

use crate::core::answer::Answer;
use crate::core::call::Cleared;
use crate::edges::platform::Http;

/// Something that sends calls: the platform over HTTP, or a model of it in a test.
pub trait Transport {
    /// Sends one call, once, and says what came back. It takes nothing but a call that is paced and journaled.
    fn send(&self, call: Cleared<'_>) -> impl Future<Output = Answer>;
}

impl Transport for Http {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        Self::send(self, call).await
    }
}
