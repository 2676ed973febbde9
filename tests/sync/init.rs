//! `init`: exports of other programs can be planned and synced with the generated configuration, unedited.

use std::fs;
use std::path::Path;

use contactsync::contact::Cells;
use contactsync::source::{Row, SourceOptions};
use contactsync::{Input, Source};

use support::{Harness, Output, TOKEN};

/// The group of all of Google's contacts. It is in the output and identifies no contact.
const OWN_GROUP: &str = "* myContacts";

const EXPORTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/exports");

/// The exports, the options of `init`, the rows to send, and the exit code of `plan`.
const CASES: [(&str, &str, &str, i32); 9] = [
    ("google.csv", "", "4 pending", 0),
    ("google-old.csv", "", "3 pending", 0),
    ("outlook.csv", "", "3 pending", 0),
    ("hubspot.csv", "", "3 pending", 0),
    ("mailchimp.csv", "", "3 pending", 0),
    ("salesforce.csv", "", "3 pending", 0),
    ("platform.csv", "", "3 pending", 0),
    ("spanish-excel.csv", "--country ES", "4 pending", 0),
    ("portuguese.csv", "", "3 pending", 0),
];

async fn initialized(name: &str, options: &str) -> (Harness, Output, String) {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", fs::read(Path::new(EXPORTS).join(name)).expect("a fixture"));
    let ran = harness.program(&format!("init in.csv {options}")).run().await.exits(0);
    let written = fs::read_to_string(harness.path("contactsync.toml")).expect("init wrote it");
    (harness, ran, written)
}

#[tokio::test]
async fn a_configuration_from_init_works_unedited_for_each_export() {
    let mut names: Vec<_> = fs::read_dir(EXPORTS).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut cases: Vec<_> = CASES.iter().map(|(name, ..)| std::ffi::OsString::from(name)).collect();
    cases.sort();
    assert_eq!(names, cases);
    for (name, options, rows, code) in CASES {
        let (harness, ran, written) = initialized(name, options).await;
        assert!(ran.stdout.ends_with("  contactsync plan in.csv\n"), "{ran:?}");
        let plan = harness.plan("in.csv").run().await.exits(code).planned();
        assert_eq!(plan.rows(), rows, "{name}:\n{written}");
    }
}

#[tokio::test]
async fn a_file_without_a_header_gets_no_configuration_and_no_value_is_printed() {
    let harness = Harness::unlimited().await;
    for (name, rows) in [
        ("first.csv", "+525512345600,Ann,Lima\n+525512345601,Bo,Lima\n+525512345602,Cy,X\n"),
        ("mail.csv", "ann5512345600@x.mx,Ann\nbo@x.mx,Bo\n"),
        ("last.csv", "Ann,Lima,5512345600\nBo,Lima,5512345601\n"),
    ] {
        harness.write(name, rows);
        for command in [format!("init {name} --country MX"), format!("check {name}")] {
            let ran = harness.program(&command).run().await.exits(2);
            assert!(ran.stderr.contains("what looks like a contact"), "{ran:?}");
            assert!(ran.stderr.contains("--no-header"), "{ran:?}");
            assert!(!ran.stderr.contains("5512345600") && ran.stdout.is_empty(), "{ran:?}");
        }
        assert!(!harness.path("contactsync.toml").exists(), "{name}");
    }
    let ran = harness.program("init first.csv --country MX --no-header").run().await.exits(0);
    let written = fs::read_to_string(harness.path("contactsync.toml")).expect("init wrote it");
    assert!(written.contains("no_header = true") && !written.contains("5512345600"), "{written}");
    assert_eq!(harness.plan("first.csv").run().await.exits(0).planned().rows(), "3 pending", "{ran:?}");
}

#[tokio::test]
async fn init_prints_no_contact_data() {
    for (name, options, ..) in CASES {
        let (harness, ran, written) = initialized(name, options).await;
        let input = Input::Path(harness.path("in.csv"));
        let mut values = 0;
        for row in Source::open(&input, SourceOptions::default()).expect("a fixture") {
            let Row::Record(record) = row.expect("a row") else { panic!("a row of {name} cannot be read") };
            let Cells::Texts(texts) = record.cells else { panic!("CSV has texts") };
            for value in texts.iter().map(str::trim).filter(|value| value.chars().count() > 3 && *value != OWN_GROUP) {
                let texts = [&written, &ran.stdout, &ran.stderr];
                assert!(!texts.iter().any(|text| text.contains(value)), "{name}: {value}\n{written}");
                values += 1;
            }
        }
        assert!(values > 10, "{name}: {values}");
    }
}

