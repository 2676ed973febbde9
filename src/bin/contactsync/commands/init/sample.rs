//! The first rows of an input, by column.

use std::sync::Arc;

use contactsync::{Cells, Rejection, Row, Sampled, Source, Value};
use serde_json::Value as Json;

use crate::failure::Failure;

/// How many rows are looked at.
const ROWS: usize = 1_000;

/// The keys of a contact in the platform's own shape.
const SHAPE_KEYS: [&str; 7] = ["custom_fields", "id", "contact_id", "tags", "remove_tags", "created_at", "updated_at"];

/// How deep objects in objects are looked into.
const DEPTH: usize = 4;

/// The columns of an input with their cells in its first rows. Rows that cannot be read say nothing.
pub fn sample(source: &mut Source) -> Result<Vec<Sampled>, Failure> {
    let name = |name: &Arc<str>| Sampled { name: name.to_string(), cells: Vec::new() };
    let mut columns: Vec<Sampled> = source.header().unwrap_or_default().iter().map(name).collect();
    let mut rows = 0;
    let mut rejected: Option<Rejection> = None;
    while rows < ROWS
        && let Some(row) = source.next()
    {
        let record = match row.map_err(|error| Failure::usage(&error))? {
            Row::Record(record) => record,
            Row::Rejected(rejection) => {
                rejected.get_or_insert(rejection);
                continue;
            }
        };
        match &record.cells {
            Cells::Texts(texts) => {
                for (column, cell) in columns.iter_mut().zip(texts.iter()) {
                    column.cells.push(cell.trim().to_owned());
                }
            }
            Cells::Object(object) => {
                if is_own_shape(object) {
                    return Err(own_shape(source.name()));
                }
                for (key, json) in object {
                    put(&mut columns, rows, key, json, 0);
                }
            }
        }
        rows += 1;
    }
    if rows == 0 {
        let name = source.name();
        return Err(Failure::usage_text(match rejected {
            Some(first) => format!("{name}:{}: no row can be read; the first: {first}", first.line),
            None => format!("{name}: the input has no rows"),
        }));
    }
    // A key that only some rows have is blank in the others.
    for column in &mut columns {
        column.cells.resize(rows, String::new());
    }
    Ok(columns)
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

// The texts below a key, each by its path; of a list, the first thing, but for tags, which are a list.
fn put(columns: &mut Vec<Sampled>, row: usize, path: &str, json: &Json, depth: usize) {
    let text = match json {
        Json::Null => String::new(),
        Json::Bool(is_true) => is_true.to_string(),
        Json::Number(number) => Value::Number(number.clone()).text().into_owned(),
        Json::String(text) => text.trim().to_owned(),
        Json::Array(items) if depth == 0 && items.iter().all(Json::is_string) && is_list_of_tags(path) => {
            items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(";")
        }
        Json::Array(items) => {
            if let Some(first) = items.first().filter(|_| depth < DEPTH) {
                put(columns, row, &format!("{path}.0"), first, depth + 1);
            }
            return;
        }
        Json::Object(object) => {
            for (key, json) in object.iter().filter(|_| depth < DEPTH) {
                put(columns, row, &format!("{path}.{key}"), json, depth + 1);
            }
            return;
        }
    };
    let at = columns.iter().position(|column| column.name == path).unwrap_or_else(|| {
        columns.push(Sampled { name: path.to_owned(), cells: Vec::new() });
        columns.len() - 1
    });
    columns[at].cells.resize(row, String::new());
    columns[at].cells.push(text);
}

fn is_list_of_tags(key: &str) -> bool {
    ["tags", "remove_tags", "labels", "etiquetas"].into_iter().any(|name| key.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
