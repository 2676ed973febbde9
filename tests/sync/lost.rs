//! Damaged and crafted journals, and journals that lost calls: they are reported as damaged, nothing panics, and no duplicate is
//! created without a warning.

use std::fs;
use std::time::Duration;

use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule};
use futures_util::StreamExt as _;
use rusqlite::types::Value;

use support::{Harness, JOURNAL, Output, People, TOKEN};

/// The number of cases that run at once. They mostly wait.
const AT_ONCE: usize = 5;

/// The warning about a journal that may have lost calls.
const SEARCHED: &str = "unknown contacts are searched for before they are created";

#[track_caller]
fn check_no_panic(ran: &Output, what: &str) {
    assert!(!ran.stderr.contains("unexpected failure"), "{what}: {ran:?}");
    let Some(code) = ran.code else { panic!("{what}: {ran:?}") };
    assert!((0..=7).contains(&code), "{what}: {ran:?}");
    if code == 1 {
        assert!(ran.stderr.contains("damaged"), "{what}: {ran:?}");
    }
    let longest = ran.stderr.lines().chain(ran.stdout.lines()).map(str::len).max().unwrap_or_default();
    assert!(longest < 10_000, "{what}: a line of {longest} bytes");
}

/// A harness with an unfinished run: known contacts, one in doubt, pending rows, and calls with every result.
async fn unfinished() -> (Harness, Vec<u8>) {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(8, 3, 1).csv());
    let faults = Faults { lose_after: 1.0, ..Faults::default() };
    harness.sync("in.csv --match email --max-calls 9 --rejects r.csv").run().await.exits(4);
    harness.sandbox.set_faults(faults);
    harness.sync("in.csv --match email --max-calls 3 --search-lag 300ms --rejects r.csv").run().await.exits(4);
    harness.sandbox.set_faults(Faults::default());
    let journal = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
    journal.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("no other process has it open");
    drop(journal);
    let bytes = fs::read(harness.path(JOURNAL)).expect("the journal");
    (harness, bytes)
}

fn put(harness: &Harness, journal: &[u8]) {
    for extra in ["-wal", "-shm"] {
        let _ = fs::remove_file(harness.path(&format!("{JOURNAL}{extra}")));
    }
    harness.write(JOURNAL, journal);
}

async fn run_commands(harness: &Harness, what: &str) -> Vec<Option<i32>> {
    let mut codes = Vec::new();
    for program in [
        harness.program(&format!("runs --journal {JOURNAL}")),
        harness.plan("in.csv --match email"),
        harness.resume().with("--max-calls 5 --for 31s --outage-timeout 1s --rejects r.csv"),
        harness.sync("in.csv --match email --max-calls 5 --for 31s --outage-timeout 1s"),
    ] {
        let ran = program.run().await;
        check_no_panic(&ran, what);
        codes.push(ran.code);
    }
    codes
}

