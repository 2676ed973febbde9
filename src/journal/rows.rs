//! The values that are written to the journal and read from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::call::CallKind;
use crate::core::doubt::Doubt;
use crate::core::guard::RowCounts;
use crate::core::model::{Contact, Key, Rejection, RemoteState};
use crate::core::planner::Planner;
use crate::core::record::Cells;
use crate::core::task::{Outcome, PastCall, Policy};
use crate::core::time::Timestamp;
use crate::core::undo::Written;

/// A run to be planned.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The channel it is for.
    pub channel: String,
    /// The platform's base URL.
    pub url: String,
    /// The channel's kind, as its name.
    pub kind: String,
    /// Maximum number of calls a minute.
    pub rate: u32,
    /// The input's name.
    pub input: String,
    /// The rules for its tasks.
    pub policy: Policy,
    /// When it began.
    pub now: Timestamp,
}

/// The channel of the run that holds the rows without a known channel.
pub const NO_CHANNEL: &str = "";

/// An input to be planned.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// Its runs, in the order in which rows name them.
    pub runs: Vec<NewRun>,
    /// The rules by which its rows are planned.
    pub planner: Planner,
    /// Whether all rows will be listed. Otherwise, rows that need nothing are only counted.
    pub lists_rows: bool,
}

/// An input that is being planned.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number that its runs share.
    pub sync: i64,
    /// Its runs.
    pub runs: Vec<PlanningRun>,
    /// The rules by which its rows are planned.
    pub planner: Planner,
}

/// What a plan has so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Its rows.
    pub counts: RowCounts,
    /// Whether there are rows that earlier runs rejected and that are not tried again yet.
    pub has_waiting: bool,
    /// The numbers of the runs that have something to send.
    pub to_send: Vec<i64>,
    /// Number of rows of suppressed persons, which are skipped.
    pub suppressed: u64,
}

/// Which rows of an input are to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstRows {
    /// Those whose contact is to be created or updated.
    Pending,
    /// Those that are rejected.
    Rejected,
}

/// A run that is being planned.
#[derive(Clone, Debug)]
pub struct PlanningRun {
    /// Its number.
    pub run: i64,
    /// Its channel.
    pub channel: String,
    /// The rules for its tasks.
    pub policy: Policy,
    /// When its planning began.
    pub now: Timestamp,
}

/// A row to be planned.
#[derive(Clone, Debug)]
pub enum Planned {
    /// A row that became a contact.
    Contact {
        /// Its place among the data rows, from 1.
        row: u64,
        /// The physical line on which it begins.
        line: u64,
        /// The contact.
        contact: Contact,
        /// The row as it was read, when it is to be stored.
        cells: Option<Cells>,
    },
    /// A row that is rejected.
    Rejected {
        /// Its place and the reason.
        rejection: Rejection,
        /// The row as far as it could be read, when it is to be stored.
        cells: Option<Cells>,
        /// The keys by which its contact may be known, as far as they can be read.
        keys: Vec<Key>,
    },
}

impl Planned {
    /// The row's place among the data rows, from 1.
    pub const fn row(&self) -> u64 {
        match self {
            Self::Contact { row, .. } => *row,
            Self::Rejected { rejection, .. } => rejection.row,
        }
    }
}

/// The outcome of planning a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// It is pending.
    Pending,
    /// It is merged into an earlier row of its contact.
    Merged,
    /// It is of a suppressed person, and skipped.
    Suppressed,
    /// It is done.
    Done {
        /// Its place among the data rows.
        row: u64,
        /// Its line.
        line: u64,
        /// How it ended.
        outcome: Outcome,
    },
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its input is being read. The next plan of one of its input's channels drops a run that was left in this state.
    Planning,
    /// Its input was read; nothing was sent yet.
    Planned,
    /// It is being sent, or was when its process ended.
    Sending,
    /// Every row is done.
    Finished,
    /// It stopped before the end and can be resumed.
    Stopped,
    /// It failed and can be resumed.
    Failed,
    /// A newer run of the channel replaced it.
    Replaced,
}

