//! The lists of rows: rejected rows, as an input that can be corrected, and the result of each row.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use contactsync::contact::Cells;
use contactsync::sandbox::{Config, Faults};
use contactsync::source::{Row, SourceOptions};
use contactsync::{Field, Input, Mapping, Mode, Source};

use support::{Harness, People, TOKEN};

fn read(harness: &Harness, name: &str) -> String {
    fs::read_to_string(harness.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of a results list in the order of the input: key, outcome, calls, reason.
fn results(harness: &Harness, name: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(harness.path(name)).expect("a list of results");
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    assert_eq!(header[..6], ["line", "key", "outcome", "contact_id", "calls", "reason"]);
    let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect());
    rows.collect()
}

/// The header and the cells of an input.
fn texts(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let source = Source::open(&Input::Path(path.to_owned()), SourceOptions::default()).expect("an input");
    let header = source.header().expect("a header").iter().map(ToString::to_string).collect();
    let row = |row| match row {
        Ok(Row::Record(record)) => match record.cells {
            Cells::Texts(texts) => texts.iter().map(|text| text.trim().to_owned()).collect(),
            Cells::Object(_) => panic!("JSON in a table"),
        },
        other => panic!("{other:?}"),
    };
    (header, source.map(row).collect())
}

#[tokio::test]
async fn the_rejects_list_can_be_corrected_and_synced() {
    let harness = Harness::unlimited().await;
    harness.write(
        "in.csv",
        "name;_note;email;tags\nAnn;n1;a@example.com;x\nBo;n2;;y,z\n\"Cy \"\"C\"\" D\";n3;;\nDi;n4;d@example.com;\n",
    );
    let ran = harness.sync("in.csv --match email --rejects bad.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 created, 2 rejected");
    let reason = "column `email`: expected a value (match field), found none";
    assert_eq!(
        read(&harness, "bad.csv"),
        format!("_line;_reason;name;_note;email;tags\n3;{reason};Bo;n2;;y,z\n4;{reason};\"Cy \"\"C\"\" D\";n3;;\n")
    );

    // The unchanged list is rejected again, with the lines of the list.
    let ran = harness.sync("bad.csv --match email --rejects again.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 rejected");
    assert_eq!(read(&harness, "again.csv"), read(&harness, "bad.csv").replace("\n3;", "\n2;").replace("\n4;", "\n3;"));

    // The corrected list is an input.
    harness.write(
        "corrected.csv",
        read(&harness, "bad.csv").replace("n2;", "n2;b@example.com").replace("n3;", "n3;c@example.com"),
    );
    let ran = harness.sync("corrected.csv --match email --rejects bad.csv").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "2 created");
    let mut names: Vec<String> =
        harness.sandbox.contacts(TOKEN).iter().map(|contact| contact.fields["name"].text().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["Ann", "Bo", "Cy \"C\" D", "Di"]);
    // A run without rejected rows replaces the list by an empty one.
    assert_eq!(read(&harness, "bad.csv"), "_line;_reason;name;_note;email;tags\n");
}

