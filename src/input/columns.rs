//! The columns of an input with a header: their names and positions.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::from_utf8;
use std::sync::Arc;

use crate::core::text::{bare_name, is_digits, visible};

use super::SourceFault;
use super::cell_kind::Kind;
use crate::core::email::email_address;
use crate::core::headings::is_heading;
use crate::core::output_format::{self, LINE_COLUMN, REASON_COLUMN};
use crate::core::record::Texts;
use crate::core::total;

/// The columns of an input, in file order.
#[derive(Debug)]
pub(super) struct Columns {
    // The name of each column; `None` for a column without a name, whose cells are ignored.
    names: Vec<Option<Arc<str>>>,
    header: Vec<Arc<str>>,
    // The names in lowercase, without a colon after them, with the position of the first column of each.
    folded: HashMap<String, usize>,
    // The number of cells that a row needs: up to the last column with a name.
    needed: usize,
    unnamed: Vec<usize>,
    // The positions of the line and the reason in the header of a list of rejected rows.
    listed: Option<(usize, usize)>,
}

/// Why a row of a list of rejected rows is rejected again, and how many of its cells belong to the row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uncorrected {
    pub(super) reason: &'static str,
    pub(super) own: usize,
}

impl Columns {
    /// Everything that decides how rows are read.
    pub(super) fn layout(&self) -> impl fmt::Debug {
        (&self.names, &self.header, self.needed, self.listed)
    }

