//! The answers of faults that replace a call, with the words of real servers.

use std::time::{Duration, SystemTime};

use axum::http::header;
use serde_json::json;

use super::answer::{ApiError, LIMIT, Reply};
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
pub fn answer_instead(fault: Fault, at: FaultContext<'_>) -> Option<Reply> {
    let seconds = at.now.as_millis() / 1_000;
    let throttled = |retry_after| Reply::throttled(at.rate, retry_after, seconds);
    let answer = match fault {
        Fault::BadGateway => Reply::bad_gateway(),
        Fault::BadGatewayLimit => Reply::bad_gateway().with(LIMIT, &PROXY_LIMIT),
        Fault::FirewallPage => Reply::page(403, "403 Forbidden"),
        Fault::NotFoundPage => Reply::page(404, "404 Not Found"),
        Fault::NotFoundJson => Reply::json(404, &json!({ "message": "The route could not be found." })),
        Fault::BodyTooLarge => Reply::page(413, "413 Request Entity Too Large"),
        Fault::UrlTooLong => Reply::page(414, "414 Request-URI Too Large"),
        Fault::HeadTooLarge => Reply::page(431, "431 Request Header Fields Too Large"),
        Fault::Unavailable => {
            Reply::page(503, "503 Service Temporarily Unavailable").with(header::RETRY_AFTER, &at.throttle_seconds)
        }
        Fault::Throttle => throttled(at.throttle_seconds),
        Fault::ThrottleBare => ApiError::TooManyCalls.answer(),
        Fault::ThrottleHours => throttled(TWO_HOURS),
        Fault::ThrottleFraction => {
            ApiError::TooManyCalls.answer().with(LIMIT, &at.rate).with(header::RETRY_AFTER, &1.5)
        }
        Fault::ThrottleDate => {
            let until = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds + at.throttle_seconds);
            let date = httpdate::fmt_http_date(until);
            ApiError::TooManyCalls.answer().with(LIMIT, &at.rate).with(header::RETRY_AFTER, &date)
        }
        Fault::TokenExpired => Reply::refusal(403, "API Token has expired."),
        Fault::RateLimitExceeded => Reply::refusal(403, "Rate limit exceeded."),
        Fault::QuotaExceeded => Reply::refusal(403, "Quota exceeded for this workspace."),
        Fault::SubscriptionExpired => Reply::refusal(402, "Your subscription has expired."),
        Fault::UnknownError => Reply::refusal(403, "An unknown error occurred. Please contact support."),
        Fault::PageNotFound => Reply::refusal(404, "Page Not Found. If error persists, contact info@example.com"),
        Fault::BadRequest => Reply::refusal(400, "Bad Request"),
        Fault::ValidationFailed => validation_failed(at.request),
        Fault::ProblemJson => Reply::problem(422, "Unprocessable Content", "The value is not valid for this field."),
        Fault::BareList => Reply::json(400, &["The value is not valid for this field."]),
        Fault::ErrorWith200 => Reply::refusal(200, "Something went wrong."),
        Fault::OwnerNotFound => Reply::refusal(403, "Contact owner not found."),
        Fault::ListNotFound => Reply::refusal(403, "Contact list does not exist"),
        Fault::UnknownPlan => Reply::refusal(403, "Unknown value for contact.plan"),
        Fault::Error => Reply::server_error(at.as_page),
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
fn validation_failed(request: Option<&ApiRequest>) -> Reply {
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
    Reply::json(422, &json!({ "message": message, "errors": { path: [message] } }))
}
