//! The circuit breaker: decides whether the platform answers, as a whole and for each kind of call.
//!
//! A single call without an answer concerns that call. Several in a row concern the platform: the channel pauses, then
//! one call at a time probes whether it is back. When calls of one kind fail while others are answered, only that kind
//! pauses: a search that is answered proves nothing about creates.

use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::call::CallKind;
use crate::core::retry::throttled_for;
use crate::core::time::Timestamp;

/// Number of calls in a row without an answer after which the channel, or calls of their kind, pause.
pub const FAILURES_IN_A_ROW: u32 = 5;

/// Default outage timeout: how long a platform that answered before may give no answer, over several calls. It also
/// holds for one kind of call.
///
/// That is enough for a restart or a deployment. A run with a whole night may wait longer: meanwhile it only sends a
/// probe every half minute.
pub const OUTAGE_TIMEOUT: Duration = Duration::from_mins(5);

/// Maximum outage timeout of a platform that has not answered once in this run: a wrong URL is more likely than an
/// outage.
pub const FIRST_OUTAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a platform may answer with nothing but 429, if the outage timeout is not longer.
pub const THROTTLED_TIMEOUT: Duration = Duration::from_mins(15);

/// Longest wait for the rate limit that does not count as time without an answer: a full minute and one second (API.md,
/// "The limit").
pub const RATE_LIMIT_WAIT: Duration = Duration::from_secs(61);

/// Number of first calls of a run that must all end as [`Attempt::WrongPath`] before the URL counts as wrong.
pub const WRONG_PATHS: u32 = 5;

/// The pauses before the probes of a platform that seems to be down. The last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];

/// The pauses before the probes of one kind of call, in sixtieths of the outage timeout. The last one repeats. Each
/// probe is a real call, and a lost create takes further calls to resolve, so there are only six in an outage timeout.
const KIND_PAUSES: [u32; 4] = [2, 6, 16, 18];

/// Shortest and longest pause of one kind of call.
const KIND_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(90));

/// What the run does after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Goes on at full speed: the platform answers.
    Recovered,
    /// Goes on: the attempt decides nothing yet.
    None,
    /// Sends no call for this time, then one at a time until one is answered: the platform seems to be down.
    Pause(Duration),
    /// Sends no call of this kind for this time, then one at a time until one is answered: only calls of this kind
    /// fail.
    PauseKind(Duration),
    /// Stops: the platform gave no answer for longer than the outage timeout. Holds the last cause.
    Stop(String),
    /// Stops: calls of this kind failed for longer than the outage timeout while others were answered.
    StopForKind {
        /// How long they failed.
        span: Duration,
        /// The last cause.
        cause: String,
    },
    /// Stops: the platform answered with nothing but 429 for too long.
    StopForThrottling,
    /// Stops: the server answered each of the first calls with a 404 that does not mention a contact. Holds its
    /// message.
    StopForWrongUrl(String),
}

/// Whether one more call of a kind may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The call may start.
    Free,
    /// The call may start at this time.
    At(Timestamp),
    /// The call may start after one that is in flight has ended.
    Occupied,
}

/// Failures in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Streak {
    failures: u32,
    // Since when, without the waits for the rate limit.
    since: Option<Timestamp>,
}

/// The answers to one kind of call.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    answers: u64,
    streak: Streak,
    // When the next probe may start; `None` while calls of this kind are not paused.
    probe_at: Option<Timestamp>,
    pauses: usize,
    outages: u32,
    // Until when a call of this kind last waited for the rate limit.
    held_until: Timestamp,
    // Since when calls of this kind are answered with nothing but 429.
    throttled_since: Option<Timestamp>,
}

/// The state of a channel's circuit breaker.
#[derive(Debug)]
pub struct CircuitBreaker {
    outage_timeout: Duration,
    kinds: [Kind; CallKind::ALL.len()],
    // Of all kinds together.
    streak: Streak,
    paused_until: Option<Timestamp>,
    pauses: usize,
    outages: u32,
    answered: bool,
    // Until when a 503 asked to wait, and until when a call last waited for the rate limit.
    asked_until: Timestamp,
    held_until: Timestamp,
    // Number of calls that found no path, and whether all calls did.
    wrong_paths: u32,
    only_wrong_paths: bool,
}

