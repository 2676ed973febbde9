//! Finds the rows of JSON: whether an object is a row, or holds rows under a key, as in a page of an API.
//!
//! An object holds rows if it has one array of objects and otherwise only values that describe the response (`success`,
//! `total`, `next`). A contact has plain values (a phone, a name) beside its arrays (addresses, orders). An object that could
//! be either is refused, because a page that is read as a row would lose all its contacts.

mod keys;
mod search;
mod value;

use std::sync::Arc;

use serde::de::DeserializeSeed as _;
use serde_json::Value as Json;

use self::keys::{folded, is_beside, is_container, is_describing};
use self::search::{Around, FoundList, Search};
use self::value::{Content, Extent, Fill, Members, Node, is_failure};
use super::lines::Lines;
use super::object::Cells;
use super::sample::SAMPLE;
use super::{Bytes, RowsFault, SourceFault};

pub(super) use self::search::Kind;

/// Size of the second sample, in bytes, for a first object that is longer than [`SAMPLE`].
const LONG_SAMPLE: usize = 1024 * 1024;

/// The kind of a value around the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueAround {
    /// It describes the response.
    Description,
    /// It may belong to the export. Then all objects of the export have the same value.
    Value,
    /// It may belong to a contact.
    OfContact,
}

/// The keys that lead to the rows; empty when the objects of the text are the rows.
pub(super) fn rows_path(text: &mut Bytes) -> Result<Vec<String>, SourceFault> {
    let path = |bytes: &[u8]| {
        let blanks = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let mut start = blanks(bytes);
        let in_array = bytes.get(start) == Some(&b'[');
        if in_array {
            start += 1;
            start += blanks(&bytes[start..]);
        }
        if bytes.get(start) != Some(&b'{') {
            return (Ok(Vec::new()), true);
        }
        let (kind, extent) = Members::kind_of(&bytes[start..]);
        let path = match kind {
            Kind::Rows { path, is_telling } if is_telling || !in_array => Ok(path),
            Kind::Unknown { fault, is_telling } if is_telling || !in_array => {
                let mut lines = Lines::default();
                lines.pass(&bytes[..start]);
                Err(SourceFault::Rows { line: lines.number(), fault })
            }
            Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(Vec::new()),
        };
        (path, extent != Extent::Cut)
    };
    let (found, is_known) = path(text.peek(SAMPLE).bytes);
    if is_known { found } else { path(text.peek(LONG_SAMPLE).bytes).0 }
}

/// The kind of the object at the beginning of `text`, whose end may be missing.
pub(super) fn kind(text: &[u8]) -> Kind {
    Members::kind_of(text).0
}

/// Checks a value around the rows at `path`: `key` is the key of the value `text` in the object `depth` keys down that path.
pub(super) fn check_beside(path: &[String], depth: usize, key: &str, text: &[u8]) -> Result<ValueAround, RowsFault> {
    let mut node = Node::default();
    // Of cut text, the node has what could be read.
    let _ = Fill { node: &mut node, depth: depth + 1 }.deserialize(&mut serde_json::Deserializer::from_slice(text));
    let name = folded(key);
    if is_failure(&name, &node) {
        return Err(RowsFault::Failed);
    }
    let rows = path.join(".");
    let mut above = path[..depth].to_vec();
    let members = Members(vec![(key.to_owned(), node)]);
    let mut search = Search::default();
    search.walk(&members, &mut above, Around::default());
    let is_there = |list: &&FoundList| list.content != Content::Null && list.may_be_rows().is_some();
    let list = search.lists.iter().find(is_there).map(|list| list.path.join("."));
    if let Some(other) = list.or(search.keyed).or(search.nested.pop()) {
        return Err(RowsFault::Several { arrays: vec![rows, other] });
    }
    let around = Around::default().with(&members);
    let is_container = path.last().is_some_and(|key| is_container(&folded(key)));
    Ok(match around {
        Around { has_values: false, .. } => ValueAround::Description,
        Around { is_person: false, .. } if is_container => ValueAround::Value,
        Around { .. } => ValueAround::OfContact,
    })
}

/// Checks an object in place of an array of rows.
pub(super) fn check_single(text: &[u8]) -> Result<(), RowsFault> {
    match kind(text) {
        Kind::Unknown { fault: fault @ RowsFault::Keyed { .. }, .. } => Err(fault),
        Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(()),
    }
}

impl RowsFault {
    /// The same fault with the paths of arrays from the top, for rows at the end of a path.
    pub(super) fn under(self, path: &[String]) -> Self {
        match self {
            Self::Nested { arrays } if !path.is_empty() => {
                let rows = path.join(".");
                let below = |array: String| match array.strip_prefix("[]") {
                    Some(rest) => format!("{rows}[]{rest}"),
                    None => format!("{rows}[].{array}"),
                };
                Self::Nested { arrays: arrays.into_iter().map(below).collect() }
            }
            other => other,
        }
    }
}

/// Compares each row with the previous ones, so that no object that holds rows is read as a row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    // The keys of the first row that have a plain value.
    keys: Option<Vec<String>>,
}

impl Rows {
    /// Checks a row. An element of an array (`in_array`) is a row unless it clearly holds rows.
    pub(super) fn check(&mut self, cells: &Cells, text: &[u8], in_array: bool) -> Result<(), RowsFault> {
        let is_first = self.keys.is_none();
        let own = |(key, json): &(Arc<str>, Json)| {
            let is_value = !json.is_object() && !json.is_array();
            (is_value && !is_describing(&folded(key))).then(|| key.to_string())
        };
        if is_first {
            self.keys = Some(cells.iter().filter_map(own).collect());
        }
        let holds_list = cells.iter().any(|(_, json)| holds_list(json));
        if !holds_list && !may_be_columns(cells) {
            return Ok(());
        }
        if holds_list && let Some(array) = Members::read(text).0.group() {
            let array = if in_array { format!("[].{array}") } else { array.to_owned() };
            return Err(RowsFault::Nested { arrays: vec![array] });
        }
        match kind(text) {
            Kind::Rows { path, is_telling } if is_telling || (is_first && !in_array) => {
                Err(RowsFault::Mixed { array: path.join(".") })
            }
            Kind::Unknown { fault, is_telling } if in_array && is_telling => Err(fault),
            Kind::Unknown { fault, .. } if !in_array => {
                let known = self.keys.as_deref().unwrap_or_default();
                let shared = known.iter().filter(|key| cells.iter().any(|(other, _)| **other == ***key)).count();
                if !is_first && shared > 0 && shared * 3 >= known.len() * 2 { Ok(()) } else { Err(fault) }
            }
            Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(()),
        }
    }
}

// Whether each value may be a column of values.
fn may_be_columns(cells: &Cells) -> bool {
    let own = |(key, _): &&(Arc<str>, Json)| !is_beside(&folded(key));
    cells.iter().filter(own).all(|(_, json)| json.is_array() || json.is_object())
}

// Whether it contains a list of objects or of lists.
fn holds_list(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        Json::Object(members) => members.values().any(holds_list),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}
