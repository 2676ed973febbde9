//! What the planner decides, as tables of cases.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::core::diff::TagsMode;
use crate::core::forecast::Forecast;
use crate::core::model::{ContactId, Draft, Field, Known, Mode};
use crate::core::task::Outcome;

const MATCH_FIELDS: [&str; 2] = ["email", "phone"];

fn planner(duplicates: Duplicates) -> Planner {
    Planner { duplicates, match_fields: MATCH_FIELDS.map(str::to_owned).to_vec(), retry_rejected: false }
}

/// `email=a phone=1` are match fields, `#7` is the id, `+tag` a tag, and any other `name=value` a field.
fn contact(text: &str) -> Contact {
    let mut draft = Draft::default();
    for word in text.split_whitespace() {
        if let Some(id) = word.strip_prefix('#') {
            draft.id = ContactId::new(id);
        } else if let Some(tag) = word.strip_prefix('+') {
            draft.tags.push(tag.into());
        } else {
            let (name, value) = word.split_once('=').unwrap();
            let fields = if MATCH_FIELDS.contains(&name) { &mut draft.matches } else { &mut draft.fields };
            fields.push(Field::text(name, value));
        }
    }
    Contact::new(draft).unwrap()
}

/// What becomes of each row, in one word and the row that it refers to; rows count from 1, and row n begins on line n + 1.
fn resolved(rows: &[&str], duplicates: Duplicates) -> Vec<String> {
    let (planner, mut seen) = (planner(duplicates), SeenRows::new(duplicates));
    let mut states = Vec::new();
    for (row, text) in (1_u64..).zip(rows) {
        let Ok(resolution) = planner.resolve_duplicate(contact(text), &seen);
        seen.note(row, row + 1, &resolution, true);
        states.push(match resolution.role {
            RowRole::Counts { replaced: None } => "new".to_owned(),
            RowRole::Counts { replaced: Some(replaced) } => format!("replaces {}", replaced.row),
            RowRole::Merged { into } => format!("merged into {}", into.row),
            RowRole::Rejected { earlier, .. } => format!("rejected for {}", earlier.row),
        });
    }
    states
}

#[test]
fn duplicates_decides_which_row_of_a_contact_counts() {
    let check = |rows: &[&str], expected: [&[&str]; 4]| {
        for (duplicates, expected) in Duplicates::ALL.into_iter().zip(expected) {
            assert_eq!(resolved(rows, duplicates), expected, "{duplicates} {rows:?}");
        }
    };
    // In the order of `Duplicates::ALL`: last, first, merge, reject.
    check(&["email=a", "email=b"], [&["new", "new"]; 4]);
    check(
        &["email=a", "email=b", "email=a", "email=a"],
        [
            &["new", "new", "replaces 1", "replaces 3"],
            &["new", "new", "merged into 1", "merged into 1"],
            &["new", "new", "replaces 1", "replaces 3"],
            &["new", "new", "rejected for 1", "rejected for 1"],
        ],
    );
    // Case makes another value.
    check(&["email=a", "email=A"], [&["new", "new"]; 4]);
    // An id is a key for rows without match fields only.
    check(
        &["#7 email=a", "#7 name=Ann", "#7 name=Bo"],
        [
            &["new", "new", "replaces 2"],
            &["new", "new", "merged into 2"],
            &["new", "new", "replaces 2"],
            &["new", "new", "rejected for 2"],
        ],
    );
    // Rows without id and match field are contacts each, however equal they are.
    check(&["name=Ann", "name=Ann", "name=Bo", "name=Ann"], [&["new"; 4]; 4]);
}

