//! One file of each supported kind, and its contacts.

use contactsync::source::{Row, SourceOptions};
use contactsync::{Mapping, Mode, Source};

use crate::path;

/// The detected format of a file, and each row as its contact or the reason for its rejection.
fn read(file: &str, options: SourceOptions, phone: &str) -> Vec<String> {
    let source = match Source::open(&path(file), options) {
        Ok(source) => source,
        Err(error) => return vec![error.to_string().replace("fixtures/input/", "")],
    };
    let mapping = Mapping::new(source.header(), vec![phone.to_owned()], Mode::Upsert).unwrap();
    let detected = source.detected().clone();
    let rows: Vec<_> = source.map(|row| contact(row.unwrap(), &mapping)).collect();
    let notice = detected.summary().unwrap_or_default();
    [vec![detected.to_string(), notice], rows].concat()
}

fn contact(row: Row, mapping: &Mapping) -> String {
    let contact = match row {
        Row::Record(record) => mapping.contact(&record).map(|contact| (record.line, contact)),
        Row::Rejected(rejection) => Err(rejection),
    };
    match contact {
        Ok((line, contact)) => {
            let fields = contact.fields().iter().map(|field| format!("{}={}", field.name, field.value.text()));
            let id = contact.id().map(|id| format!("id={}", id.as_str()));
            let tags = contact.tags().iter().map(|tag| format!("#{tag}"));
            let parts: Vec<_> = id.into_iter().chain(fields).chain(tags).collect();
            format!("{line} {}", parts.join(" · ").replace('\n', "⏎").replace('\r', "␍"))
        }
        Err(rejection) => {
            format!("{} [{}] {}", rejection.line, rejection.column.unwrap_or_default(), rejection.reason)
        }
    }
}

// The same three contacts in every text file.
const JOSE: &str = "phone=+34600111222 · first_name=José · city=Málaga · notes=first line⏎second line";
const BEGONA: &str = "phone=+34600333444 · first_name=Begoña · city=Cádiz";
const INIGO: &str = "phone=+5215550001 · first_name=Íñigo · city=Ciudad de México, CDMX · notes=said \"hola\"";

fn check(file: &str, options: SourceOptions, phone: &str, expected: &[&str]) {
    assert_eq!(read(file, options, phone), expected, "{file}");
}

fn check_text(file: &str, detected: &str, notice: &str) {
    let jose = if file.contains("utf-16") || matches!(file, "mark.csv" | "sep-line.csv") {
        JOSE.replace('⏎', "␍⏎")
    } else if file == "returns.csv" {
        JOSE.replace('⏎', "␍")
    } else {
        JOSE.to_owned()
    };
    // A `sep=` line counts as a line.
    let first = if file == "sep-line.csv" { 3 } else { 2 };
    let rows = [format!("{first} {jose}"), format!("{} {BEGONA}", first + 2), format!("{} {INIGO}", first + 3)];
    let expected = [detected, notice].into_iter().chain(rows.iter().map(String::as_str)).collect::<Vec<_>>();
    check(file, SourceOptions::default(), "phone", &expected);
}

#[test]
fn text_in_every_encoding_and_with_every_delimiter() {
    check_text("commas.csv", "csv, UTF-8, columns separated by `,`", "");
    check_text("mark.csv", "csv, UTF-8, columns separated by `,`", "");
    check_text("returns.csv", "csv, UTF-8, columns separated by `,`", "");
    check_text("pipes.csv", "csv, UTF-8, columns separated by `|`", "columns separated by `|`");
    check_text("tabs.tsv", "tsv, UTF-8, columns separated by tabs", "columns separated by tabs");
    check_text(
        "utf-16le.csv",
        "tsv, UTF-16LE, columns separated by tabs",
        "read as UTF-16LE, columns separated by tabs",
    );
    check_text("utf-16be.csv", "csv, UTF-16BE, columns separated by `;`", "read as UTF-16BE, columns separated by `;`");
    check_text(
        "sep-line.csv",
        "csv, Windows-1252, columns separated by `;`",
        "read as Windows-1252, columns separated by `;`",
    );
    check(
        "excel-es.csv",
        SourceOptions::default(),
        "Teléfono",
        &[
            "csv, Windows-1252, columns separated by `;`",
            "read as Windows-1252, columns separated by `;`",
            "2 Teléfono=600 111 222 · Nombre=José · Apellidos=Núñez Peña · Correo=jose.nunez@example.es · Etiquetas=cliente; VIP",
            "3 Teléfono=+34 600 333 444 · Nombre=Begoña · Apellidos=García de la Ó · Correo=begona@example.es",
            "4 Teléfono=91 123 45 67 · Nombre=Íñigo · Apellidos=López · Etiquetas=proveedor, Málaga",
        ],
    );
}

