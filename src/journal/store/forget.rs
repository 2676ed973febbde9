//! The SQL of forgetting a person: everything that the journal keeps of a contact, by table.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, params};

use super::attempts::{attempt_of, detail, result_number};
use super::compact::{self, Owner};
use super::ids::{IdToStore, StoredId};
use super::keys::KeyParts;
use super::readings::PULL;
use super::{RESUMABLE, Result, Store, natural};
use crate::core::doubt::Doubt;
use crate::core::forgotten::{FORGOTTEN, Identifiers};
use crate::core::model::{ContactId, Key};
use crate::core::selection::ContactRef;
use crate::journal::forget::{Erased, Obstacle, PersonContact, PersonLines};

/// The tables with rows of contacts. In those of calls and of rows that ended, the contact was removed from its rows before.
const OF_CONTACTS: &str = "SELECT name FROM sqlite_master WHERE type = 'table'
     AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_master.name) AS columns WHERE columns.name = 'contact')";

impl Store {
    pub(in crate::journal) fn channel_names(&self) -> Result<Vec<String>> {
        let mut query = self.db.prepare("SELECT name FROM channels WHERE name <> '' ORDER BY name")?;
        let names = query.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    pub(in crate::journal) fn person(&self, name: &ContactRef) -> Result<Vec<PersonContact>> {
        let mut numbers = BTreeSet::new();
        match name {
            ContactRef::Match(text) => {
                numbers.extend(self.contacts_with_value(None, text)?);
                let parts = self.key_parts_of_text(text);
                if let Some(field) = parts.find_field(self)? {
                    numbers.extend(self.contacts_with_value(Some(field), parts.value())?);
                }
                if self.value_key().is_some() {
                    numbers.extend(self.contacts_with_hash_of(text)?);
                }
            }
            ContactRef::Id(id) => {
                let mut query = self.db.prepare(
                    "SELECT contact FROM states WHERE id = ?1 UNION SELECT number FROM contacts WHERE field = 0 AND value = ?2",
                )?;
                let found = query.query_map(params![IdToStore(id), id], |row| row.get(0))?;
                numbers.extend(found.collect::<rusqlite::Result<Vec<i64>>>()?);
                numbers.extend(self.pending_with_id(id)?);
            }
            ContactRef::Line(line) => {
                let mut query = self.db.prepare(
                    "SELECT contact FROM (SELECT run, line, contact FROM items UNION ALL SELECT run, line, contact FROM pending)
                     WHERE line = ?1 AND contact IS NOT NULL AND run IN
                         (SELECT id FROM runs WHERE undoes IS NULL AND sync =
                             (SELECT max(sync) FROM runs WHERE state <> 'planning' AND undoes IS NULL))",
                )?;
                let line = i64::try_from(*line).unwrap_or(i64::MAX);
                let found = query.query_map([line], |row| row.get(0))?;
                numbers.extend(found.collect::<rusqlite::Result<Vec<i64>>>()?);
            }
        }
        let mut found = Vec::new();
        for number in numbers {
            let Some(key) = self.key_of_contact(number)? else { continue };
            let mut query = self.db.prepare_cached("SELECT channel FROM contacts WHERE number = ?1")?;
            let channel = query.query_row([number], |row| row.get(0))?;
            let channel = self.channels.text(self, channel)?.to_string();
            found.push(PersonContact { number, channel, key: key.text() });
        }
        Ok(found)
    }

    // The contacts of pending rows that give this id, which is not known of them yet.
    fn pending_with_id(&self, id: &str) -> Result<Vec<i64>> {
        let mut query = self.db.prepare(&format!(
            "SELECT contact, content FROM pending WHERE run IN (SELECT id FROM runs WHERE state IN {RESUMABLE})"
        ))?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (number, content): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let Some(key) = self.key_of_contact(number)? else { continue };
            let contact = compact::read_contact(self, Owner { number, key: key.value() }, &key, &content)?;
            if contact.id().is_some_and(|given| given.as_str() == id) {
                found.push(number);
            }
        }
        Ok(found)
    }

    // The contacts with a hash of this value as their key or alias, in any match field.
    fn contacts_with_hash_of(&self, value: &str) -> Result<Vec<i64>> {
        let mut query = self
            .db
            .prepare("SELECT field FROM contacts WHERE field > 0 UNION SELECT field FROM aliases WHERE field > 0")?;
        let fields = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut found = Vec::new();
        for field in fields {
            let key = Key::Match { field: (*self.names.text(self, field)?).into(), value: value.into() };
            found.extend(self.contacts_with_value(Some(field), self.key_parts(&key).value())?);
        }
        Ok(found)
    }

