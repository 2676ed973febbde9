//! Runs that are limited to some contacts: exactly these are sent, and later runs send the others.

use std::fs;
use std::time::Duration;

use contactsync::sandbox::Faults;
use rusqlite::Connection;

use support::{Harness, JOURNAL, Output, People, TOKEN};

use crate::old_journals::write_seventh;

/// The values of a match field on the platform, in alphabetical order.
fn emails(harness: &Harness) -> Vec<String> {
    let contacts = harness.sandbox.contacts(TOKEN);
    let mut emails: Vec<String> = contacts.iter().map(|contact| contact.fields["email"].text().into_owned()).collect();
    emails.sort();
    emails
}

/// The journal is consistent.
async fn check_journal(harness: &Harness) {
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

#[track_caller]
fn check(harness: &Harness, ran: Output, code: i32, rows: &str, calls: &str) {
    let ran = ran.exits(code);
    assert_eq!((ran.summary().rows().as_str(), harness.calls().as_str()), (rows, calls), "{ran:?}");
}

#[tokio::test]
async fn ten_of_ten_thousand_contacts_are_sent_and_the_next_run_sends_the_others() {
    let harness = Harness::unlimited().await;
    let people = People::new(10_000, 2, 0);
    harness.write("in.csv", people.csv());
    let plan = harness.plan("in.csv --match email --limit 10").run().await.exits(0).planned();
    assert_eq!(plan.rows(), "10 pending, 9990 skipped");
    assert_eq!(plan.json["calls"]["find"], serde_json::json!({"min": 10, "max": 10}));
    let ran = harness.sync("in.csv --match email --limit 10").run().await;
    check(&harness, ran, 0, "10 created, 9990 skipped", "10 find, 10 create");
    let expected: Vec<String> = (0..10).map(|nth| format!("person.{nth}@example.com")).collect();
    assert_eq!(emails(&harness), expected);
    check_journal(&harness).await;
    // Nothing is left of the others.
    let db = Connection::open(harness.path(JOURNAL)).expect("the journal");
    let count = |table: &str| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    assert_eq!(["contacts", "pending", "items"].map(|table| count(table).unwrap()), [10, 0, 10]);
    drop(db);
    let ran = harness.resume().run().await.exits(0);
    assert!(ran.stderr.contains("nothing to resume"), "{ran:?}");

    // The first ten are unchanged now, so the limit is of the next ones.
    let ran = harness.sync("in.csv --match email --limit 3").run().await;
    check(&harness, ran, 0, "3 created, 10 unchanged, 9987 skipped", "3 find, 3 create");
    let ran = harness.sync("in.csv --match email").run().await;
    check(&harness, ran, 0, "9987 created, 13 unchanged", "9987 find, 9987 create");
    people.assert_stored_in(&harness.sandbox);
    for limit in ["", "--limit 1", "--only person.9999@example.com"] {
        let ran = harness.sync(&format!("in.csv --match email {limit}")).run().await;
        check(&harness, ran, 0, "10000 unchanged", "none");
    }
    check_journal(&harness).await;
}

#[tokio::test]
async fn skipped_changes_of_known_contacts_are_sent_later() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(300, 3, 1);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let _ = harness.calls();
    for nth in [7, 70, 170, 270, 299] {
        people.person(nth).fields[0].1 = format!("changed {nth}");
    }
    harness.write("in.csv", people.csv());
    let sync = |limit: &'static str| harness.sync(&format!("in.csv --match email {limit}")).run();
    check(&harness, sync("--limit 2").await, 0, "2 updated, 295 unchanged, 3 skipped", "2 update");
    let ran = sync("--only person.270@example.com").await;
    check(&harness, ran, 0, "1 updated, 297 unchanged, 2 skipped", "1 update");
    check(&harness, sync("--limit 1").await, 0, "1 updated, 298 unchanged, 1 skipped", "1 update");
    check(&harness, sync("").await, 0, "1 updated, 299 unchanged", "1 update");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, sync("").await, 0, "300 unchanged", "none");
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_limited_run_that_is_killed_sends_no_more_than_its_contacts() {
    for resumes in [true, false] {
        let slow = Faults { latency: Duration::from_millis(40), ..Faults::default() };
        let harness = Harness::faulty(slow).await;
        let people = People::new(200, 3, 1);
        harness.write("in.csv", people.csv());
        let limited = || harness.sync("in.csv --match email --mode create --limit 10 --search-lag 1s --concurrency 2");
        let mut running = limited().start();
        assert!(running.until(|| harness.sandbox.ledger().len() >= 5).await);
        running.kill().await;
        harness.sandbox.set_faults(Faults::default());
        if resumes {
            let ran = harness.resume().run().await.exits(0);
            assert_eq!(ran.summary().rows(), "10 created, 190 skipped");
            assert_eq!(harness.sandbox.ledger().creates(TOKEN), 10);
        } else {
            // A new run is limited to ten contacts that still need calls: those that were pending come first.
            let ran = limited().run().await.exits(0);
            let (sent, created) = (ran.summary(), harness.sandbox.ledger().creates(TOKEN));
            let done = sent.count("created") + sent.count("updated");
            assert_eq!((done, sent.count("unchanged") + sent.count("skipped")), (10, 190), "{ran:?}");
            assert!((10..20).contains(&created), "{created}");
        }
        check_journal(&harness).await;
        let ran = harness.sync("in.csv --match email --mode create --search-lag 1s").run().await.exits(0);
        assert_eq!(ran.summary().count("skipped"), 0);
        people.assert_stored_in(&harness.sandbox);
        assert_eq!(harness.sandbox.ledger().creates(TOKEN), 200, "{resumes}");
    }
}

