//! A contact between its beginning and its end in one process, with its input row.

use std::cell::Cell;

use super::contact_budget::BudgetShare;
use super::tries::CallFailures;
use crate::core::call::CallKind;
use crate::core::forecast::Range;
use crate::core::model::RemoteState;
use crate::core::record::Cells;
use crate::core::task::{Outcome, Step, Task};
use crate::core::time::Timestamp;

/// A contact that was taken from the queue and has not ended yet.
pub struct ActiveContact {
    /// Its row; `None` for a lost create of a contact that the input no longer has, which is only resolved, and for a missing
    /// contact.
    pub row: Option<InputRow>,
    /// Whether it is a missing contact, which only gets its mark.
    pub is_mark: bool,
    pub task: Task,
    /// The calls that the forecast of the run counts for it.
    pub calls: Range,
    /// Number of calls that were sent for it in this run.
    pub sent: Cell<usize>,
    /// Its calls that failed in this process.
    pub failures: CallFailures,
    /// Why the last of them failed.
    pub cause: String,
    /// Its last call whose refusal may concern the account, with the time of the answer.
    pub refused: Option<(CallKind, Timestamp)>,
    /// The kind of call that it tries out while calls of that kind are paused.
    pub trial: Option<CallKind>,
    /// Its number among the contacts that were taken in the file's order.
    pub sequence: Option<u64>,
    /// The calls that are kept free for it in a run that ends early.
    pub reserved: Cell<u64>,
    /// When this process last started its create.
    pub create_started: Option<Timestamp>,
    // Whether an earlier run left its create in doubt.
    was_in_doubt: bool,
    // Counts it among the contacts in memory until it is dropped.
    counted: BudgetShare,
}

/// The place of a contact's row in the input, and the row's cells when rejected rows are listed.
pub struct InputRow {
    pub number: u64,
    pub line: u64,
    pub cells: Option<Cells>,
}

impl ActiveContact {
    /// A contact for which `sent` calls were sent in this run before.
    pub fn new(row: Option<InputRow>, task: Task, calls: Range, sent: usize, counted: BudgetShare) -> Self {
        let was_in_doubt = matches!(task.remote_state(), RemoteState::InDoubt(_));
        Self {
            row,
            is_mark: false,
            task,
            calls,
            sent: Cell::new(sent),
            failures: CallFailures::default(),
            cause: String::new(),
            refused: None,
            trial: None,
            sequence: None,
            reserved: Cell::new(calls.max),
            create_started: None,
            was_in_doubt,
            counted,
        }
    }

    /// The key of the contact as the journal has it.
    pub fn key(&self) -> String {
        self.task.contact().key().to_string()
    }

    /// The key as it is printed.
    pub fn shown_key(&self) -> String {
        self.task.contact().key().shown()
    }

    /// Keeps it in memory as a held rejection from now on.
    pub fn hold(&self) {
        self.counted.hold();
    }

    /// How the contact ended, if its next step is its end.
    pub fn outcome(&self, at: Timestamp) -> Option<Outcome> {
        match self.task.step(at) {
            Step::Done(outcome) => Some(outcome),
            Step::Call(_) | Step::Wait(_) | Step::Leave(_) => None,
        }
    }

    /// The refusal that may concern the account instead of this row. Until that is known, the outcome is not written to
    /// the journal.
    pub fn held_by(&self, outcome: &Outcome) -> Option<(CallKind, Timestamp)> {
        self.refused.filter(|_| matches!(outcome, Outcome::Rejected(_)) && self.row.is_some())
    }

    /// Whether it was tried without success, so that other contacts go first in the next run. A contact that came into
    /// doubt in this run still goes first in the next one.
    pub fn was_tried(&self) -> bool {
        let is_in_doubt = matches!(self.task.remote_state(), RemoteState::InDoubt(_));
        self.refused.is_some() || self.failures.count() > u32::from(is_in_doubt && !self.was_in_doubt)
    }
}
