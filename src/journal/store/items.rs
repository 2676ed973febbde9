//! The SQL of planning a row: it stores what [`planner`](crate::core::planner) decides.

use std::borrow::Cow;

use rusqlite::{ToSql, params};

use super::compact::{self, Owner};
use super::inserting::{insert_each, insert_in_order};
use super::planning::{Kept, NewPending, OpenPlan};
use super::prior::{LastLocated, Prior};
use super::snapshots::{rejected_trace, trace};
use super::state;
use super::stored_cells::StoredCells;
use super::{Result, Store, damaged, integer, json};
use crate::core::decision::Decision;
use crate::core::duplicates::Duplicates;
use crate::core::model::{Contact, Key};
use crate::core::planner::{EarlierRow, PriorRows as _, Resolution, RowRole, aliases};
use crate::core::record::Cells;
use crate::core::snapshot::SnapshotKey;
use crate::core::task::Outcome;
use crate::journal::rows::{Plan, Planned, PlanningRun, RowOutcome};
use crate::journal::snapshots::RowTrace;

/// The reason of a row that is skipped because its person was forgotten and must not return.
const SUPPRESSED: &str = "suppressed";

/// A row for the table of items.
#[derive(Clone, Copy, Default)]
pub(super) struct NewItem<'a> {
    pub row: u64,
    pub line: u64,
    pub contact: Option<i64>,
    pub state: i64,
    pub reason: Option<&'a str>,
    pub cells: Option<&'a Cells>,
}

impl Store {
    pub(in crate::journal) fn plan_rows(
        &self,
        plan: &Plan,
        rows: &[(usize, Box<Planned>)],
    ) -> Result<Vec<(RowOutcome, RowTrace)>> {
        let hasher = self.snapshot_key()?;
        // After a failure the plan is gone: what it has in memory may have been undone on disk.
        let open = self.plans.borrow_mut().open.remove(&plan.sync);
        let mut open = open.ok_or_else(|| damaged("a plan", "it ended with an error before"))?;
        let stored = rows.iter().map(|(at, row)| self.store_row(&mut open, plan, (&plan.runs[*at], &hasher), row));
        let stored = stored.collect::<Result<_>>()?;
        open.end_batch(self)?;
        let mut plans = self.plans.borrow_mut();
        plans.open.insert(plan.sync, open);
        plans.changed = Some(plan.sync);
        Ok(stored)
    }

    fn store_row(
        &self,
        open: &mut OpenPlan,
        plan: &Plan,
        (planning, hasher): (&PlanningRun, &SnapshotKey),
        planned: &Planned,
    ) -> Result<(RowOutcome, RowTrace)> {
        let run = planning.run;
        let tally = open.runs.get_mut(&run).ok_or_else(|| damaged("a plan", "it has no such run"))?;
        tally.rows += 1;
        let channel = tally.channel;
        let (outcome, trace) = match planned {
            Planned::Contact { row, line, contact, .. } if open.suppressed.0.has(hasher, contact) => {
                (self.skip_suppressed(open, run, (*row, *line))?, RowTrace::default())
            }
            Planned::Rejected { rejection, cells, keys }
                if open.suppressed.0.has_rejected(hasher, keys, &plan.planner.match_fields, cells.as_ref()) =>
            {
                (self.skip_suppressed(open, run, (rejection.row, rejection.line))?, RowTrace::default())
            }
            Planned::Contact { row, line, contact, cells } => {
                let (row, line) = (*row, *line);
                let prior = Prior::new(self, open, run, channel);
                let resolution = plan.planner.resolve_duplicate(contact.clone(), &prior)?;
                let located = prior.locate(resolution.contact.key())?;
                let mut trace = trace(hasher, &prior, &resolution)?;
                // The others may be removed from the journal.
                trace.number = located.as_ref().filter(|located| located.is_known()).map_or(0, |known| known.number());
                let last = prior.into_last();
                let number = match located {
                    Some(located) => located.number(),
                    None => open.add_contact(self, channel, &self.key_parts(resolution.contact.key()))?,
                };
                let id = || Ok(self.remote_state(&planning.channel, resolution.contact.key())?.id().cloned());
                open.selected.note(line, (number, &resolution.contact), id, |key| self.key_parts(key))?;
                let item = NewItem { row, line, contact: Some(number), cells: cells.as_ref(), ..NewItem::default() };
                let (outcome, is_unchanged) =
                    self.store_resolved(open, plan, planning, (channel, number, last), item, resolution)?;
                trace.is_unchanged = is_unchanged;
                (outcome, trace)
            }
            Planned::Rejected { rejection, cells, keys } => {
                let (row, line, reason) = (rejection.row, rejection.line, rejection.to_string());
                let item = NewItem { row, line, state: state::REJECTED, cells: cells.as_ref(), ..NewItem::default() };
                open.selected.note_rejected(line);
                let trace = rejected_trace(hasher, &Prior::new(self, open, run, channel), keys)?;
                (self.reject(run, item, reason)?, trace)
            }
        };
        if let RowOutcome::Done { outcome: Outcome::Rejected(_), .. } = outcome
            && let Some(tally) = open.runs.get_mut(&run)
        {
            tally.rejected += 1;
        }
        Ok((outcome, trace))
    }

