//! `contact`: single contacts by hand. No contact is created twice, whatever happens on the way, and the next sync knows what changed.

use std::time::Duration;

use contactsync::Field;
use contactsync::contact::Value;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule, StoredContact};
use serde_json::{Value as Json, json};

use support::{Harness, JOURNAL, Output, Program, TOKEN};

const PHONE: &str = "phone=+525512345601";

fn contact<'a>(harness: &'a Harness, arguments: &str) -> Program<'a> {
    let url = harness.sandbox.url();
    harness.program(&format!("contact {arguments} --match phone --journal {JOURNAL} --url {url} --rate 1000000"))
}

#[track_caller]
fn json(output: &Output) -> Json {
    serde_json::from_str(output.stdout.trim()).expect("one JSON object")
}

/// The contact of a change, as `outcome key`.
#[track_caller]
fn outcome(output: &Output) -> String {
    let contact = &json(output)["contact"];
    let text = |name: &str| contact[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("outcome"), text("key"))
}

/// The only contact of the platform.
#[track_caller]
fn stored(harness: &Harness) -> StoredContact {
    let mut stored = harness.sandbox.contacts(TOKEN);
    assert_eq!(stored.len(), 1, "{stored:?}");
    stored.remove(0)
}

fn value(contact: &StoredContact, name: &str) -> String {
    contact.fields.get(name).map(|value| value.text().into_owned()).unwrap_or_default()
}

async fn check_journal(harness: &Harness) {
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

/// A platform with one contact that a sync created.
async fn synced() -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "phone,name,city\n+525512345601,Ann,Lima\n");
    harness.sync("in.csv --match phone").run().await.exits(0);
    harness.calls();
    harness
}

#[tokio::test]
async fn each_of_the_six_calls_is_made_by_hand() {
    let harness = Harness::unlimited().await;
    let created =
        contact(&harness, &format!("create {PHONE} name=Ann city=Lima --tag vip --json")).run().await.exits(0);
    assert_eq!(
        (outcome(&created), harness.calls()),
        (format!("created {PHONE}"), "1 find, 1 create, 1 add_tags".into())
    );
    let id = stored(&harness).id;
    assert_eq!(json(&created)["contact"]["id"], id.as_str());
    assert_eq!(json(&created)["calls"]["total"], 3);

    let read = contact(&harness, &format!("get {id} --json")).run().await.exits(0);
    let expected = json!({ "phone": "+525512345601", "name": "A…", "city": "L…a" });
    assert_eq!((&json(&read)["contact"]["custom_fields"], harness.calls()), (&expected, "1 read".into()));
    let shown = contact(&harness, &format!("get {PHONE} --show-values")).run().await.exits(0);
    let lines: Vec<&str> = shown.stdout.lines().skip(1).collect();
    assert_eq!(lines, ["  city: Lima", "  name: Ann", "  phone: +525512345601", "  tags: vip"]);

    let updated = contact(&harness, &format!("update id:{id} city=Quito --clear name --json")).run().await.exits(0);
    assert_eq!(outcome(&updated), format!("updated {PHONE}"));
    contact(&harness, &format!("tag {PHONE} new other")).run().await.exits(0);
    contact(&harness, "untag +525512345601 vip").run().await.exits(0);
    assert_eq!(harness.calls(), "1 read, 1 update, 1 add_tags, 1 remove_tags");
    let contact_now = stored(&harness);
    assert_eq!((value(&contact_now, "city"), value(&contact_now, "name")), ("Quito".into(), String::new()));
    assert_eq!(contact_now.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["new", "other"]);

    let found = contact(&harness, "find --field city --value Quito").run().await.exits(0);
    assert!(found.stdout.contains(id.as_str()) && !found.stdout.contains("Quito"), "{found:?}");
    check_journal(&harness).await;
}

