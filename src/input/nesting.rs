//! Where the rows of JSON are: whether an object is a row, or holds rows under a key as a page of an API's answer does.
//!
//! An object holds rows when it has one array of objects and otherwise only values that describe the answer (`success`,
//! `total`, `next`). A contact has plain values (a phone, a name) beside its arrays (addresses, orders). What could be
//! either is refused: taken for a row, a page would lose all of its contacts.

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

/// How much of the first object is examined when a first look does not reach its end.
const LONG_SAMPLE: usize = 1024 * 1024;

/// What a value beside the rows of an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherRuns {
    /// It describes the answer.
    Description,
    /// It may be of the export that the object is a part of, and then all its parts have it.
    Value,
    /// It may be a value of a contact.
    OfContact,
}

/// The keys that lead to the rows of text; none when its objects are the rows.
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

/// What an object is whose text begins here; its end may be missing.
pub(super) fn kind(text: &[u8]) -> Kind {
    Members::kind_of(text).0
}

/// Judges what stands beside the rows of an object, once they are read as rows: `path` leads to them, `key` is the key of
/// the value `text` in the object `depth` keys down that path.
pub(super) fn check_beside(path: &[String], depth: usize, key: &str, text: &[u8]) -> Result<OtherRuns, RowsFault> {
    let mut node = Node::default();
    // A cut text has what could be read of it.
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
        Around { has_values: false, .. } => OtherRuns::Description,
        Around { is_person: false, .. } if is_container => OtherRuns::Value,
        Around { .. } => OtherRuns::OfContact,
    })
}

/// Judges an object that stands in place of an array of rows.
pub(super) fn check_single(text: &[u8]) -> Result<(), RowsFault> {
    match kind(text) {
        Kind::Unknown { fault: fault @ RowsFault::Keyed { .. }, .. } => Err(fault),
        Kind::Row | Kind::Rows { .. } | Kind::Unknown { .. } => Ok(()),
    }
}

impl RowsFault {
    /// The same, where the rows are at the end of a path: the arrays inside them are named from the top.
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

/// Holds each row against the ones before, so that no object that holds rows is taken for one.
#[derive(Debug, Default)]
pub(super) struct Rows {
    // The keys of the first row that have a value of their own.
    keys: Option<Vec<String>>,
}

impl Rows {
    /// Judges a row. `in_array` is that it is an element of an array, which makes it a row unless it plainly holds some.
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

// Whether each of its values may be a column of values.
fn may_be_columns(cells: &Cells) -> bool {
    let own = |(key, _): &&(Arc<str>, Json)| !is_beside(&folded(key));
    cells.iter().filter(own).all(|(_, json)| json.is_array() || json.is_object())
}

// Whether there is a list of objects, or of lists, in it.
fn holds_list(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(|item| item.is_object() || item.is_array()),
        Json::Object(members) => members.values().any(holds_list),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}