#[tokio::test]
async fn unreadable_rows_are_listed_as_rows_that_are_rejected_again() {
    let harness = Harness::unlimited().await;
    let check = async |input: &[u8], expected: &str| {
        harness.write("in.csv", input);
        let ran = harness.sync("in.csv --match email --rejects bad.csv").run().await.exits(3);
        let rejected = ran.summary().count("rejected");
        assert_eq!(read(&harness, "bad.csv"), expected);
        let again = harness.sync("bad.csv --match email --rejects again.csv").run().await.exits(3);
        assert_eq!(again.summary().count("rejected"), rejected, "{expected}");
        assert_eq!(again.summary().count("rows"), rejected, "{expected}");
        // The list of the list has the same cells.
        let cells = |list: &str| {
            list.lines().map(|row| row.rsplit_once("\",").map(|(_, cells)| cells.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(cells(&read(&harness, "again.csv")), cells(expected), "{expected}");
    };
    check(
        b"email,name\nshort@example.com\nlong@example.com,Bo,Cy\n",
        "_line,_reason,email,name\n2,\"expected 2 cells, found 1; 1 of 2 cells listed\",short@example.com\n\
         3,\"expected 2 cells, found 3\",long@example.com,Bo,Cy\n",
    )
    .await;
    let accents: String = "é".repeat(200);
    check(
        &[b"email,name,city\na@example.com,Jos\xE9,", accents.as_bytes(), b"\n"].concat(),
        "_line,_reason,email,name,city\n2,\"column `name`: expected UTF-8, found another encoding at byte 4 of the cell; 1 of \
         3 cells listed\",a@example.com\n",
    )
    .await;

    harness.write("in.jsonl", "{\"email\": \"a@example.com\", }\n{\"z\": 1.0, \"email\": \"\", \"a\": [\"x\"]}\n17\n");
    harness.sync("in.jsonl --match email --rejects bad.jsonl").run().await.exits(3);
    let list = "{\"_line\":1,\"_reason\":\"expected a JSON object, found a fault at byte 28: trailing comma\",\
                \"_row\":\"{\\\"email\\\": \\\"a@example.com\\\", }\"}\n\
                {\"_line\":2,\"_reason\":\"column `a`: expected text, a number or a boolean, found an array\",\
                \"z\":1.0,\"email\":\"\",\"a\":[\"x\"]}\n\
                {\"_line\":3,\"_reason\":\"expected a JSON object, found a number\",\"_row\":\"17\"}\n";
    assert_eq!(read(&harness, "bad.jsonl"), list);
    let again = harness.sync("bad.jsonl --match email --rejects again.jsonl").run().await.exits(3);
    assert_eq!(again.summary().rows(), "3 rejected");
    assert_eq!(read(&harness, "again.jsonl").matches("_row").count(), 2);
}

#[tokio::test]
async fn a_list_that_a_spreadsheet_padded_is_rejected_again() {
    let harness = Harness::unlimited().await;
    // As a spreadsheet writes it: each row padded to the length of the header.
    let check = async |list: &str, created: usize, reasons: &[&str], again: &str| {
        harness.write("bad.csv", list);
        let ran = harness.sync("bad.csv --match phone --rejects again.csv").run().await;
        let summary = ran.summary();
        assert_eq!((summary.count("created"), summary.count("rejected")), (created, reasons.len()), "{ran:?}");
        for (warning, reason) in ran.stderr_lines("warning:").iter().zip(reasons) {
            assert!(warning.contains(reason), "{warning}");
        }
        let cells: Vec<String> = texts_of(&read(&harness, "again.csv"));
        assert_eq!(cells.join(" / "), again, "{list}");
        assert!(
            harness
                .sandbox
                .contacts(TOKEN)
                .iter()
                .all(|contact| !contact.fields["phone"].text().starts_with("expected"))
        );
    };
    let (moved, blank) =
        ("the cells of this row have moved", "found blank ones: complete the row, or clear its `_reason`");
    // The format of earlier versions, in which a padded row moved the last two columns.
    check(
        "phone,name,city,_line,_reason\n+1,3,\"expected 3 cells, found 1\",,\n+2,Bo,4,\"expected 3 cells, found 2\",\n+3,Cy,Lima,5,\"expected 3 cells, found 1\"\n",
        1,
        &[moved, moved],
        "+1 / +2,Bo",
    )
    .await;
    // The current format: not completed, completed, and marked as correct.
    let short = "\"expected 3 cells, found 1; 1 of 3 cells listed\"";
    check(&format!("_line,_reason,phone,name,city\n2,{short},+4,,\n3,{short},+5,Di,\n4,,+6,,\n"), 2, &[blank], "+4")
        .await;
    // The same from a spreadsheet, and without a header.
    harness.write("contactsync.toml", "no_header = true\nmatch = \"column 1\"\n");
    harness.write("in.csv", "+7,Ann,Lima\n+8\n");
    harness.sync("in.csv --rejects bad.csv").run().await.exits(3);
    let list = read(&harness, "bad.csv");
    assert!(list.starts_with("_line,_reason,column 1,column 2,column 3\n2,"), "{list}");
    harness.write("bad.csv", list.replace("+8\"", "+8\",,"));
    let ran = harness.sync("bad.csv --rejects again.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 rejected", "{ran:?}");
}

/// The cells of a rejects list without the first two columns and without the escapes of formulas.
fn texts_of(list: &str) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(list.as_bytes());
    let own = |row: csv::StringRecord| row.iter().skip(2).map(str::trim).collect::<Vec<_>>().join(",");
    reader.records().map(|row| own(row.expect("a row"))).collect()
}

#[tokio::test]
async fn short_rows_with_omitted_trailing_cells_are_completed() {
    let harness = Harness::unlimited().await;
    harness.write(
        "in.csv",
        "name,email,phone,city,plan\nAnn,a@example.com,+5215550001,Lima,pro\nBo,b@example.com\nCy,c@example.com,+5215550003\n",
    );
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "3 created");
    let notice =
        "in.csv: 2 rows end before the last column (the first is on line 3); their missing cells are read as blank";
    assert_eq!(ran.stderr_lines("in.csv: "), [notice], "{ran:?}");
    let joined = "email,name\na@example.com,Ann\n\u{feff}email,name\nd@example.com,Di\n\x1A";
    harness.write("in.csv", joined);
    let ran = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(ran.stderr_lines("in.csv: "), ["in.csv: line 3 repeats the header and is skipped"], "{ran:?}");
    assert_eq!(ran.summary().count("rows"), 2);
}

#[tokio::test]
async fn the_list_has_the_encoding_of_the_input() {
    let harness = Harness::unlimited().await;
    let text = "correo;nombre;teléfono\n;Muñoz, José;+5255\n;Ñandú;=1+1\nc@example.com;Zoë;\n";
    let latin: Vec<u8> = text.chars().map(|character| u8::try_from(u32::from(character)).expect("Latin-1")).collect();
    let utf16 = |big: bool| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let check = async |name: &str, input: Vec<u8>| {
        harness.write(name, &input);
        harness.sync(&format!("{name} --match correo --rejects bad")).run().await.exits(3);
        let list = fs::read(harness.path("bad")).expect("a list");
        // The byte order mark and the bytes of the accent are those of the input.
        let mark = |bytes: &[u8]| (!bytes[0].is_ascii() || bytes[1] == 0).then(|| [bytes[0], bytes[1]]);
        assert_eq!(mark(&list), mark(&input), "{name}");
        let accent = |bytes: &[u8]| bytes.windows(4).position(|four| four == &input[input.len() / 3..][..4]).is_some();
        assert!(!accent(&list) || accent(&input), "{name}");
        let (header, rows) = texts(&harness.path("bad"));
        assert_eq!(header, ["_line", "_reason", "correo", "nombre", "teléfono"], "{name}");
        assert_eq!(
            (rows[0][0].as_str(), &rows[0][2..]),
            ("2", &["", "Muñoz, José", "+5255"].map(str::to_owned)[..]),
            "{name}"
        );
        assert_eq!(
            (rows[1][0].as_str(), &rows[1][2..]),
            ("3", &["", "Ñandú", "=1+1"].map(str::to_owned)[..]),
            "{name}"
        );
        assert_eq!(rows.len(), 2, "{name}");
    };
    check("utf8.csv", text.into()).await;
    check("mark.csv", format!("\u{feff}{text}").into()).await;
    check("latin.csv", latin).await;
    check("little.csv", utf16(false)).await;
    check("big.csv", utf16(true)).await;
    let tabs = text.replace(';', "\t");
    check("tabs.tsv", tabs.into()).await;
}

#[tokio::test]
async fn a_list_is_read_with_the_settings_of_its_input() {
    let harness = Harness::unlimited().await;
    let check = async |input: &str, options: &str, list: &str| {
        harness.write("in.csv", input);
        let ran = harness.sync(&format!("in.csv {options} --rejects bad.csv")).run().await.exits(3);
        assert_eq!(ran.summary().count("rejected"), 1, "{options}");
        assert_eq!(read(&harness, "bad.csv"), list, "{options}");
        // With the same options and, except for the match field, without options.
        let (matches, _) = options.split_once("  ").expect("the match field first");
        for options in [options, matches] {
            let ran = harness.sync(&format!("bad.csv {options} --rejects again.csv")).run().await.exits(3);
            assert_eq!(ran.summary().rows(), "1 rejected", "{options}");
        }
    };
    let reason = "column `email`: expected a value (match field), found none";
    check(
        "Export of today\n\nemail,name\na@example.com,Ann\n,Bo\n",
        "--match email  --skip-lines 2",
        &format!("_line,_reason,email,name\n5,\"{reason}\",,Bo\n"),
    )
    .await;
    // Columns without names keep their positions as names.
    harness.write("contactsync.toml", "no_header = true\nmatch = \"column 1\"\n");
    harness.write("in.csv", "a@example.com,Ann\n,Bo\n");
    harness.sync("in.csv --rejects bad.csv").run().await.exits(3);
    let list = read(&harness, "bad.csv");
    assert!(list.starts_with("_line,_reason,column 1,column 2\n2,") && list.ends_with(",,Bo\n"), "{list}");
    let ran = harness.sync("bad.csv --rejects again.csv").run().await.exits(3);
    assert_eq!((ran.summary().rows().as_str(), read(&harness, "again.csv")), ("1 rejected", list));
}

#[tokio::test]
async fn the_list_of_a_spreadsheet_is_csv_and_that_of_json_is_jsonl() {
    let harness = Harness::unlimited().await;
    let fixture = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/input").join(name);
        fs::read(path).expect("a fixture")
    };
    harness.write("sheet.xlsx", fixture("sheet.xlsx"));
    let ran = harness.sync("sheet.xlsx --mode create --rejects bad.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 created, 2 rejected");
    let list = read(&harness, "bad.csv");
    assert!(list.starts_with("\u{feff}_line,_reason,phone,first_name,code,birthday,"), "{list}");
    let row = list.lines().nth(1).expect("a row");
    assert!(
        row.starts_with("7,\"column `total`: expected a value, found the error #DIV/0!; 8 of 9 cells listed\""),
        "{row}"
    );
    let ran = harness.sync("bad.csv --mode create --rejects again.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 rejected");

    harness.write("array.json", fixture("array.json"));
    harness.sync("array.json --match nothing --rejects bad.jsonl").run().await.exits(3);
    let ran = harness.sync("bad.jsonl --match phone").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "3 created");
}

