//! The SQL of contacts: their numbers, their keys, and what is known of them.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row, params};

use super::compact::{self, Owner};
use super::ids::{IdToStore, StoredId};
use super::keys::KeyParts;
use super::{Result, Store};
use crate::core::doubt::Doubt;
use crate::core::model::{ContactId, ID_KEY, Key, Known, RemoteState};

/// The contacts that have a contact id. Without `INDEXED BY`, SQLite may read every contact of the channel.
const HOLDERS: &str = "SELECT contacts.number, contacts.field, contacts.value FROM states INDEXED BY states_by_id
     JOIN contacts ON contacts.number = states.contact
     WHERE states.id = ?1 AND contacts.channel = ?2";

/// A contact that the journal has.
#[derive(Debug)]
pub(super) struct StoredContact {
    pub number: i64,
    state: StoredState,
}

/// A remote state as it is stored.
#[derive(Debug)]
pub(super) enum StoredState {
    /// It was never sent.
    Unknown,
    Known {
        id: String,
        content: Vec<u8>,
    },
    InDoubt(Vec<u8>),
}

impl StoredContact {
    pub(super) const fn is_known(&self) -> bool {
        matches!(self.state, StoredState::Known { .. })
    }

    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self.state, StoredState::Unknown)
    }

    pub(super) fn remote_state(&self, store: &Store, key: &KeyParts<'_>) -> Result<RemoteState> {
        self.state.read(store, self.number, key)
    }
}

impl StoredState {
    /// From `states.id`, `states.content` and `doubts.content`, which stand in this order from column `at` on.
    pub(super) fn of(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(match (row.get(at + 2)?, row.get(at)?) {
            (Some(doubt), _) => Self::InDoubt(doubt),
            (None, Some(StoredId(id))) => Self::Known { id, content: row.get(at + 1)? },
            (None, None) => Self::Unknown,
        })
    }

    pub(super) fn read(&self, store: &Store, contact: i64, key: &KeyParts<'_>) -> Result<RemoteState> {
        let owner = Owner { number: contact, key: key.value() };
        Ok(match self {
            Self::Unknown => RemoteState::Unknown,
            Self::InDoubt(content) => RemoteState::InDoubt(compact::read_doubt(store, owner, key, content)?),
            Self::Known { id, content } => RemoteState::Known(compact::read_known(store, owner, id, content)?),
        })
    }
}

/// Number of contacts after which those are forgotten that were sent.
const MOST_REMEMBERED: usize = 10_000;

/// The numbers of contacts whose keys were read lately. A contact is needed for each of its calls and answers, and the index of
/// keys is far larger than the cache.
#[derive(Debug, Default)]
pub(super) struct ContactNumbers {
    // By channel and field, and value.
    by_key: HashMap<(i64, i64), HashMap<Box<str>, i64>>,
    count: usize,
}

impl ContactNumbers {
    fn get(&self, channel: i64, field: i64, value: &str) -> Option<i64> {
        self.by_key.get(&(channel, field))?.get(value).copied()
    }

    fn note(&mut self, channel: i64, field: i64, value: &str, number: i64) {
        if self.count >= MOST_REMEMBERED {
            *self = Self::default();
        }
        let is_new = self.by_key.entry((channel, field)).or_default().insert(value.into(), number).is_none();
        self.count += usize::from(is_new);
    }
}

/// A contact that another one of the channel may be mistaken for.
#[derive(Debug)]
pub(super) struct Holder {
    pub number: i64,
    pub key: KeyParts<'static>,
}

impl Store {
    /// The contact of a key, if the journal has one.
    pub(super) fn find_contact(&self, channel: i64, key: &KeyParts<'_>) -> Result<Option<StoredContact>> {
        let Some(field) = key.find_field(self)? else { return Ok(None) };
        let mut query = self.db.prepare_cached(
            "SELECT contacts.number, states.id, states.content, doubts.content FROM contacts
             LEFT JOIN states ON states.contact = contacts.number LEFT JOIN doubts ON doubts.contact = contacts.number
             WHERE contacts.channel = ?1 AND contacts.field = ?2 AND contacts.value = ?3",
        )?;
        let found = query.query_row(params![channel, field, key.value()], |row| {
            Ok(StoredContact { number: row.get(0)?, state: StoredState::of(row, 1)? })
        });
        Ok(found.optional()?)
    }

