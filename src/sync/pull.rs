//! The use case of `pull`: learns the platform's contacts by pages of ten through a marker field (API.md, trap 14), so that no
//! search is needed for them afterwards.
//!
//! The pages go into the journal as they come, so that an interrupted pull continues at the next page. The contacts become known
//! once all pages were walked: only then is it certain that no two of them share a key.

use std::time::Duration;

use serde::Serialize;

use crate::core::attempt::Attempt;
use crate::core::call::Call;
use crate::core::listing_effect::listed;
use crate::core::model::Field;
use crate::core::page::Page;
use crate::core::size_limits::CONTACTS_PER_PAGE;
use crate::core::time::Timestamp;
use crate::core::walk::{Walk, WalkEnd};
use crate::journal::{Ended, Journal, JournalError, OpenReading, PullAsked, RunState, ShownContact};
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::event::Observer;
use crate::sync::execute::RunOptions;
use crate::sync::one_channel::{lock_one, read_job};
use crate::sync::read_calls::{Asked, ReadCalls, with_calls};
use crate::sync::report::Calls;
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::stop::{Stop, StopReason};
use crate::sync::sync_error::SyncError;
use crate::sync::transport::Transport;
use crate::sync::workspace::{Overrides, Renewing, Tokens, Workspace};

/// Maximum number of conflicts that are named.
const CONFLICTS_NAMED: usize = 100;

/// A channel whose contacts are learnt.
#[derive(Debug)]
pub struct Pull<'a> {
    /// The channel, by name.
    pub channel: (String, Connection),
    /// The field and value that the contacts have in common.
    pub marker: Field,
    /// The match fields, in the order in which they are tried.
    pub match_fields: &'a [String],
    /// How long the platform's search may show a contact as it was before its last change.
    pub search_lag: Duration,
    /// The guards that are overridden.
    pub overrides: Overrides,
    /// How far the pull goes in this process.
    pub options: RunOptions,
}

/// What became of a pull.
#[derive(Debug)]
pub struct PullOutcome {
    /// The numbers, for scripts and people.
    pub summary: PullSummary,
    /// Why it ended early; the next pull with the same marker continues it.
    pub stopped: Option<StopReason>,
}

/// The numbers of a pull, with the names and the order that scripts rely on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PullSummary {
    /// `finished` or `stopped`.
    pub state: &'static str,
    /// Why it was stopped.
    pub reason: Option<String>,
    /// Number of contacts that the pages showed, also in earlier processes.
    pub seen: u64,
    /// Number of contacts that the platform stated; `None` when it stated none.
    pub total: Option<u64>,
    /// Contacts that are known from now on.
    pub learnt: u64,
    /// Contacts that share their match value with another one, or have the id of another known contact, and so are not learnt.
    pub conflicts: u64,
    /// Contacts of creates whose answer was lost: the next sync resolves them.
    pub in_doubt: u64,
    /// Contacts that the search listed although they do not have the value of the marker.
    pub unmarked: u64,
    /// Contacts of the total that no page showed, at least.
    pub missing: u64,
    /// Whether contacts may be missing that cannot be counted: the platform states no total, and its pages repeat or move.
    pub uncertain: bool,
    /// How often the pages were walked.
    pub passes: u32,
    /// The calls of this process.
    pub calls: Calls<u64>,
    /// Seconds that it took. The program reports the duration of its command.
    pub seconds: f64,
    /// The first conflicts, at most 100, each once.
    pub conflicting: Vec<PullConflict>,
}

/// A contact that is not learnt because another one has the same match value, or had its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PullConflict {
    /// The key that both have, or that the contact with this id had.
    pub key: String,
    /// Their ids; one id of a contact that seems to be another one than the known contact with that id.
    pub ids: Vec<String>,
}

impl PullSummary {
    /// Whether contacts with the marker are not known after it ended.
    pub const fn is_partial(&self) -> bool {
        self.conflicts > 0 || self.missing > 0 || self.uncertain
    }

