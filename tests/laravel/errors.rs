//! Every kind of error answer of the framework: the run's reaction, without a lost or duplicate contact.

use std::time::{Duration, Instant};

use crate::platform::{Errors, Platform, Settings};
use support::{Harness, People};

const DOCUMENTED: Settings = Settings::DOCUMENTED;

/// Errors are pages for a browser.
const HTML: Settings = Settings { errors: Errors::Html, ..DOCUMENTED };

/// The four forms of a 500.
const ERRORS: [Settings; 4] =
    [DOCUMENTED, Settings { debug: true, ..DOCUMENTED }, HTML, Settings { debug: true, ..HTML }];

/// The reasons in the rejects list, by line.
fn reasons(harness: &Harness) -> Vec<(u64, String)> {
    let mut rejects = csv::Reader::from_path(harness.path("bad.csv")).expect("the rejects list");
    let names = rejects.headers().expect("a header").clone();
    let place = |name: &str| names.iter().position(|found| found == name).expect("the column");
    let (line, reason) = (place("_line"), place("_reason"));
    let rows = rejects.records().map(|row| row.expect("a row"));
    let mut reasons: Vec<(u64, String)> =
        rows.map(|row| (row[line].parse().expect("a number"), row[reason].to_owned())).collect();
    reasons.sort();
    reasons
}

#[track_caller]
fn check_rejected(harness: &Harness, expected: &[(u64, &[&str])]) {
    let reasons = reasons(harness);
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for ((line, reason), (expected_line, words)) in reasons.iter().zip(expected) {
        assert_eq!(line, expected_line, "{reason}");
        for word in *words {
            assert!(reason.contains(word), "line {line}: expected `{word}` in `{reason}`");
        }
    }
}

/// Resumes the run on the recovered platform and checks that no contact is lost or duplicated.
async fn finishes(harness: &Harness, platform: &Platform, people: &People) {
    harness.resume_at(platform.url()).run().await.exits(0);
    let ran = platform.sync(harness, "in.csv --match email --search-lag 1s").run().await.exits(0);
    assert_eq!(ran.summary().calls(), "none", "{ran:?}");
    platform.has_exactly(people);
}

#[tokio::test]
async fn the_reason_has_the_message_and_the_field_of_the_validator() {
    let Some(platform) = Platform::start(DOCUMENTED) else { return };
    platform.execute("INSERT INTO rules VALUES ('birthday', 'date_format:Y-m-d'), ('plan', 'in:free,pro')");
    let harness = Harness::unlimited().await;
    let long = "x".repeat(256);
    let rows = [
        "email,plan,birthday,note",
        "a@example.com,free,1990-02-28,",
        "b@example.com,free,28/02/1990,",
        "c@example.com,gold,1990-02-28,",
        &format!("d@example.com,free,1990-02-28,{long}"),
        "e@example.com,pro,1990-02-28,",
    ];
    harness.write("in.csv", rows.join("\n"));
    let ran = platform.sync(&harness, "in.csv --match email --rejects bad.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 created, 3 rejected");
    check_rejected(
        &harness,
        &[
            (3, &["does not match the format Y-m-d", "birthday"]),
            (4, &["is invalid", "plan"]),
            (5, &["must not be greater than 255 characters", "note"]),
        ],
    );
    assert_eq!(platform.count(), 2);

    // A refused change has no effect.
    let rows = ["email,plan,birthday,note", "a@example.com,gold,1990-02-28,", "e@example.com,free,1990-02-28,"];
    harness.write("in.csv", rows.join("\n"));
    let ran = platform.sync(&harness, "in.csv --match email --rejects bad.csv").run().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 updated, 1 rejected");
    check_rejected(&harness, &[(2, &["is invalid", "plan"])]);
    let plans: Vec<String> = platform.contacts().into_iter().map(|(fields, _)| fields["plan"].clone()).collect();
    assert_eq!(plans, ["free", "free"]);
}

#[tokio::test]
async fn maintenance_mode_stops_the_run_and_resume_finishes_it() {
    let Some(platform) = Platform::start(DOCUMENTED) else { return };
    let harness = Harness::unlimited().await;
    let people = People::new(20, 2, 1);
    harness.write("in.csv", people.csv());
    let mut running =
        platform.sync(&harness, "in.csv --match email --outage-timeout 2s --search-lag 1s --concurrency 2").start();
    assert!(running.until(|| platform.count() >= 3).await, "it ended by itself");
    platform.goes_down(1);
    let ran = running.end().await.exits(4);
    let there = platform.count();
    assert!((3..20).contains(&there), "{there}");
    assert_eq!(ran.summary().count("pending") + ran.summary().count("created"), 20, "{ran:?}");
    assert!(ran.stderr.contains("Service Unavailable"), "{ran:?}");

    // During the maintenance, the next run changes nothing.
    let ran = platform.sync(&harness, "in.csv --match email --outage-timeout 2s --search-lag 1s").run().await.exits(4);
    assert_eq!((platform.count(), ran.summary().text("state")), (there, "stopped"));
    platform.comes_up();
    finishes(&harness, &platform, &people).await;
}

