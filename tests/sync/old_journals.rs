//! Journals of earlier versions: they are upgraded without loss, with a copy of what they were, and a kill does not matter.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use contactsync::sandbox::StoredContact;
use rusqlite::{Connection, params};
use serde_json::json;

use support::{Harness, JOURNAL, People, TOKEN};

/// The present version.
const VERSION: i64 = 11;

/// The tables of version 6, the last that held contacts as JSON.
const SIXTH: [&str; 2] =
    [include_str!("../../src/journal/tests/lasting_6.sql"), include_str!("../../src/journal/tests/runs_6.sql")];

/// The lasting tables of version 8, the last that held contact ids as text.
const EIGHTH: &str = include_str!("../../src/journal/tests/lasting_8.sql");

/// The tables of version 9, the last without kept values and missing contacts.
const NINTH: [&str; 3] = [
    include_str!("../../src/journal/tests/lasting_9.sql"),
    include_str!("../../src/journal/tests/runs_9.sql"),
    include_str!("../../src/journal/tests/readings_9.sql"),
];

/// The tables of earlier versions, each from the next one.
const EARLIER: [(i64, &str); 5] = [
    (5, ""),
    (4, "DROP TABLE tokens; DROP TABLE losses"),
    (3, "DROP TABLE columns"),
    (
        2,
        "DROP TABLE forgotten_waits; DROP TABLE left_rows; DROP TABLE turns; DROP INDEX calls_lost; DROP TABLE limits;
         CREATE TABLE limits (window TEXT NOT NULL PRIMARY KEY, calls INTEGER NOT NULL) WITHOUT ROWID;
         DROP INDEX known_in_doubt; DROP INDEX known_by_id; ALTER TABLE known RENAME COLUMN doubt TO unsettled;
         CREATE INDEX known_unsettled ON known (channel) WHERE unsettled IS NOT NULL",
    ),
    (1, "ALTER TABLE clocks DROP COLUMN window; DROP TABLE limits; DROP INDEX runs_by_channel"),
];

/// Writes a journal of this version that knows these contacts, by their `email`.
pub fn write_old(path: &Path, version: i64, url: &str, contacts: &[StoredContact]) {
    for part in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{part}", path.display()));
    }
    let db = Connection::open(path).expect("a journal");
    db.execute_batch(&SIXTH.concat()).expect("the tables");
    db.pragma_update(None, "application_id", 0x6373_796e).expect("a new file");
    db.execute("INSERT INTO channels (name, url) VALUES ('default', ?1)", [url]).expect("a table");
    db.execute_batch("BEGIN").expect("a transaction");
    for contact in contacts {
        let key = format!("email={}", contact.fields["email"].text());
        let known = json!({
            "id": contact.id, "fields": contact.fields, "tags": contact.tags, "own_tags": contact.tags, "absent_tags": [],
            "made_at": null, "doubt": false, "replaces": null,
        });
        let insert = "INSERT INTO known (channel, key, contact) VALUES ('default', ?1, ?2)";
        db.execute(insert, [&key, &known.to_string()]).expect("a contact");
    }
    db.execute_batch("COMMIT").expect("a transaction");
    for (earlier, change) in EARLIER.into_iter().filter(|(earlier, _)| *earlier >= version) {
        db.execute_batch(change).unwrap_or_else(|error| panic!("{earlier}: {error}"));
    }
    db.pragma_update(None, "user_version", version).expect("a journal");
}

fn version_of(path: &Path) -> i64 {
    let db = Connection::open(path).expect("a journal");
    db.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a version")
}

/// The views of version 11. A table cannot be changed while one of them is left.
fn drop_views(db: &Connection) {
    for view in ["runs", "results", "calls"] {
        db.execute_batch(&format!("DROP VIEW contactsync_{view}")).expect("a view of the present version");
    }
}

