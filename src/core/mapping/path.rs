//! Finds a value in nested JSON by a dotted path.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::core::list::{JsonList, is_blank};
use crate::core::text::{is_digits, visible};

/// A key, or keys and places of a list with dots between them: `address.city`, `phones.0`. In a list, a step may also be the
/// name of a field whose name and value are in an element, the label of an element, or `primary`.
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

    pub(super) fn as_str(&self) -> &str {
        &self.whole
    }

    /// What stands there. A key that has the dots in its name comes first. The only value of a field in a list of fields stands
    /// for the list of its values: `{"name": "phone", "values": ["+52…"]}`, as in lead forms of Meta.
    pub(super) fn find<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Option<&'a Json> {
        let (json, is_field) = self.find_field(object)?;
        match json {
            Json::Array(items) if is_field => match items.as_slice() {
                [only] if !only.is_array() && !only.is_object() => Some(only),
                _ => Some(json),
            },
            Json::Array(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
                Some(json)
            }
        }
    }

    /// The same, with all values of a field in a list, also where there is only one.
    pub(super) fn find_values<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Option<&'a Json> {
        self.find_field(object).map(|(json, _)| json)
    }

    // What stands there, and whether it is the value of a field in a list of fields.
    fn find_field<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Option<(&'a Json, bool)> {
        if let Some(json) = self.find_whole(object) {
            return Some((json, false));
        }
        let (first, rest) = self.steps.split_first()?;
        let start = (!rest.is_empty()).then(|| key_of(object, first)).flatten()?;
        follow(first, start, rest)
    }

    fn find_whole<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Option<&'a Json> {
        object.iter().find(|(key, _)| visible(key) == self.whole).map(|(_, json)| json)
    }

    /// The keys and values of the object in which it ends, and those of the objects around that one.
    pub(super) fn neighbours<'a>(&self, object: &'a [(Arc<str>, Json)]) -> Vec<(&'a str, &'a Json)> {
        let mut neighbours: Vec<(&str, &Json)> = object.iter().map(|(key, json)| (&**key, json)).collect();
        let is_whole = self.find_whole(object).is_some();
        let mut inside = key_of(object, &self.steps[0]);
        for (at, key) in self.steps.iter().enumerate().take(self.steps.len() - 1).filter(|_| !is_whole) {
            let Some(json) = inside else { break };
            if let Json::Object(map) = json {
                neighbours.extend(map.iter().map(|(key, json)| (key.as_str(), json)));
            }
            inside = enter(key, json, &self.steps[at + 1..]);
        }
        neighbours
    }

    /// The list of fields by name and value of which it takes one by position: another row may have another field there.
    pub(super) fn list_by_position(&self, object: &[(Arc<str>, Json)]) -> Option<String> {
        if self.find_whole(object).is_some() {
            return None;
        }
        let is_of_fields = |list: &String| {
            let found = Self::new(list).find_values(object);
            found.is_some_and(|json| JsonList::new(list, elements(json)).field_names().is_some())
        };
        let places = (1..self.steps.len()).filter(|at| is_place(&self.steps[*at]));
        places.map(|at| self.steps[..at].join(".")).find(is_of_fields)
    }

    /// The value that it cannot enter, although it is not blank and other rows may have an object or a list there.
    pub(super) fn blocked(&self, object: &[(Arc<str>, Json)]) -> Option<BlockedPath> {
        let (first, rest) = self.steps.split_first().filter(|(_, rest)| !rest.is_empty())?;
        if self.find_field(object).is_some() {
            return None;
        }
        let mut json = key_of(object, first)?;
        for (at, step) in rest.iter().enumerate() {
            match enter(&self.steps[at], json, &rest[at..]) {
                Some(next) => json = next,
                // Text in place of a list is its only element.
                None if at + 1 == rest.len() && is_place(step) && !json.is_array() => return None,
                None => {
                    let cause = obstacle(&self.steps[at], json, step)?;
                    return Some(BlockedPath { path: self.whole.clone(), at: self.steps[..=at].join("."), cause });
                }
            }
        }
        None
    }

    /// Whether it takes an element of this list by position.
    pub(super) fn takes_by_position(&self, list: &str) -> bool {
        takes_by_position(&self.whole, list)
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

/// A value of a row that a path cannot enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockedPath {
    /// The path.
    pub(crate) path: String,
    /// The part of the path that leads to the value.
    pub(crate) at: String,
    /// What is there.
    pub(crate) cause: Obstacle,
}

/// What stands at a part of a path in place of an object or a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Obstacle {
    /// A list of several elements, where the path has the key of a single one.
    SeveralElements,
    /// A list of fields by name and value, where the path has the key of one of them.
    Fields,
    /// Text, a number or `true`.
    PlainValue,
}