#[tokio::test]
async fn a_spanish_spreadsheet_is_imported_without_edits() {
    let (harness, ..) = initialized("spanish-excel.csv", "--country ES").await;
    let summary = harness.sync("in.csv").run().await.exits(0).summary();
    assert_eq!(summary.rows(), "4 created");
    let mut people: Vec<String> =
        harness.sandbox.contacts(TOKEN).iter().map(|contact| format!("{contact:?}")).collect();
    people.sort();
    let all = people.join("\n");
    for expected in [
        "Jos\u{e9} Mar\u{ed}a",
        "N\u{fa}\u{f1}ez Ib\u{e1}\u{f1}ez",
        "\u{cd}\u{f1}igo",
        "\u{d3}liver",
        "+34612345601",
        "+34612345602",
        "+34612345603",
        "+34612345604",
        "jose.nunez@correo.example",
    ] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
    let tagged =
        |tag: &str| harness.sandbox.contacts(TOKEN).iter().filter(|contact| contact.tags.contains(tag)).count();
    assert_eq!((tagged("mayorista"), tagged("minorista"), tagged("prioritario")), (2, 1, 2));
    assert_eq!(harness.sync("in.csv").run().await.exits(0).summary().rows(), "4 unchanged");
}

#[tokio::test]
async fn quoted_tags_with_commas_are_imported_without_edits() {
    let (harness, ..) = initialized("mailchimp.csv", "").await;
    assert_eq!(harness.sync("in.csv").run().await.exits(0).summary().rows(), "3 created");
    let tags = |name: &str| -> Vec<String> {
        let has_name = |value: &contactsync::contact::Value| value.text() == name;
        let contacts = harness.sandbox.contacts(TOKEN).into_iter();
        let found = contacts.filter(|contact| contact.fields.values().any(has_name));
        found.flat_map(|contact| contact.tags).collect()
    };
    assert_eq!(tags("Luc\u{ed}a"), ["Big, spender", "VIP"]);
    assert_eq!(tags("Bruno"), ["Prospecto"]);
    assert_eq!(tags("Elena"), [] as [&str; 0]);
}

#[tokio::test]
async fn init_overwrites_a_configuration_only_on_request() {
    let (harness, _, written) = initialized("spanish-excel.csv", "--country ES").await;
    let ran = harness.program("init in.csv").run().await.exits(2);
    let [error] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
    assert_eq!(error, "error: contactsync.toml: file already exists");
    assert!(ran.stderr_lines("hint:")[0].contains("--force"), "{ran:?}");
    let read = |name: &str| fs::read_to_string(harness.path(name)).expect("the file exists");
    assert_eq!(read("contactsync.toml"), written);

    // Another output file, standard input, and no country: the e-mail address is the match field.
    let ran = harness.program("init - --config other.toml --delimiter ;").stdin("in.csv").run().await.exits(0);
    assert!(ran.stdout.contains("found by `email`") && ran.stdout.contains("--config other.toml"), "{ran:?}");
    assert!(ran.stderr_lines("warning:")[0].contains("--country ES"), "{ran:?}");
    assert!(read("other.toml").contains("delimiter = \";\""));
    harness.program("plan in.csv --config other.toml").run().await.exits(0);

    harness.write("contactsync.toml", "not TOML");
    harness.program("init in.csv --force --country ES").run().await.exits(0);
    assert_eq!(read("contactsync.toml"), written);
    harness.program("init in.csv --force --country Spain").run().await.exits(2);
    harness.program("init none.csv --config third.toml").run().await.exits(2);
    harness.write("empty.csv", "Nombre;Correo\n");
    harness.program("init empty.csv --config third.toml").run().await.exits(2);
    assert!(!harness.path("third.toml").exists());
}

