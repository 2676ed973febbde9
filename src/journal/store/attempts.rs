//! Calls and their results as numbers.

use super::checked_json::{checked_json, parse_checked};
use super::{Result, damaged};
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::model::ContactId;

const ATTEMPT: &str = "an attempt";

/// The numbers of results that queries name.
pub(super) mod result {
    pub(in crate::journal::store) const CREATED: i64 = 3;
    pub(in crate::journal::store) const DONE: i64 = 4;
    pub(in crate::journal::store) const THROTTLED: i64 = 9;
    pub(in crate::journal::store) const QUEUED: i64 = 10;
    pub(in crate::journal::store) const UNSENT: i64 = 12;
    pub(in crate::journal::store) const LOST: i64 = 13;
}

/// The number of a call's kind.
pub(super) const fn kind_number(kind: CallKind) -> i64 {
    match kind {
        CallKind::Find => 1,
        CallKind::Read => 2,
        CallKind::Create => 3,
        CallKind::Update => 4,
        CallKind::AddTags => 5,
        CallKind::RemoveTags => 6,
    }
}

pub(super) fn kind_of(number: i64) -> Result<CallKind> {
    let kind = CallKind::ALL.into_iter().find(|kind| kind_number(*kind) == number);
    kind.ok_or_else(|| damaged("a call's kind", "unknown kind"))
}

/// The number of an attempt.
pub(super) const fn result_number(attempt: &Attempt) -> i64 {
    match attempt {
        Attempt::Page(_) => 1,
        Attempt::Contact(_) => 2,
        Attempt::Created(_) => result::CREATED,
        Attempt::Done => result::DONE,
        Attempt::Missing { .. } => 5,
        Attempt::Taken { .. } => 6,
        Attempt::Refused { .. } => 7,
        Attempt::Unauthorized { .. } => 8,
        Attempt::Throttled { .. } => result::THROTTLED,
        Attempt::Queued { .. } => result::QUEUED,
        Attempt::WrongPath { .. } => 11,
        Attempt::Unsent { .. } => result::UNSENT,
        Attempt::Lost { .. } => result::LOST,
    }
}

/// What an attempt has besides its number.
pub(super) fn detail(attempt: &Attempt) -> Option<String> {
    match attempt {
        Attempt::Done => None,
        Attempt::Created(id) => Some(id.as_str().to_owned()),
        other => Some(checked_json(other)),
    }
}

pub(super) fn attempt_of(number: i64, detail: Option<String>) -> Result<Attempt> {
    let attempt = match (number, detail) {
        (result::DONE, None) => Attempt::Done,
        (result::CREATED, Some(id)) => {
            Attempt::Created(ContactId::new(id).ok_or_else(|| damaged(ATTEMPT, "its id is blank"))?)
        }
        (_, Some(detail)) => parse_checked(ATTEMPT, &detail)?,
        (_, None) => return Err(damaged(ATTEMPT, "it is missing")),
    };
    if result_number(&attempt) == number { Ok(attempt) } else { Err(damaged(ATTEMPT, "its number is another one")) }
}