    /// The summary as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }
}

/// Learns the contacts of a channel that have the marker: locks the channel and makes sure that it is that of the known contacts,
/// walks all pages, and makes known what they showed. It blocks.
///
/// # Errors
/// A [`SyncError`] when a guard refuses the channel, or the journal cannot be read or written.
pub fn pull<R: Reporter>(
    workspace: &Workspace,
    pull: Pull<'_>,
    environment: Environment<'_, R>,
) -> Result<PullOutcome, SyncError> {
    let Environment { runtime, clock, stop, reporter } = environment;
    let begun = clock.now();
    let Pull { channel, marker, match_fields, search_lag, overrides, options } = pull;
    let channel = lock_one(workspace, channel, match_fields, overrides, environment)?;
    let journal = workspace.journal();
    let asked = PullAsked {
        field: marker.name.to_string(),
        value: marker.value.text().into_owned(),
        match_fields: match_fields.to_vec(),
    };
    let reading = journal.begin_pull(channel.name(), channel.url().as_str(), asked, begun)?;
    reporter.notify(&Notification::Calling);
    reporter.notify(&Notification::Sending);
    let observers = reporter.channels(&[channel.name()]);
    let stop = stop.part();
    let transport = Renewing { channel: channel.held(), tokens: Tokens { workspace, clock, reporter } };
    let observer = observers.first();
    let job = read_job(journal, &channel, &transport, &stop, (&observer, options), environment);
    let mut pulling = Pulling { journal, stop: &stop, reading, marker: &marker, match_fields, seen: 0 };
    let ended = runtime.block_on(async {
        let calls = with_calls(job, async |calls| pulling.walk(calls).await).await?;
        let mut summary = pulling.summary();
        if pulling.reading.walk.end().is_some() {
            let since = pulling.reading.begun.before(search_lag);
            pulling.learn(since, &mut summary).await?;
        }
        Ok::<_, JournalError>(PullSummary { calls, ..summary })
    });
    reporter.notify(&Notification::Sent);
    let summary = ended?;
    let stopped = stop.reason().filter(|_| pulling.reading.walk.end().is_none());
    let (state, reason) = match &stopped {
        Some(reason) => (RunState::Stopped, Some(reason.text())),
        None => (RunState::Finished, None),
    };
    let seconds = clock.now().since(begun).as_secs_f64();
    Ok(PullOutcome { summary: PullSummary { state: state.name(), reason, seconds, ..summary }, stopped })
}

/// A pull in progress.
struct Pulling<'a> {
    journal: &'a Journal,
    stop: &'a Stop,
    reading: OpenReading,
    marker: &'a Field,
    match_fields: &'a [String],
    // Number of contacts that all pages showed.
    seen: u64,
}

