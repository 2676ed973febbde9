//! Damaged and malicious spreadsheets: they give contacts or a one-line error, never a panic, in bounded time. The tests have their
//! own process because they count its panics.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for tests")]

use std::io::{Cursor, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, mpsc};
use std::time::Duration;
use std::{fs, panic, thread};

use contactsync::Source;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The files in an archive, by name.
type Parts = Vec<(String, Vec<u8>)>;

const BOOKS: [&str; 2] = ["fixtures/input/sheet.xlsx", "fixtures/input/sheet.ods"];

/// The longest that all inputs of a test may take. It only ends what hangs.
const TIMEOUT: Duration = Duration::from_mins(3);

fn parts(book: &str) -> Parts {
    let mut archive = ZipArchive::new(Cursor::new(fs::read(book).unwrap())).unwrap();
    (0..archive.len())
        .map(|at| {
            let mut file = archive.by_index(at).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn zipped(parts: &Parts) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in parts {
        archive.start_file(name.as_str(), stored).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The number of rows of an input, or the error.
fn outcome(bytes: &[u8]) -> Result<usize, String> {
    let source = Source::from_reader("in", Box::new(Cursor::new(bytes.to_vec())), None);
    let rows = source.and_then(|source| source.map(|row| row.map(drop)).collect::<Result<Vec<()>, _>>());
    rows.map(|rows| rows.len()).map_err(|error| error.to_string())
}

/// Runs the function on another thread with a timeout, and counts the panics that the library does not catch.
fn in_time(run: impl FnOnce() + Send + 'static) {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !contactsync::source::panic_is_caught() {
                PANICS.fetch_add(1, Ordering::Relaxed);
                before(info);
            }
        }));
    });
    let (done, waits) = mpsc::channel();
    let runs = thread::spawn(move || {
        run();
        done.send(()).unwrap();
    });
    let ended = waits.recv_timeout(TIMEOUT);
    assert!(!matches!(ended, Err(mpsc::RecvTimeoutError::Timeout)), "an input hangs");
    runs.join().expect("no check fails");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "a panic was not caught");
}

// An error is one line with what was expected; a table has no more rows than a sheet can have.
fn check_sound(bytes: &[u8], what: &str) {
    match outcome(bytes) {
        Ok(rows) => assert!(rows < 1_100_000, "{what}: {rows} rows"),
        Err(error) => {
            let is_clear = error.starts_with("in:") && error.contains("expected ") && !error.contains('\n');
            assert!(is_clear, "{what}: {error}");
        }
    }
}

