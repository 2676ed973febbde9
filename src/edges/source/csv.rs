//! Rows of a CSV file.
//!
//! The parser is the one inside the `csv` crate, driven directly: `csv::Reader` says the line before a row's blank lines
//! and, with CRLF, the line of the row before; it cannot bound a row, nor tell a quote that was never closed.

use std::io::BufRead;
use std::str::from_utf8;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::columns::Columns;
use super::encoding::Found as FoundCharset;
use super::lines::Lines;
use super::{Bytes, Delimiter, MAX_ROW, Row, SourceFault, SourceOptions, delimiter, sniff, too_long};
use crate::core::model::Rejection;
use crate::core::record::{Cells, Record, Texts};
use crate::core::shape::{LINE_COLUMN, REASON_COLUMN};

/// The longest header that is read, in bytes: every column costs memory for as long as the file is open.
const MAX_HEADER: usize = 1024 * 1024;

/// How many empty cells past the header's are looked at. More are taken for a row of another table.
const SPARE_CELLS: usize = 64;

/// The rows of a CSV file whose header has been read.
pub(super) struct Rows {
    raw: Raw,
    delimiter: Delimiter,
    columns: Columns,
    has_header: bool,
    charset: FoundCharset,
    // The first row, when it is a contact already.
    first: Option<Found>,
    // How many cells of the row that is set aside are known.
    remain: usize,
    row: u64,
}

impl Rows {
    /// Reads up to the header. What is not told is taken from the text.
    pub(super) fn new(mut bytes: Bytes, charset: FoundCharset, told: &SourceOptions) -> Result<Self, SourceFault> {
        let named = delimiter::named(bytes.look(sniff::SAMPLE).bytes);
        let mut lines = Lines::default();
        let mut skipped = told.skip_lines;
        if let Some((_, length)) = named {
            // It is one of those that are to be skipped.
            skipped = skipped.saturating_sub(1);
            lines.pass(&bytes.look(length).bytes[..length]);
            bytes.consume(length);
        }
        for _ in 0..skipped {
            lines.skip_one(&mut bytes).map_err(|cause| SourceFault::Read { line: lines.number(), cause })?;
        }
        let tabs = (told.format == Some(super::Format::Tsv)).then_some(Delimiter::TAB);
        let delimiter = told
            .delimiter
            .or(tabs)
            .or(named.map(|(delimiter, _)| delimiter))
            .unwrap_or_else(|| delimiter::detect(&bytes.look(sniff::SAMPLE)));
        let mut raw = Raw::new(bytes, delimiter, lines);
        let Some(found) = raw.read(MAX_HEADER, usize::MAX)? else { return Err(SourceFault::Empty) };
        let line = found.line;
        if found.end != End::Whole {
            return Err(SourceFault::Endless { line });
        }
        let cells = (0..found.cells).map(|at| raw.cell(at));
        let has_header = !told.no_header || is_of_rejects(cells.clone());
        let mut columns = if has_header { Columns::named(line, cells)? } else { Columns::numbered(found.cells) };
        let holding = delimiter::holding(&raw.bytes.look(sniff::SAMPLE), delimiter, columns.unnamed());
        columns.set_unnamed(holding);
        let first = (!has_header).then_some(found);
        Ok(Self { raw, delimiter, columns, has_header, charset, first, remain: 0, row: 0 })
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Whether the first row names the columns.
    pub(super) const fn has_header(&self) -> bool {
        self.has_header
    }

    pub(super) fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SourceFault> {
        loop {
            let found = match self.first.take() {
                Some(found) => found,
                None => match self.raw.read(MAX_ROW, self.columns.len() + SPARE_CELLS)? {
                    Some(found) => found,
                    None => return Ok(None),
                },
            };
            if self.is_blank(&found) {
                continue;
            }
            self.row += 1;
            // Those that were ended: of a quote that is never closed, what stands before it.
            self.remain = if found.kept && found.end != End::TooLong { found.cells } else { 0 };
            return Ok(Some(self.row(&found)));
        }
    }

    /// What could be read of the row that was just set aside: the cells before what is wrong with it, or all of them when
    /// their number is. They are never as many as a row has, so that nobody takes them for one.
    pub(super) fn remains(&self) -> Option<Cells> {
        let has_name = |at: &usize| *at >= self.columns.len() || self.columns.places().any(|place| place == *at);
        let mut cells: Vec<&str> = Vec::new();
        for at in (0..self.remain).filter(has_name) {
            let Ok(cell) = from_utf8(self.raw.cell(at)) else { break };
            cells.push(cell);
        }
        if cells.len() == self.columns.header().len() {
            cells.pop();
        }
        (!cells.is_empty()).then(|| Cells::Texts(cells.into_iter().collect()))
    }

    // The parser drops empty lines. A line of spaces or of delimiters looks just as empty in a spreadsheet, but a lone `""`
    // was written on purpose.
    fn is_blank(&self, found: &Found) -> bool {
        let is_whole = found.end == End::Whole && found.kept;
        is_whole && {
            let (text, _) = self.raw.row(found.cells);
            (found.cells > 1 || !text.is_empty()) && text.trim_ascii().is_empty()
        }
    }

    fn row(&self, found: &Found) -> Row {
        let (row, line) = (self.row, found.line);
        let rejected = |reason| Row::Rejected(Rejection { row, line, column: None, reason });
        match found.end {
            End::Whole => {}
            End::TooLong => return Row::Rejected(too_long(row, line)),
            End::Unclosed => {
                let last = self.raw.lines.number();
                return rejected(format!(
                    "expected a closing quote, found none up to line {last}, the end of the file"
                ));
            }
        }
        if !self.fits(found) {
            let expected = self.columns.len();
            let plural = if expected == 1 { "" } else { "s" };
            return rejected(format!("expected {expected} cell{plural}, found {}", found.cells));
        }
        match self.cells() {
            Ok(cells) => Row::Record(Record { row, line, cells: Cells::Texts(cells) }),
            Err((column, byte)) => {
                let place = format!("at byte {byte} of the cell");
                let reason = match self.charset.get() {
                    Some(charset) if !charset.is_utf8() => {
                        format!("expected {charset}, found bytes that stand for nothing in it {place}")
                    }
                    Some(_) | None => format!("expected UTF-8, found another encoding {place}"),
                };
                Row::Rejected(Rejection { row, line, column: Some(self.columns.name(column)), reason })
            }
        }
    }

    // Columns without a name may be missing at the end, and empty cells may follow there.
    fn fits(&self, found: &Found) -> bool {
        let columns = self.columns.len();
        found.cells == columns
            || (self.columns.needed()..columns).contains(&found.cells)
            || (found.cells > columns
                && found.kept
                && self.raw.row(found.cells).0.len() == self.raw.row(columns).0.len())
    }

    // On bytes that are not UTF-8: which column, from 0, and which byte of the cell, from 1.
    fn cells(&self) -> Result<Texts, (usize, usize)> {
        let (text, ends) = self.raw.row(self.columns.needed());
        // The whole row at once is what it nearly always comes to.
        if self.columns.have_names()
            && let Ok(text) = from_utf8(text)
            && let Some(texts) = Texts::from_ends(text.to_owned(), ends.to_vec())
        {
            return Ok(texts);
        }
        let mut texts = Texts::with_capacity(self.columns.header().len(), text.len());
        for at in self.columns.places() {
            texts.push(from_utf8(self.raw.cell(at)).map_err(|error| (at, error.valid_up_to() + 1))?);
        }
        Ok(texts)
    }
}

// A list of rejected rows has a header also where its input, of which everything else is said again, has none.
fn is_of_rejects<'a>(cells: impl DoubleEndedIterator<Item = &'a [u8]>) -> bool {
    let ours = [REASON_COLUMN, LINE_COLUMN].map(str::as_bytes);
    cells.rev().take(ours.len()).eq(ours)
}

