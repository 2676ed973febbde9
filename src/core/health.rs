//! Whether a platform is still worth calling: how long it has given no useful answer.

use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::time::Timestamp;

/// How long a platform that answered before may give no answer at all.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The same for a platform that has not answered once in this run: more likely a wrong URL than an outage.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(10);

/// How long a platform may answer nothing but 429.
pub const THROTTLED_PATIENCE: Duration = Duration::from_mins(15);

/// The answers of a channel, as far as they tell whether the platform is there.
#[derive(Debug, Default)]
pub struct Health {
    answered: bool,
    silent_since: Option<Timestamp>,
    throttled_since: Option<Timestamp>,
}

/// Why to stop calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Down {
    /// No answer for too long; the last cause.
    Silent(String),
    /// Nothing but 429 for too long.
    Throttled,
}

impl Health {
    /// Takes in one attempt; says when it is time to stop.
    pub fn hear(&mut self, attempt: &Attempt, now: Timestamp) -> Option<Down> {
        match attempt {
            Attempt::Unsent { cause } | Attempt::Lost { cause, .. } => {
                let since = *self.silent_since.get_or_insert(now);
                let patience = if self.answered { PATIENCE } else { FIRST_PATIENCE };
                (now.since(since) >= patience).then(|| Down::Silent(cause.clone()))
            }
            Attempt::Throttled { .. } => {
                self.answered = true;
                self.silent_since = None;
                let since = *self.throttled_since.get_or_insert(now);
                (now.since(since) >= THROTTLED_PATIENCE).then_some(Down::Throttled)
            }
            Attempt::Page { .. }
            | Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. }
            | Attempt::Unauthorized { .. }
            | Attempt::Queued { .. } => {
                *self = Self { answered: true, silent_since: None, throttled_since: None };
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Attempt {
        Attempt::Lost { status: None, cause: "reset".into() }
    }

    #[test]
    fn silence_is_borne_longer_from_a_platform_that_answered_before() {
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        let mut health = Health::default();
        assert_eq!(health.hear(&lost(), at(0)), None);
        assert_eq!(health.hear(&lost(), at(9)), None);
        assert_eq!(health.hear(&lost(), at(10)), Some(Down::Silent("reset".into())));

        let mut health = Health::default();
        assert_eq!(health.hear(&Attempt::Done, at(0)), None);
        assert_eq!(health.hear(&lost(), at(1)), None);
        assert_eq!(health.hear(&lost(), at(60)), None);
        assert_eq!(health.hear(&lost(), at(61)), Some(Down::Silent("reset".into())));
        assert_eq!(health.hear(&Attempt::Done, at(62)), None);
        assert_eq!(health.hear(&lost(), at(100)), None);
    }

    #[test]
    fn nothing_but_429_ends_too() {
        let throttled = Attempt::Throttled { retry_after: None };
        let mut health = Health::default();
        assert_eq!(health.hear(&throttled, Timestamp::from_millis(0)), None);
        assert_eq!(health.hear(&throttled, Timestamp::from_millis(899_999)), None);
        assert_eq!(health.hear(&throttled, Timestamp::from_millis(900_000)), Some(Down::Throttled));
    }
}
