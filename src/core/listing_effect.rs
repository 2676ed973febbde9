//! What a listed contact teaches the journal: by which key it is known from now on, and what is known of it.

use std::collections::BTreeSet;

use crate::core::model::{Contact, ContactId, Draft, Field, Key, Known, Remote, RemoteState};
use crate::core::verification::is_another;

/// A contact of a listing that may become known.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The key by which a row of an input would have it.
    pub key: Key,
    /// Its further match values, by which a row may have it as well.
    pub aliases: Vec<Key>,
    /// What is known of it.
    pub known: Known,
}

/// What becomes of a listed contact.
#[derive(Clone, Debug, PartialEq)]
pub enum ListingEffect {
    /// It is known by its key from now on.
    Learn(Known),
    /// The journal knows its id by another key, whose contact has these values now.
    LearnOfHolder(Known),
    /// A run has changed it, and the listing may show it as it was before: it stays known as it is.
    Recent,
    /// The journal may have created it: a search by its match value decides.
    InDoubt,
    /// Another contact has the same key, so that it is open which of them a row is about: nothing is known by that key from now on.
    Conflict(ContactId),
    /// Its id is that of another known contact, which it does not seem to be: nothing is known of that one from now on.
    Replaced,
}

/// What the journal has of a listed contact.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// What it knows by the contact's key.
    pub by_key: RemoteState,
    /// The match field of another key that has the contact's id, and what it knows of that.
    pub holder: Option<(Option<Field>, Known)>,
    /// Another listed contact with the same key, or with the other key that has the contact's id.
    pub rival: Option<ContactId>,
    /// Whether a run has changed the contact since the listing began, or within the search lag before that.
    pub is_recent: bool,
}

/// The contact as an input with these match fields would have it. `None` when it lacks the marker: search is loose (API.md,
/// trap 2). A contact without a match value is known by its id.
pub fn listed(remote: &Remote, marker: &Field, match_fields: &[String]) -> Option<Listed> {
    if !remote.has(marker) {
        return None;
    }
    let valued = |name: &String| {
        let value = remote.fields.get(name).filter(|value| !value.is_blank())?;
        Some(Field { name: name.as_str().into(), value: value.clone().into_text() })
    };
    let matches: Vec<Field> = match_fields.iter().filter_map(valued).collect();
    let draft = Draft { id: Some(remote.id.clone()), matches, ..Draft::default() };
    // Values that are too long for a search identify no row.
    let contact = Contact::new(draft).ok()?;
    let aliases = contact.matches().iter().skip(1).map(Key::of).collect();
    let known = Known { is_whole: true, ..Known::seen(remote.clone(), &BTreeSet::new()) };
    Some(Listed { key: contact.key().clone(), aliases, known })
}

/// Decides what becomes of a listed contact, whose listing is that of the field `marker`.
pub fn lesson(listed: &Known, before: Before, marker: &str) -> ListingEffect {
    let Before { by_key, holder, rival, is_recent } = before;
    match (by_key, holder, rival) {
        (_, Some(_), _) if is_recent => ListingEffect::Recent,
        (_, Some((Some(key), holder)), _) if is_another(&key, &holder.fields, &listed.fields, Some(marker)) => {
            ListingEffect::Replaced
        }
        (_, Some((_, holder)), None) => ListingEffect::LearnOfHolder(shown_again(listed, &holder)),
        (RemoteState::InDoubt(_), None, _) => ListingEffect::InDoubt,
        (_, _, Some(rival)) => ListingEffect::Conflict(rival),
        (RemoteState::Known(known), None, None) if known.id != listed.id => ListingEffect::Conflict(known.id),
        (RemoteState::Known(_), None, None) if is_recent => ListingEffect::Recent,
        (RemoteState::Known(known), None, None) => ListingEffect::Learn(shown_again(listed, &known)),
        (RemoteState::Unknown, None, None) => ListingEffect::Learn(listed.clone()),
    }
}

