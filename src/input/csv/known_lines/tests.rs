//! Files of which rows are skipped against the same files read as a whole.

use std::io::{self, Read, Write as _};
use std::sync::atomic::AtomicBool;

use encoding_rs::WINDOWS_1252;
use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::super::batches::InputPart;
use super::super::super::{Format, Notice, Row, Source, SourceError, SourceOptions};
use super::*;
use crate::core::record::{Cells, TotalRow};

/// Number of pairs of files. `CASES=20000 cargo test --release --lib known_lines` takes some minutes.
const CASES: u64 = 600;

const KEY: SnapshotKey = SnapshotKey::new([3; 16]);

/// How a file is written.
#[derive(Clone, Debug)]
struct Form {
    delimiter: char,
    end: &'static str,
    quotes: Quotes,
    mark: bool,
    charset: Text,
    packed: bool,
    header: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    Needed,
    Some,
    All,
    AllButNumbers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Utf8,
    Utf16,
    Windows1252,
}

/// A line of a file, or several.
#[derive(Clone, Debug)]
enum Piece {
    Cells(Vec<String>),
    Raw(&'static str),
}

/// A row as it was read: its line, its cells or why it is rejected, and how it looks like a total.
#[derive(Clone, Debug, PartialEq)]
struct ReadRow {
    line: u64,
    cells: Result<Cells, String>,
    total: Option<TotalRow>,
}

/// All that was read of a file.
#[derive(Debug, PartialEq)]
struct WholeFile {
    rows: Vec<ReadRow>,
    error: Option<String>,
    notices: Vec<Notice>,
}

/// Gives pieces of any size.
struct Pieces {
    bytes: io::Cursor<Vec<u8>>,
    rng: Rng,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.rng.usize(1..=buffer.len().min(200));
        self.bytes.read(&mut buffer[..count])
    }
}

fn any_form(rng: &mut Rng) -> Form {
    Form {
        delimiter: [',', ',', ';', '\t'][rng.usize(..4)],
        end: ["\n", "\n", "\r\n", "\r"][rng.usize(..4)],
        quotes: [Quotes::Needed, Quotes::Some, Quotes::All, Quotes::AllButNumbers][rng.usize(..4)],
        mark: rng.u8(..4) == 0,
        charset: [Text::Utf8, Text::Utf8, Text::Utf16, Text::Windows1252][rng.usize(..4)],
        packed: rng.u8(..5) == 0,
        header: rng.u8(..6) > 0,
    }
}

fn any_piece(rng: &mut Rng) -> Piece {
    const RAW: [&str; 9] = [
        "too,few",
        "goes on\",x",
        "a;b\"",
        "",
        "  ",
        ",,,",
        "email,phone,name,note",
        "Total,,,",
        "\u{feff}m@x.org,1,Bo,",
    ];
    if rng.u8(..14) == 0 {
        return Piece::Raw(RAW[rng.usize(..RAW.len())]);
    }
    let number = rng.usize(..1_000);
    let names = ["Ana", "Jos\u{e9}", "Jos\u{c3}\u{a9}", "", "Total", "M\u{fc}ller", "\u{17d}eljko"];
    let notes = ["", "", "x", "5\" tall", "said \"so\"", "a,b;c", "two\nlines", "12", "#N/A"];
    let long = "y".repeat(LONGEST + 1 - rng.usize(..3));
    Piece::Cells(vec![
        format!("p{number}@example.com"),
        match rng.u8(..12) {
            0 => "{\"home\":\"1\"}".into(),
            1 => String::new(),
            _ => format!("+5255{:08}", 10_000_000 + number),
        },
        names[rng.usize(..names.len())].into(),
        if rng.u8(..40) == 0 { long } else { notes[rng.usize(..notes.len())].into() },
    ])
}

fn edit(pieces: &mut Vec<Piece>, rng: &mut Rng) {
    for _ in 0..[0, 0, 1, 2, 6][rng.usize(..5)] {
        let at = rng.usize(..=pieces.len().saturating_sub(1));
        match rng.u8(..6) {
            0 | 1 => pieces.insert(at.min(pieces.len()), any_piece(rng)),
            2 if !pieces.is_empty() => drop(pieces.remove(at)),
            3 if !pieces.is_empty() => pieces[at] = any_piece(rng),
            4 if !pieces.is_empty() => pieces.insert(rng.usize(..=pieces.len()), pieces[at].clone()),
            5 if rng.u8(..3) == 0 => rng.shuffle(pieces),
            _ => {}
        }
    }
}

