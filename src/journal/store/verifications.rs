//! The SQL of verifications: the contacts that are still to be read back, what differed, and what was accepted.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::checked_json::{checked_json, parse_checked};
use super::compact::Owner;
use super::hashing::{shown_difference, without_hashes};
use super::ids::IdToStore;
use super::keys::KeyParts;
use super::readings::{Interrupted, PULL, READING, VERIFICATION};
use super::{Result, Store, damaged, natural};
use crate::core::model::{Field, HashedKey, Key, Known, Remote, Value};
use crate::core::time::Timestamp;
use crate::core::verification::{Difference, Remedy, Scope, differences, repaired, sampled};
use crate::core::walk::Walk;
use crate::journal::readings::PullAsked;
use crate::journal::verifications::{Differing, OpenVerification, Unread, VerifyAsked, VerifyProgress};

impl Store {
    pub(in crate::journal) fn begin_verification(
        &self,
        channel: &str,
        (asked, seed): (&VerifyAsked, u64),
        only: Option<&BTreeSet<i64>>,
        (now, search_lag): (Timestamp, Duration),
    ) -> Result<OpenVerification> {
        let channel = self.channel_number(channel)?;
        let marker = self.last_marker(channel)?;
        let open = |id, progress, begun: Timestamp| {
            let recent = self.changed_since(channel, begun.before(search_lag))?;
            Ok(OpenVerification { id, progress, recent, marker })
        };
        if let Some(Interrupted { id, progress, begun }) =
            self.interrupted_reading(channel, VERIFICATION, asked, now)?
        {
            return open(id, progress, begun);
        }
        let mut query = self.db.prepare_cached(
            "SELECT contacts.number FROM contacts CROSS JOIN states ON states.contact = contacts.number
             WHERE contacts.channel = ?1 ORDER BY contacts.number",
        )?;
        let known = query.query_map([channel], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut chosen: Vec<i64> =
            known.into_iter().filter(|number| only.is_none_or(|only| only.contains(number))).collect();
        if let Some(count) = asked.sample {
            chosen = sampled(&chosen, usize::try_from(count).unwrap_or(usize::MAX), asked.seed.unwrap_or(seed));
        }
        let progress = VerifyProgress { contacts: chosen.len() as u64, ..VerifyProgress::default() };
        let id = self.insert_reading(channel, VERIFICATION, (asked, &progress), now)?;
        let mut insert = self.db.prepare_cached("INSERT INTO unread_contacts (reading, contact) VALUES (?1, ?2)")?;
        for number in chosen {
            insert.execute([id, number])?;
        }
        open(id, progress, now)
    }

    // The marker of the last pull that came to its end.
    fn last_marker(&self, channel: i64) -> Result<Option<(Field, Option<u64>)>> {
        let mut query =
            self.db.prepare_cached("SELECT asked, walk FROM readings WHERE channel = ?1 AND kind = ?2 AND ended")?;
        let pulled: Option<(String, String)> =
            query.query_row([channel, PULL], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((asked, walk)) = pulled else { return Ok(None) };
        let PullAsked { field, value, .. } = parse_checked(READING, &asked)?;
        let walk: Walk = parse_checked(READING, &walk)?;
        Ok(Some((Field::text(field, value), walk.total())))
    }

    pub(in crate::journal) fn count_unread(&self, reading: i64) -> Result<u64> {
        let mut query = self.db.prepare_cached("SELECT count(*) FROM unread_contacts WHERE reading = ?1")?;
        Ok(query.query_row([reading], |row| row.get(0)).map(natural)?)
    }

    pub(in crate::journal) fn unread(&self, reading: i64, after: i64, limit: u32) -> Result<Vec<Unread>> {
        let mut query = self.db.prepare_cached(
            "SELECT contact FROM unread_contacts WHERE reading = ?1 AND contact > ?2 ORDER BY contact LIMIT ?3",
        )?;
        let numbers = query.query_map(params![reading, after, limit], |row| row.get(0))?;
        let mut unread = Vec::new();
        for contact in numbers.collect::<rusqlite::Result<Vec<i64>>>()? {
            match self.known_with_key(contact)? {
                Some((key, known)) => {
                    let match_field = key.match_field(self, &known);
                    unread.push(Unread { contact, key: key.shown(), match_field, known });
                }
                // It is in doubt by now, or gone.
                None => self.set_read(reading, contact)?,
            }
        }
        Ok(unread)
    }

    fn known_with_key(&self, contact: i64) -> Result<Option<(KeyParts<'static>, Known)>> {
        let Some(key) = self.key_of_contact(contact)? else { return Ok(None) };
        let known = self.known_of(contact, &key)?;
        Ok(known.map(|known| (key, known)))
    }

    fn set_read(&self, reading: i64, contact: i64) -> Result<()> {
        let mut delete = self.db.prepare_cached("DELETE FROM unread_contacts WHERE reading = ?1 AND contact = ?2")?;
        delete.execute([reading, contact])?;
        Ok(())
    }

    pub(in crate::journal) fn set_verified(&self, reading: i64, shown: &[Remote], scope: &Scope) -> Result<()> {
        let mut query = self.db.prepare_cached(
            "SELECT states.contact FROM states INDEXED BY states_by_id
             JOIN unread_contacts ON unread_contacts.contact = states.contact WHERE states.id = ?1 AND reading = ?2",
        )?;
        for remote in shown {
            let numbers = query.query_map(params![IdToStore(remote.id.as_str()), reading], |row| row.get(0))?;
            for contact in numbers.collect::<rusqlite::Result<Vec<i64>>>()? {
                let Some((key, known)) = self.known_with_key(contact)? else { continue };
                let key = key.match_field(self, &known);
                let found = self.not_accepted(contact, differences(key.as_ref(), &known, remote, scope, None))?;
                if found.is_empty() {
                    self.set_read(reading, contact)?;
                }
            }
        }
        Ok(())
    }

    pub(in crate::journal) fn set_progress(&self, reading: i64, progress: &VerifyProgress) -> Result<()> {
        let mut update = self.db.prepare_cached("UPDATE readings SET walk = ?2 WHERE id = ?1")?;
        update.execute(params![reading, checked_json(progress)])?;
        Ok(())
    }

    // The differences that were not accepted before.
    fn not_accepted(&self, contact: i64, found: Vec<Difference>) -> Result<Vec<Difference>> {
        let mut query =
            self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM accepted WHERE contact = ?1 AND difference = ?2)")?;
        let mut left = Vec::new();
        for difference in found {
            let is_accepted: bool =
                query.query_row(params![contact, self.kept_difference(&difference)], |row| row.get(0))?;
            if !is_accepted {
                left.push(difference);
            }
        }
        Ok(left)
    }

    pub(in crate::journal) fn add_differences(
        &self,
        reading: i64,
        contact: i64,
        found: Vec<Difference>,
        remedy: Remedy,
    ) -> Result<()> {
        self.set_read(reading, contact)?;
        let found = self.not_accepted(contact, found)?;
        if found.is_empty() {
            return Ok(());
        }
        let mut insert = self.db.prepare_cached(
            "INSERT OR REPLACE INTO differences (reading, contact, nth, difference) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for (nth, difference) in (0_i64..).zip(&found) {
            insert.execute(params![reading, contact, nth, self.kept_difference(difference)])?;
        }
        if self.hashes_values() {
            self.found.borrow_mut().insert((reading, contact), found.clone());
        }
        match remedy {
            Remedy::None => Ok(()),
            Remedy::Repair => {
                self.forget_changed_aliases(contact, &found)?;
                self.repair(contact, &found)
            }
            Remedy::Accept => {
                self.forget_changed_aliases(contact, &found)?;
                self.accept(contact, &found)
            }
        }
    }

    // A row with a match value that the contact no longer has is searched for.
    fn forget_changed_aliases(&self, contact: i64, found: &[Difference]) -> Result<()> {
        for difference in found {
            let Difference::Field { name, wanted: Some(wanted), .. } = difference else { continue };
            if let Value::Hashed(hashed) = wanted {
                self.forget_hashed_alias(contact, name, hashed.forms().exact)?;
                continue;
            }
            let key = Key::of(&Field { name: name.as_str().into(), value: wanted.clone().into_text() });
            let parts = self.key_parts(&key);
            let Some(field) = parts.find_field(self)? else { continue };
            let mut delete = self.db.prepare_cached(
                "DELETE FROM aliases WHERE channel = (SELECT channel FROM contacts WHERE number = ?1)
                     AND field = ?2 AND value = ?3 AND contact = ?1",
            )?;
            delete.execute(params![contact, field, parts.value()])?;
        }
        Ok(())
    }

    // As above, for a value of which the hash is known.
    fn forget_hashed_alias(&self, contact: i64, name: &str, exact: u64) -> Result<()> {
        let Some(field) = self.names.find(self, name)? else { return Ok(()) };
        let beginning = HashedKey::beginning(exact);
        // The characters of a hash are below the last one of ASCII.
        let end = format!("{beginning}\u{7f}");
        let mut query = self.db.prepare_cached(
            "SELECT channel, value FROM aliases WHERE channel = (SELECT channel FROM contacts WHERE number = ?1)
                 AND field = ?2 AND value BETWEEN ?3 AND ?4 AND contact = ?1",
        )?;
        let found = query.query_map(params![contact, field, beginning, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (channel, value) in found.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
            if HashedKey::parse(&value).is_some_and(|hashed| hashed.exact == exact) {
                let mut delete =
                    self.db.prepare_cached("DELETE FROM aliases WHERE channel = ?1 AND field = ?2 AND value = ?3")?;
                delete.execute(params![channel, field, value])?;
            }
        }
        Ok(())
    }

    /// Whether differences of a contact were accepted.
    pub(super) fn has_accepted(&self, contact: i64) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM accepted WHERE contact = ?1)")?;
        Ok(query.query_row([contact], |row| row.get(0))?)
    }

