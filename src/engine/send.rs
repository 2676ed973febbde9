//! The loop that sends: takes pending contacts in the file's order and brings each to its end, many at a time.

mod budget;
mod creates;
mod gates;
mod held;
mod queue;
mod tries;
mod trust;

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use self::budget::Budget;
use self::creates::Creates;
use self::gates::{Gates, Turn};
use self::held::Held;
use self::queue::{Deferred, Queue};
use self::tries::{Failures, Tries};
use self::trust::CreateTrust;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Cleared};
use crate::core::channel::WindowId;
use crate::core::health::{Health, RATE_LIMIT_WAIT, Room, Verdict};
use crate::core::model::{ContactId, Key, Mode, Standing};
use crate::core::page::Page;
use crate::core::plan::Range;
use crate::core::record::Cells;
use crate::core::refusals::{REFUSALS_IN_A_ROW, Refusal, Refusals};
use crate::core::retry::{Retry, TRIES, asked_wait, decide};
use crate::core::schedule::{Limits, Outlook, TYPICAL_LATENCY};
use crate::core::task::{Outcome, Policy, Step, Task};
use crate::core::time::Timestamp;
use crate::core::window::{Learned, MINUTE};
use crate::edges::journal::{Counts, Ended, Implied, JournalError, ListedRow, Recorded, RunState, SendJournal};
use crate::edges::pace::{Clock, Pace, Passage, WaitsFor, delays};
use crate::edges::report::RunSummary;
use crate::engine::channels::send_all;
use crate::engine::event::{Event, Observer, Wait};
use crate::engine::stop::{Stop, StopReason};
use crate::engine::summary::run_summary;
use crate::engine::transport::Transport;

/// The most contacts on their way at once, those that wait for a delay or a settle time included: it bounds memory.
const ON_THE_WAY: usize = 5_000;

/// How often it is written down that the platform still states the same limit.
const STATED_EVERY: Duration = Duration::from_hours(1);

/// How many contacts at a time are put aside while calls that they need are paused.
const DEFERRED_AT_ONCE: usize = 64;

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
    /// Number of calls that this process started.
    pub started: u64,
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
        gates: Gates::new(Health::new(job.patience), job.policy.mode != Mode::Create || job.policy.search_first),
        refusals: RefCell::default(),
        held: Held::default(),
        limit_stated: Cell::new(None),
        first_missed: RefCell::default(),
        budget: Budget::new(job.limits, job.call_timeout),
        others_told: Cell::new(None),
        asleep: Cell::new(0),
        fell_asleep: Notify::new(),
        orphans: Cell::new(0),
        calls_left: Cell::default(),
        reserved: Cell::default(),
        latency: Cell::new(latency),
        trust: CreateTrust::default(),
        creates: Creates::default(),
        pace,
        job,
    };
    sending.announce().await?;
    sending.stop_if_asked_to_wait();
    sending.run().await?;
    sending.conclude_held().await?;

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
    let started = sending.budget.started();
    Ok(Ending { summary, stopped: stopped.filter(|_| state != RunState::Finished), started })
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
    gates: Gates,
    refusals: RefCell<Refusals>,
    // Rejected rows that are not written down as such yet.
    held: Held,
    // When it was last written down which limit the platform states.
    limit_stated: Cell<Option<Timestamp>>,
    // Of the contacts that did not come to their end, the one that was taken first: its turn, key and row.
    first_missed: RefCell<Option<(u64, String, u64)>>,
    budget: Budget,
    others_told: Cell<Option<Timestamp>>,
    // Contacts that wait for a delay or a settle time. Others go on in their place.
    asleep: Cell<usize>,
    fell_asleep: Notify,
    // Lost creates of contacts that the file no longer has, as long as they are not settled.
    orphans: Cell<usize>,
    calls_left: Cell<Range>,
    // The calls that are kept free for the contacts on their way.
    reserved: Cell<u64>,
    latency: Cell<Duration>,
    trust: CreateTrust,
    creates: Creates,
}

/// A contact on its way, with its row; a contact that only has to be settled has none.
struct OnTheWay {
    place: Option<Place>,
    task: Task,
    calls: Range,
    // The calls that were sent for it in this run.
    sent: Cell<usize>,
    // Its calls of this process that failed.
    failures: Failures,
    // Why the last of them did.
    cause: String,
    // Its last call whose refusal may concern the account, and when the answer came.
    refused: Option<(CallKind, Timestamp)>,
    // The kind of call that it probes.
    scout: Option<CallKind>,
    // Whether an earlier run had left its create in doubt.
    was_in_doubt: bool,
    // Which one it is of those that were taken in the order of the file.
    turn: Option<u64>,
    // The calls that are kept free for it in a run that ends early.
    reserved: Cell<u64>,
    // When this process last began to send its create.
    create_begun: Option<Timestamp>,
}

