//! Faults on demand: what may go wrong with a call, and the seeded chance that says with which.

use std::time::Duration;

use serde::Serialize;

/// What goes wrong, and how often: probabilities are between 0 and 1, each for one call.
///
/// At most one of the failures befalls a call: the first that its chance hits, in the order of the fields here. The
/// same seed and the same order of calls give the same failures. The default is a platform without faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Where the chance starts.
    pub seed: u64,
    /// The connection closes without an answer, the call has no effect and is not counted.
    pub lose_before: f64,
    /// A proxy's 502 page; the call has no effect and is not counted.
    pub bad_gateway: f64,
    /// A 429 with its headers although the limit is not reached; no effect, not counted.
    pub throttle: f64,
    /// What the `Retry-After` of such a 429 says, in seconds. The default is 1.
    pub throttle_seconds: u64,
    /// The same 429 without any of the headers.
    pub throttle_bare: f64,
    /// A 500 (JSON or a page, by chance) before the effect; counted.
    pub error_500: f64,
    /// The call has its effect, then the connection closes without an answer.
    pub lose_after: f64,
    /// A 500 (JSON or a page, by chance) after the effect.
    pub error_500_after: f64,
    /// A proxy's 502 page after the effect.
    pub bad_gateway_after: f64,
    /// The call has its effect; the answer's head and half of its body come, then the connection closes.
    pub cut_body: f64,
    /// The answer waits for [`Faults::slow_for`]. Befalls a call beside a failure.
    pub slow: f64,
    /// How long a slow answer waits.
    pub slow_for: Duration,
    /// How long every answer waits. The effect itself comes with the call's arrival.
    pub latency: Duration,
    /// 449 for calls on a contact that was created less than this ago (API.md, trap 7).
    pub queued: Duration,
    /// How long a search does not see a new contact or a changed field (API.md, trap 13).
    pub late_search: Duration,
    /// How many calls a minute somebody else makes with each token, evenly: they count against the limit, and are in no
    /// ledger.
    pub others: u32,
    /// Whether a host strips what the limiter says: no `X-RateLimit-…` and no `Retry-After`.
    pub strip_limit: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            lose_before: 0.0,
            bad_gateway: 0.0,
            throttle: 0.0,
            throttle_seconds: 1,
            throttle_bare: 0.0,
            error_500: 0.0,
            lose_after: 0.0,
            error_500_after: 0.0,
            bad_gateway_after: 0.0,
            cut_body: 0.0,
            slow: 0.0,
            slow_for: Duration::ZERO,
            latency: Duration::ZERO,
            queued: Duration::ZERO,
            late_search: Duration::ZERO,
            others: 0,
            strip_limit: false,
        }
    }
}

/// The failure that befell a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// [`Faults::lose_before`].
    LoseBefore,
    /// [`Faults::bad_gateway`].
    BadGateway,
    /// [`Faults::throttle`].
    Throttle,
    /// [`Faults::throttle_bare`].
    ThrottleBare,
    /// [`Faults::error_500`].
    #[serde(rename = "error_500")]
    Error,
    /// [`Faults::lose_after`].
    LoseAfter,
    /// [`Faults::error_500_after`].
    #[serde(rename = "error_500_after")]
    ErrorAfter,
    /// [`Faults::bad_gateway_after`].
    BadGatewayAfter,
    /// [`Faults::cut_body`].
    CutBody,
}

/// What chance has in store for one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fate {
    /// The failure, if one hits.
    pub fault: Option<Fault>,
    /// Whether a 500 comes as a page.
    pub as_page: bool,
    /// How long the answer waits.
    pub wait: Duration,
    /// The `Retry-After` of a 429 under the limit.
    pub throttle_seconds: u64,
    /// How long what the call writes takes to be seen.
    pub lag: Lag,
    /// [`Faults::others`].
    pub others: u32,
    /// [`Faults::strip_limit`].
    pub strip_limit: bool,
}

/// How far parts of the platform lag behind a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// [`Faults::queued`].
    pub queued: Duration,
    /// [`Faults::late_search`].
    pub search: Duration,
}

/// The faults with the state of their chance.
#[derive(Debug)]
pub struct Chance {
    faults: Faults,
    rng: fastrand::Rng,
}

impl Chance {
    /// Starts the chance at the seed that the faults name.
    pub fn new(faults: Faults) -> Self {
        Self { rng: fastrand::Rng::with_seed(faults.seed), faults }
    }

    /// What the next call meets.
    pub fn fate(&mut self) -> Fate {
        let failures = [
            (self.faults.lose_before, Fault::LoseBefore),
            (self.faults.bad_gateway, Fault::BadGateway),
            (self.faults.throttle, Fault::Throttle),
            (self.faults.throttle_bare, Fault::ThrottleBare),
            (self.faults.error_500, Fault::Error),
            (self.faults.lose_after, Fault::LoseAfter),
            (self.faults.error_500_after, Fault::ErrorAfter),
            (self.faults.bad_gateway_after, Fault::BadGatewayAfter),
            (self.faults.cut_body, Fault::CutBody),
        ];
        let fault = failures.into_iter().find(|&(probability, _)| self.hits(probability)).map(|(_, fault)| fault);
        let slow = if self.hits(self.faults.slow) { self.faults.slow_for } else { Duration::ZERO };
        Fate {
            fault,
            as_page: matches!(fault, Some(Fault::Error | Fault::ErrorAfter)) && self.rng.bool(),
            wait: self.faults.latency + slow,
            throttle_seconds: self.faults.throttle_seconds,
            lag: Lag { queued: self.faults.queued, search: self.faults.late_search },
            others: self.faults.others,
            strip_limit: self.faults.strip_limit,
        }
    }

    fn hits(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.f64() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(faults: &Faults, count: usize) -> Vec<Fate> {
        let mut chance = Chance::new(faults.clone());
        (0..count).map(|_| chance.fate()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_failures() {
        let faults = Faults { seed: 7, lose_after: 0.2, error_500: 0.2, slow: 0.5, ..Faults::default() };
        assert_eq!(fates(&faults, 200), fates(&faults, 200));
        assert_ne!(fates(&faults, 200), fates(&Faults { seed: 8, ..faults }, 200));
    }

    #[test]
    fn failures_come_as_often_as_asked() {
        let faults = Faults { lose_before: 0.1, cut_body: 0.5, ..Faults::default() };
        let fates = fates(&faults, 10_000);
        let share = |fault| fates.iter().filter(|fate| fate.fault == Some(fault)).count();
        assert!((900..1_100).contains(&share(Fault::LoseBefore)), "{}", share(Fault::LoseBefore));
        // Half of what the earlier failure left.
        assert!((4_300..4_700).contains(&share(Fault::CutBody)), "{}", share(Fault::CutBody));
    }

    #[test]
    fn the_default_has_no_faults() {
        for fate in fates(&Faults::default(), 100) {
            assert_eq!((fate.fault, fate.wait, fate.lag), (None, Duration::ZERO, Lag::default()));
        }
    }
}
