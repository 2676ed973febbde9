//! Parses bytes into rows of cells.
//!
//! The parser is the one inside the `csv` crate, driven directly: `csv::Reader` reports the line before a row's blank lines
//! and, with CRLF, the line of the row before; it cannot bound a row, nor tell a quote that was never closed.

use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::{memchr, memchr_iter, memchr3, memrchr};

use super::super::lines::Lines;
use super::super::lookahead::View;
use super::super::{BOM, Bytes, Delimiter, SourceFault};
use super::block::{Block, End, Found, Short};
use super::known_lines::LineHashers;
use super::quotes::{Quotes, Quoting};
use super::usual::Usual;
use crate::core::byte_scan::positions;

/// How many bytes are searched for the rest of a cell whose opening quote is missing.
const SPLIT_CELL: usize = 4 * 1024;

/// Up to this number of cells, there is room for as many as are stored of a row.
const MANY_CELLS: usize = 4 * 1024;

/// The length of a short cell. Copying a fixed number of bytes is faster than copying as many as there are.
const SHORT_CELL: usize = 16;

/// The parser, with its input.
pub(super) struct Parser {
    bytes: Bytes,
    reader: Reader,
    lines: Lines,
    quotes: Quotes,
    quotes_by_rule: bool,
    // The number of bytes of the row that was just read, with what ended it.
    size: usize,
    // Set when rows are to be recognised in a later input.
    pub(super) hashers: Option<LineHashers>,
}

/// What the parser found of a row.
struct Parsed {
    // In bytes: of the row, and of the text that was stored of it.
    size: usize,
    written: usize,
    cells: usize,
    end: End,
    kept: bool,
    terminated: bool,
}

