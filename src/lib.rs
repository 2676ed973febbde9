//! Imports contacts into messaging platforms whose API accepts 100 calls a minute, and keeps them in sync.
//!
//! A sync has two halves. Planning reads an input without the network and stores what differs in the [`Journal`].
//! Sending makes the calls for what is pending, at the platform's limit. Resuming is sending again: the journal has
//! every intent and every answer, so the next process continues where a killed one ended.
//! `examples/import.rs` is a complete program.
//!
//! ```text
//! file → input → Record → mapping → Contact → compared with RemoteState → pending item in the journal
//!      → Task → Call → permit → intent journaled → sent → Attempt journaled → next Call … → Outcome
//! ```
//!
//! # Layers
//!
//! Imports point down only; `tests/architecture.rs` enforces it.
//!
//! ```text
//! bin/contactsync                          arguments, configuration, output, exit codes
//! sync                                     the use cases and the loops
//! input · journal · platform · sandbox     adapters, which do not import each other
//! core                                     values and pure functions: no I/O, no clock, no randomness, never async
//! ```
//!
//! `docs/architecture.md` describes the life of a row, the invariants and the modules.

mod core;
mod input;
mod journal;
mod platform;
mod sync;

#[cfg(feature = "sandbox")]
pub mod sandbox;

pub use crate::core::answer::{Answer, RateLimit};
pub use crate::core::attempt::Attempt;
pub use crate::core::call::{Call, CallKind, Cleared, Started};
pub use crate::core::channel::WindowId;
pub use crate::core::circuit_breaker::OUTAGE_TIMEOUT;
pub use crate::core::diff::TagsMode;
pub use crate::core::duplicates::{Duplicates, UnknownDuplicates};
pub use crate::core::eta::{Eta, Limits, RateModel, Span, TYPICAL_LATENCY};
pub use crate::core::guard::{BadMaxChanges, MaxChanges, TooManyChanges};
pub use crate::core::guess::{
    Chosen, ColumnGuess, CountryGuess, Export, Guess, Language, Made, Meaning, Sampled, guess,
};
pub use crate::core::limits::{Bounded, TooLong};
pub use crate::core::list::JsonList;
pub use crate::core::mapping::{Mapping, MappingError, OutlineLine, rules};
pub use crate::core::model::{Contact, ContactId, Draft, Field, Flaw, Key, Mode, Rejection, Remote, Value};
pub use crate::core::output_format::{ListFiles, Listing, OutputFormat};
pub use crate::core::page::{OtherHit, Page, Shown};
pub use crate::core::plan::{Forecast, Range};
pub use crate::core::planner::Planner;
pub use crate::core::recognition::{Acquaintance, Verdict};
pub use crate::core::record::{Cells, Record, Texts};
pub use crate::core::sample::{Change, Sample, change, other_forms, sampled};
pub use crate::core::shared_values::{SharedField, SharedValues};
pub use crate::core::start_throttle::StartThrottle;
pub use crate::core::task::{Outcome, Policy};
pub use crate::core::text::Text;
pub use crate::core::time::{ClockOffset, Timestamp};
pub use crate::input::{
    Charset, Delimiter, Detected, Format, Input, Notice, NoticeKind, Packing, Row, RowsFault, SheetRead, Source,
    SourceError, SourceFault, SourceOptions, UnknownCharset, UnknownDelimiter, UnknownFormat, panic_is_caught,
};
pub use crate::journal::{
    Carried, Counts, Ended, Item, Journal, JournalError, LearntLimit, ListedRow, Lock, LockError, Loss, NO_CHANNEL,
    NewRun, Recorded, Removed, Rows, RunRow, RunState, SendJournal, StateUpdate,
};
pub use crate::platform::dialect;
pub use crate::platform::limiter::Clock;
pub use crate::platform::{
    BaseUrl, ChannelKind, Clients, Http, HttpError, PRESETS, Preset, TIMEOUT, Timeouts, Token, TokenError,
    UnknownPreset, UrlError, preset,
};
pub use crate::sync::report::{
    Calls, ListError, ListFault, ListFile, ListKind, Minutes, PlanSummary, Rejects, Results, RowResult, RunSummary,
    Summary,
};
pub use crate::sync::{
    ChannelOutcome, CheckedContact, CheckedInput, Connection, DryChannel, DryRun, DryRunOutcome, Ending, Environment,
    Event, GuardError, HeldChannel, InputCheck, Interrupted, Job, KEPT_HISTORY, ListClaims, Listed, ListingError,
    Locked, LockedChannel, Mismatch, NewColumn, Notification, Observer, Overrides, PlanError, PlanOptions, PlannedRuns,
    Probe, Recognised, RejectReason, RejectReasons, RenewToken, Reporter, ResumeOptions, Routes, Routing, RowLists,
    RunOptions, Silent, Stop, StopReason, SyncError, SyncInput, SyncOutcome, TagMentions, Tokens, Transport, Tried,
    WITHOUT_CHANNEL, Wait, Workspace, check_input, concurrency_for, dry_run, plan, plan_summary, run_summary, send,
    send_all, sync_input,
};
