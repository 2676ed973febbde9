//! One page of a search's answer, reduced to what a decision needs.

use serde::{Deserialize, Serialize};

use crate::core::model::{ContactId, Field, Remote};

/// How many characters of another contact's value are kept, to be named in a reason.
const SHOWN_CHARACTERS: usize = 60;

/// One page of a search's answer. Search is loose: its contacts need not have the value asked for (API.md, trap 2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The contacts of the page; after [`Page::reduced`] only those that have the value asked for.
    pub contacts: Vec<Remote>,
    /// The other contacts of a reduced page.
    #[serde(default)]
    pub others: Vec<OtherHit>,
    /// Whether a further page follows.
    pub more: bool,
    /// How many contacts the search found on all pages (`meta.total`), where the answer says so.
    #[serde(default)]
    pub total: Option<u64>,
    /// How the page contradicts itself or the request, if it does. Such a page says nothing.
    #[serde(default)]
    pub contradiction: Option<String>,
}

/// A contact that a search showed although it does not have the value asked for. Only a digest of its id is written to
/// the journal: its data belongs to another contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OtherHit {
    /// Tells contacts apart: the first 8 bytes of the SHA-256 of the id.
    pub digest: u64,
    /// The id and the value that it shows, for a reason that a person reads; `None` once it was journaled.
    #[serde(skip)]
    pub shown: Option<Shown>,
}

/// What a page shows of another contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The platform's id.
    pub id: ContactId,
    /// The value in the field that was searched, at most 60 characters; `None` when it shows none.
    pub value: Option<String>,
    /// Whether the value could be the one asked for in another form ([`Remote::resembles`]).
    pub resembles: bool,
}

impl Page {
    /// A page with these contacts, the last of its search.
    pub fn of(contacts: Vec<Remote>) -> Self {
        Self { contacts, ..Self::default() }
    }

    /// The same page, followed by a further one or not.
    #[must_use]
    pub fn followed(self, more: bool) -> Self {
        Self { more, ..self }
    }

    /// The page with what a search for `field` needs: at most two contacts that have the value (two are a conflict,
    /// whatever follows), and the digests of the others.
    #[must_use]
    pub fn reduced(self, field: &Field) -> Self {
        let (exact, others): (Vec<_>, Vec<_>) = self.contacts.into_iter().partition(|contact| contact.has(field));
        let mut contacts: Vec<Remote> = Vec::new();
        for contact in exact {
            if contacts.len() < 2 && contacts.iter().all(|kept| kept.id != contact.id) {
                contacts.push(contact);
            }
        }
        let others =
            self.others.into_iter().chain(others.iter().map(|contact| OtherHit::new(contact, field))).collect();
        Self { contacts, others, ..self }
    }
}

impl OtherHit {
    fn new(contact: &Remote, field: &Field) -> Self {
        let value = contact.fields.get(&*field.name).map(|value| value.text().chars().take(SHOWN_CHARACTERS).collect());
        let shown = Shown { id: contact.id.clone(), value, resembles: contact.resembles(field) };
        Self { digest: digest(&contact.id), shown: Some(shown) }
    }
}

/// The first 8 bytes of the SHA-256 of an id.
pub fn digest(id: &ContactId) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(id.as_str().as_bytes());
    u64::from_be_bytes(*digest.first_chunk::<8>().expect("SHA-256 has 32 bytes"))
}
