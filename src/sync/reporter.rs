//! What a use case reports besides the events of reading and sending: typed, without words for a person.

use std::path::Path;
use std::sync::Arc;

use crate::core::mapping::Mapping;
use crate::input::Detected;
use crate::journal::{JournalError, Loss};
use crate::sync::event::{Event, Observer};
use crate::sync::plan::PlannedRuns;

/// Something that a use case noticed or that it begins or ends.
#[derive(Debug)]
pub enum Notification<'a> {
    /// The journal may have lost what an earlier run sent to a channel. Unknown contacts are searched for before they are
    /// created, whatever the mode.
    JournalLoss {
        /// The channel.
        channel: &'a str,
        /// How that was found out.
        loss: Loss,
    },
    /// The first calls are about to be made. It may be repeated.
    Calling,
    /// The token of a channel is another one than before, and opens the same channel.
    TokenRenewed {
        /// The channel.
        channel: &'a str,
    },
    /// An input has columns that the inputs of earlier runs did not have.
    NewColumns {
        /// The input's name.
        input: &'a str,
        /// The columns.
        columns: &'a [NewColumn],
    },
    /// An input lacks columns that the input of the last run had.
    ColumnsGone {
        /// The input's name.
        input: &'a str,
        /// The columns, by name.
        columns: &'a [&'a str],
    },
    /// The input was read to its end.
    InputRead {
        /// What it was found to be.
        detected: &'a Detected,
        /// How its rows became contacts.
        mapping: &'a Mapping,
    },
    /// A file of an earlier input that lists rows is not continued, because the caller does not name it.
    EarlierListLeft {
        /// The file.
        path: &'a Path,
    },
    /// Rejected rows are not listed, because the run was begun without a file for them, so its rows were not kept.
    RowsNotKept {
        /// The file.
        path: &'a Path,
    },
    /// What is older than the kept history could not be removed from the journal. The next run tries it again.
    HistoryNotRemoved(&'a JournalError),
    /// The files that list the rows of an earlier run were completed.
    ListsCompleted,
    /// The input was planned.
    Planned(&'a PlannedRuns),
    /// Sending begins: from now on, calls change contacts.
    Sending,
    /// Sending has ended.
    Sent,
}

/// A column that the inputs of earlier runs did not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the mapping sends it.
    pub is_sent: bool,
}

/// Follows a use case. As an [`Observer`], it receives the events of reading the input; those of sending go to one observer for each
/// channel.
pub trait Reporter: Observer {
    /// The observer of the sending of one channel.
    type Channel<'a>: Observer
    where
        Self: 'a;

    /// Takes in one notification.
    fn notify(&self, notification: &Notification<'_>);

    /// An observer for each of these channels, in their order.
    fn channels<'a>(&'a self, names: &[&str]) -> Vec<Self::Channel<'a>>;
}

/// Reports nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &Event<'_>) {}
}

impl Reporter for Silent {
    type Channel<'a> = Self;

    fn notify(&self, _: &Notification<'_>) {}

    fn channels(&self, names: &[&str]) -> Vec<Self> {
        vec![Self; names.len()]
    }
}
