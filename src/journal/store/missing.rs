//! The SQL of missing contacts: those that a source had and no longer has.

use std::collections::{BTreeSet, HashSet};

use rusqlite::{OptionalExtension, params};

use super::ids::StoredId;
use super::keys::KeyParts;
use super::marks::mark_state;
use super::planned_missing::PlannedMissing;
use super::snapshots::{Head, checked_parts, with_checksum};
use super::{Result, Store, damaged, integer, json, millis, natural, state};
use crate::core::missing::{MissingUnsure, UnidentifiedRows, gone};
use crate::core::model::{ContactId, ID_KEY};
use crate::core::snapshot::{ContactDigest, SnapshotKey};
use crate::journal::missing::{FoundMissing, MissingRules, PresentRows};
use crate::journal::rows::{Plan, PlanningRun};

/// A contact that was missing before.
#[derive(Debug)]
struct EarlierMissing {
    number: i64,
    tag: u64,
    id: Option<String>,
    is_sure: bool,
}

/// What became of the contacts that were missing before.
#[derive(Debug, Default)]
struct Earlier {
    returned: Vec<i64>,
    returned_sure: u64,
    /// Those that were only perhaps missing, and still are.
    unsure: Vec<EarlierMissing>,
}

/// The contacts of the rows of an input.
struct Present<'a> {
    rows: &'a PresentRows,
    // The tags of the last input, by the places of its rows.
    before: &'a [u64],
    hasher: &'a SnapshotKey,
}

impl Present<'_> {
    fn has(&self, tag: u64) -> bool {
        self.rows.present.binary_search(&tag).is_ok()
    }

    // Whether a row gives this contact id.
    fn gives_id(&self, id: &str) -> bool {
        self.has(self.hasher.contact_of_text(&format!("{ID_KEY}{id}")).number())
    }

    fn is_kept(&self, place: usize) -> bool {
        self.rows.kept.get(place).copied().unwrap_or(false)
    }

    // Also among the rows that are as they were. It looks at all of them.
    fn has_anywhere(&self, tag: u64) -> bool {
        self.has(tag) || self.before.iter().enumerate().any(|(place, kept)| *kept == tag && self.is_kept(place))
    }
}

impl Store {
    pub(in crate::journal) fn find_missing(
        &self,
        plan: &Plan,
        rules: &MissingRules,
        rows: Vec<PresentRows>,
    ) -> Result<FoundMissing> {
        let mut found = FoundMissing::default();
        let hasher = self.snapshot_key()?;
        for rows in rows {
            let planning = &plan.runs[rows.run];
            let missing = self.missing_of_run(planning, rules, &rows, &hasher, &mut found)?;
            self.list_missing(planning, &missing, rules.listed, &mut found)?;
            let mut plans = self.plans.borrow_mut();
            let open = plans.open.get_mut(&plan.sync);
            let open = open.ok_or_else(|| damaged("a plan", "it ended with an error before"))?;
            open.missing.insert(planning.run, missing);
        }
        Ok(found)
    }