/// Makes a journal of the present version one of version 9: drops the tables and columns that this one did not have.
fn write_ninth(path: &Path) {
    let list = |db: &Connection, sql: &str| -> BTreeSet<(String, String)> {
        let mut query = db.prepare(sql).expect("a table");
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.map(|row| row.expect("two texts")).collect()
    };
    let ninth = Connection::open_in_memory().expect("a journal");
    ninth.execute_batch(&NINTH.concat()).expect("the tables of version 9");
    let db = Connection::open(path).expect("a journal");
    drop_views(&db);
    let tables =
        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL ORDER BY type";
    for (kind, name) in list(&db, tables).difference(&list(&ninth, tables)) {
        db.execute_batch(&format!("DROP {kind} IF EXISTS {name}")).expect("a table or an index");
    }
    let columns =
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns
                   WHERE tables.type = 'table'";
    for (table, column) in list(&db, columns).difference(&list(&ninth, columns)) {
        db.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).expect("a column");
    }
    assert_eq!(list(&db, columns), list(&ninth, columns));
    db.pragma_update(None, "user_version", 9).expect("a journal");
}

/// Makes a journal of the present version one of version 8.
fn write_eighth(path: &Path) {
    write_ninth(path);
    let db = Connection::open(path).expect("a journal");
    db.execute_batch(
        "DROP VIEW run_calls; DROP TABLE run_windows;
         DROP INDEX states_by_id; ALTER TABLE states RENAME TO new_states;
         DROP INDEX calls_of_window; DROP INDEX calls_to_wait_for; DROP INDEX calls_open; ALTER TABLE calls RENAME TO new_calls;",
    )
    .expect("the present tables");
    let without_comments: Vec<&str> =
        EIGHTH.lines().map(|line| line.split_once("--").map_or(line, |(statement, _)| statement)).collect();
    for statement in without_comments.join("\n").split_inclusive(';') {
        if ["TABLE states", "ON states", "TABLE calls", "ON calls"].iter().any(|part| statement.contains(part)) {
            db.execute_batch(statement).expect("the earlier tables");
        }
    }
    db.execute_batch(
        "INSERT INTO states SELECT contact, id, content FROM new_states; DROP TABLE new_states;
         INSERT INTO calls SELECT number, run, channel, window, contact, kind, asked, started_at, took, result, detail
             FROM new_calls; DROP TABLE new_calls;
         PRAGMA user_version = 8;",
    )
    .expect("the earlier tables");
    let text: bool = db.query_row("SELECT min(typeof(id) = 'text') FROM states", [], |row| row.get(0)).expect("ids");
    assert!(text);
}

/// Makes a journal of the present version one of version 7.
pub fn write_seventh(path: &Path) {
    write_eighth(path);
    let db = Connection::open(path).expect("a journal");
    db.execute_batch(
        "ALTER TABLE runs DROP COLUMN skipped; ALTER TABLE runs DROP COLUMN is_limited; ALTER TABLE pending DROP COLUMN deferred;
         ALTER TABLE snapshots DROP COLUMN changed; ALTER TABLE snapshot_chunks DROP COLUMN numbers;
         DROP TABLE snapshot_changes; DROP TABLE kept_rows;",
    )
    .expect("the tables of version 8");
    for table in ["readings", "shown_contacts", "shown_aliases", "unread_contacts", "differences", "accepted"] {
        db.execute_batch(&format!("DROP TABLE {table}")).unwrap_or_else(|error| panic!("{table}: {error}"));
    }
    db.pragma_update(None, "user_version", 7).expect("a journal");
}

#[tokio::test]
async fn a_stopped_run_of_version_8_is_resumed_and_its_calls_are_kept() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(60, 3, 1).csv());
    let journal = harness.path(JOURNAL);
    harness.sync("in.csv --match email --max-calls 61").run().await.exits(4);
    write_eighth(&journal);
    let calls = |path: &Path| -> Vec<(i64, i64, Option<i64>, i64, i64, String)> {
        let db = Connection::open(path).expect("a journal");
        let all =
            "SELECT number, run, contact, kind, result, coalesce(detail, '') || '' FROM calls ORDER BY number LIMIT 61";
        let mut query = db.prepare(all).expect("a table");
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        };
        query.query_map([], read).expect("calls").map(|call| call.expect("a call")).collect()
    };
    let before = calls(&journal);
    assert_eq!(before.len(), 61);
    // A plan does not upgrade the journal.
    let _ = harness.plan("in.csv --match email").run().await.exits(0);
    assert_eq!(version_of(&journal), 8);
    let summary = harness.resume().run().await.exits(0).summary();
    assert_eq!((summary.rows().as_str(), version_of(&journal)), ("60 created", VERSION));
    // The calls of the earlier process count among those of the run.
    let made = harness.calls();
    assert_eq!((summary.calls(), made.as_str()), (made.clone(), "60 find, 60 create, 60 add_tags"));
    assert_eq!(calls(&journal), before);
    let backup = harness.path(&format!("{JOURNAL}.backup-v8"));
    assert_eq!((version_of(&backup), calls(&backup)), (8, before));
    let db = Connection::open(&journal).expect("a journal");
    for query in ["SELECT min(typeof(id)) FROM states", "SELECT min(typeof(detail)) FROM calls WHERE kind = 3"] {
        let kind: String = db.query_row(query, [], |row| row.get(0)).expect("ids");
        assert_eq!(kind, "integer", "{query}");
    }
    drop(db);
    let again = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!((again.summary().count("unchanged"), harness.calls().as_str()), (60, "none"));
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

