//! The fewest calls, over random histories: each night's calls are compared with a minimum that this file computes on its own.
//!
//! The model knows the API's limits and what the program has seen so far: answers to finds, and its own writes. Users of
//! the platform edit contacts between the nights without the program's knowledge, so a value that is sent without need
//! overwrites theirs and is found on the platform, even where the number of calls is right.
//!
//! `CASES=2000 cargo test --test fewest_calls` is the full run.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use contactsync::Field;
use contactsync::sandbox::Sandbox;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use support::{Harness, TOKEN};

/// Custom fields in one create or update (API.md, "The six calls").
const FIELDS_PER_CALL: usize = 30;

/// Tags in one call (API.md, "The six calls").
const TAGS_PER_CALL: usize = 10;

/// The two match fields, in the order in which they are tried.
const MATCH: [&str; 2] = ["crmId", "email"];

const PEOPLE: usize = 8;
const FIELDS: usize = 64;
const TAGS: usize = 34;

/// A contact as the platform has it, or as the program knows it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stored {
    fields: BTreeMap<String, String>,
    tags: BTreeSet<String>,
}

/// A row of an input file.
#[derive(Clone, Debug)]
struct Row {
    person: usize,
    has_crm_id: bool,
    fields: BTreeMap<String, String>,
    tags: BTreeSet<String>,
    remove_tags: BTreeSet<String>,
}

/// What happens between one sync and the next, and the next input.
#[derive(Clone, Debug)]
struct Night {
    /// Users of the platform set these fields and add these tags.
    edits: Vec<(usize, Stored)>,
    rows: Vec<Row>,
    /// The run stops after so many calls and is resumed.
    interrupted_after: Option<usize>,
}

#[derive(Clone, Debug)]
struct History {
    mirror: bool,
    /// Whether the journal keeps hashes in place of values.
    hashed: bool,
    existing: Vec<(usize, bool, Stored)>,
    nights: Vec<Night>,
}

/// The number of calls of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    find: usize,
    create: usize,
    update: usize,
    add_tags: usize,
    remove_tags: usize,
}

/// What the program has seen of a contact.
#[derive(Clone, Debug)]
struct Seen {
    stored: Stored,
    own_tags: BTreeSet<String>,
    /// Tags that are known to be missing: those that a row named for removal when the contact was created or seen, and those
    /// that the program removed. Any other tag may have been added by a user of the platform.
    missing_tags: BTreeSet<String>,
}

/// The platform and the program's knowledge, as they must be.
#[derive(Default)]
struct Model {
    platform: BTreeMap<usize, Stored>,
    seen: BTreeMap<usize, Seen>,
}

fn match_value(person: usize, field: &str) -> String {
    match field {
        "crmId" => format!("crm-{person}"),
        _ => format!("person.{person}@example.com"),
    }
}

impl Row {
    fn wanted(&self) -> BTreeMap<String, String> {
        let matches = MATCH.iter().filter(|field| self.has_crm_id || **field != "crmId");
        let matches = matches.map(|field| ((*field).to_owned(), match_value(self.person, field)));
        matches.chain(self.fields.clone()).collect()
    }
}

impl Model {
    fn edit(&mut self, person: usize, edit: &Stored) {
        let Some(stored) = self.platform.get_mut(&person) else { return };
        stored.fields.extend(edit.fields.clone());
        stored.tags.extend(edit.tags.iter().cloned());
    }

    /// The row without the removals of tags of which nothing is known: what they cost depends on the platform's answers.
    fn with_known_removals(&self, row: &Row) -> Row {
        let mut row = row.clone();
        if let Some(seen) = self.seen.get(&row.person) {
            row.remove_tags.retain(|tag| seen.stored.tags.contains(tag) || seen.missing_tags.contains(tag));
        }
        row
    }

