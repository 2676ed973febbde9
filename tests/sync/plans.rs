//! The reports before the first call and after the last: `plan` and `runs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use contactsync::sandbox::Faults;
use serde_json::{Value as Json, json};

use support::{Harness, JOURNAL, People, Summary};

/// Every row of every table of a journal.
pub fn content(journal: &Path) -> BTreeMap<String, Vec<String>> {
    let db = rusqlite::Connection::open(journal).expect("a journal");
    let read = |sql: &str| -> rusqlite::Result<Vec<String>> {
        let mut query = db.prepare(sql)?;
        let columns = query.column_count();
        let cell = |row: &rusqlite::Row<'_>, column| row.get_ref(column).map(|cell| format!("{cell:?}"));
        let line =
            |row: &rusqlite::Row<'_>| (0..columns).map(|column| cell(row, column)).collect::<Result<Vec<_>, _>>();
        query.query_map([], |row| Ok(line(row)?.join("|")))?.collect()
    };
    let tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
    let names: rusqlite::Result<Vec<String>> =
        tables.expect("a schema").query_map([], |row| row.get(0)).expect("tables").collect();
    let rows = |table: &String| {
        let mut rows = read(&format!("SELECT * FROM \"{table}\"")).expect("a table");
        rows.sort_unstable();
        rows
    };
    names.expect("names").into_iter().map(|table| (table.clone(), rows(&table))).collect()
}

/// The minimum and maximum number of calls of a plan.
fn range(plan: &Summary, kind: &str) -> (u64, u64) {
    let of = |bound: &str| plan.json["calls"][kind][bound].as_u64().expect("a number of calls");
    (of("min"), of("max"))
}

fn minutes(plan: &Summary, bound: &str) -> f64 {
    plan.json["minutes"][bound].as_f64().expect("a number of minutes")
}

#[tokio::test]
async fn a_plan_sends_nothing_and_writes_nothing() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(50, 41, 15);
    harness.write("in.csv", people.csv());

    let plan = harness.plan("in.csv --match email").run().await.exits(0).planned();
    assert_eq!((plan.text("state"), plan.rows().as_str()), ("planned", "50 pending"));
    assert_eq!(range(&plan, "find"), (50, 50));
    assert_eq!(range(&plan, "create"), (0, 50));
    // Between an equal contact and a new one: a search, two writes, two calls for tags.
    assert_eq!(range(&plan, "total"), (50, 250));
    let left: Vec<_> = fs::read_dir(harness.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(JOURNAL)), "{left:?}");
    assert_eq!(harness.calls(), "none");

    harness.sync("in.csv --match email").run().await.exits(0);
    people.person(3).fields[0].1 = "changed".into();
    people.person(4).tags.push("new".into());
    harness.write("in.csv", people.csv());
    let _ = harness.calls();
    let before = content(&harness.path(JOURNAL));
    assert!(before["states"].len() == 50 && before["calls"].len() == 250, "{before:?}");
    let plan = harness.plan("in.csv --match email").run().await.exits(0).planned();
    assert_eq!(plan.rows(), "48 unchanged, 2 pending");
    assert_eq!(range(&plan, "total"), (2, 2));
    assert_eq!((range(&plan, "update"), range(&plan, "add_tags")), ((1, 1), (1, 1)));
    assert_eq!(harness.calls(), "none");
    assert_eq!(content(&harness.path(JOURNAL)), before);

    // The sync makes the planned calls.
    harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(harness.calls(), "1 update, 1 add_tags");
}

#[tokio::test]
async fn a_plan_of_new_contacts_without_searches_is_exact() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(70, 61, 21).csv());
    let plan = harness.plan("in.csv --mode create").run().await.exits(0).planned();
    let total = range(&plan, "total");
    assert_eq!(total.0, total.1);
    harness.sync("in.csv --mode create").run().await.exits(0);
    assert_eq!(u64::try_from(harness.sandbox.ledger().len()).unwrap(), total.1);
    let kinds = [("create", 70), ("update", 140), ("add_tags", 210)];
    for (kind, calls) in kinds {
        assert_eq!(range(&plan, kind), (calls, calls), "{kind}");
    }
    assert_eq!(harness.calls(), "70 create, 140 update, 210 add_tags");
    // 420 calls at 100 a minute: a hundred immediately, then four waits of a minute plus the safety margin.
    assert!((4.0..4.1).contains(&minutes(&plan, "min")), "{plan:?}");
    assert!((minutes(&plan, "max") - minutes(&plan, "min")).abs() < 1e-9, "{plan:?}");
    let faster = harness.program("plan in.csv --mode create --json --rate 420").run().await.exits(0).planned();
    // Only the latency counts: a third of a second, 35 calls at a time.
    assert!(minutes(&faster, "max") < 0.1, "{faster:?}");
}

#[tokio::test]
async fn a_plan_expects_the_latency_of_earlier_calls() {
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(900), ..Faults::default() }).await;
    harness.write("in.csv", People::new(8, 2, 0).csv());
    let plan =
        async || harness.plan("in.csv --mode create --rate 100000 --concurrency 8").run().await.exits(0).planned();
    let seconds = |plan: &Summary| minutes(plan, "max") * 60.0;
    let before = plan().await;
    assert!((0.29..0.31).contains(&seconds(&before)), "{before:?}");
    harness.sync("in.csv --mode create").run().await.exits(0);
    harness.write("in.csv", People::new(16, 2, 0).csv());
    let after = plan().await;
    assert!((0.9..1.4).contains(&seconds(&after)), "{after:?}");
}

