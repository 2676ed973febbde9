//! Missing contacts in the journal: what planning asks about the contacts of a source's last input, and the marks of a run.

use std::sync::Arc;

use super::rows::Plan;
use super::{Journal, JournalError};
use crate::core::contact_change::ContactChange;
use crate::core::missing::{Mark, MissingCounts, MissingUnsure};
use crate::core::model::{Contact, RemoteState};
use crate::core::snapshot::Basis;

/// The rows of an input that is being planned, of one run.
#[derive(Debug)]
pub(crate) struct PresentRows {
    /// The place of the run in the plan.
    pub run: usize,
    /// The source.
    pub source: String,
    /// What its rows depend on.
    pub basis: Basis,
    /// Number of rows, without those that the rules leave out.
    pub rows: u64,
    /// Which rows of the last snapshot are as they were, by their places; empty when none is.
    pub kept: Vec<bool>,
    /// The tags of the other rows' contacts, in ascending order.
    pub present: Vec<u64>,
    /// Digests of the rejected rows without a usable key.
    pub unidentified: Vec<u64>,
}

/// What is to be done about missing contacts.
#[derive(Clone, Debug, Default)]
pub(crate) struct MissingRules {
    /// The mark that they get; `None` only counts them.
    pub mark: Option<Mark>,
    /// Whether the runs are limited to other contacts.
    pub is_limited: bool,
    /// Whether marks that the platform refused are tried again at once, and not only after some nights.
    pub retry_rejected: bool,
    /// Maximum number of contacts that are listed.
    pub listed: usize,
}

/// What was found about missing contacts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FoundMissing {
    /// The counts of all runs.
    pub counts: MissingCounts,
    /// Number of contacts that are missing since the last input, or that are to be marked.
    pub contacts: u64,
    /// The first of them.
    pub listed: Vec<ContactChange>,
    /// The channels of which something is not sure, with the number of contacts and the reason.
    pub unsure: Vec<(String, u64, MissingUnsure)>,
}

/// A missing contact that a run is to mark.
#[derive(Clone, Debug)]
pub struct MarkItem {
    /// Its number in the journal.
    pub number: i64,
    /// The contact with its mark and nothing else.
    pub contact: Contact,
    /// What is known of it on the platform.
    pub remote_state: RemoteState,
}

impl Journal {
    /// Finds the contacts that the sources of a plan had and no longer have, once all rows are planned, and decides which of them
    /// the runs mark.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn find_missing(
        &self,
        plan: &Arc<Plan>,
        rules: MissingRules,
        rows: Vec<PresentRows>,
    ) -> Result<FoundMissing, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.find_missing(&plan, &rules, rows))
    }
}
