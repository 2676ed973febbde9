//! JSON lists whose elements are found by their own keys, not by their position: the primary phone, a field by its name.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::core::headings::{PRIMARY_INSIDE, is_address_list};
use crate::core::text::visible;

/// Keys of an element that say that it is the one to use.
const PRIMARY: [&str; 10] = [
    "primary",
    "isprimary",
    "preferred",
    "ispreferred",
    "default",
    "isdefault",
    "main",
    "ismain",
    "principal",
    "esprincipal",
];

/// The key of an object inside an element that has such a key, in answers of Google's API.
const METADATA: &str = "metadata";

/// The keys under which an element has the name of a field, and those of its value.
const NAMES: [&str; 6] = ["name", "key", "code", "field", "field_name", "field_code"];
const VALUES: [&str; 2] = ["value", "values"];

/// The key of the field's id, which is its name where an element has nothing else beside its value.
const ID: &str = "id";

/// The elements of a list of JSON.
#[derive(Clone, Copy, Debug)]
pub struct JsonList<'a> {
    items: &'a [Json],
    // Whether they may be fields: what several phones have as names are their labels.
    may_be_fields: bool,
}

impl<'a> JsonList<'a> {
    /// The step of a path that leads to the primary element.
    pub const PRIMARY_STEP: &'static str = "primary";

    /// That step between two others.
    pub const PRIMARY_INSIDE: &'static str = PRIMARY_INSIDE;

    /// The list under this key, or at the end of this path.
    pub fn new(path: &str, items: &'a [Json]) -> Self {
        let key = path.rsplit('.').next().unwrap_or_default();
        Self { items, may_be_fields: !is_address_list(key) }
    }

    /// The first element that is marked as primary (`"primary": true`), or else the first one.
    pub fn primary(self) -> Option<&'a Json> {
        self.items.get(self.primary_at())
    }

    /// Whether the first element is the primary one.
    pub(crate) fn is_primary_first(self) -> bool {
        self.primary_at() == 0
    }

    fn primary_at(self) -> usize {
        self.items.iter().position(|item| is_primary(item) == Some(true)).unwrap_or(0)
    }

    /// Whether any element is marked as primary or as not primary.
    pub fn has_primary(self) -> bool {
        self.items.iter().any(|item| is_primary(item).is_some())
    }

    /// The names of its fields, when each element is one, with its name and its value: `[{"name": "city", "value": "Lima"}]`.
    pub fn field_names(self) -> Option<Vec<Cow<'a, str>>> {
        let names: Option<Vec<Cow<'a, str>>> =
            self.items.iter().filter(|_| self.may_be_fields).map(|item| Some(field(item)?.0)).collect();
        names.filter(|names| !names.is_empty())
    }

    /// Whether its elements are fields of several names.
    pub fn has_several_fields(self) -> bool {
        self.field_names().is_some_and(|names| names.iter().any(|name| *name != names[0]))
    }

    /// The value of the first field of this name, when each element is a field.
    pub fn field(self, name: &str) -> Option<&'a Json> {
        self.field_names()?;
        self.items.iter().filter_map(field).find(|(known, _)| visible(known).trim() == name).map(|(_, value)| value)
    }
}

/// Whether a key marks an element as primary.
pub(in crate::core) fn is_primary_key(key: &str) -> bool {
    // It is asked of each key of each element, so nothing is allocated.
    let letters = || key.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase());
    PRIMARY.iter().any(|known| letters().eq(known.bytes()))
}

// Programs also write 1 and 0 for true and false.
fn is_primary(item: &Json) -> Option<bool> {
    let object = item.as_object()?;
    let flag = |(key, json): (&String, &Json)| {
        if !is_primary_key(key) {
            return None;
        }
        match json {
            Json::Bool(flag) => Some(*flag),
            Json::Number(number) => number.as_u64().filter(|number| *number < 2).map(|number| number == 1),
            Json::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        }
    };
    let metadata = object.get(METADATA).and_then(Json::as_object);
    // One flag may be of something else: any that is set decides.
    object.iter().chain(metadata.into_iter().flatten()).filter_map(flag).reduce(|any, flag| any || flag)
}

