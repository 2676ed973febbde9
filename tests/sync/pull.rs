//! `pull`: the platform's contacts are learnt by pages of ten, and no search is needed for them afterwards.

use std::time::Duration;

use contactsync::Field;
use contactsync::contact::ContactId;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule, StoredContact};
use serde_json::Value as Json;

use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

/// The pull of all contacts with the marker of [`marked`].
fn pull<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    let url = harness.sandbox.url();
    harness.program(&format!(
        "pull --field source --value crm --match email --json --journal {JOURNAL} --url {url} --rate 1000000 {arguments}"
    ))
}

/// Checks that the page on reading back explains every key of a summary.
pub fn assert_documented(summary: &Json) {
    let page = include_str!("../../docs/read-back.md");
    for key in summary.as_object().expect("an object").keys() {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

/// Contacts with a marker: the last field is `email`, the one before it `source`.
fn marked(count: usize) -> People {
    let mut people = People::new(count, 4, 2);
    for person in &mut people.people {
        person.fields.insert(3, ("source".into(), "crm".into()));
    }
    people
}

/// The summary, and the numbers in it that are not 0: contacts seen, learnt and so on.
fn counts(output: &Output) -> (Json, String) {
    let summary: Json = serde_json::from_str(output.stdout.trim()).expect("one JSON object");
    let names = ["seen", "learnt", "conflicts", "in_doubt", "unmarked", "missing"];
    let counts = names.iter().filter(|name| summary[**name] != 0).map(|name| format!("{} {name}", summary[*name]));
    let counts = counts.collect::<Vec<_>>().join(", ");
    (summary, counts)
}

#[tokio::test]
async fn a_lost_journal_is_learnt_by_pages_and_then_needs_no_call() {
    let harness = Harness::unlimited().await;
    let people = marked(10_000);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    let pulled = pull(&harness, "").run().await.exits(0);
    let (summary, counted) = counts(&pulled);
    assert_eq!(counted, "10000 seen, 10000 learnt");
    assert_eq!((&summary["state"], &summary["total"]), (&"finished".into(), &10_000.into()));
    assert_eq!(summary["calls"]["find"], 1_000);
    assert_documented(&summary);
    assert_eq!(harness.calls(), "1000 find");
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("10000 unchanged".into(), "none".into()));
    people.assert_stored_in(&harness.sandbox);
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

#[tokio::test]
async fn what_a_pull_learnt_is_compared_like_a_hit_of_a_search() {
    let harness = Harness::unlimited().await;
    let ann = [Field::text("source", "crm"), Field::text("email", "ann@example.com"), Field::text("city", "Lima")];
    harness.sandbox.insert(TOKEN, ann, ["vip"]);
    let bo = [Field::text("source", "crm"), Field::text("email", "bo@example.com"), Field::text("city", "Quito")];
    harness.sandbox.insert(TOKEN, bo, ["old"]);
    pull(&harness, "").run().await.exits(0);
    assert_eq!(harness.calls(), "1 find");
    // Blank values that are cleared and tags that are removed need no call where the contact had neither.
    let rules = "match = \"email\"\n[fields]\nemail = \"email\"\ncity = \"city\"\nnotes = { column = \"notes\", blank = \"clear\" }\n";
    harness.write("contactsync.toml", rules);
    harness.write(
        "in.csv",
        "email,city,notes,tags,remove_tags\nann@example.com,Lima,,vip,old\nbo@example.com,Cuzco,,new,old\n",
    );
    let synced = harness.sync("in.csv").run().await.exits(0).summary();
    assert_eq!(synced.rows(), "1 updated, 1 unchanged");
    assert_eq!(harness.calls(), "1 update, 1 add_tags, 1 remove_tags");
}

#[tokio::test]
async fn an_interrupted_pull_continues_where_it_stopped() {
    let harness = Harness::unlimited().await;
    let people = marked(100);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    // By the number of calls.
    let stopped = pull(&harness, "--max-calls 3").run().await.exits(4);
    let (summary, counted) = counts(&stopped);
    assert_eq!((counted.as_str(), &summary["state"]), ("30 seen", &"stopped".into()));
    assert_eq!(harness.calls(), "3 find");
    // Nothing is known of a part of the list, which may lack a contact with the same key.
    assert_eq!(harness.plan("in.csv --match email").run().await.exits(0).planned().rows(), "100 pending");
    // By a kill.
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(50), ..Faults::default() });
    let mut running = pull(&harness, "").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 5).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    // By a signal.
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(100), ..Faults::default() });
    let mut running = pull(&harness, "").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 7).await);
    running.signal("TERM").await;
    let (summary, _) = counts(&running.end().await.exits(4));
    assert!(summary["reason"].as_str().is_some_and(|reason| reason.contains("SIGTERM")), "{summary}");
    harness.sandbox.set_faults(Faults::default());
    let (_, counted) = counts(&pull(&harness, "").run().await.exits(0));
    assert_eq!(counted, "100 seen, 100 learnt");
    // Ten pages; the call of the killed process was repeated.
    let finds = harness.sandbox.ledger().by_kind(TOKEN)[&CallKind::Find];
    assert!((10..=11).contains(&finds), "{finds}");
    harness.calls();
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("100 unchanged".into(), "none".into()));
}

