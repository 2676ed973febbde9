//! Match values that rows of different people share: placeholders such as `0000000000`, under which the people would become
//! one contact.

use std::hash::{BuildHasher as _, DefaultHasher, Hash, Hasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::core::headings::{KeySense, key_sense};
use crate::core::model::{Contact, Field};

/// How many different people make a value one that they share. A family may share a phone; two spellings of one name are one
/// person.
const PEOPLE: usize = 3;

/// How many values are remembered: they take 35 MB at most. Rows with further values are not compared.
const VALUES: usize = 900_000;

/// How many fields are remembered with what they hold.
const FIELDS: usize = 1_000;

/// A match field in which rows of different people share values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedField {
    /// The field.
    pub field: String,
    /// What shows that the people are different.
    pub evidence: Evidence,
    /// The number of values that are shared.
    pub values: u64,
    /// The number of rows with one of them.
    pub rows: u64,
    /// The line of the first of these rows, from 1.
    pub line: u64,
}

/// What shows that rows are of different people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Evidence {
    /// Their names differ.
    Names,
    /// Other columns differ. No column is known to hold names.
    #[default]
    OtherColumns,
}

/// The match values of the rows so far, by their hashes.
#[derive(Clone, Debug, Default)]
pub struct SharedValues {
    fields: Vec<String>,
    // What each field holds, by its name.
    kinds: Vec<(String, FieldKind)>,
    // For each position in a contact, the index in `kinds` of the field last seen there: mostly, it is the same in the next row.
    by_place: Vec<usize>,
    // Names, once a row has one.
    evidence: Evidence,
    values: HashTable<SeenValue>,
    // Has a random seed, so that the author of an input cannot choose values with equal hashes.
    hasher: RandomState,
    // For one word of a name, and for the hashes of all words.
    lower: String,
    words: Vec<u64>,
}

/// What a field holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    Name,
    /// Phone numbers or e-mail addresses.
    Address,
    Other,
}

// The rows with one value.
#[derive(Clone, Copy, Debug)]
struct SeenValue {
    hash: u64,
    line: u64,
    rows: u32,
    field: u16,
    // The number of different people, at most PEOPLE, and hashes of what identifies them.
    count: u8,
    people: [u32; PEOPLE - 1],
}

impl SharedValues {
    /// Adds the contact of the row at `line`. Rows with the same value are compared within one `group`, such as a channel. A
    /// row without evidence is not compared, such as one without a name if other rows have names.
    pub fn add(&mut self, group: impl Hash, line: u64, contact: &Contact) {
        if contact.matches().is_empty() {
            return;
        }
        let name = self.name_of(contact);
        if name.is_some() && self.evidence != Evidence::Names {
            // The rows so far had no name.
            self.evidence = Evidence::Names;
            self.values.clear();
        }
        let mut digest = self.hasher.build_hasher();
        group.hash(&mut digest);
        let others = match self.evidence {
            Evidence::Names => None,
            Evidence::OtherColumns => Some(self.columns_of(contact)),
        };
        for (place, found) in contact.matches().iter().enumerate() {
            let person = others.as_ref().map_or(name, |columns| columns.without(place));
            if let Some(person) = person {
                self.add_value(digest.clone(), line, found, person);
            }
        }
    }

