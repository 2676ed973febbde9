//! `verify`: known contacts are read back, and what differs is listed, repaired or accepted.

use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Faults, StoredContact};
use serde_json::{Value as Json, json};

use super::pull::assert_documented;
use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

fn verify<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    let url = harness.sandbox.url();
    harness.program(&format!("verify {arguments} --json --journal {JOURNAL} --url {url} --rate 1000000"))
}

/// The summary, and the differences as `key name` or `key what`.
fn found(output: &Output) -> (Json, Vec<String>) {
    let summary: Json = serde_json::from_str(output.stdout.trim()).expect("one JSON object");
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let name = |found: &Json| format!("{} {} {}", text(&found["key"]), text(&found["what"]), text(&found["name"]));
    let found = summary["differences"].as_array().expect("a list").iter().map(name).collect();
    (summary, found)
}

/// A platform with `count` contacts that a sync created, and their input `in.csv`.
async fn synced(count: usize) -> (Harness, People) {
    let harness = Harness::unlimited().await;
    let people = People::new(count, 4, 2);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.calls();
    (harness, people)
}

/// The contact of row `number`, counted from zero. Contacts may be created in another order than that of the file.
fn stored(harness: &Harness, number: usize) -> StoredContact {
    let email = format!("person.{number}@example.com");
    let stored = harness.sandbox.contacts(TOKEN);
    stored.into_iter().find(|contact| contact.fields["email"].text() == email).expect("a contact of the file")
}

/// Changes a field of these contacts as an agent would.
fn edit(harness: &Harness, numbers: &[usize]) {
    for number in numbers {
        let id = stored(harness, *number).id;
        let changed = [Field::text("field_02", format!("by hand {number}"))];
        assert!(harness.sandbox.edit(TOKEN, &id, changed, [""; 0]));
    }
}

const EDITED: [usize; 7] = [0, 3, 11, 12, 29, 31, 39];

fn edited() -> Vec<String> {
    EDITED.iter().map(|number| format!("email=person.{number}@example.com field field_02")).collect()
}

#[tokio::test]
async fn hand_edits_are_found_and_repaired_by_the_next_sync() {
    let (harness, people) = synced(40).await;
    edit(&harness, &EDITED);
    // Without a verification they stay.
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("40 unchanged".into(), "none".into()));
    let listed = verify(&harness, "").run().await.exits(3);
    let (summary, differences) = found(&listed);
    assert_eq!(differences, edited());
    assert_eq!((&summary["verified"], &summary["differing"]), (&40.into(), &7.into()));
    assert_documented(&summary);
    assert_documented(&summary["differences"][0]);
    assert_eq!(harness.calls(), "40 read");
    // Values are masked.
    assert!(!listed.stdout.contains("by hand") && !listed.stdout.contains("value 2"), "{listed:?}");
    let shown = verify(&harness, "--show-values").run().await.exits(3);
    assert!(shown.stdout.contains("by hand 11") && shown.stdout.contains("value 2"), "{shown:?}");
    harness.calls();
    // Listing changes nothing.
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("40 unchanged".into(), "none".into()));

    let (_, differences) = found(&verify(&harness, "--repair").run().await.exits(3));
    assert_eq!(differences, edited());
    harness.calls();
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("7 updated, 33 unchanged".into(), "7 update".into()));
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(found(&verify(&harness, "").run().await.exits(0)).1, [""; 0]);
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

#[tokio::test]
async fn accepted_values_are_not_listed_again_and_stay_until_the_input_changes() {
    let (harness, mut people) = synced(40).await;
    edit(&harness, &EDITED);
    assert_eq!(found(&verify(&harness, "--accept").run().await.exits(3)).1, edited());
    assert_eq!(found(&verify(&harness, "").run().await.exits(0)).1, [""; 0]);
    harness.calls();
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("40 unchanged".into(), "none".into()));
    people.person(3).fields[1].1 = "a new value".into();
    harness.write("in.csv", people.csv());
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("1 updated, 39 unchanged".into(), "1 update".into()));
    // The edit of another field is listed.
    harness.sandbox.edit(TOKEN, &stored(&harness, 11).id, [Field::text("field_01", "by hand")], [""; 0]);
    let (_, differences) = found(&verify(&harness, "").run().await.exits(3));
    assert_eq!(differences, ["email=person.11@example.com field field_01"]);
}

