//! Where runs are written down: a journal, with the right to run on some of its channels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process;

use contactsync::{BaseUrl, Clock, Http, Journal, Key, Lock, Loss, Mode, Policy, RunRow, WindowId};

use crate::commands::{local_time, shown};
use crate::failure::Failure;
use crate::settings::Connection;
use crate::voice::{Level, Voice};

/// A journal, with the right to run on some of its channels.
pub struct Place {
    pub journal: Journal,
    path: PathBuf,
    holder: String,
    locks: Vec<Lock>,
    // The channels of which the journal may have lost calls.
    lossy: BTreeSet<String>,
}

/// A channel that is ready to be sent to.
pub struct Ready {
    pub name: String,
    pub connection: Connection<Http>,
    /// The window that its calls count in.
    pub window: WindowId,
}

impl Place {
    // The journal comes first: that it cannot be opened says more than that a file beside it cannot.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let journal = Journal::open(path)?;
        let holder = format!("process {} since {}", process::id(), local_time(jiff::Timestamp::now()));
        Ok(Self { journal, path: path.to_owned(), holder, locks: Vec::new(), lossy: BTreeSet::new() })
    }

    /// Takes the right to run on a channel.
    pub fn hold(&mut self, channel: &str) -> Result<(), Failure> {
        let lock = Lock::of_channel(&self.path, channel, &self.holder)?;
        self.journal.stand_on(&lock, channel)?;
        self.locks.push(lock);
        Ok(())
    }

    /// Finds out whether the journal may have lost what an earlier run sent to the channel, which is held, and says so.
    pub fn look_for_loss(&mut self, channel: &str, clock: &Clock, voice: &Voice) -> Result<(), Failure> {
        let Some(lock) = self.locks.iter().find(|lock| lock.is_of(channel)) else { return Ok(()) };
        let Some(loss) = self.journal.loss(lock, channel, clock.setting())? else { return Ok(()) };
        let why = match loss {
            Loss::Calls => "the journal does not have all calls that were sent to it: it was cut short or replaced",
            Loss::OtherBoot => "its last run was interrupted by a restart of the machine, which may have cost calls",
            Loss::Unfinished => "an earlier run found that the journal may have lost calls, and is not finished",
        };
        let text = format!(
            "channel `{channel}`: {why}; each contact that the journal does not know is searched for before it is created, also with \
             `--mode create`"
        );
        voice.say(Level::Warning, &text);
        self.lossy.insert(channel.to_owned());
        Ok(())
    }

    /// What a run of the channel wants of its tasks, given what the journal may have lost.
    pub fn policy(&self, channel: &str, policy: Policy) -> Policy {
        Policy { search_first: policy.search_first || self.lossy.contains(channel), ..policy }
    }

    /// Prepares a run that an earlier process left, given what the journal may have lost.
    pub fn take_up(&self, run: &mut RunRow) -> Result<(), Failure> {
        if self.policy(&run.channel, run.policy) != run.policy {
            run.policy = self.journal.search_first(run.id, run.policy)?;
        }
        if run.policy.mode == Mode::Create {
            self.journal.verify_known()?;
        }
        Ok(())
    }

    /// Takes the right to fill the windows of these channels' tokens.
    pub fn fill_windows(&mut self, channels: Vec<(String, Connection<Http>)>) -> Result<Vec<Ready>, Failure> {
        let salt = self.journal.salt()?;
        let mut windows: BTreeMap<WindowId, String> = BTreeMap::new();
        let mut ready = Vec::with_capacity(channels.len());
        for (name, connection) in channels {
            let window = connection.transport.window(&salt);
            windows.entry(window.clone()).or_insert_with(|| name.clone());
            ready.push(Ready { name, connection, window });
        }
        for (window, channel) in windows {
            let lock = Lock::of_window(&self.path, &window, &channel, &self.holder)?;
            for to in ready.iter().filter(|to| to.window == window) {
                self.journal.stand_on(&lock, &to.name)?;
            }
            self.locks.push(lock);
        }
        Ok(ready)
    }

    /// Forgets the lower limits that the platform stated for these channels, and until when it asked to wait.
    pub fn forget_limits(&self, channels: &[Ready]) -> Result<(), Failure> {
        for channel in channels {
            self.journal.forget_limit(&channel.window)?;
        }
        Ok(())
    }

    /// Holds a channel to the platform that its known contacts are on.
    pub fn hold_to_url(&self, channel: &str, url: &BaseUrl, moved: bool) -> Result<(), Failure> {
        hold_to_url(&self.journal, &self.path, channel, url, moved)
    }

    /// Holds `--mode create`, which searches for nobody, to the keys by which the channel's contacts are known: by others,
    /// it would make them again.
    pub fn hold_to_keys(&self, channel: &str, matches: &[String], policy: Policy) -> Result<(), Failure> {
        if policy.mode != Mode::Create {
            return Ok(());
        }
        self.journal.verify_known()?;
        let by =
            |fields: &str| if fields.is_empty() { "their whole content".to_owned() } else { format!("`{fields}`") };
        match self.journal.known_by_others(channel, matches)? {
            None => Ok(()),
            Some(key) => {
                let known = match &key {
                    Key::Match { field, .. } => by(field),
                    Key::Id(_) | Key::Row { .. } => by(""),
                };
                Err(Failure::usage_text(format!(
                    "channel `{channel}` of journal {}: its contacts are known by {known}, found {}: `--mode create` could make them again",
                    shown(&self.path),
                    by(&matches.join("`, `")),
                ))
                .hint("match as before, or say --mode upsert, which searches; other contacts go into another --channel"))
            }
        }
    }
}

/// Holds a channel of the journal at `path` to the platform that its known contacts are on.
pub fn hold_to_url(journal: &Journal, path: &Path, channel: &str, url: &BaseUrl, moved: bool) -> Result<(), Failure> {
    match journal.channel_url(channel)? {
        Some(known) if known != url.as_str() && moved => Ok(journal.move_channel(channel, url.as_str())?),
        Some(known) if known != url.as_str() => Err(Failure::usage_text(format!(
            "channel `{channel}` of journal {}: its contacts are on {known}, found {url}",
            shown(path),
        ))
        .hint("take another --channel or --journal for another platform, or say --moved when it is the same one")),
        Some(_) | None => Ok(()),
    }
}