#[tokio::test]
async fn lost_answers_and_refusals_for_the_limit_cost_calls_and_no_contact() {
    let faults = Faults {
        seed: 7,
        lose_before: 0.05,
        lose_after: 0.1,
        error_500: 0.1,
        cut_body: 0.05,
        throttle: 0.05,
        throttle_seconds: 0,
        ..Faults::default()
    };
    let harness = Harness::faulty(faults).await;
    let people = marked(200);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    let (_, counted) = counts(&pull(&harness, "").run().await.exits(0));
    assert_eq!(counted, "200 seen, 200 learnt");
    harness.sandbox.set_faults(Faults::default());
    harness.calls();
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("200 unchanged".into(), "none".into()));
}

#[tokio::test]
async fn a_pull_keeps_to_the_rate_limit_of_runs() {
    let harness = Harness::unlimited().await;
    let people = marked(40);
    people.insert_into(&harness.sandbox);
    // Of three calls a minute, a search took one.
    harness.write("one.csv", "email,field_01\nnew@example.com,x\n");
    let url = harness.sandbox.url();
    let run = format!("sync one.csv --match email --mode update --journal {JOURNAL} --url {url} --rate 3");
    harness.program(&run).run().await.exits(3);
    assert_eq!(harness.calls(), "1 find");
    let pull =
        format!("pull --field source --value crm --match email --journal {JOURNAL} --url {url} --rate 3 --for 45s");
    harness.program(&pull).run().await.exits(4);
    assert_eq!(harness.calls(), "2 find");
}

#[tokio::test]
async fn contacts_that_share_a_key_are_reported_and_not_learnt() {
    let harness = Harness::unlimited().await;
    let mut people = marked(5);
    people.insert_into(&harness.sandbox);
    let twin = people.person(2).clone();
    let fields = twin.fields.iter().map(|(name, value)| Field::text(name, value));
    harness.sandbox.insert(TOKEN, fields, &twin.tags);
    harness.write("in.csv", people.csv());
    let pulled = pull(&harness, "").run().await.exits(3);
    let (summary, counted) = counts(&pulled);
    assert_eq!(counted, "6 seen, 4 learnt, 2 conflicts");
    assert_eq!(summary["conflicting"][0]["key"], "email=person.2@example.com");
    assert!(pulled.stderr.contains("email=person.2@example.com"), "{pulled:?}");
    harness.calls();
    // A search rejects its row, as it does without a pull.
    let synced = harness.sync("in.csv --match email").run().await.exits(3).summary();
    assert_eq!((synced.rows(), harness.calls()), ("4 unchanged, 1 rejected".into(), "1 find".into()));
}

#[tokio::test]
async fn an_id_that_another_contact_has_by_now_is_reported() {
    let harness = Harness::unlimited().await;
    let people = marked(3);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    pull(&harness, "").run().await.exits(0);
    let reused = harness.sandbox.contacts(TOKEN)[1].id.clone();
    let other = ["field_01", "field_02", "field_03", "email"].map(|name| Field::text(name, "zoe@example.com"));
    assert!(harness.sandbox.edit(TOKEN, &reused, other, [""; 0]));
    let pulled = pull(&harness, "").run().await.exits(3);
    let (summary, counted) = counts(&pulled);
    assert_eq!(counted, "3 seen, 2 learnt, 1 conflicts");
    let conflict = serde_json::json!({ "key": "email=person.1@example.com", "ids": [reused.as_str()] });
    assert_eq!(summary["conflicting"][0], conflict);
}

