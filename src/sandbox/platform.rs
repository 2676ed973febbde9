//! The platform behind the routes: checks the token, the injected faults and the limiter, and then applies the call.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::response::Response;

use super::answer::{ApiError, Reply};
use super::body::Fields;
use super::channels::{Channel, ChannelState, Channels};
use super::contacts::{CallContext, Contacts, Done};
use super::fault::{Fault, FaultStage};
use super::fault_answers::{FaultContext, answer_instead};
use super::faults::{Conditions, FaultInjector, Faults, Lag, Size, Subject};
use super::ledger::{CallRecord, Ledger};
use super::limit::RateVerdict;
use super::request::ApiRequest;
use super::saved_state::{SavedChannel, SavedState};
use super::{Config, lock};
use crate::core::call::CallKind;
use crate::core::model::ContactId;
use crate::core::time::Timestamp;

/// The page to which a caller that does not ask for JSON is redirected.
pub const LOGIN_PATH: &str = "/login";

/// The caller, according to the headers.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The bearer token; empty if there is none.
    pub token: Arc<str>,
    /// Whether it asks for JSON. Otherwise the framework redirects instead of reporting an error.
    pub wants_json: bool,
    /// The size of the request.
    pub size: Size,
}

/// The state of the platform.
#[derive(Debug)]
pub struct Platform {
    config: Config,
    origin: String,
    clock: ServerClock,
    injector: Mutex<FaultInjector>,
    channels: Channels,
    refused: Mutex<HashSet<String>>,
    serial: AtomicU64,
    ledger: Ledger,
}

/// A moment, by the platform's clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub at: Timestamp,
    /// The time since the start of the platform.
    pub since_start: Duration,
}

// A monotonic clock, so that the two times of the ledger and that of the limiter agree.
#[derive(Debug)]
struct ServerClock {
    started: Instant,
    started_at: Timestamp,
}

// The result of a call, for the ledger.
struct HandledCall {
    at: Timestamp,
    answer: Option<Reply>,
    cut: bool,
    counted: bool,
    applied: bool,
    contact: Option<ContactId>,
    // The fault that affected it. A call that is refused before the stage of its fault is not affected.
    fault: Option<Fault>,
}

impl Platform {
    /// Creates a platform at `origin` (`http://` and a host) with the contacts of a saved state.
    pub fn new(config: Config, origin: String, saved: SavedState) -> Self {
        Self {
            origin,
            clock: ServerClock::start(),
            injector: Mutex::new(FaultInjector::new(config.faults.clone())),
            channels: Channels::new(&config, saved.channels),
            refused: Mutex::default(),
            serial: AtomicU64::new(saved.created),
            ledger: Ledger::default(),
            config,
        }
    }

    /// Answers one of the six calls.
    pub async fn take(&self, caller: Caller, request: ApiRequest) -> Response {
        let kind = request.kind();
        let conditions = self.conditions(&caller, Some(&request));
        let handled = self.run(&caller, request, &conditions);
        self.answer(caller, Some(kind), handled, conditions.wait).await
    }

    /// Answers a request that is none of the six calls. The framework then checks neither the token nor the limiter.
    pub async fn take_other(&self, caller: Caller, refusal: ApiError) -> Response {
        let conditions = self.conditions(&caller, None);
        let now = self.clock.now();
        let handled = self
            .injected(&conditions, FaultStage::Network, None, now)
            .unwrap_or_else(|| HandledCall::refused(now, self.refuse(&caller, &refusal)));
        self.answer(caller, None, handled, conditions.wait).await
    }

    /// Adds a contact without the API.
    pub fn insert(&self, token: &str, id: Option<ContactId>, fields: Fields, tags: Vec<String>) -> ContactId {
        self.without_call(token, |contacts, context| match id {
            None => contacts.insert(fields, tags, context),
            Some(id) => {
                contacts.insert_as(id.clone(), fields, tags, context);
                id
            }
        })
    }

    /// Changes a contact without the API; returns whether there is one with this id.
    pub fn edit(&self, token: &str, id: &ContactId, fields: Fields, tags: Vec<String>) -> bool {
        self.without_call(token, |contacts, context| contacts.edit(id, fields, tags, context))
    }

