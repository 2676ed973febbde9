//! A contact in doubt: the answer to its create was lost, or its id is gone, so it may or may not be on the platform.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::core::model::contact::Contact;
use crate::core::model::key::ContactId;
use crate::core::model::value::Field;
use crate::core::page::{OtherHit, Shown};
use crate::core::time::Timestamp;

/// Maximum number of inexact hits that a create remembers from the searches before it. Beyond that, every inexact hit
/// after a lost create counts as new.
pub const MOST_SEEN: usize = 100;

/// Why a contact is in doubt, and which searches were made since. The journal keeps it from run to run, so that short
/// runs make progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// The contact as it was sent. The searches use its match fields.
    pub sent: Contact,
    /// When the answer was lost; `None` while the create may be in flight.
    pub since: Option<Timestamp>,
    /// Number of complete searches since then that found no contact with the value.
    pub searches: usize,
    /// What is in doubt.
    pub origin: Origin,
    /// Describes a contact that may be this one in another form. It prevents another create.
    #[serde(default)]
    pub lookalike: Option<String>,
    /// Describes the conflict when a create was answered with another row's contact. It prevents another create.
    #[serde(default)]
    pub conflict: Option<String>,
    /// The id that its create was answered with, as long as no read confirmed it.
    #[serde(default)]
    pub named: Option<ContactId>,
}

/// What is in doubt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// A create of this journal, which may have created the contact.
    Create {
        /// Digests of the inexact hits of the searches before it; `None` when there was no search, or there were more
        /// than [`MOST_SEEN`].
        seen: Option<BTreeSet<u64>>,
    },
    /// The contact was known, and the platform no longer has its id.
    GoneId {
        /// Whether an unfinished create of this journal had created it.
        was_ours: bool,
    },
}

impl Doubt {
    /// The doubt that begins when a create of `contact` is sent.
    pub fn of_create(contact: &Contact, seen: Option<BTreeSet<u64>>) -> Self {
        let seen = seen.filter(|seen| seen.len() <= MOST_SEEN);
        Self::new(contact, None, Origin::Create { seen })
    }

    /// The doubt that begins when the id of `contact` is gone.
    pub fn of_gone_id(contact: &Contact, was_ours: bool, now: Timestamp) -> Self {
        Self::new(contact, Some(now), Origin::GoneId { was_ours })
    }

    fn new(contact: &Contact, since: Option<Timestamp>, origin: Origin) -> Self {
        Self { sent: contact.clone(), since, searches: 0, origin, lookalike: None, conflict: None, named: None }
    }

    /// Whether a contact that a search finds now was created by us.
    pub const fn is_ours(&self) -> bool {
        match self.origin {
            Origin::Create { .. } => true,
            Origin::GoneId { was_ours } => was_ours,
        }
    }

    /// Records the inexact hits of a search for `field`. After a lost create, a hit that was not shown before it may be
    /// the created contact with its value in another form. After an id is gone, a hit that resembles the contact may be
    /// the contact.
    pub fn notice(&mut self, others: &[OtherHit], field: &Field) {
        let is_suspect = |other: &&OtherHit| match &self.origin {
            Origin::Create { seen } => !seen.as_ref().is_some_and(|seen| seen.contains(&other.digest)),
            Origin::GoneId { .. } => other.shown.as_ref().is_none_or(|shown| shown.resembles),
        };
        let Some(other) = others.iter().filter(|other| !other.is_known).find(is_suspect) else { return };
        let (name, wanted) = (&field.name, field.value.text());
        let found = match &other.shown {
            None => "another contact".to_owned(),
            Some(Shown { id, value: None, .. }) => format!("contact {id}, which shows no `{name}`"),
            Some(Shown { id, value: Some(value), .. }) => {
                format!("contact {id}, which has `{value}` instead of `{wanted}`")
            }
        };
        self.lookalike.get_or_insert(format!("the search for its `{name}` found {found}"));
    }

    /// Why the contact is in doubt: the first part of a reason.
    pub const fn cause(&self) -> &'static str {
        match self.origin {
            Origin::Create { .. } => "in doubt: the answer to its create was lost",
            Origin::GoneId { .. } => "in doubt: the platform no longer has its contact id",
        }
    }
}