// What is known of a contact that was known before: the tags that contactsync added stay its own, and a create that was not
// finished still has to be.
fn shown_again(listed: &Known, before: &Known) -> Known {
    Known {
        own_tags: before.own_tags.intersection(&listed.tags).cloned().collect(),
        made_at: before.made_at,
        replaces: before.replaces.clone(),
        ..listed.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::doubt::Doubt;
    use crate::core::model::Value;
    use crate::core::time::Timestamp;

    fn remote(id: &str, fields: &[(&str, &str)]) -> Remote {
        let fields: BTreeMap<String, Value> =
            fields.iter().map(|&(name, value)| (name.to_owned(), Value::Text(value.into()))).collect();
        Remote { id: ContactId::new(id).unwrap(), fields, tags: BTreeSet::from(["vip".to_owned()]) }
    }

    #[test]
    fn a_listed_contact_has_the_key_of_its_first_match_value() {
        let check = |fields: &[(&str, &str)], expected: Option<(&str, &[&str])>| {
            let matches = ["phone".to_owned(), "email".to_owned()];
            let found = listed(&remote("7", fields), &Field::text("source", "crm"), &matches);
            let texts = |keys: &[Key]| keys.iter().map(Key::to_string).collect::<Vec<_>>();
            let found = found.map(|found| (found.key.to_string(), texts(&found.aliases)));
            let expected =
                expected.map(|(key, aliases)| (key.to_owned(), aliases.iter().map(ToString::to_string).collect()));
            assert_eq!(found, expected, "{fields:?}");
        };
        let crm = ("source", "crm");
        check(&[crm, ("phone", " +521 "), ("email", "a@b")], Some(("phone=+521", &["email=a@b"])));
        check(&[crm, ("email", "a@b")], Some(("email=a@b", &[])));
        check(&[crm, ("phone", " ")], Some(("contact_id=7", &[])));
        check(&[("source", "crm 2"), ("phone", "+521")], None);
        check(&[("phone", "+521")], None);
        check(&[], None);
    }

    #[test]
    fn a_lesson_never_gives_one_key_two_contacts_or_one_contact_two_keys() {
        let known = |id: &str| Known { is_whole: true, ..Known::seen(remote(id, &[]), &BTreeSet::new()) };
        let unknown = || Before { by_key: RemoteState::Unknown, holder: None, rival: None, is_recent: false };
        let id = |id: &str| ContactId::new(id).unwrap();
        let check = |before: Before, expected: ListingEffect| {
            assert_eq!(lesson(&known("7"), before.clone(), "source"), expected, "{before:?}");
        };
        check(unknown(), ListingEffect::Learn(known("7")));
        check(Before { rival: Some(id("8")), ..unknown() }, ListingEffect::Conflict(id("8")));
        let own = |id: &str| {
            let own_tags = BTreeSet::from(["gone".to_owned(), "vip".to_owned()]);
            let made_at = Some(Timestamp::from_millis(1));
            Known { own_tags, made_at, doubt: true, is_whole: false, ..known(id) }
        };
        let again = Known { own_tags: BTreeSet::from(["vip".to_owned()]), made_at: own("7").made_at, ..known("7") };
        check(Before { by_key: RemoteState::Known(own("7")), ..unknown() }, ListingEffect::Learn(again.clone()));
        check(Before { by_key: RemoteState::Known(own("8")), ..unknown() }, ListingEffect::Conflict(id("8")));
        let held = |known: Known| Some((Some(Field::text("phone", "+525512345678")), known));
        check(Before { holder: held(own("7")), ..unknown() }, ListingEffect::LearnOfHolder(again.clone()));
        // Its match value was changed on the platform to that of another contact.
        let swapped = Before { holder: held(own("7")), by_key: RemoteState::Known(own("8")), ..unknown() };
        check(swapped, ListingEffect::LearnOfHolder(again));
        // Another listed contact has the match value that this one had.
        let moved = Before { holder: held(own("7")), rival: Some(id("8")), ..unknown() };
        check(moved, ListingEffect::Conflict(id("8")));
        let contact = Contact::new(Draft { matches: vec![Field::text("phone", "1")], ..Draft::default() }).unwrap();
        let doubt = || RemoteState::InDoubt(Doubt::of_create(&contact, None));
        check(Before { by_key: doubt(), ..unknown() }, ListingEffect::InDoubt);
        check(Before { by_key: doubt(), is_recent: true, ..unknown() }, ListingEffect::InDoubt);
        check(Before { is_recent: true, ..unknown() }, ListingEffect::Learn(known("7")));
        check(Before { holder: held(own("7")), is_recent: true, ..unknown() }, ListingEffect::Recent);
        check(Before { by_key: RemoteState::Known(own("7")), is_recent: true, ..unknown() }, ListingEffect::Recent);
    }
}
