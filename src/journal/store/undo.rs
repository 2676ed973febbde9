//! The SQL of undoing runs: the values before, and the rows of a run that restores them.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension, params};

use super::attempts::{kind_number, result};
use super::compact::{self, Owner};
use super::ids::StoredId;
use super::items::NewItem;
use super::planning::{Kept, NewPending};
use super::{RESUMABLE, Result, Store, damaged, integer, millis, natural, state};
use crate::core::call::{Call, CallKind};
use crate::core::planner::EarlierRow;
use crate::core::text::Text;
use crate::core::time::Timestamp;
use crate::core::undo::{Written, target};
use crate::journal::rows::{Plan, RunRow};
use crate::journal::undo::{ChangedContact, NotRestored, Undoable, UndoneRows};

/// Number of rows that one step removes. Other requests wait for a step.
const STEP: i64 = if cfg!(test) { 10 } else { 5_000 };

impl Store {
    pub(in crate::journal) fn set_keeps_before(&self, keeps: bool) {
        self.keeps_before.set(keeps);
    }

    /// Keeps what is known of a contact before this call, with what the call writes. It belongs to the commit of the call's
    /// intent: the state of the contact is changed in it, and the call may have its effect although its answer is lost.
    pub(super) fn keep_before(&self, run: i64, owner: Owner<'_>, call: &Call) -> Result<()> {
        // A journal of hashes has no values that could be restored.
        if !self.keeps_before.get() || self.hashes_values() {
            return Ok(());
        }
        let mut query = self.db.prepare_cached("SELECT id, content FROM states WHERE contact = ?1")?;
        let stored = query.query_row([owner.number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let stored: Option<(StoredId, Vec<u8>)> = stored;
        let known =
            stored.map(|(StoredId(id), content)| compact::read_known(self, owner, &id, &content)).transpose()?;
        // Of another id, it is not what the call changes.
        let known = known.filter(|known| call.contact_id() == Some(&known.id));
        // The call completes a create.
        if known.as_ref().is_some_and(|known| known.made_at.is_some()) {
            return Ok(());
        }
        let mut written = self.written(run, owner)?.unwrap_or_default();
        written.note(call, known.as_ref());
        let content = compact::written_bytes(self, owner, &written)?;
        let mut write = self
            .db
            .prepare_cached("INSERT OR REPLACE INTO values_before (run, contact, content) VALUES (?1, ?2, ?3)")?;
        write.execute(params![run, owner.number, content])?;
        Ok(())
    }

    /// What a run wrote to a contact, with what was known before.
    pub(super) fn written(&self, run: i64, owner: Owner<'_>) -> Result<Option<Written>> {
        let mut query = self.db.prepare_cached("SELECT content FROM values_before WHERE run = ?1 AND contact = ?2")?;
        let stored: Option<Vec<u8>> = query.query_row([run, owner.number], |row| row.get(0)).optional()?;
        stored.map(|content| compact::read_written(self, owner, &content)).transpose()
    }

    pub(in crate::journal) fn run(&self, run: i64) -> Result<Option<RunRow>> {
        Ok(self.select_runs("WHERE id = ?1 AND state <> 'planning'", params![run])?.into_iter().next())
    }

    pub(in crate::journal) fn undoes(&self, run: i64) -> Result<Option<i64>> {
        let mut query = self.db.prepare_cached("SELECT undoes FROM runs WHERE id = ?1")?;
        Ok(query.query_row([run], |row| row.get(0)).optional()?.flatten())
    }

    pub(in crate::journal) fn undoable(&self, run: i64) -> Result<Undoable> {
        let (changed, created) = (self.contacts_changed_by(run)?.len(), self.contacts_created_by(run)?.len());
        Ok(Undoable { changed: changed as u64, created: created as u64 })
    }

    fn contacts_changed_by(&self, run: i64) -> Result<BTreeSet<i64>> {
        let mut query = self.db.prepare_cached("SELECT contact FROM values_before WHERE run = ?1")?;
        let contacts = query.query_map([run], |row| row.get(0))?;
        Ok(contacts.collect::<rusqlite::Result<_>>()?)
    }

    // Also those whose row did not end well after the create.
    pub(in crate::journal) fn contacts_created_by(&self, run: i64) -> Result<BTreeSet<i64>> {
        let mut query = self.db.prepare_cached(
            "SELECT contact FROM items WHERE run = ?1 AND contact IS NOT NULL AND state = ?2
             UNION SELECT contact FROM run_calls WHERE run = ?1 AND contact IS NOT NULL AND kind = ?3 AND result = ?4",
        )?;
        let created = params![run, state::CREATED, kind_number(CallKind::Create), result::CREATED];
        let contacts = query.query_map(created, |row| row.get(0))?;
        Ok(contacts.collect::<rusqlite::Result<_>>()?)
    }

    /// The contacts that a run changed or created, each with the line of its row, in the order of the input.
    pub(in crate::journal) fn contacts_to_undo(&self, run: i64) -> Result<Vec<(u64, i64)>> {
        let mut query = self.db.prepare_cached(
            "SELECT contact, line FROM items WHERE run = ?1 AND contact IS NOT NULL AND state IN (?2, ?3, ?4)",
        )?;
        let lines = query.query_map(params![run, state::CREATED, state::UPDATED, state::REJECTED], |row| {
            Ok((row.get(0)?, natural(row.get(1)?)))
        })?;
        let lines: HashMap<i64, u64> = lines.collect::<rusqlite::Result<_>>()?;
        let mut contacts = self.contacts_changed_by(run)?;
        contacts.extend(self.contacts_created_by(run)?);
        let of_line = |contact| (lines.get(&contact).copied().unwrap_or(0), contact);
        let mut contacts: Vec<(u64, i64)> = contacts.into_iter().map(of_line).collect();
        contacts.sort_unstable();
        Ok(contacts)
    }

    /// What a run wrote to a contact; `None` for a contact that the journal no longer has.
    pub(in crate::journal) fn changed_contact(&self, run: i64, number: i64) -> Result<Option<ChangedContact>> {
        let Some(parts) = self.key_of_contact(number)? else { return Ok(None) };
        let owner = Owner { number, key: parts.value() };
        let known = self.known_of(number, &parts)?;
        let written = self.written(run, owner)?;
        let key = parts.key(false).ok_or_else(|| damaged("a contact", "its key is not readable"))?;
        Ok(Some(ChangedContact { key, known, written }))
    }

    pub(in crate::journal) fn plan_undo(&self, plan: &Plan, undone: i64, tag_created: Option<&Text>) -> Result<()> {
        let ended = || damaged("a plan", "it ended with an error before");
        let run = plan.runs.first().ok_or_else(ended)?.run;
        let mut open = self.plans.borrow_mut().open.remove(&plan.sync).ok_or_else(ended)?;
        // Other contacts in doubt stay as they are.
        self.db.execute("UPDATE runs SET undoes = ?2, is_limited = 1 WHERE id = ?1", [run, undone])?;
        let (mut row, mut pending, mut rejected) = (0, 0, 0);
        for (line, number) in self.contacts_to_undo(undone)? {
            let Some(changed) = self.changed_contact(undone, number)? else { continue };
            row += 1;
            let counts = EarlierRow { row, line };
            match target(&changed.key, changed.known.as_ref(), changed.written.as_ref(), tag_created) {
                Ok(contact) => {
                    let key = self.key_parts(contact.key());
                    let content = compact::contact_bytes(self, Owner { number, key: key.value() }, &contact)?;
                    let (row, line) = (integer(row), integer(line));
                    open.add_pending(self, NewPending { run, row, line, contact: number, cells: None, content })?;
                    open.seen.set(number, counts, Kept::Pending);
                    pending += 1;
                }
                Err(reason) => {
                    let (contact, reason) = (Some(number), Some(reason.as_str()));
                    let item = NewItem { row, line, contact, state: state::REJECTED, reason, cells: None };
                    self.insert_item(run, &item)?;
                    open.seen.set(number, counts, Kept::Item);
                    rejected += 1;
                }
            }
        }
        let tally = open.runs.get_mut(&run).ok_or_else(ended)?;
        (tally.rows, tally.pending, tally.rejected) = (row, pending, rejected);
        tally.forecast = None;
        self.plans.borrow_mut().open.insert(plan.sync, open);
        Ok(())
    }

    pub(in crate::journal) fn undone_rows(&self, run: i64, created: &BTreeSet<i64>) -> Result<UndoneRows> {
        let mut query = self.db.prepare_cached(
            "SELECT items.contact, items.state, items.reason, states.id FROM items
             LEFT JOIN states ON states.contact = items.contact WHERE items.run = ?1 ORDER BY items.row",
        )?;
        let mut rows = query.query([run])?;
        let mut undone = UndoneRows::default();
        while let Some(row) = rows.next()? {
            let (contact, of_row): (Option<i64>, i64) = (row.get(0)?, row.get(1)?);
            if of_row != state::REJECTED {
                let is_created = contact.is_some_and(|contact| created.contains(&contact));
                *(if is_created { &mut undone.tagged } else { &mut undone.restored }) += 1;
                continue;
            }
            let key = contact.map_or(Ok(None), |contact| self.key_of_contact(contact))?;
            undone.not_restored.push(NotRestored {
                key: key.map(|key| key.shown()).unwrap_or_default(),
                id: row.get::<_, Option<StoredId>>(3)?.map(|StoredId(id)| id),
                reason: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            });
        }
        Ok(undone)
    }

    /// Removes one step of what was known before runs that ended before `before`. `false` in the end. What a run that can be
    /// resumed undoes stays.
    pub(in crate::journal) fn remove_values_before(&self, before: Timestamp) -> Result<bool> {
        let mut delete = self.db.prepare_cached(&format!(
            "DELETE FROM values_before WHERE (run, contact) IN (
                 SELECT run, contact FROM values_before
                 WHERE run NOT IN (SELECT id FROM runs WHERE coalesce(ended_at, started_at) >= ?1 OR state IN {RESUMABLE})
                     AND run NOT IN (SELECT undoes FROM runs WHERE undoes IS NOT NULL AND state IN {RESUMABLE})
                 LIMIT ?2)"
        ))?;
        Ok(delete.execute(params![millis(before), STEP])? == usize::try_from(STEP).unwrap_or(usize::MAX))
    }
}
