//! Rows that are more than one contact each: duplicates, ids, tags, channels, several match fields, no key.

use std::collections::BTreeSet;

use contactsync::Field;
use contactsync::sandbox::Config;

use support::{Harness, Output, People, TOKEN};

#[track_caller]
fn check(harness: &Harness, ran: &Output, rows: &str, calls: &str) {
    let summary = ran.summary();
    assert_eq!(summary.rows(), rows, "{ran:?}");
    assert_eq!(harness.calls(), calls, "{ran:?}");
    assert_eq!(summary.calls(), calls, "{ran:?}");
    assert_eq!(ran.code, Some(if summary.count("rejected") > 0 { 3 } else { 0 }), "{ran:?}");
}

fn text(harness: &Harness, nth: usize, field: &str) -> String {
    let contacts = harness.sandbox.contacts(TOKEN);
    contacts[nth].fields.get(field).map(|value| value.text().into_owned()).unwrap_or_default()
}

fn tags(harness: &Harness, nth: usize) -> Vec<String> {
    harness.sandbox.contacts(TOKEN)[nth].tags.iter().cloned().collect()
}

#[tokio::test]
async fn the_last_of_several_rows_of_one_contact_counts() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name,tags\na@example.com,first,x\nb@example.com,only,\na@example.com,second,y\n a@example.com ,third,z\n");
    let sync = || harness.sync("in.csv --match email").run();
    check(&harness, &sync().await, "2 created, 2 merged", "2 find, 2 create, 1 add_tags");
    let all: BTreeSet<(String, Vec<String>)> =
        (0..2).map(|nth| (text(&harness, nth, "name"), tags(&harness, nth))).collect();
    assert_eq!(all, [("only".into(), vec![]), ("third".into(), vec!["z".into()])].into());
    check(&harness, &sync().await, "2 unchanged, 2 merged", "none");
}

#[tokio::test]
async fn jsonl_takes_plain_objects_and_the_platforms_own_shape() {
    let harness = Harness::unlimited().await;
    let known = harness.sandbox.insert(TOKEN, [Field::text("name", "Old")], ["old"]);
    let lines = [
        r#"{"email": "a@example.com", "visits": 3, "member": true, "tags": ["x", "y"]}"#.to_owned(),
        format!(
            r#"{{"id": "{known}", "custom_fields": {{"name": "New", "city": null}}, "tags": ["old", "new"], "created_at": 1700000000}}"#
        ),
        r#"{"custom_fields": [{"name": "email", "value": "b@example.com"}, {"name": "name", "value": "Bo"}]}"#
            .to_owned(),
    ];
    harness.write("in.jsonl", lines.join("\n"));
    let sync = || harness.sync("in.jsonl --match email").run();
    check(&harness, &sync().await, "2 created, 1 updated", "2 find, 2 create, 1 update, 2 add_tags");
    assert_eq!((text(&harness, 0, "name"), tags(&harness, 0)), ("New".into(), vec!["new".into(), "old".into()]));
    let of = |email: &str| (1..3).find(|&nth| text(&harness, nth, "email") == email).expect("the contact was created");
    let a = of("a@example.com");
    // Values are sent as strings, as in every documented request.
    for field in [Field::text("visits", "3"), Field::text("member", "true")] {
        assert_eq!(harness.sandbox.contacts(TOKEN)[a].fields[&*field.name], field.value);
    }
    assert_eq!(tags(&harness, a), ["x", "y"]);
    assert_eq!(text(&harness, of("b@example.com"), "name"), "Bo");
    check(&harness, &sync().await, "3 unchanged", "none");
}

#[tokio::test]
async fn a_row_with_an_id_is_not_searched_for() {
    let harness = Harness::unlimited().await;
    let ids: Vec<String> = (0..3)
        .map(|nth| {
            harness.sandbox.insert(TOKEN, [Field::text("email", format!("{nth}@example.com"))], ["old"]).to_string()
        })
        .collect();
    harness.write("in.csv", format!("contact_id,name,tags\n{},Ann,new\n{},Bo,\n404,Nobody,\n", ids[0], ids[1]));
    let sync = |arguments: &str| harness.sync(&format!("in.csv {arguments}")).run();
    let ran = sync("").await;
    assert!(ran.stderr.contains("in.csv:4: row 3 rejected: "), "{ran:?}");
    // A refused id is read once before the row is rejected.
    check(&harness, &ran, "2 updated, 1 rejected", "1 read, 3 update, 1 add_tags");
    assert_eq!((text(&harness, 0, "name"), tags(&harness, 0)), ("Ann".into(), vec!["new".into(), "old".into()]));
    assert_eq!((text(&harness, 1, "name"), tags(&harness, 1)), ("Bo".into(), vec!["old".into()]));
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 3);
    // The missing contact is tried again when it is asked for; the others are known.
    check(&harness, &sync("").await, "2 unchanged, 1 rejected", "none");
    check(&harness, &sync("--retry-rejected").await, "2 unchanged, 1 rejected", "1 read, 1 update");
}

