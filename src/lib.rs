//! Imports contacts into messaging platforms whose API accepts 100 calls a minute, and keeps them in sync.
//!
//! This is the library behind the program `contactsync`. A program that uses it has the guarantees of the command line: no
//! duplicates, no dropped contacts, never over the rate limit; `docs/promises.md` states them with their assumptions.
//!
//! - [A sync](#a-sync)
//! - [Progress](#progress)
//! - [Stopping and resuming](#stopping-and-resuming)
//! - [The other use cases](#the-other-use-cases)
//! - [The six calls by hand](#the-six-calls-by-hand)
//! - [Asynchronous programs](#asynchronous-programs)
//! - [Tests without a platform](#tests-without-a-platform)
//! - [Features](#features)
//!
//! # A sync
//!
//! A [`Workspace`] opens a [`Journal`], which stores what is known of each channel's contacts. [`sync_input`] makes a platform
//! match an input: it locks the channels, compares their URL, match fields and token with what the journal knows, plans the
//! input, and sends the calls for what differs, at the platform's rate limit. [`dry_run`] makes the same plan without sending or
//! storing anything.
//!
//! [`Connection`] is a platform and its rate, [`Source`] an input, [`Mapping`] the rules by which its rows become contacts, and
//! [`Policy`] how contacts are created and changed. The other fields of [`SyncInput`] are the options of `contactsync sync`, which
//! `docs/reference.md` describes. [`SyncInput::new`], [`Policy::new`] and [`RunOptions::default`] use the program's
//! defaults:
//!
//! ```no_run
//! use std::error::Error;
//! use std::num::NonZeroU32;
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use contactsync::client::{ChannelKind, Timeouts};
//! use contactsync::source::SourceOptions;
//! use contactsync::{
//!     BaseUrl, Clock, Connection, Environment, Http, Input, Mapping, Mode, Policy, RunOptions, Silent, Source, Stop, SyncInput,
//!     Token, Workspace, sync_input,
//! };
//!
//! fn main() -> Result<(), Box<dyn Error>> {
//!     let runtime = tokio::runtime::Runtime::new()?;
//!
//!     // The platform, and its limit of 100 calls a minute.
//!     let url = BaseUrl::parse("https://app.example.com/api/v1", false)?;
//!     let token = Token::new(&std::env::var("CONTACTSYNC_TOKEN")?)?;
//!     let http = Http::new(url, token, ChannelKind::Standard, Timeouts::default())?;
//!     let connection = Connection::new(http, NonZeroU32::new(100).expect("100 is not 0"));
//!
//!     // The input. Each column is the field of its name; contacts are found by their phone.
//!     let source = Source::open(&Input::Path("contacts.csv".into()), SourceOptions::default())?;
//!     let mapping = Mapping::new(source.header(), vec!["phone".into()], Mode::Upsert)?;
//!
//!     let (clock, stop) = (Clock::system(), Stop::default());
//!     let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &Silent };
//!     let policy = Policy::new(Mode::Upsert);
//!     let mut input = SyncInput::new(vec![("default".into(), connection)], source, &mapping, policy);
//!     // Nothing is sent if the export has fewer rows than this.
//!     input.guards.min_rows = Some(900);
//!     input.options = RunOptions { outage_timeout: Duration::from_secs(60), ..RunOptions::default() };
//!     let workspace = Workspace::open(Path::new("contactsync.db"), "my import")?;
//!     let outcome = sync_input(&workspace, input, environment)?;
//!     println!("{}", outcome.summary?.to_json());
//!     Ok(())
//! }
//! ```
//!
//! # Progress
//!
//! A use case prints nothing. It emits an [`Event`] for each row, call, wait and failure to an [`Observer`], and a
//! [`Notification`] for what concerns the whole run to a [`Reporter`]. [`Silent`] drops both. An observer of one method is enough
//! to draw a progress bar:
//!
//! ```
//! use std::cell::Cell;
//!
//! use contactsync::{Event, Observer};
//!
//! #[derive(Default)]
//! struct Progress {
//!     done: Cell<u64>,
//! }
//!
//! impl Observer for Progress {
//!     fn observe(&self, event: &Event<'_>) {
//!         match event {
//!             Event::Done { .. } => self.done.set(self.done.get() + 1),
//!             Event::Tick { used, limit, .. } => println!("{} done, {used} of {limit} calls", self.done.get()),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let progress = Progress::default();
//! progress.observe(&Event::ReadBack { contacts: 1 });
//! assert_eq!(progress.done.get(), 0);
//! ```
//!
//! # Stopping and resuming
//!
//! [`Stop::ask`], from any thread, ends a use case early: it starts no further call and waits for those in flight. A run that was
//! stopped or killed is [`Interrupted`]. Resuming it sends what is left, without the input; syncing the input again does the same
//! for the input as it is now.
//!
//! ```
//! use contactsync::{Stop, StopReason};
//!
//! let stop = Stop::default();
//! let handle = stop.clone();
//! std::thread::spawn(move || handle.ask(StopReason::Signal("SIGTERM"))).join().expect("it does not panic");
//! assert_eq!(stop.reason().map(|reason| reason.text()), Some("stopped by SIGTERM".to_owned()));
//! ```
//!
//! # The other use cases
//!
//! | function | does |
//! | --- | --- |
//! | [`check::check`] | checks an input, and with a few calls that change nothing, a platform and its token |
//! | [`read_back::pull`] | learns the platform's contacts, ten a call |
//! | [`read_back::verify`] | reads known contacts back and finds what differs |
//! | [`undo::Undo`] | restores what a run changed |
//! | [`history::history`], [`history::forget`] | lists the runs of a journal; erases a person from it |
//! | [`run_report::run_report`], [`run_report::compare_runs`] | reports what happened in a run; compares two runs |
//! | [`one_contact::explain`], [`one_contact::edit_contact`] | shows the history of one contact; changes one contact |
//! | [`suggestion::suggest`] | suggests a mapping for the columns of an input |
//!
//! Each takes an [`Environment`]: the runtime, the clock, how to stop, and the reporter.
//!
//! # The six calls by hand
//!
//! A [`client::Client`] finds, reads, creates and updates single contacts and changes their tags. Its calls wait for the same rate
//! limit and are written to the same journal as those of a sync:
//!
//! ```
//! # #[cfg(feature = "sandbox")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::num::NonZeroU32;
//!
//! use contactsync::client::{ChannelKind, Client, ClientOptions, Timeouts};
//! use contactsync::sandbox::{Config, Sandbox};
//! use contactsync::{BaseUrl, Clock, Connection, Environment, Field, Http, Silent, Stop, Token, Workspace};
//!
//! let runtime = tokio::runtime::Runtime::new()?;
//! let sandbox = runtime.block_on(Sandbox::start(Config::default()))?;
//!
//! let url = BaseUrl::parse(&sandbox.url(), false)?;
//! let http = Http::new(url, Token::new("any")?, ChannelKind::Standard, Timeouts::default())?;
//! let connection = Connection::new(http, NonZeroU32::new(100).expect("100 is not 0"));
//!
//! let workspace = Workspace::in_memory()?;
//! let (clock, stop) = (Clock::system(), Stop::default());
//! let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &Silent };
//! let client = Client::open(&workspace, ("default".into(), connection), ClientOptions::default(), environment)?;
//!
//! let phone = Field::text("phone", "+525550001001");
//! let id = client.create(&[phone.clone()])?;
//! client.add_tags(&id, &["lead"])?;
//! assert_eq!(client.find(&phone)?.len(), 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sandbox"))]
//! # fn main() {}
//! ```
//!
//! # Asynchronous programs
//!
//! Use cases block, and drive their connections and timers on the runtime of the [`Environment`]. An asynchronous program calls
//! them on a thread that may block, with `tokio::task::spawn_blocking`.
//!
//! # Tests without a platform
//!
//! With the feature `sandbox`, `sandbox::Sandbox` is the platform as a server on this machine, with its rate limit, its loose
//! search, and faults on demand. Its ledger lists the calls that it received.
//!
//! # Features
//!
//! `cli` (default) builds the program; a library user leaves it out. `sandbox` (default) has the simulated platform.
//!
//! ```toml
//! [dependencies]
//! contactsync = { version = "0.1", default-features = false }
//! ```
//!
//! The programs in `examples` run against a sandbox: `import`, `observer`, `client` and `verify`. The modules contain the types
//! that the items here use. `docs/architecture.md` describes the layers, the invariants and the life of a row.

