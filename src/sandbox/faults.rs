//! Fault injection: the rules and probabilities of faults, and the seeded random numbers that decide for each call.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::request::ApiRequest;
use super::stored_form::StoredForm;
use crate::core::call::CallKind;

/// The faults to inject, with their probabilities for each call, from 0 to 1.
///
/// At most one fault affects a call: the first one that is drawn, from the rules in their order and then from the fields in
/// theirs. The same seed and the same order of calls give the same faults. The default is a platform without faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// The seed of the random numbers.
    pub seed: u64,
    /// Further faults, each with the calls that it affects.
    pub rules: Vec<Rule>,
    /// Fields whose values the platform stores and returns in another form. A search finds them by both forms.
    pub stored_forms: Vec<(String, StoredForm)>,
    /// The size of the further field that each contact of [`Fault::EndlessHits`] has, in bytes. The default is 100,000.
    pub hit_bytes: usize,
    /// The connection closes without an answer, the call has no effect and is not counted.
    pub lose_before: f64,
    /// A proxy's 502 page; the call has no effect and is not counted.
    pub bad_gateway: f64,
    /// A 429 with its headers although the limit is not reached; no effect, not counted.
    pub throttle: f64,
    /// The `Retry-After` of such a 429 and of a 503, in seconds. The default is 1.
    pub throttle_seconds: u64,
    /// The same 429 without any of the headers.
    pub throttle_bare: f64,
    /// A 500 (JSON or a page, by chance) before the effect; counted.
    pub error_500: f64,
    /// The connection closes without an answer, after the effect.
    pub lose_after: f64,
    /// A 500 (JSON or a page, by chance) after the effect.
    pub error_500_after: f64,
    /// A proxy's 502 page after the effect.
    pub bad_gateway_after: f64,
    /// The connection closes after the head and half of the body, after the effect.
    pub cut_body: f64,
    /// The answer is delayed by [`Faults::slow_for`], independently of other faults.
    pub slow: f64,
    /// The delay of a slow answer.
    pub slow_for: Duration,
    /// The delay of every answer. The effect happens when the call arrives.
    pub latency: Duration,
    /// The time after its create for which calls on a contact are answered with 449 (API.md, trap 7).
    pub queued: Duration,
    /// The time until a search finds a new contact or a changed field (API.md, trap 13).
    pub late_search: Duration,
    /// Number of calls a minute that another client makes with each token, evenly. They count against the limit and are not
    /// in the ledger.
    pub others: u32,
    /// Whether answers have no `X-RateLimit-…` and no `Retry-After`.
    pub strip_limit: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            rules: Vec::new(),
            stored_forms: Vec::new(),
            hit_bytes: 100_000,
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

/// A fault and the calls that it affects: those that meet every condition, each with this probability.
///
/// ```
/// use contactsync::report::CallKind;
/// use contactsync::sandbox::{Fault, Rule};
///
/// let rule = Rule::always(Fault::TokenExpired).from_call(20);
/// assert_eq!("token-expired,from=20".parse(), Ok(rule));
/// let rule = Rule::always(Fault::UnknownError).share(0.1).on(CallKind::Find).on(CallKind::Read);
/// assert_eq!("unknown-error,share=0.1,on=find,on=read".parse(), Ok(rule));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The fault. It does not affect calls that it cannot change: only a search can be answered with an empty page.
    pub fault: Fault,
    /// The probability, from 0 to 1.
    pub probability: f64,
    /// The kinds of call; all kinds if empty.
    pub kinds: Vec<CallKind>,
    /// The first call, counted from 1 since the faults were set.
    pub from_call: u64,
    /// The last call; `None` for no end.
    pub until_call: Option<u64>,
    /// Calls over this size: of the body for [`Fault::BodyTooLarge`], of the path and query for [`Fault::UrlTooLong`],
    /// of these and the headers otherwise.
    pub over_bytes: usize,
    /// Calls with this value in a field, or on a contact that has it.
    pub value: Option<String>,
}

