//! Rows of a CSV file: bytes are parsed (`parser`), stored for many rows in one block (`block`) and decoded later on any
//! thread (`decoder`).

mod beside;
mod block;
mod decoder;
mod dialect;
mod known_lines;
mod parser;
mod quoted_lines;
mod quotes;
mod rewriter;
mod short;
mod swallow;
mod usual;

use std::collections::VecDeque;
use std::io::BufRead as _;
use std::sync::Arc;

use super::cell_kind::Kind;
use super::columns::Columns;
use super::encoding::Found as FoundCharset;
use super::lines::Lines;
use super::lookahead::View;
use super::notice::{NoticeKind, Notices};
use super::{Bytes, Delimiter, MAX_ROW, Row, SourceFault, SourceOptions, delimiter, sniff, titles, total};
use crate::core::output_format::{LINE_COLUMN, REASON_COLUMN};
use crate::core::record::{Cells, TotalRow};
use crate::core::snapshot::{Recognition, RowHash, SnapshotKey};
use crate::core::total::ColumnSums;

use self::beside::Beside;
pub(super) use self::beside::{Counts as BesideCounts, MOVED, RowBeside, Stray};
pub(super) use self::block::Block;
use self::block::{End, RawRow, Room, Short};
pub(super) use self::decoder::Decoder;
use self::dialect::{Dialect, MixedApostrophes};
use self::known_lines::LineHashers;
use self::parser::Parser;
use self::quotes::Quoting;
use self::short::Outline;
use self::swallow::{RowShape, Swallow};
use self::usual::{Usual, quotes_by_rule};

/// Maximum size of a header, in bytes: every column takes memory as long as the file is open.
const MAX_HEADER: usize = 1024 * 1024;

/// The fewest empty cells after those of the header that are stored. A row with many more belongs to another table.
const SPARE_CELLS: usize = 64;

/// How many bytes of skipped rows are passed on at once.
const SKIPPED: usize = if cfg!(test) { 256 } else { 4 * 1024 * 1024 };

/// How many rows before and after a short one are examined.
const NEIGHBOURS: usize = 2;

/// The rows of a CSV file whose header has been read.
pub(super) struct Rows {
    parser: Parser,
    delimiter: Delimiter,
    decoder: Arc<Decoder>,
    has_header: bool,
    likely_header: Option<u64>,
    // The first row, if it is a contact.
    first: Option<Block>,
    // The number of rows that were read.
    row: u64,
    // What the first rows show about the file.
    usual: Usual,
    // The previous rows, the latest last.
    before: VecDeque<Outline>,
    // Rows that were read ahead because of a short one before them; and how reading ended, if it did.
    lookahead: VecDeque<Block>,
    // Of the rows so far that were not skipped, and whether any were.
    sums: ColumnSums,
    has_skipped: bool,
    // How many rows are parsed before known ones are looked for again.
    to_parse: usize,
    ended: Option<Result<(), SourceFault>>,
    // The last row that was read outside a block.
    alone: Block,
    // The capacity that the rows of the last block needed.
    taken: Room,
}