    fn without_call<T>(&self, token: &str, change: impl FnOnce(&mut Contacts, CallContext<'_>) -> T) -> T {
        let stored_forms = lock(&self.injector).stored_forms();
        let context = CallContext {
            now: self.clock.now(),
            lag: Lag::default(),
            origin: &self.origin,
            serial: &self.serial,
            fault: None,
            stored_forms: &stored_forms,
            hit_bytes: 0,
        };
        change(&mut self.channels.of(token).state().contacts, context)
    }

    /// Returns what `read` returns for the contacts of a token.
    pub fn with_contacts<T>(&self, token: &str, read: impl FnOnce(&Contacts) -> T) -> T {
        match self.channels.existing(token) {
            Some(channel) => read(&channel.state().contacts),
            None => read(&Contacts::new(false, Arc::default())),
        }
    }

    /// All channels with their tokens, in the order in which they became known. The token of a restored channel is not known
    /// until it is used.
    pub fn channels(&self) -> Vec<(Option<Arc<str>>, Arc<Channel>)> {
        self.channels.all()
    }

    /// The contacts of all channels, to be saved.
    pub fn saved(&self) -> SavedState {
        let saved = |(_, channel): (_, Arc<Channel>)| SavedChannel {
            token: channel.label.clone(),
            token_hash: channel.token_hash.clone(),
            contacts: channel.state().contacts.saved(),
        };
        let channels = self.channels.all().into_iter().map(saved).filter(|channel| !channel.contacts.is_empty());
        let channels = channels.collect();
        SavedState { created: self.serial.load(Ordering::Relaxed), channels }
    }

    /// A number that grows with every change of a contact.
    pub fn changes(&self) -> u64 {
        self.channels.all().iter().map(|(_, channel)| channel.state().contacts.changes()).sum()
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The base URL of the API.
    pub fn url(&self) -> String {
        format!("{}/api/v1", self.origin)
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        let at = self.clock.now();
        Moment { at, since_start: at.since(self.clock.started_at) }
    }

    /// Replaces the faults and restarts their random numbers.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.injector) = FaultInjector::new(faults);
    }

    /// Answers 401 to this token from now on.
    pub fn refuse_token(&self, token: &str) {
        lock(&self.refused).insert(token.to_owned());
    }

    /// Moves the channel of a token to another token.
    pub fn replace_token(&self, old: &str, new: &str) {
        self.channels.rename(old, new);
        self.refuse_token(old);
    }

    /// Accepts this token again.
    pub fn accept_token(&self, token: &str) {
        lock(&self.refused).remove(token);
    }

    /// The record of every call.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn conditions(&self, caller: &Caller, request: Option<&ApiRequest>) -> Conditions {
        let is_about = |value: &str| {
            let channel = self.channels.of(&caller.token);
            request.is_some_and(|request| channel.state().contacts.is_about(request, value))
        };
        lock(&self.injector).conditions(&Subject { request, size: caller.size, is_about: &is_about })
    }

    // All effects happen here, without a wait, so that a caller that disconnects cannot interrupt them.
    fn run(&self, caller: &Caller, request: ApiRequest, conditions: &Conditions) -> HandledCall {
        if let Some(handled) = self.injected(conditions, FaultStage::Network, Some(&request), self.clock.now()) {
            return handled;
        }
        if !self.knows(&caller.token) {
            return HandledCall::refused(self.clock.now(), self.refuse(caller, &ApiError::Unauthorized));
        }
        let channel = self.channels.of(&caller.token);
        let mut channel = channel.state();
        let now = self.clock.now();
        let rate = self.config.rate;
        if let Some(handled) = self.injected(conditions, FaultStage::Gate, Some(&request), now) {
            return handled;
        }
        let ChannelState { limiter, others, .. } = &mut *channel;
        others.call(conditions.others, limiter, now);
        let verdict = if conditions.strip_limit { limiter.count(now).without_headers() } else { limiter.count(now) };
        if verdict.is_refused() {
            let answer = self.refuse(caller, &ApiError::TooManyCalls).limited(rate, verdict);
            return HandledCall::refused(now, answer);
        }
        if let Some(handled) = self.injected(conditions, FaultStage::Refusal, Some(&request), now) {
            let answer = handled.answer.map(|answer| answer.limited(rate, verdict));
            return HandledCall { answer, counted: true, ..handled };
        }
        let writes = request.writes();
        let is_of_the_call = |fault: &Fault| matches!(fault.stage(), FaultStage::Search | FaultStage::Create);
        let context = CallContext {
            now,
            lag: conditions.lag,
            origin: &self.origin,
            serial: &self.serial,
            fault: conditions.fault.filter(is_of_the_call),
            stored_forms: &conditions.stored_forms,
            hit_bytes: conditions.hit_bytes,
        };
        let Done { answer, contact, is_unaffected } = channel.contacts.apply(request, context);
        drop(channel);
        let fault = conditions.fault.filter(|fault| !(is_unaffected && is_of_the_call(fault)));
        let applied = writes && answer.is_ok();
        let answer = answer.unwrap_or_else(|refusal| self.refuse(caller, &refusal)).limited(rate, verdict);
        let (answer, cut) = garbled(answer, conditions, rate, verdict);
        HandledCall { at: now, answer, cut, counted: true, applied, contact, fault }
    }

