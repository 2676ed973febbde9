//! Properties of arbitrary bytes and arbitrary tables.

use std::fs;
use std::io::{self, Read};

use contactsync::contact::Cells;
use contactsync::source::{Charset, Delimiter, Notice, NoticeKind, Row, SourceError, SourceOptions};
use contactsync::{Format, Mapping, Mode, Source};
use proptest::prelude::*;

use crate::read;

// Bytes with the characters that matter to a CSV parser, more often than uniform randomness gives.
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
        "\u{1a}",
        "\\\"",
        ", \"",
        "'",
        "c1,c2\n",
        "1,2\n",
    ]);
    let pieces = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

// A line of spaces or delimiters; a lone `""` is not blank.
fn is_blank(row: &csv::ByteRecord) -> bool {
    row.iter().all(|cell| cell.trim_ascii().is_empty()) && (row.len() > 1 || !row[0].is_empty())
}

// Without any detection.
fn as_written() -> SourceOptions {
    let (delimiter, encoding) = (Some(Delimiter::COMMA), Some(Charset::UTF_8));
    SourceOptions { delimiter, encoding, ..Format::Csv.into() }
}

// The number of rows with a notice of this kind.
fn of(notices: &[Notice], kind: &NoticeKind) -> u64 {
    notices.iter().filter(|notice| notice.kind == *kind).map(|notice| notice.rows).sum()
}

/// Damage to a file between its export and its reading.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Quote(prop::sample::Index),
    Break(prop::sample::Index),
    Appended { mark: bool },
    Filled { bytes: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        any::<prop::sample::Index>().prop_map(Damage::Quote),
        any::<prop::sample::Index>().prop_map(Damage::Break),
        any::<bool>().prop_map(|mark| Damage::Appended { mark }),
        (1_usize..100).prop_map(|bytes| Damage::Filled { bytes }),
    ]
}

impl Damage {
    fn done_to(&self, header: &str, rows: &[String]) -> String {
        let mut text = [header, &rows.concat()].concat();
        match self {
            Self::Cut(at) => text.truncate(at.index(text.len() + 1)),
            Self::Quote(at) => text.insert(at.index(text.len() + 1), '"'),
            Self::Break(at) => text.insert(at.index(text.len() + 1), '\n'),
            Self::Appended { mark } => text = [&*text, if *mark { "\u{feff}" } else { "" }, &*text].concat(),
            Self::Filled { bytes } => text.push_str(&"\0".repeat(*bytes)),
        }
        text
    }
}

// The rows as the csv crate reads them.
fn reference(bytes: &[u8]) -> Vec<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(bytes);
    reader.byte_records().map(Result::unwrap).collect()
}

