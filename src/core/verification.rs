//! Compares a contact as the journal knows it with the contact as the platform shows it: writes that the platform accepted and
//! dropped (API.md, trap 11), and edits by others.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::core::model::{Field, Known, Remote, Value, WriteMode};
use crate::core::size_limits::CONTACTS_PER_PAGE;

/// One difference between what is known of a contact and what the platform shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Difference {
    /// A field has another value.
    Field {
        /// Its name.
        name: String,
        /// The known value; `None` for a field that is known to be blank.
        wanted: Option<Value>,
        /// The value that the platform shows; `None` when it shows none.
        found: Option<Value>,
    },
    /// A tag is no longer there.
    TagMissing {
        /// The tag.
        tag: String,
    },
    /// A tag that was removed is there.
    TagPresent {
        /// The tag.
        tag: String,
    },
    /// The platform no longer has the contact's id.
    Gone,
    /// The platform shows another contact under its id.
    Replaced,
}

/// Distinguishes the contacts of two inputs, by their numbers. An interrupted verification is continued if it was begun with the same
/// contacts, perhaps by another version of the program: the journal keeps the digest, so it must not change.
pub fn members_digest(contacts: &BTreeSet<i64>) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(&(contacts.len() as u64).to_le_bytes());
    for contact in contacts {
        hasher.write(&contact.to_le_bytes());
    }
    hasher.finish()
}

/// What follows for the journal from the differences of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Nothing: they are only listed.
    #[default]
    None,
    /// The platform's values are known from now on, so that the next sync sends those that its input has otherwise.
    Repair,
    /// The platform's values are accepted: they are not listed again, and not sent before the input has another value.
    Accept,
}

/// Whether the contact that the platform shows under a known id seems to be another one: it has another match value than the known
/// contact's `key`, its match field, and no more of the other values than it lacks. Values that many contacts have, such as that of a `marker`, prove
/// nothing. A match value that was only corrected leaves most of the other values as they were.
pub fn is_another(
    key: &Field,
    known: &BTreeMap<String, Value>,
    shown: &BTreeMap<String, Value>,
    marker: Option<&str>,
) -> bool {
    let agrees = |value: &Value, found: &Value| value.same(found) || value.resembles(found);
    let Some(found) = shown.get(&*key.name).filter(|found| !found.is_blank()) else { return false };
    if agrees(&key.value, found) {
        return false;
    }
    let proves = |name: &&String| name.as_str() != &*key.name && Some(name.as_str()) != marker;
    let both = known.iter().filter(|(name, value)| proves(name) && !value.is_blank());
    let both = both.filter_map(|(name, value)| Some((value, shown.get(name)?)));
    let (equal, different): (Vec<_>, Vec<_>) = both.partition(|(value, found)| agrees(value, found));
    equal.len() <= different.len()
}

/// Which fields are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// Their names; all known fields when `None`.
    pub fields: Option<BTreeSet<String>>,
    /// The fields that users of the platform may change, by when they are written.
    pub edited: BTreeMap<String, WriteMode>,
}

impl Scope {
    fn has(&self, name: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.contains(name))
    }

    // Whether a field with a value, or without one, is right whatever was written to it.
    fn leaves(&self, name: &str, has_value: bool) -> bool {
        match self.edited.get(name).copied().unwrap_or_default() {
            WriteMode::Always | WriteMode::WithOthers => false,
            WriteMode::OnCreate => true,
            WriteMode::IfBlank => has_value,
        }
    }
}

/// The differences of a contact in the fields of `scope`. `key` is the match field of its row's key, if it has one. The value of the field `marker` does not prove that it is still the same contact.
///
/// A value that the platform shows in another type or, for phone numbers, in another form is no difference: the platform
/// stores it that way, and writing it again would change nothing.
pub fn differences(
    key: Option<&Field>,
    known: &Known,
    shown: &Remote,
    scope: &Scope,
    marker: Option<&str>,
) -> Vec<Difference> {
    if key.is_some_and(|key| is_another(key, &known.fields, &shown.fields, marker)) {
        return vec![Difference::Replaced];
    }
    let fields = known.fields.iter().filter(|(name, _)| scope.has(name)).filter_map(|(name, value)| {
        let found = shown.fields.get(name).filter(|found| !found.is_blank());
        if scope.leaves(name, found.is_some()) {
            return None;
        }
        let wanted = (!value.is_blank()).then(|| value.clone());
        let is_same = match (&wanted, found) {
            (None, None) => true,
            (Some(wanted), Some(found)) => shows(wanted, found),
            (Some(_), None) | (None, Some(_)) => false,
        };
        (!is_same).then(|| Difference::Field { name: name.clone(), wanted, found: found.cloned() })
    });
    let missing = known.tags.difference(&shown.tags).map(|tag| Difference::TagMissing { tag: tag.clone() });
    let present = known.absent_tags.intersection(&shown.tags).map(|tag| Difference::TagPresent { tag: tag.clone() });
    fields.chain(missing).chain(present).collect()
}

