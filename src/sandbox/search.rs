//! The platform's search: loose, by words, and possibly late (API.md, traps 2 and 13).
//!
//! A value is its set of words: runs of letters and digits in lower case. A contact matches if its set has all requested
//! words, or if all its words are among them: a search for `Muhammad Mahin` finds `mahin`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::core::time::Timestamp;

/// Maximum number of requested words whose subsets are looked up one by one, with at most 255 look-ups.
const SUBSETS_UP_TO: usize = 8;

/// The index of contacts by field and words. Contacts are numbers in the order of their creation.
#[derive(Debug, Default)]
pub struct SearchIndex {
    fields: HashMap<String, FieldWords>,
    // Writes that the search does not show yet, by the time from which it does.
    late: BTreeMap<(Timestamp, u64), Write>,
    writes: u64,
}

#[derive(Debug)]
struct Write {
    contact: usize,
    field: String,
    value: Option<Box<str>>,
}

// Contacts with the same words are one group, so that a value of all contacts (API.md, trap 14) costs no more than a unique
// one. The key of a group is its words, sorted and joined by blanks.
#[derive(Debug, Default)]
struct FieldWords {
    groups: HashMap<Arc<str>, Vec<usize>>,
    by_word: HashMap<String, HashSet<Arc<str>>>,
    // The group of each contact, and the number of the write that put it there.
    of: HashMap<usize, (u64, Option<Arc<str>>)>,
    // The writes since the last search of the field: most fields are never searched.
    unindexed: Vec<(u64, usize, Option<Box<str>>)>,
}

impl SearchIndex {
    /// Records the new value of a field, which is found from `from` on; `None` if the field has no value any more.
    pub fn write(&mut self, contact: usize, field: &str, value: Option<&str>, from: Timestamp, now: Timestamp) {
        self.writes += 1;
        let value = value.map(Box::from);
        if from > now {
            self.late.insert((from, self.writes), Write { contact, field: field.to_owned(), value });
        } else if let Some(words) = self.fields.get_mut(field) {
            words.unindexed.push((self.writes, contact, value));
        } else {
            self.see(self.writes, Write { contact, field: field.to_owned(), value });
        }
    }

    /// The contacts that match at `now`, in the order of their creation.
    pub fn find(&mut self, field: &str, value: &str, now: Timestamp) -> Cow<'_, [usize]> {
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, number), write) = entry.remove_entry();
            self.see(number, write);
        }
        let Some(field) = self.fields.get_mut(field) else { return Cow::Borrowed(&[]) };
        field.index();
        field.find(value)
    }

    fn see(&mut self, number: u64, write: Write) {
        self.fields.entry(write.field).or_default().unindexed.push((number, write.contact, write.value));
    }
}

impl FieldWords {
    fn index(&mut self) {
        for (number, contact, value) in std::mem::take(&mut self.unindexed) {
            self.put(number, contact, value.as_deref().map(words));
        }
    }

    fn put(&mut self, number: u64, contact: usize, words: Option<String>) {
        let (last, group) = self.of.remove(&contact).unwrap_or_default();
        // A late write must not undo a later one that was visible at once.
        if last > number {
            self.of.insert(contact, (last, group));
            return;
        }
        if let Some(group) = group {
            self.take_out(contact, &group);
        }
        let group = words.map(|words| self.put_in(contact, words));
        self.of.insert(contact, (number, group));
    }

    fn put_in(&mut self, contact: usize, words: String) -> Arc<str> {
        let known = self.groups.get_key_value(words.as_str()).map(|(group, _)| Arc::clone(group));
        let group = known.unwrap_or_else(|| self.new_group(words.into()));
        let members = self.groups.entry(Arc::clone(&group)).or_default();
        if let Err(place) = members.binary_search(&contact) {
            members.insert(place, contact);
        }
        group
    }

    fn new_group(&mut self, group: Arc<str>) -> Arc<str> {
        for word in group.split(' ') {
            self.by_word.entry(word.to_owned()).or_default().insert(Arc::clone(&group));
        }
        group
    }

    fn take_out(&mut self, contact: usize, group: &Arc<str>) {
        let Some(members) = self.groups.get_mut(group) else { return };
        if let Ok(place) = members.binary_search(&contact) {
            members.remove(place);
        }
        if !members.is_empty() {
            return;
        }
        self.groups.remove(group);
        for word in group.split(' ') {
            if let Some(groups) = self.by_word.get_mut(word) {
                groups.remove(group);
                if groups.is_empty() {
                    self.by_word.remove(word);
                }
            }
        }
    }

