//! Rejected rows that are held back: their refusals may be about the account, so that they are not written down yet.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::OnTheWay;
use crate::core::call::CallKind;
use crate::core::task::Outcome;

/// The most of them for a kind of call: it bounds memory.
const HELD: usize = 1_000;

type Row = (OnTheWay, Outcome);

/// The rows that are held back, by the kind of call that was refused, the first one first.
#[derive(Default)]
pub struct Held {
    kinds: [RefCell<VecDeque<Row>>; CallKind::ALL.len()],
}

impl Held {
    /// Holds a row back. Gives the first one of its kind when there are too many.
    pub fn put(&self, kind: CallKind, contact: OnTheWay, outcome: Outcome) -> Option<Row> {
        let mut rows = self.kinds[kind as usize].borrow_mut();
        rows.push_back((contact, outcome));
        if rows.len() > HELD { rows.pop_front() } else { None }
    }

    /// Takes out the first row of a kind.
    pub fn take(&self, kind: CallKind) -> Option<Row> {
        self.kinds[kind as usize].borrow_mut().pop_front()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.kinds.iter().map(|rows| rows.borrow().len()).sum()
    }
}
