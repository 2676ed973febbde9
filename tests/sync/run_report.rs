//! `report`: what happened in a run, as text, JSON and a page, with the numbers of the journal and the platform.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use contactsync::sandbox::{Config, Fault, Faults, Rule};
use rusqlite::Connection;
use serde_json::Value as Json;

use support::tools::{has_chromium, open_page};
use support::{Harness, JOURNAL, Output, People, Program};

fn report<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    harness.program(&format!("report {arguments} --journal {JOURNAL}"))
}

async fn json(harness: &Harness, arguments: &str) -> Json {
    let ran = report(harness, &format!("{arguments} --json")).run().await.exits(0);
    serde_json::from_str(ran.stdout.trim()).expect("one JSON object")
}

fn number(harness: &Harness, query: &str) -> i64 {
    let journal = Connection::open(harness.path(JOURNAL)).expect("a journal");
    journal.query_row(query, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// The text of the element with this id, without the elements in it.
fn text_of(page: &str, id: &str) -> String {
    let (_, after) = page.split_once(&format!(" id=\"{id}\"")).unwrap_or_else(|| panic!("no {id} in {page}"));
    after.split_once('>').expect("the end of a tag").1.split('<').next().unwrap_or_default().to_owned()
}

/// A run with created, rejected and merged rows, refusals, answers with 429, and missing contacts.
async fn eventful() -> (Harness, Output) {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(40, 3, 1).csv());
    harness.sync("in.csv --match email --duplicates reject").run().await.exits(0);
    let mut people = People::new(60, 3, 1);
    people.people.drain(10..13);
    people.person(0).fields[0].1 = "Quixote".into();
    people.person(1).fields[0].1 = "refuse me".into();
    let mut input = String::from_utf8(people.csv()).expect("text");
    input.push_str("c,d,person.20@example.com,\n");
    harness.write("in.csv", input);
    let faults = Faults {
        rules: vec![Rule::always(Fault::UnknownError).with_value("refuse me")],
        throttle: 0.1,
        throttle_seconds: 0,
        seed: 7,
        ..Faults::default()
    };
    harness.sandbox.set_faults(faults);
    harness.calls();
    let ran = harness.sync("in.csv --match email --duplicates reject --max-missing 50%").run().await;
    (harness, ran)
}

#[tokio::test]
async fn the_report_has_the_numbers_of_the_journal_and_the_platform() {
    let (harness, ran) = eventful().await;
    let summary = ran.exits(3).summary();
    let found = json(&harness, "").await;
    for name in ["rows", "created", "updated", "unchanged", "rejected", "merged", "pending", "skipped", "missing"] {
        assert_eq!(found[name], summary.json[name], "{name}");
    }
    for name in ["run", "state", "calls", "retries", "throttled"] {
        assert_eq!(found[name], summary.json[name], "{name}");
    }
    // The platform counted as many calls.
    let calls = found["calls"]["total"].as_u64().expect("a number");
    let made = harness.calls();
    let counted: u64 =
        made.split(", ").map(|part| part.split(' ').next().unwrap_or("").parse::<u64>().unwrap_or(0)).sum();
    assert_eq!(counted, calls, "{made}");
    let bars = found["rate"]["bars"].as_array().expect("a list");
    let ends = ["answered", "refused", "throttled", "unanswered"];
    let sum = |end: &str| bars.iter().map(|bar| bar[end].as_u64().expect("a number")).sum::<u64>();
    assert_eq!(ends.map(sum).iter().sum::<u64>(), calls, "{found}");
    assert_eq!(sum("throttled"), found["throttled"].as_u64().expect("a number"));
    let of_journal = "SELECT count(*) FROM calls WHERE run = 2 AND result = 9";
    assert_eq!(i64::try_from(sum("throttled")), Ok(number(&harness, of_journal)));
    assert!(sum("throttled") > 0 && sum("refused") > 0, "{found}");
    // Each reason with its lines.
    let reasons = found["rejected_reasons"].as_array().expect("a list");
    let rows: u64 = reasons.iter().map(|reason| reason["rows"].as_u64().expect("a number")).sum();
    assert_eq!(Some(rows), found["rejected"].as_u64());
    let lines: Vec<u64> = reasons
        .iter()
        .flat_map(|one| one["lines"].as_array().expect("a list").iter().filter_map(Json::as_u64))
        .collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [3, 59], "{found}");
    let missing: Vec<&str> =
        found["missing_contacts"].as_array().expect("a list").iter().filter_map(|one| one["key"].as_str()).collect();
    assert_eq!(missing, ["email=person.10@example.com", "email=person.11@example.com", "email=person.12@example.com"]);
    let slowest = found["slowest"].as_array().expect("a list");
    let longest = number(&harness, "SELECT max(took) FROM calls WHERE run = 2");
    assert_eq!((slowest.len(), slowest[0]["ms"].as_i64()), (10, Some(longest)));
    assert_eq!(found["left"], Json::Null);
    // An earlier run, of which the list of missing contacts is gone.
    let first = json(&harness, "1").await;
    assert_eq!(
        (&first["created"], &first["missing_contacts"], &first["rejected_reasons"]),
        (&40.into(), &Json::Null, &Json::Array(vec![]))
    );
    let text = report(&harness, "").run().await.exits(0).stdout;
    for part in [
        "Run 2 finished: of 58 rows, ",
        "failed calls\n",
        "find: too many calls (429)",
        "missing contacts\n  email=person.10@example.com since ",
        "slowest calls\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refused = report(&harness, "9").run().await.exits(2);
    assert!(refused.stderr.starts_with("error: run 9: the journal has no such run\nhint: "), "{refused:?}");
    let refused = harness.program("report --journal none.db").run().await.exits(2);
    assert!(refused.stderr.contains("journal none.db: no such file"), "{refused:?}");
}

#[tokio::test]
async fn a_browser_shows_the_page_without_a_request_or_a_complaint() {
    let (harness, ran) = eventful().await;
    ran.exits(3);
    report(&harness, "--html page.html").run().await.exits(0);
    let page = fs::read_to_string(harness.path("page.html")).expect("a page");
    for forbidden in ["<script", "src=", "href=", "url(", "@import", "http-equiv=\"refresh\""] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for part in ["<meta name=\"viewport\"", "default-src &#39;none&#39;", "prefers-color-scheme:dark", "<svg "] {
        assert!(page.contains(part), "{part}");
    }
    // Values are not shown, and neither is the token.
    for value in ["Quixote", "refuse me", "value 1", "token"] {
        assert!(!page.contains(value), "{value}");
    }
    if !has_chromium("sync") {
        return;
    }
    let (document, log) = open_page(&harness.path("page.html"));
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert_eq!(console, [""; 0], "{log}");
    let found = json(&harness, "").await;
    for name in ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped"] {
        assert_eq!(text_of(&document, &format!("rows-{name}")), found[name].to_string(), "{name}");
    }
    for kind in ["find", "create", "update", "add_tags"] {
        assert_eq!(text_of(&document, &format!("calls-{kind}")), found["calls"][kind].to_string(), "{kind}");
    }
    assert_eq!(text_of(&document, "calls-total"), format!("{} calls", found["calls"]["total"]));
    assert_eq!(text_of(&document, "throttled"), found["throttled"].to_string());
    assert_eq!(text_of(&document, "sentence"), found["summary"].as_str().expect("a text"));
    assert_eq!(text_of(&document, "missing"), "3 contacts");
    let created = number(&harness, "SELECT count(*) FROM items WHERE run = 2 AND state = 1");
    assert_eq!(text_of(&document, "rows-created"), created.to_string());
    // A page with a mistake is noticed.
    fs::write(harness.path("page.html"), page.replace("</main>", "</main><img src=\"http://127.0.0.1:1/a.png\">"))
        .expect("a page");
    let (_, log) = open_page(&harness.path("page.html"));
    assert!(log.lines().any(|line| line.contains("CONSOLE")), "{log}");
}