    /// Makes the platform match a row, and returns the fewest calls for it.
    fn execute(&mut self, row: &Row, mirror: bool) -> Calls {
        let mut calls = Calls::default();
        let wanted = row.wanted();
        if !self.seen.contains_key(&row.person) {
            let fields = MATCH.iter().filter(|field| wanted.contains_key(**field));
            let there = self.platform.get(&row.person);
            let mut found = false;
            for field in fields {
                calls.find += 1;
                found = there.is_some_and(|stored| stored.fields.get(*field) == wanted.get(*field));
                if found {
                    break;
                }
            }
            let stored = if found {
                there.cloned().expect("it was found")
            } else {
                calls.create = 1;
                calls.update = wanted.len().saturating_sub(FIELDS_PER_CALL).div_ceil(FIELDS_PER_CALL);
                let created = Stored { fields: wanted.clone(), tags: BTreeSet::new() };
                self.platform.insert(row.person, created.clone());
                created
            };
            let missing_tags = &row.remove_tags - &stored.tags;
            self.seen.insert(row.person, Seen { stored, own_tags: BTreeSet::new(), missing_tags });
        }
        let seen = self.seen.get_mut(&row.person).expect("it is known by now");
        let platform = self.platform.get_mut(&row.person).expect("it is there by now");
        let changed: BTreeMap<_, _> =
            wanted.into_iter().filter(|(name, value)| seen.stored.fields.get(name) != Some(value)).collect();
        calls.update += changed.len().div_ceil(FIELDS_PER_CALL);
        let add: BTreeSet<_> = row.tags.difference(&seen.stored.tags).cloned().collect();
        let own = if mirror { &seen.own_tags - &row.tags } else { BTreeSet::new() };
        let remove: BTreeSet<_> = (&row.remove_tags | &own).intersection(&seen.stored.tags).cloned().collect();
        calls.add_tags += add.len().div_ceil(TAGS_PER_CALL);
        calls.remove_tags += remove.len().div_ceil(TAGS_PER_CALL);
        for stored in [&mut seen.stored, platform] {
            stored.fields.extend(changed.clone());
            stored.tags.extend(add.iter().cloned());
            stored.tags.retain(|tag| !remove.contains(tag));
        }
        seen.missing_tags.extend(remove.iter().cloned());
        seen.missing_tags.retain(|tag| !add.contains(tag));
        seen.own_tags.extend(add);
        seen.own_tags.retain(|tag| !remove.contains(tag));
        calls
    }
}

impl Calls {
    fn add(&mut self, other: Self) {
        self.find += other.find;
        self.create += other.create;
        self.update += other.update;
        self.add_tags += other.add_tags;
        self.remove_tags += other.remove_tags;
    }

    fn in_words(self) -> String {
        let counts = [
            (self.find, "find"),
            (self.create, "create"),
            (self.update, "update"),
            (self.add_tags, "add_tags"),
            (self.remove_tags, "remove_tags"),
        ];
        let words: Vec<_> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
        if words.is_empty() { "none".into() } else { words.join(", ") }
    }

    fn total(self) -> usize {
        self.find + self.create + self.update + self.add_tags + self.remove_tags
    }
}

fn any_fields(count: std::ops::Range<usize>) -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = (0..FIELDS).prop_map(|field| format!("field{field:02}"));
    prop::collection::btree_map(name, "[a-c]", count)
}

fn any_tags(count: std::ops::Range<usize>) -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set((0..TAGS).prop_map(|tag| format!("tag{tag:02}")), count)
}

fn any_stored() -> impl Strategy<Value = Stored> {
    (any_fields(0..20), any_tags(0..14)).prop_map(|(fields, tags)| Stored { fields, tags })
}

fn any_row() -> impl Strategy<Value = Row> {
    let fields = prop_oneof![3 => any_fields(0..6), 1 => any_fields(24..64)];
    let tags = prop_oneof![3 => any_tags(0..4), 1 => any_tags(8..24)];
    (0..PEOPLE, any::<bool>(), fields, tags, any_tags(0..6)).prop_map(|(person, has_crm_id, fields, tags, remove)| {
        let remove_tags = &remove - &tags;
        Row { person, has_crm_id, fields, tags, remove_tags }
    })
}

// Rows of some people, one for each.
fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(any_row(), 1..=PEOPLE).prop_map(|rows| {
        let rows: BTreeMap<usize, Row> = rows.into_iter().map(|row| (row.person, row)).collect();
        rows.into_values().collect()
    })
}

fn any_night() -> impl Strategy<Value = Night> {
    let edits = prop::collection::vec((0..PEOPLE, any_stored()), 0..4);
    (edits, any_rows(), prop::option::weighted(0.3, 1_usize..20)).prop_map(|(edits, rows, interrupted_after)| Night {
        edits,
        rows,
        interrupted_after,
    })
}

