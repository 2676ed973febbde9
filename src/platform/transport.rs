//! The HTTP transport of a channel: sends a cleared call once and reports the result.

mod clients;
pub(super) mod failure;
pub(super) mod tls;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, Response};

use super::dialect;
use super::endpoint::{BaseUrl, ChannelKind};
use super::token::Token;
use crate::core::answer::Answer;
use crate::core::call::Cleared;
use crate::core::window_id::WindowId;

pub use clients::{Clients, HttpError};

/// The time limit for opening a connection. A platform that is up accepts within a second from anywhere; the rest is
/// for slow name servers. A call that exceeds it was certainly not sent.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for a call, from its start to the last byte of its response. It is longer than the limit for connecting,
/// so that it is known whether the call was sent. A call that hangs keeps its slot in the window no longer than this.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The largest body that is read, in bytes after decompression. A page of ten contacts has about 10 kB; a body of this
/// size is not a response of the API, and must not fill the memory.
pub const LARGEST_BODY: usize = 8 << 20;

/// The time limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start until the connection is open.
    pub connect: Duration,
    /// From the start until the response is complete.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, total: TIMEOUT }
    }
}

/// A channel over HTTP. It keeps its connections open. Concurrent calls share it by reference.
pub struct Http {
    client: Client,
    base: BaseUrl,
    // A token may be replaced while calls with the earlier one are in flight.
    credentials: RwLock<Arc<Credentials>>,
    kind: ChannelKind,
    timeouts: Timeouts,
}

struct Credentials {
    token: Token,
    // Set on every request and not in the client, which serves other channels too.
    authorization: HeaderValue,
}

impl Credentials {
    fn of(token: Token) -> Self {
        Self { authorization: token.bearer(), token }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Http {
    /// Creates the transport of a channel that shares no client with others ([`Clients::http`]).
    ///
    /// # Errors
    /// The same as [`Clients::http`].
    pub fn new(base: BaseUrl, token: Token, kind: ChannelKind, timeouts: Timeouts) -> Result<Self, HttpError> {
        Clients::new(timeouts).http(base, token, kind)
    }

    /// The base URL of its calls.
    pub const fn url(&self) -> &BaseUrl {
        &self.base
    }

    /// The kind of its channel.
    pub const fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// The time limit of a call.
    pub const fn call_timeout(&self) -> Duration {
        self.timeouts.total
    }

    /// The window in which this channel's calls count, in a journal with this salt.
    pub fn window(&self, salt: &[u8]) -> WindowId {
        self.credentials().token.window(salt)
    }

    /// Replaces the token for all further calls.
    pub fn replace_token(&self, token: Token) {
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Credentials::of(token));
    }

    fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends the call exactly once and waits for the result.
    ///
    /// A call from which no request can be built is [`Attempt::Refused`] with status 0. A failure before anything was
    /// written is [`Attempt::Unsent`], any later one is [`Attempt::Lost`]. No message contains the token or the query of
    /// a URL.
    ///
    /// [`Attempt::Refused`]: crate::core::attempt::Attempt::Refused
    /// [`Attempt::Unsent`]: crate::core::attempt::Attempt::Unsent
    /// [`Attempt::Lost`]: crate::core::attempt::Attempt::Lost
    pub(crate) async fn send(&self, cleared: Cleared<'_>) -> Answer {
        let call = cleared.call();
        let Credentials { token, authorization } = &*self.credentials();
        let dialect::Request { method, path, body } = dialect::request(call, self.kind);
        let mut request = self.client.request(http_method(method), format!("{}{path}", self.base));
        request = request.header(AUTHORIZATION, authorization.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        match request.send().await {
            Err(error) => token.redacted(self.unanswered(&error)).into(),
            Ok(mut response) => {
                let (received, status) = (SystemTime::now(), response.status().as_u16());
                let body = self.body(&mut response).await;
                let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                let headers: Vec<(&str, &[u8])> = headers.collect();
                let read = |body| dialect::Response { status, headers: &headers, body, received };
                let answer = match &body {
                    Ok(body) => dialect::answer(call, &read(body)),
                    Err(cause) => dialect::cut_off(&read(&[]), cause).into(),
                };
                Answer { attempt: token.redacted(answer.attempt), ..answer }
            }
        }
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.cause(&error))? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(format!("the answer is larger than {} MiB", LARGEST_BODY >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

const fn http_method(method: dialect::Method) -> Method {
    match method {
        dialect::Method::Get => Method::GET,
        dialect::Method::Post => Method::POST,
        dialect::Method::Put => Method::PUT,
        dialect::Method::Delete => Method::DELETE,
    }
}

/// A call whose intent counts as journaled.
#[cfg(test)]
fn cleared(call: &crate::core::call::Call) -> Cleared<'_> {
    use crate::core::window::{Admission, Window};

    let Admission::Granted(permit) = Window::new(1).admit(crate::core::time::Timestamp::default()) else {
        panic!("an empty window")
    };
    Cleared::new(call, permit, crate::core::call::Started::committed(1))
}

#[cfg(test)]
mod tests;