mod core;
mod input;
mod journal;
mod platform;
mod sync;

#[cfg(feature = "sandbox")]
pub mod sandbox;

pub use crate::core::approval::Approval;
pub use crate::core::circuit_breaker::OUTAGE_TIMEOUT;
pub use crate::core::diff::TagsMode;
pub use crate::core::duplicates::Duplicates;
pub use crate::core::eta::Limits;
pub use crate::core::guard::{InputGuards, RowLimit};
pub use crate::core::kept_values::KeptValues;
pub use crate::core::mapping::Mapping;
pub use crate::core::missing::Mark;
pub use crate::core::model::{Contact, Field, Mode};
pub use crate::core::selection::{ContactRef, Selection};
pub use crate::core::task::{Policy, SEARCH_LAG};
pub use crate::core::time::Timestamp;
pub use crate::input::{Format, Input, Source};
pub use crate::journal::Journal;
pub use crate::platform::limiter::Clock;
pub use crate::platform::{BaseUrl, Http, Token};
pub use crate::sync::{
    Connection, DEFAULT_SOURCE, DryChannel, DryRun, DryRunOutcome, Environment, Event, GuardError, Interrupted,
    KEPT_BEFORE, KEPT_HISTORY, Notification, Observer, Overrides, Reporter, ResumeOptions, Routing, RowLists,
    RunOptions, Silent, Stop, StopReason, SyncError, SyncInput, SyncOutcome, Workspace, dry_run, sync_input,
};

