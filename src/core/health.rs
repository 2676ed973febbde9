//! Whether a platform is there: when to leave it alone for a while, and when to give it up.
//!
//! A single call without an answer concerns that call. Several in a row concern the platform: the channel pauses, then
//! one call at a time probes whether it is back.

use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::time::Timestamp;

/// How many calls in a row get no answer before the channel pauses.
pub const FAILURES_IN_A_ROW: u32 = 5;

/// How long a platform that answered before may give no answer at all, over several calls, unless told otherwise.
///
/// Enough for a restart or a deployment. A run that has the whole night may wait for longer: nothing is sent meanwhile
/// but a probe every half minute.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The most of it for a platform that has not answered once in this run: more likely a wrong URL than an outage.
pub const FIRST_PATIENCE: Duration = Duration::from_secs(10);

/// How long a platform may answer nothing but 429.
pub const THROTTLED_PATIENCE: Duration = Duration::from_mins(15);

/// The pauses before the probes. The last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];

/// What an attempt says of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Fine,
    /// Too early to say.
    Open,
    /// It seems to be gone: no call for this long, then one at a time until one is answered.
    Pause(Duration),
    /// It gives no answer for too long; the last cause.
    Silent(String),
    /// It answers nothing but 429 for too long.
    Throttled,
}

/// The answers of a channel, as far as they tell whether the platform is there.
#[derive(Debug)]
pub struct Health {
    patience: Duration,
    // How often it seemed to be gone.
    outages: u32,
    answered: bool,
    failures: u32,
    silent_since: Option<Timestamp>,
    paused_until: Option<Timestamp>,
    pauses: usize,
    throttled_since: Option<Timestamp>,
}

impl Health {
    /// A platform that has not been called yet, and that may give no answer for as long as `patience`.
    pub const fn new(patience: Duration) -> Self {
        Self {
            patience,
            outages: 0,
            answered: false,
            failures: 0,
            silent_since: None,
            paused_until: None,
            pauses: 0,
            throttled_since: None,
        }
    }

    /// How often the platform seemed to be gone so far. A call that failed before or while it did was not at fault.
    pub const fn outages(&self) -> u32 {
        self.outages
    }

    /// Whether it seems to be gone.
    pub const fn is_out(&self) -> bool {
        self.paused_until.is_some()
    }

    /// Takes in one attempt that ended at `now`.
    pub fn hear(&mut self, attempt: &Attempt, now: Timestamp) -> Verdict {
        match attempt {
            Attempt::Unsent { cause } | Attempt::WrongPath { message: cause } | Attempt::Lost { cause, .. } => {
                self.no_answer(cause, now)
            }
            Attempt::Throttled { .. } => {
                let since = *self.throttled_since.get_or_insert(now);
                *self = Self { throttled_since: Some(since), ..self.there() };
                if now.since(since) >= THROTTLED_PATIENCE { Verdict::Throttled } else { Verdict::Fine }
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
                *self = self.there();
                Verdict::Fine
            }
        }
    }

    // As it is after an answer.
    const fn there(&self) -> Self {
        Self { answered: true, outages: self.outages, ..Self::new(self.patience) }
    }