fn any_history() -> impl Strategy<Value = History> {
    let existing = prop::collection::btree_map(0..PEOPLE, (any::<bool>(), any_stored()), 0..PEOPLE);
    let nights = prop::collection::vec((any_night(), any::<bool>(), any_row()), 2..5);
    (any::<bool>(), any::<bool>(), existing, nights).prop_map(|(mirror, hashed, existing, drawn)| {
        let mut nights: Vec<Night> = Vec::new();
        for (mut night, is_repeated, change) in drawn {
            if let Some(last) = nights.last().filter(|_| is_repeated) {
                night.rows = last.rows.iter().map(|row| repeated(row, &change)).collect();
            }
            nights.push(night);
        }
        let existing = existing.into_iter().map(|(person, (has_crm_id, stored))| (person, has_crm_id, stored));
        History { mirror, hashed, existing: existing.collect(), nights }
    })
}

// The row of the last night, with changes if it is that of one person: most rows of an export do not change.
fn repeated(row: &Row, change: &Row) -> Row {
    if row.person != change.person {
        return row.clone();
    }
    let mut row = row.clone();
    row.fields.extend(change.fields.clone());
    row.tags.extend(change.tags.difference(&row.remove_tags).cloned());
    row
}

fn csv(rows: &[Row]) -> Vec<u8> {
    let names: Vec<String> = (0..FIELDS).map(|field| format!("field{field:02}")).collect();
    let mut csv = csv::Writer::from_writer(Vec::new());
    let header = MATCH.iter().copied().chain(names.iter().map(String::as_str)).chain(["tags", "remove_tags"]);
    csv.write_record(header).expect("memory");
    for row in rows {
        let join = |tags: &BTreeSet<String>| tags.iter().cloned().collect::<Vec<_>>().join(";");
        let wanted = row.wanted();
        let cell = |name: &str| wanted.get(name).cloned().unwrap_or_default();
        let cells = MATCH.iter().map(|name| cell(name)).chain(names.iter().map(|name| cell(name)));
        csv.write_record(cells.chain([join(&row.tags), join(&row.remove_tags)])).expect("memory");
    }
    csv.into_inner().expect("memory")
}

fn insert(sandbox: &Sandbox, model: &mut Model, person: usize, has_crm_id: bool, stored: &Stored) {
    let mut stored = stored.clone();
    for field in MATCH.iter().filter(|field| has_crm_id || **field != "crmId") {
        stored.fields.insert((*field).to_owned(), match_value(person, field));
    }
    let fields = stored.fields.iter().map(|(name, value)| Field::text(name, value));
    sandbox.insert(TOKEN, fields, stored.tags.iter().cloned());
    model.platform.insert(person, stored);
}

fn on_platform(sandbox: &Sandbox) -> BTreeMap<usize, Stored> {
    let mut people = BTreeMap::new();
    for contact in sandbox.contacts(TOKEN) {
        let fields: BTreeMap<String, String> =
            contact.fields.into_iter().map(|(name, value)| (name, value.text().into_owned())).collect();
        let person = (0..PEOPLE)
            .find(|person| fields["email"] == match_value(*person, "email"))
            .expect("each contact has its e-mail");
        assert!(people.insert(person, Stored { fields, tags: contact.tags }).is_none(), "person {person} twice");
    }
    people
}

async fn check(history: History) {
    let harness = Harness::unlimited().await;
    let mut model = Model::default();
    for (person, has_crm_id, stored) in &history.existing {
        insert(&harness.sandbox, &mut model, *person, *has_crm_id, stored);
    }
    let tags_mode = if history.mirror { "mirror" } else { "add" };
    let values = if history.hashed { "hashed" } else { "plain" };
    for (nth, night) in history.nights.iter().enumerate() {
        for (person, edit) in &night.edits {
            edit_on_platform(&harness.sandbox, &model, *person, edit);
            model.edit(*person, edit);
        }
        let mut fewest = Calls::default();
        let rows: Vec<Row> = night.rows.iter().map(|row| model.with_known_removals(row)).collect();
        for row in &rows {
            fewest.add(model.execute(row, history.mirror));
        }
        harness.write("in.csv", csv(&rows));
        let sync = format!("in.csv --match crmId --match email --tags-mode {tags_mode} --values {values}");
        let interrupted = night.interrupted_after.filter(|calls| *calls < fewest.total());
        match interrupted {
            Some(calls) => {
                harness.sync(&format!("{sync} --max-calls {calls}")).run().await.exits(4);
                harness.resume().run().await.exits(0);
            }
            None => drop(harness.sync(&sync).run().await.exits(0)),
        }
        assert_eq!(harness.calls(), fewest.in_words(), "night {nth}, interrupted: {interrupted:?}: {history:#?}");
        assert_eq!(on_platform(&harness.sandbox), model.platform, "night {nth}: {history:#?}");
    }
}

