//! Checks the dialect against the platforms' documentation: its requests against every documented request, and its reading of
//! every documented answer. See `fixtures/api/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use contactsync::BaseUrl;
use contactsync::Field;
use contactsync::client::{ChannelKind, preset};
use contactsync::contact::{ContactId, Remote, Value};
use contactsync::engine::Call;
use contactsync::engine::dialect::{Response, answer, request};
use contactsync::engine::{Attempt, Page};
use contactsync::report::CallKind;
use serde_json::Value as Json;

const PLATFORMS: [&str; 2] = ["1980tic", "orade"];

/// The errors that every call may get.
const ERRORS: [u16; 4] = [401, 403, 405, 429];

fn folder(platform: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/api").join(platform)
}

fn text(platform: &str, file: &str) -> String {
    let path = folder(platform).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn id(text: &str) -> ContactId {
    ContactId::new(text).expect("a documented id is not blank")
}

/// The name in the platform's examples.
fn first_name(platform: &str) -> &'static str {
    if platform == "orade" { "Juan Ejemplo" } else { "Muhammad Mahin" }
}

fn documented_call(kind: CallKind, platform: &str) -> Call {
    let contact = id("1776025372480910");
    let first_name = Field::text("firstName", first_name(platform));
    let last_name = Field::text("lastName", "Dar");
    let tags = vec!["Blog Updates".to_owned(), "Platform Updates".to_owned()];
    match kind {
        CallKind::Find => Call::Find { field: first_name, page: 1 },
        CallKind::Read => Call::Read { id: contact },
        CallKind::Create => Call::Create { fields: vec![Field::text("phone", "03244077087"), first_name, last_name] },
        CallKind::Update => Call::Update { id: contact, fields: vec![first_name, last_name] },
        CallKind::AddTags => Call::AddTags { id: contact, tags },
        CallKind::RemoveTags => Call::RemoveTags { id: contact, tags },
    }
}

fn documented_contact(platform: &str) -> Remote {
    let email = if platform == "orade" { "juanej@orade.com" } else { "muhammad@respond.io" };
    let fields = [
        ("firstName", "Mahin"),
        ("lastName", "Dar"),
        ("locale", "en_GB"),
        ("timezone", "5"),
        ("gender", "male"),
        ("phone", "123123"),
        ("email", email),
        ("customerid", "1"),
    ];
    Remote {
        id: id("1776025372480910"),
        fields: fields.map(|(name, value)| (name.to_owned(), Value::Text(value.into()))).into(),
        tags: ["Blog Updates", "Platform Updates"].map(str::to_owned).into(),
    }
}

fn documented_success(kind: CallKind, platform: &str) -> Attempt {
    match kind {
        CallKind::Find => Attempt::Page(Page { total: Some(1), ..Page::of(vec![documented_contact(platform)]) }),
        CallKind::Read => Attempt::Contact(documented_contact(platform)),
        CallKind::Create => Attempt::Created(id("cus_112233344555")),
        CallKind::Update | CallKind::AddTags | CallKind::RemoveTags => Attempt::Done,
    }
}

fn documented_error(status: u16) -> Attempt {
    match status {
        401 => Attempt::Unauthorized { message: "API Token is invalid.".to_owned() },
        403 => Attempt::refused(status, "Message String".to_owned()),
        405 => Attempt::refused(status, "405 Method Not Allowed.".to_owned()),
        429 => Attempt::throttled(None),
        _ => panic!("{status} is not documented"),
    }
}

fn read(call: &Call, status: u16, body: &str) -> Attempt {
    let (body, received) = (body.as_bytes(), SystemTime::UNIX_EPOCH);
    answer(call, &Response { status, headers: &[], body, received }).attempt
}

#[test]
fn the_dialect_writes_every_documented_request() {
    for platform in PLATFORMS {
        let base = BaseUrl::parse(preset(platform).unwrap().base_url, false).unwrap();
        for kind in CallKind::ALL {
            let documented = text(platform, &format!("{}.request.http", kind.name()));
            let (head, body) = documented.split_once("\n\n").unwrap_or((documented.trim_end(), ""));
            let mut lines = head.lines();
            let place = format!("{platform} {}", kind.name());

            let written = request(&documented_call(kind, platform), ChannelKind::Standard);
            let line = format!("{} {base}{}", written.method, written.path);
            assert_eq!(lines.next(), Some(line.as_str()), "{place}");
            let body = (!body.is_empty()).then(|| serde_json::from_str::<Json>(body).unwrap());
            let written = written.body.map(|body| serde_json::from_str::<Json>(&body).unwrap());
            assert_eq!(written, body, "{place}");

            // The transport sends the same headers with every call; its test checks that it sends these two.
            let headers: Vec<_> = lines.collect();
            let [token, "Content-Type: application/json"] = headers[..] else { panic!("{place}: {headers:?}") };
            assert!(token.starts_with("Authorization: Bearer {"), "{place}: {token}");
        }
    }
}

#[test]
fn the_dialect_reads_every_documented_answer() {
    for platform in PLATFORMS {
        for kind in CallKind::ALL {
            let call = documented_call(kind, platform);
            let success = text(platform, &format!("{}.200.json", kind.name()));
            assert_eq!(read(&call, 200, &success), documented_success(kind, platform), "{platform} {}", kind.name());
            for status in ERRORS {
                let error = text(platform, &format!("error.{status}.json"));
                assert_eq!(
                    read(&call, status, &error),
                    documented_error(status),
                    "{platform} {} {status}",
                    kind.name()
                );
            }
        }
    }
}

// In the documentation, the name searched for and the name found differ (API.md, trap 2).
#[test]
fn the_documented_search_is_inexact() {
    for platform in PLATFORMS {
        let found = documented_contact(platform);
        assert!(!found.has(&Field::text("firstName", first_name(platform))), "{platform}");
    }
}

#[test]
fn every_fixture_is_checked() {
    let calls = CallKind::ALL.map(CallKind::name).into_iter();
    let calls = calls.flat_map(|name| [format!("{name}.request.http"), format!("{name}.200.json")]);
    let checked: BTreeSet<String> = calls.chain(ERRORS.map(|status| format!("error.{status}.json"))).collect();
    let names = |path: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let mut folders = names(&folder(""));
    assert!(folders.remove("README.md"));
    assert!(folders.iter().eq(PLATFORMS), "{folders:?}");
    for platform in PLATFORMS {
        assert_eq!(names(&folder(platform)), checked, "{platform}");
    }
}