#[tokio::test]
async fn an_accepted_difference_is_listed_again_once_a_sync_has_written_to_the_contact() {
    let (harness, mut people) = synced(3).await;
    let by_hand = |value: &'static str| {
        let id = stored(&harness, 1).id;
        assert!(harness.sandbox.edit(TOKEN, &id, [Field::text("field_02", value)], [""; 0]));
    };
    harness.write("contactsync.toml", "search_lag = \"1ms\"\n");
    by_hand("one");
    let differs = ["email=person.1@example.com field field_02"];
    assert_eq!(found(&verify(&harness, "--accept").run().await.exits(3)).1, differs);
    let known = people.people[1].fields[1].1.clone();
    for value in ["another", &known] {
        people.person(1).fields[1].1 = value.to_owned();
        harness.write("in.csv", people.csv());
        harness.sync("in.csv --match email").run().await.exits(0);
        assert_eq!(stored(&harness, 1).fields["field_02"].text(), value);
    }
    by_hand("one");
    assert_eq!(found(&verify(&harness, "").run().await.exits(3)).1, differs);
}

#[tokio::test]
async fn a_marker_does_not_prove_that_an_id_is_still_the_same_contact() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "search_lag = \"1ms\"\n");
    let csv = "email,source,name\na@example.com,crm,\nb@example.com,crm,\n";
    harness.write("in.csv", csv);
    harness.sync("in.csv --match email").run().await.exits(0);
    let url = harness.sandbox.url();
    let pull = format!("pull --field source --value crm --match email --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&pull).run().await.exits(0);
    let id = harness.sandbox.contacts(TOKEN)[0].id.clone();
    assert!(harness.sandbox.edit(TOKEN, &id, [Field::text("email", "z@example.com")], [""; 0]));
    let (summary, differences) = found(&verify(&harness, "--repair").run().await.exits(3));
    assert_eq!(differences.len(), 1, "{summary}");
    assert!(differences[0].ends_with(" replaced "), "{summary}");
}

#[tokio::test]
async fn an_answer_with_another_contact_proves_nothing() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,city\na@example.com,Lima\nb@example.com,Quito\n");
    let contact = |id: u32, email: &str, city: &str| {
        let fields = json!([{ "name": "email", "value": email }, { "name": "city", "value": city }]);
        json!({ "data": { "id": id, "custom_fields": fields, "tags": [] } })
    };
    let url = super::hostile::platform(move |_, request| {
        let body = if request.starts_with("POST") {
            json!({ "data": { "id": if request.contains("a@example.com") { 101 } else { 102 } } })
        } else if request.contains("/contact/101") {
            contact(102, "b@example.com", "Quito")
        } else {
            contact(102, "b@example.com", "Bogota")
        };
        (200, body.to_string())
    })
    .await;
    let to = format!("--journal {JOURNAL} --url {url} --rate 1000000 --json");
    harness.program(&format!("sync in.csv --mode create --match email {to}")).run().await.exits(0);
    harness.write("contactsync.toml", "search_lag = \"1ms\"\n");
    let ran = harness.program(&format!("verify --repair {to}")).run().await.exits(3);
    let (summary, differences) = found(&ran);
    assert_eq!(differences, ["email=b@example.com field city"], "{ran:?}");
    assert_eq!((&summary["verified"], &summary["unread"]), (&1.into(), &1.into()), "{ran:?}");
    // That nothing differs is not known either.
    harness.write("in.csv", "email,city\na@example.com,Lima\n");
    let to = format!("--journal other.db --url {url} --rate 1000000 --json");
    harness.program(&format!("sync in.csv --mode create --match email {to}")).run().await.exits(0);
    let ran = harness.program(&format!("verify --quiet {to}")).run().await.exits(3);
    assert_eq!(found(&ran).1, [""; 0], "{ran:?}");
    assert!(ran.stderr.contains("1 contact could not be read, and may differ"), "{ran:?}");
}

