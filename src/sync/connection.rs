//! What a use case needs of a channel's platform: where it is, how fast it may be called, and how its token is renewed.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::core::answer::Answer;
use crate::core::call::Cleared;
use crate::platform::{BaseUrl, ChannelKind, Http, Token};
use crate::sync::transport::Transport;

/// Provides another token once the platform has refused the present one.
pub trait RenewToken: fmt::Debug + Send + Sync {
    /// Provides the token. It is called on a thread that may block.
    ///
    /// # Errors
    /// Why there is none, in words that repeat nothing of a token.
    fn renew(&self) -> Result<Token, String>;
}

/// A channel's platform over HTTP, and the pace of its calls. Nothing was sent to it yet.
#[derive(Debug)]
pub struct Connection {
    pub(super) transport: HttpTransport,
    /// Maximum number of calls a minute.
    pub rate: NonZeroU32,
    /// Maximum number of calls that start at once; the rate when `None`.
    pub burst: Option<NonZeroU32>,
    /// Maximum number of calls in flight; see [`concurrency_for`](crate::estimate::concurrency_for) when `None`.
    pub concurrency: Option<usize>,
    /// What provides another token; `None` when no token is replaced.
    pub renewal: Option<Arc<dyn RenewToken>>,
}

/// The platform over HTTP, as the engine sends to it. Only a channel that a workspace holds makes it reachable.
#[derive(Debug)]
pub struct HttpTransport(pub(super) Http);

impl Connection {
    /// A connection at `rate` calls a minute, with the default burst and concurrency, whose token is not replaced.
    pub fn new(http: Http, rate: NonZeroU32) -> Self {
        Self { transport: HttpTransport(http), rate, burst: None, concurrency: None, renewal: None }
    }

    /// The URL that the calls go to.
    pub fn url(&self) -> &BaseUrl {
        self.transport.0.url()
    }

    /// The kind of the channel.
    pub fn kind(&self) -> ChannelKind {
        self.transport.0.kind()
    }
}

impl Transport for HttpTransport {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        self.0.send(call).await
    }
}
