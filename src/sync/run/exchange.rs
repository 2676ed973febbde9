//! Sends one call: journals its intent, sends it, and records its answer with what that implies.

use std::time::Duration;

use super::Executor;
use super::active_contact::ActiveContact;
use super::clearance::Clearance;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind, Cleared};
use crate::core::model::{ContactId, Key, RemoteState};
use crate::core::page::Page;
use crate::core::task::Outcome;
use crate::core::time::Timestamp;
use crate::core::window::Learned;
use crate::journal::{Ended, JournalError, MarkUpdate, Recorded, SendJournal, StateUpdate};
use crate::platform::limiter::PermitGuard;
use crate::sync::event::Observer;
use crate::sync::transport::Transport;

/// How often the journal records that the platform still states the same limit.
const STATED_EVERY: Duration = Duration::from_hours(1);

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Sends a call of a contact and records the answer. Returns the contact's outcome if it ended.
    pub async fn send(
        &self,
        contact: &mut ActiveContact,
        call: &Call,
        clearance: Clearance<'_>,
    ) -> Result<(Attempt, Option<Outcome>), JournalError> {
        let kind = call.kind();
        let before = contact.task.remote_state().clone();
        contact.task.start(call);
        let state_update = self.state_update(contact, *contact.task.remote_state() != before, None);
        let mark = (contact.is_mark && matches!(kind, CallKind::Update | CallKind::AddTags))
            .then_some(MarkUpdate::Begun { run: self.job.run });
        let state_update = StateUpdate { mark, ..state_update };
        contact.sent.set(contact.sent.get() + 1);
        self.release(contact, 1);
        let is_own = contact.failures.is_own(kind, &self.admission.breaker());
        let open_create = (kind == CallKind::Create).then(|| self.creates.begin());
        let begun = self.job.clock.now();
        if kind == CallKind::Create {
            contact.create_started = Some(begun);
        }
        let Clearance { permit_guard, place } = clearance;
        let (number, mut attempt, at) = self.exchange(contact, call, Some(state_update), permit_guard, is_own).await?;
        if let (Attempt::Page(page), RemoteState::InDoubt(_)) = (&mut attempt, contact.task.remote_state()) {
            self.mark_known_contacts(page, contact.task.contact().key()).await?;
        }
        self.react_for_contact(contact, kind, &attempt, (begun, at));
        if let (Attempt::Created(id), Some(open_create)) = (&attempt, open_create) {
            self.check_new_id(id, contact.task.contact().key()).await?;
            drop(open_create);
            tokio::select! {
                biased;
                () = self.job.stop.asked() => {}
                () = self.creates.checked(self.job.clock) => {}
            }
        }
        // The next call can start while this answer is committed.
        drop(place);
        let outcome = self.record(contact, call, Ended { number, attempt: attempt.clone(), at }).await?;
        Ok((attempt, outcome))
    }

    // Applies an answer to the contact and journals both.
    async fn record(
        &self,
        contact: &mut ActiveContact,
        call: &Call,
        ended: Ended,
    ) -> Result<Option<Outcome>, JournalError> {
        let at = ended.at;
        let before = contact.task.clone();
        self.apply(contact, call, &ended.attempt, at);
        let outcome = contact.outcome(at);
        let written = outcome.as_ref().filter(|outcome| contact.held_by(outcome).is_none());
        let first_written = self.written.first_of(call, &ended.attempt);
        let state_update = self.state_update_of_answer(contact, before.remote_state(), call, written);
        let state_update = StateUpdate { first_written: first_written.clone(), ..state_update };
        // The journal has the values that are compared.
        let to_record =
            if before.is_comparing() { ended.attempt.clone().without_values() } else { ended.attempt.clone() };
        let to_record = Ended { attempt: to_record, ..ended };
        let recorded = self.answered(to_record, state_update, outcome.is_some()).await?;
        if let Attempt::Created(id) = &ended.attempt {
            self.trust.written(id);
        }
        let Recorded::Claimed { by } = recorded else { return Ok(outcome) };
        // The answer named the contact of another key, so other answers to creates may be wrong, too.
        self.trust.broken();
        self.written.forget(&first_written);
        let named = contact.task.remote_state().id().cloned();
        contact.task = before;
        let before = contact.task.remote_state().clone();
        if let Some(named) = named {
            contact.task.claimed(call, &named, &by, at);
        }
        let outcome = contact.outcome(at);
        let written = outcome.as_ref().filter(|outcome| contact.held_by(outcome).is_none());
        let state_update = self.state_update(contact, *contact.task.remote_state() != before, written);
        let _written = self.job.journal.answered(ended, state_update).await?;
        Ok(outcome)
    }

    // Journals an answer. When it is the contact's last one, other contacts begin meanwhile.
    async fn answered(&self, ended: Ended, state_update: StateUpdate, is_last: bool) -> Result<Recorded, JournalError> {
        if !is_last {
            return self.job.journal.answered(ended, state_update).await;
        }
        self.idle.set(self.idle.get() + 1);
        self.became_idle.notify_one();
        let recorded = self.job.journal.answered(ended, state_update).await;
        self.idle.set(self.idle.get() - 1);
        recorded
    }

    /// Sends a call without effect to find out whether the platform answers. The contact's task goes on as if the call
    /// had not been sent.
    pub async fn send_probe(
        &self,
        contact: &ActiveContact,
        probe: &Call,
        clearance: Clearance<'_>,
    ) -> Result<(), JournalError> {
        let state_update = || self.state_update(contact, false, None);
        contact.sent.set(contact.sent.get() + 1);
        let (number, attempt, at) =
            self.exchange(contact, probe, Some(state_update()), clearance.permit_guard, false).await?;
        let _written = self.job.journal.answered(Ended { number, attempt, at }, state_update()).await?;
        Ok(())
    }

    /// Journals the intent of one call, sends it, and takes in the answer. Without a state update, it is a read that belongs to no
    /// row.
    pub async fn exchange(
        &self,
        contact: &ActiveContact,
        call: &Call,
        state_update: Option<StateUpdate>,
        permit_guard: PermitGuard<'_>,
        is_own: bool,
    ) -> Result<(i64, Attempt, Timestamp), JournalError> {
        let job = self.job;
        let begun = job.clock.now();
        let started = match state_update {
            Some(state_update) => job.journal.start(job.run, call, state_update, begun).await?,
            None => job.journal.start_read_back(job.run, job.channel, begun).await?,
        };
        let number = started.number();
        let (permit, in_flight) = permit_guard.start();
        let answer = job.transport.send(Cleared::new(call, permit, started)).await;
        let at = job.clock.now();
        // Before the call's slot is free, so that the next call finds the channel as it is after this answer.
        self.emit_called(contact, call.kind(), &answer.attempt, at.since(begun));
        self.react(call.kind(), &answer.attempt, is_own, begun, at);
        let learned = in_flight.end(&answer);
        if answer.rate_limit.is_some() {
            let is_new = learned.iter().any(|learned| matches!(learned, Learned::Limit(_)));
            self.record_limit(is_new, at).await?;
        }
        for learned in learned {
            self.emit_learned(learned, at);
        }
        Ok((number, answer.attempt.reduced(call.searched()), at))
    }

    // Records the limit that the platform stated when it is new, and once an hour that it is still stated.
    async fn record_limit(&self, is_new: bool, at: Timestamp) -> Result<(), JournalError> {
        let limit = u32::try_from(self.limiter.limit()).unwrap_or(u32::MAX);
        let lower = (limit < self.job.rate.get()).then_some(limit);
        let is_due = self.limit_stated.get().is_none_or(|stated| at.since(stated) >= STATED_EVERY);
        if is_new || lower.is_some() && is_due {
            self.limit_stated.set(Some(at));
            self.job.journal.set_learnt_limit(self.job.window, lower, at).await?;
        }
        Ok(())
    }

    // Applies an answer to the contact's task, and draws from it how far answers to creates are trusted.
    fn apply(&self, contact: &mut ActiveContact, call: &Call, attempt: &Attempt, at: Timestamp) {
        let key = contact.key();
        contact.task.distrust(self.trust.distrust(&key));
        let was_confirming = contact.task.is_confirming();
        contact.task.apply(call, attempt, at);
        match contact.task.remote_state() {
            RemoteState::InDoubt(_) if matches!((call, attempt), (Call::Create { .. }, Attempt::Lost { .. })) => {
                self.trust.unanswered(key, at);
            }
            // The answer named another contact.
            RemoteState::InDoubt(_) if was_confirming && matches!(attempt, Attempt::Contact(_)) => self.trust.broken(),
            RemoteState::InDoubt(_) => {}
            RemoteState::Known(_) if was_confirming && matches!(attempt, Attempt::Contact(_)) => {
                self.trust.confirmed(contact.create_started.unwrap_or_default());
            }
            // Its read will be repeated.
            RemoteState::Known(_) if contact.task.is_confirming() => {}
            RemoteState::Unknown | RemoteState::Known(_) => self.trust.resolved(&key),
        }
    }

    // Marks the contacts of a page that the journal knows by another key: a lost create cannot have made them, however
    // similar they are.
    async fn mark_known_contacts(&self, page: &mut Page, key: &Key) -> Result<(), JournalError> {
        let key = key.to_string();
        for other in &mut page.others {
            let Some(shown) = &other.shown else { continue };
            if self.job.journal.holder(self.job.channel, &shown.id, &key).await?.is_some() {
                other.is_known = true;
            }
        }
        Ok(())
    }

    // Stops trusting answers to creates when this one named the contact of another key.
    async fn check_new_id(&self, id: &ContactId, key: &Key) -> Result<(), JournalError> {
        let key = key.to_string();
        if self.trust.is_named_twice(id, &key) || self.job.journal.holder(self.job.channel, id, &key).await?.is_some() {
            self.trust.broken();
        }
        Ok(())
    }

    // What an answer to `call` implies, with the contact id that it named.
    fn state_update_of_answer(
        &self,
        contact: &ActiveContact,
        before: &RemoteState,
        call: &Call,
        outcome: Option<&Outcome>,
    ) -> StateUpdate {
        let remote_state = contact.task.remote_state();
        let is_named = remote_state.id().is_some_and(|id| before.id() != Some(id));
        let names_id = is_named.then(|| call.kind());
        StateUpdate { names_id, ..self.state_update(contact, remote_state != before, outcome) }
    }

    /// What the journal records of a contact: its remote state, if that is to be written, and its outcome.
    pub fn state_update(
        &self,
        contact: &ActiveContact,
        with_remote_state: bool,
        outcome: Option<&Outcome>,
    ) -> StateUpdate {
        StateUpdate {
            channel: self.job.channel.to_owned(),
            contact: contact.task.contact().clone(),
            remote_state: with_remote_state.then(|| contact.task.remote_state().clone()),
            names_id: None,
            outcome: contact
                .row
                .as_ref()
                .zip(outcome)
                .map(|(row, outcome)| (self.job.run, row.number, outcome.clone())),
            first_written: Vec::new(),
            mark: outcome
                .filter(|_| contact.is_mark)
                .map(|outcome| MarkUpdate::Ended { run: self.job.run, outcome: outcome.clone() }),
            at: self.job.clock.now(),
        }
    }
}
