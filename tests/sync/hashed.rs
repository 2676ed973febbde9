//! `values = "hashed"`: the journal's file has no value and no match value of a contact, and every night takes the calls that it takes
//! with a plain journal.

use std::fs;
use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule, StoredForm};
use serde_json::Value as Json;

use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

/// What every value of these tests begins with, and no name, tag, message or text of the program has.
const SIGNS: [&str; 4] = ["Quixo", "+52155", "mail-of", "zarzuela"];

/// The files of the journal in which one of these texts is, with the first that is found.
fn found(harness: &Harness, signs: &[&str]) -> Vec<String> {
    let files = fs::read_dir(harness.path("")).expect("the directory").map(|file| file.expect("a file"));
    let of_journal = files.filter(|file| file.file_name().to_string_lossy().starts_with(JOURNAL));
    let mut found = Vec::new();
    for file in of_journal {
        let bytes = fs::read(file.path()).expect("a file of the journal");
        let has = |sign: &&&str| bytes.windows(sign.len()).any(|window| window == sign.as_bytes());
        if let Some(sign) = signs.iter().find(has) {
            let at = bytes.windows(sign.len()).position(|window| window == sign.as_bytes()).unwrap_or(0);
            let around =
                String::from_utf8_lossy(&bytes[at.saturating_sub(80)..(at + 80).min(bytes.len())]).into_owned();
            found.push(format!("{}: {sign}: {around:?}", file.file_name().to_string_lossy()));
        }
    }
    found
}

#[track_caller]
fn assert_no_value(harness: &Harness, when: &str) {
    assert_eq!(found(harness, &SIGNS), [""; 0], "{when}");
}

async fn assert_sound(harness: &Harness, when: &str) {
    let checked = harness.program(&format!("journal check --journal {JOURNAL}")).run().await;
    assert_eq!(checked.code, Some(0), "{when}: {checked:?}");
}

fn reading<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    let url = harness.sandbox.url();
    harness.program(&format!("{arguments} --json --journal {JOURNAL} --url {url} --rate 1000000"))
}

/// The rows of an input: phone, mail, name, city and tags. `_` is a blank.
fn csv(rows: &[[&str; 5]]) -> String {
    let mut csv = "phone,mail,name,city,tags\n".to_owned();
    for row in rows {
        csv.push_str(&row.map(|cell| if cell == "_" { "" } else { cell }).join(","));
        csv.push('\n');
    }
    csv
}

/// A list of rejected rows without the marks of times, or that there is none.
fn list(harness: &Harness, name: &str) -> String {
    fs::read_to_string(harness.path(name)).unwrap_or_else(|_| "no list".into())
}

/// The number of seconds is not the same twice, and neither are keys in a list of a journal of hashes.
fn facts(output: &Output) -> String {
    let mut summary: Json = serde_json::from_str(output.stdout.trim()).unwrap_or_default();
    if let Some(object) = summary.as_object_mut() {
        for key in ["seconds", "minutes"] {
            object.remove(key);
        }
        for difference in object.get_mut("differences").and_then(Json::as_array_mut).into_iter().flatten() {
            for key in ["key", "wanted"] {
                difference.as_object_mut().expect("an object").remove(key);
            }
        }
        let contacts = object.get_mut("diff").and_then(|diff| diff.get_mut("contacts"));
        for contact in contacts.and_then(Json::as_array_mut).into_iter().flatten() {
            contact["key"] = Json::Null;
            for field in contact["fields"].as_array_mut().into_iter().flatten() {
                field["old"] = Json::Null;
            }
        }
    }
    format!("exit {:?} {summary}", output.code)
}

