//! Reads one contact, or finds those that have a value.

use std::collections::BTreeSet;

use super::{BareName, ContactError, subject};
use crate::core::attempt::Attempt;
use crate::core::by_hand::Subject;
use crate::core::call::Call;
use crate::core::model::{ContactId, Field, Remote};
use crate::core::page::Page;
use crate::core::search::{Found, Search};
use crate::core::selection::ContactRef;
use crate::journal::{Ended, JournalError};
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::event::Observer;
use crate::sync::execute::RunOptions;
use crate::sync::one_channel::{lock_one, read_job};
use crate::sync::read_calls::{Asked, ReadCalls, with_calls};
use crate::sync::report::Calls;
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;
use crate::sync::workspace::{LockedChannel, Overrides, Renewing, Tokens, Workspace};

/// Maximum number of pages that a search by hand walks, in case they never end.
const MOST_PAGES: u32 = 10_000;

/// Which contacts are read, and from which channel.
#[derive(Debug)]
pub struct ContactSearch<'a> {
    /// The channel, with its name.
    pub channel: (String, Connection),
    /// The match fields, for the comparison of the channel with the journal.
    pub match_fields: &'a [String],
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// How far it goes.
    pub options: RunOptions,
}

/// A contact that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadContact {
    /// The platform shows it.
    Shown(Box<Remote>),
    /// The platform has no such contact. Holds its message.
    Missing(String),
    /// The platform refused the call, for this reason.
    Refused(String),
    /// The call got no usable answer. Holds the cause.
    Failed(String),
}

/// What became of reading a contact.
#[derive(Debug)]
pub struct ReadOutcome {
    /// The contact; `None` when the process was stopped before.
    pub contact: Option<ReadContact>,
    /// The calls.
    pub calls: Calls<u64>,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
}

/// The contacts that a search showed.
#[derive(Debug, Default)]
pub struct FoundContacts {
    /// The contacts, in the platform's order. Search is loose: not all of them have the value that was searched for.
    pub contacts: Vec<Remote>,
    /// Number of contacts that the platform states; `None` where it states none.
    pub total: Option<u64>,
    /// Whether the pages were read to the last one.
    pub is_complete: bool,
    /// Why the search ended without the other pages, if the process was not stopped.
    pub failed: Option<String>,
    /// Whether the platform refused the search.
    pub is_refused: bool,
    /// The calls.
    pub calls: Calls<u64>,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
}

/// What is asked of the platform by calls that change nothing.
pub(super) trait Question {
    /// Asks it. After a token was renewed, it is asked again.
    async fn ask<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError>;
}

/// Asks a question on the pace of the channel. Returns the number of calls, and why it ended early.
pub(super) fn ask<R: Reporter>(
    workspace: &Workspace,
    channel: &LockedChannel<'_>,
    question: &mut impl Question,
    options: RunOptions,
    environment: Environment<'_, R>,
) -> Result<(Calls<u64>, Option<StopReason>), JournalError> {
    let Environment { runtime, clock, stop, reporter } = environment;
    reporter.notify(&Notification::Calling);
    reporter.notify(&Notification::Sending);
    let observers = reporter.channels(&[channel.name()]);
    let observer = observers.first();
    let stop = stop.part();
    let transport = Renewing { channel: channel.held(), tokens: Tokens { workspace, clock, reporter } };
    let job = read_job(workspace.journal(), channel, &transport, &stop, (&observer, options), environment);
    let calls = runtime.block_on(with_calls(job, async |calls| question.ask(calls).await));
    reporter.notify(&Notification::Sent);
    Ok((calls?, stop.reason()))
}

/// Reads the contact with this name. One that the journal does not know is read by its id, or searched for by its field and value.
/// It blocks.
///
/// # Errors
/// A [`ContactError`] when the name stands for several contacts or for none, a guard refuses the channel, or the journal fails.
pub fn get_contact<R: Reporter>(
    workspace: &Workspace,
    search: ContactSearch<'_>,
    name: &ContactRef,
    environment: Environment<'_, R>,
) -> Result<ReadOutcome, ContactError> {
    let ContactSearch { channel, match_fields, overrides, options } = search;
    let channel = lock_one(workspace, channel, match_fields, overrides, environment)?;
    let subject = subject(workspace.journal(), channel.name(), name, BareName::Id)?;
    let mut reading = Reading { subject, name: name.to_string(), contact: None };
    let (calls, stopped) = ask(workspace, &channel, &mut reading, options, environment)?;
    Ok(ReadOutcome { contact: reading.contact, calls, stopped })
}