/// What one reading found; the cells themselves stay in [`Raw`] until the next.
#[derive(Debug)]
struct Found {
    /// The line on which the row begins.
    line: u64,
    /// How many cells it has, stored or not.
    cells: usize,
    /// Whether they are stored.
    kept: bool,
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
struct Raw {
    bytes: Bytes,
    parser: Reader,
    // The row's cells, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
    lines: Lines,
}

impl Raw {
    fn new(bytes: Bytes, delimiter: Delimiter, lines: Lines) -> Self {
        let parser = ReaderBuilder::new().delimiter(delimiter.byte()).build();
        Self { bytes, parser, text: vec![0; 1024], ends: vec![0; 32], lines }
    }

    /// Reads one row, `None` at the end. Past `limit` bytes, and past `columns` cells, nothing more of it is stored.
    fn read(&mut self, limit: usize, columns: usize) -> Result<Option<Found>, SourceFault> {
        if !self.skip_empty_lines()? {
            return Ok(None);
        }
        let line = self.lines.number();
        let (mut size, mut length, mut stored, mut cells) = (0_usize, 0, 0, 0);
        let (mut end, mut kept) = (End::Whole, true);
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
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(Some(Found { line, cells, kept, end })),
                ReadRecordResult::InputEmpty if at_end => {
                    return Ok(Some(Found { line, cells, kept, end: End::Unclosed }));
                }
                ReadRecordResult::InputEmpty => {}
                // What is too long, or has too many cells, is rejected in any case: the buffers are filled again from the start.
                ReadRecordResult::OutputFull if end == End::TooLong || cells > columns => {
                    (length, kept) = (0, false);
                }
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if end == End::TooLong || cells > columns => {
                    (stored, kept) = (0, false);
                }
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
            let line = self.lines.number();
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
        check("a,b\n1,\n", &["2 1|"]);
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
            b"\xC3\xA1,b\n1,ab\xFFc\n3,4\n",
            &["2 [b] expected UTF-8, found another encoding at byte 3 of the cell", "3 3|4"],
        );
        // Valid as a whole, but parted in the middle of a character.
        check(b"\xC3\xA1,b\n\xC3,\xA9\n", &["2 [\u{e1}] expected UTF-8, found another encoding at byte 1 of the cell"]);
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
            b"\xC3\xA9,b\xE9\n",
            "in.csv:1: expected UTF-8 in the header, found another encoding at byte 2 in column 2: save the file as UTF-8",
        );
        check(b"a,b\0c\n", "in.csv:1: expected names of columns, found control characters: is it text?");
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
