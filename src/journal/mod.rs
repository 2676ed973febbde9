//! The journal: one SQLite file that holds runs, their rows, calls with their answers, and remote states.
//!
//! This is the only place with SQL. One thread owns the connection. It puts all waiting requests into one transaction and
//! answers them after its commit (`synchronous=FULL`), so an answered request is on disk.

mod error;
mod files;
mod lock;
mod maintenance;
mod rows;
mod sending;
mod snapshots;
mod store;
mod tokens;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{iter, thread};

use tokio::sync::oneshot;

pub use self::error::JournalError;
pub use self::lock::{Lock, LockError};
pub use self::maintenance::Removed;
pub(crate) use self::rows::FirstRows;
pub use self::rows::{
    Carried, Counts, Extent, Item, LearntLimit, ListedRow, Loss, NO_CHANNEL, NewPlan, NewRun, Plan, Planned,
    RowOutcome, Rows, RunRow, RunState,
};
pub use self::sending::{Ended, Recorded, SendJournal, StateUpdate};
pub(crate) use self::snapshots::{BaseSnapshot, NewSnapshot, RowTrace};
use self::store::Store;
use self::store::open_files::Noted;
use crate::core::attempt::Attempt;
use crate::core::call::{CallKind, Started};
use crate::core::channel::WindowId;
use crate::core::model::Key;
use crate::core::output_format::Listing;
use crate::core::task::Policy;
use crate::core::time::{ClockOffset, Timestamp};
use crate::core::window::{MARGIN, MINUTE};

/// Maximum number of requests in one commit. More would only delay the first of them.
const GROUP: usize = 256;

/// How long a group waits for further requests when many come: each commit writes the same pages again, whether one request
/// changed them or fifty.
const GROUP_WAIT: Duration = Duration::from_millis(1);

/// Number of requests in a group from which on the next group waits. A run at the platform's limit never has as many.
const MANY: usize = 8;

/// A handle to the journal. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    owner: Owner,
    backup: Option<Arc<Path>>,
}

#[derive(Clone, Debug)]
enum Owner {
    /// A dedicated thread with group commit.
    Thread(Arc<OwnerThread>),
    /// The caller's thread, with one commit per request, for a journal that is not shared.
    Caller(Arc<Mutex<Store>>),
}

/// The thread that owns the connection. Dropping the last handle waits for it, because closing merges the log into the
/// journal's file.
#[derive(Debug)]
struct OwnerThread {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl OwnerThread {
    fn send(&self, request: Request) -> Result<(), JournalError> {
        let requests = self.requests.as_ref().ok_or(JournalError::Gone)?;
        requests.send(request).map_err(|_| JournalError::Gone)
    }
}

impl Drop for OwnerThread {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported to all waiting requests.
            let _ = thread.join();
        }
    }
}

// Runs within the group's transaction, or gets the error for which there is none.
type Work = Box<dyn FnOnce(Result<&Store, JournalError>) -> Reply + Send>;

struct Request {
    work: Work,
    durability: Durability,
}

/// When what a request wrote is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// When it is answered.
    AtOnce,
    /// With the next request that is durable at once. Until then, a power failure undoes it.
    WithTheNext,
}

struct Reply {
    failure: Option<JournalError>,
    // Takes the result of the group's commit.
    announce: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
}