    fn no_answer(&mut self, cause: &str, now: Timestamp) -> Verdict {
        self.failures += 1;
        let since = *self.silent_since.get_or_insert(now);
        let patience = if self.answered { self.patience } else { self.patience.min(FIRST_PATIENCE) };
        if self.failures >= FAILURES_IN_A_ROW && now.since(since) >= patience {
            return Verdict::Silent(cause.to_owned());
        }
        // Calls that were on their way when the channel paused say nothing new.
        let is_news = self.paused_until.is_none_or(|until| now >= until);
        if self.failures < FAILURES_IN_A_ROW || !is_news {
            return Verdict::Open;
        }
        self.outages += u32::from(!self.is_out());
        let pause = PAUSES[self.pauses.min(PAUSES.len() - 1)];
        self.pauses += 1;
        self.paused_until = Some(now + pause);
        Verdict::Pause(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Attempt {
        Attempt::lost(None, "reset".into())
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    /// Each step: the second at which a call ends, whether it is answered, and the verdict.
    fn check(steps: &[(u64, bool, Verdict)]) {
        let mut health = Health::new(PATIENCE);
        for (n, (second, answered, verdict)) in steps.iter().enumerate() {
            let attempt = if *answered { Attempt::Done } else { lost() };
            assert_eq!(health.hear(&attempt, at(*second)), *verdict, "step {n}");
        }
    }

    fn pause(secs: u64) -> Verdict {
        Verdict::Pause(Duration::from_secs(secs))
    }

    #[test]
    fn several_failures_in_a_row_pause_and_each_failed_probe_pauses_longer() {
        use Verdict::{Fine, Open, Silent};
        check(&[
            (0, false, Open),
            (0, false, Open),
            (0, true, Fine),
            (1, false, Open),
            (1, false, Open),
            (1, false, Open),
            (1, false, Open),
            (1, false, pause(1)),
            (1, false, Open),
            (2, false, pause(2)),
            (4, false, pause(4)),
            (8, true, Fine),
            (9, false, Open),
            (400, false, Open),
            (400, false, Open),
            (400, false, Open),
            (400, false, Silent("reset".into())),
        ]);
    }

    #[test]
    fn a_platform_that_never_answered_is_given_up_sooner() {
        use Verdict::{Open, Silent};
        check(&[
            (0, false, Open),
            (1, false, Open),
            (2, false, Open),
            (11, false, Open),
            (11, false, Silent("reset".into())),
        ]);
    }

    #[test]
    fn nothing_but_429_ends_too() {
        let throttled = Attempt::Throttled { retry_after: None };
        let mut health = Health::new(PATIENCE);
        assert_eq!(health.hear(&throttled, at(0)), Verdict::Fine);
        assert_eq!(health.hear(&throttled, at(899)), Verdict::Fine);
        assert_eq!(health.hear(&throttled, at(900)), Verdict::Throttled);
        assert_eq!(health.hear(&Attempt::Done, at(901)), Verdict::Fine);
        assert_eq!(health.hear(&throttled, at(902)), Verdict::Fine);
    }

    #[test]
    fn every_sign_of_an_outage_counts_alike() {
        let signs = [
            Attempt::Unsent { cause: "connection refused".into() },
            Attempt::lost(None, "reset".into()),
            Attempt::lost(Some(502), "502 Bad Gateway".into()),
            Attempt::lost(Some(503), "503".into()),
            // A firewall's page.
            Attempt::lost(Some(403), "403 Forbidden with a body of type text/html".into()),
        ];
        let mut health = Health::new(PATIENCE);
        let verdicts: Vec<Verdict> = signs.iter().map(|sign| health.hear(sign, at(0))).collect();
        assert_eq!(verdicts[4], pause(1));
        assert!(verdicts[..4].iter().all(|verdict| *verdict == Verdict::Open));
    }

    #[test]
    fn patience_is_what_it_is_told_to_be() {
        // The seconds at which a platform that answered before, or never did, is given up: with a probe every half minute
        // at last, a little after its time.
        let check = |patience: u64, answers_first: bool, given_up: u64| {
            let mut health = Health::new(Duration::from_secs(patience));
            if answers_first {
                health.hear(&Attempt::Done, at(0));
            }
            let mut now = 0;
            let verdict = loop {
                match health.hear(&lost(), at(now)) {
                    Verdict::Open => {}
                    Verdict::Pause(wait) => now += wait.as_secs(),
                    verdict @ (Verdict::Fine | Verdict::Silent(_) | Verdict::Throttled) => break verdict,
                }
            };
            assert_eq!((verdict, now), (Verdict::Silent("reset".into()), given_up), "{patience} {answers_first}");
        };
        check(300, true, 301);
        check(3_600, true, 3_601);
        check(60, true, 61);
        check(0, true, 0);
        check(300, false, 15);
        check(5, false, 7);
    }

    #[test]
    fn an_outage_is_one_however_often_it_is_probed() {
        let mut health = Health::new(PATIENCE);
        let mut hear = |attempt: &Attempt, second| {
            health.hear(attempt, at(second));
            (health.outages(), health.is_out())
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
        // A refusal, of whatever kind, is a sign of life.
        assert_eq!(hear(&Attempt::Throttled { retry_after: None }, 9), (2, false));
    }
}
