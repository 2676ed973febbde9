//! The program's outputs: readers that do not read, files that may not grow, terminals of any width, and logs.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use contactsync::sandbox::{Config, Faults};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::hostile::platform;
use support::{Harness, People, TOKEN, hang_up, undated};

/// Standard error is a pipe that is neither read nor closed.
const UNREAD_STDERR: &str = "mkfifo unread && exec 3<>unread && exec \"$@\" 2>&3";

/// Standard output is such a pipe, and it is full.
const FULL_STDOUT: &str = "mkfifo unread && exec 3<>unread && head -c 65536 /dev/zero >&3 && exec \"$@\" >&3";

/// The longest that a program may take to end after a signal. Calls in flight take less.
const SOON: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_standard_error_that_is_not_read_delays_no_call() {
    for options in ["-v", "-v --log-format json"] {
        let harness = Harness::unlimited().await;
        let people = People::new(1_500, 2, 0);
        harness.write("in.csv", people.csv());
        let sync = harness.sync(&format!("in.csv --match email {options}")).shell(UNREAD_STDERR);
        let ran = sync.run().await.exits(0);
        assert_eq!((ran.summary().rows().as_str(), ran.log.as_str()), ("1500 created", ""));
        people.assert_stored_in(&harness.sandbox);
    }
}

#[tokio::test]
async fn a_standard_error_that_is_not_read_blocks_no_signal() {
    for signal in ["TERM", "INT", hang_up()] {
        let faults = Faults { latency: Duration::from_millis(20), ..Faults::default() };
        let harness = Harness::faulty(faults).await;
        harness.write("in.csv", People::new(5_000, 2, 0).csv());
        // More than a pipe buffers.
        let mut running = harness.sync("in.csv --match email --concurrency 64 -v").shell(UNREAD_STDERR).start();
        assert!(running.until(|| harness.sandbox.ledger().len() >= 1_500).await);
        running.signal(signal).await;
        let begun = Instant::now();
        let summary = running.end().await.exits(4).summary();
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!(summary.text("reason"), format!("stopped by SIG{signal}"));
        // The calls in flight were finished.
        assert_eq!(harness.undelivered(), []);
    }
}

#[tokio::test]
async fn a_signal_ends_a_program_that_waits_for_a_reader_before_and_after_sending() {
    let rows = ",Ana\n".repeat(120_000);
    let check = async |arguments: &str, input: &str, shell: &str, code: Option<i32>| {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", input);
        let running = harness.program(&format!("{arguments} --url {}", harness.sandbox.url())).shell(shell).start();
        tokio::time::sleep(Duration::from_secs(4)).await;
        let begun = Instant::now();
        running.signal("TERM").await;
        let ran = running.end().await;
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(begun.elapsed() < SOON, "{arguments}: {:?}", begun.elapsed());
    };
    let many = format!("email,name\n{rows}");
    let few = "email\na@example.com\n";
    // While it reads the input, it waits for the reader, and nothing was sent. Where it sends nothing, the signal kills it.
    check("sync in.csv --match email -v", &many, UNREAD_STDERR, Some(4)).await;
    check("plan in.csv --match email -v", &many, UNREAD_STDERR, None).await;
    check("sync in.csv --match email", few, FULL_STDOUT, Some(4)).await;
    check("sync in.csv --match email --json", few, FULL_STDOUT, Some(4)).await;
    check("plan in.csv --match email", few, FULL_STDOUT, None).await;
}

#[tokio::test]
async fn a_closed_pipe_is_not_a_failure() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", People::new(5, 2, 0).csv());
    for shell in
        ["\"$@\" | true", "\"$@\" | head -c 1", "\"$@\" 2>&1 | true", "exec \"$@\" 2>&-", "exec \"$@\" >&- 2>&-"]
    {
        for arguments in ["sync in.csv --match email -v", "plan in.csv --match email", "runs", "--help"] {
            let url = if arguments.starts_with("sync") { harness.sandbox.url() } else { String::new() };
            let url = if url.is_empty() { url } else { format!("--url {url}") };
            let ran = harness.program(&format!("{arguments} {url}")).shell(shell).run().await;
            assert_eq!(ran.code, Some(0), "{shell} {ran:?}");
        }
    }
}

