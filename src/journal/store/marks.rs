//! The SQL of the marks of missing contacts: who is to be marked, and which marks are set.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{OptionalExtension, params};

use super::compact::{self, Owner};
use super::ids::{IdToStore, StoredId};
use super::keys::KeyParts;
use super::planned_missing::PlannedMissing;
use super::{Result, Store, natural, parse};
use crate::core::contact_change::ContactChange;
use crate::core::decision::{Decision, decide};
use crate::core::forecast::Forecast;
use crate::core::missing::Mark;
use crate::core::model::{Contact, ID_KEY, RemoteState};
use crate::core::snapshot::SnapshotKey;
use crate::core::task::Outcome;
use crate::journal::MarkUpdate;
use crate::journal::missing::MarkItem;
use crate::journal::rows::{Plan, PlanningRun};

const MARK: &str = "the mark of missing contacts";

/// The states of marks.
pub(super) mod mark_state {
    /// Its call was begun.
    pub(in super::super) const BEGUN: i64 = 1;
    /// contactsync set it.
    pub(in super::super) const SET: i64 = 2;
    /// There is nothing to take back: the contact had it before, or is gone from the platform.
    pub(in super::super) const NOT_OURS: i64 = 3;
}

/// What contacts are known by: the tags of their keys, and their numbers.
#[derive(Debug, Default)]
struct Names {
    tags: HashSet<u64>,
    numbers: HashSet<i64>,
}

impl Names {
    fn has_any_of(&self, other: &Self) -> bool {
        !self.tags.is_disjoint(&other.tags) || !self.numbers.is_disjoint(&other.numbers)
    }
}

impl Store {
    // The missing contacts of a source without a mark.
    pub(super) fn unmarked(&self, snapshot: i64) -> Result<Vec<i64>> {
        let mut query = self.db.prepare_cached(
            "SELECT missing_contacts.contact FROM missing_contacts
             LEFT JOIN contact_marks ON contact_marks.contact = missing_contacts.contact
             WHERE missing_contacts.snapshot = ?1 AND missing_contacts.is_sure
                 AND (contact_marks.state IS NULL OR contact_marks.state = ?2)",
        )?;
        let numbers = query.query_map([snapshot, mark_state::BEGUN], |row| row.get(0))?;
        Ok(numbers.collect::<rusqlite::Result<_>>()?)
    }

    // Of these contacts, those that are to be marked, and those that have the mark already. A contact that another source has is
    // not missing from the channel. One in doubt, or whose mark was refused lately, is left for later; the latter unless refused
    // marks are tried again at once.
    pub(super) fn to_mark(
        &self,
        (mark, retry_rejected): (&Mark, bool),
        planning: &PlanningRun,
        (snapshot, hasher): (i64, &SnapshotKey),
        candidates: &BTreeSet<i64>,
    ) -> Result<(Vec<i64>, Vec<i64>)> {
        let (mut due, mut marked) = (Vec::new(), Vec::new());
        if candidates.is_empty() {
            return Ok((due, marked));
        }
        let channel = self.channel_number(&planning.channel)?;
        let names = |number: &i64| Ok((*number, self.names_of(channel, *number, hasher)?));
        let candidates = candidates.iter().map(names).collect::<Result<Vec<_>>>()?;
        let mut all = Names::default();
        for (_, names) in &candidates {
            all.tags.extend(&names.tags);
            all.numbers.extend(&names.numbers);
        }
        let Some(others) = self.held_by_others(&planning.channel, snapshot, &all)? else { return Ok((due, marked)) };
        let rejected = self.rejected_contacts()?;
        for (number, names) in candidates {
            if others.has_any_of(&names) {
                continue;
            }
            let Some((contact, remote_state)) = self.marked_contact(number, mark)? else { continue };
            let decision = decide(&contact, &remote_state, planning.policy.of_marks());
            let was_rejected = !retry_rejected && rejected.contains(&number);
            let past = if was_rejected { self.past_rejection(number, &contact, planning.policy)? } else { None };
            match past.map_or(decision.clone(), |past| past.decide(decision, &remote_state, planning.now)) {
                Decision::Pending(_) => due.push(number),
                Decision::Done(Outcome::Unchanged) => marked.push(number),
                Decision::Done(_) | Decision::Waiting(_) => {}
            }
        }
        Ok((due, marked))
    }

