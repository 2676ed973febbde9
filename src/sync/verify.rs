//! The use case of `verify`: reads known contacts back, by id or by the pages of a marker, whichever takes fewer calls, and lists
//! what differs from what the journal knows.
//!
//! A page only clears contacts that are as they are known: the platform's search may be late, and may list contacts without all of
//! their fields. What differs is what a read by id shows.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::Serialize;

use crate::core::attempt::Attempt;
use crate::core::call::Call;
use crate::core::duplicates::Duplicates;
use crate::core::mapping::Mapping;
use crate::core::model::{Field, WriteMode};
use crate::core::page::Page;
use crate::core::task::{Policy, SEARCH_LAG};
use crate::core::verification::{Difference, Remedy, Scope, differences, is_cheaper_by_pages, members_digest};
use crate::input::Source;
use crate::journal::{Ended, Journal, JournalError, NewRun, OpenVerification, RunState, Unread, VerifyAsked};
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::event::Observer;
use crate::sync::execute::RunOptions;
use crate::sync::one_channel::{lock_one, read_job};
use crate::sync::plan::PlanOptions;
use crate::sync::plan_input::{InputToPlan, plan_input, run_of_no_channel};
use crate::sync::read_calls::{Asked, ReadCalls, with_calls};
use crate::sync::report::Calls;
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::routing::Routing;
use crate::sync::stop::{Stop, StopReason};
use crate::sync::sync_error::SyncError;
use crate::sync::transport::Transport;
use crate::sync::workspace::{Overrides, Renewing, Tokens, Workspace};

/// Number of contacts that are read from the journal at a time.
const READ_TOGETHER: u32 = 500;

/// Number of pages in a row without a contact that is still to be verified, after which no further one is read.
const IDLE_PAGES: u32 = 3;

/// Number of refused reads in a row after which the account is the cause, and not the contacts.
const REFUSED_IN_A_ROW: u32 = 20;

/// A channel whose known contacts are read back. [`Verify::new`] has the defaults.
#[derive(Debug)]
pub struct Verify<'a> {
    /// The channel, by name.
    pub channel: (String, Connection),
    /// A field and value that the contacts have in common, by whose pages they may be read; that of the channel's last pull when
    /// `None`.
    pub marker: Option<Field>,
    /// The input to whose contacts and fields it is restricted; all known contacts when `None`.
    pub input: Option<VerifiedInput<'a>>,
    /// Maximum number of contacts, chosen at random; all when `None`.
    pub sample: Option<u64>,
    /// The seed of the choice; another one each time when `None`.
    pub seed: Option<u64>,
    /// What follows from differences. By default, they are only listed.
    pub remedy: Remedy,
    /// The fields that users of the platform may change, by when a sync writes them: their edits are no differences. None by default.
    pub edited: BTreeMap<String, WriteMode>,
    /// How long the platform may report a contact as missing after it was created. The default is [`SEARCH_LAG`].
    pub search_lag: Duration,
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// How far it goes in this process.
    pub options: RunOptions,
}

impl Verify<'_> {
    /// Selects all known contacts of a channel, with the program's defaults: differences are only listed.
    pub fn new(channel: (String, Connection)) -> Self {
        Self {
            channel,
            marker: None,
            input: None,
            sample: None,
            seed: None,
            remedy: Remedy::default(),
            edited: BTreeMap::new(),
            search_lag: SEARCH_LAG,
            overrides: Overrides::default(),
            options: RunOptions::default(),
        }
    }
}

/// An input whose contacts are verified.
#[derive(Debug)]
pub struct VerifiedInput<'a> {
    /// Its rows.
    pub source: Source,
    /// How rows become contacts.
    pub mapping: &'a Mapping,
    /// How a sync treats contacts.
    pub policy: Policy,
    /// What becomes of several rows of one contact.
    pub duplicates: Duplicates,
    /// The routing of its rows.
    pub routing: Routing,
    /// The names of the fields that its rows may set.
    pub fields: Option<BTreeSet<String>>,
}

