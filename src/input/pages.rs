//! What the pages of an API's answers mention beside their rows: how many rows and pages there are in all, which one this is,
//! and whether more follow.
//!
//! Only what is around the rows counts. Of the rows themselves, a hash of each page shows whether it occurs twice. Keys are
//! compared without case and punctuation.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem;

use serde_json::Value as Json;

use super::notice::{NoticeKind, Notices};
use super::page_keys::{Count, Hint, is_description, is_row_noun};
use crate::core::mapping::is_grouped;
use crate::core::text::{folded_key, is_digits};
use crate::core::yes_no::flag;

/// How many objects may be around a figure: `{"meta": {"pagination": {"total": 3}}}`.
const DEPTH: usize = 4;

/// What separates the thousands of a number.
const GROUP_SEPARATORS: [char; 7] = [',', '.', ' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}'];

/// How many pages are compared.
const PAGES: usize = 65_536;

/// What the pages of an input have mentioned so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    // The folded key of the rows.
    rows_key: String,
    read: u64,
    row_count: Option<u64>,
    // What is called a total, while a count may be that of one page.
    total: Option<u64>,
    filtered: Option<u64>,
    page_count: Option<u64>,
    // Those beside the rows, and the page and the size inside objects there.
    envelope: Figures,
    page: Page,
    // The page with the greatest number, or the one that was read last if they have none.
    last: Option<Page>,
    seen: Seen,
}

/// What one page mentions of itself.
#[derive(Debug, Default)]
struct Page {
    line: u64,
    number: Option<u64>,
    // The number of rows, and the hash of all of them.
    rows: u64,
    hash: DefaultHasher,
    // The count beside the rows, which may be of this page or of all pages.
    count: Option<u64>,
    // The number of rows before it, the most rows of a page, and the number of its first row.
    offset: Option<u64>,
    size: Option<u64>,
    from: Option<u64>,
    has_previous: bool,
    next: Next,
    says_more: Option<bool>,
    // Whether no page follows. It is used only if the page also has a `totalSize`.
    is_done: Option<bool>,
    has_size: bool,
}

/// What a page has of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    #[default]
    None,
    /// A cursor, which some servers leave out on the last page, and others do not.
    Cursor,
    /// Its link, number, token or offset.
    Named,
}

/// The pages that were read to their end.
#[derive(Debug, Default)]
struct Seen {
    hashes: HashSet<u64>,
    numbers: BTreeSet<u64>,
    // Whether a page has no number, or begins with the first row.
    has_unnumbered: bool,
    has_first: bool,
    // The pages that are the same as earlier ones, their rows, and the line of the first.
    repeated: u64,
    repeated_rows: u64,
    repeated_line: u64,
    counts: Counts,
}

/// The counts that pages have beside their rows. Each may be the number of rows of its page, or of all pages.
#[derive(Debug, Default)]
struct Counts {
    // By count, the pages that have it, and their rows.
    pages: BTreeMap<u64, (u64, u64)>,
    // Whether a page has as many rows as its count.
    has_equal: bool,
    // How many rows pages have less than their counts.
    missing: u64,
}

/// The plain values of one object around the rows.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    count: Option<u64>,
    page: Option<u64>,
    size: Option<u64>,
    last: Option<u64>,
}

impl Page {
    // Whether rows come before it. An offset may be that of the next page, and another number is a cursor: the offset of a page
    // is a multiple of the size, and not the number of its rows.
    fn follows_another(&self) -> bool {
        let is_page = |(offset, size): (u64, u64)| offset > 0 && size > 0 && offset % size == 0 && offset != self.rows;
        self.has_previous || self.from.is_some_and(|from| from > 1) || self.offset.zip(self.size).is_some_and(is_page)
    }

    fn names_next(&mut self, does: bool) {
        if does {
            self.next = Next::Named;
        }
    }

    // Whether it announces another one. A flag decides against links and cursors.
    fn has_more(&self) -> bool {
        self.says_more.unwrap_or(self.next > Next::None) || (self.is_done == Some(false) && self.has_size)
    }
}