#[test]
fn a_contact_is_recognised_by_each_of_its_match_values() {
    let check = |rows: &[&str], expected: [&[&str]; 4]| {
        for (duplicates, expected) in Duplicates::ALL.into_iter().zip(expected) {
            assert_eq!(resolved(rows, duplicates), expected, "{duplicates} {rows:?}");
        }
    };
    let one_contact: [&[&str]; 4] =
        [&["new", "replaces 1"], &["new", "merged into 1"], &["new", "replaces 1"], &["new", "rejected for 1"]];
    check(&["email=a phone=1", "phone=1"], one_contact);
    check(&["email=a phone=1", "email=a"], one_contact);
    check(&["phone=1", "email=a phone=1"], one_contact);
    // Another email makes another contact, though they share a phone.
    check(&["email=a phone=1", "email=b phone=1"], [&["new", "new"]; 4]);
    check(&["email=a", "phone=1"], [&["new", "new"]; 4]);
    // A row that is merged brings its values, and a rejected one does not.
    check(
        &["email=a", "email=a phone=1", "phone=1"],
        [
            &["new", "replaces 1", "replaces 2"],
            &["new", "merged into 1", "merged into 1"],
            &["new", "replaces 1", "replaces 2"],
            &["new", "rejected for 1", "new"],
        ],
    );
}

#[test]
fn a_row_with_the_values_of_two_contacts_is_rejected() {
    let check = |rows: &[&str], expected: [&[&str]; 4]| {
        for (duplicates, expected) in Duplicates::ALL.into_iter().zip(expected) {
            assert_eq!(resolved(rows, duplicates), expected, "{duplicates} {rows:?}");
        }
    };
    check(
        &["email=a", "phone=1", "email=a phone=1", "phone=1", "email=a"],
        [
            &["new", "new", "rejected for 2", "replaces 2", "replaces 1"],
            &["new", "new", "merged into 1", "merged into 2", "merged into 1"],
            &["new", "new", "rejected for 2", "replaces 2", "replaces 1"],
            &["new", "new", "rejected for 1", "rejected for 2", "rejected for 1"],
        ],
    );
    // Of a family that shares a phone, each has another email.
    check(
        &["email=a phone=1", "email=b phone=1", "email=b phone=1"],
        [
            &["new", "new", "replaces 2"],
            &["new", "new", "merged into 2"],
            &["new", "new", "replaces 2"],
            &["new", "new", "rejected for 2"],
        ],
    );
}

#[test]
fn equal_rows_without_a_key_are_numbered() {
    let (planner, mut seen) = (planner(Duplicates::Last), SeenRows::default());
    let mut keys = BTreeSet::new();
    for row in 1..=3 {
        let Ok(resolution) = planner.resolve_duplicate(contact("name=Ann"), &seen);
        seen.note(row, row, &resolution, false);
        let Resolution { contact, role: RowRole::Counts { replaced: None } } = resolution else {
            panic!("{resolution:?}")
        };
        assert!(matches!(contact.key(), Key::Row { nth, .. } if u64::from(*nth) == row), "{contact:?}");
        keys.insert(contact.key().to_string());
    }
    assert_eq!(keys.len(), 3);
}

#[test]
fn a_kept_contact_follows_the_row_that_counts() {
    let check = |duplicates: Duplicates, expected: &[(u64, &str)]| {
        let (planner, mut seen) = (planner(duplicates), SeenRows::new(duplicates));
        for (row, text) in (1..).zip(["email=a name=Ann", "email=b", "email=a name=Bo city=Lima"]) {
            let Ok(resolution) = planner.resolve_duplicate(contact(text), &seen);
            seen.note(row, row + 1, &resolution, row == 1);
        }
        let kept = seen.into_kept();
        let kept: Vec<_> = kept.iter().map(|kept| (kept.counts.line, kept.contact.clone())).collect();
        let expected: Vec<_> = expected.iter().map(|(line, text)| (*line, contact(text))).collect();
        assert_eq!(kept, expected, "{duplicates}");
    };
    check(Duplicates::Last, &[(4, "email=a name=Bo city=Lima")]);
    check(Duplicates::First, &[(2, "email=a name=Ann")]);
    check(Duplicates::Merge, &[(4, "email=a name=Bo city=Lima")]);
    check(Duplicates::Reject, &[(2, "email=a name=Ann")]);
}

