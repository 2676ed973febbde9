//! Reads the JSON of a response, as leniently as possible without guessing.
//!
//! Each function returns `None` for what it cannot read. None of them knows the status; see [`mod@super::answer`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::core::model::{ContactId, Remote, Value};

/// Maximum length of a message, in characters.
pub(super) const LONGEST_MESSAGE: usize = 200;

/// Maximum number of bytes of a message that are read, so that a body of megabytes takes no longer than others.
const WORDS_READ: usize = 4_096;

/// Maximum number of fields of the framework's `errors` that are read. No call has more.
const ERRORS_READ: usize = 64;

/// Parses a body. Some hosts put a BOM before it.
pub(super) fn parse(body: &[u8]) -> Option<Json> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// The contact in `data`.
pub(super) fn contact(json: &Json) -> Option<Remote> {
    remote(json.get("data")?)
}

/// The id in `data`.
pub(super) fn data_id(json: &Json) -> Option<ContactId> {
    id(json.get("data")?.get("id")?)
}

/// The id of the contact that an identifier belongs to (API.md, trap 8), wherever the response names it. Clients saw it
/// inside `message`, next to the text.
pub(super) fn owner(json: &Json) -> Option<ContactId> {
    let places = ["/data", "/data/contact", "/message", "/contact", ""];
    let names = ["contactId", "contact_id", "id"];
    places
        .iter()
        .filter_map(|place| json.pointer(place))
        .flat_map(|part| names.map(|name| part.get(name)))
        .flatten()
        .find_map(id)
}

/// Whether the body reports an error, whatever the status and whatever else it contains (API.md, trap 6).
///
/// That is a `status` other than success, a false `success` or `ok`, an error code of 400 or more, or an `error`, `errors`
/// or `exception` that is not empty.
pub(super) fn has_trouble(json: &Json) -> bool {
    let Some(map) = json.as_object() else { return false };
    let any = |names: &[&str], is_bad: fn(&Json) -> bool| names.iter().filter_map(|name| map.get(*name)).any(is_bad);
    any(&["status"], is_bad_status)
        || any(&["code", "statusCode", "status_code"], is_bad_code)
        || any(&["success", "ok"], is_denial)
        || any(&["error", "errors", "exception"], is_something)
}

/// Whether the error that a body reports is certainly a refusal. With another status (`queued`, `pending`), a change may
/// have been made.
pub(super) fn is_refused(json: &Json) -> bool {
    let status = json.get("status").and_then(Json::as_str).map(|text| text.trim().to_lowercase());
    let is_unknown = |text: &str| !is_error_word(text) && text.parse::<u64>().is_err();
    if !status.is_some_and(|text| is_unknown(&text)) {
        return has_trouble(json);
    }
    let mut rest = json.clone();
    rest.as_object_mut().and_then(|map| map.remove("status"));
    has_trouble(&rest)
}

/// Whether the body reports success in words, as the answers to changes of tags do.
pub(super) fn says_success(json: &Json) -> bool {
    let is_good = |json: &Json| json.as_str().is_some_and(|text| is_success_word(&text.trim().to_lowercase()));
    let is_granted = |json: &Json| match json {
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_u64() == Some(1),
        Json::String(text) => matches!(text.trim().to_lowercase().as_str(), "true" | "1"),
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    };
    json.get("status").is_some_and(is_good) || json.get("success").is_some_and(is_granted)
}

fn is_success_word(text: &str) -> bool {
    matches!(text, "success" | "ok")
}

fn is_bad_status(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(flag) => !flag,
        Json::Number(_) => is_bad_code(json),
        Json::String(text) => {
            let text = text.trim().to_lowercase();
            // A status of HTTP written as text.
            let is_fine = text.parse::<u64>().map_or_else(|_| is_success_word(&text), |code| code < 400);
            !text.is_empty() && !is_fine
        }
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
    }
}

fn is_bad_code(json: &Json) -> bool {
    match json {
        Json::Number(number) => number.as_f64().is_some_and(|code| code >= 400.0),
        Json::String(text) => text.trim().parse::<u64>().is_ok_and(|code| code >= 400),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => false,
    }
}

fn is_denial(json: &Json) -> bool {
    match json {
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => matches!(text.trim().to_lowercase().as_str(), "false" | "0" | "no"),
        Json::Null | Json::Array(_) | Json::Object(_) => false,
    }
}

pub(super) fn is_something(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !matches!(text.trim().to_lowercase().as_str(), "" | "false" | "0" | "null" | "none"),
        Json::Array(items) => items.iter().any(is_something),
        Json::Object(map) => map.values().any(is_something),
    }
}