    // The contacts with this key or alias; without a field, with this value in any match field.
    fn contacts_with_value(&self, field: Option<i64>, value: &str) -> Result<Vec<i64>> {
        let mut query = self.db.prepare(
            "SELECT number FROM contacts WHERE value = ?1 AND field > 0 AND (?2 IS NULL OR field = ?2)
             UNION SELECT contact FROM aliases WHERE value = ?1 AND field > 0 AND (?2 IS NULL OR field = ?2)
             UNION SELECT number FROM contacts WHERE value = ?1 AND field = ?2",
        )?;
        let numbers = query.query_map(params![value, field], |row| row.get(0))?;
        Ok(numbers.collect::<rusqlite::Result<_>>()?)
    }

    pub(in crate::journal) fn obstacle(&self, person: &[PersonContact]) -> Result<Option<(PersonContact, Obstacle)>> {
        for contact in person {
            let mut in_doubt = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM doubts WHERE contact = ?1)")?;
            if in_doubt.query_row([contact.number], |row| row.get(0))? {
                return Ok(Some((contact.clone(), Obstacle::InDoubt)));
            }
            let mut pending = self.db.prepare_cached(&format!(
                "SELECT run FROM pending WHERE contact = ?1 AND run IN (SELECT id FROM runs WHERE state IN {RESUMABLE})"
            ))?;
            let mut open = self.db.prepare_cached(&format!(
                "SELECT run FROM open_rows WHERE run IN (SELECT id FROM runs WHERE state IN {RESUMABLE}) LIMIT 1"
            ))?;
            let run = pending.query_row([contact.number], |row| row.get(0)).optional()?;
            // In a journal of hashes, they may be rows of the person, which cannot be told.
            let run = run.map_or_else(|| open.query_row([], |row| row.get(0)).optional(), |run| Ok(Some(run)))?;
            if let Some(run) = run {
                return Ok(Some((contact.clone(), Obstacle::Pending { run })));
            }
        }
        Ok(None)
    }

    pub(in crate::journal) fn identifiers(&self, person: &[PersonContact]) -> Result<(Identifiers, Vec<Key>)> {
        let (mut identifiers, mut keys) = (Identifiers::default(), Vec::new());
        for contact in person {
            let mut parts = Vec::from_iter(self.key_of_contact(contact.number)?);
            let mut query = self.db.prepare_cached("SELECT field, value FROM aliases WHERE contact = ?1")?;
            let aliases = query.query_map([contact.number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for alias in aliases.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
                parts.push(KeyParts::stored(self, alias.0, alias.1)?);
            }
            for part in &parts {
                let Some(key) = part.key(false) else { continue };
                if let Key::Match { .. } | Key::Id(_) = key {
                    identifiers.add(part.value());
                    keys.push(key);
                }
            }
            let mut query = self.db.prepare_cached("SELECT id FROM states WHERE contact = ?1")?;
            let id: Option<StoredId> = query.query_row([contact.number], |row| row.get(0)).optional()?;
            if let Some(id) = id.and_then(|StoredId(id)| ContactId::new(id)) {
                identifiers.add(id.as_str());
                keys.push(Key::Id(id));
            }
        }
        Ok((identifiers, keys))
    }

    pub(in crate::journal) fn lists_of(
        &self,
        person: &[PersonContact],
        identifiers: &Identifiers,
    ) -> Result<Vec<PersonLines>> {
        let mut query = self.db.prepare("SELECT sync FROM listings ORDER BY sync DESC")?;
        let syncs = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut lists = Vec::new();
        for sync in syncs {
            let Some((listing, _)) = self.listing(sync)? else { continue };
            lists.push(PersonLines { listing, lines: self.lines_of(sync, person, identifiers)? });
        }
        Ok(lists)
    }

    // The lines of an input with rows of these contacts, or of none but with their match values.
    fn lines_of(&self, sync: i64, person: &[PersonContact], identifiers: &Identifiers) -> Result<Vec<u64>> {
        let numbers: BTreeSet<i64> = person.iter().map(|contact| contact.number).collect();
        let mut query = self.db.prepare_cached(
            "SELECT line, contact, cells FROM items WHERE run IN (SELECT id FROM runs WHERE sync = ?1)
                 AND (contact IS NOT NULL OR cells IS NOT NULL)",
        )?;
        let mut rows = query.query([sync])?;
        let mut lines = Vec::new();
        while let Some(row) = rows.next()? {
            let (contact, cells): (Option<i64>, Option<String>) = (row.get(1)?, row.get(2)?);
            let is_of_person = match contact {
                Some(contact) => numbers.contains(&contact),
                None => cells.is_some_and(|cells| identifiers.are_in_row(&cells)),
            };
            if is_of_person {
                lines.push(natural(row.get(0)?));
            }
        }
        Ok(lines)
    }

    pub(in crate::journal) fn forget(
        &self,
        person: &[PersonContact],
        identifiers: &Identifiers,
        suppressed: &[Key],
    ) -> Result<Erased> {
        // A process that reads an input holds a channel, so these were left by processes that were killed.
        self.drop_runs("state = 'planning' AND ?1", true)?;
        let erased =
            Erased { calls: self.forget_calls(person, identifiers)?, rows: self.forget_items(person, identifiers)? };
        self.forget_mentions(identifiers)?;
        self.forget_open()?;
        let mut query = self.db.prepare(OF_CONTACTS)?;
        let of_contacts = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        for contact in person {
            self.forget_in_snapshots(&contact.channel, &contact.key, contact.number)?;
            self.forget_shown(contact.number)?;
            for table in &of_contacts {
                self.db.execute(&format!("DELETE FROM {table} WHERE contact = ?1"), [contact.number])?;
            }
            self.db.execute("DELETE FROM contacts WHERE number = ?1", [contact.number])?;
        }
        self.forget_numbers();
        self.suppress(suppressed)?;
        Ok(erased)
    }

    // The calls stay, because they count in their windows and in the summaries of their runs.
    fn forget_calls(&self, person: &[PersonContact], identifiers: &Identifiers) -> Result<u64> {
        let numbers: BTreeSet<i64> = person.iter().map(|contact| contact.number).collect();
        let mut query = self.db.prepare("SELECT number, contact, result, detail FROM calls")?;
        let mut update =
            self.db.prepare("UPDATE calls SET contact = ?2, result = ?3, detail = ?4 WHERE number = ?1")?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let contact: Option<i64> = row.get(1)?;
            let is_own = contact.is_some_and(|contact| numbers.contains(&contact));
            let is_mentioned = match row.get_ref(3)? {
                ValueRef::Integer(id) => identifiers.has(&id.to_string()),
                ValueRef::Text(text) => identifiers.are_in(&String::from_utf8_lossy(text)),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => false,
            };
            if is_own || is_mentioned {
                let result: Option<i64> = row.get(2)?;
                let attempt = result.map(|result| attempt_of(result, row.get(3)?)).transpose()?;
                found.push((row.get::<_, i64>(0)?, contact.filter(|_| !is_own), attempt));
            }
        }
        for (number, contact, attempt) in &found {
            let attempt = attempt.clone().map(|attempt| attempt.forgotten(identifiers));
            let (result, detail) = (attempt.as_ref().map(result_number), attempt.as_ref().map(detail));
            update.execute(params![number, contact, result, detail])?;
        }
        self.past_calls.take();
        Ok(found.len() as u64)
    }

    // The rows stay, because they are counted.
    fn forget_items(&self, person: &[PersonContact], identifiers: &Identifiers) -> Result<u64> {
        let numbers: BTreeSet<i64> = person.iter().map(|contact| contact.number).collect();
        let mut query = self.db.prepare(
            "SELECT run, row, contact, reason, cells FROM items
             WHERE contact IS NOT NULL OR reason IS NOT NULL OR cells IS NOT NULL",
        )?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (contact, reason, cells): (Option<i64>, Option<String>, Option<String>) =
                (row.get(2)?, row.get(3)?, row.get(4)?);
            let is_own = match contact {
                Some(contact) => numbers.contains(&contact),
                None => cells.is_some_and(|cells| identifiers.are_in_row(&cells)),
            };
            let is_named = reason.as_ref().is_some_and(|reason| identifiers.are_in(reason));
            if is_own || is_named {
                let place: (i64, i64) = (row.get(0)?, row.get(1)?);
                found.push((place, is_own, reason.map(|_| FORGOTTEN)));
            }
        }
        let mut own = self
            .db
            .prepare("UPDATE items SET contact = NULL, cells = NULL, reason = ?3 WHERE run = ?1 AND row = ?2")?;
        let mut named = self.db.prepare("UPDATE items SET reason = ?3 WHERE run = ?1 AND row = ?2")?;
        for ((run, row), is_own, reason) in &found {
            let update = if *is_own { &mut own } else { &mut named };
            update.execute(params![run, row, reason])?;
            self.db.execute("DELETE FROM open_rows WHERE run = ?1 AND row = ?2", [run, row])?;
        }
        Ok(found.iter().filter(|(_, is_own, _)| *is_own).count() as u64)
    }

    // Texts about other contacts or runs that name the person.
    fn forget_mentions(&self, identifiers: &Identifiers) -> Result<()> {
        for table in ["rejections", "runs"] {
            let mut query =
                self.db.prepare(&format!("SELECT DISTINCT reason FROM {table} WHERE reason IS NOT NULL"))?;
            let reasons = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            for reason in reasons.iter().filter(|reason| identifiers.are_in(reason)) {
                self.db.execute(&format!("UPDATE {table} SET reason = ?2 WHERE reason = ?1"), [reason, FORGOTTEN])?;
            }
        }
        let mut query = self.db.prepare("SELECT id, summary FROM runs WHERE summary IS NOT NULL")?;
        let summaries = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let summaries = summaries.collect::<rusqlite::Result<BTreeMap<i64, String>>>()?;
        for (run, summary) in summaries {
            let Ok(mut json) = serde_json::from_str::<serde_json::Value>(&summary) else { continue };
            if json["reason"].as_str().is_some_and(|reason| identifiers.are_in(reason)) {
                json["reason"] = FORGOTTEN.into();
                self.db.execute("UPDATE runs SET summary = ?2 WHERE id = ?1", params![run, json.to_string()])?;
            }
        }
        let mut query = self.db.prepare("SELECT contact, channel FROM doubts JOIN contacts ON number = contact")?;
        let doubts = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (contact, _) in doubts.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            self.change_doubt(contact, |doubt: &mut Doubt| {
                for text in [&mut doubt.lookalike, &mut doubt.conflict].into_iter().flatten() {
                    if identifiers.are_in(text) {
                        FORGOTTEN.clone_into(text);
                    }
                }
            })?;
        }
        Ok(())
    }

    // What is kept for what was interrupted, and may be of the person: the lists of runs that are over, and the pages of pulls,
    // which begin again.
    fn forget_open(&self) -> Result<()> {
        self.db.execute_batch(&format!(
            "DELETE FROM open_rows WHERE run NOT IN (SELECT id FROM runs WHERE state IN {RESUMABLE});
             DELETE FROM readings WHERE kind = {PULL} AND NOT ended;
             DELETE FROM shown_contacts WHERE reading NOT IN (SELECT id FROM readings);
             DELETE FROM shown_aliases WHERE reading NOT IN (SELECT id FROM readings);"
        ))?;
        Ok(())
    }

    // What the pages of a pull showed of a contact, until it ends.
    fn forget_shown(&self, number: i64) -> Result<()> {
        let mut query = self.db.prepare_cached(
            "SELECT shown_contacts.reading, shown_contacts.id FROM contacts
             JOIN readings ON readings.channel = contacts.channel
             LEFT JOIN states ON states.contact = contacts.number
             JOIN shown_contacts ON shown_contacts.reading = readings.id
                 AND (shown_contacts.field = contacts.field AND shown_contacts.value = contacts.value
                          OR shown_contacts.id = CAST(states.id AS TEXT))
             WHERE contacts.number = ?1",
        )?;
        let shown = query.query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (reading, id) in shown.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
            for table in ["shown_contacts", "shown_aliases"] {
                self.db
                    .execute(&format!("DELETE FROM {table} WHERE reading = ?1 AND id = ?2"), params![reading, id])?;
            }
        }
        Ok(())
    }

    pub(in crate::journal) fn rewrite(&self) -> Result<bool> {
        // Neither works within a transaction.
        self.db.execute_batch("COMMIT; VACUUM")?;
        let busy: i64 = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        Ok(busy == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_with_rows_of_a_contact_are_found() {
        let store = Store::in_memory(None).unwrap();
        let mut query = store.db.prepare(OF_CONTACTS).unwrap();
        let found: BTreeSet<String> =
            query.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        for table in ["states", "doubts", "aliases", "values_before", "rejections", "accepted", "differences", "turns"]
        {
            assert!(found.contains(table), "{table}: {found:?}");
        }
        assert!(!found.contains("contacts") && !found.contains("run_calls"), "{found:?}");
    }
}