#[test]
fn the_reason_names_the_line_of_the_row_that_counts() {
    let earlier = EarlierRow { row: 3, line: 5 };
    assert_eq!(earlier.reason(), "merged into line 5");
    let repeated = DuplicateFault::Repeated.reason(&earlier);
    assert_eq!(repeated, "expected each contact once, found this one on line 5 too");
    let conflict = DuplicateFault::Conflict(Flaw::FieldTwice("name".into())).reason(&earlier);
    assert_eq!(conflict, "together with line 5, which is the same contact: field `name` occurs twice");
    let other = DuplicateFault::OfAnother("email".to_owned()).reason(&earlier);
    assert_eq!(
        other,
        "expected the match values of one contact, found the `email` of line 5, which is another contact"
    );
}

/// All rows and keys whole, and what earlier runs left.
#[derive(Default)]
struct Reference {
    rows: BTreeMap<String, (EarlierRow, Contact)>,
    aliases: BTreeMap<String, Key>,
    known: BTreeMap<String, RemoteState>,
    rejected: BTreeMap<String, PastRejection>,
}

impl Reference {
    fn note(&mut self, row: u64, resolution: &Resolution) {
        let Resolution { contact, role } = resolution;
        match role {
            RowRole::Counts { .. } => {
                let counts = EarlierRow { row, line: row + 1 };
                self.rows.insert(contact.key().to_string(), (counts, contact.clone()));
            }
            RowRole::Merged { .. } => {}
            RowRole::Rejected { .. } => return,
        }
        for value in aliases(contact) {
            self.aliases.insert(value.to_string(), contact.key().clone());
        }
    }
}

impl PriorRows for Reference {
    type Error = Infallible;

    fn key_of(&self, value: &Key) -> Result<Option<Key>, Infallible> {
        let text = value.to_string();
        let is_key = self.rows.contains_key(&text) || self.known.contains_key(&text);
        Ok(if is_key { Some(value.clone()) } else { self.aliases.get(&text).cloned() })
    }

    fn equal_rows(&self, digest: &str) -> Result<u32, Infallible> {
        let begin = format!("#{digest}.");
        Ok(u32::try_from(self.rows.keys().filter(|key| key.starts_with(&begin)).count()).unwrap())
    }

    fn earlier(&self, key: &Key) -> Result<Option<EarlierRow>, Infallible> {
        Ok(self.rows.get(&key.to_string()).map(|(row, _)| *row))
    }

    fn earlier_contact(&self, earlier: &EarlierRow) -> Result<Contact, Infallible> {
        Ok(self.rows.values().find(|(row, _)| row == earlier).expect("it counts").1.clone())
    }

    fn remote_state(&self, key: &Key) -> Result<RemoteState, Infallible> {
        Ok(self.known.get(&key.to_string()).cloned().unwrap_or(RemoteState::Unknown))
    }

    fn past_rejection(&self, contact: &Contact, _: Policy) -> Result<Option<PastRejection>, Infallible> {
        Ok(self.rejected.get(&contact.key().to_string()).cloned())
    }
}

fn policy(mode: Mode) -> Policy {
    let search_lag = Duration::ZERO;
    Policy { mode, tags_mode: TagsMode::Add, search_lag, retry_in_doubt: false, search_first: false }
}

