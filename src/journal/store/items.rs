//! The SQL of planning a row: it becomes an item, beside the other rows of its contact.

use rusqlite::{OptionalExtension, params};

use super::remote_state::Kept;
use super::sealed::{sealed, unsealed};
use super::{Result, Store, integer, json, natural};
use crate::core::duplicates::{Duplicates, merged};
use crate::core::model::{Contact, Flaw, Key};
use crate::core::plan::{Decision, decide};
use crate::core::record::Cells;
use crate::core::task::Outcome;
use crate::journal::rows::{Plan, Planned, Planning, Settled};

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

/// The row that stands for a contact so far.
struct Earlier {
    row: u64,
    line: u64,
    contact: Option<String>,
}

/// What comes of an earlier row of the same contact.
enum Resolution {
    /// This contact is planned, in place of the earlier row if there is one.
    Counts(Contact, Option<Earlier>),
    /// The earlier row stands.
    Yields(Earlier),
    /// The earlier row stands, and the later is set aside for this reason.
    Refused(Earlier, String),
}

impl Store {
    pub(in crate::journal) fn plan_rows(&self, plan: &Plan, rows: &[(usize, Planned)]) -> Result<Vec<Settled>> {
        rows.iter().map(|(at, row)| self.plan_row(plan, &plan.runs[*at], row)).collect()
    }

    fn plan_row(&self, plan: &Plan, planning: &Planning, planned: &Planned) -> Result<Settled> {
        let Planning { run, ref channel, policy } = *planning;
        let (row, line, contact, cells) = match planned {
            Planned::Contact { row, line, contact, cells } => (*row, *line, contact, cells.as_ref()),
            Planned::Rejected { rejection, cells } => {
                let (row, line, reason) = (rejection.row, rejection.line, rejection.to_string());
                return self.reject(run, NewItem { row, line, cells: cells.as_ref(), ..NewItem::default() }, reason);
            }
        };
        let contact = self.as_known(run, channel, self.among_equals(run, contact)?)?;
        let key = contact.key().to_string();
        let item = NewItem { row, line, key: Some(&key), ..NewItem::default() };
        let (contact, earlier) = match self.meet(plan, run, contact)? {
            Resolution::Counts(contact, earlier) => (contact, earlier),
            Resolution::Yields(earlier) => {
                let reason = format!("line {} stands for this contact", earlier.line);
                let doubles = Some(earlier.row);
                self.insert_item(run, &NewItem { state: "merged", reason: Some(&reason), doubles, ..item })?;
                return Ok(Settled::Merged);
            }
            Resolution::Refused(earlier, reason) => {
                return self.reject(run, NewItem { doubles: Some(earlier.row), cells, ..item }, reason);
            }
        };
        if let Some(earlier) = earlier {
            self.merge_into(run, &earlier, row, line)?;
        }
        match decide(&contact, &self.remote_state(channel, &key)?, policy) {
            Decision::Done(outcome) => {
                let (state, reason) = (outcome.name(), outcome.reason());
                let cells = cells.filter(|_| matches!(outcome, Outcome::Rejected(_)));
                // A later row may have more of it.
                let contact = Some(&contact).filter(|_| plan.duplicates == Duplicates::Merge);
                self.insert_item(run, &NewItem { state, reason, contact, cells, ..item })?;
                Ok(Settled::Done { row, line, outcome })
            }
            Decision::Pending(_) => {
                self.insert_item(run, &NewItem { state: "pending", contact: Some(&contact), cells, ..item })?;
                Ok(Settled::Pending)
            }
        }
    }

    fn meet(&self, plan: &Plan, run: i64, contact: Contact) -> Result<Resolution> {
        let Some(earlier) = self.earlier(run, &contact.key().to_string())? else {
            self.note_values(run, &contact)?;
            return Ok(Resolution::Counts(contact, None));
        };
        match plan.duplicates {
            Duplicates::Last => {
                self.note_values(run, &contact)?;
                Ok(Resolution::Counts(contact, Some(earlier)))
            }
            Duplicates::First => {
                self.note_values(run, &contact)?;
                Ok(Resolution::Yields(earlier))
            }
            // What is set aside says nothing of other rows.
            Duplicates::Reject => {
                let reason = format!("expected each contact once, found this one on line {} too", earlier.line);
                Ok(Resolution::Refused(earlier, reason))
            }
            Duplicates::Merge => match together(&earlier, &contact, &plan.match_fields)? {
                Ok(both) => {
                    self.note_values(run, &both)?;
                    Ok(Resolution::Counts(both, Some(earlier)))
                }
                Err(flaw) => {
                    let reason = format!("together with line {}, which is the same contact: {flaw}", earlier.line);
                    Ok(Resolution::Refused(earlier, reason))
                }
            },
        }
    }

