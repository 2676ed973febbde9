//! JSON whose rows are in an array under a key, with the real program: `init`, `check`, `plan` and `sync` read it alike, its
//! rejects list is an input, and inputs that may lose contacts are refused before anything is sent. Also the JSON types of values.

use std::fs;

use contactsync::Field;
use contactsync::contact::Value;

use support::{Harness, Output, TOKEN};

const PAGES: &str = "{\"success\":true,\"data\":[\n\
    {\"phone\":\"+525550000001\",\"name\":\"Ann\",\"addresses\":[{\"city\":\"Lima\"}]},\n\
    {\"phone\":\"+525550000002\",\"name\":\"Bo\"},\n\
    {\"name\":\"Cy\",\"addresses\":[{\"city\":\"Quito\"}]}],\"total\":3}\n\
    {\"success\":true,\"data\":[],\"total\":0}\n\
    {\"success\":true,\"data\":[{\"phone\":\"+525550000003\",\"name\":\"Di\"}],\"total\":1}\n";

#[tokio::test]
async fn every_command_reads_pages_of_rows_alike() {
    let harness = Harness::unlimited().await;
    harness.write("pages.json", PAGES);
    let init = harness.program("init pages.json").run().await.exits(0);
    let notice = "pages.json: rows read from `data`";
    assert!(init.stderr.contains(notice), "{init:?}");
    let written = fs::read_to_string(harness.path("contactsync.toml")).unwrap();
    assert!(written.contains("match = \"phone\"") && written.contains("4 rows"), "{written}");
    assert!(!written.contains("data."), "{written}");

    let check = harness.program("check pages.json").run().await;
    assert!(check.stdout.contains("rows under `data`") && check.stdout.contains("3 to send"), "{check:?}");
    let plan = harness.plan("pages.json").run().await;
    assert!(plan.stderr.contains(notice), "{plan:?}");
    assert_eq!(plan.planned().rows(), "1 rejected, 3 pending");
    let ran = harness.sync("pages.json --rejects bad.jsonl").run().await.exits(3);
    assert!(ran.stderr.contains(notice), "{ran:?}");
    assert_eq!(ran.summary().rows(), "3 created, 1 rejected");
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 3);

    // The list of the rejected row, with its arrays, is an input: the row is rejected again, or a contact once it is corrected.
    let rejected = fs::read_to_string(harness.path("bad.jsonl")).unwrap();
    assert!(rejected.contains("\"_line\":4") && rejected.contains("Quito"), "{rejected}");
    let again = harness.sync("bad.jsonl").run().await.exits(3);
    assert_eq!(again.summary().rows(), "1 rejected");
    harness.write("corrected.jsonl", rejected.replacen('{', "{\"phone\":\"+525550000004\",", 1));
    assert_eq!(harness.sync("corrected.jsonl").run().await.exits(0).summary().rows(), "1 created");

    harness.calls();
    let second = harness.sync("-").stdin("pages.json").run().await.exits(3);
    assert_eq!((second.summary().rows(), harness.calls()), ("3 unchanged, 1 rejected".into(), "none".into()));
}

#[tokio::test]
async fn every_command_refuses_an_input_that_may_lose_contacts() {
    let harness = Harness::unlimited().await;
    let check = async |text: &str, error: &str, hint: &str| {
        harness.write("in.json", text);
        let says = |ran: &Output| {
            let is_reported =
                |beginning: &str, text: &str| ran.stderr_lines(beginning).iter().any(|line| line.contains(text));
            is_reported("error:", error) && is_reported("hint:", hint)
        };
        for command in ["init in.json", "check in.json --match phone"] {
            let ran = harness.program(command).run().await.exits(2);
            assert!(says(&ran), "{command}: {ran:?}");
        }
        for ran in [harness.plan("in.json --match phone"), harness.sync("in.json --match phone")] {
            let ran = ran.run().await.exits(2);
            assert!(says(&ran), "{ran:?}");
        }
        assert_eq!(harness.calls(), "none", "{text}");
        assert!(!harness.path("contactsync.toml").exists());
    };
    check(
        r#"{"response":{"contacts":[{"phone":"+525550000001"}],"leads":[{"phone":"+525550000002"}]}}"#,
        "in.json:1: expected one array of objects, found several that may be the rows: `response.contacts`, `response.leads`",
        "jq -c '.response.contacts[]'",
    )
    .await;
    check(
        r#"{"email":"info@example.com","contacts":[{"phone":"+525550000001"},{"phone":"+525550000002"}]}"#,
        "found an object that may be either, with objects under `contacts`",
        "jq -c '.contacts[]'",
    )
    .await;
    check(
        "{\"phone\":\"+525550000001\"}\n{\"data\":[{\"phone\":\"+525550000002\"}]}\n",
        "in.json:2: ",
        "jq -c '.data[]'",
    )
    .await;
    check(
        r#"{"17":{"phone":"+525550000001"},"18":{"phone":"+525550000002"}}"#,
        "in.json:1: expected an array of objects, found an object with one key for each contact",
        "jq -c '.[]'",
    )
    .await;
    check(
        r#"{"contact-list":{"contacts":{"a b":{"phone":"+525550000001"},"18":{"phone":"+525550000002"}}}}"#,
        "in.json:1: expected an array of objects under `contact-list.contacts`",
        "jq -c '.\"contact-list\".contacts[]'",
    )
    .await;
    check(
        "{\"data\":[{\"phone\":\"+525550000001\"}]}\n{\"status\":\"error\",\"message\":\"Too many requests\",\"data\":[]}\n",
        "in.json:2: expected rows, found the answer to a request that failed",
        "incomplete",
    )
    .await;
}

