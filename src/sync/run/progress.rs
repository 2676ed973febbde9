//! The events that a run emits.

use std::time::Duration;

use super::Executor;
use super::active_contact::{ActiveContact, InputRow};
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::eta::Eta;
use crate::core::forecast::Range;
use crate::core::model::RemoteState;
use crate::core::sample::CHECK_CALLS;
use crate::core::task::Outcome;
use crate::core::time::Timestamp;
use crate::core::window::{Learned, MINUTE};
use crate::journal::{JournalError, ListedRow, SendJournal};
use crate::platform::limiter::WaitsFor;
use crate::sync::event::{Event, Observer, Wait};
use crate::sync::transport::Transport;

impl<J: SendJournal, T: Transport, O: Observer> Executor<'_, J, T, O> {
    /// Reports what will be sent, and a limit that an earlier run learned from the platform.
    pub async fn announce(&self) -> Result<(), JournalError> {
        let counts = self.job.journal.counts(self.job.run).await?;
        let pending = counts.pending - counts.deferred + counts.marks;
        let forecast = self.job.journal.forecast(self.job.run, self.job.channel, self.job.policy).await?;
        self.calls_left.set(forecast.total);
        self.job.observer.observe(&Event::Sending {
            pending,
            calls: forecast.total,
            used: self.limiter.used(),
            limit: self.limiter.limit(),
            eta: self.eta(),
        });
        let limit = self.limiter.limit();
        if u64::try_from(limit).is_ok_and(|limit| limit < u64::from(self.job.rate.get())) {
            self.job.observer.observe(&Event::Limited { limit });
        }
        Ok(())
    }

    /// Reports the state of the run, once a second.
    pub fn emit_tick(&self) {
        self.job.observer.observe(&Event::Tick {
            used: self.limiter.used(),
            limit: self.limiter.limit(),
            calls: self.calls_left.get(),
            eta: self.eta(),
            wait: self.wait(),
        });
    }

    fn eta(&self) -> Eta {
        let rate_model = self.limiter.rate_model(self.concurrency, self.latency.get());
        rate_model.eta(self.calls_left.get(), &self.budget.left(), self.job.call_timeout)
    }

    fn wait(&self) -> Option<Wait> {
        let until = |moment: Timestamp| moment.since(self.job.clock.now());
        self.limiter.waits_for().map(|waits| match waits {
            WaitsFor::Room(moment) => Wait::Limit(until(moment)),
            WaitsFor::Pause(moment) => Wait::Pause(until(moment)),
        })
    }

    /// Reports a call that ended.
    pub fn emit_called(&self, contact: &ActiveContact, kind: CallKind, attempt: &Attempt, took: Duration) {
        let line = contact.row.as_ref().map(|row| row.line);
        self.job.observer.observe(&Event::Called {
            kind,
            line,
            key: &contact.shown_key(),
            result: attempt.name(),
            took,
        });
    }

    /// Reports what the window learned from an answer: a limit at once, other clients of the token once a minute. In the first
    /// minute, as many calls as a check makes are not reported: before the first sync there is no journal that has them.
    pub fn emit_learned(&self, learned: Learned, at: Timestamp) {
        match learned {
            Learned::Limit(limit) => self.job.observer.observe(&Event::Limited { limit }),
            Learned::Others(calls) => {
                let may_be_of_check = calls <= CHECK_CALLS && at.since(self.begun) < MINUTE;
                let is_due = self.others_reported.get().is_none_or(|reported| at.since(reported) >= MINUTE);
                if is_due && !may_be_of_check {
                    self.others_reported.set(Some(at));
                    self.job.observer.observe(&Event::Others { calls });
                }
            }
        }
    }

    /// Reports that a contact ended.
    pub fn done(&self, contact: &ActiveContact, outcome: &Outcome) {
        let left = self.calls_left.get();
        self.calls_left.set(Range {
            min: left.min.saturating_sub(contact.calls.min),
            max: left.max.saturating_sub(contact.calls.max),
        });
        if let Some(row) = &contact.row {
            let listed = self.listed(contact, row, outcome);
            let event = Event::Done { row: row.number, line: row.line, outcome, listed: Some(&listed) };
            self.job.observer.observe(&event);
        } else if let (true, Outcome::Rejected(reason)) = (contact.is_mark, outcome) {
            self.job.observer.observe(&Event::MarkRefused { key: &contact.key(), reason });
        }
    }

    // The row as the journal has it.
    fn listed(&self, contact: &ActiveContact, row: &InputRow, outcome: &Outcome) -> ListedRow {
        ListedRow {
            channel: self.job.channel.to_owned(),
            row: row.number,
            line: row.line,
            key: Some(contact.shown_key()),
            state: outcome.name().to_owned(),
            reason: outcome.reason().map(str::to_owned),
            contact_id: match contact.task.remote_state() {
                RemoteState::Known(known) => Some(known.id.to_string()),
                RemoteState::Unknown | RemoteState::InDoubt(_) => None,
            },
            calls: u64::try_from(contact.sent.get()).unwrap_or(u64::MAX),
            cells: row.cells.clone(),
        }
    }

    /// Reports that a contact stays pending although the run goes on.
    pub fn left(&self, contact: &ActiveContact, reason: &str) {
        if let Some(row) = &contact.row {
            self.job.observer.observe(&Event::Left { line: row.line, reason });
        }
    }
}