    fn missing_of_run(
        &self,
        planning: &PlanningRun,
        rules: &MissingRules,
        rows: &PresentRows,
        hasher: &SnapshotKey,
        found: &mut FoundMissing,
    ) -> Result<PlannedMissing> {
        let channel = &planning.channel;
        let mark = &rules.mark;
        let nothing =
            || PlannedMissing { mark: mark.clone(), source: rows.source.clone(), ..PlannedMissing::default() };
        let mut unsure = |count: u64, why| {
            if mark.is_some() {
                found.unsure.push((channel.clone(), count, why));
            }
        };
        let unidentified = |harmless| UnidentifiedRows { harmless, now: rows.unidentified.iter().copied().collect() };
        let Some(head) = self.snapshot_head(channel, &rows.source)? else {
            if self.has_known_contacts(self.channel_number(channel)?)? {
                unsure(0, MissingUnsure::NoEarlierInput);
            }
            let harmless = (rows.rows > 0).then(|| unidentified(BTreeSet::new()).now);
            return Ok(PlannedMissing { harmless, ..nothing() });
        };
        let sure_before = self.count_missing(head.id, true)?;
        if rows.rows == 0 {
            if head.rows > 0 {
                unsure(0, MissingUnsure::NoRows);
                found.counts.known += head.rows;
            }
            return Ok(PlannedMissing { total: sure_before, ..nothing() });
        }
        let is_other_basis = head.basis != rows.basis.number().to_le_bytes();
        let unidentified = unidentified(self.unidentified_rows(head.id)?);
        let is_hidden = unidentified.may_be_missing();
        let is_sure = !is_other_basis && !is_hidden;

        let before = self.digests_before(&head, channel, rows)?;
        if before.is_none() {
            unsure(0, MissingUnsure::Damaged);
        }
        let before = before.unwrap_or_default();
        let present = Present { rows, before: &before, hasher };
        let places = gone(&before, |place| present.is_kept(place), &rows.present);
        let new = self.gone_contacts(&head, channel, &places, &present)?;
        let mut counted: u64 = if is_other_basis { 0 } else { places.len() as u64 };

        let Earlier { returned, returned_sure, unsure: earlier_unsure } = self.earlier(head.id, &present)?;
        let settles = is_sure && !earlier_unsure.is_empty() && self.is_complete(head.run)?;
        let left_unsure = if settles { 0 } else { earlier_unsure.len() } + if is_sure { 0 } else { new.len() };
        if left_unsure > 0 {
            let why = if is_hidden { MissingUnsure::UnidentifiedRows } else { MissingUnsure::OtherBasis };
            unsure(left_unsure as u64, why);
        }
        let more = if settles { earlier_unsure.len() } else { 0 } + if is_sure { new.len() } else { 0 };
        let total = sure_before.saturating_sub(returned_sure) + more as u64;

        let (mut due, mut marked) = (Vec::new(), Vec::new());
        if let (Some(mark), false) = (&rules.mark, rules.is_limited) {
            let fresh: HashSet<i64> = new.iter().copied().collect();
            let mut candidates: BTreeSet<i64> = self.unmarked(head.id)?.into_iter().collect();
            for back in &returned {
                candidates.remove(back);
            }
            if is_sure {
                candidates.extend(&fresh);
            }
            if settles {
                candidates.extend(earlier_unsure.iter().map(|earlier| earlier.number));
            }
            (due, marked) = self.to_mark((mark, rules.retry_rejected), planning, (head.id, hasher), &candidates)?;
            counted += due.iter().filter(|number| !fresh.contains(number)).count() as u64;
        }
        if counted > 0 {
            let earlier = counted.saturating_sub(places.len() as u64);
            let before =
                if before.is_empty() { self.contacts_of(head.id, head.rows)?.unwrap_or_default() } else { before };
            found.counts.known += distinct(before) + earlier;
            found.counts.gone += counted;
            found.counts.marks += due.len() as u64;
        }
        Ok(PlannedMissing {
            new: new.into_iter().map(|number| (number, is_sure)).collect(),
            returned,
            settles,
            due,
            marked,
            harmless: Some(unidentified.harmless_next(left_unsure == 0)),
            total,
            ..nothing()
        })
    }

    // What became of the contacts that were missing before.
    fn earlier(&self, head: i64, present: &Present<'_>) -> Result<Earlier> {
        let mut found = Earlier::default();
        if present.rows.present.is_empty() {
            found.unsure = self.earlier_missing(head, true, present.hasher)?;
            return Ok(found);
        }
        for earlier in self.earlier_missing(head, false, present.hasher)? {
            if present.has(earlier.tag) || earlier.id.as_ref().is_some_and(|id| present.gives_id(id)) {
                found.returned_sure += u64::from(earlier.is_sure);
                found.returned.push(earlier.number);
            } else if !earlier.is_sure {
                found.unsure.push(earlier);
            }
        }
        Ok(found)
    }

    // The tags of the last input's rows; `None` where they are damaged. They are not read when each row is as it was.
    fn digests_before(&self, head: &Head, channel: &str, rows: &PresentRows) -> Result<Option<Vec<u64>>> {
        let is_same =
            rows.present.is_empty() && rows.kept.len() as u64 == head.rows && rows.kept.iter().all(|kept| *kept);
        if is_same {
            return Ok(Some(Vec::new()));
        }
        if !head.is_sound(channel, &rows.source) || self.count_changes(head.id)? != head.changed {
            return Ok(None);
        }
        self.contacts_of(head.id, head.rows)
    }

