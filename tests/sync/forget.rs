//! `journal forget`: nothing of the person is left in any file, and nothing of the others changes.

use std::fs;
use std::time::Duration;

use contactsync::Field;
use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule};
use serde_json::Value as Json;

use support::{Harness, JOURNAL, Output, TOKEN};

/// What only Ann has: values, tags that are names stay out of it.
const OF_ANN: [&str; 6] = [
    "ann.unique@example.com",
    "+525512345601",
    "Ann Uniqueson",
    "Street of Ann",
    "Second Street of Ann",
    "bad phone of ann",
];

async fn forget(harness: &Harness, arguments: &str) -> Output {
    harness.program(&format!("journal forget {arguments} --json --journal {JOURNAL}")).run().await
}

fn json(output: &Output) -> Json {
    serde_json::from_str(output.stdout.trim()).expect("one JSON object")
}

/// The files of the directory, other than those that the test wrote, which contain one of these texts.
fn files_with(harness: &Harness, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(harness.path("")).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        let is_ours = name.starts_with(JOURNAL) || name.starts_with("rejects") || name.starts_with("results");
        if !is_ours {
            continue;
        }
        let bytes = fs::read(entry.path()).expect("a file");
        for text in texts {
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(format!("{name}: {text}"));
            }
        }
    }
    found.sort();
    found
}

async fn runs(harness: &Harness) -> String {
    harness.program(&format!("runs --json --journal {JOURNAL}")).run().await.exits(0).stdout
}

async fn check_journal(harness: &Harness) {
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
}

const LISTS: &str = "--rejects rejects.csv --results results.csv";

/// Ann, and Bo whose row is as it is in all inputs.
fn input(street: &str) -> String {
    format!(
        "email,phone,name,street,tags\nbo@example.com,+525512345602,Bo,Street of Bo,vip\n\
         ann.unique@example.com,+525512345601,Ann Uniqueson,{street},vip\n"
    )
}

/// A journal in which Ann is in every table: created, changed, rejected, verified, undone, and found by others' searches.
async fn with_ann() -> Harness {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "match = [\"email\", \"phone\"]\n");
    harness.write("in.csv", input("Street of Ann"));
    harness.sync(&format!("in.csv {LISTS}")).run().await.exits(0);
    harness.write("in.csv", input("Second Street of Ann"));
    harness.sync(&format!("in.csv {LISTS}")).run().await.exits(0);
    let url = harness.sandbox.url();
    harness.program(&format!("undo 2 --journal {JOURNAL} --url {url} --rate 1000000")).run().await.exits(0);
    harness.sync(&format!("in.csv {LISTS}")).run().await.exits(0);
    // An agent's edit, which is accepted.
    let ann = harness.sandbox.contacts(TOKEN).into_iter().find(|contact| contact.fields["name"].text() != "Bo");
    let ann = ann.expect("she was created").id;
    harness.sandbox.edit(TOKEN, &ann, [Field::text("street", "Street of Ann")], [""; 0]);
    harness.program(&format!("verify --accept --journal {JOURNAL} --url {url} --rate 1000000")).run().await.exits(3);
    // A change of hers that is refused, and a row that is rejected before it becomes a contact.
    let rules = vec![Rule::always(Fault::ValidationFailed).on(CallKind::Update)];
    harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
    let ann = input("Third Street of Ann").replace("Uniqueson", "Uniqueson II");
    let more = "zoe@example.com,,Zoe,Street of Zoe,\n,bad phone of ann,x,ann.unique@example.com,\n";
    harness.write("in.csv", format!("{ann}{more}"));
    harness.write("contactsync.toml", CONFIG);
    harness.sync(&format!("in.csv {LISTS}")).run().await.exits(3);
    harness.sandbox.set_faults(Faults::default());
    harness.calls();
    harness
}

const CONFIG: &str = "match = [\"email\", \"phone\"]\n[fields]\nemail = \"email\"\n\
                      phone = { column = \"phone\", transform = [\"e164\"] }\nname = \"name\"\nstreet = \"street\"\n";

