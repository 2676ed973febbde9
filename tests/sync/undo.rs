//! `undo`: what a run changed is restored where the platform still has it, whatever happens on the way.

use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Faults, StoredContact};
use serde_json::Value as Json;

use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

fn undo<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    let url = harness.sandbox.url();
    harness.program(&format!("undo {arguments} --json --journal {JOURNAL} --url {url} --rate 1000000"))
}

/// The summary, and its counts that are not 0.
#[track_caller]
fn counts(output: &Output) -> (Json, String) {
    let summary: Json = serde_json::from_str(output.stdout.trim()).expect("one JSON object");
    let names = ["restored", "left_alone", "impossible", "tagged", "pending"];
    let count = |name: &str| summary[name].as_u64().expect("a number");
    assert_eq!(names.iter().map(|name| count(name)).sum::<u64>(), count("contacts"), "{summary}");
    let counts = names.iter().filter(|name| count(name) > 0).map(|name| format!("{} {name}", count(name)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    (summary, counts)
}

/// The listed contacts of a summary, as `key what: reason`.
fn listed(summary: &Json) -> Vec<String> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let line = |found: &Json| format!("{} {}: {}", text(&found["key"]), text(&found["what"]), text(&found["reason"]));
    summary["listed"].as_array().expect("a list").iter().map(line).collect()
}

/// The contact of row `number`, counted from zero.
fn stored(harness: &Harness, number: usize) -> StoredContact {
    let email = format!("person.{number}@example.com");
    let stored = harness.sandbox.contacts(TOKEN);
    stored.into_iter().find(|contact| contact.fields["email"].text() == email).expect("a contact of the file")
}

fn edit(harness: &Harness, number: usize, field: &str, value: &str) {
    let id = stored(harness, number).id;
    assert!(harness.sandbox.edit(TOKEN, &id, [Field::text(field, value)], [""; 0]));
}

async fn check_journal(harness: &Harness) {
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

/// A platform with `count` contacts that run 1 created and run 2 changed: `field_01` of each, which is not in the first input's
/// contacts. Returns the contacts as they were before run 2, and as they are.
async fn changed(count: usize) -> (Harness, People, People) {
    let harness = Harness::unlimited().await;
    let before = People::new(count, 4, 2);
    harness.write("before.csv", before.csv());
    harness.sync("before.csv --match email").run().await.exits(0);
    let mut after = before.clone();
    for (nth, person) in after.people.iter_mut().enumerate() {
        person.fields[0].1 = format!("changed {nth}");
    }
    harness.write("in.csv", after.csv());
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(ran.summary().rows(), format!("{count} updated"));
    harness.calls();
    (harness, before, after)
}

const EDITED: [usize; 5] = [3, 50, 51, 120, 199];

/// An agent edits five of the contacts. `before` is what the platform has after the undo.
fn edit_five(harness: &Harness, before: &mut People) -> Vec<String> {
    for number in EDITED {
        let value = format!("by hand {number}");
        edit(harness, number, "field_01", &value);
        before.person(number).fields[0].1 = value;
    }
    EDITED.iter().map(|nth| format!("email=person.{nth}@example.com left_alone: changed since: field_01")).collect()
}

#[tokio::test]
async fn what_a_run_changed_is_restored_and_edits_since_stay() {
    let (harness, mut before, after) = changed(200).await;
    let expected = edit_five(&harness, &mut before);

    // A dry run reads, and sends nothing that changes a contact.
    let dry = undo(&harness, "2 --dry-run").run().await.exits(3);
    let (summary, counted) = counts(&dry);
    assert_eq!((counted.as_str(), &summary["state"]), ("195 restored, 5 left_alone", &"planned".into()));
    assert_eq!(harness.calls(), "200 read");
    let of_edited = |line: &String| line.contains("left_alone");
    assert_eq!(listed(&summary).into_iter().filter(of_edited).collect::<Vec<_>>(), expected);
    assert!(!dry.stdout.contains("changed 7") && !dry.stdout.contains("value 1"), "values are masked");
    let shown = undo(&harness, "2 --dry-run --show-values").run().await.exits(3);
    let (summary, _) = counts(&shown);
    let first = serde_json::json!([{ "name": "field_01", "old": "changed 0", "new": "value 1, \"0\"" }]);
    assert_eq!(summary["listed"][0]["fields"], first);
    harness.calls();

    let undone = undo(&harness, "2").run().await.exits(3);
    let (summary, counted) = counts(&undone);
    assert_eq!(
        (counted.as_str(), &summary["run"], &summary["undoes"]),
        ("195 restored, 5 left_alone", &3.into(), &2.into())
    );
    assert_eq!(listed(&summary), expected);
    assert_eq!(harness.calls(), "200 read, 195 update");
    before.assert_stored_in(&harness.sandbox);
    check_journal(&harness).await;
    let runs = harness.program(&format!("runs --journal {JOURNAL}")).run().await.exits(0);
    assert!(runs.stdout.contains("undo of run 2"), "{runs:?}");

    // A second undo has nothing to restore.
    let (_, counted) = counts(&undo(&harness, "2").run().await.exits(3));
    assert_eq!((counted.as_str(), harness.calls()), ("195 restored, 5 left_alone", "200 read".into()));
    // The next sync of the same file applies it again, except to what was left alone.
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("195 updated, 5 unchanged".into(), "195 update".into()));
    // And the earlier file would send nothing for what the undo restored: the journal knows the values.
    let (_, counted) = counts(&undo(&harness, "5").run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("195 restored", "195 read, 195 update".into()));
    let plan = harness.plan("before.csv --match email").run().await.exits(0).planned();
    assert_eq!(plan.rows(), "195 unchanged, 5 pending");
    before.assert_stored_in(&harness.sandbox);
    drop(after);
    check_journal(&harness).await;
}

#[tokio::test]
async fn an_undo_that_is_killed_three_times_restores_the_same() {
    let (harness, mut before, _) = changed(200).await;
    let expected = edit_five(&harness, &mut before);
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(20), ..Faults::default() });
    let calls = || harness.sandbox.ledger().len();
    for (nth, calls_more) in [30, 110, 90].into_iter().enumerate() {
        let begun = calls();
        let mut running = undo(&harness, "2 --concurrency 4").start();
        assert!(running.until(|| calls() >= begun + calls_more).await, "{nth}");
        running.kill().await;
    }
    // By a signal and by its calls, once each.
    let begun = calls();
    let mut running = undo(&harness, "2 --concurrency 4").start();
    assert!(running.until(|| calls() >= begun + 20).await);
    running.signal("TERM").await;
    let (summary, _) = counts(&running.end().await.exits(4));
    assert_eq!(summary["state"], "stopped");
    harness.sandbox.set_faults(Faults::default());
    counts(&undo(&harness, "2 --max-calls 10").run().await.exits(4));
    // `resume` continues it like any run.
    let ran = harness.resume().run().await.exits(3);
    assert_eq!(ran.summary().rows(), "195 updated, 5 rejected");
    before.assert_stored_in(&harness.sandbox);
    let made = harness.sandbox.ledger().by_kind(TOKEN);
    // 200 creates, 200 updates of the undone run, and one more for each contact; a killed process repeats at most those in flight.
    let (reads, updates) = (made[&CallKind::Read], made[&CallKind::Update]);
    assert!((200..=240).contains(&reads) && (395..=412).contains(&updates), "{made:?}");
    check_journal(&harness).await;
    let (summary, counted) = counts(&undo(&harness, "2").run().await.exits(3));
    assert_eq!((counted.as_str(), listed(&summary)), ("195 restored, 5 left_alone", expected));
}