impl Counts {
    fn add(&mut self, count: u64, rows: u64) {
        if self.pages.len() < PAGES || self.pages.contains_key(&count) {
            let (pages, all) = self.pages.entry(count).or_default();
            *pages += 1;
            *all += rows;
        }
        self.has_equal |= count == rows;
        self.missing += count.saturating_sub(rows);
    }

    // How many rows are missing by counts that are those of their pages: they differ, and one is right.
    fn missing_in_pages(&self) -> u64 {
        let is_of_all = |(count, (pages, rows)): (&u64, &(u64, u64))| *pages > 1 && count == rows;
        let are_of_pages = self.has_equal && self.pages.len() > 1 && !self.pages.iter().any(is_of_all);
        if are_of_pages { self.missing } else { 0 }
    }

    // Whether the only count is that of the rows of all pages: it is more than a page has.
    fn is_reached_by(&self, rows: u64) -> bool {
        self.pages.len() == 1 && self.missing > 0 && self.pages.contains_key(&rows)
    }
}

impl Seen {
    fn add(&mut self, page: &Page) {
        let hash = page.hash.finish();
        if page.rows > 0 && self.hashes.len() < PAGES && !self.hashes.insert(hash) {
            if self.repeated == 0 {
                self.repeated_line = page.line;
            }
            self.repeated += 1;
            self.repeated_rows += page.rows;
        } else if let Some(count) = page.count.filter(|_| page.size.is_none() && page.number.is_none()) {
            self.counts.add(count, page.rows);
        }
        match page.number {
            Some(number) if self.numbers.len() < PAGES => {
                self.numbers.insert(number);
            }
            Some(_) | None => self.has_unnumbered = true,
        }
        self.has_first |= !page.follows_another();
    }

    // The first page that is missing before another one.
    fn missing(&self) -> Option<u64> {
        if self.has_unnumbered {
            return None;
        }
        let (first, last) = (*self.numbers.first()?, *self.numbers.last()?);
        if first > 1 {
            return Some(1);
        }
        // Equal steps between several numbers: they count rows.
        let steps: BTreeSet<u64> = self.numbers.iter().zip(self.numbers.iter().skip(1)).map(|(a, b)| b - a).collect();
        let are_of_rows = self.numbers.len() > 2 && steps.len() == 1;
        (first..last).find(|number| !self.numbers.contains(number)).filter(|_| !are_of_rows)
    }
}

impl Pages {
    /// Those of the rows at this path.
    pub(super) fn of(path: &[String]) -> Self {
        Self { rows_key: path.last().map(|key| folded_key(key)).unwrap_or_default(), ..Self::default() }
    }

    /// Begins a page at this line.
    pub(super) fn begin(&mut self, line: u64) {
        self.end();
        self.read += 1;
        self.page.line = line;
    }

    /// Adds the text of a row to the page.
    pub(super) fn add_row(&mut self, text: &[u8]) {
        self.page.rows += 1;
        text.hash(&mut self.page.hash);
    }

    fn end(&mut self) {
        if self.read == 0 {
            return;
        }
        let page = mem::take(&mut self.page);
        self.seen.add(&page);
        if self.last.as_ref().is_none_or(|last| page.number.is_none() || page.number >= last.number) {
            self.last = Some(page);
        }
    }

    /// Takes note of a value beside the rows of a page.
    pub(super) fn add(&mut self, key: &str, text: &[u8]) {
        let Ok(json) = serde_json::from_slice(text) else { return };
        let mut envelope = mem::take(&mut self.envelope);
        self.value(key, &json, DEPTH, &mut envelope);
        self.envelope = envelope;
    }

