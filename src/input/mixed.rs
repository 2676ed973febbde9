//! Values of JSON that mean one thing in one row and another in the next: `false` in place of text, as Odoo writes a blank
//! field, and lists of fields in another order.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value as Json;

use super::notice::{NoticeKind, Notices};
use crate::core::list::JsonList;

/// How many keys are watched, how many lists of fields, and how many of which the first element is not the primary one: a contact has fewer, and an input whose keys are ids has no end of them.
const KEYS: usize = 256;
const LISTS: usize = 64;

/// How many objects may be around a list.
const DEPTH: usize = 4;

/// The key of the fields of a contact in the platform's own shape.
const OWN_FIELDS: &str = "custom_fields";

/// What was seen of the values of each key, and of each list of fields.
#[derive(Debug, Default)]
pub(super) struct Mixed {
    keys: Vec<Key>,
    own_fields: Vec<Key>,
    lists: Vec<Listed>,
    // The paths of lists of which the first element is not the primary one.
    primaries: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Key {
    name: Arc<str>,
    has_text: bool,
    has_true: bool,
    // How many rows have `false` there, and the line of the first of them.
    falses: u64,
    first: u64,
}

#[derive(Debug)]
struct Listed {
    path: String,
    // The names of its fields in the first row.
    names: Vec<String>,
}

impl Mixed {
    /// Takes note of a row.
    pub(super) fn watch(&mut self, object: &[(Arc<str>, Json)], line: u64, notices: &Notices) {
        for (at, (name, json)) in object.iter().enumerate() {
            match json {
                Json::Object(fields) => {
                    if **name == *OWN_FIELDS {
                        for (at, (name, json)) in fields.iter().enumerate() {
                            if let Some(key) = known(&mut self.own_fields, at, name, || name.as_str().into()) {
                                key.watch(json, line, OWN_FIELDS, notices);
                            }
                        }
                    }
                    self.lists_in(name, json, DEPTH, line, notices);
                }
                Json::Array(_) => self.lists_in(name, json, DEPTH, line, notices),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                    if let Some(key) = known(&mut self.keys, at, name, || Arc::clone(name)) {
                        key.watch(json, line, "", notices);
                    }
                }
            }
        }
    }

    fn lists_in(&mut self, path: &str, json: &Json, depth: usize, line: u64, notices: &Notices) {
        match json {
            Json::Array(items) => {
                let list = JsonList::new(path, items);
                if let Some(names) = list.field_names() {
                    self.list(path, &names, line, notices);
                }
                if items.len() > 1 && !list.is_primary_first() {
                    self.primary_not_first(path, line, notices);
                }
            }
            Json::Object(object) if depth > 0 => {
                for (key, json) in object.iter().filter(|(_, json)| json.is_array() || json.is_object()) {
                    self.lists_in(&format!("{path}.{key}"), json, depth - 1, line, notices);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {}
        }
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

    fn list(&mut self, path: &str, names: &[Cow<'_, str>], line: u64, notices: &Notices) {
        if let Some(first) = self.lists.iter().find(|list| list.path == path) {
            if first.names.iter().zip(names).any(|(first, name)| first != name) {
                notices.add(NoticeKind::FieldOrder(path.into()), line);
            }
        } else if self.lists.len() < LISTS {
            let names = names.iter().map(ToString::to_string).collect();
            self.lists.push(Listed { path: path.to_owned(), names });
        }
    }
}

// Rows have their keys in the same order nearly always.
fn known<'k>(keys: &'k mut Vec<Key>, at: usize, name: &str, owned: impl FnOnce() -> Arc<str>) -> Option<&'k mut Key> {
    let is_at = keys.get(at).is_some_and(|key| *key.name == *name);
    let found = if is_at { Some(at) } else { keys.iter().position(|key| *key.name == *name) };
    match found {
        Some(at) => keys.get_mut(at),
        None if keys.len() < KEYS => {
            keys.push(Key { name: owned(), has_text: false, has_true: false, falses: 0, first: 0 });
            keys.last_mut()
        }
        None => None,
    }
}

impl Key {
    fn watch(&mut self, json: &Json, line: u64, above: &str, notices: &Notices) {
        match json {
            Json::Bool(false) => {
                if self.falses == 0 {
                    self.first = line;
                }
                self.falses += 1;
            }
            // Then it is a boolean, whatever else it is.
            Json::Bool(true) if !self.has_true => self.has_true = true,
            Json::String(text) if !self.has_text && !text.trim().is_empty() => self.has_text = true,
            // Some programs write 1 for true.
            Json::Number(number) if !self.has_text && number.as_u64().is_none_or(|number| number > 1) => {
                self.has_text = true;
            }
            Json::Bool(true) | Json::Null | Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => {
                return;
            }
        }
        if self.falses == 0 || !self.has_text {
            return;
        }
        let path = if above.is_empty() { Arc::clone(&self.name) } else { format!("{above}.{}", self.name).into() };
        let kind = NoticeKind::FalseInText(path);
        if self.has_true {
            notices.remove(&kind);
        } else {
            notices.set(kind, self.first, self.falses);
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
            mixed.watch(
                &[(format!("id{line}").into(), phones.clone()), ("phones".into(), phones.clone())],
                line,
                &notices,
            );
        }
        let all = notices.all();
        assert_eq!(all.len(), LISTS);
        let kind = NoticeKind::PrimaryNotFirst("phones".into());
        assert!(all.contains(&Notice { kind, line: 1, rows: 1_000 }), "{all:?}");
    }

    #[test]
    fn false_is_noticed_among_texts_in_any_order() {
        let check = |values: &[&str], expected: Option<(u64, u64)>| {
            let notices = Notices::default();
            let mut mixed = Mixed::default();
            for (line, value) in (1..).zip(values) {
                let json = serde_json::from_str(value).unwrap();
                mixed.watch(&[("id".into(), 5.into()), ("a".into(), json)], line, &notices);
            }
            let kind = NoticeKind::FalseInText("a".into());
            let expected: Vec<Notice> = expected.map(|(line, rows)| Notice { kind, line, rows }).into_iter().collect();
            assert_eq!(notices.all(), expected, "{values:?}");
        };
        check(&["false", r#""x""#], Some((1, 1)));
        check(&[r#""x""#, "null", "false", "false"], Some((3, 2)));
        check(&["false", "17", "false"], Some((1, 2)));
        check(&["0.5", "false"], Some((2, 1)));
        check(&["false", "false"], None);
        check(&["false", "true", r#""x""#, "false"], None);
        check(&["false", r#""x""#, "true"], None);
        check(&["false", "null", r#"" ""#], None);
        check(&["false", "1", "0"], None);
        check(&["false", "[1]", "{}"], None);
    }
}
