//! The platform on this machine: the whole Contacts API, as strict as it is documented and as faulty as asked.
//!
//! It is what tests, benchmarks and the demonstration call instead of a real account. What it did is in its
//! [`Ledger`], which no client can talk round.
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
//! let answer = reqwest::Client::new().get(url).bearer_auth("token").header("accept", "application/json").send().await;
//! assert_eq!(answer.expect("the sandbox answers").status(), 200);
//! assert_eq!(sandbox.ledger().len(), 1);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod contacts;
mod debug_routes;
mod fault;
mod fault_answers;
mod faults;
mod ledger;
mod limit;
mod platform;
mod request;
mod routes;
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
pub use stored_form::StoredForm;

use crate::core::model::{ContactId, Field};
use platform::Platform;

/// How many calls a minute the platforms allow (API.md, "Platforms").
pub const CALLS_PER_MINUTE: u32 = 100;

/// How the platform is set up.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where it listens on loopback; 0 takes any port that is free.
    pub port: u16,
    /// Calls a minute and token; 0 is no limit.
    pub rate: u32,
    /// How the minute lies over the calls.
    pub window: WindowKind,
    /// The tokens that are valid; with none, any is.
    pub tokens: Vec<String>,
    /// Further tokens, of Viber channels: there the id in a path is Base64.
    pub viber_tokens: Vec<String>,
    /// Fields of which no two contacts of a channel may have the same value (API.md, trap 8).
    pub unique_fields: Vec<String>,
    /// What goes wrong at first.
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
    /// Starts listening, on 127.0.0.1 only. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port is taken or not permitted.
    pub async fn start(config: Config) -> io::Result<Self> {
        let listener = server::listen(config.port).await?;
        let port = listener.local_addr()?.port();
        let platform = Arc::new(Platform::new(config, format!("http://127.0.0.1:{port}")));
        let server = tokio::spawn(server::serve(listener, routes::router(Arc::clone(&platform))));
        Ok(Self { platform, port, server })
    }

    /// The base URL of the API, as a preset has it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// Replaces the faults and starts their chance anew, from the next call on.
    pub fn set_faults(&self, faults: Faults) {
        self.platform.set_faults(faults);
    }

    /// Answers 401 to this token from the next call on.
    pub fn refuse_token(&self, token: &str) {
        self.platform.refuse_token(token);
    }

    /// Gives the channel of a token to another one: from the next call on, the old one gets 401.
    pub fn replace_token(&self, old: &str, new: &str) {
        self.platform.replace_token(old, new);
    }

    /// Takes a refusal back: from the next call on, this token has what it had before.
    pub fn accept_token(&self, token: &str) {
        self.platform.accept_token(token);
    }

    /// Adds a contact without the API: it enters no ledger, searches show it at once, and it conflicts with no other contact.
    pub fn insert<F, T>(&self, token: &str, fields: F, tags: T) -> ContactId
    where
        F: IntoIterator<Item = Field>,
        T: IntoIterator<Item: Into<String>>,
    {
        let fields = fields.into_iter().map(|field| (field.name.into(), Some(field.value))).collect();
        self.platform.insert(token, None, fields, tags.into_iter().map(Into::into).collect())
    }

    /// The same under this id, which other channels may have for other people.
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
        self.platform.look(token, contacts::Contacts::stored)
    }

    /// What became of every call.
    pub fn ledger(&self) -> &Ledger {
        self.platform.ledger()
    }

    /// Stops listening and closes what is open; returns when that is done.
    pub async fn stop(mut self) {
        self.server.abort();
        // It always ends as cancelled.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

// A panic elsewhere leaves nothing half written that would matter to a test which then looks at the ledger.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
