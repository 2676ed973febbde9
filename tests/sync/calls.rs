//! The calls that a file takes, in the ledger and in the summary: the minimum that the API's limits allow.

use support::{Harness, Output, People};

/// Checks a run's exit code, the outcomes of its rows, and its calls.
#[track_caller]
fn check(harness: &Harness, ran: Output, code: i32, rows: &str, calls: &str) {
    let ran = ran.exits(code);
    let summary = ran.summary();
    assert_eq!(summary.rows(), rows, "{ran:?}");
    assert_eq!(harness.calls(), calls, "{ran:?}");
    assert_eq!(summary.calls(), calls, "{ran:?}");
    assert_eq!(summary.text("state"), "finished", "{ran:?}");
}

#[tokio::test]
async fn a_new_contact_takes_one_create_and_calls_for_what_exceeds_it() {
    let harness = Harness::unlimited().await;
    let people = People::new(300, 41, 15);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --mode create").run();
    check(&harness, sync().await, 0, "300 created", "300 create, 300 update, 600 add_tags");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, sync().await, 0, "300 unchanged", "none");
}

#[tokio::test]
async fn an_upsert_of_new_contacts_takes_a_search_each_and_then_only_what_changes() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(300, 41, 15);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --match email").run();
    check(&harness, sync().await, 0, "300 created", "300 find, 300 create, 300 update, 600 add_tags");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, sync().await, 0, "300 unchanged", "none");

    people.person(17).fields[3].1 = "another value".into();
    harness.write("in.csv", people.csv());
    check(&harness, sync().await, 0, "1 updated, 299 unchanged", "1 update");
    people.assert_stored_in(&harness.sandbox);

    people.person(200).tags.push("one more".into());
    harness.write("in.csv", people.csv());
    check(&harness, sync().await, 0, "1 updated, 299 unchanged", "1 add_tags");
    people.assert_stored_in(&harness.sandbox);

    // A blank cell leaves the platform's value alone.
    let before = people.clone();
    people.person(5).fields[0].1.clear();
    harness.write("in.csv", people.csv());
    check(&harness, sync().await, 0, "300 unchanged", "none");
    before.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn existing_equal_contacts_take_one_search_each() {
    let harness = Harness::unlimited().await;
    let people = People::new(300, 41, 15);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    check(&harness, harness.sync("in.csv --match email").run().await, 0, "300 unchanged", "300 find");
    people.assert_stored_in(&harness.sandbox);
    check(&harness, harness.sync("in.csv --match email").run().await, 0, "300 unchanged", "none");
}

#[tokio::test]
async fn mode_update_creates_no_contact() {
    let harness = Harness::unlimited().await;
    let people = People::new(30, 41, 15);
    harness.write("in.csv", people.csv());
    let ran = harness.sync("in.csv --match email --mode update").run().await;
    let warned = ran.stderr_lines("warning: in.csv:").len();
    check(&harness, ran, 3, "30 rejected", "30 find");
    assert_eq!(warned, 20, "the first twenty are reported");
    assert!(harness.sandbox.contacts(support::TOKEN).is_empty());
}