#[tokio::test]
async fn a_crafted_journal_value_is_reported_or_ignored_and_never_panics() {
    let (harness, journal) = unfinished().await;
    let big = "x".repeat(50 << 20);
    let retry_after =
        |secs: &str| format!(r#"{{"throttled":{{"retry_after":{{"secs":{secs},"nanos":999999999}},"message":null}}}}"#);
    let lost = r#"{"lost":{"status":503,"cause":"x","retry_after":{"secs":18446744073709551615,"nanos":0}}}"#;
    let policy = |search_lag: &str| {
        format!(
            r#"{{"mode":"upsert","tags_mode":"add","search_lag":{{"secs":{search_lag},"nanos":999999999}},"retry_in_doubt":false}}"#
        )
    };
    let now = "CAST(unixepoch() * 1000 AS INTEGER)";
    let throttled = format!("UPDATE calls SET result = 9, started_at = {now}, took = 0, detail = ?1");
    let item = "INSERT INTO items (run, row, line, state) SELECT run, row + 100, line, 99 FROM pending";
    let cases: Vec<(String, Option<Value>, bool)> = vec![
        // The statement, its value, and whether the result is damage.
        ("UPDATE pending SET content = ?1".into(), Some("{}".to_owned().into()), true),
        ("UPDATE pending SET content = ?1".into(), Some(Value::Blob(vec![0xFF; 9])), true),
        ("UPDATE pending SET content = ?1".into(), Some(Value::Blob(Vec::new())), true),
        ("UPDATE pending SET content = substr(content, 1, length(content) - 5)".into(), None, true),
        ("UPDATE pending SET contact = contact + 1".into(), None, true),
        ("UPDATE contacts SET value = value || 'x'".into(), None, true),
        ("UPDATE contacts SET field = 99".into(), None, true),
        ("DELETE FROM contacts".into(), None, true),
        ("UPDATE names SET name = name || 'x'".into(), None, true),
        ("DELETE FROM names".into(), None, true),
        (item.into(), None, true),
        (throttled.clone(), Some(retry_after("18446744073709551615").into()), false),
        (throttled.clone(), Some(retry_after("18446744073709551614").into()), false),
        (throttled, Some(retry_after("99999999999999999999").into()), true),
        (
            format!("UPDATE calls SET result = 13, started_at = {now}, took = 0, detail = ?1"),
            Some(lost.to_owned().into()),
            false,
        ),
        ("UPDATE calls SET result = 99".into(), None, true),
        ("UPDATE calls SET kind = 99".into(), None, true),
        ("UPDATE calls SET started_at = ?1, took = 0".into(), Some(i64::MAX.into()), false),
        ("UPDATE calls SET started_at = ?1, took = 0".into(), Some(i64::MIN.into()), false),
        ("UPDATE calls SET started_at = -9223372036854775808, took = 9223372036854775807".into(), None, false),
        ("UPDATE calls SET started_at = 9223372036854775807, took = 9223372036854775807".into(), None, false),
        ("UPDATE calls SET took = 1e308".into(), None, true),
        ("UPDATE calls SET started_at = -1e308".into(), None, true),
        ("UPDATE clocks SET zero = ?1".into(), Some(i64::MAX.into()), false),
        ("UPDATE clocks SET zero = ?1".into(), Some(i64::MIN.into()), false),
        ("UPDATE clocks SET zero = 0".into(), None, false),
        ("UPDATE runs SET input = ?1".into(), Some(big.clone().into()), false),
        ("UPDATE runs SET reason = ?1, summary = NULL".into(), Some(big.clone().into()), false),
        ("UPDATE runs SET started_at = ?1, ended_at = ?1, worked_ms = ?1".into(), Some(i64::MAX.into()), true),
        ("UPDATE runs SET started_at = ?1, ended_at = ?1, worked_ms = ?1".into(), Some(i64::MIN.into()), false),
        ("UPDATE runs SET policy = ?1".into(), Some(policy("18446744073709551614").into()), false),
        ("UPDATE runs SET policy = ?1".into(), Some(policy("18446744073709551615").into()), false),
        ("UPDATE runs SET rate = ?1".into(), Some(i64::MAX.into()), true),
        ("UPDATE runs SET rate = -1".into(), None, true),
        ("UPDATE runs SET state = 'odd'".into(), None, true),
        ("UPDATE states SET content = x''".into(), None, true),
        ("UPDATE states SET id = id || '1'".into(), None, true),
        ("INSERT INTO doubts (contact, content) SELECT contact, '{}' FROM pending".into(), None, true),
        (
            "UPDATE listings SET listing = replace(listing, '\"skipped\":0', '\"skipped\":18446744073709551615')"
                .into(),
            None,
            true,
        ),
        ("UPDATE listings SET listing = replace(listing, '\"delimiter\":44', '\"delimiter\":34')".into(), None, false),
        ("DELETE FROM salt".into(), None, true),
        ("UPDATE salt SET value = 'text'".into(), None, true),
        ("INSERT INTO limits SELECT window, 0, 0, 9223372036854775807 FROM clocks".into(), None, true),
        ("INSERT INTO limits SELECT window, 1, 0, 9223372036854775807 FROM clocks".into(), None, false),
        ("DROP TABLE states".into(), None, true),
        ("DROP TABLE runs".into(), None, true),
        ("DROP VIEW contactsync_results; ALTER TABLE items DROP COLUMN line".into(), None, true),
        ("INSERT OR REPLACE INTO turns VALUES ('default', 1, -5)".into(), None, false),
    ];
    for (sql, value, is_damage) in cases {
        put(&harness, &journal);
        let crafted = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
        let what = sql.clone();
        match &value {
            Some(value) => crafted.execute(&sql, [value]).map(drop),
            None => crafted.execute_batch(&sql),
        }
        .unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(crafted);
        let codes = run_commands(&harness, &what).await;
        assert_eq!(codes.contains(&Some(1)), is_damage, "{what}: {codes:?}");
    }
}

/// Puts each of these values into each column of each table; a sample of them without `CRAFTED=all`.
#[tokio::test]
async fn no_value_in_any_journal_column_panics() {
    let (harness, journal) = unfinished().await;
    let tables: Vec<(String, String)> = {
        let journal = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
        let mut columns = journal
            .prepare(
                "SELECT tables.name, columns.name FROM pragma_table_list AS tables
                 JOIN pragma_table_info(tables.name) AS columns WHERE tables.name NOT LIKE 'sqlite%' ORDER BY 1, 2",
            )
            .expect("the tables");
        let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("the columns");
        columns.collect::<Result<_, _>>().expect("the columns")
    };
    assert!(tables.len() > 50, "{tables:?}");
    let values = ["-1", "9223372036854775807", "-9223372036854775808", "1e308", "''", "'\u{202e}[{'", "x'FF00'", "0.5"];
    let all = tables.iter().flat_map(|column| values.iter().map(move |value| (column, value)));
    let step = if std::env::var("CRAFTED").is_ok_and(|which| which == "all") { 1 } else { 23 };
    let mut tried = 0;
    for ((table, column), value) in all.step_by(step) {
        put(&harness, &journal);
        let crafted = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
        // Only some rows, because some columns are unique.
        let sql = format!("UPDATE OR IGNORE {table} SET {column} = {value}");
        // SQLite refuses a few values, such as invalid JSON in a column with an index on JSON.
        if crafted.execute_batch(&sql).is_err() {
            continue;
        }
        drop(crafted);
        run_commands(&harness, &sql).await;
        tried += 1;
    }
    assert!(tried >= 20, "{tried}");
}

/// How a journal loses calls.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// The log is truncated.
    CutLog,
    /// The log is deleted.
    NoLog,
    /// The journal is replaced by an older copy.
    OldCopy,
    /// The journal and the locks are replaced by older copies, and the machine restarted.
    OtherBoot,
    /// The journal is deleted.
    Gone,
}