    // Nothing of the row is stored but where it was.
    fn skip_suppressed(&self, open: &mut OpenPlan, run: i64, (row, line): (u64, u64)) -> Result<RowOutcome> {
        open.suppressed.1 += 1;
        if open.lists_rows {
            let item = NewItem { row, line, state: state::SKIPPED, reason: Some(SUPPRESSED), ..NewItem::default() };
            self.insert_item(run, &item)?;
        } else if let Some(tally) = open.runs.get_mut(&run) {
            tally.skipped += 1;
        }
        Ok(RowOutcome::Suppressed)
    }

    // Stores the row of a contact by its role. Also returns whether it alone counts for its contact, which is unchanged.
    fn store_resolved(
        &self,
        open: &mut OpenPlan,
        plan: &Plan,
        planning: &PlanningRun,
        (channel, number, last): (i64, i64, LastLocated),
        item: NewItem<'_>,
        Resolution { contact, role }: Resolution,
    ) -> Result<(RowOutcome, bool)> {
        let PlanningRun { run, policy, now, .. } = *planning;
        match role {
            RowRole::Rejected { earlier, fault } => {
                let item = NewItem { state: state::REPEATED, ..item };
                Ok((self.reject(run, item, fault.reason(&earlier))?, false))
            }
            RowRole::Merged { into } => {
                self.add_aliases(open, run, &contact, number)?;
                self.store_merged(open, run, NewItem { reason: Some(&into.reason()), ..item })?;
                Ok((RowOutcome::Merged, false))
            }
            RowRole::Counts { replaced } => {
                self.add_aliases(open, run, &contact, number)?;
                let key = contact.key().clone();
                if let Key::Row { digest, nth } = &key {
                    open.note_equal(run, digest, *nth);
                }
                if let Some(replaced) = replaced {
                    self.merge_into(open, run, number, replaced, EarlierRow { row: item.row, line: item.line })?;
                }
                let prior = Prior::new(self, open, run, channel).with_last(last);
                let mark = if open.has_marks { self.mark_of(number)? } else { None };
                let contact = match &mark {
                    Some(Ok(mark)) => mark.taken_back(contact, &prior.remote_state(&key)?),
                    Some(Err(())) | None => contact,
                };
                let decision = plan.planner.decide(&contact, policy, &prior, now)?;
                let is_taken_back = match mark {
                    Some(Ok(_)) => decision == Decision::Done(Outcome::Unchanged),
                    Some(Err(())) => true,
                    None => false,
                };
                if is_taken_back {
                    open.returned.push(number);
                }
                let is_unchanged = replaced.is_none() && matches!(decision, Decision::Done(Outcome::Unchanged));
                let key = self.key_parts(&key);
                let owner = Owner { number, key: key.value() };
                Ok((self.store_decision(open, plan, run, owner, item, &contact, decision)?, is_unchanged))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is another thing, and there is one caller")]
    fn store_decision(
        &self,
        open: &mut OpenPlan,
        plan: &Plan,
        run: i64,
        owner: Owner<'_>,
        item: NewItem<'_>,
        contact: &Contact,
        decision: Decision,
    ) -> Result<RowOutcome> {
        let NewItem { row, line, cells, .. } = item;
        let counts = EarlierRow { row, line };
        let lists_rows = open.lists_rows;
        let tally = open.runs.get_mut(&run).ok_or_else(|| damaged("a plan", "it has no such run"))?;
        let outcome = match decision {
            Decision::Pending(forecast) => {
                tally.pending += 1;
                if let Some(sum) = &mut tally.forecast {
                    *sum += forecast;
                }
                open.seen.set(owner.number, counts, Kept::Pending);
                let pending = NewPending {
                    run,
                    row: integer(row),
                    line: integer(line),
                    contact: owner.number,
                    cells: cells.map(|cells| json(&StoredCells::of(cells))),
                    content: compact::contact_bytes(self, owner, contact)?,
                };
                open.add_pending(self, pending)?;
                return Ok(RowOutcome::Pending);
            }
            Decision::Done(outcome) => outcome,
            Decision::Waiting(reason) => {
                open.has_waiting = true;
                Outcome::Rejected(reason)
            }
        };
        let is_rejected = matches!(outcome, Outcome::Rejected(_));
        let kept = if is_rejected { Kept::Item } else { Kept::Unchanged };
        if is_rejected || lists_rows {
            let (state, reason) = (state::of(&outcome), outcome.reason());
            self.insert_item(run, &NewItem { state, reason, cells: cells.filter(|_| is_rejected), ..item })?;
        } else {
            tally.unchanged += 1;
        }
        open.seen.set(owner.number, counts, kept);
        if plan.planner.duplicates == Duplicates::Merge {
            // A later row may be merged with it.
            let content = compact::contact_bytes(self, owner, contact)?;
            let mut insert =
                self.db.prepare_cached("INSERT INTO merging (run, row, contact, content) VALUES (?1, ?2, ?3, ?4)")?;
            insert.execute(params![run, integer(row), owner.number, content])?;
        }
        Ok(RowOutcome::Done { row, line, outcome })
    }

    pub(super) fn insert_pending(&self, pending: &[NewPending], are_large: bool) -> Result<()> {
        fn columns(pending: &NewPending) -> [&dyn ToSql; 6] {
            let NewPending { run, row, line, contact, cells, content } = pending;
            [run, row, line, contact, cells, content]
        }
        let insert = "INSERT INTO pending (run, row, line, contact, cells, content)";
        if are_large {
            insert_each(&self.db, insert, pending, columns)
        } else {
            insert_in_order(&self.db, insert, pending, columns)
        }
    }

    fn store_merged(&self, open: &mut OpenPlan, run: i64, item: NewItem<'_>) -> Result<()> {
        if open.lists_rows {
            return self.insert_item(run, &NewItem { state: state::MERGED, cells: None, ..item });
        }
        if let Some(tally) = open.runs.get_mut(&run) {
            tally.merged += 1;
        }
        Ok(())
    }

    // The earlier row is merged into the one that counts now.
    fn merge_into(
        &self,
        open: &mut OpenPlan,
        run: i64,
        contact: i64,
        earlier: EarlierRow,
        counts: EarlierRow,
    ) -> Result<()> {
        let kept = open.seen.get(contact).map(|(_, kept)| kept);
        if kept == Some(Kept::Pending) {
            open.store_pending(self)?;
        }
        let tally = open.runs.get_mut(&run).ok_or_else(|| damaged("a plan", "it has no such run"))?;
        let table = match kept {
            Some(Kept::Pending) => {
                tally.pending = tally.pending.saturating_sub(1);
                // Its calls would have to be subtracted.
                tally.forecast = None;
                Some("pending")
            }
            Some(Kept::Unchanged) if !open.lists_rows => {
                tally.unchanged = tally.unchanged.saturating_sub(1);
                None
            }
            Some(Kept::Item) => {
                tally.rejected = tally.rejected.saturating_sub(1);
                Some("items")
            }
            Some(Kept::Unchanged) | None => Some("items"),
        };
        for table in ["merging"].into_iter().chain(table) {
            let delete = format!("DELETE FROM {table} WHERE run = ?1 AND row = ?2");
            self.db.prepare_cached(&delete)?.execute(params![run, integer(earlier.row)])?;
        }
        let EarlierRow { row, line } = earlier;
        let (contact, reason) = (Some(contact), counts.reason());
        self.store_merged(open, run, NewItem { row, line, contact, reason: Some(&reason), ..NewItem::default() })
    }

    fn reject(&self, run: i64, item: NewItem<'_>, reason: String) -> Result<RowOutcome> {
        self.insert_item(run, &NewItem { reason: Some(&reason), ..item })?;
        Ok(RowOutcome::Done { row: item.row, line: item.line, outcome: Outcome::Rejected(reason) })
    }

    pub(super) fn insert_item(&self, run: i64, item: &NewItem<'_>) -> Result<()> {
        let cells = item.cells.map(|cells| json(&StoredCells::of(cells)));
        let (mut reason, mut kept_cells) = (item.reason.map(Cow::Borrowed), cells.as_deref());
        if self.has_open_rows()
            && matches!(item.state, state::REJECTED | state::REPEATED)
            && let Some(whole) = item.reason
        {
            self.keep_open_row((run, item.row), None, Some(whole), kept_cells.take())?;
            reason = Some(Cow::Owned(self.kept_text(whole, None, item.cells)));
        }
        let mut insert = self.db.prepare_cached(
            "INSERT INTO items (run, row, line, contact, state, reason, cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        insert.execute(params![
            run,
            integer(item.row),
            integer(item.line),
            item.contact,
            item.state,
            reason,
            kept_cells,
        ])?;
        Ok(())
    }

    // From now on, a row with any of these match values belongs to this contact.
    pub(super) fn add_aliases(&self, open: &mut OpenPlan, run: i64, contact: &Contact, number: i64) -> Result<()> {
        let mut aliases = aliases(contact).peekable();
        if aliases.peek().is_none() {
            return Ok(());
        }
        let key = self.key_parts(contact.key());
        for value in aliases {
            let value = self.key_parts(&value);
            if value != key {
                open.add_alias(self, run, &value, number)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::core::diff::TagsMode;
    use crate::core::model::{ContactId, Draft, Field, Mode};
    use crate::core::planner::{Planner, SeenRows};
    use crate::core::task::Policy;
    use crate::core::time::Timestamp;
    use crate::journal::{Journal, ListedRow, NewPlan, NewRun, Rows};

    /// Few values, so that rows often are of one contact.
    fn any_contact() -> impl Strategy<Value = Contact> {
        let pick = |values: &'static [&'static str]| proptest::sample::select(values);
        let email = pick(&["", "a", "b=%", "c"]);
        let parts = (email, pick(&["", "", "1", "2", "3"]), pick(&["", "", "", "7"]), pick(&["Ann", "Bo"]));
        parts.prop_map(|(email, phone, id, name)| {
            let matches = [("email=", email), ("phone", phone)].into_iter().filter(|(_, value)| !value.is_empty());
            let draft = Draft {
                id: ContactId::new(id),
                matches: matches.map(|(name, value)| Field::text(name, value)).collect(),
                fields: vec![Field::text("name", name)],
                ..Draft::default()
            };
            Contact::new(draft).unwrap()
        })
    }

    fn new_plan(planner: Planner) -> NewPlan {
        let policy = Policy {
            mode: Mode::Create,
            tags_mode: TagsMode::Add,
            search_lag: Duration::ZERO,
            retry_in_doubt: false,
            search_first: false,
        };
        let run = NewRun {
            channel: "c".into(),
            url: String::new(),
            kind: String::new(),
            rate: 100,
            input: String::new(),
            policy,
            now: Timestamp::default(),
        };
        NewPlan { runs: vec![run], planner, lists_rows: true }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

        #[test]
        fn the_journal_answers_the_planner_as_rows_in_memory_do(
            contacts in proptest::collection::vec(any_contact(), 1..20),
        ) {
            for duplicates in Duplicates::ALL {
                let match_fields = vec!["email=".into(), "phone".into()];
                let planner = Planner { duplicates, match_fields, retry_rejected: false };
                let mut seen = SeenRows::new(duplicates);
                // The key, the state and the row that counts instead, of each row.
                let mut expected: Vec<(String, &str, String)> = Vec::new();
                for (row, contact) in (1..).zip(&contacts) {
                    let Ok(resolution) = planner.resolve_duplicate(contact.clone(), &seen);
                    seen.note(row, row + 1, &resolution, false);
                    let merged = |line: u64| format!("merged into line {line}");
                    let Resolution { contact, role } = resolution;
                    let state = match role {
                        RowRole::Counts { replaced } => {
                            if let Some(replaced) = replaced {
                                let earlier = &mut expected[usize::try_from(replaced.row).unwrap() - 1];
                                (earlier.1, earlier.2) = ("merged", merged(row + 1));
                            }
                            // `create` takes a contact with an id as one that is there.
                            let state = if contact.id().is_some() { "unchanged" } else { "pending" };
                            (contact.key().to_string(), state, String::new())
                        }
                        RowRole::Merged { into } => (contact.key().to_string(), "merged", merged(into.line)),
                        RowRole::Rejected { earlier, fault } => {
                            (contact.key().to_string(), "rejected", fault.reason(&earlier))
                        }
                    };
                    expected.push(state);
                }
                let journal = Journal::in_memory().unwrap();
                let plan = journal.begin_plan(new_plan(planner)).unwrap();
                let rows = (1..).zip(contacts.clone());
                let rows = rows.map(|(row, contact)| (0, Planned::Contact { row, line: row + 1, contact, cells: None }));
                journal.plan_rows(&plan, rows.collect()).unwrap();
                journal.finish_plan(&plan, None, Vec::new()).unwrap();
                let listed = journal.each_row(plan.sync, Rows::All, Vec::new(), |listed: &mut Vec<ListedRow>, row| {
                    listed.push(row.clone());
                    std::ops::ControlFlow::Continue(())
                });
                let listed = listed.unwrap();
                let found: Vec<_> = listed
                    .iter()
                    .map(|row| (row.key.clone().unwrap(), row.state.as_str(), row.reason.clone().unwrap_or_default()))
                    .collect();
                prop_assert_eq!(found, expected, "{}", duplicates);
            }
        }
    }
}