/// The number of cases of each property, from the variable `CASES`.
fn cases() -> u32 {
    std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_csv_row_is_read_once_with_the_cells_of_the_csv_crate(data in csv_bytes()) {
        let bytes = [b"c1,c2\n".as_slice(), &data].concat();
        let mut source = read(bytes.clone(), as_written()).unwrap();
        let mut rows = Vec::new();
        let error = loop {
            match source.next() {
                Some(Ok(row)) => rows.push(row),
                Some(Err(error)) => break Some(error.to_string()),
                None => break None,
            }
        };
        prop_assert!(source.next().is_none(), "nothing follows the end");
        let notices = source.detected().notices();
        let skipped = of(&notices, &NoticeKind::RepeatedHeader);
        // Rows are numbered consecutively, and their lines increase.
        let mut before = 1;
        for (at, row) in rows.iter().enumerate() {
            let (number, line) = match row {
                Row::Record(record) => (record.row, record.line),
                Row::Rejected(rejection) => (rejection.row, rejection.line),
            };
            prop_assert_eq!(number, at as u64 + 1);
            prop_assert!(line > before, "line {} after line {}", line, before);
            before = line;
        }
        // Only misplaced quotes and a second header end the reading.
        if let Some(error) = error {
            let is_unclosed = bytes.contains(&b'"') && error.ends_with("its closing quote is missing");
            prop_assert!(is_unclosed || error.contains("found a second header"), "{}", error);
            return Ok(());
        }
        // Differences from the csv crate: other dialects, and bytes after the end of the text.
        let text = String::from_utf8_lossy(&bytes);
        // A header with text after a quote is rejected as any other row is.
        let is_header_after_quote = text.split('"').skip(1).any(|part| {
            let part = part.trim_start().to_ascii_lowercase();
            part.starts_with("c1") || part.starts_with("c2")
        });
        let has_other_dialect = text.contains(" \"") || text.contains("\\\"") || of(&notices, &NoticeKind::QuotedLines) > 0;
        if has_other_dialect || is_header_after_quote || text.contains(['\0', '\u{1a}', '\u{feff}']) {
            return Ok(());
        }
        let is_header = |row: &csv::ByteRecord| {
            let cells: Vec<_> = row.iter().map(|cell| cell.trim_ascii().to_ascii_lowercase()).collect();
            cells.len() >= 2 && cells[0] == b"c1" && cells[1] == b"c2" && cells[2..].iter().all(Vec::is_empty)
        };
        let expected: Vec<_> = reference(&bytes).into_iter().skip(1).filter(|row| !is_blank(row)).collect();
        prop_assert_eq!(expected.len() as u64, rows.len() as u64 + skipped, "each record is a row or skipped");
        let expected: Vec<_> = expected.into_iter().filter(|row| !is_header(row)).collect();
        prop_assert_eq!(expected.len(), rows.len());
        for (row, expected) in rows.iter().zip(&expected) {
            match row {
                Row::Record(record) => {
                    let cells: Vec<&[u8]> = match &record.cells {
                        Cells::Texts(texts) => texts.iter().map(str::as_bytes).collect(),
                        Cells::Object(_) => vec![b"JSON"],
                    };
                    prop_assert_eq!(cells.len(), expected.len().min(2));
                    for (cell, written) in cells.iter().zip(expected) {
                        let is_guarded = written.trim_ascii().starts_with(b"'") || written.trim_ascii().starts_with(b"=");
                        let is_unguarded = is_guarded && written.windows(cell.len().max(1)).any(|part| part == *cell);
                        prop_assert!(*cell == written || is_unguarded, "{:?} for {:?}", cell, written);
                    }
                    prop_assert!(expected.iter().skip(2).all(<[u8]>::is_empty));
                }
                Row::Rejected(rejection) => {
                    let filled = expected.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
                    let sound = expected.len() >= 2
                        && filled <= 2
                        && expected.iter().all(|cell| std::str::from_utf8(cell).is_ok())
                        && !rejection.reason.contains("quote")
                        && !rejection.reason.contains("total");
                    prop_assert!(!sound, "{:?} for {:?}", rejection, expected);
                }
            }
        }
    }

    #[test]
    fn no_bytes_lose_or_move_a_row(data in csv_bytes(), size in 1_usize..100, no_header in any::<bool>()) {
        let options = SourceOptions { no_header, ..SourceOptions::default() };
        let lines = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64 + 1;
        let Ok(mut source) = Source::from_reader("in.csv", Box::new(Pieces { bytes: data, at: 0, size }), options) else {
            return Ok(());
        };
        let width = source.header().map(<[_]>::len);
        let (mut before, mut rows) = (0, 0);
        while let Some(Ok(row)) = source.next() {
            rows += 1;
            let (number, line) = match &row {
                Row::Record(record) => {
                    if let Cells::Texts(texts) = &record.cells {
                        prop_assert_eq!(Some(texts.len()), width);
                    }
                    (record.row, record.line)
                }
                Row::Rejected(rejection) => {
                    prop_assert!(!rejection.reason.is_empty());
                    if let Some(Cells::Texts(texts)) = source.remains() {
                        prop_assert_ne!(Some(texts.len()), width);
                    }
                    (rejection.row, rejection.line)
                }
            };
            prop_assert_eq!(number, rows);
            prop_assert!(line > before && line <= lines, "line {} of {} after {}", line, lines, before);
            before = line;
        }
        let skipped = of(&source.detected().notices(), &NoticeKind::RepeatedHeader);
        prop_assert!(rows + skipped <= lines);
    }

    #[test]
    fn one_damaged_byte_moves_no_cell_to_another_column(
        (width, rows) in (2_usize..6, 1_usize..12), quoting in 0_usize..5, crlf in any::<bool>(), damage in damage(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let line = |cells: Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| match quoting {
                0 => cell.clone(),
                1 | 4 => format!("\"{cell}\""),
                2 => format!("\"{}\"", cell.replace('!', "\\\"")),
                _ => format!("'{cell}'"),
            }).collect();
            cells.join(if quoting == 4 { ", " } else { "," }) + end
        };
        let header = line((0..width).map(|column| format!("name{column}")).collect());
        let body = |row: usize| line((0..width).map(|column| format!("<r{row}c{column}!>")).collect());
        let text = damage.done_to(&header, &(0..rows).map(body).collect::<Vec<_>>());
        let options = SourceOptions { delimiter: Some(Delimiter::COMMA), ..Format::Csv.into() };
        let Some(source) = read(text.clone().into_bytes(), options) else { return Ok(()) };
        let named = source.header().unwrap().iter().enumerate().all(|(at, name)| **name == *format!("name{at}"));
        for row in source.flatten() {
            let Row::Record(record) = row else { continue };
            let Cells::Texts(texts) = &record.cells else { panic!("JSON from CSV") };
            let mut of_row = None;
            for (column, cell) in texts.iter().enumerate() {
                for (at, _) in cell.match_indices("<r") {
                    let tag: Vec<&str> = cell[at + 2..].split(['c', '!', '>']).take(2).collect();
                    let [row, own] = tag[..] else { continue };
                    let (Ok(row), Ok(own)) = (row.parse::<usize>(), own.parse::<usize>()) else { continue };
                    prop_assert!(!named || own == column, "{:?}: {:?}", text, texts);
                    prop_assert_eq!(*of_row.get_or_insert(row), row, "{:?}: {:?}", text, texts);
                }
            }
        }
    }

    #[test]
    fn after_a_lost_quote_every_row_is_unchanged_or_rejected(
        cells in prop::collection::vec(prop::collection::vec(note(), 2), 4..12), all in any::<bool>(), crlf in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let phone = |row: usize| format!("+52155{row:08}");
        let written = |cell: &str| {
            if all || cell.contains(['"', ',', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
        };
        let table: Vec<Vec<String>> =
            cells.iter().enumerate().map(|(row, cells)| [vec![phone(row)], cells.clone()].concat()).collect();
        let (mut text, mut starts) = (format!("\"phone\",\"name\",\"note\"{end}"), Vec::new());
        for row in &table {
            starts.push(text.matches('\n').count() as u64 + 1);
            let cells: Vec<String> = row.iter().map(|cell| written(cell)).collect();
            text += &(cells.join(",") + end);
        }
        let quotes: Vec<usize> = text.match_indices('"').map(|(at, _)| at).collect();
        text.remove(quotes[at.index(quotes.len())]);
        let Some(source) = read(text.clone().into_bytes(), as_written()) else { return Ok(()) };
        // A refused input sends nothing.
        let Ok(rows) = source.collect::<Result<Vec<Row>, _>>() else { return Ok(()) };
        let (mut arrived, mut rejected) = (Vec::new(), Vec::new());
        for row in rows {
            match row {
                Row::Rejected(rejection) => rejected.push(rejection.line),
                Row::Record(record) => {
                    let Cells::Texts(texts) = &record.cells else { panic!("JSON from CSV") };
                    let texts: Vec<String> = texts.iter().map(str::to_owned).collect();
                    let found = table.iter().position(|row| *row == texts);
                    prop_assert!(found.is_some(), "{:?} from {:?}", texts, text);
                    prop_assert_eq!(Some(record.line), found.map(|at| starts[at]));
                    arrived.push(record.line);
                }
            }
        }
        // A missing row is part of a rejected one, which starts on the same line or before.
        for start in starts.iter().filter(|start| !arrived.contains(start)) {
            let before = arrived.iter().filter(|line| *line < start).max().copied().unwrap_or(1);
            prop_assert!(rejected.iter().any(|line| line > &before && line <= start), "line {} of {:?}", start, text);
        }
    }

    #[test]
    fn batches_hold_the_rows_that_are_read_one_by_one(
        data in csv_bytes(), times in 1_usize..120, no_header in any::<bool>(),
    ) {
        let bytes = [b"c1,c2\n".as_slice(), &data.repeat(times)].concat();
        let options = SourceOptions { no_header, ..as_written() };
        let mut source = read(bytes.clone(), options.clone()).unwrap();
        let (mut alone, mut error) = (Vec::new(), None);
        while let Some(row) = source.next() {
            let row = match row {
                Ok(row) => row,
                Err(unclosed) => {
                    error = Some(unclosed.to_string());
                    break;
                }
            };
            let remains = matches!(row, Row::Rejected(_)).then(|| source.remains()).flatten();
            alone.push((row, remains));
        }
        let mut together = Vec::new();
        let take = |batch: Vec<(Row, Option<Cells>)>| {
            together.extend(batch);
            Ok::<(), SourceError>(())
        };
        let ended = read(bytes, options).unwrap().in_batches(|row, remains| (row, remains), take);
        prop_assert_eq!(ended.err().map(|error| error.to_string()), error);
        prop_assert_eq!(together, alone);
    }

    #[test]
    fn a_row_has_the_line_on_which_it_starts(
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
        for row in source.flatten() {
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
            prop_assert!(source.flatten().count() <= lines);
        }
    }

    #[test]
    fn every_line_of_jsonl_that_is_not_blank_is_a_row(
        lines in prop::collection::vec(r#"[ \{\}\[\]",:0-9a\\]{0,12}|\{"a":[0-9.e]{1,22}\}|\{"a":1\}"#, 0..20),
    ) {
        let expected = lines.iter().filter(|line| !line.trim().is_empty()).count();
        // Without the last line break, an unfinished object means a truncated file.
        let rows = read([lines.join("\n"), "\n".to_owned()].concat().into_bytes(), Format::Jsonl).unwrap();
        prop_assert_eq!(rows.map(Result::unwrap).count(), expected);
    }

    #[test]
    fn no_bytes_make_the_layers_panic(
        file in 0..FILES.len(), at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..8),
        cut in any::<prop::sample::Index>(), cuts in any::<bool>(), size in 1_usize..5_000,
    ) {
        let mut input = fs::read(format!("fixtures/input/{}", FILES[file])).unwrap();
        let at = at.index(input.len());
        for (byte, new) in input[at..].iter_mut().zip(bytes) {
            *byte = new;
        }
        if cuts {
            input.truncate(cut.index(input.len()));
        }
        let source = Source::from_reader("in", Box::new(Pieces { bytes: input, at: 0, size }), None);
        // An error may occur in any layer, and is reported.
        for row in source.into_iter().flatten() {
            match row {
                Ok(Row::Record(_)) => {}
                Ok(Row::Rejected(rejection)) => prop_assert!(!rejection.reason.is_empty()),
                Err(error) => prop_assert!(error.to_string().starts_with("in:")),
            }
        }
    }

    #[test]
    fn a_table_is_read_back_as_it_was_written(
        (width, cells) in (2_usize..6).prop_flat_map(|width| (Just(width), prop::collection::vec(cell(), width..width * 8))),
        writing in writing(), size in 1_usize..100,
    ) {
        let rows: Vec<&[String]> = cells.chunks_exact(width).collect();
        let source = Source::from_reader("in", Box::new(Pieces { bytes: writing.bytes(&rows), at: 0, size }), writing.options());
        // Lines in a cell with as many cells as the rows may be rows swallowed by a lost quote.
        let is_like_a_row = |line: &str| line.matches(writing.delimiter).count() + 1 >= width;
        let may_be_refused = cells.iter().any(|cell| cell.split(['\n', '\r']).count() > 1 && cell.split(['\n', '\r']).any(is_like_a_row));
        let mut read: Vec<Vec<String>> = Vec::new();
        for row in source.unwrap() {
            match row {
                Ok(Row::Record(record)) => match record.cells {
                    Cells::Texts(texts) => read.push(texts.iter().map(str::to_owned).collect()),
                    Cells::Object(_) => panic!("JSON from CSV"),
                },
                Ok(Row::Rejected(_)) | Err(_) if may_be_refused => return Ok(()),
                Ok(Row::Rejected(rejection)) => panic!("{rejection:?}"),
                Err(error) => panic!("{error}"),
            }
        }
        let written: Vec<Vec<String>> =
            rows.iter().filter(|row| row.iter().any(|cell| !cell.trim_ascii().is_empty())).map(|row| {
                row.iter().map(|cell| unguarded(cell)).collect()
            }).collect();
        prop_assert_eq!(read, written);
    }
}

const FILES: [&str; 11] = [
    "sheet.xlsx",
    "sheet.ods",
    "sheet.xlsx.zip",
    "packed.zip",
    "stored.zip",
    "packed.csv.gz",
    "packed.csv.zst",
    "utf-16le.csv",
    "excel-es.csv",
    "array.json",
    "pages.json",
];

// A reader that returns a limited number of bytes at once.
pub struct Pieces {
    pub bytes: Vec<u8>,
    pub at: usize,
    pub size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let count = self.size.min(rest.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

// A cell without the escape that keeps a spreadsheet from evaluating it.
fn unguarded(cell: &str) -> String {
    let text = cell.trim();
    let formula = text.strip_prefix('\'').unwrap_or(text);
    let inside = formula.get(1..).unwrap_or_default().trim();
    let literal = formula.starts_with('=') && inside.len() > 1 && inside.starts_with('"') && inside.ends_with('"');
    if literal && inside.matches('"').count() == 2 {
        return inside.trim_matches('"').to_owned();
    }
    let is_number = formula.starts_with(|character: char| character.is_ascii_digit())
        && formula.chars().all(|character| character.is_ascii_digit() || " +-.,()/:".contains(character));
    let is_guard = text.starts_with('\'') && !formula.ends_with('\'') && (formula.starts_with('=') || is_number);
    if is_guard { formula.to_owned() } else { cell.to_owned() }
}

// The format of a table.
#[derive(Clone, Debug)]
struct Writing {
    delimiter: char,
    encoding: Encoding,
    end: &'static str,
    quotes: bool,
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Utf8,
    Utf8Marked,
    Utf16Le,
    Utf16Be,
    Latin1,
}

fn writing() -> impl Strategy<Value = Writing> {
    use Encoding::{Latin1, Utf8, Utf8Marked, Utf16Be, Utf16Le};
    (
        prop::sample::select(vec![',', ';', '\t', '|']),
        prop::sample::select(vec![Utf8, Utf8Marked, Utf16Le, Utf16Be, Latin1]),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        any::<bool>(),
    )
        .prop_map(|(delimiter, encoding, end, quotes)| Writing { delimiter, encoding, end, quotes })
}

// Typical texts in cells.
fn note() -> impl Strategy<Value = String> {
    let texts = [
        "Ana",
        "",
        "Lu is",
        "a, b",
        "say \"hi\"",
        "5\"",
        "\"quoted\"",
        "one\ntwo",
        "Calle 5, 3\nCol. Centro, 06000",
        "Puebla,PUE",
        "\"",
        "x\"y",
        "ends\n",
        "ends,",
        "a\n\nb, c",
        "he said, \"no\", twice",
        "\"\"",
        "O'Brien",
        "+52155",
        "12345678",
    ];
    prop::sample::select(texts.map(str::to_owned).to_vec())
}

// Letters of Latin-1, and characters that matter to a CSV reader.
fn cell() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        'a', 'Z', '7', ' ', '"', '\'', ',', ';', '|', '\t', '\n', '\r', '\u{e9}', '\u{f1}', '=',
    ]);
    prop::collection::vec(character, 0..8).prop_map(String::from_iter)
}

