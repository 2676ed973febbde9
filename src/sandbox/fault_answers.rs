//! The answers of faults that replace a call, with the words of real servers.

use std::time::{Duration, SystemTime};

use axum::http::header;
use serde_json::json;

use super::answer::{Answer, LIMIT, Refusal};
use super::fault::Fault;
use super::request::ApiRequest;
use crate::core::time::Timestamp;

/// The limit of a proxy, which is not the platform's.
const PROXY_LIMIT: u32 = 2;

/// The `Retry-After` of [`Fault::ThrottleHours`], in seconds.
const TWO_HOURS: u64 = 7_200;

/// The index of the field that a failed validation names, if the call has so many fields.
const INVALID_FIELD: usize = 3;

/// The context of a fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultContext<'a> {
    /// The call; `None` if it is none of the six.
    pub request: Option<&'a ApiRequest>,
    /// The platform's limit.
    pub rate: u32,
    /// [`Faults::throttle_seconds`](super::Faults::throttle_seconds).
    pub throttle_seconds: u64,
    /// Whether a 500 is a page.
    pub as_page: bool,
    /// The platform's time.
    pub now: Timestamp,
}

/// The answer that replaces the call. `None` if the connection is closed instead, and for faults of later stages.
pub fn answer_instead(fault: Fault, at: FaultContext<'_>) -> Option<Answer> {
    let seconds = at.now.as_millis() / 1_000;
    let throttled = |retry_after| Answer::throttled(at.rate, retry_after, seconds);
    let answer = match fault {
        Fault::BadGateway => Answer::bad_gateway(),
        Fault::BadGatewayLimit => Answer::bad_gateway().with(LIMIT, &PROXY_LIMIT),
        Fault::FirewallPage => Answer::page(403, "403 Forbidden"),
        Fault::NotFoundPage => Answer::page(404, "404 Not Found"),
        Fault::NotFoundJson => Answer::json(404, &json!({ "message": "The route could not be found." })),
        Fault::BodyTooLarge => Answer::page(413, "413 Request Entity Too Large"),
        Fault::UrlTooLong => Answer::page(414, "414 Request-URI Too Large"),
        Fault::HeadTooLarge => Answer::page(431, "431 Request Header Fields Too Large"),
        Fault::Unavailable => {
            Answer::page(503, "503 Service Temporarily Unavailable").with(header::RETRY_AFTER, &at.throttle_seconds)
        }
        Fault::Throttle => throttled(at.throttle_seconds),
        Fault::ThrottleBare => Refusal::TooManyCalls.answer(),
        Fault::ThrottleHours => throttled(TWO_HOURS),
        Fault::ThrottleFraction => Refusal::TooManyCalls.answer().with(LIMIT, &at.rate).with(header::RETRY_AFTER, &1.5),
        Fault::ThrottleDate => {
            let until = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds + at.throttle_seconds);
            let date = httpdate::fmt_http_date(until);
            Refusal::TooManyCalls.answer().with(LIMIT, &at.rate).with(header::RETRY_AFTER, &date)
        }
        Fault::TokenExpired => Answer::refusal(403, "API Token has expired."),
        Fault::RateLimitExceeded => Answer::refusal(403, "Rate limit exceeded."),
        Fault::QuotaExceeded => Answer::refusal(403, "Quota exceeded for this workspace."),
        Fault::SubscriptionExpired => Answer::refusal(402, "Your subscription has expired."),
        Fault::UnknownError => Answer::refusal(403, "An unknown error occurred. Please contact support."),
        Fault::PageNotFound => Answer::refusal(404, "Page Not Found. If error persists, contact info@example.com"),
        Fault::BadRequest => Answer::refusal(400, "Bad Request"),
        Fault::ValidationFailed => validation_failed(at.request),
        Fault::ProblemJson => Answer::problem(422, "Unprocessable Content", "The value is not valid for this field."),
        Fault::BareList => Answer::json(400, &["The value is not valid for this field."]),
        Fault::ErrorWith200 => Answer::refusal(200, "Something went wrong."),
        Fault::OwnerNotFound => Answer::refusal(403, "Contact owner not found."),
        Fault::ListNotFound => Answer::refusal(403, "Contact list does not exist"),
        Fault::UnknownPlan => Answer::refusal(403, "Unknown value for contact.plan"),
        Fault::Error => Answer::server_error(at.as_page),
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
    Some(answer)
}

// The framework's validator: the message of the first failure, and all of them by the path of the input.
fn validation_failed(request: Option<&ApiRequest>) -> Answer {
    let path = match request {
        Some(ApiRequest::Find { .. }) => "value".to_owned(),
        Some(ApiRequest::Create(fields) | ApiRequest::Update(_, fields)) => {
            let last = fields.as_ref().map_or(0, Vec::len).saturating_sub(1);
            format!("custom_fields.{}.value", last.min(INVALID_FIELD))
        }
        Some(ApiRequest::AddTags(..) | ApiRequest::RemoveTags(..)) => "tags.0".to_owned(),
        Some(ApiRequest::Read(_)) | None => "id".to_owned(),
    };
    let message = format!("The {path} field format is invalid.");
    Answer::json(422, &json!({ "message": message, "errors": { path: [message] } }))
}