impl Streak {
    fn count(&mut self, now: Timestamp) {
        self.failures += 1;
        self.since.get_or_insert(now);
    }

    fn span(&self, now: Timestamp) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }

    // Takes the time from `from` to `until` out, as far as it is within the streak.
    fn take_out(&mut self, from: Timestamp, until: Timestamp) {
        if let Some(since) = &mut self.since {
            *since = *since + until.since(from.max(*since)).min(RATE_LIMIT_WAIT);
        }
    }
}

impl CircuitBreaker {
    /// Creates the circuit breaker of a platform that may give no answer for as long as `outage_timeout`.
    pub fn new(outage_timeout: Duration) -> Self {
        Self {
            outage_timeout,
            kinds: Default::default(),
            streak: Streak::default(),
            paused_until: None,
            pauses: 0,
            outages: 0,
            answered: false,
            asked_until: Timestamp::default(),
            held_until: Timestamp::default(),
            wrong_paths: 0,
            only_wrong_paths: true,
        }
    }

    /// Number of outages for calls of this kind. A failure just before or during an outage does not count
    /// against the contact.
    pub const fn outages(&self, kind: CallKind) -> u32 {
        self.outages + self.kind(kind).outages
    }

    /// Whether there is an outage for calls of this kind.
    pub const fn is_out(&self, kind: CallKind) -> bool {
        self.paused_until.is_some() || self.is_paused(kind)
    }

    /// Whether only calls of this kind are paused while the platform answers others.
    pub const fn is_paused(&self, kind: CallKind) -> bool {
        self.paused_until.is_none() && self.kind(kind).probe_at.is_some()
    }

    /// Number of answered calls of this kind, including refusals.
    pub const fn answers(&self, kind: CallKind) -> u64 {
        self.kind(kind).answers
    }

    /// Whether one more call of this kind may start while `in_flight` of them are in flight.
    ///
    /// Until the first create is answered, only a few creates are in flight at once, because every lost create takes
    /// further calls to resolve. If all of them fail, that is just enough to detect it.
    pub fn room(&self, kind: CallKind, in_flight: u32, now: Timestamp) -> Room {
        let Kind { answers, streak, probe_at, .. } = self.kind(kind);
        let is_unproven = kind == CallKind::Create && *answers == 0;
        match probe_at {
            // The channel as a whole sends one call at a time.
            _ if self.paused_until.is_some() => Room::Free,
            Some(at) if now < *at => Room::At(*at),
            Some(_) if in_flight > 0 => Room::Occupied,
            None if is_unproven && in_flight >= FAILURES_IN_A_ROW.saturating_sub(streak.failures).max(1) => {
                Room::Occupied
            }
            Some(_) | None => Room::Free,
        }
    }

    /// Records that a call of this kind waited for the rate limit. Such a wait, up to [`RATE_LIMIT_WAIT`] each time and
    /// without the pauses of an outage, does not count as time without an answer.
    pub fn held_back(&mut self, kind: CallKind, from: Timestamp, until: Timestamp) {
        let from = from.max(self.paused_until.unwrap_or_default()).max(self.asked_until);
        self.streak.take_out(from.max(self.held_until), until);
        self.held_until = self.held_until.max(until);
        let kind = self.kind_mut(kind);
        kind.streak.take_out(from.max(kind.held_until), until);
        kind.held_until = kind.held_until.max(until);
    }

