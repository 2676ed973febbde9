//! Match values that rows of different people share: placeholders such as `0000000000`, of which one contact may be made.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::core::headings::{KeySense, key_sense};
use crate::core::model::Contact;

/// How many people with different names make a value one that they share. A family may share a phone; two spellings of one
/// name are one person.
const NAMES: usize = 3;

/// How many values are remembered: they take 35 MB at most. Rows with further values are not compared.
const VALUES: usize = 900_000;

/// A match field in which rows with different names share values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedField {
    /// The field.
    pub field: String,
    /// The number of values that are shared.
    pub values: u64,
    /// The number of rows with one of them.
    pub rows: u64,
    /// The line of the first of these rows, from 1.
    pub line: u64,
}

/// The match values of the rows so far, by their hashes.
#[derive(Clone, Debug, Default)]
pub struct SharedValues {
    fields: Vec<String>,
    // Whether a field is of names, by its name.
    name_fields: HashMap<String, bool>,
    seen: HashMap<u64, Seen>,
}

// What was seen of one value.
#[derive(Clone, Copy, Debug)]
struct Seen {
    line: u64,
    rows: u32,
    field: u16,
    count: u8,
    names: [u32; NAMES - 1],
}

impl SharedValues {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the contact of the row at `line`. Rows with the same value are compared within one `group`, such as a channel. A
    /// row without a name is not compared.
    pub fn add(&mut self, group: impl Hash, line: u64, contact: &Contact) {
        if contact.matches().is_empty() {
            return;
        }
        let Some(name) = self.name_of(contact) else { return };
        let mut digest = DefaultHasher::new();
        group.hash(&mut digest);
        for found in contact.matches() {
            let field = self.fields.iter().position(|field| found.name == **field).unwrap_or_else(|| {
                self.fields.push(found.name.to_string());
                self.fields.len() - 1
            });
            let mut digest = digest.clone();
            (field, found.value.text().trim()).hash(&mut digest);
            let is_full = self.seen.len() >= VALUES;
            let key = digest.finish();
            if is_full && !self.seen.contains_key(&key) {
                continue;
            }
            let field = u16::try_from(field).unwrap_or(u16::MAX);
            let seen = self.seen.entry(key).or_insert(Seen { line, rows: 0, field, count: 0, names: [0; NAMES - 1] });
            seen.rows = seen.rows.saturating_add(1);
            seen.line = seen.line.min(line);
            let count = usize::from(seen.count);
            if count < NAMES && !seen.names[..count.min(NAMES - 1)].contains(&name) {
                if let Some(free) = seen.names.get_mut(count) {
                    *free = name;
                }
                seen.count += 1;
            }
        }
    }

    /// The fields in which rows with at least three different names share a value.
    pub fn found(&self) -> Vec<SharedField> {
        let of_field = |(at, field): (usize, &String)| {
            let shared = || {
                let is_shared = |seen: &&Seen| usize::from(seen.field) == at && usize::from(seen.count) == NAMES;
                self.seen.values().filter(is_shared)
            };
            let line = shared().map(|seen| seen.line).min()?;
            let rows = shared().map(|seen| u64::from(seen.rows)).sum();
            Some(SharedField { field: field.clone(), values: shared().count() as u64, rows, line })
        };
        self.fields.iter().enumerate().filter_map(of_field).collect()
    }

    // A hash of the name that a contact has outside its match fields: the words of all its names in any order, whatever their
    // capitals.
    fn name_of(&mut self, contact: &Contact) -> Option<u32> {
        let mut words: Vec<String> = Vec::new();
        for field in &contact.fields()[contact.matches().len()..] {
            if !self.name_fields.contains_key(&*field.name) {
                let is_name = matches!(key_sense(&field.name), Some(KeySense::PersonName | KeySense::Name));
                self.name_fields.insert(field.name.to_string(), is_name);
            }
            if self.name_fields.get(&*field.name) == Some(&true) {
                words.extend(field.value.text().split_whitespace().map(str::to_lowercase));
            }
        }
        words.sort_unstable();
        words.dedup();
        if words.is_empty() {
            return None;
        }
        let mut digest = DefaultHasher::new();
        words.hash(&mut digest);
        // Half of it is enough to tell three names apart.
        Some((digest.finish() >> 32) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Draft, Field};

    #[test]
    fn a_value_that_three_people_share_is_found() {
        // Each row as its phone, its mail and its name; each field that is found as `field values rows line`.
        let check = |rows: &[(&str, &str, &str)], expected: &[&str]| {
            let mut shared = SharedValues::new();
            for ((phone, mail, name), line) in rows.iter().zip(2..) {
                let field = |name: &str, value: &str| (!value.is_empty()).then(|| Field::text(name, value));
                let matches = field("phone", phone).into_iter().chain(field("email", mail)).collect();
                let fields = field("first_name", name).into_iter().chain(field("city", name)).collect();
                let draft = Draft { matches, fields, ..Draft::default() };
                shared.add(0, line, &Contact::new(draft).unwrap());
            }
            let found: Vec<String> = shared
                .found()
                .iter()
                .map(|SharedField { field, values, rows, line }| format!("{field} {values} {rows} {line}"))
                .collect();
            assert_eq!(found, expected, "{rows:?}");
        };
        let zeros = "0000000000";
        check(&[(zeros, "", "Ann"), (zeros, "", "Bo"), (zeros, "", "Cy")], &["phone 1 3 2"]);
        check(
            &[("1", "", "Di"), (zeros, "", "Ann"), (zeros, "", "Bo"), ("2", "", "Ed"), (zeros, "", "Cy")],
            &["phone 1 3 3"],
        );
        check(
            &[
                ("1", "no@email.com", "Ann"),
                ("2", "no@email.com", "Bo"),
                ("3", "no@email.com", "Cy"),
                ("4", "a@b.c", "Di"),
            ],
            &["email 1 3 2"],
        );
        check(
            &[
                ("1", "", "A"),
                ("1", "", "B"),
                ("1", "", "C"),
                ("1", "", "D"),
                ("2", "", "E"),
                ("2", "", "F"),
                ("2", "", "G"),
            ],
            &["phone 2 7 2"],
        );
        // Two people, one person in several spellings, and rows without a name.
        check(&[(zeros, "", "Ann"), (zeros, "", "Bo"), (zeros, "", "Ann"), (zeros, "", "Bo")], &[]);
        check(&[("1", "", "Ann Lee"), ("1", "", "ANN LEE"), ("1", "", "Lee Ann"), ("1", "", " ann  lee ")], &[]);
        check(&[(zeros, "", ""), (zeros, "", ""), (zeros, "", ""), (zeros, "", "Bo")], &[]);
        check(&[("1", "", "Ann"), ("2", "", "Bo"), ("3", "", "Cy")], &[]);
    }

    #[test]
    fn rows_of_different_groups_are_not_compared() {
        let mut shared = SharedValues::new();
        for (group, name) in ["Ann", "Bo", "Cy"].into_iter().enumerate() {
            let (matches, fields) = (vec![Field::text("phone", "1")], vec![Field::text("name", name)]);
            let contact = Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap();
            shared.add(group, 2, &contact);
        }
        assert_eq!(shared.found(), []);
    }
}
