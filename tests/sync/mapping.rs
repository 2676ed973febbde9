//! The mapping with the real program: the contacts sent, what a second run has left to do, and how errors are reported.

use contactsync::Field;

use support::{Harness, TOKEN};

const RULES: &str = r#"
match = ["phone"]
unmapped = "ignore"
country = "MX"
nulls = ["n/a"]

[fields]
first_name = "Nombre"
full_name = { template = "{Nombre} {Apellidos}" }
phone = { column = "Teléfono", transform = ["e164"] }
email = { column = "Correo", transform = ["lower"], blank = "clear" }
since = { column = "Alta", transform = [{ date = "DD/MM/YYYY" }] }
source = { constant = "crm" }

[[tags]]
column = "Etiquetas"

[[take]]
column = "Estado"
is_not = "baja"
"#;

const HEADER: &str = "Nombre;Apellidos;Teléfono;Correo;Etiquetas;Alta;Estado;Notas";

/// A file as Excel writes it with Spanish settings.
fn spanish(rows: &[&str]) -> Vec<u8> {
    let text = [&[HEADER], rows].concat().join("\r\n") + "\r\n";
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("a character of Latin-1")).collect()
}

/// All contacts on the platform, as `name=value … +tag`, sorted.
fn there(harness: &Harness) -> Vec<String> {
    let contacts = harness.sandbox.contacts(TOKEN).into_iter();
    let mut lines: Vec<String> = contacts
        .map(|contact| {
            let fields = contact.fields.iter().map(|(name, value)| format!("{name}={}", value.text()));
            fields.chain(contact.tags.iter().map(|tag| format!("+{tag}"))).collect::<Vec<_>>().join(" ")
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_spanish_excel_file_is_imported_by_its_mapping() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", RULES);
    let rows = [
        "Ana;Pérez;55 1234 5678;ANA@EXAMPLE.COM;lead, vip;05/03/2024;activo;x",
        "José;;044 55 8765 4321;n/a;;;activo;",
        "Luis;;123;;;;activo;",
        "Eva;;55 1111 2222;;;;Baja;",
        "Iván;;55 1111 3333;;;31/02/2024;;",
    ];
    harness.write("clientes.csv", spanish(&rows));
    let ran = harness.sync("clientes.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 created, 2 rejected");
    let ana = "email=ana@example.com first_name=Ana full_name=Ana Pérez phone=+525512345678 since=2024-03-05 source=crm \
               +lead +vip";
    let jose = "first_name=José full_name=José phone=+525587654321 source=crm";
    assert_eq!(there(&harness), [ana, jose]);

    // A second run has nothing to do, and blank values stay blank.
    harness.calls();
    let again = harness.sync("clientes.csv").run().await.exits(3);
    assert_eq!(again.summary().rows(), "2 unchanged, 2 rejected");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_clearing_blank_is_sent_once() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", RULES);
    let known = [Field::text("phone", "+525512345678"), Field::text("email", "old@example.com")];
    harness.sandbox.insert(TOKEN, known, [] as [&str; 0]);
    let row = |email: &str| spanish(&[&format!("Ana;;55 1234 5678;{email};;;;")]);
    let mut runs = Vec::new();
    for email in ["", "", "new@example.com", "", ""] {
        harness.write("in.csv", row(email));
        harness.sync("in.csv").run().await.exits(0);
        runs.push((harness.calls(), there(&harness)[0].contains('@')));
    }
    let calls: Vec<(&str, bool)> = runs.iter().map(|(calls, has_email)| (calls.as_str(), *has_email)).collect();
    let update = "1 update";
    assert_eq!(calls, [("1 find, 1 update", false), ("none", false), (update, true), (update, false), ("none", false)]);
}

#[tokio::test]
async fn a_mapping_error_is_one_line_and_sends_nothing() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", spanish(&["Ana;;55 1234 5678;;;;;"]));
    let check = async |from: &str, to: &str, expected: &str| {
        assert!(RULES.contains(from), "{from}");
        harness.write("contactsync.toml", RULES.replacen(from, to, 1));
        for command in ["plan in.csv".to_owned(), format!("sync in.csv --url {}", harness.sandbox.url())] {
            let ran = harness.program(&command).run().await.exits(2);
            let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
            assert_eq!(errors, [format!("error: {expected}")], "{command}");
        }
    };
    let columns = "the columns are `Nombre`, `Apellidos`, `Teléfono`, `Correo`, `Etiquetas`, `Alta`, `Estado`, `Notas`";
    let none = "expected a column of the file, found none called";
    check(
        "\"Teléfono\"",
        "\"Telefono\"",
        &format!("contactsync.toml:10: field `phone`: {none} `Telefono`; did you mean `Teléfono`?; {columns}"),
    )
    .await;
    check("{Apellidos}", "{Segundo}", &format!("contactsync.toml:9: field `full_name`: {none} `Segundo`; {columns}"))
        .await;
    check(
        "column = \"Etiquetas\"",
        "column = \"Tags\"",
        &format!("contactsync.toml:16: tags: {none} `Tags`; {columns}"),
    )
    .await;
    check("unmapped", "unmaped", "contactsync.toml:3: unknown key `unmaped`; did you mean `unmapped`?").await;
    check(
        "= \"MX\"",
        "= 52",
        "contactsync.toml:4: key `country`: expected a country's two letters, such as MX, found `52`",
    )
    .await;
    check(
        "\"DD/MM/YYYY\"",
        "\"%d/%m/%Y\"",
        "contactsync.toml:12: key `date`: expected letters such as YYYY, MM, DD, HH, mm and ss, found `d`",
    )
    .await;
    check(
        "\"phone\"",
        "\"telephone\"",
        "in.csv: match field `telephone`: expected a field of the mapping, found none of that name; its fields \
         are `email`, `first_name`, `full_name`, `phone`, `since`, `source`",
    )
    .await;
    check(
        "\"ignore\"",
        "\"refuse\"",
        "in.csv: expected each column in the mapping (`unmapped = \"refuse\"`), found `Notas` that no rule names",
    )
    .await;
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn check_reports_everything_before_anything_is_sent() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", RULES);
    let rows = [
        "Ana;;55 1234 5678;ANA@EXAMPLE.COM;vip;05/03/2024;;",
        "Luis;;123;;;;;",
        "Eva;;55 1111 2222;;;;baja;",
        "Noé;;45;;;;;",
    ];
    harness.write("clientes.csv", spanish(&rows));
    let url = harness.sandbox.url();
    let ran = harness.program(&format!("check clientes.csv --url {url}")).run().await.exits(3);
    for line in [
        "configuration  contactsync.toml",
        &format!("platform       default: {url}, 100 calls a minute; the token works"),
        "journal        contactsync.db: does not exist yet; the first sync creates it",
        "input          clientes.csv: csv, Windows-1252, columns separated by `;`",
        "  Nombre              field `first_name`",
        "  Notas               left out",
        "3 rows, and 1 excluded by [[take]]",
        "  1 to send",
        "  2 rejected",
        "    2: column `Teléfono`: expected a phone number of MX, or one with its country code, found one that its country \
         does not have (first on line 3)",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{line}\n{}", ran.stdout);
    }
    let ana = "line 2: phone=\"+525512345678\" first_name=\"Ana\" full_name=\"Ana\" email=\"ana@example.com\" \
               since=\"2024-03-05\" source=\"crm\" tags: \"vip\"";
    assert!(ran.stdout.contains(ana), "{}", ran.stdout);
    // One search shows that the token works, and six that the contact exists in no form.
    assert!(ran.stdout.contains("the first contacts on the platform\n  line 2: no contact has its `phone`"), "{ran:?}");
    assert_eq!(harness.calls(), "7 find");
    let plan = harness.program("plan clientes.csv").run().await.exits(3);
    assert!(plan.stdout.contains("1 to send"), "{plan:?}");

    // A problem is reported, and the other checks continue.
    let ran = harness.program("check clientes.csv").token(None).run().await.exits(2);
    assert!(ran.stdout.contains("default: not ready") && ran.stdout.contains("2 rejected"), "{ran:?}");
    let ran = harness.program(&format!("check --url {url}")).token(None).run().await.exits(2);
    assert_eq!(ran.stderr_lines("error: environment variable CONTACTSYNC_TOKEN").len(), 1, "{ran:?}");
    assert_eq!(harness.calls(), "none");
    harness.program(&format!("check --url {url}")).run().await.exits(0);
    assert_eq!(harness.calls(), "1 find");
    harness.sandbox.refuse_token(TOKEN);
    let ran = harness.program(&format!("check --url {url}")).run().await.exits(5);
    assert!(ran.stdout.contains("default: not ready") && ran.stderr.contains("refused the token"), "{ran:?}");
}

#[tokio::test]
async fn check_counts_rows_as_sync_does() {
    let harness = Harness::unlimited().await;
    let url = harness.sandbox.url();
    let counts = async |options: &str, code: i32| {
        let ran = harness.program(&format!("check in.csv --match phone --url {url} {options}")).run().await.exits(code);
        let lines = ran.stdout.lines().map(str::trim).skip_while(|line| !line.contains(" rows"));
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    };
    // A column with values but without a name, and a contact with two rows.
    harness.write("in.csv", "phone,,name\n+1,x,Ann\n+2,,Bo\n+1,,Ann B\n");
    let ran = harness.program(&format!("check in.csv --match phone --url {url}")).run().await.exits(0);
    assert!(ran.stdout.contains("columns separated by `,`; column 2 has no name and is ignored\n"), "{ran:?}");
    let merged = "3 rows; 2 to send; 1 merged into another row of the same contact (`duplicates = \"last\"`)";
    assert_eq!(counts("", 0).await, merged);
    assert_eq!(harness.plan("in.csv --match phone").run().await.exits(0).planned().rows(), "1 merged, 2 pending");
    let rejected = "3 rows; 2 to send; 1 rejected; 1: expected each contact once, found this one in an earlier row too \
                    (first on line 4)";
    assert_eq!(counts("--duplicates reject", 3).await, rejected);
    // Equal rows without a match value are several contacts.
    let ran = harness.program(&format!("check in.csv --mode create --url {url}"));
    harness.write("in.csv", "name\nAnn\nAnn\n");
    assert!(ran.run().await.exits(0).stdout.contains("2 to send"));

    let table = |name: &str| format!("[channel.{name}]\ntoken_env = \"CONTACTSYNC_TOKEN\"\n");
    harness.write("contactsync.toml", format!("channel_column = \"office\"\n{}{}", table("norte"), table("sur")));
    harness.write("in.csv", "phone,office\n+1,norte\n+1,sur\n+2,este\n+3,\n");
    let channel = "column `office`: expected the name of a channel, found";
    let expected = format!(
        "4 rows; 2 to send; 2 rejected; 1: {channel} `este`, which is not in the configuration (first on line 4); \
         1: {channel} none (first on line 5)"
    );
    assert_eq!(counts("", 3).await, expected);
}

#[tokio::test]
async fn a_top_level_key_below_a_table_gets_a_hint() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "Tel\n1\n");
    harness.write("contactsync.toml", "[fields]\nphone = \"Tel\"\n\nmatch = \"phone\"\n");
    let ran = harness.plan("in.csv").run().await.exits(2);
    assert!(ran.stderr_lines("error:")[0].contains("contactsync.toml:4: field `match`: expected a column"), "{ran:?}");
    assert_eq!(ran.stderr_lines("hint:"), ["hint: move `match` above all tables; below [fields] it is a field"]);
}

