//! The journal of a use case, and the channels that it may send to: locked, compared with what the journal knows of them,
//! and with a token that opens the channel of the known contacts.
//!
//! A [`LockedChannel`] is the proof of all of that. Only a [`Workspace`] makes one, and a run sends to nothing else. A
//! [`ReadOnlyChannel`] has the locks, and its token and match fields are not checked yet: finds and reads are made with it.

mod tokens;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) use self::tokens::{Renewing, Tokens, Tried};
use crate::core::kept_values::KeptValues;
use crate::core::model::{Key, Mode};
use crate::core::task::Policy;
use crate::core::window_id::WindowId;
use crate::journal::{Journal, JournalError, Lock, LockError, RunRow};
use crate::platform::{BaseUrl, ChannelKind, Http, Token};
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::guard_error::GuardError;
use crate::sync::reporter::{Notification, Reporter};

/// A journal, with the right to run on some of its channels. The right ends with the workspace, or with the process.
///
/// The engine takes a channel over HTTP from a workspace alone: a connection as such cannot be sent to.
///
/// ```compile_fail,E0277
/// # use contactsync::Http;
/// # use contactsync::engine::{Cleared, Transport};
/// fn is_transport(_: impl Transport) {}
/// fn send_without_a_lock(http: Http) {
///     is_transport(http);
/// }
/// ```
#[derive(Debug)]
pub struct Workspace {
    journal: Journal,
    // `None` for a journal in memory, which no other process can use.
    path: Option<PathBuf>,
    holder: String,
    locks: RefCell<Vec<Lock>>,
    windows: RefCell<BTreeMap<WindowId, HeldWindow>>,
    salt: Vec<u8>,
    // Whether locks may be created: a check creates no file.
    creates: bool,
    // The channels whose calls the journal may have lost.
    lossy: RefCell<BTreeSet<String>>,
}

/// A window that is held.
#[derive(Debug)]
struct HeldWindow {
    // The window that it replaced when a token was renewed.
    earlier: Option<WindowId>,
    lock: Option<Lock>,
}

/// Guards that the caller overrides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The platform has moved: a channel's known contacts are the same at the new URL.
    pub moved: bool,
    /// A new token is taken without a check that it opens the same channel.
    pub new_token: bool,
    /// The lower rate limits that the platform stated, and how long it asked to wait, are forgotten.
    pub forget_limit: bool,
}

/// A channel that is locked, whose calls count in a window that is locked as well. Its calls may change nothing: its URL and
/// its token were not compared with those of the known contacts.
#[derive(Debug)]
pub struct ReadOnlyChannel<'w> {
    pub(super) workspace: &'w Workspace,
    pub(super) name: String,
    pub(super) connection: Connection,
    // The window that its calls count in.
    pub(super) window: WindowId,
}

/// A channel that may be sent to: its lock and that of its window are held; the journal was checked for lost calls; its
/// URL and its match fields are those of the known contacts; its token opens the channel of the known contacts.
///
/// Nothing but a [`Workspace`] makes one:
///
/// ```compile_fail,E0451
/// # use contactsync::locks::{ReadOnlyChannel, LockedChannel};
/// fn skip_the_guards(held: ReadOnlyChannel<'_>) -> LockedChannel<'_> {
///     LockedChannel { held }
/// }
/// ```
#[derive(Debug)]
pub struct LockedChannel<'w> {
    held: ReadOnlyChannel<'w>,
}

/// The channels that may be sent to, and those that may not.
#[derive(Debug)]
pub struct Locked<'w> {
    /// In the order in which they were given.
    pub channels: Vec<LockedChannel<'w>>,
    /// By name, with the reason.
    pub refused: BTreeMap<String, GuardError>,
}

/// What has a token.
pub(super) trait HasToken {
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

impl Workspace {
    /// Opens the journal at `path` to send from it, and creates it when it is missing. `holder` tells other processes which
    /// one has the locks, and since when.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open(path: &Path, holder: impl Into<String>) -> Result<Self, JournalError> {
        Self::open_keeping(path, holder, None)
    }

    /// As [`open`](Self::open), for a journal that keeps values like this from now on ([`Journal::open_keeping`]).
    ///
    /// # Errors
    /// As [`Journal::open_keeping`].
    pub fn open_keeping(
        path: &Path,
        holder: impl Into<String>,
        kept: Option<KeptValues>,
    ) -> Result<Self, JournalError> {
        // The journal comes first: that it cannot be opened says more than that a file beside it cannot.
        Self::of(Journal::open_keeping(path, kept)?, Some(path), holder.into(), true)
    }

