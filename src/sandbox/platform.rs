//! The platform behind the routes: who calls, what chance has in store, what the limiter says, and then the call itself.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::response::Response;

use super::answer::{Answer, Refusal};
use super::body::Fields;
use super::contacts::{Contacts, Done, Moment};
use super::fault::{Fault, Stage};
use super::fault_answers::{Circumstances, answer_instead};
use super::faults::{Chance, Fate, Faults, Lag, Size, Subject};
use super::ledger::{CallRecord, Ledger};
use super::limit::{Limiter, Others, Verdict};
use super::request::ApiRequest;
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
    /// How large the request is.
    pub size: Size,
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
    pub async fn take(&self, caller: Caller, asked: ApiRequest) -> Response {
        let kind = asked.kind();
        let fate = self.fate(&caller, Some(&asked));
        let course = self.run(&caller, asked, &fate);
        self.answer(caller, Some(kind), course, fate.wait).await
    }

    /// Answers a call that is none of the six. The framework never gets as far as the token or the limiter.
    pub async fn take_other(&self, caller: Caller, refusal: Refusal) -> Response {
        let fate = self.fate(&caller, None);
        let now = self.clock.now();
        let course = self
            .struck(&fate, Stage::Network, None, now)
            .unwrap_or_else(|| Course::refused(now, self.refuse(&caller, &refusal)));
        self.answer(caller, None, course, fate.wait).await
    }

    /// Adds a contact without the API.
    pub fn insert(&self, token: &str, id: Option<ContactId>, fields: Fields, tags: Vec<String>) -> ContactId {
        self.without_call(token, |contacts, moment| match id {
            None => contacts.insert(fields, tags, moment),
            Some(id) => {
                contacts.insert_as(id.clone(), fields, tags, moment);
                id
            }
        })
    }

    /// Changes a contact without the API; returns whether there is one with this id.
    pub fn edit(&self, token: &str, id: &ContactId, fields: Fields, tags: Vec<String>) -> bool {
        self.without_call(token, |contacts, moment| contacts.edit(id, fields, tags, moment))
    }

    fn without_call<T>(&self, token: &str, change: impl FnOnce(&mut Contacts, Moment<'_>) -> T) -> T {
        let stored_forms = lock(&self.chance).stored_forms();
        let moment = Moment {
            now: self.clock.now(),
            lag: Lag::default(),
            origin: &self.origin,
            serial: &self.serial,
            fault: None,
            stored_forms: &stored_forms,
            hit_bytes: 0,
        };
        let channel = self.channel(token);
        change(&mut lock(&channel).contacts, moment)
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

    /// Gives the channel of a token to another one.
    pub fn replace_token(&self, old: &str, new: &str) {
        let channel = self.channel(old);
        lock(&self.channels).insert(new.into(), channel);
        self.refuse_token(old);
    }

    /// Answers to this token again as before it was refused.
    pub fn accept_token(&self, token: &str) {
        lock(&self.refused).remove(token);
    }

    /// What became of every call.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn fate(&self, caller: &Caller, asked: Option<&ApiRequest>) -> Fate {
        let is_about = |value: &str| {
            let channel = self.channel(&caller.token);
            asked.is_some_and(|asked| lock(&channel).contacts.is_about(asked, value))
        };
        lock(&self.chance).fate(&Subject { asked, size: caller.size, is_about: &is_about })
    }

    // Everything that has an effect happens here, without a wait: a caller that leaves cannot stop it half way.
    fn run(&self, caller: &Caller, asked: ApiRequest, fate: &Fate) -> Course {
        if let Some(course) = self.struck(fate, Stage::Network, Some(&asked), self.clock.now()) {
            return course;
        }
        if !self.knows(&caller.token) {
            return Course::refused(self.clock.now(), self.refuse(caller, &Refusal::Unauthorized));
        }
        let channel = self.channel(&caller.token);
        let mut channel = lock(&channel);
        let now = self.clock.now();
        let rate = self.config.rate;
        if let Some(course) = self.struck(fate, Stage::Gate, Some(&asked), now) {
            return course;
        }
        let Channel { limiter, others, .. } = &mut *channel;
        others.call(fate.others, limiter, now);
        let verdict = if fate.strip_limit { limiter.count(now).untold() } else { limiter.count(now) };
        if verdict.is_refused() {
            let answer = self.refuse(caller, &Refusal::TooManyCalls).limited(rate, verdict);
            return Course::refused(now, answer);
        }
        if let Some(course) = self.struck(fate, Stage::Refusal, Some(&asked), now) {
            let answer = course.answer.map(|answer| answer.limited(rate, verdict));
            return Course { answer, counted: true, ..course };
        }
        let writes = asked.writes();
        let is_of_the_call = |fault: &Fault| matches!(fault.stage(), Stage::Search | Stage::Create);
        let moment = Moment {
            now,
            lag: fate.lag,
            origin: &self.origin,
            serial: &self.serial,
            fault: fate.fault.filter(is_of_the_call),
            stored_forms: &fate.stored_forms,
            hit_bytes: fate.hit_bytes,
        };
        let Done { answer, contact, spared } = channel.contacts.carry_out(asked, moment);
        drop(channel);
        let fault = fate.fault.filter(|fault| !(spared && is_of_the_call(fault)));
        let applied = writes && answer.is_ok();
        let answer = answer.unwrap_or_else(|refusal| self.refuse(caller, &refusal)).limited(rate, verdict);
        let (answer, cut) = garble(answer, fate, rate, verdict);
        Course { at: now, answer, cut, counted: true, applied, contact, fault }
    }

    // The call whose fault strikes at this stage, before it has an effect. It is not counted yet.
    fn struck(&self, fate: &Fate, stage: Stage, asked: Option<&ApiRequest>, now: Timestamp) -> Option<Course> {
        let fault = fate.fault.filter(|fault| fault.stage() == stage)?;
        let Fate { throttle_seconds, as_page, .. } = *fate;
        let at = Circumstances { asked, rate: self.config.rate, throttle_seconds, as_page, now };
        let answer = answer_instead(fault, at);
        Some(Course { at: now, answer, cut: false, counted: false, applied: false, contact: None, fault: Some(fault) })
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

// What becomes of the answer to a call that was carried out, and whether it is cut short.
fn garble(answer: Answer, fate: &Fate, rate: u32, verdict: Verdict) -> (Option<Answer>, bool) {
    if fate.fault == Some(Fault::LoseAfter) {
        (None, false)
    } else if fate.fault == Some(Fault::ErrorAfter) {
        (Some(Answer::server_error(fate.as_page).limited(rate, verdict)), false)
    } else if fate.fault == Some(Fault::BadGatewayAfter) {
        (Some(Answer::bad_gateway()), false)
    } else {
        (Some(answer), fate.fault == Some(Fault::CutBody))
    }
}
