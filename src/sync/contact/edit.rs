//! Changes one contact: a run of one contact, which is journaled, resumed, listed and undone like another run.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::read::{Question, Searched, ask, search};
use super::{BareName, ContactError, read_only, subject};
use crate::core::by_hand::{Edit, PlannedCall, Subject, When, preview, to_rewrite};
use crate::core::diff::TagsMode;
use crate::core::eta::Limits;
use crate::core::model::{Contact, Field, Key, Mode, RemoteState};
use crate::core::planner::Planner;
use crate::core::selection::ContactRef;
use crate::core::task::Policy;
use crate::core::time::Timestamp;
use crate::journal::{HandRow, Journal, JournalError, NewPlan, NewRun, OpenHand};
use crate::platform::ChannelKind;
use crate::platform::dialect::request;
use crate::sync::access::check_access;
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::event::Observer;
use crate::sync::execute::{ReadyRun, RunOptions, execute};
use crate::sync::one_channel::lock_one;
use crate::sync::other_runs::OtherRuns;
use crate::sync::read_calls::ReadCalls;
use crate::sync::report::Calls;
use crate::sync::reporter::Reporter;
use crate::sync::stop::StopReason;
use crate::sync::sync_input::new_run;
use crate::sync::transport::Transport;
use crate::sync::workspace::{LockedChannel, Overrides, Workspace};

/// What is done with a contact.
#[derive(Clone, Debug)]
pub enum ContactAction {
    /// It is created.
    Create(Edit),
    /// The contact with this name is changed.
    Change(ContactRef, Edit),
}

/// A change of one contact, and how it is sent.
#[derive(Debug)]
pub struct ContactEdit<'a> {
    /// The channel, with its name.
    pub channel: (String, Connection),
    /// What is done.
    pub action: ContactAction,
    /// The match fields: a new contact is searched for by them.
    pub match_fields: &'a [String],
    /// How long the platform may report a contact as missing after it was created.
    pub search_lag: Duration,
    /// The field and the value that a contact must have on the platform before anything is changed.
    pub access: Option<Field>,
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// How far it goes in this process.
    pub options: RunOptions,
}

/// What became of a change.
#[derive(Debug)]
pub struct EditOutcome {
    /// The result, for scripts and people.
    pub summary: EditSummary,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
    /// Why it failed, when it did: the journal could not be written.
    pub failed: Option<JournalError>,
}

/// The result of a change, with the names and the order that scripts rely on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EditSummary {
    /// The number of the run; `None` when it ended before that.
    pub run: Option<i64>,
    /// `finished`, `stopped` or `failed`.
    pub state: &'static str,
    /// Why it was stopped or failed.
    pub reason: Option<String>,
    /// The contact.
    pub contact: EditedContact,
    /// The calls: of all processes of the run.
    pub calls: Calls<u64>,
    /// Seconds that it took. The program reports the duration of its command.
    pub seconds: f64,
}

/// The contact of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EditedContact {
    /// Its key.
    pub key: String,
    /// The platform's id, if it is known.
    pub id: Option<String>,
    /// `created`, `updated`, `unchanged`, `rejected` or `pending`.
    pub outcome: String,
    /// Why it was rejected.
    pub reason: Option<String>,
}

/// A request that a change would send.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedRequest {
    /// The HTTP method.
    pub method: &'static str,
    /// The path and the query after the base URL.
    pub path: String,
    /// The JSON body; `None` without one.
    pub body: Option<serde_json::Value>,
    /// On what it depends.
    pub when: When,
}

impl ContactAction {
    /// The name of its run.
    fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "contact create",
            Self::Change(_, Edit { fields, clear, tags, .. }) => {
                match (fields.is_empty() && clear.is_empty(), tags.is_empty()) {
                    (false, _) => "contact update",
                    (true, false) => "contact tag",
                    (true, true) => "contact untag",
                }
            }
        }
    }

    const fn policy(&self, search_lag: Duration) -> Policy {
        let mode = match self {
            Self::Create(_) => Mode::Create,
            Self::Change(..) => Mode::Update,
        };
        Policy { mode, tags_mode: TagsMode::Add, search_lag, retry_in_doubt: false, search_first: false }
    }

    // The contact that is sent, and what the journal knows of it.
    fn target(
        &self,
        journal: &Journal,
        channel: &str,
        match_fields: &[String],
    ) -> Result<(Contact, RemoteState), ContactError> {
        let (contact, state) = match self {
            Self::Create(edit) => {
                let contact = edit.new_contact(match_fields)?;
                let state = journal.state_of(channel, contact.key())?;
                (contact, state)
            }
            Self::Change(name, edit) => {
                let subject = subject(journal, channel, name, BareName::Nothing)?;
                let contact = edit.contact(&subject)?;
                let state = match subject {
                    Subject::Journaled(_, RemoteState::Known(known)) => RemoteState::Known(to_rewrite(known, &contact)),
                    Subject::Journaled(_, state) => state,
                    Subject::Id(_) | Subject::Found(_) => RemoteState::Unknown,
                };
                (contact, state)
            }
        };
        if journal.is_suppressed(contact.clone())? {
            return Err(ContactError::Suppressed { key: contact.key().shown() });
        }
        Ok((contact, state))
    }
}

