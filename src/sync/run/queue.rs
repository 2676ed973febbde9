//! The order in which contacts are sent.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use super::Job;
use super::active_contact::{ActiveContact, InputRow};
use super::admission_control::AdmissionControl;
use super::contact_budget::ContactShare;
use crate::core::call::CallKind;
use crate::core::doubt::Doubt;
use crate::core::forecast::{Range, forecast};
use crate::core::task::{PastCall, Task};
use crate::core::time::Timestamp;
use crate::journal::{Carried, Item, JournalError, SendJournal};
use crate::sync::event::{Event, Observer};

/// The pending contacts of a run:
///
/// 1. lost creates of contacts that the file no longer has, then those of contacts that it has: a search can resolve
///    them;
/// 2. the file, from the first row that the last run did not reach to its end, and then from its beginning;
/// 3. contacts that were left for the next run, least recently tried first.
pub struct Queue {
    orphans: std::vec::IntoIter<Doubt>,
    first: std::vec::IntoIter<Item>,
    file: FileRows,
    left: std::vec::IntoIter<u64>,
}

/// The rows of the file that are neither among the first nor among those that were left.
struct FileRows {
    taken: BTreeSet<u64>,
    page: std::vec::IntoIter<Item>,
    page_size: u32,
    last_row: u64,
    // The first row of this run. After the end of the file, the rows before it follow.
    begin: u64,
    is_past_end: bool,
    exhausted: bool,
    // Number of contacts that were taken.
    count: u64,
}

/// Contacts that were taken from the queue and deferred because calls of the kind that they need are paused.
#[derive(Default)]
pub struct Deferred {
    contacts: VecDeque<(CallKind, ActiveContact)>,
}

impl Queue {
    /// Loads the contacts in doubt, those left for this run, and the row at which the last run ended. `page` is the number of
    /// pending items that are read from the journal at a time.
    pub async fn open<J: SendJournal, T, O: Observer>(
        job: &Job<'_, J, T, O>,
        page: usize,
    ) -> Result<Self, JournalError> {
        let left = job.journal.left(job.run).await?;
        let mut taken: BTreeSet<u64> = left.iter().copied().collect();
        let (mut orphans, mut first, mut in_doubt) = (Vec::new(), Vec::new(), 0);
        for carried in job.journal.in_doubt(job.run, job.channel).await? {
            match carried {
                Carried::Item(item) if taken.contains(&item.row) => {}
                Carried::Item(item) => first.push(*item),
                // A contact without a match field cannot be searched for. It stays in doubt until an input has it
                // again.
                Carried::Orphan(doubt) if doubt.sent.matches().is_empty() => in_doubt += 1,
                Carried::Orphan(doubt) => orphans.push(*doubt),
            }
        }
        if in_doubt > 0 {
            job.observer.observe(&Event::InDoubt { contacts: in_doubt });
        }
        taken.extend(first.iter().map(|item| item.row));
        let begin = job.journal.turn(job.run, job.channel).await?;
        let file = FileRows {
            taken,
            page: Vec::new().into_iter(),
            page_size: u32::try_from(page).unwrap_or(u32::MAX),
            last_row: begin.saturating_sub(1),
            begin,
            is_past_end: false,
            exhausted: false,
            count: 0,
        };
        Ok(Self { orphans: orphans.into_iter(), first: first.into_iter(), file, left: left.into_iter() })
    }

    /// Whether contacts in doubt that the file no longer has are still in the queue.
    pub fn has_orphans(&self) -> bool {
        !self.orphans.as_slice().is_empty()
    }

