//! The use cases of `contact`: reads, finds and changes single contacts by hand, with calls that are paced, journaled and retried
//! like those of a run.

mod edit;
mod read;

use std::path::Path;

pub use self::edit::{ContactAction, ContactEdit, EditOutcome, EditSummary, EditedContact, edit_contact};
pub use self::edit::{PlannedRequest, preview_edit};
pub use self::read::{ContactSearch, FoundContacts, ReadContact, ReadOutcome, find_contacts, get_contact};
use crate::core::by_hand::{BadEdit, Subject};
use crate::core::model::{ContactId, Field, HashedKey, ID_KEY, Key, RemoteState};
use crate::core::selection::ContactRef;
use crate::journal::{Addressed, Journal, JournalError};
use crate::sync::guard_error::GuardError;

/// Why a contact is neither read nor changed. Nothing was sent that changes a contact.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// The last input has no row on this line of which the journal has the contact.
    #[error("the journal knows no contact `{0}`")]
    Unknown(ContactRef),
    /// The name stands for several contacts.
    #[error("`{name}` matches several contacts: {}", keys.join(", "))]
    Ambiguous {
        /// The name.
        name: ContactRef,
        /// Their keys, or their ids.
        keys: Vec<String>,
    },
    /// The change makes no contact.
    #[error("{0}")]
    Edit(#[from] BadEdit),
    /// A contact that is to be created is known.
    #[error("contact `{key}` exists: its id is {id}; nothing was sent")]
    Known {
        /// Its key, as it is printed.
        key: String,
        /// Its id.
        id: ContactId,
    },
    /// A contact that is to be created is on the platform.
    #[error("the platform has a contact with `{field}`: {}; nothing was created", listed(.ids))]
    Exists {
        /// The field and the value that it was found by.
        field: String,
        /// Its id, or those of the first two.
        ids: Vec<ContactId>,
    },
    /// The person was forgotten and must not return.
    #[error("contact `{key}` was erased with suppression, and must not return; nothing was sent")]
    Suppressed {
        /// Its key, as it is printed.
        key: String,
    },
    /// A contact with one of its match values is in doubt, and has another key.
    #[error("contact `{key}` is in doubt: the answer to its create was lost; nothing was sent")]
    InDoubt {
        /// Its key, as it is printed.
        key: String,
    },
    /// The platform refused the search for a contact that is to be created.
    #[error("the search for `{field}` was refused: {message}; nothing was created")]
    SearchRefused {
        /// The field and the value.
        field: String,
        /// The platform's message.
        message: String,
    },
    /// Whether a contact that is to be created is on the platform is not known.
    #[error("the search for `{field}` has no usable result: {why}; nothing was created")]
    SearchFailed {
        /// The field and the value.
        field: String,
        /// Why.
        why: String,
    },
    /// A run of the channel is to be finished first.
    #[error("run {run} of channel `{channel}` is not finished")]
    Unfinished {
        /// The run.
        run: i64,
        /// The channel.
        channel: String,
    },
    /// The channel may not be sent to.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn listed(ids: &[ContactId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a text without a field and without `id:` means if the journal knows no contact by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BareName {
    /// The id of a contact.
    Id,
    /// Nothing: a phone number may be the id of another contact, and so is not written to.
    Nothing,
}

/// The contact of a channel that has this name. What the journal does not know is an id, or a field and a value to search by.
fn subject(journal: &Journal, channel: &str, name: &ContactRef, bare: BareName) -> Result<Subject, ContactError> {
    let of_channel = |name: ContactRef| -> Result<Vec<Addressed>, JournalError> {
        let found = journal.addressed(name)?;
        Ok(found.into_iter().filter(|contact| contact.channel == channel).collect())
    };
    let mut found = of_channel(name.clone())?;
    if let ContactRef::Match(text) = name {
        // The text may be the id of another contact.
        found.extend(of_channel(ContactRef::Id(text.clone()))?);
        found.sort_by_key(|contact| contact.number);
        found.dedup_by_key(|contact| contact.number);
    }
    // A contact may be known both by its key and, from an input without match fields, by its id.
    if found.len() > 1 && found.iter().any(|contact| !matches!(contact.key, Key::Id(_))) {
        found.retain(|contact| !matches!(contact.key, Key::Id(_)));
    }
    if found.len() > 1 {
        let keys = found.iter().map(|contact| contact.key.shown()).collect();
        return Err(ContactError::Ambiguous { name: name.clone(), keys });
    }
    match found.pop() {
        Some(Addressed { key, remote_state: RemoteState::Unknown, .. })
            if HashedKey::of_key(&key.to_string()).is_some() =>
        {
            // The name has the value of which the journal has a hash.
            named_field(name, &key).map(Subject::Found).ok_or_else(|| ContactError::Unknown(name.clone()))
        }
        Some(Addressed { key, remote_state, .. }) => Ok(Subject::Journaled(key, remote_state)),
        None => unknown(name, bare),
    }
}

fn unknown(name: &ContactRef, bare: BareName) -> Result<Subject, ContactError> {
    let not_known = || ContactError::Unknown(name.clone());
    match name {
        ContactRef::Line(_) => Err(not_known()),
        ContactRef::Id(id) => ContactId::new(id.clone()).map(Subject::Id).ok_or_else(not_known),
        ContactRef::Match(text) => {
            let by_id = || {
                let is_id = bare == BareName::Id && !text.contains('@') && !text.starts_with('+');
                let id = text.strip_prefix(ID_KEY).or_else(|| is_id.then_some(text.as_str()));
                id.and_then(ContactId::new).map(Subject::Id).ok_or_else(not_known)
            };
            field_value(text).map_or_else(by_id, |field| Ok(Subject::Found(field)))
        }
    }
}

// `FIELD=VALUE`; `None` for other texts, and for the name of an id.
fn field_value(text: &str) -> Option<Field> {
    if text.starts_with(ID_KEY) {
        return None;
    }
    match Key::parse_match(text)? {
        Key::Match { field, value } if !field.trim().is_empty() && !value.trim().is_empty() => {
            Some(Field::text(field, value))
        }
        Key::Match { .. } | Key::Id(_) | Key::Row { .. } => None,
    }
}

fn named_field(name: &ContactRef, key: &Key) -> Option<Field> {
    let (ContactRef::Match(text), Key::Match { field, .. }) = (name, key) else { return None };
    Some(field_value(text).unwrap_or_else(|| Field::text(field.clone(), text.as_str())))
}

/// The journal at this path, to read it; an empty one if there is none.
fn read_only(path: &Path) -> Result<Journal, JournalError> {
    Journal::dry(path)
}