#[tokio::test]
async fn an_error_in_an_unused_column_rejects_no_row() {
    let harness = Harness::unlimited().await;
    harness.write("in.xlsx", std::fs::read("fixtures/input/sheet.xlsx").expect("a fixture"));
    let rows = async |config: &str, code: i32| {
        harness.write("contactsync.toml", format!("match = \"phone\"\n{config}"));
        harness.plan("in.xlsx").run().await.exits(code).planned().rows()
    };
    assert_eq!(rows("", 3).await, "2 rejected, 2 pending");
    assert_eq!(
        rows("unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\nname = \"first_name\"\n", 0).await,
        "4 pending"
    );
    assert_eq!(
        rows("unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\nsum = \"total\"\n", 3).await,
        "2 rejected, 2 pending"
    );
    let taken = "unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\n[[take]]\ncolumn = \"total\"\nnot_blank = true\n";
    assert_eq!(rows(taken, 3).await, "2 rejected, 2 pending");
}

#[tokio::test]
async fn check_shows_the_contacts_that_sync_sends() {
    let check = async |way: &str, code: i32, line: &str, sent: &str| {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", "phone,name,city,tags\n+1,Ann,Lima,x\n+2,Cy,,\n+1,Bob,,y\n");
        let options = format!("in.csv --match phone --duplicates {way}");
        let ran = harness.program(&format!("check {options} --url {}", harness.sandbox.url())).run().await.exits(code);
        let lines = ran.stdout.lines().map(str::trim).skip_while(|line| !line.starts_with("line "));
        let shown: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        assert_eq!(shown, [line, "line 3: phone=\"+2\" name=\"Cy\""], "{way}");
        harness.sync(&options).run().await.exits(code);
        assert_eq!(there(&harness), [sent, "name=Cy phone=+2"], "{way}");
    };
    let ann = "line 2: phone=\"+1\" name=\"Ann\" city=\"Lima\" tags: \"x\"";
    let both = "line 4: phone=\"+1\" name=\"Bob\" city=\"Lima\" tags: \"x\", \"y\"";
    check("last", 0, "line 4: phone=\"+1\" name=\"Bob\" tags: \"y\"", "name=Bob phone=+1 +y").await;
    check("merge", 0, both, "city=Lima name=Bob phone=+1 +x +y").await;
    check("first", 0, ann, "city=Lima name=Ann phone=+1 +x").await;
    check("reject", 3, ann, "city=Lima name=Ann phone=+1 +x").await;
}

