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
const MORE: [&str; 11] = [
    "hasmore",
    "hasnext",
    "hasnextpage",
    "hasmorepages",
    "hasmoreitems",
    "hasmoreresults",
    "more",
    "morerecords",
    "moreitemsincollection",
    "istruncated",
    "truncated",
];

/// Keys of whether this is the last page.
const LAST: [&str; 3] = ["last", "islast", "islastpage"];

/// Where the next page begins. A number is where this one does; Airtable has a text that is none, and only before a next one.
const OFFSET: &str = "offset";

/// Keys of objects that describe the page. Others may have totals of anything.
const DESCRIPTIONS: [&str; 8] =
    ["meta", "metadata", "responsemetadata", "pagination", "paging", "info", "links", "additionaldata"];

/// Beside it, `done` is whether no page follows.
const SIZE: &str = "totalsize";

/// Keys of the number of all rows, and of all pages.
const TOTAL_ROWS: [&str; 24] = [
    "total",
    "totals",
    "totalcount",
    "totalresults",
    "totalrecords",
    "totalrows",
    "totalitems",
    "totalelements",
    "totalentries",
    "totalhits",
    "totalsize",
    "totalpeople",
    "totalcontacts",
    "totalcustomers",
    "totalleads",
    "totalmembers",
    "totalsubscribers",
    "totalusers",
    "recordstotal",
    "recordcount",
    "odatacount",
    "numfound",
    "nbhits",
    "fullcount",
];

/// Keys of the number of rows of a page or of all pages: more of them than there are is a contradiction. Inside `paging` and
/// the like they are the size of a page, and beside the number of the page they may be, unless that size is there as well.
const ROWS: [&str; 2] = ["count", "length"];
const AROUND_ROWS: [&str; 3] = ["meta", "metadata", "info"];
const PAGE_NUMBER: [&str; 3] = ["page", "pagenumber", "currentpage"];
const PAGE_SIZE: [&str; 5] = ["perpage", "pagesize", "itemsperpage", "limit", "size"];

const TOTAL_PAGES: [&str; 4] = ["totalpages", "lastpage", "pagecount", "pages"];

/// What the pages of an input have mentioned so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    read: u64,
    row_count: Option<u64>,
    page_count: Option<u64>,
    // A plain count, the number of a page, and the size of a page.
    plain_count: Option<u64>,
    page_number: Option<u64>,
    page_size: Option<u64>,
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
            self.value(key, &json, true, DEPTH);
        }
    }

    // `counts_rows` is that a plain count there is one of rows.
    fn value(&mut self, key: &str, json: &Json, counts_rows: bool, depth: usize) {
        let name = key.replace(|letter: char| !letter.is_ascii_alphanumeric(), "").to_ascii_lowercase();
        let name = name.as_str();
        if NEXT.contains(&name) {
            self.has_more |= names_something(json);
        } else if MORE.contains(&name) {
            self.has_more |= json.as_bool() == Some(true);
        } else if name == "done" {
            self.is_undone |= json.as_bool() == Some(false);
        } else if LAST.contains(&name) {
            self.has_more |= json.as_bool() == Some(false);
        } else if name == OFFSET {
            self.has_more |=
                json.as_str().is_some_and(|text| text.trim().chars().any(|letter| !letter.is_ascii_digit()));
        } else if counts_rows && ROWS.contains(&name) {
            self.plain_count = self.plain_count.max(count(json));
        } else if PAGE_NUMBER.contains(&name) && !json.is_object() {
            self.page_number = count(json);
        } else if PAGE_SIZE.contains(&name) {
            self.page_size = count(json);
        } else if TOTAL_ROWS.contains(&name) {
            self.has_size |= name == SIZE;
            self.row_count = self.row_count.max(count(json));
        } else if TOTAL_PAGES.contains(&name) && !json.is_object() {
            self.page_count = self.page_count.max(count(json));
        } else if let (Json::Object(members), true) = (json, depth > 0 && describes(name)) {
            let counts_rows = counts_rows && AROUND_ROWS.contains(&name);
            members.iter().for_each(|(key, json)| self.value(key, json, counts_rows, depth - 1));
        }
    }

    /// Reports what is missing of an input that ends after so many rows, at `line`.
    pub(super) fn report(&self, rows: u64, line: u64, notices: &Notices) {
        let is_size = self.page_number.is_some() && self.page_size.is_none_or(|size| self.plain_count == Some(size));
        let counted = self.row_count.max(self.plain_count.filter(|_| !is_size));
        if let Some(total) = counted.filter(|total| *total > rows) {
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

// Some programs write numbers as texts, and Elasticsearch an object: `{"value": 57, "relation": "eq"}`.
fn count(json: &Json) -> Option<u64> {
    let json = json.get("value").unwrap_or(json);
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
