//! One API call as data.

use serde::{Deserialize, Serialize};

use crate::core::model::key::ContactId;
use crate::core::model::value::Field;
use crate::core::window::Permit;

/// One of the six calls of the Contacts API, with what it carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// One page of the contacts whose field may hold this value.
    Find {
        /// The field and the value to search.
        field: Field,
        /// The page, from 1.
        page: u32,
    },
    /// One contact with all its fields and tags.
    Read {
        /// The contact's id.
        id: ContactId,
    },
    /// A new contact with up to 30 fields (API.md, "The six calls").
    Create {
        /// The fields, match fields first.
        fields: Vec<Field>,
    },
    /// New values for up to 30 fields (API.md, "The six calls").
    Update {
        /// The contact's id.
        id: ContactId,
        /// The fields to write.
        fields: Vec<Field>,
    },
    /// Up to 10 tags to add (API.md, "The six calls").
    AddTags {
        /// The contact's id.
        id: ContactId,
        /// The tags to add.
        tags: Vec<String>,
    },
    /// Up to 10 tags to remove (API.md, "The six calls").
    RemoveTags {
        /// The contact's id.
        id: ContactId,
        /// The tags to remove.
        tags: Vec<String>,
    },
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// [`Call::Find`].
    Find,
    /// [`Call::Read`].
    Read,
    /// [`Call::Create`].
    Create,
    /// [`Call::Update`].
    Update,
    /// [`Call::AddTags`].
    AddTags,
    /// [`Call::RemoveTags`].
    RemoveTags,
}

impl CallKind {
    /// All kinds, in the order in which summaries list them.
    pub const ALL: [Self; 6] = [Self::Find, Self::Read, Self::Create, Self::Update, Self::AddTags, Self::RemoveTags];

    /// The name in summaries and in the journal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::AddTags => "add_tags",
            Self::RemoveTags => "remove_tags",
        }
    }
}

impl Call {
    /// The id of the contact that it reads or changes; `None` for a search and for a create.
    pub const fn contact_id(&self) -> Option<&ContactId> {
        match self {
            Self::Read { id } | Self::Update { id, .. } | Self::AddTags { id, .. } | Self::RemoveTags { id, .. } => {
                Some(id)
            }
            Self::Find { .. } | Self::Create { .. } => None,
        }
    }

    /// The kind of this call.
    pub const fn kind(&self) -> CallKind {
        match self {
            Self::Find { .. } => CallKind::Find,
            Self::Read { .. } => CallKind::Read,
            Self::Create { .. } => CallKind::Create,
            Self::Update { .. } => CallKind::Update,
            Self::AddTags { .. } => CallKind::AddTags,
            Self::RemoveTags { .. } => CallKind::RemoveTags,
        }
    }
}

/// The search and the page that a find asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The field that is searched.
    pub field: String,
    /// The page, from 1.
    pub page: u32,
}

impl Call {
    /// The search and the page that this call asks for; `None` unless it is a find.
    pub fn asked(&self) -> Option<Asked> {
        match self {
            Self::Find { field, page } => Some(Asked { field: field.name.to_string(), page: *page }),
            Self::Read { .. }
            | Self::Create { .. }
            | Self::Update { .. }
            | Self::AddTags { .. }
            | Self::RemoveTags { .. } => None,
        }
    }

    /// The field and value that a find searches for; `None` for other calls.
    pub const fn searched(&self) -> Option<&Field> {
        match self {
            Self::Find { field, .. } => Some(field),
            Self::Read { .. }
            | Self::Create { .. }
            | Self::Update { .. }
            | Self::AddTags { .. }
            | Self::RemoveTags { .. } => None,
        }
    }
}

/// Proof that a call's intent is durable in the journal. Sending consumes it.
#[derive(Debug)]
#[must_use]
pub struct Started {
    number: i64,
}

impl Started {
    /// Only the journal creates one, after the commit of the intent has returned. An architecture test checks that.
    pub(crate) const fn committed(number: i64) -> Self {
        Self { number }
    }

    /// The call's number in the journal.
    pub const fn number(&self) -> i64 {
        self.number
    }
}

/// A call that may be sent: it has a permit of the rate limiter, and its intent is durable. A transport accepts nothing else.
#[derive(Debug)]
#[must_use]
pub struct Cleared<'a> {
    call: &'a Call,
    _permit: Permit,
    _started: Started,
}

impl<'a> Cleared<'a> {
    /// Consumes the permit and the journaled intent for one sending of `call`.
    pub const fn new(call: &'a Call, permit: Permit, started: Started) -> Self {
        Self { call, _permit: permit, _started: started }
    }

    /// The call to send.
    pub const fn call(&self) -> &'a Call {
        self.call
    }
}
