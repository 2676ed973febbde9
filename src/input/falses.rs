//! JSON `false` in place of text: programs such as Odoo write it for a blank field.

use std::sync::Arc;

use serde_json::Value as Json;

use super::notice::{NoticeKind, Notices};

/// Maximum number of objects and keys that are watched. A contact has fewer, but keys may be ids, each different.
const KEYS: usize = 512;

/// What was seen of the values of each key.
#[derive(Debug, Default)]
pub(super) struct Falses {
    // The keys of each object, by the path that leads to it.
    objects: Vec<(String, Vec<Key>)>,
    count: usize,
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

impl Falses {
    /// The object at a path, for [`watch`](Self::watch); `None` when too many keys are watched.
    pub(super) fn object(&mut self, path: &str) -> Option<usize> {
        let known = self.objects.iter().position(|(known, _)| known == path);
        if known.is_none() && self.count < KEYS {
            // An object without scalars counts as well: there may be one for each id.
            self.count += 1;
            self.objects.push((path.to_owned(), Vec::new()));
            return Some(self.objects.len() - 1);
        }
        known
    }

    /// Adds a value of an object, under the key `name`, which is the one at `at`.
    pub(super) fn watch(&mut self, object: usize, at: usize, name: &str, json: &Json, line: u64, notices: &Notices) {
        if json.is_array() || json.is_object() {
            return;
        }
        let Some((path, keys)) = self.objects.get_mut(object) else { return };
        // Most rows have their keys in the same order.
        let is_at = keys.get(at).is_some_and(|key| *key.name == *name);
        let found = if is_at { Some(at) } else { keys.iter().position(|key| *key.name == *name) };
        let key = match found {
            Some(at) => &mut keys[at],
            None if self.count < KEYS => {
                self.count += 1;
                let at = keys.len();
                keys.push(Key { name: name.into(), has_text: false, has_true: false, falses: 0, first: 0 });
                &mut keys[at]
            }
            None => return,
        };
        key.watch(json, line, path, notices);
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
    fn false_is_noticed_among_texts_in_any_order() {
        let check = |values: &[&str], expected: Option<(u64, u64)>| {
            let notices = Notices::default();
            let mut falses = Falses::default();
            for (line, value) in (1..).zip(values) {
                let json = serde_json::from_str(value).unwrap();
                let object = falses.object("").unwrap();
                falses.watch(object, 0, "id", &5.into(), line, &notices);
                falses.watch(object, 1, "a", &json, line, &notices);
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

    #[test]
    fn objects_are_bounded_also_without_scalars() {
        let mut falses = Falses::default();
        for id in 0..2 * KEYS {
            let object = falses.object(&format!("orders.{id}"));
            assert_eq!(object.is_some(), id < KEYS, "{id}");
        }
        assert_eq!(falses.objects.len(), KEYS);
        assert_eq!(falses.object("orders.0"), Some(0));
    }
}
