//! The read back after a field's first write: whether the platform stored a field that it accepted. It drops misspelt names
//! without an error (API.md, trap 11).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::attempt::Attempt;
use crate::core::model::{Key, Known};
use crate::core::time::Timestamp;

/// How often a field is read back without a clear result before that is given up.
pub const MOST_READS: u32 = 3;

/// A field that was written to a channel for the first time and was not read back yet.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstWrite {
    /// Its name.
    pub field: String,
    /// The number of the contact that it was written to.
    pub contact: i64,
    /// The key of the contact.
    pub key: Key,
    /// What is known of the contact.
    pub known: Known,
    /// When it was written.
    pub written_at: Timestamp,
}

/// A contact that is to be read back for some fields.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadBack {
    /// Its key.
    pub key: Key,
    /// What is known of it.
    pub known: Known,
    /// The fields, each with the time of its first write.
    pub fields: BTreeMap<String, Timestamp>,
}

/// What a read shows of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldVerdict {
    /// The platform has a value.
    Stored,
    /// The platform has no value, although it accepted one.
    Dropped,
    /// Nothing: a later run reads it again.
    Unclear,
}

/// The reads that show all of these fields, each once: contacts with many of them first.
pub fn reads(writes: &[FirstWrite]) -> Vec<ReadBack> {
    let has = |write: &FirstWrite, field: &str| write.known.fields.get(field).is_some_and(|value| !value.is_blank());
    let mut left: BTreeMap<&str, Timestamp> =
        writes.iter().map(|write| (write.field.as_str(), write.written_at)).collect();
    let mut contacts: BTreeMap<i64, &FirstWrite> = writes.iter().map(|write| (write.contact, write)).collect();
    let mut reads = Vec::new();
    loop {
        let count = |write: &FirstWrite| left.keys().filter(|field| has(write, field)).count();
        // Of several, the one that was written to first.
        let best = contacts.iter().max_by_key(|(number, write)| (count(write), std::cmp::Reverse(**number)));
        let Some((number, write)) = best.filter(|(_, write)| count(write) > 0).map(|(number, write)| (*number, *write))
        else {
            return reads;
        };
        contacts.remove(&number);
        let fields: BTreeMap<String, Timestamp> = left
            .iter()
            .filter(|(field, _)| has(write, field))
            .map(|(field, written_at)| ((*field).to_owned(), *written_at))
            .collect();
        left.retain(|field, _| !fields.contains_key(*field));
        reads.push(ReadBack { key: write.key.clone(), known: write.known.clone(), fields });
    }
}

impl ReadBack {
    /// What the answer to the read shows of each field; empty if there was none.
    ///
    /// A contact that was created a moment ago may not be readable yet (API.md, traps 7 and 13). That a field is dropped shows when
    /// the contact has another of the values that are known, or when it was written longer ago than the search lag.
    pub fn verdicts(&self, answer: &Attempt, now: Timestamp, search_lag: Duration) -> BTreeMap<String, FieldVerdict> {
        let shown = match answer {
            Attempt::Contact(remote) if remote.id == self.known.id => Some(remote),
            // An answer with another contact says nothing about this one.
            Attempt::Contact(_)
            | Attempt::Page(_)
            | Attempt::Created(_)
            | Attempt::Done
            | Attempt::Missing { .. }
            | Attempt::Taken { .. }
            | Attempt::Refused { .. } => None,
            // It was not answered: a later run tries it again.
            Attempt::Unauthorized { .. }
            | Attempt::Throttled { .. }
            | Attempt::Queued { .. }
            | Attempt::WrongPath { .. }
            | Attempt::Unsent { .. }
            | Attempt::Lost { .. } => return BTreeMap::new(),
        };
        let is_there =
            |field: &String| shown.is_some_and(|shown| shown.fields.get(field).is_some_and(|value| !value.is_blank()));
        let is_readable = self.known.fields.keys().any(is_there);
        let verdict = |field: &String, written_at: Timestamp| match (shown, is_there(field)) {
            (_, true) => FieldVerdict::Stored,
            (Some(_), false) if is_readable || now.since(written_at) >= search_lag => FieldVerdict::Dropped,
            (Some(_) | None, false) => FieldVerdict::Unclear,
        };
        self.fields.iter().map(|(field, written_at)| (field.clone(), verdict(field, *written_at))).collect()
    }
}