/// Changes some bytes, truncates the file, or duplicates a piece.
fn damage(bytes: &mut Vec<u8>, chance: &mut fastrand::Rng) {
    const WORDS: [&[u8]; 12] =
        [b"<", b">", b"\"", b"/", b"&#x110000;", b"-1", b"99999999999999999999", b"1e308", b"\0", b"\xFF", b"</", b"="];
    for _ in 0..chance.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = chance.usize(..bytes.len());
        match chance.u8(..12) {
            0..=5 => bytes[at] = chance.u8(..),
            6..=8 => {
                let word = WORDS[chance.usize(..WORDS.len())];
                bytes.splice(at..(at + chance.usize(..=word.len())).min(bytes.len()), word.iter().copied());
            }
            9 => bytes.truncate(at),
            _ => {
                let end = (at + chance.usize(1..200)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = chance.usize(..bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
}

#[test]
fn a_damaged_archive_is_refused_or_read() {
    in_time(|| {
        for book in BOOKS {
            let whole = fs::read(book).unwrap();
            for seed in 0..1_500 {
                let mut bytes = whole.clone();
                damage(&mut bytes, &mut fastrand::Rng::with_seed(seed));
                check_sound(&bytes, &format!("{book}, seed {seed}"));
            }
        }
    });
}

#[test]
fn a_damaged_part_of_a_whole_archive_is_refused_or_read() {
    in_time(|| {
        for book in BOOKS {
            let whole = parts(book);
            for seed in 0..3_000 {
                let mut chance = fastrand::Rng::with_seed(seed);
                let mut parts = whole.clone();
                let at = chance.usize(..parts.len());
                damage(&mut parts[at].1, &mut chance);
                check_sound(&zipped(&parts), &format!("{book}, {}, seed {seed}", parts[at].0));
            }
        }
    });
}

/// A workbook in which one text of one part is replaced.
fn altered(book: &str, part: &str, from: &str, to: &str) -> Vec<u8> {
    let mut parts = parts(book);
    let (_, bytes) = parts.iter_mut().find(|(name, _)| name == part).expect(part);
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "{part} has no {from}");
    *bytes = text.replacen(from, to, 1).into_bytes();
    zipped(&parts)
}

/// Checks that each change gives the expected error, or, where that is empty, that the workbook is read.
fn check_altered(book: &str, part: &str, cases: &'static [(&str, &str, &str)]) {
    let (book, part) = (book.to_owned(), part.to_owned());
    in_time(move || {
        for (from, to, expected) in cases {
            let bytes = altered(&book, &part, from, to);
            check_sound(&bytes, to);
            match outcome(&bytes) {
                Ok(rows) => assert!(expected.is_empty() && rows > 0, "{from} -> {to}: {rows} rows"),
                Err(error) => assert!(!expected.is_empty() && error.contains(expected), "{from} -> {to}: {error:?}"),
            }
        }
    });
}

#[test]
fn cells_outside_the_sheet_are_refused() {
    const DAMAGED: &str = "expected a spreadsheet, found a damaged or a rare one: open it, and save it again";
    check_altered(
        "fixtures/input/sheet.xlsx",
        "xl/worksheets/sheet3.xml",
        &[
            (r#"r="A4""#, r#"r="XFE4""#, DAMAGED),
            (r#"r="A4""#, r#"r="A1048577""#, DAMAGED),
            (r#"r="A4""#, r#"r="ZZZZZZZZZZZZ4""#, DAMAGED),
            (r#"r="A4""#, r#"r="A4294967300""#, DAMAGED),
            (r#"r="A4""#, r#"r="A-4""#, DAMAGED),
            (r#"r="A4""#, r#"r="A0""#, DAMAGED),
            (r#"r="A4""#, r#"r="""#, DAMAGED),
            (r#"row r="4""#, r#"row r="99999999999999""#, DAMAGED),
            (r#"row r="4""#, r#"row r="-1""#, DAMAGED),
            // A header may reach the last column, and rows the last row.
            (r#"r="I3""#, r#"r="XFD3""#, ""),
            (r#"ref="A3:J12""#, r#"ref="A1:XFD1048576""#, ""),
            (r#"<row r="11"><c r="B11""#, r#"<row r="1048576"><c r="B1048576""#, ""),
            ("</sheetData>", "", DAMAGED),
            ("</worksheet>", "", DAMAGED),
        ],
    );
}

#[test]
fn a_shared_string_table_with_a_wrong_count_is_refused() {
    in_time(|| {
        let mut parts = parts(BOOKS[0]);
        let table = r#"<sst xmlns="x" count="1" uniqueCount="1"><si><t>phone</t></si></sst>"#;
        for count in ["18446744073709551615", "1000000000000000", "4000000000"] {
            let table = table.replace(r#"uniqueCount="1""#, &format!(r#"uniqueCount="{count}""#));
            parts.retain(|(name, _)| name != "xl/sharedStrings.xml");
            parts.push(("xl/sharedStrings.xml".to_owned(), table.into_bytes()));
            let error = outcome(&zipped(&parts)).unwrap_err();
            assert!(error.contains("found a damaged or a rare one"), "{count}: {error}");
        }
    });
}

#[test]
fn endless_repeats_are_refused() {
    const DAMAGED: &str = "expected a spreadsheet, found a damaged or a rare one: open it, and save it again";
    const LARGE: &str = "expected a spreadsheet of at most 10000000 cells and 512 MiB unpacked, found a larger one";
    check_altered(
        "fixtures/input/sheet.ods",
        "content.xml",
        &[
            ("<table:table-cell ", r#"<table:table-cell table:number-columns-repeated="4294967295" "#, DAMAGED),
            (
                "<table:table-cell ",
                r#"<table:table-cell table:number-columns-repeated="18446744073709551616" "#,
                DAMAGED,
            ),
            ("<table:table-cell ", r#"<table:table-cell table:number-columns-repeated="-1" "#, DAMAGED),
            ("<table:table-cell ", r#"<table:table-cell table:number-columns-repeated="0" "#, DAMAGED),
            (r#"repeated="2""#, r#"repeated="18446744073709551615""#, DAMAGED),
            (r#"repeated="1048568""#, r#"repeated="18446744073709551615""#, ""),
            (r#"repeated="1024""#, r#"repeated="18446744073709551615""#, ""),
            ("<text:p>007", r#"<text:p><text:s text:c="2147483647"/>007"#, LARGE),
            ("<text:p>007", r#"<text:p><text:s text:c="-1"/>007"#, DAMAGED),
            ("<text:p>007", "<office:annotation>", DAMAGED),
            ("</table:table>", "", DAMAGED),
            ("</office:spreadsheet>", "", DAMAGED),
        ],
    );
}

/// However a workbook refers to its sheets, the sheet that is read was checked: an invalid cell reference in it is found.
#[test]
fn every_part_that_is_read_is_checked_first() {
    const RELATIONSHIPS: &str = "xl/_rels/workbook.xml.rels";
    const TYPE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet";
    in_time(|| {
        let replaced = |parts: &Parts, part: &str, from: &str, to: &str| -> Parts {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let change = |bytes: &[u8]| text(bytes).replace(from, to).into_bytes();
            let parts = parts.iter();
            parts
                .map(|(name, bytes)| (name.clone(), if name == part { change(bytes) } else { bytes.clone() }))
                .collect()
        };
        let sound = parts(BOOKS[0]);
        let broken = |parts: &Parts| replaced(parts, "xl/worksheets/sheet3.xml", r#"r="A4""#, r#"r="XFE4""#);
        let check = |what: &str, parts: &Parts, is_read: bool| {
            let found = outcome(&zipped(parts));
            assert_eq!(found.is_ok(), is_read, "{what}: {found:?}");
        };
        // By the last word of the relationship type.
        for to in ["worksheet", "a/worksheet"] {
            let short = replaced(&sound, RELATIONSHIPS, TYPE, to);
            check(to, &short, true);
            check(to, &broken(&short), false);
        }
        // The strings and the styles are not sheets.
        for other in ["/xl/styles.xml", "styles.xml"] {
            let twice = replaced(&sound, RELATIONSHIPS, "/xl/worksheets/sheet1.xml", other);
            check(other, &twice, false);
        }
        // A workbook beside the usual one.
        let moved = replaced(&sound, "_rels/.rels", r#"Target="xl/"#, r#"Target="/xl/"#);
        check("/xl", &moved, true);
        check("/xl", &broken(&moved), false);
        let mut parallel = replaced(&sound, "_rels/.rels", r#"Target="xl/"#, r#"Target="//xl/"#);
        let others = broken(&sound).into_iter().filter(|(name, _)| name.starts_with("xl/"));
        parallel.extend(others.map(|(name, bytes)| (format!("/{name}"), bytes)));
        check("//xl", &parallel, false);
    });
}
