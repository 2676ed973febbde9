//! The kind of a cell by its text: an e-mail address, a number or other text; and the kind of most cells of a column.

use memchr::memchr;

/// The fewest digits of a number, such as a phone or a postal code.
const DIGITS: usize = 5;

/// The fewest digits of a number that is a phone rather than a postal code or a date.
const PHONE_DIGITS: usize = 7;

/// The kind of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Mail,
    Number,
    Text,
}

impl Kind {
    pub(super) fn of(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        let is_number =
            |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'(' | b')' | b'.' | b'/' | b' ' | b'\t');
        if cell.is_empty() {
            Self::Blank
        } else if cell.iter().all(is_number) {
            // A cell of these characters has no `@`, so it is no address.
            if digits(cell) >= DIGITS { Self::Number } else { Self::Text }
        } else if is_mail(cell) {
            Self::Mail
        } else {
            Self::Text
        }
    }

    /// Whether it identifies the column that the cell belongs to.
    pub(super) const fn is_telling(self) -> bool {
        matches!(self, Self::Mail | Self::Number)
    }
}

/// Whether a cell is an e-mail address or has as many digits as a phone number.
pub(super) fn is_address(cell: &[u8]) -> bool {
    match Kind::of(cell) {
        Kind::Mail => true,
        Kind::Number => digits(cell) >= PHONE_DIGITS,
        Kind::Blank | Kind::Text => false,
    }
}

// A sentence that contains an address is not an address.
fn is_mail(cell: &[u8]) -> bool {
    memchr(b'@', cell).is_some_and(|at| memchr(b'@', &cell[at + 1..]).is_none())
        && !cell.iter().any(u8::is_ascii_whitespace)
}

fn digits(cell: &[u8]) -> usize {
    cell.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// For each column, the number of cells that are not blank, e-mail addresses, numbers, and phones.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<[usize; 4]>);

impl Counts {
    /// Counts the cells of a row.
    pub(super) fn add<'a>(&mut self, row: impl ExactSizeIterator<Item = &'a [u8]>) {
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

    /// The kind of most cells of each column.
    pub(super) fn kinds(&self) -> Vec<Kind> {
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

    /// For each column, whether most of its numbers are phones.
    pub(super) fn phones(&self) -> Vec<bool> {
        let is_phone = |&[_, _, numbers, phones]: &[usize; 4]| phones * 2 > numbers;
        self.0.iter().map(is_phone).collect()
    }
}

/// The kind of most cells of each column of these rows.
pub(super) fn kinds_of<'a, R>(rows: impl Iterator<Item = R>) -> Vec<Kind>
where
    R: ExactSizeIterator<Item = &'a [u8]>,
{
    let mut counts = Counts::default();
    rows.for_each(|row| counts.add(row));
    counts.kinds()
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
}