impl Rule {
    /// Creates a rule for every call.
    pub const fn always(fault: Fault) -> Self {
        Self { fault, probability: 1.0, kinds: Vec::new(), from_call: 1, until_call: None, over_bytes: 0, value: None }
    }

    /// Affects this share of the calls, from 0 to 1.
    #[must_use]
    pub fn share(self, probability: f64) -> Self {
        Self { probability, ..self }
    }

    /// Affects calls of this kind, in addition to the kinds added before.
    #[must_use]
    pub fn on(mut self, kind: CallKind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Affects calls from this one on, counted from 1 since the faults were set.
    #[must_use]
    pub fn from_call(self, from_call: u64) -> Self {
        Self { from_call, ..self }
    }

    /// Affects calls up to this one.
    #[must_use]
    pub fn until_call(self, call: u64) -> Self {
        Self { until_call: Some(call), ..self }
    }

    /// Affects calls over this size.
    #[must_use]
    pub fn over_bytes(self, over_bytes: usize) -> Self {
        Self { over_bytes, ..self }
    }

    /// Affects calls with this value.
    #[must_use]
    pub fn with_value(self, value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), ..self }
    }

    fn meets(&self, number: u64, call: &Subject<'_>) -> bool {
        let Size { url, head, body } = call.size;
        let measured = [(Fault::BodyTooLarge, body), (Fault::UrlTooLong, url)];
        let size = measured.into_iter().find(|(fault, _)| *fault == self.fault).map_or(head, |(_, size)| size);
        let is_kind = self.kinds.is_empty() || call.request.is_some_and(|request| self.kinds.contains(&request.kind()));
        number >= self.from_call
            && self.until_call.is_none_or(|last| number <= last)
            && is_kind
            && ApiRequest::is_affected(call.request, self.fault)
            && (self.over_bytes == 0 || size > self.over_bytes)
            && self.value.as_ref().is_none_or(|value| (call.is_about)(value))
    }
}

/// `FAULT[,share=N][,on=KIND][,from=CALL][,until=CALL][,over=BYTES][,value=TEXT]`; a `value` is the last part and may
/// contain commas.
impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (fault, mut conditions) = text.split_once(',').unwrap_or((text, ""));
        let mut rule = Self::always(fault.parse()?);
        while !conditions.is_empty() {
            if let Some(value) = conditions.strip_prefix("value=") {
                return Ok(rule.with_value(value));
            }
            let (condition, rest) = conditions.split_once(',').unwrap_or((conditions, ""));
            rule = rule.with(condition)?;
            conditions = rest;
        }
        Ok(rule)
    }
}

impl Rule {
    fn with(self, condition: &str) -> Result<Self, String> {
        let unknown =
            || format!("unknown condition `{condition}`; expected share=, on=, from=, until=, over= or value=");
        let (name, text) = condition.split_once('=').ok_or_else(unknown)?;
        match name {
            "share" => match text.parse::<f64>() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(self.share(share)),
                Ok(_) | Err(_) => Err(format!("expected a number from 0 to 1, found `{text}`")),
            },
            "on" => match CallKind::ALL.into_iter().find(|kind| kind.name() == text.replace('-', "_")) {
                Some(kind) => Ok(self.on(kind)),
                None => Err(format!(
                    "unknown kind of call `{text}`; expected {}",
                    CallKind::ALL.map(CallKind::name).join(", ")
                )),
            },
            "from" => number(text).map(|call| self.from_call(call)),
            "until" => number(text).map(|call| self.until_call(call)),
            "over" => number(text).map(|bytes| self.over_bytes(bytes)),
            _ => Err(unknown()),
        }
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("expected a whole number, found `{text}`"))
}

/// The properties of a call that rules check.
pub struct Subject<'a> {
    /// The call; `None` if it is none of the six.
    pub request: Option<&'a ApiRequest>,
    /// Its size.
    pub size: Size,
    /// Whether the call has a value, or is on a contact that has it.
    pub is_about: &'a dyn Fn(&str) -> bool,
}

