//! Lists whose elements come in another order from row to row, by what the elements have under one of their keys, by their first
//! label, or by the kinds of plain values: read by position, the value of one row would be another thing in the next.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use crate::core::headings::is_address_heading;
use crate::core::list::{is_kind_key, is_label_key, is_value_key, labels};
use crate::core::plain_kind::PlainKind;

/// How many elements of a list are compared, how many keys of them, and how many values of a key are known: an identifier of
/// elements has fewer, and a key with more has data.
const ELEMENTS: usize = 32;
const KEYS: usize = 16;
const VALUES: usize = 32;

/// How many labels the first elements may have. More are data, such as the kinds of orders.
const FIRST_LABELS: usize = 8;

/// The longest text that identifies an element, in bytes.
const VALUE: usize = 64;

/// The key of the first value of an element that is a list.
const FIRST_VALUE: &str = "0";

/// The order of the elements of one list, by each of their keys.
#[derive(Debug, Default)]
pub(super) struct ElementOrder {
    keys: Vec<KeyOrder>,
    plain: Option<PlainOrder>,
}

/// The order of plain values.
#[derive(Debug)]
struct PlainOrder {
    /// By their kinds.
    kinds: KeyOrder,
    /// By themselves, which find the order of texts of one kind.
    values: KeyOrder,
    /// Whether their kinds were reported.
    are_kinds_reordered: bool,
}

#[derive(Debug)]
struct KeyOrder {
    key: String,
    // A label may occur twice in a row, and names its element all the same.
    is_label: bool,
    values: Vec<String>,
    // The labels of the first elements, that of the first row first; blank for an element without one.
    firsts: Vec<String>,
    // For each value the set of those that came after it in some row, one bit each.
    after: Vec<u32>,
    // Whether the values are data, which may come in any order.
    is_data: bool,
}

