//! `check` applies the guards of a sync, and makes at most seven calls to a channel.

use contactsync::Field;
use contactsync::sandbox::{Config, Fault, Faults, Rule};

use super::plans::content;
use support::{Harness, JOURNAL, People, TOKEN};

const OTHER: &str = "other-token";

/// `check` with the harness's platform and journal.
fn check(harness: &Harness, more: &str) -> String {
    format!("check {more} --journal {JOURNAL} --url {}", harness.sandbox.url())
}

/// The known contacts under the same ids in another channel.
fn copy(harness: &Harness) {
    for known in harness.sandbox.contacts(TOKEN) {
        let fields: Vec<Field> = known
            .fields
            .iter()
            .map(|(name, value)| Field { name: name.as_str().into(), value: value.clone() })
            .collect();
        harness.sandbox.insert_as(OTHER, known.id.clone(), fields);
    }
}

#[tokio::test]
async fn a_check_makes_at_most_seven_calls_to_a_channel() {
    let lost = |from, until| Rule::always(Fault::LoseBefore).from_call(from).until_call(until);
    // The calls that get no answer, counted from 1; the exit code; and what the output has.
    let cases: [(&str, Vec<Rule>, i32, &str); 4] = [
        ("all are answered", vec![], 0, "the token is new and belongs to the same channel; the token works"),
        (
            "one read is repeated",
            vec![lost(1, 2)],
            0,
            "the token is new and belongs to the same channel; the token works",
        ),
        (
            "each read is repeated",
            vec![lost(1, 2), lost(4, 5), lost(7, 8), lost(10, 11)],
            4,
            "too many reads of known contacts were left without an answer",
        ),
        ("none is answered", vec![lost(1, 1_000)], 4, "the platform does not answer"),
    ];
    let people = People::new(8, 3, 1);
    for (case, rules, code, expected) in cases {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", people.csv());
        harness.sync("in.csv --match email").run().await.exits(0);
        copy(&harness);
        harness.sandbox.set_faults(Faults { rules, ..Faults::default() });
        let before = harness.sandbox.ledger().len();
        let ran = harness.program(&check(&harness, "in.csv --match email")).token(Some(OTHER)).run().await.exits(code);
        let calls = harness.sandbox.ledger().len() - before;
        assert!(calls <= 7, "{case}: {calls} calls: {ran:?}");
        assert!(ran.stdout.contains(expected) || ran.stderr.contains(expected), "{case}: {ran:?}");
    }
}

#[tokio::test]
async fn a_check_with_a_renewed_token_makes_at_most_seven_calls() {
    let people = People::new(8, 3, 1);
    let harness = Harness::of(Config { rate: 0, tokens: vec![TOKEN.into(), OTHER.into()], ..Config::default() }).await;
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    copy(&harness);
    // The command prints a token that is refused, then another one.
    harness.write("print.sh", format!("test -e asked && echo {OTHER} || echo expired; touch asked"));
    let before = harness.sandbox.ledger().len();
    let program = harness.program(&check(&harness, "in.csv --match email")).token(None);
    let ran = program.argument("--token-command").argument("sh print.sh").run().await.exits(0);
    assert!(ran.stdout.contains("the token works"), "{ran:?}");
    assert_eq!(harness.sandbox.ledger().len() - before, 7, "{ran:?}");
}

