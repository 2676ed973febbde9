//! Contacts that a source had and no longer has: counted, marked, and unmarked when they return.

use std::collections::BTreeSet;
use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule};
use rusqlite::Connection;

use support::{Harness, JOURNAL, Output, People, TOKEN};

const SYNC: &str = "in.csv --match email --on-missing tag:left";

/// The journal is consistent.
async fn check_journal(harness: &Harness) {
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

/// The contacts on the platform that have this tag, by the numbers in their addresses.
fn tagged(harness: &Harness, tag: &str) -> Vec<usize> {
    let contacts = harness.sandbox.contacts(TOKEN);
    let tagged = contacts.iter().filter(|contact| contact.tags.contains(tag));
    let number = |email: &str| email.split('.').nth(1)?.split('@').next()?.parse().ok();
    let mut numbers: Vec<usize> =
        tagged.map(|contact| number(&contact.fields["email"].text()).expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

/// The input without these people.
fn without(people: &People, gone: &[usize]) -> People {
    let gone: BTreeSet<usize> = gone.iter().copied().collect();
    let left = people.people.iter().enumerate().filter(|(nth, _)| !gone.contains(nth));
    People { people: left.map(|(_, person)| person.clone()).collect() }
}

#[track_caller]
fn check(harness: &Harness, ran: Output, code: i32, rows: &str, missing: usize, calls: &str) {
    let ran = ran.exits(code);
    let summary = ran.summary();
    let found = (summary.rows(), summary.count("missing"), harness.calls());
    assert_eq!((found.0.as_str(), found.1, found.2.as_str()), (rows, missing, calls), "{ran:?}");
}

#[tokio::test]
async fn thirty_of_ten_thousand_are_marked_and_unmarked_by_one_call_each() {
    let harness = Harness::unlimited().await;
    let people = People::new(10_000, 2, 0);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    let run = async || harness.sync(SYNC).run().await;
    check(&harness, run().await, 0, "10000 unchanged", 0, "10000 find");
    let gone: Vec<usize> = (0..30).map(|nth| nth * 317).collect();
    harness.write("in.csv", without(&people, &gone).csv());
    let plan = harness.plan(&format!("{SYNC} --diff=2")).run().await.exits(0).planned();
    assert_eq!((plan.count("missing"), plan.count("marks_pending"), plan.rows().as_str()), (30, 30, "9970 unchanged"));
    assert_eq!(plan.json["calls"]["add_tags"], serde_json::json!({"min": 30, "max": 30}));
    let first = &plan.json["diff"]["contacts"][0];
    assert_eq!((&first["change"], &first["key"]), (&"missing".into(), &"email=person.0@example.com".into()));
    assert_eq!((&first["add_tags"], &plan.json["diff"]["more"]), (&serde_json::json!(["left"]), &28.into()));
    check(&harness, run().await, 0, "9970 unchanged", 30, "30 add_tags");
    assert_eq!(tagged(&harness, "left"), gone);
    check(&harness, run().await, 0, "9970 unchanged", 30, "none");
    check_journal(&harness).await;

    harness.write("in.csv", people.csv());
    check(&harness, run().await, 0, "30 updated, 9970 unchanged", 0, "30 remove_tags");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, run().await, 0, "10000 unchanged", 0, "none");

    // A truncated file.
    let truncated: Vec<usize> = (6_000..10_000).collect();
    harness.write("in.csv", without(&people, &truncated).csv());
    let refused = run().await.exits(7);
    let error = "error: too many missing contacts: 4000 of 10000 contacts that the source had; the limit is 10%; nothing was \
                 sent; the first contacts: email=person.6000@example.com, ";
    assert!(refused.stderr.contains(error), "{refused:?}");
    assert_eq!((harness.calls().as_str(), refused.stderr.matches("@example.com").count()), ("none", 10));
    harness.plan(SYNC).run().await.exits(7);
    harness.write("in.csv", people.csv());
    check(&harness, run().await, 0, "10000 unchanged", 0, "none");
    check_journal(&harness).await;
}

/// A platform with these people, known to the journal.
async fn known(people: &People) -> Harness {
    let harness = Harness::unlimited().await;
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let _ = harness.calls();
    harness
}

#[tokio::test]
async fn missing_contacts_are_counted_and_marked_once_that_is_wanted() {
    let people = People::new(20, 3, 1);
    let harness = known(&people).await;
    let sync = |options: &str| harness.sync(&format!("in.csv --match email {options}")).run();
    harness.write("in.csv", without(&people, &[3, 4, 5, 6, 7]).csv());
    let plan = harness.plan("in.csv --match email --diff=1").run().await.exits(0).planned();
    assert_eq!((plan.count("missing"), &plan.json["calls"]["total"]["max"]), (5, &0.into()));
    assert_eq!(plan.json["diff"]["contacts"][0]["key"], "email=person.3@example.com");
    assert_eq!(plan.json["diff"]["more"], 4);
    let text = harness.program(&format!("plan in.csv --match email --diff --journal {JOURNAL}")).run().await.exits(0);
    assert!(text.stdout.contains("\n5 contacts of the source missing\n"), "{text:?}");
    assert!(text.stdout.contains("\n! email=person.7@example.com (missing)"), "{text:?}");
    check(&harness, sync("").await, 0, "15 unchanged", 5, "none");
    check(&harness, sync("").await, 0, "15 unchanged", 5, "none");
    // Nothing is missing that was missing before: with another limit, the guard counts those that would be marked.
    let refused = sync("--on-missing tag:left").await.exits(7);
    assert!(refused.stderr.contains("too many missing contacts: 5 of 20 contacts"), "{refused:?}");
    let refused = sync("--on-missing tag:left --max-missing 4").await.exits(7);
    assert!(refused.stderr.contains("the limit is 4"), "{refused:?}");
    let refused = sync("--on-missing tag:left --max-missing 5 --max-changes 4").await.exits(7);
    let error =
        "too many changes: 0 of 15 rows would create or update a contact, and 5 contacts would be marked as missing";
    assert!(refused.stderr.contains(error), "{refused:?}");
    assert_eq!(harness.calls(), "none");
    check(&harness, sync("--on-missing tag:left --max-missing 25%").await, 0, "15 unchanged", 5, "5 add_tags");
    assert_eq!(tagged(&harness, "left"), [3, 4, 5, 6, 7]);
    // They are unmarked although nothing is marked any more.
    harness.write("in.csv", without(&people, &[3]).csv());
    check(&harness, sync("").await, 0, "4 updated, 15 unchanged", 1, "4 remove_tags");
    harness.write("in.csv", people.csv());
    check(&harness, sync("--on-missing ignore").await, 0, "1 updated, 19 unchanged", 0, "1 remove_tags");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, sync("").await, 0, "20 unchanged", 0, "none");
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_field_is_the_mark_and_gets_the_value_of_the_input_or_is_cleared() {
    for has_column in [true, false] {
        let mut people = People::new(20, 3, 1);
        if has_column {
            for person in &mut people.people {
                person.fields.insert(0, ("status".into(), "active".into()));
            }
        }
        let harness = known(&people).await;
        let sync = || harness.sync("in.csv --match email --on-missing field:status=gone").run();
        harness.write("in.csv", without(&people, &[3, 4]).csv());
        check(&harness, sync().await, 0, "18 unchanged", 2, "2 update");
        let status = |email: &str| {
            let contacts = harness.sandbox.contacts(TOKEN);
            let contact =
                contacts.iter().find(|contact| contact.fields["email"].text() == email).expect("as the test has it");
            contact.fields.get("status").map(|value| value.text().into_owned()).unwrap_or_default()
        };
        assert_eq!(status("person.4@example.com"), "gone");
        check(&harness, sync().await, 0, "18 unchanged", 2, "none");
        harness.write("in.csv", people.csv());
        check(&harness, sync().await, 0, "2 updated, 18 unchanged", 0, "2 update");
        assert_eq!(status("person.4@example.com"), if has_column { "active" } else { "" });
        check(&harness, sync().await, 0, "20 unchanged", 0, "none");
        check_journal(&harness).await;
    }
}

#[tokio::test]
async fn a_contact_that_another_source_has_is_not_marked() {
    let people = People::new(20, 2, 0);
    let harness = known(&people).await;
    let sync = |source: &'static str| harness.sync(&format!("{SYNC} --source {source} --max-missing 100%")).run();
    check(&harness, sync("default").await, 0, "20 unchanged", 0, "none");
    check(&harness, sync("b").await, 0, "20 unchanged", 0, "none");
    harness.write("in.csv", without(&people, &[1, 2]).csv());
    check(&harness, sync("b").await, 0, "18 unchanged", 2, "none");
    // Now nothing has the second one.
    harness.write("in.csv", without(&people, &[2, 3]).csv());
    check(&harness, sync("default").await, 0, "18 unchanged", 2, "1 add_tags");
    assert_eq!(tagged(&harness, "left"), [2]);
    harness.write("in.csv", without(&people, &[3]).csv());
    check(&harness, sync("b").await, 0, "1 updated, 18 unchanged", 1, "1 add_tags, 1 remove_tags");
    assert_eq!(tagged(&harness, "left"), [3]);
    harness.write("in.csv", without(&people, &[2]).csv());
    check(&harness, sync("default").await, 0, "1 updated, 18 unchanged", 1, "1 remove_tags");
    check(&harness, sync("default").await, 0, "19 unchanged", 1, "none");
    assert_eq!(tagged(&harness, "left"), [0; 0]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn rejected_rows_are_not_missing() {
    let people = People::new(20, 3, 0);
    let harness = known(&people).await;
    let sync = || harness.sync(&format!("{SYNC} --max-missing 100%")).run();
    let bad = |nth: usize, field: usize, text: &str| {
        let mut people = people.clone();
        people.person(nth).fields[field].1 = text.into();
        people
    };
    // The row is rejected for another cell, and its match value is as before.
    harness.write("in.csv", bad(5, 0, "a\u{7}b").csv());
    check(&harness, sync().await, 3, "19 unchanged, 1 rejected", 0, "none");
    check(&harness, sync().await, 3, "19 unchanged, 1 rejected", 0, "none");
    harness.write("in.csv", people.csv());
    check(&harness, sync().await, 0, "20 unchanged", 0, "none");

    // The row has no usable match value: it may be any of the two that seem to be missing.
    let unknown = bad(5, 2, "not an address");
    harness.write("in.csv", without(&unknown, &[6]).csv());
    for _ in 0..2 {
        let ran = sync().await;
        assert!(ran.stderr.contains("2 contacts seem to be missing, but rejected rows"), "{ran:?}");
        check(&harness, ran, 3, "18 unchanged, 1 rejected", 0, "none");
    }
    // A row that is gone as well changes nothing.
    harness.write("in.csv", without(&unknown, &[6, 7]).csv());
    check(&harness, sync().await, 3, "17 unchanged, 1 rejected", 0, "none");
    harness.write("in.csv", without(&people, &[6, 7]).csv());
    check(&harness, sync().await, 0, "18 unchanged", 2, "2 add_tags");
    assert_eq!(tagged(&harness, "left"), [6, 7]);

    // A row that was without a usable value before is none of the missing ones.
    let mut more = without(&people, &[6, 7]);
    more.people.push(unknown.people[5].clone());
    harness.write("in.csv", more.csv());
    check(&harness, sync().await, 3, "18 unchanged, 1 rejected", 2, "none");
    more.people.remove(0);
    harness.write("in.csv", more.csv());
    check(&harness, sync().await, 3, "17 unchanged, 1 rejected", 3, "1 add_tags");
    assert_eq!(tagged(&harness, "left"), [0, 6, 7]);
    // Rows that are rejected because their calls are refused.
    check_journal(&harness).await;
}

#[tokio::test]
async fn rows_that_are_not_taken_are_missing() {
    let mut people = People::new(20, 3, 0);
    let harness = known(&people).await;
    harness.write("contactsync.toml", "match = \"email\"\n[[take]]\ncolumn = \"field_01\"\nis_not = [\"left us\"]\n");
    let sync = || harness.sync("in.csv --on-missing tag:left").run();
    // The rules changed, so the first run only looks.
    check(&harness, sync().await, 0, "20 unchanged", 0, "none");
    people.person(7).fields[0].1 = "left us".into();
    harness.write("in.csv", people.csv());
    check(&harness, sync().await, 0, "19 unchanged", 1, "1 add_tags");
    people.person(7).fields[0].1 = "back".into();
    harness.write("in.csv", people.csv());
    check(&harness, sync().await, 0, "1 updated, 19 unchanged", 0, "1 update, 1 remove_tags");
    // Not one row is left: that may be a mistake of the rule.
    for nth in 0..20 {
        people.person(nth).fields[0].1 = "left us".into();
    }
    harness.write("in.csv", people.csv());
    let refused = sync().await.exits(7);
    assert!(refused.stderr.contains("the input has no rows, and the source had 20 contacts"), "{refused:?}");
    check_journal(&harness).await;
}

#[tokio::test]
async fn an_input_without_rows_marks_no_contact() {
    let people = People::new(20, 3, 0);
    let harness = known(&people).await;
    harness.write("in.csv", "field_01,field_02,email,tags\n");
    let refused = harness.sync(&format!("{SYNC} --max-missing 100%")).run().await.exits(7);
    assert!(refused.stderr.contains("the input has no rows, and the source had 20 contacts"), "{refused:?}");
    harness.plan(&format!("{SYNC} --max-missing 100%")).run().await.exits(7);
    check(&harness, harness.sync("in.csv --match email").run().await, 0, "none", 0, "none");
    // Its contacts are not forgotten.
    harness.write("in.csv", without(&people, &[1]).csv());
    check(&harness, harness.sync(SYNC).run().await, 0, "19 unchanged", 1, "1 add_tags");
    check_journal(&harness).await;
}

#[tokio::test]
async fn limited_and_stopped_runs_mark_nothing_by_mistake() {
    let mut people = People::new(40, 3, 0);
    let harness = known(&people).await;
    let sync = |options: &str| harness.sync(&format!("{SYNC} {options}")).run();
    let gone = [1, 2, 3];
    people.person(10).fields[0].1 = "changed".into();
    people.person(20).fields[0].1 = "changed".into();
    harness.write("in.csv", without(&people, &gone).csv());
    // A limited run counts them and marks none.
    check(&harness, sync("--limit 1").await, 0, "1 updated, 35 unchanged, 1 skipped", 3, "1 update");
    let only = sync("--only person.30@example.com").await;
    check(&harness, only, 0, "36 unchanged, 1 skipped", 3, "none");
    // A run that is stopped marks the rest when it is resumed.
    let stopped = sync("--max-calls 2").await.exits(4);
    assert!(stopped.stderr.contains("2 of 3 missing contacts are not marked yet"), "{stopped:?}");
    assert_eq!(stopped.summary().count("marks_pending"), 2);
    assert_eq!(harness.calls(), "1 update, 1 add_tags");
    let resumed = harness.resume().run().await;
    check(&harness, resumed, 0, "1 updated, 36 unchanged", 3, "2 add_tags");
    assert_eq!(tagged(&harness, "left"), gone);
    // Returned contacts that a limited run leaves out are unmarked later.
    harness.write("in.csv", people.csv());
    check(&harness, sync("--limit 1").await, 0, "1 updated, 37 unchanged, 2 skipped", 0, "1 remove_tags");
    check(&harness, sync("--max-calls 1").await, 4, "1 updated, 38 unchanged, 1 pending", 0, "1 remove_tags");
    check(&harness, sync("").await, 0, "1 updated, 39 unchanged", 0, "1 remove_tags");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, sync("").await, 0, "40 unchanged", 0, "none");
    // A stopped run that the next input replaces.
    harness.write("in.csv", without(&people, &gone).csv());
    check(&harness, sync("--max-calls 1").await, 4, "37 unchanged", 3, "1 add_tags");
    harness.write("in.csv", without(&people, &[2, 3]).csv());
    check(&harness, sync("").await, 0, "1 updated, 37 unchanged", 2, "2 add_tags, 1 remove_tags");
    assert_eq!(tagged(&harness, "left"), [2, 3]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_changed_mapping_marks_nothing_before_a_complete_run() {
    let people = People::new(20, 3, 0);
    let harness = known(&people).await;
    let sync = |options: &str| harness.sync(&format!("in.csv --on-missing tag:left {options}")).run();
    // Contacts are found by another field, under which they are known by no key. Two are gone.
    harness.write("in.csv", without(&people, &[4, 5]).csv());
    let ran = sync("--match field_01").await;
    assert!(ran.stderr.contains("seem to be missing, but the columns, the mapping or the program changed"), "{ran:?}");
    assert_eq!((ran.exits(0).summary().rows().as_str(), tagged(&harness, "left")), ("18 unchanged", Vec::new()));
    let _ = harness.calls();
    // Those that were found again under their new keys are not missing.
    check(&harness, sync("--match field_01").await, 0, "18 unchanged", 2, "2 add_tags");
    assert_eq!(tagged(&harness, "left"), [4, 5]);
    check_journal(&harness).await;
    // A run that did not come to its end.
    let harness = known(&people).await;
    let sync = |options: &str| harness.sync(&format!("in.csv --match field_01 --on-missing tag:left {options}")).run();
    harness.write("in.csv", without(&people, &[4, 5]).csv());
    sync("--max-calls 10").await.exits(4);
    let _ = harness.calls();
    let ran = sync("").await.exits(0);
    assert_eq!((ran.summary().rows().as_str(), tagged(&harness, "left")), ("18 unchanged", Vec::new()));
    let _ = harness.calls();
    check(&harness, sync("").await, 0, "18 unchanged", 2, "2 add_tags");
    // A new column changes no key.
    let harness = known(&people).await;
    let mut wider = without(&people, &[4]);
    for person in &mut wider.people {
        person.fields.insert(0, ("_new".into(), "1".into()));
    }
    harness.write("in.csv", wider.csv());
    check(&harness, harness.sync(SYNC).run().await, 0, "19 unchanged", 0, "none");
    check(&harness, harness.sync(SYNC).run().await, 0, "19 unchanged", 1, "1 add_tags");
}

#[tokio::test]
async fn a_contact_that_is_rejected_under_its_new_key_is_not_missing() {
    let people = People::new(20, 3, 0);
    let harness = known(&people).await;
    let value = people.people[4].fields[0].1.clone();
    let refused = Rule::always(Fault::BadRequest).on(CallKind::Find).with_value(&value);
    harness.sandbox.set_faults(Faults { rules: vec![refused], ..Faults::default() });
    let sync = || harness.sync("in.csv --match field_01 --on-missing tag:left").run();
    for _ in 0..4 {
        let ran = sync().await.exits(3);
        assert_eq!((ran.summary().rows().as_str(), tagged(&harness, "left")), ("19 unchanged, 1 rejected", Vec::new()));
    }
    harness.sandbox.set_faults(Faults::default());
    for _ in 0..3 {
        sync().await;
    }
    assert_eq!(tagged(&harness, "left"), [0; 0]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_contact_that_another_source_names_otherwise_is_not_marked() {
    for first in ["default", "b"] {
        let people = People::new(12, 2, 0);
        let harness = Harness::unlimited().await;
        people.insert_into(&harness.sandbox);
        harness.write("in.csv", people.csv());
        let mut by_id = "contact_id,extra\n".to_owned();
        for contact in harness.sandbox.contacts(TOKEN).iter().take(4) {
            by_id += &format!("{},x\n", contact.id);
        }
        harness.write("b.csv", by_id);
        let a = || harness.sync(&format!("{SYNC} --max-missing 100%")).run();
        let b = || harness.sync("b.csv --source b --on-missing tag:left --max-missing 100%").run();
        for name in [first, if first == "b" { "default" } else { "b" }] {
            if name == "b" {
                b().await.exits(0)
            } else {
                a().await.exits(0)
            };
        }
        harness.write("in.csv", without(&people, &[2, 9]).csv());
        for _ in 0..2 {
            a().await.exits(0);
            // The other one of the two is nowhere any more.
            assert_eq!(tagged(&harness, "left"), [9], "{first}");
            b().await.exits(0);
        }
        check_journal(&harness).await;
    }
}

#[tokio::test]
async fn a_contact_whose_row_another_source_rejects_is_not_marked() {
    let people = People::new(12, 2, 0);
    let harness = known(&people).await;
    let rows = "match = [\"crm\", \"email\"]\n[fields]\nage = { column = \"age\", type = \"number\" }\n";
    harness.write("b.toml", rows);
    // The row has a match value that is new, and a value that cannot be sent.
    let row = |nth: usize, age: &str| format!("k{nth},person.{nth}@example.com,{age}\n");
    harness.write("b.csv", format!("crm,email,age\n{}{}", row(2, "x"), row(3, "5")));
    harness.sync("b.csv --config b.toml --source b").run().await.exits(3);
    harness.write("in.csv", without(&people, &[2, 3, 9]).csv());
    for _ in 0..2 {
        harness.sync(&format!("{SYNC} --max-missing 100%")).run().await.exits(0);
        assert_eq!(tagged(&harness, "left"), [9]);
    }
    // One that may only be missing from the other source: its key changed there.
    let harness = known(&people).await;
    harness.sync("in.csv --match email --source b").run().await.exits(0);
    harness.write("in.csv", without(&people, &[2]).csv());
    harness.sync("in.csv --match field_01 --source b").run().await.exits(0);
    let _ = harness.sync(&format!("{SYNC} --max-missing 100%")).run().await.exits(0);
    let _ = harness.sync(&format!("{SYNC} --max-missing 100%")).run().await.exits(0);
    assert_eq!(tagged(&harness, "left"), [0; 0]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_no_reason_to_mark() {
    let people = People::new(20, 3, 0);
    let harness = known(&people).await;
    let db = Connection::open(harness.path(JOURNAL)).expect("the journal");
    db.execute("UPDATE snapshot_chunks SET contacts = x'00'", []).expect("a table");
    drop(db);
    harness.write("in.csv", without(&people, &[4]).csv());
    let ran = harness.sync(SYNC).run().await;
    assert!(ran.stderr.contains("the journal's record of this source's last input is damaged"), "{ran:?}");
    check(&harness, ran, 0, "19 unchanged", 0, "none");
    // A source that the journal does not know.
    let ran = harness.sync(&format!("{SYNC} --source other")).run().await;
    assert!(ran.stderr.contains("the journal has no earlier input of this source"), "{ran:?}");
    check(&harness, ran, 0, "19 unchanged", 0, "none");
}

#[tokio::test]
async fn kills_and_lost_answers_leave_each_missing_contact_marked_once() {
    let people = People::new(100, 2, 0);
    let harness = known(&people).await;
    let gone: Vec<usize> = (0..100).step_by(2).collect();
    let faults = || Faults {
        seed: 5,
        lose_after: 0.1,
        lose_before: 0.1,
        latency: Duration::from_millis(10),
        ..Faults::default()
    };
    let sync = || harness.sync(&format!("{SYNC} --max-missing 100% --concurrency 2"));
    for (file, rounds) in [(without(&people, &gone), 6), (people.clone(), 6)] {
        harness.write("in.csv", file.csv());
        harness.sandbox.set_faults(faults());
        let ledger = harness.sandbox.ledger();
        for round in 0..rounds {
            let until = ledger.len() + 6;
            let mut running = if round % 3 == 2 { harness.resume().start() } else { sync().start() };
            assert!(running.until(|| ledger.len() >= until).await, "round {round}");
            running.kill().await;
        }
        harness.sandbox.set_faults(Faults::default());
        let ran = sync().run().await.exits(0);
        assert_eq!(ran.summary().count("missing"), 100 - file.people.len(), "{ran:?}");
        let expected = if file.people.len() < 100 { gone.clone() } else { Vec::new() };
        assert_eq!(tagged(&harness, "left"), expected);
        check_journal(&harness).await;
        let _ = harness.calls();
        let ran = sync().run().await.exits(0);
        assert_eq!(harness.calls(), "none", "{ran:?}");
    }
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn what_others_do_to_a_mark_is_left_alone() {
    let people = People::new(20, 2, 0);
    let harness = known(&people).await;
    let id = |nth: usize| harness.sandbox.contacts(TOKEN)[nth].id.clone();
    // An agent gives the tag that is the mark to a contact, and the journal learns it.
    harness.sandbox.edit(TOKEN, &id(3), [], ["left"]);
    harness
        .program(&format!(
            "pull --field email --value person.3@example.com --match email --journal {JOURNAL} --url {} --rate 1000000",
            harness.sandbox.url()
        ))
        .run()
        .await
        .exits(0);
    let _ = harness.calls();
    harness.write("in.csv", without(&people, &[3, 4]).csv());
    check(&harness, harness.sync(SYNC).run().await, 0, "18 unchanged", 2, "1 add_tags");
    assert_eq!(tagged(&harness, "left"), [3, 4]);
    // Another client removes the mark.
    let other = format!("contact_id,remove_tags\n{},left\n", id(4));
    harness.write("other.csv", other);
    harness
        .program(&format!("sync other.csv --json --journal other.db --url {} --rate 1000000", harness.sandbox.url()))
        .run()
        .await
        .exits(0);
    let _ = harness.calls();
    harness.write("in.csv", people.csv());
    let calls = "1 read, 1 remove_tags";
    check(&harness, harness.sync(SYNC).run().await, 0, "1 updated, 19 unchanged", 0, calls);
    assert_eq!(tagged(&harness, "left"), [3]);
    check(&harness, harness.sync(SYNC).run().await, 0, "20 unchanged", 0, "none");
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_contact_that_the_platform_no_longer_has_gets_no_mark() {
    let people = People::new(20, 2, 0);
    let harness = known(&people).await;
    harness.sync("in.csv --match email --search-lag 1s").run().await.exits(0);
    // The platform moved, and a contact is gone there.
    let new = Harness::unlimited().await;
    for contact in harness.sandbox.contacts(TOKEN).into_iter().take(19) {
        let fields = contact.fields.into_iter().map(|(name, value)| Field { name: name.into(), value });
        new.sandbox.insert_as(TOKEN, contact.id, fields);
    }
    harness.write("in.csv", without(&people, &[4, 19]).csv());
    let sync = |options: &str| {
        let arguments = format!(
            "sync {SYNC} --search-lag 1s --json --journal {JOURNAL} --rate 1000000 --url {} {options}",
            new.sandbox.url()
        );
        harness.program(&arguments).run()
    };
    let ran = sync("--moved").await;
    check(&new, ran, 0, "18 unchanged", 2, "2 add_tags");
    check(&new, sync("").await, 0, "18 unchanged", 2, "none");
    assert_eq!(new.sandbox.contacts(TOKEN).len(), 19);
    // It is created when it returns.
    harness.write("in.csv", without(&people, &[4]).csv());
    let ran = sync("").await;
    let calls = "3 find, 1 read, 1 create, 1 update";
    check(&new, ran, 0, "1 created, 18 unchanged", 1, calls);
    assert_eq!(new.sandbox.contacts(TOKEN).len(), 20);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_refused_mark_is_reported_and_tried_again_later() {
    let people = People::new(20, 2, 0);
    let harness = known(&people).await;
    harness.write("in.csv", without(&people, &[3, 4]).csv());
    let refused = Rule::always(Fault::UnknownError).on(CallKind::AddTags).with_value("person.3@example.com");
    harness.sandbox.set_faults(Faults { rules: vec![refused], ..Faults::default() });
    let ran = harness.sync(SYNC).run().await;
    assert!(
        ran.stderr.contains("email=person.3@example.com: not marked as missing; a later run tries again"),
        "{ran:?}"
    );
    check(&harness, ran, 0, "18 unchanged", 2, "2 add_tags");
    harness.sandbox.set_faults(Faults::default());
    // Not on the same day.
    check(&harness, harness.sync(SYNC).run().await, 0, "18 unchanged", 2, "none");
    assert_eq!(tagged(&harness, "left"), [4]);
    check(&harness, harness.sync(&format!("{SYNC} --retry-rejected")).run().await, 0, "18 unchanged", 2, "1 add_tags");
    assert_eq!(tagged(&harness, "left"), [3, 4]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn each_channel_has_its_missing_contacts() {
    let harness = Harness::unlimited().await;
    let config = format!(
        "match = \"email\"\non_missing = {{ tag = \"left\" }}\nurl = \"{}\"\nrate = 1000000\njournal = \"{JOURNAL}\"\n\
         channel_column = \"site\"\n[channel.west]\ntoken_env = \"WEST\"\n[channel.east]\ntoken_env = \"EAST\"\n",
        harness.sandbox.url()
    );
    harness.write("contactsync.toml", config);
    let rows = |moved: &str, range: std::ops::Range<usize>| {
        let rows = range.map(|nth| {
            let site = if nth == 11 { moved } else { ["west", "east"][nth % 2] };
            format!("person.{nth}@example.com,{site}\n")
        });
        format!("email,site\n{}", rows.collect::<String>())
    };
    let sync = |options: &str| {
        let program = harness.program(&format!("sync in.csv --json {options}"));
        program.environment(&[("WEST", "west"), ("EAST", "east")]).run()
    };
    let check = |ran: &Output, code: i32, rows: [u64; 3], missing: [u64; 2], calls: &str| {
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a summary");
        let found = ["created", "unchanged", "rejected"].map(|name| json[name].as_u64().expect("as the test has it"));
        let of_channel = |name: &str| match &json["channels"][name]["missing"] {
            serde_json::Value::Null => json["missing"].as_u64().expect("as the test has it"),
            count => count.as_u64().expect("as the test has it"),
        };
        let found_missing = ["west", "east"].map(of_channel);
        let calls = (harness.calls(), calls.to_owned());
        assert_eq!((ran.code, found, found_missing, calls.0), (Some(code), rows, missing, calls.1), "{ran:?}");
    };
    harness.write("in.csv", rows("east", 0..30));
    check(&sync("").await, 0, [30, 0, 0], [0, 0], "30 find, 30 create");
    check(&sync("").await, 0, [0, 30, 0], [0, 0], "none");
    // One moves to the other channel, and is missing from its first one. With one channel alone, too.
    harness.write("in.csv", rows("west", 0..30));
    check(&sync("--channel east").await, 0, [0, 14, 0], [1, 1], "1 add_tags");
    check(&sync("").await, 0, [1, 29, 0], [0, 1], "1 find, 1 create");
    // A row that names no channel is rejected, and so is not missing from any.
    harness.write("in.csv", rows("north", 0..30));
    check(&sync("").await, 3, [0, 29, 1], [0, 0], "none");
    check(&sync("--channel west").await, 0, [0, 15, 0], [0, 0], "none");
    // A channel of which the input has no row.
    let all = rows("west", 0..30);
    let west: Vec<&str> = all.lines().filter(|line| !line.ends_with("east")).collect();
    harness.write("in.csv", west.join("\n"));
    let ran = sync("").await;
    assert!(ran.stderr.contains("channel `east`: the input has no rows for this channel"), "{ran:?}");
    check(&ran, 0, [0, 16, 0], [0, 0], "none");
    // It is back in its first channel, from which its mark is taken back.
    harness.write("in.csv", rows("east", 0..30));
    check(&sync("").await, 0, [0, 29, 0], [1, 0], "1 add_tags, 1 remove_tags");
    check_journal(&harness).await;
}

#[tokio::test]
async fn lists_have_only_rows_and_a_saved_plan_has_the_marks() {
    let people = People::new(20, 2, 0);
    let harness = known(&people).await;
    harness.write("in.csv", without(&people, &[3]).csv());
    harness.plan(&format!("{SYNC} --save plan.json --detailed-exitcode")).run().await.exits(10);
    let options = "--plan plan.json --results all.csv --rejects bad.csv";
    let other = harness.sync(&format!("in.csv --match email --on-missing tag:other {options}")).run().await.exits(7);
    assert!(other.stderr.contains("the plan is not the saved one"), "{other:?}");
    check(&harness, harness.sync(&format!("{SYNC} {options}")).run().await, 0, "19 unchanged", 1, "1 add_tags");
    let all = std::fs::read_to_string(harness.path("all.csv")).expect("a list");
    assert_eq!((all.lines().count(), all.matches("unchanged").count()), (20, 19), "{all}");
    assert!(
        !harness.path("bad.csv").exists()
            || std::fs::read_to_string(harness.path("bad.csv")).expect("as the test has it").lines().count() <= 1
    );
    let runs = harness.program(&format!("runs --json --journal {JOURNAL}")).run().await.exits(0);
    assert!(runs.stdout.contains("\"missing\":1"), "{runs:?}");
}

#[tokio::test]
async fn wrong_marks_are_usage_errors() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(2, 2, 0).csv());
    let check = async |options: &str, error: &str| {
        let ran = harness.sync(&format!("in.csv {options}")).run().await.exits(2);
        assert!(ran.stderr.contains(error), "{options}: {ran:?}");
    };
    check("--match email --on-missing left", "expected ignore, tag:NAME or field:NAME=VALUE, found `left`").await;
    check("--match email --on-missing field:email=x", "`email` is a match field").await;
    check("--match email --on-missing tag:", "a tag is blank").await;
    check("--mode create --on-missing tag:left", "mode `create` does not change existing contacts").await;
    check("--match email --max-missing many", "expected a number such as 500").await;
    let check_key = async |line: &str, error: &str| {
        harness.write("contactsync.toml", format!("match = \"email\"\n{line}\n"));
        check("", error).await;
    };
    check_key("on_missing = \"left\"", "contactsync.toml:2: key `on_missing`: expected ignore, tag:NAME").await;
    check_key("on_missing = { tag = \"a\", value = \"b\" }", "contactsync.toml:2: key `on_missing`: expected { tag")
        .await;
    check_key("on_missing = { tags = \"a\" }", "unknown key `tags`").await;
    check_key("max_missing = \"200%\"", "expected a number such as 500").await;
    assert!(harness.sandbox.ledger().is_empty());
}

#[tokio::test]
async fn mirror_all_removes_the_tags_of_others_after_one_read() {
    let people = People::new(10, 2, 2);
    let harness = known(&people).await;
    let sync = || harness.sync("in.csv --match email --tags-mode mirror-all").run();
    let id = harness.sandbox.contacts(TOKEN)[4].id.clone();
    harness.sandbox.edit(TOKEN, &id, [], ["by hand", "another"]);
    let plan = harness.plan("in.csv --match email --tags-mode mirror-all").run().await.exits(0).planned();
    assert_eq!(plan.json["calls"]["read"], serde_json::json!({"min": 10, "max": 10}));
    check(&harness, sync().await, 0, "1 updated, 9 unchanged", 0, "10 read, 1 remove_tags");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, sync().await, 0, "10 unchanged", 0, "none");
    check(&harness, sync().await, 0, "10 unchanged", 0, "none");
    // What a search shows is enough, and a new contact has no tags.
    let mut more = People::new(12, 2, 2);
    let fields = more.people[10].fields.iter().map(|(name, value)| Field::text(name, value));
    harness.sandbox.insert(TOKEN, fields, ["by hand"]);
    harness.write("in.csv", more.csv());
    let calls = "2 find, 1 create, 2 add_tags, 1 remove_tags";
    check(&harness, sync().await, 0, "1 created, 1 updated, 10 unchanged", 0, calls);
    more.assert_stored_in(&harness.sandbox);
    // Fewer tags, with lost answers.
    more.person(0).tags.pop();
    harness.write("in.csv", more.csv());
    let lost = Rule::always(Fault::LoseAfter).until_call(1);
    harness.sandbox.set_faults(Faults { rules: vec![lost], ..Faults::default() });
    check(&harness, sync().await, 0, "1 updated, 11 unchanged", 0, "1 read, 2 remove_tags");
    more.assert_stored_in(&harness.sandbox);
    check(&harness, sync().await, 0, "12 unchanged", 0, "none");
    // An input without tags would remove all of them.
    harness.write("none.csv", "email\nperson.0@example.com\n");
    harness.sync("none.csv --match email --tags-mode mirror-all").run().await.exits(2);
    check_journal(&harness).await;
}