/// The health of nightly runs, and when a message about it is due.
pub mod alert {
    pub use crate::core::alert::{
        AlertKind, Health, JobMemory, Judgement, Night, NightEnd, NightRows, ROWS_COMPARED, ROWS_LEAST, Thresholds,
        Unusual,
    };
}

/// Whether everything is ready for a sync.
pub mod check {
    pub use crate::core::planner::Planner;
    pub use crate::core::sample::{Change, Sample};
    pub use crate::sync::{
        ChannelGuards, Check, CheckReport, CheckedChannel, CheckedContact, CheckedInput, InputCheck, InputToCheck,
        Lookup, RejectReason, TokenCheck, check,
    };
}

/// How a platform is reached, and its six calls by hand.
pub mod client {
    pub use crate::platform::{
        ChannelKind, Clients, HttpError, PRESETS, Preset, TIMEOUT, Timeouts, TokenError, UnknownPreset, UrlError,
        Webhook, WebhookError, preset,
    };
    pub use crate::sync::{Client, ClientError, ClientOptions, FoundPage, RenewToken};
}

/// The parts of a contact, and the errors for invalid ones.
pub mod contact {
    pub use crate::core::model::{ContactId, Draft, Flaw, HASHED, Key, Rejection, Remote, Value};
    pub use crate::core::record::{Cells, Texts};
    pub use crate::core::size_limits::{Bounded, TooLong};
    pub use crate::core::text::Text;
}

/// How many calls a plan takes, and how long.
pub mod estimate {
    pub use crate::core::eta::{Eta, RateModel, Span, TYPICAL_LATENCY};
    pub use crate::core::start_throttle::StartThrottle;
    pub use crate::sync::concurrency_for;
}

/// The runs of a journal.
pub mod history {
    pub use crate::journal::{
        Counts, JournalError, LearntLimit, ListedRow, Lock, LockError, Loss, NO_CHANNEL, Removed, RunRow, RunState,
    };
    pub use crate::sync::{ForgetError, Forgotten, INTERRUPTED, PastRun, forget, history};
}

/// What happened in a run, and how two runs differ.
pub mod run_report {
    pub use crate::core::call_failures::{CallFailure, CallFailures};
    pub use crate::core::call_rate::{CallEnds, CallRate, Latency, RateBar};
    pub use crate::core::reason_groups::{ReasonChange, ReasonGroup, ReasonGroups};
    pub use crate::core::run_sentence::RunProgress;
    pub use crate::journal::{MissingContact, SlowCall};
    pub use crate::sync::{
        RemainingWork, RunComparison, RunReport, RunReportError, call_rates, compare_runs, run_report,
    };
}

/// One contact at a time: its history, and calls by hand.
pub mod one_contact {
    pub use crate::core::by_hand::{BadEdit, Edit, ReservedName, When};
    pub use crate::core::contact_change::{ContactChange, FieldChange};
    pub use crate::core::verification::Difference;
    pub use crate::sync::{
        CallStory, ContactAction, ContactEdit, ContactError, ContactSearch, EditOutcome, EditSummary, EditedContact,
        ExplainError, ExplainedInput, FoundContacts, InputStory, LiveStory, PastTry, PlannedRequest, ReadContact,
        ReadOutcome, RowStory, RunStory, Story, StoryState, WrittenValue, edit_contact, explain, explain_live,
        find_contacts, get_contact, preview_edit,
    };
}

