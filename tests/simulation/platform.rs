//! The model of the platform: contacts, the limiter, faults, and the ledger of what really happened.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use contactsync::{
    Answer, Attempt, Call, CallKind, Cleared, ContactId, Field, Page, RateLimit, Remote, Transport, Value,
};
use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::oracle::MINUTE;
use crate::scenario::Bug;

/// How often each thing goes wrong, as a share of the calls.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub unsent: f64,
    pub lost_before: f64,
    pub lost_after: f64,
    pub throttled: f64,
    /// What such a 429 asks for, in seconds; a second or nothing, by chance, when `None`.
    pub throttled_for: Option<u64>,
    pub queued: f64,
    /// How long a new contact cannot be found.
    pub late_search: Duration,
    /// The longest way to the platform, and back.
    pub latency: Duration,
    /// When it is not there, in milliseconds from the beginning.
    pub outages: Vec<(Range<u64>, Outage)>,
    /// The platform's own limit, where that is not ours, or where somebody else uses the token as well.
    pub limit: Option<u32>,
    /// How many calls a minute somebody else makes.
    pub others: u32,
    /// Whether answers say what is left of the limit.
    pub tells: bool,
}

/// How a platform is not there.
#[derive(Clone, Copy, Debug)]
pub enum Outage {
    RefusesConnections,
    Silent,
    BadGateway,
    Firewall,
}

impl Outage {
    pub const ALL: [Self; 4] = [Self::RefusesConnections, Self::Silent, Self::BadGateway, Self::Firewall];