    fn earlier(&self, run: i64, key: &str) -> Result<Option<Earlier>> {
        let mut find = self
            .db
            .prepare_cached("SELECT row, line, contact FROM items WHERE run = ?1 AND key = ?2 AND doubles IS NULL")?;
        let earlier = find.query_row(params![run, key], |row| {
            Ok(Earlier { row: natural(row.get(0)?), line: natural(row.get(1)?), contact: row.get(2)? })
        });
        Ok(earlier.optional()?)
    }

    fn merge_into(&self, run: i64, earlier: &Earlier, row: u64, line: u64) -> Result<()> {
        let mut merge = self.db.prepare_cached(
            "UPDATE items SET state = 'merged', reason = ?3, doubles = ?4, contact = NULL, cells = NULL
             WHERE run = ?1 AND row = ?2",
        )?;
        let reason = format!("line {line} stands for this contact");
        merge.execute(params![run, integer(earlier.row), reason, integer(row)])?;
        Ok(())
    }

    fn reject(&self, run: i64, item: NewItem<'_>, reason: String) -> Result<Settled> {
        self.insert_item(run, &NewItem { state: "rejected", reason: Some(&reason), ..item })?;
        Ok(Settled::Done { row: item.row, line: item.line, outcome: Outcome::Rejected(reason) })
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
            item.cells.map(|cells| json(&Kept::of(cells))),
        ])?;
        Ok(())
    }

    // A contact with several match fields is one contact, whichever of them a row has.
    fn as_known(&self, run: i64, channel: &str, contact: Contact) -> Result<Contact> {
        let mut find = self.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key = ?2 AND doubles IS NULL
             UNION ALL SELECT key FROM new_aliases WHERE run = ?1 AND value = ?2
             UNION ALL SELECT key FROM known WHERE channel = ?3 AND key = ?2
             UNION ALL SELECT key FROM aliases WHERE channel = ?3 AND value = ?2 LIMIT 1",
        )?;
        for (nth, field) in contact.matches().iter().enumerate() {
            let value = Key::of(field).to_string();
            let found: Option<String> = find.query_row(params![run, value, channel], |row| row.get(0)).optional()?;
            let Some(key) = found.as_deref().and_then(Key::parse_match) else { continue };
            // Whoever has another value in a field that is tried before is somebody else, who shares this one.
            if !contact.matches()[..nth].iter().any(|field| key.is_another(field)) {
                return Ok(contact.known_as(key));
            }
        }
        Ok(contact)
    }

    // From now on, a row with any of these values is this contact.
    fn note_values(&self, run: i64, contact: &Contact) -> Result<()> {
        if contact.matches().len() < 2 {
            return Ok(());
        }
        let key = contact.key().to_string();
        let mut note = self
            .db
            .prepare_cached("INSERT OR REPLACE INTO new_aliases (run, value, key) SELECT ?1, ?2, ?3 WHERE ?2 <> ?3")?;
        for field in contact.matches() {
            note.execute(params![run, Key::of(field).to_string(), key])?;
        }
        Ok(())
    }

    // A contact without a key of its own is one more of the rows with its content.
    fn among_equals(&self, run: i64, contact: &Contact) -> Result<Contact> {
        let digest = match contact.key() {
            Key::Row { digest, .. } => digest,
            Key::Match { .. } | Key::Id(_) => return Ok(contact.clone()),
        };
        let mut newest = self.db.prepare_cached(
            "SELECT key FROM items WHERE run = ?1 AND key > ?2 AND key < ?3 AND doubles IS NULL ORDER BY key DESC LIMIT 1",
        )?;
        // The key ends in a point and eight digits, and the sign after the point is the slash.
        let last: Option<String> = newest
            .query_row(params![run, format!("#{digest}."), format!("#{digest}/")], |row| row.get(0))
            .optional()?;
        let nth = last.and_then(|key| key.rsplit('.').next().and_then(|nth| nth.parse::<u32>().ok())).unwrap_or(0);
        Ok(contact.clone().as_nth(nth + 1))
    }
}

fn together(
    earlier: &Earlier,
    contact: &Contact,
    match_fields: &[String],
) -> Result<std::result::Result<Contact, Flaw>> {
    let earlier: Contact = unsealed("a contact", earlier.contact.as_deref().unwrap_or_default())?;
    Ok(merged(&earlier, contact, match_fields))
}
