//! Files that change during a run: deleted, replaced, linked, planted, or opened by several processes at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use contactsync::sandbox::Faults;
use futures_util::StreamExt as _;

use support::{Harness, JOURNAL, Output, People, TOKEN};

/// The number of cases that run at once. They mostly wait.
const AT_ONCE: usize = 5;

const CHANNEL_LOCK: &str = "journal.db-default.lock";

/// The files in the harness's directory whose names start with this.
fn names(harness: &Harness, beginning: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(harness.path(".")).expect("the directory").flatten().map(|file| file.path());
    files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning))).collect()
}

#[track_caller]
fn check_sound(ran: &Output, what: &str) {
    assert!(!ran.stderr.contains("unexpected failure") && ran.code.is_some_and(|code| code < 100), "{what}: {ran:?}");
}

/// What happens to a file during a run.
#[derive(Clone, Copy, Debug)]
enum FileEvent {
    Deleted,
    Renamed,
    /// Replaced by a copy of itself.
    Copied,
    /// Its directory is replaced by a copy of that directory.
    FolderCopied,
}

fn apply(path: &Path, event: FileEvent) {
    let copied = path.with_extension("copied");
    match event {
        FileEvent::Deleted => fs::remove_file(path).expect("the file exists"),
        FileEvent::Renamed => fs::rename(path, &copied).expect("the file exists"),
        FileEvent::Copied => {
            fs::copy(path, &copied).expect("the file exists");
            fs::rename(&copied, path).expect("the file exists");
        }
        FileEvent::FolderCopied => {
            let folder = path.parent().expect("a parent directory");
            let moved = folder.with_extension("moved");
            fs::rename(folder, &moved).expect("the file exists");
            fs::create_dir(folder).expect("the name is free");
            for file in fs::read_dir(&moved).expect("the directory").flatten() {
                fs::copy(file.path(), folder.join(file.file_name())).expect("a file");
            }
        }
    }
}

#[tokio::test]
async fn deleting_or_replacing_a_file_of_the_journal_stops_the_run_and_blocks_a_second_run() {
    let window = "journal.db-~";
    let cases = [
        (JOURNAL, FileEvent::Deleted),
        (JOURNAL, FileEvent::Renamed),
        (JOURNAL, FileEvent::Copied),
        (JOURNAL, FileEvent::FolderCopied),
        ("journal.db-wal", FileEvent::Deleted),
        ("journal.db-wal", FileEvent::Copied),
        ("journal.db-shm", FileEvent::Deleted),
        (CHANNEL_LOCK, FileEvent::Deleted),
        (CHANNEL_LOCK, FileEvent::Renamed),
        (CHANNEL_LOCK, FileEvent::Copied),
        (window, FileEvent::Deleted),
    ];
    // When every file of the journal is gone, nothing is known of the run, and `create` does not search.
    let cases =
        cases.into_iter().flat_map(|(name, event)| [(name, event, "upsert", false), (name, event, "create", false)]);
    let cases = cases.chain([("journal.db", FileEvent::Deleted, "upsert", true)]);
    let checks = cases.map(|(name, event, mode, is_all)| check_file_event(name, event, mode, is_all));
    futures_util::stream::iter(checks).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

async fn check_file_event(name: &str, event: FileEvent, mode: &str, is_all: bool) {
    let what = format!("{name} {event:?} in {mode}{}", if is_all { ", with all beside it" } else { "" });
    let harness = Harness::faulty(Faults { latency: Duration::from_millis(20), ..Faults::default() }).await;
    fs::create_dir(harness.path("state")).expect("a directory");
    let people = People::new(50, 2, 0);
    harness.write("in.csv", people.csv());
    let sync = || {
        harness.program(&format!(
            "sync in.csv --match email --mode {mode} --search-lag 300ms --json --concurrency 4 --rate 1000000 \
             --journal state/{JOURNAL} --url {}",
            harness.sandbox.url()
        ))
    };
    let mut first = sync().start();
    assert!(first.until(|| harness.sandbox.ledger().creates(TOKEN) > 10).await, "{what}");
    let path = fs::read_dir(harness.path("state")).expect("the directory").flatten().map(|file| file.path());
    let path = path.filter(|path| path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(name)));
    let mut found: Vec<PathBuf> = path.collect();
    found.sort();
    let found = if is_all { &found[..] } else { &found[..1] };
    for path in found {
        apply(path, event);
    }
    let before = harness.sandbox.ledger().len();
    let second = sync().start();
    let first = first.end().await;
    assert_eq!(first.code, Some(1), "{what}: {first:?}");
    let [error] = first.stderr_lines("error:")[..] else { panic!("{what}: {first:?}") };
    assert!(error.contains("was deleted, replaced or truncated"), "{what}: {error}");
    assert_eq!(first.stderr_lines("hint:").len(), 1, "{what}: {first:?}");
    let second = second.end().await;
    check_sound(&second, &what);
    if second.code == Some(6) {
        // The calls in flight, and at most one further group.
        assert!(
            harness.sandbox.ledger().len() <= before + 12,
            "{what}: {} after {before}",
            harness.sandbox.ledger().len()
        );
    }
    let is_same = |ran: &Output| ran.code == Some(0);
    // The next run finishes the work, or the error explains what to do about a missing file.
    let mut ran = sync().run().await;
    if ran.stderr.contains("is missing, but") {
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        fs::remove_file(harness.path("state/journal.db-wal")).expect("the error names it");
        ran = sync().run().await;
    }
    if !is_same(&ran) {
        ran = sync().run().await;
    }
    assert!(is_same(&ran), "{what}: {ran:?}");
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 50, "{what}");
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn truncating_the_journal_stops_the_run_and_the_next_run_refuses_it() {
    for mode in ["upsert", "create"] {
        let harness = Harness::faulty(Faults { latency: Duration::from_millis(20), ..Faults::default() }).await;
        harness.write("in.csv", People::new(50, 2, 0).csv());
        let sync = || harness.sync(&format!("in.csv --match email --mode {mode} --search-lag 300ms --concurrency 4"));
        let creates = || harness.sandbox.ledger().creates(TOKEN);
        let mut first = sync().start();
        assert!(first.until(|| creates() > 10).await, "{mode}");
        fs::write(harness.path(JOURNAL), "").expect("a writable file");
        let before = creates();
        let first = first.end().await.exits(1);
        let [error] = first.stderr_lines("error:")[..] else { panic!("{mode}: {first:?}") };
        assert!(error.contains("was deleted, replaced or truncated"), "{mode}: {error}");
        assert!(creates() <= before + 12, "{mode}: {} after {before}", creates());
        let made = creates();
        let next = sync().run().await;
        check_sound(&next, mode);
        assert!(next.code == Some(1) && creates() == made, "{mode}: {next:?}");
    }
}

