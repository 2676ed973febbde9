//! Rows of a CSV file.
//!
//! The parser is the one inside the `csv` crate, driven directly: `csv::Reader` says the line before a row's blank lines
//! and, with CRLF, the line of the row before; it cannot bound a row, nor tell a quote that was never closed.

use std::collections::HashMap;
use std::io::BufRead;
use std::str::from_utf8;
use std::sync::Arc;

use csv_core::ReadRecordResult;

use super::{Bytes, MAX_ROW, Row, SourceFault, too_long};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record, Texts};

/// The longest header that is read, in bytes: every column costs memory for as long as the file is open.
const MAX_HEADER: usize = 1024 * 1024;

/// The rows of a CSV file whose header has been read.
#[derive(Debug)]
pub(super) struct Rows {
    raw: Raw,
    // What each cell's column is called; `None` for a column without a name, whose cells are ignored.
    columns: Vec<Option<Arc<str>>>,
    header: Vec<Arc<str>>,
    row: u64,
}

impl Rows {
    pub(super) fn new(bytes: Bytes) -> Result<Self, SourceFault> {
        let mut raw = Raw::new(bytes);
        let Some(found) = raw.read(MAX_HEADER, usize::MAX)? else { return Err(SourceFault::Empty) };
        let line = found.line;
        if found.end != End::Whole {
            return Err(SourceFault::Endless { line });
        }
        let columns = columns(&raw, &found)?;
        let header: Vec<Arc<str>> = columns.iter().flatten().cloned().collect();
        if header.is_empty() {
            return Err(SourceFault::Nameless { line });
        }
        Ok(Self { raw, columns, header, row: 0 })
    }

    pub(super) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SourceFault> {
        loop {
            let Some(found) = self.raw.read(MAX_ROW, self.columns.len())? else { return Ok(None) };
            if self.is_blank(&found) {
                continue;
            }
            self.row += 1;
            return Ok(Some(self.row(&found)));
        }
    }

    // The parser drops empty lines. A line of spaces looks just as empty in an editor, but a lone `""` was written on purpose.
    fn is_blank(&self, found: &Found) -> bool {
        found.end == End::Whole && found.cells == 1 && {
            let cell = self.raw.cell(0);
            !cell.is_empty() && cell.trim_ascii().is_empty()
        }
    }

    fn row(&self, found: &Found) -> Row {
        let (row, line) = (self.row, found.line);
        let rejected = |reason| Row::Rejected(Rejection { row, line, column: None, reason });
        match found.end {
            End::Whole => {}
            End::TooLong => return Row::Rejected(too_long(row, line)),
            End::Unclosed => {
                let last = self.raw.lines.number;
                return rejected(format!(
                    "expected a closing quote, found none up to line {last}, the end of the file"
                ));
            }
        }
        let expected = self.columns.len();
        if found.cells != expected {
            let plural = if expected == 1 { "" } else { "s" };
            return rejected(format!("expected {expected} cell{plural}, found {}", found.cells));
        }
        match self.cells() {
            Ok(cells) => Row::Record(Record { row, line, cells }),
            Err((column, byte)) => Row::Rejected(Rejection {
                row,
                line,
                column: Some(self.column_name(column)),
                reason: format!("expected UTF-8, found another encoding at byte {byte} of the cell"),
            }),
        }
    }

    // On bytes that are not UTF-8: which column, from 0, and which byte of the cell, from 1.
    fn cells(&self) -> Result<Cells, (usize, usize)> {
        let (text, ends) = self.raw.row(self.columns.len());
        // The whole row at once is what it nearly always comes to.
        let every_column_has_a_name = self.header.len() == self.columns.len();
        if every_column_has_a_name
            && let Ok(text) = from_utf8(text)
            && let Some(texts) = Texts::from_ends(text.to_owned(), ends.to_vec())
        {
            return Ok(Cells::Texts(texts));
        }
        let mut texts = Texts::with_capacity(self.header.len(), text.len());
        for (at, column) in self.columns.iter().enumerate() {
            if column.is_some() {
                let text = from_utf8(self.raw.cell(at)).map_err(|error| (at, error.valid_up_to() + 1))?;
                texts.push(text);
            }
        }
        Ok(Cells::Texts(texts))
    }

