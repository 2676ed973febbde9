//! The story of one contact: its rows and calls of all runs, and what is known of it.

use std::time::Duration;

use super::{Journal, JournalError, RunRow};
use crate::core::attempt::Attempt;
use crate::core::call::{Asked, CallKind};
use crate::core::model::{Field, RemoteState};
use crate::core::selection::ContactRef;
use crate::core::time::Timestamp;
use crate::core::undo::Written;

/// What the journal has of one contact.
#[derive(Clone, Debug)]
pub(crate) struct StoredStory {
    /// Its channel.
    pub channel: String,
    /// Its key, as it is printed.
    pub key: String,
    /// Its further match values, as they are printed.
    pub aliases: Vec<String>,
    /// Its match field, to be compared with what the platform shows.
    pub match_field: Option<Field>,
    /// What is known of it on the platform.
    pub remote_state: RemoteState,
    /// The runs that had rows of it or made calls for it, oldest first.
    pub runs: Vec<StoryRun>,
    /// Its rejections by the platform, of which a row with the same content is not tried again yet.
    pub rejections: Vec<StoryRejection>,
    /// The sources that had it and no longer have it, and since when.
    pub missing: Vec<(String, Timestamp)>,
}

/// The part that a run has in the story.
#[derive(Clone, Debug)]
pub(crate) struct StoryRun {
    /// The run.
    pub run: RunRow,
    /// Whether a contact was changed by hand.
    pub is_by_hand: bool,
    /// The rows of the contact, in the order of the input.
    pub rows: Vec<StoryRow>,
    /// The calls for it, in their order.
    pub calls: Vec<StoryCall>,
    /// What it wrote to the contact, with what was known before, as long as that is kept.
    pub written: Option<Written>,
}

/// A row of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoryRow {
    /// The line of the input on which it begins.
    pub line: u64,
    /// Its state in one word.
    pub state: &'static str,
    /// The reason, when there is one.
    pub reason: Option<String>,
}

/// A call for a contact.
#[derive(Clone, Debug)]
pub(crate) struct StoryCall {
    /// Which of the six calls it was.
    pub kind: CallKind,
    /// Which page of which search, for a find.
    pub asked: Option<Asked>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took; `None` while it has no answer.
    pub took: Option<Duration>,
    /// Its answer; `None` while it has none.
    pub attempt: Option<Attempt>,
}

/// A rejection by the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoryRejection {
    /// Number of runs that sent this content and rejected it.
    pub tries: u32,
    /// When the last of them rejected it.
    pub tried_at: Timestamp,
    /// The reason.
    pub reason: String,
}

/// A row of an input that is planned and not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedRow {
    /// The number of its contact, if the journal has it.
    pub contact: Option<i64>,
    /// Its contact's key, as it is printed, if it became one.
    pub key: Option<String>,
    /// The row.
    pub row: StoryRow,
}

impl Journal {
    /// What the journal has of the contact with this number; `None` when it has no such contact.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn story(&self, contact: i64) -> Result<Option<StoredStory>, JournalError> {
        self.ask_blocking(move |store| store.story(contact))
    }

    /// The rows of the last input that became no contact and that begin on the named line, or whose kept cells have the named value,
    /// with their runs.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn rows_without_contact(&self, name: ContactRef) -> Result<Vec<StoryRun>, JournalError> {
        self.ask_blocking(move |store| store.rows_without_contact(&name))
    }

    /// The rows of a planned input that belong to the contacts to which it was limited by name, and those that begin on this
    /// line and became no contact.
    ///
    /// # Errors
    /// A [`JournalError`] when the journal cannot be read.
    pub(crate) fn named_rows(&self, sync: i64, line: Option<u64>) -> Result<Vec<NamedRow>, JournalError> {
        self.ask_blocking(move |store| store.named_rows(sync, line))
    }
}
