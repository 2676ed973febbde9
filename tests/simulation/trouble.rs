//! The misbehaviour of real servers, with the sandbox's names: the affected calls, and the raw HTTP answers.

use std::time::{Duration, SystemTime};

use contactsync::engine::{Answer, Call, dialect};
use contactsync::report::CallKind;
use contactsync::sandbox::Fault;
use fastrand::Rng;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use serde_json::{Value as Json, json};

/// The `Retry-After` of [`Fault::ThrottleDate`] and [`Fault::Unavailable`], in seconds.
pub const RETRY_AFTER_SECONDS: u64 = 90;

/// The longest wait that a fault asks for.
pub const LONGEST_WAIT: Duration = Duration::from_hours(2);

/// A fault and the calls that it affects.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub fault: Fault,
    /// The probability.
    pub share: f64,
    /// `None`: all kinds that it can affect.
    pub kind: Option<CallKind>,
    /// The first affected call of the channel, from 0.
    pub from_call: u64,
    /// The only row whose calls it affects.
    pub row: Option<usize>,
}

impl Trouble {
    /// Whether it strikes this call, the `number`-th of the channel (from 0), which is about this row.
    pub fn strikes(&self, kind: CallKind, row: Option<usize>, number: u64, chance: &mut Rng) -> bool {
        self.kind.is_none_or(|only| only == kind)
            && applies(self.fault, kind)
            && number >= self.from_call
            && (self.row.is_none() || self.row == row)
            && chance.f64() < self.share
    }
}

/// Whether a fault can strike a kind of call at all.
pub fn applies(fault: Fault, kind: CallKind) -> bool {
    if is_of_search(fault) {
        kind == CallKind::Find
    } else if is_of_create(fault) {
        kind == CallKind::Create
    } else {
        true
    }
}

/// Whether the fault changes what a search answers.
pub fn is_of_search(fault: Fault) -> bool {
    [
        Fault::EmptyWithTotal,
        Fault::EmptyWithError,
        Fault::EmptyWithStatusFail,
        Fault::EmptyWithSuccessFalse,
        Fault::TotalBeyondPages,
        Fault::NextOnLastPage,
        Fault::PageIgnored,
        Fault::EndlessHits,
    ]
    .contains(&fault)
}

/// Whether the fault changes what a create does, or whose id it answers.
pub fn is_of_create(fault: Fault) -> bool {
    [Fault::PreviousId, Fault::UpsertByEmail].contains(&fault)
}

/// Whether a row may be rejected for it while it lasts, with the platform's words: a refusal that says nothing of the
/// token, the limit or the URL.
pub fn may_reject(fault: Fault) -> bool {
    [
        Fault::BodyTooLarge,
        Fault::UrlTooLong,
        Fault::HeadTooLarge,
        Fault::SubscriptionExpired,
        Fault::UnknownError,
        Fault::PageNotFound,
        Fault::BadRequest,
        Fault::ValidationFailed,
        Fault::ProblemJson,
        Fault::BareList,
        Fault::ErrorWith200,
        Fault::OwnerNotFound,
        Fault::ListNotFound,
        Fault::UnknownPlan,
        Fault::EmptyWithError,
        Fault::EmptyWithStatusFail,
        Fault::EmptyWithSuccessFalse,
        Fault::EndlessHits,
    ]
    .contains(&fault)
}

/// All faults with each kind of call that they can affect.
pub fn combinations() -> Vec<(Fault, CallKind)> {
    let kinds = |fault: &Fault| CallKind::ALL.into_iter().map(|kind| (*fault, kind)).collect::<Vec<_>>();
    Fault::ALL.iter().flat_map(kinds).filter(|(fault, kind)| applies(*fault, *kind)).collect()
}

/// A raw HTTP answer.
#[derive(Clone, Debug)]
pub struct Raw {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Raw {
    pub fn json(status: u16, body: &Json) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    /// A refusal in the documented envelope.
    pub fn refusal(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "status": "error", "message": message, "data": [] }))
    }

    pub fn page(status: u16, heading: &str) -> Self {
        let body =
            format!("<!DOCTYPE html>\n<html><head><title>{heading}</title></head><body>{heading}</body></html>\n");
        Self::of(status, "text/html; charset=UTF-8", body)
    }

    fn of(status: u16, content_type: &'static str, body: String) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { status, headers, body: body.into_bytes() }
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &impl ToString) -> Self {
        let value = HeaderValue::try_from(value.to_string()).expect("numbers and dates are visible ASCII");
        self.headers.insert(name, value);
        self
    }

    /// The same with rate limit headers.
    #[must_use]
    pub fn limited(self, limit: u32, remaining: u32) -> Self {
        let name = HeaderName::from_static;
        self.with(name("x-ratelimit-limit"), &limit).with(name("x-ratelimit-remaining"), &remaining)
    }

    /// The answer as the client's parser reads it.
    pub fn heard(&self, call: &Call, received: SystemTime) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (status, body) = (self.status, self.body.as_slice());
        dialect::answer(call, &dialect::Response { status, headers: &headers, body, received })
    }
}

/// A 429, with a `Retry-After` or without.
pub fn throttled(retry_after: Option<&str>) -> Raw {
    let raw = Raw::refusal(429, "Too many requests");
    match retry_after {
        Some(retry_after) => raw.with(RETRY_AFTER, &retry_after),
        None => raw,
    }
}