#[tokio::test]
async fn a_log_without_its_journal_is_refused() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    for left in ["-wal", "-journal"] {
        let name = format!("gone.db{left}");
        harness.write(&name, "not empty");
        for command in [
            format!("sync in.csv --match email --url {}", harness.sandbox.url()),
            "plan in.csv --match email".to_owned(),
        ] {
            let ran = harness.program(&format!("{command} --journal gone.db")).run().await.exits(1);
            let [error] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
            let expected = format!("journal gone.db: the file is missing, but gone.db{left} is there");
            assert!(error.contains(&expected), "{error}");
            assert_eq!(ran.stderr_lines("hint:").len(), 1, "{ran:?}");
            assert!(!harness.path("gone.db").exists());
            assert_eq!(fs::read(harness.path(&name)).expect("the file is left"), b"not empty");
        }
        fs::remove_file(harness.path(&name)).expect("the file is left");
    }
    // An empty log holds nothing.
    harness.write("gone.db-wal", "");
    harness
        .program(&format!("sync in.csv --match email --journal gone.db --url {}", harness.sandbox.url()))
        .run()
        .await
        .exits(0);
}

#[tokio::test]
async fn an_empty_journal_is_new_unless_calls_were_journaled_in_it() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let schemaless = {
        let path = harness.path("empty.db");
        let database = rusqlite::Connection::open(&path).expect("a database");
        database.execute_batch("PRAGMA journal_mode = WAL; VACUUM").expect("an empty database");
        drop(database);
        fs::read(path).expect("a database")
    };
    assert_eq!(schemaless.len(), 4_096);
    for (journal, lock, code) in [
        (&b""[..], None, 0),
        (b"", Some(""), 0),
        (b"", Some("process 7 since noon\n00000000000000000000\n"), 0),
        (b"", Some("process 7 since noon\n00000000000000000031\n"), 1),
        // A journal of an earlier version does not record it.
        (b"", Some("process 7 since noon"), 1),
        (&schemaless, None, 0),
        (&schemaless, Some("process 7 since noon\n00000000000000000000\n"), 0),
        (&schemaless, Some("process 7 since noon\n00000000000000000031\n"), 1),
    ] {
        for name in names(&harness, JOURNAL) {
            fs::remove_file(name).expect("the file exists");
        }
        harness.write(JOURNAL, journal);
        if let Some(lock) = lock {
            harness.write(CHANNEL_LOCK, lock);
        }
        let ran = harness.sync("in.csv --match email").run().await;
        assert_eq!(ran.code, Some(code), "{} bytes beside {lock:?}: {ran:?}", journal.len());
        if code == 1 {
            assert!(ran.stderr.contains("damaged"), "{ran:?}");
            assert_eq!(fs::read(harness.path(JOURNAL)).expect("the file is left"), journal);
        }
    }
}

