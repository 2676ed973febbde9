//! Text that a program wrote in place of a tag, such as `#REF!` or `undefined`. It is not sent, and reported.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::core::mapping::Mapping;
use crate::core::mapping::by_name::{Column, REMOVE_TAGS_COLUMN, TAGS_COLUMN};
use crate::core::mapping::cells::{Cell, Row};
use crate::core::mapping::parts::SEPARATORS;
use crate::core::mapping::tags::tags_of;
use crate::core::non_value::{Artifact, artifact};
use crate::core::record::{Cells, Record};
use crate::core::text::bare;

/// Text that a program wrote in place of a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TagArtifact {
    /// The column or key of the tags.
    pub(crate) column: String,
    /// The text in backticks, or a description of it.
    pub(crate) text: String,
}

impl Mapping {
    /// The text of programs among the tags of a record.
    pub(crate) fn tag_artifacts(&self, record: &Record) -> BTreeSet<TagArtifact> {
        let mut found = BTreeSet::new();
        let mut add = |column: &str, artifacts: Vec<Artifact>| {
            let of = |artifact: Artifact| TagArtifact { column: column.to_owned(), text: artifact.described() };
            found.extend(artifacts.into_iter().map(of));
        };
        let of_rules = |row: Row<'_>, add: &mut dyn FnMut(&str, Vec<Artifact>)| {
            for (column, cell, separators) in self.tags.iter().filter_map(|tags| tags.cell(row)) {
                match cell {
                    Cell::Text(text) => add(column, in_text(&self.defaults.text(text), separators)),
                    Cell::Json(json) => add(column, in_json(json)),
                }
            }
        };
        match &record.cells {
            Cells::Texts(texts) => {
                let by_name = |column: &Column| match column {
                    Column::Tags => Some(TAGS_COLUMN),
                    Column::RemoveTags => Some(REMOVE_TAGS_COLUMN),
                    Column::Ignored | Column::Id | Column::Match(_) | Column::Field(_) => None,
                };
                if self.tags.is_empty() && !self.columns.iter().any(|column| by_name(column).is_some()) {
                    return found;
                }
                for (column, text) in self.columns.iter().zip(texts.iter()) {
                    if let Some(name) = by_name(column) {
                        add(name, in_text(self.defaults.clean(text), &SEPARATORS));
                    }
                }
                of_rules(Row::Texts(texts), &mut add);
            }
            Cells::Object(object) => {
                let is_own = |key: &str| !self.named.iter().any(|path| path.goes_by(key));
                for (key, json) in object.iter().filter(|(key, _)| [TAGS_COLUMN, REMOVE_TAGS_COLUMN].contains(&&**key))
                {
                    if is_own(key) {
                        add(key, in_json(json));
                    }
                }
                of_rules(Row::Object(object), &mut add);
            }
        }
        found
    }
}

fn in_json(json: &Json) -> Vec<Artifact> {
    match json {
        Json::String(text) => in_text(text, &SEPARATORS),
        Json::Array(tags) => {
            tags.iter().filter_map(Json::as_str).filter_map(|tag| artifact(bare(tag), false)).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => Vec::new(),
    }
}

fn in_text<T: AsRef<str>>(text: &str, separators: &[T]) -> Vec<Artifact> {
    // Most tags begin with no such letter. Other separators lead to the same words.
    let may_be = text.split([';', '|', ',', ':', '"']).any(|part| artifact(part.trim(), false).is_some());
    // A list that cannot be read rejects its row.
    let tags = if may_be { tags_of(text, separators).unwrap_or_default() } else { Vec::new() };
    tags.iter().filter_map(|tag| artifact(tag, false)).collect()
}