impl Rows {
    /// Reads up to the header. Options that are not set are detected.
    pub(super) fn new(
        mut bytes: Bytes,
        charset: FoundCharset,
        notices: Notices,
        given: &SourceOptions,
    ) -> Result<Self, SourceFault> {
        let mut lines = Lines::default();
        let named = skip_lines(&mut bytes, &mut lines, given)?;
        if quoted_lines::is_quoted_by_line(&bytes.peek(sniff::SAMPLE)) {
            notices.add(NoticeKind::QuotedLines, lines.number());
            bytes = quoted_lines::unwrapped(bytes);
        }
        let tabs = (given.format == Some(super::Format::Tsv)).then_some(Delimiter::TAB);
        let known = given.delimiter.or(tabs).or(named);
        let delimiter = known.unwrap_or_else(|| delimiter::detect(&bytes.peek(sniff::SAMPLE)));
        let mut below = || titles::header_below(&bytes.peek(sniff::SAMPLE), known.map(Delimiter::byte), lines.number());
        let likely_header = if given.no_header { None } else { below() };
        let mut bytes =
            dialect_of(&bytes.peek(sniff::SAMPLE), delimiter, &mut lines)?.rewritten(bytes, delimiter.byte());
        let by_rule = quotes_by_rule(bytes.peek(sniff::SAMPLE).bytes, delimiter.byte());
        let mut parser = Parser::new(bytes, delimiter, lines, by_rule);
        let mut first = Block::default();
        parser.read(&mut first, 1, MAX_HEADER, usize::MAX)?;
        let Some(raw) = first.last() else { return Err(SourceFault::Empty) };
        let is_quoted = parser.quoted() == raw.filled();
        let (mut columns, has_header) = columns_of(&raw, given.no_header)?;
        // Of a title above the header, such as a telephone of the company, a later warning names the line of the header.
        if let Some(column) = columns.contact_at().filter(|_| has_header && likely_header.is_none()) {
            return Err(SourceFault::NoHeader { line: raw.found.line, column });
        }
        let holding = delimiter::holding(&parser.peek(sniff::SAMPLE), delimiter, columns.unnamed());
        columns.set_unnamed(holding);
        let first = (!has_header).then_some(first);
        let mut usual = Usual::of(&parser.peek(sniff::SAMPLE), delimiter.byte(), columns.needed());
        if columns.are_of_rejects() {
            usual.ended_blank();
        }
        // Without a header, that row is read again as the first contact.
        if has_header {
            usual.saw_quoted(is_quoted);
        }
        let beside = Beside::of(&parser.peek(sniff::SAMPLE), delimiter.byte(), &columns);
        let decoder = Arc::new(Decoder::new(columns, charset, notices, delimiter, beside));
        Ok(Self {
            parser,
            delimiter,
            decoder,
            has_header,
            likely_header,
            first,
            row: 0,
            usual,
            before: VecDeque::new(),
            lookahead: VecDeque::new(),
            sums: ColumnSums::default(),
            has_skipped: false,
            to_parse: 0,
            ended: None,
            alone: Block::default(),
            taken: Room::default(),
        })
    }

    pub(super) fn columns(&self) -> &Columns {
        self.decoder.columns()
    }

    /// Whether the first row names the columns.
    pub(super) const fn has_header(&self) -> bool {
        self.has_header
    }

    /// The line of a later row that looks more like the header.
    pub(super) const fn likely_header(&self) -> Option<u64> {
        self.likely_header
    }

    pub(super) fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// Decodes what is read [in blocks](Self::block).
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

    /// The cells that could be read of the row that was just rejected.
    pub(super) fn remains(&self) -> Option<Cells> {
        self.alone.last().and_then(|raw| self.decoder.remains(raw))
    }

    /// Hashes rows from now on, so that they can be recognised in a later input.
    pub(super) fn hash_lines(&mut self, key: &SnapshotKey) {
        let context = format!(
            "{:?} {:?} {:?} {:?} {} {:?}",
            self.columns().layout(),
            self.decoder.beside(),
            self.delimiter,
            self.usual.kinds(),
            self.parser.quotes_by_rule(),
            self.has_header
        );
        self.parser.hashers = Some(LineHashers::new(key, context, self.decoder.charset().clone()));
    }

    /// Whether the last row is a total for which the sums of all rows are needed, and rows were skipped.
    pub(super) fn lacks_sums(&self, block: &Block) -> bool {
        self.has_skipped && block.total().is_some()
    }

    // Skips rows that are as they were in the last input, up to `most` bytes. Returns how many bytes were skipped.
    fn skip_known(&mut self, block: &mut Block, recognition: &Recognition<'_>, most: usize) -> usize {
        if self.to_parse > 0 {
            self.to_parse -= 1;
            return 0;
        }
        let is_ahead = self.first.is_some() || !self.lookahead.is_empty() || self.ended.is_some();
        let are_judged = self.usual.leaves_out_blanks() || self.columns().are_of_rejects();
        if is_ahead || are_judged {
            return 0;
        }
        let Some(mut hashers) = self.parser.hashers.take() else { return 0 };
        let all_quoted = self.usual.may_quote_all();
        let from = (self.row + 1, all_quoted, most);
        let skipping = known_lines::skip(self.parser.position(), &mut hashers, recognition, block, from);
        self.parser.hashers = Some(hashers);
        if all_quoted {
            self.usual.saw_quoted_rows(skipping.rows);
        }
        self.row += skipping.rows;
        self.has_skipped |= skipping.rows > 0;
        self.to_parse = skipping.to_parse.saturating_sub(1);
        skipping.bytes
    }