    fn attempt(self) -> Attempt {
        let lost = |status, cause: &str| Attempt::lost(status, cause.to_owned());
        match self {
            Self::RefusesConnections => Attempt::Unsent { cause: "connection refused".into() },
            Self::Silent => lost(None, "timed out"),
            Self::BadGateway => lost(Some(502), "502 Bad Gateway"),
            Self::Firewall => lost(Some(403), "403, not the API's answer: probably a firewall or proxy"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Person {
    pub id: ContactId,
    pub fields: BTreeMap<String, Value>,
    pub tags: BTreeSet<String>,
    /// When it was made here; `None` for one that was always there.
    made: Option<Instant>,
}

/// What happened at one channel.
#[derive(Debug, Default)]
pub struct Ledger {
    pub people: Vec<Person>,
    /// Calls that reached the platform.
    pub calls: u64,
    /// When each call was sent, in milliseconds.
    pub sent: Vec<u64>,
    /// Which it was.
    pub kinds: Vec<CallKind>,
    /// The first values of the creates, in the order in which they were sent.
    pub created: Vec<String>,
    /// Values whose create was applied but never answered.
    in_doubt: BTreeSet<String>,
}

/// What the platform counts by token.
#[derive(Debug, Default)]
pub struct Token {
    /// When each call was counted, in milliseconds.
    pub counted: Vec<u64>,
    /// Calls that the platform's own limiter refused.
    pub refused: u64,
    /// When somebody else's calls were counted.
    others: Vec<u64>,
}

/// One channel of the platform. Clones share it.
#[derive(Clone, Debug)]
pub struct Platform {
    pub ledger: Rc<RefCell<Ledger>>,
    /// Its token, which may be another channel's as well.
    pub token: Rc<RefCell<Token>>,
    pub faults: Rc<RefCell<Faults>>,
    chance: Rc<RefCell<Rng>>,
    begun: Instant,
    bug: Option<Bug>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    Unsent,
    LostBefore,
    LostAfter,
    Throttled,
    Queued,
}

impl Platform {
    pub fn new(seed: u64, faults: Faults, bug: Option<Bug>) -> Self {
        Self {
            ledger: Rc::default(),
            token: Rc::default(),
            faults: Rc::new(RefCell::new(faults)),
            chance: Rc::new(RefCell::new(Rng::with_seed(seed))),
            begun: Instant::now(),
            bug,
        }
    }

    /// Puts a contact there that is not of our making.
    pub fn insert(&self, fields: &[Field], tags: &[&str]) {
        let mut ledger = self.ledger.borrow_mut();
        let id = next_id(&ledger);
        let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        ledger.people.push(Person { id, fields, tags, made: None });
    }

    fn fate(&self) -> Fate {
        let faults = self.faults.borrow();
        let mut roll = self.chance.borrow_mut().f64();
        for (share, fate) in [
            (faults.unsent, Fate::Unsent),
            (faults.lost_before, Fate::LostBefore),
            (faults.lost_after, Fate::LostAfter),
            (faults.throttled, Fate::Throttled),
            (faults.queued, Fate::Queued),
        ] {
            if roll < share {
                return fate;
            }
            roll -= share;
        }
        Fate::Answered
    }

    fn way(&self) -> Duration {
        self.faults.borrow().latency.mul_f64(self.chance.borrow_mut().f64())
    }

    /// How long it is there, in milliseconds.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).expect("a scenario is short")
    }

    fn outage(&self) -> Option<Outage> {
        let (faults, now) = (self.faults.borrow(), self.now());
        faults.outages.iter().find(|(when, _)| when.contains(&now)).map(|(_, outage)| *outage)
    }

    /// Counts one of our calls; what is left then. `None` when it is refused.
    fn count(&self) -> Option<RateLimit> {
        let (now, faults) = (self.now(), self.faults.borrow());
        let token = &mut *self.token.borrow_mut();
        let in_the_minute = |moments: &[u64]| moments.iter().rev().take_while(|&&moment| now - moment < MINUTE).count();
        if let Some(apart) = MINUTE.checked_div(u64::from(faults.others)) {
            let next = token.others.last().map_or(now, |last| last + apart).max(now.saturating_sub(2 * MINUTE));
            token.others.extend((next..=now).step_by(usize::try_from(apart).expect("a part of a minute")));
        }
        let used = in_the_minute(&token.counted) + in_the_minute(&token.others);
        let limit = faults.limit.map_or(usize::MAX, |limit| limit as usize);
        if used >= limit {
            token.refused += 1;
            return None;
        }
        token.counted.push(now);
        self.ledger.borrow_mut().calls += 1;
        let remaining = u32::try_from(limit - used - 1).ok();
        Some(RateLimit { limit: faults.limit.unwrap_or(u32::MAX), remaining })
    }

    fn apply(&self, call: &Call) -> Attempt {
        let late = self.faults.borrow().late_search;
        let mut ledger = self.ledger.borrow_mut();
        match call {
            Call::Find { field, page: _ } => {
                let blind = self.bug == Some(Bug::NoSettleSearch) && ledger.in_doubt.contains(&*field.value.text());
                let contacts = ledger
                    .people
                    .iter()
                    .filter(|person| !blind && person.made.is_none_or(|made| made.elapsed() >= late))
                    .filter(|person| person.fields.get(&*field.name).is_some_and(|value| loosely(value, &field.value)))
                    .map(remote)
                    .collect();
                Attempt::Page(Page::of(contacts))
            }
            Call::Read { id } => match ledger.people.iter().find(|person| person.id == *id) {
                Some(person) => Attempt::Contact(remote(person)),
                None => missing(),
            },
            Call::Create { fields } => {
                assert!(fields.len() <= 30, "a create with {} fields", fields.len());
                let id = next_id(&ledger);
                let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
                ledger.people.push(Person {
                    id: id.clone(),
                    fields,
                    tags: BTreeSet::new(),
                    made: Some(Instant::now()),
                });
                Attempt::Created(id)
            }
            Call::Update { id, fields } => {
                assert!(fields.len() <= 30, "an update with {} fields", fields.len());
                change(&mut ledger, id, |person| {
                    person.fields.extend(fields.iter().map(|field| (field.name.to_string(), field.value.clone())));
                    true
                })
            }
            Call::AddTags { id, tags } => {
                assert!(tags.len() <= 10, "{} tags to add", tags.len());
                change(&mut ledger, id, |person| {
                    person.tags.extend(tags.iter().cloned());
                    true
                })
            }
            Call::RemoveTags { id, tags } => {
                assert!(tags.len() <= 10, "{} tags to remove", tags.len());
                change(&mut ledger, id, |person| {
                    let has_all = tags.iter().all(|tag| person.tags.contains(tag));
                    person.tags.retain(|tag| !(has_all && tags.contains(tag)));
                    has_all
                })
            }
        }
    }

    // What arrives happens, whether or not the client is still there to hear of it.
    async fn arrive(self, call: Call, fate: Fate, answer: oneshot::Sender<Answer>) {
        let way = self.way();
        sleep(way).await;
        let came = match (self.outage(), fate) {
            (Some(outage), _) => outage.attempt().into(),
            (None, Fate::Unsent) => Attempt::Unsent { cause: "connection refused".into() }.into(),
            (None, Fate::LostBefore) => lost().into(),
            (None, Fate::Throttled) => match self.faults.borrow().throttled_for {
                Some(seconds) => Attempt::Throttled { retry_after: Some(Duration::from_secs(seconds)) }.into(),
                None => self.throttled(1),
            },
            (None, Fate::Answered | Fate::LostAfter | Fate::Queued) => match self.count() {
                None => self.throttled(60),
                Some(left) => {
                    let attempt = self.carry_out(&call, fate, &answer);
                    let is_lost = matches!(attempt, Attempt::Lost { .. });
                    let rate_limit = (self.faults.borrow().tells && !is_lost).then_some(left);
                    Answer { rate_limit, ..attempt.into() }
                }
            },
        };
        let way = self.way();
        sleep(way).await;
        let _ = answer.send(came);
    }

    // A host may strip the headers.
    fn throttled(&self, seconds: u64) -> Answer {
        let bare = self.chance.borrow_mut().bool();
        Attempt::Throttled { retry_after: (!bare).then_some(Duration::from_secs(seconds)) }.into()
    }

    fn carry_out(&self, call: &Call, fate: Fate, answer: &oneshot::Sender<Answer>) -> Attempt {
        let queued = || Attempt::Queued { message: "in the queue".into() };
        if fate == Fate::Queued && call.kind() != CallKind::Create {
            return queued();
        }
        let attempt = self.apply(call);
        self.mark(call, fate == Fate::Answered && !answer.is_closed());
        match fate {
            Fate::LostAfter => lost(),
            Fate::Queued => queued(),
            _ => attempt,
        }
    }

    fn note_sent(&self, call: &Call) {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.sent.push(self.now());
        ledger.kinds.push(call.kind());
        if let Call::Create { fields } = call {
            ledger.created.extend(fields.first().map(|field| field.value.text().into_owned()));
        }
    }

    fn mark(&self, call: &Call, answered: bool) {
        if let Call::Create { fields } = call
            && !answered
            && let Some(first) = fields.first()
        {
            self.ledger.borrow_mut().in_doubt.insert(first.value.text().into_owned());
        }
    }
}

impl Transport for Platform {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        let (sender, answer) = oneshot::channel();
        let call = call.call().clone();
        self.note_sent(&call);
        tokio::task::spawn_local(self.clone().arrive(call, self.fate(), sender));
        answer.await.unwrap_or_else(|_| lost().into())
    }
}

fn change(ledger: &mut Ledger, id: &ContactId, change: impl FnOnce(&mut Person) -> bool) -> Attempt {
    let Some(person) = ledger.people.iter_mut().find(|person| person.id == *id) else { return missing() };
    if change(person) { Attempt::Done } else { Attempt::refused(403, "no such tag".into()) }
}

fn next_id(ledger: &Ledger) -> ContactId {
    ContactId::new(format!("{}", 1_000 + ledger.people.len())).expect("digits are not blank")
}

fn loosely(value: &Value, asked: &Value) -> bool {
    let (value, asked) = (value.text().to_lowercase(), asked.text().to_lowercase());
    value.contains(asked.trim()) || asked.contains(value.trim())
}

fn remote(person: &Person) -> Remote {
    Remote { id: person.id.clone(), fields: person.fields.clone(), tags: person.tags.clone() }
}

fn lost() -> Attempt {
    Attempt::lost(None, "the answer was lost".into())
}

fn missing() -> Attempt {
    Attempt::Missing { message: "no such contact".into() }
}
