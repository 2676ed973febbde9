//! The model of the platform: contacts, the limiter, faults, and the ledger of effects. Its answers are raw HTTP and are read by
//! the client's own parser.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use contactsync::Field;
use contactsync::contact::{ContactId, Value};
use contactsync::engine::{Answer, Attempt, Call, Cleared, Page, RateLimit, Transport};
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, StoredForm};
use fastrand::Rng;
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::oracle::MINUTE;
use crate::scenario::{Bug, EPOCH};
use crate::trouble::{self, Raw, Trouble, answer_instead, distorted, is_uncounted, throttled};

/// Contacts per page of a search.
const PAGE: usize = 10;

/// The number of pages of [`Fault::EndlessHits`].
const ENDLESS_PAGES: usize = 200;

/// The rate of each fault, as a share of the calls.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    pub unsent: f64,
    pub lost_before: f64,
    pub lost_after: f64,
    pub throttled: f64,
    /// The `Retry-After` of such a 429, in seconds; `None`: one second or none, at random.
    pub throttled_for: Option<u64>,
    pub queued: f64,
    /// The delay after which a search finds a new contact.
    pub late_search: Duration,
    /// The longest latency in each direction.
    pub latency: Duration,
    /// The outages, in milliseconds from the start.
    pub outages: Vec<(Range<u64>, Outage)>,
    /// The platform's limit, where it differs from the configured one or another client uses the token.
    pub limit: Option<u32>,
    /// The calls per minute of another client of the token.
    pub others: u32,
    /// Whether answers have rate limit headers.
    pub tells: bool,
    /// The misbehaviour of real servers.
    pub troubles: Vec<Trouble>,
}

impl Faults {
    /// The same without random losses and delays.
    pub fn only_troubles(self) -> Self {
        let Self { latency, limit, tells, troubles, .. } = self;
        Self { latency, limit, tells, troubles, ..Self::default() }
    }
}

/// How a platform is unavailable.
#[derive(Clone, Copy, Debug)]
pub enum Outage {
    RefusesConnections,
    Silent,
    BadGateway,
    Firewall,
}

impl Outage {
    pub const ALL: [Self; 4] = [Self::RefusesConnections, Self::Silent, Self::BadGateway, Self::Firewall];

    fn answer(self) -> Came {
        match self {
            Self::RefusesConnections => Came::Not(Attempt::Unsent { cause: "connection refused".into() }),
            Self::Silent => Came::Not(Attempt::lost(None, "timed out".into())),
            Self::BadGateway => Came::Whole(Raw::page(502, "502 Bad Gateway")),
            Self::Firewall => Came::Whole(Raw::page(403, "403 Forbidden")),
        }
    }
}

/// The response on the wire.
enum Came {
    Whole(Raw),
    /// No readable answer.
    Not(Attempt),
}

#[derive(Clone, Debug)]
pub struct Person {
    pub id: ContactId,
    /// The row of the file that it was created for or represents from the start; `None`: a contact of no row.
    pub row: Option<usize>,
    /// The fields as the platform shows them.
    pub fields: BTreeMap<String, Value>,
    pub tags: BTreeSet<String>,
    /// Whether the platform turned it into another row's contact.
    pub overwritten: bool,
    // The fields as they were sent, which a search finds as well.
    sent: BTreeMap<String, Value>,
    /// When it was created; `None`: it existed from the start.
    pub made: Option<Instant>,
}

/// The history of one channel.
#[derive(Debug, Default)]
pub struct Ledger {
    pub people: Vec<Person>,
    /// Calls that reached the platform.
    pub calls: u64,
    /// When each call was sent, in milliseconds.
    pub sent: Vec<u64>,
    /// Its kind.
    pub kinds: Vec<CallKind>,
    /// The first values of the creates, in the order in which they were sent.
    pub created: Vec<String>,
    /// The faults that occurred, by kind of call.
    pub struck: BTreeSet<(Fault, CallKind)>,
    /// Rows that may be rejected with the platform's messages while there are faults.
    pub refused: BTreeSet<usize>,
    /// Rows whose contact the platform turned into another row's, or the other way round.
    pub overwritten: BTreeSet<usize>,
    /// Whether a create was answered with the id of another contact.
    pub misnamed: bool,
    /// A log of every call and its result, where one is kept.
    pub log: Option<String>,
    /// Values whose create was applied but never answered.
    in_doubt: BTreeSet<String>,
}