impl Parser {
    /// A parser from this line on. `quotes_by_rule` is whether each cell with a quote in it is quoted.
    pub(super) fn new(bytes: Bytes, delimiter: Delimiter, lines: Lines, quotes_by_rule: bool) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter.byte()).build();
        let quotes = Quotes::new(delimiter.byte());
        Self { bytes, reader, lines, quotes, quotes_by_rule, size: 0, hashers: None }
    }

    /// The bytes that come next, and the position among the lines.
    pub(super) const fn position(&mut self) -> (&mut Bytes, &mut Lines) {
        (&mut self.bytes, &mut self.lines)
    }

    /// Whether each cell with a quote in it is quoted.
    pub(super) const fn quotes_by_rule(&self) -> bool {
        self.quotes_by_rule
    }

    /// Reads one row, which is the `row`th, after those that `block` has, and says whether there was one. Past `limit`
    /// bytes, and past `columns` cells, nothing more of it is stored.
    pub(super) fn read(
        &mut self,
        block: &mut Block,
        row: u64,
        limit: usize,
        columns: usize,
    ) -> Result<bool, SourceFault> {
        let Some(follows_mark) = self.skip_empty_lines()? else { return Ok(false) };
        let hashed = self.hashers.as_mut().filter(|_| !follows_mark).and_then(|hashers| hashers.next(&mut self.bytes));
        self.read_row(block, (row, follows_mark), limit, columns)?;
        // A row of several lines is recognised by its cells.
        if let (Some((hash, length)), Some(found)) = (hashed, block.last_found())
            && self.size == length + usize::from(found.terminated)
        {
            found.hash = Some(hash);
        }
        Ok(true)
    }

    // Reads the row that begins here.
    fn read_row(
        &mut self,
        block: &mut Block,
        (row, follows_mark): (u64, bool),
        limit: usize,
        columns: usize,
    ) -> Result<(), SourceFault> {
        self.quotes.begin();
        let line = self.lines.number();
        if self.read_plain(block, (row, line, follows_mark), limit, columns)? {
            return Ok(());
        }
        let Parsed { size, written, cells, mut end, kept, terminated } = self.parse(block, line, limit, columns)?;
        // `kept` depends on the size of the buffer too. The limits decide, so that each run keeps the same rows.
        let kept = kept && size <= limit && cells <= columns;
        let quoting = match self.quotes.found() {
            Quoting::Stray if !self.quotes_by_rule => Quoting::Sound,
            found => found,
        };
        if let Quoting::Unclosed(breaks) = quoting {
            end = End::Unclosed { line: line + breaks };
        }
        let breaks = self.quotes.breaks();
        self.size = size;
        block.push(
            Found {
                row,
                line,
                cells,
                kept,
                end,
                terminated,
                quoting,
                breaks,
                follows_mark,
                total: None,
                short: Short::Rejected,
                hash: None,
            },
            written,
        );
        Ok(())
    }

    // Parses the row that begins here, which may have quotes.
    fn parse(&mut self, block: &mut Block, line: u64, limit: usize, columns: usize) -> Result<Parsed, SourceFault> {
        let (mut size, mut written, mut stored, mut cells) = (0_usize, 0, 0, 0);
        let (mut end, mut kept, mut terminated) = (End::Whole, true, true);
        loop {
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let at_end = chunk.is_empty();
            // A line break in place of the end: outside quotes it ends the row, inside it is one more byte. The parser has
            // no other way to tell that a quote is open.
            let input = if at_end { b"\n".as_slice() } else { chunk };
            let (text, ends) = block.room(written, stored);
            let (result, read, more, ended) = self.reader.read_record(input, text, ends);
            if !at_end {
                self.quotes.pass(&chunk[..read]);
                self.lines.pass(&chunk[..read]);
                self.bytes.consume(read);
            }
            (size, written, stored, cells) = (size + read, written + more, stored + ended, cells + ended);
            if size > limit {
                end = End::TooLong;
            }
            // A quoted cell with line breaks in a row that long has taken in the rows after it.
            if size > limit && self.quotes.most_breaks() > 0 {
                end = End::Unclosed { line: line + self.quotes.open().unwrap_or(0) };
                break;
            }
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => {
                    terminated = !at_end;
                    break;
                }
                ReadRecordResult::InputEmpty if at_end => {
                    end = End::Unclosed { line: line + self.quotes.open().unwrap_or(0) };
                    break;
                }
                ReadRecordResult::InputEmpty => {}
                // What is too long, or has too many cells, is rejected in any case: its room is filled again from the start.
                ReadRecordResult::OutputFull if end == End::TooLong || cells > columns => {
                    (written, kept) = (0, false);
                }
                ReadRecordResult::OutputFull => block.more_text(),
                ReadRecordResult::OutputEndsFull if end == End::TooLong || cells > columns => {
                    (stored, kept) = (0, false);
                }
                ReadRecordResult::OutputEndsFull => block.more_ends(),
            }
        }
        Ok(Parsed { size, written, cells, end, kept, terminated })
    }

    // Reads a row without quotes that is completely in memory, as most rows are: the text between delimiters is its cells. The
    // parser would find the same, byte by byte, but slower (`benches/reading`).
    fn read_plain(
        &mut self,
        block: &mut Block,
        (row, line, follows_mark): (u64, u64, bool),
        limit: usize,
        columns: usize,
    ) -> Result<bool, SourceFault> {
        let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
        let Some(size) = memchr3(b'\n', b'\r', b'"', chunk) else { return Ok(false) };
        let (text, end) = (&chunk[..size], chunk[size]);
        if end == b'"' || size >= limit {
            return Ok(false);
        }
        let delimiter = self.quotes.delimiter();
        // Nearly always there is room for as many cells as are stored, so that they need not be counted before.
        let most = if columns <= MANY_CELLS { columns } else { memchr_iter(delimiter, text).count() + 1 };
        if most > columns {
            return Ok(false);
        }
        let (stored, ends) = block.room_for(size + SHORT_CELL, most);
        let (mut cells, mut start, mut written) = (0, 0, 0);
        // Cells are short, so that this is faster than a search for each (benchmark: `reading`).
        for at in positions(text, delimiter).chain([size]) {
            let Some(end_of_cell) = ends.get_mut(cells) else { return Ok(false) };
            let length = at - start;
            match (chunk.get(start..start + SHORT_CELL), stored.get_mut(written..written + SHORT_CELL)) {
                // What is copied too much is overwritten by the next cell.
                (Some(cell), Some(stored)) if length <= SHORT_CELL => stored.copy_from_slice(cell),
                _ => stored[written..written + length].copy_from_slice(&text[start..at]),
            }
            written += length;
            *end_of_cell = written;
            (cells, start) = (cells + 1, at + 1);
        }
        self.lines.end(end);
        self.bytes.consume(size + 1);
        self.size = size + 1;
        let found = Found {
            row,
            line,
            cells,
            kept: true,
            end: End::Whole,
            terminated: true,
            quoting: Quoting::Sound,
            breaks: 0,
            follows_mark,
            total: None,
            short: Short::Rejected,
            hash: None,
        };
        block.push(found, written);
        Ok(true)
    }

    /// Whether the last cell of the row that was just read goes on in the next lines, because its opening quote is missing:
    /// how many lines there are up to its closing quote. A row has at least `needed` cells, and is usually like this.
    pub(super) fn split_lines(&mut self, needed: usize, usual: &Usual) -> Option<u64> {
        if !self.quotes_by_rule || self.quotes.ended_quoted() {
            return None;
        }
        let delimiter = self.quotes.delimiter();
        let mut count = 0;
        let next = self.bytes.peek(SPLIT_CELL).bytes;
        let lines = next.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
        for line in lines {
            count += 1;
            let Some(quote) = memchr(b'"', line) else {
                if memchr_iter(delimiter, line).count() + 1 >= needed {
                    return None;
                }
                continue;
            };
            let start = memrchr(delimiter, &line[..quote]).map_or(0, |at| at + 1);
            let end = memchr(delimiter, &line[quote..]).map_or(line.len(), |at| quote + at);
            let cell = line[start..end].trim_ascii();
            let is_stray = cell.first() != Some(&b'"') && cell.last() == Some(&b'"');
            return (is_stray && !usual.is_like(line[..quote].split(|byte| *byte == delimiter))).then_some(count);
        }
        None
    }

    /// How many cells of the row that was just read are quoted and hold something.
    pub(super) const fn quoted(&self) -> usize {
        self.quotes.quoted()
    }

    /// The next bytes of the input.
    pub(super) fn peek(&mut self, count: usize) -> View<'_> {
        self.bytes.peek(count)
    }

    // The parser would skip them too, but only this way the row's own line is known. `None` at the end of the input. A byte
    // order mark at the beginning of a line is that of a file which was appended to another: whether there was one.
    fn skip_empty_lines(&mut self) -> Result<Option<bool>, SourceFault> {
        let mut follows_mark = false;
        loop {
            let line = self.lines.number();
            let chunk = self.bytes.fill_buf().map_err(|cause| SourceFault::Read { line, cause })?;
            let breaks = chunk.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let at_row = breaks < chunk.len();
            let at_end = chunk.is_empty();
            let may_be_mark = chunk.get(breaks) == Some(&BOM[0]);
            self.lines.pass(&chunk[..breaks]);
            self.bytes.consume(breaks);
            if may_be_mark && self.bytes.peek(BOM.len()).bytes.starts_with(BOM) {
                self.bytes.consume(BOM.len());
                follows_mark = true;
                continue;
            }
            if at_row || at_end {
                return Ok(at_row.then_some(follows_mark));
            }
        }
    }
}