#[tokio::test]
async fn init_quotes_unusual_headers_and_json_keys() {
    let check = async |name: &str, text: &str, rows: &str| {
        let harness = Harness::unlimited().await;
        harness.write(name, text);
        harness.program(&format!("init {name}")).run().await.exits(0);
        let written = fs::read_to_string(harness.path("contactsync.toml")).expect("init wrote it");
        let exit = if rows.contains("rejected") { 3 } else { 0 };
        let plan = harness.plan(name).run().await.exits(exit).planned();
        assert_eq!(plan.rows(), rows, "{name}:\n{written}");
    };
    let row = "a,b,c,ann@example.com\n";
    check("in.csv", &format!("\"a \"\"b\"\" # c\",\"two\nlines\",back\\slash.x,Email\n{row}"), "1 pending").await;
    check(
        "in.csv",
        "note,Email\n\u{1}\u{2}x\u{7f},ann@example.com\n\"a\nb\nc\",bob@example.com\n",
        "1 rejected, 1 pending",
    )
    .await;
    check("in.csv", &format!("a=b,[tags],'x',e-mail\n{row}"), "1 pending").await;
    let nested = r#"{"name":"Ann","contact":{"email":"ann@example.com","phones":["+34612345601","+34612345602"]},"tags":["a","b"],"n":null}"#;
    check("in.jsonl", nested, "1 pending").await;
}

#[tokio::test]
async fn init_explains_each_choice_and_its_calls() {
    let check = async |text: &str, options: &str, lines: &[&str]| {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", text);
        harness.program(&format!("init in.csv {options}")).run().await.exits(0);
        let written = fs::read_to_string(harness.path("contactsync.toml")).expect("init wrote it");
        for line in lines {
            assert!(written.lines().any(|found| found == *line), "{line}\n{written}");
        }
        harness.plan("in.csv").run().await.exits(0);
    };
    check(
        "ID,Phone,Email,Birthday\n1,612345601,A@example.com,1/2/1990\n2,+525512345678,b@example.com,2/1/1991\n",
        "--country ES",
        &[
            "match = [\"crm_id\", \"phone\"]",
            "# A new contact is searched for by each field in turn, one call for each field. A known contact needs no search. A contact",
            "unmapped = \"ignore\"",
            "# \"Phone\": a phone, by its name (English); 1 of 2 are phone numbers of ES, 1 of other countries",
            "phone = { column = \"Phone\", transform = [\"e164\"] }",
            "email = { column = \"Email\", transform = [\"lower\"] }",
            "birthday = { column = \"Birthday\", transform = [{ date = \"D/M/YYYY\" }] }",
            "# birthday = { column = \"Birthday\", transform = [{ date = \"M/D/YYYY\" }] }",
        ],
    )
    .await;
    check(
        "Phone,Birthday\n+447400123456,31/12/1990\n+447400123457,1990-12-31\n+447400123458,0000-00-00\n",
        "--country GB",
        &["birthday = { column = \"Birthday\", transform = [{ date = [\"YYYY-MM-DD\", \"D/M/YYYY\"] }] }"],
    )
    .await;
    check(
        "Phone,Birthday\n+14155552671,1/2/1990\n",
        "--country US",
        &["birthday = { column = \"Birthday\", transform = [{ date = \"M/D/YYYY\" }] }"],
    )
    .await;
}

#[tokio::test]
async fn a_separate_country_code_column_is_put_before_the_number() {
    let file = "Nombre,Prefijo,Tel\u{e9}fono\nAna,+1,4155552671\nLuis,+34,612345678\nEva,+52,5512345678\n";
    for options in ["", "--country MX"] {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", file);
        harness.program(&format!("init in.csv {options}")).run().await.exits(0);
        assert_eq!(harness.sync("in.csv").run().await.exits(0).summary().rows(), "3 created");
        let contacts = format!("{:?}", harness.sandbox.contacts(TOKEN));
        for phone in ["+14155552671", "+34612345678", "+525512345678"] {
            assert!(contacts.contains(phone), "{phone}: {contacts}");
        }
    }
    // A mapping without the column sends no incomplete number.
    let harness = Harness::unlimited().await;
    harness.write("in.csv", file);
    let mapping = "match = \"phone\"\nunmapped = \"ignore\"\ncountry = \"MX\"\n[fields]\n\
                   phone = { column = \"Tel\u{e9}fono\", transform = [\"e164\"] }\n";
    harness.write("contactsync.toml", mapping);
    assert_eq!(harness.sync("in.csv").run().await.exits(3).summary().rows(), "1 created, 2 rejected");
    let ran = harness.program("plan in.csv").run().await.exits(3);
    assert!(ran.stderr.contains("country_column") || ran.stdout.contains("country_column"), "{ran:?}");
}