    /// A run has written to a contact: what was accepted before may differ in another way now.
    pub(super) fn forget_accepted(&self, contact: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM accepted WHERE contact = ?1")?.execute([contact])?;
        Ok(())
    }

    // The next sync maps the contact's row, and sends what it has otherwise than the platform.
    fn repair(&self, contact: i64, found: &[Difference]) -> Result<()> {
        if found.contains(&Difference::Replaced) {
            return Ok(());
        }
        let Some((key, known)) = self.known_with_key(contact)? else { return Ok(()) };
        let mut query = self.db.prepare_cached("SELECT channel FROM contacts WHERE number = ?1")?;
        let channel: i64 = query.query_row([contact], |row| row.get(0))?;
        self.touch(&self.channels.text(self, channel)?, &key.text(), None)?;
        self.set_known(Owner { number: contact, key: key.value() }, &repaired(known, found))
    }

    fn accept(&self, contact: i64, found: &[Difference]) -> Result<()> {
        let mut insert =
            self.db.prepare_cached("INSERT OR IGNORE INTO accepted (contact, difference) VALUES (?1, ?2)")?;
        for difference in found {
            match difference {
                // Such a contact cannot be taken as it is.
                Difference::Gone | Difference::Replaced => {}
                Difference::Field { .. } | Difference::TagMissing { .. } | Difference::TagPresent { .. } => {
                    insert.execute(params![contact, self.kept_difference(difference)])?;
                }
            }
        }
        Ok(())
    }