#[tokio::test]
async fn rows_that_were_pending_before_stay_pending() {
    let harness = Harness::unlimited().await;
    let people = People::new(40, 2, 0);
    let csv = String::from_utf8(people.csv()).unwrap();
    harness.write("first.csv", csv.lines().take(31).collect::<Vec<_>>().join("\n") + "\n");
    harness.write("all.csv", &csv);
    let ran = harness.sync("first.csv --match email --max-calls 20").run().await;
    check(&harness, ran, 4, "10 created, 20 pending", "10 find, 10 create");

    // All 30 rows that need calls, of which 20 are pending; the limit is of the first three.
    let plan = harness.plan("all.csv --match email --limit 3").run().await.exits(0).planned();
    assert_eq!(plan.rows(), "10 unchanged, 20 pending, 10 skipped");
    assert_eq!(plan.json["calls"]["find"], serde_json::json!({"min": 3, "max": 3}));
    harness.plan("all.csv --match email --limit 3 --max-changes 3").run().await.exits(0);
    let text =
        harness.program(&format!("plan all.csv --match email --limit 3 --journal {JOURNAL} --diff=1")).run().await;
    assert!(text.stdout.starts_with("40 rows: 3 to send, 17 pending, 10 unchanged, 10 skipped\n"), "{text:?}");
    assert!(text.stdout.ends_with("… and 2 more contacts\n"), "{text:?}");
    let ran = harness.sync("all.csv --match email --limit 3 --max-changes 3 --results results.csv").run().await;
    let reason = ran.summary().text("reason").to_owned();
    assert_eq!(reason, "17 contacts of an earlier run are left out of this one");
    check(&harness, ran, 4, "3 created, 10 unchanged, 17 pending, 10 skipped", "3 find, 3 create");
    let results = fs::read_to_string(harness.path("results.csv")).unwrap();
    let of = |outcome: &str| results.lines().filter(|line| line.contains(&format!(",{outcome},"))).count();
    assert_eq!(["created", "unchanged", "pending", "skipped"].map(of), [3, 10, 17, 10], "{results}");
    check_journal(&harness).await;

    let ran = harness.resume().with("--results results.csv").run().await;
    check(&harness, ran, 0, "20 created, 10 unchanged, 10 skipped", "17 find, 17 create");
    let results = fs::read_to_string(harness.path("results.csv")).unwrap();
    let of = |outcome: &str| results.lines().filter(|line| line.contains(&format!(",{outcome},"))).count();
    assert_eq!(["created", "unchanged", "pending", "skipped"].map(of), [20, 10, 0, 10], "{results}");
    let ran = harness.sync("all.csv --match email").run().await;
    check(&harness, ran, 0, "10 created, 30 unchanged", "10 find, 10 create");
    people.assert_stored_in(&harness.sandbox);
    check_journal(&harness).await;
}

