//! The loop that sends: takes pending contacts in the file's order and brings each to its end, many at a time.

mod budget;
mod creates;
mod queue;
mod tries;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use self::budget::Budget;
use self::creates::Creates;
use self::queue::Queue;
use self::tries::Tries;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Cleared};
use crate::core::channel::WindowId;
use crate::core::health::{Health, Verdict};
use crate::core::model::{ContactId, Key, Standing};
use crate::core::plan::Range;
use crate::core::record::Cells;
use crate::core::retry::{Retry, TRIES, decide, throttled_for};
use crate::core::schedule::{Limits, Outlook, TYPICAL_LATENCY};
use crate::core::task::{Outcome, Policy, Step, Task};
use crate::core::time::Timestamp;
use crate::core::window::{Learned, MINUTE};
use crate::edges::journal::{Counts, Ended, Implied, JournalError, ListedRow, Recorded, RunState, SendJournal};
use crate::edges::pace::{Clock, Pace, Passage, delays};
use crate::edges::report::RunSummary;
use crate::engine::channels::send_all;
use crate::engine::event::{Event, Observer};
use crate::engine::stop::{Stop, StopReason};
use crate::engine::summary::run_summary;
use crate::engine::transport::Transport;

/// The most contacts on their way at once, those that wait for a delay or a settle time included: it bounds memory.
const ON_THE_WAY: usize = 5_000;

/// A planned run, and all that sending it takes.
#[derive(Debug)]
pub struct Job<'a, J, T, O> {
    /// Where everything is written down.
    pub journal: &'a J,
    /// The run's number.
    pub run: i64,
    /// The channel's name.
    pub channel: &'a str,
    /// The window that its calls count in.
    pub window: &'a WindowId,
    /// What the run wants of its tasks.
    pub policy: Policy,
    /// The platform.
    pub transport: &'a T,
    /// How long a call can take before the transport gives it up.
    pub call_timeout: Duration,
    /// The most calls a minute.
    pub rate: NonZeroU32,
    /// The most calls at once; the rate when `None`.
    pub burst: Option<NonZeroU32>,
    /// The most calls on their way at once; see [`concurrency_for`] when `None`.
    pub concurrency: Option<usize>,
    /// How far the run goes in this process.
    pub limits: Limits,
    /// How long the platform may give no answer before the run stops; [`PATIENCE`](crate::PATIENCE) unless told.
    pub patience: Duration,
    /// The process's clock.
    pub clock: &'a Clock,
    /// What the chance in the delays begins from.
    pub seed: u64,
    /// Who is told.
    pub observer: &'a O,
    /// How to stop early.
    pub stop: &'a Stop,
}

/// What became of a run for now.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The run's summary.
    pub summary: RunSummary,
    /// Why it stopped before its end; `None` also when contacts were left because their calls kept failing.
    pub stopped: Option<StopReason>,
}

/// How many calls are on their way at once, unless told: as many as the rate starts in five seconds, which keeps a
/// platform busy that takes five seconds to answer; at least 8 and at most 64.
pub fn concurrency_for(rate: NonZeroU32) -> usize {
    usize::try_from(rate.get() / 12).unwrap_or(usize::MAX).clamp(8, 64)
}

/// Sends what is pending in a run until all is done, nothing more can be done, or somebody asks to stop. Then calls that
/// are on their way are finished and written down.
///
/// # Errors
/// A [`JournalError`] when the journal cannot be read or written. The run is then marked as failed, if that can still be
/// written; what is on its way is settled by the next run.
pub async fn send<J: SendJournal, T: Transport, O: Observer>(job: Job<'_, J, T, O>) -> Result<Ending, JournalError> {
    send_all(&[job]).await.pop().expect("one job has one end")
}

/// Begins to send, before anything is read back: calls that a killed process left open are closed.
pub(super) async fn begin<J: SendJournal, T, O>(job: &Job<'_, J, T, O>) -> Result<Timestamp, JournalError> {
    let now = job.clock.now();
    job.journal.begin_sending(job.run, job.channel, job.window, job.call_timeout, now, job.clock.setting()).await?;
    Ok(now)
}