#[test]
fn the_remote_state_decides_whether_a_row_is_unchanged_or_pending() {
    let known = |text: &str| {
        let contact = contact(text);
        let fields = contact.fields().iter().map(|field| (field.name.to_string(), field.value.clone()));
        RemoteState::Known(Known { fields: fields.collect(), ..Known::only_id(ContactId::new("7").unwrap()) })
    };
    let prior = Reference {
        known: BTreeMap::from([("email=a".to_owned(), known("email=a phone=1 name=Ann"))]),
        aliases: BTreeMap::from([("phone=1".to_owned(), Key::of(&Field::text("email", "a")))]),
        ..Reference::default()
    };
    let check = |text: &str, mode: Mode, key: &str, is_pending: bool| {
        let planner = planner(Duplicates::Last);
        let Ok(Resolution { contact, role }) = planner.resolve_duplicate(contact(text), &prior);
        assert_eq!((contact.key().to_string().as_str(), role), (key, RowRole::Counts { replaced: None }), "{text}");
        let Ok(decision) = planner.decide(&contact, policy(mode), &prior, Timestamp::default());
        match decision {
            Decision::Done(outcome) => assert!(outcome == Outcome::Unchanged && !is_pending, "{text}: {outcome:?}"),
            Decision::Pending(forecast) => assert!(is_pending && forecast != Forecast::default(), "{text}"),
            Decision::Waiting(reason) => panic!("{text}: {reason}"),
        }
    };
    check("email=a name=Ann", Mode::Upsert, "email=a", false);
    check("email=a name=Bo", Mode::Upsert, "email=a", true);
    check("email=a name=Bo", Mode::Create, "email=a", false);
    check("email=b name=Ann", Mode::Create, "email=b", true);
    // By an alias of an earlier run.
    check("phone=1 name=Ann", Mode::Upsert, "email=a", false);
    check("phone=1 name=Bo", Mode::Upsert, "email=a", true);
    // Another email makes it another contact, because emails are tried first.
    check("email=b phone=1 name=Ann", Mode::Upsert, "email=b", true);
}

#[test]
fn a_row_that_was_rejected_is_pending_only_when_it_is_due_or_asked_for() {
    let tried_at = Timestamp::from_millis(1_700_000_000_000);
    let rejection = PastRejection { tries: 1, tried_at, reason: "unknown field".into() };
    let known = Known { fields: BTreeMap::new(), ..Known::only_id(ContactId::new("7").unwrap()) };
    let prior = Reference {
        known: BTreeMap::from([("email=c".to_owned(), RemoteState::Known(known))]),
        rejected: ["a", "c"].map(|email| (format!("email={email}"), rejection.clone())).into(),
        ..Reference::default()
    };
    // What becomes of a row so many hours after the try.
    let check = |text: &str, hours: u64, retry_rejected: bool, mode: Mode, expected: &str| {
        let planner = Planner { retry_rejected, ..planner(Duplicates::Last) };
        let now = tried_at + Duration::from_hours(hours);
        let Ok(decision) = planner.decide(&contact(text), policy(mode), &prior, now);
        let decision = match decision {
            Decision::Pending(_) => "pending".to_owned(),
            Decision::Waiting(reason) => reason,
            Decision::Done(outcome) => outcome.reason().unwrap_or(outcome.name()).to_owned(),
        };
        assert_eq!(decision, expected, "{text} {hours} {retry_rejected}");
    };
    let waiting = "still rejected after 1 try (next try in 14 hours): unknown field";
    for text in ["email=a name=Ann", "email=c name=Cy"] {
        check(text, 10, false, Mode::Upsert, waiting);
        check(text, 10, true, Mode::Upsert, "pending");
        check(text, 24, false, Mode::Upsert, "pending");
    }
    check("email=b name=Bo", 10, false, Mode::Upsert, "pending");
    // Nothing is to be sent for it.
    check("email=c name=Cy", 10, false, Mode::Create, "unchanged");
}

fn any_row() -> impl Strategy<Value = String> {
    let pick = |words: &'static [&'static str]| proptest::sample::select(words);
    let words = (
        pick(&["", "email=a", "email=b", "email=c"]),
        pick(&["", "", "phone=1", "phone=2", "phone=3"]),
        pick(&["", "", "", "#7", "#8"]),
        pick(&["name=Ann", "name=Bo"]),
        pick(&["", "+x", "+y"]),
    );
    words.prop_map(|(email, phone, id, name, tag)| [email, phone, id, name, tag].join(" "))
}

