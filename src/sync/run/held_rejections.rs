//! Rejected rows that are held back and not yet written to the journal, because their refusals may concern the account.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::Executor;
use super::active_contact::ActiveContact;
use super::contact_budget::ContactShare;
use crate::core::call::CallKind;
use crate::core::task::Outcome;
use crate::core::time::Timestamp;
use crate::journal::{JournalError, SendJournal};
use crate::sync::event::Observer;
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// Maximum number of held rows for one kind of call. It bounds memory.
const HELD_PER_KIND: usize = 1_000;

type Row = (ActiveContact, Outcome);

/// The held rows by the kind of call that was refused, each with the time of the refusal, oldest first.
#[derive(Default)]
pub struct HeldRejections {
    kinds: [RefCell<VecDeque<(Timestamp, Row)>>; CallKind::ALL.len()],
}

impl HeldRejections {
    /// Holds a row whose call was refused at `at`. Returns the oldest row of its kind when there are too many.
    pub fn put(
        &self,
        kind: CallKind,
        at: Timestamp,
        contact: ActiveContact,
        outcome: Outcome,
        share: &ContactShare,
    ) -> Option<Row> {
        let mut rows = self.kinds[kind as usize].borrow_mut();
        let place = rows.partition_point(|(earlier, _)| *earlier <= at);
        contact.hold();
        rows.insert(place, (at, (contact, outcome)));
        let is_full = rows.len() > HELD_PER_KIND || share.is_too_many(rows.len());
        if is_full { rows.pop_front().map(|(_, row)| row) } else { None }
    }

    /// Takes out the oldest row of a kind, if it was refused by this time.
    pub fn take_until(&self, kind: CallKind, until: Timestamp) -> Option<Row> {
        let mut rows = self.kinds[kind as usize].borrow_mut();
        let is_due = rows.front().is_some_and(|(at, _)| *at <= until);
        if is_due { rows.pop_front().map(|(_, row)| row) } else { None }
    }

    /// Number of held rows.
    pub fn len(&self) -> usize {
        self.kinds.iter().map(|rows| rows.borrow().len()).sum()
    }
}

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Holds a rejected row. When too many rows are held, the oldest one is rejected.
    pub async fn hold(
        &self,
        (kind, at): (CallKind, Timestamp),
        contact: ActiveContact,
        outcome: Outcome,
    ) -> Result<(), JournalError> {
        if let Some((first, outcome)) = self.held.put(kind, at, contact, outcome, &self.contacts) {
            self.reject_held(&first, &outcome).await?;
        }
        Ok(())
    }

    /// Rejects the held rows that were refused before a call of the same kind began at `begun` and succeeded: their
    /// refusals concerned the rows.
    pub async fn reject_held_until(&self, kind: CallKind, begun: Timestamp) -> Result<(), JournalError> {
        while let Some((contact, outcome)) = self.held.take_until(kind, begun) {
            self.reject_held(&contact, &outcome).await?;
        }
        Ok(())
    }

    async fn reject_held(&self, contact: &ActiveContact, outcome: &Outcome) -> Result<(), JournalError> {
        self.job.journal.concluded(self.state_update(contact, true, Some(outcome))).await?;
        self.done(contact, outcome);
        Ok(())
    }

    /// Decides about the held rows at the end of the run. Refusals that are too few to blame the account concern their
    /// rows. In a run that stops early, that is not known: the rows stay pending.
    pub async fn conclude_held(&self) -> Result<(), JournalError> {
        let counts = self.job.journal.counts(self.job.run).await?;
        let pending = counts.pending - counts.deferred;
        let nothing_else = u64::try_from(self.held.len()).is_ok_and(|held| held >= pending);
        let is_refusing = matches!(self.job.stop.reason(), Some(StopReason::Refusing(_)));
        let is_whole = self.job.stop.reason().is_none() && self.budget.reason().is_none();
        for kind in CallKind::ALL {
            if !is_refusing && (nothing_else || is_whole) {
                self.reject_held_until(kind, self.job.clock.now()).await?;
            }
            while let Some((contact, _)) = self.held.take_until(kind, self.job.clock.now()) {
                self.leave(&contact).await?;
            }
        }
        Ok(())
    }
}
