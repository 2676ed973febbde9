//! A small platform: some contacts, and one call with a given response.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use contactsync::engine::{Answer, Attempt, Call, Cleared, Transport, dialect};
use contactsync::report::CallKind;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

/// The response to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    RefusedConnection,
    ResetBeforeHeaders,
    ResetInTheBody,
    TimeOut,
    Throttled,
    ThrottledFor,
    ServerError,
    BadGateway,
    CutJson,
    OtherJson,
    NoContent,
    /// The documented success, but the call had no effect.
    EmptyPromise,
    /// 503 with `Retry-After`.
    Unavailable,
    UnknownError,
    PageNotFound,
    BadRequest,
    Unprocessable,
    Firewall,
    ErrorWith200,
    OwnerNotFound,
    TooLarge,
    QuotaExceeded,
    TokenExpired,
    /// No contacts, and `meta.total` is 1.
    EmptyWithTotal,
    /// No contacts and an error.
    EmptyWithError,
}

impl Response {
    pub const ALL: [Self; 25] = [
        Self::RefusedConnection,
        Self::ResetBeforeHeaders,
        Self::ResetInTheBody,
        Self::TimeOut,
        Self::Throttled,
        Self::ThrottledFor,
        Self::ServerError,
        Self::BadGateway,
        Self::CutJson,
        Self::OtherJson,
        Self::NoContent,
        Self::EmptyPromise,
        Self::Unavailable,
        Self::UnknownError,
        Self::PageNotFound,
        Self::BadRequest,
        Self::Unprocessable,
        Self::Firewall,
        Self::ErrorWith200,
        Self::OwnerNotFound,
        Self::TooLarge,
        Self::QuotaExceeded,
        Self::TokenExpired,
        Self::EmptyWithTotal,
        Self::EmptyWithError,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::RefusedConnection => "refused connection",
            Self::ResetBeforeHeaders => "reset before headers",
            Self::ResetInTheBody => "reset in the body",
            Self::TimeOut => "time-out",
            Self::Throttled => "429",
            Self::ThrottledFor => "429, Retry-After: 5",
            Self::ServerError => "500",
            Self::BadGateway => "502, HTML",
            Self::CutJson => "200, cut JSON",
            Self::OtherJson => "200, other JSON",
            Self::NoContent => "204, no body",
            Self::EmptyPromise => "2xx, nothing done",
            Self::Unavailable => "503, Retry-After: 5",
            Self::UnknownError => "403, unknown error",
            Self::PageNotFound => "404, page not found",
            Self::BadRequest => "400, bad request",
            Self::Unprocessable => "422, validation",
            Self::Firewall => "403, HTML",
            Self::ErrorWith200 => "200, status: error",
            Self::OwnerNotFound => "403, no such owner",
            Self::TooLarge => "413, HTML",
            Self::QuotaExceeded => "403, quota exceeded",
            Self::TokenExpired => "403, token expired",
            Self::EmptyWithTotal => "200, total: 1",
            Self::EmptyWithError => "200, error: …",
        }
    }

    /// Whether the call may have had its effect nevertheless. A refused connection carried nothing; a 429 and a refusal state that the
    /// platform did not execute the call, and are trusted.
    pub const fn may_be_applied(self) -> bool {
        match self {
            Self::ResetBeforeHeaders
            | Self::ResetInTheBody
            | Self::TimeOut
            | Self::ServerError
            | Self::BadGateway
            | Self::CutJson
            | Self::OtherJson
            | Self::NoContent
            | Self::Unavailable
            | Self::Firewall => true,
            Self::RefusedConnection
            | Self::Throttled
            | Self::ThrottledFor
            | Self::EmptyPromise
            | Self::UnknownError
            | Self::PageNotFound
            | Self::BadRequest
            | Self::Unprocessable
            | Self::ErrorWith200
            | Self::OwnerNotFound
            | Self::TooLarge
            | Self::QuotaExceeded
            | Self::TokenExpired
            | Self::EmptyWithTotal
            | Self::EmptyWithError => false,
        }
    }

    /// Whether the platform refuses the row, so that it is rejected without further calls.
    pub const fn refuses(self, kind: CallKind) -> bool {
        match self {
            Self::UnknownError
            | Self::BadRequest
            | Self::Unprocessable
            | Self::ErrorWith200
            | Self::OwnerNotFound
            | Self::TooLarge => true,
            Self::EmptyWithError => matches!(kind, CallKind::Find),
            Self::RefusedConnection
            | Self::ResetBeforeHeaders
            | Self::ResetInTheBody
            | Self::TimeOut
            | Self::Throttled
            | Self::ThrottledFor
            | Self::ServerError
            | Self::BadGateway
            | Self::CutJson
            | Self::OtherJson
            | Self::NoContent
            | Self::EmptyPromise
            | Self::Unavailable
            | Self::PageNotFound
            | Self::Firewall
            | Self::QuotaExceeded
            | Self::TokenExpired
            | Self::EmptyWithTotal => false,
        }
    }

    /// Whether a call of this kind can get this response.
    pub const fn applies_to(self, kind: CallKind) -> bool {
        !matches!(self, Self::EmptyWithTotal | Self::EmptyWithError) || matches!(kind, CallKind::Find)
    }
}

