//! Signals: the first one finishes the calls in flight, the second one exits immediately.

use std::time::{Duration, Instant};

use contactsync::sandbox::Faults;

use support::{Harness, People, TOKEN, hang_up};

async fn check_first(signal: &str) {
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(300), ..Faults::default() }).await;
    let people = People::new(40, 35, 3);
    harness.write("in.csv", people.csv());
    let mut running = harness.sync("in.csv --match email --concurrency 8").start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 20).await);
    running.signal(signal).await;
    let ran = running.end().await.exits(4);

    let summary = ran.summary();
    assert_eq!(summary.text("state"), "stopped");
    assert_eq!(summary.text("reason"), format!("stopped by SIG{signal}"));
    assert!(summary.count("pending") > 0, "{ran:?}");
    assert!(ran.stderr.contains(&format!("SIG{signal}")), "{ran:?}");
    assert!(ran.stderr.contains("contactsync resume"), "{ran:?}");
    assert!(ran.stderr.contains("or the same `sync` again"), "{ran:?}");
    assert_eq!(ran.stderr_lines("error:"), [""; 0], "{ran:?}");
    // The calls in flight were finished.
    assert_eq!(harness.undelivered(), []);

    harness.sandbox.set_faults(Faults::default());
    let before = harness.sandbox.ledger().len();
    let after = harness.resume().run().await.exits(0).summary();
    assert_eq!((after.text("state"), after.count("pending")), ("finished", 0));
    people.assert_stored_in(&harness.sandbox);
    // The minimum number of calls in all: nothing was sent twice.
    assert!(before < 160 && harness.sandbox.ledger().len() == 160);
    assert_eq!(harness.calls(), "40 find, 40 create, 40 update, 40 add_tags");
}

#[tokio::test]
async fn the_first_signal_finishes_the_calls_in_flight() {
    tokio::join!(check_first("INT"), check_first("TERM"), check_first(hang_up()));
}

async fn check_second(first: &str, second: &str) {
    let harness = Harness::faulty(Faults { latency: Duration::from_secs(20), ..Faults::default() }).await;
    let people = People::new(20, 3, 1);
    harness.write("in.csv", people.csv());
    let mut running = harness.sync("in.csv --match email --mode create --search-lag 1s --concurrency 4").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 4).await);
    running.signal(first).await;
    running.until_stderr_has("press Ctrl-C again to exit immediately").await;
    let begun = Instant::now();
    running.signal(second).await;
    running.end().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    harness.sandbox.set_faults(Faults::default());
    harness.resume().run().await.exits(0);
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 20);
}

#[tokio::test]
async fn the_second_signal_exits_immediately_and_loses_nothing() {
    tokio::join!(check_second("INT", "INT"), check_second("TERM", "INT"), check_second(hang_up(), "TERM"));
}

#[tokio::test]
async fn an_ignored_hang_up_stays_ignored() {
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(200), ..Faults::default() }).await;
    let people = People::new(20, 2, 0);
    harness.write("in.csv", people.csv());
    let program = harness.sync("in.csv --match email --concurrency 4").shell("trap '' HUP; exec \"$@\"");
    let mut running = program.start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 8).await);
    running.signal("HUP").await;
    running.end().await.exits(0);
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn a_stopped_demo_does_not_start_its_second_run() {
    for signal in ["INT", "TERM", hang_up()] {
        let harness = Harness::unlimited().await;
        let mut running = harness.program("demo").start();
        running.until_stdout_has("Importing").await;
        running.signal(signal).await;
        let ran = running.end().await.exits(4);
        assert!(!ran.stdout.contains("The same file again"), "{ran:?}");
        let warning = format!("warning: the demo was stopped by SIG{signal}");
        assert_eq!((ran.stderr_lines(&warning).len(), ran.stderr_lines("error:").len()), (1, 0), "{ran:?}");
    }
}