/// The requests that a change would send if all of them are answered as expected, by what the journal at this path knows. Sends nothing
/// and writes nothing.
///
/// # Errors
/// A [`ContactError`] when the change would be refused before anything is sent, or the journal cannot be read.
pub fn preview_edit(
    path: &Path,
    (channel, kind): (&str, ChannelKind),
    action: &ContactAction,
    (match_fields, search_lag): (&[String], Duration),
    now: Timestamp,
) -> Result<Vec<PlannedRequest>, ContactError> {
    let journal = read_only(path)?;
    let (contact, remote_state) = action.target(&journal, channel, match_fields)?;
    let mut policy = action.policy(search_lag);
    if let ContactAction::Create(_) = action {
        refuse_known(&journal, channel, &contact, &remote_state)?;
        // It is searched for before the run begins.
        policy.mode = Mode::Upsert;
    }
    let planned = preview(contact, remote_state, policy, now).into_iter().map(|PlannedCall { call, when }| {
        let request = request(&call, kind);
        let body = request.body.and_then(|body| serde_json::from_str(&body).ok());
        PlannedRequest { method: request.method.as_str(), path: request.path, body, when }
    });
    Ok(planned.collect())
}

/// Changes one contact. The same change that was interrupted before is continued. It blocks.
///
/// # Errors
/// A [`ContactError`] when the contact cannot be changed, a guard refuses the channel, or the journal fails: then nothing was sent
/// that changes a contact. Failures after that are those of the [outcome](EditOutcome).
pub fn edit_contact<R: Reporter>(
    workspace: &Workspace,
    edit: ContactEdit<'_>,
    environment: Environment<'_, R>,
) -> Result<EditOutcome, ContactError> {
    let ContactEdit { channel, action, match_fields, search_lag, access, overrides, options } = edit;
    let begun = environment.clock.now();
    let (name, journal) = (channel.0.clone(), workspace.journal());
    // A run that another process is sending is not interrupted.
    workspace.hold(&name, environment)?;
    let (contact, remote_state) = action.target(journal, &name, match_fields)?;
    let open = open_run(journal, &name, &contact)?;
    let is_create = matches!(action, ContactAction::Create(_));
    if is_create && open.is_none() {
        refuse_known(journal, &name, &contact, &remote_state)?;
    }
    let mut channel = lock_one(workspace, channel, match_fields, overrides, environment)?;
    let access = access.map(|field| check_access(&mut channel, &field, environment)).transpose()?;
    let mut searches = access.unwrap_or_default();
    // The run itself searches for one that is in doubt. Since the search of an interrupted create, another client may have created it.
    if is_create && remote_state == RemoteState::Unknown {
        let mut absence = Absence { contact: &contact, numbers: Vec::new(), found: None };
        let (_, stopped) = ask(workspace, &channel, &mut absence, options, environment)?;
        searches.append(&mut absence.numbers);
        if let Some((field, searched)) = absence.found {
            refuse_found(&field, searched)?;
        }
        if let Some(reason) = stopped {
            return Ok(EditOutcome::stopped_before(&contact, reason));
        }
    }
    let (run, policy) = if let Some(mut run) = open {
        workspace.take_up(&mut run)?;
        (run.id, run.policy)
    } else {
        let run = new_run(channel.held(), action.name(), action.policy(search_lag));
        let rewrites = matches!(action, ContactAction::Change(..));
        plan(journal, NewRun { now: begun, ..run }, contact, rewrites)?
    };
    let made = searches.len() as u64;
    journal.count_in_run(run, searches)?;
    let max_calls = options.limits.max_calls.map(|max| max.saturating_sub(made));
    let options = RunOptions { limits: Limits { max_calls, ..options.limits }, ..options };
    send(workspace, &channel, (run, policy), options, environment)
}

