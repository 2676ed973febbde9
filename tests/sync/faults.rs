//! Random faults of every kind: the run continues, completes, and creates no duplicate.

use std::time::Duration;

use contactsync::sandbox::{Fault, Faults};

use support::{Harness, People, TOKEN};

#[tokio::test]
async fn with_every_fault_a_sync_completes_without_duplicates() {
    let share = 0.02;
    let harness = Harness::faulty(Faults {
        seed: 11,
        lose_before: share,
        bad_gateway: share,
        throttle: 0.01,
        throttle_seconds: 1,
        error_500: share,
        lose_after: share,
        error_500_after: share,
        bad_gateway_after: share,
        cut_body: share,
        slow: share,
        slow_for: Duration::from_millis(500),
        queued: Duration::from_millis(500),
        // Longer than the wait before the early searches for a lost create, so that only the last search may decide.
        late_search: Duration::from_secs(5),
        ..Faults::default()
    })
    .await;
    let people = People::new(300, 31, 1);
    harness.write("in.csv", people.csv());
    let mut ran = harness.sync("in.csv --match email --search-lag 7s").run().await;
    // A call that fails too often in a row leaves its contact for the next run.
    for _ in 0..3 {
        if ran.code == Some(4) {
            assert!((1..=3).contains(&ran.summary().count("pending")), "{ran:?}");
            ran = harness.resume().run().await;
        }
    }
    let ran = ran.exits(0);
    let summary = ran.summary();
    assert_eq!(summary.rows(), "300 created", "{ran:?}");
    people.assert_stored_in(&harness.sandbox);
    let ledger = harness.sandbox.ledger();
    assert_eq!(ledger.creates(TOKEN), 300);

    // Each fault occurred, also at a create that had its effect.
    let calls = ledger.calls();
    let faults = [
        Fault::LoseBefore,
        Fault::BadGateway,
        Fault::Throttle,
        Fault::Error,
        Fault::LoseAfter,
        Fault::ErrorAfter,
        Fault::BadGatewayAfter,
        Fault::CutBody,
    ];
    for fault in faults {
        assert!(calls.iter().any(|call| call.fault == Some(fault)), "{fault:?}");
    }
    let lost = |call: &&contactsync::sandbox::CallRecord| {
        call.applied && call.fault.is_some() && call.kind == Some(contactsync::report::CallKind::Create)
    };
    assert!(calls.iter().filter(lost).count() > 5);
    assert!(calls.iter().any(|call| call.status == Some(449)));
    // The summary agrees with the ledger.
    assert_eq!(summary.calls(), harness.calls());
    assert_eq!(summary.count("throttled"), ledger.throttled());
    assert!(summary.count("retries") > 100);

    harness.sandbox.set_faults(Faults::default());
    let again = harness.sync("in.csv --match email").run().await.exits(0).summary();
    assert_eq!((again.rows().as_str(), harness.calls().as_str()), ("300 unchanged", "none"));
}

#[tokio::test]
async fn a_lost_create_without_a_match_field_is_sent_again_only_on_request() {
    let lose = || Faults { lose_after: 1.0, ..Faults::default() };
    let harness = Harness::faulty(lose()).await;
    harness.write("in.csv", "name\nAnn\n");
    let ran = harness.sync("in.csv --mode create").run().await.exits(3);
    let [warning] = ran.stderr_lines("warning: in.csv:2: row 1 rejected: in doubt")[..] else { panic!("{ran:?}") };
    assert!(warning.contains("no match field"), "{warning}");
    harness.sandbox.set_faults(Faults::default());
    harness.sync("in.csv --mode create").run().await.exits(3);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 1);
    // On request it is sent again, which may create a duplicate, and here does.
    harness.sync("in.csv --mode create --retry-in-doubt").run().await.exits(0);
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 2);
    harness.sync("in.csv --mode create").run().await.exits(0);
    assert_eq!(harness.calls(), "2 create");
}
