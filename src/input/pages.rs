//! What the pages of an API's answers mention beside their rows: how many rows and pages there are in all, and whether more
//! follow.

use serde_json::Value as Json;

use super::notice::{NoticeKind, Notices};

/// How many objects may be around a figure: `{"meta": {"pagination": {"total": 3}}}`.
const DEPTH: usize = 4;

/// Keys of the page after this one.
const NEXT: [&str; 10] = [
    "next",
    "nexturl",
    "nextlink",
    "nextpage",
    "nextpageurl",
    "nextcursor",
    "nextpagetoken",
    "nextrecordsurl",
    "odatanextlink",
    "lastevaluatedkey",
];

/// Keys of whether there is one.
const MORE: [&str; 6] = ["hasmore", "hasnext", "hasnextpage", "more", "morerecords", "moreitemsincollection"];

/// Keys of objects that describe the page. Others may have totals of anything.
const DESCRIPTIONS: [&str; 8] =
    ["meta", "metadata", "responsemetadata", "pagination", "paging", "info", "links", "additionaldata"];

/// Beside it, `done` is whether no page follows.
const SIZE: &str = "totalsize";

/// Keys of the number of all rows, and of all pages.
const TOTAL_ROWS: [&str; 9] = [
    "total",
    "totals",
    "totalcount",
    "totalresults",
    "totalrecords",
    "totalitems",
    "totalelements",
    "totalsize",
    "totalpeople",
];
const TOTAL_PAGES: [&str; 4] = ["totalpages", "lastpage", "pagecount", "pages"];

/// What the pages of an input have mentioned so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    read: u64,
    row_count: Option<u64>,
    page_count: Option<u64>,
    // Of the last page.
    has_more: bool,
    is_undone: bool,
    has_size: bool,
}

impl Pages {
    /// Begins a page.
    pub(super) const fn begin(&mut self) {
        self.read += 1;
        self.has_more = false;
        self.is_undone = false;
        self.has_size = false;
    }

    /// Takes note of a value beside the rows of a page.
    pub(super) fn add(&mut self, key: &str, text: &[u8]) {
        if let Ok(json) = serde_json::from_slice(text) {
            self.value(key, &json, DEPTH);
        }
    }

    fn value(&mut self, key: &str, json: &Json, depth: usize) {
        let name = key.replace(|letter: char| !letter.is_ascii_alphanumeric(), "").to_ascii_lowercase();
        let name = name.as_str();
        if NEXT.contains(&name) {
            self.has_more |= names_something(json);
        } else if MORE.contains(&name) {
            self.has_more |= json.as_bool() == Some(true);
        } else if name == "done" {
            self.is_undone |= json.as_bool() == Some(false);
        } else if TOTAL_ROWS.contains(&name) {
            self.has_size |= name == SIZE;
            self.row_count = self.row_count.max(count(json));
        } else if TOTAL_PAGES.contains(&name) && !json.is_object() {
            self.page_count = self.page_count.max(count(json));
        } else if let (Json::Object(members), true) = (json, depth > 0 && describes(name)) {
            members.iter().for_each(|(key, json)| self.value(key, json, depth - 1));
        }
    }

    /// Reports what is missing of an input that ends after so many rows, at `line`.
    pub(super) fn report(&self, rows: u64, line: u64, notices: &Notices) {
        if let Some(total) = self.row_count.filter(|total| *total > rows) {
            notices.set(NoticeKind::FewerRows { total }, line, rows);
        } else if let Some(total) = self.page_count.filter(|total| *total > self.read) {
            notices.set(NoticeKind::FewerPages { total }, line, self.read);
        } else if self.has_more || (self.is_undone && self.has_size) {
            notices.set(NoticeKind::MorePages, line, rows);
        }
    }
}

fn describes(name: &str) -> bool {
    DESCRIPTIONS.contains(&name) || name.starts_with("page")
}

// Some programs write numbers as texts.
fn count(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_str()?.trim().parse().ok())
}

fn names_something(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(more) => *more,
        Json::Number(page) => page.as_u64() != Some(0),
        Json::String(text) => !text.trim().is_empty(),
        Json::Array(links) => !links.is_empty(),
        Json::Object(link) => link.values().any(names_something),
    }
}