#[tokio::test]
async fn the_next_sync_knows_what_was_changed_by_hand() {
    let harness = synced().await;
    contact(&harness, &format!("update {PHONE} city=Quito")).run().await.exits(0);
    assert_eq!(harness.calls(), "1 update");
    // A file with the new value needs no call.
    harness.write("new.csv", "phone,name,city\n+525512345601,Ann,Quito\n");
    let ran = harness.sync("new.csv --match phone").run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("1 unchanged".into(), "none".into()));
    // The file with the old value brings it back with one update, although its rows are those of an earlier night.
    contact(&harness, &format!("update {PHONE} city=Cuzco")).run().await.exits(0);
    harness.calls();
    let ran = harness.sync("in.csv --match phone").run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("1 updated".into(), "1 update".into()));
    assert_eq!(value(&stored(&harness), "city"), "Lima");
    let ran = harness.sync("in.csv --match phone").run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("1 unchanged".into(), "none".into()));
    // Twice the same file, with a change in between: its rows are recognised, but not that of the contact.
    contact(&harness, &format!("update {PHONE} city=Cuzco")).run().await.exits(0);
    harness.calls();
    harness.sync("in.csv --match phone").run().await.exits(0);
    assert_eq!(harness.calls(), "1 update");
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_value_that_the_journal_knows_is_written_all_the_same() {
    let harness = synced().await;
    let id = stored(&harness).id;
    assert!(harness.sandbox.edit(TOKEN, &id, [Field::text("city", "by an agent")], [""; 0]));
    let ran = contact(&harness, &format!("update {PHONE} city=Lima --json")).run().await.exits(0);
    assert_eq!((outcome(&ran), harness.calls()), (format!("updated {PHONE}"), "1 update".into()));
    assert_eq!(value(&stored(&harness), "city"), "Lima");
    harness.sync("in.csv --match phone").run().await.exits(0);
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_contact_that_exists_is_not_created() {
    let harness = synced().await;
    let known = contact(&harness, &format!("create {PHONE} name=Bo")).run().await.exits(7);
    assert!(known.stderr.contains("contact `phone=+525512345601` exists"), "{known:?}");
    assert_eq!(harness.calls(), "none");
    // One that the journal does not know is searched for.
    harness.sandbox.insert(TOKEN, [Field::text("phone", "+525512345602"), Field::text("name", "Cy")], [""; 0]);
    let found = contact(&harness, "create phone=+525512345602 name=Bo").run().await.exits(7);
    assert!(found.stderr.contains("the platform has a contact with `phone=+525512345602`"), "{found:?}");
    assert_eq!(harness.calls(), "1 find");
    let names: Vec<String> = harness.sandbox.contacts(TOKEN).iter().map(|contact| value(contact, "name")).collect();
    assert_eq!(names, ["Ann", "Cy"]);
    // Neither is it created by a search that proves nothing.
    let rules = vec![Rule::always(Fault::UnknownError).on(CallKind::Find)];
    harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
    contact(&harness, "create phone=+525512345603 name=Bo").run().await.exits(3);
    assert_eq!(harness.calls(), "1 find");
}

#[tokio::test]
async fn a_person_who_must_not_return_is_neither_created_nor_changed() {
    let harness = synced().await;
    harness.program(&format!("journal forget {PHONE} --suppress --journal {JOURNAL}")).run().await.exits(0);
    for arguments in [format!("create {PHONE} name=Ann"), format!("update {PHONE} city=Quito")] {
        let refused = contact(&harness, &arguments).run().await.exits(7);
        assert!(refused.stderr.contains("was erased with suppression"), "{refused:?}");
    }
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_key_that_is_an_id_and_a_match_value_of_two_contacts_is_refused() {
    let harness = Harness::unlimited().await;
    let id = harness.sandbox.insert(TOKEN, [Field::text("phone", "+525512345601")], [""; 0]);
    contact(&harness, &format!("update {PHONE} city=Lima")).run().await.exits(0);
    contact(&harness, &format!("create phone={id} city=Lima")).run().await.exits(0);
    let refused = contact(&harness, &format!("update {id} city=Quito")).run().await.exits(2);
    assert!(refused.stderr.contains("matches several contacts: "), "{refused:?}");
    contact(&harness, &format!("update id:{id} city=Quito")).run().await.exits(0);
    let cities: Vec<String> = harness.sandbox.contacts(TOKEN).iter().map(|contact| value(contact, "city")).collect();
    assert_eq!(cities, ["Quito", "Lima"]);
}

#[tokio::test]
async fn what_makes_no_contact_is_refused_before_any_call() {
    let harness = synced().await;
    for (arguments, expected) in [
        ("create name=Ann", "a new contact needs a value in a match field (`phone`)"),
        ("create phone=1 phone=2", "field `phone` occurs twice"),
        ("update line:9 city=Lima", "the journal knows no contact `line:9`"),
        ("update phone=1 city=", "to clear a field, use --clear city"),
        ("update phone=1 city", "NAME=VALUE: expected a field and its value, found `city`"),
        ("update phone=1", "required arguments were not provided"),
        ("update phone=1 city=Lima --clear city", "field `city` occurs twice"),
        ("tag phone=1", "required arguments were not provided"),
    ] {
        let refused = contact(&harness, arguments).run().await.exits(2);
        assert!(refused.stderr.contains(expected), "{arguments}: {refused:?}");
    }
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_create_that_is_killed_and_repeated_creates_one_contact() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "search_lag = \"1s\"\n");
    harness.sandbox.set_faults(Faults { latency: Duration::from_secs(4), ..Faults::default() });
    let create = || contact(&harness, &format!("create {PHONE} name=Ann --tag vip --json"));
    let mut running = create().start();
    // The search is answered, and the create has arrived.
    assert!(running.until(|| harness.sandbox.ledger().creates(TOKEN) == 1).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    assert_eq!(harness.calls(), "1 find, 1 create");
    // Other contacts wait until it is settled, and so does a run.
    let refused = contact(&harness, "create phone=+525512345602").run().await.exits(7);
    assert!(refused.stderr.contains("is not finished"), "{refused:?}");

    let created = create().run().await.exits(0);
    assert_eq!((outcome(&created), harness.calls()), (format!("created {PHONE}"), "1 find, 1 add_tags".into()));
    assert_eq!(stored(&harness).tags.len(), 1);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 1);
    create().run().await.exits(7);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_create_that_is_killed_is_finished_by_a_resume_or_by_a_sync() {
    for finishes in ["resume", "sync"] {
        let harness = Harness::unlimited().await;
        harness.write("contactsync.toml", "search_lag = \"1s\"\n");
        harness.sandbox.set_faults(Faults { latency: Duration::from_secs(4), ..Faults::default() });
        let mut running = contact(&harness, &format!("create {PHONE} name=Ann")).start();
        assert!(running.until(|| harness.sandbox.ledger().creates(TOKEN) == 1).await);
        running.kill().await;
        harness.sandbox.set_faults(Faults::default());
        harness.calls();
        if finishes == "resume" {
            harness.resume().run().await.exits(0);
        } else {
            harness.write("in.csv", "phone,name\n+525512345601,Ann\n");
            harness.sync("in.csv --match phone").run().await.exits(0);
        }
        assert_eq!(harness.calls(), "1 find", "{finishes}");
        stored(&harness);
        check_journal(&harness).await;
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_settled_by_a_search() {
    // Whether it had an effect or not.
    for (fault, calls) in [
        (Fault::LoseAfter, "2 find, 1 create"),
        (Fault::ErrorAfter, "2 find, 1 create"),
        (Fault::BadGateway, "4 find, 2 create"),
    ] {
        let harness = Harness::unlimited().await;
        let rules = vec![Rule::always(fault).on(CallKind::Create).until_call(2)];
        harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
        let created =
            contact(&harness, &format!("create {PHONE} name=Ann --json --search-lag 200ms")).run().await.exits(0);
        assert_eq!((outcome(&created), harness.calls().as_str()), (format!("created {PHONE}"), calls), "{fault}");
        stored(&harness);
    }
}

#[tokio::test]
async fn a_change_that_is_stopped_is_continued_by_the_same_command() {
    let harness = Harness::unlimited().await;
    let create = |more: &str| contact(&harness, &format!("create {PHONE} name=Ann --tag vip --json {more}"));
    let stopped = create("--max-calls 2").run().await.exits(4);
    assert_eq!((&json(&stopped)["state"], harness.calls()), (&json!("stopped"), "1 find, 1 create".into()));
    let run = json(&stopped)["run"].clone();
    let done = create("").run().await.exits(0);
    assert_eq!((&json(&done)["run"], harness.calls()), (&run, "1 add_tags".into()));
    assert_eq!(outcome(&done), format!("created {PHONE}"));
}

#[tokio::test]
async fn a_contact_that_appears_while_a_create_is_interrupted_is_not_created_twice() {
    for is_resumed in [false, true] {
        let harness = Harness::unlimited().await;
        let create = |more: &str| contact(&harness, &format!("create {PHONE} name=Ann {more}"));
        create("--max-calls 1").run().await.exits(4);
        assert_eq!(harness.calls(), "1 find");
        harness.sandbox.insert(TOKEN, [Field::text("phone", "+525512345601"), Field::text("name", "Agent")], [""; 0]);
        if is_resumed {
            harness.resume().run().await.exits(0);
        } else {
            let refused = create("").run().await.exits(7);
            assert!(refused.stderr.contains("the platform has a contact with"), "{refused:?}");
            assert_eq!(value(&stored(&harness), "name"), "Agent");
        }
        stored(&harness);
        check_journal(&harness).await;
    }
}

#[tokio::test]
async fn refusals_of_the_platform_have_the_exit_codes_of_a_sync() {
    let harness = synced().await;
    let check = async |fault: Option<(Fault, u64)>, arguments: &str, code: i32, expected: &str| {
        let rule = fault.map(|(fault, until)| Rule::always(fault).until_call(until));
        harness.sandbox.set_faults(Faults { rules: rule.into_iter().collect(), ..Faults::default() });
        let ran = contact(&harness, arguments).run().await.exits(code);
        assert!(ran.stderr.contains(expected) || ran.stdout.contains(expected), "{arguments}: {ran:?}");
    };
    let update = format!("update {PHONE} city=Quito");
    check(Some((Fault::UnknownPlan, 9)), &update, 3, "rejected: Unknown value for contact.plan").await;
    assert_eq!(value(&stored(&harness), "city"), "Lima");
    check(None, "get 99999", 3, "the platform has no such contact").await;
    check(None, "update id:99999 city=Quito", 3, "the platform no longer has this contact id").await;
    check(None, "update phone=+525599999999 city=Quito", 3, "not on the platform").await;
    // A 429 is waited for.
    check(Some((Fault::Throttle, 1)), &update, 0, "updated").await;
    // Nothing answers: the change is pending, and the same command finishes it.
    check(Some((Fault::LoseBefore, 99)), &format!("{update} --outage-timeout 1s"), 4, "pending").await;
    check(None, &update, 0, "updated").await;
    harness.sandbox.refuse_token(TOKEN);
    check(None, &update, 5, "the platform refused the token").await;
    check(None, "get 1", 5, "the platform refused the token").await;
    harness.sandbox.accept_token(TOKEN);
    check(None, &update, 0, "updated").await;
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_contact_that_the_journal_does_not_know_is_found_by_its_id_or_a_value() {
    let harness = Harness::unlimited().await;
    let phone = [Field::text("phone", "+525512345601"), Field::text("city", "Lima")];
    let id = harness.sandbox.insert(TOKEN, phone, [""; 0]);
    // A number alone may be a phone number, which may be the id of another contact.
    for bare in [format!("update {id} city=Quito"), format!("tag {id} vip"), "untag ann@example.com vip".to_owned()] {
        let refused = contact(&harness, &bare).run().await.exits(2);
        assert!(refused.stderr.contains("as id:ID or FIELD=VALUE"), "{refused:?}");
    }
    contact(&harness, "get ann@example.com").run().await.exits(2);
    assert_eq!(harness.calls(), "none");
    contact(&harness, &format!("get {id}")).run().await.exits(0);
    assert_eq!(harness.calls(), "1 read");
    contact(&harness, &format!("update id:{id} city=Quito")).run().await.exits(0);
    assert_eq!(harness.calls(), "1 update");
    contact(&harness, &format!("update {PHONE} city=Cuzco")).run().await.exits(0);
    assert_eq!(harness.calls(), "1 find, 1 update");
    assert_eq!(value(&stored(&harness), "city"), "Cuzco");
    // It is known from now on.
    harness.write("in.csv", "phone,city\n+525512345601,Cuzco\n");
    harness.sync("in.csv --match phone").run().await.exits(0);
    assert_eq!(harness.calls(), "none");
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_value_is_sent_in_the_type_of_its_field() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "[fields]\nage = { column = \"Age\", type = \"number\" }\n");
    contact(&harness, &format!("create {PHONE} age=41 zip=0041")).run().await.exits(0);
    let stored = stored(&harness);
    assert!(matches!(stored.fields["age"], Value::Number(_)), "{stored:?}");
    assert_eq!(stored.fields["zip"], Value::Text("0041".into()));
    let refused = contact(&harness, &format!("update {PHONE} age=old")).run().await.exits(2);
    assert!(refused.stderr.contains("`age`: expected a number, found other text"), "{refused:?}");
}

#[tokio::test]
async fn a_find_reads_all_pages_or_as_many_as_its_limit_takes() {
    let harness = Harness::unlimited().await;
    for nth in 0..25 {
        let fields = [Field::text("phone", format!("+5255123456{nth:02}")), Field::text("source", "crm")];
        harness.sandbox.insert(TOKEN, fields, [""; 0]);
    }
    let find = |more: &str| contact(&harness, &format!("find --field source --value crm --json {more}"));
    let all = json(&find("").run().await.exits(0));
    assert_eq!((all["contacts"].as_array().map(Vec::len), harness.calls()), (Some(25), "3 find".into()));
    assert_eq!(
        (&all["total"], &all["complete"], &all["contacts"][24]["exact"]),
        (&json!(25), &json!(true), &json!(true))
    );
    let some = json(&find("--limit 15").run().await.exits(0));
    assert_eq!((some["contacts"].as_array().map(Vec::len), harness.calls()), (Some(15), "2 find".into()));
    assert_eq!(some["complete"], json!(false));
    // Pages that repeat are not read for ever.
    let rules = vec![Rule::always(Fault::PageIgnored)];
    harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
    let endless = find("").run().await.exits(4);
    assert!(endless.stderr.contains("the search ended before its last page: page 2 "), "{endless:?}");
    let none = contact(&harness, "find --field source --value other").run().await.exits(0);
    assert!(none.stdout.is_empty() && none.stderr.contains("no contact was found"), "{none:?}");
}

#[tokio::test]
async fn a_dry_run_prints_the_requests_and_sends_nothing() {
    let harness = synced().await;
    let id = stored(&harness).id;
    let check = async |arguments: &str, expected: &[String]| {
        let dry = contact(&harness, &format!("{arguments} --dry-run")).token(None).run().await.exits(0);
        assert_eq!(dry.stdout.lines().collect::<Vec<_>>(), expected, "{arguments}");
    };
    let put = |body: &str| vec![format!("PUT /contact/{id} {body}")];
    let masked = put(r#"{"custom_fields":[{"name":"city","value":"L…a"},{"name":"name","value":""}]}"#);
    check(&format!("update {PHONE} city=Lima --clear name"), &masked).await;
    let plain = put(r#"{"custom_fields":[{"name":"city","value":"Lima"}]}"#);
    check(&format!("update {PHONE} city=Lima --show-values"), &plain).await;
    check(&format!("tag {PHONE} vip"), &[format!(r#"POST /contact/{id}/tags {{"tags":["vip"]}}"#)]).await;
    check(&format!("untag {PHONE} vip"), &[format!(r#"DELETE /contact/{id}/tags {{"tags":["vip"]}}"#)]).await;
    let create = [
        "GET /contact/by_custom_field?name=phone&value=%2B521".to_owned(),
        r#"if no contact is found: POST /contact/ {"custom_fields":[{"name":"phone","value":"+521"},{"name":"name","value":"A…"}]}"#
            .to_owned(),
    ];
    check("create name=Ann phone=+521", &create).await;
    contact(&harness, &format!("create {PHONE} --dry-run")).run().await.exits(7);
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn another_run_holds_the_channel() {
    let harness = synced().await;
    harness.write("in.csv", "phone,name,city\n+525512345601,Ann,Quito\n+525512345602,Bo,Lima\n");
    harness.sandbox.set_faults(Faults { latency: Duration::from_mins(1), ..Faults::default() });
    let mut running = harness.sync("in.csv --match phone").start();
    assert!(running.until(|| harness.calls() != "none").await);
    for arguments in [format!("update {PHONE} city=Cuzco"), format!("get {PHONE}")] {
        let held = contact(&harness, &arguments).run().await.exits(6);
        assert!(held.stderr.contains("hint: wait until it has ended"), "{held:?}");
    }
    // Its story can be read meanwhile.
    let told = harness.program(&format!("explain {PHONE} --journal {JOURNAL} --json")).run().await.exits(0);
    let runs = json(&told)["runs"].clone();
    assert_eq!((&runs[1]["state"], &runs[1]["rows"][0]["state"]), (&json!("sending"), &json!("pending")), "{runs}");
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    // Nothing is changed by hand before the run is finished.
    let refused = contact(&harness, &format!("update {PHONE} city=Cuzco")).run().await.exits(7);
    assert!(refused.stderr.contains("hint: finish it with `contactsync resume`"), "{refused:?}");
    harness.resume().run().await.exits(0);
    contact(&harness, &format!("update {PHONE} city=Cuzco")).run().await.exits(0);
}

#[tokio::test]
async fn a_change_by_hand_can_be_undone_and_is_no_input() {
    let harness = synced().await;
    contact(&harness, &format!("update {PHONE} city=Quito --json")).run().await.exits(0);
    let url = harness.sandbox.url();
    let undo = format!("undo 2 --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&undo).run().await.exits(0);
    assert_eq!(value(&stored(&harness), "city"), "Lima");
    // `line:N` is still one of the last input.
    let told = harness.program(&format!("explain line:2 --journal {JOURNAL} --json")).run().await.exits(0);
    assert_eq!(json(&told)["key"], json!(PHONE));
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_journal_of_hashes_is_used_by_hand_too() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "values = \"hashed\"\n");
    contact(&harness, &format!("create {PHONE} name=Ann city=Lima")).run().await.exits(0);
    contact(&harness, &format!("create {PHONE} name=Ann")).run().await.exits(7);
    contact(&harness, &format!("update {PHONE} city=Quito")).run().await.exits(0);
    contact(&harness, "tag +525512345601 vip").run().await.exits(0);
    assert_eq!(harness.calls(), "1 find, 1 create, 1 update, 1 add_tags");
    harness.write("in.csv", "phone,name,city\n+525512345601,Ann,Quito\n");
    harness.sync("in.csv --match phone").run().await.exits(0);
    assert_eq!(harness.calls(), "none");
    // A rejected create leaves a key without a known contact, which a later change finds by its value.
    let rules = vec![Rule::always(Fault::UnknownPlan).on(CallKind::Create)];
    harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
    contact(&harness, "create phone=+525512345602 name=Bo").run().await.exits(3);
    harness.sandbox.set_faults(Faults::default());
    contact(&harness, "update phone=+525512345602 name=Bo").run().await.exits(3);
    let told = harness.program(&format!("explain {PHONE} --journal {JOURNAL} --show-values")).run().await.exits(0);
    for value in ["Ann", "Quito", "+52"] {
        assert!(!told.stdout.contains(value), "{told:?}");
    }
    assert!(told.stdout.contains("city: (hashed)"), "{told:?}");
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_change_whose_outcome_cannot_be_printed_is_made_once() {
    let harness = Harness::unlimited().await;
    harness
        .sandbox
        .set_faults(Faults { rules: vec![Rule::always(Fault::UnknownPlan).on(CallKind::Create)], ..Faults::default() });
    let create = format!("create {PHONE} name=Ann");
    let full = "exec \"$@\" >/dev/full";
    let ran = contact(&harness, &create).shell(full).run().await.exits(1);
    assert!(ran.stderr.contains("warning: rejected: Unknown value for contact.plan\n"), "{ran:?}");
    assert_eq!(ran.stderr_lines("error: standard output: failed to write: ").len(), 1, "{ran:?}");
    harness.sandbox.set_faults(Faults::default());
    contact(&harness, &create).shell(full).run().await.exits(1);
    contact(&harness, &create).run().await.exits(7);
    assert_eq!(value(&stored(&harness), "name"), "Ann");
}

#[tokio::test]
async fn a_name_of_tags_or_an_id_is_no_field_unless_the_mapping_has_it() {
    let harness = synced().await;
    for (arguments, name, hint) in [
        (
            "create phone=1 tags=vip",
            "`tags` is reserved for the contact's tags",
            "hint: add each tag with --tag NAME; ",
        ),
        (
            "create phone=1 remove_tags=vip",
            "`remove_tags` is reserved for the contact's tags",
            "hint: leave it out: a new contact has no tags",
        ),
        (
            "create phone=1 id=7",
            "`id` is reserved for the contact's id",
            "hint: leave it out: the platform chooses the id",
        ),
        ("create phone=1 contact_id=7", "`contact_id` is reserved for the contact's id", "hint: leave it out"),
        (
            "update phone=+525512345601 tags=vip",
            "`tags` is reserved for the contact's tags",
            "hint: add tags with `contactsync contact tag`",
        ),
        (
            "update phone=+525512345601 remove_tags=a",
            "`remove_tags` is reserved for the contact's tags",
            "`contactsync contact untag`",
        ),
        (
            "update phone=+525512345601 id=7",
            "`id` is reserved for the contact's id",
            "hint: to choose the contact by its id, use id:ID",
        ),
    ] {
        let refused = contact(&harness, arguments).run().await.exits(2);
        let [error] = refused.stderr_lines("error: ")[..] else { panic!("{refused:?}") };
        assert_eq!(error, format!("error: {name}; it is not a custom field"), "{arguments}");
        let [found] = refused.stderr_lines("hint: ")[..] else { panic!("{refused:?}") };
        assert!(found.contains(hint) && found.ends_with("add it to [fields] in the configuration"), "{refused:?}");
    }
    assert_eq!(harness.calls(), "none");
    harness.write("contactsync.toml", "[fields]\ntags = \"Etiquetas\"\nid = \"Clave\"\n");
    contact(&harness, "update phone=+525512345601 tags=vip id=7").run().await.exits(0);
    let stored = stored(&harness);
    assert_eq!((value(&stored, "tags"), value(&stored, "id")), ("vip".into(), "7".into()));
}