    fn add_value(&mut self, mut digest: DefaultHasher, line: u64, found: &Field, person: u32) {
        let field = self.fields.iter().position(|field| found.name == **field).unwrap_or_else(|| {
            self.fields.push(found.name.to_string());
            self.fields.len() - 1
        });
        (field, found.value.text().trim()).hash(&mut digest);
        let hash = digest.finish();
        let is_full = self.values.len() >= VALUES;
        let seen = match self.values.entry(hash, |seen| seen.hash == hash, |seen| seen.hash) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(_) if is_full => return,
            Entry::Vacant(free) => {
                let field = u16::try_from(field).unwrap_or(u16::MAX);
                free.insert(SeenValue { hash, line, rows: 0, field, count: 0, people: [0; PEOPLE - 1] }).into_mut()
            }
        };
        seen.rows = seen.rows.saturating_add(1);
        seen.line = seen.line.min(line);
        let count = usize::from(seen.count);
        if count < PEOPLE && !seen.people[..count.min(PEOPLE - 1)].contains(&person) {
            if let Some(free) = seen.people.get_mut(count) {
                *free = person;
            }
            seen.count += 1;
        }
    }

    /// The fields in which rows of at least three different people share a value.
    pub fn found(&self) -> Vec<SharedField> {
        let of_field = |(at, field): (usize, &String)| {
            let shared = || {
                let is_shared = |seen: &&SeenValue| usize::from(seen.field) == at && usize::from(seen.count) == PEOPLE;
                self.values.iter().filter(is_shared)
            };
            let line = shared().map(|seen| seen.line).min()?;
            let rows = shared().map(|seen| u64::from(seen.rows)).sum();
            let (field, evidence) = (field.clone(), self.evidence);
            Some(SharedField { field, evidence, values: shared().count() as u64, rows, line })
        };
        self.fields.iter().enumerate().filter_map(of_field).collect()
    }

    // A hash of the name that a contact has outside its match fields: the words of all its names in any order, ignoring case.
    fn name_of(&mut self, contact: &Contact) -> Option<u32> {
        self.words.clear();
        for (at, field) in contact.fields().iter().enumerate().skip(contact.matches().len()) {
            if self.kind(at, &field.name) == FieldKind::Name {
                for word in field.value.text().split_whitespace() {
                    let mut digest = DefaultHasher::new();
                    lower_into(&mut self.lower, word);
                    self.lower.hash(&mut digest);
                    self.words.push(digest.finish());
                }
            }
        }
        self.words.sort_unstable();
        self.words.dedup();
        if self.words.is_empty() {
            return None;
        }
        let mut digest = DefaultHasher::new();
        self.words.hash(&mut digest);
        Some(half(digest.finish()))
    }

    // Hashes of the fields that may show that people differ: match values, phones, addresses, and text with letters, ignoring
    // case. Other numbers and dates are left out, because one person has several orders.
    fn columns_of(&mut self, contact: &Contact) -> Columns {
        let matches = contact.matches().len();
        let mut columns = Columns { matches: vec![0; matches], others: 0, has_others: false };
        for (at, field) in contact.fields().iter().enumerate() {
            let value = field.value.text();
            let text = value.trim();
            let is_telling =
                at < matches || text.contains(char::is_alphabetic) || self.kind(at, &field.name) == FieldKind::Address;
            if !is_telling || text.is_empty() {
                continue;
            }
            lower_into(&mut self.lower, text);
            let mut digest = DefaultHasher::new();
            (&*field.name, &self.lower).hash(&mut digest);
            if let Some(of_match) = columns.matches.get_mut(at) {
                *of_match = digest.finish();
            } else {
                columns.others = columns.others.wrapping_add(digest.finish());
                columns.has_others = true;
            }
        }
        columns
    }

    // `at` is the place of the field in its contact.
    fn kind(&mut self, at: usize, field: &str) -> FieldKind {
        let is_it = |(name, _): &&(String, FieldKind)| name == field;
        let last = self.by_place.get(at).and_then(|number| self.kinds.get(*number));
        if let Some((_, kind)) = last.filter(is_it) {
            return *kind;
        }
        if let Some(number) = self.kinds.iter().position(|kind| is_it(&kind)) {
            if at < FIELDS {
                self.by_place.resize(self.by_place.len().max(at + 1), usize::MAX);
                self.by_place[at] = number;
            }
            return self.kinds[number].1;
        }
        let kind = match key_sense(field) {
            Some(KeySense::PersonName | KeySense::Name) => FieldKind::Name,
            Some(KeySense::Address) => FieldKind::Address,
            None => FieldKind::Other,
        };
        if self.kinds.len() < FIELDS {
            self.kinds.push((field.to_owned(), kind));
        }
        kind
    }
}

// The text in lower case, in place of what the buffer had.
fn lower_into(lower: &mut String, text: &str) {
    lower.clear();
    if text.is_ascii() {
        lower.push_str(text);
        lower.make_ascii_lowercase();
    } else {
        *lower = text.to_lowercase();
    }
}

// Hashes of the fields of a contact. Their sum does not depend on the order of the columns.
struct Columns {
    matches: Vec<u64>,
    others: u64,
    has_others: bool,
}

