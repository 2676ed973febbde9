//! The interface of a journal for sending, independent of where the journal is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use super::rows::{Carried, Counts, Item, LearntLimit, RunState};
use super::store::Store;
use super::{Journal, JournalError, MarkItem};
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Started};
use crate::core::first_writes::{FieldVerdict, FirstWrite};
use crate::core::forecast::Forecast;
use crate::core::model::{Contact, ContactId, RemoteState};
use crate::core::task::{Outcome, Policy};
use crate::core::text::Text;
use crate::core::time::{ClockOffset, Timestamp};
use crate::core::window_id::WindowId;

/// The journal as the sending loop sees it. Every write is durable when its future is ready.
///
/// [`Journal`] implements it. The simulation wraps a journal in memory, to end the process between any two writes.
pub trait SendJournal {
    /// Begins to send a run, whose calls count in `window`.
    ///
    /// Calls of the channel and of the window that a killed process left open are closed as lost; each ended at its time-out
    /// at the latest. When `clock_offset` shows that the wall clock was set ahead since the channel's last run began, the
    /// times of its late calls are set ahead as well, so that their age stays right; likewise for each other channel whose
    /// last run counted in the same window.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn begin_sending(
        &self,
        run: i64,
        channel: &str,
        window: &WindowId,
        call_timeout: Duration,
        now: Timestamp,
        clock_offset: Option<&ClockOffset>,
    ) -> impl Future<Output = Result<(), JournalError>>;

    /// The end times of the calls of a window that ended after `since`. A call without an answer ends when it can no longer
    /// be in flight.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn ended_since(
        &self,
        window: &WindowId,
        since: Timestamp,
    ) -> impl Future<Output = Result<Vec<Timestamp>, JournalError>>;

    /// The waits that answers to calls of a window asked for after `since`: the time of each answer, and how long no call
    /// may start after it. A 429 asks for a wait, and a 503 may.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn waits_since(
        &self,
        window: &WindowId,
        since: Timestamp,
    ) -> impl Future<Output = Result<Vec<(Timestamp, Duration)>, JournalError>>;

    /// The rate limit that the platform stated for a window, when it was lower than the configured one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn learnt_limit(&self, window: &WindowId) -> impl Future<Output = Result<Option<LearntLimit>, JournalError>>;

    /// Records the limit that the platform stated for a window at `at`; `None` when it is not lower than the configured
    /// one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn set_learnt_limit(
        &self,
        window: &WindowId,
        limit: Option<u32>,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>>;

    /// The mean duration of the latest calls of a window; `None` without calls. Calls that were lost or never sent are left
    /// out, and so are answers with 429, which are immediate.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn mean_latency(&self, window: &WindowId) -> impl Future<Output = Result<Option<Duration>, JournalError>>;

    /// The channel's contacts in doubt, each with the pending item of `run`, if there is one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn in_doubt(&self, run: i64, channel: &str) -> impl Future<Output = Result<Vec<Carried>, JournalError>>;

    /// The pending items of a run after `row`, in the input's order, at most `limit`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn pending(&self, run: i64, row: u64, limit: u32) -> impl Future<Output = Result<Vec<Item>, JournalError>>;

    /// The missing contacts that a run has still to mark, with a number above `after`, in the order of their numbers, at most
    /// `limit`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn marks(&self, run: i64, after: i64, limit: u32) -> impl Future<Output = Result<Vec<MarkItem>, JournalError>>;

    /// The pending rows of a run whose contacts were tried before and left for the next run, least recently tried
    /// first.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn left(&self, run: i64) -> impl Future<Output = Result<Vec<u64>, JournalError>>;

    /// Records that a contact was tried at `at` and left for the next run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn leave(&self, channel: &str, key: String, at: Timestamp) -> impl Future<Output = Result<(), JournalError>>;

    /// The row with which the channel's next run begins, because the last run did not reach it; 0 for the first.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn turn(&self, run: i64, channel: &str) -> impl Future<Output = Result<u64, JournalError>>;

    /// Records with which row the channel's next run begins: the contact's key and its place in this run's input.
    /// `None` is the first row.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn set_turn(&self, channel: &str, next: Option<(String, u64)>) -> impl Future<Output = Result<(), JournalError>>;

    /// Number of rows of a run in each state, and of its calls of each kind.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn counts(&self, run: i64) -> impl Future<Output = Result<Counts, JournalError>>;

    /// The calls that the pending contacts of a run take, by `core::forecast::forecast`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn forecast(&self, run: i64, channel: &str, policy: Policy)
    -> impl Future<Output = Result<Forecast, JournalError>>;

    /// Records the intent of a call, together with the remote state that it implies: from then on, the call may have had its
    /// effect.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written: then the call must not be sent.
    fn start(
        &self,
        run: i64,
        call: &Call,
        state_update: StateUpdate,
        now: Timestamp,
    ) -> impl Future<Output = Result<Started, JournalError>>;

    /// Records the result of a call, together with what it implies: the remote state, and the outcome of the row, if it
    /// ended. Nothing is written when the answer names a contact id of another key ([`Recorded::Claimed`]).
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn answered(&self, ended: Ended, update: StateUpdate) -> impl Future<Output = Result<Recorded, JournalError>>;

    /// Another key of the channel than `key` that has this contact id, if there is one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn holder(
        &self,
        channel: &str,
        id: &ContactId,
        key: &str,
    ) -> impl Future<Output = Result<Option<String>, JournalError>>;

    /// Records the outcome of a row that took no call.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn concluded(&self, state_update: StateUpdate) -> impl Future<Output = Result<(), JournalError>>;

    /// Records the intent of a read of a run that belongs to no row.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written: then the call must not be sent.
    fn start_read_back(
        &self,
        run: i64,
        channel: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<Started, JournalError>>;

    /// The fields that were written to a channel.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    fn written_fields(&self, channel: &str) -> impl Future<Output = Result<BTreeSet<String>, JournalError>>;

    /// The fields that were written to a channel for the first time and were not read back yet.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    fn first_writes(&self, channel: &str) -> impl Future<Output = Result<Vec<FirstWrite>, JournalError>>;

    /// Records the result of a read, and what it shows of fields that were written for the first time.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn read_back(
        &self,
        channel: &str,
        ended: Ended,
        verdicts: BTreeMap<String, FieldVerdict>,
    ) -> impl Future<Output = Result<(), JournalError>>;

    /// Records the end of a run for now: its state, the reason, and the time that it ran.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    fn end(
        &self,
        run: i64,
        state: RunState,
        reason: Option<String>,
        worked: Duration,
        now: Timestamp,
        summary: String,
    ) -> impl Future<Output = Result<(), JournalError>>;
}

