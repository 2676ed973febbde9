//! What a person approves of a plan, and whether a later plan is the same.
//!
//! It holds digests, so that a saved plan contains no personal data: of what decides how rows are planned, and of all contacts
//! with the fields and tags that would be sent, in the order of the input.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::core::contact_change::{ChangeKind, ContactChange};
use crate::core::counted::counted;
use crate::core::guard::RowCounts;

/// Version of the digests. Increase it when the same decisions may have another digest.
const FORMAT: u32 = 1;

/// What is approved of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The version of the digests.
    format: u32,
    /// The version of the program that made the plan.
    program: String,
    /// The channels with their URLs; `None` for a URL that was not known.
    channels: BTreeMap<String, Option<String>>,
    /// Number of rows of the input.
    rows: u64,
    /// Number of contacts to be sent.
    contacts: u64,
    /// Number of rows that are rejected.
    rejected: u64,
    /// The digest of what decides how rows are planned.
    configuration: String,
    /// The digest of the contacts with what is sent.
    decisions: String,
}

/// In what a plan differs from the approved one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Another version of the program made it.
    #[error("it was made by contactsync {approved}, and this is {present}")]
    Program {
        /// The version that made the approved plan.
        approved: String,
        /// The present version.
        present: String,
    },
    /// The channels, or their URLs.
    #[error("the channels or their URLs differ")]
    Channels,
    /// What decides how rows are planned.
    #[error("the configuration, the options or the columns of the input differ")]
    Configuration,
    /// The numbers of rows and contacts.
    #[error("the counts differ: the saved plan has {approved}, the new one {present}")]
    Counts {
        /// Those of the approved plan.
        approved: Counted,
        /// The present ones.
        present: Counted,
    },
    /// The contacts, or the fields and tags to send.
    #[error(
        "the contacts, or the fields and tags to send, differ: the input changed, or another run sent changes since"
    )]
    Decisions,
}

/// Numbers of rows and contacts, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    rows: u64,
    contacts: u64,
    rejected: u64,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, contacts, rejected } = self;
        write!(f, "{}, {contacts} to send and {rejected} rejected", counted(*rows, "row", "rows"))
    }
}

impl Approval {
    /// What is approved of a plan with these channels, each with its URL, blank where it is not known.
    pub fn new<'a>(
        channels: impl IntoIterator<Item = (&'a str, &'a str)>,
        counts: RowCounts,
        configuration: String,
        decisions: String,
    ) -> Self {
        let url = |url: &str| (!url.is_empty()).then(|| url.to_owned());
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            channels: channels.into_iter().map(|(name, of)| (name.to_owned(), url(of))).collect(),
            rows: counts.rows,
            contacts: counts.changes + counts.missing.marks,
            rejected: counts.rejected,
            configuration,
            decisions,
        }
    }

    /// Checks that a plan is the approved one.
    ///
    /// # Errors
    /// The first [`Difference`].
    pub fn check(&self, present: &Self) -> Result<(), Difference> {
        if (self.format, &self.program) != (present.format, &present.program) {
            let (approved, present) = (self.program.clone(), present.program.clone());
            return Err(Difference::Program { approved, present });
        }
        let is_same_url = |(name, url): (&String, &Option<String>)| {
            present.channels.get(name).is_some_and(|other| url.is_none() || other.is_none() || url == other)
        };
        if self.channels.len() != present.channels.len() || !self.channels.iter().all(is_same_url) {
            return Err(Difference::Channels);
        }
        if self.configuration != present.configuration {
            return Err(Difference::Configuration);
        }
        if self.counted() != present.counted() {
            return Err(Difference::Counts { approved: self.counted(), present: present.counted() });
        }
        if self.decisions == present.decisions { Ok(()) } else { Err(Difference::Decisions) }
    }

    const fn counted(&self) -> Counted {
        Counted { rows: self.rows, contacts: self.contacts, rejected: self.rejected }
    }
}

/// The digest of named parts.
pub fn digest<'a>(parts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.add(&part);
    }
    hasher.finish()
}

/// The digest of contacts with what is sent. The number of searches is not a part of it.
#[derive(Debug, Default)]
pub struct DecisionDigest(Hasher);

impl DecisionDigest {
    /// Adds the next contact.
    pub fn add(&mut self, change: &ContactChange) {
        let ContactChange { channel, line, key, kind, fields, add_tags, remove_tags } = change;
        let kind = match kind {
            // Which of them it is may depend on whether the journal lost calls, which only adds searches.
            ChangeKind::Create | ChangeKind::CreateOrUpdate => ChangeKind::CreateOrUpdate,
            ChangeKind::UpdateIfFound | ChangeKind::ResolveDoubt | ChangeKind::Update | ChangeKind::Missing => *kind,
        };
        self.0.add(&(channel, line, key, kind, fields, add_tags, remove_tags));
    }

    /// The digest.
    pub fn finish(self) -> String {
        self.0.finish()
    }
}

