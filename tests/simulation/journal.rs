//! A journal in memory whose writes can be gates at which the process is killed, and into which a bug can be planted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::time::Duration;

use contactsync::contact::ContactId;
use contactsync::engine::{
    Attempt, Call, Carried, ClockOffset, Ended, FieldVerdict, FirstWrite, Forecast, Item, MarkItem, Recorded,
    SendJournal, Started, StateUpdate, WindowId,
};
use contactsync::history::{Counts, JournalError, LearntLimit, RunState};
use contactsync::report::CallKind;
use contactsync::{Field, Journal, Policy, Timestamp};
use tokio::sync::Notify;

use crate::scenario::Bug;

type Result<T> = std::result::Result<T, JournalError>;

/// A create with its run and time.
type Late = (i64, Call, StateUpdate, Timestamp);

pub struct Gated<'a> {
    pub inner: &'a Journal,
    /// The journal that a bug writes to instead of the real one.
    pub elsewhere: &'a Journal,
    pub bug: Option<Bug>,
    /// The number of gates until the process is killed; `None`: it is not killed.
    pub gates: Cell<Option<u32>>,
    pub killed: Notify,
    /// The fields of creates whose answer is not committed or was lost. Only their rows may be in doubt.
    pub doubtful: &'a RefCell<BTreeSet<String>>,
    // The fields of the creates of this process, by the number of the call.
    carried: RefCell<HashMap<i64, Vec<String>>>,
    // Creates that the real journal does not know yet, by channel and key.
    late: RefCell<HashMap<(String, String), Late>>,
}

impl<'a> Gated<'a> {
    pub fn new(
        inner: &'a Journal,
        elsewhere: &'a Journal,
        doubtful: &'a RefCell<BTreeSet<String>>,
        bug: Option<Bug>,
        gates: Option<u32>,
    ) -> Self {
        Self {
            inner,
            elsewhere,
            bug,
            gates: Cell::new(gates),
            killed: Notify::new(),
            doubtful,
            carried: RefCell::default(),
            late: RefCell::default(),
        }
    }

    // A create whose committed answer shows its effect leaves no doubt.
    fn settle(&self, ended: &Ended) {
        let is_lost =
            matches!(ended.attempt, Attempt::Lost { .. } | Attempt::Queued { .. } | Attempt::WrongPath { .. });
        for value in self.carried.borrow_mut().remove(&ended.number).into_iter().flatten().filter(|_| !is_lost) {
            self.doubtful.borrow_mut().remove(&value);
        }
    }

    /// Passes one gate. At the last one the process is killed: the future never completes.
    async fn gate(&self) {
        match self.gates.get() {
            None => {}
            Some(0) => {
                self.killed.notify_one();
                pending::<()>().await;
            }
            Some(left) => self.gates.set(Some(left - 1)),
        }
    }
}

