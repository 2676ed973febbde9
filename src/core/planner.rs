//! The planner: what each row of an input becomes, given the rows before it and what the journal has of its contact.
//!
//! [`Planner::resolve_duplicate`] decides whose row it is (match values and aliases), and which of several rows of one contact
//! counts; [`Planner::decide`], whether the contact of a row that counts is unchanged or pending. They ask for earlier rows and
//! remote states by way of [`PriorRows`], and store nothing: the journal stores the result, and [`SeenRows`] remembers it for a
//! check.

mod seen_rows;
#[cfg(test)]
mod tests;

pub use self::seen_rows::SeenRows;
use crate::core::decision::{Decision, decide};
use crate::core::duplicates::{Duplicates, merged};
use crate::core::model::{Contact, Field, Flaw, Key, RemoteState};
use crate::core::past_rejection::PastRejection;
use crate::core::task::Policy;
use crate::core::time::Timestamp;

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

    /// Whether this is the key of another value of the same match field.
    fn is_another(&self, key: &Key, field: &Field) -> bool {
        key.is_another(field)
    }

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

    /// The contact of an earlier row that counts. Only [`Duplicates::Merge`] asks for it.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn earlier_contact(&self, earlier: &EarlierRow) -> Result<Contact, Self::Error>;

    /// What is known of the contact on the platform.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn remote_state(&self, key: &Key) -> Result<RemoteState, Self::Error>;

    /// The rejection of this contact by earlier runs that sent it with this content, under the same policy.
    ///
    /// # Errors
    /// The answer cannot be read.
    fn past_rejection(&self, contact: &Contact, policy: Policy) -> Result<Option<PastRejection>, Self::Error>;
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
    /// Whether rows that earlier runs rejected are tried again at once.
    pub retry_rejected: bool,
}

/// A row's contact, and the role that the row has for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolution {
    /// The contact, under the key by which it is known: as it is to be sent, or as this row has it when an earlier row counts.
    pub contact: Contact,
    /// Which row counts for it.
    pub role: RowRole,
}

/// Which row counts for a contact after one more row of it.
#[derive(Clone, Debug, PartialEq)]
pub enum RowRole {
    /// This one. The row that counted so far, if there is one, is merged into it.
    Counts {
        /// The row that counted so far.
        replaced: Option<EarlierRow>,
    },
    /// The earlier one; this one is merged into it.
    Merged {
        /// The row that counts.
        into: EarlierRow,
    },
    /// This one is rejected because of an earlier one.
    Rejected {
        /// The row that counts for the contact that it shares a value with.
        earlier: EarlierRow,
        /// Why.
        fault: DuplicateFault,
    },
}

/// Why a further row of a contact is rejected.
#[derive(Clone, Debug, PartialEq)]
pub enum DuplicateFault {
    /// Each contact may have one row.
    Repeated,
    /// Its values and those of the earlier row do not make a contact together.
    Conflict(Flaw),
    /// Its value in this match field is that of another contact, which the earlier row is of. Two contacts that are one person cannot be
    /// sent: both would get the value.
    OfAnother(String),
}

impl DuplicateFault {
    /// The reason as reports have it, with the line of the row that counts.
    pub fn reason(&self, earlier: &EarlierRow) -> String {
        let line = earlier.line;
        match self {
            Self::Repeated => format!("expected each contact once, found this one on line {line} too"),
            Self::Conflict(flaw) => format!("together with line {line}, which is the same contact: {flaw}"),
            Self::OfAnother(field) => {
                format!(
                    "expected the match values of one contact, found the `{field}` of line {line}, which is another contact"
                )
            }
        }
    }
}

impl EarlierRow {
    /// The reason for which another row of the contact is merged into this one.
    pub fn reason(&self) -> String {
        format!("merged into line {}", self.line)
    }
}