    fn find(&self, value: &str) -> Cow<'_, [usize]> {
        let requested = words(value);
        let requested: Vec<&str> = requested.split(' ').collect();
        let mut found: Vec<&Vec<usize>> = self.with_all(&requested);
        found.extend(self.with_some(&requested));
        match found[..] {
            [] => Cow::Borrowed(&[]),
            [members] => Cow::Borrowed(members),
            [..] => {
                let mut all: Vec<usize> = found.into_iter().flatten().copied().collect();
                all.sort_unstable();
                Cow::Owned(all)
            }
        }
    }

    // The groups with every requested word.
    fn with_all(&self, requested: &[&str]) -> Vec<&Vec<usize>> {
        let Some(groups) = requested.iter().map(|&word| self.by_word.get(word)).collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let rarest = groups.into_iter().min_by_key(|groups| groups.len()).into_iter().flatten();
        rarest
            .filter(|group| requested.iter().all(|word| group.split(' ').any(|has| has == *word)))
            .filter_map(|group| self.groups.get(group))
            .collect()
    }

    // The groups whose words are some, but not all, of the requested words.
    fn with_some(&self, requested: &[&str]) -> Vec<&Vec<usize>> {
        if requested.len() > SUBSETS_UP_TO {
            let requested: BTreeSet<&str> = requested.iter().copied().collect();
            let near: HashSet<&Arc<str>> =
                requested.iter().filter_map(|&word| self.by_word.get(word)).flatten().collect();
            return near
                .into_iter()
                .filter(|group| {
                    group.split(' ').count() < requested.len() && group.split(' ').all(|w| requested.contains(w))
                })
                .filter_map(|group| self.groups.get(group))
                .collect();
        }
        let whole = (1_usize << requested.len()) - 1;
        let mut subset = String::new();
        (1..whole)
            .filter_map(|chosen| {
                subset.clear();
                for word in
                    requested.iter().enumerate().filter(|(place, _)| chosen >> place & 1 == 1).map(|(_, word)| word)
                {
                    if !subset.is_empty() {
                        subset.push(' ');
                    }
                    subset.push_str(word);
                }
                self.groups.get(subset.as_str())
            })
            .collect()
    }
}

// The words of a value, each once, sorted and joined by blanks. A value without letters and digits is split at blanks.
fn words(value: &str) -> String {
    let value = value.to_lowercase();
    let mut words: Vec<&str> = value.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        words = value.split_whitespace().collect();
    }
    words.sort_unstable();
    words.dedup();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn search(values: &[&str]) -> SearchIndex {
        let mut search = SearchIndex::default();
        for (contact, value) in values.iter().enumerate() {
            search.write(contact, "name", Some(value), NOW, NOW);
        }
        search
    }

    #[test]
    fn a_contact_matches_by_words_either_way_round() {
        let values =
            ["Mahin", "Muhammad Mahin", "MAHIN, muhammad dar", "Muhammad", "Ann", "ann@example.com", "+52 155", "—"];
        let check = |requested: &str, expected: &[usize]| {
            assert_eq!(*search(&values).find("name", requested, NOW), *expected, "{requested}");
        };
        check("Muhammad Mahin", &[0, 1, 2, 3]);
        check("mahin", &[0, 1, 2]);
        check("Mahi", &[]);
        check("Ann", &[4, 5]);
        check("ANN@example.com", &[4, 5]);
        check("52155", &[]);
        check("52-155", &[6]);
        check("155", &[6]);
        check("—", &[7]);
        check("a b c d e f g h i j muhammad", &[3]);
        check("a b c d e f g h i j muhammad mahin", &[0, 1, 3]);
        assert_eq!(*search(&values).find("other", "Ann", NOW), [0_usize; 0]);
    }

    #[test]
    fn a_changed_value_is_found_by_the_new_one_only() {
        let mut search = search(&["a b", "a b", "c"]);
        search.write(0, "name", Some("c"), NOW, NOW);
        assert_eq!(*search.find("name", "a b", NOW), [1]);
        assert_eq!(*search.find("name", "c", NOW), [0, 2]);
        search.write(1, "name", None, NOW, NOW);
        assert_eq!(*search.find("name", "a b", NOW), [0_usize; 0]);
        assert_eq!(search.fields["name"].by_word.len(), 1);
    }

    #[test]
    fn a_late_search_shows_the_old_value_until_then() {
        let at = Timestamp::from_millis;
        let mut search = search(&["old"]);
        search.write(0, "name", Some("new"), at(6_000), NOW);
        assert_eq!(*search.find("name", "new", at(5_999)), [0_usize; 0]);
        assert_eq!(*search.find("name", "old", at(5_999)), [0]);
        assert_eq!(*search.find("name", "new", at(6_000)), [0]);
        assert_eq!(*search.find("name", "old", at(6_000)), [0_usize; 0]);

        search.write(0, "name", Some("late"), at(9_000), at(7_000));
        search.write(0, "name", Some("last"), at(8_000), at(8_000));
        assert_eq!(*search.find("name", "last", at(10_000)), [0]);
        assert_eq!(*search.find("name", "late", at(10_000)), [0_usize; 0]);
    }

    #[test]
    fn as_many_finds_as_contacts_do_not_walk_all_contacts() {
        // Grows with the contacts, not with their square: at 400,000,000 comparisons this would take minutes.
        let values: Vec<String> = (0..20_000).map(|n| format!("person.{n}@example.com")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut search = search(&values);
        for (contact, value) in values.iter().enumerate() {
            search.write(contact, "source", Some("crm nightly"), NOW, NOW);
            assert_eq!(*search.find("name", value, NOW), [contact]);
            assert_eq!(search.find("source", "crm nightly", NOW).len(), contact + 1);
        }
    }
}
