//! The HTTP clients that the channels of a process share.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, redirect, retry};

use super::failure::deepest;
use super::tls;
use super::{Credentials, Http, Timeouts};
use crate::platform::endpoint::{BaseUrl, ChannelKind};
use crate::platform::token::Token;

/// How long an idle connection is kept. Calls follow each other every 600 ms, or come in bursts up to a minute apart, and
/// servers close idle connections after 5 s (Apache), 60 s or 75 s. A create that is written to a connection just as the
/// server closes it is lost, and costs a search. A new connection each minute costs next to nothing.
const IDLE: Duration = Duration::from_secs(4);

/// This machine cannot open encrypted connections.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot open encrypted connections: {cause}; on a minimal system, install its CA certificates (the package `ca-certificates`)"
)]
pub struct HttpError {
    cause: String,
    source: Box<dyn Error + Send + Sync>,
}

/// The clients that the channels of a process share: one for each kind of address, with its certificates and open
/// connections. A thousand channels with a client each would read the machine's certificates a thousand times.
#[derive(Debug)]
pub struct Clients {
    timeouts: Timeouts,
    pub(super) built: Mutex<BTreeMap<Reach, Client>>,
}

/// The kind of the addresses that a client serves: whether they are encrypted, and whether they are on this machine.
type Reach = (bool, bool);

impl Clients {
    /// Creates an empty set. Each client is built when a channel first needs it.
    pub const fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, built: Mutex::new(BTreeMap::new()) }
    }

    /// Creates the transport of a channel. It opens no connection yet.
    ///
    /// The proxy of the environment is used, but never for this machine, because it could not reach the sandbox.
    ///
    /// # Errors
    /// [`HttpError`] if the URL is encrypted and the machine cannot open encrypted connections.
    pub fn http(&self, base: BaseUrl, token: Token, kind: ChannelKind) -> Result<Http, HttpError> {
        let client = self.client((base.is_encrypted(), base.is_loopback()))?;
        let credentials = RwLock::new(Arc::new(Credentials::of(token)));
        Ok(Http { client, base, credentials, kind, timeouts: self.timeouts })
    }

    fn client(&self, reach: Reach) -> Result<Client, HttpError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = built.get(&reach) {
            return Ok(client.clone());
        }
        let client = build(reach, self.timeouts)?;
        built.insert(reach, client.clone());
        Ok(client)
    }
}

fn build((is_encrypted, is_loopback): Reach, timeouts: Timeouts) -> Result<Client, HttpError> {
    // An unencrypted connection trusts no certificates: a machine without any could not even run the sandbox otherwise.
    let tls = if is_encrypted { tls::trusting_this_machine() } else { tls::trusting_nothing() };
    let tls = tls.map_err(|source| HttpError { cause: source.to_string(), source: source.into() })?;
    let json = HeaderValue::from_static("application/json");
    let mut client = Client::builder()
        // A cached search does not show the contact of a lost create.
        .default_headers(HeaderMap::from_iter([
            (ACCEPT, json.clone()),
            (CONTENT_TYPE, json),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ]))
        .user_agent(concat!("contactsync/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .pool_idle_timeout(IDLE)
        // Each request needs its own permit, and a redirect may send the token unencrypted (API.md, trap 1).
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .https_only(is_encrypted)
        .tls_backend_preconfigured(tls);
    if is_loopback {
        client = client.no_proxy();
    }
    client.build().map_err(|source| HttpError { cause: deepest(&source), source: source.into() })
}
