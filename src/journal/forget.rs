//! Erasing one person from a journal.

use super::{Journal, JournalError};
use crate::core::forgotten::Identifiers;
use crate::core::model::Key;
use crate::core::output_format::Listing;
use crate::core::selection::ContactRef;

/// A contact of a person that is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PersonContact {
    /// Its number.
    pub number: i64,
    /// Its channel.
    pub channel: String,
    /// Its key's text.
    pub key: String,
}

/// Why a contact cannot be forgotten now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// A create of it got no answer: what the platform has of it is only known from the journal.
    InDoubt,
    /// This run has a row of it that is pending.
    Pending {
        /// The run's number.
        run: i64,
    },
}

/// A list of rows that the journal knows, with the lines of a person's rows in its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PersonLines {
    /// The files.
    pub listing: Listing,
    /// The lines.
    pub lines: Vec<u64>,
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Erased {
    /// Calls whose answers were erased; the calls themselves still count.
    pub calls: u64,
    /// Rows of runs that no longer show whose they were.
    pub rows: u64,
}

impl Journal {
    /// The channels of the journal.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn channel_names(&self) -> Result<Vec<String>, JournalError> {
        self.ask_blocking(super::Store::channel_names)
    }

    /// The contacts with this name, of all channels.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn person(&self, name: ContactRef) -> Result<Vec<PersonContact>, JournalError> {
        self.ask_blocking(move |store| store.person(&name))
    }

    /// Why one of these contacts cannot be forgotten now, with its key.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn obstacle(
        &self,
        person: Vec<PersonContact>,
    ) -> Result<Option<(PersonContact, Obstacle)>, JournalError> {
        self.ask_blocking(move |store| store.obstacle(&person))
    }

    /// The match values and ids of contacts, and the keys with which a row of them may come.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn identifiers(&self, person: Vec<PersonContact>) -> Result<(Identifiers, Vec<Key>), JournalError> {
        self.ask_blocking(move |store| store.identifiers(&person))
    }

    /// The lists of rows of all inputs, the newest first, with the lines of these contacts.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn lists_of(
        &self,
        person: Vec<PersonContact>,
        identifiers: Identifiers,
    ) -> Result<Vec<PersonLines>, JournalError> {
        self.ask_blocking(move |store| store.lists_of(&person, &identifiers))
    }

    /// Erases contacts, and what identifies them elsewhere in the journal, in one transaction. Rows with one of `suppressed` are
    /// not planned from now on.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn forget(
        &self,
        person: Vec<PersonContact>,
        identifiers: Identifiers,
        suppressed: Vec<Key>,
    ) -> Result<Erased, JournalError> {
        self.ask_blocking(move |store| store.forget(&person, &identifiers, &suppressed))
    }

    /// Writes the whole file anew, and empties its log, so that nothing that was erased is left in unused parts of either. Returns
    /// whether the log is empty: another process may be reading it.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn rewrite(&self) -> Result<bool, JournalError> {
        self.ask_blocking(super::Store::rewrite)
    }
}
