//! Rows of a CSV file: bytes that are parsed (`parser`), kept in one piece for many rows (`block`) and decoded later, by any
//! thread (`decoder`).

mod block;
mod decoder;
mod dialect;
mod parser;
mod quotes;
mod short;

use std::collections::VecDeque;
use std::io::BufRead as _;
use std::sync::Arc;

use super::columns::Columns;
use super::encoding::Found as FoundCharset;
use super::lines::Lines;
use super::notice::{NoticeKind, Notices};
use super::{Bytes, Delimiter, MAX_ROW, Row, SourceFault, SourceOptions, delimiter, sniff, titles};
use crate::core::record::Cells;
use crate::core::shape::{LINE_COLUMN, REASON_COLUMN};

pub(super) use self::block::Block;
use self::block::{End, RawRow, Room};
pub(super) use self::decoder::Decoder;
use self::dialect::Dialect;
use self::parser::Parser;
use self::quotes::Quoting;
use self::short::{Habit, Outline};

/// The longest header that is read, in bytes: every column costs memory for as long as the file is open.
const MAX_HEADER: usize = 1024 * 1024;

/// How many empty cells past the header's are looked at at least. Many more are taken for a row of another table.
const SPARE_CELLS: usize = 64;

/// How many rows before and after a short one are looked at.
const NEIGHBOURS: usize = 2;

/// How many cells in lines inside one quoted cell make it one that has taken in other rows.
const SWALLOWED_CELLS: usize = 3;

/// The rows of a CSV file whose header has been read.
pub(super) struct Rows {
    parser: Parser,
    delimiter: Delimiter,
    decoder: Arc<Decoder>,
    has_header: bool,
    likely_header: Option<u64>,
    // The first row, when it is a contact already.
    first: Option<Block>,
    // How many rows were read.
    row: u64,
    // Of a file that leaves out blank cells at the ends of rows: short rows are completed.
    habit: Option<Habit>,
    // The rows before, the last one last.
    before: VecDeque<Outline>,
    // Rows that were read because of a short one before them; at the end, that there are no more, or why.
    ahead: VecDeque<Block>,
    ended: Option<Result<(), SourceFault>>,
    // The row that was read last by itself.
    alone: Block,
    // How much room the rows of a block took.
    usual: Room,
}

