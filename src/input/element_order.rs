//! Lists of objects whose elements come in another order from row to row, by what the elements have under one of their keys, or
//! whose first element has another label: read by position, the value of one row would be another thing in the next.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::core::headings::is_address_heading;
use crate::core::list::{is_kind_key, is_label_key, is_value_key, labels};

/// How many elements of a list are compared, how many keys of them, and how many values of a key are known: an identifier of
/// elements has fewer, and a key with more has data.
const ELEMENTS: usize = 32;
const KEYS: usize = 16;
const VALUES: usize = 32;

/// How many labels the first elements may have. More are data, such as the kinds of orders.
const FIRST_LABELS: usize = 8;

/// The longest text that identifies an element, in bytes.
const VALUE: usize = 64;

/// The order of the elements of one list, by each of their keys.
#[derive(Debug, Default)]
pub(super) struct ElementOrder {
    keys: Vec<KeyOrder>,
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
}

impl ElementOrder {
    /// Compares a list with those of the rows before. `report` gets what it shows.
    pub(super) fn watch(&mut self, items: &[Json], mut report: impl FnMut(Finding<'_>)) {
        let Some(Json::Object(first)) = items.first() else { return };
        if items.len() > ELEMENTS {
            return;
        }
        // Phones, addresses and values are data: a contact may have the same ones in another order.
        let is_watched = |key: &&String| !is_label_key(key) && !is_address_heading(key) && !is_value_key(key);
        for key in first.keys().filter(is_watched).filter(|_| items.len() > 1) {
            let values: Option<Vec<_>> = items.iter().map(|item| item.get(key).and_then(identifier)).collect();
            let Some(values) = values else { continue };
            let Some(order) = self.order(key) else { continue };
            if order.is_data {
                continue;
            }
            match order.add(values.iter().map(|value| &**value)) {
                Some(true) => report(Finding::Reordered(key)),
                Some(false) => {}
                None => {
                    order.is_data = true;
                    report(Finding::Data(key));
                }
            }
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

    // The order by this key; `None` when too many keys are watched.
    fn order(&mut self, key: &str) -> Option<&mut KeyOrder> {
        let known = self.keys.iter().position(|known| known.key == *key);
        let at = match known {
            Some(at) => at,
            None if self.keys.len() < KEYS => {
                self.keys.push(KeyOrder {
                    key: key.to_owned(),
                    is_label: is_label_key(key),
                    values: Vec::new(),
                    firsts: Vec::new(),
                    after: Vec::new(),
                    is_data: false,
                });
                self.keys.len() - 1
            }
            None => return None,
        };
        self.keys.get_mut(at)
    }
}

impl KeyOrder {
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
            order.watch(&items, |finding| found.push(format!("{row} {finding:?}")));
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
        check(&[r#"["a","b"]"#, r#"["b","a"]"#, "[]", r#"[{"t":"a"}]"#], &[]);
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