#[derive(Debug, Default)]
struct Hasher(Sha256);

impl Hasher {
    // JSON ends where its first value does, so that no two lists of parts are written alike.
    fn add(&mut self, part: &impl Serialize) {
        self.0.update(serde_json::to_vec(part).expect("text, numbers and lists are always JSON"));
        self.0.update(b"\n");
    }

    fn finish(self) -> String {
        self.0.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::contact_change::FieldChange;
    use crate::core::model::{Value, WriteMode};

    fn approval(url: &str, counts: [u64; 3], configuration: &str, decisions: &str) -> Approval {
        let [rows, changes, rejected] = counts;
        let counts = RowCounts { rows, changes, rejected, ..RowCounts::default() };
        Approval::new([("a", url)], counts, configuration.into(), decisions.into())
    }

    #[test]
    fn a_plan_that_differs_in_anything_is_not_the_approved_one() {
        let approved = approval("https://one", [3, 2, 1], "c", "d");
        let check = |present: &Approval, expected: Option<&str>| {
            let found = approved.check(present).err().map(|difference| difference.to_string());
            assert_eq!(found.as_deref(), expected);
        };
        check(&approved, None);
        check(&approval("", [3, 2, 1], "c", "d"), None);
        check(&approval("https://two", [3, 2, 1], "c", "d"), Some("the channels or their URLs differ"));
        let other = Approval { channels: BTreeMap::new(), ..approved.clone() };
        check(&other, Some("the channels or their URLs differ"));
        let other = Approval { channels: [("b".to_owned(), None)].into(), ..approved.clone() };
        check(&other, Some("the channels or their URLs differ"));
        let configuration = "the configuration, the options or the columns of the input differ";
        check(&approval("https://one", [3, 2, 1], "x", "d"), Some(configuration));
        for (counts, rows) in
            [([4, 2, 1], "4 rows"), ([3, 1, 1], "3 rows"), ([3, 2, 0], "3 rows"), ([1, 1, 0], "1 row")]
        {
            let [_, contacts, rejected] = counts;
            let expected = format!(
                "the counts differ: the saved plan has 3 rows, 2 to send and 1 rejected, the new one \
                 {rows}, {contacts} to send and {rejected} rejected"
            );
            check(&approval("https://one", counts, "c", "d"), Some(&expected));
        }
        let decisions = "the contacts, or the fields and tags to send, differ: the input changed, or another run sent changes since";
        check(&approval("https://one", [3, 2, 1], "c", "x"), Some(decisions));
        let program = format!("it was made by contactsync 0.0.1, and this is {}", env!("CARGO_PKG_VERSION"));
        let older = Approval { program: "0.0.1".into(), ..approved.clone() };
        assert_eq!(older.check(&approved).unwrap_err().to_string(), program);
        assert!(Approval { format: FORMAT + 1, ..approved.clone() }.check(&approved).is_err());
    }

    #[test]
    fn each_part_of_a_decision_changes_the_digest() {
        let change = |edit: &dyn Fn(&mut ContactChange)| {
            let mut change = ContactChange {
                channel: "a".into(),
                line: 2,
                key: "phone=1".into(),
                kind: ChangeKind::Update,
                fields: vec![FieldChange {
                    name: "city".into(),
                    old: None,
                    new: Value::Text("Lima".into()),
                    write: WriteMode::Always,
                }],
                add_tags: vec!["x".into(), "y".into()],
                remove_tags: vec!["z".into()],
            };
            edit(&mut change);
            change
        };
        let digest_of = |changes: &[ContactChange]| {
            let mut digest = DecisionDigest::default();
            for change in changes {
                digest.add(change);
            }
            digest.finish()
        };
        let same = change(&|_| {});
        let edits: [&dyn Fn(&mut ContactChange); 10] = [
            &|change| change.channel = "b".into(),
            &|change| change.line = 3,
            &|change| change.key = "phone=2".into(),
            &|change| change.kind = ChangeKind::ResolveDoubt,
            &|change| change.fields[0].name = "town".into(),
            &|change| change.fields[0].old = Some(Value::Text("Cusco".into())),
            &|change| change.fields[0].new = Value::Bool(true),
            &|change| change.add_tags = vec!["x,y".into()],
            &|change| change.remove_tags = Vec::new(),
            &|change| (change.add_tags, change.remove_tags) = (vec!["x".into()], vec!["y".into(), "z".into()]),
        ];
        let mut digests: Vec<String> = edits.iter().map(|edit| digest_of(&[change(edit)])).collect();
        let other = change(edits[2]);
        digests.extend([
            digest_of(&[]),
            digest_of(std::slice::from_ref(&same)),
            digest_of(&[same.clone(), other.clone()]),
            digest_of(&[other.clone(), same.clone()]),
        ]);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 14);
        let kind = |kind| digest_of(&[change(&|change| change.kind = kind)]);
        assert_eq!(kind(ChangeKind::Create), kind(ChangeKind::CreateOrUpdate));
    }
}