impl Journal {
    /// Opens the journal at `path`. Creates it with mode 0600 if it does not exist.
    ///
    /// # Errors
    /// A [`JournalError`] when the file cannot be opened or written, is damaged, or belongs to another program or to a
    /// newer version.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let store = Store::open(path)?;
        let backup = store.backup().map(Arc::from);
        let (sender, requests) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || serve(&store, &requests))
            .map_err(|source| JournalError::open(path, source))?;
        let owner = OwnerThread { requests: Some(sender), thread: Some(thread) };
        Ok(Self { owner: Owner::Thread(Arc::new(owner)), backup })
    }

    /// Creates an empty journal in memory.
    ///
    /// # Errors
    /// A [`JournalError`] when SQLite cannot create it.
    pub fn in_memory() -> Result<Self, JournalError> {
        Ok(Self::on_callers_thread(Store::in_memory()?))
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

    fn on_callers_thread(store: Store) -> Self {
        Self { owner: Owner::Caller(Arc::new(Mutex::new(store))), backup: None }
    }

    /// The copy of the journal as it was before [`open`](Self::open) upgraded it from an earlier version; `None` if it was not
    /// upgraded. The copy is never removed.
    pub fn backup_of_upgrade(&self) -> Option<&Path> {
        self.backup.as_deref()
    }

    /// Makes the channel's calls depend on this lock: no call starts after the lock's file or a file of the journal was
    /// deleted or replaced.
    ///
    /// # Errors
    /// [`LockError::Held`] when the lock's file was deleted although another run may be using the channel.
    /// A [`LockError::Journal`] when the journal cannot be read.
    pub async fn stand_on(&self, lock: &Lock, channel: &str) -> Result<(), LockError> {
        let stands = self.ask(stands_on(lock, channel)).await;
        Self::stood(stands, channel)
    }

    /// As [`stand_on`](Self::stand_on), outside an asynchronous runtime.
    ///
    /// # Errors
    /// As for `stand_on`.
    pub(crate) fn stand_on_blocking(&self, lock: &Lock, channel: &str) -> Result<(), LockError> {
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

    /// The columns of the inputs of a source in all runs so far. Empty before the first run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn columns_of(&self, source: &str) -> Result<BTreeSet<String>, JournalError> {
        let source = source.to_owned();
        self.ask_blocking(move |store| store.columns_of(&source))
    }

    /// Adds columns to those of a source.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn add_columns(&self, source: &str, names: Vec<String>) -> Result<(), JournalError> {
        let source = source.to_owned();
        self.ask_blocking(move |store| store.add_columns(&source, &names))
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

    /// Begins the plan of the runs of one input, in this order. Unfinished plans of their channels, which earlier processes
    /// left, are dropped.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn begin_plan(&self, new: NewPlan) -> Result<Arc<Plan>, JournalError> {
        self.ask_blocking(move |store| Ok(store.begin_plan(new)?.into()))
    }

    /// Plans rows, each for the run at its index in the plan, and returns the outcome of each, with what the next snapshot has to
    /// know of it.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn plan_rows(
        &self,
        plan: &Arc<Plan>,
        rows: Vec<(usize, Planned)>,
    ) -> Result<Vec<(RowOutcome, RowTrace)>, JournalError> {
        let plan = Arc::clone(plan);
        // Nothing depends on them before the plan is finished, which is durable.
        self.ask_blocking_with(Durability::WithTheNext, move |store| store.plan_rows(&plan, rows))
    }

    /// What a plan has so far.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn extent(&self, plan: &Arc<Plan>) -> Result<Extent, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.extent(&plan))
    }

    /// The first rows of an input that are pending, by their keys, or that are rejected, by their lines and reasons.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn first_rows(&self, sync: i64, which: FirstRows, limit: u32) -> Result<Vec<String>, JournalError> {
        self.ask_blocking(move |store| store.first_rows(sync, which, limit))
    }

    /// Drops an unfinished plan. Pending rows of earlier runs stay as they were.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn drop_plan(&self, plan: &Arc<Plan>) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.drop_plan(&plan))
    }

    /// Finishes a plan: from now on each run is the current run of its channel, and the pending rows of earlier runs are
    /// replaced. A run of [`NO_CHANNEL`] is finished with that, and deleted when it has no rows. `listing` names the files
    /// that list the rows. `snapshots` are stored for the next input, each with the index of its run in the plan.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn finish_plan(
        &self,
        plan: &Arc<Plan>,
        listing: Option<Listing>,
        snapshots: Vec<(usize, NewSnapshot)>,
    ) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.finish_plan(&plan, listing.as_ref(), &snapshots))
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
        F: Fn(&mut S, ListedRow) -> ControlFlow<()> + Send + 'static,
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

    /// Records the intent of a read-only call that belongs to no run.
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
        match &self.owner {
            Owner::Caller(store) => alone(store, work),
            Owner::Thread(owner) => {
                let answer = post(owner, Durability::AtOnce, work)?;
                answer.await.map_err(|_| JournalError::Gone)?
            }
        }
    }

    // As `ask`, for a request that only reads: it is answered before the commit of its group. What it has read may be undone when
    // the group fails. Then the requests that wrote it fail, and with them the run.
    async fn read<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        match &self.owner {
            Owner::Caller(store) => alone(store, work),
            Owner::Thread(owner) => post_read(owner, work)?.await.map_err(|_| JournalError::Gone)?,
        }
    }

    fn ask_blocking<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        self.ask_blocking_with(Durability::AtOnce, work)
    }

    fn ask_blocking_with<T, F>(&self, durability: Durability, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        match &self.owner {
            Owner::Caller(store) => alone(store, work),
            Owner::Thread(owner) => post(owner, durability, work)?.blocking_recv().map_err(|_| JournalError::Gone)?,
        }
    }
}

