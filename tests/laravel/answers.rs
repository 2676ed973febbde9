//! The framework's raw answers, recorded in `fixtures/answers/laravel` and described in `docs/platform.md`.
//!
//! `RECORD=1 cargo test --test laravel recorded` updates the recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::platform::{APP, Errors, Platform, Settings, WORKERS};

const FIND: &str = "GET /api/v1/contact/by_custom_field?name=email&value=ana@example.com";
const CREATE: &str = "POST /api/v1/contact/";

/// The length at which a body is truncated: a page of the debug mode has up to half a megabyte of the framework's source.
const LONGEST_BODY: usize = 16 * 1024;

/// A recorded answer: status line, headers, an empty line, and the body.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("an empty line after the headers");
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).expect("a status line");
        status.parse().expect("a number")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.clone().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Status, media type and, for JSON, all keys.
    fn outline(&self) -> (u16, String, BTreeSet<String>) {
        let media = self.header("Content-Type").unwrap_or_default().to_lowercase();
        let mut keys = BTreeSet::new();
        if media.contains("json") {
            collect_keys("", &self.json(), &mut keys);
        }
        (self.status(), media, keys)
    }
}

fn collect_keys(path: &str, json: &Json, keys: &mut BTreeSet<String>) {
    match json {
        Json::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}/{key}");
                // The frames of a trace have varying keys.
                if key != "trace" {
                    collect_keys(&path, value, keys);
                }
                keys.insert(path);
            }
        }
        Json::Array(items) => {
            for item in items {
                collect_keys(&format!("{path}[]"), item, keys);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn ask(platform: &Platform, request: &str, body: &str) -> Answer {
    Answer::of(&platform.ask(request, body))
}

/// A create with these fields.
fn create(fields: &Json) -> String {
    let fields: Vec<Json> = fields
        .as_object()
        .expect("names and values")
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({ "custom_fields": fields }).to_string()
}

fn insert(platform: &Platform, id: &str, fields: &Json) {
    platform
        .execute(&format!(r#"INSERT INTO contacts VALUES ('{id}', 1, '{fields}', '["lead"]', '2026-01-01 00:00:00')"#));
}

#[test]
fn the_recorded_answers_are_those_of_the_framework() {
    let Some(answers) = all_answers() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/answers/laravel");
    let path = |name: &str| -> PathBuf { folder.join(format!("{name}.http")) };
    if std::env::var("RECORD").is_ok_and(|record| record == "1") {
        for (name, answer) in &answers {
            fs::write(path(name), answer).expect("the folder of the fixtures");
        }
    }
    let mut recorded: BTreeSet<PathBuf> =
        fs::read_dir(&folder).expect("the folder of the fixtures").map(|entry| entry.expect("a file").path()).collect();
    recorded.retain(|path| path.extension().is_some_and(|extension| extension == "http"));
    assert_eq!(recorded, answers.keys().map(|name| path(name)).collect());
    for (name, answer) in &answers {
        let recorded = fs::read_to_string(path(name)).expect("a recording");
        assert_eq!(Answer::of(answer).outline(), Answer::of(&recorded).outline(), "{name}");
    }
}

/// One answer of each kind, by its name and status.
fn all_answers() -> Option<BTreeMap<String, String>> {
    let small = Settings { post_max_size: "4K", ..Settings::DOCUMENTED };
    let kinds = [
        ("", small),
        ("debug.", Settings { debug: true, ..small }),
        ("plain.", Settings { errors: Errors::Plain, ..small }),
        ("html.", Settings { errors: Errors::Html, ..small }),
        ("html-debug.", Settings { errors: Errors::Html, debug: true, ..small }),
    ];
    let mut answers: BTreeMap<String, String> = BTreeMap::new();
    for (kind, settings) in kinds {
        let platform = Platform::start(settings)?;
        let mut keep = |name: &str, answer: &str| {
            let answer = without_places(&platform, answer);
            let content = |answer: &str| (Answer::of(answer).status(), Answer::of(answer).body);
            let (status, body) = content(&answer);
            // Only answers that depend on the settings.
            if answers.values().all(|other| content(other) != (status, body.clone())) {
                answers.insert(format!("{kind}{name}.{status}"), answer);
            }
        };
        if kind.is_empty() {
            keep_successes(&platform, &mut keep);
        }
        keep_errors(&platform, &mut keep);
    }
    Some(answers)
}

fn keep_successes(platform: &Platform, keep: &mut impl FnMut(&str, &str)) {
    insert(platform, "1776025372480910", &json!({ "email": "ana@example.com", "plan": "free" }));
    insert(platform, "cus_2", &json!({}));
    let id = "/api/v1/contact/1776025372480910";
    keep("find", &platform.ask(FIND, ""));
    keep("find-empty", &platform.ask(&FIND.replace("ana", "eva"), ""));
    keep("find-beyond-last", &platform.ask(&format!("{FIND}&page=7"), ""));
    keep("read", &platform.ask(&format!("GET {id}"), ""));
    keep("read-no-fields", &platform.ask("GET /api/v1/contact/cus_2", ""));
    keep("create", &platform.ask(CREATE, &create(&json!({ "email": "luis@example.com" }))));
    keep("update", &platform.ask(&format!("PUT {id}"), &create(&json!({ "plan": "pro" }))));
    keep("add_tags", &platform.ask(&format!("POST {id}/tags"), r#"{"tags":["customer"]}"#));
    keep("remove_tags", &platform.ask(&format!("DELETE {id}/tags"), r#"{"tags":["lead"]}"#));
    for nth in 0..10 {
        insert(platform, &format!("cus_1{nth}"), &json!({ "email": "ANA@example.com" }));
    }
    keep("find-page-1-of-2", &platform.ask(FIND, ""));
    keep("find-page-2-of-2", &platform.ask(&format!("{FIND}&page=2"), ""));
}

fn keep_errors(platform: &Platform, keep: &mut impl FnMut(&str, &str)) {
    platform.execute("INSERT INTO rules VALUES ('birthday', 'date_format:Y-m-d')");
    let fields = json!({ "email": "eva@example.com", "birthday": "28/02/1990" });
    keep("invalid-token", &platform.ask_as("wrong", FIND, ""));
    keep("no-contact", &platform.ask("GET /api/v1/contact/unknown", ""));
    keep("no-route", &platform.ask("GET /api/v2/contact/unknown", ""));
    keep("no-method", &platform.ask("DELETE /api/v1/contact/unknown", ""));
    keep("too-large", &platform.ask(CREATE, &create(&json!({ "note": "x".repeat(5_000) }))));
    keep("invalid-fields", &platform.ask(CREATE, &create(&fields)));
    platform.execute("ALTER TABLE contacts RENAME TO away");
    keep("failure", &platform.ask(FIND, ""));
    platform.execute("ALTER TABLE away RENAME TO contacts");
    platform.goes_down(60);
    keep("maintenance", &platform.ask(FIND, ""));
    platform.comes_up();
    let refused = (0..=100).map(|_| platform.ask(FIND, "")).find(|answer| answer.contains(" 429 "));
    keep("too-many-calls", &refused.expect("the limit is 100"));
}

/// The truncated answer without this machine's paths and port.
fn without_places(platform: &Platform, answer: &str) -> String {
    let storage = platform.storage();
    let mut text = answer
        .replace(APP, "/srv/app")
        .replace(storage.to_str().expect("text"), "/srv/storage")
        .replace(&format!("127.0.0.1:{}", platform.port()), "127.0.0.1:8000");
    let begin = text.find("\r\n\r\n").expect("an empty line after the headers");
    text.truncate(text.floor_char_boundary(begin + LONGEST_BODY));
    text
}

#[test]
fn the_pages_of_the_paginator_are_as_documented() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    for nth in 0..11 {
        insert(&platform, &format!("cus_{nth}"), &json!({ "email": "ana@example.com" }));
    }
    // For each page: the requested number, current_page, from, to, last_page, total, and the contacts.
    let pages = [
        ("", json!([1, 1, 10, 2, 11]), 10),
        ("&page=2", json!([2, 11, 11, 2, 11]), 1),
        ("&page=3", json!([3, null, null, 2, 11]), 0),
        ("&page=0", json!([1, 1, 10, 2, 11]), 10),
        ("&page=x", json!([1, 1, 10, 2, 11]), 10),
    ];
    let path = format!("{}/contact/by_custom_field", platform.url());
    for (page, expected, contacts) in pages {
        let answer = ask(&platform, &format!("{FIND}{page}"), "").json();
        let meta = &answer["meta"];
        let numbers = ["current_page", "from", "to", "last_page", "total"].map(|key| meta[key].clone());
        assert_eq!((json!(numbers), answer["data"].as_array().expect("a page").len()), (expected, contacts), "{page}");
        assert_eq!((meta["per_page"].clone(), meta["path"].clone()), (json!(10), json!(path)));
        // The links lose the filter (API.md, trap 1).
        assert_eq!(answer["links"]["last"], json!(format!("{path}?page=2")));
    }
    let empty = ask(&platform, &FIND.replace("ana", "eva"), "").json();
    assert_eq!(empty["data"], json!([]));
    let meta = &empty["meta"];
    assert_eq!(json!([meta["from"], meta["to"], meta["last_page"], meta["total"]]), json!([null, null, 1, 0]));
}

#[test]
fn the_throttle_middleware_counts_by_token_and_sends_retry_after() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    platform.execute("INSERT INTO channels (api_token) VALUES ('other')");
    let left = |answer: &Answer| answer.header("X-RateLimit-Remaining").map(str::to_owned);
    let first = ask(&platform, FIND, "");
    assert_eq!((first.header("X-RateLimit-Limit"), left(&first)), (Some("100"), Some("99".into())));
    assert_eq!(first.header("Retry-After"), None);
    // Refusals by the application count against the limit.
    assert_eq!(left(&ask(&platform, "GET /api/v1/contact/unknown", "")), Some("98".into()));
    assert_eq!(left(&ask(&platform, CREATE, "{}")), Some("97".into()));
    // Answers before the middleware do not count and have no headers.
    for (status, request) in [(404, "GET /api/v2/contact"), (405, "DELETE /api/v1/contact/unknown")] {
        let answer = ask(&platform, request, "");
        assert_eq!((answer.status(), answer.header("X-RateLimit-Limit")), (status, None));
    }
    let stranger = Answer::of(&platform.ask_as("wrong", FIND, ""));
    assert_eq!((stranger.status(), stranger.header("X-RateLimit-Limit")), (401, None));
    for remaining in (0..97).rev() {
        assert_eq!(left(&ask(&platform, FIND, "")), Some(remaining.to_string()));
    }
    let refused = ask(&platform, FIND, "");
    let number = |name: &str| -> u64 { refused.header(name).expect(name).parse().expect("a number") };
    assert_eq!((refused.status(), number("X-RateLimit-Limit"), number("X-RateLimit-Remaining")), (429, 100, 0));
    assert!((1..=60).contains(&number("Retry-After")));
    assert!(number("X-RateLimit-Reset") > 1_700_000_000);
    let other = Answer::of(&platform.ask_as("other", FIND, ""));
    assert_eq!((other.status(), left(&other)), (200, Some("99".into())));
}

#[test]
fn the_middleware_trims_strings_and_turns_empty_ones_into_null() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    let fields =
        json!({ "email": " ana@example.com\n", "a": "\u{a0}x", "b": "\r\u{b}x\0", "c": "", "d": " \t", " e ": "x  y" });
    let id = ask(&platform, CREATE, &create(&fields)).json()["data"]["id"].as_str().expect("an id").to_owned();
    let stored = ask(&platform, &format!("GET /api/v1/contact/{id}"), "").json()["data"]["custom_fields"].clone();
    assert_eq!(stored, json!({ "email": "ana@example.com", "a": "\u{a0}x", "b": "x", "e": "x  y" }));
    let total = |request: &str| ask(&platform, request, "").json()["meta"]["total"].clone();
    assert_eq!(total(&FIND.replace("ana@", "%20ana@").replace(".com", ".com%00%09")), json!(1));
    // A search for blanks is a search without a value.
    let blank = ask(&platform, "GET /api/v1/contact/by_custom_field?name=email&value=%20", "");
    assert_eq!((blank.status(), blank.json()["errors"].clone()), {
        (422, json!({ "value": ["The value field is required."] }))
    });
}

#[test]
fn the_validator_names_the_path_in_the_request() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    let check = |request: &str, body: &Json, errors: Json| {
        let answer = ask(&platform, request, &body.to_string());
        assert_eq!((answer.status(), answer.json()["errors"].clone()), (422, errors), "{request}");
    };
    let field =
        |value: Json| json!({ "custom_fields": [{ "name": "a", "value": "1" }, { "name": "b", "value": value }] });
    // Numbers and booleans are not strings (API.md, trap 11).
    let no_string = json!({ "custom_fields.1.value": ["The custom_fields.1.value must be a string."] });
    check(CREATE, &field(json!(5)), no_string.clone());
    check(CREATE, &field(json!(true)), no_string);
    let many: Vec<Json> = (0..31).map(|nth| json!({ "name": nth.to_string(), "value": "x" })).collect();
    let too_many = json!({ "custom_fields": ["The custom fields must not have more than 30 items."] });
    check(CREATE, &json!({ "custom_fields": many }), too_many);
    let tags: Vec<String> = (0..11).map(|nth| nth.to_string()).collect();
    let too_many = json!({ "tags": ["The tags must not have more than 10 items."] });
    check("POST /api/v1/contact/unknown/tags", &json!({ "tags": tags }), too_many);
}

#[test]
fn an_encoded_slash_in_an_id_matches_no_route() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    insert(&platform, "O2wPtC/n8Rs=", &json!({}));
    insert(&platform, "O2wPtC+n8Rs=", &json!({}));
    assert_eq!(ask(&platform, "GET /api/v1/contact/O2wPtC%2Fn8Rs%3D", "").status(), 404);
    assert_eq!(ask(&platform, "GET /api/v1/contact/O2wPtC%2Bn8Rs%3D", "").status(), 200);
}

#[test]
fn without_an_accept_header_errors_are_pages_and_redirects() {
    let settings = Settings { errors: Errors::Html, ..Settings::DOCUMENTED };
    let Some(platform) = Platform::start(settings) else { return };
    // A refused token is a 500: the framework looks for its login page.
    assert_eq!(Answer::of(&platform.ask_as("wrong", FIND, "")).status(), 500);
    let invalid = ask(&platform, CREATE, "{}");
    assert_eq!((invalid.status(), invalid.header("Location").is_some()), (302, true));
    for (status, request) in
        [(404, "GET /api/v2"), (404, "GET /api/v1/contact/unknown"), (405, "DELETE /api/v1/contact/x")]
    {
        let answer = ask(&platform, request, "");
        let media = answer.header("Content-Type").unwrap_or_default();
        assert_eq!((answer.status(), media), (status, "text/html; charset=UTF-8"));
    }
    assert_eq!(ask(&platform, FIND, "").status(), 200);
}

/// The port is free after the test, also after one that fails: no process keeps listening.
#[test]
fn a_server_ends_with_its_test() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    let (port, pids) = (platform.port(), workers(&platform));
    assert_eq!(pids.len(), 1 + WORKERS);
    drop(platform);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()), "{pids:?}");
}

/// The processes that wrote into the server's log.
fn workers(platform: &Platform) -> BTreeSet<String> {
    let log = fs::read_to_string(platform.storage().join("server.log")).expect("a log");
    log.lines().filter_map(|line| Some(line.strip_prefix('[')?.split_once(']')?.0.to_owned())).collect()
}

/// Every test and recording that `docs/platform.md` names exists.
#[test]
fn the_documentation_names_tests_and_recordings_that_exist() {
    let sources = [
        include_str!("answers.rs"),
        include_str!("calls_a_minute.rs"),
        include_str!("errors.rs"),
        include_str!("nights.rs"),
    ]
    .concat();
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/answers/laravel");
    let (mut tests, mut files) = (0, 0);
    for name in include_str!("../../docs/platform.md").split('`').skip(1).step_by(2) {
        if name.matches('_').count() >= 4 {
            assert!(sources.contains(&format!("fn {name}()")), "no test {name}");
            tests += 1;
        } else if name.rsplit_once('.').is_some_and(|(_, status)| status.parse::<u16>().is_ok()) {
            assert!(recordings.join(format!("{name}.http")).exists(), "no recording {name}");
            files += 1;
        }
    }
    assert!(tests > 9 && files > 20, "{tests} tests, {files} recordings");
}
