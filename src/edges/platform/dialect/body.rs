//! What the JSON of an answer says, read as leniently as it can be without guessing.
//!
//! Each function gives `None` for what it cannot read. None of them knows the status; see [`super::answer`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::core::attempt::Attempt;
use crate::core::call::CONTACTS_PER_PAGE;
use crate::core::model::{ContactId, Remote, Value};
use crate::core::page::Page;

/// How many characters of the platform's words are kept.
pub(super) const LONGEST_MESSAGE: usize = 200;

/// Parses a body. Some hosts put a byte order mark in front.
pub(super) fn parse(body: &[u8]) -> Option<Json> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// One page of contacts. A contact without an id makes the whole page unreadable: leaving it out could end in a second
/// contact for the same person.
pub(super) fn page(json: &Json) -> Option<Attempt> {
    let contacts = json.get("data")?.as_array()?.iter().map(remote).collect::<Option<Vec<_>>>()?;
    // An empty page is the last one, whatever it says: following it could go on for ever.
    let more = !contacts.is_empty() && announces_more(json).unwrap_or(contacts.len() >= CONTACTS_PER_PAGE);
    Some(Attempt::Page(Page::of(contacts).followed(more)))
}

// The numbers of `meta` before the links, which are only taken as a sign and never followed (API.md, trap 1).
fn announces_more(json: &Json) -> Option<bool> {
    let number = |name: &str| match json.get("meta")?.get(name)? {
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.trim().parse().ok(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    match (number("current_page"), number("last_page")) {
        (Some(current), Some(last)) => Some(current < last),
        (Some(_), None) | (None, Some(_) | None) => json.get("links")?.get("next").map(|next| !next.is_null()),
    }
}

/// The contact in `data`.
pub(super) fn contact(json: &Json) -> Option<Remote> {
    remote(json.get("data")?)
}

/// The id in `data`.
pub(super) fn data_id(json: &Json) -> Option<ContactId> {
    id(json.get("data")?.get("id")?)
}

/// The id of the contact that an identifier belongs to (API.md, trap 8), wherever the answer names it. Clients met it
/// beside the words, inside `message`.
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

/// Whether the body says that the call failed, whatever the status (API.md, trap 6).
pub(super) fn says_error(json: &Json) -> bool {
    says_status(json, "error") || json.get("success") == Some(&Json::Bool(false))
}

/// Whether the body says that the call succeeded, as the answers to tags do.
pub(super) fn says_success(json: &Json) -> bool {
    says_status(json, "success") || json.get("success") == Some(&Json::Bool(true))
}

fn says_status(json: &Json, status: &str) -> bool {
    json.get("status").and_then(Json::as_str).is_some_and(|found| found.trim().eq_ignore_ascii_case(status))
}

/// Whether the body has the form in which the platform reports errors (API.md, "Errors"): then the platform itself has
/// spoken, and not something in front of it.
pub(super) fn is_envelope(json: &Json) -> bool {
    says_error(json) || (json.get("message").is_some() && json.get("data").is_some())
}

/// The platform's words, on one line.
pub(super) fn message(json: &Json) -> Option<String> {
    ["message", "error", "errors"].iter().find_map(|name| words(json.get(name)?)).map(|text| one_line(&text))
}

// The message is text as documented; some refusals have an object with the text and an id in its place, and the
// framework's validation has lists of texts by field.
fn words(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Json::Array(items) => items.iter().find_map(words),
        Json::Object(map) => map.get("message").and_then(words).or_else(|| map.values().find_map(words)),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

/// The text on one line of at most [`LONGEST_MESSAGE`] characters, without anything that steers a terminal.
pub(in crate::edges::platform) fn one_line(text: &str) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|&c| !steers(c)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_MESSAGE) {
        None => line,
        Some(_) => line.chars().take(LONGEST_MESSAGE - 1).chain(['…']).collect(),
    }
}

// Marks that turn the direction of writing, and breaks that Unicode does not count as control characters.
const fn steers(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn remote(json: &Json) -> Option<Remote> {
    let fields = match json.get("custom_fields") {
        None | Some(Json::Null) => BTreeMap::new(),
        Some(Json::Object(map)) => map.iter().filter_map(|(name, value)| field(name, value)).collect(),
        // The form in which fields are written; and `[]`, which is how the framework writes an empty object.
        Some(Json::Array(items)) => items.iter().filter_map(named_field).collect(),
        Some(Json::Bool(_) | Json::Number(_) | Json::String(_)) => return None,
    };
    let tags: BTreeSet<String> = match json.get("tags") {
        Some(Json::Array(items)) => items.iter().filter_map(tag).collect(),
        // The framework writes a list with a gap in its numbers as an object.
        Some(Json::Object(map)) => map.values().filter_map(tag).collect(),
        None | Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => BTreeSet::new(),
    };
    Some(Remote { id: id(json.get("id")?)?, fields, tags })
}

// A number with a fraction, or beyond 64 bits, has lost digits already: it is no id.
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

// Null and blank are the same as missing (API.md, trap 2). What is nested stays visible as its JSON text: left out, it
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
    fn a_further_page_is_announced_by_numbers_then_links_then_a_full_page() {
        let check = |extra: Json, count: u64, expected: bool| {
            let mut json = json!({ "data": (0..count).map(|id| json!({ "id": id })).collect::<Vec<_>>() });
            json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let Some(Attempt::Page(Page { more, contacts, .. })) = page(&json) else { panic!("{json}") };
            assert_eq!((more, contacts.len() as u64), (expected, count), "{json}");
        };
        check(json!({ "meta": { "current_page": 1, "last_page": 2 } }), 10, true);
        check(json!({ "meta": { "current_page": 2, "last_page": 2 } }), 10, false);
        check(json!({ "meta": { "current_page": "1", "last_page": "2" } }), 1, true);
        check(json!({ "meta": { "current_page": 1, "last_page": 2 } }), 0, false);
        check(json!({ "meta": { "current_page": 1, "last_page": 1 }, "links": { "next": "http://x" } }), 10, false);
        check(json!({ "links": { "next": "http://x?page=2" } }), 3, true);
        check(json!({ "links": { "next": null }, "meta": { "current_page": 1 } }), 10, false);
        check(json!({ "links": [], "meta": [] }), 10, true);
        check(json!({}), 10, true);
        check(json!({}), 9, false);
        check(json!({}), 0, false);
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
    fn a_message_is_text_or_holds_text() {
        let check = |json: Json, expected: Option<&str>| assert_eq!(message(&json).as_deref(), expected, "{json}");
        check(json!({ "message": "a" }), Some("a"));
        check(json!({ "message": { "contactId": 5, "message": "a" } }), Some("a"));
        check(json!({ "message": ["a", "b"] }), Some("a"));
        check(json!({ "message": "", "errors": { "tags": ["too many"] } }), Some("too many"));
        check(json!({ "error": "a" }), Some("a"));
        check(json!({ "message": null }), None);
        check(json!("a"), None);
    }
}
