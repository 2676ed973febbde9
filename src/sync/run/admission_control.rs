//! Admission control for each kind of call: how many calls may be in flight, by the state of the circuit breaker, and
//! which contact goes first.

use std::cell::{Cell, Ref, RefCell};

use tokio::sync::Notify;

use super::tries::CallFailures;
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::circuit_breaker::{CircuitBreaker, Reaction, Room};
use crate::core::time::Timestamp;

/// Factor by which each trial contact is taken from further ahead than the one before it. Contacts on which the
/// platform fails may be next to each other in the input.
const STRIDE: usize = 4;

/// The admission control of a channel.
///
/// While calls of one kind are paused, a few trial contacts find out whether calls of that kind work again.
#[derive(Debug)]
pub struct AdmissionControl {
    breaker: RefCell<CircuitBreaker>,
    kinds: [KindState; CallKind::ALL.len()],
    // Whether only a few creates are in flight until the first one is answered. A run that only creates has nothing
    // else to send meanwhile, and would waste the calls.
    begins_slowly: bool,
}

#[derive(Debug, Default)]
struct KindState {
    in_flight: Cell<u32>,
    // Waiting contacts whose call of this kind has not failed.
    fresh: Cell<u32>,
    // Trial contacts that have not come to a call of this kind yet.
    trials: Cell<u32>,
    // Number of trial contacts since the kind was paused.
    tried: Cell<u32>,
    changed: Notify,
}

/// A call's place among those in flight. Dropping it frees the place.
#[derive(Debug)]
#[must_use]
pub struct InFlightGuard<'a> {
    kind: &'a KindState,
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        add(&self.kind.in_flight, -1);
        self.kind.changed.notify_waiters();
    }
}

/// A contact that waits to be admitted.
#[derive(Debug)]
#[must_use]
pub struct Waiter<'a> {
    kind: &'a KindState,
    // 1 for a contact whose call has not failed, else 0.
    fresh: i32,
}

impl Waiter<'_> {
    /// Waits until something changes.
    pub async fn change(&self) {
        self.kind.changed.notified().await;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        add(&self.kind.fresh, -self.fresh);
    }
}

impl AdmissionControl {
    pub fn new(breaker: CircuitBreaker, begins_slowly: bool) -> Self {
        Self { breaker: RefCell::new(breaker), kinds: Default::default(), begins_slowly }
    }

    pub fn breaker(&self) -> Ref<'_, CircuitBreaker> {
        self.breaker.borrow()
    }

    /// Passes an attempt to [`CircuitBreaker::record`], and wakes contacts whose kind may be open again.
    pub fn record(&self, kind: CallKind, attempt: &Attempt, is_own: bool, now: Timestamp) -> Reaction {
        let paused = || CallKind::ALL.map(|kind| self.breaker().is_paused(kind));
        let before = paused();
        let reaction = self.breaker.borrow_mut().record(kind, attempt, is_own, now);
        self.kind(kind).changed.notify_waiters();
        for ((kind, before), now) in self.kinds.iter().zip(before).zip(paused()) {
            if before && !now {
                kind.tried.set(0);
            }
            if before != now {
                kind.changed.notify_waiters();
            }
        }
        reaction
    }

    /// Passes a wait for the rate limit to [`CircuitBreaker::held_back`].
    pub fn held_back(&self, kind: CallKind, from: Timestamp, until: Timestamp) {
        self.breaker.borrow_mut().held_back(kind, from, until);
    }

    /// Whether a contact with these failures may send one more call of this kind.
    ///
    /// While calls of a kind are paused, a trial contact goes first, and then a contact whose call has not failed. A
    /// contact whose call failed before could itself be the cause of the next failure.
    pub fn room(&self, kind: CallKind, failures: &CallFailures, is_trial: bool, now: Timestamp) -> Room {
        let (state, breaker) = (self.kind(kind), self.breaker());
        let is_behind = state.trials.get() > 0 || failures.has(kind) && state.fresh.get() > 0;
        let yields = breaker.is_paused(kind) && !is_trial && is_behind;
        let counts = self.begins_slowly || breaker.is_paused(kind);
        match breaker.room(kind, if counts { state.in_flight.get() } else { 0 }, now) {
            Room::Free if yields => Room::Occupied,
            room => room,
        }
    }

    /// Takes a place among the calls in flight, if there is room.
    pub fn admit(
        &self,
        kind: CallKind,
        failures: &CallFailures,
        is_trial: bool,
        now: Timestamp,
    ) -> Option<InFlightGuard<'_>> {
        (self.room(kind, failures, is_trial, now) == Room::Free).then(|| {
            let kind = self.kind(kind);
            add(&kind.in_flight, 1);
            InFlightGuard { kind }
        })
    }

    /// Registers a contact that waits to be admitted.
    pub fn wait(&self, kind: CallKind, failures: &CallFailures) -> Waiter<'_> {
        let fresh = i32::from(!failures.has(kind));
        let kind = self.kind(kind);
        add(&kind.fresh, fresh);
        Waiter { kind, fresh }
    }

    /// Whether contacts that need a call of this kind should not begin now, because a trial contact already waits.
    pub fn holds_back(&self, kind: CallKind) -> bool {
        self.breaker().is_paused(kind) && self.kind(kind).trials.get() > 0
    }

    /// Number of contacts that need a call of this kind to skip before the next one begins.
    pub fn lookahead(&self, kind: CallKind) -> usize {
        if self.breaker().is_paused(kind) { STRIDE.saturating_pow(self.kind(kind).tried.get()) - 1 } else { 0 }
    }

    /// Begins a contact that needs a call of this kind. Returns whether it is a trial contact.
    pub fn begins(&self, kind: CallKind) -> bool {
        let (state, is_trial) = (self.kind(kind), self.breaker().is_paused(kind));
        if is_trial {
            add(&state.trials, 1);
            add(&state.tried, 1);
        }
        is_trial
    }

    /// Records that a trial contact made its call, or will not make it.
    pub fn trial_ends(&self, kind: CallKind) {
        add(&self.kind(kind).trials, -1);
        self.kind(kind).changed.notify_waiters();
    }

    const fn kind(&self, kind: CallKind) -> &KindState {
        &self.kinds[kind as usize]
    }
}

fn add(count: &Cell<u32>, number: i32) {
    count.set(count.get().saturating_add_signed(number));
}