#[tokio::test]
async fn runs_lists_what_happened_including_a_killed_run() {
    let harness = Harness::unlimited().await;
    let list = async || {
        let ran = harness.program(&format!("runs --json --journal {JOURNAL}")).run().await.exits(0);
        let runs: Vec<Json> = serde_json::from_str(&ran.stdout).expect("an array");
        runs
    };
    let sum = |run: &Json| {
        let ends = ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped"];
        ends.iter().map(|name| run[name].as_u64().unwrap()).sum::<u64>()
    };
    harness.write("in.csv", "email,name\nann@example.com,Ann\n,Nobody\n");
    harness.sync("in.csv --match email").run().await.exits(3);
    let [first] = &list().await[..] else { panic!("one run") };
    for time in ["started", "ended"] {
        let time = first[time].as_str().expect("a time");
        let parsed: jiff::Timestamp = time.parse().expect("ISO 8601 with an offset");
        assert!(parsed.duration_until(jiff::Timestamp::now()).as_secs() < 60 && time.contains('T'), "{time}");
    }
    let of = |run: &Json, names: &[&str]| names.iter().map(|name| run[name].clone()).collect::<Vec<_>>();
    let keys = ["run", "state", "channel", "input", "rows", "created", "rejected", "pending"];
    assert_eq!(
        of(first, &keys),
        [json!(1), json!("finished"), json!("default"), json!("in.csv"), 2.into(), 1.into(), 1.into(), 0.into()]
    );
    assert_eq!(first["calls"]["total"], 2);

    // Stopped by a signal, resumed, and then killed: `runs` shows the current state.
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(100), ..Faults::default() });
    harness.write("more.csv", People::new(60, 3, 1).csv());
    let reached = |more: usize| {
        let (ledger, until) = (harness.sandbox.ledger(), harness.sandbox.ledger().len() + more);
        move || ledger.len() >= until
    };
    let mut running = harness.sync("more.csv --match email --concurrency 4").start();
    assert!(running.until(reached(20)).await);
    running.signal("TERM").await;
    let stopped = running.end().await.exits(4).summary();
    let runs = list().await;
    assert_eq!(of(&runs[0], &["run", "state", "rows"]), [json!(2), json!("stopped"), json!(60)]);
    assert_eq!(runs[0]["reason"], "stopped by SIGTERM");
    assert_eq!(runs[0]["pending"], stopped.json["pending"]);

    let mut running = harness.resume().with("--concurrency 4").start();
    assert!(running.until(reached(60)).await);
    assert_eq!(list().await[0]["state"], "sending");
    running.kill().await;
    let text = harness.program(&format!("runs --journal {JOURNAL}")).run().await.exits(0).stdout;
    assert!(text.lines().next().is_some_and(|line| line.ends_with("  interrupted")), "{text}");
    let runs = list().await;
    assert_eq!(runs.len(), 2);
    assert_eq!(of(&runs[0], &["run", "state", "rows"]), [json!(2), json!("interrupted"), json!(60)]);
    assert!(runs[0]["pending"].as_u64() < stopped.json["pending"].as_u64(), "{}", runs[0]);
    assert!(runs[0]["calls"]["total"].as_u64() >= Some(80), "{}", runs[0]);

    harness.sandbox.set_faults(Faults::default());
    harness.resume().run().await.exits(0);
    let runs = list().await;
    assert_eq!(of(&runs[0], &["run", "state", "pending"]), [json!(2), json!("finished"), json!(0)]);
    for run in &runs {
        assert_eq!(run["rows"].as_u64(), Some(sum(run)), "{run}");
    }
    // As text: one line for each run, the newest first.
    let text = harness.program(&format!("runs --journal {JOURNAL}")).run().await.exits(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("run 2") && lines[1].contains("run 1"), "{text}");
    let newest = harness.program(&format!("runs --limit 1 --json --journal {JOURNAL}")).run().await.exits(0);
    assert_eq!(serde_json::from_str::<Vec<Json>>(&newest.stdout).unwrap().len(), 1);
}

#[tokio::test]
async fn the_seconds_are_those_of_the_whole_command() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name\na@example.com,Ann\nb@example.com,Bo\n");
    let slowly = "(sleep 0.4; cat in.csv) | \"$@\"";
    let seconds = |json: &serde_json::Value| json["seconds"].as_f64().expect("a number");
    let planned = harness.plan("- --match email").shell(slowly).run().await.exits(0);
    assert!(seconds(&planned.planned().json) >= 0.4, "{planned:?}");
    let ran = harness.sync("- --match email --max-calls 1").shell(slowly).run().await.exits(4);
    assert!(seconds(&ran.summary().json) >= 0.4, "{ran:?}");
    // The command that prints the token is a part of it.
    harness.write("token.sh", "sleep 0.4; echo token\n");
    let resume = harness.resume().argument("--token-command").argument("sh token.sh");
    let ran = resume.run().await.exits(0);
    let taken = seconds(&ran.summary().json);
    assert!(taken >= 0.4, "{ran:?}");
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    assert!(seconds(&ran.summary().json) > 0.0, "{ran:?}");
}
