//! What the rows of a file may ask for, beyond one contact each.

use std::collections::BTreeSet;

use contactsync::Field;
use contactsync::sandbox::Config;

use crate::scene::{People, Ran, Scene, TOKEN};

#[track_caller]
fn check(scene: &Scene, ran: &Ran, rows: &str, calls: &str) {
    let summary = ran.summary();
    assert_eq!(summary.rows(), rows, "{ran:?}");
    assert_eq!(scene.calls(), calls, "{ran:?}");
    assert_eq!(summary.calls(), calls, "{ran:?}");
    assert_eq!(ran.code, Some(if summary.count("rejected") > 0 { 3 } else { 0 }), "{ran:?}");
}

fn text(scene: &Scene, nth: usize, field: &str) -> String {
    let contacts = scene.sandbox.contacts(TOKEN);
    contacts[nth].fields.get(field).map(|value| value.text().into_owned()).unwrap_or_default()
}

fn tags(scene: &Scene, nth: usize) -> Vec<String> {
    scene.sandbox.contacts(TOKEN)[nth].tags.iter().cloned().collect()
}

#[tokio::test]
async fn of_several_rows_of_one_contact_the_last_one_counts() {
    let scene = Scene::unlimited().await;
    scene.write("in.csv", "email,name,tags\na@example.com,first,x\nb@example.com,only,\na@example.com,second,y\n a@example.com ,third,z\n");
    let sync = || scene.sync("in.csv --match email").run();
    check(&scene, &sync().await, "2 created, 2 merged", "2 find, 2 create, 1 add_tags");
    let all: BTreeSet<(String, Vec<String>)> =
        (0..2).map(|nth| (text(&scene, nth, "name"), tags(&scene, nth))).collect();
    assert_eq!(all, [("only".into(), vec![]), ("third".into(), vec!["z".into()])].into());
    check(&scene, &sync().await, "2 unchanged, 2 merged", "none");
}

#[tokio::test]
async fn jsonl_takes_plain_objects_and_the_platforms_own_shape() {
    let scene = Scene::unlimited().await;
    let known = scene.sandbox.insert(TOKEN, [Field::text("name", "Old")], ["old"]);
    let lines = [
        r#"{"email": "a@example.com", "visits": 3, "member": true, "tags": ["x", "y"]}"#.to_owned(),
        format!(
            r#"{{"id": "{known}", "custom_fields": {{"name": "New", "city": null}}, "tags": ["old", "new"], "created_at": 1700000000}}"#
        ),
        r#"{"custom_fields": [{"name": "email", "value": "b@example.com"}, {"name": "name", "value": "Bo"}]}"#
            .to_owned(),
    ];
    scene.write("in.jsonl", lines.join("\n"));
    let sync = || scene.sync("in.jsonl --match email").run();
    check(&scene, &sync().await, "2 created, 1 updated", "2 find, 2 create, 1 update, 2 add_tags");
    assert_eq!((text(&scene, 0, "name"), tags(&scene, 0)), ("New".into(), vec!["new".into(), "old".into()]));
    let of = |email: &str| (1..3).find(|&nth| text(&scene, nth, "email") == email).expect("it was made");
    let a = of("a@example.com");
    // Every documented request sends texts.
    for field in [Field::text("visits", "3"), Field::text("member", "true")] {
        assert_eq!(scene.sandbox.contacts(TOKEN)[a].fields[&*field.name], field.value);
    }
    assert_eq!(tags(&scene, a), ["x", "y"]);
    assert_eq!(text(&scene, of("b@example.com"), "name"), "Bo");
    check(&scene, &sync().await, "3 unchanged", "none");
}

#[tokio::test]
async fn a_row_with_an_id_is_not_looked_for() {
    let scene = Scene::unlimited().await;
    let ids: Vec<String> = (0..3)
        .map(|nth| {
            scene.sandbox.insert(TOKEN, [Field::text("email", format!("{nth}@example.com"))], ["old"]).to_string()
        })
        .collect();
    scene.write("in.csv", format!("contact_id,name,tags\n{},Ann,new\n{},Bo,\n404,Nobody,\n", ids[0], ids[1]));
    let sync = || scene.sync("in.csv").run();
    let ran = sync().await;
    assert!(ran.stderr.contains("in.csv:4: row 3 rejected: "), "{ran:?}");
    // The id that is refused is read once before the row is given up.
    check(&scene, &ran, "2 updated, 1 rejected", "1 read, 3 update, 1 add_tags");
    assert_eq!((text(&scene, 0, "name"), tags(&scene, 0)), ("Ann".into(), vec!["new".into(), "old".into()]));
    assert_eq!((text(&scene, 1, "name"), tags(&scene, 1)), ("Bo".into(), vec!["old".into()]));
    assert_eq!(scene.sandbox.contacts(TOKEN).len(), 3);
    // The one that is not there is tried again, the others are known.
    check(&scene, &sync().await, "2 unchanged, 1 rejected", "1 read, 1 update");
}