    /// Records one attempt at a call of this kind that ended at `now`, and returns what the run does next.
    ///
    /// `is_own` means that the failure concerns only this contact: its call failed before, and calls of the same kind
    /// for other contacts were answered since. Such a failure is ignored, unless calls are paused already.
    pub fn record(&mut self, kind: CallKind, attempt: &Attempt, is_own: bool, now: Timestamp) -> Reaction {
        let is_wrong_path = matches!(attempt, Attempt::WrongPath { .. });
        self.only_wrong_paths &= is_wrong_path;
        self.wrong_paths += u32::from(is_wrong_path);
        match attempt {
            Attempt::WrongPath { message } if self.only_wrong_paths && self.wrong_paths >= WRONG_PATHS => {
                Reaction::StopForWrongUrl(message.clone())
            }
            Attempt::Unsent { cause } | Attempt::WrongPath { message: cause } => {
                self.no_answer(kind, cause, is_own, now)
            }
            Attempt::Lost { cause, retry_after, .. } => {
                if let Some(asked) = retry_after {
                    self.asked_until = self.asked_until.max(now + throttled_for(Some(*asked)));
                }
                self.no_answer(kind, cause, is_own, now)
            }
            // The platform answers, but that does not show whether calls of this kind work.
            Attempt::Throttled { .. } => {
                let since = *self.kind_mut(kind).throttled_since.get_or_insert(now);
                self.recover();
                let outage_timeout = self.outage_timeout.max(THROTTLED_TIMEOUT);
                if now.since(since) >= outage_timeout { Reaction::StopForThrottling } else { Reaction::Recovered }
            }
            Attempt::Page(_)
            | Attempt::Contact(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. }
            | Attempt::Unauthorized { .. }
            | Attempt::Queued { .. } => {
                let kind = self.kind_mut(kind);
                *kind = Kind {
                    answers: kind.answers + 1,
                    outages: kind.outages,
                    held_until: kind.held_until,
                    ..Kind::default()
                };
                self.recover();
                Reaction::Recovered
            }
        }
    }

    // The platform answers again. Each kind that had failed is probed with one call.
    fn recover(&mut self) {
        self.answered = true;
        self.streak = Streak::default();
        self.pauses = 0;
        if self.paused_until.take().is_some() {
            for kind in self.kinds.iter_mut().filter(|kind| kind.streak.failures >= FAILURES_IN_A_ROW) {
                kind.outages += u32::from(kind.probe_at.is_none());
                kind.probe_at = Some(Timestamp::default());
            }
        }
    }

    fn no_answer(&mut self, kind: CallKind, cause: &str, is_own: bool, now: Timestamp) -> Reaction {
        if is_own && !self.is_out(kind) {
            return Reaction::None;
        }
        let was_paused = self.is_paused(kind);
        self.kind_mut(kind).streak.count(now);
        // One more failure of a paused kind shows nothing about the others.
        if !was_paused {
            let reaction = self.no_answer_at_all(cause, now);
            if self.paused_until.is_some() || reaction != Reaction::None {
                return reaction;
            }
        }
        self.no_answer_of_kind(kind, cause, now)
    }

    fn no_answer_at_all(&mut self, cause: &str, now: Timestamp) -> Reaction {
        self.streak.count(now);
        let outage_timeout =
            if self.answered { self.outage_timeout } else { self.outage_timeout.min(FIRST_OUTAGE_TIMEOUT) };
        if self.streak.failures >= FAILURES_IN_A_ROW && self.streak.span(now) >= outage_timeout {
            return Reaction::Stop(cause.to_owned());
        }
        // Calls that were in flight when the channel paused show nothing new.
        let is_news = self.paused_until.is_none_or(|until| now >= until);
        if self.streak.failures < FAILURES_IN_A_ROW || !is_news {
            return Reaction::None;
        }
        self.outages += u32::from(self.paused_until.is_none());
        let pause = PAUSES[self.pauses.min(PAUSES.len() - 1)];
        self.pauses += 1;
        self.paused_until = Some(now + pause);
        Reaction::Pause(pause)
    }

