//! The page of the sandbox in a browser, and the JSON that it reads.

use std::process::{Command, Stdio};
use std::time::Duration;

use contactsync::Field;
use contactsync::sandbox::{Config, Fault, Faults, Rule};
use serde_json::{Value as Json, json};
use support::tools::has_chromium;

use super::{Harness, TOKEN, one, unlimited, with_config};

/// Opens a page in headless Chromium and lets three seconds of its time pass. Returns the document, and what it logged.
async fn open(url: String) -> (String, Vec<String>) {
    let run = move || {
        let profile = tempfile::tempdir().expect("a temporary directory");
        Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"])
            // A request to another machine fails, and is logged.
            .args(["--proxy-server=127.0.0.1:9", "--window-size=390,800"])
            .args(["--virtual-time-budget=3000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .output()
            .expect("Chromium, which was there before")
    };
    let output = tokio::task::spawn_blocking(run).await.expect("no panic");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), console)
}

/// The text of the element with this id.
fn text_of(document: &str, id: &str) -> String {
    let (_, rest) = document.split_once(&format!("id=\"{id}\"")).expect(id);
    let (_, rest) = rest.split_once('>').expect(id);
    rest.split('<').next().expect(id).to_owned()
}

/// The part of the document inside the element with this id, which contains no element of the same name.
fn inside(document: &str, id: &str, name: &str) -> String {
    let (_, rest) = document.split_once(&format!("id=\"{id}\"")).expect(id);
    rest.split(&format!("</{name}>")).next().expect(id).to_owned()
}

fn root(harness: &Harness) -> String {
    harness.sandbox.url().replace("/api/v1", "")
}

#[tokio::test]
async fn the_page_shows_the_numbers_of_the_sandbox_and_its_console_is_silent() {
    if !has_chromium("sandbox") {
        return;
    }
    let fault = Rule::always(Fault::Error).from_call(3).until_call(3);
    let faults = Faults { rules: vec![fault], ..Faults::default() };
    let harness = with_config(Config { rate: 5, faults, ..Config::default() }).await;
    let hostile = "<img src=x onerror=\"console.error(1)\">\u{202e}";
    harness.sandbox.insert(TOKEN, [Field::text("name", hostile), Field::text("city", "Quito")], ["<b>vip</b>"]);
    for nth in 0..30 {
        harness.sandbox.insert(TOKEN, [Field::text("name", format!("Person {nth}"))], ["lead"]);
    }
    for nth in 0..8 {
        harness.create(one("name", &format!("Created {nth}"))).await;
    }
    let (document, console) = open(root(&harness)).await;
    assert_eq!(console, [] as [&str; 0]);

    let calls = harness.sandbox.ledger().calls();
    let (_, now) = document.split_once("data-now=\"").expect("the time of the numbers");
    let now = Duration::from_millis(now.split('"').next().and_then(|now| now.parse().ok()).expect("milliseconds"));
    let counted =
        calls.iter().filter(|call| call.counted && now.saturating_sub(call.since_start).as_secs() < 60).count();
    assert_eq!(text_of(&document, "counted"), counted.to_string());
    assert_eq!(text_of(&document, "limit"), "of 5 a minute");
    assert!(document.contains(&format!("aria-valuenow=\"{counted}\"")), "{document}");
    assert_eq!(text_of(&document, "calls"), calls.len().to_string());
    let throttled = harness.sandbox.ledger().throttled();
    assert!(throttled >= 2);
    assert_eq!(text_of(&document, "throttled"), throttled.to_string());
    let contacts = harness.sandbox.contacts(TOKEN).len();
    assert_eq!(text_of(&document, "contacts"), contacts.to_string());
    assert_eq!(text_of(&document, "status"), "live");
    assert_eq!(text_of(&document, "page"), "page 1 of 2");

    // The answers, the newest first, and the newest contacts.
    let answers = inside(&document, "answers", "tbody");
    assert_eq!(answers.matches("<tr").count(), calls.len());
    assert_eq!(answers.matches("<tr class=\"throttled\">").count(), throttled);
    assert!(answers.contains("fault error 500"), "{answers}");
    let list = inside(&document, "list", "tbody");
    assert_eq!(list.matches("<tr").count(), 25);
    let newest = harness.sandbox.contacts(TOKEN).pop().expect("a contact");
    assert!(list.contains(&format!(">{}<", newest.id)), "{list}");

    // A search in the address. Values are text, also those that look like something else.
    let (document, console) = open(format!("{}/#search=QUITO", root(&harness))).await;
    assert_eq!(console, [] as [&str; 0]);
    assert_eq!(text_of(&document, "matching"), "1 found");
    let list = inside(&document, "list", "tbody");
    assert!(list.contains("&lt;img src=x onerror=\"console.error(1)\"&gt;\\u{202e}"), "{list}");
    assert!(list.contains("&lt;b&gt;vip&lt;/b&gt;"), "{list}");
    assert!(!document.contains("<img") && !document.contains("<b>vip"), "{document}");
}