/// What stands in the place of a file.
#[derive(Clone, Copy, Debug)]
enum Plant {
    Symlink,
    HardLink,
    Pipe,
    Folder,
}

const PLANTS: [Plant; 4] = [Plant::Symlink, Plant::HardLink, Plant::Pipe, Plant::Folder];

fn plant(plant: Plant, path: &Path, precious: &Path) {
    match plant {
        Plant::Symlink => symlink(precious, path).expect("a link"),
        Plant::HardLink => fs::hard_link(precious, path).expect("a link"),
        Plant::Pipe => assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success()),
        Plant::Folder => fs::create_dir(path).expect("a directory"),
    }
}

#[tokio::test]
async fn no_file_is_written_through_a_link() {
    const PRECIOUS: &str = "_line,_reason,email\nthis is not for contactsync\n";
    for (place, options) in [
        (CHANNEL_LOCK, ""),
        ("journal.db-wal", ""),
        ("journal.db-shm", ""),
        ("journal.db-journal", ""),
        ("r.csv", "--rejects r.csv"),
        ("r.csv", "--results r.csv"),
        ("r.csv.part", "--rejects r.csv"),
        ("r.csv.part", "--results r.csv"),
    ] {
        for kind in PLANTS {
            let harness = Harness::unlimited().await;
            harness.write("in.csv", "email\na@example.com\n");
            harness.write("precious", PRECIOUS);
            // The journal exists before, so that the files beside it belong to it.
            harness.write("other.csv", "email\nb@example.com\n");
            harness.sync("other.csv --match email --channel other").run().await.exits(0);
            let _ = harness.calls();
            plant(kind, &harness.path(place), &harness.path("precious"));
            let ran = harness.sync(&format!("in.csv --match email {options}")).run().await;
            let what = format!("{place} {kind:?} {options}");
            assert_eq!(ran.code, Some(2), "{what}: {ran:?}");
            assert_eq!(ran.stderr_lines("error:").len(), 1, "{what}: {ran:?}");
            assert_eq!(harness.calls(), "none", "{what}");
            assert_eq!(fs::read_to_string(harness.path("precious")).expect("the file exists"), PRECIOUS, "{what}");
            assert!(fs::symlink_metadata(harness.path(place)).is_ok(), "{what}: it is left as it is");
        }
    }
}

#[tokio::test]
async fn a_journal_may_be_a_symbolic_link_but_has_one_name() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email\na@example.com\n");
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    symlink(elsewhere.path().join("real.db"), harness.path(JOURNAL)).expect("a link");
    // The journal is created and used at the target of the link.
    harness.sync("in.csv --match email").run().await.exits(0);
    assert!(elsewhere.path().join("real.db").exists() && elsewhere.path().join("real.db-default.lock").exists());
    let again = harness.sync("in.csv --match email").run().await.exits(0);
    assert_eq!(again.summary().rows(), "1 unchanged");
    // With two names it would have two logs.
    fs::hard_link(elsewhere.path().join("real.db"), elsewhere.path().join("second.db")).expect("a link");
    let ran = harness.sync("in.csv --match email").run().await.exits(2);
    assert!(ran.stderr.contains("several names (hard links)"), "{ran:?}");
    fs::remove_file(elsewhere.path().join("second.db")).expect("a link");
    harness.sync("in.csv --match email").run().await.exits(0);
}