#[tokio::test]
async fn resume_finishes_the_chosen_rows_before_it_sends_those_that_were_left_out() {
    let harness = Harness::unlimited().await;
    let people = People::new(30, 2, 0);
    harness.write("in.csv", people.csv());
    let ran = harness.sync("in.csv --match email --max-calls 20").run().await;
    check(&harness, ran, 4, "10 created, 20 pending", "10 find, 10 create");
    let ran = harness.sync("in.csv --match email --limit 5 --max-calls 4").run().await;
    assert!(ran.stderr.contains("to continue: `contactsync resume"), "{ran:?}");
    // The same `sync` would be a new run of five contacts.
    assert!(!ran.stderr.contains("or the same"), "{ran:?}");
    check(&harness, ran, 4, "2 created, 10 unchanged, 18 pending", "2 find, 2 create");
    let ran = harness.resume().run().await;
    check(&harness, ran, 4, "5 created, 10 unchanged, 15 pending", "3 find, 3 create");
    check_journal(&harness).await;
    let ran = harness.resume().run().await;
    check(&harness, ran, 0, "20 created, 10 unchanged", "15 find, 15 create");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn contacts_in_doubt_stay_in_doubt_unless_they_are_chosen() {
    let harness = Harness::faulty(Faults { lose_after: 1.0, ..Faults::default() }).await;
    harness.write("in.csv", "email\na@example.com\nb@example.com\nc@example.com\nd@example.com\n");
    harness.write("others.csv", "email\nx@example.com\ny@example.com\n");
    let sync = |arguments: &'static str| {
        harness.sync(&format!("{arguments} --match email --mode create --search-lag 300ms --concurrency 1")).run()
    };
    sync("in.csv --max-calls 2").await.exits(4);
    let created = harness.sandbox.contacts(TOKEN).len();
    harness.sandbox.set_faults(Faults::default());
    let _ = harness.calls();
    assert!((1..=2).contains(&created), "creates without an answer: {created}");
    // In a file that has them, and in one that does not.
    let ran = sync("in.csv --only d@example.com").await.exits(4);
    assert_eq!(
        (ran.summary().rows().as_str(), harness.calls().as_str()),
        ("1 created, 3 pending", "1 create"),
        "{ran:?}"
    );
    let ran = sync("others.csv --limit 1").await.exits(0);
    assert_eq!(
        (ran.summary().rows().as_str(), harness.calls().as_str()),
        ("1 created, 1 skipped", "1 create"),
        "{ran:?}"
    );
    check_journal(&harness).await;
    let ran = sync("in.csv").await.exits(0);
    assert!(harness.calls().contains("find"), "{ran:?}");
    assert_eq!(emails(&harness), ["a", "b", "c", "d", "x"].map(|name| format!("{name}@example.com")));
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 5);
}

