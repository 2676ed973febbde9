//! Finds a value in nested JSON by a dotted path.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::list::JsonList;
use crate::core::text::visible;

/// The step from a list to the element that says that it is the primary one, else to the first.
const PRIMARY: &str = "primary";

/// A key, or keys and places of a list with dots between them: `address.city`, `phones.0`. In a list, a step may also be the
/// name of a field whose name and value stand in an element, or `primary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    whole: String,
    steps: Vec<String>,
}

impl Path {
    pub(super) fn new(name: &str) -> Self {
        let whole = visible(name.trim()).trim().to_owned();
        let steps = whole.split('.').map(|step| step.trim().to_owned()).collect();
        Self { whole, steps }
    }

    /// What stands there. A key that has the dots in its name comes first.
    pub(super) fn find<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Option<&'a Json> {
        let of = |name: &str| object.iter().find(|(key, _)| visible(key) == name).map(|(_, json)| json);
        if let Some(json) = self.find_whole(object) {
            return Some(json);
        }
        let (first, rest) = self.steps.split_first()?;
        let start = (!rest.is_empty()).then(|| of(first)).flatten()?;
        let mut json = start;
        let mut key = first;
        let mut is_named = false;
        for step in rest {
            is_named = json.is_array() && !is_place(step);
            json = match json {
                Json::Object(map) => map.iter().find(|(key, _)| visible(key) == *step).map(|(_, json)| json),
                Json::Array(list) => element(key, list, step),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
            }?;
            key = step;
        }
        // `{"name": "phone", "values": ["+52…"]}`, as in lead forms of Meta.
        match json {
            Json::Array(items) if is_named => match items.as_slice() {
                [only] if !only.is_array() && !only.is_object() => Some(only),
                _ => Some(json),
            },
            Json::Array(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                Some(json)
            }
        }
    }

    fn find_whole<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Option<&'a Json> {
        object.iter().find(|(key, _)| visible(key) == self.whole).map(|(_, json)| json)
    }

    /// The keys and values of the object in which it ends, and those of the objects around that one.
    pub(super) fn other_runs<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Vec<(&'a str, &'a Json)> {
        let mut other_runs: Vec<(&str, &Json)> = object.iter().map(|(key, json)| (&**key, json)).collect();
        let is_whole = object.iter().any(|(key, _)| visible(key) == self.whole);
        let mut inside = object.iter().find(|(key, _)| visible(key) == self.steps[0]).map(|(_, json)| json);
        for (key, step) in self.steps.iter().zip(self.steps.iter().skip(1)).filter(|_| !is_whole) {
            inside = match inside {
                Some(Json::Object(map)) => {
                    other_runs.extend(map.iter().map(|(key, json)| (key.as_str(), json)));
                    map.get(step)
                }
                Some(Json::Array(list)) => element(key, list, step),
                Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) | None => None,
            };
        }
        other_runs
    }

    /// The list of fields of several names of which it takes one by position: another row may have another field there.
    pub(super) fn list_by_position(&self, object: &[(Arc<str>, Json)]) -> Option<String> {
        let at = self.steps.iter().skip(1).position(|step| is_place(step))? + 1;
        let list = self.steps[..at].join(".");
        match Self::new(&list).find(object)? {
            Json::Array(items) if self.find_whole(object).is_none() => {
                JsonList::new(&list, items).has_several_fields().then_some(list)
            }
            Json::Array(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => None,
        }
    }

    /// Whether it takes an element of this list by position.
    pub(super) fn takes_by_position(&self, list: &str) -> bool {
        let rest = self.whole.strip_prefix(list).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| is_place(rest.split('.').next().unwrap_or_default()))
    }

    /// Whether it takes the first element of this list.
    pub(super) fn takes_first(&self, list: &str) -> bool {
        let rest = self.whole.strip_prefix(list).and_then(|rest| rest.strip_prefix(".0"));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Whether it is this key, or leads through these keys.
    pub(super) fn is(&self, path: &str) -> bool {
        self.whole == path
    }

    /// Whether it leads to the value of this key of the row, or into it.
    pub(super) fn goes_by(&self, key: &str) -> bool {
        self.whole == key || (self.steps.len() > 1 && self.steps[0] == key)
    }
}

fn is_place(step: &str) -> bool {
    !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
}

// Of the list under this key.
fn element<'a>(key: &str, list: &'a [Json], step: &str) -> Option<&'a Json> {
    if is_place(step) {
        return list.get(step.parse::<usize>().ok()?);
    }
    let list = JsonList::new(key, list);
    // Of fields in any order, none is the first.
    let has_first = || step == PRIMARY && (list.has_primary() || !list.has_several_fields());
    list.field(step).or_else(|| has_first().then(|| list.primary()).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_objects_and_lists() {
        let object: serde_json::Map<String, Json> = serde_json::from_str(
            r#"{"a":1,"b":{"c":2,"d":{"e":3}},"f":[4,{"g":5}],"b.c":6,"m":[{"name":"x","values":[14]},{"name":"y","values":[15,16]}],"p":[{"v":8},{"v":9,"primary":true}],
                "l":[{"name":"x","value":11},{"name":"y","value":12},{"name":"primary","value":13}],"jose\u0301":{"n\u0303":7}}"#,
        )
        .unwrap();
        let object: Vec<(Arc<str>, Json)> = object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect();
        let check = |path: &str, expected: Option<i64>| {
            assert_eq!(Path::new(path).find(&object).and_then(Json::as_i64), expected, "{path}");
        };
        check("a", Some(1));
        check("b.d.e", Some(3));
        check("f.0", Some(4));
        check("f.1.g", Some(5));
        check("b.c", Some(6));
        check("jos\u{e9}.\u{f1}", Some(7));
        check("a.b", None);
        check("f.2", None);
        check("f.x", None);
        check("f.primary", Some(4));
        check("p.primary.v", Some(9));
        check("p.0.v", Some(8));
        check("l.x", Some(11));
        check("l.y", Some(12));
        check("l.primary", Some(13));
        check("l.z", None);
        check("m.x", Some(14));
        check("m.x.0", Some(14));
        check("m.y", None);
        check("m.y.1", Some(16));
        check("b.primary", None);
        check("b", None);
        check("x", None);
        check("b.", None);
        check("", None);
    }
}
