//! The golden runs: small, and with every action that a run can take.

use std::collections::{BTreeMap, BTreeSet};

use contactsync::Field;
use contactsync::sandbox::Sandbox;

use crate::harness::TOKEN;

/// An input, a platform and a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Golden {
    /// New contacts, one of which takes two calls for its fields and two for its tags; no journal.
    Fresh,
    /// The same, but one contact exists and is changed; the journal has a long history of other channels and is about to
    /// checkpoint its log.
    Grown,
    /// Contacts without a match field.
    Keyless,
}

/// A contact of the file.
pub struct Wanted {
    pub fields: BTreeMap<String, String>,
    pub tags: BTreeSet<String>,
}

impl Golden {
    pub const ALL: [Self; 3] = [Self::Fresh, Self::Grown, Self::Keyless];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Grown => "grown",
            Self::Keyless => "keyless",
        }
    }

    /// Whether the journal exists before.
    pub const fn is_grown(self) -> bool {
        match self {
            Self::Fresh => false,
            Self::Grown | Self::Keyless => true,
        }
    }

    pub const fn has_key(self) -> bool {
        match self {
            Self::Fresh | Self::Grown => true,
            Self::Keyless => false,
        }
    }

    /// The field whose value is unique.
    pub const fn unique_field(self) -> &'static str {
        if self.has_key() { "email" } else { "name" }
    }

    /// The program's options.
    pub const fn arguments(self) -> &'static str {
        match self {
            Self::Fresh | Self::Grown => "in.csv --match email --search-lag 1s",
            Self::Keyless => "in.csv --mode create --search-lag 1s",
        }
    }

    pub fn wanted(self) -> Vec<Wanted> {
        let one = |fields: &[(&str, &str)], tags: &[&str]| Wanted {
            fields: fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
        };
        if !self.has_key() {
            return vec![one(&[("name", "Ann")], &["lead"]), one(&[("name", "Bob")], &[])];
        }
        let mut large = one(&[("email", "ann@example.com")], &[]);
        large.fields.extend((1..=31).map(|n| (format!("field_{n:02}"), format!("value {n}"))));
        large.tags.extend((1..=11).map(|n| format!("tag {n:02}")));
        let bob = one(&[("email", "bob@example.com"), ("field_01", "two"), ("field_02", "three")], &["lead"]);
        vec![large, bob, one(&[("email", "cleo@example.com"), ("field_01", "four")], &[])]
    }

    pub fn csv(self) -> Vec<u8> {
        let wanted = self.wanted();
        let names: BTreeSet<&String> = wanted.iter().flat_map(|contact| contact.fields.keys()).collect();
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(names.iter().map(|name| name.as_str()).chain(["tags"])).expect("memory");
        for contact in &wanted {
            let tags: Vec<&str> = contact.tags.iter().map(String::as_str).collect();
            let cells = names.iter().map(|name| contact.fields.get(*name).map_or("", String::as_str));
            csv.write_record(cells.chain([tags.join(";").as_str()])).expect("memory");
        }
        csv.into_inner().expect("memory")
    }

    /// Stores the contacts that exist before.
    pub fn seed(self, sandbox: &Sandbox) {
        if self == Self::Grown {
            let fields = [("email", "bob@example.com"), ("field_01", "old")];
            sandbox.insert(TOKEN, fields.map(|(name, value)| Field::text(name, value)), [""; 0]);
        }
    }

    /// Checks the platform against the file. Only rows without a key may be rejected; their contacts may exist, be incomplete, or
    /// be missing.
    pub fn check(self, sandbox: &Sandbox, rejected: usize) -> Result<(), String> {
        let mut there: BTreeMap<String, Wanted> = BTreeMap::new();
        for contact in sandbox.contacts(TOKEN) {
            let fields: BTreeMap<String, String> =
                contact.fields.iter().map(|(name, value)| (name.clone(), value.text().into_owned())).collect();
            let telling = fields.get(self.unique_field()).cloned().unwrap_or_default();
            if there.insert(telling.clone(), Wanted { fields, tags: contact.tags }).is_some() {
                return Err(format!("{telling} is there twice"));
            }
        }
        let mut wrong = Vec::new();
        for wanted in self.wanted() {
            let telling = &wanted.fields[self.unique_field()];
            match there.remove(telling) {
                None => wrong.push(format!("{telling} is missing")),
                Some(found) if found.fields != wanted.fields => wrong.push(format!("{telling} has {:?}", found.fields)),
                Some(found) if found.tags != wanted.tags => {
                    wrong.push(format!("{telling} has the tags {:?}", found.tags));
                }
                Some(_) => {}
            }
        }
        if let Some(stranger) = there.keys().next() {
            return Err(format!("{stranger} is stored and not in the file"));
        }
        if wrong.len() > rejected {
            return Err(format!("{} with {rejected} rejected", wrong.join(", ")));
        }
        Ok(())
    }
}