#[tokio::test]
async fn contacts_are_named_by_a_match_value_a_field_an_id_or_a_line() {
    let harness = Harness::unlimited().await;
    harness.write(
        "in.csv",
        "phone,email,name\n+5215550000001,a@example.com,Ann\n+5215550000002,b@example.com,Bo\n,b@example.com,Bob\n\
         +5215550000003,,Cy\n,,Eve\n+5215550000004,d@example.com,Di\n",
    );
    harness
        .write("changed.csv", "phone,email,name\n+5215550000001,,Anna\n+5215550000002,,Bobby\n+5215550000003,,Cyd\n");
    let run = |arguments: String| harness.sync(&format!("{arguments} --match phone --match email")).run();
    // A row of no contact is rejected in any case.
    let cases = [
        ("--only +5215550000001", "1 created, 1 rejected, 1 merged, 3 skipped"),
        ("--only email=d@example.com", "1 created, 1 unchanged, 1 rejected, 1 merged, 2 skipped"),
        // The contact of a line that is merged into another one.
        ("--only line:3", "1 created, 2 unchanged, 1 rejected, 1 merged, 1 skipped"),
        ("--only line:6", "3 unchanged, 1 rejected, 1 merged, 1 skipped"),
        ("--only line:5 --only d@example.com", "1 created, 3 unchanged, 1 rejected, 1 merged"),
    ];
    for (arguments, expected) in cases {
        let ran = run(format!("in.csv {arguments}")).await.exits(3);
        assert_eq!(ran.summary().rows(), expected, "{arguments}: {ran:?}");
    }
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 4);
    let contacts = harness.sandbox.contacts(TOKEN);
    let bo = contacts.iter().find(|contact| contact.fields["name"].text() == "Bob").expect("a contact");
    let _ = harness.calls();
    // The file has no ids.
    let ran = run(format!("changed.csv --only id:{}", bo.id)).await.exits(0);
    assert_eq!(
        (ran.summary().rows().as_str(), harness.calls().as_str()),
        ("1 updated, 2 skipped", "1 update"),
        "{ran:?}"
    );
    let ran = run("changed.csv --only +5215550000001 --only +5215550000003 --limit 1".to_owned()).await.exits(0);
    assert_eq!(ran.summary().rows(), "1 updated, 1 unchanged, 1 skipped", "{ran:?}");
    let _ = harness.calls();
    for (name, missing) in [
        ("+5215550000009", "`+5215550000009`"),
        ("name=Anna", "`name=Anna`"),
        ("id:0", "`id:0`"),
        ("line:1", "`line:1`"),
        ("+5215550000001 --only line:9 --only x", "`line:9`, `x`"),
    ] {
        for ran in [
            run(format!("changed.csv --only {name}")).await,
            harness.plan(&format!("changed.csv --match phone --match email --only {name}")).run().await,
        ] {
            let ran = ran.exits(2);
            let error = format!("error: the input has no contact {missing}; nothing was sent");
            assert_eq!(ran.stderr_lines("error:"), [error], "{ran:?}");
        }
    }
    assert_eq!(harness.calls(), "none");
    for wrong in ["--only line:0", "--only id:", "--limit 0", "--limit -1", "--limit x"] {
        run(format!("changed.csv {wrong}")).await.exits(2);
    }
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_contact_with_several_rows_counts_once() {
    for (duplicates, expected) in [
        ("last", "2 created, 3 merged, 2 skipped"),
        ("first", "2 created, 3 merged, 2 skipped"),
        ("merge", "2 created, 3 merged, 2 skipped"),
        ("reject", "2 created, 3 rejected, 2 skipped"),
    ] {
        for lists in ["", "--results results.csv --rejects rejects.csv"] {
            let harness = Harness::unlimited().await;
            harness.write(
                "in.csv",
                "email,name\na@x.com,1\nb@x.com,2\na@x.com,3\nc@x.com,4\nd@x.com,5\nd@x.com,6\nb@x.com,7\n",
            );
            let arguments = format!("in.csv --match email --duplicates {duplicates} {lists}");
            let ran = harness.sync(&format!("{arguments} --limit 2")).run().await;
            let code = if duplicates == "reject" { 3 } else { 0 };
            assert_eq!(ran.exits(code).summary().rows(), expected, "{arguments}");
            // With `last` and `merge`, the row of `a` that counts is the third, before that of `c`.
            let sent =
                if matches!(duplicates, "last" | "merge") { ["a@x.com", "c@x.com"] } else { ["a@x.com", "b@x.com"] };
            assert_eq!(emails(&harness), sent, "{arguments}");
            check_journal(&harness).await;
            if !lists.is_empty() {
                let results = fs::read_to_string(harness.path("results.csv")).unwrap();
                let skipped: Vec<&str> = results.lines().filter(|line| line.contains(",skipped,")).collect();
                assert!(skipped.len() == 2 && skipped[0].contains("email="), "{results}");
            }
            let ran = harness.sync(&arguments).run().await.exits(code);
            assert_eq!((ran.summary().count("created"), emails(&harness).len()), (2, 4), "{arguments}");
        }
    }
}