#[tokio::test]
async fn names_of_files_and_columns_cannot_become_markup_or_steer_a_terminal() {
    let harness = Harness::unlimited().await;
    let name = "<b>&\"x'\u{202e}\u{1b}[2J.csv";
    harness.write(name, "email,<script>alert(1)</script>\na@example.com,\u{1}\nb@example.com,x\n,y\n");
    let sync = harness
        .program(&format!("sync --match email --journal {JOURNAL} --rate 1000000 --url {}", harness.sandbox.url()));
    sync.argument(name).run().await.exits(3);
    let page = report(&harness, "--html -").run().await.exits(0).stdout;
    assert!(page.contains("&lt;b&gt;&amp;&quot;x&#39;\\u{202e}\\u{1b}[2J.csv"), "{page}");
    let body = page.split_once("<body>").expect("a body").1;
    for forbidden in ["<script", "<b>&", "\u{202e}", "\u{1b}"] {
        assert!(!body.contains(forbidden), "{forbidden:?}: {body}");
    }
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{body}");
    for arguments in ["", "--json"] {
        let printed = report(&harness, arguments).run().await.exits(0).stdout;
        assert!(!printed.contains(['\u{202e}', '\u{1b}']), "{printed:?}");
    }
}

#[tokio::test]
async fn a_run_is_reported_while_it_is_in_progress_and_after_a_kill() {
    let slow = Faults { latency: Duration::from_millis(30), ..Faults::default() };
    let harness = Harness::faulty(slow).await;
    harness.write("in.csv", People::new(300, 3, 1).csv());
    let mut running = harness.sync("in.csv --match email --concurrency 4").start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 60).await);
    let found = json(&harness, "").await;
    assert_eq!(
        (&found["state"], &found["left"]["is_running"], &found["ended"]),
        (&"sending".into(), &true.into(), &Json::Null)
    );
    let text = report(&harness, "").run().await.exits(0).stdout;
    assert!(text.starts_with("Run 1 is in progress: of 300 rows, ") && text.contains(" at the limit; done "), "{text}");
    running.kill().await;
    let before = fs::read(harness.path(JOURNAL)).expect("a journal");
    let found = json(&harness, "").await;
    assert_eq!((&found["state"], &found["left"]["is_running"]), (&"interrupted".into(), &false.into()));
    let (rows, calls) = (&found["left"]["rows"], &found["left"]["calls"]);
    assert_eq!(rows, &found["pending"]);
    let (least, most) = (calls["min"].as_u64().expect("a number"), calls["max"].as_u64().expect("a number"));
    let text = report(&harness, "").run().await.exits(0).stdout;
    assert!(text.contains(" at the limit; resumed now, it is done "), "{text}");
    // Reading changes nothing.
    assert_eq!(fs::read(harness.path(JOURNAL)).expect("a journal"), before);
    let made = harness.sandbox.ledger().len() as u64;
    harness.resume().run().await.exits(0);
    let more = harness.sandbox.ledger().len() as u64 - made;
    // Calls that were in flight when the process was killed are repeated.
    assert!((least..=most + 8).contains(&more), "{more} calls, {calls}");
    assert_eq!(json(&harness, "").await["left"], Json::Null);
}

