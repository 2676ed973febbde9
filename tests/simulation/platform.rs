//! The model of the platform: contacts, the limiter, faults, and the ledger of what really happened.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use contactsync::{Answer, Attempt, Call, Cleared, ContactId, Field, Remote, Transport, Value};
use fastrand::Rng;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::scenario::Bug;

/// How often each thing goes wrong, as a share of the calls.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub unsent: f64,
    pub lost_before: f64,
    pub lost_after: f64,
    pub throttled: f64,
    pub queued: f64,
    /// How long a new contact cannot be found.
    pub late_search: Duration,
    /// The longest way to the platform, and back.
    pub latency: Duration,
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
    /// When each call was counted, in milliseconds.
    pub counted: Vec<u64>,
    /// Calls that reached the platform.
    pub calls: u64,
    /// Values whose create was applied but never answered.
    in_doubt: BTreeSet<String>,
}

/// One channel of the platform. Clones share it.
#[derive(Clone, Debug)]
pub struct Platform {
    pub ledger: Rc<RefCell<Ledger>>,
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

    fn count(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).expect("a scenario is short");
        let mut ledger = self.ledger.borrow_mut();
        ledger.counted.push(now);
        ledger.calls += 1;
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
                Attempt::Page { contacts, more: false }
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
    async fn arrive(self, call: Call, fate: Fate, answer: oneshot::Sender<Attempt>) {
        let way = self.way();
        sleep(way).await;
        let attempt = match fate {
            Fate::Unsent => Attempt::Unsent { cause: "connection refused".into() },
            Fate::LostBefore => lost(),
            Fate::Throttled => {
                let bare = self.chance.borrow_mut().bool();
                Attempt::Throttled { retry_after: (!bare).then_some(Duration::from_secs(1)) }
            }
            Fate::Answered | Fate::LostAfter | Fate::Queued => {
                self.count();
                if fate == Fate::Queued && call.kind() != contactsync::CallKind::Create {
                    Attempt::Queued { message: "in the queue".into() }
                } else {
                    let attempt = self.apply(&call);
                    self.mark(&call, fate == Fate::Answered && !answer.is_closed());
                    match fate {
                        Fate::LostAfter => lost(),
                        Fate::Queued => Attempt::Queued { message: "in the queue".into() },
                        _ => attempt,
                    }
                }
            }
        };
        let way = self.way();
        sleep(way).await;
        let _ = answer.send(attempt);
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
        tokio::task::spawn_local(self.clone().arrive(call, self.fate(), sender));
        answer.await.unwrap_or_else(|_| lost()).into()
    }
}

fn change(ledger: &mut Ledger, id: &ContactId, change: impl FnOnce(&mut Person) -> bool) -> Attempt {
    let Some(person) = ledger.people.iter_mut().find(|person| person.id == *id) else { return missing() };
    if change(person) { Attempt::Done } else { Attempt::Refused { status: 403, message: "no such tag".into() } }
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
    Attempt::Lost { status: None, cause: "the answer was lost".into() }
}

fn missing() -> Attempt {
    Attempt::Missing { message: "no such contact".into() }
}
