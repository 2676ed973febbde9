//! What a call needs before it may start, and every wait of a contact.

use tokio::sync::SemaphorePermit;

use super::Executor;
use super::active_contact::ActiveContact;
use super::admission_control::InFlightGuard;
use crate::core::call::CallKind;
use crate::core::circuit_breaker::Room;
use crate::core::time::Timestamp;
use crate::journal::SendJournal;
use crate::platform::limiter::PermitGuard;
use crate::sync::event::Observer;
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// A slot, a permit and a place among the calls of the same kind: together they allow one call.
pub struct Clearance<'a> {
    pub permit_guard: PermitGuard<'a>,
    pub place: Place<'a>,
}

/// A slot, and a place among the calls of the same kind. Dropping it lets other calls start.
pub struct Place<'a> {
    _slot: SemaphorePermit<'a>,
    _in_flight: InFlightGuard<'a>,
}

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Waits until the contact may send a call of this kind; `None` when the run stops first.
    ///
    /// The permit is taken before the intent is journaled: a kill while waiting must leave the call unsent, or the next
    /// run would have to treat it as possibly done.
    pub async fn clearance(&self, contact: &ActiveContact, kind: CallKind) -> Option<Clearance<'_>> {
        loop {
            if !self.wait_for_admission(contact, kind).await {
                return None;
            }
            let cleared = tokio::select! {
                biased;
                () = self.job.stop.asked() => return None,
                cleared = self.slot_and_permit(contact, kind) => cleared,
                // Instead of waiting for a permit that would be useless.
                reason = self.budget.all_taken() => Err(reason),
            };
            match cleared {
                Ok(Some(clearance)) => return Some(clearance),
                Ok(None) => {}
                Err(reason) => {
                    self.job.stop.ask(reason);
                    return None;
                }
            }
        }
    }

    // Waits for a slot and a permit. `None` when calls of this kind were paused meanwhile: then the permit is given
    // back.
    async fn slot_and_permit(
        &self,
        contact: &ActiveContact,
        kind: CallKind,
    ) -> Result<Option<Clearance<'_>>, StopReason> {
        let slot = self.slots.acquire().await.expect("the semaphore is never closed");
        let asked = self.job.clock.now();
        let permit_guard = self.limiter.permit(self.budget.latest()).await.map_err(|_too_late| StopReason::Deadline)?;
        // A wait of a trial contact also delays the call that it is to try out.
        for delayed in [Some(kind), contact.trial.filter(|trial| *trial != kind)].into_iter().flatten() {
            self.admission.held_back(delayed, asked, self.job.clock.now());
        }
        let is_trial = contact.trial == Some(kind);
        let Some(in_flight) = self.admission.admit(kind, &contact.failures, is_trial, self.job.clock.now()) else {
            return Ok(None);
        };
        // No other contact can have taken the last call since: there is no await in between.
        self.budget.take()?;
        Ok(Some(Clearance { permit_guard, place: Place { _slot: slot, _in_flight: in_flight } }))
    }

    // Waits until calls of this kind may be sent, without a slot. False when that comes too late, or when the run was
    // asked to stop meanwhile.
    async fn wait_for_admission(&self, contact: &ActiveContact, kind: CallKind) -> bool {
        let is_trial = contact.trial == Some(kind);
        loop {
            let until = match self.admission.room(kind, &contact.failures, is_trial, self.job.clock.now()) {
                Room::Free => return true,
                Room::At(until) if !self.budget.waits_for(until) => return false,
                Room::At(until) => Some(until),
                Room::Occupied => None,
            };
            // A contact that waits only for the first answers to its kind keeps others from beginning, so that the
            // order stays.
            let is_asleep = self.admission.breaker().is_paused(kind);
            if is_asleep {
                self.idle.set(self.idle.get() + 1);
                self.became_idle.notify_one();
            }
            let waiter = self.admission.wait(kind, &contact.failures);
            let goes_on = tokio::select! {
                biased;
                () = self.job.stop.asked() => false,
                _reason = self.budget.all_taken() => false,
                () = waiter.change() => true,
                () = self.job.clock.sleep_until(until.unwrap_or_default()), if until.is_some() => true,
            };
            if is_asleep {
                self.idle.set(self.idle.get() - 1);
            }
            if !goes_on {
                return false;
            }
        }
    }

    /// Waits while other contacts go on. False when the moment is too late for this run, or the run was asked to stop
    /// meanwhile.
    pub async fn sleep_until(&self, until: Timestamp) -> bool {
        if !self.budget.waits_for(until) {
            return false;
        }
        self.idle.set(self.idle.get() + 1);
        self.became_idle.notify_one();
        let slept = tokio::select! {
            biased;
            () = self.job.stop.asked() => false,
            _reason = self.budget.all_taken() => false,
            () = self.job.clock.sleep_until(until) => true,
        };
        self.idle.set(self.idle.get() - 1);
        slept
    }
}