/// Marks a run as failed, if that can still be written. If not, it stays marked as being sent, which the next one takes
/// as well.
pub(super) async fn fail<J: SendJournal, T, O>(job: &Job<'_, J, T, O>, begun: Timestamp, error: &JournalError) {
    if let Ok(counts) = job.journal.counts(job.run).await {
        let _ = end(job, begun, RunState::Failed, Some(error.to_string()), &counts).await;
    }
}

/// Sends a run that was begun at `begun`, at `pace`.
pub(super) async fn send_begun<J: SendJournal, T: Transport, O: Observer>(
    job: &Job<'_, J, T, O>,
    pace: &Pace,
    begun: Timestamp,
) -> Result<Ending, JournalError> {
    let concurrency = job.concurrency.unwrap_or_else(|| concurrency_for(job.rate)).max(1);
    let latency = job.journal.mean_latency(job.window).await?.unwrap_or(TYPICAL_LATENCY);
    let sending = Sending {
        slots: Semaphore::new(concurrency),
        concurrency,
        delays: delays(usize::try_from(TRIES).unwrap_or(usize::MAX)),
        chance: RefCell::new(fastrand::Rng::with_seed(job.seed)),
        health: RefCell::new(Health::new(job.patience)),
        budget: Budget::new(job.limits, job.call_timeout),
        others_told: Cell::new(None),
        asleep: Cell::new(0),
        fell_asleep: Notify::new(),
        orphans: Cell::new(0),
        calls_left: Cell::default(),
        latency: Cell::new(latency),
        distrusts_creates: Cell::new(false),
        creates: Creates::default(),
        named: RefCell::default(),
        pace,
        job,
    };
    sending.announce().await?;
    sending.run().await?;

    let counts = job.journal.counts(job.run).await?;
    if let (true, Some(reason)) = (counts.pending > 0, sending.budget.reason()) {
        job.stop.ask(reason);
    }
    let stopped = job.stop.reason();
    let (state, reason) = match &stopped {
        _ if counts.pending == 0 => (RunState::Finished, None),
        Some(reason) => (RunState::Stopped, Some(reason.text())),
        None => (RunState::Stopped, Some(kept_failing(counts.pending))),
    };
    let summary = end(job, begun, state, reason, &counts).await?;
    Ok(Ending { summary, stopped: stopped.filter(|_| state != RunState::Finished) })
}

fn kept_failing(contacts: u64) -> String {
    match contacts {
        1 => "1 contact is left: its calls kept failing".into(),
        _ => format!("{contacts} contacts are left: their calls kept failing"),
    }
}

async fn end<J: SendJournal, T, O>(
    job: &Job<'_, J, T, O>,
    begun: Timestamp,
    state: RunState,
    reason: Option<String>,
    counts: &Counts,
) -> Result<RunSummary, JournalError> {
    let now = job.clock.now();
    let worked = now.since(begun);
    let summary = run_summary(job.run, state, reason.clone(), counts, worked);
    job.journal.end(job.run, state, reason, worked, now, summary.to_json()).await?;
    Ok(summary)
}

struct Sending<'a, J, T, O> {
    job: &'a Job<'a, J, T, O>,
    pace: &'a Pace,
    // Who holds a slot has a call on its way, or is next in line for a permit.
    slots: Semaphore,
    concurrency: usize,
    delays: Vec<Duration>,
    chance: RefCell<fastrand::Rng>,
    health: RefCell<Health>,
    budget: Budget,
    others_told: Cell<Option<Timestamp>>,
    // Contacts that wait for a delay or a settle time. Others go on in their place.
    asleep: Cell<usize>,
    fell_asleep: Notify,
    // Lost creates of contacts that the file no longer has, as long as they are not settled.
    orphans: Cell<usize>,
    calls_left: Cell<Range>,
    latency: Cell<Duration>,
    // Whether an answer named the contact of another row: what a create is answered with is confirmed from then on.
    distrusts_creates: Cell<bool>,
    creates: Creates,
    // The keys by the ids that creates were answered with, until the journal has them.
    named: RefCell<HashMap<ContactId, String>>,
}