proptest! {
    #[test]
    fn digests_of_keys_give_the_plans_that_whole_keys_give(rows in proptest::collection::vec(any_row(), 1..30)) {
        for duplicates in Duplicates::ALL {
            let planner = planner(duplicates);
            let (mut seen, mut reference) = (SeenRows::new(duplicates), Reference::default());
            for (row, text) in (1..).zip(&rows) {
                let Ok(expected) = planner.resolve_duplicate(contact(text), &reference);
                let Ok(found) = planner.resolve_duplicate(contact(text), &seen);
                prop_assert_eq!(&found, &expected, "{} row {}", duplicates, row);
                seen.note(row, row + 1, &found, true);
                reference.note(row, &expected);
            }
        }
    }

    #[test]
    fn each_contact_has_one_row_that_counts(rows in proptest::collection::vec(any_row(), 1..30)) {
        for duplicates in Duplicates::ALL {
            let (planner, mut seen) = (planner(duplicates), SeenRows::new(duplicates));
            // The contact of each row that counts.
            let mut counting: BTreeMap<u64, Contact> = BTreeMap::new();
            let key = |counting: &BTreeMap<u64, Contact>, row: u64| counting.get(&row).map(|contact| contact.key().clone());
            for (row, text) in (1..).zip(&rows) {
                let Ok(resolution) = planner.resolve_duplicate(contact(text), &seen);
                seen.note(row, row + 1, &resolution, true);
                let Resolution { contact, role } = resolution;
                match role {
                    RowRole::Counts { replaced } => {
                        if let Some(replaced) = replaced {
                            prop_assert_eq!(key(&counting, replaced.row), Some(contact.key().clone()));
                            counting.remove(&replaced.row);
                        }
                        counting.insert(row, contact);
                    }
                    RowRole::Rejected { earlier, fault: DuplicateFault::OfAnother(_) } => {
                        let other = key(&counting, earlier.row);
                        prop_assert!(other.as_ref().is_some_and(|other| other != contact.key()), "{:?}", other);
                    }
                    RowRole::Merged { into: earlier }
                    | RowRole::Rejected { earlier, fault: DuplicateFault::Repeated | DuplicateFault::Conflict(_) } => {
                        prop_assert_eq!(key(&counting, earlier.row), Some(contact.key().clone()));
                    }
                }
            }
            let contacts: Vec<&Contact> = counting.values().collect();
            let keys: BTreeSet<String> = contacts.iter().map(|contact| contact.key().to_string()).collect();
            prop_assert_eq!(keys.len(), contacts.len(), "{}", duplicates);
            // Two contacts are only sent with one match value if they have different values in another match field.
            let values = |contact: &Contact| -> BTreeSet<String> {
                let own = [contact.key().clone()].into_iter().filter(|key| matches!(key, Key::Match { .. }));
                contact.matches().iter().map(Key::of).chain(own).map(|value| value.to_string()).collect()
            };
            for (at, one) in contacts.iter().enumerate() {
                for other in &contacts[at + 1..] {
                    let (one, other) = (values(one), values(other));
                    let field = |value: &String| value.split_once('=').map(|(field, _)| field.to_owned());
                    let differ = one.iter().any(|one_value| {
                        other.iter().any(|value| field(value) == field(one_value) && value != one_value)
                    });
                    prop_assert!(differ || one.is_disjoint(&other), "{duplicates} {one:?} {other:?} {rows:?}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_rows_does_not_change_the_contacts(
        rows in proptest::collection::vec((0..5_u8, any::<bool>()), 1..20),
    ) {
        // Every contact begins with a row that has both of its match values; the others have one of them.
        let texts: Vec<(u8, String)> =
            rows.iter().map(|(n, by_email)| (*n, if *by_email { format!("email={n}") } else { format!("phone={n}") })).collect();
        let contacts: BTreeSet<u8> = texts.iter().map(|(n, _)| *n).collect();
        let first = contacts.iter().map(|n| (*n, format!("email={n} phone={n}")));
        let rows: Vec<(u8, String)> = first.chain(texts).collect();
        let texts: Vec<&str> = rows.iter().map(|(_, text)| text.as_str()).collect();
        for duplicates in Duplicates::ALL {
            let states = resolved(&texts, duplicates);
            for ((n, text), state) in rows.iter().zip(&states).skip(contacts.len()) {
                let earlier: usize = state.rsplit(' ').next().and_then(|row| row.parse().ok()).expect("no new contact");
                prop_assert_eq!(rows[earlier - 1].0, *n, "{} {}", duplicates, text);
            }
        }
    }
}