impl Writing {
    fn bytes(&self, rows: &[&[String]]) -> Vec<u8> {
        let columns: Vec<String> = (1..=rows[0].len()).map(|place| format!("c{place}")).collect();
        let mut text = String::new();
        for row in [columns.as_slice()].into_iter().chain(rows.iter().copied()) {
            let cells: Vec<_> = row.iter().map(|cell| self.cell(cell)).collect();
            text += &cells.join(&self.delimiter.to_string());
            text += self.end;
        }
        let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        match self.encoding {
            Encoding::Utf8 => text.into_bytes(),
            Encoding::Utf8Marked => format!("\u{feff}{text}").into_bytes(),
            Encoding::Utf16Le => [b"\xFF\xFE".to_vec(), wide(u16::to_le_bytes)].concat(),
            Encoding::Utf16Be => [b"\xFE\xFF".to_vec(), wide(u16::to_be_bytes)].concat(),
            Encoding::Latin1 => text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect(),
        }
    }

    fn cell(&self, cell: &str) -> String {
        let needs = |character: char| character == self.delimiter || matches!(character, '"' | '\n' | '\r');
        if self.quotes || cell.chars().any(needs) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    }

    // The delimiter and the encoding are given, because random cells defeat their detection.
    fn options(&self) -> SourceOptions {
        let delimiter = Delimiter::new(u8::try_from(self.delimiter).unwrap());
        let encoding = match self.encoding {
            Encoding::Latin1 => Some("latin1".parse().unwrap()),
            Encoding::Utf8 | Encoding::Utf8Marked | Encoding::Utf16Le | Encoding::Utf16Be => None,
        };
        SourceOptions { delimiter, encoding, ..Format::Csv.into() }
    }
}
