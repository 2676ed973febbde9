//! The remote state: what the journal believes the platform has for a contact.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::doubt::Doubt;
use crate::core::model::contact::Contact;
use crate::core::model::key::ContactId;
use crate::core::model::remote::Remote;
use crate::core::model::value::Value;
use crate::core::text::Text;
use crate::core::time::Timestamp;

/// A contact on the platform, as far as the journal knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The platform's id. An update's answer never replaces it (API.md, trap 3).
    pub id: ContactId,
    /// The fields last seen or written. A blank value is known to be blank; the value of a field that is not listed is
    /// unknown.
    pub fields: BTreeMap<String, Value>,
    /// The tags last seen or written.
    pub tags: BTreeSet<String>,
    /// The tags that contactsync added. Only these are removed by [`TagsMode::Mirror`](crate::core::diff::TagsMode).
    pub own_tags: BTreeSet<String>,
    /// Tags last seen missing or removed. A tag in neither set is unknown: agents add tags by hand (API.md, trap 12).
    pub absent_tags: BTreeSet<String>,
    /// When contactsync created the contact; `None` once all of it is written.
    pub made_at: Option<Timestamp>,
    /// Whether the answer to a change of the contact was lost.
    pub doubt: bool,
    /// The id that the input gives for it and that the platform no longer has.
    pub replaces: Option<ContactId>,
    /// Whether all of the contact was seen: a field that is not listed has no value, and a tag that is not listed is missing.
    #[serde(default)]
    pub is_whole: bool,
    /// Whether all of its tags were seen since [`TagsMode::MirrorAll`](crate::core::diff::TagsMode) applies.
    #[serde(default)]
    pub has_all_tags: bool,
}

impl Known {
    /// A contact of which only the id is known, because the input gave it.
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
            is_whole: false,
            has_all_tags: false,
        }
    }

    /// The same contact, where the fields of `contact` that [may be blank](Contact::may_be_blank) and have no known value are
    /// known to be blank.
    #[must_use]
    pub fn blank_in(mut self, contact: &Contact) -> Self {
        for name in contact.may_be_blank() {
            self.fields.entry(name.to_string()).or_insert_with(|| Value::Text("".into()));
        }
        self
    }

    /// The same contact, where that all of it was seen becomes what it means for `contact`: the fields that this one clears or
    /// writes if they are blank, and the tags that it removes, are known to be absent. From then on, a call may change a part without the rest being unknown.
    #[must_use]
    pub fn narrowed_to(self, contact: &Contact) -> Self {
        if !self.is_whole {
            return self;
        }
        let mut known = self.blank_in(contact);
        known.is_whole = false;
        let is_absent = |tag: &&Text| !known.tags.contains(tag.as_str());
        let absent: Vec<String> = contact.remove_tags().iter().filter(is_absent).map(Text::to_string).collect();
        known.absent_tags.extend(absent);
        known
    }

    /// Whether the input may give this id for the contact.
    pub fn goes_by(&self, id: &ContactId) -> bool {
        self.id == *id || self.replaces.as_ref() == Some(id)
    }

    /// The contact as the platform showed it. Those of the `own` tags that it still has stay own tags.
    pub fn seen(remote: Remote, own: &BTreeSet<String>) -> Self {
        let own_tags = own.intersection(&remote.tags).cloned().collect();
        Self { fields: remote.fields, tags: remote.tags, own_tags, ..Self::only_id(remote.id) }
    }
}

/// What the journal believes the platform has for a contact.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteState {
    /// The contact was never seen.
    Unknown,
    /// The contact may be on the platform: the answer to its create was lost, or its id is gone.
    InDoubt(Doubt),
    /// The contact is on the platform.
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
