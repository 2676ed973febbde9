//! The six calls of the API one by one: each takes a permit of the rate limiter, is journaled before it is sent, and is repeated
//! where that is safe.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::Call;
use crate::core::eta::Limits;
use crate::core::model::{ContactId, Field, Remote};
use crate::core::page::Page;
use crate::core::size_limits::{FIELDS_PER_CALL, TAGS_PER_CALL, TooLong, check};
use crate::core::text::Text;
use crate::journal::{Ended, JournalError};
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::execute::RunOptions;
use crate::sync::guard_error::GuardError;
use crate::sync::one_channel::{lock_one, read_job};
use crate::sync::read_calls::{Asked, ReadCalls};
use crate::sync::reporter::Reporter;
use crate::sync::stop::StopReason;
use crate::sync::workspace::{LockedChannel, Overrides, Workspace};

/// The six calls of one channel, one after the other. It holds the locks of the channel and of its token until the
/// [`Workspace`] is dropped, so that no sync uses them meanwhile.
///
/// Each call waits until the rate limit admits it, counting the calls that syncs with the same journal made in the past minute.
/// Searches, reads, updates and changes of tags are repeated when they get no answer, because repeating them changes nothing. A
/// create is not: see [`create`](Self::create).
///
/// What it writes is not compared with the contacts that the journal knows, and does not change what is known of them. The next
/// sync treats it as it treats the edits of a person on the platform: a value that the input has as before is not sent again.
/// [`verify`](crate::read_back::verify) finds such differences.
///
/// Its methods block.
#[derive(Debug)]
pub struct Client<'w, R> {
    channel: LockedChannel<'w>,
    environment: Environment<'w, R>,
    options: ClientOptions,
    // What is left of the limits.
    left: Cell<Limits>,
}

/// How far a client goes.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// The limits of all its calls together.
    pub limits: Limits,
    /// How long a platform that is down is waited for.
    pub outage_timeout: Duration,
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// The seed of the random spread of retries. It should differ between processes; by default, it is random.
    pub seed: u64,
}

impl Default for ClientOptions {
    /// No limits but the rate limit, [`OUTAGE_TIMEOUT`](crate::OUTAGE_TIMEOUT), no overrides, and a random seed.
    fn default() -> Self {
        let RunOptions { limits, outage_timeout, seed, .. } = RunOptions::default();
        Self { limits, outage_timeout, overrides: Overrides::default(), seed }
    }
}

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundPage {
    /// Its contacts, at most ten. Search is loose: they need not have the value that was searched ([`Remote::has`]).
    pub contacts: Vec<Remote>,
    /// Whether a further page follows.
    pub has_more: bool,
    /// Number of contacts on all pages; `None` where the platform does not state it.
    pub total: Option<u64>,
}