#[tokio::test]
async fn after_a_loss_each_contact_is_searched_for_before_it_is_created_in_every_mode() {
    let mut cases = Vec::new();
    for loss in [Loss::CutLog, Loss::NoLog, Loss::OldCopy, Loss::OtherBoot, Loss::Gone] {
        for mode in ["upsert", "create"] {
            cases.push((loss, mode, false));
            // Without the run in the journal there is nothing to resume.
            if !matches!(loss, Loss::NoLog | Loss::Gone) {
                cases.push((loss, mode, true));
            }
        }
    }
    let checks = cases.into_iter().map(|(loss, mode, resumes)| check_loss(loss, mode, resumes));
    futures_util::stream::iter(checks).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

async fn check_loss(loss: Loss, mode: &str, resumes: bool) {
    let what = format!("{loss:?} in {mode}, resume {resumes}");
    let late = Duration::from_millis(150);
    let slow = Faults { latency: Duration::from_millis(5), late_search: late, ..Faults::default() };
    let harness = Harness::faulty(slow).await;
    let people = People::new(60, 3, 2);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync(&format!("in.csv --match email --mode {mode} --search-lag 400ms --concurrency 4"));
    let creates = || harness.sandbox.ledger().creates(TOKEN);
    let mut running = sync().start();
    assert!(running.until(|| creates() >= 10).await, "{what}");
    let files = [JOURNAL, "journal.db-wal"].map(|name| (name, fs::read(harness.path(name)).expect("a file")));
    let locks = fs::read(harness.path("journal.db-default.lock")).expect("a lock");
    assert!(running.until(|| creates() >= 30).await, "{what}");
    running.kill().await;
    for part in ["journal.db-shm", "journal.db-wal", JOURNAL] {
        if !matches!((loss, part), (Loss::NoLog | Loss::CutLog, JOURNAL) | (Loss::CutLog, _)) {
            fs::remove_file(harness.path(part)).expect("the file exists");
        }
    }
    match loss {
        Loss::CutLog => {
            fs::write(harness.path("journal.db-wal"), &files[1].1).expect("a file");
            fs::remove_file(harness.path("journal.db-shm")).expect("the file exists");
        }
        Loss::NoLog | Loss::Gone => {}
        Loss::OldCopy | Loss::OtherBoot => {
            for (name, bytes) in &files {
                fs::write(harness.path(name), bytes).expect("a file");
            }
        }
    }
    if matches!(loss, Loss::OtherBoot) {
        fs::write(harness.path("journal.db-default.lock"), &locks).expect("a file");
        let journal = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
        journal.execute("UPDATE clocks SET boot = 'another'", []).expect("the table has the column");
    }
    if !resumes {
        // Calls outside of runs and a refused run before the next run do not hide the loss.
        let url = harness.sandbox.url();
        let check = format!("check in.csv --match email --journal {JOURNAL} --url {url}");
        harness.program(&check).run().await.exits(0);
        let refused = sync().with("--max-changes 1").run().await.exits(7);
        assert!(refused.stderr_lines("warning:").iter().any(|line| line.contains(SEARCHED)), "{what}: {refused:?}");
        harness.program(&check).run().await.exits(0);
    }
    let again = if resumes { harness.resume().with("--concurrency 4") } else { sync() };
    let ran = again.run().await.exits(0);
    assert!(ran.stderr_lines("warning:").iter().any(|line| line.contains(SEARCHED)), "{what}: {ran:?}");
    assert_eq!(creates(), 60, "{what}");
    people.assert_stored_in(&harness.sandbox);
    // After that, runs do not warn again.
    let again = sync().run().await.exits(0);
    assert!(!again.stderr.contains(SEARCHED), "{what}: {again:?}");
    assert_eq!(again.summary().calls(), "none", "{what}: {again:?}");
}

#[tokio::test]
async fn after_a_loss_a_row_without_a_match_field_is_sent_only_on_request() {
    for (option, code, created) in [("", 3, 0), ("--retry-in-doubt", 0, 2)] {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", "name\nAnn\nBob\n");
        harness.write("journal.db-default.lock", format!("process 7 since noon\n{:020}\n", 31));
        let ran = harness.sync(&format!("in.csv --mode create --search-lag 100ms {option}")).run().await.exits(code);
        assert!(ran.stderr.contains(SEARCHED), "{ran:?}");
        assert_eq!(harness.sandbox.contacts(TOKEN).len(), created, "{option}");
    }
}

#[tokio::test]
async fn a_run_that_was_killed_or_stopped_under_the_same_boot_lost_nothing() {
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(10), ..Faults::default() }).await;
    let people = People::new(30, 3, 1);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --match email --mode create --search-lag 200ms --concurrency 4");
    let mut running = sync().start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 20).await);
    running.kill().await;
    let ran = sync().with("--max-calls 5").run().await.exits(4);
    assert!(!ran.stderr.contains(SEARCHED), "{ran:?}");
    let ran = harness.resume().run().await.exits(0);
    assert!(!ran.stderr.contains(SEARCHED), "{ran:?}");
    people.assert_stored_in(&harness.sandbox);
}

