//! A gate for each kind of call: how many calls may be in flight, by the health of their kind, and which contact goes
//! first.

use std::cell::{Cell, Ref, RefCell};

use tokio::sync::Notify;

use super::tries::Failures;
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::circuit_breaker::{CircuitBreaker, Room, Verdict};
use crate::core::time::Timestamp;

/// The factor by which each scout is taken from further ahead than the one before it. Contacts on which the platform
/// fails may be next to each other in the input.
const STRIDE: usize = 4;

/// The gates of a channel.
#[derive(Debug)]
pub struct Gates {
    breaker: RefCell<CircuitBreaker>,
    kinds: [Gate; CallKind::ALL.len()],
    // Whether the first creates are held back until one is answered. A run that only creates has nothing else to send
    // meanwhile, and would lose the calls.
    begins_slowly: bool,
}

#[derive(Debug, Default)]
struct Gate {
    on_their_way: Cell<u32>,
    // Contacts that wait before it and whose call of this kind has not failed.
    fresh: Cell<u32>,
    // Contacts that began while it was closed and have not come to a call of this kind yet; and how many there were.
    scouts: Cell<u32>,
    scouted: Cell<u32>,
    changed: Notify,
}

/// A call's place among those in flight. Dropping it frees the place.
#[derive(Debug)]
#[must_use]
pub struct Turn<'a> {
    gate: &'a Gate,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        add(&self.gate.on_their_way, -1);
        self.gate.changed.notify_waiters();
    }
}

/// A contact that waits before a gate.
#[derive(Debug)]
#[must_use]
pub struct Waiting<'a> {
    gate: &'a Gate,
    // 1 for one whose call has not failed.
    number: i32,
}

impl Waiting<'_> {
    /// Waits until something changes.
    pub async fn change(&self) {
        self.gate.changed.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        add(&self.gate.fresh, -self.number);
    }
}

impl Gates {
    pub fn new(breaker: CircuitBreaker, begins_slowly: bool) -> Self {
        Self { breaker: RefCell::new(breaker), kinds: Default::default(), begins_slowly }
    }

    pub fn breaker(&self) -> Ref<'_, CircuitBreaker> {
        self.breaker.borrow()
    }

    /// Passes an attempt to [`CircuitBreaker::hear`].
    pub fn hear(&self, kind: CallKind, attempt: &Attempt, is_own: bool, now: Timestamp) -> Verdict {
        let paused = || CallKind::ALL.map(|kind| self.breaker().is_paused(kind));
        let before = paused();
        let verdict = self.breaker.borrow_mut().hear(kind, attempt, is_own, now);
        self.gate(kind).changed.notify_waiters();
        for ((gate, before), now) in self.kinds.iter().zip(before).zip(paused()) {
            if before && !now {
                gate.scouted.set(0);
            }
            if before != now {
                gate.changed.notify_waiters();
            }
        }
        verdict
    }

    /// Passes a wait for the rate limit to [`CircuitBreaker::held_back`].
    pub fn held_back(&self, kind: CallKind, from: Timestamp, until: Timestamp) {
        self.breaker.borrow_mut().held_back(kind, from, until);
    }

    /// Whether a contact with these failures, a scout or not, may send one more call of this kind.
    ///
    /// While calls of a kind are paused, a scout goes first, and then a contact whose call has not failed. A contact
    /// whose call failed before could itself be the cause of the next failure.
    pub fn room(&self, kind: CallKind, failures: &Failures, is_scout: bool, now: Timestamp) -> Room {
        let (gate, breaker) = (self.gate(kind), self.breaker());
        let is_behind = gate.scouts.get() > 0 || failures.has(kind) && gate.fresh.get() > 0;
        let yields = breaker.is_paused(kind) && !is_scout && is_behind;
        let counts = self.begins_slowly || breaker.is_paused(kind);
        match breaker.room(kind, if counts { gate.on_their_way.get() } else { 0 }, now) {
            Room::Free if yields => Room::Occupied,
            room => room,
        }
    }

    /// Takes a place among the calls in flight, if there is room.
    pub fn enter(&self, kind: CallKind, failures: &Failures, is_scout: bool, now: Timestamp) -> Option<Turn<'_>> {
        (self.room(kind, failures, is_scout, now) == Room::Free).then(|| {
            let gate = self.gate(kind);
            add(&gate.on_their_way, 1);
            Turn { gate }
        })
    }

    /// Makes a contact wait at the gate.
    pub fn waits(&self, kind: CallKind, failures: &Failures) -> Waiting<'_> {
        let gate = self.gate(kind);
        let number = i32::from(!failures.has(kind));
        add(&gate.fresh, number);
        Waiting { gate, number }
    }

    /// Whether contacts that need a call of this kind should not begin now, because a scout already waits at its gate.
    pub fn holds_back(&self, kind: CallKind) -> bool {
        self.breaker().is_paused(kind) && self.gate(kind).scouts.get() > 0
    }

    /// How many contacts that need a call of this kind to skip before the next one begins.
    pub fn lookahead(&self, kind: CallKind) -> usize {
        if self.breaker().is_paused(kind) { STRIDE.saturating_pow(self.gate(kind).scouted.get()) - 1 } else { 0 }
    }

    /// Begins a contact that needs a call of this kind. Returns whether it is a scout.
    pub fn begins(&self, kind: CallKind) -> bool {
        let (gate, is_scout) = (self.gate(kind), self.breaker().is_paused(kind));
        if is_scout {
            add(&gate.scouts, 1);
            add(&gate.scouted, 1);
        }
        is_scout
    }

    /// Records that a scout made its call, or will not make it.
    pub fn scout_ends(&self, kind: CallKind) {
        add(&self.gate(kind).scouts, -1);
        self.gate(kind).changed.notify_waiters();
    }

    const fn gate(&self, kind: CallKind) -> &Gate {
        &self.kinds[kind as usize]
    }
}

fn add(count: &Cell<u32>, number: i32) {
    count.set(count.get().saturating_add_signed(number));
}