#[tokio::test]
async fn a_check_counts_the_rows_of_a_contact_as_a_sync_does() {
    let check = async |way: &str, code: i32, checked: &[&str], synced: &str| {
        let harness = Harness::unlimited().await;
        // The second row has only the phone of the first; the last one shares its phone, and has another email.
        harness.write("in.csv", "email,phone\na@example.com,+1\n,+1\nb@example.com,+1\n");
        let options = format!("in.csv --match email --match phone --duplicates {way}");
        let ran = harness.program(&format!("check {options} --url {}", harness.sandbox.url())).run().await.exits(code);
        for line in checked {
            assert!(ran.stdout.lines().any(|found| found.trim() == *line), "{way}: {line}: {ran:?}");
        }
        let plan = harness.plan(&options).run().await.exits(code);
        assert_eq!(plan.planned().rows(), synced, "{way}");
    };
    let merged = |way: &str| format!("1 merged into another row of the same contact (`duplicates = \"{way}\"`)");
    for way in ["last", "first", "merge"] {
        check(way, 0, &["3 rows", "2 to send", &merged(way)], "1 merged, 2 pending").await;
    }
    check("reject", 3, &["3 rows", "2 to send", "1 rejected"], "1 rejected, 2 pending").await;
}

#[tokio::test]
async fn check_looks_up_three_contacts_and_warns_about_a_differing_form() {
    let harness = Harness::unlimited().await;
    let no_tags: [&str; 0] = [];
    harness.sandbox.insert(TOKEN, [Field::text("phone", "+525512345678")], no_tags);
    let other = harness.sandbox.insert(TOKEN, [Field::text("phone", "5215511112222")], no_tags);
    let check = async |rows: &str, calls: &str, report: &[String], warned: usize| {
        harness.write("in.csv", format!("phone,name\n{rows}"));
        let ran = harness
            .program(&format!("check in.csv --match phone --url {}", harness.sandbox.url()))
            .run()
            .await
            .exits(0);
        let shown = ran.stdout.lines().skip_while(|line| *line != "the first contacts on the platform").skip(1);
        assert_eq!(shown.map(str::trim).collect::<Vec<_>>(), report, "{ran:?}");
        assert_eq!(ran.stderr_lines("warning:").len(), warned, "{ran:?}");
        assert_eq!(harness.calls(), calls, "{rows}");
        ran
    };
    let absent = |line: u64| format!("line {line}: no contact has its `phone`");
    let ran = check(
        "+525577778888,Di\n+525512345678,Bo\n+525511112222,Ann\n+525533334444,Cy\n",
        "6 find",
        &[
            absent(2),
            format!("line 3: contact {} has its `phone`", harness.sandbox.contacts(TOKEN)[0].id),
            format!("line 4: contact {other} has its `phone` in another form: \"5215511112222\""),
        ],
        1,
    )
    .await;
    let expected = format!(
        "warning: line 4: `phone` is \"+525511112222\", but contact {other} has \"5215511112222\"; if that is the same \
         person, a sync creates a duplicate"
    );
    assert_eq!(ran.stderr_lines("warning:"), [expected], "{ran:?}");
    let hint = "hint: to match the platform, set `transform = [\"e164\", { first = \"+52\" }, { prefix = \"521\" }]` for `phone`";
    assert_eq!(ran.stderr_lines("hint:"), [hint], "{ran:?}");
    let many: Vec<String> = (0..9).map(|n| format!("+52556666000{n},x\n")).collect();
    check(&many.concat(), "7 find", &[absent(2), absent(3), absent(4)], 0).await;
    check("+1,Ann\n", "2 find", &[absent(2)], 0).await;
}

