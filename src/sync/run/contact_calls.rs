//! Takes one contact through its calls to its end.

use super::Executor;
use super::active_contact::ActiveContact;
use super::tries::TryCount;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind};
use crate::core::counted::counted;
use crate::core::retry::{Retry, TRIES, decide};
use crate::core::task::{Outcome, Step, Task};
use crate::core::time::Timestamp;
use crate::journal::{JournalError, SendJournal};
use crate::sync::event::Observer;
use crate::sync::stop::StopReason;
use crate::sync::transport::Transport;

/// How a contact ended in this process.
enum ContactEnd {
    Done(Outcome),
    /// It ended with this refusal, which may concern the account, so that it is not written to the journal yet.
    Held((CallKind, Timestamp), Outcome),
    /// Its calls kept failing.
    Left(String),
    /// The run stopped before its end.
    Stopped,
}

/// What the contact does after a failed call.
enum AfterCall {
    Continue,
    End(ContactEnd),
}

/// The tries of the contact's present call.
#[derive(Default)]
struct CallTries {
    count: TryCount,
    // How often it was refused for the rate limit, and how many calls of its kind had been answered at the first time.
    throttled: Option<(u32, u64)>,
}

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Executes a contact and records how it ended.
    pub async fn execute(&self, mut contact: ActiveContact) -> Result<(), JournalError> {
        let end = self.execute_calls(&mut contact).await;
        self.release(&contact, u64::MAX);
        if let Some(kind) = contact.trial.take() {
            self.admission.trial_ends(kind);
        }
        match end? {
            ContactEnd::Done(outcome) => self.done(&contact, &outcome),
            ContactEnd::Held(refused, outcome) => self.hold(refused, contact, outcome).await?,
            // It stays to be marked.
            ContactEnd::Left(_) | ContactEnd::Stopped if contact.is_mark => {}
            ContactEnd::Left(reason) => {
                self.left(&contact, &reason);
                self.leave(&contact).await?;
            }
            ContactEnd::Stopped => {
                let is_kind_down = matches!(self.job.stop.reason(), Some(StopReason::KindDown(_)));
                if is_kind_down && contact.failures.count() > 0 {
                    self.left(&contact, &contact.cause);
                }
                if contact.was_tried() {
                    self.leave(&contact).await?;
                } else {
                    self.missed(&contact);
                }
            }
        }
        Ok(())
    }

    async fn execute_calls(&self, contact: &mut ActiveContact) -> Result<ContactEnd, JournalError> {
        let mut tries = CallTries::default();
        loop {
            contact.task.distrust(self.trust.distrust(&contact.key()));
            match contact.task.step(self.job.clock.now()) {
                Step::Done(outcome) => {
                    if let Some(refused) = contact.held_by(&outcome) {
                        return Ok(ContactEnd::Held(refused, outcome));
                    }
                    self.job.journal.concluded(self.state_update(contact, true, Some(&outcome))).await?;
                    return Ok(ContactEnd::Done(outcome));
                }
                Step::Leave(reason) => return Ok(ContactEnd::Left(reason)),
                Step::Wait(until) => {
                    if !self.sleep_until(until).await {
                        return Ok(ContactEnd::Stopped);
                    }
                }
                Step::Call(call) => {
                    if let AfterCall::End(end) = self.execute_call(contact, &call, &mut tries).await? {
                        return Ok(end);
                    }
                }
            }
        }
    }

    // Tries one call once, as soon as it may start.
    async fn execute_call(
        &self,
        contact: &mut ActiveContact,
        call: &Call,
        tries: &mut CallTries,
    ) -> Result<AfterCall, JournalError> {
        let kind = call.kind();
        let Some(clearance) = self.clearance(contact, kind).await else {
            return Ok(AfterCall::End(ContactEnd::Stopped));
        };
        if clearance.permit_guard.is_probe()
            && let Some(probe) = probe_for(call)
        {
            self.send_probe(contact, &probe, clearance).await?;
            return Ok(AfterCall::Continue);
        }
        let begun = self.job.clock.now();
        let (attempt, outcome) = self.send(contact, call, clearance).await?;
        if attempt.is_success() {
            self.reject_held_until(kind, begun).await?;
        }
        if let Some(outcome) = outcome {
            return Ok(AfterCall::End(match contact.held_by(&outcome) {
                Some(refused) => ContactEnd::Held(refused, outcome),
                None => ContactEnd::Done(outcome),
            }));
        }
        Ok(self.retry(contact, kind, &attempt, tries).await)
    }

    // Follows the decision about the next try, waiting for it included.
    async fn retry(
        &self,
        contact: &ActiveContact,
        kind: CallKind,
        attempt: &Attempt,
        tries: &mut CallTries,
    ) -> AfterCall {
        tries.count.record(kind, &self.admission.breaker());
        match self.decide(&contact.task, attempt, tries.count.made()) {
            Retry::Finish => *tries = CallTries::default(),
            Retry::Call(wait) => {
                if !self.sleep_until(self.job.clock.now() + wait).await {
                    return AfterCall::End(ContactEnd::Stopped);
                }
            }
            // The channel waits since the answer came. The call was not at fault, unless the same one is refused for
            // the rate limit over and over while others of its kind are answered.
            Retry::Channel(_) => {
                tries.count.forgive();
                let answers = self.admission.breaker().answers(kind);
                tries.throttled.get_or_insert((0, answers)).0 += 1;
                if tries.throttled.is_some_and(|(times, then)| times >= TRIES && answers > then) {
                    let kind = kind.name();
                    return AfterCall::End(ContactEnd::Left(format!(
                        "its {kind} was refused for the rate limit {TRIES} times while others were answered"
                    )));
                }
            }
            Retry::GiveUp => {
                let (kind, made, cause) = (kind.name(), tries.count.made(), &contact.cause);
                let cause = if cause.is_empty() { String::new() } else { format!(": {cause}") };
                return AfterCall::End(ContactEnd::Left(format!(
                    "its {kind} failed {}{cause}",
                    counted(made.into(), "time", "times")
                )));
            }
            Retry::Stop => return AfterCall::End(ContactEnd::Stopped),
        }
        AfterCall::Continue
    }

    fn decide(&self, task: &Task, attempt: &Attempt, tries: u32) -> Retry {
        let passing = task.is_passing(attempt, self.job.clock.now());
        decide(attempt, passing, tries, &self.delays, self.random.borrow_mut().f64())
    }

    /// Records that the contact was tried, so that others go first in the next run.
    pub async fn leave(&self, contact: &ActiveContact) -> Result<(), JournalError> {
        self.job.journal.leave(self.job.channel, contact.key(), self.job.clock.now()).await
    }
}

// The call to send instead of a change while the platform seems to be down. A lost create would leave its contact in
// doubt, and reject it when it has no match field. An answered read shows that the platform is back, even when every
// change still fails.
fn probe_for(call: &Call) -> Option<Call> {
    match call {
        Call::Create { fields } => fields.first().map(|field| Call::Find { field: field.clone(), page: 1 }),
        Call::Update { id, .. } | Call::AddTags { id, .. } | Call::RemoveTags { id, .. } => {
            Some(Call::Read { id: id.clone() })
        }
        Call::Find { .. } | Call::Read { .. } => None,
    }
}
