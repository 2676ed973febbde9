//! Values that are not stored yet, each with the number of a contact. There may be hundreds of thousands at a time.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

/// Values that are not stored yet, each with the number of a contact, and the hashes of those that were stored.
#[derive(Debug, Default)]
pub(super) struct Staged {
    // The values, one after another.
    texts: String,
    // In the order in which they came.
    entries: Vec<Entry>,
    // The places of the last entry of each value.
    places: HashTable<usize>,
    // The hashes of the values that were stored. A value whose hash is not here is not looked up in the journal: that lookup
    // takes longer than the rest of planning its row (benchmark: `night`).
    stored: HashTable<u64>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    contact: i64,
    of: i64,
    field: i64,
    // Where its text starts. It ends where the next one starts.
    start: usize,
}

/// A value that is not stored yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StagedValue<'a> {
    pub contact: i64,
    /// Its channel or run.
    pub of: i64,
    pub field: i64,
    pub value: &'a str,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is not stored yet, and belongs to this contact.
    Staged(i64),
    /// It may have been stored.
    MaybeStored,
    /// It was not added.
    Absent,
}

impl Staged {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Looks for a value of a field, in this channel or run.
    pub(super) fn find(&self, of: i64, field: i64, value: &str) -> Found {
        if self.entries.is_empty() && self.stored.is_empty() {
            return Found::Absent;
        }
        let hash = self.hash(of, field, value);
        if let Some(place) = self.places.find(hash, |place| self.is_it(*place, of, field, value)) {
            return Found::Staged(self.entries[*place].contact);
        }
        if self.stored.find(hash, |stored| *stored == hash).is_some() { Found::MaybeStored } else { Found::Absent }
    }

    /// Adds a value. Of two equal ones, the later one counts.
    pub(super) fn add(&mut self, StagedValue { contact, of, field, value }: StagedValue<'_>) {
        let hash = self.hash(of, field, value);
        let place = self.entries.len();
        self.entries.push(Entry { hash, contact, of, field, start: self.texts.len() });
        self.texts.push_str(value);
        let Self { texts, entries, places, .. } = self;
        let is_it = |other: &usize| is_it(texts, entries, *other, of, field, value);
        match places.find_mut(hash, is_it) {
            Some(other) => *other = place,
            None => _ = places.insert_unique(hash, place, |place| entries[*place].hash),
        }
    }

    /// The entry of a contact. Contacts have to be added in the order of their numbers.
    pub(super) fn of_contact(&self, contact: i64) -> Option<StagedValue<'_>> {
        let place = self.entries.binary_search_by_key(&contact, |entry| entry.contact).ok()?;
        Some(self.value(place))
    }

    /// Stores all values, in the order of their keys: in any other order, each would write a page of the index. Of two equal ones,
    /// the later one is stored last.
    pub(super) fn store<E>(&mut self, store: impl FnOnce(&[StagedValue<'_>]) -> Result<(), E>) -> Result<(), E> {
        let key = |place: &usize| {
            let StagedValue { of, field, value, contact: _ } = self.value(*place);
            (of, field, value)
        };
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_unstable_by(|one, other| key(one).cmp(&key(other)).then(one.cmp(other)));
        let in_order: Vec<StagedValue<'_>> = order.into_iter().map(|place| self.value(place)).collect();
        store(&in_order)?;
        for entry in self.entries.drain(..) {
            let is_it = |other: &u64| *other == entry.hash;
            self.stored.entry(entry.hash, is_it, |hash| *hash).or_insert(entry.hash);
        }
        self.places.clear();
        self.texts.clear();
        Ok(())
    }

    fn hash(&self, of: i64, field: i64, value: &str) -> u64 {
        self.hasher.hash_one((of, field, value))
    }

    fn is_it(&self, place: usize, of: i64, field: i64, value: &str) -> bool {
        is_it(&self.texts, &self.entries, place, of, field, value)
    }

    fn value(&self, place: usize) -> StagedValue<'_> {
        let Entry { contact, of, field, .. } = self.entries[place];
        StagedValue { contact, of, field, value: text(&self.texts, &self.entries, place) }
    }
}

fn text<'a>(texts: &'a str, entries: &[Entry], place: usize) -> &'a str {
    let end = entries.get(place + 1).map_or(texts.len(), |next| next.start);
    &texts[entries[place].start..end]
}

fn is_it(texts: &str, entries: &[Entry], place: usize, of: i64, field: i64, value: &str) -> bool {
    let entry = &entries[place];
    (entry.of, entry.field) == (of, field) && text(texts, entries, place) == value
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_found_until_they_are_stored_and_then_stored_in_order(
            steps in proptest::collection::vec((0i64..3, 0i64..2, "[ab]{0,2}", proptest::bool::weighted(0.1)), 0..200),
        ) {
            let mut staged = Staged::default();
            let mut expected: BTreeMap<(i64, i64, String), i64> = BTreeMap::new();
            let mut stored: BTreeMap<(i64, i64, String), i64> = BTreeMap::new();
            for (contact, (of, field, value, is_stored)) in (1..).zip(steps) {
                let key = (of, field, value);
                let found = staged.find(key.0, key.1, &key.2);
                if let Some(contact) = expected.get(&key) {
                    prop_assert_eq!(found, Found::Staged(*contact));
                } else {
                    prop_assert_eq!(found == Found::MaybeStored, stored.contains_key(&key));
                }
                staged.add(StagedValue { contact, of: key.0, field: key.1, value: &key.2 });
                prop_assert_eq!(staged.of_contact(contact).map(|found| found.value.to_owned()), Some(key.2.clone()));
                expected.insert(key, contact);
                if is_stored {
                    let mut in_order = Vec::new();
                    let Ok(()) = staged.store(|values| {
                        let entry = |one: &StagedValue<'_>| (one.of, one.field, one.value.to_owned(), one.contact);
                        in_order.extend(values.iter().map(entry));
                        Ok::<(), std::convert::Infallible>(())
                    });
                    prop_assert!(in_order.is_sorted_by_key(|(of, field, value, contact)| (*of, *field, value.clone(), *contact)));
                    stored.extend(in_order.into_iter().map(|(of, field, value, contact)| ((of, field, value), contact)));
                    prop_assert!(expected.iter().all(|(key, contact)| stored.get(key) == Some(contact)));
                    expected.clear();
                    prop_assert_eq!(staged.len(), 0);
                }
            }
        }
    }
}