#[test]
fn text_whose_encoding_is_hard_to_guess() {
    let rows = [
        "2 phone=+34600111222 · first_name=José · city=Málaga",
        "3 phone=+34600333444 · first_name=Begoña · city=Cádiz",
        "4 phone=+5215550001 · first_name=Íñigo · city=León",
    ];
    let check_notice = |file: &str, encoding: Option<&str>, detected: &str, notice: Option<&str>, rows: &[&str]| {
        let encoding = encoding.map(|name| name.parse().unwrap());
        let options = SourceOptions { encoding, ..SourceOptions::default() };
        let found = read(file, options.clone(), "phone");
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!((found[0], &found[2..]), (detected, rows), "{file}");
        let mut source = Source::open(&path(file), options).unwrap();
        assert!(source.by_ref().all(|row| row.is_ok()));
        let notices: Vec<String> = source.detected().notices().iter().map(ToString::to_string).collect();
        assert_eq!(notices, notice.into_iter().collect::<Vec<_>>(), "{file}");
    };
    let garbled = |file: &str| read(file, SourceOptions::default(), "phone").split_off(2);
    let doubt = |name: &str, lines: &str| {
        format!("{lines} wrong in the guessed encoding and right in {name} (the first is line 2)")
    };
    let western = "csv, Windows-1252, columns separated by `,`";
    for (file, name, lines) in [("macintosh.csv", "macintosh", "2 lines look"), ("dos.csv", "cp850", "3 lines look")] {
        let garbled = garbled(file);
        let garbled: Vec<&str> = garbled.iter().map(String::as_str).collect();
        check_notice(file, None, western, Some(&doubt(name, lines)), &garbled);
        check_notice(file, Some(name), &format!("csv, {name}, columns separated by `,`"), None, &rows);
    }
    let garbled = garbled("encoded-twice.csv");
    let garbled: Vec<&str> = garbled.iter().map(String::as_str).collect();
    let twice = "3 lines hold text that was encoded twice, such as `JosÃ©` for `José` (the first is line 2): export it \
                 again as UTF-8";
    check_notice("encoded-twice.csv", None, "csv, UTF-8, columns separated by `,`", Some(twice), &garbled);
}

#[test]
fn archives_of_one_file() {
    check(
        "padded.csv.gz",
        SourceOptions::default(),
        "phone",
        &[
            "csv in gzip, UTF-8, columns separated by `,`",
            "",
            "2 phone=+34600111222 · first_name=José · city=Málaga",
            "3 phone=+34600333444 · first_name=Begoña · city=Cádiz",
            "4 phone=+5215550001 · first_name=Íñigo · city=León",
        ],
    );
    check_text("packed.csv.gz", "csv in gzip, UTF-8, columns separated by `,`", "");
    check_text("packed.csv.zst", "csv in Zstandard, UTF-8, columns separated by `,`", "");
    let found = "csv in zip, `export/contacts.csv` in it, UTF-8, columns separated by `,`";
    check_text("packed.zip", found, "read from `export/contacts.csv` in it");
    let found = "csv in zip, `contacts.csv` in it, UTF-8, columns separated by `,`";
    check_text("stored.zip", found, "read from `contacts.csv` in it");
    let several = "several.zip: expected a zip archive that holds one file, found 2: `a.csv`, `b.csv`";
    check("several.zip", SourceOptions::default(), "phone", &[several]);
}

#[test]
fn text_with_common_mistakes() {
    check(
        "untidy.csv",
        SourceOptions::default(),
        "phone",
        &[
            "csv, UTF-8, columns separated by `,`",
            "columns 2 and 5 have no name and are ignored",
            "3 phone=+34600111222 · first_name=José",
            "6 phone=+34600333444 · first_name=Begoña",
            "7 phone=+34600555666 · first_name=Ana",
            "8 phone=+34600777888 · first_name=Eva",
        ],
    );
    check(
        "preamble.csv",
        SourceOptions { skip_lines: 2, ..SourceOptions::default() },
        "phone",
        &["csv, UTF-8, columns separated by `;`", "columns separated by `;`", "4 phone=+34600111222 · first_name=José"],
    );
    check(
        "headerless.csv",
        SourceOptions { no_header: true, ..SourceOptions::default() },
        "column 1",
        &[
            "csv, UTF-8, columns separated by `,`, no header",
            "",
            "1 column 1=+34600111222 · column 2=José",
            "2 column 1=+34600333444 · column 2=Begoña",
        ],
    );
}