/// Whether an answer was written to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Recorded {
    /// It was written.
    Written,
    /// It was not written, because the contact id that it names belongs to another key of the channel. The caller decides
    /// again what the answer means. When it answered a create, the fields of the other key count as unknown from then on.
    Claimed {
        /// The other key's text.
        by: String,
    },
}

/// A call that ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The call's number, from [`Started::number`].
    pub number: i64,
    /// Its result.
    pub attempt: Attempt,
    /// When it ended.
    pub at: Timestamp,
}

/// The changes to the journal that an attempt implies.
#[derive(Clone, Debug)]
pub struct StateUpdate {
    /// The contact's channel.
    pub channel: String,
    /// The contact as the input has it.
    pub contact: Contact,
    /// The new remote state; `None` leaves it as it was.
    pub remote_state: Option<RemoteState>,
    /// The kind of the call that named the contact's id, when the id is new. No other key of the channel may have it.
    pub names_id: Option<CallKind>,
    /// The row that ended, with its outcome; `None` while it is pending.
    pub outcome: Option<(i64, u64, Outcome)>,
    /// The fields that were written to the channel for the first time.
    pub first_written: Vec<Text>,
    /// How far the mark of a missing contact is; `None` for other contacts.
    pub mark: Option<MarkUpdate>,
    /// When this was found.
    pub at: Timestamp,
}

