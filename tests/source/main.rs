//! Reading whole inputs: what opens, what every byte leads to, and how much memory it takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for tests")]

use std::error::Error;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use contactsync::Mapping;
use contactsync::{Cells, Mode};
use contactsync::{Format, Input, Row, Source, SourceFault};
use proptest::prelude::*;

fn open(path: impl AsRef<Path>, format: Option<Format>) -> Result<Source, String> {
    Source::open(&Input::Path(path.as_ref().to_owned()), format).map_err(|error| error.to_string())
}

fn read(bytes: Vec<u8>, format: Format) -> Option<Source> {
    Source::from_reader("in", Box::new(Cursor::new(bytes)), format).ok()
}

// Each row of a file as its contact's key and number of fields, or as why it was set aside.
fn outcomes(path: &str) -> Vec<String> {
    let source = open(path, None).unwrap();
    let mapping = Mapping::new(source.header(), vec!["phone".to_owned()], Mode::Upsert).unwrap();
    let outcome = |row: Row| match row {
        Row::Record(record) => {
            let line = record.line;
            match mapping.contact(&record) {
                Ok(contact) => format!("{line} {} {}", contact.key(), contact.fields().len()),
                Err(rejection) => format!("{line} [{}] {}", rejection.column.unwrap_or_default(), rejection.reason),
            }
        }
        Row::Rejected(rejection) => {
            format!("{} [{}] {}", rejection.line, rejection.column.unwrap_or_default(), rejection.reason)
        }
    };
    source.map(|row| outcome(row.unwrap())).collect()
}

#[test]
fn a_csv_file_becomes_contacts() {
    assert_eq!(
        outcomes("fixtures/input/contacts.csv"),
        [
            "2 phone=+5215550001 4",
            "4 phone=+5215550002 3",
            "5 contact_id=cus_19 2",
            "6 [phone] expected a value (match field), found none",
            "7 [] expected 8 cells, found 2",
            "8 phone=+5215550006 3",
        ]
    );
}

#[test]
fn a_jsonl_file_becomes_contacts() {
    assert_eq!(
        outcomes("fixtures/input/contacts.jsonl"),
        [
            "1 phone=+5215550001 4",
            "3 contact_id=cus_19 1",
            "4 phone=+5215550003 2",
            "5 [address] expected text, a number or a boolean, found an object",
            "6 [phone] expected the key once in an object, found it twice",
            "7 [] expected a number of at most 17 digits, found 21 digits at byte 42: write it as text",
            "8 [] expected a JSON object, found a fault at byte 24: EOF while parsing a value",
        ]
    );
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty.csv"), "").unwrap();
    fs::write(path("contacts.txt"), "a\n1\n").unwrap();
    fs::create_dir(path("folder.csv")).unwrap();
    let check = |name: &str, expected: &str| {
        let place = path(name).display().to_string();
        assert_eq!(open(path(name), None).unwrap_err(), format!("{place}: {expected}"));
    };
    check("none.csv", "expected a file, found none of that name");
    check("none", "expected a file, found none of that name");
    check("folder.csv", "expected a file, found a directory");
    check("empty.csv", "expected a header, found an empty file");
    check(
        "contacts.txt",
        "expected a name that ends in .csv, .jsonl or .ndjson, found another: say it with --format csv or --format jsonl",
    );
    assert_eq!(open(path("contacts.txt"), Some(Format::Csv)).unwrap().count(), 1);
    let stdin = Source::open(&Input::from(Path::new("-").to_owned()), None).unwrap_err();
    assert_eq!(stdin.to_string(), "standard input: expected --format csv or --format jsonl, found neither");
}

// Gives one row, then fails.
struct Torn(&'static [u8]);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::Error::other("the disk is gone")) } else { self.0.read(buffer) }
    }
}

#[test]
fn a_reader_that_fails_ends_the_rows_with_its_cause() {
    for (text, format) in [("a\n1\n2\n", Format::Csv), ("{}\n{}\n{}\n", Format::Jsonl)] {
        let mut source = Source::from_reader("in", Box::new(Torn(text.as_bytes())), format).unwrap();
        let rows: Vec<_> = source.by_ref().take_while(Result::is_ok).collect();
        assert!(rows.len() >= 2, "{format}: {rows:?}");
        assert!(source.next().is_none(), "{format}: nothing follows a failure");
    }
    let mut source = Source::from_reader("in", Box::new(Torn(b"a\n1\n2")), Format::Csv).unwrap();
    assert!(source.next().unwrap().is_ok());
    let error = source.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "in:3: expected more of the input, could not read it");
    assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
    assert!(matches!(error.fault(), SourceFault::Read { line: 3, .. }));
}

// What a CSV parser trips over, more often than chance would make it.
fn csv_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a",
        "b,",
        ",",
        "\"",
        "\"\"",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\u{e9}",
        "\u{feff}",
        ",\"x\ny\",",
        "\0",
    ]);
    let pieces = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

