//! The rows of an input so far, in memory: what the planner asks about when nothing is journaled.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::convert::Infallible;
use std::hash::{Hash, Hasher};

use super::{EarlierRow, PriorRows, Resolution, RowRole, aliases};
use crate::core::duplicates::Duplicates;
use crate::core::model::{Contact, Key, RemoteState};
use crate::core::past_rejection::PastRejection;
use crate::core::task::Policy;

/// The rows of one channel so far. It knows nothing of the platform: every contact's remote state is unknown.
///
/// Keys are held as 64-bit digests, about 40 bytes a contact; aliases are held whole. Of a million contacts, two share a
/// digest with a probability of 3 in 100 million. With [`Duplicates::Merge`], each contact is held as JSON besides: a later row
/// may be merged with it.
#[derive(Debug, Default)]
pub struct SeenRows {
    // Each contact, as the rows so far have it, by the row that counts; `None` when no row is merged with another one.
    contacts: Option<HashMap<u64, Box<str>>>,
    // The row that counts, by the digest of its contact's key.
    rows: HashMap<u64, EarlierRow>,
    // The key of the contact, by the digest of a further match value of it.
    aliases: HashMap<u64, Key>,
    // The number of rows without a key, by the digest of their content.
    equal: HashMap<u64, u32>,
    kept: Vec<KeptContact>,
}

/// A contact that is kept, as the rows so far have it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptContact {
    /// Place of the contact's first row.
    pub first_row: u64,
    /// The row that counts.
    pub counts: EarlierRow,
    /// The contact as it is to be sent.
    pub contact: Contact,
}

impl SeenRows {
    /// Begins before the first row, for a planner with this rule.
    pub fn new(duplicates: Duplicates) -> Self {
        let contacts = match duplicates {
            Duplicates::Merge => Some(HashMap::new()),
            Duplicates::Last | Duplicates::First | Duplicates::Reject => None,
        };
        Self { contacts, ..Self::default() }
    }

    /// Remembers what became of a row. With `keep`, a contact that this row brings for the first time is kept from now on.
    pub fn note(&mut self, row: u64, line: u64, resolution: &Resolution, keep: bool) {
        let Resolution { contact, role } = resolution;
        let replaced = match role {
            RowRole::Counts { replaced } => *replaced,
            RowRole::Merged { .. } => return self.note_aliases(contact),
            RowRole::Rejected { .. } => return,
        };
        let counts = EarlierRow { row, line };
        self.note_aliases(contact);
        if let Key::Row { digest: content, nth } = contact.key() {
            self.equal.insert(digest(content), *nth);
        }
        self.rows.insert(digest(contact.key()), counts);
        if let Some(contacts) = &mut self.contacts {
            if let Some(replaced) = replaced {
                contacts.remove(&replaced.row);
            }
            let json = serde_json::to_string(contact).expect("a contact has names for keys");
            contacts.insert(row, json.into());
        }
        match replaced {
            None if keep => self.kept.push(KeptContact { first_row: row, counts, contact: contact.clone() }),
            None => {}
            Some(replaced) => {
                if let Some(kept) = self.kept.iter_mut().find(|kept| kept.counts.row == replaced.row) {
                    (kept.counts, kept.contact) = (counts, contact.clone());
                }
            }
        }
    }

    /// The contacts that are kept, in the order of their first rows.
    pub fn into_kept(self) -> Vec<KeptContact> {
        self.kept
    }

    fn note_aliases(&mut self, contact: &Contact) {
        for value in aliases(contact) {
            self.aliases.insert(digest(&value), contact.key().clone());
        }
    }
}

impl PriorRows for SeenRows {
    type Error = Infallible;

    fn key_of(&self, value: &Key) -> Result<Option<Key>, Infallible> {
        let digest = digest(value);
        let own = self.rows.contains_key(&digest).then(|| value.clone());
        Ok(own.or_else(|| self.aliases.get(&digest).cloned()))
    }

    fn equal_rows(&self, content: &str) -> Result<u32, Infallible> {
        Ok(self.equal.get(&digest(content)).copied().unwrap_or(0))
    }

    fn earlier(&self, key: &Key) -> Result<Option<EarlierRow>, Infallible> {
        Ok(self.rows.get(&digest(key)).copied())
    }

    fn earlier_contact(&self, earlier: &EarlierRow) -> Result<Contact, Infallible> {
        let json = self.contacts.as_ref().and_then(|contacts| contacts.get(&earlier.row));
        let json = json.expect("rows that are to be merged are held, and the earlier row is one that counts");
        Ok(serde_json::from_str(json).expect("a contact is read back as it was written"))
    }

    fn remote_state(&self, _: &Key) -> Result<RemoteState, Infallible> {
        Ok(RemoteState::Unknown)
    }

    fn past_rejection(&self, _: &Contact, _: Policy) -> Result<Option<PastRejection>, Infallible> {
        Ok(None)
    }
}

fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut digest = DefaultHasher::new();
    value.hash(&mut digest);
    digest.finish()
}
