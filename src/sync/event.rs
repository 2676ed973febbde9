//! The events that planning and sending emit. Observers turn them into progress bars, lines or logs.

use std::time::Duration;

use crate::core::call::CallKind;
use crate::core::eta::Eta;
use crate::core::forecast::Range;
use crate::core::model::ContactId;
use crate::core::task::Outcome;
use crate::journal::ListedRow;

/// An event of planning or sending.
#[derive(Debug)]
pub enum Event<'a> {
    /// Rows of the input were read.
    Read {
        /// Number of rows so far.
        rows: u64,
    },
    /// Sending begins.
    Sending {
        /// Number of pending rows and of missing contacts to mark.
        pending: u64,
        /// Number of calls that they take.
        calls: Range,
        /// Number of calls of the past minute that count against the limit.
        used: usize,
        /// Maximum number of calls a minute.
        limit: usize,
        /// The expected calls and time of the run.
        eta: Eta,
    },
    /// A call ended.
    Called {
        /// The kind of call.
        kind: CallKind,
        /// The line of its contact's row in the input; `None` for a contact that the input no longer has.
        line: Option<u64>,
        /// The key of its contact.
        key: &'a str,
        /// The result in one word.
        result: &'static str,
        /// How long the call took.
        took: Duration,
    },
    /// A call got no answer or was deferred by the platform.
    Trouble {
        /// The kind of call.
        kind: CallKind,
        /// The cause.
        cause: &'a str,
    },
    /// The platform answered 429: the channel waits.
    Throttled {
        /// How long it waits.
        wait: Duration,
    },
    /// Several calls in a row got no answer: the channel pauses, then probes with one call at a time.
    Paused {
        /// How long it waits.
        wait: Duration,
    },
    /// Several calls of one kind in a row got no answer while other kinds did: calls of this kind pause, then are tried
    /// one at a time.
    KindPaused {
        /// The kind of call.
        kind: CallKind,
        /// How long they pause.
        wait: Duration,
    },
    /// An answer other than 429 had a `Retry-After` header, such as a 503: the channel waits.
    AskedToWait {
        /// How long it waits.
        wait: Duration,
    },
    /// The limit of calls a minute changed by what the platform states. It is never higher than the configured rate.
    Limited {
        /// Maximum number of calls a minute.
        limit: usize,
    },
    /// Another client uses the same token; the channel slows down. Emitted at most once a minute.
    Others {
        /// Number of calls of the past minute that another client made.
        calls: usize,
    },
    /// A row ended.
    Done {
        /// Its number among the data rows, from 1.
        row: u64,
        /// Its line in the input.
        line: u64,
        /// How it ended.
        outcome: &'a Outcome,
        /// The row as it is listed, if it ended while the run was sent. A row that ended during planning is only in the
        /// journal.
        listed: Option<&'a ListedRow>,
    },
    /// A row stays pending although the run goes on.
    Left {
        /// Its line in the input.
        line: u64,
        /// The reason.
        reason: &'a str,
    },
    /// The platform refused the mark of a missing contact. A later run tries it again.
    MarkRefused {
        /// The contact's key.
        key: &'a str,
        /// The reason.
        reason: &'a str,
    },
    /// Contacts were read back from the platform.
    ReadBack {
        /// Number of contacts so far.
        contacts: u64,
    },
    /// The platform accepted fields and did not store them: a contact was read back without them.
    Dropped {
        /// The fields.
        fields: &'a [String],
        /// The key of the contact.
        key: &'a str,
        /// Its id.
        id: &'a ContactId,
    },
    /// Contacts that the input no longer has may exist on the platform: their create was lost, and they have no match
    /// field to search for.
    InDoubt {
        /// Number of contacts.
        contacts: u64,
    },
    /// The state of the run, once a second.
    Tick {
        /// Number of calls that count against the limit now.
        used: usize,
        /// Maximum number of calls a minute.
        limit: usize,
        /// Number of calls that are left.
        calls: Range,
        /// The expected calls and time of the rest of the run.
        eta: Eta,
        /// What the next call waits for, when none can start now.
        wait: Option<Wait>,
    },
}

/// The reason why no call can start now, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The rate limit is reached.
    Limit(Duration),
    /// The channel pauses, because the platform asked for it or because of an outage.
    Pause(Duration),
}

impl Wait {
    /// How long no call can start.
    pub const fn time(self) -> Duration {
        match self {
            Self::Limit(time) | Self::Pause(time) => time,
        }
    }
}

/// Receives the events. It must return soon: the sync waits for it.
pub trait Observer {
    /// Receives one event.
    fn observe(&self, event: &Event<'_>);
}

impl<O: Observer> Observer for &O {
    fn observe(&self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

/// Without an observer, events are dropped.
impl<O: Observer> Observer for Option<O> {
    fn observe(&self, event: &Event<'_>) {
        if let Some(observer) = self {
            observer.observe(event);
        }
    }
}

/// Both receive each event, the first one first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&self, event: &Event<'_>) {
        self.0.observe(event);
        self.1.observe(event);
    }
}
