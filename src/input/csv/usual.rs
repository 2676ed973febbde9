//! What the first rows of a file show of all of them: what each column holds, whether blank cells are left out at the ends of
//! rows, and whether the program that wrote the file quotes cells as RFC 4180 asks for.

use memchr::memchr_iter;

use super::super::delimiter::each_row;
use super::super::lookahead::View;

const QUOTE: u8 = b'"';

/// The fewest digits of what is taken for a number, such as a phone or a postal code.
const DIGITS: usize = 5;

/// The fewest digits of a number that is a phone rather than a postal code or a date.
const PHONE_DIGITS: usize = 7;

/// How many rows must lack cells at their ends for the file to be one that leaves out blank cells.
const SHORT_ROWS: usize = 2;

/// How many quoted cells show how the program that wrote the file quotes.
const QUOTED_CELLS: usize = 3;

/// How many rows in which each cell that is not blank is quoted, the header among them, show that the program quotes them all.
const QUOTED_ROWS: u64 = 2;

/// What a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Blank,
    Mail,
    Number,
    Text,
}

/// What the first rows show.
#[derive(Debug)]
pub(super) struct Usual {
    // Of each column: what most of its cells are.
    kinds: Vec<Kind>,
    // Of each column: whether most of its cells are phones.
    phones: Vec<bool>,
    leaves_out_blanks: bool,
    // Whether some cell begins with a blank, after a delimiter.
    begins_blank: bool,
    // How many rows there were with quotes around each cell that is not blank; `None` after one without.
    quoted_rows: Option<u64>,
}

impl Kind {
    pub(in super::super) fn of(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        let is_number = |byte: &u8| byte.is_ascii_digit() || b"+-()./ \t".contains(byte);
        if cell.is_empty() {
            Self::Blank
        } else if is_mail(cell) {
            Self::Mail
        } else if digits(cell) >= DIGITS && cell.iter().all(is_number) {
            Self::Number
        } else {
            Self::Text
        }
    }

    /// Whether it shows which column the cell belongs to.
    pub(in super::super) const fn is_telling(self) -> bool {
        matches!(self, Self::Mail | Self::Number)
    }
}

/// Whether a cell is an e-mail address or has as many digits as a phone number.
pub(in super::super) fn is_address(cell: &[u8]) -> bool {
    match Kind::of(cell) {
        Kind::Mail => true,
        Kind::Number => digits(cell) >= PHONE_DIGITS,
        Kind::Blank | Kind::Text => false,
    }
}

// A sentence with an address in it is none.
fn is_mail(cell: &[u8]) -> bool {
    memchr_iter(b'@', cell).count() == 1 && !cell.iter().any(u8::is_ascii_whitespace)
}

fn digits(cell: &[u8]) -> usize {
    cell.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// By column: how many cells are not blank, are an e-mail address, are a number, and are a phone.
#[derive(Debug, Default)]
struct Counts(Vec<[usize; 4]>);

impl Counts {
    fn add<'a>(&mut self, row: impl ExactSizeIterator<Item = &'a [u8]>) {
        if self.0.len() < row.len() {
            self.0.resize(row.len(), [0; 4]);
        }
        for (count, cell) in self.0.iter_mut().zip(row) {
            let kind = Kind::of(cell);
            count[0] += usize::from(kind != Kind::Blank);
            count[1] += usize::from(kind == Kind::Mail);
            count[2] += usize::from(kind == Kind::Number);
            count[3] += usize::from(kind == Kind::Number && is_address(cell));
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let kind = |&[all, mails, numbers, _]: &[usize; 4]| {
            if mails > 0 && mails * 2 >= all {
                Kind::Mail
            } else if numbers > 0 && numbers * 2 >= all {
                Kind::Number
            } else {
                Kind::Text
            }
        };
        self.0.iter().map(kind).collect()
    }
}

/// What most cells of each column of these rows are.
pub(in super::super) fn kinds_of<'a, R>(rows: impl Iterator<Item = R>) -> Vec<Kind>
where
    R: ExactSizeIterator<Item = &'a [u8]>,
{
    let mut counts = Counts::default();
    rows.for_each(|row| counts.add(row));
    counts.kinds()
}

impl Usual {
    /// Of a text whose header ends before `start` and needs so many cells.
    pub(super) fn of(start: &View<'_>, delimiter: u8, needed: usize) -> Self {
        let (mut ends_blank, mut begins_blank, mut short) = (false, false, 0);
        let mut counts = Counts::default();
        each_row(start, delimiter, |row| {
            ends_blank |= row.len() > 1 && row.last().is_some_and(|cell| cell.trim_ascii().is_empty());
            begins_blank |= row.iter().skip(1).any(|cell| cell.starts_with(b" "));
            short += usize::from(row.len() > 1 && row.len() < needed);
            counts.add(row.iter().copied());
        });
        let leaves_out_blanks = !ends_blank && short >= SHORT_ROWS;
        let is_phone = |&[_, _, numbers, phones]: &[usize; 4]| phones * 2 > numbers;
        Self {
            kinds: counts.kinds(),
            phones: counts.0.iter().map(is_phone).collect(),
            leaves_out_blanks,
            begins_blank,
            quoted_rows: Some(0),
        }
    }

    /// What most cells of each column are, as far as the first rows go.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether some of these cells, the first of a row, are a number or an address where the other rows have one, and none is
    /// something else.
    pub(super) fn is_like<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut is_like = false;
        for (cell, usual) in cells.zip(&self.kinds).filter(|(_, usual)| usual.is_telling()) {
            match Kind::of(cell) {
                Kind::Blank => {}
                kind if kind == *usual => is_like = true,
                Kind::Mail | Kind::Number | Kind::Text => return false,
            }
        }
        is_like
    }

    /// Whether rows end with their last cell that is not blank.
    pub(super) const fn leaves_out_blanks(&self) -> bool {
        self.leaves_out_blanks
    }

    /// Whether most cells of a column, from 0, that are numbers are phones.
    pub(super) fn are_phones(&self, column: usize) -> bool {
        self.phones.get(column) == Some(&true)
    }

    /// Whether some cell of the first rows begins with a blank, after a delimiter.
    pub(super) const fn begins_blank(&self) -> bool {
        self.begins_blank
    }

    /// Takes note of a row whose quotes are sound, and of whether each of its cells that is not blank is quoted.
    pub(super) fn saw_quoted(&mut self, all: bool) {
        self.quoted_rows = self.quoted_rows.filter(|_| all).map(|rows| rows + 1);
    }

    /// Whether no cell so far that is not blank is without quotes.
    pub(super) const fn may_quote_all(&self) -> bool {
        self.quoted_rows.is_some()
    }

    /// Whether each cell of all rows so far that is not blank is quoted.
    pub(super) fn quotes_all(&self) -> bool {
        self.quoted_rows.is_some_and(|rows| rows > QUOTED_ROWS)
    }

    /// Takes note of a row that ends with a blank cell.
    pub(super) const fn ended_blank(&mut self) {
        self.leaves_out_blanks = false;
    }
}