    /// The number of a channel, which may be new.
    pub(super) fn channel_number(&self, channel: &str) -> Result<i64> {
        self.channels.number(self, channel)
    }

    pub(super) fn number_of_contact(&self, channel: i64, key: &KeyParts<'_>) -> Result<Option<i64>> {
        let Some(field) = key.find_field(self)? else { return Ok(None) };
        if let Some(number) = self.numbers.borrow().get(channel, field, key.value()) {
            return Ok(Some(number));
        }
        let mut query =
            self.db.prepare_cached("SELECT number FROM contacts WHERE channel = ?1 AND field = ?2 AND value = ?3")?;
        Ok(query.query_row(params![channel, field, key.value()], |row| row.get(0)).optional()?)
    }

    /// Remembers the number of a contact that is about to be sent.
    pub(super) fn note_number(&self, channel: i64, field: i64, value: &str, number: i64) {
        self.numbers.borrow_mut().note(channel, field, value, number);
    }

    /// Forgets the numbers of contacts, some of which are deleted.
    pub(super) fn forget_numbers(&self) {
        self.numbers.take();
    }

    /// The number of a contact, which gets one if it has none: a plan gives one to each contact, and a contact may be sent
    /// without a plan.
    pub(super) fn contact_number(&self, channel: i64, key: &KeyParts<'_>) -> Result<i64> {
        if let Some(number) = self.number_of_contact(channel, key)? {
            return Ok(number);
        }
        let number = self.take_numbers(1)?;
        let mut insert =
            self.db.prepare_cached("INSERT INTO contacts (number, channel, field, value) VALUES (?1, ?2, ?3, ?4)")?;
        insert.execute(params![number, channel, key.field(self)?, key.value()])?;
        Ok(number)
    }

    /// Takes numbers for new contacts, and returns the first of them.
    pub(super) fn take_numbers(&self, count: i64) -> Result<i64> {
        let mut take = self.db.prepare_cached("UPDATE next_contact SET number = number + ?1 RETURNING number - ?1")?;
        Ok(take.query_row([count], |row| row.get(0))?)
    }