/// A contact in doubt, and its JSON in a journal of this version.
fn lost(version: i64) -> String {
    let sent = json!({
        "key": {"Match": {"field": "email", "value": "lost@example.com"}}, "id": null, "matches": 1,
        "fields": [{"name": "email", "value": "lost@example.com"}], "tags": [], "remove_tags": [],
    });
    if version < 3 {
        return sent.to_string();
    }
    json!({"sent": sent, "since": null, "searches": 0, "origin": {"create": {"seen": null}}}).to_string()
}

#[tokio::test]
async fn a_journal_of_each_earlier_version_is_upgraded_without_loss() {
    for version in 1..=6 {
        let harness = Harness::unlimited().await;
        let people = People::new(60, 3, 1);
        people.insert_into(&harness.sandbox);
        harness.write("in.csv", people.csv());
        let journal = harness.path(JOURNAL);
        write_old(&journal, version, &harness.sandbox.url(), &harness.sandbox.contacts(TOKEN));
        let db = Connection::open(&journal).expect("a journal");
        let column = if version < 3 { "unsettled" } else { "doubt" };
        let insert =
            format!("INSERT INTO known (channel, key, {column}) VALUES ('default', 'email=lost@example.com', ?1)");
        db.execute(&insert, [lost(version)]).expect("the earlier table");
        drop(db);
        // A plan does not upgrade the journal.
        let plan = harness.plan("in.csv --match email").run().await.exits(0).planned();
        assert_eq!((plan.rows().as_str(), version_of(&journal)), ("60 unchanged", version));
        let _ = harness.calls();
        let ran = harness.sync("in.csv --match email --search-lag 0s").run().await.exits(0);
        // The contacts are known, and one search after the lag settles the lost create. The earlier version did not record the
        // token, so three reads verify that it is the channel's.
        assert_eq!((ran.summary().count("unchanged"), harness.calls().as_str()), (60, "1 find, 3 read"), "{version}");
        assert_eq!(version_of(&journal), VERSION);
        // A copy of the journal as it was is left, and named.
        let backup = harness.path(&format!("{JOURNAL}.backup-v{version}"));
        let name = format!("{JOURNAL}.backup-v{version}");
        assert!(ran.stderr_lines("journal ").iter().any(|line| line.contains(&name)), "{version}: {ran:?}");
        assert_eq!(version_of(&backup), version);
        let db = Connection::open(&backup).expect("a journal");
        let known: i64 = db.query_row("SELECT count(*) FROM known", [], |row| row.get(0)).expect("its tables");
        assert_eq!(known, 61);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&backup).expect("a file").permissions().mode() & 0o777, 0o600);
        }
        let again = harness.sync("in.csv --match email").run().await.exits(0);
        assert!(!again.stderr.contains("backup"), "{again:?}");
    }
}

