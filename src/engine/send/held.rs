//! Rejected rows that are held back: their refusals may be about the account, so that they are not written down yet.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::OnTheWay;
use crate::core::call::CallKind;
use crate::core::task::Outcome;
use crate::core::time::Timestamp;

/// The most of them for a kind of call: it bounds memory.
const HELD: usize = 1_000;

type Row = (OnTheWay, Outcome);

/// The rows that are held back, by the kind of call that was refused, with the time of the refusal, the first one first.
#[derive(Default)]
pub struct Held {
    kinds: [RefCell<VecDeque<(Timestamp, Row)>>; CallKind::ALL.len()],
}

impl Held {
    /// Holds a row back whose call was refused at `at`. Gives the first one of its kind when there are too many.
    pub fn put(&self, kind: CallKind, at: Timestamp, contact: OnTheWay, outcome: Outcome) -> Option<Row> {
        let mut rows = self.kinds[kind as usize].borrow_mut();
        let place = rows.partition_point(|(earlier, _)| *earlier <= at);
        rows.insert(place, (at, (contact, outcome)));
        if rows.len() > HELD { rows.pop_front().map(|(_, row)| row) } else { None }
    }

    /// Takes out the first row of a kind that was refused until this moment.
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
