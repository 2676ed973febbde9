//! Whether a token opens the channel that the journal knows: known contacts are read by id and compared by their content,
//! because two channels may have equal ids for different people.

use crate::core::model::{Field, Known, Remote, Value};

/// Number of known contacts whose answers decide.
pub const COMPARED: usize = 3;

/// Maximum number of known contacts that are read, because some may have been deleted on the platform.
pub const READ: usize = 6;

/// A contact that the journal knows, with the key of its row.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownContact {
    /// The match field that is its key; `None` for a row without one.
    pub key: Option<Field>,
    /// What is known of it.
    pub known: Known,
}

/// The contact that a platform shows under the id of a known contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Same,
    Other,
    Missing,
}

/// The contacts that were read with a token, counted by whether they are the known ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRecognition {
    shown: Vec<Shown>,
}

/// Whether a token opens the channel of the known contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Most of the contacts that answered are the known ones.
    Same,
    /// They are other contacts.
    Other,
    /// No contact has one of these ids.
    AllMissing,
}

impl KnownContact {
    /// Whether the contact has a value to compare.
    pub fn has_content(&self) -> bool {
        self.content().next().is_some()
    }

    // The fields that have a value, with the match field.
    fn content(&self) -> impl Iterator<Item = (&str, Value)> {
        let matched = match &self.key {
            Some(Field { name, value }) if !self.known.fields.contains_key(&**name) => Some((&**name, value.clone())),
            Some(_) | None => None,
        };
        let fields = self.known.fields.iter().filter(|(_, value)| !value.is_blank());
        matched.into_iter().chain(fields.map(|(name, value)| (name.as_str(), value.clone())))
    }

    /// Whether `shown` is this contact. Fields whose values `others` have as well, such as a country, prove nothing.
    fn is(&self, shown: &Remote, others: &[Self]) -> bool {
        let agrees = |name: &str, value: &Value| {
            shown.fields.get(name).is_some_and(|found| value.same(found) || value.resembles(found))
        };
        if let Some(Field { name, value }) = &self.key
            && value.is_identifying()
            && agrees(name, value)
        {
            return true;
        }
        let is_common = |name: &str, value: &Value| {
            let same = |other: &Self| other.known.fields.get(name).is_some_and(|theirs| theirs.same(value));
            others.iter().filter(|other| other.known.id != self.known.id).any(same)
        };
        let (mut equal, mut different) = (0, 0);
        for (name, value) in self.content().filter(|(name, value)| !is_common(name, value)) {
            if agrees(name, &value) { equal += 1 } else { different += 1 }
        }
        // Without other contacts to show which values are common, a different match value outweighs equal values.
        let is_alone = others.iter().all(|other| other.known.id == self.known.id);
        let has_other_match = match &self.key {
            Some(Field { name, value }) => !agrees(name, value),
            None => false,
        };
        equal > different && !(is_alone && has_other_match)
    }
}

impl TokenRecognition {
    /// Counts the contact that the platform shows under the id of a known contact; `others` are the other known contacts
    /// that are read.
    pub fn compare(&mut self, known: &KnownContact, others: &[KnownContact], shown: &Remote) {
        self.shown.push(if known.is(shown, others) { Shown::Same } else { Shown::Other });
    }

    /// Counts an id that no contact has. The contact may have been deleted, so this alone proves nothing.
    pub fn miss(&mut self) {
        self.shown.push(Shown::Missing);
    }

    /// Whether enough contacts have answered.
    pub fn is_decided(&self) -> bool {
        self.count(Shown::Same) + self.count(Shown::Other) >= COMPARED
    }

    /// The verdict from the answers so far.
    pub fn verdict(&self) -> Verdict {
        match (self.count(Shown::Same), self.count(Shown::Other)) {
            (0, 0) => Verdict::AllMissing,
            (same, other) if same > other => Verdict::Same,
            _ => Verdict::Other,
        }
    }