#[tokio::test]
async fn tags_to_remove_are_removed_and_others_stay() {
    let scene = Scene::unlimited().await;
    scene.sandbox.insert(TOKEN, [Field::text("email", "a@example.com")], ["lead", "vip", "by hand"]);
    scene.write("in.csv", "email,tags,remove_tags\na@example.com,customer,lead;never there\n");
    let sync = || scene.sync("in.csv --match email").run();
    check(&scene, &sync().await, "1 updated", "1 find, 1 add_tags, 1 remove_tags");
    assert_eq!(tags(&scene, 0), ["by hand", "customer", "vip"]);
    check(&scene, &sync().await, "1 unchanged", "none");

    // Twelve at once are two calls.
    let many: Vec<String> = (0..12).map(|nth| format!("t{nth:02}")).collect();
    scene.write("add.csv", format!("email,tags\na@example.com,{}\n", many.join(";")));
    check(&scene, &scene.sync("add.csv --match email").run().await, "1 updated", "2 add_tags");
    scene.write("remove.csv", format!("email,remove_tags\na@example.com,{}\n", many.join("|")));
    check(&scene, &scene.sync("remove.csv --match email").run().await, "1 updated", "2 remove_tags");
    assert_eq!(tags(&scene, 0), ["by hand", "customer", "vip"]);
}

#[tokio::test]
async fn mirrored_tags_go_when_the_file_no_longer_names_them_but_only_our_own() {
    let scene = Scene::unlimited().await;
    scene.sandbox.insert(TOKEN, [Field::text("email", "a@example.com")], ["by hand", "both"]);
    scene.write("one.csv", "email,tags\na@example.com,ours;both\n");
    scene.write("two.csv", "email,tags\na@example.com,other\n");
    scene.write("none.csv", "email,tags\na@example.com,\n");
    let sync = |file: &str, mode: &str| scene.sync(&format!("{file} --match email --tags-mode {mode}")).run();
    check(&scene, &sync("one.csv", "mirror").await, "1 updated", "1 find, 1 add_tags");
    assert_eq!(tags(&scene, 0), ["both", "by hand", "ours"]);
    // Unless mirrored, they stay.
    check(&scene, &sync("two.csv", "add").await, "1 updated", "1 add_tags");
    assert_eq!(tags(&scene, 0), ["both", "by hand", "other", "ours"]);
    check(&scene, &sync("two.csv", "mirror").await, "1 updated", "1 remove_tags");
    assert_eq!(tags(&scene, 0), ["both", "by hand", "other"]);
    check(&scene, &sync("none.csv", "mirror").await, "1 updated", "1 remove_tags");
    assert_eq!(tags(&scene, 0), ["both", "by hand"]);
    check(&scene, &sync("none.csv", "mirror").await, "1 unchanged", "none");
}

#[tokio::test]
async fn a_viber_channel_has_its_ids_in_base64() {
    const VIBER: &str = "viber-token";
    let config = Config { rate: 0, viber_tokens: vec![VIBER.into()], ..Config::default() };
    let scene = Scene::of(config).await;
    let people = People::new(12, 35, 2);
    scene.write("in.csv", people.csv());
    let sync = || scene.sync("in.csv --match email --channel-kind viber").token(Some(VIBER)).run();
    check(&scene, &sync().await, "12 created", "12 find, 12 create, 12 update, 12 add_tags");
    people.are_all_of_channel(&scene.sandbox, VIBER);
    check(&scene, &sync().await, "12 unchanged", "none");

    // By id as well, and what was left of a run is resumed on the same kind of channel.
    let id = scene.sandbox.contacts(VIBER)[0].id.to_string();
    scene.write("ids.csv", format!("contact_id,extra\n{id},1\n"));
    let ran = scene.sync("ids.csv --channel-kind viber").token(Some(VIBER)).run().await;
    check(&scene, &ran, "1 updated", "1 update");
    assert_eq!(scene.sandbox.contacts(VIBER)[0].fields["extra"].text(), "1");
}

#[tokio::test]
async fn two_contacts_that_both_match_are_a_conflict() {
    let scene = Scene::unlimited().await;
    for name in ["One", "Two"] {
        scene.sandbox.insert(
            TOKEN,
            [Field::text("email", "a@example.com"), Field::text("name", name)],
            [] as [&str; 0],
        );
    }
    // Found by a loose search, but somebody else.
    scene.sandbox.insert(TOKEN, [Field::text("email", "B@EXAMPLE.COM")], [] as [&str; 0]);
    scene.write("in.csv", "email,name\na@example.com,New\nb@example.com,Bo\n");
    let ran = scene.sync("in.csv --match email").run().await;
    let [warning] = ran.said("warning: in.csv:")[..] else { panic!("{ran:?}") };
    assert!(
        warning.starts_with("warning: in.csv:2: row 1 rejected: conflict: several contacts have its `email`: "),
        "{warning}"
    );
    check(&scene, &ran, "1 created, 1 rejected", "2 find, 1 create");
    assert_eq!((text(&scene, 0, "name"), text(&scene, 1, "name")), ("One".into(), "Two".into()));
    assert_eq!(text(&scene, 3, "name"), "Bo");
}

