//! `journal check`, `prune` and `backup`, and what a run removes from the journal at its end.

use std::fs;

use rusqlite::Connection;

use support::{Harness, JOURNAL, People};

/// A journal after a sync.
async fn synced() -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(30, 3, 1).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let _ = harness.calls();
    harness
}

fn count(harness: &Harness, query: &str) -> i64 {
    let db = Connection::open(harness.path(JOURNAL)).expect("a journal");
    db.query_row(query, [], |row| row.get(0)).expect("a number")
}

fn change(harness: &Harness, sql: &str) {
    Connection::open(harness.path(JOURNAL))
        .expect("a journal")
        .execute_batch(sql)
        .expect("the tables have the columns");
}

/// Moves everything so far 100 days into the past.
fn age(harness: &Harness) {
    let past = 100_i64 * 24 * 3_600_000;
    change(
        harness,
        &format!(
            "UPDATE calls SET started_at = started_at - {past};
             UPDATE runs SET started_at = started_at - {past}, ended_at = ended_at - {past}"
        ),
    );
}

#[tokio::test]
async fn check_finds_no_problem_in_a_journal_and_reports_a_damaged_one() {
    let harness = synced().await;
    let check = || harness.program(&format!("journal check --journal {JOURNAL}"));
    let before = fs::read(harness.path(JOURNAL)).expect("a journal");
    let ran = check().run().await.exits(0);
    assert_eq!(ran.stdout, format!("journal {JOURNAL}: no problem found\n"));
    assert_eq!(fs::read(harness.path(JOURNAL)).expect("a journal"), before);
    change(&harness, "UPDATE runs SET rows = 7; UPDATE states SET content = x'00' WHERE contact = 3");
    let ran = check().run().await.exits(1);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], format!("journal {JOURNAL}: run 1: its rows are not the sum of their outcomes"));
    assert!(lines[1].contains("contact 3, known: ") && lines.len() == 2, "{ran:?}");
    harness.program("journal check --journal missing.db").run().await.exits(2);
}

#[tokio::test]
async fn prune_removes_what_is_old_and_changes_no_later_run() {
    let harness = synced().await;
    harness.write("in.csv", People::new(31, 3, 1).csv());
    age(&harness);
    let prune = |options: &str| harness.program(&format!("journal prune --journal {JOURNAL} {options}"));
    let calls = "SELECT count(*) FROM calls";
    let all = count(&harness, calls);
    prune("--keep-history 101d").run().await.exits(0);
    assert_eq!(count(&harness, calls), all);
    let ran = prune("").run().await.exits(0);
    // The last call of the channel stays.
    assert!(ran.stdout.starts_with(&format!("journal {JOURNAL}: removed {} calls, 0 rows, ", all - 1)), "{ran:?}");
    assert_eq!(count(&harness, calls), 1);
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(
        (ran.summary().rows().as_str(), harness.calls().as_str()),
        ("1 created, 30 unchanged", "1 find, 1 create, 1 add_tags")
    );
    assert!(!ran.stderr.contains("warning"), "{ran:?}");
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

#[tokio::test]
async fn a_run_removes_old_history_at_its_end() {
    for (options, kept) in [("", 0), ("--keep-history 101d", 30)] {
        let harness = synced().await;
        age(&harness);
        harness.write("in.csv", People::new(31, 3, 1).csv());
        harness.sync(&format!("in.csv --match email {options}")).run().await.exits(0);
        let rows = "SELECT count(*) FROM items WHERE run = 1";
        assert_eq!(count(&harness, rows), kept, "{options}");
        harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
    }
}

#[tokio::test]
async fn a_backup_is_a_whole_journal_and_replaces_nothing() {
    let harness = synced().await;
    let backup = |file: &str| harness.program(&format!("journal backup {file} --journal {JOURNAL}"));
    backup("copy.db").run().await.exits(0);
    let copy = fs::read(harness.path("copy.db")).expect("a copy");
    let ran = backup("copy.db").run().await.exits(2);
    assert!(ran.stderr.contains("copy.db"), "{ran:?}");
    assert_eq!(fs::read(harness.path("copy.db")).expect("a copy"), copy);
    let plan = format!("plan in.csv --match email --json --journal copy.db --url {}", harness.sandbox.url());
    assert_eq!(harness.program(&plan).run().await.exits(0).planned().rows(), "30 unchanged");
}

#[tokio::test]
async fn a_night_without_changes_writes_little() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(5_000, 3, 1).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let size = || fs::metadata(harness.path(JOURNAL)).expect("a journal").len();
    harness.sync("in.csv --match email").run().await.exits(0);
    let before = size();
    for _ in 0..3 {
        harness.sync("in.csv --match email").run().await.exits(0);
    }
    assert!(size() <= before + 4 * 4_096, "{} bytes more", size() - before);
    assert_eq!(count(&harness, "SELECT count(*) FROM items WHERE run > 1"), 0);
    assert_eq!(count(&harness, "SELECT unchanged FROM runs ORDER BY id DESC LIMIT 1"), 5_000);
}
