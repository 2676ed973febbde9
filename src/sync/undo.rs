//! The use case of `undo`: restores the values and tags that a run changed, where the platform still has what it wrote.
//!
//! An undo is a run whose rows are the contacts of the undone run: each is read, compared and written by the same loop as those of
//! an input, so that an interrupted undo is resumed, listed and undone like another run. It creates no contact.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;

use crate::core::contact_change::FieldChange;
use crate::core::diff::{Change, TagsMode};
use crate::core::model::{Field, Mode, RemoteState};
use crate::core::planner::Planner;
use crate::core::task::{Policy, Step, Task};
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::core::undo::{NOT_KNOWN, Unrestored, target, was_changed_since};
use crate::journal::{
    ChangedContact, Ended, Journal, JournalError, NO_CHANNEL, NewPlan, NewRun, NotRestored, RunRow, RunState,
};
use crate::sync::access::check_access;
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::event::Observer;
use crate::sync::execute::{ReadyRun, RunOptions, execute};
use crate::sync::guard_error::GuardError;
use crate::sync::one_channel::{lock_one, read_job};
use crate::sync::other_runs::OtherRuns;
use crate::sync::read_calls::{Asked, ReadCalls, with_calls};
use crate::sync::report::Calls;
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::stop::StopReason;
use crate::sync::sync_input::new_run;
use crate::sync::transport::Transport;
use crate::sync::workspace::{LockedChannel, Overrides, Renewing, Tokens, Workspace};

/// Number of contacts that are read from the journal at a time.
const READ_TOGETHER: usize = 500;

/// A run that is to be undone. The lock of its channel is held.
#[derive(Debug)]
pub struct Undo<'w> {
    workspace: &'w Workspace,
    run: RunRow,
    // The interrupted undo of the run.
    begun: Option<RunRow>,
}

/// How a run is undone.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// Whether it only reads, and says what would be restored.
    pub is_dry: bool,
    /// The tag for contacts that the run created.
    pub tag_created: Option<Text>,
    /// How long the platform may report a contact as missing after it was created.
    pub search_lag: Duration,
    /// The field and the value that a contact must have on the platform before anything is restored.
    pub access: Option<Field>,
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// How far it goes in this process.
    pub options: RunOptions,
}

/// Why a run cannot be undone. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The journal has no run of this number.
    #[error("run {run}: the journal has no such run")]
    NoRun {
        /// Its number.
        run: i64,
    },
    /// The run has the rows without a channel, which are not sent.
    #[error("run {run}: it sent nothing, because its rows name no channel")]
    NoChannel {
        /// Its number.
        run: i64,
    },
    /// The values before it are not kept any more, or were not kept at all.
    #[error("run {run}: the values that it replaced are not kept")]
    NotKept {
        /// Its number.
        run: i64,
    },
    /// The run is to be finished before it, or a later one of its channel, can be undone.
    #[error("run {undone}: run {run} of channel `{channel}` is not finished")]
    Unfinished {
        /// The run that is to be undone.
        undone: i64,
        /// The run that is not finished: the same one or a later one.
        run: i64,
        /// The channel.
        channel: String,
    },
    /// The channel may not be sent to.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What became of an undo.
#[derive(Debug)]
pub struct UndoOutcome {
    /// The numbers, for scripts and people.
    pub summary: UndoSummary,
    /// The contacts that are not restored or only in part; of a dry run, all contacts.
    pub contacts: Vec<UndoneContact>,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
    /// Why it failed, when it did: the journal could not be written.
    pub failed: Option<JournalError>,
}

/// The numbers of an undo, with the names and the order that scripts rely on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UndoSummary {
    /// The number of the run that restores; a dry run has none.
    pub run: Option<i64>,
    /// The number of the run that is undone.
    pub undoes: i64,
    /// `finished`, `stopped` or `failed`; `planned` for a dry run.
    pub state: &'static str,
    /// Why it was stopped or failed.
    pub reason: Option<String>,
    /// Number of contacts that the undone run changed or created: the sum of the five counts that follow.
    pub contacts: u64,
    /// Contacts that have what they had before; of a dry run, those that would have.
    pub restored: u64,
    /// Contacts that were changed since, and were left alone so far as they were.
    pub left_alone: u64,
    /// Contacts that cannot be restored, or only in part.
    pub impossible: u64,
    /// Contacts that the undone run created, and that were tagged.
    pub tagged: u64,
    /// Contacts that are not done yet.
    pub pending: u64,
    /// The calls: of all processes of the run, or of a dry run.
    pub calls: Calls<u64>,
    /// Seconds that it took. The program reports the duration of its command.
    pub seconds: f64,
}

