//! The views of the journal for SQL tools: their columns, and that they agree with the program.

use std::path::Path;

use contactsync::sandbox::{Fault, Faults, Rule};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use support::{Harness, JOURNAL, People};

/// The columns, which stay the same in all versions.
const COLUMNS: [(&str, &str); 3] = [
    (
        "contactsync_runs",
        "run first_run channel url channel_kind calls_per_minute input state reason undoes_run started_at ended_at seconds rows \
         created updated unchanged rejected merged pending skipped missing calls throttled",
    ),
    ("contactsync_results", "run channel row line outcome key contact_id reason"),
    ("contactsync_calls", "call run channel kind result key started_at ended_at milliseconds"),
];

fn open(journal: &Path) -> Connection {
    Connection::open_with_flags(journal, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a journal")
}

fn texts(db: &Connection, query: &str) -> Vec<String> {
    let mut query = db.prepare(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let columns = query.column_count();
    let rows = query.query_map([], |row| {
        let cell = |at| {
            Ok(match row.get_ref(at)? {
                rusqlite::types::ValueRef::Null => "-".to_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Real(number) => number.to_string(),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                rusqlite::types::ValueRef::Blob(_) => "blob".to_owned(),
            })
        };
        Ok((0..columns).map(cell).collect::<rusqlite::Result<Vec<String>>>()?.join(" "))
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

async fn with_two_runs(values: &str) -> Harness {
    let refuse = Rule::always(Fault::UnknownError).with_value("refuse me");
    let harness = Harness::faulty(Faults { rules: vec![refuse], ..Faults::default() }).await;
    let mut people = People::new(6, 3, 1);
    people.person(5).fields[0].1 = "refuse me".into();
    harness.write("in.csv", [people.csv(), b"x,y,,t\n".to_vec()].concat());
    harness.sync(&format!("in.csv --match email --values {values}")).run().await.exits(3);
    people.person(0).fields[0].1 = "Quixote".into();
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email --for 5").run().await.exits(4);
    harness
}

#[tokio::test]
async fn the_views_have_their_columns_and_agree_with_the_program() {
    let harness = with_two_runs("plain").await;
    let db = open(&harness.path(JOURNAL));
    for (view, columns) in COLUMNS {
        let found = texts(&db, &format!("SELECT name FROM pragma_table_info('{view}')"));
        assert_eq!(found.join(" "), columns, "{view}");
    }
    let ran = harness.program(&format!("runs --json --journal {JOURNAL}")).run().await.exits(0);
    let runs: Vec<Json> = serde_json::from_str(&ran.stdout).expect("an array");
    for run in runs {
        for name in ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped", "missing", "rows"] {
            let found = texts(&db, &format!("SELECT {name} FROM contactsync_runs WHERE run = {}", run["run"]));
            assert_eq!(found, [run[name].to_string()], "{name} of {run}");
        }
        let found = texts(&db, &format!("SELECT calls, state FROM contactsync_runs WHERE run = {}", run["run"]));
        assert_eq!(found, [format!("{} {}", run["calls"]["total"], run["state"].as_str().unwrap_or_default())]);
        // The same moment, in UTC.
        let started =
            texts(&db, &format!("SELECT unixepoch(started_at) FROM contactsync_runs WHERE run = {}", run["run"]));
        let query = format!("SELECT unixepoch('{}')", run["started"].as_str().expect("a time"));
        assert_eq!(started, texts(&db, &query));
    }
    let started = texts(&db, "SELECT started_at FROM contactsync_runs ORDER BY run LIMIT 1").remove(0);
    assert!(started.len() == "2026-11-26T02:30:01.123Z".len() && started.ends_with('Z'), "{started}");
    // A run without a summary is counted.
    let writable = Connection::open(harness.path(JOURNAL)).expect("a journal");
    let before = texts(&writable, "SELECT * FROM contactsync_runs");
    writable.execute_batch("UPDATE runs SET summary = NULL").expect("a table");
    assert_eq!(texts(&writable, "SELECT * FROM contactsync_runs"), before);

    let results =
        "SELECT line, outcome, key, contact_id IS NOT NULL FROM contactsync_results WHERE run = 1 ORDER BY row";
    assert_eq!(
        texts(&db, results),
        [
            "2 created email=person.0@example.com 1",
            "3 created email=person.1@example.com 1",
            "4 created email=person.2@example.com 1",
            "5 created email=person.3@example.com 1",
            "6 created email=person.4@example.com 1",
            "7 rejected email=person.5@example.com 0",
            "8 rejected - 0",
        ]
    );
    assert_eq!(
        texts(&db, "SELECT DISTINCT outcome FROM contactsync_results WHERE run = 2 ORDER BY 1"),
        ["pending", "rejected"]
    );
    let calls = "SELECT kind, result, count(*) FROM contactsync_calls GROUP BY 1, 2 ORDER BY 1, 2";
    let found = texts(&db, calls);
    assert_eq!(found, ["add_tags done 5", "create created 5", "create refused 1", "find page 6"]);
    let ordered = "SELECT count(*) FROM contactsync_calls WHERE run = 1 AND channel = 'default' AND key LIKE 'email=%'
                   AND ended_at >= started_at AND milliseconds >= 0";
    assert_eq!(texts(&db, ordered), ["17"]);
}

#[tokio::test]
async fn the_views_of_a_journal_of_hashes_have_no_key_and_no_value() {
    let harness = with_two_runs("hashed").await;
    let db = open(&harness.path(JOURNAL));
    for (view, _) in COLUMNS {
        let rows = texts(&db, &format!("SELECT * FROM {view}"));
        assert!(!rows.is_empty());
        for row in rows {
            assert!(!row.contains('@') && !row.contains("Quixote") && !row.contains("email="), "{view}: {row}");
        }
    }
    for arguments in ["", "--json", "--html -"] {
        let report = harness.program(&format!("report 1 {arguments} --journal {JOURNAL}")).run().await.exits(0);
        assert!(!report.stdout.contains("@example") && !report.stdout.contains("refuse me"), "{report:?}");
        assert!(report.stdout.contains("email=…"), "{report:?}");
    }
    let keys =
        "SELECT count(key) FROM (SELECT key FROM contactsync_results UNION ALL SELECT key FROM contactsync_calls)";
    assert_eq!(texts(&db, keys), ["0"]);
}

#[tokio::test]
async fn the_example_queries_of_the_page_run_and_give_what_is_shown() {
    let page = include_str!("../../docs/journal-views.md");
    let harness = with_two_runs("plain").await;
    let db = open(&harness.path(JOURNAL));
    let queries: Vec<&str> = page.split("\n```sql\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert_eq!(queries.len(), 3);
    for query in queries {
        assert!(!texts(&db, query).is_empty(), "{query}");
    }
    // The columns that the page lists.
    for (view, columns) in COLUMNS {
        let (_, section) = page.split_once(&format!("\n## `{view}`\n")).expect("a section for each view");
        let table =
            section.split("\n## ").next().unwrap_or_default().lines().filter_map(|line| line.strip_prefix("| `"));
        let listed: Vec<&str> =
            table.filter_map(|line| line.split(" |").next()).flat_map(|cell| cell.split(", ")).collect();
        let listed: Vec<&str> = listed.into_iter().map(|name| name.trim_matches('`')).collect();
        assert_eq!(listed.join(" "), columns, "{view}");
    }
}
