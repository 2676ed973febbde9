//! Parses one page of a search and checks that it is consistent with itself and with the request.
//!
//! Only a search shows which contacts exist, so an inconsistent page must not count. The numbers are those of the
//! framework's paginator: `meta` with `current_page`, `from`, `last_page`, `per_page`, `to` and `total`, and
//! `links.next` (API.md, "The six calls"). Each may be absent; a number may be written as text.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::body;
use crate::core::counted::counted;
use crate::core::model::Remote;
use crate::core::page::Page;
use crate::core::size_limits::CONTACTS_PER_PAGE;

/// Reads the answer to a search for page `requested` (from 1). `None` if it has no list of contacts.
///
/// A contact without an id makes the whole page unreadable: leaving it out could lead to a second contact for the same
/// person. No page follows an empty page, so that reading pages ends.
pub(super) fn page(json: &Json, requested: u32) -> Option<Page> {
    let contacts = json.get("data")?.as_array()?.iter().map(body::remote).collect::<Option<Vec<_>>>()?;
    let requested = u64::from(requested);
    let count = u64::try_from(contacts.len()).unwrap_or(u64::MAX);
    let numbers = Numbers::of(json);
    let more = count > 0 && numbers.more(requested, count).unwrap_or(contacts.len() >= CONTACTS_PER_PAGE);
    let contradiction = numbers.contradiction(requested, count).or_else(|| twice(&contacts));
    let contradiction = contradiction.or_else(|| stray_message(json, &numbers).filter(|_| count == 0));
    let contradiction = contradiction.or_else(|| stray_key(json).filter(|_| count == 0));
    Some(Page { total: numbers.total(), contradiction, ..Page::of(contacts).followed(more) })
}