impl OnTheWay {
    fn new(place: Option<Place>, task: Task, calls: Range, sent: usize) -> Self {
        let was_in_doubt = matches!(task.standing(), Standing::InDoubt(_));
        Self {
            place,
            task,
            calls,
            sent: Cell::new(sent),
            failures: Failures::default(),
            cause: String::new(),
            refused: None,
            scout: None,
            was_in_doubt,
            turn: None,
            reserved: Cell::new(calls.max),
            create_begun: None,
        }
    }

    fn outcome(&self, at: Timestamp) -> Option<Outcome> {
        match self.task.step(at) {
            Step::Done(outcome) => Some(outcome),
            Step::Call(_) | Step::Wait(_) | Step::Leave(_) => None,
        }
    }

    // The refusal that may concern the account instead of this row. Until that is known, the outcome is not written to
    // the journal.
    fn held_by(&self, outcome: &Outcome) -> Option<(CallKind, Timestamp)> {
        self.refused.filter(|_| matches!(outcome, Outcome::Rejected(_)) && self.place.is_some())
    }

    // Whether it was tried without success, so that others go first in the next run. A contact in doubt goes first
    // once, and then waits like the others.
    fn was_tried(&self) -> bool {
        let is_in_doubt = matches!(self.task.standing(), Standing::InDoubt(_));
        self.refused.is_some() || self.failures.count() > u32::from(is_in_doubt && !self.was_in_doubt)
    }
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
    _turn: Turn<'a>,
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

    fn wait(&self) -> Option<Wait> {
        let until = |moment: Timestamp| moment.since(self.job.clock.now());
        self.pace.waits_for().map(|waits| match waits {
            WaitsFor::Room(moment) => Wait::Limit(until(moment)),
            WaitsFor::Pause(moment) => Wait::Pause(until(moment)),
        })
    }

    // A wait that the platform asked an earlier process for, or another channel of the token, holds for this one too.
    fn stop_if_asked_to_wait(&self) {
        if let Some(until) = self.pace.paused_until() {
            self.stop_if_it_waits_longer(until, RATE_LIMIT_WAIT);
        }
    }

    // Stops instead of sleeping for hours: when the wait is longer than both the outage timeout and `shortest`, or ends
    // too late for another call.
    fn stop_if_it_waits_longer(&self, until: Timestamp, shortest: Duration) {
        let wait = until.since(self.job.clock.now());
        if wait > self.job.patience.max(shortest) || self.budget.latest().is_some_and(|latest| until > latest) {
            self.job.stop.ask(StopReason::AskedToWait(self.job.clock.shown(until)));
        }
    }

