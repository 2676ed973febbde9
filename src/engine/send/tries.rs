//! How often a contact's call was tried, as far as the call can be blamed.

use crate::core::health::Health;

/// The tries at one call. Those that the platform was not there for do not count: an outage costs no contact its chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    made: u32,
    // How often the platform had seemed to be gone when the last one ended.
    outages: u32,
}

impl Tries {
    /// Counts a try that has just ended, and that the platform's health has heard of.
    pub fn count(&mut self, health: &Health) {
        if health.outages() > self.outages {
            self.outages = health.outages();
            // The last try may have been among the first to fail in the outage that followed.
            self.forgive();
        }
        if !health.is_out() {
            self.made += 1;
        }
    }

    /// Takes the last try back.
    pub fn forgive(&mut self) {
        self.made = self.made.saturating_sub(1);
    }

    /// How many count.
    pub const fn made(self) -> u32 {
        self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::attempt::Attempt;
    use crate::core::health::PATIENCE;
    use crate::core::time::Timestamp;

    /// Plays one contact's failing calls (`!`) among those of others, which fail (`-`) or are answered (`+`).
    fn check(calls: &str, made: u32) {
        let (mut health, mut tries) = (Health::new(PATIENCE), Tries::default());
        for call in calls.chars() {
            let lost = Attempt::lost(Some(500), String::new());
            health.hear(if call == '+' { &Attempt::Done } else { &lost }, Timestamp::default());
            if call == '!' {
                tries.count(&health);
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
        // Known to have been one only when it is over.
        check("-!---+!", 1);
        check("!!!!!!!!!!!!", 3);
    }
}