#[tokio::test]
async fn dropped_fields_are_found_and_tags_of_agents_stay() {
    let (harness, people) = synced(5).await;
    harness.sandbox.edit(TOKEN, &stored(&harness, 1).id, [Field::text("field_01", "")], [""; 0]);
    harness.sandbox.edit(TOKEN, &stored(&harness, 2).id, [Field::text("own", "of an agent")], ["of an agent"]);
    let (_, differences) = found(&verify(&harness, "--repair").run().await.exits(3));
    assert_eq!(differences, ["email=person.1@example.com field field_01"]);
    harness.calls();
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("1 updated, 4 unchanged".into(), "1 update".into()));
    assert!(stored(&harness, 2).tags.contains("of an agent"));
    assert_eq!(stored(&harness, 1).fields["field_01"].text(), people.people[1].fields[0].1);
}

#[tokio::test]
async fn an_interrupted_verification_continues_where_it_stopped() {
    let (harness, _) = synced(40).await;
    edit(&harness, &EDITED);
    let (summary, differences) = found(&verify(&harness, "--max-calls 10 --concurrency 1").run().await.exits(4));
    assert_eq!((&summary["state"], &summary["verified"]), (&"stopped".into(), &10.into()));
    assert_eq!(differences, edited()[..2]);
    assert_eq!(harness.calls(), "10 read");
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(30), ..Faults::default() });
    let before = harness.sandbox.ledger().len();
    let mut running = verify(&harness, "--concurrency 1").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == before + 10).await);
    running.kill().await;
    let mut running = verify(&harness, "--concurrency 1").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == before + 15).await);
    running.signal("TERM").await;
    running.end().await.exits(4);
    harness.sandbox.set_faults(Faults::default());
    // What earlier processes found is listed as well.
    let (summary, differences) = found(&verify(&harness, "--concurrency 1").run().await.exits(3));
    assert_eq!((differences, &summary["verified"]), (edited(), &40.into()));
    let reads = harness.sandbox.ledger().by_kind(TOKEN)[&CallKind::Read];
    // The killed process repeated at most the read in flight.
    assert!((40..=42).contains(&reads), "{reads}");
}

#[tokio::test]
async fn lost_answers_are_no_differences() {
    let (harness, _) = synced(60).await;
    edit(&harness, &EDITED);
    let faults = Faults {
        seed: 3,
        lose_before: 0.05,
        lose_after: 0.1,
        error_500: 0.1,
        cut_body: 0.05,
        throttle: 0.03,
        throttle_seconds: 0,
        ..Faults::default()
    };
    harness.sandbox.set_faults(faults);
    let (summary, differences) = found(&verify(&harness, "--repair").run().await.exits(3));
    assert_eq!((differences, &summary["verified"]), (edited(), &60.into()));
    harness.sandbox.set_faults(Faults::default());
    harness.calls();
    let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((night.rows(), harness.calls()), ("7 updated, 53 unchanged".into(), "7 update".into()));
}

#[tokio::test]
async fn contacts_with_a_marker_are_read_by_pages() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(200, 3, 1);
    for person in &mut people.people {
        person.fields.insert(2, ("source".into(), "crm".into()));
    }
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    let url = harness.sandbox.url();
    let pull = format!("pull --field source --value crm --match email --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&pull).run().await.exits(0);
    harness.calls();
    edit(&harness, &[5, 150]);
    // Twenty pages, and the two that differ by id.
    let (_, differences) = found(&verify(&harness, "").run().await.exits(3));
    let expected = [5, 150].map(|number| format!("email=person.{number}@example.com field field_02"));
    assert_eq!((differences, harness.calls()), (expected.to_vec(), "20 find, 2 read".into()));
    // A sample of ten is read by id.
    let (summary, _) = found(&verify(&harness, "--sample 10 --seed 7").run().await);
    assert_eq!((&summary["contacts"], harness.calls()), (&10.into(), "10 read".into()));
    // The marker can be given, and a contact that lost it is read by id.
    let lost = stored(&harness, 20).id;
    harness.sandbox.edit(TOKEN, &lost, [Field::text("source", "agent")], [""; 0]);
    let (_, differences) = found(&verify(&harness, "--field source --value crm").run().await.exits(3));
    assert_eq!((differences.len(), harness.calls()), (3, "20 find, 3 read".into()));
}