// An edit by a user of the platform: no API call, so the ledger does not have it.
fn edit_on_platform(sandbox: &Sandbox, model: &Model, person: usize, edit: &Stored) {
    if !model.platform.contains_key(&person) {
        return;
    }
    let email = match_value(person, "email");
    let id = sandbox
        .contacts(TOKEN)
        .into_iter()
        .find(|contact| contact.fields.get("email").is_some_and(|value| value.text() == email))
        .expect("it is there")
        .id;
    let fields = edit.fields.iter().map(|(name, value)| Field::text(name, value));
    assert!(sandbox.edit(TOKEN, &id, fields, edit.tags.iter().cloned()), "person {person} is there");
}

#[test]
fn each_night_takes_the_fewest_calls_that_its_history_allows() {
    let cases = env::var("CASES").ok().map_or(40, |cases| cases.parse().expect("CASES is a number"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 50, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&any_history(), |history| {
            runtime.block_on(check(history));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// A contact of a large input: its fields and tags.
fn contact_of_many(nth: usize) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let fields =
        [("crmId", format!("crm-{nth}")), ("name", format!("Person {nth}")), ("city", format!("City {}", nth % 50))];
    // Most contacts have no tags: each first tag would be a call.
    let tags: &[&str] = if nth < 200 { &["client", "newsletter"] } else { &[] };
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    (fields.collect(), tags.iter().map(|tag| (*tag).to_owned()).collect())
}

#[tokio::test]
async fn a_second_file_of_ten_thousand_contacts_takes_exactly_the_calls_of_its_changes() {
    const CONTACTS: usize = 10_000;
    let harness = Harness::unlimited().await;
    let write = |contacts: &[(BTreeMap<String, String>, BTreeSet<String>)]| {
        let mut csv = String::from("crmId,name,city,tags\n");
        for (fields, tags) in contacts {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let line = [fields["crmId"].as_str(), &fields["name"], &fields["city"], &tags.join(";")].join(",");
            csv.push_str(&line);
            csv.push('\n');
        }
        harness.write("in.csv", csv);
    };
    let mut contacts: Vec<_> = (0..CONTACTS).map(contact_of_many).collect();
    write(&contacts);
    let sync = || harness.sync("in.csv --match crmId --tags-mode mirror").run();
    let ran = sync().await.exits(0);
    assert_eq!(ran.summary().rows(), "10000 created");
    assert_eq!(harness.calls(), "10000 find, 10000 create, 200 add_tags");
    // 100 with another value in one field, 20 with one tag more, 10 with one tag less, and 50 that are new with 12 tags.
    for (nth, (fields, _)) in contacts.iter_mut().skip(1_000).take(100).enumerate() {
        fields.insert(if nth % 2 == 0 { "name" } else { "city" }.into(), format!("Changed {nth}"));
    }
    for (_, tags) in contacts.iter_mut().skip(100).take(20) {
        tags.insert("vip".into());
    }
    for (_, tags) in contacts.iter_mut().skip(50).take(10) {
        tags.remove("newsletter");
    }
    for nth in CONTACTS..CONTACTS + 50 {
        let (fields, _) = contact_of_many(nth);
        contacts.push((fields, (0..12).map(|tag| format!("tag {tag:02}")).collect()));
    }
    write(&contacts);
    let ran = sync().await.exits(0);
    assert_eq!(ran.summary().rows(), "50 created, 130 updated, 9870 unchanged");
    assert_eq!(harness.calls(), "50 find, 50 create, 100 update, 120 add_tags, 10 remove_tags");
    let found: BTreeMap<String, _> = harness
        .sandbox
        .contacts(TOKEN)
        .into_iter()
        .map(|contact| {
            let fields: BTreeMap<String, String> =
                contact.fields.into_iter().map(|(name, value)| (name, value.text().into_owned())).collect();
            (fields["crmId"].clone(), (fields, contact.tags))
        })
        .collect();
    let wanted: BTreeMap<String, _> =
        contacts.into_iter().map(|contact| (contact.0["crmId"].clone(), contact)).collect();
    assert!(found == wanted, "the platform is as wanted");
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), CONTACTS + 50, "no contact is there twice");
    // And nothing is left to do.
    let ran = sync().await.exits(0);
    assert_eq!((ran.summary().rows(), harness.calls()), ("10050 unchanged".into(), "none".into()));
}