#[tokio::test]
async fn check_recognises_a_phone_in_any_form_and_suggests_the_change() {
    let check = async |stored: &str, hint: &str| {
        let harness = Harness::unlimited().await;
        let no_tags: [&str; 0] = [];
        let id = harness.sandbox.insert(TOKEN, [Field::text("phone", stored)], no_tags);
        harness.write("in.csv", "phone,name\n+525512345678,Ann\n");
        let ran = harness
            .program(&format!("check in.csv --match phone --url {}", harness.sandbox.url()))
            .run()
            .await
            .exits(0);
        let line = format!("line 2: contact {id} has its `phone` in another form: {stored:?}");
        assert!(ran.stdout.contains(&line), "{stored}: {ran:?}");
        assert_eq!(ran.stderr_lines("warning:").len(), 1, "{stored}: {ran:?}");
        let [found] = ran.stderr_lines("hint:")[..] else { panic!("{stored}: {ran:?}") };
        assert!(found.contains(hint), "{stored}: {found}");
        // The suggested step makes the value the platform's, where a step can.
        if let Some((_, rest)) = found.split_once("write `").filter(|(_, rest)| rest.starts_with("transform")) {
            let transform = rest.split('`').next().unwrap_or_default();
            let mapping = format!("match = \"phone\"\n[fields]\nphone = {{ column = \"phone\", {transform} }}\n");
            harness.write("contactsync.toml", mapping);
            assert_eq!(
                harness.sync("in.csv").run().await.exits(0).summary().rows(),
                "1 updated",
                "{stored}: {transform}"
            );
        }
    };
    check("525512345678", "[\"e164\", { first = \"+\" }]").await;
    check("5512345678", "[\"e164\", { first = \"+52\" }]").await;
    check("+5215512345678", "[\"e164\", { first = \"+52\" }, { prefix = \"+521\" }]").await;
    check("5215512345678", "[\"e164\", { first = \"+52\" }, { prefix = \"521\" }]").await;
    check("+52 55 1234 5678", "no transform produces the platform's form").await;
    check("55 1234 5678", "no transform produces the platform's form").await;
}

#[tokio::test]
async fn a_sheet_is_imported_as_displayed() {
    let rules = r#"
match = ["phone"]
unmapped = "ignore"

[fields]
phone = "phone"
name = "first_name"
zip = "zip"
birthday = { column = "birthday", transform = [{ date = "DD/MM/YYYY" }] }
seen = { column = "seen_at", transform = [{ date = ["D/M/YYYY", "M/D/YYYY h:mm A"] }] }
"#;
    for book in ["shown.xlsx", "shown.ods"] {
        let harness = Harness::unlimited().await;
        harness.write("contactsync.toml", rules);
        harness.write(book, std::fs::read(format!("fixtures/input/{book}")).expect("a fixture"));
        let ran = harness.sync(book).run().await.exits(0);
        assert_eq!(ran.summary().rows(), "2 created", "{book}");
        let jose = "birthday=1980-02-29 name=José phone=+34600111222 seen=2024-02-29T14:30:00 zip=02138";
        assert_eq!(there(&harness), [jose, "name=Íñigo phone=+5215550001 zip=12345"], "{book}");
        let noticed = ran.stderr.contains("`Instructions` holds instructions (select another sheet with `--sheet`)");
        assert_eq!(noticed, book.ends_with("xlsx"), "{ran:?}");
    }
}

#[tokio::test]
async fn every_command_reports_a_doubtful_encoding() {
    let check = async |file: &str, found: &str, code: i32| {
        let harness = Harness::unlimited().await;
        harness.write(file, std::fs::read(format!("fixtures/input/{file}")).expect("a fixture"));
        let url = harness.sandbox.url();
        let programs = [
            harness.plan(&format!("{file} --match phone")),
            harness.program(&format!("check {file} --match phone --url {url}")),
            harness.sync(&format!("{file} --match phone")),
        ];
        for program in programs {
            let ran = program.run().await.exits(code);
            assert_eq!(ran.stderr.matches(found).count() + ran.stdout.matches(found).count(), 1, "{ran:?}");
        }
    };
    check("macintosh.csv", "try `--encoding macintosh`", 0).await;
    check("dos.csv", "try `--encoding cp850`", 0).await;
    // An `Í` that was encoded twice contains a control character.
    check("encoded-twice.csv", "text that was encoded twice", 3).await;
}