#[tokio::test]
async fn a_file_size_limit_is_a_plain_error_and_loses_nothing() {
    let people = People::new(400, 8, 2);
    let mut failed = 0;
    // In blocks of 512 bytes.
    for limit in [8, 100, 300, 500, 700, 1_000, 1_500] {
        let harness = Harness::unlimited().await;
        harness.write("in.csv", people.csv());
        let sync = || harness.sync("in.csv --match email --search-lag 1s");
        let ran = sync().shell(&format!("ulimit -f {limit} && exec \"$@\"")).run().await;
        let sent = harness.sandbox.ledger().len();
        if ran.code != Some(0) {
            failed += 1;
            let [error] = ran.stderr_lines("error: ")[..] else { panic!("expected one error: {ran:?}") };
            // Where the journal could not be created, nothing was sent.
            let is_made = !error.contains("cannot open or write it");
            assert!(is_made || sent == 0, "{limit}: {ran:?}");
            assert_eq!(ran.code, Some(1), "{limit}: {ran:?}");
            assert!(error.contains("journal"), "{limit}: {ran:?}");
            let hint = format!("hint: the file size limit is {} bytes (`ulimit -f`)", limit * 512);
            assert_eq!(ran.stderr_lines(&hint).len(), 1, "{limit}: {ran:?}");
        }
        sync().run().await.exits(0);
        people.assert_stored_in(&harness.sandbox);
        assert_eq!(harness.sandbox.ledger().creates(TOKEN), 400, "{limit}");
    }
    assert!(failed >= 3, "{failed} of the limits were reached");
    let harness = Harness::unlimited().await;
    harness.write("in.csv", people.csv());
    let check = async |arguments: &str, code: i32, error: &str| {
        let shell = "(ulimit -f 0; \"$@\" 2>&1 >out; echo \"exit $?\") | cat";
        let ran = harness.program(arguments).shell(shell).run().await;
        assert!(ran.stdout.contains(error) && ran.stdout.ends_with(&format!("exit {code}\n")), "{ran:?}");
    };
    check("init in.csv", 1, "error: contactsync.toml: cannot write it: File too large").await;
    check("plan in.csv --match email", 1, "error: standard output: failed to write: File too large").await;
    check(&format!("sync in.csv --match email --url {}", harness.sandbox.url()), 1, "error: journal contactsync.db")
        .await;
}

/// A terminal with a width, and what was written to it.
pub struct Terminal {
    // The shell script that opens it as standard error.
    shell: String,
    written: Arc<Mutex<Vec<u8>>>,
    // Stays open, so that the output is not lost when the last writer closes it.
    _own: File,
}

impl Terminal {
    pub fn of(columns: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("a new terminal");
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("a new terminal");
        let path = ptsname(&terminal, Vec::new()).expect("a path").into_string().expect("ASCII");
        let own = File::options().write(true).open(&path).expect("a new terminal");
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (File::from(terminal), Arc::clone(&written));
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                to.lock().expect("no panic").extend_from_slice(&bytes[..read]);
            }
        });
        Self { shell: format!("exec \"$@\" 2>{path}"), written, _own: own }
    }

    fn text(&self) -> String {
        String::from_utf8(self.written.lock().expect("no panic").clone()).expect("text")
    }

    /// The shell script that opens it as standard error.
    pub fn shell(&self) -> &str {
        &self.shell
    }

    /// What was written to it, once that contains this text.
    pub fn until(&self, text: &str) -> String {
        let begun = Instant::now();
        while !self.text().contains(text) && begun.elapsed() < SOON {
            thread::sleep(Duration::from_millis(2));
        }
        self.text()
    }

    /// The successive contents of the progress bar, and the lines above it.
    fn bars_and_lines(&self) -> (Vec<String>, Vec<String>) {
        let text = self.text().replace("\r\n", "\n");
        let (mut bars, mut lines) = (Vec::new(), Vec::new());
        for drawn in text.split("\r\u{1b}[2K") {
            let (above, bar) = drawn.rsplit_once('\n').map_or((None, drawn), |(above, bar)| (Some(above), bar));
            lines.extend(above.into_iter().flat_map(str::lines).map(str::to_owned));
            bars.push(bar.to_owned());
        }
        (bars, lines)
    }
}

