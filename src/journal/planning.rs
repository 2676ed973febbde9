//! The plan of an input in the journal, from its first row to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group_commit::{Begun, Durability};
use super::{Extent, FirstRows, Journal, JournalError, NewPlan, NewSnapshot, Plan, Planned, RowOutcome, RowTrace};
use crate::core::contact_change::ContactChange;
use crate::core::field_use::FieldUses;
use crate::core::output_format::Listing;
use crate::core::selection::{ContactRef, Selection};

/// Rows that are being planned.
pub(crate) type BegunRows = Begun<PlannedRows>;

/// Rows that were planned.
pub(crate) struct PlannedRows {
    /// The outcome of each, with what the next snapshot has to know of it.
    pub results: Vec<(RowOutcome, RowTrace)>,
    // Not read: their memory is freed by the thread that takes the results, because the journal's thread is the busiest (benchmark:
    // `night`).
    _rows: Vec<(usize, Box<Planned>)>,
}

impl Journal {
    /// Begins the plan of the runs of one input, in this order. Unfinished plans of their channels, which earlier processes
    /// left, are dropped.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn begin_plan(&self, new: NewPlan) -> Result<Arc<Plan>, JournalError> {
        self.ask_blocking(move |store| Ok(store.begin_plan(new)?.into()))
    }

    /// Begins to plan rows, each for the run at its index in the plan.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal is gone.
    pub(crate) fn begin_rows(
        &self,
        plan: &Arc<Plan>,
        rows: Vec<(usize, Box<Planned>)>,
    ) -> Result<BegunRows, JournalError> {
        let plan = Arc::clone(plan);
        // Nothing depends on them before the plan is finished, which is durable.
        self.owner.begin(Durability::WithTheNext, move |store| {
            Ok(PlannedRows { results: store.plan_rows(&plan, &rows)?, _rows: rows })
        })
    }

    /// Plans rows, and waits for the result.
    #[cfg(test)]
    pub(crate) fn plan_rows(
        &self,
        plan: &Arc<Plan>,
        rows: Vec<(usize, Planned)>,
    ) -> Result<Vec<(RowOutcome, RowTrace)>, JournalError> {
        let rows = rows.into_iter().map(|(run, planned)| (run, Box::new(planned))).collect();
        Ok(self.begin_rows(plan, rows)?.wait()?.results)
    }

    /// Limits a plan, of which no row is planned yet, to these contacts.
    ///
    /// # Errors
    /// A [`JournalError`] when the plan is gone.
    pub(crate) fn limit_plan(&self, plan: &Arc<Plan>, selection: Selection) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.limit_plan(&plan, selection))
    }

    /// Chooses the rows that are sent, once all rows are planned: the others are skipped, or deferred where an earlier run left
    /// their contacts pending or in doubt. Returns the named contacts of which the input has no row.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn select_rows(&self, plan: &Arc<Plan>) -> Result<Vec<ContactRef>, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.select_rows(&plan))
    }

    /// Lets a run that is resumed send its deferred rows too.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn undefer(&self, run: i64) -> Result<(), JournalError> {
        self.ask_blocking(move |store| store.undefer(run))
    }

    /// What would be sent for the first contacts of a planned input, at most `limit`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn first_changes(&self, sync: i64, limit: usize) -> Result<Vec<ContactChange>, JournalError> {
        self.ask_blocking(move |store| store.first_changes(sync, limit))
    }

    /// Which fields cause the updates of a planned input.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn field_uses(&self, sync: i64) -> Result<FieldUses, JournalError> {
        self.ask_blocking(move |store| store.field_uses(sync))
    }

    /// The number of contacts that the runs of a planned input are expected to read back after first writes, by channel, by the
    /// first contacts that they send.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn expected_reads(&self, sync: i64, looked_at: usize) -> Result<BTreeMap<String, u64>, JournalError> {
        self.ask_blocking(move |store| store.expected_reads(sync, looked_at))
    }

    /// The digest of what would be sent for all contacts of a plan, before it is finished.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn decision_digest(&self, plan: &Arc<Plan>) -> Result<String, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.decision_digest(&plan))
    }

    /// Counts these calls, which belong to no run, as calls of a run.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn count_in_run(&self, run: i64, calls: Vec<i64>) -> Result<(), JournalError> {
        if calls.is_empty() { Ok(()) } else { self.ask_blocking(move |store| store.count_in_run(run, &calls)) }
    }

    /// What a plan has so far.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn extent(&self, plan: &Arc<Plan>) -> Result<Extent, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.extent(&plan))
    }

    /// The first rows of an input that are pending, by their keys, or that are rejected, by their lines and reasons.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn first_rows(&self, sync: i64, which: FirstRows, limit: u32) -> Result<Vec<String>, JournalError> {
        self.ask_blocking(move |store| store.first_rows(sync, which, limit))
    }

    /// Drops an unfinished plan. Pending rows of earlier runs stay as they were.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn drop_plan(&self, plan: &Arc<Plan>) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.drop_plan(&plan))
    }

    /// Finishes a plan: from now on each run is the current run of its channel, and the pending rows of earlier runs are
    /// replaced. A run of [`NO_CHANNEL`](super::NO_CHANNEL) is finished with that, and deleted when it has no rows. `listing` names the files
    /// that list the rows. `snapshots` are stored for the next input, each with the index of its run in the plan.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn finish_plan(
        &self,
        plan: &Arc<Plan>,
        listing: Option<Listing>,
        snapshots: Vec<(usize, NewSnapshot)>,
    ) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.finish_plan(&plan, listing.as_ref(), &snapshots))
    }
}