#[test]
fn text_written_by_other_programs() {
    let check = |file: &str, options: SourceOptions, phone: &str, expected: &[&str]| {
        let read = read(file, options, phone);
        assert_eq!(read[2..], *expected, "{file}");
    };
    let plain = SourceOptions::default;
    check(
        "outlook-short.csv",
        plain(),
        "E-mail Address",
        &[
            "2 E-mail Address=jose@example.es · First Name=José · Last Name=Núñez · Mobile Phone=+34600111222",
            "3 E-mail Address=begona@example.es · First Name=Begoña · Last Name=García · Mobile Phone=+34600333444 · \
             Company=Invented SL · Notes=calls on Mondays",
            "4 E-mail Address=inigo@example.es · First Name=Íñigo · Last Name=López",
        ],
    );
    let jose = "2 phone=+34600111222 · name=José";
    let begona = "3 phone=+34600333444 · name=Begoña";
    check(
        "spaced-quotes.csv",
        plain(),
        "phone",
        &[&format!("{jose} · note=first, second"), &format!("{begona} · note=said \"hola\"")],
    );
    check("backslashes.csv", plain(), "phone", &[&format!("{jose} · note=said \"hola\", twice"), begona]);
    check("single-quotes.csv", plain(), "phone", &["2 phone=+34600111222 · name=O'Brien, José"]);
    check("lines-in-quotes.csv", plain(), "phone", &["2 phone=+34600111222 · name=Núñez, José", begona]);
    check("appended.csv", plain(), "phone", &[jose, &begona.replace("3 ", "4 ")]);
    let skipped = SourceOptions { skip_lines: 3, ..plain() };
    check(
        "titles.csv",
        skipped,
        "phone",
        &[
            &format!("{} · city=Málaga", jose.replacen("2 ", "5 ", 1)),
            &format!("{} · city=Cádiz", begona.replacen("3 ", "6 ", 1)),
        ],
    );
    assert_eq!(Source::open(&path("titles.csv"), plain()).unwrap().detected().likely_header(), Some(4));
    let unclosed = Source::open(&path("unclosed.csv"), plain()).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(
        unclosed.ends_with(
            "unclosed.csv:2: a quoted cell begins in the row on this line, and its closing quote is missing"
        )
    );
}

#[test]
fn json_in_every_layout() {
    let rows = |lines: [u64; 3]| {
        let [first, second, third] = lines;
        [format!("{first} {JOSE} · visits=3"), format!("{second} {BEGONA} · #lead · #vip"), format!("{third} {INIGO}")]
    };
    let check_objects = |file: &str, detected: &str, notice: &str, lines: [u64; 3]| {
        let rows = rows(lines);
        let expected: Vec<_> = [detected, notice].into_iter().chain(rows.iter().map(String::as_str)).collect();
        check(file, SourceOptions::default(), "phone", &expected);
    };
    check_objects("lines.jsonl", "jsonl, UTF-8", "", [1, 2, 3]);
    check_objects("packed.jsonl.gz", "jsonl in gzip, UTF-8", "", [1, 2, 3]);
    check_objects("array.json", "json, UTF-8", "", [2, 9, 18]);
    let (under, notice) = ("json, UTF-8, rows under `response.contacts`", "rows read from `response.contacts`");
    check_objects("under-a-key.json", under, notice, [6, 13, 22]);
    check_objects("pages.jsonl", "json, UTF-8, rows under `results`", "rows read from `results`", [1, 1, 2]);
    let several = "expected one array of objects, found several that may be the rows: `contacts`, `companies`";
    check("several-arrays.json", SourceOptions::default(), "phone", &[&format!("several-arrays.json:1: {several}")]);
    let jose = "id=cus_1 · phone=+34600111222 · city=Málaga · first_name=José · notes=first line⏎second line · #lead";
    check(
        "pages.json",
        SourceOptions::default(),
        "phone",
        &[
            "json, UTF-8, rows under `data`",
            "rows read from `data`",
            &format!("1 {jose}"),
            "1 id=cus_2 · phone=+34600333444 · city=Cádiz · first_name=Begoña · #lead",
            "2 id=cus_3 · phone=+5215550001 · city=Ciudad de México, CDMX · first_name=Íñigo · notes=said \"hola\" · #lead",
        ],
    );
    let answer = ["json, UTF-8, rows under `data`", "rows read from `data`", &format!("2 {jose}")];
    check("contact.json", SourceOptions::default(), "phone", &answer);
}

