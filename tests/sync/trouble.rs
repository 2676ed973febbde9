//! Account and platform errors through the real program: how they are reported, how many calls they cost, and that they reject
//! no row.

use std::time::{Duration, Instant};

use contactsync::report::CallKind;
use contactsync::sandbox::{Config, Fault, Faults, Rule};

use support::{Harness, Output, People, TOKEN};

const FAST: &str = "--match email --search-lag 1s --concurrency 8";

fn faults(rules: impl IntoIterator<Item = Rule>) -> Faults {
    Faults { rules: rules.into_iter().collect(), ..Faults::default() }
}

async fn harness(rules: impl IntoIterator<Item = Rule>, people: &People) -> Harness {
    let harness = Harness::faulty(faults(rules)).await;
    harness.write("in.csv", people.csv());
    harness
}

/// The lines of the input that are reported as pending.
fn left(ran: &Output) -> Vec<u64> {
    let lines =
        ran.stderr_lines("warning: in.csv:").into_iter().filter(|line| line.contains(": left for the next run: "));
    lines.map(|line| line.split(':').nth(2).and_then(|line| line.parse().ok()).expect("a line")).collect()
}

/// Syncs the file again without faults and checks the platform.
async fn check_recovery(harness: &Harness, people: &People) {
    harness.sandbox.set_faults(Faults::default());
    harness.sync("in.csv").with(FAST).run().await.exits(0);
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn creates_that_all_fail_stop_the_run_after_few_calls() {
    let people = People::new(100, 2, 0);
    let harness = harness([Rule::always(Fault::Error).on(CallKind::Create)], &people).await;
    let begun = Instant::now();
    let ran = harness.sync("in.csv --outage-timeout 6s").with(FAST).run().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let summary = ran.summary();
    let reason = summary.text("reason");
    assert!(reason.starts_with("creates have failed for ") && reason.contains(" seconds: "), "{reason}");
    assert_eq!((summary.rows().as_str(), summary.text("state")), ("100 pending", "stopped"));
    assert!(harness.sandbox.ledger().len() <= 60, "{} calls", harness.sandbox.ledger().len());
    let tried = left(&ran);
    assert!((5..=15).contains(&tried.len()), "{ran:?}");
    assert!(ran.stderr.contains("every create call fails, other calls succeed; trying again in "), "{ran:?}");
    // In the summary too.
    let ran = harness.sync("in.csv --outage-timeout 1s --log-format json").with(FAST).run().await.exits(4);
    let named = ran.stderr.lines().filter(|line| line.starts_with('{') && line.contains(": left for the next run: "));
    assert!(named.count() >= 5, "{ran:?}");
    check_recovery(&harness, &people).await;
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 100);
}

