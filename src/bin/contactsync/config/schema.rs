//! The JSON schema of `contactsync.toml`, for editors.
//!
//! The parser is asked for its keys, and which types and values each one takes, so there is no second list of keys and a new
//! table is in the schema by itself. Descriptions come from the help texts of the options and from the keys of the mapping.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::Config;
use super::file::ConfigFile;
use super::mapping::keys::{FIELD_KEYS, ID_KEYS, KEYS, KeyInfo, NAMED_STEPS, STEP_KEYS, TAG_KEYS, TAKE_KEYS};
use super::notify::{DEGRADED_KEYS, NOTIFY_KEYS};
use crate::options::Expected;

/// A key that no table has.
const NO_KEY: &str = "no_such_key";

/// A text that is no value of a list of choices.
const NO_VALUE: &str = "\"no such value\"";

/// The schema. `help` is the help text of each option, by its key.
pub fn schema(help: &BTreeMap<String, String>) -> Json {
    let keys = keys("").unwrap_or_default();
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), "contactsync.toml".into());
    schema.insert("description".to_owned(), "The configuration of contactsync".into());
    schema.extend(Tables { help }.object("", "", &keys));
    Json::Object(schema)
}

struct Tables<'a> {
    help: &'a BTreeMap<String, String>,
}

impl Tables<'_> {
    /// The schema of a table. `header` is the TOML up to its keys, `path` its dotted name.
    fn object(&self, header: &str, path: &str, keys: &[&'static str]) -> Map<String, Json> {
        // A table does not contain itself, although the parser knows the key, to refuse it.
        let keys = keys.iter().filter(|key| !path.split('.').any(|table| table == **key));
        let properties: Map<String, Json> =
            keys.map(|key| ((*key).to_owned(), self.value(header, path, key))).collect();
        let mut object = Map::new();
        object.insert("type".to_owned(), "object".into());
        object.insert("properties".to_owned(), properties.into());
        object.insert("additionalProperties".to_owned(), false.into());
        object
    }

    /// The schema of the value of a key.
    fn value(&self, header: &str, path: &str, key: &str) -> Json {
        let takes = |value: &str| takes(&format!("{header}{key} = {value}\n"));
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let mut forms = Vec::new();
        forms.extend(text(header, key));
        if takes("7") {
            let is_text_too = !forms.is_empty();
            forms.extend(whole_number(header, key, is_text_too));
        }
        if takes("true") {
            forms.push(json!({ "type": "boolean" }));
        }
        let table = if takes("{}") { self.table(&format!("{header}[{path}]\n"), &path) } else { None };
        let mut items: Vec<Json> = Vec::new();
        if takes("[\"a\"]") {
            items.extend(text(header, key).or_else(|| Some(json!({ "type": "string" }))));
        }
        if takes("[{}]") {
            items.extend(self.table(&format!("{header}[[{path}]]\n"), &path));
        }
        if !items.is_empty() {
            forms.push(json!({ "type": "array", "items": any_of(items) }));
        }
        forms.extend(table);
        let mut schema = any_of(forms);
        if let (Some(about), Json::Object(schema)) = (self.about(&path), &mut schema) {
            schema.insert("description".to_owned(), about.into());
        }
        schema
    }

    /// The schema of a table that is a value: with fixed keys, or with a name for each entry.
    fn table(&self, header: &str, path: &str) -> Option<Json> {
        if let Some(keys) = keys(header) {
            return Some(self.object(header, path, &keys).into());
        }
        let entry = format!("{path}.a");
        let inner = format!("{header}[{entry}]\n");
        let mut forms: Vec<Json> = Vec::new();
        if takes(&format!("{header}a = \"a\"\n")) {
            forms.push(json!({ "type": "string" }));
        }
        if let Some(keys) = keys(&inner) {
            forms.push(self.object(&inner, &entry, &keys).into());
        }
        (!forms.is_empty()).then(|| json!({ "type": "object", "additionalProperties": any_of(forms) }))
    }

    /// The meaning of a key.
    fn about(&self, path: &str) -> Option<String> {
        let (table, key) = path.rsplit_once('.').unwrap_or(("", path));
        let declared = |keys: &[KeyInfo]| keys.iter().find(|info| info.name == key).map(|info| info.meaning.to_owned());
        let table = table.trim_end_matches(".a");
        match table.rsplit_once('.').map_or(table, |(_, last)| last) {
            "fields" => declared(FIELD_KEYS),
            "id" => declared(ID_KEYS),
            "tags" => declared(TAG_KEYS),
            "take" => declared(TAKE_KEYS),
            "transform" => declared(STEP_KEYS),
            "notify" => declared(NOTIFY_KEYS),
            "degraded" => declared(DEGRADED_KEYS),
            // The key of the whole file has the name of the option.
            "channel" if key == "kind" => self.help.get("channel_kind").cloned(),
            "" | "channel" | "job" => declared(KEYS).or_else(|| self.help.get(key).cloned()),
            _ => None,
        }
    }
}

/// The keys of a table, if it has fixed ones.
pub fn keys(header: &str) -> Option<Vec<&'static str>> {
    match expected(&format!("{header}{NO_KEY} = 1\n")) {
        Some(Expected::Keys(keys)) => Some(keys),
        Some(Expected::Other | Expected::Type | Expected::Values(_)) | None => None,
    }
}

/// Whether the parser takes values of this type, if not this one.
fn takes(text: &str) -> bool {
    expected(text) != Some(Expected::Type)
}

/// What the parser expected in place of this text; `None` if it is a valid configuration.
fn expected(text: &str) -> Option<Expected> {
    let file = ConfigFile::of(Path::new("schema"), text.as_bytes().to_vec());
    file.and_then(|file| Config::of(&file)).err().map(crate::options::ConfigError::into_expected)
}

/// The schema of the texts that a key takes.
fn text(header: &str, key: &str) -> Option<Json> {
    match expected(&format!("{header}{key} = {NO_VALUE}\n")) {
        Some(Expected::Type) => None,
        Some(Expected::Values(values)) if key == "transform" => Some(steps(&values)),
        Some(Expected::Values(values)) => Some(json!({ "enum": values })),
        Some(Expected::Other | Expected::Keys(_)) | None => Some(json!({ "type": "string" })),
    }
}

/// The steps that are written by their names, each with its meaning.
fn steps(names: &[&str]) -> Json {
    let meaning = |name: &str| NAMED_STEPS.iter().find(|step| step.name == name).map(|step| step.meaning);
    any_of(names.iter().map(|name| json!({ "const": name, "description": meaning(name) })).collect())
}

/// The schema of the whole numbers that a key takes. A number is read as a text by many keys, of which some take none.
fn whole_number(header: &str, key: &str, is_text_too: bool) -> Option<Json> {
    let is_valid = |number: &i32| expected(&format!("{header}{key} = {number}\n")).is_none();
    match [-1, 0, 1, 7].iter().find(|number| is_valid(number)) {
        Some(least @ (0 | 1)) => Some(json!({ "type": "integer", "minimum": least })),
        Some(_) => Some(json!({ "type": "integer" })),
        None => (!is_text_too).then(|| json!({ "type": "integer" })),
    }
}

fn any_of(mut forms: Vec<Json>) -> Json {
    if forms.len() == 1 { forms.remove(0) } else { json!({ "anyOf": forms }) }
}

#[cfg(test)]
mod tests;
