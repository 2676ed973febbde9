//! The loop of a run: begins contacts, as many as may be active, and waits for them.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;

use super::Executor;
use super::active_contact::ActiveContact;
use super::queue::{Deferred, Queue};
use super::tries::CallFailures;
use crate::core::call::{Call, CallKind};
use crate::core::circuit_breaker::Room;
use crate::core::model::{Mode, RemoteState};
use crate::core::task::Step;
use crate::core::window::MINUTE;
use crate::journal::{JournalError, SendJournal};
use crate::sync::event::Observer;
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// How many contacts are deferred at a time while calls that they need are paused.
const DEFERRED_AT_ONCE: usize = 64;

pub(super) type Active<'a> = FuturesUnordered<LocalBoxFuture<'a, Result<(), JournalError>>>;

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Executes the pending contacts until all have ended, nothing more can be done, or the run was asked to stop.
    /// Calls that are in flight then are finished.
    pub async fn execute_pending(&self) -> Result<(), JournalError> {
        let mut active = Active::new();
        let mut queue = Queue::open(self.job, self.contacts.page(self.concurrency)).await?;
        let mut deferred = Deferred::default();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        self.wait_out_search_lag().await;
        loop {
            self.begin_contacts(&mut active, &mut queue, &mut deferred).await?;
            // In a fixed order, so that a simulated run can be repeated. A tick delays nothing else.
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    // Another channel of the same token may have been asked to wait.
                    self.stop_if_asked_to_wait();
                    self.emit_tick();
                }
                ended = active.next() => match ended {
                    Some(ended) => ended?,
                    None => break,
                },
                () = self.became_idle.notified() => {}
            }
        }
        // Where the next run begins.
        for contact in deferred.iter() {
            self.missed(contact);
        }
        let next = match self.first_missed.take() {
            Some((_, key, row)) => Some((key, row)),
            None => queue.next_in_file(self.job).await?,
        };
        self.job.journal.set_turn(self.job.channel, next).await
    }

    // Contacts that an earlier run created, in a time that the journal lost, may be too new for a search to find them.
    async fn wait_out_search_lag(&self) {
        if self.job.policy.search_first && self.calls_left.get().max > 0 {
            let until = self.job.clock.now() + self.job.policy.search_lag;
            if !self.sleep_until(until).await && self.job.stop.reason().is_none() {
                self.job.stop.ask(StopReason::Deadline);
            }
        }
    }

    // Begins as many contacts as may be active now.
    async fn begin_contacts<'a>(
        &'a self,
        active: &mut Active<'a>,
        queue: &mut Queue,
        deferred: &mut Deferred,
    ) -> Result<(), JournalError> {
        while self.job.stop.reason().is_none()
            && active.len() - self.idle.get() < self.concurrency
            && (active.is_empty() || self.reserved.get() < self.affordable())
        {
            // The file may have a lost contact by now under another key, so all lost creates are resolved before the
            // first search for a contact of the file.
            if self.orphans.get() > 0 && !queue.has_orphans() {
                break;
            }
            let Some(next) = self.next(queue, deferred).await? else { break };
            self.reserved.set(self.reserved.get() + next.reserved.get());
            active.push(Box::pin(self.execute_or_resolve(next)));
        }
        Ok(())
    }

    // How many calls can still start in this process. A contact does not begin without calls for it: in runs that end
    // early, searches for all rows would leave no calls for the changes.
    pub(super) fn affordable(&self) -> u64 {
        let by_count = self.budget.left().max_calls.unwrap_or(u64::MAX);
        let Some(latest) = self.budget.latest() else { return by_count };
        let limit = self.limiter.limit();
        let room = limit.saturating_sub(self.limiter.used());
        let minutes = latest.since(self.job.clock.now()).as_secs() / MINUTE.as_secs();
        let by_time = u64::try_from(limit).unwrap_or(u64::MAX).saturating_mul(minutes);
        by_count.min(by_time.saturating_add(u64::try_from(room).unwrap_or(u64::MAX)))
    }

    /// Gives back calls that were reserved for the contact: one that is sent, or all of them at its end.
    pub fn release(&self, contact: &ActiveContact, calls: u64) {
        let released = calls.min(contact.reserved.get());
        contact.reserved.set(contact.reserved.get() - released);
        self.reserved.set(self.reserved.get() - released);
    }

    /// Records that a contact was taken in the file's order and did not come to its end, for want of time or calls.
    pub fn missed(&self, contact: &ActiveContact) {
        let Some((sequence, row)) = contact.sequence.zip(contact.row.as_ref()) else { return };
        let mut first = self.first_missed.borrow_mut();
        if first.as_ref().is_none_or(|(first, _, _)| sequence < *first) {
            *first = Some((sequence, contact.key(), row.number));
        }
    }

    // The next contact that can begin. Those that need a call of a paused kind are deferred, except one at a time that
    // tries out whether such calls work again.
    async fn next(&self, queue: &mut Queue, deferred: &mut Deferred) -> Result<Option<ActiveContact>, JournalError> {
        // A contact whose call could start only after the deadline does not begin.
        let is_in_time = |kind| match self.admission.room(kind, &CallFailures::default(), true, self.job.clock.now()) {
            Room::At(until) => self.budget.waits_for(until),
            Room::Free | Room::Occupied => true,
        };
        if let Some(next) = deferred.take(&self.admission, is_in_time) {
            return Ok(Some(next));
        }
        // Deferred contacts take memory as well. However many there are, they are taken out again when their calls
        // work.
        for _ in 0..self.contacts.room().min(DEFERRED_AT_ONCE) {
            let Some(next) = queue.next(self.job, &self.contacts).await? else { break };
            match self.needs(&next) {
                Some(kind) if self.admission.breaker().is_paused(kind) => deferred.put(kind, next),
                Some(_) | None => return Ok(Some(next)),
            }
        }
        Ok(deferred.take(&self.admission, is_in_time))
    }

    // The kind of the contact's first call that changes anything. A contact that is searched for, and may not exist,
    // needs a create.
    fn needs(&self, contact: &ActiveContact) -> Option<CallKind> {
        match (contact.task.step(self.job.clock.now()), contact.task.remote_state(), &contact.row) {
            (Step::Call(Call::Find { .. }), RemoteState::Unknown, Some(_)) if self.job.policy.mode != Mode::Update => {
                Some(CallKind::Create)
            }
            (Step::Call(call), RemoteState::Unknown | RemoteState::Known(_), Some(_)) => Some(call.kind()),
            (Step::Call(_) | Step::Wait(_) | Step::Done(_) | Step::Leave(_), _, _) => None,
        }
    }

    async fn execute_or_resolve(&self, contact: ActiveContact) -> Result<(), JournalError> {
        if contact.row.is_some() {
            return self.execute(contact).await;
        }
        self.orphans.set(self.orphans.get() + 1);
        let ended = self.execute(contact).await;
        self.orphans.set(self.orphans.get() - 1);
        ended
    }
}
