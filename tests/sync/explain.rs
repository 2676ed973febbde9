//! `explain`: the history of one contact, as the journal has it, what an input would change, and what the platform has.

use std::fs;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule, StoredContact};
use serde_json::{Value as Json, json};

use support::{Harness, JOURNAL, Output, TOKEN};

const ANN: &str = "phone=+525512345601";

async fn explain(harness: &Harness, arguments: &str) -> Output {
    harness.program(&format!("explain {arguments} --journal {JOURNAL}")).run().await
}

async fn story(harness: &Harness, arguments: &str) -> Json {
    let told = explain(harness, &format!("{arguments} --json")).await.exits(0);
    serde_json::from_str(told.stdout.trim()).expect("one JSON object")
}

/// The rows of a run or an input, as `line state: reason`.
fn rows(part: &Json) -> Vec<String> {
    let text = |json: &Json| json.as_str().map(|text| format!(": {text}")).unwrap_or_default();
    let row =
        |row: &Json| format!("{} {}{}", row["line"], row["state"].as_str().unwrap_or_default(), text(&row["reason"]));
    part["rows"].as_array().expect("a list").iter().map(row).collect()
}

/// The calls of a run, as `kind result`.
fn calls(run: &Json) -> Vec<String> {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let call = |call: &Json| format!("{} {}", text(&call["kind"]), text(&call["result"]));
    run["calls"].as_array().expect("a list").iter().map(call).collect()
}

/// Two nights: Ann is created, then her city changes. Bo has two rows, Cy has no phone.
async fn two_nights() -> Harness {
    let harness = Harness::unlimited().await;
    let night = |city: &str| {
        format!(
            "phone,name,city,tags\n+525512345601,Ann,{city},vip\n+525512345602,Bo,Lima,\nabc,Cy,Lima,\n+525512345602,Bo,Cuzco,\n"
        )
    };
    harness.write("in.csv", night("Lima"));
    harness.sync("in.csv --match phone").run().await.exits(3);
    harness.write("in.csv", night("Quito"));
    harness.sync("in.csv --match phone --results results.csv").run().await.exits(3);
    harness.calls();
    harness
}