/// What a row showed of the order by one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding<'k> {
    /// Values that an earlier row has in another order.
    Reordered(&'k str),
    /// The values under the key identify no elements, against what earlier rows showed.
    Data(&'k str),
    /// Plain values in another order than in an earlier row.
    Plain {
        /// Whether their kinds show it, such as an e-mail address in place of a phone.
        by_kind: bool,
    },
    /// Plain values may come in any order, against what earlier rows showed.
    PlainData,
}

impl ElementOrder {
    /// Compares a list with those of the rows before. `are_addresses` is set for a list of phones or e-mail addresses. `report`
    /// gets what the comparison shows.
    pub(super) fn watch(&mut self, items: &[Json], are_addresses: bool, mut report: impl FnMut(Finding<'_>)) {
        if items.len() > ELEMENTS {
            return;
        }
        match items.first() {
            Some(Json::Object(first)) => self.watch_objects(first, items, report),
            Some(Json::Array(_)) => {
                let values = || items.iter().map(|item| item.get(0).and_then(identifier)).collect();
                self.watch_key(FIRST_VALUE, values, &mut report);
            }
            Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) => {
                self.watch_plain(items, are_addresses, report);
            }
            None => {}
        }
    }

    fn watch_objects(&mut self, first: &Map<String, Json>, items: &[Json], mut report: impl FnMut(Finding<'_>)) {
        // Phones, addresses and values are data: a contact may have the same ones in another order.
        let is_watched = |key: &&String| !is_label_key(key) && !is_address_heading(key) && !is_value_key(key);
        for key in first.keys().filter(is_watched).filter(|_| items.len() > 1) {
            let values = || items.iter().map(|item| item.get(key).and_then(identifier)).collect();
            self.watch_key(key, values, &mut report);
        }
        // An element may lack a label.
        let keys: BTreeSet<&String> = items.iter().filter_map(Json::as_object).flat_map(|item| item.keys()).collect();
        for key in keys.into_iter().filter(|key| is_label_key(key)) {
            let labels: Vec<String> = items.iter().map(|item| item.get(key).map(label).unwrap_or_default()).collect();
            let Some(order) = self.order(key).filter(|_| labels.iter().any(|label| !label.is_empty())) else {
                continue;
            };
            let labelled = labels.iter().map(String::as_str).filter(|label| !label.is_empty());
            let is_reordered = order.add(labelled) == Some(true);
            let is_other = is_kind_key(key) && !order.is_data && order.add_first(&labels[0]);
            if is_kind_key(key) && !order.is_data && order.firsts.len() > FIRST_LABELS {
                order.is_data = true;
                report(Finding::Data(key));
            } else if is_reordered || is_other {
                report(Finding::Reordered(key));
            }
        }
    }

    // Compares the identifiers that all elements have under a key.
    fn watch_key<'v>(
        &mut self,
        key: &str,
        values: impl FnOnce() -> Option<Vec<Cow<'v, str>>>,
        report: &mut impl FnMut(Finding<'_>),
    ) {
        let Some(values) = values() else { return };
        let Some(order) = self.order(key).filter(|order| !order.is_data) else { return };
        match order.add(values.iter().map(|value| &**value)) {
            Some(true) => report(Finding::Reordered(key)),
            Some(false) => {}
            None => {
                order.is_data = true;
                report(Finding::Data(key));
            }
        }
    }

    // Compares plain values. Of phones and e-mail addresses, other text is a remark.
    fn watch_plain(&mut self, items: &[Json], are_addresses: bool, mut report: impl FnMut(Finding<'_>)) {
        if items.iter().any(|item| item.is_array() || item.is_object()) {
            return;
        }
        let order = self.plain.get_or_insert_with(|| PlainOrder {
            kinds: KeyOrder::new("", true),
            values: KeyOrder::new("", false),
            are_kinds_reordered: false,
        });
        let kind = |item| PlainKind::of(item).filter(|kind| kind.is_sure() || !are_addresses);
        let is_reordered = order.kinds.add(items.iter().filter_map(kind).map(PlainKind::name)) == Some(true);
        let first = items.first().and_then(kind).filter(|kind| kind.is_sure());
        let is_other = first.is_some_and(|kind| order.kinds.add_first(kind.name()));
        if is_reordered || is_other {
            order.are_kinds_reordered = true;
            report(Finding::Plain { by_kind: true });
            return;
        }
        let values: Option<Vec<_>> = items.iter().map(identifier).collect();
        let Some(values) = values.filter(|values| values.len() > 1 && !order.values.is_data) else { return };
        match order.values.add(values.iter().map(|value| &**value)) {
            Some(true) => report(Finding::Plain { by_kind: false }),
            Some(false) => {}
            None => {
                order.values.is_data = true;
                if !order.are_kinds_reordered {
                    report(Finding::PlainData);
                }
            }
        }
    }

    // The order by this key; `None` when too many keys are watched.
    fn order(&mut self, key: &str) -> Option<&mut KeyOrder> {
        let known = self.keys.iter().position(|known| known.key == *key);
        let at = match known {
            Some(at) => at,
            None if self.keys.len() < KEYS => {
                self.keys.push(KeyOrder::new(key, is_label_key(key)));
                self.keys.len() - 1
            }
            None => return None,
        };
        self.keys.get_mut(at)
    }
}

impl KeyOrder {
    fn new(key: &str, is_label: bool) -> Self {
        let (values, firsts, after) = (Vec::new(), Vec::new(), Vec::new());
        Self { key: key.to_owned(), is_label, values, firsts, after, is_data: false }
    }

    // Whether the first element of a row has another label than that of the first row.
    fn add_first(&mut self, label: &str) -> bool {
        if !self.firsts.iter().any(|known| known == label) && self.firsts.len() <= FIRST_LABELS {
            self.firsts.push(label.to_owned());
        }
        self.firsts.first().is_some_and(|first| first != label)
    }

    // Whether a row has its values in another order than one before; `None` when they are data.
    fn add<'v>(&mut self, values: impl Iterator<Item = &'v str>) -> Option<bool> {
        let mut places = Vec::new();
        for value in values {
            let known = self.values.iter().position(|known| *known == *value);
            let place = match known {
                Some(place) => place,
                None if self.values.len() < VALUES => {
                    self.values.push(value.to_owned());
                    self.after.push(0);
                    self.values.len() - 1
                }
                None if self.is_label => continue,
                None => return None,
            };
            if places.contains(&place) {
                if !self.is_label {
                    return None;
                }
                continue;
            }
            places.push(place);
        }
        let pairs = || (1..places.len()).flat_map(|later| (0..later).map(move |earlier| (earlier, later)));
        let pairs = || pairs().map(|(earlier, later)| (places[earlier], places[later]));
        let is_reordered = pairs().any(|(earlier, later)| self.after[later] & (1 << earlier) != 0);
        for (earlier, later) in pairs() {
            self.after[earlier] |= 1 << later;
        }
        Some(is_reordered)
    }
}

// The labels of an element in lower case.
fn label(json: &Json) -> String {
    let text = labels(json).map(|label| label.trim().to_lowercase()).collect::<Vec<_>>().join(" ");
    if text.len() > VALUE { String::new() } else { text }
}

// Text, or a whole number that is too large for a count or a place in an order.
fn identifier(json: &Json) -> Option<Cow<'_, str>> {
    match json {
        Json::String(text) => {
            let text = text.trim();
            let is_address = || text.contains('@') || is_phone_like(text);
            (!text.is_empty() && text.len() <= VALUE && !is_address()).then_some(Cow::Borrowed(text))
        }
        Json::Number(number) => number.as_u64().filter(|id| *id >= 1_000).map(|id| Cow::Owned(id.to_string())),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

// Whether text has the digits of a phone number, and no letter.
fn is_phone_like(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_digit).count() >= 7 && !text.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(rows: &[&str]) -> Vec<String> {
        let mut order = ElementOrder::default();
        let mut found = Vec::new();
        for (row, list) in (1..).zip(rows) {
            let items: Vec<Json> = serde_json::from_str(list).unwrap();
            order.watch(&items, false, |finding| found.push(format!("{row} {finding:?}")));
        }
        found
    }

    #[test]
    fn the_same_texts_in_another_order_are_found() {
        let check = |rows: &[&str], expected: &[&str]| assert_eq!(findings(rows), expected, "{rows:?}");
        let reordered = "2 Reordered(\"t\")";
        check(&[r#"[{"t":"a","x":1},{"t":"b","x":2}]"#, r#"[{"t":"b","x":1},{"t":"a","x":2}]"#], &[reordered]);
        // Also with others between them, and of lists that do not have all.
        check(&[r#"[{"t":"a"},{"t":"b"},{"t":"c"}]"#, r#"[{"t":"c"},{"t":"d"},{"t":"a"}]"#], &[reordered]);
        check(
            &[
                r#"[{"t":"a"},{"t":"b"}]"#,
                r#"[{"t":"b"},{"t":"c"}]"#,
                r#"[{"t":"a"},{"t":"c"}]"#,
                r#"[{"t":"c"},{"t":"b"}]"#,
            ],
            &["4 Reordered(\"t\")"],
        );
        check(&[r#"[{"t":5001},{"t":5002}]"#, r#"[{"t":5002},{"t":5001}]"#], &[reordered]);
        // The same order, and other values.
        check(&[r#"[{"t":"a"},{"t":"b"}]"#, r#"[{"t":"a"},{"t":"b"}]"#, r#"[{"t":"c"},{"t":"d"}]"#], &[]);
        // Phones and addresses, which a contact may have in any order.
        for key in ["address", "number", "email", "value", "what"] {
            let row = |one: &str, two: &str| format!(r#"[{{"{key}":"{one}"}},{{"{key}":"{two}"}}]"#);
            for (one, two) in [("ann@x.mx", "ann@work.mx"), ("+525512345671", "55 1234 5672")] {
                check(&[&row(one, two), &row(two, one)], &[]);
            }
        }
        // Nothing by which an element is known.
        check(&[r#"[{"t":1},{"t":2}]"#, r#"[{"t":2},{"t":1}]"#], &[]);
        check(&[r#"[{"t":true},{"t":false}]"#, r#"[{"t":false},{"t":true}]"#], &[]);
        check(&[r#"[{"t":"a"},{"u":"b"}]"#, r#"[{"t":"b"},{"u":"a"}]"#], &[]);
        check(&["[]", r#"[{"t":"a"}]"#], &[]);
    }

    #[test]
    fn plain_values_and_lists_in_another_order_are_found() {
        let check = |rows: &[&str], expected: &[&str]| assert_eq!(findings(rows), expected, "{rows:?}");
        let (by_kind, by_value) = ("2 Plain { by_kind: true }", "2 Plain { by_kind: false }");
        check(&[r#"["a@x.mx","5512345671"]"#, r#"["5512345672","b@x.mx"]"#], &[by_kind]);
        check(&[r#"["a@x.mx"]"#, r#"["5512345672"]"#], &[by_kind]);
        check(&[r#"["Ann","5512345671"]"#, r#"["5512345672","Bo"]"#], &[by_kind]);
        check(&[r#"["a","b"]"#, r#"["b","a"]"#, "[]", r#"[{"t":"a"}]"#], &[by_value]);
        check(&[r#"["a","b"]"#, r#"["b","a"]"#, r#"["a","a"]"#, r#"["b","a"]"#], &[by_value, "3 PlainData"]);
        check(&[r#"["a@x.mx"]"#, r#"["5512345672"]"#, r#"["a","a"]"#, r#"["b","a"]"#], &[by_kind]);
        check(&[r#"["a@x.mx","5512345671"]"#, r#"["b@x.mx","5512345672"]"#, r#"[null,"5512345672"]"#], &[]);
        check(&[r#"["a",["b"]]"#, r#"["b",["a"]]"#], &[]);
        // Lists in the list, by their first values.
        let reordered = "2 Reordered(\"0\")";
        check(&[r#"[["a",1,2],["b",3,4]]"#, r#"[["b",1,2],["a",3,4]]"#], &[reordered]);
        check(&[r#"[["a",1,2],["b",3,4]]"#, r#"[["a",5,6],["b",7,8]]"#, r#"[["c",5,6]]"#, "[[]]"], &[]);
        check(&[r#"[["a@x.mx"],["b@x.mx"]]"#, r#"[["b@x.mx"],["a@x.mx"]]"#], &[]);
    }

    #[test]
    fn texts_that_occur_twice_or_have_no_end_are_data() {
        let row = |one: &str, two: &str| format!(r#"[{{"status":"{one}"}},{{"status":"{two}"}}]"#);
        let rows = [row("paid", "open"), row("open", "paid"), row("paid", "paid"), row("open", "paid")];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        assert_eq!(findings(&rows), ["2 Reordered(\"status\")", "3 Data(\"status\")"]);
        // Two phones with one label are two phones.
        let labelled: Vec<String> = rows.iter().map(|row| row.replace("status", "label")).collect();
        let labelled: Vec<&str> = labelled.iter().map(String::as_str).collect();
        assert_eq!(findings(&labelled), ["2 Reordered(\"label\")", "4 Reordered(\"label\")"]);
        let many: Vec<String> = (0..40).map(|at| row(&format!("A{at}"), &format!("A{}", at + 1))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(findings(&many).last().unwrap(), "32 Data(\"status\")");
    }
}
