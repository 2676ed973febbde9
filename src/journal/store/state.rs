//! The states of items, by number.

use crate::core::task::Outcome;

pub(super) const CREATED: i64 = 1;
pub(super) const UPDATED: i64 = 2;
pub(super) const UNCHANGED: i64 = 3;
pub(super) const REJECTED: i64 = 4;
pub(super) const MERGED: i64 = 5;
/// Rejected because another row counts for its contact.
pub(super) const REPEATED: i64 = 6;
/// Not sent, because the run is limited to other contacts.
pub(super) const SKIPPED: i64 = 7;

pub(super) const fn of(outcome: &Outcome) -> i64 {
    match outcome {
        Outcome::Created => CREATED,
        Outcome::Updated => UPDATED,
        Outcome::Unchanged => UNCHANGED,
        Outcome::Rejected(_) => REJECTED,
    }
}