impl SendJournal for Gated<'_> {
    async fn begin_sending(
        &self,
        run: i64,
        channel: &str,
        window: &WindowId,
        call_timeout: Duration,
        now: Timestamp,
        clock_offset: Option<&ClockOffset>,
    ) -> Result<()> {
        let clock_offset = clock_offset.filter(|_| self.bug != Some(Bug::ClockNotFollowed));
        self.gate().await;
        self.inner.begin_sending(run, channel, window, call_timeout, now, clock_offset).await?;
        self.gate().await;
        Ok(())
    }

    async fn ended_since(&self, window: &WindowId, since: Timestamp) -> Result<Vec<Timestamp>> {
        match self.bug {
            Some(Bug::NoReadBack) => Ok(Vec::new()),
            _ => self.inner.ended_since(window, since).await,
        }
    }

    async fn waits_since(&self, window: &WindowId, since: Timestamp) -> Result<Vec<(Timestamp, Duration)>> {
        self.inner.waits_since(window, since).await
    }

    async fn learnt_limit(&self, window: &WindowId) -> Result<Option<LearntLimit>> {
        self.inner.learnt_limit(window).await
    }

    async fn set_learnt_limit(&self, window: &WindowId, limit: Option<u32>, at: Timestamp) -> Result<()> {
        self.gate().await;
        self.inner.set_learnt_limit(window, limit, at).await
    }

    async fn marks(&self, run: i64, after: i64, limit: u32) -> Result<Vec<MarkItem>> {
        self.inner.marks(run, after, limit).await
    }

    async fn left(&self, run: i64) -> Result<Vec<u64>> {
        self.inner.left(run).await
    }

    async fn leave(&self, channel: &str, key: String, at: Timestamp) -> Result<()> {
        self.gate().await;
        self.inner.leave(channel, key, at).await
    }

    async fn turn(&self, run: i64, channel: &str) -> Result<u64> {
        self.inner.turn(run, channel).await
    }

    async fn set_turn(&self, channel: &str, next: Option<(String, u64)>) -> Result<()> {
        self.gate().await;
        self.inner.set_turn(channel, next).await
    }

    async fn mean_latency(&self, window: &WindowId) -> Result<Option<Duration>> {
        self.inner.mean_latency(window).await
    }

    async fn in_doubt(&self, run: i64, channel: &str) -> Result<Vec<Carried>> {
        self.inner.in_doubt(run, channel).await
    }

    async fn pending(&self, run: i64, row: u64, limit: u32) -> Result<Vec<Item>> {
        self.inner.pending(run, row, limit).await
    }

    async fn counts(&self, run: i64) -> Result<Counts> {
        self.inner.counts(run).await
    }

    async fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast> {
        self.inner.forecast(run, channel, policy).await
    }

    async fn start(&self, run: i64, call: &Call, state_update: StateUpdate, now: Timestamp) -> Result<Started> {
        self.gate().await;
        let carried: Vec<String> = match call {
            Call::Create { fields } => fields.iter().map(|field| field.value.text().into_owned()).collect(),
            Call::Find { .. }
            | Call::Read { .. }
            | Call::Update { .. }
            | Call::AddTags { .. }
            | Call::RemoveTags { .. } => Vec::new(),
        };
        self.doubtful.borrow_mut().extend(carried.iter().cloned());
        let started = if self.bug == Some(Bug::IntentNotCommitted) && call.kind() == CallKind::Create {
            let contact_of = (state_update.channel.clone(), state_update.contact.key().to_string());
            self.late.borrow_mut().insert(contact_of, (run, call.clone(), state_update.clone(), now));
            self.elsewhere.start(run, call, state_update, now).await?
        } else {
            self.inner.start(run, call, state_update, now).await?
        };
        self.carried.borrow_mut().insert(started.number(), carried);
        self.gate().await;
        Ok(started)
    }

    async fn answered(&self, mut ended: Ended, mut state_update: StateUpdate) -> Result<Recorded> {
        self.gate().await;
        if self.bug == Some(Bug::ClaimedIdBelieved) {
            state_update.names_id = None;
        }
        // The remote state after a lost create and the searches for it. A process that finds no time uses its own start.
        let shows_nothing = match &ended.attempt {
            Attempt::Lost { .. } => true,
            Attempt::Page(page) => page.contacts.is_empty(),
            _ => false,
        };
        let is_in_doubt = |field: &Field| self.doubtful.borrow().contains(&*field.value.text());
        let is_of_doubt = shows_nothing && state_update.contact.matches().iter().any(is_in_doubt);
        if self.bug == Some(Bug::SearchesBegunAnew) && is_of_doubt {
            state_update.remote_state = None;
        }
        let contact_of = (state_update.channel.clone(), state_update.contact.key().to_string());
        let late = self.late.borrow_mut().remove(&contact_of);
        if let Some((run, call, sent, at)) = late {
            ended.number = self.inner.start(run, &call, sent, at).await?.number();
        }
        self.settle(&ended);
        let recorded = if self.bug == Some(Bug::AnswerWithoutKnown) {
            let known = StateUpdate { outcome: None, ..state_update.clone() };
            state_update.remote_state = None;
            let recorded = self.inner.answered(ended, state_update).await?;
            self.gate().await;
            self.inner.concluded(known).await?;
            recorded
        } else {
            self.inner.answered(ended, state_update).await?
        };
        self.gate().await;
        Ok(recorded)
    }

    async fn holder(&self, channel: &str, id: &ContactId, key: &str) -> Result<Option<String>> {
        if self.bug == Some(Bug::ClaimedIdBelieved) {
            return Ok(None);
        }
        self.inner.holder(channel, id, key).await
    }

    async fn concluded(&self, state_update: StateUpdate) -> Result<()> {
        self.gate().await;
        self.inner.concluded(state_update).await?;
        self.gate().await;
        Ok(())
    }

    async fn start_read_back(&self, run: i64, channel: &str, now: Timestamp) -> Result<Started> {
        self.gate().await;
        let started = self.inner.start_read_back(run, channel, now).await?;
        self.gate().await;
        Ok(started)
    }

    async fn written_fields(&self, channel: &str) -> Result<BTreeSet<String>> {
        self.inner.written_fields(channel).await
    }

    async fn first_writes(&self, channel: &str) -> Result<Vec<FirstWrite>> {
        self.gate().await;
        self.inner.first_writes(channel).await
    }

    async fn read_back(&self, channel: &str, ended: Ended, verdicts: BTreeMap<String, FieldVerdict>) -> Result<()> {
        self.gate().await;
        self.inner.read_back(channel, ended, verdicts).await?;
        self.gate().await;
        Ok(())
    }

    async fn end(
        &self,
        run: i64,
        state: RunState,
        reason: Option<String>,
        worked: Duration,
        now: Timestamp,
        summary: String,
    ) -> Result<()> {
        self.gate().await;
        self.inner.end(run, state, reason, worked, now, summary).await?;
        self.gate().await;
        Ok(())
    }
}
