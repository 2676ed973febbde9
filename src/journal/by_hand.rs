//! Runs of one contact that is changed by hand.

use std::sync::Arc;

use super::{Journal, JournalError, Plan};
use crate::core::model::{Contact, ContactId, Key, RemoteState};
use crate::core::selection::ContactRef;

/// A contact that the journal has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Addressed {
    /// Its number.
    pub number: i64,
    /// Its channel.
    pub channel: String,
    /// Its key; in a journal of hashes, with a hash in place of the value.
    pub key: Key,
    /// What is known of it on the platform.
    pub remote_state: RemoteState,
}

/// What became of the contact of a run by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandRow {
    /// `pending`, `created`, `updated`, `unchanged` or `rejected`.
    pub state: String,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The contact's key, as it is printed.
    pub key: String,
    /// The platform's id, if it is known.
    pub contact_id: Option<ContactId>,
}

/// What a run that is not finished has to do with a contact that is to be changed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenHand {
    /// It is about other contacts, or was not begun by hand.
    Other,
    /// It makes the same change.
    Same,
    /// It makes another change of the contact, or nothing is left of it to do.
    Replaced,
}

impl Journal {
    /// Whether a run changes one contact by hand.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn is_by_hand(&self, run: i64) -> Result<bool, JournalError> {
        self.ask_blocking(move |store| store.is_by_hand(run))
    }

    /// The contacts with this name, of all channels.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn addressed(&self, name: ContactRef) -> Result<Vec<Addressed>, JournalError> {
        self.ask_blocking(move |store| store.addressed(&name))
    }

    /// What is known of the contact of a channel with this key.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn state_of(&self, channel: &str, key: &Key) -> Result<RemoteState, JournalError> {
        let (channel, key) = (channel.to_owned(), key.clone());
        self.ask_blocking(move |store| store.remote_state(&channel, &key))
    }

    /// Whether the contact is of a person who was forgotten and must not return.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn is_suppressed(&self, contact: Contact) -> Result<bool, JournalError> {
        self.ask_blocking(move |store| store.is_suppressed(&contact))
    }

    /// Plans the only contact of a run by hand. With `rewrites`, all of it is written, also what the platform is known to have.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn plan_by_hand(&self, plan: &Arc<Plan>, contact: Contact, rewrites: bool) -> Result<(), JournalError> {
        let plan = Arc::clone(plan);
        self.ask_blocking(move |store| store.plan_by_hand(&plan, &contact, rewrites))
    }

    /// What a run that is not finished has to do with a contact that is to be changed by hand.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn open_by_hand(&self, run: i64, wanted: Contact) -> Result<OpenHand, JournalError> {
        self.ask_blocking(move |store| store.open_by_hand(run, &wanted))
    }

    /// What became of the contact of a run by hand.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn hand_row(&self, run: i64) -> Result<HandRow, JournalError> {
        self.ask_blocking(move |store| store.hand_row(run))
    }
}