impl Rows {
    /// Reads up to the header. What is not told is taken from the text.
    pub(super) fn new(
        mut bytes: Bytes,
        charset: FoundCharset,
        notices: Notices,
        told: &SourceOptions,
    ) -> Result<Self, SourceFault> {
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
            if !lines.skip_one(&mut bytes).map_err(|cause| SourceFault::Read { line: lines.number(), cause })? {
                break;
            }
        }
        if dialect::is_quoted_by_line(&bytes.look(sniff::SAMPLE)) {
            notices.add(NoticeKind::QuotedLines, lines.number());
            bytes = dialect::unwrapped(bytes);
        }
        let tabs = (told.format == Some(super::Format::Tsv)).then_some(Delimiter::TAB);
        let delimiter = told
            .delimiter
            .or(tabs)
            .or(named.map(|(delimiter, _)| delimiter))
            .unwrap_or_else(|| delimiter::detect(&bytes.look(sniff::SAMPLE)));
        let known = told.delimiter.or(tabs).or(named.map(|(delimiter, _)| delimiter)).map(Delimiter::byte);
        let likely_header =
            if told.no_header { None } else { titles::header_below(&bytes.look(sniff::SAMPLE), known, lines.number()) };
        let dialect = Dialect::of(&bytes.look(sniff::SAMPLE), delimiter.byte());
        let bytes = dialect.rewritten(bytes, delimiter.byte());
        let mut parser = Parser::new(bytes, delimiter, lines);
        let mut first = Block::default();
        parser.read(&mut first, 1, MAX_HEADER, usize::MAX)?;
        let Some(raw) = first.last() else { return Err(SourceFault::Empty) };
        let line = raw.found.line;
        if raw.found.end != End::Whole {
            return Err(SourceFault::Endless { line });
        }
        if raw.found.quoting != Quoting::Sound {
            return Err(SourceFault::Quotes { line });
        }
        let cells = (0..raw.found.cells).map(|at| raw.cell(at));
        let has_header = !told.no_header || is_of_rejects(cells.clone());
        let mut columns = if has_header { Columns::named(line, cells)? } else { Columns::numbered(raw.found.cells) };
        let holding = delimiter::holding(&parser.look(sniff::SAMPLE), delimiter, columns.unnamed());
        columns.set_unnamed(holding);
        let first = (!has_header).then_some(first);
        let habit =
            if columns.are_of_rejects() { None } else { Habit::of(&parser.look(sniff::SAMPLE), delimiter.byte()) };
        let decoder = Arc::new(Decoder::new(columns, charset, notices));
        Ok(Self {
            parser,
            delimiter,
            decoder,
            has_header,
            likely_header,
            first,
            row: 0,
            habit,
            before: VecDeque::new(),
            ahead: VecDeque::new(),
            ended: None,
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

    /// The line of another row that looks more like the header.
    pub(super) const fn likely_header(&self) -> Option<u64> {
        self.likely_header
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
        if let Some(next) = self.ahead.pop_front() {
            next.last().into_iter().for_each(|row| block.push_row(row));
        } else if let Some(ended) = self.ended.take() {
            return ended.map(|()| false);
        } else if !self.parse(block)? {
            return Ok(false);
        }
        self.row += 1;
        self.judge(block);
        if let Some(found) = block.last_found() {
            found.row = self.row;
        }
        Ok(true)
    }

    /// Parses the next row that is one.
    fn parse(&mut self, block: &mut Block) -> Result<bool, SourceFault> {
        let columns = most_cells(self.columns().len());
        loop {
            if let Some(first) = self.first.take() {
                // Nothing was read before it.
                *block = first;
            } else if !self.parser.read(block, self.row + 1, MAX_ROW, columns)? {
                return Ok(false);
            }
            let Some(raw) = block.last() else { return Ok(false) };
            // The parser drops empty lines. A line of spaces or of delimiters looks just as empty in a spreadsheet.
            if raw.is_blank() {
                block.pop();
            } else if self.has_header && repeats_header(raw, self.columns()) {
                self.decoder.notices().add(NoticeKind::RepeatedHeader, raw.found.line);
                block.pop();
            } else if let End::Unclosed { line } = raw.found.end {
                block.pop();
                return Err(SourceFault::Unclosed { line });
            } else if raw.found.breaks > 1 && holds_rows(raw, self.columns().len(), self.delimiter.byte()) {
                let line = raw.found.line;
                block.pop();
                return Err(SourceFault::Unclosed { line });
            } else {
                return Ok(true);
            }
        }
    }

    /// Decides what becomes of the last row of `block` if it is a short one.
    fn judge(&mut self, block: &mut Block) {
        let (needed, columns) = (self.columns().needed(), self.columns().len());
        let Some(raw) = block.last().filter(|_| self.habit.is_some()) else { return };
        let own = Outline::of(raw, needed);
        if own.is_short() {
            while self.ahead.len() < NEIGHBOURS && self.ended.is_none() {
                let mut next = Block::default();
                match self.parse(&mut next) {
                    Ok(true) => self.ahead.push_back(next),
                    ended => self.ended = Some(ended.map(|_| ())),
                }
            }
            let after: Vec<Outline> =
                self.ahead.iter().filter_map(|row| Some(Outline::of(row.last()?, needed))).collect();
            let before = self.before.make_contiguous();
            let judged = self.habit.as_ref().map(|habit| habit.judge(raw, before, &own, &after, (needed, columns)));
            if let (Some(found), Some(short)) = (block.last_found(), judged) {
                found.short = short;
            }
        }
        if self.before.len() == NEIGHBOURS {
            self.before.pop_front();
        }
        self.before.push_back(own);
    }
}

fn repeats_header(raw: RawRow<'_>, columns: &Columns) -> bool {
    let found = raw.found;
    let is_whole = found.end == End::Whole && found.quoting == Quoting::Sound && found.kept;
    is_whole && found.cells >= columns.needed() && columns.are_repeated_by((0..found.cells).map(|at| raw.cell(at)))
}

// Whether the lines inside some quoted cell are rows of this file: a quote that is not closed may end at one that was meant to
// open a cell, or that is text. A comma of a sentence has a space after it.
fn holds_rows(raw: RawRow<'_>, columns: usize, delimiter: u8) -> bool {
    let stored = if raw.found.kept { raw.found.cells } else { 0 };
    (0..stored).any(|at| {
        let lines = raw.cell(at).split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
        let mut lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
        lines.pop();
        let inner = lines.get(1..).unwrap_or_default();
        let is_row = |line: &&[u8]| {
            let delimiters = line.iter().enumerate().filter(|(_, byte)| **byte == delimiter);
            delimiters.clone().count() + 1 == columns
                && delimiters.into_iter().all(|(place, _)| line.get(place + 1) != Some(&b' '))
        };
        inner.len() * (columns - 1) >= SWALLOWED_CELLS && inner.iter().all(is_row)
    })
}

// How many cells of a row are stored. What a list of rejected rows says of one with a few more is what it held, so that the
// number is a round one.
const fn most_cells(columns: usize) -> usize {
    (columns + SPARE_CELLS + 1).next_power_of_two()
}

// A list of rejected rows has a header also where its input, of which everything else is said again, has none.
fn is_of_rejects<'a>(cells: impl DoubleEndedIterator<Item = &'a [u8]> + Clone) -> bool {
    let ours = [LINE_COLUMN, REASON_COLUMN].map(str::as_bytes);
    // In lists of earlier versions they are the last two.
    cells.clone().take(ours.len()).eq(ours) || cells.rev().take(ours.len()).eq(ours.into_iter().rev())
}

#[cfg(test)]
mod tests {
    use super::super::{Format, Source, SourceError};
    use super::*;
    use crate::core::model::Rejection;
    use crate::core::record::Record;

