//! The columns, keys and paths that a mapping reads, and how it treats what it finds there.

use std::sync::Arc;

use super::Mapping;
use super::by_name::{self, Column};
use super::cells::Header;
use super::field::FieldReader;
use super::path::{BlockedPath, Path};
use super::reading::{IdReader, RowFilter};
use super::rules::Unmapped;
use super::unseen::UnseenPaths;
use crate::core::record::{Cells, Record};

impl Mapping {
    /// Whether each of these columns is read for a contact, for its channel, or by a row filter.
    pub fn reads(&self, header: &[Arc<str>]) -> Vec<bool> {
        let named =
            |column: &str| Some(column) == self.channel_column() || self.all_paths().any(|path| path.goes_by(column));
        // Without a header, the keys are sent by name, or not at all.
        let of_key = |key: &Arc<str>| self.unmapped == Unmapped::Send && !by_name::is_ignored(key);
        let by_name: Vec<bool> = if self.columns.is_empty() {
            header.iter().map(of_key).collect()
        } else {
            self.columns.iter().map(|column| *column != Column::Ignored).collect()
        };
        let header = Header::new(Some(header));
        header.columns().zip(by_name).map(|(column, by_name)| by_name || named(column)).collect()
    }

    /// Whether a JSON `false` at a key or path is sent as text.
    pub fn sends_false(&self, path: &str) -> bool {
        if self.defaults.nulls.have("false") {
            return false;
        }
        let (key, is_whole) = path.split_once('.').map_or((path, true), |(key, _)| (key, false));
        if self.named.iter().any(|named| named.is(path) || named.goes_by(key)) {
            return self.fields.iter().any(|field| field.sends_false(path));
        }
        let is_field = !is_whole || matches!(Column::of(key, &self.match_fields), Column::Match(_) | Column::Field(_));
        self.unmapped == Unmapped::Send && is_field && self.channel_column() != Some(key)
    }

    /// Whether JSON text in a column, under a key or at a path, is sent as it is: not as a match value or a phone, which are
    /// rejected.
    pub fn sends_json_text(&self, path: &str) -> bool {
        let key = path.split('.').next().unwrap_or(path);
        if self.named.iter().any(|named| named.is(path) || named.goes_by(path) || named.goes_by(key)) {
            return self.fields.iter().any(|field| field.sends_json_text(path));
        }
        let is_field = matches!(Column::of(path, &self.match_fields), Column::Field(_));
        self.unmapped == Unmapped::Send && is_field && self.channel_column() != Some(path)
    }

    /// Whether a rule reads a value by its position in this list.
    pub fn takes_by_position(&self, list: &str) -> bool {
        self.all_paths().any(|path| path.takes_by_position(list))
    }

    /// The keys and paths that rules read from objects, none of which is seen yet.
    pub fn unseen_paths(&self) -> UnseenPaths {
        UnseenPaths::new(self.all_paths())
    }

    /// The paths that a value of this record blocks, because it is no object or no list.
    pub(crate) fn blocked_paths<'a>(&'a self, record: &'a Record) -> impl Iterator<Item = BlockedPath> + 'a {
        let object: &[_] = match &record.cells {
            Cells::Object(object) => object,
            Cells::Texts(_) => &[],
        };
        self.all_paths().filter(|_| !object.is_empty()).filter_map(move |path| path.blocked(object))
    }

    // The paths of the rules and the row filters.
    fn all_paths(&self) -> impl Iterator<Item = &Path> {
        self.named.iter().chain(self.take.iter().map(RowFilter::path))
    }

    /// The paths by which rules read ids and match values.
    pub fn match_paths(&self) -> Vec<String> {
        let fields = self.fields.iter().filter(|field| field.is_match()).flat_map(FieldReader::paths);
        fields.chain(self.id.iter().map(IdReader::path)).map(|path| path.as_str().to_owned()).collect()
    }

    /// Whether a rule reads the first element of this list.
    pub fn takes_first(&self, list: &str) -> bool {
        self.all_paths().any(|path| path.takes_first(list))
    }
}
