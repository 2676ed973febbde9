//! The keys with which APIs describe the pages of an answer. Keys are given folded: lowercase letters and digits alone.

/// What a value around the rows says of them, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// The page after this one: its link, number, token or offset.
    Next,
    /// The page before this one: its link or number.
    Previous,
    /// A place to continue from, which is there on the last page as well in some APIs.
    Cursor,
    /// Whether there is a page after this one.
    More,
    /// Whether all rows were given.
    Done,
    /// Whether this is the last page, or the number of the last page.
    Last,
    /// Where this page begins, or the next one.
    Offset,
    /// The number of the first row of this page.
    From,
    /// The number of all rows that a filter selects, which are fewer than all rows.
    Filtered,
    /// Links to other pages.
    Link,
    /// A number of rows or pages.
    Count(Count),
    /// The number of this page.
    PageNumber,
    /// The most rows of a page.
    PageSize,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// All rows.
    Rows,
    /// All pages.
    Pages,
    /// The rows of this page, all rows, or the most of a page.
    Plain,
}

/// Suffixes after `next` in keys of the next page.
const NEXT: &[&str] = &[
    "",
    "page",
    "pageurl",
    "pageuri",
    "pagelink",
    "pagehref",
    "pagepath",
    "pagetoken",
    "pagecursor",
    "pagekey",
    "pageid",
    "pagenumber",
    "pagenum",
    "pageno",
    "pageindex",
    "pageoffset",
    "pagestart",
    "pageresults",
    "url",
    "uri",
    "link",
    "links",
    "href",
    "path",
    "token",
    "cursor",
    "offset",
    "vidoffset",
    "start",
    "startindex",
    "startat",
    "starttoken",
    "startkey",
    "index",
    "from",
    "skip",
    "after",
    "key",
    "marker",
    "position",
    "batch",
    "chunk",
    "set",
    "results",
    "records",
    "recordsurl",
    "request",
    "query",
    "params",
    "continuation",
    "continuationtoken",
    "evaluatedkey",
    "partitionkey",
    "rowkey",
];

/// Prefixes before `next` in such keys.
const BEFORE_NEXT: [&str; 8] = ["", "odata", "hydra", "links", "link", "page", "paging", "pagination"];

/// Other keys of the next page.
const CONTINUE: [&str; 9] = [
    "continue",
    "continuation",
    "continuationtoken",
    "continuetoken",
    "continuationkey",
    "lastevaluatedkey",
    "resumptiontoken",
    "paginationtoken",
    "morelink",
];

/// Keys of the page before.
const PREVIOUS: [&str; 11] = [
    "prev",
    "previous",
    "prevpage",
    "previouspage",
    "prevpageurl",
    "previouspageurl",
    "prevurl",
    "previousurl",
    "prevlink",
    "previouslink",
    "anterior",
];

/// Keys of the number of rows before this page.
const OFFSETS: [&str; 4] = ["offset", "start", "startat", "skip"];

const CURSORS: [&str; 3] = ["cursor", "pagecursor", "aftercursor"];

/// Prefixes of keys that state whether a next page exists.
const MORE_STARTS: [&str; 2] = ["hasmore", "hasnext"];
const MORE: [&str; 9] = [
    "more",
    "morerecords",
    "moreresults",
    "morepages",
    "moreavailable",
    "moreitemsincollection",
    "istruncated",
    "truncated",
    "ismore",
];

const LAST: [&str; 3] = ["last", "islast", "islastpage"];

/// What keys of counts count.
const ROW_NOUNS: &[&str] = &[
    "results",
    "result",
    "records",
    "record",
    "rows",
    "row",
    "items",
    "item",
    "elements",
    "element",
    "entries",
    "entry",
    "hits",
    "hit",
    "matches",
    "match",
    "objects",
    "object",
    "documents",
    "docs",
    "people",
    "persons",
    "contacts",
    "contact",
    "customers",
    "customer",
    "clients",
    "client",
    "leads",
    "lead",
    "members",
    "member",
    "subscribers",
    "subscriber",
    "recipients",
    "users",
    "user",
    "profiles",
    "profile",
    "registros",
    "resultados",
    "contactos",
    "contatos",
    "clientes",
];

const TOTALS: [&str; 7] = ["total", "totals", "totalsize", "odatacount", "numfound", "totalavailable", "totalmatching"];