/// A week in which every feature takes part. Returns what happened, step by step.
#[expect(clippy::too_many_lines, reason = "one step after the other")]
async fn week(values: &str) -> (Harness, Vec<String>) {
    let is_hashed = values == "hashed";
    let harness = Harness::faulty(Faults {
        stored_forms: vec![("phone".into(), StoredForm::WithoutPlus)],
        rules: vec![Rule::always(Fault::UnknownError).with_value("Quixo-refused")],
        ..Faults::default()
    })
    .await;
    // Contacts that are there before, one of them under the mail of a row that has another phone first.
    harness.sandbox.insert(TOKEN, [Field::text("phone", "5215500000007"), Field::text("name", "Quixo-old")], ["seen"]);
    harness.sandbox.insert(
        TOKEN,
        [Field::text("mail", "mail-of-8@example.com"), Field::text("city", "zarzuela")],
        [""; 0],
    );
    let mut story = Vec::new();
    let mut note = |harness: &Harness, what: &str, output: &Output| {
        let lists = format!("{}\n{}", list(harness, "bad.csv"), list(harness, "results.csv").lines().count());
        story.push(format!("{what}: {} | {} | {lists}", facts(output), harness.calls()));
        if is_hashed {
            assert_no_value(harness, what);
        }
    };
    let sync = |arguments: &str| {
        harness.sync(&format!(
            "in.csv --match phone --match mail --tags-mode mirror --duplicates merge --search-lag 300ms {arguments}"
        ))
    };
    let values = format!("--values {values} --rejects bad.csv --results results.csv");
    let night = |rows: &[[&str; 5]]| harness.write("in.csv", csv(rows));
    let one = ["+5215500000001", "mail-of-1@example.com", "Quixo-1", "zarzuela", "a;b"];
    let two = ["+5215500000002", "mail-of-2@example.com", "Quixo-2", "zarzuela 2", "a"];
    let seven = ["+5215500000007", "_", "Quixo-old", "zarzuela 7", "a"];
    let eight = ["+5215500000008", "mail-of-8@example.com", "Quixo-8", "_", "_"];
    let refused = ["+5215500000009", "mail-of-9@example.com", "Quixo-refused", "_", "_"];
    let keyless = ["_", "_", "Quixo-keyless", "zarzuela", "_"];
    // The first night: contacts are created and found, one is refused, one has no key, and one has two rows.
    night(&[one, two, seven, eight, refused, keyless, ["_", "mail-of-2@example.com", "Quixo-2b", "_", "b"]]);
    note(&harness, "first night", &sync(&values).run().await);
    // Nothing is left to do; the refused row waits.
    note(&harness, "same input", &sync("--rejects bad.csv --results results.csv").run().await);
    // In another order and with other columns first, the rows are mapped again.
    night(&[eight, seven, two, one, refused, keyless, ["_", "mail-of-2@example.com", "Quixo-2b", "_", "b"]]);
    note(&harness, "another order", &sync("--rejects bad.csv").run().await);
    // A row with a further match value only, a changed value, a tag less, and a new contact whose create is lost.
    let moved = ["_", "mail-of-1@example.com", "Quixo-1 changed", "zarzuela", "a"];
    let lost = ["+5215500000010", "mail-of-10@example.com", "Quixo-10", "zarzuela", "b"];
    night(&[moved, two, seven, eight, lost]);
    harness.sandbox.set_faults(Faults {
        rules: vec![Rule::always(Fault::LoseAfter).with_value("Quixo-10").on(CallKind::Create)],
        ..Faults::default()
    });
    let plan =
        harness.plan("in.csv --match phone --match mail --tags-mode mirror --duplicates merge --diff").run().await;
    note(&harness, "plan", &plan);
    note(&harness, "changes", &sync("--retry-rejected --rejects bad.csv").run().await);
    harness.sandbox.set_faults(Faults::default());
    // An interrupted night, and the rest of it.
    let more: Vec<[String; 5]> = (20..50)
        .map(|n| {
            [
                format!("+52155000000{n}"),
                format!("mail-of-{n}@example.com"),
                format!("Quixo-{n}"),
                "marker".into(),
                "a".into(),
            ]
        })
        .collect();
    let more: Vec<[&str; 5]> = more.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    let all = [&[moved, two, seven, eight, lost, refused, keyless][..], &more].concat();
    night(&all);
    let stopped = sync("--max-calls 20 --concurrency 1 --rejects bad.csv").run().await.exits(4);
    // What is pending is there as it is, until it ends.
    story.push(format!("stopped: {} | {}", facts(&stopped), harness.calls()));
    let resumed = harness.resume().with("--rejects bad.csv").run().await.exits(3);
    let mut note = |harness: &Harness, what: &str, output: &Output| {
        story.push(format!("{what}: {} | {} | {}", facts(output), harness.calls(), list(harness, "bad.csv")));
        if is_hashed {
            assert_no_value(harness, what);
        }
    };
    note(&harness, "resumed", &resumed);
    // Users of the platform change contacts, which is found, accepted, repaired and learnt.
    let stored = harness.sandbox.contacts(TOKEN);
    let of = |name: &str| {
        let is_one = |field: &str| field == name;
        let contact =
            stored.iter().find(|contact| contact.fields.get("name").is_some_and(|value| is_one(&value.text())));
        contact.unwrap_or_else(|| panic!("{name}")).id.clone()
    };
    for (name, city) in [("Quixo-20", "zarzuela by hand"), ("Quixo-21", "zarzuela too")] {
        assert!(harness.sandbox.edit(TOKEN, &of(name), [Field::text("city", city)], [""; 0]));
    }
    assert!(harness.sandbox.edit(TOKEN, &of("Quixo-22"), [Field::text("mail", "mail-of-22@other.com")], ["a", "own"]));
    note(&harness, "verified", &reading(&harness, "verify --show-values").run().await);
    note(&harness, "part of it", &reading(&harness, "verify --accept --sample 20 --seed 3").run().await);
    note(&harness, "verified again", &reading(&harness, "verify --show-values").run().await);
    note(&harness, "repaired", &reading(&harness, "verify --repair").run().await);
    note(&harness, "after repair", &sync("").run().await);
    note(
        &harness,
        "pulled",
        &reading(&harness, "pull --field city --value marker --match phone --match mail").run().await,
    );
    note(&harness, "after pull", &sync("").run().await);
    note(&harness, "only one", &sync("--only +5215500000025").run().await);
    assert_sound(&harness, "in the end").await;
    (harness, story)
}

