//! The SQL of readings: what the pages of a pull showed, and what becomes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attempts::kind_of;
use super::checked_json::{checked_json, parse_checked};
use super::compact::{self, Owner};
use super::contacts::Holder;
use super::ids::StoredId;
use super::keys::KeyParts;
use super::sending::LONGEST_CALL;
use super::{Result, Store, damaged, millis, natural};
use crate::core::call::CallKind;
use crate::core::listing_effect::{Before, Listed, ListingEffect, lesson};
use crate::core::model::{Contact, ContactId, Key, Known, RemoteState};
use crate::core::time::Timestamp;
use crate::core::walk::{PageCounts, Walk};
use crate::journal::readings::{Learnt, OpenReading, PullAsked, ShownContact};

/// The kinds of readings.
pub(super) const PULL: i64 = 1;
pub(super) const VERIFICATION: i64 = 2;

pub(super) const READING: &str = "a reading";

/// Number of contacts that are learnt in one transaction.
const LEARNT_TOGETHER: i64 = if cfg!(test) { 3 } else { 500 };

/// Number of contacts that are removed in one transaction.
const REMOVED_TOGETHER: i64 = 5_000;

/// For how long an interrupted reading is continued. The journal keeps the calls of two days, which show what runs have changed
/// meanwhile.
const GOES_ON_FOR: Duration = Duration::from_hours(24);

/// The number that stands for a listed contact, which has none yet.
const LISTED: i64 = 0;

/// A reading that is continued.
pub(super) struct Interrupted<P> {
    pub id: i64,
    /// How far it came.
    pub progress: P,
    pub begun: Timestamp,
}

impl Store {
    pub(in crate::journal) fn begin_pull(
        &self,
        channel: &str,
        url: &str,
        asked: &PullAsked,
        now: Timestamp,
    ) -> Result<OpenReading> {
        self.db.execute(
            "INSERT INTO channels (name, url) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET url = excluded.url",
            [channel, url],
        )?;
        let channel = self.channel_number(channel)?;
        if let Some(Interrupted { id, progress: walk, begun }) = self.interrupted_reading(channel, PULL, asked, now)? {
            return Ok(OpenReading { id, walk, begun });
        }
        let walk = Walk::default();
        Ok(OpenReading { id: self.insert_reading(channel, PULL, (asked, &walk), now)?, walk, begun: now })
    }