#[tokio::test]
async fn the_calls_of_a_limited_run_keep_to_the_limit_and_its_waits_are_counted() {
    let harness = Harness::of(Config { rate: 3, ..Config::default() }).await;
    harness.write("in.csv", "email\na@example.com\nb@example.com\nc@example.com\nd@example.com\n");
    let url = harness.sandbox.url();
    let sync = format!("sync in.csv --match email --mode create --rate 3 --journal {JOURNAL} --url {url} -q");
    harness.program(&sync).run().await.exits(0);
    let found = json(&harness, "").await;
    let waited = found["rate"]["limit_wait_seconds"].as_f64().expect("a number");
    assert!((50.0..=62.0).contains(&waited), "{found}");
    let bars = found["rate"]["bars"].as_array().expect("a list");
    let peaks: Vec<u64> = bars.iter().filter_map(|bar| bar["peak"].as_u64()).collect();
    assert_eq!((peaks, &found["rate"]["peak"], &found["rate"]["limit"]), (vec![3, 1], &3.into(), &3.into()));
}

#[tokio::test]
async fn a_page_is_written_whole_for_its_owner_and_replaces_only_a_page() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(3, 3, 1).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let write = async |name: &str| report(&harness, &format!("--html {name}")).run().await;
    let ran = write("page.html").await.exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "page.html: report of run 1\n"));
    let mode = fs::metadata(harness.path("page.html")).expect("a page").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let page = fs::read_to_string(harness.path("page.html")).expect("a page");
    assert!(page.ends_with("</html>\n"), "{page}");
    write("page.html").await.exits(0);
    harness.write("empty.html", "");
    write("empty.html").await.exits(0);
    harness.write("mine.html", "<!doctype html>\n<p>mine</p>");
    symlink(harness.path("page.html"), harness.path("link.html")).expect("a link");
    for other in ["mine.html", "in.csv", JOURNAL, "link.html", "."] {
        let refused = write(other).await.exits(2);
        assert!(refused.stderr.contains("the file exists and is not a report"), "{refused:?}");
    }
    assert_eq!(fs::read_to_string(harness.path("mine.html")).expect("a file"), "<!doctype html>\n<p>mine</p>");
    let refused = write("missing/page.html").await.exits(2);
    assert!(refused.stderr.contains("missing/page.html: cannot write it: No such file"), "{refused:?}");
    let left: Vec<_> = fs::read_dir(harness.path("")).expect("the directory").filter_map(Result::ok).collect();
    let left: Vec<String> = left.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.contains(".part")), "{left:?}");
    let both = report(&harness, "--html page.html --json").run().await.exits(2);
    assert!(both.stderr.contains("cannot be used with"), "{both:?}");
}

