//! The channels of the platform: each token has its limiter and its contacts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::contacts::Contacts;
use super::ledger::masked;
use super::limit::{Limiter, Others};
use super::saved_state::{SavedChannel, token_hash};
use super::{Config, lock};

/// The state of a channel.
#[derive(Debug)]
pub struct ChannelState {
    /// The limiter of the token.
    pub limiter: Limiter,
    /// The other client of the token.
    pub others: Others,
    /// The contacts.
    pub contacts: Contacts,
}

/// A channel.
#[derive(Debug)]
pub struct Channel {
    /// Its number, in the order in which channels became known.
    pub number: usize,
    /// Its token as people see it.
    pub label: String,
    /// The hash under which it is saved.
    pub token_hash: String,
    state: Mutex<ChannelState>,
}

/// The channels by token.
#[derive(Debug)]
pub struct Channels {
    config: Config,
    unique: Arc<[String]>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_token: HashMap<Arc<str>, Arc<Channel>>,
    // Channels of a saved state whose token was not used yet, by its hash.
    restored: HashMap<String, Arc<Channel>>,
    // Number of channels so far.
    count: usize,
}

impl Channel {
    /// Its state, for this thread alone.
    pub fn state(&self) -> MutexGuard<'_, ChannelState> {
        lock(&self.state)
    }
}

impl Channels {
    /// Creates the channels of a saved state, and no other.
    pub fn new(config: &Config, saved: Vec<SavedChannel>) -> Self {
        let unique = config.unique_fields.iter().cloned().collect();
        let channels = Self { config: config.clone(), unique, known: Mutex::default() };
        for SavedChannel { token_hash: hash, token: label, contacts } in saved {
            let is_viber = config.viber_tokens.iter().any(|token| token_hash(token) == hash);
            let mut known = lock(&channels.known);
            let channel = channels.create(&mut known, label, hash.clone(), is_viber);
            channel.state().contacts.restore(contacts);
            known.restored.insert(hash, channel);
        }
        channels
    }

    /// The channel of a token. The first request for it creates the channel.
    pub fn of(&self, token: &str) -> Arc<Channel> {
        let mut known = lock(&self.known);
        if let Some(channel) = known.by_token.get(token) {
            return Arc::clone(channel);
        }
        let hash = token_hash(token);
        let restored = known.restored.remove(&hash);
        let is_viber = self.config.viber_tokens.iter().any(|viber| viber == token);
        let channel = restored.unwrap_or_else(|| self.create(&mut known, masked(token), hash, is_viber));
        known.by_token.insert(token.into(), Arc::clone(&channel));
        channel
    }

    /// The channel of a token, if it exists.
    pub fn existing(&self, token: &str) -> Option<Arc<Channel>> {
        let known = lock(&self.known);
        known.by_token.get(token).or_else(|| known.restored.get(&token_hash(token))).map(Arc::clone)
    }

    /// Moves the channel of a token to another token.
    pub fn rename(&self, old: &str, new: &str) {
        let channel = self.of(old);
        lock(&self.known).by_token.insert(new.into(), channel);
    }

    /// All channels, in the order of their numbers, each with the token that last called it.
    pub fn all(&self) -> Vec<(Option<Arc<str>>, Arc<Channel>)> {
        let known = lock(&self.known);
        let called = known.by_token.iter().map(|(token, channel)| (Some(Arc::clone(token)), Arc::clone(channel)));
        let restored = known.restored.values().map(|channel| (None, Arc::clone(channel)));
        let mut all: Vec<_> = called.chain(restored).collect();
        all.sort_by_key(|(_, channel)| channel.number);
        // A renamed channel has two tokens.
        all.dedup_by_key(|(_, channel)| channel.number);
        all
    }

    fn create(&self, known: &mut Known, label: String, token_hash: String, is_viber: bool) -> Arc<Channel> {
        let number = known.count;
        known.count += 1;
        let state = ChannelState {
            limiter: Limiter::new(self.config.rate, self.config.window),
            others: Others::default(),
            contacts: Contacts::new(is_viber, Arc::clone(&self.unique)),
        };
        Arc::new(Channel { number, label, token_hash, state: Mutex::new(state) })
    }
}