#[tokio::test]
async fn a_contact_has_one_story_across_runs() {
    let harness = two_nights().await;
    let before = fs::read(harness.path(JOURNAL)).expect("the journal");
    let told = story(&harness, "+525512345601").await;
    assert_eq!((&told["key"], &told["channel"]), (&json!(ANN), &json!("default")));
    let known = &told["platform"];
    assert_eq!(known["custom_fields"], json!({ "phone": "+525512345601", "name": "A…", "city": "Q…o" }));
    assert_eq!(
        (&known["state"], &known["tags"], &known["own_tags"]),
        (&json!("known"), &json!(["vip"]), &json!(["vip"]))
    );
    let runs = told["runs"].as_array().expect("a list");
    assert_eq!(runs.iter().map(|run| run["run"].clone()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((rows(&runs[0]), rows(&runs[1])), (vec!["2 created".into()], vec!["2 updated".into()]));
    assert_eq!(calls(&runs[0]), ["find page", "create created", "add_tags done"]);
    assert_eq!(calls(&runs[1]), ["update done"]);
    assert!(runs[1]["calls"][0]["at"].is_string() && runs[1]["calls"][0]["ms"].is_number(), "{runs:?}");
    assert_eq!(runs[1]["written"], json!([{ "name": "city", "before": "L…a", "after": "Q…o" }]));
    let shown = explain(&harness, &format!("{ANN} --show-values")).await.exits(0);
    assert!(shown.stdout.contains("wrote city: Lima → Quito"), "{shown:?}");
    let id = known["id"].as_str().expect("an id");
    for name in [format!("id:{id}"), id.to_owned(), "line:2".into(), ANN.into()] {
        assert_eq!(story(&harness, &name).await, told, "{name}");
    }
    // Nothing is written, and nothing is sent.
    assert_eq!(fs::read(harness.path(JOURNAL)).expect("the journal"), before);
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_row_that_is_rejected_or_merged_is_told() {
    let harness = two_nights().await;
    let why = "column `phone`: expected a phone number (match field), found text without digits";
    // From the journal.
    let rejected = story(&harness, "line:4").await;
    assert_eq!((&rejected["key"], rows(&rejected["runs"][0])), (&Json::Null, vec![format!("4 rejected: {why}")]));
    let merged = story(&harness, "line:3").await;
    assert_eq!(merged["key"], json!("phone=+525512345602"));
    let expected = vec!["3 merged: merged into line 5".to_owned(), "5 unchanged".to_owned()];
    assert_eq!(rows(&merged["runs"][1]), expected);
    // From the input, where the lines are its own.
    let rejected = story(&harness, "line:4 in.csv --match phone").await;
    assert_eq!(rows(&rejected["input"]), [format!("4 rejected: {why}")]);
    let merged = story(&harness, "line:3 in.csv --match phone").await;
    assert_eq!((&merged["key"], rows(&merged["input"])), (&json!("phone=+525512345602"), expected));
    let text = explain(&harness, "line:4").await.exits(0);
    assert!(text.stdout.starts_with("a row without a contact\n"), "{text:?}");
}

#[tokio::test]
async fn an_input_shows_what_it_would_change_now() {
    let harness = two_nights().await;
    harness.write("next.csv", "phone,name,city\n+525512345601,Ann,Cuzco\n+525512345609,Di,Lima\n");
    let told = story(&harness, &format!("{ANN} next.csv --match phone --show-values")).await;
    assert_eq!(rows(&told["input"]), ["2 pending"]);
    let change = &told["input"]["changes"][0];
    assert_eq!(change["fields"], json!([{ "name": "city", "old": "Quito", "new": "Cuzco" }]));
    let text = explain(&harness, &format!("{ANN} next.csv --match phone")).await.exits(0);
    let expected = "next.csv: line 2: would be sent\n  ~ phone=+525512345601: city: Q…o → C…o";
    assert!(text.stdout.contains(expected), "{text:?}");
    // One that the journal does not know.
    let new = story(&harness, "phone=+525512345609 next.csv --match phone").await;
    assert_eq!((&new["key"], &new["platform"]["state"]), (&json!("phone=+525512345609"), &json!("unknown")));
    assert_eq!(new["input"]["changes"][0]["change"], "create_or_update");
    // And one that the input does not have.
    let gone = explain(&harness, "phone=+525512345602 next.csv --match phone").await.exits(0);
    assert!(gone.stdout.contains("next.csv: no row of this contact"), "{gone:?}");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_rejection_and_a_doubt_are_told_with_their_reasons() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "search_lag = \"1h\"\n");
    harness.write("in.csv", "phone,name\n+525512345601,Ann\n");
    let rules = |fault| vec![Rule::always(fault).on(CallKind::Create)];
    harness.sandbox.set_faults(Faults { rules: rules(Fault::UnknownPlan), ..Faults::default() });
    harness.sync("in.csv --match phone").run().await.exits(3);
    let rejected = story(&harness, ANN).await;
    let reason = "Unknown value for contact.plan";
    assert_eq!(rows(&rejected["runs"][0]), [format!("2 rejected: {reason}")]);
    assert_eq!(
        (&rejected["rejections"][0]["tries"], &rejected["rejections"][0]["reason"]),
        (&json!(1), &json!(reason))
    );
    assert_eq!(calls(&rejected["runs"][0]), ["find page", "create refused"]);
    // The next night would not try it again yet.
    let told = story(&harness, &format!("{ANN} in.csv --match phone")).await;
    assert!(rows(&told["input"])[0].starts_with("2 rejected: still rejected after 1 try"), "{told}");

    harness.sandbox.set_faults(Faults { rules: rules(Fault::LoseAfter), ..Faults::default() });
    harness.sync("in.csv --match phone --retry-rejected --for 31s --max-calls 2").run().await.exits(4);
    let in_doubt = story(&harness, ANN).await;
    assert_eq!(in_doubt["platform"]["state"], "in_doubt", "{in_doubt}");
    assert_eq!(in_doubt["platform"]["reason"], "in doubt: the answer to its create was lost");
    let run = in_doubt["runs"].as_array().and_then(|runs| runs.last()).expect("a run");
    assert_eq!((rows(run), calls(run)), (vec!["2 pending".into()], vec!["find page".into(), "create lost".into()]));
    let text = explain(&harness, ANN).await.exits(0);
    assert!(text.stdout.contains("0 searches found no contact so far"), "{text:?}");
}

#[tokio::test]
async fn a_write_that_the_platform_refused_wrote_nothing() {
    let harness = two_nights().await;
    harness.write("in.csv", "phone,name,city\n+525512345601,Ann,Cuzco\n");
    let rules = vec![Rule::always(Fault::UnknownPlan).on(CallKind::Update)];
    harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
    harness.sync("in.csv --match phone").run().await.exits(3);
    let runs = story(&harness, "+525512345601").await["runs"].clone();
    let runs = runs.as_array().expect("runs");
    assert!(runs.iter().any(|run| !run["written"].as_array().expect("a list").is_empty()), "{runs:?}");
    let last = runs.last().expect("the refused run");
    assert_eq!((calls(last), &last["written"]), (vec!["update refused".to_owned()], &json!([])));
}

#[tokio::test]
async fn what_the_platform_has_now_is_compared_with_what_is_known() {
    let harness = two_nights().await;
    let stored = harness.sandbox.contacts(TOKEN);
    let is_ann = |contact: &&StoredContact| contact.fields["phone"].text() == "+525512345601";
    let contact = stored.iter().find(is_ann).expect("she is stored");
    let live = format!("{ANN} --live --match phone --url {} --rate 1000000", harness.sandbox.url());
    let same = explain(&harness, &live).await.exits(0);
    assert!(same.stdout.contains("nothing differs from what is known"), "{same:?}");
    assert_eq!(harness.calls(), "1 read");
    assert!(harness.sandbox.edit(TOKEN, &contact.id, [Field::text("city", "Puebla")], [""; 0]));
    let told = story(&harness, &format!("{live} --show-values")).await;
    let expected = json!([{ "what": "field", "name": "city", "wanted": "Quito", "found": "Puebla" }]);
    assert_eq!(
        (&told["live"]["differences"], &told["live"]["contact"]["custom_fields"]["city"]),
        (&expected, &json!("Puebla"))
    );
    let text = explain(&harness, &live).await.exits(0);
    assert!(text.stdout.contains("differs: city: expected Q…o, found P…a"), "{text:?}");
    harness.sandbox.refuse_token(TOKEN);
    explain(&harness, &live).await.exits(5);
}

#[tokio::test]
async fn a_name_that_stands_for_no_contact_or_for_several_is_refused() {
    let harness = two_nights().await;
    for name in ["phone=1", "id:1", "line:99", "line:1"] {
        let unknown = explain(&harness, name).await.exits(2);
        assert!(unknown.stderr.contains(&format!("error: no contact `{name}` is known\nhint: ")), "{unknown:?}");
    }
    let unknown = explain(&harness, "line:99 in.csv --match phone").await.exits(2);
    assert!(unknown.stderr.contains("no contact `line:99` is known"), "{unknown:?}");
    harness.sync("in.csv --match phone --channel other").token(Some("other")).run().await;
    let several = explain(&harness, ANN).await.exits(2);
    assert!(several.stderr.contains("(channel `default`), phone=+525512345601 (channel `other`)"), "{several:?}");
    assert_eq!(story(&harness, &format!("{ANN} --channel other")).await["channel"], "other");
    let missing = harness.program(&format!("explain {ANN} --journal none.db")).run().await.exits(2);
    assert!(missing.stderr.contains("journal none.db: no such file"), "{missing:?}");
}

#[tokio::test]
async fn a_rejected_row_is_found_by_its_cells_if_rejected_rows_are_listed() {
    let harness = Harness::unlimited().await;
    harness.write(
        "in.csv",
        "phone,email\n+525512345601,ann@example.com\ncellphone, bo@example.com\ncellphone,cy@example.com\n",
    );
    harness.sync("in.csv --match phone").run().await.exits(3);
    // Without the list, the journal does not keep them.
    let unknown = explain(&harness, "bo@example.com").await.exits(2);
    assert!(unknown.stderr.contains("; `contactsync report` lists rejected rows with their lines\n"), "{unknown:?}");
    harness.sync("in.csv --match phone --rejects bad.csv").run().await.exits(3);
    for name in ["bo@example.com", "email=bo@example.com"] {
        let told = story(&harness, name).await;
        let why = "column `phone`: expected a phone number (match field), found text without digits";
        assert_eq!((&told["key"], rows(&told["runs"][0])), (&Json::Null, vec![format!("3 rejected: {why}")]), "{name}");
    }
    let both = explain(&harness, "cellphone").await.exits(0);
    assert!(both.stdout.starts_with("2 rows without a contact\nrun 2, "), "{both:?}");
    assert!(!both.stdout.contains("example.com"), "{both:?}");
    // The contact of a row comes first.
    assert_eq!(story(&harness, "+525512345601").await["key"], ANN);
    explain(&harness, "example.com").await.exits(2);
    explain(&harness, "id:bo@example.com").await.exits(2);
}
