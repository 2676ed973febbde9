//! Kills at any moment while answers are lost: no contact is created twice and none is lost.

use std::time::Duration;

use contactsync::sandbox::Faults;

use support::{Harness, People, TOKEN};

const KILLS: usize = 20;

#[tokio::test]
async fn twenty_kills_with_lost_answers_create_each_contact_once() {
    let mut chance = fastrand::Rng::with_seed(20);
    let harness = Harness::faulty(Faults {
        seed: 3,
        lose_after: 0.03,
        lose_before: 0.03,
        error_500_after: 0.03,
        cut_body: 0.03,
        // Longer than the wait before the early searches for a lost create, so that only the last search may decide.
        late_search: Duration::from_millis(1_200),
        // So that calls are always in flight.
        latency: Duration::from_millis(5),
        ..Faults::default()
    })
    .await;
    let people = People::new(150, 32, 12);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --match email --search-lag 2s --concurrency 8");
    let resume = || harness.resume().with("--concurrency 8");

    // At counts of the platform's calls, so that the kills are spread over the work at any speed of the machine.
    let ledger = harness.sandbox.ledger();
    for kill in 0..KILLS {
        let until = ledger.len() + 1 + chance.usize(0..60);
        let mut running = if kill % 2 == 0 { sync().start() } else { resume().start() };
        assert!(running.until(|| ledger.len() >= until).await, "nothing left to kill after {kill} kills");
        running.kill().await;
    }
    assert!(ledger.creates(TOKEN) > 50, "the kills lie all over the work");

    let mut ended = false;
    for again in 0..5 {
        let ran = if again % 2 == 0 { sync().run().await } else { resume().run().await };
        let summary = ran.summary();
        match ran.code {
            Some(0) => {
                assert_eq!(summary.count("pending"), 0, "{ran:?}");
                ended = true;
                break;
            }
            Some(4) => assert!(summary.count("pending") > 0, "{ran:?}"),
            _ => panic!("{ran:?}"),
        }
    }
    assert!(ended, "it never came to its end");
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(ledger.creates(TOKEN), 150);
    assert!(ledger.calls().iter().any(|call| call.applied && call.fault.is_some()), "answers got lost");

    let _ = harness.calls();
    let summary = sync().run().await.exits(0).summary();
    assert_eq!((summary.rows().as_str(), harness.calls().as_str()), ("150 unchanged", "none"));
}

#[tokio::test]
async fn a_kill_with_creates_in_flight_leads_to_searches_first() {
    let slow = Faults { latency: Duration::from_mins(1), ..Faults::default() };
    let harness = Harness::faulty(slow).await;
    let people = People::new(20, 3, 1);
    harness.write("in.csv", people.csv());
    let mut running = harness.sync("in.csv --match email --mode create --search-lag 1s --concurrency 8").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 8).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    assert_eq!(harness.calls(), "8 create");

    let summary = harness.resume().run().await.exits(0).summary();
    // The first search finds the eight contacts that were created.
    assert_eq!(harness.calls(), "8 find, 12 create, 20 add_tags");
    assert_eq!(summary.rows(), "20 created");
    assert_eq!(summary.calls(), "8 find, 20 create, 20 add_tags");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn a_newer_file_replaces_pending_rows_but_settles_sent_creates() {
    let harness = Harness::faulty(Faults { latency: Duration::from_mins(1), ..Faults::default() }).await;
    harness.write("old.csv", People::new(20, 3, 1).csv());
    let mut running = harness.sync("old.csv --match email --mode create --search-lag 1s --concurrency 8").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 8).await);
    running.kill().await;
    harness.sandbox.set_faults(Faults::default());
    assert_eq!(harness.calls(), "8 create");

    // The new file has none of the old contacts: sent creates are searched for, and pending rows are dropped.
    harness.write("new.csv", "email\nann@example.com\n");
    let summary = harness.sync("new.csv --match email --mode create --search-lag 1s").run().await.exits(0).summary();
    assert_eq!(harness.calls(), "8 find, 1 create");
    assert_eq!(summary.rows(), "1 created");
    // The old file again: the found contacts are known, and their missing fields follow.
    let summary = harness.sync("old.csv --match email --mode create").run().await.exits(0).summary();
    assert_eq!(harness.calls(), "12 create, 20 add_tags");
    assert_eq!(summary.rows(), "20 created");
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 21);
}