#[tokio::test]
async fn formula_like_values_are_escaped_and_read_back_unchanged() {
    let harness = Harness::unlimited().await;
    let cells = ["+525550001", "=1+1", "-5", "@SUM(A1)", "＝1", "a;=1", "=\"x\"&\"y\"", "plain", "\r=1", "=a,b"];
    for delimiter in [',', ';', '\t', '|'] {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let row: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        let header: Vec<String> = (0..cells.len()).map(|nth| quoted(&format!("=f{nth}"))).collect();
        let d = delimiter.to_string();
        harness.write("in.csv", format!("email{d}{}\n{d}{}\n", header.join(&d), row.join(&d)));
        harness.sync("in.csv --match email --rejects bad.csv").run().await.exits(3);
        let list = read(&harness, "bad.csv");
        // As another program splits it, only plain cells start with a formula character.
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter as u8).has_headers(false).from_reader(list.as_bytes());
        for row in reader.records() {
            for cell in &row.expect("a row") {
                assert!(!cell.starts_with(['=', '+', '-', '@', '＝', '\r']), "{delimiter:?}: {cell:?}");
            }
        }
        // Each escape is quoted, so that it is not taken for a delimiter.
        for (at, _) in list.match_indices("\t=").chain(list.match_indices("\t+")) {
            assert_eq!(list.as_bytes()[at - 1], b'"', "{list}");
        }
        let (names, rows) = texts(&harness.path("bad.csv"));
        assert_eq!(names[3..], (0..cells.len()).map(|nth| format!("=f{nth}")).collect::<Vec<_>>());
        let trimmed: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
        assert_eq!(rows[0][3..], trimmed);
    }

    // The platform gets the same values from the list as from the input.
    let of = |name: &str| {
        let source = Source::open(&Input::Path(harness.path(name)), SourceOptions::default()).expect("an input");
        let mapping = Mapping::new(source.header(), Vec::new(), Mode::Create).expect("the columns are known");
        let contact = |row| match row {
            Ok(Row::Record(record)) => mapping.contact(&record).expect("a contact").fields().to_vec(),
            other => panic!("{other:?}"),
        };
        source.map(contact).collect::<Vec<Vec<Field>>>()
    };
    assert_eq!(of("in.csv"), of("bad.csv"));
}

