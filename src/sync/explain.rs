//! The use case of `explain`: the history of one contact as the journal has it, what an input would change now, and what the
//! platform has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::{Asked, CallKind};
use crate::core::call_rate::CallEnd;
use crate::core::contact_change::ContactChange;
use crate::core::duplicates::Duplicates;
use crate::core::mapping::Mapping;
use crate::core::model::{Field, Known, Remote, RemoteState, Value};
use crate::core::output_format::ListFiles;
use crate::core::selection::{ContactRef, Selection};
use crate::core::task::Policy;
use crate::core::time::Timestamp;
use crate::core::undo::Written;
use crate::core::verification::{Difference, Scope, differences};
use crate::input::Source;
use crate::journal::{
    Journal, JournalError, NamedRow, NewRun, StoredStory, StoryCall, StoryRejection, StoryRow, StoryRun,
};
use crate::sync::contact::{ContactError, ContactSearch, ReadContact, get_contact};
use crate::sync::environment::Environment;
use crate::sync::history::{INTERRUPTED, is_interrupted};
use crate::sync::plan::{PlanError, PlanOptions};
use crate::sync::plan_input::{InputToPlan, plan_input, run_of_no_channel};
use crate::sync::report::Calls;
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::routing::Routing;
use crate::sync::stop::StopReason;
use crate::sync::sync_error::SyncError;
use crate::sync::workspace::Workspace;

/// Number of changes of a contact that are listed: one for each channel that its row goes to.
const CHANGES: usize = 100;

/// An input that is compared with what the journal knows.
#[derive(Debug)]
pub struct ExplainedInput<'a> {
    /// The names of the channels, in the order of the routing.
    pub channels: Vec<String>,
    /// Which of them each row goes to.
    pub routing: Routing,
    /// The rows.
    pub source: Source,
    /// How rows become contacts.
    pub mapping: &'a Mapping,
    /// How contacts are created and changed.
    pub policy: Policy,
    /// What becomes of several rows of one contact.
    pub duplicates: Duplicates,
    /// Whether rows that earlier runs rejected are tried again at once.
    pub retry_rejected: bool,
}

/// The story of one contact, or of a row that became none.
#[derive(Clone, Debug)]
pub struct Story {
    /// The contact's key; `None` for a row that became no contact.
    pub key: Option<String>,
    /// The channel; `None` if no run had the contact.
    pub channel: Option<String>,
    /// Its further match values.
    pub aliases: Vec<String>,
    /// What is known of it on the platform.
    pub state: StoryState,
    /// The runs that had rows of it or made calls for it, oldest first.
    pub runs: Vec<RunStory>,
    /// Its rejections by the platform: a row with the same content is tried again at growing intervals.
    pub rejections: Vec<PastTry>,
    /// The sources that had it and no longer have it, and since when.
    pub missing: Vec<(String, Timestamp)>,
    /// What an input would do with it now, if one was given.
    pub input: Option<InputStory>,
    // What the platform is compared with.
    known: Option<(Option<Field>, Known)>,
}

/// What is known of a contact on the platform.
#[derive(Clone, Debug, PartialEq)]
pub enum StoryState {
    /// Nothing.
    Unknown,
    /// A create of it got no answer, or its id is gone.
    InDoubt {
        /// Which of both, in words.
        cause: &'static str,
        /// Since when.
        since: Option<Timestamp>,
        /// Number of searches since then that found no contact.
        searches: usize,
        /// The fields that were sent.
        sent: Vec<(String, Value)>,
    },
    /// What it has.
    Known {
        /// Its id.
        id: String,
        /// The known values. A blank one is known to be blank.
        fields: BTreeMap<String, Value>,
        /// The tags that it is known to have.
        tags: BTreeSet<String>,
        /// Those of them that contactsync added.
        own_tags: BTreeSet<String>,
        /// Whether the answer to a change was lost, so that values may differ.
        is_unsure: bool,
        /// Whether its create is not finished.
        is_unfinished: bool,
    },
}

/// The part of a run in a story.
#[derive(Clone, Debug)]
pub struct RunStory {
    /// The run's number.
    pub run: i64,
    /// Its input.
    pub input: String,
    /// Its state in one word.
    pub state: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// Whether its only contact was changed by hand, so that its row has no line.
    pub is_by_hand: bool,
    /// The rows of the contact.
    pub rows: Vec<RowStory>,
    /// The calls for it.
    pub calls: Vec<CallStory>,
    /// The fields that it wrote, as long as that is kept.
    pub written: Vec<WrittenValue>,
    /// The tags that it added and removed, as long as that is kept.
    pub tags: (BTreeSet<String>, BTreeSet<String>),
}