impl Columns {
    // A hash of all fields except the match field at `place`; `None` if there are no others.
    fn without(&self, place: usize) -> Option<u32> {
        let matches = self.matches.iter().enumerate().filter(|(at, _)| *at != place);
        let sum = matches.fold(self.others, |sum, (_, hash)| sum.wrapping_add(*hash));
        (self.has_others || self.matches.len() > 1).then(|| half(sum))
    }
}

// Half of a hash, which is enough to tell three people apart.
const fn half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Draft;

    #[test]
    fn a_value_that_three_people_share_is_found() {
        // Each row as its phone, its mail and its name; each field that is found as `field values rows line`.
        let check = |rows: &[(&str, &str, &str)], expected: &[&str]| {
            let mut shared = SharedValues::default();
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
                .map(|SharedField { field, evidence, values, rows, line }| {
                    assert_eq!(*evidence, Evidence::Names);
                    format!("{field} {values} {rows} {line}")
                })
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
    fn without_names_other_columns_show_that_people_differ() {
        // Each row as its fields, the first of them the match field.
        let check = |rows: &[&[(&str, &str)]], expected: &[&str]| {
            let mut shared = SharedValues::default();
            for (row, line) in rows.iter().zip(2..) {
                let mut fields: Vec<Field> = row.iter().map(|(name, value)| Field::text(*name, *value)).collect();
                let is_match = |field: &Field| matches!(&*field.name, "phone" | "email" | "crm_id");
                let matches: Vec<Field> = fields.extract_if(.., |field| is_match(field)).collect();
                shared.add(0, line, &Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap());
            }
            let found: Vec<String> = shared
                .found()
                .iter()
                .map(|SharedField { field, evidence, values, rows, line }| {
                    format!("{field} {evidence:?} {values} {rows} {line}")
                })
                .collect();
            assert_eq!(found, expected, "{rows:?}");
        };
        let [phone, other] = [("phone", "0000000000"), ("phone", "5512345678")];
        for column in ["company", "city", "Kunde", "contacto", "whatsapp"] {
            let value = |text: &'static str| (column, text);
            check(
                &[&[phone, value("A1")], &[other, value("X")], &[phone, value("B2")], &[phone, value("C3")]],
                &["phone OtherColumns 1 3 2"],
            );
            check(&[&[phone, value("a1")], &[phone, value("B2")], &[phone, value(" A1 ")]], &[]);
        }
        // Numbers tell contacts apart where they are phones or match values.
        let numbers = |column: &'static str| [[phone, (column, "1")], [phone, (column, "2")], [phone, (column, "3")]];
        for (column, expected) in [("mobile", 1), ("crm_id", 1), ("amount", 0), ("since", 0)] {
            let rows = numbers(column);
            let rows: Vec<&[(&str, &str)]> = rows.iter().map(<[(&str, &str); 2]>::as_slice).collect();
            check(&rows, &["phone OtherColumns 1 3 2"][..expected]);
        }
        let mail = ("email", "info@example.com");
        check(
            &[&[mail, ("phone", "1")], &[mail, ("phone", "2")], &[mail, ("phone", "3")]],
            &["email OtherColumns 1 3 2"],
        );
        // Where rows have names, only the names count, wherever the first of them stands.
        let (a, b, c) = (("city", "A"), ("city", "B"), ("city", "C"));
        check(&[&[phone, a], &[phone, b], &[phone, c], &[phone, a, ("name", "Ann")]], &[]);
        check(&[&[phone, ("name", "Ann")], &[phone, a], &[phone, b], &[phone, c]], &[]);
        check(&[&[phone], &[phone], &[phone]], &[]);
    }

    #[test]
    fn rows_of_different_groups_are_not_compared() {
        let mut shared = SharedValues::default();
        for (group, name) in ["Ann", "Bo", "Cy"].into_iter().enumerate() {
            let (matches, fields) = (vec![Field::text("phone", "1")], vec![Field::text("name", name)]);
            let contact = Contact::new(Draft { matches, fields, ..Draft::default() }).unwrap();
            shared.add(group, 2, &contact);
        }
        assert_eq!(shared.found(), []);
    }
}