/// The answer instead of executing the call. `None` for faults that change a search, a create or an answer, and for closed
/// connections.
pub fn answer_instead(fault: Fault, kind: CallKind, now: SystemTime) -> Option<Raw> {
    let raw = match fault {
        Fault::BadGateway => Raw::page(502, "502 Bad Gateway"),
        Fault::BadGatewayLimit => {
            Raw::page(502, "502 Bad Gateway").with(HeaderName::from_static("x-ratelimit-limit"), &2)
        }
        Fault::FirewallPage => Raw::page(403, "403 Forbidden"),
        Fault::NotFoundPage => Raw::page(404, "404 Not Found"),
        Fault::NotFoundJson => Raw::json(404, &json!({ "message": "The route could not be found." })),
        Fault::BodyTooLarge => Raw::page(413, "413 Request Entity Too Large"),
        Fault::UrlTooLong => Raw::page(414, "414 Request-URI Too Large"),
        Fault::HeadTooLarge => Raw::page(431, "431 Request Header Fields Too Large"),
        Fault::Unavailable => {
            Raw::page(503, "503 Service Temporarily Unavailable").with(RETRY_AFTER, &RETRY_AFTER_SECONDS)
        }
        Fault::Throttle => throttled(Some("1")),
        Fault::ThrottleBare => throttled(None),
        Fault::ThrottleHours => throttled(Some(&LONGEST_WAIT.as_secs().to_string())),
        Fault::ThrottleFraction => throttled(Some("1.5")),
        Fault::ThrottleDate => {
            throttled(Some(&httpdate::fmt_http_date(now + Duration::from_secs(RETRY_AFTER_SECONDS))))
        }
        Fault::TokenExpired => Raw::refusal(403, "API Token has expired."),
        Fault::RateLimitExceeded => Raw::refusal(403, "Rate limit exceeded."),
        Fault::QuotaExceeded => Raw::refusal(403, "Quota exceeded for this workspace."),
        Fault::SubscriptionExpired => Raw::refusal(402, "Your subscription has expired."),
        Fault::UnknownError => Raw::refusal(403, "An unknown error occurred. Please contact support."),
        Fault::PageNotFound => Raw::refusal(404, "Page Not Found. If error persists, contact info@example.com"),
        Fault::BadRequest => Raw::refusal(400, "Bad Request"),
        Fault::ValidationFailed => validation_failed(kind),
        Fault::ProblemJson => Raw::of(
            422,
            "application/problem+json",
            json!({ "type": "about:blank", "title": "Unprocessable Content", "status": 422,
                "detail": "The value is not valid for this field." })
            .to_string(),
        ),
        Fault::BareList => Raw::json(400, &json!(["The value is not valid for this field."])),
        Fault::ErrorWith200 => Raw::refusal(200, "Something went wrong."),
        Fault::OwnerNotFound => Raw::refusal(403, "Contact owner not found."),
        Fault::ListNotFound => Raw::refusal(403, "Contact list does not exist"),
        Fault::UnknownPlan => Raw::refusal(403, "Unknown value for contact.plan"),
        Fault::Error => Raw::json(500, &json!({ "message": "Server Error" })),
        Fault::LoseBefore
        | Fault::EmptyWithTotal
        | Fault::EmptyWithError
        | Fault::EmptyWithStatusFail
        | Fault::EmptyWithSuccessFalse
        | Fault::TotalBeyondPages
        | Fault::NextOnLastPage
        | Fault::PageIgnored
        | Fault::EndlessHits
        | Fault::PreviousId
        | Fault::UpsertByEmail
        | Fault::LoseAfter
        | Fault::ErrorAfter
        | Fault::BadGatewayAfter
        | Fault::CutBody => return None,
    };
    Some(raw)
}

/// Whether the call is refused before the limiter, and so not counted.
pub fn is_uncounted(fault: Fault) -> bool {
    [
        Fault::LoseBefore,
        Fault::BadGateway,
        Fault::BadGatewayLimit,
        Fault::FirewallPage,
        Fault::NotFoundPage,
        Fault::NotFoundJson,
        Fault::BodyTooLarge,
        Fault::UrlTooLong,
        Fault::HeadTooLarge,
        Fault::Unavailable,
        Fault::Throttle,
        Fault::ThrottleBare,
        Fault::ThrottleHours,
        Fault::ThrottleFraction,
        Fault::ThrottleDate,
        Fault::TokenExpired,
        Fault::RateLimitExceeded,
    ]
    .contains(&fault)
}

fn validation_failed(kind: CallKind) -> Raw {
    let path = match kind {
        CallKind::Find => "value",
        CallKind::Read => "id",
        CallKind::Create | CallKind::Update => "custom_fields.0.value",
        CallKind::AddTags | CallKind::RemoveTags => "tags.0",
    };
    let message = format!("The {path} field format is invalid.");
    Raw::json(422, &json!({ "message": message, "errors": { path: [message] } }))
}

/// A page of a search, changed by the fault. Other faults do not change it.
pub fn distorted(fault: Option<Fault>, mut page: Json) -> Json {
    let Some(fault) = fault else { return page };
    let empty = || json!({ "data": [], "links": { "next": null }, "meta": { "current_page": 1, "last_page": 1, "per_page": 10, "total": 0 } });
    if fault == Fault::EmptyWithTotal {
        page = empty();
        page["meta"]["total"] = 1.into();
    } else if fault == Fault::EmptyWithError {
        page = empty();
        page["error"] = "The search is temporarily unavailable.".into();
    } else if fault == Fault::EmptyWithStatusFail {
        page = empty();
        page["status"] = "fail".into();
    } else if fault == Fault::EmptyWithSuccessFalse {
        page = empty();
        page["success"] = "false".into();
    } else if fault == Fault::TotalBeyondPages {
        page["meta"]["total"] = page["meta"]["total"].as_u64().unwrap_or_default().max(14).into();
        page["meta"]["last_page"] = 1.into();
        page["links"]["next"] = Json::Null;
    } else if fault == Fault::NextOnLastPage {
        page["links"]["next"] = "http://example.com/api/v1/contact/by_custom_field?page=2".into();
    }
    page
}
