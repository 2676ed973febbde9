//! Small inputs that expand to more than a machine's memory. Each is refused, or its long row is rejected, and reading takes little
//! memory. The test has its own process because only the peak of a process can be measured.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which the lint does not know for tests")]

use std::fs;
use std::io::{self, Cursor, Read};

use contactsync::Source;
use contactsync::source::Row;
use flate2::Compression;
use flate2::read::GzEncoder;
use support::process::peak_kib;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const MIB: usize = 1024 * 1024;

/// Reads an input to its end. Returns the number of contacts, and the rejections and errors.
fn read(input: impl Read + Send + 'static) -> (usize, Vec<String>) {
    let (mut contacts, mut messages) = (0, Vec::new());
    match Source::from_reader("in", Box::new(input), None) {
        Err(error) => messages.push(error.to_string()),
        Ok(source) => {
            for row in source {
                match row {
                    Ok(Row::Record(_)) => contacts += 1,
                    Ok(Row::Rejected(rejection)) => messages.push(format!("{}: {}", rejection.line, rejection.reason)),
                    Err(error) => messages.push(error.to_string()),
                }
            }
        }
    }
    (contacts, messages)
}

/// Checks the number of contacts and the only message, and that reading takes little memory.
#[track_caller]
fn check(what: &str, input: impl Read + Send + 'static, contacts: usize, message: &str) {
    assert_eq!(read(input), (contacts, vec![message.to_owned()]), "{what}");
    let peak = peak_kib("self").unwrap() / 1024;
    assert!(peak < 150, "{what}: {peak} MiB");
}