/// A field's value of the only contact on the platform.
fn value(harness: &Harness, field: &str) -> Value {
    harness.sandbox.contacts(TOKEN)[0].fields[field].clone()
}

#[tokio::test]
async fn numbers_and_booleans_are_sent_in_the_type_of_their_field() {
    let harness = Harness::unlimited().await;
    let rules =
        |fields: &str| format!("match = \"phone\"\nunmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n{fields}");
    harness.write(
        "in.jsonl",
        r#"{"phone":"+525550000001","n":1e3,"b":true,"big":12345678901234567890123,"x":"7","y":"no"}"#,
    );
    let plain = ["n", "b", "big", "x", "y"].map(|field| format!("{field} = \"{field}\"\n")).concat();
    harness.write("contactsync.toml", rules(&plain));
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 created");
    for (field, text) in [("n", "1000"), ("b", "true"), ("big", "12345678901234567890123"), ("x", "7"), ("y", "no")] {
        assert_eq!(value(&harness, field), Field::text(field, text).value);
    }
    // An earlier version journaled numbers and booleans in this form: nothing is sent again.
    let typed = "n = { column = \"n\", type = \"number\" }\nb = { column = \"b\", type = \"boolean\" }\n";
    harness.write("contactsync.toml", rules(typed));
    harness.calls();
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 unchanged");
    assert_eq!(harness.calls(), "none");
    // Values from text behave as values from JSON.
    let typed = "x = { column = \"x\", type = \"number\" }\nz = { column = \"y\", type = \"boolean\" }\n\
                 m = { column = \"n\", type = \"number\" }\n";
    harness.write("contactsync.toml", rules(typed));
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 updated");
    assert_eq!(value(&harness, "m"), Value::Number(1000.into()));
    assert_eq!(value(&harness, "z"), Value::Bool(false));
    harness.write("contactsync.toml", rules(&(plain + "m = \"n\"\nz = { constant = \"false\" }\n")));
    harness.calls();
    assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 unchanged");
    assert_eq!(harness.calls(), "none");
    // A value that is not a number rejects its row.
    harness.write("in.csv", "phone,n\n+525550000001,many\n");
    harness.write("contactsync.toml", rules("n = { column = \"n\", type = \"number\" }\n"));
    let ran = harness.sync("in.csv --rejects bad.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 rejected");
    let rejected = fs::read_to_string(harness.path("bad.csv")).unwrap();
    assert!(rejected.contains("column `n`: expected a number, found other text"), "{rejected}");
    assert!(harness.program("check in.csv").run().await.stdout.contains("sent as a number"));
}

#[tokio::test]
async fn a_typed_value_in_any_form_of_the_platform_is_unchanged() {
    let field = |name: &str, value: Value| Field { name: name.into(), value };
    let stored = || {
        [
            Field::text("phone", "+525550000001"),
            field("a", Value::Number(5.into())),
            Field::text("b", "5.0"),
            field("c", Value::Bool(true)),
            Field::text("d", "TRUE"),
            field("e", Value::Number(1000.into())),
        ]
    };
    let typed = "[fields]\nphone = \"phone\"\na = { column = \"a\", type = \"number\" }\nb = { column = \"b\", type = \"number\" }\n\
                 c = { column = \"c\", type = \"boolean\" }\nd = { column = \"d\", type = \"boolean\" }\ne = { column = \"e\", type = \"number\" }\n";
    for (rules, row) in [
        (typed, r#"{"phone":"+525550000001","a":"5","b":5,"c":"yes","d":true,"e":1e3}"#),
        ("", r#"{"phone":"+525550000001","a":5,"c":true,"e":1e3}"#),
        ("", r#"{"phone":"+525550000001","a":"5","c":"true","e":"1000"}"#),
    ] {
        let harness = Harness::unlimited().await;
        harness.sandbox.insert(TOKEN, stored(), ["x"; 0]);
        harness.write("contactsync.toml", format!("match = \"phone\"\n{rules}"));
        harness.write("in.jsonl", row);
        // The first run finds the contact, the second knows it.
        for calls in ["1 find", "none"] {
            assert_eq!(harness.sync("in.jsonl").run().await.exits(0).summary().rows(), "1 unchanged", "{row}");
            assert_eq!(harness.calls(), calls, "{row}");
        }
    }
}

#[tokio::test]
async fn init_refuses_contacts_inside_lists() {
    let harness = Harness::unlimited().await;
    let columns = "expected an object for each contact, found a table by columns: `Nombre`, `Telefono`";
    for (text, expected) in [
        (r#"{"Nombre":["Ann","Bo"],"Telefono":["5512345678","5512345679"]}"#, columns),
        (r#"{"Nombre":{"0":"Ann","1":"Bo"},"Telefono":{"0":"5512345678","1":"5512345679"}}"#, columns),
        (
            r#"{"groups":[{"name":"a","members":[{"phone":"5512345678"}]},{"name":"b","members":[]}]}"#,
            "expected one array of objects, found contacts in arrays inside another array: `groups[].members`",
        ),
    ] {
        harness.write("in.json", text);
        let ran = harness.program("init in.json --country MX").run().await.exits(2);
        assert_eq!(ran.stderr_lines("error:"), [format!("error: in.json:1: {expected}")], "{ran:?}");
        assert!(!harness.path("contactsync.toml").exists());
    }
    // One contact that has lists.
    harness.write("in.json", r#"{"phone":"+525512345678","name":"Ann","orders":[{"sum":5}]}"#);
    harness.program("init in.json").run().await.exits(0);
}