#[tokio::test]
async fn a_journal_of_hashes_has_no_value_and_every_step_is_that_of_a_plain_one() {
    let ((plain, expected), (hashed, story)) = tokio::join!(week("plain"), week("hashed"));
    for (step, expected) in story.iter().zip(&expected) {
        assert_eq!(step, expected);
    }
    assert_eq!(story.len(), expected.len());
    // The search finds what a plain journal has, so that the tests above are able to fail.
    assert!(found(&plain, &SIGNS).len() == 1, "{:?}", found(&plain, &SIGNS));
    let contacts = |harness: &Harness| {
        let stored = harness.sandbox.contacts(TOKEN);
        let mut contacts: Vec<String> =
            stored.iter().map(|contact| format!("{:?} {:?}", contact.fields, contact.tags)).collect();
        contacts.sort_unstable();
        contacts
    };
    assert_eq!(contacts(&hashed), contacts(&plain));
}

#[tokio::test]
async fn a_plain_journal_is_converted_and_nothing_is_sent_again() {
    let harness = Harness::unlimited().await;
    let mut people = People::new(200, 6, 2);
    for (nth, person) in people.people.iter_mut().enumerate() {
        for (name, value) in &mut person.fields {
            *value = if name == "email" { format!("mail-of-{nth}@example.com") } else { format!("Quixo {name} {nth}") };
        }
    }
    harness.write("in.csv", people.csv());
    let sync = |arguments: &str| harness.sync(&format!("in.csv --match email --match field_01 {arguments}"));
    sync("--max-calls 300 --rejects bad.csv").run().await.exits(4);
    assert_ne!(found(&harness, &SIGNS), [""; 0]);
    harness.calls();
    let ran = sync("--values hashed --max-calls 1").run().await.exits(4);
    assert!(ran.stderr.contains("it keeps hashes in place of values from now on"), "{ran:?}");
    assert_sound(&harness, "with pending rows").await;
    let ran = sync("").run().await.exits(0);
    assert!(!ran.stderr.contains("hashes"), "{ran:?}");
    assert_no_value(&harness, "once nothing is pending");
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 200);
    harness.calls();
    let again = sync("").run().await.exits(0).summary();
    assert_eq!((again.rows(), harness.calls()), ("200 unchanged".into(), "none".into()));
    // In another order, each row is found by its hashes.
    people.people.reverse();
    harness.write("in.csv", people.csv());
    let again = sync("").run().await.exits(0).summary();
    assert_eq!((again.rows(), harness.calls()), ("200 unchanged".into(), "none".into()));
    assert_sound(&harness, "in the end").await;
}