#[tokio::test]
async fn a_few_rows_that_always_fail_are_reported_and_the_others_finish() {
    let people = People::new(200, 2, 1);
    let bad: Vec<usize> = (0..200).filter(|row| row % 20 == 7).collect();
    let rule =
        |row: &usize| Rule::always(Fault::Error).on(CallKind::Create).with_value(format!("person.{row}@example.com"));
    let harness = harness(bad.iter().map(rule), &people).await;
    let ran = harness.sync("in.csv").with(FAST).run().await.exits(4);
    let summary = ran.summary();
    assert_eq!(summary.rows(), "190 created, 10 pending");
    assert_eq!(summary.text("reason"), "10 contacts are left: their calls kept failing");
    let mut lines = left(&ran);
    lines.sort_unstable();
    let expected: Vec<u64> = bad.iter().map(|row| u64::try_from(row + 2).expect("a small number")).collect();
    assert_eq!(lines, expected, "{ran:?}");
    harness.sandbox.set_faults(Faults::default());
    let summary = harness.sync("in.csv").with(FAST).run().await.exits(0).summary();
    assert_eq!(summary.rows(), "10 created, 190 unchanged");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn only_the_first_of_many_failing_rows_are_reported() {
    let people = People::new(200, 2, 0);
    let rule =
        |row: usize| Rule::always(Fault::Error).on(CallKind::Create).with_value(format!("person.{row}@example.com"));
    let bad = || (0..200).filter(|row| row % 8 == 3);
    let harness = harness(bad().map(rule), &people).await;
    let ran = harness.sync("in.csv").with(FAST).run().await.exits(4);
    assert_eq!(ran.summary().rows(), "175 created, 25 pending");
    assert_eq!(left(&ran).len(), 20, "{ran:?}");
    assert_eq!(
        ran.stderr_lines("warning: further rows that are left for the next run are counted but not shown").len(),
        1
    );
    check_recovery(&harness, &people).await;
}

#[tokio::test]
async fn a_refused_account_rejects_no_row() {
    let people = People::new(60, 2, 0);
    for fault in [Fault::UnknownError, Fault::BadRequest] {
        let harness = harness([Rule::always(fault).on(CallKind::Create)], &people).await;
        let ran = harness.sync("in.csv").with(FAST).run().await.exits(4);
        let summary = ran.summary();
        let reason = summary.text("reason");
        assert!(reason.starts_with("the platform refused 20 creates in a row: "), "{reason}");
        assert_eq!(summary.rows(), "60 pending");
        assert_eq!(ran.stderr_lines("warning: in.csv:"), [""; 0], "{ran:?}");
        // 20 creates, and those in flight.
        let creates = |harness: &Harness| {
            let calls = harness.sandbox.ledger().calls();
            calls.iter().filter(|call| call.kind == Some(CallKind::Create)).count()
        };
        assert!((20..=28).contains(&creates(&harness)), "{}", creates(&harness));
        check_recovery(&harness, &people).await;
    }
    // From a given call on, in the middle of a run.
    let harness = harness([Rule::always(Fault::UnknownError).on(CallKind::Create).from_call(60)], &people).await;
    let summary = harness.sync("in.csv").with(FAST).run().await.exits(4).summary();
    let (created, pending) = (summary.count("created"), summary.count("pending"));
    assert!(created > 20 && pending >= 20 && created + pending == 60, "{summary:?}");
    check_recovery(&harness, &people).await;
}

#[tokio::test]
async fn refused_rows_are_reported_at_the_end() {
    let people = People::new(30, 2, 0);
    let rule = |row: usize| {
        Rule::always(Fault::UnknownError).on(CallKind::Create).with_value(format!("person.{row}@example.com"))
    };
    // The last rows, after which no create succeeds.
    let harness = harness((12..30).map(rule), &people).await;
    let ran = harness.sync("in.csv --rejects bad.csv").with(FAST).run().await.exits(3);
    assert_eq!(ran.summary().rows(), "12 created, 18 rejected");
    assert_eq!(ran.stderr_lines("warning: in.csv:").len(), 18, "{ran:?}");
    let rejects = std::fs::read_to_string(harness.path("bad.csv")).expect("the list");
    assert_eq!(rejects.lines().count(), 19, "{rejects}");
}

#[tokio::test]
async fn an_expired_token_rejects_no_row() {
    let people = People::new(30, 2, 0);
    let harness = harness([Rule::always(Fault::TokenExpired).from_call(20)], &people).await;
    let ran = harness.sync("in.csv").with(FAST).run().await.exits(5);
    assert_eq!(ran.summary().count("rejected"), 0);
    assert!(ran.summary().count("pending") > 0);
    check_recovery(&harness, &people).await;
}

/// The second of the day of a moment such as `2026-11-26 03:12:45 +01:00`.
fn seconds(moment: &str) -> i64 {
    let part = |at: usize| moment[at..at + 2].parse::<i64>().expect("two digits");
    (part(11) * 60 + part(14)) * 60 + part(17)
}

#[tokio::test]
async fn a_wait_of_hours_stops_the_run_and_reports_its_end() {
    let people = People::new(3, 2, 0);
    let maintenance =
        Faults { rules: vec![Rule::always(Fault::Unavailable)], throttle_seconds: 7_200, ..Faults::default() };
    for faults in [faults([Rule::always(Fault::ThrottleHours)]), maintenance] {
        let harness = Harness::faulty(faults).await;
        harness.write("in.csv", people.csv());
        let begun = Instant::now();
        let ran = harness.sync("in.csv").with(FAST).run().await.exits(4);
        let summary = ran.summary();
        let reason = summary.text("reason").to_owned();
        let until = reason.strip_prefix("the platform asked to wait until ").expect("the end of the wait");
        // As in `2026-11-26 03:12:45 +01:00`.
        assert_eq!((until.len(), &until[10..11], &until[19..20], &until[23..24]), (26, " ", " ", ":"), "{until}");
        assert_eq!(summary.rows(), "3 pending");
        // The next run knows it and makes no call.
        let calls = harness.sandbox.ledger().len();
        let again = harness.resume().run().await.exits(4).summary();
        assert_eq!(harness.sandbox.ledger().len(), calls);
        let later = again.text("reason").strip_prefix("the platform asked to wait until ").expect("the same reason");
        // The end of the wait is converted between two clocks, so that it may be rounded to the next second.
        let apart = (seconds(later) - seconds(until)).abs();
        assert!(later.len() == 26 && later[19..] == until[19..] && apart <= 1, "{until}, {later}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_wrong_url_is_a_configuration_error() {
    let people = People::new(40, 2, 0);
    for fault in [Fault::NotFoundPage, Fault::NotFoundJson] {
        for mode in ["upsert", "create"] {
            let harness = harness([Rule::always(fault)], &people).await;
            let ran = harness.sync(&format!("in.csv --mode {mode}")).with(FAST).run().await.exits(2);
            let url = harness.sandbox.url();
            let error = format!("error: every call to {url} was answered 404: ");
            assert_eq!(ran.stderr_lines(&error).len(), 1, "{ran:?}");
            assert_eq!(ran.stderr_lines("hint: check --url: ").len(), 1, "{ran:?}");
            assert_eq!((ran.summary().rows().as_str(), ran.summary().text("state")), ("40 pending", "stopped"));
            // Only the calls in flight are added.
            assert!(harness.sandbox.ledger().len() <= 5 + 8, "{}", harness.sandbox.ledger().len());
            let check =
                harness.program(&format!("check --match email --journal c.db --url {url}")).run().await.exits(2);
            assert!(
                check.stderr.contains("was answered 404: ") && check.stderr.contains("hint: check --url: "),
                "{check:?}"
            );
            // The run can be resumed.
            harness.sandbox.set_faults(Faults::default());
            harness.resume().run().await.exits(0);
            people.assert_stored_in(&harness.sandbox);
        }
    }
}

#[tokio::test]
async fn plan_shows_a_learned_limit_which_can_be_forgotten() {
    let harness = Harness::of(Config { rate: 50, ..Config::default() }).await;
    let people = People::new(5, 2, 0);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv").with(FAST).run().await.exits(0);
    harness.write("more.csv", People::new(8, 2, 0).csv());
    let plan = |arguments: &str| {
        harness.program(&format!(
            "plan more.csv --match email --journal journal.db --rate 100 --url {} {arguments}",
            harness.sandbox.url()
        ))
    };
    let ran = plan("").run().await.exits(0);
    assert!(ran.stdout.contains(" at 50 calls a minute"), "{ran:?}");
    assert!(ran.stdout.contains("the platform stated a limit of 50 calls a minute on 20"), "{ran:?}");
    assert!(ran.stdout.contains("`sync --forget-limit` forgets it"), "{ran:?}");
    let ran = plan("--forget-limit").run().await.exits(0);
    assert!(ran.stdout.contains(" at 100 calls a minute") && !ran.stdout.contains("stated a limit"), "{ran:?}");
    // A proxy's page does not set the platform's limit, and a forgotten limit stays forgotten until it is stated again.
    harness.sandbox.set_faults(faults([Rule::always(Fault::BadGatewayLimit)]));
    harness.sync("more.csv --outage-timeout 1s --forget-limit").with(FAST).run().await.exits(4);
    let ran = plan("").run().await.exits(0);
    assert!(ran.stdout.contains(" at 100 calls a minute") && !ran.stdout.contains("stated a limit"), "{ran:?}");
}

#[tokio::test]
async fn rows_that_are_refused_every_night_do_not_starve_the_end_of_the_file() {
    let people = People::new(60, 2, 0);
    let rule = |row: usize| {
        Rule::always(Fault::UnknownError).on(CallKind::Create).with_value(format!("person.{row}@example.com"))
    };
    let harness = harness((0..40).map(rule), &people).await;
    let mut nights = 0;
    while harness.sandbox.contacts(TOKEN).len() < 20 {
        nights += 1;
        assert!(nights <= 4, "{} after {nights} nights", harness.sandbox.contacts(TOKEN).len());
        harness.sync("in.csv --max-calls 50").with(FAST).run().await;
    }
    assert!(nights > 1);
    // Then the refused rows are tried and reported.
    let summary = harness.sync("in.csv --retry-rejected").with(FAST).run().await.exits(4).summary();
    assert_eq!((summary.count("unchanged"), summary.count("rejected")), (20, 0));
}
