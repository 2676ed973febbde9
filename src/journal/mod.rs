//! The journal: one SQLite file that holds what was planned, sent and answered, and what the platform is known to have.
//!
//! This is the only place with SQL. One thread owns the connection; it takes all requests that wait at a moment into
//! one transaction and answers them after its commit (`synchronous=FULL`), so whoever has an answer has it on disk.

mod error;
mod files;
mod lock;
mod rows;
mod sending;
mod store;
mod tokens;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use std::{iter, thread};

use tokio::sync::oneshot;

pub use self::error::JournalError;
pub use self::lock::{Lock, LockError};
pub use self::rows::{
    Carried, Counts, Extent, Item, LearntLimit, ListedRow, Loss, NO_CHANNEL, NewPlan, NewRun, Plan, Planned,
    RowOutcome, Rows, RunRow, RunState,
};
pub use self::sending::{Ended, Recorded, SendJournal, StateUpdate};
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

/// The most requests that share one commit. More would only make the first of them wait.
const GROUP: usize = 256;

/// A handle to the journal. Clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    owner: Owner,
}

#[derive(Clone, Debug)]
enum Owner {
    /// A thread of its own, with group commit.
    Thread(Arc<OwnerThread>),
    /// The caller's thread, one commit a request: for a journal that is not shared.
    Caller(Arc<Mutex<Store>>),
}

/// The thread that owns the connection. When the last handle goes, it is waited for: closing brings the log into the
/// journal's one file.
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
            // A panic of the thread was told to everybody who asked it something.
            let _ = thread.join();
        }
    }
}

// Runs within the group's transaction, or is told why there is none.
type Request = Box<dyn FnOnce(Result<&Store, JournalError>) -> Reply + Send>;

struct Reply {
    failure: Option<JournalError>,
    // Takes the fate of the group's commit.
    announce: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
}