    /// The columns of a header.
    pub(super) fn named<'a>(line: u64, cells: impl Iterator<Item = &'a [u8]>) -> Result<Self, SourceFault> {
        let mut names = Vec::new();
        let mut positions: HashMap<Arc<str>, usize> = HashMap::new();
        for (at, cell) in cells.enumerate() {
            let text = from_utf8(cell).map_err(|error| {
                let found = format!("another encoding at byte {}", error.valid_up_to() + 1);
                SourceFault::Encoding { line, column: at + 1, found }
            })?;
            if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t')) {
                return Err(SourceFault::Binary { line });
            }
            let name: Arc<str> = Arc::from(visible(text).trim());
            if name.is_empty() {
                names.push(None);
                continue;
            }
            if let Some(first) = positions.insert(Arc::clone(&name), at + 1) {
                return Err(SourceFault::ColumnTwice { line, column: name.to_string(), first, second: at + 1 });
            }
            names.push(Some(name));
        }
        let columns = Self::new(names);
        if columns.header.is_empty() { Err(SourceFault::Nameless { line }) } else { Ok(columns) }
    }

    /// So many columns, named by their positions.
    pub(super) fn numbered(count: usize) -> Self {
        Self::new((1..=count).map(|place| Some(Arc::from(format!("column {place}")))).collect())
    }

    fn new(names: Vec<Option<Arc<str>>>) -> Self {
        let header = names.iter().flatten().cloned().collect();
        let mut folded = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            if let Some(name) = name {
                folded.entry(bare_name(name).to_lowercase()).or_insert(at);
            }
        }
        let needed = names.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let unnamed = names.iter().zip(1..).filter(|(name, _)| name.is_none()).map(|(_, place)| place).collect();
        let place = |name: &str| names.iter().flatten().position(|column| **column == *name);
        let listed = place(LINE_COLUMN).zip(place(REASON_COLUMN));
        Self { names, header, folded, needed, unnamed, listed }
    }

    /// Sets the columns that have values but no name. A delimiter at the end of each line makes a column without values, which is
    /// not reported.
    pub(super) fn set_unnamed(&mut self, holding: Vec<usize>) {
        self.unnamed = holding;
    }

    /// The number of columns, with or without a name.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of cells that a row needs.
    pub(super) const fn needed(&self) -> usize {
        self.needed
    }

    /// The names of the columns that have one.
    pub(super) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    /// The positions of the columns without a name, from 1.
    pub(super) fn unnamed(&self) -> &[usize] {
        &self.unnamed
    }

    /// Whether all columns that a row needs have a name.
    pub(super) fn have_names(&self) -> bool {
        self.header.len() == self.needed
    }

    /// The positions of the columns with a name, from 0.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.names.iter().enumerate().filter(|(_, name)| name.is_some()).map(|(at, _)| at)
    }

    /// Whether there is a column with a name at this position, from 0.
    pub(super) fn has_name(&self, at: usize) -> bool {
        self.names.get(at).is_some_and(Option::is_some)
    }

    /// Whether this is the header of a list of rejected rows.
    pub(super) const fn are_of_rejects(&self) -> bool {
        self.listed.is_some()
    }

    /// The position of the first column, from 1, whose name is an e-mail address or a phone number, so that the header is a
    /// contact. A number without a `+` may be an id or a date, and counts only if no name is a word for a column.
    pub(super) fn contact_at(&self) -> Option<usize> {
        let has_headings = self.header.iter().any(|name| is_heading(bare_name(name)));
        let is_of_contact = |name: &str| {
            email_address(name).is_ok_and(has_top_level)
                || (Kind::of(name.as_bytes()) == Kind::Number && may_be_phone(name, has_headings))
        };
        self.names.iter().position(|name| name.as_deref().is_some_and(is_of_contact)).map(|at| at + 1)
    }

    /// Whether a row repeats the header, as in appended files.
    pub(super) fn are_repeated_by<'a>(&self, mut cells: impl Iterator<Item = &'a [u8]>) -> bool {
        let is_same = |name: Option<&str>, cell: &[u8]| {
            let name = name.unwrap_or_default();
            let cell = cell.trim_ascii();
            cell.eq_ignore_ascii_case(name.as_bytes())
                || (!cell.is_ascii()
                    && from_utf8(cell).is_ok_and(|cell| visible(cell).trim().to_lowercase() == name.to_lowercase()))
        };
        let names = self.names.iter().map(Option::as_deref);
        // Unnamed columns may be missing, and blank cells may follow.
        names.into_iter().all(|name| is_same(name, cells.next().unwrap_or_default()))
            && cells.all(|cell| cell.trim_ascii().is_empty())
    }

    /// Whether a cell may be the name of a column. It is called for each row of some files.
    pub(super) fn may_name(&self, cell: &[u8]) -> bool {
        let cell = cell.trim_ascii();
        !cell.is_empty()
            && (!cell.is_ascii() || self.header.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(cell)))
    }

    // The position of the first column with this name, in any case.
    fn named_by(&self, cell: &str) -> Option<usize> {
        self.folded.get(&bare_name(cell).to_lowercase()).copied()
    }

    // Whether a cell is the name of a column, or a word for a column of contacts.
    fn is_named_by(&self, cell: &str) -> bool {
        self.named_by(cell).is_some() || is_heading(bare_name(cell))
    }

    /// Whether one of these cells is the name of a column, or at least two are words for columns.
    pub(super) fn has_named_by<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut headings = 0;
        for cell in cells.filter(|cell| !cell.is_empty()).filter_map(|cell| from_utf8(cell).ok()) {
            let cell = visible(cell);
            if self.named_by(cell.trim()).is_some() {
                return true;
            }
            headings += usize::from(is_heading(bare_name(cell.trim())));
        }
        headings > 1
    }

    /// Whether a row is another header because it has a name of a column where the rows have addresses or numbers (`telling`),
    /// and a second name elsewhere. None of its cells is an address or a number.
    pub(super) fn are_renamed_at<'a>(
        &self,
        cells: impl Iterator<Item = &'a [u8]> + Clone,
        telling: impl Iterator<Item = usize>,
    ) -> bool {
        let text = |cell: &'a [u8]| from_utf8(cell).map(visible).unwrap_or_default();
        let is_named = |cell: &'a [u8]| self.is_named_by(text(cell).trim());
        let stands_there = telling.into_iter().any(|at| cells.clone().nth(at).is_some_and(is_named));
        let is_of_this_header = |cell: &'a [u8]| self.named_by(text(cell).trim()).is_some();
        // Below a title in place of the header, the row is the header.
        let has_names =
            || cells.clone().any(is_of_this_header) || self.header.iter().any(|name| is_heading(bare_name(name)));
        stands_there
            && !cells.clone().any(|cell| Kind::of(cell).is_telling())
            && has_names()
            && cells.filter(|cell| is_named(cell)).count() > 1
    }

    /// Whether a row with at least two cells is another header: most of its cells are names of columns, or all are words for
    /// columns and one is such a name. It has each name once and lacks at most the last column, or none if a cell is neither a
    /// name nor such a word; or it has fewer cells than a row needs, all of them names. After a byte order mark, where a file was
    /// appended, a single name suffices. None of its cells is a value.
    pub(super) fn are_renamed_by<'a>(&self, cells: impl Iterator<Item = &'a [u8]>, follows_mark: bool) -> bool {
        let (mut filled, mut named, mut known) = (0, 0, 0);
        let (mut is_parted, mut is_blank) = (false, false);
        let mut seen = HashSet::new();
        let mut is_repeated = false;
        let mut count = 0;
        for cell in cells {
            count += 1;
            let Ok(cell) = from_utf8(cell) else { return false };
            let cell = visible(cell);
            let cell = cell.trim();
            if cell.is_empty() {
                is_blank = true;
                continue;
            }
            is_parted |= is_blank;
            filled += 1;
            if let Some(at) = self.named_by(cell) {
                is_repeated |= !seen.insert(at);
                named += 1;
            } else if is_heading(bare_name(cell)) {
                known += 1;
            } else if cell.contains('@') || cell.bytes().filter(u8::is_ascii_digit).count() >= 5 {
                return false;
            }
        }
        let all = named + known == filled;
        if follows_mark && filled > 1 && (named > 0 || all) {
            return true;
        }
        let is_short = count < self.needed && named == filled;
        let is_full = !is_parted && !is_repeated && (is_short || filled + usize::from(all) >= self.header.len());
        filled > 1 && is_full && ((named > 1 && named * 2 > filled) || (named > 0 && all))
    }

    /// Whether a row with at least three cells has nothing but words for columns, each once, and as many as the header. It
    /// matters where no column shows by its kind that a row is none of a contact: in a file whose second half has its columns in
    /// another order, each kind has half of the rows.
    pub(super) fn are_all_headings<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut seen = HashSet::new();
        for cell in cells {
            let Ok(cell) = from_utf8(cell) else { return false };
            let cell = visible(cell);
            let name = bare_name(cell.trim());
            if !is_heading(name) || !seen.insert(name.to_lowercase()) {
                return false;
            }
        }
        seen.len() > 2 && seen.len() >= self.header.len()
    }

    /// In a list of rejected rows, why a row must be rejected again although it has as many cells as the header. A spreadsheet
    /// pads short rows with blank cells, so that in lists whose last columns are the line and the reason, these two are under
    /// other columns.
    pub(super) fn uncorrected(&self, texts: &Texts) -> Option<Uncorrected> {
        let (line, reason) = self.listed?;
        let cell = |at: usize| texts.get(at).unwrap_or_default().trim();
        let count = texts.len();
        if !cell(line).is_empty() && !is_digits(cell(line)) || (cell(line).is_empty() && !cell(reason).is_empty()) {
            let own = (0..count).rev().find(|at| is_digits(cell(*at)) && output_format::is_reason(cell(*at + 1)));
            return Some(Uncorrected { reason: MOVED, own: own.unwrap_or(count - 1) });
        }
        if cell(line).is_empty() {
            // A row that was added by hand has neither; a padded one has both under other columns.
            let moved = (0..count.saturating_sub(1))
                .rev()
                .find(|at| is_digits(cell(*at)) && output_format::is_reason(cell(*at + 1)) && *at + 1 != reason);
            return moved.map(|own| Uncorrected { reason: MOVED, own });
        }
        if cell(reason) == total::REASON {
            return Some(Uncorrected { reason: TOTAL, own: count - 1 });
        }
        let own = output_format::cells_listed(cell(reason))?;
        // The two columns are before or after the cells of the row.
        let own = if line == 0 { own + 2 } else { own };
        let last = if line == 0 { count } else { line.min(reason) };
        let is_filled_up = (own..last).all(|at| cell(at).is_empty());
        is_filled_up.then_some(Uncorrected { reason: INCOMPLETE, own: own.min(count) })
    }

    /// The name of the column at a position, or that position, from 1.
    pub(super) fn name(&self, at: usize) -> String {
        self.names.get(at).cloned().flatten().map_or_else(|| (at + 1).to_string(), |name| name.to_string())
    }
}

