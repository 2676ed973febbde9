//! The SQL of planning a row: it answers the planner's questions and stores what the planner decides.

use rusqlite::{OptionalExtension, params};

use super::sealed::{sealed, unsealed};
use super::stored_cells::StoredCells;
use super::{Result, Store, integer, json, natural};
use crate::core::duplicates::Duplicates;
use crate::core::forecast::Decision;
use crate::core::model::{Contact, Key, RemoteState};
use crate::core::planner::{EarlierRow, PriorRows, Resolution, RowRole, aliases};
use crate::core::record::Cells;
use crate::core::task::Outcome;
use crate::journal::JournalError;
use crate::journal::rows::{Plan, Planned, PlanningRun, RowOutcome};

/// A row for the table of items.
#[derive(Clone, Copy, Default)]
struct NewItem<'a> {
    row: u64,
    line: u64,
    key: Option<&'a str>,
    state: &'a str,
    reason: Option<&'a str>,
    contact: Option<&'a Contact>,
    doubles: Option<u64>,
    cells: Option<&'a Cells>,
}

/// The rows of a run so far and the known contacts of its channel, as the planner asks for them.
struct Prior<'a> {
    store: &'a Store,
    run: i64,
    channel: &'a str,
}

impl Store {
    pub(in crate::journal) fn plan_rows(&self, plan: &Plan, rows: Vec<(usize, Planned)>) -> Result<Vec<RowOutcome>> {
        rows.into_iter().map(|(at, row)| self.store_row(plan, &plan.runs[at], row)).collect()
    }

    fn store_row(&self, plan: &Plan, planning: &PlanningRun, planned: Planned) -> Result<RowOutcome> {
        let PlanningRun { run, ref channel, policy } = *planning;
        let (row, line, contact, cells) = match planned {
            Planned::Contact { row, line, contact, cells } => (row, line, contact, cells),
            Planned::Rejected { rejection, cells } => {
                let (row, line, reason) = (rejection.row, rejection.line, rejection.to_string());
                return self.reject(run, NewItem { row, line, cells: cells.as_ref(), ..NewItem::default() }, reason);
            }
        };
        let prior = Prior { store: self, run, channel };
        let Resolution { contact, role } = plan.planner.resolve_duplicate(contact, &prior)?;
        let key = contact.key().to_string();
        let cells = cells.as_ref();
        let item = NewItem { row, line, key: Some(&key), ..NewItem::default() };
        match role {
            RowRole::Rejected { earlier, fault } => {
                let item = NewItem { doubles: Some(earlier.row), cells, ..item };
                self.reject(run, item, fault.reason(&earlier))
            }
            RowRole::Merged { into } => {
                self.store_aliases(run, &contact, &key)?;
                let reason = into.reason();
                let doubles = Some(into.row);
                self.insert_item(run, &NewItem { state: "merged", reason: Some(&reason), doubles, ..item })?;
                Ok(RowOutcome::Merged)
            }
            RowRole::Counts { replaced } => {
                self.store_aliases(run, &contact, &key)?;
                if let Some(replaced) = replaced {
                    self.merge_into(run, &replaced, EarlierRow { row, line })?;
                }
                match plan.planner.decide(&contact, policy, &prior)? {
                    Decision::Done(outcome) => {
                        let (state, reason) = (outcome.name(), outcome.reason());
                        let cells = cells.filter(|_| matches!(outcome, Outcome::Rejected(_)));
                        // A later row may be merged with it.
                        let contact = Some(&contact).filter(|_| plan.planner.duplicates == Duplicates::Merge);
                        self.insert_item(run, &NewItem { state, reason, contact, cells, ..item })?;
                        Ok(RowOutcome::Done { row, line, outcome })
                    }
                    Decision::Pending(_) => {
                        let contact = Some(&contact);
                        self.insert_item(run, &NewItem { state: "pending", contact, cells, ..item })?;
                        Ok(RowOutcome::Pending)
                    }
                }
            }
        }
    }

    // The earlier row is merged into the one that counts now.
    fn merge_into(&self, run: i64, earlier: &EarlierRow, counts: EarlierRow) -> Result<()> {
        let mut merge = self.db.prepare_cached(
            "UPDATE items SET state = 'merged', reason = ?3, doubles = ?4, contact = NULL, cells = NULL
             WHERE run = ?1 AND row = ?2",
        )?;
        merge.execute(params![run, integer(earlier.row), counts.reason(), integer(counts.row)])?;
        Ok(())
    }

