//! The platform as a server on this machine: the whole Contacts API, as strict as documented, with fault injection.
//!
//! Tests, benchmarks and the demo call it instead of a real account. Its [`Ledger`] records every call as the platform
//! saw it.
//!
//! ```
//! use contactsync::Field;
//! use contactsync::sandbox::{Config, Sandbox};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let sandbox = Sandbox::start(Config { rate: 0, ..Config::default() }).await?;
//! let id = sandbox.insert("token", [Field::text("email", "ann@example.com")], ["vip"]);
//! let url = format!("{}/contact/{id}", sandbox.url());
//! # rustls::crypto::ring::default_provider().install_default().expect("the first one");
//! let answer = reqwest::Client::new().get(url).bearer_auth("token").header("accept", "application/json").send().await;
//! assert_eq!(answer.expect("the sandbox answers").status(), 200);
//! assert_eq!(sandbox.ledger().len(), 1);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod channels;
mod contacts;
mod debug_routes;
mod fault;
mod fault_answers;
mod faults;
mod ledger;
mod limit;
mod page_routes;
mod platform;
mod request;
mod routes;
mod saved_state;
mod search;
mod server;
mod stored_form;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

pub use contacts::StoredContact;
pub use fault::Fault;
pub use faults::{Faults, Rule};
pub use ledger::{CallRecord, Ledger};
pub use limit::WindowKind;
pub use saved_state::{SavedState, SavedStateError};
pub use stored_form::StoredForm;

use crate::core::model::{ContactId, Field};
use platform::Platform;

/// Number of calls a minute that the platforms allow (API.md, "Platforms").
pub const CALLS_PER_MINUTE: u32 = 100;

/// The configuration of the platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// Maximum number of calls a minute for each token; 0 is no limit.
    pub rate: u32,
    /// The kind of minute that is counted.
    pub window: WindowKind,
    /// The valid tokens; if empty, any token is valid.
    pub tokens: Vec<String>,
    /// The tokens of Viber channels, where ids in paths are Base64.
    pub viber_tokens: Vec<String>,
    /// Fields whose values belong to one contact of a channel each (API.md, trap 8).
    pub unique_fields: Vec<String>,
    /// The initial faults.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            rate: CALLS_PER_MINUTE,
            window: WindowKind::default(),
            tokens: Vec::new(),
            viber_tokens: Vec::new(),
            unique_fields: Vec::new(),
            faults: Faults::default(),
        }
    }
}

/// A running platform. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Sandbox {
    platform: Arc<Platform>,
    port: u16,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts to listen on 127.0.0.1. Requires a tokio runtime.
    ///
    /// # Errors
    /// If the port is in use or not permitted.
    pub async fn start(config: Config) -> io::Result<Self> {
        Self::start_with(config, SavedState::default()).await
    }

    /// Starts with the contacts of a saved state. The list of calls and the count against the limit start empty.
    ///
    /// # Errors
    /// If the port is in use or not permitted.
    pub async fn start_with(config: Config, saved: SavedState) -> io::Result<Self> {
        let listener = server::listen(config.port).await?;
        let port = listener.local_addr()?.port();
        let platform = Arc::new(Platform::new(config, format!("http://127.0.0.1:{port}"), saved));
        let server = tokio::spawn(server::serve(listener, routes::router(Arc::clone(&platform))));
        Ok(Self { platform, port, server })
    }

    /// The base URL of the API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// Replaces the faults and restarts their random numbers, from the next call on.
    pub fn set_faults(&self, faults: Faults) {
        self.platform.set_faults(faults);
    }

    /// Answers 401 to this token from the next call on.
    pub fn refuse_token(&self, token: &str) {
        self.platform.refuse_token(token);
    }

    /// Moves the channel of a token to another token. From the next call on, the old one is answered with 401.
    pub fn replace_token(&self, old: &str, new: &str) {
        self.platform.replace_token(old, new);
    }

    /// Accepts a refused token again from the next call on.
    pub fn accept_token(&self, token: &str) {
        self.platform.accept_token(token);
    }

    /// Adds a contact without the API. It is not in the ledger, searches find it at once, and it conflicts with no other
    /// contact.
    pub fn insert<F, T>(&self, token: &str, fields: F, tags: T) -> ContactId
    where
        F: IntoIterator<Item = Field>,
        T: IntoIterator<Item: Into<String>>,
    {
        let fields = fields.into_iter().map(|field| (field.name.into(), Some(field.value))).collect();
        self.platform.insert(token, None, fields, tags.into_iter().map(Into::into).collect())
    }

    /// Adds a contact with this id, which other channels may use for other people.
    pub fn insert_as<F>(&self, token: &str, id: ContactId, fields: F)
    where
        F: IntoIterator<Item = Field>,
    {
        let fields = fields.into_iter().map(|field| (field.name.into(), Some(field.value))).collect();
        self.platform.insert(token, Some(id), fields, Vec::new());
    }

    /// Sets fields of a contact and adds tags to it without the API, as a user of the platform does. Returns whether the
    /// token's channel has a contact with this id.
    pub fn edit<F, T>(&self, token: &str, id: &ContactId, fields: F, tags: T) -> bool
    where
        F: IntoIterator<Item = Field>,
        T: IntoIterator<Item: Into<String>>,
    {
        let fields = fields.into_iter().map(|field| (field.name.into(), Some(field.value))).collect();
        self.platform.edit(token, id, fields, tags.into_iter().map(Into::into).collect())
    }

    /// The contacts of a token, in the order of their creation.
    pub fn contacts(&self, token: &str) -> Vec<StoredContact> {
        self.platform.with_contacts(token, contacts::Contacts::stored)
    }

    /// The record of every call.
    pub fn ledger(&self) -> &Ledger {
        self.platform.ledger()
    }

    /// The contacts of all channels, to be saved.
    pub fn saved_state(&self) -> SavedState {
        self.platform.saved()
    }

    /// A number that grows with every change of a contact, so that an unchanged state need not be saved again.
    pub fn changes(&self) -> u64 {
        self.platform.changes()
    }

    /// Stops to listen and closes open connections; returns when that is done.
    pub async fn stop(mut self) {
        self.close().await;
    }

    /// The same; returns the contacts of all channels, to be saved.
    pub async fn stop_and_save(mut self) -> SavedState {
        self.close().await;
        self.saved_state()
    }

    async fn close(&mut self) {
        self.server.abort();
        // It always ends as canceled.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

// A panic elsewhere leaves no state that would mislead a test that reads the ledger afterwards.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