    /// Reads up to `rows` rows and about `bytes` bytes. Returns whether there may be more. Rows that are recognised are
    /// skipped, and do not count as rows.
    pub(super) fn block(
        &mut self,
        rows: usize,
        bytes: usize,
        recognition: Option<&Recognition<'_>>,
    ) -> (Block, Result<bool, SourceFault>) {
        let mut block = Block::with_room_of(self.taken);
        let mut skipped = 0;
        while block.len() < rows && block.weight() < bytes && skipped < SKIPPED {
            if let Some(recognition) = recognition {
                skipped += self.skip_known(&mut block, recognition, SKIPPED - skipped);
            }
            match self.read(&mut block) {
                Ok(true) => {}
                ended => return (block, ended),
            }
        }
        // The size of a single long row is not typical.
        if block.weight() <= bytes {
            self.taken = block.room_taken();
        }
        (block, Ok(true))
    }

    /// Reads the next row into `block`, after those that it has. Returns whether there was one.
    fn read(&mut self, block: &mut Block) -> Result<bool, SourceFault> {
        if let Some(next) = self.lookahead.pop_front() {
            next.last().into_iter().for_each(|row| block.push_row(row));
        } else if let Some(ended) = self.ended.take() {
            return ended.map(|()| false);
        } else if !self.parse(block)? {
            return Ok(false);
        }
        self.row += 1;
        self.judge(block);
        self.find_total(block);
        if let Some(raw) = block.last().filter(|raw| raw.found.kept) {
            self.sums.add(raw.found.cells, |at| raw.cell(at));
        }
        if let Some(found) = block.last_found() {
            found.row = self.row;
        }
        Ok(true)
    }

    /// Parses the next row that is not blank and not a repeated header.
    fn parse(&mut self, block: &mut Block) -> Result<bool, SourceFault> {
        let columns = most_cells(self.columns().len());
        loop {
            if let Some(first) = self.first.take() {
                // Nothing was read before it.
                *block = first;
            } else if !self.parser.read(block, self.row + 1, MAX_ROW, columns)? {
                return Ok(false);
            }
            let needed = self.columns().needed();
            if let Some(found) =
                block.last_found().filter(|found| found.quoting == Quoting::Sound && found.cells >= needed)
                && let Some(lines) = self.parser.split_lines(needed, &self.usual)
            {
                found.quoting = Quoting::Split { lines };
            }
            let Some(raw) = block.last() else { return Ok(false) };
            let is_sound = raw.found.quoting == Quoting::Sound && !raw.is_blank();
            if is_sound && (self.usual.may_quote_all() || raw.found.hash.is_some()) {
                let all_quoted = raw.found.kept && self.parser.quoted() == raw.filled();
                self.usual.saw_quoted(all_quoted);
                if let Some(found) = block.last_found().filter(|_| all_quoted) {
                    found.hash = found.hash.map(RowHash::quoted);
                }
            }
            let Some(raw) = block.last() else { return Ok(false) };
            // The parser drops empty lines. A line of spaces or delimiters looks just as empty in a spreadsheet.
            if raw.is_blank() {
                block.pop();
            } else if self.has_header && repeats_header(raw, self.columns()) {
                self.decoder.notices().add(NoticeKind::RepeatedHeader, raw.found.line);
                block.pop();
            } else if self.has_header && is_second_header(raw, self.columns(), &self.usual) {
                let line = raw.found.line;
                block.pop();
                return Err(SourceFault::SecondHeader { line });
            } else if let End::Unclosed { line } = raw.found.end {
                block.pop();
                return Err(SourceFault::Unclosed { line });
            } else if raw.found.breaks > 0 {
                let cells = (self.columns().needed(), self.columns().len());
                let shape = RowShape { cells, delimiter: self.delimiter.byte(), usual: &self.usual };
                match Swallow::of(raw, shape) {
                    Swallow::Nothing => return Ok(true),
                    Swallow::Rows { line } => {
                        block.pop();
                        return Err(SourceFault::Unclosed { line });
                    }
                    Swallow::Doubtful { cell, first, last } => {
                        if let Some(found) = block.last_found().filter(|found| found.quoting == Quoting::Sound) {
                            found.quoting = Quoting::Doubtful { cell, first, last };
                        }
                        return Ok(true);
                    }
                }
            } else {
                return Ok(true);
            }
        }
    }

