//! Values of JSON that mean one thing in one row and another in the next: `false` in place of text, as Odoo writes a blank
//! field, and lists of fields in another order.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as Json;

use super::element_order::{ElementOrder, Finding};
use super::error::SourceFault;
use super::falses::Falses;
use super::json_text;
use super::notice::{NoticeKind, Notices};
use crate::core::list::{JsonList, is_attribute_key, is_label_key};
use crate::core::mapping::takes_by_position;

/// How many lists of fields are compared, how many lists of other elements, and how many lists are reported of which the first
/// element is not the primary one: a contact has fewer, and an input whose keys are ids has no end of them.
const LISTS: usize = 64;

/// How many objects may be around a list.
const DEPTH: usize = 4;

/// What was seen of the values of each key, and of each list of fields.
#[derive(Debug, Default)]
pub(super) struct Mixed {
    falses: Falses,
    lists: Vec<Listed>,
    // The orders of the elements of other lists.
    orders: Vec<(Arc<str>, ElementOrder)>,
    // The paths by which ids and match values are read.
    match_paths: Vec<String>,
    // The list that a match path reads by position though its elements come in another order in this row.
    refused: Option<Arc<str>>,
    // The paths of lists of which the first element is not the primary one.
    primaries: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Listed {
    path: String,
    // The names of its fields in the first row.
    names: Vec<String>,
}

impl Mixed {
    /// Sets the paths by which ids and match values are read.
    pub(super) fn match_by(&mut self, paths: Vec<String>) {
        self.match_paths = paths;
    }

    /// Takes note of a row.
    ///
    /// # Errors
    /// When an id or a match value is read by position from a list that has its elements in another order in an earlier row:
    /// it would be another contact's.
    pub(super) fn watch(
        &mut self,
        object: &[(Arc<str>, Json)],
        line: u64,
        notices: &Notices,
    ) -> Result<(), SourceFault> {
        let row = self.falses.object("");
        let mut path = String::new();
        for (at, (name, json)) in object.iter().enumerate() {
            self.value(row, "", (at, name), json, line, notices);
            if json.is_array() || json.is_object() {
                path.clear();
                path.push_str(name);
                self.inside(&mut path, json, DEPTH, line, notices);
            }
        }
        match self.refused.take() {
            Some(list) => Err(SourceFault::ElementOrder { line, list: list.to_string() }),
            None => Ok(()),
        }
    }

    // Examines one value of an object at this path, with its place among the keys. Of an object beyond the maximum number,
    // none is.
    fn value(
        &mut self,
        object: Option<usize>,
        path: &str,
        (at, key): (usize, &str),
        json: &Json,
        line: u64,
        notices: &Notices,
    ) {
        let Some(object) = object else { return };
        self.falses.watch(object, at, key, json, line, notices);
        if let Json::String(text) = json {
            json_text::watch(path, key, text, line, notices);
        }
    }

