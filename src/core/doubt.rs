//! What is known of a contact that may or may not be on the platform: a create whose answer was lost, or an id that is
//! gone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::core::model::{Contact, Field};
use crate::core::page::{OtherHit, Shown};
use crate::core::time::Timestamp;

/// The most contacts without the value asked for that a create remembers of the searches before it. Beyond that, any
/// such contact that is shown after a lost create counts as new.
pub const MOST_SEEN: usize = 100;

/// Why it is not known whether the platform has a contact, and how far finding out has come. It lasts from process to
/// process, so that short runs make progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// The contact as it was sent. Its match fields are what a search can go by.
    pub sent: Contact,
    /// When the answer was lost; `None` while the create may be on its way.
    pub since: Option<Timestamp>,
    /// How many complete searches since then showed no contact with the value.
    pub searches: usize,
    /// What is in doubt.
    pub origin: Origin,
    /// A contact that may be this one in another form, in words. It forbids another create.
    #[serde(default)]
    pub lookalike: Option<String>,
    /// Whose contact a create was answered with, in words. It forbids another create.
    #[serde(default)]
    pub conflict: Option<String>,
}

/// What is in doubt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A create of ours, which may have made the contact.
    Create {
        /// Digests of the contacts that the searches before it showed without the value; `None` when it was sent without
        /// a search, or when there were more than [`MOST_SEEN`].
        seen: Option<BTreeSet<u64>>,
    },
    /// The contact was known, and the platform no longer has its id.
    GoneId {
        /// Whether a create of ours, which is not finished, had made it.
        was_ours: bool,
    },
}

impl Doubt {
    /// What holds from the moment at which a create of `contact` is sent.
    pub fn of_create(contact: &Contact, seen: Option<BTreeSet<u64>>) -> Self {
        let seen = seen.filter(|seen| seen.len() <= MOST_SEEN);
        Self::new(contact, None, Origin::Create { seen })
    }

    /// What holds once the id of `contact` is gone.
    pub fn of_gone_id(contact: &Contact, was_ours: bool, now: Timestamp) -> Self {
        Self::new(contact, Some(now), Origin::GoneId { was_ours })
    }

    fn new(contact: &Contact, since: Option<Timestamp>, origin: Origin) -> Self {
        Self { sent: contact.clone(), since, searches: 0, origin, lookalike: None, conflict: None }
    }

    /// Whether a contact that a search finds now was made by a create of ours.
    pub const fn is_ours(&self) -> bool {
        match self.origin {
            Origin::Create { .. } => true,
            Origin::GoneId { was_ours } => was_ours,
        }
    }

    /// Takes note of contacts that a search for `field` shows without its value. After a lost create, one that was not
    /// shown before it may be the contact that it made, stored in another form; after an id that is gone, one that
    /// resembles it may be.
    pub fn notice(&mut self, others: &[OtherHit], field: &Field) {
        let is_suspect = |other: &&OtherHit| match &self.origin {
            Origin::Create { seen } => !seen.as_ref().is_some_and(|seen| seen.contains(&other.digest)),
            Origin::GoneId { .. } => other.shown.as_ref().is_none_or(|shown| shown.resembles),
        };
        let Some(other) = others.iter().find(is_suspect) else { return };
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

    /// Why the contact is in doubt, as the beginning of a reason.
    pub const fn cause(&self) -> &'static str {
        match self.origin {
            Origin::Create { .. } => "in doubt: the answer to its create was lost",
            Origin::GoneId { .. } => "in doubt: the platform no longer has its contact id",
        }
    }
}
