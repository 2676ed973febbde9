//! The SQL of showing a plan: what would be sent for each contact.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::compact::{self, Owner};
use super::keys::KeyParts;
use super::{Result, Store, damaged, natural, parse};
use crate::core::approval::DecisionDigest;
use crate::core::contact_change::ContactChange;
use crate::core::field_use::FieldUses;
use crate::core::task::Policy;
use crate::journal::rows::Plan;

/// The contacts whose changes are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changes {
    All,
    /// Those that are known, and so updated.
    OfKnown,
}

impl Store {
    pub(in crate::journal) fn first_changes(&self, sync: i64, limit: usize) -> Result<Vec<ContactChange>> {
        let mut changes = Vec::new();
        if limit > 0 {
            self.each_change(sync, Changes::All, |change| {
                changes.push(change);
                if changes.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(changes)
    }

    pub(in crate::journal) fn decision_digest(&self, plan: &Plan) -> Result<String> {
        let mut digest = DecisionDigest::default();
        self.each_change(plan.sync, Changes::All, |change| {
            digest.add(&change);
            ControlFlow::Continue(())
        })?;
        self.each_mark(plan, |change| digest.add(change))?;
        Ok(digest.finish())
    }

    pub(in crate::journal) fn field_uses(&self, sync: i64) -> Result<FieldUses> {
        let mut uses = FieldUses::default();
        self.each_change(sync, Changes::OfKnown, |change| {
            uses.add(&change);
            ControlFlow::Continue(())
        })?;
        Ok(uses)
    }

    /// Passes what would be sent for contacts of an input to `each`, in the input's order, until it breaks.
    pub(super) fn each_change(
        &self,
        sync: i64,
        which: Changes,
        mut each: impl FnMut(ContactChange) -> ControlFlow<()>,
    ) -> Result<()> {
        self.store_staged(sync)?;
        let runs = self.runs_to_send(sync)?;
        let of_known = match which {
            Changes::All => "",
            Changes::OfKnown => "AND EXISTS (SELECT 1 FROM states WHERE states.contact = pending.contact)",
        };
        let mut query = self.db.prepare(&format!(
            "SELECT run, line, contact, content FROM pending
             WHERE run IN (SELECT id FROM runs WHERE sync = ?1) AND NOT deferred {of_known} ORDER BY row, run"
        ))?;
        let mut rows = query.query([sync])?;
        while let Some(row) = rows.next()? {
            let (run, line, number): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let content: Vec<u8> = row.get(3)?;
            let Some((channel, policy)) = runs.get(&run) else { continue };
            let key = self.key_of_planned(sync, (run, number))?;
            let key = key.ok_or_else(|| damaged("a contact", "its key is missing"))?;
            let contact = compact::read_contact(self, Owner { number, key: key.value() }, &key, &content)?;
            let remote_state = self.remote_state(channel, contact.key())?;
            if each(ContactChange::of(channel, natural(line), contact, remote_state, *policy)).is_break() {
                break;
            }
        }
        Ok(())
    }

    // The channels and rules of the runs of an input.
    fn runs_to_send(&self, sync: i64) -> Result<BTreeMap<i64, (String, Policy)>> {
        let mut query = self.db.prepare("SELECT id, channel, policy FROM runs WHERE sync = ?1")?;
        let mut rows = query.query([sync])?;
        let mut runs = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let policy: String = row.get(2)?;
            runs.insert(row.get(0)?, (row.get(1)?, parse("a run's policy", &policy)?));
        }
        Ok(runs)
    }

    /// Stores what an open plan has in memory.
    pub(super) fn store_staged(&self, sync: i64) -> Result<()> {
        let open = self.plans.borrow_mut().open.remove(&sync);
        if let Some(mut open) = open {
            open.store(self)?;
            self.plans.borrow_mut().open.insert(sync, open);
        }
        Ok(())
    }

    /// The key of a contact of a plan, which may be in memory only.
    pub(super) fn key_of_planned(&self, sync: i64, (run, contact): (i64, i64)) -> Result<Option<KeyParts<'static>>> {
        let key = match self.plans.borrow().open.get(&sync) {
            Some(open) => open.key_of_contact(self, contact)?,
            None => self.key_of_contact(contact)?,
        };
        key.map_or_else(|| self.plans.borrow().key_in_memory(self, run, contact), |key| Ok(Some(key)))
    }
}
