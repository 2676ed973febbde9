//! Reads contacts back after first writes, at the end of a run: whether the platform stored fields that it accepted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::Executor;
use super::active_contact::ActiveContact;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind};
use crate::core::first_writes::{FieldVerdict, ReadBack, reads};
use crate::core::forecast::Range;
use crate::core::model::{Contact, Draft, Field, Remote, RemoteState};
use crate::core::task::Task;
use crate::core::text::Text;
use crate::journal::{Ended, JournalError, SendJournal};
use crate::sync::event::{Event, Observer};
use crate::sync::transport::Transport;

/// The fields that were written to the channel so far; `None` if none is read back.
#[derive(Debug, Default)]
pub struct WrittenFields(Option<RefCell<BTreeSet<String>>>);

impl WrittenFields {
    /// These were written before.
    pub const fn new(before: BTreeSet<String>) -> Self {
        Self(Some(RefCell::new(before)))
    }

    /// The fields with a value that a successful call was the first to write.
    pub fn first_of(&self, call: &Call, attempt: &Attempt) -> Vec<Text> {
        let (Some(written), Some(fields)) = (&self.0, written_by(call, attempt)) else { return Vec::new() };
        let mut written = written.borrow_mut();
        let first = fields.iter().filter(|field| !field.value.is_blank());
        first.filter(|field| written.insert(field.name.to_string())).map(|field| field.name.clone()).collect()
    }

    /// Takes back that these were written: the journal did not record it.
    pub fn forget(&self, fields: &[Text]) {
        if let Some(written) = &self.0 {
            written.borrow_mut().retain(|name| !fields.iter().any(|field| *name == **field));
        }
    }
}

fn written_by<'a>(call: &'a Call, attempt: &Attempt) -> Option<&'a [Field]> {
    match (call, attempt) {
        (Call::Create { fields }, Attempt::Created(_)) | (Call::Update { fields, .. }, Attempt::Done) => Some(fields),
        (
            Call::Create { .. }
            | Call::Update { .. }
            | Call::Find { .. }
            | Call::Read { .. }
            | Call::AddTags { .. }
            | Call::RemoveTags { .. },
            _,
        ) => None,
    }
}

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Reads back each field that was written for the first time and was not read back yet, by one read of each contact. Returns
    /// those that the platform dropped. The others are left to the next run.
    pub async fn read_back(&self) -> Result<Vec<String>, JournalError> {
        let mut dropped = Vec::new();
        if !self.job.read_back || self.job.stop.reason().is_some() {
            return Ok(dropped);
        }
        for read in reads(&self.job.journal.first_writes(self.job.channel).await?) {
            if self.job.stop.reason().is_some() || self.budget.reason().is_some() {
                break;
            }
            dropped.extend(self.read_one(&read).await?);
        }
        Ok(dropped)
    }

    async fn read_one(&self, read: &ReadBack) -> Result<Vec<String>, JournalError> {
        let job = self.job;
        let id = &read.known.id;
        let draft = Draft { id: Some(id.clone()), ..Draft::default() };
        let contact = Contact::new(draft).expect("it has an id").known_as(read.key.clone());
        let state = RemoteState::Known(read.known.clone());
        let task = Task::new(contact, state, job.policy, &[], job.clock.now());
        let contact = ActiveContact::new(None, task, Range::default(), 0, self.contacts.count());
        let Some(clearance) = self.clearance(&contact, CallKind::Read).await else { return Ok(Vec::new()) };
        let call = Call::Read { id: id.clone() };
        let (number, attempt, at) = self.exchange(&contact, &call, None, clearance.permit_guard, false).await?;
        let verdicts = read.verdicts(&attempt, at, job.policy.search_lag);
        job.journal.read_back(job.channel, Ended { number, attempt: bare(attempt), at }, verdicts.clone()).await?;
        let dropped = verdicts.into_iter().filter(|(_, verdict)| *verdict == FieldVerdict::Dropped);
        let dropped: Vec<String> = dropped.map(|(field, _)| field).collect();
        if !dropped.is_empty() {
            job.observer.observe(&Event::Dropped { fields: &dropped, key: &contact.shown_key(), id });
        }
        Ok(dropped)
    }
}

// The answer to a read without the contact's values, which are not needed any more.
fn bare(attempt: Attempt) -> Attempt {
    match attempt {
        Attempt::Contact(Remote { id, .. }) => {
            Attempt::Contact(Remote { id, fields: BTreeMap::new(), tags: BTreeSet::new() })
        }
        other => other,
    }
}
