//! The first rows of an input, by column.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use super::InitError;
use crate::core::guess::Sampled;
use crate::core::list::JsonList;
use crate::core::mapping::is_place;
use crate::core::model::Value;
use crate::core::plain_kind::PlainKind;
use crate::core::record::Cells;
use crate::input::{Row, Source};

/// How many rows are looked at.
const ROWS: usize = 1_000;

/// The keys of a contact in the platform's own shape.
const SHAPE_KEYS: [&str; 7] = ["custom_fields", "id", "contact_id", "tags", "remove_tags", "created_at", "updated_at"];

/// How many plain values of several kinds in a list are columns.
const POSITIONS: usize = 8;

/// How deep objects in objects are looked into.
const DEPTH: usize = 4;

/// The first rows of an input.
#[derive(Debug, Default)]
pub(super) struct ColumnSample {
    /// Its columns with their cells.
    pub columns: Vec<Sampled>,
    /// The paths of lists that hold fields by name and value. They are no columns: a path reads a list by position, and the
    /// same position may hold another field in another row.
    pub lists_of_fields: BTreeSet<String>,
    /// The paths of lists of values of which a column has the first, with the largest number of values in one row.
    pub lists_of_values: BTreeMap<String, usize>,
    /// Its rows, also those that cannot be read.
    pub rows: Vec<Row>,
    // The paths of other lists of objects.
    lists: BTreeSet<String>,
    // The paths of lists in which an element says that it is the primary one, or that it is not.
    lists_with_primary: BTreeSet<String>,
    // The names of the only fields of lists, by the lists' paths, as the first rows have them.
    only_fields: BTreeMap<String, String>,
}