    fn reject(&self, run: i64, item: NewItem<'_>, reason: String) -> Result<RowOutcome> {
        self.insert_item(run, &NewItem { state: "rejected", reason: Some(&reason), ..item })?;
        Ok(RowOutcome::Done { row: item.row, line: item.line, outcome: Outcome::Rejected(reason) })
    }

    fn insert_item(&self, run: i64, item: &NewItem<'_>) -> Result<()> {
        let mut insert = self.db.prepare_cached(
            "INSERT INTO items (run, row, line, key, state, reason, contact, doubles, cells)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        insert.execute(params![
            run,
            integer(item.row),
            integer(item.line),
            item.key,
            item.state,
            item.reason,
            item.contact.map(sealed),
            item.doubles.map(integer),
            item.cells.map(|cells| json(&StoredCells::of(cells))),
        ])?;
        Ok(())
    }

    // From now on, a row with any of these match values belongs to this contact.
    fn store_aliases(&self, run: i64, contact: &Contact, key: &str) -> Result<()> {
        let mut aliases = aliases(contact).peekable();
        if aliases.peek().is_none() {
            return Ok(());
        }
        let mut insert =
            self.db.prepare_cached("INSERT OR REPLACE INTO new_aliases (run, value, key) VALUES (?1, ?2, ?3)")?;
        for value in aliases {
            insert.execute(params![run, value.to_string(), key])?;
        }
        Ok(())
    }
}

impl PriorRows for Prior<'_> {
    type Error = JournalError;

    fn key_of(&self, value: &Key) -> Result<Option<Key>> {
        let mut find = self.store.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key = ?2 AND doubles IS NULL
             UNION ALL SELECT key FROM new_aliases WHERE run = ?1 AND value = ?2
             UNION ALL SELECT key FROM known WHERE channel = ?3 AND key = ?2
             UNION ALL SELECT key FROM aliases WHERE channel = ?3 AND value = ?2 LIMIT 1",
        )?;
        let values = params![self.run, value.to_string(), self.channel];
        let found: Option<String> = find.query_row(values, |row| row.get(0)).optional()?;
        Ok(found.as_deref().and_then(Key::parse_match))
    }

    fn equal_rows(&self, digest: &str) -> Result<u32> {
        let mut newest = self.store.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key > ?2 AND key < ?3 AND doubles IS NULL ORDER BY key DESC LIMIT 1",
        )?;
        // The key ends in a point and eight digits. The character after `.` is `/`.
        let range = params![self.run, format!("#{digest}."), format!("#{digest}/")];
        let last: Option<String> = newest.query_row(range, |row| row.get(0)).optional()?;
        Ok(last.and_then(|key| key.rsplit('.').next().and_then(|nth| nth.parse().ok())).unwrap_or(0))
    }

    fn earlier(&self, key: &Key) -> Result<Option<EarlierRow>> {
        let mut find = self
            .store
            .db
            .prepare_cached("SELECT row, line FROM items WHERE run = ?1 AND key = ?2 AND doubles IS NULL")?;
        let earlier = find.query_row(params![self.run, key.to_string()], |row| {
            Ok(EarlierRow { row: natural(row.get(0)?), line: natural(row.get(1)?) })
        });
        Ok(earlier.optional()?)
    }

    fn earlier_contact(&self, earlier: &EarlierRow) -> Result<Contact> {
        let mut find = self.store.db.prepare_cached("SELECT contact FROM items WHERE run = ?1 AND row = ?2")?;
        let contact: Option<String> =
            find.query_row(params![self.run, integer(earlier.row)], |row| row.get(0)).optional()?.flatten();
        // It is stored while rows are merged. Without it, the values of the earlier row would be lost.
        unsealed("a contact", contact.as_deref().unwrap_or_default())
    }

    fn remote_state(&self, key: &Key) -> Result<RemoteState> {
        self.store.remote_state(self.channel, &key.to_string())
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
        NewPlan { runs: vec![run], planner }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

        #[test]
        fn the_journal_answers_the_planner_as_rows_in_memory_do(
            contacts in proptest::collection::vec(any_contact(), 1..20),
        ) {
            for duplicates in Duplicates::ALL {
                let planner = Planner { duplicates, match_fields: vec!["email=".into(), "phone".into()] };
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
                journal.finish_plan(&plan, None).unwrap();
                let listed = journal.each_row(plan.sync, Rows::All, Vec::new(), |listed: &mut Vec<ListedRow>, row| {
                    listed.push(row);
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
