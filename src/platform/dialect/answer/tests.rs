//! The meaning of responses as tables of cases, and properties that hold for any bytes.

use super::*;
use crate::core::answer::RateLimit;
use crate::core::model::{ContactId, Field};
use crate::core::page::Page;
use CallKind::{AddTags, Create, Find, Read, RemoveTags, Update};
use proptest::prelude::*;
use serde_json::json;
use std::time::SystemTime;

const HTML: &str = "<html><title>Just a moment...</title></html>";
const NOT_FOUND: &str = r#"{"status":"error","message":"404 Not Found.","data":[]}"#;
const NO_CONTACT: &str = r#"{"status":"error","message":"Contact not found","data":[]}"#;
const BY_ID: [CallKind; 4] = [Read, Update, AddTags, RemoveTags];

// A call of each kind, on contact 17, with the fields `phone` and `city` or the tag `vip`.
fn call(kind: CallKind) -> Call {
    let id = ContactId::new("17").unwrap();
    let fields = vec![Field::text("phone", "+521"), Field::text("city", "Lima")];
    match kind {
        Find => Call::Find { field: Field::text("phone", "+521"), page: 1 },
        Read => Call::Read { id },
        Create => Call::Create { fields },
        Update => Call::Update { id, fields },
        AddTags => Call::AddTags { id, tags: vec!["vip".into()] },
        RemoveTags => Call::RemoveTags { id, tags: vec!["vip".into()] },
    }
}

fn respond(call: &Call, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    answer(call, &Response { status, headers: &headers, body, received: SystemTime::UNIX_EPOCH })
}

fn read(kind: CallKind, status: u16, body: &str) -> Attempt {
    respond(&call(kind), status, &[], body.as_bytes()).attempt
}

fn error(message: &str) -> String {
    json!({ "status": "error", "message": message, "data": [] }).to_string()
}

// One word an attempt, and for a refusal its status, with a `!` when it is about what the call carries.
fn short(attempt: &Attempt) -> String {
    match attempt {
        Attempt::Refused { status, about_row, .. } => {
            format!("refused {status}{}", if *about_row { "!" } else { "" })
        }
        Attempt::Taken { by, .. } => format!("taken {}", by.as_ref().map_or("?", ContactId::as_str)),
        Attempt::Created(id) => format!("created {id}"),
        Attempt::Page(Page { contacts, more, contradiction: None, .. }) => {
            format!("page {} {more}", contacts.len())
        }
        Attempt::Page(Page { contradiction: Some(_), .. }) => "contradiction".to_owned(),
        other => other.name().to_owned(),
    }
}

#[track_caller]
fn check(kind: CallKind, status: u16, body: &str, expected: &str) {
    let attempt = read(kind, status, body);
    assert_eq!(short(&attempt), expected, "{kind:?} {status} {body}: {attempt:?}");
}