impl RunState {
    /// The state in one word, as the journal and summaries name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Sending => "sending",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Replaced => "replaced",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Planning, Self::Planned, Self::Sending, Self::Finished, Self::Stopped, Self::Failed, Self::Replaced]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A run as the journal has it.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// The number that it shares with the runs that were planned from the same input.
    pub sync: i64,
    /// Its channel.
    pub channel: String,
    /// The platform's base URL that the channel belongs to.
    pub url: String,
    /// The channel's kind, as its name.
    pub kind: String,
    /// Maximum number of calls a minute.
    pub rate: u32,
    /// Its input's name.
    pub input: String,
    /// The rules for its tasks.
    pub policy: Policy,
    /// Its state.
    pub state: RunState,
    /// Why it stopped, when it did.
    pub reason: Option<String>,
    /// When its planning began.
    pub started_at: Timestamp,
    /// When it last ended.
    pub ended_at: Option<Timestamp>,
    /// How long it ran, in milliseconds, over all its resumptions.
    pub worked_ms: u64,
    /// Its summary as JSON, once it ended.
    pub summary: Option<String>,
}

/// A run's rows by state and its calls by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Rows whose contact was created.
    pub created: u64,
    /// Rows whose contact was updated.
    pub updated: u64,
    /// Rows whose contact did not differ.
    pub unchanged: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// Rows that were merged into another row of their contact.
    pub merged: u64,
    /// Rows that are not done yet.
    pub pending: u64,
    /// Pending rows that a limited run leaves as an earlier run did.
    pub deferred: u64,
    /// Rows that a limited run leaves to later runs.
    pub skipped: u64,
    /// Contacts of the run's source that the input no longer has.
    pub missing: u64,
    /// Missing contacts that are not marked yet.
    pub marks: u64,
    /// Calls sent, by kind.
    pub calls: BTreeMap<CallKind, u64>,
    /// Calls without a usable answer: lost, never sent, postponed, or 429.
    pub retries: u64,
    /// Answers with 429.
    pub throttled: u64,
    /// How long the run ran before this process, in milliseconds.
    pub worked_ms: u64,
}

/// Why the journal may lack calls that were sent to a channel. Contacts that it does not know may be on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Calls that were sent are missing: the journal was truncated, or replaced by an older copy.
    Calls,
    /// A restart of the machine interrupted the last run. Data that was not yet on the disk may be lost.
    OtherBoot,
    /// An earlier run found such a loss and was not finished.
    Unfinished,
}

/// The rate limit that the platform stated for a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearntLimit {
    /// Maximum number of calls a minute.
    pub calls: u32,
    /// When it was first stated.
    pub since: Timestamp,
    /// When it was last stated. It expires 24 hours later.
    pub stated: Timestamp,
}

/// A pending item with the initial state of its task.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its place among the data rows.
    pub row: u64,
    /// The physical line on which it begins.
    pub line: u64,
    /// The contact as the input has it.
    pub contact: Contact,
    /// The row as it was read, when rejected rows are listed.
    pub cells: Option<Cells>,
    /// What is known of the contact on the platform.
    pub remote_state: RemoteState,
    /// The calls of earlier processes for it in this run.
    pub past: Vec<PastCall>,
    /// What the run wrote to it that this run undoes.
    pub undone: Option<Written>,
}

/// A contact in doubt.
#[derive(Clone, Debug)]
pub enum Carried {
    /// The run has a pending item for it.
    Item(Box<Item>),
    /// The run's input no longer has it.
    Orphan(Box<Doubt>),
}

/// A row of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedRow {
    /// Its channel.
    pub channel: String,
    /// Its place among the data rows.
    pub row: u64,
    /// The physical line on which it begins.
    pub line: u64,
    /// Its contact's key, if it became one.
    pub key: Option<String>,
    /// Its state: `pending`, `created`, `updated`, `unchanged`, `rejected`, `merged` or `skipped`.
    pub state: String,
    /// The reason, when there is one.
    pub reason: Option<String>,
    /// The platform's id of its contact, if it is known.
    pub contact_id: Option<String>,
    /// Number of calls that it took.
    pub calls: u64,
    /// The row as it was read, when it is rejected and was stored.
    pub cells: Option<Cells>,
}

/// Which rows are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All of them.
    All,
    /// Those that were rejected.
    Rejected,
}
