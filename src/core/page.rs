//! One page of a search's answer, reduced to what a decision needs.

use serde::{Deserialize, Serialize};

use crate::core::model::key::ContactId;
use crate::core::model::remote::Remote;
use crate::core::model::value::Field;

/// Maximum length, in characters, of another contact's value that is kept for a reason.
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
    /// Number of contacts on all pages of the search (`meta.total`); `None` where the answer does not state it.
    #[serde(default)]
    pub total: Option<u64>,
    /// How the page contradicts itself or the request, if it does. Such a page proves nothing.
    #[serde(default)]
    pub contradiction: Option<String>,
}

/// A contact that a search showed although it does not have the value asked for. Only a digest of its id is written to
/// the journal: its data belongs to another contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OtherHit {
    /// Distinguishes contacts: the first 8 bytes of the SHA-256 of the id.
    pub digest: u64,
    /// The id and the value, for a reason that a person reads; `None` when the hit was read from the journal.
    #[serde(skip)]
    pub shown: Option<Shown>,
    /// Whether the channel knows the contact by another key.
    #[serde(skip)]
    pub is_known: bool,
}

/// The part of another contact that a page shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The platform's id.
    pub id: ContactId,
    /// The value in the field that was searched, at most 60 characters; `None` when it shows none.
    pub value: Option<String>,
    /// Whether the value could be the one asked for in another form ([`Remote::resembles`]).
    pub resembles: bool,
    /// Whether any of its fields has something in common with the value asked for: a word, or one within the other. A search
    /// that lists only contacts without that has lost its filter.
    pub is_related: bool,
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
        // The search found the contact for one of its values. A contact that is listed without fields may have the value.
        let bare = others.iter().find(|contact| contact.fields.is_empty());
        let bare = bare.map(|contact| format!("contact {} is listed without its fields", contact.id));
        let contradiction = self.contradiction.or(bare);
        let others =
            self.others.into_iter().chain(others.iter().map(|contact| OtherHit::new(contact, field))).collect();
        Self { contacts, others, contradiction, more: self.more, total: self.total }
    }
}

impl OtherHit {
    fn new(contact: &Remote, field: &Field) -> Self {
        let value = contact.fields.get(&*field.name).map(|value| value.text().chars().take(SHOWN_CHARACTERS).collect());
        let resembles = contact.resembles(field);
        let is_related =
            resembles || contact.fields.values().any(|value| are_related(&value.text(), &field.value.text()));
        let shown = Shown { id: contact.id.clone(), value, resembles, is_related };
        Self { digest: digest(&contact.id), shown: Some(shown), is_known: false }
    }
}

// Whether two texts share a word, or one is within the other, punctuation and case aside.
fn are_related(one: &str, other: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (one, other) = (words(one), words(other));
    let (whole, part) = (one.concat(), other.concat());
    let is_within = !whole.is_empty() && !part.is_empty() && (whole.contains(&part) || part.contains(&whole));
    is_within || one.iter().any(|word| other.contains(word))
}

/// The first 8 bytes of the SHA-256 of an id.
pub fn digest(id: &ContactId) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(id.as_str().as_bytes());
    u64::from_be_bytes(*digest.first_chunk::<8>().expect("SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Value;

    fn contact(id: &str, phone: Option<&str>) -> Remote {
        let text = |text: &str| Value::Text(text.into());
        let name = ("name".to_owned(), text("Ann"));
        let fields = phone.map(|phone| ("phone".to_owned(), text(phone))).into_iter().chain([name]).collect();
        Remote { id: ContactId::new(id).unwrap(), fields, tags: std::collections::BTreeSet::new() }
    }

    #[test]
    fn a_page_is_reduced_to_two_hits_and_digests_of_the_others() {
        let check = |contacts: &[Remote], hits: &[&str], others: &[(&str, Option<&str>, bool)]| {
            let field = Field::text("phone", "+5215512345678");
            let reduced = Page::of(contacts.to_vec()).reduced(&field);
            let kept: Vec<&str> = reduced.contacts.iter().map(|hit| hit.id.as_str()).collect();
            assert_eq!(kept, hits);
            let shown: Vec<_> = reduced.others.iter().map(|other| other.shown.clone().unwrap()).collect();
            let shown: Vec<_> =
                shown.iter().map(|shown| (shown.id.as_str(), shown.value.as_deref(), shown.resembles)).collect();
            assert_eq!(shown, others);
            // Reducing it again changes nothing.
            assert_eq!(reduced.clone().reduced(&field), reduced);
            // The journal keeps only the digests of the other contacts.
            let journaled = serde_json::to_string(&reduced.others).unwrap();
            let back: Vec<OtherHit> = serde_json::from_str(&journaled).unwrap();
            assert!(back.iter().all(|other| other.shown.is_none()) && !journaled.contains("phone"), "{journaled}");
            let digests = |others: &[OtherHit]| others.iter().map(|other| other.digest).collect::<Vec<_>>();
            assert_eq!(digests(&back), digests(&reduced.others));
        };
        let phone = Some("+5215512345678");
        check(&[], &[], &[]);
        check(&[contact("1", phone)], &["1"], &[]);
        check(&[contact("1", phone), contact("2", phone), contact("3", phone)], &["1", "2"], &[]);
        check(&[contact("1", phone), contact("1", phone), contact("2", phone)], &["1", "2"], &[]);
        check(
            &[contact("1", Some("+525512345678")), contact("2", phone), contact("3", None), contact("4", Some("5"))],
            &["2"],
            &[("1", Some("+525512345678"), true), ("3", None, true), ("4", Some("5"), false)],
        );
        let long = "5".repeat(200);
        check(&[contact("1", Some(&long))], &[], &[("1", Some(&long[..SHOWN_CHARACTERS]), false)]);
    }

    #[test]
    fn related_values_have_a_word_or_a_part_in_common() {
        let check = |one: &str, other: &str, related: bool| {
            assert_eq!((are_related(one, other), are_related(other, one)), (related, related), "{one} {other}");
        };
        check("Muhammad Mahin", "mahin", true);
        check("ann@example.com", "Ann Smith", true);
        check("+52 155", "52155", true);
        check("+52155", "155", true);
        check("+525550000001", "+525550000002", false);
        check("Ann", "Bea", false);
        check("", "Ann", false);
        check("—", "Ann", false);
    }

    #[test]
    fn a_contact_that_is_listed_without_fields_may_have_the_value() {
        let bare = Remote { fields: std::collections::BTreeMap::new(), ..contact("7", None) };
        let field = Field::text("phone", "1");
        let why = |contacts: &[Remote]| Page::of(contacts.to_vec()).reduced(&field).contradiction;
        assert_eq!(why(&[contact("6", None), bare]).as_deref(), Some("contact 7 is listed without its fields"));
        assert_eq!(why(&[contact("6", None)]), None);
    }

    #[test]
    fn digests_of_different_ids_differ() {
        let id = |text: &str| ContactId::new(text).unwrap();
        assert_eq!(digest(&id("1776")), digest(&id("1776")));
        assert_ne!(digest(&id("1776")), digest(&id("1777")));
    }
}
