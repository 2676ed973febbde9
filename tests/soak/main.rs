//! The soak test: several kinds of faults at once, and repeated kills.
//!
//! The platform loses 2 % of its answers (half of them before the call had its effect, half after), answers 1 % of the
//! calls with 500 and 1 % with 429, truncates 1 % of the answers, and its search lags by two seconds (0.8 in the small run). At
//! evenly spaced numbers of calls, the program is killed with SIGKILL. In the end each contact must exist exactly once with all
//! fields and tags, for hardly more calls than the faults made necessary.
//!
//! The *necessary* calls, computed from the ledger, are three for each contact (a find, a create, its tags), and for each call
//! whose answer did not arrive whole, because of a fault or a kill:
//!
//! * a create that was refused with 429: one, the same create;
//! * any other create: one search, which shows whether it had its effect, and, if it did not, the create;
//! * any other call: one, the same call.
//!
//! That is the minimum for a client that knows when the search has caught up. The program also searches early for a lost create,
//! and repeats calls whose answers were not journaled before a kill.
//!
//! `cargo test` runs it small; `SOAK=all cargo test --release --test soak` runs it with 10,000 contacts and 50 kills.

use std::env;
use std::time::{Duration, Instant};

use contactsync::report::CallKind;
use contactsync::sandbox::{CallRecord, Fault, Faults};

use support::tools::report;
use support::{Harness, People, TOKEN};

/// The size of the test.
struct Size {
    contacts: usize,
    kills: usize,
    // A kill costs at most this many calls that were answered and not yet journaled, a large share of the small run's calls.
    concurrency: usize,
    // The search lag, in seconds. A kill restarts it, with its searches, so kills in quicker succession cost more than the faults
    // alone.
    search_lag: u32,
    // The `Retry-After` of the 429, in seconds; the channel waits one second more.
    retry_after: u64,
    // The calls allowed beyond the necessary ones, in percent. The kills of the small run are four times as dense, and each lost
    // create costs a futile early search.
    allowed: usize,
}

const SMALL: Size = Size { contacts: 400, kills: 8, concurrency: 8, search_lag: 2, retry_after: 0, allowed: 20 };
const ALL: Size = Size { contacts: 10_000, kills: 50, concurrency: 16, search_lag: 5, retry_after: 1, allowed: 10 };

/// Calls for a contact without faults: a find, a create, its tags.
const CALLS: usize = 3;

/// The most runs without kills. Each may leave a contact whose call failed too often in a row.
const LAST_RUNS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constant_faults_and_kills_create_each_contact_once_with_few_extra_calls() {
    let Size { contacts, kills, concurrency, search_lag, retry_after, allowed } =
        if env::var("SOAK").is_ok_and(|which| which == "all") { ALL } else { SMALL };
    let harness = Harness::faulty(Faults {
        seed: 5,
        lose_before: 0.01,
        lose_after: 0.01,
        error_500: 0.01,
        cut_body: 0.01,
        throttle: 0.01,
        throttle_seconds: retry_after,
        // 2 s of 5: after the first search for a lost create, and before the second one.
        late_search: Duration::from_secs(2) * search_lag / 5,
        // So that a kill meets calls in flight, and the ledger knows which answers were not delivered.
        latency: Duration::from_millis(10),
        ..Faults::default()
    })
    .await;
    let people = People::new(contacts, 4, 2);
    harness.write("in.csv", people.csv());
    let ledger = harness.sandbox.ledger();
    let begun = Instant::now();
    let start = |nth: usize| {
        let sync = || harness.sync("in.csv --match email").with(&format!("--search-lag {search_lag}s"));
        let program = if nth.is_multiple_of(2) { sync() } else { harness.resume() };
        program.with(&format!("--concurrency {concurrency} --quiet")).start()
    };

    let mut killed = 0;
    let mut runs = 0;
    while killed < kills {
        let until = (killed + 1) * contacts * CALLS / (kills + 1);
        let mut running = start(runs);
        runs += 1;
        if running.until(|| ledger.len() >= until).await {
            running.kill().await;
            killed += 1;
        } else {
            let ran = running.end().await.exits(4);
            assert!(runs < 2 * kills, "it keeps ending without a kill: {ran:?}");
        }
    }
    let mut ended = false;
    for _ in 0..LAST_RUNS {
        let ran = start(runs).end().await;
        runs += 1;
        ended = ran.code == Some(0);
        if ended {
            break;
        }
        let summary = ran.exits(4).summary();
        assert!((1..=5).contains(&summary.count("pending")), "{summary:?}");
    }
    assert!(ended, "the sync did not complete");
    let took = begun.elapsed();

    people.assert_stored_in(&harness.sandbox);
    assert_eq!(ledger.creates(TOKEN), contacts, "creates that had their effect");
    let calls = ledger.calls();
    let Needed { failed, undelivered, all: necessary } = needed(contacts, &calls);
    let more = calls.len().saturating_sub(necessary) * 1_000 / necessary;
    report("soak", &format!("{contacts} contacts, {killed} kills, {runs} runs, {:.0} s", took.as_secs_f64()));
    report("soak", "0 duplicates, 0 missing, 0 wrong");
    report(
        "soak",
        &format!("failed: {failed} by faults, {undelivered} by kills; {} answers with 429", ledger.throttled()),
    );
    report("soak", &format!("{} calls: {}", calls.len(), harness.calls()));
    report("soak", &format!("necessary: {necessary}; {}.{} % more than that", more / 10, more % 10));
    assert!(calls.len() >= necessary, "fewer calls than the necessary ones");
    assert!(calls.len() * 100 <= necessary * (100 + allowed), "{} calls, {necessary} necessary", calls.len());

    harness.sandbox.set_faults(Faults::default());
    harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(harness.calls(), "none");
}

struct Needed {
    /// Calls with a fault.
    failed: usize,
    /// Calls whose caller was killed before the answer arrived.
    undelivered: usize,
    /// All necessary calls.
    all: usize,
}

fn needed(contacts: usize, calls: &[CallRecord]) -> Needed {
    let mut needed = Needed { failed: 0, undelivered: 0, all: CALLS * contacts };
    for call in calls {
        match call.fault {
            Some(_) => needed.failed += 1,
            None if !call.delivered => needed.undelivered += 1,
            None => continue,
        }
        let is_open = call.kind == Some(CallKind::Create) && call.fault != Some(Fault::Throttle);
        needed.all += if is_open && !call.applied { 2 } else { 1 };
    }
    needed
}