/// The number of reads that the first writes of these contacts take, in their order, where `is_new` are fields that were not
/// written before.
pub fn expected_reads<'a>(
    contacts: impl IntoIterator<Item: IntoIterator<Item = &'a str>>,
    is_new: impl Fn(&str) -> bool,
) -> u64 {
    let mut left: BTreeSet<&str> = BTreeSet::new();
    // The contacts to which a field is written first, with their new fields.
    let mut writes: Vec<BTreeSet<&str>> = Vec::new();
    for fields in contacts {
        let new: BTreeSet<&str> = fields.into_iter().filter(|field| is_new(field)).collect();
        if !new.is_subset(&left) {
            left.extend(&new);
            writes.push(new);
        }
    }
    let mut reads = 0;
    while let Some(best) = writes.iter().max_by_key(|new| new.intersection(&left).count()).filter(|_| !left.is_empty())
    {
        left.retain(|field| !best.contains(field));
        reads += 1;
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{ContactId, Field, Remote, Value};

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const LAG: Duration = Duration::from_secs(30);

    fn known(contact: i64, fields: &[&str]) -> Known {
        let value = |name: &&str| ((*name).to_owned(), Value::Text("x".into()));
        let id = ContactId::new(contact.to_string()).unwrap();
        Known { fields: fields.iter().map(value).collect(), ..Known::only_id(id) }
    }

    fn write(field: &str, contact: i64, fields: &[&str]) -> FirstWrite {
        let key = Key::of(&Field::text("phone", contact.to_string()));
        FirstWrite { field: field.into(), contact, key, known: known(contact, fields), written_at: NOON }
    }

    #[test]
    fn one_contact_is_read_for_all_fields_that_it_has() {
        let check = |writes: &[FirstWrite], expected: &[(&str, &[&str])]| {
            let found = reads(writes);
            let found: Vec<(&str, Vec<&str>)> = found
                .iter()
                .map(|read| (read.known.id.as_str(), read.fields.keys().map(String::as_str).collect()))
                .collect();
            let expected: Vec<(&str, Vec<&str>)> = expected.iter().map(|(id, fields)| (*id, fields.to_vec())).collect();
            assert_eq!(found, expected, "{writes:?}");
        };
        check(&[], &[]);
        check(&[write("a", 1, &["a", "b"]), write("b", 1, &["a", "b"])], &[("1", &["a", "b"])]);
        // The answer for the second contact came first, and the first one has a further field.
        let writes = [write("a", 2, &["a", "b"]), write("b", 2, &["a", "b"]), write("c", 1, &["a", "b", "c"])];
        check(&writes, &[("1", &["a", "b", "c"])]);
        check(&[write("a", 1, &["a"]), write("b", 2, &["b"])], &[("1", &["a"]), ("2", &["b"])]);
        // A value that was cleared since cannot be read back.
        check(&[write("a", 1, &[])], &[]);
    }

    #[test]
    fn a_field_is_dropped_when_the_contact_is_readable_without_it() {
        let read = ReadBack {
            key: Key::of(&Field::text("phone", "1")),
            known: known(7, &["phone", "city"]),
            fields: [("city".to_owned(), NOON)].into(),
        };
        let shown = |id: &str, fields: &[&str]| {
            let fields = fields.iter().map(|name| ((*name).to_owned(), Value::Text("y".into()))).collect();
            Attempt::Contact(Remote { id: ContactId::new(id).unwrap(), fields, tags: BTreeSet::new() })
        };
        let check = |answer: &Attempt, age: Duration, expected: FieldVerdict| {
            assert_eq!(read.verdicts(answer, NOON + age, LAG)["city"], expected, "{answer:?} {age:?}");
        };
        let (young, old) = (Duration::ZERO, LAG);
        // Another value than the one that was written is stored.
        check(&shown("7", &["city"]), young, FieldVerdict::Stored);
        check(&shown("7", &["phone"]), young, FieldVerdict::Dropped);
        check(&shown("7", &["other"]), young, FieldVerdict::Unclear);
        check(&shown("7", &[]), old, FieldVerdict::Dropped);
        check(&shown("8", &["phone"]), old, FieldVerdict::Unclear);
        check(&Attempt::Missing { message: "no".into() }, old, FieldVerdict::Unclear);
        assert!(read.verdicts(&Attempt::lost(None, "reset".into()), NOON + old, LAG).is_empty());
    }

    #[test]
    fn a_read_is_expected_for_each_contact_that_no_other_covers() {
        let check = |contacts: &[&[&str]], expected: u64| {
            let contacts = contacts.iter().map(|fields| fields.iter().copied());
            assert_eq!(expected_reads(contacts, |field| field != "known"), expected);
        };
        check(&[], 0);
        check(&[&["known"]], 0);
        check(&[&["a", "b"], &["a"], &["b"]], 1);
        check(&[&["a"], &["known"], &["a", "b"]], 1);
        check(&[&["a", "b"], &["c"], &["b", "d"]], 3);
    }
}