/// What became of a verification.
#[derive(Debug)]
pub struct VerifyOutcome {
    /// The numbers.
    pub summary: VerifySummary,
    /// The contacts that differ.
    pub differing: Vec<DifferingContact>,
    /// Why it ended early; the same verification continues.
    pub stopped: Option<StopReason>,
}

/// The numbers of a verification, with the names and the order that scripts rely on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VerifySummary {
    /// `finished` or `stopped`.
    pub state: &'static str,
    /// Why it was stopped.
    pub reason: Option<String>,
    /// Number of known contacts to verify.
    pub contacts: u64,
    /// Contacts that were read back, also in earlier processes.
    pub verified: u64,
    /// Contacts that differ.
    pub differing: u64,
    /// Contacts among them that the platform no longer has.
    pub gone: u64,
    /// Contacts that could not be read: their calls were refused or failed, or they were created a moment ago.
    pub unread: u64,
    /// The calls of this process.
    pub calls: Calls<u64>,
    /// Seconds that it took. The program reports the duration of its command.
    pub seconds: f64,
}

/// A contact that differs from what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DifferingContact {
    /// Its key.
    pub key: String,
    /// The platform's id.
    pub id: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Reads the known contacts of a channel back: locks the channel and makes sure that it is that of the known contacts, reads, and
/// compares. It blocks.
///
/// # Errors
/// A [`SyncError`] when a guard refuses the channel, the input cannot be planned, or the journal cannot be read or written.
pub fn verify<R: Reporter>(
    workspace: &Workspace,
    path: &Path,
    verify: Verify<'_>,
    environment: Environment<'_, R>,
) -> Result<VerifyOutcome, SyncError> {
    let Environment { runtime, clock, stop, reporter } = environment;
    let begun = clock.now();
    let Verify { channel, marker, input, sample, seed, remedy, edited, search_lag, overrides, options } = verify;
    let match_fields = input.as_ref().map_or_else(Vec::new, |input| input.mapping.match_fields().to_vec());
    let channel = lock_one(workspace, channel, &match_fields, overrides, environment)?;
    let journal = workspace.journal();
    let fields = input.as_ref().and_then(|input| input.fields.clone());
    let scope = Scope { fields, edited };
    let only = input.map(|input| contacts_of(path, channel.name(), input, environment)).transpose()?;
    let members = only.as_ref().map(members_digest);
    let Scope { fields, edited } = scope.clone();
    let asked = VerifyAsked { sample, seed, scope: fields, edited, members, remedy };
    let times = (begun, search_lag);
    let open = journal.begin_verification(channel.name(), (asked, options.seed), only, times)?;
    reporter.notify(&Notification::Calling);
    reporter.notify(&Notification::Sending);
    let observer = reporter.channels(&[channel.name()]).into_iter().next();
    let stop = stop.part();
    let transport = Renewing { channel: channel.held(), tokens: Tokens { workspace, clock, reporter } };
    let job = read_job(journal, &channel, &transport, &stop, (&observer, options), environment);
    let marker = marker.map(|marker| (marker, None)).or_else(|| open.marker.clone());
    let mut verifying =
        Verifying { journal, stop: &stop, open, marker, scope, remedy, refused: Cell::new(0), left: Cell::new(0) };
    let ended = runtime.block_on(async {
        let calls = with_calls(job, async |calls| verifying.read(calls).await).await?;
        let (id, contacts) = (verifying.open.id, verifying.open.progress.contacts);
        let unread = journal.count_unread(id).await?;
        let differing: Vec<DifferingContact> = journal
            .differing(id)
            .await?
            .into_iter()
            .map(|found| DifferingContact { key: found.key, id: found.id, differences: found.differences })
            .collect();
        if stop.reason().is_none() {
            journal.end_verification(id).await?;
        }
        let is_gone = |contact: &&DifferingContact| contact.differences.contains(&Difference::Gone);
        let summary = VerifySummary {
            contacts,
            verified: contacts.saturating_sub(unread),
            differing: differing.len() as u64,
            gone: differing.iter().filter(is_gone).count() as u64,
            unread: if stop.reason().is_none() { unread } else { 0 },
            calls,
            ..VerifySummary::default()
        };
        Ok::<_, JournalError>((summary, differing))
    });
    reporter.notify(&Notification::Sent);
    let (summary, differing) = ended?;
    let stopped = stop.reason();
    let (state, reason) = match &stopped {
        Some(reason) => (RunState::Stopped, Some(reason.text())),
        None => (RunState::Finished, None),
    };
    let seconds = clock.now().since(begun).as_secs_f64();
    let summary = VerifySummary { state: state.name(), reason, seconds, ..summary };
    Ok(VerifyOutcome { summary, differing, stopped })
}