#[test]
fn spreadsheets() {
    let rows = [
        "4 phone=34600111222 · first_name=José · code=007 · birthday=1980-02-29 · seen_at=2024-02-29T14:30:00 · \
         opens=08:05:00 · vip=true · score=9.5 · total=19",
        "6 phone=5215550001 · first_name=Íñigo · vip=false · score=0.3 · total=0.6",
        "7 [total] expected a value, found the error #DIV/0!",
        "8 [total] expected the result of the formula, found none: open the file in a spreadsheet and save it",
    ];
    let aside = "column 10 has no name and is ignored";
    let check_sheet = |file: &str, detected: &str, notice: &str, rows: &[&str]| {
        let expected: Vec<_> = [detected, notice].into_iter().chain(rows.iter().copied()).collect();
        check(file, SourceOptions::default(), "phone", &expected);
    };
    let of_3 = format!("{aside}; read from sheet `Contacts`, one of 3");
    check_sheet("sheet.xlsx", "xlsx, sheet `Contacts` of 3", &of_3, &rows);
    let zipped = format!("read from `sheet.xlsx` in it; {of_3}");
    check_sheet("sheet.xlsx.zip", "xlsx in zip, `sheet.xlsx` in it, sheet `Contacts` of 3", &zipped, &rows);
    let of_2 = format!("{aside}; read from sheet `Contacts`, one of 2");
    check_sheet("sheet.ods", "ods, sheet `Contacts` of 2", &of_2, &rows[..3]);

    let sheet = |name: &str| SourceOptions { sheet: Some(name.to_owned()), ..SourceOptions::default() };
    let old = ["xlsx, sheet `Old` of 3", "read from sheet `Old`, one of 3", "2 phone=+1"];
    check("sheet.xlsx", sheet("Old"), "phone", &old);
    check("sheet.xlsx", sheet("2"), "phone", &old);
    check("sheet.xlsx", sheet("1"), "phone", &["sheet.xlsx: expected a sheet with a header, found an empty one"]);
    let none = "sheet.xlsx: expected a sheet called `Leads`, found `Cover`, `Old`, `Contacts`";
    check("sheet.xlsx", sheet("Leads"), "phone", &[none]);
    let skipped = SourceOptions { skip_lines: 3, no_header: true, ..SourceOptions::default() };
    let expected = read("sheet.ods", skipped, "column 1");
    assert_eq!(expected[0], "ods, sheet `Contacts` of 2, no header");
    assert!(expected[2].starts_with("4 column 1=34600111222 · column 2=José"), "{expected:?}");
}

#[test]
fn spreadsheets_are_read_as_displayed() {
    check(
        "shown.xlsx",
        SourceOptions::default(),
        "phone",
        &[
            "xlsx, sheet `Contacts` of 2",
            "read from sheet `Contacts`, one of 2, as `Instructions` holds instructions",
            "2 phone=+34600111222 · first_name=José · zip=02138 · birthday=1980-02-29 · seen_at=2024-02-29T14:30:00 · \
             guarded=007",
            "3 phone=+5215550001 · first_name=Íñigo · zip=12345 · guarded=+525550001",
        ],
    );
    check(
        "shown.ods",
        SourceOptions::default(),
        "phone",
        &[
            "ods, sheet `Contacts` of 1",
            "",
            "2 phone=+34600111222 · first_name=José · zip=02138 · birthday=1980-02-29 · seen_at=2024-02-29T14:30:00",
            "3 phone=+5215550001 · first_name=Íñigo · zip=12345",
        ],
    );
}

#[test]
fn an_input_without_rows_is_named() {
    let check_named = |file: &str, found: &str| {
        let expected = format!("{file}: expected CSV, JSON or a spreadsheet, found {found}");
        check(file, SourceOptions::default(), "phone", &[&expected]);
    };
    check_named("old.xls", "an Excel file of the old kind (.xls): open it in a spreadsheet and save it as .xlsx");
    check_named(
        "page.xls",
        "a table of a web page (HTML), which some programs call .xls: open it in a spreadsheet and save it as .xlsx",
    );
    check_named(
        "contacts.vcf",
        "contacts as vCard (.vcf): import them into an address book such as Google Contacts, and export them as CSV",
    );
}

#[test]
fn every_fixture_is_in_the_table() {
    let table = include_str!("fixtures.rs");
    let others = ["README.md", "contacts.csv", "contacts.jsonl"];
    for entry in std::fs::read_dir("fixtures/input").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let quoted = format!("\"{name}\"");
        assert!(table.contains(&quoted) || others.contains(&name.as_str()), "{name} is read by no test");
    }
}