#[tokio::test]
async fn only_what_writes_upgrades_a_journal_and_it_says_so() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\nnew.1@example.com\n");
    let journal = harness.path(JOURNAL);
    write_old(&journal, 6, &harness.sandbox.url(), &[]);
    add_stopped_run(&journal, &harness.sandbox.url());
    let db = Connection::open(&journal).expect("a journal");
    db.pragma_update(None, "journal_mode", "WAL").expect("a journal");
    drop(db);
    let before = fs::read(&journal).expect("a journal");
    let backup = format!("{JOURNAL}.backup-v6");
    let beside = || {
        let entries =
            fs::read_dir(harness.path(".")).expect("a folder").map(|entry| entry.expect("a file").file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.retain(|name| name.contains(JOURNAL));
        names
    };
    let runs = harness.program(&format!("runs --journal {JOURNAL}")).run().await.exits(0);
    assert!(runs.stdout.contains("run 3"), "{runs:?}");
    let check = harness.program(&format!("check in.csv --match email --journal {JOURNAL}")).run().await;
    assert!(!check.stderr.contains("backup"), "{check:?}");
    assert_eq!((version_of(&journal), fs::read(&journal).expect("a journal") == before), (6, true));
    assert_eq!(beside(), [JOURNAL]);
    let ran = harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
    assert!(!ran.stderr.contains("backup"), "{ran:?}");
    assert_eq!(version_of(&journal), 6);
    // So does `journal prune`, of a copy here.
    fs::copy(&journal, harness.path("copy.db")).expect("a copy");
    let pruned = harness.program("journal prune --journal copy.db").run().await.exits(0);
    assert!(pruned.stderr_lines("journal ").iter().any(|line| line.contains("copy.db.backup-v6")), "{pruned:?}");
    // The calls of a check are journaled.
    let check = || {
        let url = harness.sandbox.url();
        harness.program(&format!("check in.csv --match email --journal {JOURNAL} --url {url}"))
    };
    let first = check().run().await.exits(0);
    assert!(first.stderr_lines("journal ").iter().any(|line| line.contains(&backup)), "{first:?}");
    assert_eq!(version_of(&journal), VERSION);
    let again = check().run().await.exits(0);
    assert!(!again.stderr.contains("backup"), "{again:?}");
}

/// A stopped run of version 6: pending rows, one of them with an earlier call and one that was left, and rows that ended.
fn add_stopped_run(path: &Path, url: &str) {
    let db = Connection::open(path).expect("a journal");
    let policy = json!({
        "mode": "upsert", "tags_mode": "add", "search_lag": {"secs": 0, "nanos": 0}, "retry_in_doubt": false,
        "search_first": false,
    });
    let run =
        "INSERT INTO runs (id, sync, channel, url, kind, rate, input, policy, state, started_at, ended_at, summary)
               VALUES (3, 3, 'default', ?1, 'messenger', 1000000, 'in.csv', ?2, 'stopped', 0, 1, NULL)";
    db.execute(run, [url, &policy.to_string()]).expect("a run");
    for nth in 0..10 {
        let key = format!("email=new.{nth}@example.com");
        let contact = json!({
            "key": {"Match": {"field": "email", "value": format!("new.{nth}@example.com")}}, "id": null, "matches": 1,
            "fields": [{"name": "email", "value": format!("new.{nth}@example.com")}, {"name": "age", "value": 7}],
            "tags": ["a"], "remove_tags": [],
        });
        let (state, contact) = match nth {
            0..6 => ("pending", Some(contact.to_string())),
            6 => ("created", None),
            7 => ("unchanged", None),
            8 => ("merged", None),
            _ => ("rejected", None),
        };
        let item = "INSERT INTO items (run, row, line, key, state, contact) VALUES (3, ?1, ?2, ?3, ?4, ?5)";
        db.execute(item, params![nth + 1, nth + 2, key, state, contact]).expect("a row");
    }
    let call = "INSERT INTO calls (run, channel, window, key, kind, asked, started_at, ended_at, result, attempt)
                VALUES (3, 'default', 'w', ?1, 'find', '{\"field\":\"email\",\"page\":1}', 1, 2, 'lost',
                        '{\"lost\":{\"status\":null,\"cause\":\"reset\",\"retry_after\":null}}')";
    db.execute(call, ["email=new.0@example.com"]).expect("a call");
    db.execute("INSERT INTO left_rows VALUES ('default', 'email=new.1@example.com', 5)", []).expect("a row");
    db.execute("INSERT INTO turns VALUES ('default', 'email=new.2@example.com', 3)", []).expect("a row");
}