#[tokio::test]
async fn a_kill_during_the_conversion_leaves_a_plain_journal_or_one_of_hashes() {
    let harness = Harness::unlimited().await;
    let people = People::new(3_000, 12, 2);
    harness.write("in.csv", people.csv());
    people.insert_into(&harness.sandbox);
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.calls();
    let plain = fs::read(harness.path(JOURNAL)).expect("the journal");
    let mut chance = fastrand::Rng::with_seed(7);
    for _ in 0..8 {
        for extra in ["-wal", "-shm"] {
            let _ = fs::remove_file(harness.path(&format!("{JOURNAL}{extra}")));
        }
        harness.write(JOURNAL, &plain);
        let running = harness.program(&format!("journal prune --values hashed --journal {JOURNAL}")).start();
        tokio::time::sleep(Duration::from_millis(chance.u64(20..400))).await;
        running.kill().await;
        assert_sound(&harness, "after the kill").await;
        // Without the option it is the one or the other, and recognises its contacts.
        let ran = harness.sync("in.csv --match email").run().await.exits(0).summary();
        assert_eq!((ran.rows(), harness.calls()), ("3000 unchanged".into(), "none".into()));
        harness.sync("in.csv --match email --values hashed").run().await.exits(0);
        assert_eq!((found(&harness, &["person.", "value 3"]), harness.calls()), (Vec::new(), "none".into()));
    }
}

#[tokio::test]
async fn kills_and_lost_answers_with_hashes_create_each_contact_once() {
    let mut chance = fastrand::Rng::with_seed(5);
    let harness = Harness::faulty(Faults {
        seed: 4,
        lose_after: 0.03,
        lose_before: 0.03,
        error_500_after: 0.03,
        late_search: Duration::from_millis(600),
        latency: Duration::from_millis(5),
        ..Faults::default()
    })
    .await;
    let people = People::new(60, 32, 12);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --match email --search-lag 1s --concurrency 8 --values hashed");
    let ledger = harness.sandbox.ledger();
    for _ in 0..8 {
        let until = ledger.len() + 1 + chance.usize(0..50);
        let mut running = sync().start();
        if !running.until(|| ledger.len() >= until).await {
            break;
        }
        running.kill().await;
    }
    let mut ended = sync().run().await;
    for _ in 0..5 {
        if ended.code == Some(4) {
            ended = sync().run().await;
        }
    }
    ended.exits(0);
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(ledger.creates(TOKEN), 60);
    assert_eq!(found(&harness, &["person.", "value 3"]), [""; 0]);
    assert_sound(&harness, "in the end").await;
}

#[tokio::test]
async fn another_process_keeps_the_journal_as_it_is() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(3, 3, 1).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.calls();
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(1_500), ..Faults::default() });
    harness.write("more.csv", People::new(6, 3, 1).csv());
    let before = harness.sandbox.ledger().len();
    let mut running = harness.sync("more.csv --match email --channel other").start();
    assert!(running.until(|| harness.sandbox.ledger().len() > before).await);
    let refused = harness.sync("in.csv --match email --values hashed").run().await;
    assert!(refused.stderr.contains("cannot replace its values with hashes while another process"), "{refused:?}");
    assert!(refused.stderr.contains("hint: wait until the other process has ended"), "{refused:?}");
    running.end().await;
}