// The known contacts that an input has, by a plan that is stored nowhere.
fn contacts_of<R: Reporter>(
    path: &Path,
    channel: &str,
    input: VerifiedInput<'_>,
    environment: Environment<'_, R>,
) -> Result<BTreeSet<i64>, SyncError> {
    let VerifiedInput { source, mapping, policy, duplicates, routing, .. } = input;
    let journal = Journal::dry(path)?;
    let run = NewRun { channel: channel.to_owned(), ..run_of_no_channel(source.name(), policy) };
    // Without the name of a source, all rows are mapped.
    let options = PlanOptions { duplicates, ..PlanOptions::default() };
    let to_plan = InputToPlan { source, mapping, routing: &routing, runs: vec![run], policy, options };
    let (planned, _) = plan_input(&journal, to_plan, &mut |_| Ok(()), environment)?;
    environment.reporter.notify(&Notification::Planned(&planned));
    let mut contacts = BTreeSet::new();
    for run in planned.runs {
        contacts.extend(journal.contacts_of_plan(run)?);
    }
    Ok(contacts)
}

/// A verification in progress.
struct Verifying<'a> {
    journal: &'a Journal,
    stop: &'a Stop,
    open: OpenVerification,
    // With the number of contacts that the platform last stated for it.
    marker: Option<(Field, Option<u64>)>,
    scope: Scope,
    remedy: Remedy,
    // Number of refused reads in a row.
    refused: Cell<u32>,
    // Number of contacts that are still to be read.
    left: Cell<u64>,
}