/// Whether a path takes an element of this list by its position.
pub(crate) fn takes_by_position(path: &str, list: &str) -> bool {
    let rest = path.strip_prefix(list).and_then(|rest| rest.strip_prefix('.'));
    rest.is_some_and(|rest| is_place(rest.split('.').next().unwrap_or_default()))
}

/// Whether a step of a path is a position in a list.
pub(crate) fn is_place(step: &str) -> bool {
    is_digits(step)
}

fn key_of<'a>(object: &'a [(Arc<str>, Json)], name: &str) -> Option<&'a Json> {
    object.iter().find(|(key, _)| visible(key) == name).map(|(_, json)| json)
}

fn member<'a>(map: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    map.iter().find(|(key, _)| visible(key) == name).map(|(_, json)| json)
}

// The elements of a list. Programs that convert XML write the only element of a list without the list. An object whose keys
// are positions is a list of several, which PHP writes.
fn elements(json: &Json) -> &[Json] {
    match json {
        Json::Array(items) => items,
        Json::Object(map) if !map.keys().any(|key| is_place(key)) => std::slice::from_ref(json),
        Json::String(_) | Json::Number(_) => std::slice::from_ref(json),
        Json::Object(_) | Json::Null | Json::Bool(_) => &[],
    }
}

// What stands at the end of these steps from the value under this key, and whether it is the value of a field in a list of
// fields.
fn follow<'a>(key: &str, json: &'a Json, steps: &[String]) -> Option<(&'a Json, bool)> {
    let (step, further) = steps.split_first()?;
    let (next, taken, is_named) = match json {
        Json::Array(_) | Json::Object(_) => match member_of(json, step) {
            Some(json) => (json, 1, false),
            None => match dotted_field(key, elements(json), steps) {
                Some((json, taken)) => (json, taken, true),
                None => (element(key, json, steps)?, 1, !is_place(step)),
            },
        },
        Json::String(_) | Json::Number(_) => (element(key, json, steps).filter(|_| further.is_empty())?, 1, false),
        Json::Null | Json::Bool(_) => return None,
    };
    if taken == steps.len() { Some((next, is_named)) } else { follow(&steps[taken - 1], next, &steps[taken..]) }
}

// Enters a value by the first of these steps.
fn enter<'a>(key: &str, json: &'a Json, steps: &[String]) -> Option<&'a Json> {
    match json {
        Json::Array(_) | Json::Object(_) => member_of(json, steps.first()?).or_else(|| element(key, json, steps)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

// The value of a key of an object.
fn member_of<'a>(json: &'a Json, step: &str) -> Option<&'a Json> {
    match json {
        Json::Object(map) => member(map, step),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => None,
    }
}

// The element of the list under this key to which the first of these steps leads. Into an element with a label, a further step
// has to lead.
fn element<'a>(key: &str, json: &'a Json, steps: &[String]) -> Option<&'a Json> {
    let (step, further) = steps.split_first()?;
    let items = elements(json);
    if is_place(step) {
        return items.get(step.parse::<usize>().ok()?);
    }
    let list = JsonList::new(key, items);
    let are_fields = || list.field_names().is_some();
    let field = list.field(step);
    // A step into a value that has none inside is meant for the element: `phones.home.number`, `fields.city.value`.
    let is_inside = |json: &&Json| further.is_empty() || json.is_object() || json.is_array();
    // Of fields in any order, none is the first, and another row may have others.
    let has_first = step == JsonList::PRIMARY_STEP && (list.has_primary() || !are_fields());
    let primary = || has_first.then(|| primary(list, step, further)).flatten();
    let labelled = || if further.is_empty() { list.labelled_value(step) } else { list.labelled(step).or(field) };
    // The key of the only element, which other rows have without a list.
    let only = || match items {
        [Json::Object(map)] if json.is_array() && !are_fields() => member(map, step),
        _ => None,
    };
    field.filter(is_inside).or_else(primary).or_else(labelled).or_else(only)
}

// The primary element, or the next one if the primary one has a blank there.
fn primary<'a>(list: JsonList<'a>, step: &str, further: &[String]) -> Option<&'a Json> {
    let is_filled = |item: &&Json| match further {
        [] => !is_blank(item),
        [_, ..] => follow(step, item, further).is_some_and(|(json, _)| !is_blank(json)),
    };
    list.by_primacy().find(is_filled).or_else(|| list.primary())
}

// Why a value that is not blank cannot be entered by this step.
fn obstacle(key: &str, json: &Json, step: &str) -> Option<Obstacle> {
    match json {
        Json::Array(items) if items.iter().any(|item| item.get(step).is_some()) => {
            let are_fields = JsonList::new(key, items).field_names().is_some();
            Some(if are_fields { Obstacle::Fields } else { Obstacle::SeveralElements })
        }
        Json::Number(_) | Json::Bool(true) => Some(Obstacle::PlainValue),
        Json::String(text) => (!text.trim().is_empty()).then_some(Obstacle::PlainValue),
        Json::Array(_) | Json::Object(_) | Json::Null | Json::Bool(false) => None,
    }
}

