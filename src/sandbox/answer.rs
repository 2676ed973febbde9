//! Answers in the documented form, and refusals with their messages.

use std::collections::BTreeMap;
use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::fault::Fault;
use super::limit::RateVerdict;
use crate::core::model::{ContactId, Value};
use crate::core::size_limits::{CONTACTS_PER_PAGE, FIELDS_PER_CALL, TAGS_PER_CALL};

/// The path of a find, before the query.
pub const FIND_PATH: &str = "/api/v1/contact/by_custom_field";

/// The header with the limit.
pub const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Number of pages of [`Fault::EndlessHits`], which is more than any client should read.
const ENDLESS_PAGES: usize = 1_000;

/// The smallest total of [`Fault::TotalBeyondPages`], which does not fit on one page.
const TOTAL_BEYOND_PAGES: usize = CONTACTS_PER_PAGE + 4;

/// The keys that some faults add to an empty list.
const BESIDE_NO_CONTACTS: [(Fault, &str, &str); 3] = [
    (Fault::EmptyWithError, "error", "The search is temporarily unavailable."),
    (Fault::EmptyWithStatusFail, "status", "fail"),
    (Fault::EmptyWithSuccessFalse, "success", "false"),
];

/// The reason why the platform refuses a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The body or the query is invalid.
    Malformed(String),
    /// No token, or one that is not valid.
    Unauthorized,
    /// More fields than allowed in a call.
    TooManyFields,
    /// More tags than allowed in a call.
    TooManyTags,
    /// The contact does not have a tag that is to be removed.
    NoSuchTag(String),
    /// There is no such contact. The status is 403, not 404 (API.md, trap 5).
    NoSuchContact,
    /// A value that only one contact may have belongs to another one (API.md, trap 8).
    Taken {
        /// The field.
        field: String,
        /// The other contact.
        by: ContactId,
    },
    /// The contact is still being created (API.md, trap 7).
    Queued,
    /// Over the limit.
    TooManyCalls,
    /// The path has no such method.
    WrongMethod,
    /// There is no such path.
    WrongPath,
}

impl ApiError {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unauthorized => 401,
            Self::TooManyFields | Self::TooManyTags | Self::NoSuchTag(_) | Self::NoSuchContact => 403,
            Self::WrongPath => 404,
            Self::WrongMethod => 405,
            Self::Taken { .. } => 409,
            Self::TooManyCalls => 429,
            Self::Queued => 449,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Malformed(why) => why.clone(),
            Self::Unauthorized => "API Token is invalid.".into(),
            Self::TooManyFields => format!("Maximum {FIELDS_PER_CALL} custom fields per request."),
            Self::TooManyTags => format!("Maximum {TAGS_PER_CALL} tags per request."),
            Self::NoSuchTag(tag) => format!("Contact does not have the tag \"{tag}\"."),
            Self::NoSuchContact => "No such contact.".into(),
            Self::Taken { field, .. } => format!("This {field} is already connected to a contact."),
            Self::Queued => "Contact creation is in the queue, try again later.".into(),
            Self::TooManyCalls => "Too many requests".into(),
            Self::WrongMethod => "405 Method Not Allowed.".into(),
            Self::WrongPath => "404 Not Found.".into(),
        }
    }

    /// The answer in the documented envelope.
    pub fn answer(&self) -> Reply {
        let data = match self {
            Self::Taken { by, .. } => json!({ "id": by }),
            Self::Malformed(_)
            | Self::Unauthorized
            | Self::TooManyFields
            | Self::TooManyTags
            | Self::NoSuchTag(_)
            | Self::NoSuchContact
            | Self::Queued
            | Self::TooManyCalls
            | Self::WrongMethod
            | Self::WrongPath => json!([]),
        };
        Reply::envelope(self.status(), &self.message(), &data)
    }
}

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

/// Marks a response that is dropped: the connection closes instead.
#[derive(Clone, Copy, Debug)]
pub struct Dropped;

impl Reply {
    /// An answer with `content` as JSON.
    pub fn json(status: u16, content: &impl Serialize) -> Self {
        let body = serde_json::to_vec(content).expect("text, numbers, booleans and null are always JSON");
        Self { status, content_type: "application/json", headers: Vec::new(), body }
    }

    /// A refusal with this message, in the documented envelope.
    pub fn refusal(status: u16, message: &str) -> Self {
        Self::envelope(status, message, &json!([]))
    }

