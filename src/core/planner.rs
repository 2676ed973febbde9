//! The planner: what each row of an input becomes, given the rows before it and what the journal has of its contact.
//!
//! [`Planner::plan_row`] is the whole decision: whose row it is (match values and aliases), which of several rows of one
//! contact counts, and whether the contact is unchanged or pending. It asks for earlier rows and remote states by way of
//! [`PriorRows`], and stores nothing: the journal stores its result, and [`SeenRows`] remembers it for a check.

mod seen_rows;
#[cfg(test)]
mod tests;

pub use self::seen_rows::SeenRows;
use crate::core::duplicates::{Duplicates, merged};
use crate::core::model::{Contact, Flaw, Key, RemoteState};
use crate::core::plan::{Decision, decide};
use crate::core::task::Policy;

/// What the planner asks about the rows before this one, and about what is known of their contacts.
///
/// All answers are about one channel.
pub trait PriorRows {
    /// Why a question cannot be answered.
    type Error;

    /// The key of the contact that has this match value: as its key or as an alias, in this input or in the journal.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn key_of(&self, value: &Key) -> Result<Option<Key>, Self::Error>;

    /// The number of rows of this input that have this content and no key besides it.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn equal_rows(&self, digest: &str) -> Result<u32, Self::Error>;

    /// The row of this input that counts for this contact so far.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn earlier(&self, key: &Key) -> Result<Option<EarlierRow>, Self::Error>;

    /// The contact of an earlier row; `None` where it was not kept. Only [`Duplicates::Merge`] asks for it.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn earlier_contact(&self, earlier: &EarlierRow) -> Result<Option<Contact>, Self::Error>;

    /// What is known of the contact on the platform.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn remote_state(&self, key: &Key) -> Result<RemoteState, Self::Error>;
}

/// The row that counts for a contact so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlierRow {
    /// Its place among the data rows, from 1.
    pub row: u64,
    /// The physical line on which it begins.
    pub line: u64,
}

/// The rules by which the rows of an input are planned.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    /// Which of several rows of one contact counts.
    pub duplicates: Duplicates,
    /// The match fields, in the order in which they are tried.
    pub match_fields: Vec<String>,
}

/// Which row counts for a contact after one more row of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// This one, with this content. The row that counted so far, if there is one, is merged into it.
    Counts {
        /// The contact as it is to be sent.
        contact: Contact,
        /// The row that counted so far.
        replaced: Option<EarlierRow>,
    },
    /// The earlier one; this one is merged into it.
    Merged {
        /// The contact of this row.
        contact: Contact,
        /// The row that counts.
        into: EarlierRow,
    },
    /// The earlier one; this one is rejected.
    Rejected {
        /// The contact of this row.
        contact: Contact,
        /// The row that counts.
        earlier: EarlierRow,
        /// Why.
        reason: DuplicateFault,
    },
}

/// Why a further row of a contact is rejected.
#[derive(Clone, Debug, PartialEq)]
pub enum DuplicateFault {
    /// Each contact may have one row.
    Repeated,
    /// Its values and those of the earlier row do not make a contact together.
    Conflict(Flaw),
}

impl DuplicateFault {
    /// The reason as reports have it, with the line of the row that counts.
    pub fn reason(&self, earlier: &EarlierRow) -> String {
        let line = earlier.line;
        match self {
            Self::Repeated => format!("expected each contact once, found this one on line {line} too"),
            Self::Conflict(flaw) => format!("together with line {line}, which is the same contact: {flaw}"),
        }
    }
}

