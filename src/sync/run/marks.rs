//! Marks the missing contacts of a run, once its rows have ended: a contact that seems to be missing may be found by the search
//! for another row.

use std::time::Duration;

use futures_util::StreamExt;

use super::Executor;
use super::active_contact::ActiveContact;
use super::schedule::Active;
use crate::core::forecast::forecast;
use crate::core::task::Task;
use crate::journal::{JournalError, MarkItem, SendJournal};
use crate::sync::event::Observer;
use crate::sync::transport::Transport;

/// The missing contacts that are still to be marked, in the order of their numbers.
#[derive(Default)]
struct Marks {
    page: std::vec::IntoIter<MarkItem>,
    last: i64,
}

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Marks the missing contacts until all are marked, or the run was asked to stop. Calls that are in flight then are finished.
    pub async fn execute_marks(&self) -> Result<(), JournalError> {
        let (mut active, mut marks) = (Active::new(), Marks::default());
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            while self.job.stop.reason().is_none()
                && active.len() - self.idle.get() < self.concurrency
                && (active.is_empty() || self.reserved.get() < self.affordable())
            {
                let Some(next) = self.next_mark(&mut marks).await? else { break };
                self.reserved.set(self.reserved.get() + next.reserved.get());
                active.push(Box::pin(self.execute(next)));
            }
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    self.stop_if_asked_to_wait();
                    self.emit_tick();
                }
                ended = active.next() => match ended {
                    Some(ended) => ended?,
                    None => return Ok(()),
                },
                () = self.became_idle.notified() => {}
            }
        }
    }

    async fn next_mark(&self, marks: &mut Marks) -> Result<Option<ActiveContact>, JournalError> {
        let job = self.job;
        if marks.page.as_slice().is_empty() {
            let page = u32::try_from(self.contacts.page(self.concurrency)).unwrap_or(u32::MAX);
            marks.page = job.journal.marks(job.run, marks.last, page).await?.into_iter();
        }
        let Some(MarkItem { number, contact, remote_state }) = marks.page.next() else { return Ok(None) };
        marks.last = number;
        let task = Task::marking(contact, remote_state, job.policy, job.clock.now());
        let calls = forecast(&task, job.policy.of_marks()).total;
        let mut contact = ActiveContact::new(None, task, calls, 0, self.contacts.count());
        contact.is_mark = true;
        Ok(Some(contact))
    }
}
