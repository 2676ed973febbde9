//! How much memory reading takes. The test has its own process because only the peak of a process can be measured.

#![cfg(target_os = "linux")]

use std::io::{self, Read};

use contactsync::Source;
use contactsync::source::Row;
use flate2::Compression;
use flate2::read::GzEncoder;
use support::process::peak_kib;

/// Repeats the same bytes, up to a total length.
struct Endless {
    row: &'static [u8],
    at: usize,
    left: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.row[self.at..];
        let count = rest.len().min(buffer.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.row.len();
        self.left -= count as u64;
        Ok(count)
    }
}

#[test]
fn memory_does_not_grow_with_the_input() {
    const ROWS: u64 = 300_000;
    let cells = b"+5215550001,\"Ana\nMaria\",Puebla,some text that makes the row as long as rows are,lead;vip,,,\n";
    let latin = b"+5215550001;Jos\xE9;C\xF3rdoba;some text that makes the row as long as rows are;lead,vip;;;\n";
    let object = b"{\"phone\":\"+5215550001\",\"name\":\"Ana\",\"note\":\"some text that makes the row long\",\"tags\":[\"a\"]}\n";
    let element =
        b"{\"phone\":\"+5215550001\",\n\"name\":\"Ana\",\"note\":\"some text that makes it long\",\"tags\":[\"a\"]},\n";
    let header = b"phone,name,city,note,tags,a,b,c\n";
    let other_header = b"phone;name;city;note;tags;a;b;c\n";
    let before = peak_kib("self").unwrap();
    let endless = |row: &'static [u8], rows: u64| Endless { row, at: 0, left: rows * row.len() as u64 };
    let csv = move || header.as_slice().chain(endless(cells, ROWS));
    let elements = move || endless(element, ROWS - 1).chain(&element[..element.len() - 2]);
    let inputs: [(&str, Box<dyn Read + Send>); 7] = [
        ("csv", Box::new(csv())),
        ("csv", Box::new(other_header.as_slice().chain(endless(latin, ROWS)))),
        ("csv", Box::new(GzEncoder::new(csv(), Compression::fast()))),
        ("csv", Box::new(zstd::stream::read::Encoder::new(csv(), 1).unwrap())),
        ("jsonl", Box::new(endless(object, ROWS))),
        ("json", Box::new(b"[".chain(elements()).chain(b"]".as_slice()))),
        // One page, far longer than the limit of a row.
        ("json", Box::new(b"{\"data\":[".chain(elements()).chain(b"],\"success\":true}".as_slice()))),
    ];
    for (format, input) in inputs {
        let source = Source::from_reader("in", input, None).unwrap();
        assert_eq!(source.format().to_string(), format);
        let records = source.filter(|row| matches!(row, Ok(Row::Record(_)))).count();
        assert_eq!(records as u64, ROWS);
    }
    let grown = peak_kib("self").unwrap() - before;
    assert!(grown < 12 * 1024, "reading 210 MB took {grown} KiB more memory");
}