// Without a match field, no search can show whether a lost create was applied.
#[tokio::test]
async fn a_row_in_doubt_that_the_file_has_is_rejected_and_not_reported_as_missing_from_it() {
    const MISSING: &str = "no longer in the file";
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "name\nAnn\nBo\n");
    let lost = Rule::always(Fault::LoseAfter).on(CallKind::Create).with_value("Ann");
    harness.sandbox.set_faults(Faults { rules: vec![lost], ..Faults::default() });
    let sync = || harness.sync("in.csv --mode create");
    let ran = sync().run().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 created, 1 rejected", "{ran:?}");
    harness.sandbox.set_faults(Faults::default());
    let ran = sync().run().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 unchanged, 1 rejected", "{ran:?}");
    assert!(!ran.stderr.contains(MISSING), "{ran:?}");
    harness.write("in.csv", "name\nBo\n");
    let ran = sync().run().await.exits(0);
    assert!(ran.stderr.contains(&format!("1 contact that is {MISSING}")), "{ran:?}");
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 2);
}

#[tokio::test]
async fn known_contacts_with_damaged_keys_are_not_created_again() {
    let harness = Harness::unlimited().await;
    let people = |count| People::new(count, 3, 1).csv();
    harness.write("in.csv", people(8));
    let sync = || harness.sync("in.csv --match email --mode create");
    sync().run().await.exits(0);
    sync().run().await.exits(0);
    let journal = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
    // The index loses a contact: it is made again as if it were of the others alone.
    let damage = "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = sql || ' WHERE number <> 3' WHERE name = 'contacts_by_key';
         PRAGMA writable_schema = RESET;
         REINDEX contacts_by_key;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, ' WHERE number <> 3', '') WHERE name = 'contacts_by_key';
         PRAGMA writable_schema = RESET;";
    journal.execute_batch(damage).expect("no other process has it open");
    let found: String = journal.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).expect("a result");
    assert!(found.contains("contacts_by_key"), "{found}");
    drop(journal);
    assert_eq!(harness.calls(), "8 create, 8 add_tags");
    // Nothing is to be created, and no contact is looked up.
    let ran = sync().run().await.exits(0);
    assert_eq!((ran.summary().rows().as_str(), harness.calls().as_str()), ("8 unchanged", "none"));
    harness.write("in.csv", people(9));
    let ran = sync().run().await.exits(1);
    assert!(ran.stderr.contains("damaged"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
}