/// A row of the contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowStory {
    /// Its line in the input.
    pub line: u64,
    /// What became of it in one word.
    pub state: &'static str,
    /// Why.
    pub reason: Option<String>,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallStory {
    /// Which of the six it was.
    pub kind: CallKind,
    /// The field and the page of a search.
    pub asked: Option<(String, u32)>,
    /// When it began.
    pub at: Timestamp,
    /// How long it took; `None` without an answer.
    pub took: Option<Duration>,
    /// The answer in one word; `open` without one.
    pub result: &'static str,
    /// Further details of the answer.
    pub detail: Option<String>,
}

/// A field that a run wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenValue {
    /// Its name.
    pub name: String,
    /// The value before; `None` when it was not known.
    pub before: Option<Value>,
    /// The value that was written.
    pub after: Value,
}

/// A rejection by the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTry {
    /// Number of runs that sent this content.
    pub tries: u32,
    /// When the last one did.
    pub tried_at: Timestamp,
    /// The reason.
    pub reason: String,
}

/// What an input would do with a contact.
#[derive(Clone, Debug, PartialEq)]
pub struct InputStory {
    /// The input's name.
    pub name: String,
    /// Its rows of the contact; empty when it has none.
    pub rows: Vec<RowStory>,
    /// What would be sent.
    pub changes: Vec<ContactChange>,
}

/// What the platform has of a contact.
#[derive(Debug)]
pub struct LiveStory {
    /// The contact; `None` when the process was stopped before.
    pub contact: Option<ReadContact>,
    /// How it differs from what is known.
    pub differences: Vec<Difference>,
    /// The calls.
    pub calls: Calls<u64>,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
}

