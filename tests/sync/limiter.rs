//! The documented limit in real time: never exceeded, also across a kill, and fully used.

use std::time::{Duration, Instant};

use contactsync::sandbox::{Config, WindowKind};

use support::{Harness, JOURNAL, People, TOKEN};

const LIMIT: usize = 100;

async fn at_the_limit(window: WindowKind, people: &People) -> Harness {
    let harness = Harness::of(Config { window, ..Config::default() }).await;
    harness.write("in.csv", people.csv());
    harness
}

fn sync(harness: &Harness) -> String {
    format!(
        "sync in.csv --match email --mode create --json --journal {JOURNAL} --rate {LIMIT} --url {}",
        harness.sandbox.url()
    )
}

#[track_caller]
fn check_never_over(harness: &Harness, calls: usize) {
    let ledger = harness.sandbox.ledger();
    assert_eq!(ledger.throttled(), 0);
    assert_eq!(ledger.len(), calls);
    assert!(ledger.busiest_minute(TOKEN) <= LIMIT, "{}", ledger.busiest_minute(TOKEN));
}

// 105 calls: a hundred immediately, five a minute later.
async fn check_one_run(window: WindowKind) {
    let people = People::new(35, 31, 1);
    let harness = at_the_limit(window, &people).await;
    let begun = Instant::now();
    let summary = harness.program(&sync(&harness)).run().await.exits(0).summary();
    let took = begun.elapsed();
    check_never_over(&harness, 105);
    assert_eq!((summary.calls().as_str(), summary.count("throttled")), ("35 create, 35 update, 35 add_tags", 0));
    assert!((Duration::from_mins(1)..Duration::from_secs(64)).contains(&took), "{took:?}");
    people.assert_stored_in(&harness.sandbox);
}

// Calls before a kill count against the limit after it.
async fn check_a_kill(window: WindowKind) {
    let people = People::new(110, 2, 0);
    let harness = at_the_limit(window, &people).await;
    let ledger = harness.sandbox.ledger();
    let begun = Instant::now();
    let mut running = harness.program(&sync(&harness)).with("--concurrency 1 --search-lag 1s").start();
    assert!(running.until(|| ledger.len() >= 60).await);
    running.kill().await;
    harness.program(&sync(&harness)).with("--search-lag 1s").run().await.exits(0);
    assert!(begun.elapsed() >= Duration::from_mins(1), "{:?}", begun.elapsed());
    assert_eq!(ledger.throttled(), 0);
    assert!(ledger.busiest_minute(TOKEN) <= LIMIT, "{}", ledger.busiest_minute(TOKEN));
    assert_eq!(ledger.creates(TOKEN), 110);
    people.assert_stored_in(&harness.sandbox);
}

// A second run in the same minute shares the token's window.
async fn check_a_second_run() {
    let people = People::new(90, 2, 0);
    let harness = at_the_limit(WindowKind::Sliding, &people).await;
    harness.program(&sync(&harness)).run().await.exits(0);
    harness.write("in.csv", People::new(105, 2, 0).csv());
    let begun = Instant::now();
    let summary = harness.program(&sync(&harness)).run().await.exits(0).summary();
    assert_eq!(summary.rows(), "15 created, 90 unchanged");
    check_never_over(&harness, 105);
    assert!(begun.elapsed() >= Duration::from_secs(55), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_run_uses_the_whole_limit_and_never_exceeds_it() {
    // Each waits for the next minute, so they run concurrently.
    tokio::join!(
        check_one_run(WindowKind::Fixed),
        check_one_run(WindowKind::Sliding),
        check_a_kill(WindowKind::Fixed),
        check_a_kill(WindowKind::Sliding),
        check_a_second_run(),
    );
}