// The interrupted run that makes the same change, if there is one.
fn open_run(
    journal: &Journal,
    channel: &str,
    wanted: &Contact,
) -> Result<Option<crate::journal::RunRow>, ContactError> {
    let Some(run) = journal.resumable(channel)? else { return Ok(None) };
    match journal.open_by_hand(run.id, wanted.clone())? {
        OpenHand::Same => Ok(Some(run)),
        OpenHand::Replaced => Ok(None),
        OpenHand::Other => Err(ContactError::Unfinished { run: run.id, channel: run.channel }),
    }
}

// A contact with one of these match values may not be known: it would exist twice.
fn refuse_known(
    journal: &Journal,
    channel: &str,
    contact: &Contact,
    remote_state: &RemoteState,
) -> Result<(), ContactError> {
    let is_in_doubt = matches!(remote_state, RemoteState::InDoubt(_));
    for field in contact.matches() {
        let name = ContactRef::Match(Key::of(field).to_string());
        let found = journal.addressed(name)?.into_iter().filter(|found| found.channel == channel);
        for found in found {
            let key = found.key.shown();
            match found.remote_state {
                RemoteState::Known(known) => return Err(ContactError::Known { key, id: known.id }),
                RemoteState::InDoubt(_) if !is_in_doubt => return Err(ContactError::InDoubt { key }),
                RemoteState::InDoubt(_) | RemoteState::Unknown => {}
            }
        }
    }
    Ok(())
}

fn refuse_found(field: &Field, searched: Searched) -> Result<(), ContactError> {
    let field = Key::of(field).to_string();
    Err(match searched {
        Searched::One(contact) => ContactError::Exists { field, ids: vec![contact.id] },
        Searched::Several(one, other) => ContactError::Exists { field, ids: vec![one, other] },
        Searched::Refused(message) => ContactError::SearchRefused { field, message },
        Searched::Failed(why) => ContactError::SearchFailed { field, why },
        // The caller reports the stop.
        Searched::Absent | Searched::Stopped => return Ok(()),
    })
}

/// Whether no contact has one of the match values of a new one.
struct Absence<'a> {
    contact: &'a Contact,
    numbers: Vec<i64>,
    // What was found instead, with the field that was searched.
    found: Option<(Field, Searched)>,
}

impl Question for Absence<'_> {
    async fn ask<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError> {
        self.found = None;
        for field in self.contact.matches() {
            match search(calls, field, &mut self.numbers).await? {
                Searched::Absent => {}
                Searched::Stopped => break,
                found @ (Searched::One(_) | Searched::Several(..) | Searched::Refused(_) | Searched::Failed(_)) => {
                    self.found = Some((field.clone(), found));
                    break;
                }
            }
        }
        Ok(())
    }
}

fn plan(journal: &Journal, run: NewRun, contact: Contact, rewrites: bool) -> Result<(i64, Policy), JournalError> {
    let policy = run.policy;
    let plan = journal.begin_plan(NewPlan { runs: vec![run], planner: Planner::default(), lists_rows: false })?;
    journal.plan_by_hand(&plan, contact, rewrites)?;
    // The rows of the contact are mapped by the next sync of their sources.
    journal.finish_plan(&plan, None, Vec::new())?;
    Ok((plan.sync, policy))
}

fn send<R: Reporter>(
    workspace: &Workspace,
    channel: &LockedChannel<'_>,
    (run, policy): (i64, Policy),
    options: RunOptions,
    environment: Environment<'_, R>,
) -> Result<EditOutcome, ContactError> {
    let ready = [ReadyRun { run, policy, channel, listed: None }];
    let (summary, channels) = execute(workspace, &ready, &OtherRuns::default(), false, options, environment);
    let summary = summary?;
    let (stopped, failed) = match channels.into_iter().next().map(|channel| channel.ending) {
        Some(Ok(ending)) => (ending.stopped, None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let HandRow { state, reason, key, contact_id } = workspace.journal().hand_row(run)?;
    let contact = EditedContact { key, id: contact_id.map(String::from), outcome: state, reason };
    let summary = EditSummary {
        run: Some(run),
        state: summary.state,
        reason: summary.reason,
        contact,
        calls: summary.calls,
        seconds: summary.seconds,
    };
    Ok(EditOutcome { summary, stopped, failed })
}

impl EditOutcome {
    // Nothing was planned yet.
    fn stopped_before(contact: &Contact, reason: StopReason) -> Self {
        let contact =
            EditedContact { key: contact.key().shown(), outcome: "pending".into(), ..EditedContact::default() };
        let summary = EditSummary { state: "stopped", reason: Some(reason.text()), contact, ..EditSummary::default() };
        Self { summary, stopped: Some(reason), failed: None }
    }
}