// The rows as the csv crate itself reads them.
fn reference(bytes: &[u8]) -> Vec<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    reader.byte_records().map(Result::unwrap).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_csv_row_comes_once_with_the_cells_that_the_csv_crate_reads(data in csv_bytes()) {
        let bytes = [b"c1,c2\n".as_slice(), &data].concat();
        let expected: Vec<_> = reference(&bytes)
            .into_iter()
            .skip(1)
            .filter(|row| row.len() != 1 || row[0].is_empty() || !row[0].trim_ascii().is_empty())
            .collect();
        let rows: Vec<_> = read(bytes, Format::Csv).unwrap().map(Result::unwrap).collect();
        // An unclosed quote makes one row of blanks too, which the csv crate cannot tell from a blank line.
        let unclosed = rows.last().is_some_and(|row| matches!(row, Row::Rejected(r) if r.reason.contains("quote")));
        let compared = if unclosed { rows.len() - 1 } else { rows.len() };
        prop_assert!(expected.len() == rows.len() || (unclosed && expected.len() == compared));
        let mut before = 1;
        for (at, (row, expected)) in rows.iter().zip(&expected).take(compared).enumerate() {
            let (number, line) = match row {
                Row::Record(record) => {
                    let cells: Vec<&[u8]> = match &record.cells {
                        Cells::Texts(texts) => texts.iter().map(str::as_bytes).collect(),
                        Cells::Object(_) => vec![b"JSON"],
                    };
                    prop_assert_eq!(cells, expected.iter().collect::<Vec<_>>());
                    (record.row, record.line)
                }
                Row::Rejected(rejection) => {
                    let sound = expected.len() == 2 && expected.iter().all(|cell| std::str::from_utf8(cell).is_ok());
                    prop_assert!(!sound, "{:?} for {:?}", rejection, expected);
                    (rejection.row, rejection.line)
                }
            };
            prop_assert_eq!(number, at as u64 + 1);
            prop_assert!(line > before, "line {} after line {}", line, before);
            before = line;
        }
    }

    #[test]
    fn a_row_stands_on_the_line_that_counting_gives(
        rows in prop::collection::vec((0_usize..3, 0_usize..3), 0..20), crlf in any::<bool>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let (mut text, mut line, mut expected) = (format!("a,b{end}"), 2, Vec::new());
        for (blank, inside) in rows {
            text += &end.repeat(blank);
            text += &["1,\"x", &end.repeat(inside), "\"", end].concat();
            expected.push(line + blank as u64);
            line += (blank + inside + 1) as u64;
        }
        let lines: Vec<u64> = read(text.into_bytes(), Format::Csv).unwrap().map(|row| match row.unwrap() {
            Row::Record(record) => record.line,
            Row::Rejected(rejection) => panic!("{rejection:?}"),
        }).collect();
        prop_assert_eq!(lines, expected);
    }

    #[test]
    fn no_bytes_make_a_mapping_panic(bytes in csv_bytes(), json in any::<bool>(), mode in 0_usize..3) {
        let format = if json { Format::Jsonl } else { Format::Csv };
        let mode = [Mode::Upsert, Mode::Create, Mode::Update][mode];
        let Some(source) = read(bytes, format) else { return Ok(()) };
        let Ok(mapping) = Mapping::new(source.header(), Vec::new(), mode) else { return Ok(()) };
        for row in source.map(Result::unwrap) {
            let Row::Record(record) = row else { continue };
            let (row, line) = (record.row, record.line);
            match mapping.contact(&record) {
                Ok(contact) => prop_assert!(contact.id().is_some() || !contact.fields().is_empty()),
                Err(rejection) => prop_assert_eq!((rejection.row, rejection.line), (row, line)),
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in csv_bytes(), json in any::<bool>()) {
        let format = if json { Format::Jsonl } else { Format::Csv };
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        if let Some(source) = read(bytes, format) {
            prop_assert!(source.map(Result::unwrap).count() <= lines);
        }
    }

    #[test]
    fn every_line_of_jsonl_that_is_not_blank_is_one_row(
        lines in prop::collection::vec(r#"[ \{\}\[\]",:0-9a\\]{0,12}|\{"a":[0-9.e]{1,22}\}|\{"a":1\}"#, 0..20),
    ) {
        let expected = lines.iter().filter(|line| !line.trim().is_empty()).count();
        let rows = read(lines.join("\n").into_bytes(), Format::Jsonl).unwrap();
        prop_assert_eq!(rows.map(Result::unwrap).count(), expected);
    }
}

/// Opens a file of many rows, reads one, lets somebody do something to the file, and reads the rest.
fn disturbed(disturb: impl Fn(&Path)) -> (usize, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    // Larger than what is read ahead.
    let rows = "ann@example.com,Ann\n".repeat(100_000);
    fs::write(&path, format!("email,name\n{rows}")).unwrap();
    let mut source = Source::open(&Input::Path(path.clone()), None).unwrap();
    source.next().unwrap().unwrap();
    disturb(&path);
    let (mut count, mut failure) = (1, None);
    for row in source {
        match row {
            Ok(_) => count += 1,
            Err(error) => failure = Some(format!("{error}: {}", error.source().unwrap())),
        }
    }
    (count, failure)
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_taken_for_whole() {
    let truncate = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_000_000).unwrap();
    let append = |path: &Path| {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"one.more@example.com,").unwrap();
    };
    for failure in [disturbed(truncate).1, disturbed(append).1] {
        let failure = failure.expect("it is noticed");
        assert!(
            failure.ends_with("expected more of the input, could not read it: it was changed while it was read"),
            "{failure}"
        );
    }
    // What takes its place is another file: the one that was opened is read to its end.
    let replace = |path: &Path| {
        let other = path.with_extension("new");
        fs::write(&other, "email,name\n").unwrap();
        fs::rename(&other, path).unwrap();
    };
    assert_eq!(disturbed(replace), (100_000, None));
    assert_eq!(disturbed(|path| fs::remove_file(path).unwrap()), (100_000, None));
}