#[tokio::test]
async fn every_row_of_the_input_has_its_result() {
    let harness = Harness::unlimited().await;
    for _ in 0..2 {
        harness.sandbox.insert(TOKEN, [Field::text("email", "two@example.com")], [] as [&str; 0]);
    }
    harness.write("first.csv", "email,name\nsame@example.com,Ann\n");
    harness.sync("first.csv --match email").run().await.exits(0);
    harness.write(
        "in.csv",
        "email,name\nnew@example.com,Old\n,Nobody\nsame@example.com,Ann\ntwo@example.com,Two\nnew@example.com,New\n",
    );
    let ran = harness.sync("in.csv --match email --rejects bad.csv --results results.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 created, 1 unchanged, 2 rejected, 1 merged");
    let rows = results(&harness, "results.csv");
    let short: Vec<String> = rows.iter().map(|row| format!("{} {} {} {}", row[0], row[1], row[2], row[4])).collect();
    assert_eq!(
        short,
        [
            "2 email=new@example.com merged 0",
            "3  rejected 0",
            "4 email=same@example.com unchanged 0",
            "5 email=two@example.com rejected 1",
            "6 email=new@example.com created 2",
        ]
    );
    let contacts = harness.sandbox.contacts(TOKEN);
    let id = |email: &str| {
        contacts
            .iter()
            .find(|contact| contact.fields["email"].text() == email)
            .expect("the contact was created")
            .id
            .to_string()
    };
    assert_eq!((&rows[4][3], &rows[2][3]), (&id("new@example.com"), &id("same@example.com")));
    assert_eq!(rows[0][5], "merged into line 6");
    assert!(rows[3][5].starts_with("conflict: several contacts"), "{rows:?}");
    // A row that the platform refused is listed as it was read.
    let (_, rejected) = texts(&harness.path("bad.csv"));
    assert_eq!(rejected.iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["", "two@example.com"]);
    assert_eq!(rejected[1][0], "5");
}