// An address of the internet has a domain of several parts, the last of letters. `user@host` may be any name.
fn has_top_level(address: &str) -> bool {
    let last = address.rsplit_once('@').and_then(|(_, domain)| domain.rsplit_once('.'));
    last.is_some_and(|(_, last)| last.len() > 1 && !last.contains(|letter: char| letter.is_ascii_digit()))
}

fn may_be_phone(name: &str, has_headings: bool) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let fewest = if name.starts_with('+') { FEWEST_WITH_CODE } else { FEWEST_WITHOUT_CODE };
    (fewest..=MOST_DIGITS).contains(&digits) && !name.contains('/') && (name.starts_with('+') || !has_headings)
}

/// The fewest digits of a phone number with its `+`, and of one without: dates have eight.
const FEWEST_WITH_CODE: usize = 7;
const FEWEST_WITHOUT_CODE: usize = 9;

/// The most digits of a phone number (E.164).
const MOST_DIGITS: usize = 15;

const MOVED: &str = "expected the line in `_line` and the reason in `_reason`, found them under other columns: the cells of \
                     this row have moved";

const TOTAL: &str = "found a total below the last row of the input: if it is a contact, clear its `_reason`";

const INCOMPLETE: &str = "expected the cells that this row lacked, found blank ones: complete the row, or clear its \
                          `_reason` when it is right";

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Columns {
        Columns::named(1, names.iter().map(|name| name.as_bytes())).unwrap()
    }

    #[test]
    fn names_have_no_invisible_characters() {
        let check = |name: &str, expected: &str| {
            assert_eq!(&*columns(&[name]).header()[0], expected, "{}", name.escape_unicode());
        };
        check("phone", "phone");
        check("\u{feff}phone", "phone");
        check("pho\u{ad}ne \u{200b}", "phone");
        check("\u{2060}\u{202a}tel\u{e9}fono\u{202c}\u{61c}", "tel\u{e9}fono");
        // Joiners belong to some scripts, and to emoji.
        check("\u{1f468}\u{200d}\u{1f469}", "\u{1f468}\u{200d}\u{1f469}");
        let twice = Columns::named(1, [b"phone".as_slice(), "phone\u{200b}".as_bytes()].into_iter());
        assert!(matches!(twice, Err(SourceFault::ColumnTwice { .. })));
    }

    #[test]
    fn a_contact_in_place_of_the_header_is_known_by_its_address() {
        let check = |names: &[&str], expected: Option<usize>| {
            assert_eq!(columns(names).contact_at(), expected, "{names:?}");
        };
        check(&["+525512345600", "Ann", "Lima"], Some(1));
        check(&["Ann", "Lima", "+52 55 1234 5600"], Some(3));
        check(&["Ann", "ann@x.mx"], Some(2));
        check(&["Ann Roe <ann@x.mx>", "Ann"], Some(1));
        check(&["Ann", "", "(55) 1234-5600"], Some(3));
        check(&["Ann", "612345678"], Some(2));
        check(&["+525512345600", "Customer", "city"], Some(1));
        // Names that look similar.
        check(&["phone", "name"], None);
        check(&["@timestamp", "user@host", "a@b.1"], None);
        check(&["Contact us at ann@x.mx"], None);
        check(&["name", "E-mail (name@domain.com)"], None);
        check(&["Agent", "2024-01-15", "20240116", "15.01.2024"], None);
        check(&["Agent", "2024", "01/01/2024 - 31/01/2024"], None);
        check(&["phone", "name", "7501055300075"], None);
        check(&["Ann", "Lima", "12345678"], None);
        check(&["1", "2", "3"], None);
    }

    #[test]
    fn a_wide_row_is_held_against_the_header_once() {
        // For each pair of a name and a cell it would take minutes.
        let names: Vec<String> = ('\u{4e00}'..).take(16_384).map(|letter| format!("Column {letter}")).collect();
        let header = columns(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let capitals: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
        let others: Vec<String> = names.iter().map(|name| format!("{name} x")).collect();
        let begun = std::time::Instant::now();
        let check = |row: &[String], expected: bool| {
            let cells = || row.iter().map(String::as_bytes);
            assert_eq!(header.has_named_by(cells()), expected);
            assert_eq!(header.are_renamed_by(cells(), false), expected);
        };
        check(&capitals, true);
        check(&others, false);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_repeated_header_is_known_by_all_its_names() {
        let check = |row: &[&str], expected: bool| {
            let header = columns(&["phone", "Name", "", "Tel\u{e9}fono"]);
            assert_eq!(header.are_repeated_by(row.iter().map(|cell| cell.as_bytes())), expected, "{row:?}");
        };
        check(&["phone", "Name", "", "Tel\u{e9}fono"], true);
        check(&[" PHONE", "name ", " ", "TEL\u{c9}FONO", ""], true);
        check(&["\u{feff}phone", "Name", "", "Tel\u{e9}fono"], true);
        check(&["phone", "Name", "x", "Tel\u{e9}fono"], false);
        check(&["phone", "Name", "", "Tel\u{e9}fono", "x"], false);
        check(&["phone", "Name"], false);
        check(&["phone", "Ann", "", "Tel\u{e9}fono"], false);
        check(&["", "", "", ""], false);
    }

    #[test]
    fn another_header_is_known_by_its_names() {
        let check = |row: &[&str], plain: bool, follows_mark: bool| {
            let header = columns(&["phone", "Name", "segment", "Tel\u{e9}fono"]);
            let is_renamed = |mark| header.are_renamed_by(row.iter().map(|cell| cell.as_bytes()), mark);
            assert_eq!((is_renamed(false), is_renamed(true)), (plain, follows_mark), "{row:?}");
        };
        check(&["Name", "phone", "segment", "TEL\u{c9}FONO"], true, true);
        check(&["phone", "name", "city"], true, true);
        check(&["phone", "city", "", ""], false, true);
        // Values that are names of columns.
        check(&["name", "phone", "segment", ""], true, true);
        check(&["", "phone", "name", "segment"], false, true);
        check(&["phone", "", "name", "segment"], false, true);
        check(&["Bo", "", "", "segment"], false, true);
        check(&["Cy", "name", "segment", ""], false, true);
        check(&["name", "name", "segment", "phone"], false, true);
        check(&["phone", "name", "segment", "x"], true, true);
        check(&["phone", "notas internas", ""], false, true);
        check(&["phone", "name", "x", "y"], false, true);
        check(&["email", "city"], false, true);
        check(&["Ann", "x", "y", "z"], false, false);
        check(&["+5215550001", "name", "segment", ""], false, false);
        check(&["ann@example.com", "name", "segment", ""], false, false);
        check(&["phone"], false, false);
        check(&["", ""], false, false);
        // A colon or an asterisk after the name, and fewer cells.
        check(&["Name:", "phone *", "segment:", "Tel\u{e9}fono:"], true, true);
        check(&["name", "phone"], true, true);
        check(&["name", "name"], false, true);
    }

    #[test]
    fn a_row_of_words_for_columns_is_another_header() {
        let header = columns(&["phone", "name", "city"]);
        let check = |row: &[&str], expected: bool| {
            let cells = row.iter().map(|cell| cell.as_bytes());
            assert_eq!(header.are_all_headings(cells), expected, "{row:?}");
        };
        check(&["Nombre", "Celular", "Ciudad"], true);
        check(&["Nombre:", "Celular *", "Ciudad"], true);
        check(&["Nombre", "Celular", "Celular"], false);
        check(&["Nombre", "Celular", "Lima"], false);
        check(&["Nombre", "Celular", ""], false);
        check(&["Nombre", "Celular"], false);
        check(&[], false);
    }

    #[test]
    fn another_header_is_known_by_a_name_in_place_of_a_number() {
        let header = columns(&["phone", "Name", "segment 20240", "email"]);
        let check = |row: &[&str], expected: bool| {
            let cells = row.iter().map(|cell| cell.as_bytes());
            assert_eq!(header.are_renamed_at(cells, [0, 3].into_iter()), expected, "{row:?}");
        };
        check(&["name", "phone", "", ""], true);
        check(&["phone", "", "name", ""], true);
        check(&["Correo", "Ciudad", "Puntos"], true);
        check(&["phone", "Empresa 2024001", "name", "x"], true);
        check(&["Segment 20240:", "Phone:", "x", "y"], true);
        check(&["", "", "name", "phone"], true);
        // Values that are names of columns.
        check(&["", "phone", "name", ""], false);
        check(&["phone", "Ann", "x", ""], false);
        check(&["Ann", "phone", "name", "x"], false);
        check(&["phone", "name", "x", "ann@example.com"], false);
        check(&["phone", "name", "12345", ""], false);
        check(&["phone"], false);
        check(&[], false);
        // A title in place of the header.
        let title = columns(&["Contacts of today"]);
        let cells = || [&b"phone"[..], b"name"].into_iter();
        assert!(!title.are_renamed_at(cells(), [0].into_iter()));
        assert!(columns(&["Tel", "x"]).are_renamed_at(cells(), [0].into_iter()));
    }

    #[test]
    fn rows_of_a_list_that_were_filled_up_are_seen() {
        let old = &["phone", "name", "city", "_line", "_reason"];
        let new = &["_line", "_reason", "phone", "name", "city"];
        let short = "expected 3 cells, found 1";
        let listed = "expected UTF-8, found another encoding at byte 4 of the cell; 1 of 3 cells listed";
        let check = |header: &[&str; 5], row: [&str; 5], expected: Option<(&'static str, usize)>| {
            let found = columns(header).uncorrected(&row.into_iter().collect());
            assert_eq!(found, expected.map(|(reason, own)| Uncorrected { reason, own }), "{row:?}");
        };
        check(old, ["1", "Ann", "Lima", "3", "why"], None);
        check(old, ["1", "Ann", "Lima", "", ""], None);
        check(old, ["1", "Ann", "Lima", "3", ""], None);
        check(old, ["1", "3", short, "", ""], Some((MOVED, 1)));
        check(old, ["1", "Ann", "3", short, ""], Some((MOVED, 2)));
        check(old, ["3", short, "", "", ""], Some((MOVED, 0)));
        check(old, ["", "1", "Ann", "Lima", "3"], Some((MOVED, 4)));
        check(old, ["1", "", "", "3", short], Some((INCOMPLETE, 1)));
        check(old, ["1", "Ann", "", "3", short], None);
        check(new, ["3", short, "1", "Ann", "Lima"], None);
        check(new, ["3", short, "1", "", ""], Some((INCOMPLETE, 3)));
        check(new, ["3", listed, "1", "", ""], Some((INCOMPLETE, 3)));
        check(new, ["3", listed, "1", "", "Lima"], None);
        check(new, ["3", "", "1", "", ""], None);
        check(new, ["3", "expected a contact, found a total below the last row", "1", "Total", ""], Some((TOTAL, 4)));
        check(new, ["3", "", "1", "Total", ""], None);
        check(new, ["", "", "1", "", ""], None);
        check(new, ["3", "column `phone`: expected a phone number, found letters", "x", "", ""], None);
        check(new, ["x", short, "1", "", ""], Some((MOVED, 4)));
        check(new, ["", short, "1", "", ""], Some((MOVED, 4)));
        check(new, [short, "1", "Ann", "Lima", ""], Some((MOVED, 4)));
        check(&["a", "b", "c", "d", "e"], ["", "3", short, "", ""], None);
    }
}
