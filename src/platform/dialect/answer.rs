//! Classifies the response to a call.
//!
//! One question decides every case: did the platform itself answer? Only then is a success a success and a refusal a
//! refusal. After any other response the effect of the call is unknown: it is [`Attempt::Lost`].

mod message;

use std::time::Duration;

use serde_json::Value as Json;

use super::body;
use super::call_content::CallContent;
use super::page::page;
use super::rate_limit::rate_limit;
use super::response::Response;
use super::retry_after::retry_after;
use super::words::{NotFound, is_about_limit, is_about_token, is_no_such_contact, is_only_a_status, not_found};
use crate::core::answer::Answer;
use crate::core::attempt::Attempt;
use crate::core::call::{Call, CallKind};

/// The status of a contact that is still being created (API.md, trap 7).
const STILL_QUEUED: u16 = 449;

/// The statuses of a request that is too large, in its body, its line or its headers.
const TOO_LARGE: [u16; 3] = [413, 414, 431];

/// The statuses with which a platform may report that there is no such contact, besides a success with an error (API.md,
/// trap 5; the others were seen on such hosts).
const MAY_BE_MISSING: [u16; 6] = [400, 403, 404, 409, 410, 422];

/// Classifies a response to `call`, and reads the rate limit that it states.
///
/// The rate limit is used only if the platform itself answered: a documented success, a refusal in its envelope or
/// in the JSON of the framework behind it. A proxy's page may carry the limit of another service.
///
/// - 2xx is a success if the body is what the API documents for the call, a refusal if it reports an error, and lost
///   otherwise (API.md, trap 6). A page of a search that contradicts itself is marked ([`Page::contradiction`]).
/// - 401, 429 and 449 concern the token, the limit, and a contact that is still in the queue, whatever the body
///   (API.md, trap 7).
/// - 413, 414 and 431 are refusals of what the call carries, whatever the body.
/// - 3xx, 408 and 5xx are lost, whatever the body.
/// - 404 is a missing contact only for a call that names one, and only if the platform itself reports it (API.md, trap 5).
///   Otherwise it is a refusal if its message names something else than the path, and else a wrong path.
/// - Any other 4xx is a refusal if the platform or the framework behind it answered, and lost otherwise. Messages about
///   the token or the limit count as 401 and 429 do.
///
/// A search is never answered with [`Attempt::Missing`]: only a page without contacts shows that there is no such contact.
///
/// Messages are one line of at most 200 characters. The function never fails and never panics, whatever the bytes.
///
/// [`Page::contradiction`]: crate::core::page::Page::contradiction
pub fn answer(call: &Call, response: &Response<'_>) -> Answer {
    let received = Received::new(call, response);
    let attempt = received.attempt();
    let rate_limit = if received.is_the_platforms(&attempt) { rate_limit(response) } else { None };
    Answer { attempt, rate_limit, left: true }
}

/// The attempt whose response began with this head, and whose body was not read to its end.
pub(in crate::platform) fn cut_off(head: &Response<'_>, cause: &str) -> Attempt {
    Attempt::Lost { status: Some(head.status), cause: body::one_line(cause), retry_after: retry_after(head) }
}

/// A response together with what its meaning depends on in the call.
struct Received<'a> {
    kind: CallKind,
    /// The page that a search requested; 1 for any other call.
    page: u32,
    carried: CallContent<'a>,
    response: &'a Response<'a>,
    json: Option<Json>,
}

impl<'a> Received<'a> {
    fn new(call: &'a Call, response: &'a Response<'a>) -> Self {
        let page = call.asked().map_or(1, |asked| asked.page);
        let json = body::parse(response.body);
        Self { kind: call.kind(), page, carried: CallContent::of(call), response, json }
    }