#[tokio::test]
async fn init_check_and_plan_report_rounded_numbers_and_sync_never_sends_them() {
    let harness = Harness::unlimited().await;
    let url = harness.sandbox.url();
    let rounded = |n: u32| format!("5.2{n:03}E+12,Ann {n}\n");
    let rows: String = (0..27).map(rounded).chain((0..3).map(|n| format!("+52551234567{n},Bob {n}\n"))).collect();
    harness.write("in.csv", format!("phone,name\n{rows}"));

    // Without a mapping, in every mode, with and without the step.
    let found = "found a number that a spreadsheet has rounded, such as 5.2E+11 (export the column as text)";
    for mode in ["upsert", "create", "update"] {
        let ran =
            harness.program(&format!("check in.csv --match phone --mode {mode} --url {url}")).run().await.exits(3);
        let line = format!("27: column `phone`: expected a value (match field), {found} (first on line 2)");
        assert!(ran.stdout.contains(&line), "{mode}: {ran:?}");
        let plan = harness.plan(&format!("in.csv --match phone --mode {mode}")).run().await.exits(3).planned();
        assert_eq!(plan.rows(), "27 rejected, 3 pending", "{mode}");
    }
    let ran = harness.program("init in.csv --country MX").run().await.exits(0);
    let told = "27 of 30 values of `phone` are rounded numbers, such as 5.2E+11: export the column as text";
    let rejected = format!(
        "27 of the first 30 rows would be rejected: column `phone`: expected a value (match field), {found} (27 rows, first on \
         line 2). Run `contactsync check` for the whole file"
    );
    assert_eq!(ran.stderr_lines("warning:"), [told, &rejected].map(|text| format!("warning: {text}")), "{ran:?}");
    let written = std::fs::read_to_string(harness.path("contactsync.toml")).expect("what init wrote");
    assert!(written.contains("phone = { column = \"phone\", transform = [\"e164\"] }"), "{written}");
    assert_eq!(harness.plan("in.csv").run().await.exits(3).planned().rows(), "27 rejected, 3 pending");
    harness.sync("in.csv").run().await.exits(3);
    assert_eq!(there(&harness).len(), 3);
}

#[tokio::test]
async fn invisible_characters_and_null_markers_make_no_second_contact() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "match = \"phone\"\n");
    harness.write("in.csv", "phone,name,born,tags\n+525512345670,Ann,1990-12-31,\"\"\"VIP\"\",\"\"Big, spender\"\"\"\n+525512345671,Bob,0000-00-00,[]\n");
    harness.sync("in.csv").run().await.exits(0);
    let ann = "born=1990-12-31 name=Ann phone=+525512345670 +Big, spender +VIP";
    assert_eq!(there(&harness), [ann, "name=Bob phone=+525512345671"]);
    harness.calls();
    // The same contacts, as another program copies them.
    let text = "\u{200b}phone,na\u{ad}me,born\u{feff},tags\n\u{202a}+5255\u{2060}12345670\u{202c},Ann\u{200b},1990-12-31,\
                \"['VIP', 'Big, spender']\"\n\u{61c}+525512345671,\u{feff}Bob,0/0/00,{}\n";
    harness.write("in.csv", text);
    assert_eq!(harness.sync("in.csv").run().await.exits(0).summary().rows(), "2 unchanged");
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn decimal_and_prefix_steps_are_applied() {
    let harness = Harness::unlimited().await;
    let config = "match = \"phone\"\ncountry = \"MX\"\nunmapped = \"ignore\"\n[fields]\n\
                  phone = { column = \"Tel\", transform = [\"e164\", { first = \"+52\" }, { prefix = \"521\" }], pattern = \"521[0-9]{10}\" }\n\
                  sum = { column = \"Saldo\", transform = [\"decimal\"] }\n\
                  limit = { column = \"Limite\", transform = [{ decimal = \",\" }] }\n";
    harness.write("contactsync.toml", config);
    harness.write("in.csv", "Tel;Saldo;Limite\n55 1234 5678;0,50;1.234\n044 55 1234 5679;1.234,56;\n5215512345670;;5\n55 1234 5671;1.234;5\n+34612345601;1;1\n");
    let ran = harness.sync("in.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "3 created, 2 rejected");
    let first =
        ["limit=1234 phone=5215512345678 sum=0.50", "limit=5 phone=5215512345670", "phone=5215512345679 sum=1234.56"];
    assert_eq!(there(&harness), first);
}

#[tokio::test]
async fn new_columns_since_the_last_run_are_reported_once() {
    let check = async |config: &str, first: &str, then: &str, expected: &str| {
        let harness = Harness::unlimited().await;
        harness.write("contactsync.toml", format!("match = \"phone\"\n{config}"));
        harness.write("in.csv", first);
        let none = |ran: &support::Output| assert!(!ran.stderr.contains("since the last run"), "{ran:?}");
        none(&harness.plan("in.csv").run().await.exits(0));
        none(&harness.sync("in.csv").run().await.exits(0));
        none(&harness.sync("in.csv").run().await.exits(0));
        // The file's name does not matter: exports have dates in their names.
        harness.write("in2.csv", then);
        for _ in 0..2 {
            let ran = harness.plan("in2.csv").run().await.exits(0);
            assert_eq!(ran.stderr_lines("in2.csv: new"), [format!("in2.csv: new {expected}")], "{ran:?}");
        }
        let ran = harness.sync("in2.csv").run().await.exits(0);
        assert_eq!(ran.stderr_lines("in2.csv: new"), [format!("in2.csv: new {expected}")], "{ran:?}");
        none(&harness.sync("in2.csv").run().await.exits(0));
        none(&harness.sync("in.csv").run().await.exits(0));
        none(&harness.plan("in2.csv").run().await.exits(0));
        // A file of another format has no new columns.
        harness.write("contactsync.toml", "match = \"tel\"\n");
        harness.write("other.csv", "tel,e\n+1,x\n");
        none(&harness.plan("other.csv").run().await.exits(0));
    };
    check("", "phone,a\n+1,x\n", "phone,a,b,_c\n+1,x,y,z\n", "column since the last run: `b` (sent)").await;
    check(
        "unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\na = \"a\"\n",
        "phone,a\n+1,x\n",
        "d,phone,a,b\nw,+1,x,y\n",
        "columns since the last run: `d` (left out), `b` (left out)",
    )
    .await;
}

#[tokio::test]
async fn columns_that_the_last_input_had_are_missed_once() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", "match = \"phone\"\n");
    harness.write("in.csv", "phone,a,b,_c\n+1,x,y,z\n");
    harness.write("less.csv", "phone,a\n+1,x\n");
    harness.write("less.jsonl", "{\"phone\":\"+1\"}\n{\"phone\":\"+2\",\"b\":\"\"}\n");
    harness.write("other.csv", "tel\n+7\n");
    let missed = |ran: &support::Output| {
        ran.stderr_lines("warning:")
            .iter()
            .filter(|line| line.contains("missing"))
            .copied()
            .collect::<Vec<_>>()
            .join("|")
    };
    let check = |ran: support::Output, expected: &str| assert_eq!(missed(&ran), expected, "{ran:?}");
    check(harness.sync("in.csv").run().await.exits(0), "");
    check(harness.sync("in.csv").run().await.exits(0), "");
    let one = "warning: less.csv: columns of the last run that are missing: `b`";
    let one = one.replace("columns of the last run that are", "column of the last run that is");
    check(harness.plan("less.csv").run().await.exits(0), &one);
    check(harness.sync("less.csv").run().await.exits(0), &one);
    check(harness.sync("less.csv").run().await.exits(0), "");
    check(harness.sync("in.csv").run().await.exits(0), "");
    // Keys of JSON count if any row has them.
    check(
        harness.sync("less.jsonl").run().await.exits(0),
        "warning: less.jsonl: column of the last run that is missing: `a`",
    );
    // A file of another kind misses nothing, and is not missed.
    harness.write("contactsync.toml", "match = \"phone\"\n[fields]\nphone = \"tel\"\n");
    check(harness.sync("other.csv").run().await.exits(0), "");
    harness.write("contactsync.toml", "match = \"phone\"\n");
    check(harness.sync("in.csv").run().await.exits(0), "");
    // A column that the mapping names must be there.
    harness.write("contactsync.toml", "match = \"phone\"\n[fields]\nphone = \"phone\"\nb = \"b\"\n");
    harness.sync("less.csv").run().await.exits(2);
}

