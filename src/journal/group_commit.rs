//! The thread that owns the journal's connection. It puts all waiting requests into one transaction and answers them after its
//! commit.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};
use std::{io, iter, thread};

use tokio::sync::oneshot;

use super::JournalError;
use super::store::Store;

/// Maximum number of durable requests in one commit. More would only delay the first of them.
const GROUP: usize = 512;

/// How long a group waits at most for further requests when many come: each commit writes the same pages again, whether one
/// request changed them or fifty.
const GROUP_WAIT: Duration = Duration::from_millis(5);

/// How long a group waits for the next request. By then, most calls in flight wait for this group.
const NEXT_WAIT: Duration = Duration::from_micros(500);

/// Number of requests in a group from which on the next group waits. A run at the platform's limit never has as many.
const MANY: usize = 8;

#[derive(Clone, Debug)]
pub(super) enum StoreOwner {
    /// A dedicated thread with group commit.
    Thread(Arc<OwnerThread>),
    /// The caller's thread, with one commit per request, for a journal that is not shared.
    Caller(Arc<Mutex<Store>>),
}

/// The thread that owns the connection. Dropping the last handle waits for it, because closing merges the log into the
/// journal's file.
#[derive(Debug)]
pub(super) struct OwnerThread {
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
pub(super) enum Durability {
    /// When it is answered.
    AtOnce,
    /// At the next durable commit. A power failure before that loses it.
    WithTheNext,
}

struct Reply {
    failure: Option<JournalError>,
    // Takes the result of the group's commit.
    announce: Box<dyn FnOnce(Result<(), JournalError>) + Send>,
}

impl StoreOwner {
    /// A separate thread, which commits many requests together.
    pub(super) fn on_thread(store: Store) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel();
        let thread = thread::Builder::new().name("journal".into()).spawn(move || serve(&store, &requests))?;
        Ok(Self::Thread(Arc::new(OwnerThread { requests: Some(sender), thread: Some(thread) })))
    }

    /// The caller's thread.
    pub(super) fn on_callers_thread(store: Store) -> Self {
        Self::Caller(Arc::new(Mutex::new(store)))
    }

    /// Does some work in a transaction, and returns its result after the commit.
    pub(super) async fn ask<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        match self {
            Self::Caller(store) => alone(store, work),
            Self::Thread(owner) => {
                let answer = post(owner, Durability::AtOnce, work)?;
                answer.await.map_err(|_| JournalError::Gone)?
            }
        }
    }

    /// As [`ask`](Self::ask), for a request that only reads: it is answered before the commit of its group. What it has read may be
    /// undone when the group fails. Then the requests that wrote it fail, and with them the run.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        match self {
            Self::Caller(store) => alone(store, work),
            Self::Thread(owner) => post_read(owner, work)?.await.map_err(|_| JournalError::Gone)?,
        }
    }

    /// As [`ask`](Self::ask), outside an asynchronous runtime.
    pub(super) fn ask_blocking<T, F>(&self, durability: Durability, work: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        self.begin(durability, work)?.wait()
    }

    /// Hands on some work, whose result is waited for later, outside an asynchronous runtime.
    pub(super) fn begin<T, F>(&self, durability: Durability, work: F) -> Result<Begun<T>, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, JournalError> + Send + 'static,
    {
        Ok(match self {
            Self::Caller(store) => Begun::Done(alone(store, work)),
            Self::Thread(owner) => Begun::HandedOn(post(owner, durability, work)?),
        })
    }
}

/// Work that the journal does or has done.
#[derive(Debug)]
pub(crate) enum Begun<T> {
    Done(Result<T, JournalError>),
    HandedOn(oneshot::Receiver<Result<T, JournalError>>),
}

impl<T> Begun<T> {
    /// Waits for the result.
    ///
    /// # Errors
    /// A [`JournalError`] when the work failed.
    pub(crate) fn wait(self) -> Result<T, JournalError> {
        match self {
            Self::Done(result) => result,
            Self::HandedOn(answer) => answer.blocking_recv().map_err(|_| JournalError::Gone)?,
        }
    }
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
        let next = || {
            let wait = || requests.recv_timeout(until.saturating_duration_since(Instant::now()).min(NEXT_WAIT));
            requests.try_recv().or_else(|_| wait()).ok()
        };
        let same = |request: Request| {
            if request.durability == durability {
                return Some(request);
            }
            other = Some(request);
            None
        };
        // Requests that are not durable are large, so one is a group: their sender prepares the next one meanwhile.
        let most = if durability == Durability::AtOnce { GROUP } else { 1 };
        let group = iter::once(first).chain(iter::from_fn(next).map_while(same)).take(most);
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
