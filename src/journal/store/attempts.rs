//! Calls and their results as numbers.

use rusqlite::ToSql;
use rusqlite::types::ToSqlOutput;

use super::checked_json::{checked_json, parse_checked};
use super::ids::{IdToStore, StoredId};
use super::{Result, damaged};
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::model::ContactId;
use crate::core::page::Page;

const ATTEMPT: &str = "an attempt";

/// The numbers of results that queries name.
pub(super) mod result {
    pub(in crate::journal::store) const PAGE: i64 = 1;
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
        Attempt::Page(_) => result::PAGE,
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
#[derive(Clone, Debug)]
pub(super) enum Detail<'a> {
    Nothing,
    Id(&'a ContactId),
    Checked(String),
}

pub(super) fn detail(attempt: &Attempt) -> Detail<'_> {
    match attempt {
        Attempt::Done => Detail::Nothing,
        // Most searches for a new contact.
        Attempt::Page(page) if *page == no_contacts() => Detail::Nothing,
        Attempt::Created(id) => Detail::Id(id),
        other => Detail::Checked(checked_json(other)),
    }
}

// The whole answer to a search that finds nothing.
fn no_contacts() -> Page {
    Page { total: Some(0), ..Page::default() }
}

impl ToSql for Detail<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Nothing => Ok(ToSqlOutput::from(rusqlite::types::Null)),
            Self::Id(id) => Ok(IdToStore(id.as_str()).value()),
            Self::Checked(text) => text.to_sql(),
        }
    }
}

pub(super) fn attempt_of(number: i64, detail: Option<StoredId>) -> Result<Attempt> {
    let attempt = match (number, detail.map(|StoredId(text)| text)) {
        (result::DONE, None) => Attempt::Done,
        (result::PAGE, None) => Attempt::Page(no_contacts()),
        (result::CREATED, Some(id)) => {
            Attempt::Created(ContactId::new(id).ok_or_else(|| damaged(ATTEMPT, "its id is blank"))?)
        }
        (_, Some(detail)) => parse_checked(ATTEMPT, &detail)?,
        (_, None) => return Err(damaged(ATTEMPT, "it is missing")),
    };
    if result_number(&attempt) == number { Ok(attempt) } else { Err(damaged(ATTEMPT, "its number is another one")) }
}

/// The result of a call of a killed process.
pub(super) fn killed() -> Attempt {
    Attempt::lost(None, "the process was killed before the answer".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::store::Store;

    #[test]
    fn what_is_stored_of_an_attempt_is_read_back() {
        let store = Store::in_memory(None).unwrap();
        let created = |id: &str| Attempt::Created(ContactId::new(id).unwrap());
        for (attempt, kind) in [
            (Attempt::Done, "null"),
            (Attempt::Page(no_contacts()), "null"),
            (Attempt::Page(Page::default()), "text"),
            (Attempt::Page(no_contacts().followed(true)), "text"),
            (Attempt::Page(Page { contradiction: Some("two totals".into()), ..no_contacts() }), "text"),
            (created("1776025372480910"), "integer"),
            (created("cus_1"), "text"),
            (Attempt::lost(Some(504), "reset".into()), "text"),
            (Attempt::throttled(None), "text"),
        ] {
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
            let (stored, found) = store.db.query_row("SELECT ?1, typeof(?1)", [detail(&attempt)], read).unwrap();
            assert_eq!(found, kind, "{attempt:?}");
            assert_eq!(attempt_of(result_number(&attempt), stored).unwrap(), attempt);
        }
    }
}