/// Mapped by position, the emergency phone of one row would be the phone of the next.
#[tokio::test]
async fn fields_inside_a_list_are_not_columns() {
    let row = |id: u32, first: &str, second: &str| {
        format!(
            r#"{{"id":{id},"email":"{id}@example.com","field_data":[{{"name":"{first}","values":["+52551234567{id}"]}},{{"name":"{second}","values":["+52551234568{id}"]}}]}}"#
        )
    };
    let rows = [row(1, "phone_number", "emergency_phone"), row(2, "emergency_phone", "phone_number")];
    let harness = Harness::unlimited().await;
    harness.write("in.json", format!("[{}]", rows.join(",")));
    let ran = harness.program("init in.json").run().await.exits(0);
    let [warning] = ran.stderr_lines("warning:")[..] else { panic!("{ran:?}") };
    let text = "in.json: the list `field_data` holds fields by name and value, in varying order, so it is left out. To send one, \
                map it as `field_data.NAME`; turn fields whose names are numbers into keys first";
    assert!(warning.ends_with(text), "{ran:?}");
    let written = std::fs::read_to_string(harness.path("contactsync.toml")).expect("init wrote it");
    assert!(!written.contains("field_data"), "{written}");
    assert_eq!(harness.sync("in.json").run().await.exits(0).summary().rows(), "2 created");
    let contacts = format!("{:?}", harness.sandbox.contacts(TOKEN));
    assert!(contacts.contains("1@example.com") && !contacts.contains("+52"), "{contacts}");
}

