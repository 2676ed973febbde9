//! The platform over HTTP: its URL, its requests, the meaning of its responses, the rate limit, and the transport.
//!
//! [`dialect`] is version 1 of the API as pure functions. [`Http`] adds only the connection: it never waits for the
//! limit, never retries, and follows no redirect, because each request needs its own permit.

pub mod dialect;
mod endpoint;
pub mod limiter;
mod presets;
mod token;
mod transport;
mod webhook;

pub use endpoint::{BaseUrl, ChannelKind, UrlError};
pub use presets::{PRESETS, Preset, UnknownPreset, preset};
pub use token::{Token, TokenError};
pub use transport::{Clients, Http, HttpError, TIMEOUT, Timeouts};
pub use webhook::{Webhook, WebhookError};