/// Four contacts at three calls a minute: the fourth waits.
async fn at_a_limit_of_three() -> Harness {
    Harness::of(Config { rate: 3, ..Config::default() }).await
}

const FOUR: &str =
    "email,name\na@example.com,a\nb@example.com,b\nc@example.com,c\nd@example.com,d\ne@example.com,\u{1}\n";

#[tokio::test]
async fn the_progress_bar_fits_and_shows_what_it_waits_for() {
    let check = async |columns: u16, has_bar: bool, expected: &str| {
        let harness = at_a_limit_of_three().await;
        let terminal = Terminal::of(columns);
        // Its characters are two columns wide.
        let name = "\u{8fde}\u{7d61}\u{5148}\u{8fde}\u{7d61}\u{5148}.csv";
        harness.write(name, FOUR);
        let sync = harness
            .program(&format!("sync {name} --match email --mode create --rate 3 --url {}", harness.sandbox.url()));
        let mut running = sync.shell(&terminal.shell).start();
        let waits = || terminal.text().contains(expected);
        assert!(running.until(waits).await, "{columns}: {:?}", terminal.text());
        // The bar counts down where there is room.
        let before = terminal.bars_and_lines().0.len();
        let is_later = || !expected.contains("wait") || terminal.bars_and_lines().0.len() >= before + 2;
        assert!(running.until(is_later).await);
        running.signal("TERM").await;
        running.end().await.exits(4);
        let (bars, lines) = terminal.bars_and_lines();
        for bar in &bars {
            assert!(bar.chars().count() < columns.into(), "{columns}: {bar:?}");
            assert!(bar.is_empty() || bar.contains('\u{2591}') == has_bar, "{columns}: {bar:?}");
        }
        if columns >= 50 {
            assert!(bars.iter().any(|bar| bar.contains(" s for the limit")), "{columns}: {bars:?}");
        }
        // The bar is erased at the end, and lines on a terminal have no timestamp.
        assert_eq!(bars.last().map(String::as_str), Some(""), "{bars:?}");
        assert!(lines[0].starts_with(&format!("warning: {name}:6: row 5 rejected: ")), "{lines:?}");
    };
    tokio::join!(
        check(200, true, " 3/4 contacts \u{b7} waiting 5"),
        check(80, true, " 3/4 contacts \u{b7} waiting 5"),
        check(50, false, "3/4 contacts \u{b7} waiting 5"),
        check(40, false, "3/4 contacts \u{b7} waiting 5"),
        check(20, false, "3/4 contacts"),
    );
}

#[tokio::test]
async fn no_progress_bar_without_a_terminal_or_when_disabled() {
    let check = async |options: &str, term: &str| {
        let harness = Harness::faulty(Faults { latency: Duration::from_millis(300), ..Faults::default() }).await;
        let terminal = Terminal::of(80);
        harness.write("in.csv", FOUR);
        let sync = harness.sync("in.csv --match email").with(options);
        let sync = sync.environment(&[("CONTACTSYNC_TOKEN", TOKEN), ("TERM", term)]);
        sync.shell(&terminal.shell).run().await.exits(3);
        terminal.text().contains('\u{1b}')
    };
    assert!(check("", "xterm").await);
    for (options, term) in [("--no-progress", "xterm"), ("-q", "xterm"), ("", "dumb"), ("--log-format json", "xterm")] {
        assert!(!check(options, term).await, "{options} {term}");
    }
}

