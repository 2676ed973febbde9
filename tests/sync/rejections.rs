//! Rows that were rejected, night after night: they are reported again, cost no call before they are due, and are not lost.

use std::fs;

use contactsync::report::CallKind;
use contactsync::sandbox::{Fault, Faults, Rule};
use rusqlite::Connection;

use support::{Harness, JOURNAL, Output, TOKEN};

const DAY: i64 = 24 * 3_600_000;

/// What the platform says of the contact that it refuses.
const REFUSAL: &str = "bad.name";

fn refusing(value: &str) -> Faults {
    Faults { rules: vec![Rule::always(Fault::UnknownError).with_value(value)], ..Faults::default() }
}

fn journal(harness: &Harness) -> Connection {
    Connection::open(harness.path(JOURNAL)).expect("a journal")
}

/// Lets so many hours pass, without a minute more.
fn pass(harness: &Harness, hours: i64) {
    let past = hours * 3_600_000;
    let change = format!("UPDATE rejections SET tried_at = tried_at - {past}");
    journal(harness).execute_batch(&change).expect("the table has the column");
}

fn count(harness: &Harness) -> i64 {
    journal(harness).query_row("SELECT count(*) FROM rejections", [], |row| row.get(0)).expect("a number")
}

#[track_caller]
fn check(harness: &Harness, ran: &Output, rows: &str, calls: &str) {
    let summary = ran.summary();
    assert_eq!(
        (summary.rows(), summary.calls(), harness.calls()),
        (rows.into(), calls.into(), calls.into()),
        "{ran:?}"
    );
}

