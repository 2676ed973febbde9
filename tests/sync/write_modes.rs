//! When fields are written: edits of the platform's users survive, and a field that is only sent along takes no call.

use std::fs;
use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule};
use serde_json::{Value as Json, json};

use support::{Harness, JOURNAL, Output, TOKEN};

const CONFIG: &str = r#"
match = ["email"]
[fields]
owner = { column = "owner", write = "on_create" }
notes = { column = "notes", write = "if_blank" }
seen = { column = "seen", write = "with_others" }
"#;

/// A row of `email,city,owner,notes,seen`.
type Row<'a> = [&'a str; 5];

fn csv(rows: &[Row<'_>]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    format!("email,city,owner,notes,seen\n{}\n", lines.join("\n"))
}

async fn configured(config: &str) -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", config);
    harness
}

/// A value on the platform; blank where there is none.
fn value(harness: &Harness, email: &str, field: &str) -> String {
    let contacts = harness.sandbox.contacts(TOKEN);
    let mut of_email = contacts.iter().filter(|contact| contact.fields["email"].text() == email);
    let contact = of_email.next().expect("a contact with this address");
    assert!(of_email.next().is_none(), "{email} is there twice");
    contact.fields.get(field).map(|value| value.text().into_owned()).unwrap_or_default()
}

/// The fields of a contact besides its address, as a row has them.
fn stored(harness: &Harness, email: &str) -> [String; 4] {
    ["city", "owner", "notes", "seen"].map(|field| value(harness, email, field))
}

fn edit(harness: &Harness, email: &str, field: &str, text: &str) {
    let contacts = harness.sandbox.contacts(TOKEN);
    let contact = contacts.iter().find(|contact| contact.fields["email"].text() == email).expect("a contact");
    assert!(harness.sandbox.edit(TOKEN, &contact.id, [Field::text(field, text)], [""; 0]));
}

fn insert(harness: &Harness, row: Row<'_>) {
    let names = ["email", "city", "owner", "notes", "seen"];
    let fields = names.into_iter().zip(row).filter(|(_, value)| !value.is_empty());
    harness.sandbox.insert(TOKEN, fields.map(|(name, value)| Field::text(name, value)), [""; 0]);
}