    // The result of a call whose fault occurs at this stage, before its effect. It is not counted yet.
    fn injected(
        &self,
        conditions: &Conditions,
        stage: FaultStage,
        request: Option<&ApiRequest>,
        now: Timestamp,
    ) -> Option<HandledCall> {
        let fault = conditions.fault.filter(|fault| fault.stage() == stage)?;
        let Conditions { throttle_seconds, as_page, .. } = *conditions;
        let at = FaultContext { request, rate: self.config.rate, throttle_seconds, as_page, now };
        let answer = answer_instead(fault, at);
        Some(HandledCall {
            at: now,
            answer,
            cut: false,
            counted: false,
            applied: false,
            contact: None,
            fault: Some(fault),
        })
    }

    async fn answer(&self, caller: Caller, kind: Option<CallKind>, handled: HandledCall, wait: Duration) -> Response {
        let HandledCall { at, answer, cut, counted, applied, contact, fault } = handled;
        let place = self.ledger.enter(CallRecord {
            at,
            since_start: at.since(self.clock.started_at),
            token: caller.token,
            kind,
            status: answer.as_ref().map(Reply::status),
            counted,
            applied,
            delivered: false,
            delivered_at: None,
            contact,
            fault,
        });
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match answer {
            None => Reply::dropped(),
            Some(answer) if cut => answer.cut(),
            Some(answer) => {
                self.ledger.deliver(place, self.clock.now().since(self.clock.started_at));
                answer.whole()
            }
        }
    }

    fn refuse(&self, caller: &Caller, refusal: &ApiError) -> Reply {
        if caller.wants_json { refusal.answer() } else { Reply::redirect(&format!("{}{LOGIN_PATH}", self.origin)) }
    }

    fn knows(&self, token: &str) -> bool {
        let Config { tokens, viber_tokens, .. } = &self.config;
        let listed = |tokens: &[String]| tokens.iter().any(|known| known == token);
        let known = !token.is_empty() && (tokens.is_empty() || listed(tokens) || listed(viber_tokens));
        known && !lock(&self.refused).contains(token)
    }
}

impl ServerClock {
    fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at: Timestamp::from_millis(0) + since_epoch }
    }

    fn now(&self) -> Timestamp {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_at + Duration::from_millis(millis)
    }
}

impl HandledCall {
    // A call that was refused before the limiter counted it.
    fn refused(at: Timestamp, answer: Reply) -> Self {
        Self { at, answer: Some(answer), cut: false, counted: false, applied: false, contact: None, fault: None }
    }
}

// The answer to a call after its effect, as its fault changes it, and whether it is cut.
fn garbled(answer: Reply, conditions: &Conditions, rate: u32, verdict: RateVerdict) -> (Option<Reply>, bool) {
    if conditions.fault == Some(Fault::LoseAfter) {
        (None, false)
    } else if conditions.fault == Some(Fault::ErrorAfter) {
        (Some(Reply::server_error(conditions.as_page).limited(rate, verdict)), false)
    } else if conditions.fault == Some(Fault::BadGatewayAfter) {
        (Some(Reply::bad_gateway()), false)
    } else {
        (Some(answer), conditions.fault == Some(Fault::CutBody))
    }
}
