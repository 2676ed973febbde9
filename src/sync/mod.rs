//! The use cases, one file each, and the engine that sends pending contacts. It emits events and prints nothing.

mod access;
mod changed_columns;
mod channels;
mod check;
mod client;
mod connection;
mod contact;
mod dry_run;
mod environment;
mod event;
mod execute;
mod explain;
mod forget;
mod guard_error;
mod history;
mod init;
mod known_rows;
mod limiters;
mod one_channel;
mod other_runs;
mod plan;
mod plan_input;
mod probe;
mod pull;
mod read_calls;
pub mod report;
mod reporter;
mod resume;
mod routing;
mod row_lists;
mod row_router;
mod run;
mod run_report;
mod shared_window_eta;
mod stop;
mod summary;
mod sync_error;
mod sync_input;
mod transport;
mod undo;
mod verify;
mod workspace;

pub use self::channels::{send, send_all};
pub use self::check::{
    ChannelGuards, Check, CheckReport, CheckedChannel, CheckedContact, CheckedInput, InputCheck, InputToCheck, Lookup,
    RejectReason, TokenCheck, check,
};
pub use self::client::{Client, ClientError, ClientOptions, FoundPage};
pub use self::connection::{Connection, RenewToken};
pub use self::contact::{
    ContactAction, ContactEdit, ContactError, ContactSearch, EditOutcome, EditSummary, EditedContact, FoundContacts,
    PlannedRequest, ReadContact, ReadOutcome, edit_contact, find_contacts, get_contact, preview_edit,
};
pub use self::dry_run::{DryChannel, DryRun, DryRunOutcome, dry_run};
pub use self::environment::Environment;
pub use self::event::{Event, Observer, Wait};
pub use self::execute::{ChannelOutcome, KEPT_BEFORE, KEPT_HISTORY, RunOptions, SyncOutcome};
pub use self::explain::{
    CallStory, ExplainError, ExplainedInput, InputStory, LiveStory, PastTry, RowStory, RunStory, Story, StoryState,
    WrittenValue, explain, explain_live,
};
pub use self::forget::{ForgetError, Forgotten, forget};
pub use self::guard_error::{GuardError, Mismatch};
pub use self::history::{INTERRUPTED, PastRun, history};
pub use self::init::{InitError, Judged, Suggestion, suggest};
pub use self::other_runs::WITHOUT_CHANNEL;
pub use self::plan::{Approving, PlanError, PlanOptions, PlannedRuns, RefusedInput, Routes, plan};
pub use self::pull::{Pull, PullConflict, PullOutcome, PullSummary, pull};
pub use self::report::{ListClaims, Listed, ListingError};
pub use self::reporter::{NewColumn, Notification, Reporter, Silent};
pub use self::resume::{Interrupted, ResumeOptions};
pub use self::routing::Routing;
pub use self::row_lists::RowLists;
pub use self::run::{Ending, Job, concurrency_for};
pub use self::run_report::{
    RemainingWork, RunComparison, RunReport, RunReportError, call_rates, compare_runs, run_report,
};
pub use self::stop::{Stop, StopReason};
pub use self::sync_error::SyncError;
pub use self::sync_input::{DEFAULT_SOURCE, SyncInput, sync_input};
pub use self::transport::Transport;
pub use self::undo::{Undo, UndoError, UndoFate, UndoOptions, UndoOutcome, UndoSummary, UndoneContact, plan_undo};
pub use self::verify::{DifferingContact, VerifiedInput, Verify, VerifyOutcome, VerifySummary, verify};
pub use self::workspace::{Locked, LockedChannel, Overrides, ReadOnlyChannel, Workspace};