#[tokio::test]
async fn the_limit_is_of_all_channels_and_guards_look_at_what_is_sent() {
    let harness = Harness::unlimited().await;
    let mut csv = "email,office\n".to_owned();
    for nth in 0..30 {
        csv.push_str(&format!("p{nth}@example.com,{}\n", ["north", "south"][nth % 2]));
    }
    harness.write("in.csv", csv);
    let mut config = "match = \"email\"\nchannel_column = \"office\"\n".to_owned();
    for name in ["north", "south"] {
        harness.write(&format!("{name}.token"), name);
        config.push_str(&format!(
            "[channel.{name}]\nurl = \"{}\"\ntoken_file = \"{name}.token\"\n",
            harness.sandbox.url()
        ));
    }
    harness.write("contactsync.toml", config);
    let sync = |arguments: &str| {
        harness.program(&format!("sync in.csv --json --journal {JOURNAL} --rate 1000000 {arguments}")).run()
    };
    let ran = sync("--limit 5 --max-changes 4").await.exits(7);
    assert!(ran.stderr.contains("too many changes: 5 of 30 rows"), "{ran:?}");
    let summary = |ran: &Output| {
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one object");
        let of =
            |json: &serde_json::Value| ["created", "unchanged", "skipped"].map(|name| json[name].as_u64().unwrap());
        [&json, &json["channels"]["north"], &json["channels"]["south"]].map(of)
    };
    let ran = sync("--limit 5 --max-changes 5").await.exits(0);
    assert_eq!(summary(&ran), [[5, 0, 25], [3, 0, 12], [2, 0, 13]]);
    assert_eq!(["north", "south"].map(|token| harness.sandbox.contacts(token).len()), [3, 2]);
    let ran = sync("--only p29@example.com").await.exits(0);
    assert_eq!(summary(&ran), [[1, 5, 24], [0, 3, 12], [1, 2, 12]]);
    sync("").await.exits(0);
    assert_eq!(["north", "south"].map(|token| harness.sandbox.contacts(token).len()), [15, 15]);
    check_journal(&harness).await;
    let runs = harness.program(&format!("runs --json --journal {JOURNAL}")).run().await.exits(0);
    let runs: Vec<serde_json::Value> = serde_json::from_str(&runs.stdout).unwrap();
    let mut skipped: Vec<u64> = runs.iter().map(|run| run["skipped"].as_u64().unwrap()).collect();
    skipped.sort_unstable();
    assert_eq!(skipped, [0, 0, 12, 12, 12, 13], "{runs:?}");
}

#[tokio::test]
async fn a_journal_without_limited_runs_is_upgraded() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(20, 2, 0).csv());
    harness.sync("in.csv --match email --max-calls 20").run().await.exits(4);
    write_seventh(&harness.path(JOURNAL));
    let plan = harness.plan("in.csv --match email --limit 1").run().await.exits(0).planned();
    assert_eq!(plan.rows(), "10 unchanged, 10 pending");
    let ran = harness.resume().run().await.exits(0);
    assert_eq!(ran.summary().rows(), "20 created");
    assert!(harness.path(&format!("{JOURNAL}.backup-v7")).exists(), "{ran:?}");
    check_journal(&harness).await;
}