// The field whose name has dots, so that several steps are its name; and how many of them.
fn dotted_field<'a>(key: &str, list: &'a [Json], steps: &[String]) -> Option<(&'a Json, usize)> {
    if steps.len() < 2 || is_place(&steps[0]) {
        return None;
    }
    let list = JsonList::new(key, list);
    // A step has no space around it: a name may have one after its dot, as `Nro. celular` has.
    let named = |count: usize, dot: &str| list.field(&steps[..count].join(dot));
    (2..=steps.len()).rev().find_map(|count| Some((named(count, ".").or_else(|| named(count, ". "))?, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_into_objects_and_lists() {
        let object: serde_json::Map<String, Json> = serde_json::from_str(
            r#"{"a":1,"b":{"c":2,"d":{"e":3}},"f":[4,{"g":5}],"b.c":6,"m":[{"name":"x","values":[14]},{"name":"y","values":[15,16]}],"p":[{"v":8},{"v":9,"primary":true}],
                "l":[{"name":"x","value":11},{"name":"y","value":12},{"name":"primary","value":13}],"o":[{"name":"a","value":17}],
                "d":[{"name":"a.b","value":18},{"name":"A.C","value":19},{"name":"a.b.c","value":20},{"name":"x.y","value":{"z":[21,22]}},{"name":"Nro. celular","value":27}],
                "phones":[{"label":"home","n":23},{"label":"work","n":24}],"tels":[{"type":"work","value":26},{"type":"mobile","value":25}],"jose\u0301":{"n\u0303":7}}"#,
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
        check("o.primary.value", None);
        check("o.a", Some(17));
        check("o.0.value", Some(17));
        check("d.a.b", Some(18));
        check("d.a.c", Some(19));
        check("d.a.b.c", Some(20));
        check("d.x.y.z.1", Some(22));
        check("d.Nro. celular", Some(27));
        check("d.nro.celular", Some(27));
        check("d.a", None);
        check("phones.home.n", Some(23));
        check("phones.Work.n", Some(24));
        check("phones.0.n", Some(23));
        check("phones.fax.n", None);
        check("phones.home", None);
        check("l.x.value", Some(11));
        check("tels.mobile", Some(25));
        check("tels.mobile.value", Some(25));
        check("b", None);
        check("x", None);
        check("b.", None);
        check("", None);
    }

    #[test]
    fn a_list_of_fields_is_found_that_a_path_reads_by_position() {
        let check = |object: &str, path: &str, expected: Option<&str>| {
            let object: serde_json::Map<String, Json> = serde_json::from_str(object).unwrap();
            let object: Vec<(Arc<str>, Json)> = object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect();
            assert_eq!(Path::new(path).list_by_position(&object).as_deref(), expected, "{object:?} {path}");
        };
        let two = r#"[{"name":"a","value":1},{"name":"b","value":2}]"#;
        for fields in [two, r#"[{"id":"crm","value":"1"}]"#, r#"[{"name":"a","values":[1]}]"#] {
            let object = format!(r#"{{"f":{fields},"data":[{{"f":{fields}}}],"x":{{"0":{{"f":{fields}}}}},"f.1":1}}"#);
            check(&object, "f.0.value", Some("f"));
            check(&object, "f.a", None);
            check(&object, "f.1", None);
            check(&object, "data.0.f.0.value", Some("data.0.f"));
            check(&object, "data.primary.f.0.value", Some("data.primary.f"));
            check(&object, "data.0.f.a", None);
            check(&object, "data.0.other.0", None);
            check(&object, "x.0.f.0.value", Some("x.0.f"));
        }
        // Several phones of one contact, whose names are their labels.
        check(r#"{"phones":[{"name":"mobile","value":"+1"}]}"#, "phones.0.value", None);
        check(r#"{"x":["a","b"],"f":[{"name":"a","values":["b"]}]}"#, "x.0", None);
        check(r#"{"f":[{"name":"a","values":["b"]}]}"#, "f.a.0", None);
    }

    #[test]
    fn all_values_of_a_field_are_found() {
        let check = |values: Json, expected: Json, of_tags: Json| {
            let field = serde_json::json!([{"name": "tags", "values": values}]);
            let object: Vec<(Arc<str>, Json)> = vec![("f".into(), field)];
            assert_eq!(Path::new("f.tags").find(&object), Some(&expected));
            assert_eq!(Path::new("f.tags").find_values(&object), Some(&of_tags));
        };
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        check(json(r#"["Big, spender"]"#), "Big, spender".into(), json(r#"["Big, spender"]"#));
        check(json(r#"["a","b"]"#), json(r#"["a","b"]"#), json(r#"["a","b"]"#));
        check("a, b".into(), "a, b".into(), "a, b".into());
    }
}
