//! Decides whether and when a call is tried again. The wait itself is elsewhere.

use std::time::Duration;

use crate::core::attempt::Attempt;

/// Number of tries of one call in one run, before its contact is left for the next run.
pub const TRIES: u32 = 6;

/// Added to `Retry-After`, which is too short by up to a second: the platform counts whole seconds, and sends 0 while
/// it still refuses calls (API.md, "The limit").
const RETRY_AFTER_MARGIN: Duration = Duration::from_secs(1);

/// Wait after a 429 without `Retry-After` (API.md, "The limit").
const THROTTLED_DEFAULT: Duration = Duration::from_secs(61);

/// Shortest and longest wait while the platform still creates a contact (API.md, trap 7).
const QUEUED: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Retry {
    /// No retry: the task continues with the answer.
    Finish,
    /// The same call again after this time; other calls go on.
    Call(Duration),
    /// The same call again; the whole channel waits for this time.
    Channel(Duration),
    /// No retry in this run: the contact stays pending.
    GiveUp,
    /// The token is refused, so no other call can succeed.
    Stop,
}

/// Decides what follows try number `tries` (from 1) of a call. `delays` are the waits after the first, second, … try;
/// `roll` is a random number between 0 and 1, which spreads calls that failed together.
///
/// `passing` means that the refusal is temporary: the contact was just created and not every call finds it yet.
pub fn decide(attempt: &Attempt, passing: bool, tries: u32, delays: &[Duration], roll: f64) -> Retry {
    let again = |wait: Duration| if tries >= TRIES { Retry::GiveUp } else { Retry::Call(wait) };
    let backoff = || jittered(delay(delays, tries), roll);
    match attempt {
        Attempt::Unauthorized { .. } => Retry::Stop,
        Attempt::Throttled { retry_after, .. } => Retry::Channel(throttled_for(*retry_after)),
        Attempt::Queued { .. } => again(backoff().clamp(QUEUED.0, QUEUED.1)),
        Attempt::Missing { .. } if passing => again(backoff().clamp(QUEUED.0, QUEUED.1)),
        Attempt::Unsent { .. } | Attempt::WrongPath { .. } | Attempt::Lost { .. } => again(backoff()),
        Attempt::Page(_)
        | Attempt::Contact(_)
        | Attempt::Created(_)
        | Attempt::Done
        | Attempt::Missing { .. }
        | Attempt::Taken { .. }
        | Attempt::Refused { .. } => Retry::Finish,
    }
}

/// Returns how long an attempt makes the whole channel wait: after a 429, or after an answer with `Retry-After`, such
/// as a 503.
pub fn asked_wait(attempt: &Attempt) -> Option<Duration> {
    match attempt {
        Attempt::Throttled { retry_after, .. } => Some(throttled_for(*retry_after)),
        Attempt::Lost { retry_after: Some(asked), .. } => Some(throttled_for(Some(*asked))),
        Attempt::Lost { retry_after: None, .. }
        | Attempt::Page(_)
        | Attempt::Contact(_)
        | Attempt::Created(_)
        | Attempt::Done
        | Attempt::Missing { .. }
        | Attempt::Taken { .. }
        | Attempt::Refused { .. }
        | Attempt::Unauthorized { .. }
        | Attempt::Queued { .. }
        | Attempt::WrongPath { .. }
        | Attempt::Unsent { .. } => None,
    }
}

/// Returns how long the whole channel waits after a 429 with this `Retry-After`, or without one.
pub fn throttled_for(retry_after: Option<Duration>) -> Duration {
    retry_after.map_or(THROTTLED_DEFAULT, |asked| asked.saturating_add(RETRY_AFTER_MARGIN))
}

fn delay(delays: &[Duration], tries: u32) -> Duration {
    let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    delays.get(index).or(delays.last()).copied().unwrap_or(Duration::from_secs(1))
}

// Half to one and a half times the delay, so that calls that failed together are not retried together.
fn jittered(delay: Duration, roll: f64) -> Duration {
    delay.mul_f64(0.5 + roll.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn check(attempt: &Attempt, tries: u32, expected: Retry) {
        let delays = [SECOND, 2 * SECOND, 4 * SECOND];
        assert_eq!(decide(attempt, false, tries, &delays, 0.5), expected, "{attempt:?} at try {tries}");
    }

    #[test]
    fn each_attempt_leads_to_a_decision() {
        let lost = || Attempt::lost(Some(500), String::new());
        check(&Attempt::Done, 1, Retry::Finish);
        check(&Attempt::refused(403, String::new()), 1, Retry::Finish);
        check(&Attempt::Missing { message: String::new() }, 1, Retry::Finish);
        check(&Attempt::Unauthorized { message: String::new() }, 1, Retry::Stop);
        check(&lost(), 1, Retry::Call(SECOND));
        check(&lost(), 2, Retry::Call(2 * SECOND));
        check(&lost(), 5, Retry::Call(4 * SECOND));
        check(&lost(), TRIES, Retry::GiveUp);
        check(&Attempt::Unsent { cause: String::new() }, 1, Retry::Call(SECOND));
        check(&Attempt::Queued { message: String::new() }, 1, Retry::Call(2 * SECOND));
        check(&Attempt::throttled(None), 1, Retry::Channel(61 * SECOND));
        check(&Attempt::throttled(Some(Duration::ZERO)), 1, Retry::Channel(SECOND));
        check(&Attempt::throttled(Some(9 * SECOND)), 99, Retry::Channel(10 * SECOND));
    }

    #[test]
    fn the_random_part_is_half_of_the_delay() {
        let lost = Attempt::lost(None, String::new());
        for (roll, millis) in [(0.0, 500), (0.5, 1_000), (1.0, 1_500), (7.0, 1_500)] {
            let expected = Retry::Call(Duration::from_millis(millis));
            assert_eq!(decide(&lost, false, 1, &[SECOND], roll), expected);
        }
    }

    #[test]
    fn a_new_contact_may_be_missing_for_a_moment() {
        let missing = Attempt::Missing { message: String::new() };
        assert_eq!(decide(&missing, true, 1, &[SECOND], 0.5), Retry::Call(2 * SECOND));
        assert_eq!(decide(&missing, true, TRIES, &[SECOND], 0.5), Retry::GiveUp);
    }
}