impl Verifying<'_> {
    async fn read<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError> {
        self.left.set(self.journal.count_unread(self.open.id).await?);
        calls.announce(self.open.progress.contacts, self.left.get());
        self.walk(calls).await?;
        let (mut after, mut more) = (0, true);
        while more && self.stop.reason().is_none() {
            let unread = self.journal.unread(self.open.id, after, READ_TOGETHER).await?;
            more = !unread.is_empty();
            after = unread.last().map_or(after, |last| last.contact);
            let reads = stream::iter(unread.into_iter().map(|contact| self.read_one(calls, contact)));
            let mut reads = reads.buffer_unordered(calls.concurrency());
            while let Some(read) = reads.next().await {
                read?;
            }
        }
        Ok(())
    }

    // Reads pages as long as that takes fewer calls than reading the contacts that are left one by one.
    async fn walk<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError> {
        let Some((marker, total)) = self.marker.clone() else { return Ok(()) };
        let key = format!("{}={}", marker.name, marker.value.text());
        let mut idle = 0;
        while !self.open.progress.is_by_id && self.stop.reason().is_none() {
            let is_first = self.open.progress.pages == 0;
            let is_dearer = total.is_some_and(|total| !is_cheaper_by_pages(total, 0, self.left.get()));
            if self.left.get() <= 1 || is_first && is_dearer {
                break;
            }
            let call = Call::Find { field: marker.clone(), page: self.open.progress.pages + 1 };
            let ended = match calls.ask(&call, &key).await? {
                Asked::Answered(ended) => ended,
                // The contacts may still be readable.
                Asked::Failed(_) => break,
                Asked::Stopped => return Ok(()),
            };
            let page = match &ended.attempt {
                Attempt::Page(page) if page.contradiction.is_none() => page.clone(),
                // The contacts may still be readable by id.
                Attempt::Page(_)
                | Attempt::Contact(_)
                | Attempt::Created(_)
                | Attempt::Done
                | Attempt::Missing { .. }
                | Attempt::Taken { .. }
                | Attempt::Refused { .. }
                | Attempt::Unauthorized { .. }
                | Attempt::Throttled { .. }
                | Attempt::Queued { .. }
                | Attempt::WrongPath { .. }
                | Attempt::Unsent { .. }
                | Attempt::Lost { .. } => {
                    calls.journal_end(&ended).await?;
                    break;
                }
            };
            let before = self.left.get();
            self.take(ended, page).await?;
            calls.tick(self.open.progress.contacts.saturating_sub(self.left.get()), self.left.get());
            // The pages show other contacts, or repeat: reading by id is certain to end.
            idle = if before == self.left.get() { idle + 1 } else { 0 };
            if idle >= IDLE_PAGES {
                break;
            }
        }
        if self.stop.reason().is_none() && !self.open.progress.is_by_id {
            self.open.progress.is_by_id = true;
            self.journal.set_progress(self.open.id, self.open.progress.clone()).await?;
        }
        Ok(())
    }

    async fn take(&mut self, ended: Ended, page: Page) -> Result<(), JournalError> {
        let Page { contacts, more, total, .. } = page;
        let progress = &mut self.open.progress;
        progress.pages += 1;
        let walked = u64::from(progress.pages);
        // Without a total, nothing shows that the pages are few.
        let is_cheaper = |unread| total.is_some_and(|total| is_cheaper_by_pages(total, walked, unread));
        progress.is_by_id = !more || contacts.is_empty();
        let bare = Page { more, total, ..Page::default() };
        let ended = Ended { attempt: Attempt::Page(bare), ..ended };
        let seen = (contacts, self.scope.clone());
        self.journal.record_seen(self.open.id, ended, progress.clone(), seen).await?;
        self.left.set(self.journal.count_unread(self.open.id).await?);
        self.open.progress.is_by_id |= !is_cheaper(self.left.get());
        Ok(())
    }

    async fn read_one<T: Transport, O: Observer>(
        &self,
        calls: &ReadCalls<'_, T, O>,
        contact: Unread,
    ) -> Result<(), JournalError> {
        let Unread { contact, key, match_field, known } = contact;
        let call = Call::Read { id: known.id.clone() };
        let ended = match calls.ask(&call, &key).await? {
            Asked::Answered(ended) => ended,
            Asked::Failed(_) | Asked::Stopped => return Ok(()),
        };
        let found = match &ended.attempt {
            // An answer with another contact says nothing about this one.
            Attempt::Contact(remote) if remote.id != known.id => return calls.journal_end(&ended).await,
            Attempt::Contact(remote) => {
                let marker = self.marker.as_ref().map(|(marker, _)| &*marker.name);
                differences(match_field.as_ref(), &known, remote, &self.scope, marker)
            }
            Attempt::Missing { .. } if self.open.recent.contains(&contact) => return calls.journal_end(&ended).await,
            Attempt::Missing { .. } => vec![Difference::Gone],
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } => {
                self.refused.set(self.refused.get() + 1);
                if self.refused.get() >= REFUSED_IN_A_ROW {
                    let text = format!("the platform refused {REFUSED_IN_A_ROW} reads in a row: {message}");
                    self.stop.ask(StopReason::Refusing(text));
                }
                return calls.journal_end(&ended).await;
            }
            Attempt::Page(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. } => return calls.journal_end(&ended).await,
        };
        self.refused.set(0);
        // The journal has the values where they are known.
        let ended = Ended { attempt: ended.attempt.without_values(), ..ended };
        self.journal.record_read(self.open.id, ended, contact, (found, self.remedy)).await?;
        self.left.set(self.left.get().saturating_sub(1));
        calls.tick(self.open.progress.contacts.saturating_sub(self.left.get()), self.left.get());
        Ok(())
    }
}