/// `artisan down --retry=3600`: a wait beyond the outage timeout is not started.
#[tokio::test]
async fn a_maintenance_longer_than_the_outage_timeout_stops_the_run_at_once() {
    let Some(platform) = Platform::start(DOCUMENTED) else { return };
    let harness = Harness::unlimited().await;
    let people = People::new(3, 2, 0);
    harness.write("in.csv", people.csv());
    platform.goes_down(3600);
    let begun = Instant::now();
    let ran = platform.sync(&harness, "in.csv --match email --outage-timeout 1m").run().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: {ran:?}", begun.elapsed());
    assert!(ran.summary().text("reason").contains("until"), "{ran:?}");
    platform.comes_up();
    // The next run respects the stated wait too, unless `--forget-limit` is given.
    let calls = platform.calls().len();
    harness.resume_at(platform.url()).run().await.exits(4);
    assert_eq!(platform.calls().len(), calls);
    harness.resume_at(platform.url()).with("--forget-limit").run().await.exits(0);
    finishes(&harness, &platform, &people).await;
}

#[tokio::test]
async fn a_wrong_base_url_is_a_configuration_error() {
    for settings in [DOCUMENTED, Settings { debug: true, ..DOCUMENTED }, HTML] {
        let Some(platform) = Platform::start(settings) else { return };
        let harness = Harness::unlimited().await;
        let people = People::new(5, 2, 1);
        harness.write("in.csv", people.csv());
        for path in ["/api/v2", "/v1", "/api/v1/contact"] {
            let url = format!("http://127.0.0.1:{}{path}", platform.port());
            let ran = harness.program(&format!("sync in.csv --match email --json --url {url}")).run().await.exits(2);
            assert!(ran.stderr.contains("404") && ran.stderr.contains(path), "{ran:?}");
        }
        assert_eq!(platform.count(), 0);
        assert!(platform.calls().iter().all(|call| call.status == 404), "{:?}", platform.calls());
        // Nothing was changed, also not in the journal: the right URL needs no further option.
        harness.program(&format!("sync in.csv --match email --json --url {}", platform.url())).run().await.exits(0);
        platform.has_exactly(&people);
    }
}

#[tokio::test]
async fn a_refused_token_ends_the_run() {
    for (errors, words) in [(Errors::Documented, "API Token is invalid."), (Errors::Plain, "Unauthenticated.")] {
        let Some(platform) = Platform::start(Settings { errors, ..DOCUMENTED }) else { return };
        let harness = Harness::unlimited().await;
        harness.write("in.csv", People::new(5, 2, 1).csv());
        let ran = platform.sync(&harness, "in.csv --match email").token(Some("wrong")).run().await.exits(5);
        assert!(ran.stderr.contains(words), "{ran:?}");
        assert_eq!(platform.count(), 0);
    }
}

/// An unsupported method rejects the rows that need it, and no others.
#[tokio::test]
async fn a_method_that_is_not_allowed_rejects_the_rows_that_need_it() {
    for (errors, words) in
        [(Errors::Documented, "405 Method Not Allowed."), (Errors::Plain, "The DELETE method is not supported")]
    {
        let settings = Settings { errors, without_delete: true, ..DOCUMENTED };
        let Some(platform) = Platform::start(settings) else { return };
        let harness = Harness::unlimited().await;
        harness.write("in.csv", "email,tags\na@example.com,x;y\nb@example.com,x\n");
        let arguments = "in.csv --match email --tags-mode mirror --rejects bad.csv";
        platform.sync(&harness, arguments).run().await.exits(0);
        harness.write("in.csv", "email,tags\na@example.com,x\nb@example.com,x;z\n");
        let ran = platform.sync(&harness, arguments).run().await.exits(3);
        assert_eq!(ran.summary().rows(), "1 updated, 1 rejected", "{ran:?}");
        check_rejected(&harness, &[(2, &[words])]);
        assert_eq!(
            platform.calls().iter().filter(|call| call.method == "DELETE" && call.path.ends_with("/tags")).count(),
            1
        );
        assert_eq!(platform.count(), 2);
    }
}

