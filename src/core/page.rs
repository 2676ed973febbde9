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
        // Something of a contact made the search find it; listed without its fields, it may have the value.
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
            // The journal keeps no more of the others than what tells them apart.
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
    fn a_contact_that_is_listed_without_its_fields_may_be_the_one() {
        let bare = Remote { fields: std::collections::BTreeMap::new(), ..contact("7", None) };
        let field = Field::text("phone", "1");
        let why = |contacts: &[Remote]| Page::of(contacts.to_vec()).reduced(&field).contradiction;
        assert_eq!(why(&[contact("6", None), bare]).as_deref(), Some("contact 7 is listed without its fields"));
        assert_eq!(why(&[contact("6", None)]), None);
    }

    #[test]
    fn digests_tell_ids_apart() {
        let id = |text: &str| ContactId::new(text).unwrap();
        assert_eq!(digest(&id("1776")), digest(&id("1776")));
        assert_ne!(digest(&id("1776")), digest(&id("1777")));
    }
}
