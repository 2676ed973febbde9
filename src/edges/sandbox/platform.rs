//! The platform behind the routes: who calls, what chance has in store, what the limiter says, and then the call itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::response::Response;

use super::answer::{Answer, Refusal};
use super::body::Fields;
use super::contacts::{Asked, Contacts, Done, Moment};
use super::faults::{Chance, Fate, Fault, Faults};
use super::ledger::{CallRecord, Ledger};
use super::limit::{Limiter, Others, Verdict};
use super::{Config, lock};
use crate::core::call::CallKind;
use crate::core::model::ContactId;
use crate::core::time::Timestamp;

/// The page to which a caller is sent that does not ask for JSON.
pub const LOGIN_PATH: &str = "/login";

/// Who calls, as far as the headers say.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The bearer token; empty when there is none.
    pub token: Arc<str>,
    /// Whether it asks for JSON. Without that the framework redirects instead of naming an error.
    pub wants_json: bool,
}

/// All that the platform knows.
#[derive(Debug)]
pub struct Platform {
    config: Config,
    origin: String,
    unique: Arc<[String]>,
    clock: Clock,
    chance: Mutex<Chance>,
    channels: Mutex<HashMap<Arc<str>, Arc<Mutex<Channel>>>>,
    refused: Mutex<HashSet<String>>,
    serial: AtomicU64,
    ledger: Ledger,
}

#[derive(Debug)]
struct Channel {
    limiter: Limiter,
    others: Others,
    contacts: Contacts,
}

// A clock that is never set back, so that the ledger's two times and the limiter's agree.
#[derive(Debug)]
struct Clock {
    started: Instant,
    started_at: Timestamp,
}

// How far a call came, for the ledger.
struct Course {
    at: Timestamp,
    answer: Option<Answer>,
    cut: bool,
    counted: bool,
    applied: bool,
    contact: Option<ContactId>,
    // The failure that befell it. A call that is refused before its failure could is spared it.
    fault: Option<Fault>,
}

impl Platform {
    /// An empty platform that says it is at `origin` (`http://` and a host).
    pub fn new(config: Config, origin: String) -> Self {
        Self {
            origin,
            unique: config.unique_fields.iter().cloned().collect(),
            clock: Clock::start(),
            chance: Mutex::new(Chance::new(config.faults.clone())),
            channels: Mutex::default(),
            refused: Mutex::default(),
            serial: AtomicU64::new(0),
            ledger: Ledger::default(),
            config,
        }
    }

    /// Takes one of the six calls and answers it.
    pub async fn take(&self, caller: Caller, asked: Asked) -> Response {
        let kind = asked.kind();
        let fate = lock(&self.chance).fate();
        let course = self.run(&caller, asked, &fate);
        self.answer(caller, Some(kind), course, fate.wait).await
    }

    /// Answers a call that is none of the six. The framework never gets as far as the token or the limiter.
    pub async fn take_other(&self, caller: Caller, refusal: Refusal) -> Response {
        let fate = lock(&self.chance).fate();
        let now = self.clock.now();
        let course =
            lost_on_the_way(&fate, now).unwrap_or_else(|| Course::refused(now, self.refuse(&caller, &refusal)));
        self.answer(caller, None, course, fate.wait).await
    }

    /// Puts a contact there past the API.
    pub fn insert(&self, token: &str, fields: Fields, tags: Vec<String>) -> ContactId {
        let channel = self.channel(token);
        let mut channel = lock(&channel);
        channel.contacts.insert(fields, tags, &self.serial, self.clock.now())
    }

    /// What `look` sees of a token's contacts.
    pub fn look<T>(&self, token: &str, look: impl FnOnce(&Contacts) -> T) -> T {
        look(&lock(&self.channel(token)).contacts)
    }

