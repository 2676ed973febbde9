//! Snapshots in the journal: what planning asks of the last input of a source, and what it leaves for the next one.

use std::sync::Arc;

use super::rows::Plan;
use super::{Journal, JournalError};
use crate::core::model::Key;
use crate::core::snapshot::{Basis, ContactDigest, Matcher, NextSnapshot, SnapshotKey};

/// The snapshot of the last input of a channel and source.
#[derive(Debug)]
pub(crate) struct StoredSnapshot {
    /// Its number.
    pub id: i64,
    /// The hash of each row, in the order of the input; 0 for a row that is not to be recognised, because it was not unchanged,
    /// or because its contact was touched since.
    pub hashes: Vec<u128>,
}

/// The snapshot that a plan leaves for the next input.
#[derive(Debug)]
pub(crate) struct NewSnapshot {
    /// The source.
    pub source: String,
    /// What its rows depend on.
    pub basis: Basis,
    /// The snapshot in which its kept rows stand, and their hashes.
    pub base: Option<BaseSnapshot>,
    /// Its rows.
    pub next: NextSnapshot,
}

/// The snapshot of the last input, of which rows are kept.
#[derive(Clone, Debug)]
pub(crate) struct BaseSnapshot {
    /// Its number.
    pub id: i64,
    /// Its rows, among those of the other runs.
    pub rows: Arc<Matcher>,
    /// The place of its run.
    pub run: usize,
}

/// What the next snapshot is to know of a row that was planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowTrace {
    /// Its contact.
    pub contact: Option<ContactDigest>,
    /// The number of its contact, 0 for none.
    pub number: i64,
    /// Whether it was unchanged and the only row of its contact so far.
    pub is_unchanged: bool,
    /// Contacts of which the input has several rows, or that share a match value.
    pub shared: Vec<ContactDigest>,
    /// Further contacts that it may be, by the id that it gives and, if it is rejected, by each of its keys.
    pub also: Vec<ContactDigest>,
}

impl Journal {
    /// The key of the hashes of rows and contacts.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn snapshot_key(&self) -> Result<SnapshotKey, JournalError> {
        self.ask_blocking(super::Store::snapshot_key)
    }

    /// The snapshot of the last input of a channel and source; `None` where there is none with this basis. `lists_rows` is whether
    /// all rows will be listed: then it is also `None` where the contacts of its rows are damaged.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn snapshot(
        &self,
        channel: &str,
        source: &str,
        basis: Basis,
        lists_rows: bool,
    ) -> Result<Option<StoredSnapshot>, JournalError> {
        let (channel, source) = (channel.to_owned(), source.to_owned());
        self.ask_blocking(move |store| store.snapshot(&channel, &source, basis, lists_rows))
    }

    /// The tag of each row's contact, 0 for a row without one; `None` where they are damaged.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn snapshot_contacts(&self, snapshot: &BaseSnapshot) -> Result<Option<Vec<u64>>, JournalError> {
        let (id, rows) = (snapshot.id, snapshot.rows.hashes_of(snapshot.run).len() as u64);
        self.ask_blocking(move |store| store.snapshot_contacts(id, rows))
    }

    /// The contacts that rows with these keys may be: of each run by its place in the plan.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn contacts_by_keys(
        &self,
        plan: &Arc<Plan>,
        rows: Vec<(usize, Vec<Key>)>,
    ) -> Result<Vec<(usize, ContactDigest)>, JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.contacts_by_keys(&plan, &rows))
    }

    /// Number of rows of a run that were not mapped.
    #[cfg(test)]
    pub(crate) fn kept_rows(&self, run: i64) -> Result<u64, JournalError> {
        self.ask_blocking(move |store| store.kept_rows(run))
    }

    /// Forgets the rows that are stored beside their chunks.
    #[cfg(test)]
    pub(crate) fn forget_snapshot_changes(&self) -> Result<(), JournalError> {
        self.ask_blocking(super::Store::forget_snapshot_changes)
    }

    /// Forgets that contacts were touched.
    #[cfg(test)]
    pub(crate) fn forget_touched(&self) -> Result<(), JournalError> {
        self.ask_blocking(super::Store::forget_touched)
    }
}