    // The contacts at these places of the last input, as far as they are on the platform or in doubt.
    fn gone_contacts(&self, head: &Head, channel: &str, places: &[usize], present: &Present<'_>) -> Result<Vec<i64>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = self.numbers_of(head.id, head.rows)?.unwrap_or_default();
        let (mut contacts, mut unresolved) = (Vec::new(), HashSet::new());
        for place in places {
            let Some(tag) = present.before.get(*place).copied() else { continue };
            let number = numbers.get(*place).copied().unwrap_or(0);
            let key = if number == 0 { None } else { self.key_of_contact(number)? };
            match key.filter(|key| present.hasher.contact_of_text(&key.text()).number() == tag) {
                Some(_) => contacts.push(number),
                None => drop(unresolved.insert(tag)),
            }
        }
        self.resolve_tags(self.channel_number(channel)?, &unresolved, present.hasher, &mut contacts)?;
        let mut kept = Vec::with_capacity(contacts.len());
        for contact in contacts {
            if self.is_on_platform(contact, present)? {
                kept.push(contact);
            }
        }
        kept.sort_unstable();
        Ok(kept)
    }

    // Finds the contacts of a channel that have these tags. The snapshot does not have the numbers of contacts that were created
    // since.
    fn resolve_tags(
        &self,
        channel: i64,
        tags: &HashSet<u64>,
        key: &SnapshotKey,
        contacts: &mut Vec<i64>,
    ) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let mut query = self.db.prepare_cached("SELECT number, field, value FROM contacts WHERE channel = ?1")?;
        let mut rows = query.query([channel])?;
        while let Some(row) = rows.next()? {
            let text = KeyParts::stored(self, row.get(1)?, row.get(2)?)?.text();
            let tag = key.contact_of_text(&text).number();
            if tags.contains(&tag) {
                contacts.push(row.get(0)?);
            }
        }
        Ok(())
    }

    // Whether a contact that is gone from the input may be on the platform, and no row of the input has its id.
    fn is_on_platform(&self, number: i64, present: &Present<'_>) -> Result<bool> {
        let mut query = self.db.prepare_cached(
            "SELECT states.id, doubts.contact IS NOT NULL, contacts.channel FROM contacts
             LEFT JOIN states ON states.contact = contacts.number LEFT JOIN doubts ON doubts.contact = contacts.number
             WHERE contacts.number = ?1",
        )?;
        let found = query.query_row([number], |row| {
            Ok((row.get::<_, Option<StoredId>>(0)?.map(|StoredId(id)| id), row.get(1)?, row.get(2)?))
        });
        let Some((id, is_in_doubt, channel)): Option<(Option<String>, bool, i64)> = found.optional()? else {
            return Ok(false);
        };
        let Some(id) = id.as_deref().and_then(ContactId::new) else { return Ok(is_in_doubt) };
        if present.gives_id(id.as_str()) {
            return Ok(false);
        }
        // A key that is the id itself is the same contact.
        for other in self.numbers_with_id(channel, &id)?.into_iter().filter(|other| *other != number) {
            let key = self.key_of_contact(other)?;
            if key.is_some_and(|key| present.has_anywhere(present.hasher.contact_of_text(&key.text()).number())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    // The contacts that were missing from a source before; with `unsure`, only those that are not sure.
    fn earlier_missing(&self, snapshot: i64, unsure: bool, hasher: &SnapshotKey) -> Result<Vec<EarlierMissing>> {
        let mut query = self.db.prepare_cached(
            "SELECT missing_contacts.contact, missing_contacts.is_sure, contacts.field, contacts.value, states.id
             FROM missing_contacts CROSS JOIN contacts ON contacts.number = missing_contacts.contact
             LEFT JOIN states ON states.contact = missing_contacts.contact
             WHERE missing_contacts.snapshot = ?1 AND (NOT ?2 OR NOT missing_contacts.is_sure)",
        )?;
        let mut rows = query.query(params![snapshot, unsure])?;
        let mut missing = Vec::new();
        while let Some(row) = rows.next()? {
            let text = KeyParts::stored(self, row.get(2)?, row.get(3)?)?.text();
            missing.push(EarlierMissing {
                number: row.get(0)?,
                tag: hasher.contact_of_text(&text).number(),
                id: row.get::<_, Option<StoredId>>(4)?.map(|StoredId(id)| id),
                is_sure: row.get(1)?,
            });
        }
        Ok(missing)
    }

    fn count_missing(&self, snapshot: i64, is_sure: bool) -> Result<u64> {
        let mut query =
            self.db.prepare_cached("SELECT count(*) FROM missing_contacts WHERE snapshot = ?1 AND is_sure = ?2")?;
        Ok(natural(query.query_row(params![snapshot, is_sure], |row| row.get(0))?))
    }

    // Whether all rows of a run have ended, no contact was rejected, and none was left to later runs. One may have another key that is
    // not known yet. A run that is gone ended long ago.
    fn is_complete(&self, run: i64) -> Result<bool> {
        let mut query = self.db.prepare_cached(
            "SELECT state = 'finished' AND NOT is_limited AND NOT EXISTS
                     (SELECT 1 FROM main.items WHERE run = runs.id AND items.state = ?2 AND contact IS NOT NULL) FROM main.runs WHERE id = ?1",
        )?;
        Ok(query.query_row([run, state::REJECTED], |row| row.get(0)).optional()?.unwrap_or(true))
    }

    // Damaged ones are none.
    fn unidentified_rows(&self, snapshot: i64) -> Result<BTreeSet<u64>> {
        let mut query = self.db.prepare_cached("SELECT digests FROM unidentified_rows WHERE snapshot = ?1")?;
        let stored: Option<Vec<u8>> = query.query_row([snapshot], |row| row.get(0)).optional()?;
        let digests = stored.as_deref().and_then(checked_parts::<8>);
        Ok(digests.into_iter().flatten().map(u64::from_le_bytes).collect())
    }

    // Lists the contacts of a run that are missing since the last input, or that are to be marked.
    fn list_missing(
        &self,
        planning: &PlanningRun,
        missing: &PlannedMissing,
        listed: usize,
        found: &mut FoundMissing,
    ) -> Result<()> {
        let due: HashSet<i64> = missing.due.iter().copied().collect();
        let new = missing.new.iter().filter(|(_, is_sure)| *is_sure).map(|(number, _)| *number);
        let numbers: BTreeSet<i64> = new.chain(missing.due.iter().copied()).collect();
        found.contacts += numbers.len() as u64;
        for number in numbers {
            if found.listed.len() == listed {
                break;
            }
            let mark = missing.mark.as_ref().filter(|_| due.contains(&number));
            found.listed.extend(self.change_of_missing(planning, number, mark)?);
        }
        Ok(())
    }

    /// Stores what a finished plan found about missing contacts.
    pub(super) fn finish_missing(&self, planning: &PlanningRun, missing: &PlannedMissing) -> Result<()> {
        let PlanningRun { run, channel, now, .. } = planning;
        let mark = missing.mark.as_ref().map(json);
        self.db.prepare_cached("UPDATE runs SET missing = ?2, mark = ?3 WHERE id = ?1")?.execute(params![
            run,
            integer(missing.total),
            mark
        ])?;
        let mut due = self.db.prepare_cached("INSERT INTO pending_marks (run, contact) VALUES (?1, ?2)")?;
        for number in &missing.due {
            due.execute([run, number])?;
        }
        let head = if self.dry { None } else { self.snapshot_head(channel, &missing.source)? };
        let Some(Head { id: snapshot, .. }) = head else { return Ok(()) };
        let mut remove = self.db.prepare_cached("DELETE FROM missing_contacts WHERE snapshot = ?1 AND contact = ?2")?;
        for number in &missing.returned {
            remove.execute([snapshot, *number])?;
        }
        if missing.settles {
            self.db.execute("UPDATE missing_contacts SET is_sure = TRUE WHERE snapshot = ?1", [snapshot])?;
        }
        let mut insert = self.db.prepare_cached(
            "INSERT OR REPLACE INTO missing_contacts (snapshot, contact, since, is_sure) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for (number, is_sure) in &missing.new {
            insert.execute(params![snapshot, number, millis(*now), is_sure])?;
        }
        if let Some(mark) = &mark {
            let mut set = self
                .db
                .prepare_cached("INSERT OR REPLACE INTO contact_marks (contact, mark, state) VALUES (?1, ?2, ?3)")?;
            for number in &missing.marked {
                set.execute(params![number, mark, mark_state::NOT_OURS])?;
            }
        }
        if let Some(harmless) = &missing.harmless {
            self.db.execute("DELETE FROM unidentified_rows WHERE snapshot = ?1", [snapshot])?;
            if !harmless.is_empty() {
                let bytes: Vec<u8> = harmless.iter().flat_map(|digest| digest.to_le_bytes()).collect();
                let mut insert =
                    self.db.prepare_cached("INSERT INTO unidentified_rows (snapshot, digests) VALUES (?1, ?2)")?;
                insert.execute(params![snapshot, with_checksum(&bytes)])?;
            }
        }
        Ok(())
    }

    /// The platform has nothing of a contact: it is not missing, and has no mark.
    pub(super) fn forget_missing(&self, contact: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM missing_contacts WHERE contact = ?1")?.execute([contact])?;
        self.forget_mark(contact)
    }
}

fn distinct(mut tags: Vec<u64>) -> u64 {
    tags.sort_unstable();
    tags.dedup();
    tags.retain(|tag| ContactDigest::from_stored(*tag).is_some());
    tags.len() as u64
}