/// Whether `found` is how the platform shows the value `written`: it may store another type, or another form of a phone number.
pub fn shows(written: &Value, found: &Value) -> bool {
    written.same(found) || is_same_phone(written, found)
}

// Whether both are phone numbers, and one may be the other without its `+` or its country code (API.md, trap 9).
fn is_same_phone(one: &Value, other: &Value) -> bool {
    one.is_written_as_phone() && other.is_written_as_phone() && one.resembles(other)
}

/// What is known of a contact once these differences are repaired: the platform's values. Of a contact that is gone, nothing is
/// known but its id, so that the next sync writes to it, is refused, and searches for it.
pub fn repaired(known: Known, differences: &[Difference]) -> Known {
    let mut known = known;
    for difference in differences {
        match difference {
            Difference::Field { name, found, .. } => {
                let found = found.clone().unwrap_or_else(|| Value::Text("".into()));
                known.fields.insert(name.clone(), found);
            }
            Difference::TagMissing { tag } => {
                known.tags.remove(tag);
                known.own_tags.remove(tag);
            }
            Difference::TagPresent { tag } => {
                known.absent_tags.remove(tag);
                known.tags.insert(tag.clone());
            }
            Difference::Gone => {
                let Known { id, made_at, replaces, own_tags, .. } = known;
                known = Known { made_at, replaces, own_tags, doubt: true, ..Known::only_id(id) };
            }
            // Its values are not this contact's, and must not be overwritten with them.
            Difference::Replaced => {}
        }
    }
    known
}

/// A sample of `count` of these numbers, in their order. The same seed gives the same sample, and a larger count includes it.
pub fn sampled(numbers: &[i64], count: usize, seed: u64) -> Vec<i64> {
    let rank = |number: i64| {
        let mut hasher = SipHasher13::new_with_keys(seed, 0);
        hasher.write_i64(number);
        hasher.finish()
    };
    let mut ranked: Vec<(u64, i64)> = numbers.iter().map(|&number| (rank(number), number)).collect();
    ranked.sort_unstable();
    ranked.truncate(count);
    let mut sample: Vec<i64> = ranked.into_iter().map(|(_, number)| number).collect();
    sample.sort_unstable();
    sample
}