fn read(harness: &Harness, name: &str) -> String {
    fs::read_to_string(harness.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A night after which row 3 of three is refused by the platform, and row 5 has no match value.
async fn first_night(input: &str) -> Harness {
    let harness = Harness::faulty(refusing(REFUSAL)).await;
    harness.write("in.csv", input);
    let ran = harness.sync("in.csv --match email").run().await.exits(3);
    check(&harness, &ran, "2 created, 2 rejected", "3 find, 3 create");
    harness
}

const INPUT: &str = "email,name\na@example.com,Ann\nb@example.com,bad.name\nc@example.com,Cy\n,Di\n";

#[tokio::test]
async fn a_refused_row_costs_no_call_until_it_is_due() {
    let harness = first_night(INPUT).await;
    // The hours that pass, and whether the row is tried: after 1, 2, 4 and 7 nights, and then weekly.
    let nights = [
        (0, false),
        (17, false),
        (1, true),
        (24, false),
        (23, true),
        (89, false),
        (1, true),
        (161, false),
        (1, true),
        (161, false),
        (1, true),
    ];
    let mut tries = 1;
    for (hours, is_tried) in nights {
        pass(&harness, hours);
        let ran = harness.sync("in.csv --match email --rejects bad.csv").run().await.exits(3);
        check(&harness, &ran, "2 unchanged, 2 rejected", if is_tried { "1 find, 1 create" } else { "none" });
        let bad = read(&harness, "bad.csv");
        assert_eq!(bad.lines().count(), 3, "{bad}");
        let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
        assert_eq!(bad.contains(&format!("still rejected after {times} (next try in ")), !is_tried, "{bad}");
        assert_eq!(ran.stderr.contains("use `--retry-rejected` to retry them now"), !is_tried, "{ran:?}");
        assert!(bad.contains("b@example.com,bad.name\n") && bad.contains("\n5,"), "{bad}");
        tries += u32::from(is_tried);
    }
}

#[tokio::test]
async fn a_refused_row_is_tried_at_once_when_its_content_or_the_mapping_changes_or_when_asked() {
    let harness = first_night(INPUT).await;
    let sync = |arguments: &str| harness.sync(&format!("in.csv {arguments}")).run();
    check(&harness, &sync("--match email").await.exits(3), "2 unchanged, 2 rejected", "none");
    let tried = "1 find, 1 create";
    check(&harness, &sync("--match email --retry-rejected").await.exits(3), "2 unchanged, 2 rejected", tried);
    check(&harness, &sync("--match email").await.exits(3), "2 unchanged, 2 rejected", "none");
    harness.write("retry.toml", "retry_rejected = true\n");
    check(&harness, &sync("--match email --config retry.toml").await.exits(3), "2 unchanged, 2 rejected", tried);
    // Another mode sends other calls.
    check(&harness, &sync("--match email --mode update").await.exits(3), "2 unchanged, 2 rejected", "1 find");
    check(&harness, &sync("--match email --mode update").await.exits(3), "2 unchanged, 2 rejected", "none");
    check(&harness, &sync("--match email").await.exits(3), "2 unchanged, 2 rejected", "none");
    // Other rows that change do not bring it back.
    harness.write("in.csv", INPUT.replace("Ann", "Anna"));
    check(&harness, &sync("--match email").await.exits(3), "1 updated, 1 unchanged, 2 rejected", "1 update");
    check(&harness, &sync("--match email").await.exits(3), "2 unchanged, 2 rejected", "none");
    // The mapping gives it another content.
    harness.write("map.toml", "match = \"email\"\n\n[fields]\nemail = \"email\"\nfull = \"name\"\n");
    let mapped = sync("--config map.toml").await.exits(3);
    assert!(mapped.summary().calls().contains("1 find, 1 create"), "{mapped:?}");
    let _ = harness.calls();
    // The row is corrected.
    harness.write("in.csv", INPUT.replace("Ann", "Anna").replace("bad.name", "Bo"));
    check(&harness, &sync("--match email").await.exits(3), "1 created, 2 unchanged, 1 rejected", tried);
    assert_eq!(count(&harness), 0, "it succeeded");
}

#[tokio::test]
async fn a_row_that_the_platform_accepts_when_it_is_due_is_forgotten() {
    let harness = first_night(INPUT).await;
    harness.sandbox.set_faults(Faults::default());
    let sync = || harness.sync("in.csv --match email").run();
    check(&harness, &sync().await.exits(3), "2 unchanged, 2 rejected", "none");
    assert_eq!(count(&harness), 1);
    pass(&harness, 24);
    check(&harness, &sync().await.exits(3), "1 created, 2 unchanged, 1 rejected", "1 find, 1 create");
    assert_eq!((count(&harness), harness.sandbox.contacts(TOKEN).len()), (0, 3));
    for _ in 0..2 {
        check(&harness, &sync().await.exits(3), "3 unchanged, 1 rejected", "none");
    }
}

#[tokio::test]
async fn a_refused_update_and_a_contact_that_is_not_there_wait_as_well() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name,tags\na@example.com,Ann,\n");
    harness.sync("in.csv --match email").run().await.exits(0);
    let _ = harness.calls();
    harness.sandbox.set_faults(refusing(REFUSAL));
    harness.write("in.csv", "email,name,tags\na@example.com,bad.name,x\nz@example.com,Zoe,\n");
    let sync = || harness.sync("in.csv --match email --mode update").run();
    let ran = sync().await.exits(3);
    assert_eq!(ran.summary().rows(), "2 rejected", "{ran:?}");
    assert_ne!(harness.calls(), "none");
    check(&harness, &sync().await.exits(3), "2 rejected", "none");
    assert_eq!(count(&harness), 2);
    harness.sandbox.set_faults(Faults::default());
    pass(&harness, 24);
    let ran = sync().await.exits(3);
    assert_eq!(ran.summary().rows(), "1 updated, 1 rejected", "{ran:?}");
    assert_eq!(count(&harness), 1);
}

#[tokio::test]
async fn lists_and_plans_have_the_rows_that_are_not_tried() {
    let harness = first_night(INPUT).await;
    let planned = harness.plan("in.csv --match email").run().await.exits(3);
    assert_eq!(planned.planned().rows(), "2 unchanged, 2 rejected");
    assert_eq!(planned.planned().json["calls"]["total"]["max"], 0, "{planned:?}");
    let planned = harness.plan("in.csv --match email --retry-rejected").run().await.exits(3);
    assert_eq!(planned.planned().rows(), "2 unchanged, 1 rejected, 1 pending");
    let ran = harness.sync("in.csv --match email --rejects bad.csv --results results.csv").run().await.exits(3);
    check(&harness, &ran, "2 unchanged, 2 rejected", "none");
    let results = read(&harness, "results.csv");
    assert_eq!(results.lines().filter(|line| line.contains(",unchanged,")).count(), 2, "{results}");
    let row = results.lines().find(|line| line.starts_with("3,")).expect("the row is listed");
    assert!(row.contains(",rejected,,0,") && row.contains("still rejected after 1 try (next try in 1 day): "), "{row}");
    assert!(
        ran.stderr.contains("in.csv:3: row 2 rejected: still rejected after 1 try (next try in 1 day): "),
        "{ran:?}"
    );
    // The list of rejected rows is an input.
    harness.write("bad.csv", read(&harness, "bad.csv").replace("bad.name", "Bo").replace(",Di", "d@example.com,Di"));
    let ran = harness.sync("bad.csv --match email").run().await.exits(0);
    check(&harness, &ran, "2 created", "2 find, 2 create");
}

#[tokio::test]
async fn rejections_survive_journal_check_and_prune_and_end_when_their_rows_are_gone() {
    let harness = first_night(INPUT).await;
    harness.write("in.csv", INPUT.replace("b@example.com,bad.name\n", ""));
    let sync = || harness.sync("in.csv --match email").run();
    check(&harness, &sync().await.exits(3), "2 unchanged, 1 rejected", "none");
    harness.program(&format!("journal prune --keep-history 1s --journal {JOURNAL}")).run().await.exits(0);
    harness.program(&format!("journal check --journal {JOURNAL}")).run().await.exits(0);
    harness.write("in.csv", INPUT);
    check(&harness, &sync().await.exits(3), "2 unchanged, 2 rejected", "none");
    harness.write("in.csv", INPUT.replace("b@example.com,bad.name\n", ""));
    journal(&harness)
        .execute_batch(&format!("UPDATE rejections SET tried_at = tried_at - {}", 61 * DAY))
        .expect("the table has the column");
    sync().await.exits(3);
    assert_eq!(count(&harness), 0);
}

#[tokio::test]
async fn a_contact_in_doubt_is_searched_for_although_its_row_was_rejected() {
    let harness = first_night(INPUT).await;
    // The create of the refused row is accepted, and its answer is lost.
    let lossy = Faults { rules: vec![Rule::always(Fault::LoseAfter).on(CallKind::Create)], ..Faults::default() };
    harness.sandbox.set_faults(lossy);
    let arguments = "in.csv --match email --retry-rejected --search-lag 100ms --max-calls 2";
    harness.sync(arguments).run().await.exits(4);
    harness.sandbox.set_faults(Faults::default());
    let _ = harness.calls();
    let ran = harness.sync("in.csv --match email --search-lag 100ms").run().await.exits(3);
    assert_eq!(ran.summary().count("rejected"), 1, "{ran:?}");
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 3, "{ran:?}");
}