impl Pulling<'_> {
    async fn walk<T: Transport, O: Observer>(&mut self, calls: &ReadCalls<'_, T, O>) -> Result<(), JournalError> {
        let key = format!("{}={}", self.marker.name, self.marker.value.text());
        let mut is_announced = false;
        while self.reading.walk.end().is_none() {
            let call = Call::Find { field: self.marker.clone(), page: self.reading.walk.page() };
            match calls.ask(&call, &key).await? {
                Asked::Answered(ended) => self.take(calls, ended).await?,
                Asked::Failed(why) => self.stop.ask(StopReason::KindDown(why)),
                Asked::Stopped => {}
            }
            if self.stop.reason().is_some() {
                return Ok(());
            }
            let left = calls_left(&self.reading.walk);
            if !std::mem::replace(&mut is_announced, true) {
                calls.announce(self.reading.walk.total().unwrap_or(self.seen), left);
            }
            calls.tick(self.seen, left);
        }
        Ok(())
    }

    async fn take<T: Transport, O: Observer>(
        &mut self,
        calls: &ReadCalls<'_, T, O>,
        ended: Ended,
    ) -> Result<(), JournalError> {
        let page = match &ended.attempt {
            Attempt::Page(page) => page.clone(),
            Attempt::Refused { message, .. } | Attempt::Taken { message, .. } | Attempt::Missing { message } => {
                self.stop.ask(StopReason::Refusing(format!("the platform refused the search: {message}")));
                return calls.journal_end(&ended).await;
            }
            Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. } => {
                self.stop.ask(StopReason::KindDown("the search was answered with something else".into()));
                return calls.journal_end(&ended).await;
            }
        };
        let reading = self.reading.id;
        let pass = self.reading.walk.pass();
        let ids = page.contacts.iter().map(|contact| contact.id.clone()).collect();
        let counts = self.journal.page_counts(reading, pass, ids).await?;
        let before = self.reading.walk.clone();
        self.reading.walk.take(&page, counts);
        let shown: Vec<ShownContact> = if page.contradiction.is_none() {
            self.seen = counts.seen;
            let taught = |contact| listed(contact, self.marker, self.match_fields);
            page.contacts.iter().map(|contact| (contact.id.clone(), taught(contact))).collect()
        } else {
            Vec::new()
        };
        // An answer that contradicts itself is no progress, and a later process asks for the page again.
        let walk = if page.contradiction.is_none() { self.reading.walk.clone() } else { before.clone() };
        if let Some(WalkEnd::Contradicted(why)) = self.reading.walk.end() {
            let (page, why) = (before.page(), why.clone());
            self.stop.ask(StopReason::Refusing(format!("page {page} of the search contradicts itself: {why}")));
            self.reading.walk = before;
        }
        // The contacts are in the table of those that were shown.
        let bare = Page { contacts: Vec::new(), others: Vec::new(), ..page };
        let ended = Ended { attempt: Attempt::Page(bare), ..ended };
        self.journal.record_page(reading, ended, (pass, walk), shown).await
    }

    fn summary(&self) -> PullSummary {
        let walk = &self.reading.walk;
        let (missing, uncertain) = match walk.end() {
            Some(WalkEnd::Missing(contacts)) => (*contacts, false),
            Some(WalkEnd::Uncertain) => (0, true),
            Some(WalkEnd::Complete | WalkEnd::Contradicted(_)) | None => (0, false),
        };
        PullSummary {
            seen: self.seen,
            total: walk.total(),
            missing,
            uncertain,
            passes: walk.pass(),
            ..PullSummary::default()
        }
    }

    async fn learn(&self, since: Timestamp, summary: &mut PullSummary) -> Result<(), JournalError> {
        let counted = (self.reading.id, self.reading.walk.counts_from());
        let mut after = None;
        loop {
            let part = self.journal.learn(counted, after, since).await?;
            summary.learnt += part.known;
            summary.in_doubt += part.in_doubt;
            summary.unmarked += part.unmarked;
            for (key, one, other) in part.conflicts {
                summary.conflicts += 1;
                let mut ids: Vec<String> = [Some(one), other].into_iter().flatten().map(String::from).collect();
                ids.sort_unstable();
                let conflict = PullConflict { key, ids };
                // Two contacts with the same key are each in conflict with the other one.
                if summary.conflicting.len() < CONFLICTS_NAMED && !summary.conflicting.contains(&conflict) {
                    summary.conflicting.push(conflict);
                }
            }
            after = part.last;
            if after.is_none() {
                break;
            }
        }
        summary.seen = summary.learnt + summary.conflicts + summary.in_doubt + summary.unmarked;
        self.journal.end_reading(self.reading.id).await
    }
}

// Number of pages that are left in this walk, when the total is known.
fn calls_left(walk: &Walk) -> u64 {
    let size = u64::try_from(CONTACTS_PER_PAGE).unwrap_or(u64::MAX);
    let pages = walk.total().unwrap_or(0).div_ceil(size);
    pages.saturating_sub(u64::from(walk.page().saturating_sub(1)))
}