#[tokio::test]
async fn new_json_keys_since_the_last_run_are_reported_once() {
    let check = async |config: &str, first: &str, then: &str, expected: &str| {
        let harness = Harness::unlimited().await;
        harness.write("contactsync.toml", format!("match = \"phone\"\n{config}"));
        harness.write("in.json", first);
        let none = |ran: &support::Output| assert!(!ran.stderr.contains("since the last run"), "{ran:?}");
        none(&harness.sync("in.json").run().await.exits(0));
        none(&harness.sync("in.json").run().await.exits(0));
        harness.write("in2.json", then);
        let ran = harness.plan("in2.json").run().await.exits(0);
        assert_eq!(ran.stderr_lines("in2.json: new"), [format!("in2.json: new {expected}")], "{ran:?}");
        let ran = harness.sync("in2.json").run().await.exits(0);
        assert_eq!(ran.stderr_lines("in2.json: new"), [format!("in2.json: new {expected}")], "{ran:?}");
        none(&harness.sync("in2.json").run().await.exits(0));
    };
    let one = "column since the last run: `b` (sent)";
    // A key that only a later row has is new as well.
    check("", "{\"phone\":\"+1\"}\n", "{\"phone\":\"+1\"}\n{\"phone\":\"+2\",\"b\":\"x\",\"_c\":\"y\"}\n", one).await;
    check("", "[{\"phone\":\"+1\"}]", "[{\"phone\":\"+1\",\"b\":\"x\"}]", one).await;
    let page = |row: &str| format!("{{\"contacts\":[{{\"phone\":\"+1\"{row}}}]}}");
    check("", &page(""), &page(",\"b\":\"x\""), one).await;
    check(
        "unmapped = \"ignore\"\n[fields]\nphone = \"phone\"\na = \"a\"\n",
        "{\"phone\":\"+1\"}\n",
        "{\"phone\":\"+1\",\"a\":\"x\",\"d\":\"y\"}\n",
        "columns since the last run: `a` (sent), `d` (left out)",
    )
    .await;
}

