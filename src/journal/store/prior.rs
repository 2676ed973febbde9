//! The answers to the planner's questions about earlier rows and known contacts.

use std::cell::RefCell;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::compact::{self, Owner};
use super::contacts::StoredContact;
use super::keys::KeyParts;
use super::planning::OpenPlan;
use super::{Result, Store, damaged, integer};
use crate::core::model::{Contact, Field, Key, RemoteState};
use crate::core::past_rejection::PastRejection;
use crate::core::planner::{EarlierRow, PriorRows};
use crate::core::task::Policy;
use crate::journal::JournalError;

/// The rows of a run so far and the known contacts of its channel, as the planner asks for them.
pub(super) struct Prior<'a> {
    store: &'a Store,
    plan: &'a OpenPlan,
    run: i64,
    channel: i64,
    // The contact that was asked for last: the planner asks for it several times.
    last: RefCell<LastLocated>,
}

/// A key, and its contact if it has a number.
pub(super) type LastLocated = Option<(Key, Option<Arc<Located>>)>;

/// A contact with a number.
#[derive(Debug)]
pub(super) enum Located {
    /// It is new in this input, and not stored yet.
    New(i64),
    Stored(StoredContact),
}

impl Located {
    pub(super) const fn number(&self) -> i64 {
        match self {
            Self::New(number) | Self::Stored(StoredContact { number, .. }) => *number,
        }
    }
}

impl Located {
    /// Whether it is known what the platform has of it.
    pub(super) const fn is_known(&self) -> bool {
        match self {
            Self::New(_) => false,
            Self::Stored(contact) => contact.is_known(),
        }
    }
}

impl<'a> Prior<'a> {
    pub(super) const fn new(store: &'a Store, plan: &'a OpenPlan, run: i64, channel: i64) -> Self {
        Self { store, plan, run, channel, last: RefCell::new(None) }
    }

    /// The contact that was asked for last, for [`with_last`](Self::with_last).
    pub(super) fn into_last(self) -> LastLocated {
        self.last.into_inner()
    }

    /// Uses what was found before, of which nothing changed meanwhile except that the contact may have got a number.
    pub(super) fn with_last(self, last: LastLocated) -> Self {
        Self { last: RefCell::new(last), ..self }
    }

    pub(super) fn locate(&self, key: &Key) -> Result<Option<Arc<Located>>> {
        if let Some((last, located)) = &*self.last.borrow()
            && last == key
        {
            return Ok(located.clone());
        }
        let parts = self.store.key_parts(key);
        let located = match self.plan.staged_contact(self.store, (self.run, self.channel), &parts)? {
            Ok(number) => Some(Located::New(number)),
            Err(true) => self.store.find_contact(self.channel, &parts)?.map(Located::Stored),
            Err(false) => None,
        };
        let located = located.map(Arc::new);
        *self.last.borrow_mut() = Some((key.clone(), located.clone()));
        Ok(located)
    }

    fn key_of_alias(&self, contact: Option<i64>) -> Result<Option<Key>> {
        let Some(contact) = contact else { return Ok(None) };
        let key = self.plan.key_of_contact(self.store, contact)?;
        Ok(key.and_then(|key| Key::parse_match(&key.text())))
    }
}

impl PriorRows for Prior<'_> {
    type Error = JournalError;

    fn key_of(&self, value: &Key) -> Result<Option<Key>> {
        let located = self.locate(value)?;
        let own = || Key::parse_match(&value.to_string());
        if located.as_ref().is_some_and(|located| self.plan.seen.get(located.number()).is_some()) {
            return Ok(own());
        }
        let parts = self.store.key_parts(value);
        if let Some(key) = self.key_of_alias(self.plan.new_alias(self.store, self.run, &parts)?)? {
            return Ok(Some(key));
        }
        if let Some(Located::Stored(contact)) = located.as_deref()
            && !contact.is_unknown()
        {
            return Ok(own());
        }
        if !self.plan.runs.get(&self.run).is_some_and(super::planning::RunPlan::has_aliases) {
            return Ok(None);
        }
        self.key_of_alias(self.store.alias(self.channel, &parts)?)
    }

    // The key may have a hash in place of its value.
    fn is_another(&self, key: &Key, field: &Field) -> bool {
        key.is_another(field) && self.store.key_parts(&Key::of(field)) != self.store.key_parts(key)
    }

    fn equal_rows(&self, digest: &str) -> Result<u32> {
        Ok(self.plan.equal_rows(self.run, digest))
    }

    fn earlier(&self, key: &Key) -> Result<Option<EarlierRow>> {
        let located = self.locate(key)?;
        Ok(located.and_then(|located| self.plan.seen.get(located.number())).map(|(earlier, _)| earlier))
    }

    fn earlier_contact(&self, earlier: &EarlierRow) -> Result<Contact> {
        // It is stored while rows are merged. Without it, the values of the earlier row would be lost.
        let missing = || damaged("a contact", "it is missing");
        let read = |number: i64, content: &[u8]| {
            let key = self.plan.key_of_contact(self.store, number)?.ok_or_else(missing)?;
            compact::read_contact(self.store, Owner { number, key: key.value() }, &key, content)
        };
        if let Some(staged) = self.plan.staged_pending(self.run, integer(earlier.row)) {
            return read(staged.contact, &staged.content);
        }
        let mut find = self.store.db.prepare_cached(
            "SELECT contact, content FROM pending WHERE run = ?1 AND row = ?2
             UNION ALL SELECT contact, content FROM merging WHERE run = ?1 AND row = ?2",
        )?;
        let found = find.query_row(params![self.run, integer(earlier.row)], |row| Ok((row.get(0)?, row.get(1)?)));
        let (number, content): (i64, Vec<u8>) = found.optional()?.ok_or_else(missing)?;
        read(number, &content)
    }

    fn remote_state(&self, key: &Key) -> Result<RemoteState> {
        match self.locate(key)?.as_deref() {
            Some(Located::Stored(contact)) => contact.remote_state(self.store, &self.store.key_parts(key)),
            Some(Located::New(_)) | None => Ok(RemoteState::Unknown),
        }
    }

    fn past_rejection(&self, contact: &Contact, policy: Policy) -> Result<Option<PastRejection>> {
        match self.locate(contact.key())?.as_deref() {
            Some(Located::Stored(StoredContact { number, .. })) if self.plan.rejected.contains(number) => {
                self.store.past_rejection(*number, contact, policy)
            }
            Some(Located::Stored(_) | Located::New(_)) | None => Ok(None),
        }
    }
}

impl Store {
    pub(super) fn alias(&self, channel: i64, value: &KeyParts<'_>) -> Result<Option<i64>> {
        let Some(field) = value.find_field(self)? else { return Ok(None) };
        let mut find =
            self.db.prepare_cached("SELECT contact FROM aliases WHERE channel = ?1 AND field = ?2 AND value = ?3")?;
        Ok(find.query_row(params![channel, field, value.value()], |row| row.get(0)).optional()?)
    }
}