    fn column_name(&self, at: usize) -> String {
        self.columns.get(at).cloned().flatten().map_or_else(|| (at + 1).to_string(), |name| name.to_string())
    }
}

fn columns(raw: &Raw, found: &Found) -> Result<Vec<Option<Arc<str>>>, SourceFault> {
    let line = found.line;
    let mut columns = Vec::with_capacity(found.cells);
    let mut positions: HashMap<Arc<str>, usize> = HashMap::new();
    for at in 0..found.cells {
        let cell = raw.cell(at);
        let text = from_utf8(cell).map_err(|error| {
            let utf16 = at == 0 && (cell.starts_with(b"\xFF\xFE") || cell.starts_with(b"\xFE\xFF"));
            let byte = error.valid_up_to() + 1;
            let found = if utf16 { "UTF-16".to_owned() } else { format!("another encoding at byte {byte}") };
            SourceFault::Encoding { line, column: at + 1, found }
        })?;
        let name: Arc<str> = Arc::from(text.trim());
        if name.is_empty() {
            columns.push(None);
            continue;
        }
        if let Some(first) = positions.insert(Arc::clone(&name), at + 1) {
            return Err(SourceFault::ColumnTwice { line, column: name.to_string(), first, second: at + 1 });
        }
        columns.push(Some(name));
    }
    Ok(columns)
}

/// What one reading found; the cells themselves stay in [`Raw`] until the next.
#[derive(Debug)]
struct Found {
    /// The line on which the row begins.
    line: u64,
    /// How many cells it has, stored or not.
    cells: usize,
    end: End,
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Where it should.
    Whole,
    /// Past the bound. Its bytes were passed over.
    TooLong,
    /// With the file, inside a quoted cell.
    Unclosed,
}

/// The parser with its buffers.
#[derive(Debug)]
struct Raw {
    bytes: Bytes,
    parser: csv_core::Reader,
    // The row's cells, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    lines: Lines,
}

impl Raw {
    fn new(bytes: Bytes) -> Self {
        let lines = Lines { number: 1, after_return: false };
        Self { bytes, parser: csv_core::Reader::new(), text: vec![0; 1024], ends: vec![0; 32], lines }
    }