    fn no_answer_of_kind(&mut self, kind: CallKind, cause: &str, now: Timestamp) -> Reaction {
        let outage_timeout = self.outage_timeout;
        let kind = self.kind_mut(kind);
        let span = kind.streak.span(now);
        if kind.streak.failures >= FAILURES_IN_A_ROW && span >= outage_timeout {
            return Reaction::StopForKind { span, cause: cause.to_owned() };
        }
        let is_news = kind.probe_at.is_none_or(|at| now >= at);
        if kind.streak.failures < FAILURES_IN_A_ROW || !is_news {
            return Reaction::None;
        }
        kind.outages += u32::from(kind.probe_at.is_none());
        let part = outage_timeout * KIND_PAUSES[kind.pauses.min(KIND_PAUSES.len() - 1)] / 60;
        // The last probe is at the end of the outage timeout.
        let left = outage_timeout.saturating_sub(span).max(KIND_PAUSE.0);
        let pause = part.clamp(KIND_PAUSE.0, KIND_PAUSE.1).min(left);
        kind.pauses += 1;
        kind.probe_at = Some(now + pause);
        Reaction::PauseKind(pause)
    }

    const fn kind(&self, kind: CallKind) -> &Kind {
        &self.kinds[kind as usize]
    }

    const fn kind_mut(&mut self, kind: CallKind) -> &mut Kind {
        &mut self.kinds[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CallKind::{AddTags, Create, Find};

    fn lost() -> Attempt {
        Attempt::lost(None, "reset".into())
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    /// Each step: the second at which a call ends, whether it is answered, and the reaction.
    fn check(steps: &[(u64, bool, Reaction)]) {
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        for (n, (second, answered, reaction)) in steps.iter().enumerate() {
            let attempt = if *answered { Attempt::Done } else { lost() };
            assert_eq!(breaker.record(Find, &attempt, false, at(*second)), *reaction, "step {n}");
        }
    }

    fn pause(secs: u64) -> Reaction {
        Reaction::Pause(Duration::from_secs(secs))
    }

    fn kind_pause(secs: u64) -> Reaction {
        Reaction::PauseKind(Duration::from_secs(secs))
    }

    /// A platform that answers searches at once, and of whose creates five have failed. The search is the probe of the
    /// platform as a whole.
    fn creates_fail(outage_timeout: Duration) -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(outage_timeout);
        for n in 1..=FAILURES_IN_A_ROW {
            assert_eq!(breaker.room(Create, n - 1, at(0)), Room::Free);
        }
        assert_eq!(breaker.room(Create, FAILURES_IN_A_ROW, at(0)), Room::Occupied);
        for _ in 1..FAILURES_IN_A_ROW {
            assert_eq!(breaker.record(Create, &lost(), false, at(0)), Reaction::None);
        }
        assert_eq!(breaker.record(Create, &lost(), false, at(0)), pause(1));
        assert_eq!(breaker.record(Find, &Attempt::Done, false, at(1)), Reaction::Recovered);
        breaker
    }

    #[test]
    fn several_failures_in_a_row_pause_and_each_failed_probe_pauses_longer() {
        use Reaction::{None, Recovered, Stop};
        check(&[
            (0, false, None),
            (0, false, None),
            (0, true, Recovered),
            (1, false, None),
            (1, false, None),
            (1, false, None),
            (1, false, None),
            (1, false, pause(1)),
            (1, false, None),
            (2, false, pause(2)),
            (4, false, pause(4)),
            (8, true, Recovered),
            (9, false, None),
            (400, false, None),
            (400, false, None),
            (400, false, None),
            (400, false, Stop("reset".into())),
        ]);
    }

    #[test]
    fn a_platform_that_never_answered_has_a_shorter_outage_timeout() {
        use Reaction::{None, Stop};
        check(&[
            (0, false, None),
            (1, false, None),
            (2, false, None),
            (11, false, None),
            (11, false, Stop("reset".into())),
        ]);
    }

    #[test]
    fn nothing_but_429_ends_too() {
        let throttled = Attempt::throttled(None);
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        let mut hear = |attempt: &Attempt, second| breaker.record(Find, attempt, false, at(second));
        assert_eq!(hear(&throttled, 0), Reaction::Recovered);
        assert_eq!(hear(&throttled, 899), Reaction::Recovered);
        assert_eq!(hear(&throttled, 900), Reaction::StopForThrottling);
        assert_eq!(hear(&Attempt::Done, 901), Reaction::Recovered);
        assert_eq!(hear(&throttled, 902), Reaction::Recovered);
        // A longer outage timeout holds for it, a shorter one does not.
        let mut breaker = CircuitBreaker::new(Duration::from_hours(1));
        assert_eq!(breaker.record(Find, &throttled, false, at(0)), Reaction::Recovered);
        assert_eq!(breaker.record(Find, &throttled, false, at(900)), Reaction::Recovered);
        assert_eq!(breaker.record(Find, &throttled, false, at(3_600)), Reaction::StopForThrottling);
        let mut breaker = CircuitBreaker::new(Duration::ZERO);
        assert_eq!(breaker.record(Find, &throttled, false, at(0)), Reaction::Recovered);
        assert_eq!(breaker.record(Find, &throttled, false, at(61)), Reaction::Recovered);
    }

    #[test]
    fn every_kind_of_missing_answer_counts_the_same() {
        let characters = [
            Attempt::Unsent { cause: "connection refused".into() },
            Attempt::lost(None, "reset".into()),
            Attempt::lost(Some(502), "502 Bad Gateway".into()),
            Attempt::WrongPath { message: "404".into() },
            // The page of a firewall.
            Attempt::lost(Some(403), "403 Forbidden with a body of type text/html".into()),
        ];
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        let reactions: Vec<Reaction> =
            characters.iter().map(|character| breaker.record(Find, character, false, at(0))).collect();
        assert_eq!(reactions[4], pause(1));
        assert!(reactions[..4].iter().all(|reaction| *reaction == Reaction::None));
    }

    #[test]
    fn the_outage_timeout_is_configurable() {
        // The second at which the run stops, for a platform that answered before and for one that never did. The last
        // probes are half a minute apart, so it stops a little after the timeout.
        let check = |outage_timeout: u64, answers_first: bool, given_up: u64| {
            let mut breaker = CircuitBreaker::new(Duration::from_secs(outage_timeout));
            if answers_first {
                breaker.record(Find, &Attempt::Done, false, at(0));
            }
            let mut now = 0;
            let reaction = loop {
                match breaker.record(Find, &lost(), false, at(now)) {
                    Reaction::None => {}
                    Reaction::Pause(wait) => now += wait.as_secs(),
                    reaction => break reaction,
                }
            };
            assert_eq!((reaction, now), (Reaction::Stop("reset".into()), given_up), "{outage_timeout} {answers_first}");
        };
        check(300, true, 301);
        check(3_600, true, 3_601);
        check(60, true, 61);
        check(0, true, 0);
        check(300, false, 15);
        check(5, false, 7);
    }

    #[test]
    fn an_outage_counts_once_however_often_it_is_probed() {
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        let mut hear = |attempt: &Attempt, second| {
            breaker.record(Find, attempt, false, at(second));
            (breaker.outages(Find), breaker.is_out(Find))
        };
        for _ in 0..4 {
            assert_eq!(hear(&lost(), 0), (0, false));
        }
        assert_eq!(hear(&lost(), 0), (1, true));
        assert_eq!(hear(&lost(), 1), (1, true));
        assert_eq!(hear(&lost(), 3), (1, true));
        assert_eq!(hear(&Attempt::Done, 7), (1, false));
        for _ in 0..5 {
            hear(&lost(), 8);
        }
        // A refusal is an answer.
        assert_eq!(hear(&Attempt::refused(403, String::new()), 9), (2, false));
    }

    #[test]
    fn an_answered_search_does_not_reset_the_failures_of_creates() {
        let mut breaker = creates_fail(OUTAGE_TIMEOUT);
        assert!(breaker.is_paused(Create) && !breaker.is_out(Find));
        // One real create at a time is the probe; other calls go on.
        assert_eq!((breaker.room(Create, 0, at(1)), breaker.room(Create, 1, at(1))), (Room::Free, Room::Occupied));
        assert_eq!(breaker.room(Find, 63, at(1)), Room::Free);
        assert_eq!(breaker.record(Create, &lost(), false, at(1)), kind_pause(10));
        assert_eq!(breaker.record(Find, &Attempt::Done, false, at(2)), Reaction::Recovered);
        assert_eq!((breaker.room(Create, 0, at(10)), breaker.room(Create, 0, at(11))), (Room::At(at(11)), Room::Free));
        // A create that was in flight meanwhile shows nothing new.
        assert_eq!(breaker.record(Create, &lost(), false, at(10)), Reaction::None);
        assert_eq!(breaker.record(Create, &Attempt::Done, false, at(11)), Reaction::Recovered);
        assert_eq!((breaker.is_out(Create), breaker.room(Create, 63, at(11))), (false, Room::Free));
        // The count begins again.
        assert_eq!(breaker.record(Create, &lost(), false, at(12)), Reaction::None);
    }

    #[test]
    fn a_kind_that_fails_for_the_outage_timeout_ends_the_run_after_six_probes() {
        let check = |outage_timeout: u64, probes: u32, given_up: u64| {
            let mut breaker = creates_fail(Duration::from_secs(outage_timeout));
            let (mut now, mut made) = (1, 0);
            let reaction = loop {
                breaker.record(Find, &Attempt::Done, false, at(now));
                made += 1;
                match breaker.record(Create, &lost(), false, at(now)) {
                    Reaction::PauseKind(wait) => now += wait.as_secs(),
                    reaction => break reaction,
                }
            };
            let span = Duration::from_secs(now);
            assert_eq!(reaction, Reaction::StopForKind { span, cause: "reset".into() }, "{outage_timeout}");
            assert_eq!((made, now), (probes, given_up), "{outage_timeout}");
        };
        check(300, 6, 300);
        check(60, 6, 60);
        check(1, 1, 1);
        // A probe every minute and a half at least.
        check(3_600, 41, 3_600);
    }

    #[test]
    fn failures_of_all_kinds_are_one_outage_of_the_platform() {
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        breaker.record(Find, &Attempt::Done, false, at(0));
        let reactions: Vec<Reaction> =
            [Find, Create, AddTags, Create, Find].map(|kind| breaker.record(kind, &lost(), false, at(0))).into();
        assert_eq!(reactions[4], pause(1));
        // Any call probes the platform, and creates are not paused separately.
        assert_eq!(breaker.room(Create, 9, at(1)), Room::Free);
        for second in [1, 3, 7, 15, 31] {
            assert!(matches!(breaker.record(Find, &lost(), false, at(second)), Reaction::Pause(_)), "{second}");
        }
        assert_eq!(breaker.record(Find, &lost(), false, at(300)), Reaction::Stop("reset".into()));
    }

    #[test]
    fn failures_of_one_kind_are_no_outage_of_the_platform() {
        let mut breaker = creates_fail(OUTAGE_TIMEOUT);
        for second in 1..60 {
            assert!(!matches!(breaker.record(Create, &lost(), false, at(second)), Reaction::Pause(_)), "{second}");
        }
        // Unless other kinds fail as well.
        for _ in 1..FAILURES_IN_A_ROW {
            assert_eq!(breaker.record(Find, &lost(), false, at(60)), Reaction::None);
        }
        assert_eq!(breaker.record(Find, &lost(), false, at(60)), pause(1));
    }

    #[test]
    fn a_failure_of_one_contact_is_no_sign_of_an_outage() {
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        breaker.record(Create, &Attempt::Done, false, at(0));
        for second in 1..400 {
            assert_eq!(breaker.record(Create, &lost(), true, at(second)), Reaction::None, "{second}");
        }
        assert_eq!((breaker.is_out(Create), breaker.outages(Create)), (false, 0));
        // During an outage, every failure counts.
        let mut breaker = creates_fail(OUTAGE_TIMEOUT);
        assert_eq!(breaker.record(Create, &lost(), true, at(1)), kind_pause(10));
    }

    #[test]
    fn only_a_few_creates_are_in_flight_until_one_is_answered() {
        let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
        let room = |breaker: &CircuitBreaker, in_flight| breaker.room(Create, in_flight, at(0));
        assert_eq!((room(&breaker, 4), room(&breaker, 5)), (Room::Free, Room::Occupied));
        breaker.record(Create, &lost(), false, at(0));
        assert_eq!((room(&breaker, 3), room(&breaker, 4)), (Room::Free, Room::Occupied));
        breaker.record(Create, &Attempt::refused(403, String::new()), false, at(0));
        assert_eq!(room(&breaker, 63), Room::Free);
        assert_eq!(breaker.room(AddTags, 63, at(0)), Room::Free);
        // That stays so when some fail later.
        breaker.record(Create, &lost(), false, at(0));
        assert_eq!(room(&breaker, 63), Room::Free);
    }

    #[test]
    fn waits_for_the_rate_limit_do_not_count_as_time_without_an_answer() {
        // Number of waits of one minute, and the reaction to a failure after the last one.
        let check = |waits: &[(u64, u64)], second: u64, expected: Reaction| {
            let mut breaker = creates_fail(Duration::from_secs(30));
            assert_eq!(breaker.record(Create, &lost(), false, at(1)), kind_pause(1));
            for &(from, until) in waits {
                breaker.held_back(Create, at(from), at(until));
            }
            assert_eq!(breaker.record(Create, &lost(), false, at(second)), expected, "{waits:?}");
        };
        let silent = |secs| Reaction::StopForKind { span: Duration::from_secs(secs), cause: "reset".into() };
        check(&[], 62, silent(62));
        check(&[(2, 62)], 62, kind_pause(3));
        // Several calls that wait at the same time count as one wait.
        check(&[(2, 62), (2, 62), (10, 62)], 92, silent(32));
        check(&[(2, 62), (62, 122)], 122, kind_pause(3));
        // A longer wait counts beyond 61 s.
        check(&[(2, 102)], 102, silent(41));
        // Waits before the first failure have no effect.
        let mut breaker = CircuitBreaker::new(Duration::from_secs(30));
        breaker.record(Find, &Attempt::Done, false, at(0));
        for _ in 0..4 {
            breaker.record(Find, &lost(), false, at(100));
        }
        breaker.held_back(Find, at(60), at(120));
        assert_eq!(breaker.record(Find, &lost(), false, at(140)), pause(1));
    }

    #[test]
    fn the_wait_that_a_503_asked_for_is_time_without_an_answer() {
        let mut breaker = CircuitBreaker::new(Duration::from_secs(100));
        breaker.record(Find, &Attempt::Done, false, at(0));
        let asked =
            Attempt::Lost { status: Some(503), cause: "503".into(), retry_after: Some(Duration::from_secs(99)) };
        for _ in 0..5 {
            breaker.record(Find, &asked, false, at(0));
        }
        breaker.held_back(Find, at(0), at(100));
        assert_eq!(breaker.record(Find, &lost(), false, at(100)), Reaction::Stop("reset".into()));
    }

    #[test]
    fn a_url_at_which_the_first_calls_find_no_path_is_wrong() {
        let wrong = || Attempt::WrongPath { message: "404 Not Found".into() };
        let check = |others: &[Attempt], calls: usize, expected: bool| {
            let mut breaker = CircuitBreaker::new(OUTAGE_TIMEOUT);
            for other in others {
                breaker.record(Find, other, false, at(0));
            }
            let reactions: Vec<Reaction> = (0..calls).map(|_| breaker.record(Find, &wrong(), false, at(0))).collect();
            let is_wrong = reactions.contains(&Reaction::StopForWrongUrl("404 Not Found".into()));
            assert_eq!(is_wrong, expected, "{others:?} {calls}");
        };
        check(&[], 4, false);
        check(&[], 5, true);
        check(&[wrong()], 4, true);
        // Any other answer before it comes from the platform or a proxy: then it is an outage like any other.
        for other in [
            Attempt::Done,
            lost(),
            Attempt::throttled(None),
            Attempt::Unsent { cause: String::new() },
            Attempt::Unauthorized { message: String::new() },
        ] {
            check(&[other], 9, false);
        }
        check(&[wrong(), wrong(), Attempt::Done, wrong()], 9, false);
    }
}
