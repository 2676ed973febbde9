//! Counts a contact's tries and failures without those that an outage of the platform caused.

use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::circuit_breaker::CircuitBreaker;

/// The tries of one call. Tries during an outage do not count.
#[derive(Clone, Copy, Debug, Default)]
pub struct TryCount {
    made: u32,
    // Number of outages when the last try ended.
    outages: u32,
}

impl TryCount {
    /// Counts a try of a call of this kind that has just ended. The circuit breaker must have recorded its result
    /// before.
    pub fn record(&mut self, kind: CallKind, breaker: &CircuitBreaker) {
        if breaker.outages(kind) > self.outages {
            self.outages = breaker.outages(kind);
            // The last try may have been among the first to fail in the outage that followed.
            self.forgive();
        }
        if !breaker.is_out(kind) {
            self.made += 1;
        }
    }

    /// Takes the last try out of the count.
    pub fn forgive(&mut self) {
        self.made = self.made.saturating_sub(1);
    }

    /// Number of tries that count.
    pub const fn made(self) -> u32 {
        self.made
    }
}

/// The failures of one contact's calls in this run.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallFailures {
    // For each kind whose last call failed: how many calls of the kind, for any contact, had been answered at its first
    // failure.
    answers: [Option<u64>; CallKind::ALL.len()],
    count: u32,
}

impl CallFailures {
    /// Whether one more failure of this kind concerns only this contact: its call failed before, and others were
    /// answered since.
    pub fn is_own(&self, kind: CallKind, breaker: &CircuitBreaker) -> bool {
        self.answers[kind as usize].is_some_and(|answers| breaker.answers(kind) > answers)
    }

    /// Whether the contact's last call of this kind failed.
    pub const fn has(&self, kind: CallKind) -> bool {
        self.answers[kind as usize].is_some()
    }

    /// Number of failed calls.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Records the result of a call. The circuit breaker must have recorded it before.
    pub fn record(&mut self, kind: CallKind, attempt: &Attempt, breaker: &CircuitBreaker) {
        if attempt.is_no_answer() {
            self.count += 1;
            self.answers[kind as usize].get_or_insert_with(|| breaker.answers(kind));
        } else if !matches!(attempt, Attempt::Throttled { .. }) {
            self.answers[kind as usize] = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::circuit_breaker::OUTAGE_TIMEOUT;
    use crate::core::time::Timestamp;
    use CallKind::{Create, Find};

    /// Records failing calls of one contact (`!`) among those of others, which fail (`-`) or are answered (`+`).
    fn check(calls: &str, made: u32) {
        let (mut breaker, mut tries) = (CircuitBreaker::new(OUTAGE_TIMEOUT), TryCount::default());
        for call in calls.chars() {
            let lost = Attempt::lost(Some(500), String::new());
            breaker.record(Find, if call == '+' { &Attempt::Done } else { &lost }, false, Timestamp::default());
            if call == '!' {
                tries.record(Find, &breaker);
            }
        }
        assert_eq!(tries.made(), made, "{calls}");
    }

    #[test]
    fn an_outage_costs_no_tries() {
        check("!+!+!", 3);
        check("-!+-!", 2);
        // The fifth in a row begins an outage, which the fourth belonged to.
        check("---!!", 0);
        check("----!!!!!!!!", 0);
        check("!+----!!!+!", 1);
        // The outage is known only when it is over.
        check("-!---+!", 1);
        check("!!!!!!!!!!!!", 3);
    }

    #[test]
    fn an_outage_of_a_kind_costs_no_tries_at_that_kind() {
        let (mut breaker, mut tries) = (CircuitBreaker::new(OUTAGE_TIMEOUT), [TryCount::default(); 2]);
        let lost = Attempt::lost(Some(500), String::new());
        for _ in 0..20 {
            breaker.record(Create, &lost, false, Timestamp::default());
            tries[0].record(Create, &breaker);
            breaker.record(Find, &Attempt::Done, false, Timestamp::default());
            breaker.record(Find, &lost, false, Timestamp::default());
            tries[1].record(Find, &breaker);
        }
        assert_eq!(tries.map(TryCount::made), [3, 20]);
    }

    /// Each letter is a create of a contact: a small letter fails, a capital letter is answered. `own` is whether the
    /// last failure concerns only its contact.
    fn check_own(calls: &str, own: bool) {
        let (mut breaker, mut contacts) = (CircuitBreaker::new(OUTAGE_TIMEOUT), std::collections::BTreeMap::new());
        let mut last = false;
        for call in calls.chars() {
            let attempt = if call.is_lowercase() { Attempt::lost(Some(500), String::new()) } else { Attempt::Done };
            let failures: &mut CallFailures = contacts.entry(call.to_ascii_lowercase()).or_default();
            last = failures.is_own(Create, &breaker);
            breaker.record(Create, &attempt, last, Timestamp::default());
            failures.record(Create, &attempt, &breaker);
        }
        assert_eq!(last, own, "{calls}");
    }

    #[test]
    fn a_failure_after_which_others_were_answered_is_the_contacts_own() {
        check_own("a", false);
        check_own("aa", false);
        check_own("Ba", false);
        check_own("aBa", true);
        check_own("aBcaa", true);
        check_own("aBc", false);
        // A success clears the failures before it.
        check_own("aBAa", false);
    }
}
