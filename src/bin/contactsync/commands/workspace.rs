//! Where runs are written down: a journal, with the right to run on some of its channels.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process;

use contactsync::{BaseUrl, Clock, Http, Journal, Key, Lock, Loss, Mode, Policy, RunRow, Token, WindowId};

use crate::commands::{local_time, shown};
use crate::console::{Console, Level};
use crate::failure::{Exit, Failure};
use crate::settings::Connection;
use crate::summary::grouped;

/// A journal, with the right to run on some of its channels.
pub struct Workspace {
    pub journal: Journal,
    path: PathBuf,
    holder: String,
    locks: Vec<Lock>,
    windows: RefCell<BTreeMap<WindowId, HeldWindow>>,
    salt: Vec<u8>,
    // Whether locks may be created: a command that only looks creates no file.
    creates: bool,
    // The channels of which the journal may have lost calls.
    lossy: BTreeSet<String>,
}

/// A window that is held.
struct HeldWindow {
    // The window whose place it took when a token was renewed.
    earlier: Option<WindowId>,
    lock: Option<Lock>,
}

/// What has a token.
pub trait HasToken {
    /// The window of its calls in a journal with this salt.
    fn window(&self, salt: &[u8]) -> WindowId;
}

impl HasToken for Http {
    fn window(&self, salt: &[u8]) -> WindowId {
        Self::window(self, salt)
    }
}

impl HasToken for Token {
    fn window(&self, salt: &[u8]) -> WindowId {
        Self::window(self, salt)
    }
}

/// A channel that is ready to be sent to.
pub struct Ready {
    pub name: String,
    pub connection: Connection<Http>,
    /// The window that its calls count in.
    pub window: WindowId,
}

impl Workspace {
    // The journal comes first: that it cannot be opened says more than that a file beside it cannot.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Self::of(Journal::open(path)?, path, true)
    }

    /// Opens the journal to look at a platform: no file is created.
    pub fn open_to_look(path: &Path) -> Result<Self, Failure> {
        let journal = if path.exists() { Journal::open(path)? } else { Journal::in_memory()? };
        Self::of(journal, path, false)
    }

    fn of(journal: Journal, path: &Path, creates: bool) -> Result<Self, Failure> {
        let holder = format!("process {} since {}", process::id(), local_time(jiff::Timestamp::now()));
        let salt = journal.salt()?;
        let (locks, windows, lossy) = (Vec::new(), RefCell::default(), BTreeSet::new());
        Ok(Self { journal, path: path.to_owned(), holder, locks, windows, salt, creates, lossy })
    }

    /// Takes the right to run on a channel.
    pub fn hold(&mut self, channel: &str) -> Result<(), Failure> {
        // A process that holds it has created its file.
        if self.creates || Lock::has_channel(&self.path, channel) {
            let lock = Lock::of_channel(&self.path, channel, &self.holder)?;
            self.journal.stand_on_blocking(&lock, channel)?;
            self.locks.push(lock);
        }
        Ok(())
    }

    /// The window of the calls with a token.
    pub fn window_of(&self, token: &impl HasToken) -> WindowId {
        token.window(&self.salt)
    }

    /// Takes the right to fill a window of `channel` that takes the place of an `earlier` one: channels whose token was the
    /// same share it.
    pub async fn replace_window(&self, window: &WindowId, channel: &str, earlier: &WindowId) -> Result<(), Failure> {
        if let Some(lock) = self.lock_window(window, channel, Some(earlier))? {
            self.journal.stand_on(&lock, channel).await?;
        }
        Ok(())
    }

    // Takes the lock of a window, or gives the one that is held already. `None` when no file is to be created.
    fn lock_window(
        &self,
        window: &WindowId,
        channel: &str,
        earlier: Option<&WindowId>,
    ) -> Result<Option<Lock>, Failure> {
        let mut windows = self.windows.borrow_mut();
        if let Some(held) = windows.get(window) {
            if held.earlier.as_ref() == earlier {
                return Ok(held.lock.clone());
            }
            // Its calls are counted for other channels of this process, which do not know of these.
            let text = format!("channel `{channel}`: its new token is that of another channel of this run");
            return Err(Failure { exit: Exit::Stopped, message: text, hint: Some("run again".into()) });
        }
        let lock = if self.creates || Lock::has_window(&self.path, window) {
            Some(Lock::of_window(&self.path, window, channel, &self.holder)?)
        } else {
            None
        };
        windows.insert(window.clone(), HeldWindow { earlier: earlier.cloned(), lock: lock.clone() });
        Ok(lock)
    }

    /// Finds out whether the journal may have lost what an earlier run sent to the channel, which is held, and says so.
    pub fn look_for_loss(&mut self, channel: &str, clock: &Clock, console: &Console) -> Result<(), Failure> {
        let Some(lock) = self.locks.iter().find(|lock| lock.is_of(channel)) else { return Ok(()) };
        let Some(loss) = self.journal.loss(lock, channel, clock.clock_offset())? else { return Ok(()) };
        let why = match loss {
            Loss::Calls => {
                "calls that were sent to it are missing from the journal, which was truncated or replaced by an older copy"
            }
            Loss::OtherBoot => "the machine restarted during its last run, so calls may be missing from the journal",
            Loss::Unfinished => "an earlier run found that the journal may have lost calls, and is not finished",
        };
        let text = format!(
            "channel `{channel}`: {why}; unknown contacts are searched for before they are created, also with \
             `--mode create`"
        );
        console.say(Level::Warning, &text);
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
    pub fn fill_windows(&self, channels: Vec<(String, Connection<Http>)>) -> Result<Vec<Ready>, Failure> {
        let mut ready = Vec::with_capacity(channels.len());
        for (name, connection) in channels {
            let window = self.window_of(&connection.transport);
            if let Some(lock) = self.lock_window(&window, &name, None)? {
                self.journal.stand_on_blocking(&lock, &name)?;
            }
            ready.push(Ready { name, connection, window });
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

/// Where the tokens go, and what is wrong with their places: reported once, before the first call.
pub struct Announcement {
    lines: RefCell<Vec<(Level, String)>>,
}

impl Announcement {
    pub fn of(ready: &[Ready]) -> Self {
        let mut urls: BTreeMap<&str, u64> = BTreeMap::new();
        for to in ready {
            *urls.entry(to.connection.url.as_str()).or_default() += 1;
        }
        let several =
            |channels| if channels > 1 { format!(" ({} channels)", grouped(channels)) } else { String::new() };
        let urls =
            urls.into_iter().map(|(url, channels)| (Level::Info, format!("platform: {url}{}", several(channels))));
        let mut warnings = ready.iter().filter_map(|to| to.connection.warning.as_deref());
        let warning = warnings.next().map(|first| match warnings.count() {
            0 => first.to_owned(),
            more => format!("{first}; {more} more token files as well"),
        });
        Self { lines: RefCell::new(urls.chain(warning.map(|text| (Level::Warning, text))).collect()) }
    }

    /// Reports it, if it was not yet.
    pub fn say(&self, console: &Console) {
        for (level, text) in self.lines.take() {
            console.say(level, &text);
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