    // Which of these names other sources of the channel have; `None` where that cannot be read.
    fn held_by_others(&self, channel: &str, snapshot: i64, names: &Names) -> Result<Option<Names>> {
        let mut query = self.db.prepare_cached("SELECT id, rows FROM snapshots WHERE channel = ?1 AND id <> ?2")?;
        let others = query.query_map(params![channel, snapshot], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut unsure =
            self.db.prepare_cached("SELECT contact FROM missing_contacts WHERE snapshot = ?1 AND NOT is_sure")?;
        let mut held = Names::default();
        for (id, rows) in others.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            let Some(tags) = self.contacts_of(id, natural(rows))? else { return Ok(None) };
            let Some(numbers) = self.numbers_of(id, natural(rows))? else { return Ok(None) };
            // A contact that is not sure to be missing may be there under another key.
            let unsure = unsure.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            held.tags.extend(tags.into_iter().filter(|tag| names.tags.contains(tag)));
            held.numbers.extend(numbers.into_iter().chain(unsure).filter(|number| names.numbers.contains(number)));
        }
        Ok(Some(held))
    }

    // What sources may name a contact by: its id, and the keys and further match values of all contacts with this id.
    fn names_of(&self, channel: i64, number: i64, hasher: &SnapshotKey) -> Result<Names> {
        let mut names = Names { numbers: HashSet::from([number]), ..Names::default() };
        let mut query = self.db.prepare_cached("SELECT id FROM states WHERE contact = ?1")?;
        let id: Option<StoredId> = query.query_row([number], |row| row.get(0)).optional()?;
        if let Some(StoredId(id)) = id {
            names.tags.insert(hasher.contact_of_text(&format!("{ID_KEY}{id}")).number());
            let mut query = self.db.prepare_cached(
                "SELECT number FROM states CROSS JOIN contacts ON number = contact WHERE id = ?1 AND channel = ?2",
            )?;
            let numbers = query.query_map(params![IdToStore(&id), channel], |row| row.get(0))?;
            names.numbers.extend(numbers.collect::<rusqlite::Result<Vec<i64>>>()?);
        }
        let mut query = self.db.prepare_cached("SELECT field, value FROM aliases WHERE contact = ?1")?;
        for number in &names.numbers {
            if let Some(key) = self.key_of_contact(*number)? {
                names.tags.insert(hasher.contact_of_text(&key.text()).number());
            }
            let aliases = query.query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for (field, value) in aliases.collect::<rusqlite::Result<Vec<(i64, String)>>>()? {
                let alias = KeyParts::stored(self, field, value)?;
                names.tags.insert(hasher.contact_of_text(&alias.text()).number());
            }
        }
        Ok(names)
    }

    // A known contact with this mark and nothing else.
    pub(super) fn marked_contact(&self, number: i64, mark: &Mark) -> Result<Option<(Contact, RemoteState)>> {
        let Some(key) = self.key_of_contact(number)? else { return Ok(None) };
        let mut query = self.db.prepare_cached("SELECT id, content FROM states WHERE contact = ?1")?;
        let stored = query.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((StoredId(id), content)): Option<(StoredId, Vec<u8>)> = stored else { return Ok(None) };
        let known = compact::read_known(self, Owner { number, key: key.value() }, &id, &content)?;
        let contact = key.key(false).and_then(|key| mark.contact(key, known.id.clone()));
        Ok(contact.map(|contact| (contact, RemoteState::Known(known))))
    }

    pub(super) fn change_of_missing(
        &self,
        planning: &PlanningRun,
        number: i64,
        mark: Option<&Mark>,
    ) -> Result<Option<ContactChange>> {
        let Some(key) = self.key_of_contact(number)? else { return Ok(None) };
        let marked = mark.map_or(Ok(None), |mark| self.marked_contact(number, mark))?;
        let policy = planning.policy.of_marks();
        Ok(Some(ContactChange::missing(&planning.channel, &key.shown(), marked, policy)))
    }

    /// Passes what would be sent for the missing contacts of a plan to `each`.
    pub(super) fn each_mark(&self, plan: &Plan, mut each: impl FnMut(&ContactChange)) -> Result<()> {
        for planning in &plan.runs {
            let plans = self.plans.borrow();
            let missing = plans.open.get(&plan.sync).and_then(|open| open.missing.get(&planning.run));
            let Some(PlannedMissing { mark, due, .. }) = missing else { continue };
            for number in due {
                self.change_of_missing(planning, *number, mark.as_ref())?.iter().for_each(&mut each);
            }
        }
        Ok(())
    }