#[tokio::test]
async fn a_total_below_the_last_row_is_left_out_or_rejected_by_what_it_may_be() {
    let rows = "name,phone,crm_id,amount\nAnn,+525550000001,1,2000\nBo,+525550000002,2,3049\n";
    let note = "line 4 is a total of the rows above it and is left out";
    let reason = "expected a contact, found a total below the last row";
    let check_in = async |rows: &str, mapping: &str, total: &str, expected: &str| {
        let harness = Harness::unlimited().await;
        harness.write("contactsync.toml", mapping);
        harness.write("in.csv", format!("{rows}{total}"));
        let code = if expected == "rejected" { 3 } else { 0 };
        let outcomes = if expected == "rejected" { "2 created, 1 rejected" } else { "2 created" };
        let noticed = |text: &str| (text.contains(note), text.contains("1 row left out, as configured"));
        let expected_notes = (expected == "left out", expected == "not taken");
        for ran in [harness.plan("in.csv").run().await, harness.sync("in.csv --rejects bad.csv").run().await] {
            assert_eq!(noticed(&ran.stderr), expected_notes, "{mapping} {total}: {ran:?}");
            ran.exits(code);
        }
        let checked = harness.program(&format!("check in.csv --url {}", harness.sandbox.url())).run().await.exits(code);
        assert_eq!(checked.stdout.contains(note), expected == "left out", "{checked:?}");
        let told = checked.stdout.contains("and 1 excluded by [[take]]");
        assert_eq!((told, checked.stdout.contains(reason)), (expected == "not taken", expected == "rejected"));
        assert_eq!(there(&harness).len(), 2);
        // Nothing is created of it when the list of rejected rows is sent as it is.
        if expected == "rejected" {
            assert!(std::fs::read_to_string(harness.path("bad.csv")).expect("a list").contains(reason));
            let again = harness.sync("bad.csv").run().await.exits(3).summary();
            assert_eq!(again.rows(), "1 rejected", "{mapping} {total}");
        }
        assert_eq!(
            harness.sync("in.csv").run().await.exits(code).summary().rows(),
            outcomes.replace("created", "unchanged")
        );
    };
    let check = async |mapping: &str, total: &str, expected: &str| check_in(rows, mapping, total, expected).await;
    let phone = "match = \"phone\"\n";
    check(phone, "Total,,,5049\n", "left out").await;
    check(phone, "Gesamt,,,5049\n", "left out").await;
    check(phone, "Total: 2\n", "left out").await;
    check(phone, ",Total,,5049\n", "left out").await;
    check(
        "match = \"total\"\nunmapped = \"ignore\"\n[fields]\ntotal = { column = \"phone\", transform = [\"e164\"] }\n",
        ",Total general,,2",
        "left out",
    )
    .await;
    check("match = [\"crm_id\", \"phone\"]\n", "Total,,,5049\n", "left out").await;
    // It may be a contact: a value of a match field, or a name.
    check("match = \"crm_id\"\n", "Total,,2,5049\n", "rejected").await;
    check("match = [\"crm_id\", \"phone\"]\n", "Total,,2,\n", "rejected").await;
    check("match = \"name\"\n", "Suma,,,12\n", "rejected").await;
    // A company may be called so.
    check("match = \"name\"\n", "Total,,,12\n", "rejected").await;
    check("match = [\"phone\", \"name\"]\n", "Total,,,12\n", "rejected").await;
    check("match = \"company\"\n[fields]\ncompany = \"name\"\n", "Gesamt,,,12\n", "rejected").await;
    check("match = \"crm_id\"\n", ",,Total: 2,\n", "rejected").await;
    check(&format!("{phone}mode = \"create\"\n"), "Total,,,5049\n", "rejected").await;
    // A sum, or the number of rows. Without either, it may be a person without a phone.
    check(phone, "Suma,,,5049\n", "left out").await;
    check(phone, "Total,,,2\n", "left out").await;
    for person in ["Suma,,,31\n", "Suma,,,2\n", "Count,,,31\n", "Total,,,31\n", "Gesamt,,,5048\n"] {
        check(phone, person, "rejected").await;
    }
    // Neither a phone nor an e-mail address is called so.
    check(phone, ",Total,,\n", "left out").await;
    let mails = rows.replace("+525550000001", "ann@example.com").replace("+525550000002", "bo@example.com");
    for field in ["email", "correo"] {
        let mapping = format!("match = \"{field}\"\n[fields]\n{field} = \"phone\"\n");
        check_in(&mails, &mapping, ",Total,,5049\n", "left out").await;
    }
    // What the rules leave out comes first.
    let take = "[[take]]\ncolumn = \"phone\"\nnot_blank = true\n";
    check(&format!("{phone}{take}"), "Total,,,5049\n", "not taken").await;
    check(&format!("match = \"crm_id\"\n{take}"), "Total,,2,5049\n", "not taken").await;
    check("match = \"name\"\n[[take]]\ncolumn = \"name\"\nis_not = \"suma\"\n", "Suma,,,12\n", "not taken").await;
}