#[tokio::test]
async fn a_value_that_two_contacts_share_in_a_further_match_field_identifies_neither() {
    let harness = Harness::unlimited().await;
    let contact = |phone: &str, email: &str| {
        let fields = [("source", "crm"), ("phone", phone), ("email", email)];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        harness.sandbox.insert(TOKEN, fields.map(|(name, value)| Field::text(name, value)), [""; 0])
    };
    contact("+525550000001", "own@example.com");
    contact("+525550000002", "family@example.com");
    contact("+525550000003", "family@example.com");
    contact("", "alone@example.com");
    harness.write("contactsync.toml", "match = [\"phone\", \"email\"]\n");
    let url = harness.sandbox.url();
    let command = format!("pull --field source --value crm --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&command).run().await.exits(0);
    assert_eq!(harness.calls(), "1 find");
    // Before an input says whose it is.
    harness.write("shared.csv", "phone,email\n,family@example.com\n");
    let synced = harness.sync("shared.csv").run().await.exits(3).summary();
    assert_eq!((synced.rows(), harness.calls()), ("1 rejected".into(), "1 find".into()));
    harness.write(
        "in.csv",
        "phone,email\n,own@example.com\n+525550000002,family@example.com\n,alone@example.com\n+525550000003,\n",
    );
    let synced = harness.sync("in.csv").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("4 unchanged".into(), "none".into()));
}

/// Two contacts that a sync created with the match fields `phone` and `email`, which an agent exchanged between them.
async fn with_exchanged_emails() -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "match = [\"phone\", \"email\"]\nsearch_lag = \"1ms\"\n");
    let rows = ["+525550000001,a@example.com,Ann", "+525550000002,b@example.com,Bo"];
    harness.write("in.csv", format!("phone,email,name,source\n{},crm\n{},crm\n", rows[0], rows[1]));
    harness.sync("in.csv").run().await.exits(0);
    for (name, email) in [("Ann", "b@example.com"), ("Bo", "a@example.com")] {
        let id = named(&harness, name).id;
        assert!(harness.sandbox.edit(TOKEN, &id, [Field::text("email", email)], [""; 0]));
    }
    harness.calls();
    harness
}

fn named(harness: &Harness, name: &str) -> StoredContact {
    let stored = harness.sandbox.contacts(TOKEN);
    stored.into_iter().find(|contact| contact.fields["name"].text() == name).expect("a contact of that name")
}

#[tokio::test]
async fn a_further_match_value_that_moved_identifies_the_contact_that_has_it_now() {
    let with = async |learning: &str, calls: &str| {
        let harness = with_exchanged_emails().await;
        let url = harness.sandbox.url();
        let command = format!("{learning} --journal {JOURNAL} --url {url} --rate 1000000");
        harness.program(&command).run().await;
        harness.calls();
        harness.write("city.csv", "phone,email,city\n,b@example.com,Lima\n");
        let synced = harness.sync("city.csv").run().await.exits(0).summary();
        assert_eq!((synced.rows(), harness.calls()), ("1 updated".into(), calls.into()), "{learning}");
        assert_eq!(named(&harness, "Ann").fields["city"].text(), "Lima", "{learning}");
        assert!(!named(&harness, "Bo").fields.contains_key("city"), "{learning}");
    };
    with("pull --field source --value crm", "1 update").await;
    with("verify --repair", "1 find, 1 update").await;
    with("verify --accept", "1 find, 1 update").await;
}

#[tokio::test]
async fn nothing_is_known_of_contacts_in_a_conflict() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "search_lag = \"1ms\"\n");
    let mut people = marked(3);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    // The second contact gets the match value of the first one, and the values of another person.
    let stored = harness.sandbox.contacts(TOKEN);
    let of = |nth: usize| {
        let email = format!("person.{nth}@example.com");
        stored.iter().find(|contact| contact.fields["email"].text() == email).expect("a contact").id.clone()
    };
    let changed = ["field_01", "field_02", "email"].map(|name| Field::text(name, "person.0@example.com"));
    assert!(harness.sandbox.edit(TOKEN, &of(1), changed, [""; 0]));
    pull(&harness, "").run().await.exits(3);
    harness.calls();
    people.person(0).fields[0].1 = "changed 0".into();
    people.person(1).fields[0].1 = "changed 1".into();
    harness.write("in.csv", people.csv());
    // Two contacts have the first match value, and none has the second one.
    let synced = harness.sync("in.csv --match email").run().await.exits(3).summary();
    assert_eq!(synced.rows(), "1 created, 1 unchanged, 1 rejected");
    assert_eq!(harness.calls(), "2 find, 1 create, 1 add_tags");
}