    /// A refusal as problem details (RFC 9457).
    pub fn problem(status: u16, title: &str, detail: &str) -> Self {
        let content = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail });
        Self { content_type: "application/problem+json", ..Self::json(status, &content) }
    }

    /// A web page with this heading.
    pub fn page(status: u16, heading: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html>\n<head><title>{heading}</title></head>\n<body>\n<center><h1>{heading}</h1></center>\n\
             <hr><center>nginx</center>\n</body>\n</html>\n"
        );
        Self { status, content_type: "text/html; charset=UTF-8", headers: Vec::new(), body: body.into_bytes() }
    }

    /// A redirect to a page, as the framework answers a caller that does not ask for JSON.
    pub fn redirect(url: &str) -> Self {
        Self::page(302, &format!("Redirecting to {url}")).with(header::LOCATION, &url)
    }

    /// A server error, as JSON or as a page.
    pub fn server_error(as_page: bool) -> Self {
        if as_page { Self::page(500, "Server Error") } else { Self::json(500, &json!({ "message": "Server Error" })) }
    }

    /// The page of a proxy whose server did not answer.
    pub fn bad_gateway() -> Self {
        Self::page(502, "502 Bad Gateway")
    }

    /// A 429 below the limit, with the headers of one at the limit.
    pub fn throttled(rate: u32, retry_after: u64, now_seconds: u64) -> Self {
        let verdict = RateVerdict::Refused { retry_after, reset: now_seconds + retry_after };
        ApiError::TooManyCalls.answer().limited(rate, verdict)
    }

    /// Adds the headers of the limiter's decision.
    #[must_use]
    pub fn limited(self, rate: u32, verdict: RateVerdict) -> Self {
        match verdict {
            RateVerdict::Unlimited | RateVerdict::RefusedWithoutHeaders => self,
            RateVerdict::Counted { remaining } => self.with(LIMIT, &rate).with(REMAINING, &remaining),
            RateVerdict::Refused { retry_after, reset } => {
                self.with(LIMIT, &rate).with(REMAINING, &0).with(header::RETRY_AFTER, &retry_after).with(RESET, &reset)
            }
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The complete HTTP response.
    pub fn whole(self) -> Response {
        let Self { status, content_type, headers, body } = self;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).expect("every status above has three digits");
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().extend(headers);
        response
    }

    /// A response with the head of the whole body and half of the body, after which the connection closes.
    pub fn cut(mut self) -> Response {
        let whole = self.body.len();
        self.body.truncate(whole / 2);
        let half = Bytes::from(std::mem::take(&mut self.body));
        // Without the pause, the connection would fail before the first half is sent.
        let break_off = async {
            tokio::task::yield_now().await;
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        };
        let body = Body::from_stream(stream::once(async { Ok(half) }).chain(stream::once(break_off)));
        let mut response = self.whole().map(|_| body);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
        response
    }

    /// No answer: the server closes the connection instead.
    pub fn dropped() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Dropped);
        response
    }

    fn envelope(status: u16, message: &str, data: &Json) -> Self {
        Self::json(status, &json!({ "status": "error", "message": message, "data": data }))
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &impl ToString) -> Self {
        let value = HeaderValue::try_from(value.to_string()).expect("numbers, dates and our own URL are visible ASCII");
        self.headers.push((name, value));
        self
    }
}

/// A contact as a find and a read return it.
#[derive(Debug, Serialize)]
pub struct ContactBody<'a> {
    /// The platform's id.
    pub id: &'a ContactId,
    /// An object, although requests have an array.
    pub custom_fields: &'a BTreeMap<String, Option<Value>>,
    /// In the order in which they were added.
    pub tags: &'a [String],
    /// Seconds since the Unix epoch.
    pub created_at: u64,
}

#[derive(Serialize)]
struct PageBody<'a> {
    data: Vec<ContactBody<'a>>,
    links: Links,
    meta: Meta,
}