#[tokio::test]
async fn a_contact_that_is_gone_is_reported_and_repaired_without_a_duplicate() {
    let (harness, people) = synced(3).await;
    // The platform has moved, and the second contact did not come along.
    let moved = Harness::unlimited().await;
    // Its next ids are not those of the contacts that came along.
    for _ in 0..5 {
        moved.sandbox.insert("another channel", [Field::text("email", "other@example.com")], [""; 0]);
    }
    for number in [0, 2] {
        let contact = stored(&harness, number);
        let fields =
            contact.fields.iter().map(|(name, value)| Field { name: name.as_str().into(), value: value.clone() });
        moved.sandbox.insert_as(TOKEN, contact.id.clone(), fields);
        // The third one came without a tag.
        let tags = contact.tags.iter().filter(|tag| number != 2 || *tag != "tag 0");
        assert!(moved.sandbox.edit(TOKEN, &contact.id, [] as [Field; 0], tags), "{number}");
    }
    let to = format!("--journal {JOURNAL} --url {} --rate 1000000 --moved --json", moved.sandbox.url());
    harness.write("lag.toml", "search_lag = \"1ms\"\n");
    let ran = harness.program(&format!("verify --repair --config lag.toml {to}")).run().await.exits(3);
    let (summary, differences) = found(&ran);
    assert_eq!(differences, ["email=person.1@example.com gone ", "email=person.2@example.com tag_missing tag 0"]);
    assert_eq!((&summary["differing"], &summary["gone"]), (&2.into(), &1.into()));
    assert_eq!(moved.calls(), "3 read");
    let ran = harness.program(&format!("sync in.csv --match email --config lag.toml {to}")).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "1 created, 1 updated, 1 unchanged");
    people.assert_stored_in(&moved.sandbox);
}

#[tokio::test]
async fn an_input_restricts_the_contacts_and_the_fields() {
    let (harness, _) = synced(10).await;
    edit(&harness, &[1, 2, 3]);
    harness.sandbox.edit(TOKEN, &stored(&harness, 4).id, [Field::text("field_01", "by hand")], [""; 0]);
    harness
        .write("some.csv", "email,field_02\nperson.2@example.com,x\nperson.4@example.com,x\nperson.9@example.com,x\n");
    let (summary, differences) = found(&verify(&harness, "some.csv --match email").run().await.exits(3));
    assert_eq!((&summary["contacts"], harness.calls()), (&3.into(), "3 read".into()));
    assert_eq!(differences, ["email=person.2@example.com field field_02"]);
}

#[tokio::test]
async fn a_verification_needs_a_journal() {
    let harness = Harness::unlimited().await;
    let ran = verify(&harness, "").run().await.exits(2);
    assert!(ran.stderr.contains("no such file"), "{ran:?}");
    let ran = verify(&harness, "--repair --accept").run().await.exits(2);
    assert!(ran.stderr.contains("--accept"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn repaired_differences_are_printed_also_if_standard_output_is_full() {
    let (harness, people) = synced(8).await;
    for form in ["", "--json"] {
        edit(&harness, &[3]);
        let url = harness.sandbox.url();
        let arguments = format!("verify --repair {form} --journal {JOURNAL} --url {url} --rate 1000000");
        let ran = harness.program(&arguments).shell("exec \"$@\" >/dev/full").run().await.exits(1);
        let lines: Vec<&str> = ran.stderr.lines().filter(|line| !line.starts_with("platform: ")).collect();
        let [contact, differs, hint, error] = lines[..] else { panic!("{form}: {ran:?}") };
        assert_eq!(contact, "warning: email=person.3@example.com: field_02: expected `v…\"`, found `b…3`");
        assert_eq!(differs, "warning: 1 contact differs from what the journal knows");
        assert!(hint.starts_with("hint: the next sync sends the values"), "{form}: {ran:?}");
        assert!(error.starts_with("error: standard output: failed to write: "), "{form}: {ran:?}");
        // The journal has it: the next sync repairs it.
        harness.calls();
        let night = harness.sync("in.csv --match email").run().await.exits(0).summary();
        assert_eq!((night.rows(), harness.calls()), ("1 updated, 7 unchanged".into(), "1 update".into()), "{form}");
        people.assert_stored_in(&harness.sandbox);
    }
}