#[tokio::test]
async fn what_was_accepted_stays_so_after_a_pull() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "search_lag = \"1ms\"\n");
    let people = marked(3);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let edited = harness.sandbox.contacts(TOKEN)[1].id.clone();
    harness.sandbox.edit(TOKEN, &edited, [Field::text("field_01", "by hand")], ["tag 0", "tag 1"]);
    let url = harness.sandbox.url();
    let accept = format!("verify --accept --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&accept).run().await.exits(3);
    pull(&harness, "").run().await.exits(0);
    harness.calls();
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("3 unchanged".into(), "none".into()));
    assert_eq!(harness.sandbox.contacts(TOKEN)[1].fields["field_01"].text(), "by hand");
}

#[tokio::test]
async fn pages_that_move_meanwhile_are_walked_again() {
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(80), ..Faults::default() }).await;
    let people = marked(60);
    people.insert_into(&harness.sandbox);
    harness.write("in.csv", people.csv());
    let first: ContactId = harness.sandbox.contacts(TOKEN)[0].id.clone();
    let mut running = pull(&harness, "").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 2).await);
    // An agent takes the marker away from the first contact: all that follow move ahead by one.
    assert!(harness.sandbox.edit(TOKEN, &first, [Field::text("source", "agent")], [""; 0]));
    let (summary, counted) = counts(&running.end().await.exits(0));
    assert_eq!(counted, "59 seen, 59 learnt");
    assert_eq!((&summary["passes"], harness.calls()), (&2.into(), "12 find".into()));
    harness.sandbox.set_faults(Faults::default());
    // Only the first one is searched for.
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("1 updated, 59 unchanged".into(), "1 find, 1 update".into()));
}

#[tokio::test]
async fn pages_that_contradict_themselves_teach_nothing() {
    for fault in [Fault::TotalBeyondPages, Fault::NextOnLastPage, Fault::PageIgnored] {
        let rules = vec![Rule::always(fault).on(CallKind::Find)];
        let harness = Harness::faulty(Faults { rules, ..Faults::default() }).await;
        let people = marked(25);
        people.insert_into(&harness.sandbox);
        harness.write("in.csv", people.csv());
        let (summary, counted) = counts(&pull(&harness, "").run().await.exits(4));
        assert!(!counted.contains("learnt"), "{fault}: {counted}");
        let reason = summary["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("contradicts itself"), "{fault}: {reason}");
        let calls = harness.sandbox.ledger().len();
        assert!(calls <= 6, "{fault}: {calls}");
        // Once the platform is well, the same pull goes on.
        harness.sandbox.set_faults(Faults::default());
        let (_, counted) = counts(&pull(&harness, "").run().await.exits(0));
        assert_eq!(counted, "25 seen, 25 learnt", "{fault}");
    }
}

#[tokio::test]
async fn a_search_that_is_loose_teaches_only_contacts_with_the_marker() {
    let harness = Harness::unlimited().await;
    marked(3).insert_into(&harness.sandbox);
    let other = [Field::text("source", "crm legacy"), Field::text("email", "other@example.com")];
    harness.sandbox.insert(TOKEN, other, [""; 0]);
    let (_, counted) = counts(&pull(&harness, "").run().await.exits(0));
    assert_eq!(counted, "4 seen, 3 learnt, 1 unmarked");
    harness.calls();
    harness.write("in.csv", "email\nother@example.com\n");
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("1 unchanged".into(), "1 find".into()));
}

#[tokio::test]
async fn a_known_contact_that_was_edited_is_sent_again_after_a_pull() {
    let harness = Harness::unlimited().await;
    let people = marked(30);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.calls();
    let edited = harness.sandbox.contacts(TOKEN)[7].id.clone();
    harness.sandbox.edit(TOKEN, &edited, [Field::text("field_01", "by hand")], ["tag 0", "tag 1"]);
    // The rows did not change, so nothing is sent.
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("30 unchanged".into(), "none".into()));
    // The search lag is over as far as the pull is concerned.
    let config = "search_lag = \"1ms\"\n";
    harness.write("lag.toml", config);
    pull(&harness, "--config lag.toml").run().await.exits(0);
    assert_eq!(harness.calls(), "3 find");
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("1 updated, 29 unchanged".into(), "1 update".into()));
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn what_a_run_wrote_within_the_search_lag_is_not_replaced_by_an_older_page() {
    let harness = Harness::unlimited().await;
    let people = marked(3);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let edited = harness.sandbox.contacts(TOKEN)[1].id.clone();
    harness.sandbox.edit(TOKEN, &edited, [Field::text("field_01", "as it was")], ["tag 0", "tag 1"]);
    harness.calls();
    let (_, counted) = counts(&pull(&harness, "").run().await.exits(0));
    assert_eq!(counted, "3 seen, 3 learnt");
    harness.calls();
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("3 unchanged".into(), "none".into()));
}