#[tokio::test]
async fn two_sources_of_a_contact_wait_for_what_each_of_them_sends() {
    let harness = Harness::faulty(refusing(REFUSAL)).await;
    harness.write("one.csv", "email,name\na@example.com,Ann\nb@example.com,bad.name\n");
    harness.write("two.csv", "email,note\na@example.com,bad.name\nb@example.com,bad.name\n");
    let sync = |source: &str| harness.sync(&format!("{source}.csv --source {source} --match email")).run();
    check(&harness, &sync("one").await.exits(3), "1 created, 1 rejected", "2 find, 2 create");
    check(&harness, &sync("two").await.exits(3), "2 rejected", "1 find, 1 create, 1 update");
    for _ in 0..2 {
        check(&harness, &sync("one").await.exits(3), "1 unchanged, 1 rejected", "none");
        check(&harness, &sync("two").await.exits(3), "2 rejected", "none");
    }
    pass(&harness, 24);
    check(&harness, &sync("one").await.exits(3), "1 unchanged, 1 rejected", "1 find, 1 create");
    check(&harness, &sync("two").await.exits(3), "2 rejected", "1 find, 1 create, 1 update");
}

#[tokio::test]
async fn a_row_that_is_as_it_was_before_a_partly_refused_change_is_sent_at_once() {
    let tags = Rule::always(Fault::ValidationFailed).on(CallKind::AddTags).with_value("BAD1");
    let harness = Harness::faulty(Faults { rules: vec![tags], ..Faults::default() }).await;
    let night = async |name: &str| {
        harness.write("in.csv", format!("email,name,code,tags\na@example.com,{name},BAD1,vip\n"));
        harness.sync("in.csv --match email").run().await.exits(3);
        harness.sandbox.contacts(TOKEN)[0].fields["name"].text().into_owned()
    };
    // The name is written each time, and the tag refused.
    assert_eq!(night("Old").await, "Old");
    assert_eq!(night("New").await, "New");
    let _ = harness.calls();
    assert_eq!(night("Old").await, "Old");
    assert!(harness.calls().contains("1 update"));
    // Nothing changed since, so nothing is tried.
    assert_eq!(night("Old").await, "Old");
    assert_eq!(harness.calls(), "none");
}