/// Channels whose locks are held.
pub mod locks {
    pub use crate::sync::{Locked, LockedChannel, ReadOnlyChannel};
}

/// Learning the platform's contacts, and reading them back.
pub mod read_back {
    pub use crate::core::guess::masked;
    pub use crate::core::marker::PullSuggestion;
    pub use crate::core::verification::{Difference, Remedy};
    pub use crate::sync::{
        DifferingContact, Pull, PullConflict, PullOutcome, PullSummary, VerifiedInput, Verify, VerifyOutcome,
        VerifySummary, pull, verify,
    };
}

/// Undoing what a run changed.
pub mod undo {
    pub use crate::core::contact_change::FieldChange;
    pub use crate::sync::{Undo, UndoError, UndoFate, UndoOptions, UndoOutcome, UndoSummary, UndoneContact};
}

/// The rules by which rows become contacts.
pub mod mapping {
    pub use crate::core::doubtful_values::DoubtfulValues;
    pub use crate::core::list::JsonList;
    pub use crate::core::mapping::{MappingError, OutlineLine, rules};
    pub use crate::core::shared_values::Evidence;
}

/// Options that are parsed from text, and their errors.
pub mod options {
    pub use crate::core::duplicates::UnknownDuplicates;
    pub use crate::core::guard::{BadRowLimit, Refused};
    pub use crate::core::missing::BadMark;
    pub use crate::core::selection::BadContactRef;
}

/// The results of a run or a plan: summaries, outcomes, and lists of rows.
pub mod report {
    pub use crate::core::approval::{Counted, Difference};
    pub use crate::core::call::CallKind;
    pub use crate::core::contact_change::{ChangeKind, ContactChange, FieldChange};
    pub use crate::core::field_use::{FieldUse, FieldUses};
    pub use crate::core::forecast::Range;
    pub use crate::core::guess::masked;
    pub use crate::core::missing::{MissingCounts, MissingUnsure};
    pub use crate::core::routing::NotRoutedCounts;
    pub use crate::core::task::Outcome;
    pub use crate::sync::report::{
        Calls, ListError, ListFault, ListFile, ListKind, Minutes, PlanSummary, Rejects, Results, RowResult, RunSummary,
        Summary,
    };
    pub use crate::sync::{
        ChannelOutcome, Ending, ListingError, Mismatch, NewColumn, PlanError, PlannedRuns, RefusedInput,
        WITHOUT_CHANNEL, Wait,
    };
}

/// The options of an input, its detected format, and its errors.
pub mod source {
    pub use crate::core::output_format::{ListFiles, Listing, OutputFormat};
    pub use crate::core::record::Record;
    pub use crate::input::{
        Charset, Delimiter, Detected, InputSetting, Notice, NoticeKind, Packing, Row, RowsFault, SheetRead,
        SourceError, SourceFault, SourceOptions, UnknownCharset, UnknownDelimiter, UnknownFormat, panic_is_caught,
    };
}

/// The mapping that the columns of an input suggest.
pub mod suggestion {
    pub use crate::core::guess::{Chosen, ColumnGuess, CountryGuess, Export, Guess, Language, Made, Meaning};
    pub use crate::sync::{InitError, Judged, Suggestion, suggest};
}

/// The engine below the use cases, for the tests and benches of this repository. It has no stable interface, and skips the
/// guards of a [`Workspace`].
#[doc(hidden)]
pub mod engine {
    pub use crate::core::answer::{Answer, RateLimit};
    pub use crate::core::attempt::Attempt;
    pub use crate::core::call::{Call, Cleared, Started};
    pub use crate::core::first_writes::{FieldVerdict, FirstWrite};
    pub use crate::core::forecast::Forecast;
    pub use crate::core::page::{OtherHit, Page, Shown};
    pub use crate::core::time::ClockOffset;
    pub use crate::core::token_recognition::{KnownContact, Verdict};
    pub use crate::core::window_id::WindowId;
    pub use crate::journal::{
        Carried, Ended, Item, MarkItem, MarkUpdate, NewRun, Recorded, Rows, SendJournal, StateUpdate,
    };
    pub use crate::platform::dialect;
    pub use crate::sync::{
        Approving, Job, ListClaims, Listed, PlanOptions, Routes, Transport, plan, plan_undo, send, send_all,
    };
}