#[tokio::test]
async fn nothing_of_a_forgotten_person_is_left_in_the_journal_its_log_and_its_lists() {
    let harness = with_ann().await;
    for text in OF_ANN {
        assert!(!files_with(&harness, &[text]).is_empty(), "the journal has `{text}`");
    }
    fs::copy(harness.path(JOURNAL), harness.path(&format!("{JOURNAL}.monday"))).expect("a copy");
    let history = runs(&harness).await;
    // A person is named by any match value, in any of its forms.
    let forgotten = forget(&harness, "phone=+525512345601").await.exits(0);
    let object = json(&forgotten);
    assert_eq!(
        object["contacts"],
        serde_json::json!([{ "key": "email=ann.unique@example.com", "channel": "default" }])
    );
    assert_eq!(object["suppressed"], false);
    let lists = object["lists"].as_array().expect("a list");
    assert_eq!(lists.len(), 2, "{object}");
    // Copies are named and stay.
    assert!(forgotten.stderr.contains(&format!("{JOURNAL}.monday")), "{forgotten:?}");
    fs::remove_file(harness.path(&format!("{JOURNAL}.monday"))).expect("the copy");
    assert_eq!(files_with(&harness, &OF_ANN), [""; 0]);
    // The others are as they were, and so are the counts of all runs.
    assert_eq!(
        files_with(&harness, &["bo@example.com"]),
        ["journal.db: bo@example.com", "results.csv: bo@example.com"]
    );
    assert_eq!(runs(&harness).await, history);
    check_journal(&harness).await;
    let results = fs::read_to_string(harness.path("results.csv")).expect("the results");
    assert_eq!(results.lines().count(), 3, "{results}");
    let rejects = fs::read_to_string(harness.path("rejects.csv")).expect("the rejects");
    assert_eq!(rejects, "_line,_reason,email,phone,name,street,tags\n");

    // Without suppression, she returns with the next file like a new person, and is found.
    harness.write("in.csv", input("Third Street of Ann"));
    let ran = harness.sync("in.csv").run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("1 updated, 1 unchanged".into(), "1 find, 1 update".into()));
    check_journal(&harness).await;
    // A second time, with nothing to find any more.
    forget(&harness, "ann.unique@example.com").await.exits(0);
    assert_eq!(files_with(&harness, &OF_ANN), [""; 0]);
    let unknown = forget(&harness, "ann.unique@example.com").await.exits(2);
    assert!(unknown.stderr.contains("the journal knows no contact `ann.unique@example.com`"), "{unknown:?}");
}

#[tokio::test]
async fn a_suppressed_person_does_not_return() {
    let harness = with_ann().await;
    let object = json(&forget(&harness, "ann.unique@example.com --suppress").await.exits(0));
    assert_eq!(object["suppressed"], true);
    // By either match value, in a row that is rejected as well, and in a pull.
    harness.write(
        "in.csv",
        format!(
            "{}x@example.com,+525512345601,Ann Uniqueson,Street of Ann,\nann.unique@example.com,bad phone of ann,x,y,\n",
            input("Street of Ann")
        ),
    );
    let plan = harness.plan("in.csv").run().await.exits(0).planned();
    assert_eq!(plan.rows(), "1 unchanged, 3 skipped");
    for lists in ["", LISTS] {
        let ran = harness.sync(&format!("in.csv {lists}")).run().await.exits(0);
        assert_eq!(
            (ran.summary().rows(), harness.calls()),
            ("1 unchanged, 3 skipped".into(), "none".into()),
            "{lists}"
        );
        assert!(
            ran.stderr.contains("skipped 3 rows of people who were erased with `journal forget --suppress`"),
            "{ran:?}"
        );
        assert_eq!(files_with(&harness, &OF_ANN), [""; 0], "{lists}");
    }
    let results = fs::read_to_string(harness.path("results.csv")).expect("the results");
    assert_eq!(results.lines().nth(2), Some("3,,skipped,,0,suppressed"), "{results}");
    let url = harness.sandbox.url();
    let pull = format!(
        "pull --field name --value Ann_Uniqueson --match email --journal {JOURNAL} --url {url} --rate 1000000 --json"
    );
    let pulled = harness.program(&pull.replace("Ann_Uniqueson", "Bo")).run().await.exits(0);
    assert_eq!(json(&pulled)["learnt"], 1);
    let ann =
        harness.program(&pull.replace(" --value Ann_Uniqueson", "")).argument("--value").argument("Ann Uniqueson");
    let pulled = ann.run().await.exits(0);
    assert_eq!((&json(&pulled)["seen"], &json(&pulled)["learnt"]), (&1.into(), &0.into()), "{pulled:?}");
    assert_eq!(files_with(&harness, &["ann.unique@example.com", "+525512345601"]), [""; 0]);
    check_journal(&harness).await;
    // A person who is suppressed beforehand never comes in.
    forget(&harness, "email=zoe@example.com").await.exits(0);
    forget(&harness, "email=never@example.com").await.exits(2);
    forget(&harness, "email=never@example.com --suppress").await.exits(0);
    harness.write("in.csv", "email,phone,name,street\nnever@example.com,,Never,\n");
    let ran = harness.sync("in.csv").run().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls().contains("create")), ("1 skipped".into(), false));
}