/// The size of a request, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// The path and the query.
    pub url: usize,
    /// The path, the query and the headers.
    pub head: usize,
    /// The body, according to `Content-Length`.
    pub body: usize,
}

/// The conditions that are drawn for one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// The fault, if one was drawn.
    pub fault: Option<Fault>,
    /// Whether a 500 is a page.
    pub as_page: bool,
    /// The delay of the answer.
    pub wait: Duration,
    /// [`Faults::throttle_seconds`].
    pub throttle_seconds: u64,
    /// The delays after a write.
    pub lag: Lag,
    /// [`Faults::others`].
    pub others: u32,
    /// [`Faults::strip_limit`].
    pub strip_limit: bool,
    /// [`Faults::stored_forms`].
    pub stored_forms: Arc<[(String, StoredForm)]>,
    /// [`Faults::hit_bytes`].
    pub hit_bytes: usize,
}

/// The delays after a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// [`Faults::queued`].
    pub queued: Duration,
    /// [`Faults::late_search`].
    pub search: Duration,
}

/// The faults with the state of their random numbers.
#[derive(Debug)]
pub struct FaultInjector {
    faults: Faults,
    stored_forms: Arc<[(String, StoredForm)]>,
    rng: fastrand::Rng,
    calls: u64,
}

impl FaultInjector {
    /// Starts the random numbers at the seed of the faults.
    pub fn new(faults: Faults) -> Self {
        let stored_forms = faults.stored_forms.iter().cloned().collect();
        Self { rng: fastrand::Rng::with_seed(faults.seed), stored_forms, faults, calls: 0 }
    }

    /// [`Faults::stored_forms`].
    pub fn stored_forms(&self) -> Arc<[(String, StoredForm)]> {
        Arc::clone(&self.stored_forms)
    }

    /// Draws the conditions of the next call.
    pub fn conditions(&mut self, call: &Subject<'_>) -> Conditions {
        self.calls += 1;
        let fault = self.by_rule(call).or_else(|| self.by_field());
        let slow = if self.hits(self.faults.slow) { self.faults.slow_for } else { Duration::ZERO };
        Conditions {
            fault,
            as_page: matches!(fault, Some(Fault::Error | Fault::ErrorAfter)) && self.rng.bool(),
            wait: self.faults.latency + slow,
            throttle_seconds: self.faults.throttle_seconds,
            lag: Lag { queued: self.faults.queued, search: self.faults.late_search },
            others: self.faults.others,
            strip_limit: self.faults.strip_limit,
            stored_forms: self.stored_forms(),
            hit_bytes: self.faults.hit_bytes,
        }
    }

    fn by_rule(&mut self, call: &Subject<'_>) -> Option<Fault> {
        let Self { faults, rng, calls, .. } = self;
        let mut rules = faults.rules.iter().filter(|rule| rule.meets(*calls, call));
        rules.find(|rule| rng.f64() < rule.probability).map(|rule| rule.fault)
    }

    fn by_field(&mut self) -> Option<Fault> {
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
        failures.into_iter().find(|&(probability, _)| self.hits(probability)).map(|(_, fault)| fault)
    }

    fn hits(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.f64() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions_of_calls(faults: &Faults, count: usize) -> Vec<Conditions> {
        let mut injector = FaultInjector::new(faults.clone());
        (0..count).map(|_| injector.conditions(&subject(Some(&ApiRequest::Read(String::new()))))).collect()
    }

    fn subject(request: Option<&ApiRequest>) -> Subject<'_> {
        Subject { request, size: Size { url: 10, head: 100, body: 1_000 }, is_about: &|value| value == "mine" }
    }

    #[test]
    fn the_same_seed_gives_the_same_failures() {
        let faults = Faults { seed: 7, lose_after: 0.2, error_500: 0.2, slow: 0.5, ..Faults::default() };
        assert_eq!(conditions_of_calls(&faults, 200), conditions_of_calls(&faults, 200));
        assert_ne!(conditions_of_calls(&faults, 200), conditions_of_calls(&Faults { seed: 8, ..faults }, 200));
    }