#[tokio::test]
async fn a_check_reports_the_url_and_the_match_fields_that_a_sync_refuses() {
    let (old, new) = (Harness::unlimited().await, Harness::unlimited().await);
    old.write("in.csv", "email,phone\nann@example.com,+525512345678\n");
    old.sync("in.csv --match email").run().await.exits(0);
    let _ = old.calls();
    let at = |url: String, more: &str| old.program(&format!("check --journal {JOURNAL} --url {url} {more}"));
    let other_fields = "its contacts are known by `email`, found `phone`";
    // What is found, and whether the platform is called.
    let check = async |url: String, more: &str, found: &[&str], calls: &str| {
        let ran = at(url, more).run().await.exits(if found.is_empty() { 0 } else { 2 });
        let errors = ran.stderr_lines("error:");
        assert_eq!(errors.len(), found.len(), "{more}: {ran:?}");
        for (error, found) in errors.iter().zip(found) {
            assert!(error.contains("channel `default`") && error.contains(found), "{found}: {error}");
        }
        assert_eq!(ran.stdout.contains("default: not ready"), !found.is_empty(), "{more}: {ran:?}");
        assert_eq!((old.calls().as_str(), new.calls().as_str()), ("none", calls), "{more}");
    };
    let (known, found) = (old.sandbox.url(), new.sandbox.url());
    let other_url = format!("its contacts are on {known}, found {found}");
    check(found.clone(), "--match email", &[&other_url], "none").await;
    check(found.clone(), "in.csv --match email", &[&other_url], "none").await;
    check(found.clone(), "--match phone --mode create", &[&other_url, other_fields], "none").await;
    check(found.clone(), "--match phone --mode create --moved", &[other_fields], "none").await;
    // The same platform elsewhere.
    for contact in old.sandbox.contacts(TOKEN) {
        new.sandbox.insert_as(TOKEN, contact.id, [Field::text("email", "ann@example.com")]);
    }
    check(found, "--match email --moved", &[], "1 find").await;
    // It wrote nothing: the contacts are still at the old URL.
    old.program(&check_at(&known)).run().await.exits(0);
    assert_eq!(old.calls(), "1 find");
    old.program(&format!("{} --match phone --mode create", check_at(&known))).run().await.exits(2);
    assert_eq!(old.calls(), "none");

    // A plan refuses what a sync refuses.
    for (command, ran) in [
        ("plan", old.plan("in.csv --match phone --mode create").run().await.exits(2)),
        ("sync", old.sync("in.csv --match phone --mode create").run().await.exits(2)),
    ] {
        assert!(ran.stderr.contains(other_fields), "{command}: {ran:?}");
    }
}

fn check_at(url: &str) -> String {
    format!("check --journal {JOURNAL} --url {url}")
}

// Before the first sync there is no journal in which a check could write down its calls.
#[tokio::test]
async fn the_calls_of_a_check_are_not_reported_as_those_of_another_client() {
    const OTHERS: &str = "used this token";
    let people = People::new(4, 3, 0);
    let synced = async |checks: usize| {
        let harness = Harness::of(Config::default()).await;
        harness.write("in.csv", people.csv());
        for _ in 0..checks {
            harness.program(&check(&harness, "in.csv --match email --rate 100")).run().await.exits(0);
        }
        let url = harness.sandbox.url();
        let ran =
            harness.program(&format!("sync in.csv --match email --journal {JOURNAL} --url {url} --rate 100")).run();
        ran.await.exits(0)
    };
    let ran = synced(1).await;
    assert!(!ran.stderr.contains(OTHERS), "{ran:?}");
    // More than a check makes may be another client's.
    let ran = synced(3).await;
    assert!(ran.stderr.contains(OTHERS), "{ran:?}");
}

/// The journal's bytes.
fn bytes(harness: &Harness) -> Vec<u8> {
    std::fs::read(harness.path(JOURNAL)).expect("a journal")
}

// A check opens the journal to write only for its calls, which count towards the rate limit.
#[tokio::test]
async fn a_plan_and_a_check_without_calls_leave_the_bytes_of_the_journal() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(20, 3, 1).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.write("changed.csv", People::new(25, 4, 1).csv());
    let _ = harness.calls();
    let url = harness.sandbox.url();
    let without_url = format!("check in.csv --match email --journal {JOURNAL}");
    let before = bytes(&harness);
    for (command, token, code) in [
        (format!("plan changed.csv --match email --journal {JOURNAL} --url {url}"), Some(TOKEN), 0),
        // The channel has no platform, no token, or another platform than before.
        (without_url.clone(), Some(TOKEN), 2),
        (format!("{without_url} --url {url}"), None, 2),
        (format!("{without_url} --url http://127.0.0.1:1/api"), Some(TOKEN), 2),
    ] {
        let ran = harness.program(&command).token(token).run().await.exits(code);
        assert!(bytes(&harness) == before, "{command}: {ran:?}");
    }
    assert_eq!(harness.calls(), "none");
}

#[tokio::test]
async fn a_check_writes_nothing_but_its_calls_into_the_journal() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(20, 3, 1).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let before = content(&harness.path(JOURNAL));
    harness.program(&check(&harness, "in.csv --match email")).run().await.exits(0);
    let after = content(&harness.path(JOURNAL));
    // The clock that the times of the calls refer to is written as well, and need not have changed.
    let changed = after.keys().filter(|table| *table != "clocks" && after[*table] != before[*table]);
    assert_eq!(changed.collect::<Vec<_>>(), ["calls"]);
}