#[tokio::test]
async fn a_person_is_named_by_id_or_line_and_erased_in_all_channels() {
    let harness = Harness::unlimited().await;
    let url = harness.sandbox.url();
    let config = format!(
        "match = \"email\"\nchannel_column = \"office\"\nrate = 1000000\n\
         [channel.mx]\nurl = \"{url}\"\ntoken_file = \"mx.token\"\n[channel.us]\nurl = \"{url}\"\ntoken_file = \"us.token\"\n"
    );
    harness.write("contactsync.toml", config);
    harness.write("mx.token", "mx\n");
    harness.write("us.token", "us\n");
    harness.write(
        "in.csv",
        "email,city,office\nann@example.com,Lima,mx\nann@example.com,Lima,us\nbo@example.com,Quito,mx\nzoe@example.com,Cuzco,mx\n",
    );
    harness.program(&format!("sync in.csv --journal {JOURNAL}")).run().await.exits(0);
    let contacts = json(&forget(&harness, "ann@example.com").await.exits(0))["contacts"].clone();
    assert_eq!(contacts.as_array().map(Vec::len), Some(2), "{contacts}");
    let bo = harness.sandbox.contacts("mx").into_iter().find(|contact| contact.fields["city"].text() == "Quito");
    forget(&harness, &format!("id:{}", bo.expect("a contact").id)).await.exits(0);
    forget(&harness, "line:5").await.exits(0);
    forget(&harness, "line:5").await.exits(2);
    assert_eq!(files_with(&harness, &["ann@example.com", "bo@example.com", "zoe@example.com", "Lima"]), [""; 0]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_person_in_doubt_or_pending_or_in_use_is_not_forgotten() {
    let lost = Rule::always(Fault::LoseAfter).on(CallKind::Create).with_value("ann");
    let harness = Harness::faulty(Faults { rules: vec![lost], ..Faults::default() }).await;
    harness.write("in.csv", "code,crm\nann,1\n1,2\nzoe,3\n");
    let mut running = harness.sync("in.csv --match code --match crm --search-lag 60s").start();
    assert!(running.until(|| harness.undelivered().len() == 1).await);
    let held = forget(&harness, "zoe").await.exits(6);
    assert!(held.stderr.contains("in use by another run"), "{held:?}");
    running.signal("TERM").await;
    running.end().await.exits(4);
    let before = fs::read(harness.path(JOURNAL)).expect("the journal");
    let in_doubt = forget(&harness, "code=ann").await.exits(7);
    assert!(in_doubt.stderr.contains("is in doubt: the answer to its create was lost"), "{in_doubt:?}");
    let ambiguous = forget(&harness, "1").await.exits(2);
    assert!(ambiguous.stderr.contains("matches several contacts"), "{ambiguous:?}");
    assert_eq!(fs::read(harness.path(JOURNAL)).expect("the journal"), before);
    harness.sandbox.set_faults(Faults::default());
    harness.resume().with("--search-lag 1ms").run().await;
    // A row that is pending.
    let slow = Faults { latency: Duration::from_millis(200), ..Faults::default() };
    harness.sandbox.set_faults(slow);
    harness.write("in.csv", "code,crm\nann,1\nbo,2\nzoe,4\n");
    let calls = harness.sandbox.ledger().len();
    let mut running = harness.sync("in.csv --match code").start();
    assert!(running.until(|| harness.sandbox.ledger().len() > calls).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    let pending = forget(&harness, "zoe").await.exits(7);
    assert!(pending.stderr.contains("is pending in run 2"), "{pending:?}");
    harness.resume().run().await.exits(0);
    forget(&harness, "zoe").await.exits(0);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_person_whose_id_is_in_a_pending_row_is_not_forgotten() {
    let harness = Harness::unlimited().await;
    let of = |email: &str| harness.sandbox.insert(TOKEN, [Field::text("email", email)], [""; 0]);
    let (ann, bo) = (of("ann@example.com"), of("bo@example.com"));
    harness.write("in.csv", format!("contact_id,email,city\n{ann},ann@example.com,Lima\n{bo},bo@example.com,Lima\n"));
    harness.sync("in.csv --match email --max-calls 1 --concurrency 1").run().await.exits(4);
    let pending = forget(&harness, &format!("id:{bo} --suppress")).await.exits(7);
    assert!(pending.stderr.contains("is pending in run 1"), "{pending:?}");
    harness.resume().run().await.exits(0);
    forget(&harness, &format!("id:{bo} --suppress")).await.exits(0);
    check_journal(&harness).await;
}

#[tokio::test]
async fn a_search_whose_page_was_erased_is_made_again() {
    let harness = Harness::unlimited().await;
    let contact = |code: &str, name: &str| {
        harness.sandbox.insert(TOKEN, [Field::text("code", code), Field::text("name", name)], [""; 0])
    };
    contact("K1", "Ana");
    for number in 10..24 {
        contact(&format!("K1 {number}"), "x");
    }
    contact("Ana", "z");
    harness.write("ana.csv", "code,name\nAna,z\n");
    harness.sync("ana.csv --match code").run().await.exits(0);
    harness.write("in.csv", "code,name\nK1,Target\n");
    harness.sync("in.csv --match code --max-calls 1").run().await.exits(4);
    // Another person, whose match value stands on the page that the search has shown.
    forget(&harness, "code=Ana").await.exits(0);
    let ran = harness.resume().run().await.exits(0);
    assert_eq!((ran.summary().rows().as_str(), harness.sandbox.ledger().creates(TOKEN)), ("1 updated", 0), "{ran:?}");
    assert_eq!(harness.sandbox.contacts(TOKEN)[0].fields["name"].text(), "Target");
    check_journal(&harness).await;
}

#[tokio::test]
async fn rows_of_others_that_mention_a_value_stay() {
    let harness = Harness::unlimited().await;
    harness.write(
        "contactsync.toml",
        "match = \"crm\"\n[fields]\ncrm = \"crm\"\nage = { column = \"age\", type = \"number\" }\n",
    );
    harness.write("in.csv", "crm,street,age\n7,Calle 1,5\n8,Calle 7 bis,x\n,Calle 7,x\n9,No. 7,y\n");
    harness.sync(&format!("in.csv {LISTS}")).run().await.exits(3);
    let before = fs::read_to_string(harness.path("rejects.csv")).expect("a list");
    assert_eq!(before.lines().count(), 4, "{before}");
    forget(&harness, "crm=7").await.exits(0);
    assert_eq!(fs::read_to_string(harness.path("rejects.csv")).expect("a list"), before);
    let results = fs::read_to_string(harness.path("results.csv")).expect("a list");
    assert_eq!(results.lines().count(), 4, "{results}");
}

#[tokio::test]
async fn an_interrupted_pull_does_not_learn_a_forgotten_person() {
    let harness = Harness::unlimited().await;
    for number in 0..24 {
        let fields = [Field::text("source", "crm"), Field::text("email", format!("p{number}.unique@example.com"))];
        harness.sandbox.insert(TOKEN, fields, [""; 0]);
    }
    let url = harness.sandbox.url();
    let pull = |more: &str| {
        let options = format!("--match email --journal {JOURNAL} --url {url} --rate 1000000 --json {more}");
        harness.program(&format!("pull --field source --value crm {options}")).run()
    };
    pull("--max-calls 2").await.exits(4);
    assert!(!files_with(&harness, &["p3.unique@example.com"]).is_empty());
    forget(&harness, "email=p3.unique@example.com --suppress").await.exits(0);
    assert_eq!(files_with(&harness, &["p3.unique@example.com"]), [""; 0]);
    let pulled = json(&pull("").await.exits(0));
    assert_eq!(pulled["learnt"], 23, "{pulled}");
    assert_eq!(files_with(&harness, &["p3.unique@example.com"]), [""; 0]);
    check_journal(&harness).await;
}

#[tokio::test]
async fn lists_in_other_forms_lose_only_the_rows_of_the_person() {
    let harness = Harness::unlimited().await;
    // Each of the rows is rejected, and the person is in the second.
    let rows = "email,size\nbo@example.com,a\nann@example.com,b\nzoé@example.com,c\n";
    let utf16 = |text: &str| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xFF, 0xFE].into_iter().chain(units).collect::<Vec<u8>>()
    };
    let windows = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin")).collect::<Vec<u8>>();
    let objects: String =
        ["bo", "ann", "zoé"].map(|name| format!("{{\"email\":\"{name}@example.com\",\"size\":\"x\"}}\n")).concat();
    harness.write(
        "contactsync.toml",
        "match = \"email\"\n[fields]\nemail = \"email\"\nsize = { column = \"size\", type = \"number\" }\n",
    );
    let inputs = [
        ("utf8.csv", rows.as_bytes().to_vec()),
        ("utf16.csv", utf16(rows)),
        ("windows.csv", windows(rows)),
        ("objects.jsonl", objects.into_bytes()),
    ];
    for (name, bytes) in &inputs {
        harness.write(name, bytes);
        harness.sync(&format!("{name} --rejects rejects.{name}")).run().await.exits(3);
    }
    harness.write("rejects.utf8.csv.mine", "x");
    let before: Vec<Vec<u8>> =
        inputs.iter().map(|(name, _)| fs::read(harness.path(&format!("rejects.{name}"))).expect("a list")).collect();
    // A list that was replaced by another file is not touched.
    harness.write("results.csv", "line,key,outcome,contact_id,calls,reason\n");
    let object = json(&forget(&harness, "email=ann@example.com").await.exits(0));
    assert_eq!(object["lists"].as_array().map(Vec::len), Some(4), "{object}");
    for ((name, _), before) in inputs.iter().zip(before) {
        let after = fs::read(harness.path(&format!("rejects.{name}"))).expect("a list");
        let text = |bytes: &[u8]| match *name {
            "utf16.csv" => decoded(bytes, true),
            "windows.csv" => bytes.iter().map(|byte| char::from(*byte)).collect(),
            _ => decoded(bytes, false),
        };
        let (before, after): (String, String) = (text(&before), text(&after));
        let expected: String = before.split_inclusive('\n').filter(|line| !line.contains("ann@")).collect();
        assert_eq!(after, expected, "{name}");
        assert_ne!(before, after);
    }
    harness.write("rejects.utf8.csv", "my own file\n");
    let left = forget(&harness, "email=bo@example.com").await.exits(0);
    assert!(left.stderr.contains("not changed, because they are no longer contactsync lists"), "{left:?}");
    assert_eq!(fs::read(harness.path("rejects.utf8.csv")).expect("the file"), b"my own file\n");
}

/// Text in UTF-16 with its mark, or in UTF-8.
fn decoded(bytes: &[u8], is_utf16: bool) -> String {
    if is_utf16 {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).expect("UTF-16")
    } else {
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }
}

#[tokio::test]
async fn copies_that_keep_the_person_are_named_also_if_standard_output_is_full() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name\nann.unique@example.com,Ann Uniqueson\n");
    harness.sync("in.csv --match email").run().await.exits(0);
    fs::copy(harness.path(JOURNAL), harness.path(&format!("{JOURNAL}.copy"))).expect("a copy");
    let forget = format!("journal forget ann.unique@example.com --journal {JOURNAL}");
    let ran = harness.program(&forget).shell("exec \"$@\" >/dev/full").run().await.exits(1);
    assert_eq!(ran.stderr_lines("error: standard output: failed to write: ").len(), 1, "{ran:?}");
    let warning =
        format!("warning: unchanged copies of the journal may still contain the person's data: ./{JOURNAL}.copy\n");
    assert!(ran.stderr.contains(&warning), "{ran:?}");
    check_journal(&harness).await;
    fs::remove_file(harness.path(&format!("{JOURNAL}.copy"))).expect("the copy");
    assert_eq!(files_with(&harness, &OF_ANN), [""; 0]);
}