    /// Replaces the faults and starts their chance anew.
    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.chance) = Chance::new(faults);
    }

    /// Answers 401 to this token from now on.
    pub fn refuse_token(&self, token: &str) {
        lock(&self.refused).insert(token.to_owned());
    }

    /// Answers to this token again as before it was refused.
    pub fn accept_token(&self, token: &str) {
        lock(&self.refused).remove(token);
    }

    /// What became of every call.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    // Everything that has an effect happens here, without a wait: a caller that leaves cannot stop it half way.
    fn run(&self, caller: &Caller, asked: Asked, fate: &Fate) -> Course {
        if let Some(course) = lost_on_the_way(fate, self.clock.now()) {
            return course;
        }
        if !self.knows(&caller.token) {
            return Course::refused(self.clock.now(), self.refuse(caller, &Refusal::Unauthorized));
        }
        let channel = self.channel(&caller.token);
        let mut channel = lock(&channel);
        let now = self.clock.now();
        let rate = self.config.rate;
        if fate.fault == Some(Fault::Throttle) {
            let answer = Answer::throttled(rate, fate.throttle_seconds, now.as_millis() / 1_000);
            return Course { fault: fate.fault, ..Course::refused(now, answer) };
        }
        if fate.fault == Some(Fault::ThrottleBare) {
            return Course { fault: fate.fault, ..Course::refused(now, Refusal::TooManyCalls.answer()) };
        }
        let Channel { limiter, others, .. } = &mut *channel;
        others.call(fate.others, limiter, now);
        let verdict = if fate.strip_limit { limiter.count(now).untold() } else { limiter.count(now) };
        if verdict.is_refused() {
            let answer = self.refuse(caller, &Refusal::TooManyCalls).limited(rate, verdict);
            return Course::refused(now, answer);
        }
        if fate.fault == Some(Fault::Error) {
            let answer = Answer::server_error(fate.as_page).limited(rate, verdict);
            return Course { counted: true, fault: fate.fault, ..Course::refused(now, answer) };
        }
        let writes = asked.writes();
        let moment = Moment { now, lag: fate.lag, origin: &self.origin, serial: &self.serial };
        let Done { answer, contact } = channel.contacts.carry_out(asked, moment);
        drop(channel);
        let applied = writes && answer.is_ok();
        let answer = answer.unwrap_or_else(|refusal| self.refuse(caller, &refusal)).limited(rate, verdict);
        let (answer, cut) = garble(answer, fate, rate, verdict);
        Course { at: now, answer, cut, counted: true, applied, contact, fault: fate.fault }
    }

    async fn answer(&self, caller: Caller, kind: Option<CallKind>, course: Course, wait: Duration) -> Response {
        let Course { at, answer, cut, counted, applied, contact, fault } = course;
        let place = self.ledger.enter(CallRecord {
            at,
            since_start: at.since(self.clock.started_at),
            token: caller.token,
            kind,
            status: answer.as_ref().map(Answer::status),
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
            None => Answer::swallowed(),
            Some(answer) if cut => answer.cut(),
            Some(answer) => {
                self.ledger.deliver(place, self.clock.now().since(self.clock.started_at));
                answer.whole()
            }
        }
    }

    fn refuse(&self, caller: &Caller, refusal: &Refusal) -> Answer {
        if caller.wants_json { refusal.answer() } else { Answer::redirect(&format!("{}{LOGIN_PATH}", self.origin)) }
    }

    fn knows(&self, token: &str) -> bool {
        let Config { tokens, viber_tokens, .. } = &self.config;
        let listed = |tokens: &[String]| tokens.iter().any(|known| known == token);
        let known = !token.is_empty() && (tokens.is_empty() || listed(tokens) || listed(viber_tokens));
        known && !lock(&self.refused).contains(token)
    }

    fn channel(&self, token: &str) -> Arc<Mutex<Channel>> {
        let mut channels = lock(&self.channels);
        if let Some(channel) = channels.get(token) {
            return Arc::clone(channel);
        }
        let viber = self.config.viber_tokens.iter().any(|known| known == token);
        let channel = Arc::new(Mutex::new(Channel {
            limiter: Limiter::new(self.config.rate, self.config.window),
            others: Others::default(),
            contacts: Contacts::new(viber, Arc::clone(&self.unique)),
        }));
        channels.insert(token.into(), Arc::clone(&channel));
        channel
    }
}

impl Clock {
    fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at: Timestamp::from_millis(0) + since_epoch }
    }

    fn now(&self) -> Timestamp {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_at + Duration::from_millis(millis)
    }
}

impl Course {
    // Refused before the limiter counted it.
    fn refused(at: Timestamp, answer: Answer) -> Self {
        Self { at, answer: Some(answer), cut: false, counted: false, applied: false, contact: None, fault: None }
    }
}

// What befalls a call before it reaches the framework.
fn lost_on_the_way(fate: &Fate, at: Timestamp) -> Option<Course> {
    let answer = match fate.fault? {
        Fault::LoseBefore => None,
        Fault::BadGateway => Some(Answer::bad_gateway()),
        Fault::Throttle
        | Fault::ThrottleBare
        | Fault::Error
        | Fault::LoseAfter
        | Fault::ErrorAfter
        | Fault::BadGatewayAfter
        | Fault::CutBody => return None,
    };
    Some(Course { at, answer, cut: false, counted: false, applied: false, contact: None, fault: fate.fault })
}

// What befalls the answer to a call that was carried out, and whether it is cut short.
fn garble(answer: Answer, fate: &Fate, rate: u32, verdict: Verdict) -> (Option<Answer>, bool) {
    match fate.fault {
        Some(Fault::LoseAfter) => (None, false),
        Some(Fault::ErrorAfter) => (Some(Answer::server_error(fate.as_page).limited(rate, verdict)), false),
        Some(Fault::BadGatewayAfter) => (Some(Answer::bad_gateway()), false),
        Some(Fault::CutBody) => (Some(answer), true),
        Some(Fault::LoseBefore | Fault::BadGateway | Fault::Throttle | Fault::ThrottleBare | Fault::Error) | None => {
            (Some(answer), false)
        }
    }
}
