//! Contacts that a test writes into an input file and expects on the platform.

use std::collections::{BTreeMap, BTreeSet};

use contactsync::Field;
use contactsync::sandbox::Sandbox;

use crate::harness::TOKEN;

/// The contacts of an input file, which the platform must have after a sync. `email` identifies a contact.
#[derive(Clone)]
pub struct People {
    /// One for each row of the file.
    pub people: Vec<Person>,
}

/// A contact of an input file.
#[derive(Clone)]
pub struct Person {
    /// Names and values. The last field is `email`.
    pub fields: Vec<(String, String)>,
    /// The tags to have.
    pub tags: Vec<String>,
}

impl People {
    /// `count` contacts with `fields` fields and `tags` tags each. The match field `email` is the last of the fields, so that
    /// a create carries it only if the program puts it first.
    pub fn new(count: usize, fields: usize, tags: usize) -> Self {
        let person = |nth: usize| {
            let mut all: Vec<_> =
                (1..fields).map(|field| (format!("field_{field:02}"), format!("value {field}, \"{nth}\""))).collect();
            all.push(("email".into(), format!("person.{nth}@example.com")));
            Person { fields: all, tags: (0..tags).map(|tag| format!("tag {tag}")).collect() }
        };
        Self { people: (0..count).map(person).collect() }
    }

    /// The contact of row `nth`, counted from zero.
    pub fn person(&mut self, nth: usize) -> &mut Person {
        &mut self.people[nth]
    }

    /// The input file.
    pub fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let names = self.people[0].fields.iter().map(|(name, _)| name.as_str());
        csv.write_record(names.chain(["tags"])).expect("memory");
        for person in &self.people {
            let tags = person.tags.join(";");
            let cells = person.fields.iter().map(|(_, value)| value.as_str());
            csv.write_record(cells.chain([tags.as_str()])).expect("memory");
        }
        csv.into_inner().expect("memory")
    }

    /// Stores the contacts on the platform without API calls.
    pub fn insert_into(&self, sandbox: &Sandbox) {
        for person in &self.people {
            let fields = person.fields.iter().map(|(name, value)| Field::text(name, value));
            sandbox.insert(TOKEN, fields, &person.tags);
        }
    }

    /// Checks that the platform has each contact exactly once, with exactly these fields and tags, and no other contact.
    #[track_caller]
    pub fn assert_stored_in(&self, sandbox: &Sandbox) {
        self.assert_stored_in_channel(sandbox, TOKEN);
    }

    /// The same for the channel of another token.
    #[track_caller]
    pub fn assert_stored_in_channel(&self, sandbox: &Sandbox, token: &str) {
        let stored = sandbox.contacts(token);
        assert_eq!(stored.len(), self.people.len(), "contacts on the platform");
        let mut there = BTreeMap::new();
        for contact in stored {
            let fields: BTreeMap<String, String> =
                contact.fields.iter().map(|(name, value)| (name.clone(), value.text().into_owned())).collect();
            let email = fields.get("email").cloned().expect("each contact has its match field");
            assert!(there.insert(email.clone(), (fields, contact.tags)).is_none(), "{email} is stored twice");
        }
        for person in &self.people {
            let wanted = (
                person.fields.iter().filter(|(_, value)| !value.is_empty()).cloned().collect(),
                person.tags.iter().cloned().collect::<BTreeSet<_>>(),
            );
            let (_, email) = person.fields.last().expect("each contact has its match field");
            assert_eq!(there.get(email), Some(&wanted), "{email}");
        }
    }
}
