//! Machine faults: a full disk, a truncated or overwritten journal, a closed output. Each gives one clear line and the documented
//! exit code, creates no duplicate, and the next run continues.

use std::fs;
use std::time::Duration;

use contactsync::Field;
use contactsync::sandbox::Faults;

use support::tools::has_strace;
use support::{Harness, JOURNAL, Output, People, TOKEN};

/// Checks that the run failed with exit code 1, one error line that contains `words`, and one hint.
#[track_caller]
fn check_failed(ran: &Output, words: &str) {
    assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
    let [error] = ran.stderr_lines("error:")[..] else { panic!("expected one error: {ran:?}") };
    assert!(error.contains(words), "expected `{words}`: {ran:?}");
    assert_eq!(ran.stderr_lines("hint:").len(), 1, "{ran:?}");
    assert!(!ran.stderr.contains("unexpected failure"), "{ran:?}");
}

#[tokio::test]
async fn a_full_disk_stops_the_run_and_the_next_run_continues() {
    // Files may not grow beyond a number of 512-byte blocks; or every write from the nth on fails with ENOSPC.
    let limits = [8, 64, 300, 700].map(|blocks| (format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "journal"));
    let inject = |call: &str, error: &str, nth: usize| {
        format!("exec strace -f -qq -o /dev/null -e trace={call} -e inject={call}:error={error}:when={nth}+ \"$@\"")
    };
    let full = [1, 6, 40, 400].map(|nth| (inject("pwrite64", "ENOSPC", nth), "disk is full"));
    // Writes do not reach the disk.
    let broken = [3, 20].map(|nth| (inject("fsync,fdatasync", "EIO", nth), "reading or writing failed"));
    let traced = if has_strace("sync") { [full.to_vec(), broken.to_vec()].concat() } else { Vec::new() };
    let mut amid = 0;
    for (shell, words) in limits.into_iter().chain(traced) {
        let harness = Harness::unlimited().await;
        let people = People::new(60, 3, 1);
        harness.write("in.csv", people.csv());
        let sync = || harness.sync("in.csv --match email --mode create --search-lag 1s --concurrency 4");
        let ran = sync().shell(&shell).run().await;
        // Also if the journal could not be created.
        check_failed(&ran, words);
        amid += usize::from((1..60).contains(&harness.sandbox.ledger().creates(TOKEN)));
        sync().run().await.exits(0);
        people.assert_stored_in(&harness.sandbox);
        assert_eq!(harness.sandbox.ledger().creates(TOKEN), 60, "{shell}");
    }
    assert!(amid > 0, "no case stopped in the middle of the work");
}

#[tokio::test]
async fn a_list_that_fails_to_be_written_stops_the_run_and_resume_writes_it() {
    if !has_strace("sync") {
        return;
    }
    let mut amid = 0;
    for (option, list, header) in [("--rejects", "bad.csv", 1), ("--results", "results.csv", 1)] {
        // Writes are counted for each thread. Rows are appended on another thread than the one that writes the whole list at the
        // beginning and at the end: the first write of any thread fails, or the second one, or only the one at the end.
        for (follow, nth) in [("-f", 1), ("-f", 2), ("", 2)] {
            let harness = Harness::unlimited().await;
            let mut csv = String::from("email\n");
            for nth in 0..20 {
                for _ in 0..2 {
                    let email = Field::text("email", format!("p{nth}@example.com"));
                    harness.sandbox.insert(TOKEN, [email], [] as [&str; 0]);
                }
                csv.push_str(&format!("p{nth}@example.com\n"));
            }
            harness.write("in.csv", csv);
            // From that write into the list on, there is no room.
            let path = harness.path(list).display().to_string();
            let inject = format!("-e trace=write -P {path}.part -P {path} -e inject=write:error=ENOSPC:when={nth}+");
            let shell = format!("exec strace {follow} -qq -o /dev/null {inject} \"$@\"");
            let sync = harness.sync(&format!("in.csv --match email --concurrency 1 {option} {list}"));
            let ran = sync.shell(&shell).run().await;
            check_failed(&ran, &format!("{list}: cannot write it: No space left on device"));
            amid += usize::from((1..20).contains(&harness.sandbox.ledger().len()));

            harness.resume().with(&format!("{option} {list}")).run().await;
            let written = fs::read_to_string(harness.path(list)).expect("a list");
            assert_eq!(written.lines().count(), 20 + header, "{option} {follow} {nth}: {written}");
            // Nothing is left to be done, the lists included.
            fs::remove_file(harness.path(list)).expect("the list");
            harness.resume().run().await.exits(0);
            assert!(!harness.path(list).exists());
        }
    }
    assert!(amid > 0, "no case stopped in the middle of the work");
}

#[tokio::test]
async fn a_read_only_journal_is_refused_before_anything_is_sent() {
    if !has_strace("sync") {
        return;
    }
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    harness.sync("in.csv --match email --channel other").run().await.exits(0);
    let _ = harness.calls();
    for (error, words) in [("EACCES", "Permission denied"), ("EROFS", "Read-only file system")] {
        let journal = harness.path(JOURNAL).display().to_string();
        let inject = format!("-e trace=openat -P {journal} -e inject=openat:error={error}");
        let shell = format!("exec strace -f -qq -o /dev/null {inject} \"$@\"");
        let ran = harness.sync("in.csv --match email").shell(&shell).run().await.exits(2);
        let [line] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
        assert!(line.contains(&format!("journal {JOURNAL}: cannot open or write it: {words}")), "{line}");
        assert_eq!(harness.calls(), "none");
    }
    harness.sync("in.csv --match email").run().await.exits(0);
}

