//! The SQL of limited runs: which of the planned rows are sent, deferred and skipped.

use std::collections::HashSet;

use rusqlite::params;

use super::items::NewItem;
use super::planning::OpenPlan;
use super::selected::Selected;
use super::state;
use super::{RESUMABLE, Result, Store, damaged, natural};
use crate::core::selection::{Choice, Chooser, ContactRef, Selection};
use crate::journal::rows::Plan;

/// A pending row of a plan.
struct PlannedRow {
    run: i64,
    row: i64,
    line: i64,
    contact: i64,
}

impl Store {
    pub(in crate::journal) fn limit_plan(&self, plan: &Plan, selection: Selection) -> Result<()> {
        let mut plans = self.plans.borrow_mut();
        let open = plans.open.get_mut(&plan.sync).ok_or_else(ended)?;
        open.selected = Selected { selection, ..Selected::default() };
        Ok(())
    }

    // Returns the names that no row has.
    pub(in crate::journal) fn select_rows(&self, plan: &Plan) -> Result<Vec<ContactRef>> {
        let mut open = self.plans.borrow_mut().open.remove(&plan.sync).ok_or_else(ended)?;
        let Selected { selection, named, found } = std::mem::take(&mut open.selected);
        if !selection.is_all() {
            open.store(self)?;
            self.choose_rows(&mut open, &selection, &named)?;
        }
        open.selected.named = named;
        self.plans.borrow_mut().open.insert(plan.sync, open);
        let missing = selection.only.into_iter().enumerate().filter(|(at, _)| !found.contains(at));
        Ok(missing.map(|(_, name)| name).collect())
    }

    fn choose_rows(&self, open: &mut OpenPlan, selection: &Selection, named: &HashSet<i64>) -> Result<()> {
        let left_open = self.contacts_left_open()?;
        let (mut chooser, mut deferred, mut skipped) = (Chooser::new(selection), Vec::new(), Vec::new());
        {
            let mut query = self.db.prepare(
                "SELECT run, row, line, contact FROM pending WHERE run IN (SELECT id FROM runs WHERE sync = ?1)
                 ORDER BY row, run",
            )?;
            let mut rows = query.query([open.sync])?;
            while let Some(row) = rows.next()? {
                let row = PlannedRow { run: row.get(0)?, row: row.get(1)?, line: row.get(2)?, contact: row.get(3)? };
                match chooser.choose(named.contains(&row.contact), left_open.contains(&row.contact)) {
                    Choice::Send => {}
                    Choice::Defer => deferred.push(row),
                    Choice::Skip => skipped.push(row),
                }
            }
        }
        for row in &deferred {
            self.db
                .prepare_cached("UPDATE pending SET deferred = 1 WHERE run = ?1 AND row = ?2")?
                .execute([row.run, row.row])?;
        }
        for row in &skipped {
            self.skip_row(open, row)?;
        }
        let lists_rows = open.lists_rows;
        for (rows, are_skipped) in [(&deferred, false), (&skipped, true)] {
            for PlannedRow { run, .. } in rows {
                let tally = open.runs.get_mut(run).ok_or_else(|| damaged("a plan", "it has no such run"))?;
                // The calls of these rows would have to be subtracted.
                tally.forecast = None;
                if are_skipped {
                    tally.pending -= 1;
                    // Listed rows are counted as items.
                    tally.skipped += u64::from(!lists_rows);
                } else {
                    tally.deferred += 1;
                }
            }
        }
        self.db.execute("UPDATE runs SET is_limited = 1 WHERE sync = ?1", [open.sync])?;
        if open.lists_rows { Ok(()) } else { self.forget_skipped(open.sync, &skipped) }
    }

    fn skip_row(&self, open: &OpenPlan, skipped: &PlannedRow) -> Result<()> {
        let PlannedRow { run, row, line, contact } = *skipped;
        self.db.prepare_cached("DELETE FROM pending WHERE run = ?1 AND row = ?2")?.execute([run, row])?;
        if open.lists_rows {
            let (row, line) = (natural(row), natural(line));
            let item = NewItem { row, line, contact: Some(contact), state: state::SKIPPED, ..NewItem::default() };
            self.insert_item(run, &item)?;
        }
        Ok(())
    }

    // The contacts that earlier runs left pending or in doubt. A dry run hides the tables of runs with those of its plan.
    fn contacts_left_open(&self) -> Result<HashSet<i64>> {
        let mut query = self.db.prepare(&format!(
            "SELECT contact FROM main.pending WHERE run IN (SELECT id FROM main.runs WHERE state IN {RESUMABLE})
             UNION ALL SELECT contact FROM doubts"
        ))?;
        let contacts = query.query_map([], |row| row.get(0))?;
        Ok(contacts.collect::<rusqlite::Result<_>>()?)
    }

    // Removes the contacts that only skipped rows have.
    fn forget_skipped(&self, sync: i64, skipped: &[PlannedRow]) -> Result<()> {
        if self.is_read_only {
            return Ok(());
        }
        let listed: HashSet<i64> = {
            let mut query = self.db.prepare(
                "SELECT contact FROM items WHERE run IN (SELECT id FROM runs WHERE sync = ?1) AND contact IS NOT NULL",
            )?;
            let contacts = query.query_map([sync], |row| row.get(0))?;
            contacts.collect::<rusqlite::Result<_>>()?
        };
        self.forget_numbers();
        // Only those that are new.
        let mut forget = self.db.prepare_cached(
            "DELETE FROM contacts WHERE number = ?1
                 AND EXISTS (SELECT 1 FROM contact_blocks WHERE sync = ?2 AND ?1 BETWEEN first AND last)",
        )?;
        for row in skipped.iter().filter(|row| !listed.contains(&row.contact)) {
            forget.execute(params![row.contact, sync])?;
        }
        self.db.execute(
            "DELETE FROM new_aliases WHERE run IN (SELECT id FROM runs WHERE sync = ?1)
                 AND contact NOT IN (SELECT number FROM contacts)",
            [sync],
        )?;
        Ok(())
    }

    /// Sends the deferred rows of a run too, from now on, unless rows of its input that were chosen are still pending.
    pub(in crate::journal) fn undefer(&self, run: i64) -> Result<()> {
        self.db.execute(
            "UPDATE pending SET deferred = 0 WHERE run = ?1 AND deferred AND NOT EXISTS
                 (SELECT 1 FROM runs JOIN pending AS chosen ON chosen.run = runs.id AND NOT chosen.deferred
                  WHERE runs.sync = (SELECT sync FROM runs WHERE id = ?1))",
            [run],
        )?;
        Ok(())
    }

    /// Whether a run is limited to some contacts.
    pub(super) fn is_limited(&self, run: i64) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT is_limited FROM runs WHERE id = ?1")?;
        Ok(query.query_row([run], |row| row.get(0))?)
    }
}

fn ended() -> crate::journal::JournalError {
    damaged("a plan", "it ended with an error before")
}
