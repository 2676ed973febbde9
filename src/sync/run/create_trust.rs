//! Whether the platform's answers to creates are trusted.
//!
//! A platform, or a proxy before it, may answer a create with the id of another one, such as that of the create before
//! it when an answer was lost. One id for two keys proves that; answers are confirmed by a read from then on. A lost
//! answer only suggests it: other creates are confirmed until one that started after the loss proves right, or until the
//! lost one is resolved. A create that started before proves nothing: it may have reached the platform first.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use crate::core::model::ContactId;
use crate::core::task::Distrust;
use crate::core::time::Timestamp;

/// What is known about the answers to creates in this process.
#[derive(Debug, Default)]
pub struct CreateTrust {
    is_broken: Cell<bool>,
    // The keys of contacts whose create was not answered and is still in doubt, with the time of the loss.
    unanswered: RefCell<BTreeMap<String, Timestamp>>,
    // The keys by the ids in the answers to creates, until the journal has them.
    named: RefCell<HashMap<ContactId, String>>,
}

impl CreateTrust {
    /// How far to distrust the answer to the create of the contact with this key.
    pub fn distrust(&self, key: &str) -> Distrust {
        let may_have_shifted = || self.unanswered.borrow().keys().any(|other| other != key);
        match self.is_broken.get() {
            true => Distrust::Proven,
            false if may_have_shifted() => Distrust::Suspected,
            false => Distrust::None,
        }
    }

    /// Stops trusting answers to creates for the rest of the process.
    pub fn broken(&self) {
        self.is_broken.set(true);
    }

    /// Records that the create of this contact was not answered, with the time at which it was given up.
    pub fn unanswered(&self, key: String, at: Timestamp) {
        self.unanswered.borrow_mut().insert(key, at);
    }

    /// Records that it is known whether this contact exists.
    pub fn resolved(&self, key: &str) {
        self.unanswered.borrow_mut().remove(key);
    }

    /// Records that a read confirmed the answer to a create that started at `started`: the losses before it did not
    /// shift the answers.
    pub fn confirmed(&self, started: Timestamp) {
        self.unanswered.borrow_mut().retain(|_, lost_at| *lost_at >= started);
    }

    /// Records the id in the answer to a create, and returns whether the answer for another key had the same id.
    pub fn is_named_twice(&self, id: &ContactId, key: &str) -> bool {
        self.named.borrow_mut().insert(id.clone(), key.to_owned()).is_some_and(|other| other != key)
    }

    /// Forgets an id that the journal has now.
    pub fn written(&self, id: &ContactId) {
        self.named.borrow_mut().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Distrust::{None, Proven, Suspected};

    #[test]
    fn after_an_unanswered_create_others_are_confirmed_until_one_is_right_or_it_is_resolved() {
        let trust = CreateTrust::default();
        let check = |expected: [Distrust; 2]| assert_eq!(["a", "b"].map(|key| trust.distrust(key)), expected);
        check([None, None]);
        let at = Timestamp::from_millis;
        trust.unanswered("a".into(), at(5));
        check([None, Suspected]);
        trust.unanswered("b".into(), at(7));
        trust.resolved("a");
        check([Suspected, None]);
        // These two started before the loss, and may have reached the platform before the lost create.
        trust.confirmed(at(6));
        trust.confirmed(at(7));
        check([Suspected, None]);
        trust.confirmed(at(8));
        check([None, None]);
    }

    #[test]
    fn one_id_for_two_contacts_breaks_the_trust_for_the_rest_of_the_process() {
        let trust = CreateTrust::default();
        let id = ContactId::new("1").unwrap();
        assert!(!trust.is_named_twice(&id, "a") && !trust.is_named_twice(&id, "a"));
        assert!(trust.is_named_twice(&id, "b"));
        trust.written(&id);
        assert!(!trust.is_named_twice(&id, "a"));
        trust.broken();
        trust.confirmed(Timestamp::from_millis(9));
        assert_eq!(trust.distrust("a"), Proven);
    }
}