fn bytes_of(pieces: &[Piece], form: &Form, rng: &mut Rng) -> Vec<u8> {
    let header = Piece::Cells(["email", "phone", "name", "note"].map(str::to_owned).to_vec());
    let mut text = String::new();
    for piece in form.header.then_some(&header).into_iter().chain(pieces) {
        match piece {
            Piece::Raw(raw) => text.push_str(raw),
            Piece::Cells(cells) => {
                // How a row is quoted depends on its cells only, so that it is as it was the next time.
                let cell = |(at, cell): (usize, &String)| {
                    let quoted = format!("\"{}\"", cell.replace('"', "\"\""));
                    let is_number = cell.starts_with('+');
                    let is_quoted = match form.quotes {
                        Quotes::Needed => false,
                        Quotes::Some => (cell.len() + at).is_multiple_of(3),
                        Quotes::All => true,
                        Quotes::AllButNumbers => !is_number,
                    };
                    let is_needed = cell.contains([form.delimiter, '\n', '\r']) || cell.starts_with('"');
                    if is_quoted || is_needed { quoted } else { cell.clone() }
                };
                let cells: Vec<String> = cells.iter().enumerate().map(cell).collect();
                text.push_str(&cells.join(&form.delimiter.to_string()));
            }
        }
        text.push_str(form.end);
    }
    if rng.u8(..3) == 0 {
        text.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    let bytes = match form.charset {
        Text::Utf8 => [if form.mark { BOM } else { b"" }, text.as_bytes()].concat(),
        Text::Utf16 => std::iter::once('\u{feff}')
            .chain(text.chars())
            .flat_map(|letter| letter.encode_utf16(&mut [0; 2]).to_vec())
            .flat_map(u16::to_le_bytes)
            .collect(),
        Text::Windows1252 => WINDOWS_1252.encode(&text).0.into_owned(),
    };
    if !form.packed {
        return bytes;
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&bytes).unwrap();
    packed.finish().unwrap()
}

fn opened(bytes: &[u8], form: &Form, rng: &mut Rng) -> Result<Source, SourceError> {
    let pieces = Pieces { bytes: io::Cursor::new(bytes.to_vec()), rng: rng.fork() };
    let options = SourceOptions { no_header: !form.header, ..SourceOptions::from(Format::Csv) };
    let source = Source::from_reader("in.csv", Box::new(pieces), options)?;
    source.prepare_again();
    Ok(source)
}

fn read_row(row: Row) -> ReadRow {
    match row {
        Row::Record(record) => ReadRow { line: record.line, cells: Ok(record.cells), total: record.total },
        Row::Rejected(rejected) => {
            let cells = Err(format!("{:?} {}", rejected.column, rejected.reason));
            ReadRow { line: rejected.line, cells, total: None }
        }
    }
}

/// A file that was read with hashes: those of its rows, and the rows that have one.
type Hashed = (Vec<u128>, Vec<Option<Cells>>);

fn whole(source: Source) -> WholeFile {
    let (detected, mut rows, mut error) = (source.detected().clone(), Vec::new(), None);
    for row in source {
        match row {
            Ok(row) => rows.push(read_row(row)),
            Err(fault) => error = Some(fault.to_string()),
        }
    }
    WholeFile { rows, error, notices: detected.notices() }
}

fn recognised(mut source: Source, last: &Hashed, planted: bool) -> (WholeFile, Hashed, usize) {
    let matcher = Matcher::new([last.0.clone()]);
    let may_skip = AtomicBool::new(!matcher.is_empty());
    let recognition = Recognition { key: &KEY, matcher: &matcher, may_skip: &may_skip, skips_before_any: planted };
    let (mut rows, mut hashed, mut skipped) = (Vec::new(), Hashed::default(), 0);
    let ended = source.in_recognised_batches(
        &recognition,
        |part| part,
        |batch| {
            for part in batch {
                match part {
                    InputPart::Row { row, hash, remains: _ } => {
                        let row = read_row(row);
                        let is_hashed = row.total.is_none() && row.cells.is_ok();
                        let hash = hash.filter(|_| is_hashed);
                        hashed.0.push(hash.map_or(0, RowHash::number));
                        hashed.1.push(hash.and_then(|_| row.cells.clone().ok()));
                        rows.push(row);
                    }
                    InputPart::Skipped { places, first } => {
                        skipped += places.len();
                        assert_eq!(first.row, rows.len() as u64 + 1);
                        for (place, line) in places.zip(first.line..) {
                            let cells = last.1[place].clone().expect("it has a hash");
                            hashed.0.push(last.0[place]);
                            hashed.1.push(Some(cells.clone()));
                            rows.push(ReadRow { line, cells: Ok(cells), total: None });
                        }
                    }
                }
            }
            Ok::<(), SourceError>(())
        },
    );
    let error = ended.err().map(|error| error.to_string());
    let notices = source.detected().notices();
    (WholeFile { rows, error, notices }, hashed, skipped)
}

/// Reads versions of a file, and returns how many rows were skipped, and how many there were.
fn history(seed: u64, planted: bool) -> (usize, usize) {
    let mut rng = Rng::with_seed(seed);
    let mut form = any_form(&mut rng);
    let mut pieces: Vec<Piece> = (0..rng.usize(1..40)).map(|_| any_piece(&mut rng)).collect();
    let (mut last, mut skipped, mut all) = (Hashed::default(), 0, 0);
    for night in 0..4 {
        if night > 0 {
            edit(&mut pieces, &mut rng);
            if rng.u8(..8) == 0 {
                form = any_form(&mut rng);
            }
        }
        let bytes = bytes_of(&pieces, &form, &mut rng);
        let (Ok(one), Ok(other)) = (opened(&bytes, &form, &mut rng), opened(&bytes, &form, &mut rng)) else { continue };
        let expected = whole(one);
        let (found, hashed, count) = recognised(other, &last, planted);
        assert_eq!(found, expected, "seed {seed}, night {night}, {form:?}\n{pieces:?}");
        (last, skipped, all) = (hashed, skipped + count, all + found.rows.len());
    }
    (skipped, all)
}

#[test]
fn files_of_which_rows_are_skipped_are_read_as_if_none_were() {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let cases = number(option_env!("CASES")).unwrap_or(CASES);
    let (mut skipped, mut all) = (0, 0);
    for seed in 0..cases {
        let (more, rows) = history(seed, false);
        (skipped, all) = (skipped + more, all + rows);
    }
    // Many rows are skipped, or nothing was tested. Of the first file of each history none is.
    assert!(skipped * 6 > all, "{skipped} of {all}");
}

#[test]
fn a_row_that_is_skipped_whatever_follows_it_is_found() {
    let fails = |seed: &u64| std::panic::catch_unwind(|| history(*seed, true)).is_err();
    assert!((0..1_000).any(|seed| fails(&seed)));
}
