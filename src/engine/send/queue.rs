//! What is to be sent, in its order.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::{Job, OnTheWay, Place};
use crate::core::doubt::Doubt;
use crate::core::plan::{Range, forecast};
use crate::core::task::Task;
use crate::core::time::Timestamp;
use crate::edges::journal::{Carried, Item, JournalError, SendJournal};
use crate::engine::event::{Event, Observer};

/// How many pending items are read from the journal at a time, for each call that may be on its way: few, because there
/// may be a thousand channels at work.
const PAGE_PER_CALL: usize = 2;

/// What is to be sent, in order: lost creates of contacts that the file no longer has, then those of contacts that it
/// has, then the file.
pub struct Queue {
    orphans: std::vec::IntoIter<Doubt>,
    first: std::vec::IntoIter<Item>,
    // Rows that were among the first.
    taken: BTreeSet<u64>,
    page: std::vec::IntoIter<Item>,
    page_size: u32,
    last_row: u64,
    exhausted: bool,
}

impl Queue {
    /// Looks up what is unsettled and begins with it.
    pub async fn open<J: SendJournal, T, O: Observer>(
        job: &Job<'_, J, T, O>,
        concurrency: usize,
    ) -> Result<Self, JournalError> {
        let (mut orphans, mut first, mut unsure) = (Vec::new(), Vec::new(), 0);
        for carried in job.journal.in_doubt(job.run, job.channel).await? {
            match carried {
                Carried::Item(item) => first.push(*item),
                // Without a match field only a person can find out; it stays unsettled until its file comes back.
                Carried::Orphan(doubt) if doubt.sent.matches().is_empty() => unsure += 1,
                Carried::Orphan(doubt) => orphans.push(*doubt),
            }
        }
        if unsure > 0 {
            job.observer.tell(&Event::Unsure { contacts: unsure });
        }
        let taken = first.iter().map(|item| item.row).collect();
        let (orphans, first, page) = (orphans.into_iter(), first.into_iter(), Vec::new().into_iter());
        let page_size = u32::try_from(concurrency * PAGE_PER_CALL).unwrap_or(u32::MAX);
        Ok(Self { orphans, first, taken, page, page_size, last_row: 0, exhausted: false })
    }

    /// Whether lost creates of contacts that the file no longer has are still to be taken.
    pub fn has_orphans(&self) -> bool {
        !self.orphans.as_slice().is_empty()
    }

    /// The next contact; `None` when all are taken.
    pub async fn next<J: SendJournal, T, O>(
        &mut self,
        job: &Job<'_, J, T, O>,
    ) -> Result<Option<OnTheWay>, JournalError> {
        let now = job.clock.now();
        if let Some(doubt) = self.orphans.next() {
            let task = Task::settling(doubt.sent.clone(), doubt, job.policy, now);
            return Ok(Some(OnTheWay { place: None, task, calls: Range::default(), sent: Cell::default() }));
        }
        if let Some(item) = self.first.next() {
            return Ok(Some(on_the_way(job, item, now)));
        }
        loop {
            for item in self.page.by_ref() {
                self.last_row = item.row;
                if !self.taken.contains(&item.row) {
                    return Ok(Some(on_the_way(job, item, now)));
                }
            }
            if self.exhausted {
                return Ok(None);
            }
            let page = job.journal.pending(job.run, job.channel, self.last_row, self.page_size).await?;
            self.exhausted = page.is_empty();
            self.page = page.into_iter();
        }
    }
}

fn on_the_way<J, T, O>(job: &Job<'_, J, T, O>, item: Item, now: Timestamp) -> OnTheWay {
    let Item { row, line, contact, cells, standing, past } = item;
    // As the forecast of the whole run counts it, so that what is left comes out at zero.
    let calls = forecast(&Task::new(contact.clone(), standing.clone(), job.policy, &[], now), job.policy.mode).total;
    let task = Task::new(contact, standing, job.policy, &past, now);
    let sent = Cell::new(past.len());
    OnTheWay { place: Some(Place { row, line, cells }), task, calls, sent }
}