    const UNCLOSED: &str = "in.csv:#: a quoted cell begins in the row on this line, and its closing quote is missing";
    const SPLIT: &str = ": it looks like a part of a row that a line break without quotes split";
    const CUT: &str = ": the last line does not end, so the file may be cut off";

    fn source(bytes: &[u8]) -> Result<Source, String> {
        let reader = Box::new(std::io::Cursor::new(bytes.to_vec()));
        Source::from_reader("in.csv", reader, Format::Csv).map_err(|error| error.to_string())
    }

    // Each row as `line a|b` or `line [column] reason`, and at last the error that ends them.
    fn rows(bytes: &[u8]) -> Vec<String> {
        let show = |row: Result<Row, SourceError>| match row {
            Err(error) => error.to_string(),
            Ok(Row::Record(Record { line, cells, .. })) => {
                let Cells::Texts(texts) = cells else { panic!("JSON from a CSV file") };
                format!("{line} {}", texts.iter().collect::<Vec<_>>().join("|"))
            }
            Ok(Row::Rejected(Rejection { line, column, reason, .. })) => {
                format!("{line} [{}] {reason}", column.unwrap_or_default())
            }
        };
        source(bytes).unwrap().map(show).collect()
    }

    // What was noticed in the rows.
    fn notices(bytes: &[u8]) -> Vec<String> {
        let mut source = source(bytes).unwrap();
        source.by_ref().for_each(drop);
        source.detected().notices().iter().map(ToString::to_string).collect()
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
        let many = [b"a,b\n".as_slice(), &b",".repeat(5_000), b"\n3,4\n"].concat();
        check(&many, &["2 [] expected 2 cells, found 5001", "3 3|4"]);
    }