/// A contact of an undo.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoneContact {
    /// Its key.
    pub key: String,
    /// The platform's id, if it is known.
    pub id: Option<String>,
    /// What becomes of it.
    pub fate: UndoFate,
    /// Why it is not restored, or what of it is not.
    pub reason: Option<String>,
    /// Of a dry run, the fields that would be restored.
    pub fields: Vec<FieldChange>,
    /// Of a dry run, the tags that would be added.
    pub add_tags: Vec<String>,
    /// Of a dry run, the tags that would be removed.
    pub remove_tags: Vec<String>,
}

/// What becomes of a contact when a run is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoFate {
    /// It has what it had before.
    Restored,
    /// It was changed since.
    LeftAlone,
    /// It cannot be restored.
    Impossible,
    /// The undone run created it, and it gets a tag.
    Tagged,
}

impl<'w> Undo<'w> {
    /// Finds a run by its number, locks its channel, and makes sure that the run can be undone.
    ///
    /// # Errors
    /// An [`UndoError`] when it cannot, the channel is held by another run, or the journal fails.
    pub fn find<R: Reporter>(
        workspace: &'w Workspace,
        run: i64,
        environment: Environment<'_, R>,
    ) -> Result<Self, UndoError> {
        let journal = workspace.journal();
        let found = journal.run(run)?.ok_or(UndoError::NoRun { run })?;
        if found.channel == NO_CHANNEL {
            return Err(UndoError::NoChannel { run });
        }
        // A run that another process is sending is not interrupted.
        workspace.hold(&found.channel, environment)?;
        let found = journal.run(run)?.ok_or(UndoError::NoRun { run })?;
        let mut begun = None;
        if let Some(open) = journal.resumable(&found.channel)? {
            if journal.undoes(open.id)? != Some(run) {
                return Err(UndoError::Unfinished { undone: run, run: open.id, channel: open.channel });
            }
            begun = Some(open);
        }
        let undoable = journal.undoable(run)?;
        if undoable.changed == 0 && updated(&found, journal.counts_blocking(run)?.updated) > 0 {
            return Err(UndoError::NotKept { run });
        }
        Ok(Self { workspace, run: found, begun })
    }

    /// The run that is to be undone.
    pub const fn run(&self) -> &RunRow {
        &self.run
    }

    /// Restores what the run changed, or finds out what would be restored. An interrupted undo of the run is continued.
    /// `connection` is that of the run's channel. It blocks.
    ///
    /// # Errors
    /// An [`UndoError`] when a guard refuses the channel, or the journal cannot be read or written. Failures after that are those
    /// of the [outcome](UndoOutcome).
    pub fn undo<R: Reporter>(
        mut self,
        connection: Connection,
        options: &UndoOptions,
        environment: Environment<'_, R>,
    ) -> Result<UndoOutcome, UndoError> {
        let begun = environment.clock.now();
        let channel = (self.run.channel.clone(), connection);
        let mut channel = lock_one(self.workspace, channel, &[], options.overrides, environment)?;
        let outcome = if options.is_dry {
            self.look(&channel, options, environment)?
        } else {
            let access = options.access.as_ref();
            let searches = access.map(|field| check_access(&mut channel, field, environment)).transpose()?;
            let (run, policy) = match &mut self.begun {
                Some(run) => {
                    self.workspace.take_up(run)?;
                    (run.id, run.policy)
                }
                None => self.plan(&channel, options, begun)?,
            };
            self.workspace.journal().count_in_run(run, searches.unwrap_or_default())?;
            self.restore(run, policy, &channel, options, environment)?
        };
        let seconds = environment.clock.now().since(begun).as_secs_f64();
        Ok(UndoOutcome { summary: UndoSummary { seconds, ..outcome.summary }, ..outcome })
    }

    fn plan(
        &self,
        channel: &LockedChannel<'_>,
        options: &UndoOptions,
        now: Timestamp,
    ) -> Result<(i64, Policy), JournalError> {
        let input = format!("undo of run {}", self.run.id);
        let run = NewRun { now, ..new_run(channel.held(), &input, policy(options)) };
        let policy = run.policy;
        Ok((plan_undo(self.workspace.journal(), run, self.run.id, options.tag_created.clone())?, policy))
    }

