//! The first rows of an input, by column.

use std::collections::BTreeSet;
use std::sync::Arc;

use contactsync::{Cells, Record, Rejection, Row, Sampled, Source, Value};
use serde_json::Value as Json;

use crate::failure::Failure;

/// How many rows are looked at.
const ROWS: usize = 1_000;

/// The keys of a contact in the platform's own shape.
const SHAPE_KEYS: [&str; 7] = ["custom_fields", "id", "contact_id", "tags", "remove_tags", "created_at", "updated_at"];

/// How deep objects in objects are looked into.
const DEPTH: usize = 4;

/// The keys under which the elements of a list have the name of a field, and those of its value.
const NAME_KEYS: [&str; 6] = ["name", "key", "code", "field", "field_name", "field_code"];
const VALUE_KEYS: [&str; 2] = ["value", "values"];

/// The first rows of an input.
#[derive(Debug, Default)]
pub struct Sample {
    /// Its columns with their cells.
    pub columns: Vec<Sampled>,
    /// The paths of lists that hold fields by name and value. They are no columns: a path reads a list by position, and the
    /// same position may hold another field in another row.
    pub lists_of_fields: BTreeSet<String>,
    /// Its records, and why other rows cannot be read.
    pub rows: Vec<Result<Record, Rejection>>,
}

/// Reads the first rows of an input. Rows that cannot be read say nothing.
pub fn sample(source: &mut Source) -> Result<Sample, Failure> {
    let name = |name: &Arc<str>| Sampled { name: name.to_string(), cells: Vec::new() };
    let columns: Vec<Sampled> = source.header().unwrap_or_default().iter().map(name).collect();
    let mut sample = Sample { columns, ..Sample::default() };
    let mut rows = 0;
    while rows < ROWS
        && let Some(row) = source.next()
    {
        let record = match row.map_err(|error| Failure::usage(&error))? {
            // A total of the rows above it is no contact, so it says nothing of the columns.
            Row::Record(record) if record.is_total => {
                sample.rows.push(Ok(record));
                continue;
            }
            Row::Record(record) => record,
            Row::Rejected(rejection) => {
                sample.rows.push(Err(rejection));
                continue;
            }
        };
        match &record.cells {
            Cells::Texts(texts) => {
                for (column, cell) in sample.columns.iter_mut().zip(texts.iter()) {
                    column.cells.push(cell.trim().to_owned());
                }
            }
            Cells::Object(object) => {
                if is_own_shape(object) {
                    return Err(own_shape(source.name()));
                }
                for (key, json) in object {
                    sample.put(rows, key, json, 0);
                }
            }
        }
        sample.rows.push(Ok(record));
        rows += 1;
    }
    if rows == 0 {
        let name = source.name();
        let rejected = sample.rows.iter().find_map(|row| row.as_ref().err());
        return Err(Failure::usage_text(match rejected {
            Some(first) => format!("{name}:{}: no row can be read; the first: {first}", first.line),
            None => format!("{name}: the input has no rows"),
        }));
    }
    // A key that only some rows have is blank in the others.
    for column in &mut sample.columns {
        column.cells.resize(rows, String::new());
    }
    // A list may be one of fields in some rows only.
    let is_of_fields = |name: &str| {
        sample
            .lists_of_fields
            .iter()
            .any(|path| name.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('.')))
    };
    sample.columns.retain(|column| !is_of_fields(&column.name));
    Ok(sample)
}

// Other programs have `custom_fields` as well, but beside the phone and the name.
fn is_own_shape(object: &[(Arc<str>, Json)]) -> bool {
    let is_there = object.iter().any(|(key, _)| &**key == "custom_fields");
    is_there && object.iter().all(|(key, _)| key.starts_with('_') || SHAPE_KEYS.contains(&&**key))
}

fn own_shape(name: &str) -> Failure {
    Failure::usage_text(format!("{name}: contacts in the platform's own shape need no mapping"))
        .hint("contactsync plan takes them as they are")
}