/// Whether pages that list `total` contacts, of which `walked` pages were read, take fewer calls than reading `unread` contacts
/// one by one.
pub fn is_cheaper_by_pages(total: u64, walked: u64, unread: u64) -> bool {
    let size = u64::try_from(CONTACTS_PER_PAGE).unwrap_or(u64::MAX);
    total.div_ceil(size).saturating_sub(walked) < unread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::ContactId;

    fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, Value> {
        fields.iter().map(|&(name, value)| (name.to_owned(), Value::Text(value.into()))).collect()
    }

    fn tags(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn known() -> Known {
        Known {
            fields: fields(&[("city", "Lima"), ("phone", "5512345678"), ("notes", "")]),
            tags: tags(&["vip", "own"]),
            own_tags: tags(&["own"]),
            absent_tags: tags(&["old"]),
            ..Known::only_id(ContactId::new("7").unwrap())
        }
    }

    fn remote(shown: &[(&str, &str)], with: &[&str]) -> Remote {
        Remote { id: ContactId::new("7").unwrap(), fields: fields(shown), tags: tags(with) }
    }

    #[test]
    fn the_digest_of_contacts_stays_as_the_journal_has_it() {
        // As the journals of earlier versions have them.
        for (contacts, expected) in
            [(&[][..], 0xbd60_acb6_58c7_9e45), (&[1, 2, 3], 0x15ac_7b84_64e8_4e67), (&[2, 3], 0x8e48_4f12_4c34_f3ae)]
        {
            assert_eq!(members_digest(&contacts.iter().copied().collect()), expected, "{contacts:?}");
        }
    }

    #[test]
    fn what_differs_is_named_with_both_values_and_repaired_to_what_was_found() {
        let check = |shown: &[(&str, &str)], with: &[&str], expected: &[&str]| {
            let remote = remote(shown, with);
            let found = differences(None, &known(), &remote, &Scope::default(), None);
            let text =
                |value: &Option<Value>| value.as_ref().map_or_else(String::new, |value| value.text().into_owned());
            let named: Vec<String> = found
                .iter()
                .map(|difference| match difference {
                    Difference::Field { name, wanted, found } => format!("{name}: {}>{}", text(wanted), text(found)),
                    Difference::TagMissing { tag } => format!("-{tag}"),
                    Difference::TagPresent { tag } => format!("+{tag}"),
                    Difference::Gone => "gone".to_owned(),
                    Difference::Replaced => "replaced".to_owned(),
                })
                .collect();
            assert_eq!(named, expected, "{shown:?} {with:?}");
            // Once repaired, nothing differs.
            assert_eq!(
                differences(None, &repaired(known(), &found), &remote, &Scope::default(), None),
                [],
                "{shown:?} {with:?}"
            );
        };
        let same = [("city", " Lima "), ("phone", "+5215512345678"), ("other", "x")];
        check(&same, &["vip", "own", "of an agent"], &[]);
        check(&[("city", "lima"), ("phone", "5512345678")], &["vip", "own"], &["city: Lima>lima"]);
        check(&[("city", "Lima"), ("phone", "5512345679")], &["vip", "own"], &["phone: 5512345678>5512345679"]);
        check(&[("phone", "5512345678")], &["own"], &["city: Lima>", "-vip"]);
        check(&[same[0], same[1], ("notes", "x")], &["vip", "own", "old"], &["notes: >x", "+old"]);
    }

    #[test]
    fn only_the_fields_of_the_scope_are_compared() {
        let shown = remote(&[("city", "Quito"), ("phone", "1")], &["vip", "own"]);
        let scope = Scope { fields: Some(BTreeSet::from(["city".to_owned()])), ..Scope::default() };
        assert_eq!(differences(None, &known(), &shown, &scope, None).len(), 1);
    }

    #[test]
    fn what_users_of_the_platform_may_change_is_no_difference() {
        let check = |mode: WriteMode, shown: &[(&str, &str)], expected: usize| {
            let scope = Scope { edited: [("city".to_owned(), mode)].into(), ..Scope::default() };
            let shown = remote(&[&[("phone", "5512345678")], shown].concat(), &["vip", "own"]);
            assert_eq!(differences(None, &known(), &shown, &scope, None).len(), expected, "{mode:?} {shown:?}");
        };
        for (mode, edited, cleared) in [
            (WriteMode::Always, 1, 1),
            (WriteMode::WithOthers, 1, 1),
            (WriteMode::IfBlank, 0, 1),
            (WriteMode::OnCreate, 0, 0),
        ] {
            check(mode, &[("city", "Quito")], edited);
            check(mode, &[], cleared);
        }
    }

    #[test]
    fn an_id_that_another_contact_has_is_told_from_an_edit() {
        let key = Field::text("phone", "+525512345678");
        let ann = [("phone", "+525512345678"), ("name", "Ann"), ("city", "Lima"), ("source", "crm")];
        let check = |shown: &[(&str, &str)], marker: Option<&str>, expected: bool| {
            assert_eq!(is_another(&key, &fields(&ann), &fields(shown), marker), expected, "{shown:?} {marker:?}");
        };
        check(&ann, None, false);
        // The match value was corrected, is shown in another form, or is gone.
        check(&[("phone", "+525599999999"), ("name", "Ann"), ("city", "Lima")], None, false);
        check(&[("phone", "5512345678"), ("name", "Zoe"), ("city", "Quito")], None, false);
        check(&[("name", "Zoe"), ("city", "Quito")], None, false);
        check(&[("phone", "+525599999999"), ("name", "Zoe"), ("city", "Lima")], None, true);
        check(
            &[("phone", "+525599999999"), ("name", "Zoe"), ("city", "Lima"), ("source", "crm")],
            Some("source"),
            true,
        );
        check(&[("phone", "+525599999999")], None, true);
    }

    #[test]
    fn nothing_is_known_of_a_contact_that_is_gone() {
        let gone = repaired(known(), &[Difference::Gone]);
        assert_eq!((gone.id.as_str(), gone.doubt), ("7", true));
        assert!(gone.fields.is_empty() && gone.tags.is_empty());
        assert_eq!(gone.own_tags, tags(&["own"]));
    }

    #[test]
    fn a_sample_is_repeatable_and_part_of_a_larger_one() {
        let all: Vec<i64> = (1..=1_000).collect();
        let ten = sampled(&all, 10, 7);
        assert_eq!((ten.len(), sampled(&all, 10, 7)), (10, ten.clone()));
        assert!(ten.is_sorted());
        let hundred = sampled(&all, 100, 7);
        assert!(ten.iter().all(|number| hundred.contains(number)));
        assert_ne!(sampled(&all, 10, 8), ten);
        assert_eq!(sampled(&all, 5_000, 7), all);
    }

    #[test]
    fn pages_are_read_when_they_take_fewer_calls() {
        let check = |total, walked, unread, expected| {
            assert_eq!(is_cheaper_by_pages(total, walked, unread), expected, "{total} {walked} {unread}");
        };
        check(10_000, 1, 10_000, true);
        check(10_000, 1, 999, false);
        check(10_000, 1, 1_000, true);
        check(10_000, 990, 5, false);
        check(0, 0, 0, false);
    }
}