/// A text that repeats one byte between its beginning and its end.
fn long(before: &str, byte: u8, count: usize, after: &'static str) -> impl Read + Send + 'static {
    let before = Cursor::new(before.to_owned().into_bytes());
    before.chain(io::repeat(byte).take(count as u64)).chain(after.as_bytes())
}

fn gzipped(text: impl Read + Send + 'static) -> impl Read + Send + 'static {
    GzEncoder::new(text, Compression::fast())
}

#[test]
fn an_input_that_expands_to_gigabytes_is_refused_in_little_memory() {
    const FIRST_TOO_LONG: &str = "1: expected a row of at most 16 MiB, found a longer one";
    const SECOND_TOO_LONG: &str = "2: expected a row of at most 16 MiB, found a longer one";
    check("NUL bytes", gzipped(long("", 0, 20 * MIB, "")), 0, "in: expected a header, found an empty file");
    let endless_header = "in:1: the header does not end: is a closing quote missing?";
    check("a header", gzipped(long("a,", b'x', 20 * MIB, "")), 0, endless_header);
    check("a cell", gzipped(long("a,b\n1,", b'x', 20 * MIB, "\n2,3\n")), 1, SECOND_TOO_LONG);
    let unclosed = "in:2: a quoted cell begins in the row on this line, and its closing quote is missing";
    check("a quoted cell", gzipped(long("a,b\n1,\"", b'\n', 20 * MIB, "\"\n2,3\n")), 0, unclosed);
    check("cells", gzipped(long("a,b\n", b',', 20 * MIB, "x\n2,3\n")), 1, SECOND_TOO_LONG);
    let line = long("{\"a\":\"", b'x', 20 * MIB, "\"}\n{\"a\":1}\n");
    check("a line of JSONL", gzipped(line), 1, FIRST_TOO_LONG);
    check("a JSON string", gzipped(long("[{\"a\":\"", b'x', 20 * MIB, "\"},{\"a\":1}]")), 1, FIRST_TOO_LONG);
    // The byte is where the file ends: 9 bytes, then 20 MiB, counted from 1.
    let unfinished = "in:1: expected the end of what was begun at byte 20971530, found the end of the file";
    check("brackets", gzipped(long("[{\"a\":1},", b'[', 20 * MIB, "")), 1, unfinished);
    check("a key", gzipped(long("{\"", b'x', 20 * MIB, "\":1,\"data\":[]}")), 0, FIRST_TOO_LONG);
    let zst = zstd::stream::read::Encoder::new(long("a,b\n1,", b'x', 20 * MIB, "\n2,3\n"), 1).unwrap();
    check("a cell in Zstandard", zst, 1, SECOND_TOO_LONG);
    sheets();
}

/// A spreadsheet of the fixtures in which one part is replaced.
fn book(file: &str, name: &str, mut part: impl Read) -> Cursor<Vec<u8>> {
    let mut whole = ZipArchive::new(Cursor::new(fs::read(file).unwrap())).unwrap();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..whole.len() {
        let entry = whole.by_index_raw(at).unwrap();
        if name != entry.name().unwrap() {
            archive.raw_copy_file(entry).unwrap();
        }
    }
    let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file(name, packed).unwrap();
    io::copy(&mut part, &mut archive).unwrap();
    Cursor::new(archive.finish().unwrap().into_inner())
}

/// A part that repeats one piece between its beginning and its end.
fn repeated(before: &str, piece: &str, count: usize, after: &'static str) -> impl Read + use<> {
    let middle = Pieces { piece: piece.as_bytes().to_vec(), at: 0, left: count * piece.len() };
    Cursor::new(before.as_bytes().to_vec()).chain(middle).chain(after.as_bytes())
}

struct Pieces {
    piece: Vec<u8>,
    at: usize,
    left: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.piece[self.at..];
        let count = rest.len().min(buffer.len()).min(self.left);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.piece.len();
        self.left -= count;
        Ok(count)
    }
}

fn sheets() {
    const LARGE: &str = "in: expected a spreadsheet of at most 10000000 cells and 512 MiB unpacked, found a larger one: save it as .csv";
    const XLSX: &str = "fixtures/input/sheet.xlsx";
    const ODS: &str = "fixtures/input/sheet.ods";
    const SHEET: &str = "xl/worksheets/sheet3.xml";
    const TEXTS: &str = "xl/sharedStrings.xml";
    let spaces = " ".repeat(8 * MIB);

    let part = repeated("<worksheet><sheetData>", &format!("<!--{spaces}-->"), 70, "</sheetData></worksheet>");
    check("a sheet of comments", book(XLSX, SHEET, part), 0, LARGE);
    let part = repeated("<sst><si><t>", "x", 20 * MIB, "</t></si></sst>");
    check("a text", book(XLSX, TEXTS, part), 0, LARGE);
    let part = repeated("<sst>", "<si/>", 10_000_001, "</sst>");
    check("texts", book(XLSX, TEXTS, part), 0, LARGE);
    let number_format =
        format!("<numFmts><numFmt numFmtId=\"200\" formatCode=\"{}\"/></numFmts><cellXfs>", "0".repeat(MIB));
    let part =
        repeated(&format!("<styleSheet>{number_format}"), "<xf numFmtId=\"200\"/>", 100_000, "</cellXfs></styleSheet>");
    check("styles", book(XLSX, "xl/styles.xml", part), 0, LARGE);
    let row = "<row><c t=\"inlineStr\"><is><t>1</t></is></c></row>";
    let header = (0..16_384).fold("<worksheet><sheetData><row>".to_owned(), |header, at| {
        header + "<c t=\"inlineStr\"><is><t>c" + &at.to_string() + "</t></is></c>"
    });
    let part = repeated(&(header + "</row>"), row, 1_000, "</sheetData></worksheet>");
    check("wide rows", book(XLSX, SHEET, part), 0, LARGE);

    let table = "<office:document-content><table:table table:name=\"a\">";
    let end = "</table:table></office:document-content>";
    let part = repeated(
        table,
        "<table:table-row><table:table-cell office:value=\"1\" table:number-columns-repeated=\"16384\"/></table:table-row>",
        1_000,
        end,
    );
    check("cells of ODS", book(ODS, "content.xml", part), 0, LARGE);
    let part = repeated(
        table,
        "<table:table-row table:number-rows-repeated=\"1048576\"><table:table-cell office:value=\"1\" \
         table:number-columns-repeated=\"10\"/></table:table-row>",
        1,
        end,
    );
    check("rows of ODS", book(ODS, "content.xml", part), 0, LARGE);
    let part = repeated(
        table,
        "<table:table-row table:number-rows-repeated=\"1000000\"><table:table-cell office:string-value=\"some thousand \
         signs in a cell that is repeated for a million rows, each of which would hold them: 537 MB and more of it, \
         which some hundred bytes of a file have asked for, as these do, and these; and so they may go on, so that at \
         the end there are some more than five hundred and thirty seven of them, which is as long as a sentence should \
         be at the most, and so it ends soon, but not yet, since it has to have a hundred more of them, which is why \
         it goes on; now it is done, or nearly so, as counting them says that there are enough of them now, I think.\"/>\
         </table:table-row>",
        1,
        end,
    );
    check("text of ODS", book(ODS, "content.xml", part), 0, LARGE);

    let before = "<table:table-row table:number-rows-repeated=\"1000000\"><table:table-cell office:value-type=\"string\"><text:p>";
    let after = "</text:p></table:table-cell></table:table-row></table:table></office:document-content>";
    for piece in ["&amp;", "&#65;", "<text:tab/>", "<text:line-break/>", "</text:p><text:p>"] {
        let part = repeated(&format!("{table}{before}"), piece, 1_000, after);
        check(piece, book(ODS, "content.xml", part), 0, LARGE);
    }
    let part = repeated(
        table,
        "<table:table-row><table:table-cell table:number-columns-repeated=\"16383\"/><table:table-cell/></table:table-row>",
        1_000,
        end,
    );
    check("blank cells of ODS", book(ODS, "content.xml", part), 0, LARGE);

    // A compressed spreadsheet is written to a temporary file first, which must not fill the disk.
    check("a compressed archive", gzipped(long("PK\x03\x04", 0, 520 * MIB, "")), 0, LARGE);
}
