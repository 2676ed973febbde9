//! Reading whole inputs: detection, arbitrary bytes, errors.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for tests")]

mod books;
mod fixtures;
mod json;
mod pages;
mod properties;
mod refused;
mod spectrum;

use std::error::Error;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use contactsync::Mapping;
use contactsync::Mode;
use contactsync::source::{Row, SourceFault, SourceOptions};
use contactsync::{Format, Input, Source};

fn open(path: impl AsRef<Path>, format: Option<Format>) -> Result<Source, String> {
    Source::open(&Input::Path(path.as_ref().to_owned()), format).map_err(|error| error.to_string())
}

/// A file of `fixtures/input/`.
fn path(file: &str) -> Input {
    Input::Path(Path::new("fixtures/input").join(file))
}

fn read(bytes: Vec<u8>, options: impl Into<SourceOptions>) -> Option<Source> {
    Source::from_reader("in", Box::new(Cursor::new(bytes)), options).ok()
}

// Each row of a file as its contact's key and number of fields, or the reason for its rejection.
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
            "7 phone=+5215550007 2",
            "8 [] expected a JSON object, found a fault at byte 24: EOF while parsing a value",
        ]
    );
}

#[test]
fn an_input_that_cannot_be_opened_gives_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("empty.csv"), "").unwrap();
    fs::write(path("contacts.txt"), "a\n1\n").unwrap();
    fs::create_dir(path("folder.csv")).unwrap();
    let check = |name: &str, expected: &str| {
        let place = path(name).display().to_string();
        assert_eq!(open(path(name), None).unwrap_err(), format!("{place}: {expected}"));
    };
    check("none.csv", "no such file or directory");
    check("none", "no such file or directory");
    check("folder.csv", "expected a file, found a directory");
    check("empty.csv", "expected a header, found an empty file");
    assert_eq!(open(path("contacts.txt"), None).unwrap().count(), 1, "the name is no matter");
}

// A reader that returns one row and then fails.
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
    assert_eq!(error.to_string(), "in:3: failed to read the input");
    assert_eq!(error.source().unwrap().to_string(), "the disk is gone");
    assert!(matches!(error.fault(), SourceFault::Read { line: 3, .. }));
}

/// Opens a file of many rows, reads one, changes the file, and reads the rest.
fn disturbed(disturb: impl Fn(&Path)) -> (usize, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.csv");
    // Larger than the lookahead.
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
fn a_file_that_changes_while_it_is_read_is_refused() {
    let truncate = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1_000_000).unwrap();
    let append = |path: &Path| {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"one.more@example.com,").unwrap();
    };
    for failure in [disturbed(truncate).1, disturbed(append).1] {
        let failure = failure.expect("the change is detected");
        assert!(failure.ends_with("failed to read the input: it changed while it was being read"), "{failure}");
    }
    // A renamed replacement is another file: the opened one is read to its end.
    let replace = |path: &Path| {
        let other = path.with_extension("new");
        fs::write(&other, "email,name\n").unwrap();
        fs::rename(&other, path).unwrap();
    };
    assert_eq!(disturbed(replace), (100_000, None));
    assert_eq!(disturbed(|path| fs::remove_file(path).unwrap()), (100_000, None));
}