/// Finds the contacts that the platform's search shows for this field and value, at most `limit` of them. It blocks.
///
/// # Errors
/// A [`ContactError`] when a guard refuses the channel, or the journal fails.
pub fn find_contacts<R: Reporter>(
    workspace: &Workspace,
    search: ContactSearch<'_>,
    (field, limit): (&Field, Option<u64>),
    environment: Environment<'_, R>,
) -> Result<FoundContacts, ContactError> {
    let ContactSearch { channel, match_fields, overrides, options } = search;
    let channel = lock_one(workspace, channel, match_fields, overrides, environment)?;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut walk = PageWalk { field, limit, page: 1, shown: BTreeSet::new(), found: FoundContacts::default() };
    let (calls, stopped) = ask(workspace, &channel, &mut walk, options, environment)?;
    Ok(FoundContacts { calls, stopped, ..walk.found })
}

/// The reading of one contact.
struct Reading {
    subject: Subject,
    name: String,
    contact: Option<ReadContact>,
}

impl Question for Reading {
    async fn ask<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError> {
        self.contact = match (self.subject.id(), self.subject.searched()) {
            (Some(id), _) => read_one(calls, &Call::Read { id: id.clone() }, &self.name).await?,
            (None, Some(field)) => match search(calls, &field, &mut Vec::new()).await? {
                Searched::One(contact) => Some(ReadContact::Shown(contact)),
                Searched::Absent => Some(ReadContact::Missing("no contact has this value".into())),
                Searched::Several(one, other) => {
                    Some(ReadContact::Failed(format!("several contacts have this value: {one}, {other}")))
                }
                Searched::Refused(message) => Some(ReadContact::Refused(message)),
                Searched::Failed(why) => Some(ReadContact::Failed(why)),
                Searched::Stopped => None,
            },
            (None, None) => Some(ReadContact::Missing("it has neither an id nor a match field".into())),
        };
        Ok(())
    }
}

async fn read_one<T: Transport, O: Observer>(
    calls: &ReadCalls<'_, T, O>,
    call: &Call,
    name: &str,
) -> Result<Option<ReadContact>, JournalError> {
    let ended = match calls.ask(call, name).await? {
        Asked::Answered(ended) => ended,
        Asked::Failed(why) => return Ok(Some(ReadContact::Failed(why))),
        Asked::Stopped => return Ok(None),
    };
    let read = match ended.attempt.clone() {
        Attempt::Contact(remote) => ReadContact::Shown(Box::new(remote)),
        Attempt::Missing { message } => ReadContact::Missing(message),
        Attempt::Refused { message, .. } | Attempt::Taken { message, .. } => ReadContact::Refused(message),
        other @ (Attempt::Page(_)
        | Attempt::Created(_)
        | Attempt::Done
        | Attempt::Unauthorized { .. }
        | Attempt::Throttled { .. }
        | Attempt::Queued { .. }
        | Attempt::WrongPath { .. }
        | Attempt::Unsent { .. }
        | Attempt::Lost { .. }) => ReadContact::Failed(unusable(&other)),
    };
    calls.journal_end(&Ended { attempt: ended.attempt.without_values(), ..ended }).await?;
    Ok(Some(read))
}

/// What a search for one value came to.
pub(super) enum Searched {
    /// One contact has it.
    One(Box<Remote>),
    /// No contact has it.
    Absent,
    /// These two contacts have it; there may be more.
    Several(ContactId, ContactId),
    /// The platform refused the search.
    Refused(String),
    /// It has no usable result, for this reason.
    Failed(String),
    /// The process was asked to stop.
    Stopped,
}

