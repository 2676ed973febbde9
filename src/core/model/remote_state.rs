//! What the journal has about a contact on the platform.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::doubt::Doubt;
use crate::core::model::key::ContactId;
use crate::core::model::remote::Remote;
use crate::core::model::value::{Field, Value};
use crate::core::time::Timestamp;

/// What the journal says the platform has for a contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The platform's id. An update's answer never replaces it (API.md, trap 3).
    pub id: ContactId,
    /// The fields last seen or written. A blank value is one that is known to be blank; of a field that is not here
    /// nobody has looked.
    pub fields: BTreeMap<String, Value>,
    /// The tags last seen or written.
    pub tags: BTreeSet<String>,
    /// Those of them that contactsync put there: the only ones that `--tags-mode mirror` may take away.
    pub own_tags: BTreeSet<String>,
    /// Tags last seen or made missing. Of a tag in neither set nobody knows: agents add tags by hand (API.md, trap 12).
    pub absent_tags: BTreeSet<String>,
    /// When contactsync made the contact, as long as it has not written all of it.
    pub made_at: Option<Timestamp>,
    /// Whether a change of it was sent whose answer was lost.
    pub doubt: bool,
    /// The id that the file gives for it and that the platform no longer has.
    pub replaces: Option<ContactId>,
}

impl Known {
    /// What is known of a contact whose id came from the input: nothing but that it is there.
    pub fn only_id(id: ContactId) -> Self {
        Self {
            id,
            fields: BTreeMap::new(),
            tags: BTreeSet::new(),
            own_tags: BTreeSet::new(),
            absent_tags: BTreeSet::new(),
            made_at: None,
            doubt: false,
            replaces: None,
        }
    }

    /// The same, with the knowledge that these fields are blank where no value was seen or written.
    #[must_use]
    pub fn blank_in(mut self, fields: &[Field]) -> Self {
        for field in fields {
            self.fields.entry(field.name.to_string()).or_insert_with(|| field.value.clone());
        }
        self
    }

    /// Whether the file may give this id for the contact.
    pub fn goes_by(&self, id: &ContactId) -> bool {
        self.id == *id || self.replaces.as_ref() == Some(id)
    }

    /// What is known after the platform showed the contact; of `own` tags, those that it still has stay ours.
    pub fn seen(remote: Remote, own: &BTreeSet<String>) -> Self {
        let own_tags = own.intersection(&remote.tags).cloned().collect();
        Self { fields: remote.fields, tags: remote.tags, own_tags, ..Self::only_id(remote.id) }
    }
}

/// What the journal says of a contact on the platform.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteState {
    /// Never seen.
    Unknown,
    /// The contact may be on the platform: the answer to its create was lost, or its id is gone.
    InDoubt(Doubt),
    /// It is there.
    Known(Known),
}

impl RemoteState {
    /// The platform's id, when it is known.
    pub const fn id(&self) -> Option<&ContactId> {
        match self {
            Self::Known(known) => Some(&known.id),
            Self::Unknown | Self::InDoubt(_) => None,
        }
    }
}