/// How far the mark of a missing contact is, in the run that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkUpdate {
    /// Its call begins: from now on, the contact may have it.
    Begun {
        /// The run.
        run: i64,
    },
    /// It is done: the contact was updated, was unchanged because it had the mark or is gone, or the mark was refused.
    Ended {
        /// The run.
        run: i64,
        /// How it ended.
        outcome: Outcome,
    },
}

impl SendJournal for Journal {
    async fn begin_sending(
        &self,
        run: i64,
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
            store.begin_sending(run, &channel, &window, call_timeout, now)
        })
        .await
    }

    async fn ended_since(&self, window: &WindowId, since: Timestamp) -> Result<Vec<Timestamp>, JournalError> {
        let window = window.clone();
        self.ask(move |store| store.ended_since(&window, since)).await
    }

    async fn waits_since(
        &self,
        window: &WindowId,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, Duration)>, JournalError> {
        let window = window.clone();
        self.ask(move |store| store.waits_since(&window, since)).await
    }

    async fn learnt_limit(&self, window: &WindowId) -> Result<Option<LearntLimit>, JournalError> {
        let window = window.clone();
        self.ask(move |store| store.learnt_limit(&window)).await
    }

    async fn set_learnt_limit(&self, window: &WindowId, limit: Option<u32>, at: Timestamp) -> Result<(), JournalError> {
        let window = window.clone();
        self.ask(move |store| store.set_learnt_limit(&window, limit, at)).await
    }

    async fn mean_latency(&self, window: &WindowId) -> Result<Option<Duration>, JournalError> {
        let window = window.clone();
        self.ask(move |store| store.mean_latency(&window)).await
    }

    async fn in_doubt(&self, run: i64, channel: &str) -> Result<Vec<Carried>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.in_doubt(run, &channel)).await
    }

    async fn pending(&self, run: i64, row: u64, limit: u32) -> Result<Vec<Item>, JournalError> {
        self.owner.read(move |store| store.pending(run, row, limit)).await
    }

    async fn marks(&self, run: i64, after: i64, limit: u32) -> Result<Vec<MarkItem>, JournalError> {
        self.owner.read(move |store| store.marks(run, after, limit)).await
    }

    async fn left(&self, run: i64) -> Result<Vec<u64>, JournalError> {
        self.ask(move |store| store.left(run)).await
    }

    async fn leave(&self, channel: &str, key: String, at: Timestamp) -> Result<(), JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.leave(&channel, &key, at)).await
    }

    async fn turn(&self, run: i64, channel: &str) -> Result<u64, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.turn(run, &channel)).await
    }

    async fn set_turn(&self, channel: &str, next: Option<(String, u64)>) -> Result<(), JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.set_turn(&channel, next.as_ref().map(|(key, row)| (key.as_str(), *row)))).await
    }

    async fn counts(&self, run: i64) -> Result<Counts, JournalError> {
        self.ask(move |store| store.counts(run)).await
    }

    async fn forecast(&self, run: i64, channel: &str, policy: Policy) -> Result<Forecast, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.forecast(run, &channel, policy)).await
    }

    async fn start(
        &self,
        run: i64,
        call: &Call,
        state_update: StateUpdate,
        now: Timestamp,
    ) -> Result<Started, JournalError> {
        let (kind, asked) = (call.kind(), call.asked());
        let write = match call {
            Call::Update { .. } | Call::AddTags { .. } | Call::RemoveTags { .. } => Some(call.clone()),
            Call::Find { .. } | Call::Read { .. } | Call::Create { .. } => None,
        };
        let started = move |store: &Store| store.start(run, (kind, write.as_ref()), asked.as_ref(), &state_update, now);
        let number = self.ask(started).await?;
        Ok(Started::committed(number))
    }

    async fn answered(&self, ended: Ended, update: StateUpdate) -> Result<Recorded, JournalError> {
        self.ask(move |store| store.answered(&ended, &update)).await
    }

    async fn holder(&self, channel: &str, id: &ContactId, key: &str) -> Result<Option<String>, JournalError> {
        let (channel, id, key) = (channel.to_owned(), id.clone(), key.to_owned());
        self.owner.read(move |store| Ok(store.holders(&channel, &id, &key)?.into_iter().next())).await
    }

    async fn concluded(&self, state_update: StateUpdate) -> Result<(), JournalError> {
        self.ask(move |store| store.imply(&state_update)).await
    }

    async fn start_read_back(&self, run: i64, channel: &str, now: Timestamp) -> Result<Started, JournalError> {
        let channel = channel.to_owned();
        let number = self.ask(move |store| store.start_read_back(run, &channel, now)).await?;
        Ok(Started::committed(number))
    }

    async fn written_fields(&self, channel: &str) -> Result<BTreeSet<String>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.written_fields(&channel)).await
    }

    async fn first_writes(&self, channel: &str) -> Result<Vec<FirstWrite>, JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.first_writes(&channel)).await
    }

    async fn read_back(
        &self,
        channel: &str,
        ended: Ended,
        verdicts: BTreeMap<String, FieldVerdict>,
    ) -> Result<(), JournalError> {
        let channel = channel.to_owned();
        self.ask(move |store| store.read_back(&channel, &ended, &verdicts)).await
    }

    async fn end(
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::diff::TagsMode;
    use crate::core::doubt::Doubt;
    use crate::core::model::{Draft, Field, Mode};
    use crate::core::page::Page;
    use crate::core::planner::Planner;
    use crate::journal::{NewPlan, NewRun, Planned};

    const POLICY: Policy = Policy {
        mode: Mode::Create,
        tags_mode: TagsMode::Add,
        search_lag: Duration::from_secs(30),
        retry_in_doubt: false,
        search_first: false,
    };

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);
    const MINUTE: Duration = Duration::from_mins(1);

    fn set(lead: Duration) -> ClockOffset {
        ClockOffset { boot: "one".into(), zero: NOON.before(2 * HOUR) + lead }
    }

    fn window() -> WindowId {
        WindowId::of("token", b"salt")
    }

    async fn begin(journal: &Journal, now: Timestamp, clock_offset: &ClockOffset) {
        begin_channel(journal, "c", &window(), now, clock_offset).await;
    }

    async fn begin_channel(
        journal: &Journal,
        channel: &str,
        window: &WindowId,
        now: Timestamp,
        clock_offset: &ClockOffset,
    ) {
        journal.begin_sending(1, channel, window, Duration::from_secs(30), now, Some(clock_offset)).await.unwrap();
    }

    fn contact() -> Contact {
        let matches = vec![Field::text("phone", "1")];
        Contact::new(Draft { matches, ..Draft::default() }).unwrap()
    }

    fn planned() -> Journal {
        let journal = Journal::in_memory().unwrap();
        let new = NewRun {
            channel: "c".into(),
            url: String::new(),
            kind: String::new(),
            rate: 100,
            input: String::new(),
            policy: POLICY,
            now: NOON,
        };
        let new = NewPlan { runs: vec![new], planner: Planner::default(), lists_rows: false };
        let plan = journal.begin_plan(new).unwrap();
        journal.finish_plan(&plan, None, Vec::new()).unwrap();
        journal
    }

    async fn call(journal: &Journal, begun: Timestamp, ended: Option<(Timestamp, Attempt)>) {
        let state_update = StateUpdate {
            channel: "c".into(),
            contact: contact(),
            remote_state: None,
            names_id: None,
            outcome: None,
            first_written: Vec::new(),
            mark: None,
            at: NOON,
        };
        let call = Call::Find { field: Field::text("phone", "1"), page: 1 };
        let number = journal.start(1, &call, state_update.clone(), begun).await.unwrap().number();
        let Some((at, attempt)) = ended else { return };
        assert_eq!(journal.answered(Ended { number, attempt, at }, state_update).await.unwrap(), Recorded::Written);
    }

    #[tokio::test]
    async fn calls_without_an_answer_and_requested_waits_are_read_back() {
        let journal = planned();
        begin(&journal, NOON, &set(Duration::ZERO)).await;
        let second = Duration::from_secs(1);
        let lost = |status| Attempt::lost(status, "reset".into());
        let asked =
            Attempt::Lost { status: Some(503), cause: "503".into(), retry_after: Some(Duration::from_secs(30)) };
        let throttled = |seconds: Option<u64>| Attempt::throttled(seconds.map(Duration::from_secs));
        let attempts = [Attempt::Done, lost(None), lost(Some(504)), asked, throttled(Some(600)), throttled(None)];
        for (n, attempt) in (0..).zip(attempts) {
            call(&journal, NOON, Some((NOON + n * second, attempt))).await;
        }
        let mut ends = journal.ended_since(&window(), NOON.before(second)).await.unwrap();
        ends.sort_unstable();
        let seconds: Vec<u64> = ends.iter().map(|end| end.since(NOON).as_secs()).collect();
        assert_eq!(seconds, [0, 3, 4, 5, 31, 32]);
        assert_eq!(journal.ended_since(&window(), NOON + 31 * second).await.unwrap(), [NOON + 32 * second]);
        let waits = journal.waits_since(&window(), NOON).await.unwrap();
        // The wait of the 503 is among them.
        let expected = [(3, 31), (4, 601), (5, 61)].map(|(at, wait)| (NOON + at * second, wait * second));
        assert_eq!(waits, expected);
        assert_eq!(journal.waits_since(&window(), NOON + 5 * second).await.unwrap(), []);
        journal.forget_limit(&window()).unwrap();
        assert_eq!(journal.waits_since(&window(), NOON).await.unwrap(), []);
        assert_eq!(journal.waits_since(&WindowId::of("other", b"salt"), NOON).await.unwrap(), []);
    }

    #[tokio::test]
    async fn late_calls_keep_their_age_when_the_clock_is_set_ahead() {
        let journal = planned();
        let recent = async |now: Timestamp| {
            let ended = journal.ended_since(&window(), now.before(MINUTE)).await.unwrap();
            ended.into_iter().map(|end| now.since(end).as_secs()).collect::<Vec<_>>()
        };
        let page = || Attempt::Page(Page::of(Vec::new()));

        begin(&journal, NOON, &set(Duration::ZERO)).await;
        let second = Duration::from_secs(1);
        call(&journal, NOON, Some((NOON + second, page()))).await;
        // The second is open: the process was killed, and its call ended with the time-out at the latest.
        call(&journal, NOON + second, None).await;
        let now = NOON + 40 * second;
        begin(&journal, now, &set(Duration::ZERO)).await;
        assert_eq!(recent(now).await, [39, 9]);
        // By the clock alone, they look like calls of an hour ago.
        assert_eq!(recent(now + HOUR).await, [0; 0]);
        begin(&journal, now + HOUR, &set(HOUR)).await;
        assert_eq!(recent(now + HOUR).await, [39, 9]);
        // Once is enough.
        begin(&journal, now + HOUR + second, &set(HOUR)).await;
        assert_eq!(recent(now + HOUR + second).await, [40, 10]);
        // Set back, they lie in the future, which the window knows to take.
        begin(&journal, now, &set(Duration::ZERO)).await;
        assert_eq!(recent(now).await, [0, 0]);
    }

    #[tokio::test]
    async fn late_calls_of_another_channel_with_the_same_token_keep_their_age_too() {
        let journal = planned();
        begin(&journal, NOON, &set(Duration::ZERO)).await;
        call(&journal, NOON, Some((NOON, Attempt::Done))).await;
        let late = async |now: Timestamp| journal.ended_since(&window(), now.before(MINUTE)).await.unwrap();
        // First the token of another channel, then their common token, twice.
        let now = NOON + HOUR;
        begin_channel(&journal, "d", &WindowId::of("other", b"salt"), now, &set(HOUR)).await;
        assert_eq!(late(now).await, []);
        begin_channel(&journal, "d", &window(), now, &set(HOUR)).await;
        assert_eq!(late(now).await, [now]);
        begin_channel(&journal, "d", &window(), now, &set(HOUR)).await;
        begin(&journal, now, &set(HOUR)).await;
        assert_eq!(late(now).await, [now]);
    }

    #[tokio::test]
    async fn a_run_has_its_calls_in_every_window_and_a_window_only_its_own() {
        let journal = planned();
        let other = WindowId::of("other", b"salt");
        let second = Duration::from_secs(1);
        for (nth, window) in (1..).zip([window(), other.clone(), window()]) {
            let now = NOON + nth * 20 * MINUTE;
            begin_channel(&journal, "c", &window, now, &set(Duration::ZERO)).await;
            call(&journal, now, Some((now + second, Attempt::Done))).await;
            call(&journal, now, Some((now + 2 * second, Attempt::Done))).await;
        }
        assert_eq!(journal.counts(1).await.unwrap().calls, [(CallKind::Find, 6)].into());
        let ended = async |window: &WindowId, minutes: u32| {
            journal.ended_since(window, NOON + minutes * MINUTE).await.unwrap().len()
        };
        assert_eq!([ended(&window(), 0).await, ended(&window(), 19).await], [4, 4]);
        assert_eq!([ended(&window(), 21).await, ended(&window(), 60).await, ended(&window(), 61).await], [2, 2, 0]);
        assert_eq!([ended(&other, 0).await, ended(&other, 40).await, ended(&other, 41).await], [2, 2, 0]);
    }

    #[tokio::test]
    async fn a_probe_counts_the_calls_that_a_killed_process_left_open() {
        let journal = planned();
        begin(&journal, NOON, &set(Duration::ZERO)).await;
        call(&journal, NOON, None).await;
        let late = async || journal.ended_since(&window(), NOON.before(MINUTE)).await.unwrap();
        assert_eq!(late().await, []);
        // Of another channel with the token, and under a clock that was set ahead meanwhile.
        let (timeout, now) = (Duration::from_secs(30), NOON + HOUR + Duration::from_secs(1));
        journal.begin_probe("d", &window(), timeout, now, Some(&set(HOUR))).await.unwrap();
        assert_eq!(late().await, [NOON + HOUR + timeout]);
    }

    /// Plans a run of the channel with these phones as its rows, and begins to send it.
    async fn sent(journal: &Journal, phones: &[&str]) -> i64 {
        let new = NewRun {
            channel: "c".into(),
            url: String::new(),
            kind: String::new(),
            rate: 100,
            input: String::new(),
            policy: POLICY,
            now: NOON,
        };
        let planner = Planner { match_fields: vec!["phone".into()], ..Planner::default() };
        let new = NewPlan { runs: vec![new], planner, lists_rows: false };
        let plan = journal.begin_plan(new).unwrap();
        let rows = phones
            .iter()
            .zip(1..)
            .map(|(phone, row)| (0, Planned::Contact { row, line: row + 1, contact: of_phone(phone), cells: None }));
        journal.plan_rows(&plan, rows.collect()).unwrap();
        journal.finish_plan(&plan, None, Vec::new()).unwrap();
        let run = plan.runs[0].run;
        journal.begin_sending(run, "c", &window(), Duration::from_secs(30), NOON, None).await.unwrap();
        run
    }

    fn of_phone(phone: &str) -> Contact {
        Contact::new(Draft { matches: vec![Field::text("phone", phone)], ..Draft::default() }).unwrap()
    }

    /// An answer to a call of this kind that names `id` as the contact of `phone`.
    async fn name(journal: &Journal, run: i64, phone: &str, id: &str, kind: CallKind) -> Recorded {
        let id = ContactId::new(id).unwrap();
        let call = match kind {
            CallKind::Create => Call::Create { fields: of_phone(phone).fields().to_vec() },
            CallKind::Find | CallKind::Read | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                Call::Find { field: Field::text("phone", phone), page: 1 }
            }
        };
        let remote_state = |remote_state, names_id| StateUpdate {
            channel: "c".into(),
            contact: of_phone(phone),
            remote_state,
            names_id,
            outcome: None,
            first_written: Vec::new(),
            mark: None,
            at: NOON,
        };
        let number = journal.start(run, &call, remote_state(None, None), NOON).await.unwrap().number();
        let ended = Ended { number, attempt: Attempt::Created(id.clone()), at: NOON };
        let known = RemoteState::Known(crate::core::model::Known::only_id(id));
        journal.answered(ended, remote_state(Some(known), Some(kind))).await.unwrap()
    }

    #[tokio::test]
    async fn an_id_belongs_to_one_key_of_a_channel() {
        let journal = Journal::in_memory().unwrap();
        let run = sent(&journal, &["1", "2", "3"]).await;
        let claimed = |by: &str| Recorded::Claimed { by: by.into() };
        assert_eq!(name(&journal, run, "1", "a", CallKind::Create).await, Recorded::Written);
        assert_eq!(name(&journal, run, "1", "a", CallKind::Find).await, Recorded::Written);
        assert_eq!(name(&journal, run, "2", "a", CallKind::Create).await, claimed("phone=1"));
        assert_eq!(name(&journal, run, "2", "a", CallKind::Find).await, claimed("phone=1"));
        // Nothing of it was written.
        assert_eq!(name(&journal, run, "2", "b", CallKind::Create).await, Recorded::Written);
        // In a later input without the row of `phone=1`, its contact may have got the phone of another row.
        let run = sent(&journal, &["2", "3"]).await;
        assert_eq!(name(&journal, run, "3", "a", CallKind::Create).await, claimed("phone=1"));
        assert_eq!(name(&journal, run, "3", "b", CallKind::Find).await, claimed("phone=2"));
        assert_eq!(name(&journal, run, "3", "a", CallKind::Find).await, Recorded::Written);
        // Then it is no longer the contact of `phone=1`.
        let run = sent(&journal, &["1", "3"]).await;
        assert_eq!(name(&journal, run, "1", "a", CallKind::Find).await, claimed("phone=3"));
        assert_eq!(name(&journal, run, "1", "c", CallKind::Create).await, Recorded::Written);
    }

    #[tokio::test]
    async fn the_search_lag_of_a_killed_create_begins_at_the_latest_end_of_its_call() {
        let journal = Journal::in_memory().unwrap();
        let run = sent(&journal, &["1"]).await;
        let contact = of_phone("1");
        let doubt = Doubt::of_create(&contact, None);
        let remote_state = Some(RemoteState::InDoubt(doubt));
        let state_update = StateUpdate {
            channel: "c".into(),
            contact: contact.clone(),
            remote_state,
            names_id: None,
            outcome: None,
            first_written: Vec::new(),
            mark: None,
            at: NOON,
        };
        let call = Call::Create { fields: contact.fields().to_vec() };
        let _ = journal.start(run, &call, state_update, NOON).await.unwrap();
        let since = async |journal: &Journal| match &journal.in_doubt(run, "c").await.unwrap()[..] {
            [Carried::Item(item)] => match &item.remote_state {
                RemoteState::InDoubt(doubt) => doubt.since,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let timeout = Duration::from_secs(30);
        for later in [HOUR, 2 * HOUR] {
            journal
                .begin_sending(run, "c", &window(), timeout, NOON + later, Some(&set(Duration::ZERO)))
                .await
                .unwrap();
            assert_eq!(since(&journal).await, Some(NOON + timeout), "{later:?}");
        }
        // A clock that is set ahead does not make the lag shorter.
        let now = NOON + 3 * HOUR;
        journal.begin_sending(run, "c", &window(), timeout, now, Some(&set(HOUR))).await.unwrap();
        assert_eq!(since(&journal).await, Some(NOON + timeout + HOUR));
    }
}