#[tokio::test]
async fn an_empty_sandbox_has_a_page_and_counts_no_call_for_it() {
    let harness = unlimited().await;
    let answer = harness.client.get(root(&harness)).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let page = answer.text().await.expect("text");
    assert!(!page.contains("/*style*/") && !page.contains("/*script*/"), "{page}");
    // It refers to no other host.
    let addresses = page.matches("://").count();
    assert_eq!(addresses, page.matches("http://www.w3.org/2000/svg").count(), "{page}");
    assert!(harness.sandbox.ledger().is_empty());
    if has_chromium("sandbox") {
        let (document, console) = open(root(&harness)).await;
        assert_eq!(console, [] as [&str; 0]);
        assert_eq!(text_of(&document, "contacts"), "0");
        assert_eq!(text_of(&document, "limit"), "calls; the sandbox has no limit");
        assert!(harness.sandbox.ledger().is_empty());
    }
}

#[tokio::test]
async fn the_sandbox_pages_and_searches_fifty_thousand_contacts() {
    let harness = unlimited().await;
    for nth in 0..50_000 {
        harness.sandbox.insert(TOKEN, [Field::text("name", format!("Person {nth}"))], ["Lead"]);
    }
    let page = async |query: &str| -> Json {
        let url = format!("{}/_sandbox/page?{query}", root(&harness));
        let text = harness.client.get(url).send().await.expect("an answer").text().await.expect("text");
        assert!(text.len() < 10_000, "{query}: {} bytes", text.len());
        serde_json::from_str(&text).expect("JSON")
    };
    let names = |page: &Json| {
        let contacts = page["contacts"].as_array().expect("a list").iter();
        contacts.map(|contact| contact["fields"][0][1].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let first = page("").await;
    assert_eq!((&first["matching"], &first["pages"]), (&json!(50_000), &json!(2_000)));
    let expected: Vec<String> = (49_975..50_000).rev().map(|nth| format!("Person {nth}")).collect();
    assert_eq!(names(&first), expected);
    assert_eq!(names(&page("page=2000").await).last().map(String::as_str), Some("Person 0"));
    assert_eq!(names(&page("page=2001").await), [] as [&str; 0]);
    assert_eq!(names(&page("search=person%2049999").await), ["Person 49999"]);
    let found = page("search=lead&page=3").await;
    assert_eq!((&found["matching"], names(&found).len()), (&json!(50_000), 25));
    assert_eq!(page("search=nothing").await["matching"], 0);
    assert_eq!(page("channel=7").await["matching"], 0);
}

#[tokio::test]
async fn the_overview_describes_each_channel() {
    let harness = with_config(Config { rate: 3, ..Config::default() }).await;
    harness.sandbox.insert("a-real-looking-token", [Field::text("name", "Ann")], [] as [&str; 0]);
    for nth in 0..4 {
        harness.create(one("name", &nth.to_string())).await;
    }
    let overview = async |query: &str| -> Json {
        let url = format!("{}/_sandbox/overview{query}", root(&harness));
        harness.client.get(url).send().await.expect("an answer").json().await.expect("JSON")
    };
    // The channel that was called last is shown, unless another is chosen.
    let shown = overview("").await;
    let channel =
        |number: usize, token: &str, contacts: usize| json!({ "number": number, "token": token, "contacts": contacts });
    assert_eq!(shown["channels"], json!([channel(0, "…oken", 1), channel(1, TOKEN, 3)]));
    let calls = &shown["channel"];
    assert_eq!((&calls["counted"], &calls["refused"], &calls["limiter"]["used"]), (&json!(3), &json!(1), &json!(3)));
    let wait = calls["limiter"]["frees_in_ms"].as_u64().expect("milliseconds");
    assert!((1..=60_000).contains(&wait), "{wait}");
    let statuses: Vec<&Json> =
        shown["answers"].as_array().expect("a list").iter().map(|call| &call["status"]).collect();
    assert_eq!(statuses, [429, 200, 200, 200]);
    let other = &overview("?channel=0").await["channel"];
    assert_eq!((&other["token"], &other["counted"]), (&json!("…oken"), &json!(0)));
}