    pub(in crate::journal) fn differing(&self, reading: i64) -> Result<Vec<Differing>> {
        let mut query = self
            .db
            .prepare_cached("SELECT contact, difference FROM differences WHERE reading = ?1 ORDER BY contact, nth")?;
        let mut rows = query.query([reading])?;
        let mut all: Vec<(i64, Differing)> = Vec::new();
        while let Some(row) = rows.next()? {
            let (contact, difference): (i64, String) = (row.get(0)?, row.get(1)?);
            let difference: Difference = parse_checked("a difference", &difference)?;
            let difference = if self.value_key().is_some() { shown_difference(difference) } else { difference };
            if let Some((_, differing)) = all.last_mut().filter(|(last, _)| *last == contact) {
                differing.differences.push(difference);
                continue;
            }
            // A run may have removed its state since, as of one that is in doubt by now.
            let Some((key, known)) = self.known_with_key(contact)? else { continue };
            let (key, id) = (key.shown(), known.id.as_str().to_owned());
            all.push((contact, Differing { key, id, differences: vec![difference] }));
        }
        let of_this_process = self.found.borrow();
        let with_values = |(contact, differing): (i64, Differing)| match of_this_process.get(&(reading, contact)) {
            Some(found) => Differing { differences: found.iter().cloned().map(without_hashes).collect(), ..differing },
            None => differing,
        };
        Ok(all.into_iter().map(with_values).collect())
    }

    pub(in crate::journal) fn end_verification(&self, reading: i64) -> Result<()> {
        self.db.execute("DELETE FROM unread_contacts WHERE reading = ?1", [reading])?;
        self.db.execute("DELETE FROM differences WHERE reading = ?1", [reading])?;
        self.found.borrow_mut().retain(|(of, _), _| *of != reading);
        self.end_reading(reading)
    }

    /// The contacts of the finished plan of a dry run that the journal has.
    pub(in crate::journal) fn contacts_of_plan(&self, run: i64) -> Result<BTreeSet<i64>> {
        let plans = self.plans.borrow();
        let plan = plans.finished.values().find(|plan| plan.run == run);
        let plan = plan.ok_or_else(|| damaged("a plan", "it is not finished"))?;
        let mut query = self.db.prepare_cached("SELECT contact FROM states")?;
        let known = query.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(known.into_iter().filter(|number| plan.members.has(*number)).collect())
    }
}
