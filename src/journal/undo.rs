//! Undoing runs: what they wrote to contacts, and the runs that restore it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Journal, JournalError, Plan, RunRow};
use crate::core::model::{Key, Known};
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::core::undo::Written;

/// What a run did that can be undone, or at least listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Undoable {
    /// Number of contacts whose values before the run are kept.
    pub changed: u64,
    /// Number of contacts that the run created.
    pub created: u64,
}

/// A contact that a run changed or created.
#[derive(Clone, Debug)]
pub(crate) struct ChangedContact {
    /// Its key.
    pub key: Key,
    /// What is known of it; `None` when it is in doubt or no longer known.
    pub known: Option<Known>,
    /// What the run wrote; `None` when the run created it.
    pub written: Option<Written>,
}

/// A row of a run that undoes another one, which restored nothing or not all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotRestored {
    /// The contact's key.
    pub key: String,
    /// The platform's id, if it is known.
    pub id: Option<String>,
    /// Why.
    pub reason: String,
}

/// What became of the rows of a run that undoes another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UndoneRows {
    /// Contacts that have again what they had before the undone run.
    pub restored: u64,
    /// Contacts that the undone run created, and that have the tag.
    pub tagged: u64,
    /// The others that are done.
    pub not_restored: Vec<NotRestored>,
}

impl Journal {
    /// A run by its number.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub fn run(&self, run: i64) -> Result<Option<RunRow>, JournalError> {
        self.ask_blocking(move |store| store.run(run))
    }

    /// The run that a run undoes.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn undoes(&self, run: i64) -> Result<Option<i64>, JournalError> {
        self.ask_blocking(move |store| store.undoes(run))
    }

    /// Number of contacts that a run changed and created.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn undoable(&self, run: i64) -> Result<Undoable, JournalError> {
        self.ask_blocking(move |store| store.undoable(run))
    }

    /// The contacts that a run changed or created, in the order of its input, by their numbers.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn contacts_to_undo(&self, run: i64) -> Result<Vec<i64>, JournalError> {
        self.ask_blocking(move |store| {
            Ok(store.contacts_to_undo(run)?.into_iter().map(|(_, contact)| contact).collect())
        })
    }

    /// What a run wrote to each of these contacts; `None` for one that the journal no longer has.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) async fn changed_contacts(
        &self,
        run: i64,
        contacts: Vec<i64>,
    ) -> Result<Vec<Option<ChangedContact>>, JournalError> {
        self.ask(move |store| contacts.into_iter().map(|contact| store.changed_contact(run, contact)).collect()).await
    }

    /// Plans the rows of a run that undoes another one: each contact that the other one changed, and each that it created, which
    /// gets this tag, if there is one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn plan_undo(
        &self,
        plan: &Arc<Plan>,
        undone: i64,
        tag_created: Option<Text>,
    ) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.plan_undo(&plan, undone, tag_created.as_ref()))
    }

    /// The contacts that a run created, by their numbers.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn created_by(&self, run: i64) -> Result<BTreeSet<i64>, JournalError> {
        self.ask_blocking(move |store| store.contacts_created_by(run))
    }

    /// What became of the rows of a run that undoes another one, which created these contacts.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn undone_rows(&self, run: i64, created: BTreeSet<i64>) -> Result<UndoneRows, JournalError> {
        self.ask_blocking(move |store| store.undone_rows(run, &created))
    }

    /// Sets whether runs keep what was known of contacts before they change them. The default is that they do.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal is gone.
    pub(crate) fn set_keeps_before(&self, keeps: bool) -> Result<(), JournalError> {
        self.ask_blocking(move |store| {
            store.set_keeps_before(keeps);
            Ok(())
        })
    }

    /// Removes what was known before runs that ended longer than `keep` ago. It works in steps, as
    /// [`remove_history`](Self::remove_history) does.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub fn remove_values_before(&self, now: Timestamp, keep: Duration) -> Result<(), JournalError> {
        while self.ask_blocking(move |store| store.remove_values_before(now.before(keep)))? {}
        Ok(())
    }
}
