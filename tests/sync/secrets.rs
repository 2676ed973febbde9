//! The token is only in its HTTP header, and only the owner can read the files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use contactsync::sandbox::{Config, Faults};

use support::{Harness, JOURNAL, Output, People};

const SECRET: &str = "tok-1f0e9d8c7b6a5948-never-to-be-seen";

/// The number of further runs that contacts whose calls kept failing may take.
const LAST_RUNS: usize = 5;

/// Checks every file of the harness, including the programs' output. Returns the names of the journal's files.
#[track_caller]
fn check_files(harness: &Harness) -> Vec<String> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(harness.path(".")).expect("the harness's directory") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        // Half of the token would be a leak too.
        let found = bytes.windows(12).any(|window| SECRET.as_bytes().windows(12).any(|part| part == window));
        assert!(!found, "the token is in {}", path.display());
        let mut name = path.file_name().expect("a file name").to_string_lossy().into_owned();
        if name.starts_with(JOURNAL) {
            let mode = fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            // The name of the window's lock is keyed by the journal, so that it does not identify the token.
            name.truncate(name.find('~').map_or(name.len(), |at| at + 1));
            journals.push(name);
        }
    }
    journals.sort();
    journals
}

#[tokio::test]
async fn the_token_is_in_no_output_and_in_no_file() {
    let share = 0.04;
    let faults = Faults {
        seed: 5,
        lose_before: share,
        bad_gateway: share,
        throttle: 0.01,
        error_500: share,
        lose_after: share,
        error_500_after: share,
        bad_gateway_after: share,
        cut_body: share,
        queued: Duration::from_millis(50),
        latency: Duration::from_millis(2),
        ..Faults::default()
    };
    let config = Config { rate: 0, tokens: vec![SECRET.into()], faults, ..Config::default() };
    let harness = Harness::of(config).await;
    let people = People::new(80, 3, 1);
    harness.write("in.csv", people.csv());
    let sync = || harness.sync("in.csv --match email --search-lag 1s --concurrency 8 -v").token(Some(SECRET));

    // Killed, so that the journal's other files still exist.
    let mut running = sync().start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 100).await);
    running.kill().await;
    let all = ["journal.db", "journal.db-default.lock", "journal.db-shm", "journal.db-wal", "journal.db-~"];
    assert_eq!(check_files(&harness), all);

    let calls = |ran: &Output| ran.stderr.lines().filter(|line| line.contains(" ms")).count();
    let mut ran = sync().run().await;
    assert!(calls(&ran) > 100, "every call is logged: {ran:?}");
    // A call that fails too often in a row leaves its contact for the next run.
    for _ in 0..LAST_RUNS {
        if ran.code == Some(4) {
            ran = sync().run().await;
        }
    }
    ran.exits(0);
    people.assert_stored_in_channel(&harness.sandbox, SECRET);
    let log = harness.sync("in.csv --match email -v --log-format json").token(Some(SECRET)).run().await.exits(0);
    assert_eq!(log.summary().rows(), "80 unchanged");
    harness.sandbox.refuse_token(SECRET);
    harness.write("more.csv", "email\nnew@example.com\n");
    harness.sync("more.csv --match email -v").token(Some(SECRET)).run().await.exits(5);
    // There is no option for a token, and the error does not repeat the argument.
    harness.sync("in.csv --match email").token(Some(&format!("Bearer {SECRET}"))).run().await.exits(2);
    check_files(&harness);
}

#[tokio::test]
async fn a_token_comes_from_a_file_as_well() {
    let harness = Harness::of(Config { rate: 0, tokens: vec![SECRET.into()], ..Config::default() }).await;
    harness.write("in.csv", "email\na@example.com\n");
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("token");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let sync = harness.sync(&format!("in.csv --match email -v --token-file {}", file.display()));
    sync.token(None).run().await.exits(0);
    check_files(&harness);
}