    /// Opens the journal at `path` for calls that change nothing, which are journaled as well. Creates no file: a missing
    /// journal is replaced by one in memory.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_to_probe(path: &Path, holder: impl Into<String>) -> Result<Self, JournalError> {
        let journal = if path.exists() {
            Journal::open(path)?
        } else {
            // It refuses a log whose journal is missing.
            Journal::dry(path)?;
            Journal::in_memory()?
        };
        Self::of(journal, Some(path), holder.into(), false)
    }

    /// A workspace on a journal that is nowhere on disk, and so without locks.
    ///
    /// # Errors
    /// As [`Journal::in_memory`].
    pub fn in_memory() -> Result<Self, JournalError> {
        Self::of(Journal::in_memory()?, None, String::new(), false)
    }

    fn of(journal: Journal, path: Option<&Path>, holder: String, creates: bool) -> Result<Self, JournalError> {
        let salt = journal.salt()?;
        Ok(Self {
            journal,
            path: path.map(Path::to_owned),
            holder,
            locks: RefCell::default(),
            windows: RefCell::default(),
            salt,
            creates,
            lossy: RefCell::default(),
        })
    }

    /// The journal.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The journal's path; `None` for one in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Locks these channels, given with the names of their known contacts' channels, and makes sure that each may be sent to.
    /// `matches` are the match fields of the run, and its policy.
    ///
    /// # Errors
    /// A [`GuardError`] when a channel is held by another run, its contacts are on another platform or known by other match
    /// fields, or the journal fails; and for the only channel, when its token is not that of the known contacts. Of several
    /// channels, those are [refused](Locked::refused).
    pub fn lock<R: Reporter>(
        &self,
        channels: Vec<(String, Connection)>,
        matches: (&[String], Policy),
        overrides: Overrides,
        environment: Environment<'_, R>,
    ) -> Result<Locked<'_>, GuardError> {
        let are_several = channels.len() > 1;
        let held = self.hold_all(channels, matches, overrides, environment)?;
        self.admit(held, overrides, are_several, environment)
    }

    /// Takes the locks of these channels and of their windows, and compares each with what the journal knows of it.
    pub(super) fn hold_all<R: Reporter>(
        &self,
        channels: Vec<(String, Connection)>,
        (matches, policy): (&[String], Policy),
        overrides: Overrides,
        environment: Environment<'_, R>,
    ) -> Result<Vec<ReadOnlyChannel<'_>>, GuardError> {
        for (at, (name, _)) in channels.iter().enumerate() {
            if channels[..at].iter().any(|(other, _)| other == name) {
                let (channel, holder) = (name.clone(), self.holder.clone());
                return Err(LockError::Held { channel, holder }.into());
            }
            self.hold(name, environment)?;
        }
        let held = self.hold_windows(channels, overrides)?;
        for channel in &held {
            if let Some(error) = self.mismatches(channel, (matches, policy), overrides)?.into_iter().next() {
                return Err(error);
            }
        }
        Ok(held)
    }

    /// Compares the tokens of these channels with the last ones. Of several channels, those that may not be sent to are
    /// refused.
    pub(super) fn admit<'w, R: Reporter>(
        &'w self,
        held: Vec<ReadOnlyChannel<'w>>,
        overrides: Overrides,
        are_several: bool,
        environment: Environment<'_, R>,
    ) -> Result<Locked<'w>, GuardError> {
        let tokens = Tokens { workspace: self, clock: environment.clock, reporter: environment.reporter };
        let mut locked = Locked { channels: Vec::new(), refused: BTreeMap::new() };
        for (held, checked) in environment.runtime.block_on(tokens.check(held, overrides.new_token)) {
            match checked {
                Ok(()) => locked.channels.push(LockedChannel { held }),
                Err(error) if error.is_fatal() || !are_several => return Err(error),
                Err(error) => drop(locked.refused.insert(held.name, error)),
            }
        }
        Ok(locked)
    }

    /// Takes the locks of a channel and of its window for calls that change nothing.
    ///
    /// # Errors
    /// A [`GuardError`] when another run has one of them, or the journal fails.
    pub fn hold_to_probe<R: Reporter>(
        &self,
        name: &str,
        connection: Connection,
        environment: Environment<'_, R>,
    ) -> Result<ReadOnlyChannel<'_>, GuardError> {
        // The calls of a probe may hide that calls were lost.
        self.hold(name, environment)?;
        self.hold_window(name.to_owned(), connection)
    }

    /// Releases all locks.
    pub(super) fn release(&self) {
        self.locks.borrow_mut().clear();
        self.windows.borrow_mut().clear();
        self.lossy.borrow_mut().clear();
    }

    /// Takes the right to run on a channel, and finds out whether the journal may have lost what an earlier run sent to it.
    pub(super) fn hold<R: Reporter>(&self, channel: &str, environment: Environment<'_, R>) -> Result<(), GuardError> {
        let Some(path) = &self.path else { return Ok(()) };
        if self.locks.borrow().iter().any(|lock| lock.is_of(channel)) {
            return Ok(());
        }
        // If another process held it, its file would exist.
        if !self.creates && !Lock::has_channel(path, channel) {
            return Ok(());
        }
        let lock = Lock::of_channel(path, channel, &self.holder)?;
        self.journal.depend_on_blocking(&lock, channel)?;
        let loss = self.journal.loss(&lock, channel, environment.clock.clock_offset())?;
        self.locks.borrow_mut().push(lock);
        if let Some(loss) = loss {
            environment.reporter.notify(&Notification::JournalLoss { channel, loss });
            self.lossy.borrow_mut().insert(channel.to_owned());
        }
        Ok(())
    }

    /// Locks the windows of these channels' tokens, so that no other process makes calls with them.
    pub(super) fn hold_windows(
        &self,
        channels: Vec<(String, Connection)>,
        overrides: Overrides,
    ) -> Result<Vec<ReadOnlyChannel<'_>>, GuardError> {
        // No run is in progress, so that no other channel counts the calls of a window whose token was renewed.
        for window in self.windows.borrow_mut().values_mut() {
            window.earlier = None;
        }
        let with_lock = |(name, connection)| self.hold_window(name, connection);
        let held = channels.into_iter().map(with_lock).collect::<Result<Vec<_>, _>>()?;
        if overrides.forget_limit {
            for channel in &held {
                self.journal.forget_limit(&channel.window)?;
            }
        }
        Ok(held)
    }

    fn hold_window(&self, name: String, connection: Connection) -> Result<ReadOnlyChannel<'_>, GuardError> {
        let window = self.window_of(&connection.transport.0);
        if let Some(lock) = self.lock_window(&window, &name, None)? {
            self.journal.depend_on_blocking(&lock, &name)?;
        }
        Ok(ReadOnlyChannel { workspace: self, name, connection, window })
    }

    /// The window of the calls with a token.
    pub(super) fn window_of(&self, token: &impl HasToken) -> WindowId {
        token.window(&self.salt)
    }

    /// Locks a window of `channel` that takes the place of an `earlier` one: channels whose token was the same share it.
    pub(super) async fn replace_window(
        &self,
        window: &WindowId,
        channel: &str,
        earlier: &WindowId,
    ) -> Result<(), GuardError> {
        if let Some(lock) = self.lock_window(window, channel, Some(earlier))? {
            self.journal.depend_on(&lock, channel).await?;
        }
        Ok(())
    }

    // Takes the lock of a window, or returns the one that is already held. `None` when no file may be created.
    fn lock_window(
        &self,
        window: &WindowId,
        channel: &str,
        earlier: Option<&WindowId>,
    ) -> Result<Option<Lock>, GuardError> {
        let mut windows = self.windows.borrow_mut();
        if let Some(held) = windows.get(window) {
            if held.earlier.as_ref() == earlier {
                return Ok(held.lock.clone());
            }
            // Its calls are counted for other channels of this process, which do not know of these.
            return Err(GuardError::TokenOfOtherChannel { channel: channel.to_owned() });
        }
        let lock = match &self.path {
            Some(path) if self.creates || Lock::has_window(path, window) => {
                Some(Lock::of_window(path, window, channel, &self.holder)?)
            }
            Some(_) | None => None,
        };
        windows.insert(window.clone(), HeldWindow { earlier: earlier.cloned(), lock: lock.clone() });
        Ok(lock)
    }

    /// The policy of a run of the channel, which searches first if the journal may have lost calls.
    pub(super) fn policy(&self, channel: &str, policy: Policy) -> Policy {
        Policy { search_first: policy.search_first || self.lossy.borrow().contains(channel), ..policy }
    }

    /// Prepares an interrupted run, which searches first if the journal may have lost calls.
    pub(super) fn take_up(&self, run: &mut RunRow) -> Result<(), JournalError> {
        // The search before a create by hand is not part of its run.
        let is_by_hand = run.policy.mode == Mode::Create && self.journal.is_by_hand(run.id)?;
        let wanted = Policy { search_first: run.policy.search_first || is_by_hand, ..run.policy };
        if self.policy(&run.channel, wanted) != run.policy {
            run.policy = self.journal.search_first(run.id, run.policy)?;
        }
        if run.policy.mode == Mode::Create {
            self.journal.verify_known()?;
        }
        Ok(())
    }

    /// What a channel's known contacts do not agree with: its URL, or the match fields of a run.
    pub(super) fn mismatches(
        &self,
        channel: &ReadOnlyChannel<'_>,
        matches: (&[String], Policy),
        overrides: Overrides,
    ) -> Result<Vec<GuardError>, GuardError> {
        let journal = JournalOf { journal: &self.journal, path: self.path.as_deref().unwrap_or(Path::new("")) };
        journal.mismatches(&channel.name, Some(channel.url()), matches, overrides)
    }

    /// Makes sure that a channel's known contacts are on its platform.
    pub(super) fn compare_url(&self, channel: &ReadOnlyChannel<'_>, overrides: Overrides) -> Result<(), GuardError> {
        let journal = JournalOf { journal: &self.journal, path: self.path.as_deref().unwrap_or(Path::new("")) };
        journal.other_url(&channel.name, channel.url(), overrides)?.map_or(Ok(()), Err)
    }
}