#[tokio::test]
async fn fifty_thousand_rejected_rows_are_a_small_page() {
    let harness = Harness::unlimited().await;
    let row = |nth: usize| if nth.is_multiple_of(2) { ",x\n".to_owned() } else { format!("n/a,{nth}\n") };
    let rows: String = (0..50_000).map(row).collect();
    harness.write("in.csv", format!("email,note\n{rows}"));
    harness.sync("in.csv --match email").run().await.exits(3);
    let found = json(&harness, "").await;
    let reasons = found["rejected_reasons"].as_array().expect("a list");
    let rows: Vec<_> =
        reasons.iter().map(|reason| (&reason["rows"], reason["lines"].as_array().map(Vec::len))).collect();
    assert_eq!(rows, [(&25_000.into(), Some(50)), (&25_000.into(), Some(50))]);
    let page = report(&harness, "--html -").run().await.exits(0).stdout;
    assert!(page.contains(" and 24,950 more") && page.len() < 40_000, "{} bytes", page.len());
    let text = report(&harness, "").run().await.exits(0).stdout;
    assert!(text.contains(" and 24,992 more)") && text.lines().count() < 30, "{text}");
}

#[tokio::test]
async fn each_channel_of_an_input_has_its_report() {
    let harness = Harness::unlimited().await;
    let channel = format!("url = \"{}\"\ntoken_env = \"CONTACTSYNC_TOKEN\"\nrate = 1000000\n", harness.sandbox.url());
    let config =
        format!("match = \"email\"\nchannel_column = \"office\"\n[channel.north]\n{channel}[channel.south]\n{channel}");
    harness.write("contactsync.toml", config);
    harness.write(
        "in.csv",
        "email,office\na@example.com,north\nb@example.com,south\nc@example.com,south\nd@example.com,west\n",
    );
    harness.program(&format!("sync in.csv --journal {JOURNAL} -q")).run().await.exits(3);
    let runs = [1, 2, 3].map(|run| run.to_string());
    let mut found = Vec::new();
    for run in &runs {
        let one = json(&harness, run).await;
        found.push(format!("{} {} {} {}", one["channel"], one["created"], one["rejected"], one["other_runs"]));
    }
    assert_eq!(found, [r#""north" 1 0 [2,3]"#, r#""south" 2 0 [1,3]"#, r#""" 0 1 [1,2]"#]);
    // The newest run is one that sent something.
    assert_eq!(json(&harness, "").await["run"], 2);
    let text = report(&harness, "").run().await.exits(0).stdout;
    assert!(text.contains("\n  same input  runs 1, 3\n"), "{text}");
}

#[tokio::test]
async fn what_was_removed_from_the_journal_is_counted() {
    let (harness, ran) = eventful().await;
    ran.exits(3);
    let before = json(&harness, "").await;
    let journal = Connection::open(harness.path(JOURNAL)).expect("a journal");
    journal
        .execute_batch("DELETE FROM items WHERE run = 2; DELETE FROM calls WHERE run = 2 AND number % 2 = 0")
        .expect("tables");
    drop(journal);
    let after = json(&harness, "").await;
    for name in ["rows", "created", "rejected", "calls", "throttled", "summary"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!((&after["rejected_removed"], &after["rejected_reasons"]), (&before["rejected"], &Json::Array(vec![])));
    let left = number(&harness, "SELECT count(*) FROM calls WHERE run = 2");
    let all = before["calls"]["total"].as_i64().expect("a number");
    assert_eq!(after["calls_removed"], all - left);
    let text = report(&harness, "").run().await.exits(0).stdout;
    assert!(
        text.contains("calls no longer in the journal") && text.contains("rows no longer in the journal"),
        "{text}"
    );
}