    /// The next contact; `None` when all are taken.
    pub async fn next<J: SendJournal, T, O>(
        &mut self,
        job: &Job<'_, J, T, O>,
        share: &Rc<ContactShare>,
    ) -> Result<Option<ActiveContact>, JournalError> {
        let now = job.clock.now();
        if let Some(doubt) = self.orphans.next() {
            let task = Task::resolving_doubt(doubt.sent.clone(), doubt, job.policy, now);
            return Ok(Some(ActiveContact::new(None, task, Range::default(), 0, share.count())));
        }
        if let Some(item) = self.first.next() {
            return Ok(Some(active(job, item, share, now)));
        }
        if let Some(item) = self.file.next(job).await? {
            self.file.count += 1;
            let mut contact = active(job, item, share, now);
            contact.sequence = Some(self.file.count);
            return Ok(Some(contact));
        }
        for row in self.left.by_ref() {
            // Another row of the same contact may have ended it since.
            let found = job.journal.pending(job.run, row.saturating_sub(1), 1).await?.pop();
            if let Some(item) = found.filter(|item| item.row == row) {
                return Ok(Some(active(job, item, share, now)));
            }
        }
        Ok(None)
    }

    /// The key and the row of the next contact in the file; `None` after the last one.
    pub async fn next_in_file<J: SendJournal, T, O>(
        &mut self,
        job: &Job<'_, J, T, O>,
    ) -> Result<Option<(String, u64)>, JournalError> {
        let item = self.file.next(job).await?;
        Ok(item.map(|item| (item.contact.key().to_string(), item.row)))
    }
}

impl FileRows {
    async fn next<J: SendJournal, T, O>(&mut self, job: &Job<'_, J, T, O>) -> Result<Option<Item>, JournalError> {
        loop {
            for item in self.page.by_ref() {
                self.last_row = item.row;
                if self.is_past_end && item.row >= self.begin {
                    self.exhausted = true;
                    break;
                }
                if !self.taken.contains(&item.row) {
                    return Ok(Some(item));
                }
            }
            if self.exhausted {
                return Ok(None);
            }
            let page = job.journal.pending(job.run, self.last_row, self.page_size).await?;
            if page.is_empty() && !self.is_past_end && self.begin > 1 {
                (self.is_past_end, self.last_row) = (true, 0);
            } else if page.is_empty() {
                self.exhausted = true;
            }
            self.page = page.into_iter();
        }
    }
}

impl Deferred {
    /// Defers a contact that needs a call of this kind.
    pub fn put(&mut self, kind: CallKind, contact: ActiveContact) {
        self.contacts.push_back((kind, contact));
    }

    /// The deferred contacts.
    pub fn iter(&self) -> impl Iterator<Item = &ActiveContact> {
        self.contacts.iter().map(|(_, contact)| contact)
    }

    /// Takes out a contact that may begin, of a kind that `is_in_time`.
    pub fn take(
        &mut self,
        admission: &AdmissionControl,
        is_in_time: impl Fn(CallKind) -> bool,
    ) -> Option<ActiveContact> {
        let may_begin = |kind: &CallKind| !admission.holds_back(*kind) && is_in_time(*kind);
        let kind = self.contacts.iter().map(|(kind, _)| *kind).find(may_begin)?;
        let of_kind = self.contacts.iter().enumerate().filter(|(_, (other, _))| *other == kind).map(|(at, _)| at);
        let at = of_kind.take(admission.lookahead(kind) + 1).last()?;
        let (_, mut contact) = self.contacts.remove(at)?;
        contact.trial = admission.begins(kind).then_some(kind);
        Some(contact)
    }
}

fn active<J, T, O>(job: &Job<'_, J, T, O>, item: Item, share: &Rc<ContactShare>, now: Timestamp) -> ActiveContact {
    let Item { row, line, contact, cells, remote_state, past, undone } = item;
    let task =
        |past: &[PastCall]| Task::of_row(contact.clone(), undone.clone(), remote_state.clone(), job.policy, past, now);
    // As the forecast of the whole run counts them, so that the calls that are left end at zero.
    let calls = forecast(&task(&[]), job.policy).total;
    let task = task(&past);
    ActiveContact::new(Some(InputRow { number: row, line, cells }), task, calls, past.len(), share.count())
}