/// Why a call had no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The call would carry more than the platform accepts. Nothing was sent.
    #[error("{given} {what} in one call; the maximum is {limit}")]
    TooMany {
        /// `fields` or `tags`.
        what: &'static str,
        /// How many were given.
        given: usize,
        /// How many a call may carry (API.md, "The six calls").
        limit: usize,
    },
    /// A part of the call is too long. Nothing was sent.
    #[error("{0}")]
    TooLong(TooLong),
    /// The platform has no contact with this id. The call had no effect.
    #[error("no such contact: {0}")]
    Missing(String),
    /// An identifier belongs to another contact. The call had no effect.
    #[error("the platform refused the call: {message}")]
    Taken {
        /// The platform's message.
        message: String,
        /// The other contact, when the answer names it.
        by: Option<ContactId>,
    },
    /// The platform refused the call, which had no effect.
    #[error("the platform refused the call with status {status}: {message}")]
    Refused {
        /// The HTTP status; 0 when no request could be built.
        status: u16,
        /// The platform's message.
        message: String,
    },
    /// The answer to a create was lost, so the contact may exist. Only a search can show it, once the search lag is over.
    #[error("the answer to the create was lost, so the contact may exist: {0}")]
    InDoubt(String),
    /// The pages of a search contradict themselves or each other, so they prove nothing.
    #[error("the search contradicts itself: {0}")]
    Contradiction(String),
    /// The call failed several times, for this reason.
    #[error("{0}")]
    Failed(String),
    /// The client was asked to stop, has used up its limits, or its token is refused.
    #[error("{}", .0.text())]
    Stopped(StopReason),
    /// The journal cannot be read or written. The call was not sent, or its answer is not journaled.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl<'w, R: Reporter> Client<'w, R> {
    /// Locks a channel, given by name, and makes sure that its URL and its token are those of the contacts that the journal
    /// knows.
    ///
    /// # Errors
    /// A [`GuardError`] as for a sync.
    pub fn open(
        workspace: &'w Workspace,
        channel: (String, Connection),
        options: ClientOptions,
        environment: Environment<'w, R>,
    ) -> Result<Self, GuardError> {
        let channel = lock_one(workspace, channel, &[], options.overrides, environment)?;
        Ok(Self { channel, environment, options, left: Cell::new(options.limits) })
    }

    /// Searches for contacts by a field: one page, from 1.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub fn find_page(&self, field: &Field, page: u32) -> Result<FoundPage, ClientError> {
        check(None, std::slice::from_ref(field), 1, &[], &[]).map_err(ClientError::TooLong)?;
        let call = Call::Find { field: field.clone(), page };
        match self.answer(&call, &field.name)? {
            Attempt::Page(Page { contradiction: Some(text), .. }) => Err(ClientError::Contradiction(text)),
            Attempt::Page(Page { contacts, more, total, .. }) => Ok(FoundPage { contacts, has_more: more, total }),
            other => Err(refusal(other)),
        }
    }

    /// Searches for contacts by a field, on all pages, and returns those that have exactly its value.
    ///
    /// # Errors
    /// A [`ClientError`]; [`ClientError::Contradiction`] when a page has no contact that the pages before it did not have.
    pub fn find(&self, field: &Field) -> Result<Vec<Remote>, ClientError> {
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        for page in 1.. {
            let FoundPage { contacts, has_more, .. } = self.find_page(field, page)?;
            let before = seen.len();
            for contact in contacts {
                if seen.insert(contact.id.as_str().to_owned()) && contact.has(field) {
                    found.push(contact);
                }
            }
            if !has_more {
                break;
            }
            if seen.len() == before {
                return Err(ClientError::Contradiction(format!("page {page} repeats earlier pages")));
            }
        }
        Ok(found)
    }

    /// Reads a contact; `None` when the platform has none with this id.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub fn read(&self, id: &ContactId) -> Result<Option<Remote>, ClientError> {
        match self.answer(&Call::Read { id: id.clone() }, id)? {
            Attempt::Contact(contact) => Ok(Some(contact)),
            Attempt::Missing { .. } => Ok(None),
            other => Err(refusal(other)),
        }
    }

    /// Creates a contact with up to 30 fields and returns its id.
    ///
    /// The API has no idempotency key, so a create whose answer is lost is not sent again: the error is
    /// [`ClientError::InDoubt`]. Wait for the search lag, then [`find`](Self::find) the contact by a field that identifies it,
    /// before you create it again. The journal has the call, but not the contact: if the process is killed during a create, do
    /// the same. A [sync](crate::sync_input) does all of this itself.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub fn create(&self, fields: &[Field]) -> Result<ContactId, ClientError> {
        check_fields(None, fields)?;
        let key = fields.first().map_or("", |field| &field.name);
        match self.answer(&Call::Create { fields: fields.to_vec() }, key)? {
            Attempt::Created(id) => Ok(id),
            other => Err(refusal(other)),
        }
    }

    /// Writes up to 30 fields of a contact.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub fn update(&self, id: &ContactId, fields: &[Field]) -> Result<(), ClientError> {
        check_fields(Some(id), fields)?;
        self.change(&Call::Update { id: id.clone(), fields: fields.to_vec() }, id)
    }

    /// Adds up to 10 tags to a contact. Tags start automations on the platform: write fields first.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub fn add_tags<T: AsRef<str>>(&self, id: &ContactId, tags: &[T]) -> Result<(), ClientError> {
        let tags = checked_tags(id, tags)?;
        self.change(&Call::AddTags { id: id.clone(), tags }, id)
    }

    /// Removes up to 10 tags from a contact.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub fn remove_tags<T: AsRef<str>>(&self, id: &ContactId, tags: &[T]) -> Result<(), ClientError> {
        let tags = checked_tags(id, tags)?;
        self.change(&Call::RemoveTags { id: id.clone(), tags }, id)
    }

    fn change(&self, call: &Call, id: &ContactId) -> Result<(), ClientError> {
        match self.answer(call, id)? {
            Attempt::Done => Ok(()),
            other => Err(refusal(other)),
        }
    }

    // Sends a call until it is answered, and journals the end of each try.
    fn answer(&self, call: &Call, key: impl fmt::Display) -> Result<Attempt, ClientError> {
        let Environment { runtime, stop, reporter, .. } = self.environment;
        let stop = stop.part();
        let observer = reporter.channels(&[self.channel.name()]).into_iter().next();
        let ClientOptions { outage_timeout, seed, .. } = self.options;
        let options = RunOptions {
            limits: self.left.get(),
            read_back: false,
            outage_timeout,
            keep_before: Duration::ZERO,
            seed,
            ..RunOptions::default()
        };
        let (journal, transport) = (self.channel.held().workspace.journal(), &self.channel.held().connection.transport);
        let job = read_job(journal, &self.channel, transport, &stop, (&observer, options), self.environment);
        let asked = runtime.block_on(async {
            let calls = ReadCalls::begin(job).await?;
            let asked = calls.ask(call, &key.to_string()).await?;
            self.left.set(calls.left());
            if let Asked::Answered(ended) = &asked {
                let attempt = ended.attempt.clone().without_contacts();
                calls.journal_end(&Ended { number: ended.number, attempt, at: ended.at }).await?;
            }
            Ok::<_, JournalError>(asked)
        })?;
        match asked {
            Asked::Answered(ended) => Ok(ended.attempt),
            Asked::Failed(cause) => Err(ClientError::Failed(cause)),
            Asked::Stopped => {
                let reason = stop.reason().expect("a call is left out for a reason");
                let all = self.options.limits.max_calls;
                Err(ClientError::Stopped(match (reason, all) {
                    (StopReason::MaxCalls(_), Some(all)) => StopReason::MaxCalls(all),
                    (reason, _) => reason,
                }))
            }
        }
    }
}