    /// The last reading of this kind, if it asked for the same, was interrupted, and is fresh. Otherwise it is removed.
    pub(super) fn interrupted_reading<A: DeserializeOwned + PartialEq, P: DeserializeOwned>(
        &self,
        channel: i64,
        kind: i64,
        asked: &A,
        now: Timestamp,
    ) -> Result<Option<Interrupted<P>>> {
        let mut query = self
            .db
            .prepare_cached("SELECT id, asked, walk, begun, ended FROM readings WHERE channel = ?1 AND kind = ?2")?;
        let earlier: Option<(i64, String, String, i64, bool)> = query
            .query_row([channel, kind], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .optional()?;
        let Some((id, before, progress, begun, has_ended)) = earlier else { return Ok(None) };
        let begun = Timestamp::from_millis(natural(begun));
        // A clock that was set back makes its age unknown.
        let is_fresh = begun <= now && now.since(begun) < GOES_ON_FOR;
        if !has_ended && is_fresh && parse_checked::<A>(READING, &before)? == *asked {
            return Ok(Some(Interrupted { id, progress: parse_checked(READING, &progress)?, begun }));
        }
        while self.remove_shown(id)? {}
        self.end_verification(id)?;
        self.db.execute("DELETE FROM readings WHERE id = ?1", [id])?;
        Ok(None)
    }

    /// Begins a reading that asks for this, and has come so far.
    pub(super) fn insert_reading(
        &self,
        channel: i64,
        kind: i64,
        (asked, progress): (&impl Serialize, &impl Serialize),
        now: Timestamp,
    ) -> Result<i64> {
        self.db.execute(
            "INSERT INTO readings (channel, kind, asked, walk, begun, ended) VALUES (?1, ?2, ?3, ?4, ?5, FALSE)",
            params![channel, kind, checked_json(asked), checked_json(progress), millis(now)],
        )?;
        Ok(self.db.last_insert_rowid())
    }

    pub(in crate::journal) fn page_counts(&self, reading: i64, pass: u32, ids: &[ContactId]) -> Result<PageCounts> {
        let mut query = self.db.prepare_cached("SELECT pass FROM shown_contacts WHERE reading = ?1 AND id = ?2")?;
        let mut counts = PageCounts { seen: self.count_shown(reading)?, ..PageCounts::default() };
        for id in ids.iter().collect::<BTreeSet<_>>() {
            let last: Option<u32> = query.query_row(params![reading, id.as_str()], |row| row.get(0)).optional()?;
            counts.shown += 1;
            counts.new_in_pass += u64::from(last != Some(pass));
            counts.new += u64::from(last.is_none());
        }
        counts.seen += counts.new;
        Ok(counts)
    }

    fn count_shown(&self, reading: i64) -> Result<u64> {
        let mut query = self.db.prepare_cached("SELECT count(*) FROM shown_contacts WHERE reading = ?1")?;
        Ok(query.query_row([reading], |row| row.get(0)).map(natural)?)
    }

    pub(in crate::journal) fn set_walk(&self, reading: i64, walk: &Walk) -> Result<()> {
        let mut update = self.db.prepare_cached("UPDATE readings SET walk = ?2 WHERE id = ?1")?;
        update.execute(params![reading, checked_json(walk)])?;
        Ok(())
    }

    pub(in crate::journal) fn add_shown(&self, reading: i64, pass: u32, shown: &[ShownContact]) -> Result<()> {
        let mut forget = self.db.prepare_cached("DELETE FROM shown_aliases WHERE reading = ?1 AND id = ?2")?;
        let mut insert = self.db.prepare_cached(
            "INSERT OR REPLACE INTO shown_contacts (reading, id, pass, field, value, content)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut alias = self.db.prepare_cached(
            "INSERT OR IGNORE INTO shown_aliases (reading, field, value, id) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let (suppressed, hasher) = (self.suppressed()?, self.snapshot_key()?);
        for (contact_id, listed) in shown {
            let id = contact_id.as_str();
            forget.execute(params![reading, id])?;
            // A suppressed person is not learnt.
            let is_learnt = |listed: &&Listed| {
                let keys = listed.aliases.iter().chain([&listed.key]);
                !keys.chain([&Key::Id(contact_id.clone())]).any(|key| suppressed.has_key(&hasher, key))
            };
            let Some(Listed { key, aliases, known }) = listed.as_ref().filter(is_learnt) else {
                insert.execute(params![reading, id, pass, None::<i64>, None::<String>, None::<Vec<u8>>])?;
                continue;
            };
            let key = self.key_parts(key);
            let content = compact::known_bytes(self, Owner { number: LISTED, key: key.value() }, known)?;
            insert.execute(params![reading, id, pass, key.field(self)?, key.value(), content])?;
            for value in aliases {
                let value = self.key_parts(value);
                alias.execute(params![reading, value.field(self)?, value.value(), id])?;
            }
        }
        Ok(())
    }

    pub(in crate::journal) fn learn(
        &self,
        (reading, pass): (i64, u32),
        after: Option<&str>,
        since: Timestamp,
    ) -> Result<Learnt> {
        let mut query = self.db.prepare_cached("SELECT channel, asked FROM readings WHERE id = ?1")?;
        let (channel, asked): (i64, String) = query.query_row([reading], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let PullAsked { field: marker, .. } = parse_checked(READING, &asked)?;
        let recent = self.changed_since(channel, since)?;
        if after.is_none() {
            self.forget_aliases_of_shown(reading, channel)?;
        }
        let mut query = self.db.prepare_cached(
            "SELECT id, field, value, content FROM shown_contacts WHERE reading = ?1 AND id > ?2 AND pass >= ?4
             ORDER BY id LIMIT ?3",
        )?;
        // No id is blank.
        let mut rows = query.query(params![reading, after.unwrap_or(""), LEARNT_TOGETHER, pass])?;
        let mut learnt = Learnt::default();
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            learnt.last = Some(id.clone());
            let (Some(field), Some(value), Some(content)) =
                (row.get(1)?, row.get::<_, Option<String>>(2)?, row.get::<_, Option<Vec<u8>>>(3)?)
            else {
                learnt.unmarked += 1;
                continue;
            };
            let key = KeyParts::stored(self, field, value)?;
            let known = compact::read_known(self, Owner { number: LISTED, key: key.value() }, &id, &content)?;
            self.learn_one((reading, channel, &marker), &key, &known, &recent, &mut learnt)?;
        }
        Ok(learnt)
    }

    fn learn_one(
        &self,
        (reading, channel, marker): (i64, i64, &str),
        key: &KeyParts<'_>,
        listed: &Known,
        recent: &BTreeSet<i64>,
        learnt: &mut Learnt,
    ) -> Result<()> {
        let found = self.find_contact(channel, key)?;
        let holder = self.holders_of(channel, &listed.id, key)?.into_iter().next();
        let numbers = found.iter().map(|found| found.number).chain(holder.iter().map(|holder| holder.number));
        let is_recent = numbers.into_iter().any(|number| recent.contains(&number));
        let held = match &holder {
            Some(Holder { number, key }) => {
                self.known_of(*number, key)?.map(|known| (key.match_field(self, &known), known))
            }
            None => None,
        };
        let known_by_key = found.as_ref().map(|found| found.number);
        let mut rival = self.rival(reading, key, &listed.id)?;
        if let (None, Some(holder)) = (&rival, &holder) {
            rival = self.rival(reading, &holder.key, &listed.id)?;
        }
        let before = Before {
            by_key: found.map_or(Ok(RemoteState::Unknown), |found| found.remote_state(self, key))?,
            holder: held,
            rival,
            is_recent,
        };
        match lesson(listed, before, marker) {
            ListingEffect::Learn(known) => {
                self.learn_as(channel, key, &known)?;
                self.learn_aliases((reading, channel), key, &listed.id)?;
                learnt.known += 1;
            }
            ListingEffect::LearnOfHolder(known) => {
                if let Some(holder) = holder {
                    self.learn_as(channel, &holder.key, &known)?;
                    self.learn_aliases((reading, channel), &holder.key, &listed.id)?;
                }
                learnt.known += 1;
            }
            ListingEffect::Recent => learnt.known += 1,
            ListingEffect::InDoubt => learnt.in_doubt += 1,
            ListingEffect::Conflict(other) => {
                if let Some(number) = known_by_key {
                    self.unlearn(channel, number, key)?;
                }
                if let Some(Holder { number, key }) = &holder {
                    self.unlearn(channel, *number, key)?;
                }
                learnt.conflicts.push((key.shown(), listed.id.clone(), Some(other)));
            }
            ListingEffect::Replaced => {
                if let Some(Holder { number, key }) = &holder {
                    self.unlearn(channel, *number, key)?;
                }
                let before = holder.map_or_else(String::new, |holder| holder.key.shown());
                learnt.conflicts.push((before, listed.id.clone(), None));
            }
        }
        Ok(())
    }

    pub(super) fn known_of(&self, number: i64, key: &KeyParts<'_>) -> Result<Option<Known>> {
        let mut query = self.db.prepare_cached("SELECT id, content FROM states WHERE contact = ?1")?;
        let stored: Option<(StoredId, Vec<u8>)> =
            query.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let owner = Owner { number, key: key.value() };
        stored.map(|(StoredId(id), content)| compact::read_known(self, owner, &id, &content)).transpose()
    }

    // What is known of a contact of which something was known before may contradict its row: the row is mapped next time.
    fn learn_as(&self, channel: i64, key: &KeyParts<'_>, known: &Known) -> Result<()> {
        let number = self.contact_number(channel, key)?;
        let before = self.known_of(number, key)?;
        // A difference that was accepted stays so: what is known besides is what the input had.
        if before.as_ref() == Some(known) || (before.is_some() && self.has_accepted(number)?) {
            return Ok(());
        }
        if before.is_some() {
            self.touch(&self.channels.text(self, channel)?, &key.text(), None)?;
        }
        self.set_known(Owner { number, key: key.value() }, known)
    }

    // Nothing is known of a contact any more: a row of it is searched for. What is in doubt stays so.
    fn unlearn(&self, channel: i64, number: i64, key: &KeyParts<'_>) -> Result<()> {
        self.touch(&self.channels.text(self, channel)?, &key.text(), None)?;
        self.delete_known(number)
    }

    // The further match values of the contacts that were shown are those that the pages show.
    fn forget_aliases_of_shown(&self, reading: i64, channel: i64) -> Result<()> {
        self.db.execute(
            "DELETE FROM aliases WHERE channel = ?2 AND contact IN (SELECT contact FROM states WHERE EXISTS
                 (SELECT 1 FROM shown_contacts WHERE reading = ?1 AND id = CAST(states.id AS TEXT)))",
            [reading, channel],
        )?;
        Ok(())
    }

    // Another listed contact with this match value.
    fn rival(&self, reading: i64, key: &KeyParts<'_>, id: &ContactId) -> Result<Option<ContactId>> {
        let Some(field) = key.find_field(self)? else { return Ok(None) };
        let mut query = self.db.prepare_cached(
            "SELECT id FROM shown_contacts WHERE reading = ?1 AND field = ?2 AND value = ?3 AND id <> ?4
             UNION ALL SELECT id FROM shown_aliases WHERE reading = ?1 AND field = ?2 AND value = ?3 AND id <> ?4 LIMIT 1",
        )?;
        let rival: Option<String> =
            query.query_row(params![reading, field, key.value(), id.as_str()], |row| row.get(0)).optional()?;
        rival.map(|id| ContactId::new(id).ok_or_else(|| damaged(READING, "an id is blank"))).transpose()
    }

    // A row with one of its further match values is this contact, unless another contact has the value too.
    fn learn_aliases(&self, (reading, channel): (i64, i64), key: &KeyParts<'_>, id: &ContactId) -> Result<()> {
        let number = self.contact_number(channel, key)?;
        let mut query =
            self.db.prepare_cached("SELECT field, value FROM shown_aliases WHERE reading = ?1 AND id = ?2")?;
        let aliases = query.query_map(params![reading, id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for alias in aliases.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
            let (field, value) = alias;
            let parts = KeyParts::stored(self, field, value.clone())?;
            if self.rival(reading, &parts, id)?.is_some() {
                continue;
            }
            let mut insert = self.db.prepare_cached(
                "INSERT OR IGNORE INTO aliases (channel, field, value, contact) VALUES (?1, ?2, ?3, ?4)",
            )?;
            insert.execute(params![channel, field, value, number])?;
        }
        Ok(())
    }

    // The contacts of a channel that runs have changed after `since`. Calls are numbered in the order in which they start.
    pub(super) fn changed_since(&self, channel: i64, since: Timestamp) -> Result<BTreeSet<i64>> {
        let mut query = self
            .db
            .prepare_cached("SELECT channel, contact, kind, started_at, took FROM calls ORDER BY number DESC")?;
        let mut rows = query.query([])?;
        let mut changed = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let (started, took): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
            if Timestamp::from_millis(natural(started)) + LONGEST_CALL < since {
                break;
            }
            let ended = Timestamp::from_millis(natural(started.saturating_add(took.unwrap_or(0))));
            let (of, contact, kind): (i64, Option<i64>, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let is_write = match kind_of(kind)? {
                CallKind::Find | CallKind::Read => false,
                CallKind::Create | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => true,
            };
            if of == channel && is_write && ended > since {
                changed.extend(contact);
            }
        }
        Ok(changed)
    }

    /// The first pending contacts of a run of which nothing is known. A dry run has the keys of new contacts in memory.
    pub(in crate::journal) fn first_unknown(&self, run: i64, limit: u32) -> Result<Vec<Contact>> {
        let mut query = self.db.prepare_cached(
            "SELECT contact, content FROM pending WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM states WHERE contact = pending.contact)
                 AND NOT EXISTS (SELECT 1 FROM doubts WHERE contact = pending.contact) ORDER BY row LIMIT ?2",
        )?;
        let rows = query.query_map(params![run, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut contacts = Vec::new();
        for row in rows.collect::<rusqlite::Result<Vec<(i64, Vec<u8>)>>>()? {
            let (number, content) = row;
            let stored = self.key_of_contact(number)?;
            let key = match stored {
                Some(key) => Some(key),
                None => self.plans.borrow().key_in_memory(self, run, number)?,
            };
            if let Some(key) = key {
                contacts.push(compact::read_contact(self, Owner { number, key: key.value() }, &key, &content)?);
            }
        }
        Ok(contacts)
    }

    /// Removes some of what a pull was shown. `false` in the end.
    pub(in crate::journal) fn remove_shown(&self, reading: i64) -> Result<bool> {
        let mut removed = 0;
        for (table, key) in [("shown_contacts", "id"), ("shown_aliases", "field, value, id")] {
            removed += self
                .db
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE reading = ?1 AND ({key}) IN
                     (SELECT {key} FROM {table} WHERE reading = ?1 LIMIT ?2)"
                ))?
                .execute([reading, REMOVED_TOGETHER])?;
        }
        Ok(removed > 0)
    }

    pub(in crate::journal) fn end_reading(&self, reading: i64) -> Result<()> {
        self.db.execute("UPDATE readings SET ended = TRUE WHERE id = ?1", [reading])?;
        Ok(())
    }
}