#[derive(Serialize)]
struct Links {
    first: String,
    last: String,
    prev: Option<String>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Meta {
    current_page: usize,
    from: Option<usize>,
    last_page: usize,
    path: String,
    per_page: usize,
    to: Option<usize>,
    total: usize,
}

/// The answer to a find: page `number` (from 1) of the `matching` contacts, changed by `fault`. `origin` is the platform's
/// address, `http://` and a host.
///
/// The links have only the page, without name and value (API.md, trap 1).
pub fn page<'a>(
    origin: &str,
    number: usize,
    matching: &[usize],
    show: impl Fn(usize) -> ContactBody<'a>,
    fault: Option<Fault>,
) -> Reply {
    let number = if fault == Some(Fault::PageIgnored) { 1 } else { number };
    let skipped = number.saturating_sub(1).saturating_mul(CONTACTS_PER_PAGE);
    let data = matching.iter().skip(skipped).take(CONTACTS_PER_PAGE).map(|&contact| show(contact)).collect();
    let page = PageBody::new(origin, number, matching.len(), data);
    match fault {
        Some(fault) => distorted(origin, page, fault),
        None => Reply::json(200, &page),
    }
}

/// A page of [`Fault::EndlessHits`]: every contact has `value` in the field `name`, and `bytes` more in another field.
pub fn endless_page(origin: &str, number: usize, name: &str, value: &str, bytes: usize) -> Reply {
    let total = ENDLESS_PAGES * CONTACTS_PER_PAGE;
    let first = number.saturating_sub(1).saturating_mul(CONTACTS_PER_PAGE);
    let ids: Vec<ContactId> = (first..total.min(first.saturating_add(CONTACTS_PER_PAGE)))
        .map(|place| ContactId::new(format!("endless-{place}")).expect("it has letters"))
        .collect();
    let text = |text: &str| Some(Value::Text(text.into()));
    let custom_fields =
        BTreeMap::from([(name.to_owned(), text(value)), ("notes".to_owned(), text(&"x".repeat(bytes)))]);
    let show = |id| ContactBody { id, custom_fields: &custom_fields, tags: &[], created_at: 0 };
    Reply::json(200, &PageBody::new(origin, number, total, ids.iter().map(show).collect()))
}

impl<'a> PageBody<'a> {
    fn new(origin: &str, number: usize, total: usize, data: Vec<ContactBody<'a>>) -> Self {
        let last_page = total.div_ceil(CONTACTS_PER_PAGE).max(1);
        let skipped = number.saturating_sub(1).saturating_mul(CONTACTS_PER_PAGE);
        let links = Links {
            first: link(origin, 1),
            last: link(origin, last_page),
            prev: (number > 1).then(|| link(origin, number - 1)),
            next: (number < last_page).then(|| link(origin, number + 1)),
        };
        let from = (!data.is_empty()).then_some(skipped + 1);
        let to = (!data.is_empty()).then_some(skipped + data.len());
        let path = format!("{origin}{FIND_PATH}");
        let meta = Meta { current_page: number, from, last_page, path, per_page: CONTACTS_PER_PAGE, to, total };
        Self { data, links, meta }
    }
}

fn link(origin: &str, page: usize) -> String {
    format!("{origin}{FIND_PATH}?page={page}")
}

// The page as a fault of the search changes it. Other faults do not change it.
fn distorted(origin: &str, mut page: PageBody<'_>, fault: Fault) -> Reply {
    if let Some((_, key, word)) = BESIDE_NO_CONTACTS.into_iter().find(|(named, ..)| *named == fault) {
        let mut body = serde_json::to_value(PageBody::new(origin, 1, 0, Vec::new())).expect("a page is JSON");
        body[key] = word.into();
        return Reply::json(200, &body);
    }
    if fault == Fault::EmptyWithTotal {
        page = PageBody::new(origin, 1, 0, Vec::new());
        page.meta.total = 1;
    } else if fault == Fault::TotalBeyondPages {
        page.meta.total = page.meta.total.max(TOTAL_BEYOND_PAGES);
        page.meta.last_page = 1;
        page.links.last = link(origin, 1);
        page.links.next = None;
    } else if fault == Fault::NextOnLastPage {
        page.links.next = Some(link(origin, page.meta.current_page + 1));
    }
    Reply::json(200, &page)
}

/// The answer to a read.
pub fn contact(shown: &ContactBody<'_>) -> Reply {
    Reply::json(200, &json!({ "data": shown }))
}

/// The answer to a create or an update.
pub fn id(id: &str) -> Reply {
    Reply::json(200, &json!({ "data": { "id": id } }))
}

/// The answer to a change of tags.
pub fn tags_changed(message: &str) -> Reply {
    Reply::json(200, &json!({ "status": "success", "message": message, "data": [] }))
}
