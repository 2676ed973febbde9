//! Rejected rows that are held back and not yet written to the journal, because their refusals may concern the account.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::OnTheWay;
use crate::core::call::CallKind;
use crate::core::task::Outcome;
use crate::core::time::Timestamp;

/// Maximum number of held rows for one kind of call. It bounds memory.
const HELD: usize = 1_000;

type Row = (OnTheWay, Outcome);

/// The held rows by the kind of call that was refused, each with the time of the refusal, oldest first.
#[derive(Default)]
pub struct Held {
    kinds: [RefCell<VecDeque<(Timestamp, Row)>>; CallKind::ALL.len()],
}

impl Held {
    /// Holds a row whose call was refused at `at`. Returns the oldest row of its kind when there are too many.
    pub fn put(&self, kind: CallKind, at: Timestamp, contact: OnTheWay, outcome: Outcome) -> Option<Row> {
        let mut rows = self.kinds[kind as usize].borrow_mut();
        let place = rows.partition_point(|(earlier, _)| *earlier <= at);
        rows.insert(place, (at, (contact, outcome)));
        if rows.len() > HELD { rows.pop_front().map(|(_, row)| row) } else { None }
    }

    /// Takes out the oldest row of a kind, if it was refused by this time.
    pub fn take_until(&self, kind: CallKind, until: Timestamp) -> Option<Row> {
        let mut rows = self.kinds[kind as usize].borrow_mut();
        let is_due = rows.front().is_some_and(|(at, _)| *at <= until);
        if is_due { rows.pop_front().map(|(_, row)| row) } else { None }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kinds.iter().map(|rows| rows.borrow().len()).sum()
    }
}