    // Examines a list or an object at this path, which is the same afterwards.
    fn inside(&mut self, path: &mut String, json: &Json, depth: usize, line: u64, notices: &Notices) {
        match json {
            Json::Array(items) => {
                let list = JsonList::new(path, items);
                match list.fields() {
                    Some(fields) => {
                        self.list(path, &fields, line, notices);
                        let object = self.falses.object(path);
                        for (at, (name, json)) in fields.iter().enumerate() {
                            if let Some(json) = json {
                                self.value(object, path, (at, name), json, line, notices);
                            }
                        }
                    }
                    None => self.elements(path, list, items, line, notices),
                }
                if items.len() > 1 && !list.is_primary_first() {
                    self.primary_not_first(path, line, notices);
                }
                // Paths lead to the first element far more often than to another one.
                let is_entered = |first: &&Json| depth > 0 && (first.is_object() || first.is_array());
                if let Some(first) = items.first().filter(is_entered) {
                    self.below(path, "0", first, depth, line, notices);
                }
            }
            Json::Object(object) => {
                let inside = self.falses.object(path);
                for (at, (key, json)) in object.iter().enumerate() {
                    self.value(inside, path, (at, key), json, line, notices);
                    if depth > 0 && (json.is_array() || json.is_object()) {
                        self.below(path, key, json, depth, line, notices);
                    }
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn below(&mut self, path: &mut String, key: &str, json: &Json, depth: usize, line: u64, notices: &Notices) {
        let length = path.len();
        path.push('.');
        path.push_str(key);
        self.inside(path, json, depth - 1, line, notices);
        path.truncate(length);
    }

    fn primary_not_first(&mut self, path: &str, line: u64, notices: &Notices) {
        let known = self.primaries.iter().find(|known| ***known == *path).map(Arc::clone);
        let path = match known {
            Some(path) => path,
            None if self.primaries.len() < LISTS => {
                let path: Arc<str> = path.into();
                self.primaries.push(Arc::clone(&path));
                path
            }
            None => return,
        };
        notices.add(NoticeKind::PrimaryNotFirst(path), line);
    }

    // A list whose elements have no name and value.
    fn elements(&mut self, path: &str, of: JsonList<'_>, items: &[Json], line: u64, notices: &Notices) {
        let known = self.orders.iter().position(|(known, _)| **known == *path);
        let at = match known {
            Some(at) => at,
            None if self.orders.len() < LISTS => {
                self.orders.push((path.into(), ElementOrder::default()));
                self.orders.len() - 1
            }
            None => return,
        };
        let (list, order) = &mut self.orders[at];
        let (mut is_reordered, list) = (false, Arc::clone(list));
        order.watch(items, of.are_addresses(), |finding| {
            let kind = |key: &str| NoticeKind::ElementOrder { list: Arc::clone(&list), key: key.into() };
            match finding {
                Finding::Reordered(key) => {
                    is_reordered |= !is_label_key(key) && !is_attribute_key(key) && !of.are_pairs();
                    notices.add(kind(key), line);
                }
                Finding::Data(key) => notices.remove(&kind(key)),
                Finding::Plain { by_kind } => {
                    is_reordered |= by_kind;
                    notices.add(NoticeKind::ValueOrder(Arc::clone(&list)), line);
                }
                Finding::PlainData => notices.remove(&NoticeKind::ValueOrder(Arc::clone(&list))),
            }
        });
        // Of phones with labels, any one is a phone of the contact.
        if is_reordered && self.match_paths.iter().any(|path| takes_by_position(path, &list)) {
            self.refused = Some(list);
        }
    }

    fn list(&mut self, path: &str, fields: &[(Cow<'_, str>, Option<&Json>)], line: u64, notices: &Notices) {
        if let Some(first) = self.lists.iter().find(|list| list.path == path) {
            if first.names.iter().zip(fields).any(|(first, (name, _))| first != name) {
                notices.add(NoticeKind::FieldOrder(path.into()), line);
            }
        } else if self.lists.len() < LISTS {
            let names = fields.iter().map(|(name, _)| name.to_string()).collect();
            self.lists.push(Listed { path: path.to_owned(), names });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::notice::Notice;
    use super::*;

    #[test]
    fn lists_whose_keys_have_no_end_are_not_all_noticed() {
        let phones: Json = serde_json::from_str(r#"[{"v":1,"primary":false},{"v":2,"primary":true}]"#).unwrap();
        let (notices, mut mixed) = (Notices::default(), Mixed::default());
        for line in 1..=1_000 {
            mixed
                .watch(
                    &[(format!("id{line}").into(), phones.clone()), ("phones".into(), phones.clone())],
                    line,
                    &notices,
                )
                .unwrap();
        }
        let all = notices.all();
        assert_eq!(all.len(), LISTS);
        let kind = NoticeKind::PrimaryNotFirst("phones".into());
        assert!(all.contains(&Notice { kind, line: 1, rows: 1_000 }), "{all:?}");
    }
}