    /// Reads one row, `None` at the end. Past `limit` bytes, and past `columns` cells, nothing more of it is stored.
    fn read(&mut self, limit: usize, columns: usize) -> Result<Option<Found>, SourceFault> {
        if !self.skip_empty_lines()? {
            return Ok(None);
        }
        let line = self.lines.number;
        let (mut size, mut length, mut stored, mut cells) = (0_usize, 0, 0, 0);
        let mut end = End::Whole;
        loop {
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let at_end = chunk.is_empty();
            // A line break in place of the end: outside quotes it ends the row, inside it is one more byte. The parser has
            // no other way to tell that a quote is open.
            let input = if at_end { b"\n".as_slice() } else { chunk };
            let (result, read, written, ended) =
                self.parser.read_record(input, &mut self.text[length..], &mut self.ends[stored..]);
            if !at_end {
                self.lines.pass(&chunk[..read]);
                self.bytes.consume(read);
            }
            (size, length, stored, cells) = (size + read, length + written, stored + ended, cells + ended);
            if size > limit {
                end = End::TooLong;
            }
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(Some(Found { line, cells, end })),
                ReadRecordResult::InputEmpty if at_end => return Ok(Some(Found { line, cells, end: End::Unclosed })),
                ReadRecordResult::InputEmpty => {}
                // What is too long, or has too many cells, is rejected in any case: the buffers are filled again from the start.
                ReadRecordResult::OutputFull if end == End::TooLong || cells > columns => length = 0,
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if end == End::TooLong || cells > columns => stored = 0,
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    /// The first `cells` cells, one after the other, and where each ends.
    fn row(&self, cells: usize) -> (&[u8], &[usize]) {
        let ends = &self.ends[..cells];
        (&self.text[..ends.last().copied().unwrap_or(0)], ends)
    }

    fn cell(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    // The parser would skip them too, but only this way the row's own line is known. False at the end of the input.
    fn skip_empty_lines(&mut self) -> Result<bool, SourceFault> {
        loop {
            let line = self.lines.number;
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let breaks = chunk.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let at_row = breaks < chunk.len();
            let at_end = chunk.is_empty();
            self.lines.pass(&chunk[..breaks]);
            self.bytes.consume(breaks);
            if at_row || at_end {
                return Ok(at_row);
            }
        }
    }
}

/// Counts lines as editors do: each of `\n`, `\r\n` and a lone `\r` ends one.
#[derive(Debug)]
struct Lines {
    number: u64,
    after_return: bool,
}

impl Lines {
    fn pass(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        let mut breaks = 0;
        if bytes.contains(&b'\r') || self.after_return {
            let mut before = if self.after_return { b'\r' } else { 0 };
            for &byte in bytes {
                breaks += u64::from(byte == b'\r' || (byte == b'\n' && before != b'\r'));
                before = byte;
            }
        } else {
            for &byte in bytes {
                breaks += u64::from(byte == b'\n');
            }
        }
        self.number += breaks;
        self.after_return = *last == b'\r';
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Source};
    use super::*;

    fn source(bytes: &[u8]) -> Result<Source, String> {
        let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
        Source::from_reader("in.csv", reader, Format::Csv).map_err(|error| error.to_string())
    }

    // Each row as `line a|b` or `line [column] reason`.
    fn rows(bytes: &[u8]) -> Vec<String> {
        let show = |row| match row {
            Row::Record(Record { line, cells, .. }) => {
                let Cells::Texts(texts) = cells else { panic!("JSON from a CSV file") };
                format!("{line} {}", texts.iter().collect::<Vec<_>>().join("|"))
            }
            Row::Rejected(Rejection { line, column, reason, .. }) => {
                format!("{line} [{}] {reason}", column.unwrap_or_default())
            }
        };
        source(bytes).unwrap().map(|row| show(row.unwrap())).collect()
    }

    #[test]
    fn cells_come_as_they_stand() {
        let check = |text: &str, expected: &[&str]| assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
        check("a,b\n1,2\n", &["2 1|2"]);
        check("a,b\n1,2", &["2 1|2"]);
        check("\u{feff}a,b\n1,2\n", &["2 1|2"]);
        check("a,b\n 1 ,\"2, \"\"3\"\"\"\n", &["2  1 |2, \"3\""]);
        check("a,b\n,\n", &["2 |"]);
        check("a,,b\n1,2,3\n", &["2 1|3"]);
        check("a\n\"\"\n", &["2 "]);
        check("a,b\n", &[]);
        check("a,b", &[]);
    }

    #[test]
    fn the_line_is_the_one_that_an_editor_shows() {
        let check = |text: &str, expected: &[u64]| {
            let lines: Vec<u64> =
                rows(text.as_bytes()).iter().map(|row| row.split(' ').next().unwrap().parse().unwrap()).collect();
            assert_eq!(lines, expected, "{text:?}");
        };
        check("a,b\n1,2\n3,4\n5,6\n", &[2, 3, 4]);
        check("a,b\r\n1,2\r\n3,4\r\n5,6\r\n", &[2, 3, 4]);
        check("a,b\r1,2\r3,4\r5,6", &[2, 3, 4]);
        check("a,b\n\n\n1,2\n\n3,4\n", &[4, 6]);
        check("a,b\r\n\r\n\r\n1,2\r\n\r\n3,4\r\n", &[4, 6]);
        check("a,b\n  \n1,2\n\t\n3,4\n", &[3, 5]);
        check("\n\na,b\n1,2\n", &[4]);
        check("a,b\n1,\"x\ny\nz\"\n3,4\n", &[2, 5]);
        check("a,b\r\n1,\"x\r\ny\r\nz\"\r\n3,4\r\n", &[2, 5]);
        check("\"a\nx\",b\n1,2\n", &[3]);
        check("a,b\n1\n3,4\n1,2,3\n5,6\n", &[2, 3, 4, 5]);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_set_aside_and_reading_goes_on() {
        let check = |bytes: &[u8], expected: &[&str]| assert_eq!(rows(bytes), expected, "{}", bytes.escape_ascii());
        check(b"a,b\n1\n3,4\n", &["2 [] expected 2 cells, found 1", "3 3|4"]);
        check(b"a,b\n1,2,3\n3,4\n", &["2 [] expected 2 cells, found 3", "3 3|4"]);
        check(b"a\n1,2\n3\n", &["2 [] expected 1 cell, found 2", "3 3"]);
        check(
            b"a,b\n1,ab\xFFc\n3,4\n",
            &["2 [b] expected UTF-8, found another encoding at byte 3 of the cell", "3 3|4"],
        );
        // Valid as a whole, but parted in the middle of a character.
        check(b"a,b\n\xC3,\xA9\n", &["2 [a] expected UTF-8, found another encoding at byte 1 of the cell"]);
        check(
            b"a,b\n1,2\n3,\"4\n5,6\n7,8\n",
            &["2 1|2", "3 [] expected a closing quote, found none up to line 6, the end of the file"],
        );
        let many = [b"a,b\n".as_slice(), &b",".repeat(5_000), b"\n3,4\n"].concat();
        check(&many, &["2 [] expected 2 cells, found 5001", "3 3|4"]);
    }

    #[test]
    fn a_row_is_bounded() {
        let reason = "[] expected a row of at most 16 MiB, found a longer one";
        let long = vec![b'x'; MAX_ROW + 1];
        let quoted = [b"a,b\n1,\"".as_slice(), &long, b"\n\"\n3,4\n"].concat();
        assert_eq!(rows(&quoted), [format!("2 {reason}"), "4 3|4".to_owned()]);
        let unclosed = [b"a,b\n1,\"".as_slice(), &long].concat();
        assert_eq!(rows(&unclosed), ["2 [] expected a closing quote, found none up to line 2, the end of the file"]);
        let cells = [b"a,b\n".as_slice(), &vec![b','; MAX_ROW + 1], b"\n3,4\n"].concat();
        assert_eq!(rows(&cells), [format!("2 {reason}"), "3 3|4".to_owned()]);
    }

    #[test]
    fn quotes_open_at_the_end_are_told_from_closed_ones() {
        let check = |text: &str, unclosed: bool| {
            let rows = rows(format!("a\n{text}").as_bytes());
            assert_eq!(rows[0].contains("closing quote"), unclosed, "{text:?}: {rows:?}");
        };
        check("1", false);
        check("\"1\"", false);
        check("\"1\"\"\"", false);
        check("\"1", true);
        check("\"1\"\"", true);
        check("\"", true);
        check("\"\"", false);
        check("1\"", false);
        check("\"1\n", true);
    }

    #[test]
    fn a_header_must_name_columns_once_and_in_utf8() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(source(bytes).unwrap_err(), expected);
        check(b"", "in.csv: expected a header, found an empty file");
        check(b"\xEF\xBB\xBF", "in.csv: expected a header, found an empty file");
        check(b"\n\r\n", "in.csv: expected a header, found an empty file");
        check(b"\n , \n1,2\n", "in.csv:2: expected names of columns, found a header of blanks");
        check(b"a,b, a \n", "in.csv:1: expected each column once, found `a` as column 1 and column 3");
        check(
            b"a,b\xE9\n",
            "in.csv:1: expected UTF-8 in the header, found another encoding at byte 2 in column 2: save the file as UTF-8",
        );
        check(
            b"\xFF\xFEa\0,\0",
            "in.csv:1: expected UTF-8 in the header, found UTF-16 in column 1: save the file as UTF-8",
        );
        check(b"a,\"b\n1,2\n", "in.csv:1: expected a header, found no end of it: is a quote not closed?");
        check(&vec![b'x'; MAX_HEADER + 1], "in.csv:1: expected a header, found no end of it: is a quote not closed?");
    }

    #[test]
    fn the_header_is_trimmed_and_leaves_out_columns_without_a_name() {
        let source = source("\u{feff} phone ,, name\n".as_bytes()).unwrap();
        let header: Vec<&str> = source.header().unwrap().iter().map(|column| &**column).collect();
        assert_eq!(header, ["phone", "name"]);
    }
}