#[tokio::test]
async fn a_log_reports_each_wait_once() {
    let harness = at_a_limit_of_three().await;
    harness.write("in.csv", FOUR);
    let sync = format!("sync in.csv --match email --mode create --rate 3 --url {}", harness.sandbox.url());
    let mut running = harness.program(&sync).start();
    running.until_stderr_has(" contacts \u{b7} waiting ").await;
    tokio::time::sleep(Duration::from_secs(22)).await;
    running.signal("TERM").await;
    let ran = running.end().await.exits(4);
    let [progress] = ran.stderr_lines("3/4 contacts")[..] else { panic!("{ran:?}") };
    let (_, wait) = progress.split_once("3/4 contacts \u{b7} waiting ").expect("the reason for the wait");
    let (seconds, rest) = wait.split_once(" s for the limit \u{b7} ").expect("the seconds");
    assert!((40..=55).contains(&seconds.parse::<u64>().expect("seconds")), "{progress}");
    assert!(rest.ends_with("3/3 calls this minute"), "{progress}");
}

#[tokio::test]
async fn log_lines_have_timestamps() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", FOUR);
    let url = harness.sandbox.url();
    let check = async |arguments: &str, is_dated: bool| {
        let log = harness.program(arguments).run().await.log;
        assert!(!log.is_empty(), "{arguments}");
        for line in log.lines() {
            assert_eq!(undated(line) != line, is_dated, "{arguments}: {line}");
        }
        log
    };
    // Commands that run long write log lines.
    let log = check(&format!("sync in.csv --match email --url {url}"), true).await;
    let (date, rest) = log.split_once(' ').expect("a timestamp");
    assert!(rest.starts_with("warning: in.csv:6: "), "{log}");
    let at: jiff::Timestamp = date.parse().expect("ISO 8601 with an offset");
    assert!(at.duration_until(jiff::Timestamp::now()).as_secs() < 60, "{log}");
    check("resume", true).await;
    check("sync none.csv", true).await;
    check("plan in.csv --match email", false).await;
    check("plan none.csv --match email", false).await;
    check("plan in.csv --match email --log-format text", true).await;
    harness.write("contactsync.toml", "log_format = \"text\"\n");
    check("plan in.csv --match email", true).await;
    // On a terminal only on request.
    for (options, is_dated) in [("", false), ("--log-format text", true)] {
        harness.write("contactsync.toml", "");
        let terminal = Terminal::of(80);
        let sync = harness.program(&format!("sync in.csv --no-progress --match email --url {url} {options}"));
        sync.shell(&terminal.shell).run().await;
        for line in terminal.text().lines() {
            assert_eq!(undated(line) != line, is_dated, "{options}: {line}");
        }
        assert!(terminal.text().contains("row 5 rejected"), "{:?}", terminal.text());
    }
}