    /// Whether any contact has a mark.
    pub(super) fn has_marks(&self) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM contact_marks)")?;
        Ok(query.query_row([], |row| row.get(0))?)
    }

    /// The mark that a contact has or may have; `Err` when there is nothing to take back.
    pub(super) fn mark_of(&self, contact: i64) -> Result<Option<std::result::Result<Mark, ()>>> {
        let mut query = self.db.prepare_cached("SELECT mark, state FROM contact_marks WHERE contact = ?1")?;
        let stored = query.query_row([contact], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((mark, state)): Option<(String, i64)> = stored else { return Ok(None) };
        Ok(Some(if state == mark_state::NOT_OURS { Err(()) } else { Ok(parse(MARK, &mark)?) }))
    }

    pub(super) fn forget_mark(&self, contact: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM contact_marks WHERE contact = ?1")?.execute([contact])?;
        Ok(())
    }

    /// A contact of the input was sent and ended well: it has no mark any more if that took it back.
    pub(super) fn take_back_mark(&self, number: i64, contact: &Contact) -> Result<()> {
        match self.mark_of(number)? {
            Some(Ok(mark)) if !mark.is_settled_by(contact) => Ok(()),
            Some(_) => self.forget_mark(number),
            None => Ok(()),
        }
    }

    /// Another key has the platform's contact by now.
    pub(super) fn move_mark(&self, from: i64, to: i64) -> Result<()> {
        self.db
            .prepare_cached("UPDATE OR REPLACE contact_marks SET contact = ?2 WHERE contact = ?1")?
            .execute([from, to])?;
        Ok(())
    }

    pub(in crate::journal) fn marks(&self, run: i64, after: i64, limit: u32) -> Result<Vec<MarkItem>> {
        let Some(mark) = self.mark_of_run(run)? else { return Ok(Vec::new()) };
        let mut query = self.db.prepare_cached(
            "SELECT contact FROM pending_marks WHERE run = ?1 AND contact > ?2
                 AND EXISTS (SELECT 1 FROM states WHERE states.contact = pending_marks.contact)
             ORDER BY contact LIMIT ?3",
        )?;
        let numbers = query.query_map(params![run, after, limit], |row| row.get(0))?;
        let mut items = Vec::new();
        for number in numbers.collect::<rusqlite::Result<Vec<i64>>>()? {
            if let Some((contact, remote_state)) = self.marked_contact(number, &mark)? {
                items.push(MarkItem { number, contact, remote_state });
            }
        }
        Ok(items)
    }

    pub(super) fn mark_of_run(&self, run: i64) -> Result<Option<Mark>> {
        let mut query = self.db.prepare_cached("SELECT mark FROM runs WHERE id = ?1")?;
        let mark: Option<Option<String>> = query.query_row([run], |row| row.get(0)).optional()?;
        mark.flatten().map(|mark| parse(MARK, &mark)).transpose()
    }

    /// The number of contacts that a run has still to mark. Those of which nothing is known any more are left out.
    pub(super) fn count_marks(&self, run: i64) -> Result<u64> {
        let mut query = self.db.prepare_cached(
            "SELECT count(*) FROM pending_marks WHERE run = ?1
                 AND EXISTS (SELECT 1 FROM states WHERE states.contact = pending_marks.contact)",
        )?;
        Ok(natural(query.query_row([run], |row| row.get(0))?))
    }

    /// The calls of the marks that a run has still to set.
    pub(super) fn forecast_of_marks(&self, run: i64) -> Result<Forecast> {
        let marks = usize::try_from(self.count_marks(run)?).unwrap_or(usize::MAX);
        Ok(match self.mark_of_run(run)? {
            Some(mark) => Forecast::of_calls(mark.call_kind(), marks),
            None => Forecast::default(),
        })
    }

    /// Notes how far the mark of a contact is.
    pub(super) fn set_mark(&self, number: i64, update: &MarkUpdate) -> Result<()> {
        let set = |run: i64, state: i64| -> Result<()> {
            let mut insert = self.db.prepare_cached(
                "INSERT OR REPLACE INTO contact_marks (contact, mark, state) SELECT ?2, mark, ?3 FROM runs WHERE id = ?1",
            )?;
            insert.execute([run, number, state])?;
            Ok(())
        };
        match update {
            MarkUpdate::Begun { run } => set(*run, mark_state::BEGUN),
            MarkUpdate::Ended { run, outcome } => {
                self.db
                    .prepare_cached("DELETE FROM pending_marks WHERE run = ?1 AND contact = ?2")?
                    .execute([*run, number])?;
                match outcome {
                    Outcome::Created | Outcome::Updated => set(*run, mark_state::SET),
                    Outcome::Unchanged => set(*run, mark_state::NOT_OURS),
                    Outcome::Rejected(_) => self.forget_mark(number),
                }
            }
        }
    }
}