/// The platform's answer for an unknown contact.
#[derive(Clone, Copy, Debug, Default)]
pub enum Words {
    #[default]
    Forbidden,
    NotFound,
    Success,
}

impl Words {
    pub const ALL: [Self; 3] = [Self::Forbidden, Self::NotFound, Self::Success];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Forbidden => "403, `Contact not found`",
            Self::NotFound => "404, the envelope",
            Self::Success => "200, `error: Contact not found`",
        }
    }

    fn said(self) -> (u16, Json) {
        let envelope = |message: &str| json!({ "status": "error", "message": message, "data": [] });
        match self {
            Self::Forbidden => (403, envelope("Contact not found")),
            Self::NotFound => (404, envelope("404 Not Found.")),
            Self::Success => (200, envelope("Contact not found")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: u64,
    pub fields: BTreeMap<String, String>,
    pub tags: BTreeSet<String>,
}

/// The behaviour of the platform.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// A change without an effect is refused.
    pub refuses_twice: bool,
    /// Searches find no contact, and a second contact with the same phone is refused, with the id of the first.
    pub searches_late: bool,
}

/// A sent call and its time.
pub struct Sent {
    pub begun: Instant,
    pub ended: Instant,
    pub kind: CallKind,
}

#[derive(Default)]
pub struct Platform {
    pub people: RefCell<Vec<Person>>,
    pub sent: RefCell<Vec<Sent>>,
    pub manners: Cell<Manners>,
    /// The response of the next call of this kind, and whether it has its effect.
    pub doomed: Cell<Option<(CallKind, Response, bool)>>,
    pub words: Cell<Words>,
    made: Cell<u64>,
}

impl Platform {
    pub fn insert(&self, fields: &[(&str, &str)], tags: &[&str]) -> u64 {
        let id = self.made.get() + 1;
        self.made.set(id);
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.people.borrow_mut().push(Person { id, fields, tags });
        id
    }

    // The true answer to a call: its status, its body, and its effect.
    fn answer(&self, call: &Call) -> (u16, Json) {
        let manners = self.manners.get();
        let show = |person: &Person| json!({ "id": person.id, "custom_fields": person.fields, "tags": person.tags });
        match call {
            Call::Find { field, .. } => {
                let has = |person: &&Person| person.fields.get(&*field.name).is_some_and(|v| *v == *field.value.text());
                let people = self.people.borrow();
                let found: Vec<Json> = people.iter().filter(has).filter(|_| !manners.searches_late).map(show).collect();
                (200, json!({ "data": found }))
            }
            Call::Read { id } => self.with(id.as_str(), |person| (200, json!({ "data": show(person) }))),
            Call::Create { fields } => {
                let phone = fields.first().map(|field| field.value.text().into_owned());
                let other = self
                    .people
                    .borrow()
                    .iter()
                    .find(|person| person.fields.get("phone") == phone.as_ref())
                    .map(|p| p.id);
                if let Some(other) = other.filter(|_| manners.searches_late) {
                    return (409, json!({ "message": "already connected to a contact", "data": { "id": other } }));
                }
                let fields: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.value.text().into_owned())).collect();
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                (200, json!({ "data": { "id": self.insert(&fields, &[]) } }))
            }
            Call::Update { id, fields } => self.change(id.as_str(), |person| {
                person.fields.extend(fields.iter().map(|f| (f.name.to_string(), f.value.text().into_owned())));
            }),
            Call::AddTags { id, tags } => self.change(id.as_str(), |person| person.tags.extend(tags.iter().cloned())),
            Call::RemoveTags { id, tags } => {
                self.change(id.as_str(), |person| person.tags.retain(|tag| !tags.contains(tag)))
            }
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Person)) -> (u16, Json) {
        let refuses = self.manners.get().refuses_twice;
        self.with(id, |person| {
            let before = person.clone();
            change(person);
            if refuses && *person == before {
                return (403, json!({ "status": "error", "message": "nothing to do", "data": [] }));
            }
            (200, json!({ "status": "success", "message": "ok", "data": [] }))
        })
    }

    fn with(&self, id: &str, act: impl FnOnce(&mut Person) -> (u16, Json)) -> (u16, Json) {
        match self.people.borrow_mut().iter_mut().find(|person| person.id.to_string() == id) {
            Some(person) => act(person),
            None => self.words.get().said(),
        }
    }

    // The answer without an effect: the documented success of the call.
    fn promise(call: &Call) -> Json {
        match call {
            Call::Find { .. } => json!({ "data": [] }),
            Call::Read { .. } => json!({ "data": null }),
            Call::Create { .. } => json!({ "data": { "id": 999 } }),
            Call::Update { id, .. } => json!({ "data": { "id": id.as_str() } }),
            Call::AddTags { .. } | Call::RemoveTags { .. } => {
                json!({ "status": "success", "message": "ok", "data": [] })
            }
        }
    }

    // The client's view. Faults below HTTP have the transport's names, which its own tests check.
    fn responsed(&self, call: &Call, response: Response, applied: bool) -> Attempt {
        let body = if applied { self.answer(call).1 } else { Self::promise(call) }.to_string();
        let lost = |status, cause: &str| Attempt::lost(status, cause.to_owned());
        let heard = |status, headers, body: &str| read(call, status, headers, body);
        let none = || NO_HEADERS;
        match response {
            Response::RefusedConnection => Attempt::Unsent { cause: "connection refused".to_owned() },
            Response::ResetBeforeHeaders => lost(None, "the connection was reset"),
            Response::ResetInTheBody => lost(Some(200), "the connection was reset"),
            Response::TimeOut => lost(None, "timed out after 30s"),
            Response::Throttled => heard(429, none(), r#"{"status":"error","message":"Too many requests","data":[]}"#),
            Response::ThrottledFor => heard(429, RETRY_AFTER_5, ""),
            Response::ServerError => heard(500, none(), r#"{"status":"error","message":"Server Error","data":[]}"#),
            Response::BadGateway => heard(502, none(), "<html><title>502 Bad Gateway</title></html>"),
            Response::CutJson => heard(200, none(), &body[..body.len() / 2]),
            Response::OtherJson => heard(200, none(), r#"{"ok":true}"#),
            Response::NoContent => heard(204, none(), ""),
            Response::EmptyPromise => heard(200, none(), &body),
            Response::Unavailable => heard(503, RETRY_AFTER_5, "<html><title>503 Service Unavailable</title></html>"),
            Response::UnknownError => heard(403, none(), &error("An unknown error occurred. Please contact support.")),
            Response::PageNotFound => {
                heard(404, none(), &error("Page Not Found. If error persists, contact info@example.com"))
            }
            Response::BadRequest => heard(400, none(), &error("Bad Request")),
            Response::Unprocessable => {
                let errors =
                    json!({ "message": "It is invalid.", "errors": { "custom_fields.0.value": ["Too long."] } });
                heard(422, none(), &errors.to_string())
            }
            Response::Firewall => heard(403, none(), "<html><title>403 Forbidden</title></html>"),
            Response::ErrorWith200 => heard(200, none(), &error("It did not work.")),
            Response::OwnerNotFound => heard(403, none(), &error("Contact owner not found.")),
            Response::TooLarge => heard(413, none(), "<html><title>413 Request Entity Too Large</title></html>"),
            Response::QuotaExceeded => heard(403, none(), &error("Quota exceeded for this workspace.")),
            Response::TokenExpired => heard(403, none(), &error("API Token has expired.")),
            Response::EmptyWithTotal => {
                heard(200, none(), r#"{"data":[],"meta":{"current_page":1,"last_page":1,"total":1}}"#)
            }
            Response::EmptyWithError => heard(200, none(), r#"{"data":[],"error":"index is not available"}"#),
        }
    }
}

type Headers = &'static [(&'static str, &'static [u8])];

const NO_HEADERS: Headers = &[];
const RETRY_AFTER_5: Headers = &[("retry-after", b"5")];

fn read(call: &Call, status: u16, headers: Headers, body: &str) -> Attempt {
    let (body, received) = (body.as_bytes(), SystemTime::UNIX_EPOCH);
    dialect::answer(call, &dialect::Response { status, headers, body, received }).attempt
}

fn error(message: &str) -> String {
    json!({ "status": "error", "message": message, "data": [] }).to_string()
}

impl Transport for Platform {
    async fn send(&self, call: Cleared<'_>) -> Answer {
        let (call, begun) = (call.call(), Instant::now());
        let doomed = self.doomed.get().filter(|(kind, ..)| *kind == call.kind());
        let attempt = if let Some((_, response, applied)) = doomed {
            self.doomed.set(None);
            self.responsed(call, response, applied)
        } else {
            let (status, body) = self.answer(call);
            read(call, status, NO_HEADERS, &body.to_string())
        };
        if attempt.name() == "lost" && doomed.is_some_and(|(_, response, _)| response == Response::TimeOut) {
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let (kind, ended) = (call.kind(), Instant::now());
        self.sent.borrow_mut().push(Sent { begun, ended, kind });
        attempt.into()
    }
}
