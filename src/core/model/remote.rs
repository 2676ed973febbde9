//! A contact as the platform shows it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::model::key::ContactId;
use crate::core::model::value::{Field, Value};

/// A contact as the platform shows it. Null and blank values are left out: they are the same as missing (API.md, trap 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// The platform's id.
    pub id: ContactId,
    /// The custom fields that have a value.
    pub fields: BTreeMap<String, Value>,
    /// The tags it has.
    pub tags: BTreeSet<String>,
}

impl Remote {
    /// Whether the contact has exactly this value in this field ([`Value::is_shown_as`]). Search is looser than that
    /// (API.md, trap 2).
    pub fn has(&self, field: &Field) -> bool {
        self.fields.get(&*field.name).is_some_and(|value| field.value.is_shown_as(value))
    }

    /// Whether the contact has a value in this field that differs from this one.
    pub fn has_another(&self, field: &Field) -> bool {
        self.fields.get(&*field.name).is_some_and(|value| !value.is_blank() && !value.same(&field.value))
    }

    /// Whether the contact's value in this field could be this value in another form ([`Value::resembles`]). True for a
    /// contact without the field.
    pub fn resembles(&self, field: &Field) -> bool {
        self.fields.get(&*field.name).is_none_or(|value| value.resembles(&field.value))
    }
}
