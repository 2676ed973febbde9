//! The journal: one SQLite file that holds runs, their rows, calls with their answers, and remote states.
//!
//! This is the only place with SQL. One thread owns the connection and commits requests in groups (`synchronous=FULL`): an
//! answered request is on disk.

mod by_hand;
mod error;
mod files;
mod forget;
mod group_commit;
mod lock;
mod maintenance;
mod missing;
mod planning;
mod readings;
mod rows;
mod run_report;
mod sending;
mod snapshots;
mod store;
mod story;
mod tokens;
mod undo;
mod verifications;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::by_hand::{Addressed, HandRow, OpenHand};
pub use self::error::JournalError;
pub(crate) use self::forget::Obstacle;
use self::group_commit::{Durability, StoreOwner};
pub use self::lock::{Lock, LockError};
pub use self::maintenance::Removed;
pub use self::missing::MarkItem;
pub(crate) use self::missing::{FoundMissing, MissingRules, PresentRows};
pub(crate) use self::planning::BegunRows;
pub(crate) use self::readings::{OpenReading, PullAsked, ShownContact};
pub(crate) use self::rows::FirstRows;
pub use self::rows::{
    Carried, Counts, Extent, Item, LearntLimit, ListedRow, Loss, NO_CHANNEL, NewPlan, NewRun, Plan, Planned,
    RowOutcome, Rows, RunRow, RunState,
};
pub(crate) use self::run_report::{ListBounds, RunDetails};
pub use self::run_report::{MissingContact, SlowCall};
pub use self::sending::{Ended, MarkUpdate, Recorded, SendJournal, StateUpdate};
pub(crate) use self::snapshots::{BaseSnapshot, NewSnapshot, RowTrace};
use self::store::Store;
use self::store::open_files::Noted;
pub(crate) use self::story::{NamedRow, StoredStory, StoryCall, StoryRejection, StoryRow, StoryRun};
pub(crate) use self::undo::{ChangedContact, NotRestored};
pub(crate) use self::verifications::{OpenVerification, Unread, VerifyAsked};
use crate::core::attempt::Attempt;
use crate::core::call::{CallKind, Started};
use crate::core::kept_values::KeptValues;
use crate::core::model::Key;
use crate::core::output_format::Listing;
use crate::core::task::Policy;
use crate::core::time::{ClockOffset, Timestamp};
use crate::core::window::{MARGIN, MINUTE};
use crate::core::window_id::WindowId;

/// The columns of the inputs of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EarlierColumns {
    /// Those of all inputs so far.
    pub all: BTreeSet<String>,
    /// Those of the last one.
    pub last: BTreeSet<String>,
}

/// A handle to the journal. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    owner: StoreOwner,
    backup: Option<Arc<Path>>,
    is_converted: bool,
}