#[tokio::test]
async fn a_journal_of_hashes_stays_one_and_learns_values_again_when_it_is_plain() {
    let harness = Harness::unlimited().await;
    let rows = |city: &str| format!("mail,city\nmail-of-1@example.com,{city}\nmail-of-2@example.com,zarzuela\n");
    harness.write("in.csv", rows("zarzuela"));
    let sync = |arguments: &str| harness.sync(&format!("in.csv --match mail {arguments}"));
    sync("--values hashed").run().await.exits(0);
    // Without the option, it stays as it is.
    sync("").run().await.exits(0);
    assert_no_value(&harness, "without the option");
    let planned = |arguments: &str| harness.plan(&format!("in.csv --match mail --diff --show-values {arguments}"));
    harness.write("in.csv", rows("Quixo"));
    let plan = planned("").run().await;
    assert!(plan.stdout.contains(r#""old":"(hashed)","new":"Quixo""#), "{plan:?}");
    let text = harness.program(&format!("plan in.csv --match mail --diff --journal {JOURNAL}")).run().await;
    assert!(text.stdout.contains("city: (hashed) → "), "{text:?}");
    // What is written from now on is plain; match values stay hashes.
    harness.calls();
    let ran = sync("--values plain").run().await.exits(0).summary();
    assert_eq!((ran.rows(), harness.calls()), ("1 updated, 1 unchanged".into(), "1 update".into()));
    assert_eq!(found(&harness, &["Quixo"]).len(), 1);
    assert_eq!(found(&harness, &["mail-of-"]), [""; 0]);
    harness.write("in.csv", rows("Quixo 2"));
    let plan = planned("").run().await;
    assert!(plan.stdout.contains(r#""old":"Quixo","new":"Quixo 2""#), "{plan:?}");
    // And back.
    sync("--values hashed").run().await.exits(0);
    assert_no_value(&harness, "hashed again");
    assert_sound(&harness, "in the end").await;
}

#[tokio::test]
async fn lists_name_lines_and_rejected_rows_are_whole() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "mail,city\nmail-of-1@example.com,zarzuela\nmail-of-none,Quixo\n,Quixo\n");
    harness.write("contactsync.toml", "values = \"hashed\"\nmatch = \"mail\"\n");
    let ran = harness.sync("in.csv --rejects bad.csv --results results.csv").run().await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let bad = list(&harness, "bad.csv");
    assert!(bad.contains("mail-of-none,Quixo"), "{bad}");
    let results = list(&harness, "results.csv");
    assert!(results.contains("\n2,mail=mail-of-1@example.com,created"), "{results}");
    assert_no_value(&harness, "once the lists are written");
    // Of a row that was not mapped, only the hash is known.
    harness.sync("in.csv --results results.csv").run().await.exits(3);
    let results = list(&harness, "results.csv");
    assert!(results.contains("\n2,mail=…") && !results.contains("mail-of-1"), "{results}");
    assert_no_value(&harness, "once the list is written");
}

#[tokio::test]
async fn a_person_is_forgotten_and_suppressed_and_values_are_not_restored() {
    let harness = Harness::unlimited().await;
    let rows = |city| {
        csv(&[
            ["+5215500000001", "mail-of.a@x.mx", "Quixo A", city, "vip"],
            ["+5215500000002", "_", "Quixo B", "Lima", "_"],
        ])
    };
    harness.write("in.csv", rows("Lima"));
    let sync = || reading(&harness, "sync in.csv --match phone --match mail --values hashed").run();
    sync().await.exits(0);
    harness.write("in.csv", rows("zarzuela"));
    sync().await.exits(0);
    let _ = harness.calls();
    // The values before are not kept, so nothing can be restored, and nothing is sent.
    let undone = reading(&harness, "undo 2").run().await;
    assert_eq!((undone.code, harness.calls().as_str()), (Some(2), "none"), "{undone:?}");
    assert!(undone.stderr.contains("run 2: the values that it replaced are not kept"), "{undone:?}");

    // By any of its match values; the other person stays known.
    let erased = harness.program(&format!("journal forget mail=mail-of.a@x.mx --suppress --json --journal {JOURNAL}"));
    let erased: Json = serde_json::from_str(&erased.run().await.exits(0).stdout).expect("one JSON object");
    assert_eq!(erased["contacts"].as_array().map(Vec::len), Some(1), "{erased}");
    assert_sound(&harness, "forgotten").await;
    let ran = sync().await.exits(0).summary();
    assert_eq!((ran.rows().as_str(), harness.calls().as_str()), ("1 unchanged, 1 skipped", "none"));
    assert_no_value(&harness, "forgotten");
    let again = harness.program(&format!("journal forget phone=+5215500000001 --json --journal {JOURNAL}")).run().await;
    assert_eq!(again.code, Some(2), "{again:?}");
}