#[tokio::test]
async fn lists_are_complete_after_a_kill_and_a_resume() {
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(50), ..Faults::default() }).await;
    let mut csv = String::from("email,name\n");
    for nth in 0..60 {
        // Every third row is a conflict, found while sending; every fifth row is invalid.
        let email = if nth % 5 == 4 { String::new() } else { format!("p{nth}@example.com") };
        if nth % 3 == 0 && !email.is_empty() {
            for _ in 0..2 {
                harness.sandbox.insert(TOKEN, [Field::text("email", email.as_str())], [] as [&str; 0]);
            }
        }
        csv.push_str(&format!("{email},Person {nth}\n"));
    }
    harness.write("in.csv", &csv);
    let mut running = harness
        .sync("in.csv --match email --search-lag 1s --concurrency 2 --rejects bad.csv --results results.csv")
        .start();
    // Rejections found by planning are listed before anything is sent, those found by sending as they occur.
    assert!(running.until(|| harness.path("bad.csv").exists() && read(&harness, "bad.csv").lines().count() > 15).await);
    running.kill().await;
    let (_, before) = texts(&harness.path("bad.csv"));
    assert!(before.len() < 28, "it was to be killed in between");
    let ended = results(&harness, "results.csv");
    assert!(ended.len() > before.len() && ended.len() < 60, "{} {}", ended.len(), before.len());
    fs::remove_file(harness.path("in.csv")).expect("the input");

    let ran = harness.resume().with("--rejects bad.csv --results results.csv").run().await.exits(3);
    assert_eq!(ran.summary().count("rejected"), 12 + 16);
    let (_, rejected) = texts(&harness.path("bad.csv"));
    let lines: Vec<u64> = rejected.iter().map(|row| row[0].parse().expect("a line")).collect();
    let expected: Vec<u64> = (0..60).filter(|nth| nth % 3 == 0 || nth % 5 == 4).map(|nth| nth + 2).collect();
    assert_eq!(lines, expected, "in the input's order, each once");
    for (row, line) in rejected.iter().zip(expected) {
        assert_eq!(row[3], format!("Person {}", line - 2));
    }
    let rows = results(&harness, "results.csv");
    assert_eq!(rows.len(), 60);
    // The lists were correct when the program was killed.
    assert!(before.iter().all(|row| rejected.contains(row)) && ended.iter().all(|row| rows.contains(row)));
    assert!(rows.iter().map(|row| row[0].clone()).eq((2..62).map(|line| line.to_string())), "{rows:?}");
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *outcomes.entry(row[2].as_str()).or_default() += 1;
    }
    assert_eq!(outcomes, [("created", 32), ("rejected", 28)].into());
    // No temporary file is left.
    let parts = fs::read_dir(harness.path(".")).expect("the directory").flatten();
    assert!(!parts.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(".part")));
}

