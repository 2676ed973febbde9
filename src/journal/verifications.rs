//! Verifications: which known contacts are still to be read back, and what differed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Ended, Journal, JournalError};
use crate::core::model::{Field, Known, Remote, WriteMode};
use crate::core::time::Timestamp;
use crate::core::verification::{Difference, Remedy, Scope};

/// What a verification asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VerifyAsked {
    /// Maximum number of contacts; all when `None`.
    pub sample: Option<u64>,
    /// The seed of the sample, as it was given.
    pub seed: Option<u64>,
    /// The fields that are compared; all known ones when `None`.
    pub scope: Option<BTreeSet<String>>,
    /// The fields that users of the platform may change.
    #[serde(default)]
    pub edited: BTreeMap<String, WriteMode>,
    /// A digest of the contacts that it is restricted to; `None` for all.
    pub members: Option<u64>,
    /// What follows from differences.
    pub remedy: Remedy,
}

/// How far a verification came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerifyProgress {
    /// Number of contacts to read back.
    pub contacts: u64,
    /// Number of pages that were read.
    pub pages: u32,
    /// Whether no further page is read.
    pub is_by_id: bool,
}

/// A verification that is carried out.
#[derive(Clone, Debug)]
pub(crate) struct OpenVerification {
    /// Its number.
    pub id: i64,
    /// How far it came.
    pub progress: VerifyProgress,
    /// Contacts that runs have changed within the search lag before it began, or since: they may not be readable yet.
    pub recent: BTreeSet<i64>,
    /// The marker of the last pull of the channel, with the number of contacts that the platform stated for it.
    pub marker: Option<(Field, Option<u64>)>,
}

/// A known contact that is still to be read back.
#[derive(Clone, Debug)]
pub(crate) struct Unread {
    /// Its number.
    pub contact: i64,
    /// Its key as it is printed.
    pub key: String,
    /// The match field that is its key; `None` for a row without one.
    pub match_field: Option<Field>,
    /// What is known of it.
    pub known: Known,
}

/// A contact that differs.
#[derive(Clone, Debug)]
pub(crate) struct Differing {
    /// Its key as it is printed.
    pub key: String,
    /// The platform's id.
    pub id: String,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl Journal {
    /// Begins a verification of a channel's known contacts, or continues the last one if it asked for the same, was interrupted, and
    /// is less than a day old. `only` are the contacts that it is restricted to, and `seed` is used for a sample without one.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub(crate) fn begin_verification(
        &self,
        channel: &str,
        (asked, seed): (VerifyAsked, u64),
        only: Option<BTreeSet<i64>>,
        (now, search_lag): (Timestamp, std::time::Duration),
    ) -> Result<OpenVerification, JournalError> {
        let channel = channel.to_owned();
        self.ask_blocking(move |store| {
            store.begin_verification(&channel, (&asked, seed), only.as_ref(), (now, search_lag))
        })
    }

    /// Number of contacts that are still to be read back.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) async fn count_unread(&self, reading: i64) -> Result<u64, JournalError> {
        self.ask(move |store| store.count_unread(reading)).await
    }

    /// Some of the contacts that are still to be read back, those after the contact `after`.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) async fn unread(&self, reading: i64, after: i64, limit: u32) -> Result<Vec<Unread>, JournalError> {
        self.ask(move |store| store.unread(reading, after, limit)).await
    }

    /// Records a page of contacts: those that are as they are known need not be read by id.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn record_seen(
        &self,
        reading: i64,
        ended: Ended,
        progress: VerifyProgress,
        (shown, scope): (Vec<Remote>, Scope),
    ) -> Result<(), JournalError> {
        self.ask(move |store| {
            store.end_probe(ended.number, &ended.attempt, ended.at)?;
            store.set_verified(reading, &shown, &scope)?;
            store.set_progress(reading, &progress)
        })
        .await
    }

    /// Records what a contact was read as: what differs, apart from what was accepted before, and what follows from that.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn record_read(
        &self,
        reading: i64,
        ended: Ended,
        contact: i64,
        (differences, remedy): (Vec<Difference>, Remedy),
    ) -> Result<(), JournalError> {
        self.ask(move |store| {
            store.end_probe(ended.number, &ended.attempt, ended.at)?;
            store.add_differences(reading, contact, differences, remedy)
        })
        .await
    }

    /// Writes that no further page is read.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn set_progress(&self, reading: i64, progress: VerifyProgress) -> Result<(), JournalError> {
        self.ask(move |store| store.set_progress(reading, &progress)).await
    }

    /// The contacts that differed so far, in the order in which they became known.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) async fn differing(&self, reading: i64) -> Result<Vec<Differing>, JournalError> {
        self.ask(move |store| store.differing(reading)).await
    }

    /// The known contacts that the finished plan of a dry run has rows of.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn contacts_of_plan(&self, run: i64) -> Result<BTreeSet<i64>, JournalError> {
        self.ask_blocking(move |store| store.contacts_of_plan(run))
    }

    /// Ends a verification, and removes what it found.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn end_verification(&self, reading: i64) -> Result<(), JournalError> {
        self.ask(move |store| store.end_verification(reading)).await
    }
}
