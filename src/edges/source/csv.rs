//! Rows of a CSV file: bytes that are parsed (`parser`), kept in one piece for many rows (`block`) and decoded later, by any
//! thread (`decoder`).

mod block;
mod decoder;
mod parser;

use std::io::BufRead as _;
use std::sync::Arc;

use super::columns::Columns;
use super::encoding::Found as FoundCharset;
use super::lines::Lines;
use super::{Bytes, Delimiter, MAX_ROW, Row, SourceFault, SourceOptions, delimiter, sniff};
use crate::core::record::Cells;
use crate::core::shape::{LINE_COLUMN, REASON_COLUMN};

pub(super) use self::block::Block;
use self::block::{End, RawRow, Room};
pub(super) use self::decoder::Decoder;
use self::parser::Parser;

/// The longest header that is read, in bytes: every column costs memory for as long as the file is open.
const MAX_HEADER: usize = 1024 * 1024;

/// How many empty cells past the header's are looked at at least. Many more are taken for a row of another table.
const SPARE_CELLS: usize = 64;

/// The rows of a CSV file whose header has been read.
pub(super) struct Rows {
    parser: Parser,
    delimiter: Delimiter,
    decoder: Arc<Decoder>,
    has_header: bool,
    // The first row, when it is a contact already.
    first: Option<Block>,
    // How many rows were read.
    row: u64,
    // The row that was read last by itself.
    alone: Block,
    // How much room the rows of a block took.
    usual: Room,
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
        let mut parser = Parser::new(bytes, delimiter, lines);
        let mut first = Block::default();
        parser.read(&mut first, 1, MAX_HEADER, usize::MAX)?;
        let Some(raw) = first.last() else { return Err(SourceFault::Empty) };
        let line = raw.found.line;
        if raw.found.end != End::Whole {
            return Err(SourceFault::Endless { line });
        }
        let cells = (0..raw.found.cells).map(|at| raw.cell(at));
        let has_header = !told.no_header || is_of_rejects(cells.clone());
        let mut columns = if has_header { Columns::named(line, cells)? } else { Columns::numbered(raw.found.cells) };
        let holding = delimiter::holding(&parser.look(sniff::SAMPLE), delimiter, columns.unnamed());
        columns.set_unnamed(holding);
        let first = (!has_header).then_some(first);
        let decoder = Arc::new(Decoder::new(columns, charset));
        Ok(Self {
            parser,
            delimiter,
            decoder,
            has_header,
            first,
            row: 0,
            alone: Block::default(),
            usual: Room::default(),
        })
    }

    pub(super) fn columns(&self) -> &Columns {
        self.decoder.columns()
    }

    /// Whether the first row names the columns.
    pub(super) const fn has_header(&self) -> bool {
        self.has_header
    }

    pub(super) fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// What makes rows of what is read [in blocks](Self::block).
    pub(super) fn decoder(&self) -> Arc<Decoder> {
        Arc::clone(&self.decoder)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, SourceFault> {
        let mut block = std::mem::take(&mut self.alone);
        block.clear();
        let is_read = self.read(&mut block);
        self.alone = block;
        is_read?;
        Ok(self.alone.last().map(|raw| self.decoder.row(raw)))
    }

    /// What could be read of the row that was just set aside.
    pub(super) fn remains(&self) -> Option<Cells> {
        self.alone.last().and_then(|raw| self.decoder.remains(raw))
    }

    /// Reads up to so many rows and about so many bytes, and says whether there may be more.
    pub(super) fn block(&mut self, rows: usize, bytes: usize) -> (Block, Result<bool, SourceFault>) {
        let mut block = Block::with_room_of(self.usual);
        while block.len() < rows && block.weight() < bytes {
            match self.read(&mut block) {
                Ok(true) => {}
                ended => return (block, ended),
            }
        }
        // One long row says nothing of the next.
        if block.weight() <= bytes {
            self.usual = block.room_taken();
        }
        (block, Ok(true))
    }

    /// Reads the next row, after those that `block` has, and says whether there was one.
    fn read(&mut self, block: &mut Block) -> Result<bool, SourceFault> {
        let columns = most_cells(self.columns().len());
        loop {
            if let Some(first) = self.first.take() {
                // Nothing was read before it.
                *block = first;
            } else if !self.parser.read(block, self.row + 1, MAX_ROW, columns)? {
                return Ok(false);
            }
            // The parser drops empty lines. A line of spaces or of delimiters looks just as empty in a spreadsheet.
            if block.last().is_some_and(RawRow::is_blank) {
                block.pop();
            } else {
                self.row += 1;
                return Ok(true);
            }
        }
    }
}

// How many cells of a row are stored. What a list of rejected rows says of one with a few more is what it held, so that the
// number is a round one.
const fn most_cells(columns: usize) -> usize {
    (columns + SPARE_CELLS + 1).next_power_of_two()
}

// A list of rejected rows has a header also where its input, of which everything else is said again, has none.
fn is_of_rejects<'a>(cells: impl DoubleEndedIterator<Item = &'a [u8]>) -> bool {
    let ours = [REASON_COLUMN, LINE_COLUMN].map(str::as_bytes);
    cells.rev().take(ours.len()).eq(ours)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Source};
    use super::*;
    use crate::core::model::Rejection;
    use crate::core::record::Record;

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
    fn of_a_row_with_many_more_cells_nothing_is_kept() {
        for (cells, is_kept) in [(3, true), (128, true), (129, false), (5_000, false)] {
            // Whatever room earlier rows made.
            let row = |sign: &str, cells: usize| vec![sign; cells].join(",");
            let text = format!("a,b\n{}\n{}\n", row("y", 5_000), row("x", cells));
            let mut source = source(text.as_bytes()).unwrap();
            assert!(matches!(source.nth(1), Some(Ok(Row::Rejected(_)))));
            assert_eq!(source.remains().is_some(), is_kept, "{cells}");
        }
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