/// Whether the program that wrote this text quotes a cell that has a quote in it: it quotes cells that need no quotes, or
/// doubles the quotes inside quoted cells, and hardly ever leaves a quote at the end of a cell without quotes.
pub(super) fn quotes_by_rule(text: &[u8], delimiter: u8) -> bool {
    let ends = |byte: u8| byte == delimiter || matches!(byte, b'\n' | b'\r');
    let (mut by_rule, mut against) = (0, 0);
    let mut rest = text;
    while !rest.is_empty() {
        let mut at;
        if rest[0] == QUOTE {
            at = 1;
            let (mut is_needed, mut is_doubled, mut is_closed) = (false, false, false);
            while let Some(byte) = rest.get(at) {
                at += 1;
                if *byte != QUOTE {
                    is_needed |= ends(*byte);
                } else if rest.get(at) == Some(&QUOTE) {
                    is_doubled = true;
                    at += 1;
                } else {
                    is_closed = rest.get(at).is_none_or(|next| ends(*next));
                    break;
                }
            }
            by_rule += usize::from(is_closed && (!is_needed || is_doubled));
            at += rest[at..].iter().position(|byte| ends(*byte)).unwrap_or(rest.len() - at);
        } else {
            at = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
            against += usize::from(rest[..at].trim_ascii_end().last() == Some(&QUOTE));
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    by_rule >= QUOTED_CELLS && against * 3 <= by_rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_known_by_what_it_holds() {
        let check = |cell: &str, expected: Kind| assert_eq!(Kind::of(cell.as_bytes()), expected, "{cell:?}");
        check(" ", Kind::Blank);
        check("a@x.mx", Kind::Mail);
        check(" a@x.mx ", Kind::Mail);
        check("write to a@x.mx", Kind::Text);
        check("a@x.mx\nb@x.mx", Kind::Text);
        check("a@x.mx;b@x.mx", Kind::Text);
        check("+52 (155) 1234-5678", Kind::Number);
        check("06000", Kind::Number);
        check("0600", Kind::Text);
    }

    #[test]
    fn a_program_that_quotes_by_the_rule_is_known_by_its_quotes() {
        let check =
            |text: &str, expected: bool| assert_eq!(quotes_by_rule(text.as_bytes(), b','), expected, "{text:?}");
        check("\"a\",\"b\"\n\"1\",\"2\"\n", true);
        check("\"a\",\"b\"\n\"1\",2\"\n", true);
        check("a,b\n1,\"x \"\"y\"\"\"\n2,\"5\"\"\"\n3,\"\"\"z\"\"\"\n", true);
        // Cells that need their quotes show nothing, and so do few of them.
        check("a,b\n1,\"x, y\"\n2,\"x, y\"\n3,\"x\ny\"\n4,\"z, w\"\n", false);
        check("\"a\",b\n1,2\n", false);
        // Inches.
        check("a,b\n\"1\",5'7\"\n\"2\",6'1\"\n\"3\",5'2\"\n", false);
        check("a,b\n1,5\"\n2,6\"\n", false);
        check("", false);
    }
}