impl EarlierRow {
    /// The reason for which another row of the contact is merged into this one.
    pub fn reason(&self) -> String {
        format!("line {} stands for this contact", self.line)
    }
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowPlan {
    /// It counts for its contact.
    Counts {
        /// The contact as it is to be sent.
        contact: Contact,
        /// The row that counted so far, which is merged into it.
        replaced: Option<EarlierRow>,
        /// Whether something is to be sent.
        decision: Decision,
    },
    /// It is merged into an earlier row.
    Merged {
        /// The contact of this row.
        contact: Contact,
        /// The row that counts.
        into: EarlierRow,
    },
    /// It is rejected for an earlier row.
    Rejected {
        /// The contact of this row.
        contact: Contact,
        /// The row that counts.
        earlier: EarlierRow,
        /// Why.
        reason: DuplicateFault,
    },
}

impl RowPlan {
    /// The contact of the row, under the key by which it is known.
    pub const fn contact(&self) -> &Contact {
        match self {
            Self::Counts { contact, .. } | Self::Merged { contact, .. } | Self::Rejected { contact, .. } => contact,
        }
    }
}

impl Planner {
    /// Decides what becomes of a row that holds `contact`.
    ///
    /// # Errors
    /// `prior` cannot answer.
    pub fn plan_row<P: PriorRows>(&self, contact: Contact, policy: Policy, prior: &P) -> Result<RowPlan, P::Error> {
        Ok(match self.resolve_duplicate(contact, prior)? {
            Resolution::Counts { contact, replaced } => {
                let decision = decide(&contact, &prior.remote_state(contact.key())?, policy);
                RowPlan::Counts { contact, replaced, decision }
            }
            Resolution::Merged { contact, into } => RowPlan::Merged { contact, into },
            Resolution::Rejected { contact, earlier, reason } => RowPlan::Rejected { contact, earlier, reason },
        })
    }

    /// Decides which row counts for the contact of a row: this one or an earlier one.
    ///
    /// # Errors
    /// `prior` cannot answer.
    pub fn resolve_duplicate<P: PriorRows>(&self, contact: Contact, prior: &P) -> Result<Resolution, P::Error> {
        let contact = identified(contact, prior)?;
        let Some(earlier) = prior.earlier(contact.key())? else {
            return Ok(Resolution::Counts { contact, replaced: None });
        };
        Ok(match self.duplicates {
            Duplicates::Last => Resolution::Counts { contact, replaced: Some(earlier) },
            Duplicates::First => Resolution::Merged { contact, into: earlier },
            Duplicates::Reject => Resolution::Rejected { contact, earlier, reason: DuplicateFault::Repeated },
            Duplicates::Merge => match prior.earlier_contact(&earlier)? {
                None => Resolution::Counts { contact, replaced: Some(earlier) },
                Some(before) => match merged(&before, &contact, &self.match_fields) {
                    Ok(both) => Resolution::Counts { contact: both, replaced: Some(earlier) },
                    Err(flaw) => Resolution::Rejected { contact, earlier, reason: DuplicateFault::Conflict(flaw) },
                },
            },
        })
    }
}

/// The match values by which later rows are recognized as this contact, besides its key. Only a row that counts or is
/// merged gives any: a rejected row does not identify other rows.
pub fn aliases(contact: &Contact) -> impl Iterator<Item = Key> + '_ {
    let matches = if contact.matches().len() < 2 { &[] } else { contact.matches() };
    matches.iter().map(Key::of).filter(|value| value != contact.key())
}

// The contact under the key by which it is known.
fn identified<P: PriorRows>(contact: Contact, prior: &P) -> Result<Contact, P::Error> {
    match contact.key() {
        // A row without id and match field is one more of the rows with its content.
        Key::Row { digest, .. } => {
            let rows = prior.equal_rows(digest)?;
            Ok(contact.as_nth(rows.saturating_add(1)))
        }
        Key::Match { .. } | Key::Id(_) => {
            // A contact with several match fields is one contact, whichever of them a row has.
            for (nth, field) in contact.matches().iter().enumerate() {
                let Some(key) = prior.key_of(&Key::of(field))? else { continue };
                // A known contact with another value in a field that is tried before is another one that shares this value.
                if !contact.matches()[..nth].iter().any(|field| key.is_another(field)) {
                    return Ok(contact.known_as(key));
                }
            }
            Ok(contact)
        }
    }
}
