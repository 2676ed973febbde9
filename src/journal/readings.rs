//! Readings: what is read back from the platform, and how far that came. A reading that was interrupted is continued.

use serde::{Deserialize, Serialize};

use super::{Ended, Journal, JournalError};
use crate::core::listing_effect::Listed;
use crate::core::model::{Contact, ContactId};
use crate::core::time::Timestamp;
use crate::core::walk::{PageCounts, Walk};

/// What a pull asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PullAsked {
    /// The marker field's name.
    pub field: String,
    /// Its value.
    pub value: String,
    /// The match fields, in the order in which they are tried.
    pub match_fields: Vec<String>,
}

/// A reading that is carried out.
#[derive(Clone, Debug)]
pub(crate) struct OpenReading {
    /// Its number.
    pub id: i64,
    /// How far its pages were walked.
    pub walk: Walk,
    /// When it was begun, perhaps by an earlier process.
    pub begun: Timestamp,
}

/// A contact of a page; `None` in place of what it teaches if it lacks the marker.
pub(crate) type ShownContact = (ContactId, Option<Listed>);

/// A part of the listed contacts that were learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    /// The last of them; `None` once there are no more.
    pub last: Option<String>,
    /// Contacts that are known now.
    pub known: u64,
    /// Contacts that are left to a search, because a create of them is in doubt.
    pub in_doubt: u64,
    /// Contacts without the marker.
    pub unmarked: u64,
    /// Contacts that share their key: the key, and two of their ids; without the second one, contacts with the id of another known
    /// contact, of which this is the key.
    pub conflicts: Vec<(String, ContactId, Option<ContactId>)>,
}

impl Journal {
    /// Begins a pull of a channel at `url`, or continues the last one if it asked for the same, was interrupted, and is less than
    /// a day old.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) fn begin_pull(
        &self,
        channel: &str,
        url: &str,
        asked: PullAsked,
        now: Timestamp,
    ) -> Result<OpenReading, JournalError> {
        let (channel, url) = (channel.to_owned(), url.to_owned());
        self.ask_blocking(move |store| store.begin_pull(&channel, &url, &asked, now))
    }

    /// Compares the contacts of a page with those that a pull was shown before; `pass` is the present walk of the pages.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) async fn page_counts(
        &self,
        reading: i64,
        pass: u32,
        ids: Vec<ContactId>,
    ) -> Result<PageCounts, JournalError> {
        self.ask(move |store| store.page_counts(reading, pass, &ids)).await
    }

    /// Records the answer to the request for a page, with the contacts that it showed in this `pass`, and how far the pages were
    /// walked with it.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn record_page(
        &self,
        reading: i64,
        ended: Ended,
        (pass, walk): (u32, Walk),
        shown: Vec<ShownContact>,
    ) -> Result<(), JournalError> {
        self.ask(move |store| {
            store.end_probe(ended.number, &ended.attempt, ended.at)?;
            store.add_shown(reading, pass, &shown)?;
            store.set_walk(reading, &walk)
        })
        .await
    }

    /// Makes some of the contacts known that a pull was shown from this `pass` on, those after the id `after`. Contacts that runs
    /// have changed after `since` stay as they are.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read or written.
    pub(crate) async fn learn(
        &self,
        (reading, pass): (i64, u32),
        after: Option<String>,
        since: Timestamp,
    ) -> Result<Learnt, JournalError> {
        self.ask(move |store| store.learn((reading, pass), after.as_deref(), since)).await
    }

    /// The first pending contacts of a run of which nothing is known, in the input's order.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn first_unknown(&self, run: i64, limit: u32) -> Result<Vec<Contact>, JournalError> {
        self.ask_blocking(move |store| store.first_unknown(run, limit))
    }

    /// Ends a pull, and removes what it was shown.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be written.
    pub(crate) async fn end_reading(&self, reading: i64) -> Result<(), JournalError> {
        // It is ended first: what is left of it after a kill must not be learnt, because conflicts may be gone.
        self.ask(move |store| store.end_reading(reading)).await?;
        while self.ask(move |store| store.remove_shown(reading)).await? {}
        Ok(())
    }
}
