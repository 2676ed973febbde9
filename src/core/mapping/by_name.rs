//! What a column means by its name alone, where no rule names it.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::core::text::{Text, visible};

/// The column with the platform's id. `id` is a plain field: a CRM has its own ids.
pub(super) const ID_COLUMN: &str = "contact_id";

/// The column with the tags to add.
pub(super) const TAGS_COLUMN: &str = "tags";

/// The column with the tags to remove.
pub(super) const REMOVE_TAGS_COLUMN: &str = "remove_tags";

/// The first character of the names of ignored columns.
pub(super) const IGNORED_PREFIX: char = '_';

/// The key by which a contact in the platform's own shape is recognised.
pub(super) const SHAPE_KEY: &str = "custom_fields";

/// The use of a column by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// It is not sent.
    Ignored,
    /// The platform's id.
    Id,
    /// Tags to add.
    Tags,
    /// Tags to remove.
    RemoveTags,
    /// The match field at this place.
    Match(usize),
    /// Another field, of this name.
    Field(Text),
}

impl Column {
    pub(super) fn of(name: &str, match_fields: &[String]) -> Self {
        match name {
            name if is_ignored(name) => Self::Ignored,
            ID_COLUMN => Self::Id,
            TAGS_COLUMN => Self::Tags,
            REMOVE_TAGS_COLUMN => Self::RemoveTags,
            name => match_fields
                .iter()
                .position(|field| field == name)
                .map_or_else(|| Self::Field(name.into()), Self::Match),
        }
    }
}

pub(super) fn is_ignored(column: &str) -> bool {
    column.starts_with(IGNORED_PREFIX) || column.trim().is_empty()
}

/// The meaning of a name that is not a custom field's.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    match name {
        ID_COLUMN => Some("the column of the platform's id, by which a contact is found anyway"),
        TAGS_COLUMN | REMOVE_TAGS_COLUMN => Some("a column of tags"),
        name if name.trim().is_empty() => Some("an empty name"),
        name if is_ignored(name) => Some("a column that is ignored, because it begins with `_`"),
        _ => None,
    }
}

/// The keys of a contact in the platform's own shape.
const SHAPE_KEYS: [&str; 7] = [SHAPE_KEY, "id", ID_COLUMN, TAGS_COLUMN, REMOVE_TAGS_COLUMN, "created_at", "updated_at"];

/// Whether an object is a contact in the platform's own shape: it has `custom_fields`, and no keys but those of that shape
/// and the column of the channel. In the exports of other programs, the phone and the name stand beside `custom_fields`,
/// and `id` is not the platform's. Null and the empty list count: that is how the platform's own language writes "no
/// fields".
pub(super) fn is_shaped(object: &[(Arc<str>, Json)], channel: Option<&str>) -> bool {
    let is_fields = |json: &Json| matches!(json, Json::Object(_) | Json::Array(_) | Json::Null);
    let is_of_shape = |key: &str| SHAPE_KEYS.contains(&key) || is_ignored(key) || Some(key) == channel;
    object.iter().any(|(key, json)| **key == *SHAPE_KEY && is_fields(json))
        && object.iter().all(|(key, _)| is_of_shape(&visible(key)))
}