impl Journal {
    /// Opens the journal at `path`, and makes it when it is not there, for its owner alone (mode 0600).
    ///
    /// # Errors
    /// A [`JournalError`] when the file cannot be opened or written, is damaged, or belongs to another program or to a
    /// newer version.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let store = Store::open(path)?;
        let (sender, requests) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("journal".into())
            .spawn(move || serve(&store, &requests))
            .map_err(|source| JournalError::open(path, source))?;
        Ok(Self { owner: Owner::Thread(Arc::new(OwnerThread { requests: Some(sender), thread: Some(thread) })) })
    }

    /// A journal that is nowhere on disk and does not know any contact.
    ///
    /// # Errors
    /// A [`JournalError`] when SQLite cannot make it.
    pub fn in_memory() -> Result<Self, JournalError> {
        Ok(Self::on_callers_thread(Store::in_memory()?))
    }

    /// A journal for a dry run: it knows what the one at `path` knows, and forgets what is planned into it.
    ///
    /// # Errors
    /// As [`Journal::open`]; a file that is not there is an empty journal.
    pub fn dry(path: &Path) -> Result<Self, JournalError> {
        Ok(Self::on_callers_thread(Store::dry(path)?))
    }

    fn on_callers_thread(store: Store) -> Self {
        Self { owner: Owner::Caller(Arc::new(Mutex::new(store))) }
    }

    /// Has the channel's calls stand on this lock: none is started any more once the lock's file, or one of the journal's, was
    /// deleted or replaced.
    ///
    /// # Errors
    /// [`LockError::Held`] when the lock's file had been deleted although another run may be at work on the channel.
    /// A [`LockError::Journal`] when the journal cannot be read.
    pub async fn stand_on(&self, lock: &Lock, channel: &str) -> Result<(), LockError> {
        let stands = self.ask(stands_on(lock, channel)).await;
        Self::stood(stands, channel)
    }

    /// As [`stand_on`](Self::stand_on), outside an asynchronous runtime.
    ///
    /// # Errors
    /// As of `stand_on`.
    pub fn stand_on_blocking(&self, lock: &Lock, channel: &str) -> Result<(), LockError> {
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

    /// Whether the journal may have lost what an earlier run of the channel sent. `lock` is the channel's, and `setting` is
    /// how the wall clock is set, which names the start of the machine.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn loss(
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

    /// Has a run that is left search for each contact before it creates it, whatever its mode.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn search_first(&self, run: i64, policy: Policy) -> Result<Policy, JournalError> {
        let policy = Policy { search_first: true, ..policy };
        self.ask_blocking(move |store| store.set_policy(run, policy))?;
        Ok(policy)
    }

    /// Makes sure that what the journal knows of contacts holds together: the table, and each index against it. It reads all
    /// of it.
    ///
    /// # Errors
    /// A [`JournalError`] that is damage when it does not.
    pub fn verify_known(&self) -> Result<(), JournalError> {
        self.ask_blocking(Store::verify_known)
    }

    /// The URL that the channel's known contacts belong to, once it has any.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn channel_url(&self, channel: &str) -> Result<Option<String>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.channel_url(&channel))
    }

    /// When the calls ended that count at `now` with those of a channel's last run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn ended_lately(&self, channel: &str, now: Timestamp) -> Result<Vec<Timestamp>, JournalError> {
        let (channel, since) = (channel.to_owned(), now.before(MINUTE + MARGIN));
        self.ask_blocking(move |store| store.ended_lately(&channel, since))
    }

    /// How long the latest calls took that count with those of a channel's last run, as [`SendJournal::mean_latency`] has
    /// it.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn mean_latency_of(&self, channel: &str) -> Result<Option<Duration>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.mean_latency_of(&channel))
    }

    /// The limit that the platform stated for the window of a channel's last run, if it still holds at `now`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn learnt_limit_of(&self, channel: &str, now: Timestamp) -> Result<Option<LearntLimit>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.learnt_limit_of(&channel, now))
    }

    /// Forgets the rate limit that the platform stated for a window, and how long it asked to wait. The next answer
    /// that states them sets them again.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn forget_limit(&self, window: &WindowId) -> Result<(), JournalError> {
        let window = window.clone();
        self.ask_blocking(move |store| {
            store.forget_waits(&window)?;
            store.set_learnt_limit(&window, None, Timestamp::default())
        })
    }

    /// The columns that the inputs of a source had in the runs so far; none before the first one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn columns_of(&self, source: &str) -> Result<BTreeSet<String>, JournalError> {
        let source = source.to_owned();
        self.ask_blocking(move |store| store.columns_of(&source))
    }

    /// Adds columns to those that the inputs of a source had.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn add_columns(&self, source: &str, names: Vec<String>) -> Result<(), JournalError> {
        let source = source.to_owned();
        self.ask_blocking(move |store| store.add_columns(&source, &names))
    }

    /// A key of the channel's known contacts that none of these match fields gives, if there is one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn known_by_others(&self, channel: &str, matches: &[String]) -> Result<Option<Key>, JournalError> {
        let (channel, matches) = (channel.to_owned(), matches.to_owned());
        self.ask_blocking(move |store| store.known_by_others(&channel, &matches))
    }

    /// Moves a channel to another URL, with all that is known of its contacts.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn move_channel(&self, channel: &str, url: &str) -> Result<(), JournalError> {
        let (channel, url) = (channel.to_owned(), url.to_owned());
        self.ask_blocking(move |store| store.move_channel(&channel, &url))
    }

    /// What the names of this journal's windows are made with, besides the tokens.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn salt(&self) -> Result<Vec<u8>, JournalError> {
        self.ask_blocking(Store::salt)
    }

    /// Begins to plan the runs of one input, in this order. Plans of their channels that an earlier process left half
    /// made are dropped.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn begin_plan(&self, new: NewPlan) -> Result<Arc<Plan>, JournalError> {
        self.ask_blocking(move |store| Ok(store.begin_plan(new)?.into()))
    }

    /// Adds rows, each to the run at its place in the plan, and says what becomes of each.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn plan_rows(&self, plan: &Arc<Plan>, rows: Vec<(usize, Planned)>) -> Result<Vec<RowOutcome>, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.plan_rows(&plan, rows))
    }

    /// How much was planned.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn extent(&self, plan: &Arc<Plan>) -> Result<Extent, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.extent(&plan))
    }

    /// Gives a plan up, before its end: what earlier runs left stays as it was.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn drop_plan(&self, plan: &Arc<Plan>) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.drop_plan(&plan))
    }

    /// Ends the planning of runs: from now on each is its channel's truth, and what earlier runs left is replaced. A run
    /// of [`NO_CHANNEL`] is finished with that, and gone when it has no rows. `listing` says which files list the rows.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn finish_plan(&self, plan: &Arc<Plan>, listing: Option<Listing>) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.finish_plan(&plan, listing.as_ref()))
    }

    /// The files that list the rows of an input, if any do, and whether they hold all that the journal holds.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn listing(&self, sync: i64) -> Result<Option<(Listing, bool)>, JournalError> {
        self.ask_blocking(move |store| store.listing(sync))
    }

    /// Has other files list the rows of an input from now on.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn set_listing(&self, sync: i64, listing: Listing) -> Result<(), JournalError> {
        self.ask_blocking(move |store| store.set_listing(sync, &listing))
    }

    /// Writes down whether the files that list the rows of an input hold all that the journal holds.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn set_listed(&self, sync: i64, written: bool) -> Result<(), JournalError> {
        self.ask_blocking(move |store| store.set_listed(sync, written))
    }

    /// How many runs were planned from an input.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn channels_of(&self, sync: i64) -> Result<u64, JournalError> {
        self.ask_blocking(move |store| store.channels_of(sync))
    }

    /// Hands the rows of an input, in its order and whichever run they belong to, to `each` until that breaks off, and
    /// gives `state` back, which it fills. Others wait for the journal meanwhile.
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

    /// The runs that were planned from an input, but for those of channels that have a newer run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn current_runs(&self, sync: i64) -> Result<Vec<RunRow>, JournalError> {
        self.ask_blocking(move |store| store.current_runs(sync))
    }

    /// The newest run of a channel that can be gone on with.
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

    /// The same, from a thread that may block.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn counts_blocking(&self, run: i64) -> Result<Counts, JournalError> {
        self.ask_blocking(move |store| store.counts(run))
    }

    /// Begins to look, before anything is read back, as [`SendJournal::begin_sending`] begins to send: calls that a killed
    /// process left open are closed, and late calls are as old as they are.
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

    /// Writes down that a call is about to be sent that belongs to no run and changes nothing.
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

    /// Writes down what became of it.
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
                let answer = post(owner, work)?;
                answer.await.map_err(|_| JournalError::Gone)?
            }
        }
    }

    fn ask_blocking<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        match &self.owner {
            Owner::Caller(store) => alone(store, work),
            Owner::Thread(owner) => post(owner, work)?.blocking_recv().map_err(|_| JournalError::Gone)?,
        }
    }
}