/// The paginator's numbers of a page.
struct Numbers {
    current: PageNumber,
    last: PageNumber,
    per_page: PageNumber,
    total: PageNumber,
    from: PageNumber,
    to: PageNumber,
    /// Whether a next page is linked; `None` if the answer has no such link, not even null.
    next: Option<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum PageNumber {
    Absent,
    Is(u64),
    Unreadable,
}

impl PageNumber {
    const fn value(self) -> Option<u64> {
        match self {
            Self::Is(number) => Some(number),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

impl Numbers {
    // In `meta`, or at the top, where the framework's paginator has them without a resource.
    fn of(json: &Json) -> Self {
        let places: Vec<&Map<String, Json>> = [json.pointer("/meta"), json.pointer("/meta/pagination"), Some(json)]
            .into_iter()
            .flatten()
            .filter_map(Json::as_object)
            .collect();
        let number = |names: &[&str]| {
            let found = places.iter().find_map(|place| names.iter().find_map(|name| place.get(*name)));
            found.map_or(PageNumber::Absent, read)
        };
        let next = ["/links/next", "/meta/pagination/links/next", "/next_page_url"];
        Self {
            current: number(&["current_page"]),
            last: number(&["last_page", "total_pages"]),
            per_page: number(&["per_page"]),
            total: number(&["total"]),
            from: number(&["from"]),
            to: number(&["to"]),
            next: next.iter().find_map(|place| json.pointer(place)).map(is_link),
        }
    }

    fn total(&self) -> Option<u64> {
        self.total.value()
    }

    fn per_page(&self) -> Option<u64> {
        self.per_page.value().filter(|&size| size > 0)
    }

    // Number of contacts on the pages up to this one.
    fn seen(&self, requested: u64, count: u64) -> Option<u64> {
        if requested == 1 {
            return Some(count);
        }
        let before = self.per_page()?.checked_mul(requested - 1)?;
        before.checked_add(count)
    }

    // The numbers and links from which follows whether there is a further page.
    fn indications(&self, requested: u64, count: u64) -> [(Option<bool>, &'static str); 3] {
        let by_last = self.last.value().map(|last| requested < last);
        let by_total = self.total().zip(self.seen(requested, count)).map(|(total, seen)| seen < total);
        [(by_last, "last_page"), (self.next, "links.next"), (by_total, "total")]
    }

    fn more(&self, requested: u64, count: u64) -> Option<bool> {
        self.indications(requested, count).iter().find_map(|(is_followed, _)| *is_followed)
    }

    fn contradiction(&self, requested: u64, count: u64) -> Option<String> {
        self.unreadable()
            .or_else(|| self.other_page(requested))
            .or_else(|| self.wrong_count(requested, count))
            .or_else(|| self.disagreement(requested, count))
    }

    fn unreadable(&self) -> Option<String> {
        let named = [
            (self.current, "current_page"),
            (self.last, "last_page"),
            (self.per_page, "per_page"),
            (self.total, "total"),
            (self.from, "from"),
            (self.to, "to"),
        ];
        let (_, name) = named.into_iter().find(|(number, _)| *number == PageNumber::Unreadable)?;
        Some(format!("`{name}` is not a number"))
    }

    fn other_page(&self, requested: u64) -> Option<String> {
        let current = self.current.value().filter(|&current| current != requested)?;
        Some(format!("page {requested} was requested, page {current} was returned"))
    }

    fn wrong_count(&self, requested: u64, count: u64) -> Option<String> {
        // An empty page has null here; some write 0 in its place.
        let (from, to) = (self.from.value().filter(|&from| from > 0), self.to.value().filter(|&to| to > 0));
        if count == 0 {
            let place = from.map(|from| ("from", from)).or(to.map(|to| ("to", to)));
            let total = self.total().filter(|&total| requested == 1 && total > 0).map(|total| ("total", total));
            let (name, number) = place.or(total)?;
            return Some(format!("the page is empty, but `{name}` is {number}"));
        }
        if let (Some(from), Some(to)) = (from, to)
            && to.checked_sub(from).and_then(|length| length.checked_add(1)) != Some(count)
        {
            return Some(format!(
                "the page has {}, but `from` is {from} and `to` is {to}",
                counted(count, "contact", "contacts")
            ));
        }
        if let (Some(from), Some(size)) = (from, self.per_page())
            && size.checked_mul(requested - 1).and_then(|before| before.checked_add(1)) != Some(from)
        {
            return Some(format!("page {requested} begins with contact {from}, but `per_page` is {size}"));
        }
        if let Some(size) = self.per_page().filter(|&size| count > size) {
            return Some(format!("the page has {}, but `per_page` is {size}", counted(count, "contact", "contacts")));
        }
        let shown = to.max(self.seen(requested, count)).unwrap_or(count);
        let total = self.total().filter(|&total| total < shown)?;
        Some(format!("the pages have {} so far, but `total` is {total}", counted(shown, "contact", "contacts")))
    }

    fn disagreement(&self, requested: u64, count: u64) -> Option<String> {
        let indications = self.indications(requested, count);
        let indicating = |expected: bool| {
            indications.iter().find(|(is_followed, _)| *is_followed == Some(expected)).map(|(_, name)| *name)
        };
        if count == 0 {
            // Beyond the last page, the paginator returns an empty page with the number of the last page and the total.
            if let Some(name) = indicating(true) {
                return Some(format!("the page is empty, but `{name}` indicates a further page"));
            }
            return match self.last.value() {
                Some(last) if requested > 1 && last >= requested => {
                    Some(format!("page {requested} of {last} is empty"))
                }
                Some(_) | None => None,
            };
        }
        let (yes, no) = indicating(true).zip(indicating(false))?;
        Some(format!("`{yes}` indicates a further page, but `{no}` indicates none"))
    }
}

fn read(json: &Json) -> PageNumber {
    let number = match json {
        Json::Null => return PageNumber::Absent,
        Json::Number(number) => number.as_u64(),
        Json::String(text) => text.trim().parse().ok(),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    number.map_or(PageNumber::Unreadable, PageNumber::Is)
}

// The link only shows that there is a further page. It is never followed, because it lacks the filter (API.md, trap 1).
fn is_link(json: &Json) -> bool {
    match json {
        Json::Null | Json::Bool(false) => false,
        Json::String(text) => !text.trim().is_empty(),
        Json::Bool(true) | Json::Number(_) | Json::Array(_) | Json::Object(_) => true,
    }
}

fn twice(contacts: &[Remote]) -> Option<String> {
    let mut ids = BTreeSet::new();
    let is_once = contacts.iter().all(|contact| ids.insert(&contact.id));
    (!is_once).then(|| "the page lists one contact twice".to_owned())
}

// The documented answer to a search has no message. With an empty list, it may be that of a refusal, or of the answer to
// another call: that to a change of tags has an empty list too.
fn stray_message(json: &Json, numbers: &Numbers) -> Option<String> {
    if body::says_success(json) && numbers.total().is_some() {
        return None;
    }
    let words = body::words(json)?;
    let is_success = ["ok", "success"].contains(&words.trim().trim_end_matches(['.', '!']).to_lowercase().as_str());
    (!is_success).then(|| body::one_line(&format!("the page is empty, but has a message: {words}")))
}

/// The keys of a page of the framework's paginators.
const PAGE_KEYS: [&str; 16] = [
    "current_page",
    "data",
    "first_page_url",
    "from",
    "last_page",
    "last_page_url",
    "links",
    "meta",
    "next_page_url",
    "pagination",
    "path",
    "per_page",
    "prev_page_url",
    "to",
    "total",
    "total_pages",
];

/// Further keys of the envelope, which [`body::has_trouble`] and [`stray_message`] have looked at.
const ENVELOPE_KEYS: [&str; 3] = ["message", "status", "success"];

// Only an empty page shows that a contact is absent, so it counts only with keys that are known to be harmless. Any other key
// with a value may report an error, a partial result, or a further page.
fn stray_key(json: &Json) -> Option<String> {
    let stray = |place: Option<&Json>, more: &[&str]| {
        let map = place?.as_object()?;
        let is_known = |key: &str| PAGE_KEYS.contains(&key) || more.contains(&key);
        map.iter().find(|(key, value)| !is_known(key) && body::is_something(value)).map(|(key, _)| key.clone())
    };
    let key = stray(Some(json), &ENVELOPE_KEYS)
        .or_else(|| stray(json.get("meta"), &[]))
        .or_else(|| stray(json.pointer("/meta/pagination"), &[]))?;
    Some(body::one_line(&format!("the page is empty, but has a key that is not a paginator's: {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_page_is_believed_only_with_the_keys_of_a_paginator() {
        let check = |extra: Json, believed: bool| {
            let mut json = json!({ "data": [] });
            json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let page = page(&json, 1).unwrap();
            assert_eq!(page.contradiction.is_none(), believed, "{json}: {:?}", page.contradiction);
        };
        check(json!({}), true);
        check(json!({ "links": { "next": null }, "meta": { "current_page": 1, "total": 0, "path": "/x" } }), true);
        check(json!({ "meta": { "pagination": { "total": 0, "count": 0, "per_page": 10 } } }), true);
        check(json!({ "error": null, "warnings": [], "partial": false, "took": 0 }), true);
        check(json!({ "code": "SEARCH_FAILED" }), false);
        check(json!({ "code": -1 }), false);
        check(json!({ "result": "error" }), false);
        check(json!({ "msg": "index is being rebuilt" }), false);
        check(json!({ "warning": "partial" }), false);
        check(json!({ "timed_out": true }), false);
        check(json!({ "has_more": true }), false);
        check(json!({ "next_cursor": "abc" }), false);
        check(json!({ "count": 1 }), false);
        check(json!({ "total_count": 1 }), false);
        check(json!({ "meta": { "count": 1 } }), false);
        check(json!({ "meta": { "error": "no index" } }), false);
        check(json!({ "meta": { "status": "error" } }), false);
    }

    // A page with this many contacts and what the paginator says of it.
    fn body(count: u64, extra: &Json) -> Json {
        let mut json = json!({ "data": (1..=count).map(|id| json!({ "id": id })).collect::<Vec<_>>() });
        json.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json
    }

    // The framework's paginator: page `page` of `total` contacts, ten a page, with the contacts that it then shows.
    fn paginated(page: u64, total: u64) -> Json {
        let last = total.div_ceil(10).max(1);
        let before = 10 * (page - 1);
        let count = total.saturating_sub(before).min(10);
        let (from, to) = if count == 0 { (Json::Null, Json::Null) } else { (json!(before + 1), json!(before + count)) };
        let next = if page < last { json!(format!("http://example.com/api?page={}", page + 1)) } else { Json::Null };
        let link = |page: u64| format!("http://example.com/api?page={page}");
        body(
            count,
            &json!({
                "links": { "first": link(1), "last": link(last), "prev": null, "next": next },
                "meta": {
                    "current_page": page, "from": from, "last_page": last, "links": [{ "url": null, "label": "1" }],
                    "path": "http://example.com/api", "per_page": 10, "to": to, "total": total,
                },
            }),
        )
    }

    #[track_caller]
    fn check_fine(json: &Json, asked: u32, more: bool, total: Option<u64>) {
        let page = page(json, asked).unwrap();
        assert_eq!((page.contradiction, page.more, page.total), (None, more, total), "{json}");
    }

    #[track_caller]
    fn check_not(json: &Json, asked: u32, contradiction: &str) {
        let page = page(json, asked).unwrap();
        assert_eq!(page.contradiction.as_deref(), Some(contradiction), "{json}");
        assert!(!page.more || !page.contacts.is_empty(), "{json}");
    }

    #[test]
    fn every_page_of_the_frameworks_paginator_adds_up() {
        for total in 0..=41 {
            for asked in 1..=6 {
                let json = paginated(u64::from(asked), total);
                check_fine(&json, asked, 10 * u64::from(asked) < total, Some(total));
                // Without a resource around it, the same numbers stand at the top.
                let mut flat = json["meta"].clone();
                flat["data"] = json["data"].clone();
                flat["next_page_url"] = json["links"]["next"].clone();
                check_fine(&flat, asked, 10 * u64::from(asked) < total, Some(total));
                // And the simple paginator knows neither total nor last page.
                let mut simple = json.clone();
                for name in ["total", "last_page"] {
                    simple["meta"].as_object_mut().unwrap().remove(name);
                }
                check_fine(&simple, asked, 10 * u64::from(asked) < total, None);
                // Numbers may be written as text.
                let mut texts = json;
                for value in texts["meta"].as_object_mut().unwrap().values_mut().filter(|value| value.is_u64()) {
                    *value = json!(value.to_string());
                }
                check_fine(&texts, asked, 10 * u64::from(asked) < total, Some(total));
            }
        }
    }

    #[test]
    fn what_is_absent_contradicts_nothing() {
        let check = |count: u64, extra: Json, asked: u32, more: bool| {
            let json = body(count, &extra);
            let page = page(&json, asked).unwrap();
            assert_eq!((page.contradiction, page.more), (None, more), "{json}");
        };
        check(0, json!({}), 1, false);
        check(9, json!({}), 1, false);
        check(10, json!({}), 1, true);
        check(10, json!({ "links": [], "meta": [] }), 1, true);
        check(10, json!({ "links": { "next": null }, "meta": { "current_page": 1 } }), 1, false);
        check(3, json!({ "links": { "next": "http://x?page=2" } }), 1, true);
        check(2, json!({ "meta": { "current_page": 1, "last_page": 9 } }), 1, true);
        check(10, json!({ "meta": { "current_page": 2, "last_page": 2 } }), 2, false);
        check(10, json!({ "meta": { "total": 14 } }), 1, true);
        check(4, json!({ "meta": { "total": 14, "per_page": 10 } }), 2, false);
        check(0, json!({ "meta": { "total": 0, "from": 0, "to": 0 } }), 1, false);
        check(0, json!({ "meta": { "total": 14 } }), 3, false);
        check(0, json!({ "links": { "next": "" } }), 1, false);
        check(3, json!({ "meta": { "per_page": 0 } }), 1, false);
        check(0, json!({ "status": "success", "message": "0 contacts", "meta": { "total": 0 } }), 1, false);
        check(0, json!({ "message": "OK" }), 1, false);
        check(1, json!({ "message": "1 contact" }), 1, false);
        check(0, json!({ "links": { "next": false } }), 1, false);
        let pagination =
            json!({ "total": 14, "per_page": 10, "current_page": 1, "total_pages": 2, "links": { "next": "x" } });
        check(10, json!({ "meta": { "pagination": pagination } }), 1, true);
    }

    #[test]
    fn a_page_that_contradicts_itself_says_how() {
        // No contacts, and yet there are some.
        check_not(&body(0, &json!({ "meta": { "total": 1 } })), 1, "the page is empty, but `total` is 1");
        check_not(&body(0, &json!({ "meta": { "total": "3" } })), 1, "the page is empty, but `total` is 3");
        check_not(&body(0, &json!({ "total": 3 })), 1, "the page is empty, but `total` is 3");
        check_not(&body(0, &json!({ "meta": { "from": 1 } })), 1, "the page is empty, but `from` is 1");
        check_not(&body(0, &json!({ "meta": { "to": 3 } })), 2, "the page is empty, but `to` is 3");
        let announced = "the page is empty, but `last_page` indicates a further page";
        check_not(&body(0, &json!({ "meta": { "current_page": 1, "last_page": 2 } })), 1, announced);
        let announced = "the page is empty, but `links.next` indicates a further page";
        check_not(&body(0, &json!({ "links": { "next": "http://x" } })), 1, announced);
        check_not(&body(0, &json!({ "links": { "next": "http://x" } })), 2, announced);
        let announced = "the page is empty, but `total` indicates a further page";
        check_not(&body(0, &json!({ "meta": { "total": 14, "per_page": 10 } })), 2, announced);
        check_not(&body(0, &json!({ "meta": { "current_page": 2, "last_page": 2 } })), 2, "page 2 of 2 is empty");
        // Another page than the one asked for.
        let other = "page 2 was requested, page 1 was returned";
        check_not(&body(10, &json!({ "meta": { "current_page": 1, "last_page": 3 } })), 2, other);
        check_not(&body(0, &json!({ "meta": { "current_page": "1" } })), 2, other);
        check_not(&paginated(1, 14), 2, other);
        check_not(&paginated(2, 14), 1, "page 1 was requested, page 2 was returned");
        let begins = "page 2 begins with contact 1, but `per_page` is 10";
        check_not(&body(10, &json!({ "meta": { "from": 1, "to": 10, "per_page": 10 } })), 2, begins);
        // Signs that disagree whether a further page follows.
        let yes_no = |yes: &str, no: &str| format!("`{yes}` indicates a further page, but `{no}` indicates none");
        check_not(&body(10, &json!({ "meta": { "last_page": 1, "total": 14 } })), 1, &yes_no("total", "last_page"));
        check_not(&body(3, &json!({ "meta": { "last_page": 1, "total": 14 } })), 1, &yes_no("total", "last_page"));
        let linked = json!({ "meta": { "current_page": 1, "last_page": 1 }, "links": { "next": "http://x" } });
        check_not(&body(10, &linked), 1, &yes_no("links.next", "last_page"));
        let unlinked = json!({ "meta": { "current_page": 1, "last_page": 2 }, "links": { "next": null } });
        check_not(&body(10, &unlinked), 1, &yes_no("last_page", "links.next"));
        let unlinked = json!({ "meta": { "total": 14 }, "links": { "next": null } });
        check_not(&body(10, &unlinked), 1, &yes_no("total", "links.next"));
        // Counts that do not fit what is shown.
        let shown = "the page has 3 contacts, but `from` is 1 and `to` is 2";
        check_not(&body(3, &json!({ "meta": { "from": 1, "to": 2 } })), 1, shown);
        check_not(
            &body(1, &json!({ "meta": { "from": 3, "to": 1 } })),
            1,
            "the page has 1 contact, but `from` is 3 and `to` is 1",
        );
        check_not(
            &body(3, &json!({ "meta": { "total": 2 } })),
            1,
            "the pages have 3 contacts so far, but `total` is 2",
        );
        check_not(
            &body(3, &json!({ "meta": { "total": 0 } })),
            1,
            "the pages have 3 contacts so far, but `total` is 0",
        );
        check_not(
            &body(3, &json!({ "meta": { "total": 12, "per_page": 10 } })),
            2,
            "the pages have 13 contacts so far, but `total` is 12",
        );
        check_not(&body(3, &json!({ "meta": { "per_page": 2 } })), 1, "the page has 3 contacts, but `per_page` is 2");
        // Numbers that are none.
        check_not(&body(0, &json!({ "meta": { "total": "many" } })), 1, "`total` is not a number");
        check_not(&body(0, &json!({ "meta": { "total": -1 } })), 1, "`total` is not a number");
        check_not(&body(0, &json!({ "meta": { "current_page": [1] } })), 1, "`current_page` is not a number");
        // One contact twice.
        check_not(
            &json!({ "data": [{ "id": 1 }, { "id": "2" }, { "id": "1" }] }),
            1,
            "the page lists one contact twice",
        );
        // Words where none belong.
        let words = "the page is empty, but has a message: Search is down";
        check_not(&body(0, &json!({ "message": "Search is down" })), 1, words);
        // The documented answer to a change of tags.
        let tags = json!({ "status": "success", "message": "Contact Tags deleted successfully." });
        let words = "the page is empty, but has a message: Contact Tags deleted successfully.";
        check_not(&body(0, &tags), 1, words);
    }

    #[test]
    fn no_numbers_bring_it_down() {
        let numbers = [json!(0), json!(1), json!(u64::MAX), json!("18446744073709551615"), json!(null), json!(1.5)];
        for (one, two) in numbers.iter().flat_map(|one| numbers.iter().map(move |two| (one, two))) {
            for asked in [1, 2, u32::MAX] {
                for count in [0, 1, 10] {
                    let meta = json!({ "from": one, "to": two, "total": one, "per_page": two, "last_page": one });
                    assert!(page(&body(count, &json!({ "meta": meta })), asked).is_some());
                }
            }
        }
    }

    #[test]
    fn a_contact_without_an_id_makes_the_page_unreadable() {
        assert_eq!(page(&json!({ "data": [{ "id": 1 }, { "custom_fields": {} }] }), 1), None);
        assert_eq!(page(&json!({ "data": { "id": 1 } }), 1), None);
        assert_eq!(page(&json!({}), 1), None);
    }
}