    fn attempt(&self) -> Attempt {
        match self.response.status {
            200..=299 => self.success(),
            300..=399 => self.lost(&self.redirection()),
            401 => self.unauthorized(),
            404 => self.not_found(),
            405 if !self.is_envelope() && !self.lacks_a_write() => self.wrong_url(),
            408 => self.lost(&self.message()),
            429 => Attempt::throttled(self.retry_after()),
            status if TOO_LARGE.contains(&status) => self.too_large(),
            STILL_QUEUED => Attempt::Queued { message: body::one_line(&self.message()) },
            // The account is not paid for. The status has no other meaning.
            402 => self.refusal(),
            400..=499 if self.is_refusal() => self.refusal(),
            400..=499 => {
                let message = self.message();
                let message = message.trim_end_matches('.');
                self.lost(&format!("{message}, not a response of the API: probably a firewall or proxy"))
            }
            500..=599 => self.lost(&self.with_status()),
            _ => self.lost(&format!("HTTP has no status {}", self.response.status)),
        }
    }

    fn success(&self) -> Attempt {
        let unexpected =
            || self.lost(&format!("{} with {}, not a response of the API", self.response.status, self.found()));
        let Some(json) = &self.json else { return unexpected() };
        if body::has_trouble(json) {
            // An error without a message means nothing. A create that failed and yet has an id contradicts itself; a
            // search resolves it.
            let contradicts = self.kind == CallKind::Create && body::data_id(json).is_some() && !self.is_taken();
            let is_open = self.writes() && !body::is_refused(json);
            return match body::words(json) {
                Some(words) if contradicts => self.lost(&format!(
                    "{} with both an id and an error, not a response of the API: {words}",
                    self.response.status
                )),
                Some(words) if is_open => {
                    self.lost(&format!("{} with an unknown status: {words}", self.response.status))
                }
                Some(_) => self.refusal(),
                None => unexpected(),
            };
        }
        let read = match self.kind {
            CallKind::Find => page(json, self.page).map(Attempt::Page),
            CallKind::Read => body::contact(json).map(Attempt::Contact),
            CallKind::Create => body::data_id(json).map(Attempt::Created),
            // Either of the two documented forms of answers without new information.
            CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                (body::says_success(json) || body::data_id(json).is_some()).then_some(Attempt::Done)
            }
        };
        read.unwrap_or_else(unexpected)
    }

    // A 401 that is not from the platform stops the run too: its sender expects other credentials, and sending these
    // thousands of times could lock the account.
    fn unauthorized(&self) -> Attempt {
        if self.is_about_limit() && !self.is_about_token() {
            return self.throttled();
        }
        Attempt::Unauthorized { message: body::one_line(&self.message()) }
    }

    // The platform answered. Its message decides the kind of refusal, since 403 stands for any (API.md, "Errors").
    fn refusal(&self) -> Attempt {
        let message = body::one_line(&self.message());
        if self.is_about_token() {
            Attempt::Unauthorized { message }
        } else if self.is_about_limit() {
            self.throttled()
        } else if self.is_taken() {
            Attempt::Taken { by: self.json.as_ref().and_then(body::owner), message }
        } else if self.is_no_such_contact() {
            Attempt::Missing { message }
        } else {
            Attempt::Refused { status: self.response.status, message, about_row: self.is_about_row() }
        }
    }

    // The limit in a message, with another status than 429.
    fn throttled(&self) -> Attempt {
        Attempt::Throttled { retry_after: self.retry_after(), message: Some(body::one_line(&self.message())) }
    }

    fn too_large(&self) -> Attempt {
        let message = format!("{}: the request is too large ({})", self.response.status, self.message());
        Attempt::Refused { status: self.response.status, message: body::one_line(&message), about_row: true }
    }

    // A wrong URL is answered with 404 for every call. A 404 means a missing contact only if the platform itself answered and
    // the call names a contact. It never does for a search: a search without hits is documented to return an empty page, and
    // taking a wrong URL for that would create every contact again.
    fn not_found(&self) -> Attempt {
        let refusal = self.refusal();
        let Some(json) = self.json.as_ref().filter(|_| matches!(refusal, Attempt::Refused { .. })) else {
            return if self.json.is_some() { refusal } else { self.wrong_path() };
        };
        let words = body::words(json).unwrap_or_default();
        // The framework's message for an existing route and a missing record; and its validation of the request.
        if words.starts_with("No query results for model") || !body::errors_by_field(json).is_empty() {
            return refusal;
        }
        if !body::is_envelope(json) {
            return self.wrong_path();
        }
        match not_found(&words, self.carried.id()) {
            NotFound::Nothing | NotFound::Contact if self.names_contact() && body::is_documented_error(json) => {
                Attempt::Missing { message: body::one_line(&self.message()) }
            }
            NotFound::Nothing | NotFound::Path => self.wrong_path(),
            NotFound::Contact | NotFound::Other => refusal,
        }
    }

    fn wrong_path(&self) -> Attempt {
        let message = self.message();
        let message = format!("{}, not a response of the API; check the URL", message.trim_end_matches('.'));
        Attempt::WrongPath { message: body::one_line(&message) }
    }

    fn wrong_url(&self) -> Attempt {
        let message = self.message();
        self.lost(&format!("{}, not a response of the API; check the URL", message.trim_end_matches('.')))
    }

    // Whether a 4xx is a refusal: by the platform in its envelope, or by the framework behind it in JSON with a message. A
    // 403 with only the name of the status comes from something in front of the platform (API.md, trap 5).
    fn is_refusal(&self) -> bool {
        let Some(json) = &self.json else { return false };
        let is_bare = |words: &str| self.response.status == 403 && is_only_a_status(words);
        body::is_envelope(json) || body::words(json).is_some_and(|words| !is_bare(&words))
    }

    fn is_envelope(&self) -> bool {
        self.json.as_ref().is_some_and(body::is_envelope)
    }

    // Whether the platform lacks a write on a contact, such as the removal of tags. A search or a create without its method
    // has a wrong URL.
    fn lacks_a_write(&self) -> bool {
        match self.kind {
            CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => self.is_refusal(),
            CallKind::Find | CallKind::Read | CallKind::Create => false,
        }
    }

    fn writes(&self) -> bool {
        match self.kind {
            CallKind::Create | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => true,
            CallKind::Find | CallKind::Read => false,
        }
    }

    fn names_contact(&self) -> bool {
        match self.kind {
            CallKind::Read | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => true,
            CallKind::Find | CallKind::Create => false,
        }
    }

    fn is_no_such_contact(&self) -> bool {
        let may_be = (200..300).contains(&self.response.status) || MAY_BE_MISSING.contains(&self.response.status);
        may_be
            && self.names_contact()
            && self.errors().is_empty()
            && self.words().is_some_and(|words| is_no_such_contact(&words))
    }

    // Only a value that is written can belong to another contact (API.md, trap 8).
    fn is_taken(&self) -> bool {
        let writes = matches!(self.kind, CallKind::Create | CallKind::Update);
        writes && self.words().is_some_and(|words| words.to_lowercase().contains("already connected to a contact"))
    }

    fn is_about_token(&self) -> bool {
        let names = |text: &str| self.carried.is_named_in(text);
        self.errors().is_empty() && self.words().is_some_and(|words| is_about_token(&words, names))
    }

    fn is_about_limit(&self) -> bool {
        let names = |text: &str| self.carried.is_named_in(text);
        self.errors().is_empty() && self.words().is_some_and(|words| is_about_limit(&words, names))
    }

    fn is_about_row(&self) -> bool {
        self.errors().iter().any(|(key, _)| self.carried.label(key).is_some())
            || self.words().is_some_and(|words| self.carried.is_named_in(&words))
    }

    // Whether the platform itself answered, and not something in front of it.
    fn is_the_platforms(&self, attempt: &Attempt) -> bool {
        match attempt {
            Attempt::Page(page) => page.contradiction.is_none(),
            Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done => true,
            Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. }
            | Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. } => {
                self.json.as_ref().is_some_and(|json| body::is_envelope(json) || body::is_framework_error(json))
            }
            Attempt::WrongPath { .. } | Attempt::Unsent { .. } | Attempt::Lost { .. } => false,
        }
    }

    fn lost(&self, cause: &str) -> Attempt {
        cut_off(self.response, cause)
    }

    fn retry_after(&self) -> Option<Duration> {
        retry_after(self.response)
    }

    fn words(&self) -> Option<String> {
        self.json.as_ref().and_then(body::words)
    }

    fn errors(&self) -> Vec<(&str, String)> {
        self.json.as_ref().map(body::errors_by_field).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