/// Whether the body has the form in which the platform reports errors (API.md, "Errors"), or a similar one. Then the
/// platform itself answered, and not something in front of it.
pub(super) fn is_envelope(json: &Json) -> bool {
    let is_error = |json: &Json| json.as_str().is_some_and(is_error_word);
    json.get("status").is_some_and(is_error)
        || json.get("success").is_some_and(is_denial)
        || (json.get("message").and_then(any_words).is_some() && json.get("data").is_some())
}

/// Whether the body has exactly the documented form of an error: `{status: "error", message, data}` (API.md, "Errors").
pub(super) fn is_documented_error(json: &Json) -> bool {
    let status = json.get("status").and_then(Json::as_str);
    status.is_some_and(is_error_word) && json.get("message").is_some_and(Json::is_string) && json.get("data").is_some()
}

fn is_error_word(text: &str) -> bool {
    matches!(text.trim().to_lowercase().as_str(), "error" | "fail" | "failed" | "failure")
}

/// Whether the body has the form in which the framework behind the platform reports errors.
pub(super) fn is_framework_error(json: &Json) -> bool {
    json.get("message").is_some_and(|message| message.as_str().is_some_and(|text| !text.trim().is_empty()))
}

/// The message of a refusal, wherever it is: the platform's `message`, `error` and `errors`, the `title` and `detail` of
/// problem details (RFC 9457), or a list of texts.
pub(super) fn words(json: &Json) -> Option<String> {
    let text = |name: &str| json.get(name).and_then(any_words);
    let words = match json {
        Json::Array(_) => any_words(json),
        Json::Object(_) => text("message")
            .or_else(|| match (text("title"), text("detail")) {
                (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
                (title, detail) => detail.or(title),
            })
            .or_else(|| text("error_description"))
            .or_else(|| text("error"))
            .or_else(|| text("errors")),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    };
    words.map(beginning)
}

/// The errors by field of the framework's validation, in its order.
pub(super) fn errors_by_field(json: &Json) -> Vec<(&str, String)> {
    let Some(Json::Object(errors)) = json.get("errors") else { return Vec::new() };
    let read = errors.iter().filter_map(|(key, texts)| Some((key.as_str(), beginning(any_words(texts)?))));
    read.take(ERRORS_READ).collect()
}

fn beginning(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(WORDS_READ));
    words
}

// The message is a text as documented. Some refusals have an object with the text and an id instead, and the framework's
// validation has lists of texts by field.
fn any_words(json: &Json) -> Option<String> {
    let join = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join("; "));
    match json {
        Json::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Json::Array(items) => join(items.iter().filter_map(any_words).collect()),
        Json::Object(map) => ["message", "detail", "title"]
            .iter()
            .find_map(|name| map.get(*name).and_then(any_words))
            .or_else(|| join(map.values().filter_map(any_words).collect())),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

/// The text on one line of at most [`LONGEST_MESSAGE`] characters, without control characters.
pub(in crate::platform) fn one_line(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|&c| !steers(c)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        None => line,
        Some(_) => line.chars().take(LONGEST_MESSAGE - 1).chain(['…']).collect(),
    }
}