#[tokio::test]
async fn a_stopped_run_of_an_earlier_version_is_resumed() {
    let harness = Harness::unlimited().await;
    write_old(&harness.path(JOURNAL), 6, &harness.sandbox.url(), &[]);
    add_stopped_run(&harness.path(JOURNAL), &harness.sandbox.url());
    let ran = harness.resume().run().await;
    // One row was rejected before.
    let summary = ran.exits(3).summary();
    assert_eq!(summary.rows(), "7 created, 1 unchanged, 1 rejected, 1 merged");
    // The lost find of the earlier process counts among the calls of the run.
    assert_eq!(
        (harness.calls().as_str(), summary.calls().as_str()),
        ("6 find, 6 create, 6 add_tags", "7 find, 6 create, 6 add_tags")
    );
    let contacts = harness.sandbox.contacts(TOKEN);
    assert_eq!(contacts.len(), 6);
    assert!(contacts.iter().all(|contact| contact.tags.contains("a") && contact.fields["age"].text() == "7"));
}

#[tokio::test]
async fn a_journal_of_version_7_gets_the_tables_for_reading_back() {
    let harness = Harness::unlimited().await;
    let people = People::new(5, 3, 1);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let journal = harness.path(JOURNAL);
    write_seventh(&journal);
    harness.calls();
    let verify = format!("verify --journal {JOURNAL} --url {} --rate 1000000", harness.sandbox.url());
    harness.program(&verify).run().await.exits(0);
    assert_eq!((version_of(&journal), harness.calls()), (VERSION, "5 read".into()));
    let summary = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((summary.rows(), harness.calls()), ("5 unchanged".into(), "none".into()));
}

#[tokio::test]
async fn a_kill_during_an_upgrade_loses_nothing() {
    let harness = Harness::unlimited().await;
    let people = People::new(3_000, 3, 1);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    let contacts = harness.sandbox.contacts(TOKEN);
    write_old(&harness.path("old.db"), 6, &harness.sandbox.url(), &contacts);
    let old = fs::read(harness.path("old.db")).expect("a journal");
    let run = || harness.sync("in.csv --match email");
    let mut chance = fastrand::Rng::with_seed(5);
    let (mut interrupted, mut case) = (0, 0);
    while interrupted < 8 && case < 60 {
        case += 1;
        for entry in fs::read_dir(harness.path(".")).expect("a folder") {
            let path = entry.expect("a file").path();
            if path.to_string_lossy().contains(JOURNAL) {
                fs::remove_file(path).expect("a file");
            }
        }
        harness.write(JOURNAL, &old);
        let backup = harness.path(&format!("{JOURNAL}.backup-v6"));
        let mut running = run().start();
        // From the moment on at which the journal is being copied, changed, or has been changed.
        let begun = || {
            fs::read_dir(harness.path("."))
                .expect("a folder")
                .any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().contains("backup")))
        };
        let _ = running.until(begun).await;
        tokio::time::sleep(Duration::from_micros(chance.u64(0..200_000))).await;
        running.kill().await;
        let is_old = version_of(&harness.path(JOURNAL)) == 6;
        interrupted += usize::from(is_old);
        let _ = harness.calls();
        let ran = run().run().await.exits(0);
        assert_eq!(ran.summary().count("unchanged"), 3_000, "{case}");
        assert!(!harness.calls().contains("find"), "{case}");
        assert_eq!((version_of(&harness.path(JOURNAL)), version_of(&backup)), (VERSION, 6), "{case}");
        // The copy of the interrupted upgrade is used again.
        assert!(!harness.path(&format!("{JOURNAL}.backup-v6-2")).exists(), "{case}");
    }
    assert!(interrupted >= 4, "{interrupted} of {case} kills came during the upgrade");
}

#[tokio::test]
async fn a_journal_of_version_10_gets_the_views_and_keeps_its_tables() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(5, 3, 1).csv());
    harness.sync("in.csv --match email --max-calls 6").run().await.exits(4);
    let journal = harness.path(JOURNAL);
    let db = Connection::open(&journal).expect("a journal");
    drop_views(&db);
    db.pragma_update(None, "user_version", 10).expect("a journal");
    drop(db);
    // A report reads an upgraded copy.
    let report = harness.program(&format!("report --journal {JOURNAL} --json")).run().await.exits(0);
    assert_eq!(version_of(&journal), 10);
    assert!(report.stdout.contains("\"pending\":"), "{report:?}");
    harness.resume().run().await.exits(0);
    assert_eq!(version_of(&journal), VERSION);
    let db = Connection::open(&journal).expect("a journal");
    let created: i64 = db.query_row("SELECT created FROM contactsync_runs", [], |row| row.get(0)).expect("a view");
    assert_eq!(created, 5);
}