/// Why a contact cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Neither the journal nor the input has it.
    #[error("no contact `{0}` is known")]
    Unknown(ContactRef),
    /// The name stands for several contacts.
    #[error("`{name}` matches several contacts: {}", keys.join(", "))]
    Ambiguous {
        /// The name.
        name: ContactRef,
        /// Their keys, with their channels.
        keys: Vec<String>,
    },
    /// The input cannot be planned.
    #[error(transparent)]
    Input(#[from] SyncError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Returns the history of the contact with this name, in a `channel` if one is given. With an `input`, the name may be a line of it.
/// The journal at `path` is only read.
///
/// # Errors
/// An [`ExplainError`] when the name stands for several contacts or for none, or the input or the journal cannot be read.
pub fn explain<R: Reporter>(
    path: &Path,
    name: &ContactRef,
    channel: Option<&str>,
    input: Option<ExplainedInput<'_>>,
    environment: Environment<'_, R>,
) -> Result<Story, ExplainError> {
    let planned = input.map(|input| plan_named(path, name, input, environment)).transpose()?;
    let is_of_channel = |of: &str| channel.is_none_or(|channel| channel == of);
    Journal::read(path, |journal| {
        let mut stories = Vec::new();
        for number in numbers(journal, name, planned.as_ref())? {
            stories.extend(journal.story(number)?.filter(|story| is_of_channel(&story.channel)));
        }
        if stories.len() > 1 {
            let shown = |story: &StoredStory| format!("{} (channel `{}`)", story.key, story.channel);
            let keys = stories.iter().map(shown).collect();
            return Err(ExplainError::Ambiguous { name: name.clone(), keys });
        }
        let mut story = match stories.pop() {
            Some(stored) => Story::of(stored, path),
            None if planned.is_none() => {
                Story { runs: runs_of(journal.rows_without_contact(name.clone())?, path), ..Story::unknown() }
            }
            None => Story::unknown(),
        };
        let is_known = story.key.is_some() || !story.runs.is_empty();
        if let Some((rows, input)) = planned {
            if !is_known && input.rows.is_empty() {
                return Err(ExplainError::Unknown(name.clone()));
            }
            story.key = story.key.or_else(|| rows.into_iter().find_map(|row| row.key));
            story.input = Some(input);
        } else if !is_known {
            return Err(ExplainError::Unknown(name.clone()));
        }
        Ok(story)
    })
}

// A line is one of the input, if there is one, and otherwise one of the last input.
fn numbers(
    journal: &Journal,
    name: &ContactRef,
    planned: Option<&(Vec<NamedRow>, InputStory)>,
) -> Result<BTreeSet<i64>, JournalError> {
    let of_input = planned.iter().flat_map(|(rows, _)| rows).filter_map(|row| row.contact);
    let mut numbers: BTreeSet<i64> = of_input.collect();
    if planned.is_none() || !matches!(name, ContactRef::Line(_)) {
        let mut found = journal.addressed(name.clone())?;
        if let ContactRef::Match(text) = name {
            found.extend(journal.addressed(ContactRef::Id(text.clone()))?);
        }
        numbers.extend(found.into_iter().map(|contact| contact.number));
    }
    Ok(numbers)
}

// Plans the rows of the contact, which is stored nowhere.
fn plan_named<R: Reporter>(
    path: &Path,
    name: &ContactRef,
    input: ExplainedInput<'_>,
    environment: Environment<'_, R>,
) -> Result<(Vec<NamedRow>, InputStory), ExplainError> {
    let ExplainedInput { channels, routing, source, mapping, policy, duplicates, retry_rejected } = input;
    let input_name = source.name().to_owned();
    let journal = Journal::dry(path)?;
    let new = run_of_no_channel(&input_name, policy);
    let runs = channels.into_iter().map(|channel| NewRun { channel, ..new.clone() }).collect();
    // All rows are kept, so that merged ones are among them. No list is written.
    let files = ListFiles { results: Some(String::new()), ..ListFiles::default() };
    let selection = Selection { only: vec![name.clone()], limit: None };
    let options = PlanOptions { duplicates, files, retry_rejected, selection, ..PlanOptions::default() };
    let to_plan = InputToPlan { source, mapping, routing: &routing, runs, policy, options };
    let planned = match plan_input(&journal, to_plan, &mut |_| Ok(()), environment) {
        Ok((planned, _)) => planned,
        Err(SyncError::Plan(PlanError::NoSuchContact(_))) => {
            return Ok((Vec::new(), InputStory { name: input_name, rows: Vec::new(), changes: Vec::new() }));
        }
        Err(error) => return Err(error.into()),
    };
    environment.reporter.notify(&Notification::Planned(&planned));
    let line = match name {
        ContactRef::Line(line) => Some(*line),
        ContactRef::Match(_) | ContactRef::Id(_) => None,
    };
    let rows = journal.named_rows(planned.sync, line)?;
    let changes = journal.first_changes(planned.sync, CHANGES)?;
    let of_contact = rows.iter().map(|named| RowStory::of(named.row.clone())).collect();
    Ok((rows, InputStory { name: input_name, rows: of_contact, changes }))
}

/// Reads the contact of a story from the platform, and compares it with what is known. It blocks.
///
/// # Errors
/// A [`ContactError`] when a guard refuses the channel, or the journal fails.
pub fn explain_live<R: Reporter>(
    workspace: &Workspace,
    story: &Story,
    (search, name): (ContactSearch<'_>, &ContactRef),
    environment: Environment<'_, R>,
) -> Result<LiveStory, ContactError> {
    // A line stands for the contact that it was found to be.
    let name = match (&story.state, &story.key) {
        (StoryState::Known { id, .. }, _) => ContactRef::Id(id.clone()),
        (StoryState::Unknown | StoryState::InDoubt { .. }, Some(key)) if matches!(name, ContactRef::Line(_)) => {
            ContactRef::Match(key.clone())
        }
        (StoryState::Unknown | StoryState::InDoubt { .. }, _) => name.clone(),
    };
    let read = get_contact(workspace, search, &name, environment)?;
    let differences = match (&read.contact, &story.known) {
        (Some(ReadContact::Shown(remote)), Some((key, known))) => compare(key.as_ref(), known, remote),
        (Some(ReadContact::Missing(_)), Some(_)) => vec![Difference::Gone],
        (Some(_) | None, _) => Vec::new(),
    };
    Ok(LiveStory { contact: read.contact, differences, calls: read.calls, stopped: read.stopped })
}

fn compare(key: Option<&Field>, known: &Known, remote: &Remote) -> Vec<Difference> {
    differences(key, known, remote, &Scope::default(), None)
}

impl Story {
    fn unknown() -> Self {
        Self {
            key: None,
            channel: None,
            aliases: Vec::new(),
            state: StoryState::Unknown,
            runs: Vec::new(),
            rejections: Vec::new(),
            missing: Vec::new(),
            input: None,
            known: None,
        }
    }

    fn of(stored: StoredStory, path: &Path) -> Self {
        let StoredStory { channel, key, aliases, match_field, remote_state, runs, rejections, missing } = stored;
        let (state, known) = match remote_state {
            RemoteState::Unknown => (StoryState::Unknown, None),
            RemoteState::InDoubt(doubt) => {
                let pair = |field: &Field| (field.name.to_string(), field.value.clone());
                let sent = doubt.sent.fields().iter().map(pair).collect();
                let (cause, since, searches) = (doubt.cause(), doubt.since, doubt.searches);
                (StoryState::InDoubt { cause, since, searches, sent }, None)
            }
            RemoteState::Known(known) => {
                let state = StoryState::Known {
                    id: known.id.to_string(),
                    fields: known.fields.clone(),
                    tags: known.tags.clone(),
                    own_tags: known.own_tags.clone(),
                    is_unsure: known.doubt,
                    is_unfinished: known.made_at.is_some(),
                };
                (state, Some((match_field, known)))
            }
        };
        let past = |StoryRejection { tries, tried_at, reason }| PastTry { tries, tried_at, reason };
        Self {
            key: Some(key),
            channel: Some(channel),
            aliases,
            state,
            runs: runs_of(runs, path),
            rejections: rejections.into_iter().map(past).collect(),
            missing,
            input: None,
            known,
        }
    }
}

fn runs_of(runs: Vec<StoryRun>, journal: &Path) -> Vec<RunStory> {
    runs.into_iter().map(|run| RunStory::of(run, journal)).collect()
}

impl RunStory {
    fn of(part: StoryRun, journal: &Path) -> Self {
        let StoryRun { run, is_by_hand, rows, calls, written } = part;
        // What a run is about to write is noted before it is sent. The platform may have refused all of it.
        let written = written.filter(|_| !refused_all_writes(&calls));
        let Written { fields, added, removed } = written.unwrap_or_default();
        let value = |(name, written): (String, crate::core::undo::WrittenField)| WrittenValue {
            name,
            before: written.before,
            after: written.after,
        };
        Self {
            run: run.id,
            state: if is_interrupted(&run, journal) { INTERRUPTED } else { run.state.name() },
            input: run.input,
            started_at: run.started_at,
            is_by_hand,
            rows: rows.into_iter().map(RowStory::of).collect(),
            calls: calls.into_iter().map(CallStory::of).collect(),
            written: fields.into_iter().map(value).collect(),
            tags: (added, removed.into_keys().collect()),
        }
    }
}

// Whether there are calls that write, and the platform refused each of them.
fn refused_all_writes(calls: &[StoryCall]) -> bool {
    let mut writes = calls.iter().filter(|call| match call.kind {
        CallKind::Find | CallKind::Read => false,
        CallKind::Create | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => true,
    });
    let was_refused = |call: &StoryCall| {
        let end = call.attempt.as_ref().map(CallEnd::of);
        matches!(end, Some(CallEnd::Refused | CallEnd::Throttled))
    };
    writes.clone().next().is_some() && writes.all(was_refused)
}

impl RowStory {
    fn of(row: StoryRow) -> Self {
        let StoryRow { line, state, reason } = row;
        Self { line, state, reason }
    }
}

impl CallStory {
    fn of(call: StoryCall) -> Self {
        let StoryCall { kind, asked, started_at, took, attempt, .. } = call;
        Self {
            kind,
            asked: asked.map(|Asked { field, page }| (field, page)),
            at: started_at,
            took,
            result: attempt.as_ref().map_or("open", Attempt::name),
            detail: attempt.as_ref().and_then(detail),
        }
    }
}

// The details of an answer besides its name.
fn detail(attempt: &Attempt) -> Option<String> {
    match attempt {
        Attempt::Page(page) => Some(match (page.contacts.len(), page.others.len()) {
            (0, 0) => "no contact".to_owned(),
            (found, 1) => format!("{found} with the value, 1 other"),
            (found, others) => format!("{found} with the value, {others} others"),
        }),
        Attempt::Contact(_) | Attempt::Done => None,
        Attempt::Created(id) => Some(format!("id {id}")),
        Attempt::Missing { message }
        | Attempt::Unauthorized { message }
        | Attempt::Queued { message }
        | Attempt::WrongPath { message } => Some(message.clone()),
        Attempt::Taken { message, by } => Some(match by {
            Some(id) => format!("{message} (contact {id})"),
            None => message.clone(),
        }),
        Attempt::Refused { status, message, .. } => Some(format!("{status}: {message}")),
        Attempt::Throttled { retry_after, .. } => retry_after.map(|wait| format!("asked to wait {} s", wait.as_secs())),
        Attempt::Unsent { cause } => Some(cause.clone()),
        Attempt::Lost { status, cause, .. } => Some(match status {
            Some(status) => format!("{status}: {cause}"),
            None => cause.clone(),
        }),
    }
}