#[tokio::test]
async fn a_list_of_which_only_the_first_value_is_sent_is_reported() {
    let check = async |interests: &str, expected: Option<&str>| {
        let harness = Harness::unlimited().await;
        harness.write("in.json", format!(r#"[{{"phone":"+525512345600","name":"Ann",{interests}}}]"#));
        let ran = harness.program("init in.json").run().await.exits(0);
        let expected: Vec<String> = expected.iter().map(|text| format!("warning: in.json: {text}")).collect();
        assert_eq!(ran.stderr_lines("warning:"), expected, "{interests}: {ran:?}");
    };
    let several = "the list `interests` has up to 2 values; only the first is sent. To set a tag for each, read the list with `[[tags]]`";
    check(r#""interests":["golf","tennis"]"#, Some(several)).await;
    check(r#""interests":[1,2]"#, Some(several)).await;
    check(r#""interests":["golf"]"#, None).await;
    check(r#""interests":[]"#, None).await;
    check(r#""tags":["golf","tennis"]"#, None).await;
}

#[tokio::test]
async fn init_counts_the_rows_that_its_mapping_rejects() {
    let check = async |text: &str, said: &str, expected: Option<&str>, planned: &str| {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", text);
        let ran = harness.program(&format!("init in.csv {said}")).run().await.exits(0);
        let told: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("would be rejected")).collect();
        let count = usize::from(expected.is_some());
        assert!(told.len() == count && expected.is_none_or(|expected| told[0].contains(expected)), "{text}: {ran:?}");
        // It is what a plan finds.
        let code = if expected.is_some() { 3 } else { 0 };
        assert_eq!(harness.plan("in.csv").run().await.exits(code).planned().rows(), planned, "{text}");
    };
    let header = "Nombre,Tel\u{e9}fono,Pa\u{ed}s\n";
    let mexican = "Ann,5512345671,MX\nBo,5512345672,MX\nCy,5512345673,MX\nDi,5512345674,MX\n";
    check(&format!("{header}{mexican}"), "--country MX", None, "4 pending").await;
    // The country column says otherwise.
    check(
        &format!("{header}{mexican}Ed,612345678,Marte\nFlo,612345679,Marte\n"),
        "--country MX",
        Some("2 of the first 6 rows would be rejected: "),
        "2 rejected, 4 pending",
    )
    .await;
    // A phone that is none, a blank match value, and a row that cannot be read.
    let phones: Vec<String> = (0..20).map(|at| format!("Ann {at},+5255123456{at:02}\n")).collect();
    let phones = format!("name,phone\n{}", phones.concat());
    check(&phones, "", None, "20 pending").await;
    check(
        &format!("{phones}Ed,\nFlo,+52551234567x\nGus,1,2,3\nHal,\n"),
        "",
        Some(
            "4 of the first 24 rows would be rejected: column `phone`: expected a value (match field), found none (2 rows, first \
             on line 22); column `phone`: expected a phone number with its country code, found one with letters (1 row, on line \
             23); expected 2 cells, found 4 (1 row, on line 24). Run `contactsync check` for the whole file",
        ),
        "4 rejected, 20 pending",
    )
    .await;
    // Rows that cannot be read are among the first rows.
    let unreadable = "Gus,1,2,3\n".repeat(1_500);
    check(
        &format!("{phones}{unreadable}"),
        "",
        Some(
            "980 of the first 1000 rows would be rejected: expected 2 cells, found 4 (980 rows, first on line 22). Run",
        ),
        "1500 rejected, 20 pending",
    )
    .await;
    // A total is left out, and a shared value is reported.
    let zeros = "Ed,+525500000000\nFlo,+525500000000\nGus,+525500000000\n";
    let harness = Harness::unlimited().await;
    harness.write("in.csv", format!("{phones}{zeros}Total: 7,\n"));
    let ran = harness.program("init in.csv").run().await.exits(0);
    assert!(ran.stderr.contains("line 25 is a total of the rows above it and is left out"), "{ran:?}");
    assert!(ran.stderr.contains("column `phone`: 3 rows, with at least three different names"), "{ran:?}");
    assert!(!ran.stderr.contains("would be rejected"), "{ran:?}");
}

#[tokio::test]
async fn init_refuses_a_first_row_of_values() {
    let harness = Harness::unlimited().await;
    let rows = "+525512345671,Ann,ann@x.mx\n+525512345672,Bo,bo@x.mx\n+525512345673,Cy,cy@x.mx\n";
    for (text, has_values) in [
        (rows.to_owned(), true),
        (rows.replace("+52551234567", "A"), true),
        (rows.replace(",ann@x.mx", ",").replace(",bo@x.mx", ",").replace(",cy@x.mx", ","), true),
        (format!("phone,name,email\n{rows}"), false),
        // The id of a field, and an address in a question.
        (format!("phone,name,12345678\n{}", rows.replace("@x.mx", "")), false),
        (format!("phone,name,ask bo@x.mx\n{rows}"), false),
    ] {
        harness.write("in.csv", &text);
        let ran = harness.program("init in.csv --force").run().await.exits(if has_values { 2 } else { 0 });
        let said = ran.stderr.contains("in.csv:1: expected column names, found what looks like a contact")
            && ran.stderr.contains("use `--no-header`");
        assert_eq!(said, has_values, "{text} {ran:?}");
    }
    harness.write("in.csv", rows);
    harness.program("init in.csv --no-header --force").run().await.exits(0);
    assert_eq!(harness.sync("in.csv").run().await.exits(0).summary().rows(), "3 created");
}

#[tokio::test]
async fn init_converts_dates_although_one_is_not_in_the_calendar() {
    let harness = Harness::unlimited().await;
    let row = |at: u32| {
        let date = if at == 7 { "31/02/1990".to_owned() } else { format!("{}/{}/1990", at % 28 + 1, at % 12 + 1) };
        format!("+5255123{at:05},{date},{}\n", if at == 9 { "1990-02-31" } else { "1990-02-03" })
    };
    harness.write("in.csv", "phone,Birthday,joined\n".to_owned() + &(0..100).map(row).collect::<String>());
    let init = harness.program("init in.csv").run().await.exits(0);
    assert!(init.stderr.contains("2 of the first 100 rows would be rejected"), "{init:?}");
    let written = fs::read_to_string(harness.path("contactsync.toml")).unwrap();
    for line in [
        "birthday = { column = \"Birthday\", transform = [{ date = \"D/M/YYYY\" }] }",
        "joined = { column = \"joined\", transform = [{ date = \"YYYY-MM-DD\" }] }",
        "# \"joined\": sent under the same name; 99 of 100 values are dates as YYYY-MM-DD; 1 is not in the calendar, and its row \
         would be rejected",
        "# Review it and correct mistakes; `contactsync check` shows the first contacts as they would be sent.",
    ] {
        assert!(written.lines().any(|found| found == line), "{line}\n{written}");
    }
    let ran = harness.sync("in.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "98 created, 2 rejected");
    let sent: Vec<String> =
        harness.sandbox.contacts(TOKEN).iter().map(|contact| contact.fields["birthday"].text().into_owned()).collect();
    assert!(sent.iter().all(|date| date.starts_with("1990-")), "{sent:?}");
}