/// A contact on its way, with its row; a contact that only has to be settled has none.
struct OnTheWay {
    place: Option<Place>,
    task: Task,
    calls: Range,
    // The calls that were sent for it in this run.
    sent: Cell<usize>,
}

/// Where a contact stands in the input, and the row itself when rejected ones are listed.
struct Place {
    row: u64,
    line: u64,
    cells: Option<Cells>,
}

/// What a slot and a permit allow: one call.
struct Clearance<'a> {
    passage: Passage<'a>,
    _slot: SemaphorePermit<'a>,
}

impl<J: SendJournal, T: Transport, O: Observer> Sending<'_, J, T, O> {
    async fn announce(&self) -> Result<(), JournalError> {
        let pending = self.job.journal.counts(self.job.run).await?.pending;
        let forecast = self.job.journal.forecast(self.job.run, self.job.channel, self.job.policy).await?;
        self.calls_left.set(forecast.total);
        self.job.observer.tell(&Event::Sending {
            pending,
            calls: forecast.total,
            used: self.pace.used(),
            limit: self.pace.limit(),
            outlook: self.outlook(),
        });
        // What the platform said in an earlier run holds in this one.
        let limit = self.pace.limit();
        if u64::try_from(limit).is_ok_and(|limit| limit < u64::from(self.job.rate.get())) {
            self.job.observer.tell(&Event::Limited { limit });
        }
        Ok(())
    }

    fn outlook(&self) -> Outlook {
        let tempo = self.pace.tempo(self.concurrency, self.latency.get());
        tempo.outlook(self.calls_left.get(), &self.budget.left(), self.job.call_timeout)
    }

    async fn run(&self) -> Result<(), JournalError> {
        let mut active: FuturesUnordered<LocalBoxFuture<'_, Result<(), JournalError>>> = FuturesUnordered::new();
        let mut queue = Queue::open(self.job, self.concurrency).await?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            while self.job.stop.reason().is_none()
                && active.len() < ON_THE_WAY
                && active.len() - self.asleep.get() < self.concurrency
            {
                // The file may have them by now under another key: what is there is to be seen before it is searched.
                if self.orphans.get() > 0 && !queue.has_orphans() {
                    break;
                }
                let Some(next) = queue.next(self.job).await? else { break };
                active.push(Box::pin(self.bring_or_settle(next)));
            }
            tokio::select! {
                ended = active.next() => match ended {
                    Some(ended) => ended?,
                    None => return Ok(()),
                },
                () = self.fell_asleep.notified() => {}
                _ = tick.tick() => {
                    self.job.observer.tell(&Event::Tick {
                        used: self.pace.used(),
                        limit: self.pace.limit(),
                        calls: self.calls_left.get(),
                        outlook: self.outlook(),
                    });
                }
            }
        }
    }

    async fn bring_or_settle(&self, contact: OnTheWay) -> Result<(), JournalError> {
        if contact.place.is_some() {
            return self.bring(contact).await;
        }
        self.orphans.set(self.orphans.get() + 1);
        let ended = self.bring(contact).await;
        self.orphans.set(self.orphans.get() - 1);
        ended
    }

    async fn bring(&self, mut contact: OnTheWay) -> Result<(), JournalError> {
        let mut tries = Tries::default();
        loop {
            if self.distrusts_creates.get() {
                contact.task.distrust();
            }
            match contact.task.step(self.job.clock.now()) {
                Step::Done(outcome) => {
                    self.job.journal.concluded(self.implied(&contact, true, Some(&outcome))).await?;
                    self.done(&contact, &outcome);
                    return Ok(());
                }
                Step::Leave(reason) => {
                    self.left(&contact, &reason);
                    return Ok(());
                }
                Step::Wait(until) => {
                    if !self.sleep_until(until).await {
                        return Ok(());
                    }
                }
                Step::Call(call) => {
                    let Some(clearance) = self.clearance().await else { return Ok(()) };
                    if clearance.passage.is_probe()
                        && let Some(look) = probe_for(&call)
                    {
                        self.probe(&contact, &look, clearance).await?;
                        continue;
                    }
                    let (attempt, outcome) = self.send(&mut contact, &call, clearance).await?;
                    if let Some(outcome) = outcome {
                        self.done(&contact, &outcome);
                        return Ok(());
                    }
                    tries.count(&self.health.borrow());
                    match self.decide(&contact.task, &attempt, tries.made()) {
                        Retry::Finish => tries = Tries::default(),
                        Retry::Call(wait) => {
                            if !self.sleep_until(self.job.clock.now() + wait).await {
                                return Ok(());
                            }
                        }
                        // The channel waits since the answer came. The call was not at fault.
                        Retry::Channel(_) => tries.forgive(),
                        Retry::GiveUp => {
                            self.left(&contact, &format!("its {} failed {} times", call.kind().name(), tries.made()));
                            return Ok(());
                        }
                        Retry::Stop => return Ok(()),
                    }
                }
            }
        }
    }

    // The permit is taken before the intent is journaled: a kill while waiting must leave the call unsent, or resuming
    // would have to treat it as possibly done.
    async fn clearance(&self) -> Option<Clearance<'_>> {
        let both = async {
            let slot = self.slots.acquire().await.expect("the semaphore is never closed");
            let passage = self.pace.permit(self.budget.latest()).await.map_err(|_too_late| StopReason::Deadline)?;
            // Nobody else can have taken the last call since: without a wait, this goes on alone.
            self.budget.take()?;
            Ok(Clearance { passage, _slot: slot })
        };
        let cleared = tokio::select! {
            biased;
            () = self.job.stop.asked() => return None,
            cleared = both => cleared,
            // Rather than wait for a permit that would be of no use.
            reason = self.budget.all_taken() => Err(reason),
        };
        cleared.map_err(|reason| self.job.stop.ask(reason)).ok()
    }

    async fn send(
        &self,
        contact: &mut OnTheWay,
        call: &Call,
        clearance: Clearance<'_>,
    ) -> Result<(Attempt, Option<Outcome>), JournalError> {
        let before = contact.task.standing().clone();
        contact.task.start(call);
        let implied = self.implied(contact, *contact.task.standing() != before, None);
        contact.sent.set(contact.sent.get() + 1);
        let on_its_way = (call.kind() == CallKind::Create).then(|| self.creates.begin());
        let (number, attempt, at) = self.exchange(call, implied, clearance.passage).await?;
        if let (Attempt::Created(id), Some(on_its_way)) = (&attempt, on_its_way) {
            self.look_at(id, contact.task.contact().key()).await?;
            drop(on_its_way);
            tokio::select! {
                biased;
                () = self.job.stop.asked() => {}
                () = self.creates.looked_at() => {}
            }
        }

        if self.distrusts_creates.get() {
            contact.task.distrust();
        }
        let before = contact.task.clone();
        contact.task.apply(call, &attempt, at);
        let outcome = self.outcome(contact, at);
        let implied = self.implied_by(contact, before.standing(), call, outcome.as_ref());
        let ended = Ended { number, attempt: attempt.clone(), at };
        let recorded = self.job.journal.answered(ended.clone(), implied).await?;
        if let Attempt::Created(id) = &attempt {
            self.named.borrow_mut().remove(id);
        }
        let Recorded::Claimed { by } = recorded else { return Ok((attempt, outcome)) };
        // The answer named the contact of another key. Whatever else it answers to creates may be wrong, too.
        self.distrusts_creates.set(true);
        let named = contact.task.standing().id().cloned();
        contact.task = before;
        let before = contact.task.standing().clone();
        if let Some(named) = named {
            contact.task.claimed(call, &named, &by, at);
        }
        let outcome = self.outcome(contact, at);
        let implied = self.implied(contact, *contact.task.standing() != before, outcome.as_ref());
        let _written = self.job.journal.answered(ended, implied).await?;
        Ok((attempt, outcome))
    }

    // Whether the id that a create was answered with is that of another contact, which makes all such answers doubtful.
    async fn look_at(&self, id: &ContactId, key: &Key) -> Result<(), JournalError> {
        let key = key.to_string();
        let is_named_twice = {
            let mut named = self.named.borrow_mut();
            named.insert(id.clone(), key.clone()).is_some_and(|other| other != key)
        };
        if is_named_twice || self.job.journal.holder(self.job.channel, id, &key).await?.is_some() {
            self.distrusts_creates.set(true);
        }
        Ok(())
    }

    fn outcome(&self, contact: &OnTheWay, at: Timestamp) -> Option<Outcome> {
        match contact.task.step(at) {
            Step::Done(outcome) => Some(outcome),
            Step::Call(_) | Step::Wait(_) | Step::Leave(_) => None,
        }
    }

    // What an answer to `call` implies, with the contact id that it named.
    fn implied_by(&self, contact: &OnTheWay, before: &Standing, call: &Call, outcome: Option<&Outcome>) -> Implied {
        let standing = contact.task.standing();
        let is_named = standing.id().is_some_and(|id| before.id() != Some(id));
        let names_id = is_named.then(|| call.kind());
        Implied { names_id, ..self.implied(contact, standing != before, outcome) }
    }

    // Finds out by a call without effect whether the platform is there. Its answer is nobody's news: the contact's task
    // goes on as if it had not been asked.
    async fn probe(&self, contact: &OnTheWay, look: &Call, clearance: Clearance<'_>) -> Result<(), JournalError> {
        let implied = || self.implied(contact, false, None);
        contact.sent.set(contact.sent.get() + 1);
        let (number, attempt, at) = self.exchange(look, implied(), clearance.passage).await?;
        let _written = self.job.journal.answered(Ended { number, attempt, at }, implied()).await?;
        Ok(())
    }

    // One call: its intent is written down, it is sent, and its answer heard.
    async fn exchange(
        &self,
        call: &Call,
        implied: Implied,
        passage: Passage<'_>,
    ) -> Result<(i64, Attempt, Timestamp), JournalError> {
        let job = self.job;
        let begun = job.clock.now();
        let started = job.journal.start(job.run, call, implied, begun).await?;
        let number = started.number();
        let (permit, on_its_way) = passage.set_out();
        let answer = job.transport.send(Cleared::new(call, permit, started)).await;
        let at = job.clock.now();
        // Before the call's place is free: whoever waits for it is to find the channel as it is after the answer.
        self.notice(call, &answer.attempt, begun, at);
        for learned in on_its_way.end(&answer) {
            if let Learned::Limit(limit) = learned {
                job.journal.limited(job.window, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
            }
            self.tell_learned(learned, at);
        }
        Ok((number, answer.attempt.reduced(call.searched()), at))
    }

    // Tells what happened, holds the channel back, and asks to stop when calling on makes no sense.
    fn notice(&self, call: &Call, attempt: &Attempt, begun: Timestamp, at: Timestamp) {
        let (job, kind) = (self.job, call.kind());
        let took = at.since(begun);
        job.observer.tell(&Event::Called { kind, result: attempt.name(), took });
        // Mostly as the last calls were: a platform is slower at noon than at night.
        self.latency.set((self.latency.get() * 15 + took) / 16);
        match attempt {
            Attempt::Unsent { cause } | Attempt::Lost { cause, .. } | Attempt::Queued { message: cause } => {
                job.observer.tell(&Event::Trouble { kind, cause });
            }
            Attempt::Unauthorized { message } => job.stop.ask(StopReason::Unauthorized(message.clone())),
            Attempt::Throttled { retry_after } => {
                let wait = throttled_for(*retry_after);
                // Calls that were on their way together are refused together, which is one event.
                if self.pace.pause(wait) {
                    job.observer.tell(&Event::Throttled { wait });
                }
            }
            Attempt::Page(_)
            | Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. } => {}
            Attempt::WrongPath { message } => job.observer.tell(&Event::Trouble { kind, cause: message }),
        }
        match self.health.borrow_mut().hear(attempt, at) {
            Verdict::Fine => self.pace.recover(),
            Verdict::Open => {}
            Verdict::Pause(wait) => {
                self.pace.pause_and_probe(wait);
                job.observer.tell(&Event::Paused { wait });
            }
            Verdict::Silent(cause) => {
                job.stop.ask(StopReason::Down(format!("the platform gives no answer: {cause}")));
            }
            Verdict::Throttled => {
                job.stop.ask(StopReason::Down("the platform answers nothing but 429 (too many requests)".into()));
            }
        }
    }

    fn tell_learned(&self, learned: Learned, at: Timestamp) {
        match learned {
            Learned::Limit(limit) => self.job.observer.tell(&Event::Limited { limit }),
            Learned::Others(calls) => {
                if self.others_told.get().is_none_or(|told| at.since(told) >= MINUTE) {
                    self.others_told.set(Some(at));
                    self.job.observer.tell(&Event::Others { calls });
                }
            }
        }
    }

    fn decide(&self, task: &Task, attempt: &Attempt, tries: u32) -> Retry {
        let passing = task.is_passing(attempt, self.job.clock.now());
        decide(attempt, passing, tries, &self.delays, self.chance.borrow_mut().f64())
    }

    /// Waits, out of the way of others. False when it is of no use, or somebody asked to stop meanwhile.
    async fn sleep_until(&self, until: Timestamp) -> bool {
        if !self.budget.waits_for(until) {
            return false;
        }
        self.asleep.set(self.asleep.get() + 1);
        self.fell_asleep.notify_one();
        let slept = tokio::select! {
            biased;
            () = self.job.stop.asked() => false,
            _reason = self.budget.all_taken() => false,
            () = self.job.clock.sleep_until(until) => true,
        };
        self.asleep.set(self.asleep.get() - 1);
        slept
    }

    fn implied(&self, contact: &OnTheWay, with_standing: bool, outcome: Option<&Outcome>) -> Implied {
        Implied {
            channel: self.job.channel.to_owned(),
            contact: contact.task.contact().clone(),
            standing: with_standing.then(|| contact.task.standing().clone()),
            names_id: None,
            outcome: contact
                .place
                .as_ref()
                .zip(outcome)
                .map(|(place, outcome)| (self.job.run, place.row, outcome.clone())),
        }
    }

    fn done(&self, contact: &OnTheWay, outcome: &Outcome) {
        let left = self.calls_left.get();
        self.calls_left.set(Range {
            min: left.min.saturating_sub(contact.calls.min),
            max: left.max.saturating_sub(contact.calls.max),
        });
        if let Some(place) = &contact.place {
            let listed = self.listed(contact, place, outcome);
            self.job.observer.tell(&Event::Done { row: place.row, line: place.line, outcome, listed: Some(&listed) });
        }
    }

    // As the journal has it.
    fn listed(&self, contact: &OnTheWay, place: &Place, outcome: &Outcome) -> ListedRow {
        ListedRow {
            channel: self.job.channel.to_owned(),
            row: place.row,
            line: place.line,
            key: Some(contact.task.contact().key().to_string()),
            state: outcome.name().to_owned(),
            reason: outcome.reason().map(str::to_owned),
            contact_id: match contact.task.standing() {
                Standing::Known(known) => Some(known.id.to_string()),
                Standing::Unknown | Standing::InDoubt(_) => None,
            },
            calls: u64::try_from(contact.sent.get()).unwrap_or(u64::MAX),
            cells: place.cells.clone(),
        }
    }

    fn left(&self, contact: &OnTheWay, reason: &str) {
        if let Some(place) = &contact.place {
            self.job.observer.tell(&Event::Left { line: place.line, reason });
        }
    }
}

// What to send in place of a create while the platform seems to be gone: a lost create would leave its contact
// in doubt, and for want of a match field even rejected. Other calls can be lost without harm.
fn probe_for(call: &Call) -> Option<Call> {
    match call {
        Call::Create { fields } => fields.first().map(|field| Call::Find { field: field.clone(), page: 1 }),
        Call::Find { .. }
        | Call::Read { .. }
        | Call::Update { .. }
        | Call::AddTags { .. }
        | Call::RemoveTags { .. } => None,
    }
}