    fn value(&mut self, key: &str, json: &Json, depth: usize, figures: &mut Figures) {
        let name = folded_key(key);
        match Hint::of(&name, &self.rows_key) {
            Some(Hint::Next) => self.page.names_next(names_something(json)),
            Some(Hint::Cursor) => {
                if !json.is_object() && names_something(json) {
                    self.page.next = self.page.next.max(Next::Cursor);
                }
                self.members(&name, json, depth, figures);
            }
            Some(Hint::More) => self.page.says_more = flag(json).or(self.page.says_more),
            Some(Hint::Done) => self.page.is_done = flag(json),
            Some(Hint::Last) => {
                self.page.names_next(flag(json) == Some(false) && !is_number(json));
                figures.last = figures.last.max(count(json));
            }
            // A number is the start of this page. Airtable writes another text, and only if a next page exists.
            Some(Hint::Offset) => {
                let is_text = |text: &str| text.trim().chars().any(|character| !character.is_ascii_digit());
                self.page.names_next(name == "offset" && json.as_str().is_some_and(is_text));
                self.page.offset = self.page.offset.or(count(json));
            }
            Some(Hint::From) => self.page.from = self.page.from.or(count(json)),
            Some(Hint::Filtered) => self.filtered = self.filtered.max(count(json)),
            Some(Hint::Previous) => {
                self.page.has_previous |=
                    count(json).is_some_and(|page| page > 0) || json.as_str().is_some_and(names_page);
            }
            Some(Hint::Link) => {
                self.page.names_next(links_next(json));
                self.members(&name, json, depth, figures);
            }
            Some(Hint::Count(Count::Plain)) if !json.is_object() => {
                if depth == DEPTH {
                    self.page.count = self.page.count.max(count(json));
                }
                figures.count = figures.count.max(count(json));
            }
            Some(Hint::Count(Count::Plain | Count::Rows)) => {
                self.page.has_size |= name == "totalsize";
                let rows = count(json).max(self.count_inside(json));
                self.row_count = self.row_count.max(rows);
                if name.contains("total") {
                    self.total = self.total.max(rows);
                }
            }
            Some(Hint::Count(Count::Pages)) if !json.is_object() => self.page_count = self.page_count.max(count(json)),
            Some(Hint::PageNumber) if !json.is_object() => {
                figures.page = count(json);
                self.page.number = self.page.number.or(figures.page);
            }
            Some(Hint::PageSize) if !json.is_object() => {
                figures.size = count(json);
                self.page.size = self.page.size.or(figures.size);
            }
            Some(Hint::Count(Count::Pages) | Hint::PageNumber | Hint::PageSize) | None => {
                self.members(&name, json, depth, figures);
            }
        }
    }

    // What an object that describes the answer holds.
    fn members(&mut self, name: &str, json: &Json, depth: usize, outer: &mut Figures) {
        let Json::Object(members) = json else { return };
        if depth == 0 || !is_description(name) {
            return;
        }
        let mut figures = Figures::default();
        for (key, json) in members {
            self.value(key, json, depth - 1, &mut figures);
        }
        let Figures { count, page, size, last } = figures;
        // In `paging` and the like a count is the size of a page, unless it is more than that size.
        let is_of_rows =
            if name.starts_with("pag") { size.is_some_and(|size| count > Some(size)) } else { count != size };
        self.row_count = self.row_count.max(count.filter(|_| is_of_rows));
        // The number of the last page beside that of this one.
        self.page_count = self.page_count.max(last.filter(|_| page.is_some()));
        outer.page = outer.page.or(page);
        outer.size = outer.size.or(size);
    }

    // The number of rows in an object of counts: `{"total": {"contacts": 500}}`, `{"value": 57, "relation": "eq"}`.
    fn count_inside(&self, json: &Json) -> Option<u64> {
        let members = json.as_object()?.iter();
        members
            .filter(|(key, _)| is_row_noun(&folded_key(key), &self.rows_key))
            .filter_map(|(_, json)| count(json))
            .max()
    }