/// PHP's `post_max_size`: a row that is too large is rejected, and the rows after it are sent.
#[tokio::test]
async fn a_request_that_is_too_large_rejects_its_row() {
    for settings in [DOCUMENTED, Settings { debug: true, ..DOCUMENTED }, HTML] {
        let settings = Settings { post_max_size: "4K", ..settings };
        let Some(platform) = Platform::start(settings) else { return };
        let harness = Harness::unlimited().await;
        let mut people = People::new(4, 30, 0);
        let large = people.person(0);
        for (_, value) in &mut large.fields[..29] {
            *value = "x".repeat(200);
        }
        harness.write("in.csv", people.csv());
        let ran = platform.sync(&harness, "in.csv --match email --rejects bad.csv").run().await.exits(3);
        assert_eq!(ran.summary().rows(), "3 created, 1 rejected");
        check_rejected(&harness, &[(2, &["413"])]);
        people.people.remove(0);
        platform.has_exactly(&people);
    }
}

/// The contact is stored, and then the answer is an error: only a search finds the contact.
#[tokio::test]
async fn a_500_after_the_contact_was_stored_creates_no_duplicate() {
    for settings in ERRORS {
        let Some(platform) = Platform::start(settings) else { return };
        platform.execute(
            "CREATE TRIGGER fails BEFORE INSERT ON automations WHEN (SELECT count(*) FROM contacts) IN (2, 3, 5)
             BEGIN SELECT RAISE(ABORT, 'the mail server is down'); END",
        );
        let harness = Harness::unlimited().await;
        let people = People::new(6, 31, 1);
        harness.write("in.csv", people.csv());
        let ran = platform.sync(&harness, "in.csv --match email --search-lag 1s").run().await.exits(0);
        assert_eq!(ran.summary().rows(), "6 created", "{ran:?}");
        platform.has_exactly(&people);
        let failed = platform.calls().iter().filter(|call| call.status == 500).count();
        // Creates that are stored at the same time see the same count, so more than three may fail, each of them once.
        assert!((1..=people.people.len()).contains(&failed), "{failed}");
        finishes(&harness, &platform, &people).await;
    }
}

/// A few rows always get 500: all others finish, and the lines of the failing ones are reported.
#[tokio::test]
async fn rows_that_always_get_500_do_not_stop_the_others() {
    for settings in ERRORS {
        let Some(platform) = Platform::start(settings) else { return };
        platform.execute(
            "CREATE TRIGGER fails BEFORE INSERT ON contacts WHEN NEW.custom_fields LIKE '%person.1@%'
             BEGIN SELECT RAISE(ABORT, 'full'); END",
        );
        let harness = Harness::unlimited().await;
        let people = People::new(20, 2, 0);
        harness.write("in.csv", people.csv());
        let ran = platform.sync(&harness, "in.csv --match email --search-lag 1s --rejects bad.csv").run().await;
        let summary = ran.summary();
        assert_eq!(summary.count("created"), 19, "{ran:?}");
        assert!(matches!(ran.code, Some(3 | 4)), "{ran:?}");
        assert_eq!(summary.count("rejected") + summary.count("pending"), 1, "{ran:?}");
        assert!(ran.stderr.contains("in.csv:3"), "{ran:?}");

        // The platform works again.
        platform.execute("DROP TRIGGER fails");
        let ran = platform.sync(&harness, "in.csv --match email --search-lag 1s").run().await.exits(0);
        assert_eq!(ran.summary().count("created"), 1, "{ran:?}");
        platform.has_exactly(&people);
    }
}

/// The database is unavailable for all calls.
#[tokio::test]
async fn a_platform_that_always_answers_500_stops_the_run_and_resume_finishes_it() {
    for settings in ERRORS {
        let Some(platform) = Platform::start(settings) else { return };
        let harness = Harness::unlimited().await;
        let people = People::new(8, 2, 1);
        harness.write("in.csv", people.csv());
        platform.execute("ALTER TABLE contacts RENAME TO away");
        let ran =
            platform.sync(&harness, "in.csv --match email --search-lag 1s --outage-timeout 2s").run().await.exits(4);
        assert_eq!(ran.summary().rows(), "8 pending", "{ran:?}");
        platform.execute("ALTER TABLE away RENAME TO contacts");
        finishes(&harness, &platform, &people).await;
    }
}

/// In debug mode the framework's message is the SQL with the contact's values, which must not be in a log.
#[tokio::test]
async fn the_values_in_the_sql_of_a_debug_answer_are_not_printed() {
    let Some(platform) = Platform::start(Settings { debug: true, ..DOCUMENTED }) else { return };
    platform.execute(
        "CREATE TRIGGER fails BEFORE INSERT ON contacts WHEN NEW.custom_fields LIKE '%person.1@%'
         BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(2, 1, 0).csv());
    let ran = platform.sync(&harness, "in.csv --match email --search-lag 1s").run().await;
    assert!(matches!(ran.code, Some(3 | 4)), "{ran:?}");
    assert!(!ran.stderr.contains("person.1@") && !ran.stdout.contains("person.1@"), "{ran:?}");
}