// Makes the channel's calls depend on the lock.
fn stands_on(lock: &Lock, channel: &str) -> impl FnOnce(&Store) -> Result<bool, JournalError> + Send + 'static {
    // The lock of a window may be new because the token is new.
    let is_new = lock.is_of(channel) && lock.file().is_new();
    let (file, name) = (Arc::clone(lock.file()), channel.to_owned());
    move |store| store.stand_on(&file, is_new, &name)
}

fn alone<T>(store: &Mutex<Store>, work: impl FnOnce(&Store) -> Result<T, JournalError>) -> Result<T, JournalError> {
    // A panic within a transaction rolls it back when the next one begins, so the store is whole.
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    store.begin()?;
    let worked = work(&store).and_then(|value| store.commit().map(|()| value));
    match worked.and_then(|value| store.note_started().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => {
            store.roll_back();
            Err(error)
        }
    }
}

fn post<T, F>(
    owner: &OwnerThread,
    durability: Durability,
    work: F,
) -> Result<oneshot::Receiver<Result<T, JournalError>>, JournalError>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let work = Box::new(move |store: Result<&Store, JournalError>| {
        let result = store.and_then(work);
        Reply {
            failure: result.as_ref().err().cloned(),
            // The caller may be gone; its request is executed anyway.
            announce: Box::new(move |committed| drop(sender.send(committed.and(result)))),
        }
    });
    owner.send(Request { work, durability })?;
    Ok(answer)
}

fn post_read<T, F>(owner: &OwnerThread, work: F) -> Result<oneshot::Receiver<Result<T, JournalError>>, JournalError>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let work = Box::new(move |store: Result<&Store, JournalError>| {
        let result = store.and_then(work);
        let failure = result.as_ref().err().cloned();
        drop(sender.send(result));
        Reply { failure, announce: Box::new(drop) }
    });
    owner.send(Request { work, durability: Durability::AtOnce })?;
    Ok(answer)
}

fn serve(store: &Store, requests: &mpsc::Receiver<Request>) {
    let (mut other, mut last) = (None, 0);
    while let Some(first) = other.take().or_else(|| requests.recv().ok()) {
        let durability = first.durability;
        let until = Instant::now() + if last < MANY { Duration::ZERO } else { GROUP_WAIT };
        let next = || match requests.try_recv() {
            Ok(request) => Some(request),
            Err(_) => requests.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        };
        let same = |request: Request| {
            if request.durability == durability {
                return Some(request);
            }
            other = Some(request);
            None
        };
        let group = iter::once(first).chain(iter::from_fn(next).map_while(same)).take(GROUP);
        last = commit_together(store, durability, group);
    }
}

// Returns the number of requests.
fn commit_together(store: &Store, durability: Durability, group: impl Iterator<Item = Request>) -> usize {
    let mut fate = store.set_durable(durability == Durability::AtOnce).and_then(|()| store.begin());
    let mut replies = Vec::new();
    for request in group {
        let reply = (request.work)(fate.clone().map(|()| store));
        if let (Ok(()), Some(failure)) = (&fate, reply.failure) {
            fate = Err(failure);
        }
        replies.push(reply.announce);
    }
    // One failure undoes the whole group, because no request may report a commit that did not happen.
    let fate = fate.and_then(|()| store.commit()).and_then(|()| store.note_started());
    if fate.is_err() {
        store.roll_back();
    }
    let requests = replies.len();
    for announce in replies {
        announce(fate.clone());
    }
    requests
}