#[tokio::test]
async fn tags_to_remove_are_removed_and_others_stay() {
    let harness = Harness::unlimited().await;
    harness.sandbox.insert(TOKEN, [Field::text("email", "a@example.com")], ["lead", "vip", "by hand"]);
    harness.write("in.csv", "email,tags,remove_tags\na@example.com,customer,lead;never there\n");
    let sync = || harness.sync("in.csv --match email").run();
    check(&harness, &sync().await, "1 updated", "1 find, 1 add_tags, 1 remove_tags");
    assert_eq!(tags(&harness, 0), ["by hand", "customer", "vip"]);
    check(&harness, &sync().await, "1 unchanged", "none");

    // Twelve tags take two calls.
    let many: Vec<String> = (0..12).map(|nth| format!("t{nth:02}")).collect();
    harness.write("add.csv", format!("email,tags\na@example.com,{}\n", many.join(";")));
    check(&harness, &harness.sync("add.csv --match email").run().await, "1 updated", "2 add_tags");
    harness.write("remove.csv", format!("email,remove_tags\na@example.com,{}\n", many.join("|")));
    check(&harness, &harness.sync("remove.csv --match email").run().await, "1 updated", "2 remove_tags");
    assert_eq!(tags(&harness, 0), ["by hand", "customer", "vip"]);
}

#[tokio::test]
async fn mirroring_removes_only_tags_that_contactsync_added() {
    let harness = Harness::unlimited().await;
    harness.sandbox.insert(TOKEN, [Field::text("email", "a@example.com")], ["by hand", "both"]);
    harness.write("one.csv", "email,tags\na@example.com,ours;both\n");
    harness.write("two.csv", "email,tags\na@example.com,other\n");
    harness.write("none.csv", "email,tags\na@example.com,\n");
    let sync = |file: &str, mode: &str| harness.sync(&format!("{file} --match email --tags-mode {mode}")).run();
    check(&harness, &sync("one.csv", "mirror").await, "1 updated", "1 find, 1 add_tags");
    assert_eq!(tags(&harness, 0), ["both", "by hand", "ours"]);
    // Without mirroring, the tags stay.
    check(&harness, &sync("two.csv", "add").await, "1 updated", "1 add_tags");
    assert_eq!(tags(&harness, 0), ["both", "by hand", "other", "ours"]);
    check(&harness, &sync("two.csv", "mirror").await, "1 updated", "1 remove_tags");
    assert_eq!(tags(&harness, 0), ["both", "by hand", "other"]);
    check(&harness, &sync("none.csv", "mirror").await, "1 updated", "1 remove_tags");
    assert_eq!(tags(&harness, 0), ["both", "by hand"]);
    check(&harness, &sync("none.csv", "mirror").await, "1 unchanged", "none");
}

#[tokio::test]
async fn a_viber_channel_has_its_ids_in_base64() {
    const VIBER: &str = "viber-token";
    let config = Config { rate: 0, viber_tokens: vec![VIBER.into()], ..Config::default() };
    let harness = Harness::of(config).await;
    let people = People::new(12, 35, 2);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --match email --channel-kind viber").token(Some(VIBER)).run();
    check(&harness, &sync().await, "12 created", "12 find, 12 create, 12 update, 12 add_tags");
    people.assert_stored_in_channel(&harness.sandbox, VIBER);
    check(&harness, &sync().await, "12 unchanged", "none");

    // Rows with ids too, and a run is resumed on the same kind of channel.
    let id = harness.sandbox.contacts(VIBER)[0].id.to_string();
    harness.write("ids.csv", format!("contact_id,extra\n{id},1\n"));
    let ran = harness.sync("ids.csv --channel-kind viber").token(Some(VIBER)).run().await;
    check(&harness, &ran, "1 updated", "1 update");
    assert_eq!(harness.sandbox.contacts(VIBER)[0].fields["extra"].text(), "1");
}

#[tokio::test]
async fn two_contacts_that_both_match_are_a_conflict() {
    let harness = Harness::unlimited().await;
    for name in ["One", "Two"] {
        harness.sandbox.insert(
            TOKEN,
            [Field::text("email", "a@example.com"), Field::text("name", name)],
            [] as [&str; 0],
        );
    }
    // An inexact hit of the search is another contact.
    harness.sandbox.insert(TOKEN, [Field::text("email", "B@EXAMPLE.COM")], [] as [&str; 0]);
    harness.write("in.csv", "email,name\na@example.com,New\nb@example.com,Bo\n");
    let ran = harness.sync("in.csv --match email").run().await;
    let [warning] = ran.stderr_lines("warning: in.csv:")[..] else { panic!("{ran:?}") };
    assert!(
        warning.starts_with("warning: in.csv:2: row 1 rejected: conflict: several contacts have its `email`: "),
        "{warning}"
    );
    check(&harness, &ran, "1 created, 1 rejected", "2 find, 1 create");
    assert_eq!((text(&harness, 0, "name"), text(&harness, 1, "name")), ("One".into(), "Two".into()));
    assert_eq!(text(&harness, 3, "name"), "Bo");
}

