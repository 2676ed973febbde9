//! `sandbox --state FILE`: contacts outlive a sandbox, and a damaged file is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value as Json, json};
use support::{Harness, People, Running};

/// Of real length, so that only its end may be shown.
const SECRET: &str = "secret-of-a-real-account";

/// Starts a sandbox with a state, and returns it with its URL.
async fn sandbox(harness: &Harness, number: usize, options: &str) -> (Running, String) {
    let arguments = format!("sandbox --rate 0 --state state.json --stored-form phone=with-plus {options}");
    let mut running = harness.program(&arguments).start();
    running.until_stdout_has("/api/v1\n").await;
    let url = fs::read_to_string(harness.path(&format!("{number}.stdout"))).expect("its output");
    (running, url.trim().to_owned())
}

fn state(harness: &Harness) -> String {
    fs::read_to_string(harness.path("state.json")).unwrap_or_default()
}

fn contacts(harness: &Harness) -> usize {
    let state: Json = serde_json::from_str(&state(harness)).expect("JSON");
    let channels = state["channels"].as_array().expect("a list").iter();
    channels.map(|channel| channel["contacts"].as_array().expect("a list").len()).sum()
}

#[tokio::test]
async fn contacts_outlive_a_sandbox_that_ends_by_a_signal() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,phone,tags\na@example.com,34600000001,vip;new\nb@example.com,34600000002,\n");
    harness.write("more.csv", "email\nc@example.com\n");
    let sync = async |file: &str, url: &str, journal: &str| {
        let sync = format!("sync {file} --match email --json --rate 100000 --url {url} --journal {journal}");
        let ran = harness.program(&sync).token(Some(SECRET)).run().await.exits(0);
        ran.summary().rows()
    };
    let (running, url) = sandbox(&harness, 0, "--port 0").await;
    assert_eq!(sync("in.csv", &url, "a.db").await, "2 created");
    running.signal("TERM").await;
    let ran = running.end().await.exits(0);
    assert_eq!(ran.stderr_lines("state.json: saved 2 contacts").len(), 1, "{ran:?}");

    let text = state(&harness);
    assert!(!text.contains(SECRET) && text.contains("…ount"), "{text}");
    let mode = fs::metadata(harness.path("state.json")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let saved: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&saved["format"], &saved["version"]), (&json!("contactsync sandbox"), &json!(1)));
    let list = saved["channels"][0]["contacts"].as_array().expect("a list");
    let first = list.iter().find(|contact| contact["fields"]["email"] == "a@example.com").expect("the first row");
    assert_eq!((&first["fields"]["phone"], &first["tags"]), (&json!("+34600000001"), &json!(["vip", "new"])));
    assert_eq!(first["sent"], json!({ "phone": "34600000001" }));

    // Searches find the contacts, and a new contact gets a new id.
    let (running, url) = sandbox(&harness, 2, "--port 0").await;
    assert_eq!(sync("in.csv", &url, "b.db").await, "2 updated");
    assert_eq!(sync("in.csv", &url, "b.db").await, "2 unchanged");
    assert_eq!(sync("more.csv", &url, "b.db").await, "1 created");
    running.signal("INT").await;
    running.end().await.exits(0);
    assert_eq!(contacts(&harness), 3);
    let saved: Json = serde_json::from_str(&state(&harness)).expect("JSON");
    let ids: std::collections::BTreeSet<&str> = saved["channels"][0]["contacts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|contact| contact["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn contacts_are_saved_while_the_sandbox_runs() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(20, 3, 1).csv());
    let (mut running, url) = sandbox(&harness, 0, "--port 0").await;
    // An empty one is written at the start, so that a file that cannot be written is an error at once.
    assert_eq!(contacts(&harness), 0);
    harness.program(&format!("sync in.csv --match email --rate 100000 --url {url}")).run().await.exits(0);
    assert!(running.until(|| contacts(&harness) == 20).await);
    running.kill().await;
    let (running, url) = sandbox(&harness, 2, "--port 0").await;
    let sync = format!("sync in.csv --match email --json --rate 100000 --url {url} --journal other.db");
    assert_eq!(harness.program(&sync).run().await.exits(0).summary().rows(), "20 unchanged");
    running.signal("TERM").await;
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_damaged_state_is_refused_and_left_alone() {
    let harness = Harness::unlimited().await;
    let check = async |content: &str, expected: &str| {
        harness.write("state.json", content);
        let ran = harness.program("sandbox --port 0 --state state.json").run().await.exits(2);
        assert_eq!(ran.stderr_lines(&format!("error: state.json: {expected}")).len(), 1, "{ran:?}");
        assert_eq!(ran.stderr_lines("hint: ").len(), 1, "{ran:?}");
        assert_eq!((ran.stdout.as_str(), state(&harness).as_str()), ("", content), "{ran:?}");
    };
    let damaged = "the file is damaged, or is not the saved state of a sandbox";
    let whole = r#"{"format":"contactsync sandbox","version":1,"created":0,"channels":[]}"#;
    check("", &format!("line 1, column 0: {damaged}")).await;
    check(&whole[..whole.len() - 1], &format!("line 1, column 69: {damaged}")).await;
    check("phone\n+34600000001\n", &format!("line 1, column 1: {damaged}")).await;
    check(&whole.replace("sandbox", "journal"), "not the saved state of a sandbox").await;
    check(&whole.replace(":1,", ":2,"), "version 2 of the saved state is not supported; expected version 1").await;
    for (path, expected) in [(".", "cannot read it: it is a directory"), ("none/state.json", "cannot write it: ")] {
        let ran = harness.program(&format!("sandbox --port 0 --state {path}")).run().await.exits(2);
        assert_eq!(ran.stderr_lines(&format!("error: {path}: {expected}")).len(), 1, "{ran:?}");
    }
}
