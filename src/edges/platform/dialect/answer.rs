//! From an answer to what it means for the call.
//!
//! One question decides every case: did the platform itself speak? Only then is a success a success and a refusal a
//! refusal. Everything else leaves open what became of the call, and is [`Attempt::Lost`].

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use serde_json::Value as Json;

use super::body;
use crate::core::attempt::Attempt;
use crate::core::call::CallKind;

/// The longest that a `Retry-After` is believed. The platform counts by the minute (API.md, "The limit"), so that more
/// is a mistake in a unit or a date, and must not put a run to sleep for a day.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The status that says that a contact is still being created (API.md, trap 7).
const STILL_QUEUED: u16 = 449;

/// Says what an answer means for a call of this kind. `received` is when the answer came.
///
/// - 2xx is a success when the body is what the API documents for the call, a refusal when it says so, and no answer
///   otherwise (API.md, trap 6).
/// - 401, 429 and 449 mean what they say whatever the body: the token, the limit, and a contact still in the queue
///   (API.md, trap 7).
/// - 3xx, 408 and 5xx are no answer, whatever the body.
/// - Any other 4xx is a refusal when the platform itself speaks (API.md, trap 5), else no answer.
///
/// Messages are one line of at most 200 characters. The function never fails and never panics, whatever the bytes.
pub fn classify(kind: CallKind, status: u16, headers: &HeaderMap, body: &[u8], received: SystemTime) -> Attempt {
    let answer = Answer { kind, status, headers, body, json: body::parse(body), received };
    match status {
        200..=299 => answer.success(),
        300..=399 => answer.lost(&answer.redirection()),
        // A 401 page that is not the platform's stops the run too: whoever gave it wants other credentials than these,
        // and sending them again, thousands of times, can only lock somebody out.
        401 => Attempt::Unauthorized { message: answer.message() },
        404 => answer.not_found(),
        408 => answer.lost(&answer.message()),
        429 => Attempt::Throttled { retry_after: answer.retry_after() },
        STILL_QUEUED => Attempt::Queued { message: answer.message() },
        // The framework's own validation answers these, without the envelope.
        400 | 409 | 422 if answer.json.as_ref().is_some_and(|json| body::message(json).is_some()) => answer.refusal(),
        400..=499 => answer.refusal_or_firewall(),
        500..=599 => answer.lost(&answer.message()),
        _ => answer.lost(&format!("HTTP has no status {status}")),
    }
}

struct Answer<'a> {
    kind: CallKind,
    status: u16,
    headers: &'a HeaderMap,
    body: &'a [u8],
    json: Option<Json>,
    received: SystemTime,
}