// Characters that change the direction of writing, and line breaks that Unicode does not count as control characters.
const fn steers(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

pub(super) fn remote(json: &Json) -> Option<Remote> {
    let fields = match json.get("custom_fields") {
        None | Some(Json::Null) => BTreeMap::new(),
        Some(Json::Object(map)) => map.iter().filter_map(|(name, value)| field(name, value)).collect(),
        // The form of requests; and `[]`, which the framework writes for an empty object.
        Some(Json::Array(items)) => items.iter().filter_map(named_field).collect(),
        Some(Json::Bool(_) | Json::Number(_) | Json::String(_)) => return None,
    };
    let tags: BTreeSet<String> = match json.get("tags") {
        Some(Json::Array(items)) => items.iter().filter_map(tag).collect(),
        // The framework writes a list with a gap in its indexes as an object.
        Some(Json::Object(map)) => map.values().filter_map(tag).collect(),
        None | Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => BTreeSet::new(),
    };
    Some(Remote { id: id(json.get("id")?)?, fields, tags })
}

// A number with a fraction, or beyond 64 bits, has lost digits already and is not an id.
fn id(json: &Json) -> Option<ContactId> {
    match json {
        Json::String(text) => ContactId::new(text.trim()),
        Json::Number(number) if number.is_u64() => ContactId::new(number.to_string()),
        Json::Number(_) | Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

fn named_field(item: &Json) -> Option<(String, Value)> {
    field(item.get("name")?.as_str()?, item.get("value")?)
}

// Null and blank are the same as missing (API.md, trap 2). A nested value is kept as its JSON text: if it were dropped, it
// would look missing and be written again by every run.
fn field(name: &str, value: &Json) -> Option<(String, Value)> {
    let value = match value {
        Json::Null => return None,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Number(number.clone()),
        Json::String(text) => Value::Text(text.into()),
        Json::Array(items) if items.is_empty() => return None,
        Json::Object(map) if map.is_empty() => return None,
        Json::Array(_) | Json::Object(_) => Value::Text(value.to_string().into()),
    };
    (!value.is_blank() && !name.trim().is_empty()).then(|| (name.to_owned(), value))
}

fn tag(json: &Json) -> Option<String> {
    json.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_contact_is_read_in_every_form_that_was_seen() {
        let check = |contact: Json, fields: Json, tags: &[&str]| {
            let read = remote(&contact).unwrap();
            assert_eq!(read.id.as_str(), "7", "{contact}");
            assert_eq!(serde_json::to_value(&read.fields).unwrap(), fields, "{contact}");
            assert!(read.tags.iter().eq(tags), "{contact}");
        };
        check(json!({ "id": "7" }), json!({}), &[]);
        check(json!({ "id": 7, "custom_fields": null, "tags": null }), json!({}), &[]);
        check(json!({ "id": " 7 ", "custom_fields": [], "tags": {} }), json!({}), &[]);
        check(
            json!({ "id": 7, "custom_fields": { "a": "x", "n": 5, "b": true, "f": 1.5 } }),
            json!({ "a": "x", "n": 5, "b": true, "f": 1.5 }),
            &[],
        );
        check(json!({ "id": 7, "custom_fields": { "a": null, "b": " ", "c": [], "d": {}, " ": "x" } }), json!({}), &[]);
        check(
            json!({ "id": 7, "custom_fields": { "list": ["a", 1], "map": { "k": null } } }),
            json!({ "list": r#"["a",1]"#, "map": r#"{"k":null}"# }),
            &[],
        );
        check(
            json!({ "id": 7, "custom_fields": [{ "name": "a", "value": "x" }, { "name": "b" }, { "name": 1, "value": 1 }, 5] }),
            json!({ "a": "x" }),
            &[],
        );
        check(json!({ "id": 7, "tags": ["b", "a", 5, null, " ", "b"] }), json!({}), &["a", "b"]);
        check(json!({ "id": 7, "tags": { "0": "a", "2": "b" } }), json!({}), &["a", "b"]);
    }

    #[test]
    fn a_contact_without_an_id_is_none() {
        for contact in [
            json!({}),
            json!({ "id": null }),
            json!({ "id": "" }),
            json!({ "id": " " }),
            json!({ "id": 1.5 }),
            json!({ "id": 1e30 }),
            json!({ "id": -1 }),
            json!({ "id": ["7"] }),
            json!({ "id": "7", "custom_fields": "none" }),
            json!([]),
            json!("7"),
        ] {
            assert_eq!(remote(&contact), None, "{contact}");
        }
    }

    #[test]
    fn the_other_contact_is_found_wherever_it_is_named() {
        let check = |json: Json, expected: Option<&str>| {
            assert_eq!(owner(&json).as_ref().map(ContactId::as_str), expected, "{json}");
        };
        check(json!({ "data": { "id": 5 } }), Some("5"));
        check(json!({ "data": { "contact_id": "5" } }), Some("5"));
        check(json!({ "data": { "contact": { "id": "5" } } }), Some("5"));
        check(json!({ "message": { "message": "…", "contactId": 5 }, "data": [] }), Some("5"));
        check(json!({ "contact_id": "5" }), Some("5"));
        check(json!({ "id": 5, "data": [] }), Some("5"));
        check(json!({ "data": [] }), None);
        check(json!([]), None);
    }

    #[test]
    fn words_become_one_short_line() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected, "{text:?}");
        check("  a\r\n b\tc ", "a b c");
        check("\u{1b}[31mred\u{7}", "[31mred");
        check("a\u{202e}b\u{2028}c", "abc");
        check(&"é".repeat(200), &"é".repeat(200));
        check(&"é".repeat(201), &format!("{}…", "é".repeat(199)));
    }

    #[test]
    fn words_are_found_in_every_form_that_was_seen() {
        let check = |json: Json, expected: Option<&str>| assert_eq!(words(&json).as_deref(), expected, "{json}");
        check(json!({ "message": "a" }), Some("a"));
        check(json!({ "message": { "contactId": 5, "message": "a" } }), Some("a"));
        check(json!({ "message": ["a", "b"] }), Some("a; b"));
        check(json!({ "message": "", "errors": { "tags": ["too many"] } }), Some("too many"));
        check(json!({ "error": "a" }), Some("a"));
        check(json!({ "error": { "code": 7, "message": "a" } }), Some("a"));
        check(json!({ "error": "invalid_token", "error_description": "The token expired" }), Some("The token expired"));
        check(json!({ "errors": [{ "title": "a" }, { "detail": "b", "title": "c" }] }), Some("a; b"));
        check(json!({ "type": "about:blank", "title": "a", "status": 400, "detail": "b" }), Some("a: b"));
        check(json!({ "title": "a", "status": 400 }), Some("a"));
        check(json!(["a", 5, "b"]), Some("a; b"));
        check(json!([]), None);
        check(json!([5]), None);
        check(json!({ "message": null }), None);
        check(json!("a"), None);
        let long = "é".repeat(4_000);
        assert_eq!(words(&json!({ "message": long })), Some("é".repeat(2_048)));
        let many: serde_json::Map<String, Json> = (0..99).map(|place| (place.to_string(), json!(long))).collect();
        let many = json!({ "errors": many });
        let read = errors_by_field(&many);
        assert!(read.len() == 64 && read.iter().all(|(_, text)| text.len() == 4_096));
    }

    #[test]
    fn trouble_is_seen_beside_whatever_else_there_is() {
        let check = |extra: Json, expected: bool| {
            let mut json = json!({ "data": [] });
            json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            assert_eq!(has_trouble(&json), expected, "{json}");
        };
        for trouble in [
            json!({ "status": "error" }),
            json!({ "status": "ERROR " }),
            json!({ "status": "fail" }),
            json!({ "status": "queued" }),
            json!({ "status": 400 }),
            json!({ "status": "400" }),
            json!({ "status": "503" }),
            json!({ "status": 500.0 }),
            json!({ "status": false }),
            json!({ "status": ["a"] }),
            json!({ "status": { "code": 1 } }),
            json!({ "code": 500 }),
            json!({ "statusCode": "403" }),
            json!({ "success": false }),
            json!({ "success": "false" }),
            json!({ "success": "False" }),
            json!({ "success": 0 }),
            json!({ "success": "0" }),
            json!({ "ok": false }),
            json!({ "error": "search is unavailable" }),
            json!({ "error": true }),
            json!({ "error": { "code": 7 } }),
            json!({ "errors": ["a"] }),
            json!({ "errors": { "name": ["a"] } }),
            json!({ "exception": "RuntimeException" }),
            json!({ "status": "success", "error": "a" }),
        ] {
            check(trouble, true);
        }
        for fine in [
            json!({}),
            json!({ "status": "success" }),
            json!({ "status": " OK " }),
            json!({ "status": null }),
            json!({ "status": "" }),
            json!({ "status": 200 }),
            json!({ "status": "200" }),
            json!({ "status": true }),
            json!({ "status": [] }),
            json!({ "status": {} }),
            json!({ "code": 0 }),
            json!({ "code": "abc" }),
            json!({ "success": true }),
            json!({ "success": 1 }),
            json!({ "success": "true" }),
            json!({ "success": null }),
            json!({ "error": null, "errors": [] }),
            json!({ "error": false, "errors": {} }),
            json!({ "error": "", "errors": { "name": [] } }),
            json!({ "error": 0 }),
            json!({ "error": "none" }),
            json!({ "message": "error" }),
        ] {
            check(fine, false);
        }
        assert!(!has_trouble(&json!([{ "status": "error" }])));
    }

    #[test]
    fn a_refusal_is_told_from_a_status_that_is_not_known() {
        let check = |json: Json, expected: bool| assert_eq!(is_refused(&json), expected, "{json}");
        check(json!({ "status": "error" }), true);
        check(json!({ "status": "Failed" }), true);
        check(json!({ "status": "422" }), true);
        check(json!({ "status": 422 }), true);
        check(json!({ "success": false }), true);
        check(json!({ "error": "a" }), true);
        check(json!({ "status": "queued", "error": "a" }), true);
        check(json!({ "status": "success", "errors": ["a"] }), true);
        check(json!({ "status": "queued" }), false);
        check(json!({ "status": "pending", "error": null }), false);
        check(json!({ "status": "success" }), false);
        check(json!({}), false);
    }

    #[test]
    fn the_documented_error_is_told_from_others() {
        let check = |json: Json, documented: bool, envelope: bool| {
            assert_eq!((is_documented_error(&json), is_envelope(&json)), (documented, envelope), "{json}");
        };
        check(json!({ "status": "error", "message": "a", "data": [] }), true, true);
        check(json!({ "status": "Error", "message": "", "data": null }), true, true);
        check(json!({ "status": "error", "message": "a" }), false, true);
        check(json!({ "status": "error" }), false, true);
        check(json!({ "message": "a", "data": [] }), false, true);
        check(json!({ "success": false, "message": "a" }), false, true);
        check(json!({ "message": "a" }), false, false);
        check(json!({ "message": 14, "data": null }), false, false);
        check(json!({ "status": 404, "error": "Not Found", "path": "/contact" }), false, false);
        check(json!({ "title": "a", "status": 404, "detail": "b" }), false, false);
        check(json!(["a"]), false, false);
        check(json!("error"), false, false);
    }
}