const TOTAL_PAGES: [&str; 13] = [
    "totalpages",
    "totalpage",
    "totalpagecount",
    "pagecount",
    "pagestotal",
    "pages",
    "numpages",
    "numberofpages",
    "maxpage",
    "lastpage",
    "lastpagenumber",
    "totalpaginas",
    "ultimapagina",
];

const PAGE_NUMBER: [&str; 8] =
    ["page", "pagenumber", "pagenum", "pageno", "pageindex", "currentpage", "current", "pagina"];
const PAGE_SIZE: [&str; 10] = [
    "perpage",
    "pagesize",
    "itemsperpage",
    "resultsperpage",
    "recordsperpage",
    "limit",
    "size",
    "maxresults",
    "maxitems",
    "pagelimit",
];

/// Keys of objects that describe the answer. Others may have totals of anything.
const DESCRIPTIONS: [&str; 20] = [
    "meta",
    "metadata",
    "metainfo",
    "responsemetadata",
    "responseinfo",
    "responsedetails",
    "info",
    "listinfo",
    "resultinfo",
    "resultset",
    "resultsetinfo",
    "queryinfo",
    "searchinfo",
    "links",
    "link",
    "additionaldata",
    "cursors",
    "cursor",
    "navigation",
    "summary",
];

impl Hint {
    /// Of a value under this key, beside rows under the key `rows_key`.
    pub(super) fn of(name: &str, rows_key: &str) -> Option<Self> {
        let is_next = |before: &&str| {
            name.strip_prefix(*before)
                .and_then(|rest| rest.strip_prefix("next"))
                .is_some_and(|rest| NEXT.contains(&rest) || rest == rows_key)
        };
        Some(if MORE.contains(&name) || MORE_STARTS.iter().any(|start| name.starts_with(start)) {
            Self::More
        } else if BEFORE_NEXT.iter().any(is_next) || CONTINUE.contains(&name) {
            Self::Next
        } else if CURSORS.contains(&name) {
            Self::Cursor
        } else if name == "done" {
            Self::Done
        } else if LAST.contains(&name) {
            Self::Last
        } else if PREVIOUS.contains(&name) {
            Self::Previous
        } else if OFFSETS.contains(&name) {
            Self::Offset
        } else if name == "from" {
            Self::From
        } else if name == "recordsfiltered" {
            Self::Filtered
        } else if name == "links" || name == "link" {
            Self::Link
        } else if let Some(count) = Count::of(name, rows_key) {
            Self::Count(count)
        } else if PAGE_NUMBER.contains(&name) {
            Self::PageNumber
        } else if PAGE_SIZE.contains(&name) {
            Self::PageSize
        } else {
            return None;
        })
    }
}

impl Count {
    fn of(name: &str, rows_key: &str) -> Option<Self> {
        let is_noun = |name: &str| ROW_NOUNS.contains(&name) || (!rows_key.is_empty() && name == rows_key);
        // `totalContactsCount`, `contacts_total`, `num_results`, `resultCount`.
        let is_number_of = |name: &str| {
            let counted = ["total", "totals", "num", "nb", "numberof", "full", "overall", "grand", "all", "countof"]
                .iter()
                .filter_map(|start| name.strip_prefix(start))
                .any(|rest| {
                    let counted = rest.strip_suffix("count").or_else(|| rest.strip_suffix("found"));
                    is_noun(counted.unwrap_or(rest)) || counted == Some("")
                });
            let counting = ["count", "counts", "total", "totals", "found"];
            counted || counting.iter().filter_map(|end| name.strip_suffix(end)).any(is_noun)
        };
        if TOTALS.contains(&name) {
            Some(Self::Rows)
        } else if ["count", "counts", "length"].contains(&name) {
            Some(Self::Plain)
        } else if TOTAL_PAGES.contains(&name) {
            Some(Self::Pages)
        } else {
            is_number_of(name.strip_prefix("hydra").unwrap_or(name)).then_some(Self::Rows)
        }
    }
}

/// Whether an object under this key describes the answer.
pub(super) fn is_description(name: &str) -> bool {
    DESCRIPTIONS.contains(&name) || name.starts_with("pag")
}

/// Whether a key in an object of counts counts the rows, which are under the key `rows_key`.
pub(super) fn is_row_noun(name: &str, rows_key: &str) -> bool {
    ["value", "count", "total", "all"].contains(&name) || name == rows_key || ROW_NOUNS.contains(&name)
}