impl Planner {
    /// Decides which row counts for the contact of a row: this one or an earlier one.
    ///
    /// # Errors
    /// `prior` cannot answer.
    pub fn resolve_duplicate<P: PriorRows>(&self, contact: Contact, prior: &P) -> Result<Resolution, P::Error> {
        let contact = identified(contact, prior)?;
        let earlier = prior.earlier(contact.key())?;
        let role = match (self.duplicates, earlier) {
            (Duplicates::First, Some(into)) => RowRole::Merged { into },
            (Duplicates::Reject, Some(earlier)) => RowRole::Rejected { earlier, fault: DuplicateFault::Repeated },
            (Duplicates::Last | Duplicates::First | Duplicates::Merge | Duplicates::Reject, _) => {
                match value_of_another(&contact, earlier, prior)? {
                    Some((earlier, field)) => RowRole::Rejected { earlier, fault: DuplicateFault::OfAnother(field) },
                    None => RowRole::Counts { replaced: earlier },
                }
            }
        };
        if let (Duplicates::Merge, RowRole::Counts { replaced: Some(earlier) }) = (self.duplicates, &role) {
            return Ok(match merged(&prior.earlier_contact(earlier)?, &contact, &self.match_fields) {
                Ok(both) => Resolution { contact: both, role },
                Err(flaw) => {
                    let role = RowRole::Rejected { earlier: *earlier, fault: DuplicateFault::Conflict(flaw) };
                    Resolution { contact, role }
                }
            });
        }
        Ok(Resolution { contact, role })
    }

    /// Decides whether something is to be sent for a contact whose row counts.
    ///
    /// # Errors
    /// `prior` cannot answer.
    pub fn decide<P: PriorRows>(
        &self,
        contact: &Contact,
        policy: Policy,
        prior: &P,
        now: Timestamp,
    ) -> Result<Decision, P::Error> {
        let remote_state = prior.remote_state(contact.key())?;
        let decision = decide(contact, &remote_state, policy);
        if self.retry_rejected || !matches!(decision, Decision::Pending(_)) {
            return Ok(decision);
        }
        Ok(match prior.past_rejection(contact, policy)? {
            Some(rejection) => rejection.decide(decision, &remote_state, now),
            None => decision,
        })
    }
}

/// The match values by which later rows are recognised as this contact, besides its key. Only a row that counts or is
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
                if !contact.matches()[..nth].iter().any(|field| prior.is_another(&key, field)) {
                    // The row may have the value of which only a hash is known.
                    let is_own = |field: &&Field| {
                        let is_named = matches!(&key, Key::Match { field: name, .. } if field.name == *name);
                        is_named && !prior.is_another(&key, field)
                    };
                    let own = contact.matches().iter().find(is_own).map(Key::of);
                    return Ok(contact.known_as(own.unwrap_or(key)));
                }
            }
            Ok(contact)
        }
    }
}

// The row of another contact of this input that has one of the contact's match values, and the match field. `earlier` is the row that
// counts for the contact. Contacts with different values in one match field may share a value in another one, as a family does.
fn value_of_another<P: PriorRows>(
    contact: &Contact,
    earlier: Option<EarlierRow>,
    prior: &P,
) -> Result<Option<(EarlierRow, String)>, P::Error> {
    // The first value is that of the contact itself.
    for (nth, field) in contact.matches().iter().enumerate().skip(1) {
        let Some(key) = prior.key_of(&Key::of(field))? else { continue };
        let own = match contact.key() {
            Key::Match { field, value } => Some(Field::text(field.clone(), value.clone())),
            Key::Id(_) | Key::Row { .. } => None,
        };
        let before = contact.matches()[..nth].iter().chain(&own);
        let shares = before.into_iter().any(|field| prior.is_another(&key, field));
        if let Some(other) = prior.earlier(&key)?.filter(|other| !shares && Some(*other) != earlier) {
            return Ok(Some((other, field.name.to_string())));
        }
    }
    Ok(None)
}