#[tokio::test]
async fn a_disk_error_is_not_reported_as_a_damaged_file() {
    if !has_strace("sync") {
        return;
    }
    let harness = Harness::unlimited().await;
    for name in ["sheet.xlsx", "sheet.ods"] {
        harness.write(name, fs::read(format!("fixtures/input/{name}")).expect("a fixture"));
        let mut failed = 0;
        for nth in 1.. {
            let inject = format!("-e trace=read -P {name} -e inject=read:error=EIO:when={nth}");
            let shell = format!("exec strace -f -qq -o strace.log {inject} \"$@\"");
            let ran = harness.plan(&format!("{name} --match phone")).shell(&shell).run().await;
            let log = fs::read_to_string(harness.path("strace.log")).expect("the trace");
            if !log.contains("INJECTED") {
                break;
            }
            failed += 1;
            let [line] = ran.stderr_lines("error:")[..] else { panic!("read {nth} of {name}: {ran:?}") };
            let is_disk_error = line.contains("Input/output error") && !line.contains("damaged");
            assert!(is_disk_error, "read {nth} of {name}: {line}");
        }
        assert!(failed > 5, "{name}: {failed} reads failed");
    }
}

/// A harness after a completed sync, its contacts, and the content of its journal in one file.
async fn synced() -> (Harness, People, Vec<u8>) {
    let harness = Harness::unlimited().await;
    let people = People::new(60, 3, 1);
    harness.write("in.csv", people.csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    let whole = rusqlite::Connection::open(harness.path(JOURNAL)).expect("the journal");
    whole.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("no other process has it open");
    drop(whole);
    let journal = fs::read(harness.path(JOURNAL)).expect("the journal");
    (harness, people, journal)
}

#[tokio::test]
async fn a_truncated_or_overwritten_journal_is_refused() {
    let (harness, people, journal) = synced().await;
    let page = 4_096;
    let noise: Vec<u8> = {
        let mut chance = fastrand::Rng::with_seed(7);
        std::iter::repeat_with(|| chance.u8(..)).take(journal.len()).collect()
    };
    let over = |range: std::ops::Range<usize>| {
        let mut broken = journal.clone();
        broken[range.clone()].copy_from_slice(&noise[range]);
        broken
    };
    let mut broken = vec![
        ("nothing left".to_owned(), Vec::new()),
        ("one byte".to_owned(), journal[..1].to_vec()),
        ("half its header".to_owned(), journal[..50].to_vec()),
        ("its first page".to_owned(), journal[..page].to_vec()),
        ("half".to_owned(), journal[..journal.len() / 2 + 77].to_vec()),
        ("all but a page".to_owned(), journal[..journal.len() - page].to_vec()),
        ("its head overwritten".to_owned(), over(0..100)),
        ("overwritten".to_owned(), over(0..journal.len())),
    ];
    let always = broken.len();
    let pages = journal.len() / page;
    broken.extend((1..pages).map(|nth| (format!("page {nth} overwritten"), over(nth * page..(nth + 1) * page))));
    let mut reported = 0;
    for (nth, (name, bytes)) in broken.iter().enumerate() {
        for extra in ["-wal", "-shm"] {
            let _ = fs::remove_file(harness.path(&format!("{JOURNAL}{extra}")));
        }
        harness.write(JOURNAL, bytes);
        let ran = harness.sync("in.csv --match email --mode create").run().await;
        // Damage to a page that the run does not read may go unnoticed.
        if nth < always || ran.code != Some(0) {
            assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
            check_failed(&ran, "damaged");
            assert!(ran.stderr.contains("restore it from a backup"), "{name}: {ran:?}");
            reported += 1;
        }
        assert_eq!(harness.sandbox.ledger().creates(TOKEN), 60, "{name}: {ran:?}");
        if nth < always {
            assert!(
                fs::read(harness.path(JOURNAL)).expect("the journal") == *bytes,
                "{name}: the journal is unchanged"
            );
            check_failed(&harness.plan("in.csv --match email").run().await, "damaged");
        }
    }
    assert!(reported > always + pages / 2, "{reported} of {}", broken.len());
    // With the restored copy, the run succeeds.
    for extra in ["-wal", "-shm"] {
        let _ = fs::remove_file(harness.path(&format!("{JOURNAL}{extra}")));
    }
    harness.write(JOURNAL, &journal);
    let summary = harness.sync("in.csv --match email --mode create").run().await.exits(0).summary();
    assert_eq!(summary.rows(), "60 unchanged");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn closed_or_full_outputs_do_not_stop_the_run() {
    for (shell, code) in [
        ("exec \"$@\" >&-", 0),
        ("exec \"$@\" 2>&-", 0),
        ("exec \"$@\" >&- 2>&-", 0),
        ("exec \"$@\" 2>/dev/full", 0),
        ("exec \"$@\" >/dev/full", 1),
        // The exit code is that of the first program in the pipe, as under `pipefail`.
        ("{ \"$@\" -v; echo $? >code; } 2>&1 | head -n 1 >/dev/null; exit $(cat code)", 0),
    ] {
        let harness = Harness::faulty(Faults { latency: Duration::from_millis(2), ..Faults::default() }).await;
        let people = People::new(60, 3, 1);
        harness.write("in.csv", people.csv());
        let ran = harness.sync("in.csv --match email").shell(shell).run().await.exits(code);
        if code == 1 {
            let [error] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
            assert!(error.starts_with("error: standard output: failed to write: "), "{ran:?}");
        }
        people.assert_stored_in(&harness.sandbox);
        let again = harness.sync("in.csv --match email").run().await.exits(0).summary();
        assert_eq!(again.rows(), "60 unchanged", "{shell}");
    }
}