/// Reads the first rows of an input. Rows that cannot be read add nothing to the columns.
pub(super) fn sample(source: &mut Source) -> Result<ColumnSample, InitError> {
    let name = |name: &Arc<str>| Sampled { name: name.to_string(), ..Sampled::default() };
    let columns: Vec<Sampled> = source.header().unwrap_or_default().iter().map(name).collect();
    let mut sample = ColumnSample { columns, ..ColumnSample::default() };
    let mut rows = 0;
    // Rows that cannot be read count as well: each is kept with its reason.
    while sample.rows.len() < ROWS
        && let Some(row) = source.next()
    {
        let row = row?;
        match &row {
            // A total of the rows above it is no contact, so it says nothing of the columns.
            Row::Record(record) if record.total.is_none() => {
                sample.add(rows, &record.cells).map_err(|OwnShape| InitError::OwnShape(source.name().to_owned()))?;
                rows += 1;
            }
            Row::Record(_) | Row::Rejected(_) => {}
        }
        sample.rows.push(row);
    }
    if rows == 0 {
        let name = source.name().to_owned();
        let rejected = sample.rows.into_iter().find_map(|row| match row {
            Row::Record(_) => None,
            Row::Rejected(rejection) => Some(rejection),
        });
        return Err(match rejected {
            Some(first) => InitError::Unreadable { name, first },
            None => InitError::NoRows(name),
        });
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
    let columns = &sample.columns;
    let is_read = |path: &str| columns.iter().any(|column| column.name.strip_prefix(path) == Some(".0"));
    sample.lists_of_values.retain(|path, _| is_read(path));
    sample.join_lists_of_one();
    sample.leave_out_falses_in_place_of_objects();
    sample.name_primary();
    Ok(sample)
}

// Other programs have `custom_fields` as well, but beside the phone and the name.
fn is_own_shape(object: &[(Arc<str>, Json)]) -> bool {
    let is_there = object.iter().any(|(key, _)| &**key == "custom_fields");
    is_there && object.iter().all(|(key, _)| key.starts_with('_') || SHAPE_KEYS.contains(&&**key))
}

/// A contact in the platform's own shape.
struct OwnShape;

impl ColumnSample {
    // Adds the cells of a row, of which `row` come before it.
    fn add(&mut self, row: usize, cells: &Cells) -> Result<(), OwnShape> {
        match cells {
            Cells::Texts(texts) => {
                for (column, cell) in self.columns.iter_mut().zip(texts.iter()) {
                    column.cells.push(cell.trim().to_owned());
                }
            }
            Cells::Object(object) if is_own_shape(object) => return Err(OwnShape),
            Cells::Object(object) => {
                for (key, json) in object {
                    self.put(row, key, json, 0);
                }
            }
        }
        Ok(())
    }

    // An object in some rows, where others have a list: it is the only element of such a list, and one path reads both.
    fn join_lists_of_one(&mut self) {
        for list in &self.lists {
            let of_object = |name: &str| {
                let rest = name.strip_prefix(list.as_str())?.strip_prefix('.')?;
                (!is_place(rest.split('.').next().unwrap_or_default())).then(|| format!("{list}.0.{rest}"))
            };
            let columns = std::mem::take(&mut self.columns);
            for mut column in columns {
                if let Some(name) = of_object(&column.name) {
                    column.name = name;
                }
                match self.columns.iter_mut().find(|known| known.name == column.name) {
                    Some(known) => {
                        for (cell, other) in known.cells.iter_mut().zip(column.cells) {
                            if cell.is_empty() {
                                *cell = other;
                            }
                        }
                        known.falses += column.falses;
                    }
                    None => self.columns.push(column),
                }
            }
        }
    }

    // A key with an object or a list in some rows, and `false` in the others: Odoo's for no country.
    fn leave_out_falses_in_place_of_objects(&mut self) {
        let is_only_false = |column: &Sampled| column.cells.iter().all(|cell| cell.is_empty() || cell == "false");
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let is_around =
            |path: &str| names.iter().any(|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')));
        self.columns.retain(|column| column.falses == 0 || !is_only_false(column) || !is_around(&column.name));
    }

    // What was read from such a list by the place of its first element is called by what it says.
    fn name_primary(&mut self) {
        for column in &mut self.columns {
            let keys: Vec<&str> = column.name.split('.').collect();
            let is_primary = |at: usize| at > 0 && self.lists_with_primary.contains(&keys[..at].join("."));
            let named = keys
                .iter()
                .enumerate()
                .map(|(at, key)| if *key == "0" && is_primary(at) { JsonList::PRIMARY_STEP } else { key });
            column.name = named.collect::<Vec<_>>().join(".");
        }
    }

    // The texts below a key, each by its path; of a list, the primary or first thing, but for tags, which are a list.
    fn put(&mut self, row: usize, path: &str, json: &Json, depth: usize) {
        let text = match json {
            Json::Null => String::new(),
            Json::Bool(is_true) => is_true.to_string(),
            Json::Number(number) => Value::Number(number.clone()).text().into_owned(),
            Json::String(text) => text.trim().to_owned(),
            Json::Array(items) if depth == 0 && items.iter().all(Json::is_string) && is_list_of_tags(path) => {
                items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(";")
            }
            Json::Array(items) if JsonList::new(path, items).has_several_fields() => {
                self.lists_of_fields.insert(path.to_owned());
                return;
            }
            Json::Array(items) => {
                let list = JsonList::new(path, items);
                if let Some(name) = list.field_names().and_then(|names| names.into_iter().next()) {
                    let known = self.only_fields.entry(path.to_owned()).or_insert_with(|| name.to_string());
                    // By its name, because another row may have another field there.
                    match list.field(&name).filter(|_| *known == name && is_step(&name)) {
                        Some(json) if depth < DEPTH => self.put(row, &format!("{path}.{name}"), json, depth + 1),
                        Some(_) => {}
                        None => {
                            self.lists_of_fields.insert(path.to_owned());
                        }
                    }
                    return;
                }
                // Values of several kinds are several columns.
                if depth < DEPTH && !list.are_addresses() && are_of_several_kinds(items) {
                    for (at, json) in items.iter().enumerate().take(POSITIONS) {
                        self.put(row, &format!("{path}.{at}"), json, depth + 1);
                    }
                    return;
                }
                if let Some(first) = list.primary().filter(|_| depth < DEPTH) {
                    if first.is_object() {
                        self.lists.insert(path.to_owned());
                    }
                    let is_plain = |item: &Json| !item.is_object() && !item.is_array() && !item.is_null();
                    let values = items.iter().filter(|item| is_plain(item)).count();
                    if values > 1 && values == items.len() {
                        let most = self.lists_of_values.entry(path.to_owned()).or_default();
                        *most = values.max(*most);
                    }
                    if list.has_primary() {
                        self.lists_with_primary.insert(path.to_owned());
                    }
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
            columns.push(Sampled { name: path.to_owned(), ..Sampled::default() });
            columns.len() - 1
        });
        columns[at].cells.resize(row, String::new());
        columns[at].cells.push(text);
        columns[at].falses += usize::from(*json == Json::Bool(false));
    }
}

// Whether a path can lead to a field by this name: numbers are positions in a list.
fn is_step(name: &str) -> bool {
    !name.contains('.') && !name.is_empty() && !is_place(name) && name != JsonList::PRIMARY_STEP
}

// Whether plain values are of different kinds, such as an e-mail address and a phone.
fn are_of_several_kinds(items: &[Json]) -> bool {
    let mut kinds = items.iter().filter_map(PlainKind::of);
    let first = kinds.next();
    kinds.any(|kind| Some(kind) != first)
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
