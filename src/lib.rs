//! Bulk import and sync of contacts into messaging platforms whose API takes 100 calls a minute.
//!
//! # The way of one row
//!
//! ```text
//! file → source → Record → mapping → Contact → diff against Known → pending item
//!      → Task → Call → permit → intent in the journal → sent → Attempt → journal → next Call … → Outcome
//! ```
//!
//! A run has two halves. **Planning** reads the input without the network: each row becomes a [`Contact`] or a rejection,
//! and a contact that differs from what the journal knows becomes a pending item. **Sending** takes the pending items
//! in the file's order and asks each one's task which call comes next, until it says that the contact is done.
//! Resuming is sending again: a task is a fold of what the journal holds, so a killed process leaves nothing that the
//! next one does not read.
//!
//! One input may go to several channels. Each has a run of its own, and these are planned together and sent side by side:
//! what befalls one of them does not befall the others. Channels whose tokens are equal share one window.
//! The calls of all set out through one gate, which spreads what a thousand windows would let start at one moment.
//!
//! # Layers
//!
//! Imports point down only; a test (`tests/architecture.rs`) holds it.
//!
//! * `bin/contactsync` talks to a person: arguments, bars, exit codes. It sees what this file re-exports, no more.
//! * `sync` has the loops: plan a file, send what is pending. It emits events and knows no bars.
//! * `edges` touch the world, each one thing: `source` (files), `journal` (the only SQL), `platform` (HTTP),
//!   `pace` (the only waiting), `report` (summaries), `sandbox` (a platform to try things on). They do not know each
//!   other.
//! * `core` decides: values and pure functions. It does no I/O, reads no clock, rolls no dice, and is never async.
//!
//! # What always holds
//!
//! * **A create is never sent twice on a guess.** Its intent is committed before it is sent. While its answer is unknown,
//!   its contact is *in doubt*. A refusal resolves the doubt, and so does a search that finds the contact. So does a
//!   complete and consistent search after the search lag that finds neither it nor a new contact that could be it.
//! * **Only a consistent search shows that a contact is absent.** A search that is refused, reports an error or
//!   contradicts itself proves nothing about the contact.
//! * **One contact id belongs to one key of a channel.** The journal refuses an answer that names the id of another key.
//! * **No unpaced and no unjournaled call.** A transport takes a call only with a permit, which only the window makes,
//!   and with the journal's word that its intent is committed. Sending consumes both, and neither can be copied.
//! * **A granted call always ends for the window**, whatever becomes of its future: given back when nothing of it left
//!   this machine, counted for longer when nobody answered it. What the platform says of its limit makes the window
//!   stricter, never more generous.
//! * **No call starts on a journal that is gone.** Within the transaction that commits an intent, the paths of the journal, of
//!   its log and of the locks still name the files that are open. A process that takes a channel after a lock was deleted
//!   waits for that transaction, and so sees each call that was started before.
//! * **An answer and what it implies are one commit**: the attempt, what is now known of the contact, and how its row
//!   ended. There is no moment at which one is on disk without the others.
//! * **Every row is in exactly one state**, because a row is one line of one table. The summary counts that table.
//! * **Nobody waits but in `pace`**, and what waits for a delay holds no slot and no permit.
//! * **A token appears in one place**, the transport. No error, no event and no journaled value can hold it.

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
pub use crate::core::duplicates::{Duplicates, UnknownDuplicates, merged};
pub use crate::core::eta::{Eta, Limits, RateModel, Span, TYPICAL_LATENCY};
pub use crate::core::guard::{BadMaxChanges, MaxChanges, TooManyChanges};
pub use crate::core::guess::{
    Chosen, ColumnGuess, CountryGuess, Export, Guess, Language, Made, Meaning, Sampled, guess,
};
pub use crate::core::limits::{Bounded, TooLong};
pub use crate::core::mapping::{Mapping, MappingError, OutlineLine, rules};
pub use crate::core::model::{Contact, ContactId, Draft, Field, Flaw, Key, Mode, Rejection, Remote, Value};
pub use crate::core::output_format::{ListFiles, Listing, OutputFormat};
pub use crate::core::page::{OtherHit, Page, Shown};
pub use crate::core::plan::{Forecast, Range};
pub use crate::core::recognition::{Acquaintance, Verdict};
pub use crate::core::record::{Cells, Record, Texts};
pub use crate::core::sample::{Change, Sample, change, other_forms, sampled};
pub use crate::core::start_throttle::StartThrottle;
pub use crate::core::task::{Outcome, Policy};
pub use crate::core::text::Text;
pub use crate::core::time::{ClockOffset, Timestamp};
pub use crate::input::{
    Charset, Delimiter, Detected, Format, Input, Notice, NoticeKind, Packing, Row, RowsFault, SheetRead, Source,
    SourceError, SourceFault, SourceOptions, UnknownCharset, UnknownDelimiter, UnknownFormat,
};
pub use crate::journal::{
    Carried, Counts, Ended, Item, Journal, JournalError, LearntLimit, ListedRow, Lock, LockError, Loss, NO_CHANNEL,
    NewRun, Recorded, Rows, RunRow, RunState, SendJournal, StateUpdate,
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
    Ending, Event, Job, ListClaims, Listed, ListingError, Observer, PlanError, PlanOptions, PlannedRuns, Probe,
    Recognised, Routes, Stop, StopReason, TagMentions, Transport, Wait, concurrency_for, plan, plan_summary,
    run_summary, send, send_all,
};
