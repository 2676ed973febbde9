//! Contacts that an earlier run sent and had to reject: when a row with the same content is tried again.
//!
//! The cause may be gone without a change of the row: an administrator adds the missing field, or a user of the platform merges
//! two contacts. So such a row is tried again, at growing intervals: each try costs a call.

use std::time::Duration;

use crate::core::decision::Decision;
use crate::core::model::RemoteState;
use crate::core::time::Timestamp;

/// Number of nights between a try and the next one, by the number of tries. The last one repeats.
const NIGHTS: [u32; 4] = [1, 2, 4, 7];

const NIGHT: Duration = Duration::from_hours(24);

/// How much earlier than after whole nights a try may be: nightly runs do not begin at the same minute, and the row may have been
/// tried at the end of a run of several hours.
const TOLERANCE: Duration = Duration::from_hours(6);

/// How long after its last try a rejection is forgotten: its row is gone from the input.
pub const FORGOTTEN_AFTER: Duration = Duration::from_hours(60 * 24);

/// The rejection of a contact by what it was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRejection {
    /// Number of runs that sent this content and rejected it.
    pub tries: u32,
    /// When the last of them rejected it.
    pub tried_at: Timestamp,
    /// The reason.
    pub reason: String,
}

impl PastRejection {
    /// The decision about a row with the same content, instead of `decision`.
    ///
    /// A contact in doubt is searched for in any case: the doubt matters more than its calls.
    pub fn decide(&self, decision: Decision, remote_state: &RemoteState, now: Timestamp) -> Decision {
        match (&decision, remote_state) {
            (Decision::Pending(_), RemoteState::Unknown | RemoteState::Known(_)) => {
                self.reason_at(now).map_or(decision, Decision::Waiting)
            }
            (Decision::Pending(_), RemoteState::InDoubt(_)) | (Decision::Done(_) | Decision::Waiting(_), _) => decision,
        }
    }

    /// Why the row is still rejected; `None` when it is to be tried again.
    fn reason_at(&self, now: Timestamp) -> Option<String> {
        let Self { tries, tried_at, reason } = self;
        let nights = NIGHTS[usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX).min(NIGHTS.len() - 1)];
        let next = *tried_at + NIGHT * nights;
        // A time in the future was noted by a clock that was wrong.
        let is_due = now >= next.before(TOLERANCE) || *tried_at > now + TOLERANCE;
        let times = if *tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
        (!is_due).then(|| format!("still rejected after {times} (next try in {}): {reason}", in_words(next.since(now))))
    }
}

// In whole days, or in hours below a day.
fn in_words(time: Duration) -> String {
    let hours = (time + Duration::from_mins(30)).as_secs() / 3_600;
    let (count, unit) = if hours < 20 { (hours.max(1), "hour") } else { ((hours + 12) / 24, "day") };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::doubt::Doubt;
    use crate::core::forecast::Forecast;
    use crate::core::model::{Contact, ContactId, Draft, Field, Known};
    use crate::core::task::Outcome;

    const TRIED_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn rejection(tries: u32) -> PastRejection {
        PastRejection { tries, tried_at: TRIED_AT, reason: "unknown field".into() }
    }

    fn hours(hours: u64) -> Duration {
        Duration::from_hours(hours)
    }

    #[test]
    fn a_row_is_tried_again_after_one_two_four_and_seven_nights_and_then_weekly() {
        // The number of tries, and the number of nights to the next one.
        for (tries, nights) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 7), (5, 7), (100, 7), (u32::MAX, 7)] {
            for night in 0..=nights + 1 {
                // A nightly run begins some minutes earlier or later each time.
                for minutes in [0, 20, 40] {
                    let now =
                        (TRIED_AT + hours(24 * night)).before(Duration::from_mins(20)) + Duration::from_mins(minutes);
                    assert_eq!(rejection(tries).reason_at(now).is_none(), night >= nights, "{tries} {night} {minutes}");
                }
            }
            let due = TRIED_AT + hours(24 * nights - 6);
            let check =
                |now: Timestamp, is_due| assert_eq!(rejection(tries).reason_at(now).is_none(), is_due, "{tries}");
            check(due, true);
            check(due.before(Duration::from_millis(1)), false);
        }
    }

    #[test]
    fn a_time_in_the_future_is_not_waited_for() {
        assert!(rejection(1).reason_at(TRIED_AT.before(hours(6))).is_some(), "clocks differ a little");
        assert_eq!(rejection(1).reason_at(TRIED_AT.before(hours(7))), None);
        assert_eq!(rejection(1).reason_at(Timestamp::default()), None);
    }

    #[test]
    fn the_reason_has_the_tries_the_next_one_and_the_first_reason() {
        let check = |tries, after: Duration, expected: &str| {
            assert_eq!(rejection(tries).reason_at(TRIED_AT + after).as_deref(), Some(expected));
        };
        let minutes = Duration::from_mins;
        check(1, Duration::ZERO, "still rejected after 1 try (next try in 1 day): unknown field");
        check(1, hours(10), "still rejected after 1 try (next try in 14 hours): unknown field");
        check(2, hours(24), "still rejected after 2 tries (next try in 1 day): unknown field");
        check(3, minutes(20), "still rejected after 3 tries (next try in 4 days): unknown field");
        check(3, minutes(24 * 60 - 20), "still rejected after 3 tries (next try in 3 days): unknown field");
        check(9, hours(24 * 7 - 7), "still rejected after 9 tries (next try in 7 hours): unknown field");
    }

    #[test]
    fn only_what_would_take_calls_is_rejected_without_them() {
        let contact = Contact::new(Draft { matches: vec![Field::text("phone", "1")], ..Draft::default() }).unwrap();
        let known = RemoteState::Known(Known::only_id(ContactId::new("7").unwrap()));
        let in_doubt = RemoteState::InDoubt(Doubt::of_create(&contact, None));
        let pending = || Decision::Pending(Forecast::default());
        let check = |decision: Decision, state: &RemoteState, now: Timestamp, is_kept: bool| {
            let decided = rejection(1).decide(decision.clone(), state, now);
            assert_eq!(decided == decision, is_kept, "{decided:?}");
            assert!(is_kept || matches!(decided, Decision::Waiting(_)), "{decided:?}");
        };
        for state in [&RemoteState::Unknown, &known] {
            check(pending(), state, TRIED_AT, false);
            check(pending(), state, TRIED_AT + hours(24), true);
        }
        check(pending(), &in_doubt, TRIED_AT, true);
        check(Decision::Done(Outcome::Unchanged), &known, TRIED_AT, true);
        check(Decision::Done(Outcome::Rejected("no match field".into())), &RemoteState::Unknown, TRIED_AT, true);
    }
}
