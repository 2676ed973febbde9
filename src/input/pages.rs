//! What the pages of an API's answers mention beside their rows: how many rows and pages there are in all, and whether more
//! follow.
//!
//! Only what is around the rows counts, never what a row holds. Keys are compared without case and punctuation.

use serde_json::Value as Json;

use super::notice::{NoticeKind, Notices};
use super::page_keys::{Count, Hint, is_description, is_row_noun};

/// How many objects may be around a figure: `{"meta": {"pagination": {"total": 3}}}`.
const DEPTH: usize = 4;

/// What the pages of an input have mentioned so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    // The folded key of the rows.
    rows_key: String,
    read: u64,
    row_count: Option<u64>,
    page_count: Option<u64>,
    // Those beside the rows, and the page and the size inside objects there.
    envelope: Figures,
    last: LastPage,
}

/// What the last page so far mentions.
#[derive(Debug, Default)]
struct LastPage {
    // It names the next one.
    has_next: bool,
    // It has a cursor, which some servers leave out on the last page, and others do not.
    has_cursor: bool,
    says_more: Option<bool>,
    // Whether no page follows. It is used only if the page also has a `totalSize`.
    is_done: Option<bool>,
    has_size: bool,
}

/// The plain values of one object around the rows.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    count: Option<u64>,
    page: Option<u64>,
    size: Option<u64>,
    last: Option<u64>,
}

impl Pages {
    /// Those of the rows at this path.
    pub(super) fn of(path: &[String]) -> Self {
        Self { rows_key: path.last().map(|key| folded(key)).unwrap_or_default(), ..Self::default() }
    }

    /// Begins a page.
    pub(super) fn begin(&mut self) {
        self.read += 1;
        self.last = LastPage::default();
    }

    /// Takes note of a value beside the rows of a page.
    pub(super) fn add(&mut self, key: &str, text: &[u8]) {
        let Ok(json) = serde_json::from_slice(text) else { return };
        let mut envelope = std::mem::take(&mut self.envelope);
        self.value(key, &json, DEPTH, &mut envelope);
        self.envelope = envelope;
    }

    fn value(&mut self, key: &str, json: &Json, depth: usize, figures: &mut Figures) {
        let name = folded(key);
        match Hint::of(&name, &self.rows_key) {
            Some(Hint::Next) => self.last.has_next |= names_something(json),
            Some(Hint::Cursor) => {
                self.last.has_cursor |= !json.is_object() && names_something(json);
                self.members(&name, json, depth, figures);
            }
            Some(Hint::More) => self.last.says_more = flag(json).or(self.last.says_more),
            Some(Hint::Done) => self.last.is_done = flag(json),
            Some(Hint::Last) => {
                self.last.has_next |= flag(json) == Some(false) && !is_number(json);
                figures.last = figures.last.max(count(json));
            }
            // A number is the start of this page. Airtable writes another text, and only if a next page exists.
            Some(Hint::Offset) => {
                let is_text = |text: &str| text.trim().chars().any(|character| !character.is_ascii_digit());
                self.last.has_next |= json.as_str().is_some_and(is_text);
            }
            Some(Hint::Link) => {
                self.last.has_next |= links_next(json);
                self.members(&name, json, depth, figures);
            }
            Some(Hint::Count(Count::Plain)) if !json.is_object() => figures.count = figures.count.max(count(json)),
            Some(Hint::Count(Count::Plain | Count::Rows)) => {
                self.last.has_size |= name == "totalsize";
                self.row_count = self.row_count.max(count(json)).max(self.count_inside(json));
            }
            Some(Hint::Count(Count::Pages)) if !json.is_object() => self.page_count = self.page_count.max(count(json)),
            Some(Hint::PageNumber) if !json.is_object() => figures.page = count(json),
            Some(Hint::PageSize) if !json.is_object() => figures.size = count(json),
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
        members.filter(|(key, _)| is_row_noun(&folded(key), &self.rows_key)).filter_map(|(_, json)| count(json)).max()
    }

    /// Reports what is missing of an input that ends after so many rows, at `line`.
    pub(super) fn report(&self, rows: u64, line: u64, notices: &Notices) {
        let Figures { count, page, size, last } = self.envelope;
        // Beside the number of the page, a count may be the size of a page, unless that size is there as well.
        let is_size = page.is_some() && size.is_none_or(|size| count == Some(size));
        let counted = self.row_count.max(count.filter(|_| !is_size));
        let page_count = self.page_count.max(last.filter(|_| page.is_some()));
        let last = &self.last;
        let has_more = last.says_more.unwrap_or(last.has_cursor)
            || last.has_next
            || (last.is_done == Some(false) && last.has_size);
        if let Some(total) = counted.filter(|total| *total > rows) {
            notices.set(NoticeKind::FewerRows { total }, line, rows);
        } else if let Some(total) = page_count.filter(|total| *total > self.read) {
            notices.set(NoticeKind::FewerPages { total }, line, self.read);
        } else if has_more {
            notices.set(NoticeKind::MorePages, line, rows);
        }
    }
}

fn folded(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|character| character.to_ascii_lowercase()).collect()
}

fn is_number(json: &Json) -> bool {
    json.is_number() || count(json).is_some()
}

// Some programs write numbers as text, with separators or without.
fn count(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| {
        let text = json.as_str()?.trim();
        let mut groups = text.split([',', '.', ' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}']);
        let first = groups.next().filter(|first| !first.is_empty())?;
        let mut digits = first.to_owned();
        for group in groups {
            if group.len() != 3 || first.len() > 3 {
                return None;
            }
            digits.push_str(group);
        }
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    })
}

fn flag(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(flag) => Some(*flag),
        Json::Number(number) => number.as_u64().filter(|number| *number < 2).map(|number| number == 1),
        Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" | "1" => Some(true),
            "false" | "no" | "n" | "0" => Some(false),
            _ => None,
        },
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
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
