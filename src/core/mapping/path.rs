//! Finds a value in nested JSON by a dotted path.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::text::visible;

/// A key, or keys and places of a list with dots between them: `address.city`, `phones.0`.
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
        if let Some(json) = of(&self.whole) {
            return Some(json);
        }
        let (first, rest) = self.steps.split_first()?;
        let start = (!rest.is_empty()).then(|| of(first)).flatten()?;
        rest.iter().try_fold(start, |json, step| match json {
            Json::Object(map) => map.iter().find(|(key, _)| visible(key) == *step).map(|(_, json)| json),
            Json::Array(list) => list.get(step.parse::<usize>().ok()?),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
        })
    }

    /// The keys and values of the object in which it ends, and those of the objects around that one.
    pub(super) fn other_runs<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Vec<(&'a str, &'a Json)> {
        let mut other_runs: Vec<(&str, &Json)> = object.iter().map(|(key, json)| (&**key, json)).collect();
        let is_whole = object.iter().any(|(key, _)| visible(key) == self.whole);
        let mut inside = object.iter().find(|(key, _)| visible(key) == self.steps[0]).map(|(_, json)| json);
        for step in self.steps.iter().skip(1).filter(|_| !is_whole) {
            inside = match inside {
                Some(Json::Object(map)) => {
                    other_runs.extend(map.iter().map(|(key, json)| (key.as_str(), json)));
                    map.get(step)
                }
                Some(Json::Array(list)) => step.parse::<usize>().ok().and_then(|at| list.get(at)),
                Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_)) | None => None,
            };
        }
        other_runs
    }

    /// Whether it leads to the value of this key of the row, or into it.
    pub(super) fn goes_by(&self, key: &str) -> bool {
        self.whole == key || (self.steps.len() > 1 && self.steps[0] == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_objects_and_lists() {
        let object: serde_json::Map<String, Json> = serde_json::from_str(
            r#"{"a":1,"b":{"c":2,"d":{"e":3}},"f":[4,{"g":5}],"b.c":6,"jose\u0301":{"n\u0303":7}}"#,
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
        check("b", None);
        check("x", None);
        check("b.", None);
        check("", None);
    }
}