#[tokio::test]
async fn several_match_fields_are_tried_in_turn() {
    let scene = Scene::unlimited().await;
    scene.sandbox.insert(TOKEN, [Field::text("phone", "+521")], [] as [&str; 0]);
    scene.write("in.csv", "email,phone,name\na@example.com,+521,Ann\nb@example.com,+522,Bo\n,+523,Cy\n");
    let sync = || scene.sync("in.csv --match email --match phone").run();
    check(&scene, &sync().await, "2 created, 1 updated", "5 find, 2 create, 1 update");
    assert_eq!((text(&scene, 0, "email"), text(&scene, 0, "name")), ("a@example.com".into(), "Ann".into()));
    check(&scene, &sync().await, "3 unchanged", "none");
}

#[tokio::test]
async fn rows_without_a_key_are_made_once_each_however_often_they_are_synced() {
    let scene = Scene::unlimited().await;
    scene.write("in.csv", "name,city\nAnn,Puebla\nAnn,Puebla\nBo,Lima\n");
    let sync = || scene.sync("in.csv --mode create").run();
    check(&scene, &sync().await, "3 created", "3 create");
    check(&scene, &sync().await, "3 unchanged", "none");
    // One equal row more is one contact more; another order of the columns is none.
    scene.write("in.csv", "city,name\nPuebla,Ann\nPuebla,Ann\nLima,Bo\nPuebla,Ann\n");
    check(&scene, &sync().await, "1 created, 3 unchanged", "1 create");
    assert_eq!(scene.sandbox.contacts(TOKEN).len(), 4);
}

#[tokio::test]
async fn standard_input_is_a_file_too() {
    let scene = Scene::unlimited().await;
    scene.write("in", "email,name\na@example.com,Ann\n,Nobody\n");
    let ran = scene.sync("- --match email").stdin("in").run().await;
    assert_eq!(ran.said("warning: standard input:3: row 2 rejected: ").len(), 1, "{ran:?}");
    check(&scene, &ran, "1 created, 1 rejected", "1 find, 1 create");
    scene.write("in", "{\"email\": \"a@example.com\", \"name\": \"Bo\"}\n");
    check(&scene, &scene.sync("- --format jsonl --match email").stdin("in").run().await, "1 updated", "1 update");
    assert_eq!(text(&scene, 0, "name"), "Bo");
}

#[tokio::test]
async fn a_file_is_read_as_it_was_exported() {
    let scene = Scene::unlimited().await;
    for (name, file) in [("es.csv", "excel-es.csv"), ("sheet", "sheet.xlsx"), ("late.csv", "")] {
        let late = "email,name\n".to_owned() + &"a@example.com,Ann\n".repeat(100_000);
        let bytes =
            if file.is_empty() { late.into_bytes() } else { std::fs::read(format!("fixtures/input/{file}")).unwrap() };
        scene.write(name, bytes);
    }
    // In whatever order they came.
    let values = |field: &str| {
        let contacts = 0..scene.sandbox.contacts(TOKEN).len();
        contacts.map(|nth| text(&scene, nth, field)).collect::<Vec<_>>()
    };
    let ran = scene.sync("es.csv --match Correo").run().await;
    assert_eq!(ran.said("es.csv: "), ["es.csv: read as Windows-1252, columns separated by `;`"], "{ran:?}");
    check(&scene, &ran, "2 created, 1 rejected", "2 find, 2 create");
    assert!(values("Apellidos").contains(&"N\u{fa}\u{f1}ez Pe\u{f1}a".to_owned()));
    let ran = scene.sync("- --match phone --sheet Contacts").stdin("sheet").run().await;
    let remark = "standard input: read from sheet `Contacts`, one of 3; column 10 has no name and is ignored";
    assert_eq!(ran.said("standard input: read"), [remark], "{ran:?}");
    check(&scene, &ran, "2 created, 2 rejected", "2 find, 2 create");
    assert!(values("seen_at").contains(&"2024-02-29T14:30:00".to_owned()));
    // What a text is written in may show in its last row.
    let mut late = std::fs::read(scene.path("late.csv")).unwrap();
    late.extend(b"b@example.com,Jos\xE9\n");
    scene.write("late.csv", late);
    let ran = scene.sync("late.csv --match email").run().await;
    assert_eq!(ran.said("late.csv: "), ["late.csv: read as Windows-1252"], "{ran:?}");
    assert!(values("name").contains(&"Jos\u{e9}".to_owned()));
}