/// A journal, and its path for errors.
#[derive(Clone, Copy)]
pub(super) struct JournalOf<'a> {
    pub journal: &'a Journal,
    /// Empty for a journal in memory.
    pub path: &'a Path,
}

impl JournalOf<'_> {
    /// What the known contacts of a channel do not agree with: the `url` that its calls would go to, or the match fields of a
    /// run.
    pub fn mismatches(
        self,
        channel: &str,
        url: Option<&BaseUrl>,
        (matches, policy): (&[String], Policy),
        overrides: Overrides,
    ) -> Result<Vec<GuardError>, GuardError> {
        let mut found = Vec::new();
        if let Some(url) = url {
            found.extend(self.other_url(channel, url, overrides)?);
        }
        found.extend(self.other_match_fields(channel, matches, policy)?);
        Ok(found)
    }

    // That the known contacts are on another platform. One that has moved is written down when the run begins to send.
    fn other_url(self, channel: &str, url: &BaseUrl, overrides: Overrides) -> Result<Option<GuardError>, GuardError> {
        let known = self.journal.channel_url(channel)?.filter(|known| known != url.as_str() && !overrides.moved);
        Ok(known.map(|known| GuardError::OtherUrl {
            channel: channel.to_owned(),
            journal: self.path.to_owned(),
            known,
            found: url.to_string(),
        }))
    }

    // A run that creates without a search would make contacts again that are known by other match fields than its own.
    fn other_match_fields(
        self,
        channel: &str,
        matches: &[String],
        policy: Policy,
    ) -> Result<Option<GuardError>, GuardError> {
        if policy.mode != Mode::Create {
            return Ok(None);
        }
        let Some(key) = self.journal.known_by_others(channel, matches)? else { return Ok(None) };
        // A damaged key is reported as damage. The plan of a run makes sure of the others before it sends anything.
        self.journal.verify_known()?;
        let known = match key {
            Key::Match { field, .. } => vec![field.to_string()],
            Key::Id(_) | Key::Row { .. } => Vec::new(),
        };
        Ok(Some(GuardError::OtherMatchFields {
            channel: channel.to_owned(),
            journal: self.path.to_owned(),
            known,
            found: matches.to_vec(),
        }))
    }
}

impl ReadOnlyChannel<'_> {
    /// The channel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL that its calls go to.
    pub fn url(&self) -> &BaseUrl {
        self.connection.url()
    }

    /// Its kind.
    pub fn kind(&self) -> ChannelKind {
        self.connection.kind()
    }
}

impl<'w> LockedChannel<'w> {
    /// The channel's name.
    pub fn name(&self) -> &str {
        self.held.name()
    }

    /// The URL that its calls go to.
    pub fn url(&self) -> &BaseUrl {
        self.held.url()
    }

    pub(super) const fn held(&self) -> &ReadOnlyChannel<'w> {
        &self.held
    }

    /// For the replacement of its token.
    pub(super) const fn held_mut(&mut self) -> &mut ReadOnlyChannel<'w> {
        &mut self.held
    }
}