    // Marks the last row of `block` if it is a total below the last contact.
    fn find_total(&mut self, block: &mut Block) {
        let Some(raw) = block.last() else { return };
        let found = raw.found;
        let is_whole = found.end == End::Whole && found.kept && found.quoting == Quoting::Sound;
        if !is_whole || !self.has_header || self.columns().are_of_rejects() {
            return;
        }
        let cells = || (0..found.cells).map(|at| raw.cell(at));
        if !total::may_be(cells(), self.usual.kinds()) {
            return;
        }
        // The last line of a file that was cut off may be the beginning of a contact: `Soma,3` of `Soma,34,soma@…`.
        if !found.terminated && found.cells < self.columns().needed() && !total::is_sure(cells()) {
            return;
        }
        self.read_ahead(1);
        let is_last = self.lookahead.is_empty();
        let adds_up =
            is_last && block.last().is_some_and(|raw| self.sums.add_up((0..raw.found.cells).map(|at| raw.cell(at))));
        if let Some(found) = block.last_found().filter(|_| is_last) {
            found.total = Some(if adds_up { TotalRow::AddsUp } else { TotalRow::Likely });
        }
    }

    // Reads so many rows ahead, or as many as there are.
    fn read_ahead(&mut self, rows: usize) {
        while self.lookahead.len() < rows && self.ended.is_none() {
            let mut next = Block::default();
            match self.parse(&mut next) {
                Ok(true) => self.lookahead.push_back(next),
                ended => self.ended = Some(ended.map(|_| ())),
            }
        }
    }

    /// Decides how the last row of `block` is treated if it is short.
    fn judge(&mut self, block: &mut Block) {
        let (needed, columns) = (self.columns().needed(), self.columns().len());
        let Some(raw) = block.last() else { return };
        if !self.usual.leaves_out_blanks() {
            let is_cut = !raw.found.terminated && Outline::of(raw, needed).is_short();
            if let Some(found) = block.last_found().filter(|_| is_cut) {
                found.short = Short::Cut;
            }
            return;
        }
        if raw.ends_blank() {
            self.usual.ended_blank();
            return;
        }
        let own = Outline::of(raw, needed);
        if own.is_short() {
            self.read_ahead(NEIGHBOURS);
            let after: Vec<Outline> =
                self.lookahead.iter().filter_map(|row| Some(Outline::of(row.last()?, needed))).collect();
            let before = self.before.make_contiguous();
            let short = short::judge(&self.usual, raw, before, &own, &after, (needed, columns));
            if let Some(found) = block.last_found() {
                found.short = short;
            }
        }
        if self.before.len() == NEIGHBOURS {
            self.before.pop_front();
        }
        self.before.push_back(own);
    }
}

// Skips the lines above the header. Returns the delimiter of a first line like `sep=;`, which counts as one of them.
fn skip_lines(bytes: &mut Bytes, lines: &mut Lines, given: &SourceOptions) -> Result<Option<Delimiter>, SourceFault> {
    let named = delimiter::named(bytes.peek(sniff::SAMPLE).bytes);
    // A list of rejected rows lacks the lines above the header of its input.
    let mut skipped = if begins_list(bytes.peek(sniff::SAMPLE).bytes) { 0 } else { given.skip_lines };
    if let Some((_, length)) = named {
        skipped = skipped.saturating_sub(1);
        lines.pass(&bytes.peek(length).bytes[..length]);
        bytes.consume(length);
    }
    for _ in 0..skipped {
        if !lines.skip_one(bytes).map_err(|cause| SourceFault::Read { line: lines.number(), cause })? {
            break;
        }
    }
    Ok(named.map(|(delimiter, _)| delimiter))
}