    /// Reports what is missing of an input that ends after so many rows, at `line`.
    pub(super) fn report(&mut self, rows: u64, line: u64, notices: &Notices) {
        self.end();
        let seen = &self.seen;
        if seen.repeated > 0 {
            notices.set(NoticeKind::RepeatedPage, seen.repeated_line, seen.repeated);
        }
        let (rows, read) = (rows.saturating_sub(seen.repeated_rows), self.read - seen.repeated);
        let Figures { count, page, size, last } = self.envelope;
        // A count may be the size of a page: if it is equal to that size, or beside the number of the page without a size.
        let is_size = size.map_or(page.is_some(), |size| count == Some(size));
        let counted = self.row_count.max(count.filter(|_| !is_size));
        let counted = self.filtered.or(counted);
        let page_count = self.page_count.max(last.filter(|_| page.is_some()));
        let Some(last) = &self.last else { return };
        let has_all = self.filtered.or(self.total).is_some_and(|total| (1..=rows).contains(&total))
            || seen.counts.is_reached_by(rows);
        let missing = seen.counts.missing_in_pages();
        let is_all = has_all && !last.has_size && last.says_more != Some(true);
        if let Some(total) = counted.filter(|total| *total > rows) {
            notices.set(NoticeKind::FewerRows { total }, line, rows);
        } else if missing > 0 {
            notices.set(NoticeKind::FewerRows { total: rows + missing }, line, rows);
        } else if let Some(total) = page_count.filter(|total| *total > read) {
            notices.set(NoticeKind::FewerPages { total }, line, read);
        } else if last.has_more() && !is_all {
            notices.set(NoticeKind::MorePages, line, rows);
        }
        if is_all {
            return;
        }
        if let Some(page) = seen.missing() {
            notices.set(NoticeKind::MissingPage { page }, line, read);
        } else if !seen.has_first && seen.numbers.is_empty() {
            notices.set(NoticeKind::EarlierPages, line, read);
        }
    }
}

fn is_number(json: &Json) -> bool {
    json.is_number() || count(json).is_some()
}

// Some programs write numbers as text, with separators or without.
fn count(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| {
        let text = json.as_str()?.trim();
        let is_number = is_digits(text) || is_grouped(text, &GROUP_SEPARATORS, 3);
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if is_number { digits.parse().ok() } else { None }
    })
}

// Whether a link has the number of a page.
fn names_page(link: &str) -> bool {
    let number = |rest: &str| rest.starts_with(|character: char| character.is_ascii_digit());
    link.split("page=").skip(1).any(number)
}

fn names_something(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(more) => *more,
        Json::Number(page) => page.as_f64().is_some_and(|page| page > 0.0),
        Json::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            !["", "null", "none", "false", "0", "-1"].contains(&&*text)
        }
        Json::Array(links) => links.iter().any(names_something),
        Json::Object(link) => link.values().any(names_something),
    }
}

// A list of links, of which one has the relation `next`; or the text of an HTTP header.
fn links_next(json: &Json) -> bool {
    let is_next = |rel: &Json| rel.as_str().is_some_and(|rel| rel.trim().eq_ignore_ascii_case("next"));
    match json {
        Json::Array(links) => links.iter().any(|link| {
            let rel = link.get("rel").or_else(|| link.get("relation")).or_else(|| link.get("name"));
            let is_next =
                rel.is_some_and(|rel| is_next(rel) || rel.as_array().is_some_and(|all| all.iter().any(is_next)));
            let target = ["href", "url", "uri", "link"].iter().find_map(|key| link.get(key));
            is_next && target.is_none_or(names_something)
        }),
        Json::String(header) => header.contains("rel=\"next\"") || header.contains("rel=next"),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_may_be_text() {
        let check = |json: Json, expected: Option<u64>| assert_eq!(count(&json), expected, "{json}");
        check(500.into(), Some(500));
        check("500".into(), Some(500));
        check(" 1,234 ".into(), Some(1234));
        check("1.234.567".into(), Some(1_234_567));
        check("1 234".into(), Some(1234));
        check("1'234".into(), Some(1234));
        check("12,34".into(), None);
        check("1234,567".into(), None);
        check("1,2345".into(), None);
        check("1.5".into(), None);
        check(".500".into(), None);
        check("".into(), None);
        check("many".into(), None);
        check("-5".into(), None);
        check(Json::from(1.5), None);
        check(Json::Null, None);
    }
}