#[tokio::test]
async fn a_list_replaces_no_file_that_is_not_a_list_of_the_same_kind() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name\na@example.com,Ann\n,Nobody\n");
    harness.write("tok", format!("{TOKEN}\n"));
    harness.write("thesis.csv", "chapter,page\n1,1\n");
    harness.write("rejected.csv", "_line,_reason,email,name\n3,x,,Nobody\n");
    harness.write("results.csv", "line,key,outcome,contact_id,calls,reason\n");
    harness.write("new.csv.part", "half a thesis");
    harness.write("zeros.csv", [0; 100]);
    harness.write("empty.csv", "");
    let sync = |options: &str| {
        let sync = harness.sync(&format!("in.csv --match email --token-file tok {options}"));
        sync.token(None)
    };
    sync("").run().await.exits(3);
    let _ = harness.calls();
    for (options, path, part) in [
        ("--results thesis.csv", "thesis.csv", "expected a new file or an earlier list of the same kind"),
        ("--rejects thesis.csv", "thesis.csv", "expected a new file or an earlier list of the same kind"),
        ("--results tok", "tok", "expected a separate file, found the token file"),
        ("--rejects ./tok", "tok", "expected a separate file, found the token file"),
        ("--results rejected.csv", "rejected.csv", "an earlier list of the same kind"),
        ("--rejects results.csv", "results.csv", "an earlier list of the same kind"),
        ("--rejects journal.db-wal", "journal.db-wal", "expected a separate file, found the journal"),
        ("--results journal.db-shm", "journal.db-shm", "expected a separate file, found the journal"),
        ("--results journal.db-journal", "journal.db-journal", "expected a separate file, found the journal"),
        ("--results journal.db-default.lock", CHANNEL_LOCK, "an earlier list of the same kind"),
        ("--rejects new.csv", "new.csv.part", "found another file at "),
        ("--results new.csv", "new.csv.part", "found another file at "),
        ("--rejects zeros.csv", "zeros.csv", "an earlier list of the same kind"),
        ("--rejects r.xlsx", "r.xlsx", "found the ending `.xlsx`"),
        ("--results R.ODS", "R.ODS", "found the ending `.ods`"),
        ("--rejects r.csv.gz", "r.csv.gz", "found the ending `.gz`"),
        ("--results /dev/null", "none", "found a device or a pipe"),
        ("--results /dev/stdout", "none", "found a symbolic link"),
    ] {
        let before = fs::read(harness.path(path)).ok();
        let ran = sync(options).run().await;
        assert_eq!(ran.code, Some(2), "{options}: {ran:?}");
        let [error] = ran.stderr_lines("error:")[..] else { panic!("{options}: {ran:?}") };
        assert!(error.contains(part), "{options}: {error}");
        assert_eq!(harness.calls(), "none", "{options}");
        // SQLite's files exist only while a run works, and the lock file has its holder's process id.
        if !path.starts_with("journal.db") {
            assert_eq!(fs::read(harness.path(path)).ok(), before, "{options}");
        }
    }
    // Lists of the same kind and empty files are replaced.
    for options in ["--rejects rejected.csv --results results.csv", "--rejects empty.csv", "--results other.csv"] {
        sync(options).run().await.exits(3);
        sync(options).run().await.exits(3);
    }
    assert!(fs::read_to_string(harness.path("empty.csv")).expect("a list").starts_with("_line,_reason,email,name\n3,"));
}

#[tokio::test]
async fn a_planted_journal_neither_gets_the_token_nor_has_a_file_written() {
    let (mine, evil) = (Harness::unlimited().await, Harness::unlimited().await);
    mine.write("in.csv", "email\na@example.com\nb@example.com\n\"\"\n");
    let planted = "--max-calls 1 --rejects planted.csv --results other.csv";
    let url = evil.sandbox.url();
    mine.program(&format!("sync in.csv --match email --journal {JOURNAL} --url {url} {planted}")).run().await.exits(4);
    for list in ["planted.csv", "other.csv"] {
        fs::remove_file(mine.path(list)).expect("a list");
    }
    let _ = evil.calls();
    let resume = |options: &str| mine.program(&format!("resume --json --journal {JOURNAL} {options}"));
    let refused = async |options: &str, parts: [&str; 2]| {
        let ran = resume(options).run().await.exits(2);
        let [error] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
        let [hint] = ran.stderr_lines("hint:")[..] else { panic!("{ran:?}") };
        assert!(error.contains(parts[0]) && hint.contains(parts[1]), "{ran:?}");
        assert_eq!((mine.calls().as_str(), evil.calls().as_str()), ("none", "none"));
        assert!(!mine.path("planted.csv").exists() && !mine.path("other.csv").exists());
    };
    refused("", [&url, "--url"]).await;
    let at = format!("--url {url}");
    refused(&at, ["planted.csv", "--rejects"]).await;
    refused(&format!("{at} --rejects mine.csv"), ["other.csv", "--results"]).await;
    // Under other names, lists are written there and nowhere else; under the same names, as before.
    let lists = format!("{at} --rejects mine.csv --results planted.csv");
    resume(&lists).run().await.exits(3);
    assert!(mine.path("mine.csv").exists() && !mine.path("other.csv").exists());
    assert_eq!(evil.sandbox.contacts(TOKEN).len(), 2);
}