#[tokio::test]
async fn quiet_prints_only_the_reason_for_a_nonzero_exit_code() {
    let url = async |latency| {
        let harness = Harness::faulty(Faults { latency: Duration::from_millis(latency), ..Faults::default() }).await;
        harness.write("good.csv", People::new(30, 2, 0).csv());
        harness.write("in.csv", FOUR);
        harness
    };
    let check = async |arguments: &str, code: i32, lines: &[&str]| {
        let harness = url(0).await;
        let place = format!("--journal journal.db --url {}", harness.sandbox.url());
        let ran = harness.program(&format!("{arguments} -q {place}")).run().await.exits(code);
        let found: Vec<&str> = ran.stderr.lines().collect();
        assert_eq!(found.len(), lines.len(), "{ran:?}");
        for (found, expected) in found.iter().zip(lines) {
            assert!(found.starts_with(expected), "{ran:?}");
        }
        assert!(ran.stdout.is_empty() || arguments.contains("--json"), "{ran:?}");
    };
    check("sync good.csv --match email", 0, &[]).await;
    check("sync in.csv --match email", 3, &["warning: 1 of 5 rows was rejected"]).await;
    check("sync in.csv --match email --json", 3, &["warning: 1 of 5 rows was rejected"]).await;
    let calls = "warning: stopped: reached the limit of 10 calls; ";
    check("sync good.csv --match email --max-calls 10", 4, &[calls]).await;
    check("sync none.csv --match email", 2, &["error: none.csv: "]).await;
    check("sync good.csv --match email --max-changes 3", 7, &["error: ", "hint: "]).await;

    let harness = url(100).await;
    let sync = || harness.sync("good.csv --match email --concurrency 4 -q");
    let mut running = sync().start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 8).await);
    let held = sync().run().await.exits(6);
    assert_eq!(
        (held.stderr_lines("error: channel `default`: in use by another run").len(), held.stdout.as_str()),
        (1, "")
    );
    running.signal("TERM").await;
    let ran = running.end().await.exits(4);
    assert!(ran.stderr.lines().count() == 1 && ran.stderr.starts_with("warning: stopped by SIGTERM; "), "{ran:?}");
    let ran = harness.resume().with("-q --max-calls 1").run().await.exits(4);
    assert!(
        ran.stderr.lines().count() == 1 && ran.stderr.starts_with("warning: stopped: reached the limit of 1 call; "),
        "{ran:?}"
    );
    // Several channels give one line.
    let table =
        |name: &str, url: &str| format!("[channel.{name}]\nurl = \"{url}\"\ntoken_env = \"CONTACTSYNC_TOKEN\"\n");
    let tables = table("a", &harness.sandbox.url()) + &table("b", &harness.sandbox.url());
    harness.write("several.toml", format!("channel_column = \"office\"\nmatch = \"email\"\n{tables}"));
    harness.write("several.csv", "email,office\na@example.com,a\nb@example.com,b\nc@example.com,none\n");
    let several = "sync several.csv --config several.toml --journal several.db --mode create -q";
    let ran = harness.program(several).run().await.exits(3);
    assert_eq!(ran.stderr, "warning: 1 of 3 rows was rejected\n", "{ran:?}");
    harness.write("several.csv", "email,office\nd@example.com,a\ne@example.com,a\nf@example.com,b\ng@example.com,b\n");
    let ran = harness.program(&format!("{several} --max-calls 1")).run().await.exits(4);
    let [line] = ran.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{ran:?}") };
    assert!(line.starts_with("warning: stopped: ") && line.ends_with("; 2 of 4 rows are pending"), "{ran:?}");
    harness.sandbox.refuse_token(TOKEN);
    let ran = harness.resume().with("-q").run().await.exits(5);
    assert_eq!(ran.stderr_lines("error: the platform refused the token").len(), 1, "{ran:?}");

    // Also while the input is read, and at the second signal.
    let harness = url(20_000).await;
    harness.write("many.csv", People::new(5_000, 2, 0).csv());
    let fifo = "mkfifo rows && exec 3<>rows && { cat many.csv >&3 & } && exec \"$@\" <&3";
    let running = harness.sync("- --format csv --match email -q").shell(fifo).start();
    tokio::time::sleep(Duration::from_secs(3)).await;
    running.signal("TERM").await;
    let ran = running.end().await.exits(4);
    assert_eq!(ran.stderr, "warning: SIGTERM: ended before anything was sent\n");
    let mut running = harness.sync("good.csv --match email --concurrency 4 -q").start();
    assert!(running.until(|| harness.sandbox.ledger().len() == 4).await);
    running.signal("INT").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.signal("INT").await;
    let ran = running.end().await.exits(4);
    assert!(
        ran.stderr.lines().count() == 1 && ran.stderr.starts_with("warning: SIGINT: exited immediately; "),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_cause_is_one_warning_however_many_ids_it_has() {
    // One of three searches fails, each time with another id: digits, or only letters.
    let ids: [fn(usize) -> String; 3] = [
        |nth| format!("{:08x}-{nth:04x}", nth * 2_654_435_761 % 4_294_967_296),
        |nth| format!("2026-11-26T03:12:{:02}.{nth:06}Z", nth % 60),
        |nth| (0..8).map(|at| char::from(b'a' + u8::try_from((nth >> (at % 4 * 3)) % 26).expect("small"))).collect(),
    ];
    // The retries mostly wait, so all programs run at once.
    let check = async |id: fn(usize) -> String, options: &str, most: Option<usize>| {
        let url = platform(move |nth, request| {
            if request.starts_with("POST") {
                (200, format!("{{\"data\":{{\"id\":\"{nth}\"}}}}"))
            } else if nth % 3 == 0 {
                (500, format!("{{\"message\":\"Server Error\",\"trace\":\"{}\"}}", id(nth)))
            } else {
                (200, "{\"data\":[],\"meta\":{\"current_page\":1,\"last_page\":1,\"total\":0}}".to_owned())
            }
        })
        .await;
        let harness = Harness::unlimited().await;
        harness.write("in.csv", People::new(100, 2, 0).csv());
        let sync = format!("sync in.csv --match email --rate 1000000 --json {options} --url {url}");
        let ran = harness.program(&sync).run().await;
        let retries = ran.summary().count("retries");
        assert!(retries > 25, "{ran:?}");
        let warnings = ran
            .stderr
            .lines()
            .filter(|line| line.contains("find failed, ") || line.contains("find failed for "))
            .count();
        match most {
            Some(most) => assert!((1..=most).contains(&warnings), "{warnings} warnings: {}", ran.stderr),
            None => assert!(warnings >= retries, "{warnings} warnings, {retries} retries"),
        }
    };
    let [number, time, letters] = ids;
    tokio::join!(
        check(number, "", Some(1)),
        check(time, "", Some(1)),
        check(letters, "", Some(6)),
        // With `-v`, each failed call is printed.
        check(number, "-v", None),
        check(time, "-v", None),
    );
}

#[tokio::test]
async fn verbose_names_the_row_and_the_key_of_each_call() {
    let harness = Harness::unlimited().await;
    harness.write("in.csv", "email,name,tags\nann@example.com,Ann,x\nbo@example.com,Bo,\n");
    harness.write("ids.jsonl", "{\"contact_id\":\"17\",\"name\":\"Ann\"}\n");
    let check = async |arguments: &str, expected: &[&str]| {
        let ran = harness.sync(&format!("{arguments} -v --search-lag 1s")).run().await;
        let calls: Vec<&str> = ran.stderr.lines().filter(|line| line.ends_with(" ms")).collect();
        for expected in expected {
            let named = calls.iter().filter(|call| call.starts_with(expected)).count();
            assert_eq!(named, 1, "{expected}: {ran:?}");
        }
        assert_eq!(calls.len(), expected.len(), "{ran:?}");
    };
    let of_ann = "in.csv:2: email=ann@example.com: ";
    let of_bo = "in.csv:3: email=bo@example.com: ";
    check(
        "in.csv --match email",
        &[
            &format!("{of_ann}find: "),
            &format!("{of_ann}create: "),
            &format!("{of_ann}add_tags: "),
            &format!("{of_bo}find: "),
            &format!("{of_bo}create: "),
        ],
    )
    .await;
    check(
        "ids.jsonl --mode update --channel other",
        &["ids.jsonl:1: contact_id=17: update: ", "ids.jsonl:1: contact_id=17: read: "],
    )
    .await;
}