#[tokio::test]
async fn pending_rows_are_listed_and_resume_can_name_another_list() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(10, 3, 0).csv());
    harness.sync("in.csv --match email --mode create --max-calls 4 --results results.csv").run().await.exits(4);
    let outcomes = |rows: Vec<Vec<String>>| rows.into_iter().map(|row| row[2].clone()).collect::<Vec<_>>();
    assert_eq!(outcomes(results(&harness, "results.csv")), [["created"; 4].as_slice(), &["pending"; 6]].concat());
    let ran = harness.resume().with("--results other.csv --rejects late.csv").run().await.exits(0);
    assert_eq!(outcomes(results(&harness, "other.csv")), ["created"; 10]);
    assert_eq!(outcomes(results(&harness, "results.csv")).last().map(String::as_str), Some("pending"));
    // The journal did not keep the rows.
    assert!(ran.stderr.contains("warning: late.csv: not written: the run was started without --rejects"), "{ran:?}");
    assert!(!harness.path("late.csv").exists());
}

#[tokio::test]
async fn a_list_that_cannot_be_written_is_found_before_anything_is_sent() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    fs::create_dir(harness.path("folder")).expect("a directory");
    let check = async |options: &str, expected: &str| {
        let ran = harness.sync(&format!("in.csv --match email {options}")).run().await.exits(2);
        assert_eq!(ran.stderr_lines("error:"), [format!("error: {expected}")]);
        assert_eq!(harness.calls(), "none");
    };
    check("--rejects nowhere/bad.csv", "nowhere/bad.csv: expected a file to write, found a folder that is not there")
        .await;
    check("--rejects folder", "folder: expected a file to write, found a directory").await;
    check("--results /dev/null", "/dev/null: expected a file to write, found a device or a pipe").await;
    check("--rejects ./in.csv", "./in.csv: expected a separate file, found the input").await;
    check("--results journal.db", "journal.db: expected a separate file, found the journal").await;
    check(
        "--rejects list.csv --results folder/../list.csv",
        "folder/../list.csv: expected a separate file, found the one for rejected rows",
    )
    .await;
    assert_eq!(read(&harness, "in.csv"), "email\na@example.com\n");
    assert!(!harness.path("list.csv").exists() && !harness.path("list.csv.part").exists());
}

#[tokio::test]
async fn a_plan_writes_no_list() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n\"\"\n");
    harness.plan("in.csv --match email --rejects bad.csv --results results.csv").run().await.exits(3);
    assert!(!harness.path("bad.csv").exists() && !harness.path("results.csv").exists());
}

#[tokio::test]
async fn several_channels_write_one_list() {
    let harness = Harness::of(Config { rate: 0, tokens: vec!["one".into(), "two".into()], ..Config::default() }).await;
    harness.write(
        "contactsync.toml",
        "channel_column = \"office\"\nmatch = \"email\"\nrejects = \"bad.csv\"\nresults = \"results.csv\"\n\
         [channel.a]\ntoken_env = \"A\"\n[channel.b]\ntoken_env = \"B\"\n",
    );
    harness.write(
        "in.csv",
        "office,email\na,1@example.com\nb,2@example.com\nunknown,3@example.com\nb,\na,5@example.com\n",
    );
    harness.sync("in.csv").environment(&[("A", "one"), ("B", "two")]).run().await.exits(3);
    let rows = results(&harness, "results.csv");
    let short: Vec<String> = rows.iter().map(|row| format!("{} {} {}", row[0], row[2], row[6])).collect();
    assert_eq!(short, ["2 created a", "3 created b", "4 rejected ", "5 rejected b", "6 created a"]);
    let (header, rejected) = texts(&harness.path("bad.csv"));
    assert_eq!(header, ["_line", "_reason", "office", "email"]);
    assert_eq!(rejected.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["4", "5"]);
}