    async fn run(&self) -> Result<(), JournalError> {
        let mut active: FuturesUnordered<LocalBoxFuture<'_, Result<(), JournalError>>> = FuturesUnordered::new();
        let mut queue = Queue::open(self.job, self.concurrency).await?;
        let mut deferred = Deferred::default();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        // What an earlier run created in a time that the journal lost may be too new for a search.
        if self.job.policy.search_first && self.calls_left.get().max > 0 {
            let until = self.job.clock.now() + self.job.policy.settle;
            if !self.sleep_until(until).await && self.job.stop.reason().is_none() {
                self.job.stop.ask(StopReason::Deadline);
            }
        }
        loop {
            while self.job.stop.reason().is_none()
                && active.len() < ON_THE_WAY
                && active.len() - self.asleep.get() < self.concurrency
                && (active.is_empty() || self.reserved.get() < self.affordable())
            {
                // The file may have them by now under another key: what is there is to be seen before it is searched.
                if self.orphans.get() > 0 && !queue.has_orphans() {
                    break;
                }
                let Some(next) = self.next(&mut queue, &mut deferred, active.len()).await? else { break };
                self.reserved.set(self.reserved.get() + next.reserved.get());
                active.push(Box::pin(self.bring_or_settle(next)));
            }
            // In a fixed order, so that a simulated run can be repeated. A tick keeps nothing else waiting.
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    // Another channel of the same token may have been asked.
                    self.stop_if_asked_to_wait();
                    self.job.observer.tell(&Event::Tick {
                        used: self.pace.used(),
                        limit: self.pace.limit(),
                        calls: self.calls_left.get(),
                        outlook: self.outlook(),
                        wait: self.wait(),
                    });
                }
                ended = active.next() => match ended {
                    Some(ended) => ended?,
                    None => break,
                },
                () = self.fell_asleep.notified() => {}
            }
        }
        // Where the next run begins.
        for contact in deferred.iter() {
            self.missed(contact);
        }
        let next = match self.first_missed.take() {
            Some((_, key, row)) => Some((key, row)),
            None => queue.next_in_file(self.job).await?,
        };
        self.job.journal.set_turn(self.job.channel, next).await
    }

    // How many calls can still start in this process. A contact is not begun without calls for it: in runs that end early,
    // searches for all rows would leave none for what the searches are for.
    fn affordable(&self) -> u64 {
        let by_count = self.budget.left().max_calls.unwrap_or(u64::MAX);
        let Some(latest) = self.budget.latest() else { return by_count };
        let limit = self.pace.limit();
        let room = limit.saturating_sub(self.pace.used());
        let minutes = latest.since(self.job.clock.now()).as_secs() / MINUTE.as_secs();
        let by_time = u64::try_from(limit).unwrap_or(u64::MAX).saturating_mul(minutes);
        by_count.min(by_time.saturating_add(u64::try_from(room).unwrap_or(u64::MAX)))
    }

    // Gives back a call that was reserved for the contact, or all of them when it has ended.
    fn release(&self, contact: &OnTheWay, calls: u64) {
        let released = calls.min(contact.reserved.get());
        contact.reserved.set(contact.reserved.get() - released);
        self.reserved.set(self.reserved.get() - released);
    }

    // Takes in that a contact was taken in the order of the file and did not come to its end, for want of time or calls.
    fn missed(&self, contact: &OnTheWay) {
        let Some((turn, place)) = contact.turn.zip(contact.place.as_ref()) else { return };
        let mut first = self.first_missed.borrow_mut();
        if first.as_ref().is_none_or(|(first, _, _)| turn < *first) {
            *first = Some((turn, contact.task.contact().key().to_string(), place.row));
        }
    }

    // The next contact that can begin. Those that need a call which is paused are put aside, but for one at a time that finds
    // out whether such calls work again.
    async fn next(
        &self,
        queue: &mut Queue,
        deferred: &mut Deferred,
        on_their_way: usize,
    ) -> Result<Option<OnTheWay>, JournalError> {
        // A contact whose call could start only after the time is up does not begin.
        let is_in_time = |kind| match self.gates.room(kind, &Failures::default(), true, self.job.clock.now()) {
            Room::At(until) => self.budget.waits_for(until),
            Room::Free | Room::Occupied => true,
        };
        if let Some(next) = deferred.take(&self.gates, is_in_time) {
            return Ok(Some(next));
        }
        // Those that are put aside count, too. However many there are, they are taken out again when their calls work.
        let room = ON_THE_WAY.saturating_sub(on_their_way + deferred.len());
        for _ in 0..room.min(DEFERRED_AT_ONCE) {
            let Some(next) = queue.next(self.job).await? else { break };
            match self.needs(&next) {
                Some(kind) if self.gates.health().is_paused(kind) => deferred.put(kind, next),
                Some(_) | None => return Ok(Some(next)),
            }
        }
        Ok(deferred.take(&self.gates, is_in_time))
    }

    // The kind of call that a contact comes to first, as far as it changes anything: one that is searched for and may not be
    // there, to a create.
    fn needs(&self, contact: &OnTheWay) -> Option<CallKind> {
        match (contact.task.step(self.job.clock.now()), contact.task.standing(), &contact.place) {
            (Step::Call(Call::Find { .. }), Standing::Unknown, Some(_)) if self.job.policy.mode != Mode::Update => {
                Some(CallKind::Create)
            }
            (Step::Call(call), Standing::Unknown | Standing::Known(_), Some(_)) => Some(call.kind()),
            (Step::Call(_) | Step::Wait(_) | Step::Done(_) | Step::Leave(_), _, _) => None,
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
        let end = self.bring_to_an_end(&mut contact).await;
        self.release(&contact, u64::MAX);
        if let Some(kind) = contact.scout.take() {
            self.gates.scout_ends(kind);
        }
        match end? {
            End::Done(outcome) => self.done(&contact, &outcome),
            End::Held((kind, at), outcome) => {
                // Too many of them are not kept: the first one has waited for long.
                if let Some((first, outcome)) = self.held.put(kind, at, contact, outcome) {
                    self.reject_held(&first, &outcome).await?;
                }
            }
            End::Left(reason) => {
                self.left(&contact, &reason);
                self.leave(&contact).await?;
            }
            End::Stopped => {
                let is_kind_down = matches!(self.job.stop.reason(), Some(StopReason::KindDown(_)));
                if is_kind_down && contact.failures.count() > 0 {
                    self.left(&contact, &contact.cause);
                }
                if contact.was_tried() {
                    self.leave(&contact).await?;
                } else {
                    self.missed(&contact);
                }
            }
        }
        Ok(())
    }

    async fn bring_to_an_end(&self, contact: &mut OnTheWay) -> Result<End, JournalError> {
        let mut tries = Tries::default();
        // How often its call was refused for the limit, and how many calls of the kind had been answered at the first time.
        let mut throttled: Option<(u32, u64)> = None;
        loop {
            contact.task.distrust(self.trust.distrust(&contact.task.contact().key().to_string()));
            match contact.task.step(self.job.clock.now()) {
                Step::Done(outcome) => {
                    if let Some(refused) = contact.held_by(&outcome) {
                        return Ok(End::Held(refused, outcome));
                    }
                    self.job.journal.concluded(self.implied(contact, true, Some(&outcome))).await?;
                    return Ok(End::Done(outcome));
                }
                Step::Leave(reason) => return Ok(End::Left(reason)),
                Step::Wait(until) => {
                    if !self.sleep_until(until).await {
                        return Ok(End::Stopped);
                    }
                }
                Step::Call(call) => {
                    let kind = call.kind();
                    let Some(clearance) = self.clearance(contact, kind).await else { return Ok(End::Stopped) };
                    if clearance.passage.is_probe()
                        && let Some(look) = probe_for(&call)
                    {
                        self.probe(contact, &look, clearance).await?;
                        continue;
                    }
                    let begun = self.job.clock.now();
                    let (attempt, outcome) = self.send(contact, &call, clearance).await?;
                    if attempt.is_success() {
                        self.reject_held_until(kind, begun).await?;
                    }
                    if let Some(outcome) = outcome {
                        return Ok(match contact.held_by(&outcome) {
                            Some(refused) => End::Held(refused, outcome),
                            None => End::Done(outcome),
                        });
                    }
                    tries.count(kind, &self.gates.health());
                    match self.decide(&contact.task, &attempt, tries.made()) {
                        Retry::Finish => (tries, throttled) = (Tries::default(), None),
                        Retry::Call(wait) => {
                            if !self.sleep_until(self.job.clock.now() + wait).await {
                                return Ok(End::Stopped);
                            }
                        }
                        // The channel waits since the answer came. The call was not at fault, unless the same one is
                        // refused for the limit over and over while others of its kind are answered.
                        Retry::Channel(_) => {
                            tries.forgive();
                            let answers = self.gates.health().answers(kind);
                            throttled.get_or_insert((0, answers)).0 += 1;
                            if throttled.is_some_and(|(times, then)| times >= TRIES && answers > then) {
                                let kind = kind.name();
                                return Ok(End::Left(format!(
                                    "its {kind} was refused for the rate limit {TRIES} times while others were answered"
                                )));
                            }
                        }
                        Retry::GiveUp => {
                            let (kind, made, cause) = (kind.name(), tries.made(), &contact.cause);
                            let cause = if cause.is_empty() { String::new() } else { format!(": {cause}") };
                            return Ok(End::Left(format!("its {kind} failed {made} times{cause}")));
                        }
                        Retry::Stop => return Ok(End::Stopped),
                    }
                }
            }
        }
    }

    // After a success of the same kind of call that began then: the refusals before it concerned their rows.
    async fn reject_held_until(&self, kind: CallKind, begun: Timestamp) -> Result<(), JournalError> {
        while let Some((contact, outcome)) = self.held.take_until(kind, begun) {
            self.reject_held(&contact, &outcome).await?;
        }
        Ok(())
    }

    async fn reject_held(&self, contact: &OnTheWay, outcome: &Outcome) -> Result<(), JournalError> {
        self.job.journal.concluded(self.implied(contact, true, Some(outcome))).await?;
        self.done(contact, outcome);
        Ok(())
    }

    // At the end of the run. Refusals that are too few to blame the account concern their rows. In a run that stops
    // early, that is not known.
    async fn conclude_held(&self) -> Result<(), JournalError> {
        let pending = self.job.journal.counts(self.job.run).await?.pending;
        let nothing_else = u64::try_from(self.held.len()).is_ok_and(|held| held >= pending);
        let is_refusing = matches!(self.job.stop.reason(), Some(StopReason::Refusing(_)));
        let is_whole = self.job.stop.reason().is_none() && self.budget.reason().is_none();
        for kind in CallKind::ALL {
            if !is_refusing && (nothing_else || is_whole) {
                self.reject_held_until(kind, self.job.clock.now()).await?;
            }
            while let Some((contact, _)) = self.held.take_until(kind, self.job.clock.now()) {
                self.leave(&contact).await?;
            }
        }
        Ok(())
    }

    // Others go first in the next run.
    async fn leave(&self, contact: &OnTheWay) -> Result<(), JournalError> {
        let key = contact.task.contact().key().to_string();
        self.job.journal.leave(self.job.channel, key, self.job.clock.now()).await
    }

    // The permit is taken before the intent is journaled: a kill while waiting must leave the call unsent, or resuming
    // would have to treat it as possibly done.
    async fn clearance(&self, contact: &OnTheWay, kind: CallKind) -> Option<Clearance<'_>> {
        loop {
            if !self.gate(contact, kind).await {
                return None;
            }
            let both = async {
                let slot = self.slots.acquire().await.expect("the semaphore is never closed");
                let asked = self.job.clock.now();
                let passage = self.pace.permit(self.budget.latest()).await.map_err(|_too_late| StopReason::Deadline)?;
                // What holds a scout up holds up the call that it is on its way to.
                for held in [Some(kind), contact.scout.filter(|scout| *scout != kind)].into_iter().flatten() {
                    self.gates.held_back(held, asked, self.job.clock.now());
                }
                // Calls of its kind may be paused by now; then the permit is given back.
                let Some(turn) =
                    self.gates.enter(kind, &contact.failures, contact.scout == Some(kind), self.job.clock.now())
                else {
                    return Ok(None);
                };
                // No other contact can have taken the last call since: there is no await in between.
                self.budget.take()?;
                Ok(Some(Clearance { passage, _slot: slot, _turn: turn }))
            };
            let cleared = tokio::select! {
                biased;
                () = self.job.stop.asked() => return None,
                cleared = both => cleared,
                // Rather than wait for a permit that would be of no use.
                reason = self.budget.all_taken() => Err(reason),
            };
            match cleared {
                Ok(Some(clearance)) => return Some(clearance),
                Ok(None) => {}
                Err(reason) => {
                    self.job.stop.ask(reason);
                    return None;
                }
            }
        }
    }

    // Waits, out of the way of others, until calls of this kind may be sent. False when it is of no use, or when the run was asked to
    // stop meanwhile.
    async fn gate(&self, contact: &OnTheWay, kind: CallKind) -> bool {
        loop {
            let until =
                match self.gates.room(kind, &contact.failures, contact.scout == Some(kind), self.job.clock.now()) {
                    Room::Free => return true,
                    Room::At(until) if !self.budget.waits_for(until) => return false,
                    Room::At(until) => Some(until),
                    Room::Occupied => None,
                };
            // Those that only wait for the first answers to their kind are still in the way of others: so the order stays.
            let is_asleep = self.gates.health().is_paused(kind);
            if is_asleep {
                self.asleep.set(self.asleep.get() + 1);
                self.fell_asleep.notify_one();
            }
            let waiting = self.gates.waits(kind, &contact.failures);
            let goes_on = tokio::select! {
                biased;
                () = self.job.stop.asked() => false,
                _reason = self.budget.all_taken() => false,
                () = waiting.change() => true,
                () = self.job.clock.sleep_until(until.unwrap_or_default()), if until.is_some() => true,
            };
            if is_asleep {
                self.asleep.set(self.asleep.get() - 1);
            }
            if !goes_on {
                return false;
            }
        }
    }

    async fn send(
        &self,
        contact: &mut OnTheWay,
        call: &Call,
        clearance: Clearance<'_>,
    ) -> Result<(Attempt, Option<Outcome>), JournalError> {
        let kind = call.kind();
        let before = contact.task.standing().clone();
        contact.task.start(call);
        let implied = self.implied(contact, *contact.task.standing() != before, None);
        contact.sent.set(contact.sent.get() + 1);
        self.release(contact, 1);
        let is_own = contact.failures.is_own(kind, &self.gates.health());
        let on_its_way = (kind == CallKind::Create).then(|| self.creates.begin());
        let begun = self.job.clock.now();
        if kind == CallKind::Create {
            contact.create_begun = Some(begun);
        }
        let (number, mut attempt, at) = self.exchange(contact, call, implied, clearance.passage, is_own).await?;
        if let (Attempt::Page(page), Standing::InDoubt(_)) = (&mut attempt, contact.task.standing()) {
            self.leave_out_contacts_of_others(page, contact.task.contact().key()).await?;
        }
        self.hear(contact, kind, &attempt, (begun, at));
        if let (Attempt::Created(id), Some(on_its_way)) = (&attempt, on_its_way) {
            self.look_at(id, contact.task.contact().key()).await?;
            drop(on_its_way);
            tokio::select! {
                biased;
                () = self.job.stop.asked() => {}
                () = self.creates.looked_at(self.job.clock) => {}
            }
        }

        let before = contact.task.clone();
        self.apply(contact, call, &attempt, at);
        let outcome = contact.outcome(at);
        let written = outcome.as_ref().filter(|outcome| contact.held_by(outcome).is_none());
        let implied = self.implied_by(contact, before.standing(), call, written);
        let ended = Ended { number, attempt: attempt.clone(), at };
        let recorded = self.job.journal.answered(ended.clone(), implied).await?;
        if let Attempt::Created(id) = &attempt {
            self.trust.written(id);
        }
        let Recorded::Claimed { by } = recorded else { return Ok((attempt, outcome)) };
        // The answer named the contact of another key. Whatever else it answers to creates may be wrong, too.
        self.trust.broken();
        let named = contact.task.standing().id().cloned();
        contact.task = before;
        let before = contact.task.standing().clone();
        if let Some(named) = named {
            contact.task.claimed(call, &named, &by, at);
        }
        let outcome = contact.outcome(at);
        let written = outcome.as_ref().filter(|outcome| contact.held_by(outcome).is_none());
        let implied = self.implied(contact, *contact.task.standing() != before, written);
        let _written = self.job.journal.answered(ended, implied).await?;
        Ok((attempt, outcome))
    }

    // Takes an answer in, and draws from it how far answers to creates are trusted.
    fn apply(&self, contact: &mut OnTheWay, call: &Call, attempt: &Attempt, at: Timestamp) {
        let key = contact.task.contact().key().to_string();
        contact.task.distrust(self.trust.distrust(&key));
        let was_confirming = contact.task.is_confirming();
        contact.task.apply(call, attempt, at);
        match contact.task.standing() {
            Standing::InDoubt(_) if matches!((call, attempt), (Call::Create { .. }, Attempt::Lost { .. })) => {
                self.trust.unanswered(key, at);
            }
            // The answer named another contact.
            Standing::InDoubt(_) if was_confirming && matches!(attempt, Attempt::Contact(_)) => self.trust.broken(),
            Standing::InDoubt(_) => {}
            Standing::Known(_) if was_confirming && matches!(attempt, Attempt::Contact(_)) => {
                self.trust.confirmed(contact.create_begun.unwrap_or_default());
            }
            // Its read is to be repeated.
            Standing::Known(_) if contact.task.is_confirming() => {}
            Standing::Unknown | Standing::Known(_) => self.trust.settled(&key),
        }
    }

    // A contact that is known by another key is not the one that a lost create made, however alike it is.
    async fn leave_out_contacts_of_others(&self, page: &mut Page, key: &Key) -> Result<(), JournalError> {
        let key = key.to_string();
        for other in &mut page.others {
            let Some(shown) = &other.shown else { continue };
            if self.job.journal.holder(self.job.channel, &shown.id, &key).await?.is_some() {
                other.is_known = true;
            }
        }
        Ok(())
    }

    // Whether the id that a create was answered with is that of another contact, which makes all such answers doubtful.
    async fn look_at(&self, id: &ContactId, key: &Key) -> Result<(), JournalError> {
        let key = key.to_string();
        if self.trust.is_named_twice(id, &key) || self.job.journal.holder(self.job.channel, id, &key).await?.is_some() {
            self.trust.broken();
        }
        Ok(())
    }

    // What an answer to `call` implies, with the contact id that it named.
    fn implied_by(&self, contact: &OnTheWay, before: &Standing, call: &Call, outcome: Option<&Outcome>) -> Implied {
        let standing = contact.task.standing();
        let is_named = standing.id().is_some_and(|id| before.id() != Some(id));
        let names_id = is_named.then(|| call.kind());
        Implied { names_id, ..self.implied(contact, standing != before, outcome) }
    }

    // What an attempt means for its contact beside the next step, and for the refusals before it.
    fn hear(&self, contact: &mut OnTheWay, kind: CallKind, attempt: &Attempt, (begun, at): (Timestamp, Timestamp)) {
        contact.failures.hear(kind, attempt, &self.gates.health());
        if contact.scout == Some(kind) {
            contact.scout = None;
            self.gates.scout_ends(kind);
        }
        if let Attempt::Unsent { cause } | Attempt::WrongPath { message: cause } | Attempt::Lost { cause, .. } = attempt
        {
            contact.cause.clone_from(cause);
        }
        match self.refusals.borrow_mut().hear(kind, attempt, contact.task.contact(), (begun, at)) {
            Refusal::None => {}
            // What was refused is only looked into by a read.
            Refusal::Broken
                if kind == CallKind::Read && contact.refused.is_some_and(|(refused, _)| refused != kind) => {}
            Refusal::Broken => contact.refused = None,
            Refusal::Open => contact.refused = Some((kind, at)),
            Refusal::TooMany => {
                contact.refused = Some((kind, at));
                if let Attempt::Refused { message, .. } = attempt {
                    let calls = plural(kind);
                    let text = format!("the platform refused {REFUSALS_IN_A_ROW} {calls} in a row: {message}");
                    self.job.stop.ask(StopReason::Refusing(text));
                }
            }
        }
    }

    // Finds out by a call without effect whether the platform is there. Its answer is nobody's news: the contact's task
    // goes on as if it had not been asked.
    async fn probe(&self, contact: &OnTheWay, look: &Call, clearance: Clearance<'_>) -> Result<(), JournalError> {
        let implied = || self.implied(contact, false, None);
        contact.sent.set(contact.sent.get() + 1);
        let (number, attempt, at) = self.exchange(contact, look, implied(), clearance.passage, false).await?;
        let _written = self.job.journal.answered(Ended { number, attempt, at }, implied()).await?;
        Ok(())
    }

    // One call: its intent is written down, it is sent, and its answer heard.
    async fn exchange(
        &self,
        contact: &OnTheWay,
        call: &Call,
        implied: Implied,
        passage: Passage<'_>,
        is_own: bool,
    ) -> Result<(i64, Attempt, Timestamp), JournalError> {
        let job = self.job;
        let begun = job.clock.now();
        let started = job.journal.start(job.run, call, implied, begun).await?;
        let number = started.number();
        let (permit, on_its_way) = passage.set_out();
        let answer = job.transport.send(Cleared::new(call, permit, started)).await;
        let at = job.clock.now();
        // Before the call's place is free: whoever waits for it is to find the channel as it is after the answer.
        self.tell_called(contact, call.kind(), &answer.attempt, at.since(begun));
        self.notice(call.kind(), &answer.attempt, is_own, begun, at);
        let learned = on_its_way.end(&answer);
        if answer.rate_limit.is_some() {
            let is_new = learned.iter().any(|learned| matches!(learned, Learned::Limit(_)));
            self.note_limit(is_new, at).await?;
        }
        for learned in learned {
            self.tell_learned(learned, at);
        }
        Ok((number, answer.attempt.reduced(call.searched()), at))
    }

    // Writes down which limit the platform stated, when it is new, and now and then that it still states it.
    async fn note_limit(&self, is_new: bool, at: Timestamp) -> Result<(), JournalError> {
        let limit = u32::try_from(self.pace.limit()).unwrap_or(u32::MAX);
        let lower = (limit < self.job.rate.get()).then_some(limit);
        let is_due = self.limit_stated.get().is_none_or(|stated| at.since(stated) >= STATED_EVERY);
        if is_new || lower.is_some() && is_due {
            self.limit_stated.set(Some(at));
            self.job.journal.set_learnt_limit(self.job.window, lower, at).await?;
        }
        Ok(())
    }

    fn tell_called(&self, contact: &OnTheWay, kind: CallKind, attempt: &Attempt, took: Duration) {
        let line = contact.place.as_ref().map(|place| place.line);
        let key = contact.task.contact().key().to_string();
        self.job.observer.tell(&Event::Called { kind, line, key: &key, result: attempt.name(), took });
    }

    fn notice(&self, kind: CallKind, attempt: &Attempt, is_own: bool, begun: Timestamp, at: Timestamp) {
        let job = self.job;
        let took = at.since(begun);
        // Mostly as the last calls were: a platform is slower at noon than at night.
        self.latency.set((self.latency.get() * 15 + took) / 16);
        match attempt {
            Attempt::Unsent { cause }
            | Attempt::WrongPath { message: cause }
            | Attempt::Lost { cause, .. }
            | Attempt::Queued { message: cause } => job.observer.tell(&Event::Trouble { kind, cause }),
            Attempt::Unauthorized { message } => job.stop.ask(StopReason::Unauthorized(message.clone())),
            Attempt::Throttled { message: Some(message), .. } => {
                job.observer.tell(&Event::Trouble { kind, cause: message });
            }
            Attempt::Throttled { message: None, .. }
            | Attempt::Page(_)
            | Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. } => {}
        }
        self.wait_as_asked(attempt, at);
        match self.gates.hear(kind, attempt, is_own, at) {
            Verdict::Fine => self.pace.recover(),
            Verdict::Open => {}
            Verdict::Pause(wait) => {
                self.pace.pause_and_probe(wait);
                job.observer.tell(&Event::Paused { wait });
            }
            Verdict::PauseKind(wait) => job.observer.tell(&Event::KindPaused { kind, wait }),
            Verdict::Silent(cause) => {
                job.stop.ask(StopReason::Down(format!("the platform gives no answer: {cause}")));
            }
            Verdict::KindSilent { span, cause } => {
                let (calls, span) = (plural(kind), in_words(span));
                job.stop.ask(StopReason::KindDown(format!("{calls} have failed for {span}: {cause}")));
            }
            Verdict::Throttled => {
                let words = if let Attempt::Throttled { message: Some(words), .. } = attempt {
                    format!(": {words}")
                } else {
                    String::new()
                };
                let calls = plural(kind);
                let text = format!("the platform refuses all {calls} for its limit (429, too many requests){words}");
                job.stop.ask(StopReason::Down(text));
            }
            Verdict::WrongUrl(words) => job.stop.ask(StopReason::WrongUrl(words)),
        }
    }

    // A 429 asks the whole channel to wait, and a 503 may.
    fn wait_as_asked(&self, attempt: &Attempt, at: Timestamp) {
        let Some(wait) = asked_wait(attempt) else { return };
        let is_limit = matches!(attempt, Attempt::Throttled { .. });
        // Calls that were on their way together are refused together, which is one event.
        if self.pace.pause(wait) {
            let event = if is_limit { Event::Throttled { wait } } else { Event::AskedToWait { wait } };
            self.job.observer.tell(&event);
        }
        self.stop_if_it_waits_longer(at + wait, if is_limit { RATE_LIMIT_WAIT } else { Duration::ZERO });
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

/// How a contact's way ended in this process.
enum End {
    Done(Outcome),
    /// It ended with this refusal, which may concern the account, so that it is not yet written to the journal.
    Held((CallKind, Timestamp), Outcome),
    /// Its calls kept failing.
    Left(String),
    /// It did not get further.
    Stopped,
}

// What to send instead of a change while the platform seems to be down. A lost create would leave its contact in doubt,
// and reject it when it has no match field. An answered read shows that the platform is back, even when every change
// still fails.
fn probe_for(call: &Call) -> Option<Call> {
    match call {
        Call::Create { fields } => fields.first().map(|field| Call::Find { field: field.clone(), page: 1 }),
        Call::Update { id, .. } | Call::AddTags { id, .. } | Call::RemoveTags { id, .. } => {
            Some(Call::Read { id: id.clone() })
        }
        Call::Find { .. } | Call::Read { .. } => None,
    }
}

const fn plural(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Find => "searches",
        CallKind::Read => "reads",
        CallKind::Create => "creates",
        CallKind::Update => "updates",
        CallKind::AddTags => "tag additions",
        CallKind::RemoveTags => "tag removals",
    }
}

// In whole minutes, or in seconds below a minute.
fn in_words(span: Duration) -> String {
    match (span.as_secs() / 60, span.as_secs()) {
        (0, 1) => "1 second".into(),
        (0, seconds) => format!("{seconds} seconds"),
        (1, _) => "1 minute".into(),
        (minutes, _) => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests;