async fn sync(harness: &Harness, rows: &[Row<'_>]) -> Output {
    harness.write("in.csv", csv(rows));
    harness.sync("in.csv").run().await
}

#[track_caller]
fn check(harness: &Harness, ran: Output, rows: &str, calls: &str) {
    let ran = ran.exits(0);
    assert_eq!((ran.summary().rows().as_str(), harness.calls().as_str()), (rows, calls), "{ran:?}");
}

#[tokio::test]
async fn a_new_contact_gets_all_fields_and_a_found_one_those_that_its_modes_allow() {
    let harness = configured(CONFIG).await;
    // The city, the owner, the notes and the time that the platform has before and after the input with 1, 2, 3 and 4.
    let cases = [
        (["", "", "", ""], ["1", "", "3", "4"], "update"),
        (["1", "x", "y", "z"], ["1", "x", "y", "z"], ""),
        (["1", "", "y", ""], ["1", "", "y", ""], ""),
        (["1", "x", "", "z"], ["1", "x", "3", "4"], "update"),
        (["0", "x", "y", "z"], ["1", "x", "y", "4"], "update"),
    ];
    for (nth, ([city, owner, notes, seen], after, update)) in cases.into_iter().enumerate() {
        let email = format!("{nth}@x.com");
        insert(&harness, [&email, city, owner, notes, seen]);
        let ran = sync(&harness, &[[&email, "1", "2", "3", "4"]]).await;
        let (rows, calls) =
            if update.is_empty() { ("1 unchanged", "1 find") } else { ("1 updated", "1 find, 1 update") };
        check(&harness, ran, rows, calls);
        assert_eq!(stored(&harness, &email), after, "{nth}");
        check(&harness, sync(&harness, &[[&email, "1", "2", "3", "4"]]).await, "1 unchanged", "none");
    }
    check(&harness, sync(&harness, &[["ann@x.com", "1", "2", "3", "4"]]).await, "1 created", "1 find, 1 create");
    assert_eq!(stored(&harness, "ann@x.com"), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn edits_of_agents_survive_every_later_night_and_are_no_differences() {
    let harness = configured(CONFIG).await;
    sync(&harness, &[["ann@x.com", "Lima", "Eva", "new", "1"], ["bo@x.com", "Lima", "Eva", "", "1"]]).await.exits(0);
    harness.calls();
    edit(&harness, "ann@x.com", "owner", "Max");
    edit(&harness, "ann@x.com", "notes", "by Max");
    edit(&harness, "bo@x.com", "owner", "");
    let verify = |arguments: &str| {
        let url = harness.sandbox.url();
        harness.program(&format!("verify {arguments} --json --journal {JOURNAL} --url {url} --rate 1000000")).run()
    };
    for arguments in ["", "in.csv", "--repair", "in.csv --repair"] {
        let found: Json = serde_json::from_str(&verify(arguments).await.exits(0).stdout).unwrap();
        assert_eq!(found["differing"], 0, "{arguments}");
    }
    harness.calls();
    let night = [["ann@x.com", "Quito", "Zoe", "newer", "2"], ["bo@x.com", "Lima", "Zoe", "", "2"]];
    check(&harness, sync(&harness, &night).await, "1 updated, 1 unchanged", "1 update");
    assert_eq!(stored(&harness, "ann@x.com"), ["Quito", "Max", "by Max", "2"]);
    assert_eq!(stored(&harness, "bo@x.com"), ["Lima", "", "", "1"]);
    // A field that was filled and is blank again is a difference, and filled again.
    edit(&harness, "ann@x.com", "notes", "");
    verify("--repair").await.exits(3);
    harness.calls();
    check(&harness, sync(&harness, &night).await, "1 updated, 1 unchanged", "1 update");
    assert_eq!(stored(&harness, "ann@x.com"), ["Quito", "Max", "newer", "2"]);
}

#[tokio::test]
async fn a_field_that_changes_every_night_takes_no_call_of_a_thousand_contacts() {
    let harness = configured(CONFIG).await;
    let night = |seen: u32, city: &dyn Fn(usize) -> &'static str| {
        let row = |nth: usize| format!("p{nth}@x.com,{},Eva,,{seen}", city(nth));
        format!("email,city,owner,notes,seen\n{}\n", (0..1_000).map(row).collect::<Vec<_>>().join("\n"))
    };
    harness.write("in.csv", night(1, &|_| "Lima"));
    harness.sync("in.csv --mode create").run().await.exits(0);
    harness.calls();
    harness.write("in.csv", night(2, &|_| "Lima"));
    let plan = harness.plan("in.csv").run().await.exits(0).planned();
    assert_eq!((plan.rows(), &plan.json["calls"]["total"]["max"]), ("1000 unchanged".into(), &json!(0)));
    check(&harness, harness.sync("in.csv").run().await, "1000 unchanged", "none");
    // It is sent along with the change of another field, in the same call.
    harness.write("in.csv", night(3, &|nth| if nth % 100 == 7 { "Quito" } else { "Lima" }));
    check(&harness, harness.sync("in.csv").run().await, "10 updated, 990 unchanged", "10 update");
    assert_eq!([7, 8].map(|nth| value(&harness, &format!("p{nth}@x.com"), "seen")), ["3", "1"]);
    check(&harness, harness.sync("in.csv").run().await, "1000 unchanged", "none");
}

#[tokio::test]
async fn tags_alone_send_no_field_along_and_a_full_call_has_no_room() {
    let fields: Vec<String> = (1..=31).map(|nth| format!("f{nth}")).collect();
    let harness =
        configured("match = [\"email\"]\n[fields]\nseen = { column = \"seen\", write = \"with_others\" }\n").await;
    let night = |changed: usize, value: &str, tag: &str, seen: &str| {
        let cells: Vec<&str> = (0..31).map(|nth| if nth < changed { value } else { "x" }).collect();
        format!("email,{},seen,tags\nann@x.com,{},{seen},{tag}\n", fields.join(","), cells.join(","))
    };
    let sync = async |content: String| {
        harness.write("in.csv", content);
        harness.sync("in.csv").run().await
    };
    // A new contact gets all of it.
    check(&harness, sync(night(0, "", "a", "1")).await, "1 created", "1 find, 1 create, 1 update, 1 add_tags");
    assert_eq!(value(&harness, "ann@x.com", "seen"), "1");
    check(&harness, sync(night(0, "", "a;b", "2")).await, "1 updated", "1 add_tags");
    check(&harness, sync(night(30, "y", "a;b", "3")).await, "1 updated", "1 update");
    assert_eq!(value(&harness, "ann@x.com", "seen"), "1");
    check(&harness, sync(night(31, "z", "a;b", "4")).await, "1 updated", "2 update");
    assert_eq!(value(&harness, "ann@x.com", "seen"), "4");
}

/// Contacts that the journal knows without the field `notes`, which an agent has filled for every third one; and a
/// configuration by which it is written only if it is blank.
async fn known_without_notes(count: usize) -> Harness {
    let harness = configured("match = [\"email\"]\n").await;
    let row = |nth: usize| format!("p{nth}@x.com,Lima");
    harness.write("in.csv", format!("email,city\n{}\n", (0..count).map(row).collect::<Vec<_>>().join("\n")));
    harness.sync("in.csv").run().await.exits(0);
    for nth in (0..count).step_by(3) {
        edit(&harness, &format!("p{nth}@x.com"), "notes", "by Max");
    }
    harness.write(
        "contactsync.toml",
        "match = [\"email\"]\n[fields]\nnotes = { column = \"notes\", write = \"if_blank\" }\n",
    );
    let row = |nth: usize| format!("p{nth}@x.com,{},ours", if nth == 0 { "Quito" } else { "Lima" });
    harness.write("in.csv", format!("email,city,notes\n{}\n", (0..count).map(row).collect::<Vec<_>>().join("\n")));
    harness.calls();
    harness
}

#[track_caller]
fn assert_filled(harness: &Harness, count: usize) {
    for nth in 0..count {
        let expected = if nth.is_multiple_of(3) { "by Max" } else { "ours" };
        assert_eq!(value(harness, &format!("p{nth}@x.com"), "notes"), expected, "{nth}");
    }
}

#[tokio::test]
async fn whether_a_field_is_blank_is_read_once_where_it_is_not_known() {
    let harness = known_without_notes(30).await;
    let plan = harness.plan("in.csv --diff=2 --show-values").run().await.exits(0).planned();
    let calls = |kind: &str| plan.json["calls"][kind].clone();
    // One contact has another city in any case.
    assert_eq!(calls("read"), json!({"min": 30, "max": 30}));
    assert_eq!(calls("update"), json!({"min": 1, "max": 30}));
    assert_eq!(calls("total"), json!({"min": 31, "max": 60}));
    let fields = &plan.json["diff"]["contacts"][0]["fields"];
    assert_eq!(fields[1], json!({"name": "notes", "old": null, "new": "ours", "write": "if_blank"}));
    assert_eq!(fields[0], json!({"name": "city", "old": "Lima", "new": "Quito"}));
    let shown = harness.program(&format!("plan in.csv --diff --show-values --journal {JOURNAL}")).run().await.exits(0);
    assert!(shown.stdout.contains("~ email=p1@x.com: notes: (unknown) → ours (if blank)\n"), "{shown:?}");
    // The twenty that are blank, and the one with another city.
    check(&harness, harness.sync("in.csv").run().await, "21 updated, 9 unchanged", "30 read, 21 update");
    assert_filled(&harness, 30);
    assert_eq!(value(&harness, "p0@x.com", "city"), "Quito");
    check(&harness, harness.sync("in.csv").run().await, "30 unchanged", "none");
    // It is known from now on.
    let input = fs::read_to_string(harness.path("in.csv")).unwrap();
    harness.write("in.csv", input.replace("ours", "newer"));
    check(&harness, harness.sync("in.csv").run().await, "30 unchanged", "none");
}

#[tokio::test]
async fn a_pull_shows_what_is_blank_and_saves_the_reads() {
    let harness = configured(CONFIG).await;
    for nth in 0..20 {
        let notes = if nth % 3 == 0 { "by Max" } else { "" };
        insert(&harness, [&format!("p{nth}@x.com"), "Lima", "", notes, ""]);
    }
    let url = harness.sandbox.url();
    let pull = format!("pull --field city --value Lima --journal {JOURNAL} --url {url} --rate 1000000");
    harness.program(&pull).run().await.exits(0);
    harness.calls();
    let rows: Vec<String> = (0..20).map(|nth| format!("p{nth}@x.com,Lima,Eva,ours,1")).collect();
    harness.write("in.csv", format!("email,city,owner,notes,seen\n{}\n", rows.join("\n")));
    check(&harness, harness.sync("in.csv").run().await, "13 updated, 7 unchanged", "13 update");
    assert_filled(&harness, 20);
    assert_eq!(stored(&harness, "p1@x.com"), ["Lima", "", "ours", "1"]);
}

#[tokio::test]
async fn kills_and_lost_answers_overwrite_no_edit() {
    for seed in 1..=3 {
        let harness = known_without_notes(24).await;
        let faults =
            Faults { seed, latency: Duration::from_millis(15), lose_after: 0.2, lose_before: 0.1, ..Faults::default() };
        harness.sandbox.set_faults(faults);
        for _ in 0..3 {
            let before = harness.sandbox.ledger().len();
            let mut running = harness.sync("in.csv --concurrency 2").start();
            if !running.until(|| harness.sandbox.ledger().len() >= before + 9).await {
                break;
            }
            running.kill().await;
        }
        harness.sandbox.set_faults(Faults::default());
        harness.sync("in.csv").run().await.exits(0);
        assert_filled(&harness, 24);
        assert_eq!(harness.sandbox.contacts(TOKEN).len(), 24);
        harness.calls();
        check(&harness, harness.sync("in.csv").run().await, "24 unchanged", "none");
        harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
    }
}

#[tokio::test]
async fn an_edit_after_a_lost_answer_survives() {
    let harness = known_without_notes(2).await;
    // The update of the second contact has its effect, and its answers are lost.
    let lost = vec![Rule::always(Fault::LoseAfter).on(CallKind::Update)];
    harness.sandbox.set_faults(Faults { rules: lost, ..Faults::default() });
    harness.sync("in.csv --only p1@x.com --max-calls 2 --search-lag 1s").run().await.exits(4);
    harness.sandbox.set_faults(Faults::default());
    assert_eq!(value(&harness, "p1@x.com", "notes"), "ours");
    edit(&harness, "p1@x.com", "notes", "by Max");
    harness.calls();
    check(&harness, harness.sync("in.csv --only p1@x.com").run().await, "1 unchanged, 1 skipped", "1 read");
    assert_eq!(value(&harness, "p1@x.com", "notes"), "by Max");
}

#[tokio::test]
async fn a_run_that_is_resumed_without_its_input_knows_the_modes() {
    let harness = configured(CONFIG).await;
    let rows: Vec<[String; 5]> =
        (0..20).map(|nth| [format!("p{nth}@x.com"), "1".into(), "2".into(), "3".into(), "4".into()]).collect();
    for row in &rows[..10] {
        insert(&harness, [&row[0], "1", "x", "y", "z"]);
    }
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    harness.write("in.csv", format!("email,city,owner,notes,seen\n{}\n", lines.join("\n")));
    harness.sync("in.csv --max-calls 3").run().await.exits(4);
    fs::remove_file(harness.path("in.csv")).unwrap();
    fs::remove_file(harness.path("contactsync.toml")).unwrap();
    let ran = harness.resume().run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created, 10 unchanged");
    for (nth, row) in rows.iter().enumerate() {
        let expected = if nth < 10 { ["1", "x", "y", "z"] } else { ["1", "2", "3", "4"] };
        assert_eq!(stored(&harness, &row[0]), expected, "{nth}");
    }
}

#[tokio::test]
async fn several_rows_of_a_contact_are_merged_with_their_modes() {
    let harness = configured(CONFIG).await;
    insert(&harness, ["ann@x.com", "", "x", "y", ""]);
    harness.write("in.csv", csv(&[["ann@x.com", "", "2", "", "4"], ["ann@x.com", "", "", "3", "5"]]));
    let merged = || harness.sync("in.csv --duplicates merge").run();
    check(&harness, merged().await, "1 unchanged, 1 merged", "1 find");
    harness.write("in.csv", csv(&[["ann@x.com", "1", "2", "", "4"], ["ann@x.com", "", "", "3", "5"]]));
    check(&harness, merged().await, "1 updated, 1 merged", "1 update");
    assert_eq!(stored(&harness, "ann@x.com"), ["1", "x", "y", "5"]);
}

#[tokio::test]
async fn a_saved_plan_holds_the_modes() {
    let harness = configured(CONFIG).await;
    insert(&harness, ["ann@x.com", "", "x", "y", ""]);
    harness.write("in.csv", csv(&[["ann@x.com", "1", "2", "3", "4"]]));
    harness.plan("in.csv --save approved.json").run().await.exits(0);
    harness.write("contactsync.toml", CONFIG.replace("on_create", "always"));
    let refused = harness.sync("in.csv --plan approved.json").run().await.exits(7);
    assert!(refused.stderr.contains("the configuration"), "{refused:?}");
    harness.write("contactsync.toml", CONFIG);
    check(&harness, harness.sync("in.csv --plan approved.json").run().await, "1 updated", "1 find, 1 update");
    assert_eq!(stored(&harness, "ann@x.com"), ["1", "x", "y", "4"]);
}

#[tokio::test]
async fn a_changed_mode_is_applied_to_rows_that_did_not_change() {
    let harness = configured(CONFIG).await;
    let rows = [["ann@x.com", "1", "2", "3", "4"]];
    sync(&harness, &rows).await.exits(0);
    let rows = [["ann@x.com", "1", "2", "3", "5"]];
    harness.calls();
    check(&harness, sync(&harness, &rows).await, "1 unchanged", "none");
    check(&harness, sync(&harness, &rows).await, "1 unchanged", "none");
    harness.write("contactsync.toml", CONFIG.replace("with_others", "always"));
    check(&harness, sync(&harness, &rows).await, "1 updated", "1 update");
    assert_eq!(value(&harness, "ann@x.com", "seen"), "5");
}

#[tokio::test]
async fn modes_without_a_meaning_are_refused_with_their_line() {
    let harness = configured("").await;
    harness.write("in.csv", csv(&[["ann@x.com", "1", "2", "3", "4"]]));
    let check = async |fields: &str, expected: &str| {
        harness.write("contactsync.toml", format!("match = [\"email\"]\n[fields]\n{fields}\n"));
        let ran = harness.sync("in.csv").run().await.exits(2);
        assert!(ran.stderr.contains(expected), "{fields}: {ran:?}");
        assert_eq!(harness.calls(), "none");
    };
    for mode in ["if_blank", "with_others"] {
        let expected = format!(
            "contactsync.toml:3: field `email`: it is a match field, which `write = \"{mode}\"` would leave out of updates; \
             expected \"always\" or \"on_create\""
        );
        check(&format!("email = {{ column = \"email\", write = \"{mode}\" }}"), &expected).await;
    }
    for mode in ["if_blank", "on_create"] {
        let expected = format!(
            "contactsync.toml:3: key `notes`: `blank = \"clear\"` has no effect with `write = \"{mode}\"`; remove one of them"
        );
        check(&format!("notes = {{ column = \"notes\", blank = \"clear\", write = \"{mode}\" }}"), &expected).await;
    }
    let expected =
        "contactsync.toml:3: key `write`: expected one of always, on_create, if_blank, with_others, found another text";
    check("notes = { column = \"notes\", write = \"never\" }", expected).await;
    // A match field that agents correct.
    harness.write(
        "contactsync.toml",
        "match = [\"email\"]\n[fields]\nemail = { column = \"email\", write = \"on_create\" }\n",
    );
    harness.sync("in.csv").run().await.exits(0);
    // A field that is sent along may be cleared.
    harness.write(
        "contactsync.toml",
        "match = [\"email\"]\n[fields]\nseen = { column = \"seen\", blank = \"clear\", write = \"with_others\" }\n",
    );
    harness.write("in.csv", csv(&[["ann@x.com", "1", "2", "3", ""]]));
    harness.calls();
    harness.sync("in.csv").run().await.exits(0);
    assert_eq!((harness.calls().as_str(), value(&harness, "ann@x.com", "seen").as_str()), ("none", "4"));
    harness.write("in.csv", csv(&[["ann@x.com", "9", "2", "3", ""]]));
    harness.sync("in.csv").run().await.exits(0);
    assert_eq!((harness.calls().as_str(), value(&harness, "ann@x.com", "seen").as_str()), ("1 update", ""));
}
