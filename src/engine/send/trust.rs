//! Whether the platform's answers to creates are trusted.
//!
//! A platform, or a proxy before it, may answer a create with the id of another create: with the id of the one before it
//! when an answer got lost on the way. An id that two keys were given proves it, and answers are confirmed from then on. An
//! answer that got lost only hints at it: other creates are confirmed until one that was sent after the loss proves right,
//! or until the lost one is settled. One that was sent before proves nothing: it may have reached the platform first.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use crate::core::model::ContactId;
use crate::core::task::Distrust;
use crate::core::time::Timestamp;

/// What is known about the answers to creates in this process.
#[derive(Debug, Default)]
pub struct CreateTrust {
    is_broken: Cell<bool>,
    // The keys of contacts whose create was not answered, as long as nothing shows what came of it, with the time at which
    // it was given up.
    unanswered: RefCell<BTreeMap<String, Timestamp>>,
    // The keys by the ids that creates were answered with, until the journal has them.
    named: RefCell<HashMap<ContactId, String>>,
}

impl CreateTrust {
    /// How far the answer to the create of the contact with this key is distrusted.
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

    /// Records that the create of this contact was not answered, and when it was given up.
    pub fn unanswered(&self, key: String, at: Timestamp) {
        self.unanswered.borrow_mut().insert(key, at);
    }

    /// Records that it is known whether this contact exists.
    pub fn settled(&self, key: &str) {
        self.unanswered.borrow_mut().remove(key);
    }

    /// Records that a read confirmed the answer to a create that began to be sent at `begun`: the answers to the creates
    /// that were given up before did not shift later ones.
    pub fn confirmed(&self, begun: Timestamp) {
        self.unanswered.borrow_mut().retain(|_, given_up| *given_up >= begun);
    }

    /// Records the id that a create was answered with, and returns whether another contact was given the same one.
    pub fn is_named_twice(&self, id: &ContactId, key: &str) -> bool {
        self.named.borrow_mut().insert(id.clone(), key.to_owned()).is_some_and(|other| other != key)
    }

    /// Forgets an id that is in the journal by now.
    pub fn written(&self, id: &ContactId) {
        self.named.borrow_mut().remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Distrust::{None, Proven, Suspected};

    #[test]
    fn after_an_unanswered_create_others_are_confirmed_until_one_is_right_or_it_is_settled() {
        let trust = CreateTrust::default();
        let check = |expected: [Distrust; 2]| assert_eq!(["a", "b"].map(|key| trust.distrust(key)), expected);
        let at = Timestamp::from_millis;
        check([None, None]);
        trust.unanswered("a".into(), at(5));
        check([None, Suspected]);
        trust.unanswered("b".into(), at(7));
        trust.settled("a");
        check([Suspected, None]);
        // These two were sent before the loss was noticed, and may have reached the platform before the lost one.
        trust.confirmed(at(6));
        trust.confirmed(at(7));
        check([Suspected, None]);
        trust.confirmed(at(8));
        check([None, None]);
    }

    #[test]
    fn an_id_that_two_contacts_were_given_breaks_the_trust_for_good() {
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