#[tokio::test]
async fn lost_answers_cost_calls_and_restore_the_same() {
    let (harness, mut before, _) = changed(120).await;
    for number in [5, 60] {
        edit(&harness, number, "field_01", "by hand");
        before.person(number).fields[0].1 = "by hand".into();
    }
    let faults = Faults {
        seed: 11,
        lose_before: 0.05,
        lose_after: 0.1,
        error_500: 0.05,
        error_500_after: 0.05,
        cut_body: 0.05,
        throttle: 0.03,
        throttle_seconds: 0,
        ..Faults::default()
    };
    harness.sandbox.set_faults(faults);
    let mut ran = undo(&harness, "2").run().await;
    // A contact whose calls kept failing is left for the next time.
    for _ in 0..5 {
        if ran.code != Some(4) {
            break;
        }
        ran = undo(&harness, "2").run().await;
    }
    let (summary, counted) = counts(&ran.exits(3));
    assert_eq!(counted, "118 restored, 2 left_alone");
    assert!(summary["calls"]["total"].as_u64() > Some(238), "{summary}");
    harness.sandbox.set_faults(Faults::default());
    before.assert_stored_in(&harness.sandbox);
    check_journal(&harness).await;
}

#[tokio::test]
async fn the_values_before_a_change_survive_lost_answers_and_kills_of_the_undone_run() {
    let slow = Faults { latency: Duration::from_millis(20), lose_after: 0.3, seed: 5, ..Faults::default() };
    let harness = Harness::unlimited().await;
    let before = People::new(100, 4, 0);
    harness.write("in.csv", before.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let mut after = before.clone();
    for person in &mut after.people {
        person.fields[1].1 = "changed".into();
    }
    harness.write("in.csv", after.csv());
    harness.sandbox.set_faults(slow);
    let calls = harness.sandbox.ledger().len();
    let mut running = harness.sync("in.csv --match email --concurrency 8").start();
    assert!(running.until(|| harness.sandbox.ledger().len() > calls + 40).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    // An interrupted run is not undone.
    let refused = undo(&harness, "2").run().await.exits(2);
    assert!(refused.stderr.contains("run 2 of channel `default` is not finished"), "{refused:?}");
    harness.resume().run().await.exits(0);
    after.assert_stored_in(&harness.sandbox);
    let (_, counted) = counts(&undo(&harness, "2").run().await.exits(0));
    assert_eq!(counted, "100 restored");
    before.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn tags_are_restored_and_an_undo_can_be_undone() {
    let harness = Harness::unlimited().await;
    let mut before = People::new(3, 2, 1);
    harness.write("in.csv", before.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    // An agent's tag, which the second run removes by name.
    let id = stored(&harness, 1).id;
    harness.sandbox.edit(TOKEN, &id, [Field::text("own", "agent")], ["of an agent"]);
    before.person(1).fields.insert(0, ("own".into(), "agent".into()));
    before.person(1).tags.push("of an agent".into());
    harness.write(
        "tags.csv",
        "email,tags,remove_tags\nperson.0@example.com,tag 0;new,\nperson.1@example.com,,of an agent;tag 0\n",
    );
    let ran = harness.sync("tags.csv --match email --source tags").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "2 updated");
    let tags = |number: usize| stored(&harness, number).tags.into_iter().collect::<Vec<_>>();
    assert_eq!((tags(0), tags(1)), (vec!["new".into(), "tag 0".into()], Vec::<String>::new()));
    harness.calls();

    // Whether the contact had the agent's tag was not known, because no call showed it.
    let (summary, counted) = counts(&undo(&harness, "2").run().await.exits(3));
    assert_eq!(counted, "1 restored, 1 impossible");
    assert_eq!(
        listed(&summary),
        ["email=person.1@example.com impossible: not known before the run: tag `of an agent`"]
    );
    assert_eq!(harness.calls(), "2 read, 1 add_tags, 1 remove_tags");
    assert_eq!((tags(0), tags(1)), (vec!["tag 0".to_owned()], vec!["tag 0".to_owned()]));

    // The undo of the undo.
    let (_, counted) = counts(&undo(&harness, "3").run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("2 restored", "2 read, 1 add_tags, 1 remove_tags".into()));
    assert_eq!((tags(0), tags(1)), (vec!["new".into(), "tag 0".into()], Vec::<String>::new()));
    check_journal(&harness).await;
}

#[tokio::test]
async fn created_contacts_are_listed_or_tagged() {
    let harness = Harness::unlimited().await;
    let people = People::new(4, 3, 1);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.calls();
    let (summary, counted) = counts(&undo(&harness, "1").run().await.exits(3));
    assert_eq!((counted.as_str(), harness.calls()), ("4 impossible", "none".into()));
    assert_eq!(listed(&summary)[0], "email=person.0@example.com impossible: the run created the contact");
    let (_, counted) = counts(&undo(&harness, "1 --dry-run --tag-created oops").run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("4 tagged", "none".into()));
    let undone = harness.program(&format!(
        "undo 1 --json --journal {JOURNAL} --url {} --rate 1000000 --tag-created",
        harness.sandbox.url()
    ));
    let (summary, counted) = counts(&undone.argument("by mistake").run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("4 tagged", "4 add_tags".into()));
    assert!(stored(&harness, 2).tags.contains("by mistake"));
    // The undo of that takes the tag away again.
    let run = summary["run"].to_string();
    let (_, counted) = counts(&undo(&harness, &run).run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("4 restored", "4 read, 4 remove_tags".into()));
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn what_was_not_known_before_is_listed_and_what_was_blank_is_cleared() {
    let harness = Harness::unlimited().await;
    harness.write(
        "contactsync.toml",
        "match = \"email\"\n[fields]\nemail = \"email\"\ncity = { column = \"city\", blank = \"clear\" }\n",
    );
    harness.write("in.csv", "email,city\nann@example.com,\nbo@example.com,Lima\n");
    harness.sandbox.insert(TOKEN, [Field::text("email", "ann@example.com")], [""; 0]);
    harness.sandbox.insert(TOKEN, [Field::text("email", "bo@example.com"), Field::text("city", "Lima")], [""; 0]);
    harness.sync("in.csv").run().await.exits(0);
    harness.write("in.csv", "email,city\nann@example.com,Quito\nbo@example.com,Quito\n");
    harness.sync("in.csv").run().await.exits(0);
    // A field that was never seen.
    harness.write("more.csv", "email,city,note\nann@example.com,Cuzco,x\n");
    harness.write("more.toml", "match = \"email\"\n[fields]\nemail = \"email\"\ncity = \"city\"\nnote = \"note\"\n");
    harness.sync("more.csv --config more.toml").run().await.exits(0);
    harness.calls();
    let (summary, counted) = counts(&undo(&harness, "3").run().await.exits(3));
    assert_eq!((counted.as_str(), harness.calls()), ("1 impossible", "1 read, 1 update".into()));
    assert_eq!(listed(&summary), ["email=ann@example.com impossible: not known before the run: note"]);
    let (_, counted) = counts(&undo(&harness, "2").run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("2 restored", "2 read, 2 update".into()));
    let stored = harness.sandbox.contacts(TOKEN);
    let city = |nth: usize| stored[nth].fields.get("city").map(|city| city.text().into_owned());
    assert_eq!((city(0), city(1)), (None, Some("Lima".into())));
}

#[tokio::test]
async fn a_contact_that_is_gone_is_listed_and_not_created() {
    let (harness, before, _) = changed(3).await;
    let moved = Harness::unlimited().await;
    for _ in 0..5 {
        moved.sandbox.insert("another channel", [Field::text("email", "other@example.com")], [""; 0]);
    }
    for number in [0, 2] {
        let contact = stored(&harness, number);
        let fields =
            contact.fields.iter().map(|(name, value)| Field { name: name.as_str().into(), value: value.clone() });
        moved.sandbox.insert_as(TOKEN, contact.id.clone(), fields);
    }
    let to = format!("--journal {JOURNAL} --url {} --rate 1000000 --moved --json", moved.sandbox.url());
    let (summary, counted) = counts(&harness.program(&format!("undo 2 {to}")).run().await.exits(3));
    assert_eq!((counted.as_str(), moved.calls()), ("2 restored, 1 impossible", "3 read, 2 update".into()));
    assert_eq!(listed(&summary), ["email=person.1@example.com impossible: the platform no longer has the contact"]);
    let there = moved.sandbox.contacts(TOKEN);
    assert_eq!(there.len(), 2);
    assert_eq!(there[0].fields["field_01"].text(), before.people[0].fields[0].1);
}

#[tokio::test]
async fn a_run_of_one_of_two_channels_is_undone_alone() {
    let harness = Harness::unlimited().await;
    let url = harness.sandbox.url();
    let config = format!(
        "match = \"email\"\nchannel_column = \"office\"\nrate = 1000000\njournal = \"{JOURNAL}\"\n\
         [channel.mx]\nurl = \"{url}\"\ntoken_file = \"mx.token\"\n[channel.us]\nurl = \"{url}\"\ntoken_file = \"us.token\"\n"
    );
    harness.write("contactsync.toml", config);
    harness.write("mx.token", "mx\n");
    harness.write("us.token", "us\n");
    let csv = |city: &str| format!("email,city,office\nann@example.com,{city},mx\nbo@example.com,{city},us\n");
    for city in ["Lima", "Quito"] {
        harness.write("in.csv", csv(city));
        harness.program("sync in.csv").run().await.exits(0);
    }
    let city = |token: &str| harness.sandbox.contacts(token)[0].fields["city"].text().into_owned();
    // The channel is that of the run.
    harness.program("undo 4").run().await.exits(0);
    assert_eq!((city("mx"), city("us")), ("Quito".into(), "Lima".into()));
    harness.program("undo 3 --channel mx").run().await.exits(0);
    assert_eq!((city("mx"), city("us")), ("Lima".into(), "Lima".into()));
    let refused = harness.program("undo 3 --channel us").run().await.exits(2);
    assert!(refused.stderr.contains("run 3 belongs to channel `mx`"), "{refused:?}");
}

#[tokio::test]
async fn a_run_that_cannot_be_undone_is_refused_before_anything_is_sent() {
    let harness = Harness::unlimited().await;
    let refused = undo(&harness, "1").run().await.exits(2);
    assert!(refused.stderr.contains("no such file"), "{refused:?}");
    harness.write("in.csv", "email,city\nann@example.com,Lima\n");
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.write("in.csv", "email,city\nann@example.com,Quito\n");
    harness.sync("in.csv --match email --keep-before 0").run().await.exits(0);
    harness.calls();
    let refused = undo(&harness, "7").run().await.exits(2);
    assert!(refused.stderr.contains("run 7: the journal has no such run"), "{refused:?}");
    let refused = undo(&harness, "2").run().await.exits(2);
    assert!(refused.stderr.contains("run 2: the values that it replaced are not kept"), "{refused:?}");
    undo(&harness, "0").run().await.exits(2);
    undo(&harness, "2 --tag-created").argument(" ").run().await.exits(2);
    assert_eq!(harness.calls(), "none");
    // Values are removed when their time is over, with the history.
    harness.write("in.csv", "email,city\nann@example.com,Cuzco\n");
    harness.sync("in.csv --match email").run().await.exits(0);
    counts(&undo(&harness, "3 --dry-run").run().await.exits(0));
    harness.program(&format!("journal prune --keep-before 0 --journal {JOURNAL}")).run().await.exits(0);
    undo(&harness, "3").run().await.exits(2);
    // Not those of a run that changed nothing.
    harness.sync("in.csv --match email").run().await.exits(0);
    let (_, counted) = counts(&undo(&harness, "4").run().await.exits(0));
    assert_eq!(counted, "");
}

#[tokio::test]
async fn marks_of_missing_contacts_are_undone_and_set_again_by_the_next_sync() {
    let harness = Harness::unlimited().await;
    let people = People::new(20, 2, 0);
    harness.write("in.csv", people.csv());
    let sync = "in.csv --match email --on-missing tag:left";
    harness.sync(sync).run().await.exits(0);
    let fewer = People { people: people.people[..19].to_vec() };
    harness.write("in.csv", fewer.csv());
    harness.sync(sync).run().await.exits(0);
    let is_marked = || stored(&harness, 19).tags.contains("left");
    assert!(is_marked());
    harness.calls();
    let (_, counted) = counts(&undo(&harness, "2").run().await.exits(0));
    assert_eq!((counted.as_str(), harness.calls()), ("1 restored", "1 read, 1 remove_tags".into()));
    assert!(!is_marked());
    let ran = harness.sync(sync).run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("19 unchanged".into(), "1 add_tags".into()));
    assert!(is_marked());
    check_journal(&harness).await;
}

#[tokio::test]
async fn an_undo_that_cannot_print_its_outcome_states_what_it_did_not_restore() {
    let (harness, mut before, _) = changed(8).await;
    edit(&harness, 3, "field_01", "by hand");
    before.person(3).fields[0].1 = "by hand".into();
    let ran = undo(&harness, "2").shell("exec \"$@\" >/dev/full").run().await.exits(1);
    assert_eq!(ran.stderr_lines("error: standard output: failed to write: ").len(), 1, "{ran:?}");
    assert!(ran.stderr.contains("warning: 1 contact was not restored, or only in part\n"), "{ran:?}");
    before.assert_stored_in(&harness.sandbox);
    check_journal(&harness).await;
}