fn repeats_header(raw: RawRow<'_>, columns: &Columns) -> bool {
    let found = raw.found;
    let is_whole = found.end == End::Whole && found.quoting == Quoting::Sound && found.kept;
    is_whole && found.cells >= columns.needed() && columns.are_repeated_by((0..found.cells).map(|at| raw.cell(at)))
}

// Whether a row is another header. Most rows have a number or an address in such a column, and need no further check.
fn is_second_header(raw: RawRow<'_>, columns: &Columns, usual: &Usual) -> bool {
    let found = raw.found;
    if found.end != End::Whole || !found.kept || found.quoting != Quoting::Sound {
        return false;
    }
    let kinds = usual.kinds();
    let telling = || (0..found.cells.min(kinds.len())).filter(|at| kinds[*at].is_telling());
    let is_text = |at: usize| matches!(Kind::of(raw.cell(at)), Kind::Text | Kind::Blank);
    let cells = || (0..found.cells).map(|at| raw.cell(at));
    let may_be = telling().next().map_or_else(|| columns.may_name(raw.cell(0)), is_text);
    (may_be && columns.are_renamed_by(cells(), found.follows_mark))
        || (telling().any(is_text) && columns.are_renamed_at(cells(), telling()))
        || (telling().next().is_none() && columns.are_all_headings(cells()))
}

// The number of cells of a row that are stored. A row with a few more cells is listed completely.
const fn most_cells(columns: usize) -> usize {
    (columns + SPARE_CELLS + 1).next_power_of_two()
}

// Whether text begins with the header of a list of rejected rows.
fn begins_list(text: &[u8]) -> bool {
    let name = |text: &[u8], name: &str| {
        let quoted = [b"\"", name.as_bytes(), b"\""].concat();
        [quoted.as_slice(), name.as_bytes()].iter().find(|name| text.starts_with(name)).map(|name| name.len())
    };
    let after_line = name(text, LINE_COLUMN).and_then(|length| text.get(length + 1..));
    after_line.is_some_and(|rest| name(rest, REASON_COLUMN).is_some())
}

// The dialect of a file that begins like this; `lines` is moved to the line of an error.
fn dialect_of(start: &View<'_>, delimiter: Delimiter, lines: &mut Lines) -> Result<Dialect, SourceFault> {
    Dialect::of(start, delimiter.byte()).map_err(|MixedApostrophes { at }| {
        lines.pass(&start.bytes[..at]);
        SourceFault::Apostrophes { line: lines.number() }
    })
}

// The columns by the first row, and whether it is a header.
fn columns_of(first: &RawRow<'_>, no_header: bool) -> Result<(Columns, bool), SourceFault> {
    let line = first.found.line;
    if first.found.end != End::Whole {
        return Err(SourceFault::Endless { line });
    }
    if first.found.quoting != Quoting::Sound {
        return Err(SourceFault::Quotes { line });
    }
    let cells = (0..first.found.cells).map(|at| first.cell(at));
    let has_header = !no_header || is_of_rejects(cells.clone());
    let columns = if has_header { Columns::named(line, cells)? } else { Columns::numbered(first.found.cells) };
    Ok((columns, has_header))
}

// A list of rejected rows has a header even if its input has none, and is read with the options of its input.
fn is_of_rejects<'a>(cells: impl DoubleEndedIterator<Item = &'a [u8]> + Clone) -> bool {
    let ours = [LINE_COLUMN, REASON_COLUMN].map(str::as_bytes);
    // In lists of earlier versions, they are the last two columns.
    cells.clone().take(ours.len()).eq(ours) || cells.rev().take(ours.len()).eq(ours.into_iter().rev())
}

#[cfg(test)]
mod tests;