#[tokio::test]
async fn a_match_value_that_different_people_share_is_reported_once() {
    let rows = |values: &[&str]| {
        let names = ["Ann Lee", "Bo Roy", "Cy Fox", "Di Poe", "Ed Kay", "Flo May", "Gus Lay"];
        let rows: Vec<String> =
            values.iter().zip(names).map(|(value, name)| format!("{name},{value},x@y.mx\n")).collect();
        format!("name,key,other\n{}", rows.concat())
    };
    let check = async |file: &str, text: &str, expected: Option<&str>| {
        let harness = Harness::unlimited().await;
        harness.write(file, text);
        let said = "--match key --journal j.db";
        let url = format!("--url {}", harness.sandbox.url());
        let runs = [
            harness.program(&format!("plan {file} {said}")).run().await,
            harness.program(&format!("check {file} {said} {url}")).run().await,
            harness.program(&format!("sync {file} {said} {url} --rate 1000000")).run().await.exits(0),
        ];
        for ran in runs {
            let told: Vec<&str> =
                ran.stdout.lines().chain(ran.stderr.lines()).filter(|line| line.contains("different names")).collect();
            let count = usize::from(expected.is_some());
            assert!(told.len() == count && expected.is_none_or(|text| told[0].contains(text)), "{text}: {ran:?}");
            assert!(told.iter().all(|told| !told.contains("1111111111") && !told.contains("no@email")), "{told:?}");
        }
    };
    let one = "column `key`: 3 rows, with at least three different names, have the same value (the first is on line 3), so they \
               may become one contact; if it is a placeholder, add it to `nulls`";
    for value in ["1111111111", "no@email.com", "n/a@example.com", "123456789", "test@test.com", "+525500000000"] {
        check("in.csv", &rows(&["5512345671", value, "5512345672", value, value]), Some(one)).await;
    }
    let two = "column `key`: 6 rows share 2 values (the first is on line 2), each with at least three different names, so each \
               value may become one contact; add those that are placeholders to `nulls`";
    check("in.csv", &rows(&["1", "9", "1", "9", "1", "9"]), Some(two)).await;
    let json =
        r#"[{"key":"1111111111","name":"Ann"},{"key":"1111111111","name":"Bo"},{"key":"1111111111","name":"Cy"}]"#;
    check("in.json", json, Some("column `key`: 3 rows, with at least three different names")).await;
    // A couple, one person in several rows, and rows without a name.
    check("in.csv", &rows(&["9", "9", "1", "2"]), None).await;
    check("in.csv", "name,key\nAnn Lee,1\nANN LEE,1\nann lee,1\nLee Ann,1\n", None).await;
    check("in.csv", "name,key\n,1\n,1\n,1\n", None).await;
    // What `nulls` lists is no value.
    let harness = Harness::unlimited().await;
    harness.write("in.csv", rows(&["5512345671", "1111111111", "1111111111", "1111111111"]));
    harness.write("contactsync.toml", "match = \"key\"\nnulls = [\"1111111111\"]\n");
    let ran = harness.plan("in.csv").run().await.exits(3);
    assert!(!ran.stderr.contains("different names"), "{ran:?}");
}

#[tokio::test]
async fn without_a_column_of_names_other_columns_show_that_a_match_value_is_shared() {
    let check = async |text: &str, expected: Option<&str>| {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", text);
        harness.write("contactsync.toml", "match = \"phone\"\n");
        for ran in [harness.plan("in.csv").run().await, harness.sync("in.csv").run().await] {
            let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("have the same value")).collect();
            assert_eq!(lines.len(), usize::from(expected.is_some()), "{text}: {ran:?}");
            assert!(expected.is_none_or(|expected| lines[0].contains(expected)), "{text}: {ran:?}");
        }
    };
    let three = "column `phone`: 3 rows, with at least three different combinations of other columns, have the same value (the \
                 first is on line 2), so they may become one contact; if it is a placeholder, add it to `nulls`";
    check("phone,Kunde\n1111111111,Ann\n1111111111,Bo\n1111111111,Cy\n", Some(three)).await;
    check("phone,email\n1111111111,a@x.mx\n1111111111,b@x.mx\n1111111111,c@x.mx\n", Some(three)).await;
    check("phone,mobile\n1111111111,1\n1111111111,2\n1111111111,3\n", Some(three)).await;
    // One person with several orders, and a couple.
    check("phone,amount\n1111111111,1\n1111111111,2\n1111111111,3\n", None).await;
    check("phone,Kunde\n1111111111,Ann\n1111111111,Bo\n1111111111,Ann\n", None).await;
}

#[tokio::test]
async fn text_that_is_no_value_is_rejected_as_a_match_value_and_reported_elsewhere() {
    for text in [
        "[object Object]",
        "['a', 'b']",
        "{'a': 1}",
        "null",
        "NULL",
        "undefined",
        "N/A",
        "None",
        "nan",
        "true",
        "-",
        "?",
    ] {
        for mode in ["upsert", "update", "create"] {
            let harness = Harness::unlimited().await;
            harness.write("in.csv", format!("email,name\n\"{text}\",Ann\n\"{text}\",Bo\n"));
            harness.write("contactsync.toml", format!("match = \"email\"\nmode = \"{mode}\"\n"));
            let ran = harness.sync("in.csv --rejects bad.csv").run().await.exits(3);
            assert_eq!(ran.summary().rows(), "2 rejected", "{text} {mode}: {ran:?}");
            let rejects = std::fs::read_to_string(harness.path("bad.csv")).expect("a list");
            assert_eq!(rejects.matches("expected a value (match field), found").count(), 2, "{rejects}");
            assert_eq!(there(&harness).len(), 0, "{text} {mode}");
        }
    }
    let harness = Harness::unlimited().await;
    harness.write(
        "in.csv",
        "phone,last_name,notes,tags\n+525512345671,Null,[object Object],None\n+525512345672,None,undefined,Null\n\
         +525512345673,Lee,[object Object],-\n",
    );
    let init = harness.program("init in.csv").run().await.exits(0);
    let object = "column `notes`: 2 rows hold a printed list or object such as `[object Object]` (first on line 2)";
    assert!(init.stderr.contains(object), "{init:?}");
    harness.write("contactsync.toml", "match = \"phone\"\n");
    let word = "column `notes`: 1 row holds `undefined` (first on line 3), which a program wrote in place of a value; it is sent as it is";
    let checked = harness.program(&format!("check in.csv --url {}", harness.sandbox.url())).run().await.exits(0);
    assert!(checked.stdout.contains(object) && checked.stdout.contains(word), "{checked:?}");
    for ran in [harness.plan("in.csv").run().await.exits(0), harness.sync("in.csv").run().await.exits(0)] {
        assert_eq!(ran.stderr.matches("in place of a value").count(), 2, "{ran:?}");
        assert!(ran.stderr.contains(object) && ran.stderr.contains(word), "{ran:?}");
    }
    // A surname or a tag may be such a word.
    let contacts = there(&harness).concat();
    assert!(contacts.contains("last_name=Null") && contacts.contains("last_name=None"), "{contacts}");
}