impl Journal {
    /// Opens the journal at `path`. Creates it with mode 0600 if it does not exist.
    ///
    /// # Errors
    /// A [`JournalError`] when the file cannot be opened or written, is damaged, or belongs to another program or to a
    /// newer version.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_keeping(path, None)
    }

    /// As [`open`](Self::open), for a journal that keeps values like this from now on. With `None`, it keeps them as before, and a
    /// new journal as they are. When a journal begins to keep hashes, all values that it has are replaced.
    ///
    /// # Errors
    /// As [`open`](Self::open); and when values are to be replaced while another process has the journal open.
    pub fn open_keeping(path: &Path, kept: Option<KeptValues>) -> Result<Self, JournalError> {
        let store = Store::open(path, kept)?;
        let (backup, is_converted) = (store.backup().map(Arc::from), store.is_converted());
        let owner = StoreOwner::on_thread(store).map_err(|source| JournalError::open(path, source))?;
        Ok(Self { owner, backup, is_converted })
    }

    /// Creates an empty journal in memory.
    ///
    /// # Errors
    /// A [`JournalError`] when SQLite cannot create it.
    pub fn in_memory() -> Result<Self, JournalError> {
        Self::in_memory_keeping(None)
    }

    /// As [`in_memory`](Self::in_memory), for a journal that keeps values like this.
    ///
    /// # Errors
    /// As [`in_memory`](Self::in_memory).
    pub fn in_memory_keeping(kept: Option<KeptValues>) -> Result<Self, JournalError> {
        Ok(Self::on_callers_thread(Store::in_memory(kept)?))
    }

    /// Opens the journal at `path` for a dry run: it reads the file's contents, and what is planned into it is not stored.
    ///
    /// # Errors
    /// As [`Journal::open`]; a missing file counts as an empty journal.
    pub fn dry(path: &Path) -> Result<Self, JournalError> {
        Ok(Self::on_callers_thread(Store::dry(path)?))
    }

    /// Opens the journal at `path` to read it. A journal of an earlier version stays as it is: an upgraded copy is read, which is
    /// deleted at the end.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, JournalError> {
        Store::open_earlier(path)?.map_or_else(|| Self::open(path), |store| Ok(Self::on_callers_thread(store)))
    }

    /// Reads the journal at `path`, and writes nothing to it: it may be that of a run that is in progress. One of an earlier
    /// version is read from an upgraded copy.
    ///
    /// # Errors
    /// As [`Journal::open`], and those of `work`.
    pub(crate) fn read<T, E: From<JournalError>>(
        path: &Path,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let journal = Self::on_callers_thread(Store::open_to_read(path)?);
        let worked = work(&journal);
        drop(journal);
        store::tidy(path);
        worked
    }

    fn on_callers_thread(store: Store) -> Self {
        Self { owner: StoreOwner::on_callers_thread(store), backup: None, is_converted: false }
    }

    /// The copy of the journal as it was before [`open`](Self::open) upgraded it from an earlier version; `None` if it was not
    /// upgraded. The copy is never removed.
    pub fn backup_of_upgrade(&self) -> Option<&Path> {
        self.backup.as_deref()
    }

    /// Whether [`open_keeping`](Self::open_keeping) replaced its values with hashes.
    pub const fn is_converted(&self) -> bool {
        self.is_converted
    }

    /// Makes the channel's calls depend on this lock: no call starts after the lock's file or a file of the journal was
    /// deleted or replaced.
    ///
    /// # Errors
    /// [`LockError::Held`] when the lock's file was deleted although another run may be using the channel.
    /// A [`LockError::Journal`] when the journal cannot be read.
    pub async fn depend_on(&self, lock: &Lock, channel: &str) -> Result<(), LockError> {
        let stands = self.ask(stands_on(lock, channel)).await;
        Self::stood(stands, channel)
    }

    /// As [`depend_on`](Self::depend_on), outside an asynchronous runtime.
    ///
    /// # Errors
    /// As for `depend_on`.
    pub(crate) fn depend_on_blocking(&self, lock: &Lock, channel: &str) -> Result<(), LockError> {
        let stands = self.ask_blocking(stands_on(lock, channel));
        Self::stood(stands, channel)
    }

    fn stood(stands: Result<bool, JournalError>, channel: &str) -> Result<(), LockError> {
        if stands.map_err(LockError::Journal)? {
            return Ok(());
        }
        let holder = "a run that is at work on this journal, whose lock file was deleted".to_owned();
        Err(LockError::Held { channel: channel.to_owned(), holder })
    }

    /// Whether the journal may have lost calls of an earlier run of the channel. `lock` is the channel's lock, and
    /// `clock_offset` identifies the boot of the machine.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn loss(
        &self,
        lock: &Lock,
        channel: &str,
        clock_offset: Option<&ClockOffset>,
    ) -> Result<Option<Loss>, JournalError> {
        let noted = match lock.calls() {
            Some(call) => Noted::Call(call),
            None if lock.file().is_new() => Noted::NewFile,
            None => Noted::Nothing,
        };
        let (channel, clock_offset) = (channel.to_owned(), clock_offset.cloned());
        self.ask_blocking(move |store| store.loss(&channel, noted, clock_offset.as_ref()))
    }

    /// Makes an interrupted run search for each contact before it creates it, in every mode.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn search_first(&self, run: i64, policy: Policy) -> Result<Policy, JournalError> {
        let policy = Policy { search_first: true, ..policy };
        self.ask_blocking(move |store| store.set_policy(run, policy))?;
        Ok(policy)
    }

    /// Checks the table of known contacts and its indexes for consistency. It reads all of them.
    ///
    /// # Errors
    /// A [`JournalError`] that reports damage when they are inconsistent.
    pub(crate) fn verify_known(&self) -> Result<(), JournalError> {
        self.ask_blocking(Store::verify_known)
    }

    /// The URL to which the channel's known contacts belong; `None` when it has none.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn channel_url(&self, channel: &str) -> Result<Option<String>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.channel_url(&channel))
    }

    /// The end times of the calls that still count at `now` in the window of a channel's last run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn ended_lately(&self, channel: &str, now: Timestamp) -> Result<Vec<Timestamp>, JournalError> {
        let (channel, since) = (channel.to_owned(), now.before(MINUTE + MARGIN));
        self.ask_blocking(move |store| store.ended_lately(&channel, since))
    }

    /// The mean duration of the latest calls in the window of a channel's last run; see [`SendJournal::mean_latency`].
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn mean_latency_of(&self, channel: &str) -> Result<Option<Duration>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.mean_latency_of(&channel))
    }

    /// The rate limit that the platform stated for the window of a channel's last run, if it is still valid at `now`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn learnt_limit_of(&self, channel: &str, now: Timestamp) -> Result<Option<LearntLimit>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.learnt_limit_of(&channel, now))
    }

    /// Forgets the rate limit that the platform stated for a window, and the waits that it asked for. The next answer that
    /// states them sets them again.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn forget_limit(&self, window: &WindowId) -> Result<(), JournalError> {
        let window = window.clone();
        self.ask_blocking(move |store| {
            store.forget_waits(&window)?;
            store.set_learnt_limit(&window, None, Timestamp::default())
        })
    }

    /// The columns of the inputs of a source. Empty before the first run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn columns_of(&self, source: &str) -> Result<EarlierColumns, JournalError> {
        let source = source.to_owned();
        self.ask_blocking(move |store| store.columns_of(&source))
    }

    /// Sets the columns that the last input of a source had.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn set_columns(&self, source: &str, names: BTreeSet<String>) -> Result<(), JournalError> {
        let source = source.to_owned();
        self.ask_blocking(move |store| store.set_columns(&source, &names))
    }

    /// A key of the channel's known contacts that belongs to none of these match fields, if there is one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn known_by_others(&self, channel: &str, matches: &[String]) -> Result<Option<Key>, JournalError> {
        let (channel, matches) = (channel.to_owned(), matches.to_owned());
        self.ask_blocking(move |store| store.known_by_others(&channel, &matches))
    }

    /// Moves a channel with its known contacts to another URL.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn move_channel(&self, channel: &str, url: &str) -> Result<(), JournalError> {
        let (channel, url) = (channel.to_owned(), url.to_owned());
        self.ask_blocking(move |store| store.move_channel(&channel, &url))
    }

    /// The salt of this journal. Window names are digests of the salt and the token.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn salt(&self) -> Result<Vec<u8>, JournalError> {
        self.ask_blocking(Store::salt)
    }

    /// The files that list the rows of an input, if there are any, and whether they are complete.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn listing(&self, sync: i64) -> Result<Option<(Listing, bool)>, JournalError> {
        self.ask_blocking(move |store| store.listing(sync))
    }

    /// Replaces the files that list the rows of an input.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn set_listing(&self, sync: i64, listing: Listing) -> Result<(), JournalError> {
        self.ask_blocking(move |store| store.set_listing(sync, &listing))
    }

    /// Records whether the files that list the rows of an input are complete.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn set_listed(&self, sync: i64, written: bool) -> Result<(), JournalError> {
        self.ask_blocking(move |store| store.set_listed(sync, written))
    }

    /// Whether calls were made for an input.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn has_calls(&self, sync: i64) -> Result<bool, JournalError> {
        self.ask_blocking(move |store| store.has_calls_of(sync))
    }

    /// Number of runs that were planned from an input.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn channels_of(&self, sync: i64) -> Result<u64, JournalError> {
        self.ask_blocking(move |store| store.channels_of(sync))
    }

    /// Number of rows of an input that are not stored: they needed nothing, and were not to be listed.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn rows_not_stored(&self, sync: i64) -> Result<u64, JournalError> {
        self.ask_blocking(move |store| store.rows_not_stored(sync))
    }

    /// Passes the rows of an input with `state` to `each`, in the input's order, until `each` breaks. Returns `state`. Other
    /// requests to the journal wait meanwhile.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn each_row<S, F>(&self, sync: i64, rows: Rows, mut state: S, each: F) -> Result<S, JournalError>
    where
        S: Send + 'static,
        F: Fn(&mut S, &ListedRow) -> ControlFlow<()> + Send + 'static,
    {
        self.ask_blocking(move |store| {
            store.each_row(sync, rows, |row| each(&mut state, row))?;
            Ok(state)
        })
    }

    /// The runs that were planned from an input, except those of channels that have a newer run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn current_runs(&self, sync: i64) -> Result<Vec<RunRow>, JournalError> {
        self.ask_blocking(move |store| store.current_runs(sync))
    }

    /// The newest run of a channel that can be resumed.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn resumable(&self, channel: &str) -> Result<Option<RunRow>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.resumable(&channel))
    }

    /// The newest run of a channel.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn newest(&self, channel: &str) -> Result<Option<RunRow>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.newest(&channel))
    }

    /// The runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn runs(&self, limit: u32) -> Result<Vec<RunRow>, JournalError> {
        self.ask_blocking(move |store| store.runs(limit))
    }

    /// As [`SendJournal::counts`], on a thread that may block.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn counts_blocking(&self, run: i64) -> Result<Counts, JournalError> {
        self.ask_blocking(move |store| store.counts(run))
    }

    /// Begins a probe, before the window is read back: closes the calls that a killed process left open and adjusts the
    /// times of late calls, as [`SendJournal::begin_sending`] does.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub async fn begin_probe(
        &self,
        channel: &str,
        window: &WindowId,
        call_timeout: Duration,
        now: Timestamp,
        clock_offset: Option<&ClockOffset>,
    ) -> Result<(), JournalError> {
        let (channel, window, clock_offset) = (channel.to_owned(), window.clone(), clock_offset.cloned());
        self.ask(move |store| {
            if let Some(clock_offset) = &clock_offset {
                store.follow_clock(&channel, &window, clock_offset, now)?;
            }
            store.close_open(&channel, &window, call_timeout, now)
        })
        .await
    }

    /// Records the intent of a call that belongs to no run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written: then the call must not be sent.
    pub async fn start_probe(
        &self,
        channel: &str,
        window: &WindowId,
        kind: CallKind,
        now: Timestamp,
    ) -> Result<Started, JournalError> {
        let (channel, window) = (channel.to_owned(), window.clone());
        let number = self.ask(move |store| store.start_probe(&channel, &window, kind, now)).await?;
        Ok(Started::committed(number))
    }

    /// Records the result of such a call.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub async fn end_probe(&self, number: i64, attempt: Attempt, at: Timestamp) -> Result<(), JournalError> {
        self.ask(move |store| store.end_probe(number, &attempt, at)).await
    }

    async fn ask<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        self.owner.ask(work).await
    }

    fn ask_blocking<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        self.owner.ask_blocking(Durability::AtOnce, work)
    }
}

// Makes the channel's calls depend on the lock.
fn stands_on(lock: &Lock, channel: &str) -> impl FnOnce(&Store) -> Result<bool, JournalError> + Send + 'static {
    // The lock of a window may be new because the token is new.
    let is_new = lock.is_of(channel) && lock.file().is_new();
    let (file, name) = (Arc::clone(lock.file()), channel.to_owned());
    move |store| store.depend_on(&file, is_new, &name)
}
