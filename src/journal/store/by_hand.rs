//! The SQL of runs of one contact that is changed by hand. Such a run undoes run 0, which there is not: its row is no input's, and
//! other contacts in doubt stay as they are.

use rusqlite::{OptionalExtension, params};

use super::compact::{self, Owner};
use super::ids::StoredId;
use super::keys::KeyParts;
use super::listing::state_name;
use super::planning::{Kept, NewPending};
use super::{Result, Store, damaged};
use crate::core::by_hand::to_rewrite;
use crate::core::model::{Contact, ContactId};
use crate::core::planner::EarlierRow;
use crate::core::selection::ContactRef;
use crate::journal::by_hand::{Addressed, HandRow, OpenHand};
use crate::journal::forget::PersonContact;
use crate::journal::rows::Plan;

/// In place of the number of the run that a run undoes.
pub(super) const BY_HAND: i64 = 0;

/// The place and the line of the only row.
const ONLY: i64 = 1;

impl Store {
    pub(in crate::journal) fn addressed(&self, name: &ContactRef) -> Result<Vec<Addressed>> {
        let mut found = Vec::new();
        for PersonContact { number, channel, .. } in self.person(name)? {
            let Some(parts) = self.key_of_contact(number)? else { continue };
            let key = parts.key(false).ok_or_else(|| damaged("a contact", "its key is not readable"))?;
            let remote_state = self.remote_state(&channel, &key)?;
            found.push(Addressed { number, channel, key, remote_state });
        }
        Ok(found)
    }

    pub(in crate::journal) fn is_suppressed(&self, contact: &Contact) -> Result<bool> {
        Ok(self.suppressed()?.has(&self.snapshot_key()?, contact))
    }

    pub(in crate::journal) fn plan_by_hand(&self, plan: &Plan, contact: &Contact, rewrites: bool) -> Result<()> {
        let ended = || damaged("a plan", "it ended with an error before");
        let planning = plan.runs.first().ok_or_else(ended)?;
        let run = planning.run;
        let mut open = self.plans.borrow_mut().open.remove(&plan.sync).ok_or_else(ended)?;
        self.db.execute("UPDATE runs SET undoes = ?2, is_limited = 1 WHERE id = ?1", [run, BY_HAND])?;
        let channel = self.channel_number(&planning.channel)?;
        let key = self.key_parts(contact.key());
        let number = match self.number_of_contact(channel, &key)? {
            Some(number) => number,
            None => open.add_contact(self, channel, &key)?,
        };
        if rewrites {
            self.change_known(number, |known| *known = to_rewrite(known.clone(), contact))?;
        }
        self.add_aliases(&mut open, run, contact, number)?;
        let content = compact::contact_bytes(self, Owner { number, key: key.value() }, contact)?;
        open.add_pending(self, NewPending { run, row: ONLY, line: ONLY, contact: number, cells: None, content })?;
        open.seen.set(number, EarlierRow { row: 1, line: 1 }, Kept::Pending);
        let tally = open.runs.get_mut(&run).ok_or_else(ended)?;
        (tally.rows, tally.pending, tally.forecast) = (1, 1, None);
        self.plans.borrow_mut().open.insert(plan.sync, open);
        Ok(())
    }

    /// Whether a run changes one contact by hand.
    pub(in crate::journal) fn is_by_hand(&self, run: i64) -> Result<bool> {
        Ok(self.undoes(run)? == Some(BY_HAND))
    }

    pub(in crate::journal) fn open_by_hand(&self, run: i64, wanted: &Contact) -> Result<OpenHand> {
        if !self.is_by_hand(run)? {
            return Ok(OpenHand::Other);
        }
        let mut query = self.db.prepare_cached("SELECT contact, content FROM pending WHERE run = ?1 LIMIT 1")?;
        let pending: Option<(i64, Vec<u8>)> =
            query.query_row([run], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((number, content)) = pending else { return Ok(OpenHand::Replaced) };
        let key = self.key_of_contact(number)?.ok_or_else(|| damaged("a contact", "its key is missing"))?;
        if key != self.key_parts(wanted.key()) {
            return Ok(OpenHand::Other);
        }
        let pending = compact::read_contact(self, Owner { number, key: key.value() }, &key, &content)?;
        let is_same = wanted.clone().known_as(pending.key().clone()) == pending;
        Ok(if is_same { OpenHand::Same } else { OpenHand::Replaced })
    }

    pub(in crate::journal) fn hand_row(&self, run: i64) -> Result<HandRow> {
        let mut query = self.db.prepare_cached(
            "SELECT state, coalesce(open_rows.reason, rows.reason), contacts.field, contacts.value, states.id
             FROM (SELECT run, row, contact, state, reason FROM items UNION ALL
                   SELECT run, row, contact, 0, NULL FROM pending) AS rows
             JOIN contacts ON contacts.number = rows.contact
             LEFT JOIN states ON states.contact = rows.contact
             LEFT JOIN open_rows ON open_rows.run = rows.run AND open_rows.row = rows.row
             WHERE rows.run = ?1 ORDER BY rows.row LIMIT 1",
        )?;
        let mut rows = query.query(params![run])?;
        let row = rows.next()?.ok_or_else(|| damaged("a run", "its row is missing"))?;
        let id = row.get::<_, Option<StoredId>>(4)?.and_then(|StoredId(id)| ContactId::new(id));
        Ok(HandRow {
            state: state_name(row.get(0)?)?.to_owned(),
            reason: row.get(1)?,
            key: KeyParts::stored(self, row.get(2)?, row.get(3)?)?.shown(),
            contact_id: id,
        })
    }
}