impl Answer<'_> {
    fn success(&self) -> Attempt {
        let unexpected = || self.lost(&format!("{} with {}, not the API's answer", self.status, self.found()));
        let Some(json) = &self.json else { return unexpected() };
        if body::says_error(json) {
            // A create that failed and yet has an id contradicts itself. A search settles it.
            let contradicts = self.kind == CallKind::Create && body::data_id(json).is_some() && !self.is_taken();
            return if contradicts { unexpected() } else { self.refusal() };
        }
        let read = match self.kind {
            CallKind::Find => body::page(json),
            CallKind::Read => body::contact(json).map(Attempt::Contact),
            CallKind::Create => body::data_id(json).map(Attempt::Created),
            // Either of the two forms that the API documents for calls whose answer says nothing new.
            CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                (body::says_success(json) || body::data_id(json).is_some()).then_some(Attempt::Done)
            }
        };
        read.unwrap_or_else(unexpected)
    }

    // The platform has spoken: its words say which refusal it is, since 403 stands for any (API.md, "Errors").
    fn refusal(&self) -> Attempt {
        let message = self.message();
        let words = message.to_lowercase();
        if words.contains("api token is invalid") || words.trim_end_matches('.') == "unauthenticated" {
            Attempt::Unauthorized { message }
        } else if words.contains("too many requests") || words.contains("too many attempts") {
            Attempt::Throttled { retry_after: self.retry_after() }
        } else if self.is_taken() {
            Attempt::Taken { by: self.json.as_ref().and_then(body::owner), message }
        } else if self.kind != CallKind::Create && names_no_contact(&words) {
            Attempt::Missing { message }
        } else {
            Attempt::refused(self.status, message)
        }
    }

    fn is_taken(&self) -> bool {
        self.message().to_lowercase().contains("already connected to a contact")
    }

    fn is_envelope(&self) -> bool {
        self.json.as_ref().is_some_and(body::is_envelope)
    }

    // Without the envelope, only words that are the platform's beyond doubt are taken for its own.
    fn refusal_or_firewall(&self) -> Attempt {
        let refusal = self.refusal();
        if self.is_envelope() || matches!(refusal, Attempt::Missing { .. } | Attempt::Taken { .. }) {
            return refusal;
        }
        let suspect = if self.status == 405 { "is the URL right?" } else { "probably a firewall or proxy" };
        self.lost(&format!("{}, not the API's answer: {suspect}", self.message().trim_end_matches('.')))
    }

    // 404 is what a wrong URL gives, and then every call gets it. It stands for a missing contact only where the words
    // say so, or where the platform itself speaks and the call names a contact. To a search it never does by itself:
    // one that finds nothing is documented to give an empty page, and whoever mistook a wrong URL for that would go on
    // to create everybody again.
    fn not_found(&self) -> Attempt {
        let refusal = self.refusal();
        if !matches!(refusal, Attempt::Refused { .. }) {
            return refusal;
        }
        let message = self.message();
        let words = message.to_lowercase();
        let unknown_path = ["route", "url", "endpoint", "page"].iter().any(|word| words.contains(word));
        let wrong_url = || {
            let cause = format!("{}, not the API's answer: is the URL right?", message.trim_end_matches('.'));
            match self.kind {
                // A create names nothing that could be missing but the path itself, so nobody took it: whoever held it
                // for lost would look for contacts that were never made.
                CallKind::Create => Attempt::Unsent { cause: body::one_line(&cause) },
                CallKind::Find | CallKind::Read | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                    self.lost(&cause)
                }
            }
        };
        if !self.is_envelope() || unknown_path {
            return wrong_url();
        }
        if names_something_else(&words) {
            return refusal;
        }
        match self.kind {
            CallKind::Find | CallKind::Create => wrong_url(),
            CallKind::Read | CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => {
                Attempt::Missing { message: message.clone() }
            }
        }
    }

    fn lost(&self, cause: &str) -> Attempt {
        Attempt::lost(Some(self.status), body::one_line(cause))
    }

    // The platform's words, or what came in their place.
    fn message(&self) -> String {
        let said = self.json.as_ref().and_then(body::message);
        said.unwrap_or_else(|| format!("{} with {}", self.status_line(), self.found()))
    }

    fn status_line(&self) -> String {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        reason.map_or_else(|| self.status.to_string(), |reason| format!("{} {reason}", self.status))
    }

    fn found(&self) -> String {
        match (self.body, &self.json, self.header(&CONTENT_TYPE)) {
            ([], _, _) => "an empty body".to_owned(),
            (_, Some(_), _) => "JSON of another shape".to_owned(),
            (_, None, Some(kind)) if kind.contains("json") => "broken JSON".to_owned(),
            (_, None, Some(kind)) => {
                let name: String = kind.split(';').next().unwrap_or_default().chars().take(40).collect();
                format!("a body of type {}", name.trim())
            }
            (_, None, None) => "a body that is not JSON".to_owned(),
        }
    }

    // A redirect's target without what could hold a person's data or a secret.
    fn redirection(&self) -> String {
        let target = self.header(&LOCATION).unwrap_or_default();
        let target = target.split(['?', '#']).next().unwrap_or_default();
        let target = match (target.split_once("://"), target.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
            (Some(_) | None, _) => target.to_owned(),
        };
        if target.is_empty() {
            return format!("{}, which is not followed", self.status_line());
        }
        format!("{} to `{target}`, which is not followed: is the URL right?", self.status_line())
    }

    // In seconds or as a date. A date is measured by the answer's own clock, since ours may stand elsewhere; one that
    // has passed is no wait at all. Of several headers the longest counts.
    fn retry_after(&self) -> Option<Duration> {
        let now = || self.header(&DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(self.received);
        let read = |text: &str| {
            let text = text.trim();
            if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
                // More digits than fit are a long wait, not an unreadable one.
                return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
            }
            let date = httpdate::parse_http_date(text).ok()?;
            Some(date.duration_since(now()).unwrap_or_default())
        };
        let longest = self.headers.get_all(RETRY_AFTER).iter().filter_map(|value| read(value.to_str().ok()?)).max()?;
        Some(longest.min(LONGEST_RETRY_AFTER))
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// How the words begin that name something else than the contact, in the platforms' languages.
const SOMETHING_ELSE: [&str; 15] = [
    "field", "tag", "channel", "number", "phone", "email", "route", "url", "endpoint", "campo", "etiqueta", "canal",
    "número", "numero", "correo",
];

/// The ways to say that something is not there, in the platforms' languages.
const NOT_THERE: [&str; 15] = [
    "not found",
    "no such",
    "not exist",
    "n't exist",
    "n’t exist",
    "not be found",
    "no longer exist",
    "no contact",
    "unknown",
    "no query results",
    "no existe",
    "no encontrado",
    "no fue encontrado",
    "no se encontr",
    "no se ha encontrado",
];

// Whether a refusal (in small letters) says that there is no such contact (API.md, trap 5). It has to say so beyond
// doubt, because a missing contact may be created again: up to the words that matter, nothing else may be named, or
// `Contact field x does not exist` would count.
fn names_no_contact(words: &str) -> bool {
    let Some(contact) = words.find("contact") else { return false };
    let Some(absent) = NOT_THERE.iter().filter_map(|phrase| words.find(phrase)).min() else { return false };
    let until = words.get(..contact.max(absent)).unwrap_or_default();
    let thing = words.get(contact..).unwrap_or_default().split_whitespace().nth(1).unwrap_or_default();
    !names_something_else(until) && !names_something_else(thing)
}

fn names_something_else(words: &str) -> bool {
    words.split(|c: char| !c.is_alphanumeric()).any(|word| SOMETHING_ELSE.iter().any(|other| word.starts_with(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ContactId;
    use crate::core::page::Page;
    use CallKind::{AddTags, Create, Find, Read, RemoveTags, Update};
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    const HTML: &str = "<html><title>Just a moment...</title></html>";
    const NOT_FOUND: &str = r#"{"status":"error","message":"404 Not Found.","data":[]}"#;
    const NO_CONTACT: &str = r#"{"status":"error","message":"Contact not found","data":[]}"#;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn read(kind: CallKind, status: u16, body: &str) -> Attempt {
        classify(kind, status, &headers(&[]), body.as_bytes(), SystemTime::UNIX_EPOCH)
    }

    fn error(message: &str) -> String {
        json!({ "status": "error", "message": message, "data": [] }).to_string()
    }

    // One word an attempt, and for a refusal its status.
    fn short(attempt: &Attempt) -> String {
        match attempt {
            Attempt::Refused { status, .. } => format!("refused {status}"),
            Attempt::Taken { by, .. } => format!("taken {}", by.as_ref().map_or("?", ContactId::as_str)),
            Attempt::Created(id) => format!("created {id}"),
            Attempt::Page(Page { contacts, more, .. }) => format!("page {} {more}", contacts.len()),
            other => other.name().to_owned(),
        }
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let check = |kind: CallKind, status: u16, body: &str, expected: &str| {
            assert_eq!(short(&read(kind, status, body)), expected, "{kind:?} {status} {body}");
        };
        // Success, by what the API documents for the call.
        check(Find, 200, r#"{"data":[]}"#, "page 0 false");
        check(Find, 200, r#"{"data":[{"id":"1"},{"id":2}],"meta":{"current_page":1,"last_page":9}}"#, "page 2 true");
        check(Find, 206, "\u{feff}{\"data\":[]}", "page 0 false");
        check(Read, 200, r#"{"data":{"id":"1"}}"#, "contact");
        check(Create, 200, r#"{"data":{"id":"cus_1"}}"#, "created cus_1");
        check(Create, 201, r#"{"data":{"id":17}}"#, "created 17");
        check(Update, 202, r#"{"data":{"id":"cus_1"}}"#, "done");
        check(Update, 200, r#"{"status":"success","data":[]}"#, "done");
        check(AddTags, 200, r#"{"status":"success","message":"…","data":[]}"#, "done");
        check(RemoveTags, 200, r#"{"success":true}"#, "done");
        // A success that is none (trap 6).
        check(Create, 200, &error("A phone is required"), "refused 200");
        check(Create, 200, r#"{"success":false,"message":"no"}"#, "refused 200");
        check(Update, 200, r#"{"status":"ERROR"}"#, "refused 200");
        check(Update, 200, NO_CONTACT, "missing");
        check(Find, 200, NO_CONTACT, "missing");
        check(Create, 200, NO_CONTACT, "refused 200");
        check(Read, 200, &error("API Token is invalid."), "unauthorized");
        check(Read, 200, &error("Too many requests"), "throttled");
        check(Create, 200, r#"{"success":false,"data":{"id":"7"}}"#, "lost");
        for kind in CallKind::ALL {
            for body in
                ["", "{}", "[]", "null", "\"ok\"", HTML, r#"{"data":null}"#, r#"{"data":{}}"#, r#"{"data":{"id":"#]
            {
                check(kind, 200, body, "lost");
            }
            check(kind, 204, "", "lost");
        }
        check(Find, 200, r#"{"data":[{"id":"1"},{"custom_fields":{}}]}"#, "lost");
        check(Find, 200, r#"{"data":{"id":"1"}}"#, "lost");
        check(Create, 200, r#"{"data":{"id":""}}"#, "lost");
        check(Create, 200, r#"{"data":[]}"#, "lost");
        check(AddTags, 200, r#"{"data":[]}"#, "lost");
        // The token.
        check(Find, 401, &error("API Token is invalid."), "unauthorized");
        check(Create, 401, HTML, "unauthorized");
        check(Create, 401, "", "unauthorized");
        check(Create, 403, &error("API Token is invalid."), "unauthorized");
        // The limit.
        check(Find, 429, &error("Too many requests"), "throttled");
        check(Create, 429, HTML, "throttled");
        check(Create, 429, "", "throttled");
        check(Create, 403, &error("Too Many Attempts."), "throttled");
        // No such contact (trap 5).
        check(Update, 403, NO_CONTACT, "missing");
        check(Update, 403, r#"{"message":"Contact not found"}"#, "missing");
        check(Create, 403, NO_CONTACT, "refused 403");
        check(AddTags, 404, NO_CONTACT, "missing");
        check(AddTags, 404, NOT_FOUND, "missing");
        check(Read, 404, r#"{"message":"No query results for model [App\\Models\\Contact] 17"}"#, "missing");
        check(Find, 404, NO_CONTACT, "missing");
        check(Find, 404, NOT_FOUND, "lost");
        check(Find, 404, &error("Custom field not found"), "refused 404");
        check(Create, 404, NOT_FOUND, "unsent");
        check(Create, 404, HTML, "unsent");
        check(Create, 404, &error("Custom field not found"), "refused 404");
        check(Read, 404, HTML, "lost");
        check(Read, 404, r#"{"message":"Not Found"}"#, "lost");
        check(Read, 404, &error("The route api/v2/contact/17 could not be found."), "lost");
        // A firewall (trap 5).
        check(Create, 403, HTML, "lost");
        check(Create, 403, "", "lost");
        check(Create, 403, r#"{"message":"Forbidden"}"#, "lost");
        // Business errors.
        check(Create, 403, &error("Message String"), "refused 403");
        check(Create, 403, r#"{"message":"Message String","data":[]}"#, "refused 403");
        check(Find, 405, &error("405 Method Not Allowed."), "refused 405");
        check(Find, 405, HTML, "lost");
        check(Update, 400, &error("Value must be a number"), "refused 400");
        check(Update, 422, r#"{"message":"The given data was invalid.","errors":{"tags":["…"]}}"#, "refused 422");
        check(Update, 422, r#"{"errors":{"tags":["At most 10 tags."]}}"#, "refused 422");
        check(Update, 409, &error("Conflict"), "refused 409");
        check(Update, 400, HTML, "lost");
        check(Update, 422, "", "lost");
        check(Update, 413, HTML, "lost");
        check(Update, 418, &error("I'm a teapot"), "refused 418");
        check(Update, 418, "{}", "lost");
        // An identifier of another contact (trap 8).
        check(
            Create,
            409,
            &json!({ "message": "The phone is already connected to a contact", "data": { "id": 9 } }).to_string(),
            "taken 9",
        );
        check(Create, 400, r#"{"message":{"message":"Already connected to a contact.","contactId":9}}"#, "taken 9");
        check(Update, 403, &error("Phone is already connected to a contact"), "taken ?");
        // Still in the queue (trap 7).
        check(Update, 449, &error("The contact is in the queue"), "queued");
        check(Create, 449, HTML, "queued");
        check(Update, 403, &error("The contact is in the queue"), "refused 403");
        // No answer.
        for status in [0, 100, 199, 301, 302, 304, 307, 308, 408, 500, 502, 503, 504, 520, 599, 600, 999, u16::MAX] {
            for body in ["", HTML, NO_CONTACT, r#"{"data":{"id":"1"}}"#, r#"{"data":[]}"#, r#"{"status":"success"}"#] {
                for kind in CallKind::ALL {
                    check(kind, status, body, "lost");
                }
            }
        }
    }

    #[test]
    fn only_words_beyond_doubt_say_that_there_is_no_such_contact() {
        let check =
            |words: &str, expected: bool| assert_eq!(names_no_contact(&words.to_lowercase()), expected, "{words}");
        check("Contact not found", true);
        check("Contact Not Found.", true);
        check("The contact does not exist", true);
        check("Contact doesn't exist in this channel", true);
        check("No contact found with this field", true);
        check("No such contact", true);
        check("Unknown contact 17", true);
        check("Contact with id 17 could not be found", true);
        check("No query results for model [App\\Models\\Contact] 17", true);
        check("Contacto no encontrado", true);
        check("No existe el contacto", true);
        check("No se encontró el contacto", true);
        check("Contact field phone does not exist", false);
        check("Contact Tags not found", false);
        check("Custom field not found for contact", false);
        check("Tag not found on contact", false);
        check("The channel has no such contact", false);
        check("Contact phone number does not exist", false);
        check("No existe el campo del contacto", false);
        check("The route api/v2/contact/17 could not be found.", false);
        check("Contact is blocked", false);
        check("Not found", false);
        check("", false);
    }

    #[test]
    fn the_platforms_words_are_kept_on_one_line() {
        let check = |kind: CallKind, status: u16, body: &str, expected: Attempt| {
            assert_eq!(read(kind, status, body), expected, "{body}");
        };
        let refused = |message: &str| Attempt::refused(403, message.into());
        check(Create, 403, &error(" Message\n\u{1b}String "), refused("Message String"));
        check(Create, 403, &error(""), refused("403 Forbidden with JSON of another shape"));
        check(Create, 403, &error(&"x".repeat(900)), refused(&format!("{}…", "x".repeat(199))));
        check(Read, 401, "", Attempt::Unauthorized { message: "401 Unauthorized with an empty body".into() });
    }

    #[test]
    fn a_lost_answer_says_what_came_instead() {
        let check = |status: u16, pairs: &[(&'static str, &str)], body: &str, expected: &str| {
            let attempt = classify(Read, status, &headers(pairs), body.as_bytes(), SystemTime::UNIX_EPOCH);
            assert_eq!(attempt, Attempt::lost(Some(status), expected.into()));
        };
        let html = [("content-type", "text/html; charset=utf-8")];
        check(200, &html, HTML, "200 with a body of type text/html, not the API's answer");
        check(200, &[("content-type", "application/json")], "{", "200 with broken JSON, not the API's answer");
        check(200, &[], "{}", "200 with JSON of another shape, not the API's answer");
        check(502, &html, HTML, "502 Bad Gateway with a body of type text/html");
        check(500, &[], &error("Server Error"), "Server Error");
        check(
            403,
            &html,
            HTML,
            "403 Forbidden with a body of type text/html, not the API's answer: probably a firewall or proxy",
        );
        check(404, &[], "", "404 Not Found with an empty body, not the API's answer: is the URL right?");
        check(
            302,
            &[("location", "https://me:pw@example.com/login?value=ann#x")],
            "",
            "302 Found to `https://example.com/login`, which is not followed: is the URL right?",
        );
        check(
            301,
            &[("location", "/contact/17/?a@b")],
            "",
            "301 Moved Permanently to `/contact/17/`, which is not followed: is the URL right?",
        );
        check(304, &[], "", "304 Not Modified, which is not followed");
    }

    #[test]
    fn retry_after_is_read_in_seconds_or_as_a_date() {
        let received = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let check = |pairs: &[(&'static str, &str)], expected: Option<u64>| {
            let attempt = classify(Find, 429, &headers(pairs), b"", received);
            assert_eq!(attempt, Attempt::Throttled { retry_after: expected.map(Duration::from_secs) }, "{pairs:?}");
        };
        check(&[], None);
        check(&[("retry-after", "0")], Some(0));
        check(&[("retry-after", " 17 ")], Some(17));
        check(&[("retry-after", "3601")], Some(3600));
        check(&[("retry-after", "99999999999999999999999")], Some(3600));
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "-1")], None);
        check(&[("retry-after", "")], None);
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], Some(0));
        check(&[("retry-after", "Mon, 06 Nov 1995 08:49:37 GMT")], Some(3600));
        // The answer's own clock counts, when it has one that can be read.
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", "Sun, 06 Nov 1994 08:50:02 GMT")], Some(5));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", "today")], Some(30));
    }

    #[test]
    fn the_longest_of_several_retry_afters_counts() {
        let mut several = headers(&[("retry-after", "5")]);
        several.append(RETRY_AFTER, HeaderValue::from_static("9"));
        several.append(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").unwrap());
        let attempt = classify(Find, 429, &several, b"", SystemTime::UNIX_EPOCH);
        assert_eq!(attempt, Attempt::Throttled { retry_after: Some(Duration::from_secs(9)) });
    }

    fn any_kind() -> impl Strategy<Value = CallKind> {
        prop::sample::select(CallKind::ALL.to_vec())
    }

    // Bodies made of the words that matter, so that chance comes near to every rule.
    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            prop::sample::select(vec![
                json!(null),
                json!(true),
                json!(false),
                json!(1),
                json!(-1),
                json!(1.5),
                json!("")
            ]),
            prop::sample::select(vec![json!("error"), json!("success"), json!("1"), json!("Contact not found")]),
        ];
        let names =
            ["status", "success", "message", "data", "id", "custom_fields", "tags", "meta", "links", "name", "value"];
        leaf.prop_recursive(4, 32, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map(prop::sample::select(names.to_vec()), inner, 0..5)
                    .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    fn is_id(json: &Json) -> bool {
        json.is_u64() || json.as_str().is_some_and(|text| !text.is_empty())
    }

    // The success shapes of API.md, "The six calls", said once more in other words.
    fn is_documented(kind: CallKind, status: u16, json: &Json) -> bool {
        let failed = json["status"] == "error" || json["success"] == false;
        let data = &json["data"];
        let shaped = match kind {
            Find => data.as_array().is_some_and(|items| items.iter().all(|item| is_id(&item["id"]))),
            Read | Create => is_id(&data["id"]),
            Update | AddTags | RemoveTags => {
                is_id(&data["id"]) || json["status"] == "success" || json["success"] == true
            }
        };
        (200..300).contains(&status) && !failed && shaped
    }

    fn is_success(attempt: &Attempt) -> bool {
        matches!(attempt, Attempt::Page(_) | Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done)
    }

    proptest! {
        #[test]
        fn no_bytes_and_no_status_bring_it_down(
            kind in any_kind(),
            status: u16,
            body: Vec<u8>,
            value in "[ -~]{0,40}",
        ) {
            let pairs = headers(&[("retry-after", &value), ("date", &value), ("location", &value), ("content-type", &value)]);
            for status in [status, status % 600, 200, 301, 404, 429] {
                let attempt = classify(kind, status, &pairs, &body, SystemTime::now());
                prop_assert!(!is_success(&attempt), "{status} {attempt:?}");
            }
        }

        #[test]
        fn nothing_but_a_documented_success_is_one(
            kind in any_kind(),
            status in prop_oneof![190_u16..310, 400_u16..430, Just(449)],
            json in any_json(),
        ) {
            let attempt = read(kind, status, &json.to_string());
            prop_assert!(!is_success(&attempt) || is_documented(kind, status, &json), "{attempt:?}");
        }

        #[test]
        fn words_are_always_one_short_line(kind in any_kind(), status in 200_u16..600, words: String) {
            let (Attempt::Refused { message: said, .. }
            | Attempt::Missing { message: said }
            | Attempt::Taken { message: said, .. }
            | Attempt::Unauthorized { message: said }
            | Attempt::Queued { message: said }
            | Attempt::Lost { cause: said, .. }) = read(kind, status, &error(&words)) else { return Ok(()) };
            prop_assert!(said.chars().count() <= 200 && !said.chars().any(char::is_control), "{said:?}");
        }
    }
}