#[tokio::test]
async fn several_match_fields_are_tried_in_turn() {
    let harness = Harness::unlimited().await;
    harness.sandbox.insert(TOKEN, [Field::text("phone", "+521")], [] as [&str; 0]);
    harness.write("in.csv", "email,phone,name\na@example.com,+521,Ann\nb@example.com,+522,Bo\n,+523,Cy\n");
    let sync = || harness.sync("in.csv --match email --match phone").run();
    check(&harness, &sync().await, "2 created, 1 updated", "5 find, 2 create, 1 update");
    assert_eq!((text(&harness, 0, "email"), text(&harness, 0, "name")), ("a@example.com".into(), "Ann".into()));
    check(&harness, &sync().await, "3 unchanged", "none");
}

#[tokio::test]
async fn rows_without_a_key_are_created_once_over_many_syncs() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "name,city\nAnn,Puebla\nAnn,Puebla\nBo,Lima\n");
    let sync = || harness.sync("in.csv --mode create").run();
    check(&harness, &sync().await, "3 created", "3 create");
    check(&harness, &sync().await, "3 unchanged", "none");
    // One more equal row is one more contact; another order of the columns is not.
    harness.write("in.csv", "city,name\nPuebla,Ann\nPuebla,Ann\nLima,Bo\nPuebla,Ann\n");
    check(&harness, &sync().await, "1 created, 3 unchanged", "1 create");
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 4);
}

#[tokio::test]
async fn standard_input_can_be_the_input() {
    let harness = Harness::unlimited().await;
    harness.write("in", "email,name\na@example.com,Ann\n,Nobody\n");
    let ran = harness.sync("- --match email").stdin("in").run().await;
    assert_eq!(ran.stderr_lines("warning: standard input:3: row 2 rejected: ").len(), 1, "{ran:?}");
    check(&harness, &ran, "1 created, 1 rejected", "1 find, 1 create");
    harness.write("in", "{\"email\": \"a@example.com\", \"name\": \"Bo\"}\n");
    check(&harness, &harness.sync("- --format jsonl --match email").stdin("in").run().await, "1 updated", "1 update");
    assert_eq!(text(&harness, 0, "name"), "Bo");
}

#[tokio::test]
async fn exported_files_are_read_without_edits() {
    let harness = Harness::unlimited().await;
    for (name, file) in [("es.csv", "excel-es.csv"), ("sheet", "sheet.xlsx"), ("late.csv", "")] {
        let late = "email,name\n".to_owned() + &"a@example.com,Ann\n".repeat(100_000);
        let bytes =
            if file.is_empty() { late.into_bytes() } else { std::fs::read(format!("fixtures/input/{file}")).unwrap() };
        harness.write(name, bytes);
    }
    // In any order.
    let values = |field: &str| {
        let contacts = 0..harness.sandbox.contacts(TOKEN).len();
        contacts.map(|nth| text(&harness, nth, field)).collect::<Vec<_>>()
    };
    let ran = harness.sync("es.csv --match Correo").run().await;
    assert_eq!(ran.stderr_lines("es.csv: "), ["es.csv: read as Windows-1252, columns separated by `;`"], "{ran:?}");
    check(&harness, &ran, "2 created, 1 rejected", "2 find, 2 create");
    assert!(values("Apellidos").contains(&"N\u{fa}\u{f1}ez Pe\u{f1}a".to_owned()));
    let ran = harness.sync("- --match phone --sheet Contacts").stdin("sheet").run().await;
    let remark = "standard input: column 10 has no name and is ignored; read from sheet `Contacts`, one of 3";
    assert_eq!(ran.stderr_lines("standard input: column"), [remark], "{ran:?}");
    check(&harness, &ran, "2 created, 2 rejected", "2 find, 2 create");
    assert!(values("seen_at").contains(&"2024-02-29T14:30:00".to_owned()));
    // The encoding may only show in the last row.
    let mut late = std::fs::read(harness.path("late.csv")).unwrap();
    late.extend(b"b@example.com,Jos\xE9\n");
    harness.write("late.csv", late);
    let ran = harness.sync("late.csv --match email").run().await;
    assert_eq!(ran.stderr_lines("late.csv: "), ["late.csv: read as Windows-1252"], "{ran:?}");
    assert!(values("name").contains(&"Jos\u{e9}".to_owned()));
}