// Has the channel's calls stand on the lock.
fn stands_on(lock: &Lock, channel: &str) -> impl FnOnce(&Store) -> Result<bool, JournalError> + Send + 'static {
    // A window's lock may be new because the token is.
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

fn post<T, F>(owner: &OwnerThread, work: F) -> Result<oneshot::Receiver<Result<T, JournalError>>, JournalError>
where
    T: Send + 'static,
    F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let request: Request = Box::new(move |store| {
        let result = store.and_then(work);
        Reply {
            failure: result.as_ref().err().cloned(),
            // Who asked may have gone away; what it asked is done all the same.
            announce: Box::new(move |committed| drop(sender.send(committed.and(result)))),
        }
    });
    owner.send(request)?;
    Ok(answer)
}

fn serve(store: &Store, requests: &mpsc::Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let group = iter::once(first).chain(iter::from_fn(|| requests.try_recv().ok())).take(GROUP);
        commit_together(store, group);
    }
}

fn commit_together(store: &Store, group: impl Iterator<Item = Request>) {
    let mut fate = store.begin();
    let mut replies = Vec::new();
    for request in group {
        let reply = request(fate.clone().map(|()| store));
        if let (Ok(()), Some(failure)) = (&fate, reply.failure) {
            fate = Err(failure);
        }
        replies.push(reply.announce);
    }
    // One failure undoes the whole group: nobody may be told of a commit that did not happen.
    let fate = fate.and_then(|()| store.commit()).and_then(|()| store.note_started());
    if fate.is_err() {
        store.roll_back();
    }
    for announce in replies {
        announce(fate.clone());
    }
}