#[tokio::test]
async fn a_create_in_doubt_stays_in_doubt() {
    let harness = Harness::faulty(Faults { latency: Duration::from_mins(1), ..Faults::default() }).await;
    let people = marked(2);
    harness.write("in.csv", people.csv());
    let mut running = harness.sync("in.csv --match email --mode create --search-lag 1s --concurrency 2").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 2).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    let (_, counted) = counts(&pull(&harness, "").run().await.exits(0));
    assert_eq!(counted, "2 seen, 2 in_doubt");
    let summary = harness.resume().run().await.exits(0).summary();
    assert_eq!(summary.rows(), "2 created");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn a_plan_says_when_a_pull_takes_fewer_calls() {
    let harness = Harness::unlimited().await;
    let planned = async |count: usize| {
        harness.write("in.csv", marked(count).csv());
        let plan = format!("plan in.csv --match email --journal {JOURNAL} --url {}", harness.sandbox.url());
        harness.program(&plan).run().await.exits(0).stdout
    };
    let text = planned(1_000).await;
    let expected = "searching for the unknown contacts takes 1,000 calls; if they are on the platform with `source` = `crm`, \
                    `contactsync pull --field source --value crm` with the same match fields, platform and journal learns them in 100 calls";
    assert!(text.contains(expected), "{text}");
    assert!(!planned(10).await.contains("pull"), "ten contacts");
    marked(1_000).insert_into(&harness.sandbox);
    pull(&harness, "").run().await.exits(0);
    assert!(!planned(1_000).await.contains("pull"), "after a pull");
}

#[tokio::test]
async fn a_refused_token_ends_a_pull() {
    let harness = Harness::unlimited().await;
    marked(3).insert_into(&harness.sandbox);
    harness.sandbox.refuse_token(TOKEN);
    let (summary, _) = counts(&pull(&harness, "").run().await.exits(5));
    assert!(summary["reason"].as_str().is_some_and(|reason| reason.contains("refused the token")), "{summary}");
}

#[tokio::test]
async fn a_pull_needs_a_marker_a_match_field_and_one_channel() {
    let harness = Harness::unlimited().await;
    let check = async |command: &str, error: &str| {
        let ran = harness.program(command).run().await.exits(2);
        assert!(ran.stderr.contains(error), "{command}: {ran:?}");
        assert_eq!(harness.calls(), "none", "{command}");
    };
    let url = harness.sandbox.url();
    check(&format!("pull --match email --url {url}"), "--field").await;
    check(&format!("pull --field source --value crm --url {url}"), "no match field").await;
    harness.write("contactsync.toml", format!(
        "match = \"email\"\nchannel_column = \"channel\"\nurl = \"{url}\"\n[channel.a]\ntoken_env = \"A\"\n[channel.b]\ntoken_env = \"B\"\n"
    ));
    check("pull --field source --value crm", "several channels").await;
}

#[tokio::test]
async fn conflicts_are_printed_also_if_standard_output_is_full() {
    let harness = Harness::unlimited().await;
    for email in ["ann@example.com", "bo@example.com", "bo@example.com"] {
        harness.sandbox.insert(
            TOKEN,
            [("source", "crm"), ("email", email)].map(|(name, value)| Field::text(name, value)),
            [""; 0],
        );
    }
    let url = harness.sandbox.url();
    let command =
        format!("pull --field source --value crm --match email --journal {JOURNAL} --url {url} --rate 1000000");
    let ran = harness.program(&command).shell("exec \"$@\" >/dev/full").run().await.exits(1);
    assert_eq!(ran.stderr_lines("warning: conflict: contacts ").len(), 1, "{ran:?}");
    assert!(ran.stderr.contains("warning: some contacts were not learnt\n"), "{ran:?}");
    assert_eq!(ran.stderr_lines("error: standard output: failed to write: ").len(), 1, "{ran:?}");
    harness.calls();
    harness.write("in.csv", "email\nann@example.com\n");
    let synced = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((synced.rows(), harness.calls()), ("1 unchanged".into(), "none".into()));
}
