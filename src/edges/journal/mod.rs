//! The journal: one SQLite file that holds what was planned, sent and answered, and what the platform is known to have.
//!
//! This is the only place with SQL. One thread owns the connection; it takes all requests that wait at a moment into
//! one transaction and answers them after its commit (`synchronous=FULL`), so whoever has an answer has it on disk.

mod error;
mod lock;
mod rows;
mod store;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use std::{iter, thread};

use tokio::sync::oneshot;

pub use self::error::JournalError;
pub use self::lock::{ChannelLock, LockError};
pub use self::rows::{Carried, Counts, Item, NewRun, Planned, RunRow, RunState, Settled};
use self::store::Store;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Started};
use crate::core::model::{Contact, Standing};
use crate::core::plan::Forecast;
use crate::core::task::{Outcome, Policy};
use crate::core::time::Timestamp;

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
    Thread(mpsc::Sender<Request>),
    /// The caller's thread, one commit a request: for a journal that is not shared.
    Caller(Arc<Mutex<Store>>),
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
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || serve(&store, &requests))
            .map_err(|source| JournalError::open(path, source))?;
        Ok(Self { owner: Owner::Thread(sender) })
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
        if path.exists() { Ok(Self::on_callers_thread(Store::dry(path)?)) } else { Self::in_memory() }
    }

    fn on_callers_thread(store: Store) -> Self {
        Self { owner: Owner::Caller(Arc::new(Mutex::new(store))) }
    }

    /// The URL that the channel's known contacts belong to, once it has any.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn channel_url(&self, channel: &str) -> Result<Option<String>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.channel_url(&channel))
    }

    /// Moves a channel to another URL, with all that is known of its contacts.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn move_channel(&self, channel: &str, url: &str) -> Result<(), JournalError> {
        let (channel, url) = (channel.to_owned(), url.to_owned());
        self.ask_blocking(move |store| store.move_channel(&channel, &url))
    }

    /// Begins to plan a run and returns its number. A plan that an earlier process left half made is dropped.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn begin_plan(&self, run: NewRun) -> Result<i64, JournalError> {
        self.ask_blocking(move |store| store.begin_plan(&run))
    }

    /// Adds rows to a run that is being planned and says what becomes of each.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn plan_rows(
        &self,
        run: i64,
        channel: &str,
        policy: Policy,
        rows: Vec<Planned>,
    ) -> Result<Vec<Settled>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.plan_rows(run, &channel, policy, &rows))
    }

    /// Ends the planning of a run: from now on it is the channel's truth, and what earlier runs left is replaced.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn finish_plan(&self, run: i64, channel: &str) -> Result<(), JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.finish_plan(run, &channel))
    }

    /// The calls that the pending contacts of a run will take, as `core::plan::forecast` says.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.forecast(run, &channel, policy)).await
    }

    /// The newest run of a channel that can be gone on with.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn resumable(&self, channel: &str) -> Result<Option<RunRow>, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| store.resumable(&channel))
    }

    /// The runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn runs(&self, limit: u32) -> Result<Vec<RunRow>, JournalError> {
        self.ask_blocking(move |store| store.runs(limit))
    }

    /// How many rows a run has in each state, and how many calls of each kind it made.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn counts(&self, run: i64) -> Result<Counts, JournalError> {
        self.ask(move |store| store.counts(run)).await
    }

    /// The same, from a thread that may block.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn counts_blocking(&self, run: i64) -> Result<Counts, JournalError> {
        self.ask_blocking(move |store| store.counts(run))
    }

    /// Begins to send a run. Calls that a killed process left open are closed: they are lost, and ended when the call
    /// time-out ended them at the latest.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub async fn begin_sending(
        &self,
        run: i64,
        channel: &str,
        call_timeout: Duration,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.begin_sending(run, &channel, call_timeout, now)).await
    }

    /// When the calls of a channel ended that ended after `since`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn ended_since(&self, channel: &str, since: Timestamp) -> Result<Vec<Timestamp>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.ended_since(&channel, since)).await
    }

    /// The channel's contacts whose create is not settled, with the item of `run` that wants them, if one does.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn unsettled(&self, run: i64, channel: &str) -> Result<Vec<Carried>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.unsettled(run, &channel)).await
    }

    /// The pending items of a run that come after `row`, in the file's order, at most `limit`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub async fn pending(&self, run: i64, channel: &str, row: u64, limit: u32) -> Result<Vec<Item>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.pending(run, &channel, row, limit)).await
    }

    /// Writes down that a call is about to be sent. A create makes its contact unsettled in the same commit.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written: then the call must not be sent.
    pub async fn start(
        &self,
        run: i64,
        channel: &str,
        contact: &Contact,
        call: &Call,
        now: Timestamp,
    ) -> Result<Started, JournalError> {
        let channel = channel.to_owned();
        let kind = call.kind();
        let key = contact.key().to_string();
        let unsettled = (kind == CallKind::Create).then(|| contact.clone());
        let number = self.ask(move |store| store.start(run, &channel, &key, kind, unsettled.as_ref(), now)).await?;
        Ok(Started::committed(number))
    }

    /// Writes down what became of a call, together with what that implies: what is known of the contact, and how its
    /// row ended, if it did.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub async fn answered(&self, ended: Ended, settled: Implied) -> Result<(), JournalError> {
        self.ask(move |store| store.answered(&ended, &settled)).await
    }

    /// Writes down how a row ended that took no call.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub async fn concluded(&self, implied: Implied) -> Result<(), JournalError> {
        self.ask(move |store| store.imply(&implied)).await
    }

    /// Ends a run for now: how, why, and after how much more work.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub async fn end(
        &self,
        run: i64,
        state: RunState,
        reason: Option<String>,
        worked: Duration,
        now: Timestamp,
        summary: String,
    ) -> Result<(), JournalError> {
        self.ask(move |store| store.end(run, state, reason.as_deref(), worked, now, &summary)).await
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

/// A call that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The call's number, from [`Started::number`].
    pub number: i64,
    /// What it came to.
    pub attempt: Attempt,
    /// When.
    pub at: Timestamp,
}

/// What an attempt implies for the journal.
#[derive(Clone, Debug)]
pub struct Implied {
    /// The contact's channel.
    pub channel: String,
    /// The contact as the file wants it.
    pub contact: Contact,
    /// What is known of it now; `None` leaves that as it was.
    pub standing: Option<Standing>,
    /// The row that ended, and how; `None` as long as it is pending.
    pub outcome: Option<(i64, u64, Outcome)>,
}

fn alone<T>(store: &Mutex<Store>, work: impl FnOnce(&Store) -> Result<T, JournalError>) -> Result<T, JournalError> {
    // A panic within a transaction rolls it back when the next one begins, so the store is whole.
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    store.begin()?;
    match work(&store).and_then(|value| store.commit().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => {
            store.roll_back();
            Err(error)
        }
    }
}

fn post<T, F>(
    owner: &mpsc::Sender<Request>,
    work: F,
) -> Result<oneshot::Receiver<Result<T, JournalError>>, JournalError>
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
    owner.send(request).map_err(|_| JournalError::Gone)?;
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
    let fate = fate.and_then(|()| store.commit());
    if fate.is_err() {
        store.roll_back();
    }
    for announce in replies {
        announce(fate.clone());
    }
}