    fn count(&self, of: Shown) -> usize {
        self.shown.iter().filter(|shown| **shown == of).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ContactId;
    use std::collections::{BTreeMap, BTreeSet};

    type Fields<'a> = &'a [(&'a str, &'a str)];

    fn fields(fields: Fields<'_>) -> BTreeMap<String, Value> {
        fields.iter().map(|&(name, value)| (name.to_owned(), Value::Text(value.into()))).collect()
    }

    fn known(id: &str, matched: Option<(&str, &str)>, content: Fields<'_>) -> KnownContact {
        let known = Known { fields: fields(content), ..Known::only_id(ContactId::new(id).unwrap()) };
        KnownContact { key: matched.map(|(name, value)| Field::text(name, value)), known }
    }

    #[test]
    fn a_contact_is_recognised_by_its_content_and_not_by_its_id() {
        let check = |matched: Option<(&str, &str)>, content: Fields<'_>, shown: Fields<'_>, expected: bool| {
            let ann = known("1", matched, content);
            let bob = known("2", None, &[("name", "Bob"), ("country", "MX"), ("source", "crm")]);
            let found = Remote { id: ContactId::new("1").unwrap(), fields: fields(shown), tags: BTreeSet::new() };
            let is_same = ann.is(&found, &[ann.clone(), bob]);
            assert_eq!(is_same, expected, "{matched:?} {content:?}: {shown:?}");
        };
        let email = Some(("email", "ann@example.com"));
        check(email, &[], &[("email", "ann@example.com")], true);
        check(email, &[("name", "Ann")], &[("email", "ANN@example.com "), ("name", "Anna María")], true);
        check(email, &[], &[("email", "zoe@example.com")], false);
        check(email, &[], &[], false);
        // A phone in the form in which the platform stores it.
        check(Some(("phone", "525512345678")), &[], &[("phone", "+525512345678")], true);
        // An agent changed the match field; the rest is the same person.
        let rest = [("name", "Ann"), ("city", "Lima"), ("country", "MX")];
        check(email, &rest, &[("email", "new@example.com"), ("name", "Ann"), ("city", "Lima")], true);
        // What others have as well proves nothing.
        let common = [("name", "Ann"), ("country", "MX"), ("source", "crm")];
        check(email, &common, &[("email", "zoe@example.com"), ("country", "MX"), ("source", "crm")], false);
        check(None, &common, &[("name", "Zoe"), ("country", "MX"), ("source", "crm")], false);
        check(None, &common, &[("name", "Ann"), ("country", "MX"), ("source", "crm")], true);
        // Two CRMs that number their customers from 1.
        let number = Some(("customer", "1"));
        check(number, &[("name", "Ann")], &[("customer", "1"), ("name", "Zoe")], false);
        check(number, &[("name", "Ann")], &[("customer", "1"), ("name", "Ann")], true);
    }

    #[test]
    fn without_another_contact_common_values_do_not_outweigh_the_match_value() {
        let ann = known("1", Some(("email", "ann@example.com")), &[("country", "MX"), ("source", "crm")]);
        let found = |email| {
            let fields = fields(&[("email", email), ("country", "MX"), ("source", "crm")]);
            Remote { id: ContactId::new("1").unwrap(), fields, tags: BTreeSet::new() }
        };
        assert!(!ann.is(&found("zoe@example.com"), std::slice::from_ref(&ann)));
        assert!(ann.is(&found("ann@example.com"), std::slice::from_ref(&ann)));
    }

    #[test]
    fn the_majority_of_the_contacts_that_answer_decides() {
        use Shown::{Missing, Other, Same};
        let check = |shown: &[Shown], verdict: Verdict, is_decided: bool| {
            let recognition = TokenRecognition { shown: shown.to_vec() };
            assert_eq!((recognition.verdict(), recognition.is_decided()), (verdict, is_decided), "{shown:?}");
        };
        check(&[], Verdict::AllMissing, false);
        check(&[Missing; READ], Verdict::AllMissing, false);
        check(&[Same], Verdict::Same, false);
        check(&[Missing, Same], Verdict::Same, false);
        check(&[Other, Missing], Verdict::Other, false);
        check(&[Same, Other], Verdict::Other, false);
        check(&[Same, Other, Same], Verdict::Same, true);
        check(&[Same, Other, Missing, Other], Verdict::Other, true);
    }
}
