//! What the sync tells while it works. Observers fold it into bars, lines or logs.

use std::time::Duration;

use crate::core::call::CallKind;
use crate::core::eta::Eta;
use crate::core::plan::Range;
use crate::core::task::Outcome;
use crate::journal::ListedRow;

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many rows of the input are read.
    Read {
        /// Rows so far.
        rows: u64,
    },
    /// Sending begins.
    Sending {
        /// Rows that are pending.
        pending: u64,
        /// The calls they will take.
        calls: Range,
        /// The calls of the past minute that count already.
        used: usize,
        /// The most calls a minute.
        limit: usize,
        /// What is to be expected of the run.
        eta: Eta,
    },
    /// A call came back.
    Called {
        /// Which of the six it was.
        kind: CallKind,
        /// The line of its contact's row in the input; `None` for a contact that the input no longer has.
        line: Option<u64>,
        /// Its contact's key.
        key: &'a str,
        /// What it came to, in one word.
        result: &'static str,
        /// How long it took.
        took: Duration,
    },
    /// A call got no answer or was put off.
    Trouble {
        /// Which of the six it was.
        kind: CallKind,
        /// What went wrong.
        cause: &'a str,
    },
    /// The platform said 429: the channel waits.
    Throttled {
        /// For how long.
        wait: Duration,
    },
    /// Several calls in a row got no answer: the channel waits, then probes with one call at a time.
    Paused {
        /// For how long it waits.
        wait: Duration,
    },
    /// Several calls of one kind in a row got no answer, although others did: calls of this kind pause, then are probed
    /// one at a time.
    KindPaused {
        /// The kind of call.
        kind: CallKind,
        /// How long they pause.
        wait: Duration,
    },
    /// An answer other than a 429 had a `Retry-After` (a 503 may): the channel waits.
    AskedToWait {
        /// For how long.
        wait: Duration,
    },
    /// The platform allows another number of calls a minute than before; never more than were asked for.
    Limited {
        /// So many.
        limit: usize,
    },
    /// Somebody else uses the same token, and is given way. Told once a minute.
    Others {
        /// How many of the past minute's calls were not ours.
        calls: usize,
    },
    /// A row ended.
    Done {
        /// Its place among the data rows.
        row: u64,
        /// Its line in the input.
        line: u64,
        /// How.
        outcome: &'a Outcome,
        /// The row as lists have it, when it was sent; one that ended while the input was read is in the journal alone.
        listed: Option<&'a ListedRow>,
    },
    /// A row stays pending although the run goes on.
    Left {
        /// Its line in the input.
        line: u64,
        /// Why.
        reason: &'a str,
    },
    /// Contacts that the file no longer has may be on the platform: their create was lost, and nothing can search them.
    Unsure {
        /// How many.
        contacts: u64,
    },
    /// A second passed.
    Tick {
        /// The calls that count in the present minute.
        used: usize,
        /// The most calls a minute.
        limit: usize,
        /// The calls that are left.
        calls: Range,
        /// What is to be expected of the rest of the run.
        eta: Eta,
        /// What the next call waits for, when none can start now.
        wait: Option<Wait>,
    },
}

/// What calls wait for, and how long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For room in the rate limit.
    Limit(Duration),
    /// For the end of a pause, which the platform asked for or which an outage made.
    Pause(Duration),
}

impl Wait {
    /// How long it takes.
    pub const fn time(self) -> Duration {
        match self {
            Self::Limit(time) | Self::Pause(time) => time,
        }
    }
}

/// Somebody who is told. It must not take long: the sync waits for it.
pub trait Observer {
    /// Takes in one event.
    fn tell(&self, event: &Event<'_>);
}

impl<O: Observer> Observer for &O {
    fn tell(&self, event: &Event<'_>) {
        (**self).tell(event);
    }
}

/// Nobody is told when there is none.
impl<O: Observer> Observer for Option<O> {
    fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = self {
            observer.tell(event);
        }
    }
}

/// Both are told, the first one first.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn tell(&self, event: &Event<'_>) {
        self.0.tell(event);
        self.1.tell(event);
    }
}
