//! The platform over HTTP: where it is, what it is asked, what its answers mean, and the one transport that carries them.
//!
//! [`dialect`] is the API's first version as pure functions. [`Http`] adds the connection and nothing else: it never
//! waits for the limit, never tries again, and follows no redirect, because each request needs its own permit.

pub mod dialect;
mod endpoint;
pub mod limiter;
mod presets;
mod token;
mod transport;

pub use endpoint::{BaseUrl, ChannelKind, UrlError};
pub use presets::{PRESETS, Preset, UnknownPreset, preset};
pub use token::{Token, TokenError};
pub use transport::{Clients, Http, HttpError, TIMEOUT, Timeouts};