impl Sample {
    // The texts below a key, each by its path; of a list, the first thing, but for tags, which are a list.
    fn put(&mut self, row: usize, path: &str, json: &Json, depth: usize) {
        let text = match json {
            Json::Null => String::new(),
            Json::Bool(is_true) => is_true.to_string(),
            Json::Number(number) => Value::Number(number.clone()).text().into_owned(),
            Json::String(text) => text.trim().to_owned(),
            Json::Array(items) if depth == 0 && items.iter().all(Json::is_string) && is_list_of_tags(path) => {
                items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(";")
            }
            Json::Array(items) if is_list_of_fields(items) => {
                self.lists_of_fields.insert(path.to_owned());
                return;
            }
            Json::Array(items) => {
                if let Some(first) = items.first().filter(|_| depth < DEPTH) {
                    self.put(row, &format!("{path}.0"), first, depth + 1);
                }
                return;
            }
            Json::Object(object) => {
                for (key, json) in object.iter().filter(|_| depth < DEPTH) {
                    self.put(row, &format!("{path}.{key}"), json, depth + 1);
                }
                return;
            }
        };
        let columns = &mut self.columns;
        let at = columns.iter().position(|column| column.name == path).unwrap_or_else(|| {
            columns.push(Sampled { name: path.to_owned(), cells: Vec::new() });
            columns.len() - 1
        });
        columns[at].cells.resize(row, String::new());
        columns[at].cells.push(text);
    }
}

// Whether the elements of a list are fields, each with its name and its value, and of several names:
// `[{"name": "city", "value": "Lima"}, {"name": "plan", "value": "pro"}]`.
fn is_list_of_fields(items: &[Json]) -> bool {
    let name = |item: &Json| {
        let object = item.as_object()?;
        let has_value = VALUE_KEYS.into_iter().any(|key| object.contains_key(key));
        let name = NAME_KEYS.into_iter().find_map(|key| object.get(key)?.as_str())?;
        has_value.then(|| name.to_owned())
    };
    let names: Option<BTreeSet<String>> = items.iter().map(name).collect();
    names.is_some_and(|names| names.len() > 1)
}

fn is_list_of_tags(key: &str) -> bool {
    ["tags", "remove_tags", "labels", "etiquetas"].into_iter().any(|name| key.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_fields_has_several_names_and_their_values() {
        for (list, expected) in [
            (r#"[{"name":"full_name","values":["Ann"]},{"name":"phone_number","values":["+1"]}]"#, true),
            (
                r#"[{"field_id":1,"field_code":"PHONE","values":[{"value":"+1"}]},{"field_id":2,"field_code":"EMAIL","values":[]}]"#,
                true,
            ),
            (r#"[{"key":"city","value":null},{"key":"plan","value":"pro"}]"#, true),
            // Several phones of one contact, the main one first.
            (r#"[{"type":"mobile","value":"+1"},{"type":"work","value":"+2"}]"#, false),
            (r#"[{"name":"phone","value":"+1"}]"#, false),
            (r#"[{"name":"Ann","phone":"+1"},{"name":"Bo","phone":"+2"}]"#, false),
            (r#"[{"value":"+1","primary":true},{"value":"+2","primary":false}]"#, false),
            (r#"["a","b"]"#, false),
            ("[]", false),
        ] {
            let items: Vec<Json> = serde_json::from_str(list).unwrap();
            assert_eq!(is_list_of_fields(&items), expected, "{list}");
        }
    }

    #[test]
    fn the_platforms_own_shape_has_no_other_keys() {
        for (row, expected) in [
            (r#"{"id":7,"custom_fields":{"phone":"1"},"tags":["a"],"created_at":1,"updated_at":2,"_line":3}"#, true),
            (r#"{"contact_id":7,"custom_fields":[],"remove_tags":[]}"#, true),
            (r#"{"id":7,"name":"Ann","phone":"1","custom_fields":{"plan":"pro"}}"#, false),
            (r#"{"id":7,"mobile":"1","custom_fields":{"plan":"pro"},"tags":["a"]}"#, false),
            (r#"{"id":7,"tags":["a"]}"#, false),
        ] {
            let object: serde_json::Map<String, Json> = serde_json::from_str(row).unwrap();
            let object: Vec<(Arc<str>, Json)> = object.into_iter().map(|(key, json)| (key.into(), json)).collect();
            assert_eq!(is_own_shape(&object), expected, "{row}");
        }
    }
}