fn field(item: &Json) -> Option<(Cow<'_, str>, &Json)> {
    let object = item.as_object()?;
    let value = VALUES.into_iter().find_map(|key| object.get(key))?;
    let name = NAMES.into_iter().find_map(|key| object.get(key)?.as_str());
    let id = || match object.get(ID)? {
        Json::String(id) if object.len() == 2 => Some(Cow::Borrowed(id.as_str())),
        Json::Number(id) if object.len() == 2 => Some(Cow::Owned(id.to_string())),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => None,
    };
    Some((name.map(Cow::Borrowed).or_else(id)?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(list: &str) -> Vec<Json> {
        serde_json::from_str(list).unwrap()
    }

    #[test]
    fn the_primary_element_says_so_itself() {
        for (list, at, has_flag) in [
            (r#"[{"v":1,"primary":false},{"v":2,"primary":true}]"#, Some(1), true),
            (r#"[{"v":1,"is_primary":true},{"v":2,"is_primary":true}]"#, Some(0), true),
            (r#"[{"v":1},{"v":2,"isPrimary":"TRUE"}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"preferred":1}]"#, Some(1), true),
            (r#"[{"v":1,"default":0},{"v":2,"default":false}]"#, Some(0), true),
            (r#"[{"v":1},{"v":2,"metadata":{"primary":true}}]"#, Some(1), true),
            // Of several flags of an element, one that is set.
            (r#"[{"v":1},{"v":2,"is_default":false,"primary":true}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"primary":true,"is_default":false}]"#, Some(1), true),
            (r#"[{"v":1},{"v":2,"default":0,"metadata":{"primary":true}}]"#, Some(1), true),
            (r#"[{"v":1,"default":0,"primary":"x"},{"v":2,"is_default":false,"main":false}]"#, Some(0), true),
            (r#"[{"v":1,"primary":"+52155"},{"v":2,"primary":7}]"#, Some(0), false),
            (r#"["a","b"]"#, Some(0), false),
            ("[]", None, false),
        ] {
            let items = items(list);
            let found = JsonList::new("x.phones", &items);
            assert_eq!((found.primary(), found.has_primary()), (at.map(|at: usize| &items[at]), has_flag), "{list}");
            assert_eq!(found.is_primary_first(), at.is_none_or(|at| at == 0), "{list}");
        }
        // By its place, not by its value.
        let same = items(r#"[{"v":1,"primary":true},{"v":1,"primary":true}]"#);
        assert!(JsonList::new("phones", &same).is_primary_first());
    }

    #[test]
    fn a_key_says_primary_in_any_spelling() {
        for (key, expected) in [
            ("primary", true),
            ("Is_Primary", true),
            ("is-default", true),
            ("ES_PRINCIPAL", true),
            ("__main__", true),
            ("primary_phone", false),
            ("prim", false),
            ("", false),
            ("_", false),
        ] {
            assert_eq!(is_primary_key(key), expected, "{key:?}");
        }
    }

    #[test]
    fn a_list_of_fields_has_several_names_and_their_values() {
        for (list, expected) in [
            (r#"[{"name":"full_name","values":["Ann"]},{"name":"phone_number","values":["+1"]}]"#, true),
            (
                r#"[{"field_id":1,"field_code":"PHONE","values":[{"value":"+1"}]},{"field_id":2,"field_code":"EMAIL","values":[]}]"#,
                true,
            ),
            (r#"[{"key":"city","value":null},{"key":"plan","value":"pro"}]"#, true),
            (r#"[{"id":"a1","value":"Lima"},{"id":"b2","value":"pro"}]"#, true),
            (r#"[{"id":3600,"value":"Lima"},{"id":3601,"value":null}]"#, true),
            // Ids of other things.
            (r#"[{"id":1,"type":"home","value":"x"},{"id":2,"type":"work","value":"y"}]"#, false),
            // Several phones of one contact, the main one first.
            (r#"[{"type":"mobile","value":"+1"},{"type":"work","value":"+2"}]"#, false),
            (r#"[{"name":"phone","value":"+1"}]"#, false),
            (r#"[{"name":"Ann","phone":"+1"},{"name":"Bo","phone":"+2"}]"#, false),
            (r#"[{"value":"+1","primary":true},{"value":"+2","primary":false}]"#, false),
            (r#"["a","b"]"#, false),
            ("[]", false),
        ] {
            assert_eq!(JsonList::new("fields", &items(list)).has_several_fields(), expected, "{list}");
            for path in ["phones", "a.phoneNumbers", "email", "x.0.celulares", "emailAddresses", "Tel\u{e9}fonos"] {
                assert!(!JsonList::new(path, &items(list)).has_several_fields(), "{path} {list}");
            }
        }
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let check = |list: &str, name: &str, expected: Option<Json>| {
            assert_eq!(JsonList::new("fields", &items(list)).field(name), expected.as_ref(), "{list} {name}");
        };
        let list = r#"[{"name":"city","value":"Lima"},{"name":"plan","values":["a"]},{"name":"city","value":"Quito"}]"#;
        check(list, "city", Some("Lima".into()));
        check(list, "plan", Some(serde_json::json!(["a"])));
        check(list, "other", None);
        check("[{\"name\":\" jose\u{301} \",\"value\":\"x\"}]", "jos\u{e9}", Some("x".into()));
        check(r#"[{"name":"city","value":"Lima"},{"x":1}]"#, "city", None);
        check("[]", "city", None);
    }
}