#[test]
fn a_documented_success_is_one() {
    check(Find, 200, r#"{"data":[]}"#, "page 0 false");
    check(Find, 200, r#"{"data":[{"id":"1"},{"id":2}],"meta":{"current_page":1,"last_page":9}}"#, "page 2 true");
    check(Find, 206, "\u{feff}{\"data\":[]}", "page 0 false");
    check(Read, 200, r#"{"data":{"id":"1"}}"#, "contact");
    check(Create, 200, r#"{"data":{"id":"cus_1"}}"#, "created cus_1");
    check(Create, 201, r#"{"data":{"id":17}}"#, "created 17");
    check(Update, 202, r#"{"data":{"id":"cus_1"}}"#, "done");
    check(Update, 200, r#"{"status":"success","data":[]}"#, "done");
    check(AddTags, 200, r#"{"status":"success","message":"…","data":[]}"#, "done");
    check(AddTags, 200, r#"{"status":"OK","message":"…","data":[]}"#, "done");
    for granted in ["true", "1", r#""true""#, r#""1""#] {
        check(RemoveTags, 200, &format!(r#"{{"success":{granted}}}"#), "done");
    }
    check(RemoveTags, 200, r#"{"success":2}"#, "lost");
    for status in ["1", "200", r#""1""#, r#""200""#] {
        check(Update, 200, &format!(r#"{{"status":{status},"success":true}}"#), "done");
        check(Update, 200, &format!(r#"{{"status":{status},"data":{{"id":"1"}}}}"#), "done");
        check(Update, 200, &format!(r#"{{"status":{status}}}"#), "lost");
    }
}

// API.md, trap 6.
#[test]
fn a_success_that_reports_trouble_is_none() {
    check(Create, 200, &error("An address is required"), "refused 200");
    check(Create, 200, r#"{"success":false,"message":"no"}"#, "refused 200");
    check(Update, 200, NO_CONTACT, "missing");
    check(Read, 200, &error("API Token is invalid."), "unauthorized");
    check(Read, 200, &error("Too many requests"), "throttled");
    check(Create, 200, r#"{"success":false,"data":{"id":"7"}}"#, "lost");
    check(Create, 200, r#"{"status":"error","message":"no","data":{"id":"7"}}"#, "lost");
    check(Create, 200, r#"{"data":{"id":"7"},"error":"no"}"#, "lost");
    // An empty list with an error does not mean that there is no contact.
    for trouble in [
        r#""status":"error","message":"no""#,
        r#""status":"fail","message":"no""#,
        r#""status":"queued","message":"no""#,
        r#""status":503,"message":"no""#,
        r#""success":false,"message":"no""#,
        r#""success":"false","message":"no""#,
        r#""success":0,"message":"no""#,
        r#""success":"0","message":"no""#,
        r#""error":"no""#,
        r#""error":true,"message":"no""#,
        r#""errors":{"value":["no"]}"#,
        r#""errors":["no"]"#,
        r#""code":500,"message":"no""#,
    ] {
        let body = format!(r#"{{"data":[],"meta":{{"total":0}},{trouble}}}"#);
        let about_row = if trouble.contains("value") { "!" } else { "" };
        check(Find, 200, &body, &format!("refused 200{about_row}"));
        check(Read, 200, &body, "refused 200");
        // Whether a change was made is open when the status is a word that is not known.
        let changed = if trouble.contains("queued") { "lost" } else { "refused 200" };
        for kind in [Create, Update, AddTags, RemoveTags] {
            check(kind, 200, &body, changed);
        }
    }
    // An error without a message is not an answer.
    for trouble in
        [r#""status":"fail""#, r#""success":"false""#, r#""success":0"#, r#""error":true"#, r#""status":500"#]
    {
        for kind in CallKind::ALL {
            check(kind, 200, &format!(r#"{{"data":[],{trouble}}}"#), "lost");
        }
    }
    // A message with an empty list may be that of a refusal without its status.
    check(Find, 200, r#"{"data":[],"message":"Search is unavailable"}"#, "contradiction");
    check(Find, 200, r#"{"data":[],"message":"OK"}"#, "page 0 false");
    check(Find, 200, r#"{"data":[],"status":"success","message":"0 contacts","meta":{"total":0}}"#, "page 0 false");
    check(
        Find,
        200,
        r#"{"data":[],"status":"success","message":"Contact Tags deleted successfully."}"#,
        "contradiction",
    );
    check(Find, 200, r#"{"data":[{"id":1}],"message":"1 contact"}"#, "page 1 false");
    // Empty values are not errors.
    check(Find, 200, r#"{"data":[],"error":null,"errors":[],"status":"ok","success":true}"#, "page 0 false");
}

#[test]
fn a_success_of_another_shape_is_no_answer() {
    for kind in CallKind::ALL {
        for body in ["", "{}", "[]", "null", "\"ok\"", HTML, r#"{"data":null}"#, r#"{"data":{}}"#, r#"{"data":{"id":"#]
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
}

#[test]
fn the_token_is_refused_by_status_or_by_words() {
    check(Find, 401, &error("API Token is invalid."), "unauthorized");
    check(Create, 401, HTML, "unauthorized");
    check(Create, 401, "", "unauthorized");
    check(Create, 401, &error("Too many requests"), "throttled");
    for kind in CallKind::ALL {
        for status in [200, 400, 402, 403, 404, 409, 410, 422] {
            check(kind, status, &error("API Token has expired."), "unauthorized");
            check(kind, status, r#"{"status":"error","message":"Unauthenticated."}"#, "unauthorized");
        }
    }
    check(Update, 403, r#"{"message":"Unauthorized"}"#, "unauthorized");
    check(Update, 400, r#"{"error":"invalid_token","error_description":"The access token expired"}"#, "unauthorized");
    // The token field of a contact is not the token.
    check(
        Update,
        422,
        r#"{"message":"The token field is required.","errors":{"token":["The token field is required."]}}"#,
        "refused 422",
    );
    check(Update, 403, &error("The token field is required."), "refused 403");
    check(
        Update,
        422,
        r#"{"message":"API Token is invalid.","errors":{"custom_fields.1.value":["a"]}}"#,
        "refused 422!",
    );
}

#[test]
fn the_limit_is_told_by_status_or_by_words() {
    check(Find, 429, &error("Too many requests"), "throttled");
    check(Create, 429, HTML, "throttled");
    check(Create, 429, "", "throttled");
    check(Create, 403, &error("Too Many Attempts."), "throttled");
    for kind in CallKind::ALL {
        for status in [200, 400, 402, 403, 404, 409, 422] {
            check(kind, status, &error("Rate limit exceeded."), "throttled");
            check(kind, status, &error("Quota exceeded for this account, try again later."), "throttled");
        }
    }
    check(Create, 403, &error("The limit of 10 tags is exceeded"), "refused 403");
    check(Create, 402, &error("Your subscription has expired"), "refused 402");
    check(Create, 402, HTML, "refused 402");
}

// API.md, trap 5.
#[test]
fn only_whole_sentences_mean_that_there_is_no_such_contact() {
    for words in [
        "Contact not found",
        "CONTACT NOT FOUND.",
        " No such contact ",
        "The contact does not exist.",
        "Contacto no encontrado",
    ] {
        for status in [200, 400, 403, 404, 409, 410, 422] {
            for kind in BY_ID {
                check(kind, status, &error(words), "missing");
            }
            check(Create, status, &error(words), &format!("refused {status}"));
            check(Find, status, &error(words), &format!("refused {status}"));
        }
    }
    check(Update, 403, r#"{"message":"Contact not found"}"#, "missing");
    check(Update, 405, NO_CONTACT, "refused 405");
    check(Update, 418, NO_CONTACT, "refused 418");
    check(Update, 422, r#"{"message":"Contact not found","errors":{"city":["Contact not found"]}}"#, "refused 422!");
    check(Update, 400, r#"{"message":["Contact not found","Tag not found"]}"#, "refused 400");
    for words in [
        "Contact owner not found.",
        "Contact list does not exist",
        "An unknown error occurred. Please contact support.",
        "Page Not Found. If error persists, contact info@example.com",
        "The contact is unknown to the list",
        "Contact field does not exist",
        "Contact with id 17 could not be found",
        "No existe el contacto",
        "Contact not found!",
    ] {
        for kind in CallKind::ALL {
            check(kind, 403, &error(words), "refused 403");
            check(kind, 422, &error(words), "refused 422");
            check(kind, 200, &error(words), "refused 200");
        }
    }
    check(Create, 403, &error("Unknown value for contact.city"), "refused 403!");
}

#[test]
fn a_404_is_a_missing_contact_the_path_or_a_refusal() {
    let both = |status_error: &str| (error(status_error), json!({ "message": status_error }).to_string());
    for words in ["404 Not Found.", "Not Found", "Contact 17 not found", "Resource not found", "", "No encontrado."] {
        for kind in BY_ID {
            check(kind, 404, &error(words), "missing");
        }
    }
    for words in ["404 Not Found.", "Not Found", "", "The requested resource does not exist."] {
        for kind in [Find, Create] {
            check(kind, 404, &error(words), "wrong_path");
        }
    }
    for words in [
        "The route api/v2/contact/17 could not be found.",
        "Page Not Found. If error persists, contact info@example.com",
        "URL not found",
        "Endpoint does not exist",
        "Ruta no encontrada",
        "Página no encontrada",
    ] {
        let (envelope, bare) = both(words);
        for kind in CallKind::ALL {
            check(kind, 404, &envelope, "wrong_path");
            check(kind, 404, &bare, "wrong_path");
        }
    }
    for words in [
        "Contact owner not found.",
        "Contact list does not exist",
        "Custom field not found",
        "Tag not found",
        "Channel not found",
    ] {
        for kind in CallKind::ALL {
            check(kind, 404, &error(words), "refused 404");
        }
    }
    for kind in CallKind::ALL {
        for body in [
            "",
            HTML,
            "{}",
            "[]",
            r#"{"message":"Not Found"}"#,
            r#"{"message":""}"#,
            r#"{"status":404,"error":"Not Found","path":"/contact"}"#,
        ] {
            check(kind, 404, body, "wrong_path");
        }
        check(kind, 404, r#"{"message":"No query results for model [App\\Models\\Contact] 17"}"#, "refused 404");
    }
    // Only the documented form of an error may stand for a missing contact.
    for kind in BY_ID {
        check(kind, 404, r#"{"success":false,"message":"Not Found"}"#, "wrong_path");
        check(kind, 404, r#"{"message":"Not Found","data":[]}"#, "wrong_path");
    }
}

#[test]
fn a_404_may_name_the_contact_of_the_call_and_no_other() {
    let id = || ContactId::new("cus_9").unwrap();
    let calls = [
        Call::Read { id: id() },
        Call::Update { id: id(), fields: vec![Field::text("city", "Lima")] },
        Call::AddTags { id: id(), tags: vec!["vip".into()] },
        Call::RemoveTags { id: id(), tags: vec!["vip".into()] },
    ];
    for call in calls {
        let read = |message: &str| {
            let body = error(message);
            respond(&call, 404, &[], body.as_bytes()).attempt.name()
        };
        assert_eq!(read("Contact cus_9 not found."), "missing", "{call:?}");
        assert_eq!(read("Contact cus_8 not found."), "refused", "{call:?}");
    }
}

#[test]
fn a_refused_search_is_never_a_missing_contact() {
    check(Find, 403, &error("An unknown error occurred. Please contact support."), "refused 403");
    check(Find, 404, &error("Page Not Found. If error persists, contact info@example.com"), "wrong_path");
    check(Find, 400, r#"{"message":"The contact is unknown"}"#, "refused 400");
    check(Find, 422, r#"{"message":"The name is invalid.","errors":{"name":["The name is invalid."]}}"#, "refused 422");
    check(Find, 403, HTML, "lost");
    check(Find, 200, &error("Contact not found"), "refused 200");
    check(Find, 404, NO_CONTACT, "refused 404");
    check(Find, 404, NOT_FOUND, "wrong_path");
}

// API.md, trap 5.
#[test]
fn what_speaks_without_the_platform_is_no_answer() {
    for kind in CallKind::ALL {
        check(kind, 403, HTML, "lost");
        check(kind, 403, "", "lost");
        check(kind, 403, r#"{"message":"Forbidden"}"#, "lost");
        check(kind, 403, r#"{"error":"Access denied."}"#, "lost");
        check(kind, 403, "[]", "lost");
        check(kind, 405, HTML, "lost");
        check(kind, 400, HTML, "lost");
        check(kind, 422, "", "lost");
        check(kind, 418, "{}", "lost");
        check(kind, 403, r#"{"status":403,"error":"Forbidden","path":"/contact"}"#, "lost");
    }
}

// A platform may lack a call on a contact; a search or a create without its method has a wrong URL.
#[test]
fn a_method_that_is_missing_is_a_refusal_of_a_write_on_a_contact() {
    let unsupported = r#"{"message":"The GET method is not supported for this route."}"#;
    for kind in CallKind::ALL {
        let is_write = matches!(kind, Update | AddTags | RemoveTags);
        check(kind, 405, unsupported, if is_write { "refused 405" } else { "lost" });
        check(kind, 405, r#"{"message":""}"#, "lost");
    }
}

// In debug mode, the framework's message is the SQL with the values of a contact.
#[test]
fn a_failed_query_is_named_without_its_values() {
    let sql = "SQLSTATE[HY000]: disk full (SQL: insert into contacts values (ana@example.com))";
    for (body, expected) in [
        (
            json!({ "message": sql, "exception": "Illuminate\\Database\\QueryException" }),
            "500 Internal Server Error with debug output of QueryException",
        ),
        (json!({ "message": sql }), "500 Internal Server Error with debug output of a database query"),
        (json!({ "message": "Server Error" }), "500 Server Error"),
    ] {
        for kind in CallKind::ALL {
            assert_eq!(read(kind, 500, &body.to_string()), Attempt::lost(Some(500), expected.into()));
        }
    }
}

#[test]
fn business_errors_are_refusals() {
    check(Create, 403, &error("Message String"), "refused 403");
    check(Create, 403, r#"{"message":"Message String","data":[]}"#, "refused 403");
    check(Create, 403, r#"{"message":"This action is not allowed."}"#, "refused 403");
    check(Find, 405, &error("405 Method Not Allowed."), "refused 405");
    check(Update, 400, &error("Value must be a number"), "refused 400");
    check(Update, 409, &error("Conflict"), "refused 409");
    check(Update, 418, &error("I'm a teapot"), "refused 418");
    check(Update, 400, r#"["Value must be a number"]"#, "refused 400");
    check(Update, 422, r#"["The city is too long"]"#, "refused 422!");
    check(Update, 403, r#"["Not allowed"]"#, "refused 403");
    let problem = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"The city is too long"}"#;
    check(Update, 400, problem, "refused 400!");
    check(Update, 403, r#"{"type":"about:blank","title":"Not allowed","status":403}"#, "refused 403");
}

#[test]
fn validation_names_the_field_and_the_row() {
    let check = |kind: CallKind, body: &Json, message: &str, about_row: bool| {
        let expected = Attempt::Refused { status: 422, message: message.to_owned(), about_row };
        assert_eq!(read(kind, 422, &body.to_string()), expected, "{body}");
    };
    let long = "The custom_fields.1.value must not be greater than 255 characters.";
    let named = "field `city`: The custom_fields.1.value must not be greater than 255 characters.";
    let errors = json!({ "custom_fields.1.value": [long] });
    check(Update, &json!({ "message": "The given data was invalid.", "errors": errors }), named, true);
    check(Update, &json!({ "message": long, "errors": errors }), named, true);
    check(Update, &json!({ "errors": errors }), named, true);
    check(
        Create,
        &json!({ "message": "Nothing was saved.", "errors": errors }),
        &format!("Nothing was saved. {named}"),
        true,
    );
    check(Create, &json!({ "status": "error", "message": long, "data": [] }), named, true);
    let two = json!({ "custom_fields.0.value": ["a", "b"], "custom_fields.1.value": ["c"] });
    check(
        Create,
        &json!({ "message": "a (and 2 more errors)", "errors": two }),
        "field `phone`: a; b; field `city`: c",
        true,
    );
    check(AddTags, &json!({ "message": "a", "errors": { "tags.0": ["a"] } }), "tag `vip`: a", true);
    check(AddTags, &json!({ "message": "a", "errors": { "tags": ["a"] } }), "the tags: a", true);
    check(AddTags, &json!({ "message": "The tag `vip` is not allowed." }), "The tag `vip` is not allowed.", true);
    check(Find, &json!({ "message": "a", "errors": { "value": ["a"] } }), "field `phone`: a", true);
    check(Find, &json!({ "message": "a", "errors": { "name": ["a"] } }), "a", false);
    check(Update, &json!({ "message": "a", "errors": { "custom_fields.9.value": ["a"] } }), "a", false);
    check(Update, &json!({ "message": "a", "errors": { "channel": ["a"] } }), "a", false);
    check(Update, &json!({ "message": "The City is not known." }), "The City is not known.", true);
    check(Read, &json!({ "message": "The City is not known." }), "The City is not known.", false);
}

#[test]
fn a_request_that_is_too_large_is_about_its_row() {
    for kind in CallKind::ALL {
        for status in [413, 414, 431] {
            for body in ["", HTML, r#"{"message":"Payload Too Large"}"#, &error("Rate limit exceeded")] {
                check(kind, status, body, &format!("refused {status}!"));
            }
        }
    }
    let refused = |status: u16, message: &str| Attempt::Refused { status, message: message.into(), about_row: true };
    assert_eq!(read(Update, 413, &error("Too big.")), refused(413, "413: the request is too large (Too big.)"));
    let empty = "414: the request is too large (414 URI Too Long with an empty body)";
    assert_eq!(read(Find, 414, ""), refused(414, empty));
}

// API.md, trap 8.
#[test]
fn an_identifier_of_another_contact_is_taken() {
    let body = json!({ "message": "The phone is already connected to a contact", "data": { "id": 9 } }).to_string();
    check(Create, 409, &body, "taken 9");
    check(Create, 400, r#"{"message":{"message":"Already connected to a contact.","contactId":9}}"#, "taken 9");
    check(Update, 403, &error("Phone is already connected to a contact"), "taken ?");
    check(Find, 409, &body, "refused 409!");
    check(AddTags, 409, &body, "refused 409");
}

// API.md, trap 7.
#[test]
fn a_contact_in_the_queue_is_told_by_its_status() {
    check(Update, 449, &error("The contact is in the queue"), "queued");
    check(Create, 449, HTML, "queued");
    check(Update, 403, &error("The contact is in the queue"), "refused 403");
}

#[test]
fn other_statuses_are_no_answer() {
    for status in [0, 100, 199, 301, 302, 304, 307, 308, 408, 500, 502, 503, 504, 520, 599, 600, 999, u16::MAX] {
        for body in ["", HTML, NO_CONTACT, r#"{"data":{"id":"1"}}"#, r#"{"data":[]}"#, r#"{"status":"success"}"#] {
            for kind in CallKind::ALL {
                check(kind, status, body, "lost");
            }
        }
    }
}

#[test]
fn the_page_that_was_asked_for_counts() {
    let find = |page| Call::Find { field: Field::text("phone", "+521"), page };
    let first = r#"{"data":[{"id":1}],"meta":{"current_page":1,"last_page":1,"total":1}}"#;
    let read = |page| respond(&find(page), 200, &[], first.as_bytes()).attempt;
    assert_eq!(short(&read(1)), "page 1 false");
    assert_eq!(short(&read(2)), "contradiction");
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
    // Words beyond those that are kept are still read.
    let expired = format!("{}. API Token has expired.", "x".repeat(900));
    check(Read, 403, &error(&expired), Attempt::Unauthorized { message: format!("{}…", "x".repeat(199)) });
}

#[test]
fn a_lost_answer_says_what_came_instead() {
    let check = |status: u16, pairs: &[(&str, &str)], body: &str, expected: &str| {
        let attempt = respond(&call(Read), status, pairs, body.as_bytes()).attempt;
        assert_eq!(attempt, Attempt::lost(Some(status), expected.into()));
    };
    let html = [("content-type", "text/html; charset=utf-8")];
    check(200, &html, HTML, "200 with a body of type text/html, not a response of the API");
    check(200, &[("content-type", "application/json")], "{", "200 with broken JSON, not a response of the API");
    check(200, &[], "{}", "200 with JSON of another shape, not a response of the API");
    check(502, &html, HTML, "502 Bad Gateway with a body of type text/html");
    check(500, &[], &error("Server Error"), "500 Server Error");
    check(
        403,
        &html,
        HTML,
        "403 Forbidden with a body of type text/html, not a response of the API: probably a firewall or proxy",
    );
    check(405, &[], "", "405 Method Not Allowed with an empty body, not a response of the API; check the URL");
    check(
        302,
        &[("location", "https://me:pw@example.com/login?value=ann#x")],
        "",
        "302 Found to `https://example.com/login`, which is not followed; check the URL",
    );
    check(
        301,
        &[("location", "/contact/17/?a@b")],
        "",
        "301 Moved Permanently to `/contact/17/`, which is not followed; check the URL",
    );
    check(304, &[], "", "304 Not Modified, which is not followed");
    let message = "404 Not Found with an empty body, not a response of the API; check the URL".to_owned();
    assert_eq!(read(Read, 404, ""), Attempt::WrongPath { message });
    let message = "Page not found, not a response of the API; check the URL".to_owned();
    assert_eq!(read(Read, 404, &error("Page not found.")), Attempt::WrongPath { message });
}

#[test]
fn retry_after_is_heard_with_every_refusal_of_calls_and_every_lost_answer() {
    let check = |status: u16, body: &str, expected: &Attempt| {
        let attempt = respond(&call(Find), status, &[("retry-after", "7200")], body.as_bytes()).attempt;
        assert_eq!(attempt, *expected, "{status} {body}");
    };
    let retry_after = Some(Duration::from_hours(2));
    let lost = |status, cause: &str| Attempt::Lost { status: Some(status), cause: cause.into(), retry_after };
    check(429, "", &Attempt::throttled(retry_after));
    check(403, &error("Quota exceeded"), &Attempt::Throttled { retry_after, message: Some("Quota exceeded".into()) });
    check(
        200,
        &error("Rate limit exceeded"),
        &Attempt::Throttled { retry_after, message: Some("Rate limit exceeded".into()) },
    );
    check(503, "", &lost(503, "503 Service Unavailable with an empty body"));
    check(503, r#"{"message":"Down for maintenance"}"#, &lost(503, "503 Down for maintenance"));
    check(500, &error("Server Error"), &lost(500, "500 Server Error"));
    check(408, "", &lost(408, "408 Request Timeout with an empty body"));
    check(200, "", &lost(200, "200 with an empty body, not a response of the API"));
    let headers: [(&str, &[u8]); 1] = [("retry-after", b"7200")];
    let head = Response { status: 503, headers: &headers, body: b"", received: SystemTime::UNIX_EPOCH };
    assert_eq!(cut_off(&head, "a"), lost(503, "a"));
}

// Each: who answers, and whether the headers about the limit are believed.
#[test]
fn the_rate_limit_is_learnt_from_the_platforms_own_answers() {
    let check = |kind: CallKind, status: u16, body: &str, believed: bool| {
        let headers = [("x-ratelimit-limit", "2"), ("x-ratelimit-remaining", "1")];
        let answer = respond(&call(kind), status, &headers, body.as_bytes());
        let expected = believed.then_some(RateLimit { limit: 2, remaining: Some(1) });
        assert_eq!((answer.rate_limit, answer.left), (expected, true), "{kind:?} {status} {body}");
    };
    check(Find, 200, r#"{"data":[]}"#, true);
    check(Create, 201, r#"{"data":{"id":"1"}}"#, true);
    check(AddTags, 200, r#"{"status":"success"}"#, true);
    check(Create, 200, &error("no"), true);
    check(Create, 403, &error("no"), true);
    check(Update, 404, NO_CONTACT, true);
    check(Update, 422, r#"{"message":"a","errors":{"city":["a"]}}"#, true);
    check(Find, 401, &error("API Token is invalid."), true);
    check(Find, 429, &error("Too many requests"), true);
    check(Find, 429, r#"{"message":"Too Many Attempts."}"#, true);
    check(Update, 449, &error("in the queue"), true);
    check(Find, 502, HTML, false);
    check(Find, 502, &error("Bad Gateway"), false);
    check(Find, 500, r#"{"message":"Server Error"}"#, false);
    check(Find, 200, HTML, false);
    check(Find, 200, "", false);
    check(Find, 200, r#"{"data":[]"#, false);
    check(Find, 200, r#"{"data":[],"meta":{"total":1}}"#, false);
    check(Find, 403, HTML, false);
    check(Find, 403, r#"{"message":"Forbidden"}"#, false);
    check(Find, 401, HTML, false);
    check(Find, 429, HTML, false);
    check(Find, 429, "", false);
    check(Find, 429, r#"{"title":"Too Many Requests","status":429}"#, false);
    check(Find, 404, NOT_FOUND, false);
    check(Find, 413, HTML, false);
    check(Find, 302, "", false);
}

fn any_kind() -> impl Strategy<Value = CallKind> {
    prop::sample::select(CallKind::ALL.to_vec())
}

// Bodies made of the words that matter, so that chance comes near to every rule.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop::sample::select(vec![json!(null), json!(true), json!(false), json!(1), json!(-1), json!(1.5), json!("")]),
        prop::sample::select(vec![json!("error"), json!("success"), json!("1"), json!("Contact not found")]),
    ];
    let names =
        ["status", "success", "message", "data", "id", "custom_fields", "tags", "meta", "links", "error", "total"];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(prop::sample::select(names.to_vec()), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

// The success shapes of API.md, "The six calls", once more in other words.
fn is_documented(kind: CallKind, status: u16, json: &Json) -> bool {
    let is_bad =
        |value: &Json, good: &[&str]| value.as_str().is_some_and(|text| !text.is_empty() && !good.contains(&text));
    // As a number, a status below 400 is no error; as text neither.
    let failed = is_bad(&json["status"], &["success", "1"])
        || json["success"] == false
        || json["error"] == true
        || is_bad(&json["error"], &[]);
    let data = &json["data"];
    let shaped = match kind {
        Find => data.as_array().is_some_and(|items| items.iter().all(|item| is_id(&item["id"]))),
        Read | Create => is_id(&data["id"]),
        Update | AddTags | RemoveTags => {
            let granted = [json!(true), json!(1), json!("1")].contains(&json["success"]);
            is_id(&data["id"]) || json["status"] == "success" || granted
        }
    };
    (200..300).contains(&status) && !failed && shaped
}

fn is_id(json: &Json) -> bool {
    json.is_u64() || json.as_str().is_some_and(|text| !text.is_empty())
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
        let pairs = ["retry-after", "date", "location", "content-type"].map(|name| (name, value.as_str()));
        for status in [status, status % 600, 200, 301, 404, 429] {
            let attempt = respond(&call(kind), status, &pairs, &body).attempt;
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
        let (Attempt::Refused { message: words, .. }
        | Attempt::Missing { message: words }
        | Attempt::Taken { message: words, .. }
        | Attempt::Unauthorized { message: words }
        | Attempt::Queued { message: words }
        | Attempt::WrongPath { message: words }
        | Attempt::Lost { cause: words, .. }) = read(kind, status, &error(&words)) else { return Ok(()) };
        prop_assert!(words.chars().count() <= 200 && !words.chars().any(char::is_control), "{words:?}");
    }
}