/// The rate limit state of a token.
#[derive(Debug, Default)]
pub struct Token {
    /// When each call was counted, in milliseconds.
    pub counted: Vec<u64>,
    /// Calls that the platform's limiter refused.
    pub refused: u64,
    /// When the other client's calls were counted.
    others: Vec<u64>,
}

/// One channel of the platform. Clones share it.
#[derive(Clone, Debug)]
pub struct Platform {
    pub ledger: Rc<RefCell<Ledger>>,
    /// Its token, which another channel may share.
    pub token: Rc<RefCell<Token>>,
    pub faults: Rc<RefCell<Faults>>,
    /// The form in which it stores the values of a field.
    pub form: Rc<Cell<Option<StoredForm>>>,
    rows: Rc<HashMap<String, usize>>,
    chance: Rc<RefCell<Rng>>,
    begun: Instant,
    bug: Option<Bug>,
}

#[derive(Clone, Copy, PartialEq)]
enum CallOutcome {
    Answered,
    Unsent,
    LostBefore,
    LostAfter,
    Throttled,
    Queued,
    Struck(Fault),
}

impl Platform {
    /// A platform for a file whose rows have these keys, in its order.
    pub fn new<'a>(seed: u64, faults: Faults, keys: impl Iterator<Item = &'a str>, bug: Option<Bug>) -> Self {
        Self {
            ledger: Rc::default(),
            token: Rc::default(),
            faults: Rc::new(RefCell::new(faults)),
            form: Rc::default(),
            rows: Rc::new(keys.enumerate().map(|(row, key)| (key.to_owned(), row)).collect()),
            chance: Rc::new(RefCell::new(Rng::with_seed(seed))),
            begun: Instant::now(),
            bug,
        }
    }

    /// Stores a contact of another client.
    pub fn insert(&self, fields: &[Field], tags: &[String]) {
        let fields = fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        let ledger = &mut *self.ledger.borrow_mut();
        let person = self.person(ledger, fields, tags.iter().cloned().collect(), None);
        ledger.people.push(person);
    }

    fn person(
        &self,
        ledger: &Ledger,
        sent: BTreeMap<String, Value>,
        tags: BTreeSet<String>,
        made: Option<Instant>,
    ) -> Person {
        let row = sent.values().find_map(|value| self.rows.get(&*value.text()).copied());
        Person { id: next_id(ledger), row, fields: self.kept(&sent), overwritten: false, sent, tags, made }
    }

    // The first field of every row is its key. Only the key is stored in another form.
    fn kept(&self, sent: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let keep = |(name, value): (&String, &Value)| match self.form.get() {
            Some(form) if self.rows.contains_key(&*value.text()) => (name.clone(), form.keep(value.clone())),
            Some(_) | None => (name.clone(), value.clone()),
        };
        sent.iter().map(keep).collect()
    }

    /// The row that a call is about.
    fn row(&self, call: &Call) -> Option<usize> {
        match call {
            Call::Find { field, .. } => {
                let text = field.value.text();
                // An e-mail address that is a match field contains the row's number.
                let number = text.trim_matches(|c: char| !c.is_ascii_digit());
                self.rows.get(&*text).copied().or_else(|| number.parse().ok())
            }
            Call::Create { fields } => fields.iter().find_map(|field| self.rows.get(&*field.value.text()).copied()),
            Call::Read { id } | Call::Update { id, .. } | Call::AddTags { id, .. } | Call::RemoveTags { id, .. } => {
                let ledger = self.ledger.borrow();
                let person = ledger.people.iter().find(|person| person.id == *id);
                person.map_or_else(|| id.as_str().strip_prefix("gone")?.parse().ok(), |person| person.row)
            }
        }
    }

    fn draw_outcome(&self, call: &Call, number: u64) -> CallOutcome {
        let row = self.row(call);
        let faults = self.faults.borrow();
        let strikes = |trouble: &&Trouble| trouble.strikes(call.kind(), row, number, &mut self.chance.borrow_mut());
        if let Some(trouble) = faults.troubles.iter().find(strikes) {
            return CallOutcome::Struck(trouble.fault);
        }
        let mut roll = self.chance.borrow_mut().f64();
        for (share, outcome) in [
            (faults.unsent, CallOutcome::Unsent),
            (faults.lost_before, CallOutcome::LostBefore),
            (faults.lost_after, CallOutcome::LostAfter),
            (faults.throttled, CallOutcome::Throttled),
            (faults.queued, CallOutcome::Queued),
        ] {
            if roll < share {
                return outcome;
            }
            roll -= share;
        }
        CallOutcome::Answered
    }

    fn way(&self) -> Duration {
        self.faults.borrow().latency.mul_f64(self.chance.borrow_mut().f64())
    }

    /// The time since the start, in milliseconds.
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).expect("a scenario is short")
    }

    fn outage(&self) -> Option<Outage> {
        let (faults, now) = (self.faults.borrow(), self.now());
        faults.outages.iter().find(|(when, _)| when.contains(&now)).map(|(_, outage)| *outage)
    }

    /// Counts a call of the program. Returns the remaining calls and the limit; `None`: the call is refused.
    fn count(&self) -> Option<(u32, u32)> {
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
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Some((number(limit), number(limit - used - 1)))
    }

    fn find(&self, field: &Field, number: usize, fault: Option<Fault>) -> Raw {
        let late = self.faults.borrow().late_search;
        let ledger = self.ledger.borrow();
        let blind = self.bug == Some(Bug::NoSettleSearch) && ledger.in_doubt.contains(&*field.value.text());
        if fault == Some(Fault::EndlessHits) {
            return endless(field, number);
        }
        let has = |fields: &BTreeMap<String, Value>| {
            fields.get(&*field.name).is_some_and(|value| loosely(value, &field.value))
        };
        let found: Vec<&Person> = ledger
            .people
            .iter()
            .filter(|person| !blind && person.made.is_none_or(|made| made.elapsed() >= late))
            .filter(|person| has(&person.fields) || has(&person.sent))
            .collect();
        let number = if fault == Some(Fault::PageIgnored) { 1 } else { number };
        let data: Vec<Json> = found.iter().skip((number - 1) * PAGE).take(PAGE).map(|person| shown(person)).collect();
        Raw::json(200, &distorted(fault, page(&data, number, found.len())))
    }

    fn apply(&self, call: &Call, fault: Option<Fault>) -> Raw {
        if let Call::Find { field, page } = call {
            return self.find(field, usize::try_from(*page).expect("pages are few"), fault);
        }
        let mut ledger = self.ledger.borrow_mut();
        match call {
            Call::Find { .. } => unreachable!("it is answered above"),
            Call::Read { id } => match ledger.people.iter().find(|person| person.id == *id) {
                Some(person) => Raw::json(200, &json!({ "data": shown(person) })),
                None => missing(),
            },
            Call::Create { fields } => {
                assert!(fields.len() <= 30, "a create with {} fields", fields.len());
                self.create(&mut ledger, fields, fault)
            }
            Call::Update { id, fields } => {
                assert!(fields.len() <= 30, "an update with {} fields", fields.len());
                let sent: BTreeMap<String, Value> =
                    fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
                change(&mut ledger, id, |person| {
                    person.fields.extend(self.kept(&sent));
                    person.sent.extend(sent);
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

    fn create(&self, ledger: &mut Ledger, fields: &[Field], fault: Option<Fault>) -> Raw {
        let sent: BTreeMap<String, Value> =
            fields.iter().map(|field| (field.name.to_string(), field.value.clone())).collect();
        let answer = |id: &ContactId| Raw::json(200, &json!({ "data": { "id": id } }));
        let previous = ledger.people.iter().rev().find(|person| person.made.is_some()).map(|person| person.id.clone());
        let person = self.person(ledger, sent, BTreeSet::new(), Some(Instant::now()));
        if fault == Some(Fault::UpsertByEmail)
            && let Some(email) = person.fields.get("email")
            && let Some(other) = ledger.people.iter_mut().find(|other| other.fields.get("email") == Some(email))
        {
            ledger.overwritten.extend(other.row.into_iter().chain(person.row));
            other.overwritten = true;
            other.fields.extend(person.fields);
            other.sent.extend(person.sent);
            return answer(&other.id);
        }
        let id = person.id.clone();
        ledger.people.push(person);
        match previous.filter(|_| fault == Some(Fault::PreviousId)) {
            Some(previous) => {
                ledger.misnamed = true;
                answer(&previous)
            }
            None => answer(&id),
        }
    }

    // A call that arrives has its effect, also when the client is gone.
    async fn arrive(self, call: Call, outcome: CallOutcome, answer: oneshot::Sender<Answer>) {
        let way = self.way();
        sleep(way).await;
        let came = match self.outage() {
            Some(outage) => outage.answer(),
            None => self.treat(&call, outcome, &answer),
        };
        let came = match came {
            Came::Whole(raw) => self.heard(&call, &raw),
            Came::Not(attempt) => attempt.into(),
        };
        let way = self.way();
        sleep(way).await;
        if let Some(log) = &mut self.ledger.borrow_mut().log {
            writeln!(log, "{} ms: {call:?}: {came:?}", self.now()).expect("a string can always grow");
        }
        let _ = answer.send(came);
    }

    fn heard(&self, call: &Call, raw: &Raw) -> Answer {
        let answer = raw.heard(call, self.time());
        match self.bug {
            Some(bug) => misheard(bug, call, raw, answer),
            None => answer,
        }
    }

    /// The wall clock of dates in headers.
    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(EPOCH.as_millis() + self.now())
    }

    fn treat(&self, call: &Call, outcome: CallOutcome, answer: &oneshot::Sender<Answer>) -> Came {
        let uncounted = match outcome {
            CallOutcome::Unsent => Some(Came::Not(Attempt::Unsent { cause: "connection refused".into() })),
            CallOutcome::LostBefore => Some(lost()),
            CallOutcome::Throttled => Some(Came::Whole(match self.faults.borrow().throttled_for {
                Some(seconds) => throttled(Some(&seconds.to_string())),
                None => self.throttled(1),
            })),
            CallOutcome::Struck(fault) if is_uncounted(fault) => {
                self.strike(fault, call);
                Some(answer_instead(fault, call.kind(), self.time()).map_or_else(lost, Came::Whole))
            }
            CallOutcome::Answered | CallOutcome::LostAfter | CallOutcome::Queued | CallOutcome::Struck(_) => None,
        };
        if let Some(came) = uncounted {
            return came;
        }
        let Some((limit, remaining)) = self.count() else { return Came::Whole(self.throttled(60)) };
        match self.carry_out(call, outcome, answer) {
            Came::Whole(raw) if self.faults.borrow().tells => Came::Whole(raw.limited(limit, remaining)),
            came => came,
        }
    }

    // A proxy may strip the headers.
    fn throttled(&self, seconds: u64) -> Raw {
        let bare = self.chance.borrow_mut().bool();
        throttled((!bare).then(|| seconds.to_string()).as_deref())
    }

    fn carry_out(&self, call: &Call, outcome: CallOutcome, answer: &oneshot::Sender<Answer>) -> Came {
        let queued = || Came::Whole(Raw::refusal(449, "The contact is in the queue, try again later."));
        if outcome == CallOutcome::Queued && call.kind() != CallKind::Create {
            return queued();
        }
        let fault = match outcome {
            CallOutcome::Struck(fault) => Some(fault),
            CallOutcome::Answered
            | CallOutcome::Unsent
            | CallOutcome::LostBefore
            | CallOutcome::LostAfter
            | CallOutcome::Throttled
            | CallOutcome::Queued => None,
        };
        if let Some(fault) = fault {
            self.strike(fault, call);
            if let Some(raw) = answer_instead(fault, call.kind(), self.time()) {
                return Came::Whole(raw);
            }
        }
        let raw = self.apply(call, fault);
        let is_lost = outcome != CallOutcome::Answered || answer.is_closed();
        self.mark(call, !is_lost);
        if outcome == CallOutcome::Queued {
            queued()
        } else if outcome == CallOutcome::LostAfter || fault == Some(Fault::LoseAfter) {
            lost()
        } else if fault == Some(Fault::ErrorAfter) {
            Came::Whole(Raw::json(500, &json!({ "message": "Server Error" })))
        } else if fault == Some(Fault::BadGatewayAfter) {
            Came::Whole(Raw::page(502, "502 Bad Gateway"))
        } else if fault == Some(Fault::CutBody) {
            Came::Not(Attempt::lost(Some(200), "the connection was reset".into()))
        } else {
            Came::Whole(raw)
        }
    }

    fn strike(&self, fault: Fault, call: &Call) {
        let row = self.row(call);
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.struck.insert((fault, call.kind()));
        if trouble::may_reject(fault) {
            ledger.refused.extend(row);
            // A call on a contact that was turned from one row's into another's may be about either row.
            if row.is_some_and(|row| ledger.overwritten.contains(&row)) {
                ledger.refused.extend(ledger.overwritten.iter().copied());
            }
        }
    }

    // Returns its number, from 0.
    fn note_sent(&self, call: &Call) -> u64 {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.sent.push(self.now());
        ledger.kinds.push(call.kind());
        if let Call::Create { fields } = call {
            ledger.created.extend(fields.first().map(|field| field.value.text().into_owned()));
        }
        u64::try_from(ledger.sent.len()).expect("calls are few") - 1
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
        let number = self.note_sent(&call);
        let outcome = self.draw_outcome(&call, number);
        tokio::task::spawn_local(self.clone().arrive(call, outcome, sender));
        answer.await.unwrap_or_else(|_| Attempt::lost(None, "the answer was lost".into()).into())
    }
}

// The misreading of an answer by a client with a bug.
fn misheard(bug: Bug, call: &Call, raw: &Raw, answer: Answer) -> Answer {
    let is_refused = matches!(answer.attempt, Attempt::Refused { .. } | Attempt::Missing { .. });
    if bug == Bug::RefusedSearchIsAbsent && is_refused && call.kind() == CallKind::Find {
        return Answer { attempt: Attempt::Page(Page::default()), ..answer };
    }
    let limit = raw.headers.get("x-ratelimit-limit").and_then(|limit| limit.to_str().ok()?.parse().ok());
    if bug == Bug::ProxyLimitLearnt
        && let Some(limit) = limit
    {
        return Answer { rate_limit: Some(RateLimit { limit, remaining: None }), ..answer };
    }
    let Answer { attempt: Attempt::Page(page), .. } = answer else { return answer };
    let page = if bug == Bug::ContradictionsIgnored {
        Page { contradiction: None, total: None, ..page }
    } else if bug == Bug::SimilarHitsIgnored {
        let field = call.searched().expect("a page answers a search");
        let contacts = page.contacts.into_iter().filter(|contact| contact.has(field)).collect();
        Page { contacts, total: None, ..page }
    } else {
        page
    };
    Answer { attempt: Attempt::Page(page), ..answer }
}

fn change(ledger: &mut Ledger, id: &ContactId, change: impl FnOnce(&mut Person) -> bool) -> Raw {
    let Some(person) = ledger.people.iter_mut().find(|person| person.id == *id) else { return missing() };
    if change(person) {
        Raw::json(200, &json!({ "status": "success", "message": "ok", "data": [] }))
    } else {
        Raw::refusal(403, "Contact does not have the tag.")
    }
}

fn next_id(ledger: &Ledger) -> ContactId {
    ContactId::new(format!("{}", 1_000 + ledger.people.len())).expect("digits are not blank")
}

fn loosely(value: &Value, asked: &Value) -> bool {
    let (value, asked) = (value.text().to_lowercase(), asked.text().to_lowercase());
    value.contains(asked.trim()) || asked.contains(value.trim())
}

fn shown(person: &Person) -> Json {
    let tags: Vec<&String> = person.tags.iter().collect();
    json!({ "id": person.id, "custom_fields": person.fields, "tags": tags, "created_at": 1_700_000_000 })
}

fn page(data: &[Json], number: usize, total: usize) -> Json {
    let last = total.div_ceil(PAGE).max(1);
    let next =
        (number < last).then(|| format!("http://example.com/api/v1/contact/by_custom_field?page={}", number + 1));
    let meta = json!({ "current_page": number, "last_page": last, "per_page": PAGE, "total": total });
    json!({ "data": data, "links": { "next": next }, "meta": meta })
}

fn endless(field: &Field, number: usize) -> Raw {
    let total = ENDLESS_PAGES * PAGE;
    let first = (number - 1) * PAGE;
    let contact =
        |n: usize| json!({ "id": format!("endless-{n}"), "custom_fields": { &*field.name: field.value }, "tags": [] });
    let data: Vec<Json> = (first..total.min(first + PAGE)).map(contact).collect();
    Raw::json(200, &page(&data, number, total))
}

fn lost() -> Came {
    Came::Not(Attempt::lost(None, "the answer was lost".into()))
}

fn missing() -> Raw {
    Raw::refusal(403, "No such contact.")
}