    #[test]
    fn a_row_is_bounded() {
        let reason = "[] expected a row of at most 16 MiB, found a longer one";
        let long = vec![b'x'; MAX_ROW + 1];
        let quoted = [b"a,b\n1,\"".as_slice(), &long, b"\"\n3,4\n"].concat();
        assert_eq!(rows(&quoted), [format!("2 {reason}"), "3 3|4".to_owned()]);
        let unclosed = [b"a,b\n1,\"".as_slice(), &long].concat();
        assert_eq!(rows(&unclosed), [UNCLOSED.replace('#', "2")]);
        // What is open for so long, and over lines, has taken in other rows.
        let swallowed = [b"a,b\n1,2\n3,\"".as_slice(), &b"4\n5,".repeat(MAX_ROW / 4 + 1), b"\"\n6,7\n"].concat();
        assert_eq!(rows(&swallowed), ["2 1|2".to_owned(), UNCLOSED.replace('#', "3")]);
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
            assert_eq!(rows[0] == UNCLOSED.replace('#', "2"), unclosed, "{text:?}: {rows:?}");
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
    fn a_quote_that_takes_in_other_rows_ends_the_reading() {
        let check = |text: &str, before: usize, line: u64| {
            let rows = rows(text.as_bytes());
            assert_eq!(rows.len(), before + 1, "{text:?}: {rows:?}");
            assert_eq!(rows.last(), Some(&UNCLOSED.replace('#', &line.to_string())), "{text:?}");
        };
        check("a,b\n1,2\n3,\"4\n5,6\n7,8\n", 1, 3);
        check("a,b\n1,\"2\n\"\n3,\"4\n5,6", 1, 4);
        // The line is that of the quote, also where the row begins before it.
        check("a,b,c\n\"1\n\",2,\"3\n4,5,6\n", 0, 3);
        // Closed by a quote that opens another cell.
        check("a,b,c\n1,Ann,\"he\n2,Bo,\"ok\"\n3,Cy,x\n", 0, 2);
        check("a,b,c\n1,Ann,\"he\r\n2,\"Bo, Jr\",x\r\n", 0, 2);
        check("a,b,c\n1,Ann,\"he\n\"2\",Bo,x\n", 0, 2);
        check("a,b,c\n1,Ann,\"he\n2,\"\",x\n3,\"Bo\",y\n", 0, 2);
        // Closed by a quote that is text: the lines inside are rows.
        check("a,b,c\n0,0,0\n1,Ann,\"he\n2,Bo,x\n3,Cy,x\n4,Di,5\"\n", 1, 3);
        // In a file that is far from whole.
        let far = format!("a,b\n{}x,\"y\n{}", "1,2\n".repeat(50_000), "3,4\n".repeat(50_000));
        check(&far, 50_000, 50_002);
    }

    #[test]
    fn a_quoted_cell_may_have_lines_of_its_own() {
        let check = |text: &str| assert!(rows(text.as_bytes())[0].starts_with("2 1|"), "{text:?}");
        check("a,b,c\n1,\"Calle 5\nCol. Centro\nM\u{e9}xico\",x\n");
        check("a,b,c\n1,\"Calle 5, 3, A\nCol. Centro, 06000, CDMX\nM\u{e9}xico, DF, MX\",x\n");
        check("a,b\n1,\"x,y\nz,w\nu,v\"\n");
        check("a,b,c\n1,\"one\n\ntwo\nthree, four\n\",\"\"\n");
        check("a,b,c\n1,\"she \"\"said\"\",\n\"\"no\"\"\",x\n");
    }

    #[test]
    fn quotes_out_of_place_set_their_row_aside() {
        let check = |text: &str, expected: &[&str]| assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
        let after =
            "expected a delimiter after the closing quote of a cell, found text: quotes inside a cell must be doubled";
        let space = "expected no space between a delimiter and a quote, found one";
        check("a,b\n1,\"Ann \"The Boss\" Lee\"\n3,4\n", &[&format!("2 [] {after}"), "3 3|4"]);
        check("a,b\n\"Ann\"x,2\n3,4\n", &[&format!("2 [] {after}"), "3 3|4"]);
        check("a,b\n1,\"line\nhe said \"hi\" there\"\n3,4\n", &[&format!("2 [] {after}"), "4 3|4"]);
        check("a,b\n1,5\" pipe\n\"3\" ,4 \"x\"\n", &["2 1|5\" pipe", "3 3 |4 \"x\""]);
        // Past what is looked at for the dialect.
        let rest = "1,2\n".repeat(20_000);
        let late = rows(format!("a,b\n{rest}1, \"2\"\n1,\"say \\\"hi\\\"\"\n").as_bytes());
        assert_eq!(late[20_000..], [format!("20002 [] {space}"), format!("20003 [] {after}")]);
        assert_eq!(
            source(b"a,\"b\"c\n1,2\n").unwrap_err(),
            "in.csv:1: expected names of columns, found quotes that are out of place: is the file CSV?"
        );
    }

    #[test]
    fn other_dialects_of_quotes_are_read() {
        let check = |text: &str, header: &[&str], expected: &[&str]| {
            let source = source(text.as_bytes()).unwrap();
            let names: Vec<&str> = source.header().unwrap().iter().map(|name| &**name).collect();
            assert_eq!(names, header, "{text:?}");
            assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
        };
        check("\"a\", \"b\"\n\"1\", \"x, \"\"y\"\"\"\n", &["a", "b"], &["2 1|x, \"y\""]);
        check("a; b\n1; \"x; y\"\n", &["a", "b"], &["2 1|x; y"]);
        check("a,b\n1,\"say \\\"hi, you\\\"\"\n2,\\N\n", &["a", "b"], &["2 1|say \"hi, you\"", "3 2|"]);
        check("a,b\n1,\"5\\\"\"\n2,\"x\ny\"\n3,z\n", &["a", "b"], &["2 1|5\"", "3 2|x\ny", "5 3|z"]);
        check("'a','b'\n'1','O''Brien, \"Bo\"'\n", &["a", "b"], &["2 1|O'Brien, \"Bo\""]);
        check("\"a,b\"\n\"1,\"\"x, y\"\"\"\n\"2,z\"\n", &["a", "b"], &["2 1|x, y", "3 2|z"]);
        assert_eq!(notices(b"\"a,b\"\n\"1,2\"\n"), ["each line is quoted as a whole; read without those quotes"]);
        // A backslash that ends a cell is text.
        check("a,b\n\"C:\\\",\"D:\\\"\n", &["a", "b"], &["2 C:\\|D:\\"]);
    }

    #[test]
    fn what_follows_the_end_and_what_joins_two_files_is_passed_over() {
        let check = |text: &str, expected: &[&str], noticed: &[&str]| {
            assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
            assert_eq!(notices(text.as_bytes()), noticed, "{text:?}");
        };
        let one = "line 3 repeats the header and is skipped";
        check("a\n1\n\x1A", &["2 1"], &[]);
        check("a\n1\x1A\r\n", &["2 1"], &[]);
        check("a,b\n1,2\n\0\0\0\0", &["2 1|2"], &[]);
        check("a,b\n1,2\0\0", &["2 1|2"], &[]);
        check("a,b\n1,2\n\u{feff}a,b\n3,4\n", &["2 1|2", "4 3|4"], &[one]);
        check("a,b\n1,2\n\u{feff}\"a\",\"b\"\n3,4\n", &["2 1|2", "4 3|4"], &[one]);
        check("a,b\n1,2\n A , B,\n3,4\n", &["2 1|2", "4 3|4"], &[one]);
        check("a,b\n1,2\n\u{feff}\n3,4\n", &["2 1|2", "4 3|4"], &[]);
        check("a,b\n1,2\n\u{feff}3,4\n", &["2 1|2", "3 3|4"], &[]);
        check(
            "a,b\na,b\n1,2\na,b\n\n\u{feff}a,b\n",
            &["3 1|2"],
            &["3 lines repeat the header and are skipped (the first is line 2)"],
        );
        check("a,b\n1,a\nb,a\n", &["2 1|a", "3 b|a"], &[]);
    }

    #[test]
    fn rows_that_lack_only_their_last_cells_are_completed() {
        let check = |text: &str, expected: &[&str], completed: usize| {
            let header = "name,mail,phone,city,plan\n";
            let text = format!("{header}{text}");
            assert_eq!(rows(text.as_bytes()), expected, "{text:?}");
            let mut source = source(text.as_bytes()).unwrap();
            source.by_ref().for_each(drop);
            let noticed = source.detected().notices().iter().map(|notice| notice.rows).sum::<u64>();
            assert_eq!(noticed, completed as u64, "{text:?}");
        };
        let short = |line: u64, cells: usize, why: &str| format!("{line} [] expected 5 cells, found {cells}{why}");
        check("Ann,a@x,123456,Lima,pro\nBo,b@x\n", &["2 Ann|a@x|123456|Lima|pro", "3 Bo|b@x|||"], 1);
        check("Ann,a@x\nBo,b@x,123456\nCy,,123457\n", &["2 Ann|a@x|||", "3 Bo|b@x|123456||", "4 Cy||123457||"], 3);
        // Three and three are five and a line break, but their addresses stand in one column.
        check("Ann,a@x,123456\nBo,b@x,123457\n", &["2 Ann|a@x|123456||", "3 Bo|b@x|123457||"], 2);
        // Split in two, and in three; blank lines do not count.
        check(
            "Ann\nLee,a@x,123456,Lima,pro\nBo,b@x,123457\n",
            &[&short(2, 1, ""), "3 Lee|a@x|123456|Lima|pro", "4 Bo|b@x|123457||"],
            1,
        );
        check("Ann,a@x,123456,Li\nma,pro\n", &[&short(2, 4, SPLIT), &short(3, 2, SPLIT)], 0);
        check("Ann,a@x,12\n3456,Lima,pro\n", &[&short(2, 3, SPLIT), &short(3, 3, SPLIT)], 0);
        check(
            "Ann,a@x,123456,Li\n\nma\nPeru,pro\nBo,b@x\n",
            &[&short(2, 4, SPLIT), &short(4, 1, SPLIT), &short(5, 2, SPLIT), "6 Bo|b@x|||"],
            1,
        );
        // The end of a cell of the row above.
        check("Ann,a@x,123456,Lima,pro\nplus\n", &["2 Ann|a@x|123456|Lima|pro", &short(3, 1, "")], 0);
        // Cut off.
        check("Ann,a@x,123456,Lima,pro\nBo,b@x,1234", &["2 Ann|a@x|123456|Lima|pro", &short(3, 3, CUT)], 0);
        check("Ann,a@x,123456,Lima,pro\nBo,b@x,1,Lima,p", &["2 Ann|a@x|123456|Lima|pro", "3 Bo|b@x|1|Lima|p"], 0);
        // A cell is missing before the last ones.
        check("Ann,a@x,123456,Lima,pro\nb@x,123457,Lima\n", &["2 Ann|a@x|123456|Lima|pro", &short(3, 3, "")], 0);
        check("Ann,a@x,123456,Lima,pro\nBo,123457,Lima,pro\n", &["2 Ann|a@x|123456|Lima|pro", &short(3, 4, "")], 0);
        // A file that writes blank cells at the end leaves none out.
        check("Ann,a@x,123456,Lima,\nBo,b@x\n", &["2 Ann|a@x|123456|Lima|", &short(3, 2, "")], 0);
        check("Ann,a@x,123456,,\nBo,b@x,\n", &["2 Ann|a@x|123456||", &short(3, 3, "")], 0);
        // After a row whose quotes are out of place.
        let after =
            "expected a delimiter after the closing quote of a cell, found text: quotes inside a cell must be doubled";
        check(
            "Ann,\"say \"hi\"\nyou\",123456,Lima,pro\nBo,b@x,123457\n",
            &[&format!("2 [] {after}"), &short(3, 4, ""), &short(4, 3, "")],
            0,
        );
    }

    #[test]
    fn a_list_of_rejected_rows_is_known_by_its_first_or_last_columns() {
        let told = SourceOptions { no_header: true, ..Format::Csv.into() };
        let check = |text: &str, expected: &[&str]| {
            let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
            let source = Source::from_reader("in.csv", reader, told.clone()).unwrap();
            let header: Vec<&str> = source.header().unwrap().iter().map(|column| &**column).collect();
            assert_eq!(header, expected, "{text:?}");
        };
        check("_line,_reason,column 1\n2,why,x\n", &["_line", "_reason", "column 1"]);
        check("column 1,_line,_reason\nx,2,why\n", &["column 1", "_line", "_reason"]);
        check("_line,column 1,_reason\n", &["column 1", "column 2", "column 3"]);
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