    fn restore<R: Reporter>(
        &self,
        run: i64,
        policy: Policy,
        channel: &LockedChannel<'_>,
        options: &UndoOptions,
        environment: Environment<'_, R>,
    ) -> Result<UndoOutcome, UndoError> {
        let ready = [ReadyRun { run, policy, channel, listed: None }];
        let others = OtherRuns::default();
        // At the end, old history is removed.
        let created = self.workspace.journal().created_by(self.run.id)?;
        let (summary, channels) = execute(self.workspace, &ready, &others, false, options.options, environment);
        let summary = summary?;
        let (stopped, failed) = match channels.into_iter().next().map(|channel| channel.ending) {
            Some(Ok(ending)) => (ending.stopped, None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let rows = self.workspace.journal().undone_rows(run, created)?;
        let contacts: Vec<UndoneContact> = rows.not_restored.into_iter().map(UndoneContact::not_restored).collect();
        let count = |fate| contacts.iter().filter(|contact| contact.fate == fate).count() as u64;
        let summary = UndoSummary {
            run: Some(run),
            undoes: self.run.id,
            state: summary.state,
            reason: summary.reason,
            contacts: summary.rows,
            restored: rows.restored,
            left_alone: count(UndoFate::LeftAlone),
            impossible: count(UndoFate::Impossible),
            tagged: rows.tagged,
            pending: summary.pending,
            calls: summary.calls,
            seconds: 0.0,
        };
        Ok(UndoOutcome { summary, contacts, stopped, failed })
    }

    // Reads the contacts, and decides for each as the run would.
    fn look<R: Reporter>(
        &self,
        channel: &LockedChannel<'_>,
        options: &UndoOptions,
        environment: Environment<'_, R>,
    ) -> Result<UndoOutcome, UndoError> {
        let Environment { runtime, clock, stop, reporter } = environment;
        let (workspace, journal) = (self.workspace, self.workspace.journal());
        reporter.notify(&Notification::Calling);
        reporter.notify(&Notification::Sending);
        let observers = reporter.channels(&[channel.name()]);
        let observer = observers.first();
        let stop = stop.part();
        let transport = Renewing { channel: channel.held(), tokens: Tokens { workspace, clock, reporter } };
        let job = read_job(journal, channel, &transport, &stop, (&observer, options.options), environment);
        let numbers = journal.contacts_to_undo(self.run.id)?;
        let all = numbers.len() as u64;
        let mut looked: BTreeMap<usize, UndoneContact> = BTreeMap::new();
        let made = runtime.block_on(with_calls(job, async |calls| {
            // With a new token, it continues with those that are left.
            let left: Vec<usize> = (0..numbers.len()).filter(|nth| !looked.contains_key(nth)).collect();
            calls.announce(all, left.len() as u64);
            for some in left.chunks(READ_TOGETHER) {
                let of_chunk = some.iter().map(|nth| numbers[*nth]).collect();
                let changed = journal.changed_contacts(self.run.id, of_chunk).await?;
                let looks = some.iter().zip(changed).filter_map(|(nth, changed)| Some((*nth, changed?)));
                let looks = looks.map(async |(nth, changed)| {
                    Ok::<_, JournalError>((nth, look_at(calls, changed, options, clock.now()).await?))
                });
                let mut looks = stream::iter(looks).buffer_unordered(calls.concurrency());
                while let Some(ended) = looks.next().await {
                    let (nth, contact) = ended?;
                    looked.extend(contact.map(|contact| (nth, contact)));
                    let done = looked.len() as u64;
                    calls.tick(done, all.saturating_sub(done));
                }
                if stop.reason().is_some() {
                    break;
                }
            }
            Ok(())
        }));
        reporter.notify(&Notification::Sent);
        let calls = made?;
        let contacts: Vec<UndoneContact> = looked.into_values().collect();
        let stopped = stop.reason();
        let count = |fate| contacts.iter().filter(|contact| contact.fate == fate).count() as u64;
        let (state, reason) = match &stopped {
            Some(reason) => (RunState::Stopped, Some(reason.text())),
            None => (RunState::Planned, None),
        };
        let summary = UndoSummary {
            run: None,
            undoes: self.run.id,
            state: state.name(),
            reason,
            contacts: all,
            restored: count(UndoFate::Restored),
            left_alone: count(UndoFate::LeftAlone),
            impossible: count(UndoFate::Impossible),
            tagged: count(UndoFate::Tagged),
            pending: all.saturating_sub(contacts.len() as u64),
            calls,
            seconds: 0.0,
        };
        Ok(UndoOutcome { summary, contacts, stopped, failed: None })
    }
}

impl UndoneContact {
    fn not_restored(NotRestored { key, id, reason }: NotRestored) -> Self {
        let fate = if was_changed_since(&reason) { UndoFate::LeftAlone } else { UndoFate::Impossible };
        Self { key, id, fate, reason: Some(reason), fields: Vec::new(), add_tags: Vec::new(), remove_tags: Vec::new() }
    }
}

/// Plans the run `new`, which undoes the run with the number `undone` and tags the contacts that it created. Returns its number.
///
/// # Errors
/// A [`JournalError`] when the journal cannot be written.
pub fn plan_undo(journal: &Journal, new: NewRun, undone: i64, tag_created: Option<Text>) -> Result<i64, JournalError> {
    let plan = journal.begin_plan(NewPlan { runs: vec![new], planner: Planner::default(), lists_rows: false })?;
    journal.plan_undo(&plan, undone, tag_created)?;
    // The rows of its contacts are mapped by the next sync of their sources.
    journal.finish_plan(&plan, None, Vec::new())?;
    Ok(plan.sync)
}

fn policy(options: &UndoOptions) -> Policy {
    Policy {
        mode: Mode::Update,
        tags_mode: TagsMode::Add,
        search_lag: options.search_lag,
        retry_in_doubt: false,
        search_first: false,
    }
}

// The number of contacts that a run updated. The items of an old run may be gone, but not its summary.
fn updated(run: &RunRow, counted: u64) -> u64 {
    let summary = run.summary.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    summary.and_then(|summary| summary["updated"].as_u64()).unwrap_or(0).max(counted)
}

// What would become of a contact; `None` when it could not be read.
async fn look_at<T: Transport, O: Observer>(
    calls: &ReadCalls<'_, T, O>,
    changed: ChangedContact,
    options: &UndoOptions,
    now: Timestamp,
) -> Result<Option<UndoneContact>, JournalError> {
    let ChangedContact { key, known, written } = changed;
    let (name, id) = (key.to_string(), known.as_ref().map(|known| known.id.as_str().to_owned()));
    let contact = target(&key, known.as_ref(), written.as_ref(), options.tag_created.as_ref());
    let (contact, known) = match (contact, known) {
        (Ok(contact), Some(known)) => (contact, known),
        (contact, _) => {
            let reason = contact.err().unwrap_or_else(|| NOT_KNOWN.to_owned());
            return Ok(Some(UndoneContact::not_restored(NotRestored { key: name, id, reason })));
        }
    };
    let is_tagged = written.is_none();
    let mut task = Task::of_row(contact, written, RemoteState::Known(known), policy(options), &[], now);
    if let (true, Step::Call(call)) = (task.is_comparing(), task.step(now)) {
        let ended = match calls.ask(&call, &name).await? {
            Asked::Answered(ended) => ended,
            Asked::Failed(_) | Asked::Stopped => return Ok(None),
        };
        task.apply(&call, &ended.attempt, ended.at);
        calls.journal_end(&Ended { attempt: ended.attempt.without_values(), ..ended }).await?;
        // The answer was none to a read.
        if task.is_comparing() {
            return Ok(None);
        }
    }
    let reason = match task.step(now) {
        Step::Done(outcome) => outcome.reason().map(str::to_owned),
        Step::Call(_) | Step::Wait(_) | Step::Leave(_) => task.unrestored().map(Unrestored::reason),
    };
    let fate = match &reason {
        Some(reason) if was_changed_since(reason) => UndoFate::LeftAlone,
        Some(_) => UndoFate::Impossible,
        None if is_tagged => UndoFate::Tagged,
        None => UndoFate::Restored,
    };
    let change = task.change();
    let fields = match task.remote_state() {
        RemoteState::Known(known) => change.set.iter().map(|field| FieldChange::known(field, known)).collect(),
        RemoteState::Unknown | RemoteState::InDoubt(_) => Vec::new(),
    };
    let Change { add: add_tags, remove: remove_tags, .. } = change;
    Ok(Some(UndoneContact { key: name, id, fate, reason, fields, add_tags, remove_tags }))
}
