//! Syncs without faults: a first one, one without changes, one of a changed file, and searches on the framework.

use serde_json::json;

use crate::platform::{Platform, Settings};
use support::{Harness, People};

/// More fields than one call takes, so that an update follows the create, and more tags than one call takes.
const FIELDS: usize = 35;
const TAGS: usize = 12;

#[tokio::test]
async fn a_first_sync_then_a_night_without_changes_then_a_changed_file() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    let harness = Harness::unlimited().await;
    let mut people = People::new(4, FIELDS, TAGS);
    harness.write("in.csv", people.csv());
    let first = platform.sync(&harness, "in.csv --match email").run().await.exits(0).summary();
    assert_eq!(first.rows(), "4 created");
    assert_eq!(first.calls(), "4 find, 4 create, 4 update, 8 add_tags");
    platform.has_exactly(&people);
    let calls = platform.calls().len();
    assert_eq!(calls, 20);

    let second = platform.sync(&harness, "in.csv --match email").run().await.exits(0).summary();
    assert_eq!((second.rows().as_str(), second.calls().as_str()), ("4 unchanged", "none"));
    assert_eq!(platform.calls().len(), calls);

    people.person(1).fields[3].1 = "otro valor: ñ".into();
    people.person(2).tags.push("nueva".into());
    harness.write("in.csv", people.csv());
    let third = platform.sync(&harness, "in.csv --match email").run().await.exits(0).summary();
    assert_eq!(third.rows(), "2 updated, 2 unchanged");
    assert_eq!(third.calls(), "1 update, 1 add_tags");
    platform.has_exactly(&people);

    // With a new journal, a search finds each contact.
    let fourth = platform.sync_into(&harness, "new.db", "in.csv --match email").run().await.exits(0).summary();
    assert_eq!((fourth.rows().as_str(), fourth.calls().as_str()), ("4 unchanged", "4 find"));
    platform.has_exactly(&people);
}

/// The search ignores case here, as `MySQL` usually does, and the paginator gives ten contacts a page.
#[tokio::test]
async fn a_search_reads_every_page_of_the_paginator() {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    for nth in 0..12 {
        let email = if nth == 11 { "ana@example.com" } else { "ANA@example.com" };
        let fields = json!({ "email": email, "plan": "free" }).to_string();
        let values = format!("('cus_{nth}', 1, '{fields}', '[]', '2026-01-01 00:00:{nth:02}')");
        platform.execute(&format!("INSERT INTO contacts VALUES {values}"));
    }
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,plan\nana@example.com,pro\n");
    let ran = platform.sync(&harness, "in.csv --match email").run().await.exits(0).summary();
    assert_eq!((ran.rows().as_str(), ran.calls().as_str()), ("1 updated", "2 find, 1 update"));
    let changed: Vec<_> = platform.contacts().into_iter().filter(|(fields, _)| fields["plan"] == "pro").collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].0["email"], "ana@example.com");
    assert_eq!(platform.count(), 12);
}

/// The framework's middleware trims values before they are stored, and trims the value of a search (API.md, trap 10).
#[tokio::test]
async fn a_value_that_is_stored_trimmed_is_found_again() {
    // The value in the file and the stored value.
    let values = [
        (" Ana ", "Ana"),
        ("\tLuis\n", "Luis"),
        ("\u{a0}Eva\u{a0}", "Eva"),
        ("\u{3000}Rosa", "Rosa"),
        ("Mar  Sol", "Mar  Sol"),
        ("Zoë\u{b}", "Zoë"),
    ];
    check_stored(&values).await;
}

/// PHP's `trim` removes NUL too, which other languages do not treat as whitespace.
#[tokio::test]
async fn a_value_that_ends_in_nul_is_found_again() {
    check_stored(&[("Iris\0", "Iris"), ("\0Inés", "Inés")]).await;
}

/// Syncs contacts with these match values, each with the expected stored value: twice, and again with a new journal.
async fn check_stored(values: &[(&str, &str)]) {
    let Some(platform) = Platform::start(Settings::DOCUMENTED) else { return };
    let harness = Harness::unlimited().await;
    let lines: Vec<String> =
        values.iter().map(|(name, _)| json!({ "name": name, "note": " \n" }).to_string()).collect();
    harness.write("in.jsonl", lines.join("\n"));
    platform.sync(&harness, "in.jsonl --match name").run().await.exits(0);
    let mut stored: Vec<String> = platform.contacts().into_iter().map(|(fields, _)| fields["name"].clone()).collect();
    let mut expected: Vec<&str> = values.iter().map(|(_, stored)| *stored).collect();
    stored.sort_unstable();
    expected.sort_unstable();
    assert_eq!(stored, expected);

    let calls = platform.calls().len();
    platform.sync(&harness, "in.jsonl --match name").run().await.exits(0);
    assert_eq!(platform.calls().len(), calls, "a second night sends nothing");
    let found = platform.sync_into(&harness, "new.db", "in.jsonl --match name").run().await.exits(0).summary();
    assert_eq!(found.count("created"), 0, "{:?}", platform.contacts());
    assert_eq!(platform.count(), values.len());
}