    /// The key of a contact; `None` when it is gone.
    pub(super) fn key_of_contact(&self, number: i64) -> Result<Option<KeyParts<'static>>> {
        let mut query = self.db.prepare_cached("SELECT field, value FROM contacts WHERE number = ?1")?;
        let parts: Option<(i64, String)> =
            query.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        parts.map(|(field, value)| KeyParts::stored(self, field, value)).transpose()
    }

    pub(in crate::journal) fn remote_state(&self, channel: &str, key: &Key) -> Result<RemoteState> {
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(RemoteState::Unknown) };
        let key = self.key_parts(key);
        let found = self.find_contact(channel, &key)?;
        found.map_or(Ok(RemoteState::Unknown), |found| found.remote_state(self, &key))
    }

    pub(super) fn set_known(&self, owner: Owner<'_>, known: &Known) -> Result<()> {
        let content = compact::known_bytes(self, owner, known)?;
        let mut write = self.db.prepare_cached(
            "INSERT INTO states (contact, id, content) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET id = excluded.id, content = excluded.content",
        )?;
        write.execute(params![owner.number, IdToStore(known.id.as_str()), content])?;
        self.delete_doubt(owner.number)
    }

    pub(super) fn set_doubt(&self, owner: Owner<'_>, doubt: &Doubt) -> Result<()> {
        let content = compact::doubt_bytes(self, owner, doubt)?;
        let mut write = self.db.prepare_cached("INSERT OR REPLACE INTO doubts (contact, content) VALUES (?1, ?2)")?;
        write.execute(params![owner.number, content])?;
        self.delete_known(owner.number)
    }

    pub(super) fn forget_state(&self, contact: i64) -> Result<()> {
        self.forget_missing(contact)?;
        self.delete_known(contact)?;
        self.delete_doubt(contact)
    }

    pub(super) fn delete_known(&self, contact: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM states WHERE contact = ?1")?.execute([contact])?;
        Ok(())
    }

    fn delete_doubt(&self, contact: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM doubts WHERE contact = ?1")?.execute([contact])?;
        Ok(())
    }

    /// The contacts of the channel that have this contact id.
    pub(super) fn numbers_with_id(&self, channel: i64, id: &ContactId) -> Result<Vec<i64>> {
        let mut query = self.db.prepare_cached(HOLDERS)?;
        let numbers = query.query_map(params![IdToStore(id.as_str()), channel], |row| row.get(0))?;
        Ok(numbers.collect::<rusqlite::Result<_>>()?)
    }

    // The other contacts of the channel that have this contact id. A key that is the id itself is the same contact.
    pub(super) fn holders_of(&self, channel: i64, id: &ContactId, key: &KeyParts<'_>) -> Result<Vec<Holder>> {
        let mut query = self.db.prepare_cached(HOLDERS)?;
        let mut rows = query.query(params![IdToStore(id.as_str()), channel])?;
        let mut holders = Vec::new();
        while let Some(row) = rows.next()? {
            let holder = Holder { number: row.get(0)?, key: KeyParts::stored(self, row.get(1)?, row.get(2)?)? };
            if holder.key != *key && !holder.key.is_id() {
                holders.push(holder);
            }
        }
        Ok(holders)
    }

    pub(in crate::journal) fn holders(&self, channel: &str, id: &ContactId, key: &str) -> Result<Vec<String>> {
        let Some(channel) = self.channels.find(self, channel)? else { return Ok(Vec::new()) };
        let holders = self.holders_of(channel, id, &self.key_parts_of_text(key))?;
        Ok(holders.iter().map(|holder| holder.key.shown()).collect())
    }

    // Whether anything is known of any contact. Of contacts that were only read, nothing is, and all of them would be looked through.
    fn knows_any_contact(&self) -> Result<bool> {
        let mut query =
            self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM states) OR EXISTS (SELECT 1 FROM doubts)")?;
        Ok(query.query_row([], |row| row.get(0))?)
    }

    /// Whether anything is known of a contact of the channel.
    pub(super) fn has_known_contacts(&self, channel: i64) -> Result<bool> {
        if !self.knows_any_contact()? {
            return Ok(false);
        }
        let mut query = self.db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM contacts WHERE channel = ?1 AND (EXISTS (SELECT 1 FROM states WHERE contact = number)
                                OR EXISTS (SELECT 1 FROM doubts WHERE contact = number)))",
        )?;
        Ok(query.query_row([channel], |row| row.get(0))?)
    }

    /// A key of the channel's known contacts for each of the fields that they have as keys, contact ids left out.
    pub(super) fn fields_of_keys(&self, channel: i64) -> Result<Vec<KeyParts<'static>>> {
        if !self.knows_any_contact()? {
            return Ok(Vec::new());
        }
        let mut next = self
            .db
            .prepare_cached("SELECT field FROM contacts WHERE channel = ?1 AND field > ?2 ORDER BY field LIMIT 1")?;
        let mut known = self.db.prepare_cached(
            "SELECT value FROM contacts WHERE channel = ?1 AND field = ?2 AND (EXISTS (SELECT 1 FROM states WHERE contact = number)
                 OR EXISTS (SELECT 1 FROM doubts WHERE contact = number)) LIMIT 1",
        )?;
        let (mut keys, mut last) = (Vec::new(), i64::MIN);
        while let Some(field) = next.query_row([channel, last], |row| row.get::<_, i64>(0)).optional()? {
            last = field;
            let value: Option<String> = known.query_row([channel, field], |row| row.get(0)).optional()?;
            if let Some(value) = value {
                let key = KeyParts::stored(self, field, value)?;
                if !key.text().starts_with(ID_KEY) {
                    keys.push(key);
                }
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_contact_id_is_found_by_the_index() {
        let store = Store::in_memory(None).unwrap();
        let mut plan = store.db.prepare(&format!("EXPLAIN QUERY PLAN {HOLDERS}")).unwrap();
        let plan: Vec<String> =
            plan.query_map(params!["7", 1], |row| row.get(3)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        let expected = [
            "SEARCH states USING COVERING INDEX states_by_id (id=?)",
            "SEARCH contacts USING INTEGER PRIMARY KEY (rowid=?)",
        ];
        assert_eq!(plan, expected);
    }
}