fn check_fields(id: Option<&ContactId>, fields: &[Field]) -> Result<(), ClientError> {
    if fields.len() > FIELDS_PER_CALL {
        return Err(ClientError::TooMany { what: "fields", given: fields.len(), limit: FIELDS_PER_CALL });
    }
    check(id, fields, 0, &[], &[]).map_err(ClientError::TooLong)
}

fn checked_tags<T: AsRef<str>>(id: &ContactId, tags: &[T]) -> Result<Vec<String>, ClientError> {
    if tags.len() > TAGS_PER_CALL {
        return Err(ClientError::TooMany { what: "tags", given: tags.len(), limit: TAGS_PER_CALL });
    }
    let texts: Vec<Text> = tags.iter().map(|tag| tag.as_ref().into()).collect();
    check(Some(id), &[], 0, &texts, &[]).map_err(ClientError::TooLong)?;
    Ok(texts.into_iter().map(String::from).collect())
}

// The error of a call that was answered, but not with its result.
fn refusal(attempt: Attempt) -> ClientError {
    match attempt {
        Attempt::Missing { message } => ClientError::Missing(message),
        Attempt::Taken { message, by } => ClientError::Taken { message, by },
        Attempt::Refused { status, message, .. } => ClientError::Refused { status, message },
        Attempt::Lost { cause: message, .. } | Attempt::WrongPath { message } | Attempt::Queued { message } => {
            ClientError::InDoubt(message)
        }
        Attempt::Page(_)
        | Attempt::Contact(_)
        | Attempt::Created(_)
        | Attempt::Done
        | Attempt::Unauthorized { .. }
        | Attempt::Throttled { .. }
        | Attempt::Unsent { .. } => ClientError::Failed(format!("an unexpected answer: {}", attempt.name())),
    }
}