#[tokio::test]
async fn the_command_to_resume_names_what_the_journal_is_not_trusted_for() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(5, 2, 0).csv());
    let url = harness.sandbox.url();
    let ran = harness.sync("in.csv --match email --max-calls 2 --rejects r.csv --results s.csv").run().await.exits(4);
    let line = format!("contactsync resume --journal {JOURNAL} --url {url} --rejects r.csv --results s.csv`");
    assert!(ran.stderr.contains(&line), "{ran:?}");
    let options = line.trim_start_matches("contactsync ").trim_end_matches('`');
    harness.program(options).run().await.exits(0);
}

#[tokio::test]
async fn resume_refuses_a_list_of_all_rows_that_would_lack_some() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(5, 2, 0).csv());
    harness.sync("in.csv --match email").run().await.exits(0);
    harness.write("in.csv", People::new(8, 2, 0).csv());
    harness.sync("in.csv --match email --max-calls 1").run().await.exits(4);
    let _ = harness.calls();
    let ran = harness.resume().with("--results all.csv").run().await.exits(2);
    let error = "error: --results: the run counted 5 rows that needed no call but did not store them";
    assert_eq!(ran.stderr_lines("error:"), [error], "{ran:?}");
    assert_eq!((harness.calls().as_str(), harness.path("all.csv").exists()), ("none", false));
    // The rejected rows are stored in any case, and the same `sync` lists all rows.
    harness.resume().with("--rejects bad.csv --max-calls 1").run().await.exits(4);
    let again = "in.csv --match email --rejects bad.csv --results all.csv --max-calls 2";
    harness.sync(again).run().await.exits(4);
    harness.resume().with("--rejects bad.csv --results all.csv").run().await.exits(0);
    let listed = fs::read_to_string(harness.path("all.csv")).expect("the list");
    // One of them was created before.
    assert_eq!((listed.lines().count(), listed.matches(",unchanged,").count()), (9, 6), "{listed}");
}

#[tokio::test]
async fn processes_started_together_on_a_new_journal_run_or_name_the_lock_holder() {
    let times: usize = std::env::var("FIRST_STARTS").ok().and_then(|times| times.parse().ok()).unwrap_or(3);
    for (count, channels) in (0..times).flat_map(|_| [(4, 1), (4, 4), (16, 1), (16, 16), (16, 4)]) {
        let harness = Harness::faulty(Faults { latency: Duration::from_millis(30), ..Faults::default() }).await;
        let people = People::new(4, 2, 0);
        harness.write("in.csv", people.csv());
        let start = |nth: usize| {
            let channel = nth % channels;
            harness
                .sync(&format!("in.csv --match email --channel c{channel} --concurrency 1"))
                .token(Some(&format!("token-{channel}")))
                .start()
        };
        for channel in 0..channels {
            harness.sandbox.accept_token(&format!("token-{channel}"));
        }
        let running: Vec<_> = (0..count).map(start).collect();
        let mut worked = 0;
        for running in running {
            let ran = running.end().await;
            if ran.code == Some(6) {
                let [error] = ran.stderr_lines("error:")[..] else { panic!("{ran:?}") };
                assert!(error.contains(": in use by another run (process "), "{error}");
            } else {
                assert_eq!(ran.code, Some(0), "{count} processes on {channels} channels: {ran:?}");
                worked += 1;
            }
        }
        assert!(worked >= channels, "{worked} of {count} on {channels} channels");
        for channel in 0..channels {
            people.assert_stored_in_channel(&harness.sandbox, &format!("token-{channel}"));
        }
        // No temporary file is left.
        assert!(names(&harness, ".contactsync-").is_empty());
    }
}