    #[test]
    fn failures_come_as_often_as_asked() {
        let faults = Faults { lose_before: 0.1, cut_body: 0.5, ..Faults::default() };
        let conditions_of_calls = conditions_of_calls(&faults, 10_000);
        let share = |fault| conditions_of_calls.iter().filter(|conditions| conditions.fault == Some(fault)).count();
        assert!((900..1_100).contains(&share(Fault::LoseBefore)), "{}", share(Fault::LoseBefore));
        // Half of what the earlier failure left.
        assert!((4_300..4_700).contains(&share(Fault::CutBody)), "{}", share(Fault::CutBody));
    }

    #[test]
    fn the_default_has_no_faults() {
        for conditions in conditions_of_calls(&Faults::default(), 100) {
            assert_eq!((conditions.fault, conditions.wait, conditions.lag), (None, Duration::ZERO, Lag::default()));
        }
    }

    #[test]
    fn a_rule_strikes_the_calls_that_meet_it() {
        let (read, create) = (ApiRequest::Read(String::new()), ApiRequest::Create(Ok(Vec::new())));
        // Which of five calls are struck.
        let check = |rule: &str, request: Option<&ApiRequest>, expected: [u8; 5]| {
            let faults = Faults { rules: vec![rule.parse().unwrap()], ..Faults::default() };
            let mut injector = FaultInjector::new(faults);
            let injected = [(); 5].map(|()| u8::from(injector.conditions(&subject(request)).fault.is_some()));
            assert_eq!(injected, expected, "{rule} {request:?}");
        };
        check("unknown-error", Some(&read), [1; 5]);
        check("unknown-error", None, [0; 5]);
        check("not-found-page", None, [1; 5]);
        check("not-found-page,on=read", None, [0; 5]);
        check("unknown-error,share=0", Some(&read), [0; 5]);
        check("unknown-error,on=create", Some(&read), [0; 5]);
        check("unknown-error,on=create,on=read", Some(&read), [1; 5]);
        check("unknown-error,from=3", Some(&read), [0, 0, 1, 1, 1]);
        check("unknown-error,from=2,until=4", Some(&read), [0, 1, 1, 1, 0]);
        check("unknown-error,value=mine", Some(&read), [1; 5]);
        check("unknown-error,value=mine, not", Some(&read), [0; 5]);
        check("body-too-large,over=999", Some(&create), [1; 5]);
        check("body-too-large,over=1000", Some(&create), [0; 5]);
        check("url-too-long,over=9", Some(&read), [1; 5]);
        check("url-too-long,over=10", Some(&read), [0; 5]);
        check("head-too-large,over=99", Some(&read), [1; 5]);
        check("head-too-large,over=100", Some(&read), [0; 5]);
        check("empty-with-total", Some(&read), [0; 5]);
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_explained() {
        let check = |rule: &str, expected: &str| {
            let error = rule.parse::<Rule>().unwrap_err();
            assert!(error.contains(expected), "{rule}: {error}");
        };
        check("", "unknown fault ``");
        check("nonsense", "unknown fault `nonsense`");
        check("unknown-error,often", "unknown condition `often`");
        check("unknown-error,often=1", "unknown condition `often=1`");
        check("unknown-error,share=2", "expected a number from 0 to 1, found `2`");
        check("unknown-error,share=NaN", "expected a number from 0 to 1, found `NaN`");
        check("unknown-error,on=delete", "unknown kind of call `delete`");
        check("unknown-error,from=x", "expected a whole number, found `x`");
    }

    #[test]
    fn rules_come_before_the_fields_and_in_their_order() {
        let rules =
            vec![Rule::always(Fault::BadRequest).until_call(1), Rule::always(Fault::UnknownError).until_call(2)];
        let faults = Faults { rules, lose_after: 1.0, ..Faults::default() };
        let injected: Vec<_> =
            conditions_of_calls(&faults, 3).into_iter().filter_map(|conditions| conditions.fault).collect();
        assert_eq!(injected, [Fault::BadRequest, Fault::UnknownError, Fault::LoseAfter]);
    }
}