/// Searches for the contact with exactly this value, on all pages, as a run does before it creates one. Adds the numbers of its calls.
pub(super) async fn search<T: Transport, O: Observer>(
    calls: &ReadCalls<'_, T, O>,
    field: &Field,
    numbers: &mut Vec<i64>,
) -> Result<Searched, JournalError> {
    let (mut search, key) = (Search::of(field.clone()), format!("{}={}", field.name, field.value.text()));
    loop {
        let ended = match calls.ask(&search.call(), &key).await? {
            Asked::Answered(ended) => ended,
            Asked::Failed(why) => return Ok(Searched::Failed(why)),
            Asked::Stopped => return Ok(Searched::Stopped),
        };
        numbers.push(ended.number);
        let attempt = ended.attempt.clone();
        calls.journal_end(&without_contacts(ended)).await?;
        let found = match attempt {
            Attempt::Page(page) => search.take(&page),
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } | Attempt::Missing { message } => {
                return Ok(Searched::Refused(message));
            }
            other @ (Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. }) => return Ok(Searched::Failed(unusable(&other))),
        };
        return Ok(match found {
            Found::MorePages => continue,
            Found::Absent(_) => Searched::Absent,
            Found::One(contact) => Searched::One(contact),
            Found::Several(one, other) => Searched::Several(one, other),
            Found::Endless => Searched::Failed("it has too many pages".into()),
            Found::Unreliable(why) => Searched::Failed(format!("it contradicts itself: {why}")),
        });
    }
}

// The data of the contacts belongs to no row.
fn without_contacts(ended: Ended) -> Ended {
    let attempt = match ended.attempt {
        Attempt::Page(Page { more, total, contradiction, .. }) => {
            Attempt::Page(Page { more, total, contradiction, ..Page::default() })
        }
        other => other,
    };
    Ended { attempt, ..ended }
}

fn unusable(attempt: &Attempt) -> String {
    format!("the answer is unusable ({})", attempt.name())
}

/// The pages of a search, as they are read.
struct PageWalk<'a> {
    field: &'a Field,
    limit: usize,
    page: u32,
    shown: BTreeSet<ContactId>,
    found: FoundContacts,
}

impl Question for PageWalk<'_> {
    async fn ask<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError> {
        let key = format!("{}={}", self.field.name, self.field.value.text());
        while !self.found.is_complete && self.found.failed.is_none() && self.found.contacts.len() < self.limit {
            let call = Call::Find { field: self.field.clone(), page: self.page };
            let ended = match calls.ask(&call, &key).await? {
                Asked::Answered(ended) => ended,
                Asked::Failed(why) => {
                    self.found.failed = Some(why);
                    break;
                }
                Asked::Stopped => break,
            };
            let attempt = ended.attempt.clone();
            calls.journal_end(&without_contacts(ended)).await?;
            self.take(attempt);
            let left = self.found.total.unwrap_or(0).saturating_sub(self.shown.len() as u64);
            calls.tick(self.shown.len() as u64, left.div_ceil(10));
        }
        Ok(())
    }
}

impl PageWalk<'_> {
    fn take(&mut self, attempt: Attempt) {
        let page = match attempt {
            Attempt::Page(page) => page,
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } | Attempt::Missing { message } => {
                self.found.failed = Some(message);
                self.found.is_refused = true;
                return;
            }
            other @ (Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. }) => {
                self.found.failed = Some(unusable(&other));
                return;
            }
        };
        let Page { contacts, more, total, contradiction, .. } = page;
        self.found.total = total.or(self.found.total);
        let is_empty = contacts.is_empty();
        let new: Vec<Remote> = contacts.into_iter().filter(|contact| self.shown.insert(contact.id.clone())).collect();
        // Pages that repeat would be walked for ever.
        let repeats = new.is_empty() && !is_empty;
        let room = self.limit - self.found.contacts.len();
        self.found.contacts.extend(new.into_iter().take(room));
        if let Some(why) = contradiction {
            self.found.failed = Some(format!("page {} contradicts itself: {why}", self.page));
        } else if repeats || self.page >= MOST_PAGES {
            self.found.failed = Some(format!("page {} repeats the contacts of an earlier page", self.page));
        }
        self.page += 1;
        self.found.is_complete = !more;
    }
}
