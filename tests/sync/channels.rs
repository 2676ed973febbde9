//! Several channels in one run: they fail independently, share what their tokens share, and are reported by name.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use contactsync::sandbox::{Config, Faults, Sandbox};
use serde_json::Value as Json;

use support::{Harness, Output, People};

/// The duration of the outage of one channel's platform.
const OUTAGE: Duration = Duration::from_secs(30);

/// Far more than a busy machine needs between two unhindered calls, and less than the later pauses of an outage.
const LONGEST_GAP: Duration = Duration::from_secs(4);

/// The name under which rows without a channel are reported.
const NO_CHANNEL: &str = "(no channel)";

/// A channel of the configuration.
struct Office<'a> {
    name: &'a str,
    url: String,
    token: &'a str,
    more: &'a str,
}

impl<'a> Office<'a> {
    /// A channel whose token is its name.
    fn new(name: &'a str, url: String) -> Self {
        Self { name, url, token: name, more: "" }
    }
}

/// Writes the configuration: the column `office` names the channel of a row, and each row is one create.
fn configure(harness: &Harness, more: &str, offices: &[Office<'_>]) {
    let mut config =
        format!("match = \"email\"\nmode = \"create\"\nchannel_column = \"office\"\nrate = 1000000\n{more}\n");
    for Office { name, url, token, more } in offices {
        harness.write(&format!("{name}.token"), format!("{token}\n"));
        config.push_str(&format!("[channel.{name}]\nurl = \"{url}\"\ntoken_file = \"{name}.token\"\n{more}\n"));
    }
    harness.write("contactsync.toml", config);
}

/// Replaces texts in a file. Each must occur.
#[track_caller]
fn rewrite(harness: &Harness, name: &str, words: &[(&str, &str)]) {
    let mut text = fs::read_to_string(harness.path(name)).expect("a text");
    for (from, to) in words {
        assert!(text.contains(from), "{name}: expected `{from}`, found: {text}");
        text = text.replace(from, to);
    }
    harness.write(name, text);
}

/// The contacts of all channels in one file, in alternating order.
fn alternating(channels: &[(&str, &People)]) -> String {
    let texts: Vec<_> =
        channels.iter().map(|(name, people)| (name, String::from_utf8(people.csv()).expect("a text"))).collect();
    let mut lines: Vec<_> = texts.iter().map(|(name, text)| (name, text.lines())).collect();
    let header = lines.iter_mut().filter_map(|(_, lines)| lines.next()).last().expect("a channel");
    let mut csv = format!("{header},office\n");
    loop {
        let before = csv.len();
        for (name, lines) in &mut lines {
            if let Some(line) = lines.next() {
                csv.push_str(&format!("{line},{name}\n"));
            }
        }
        if csv.len() == before {
            return csv;
        }
    }
}

async fn platform(faults: Faults) -> Sandbox {
    Sandbox::start(Config { rate: 0, faults, ..Config::default() }).await.expect("a free port on loopback")
}

fn slow(millis: u64) -> Faults {
    Faults { latency: Duration::from_millis(millis), ..Faults::default() }
}

/// A URL at which no server listens.
async fn closed_url() -> String {
    let sandbox = platform(Faults::default()).await;
    let url = sandbox.url();
    sandbox.stop().await;
    url
}

/// The summary of several channels.
#[derive(Debug)]
struct Channels {
    json: Json,
    channels: BTreeMap<String, Json>,
}

impl Channels {
    /// The summary on standard output. Checks that the channels add up to the totals, and the outcomes of each to its rows.
    #[track_caller]
    fn of(ran: &Output) -> Self {
        const ENDS: [&str; 7] = ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped"];
        let json: Json = serde_json::from_str(&ran.stdout).expect("one object");
        let channels: BTreeMap<String, Json> = serde_json::from_value(json["channels"].clone()).expect("the channels");
        let number = |json: &Json, name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{name} of {json}"));
        for name in ENDS.into_iter().chain(["rows", "retries", "throttled"]) {
            assert_eq!(
                number(&json, name),
                channels.values().map(|channel| number(channel, name)).sum::<u64>(),
                "{name}"
            );
        }
        for channel in channels.values().chain([&json]) {
            assert_eq!(number(channel, "rows"), ENDS.iter().map(|end| number(channel, end)).sum::<u64>(), "{channel}");
        }
        assert!(json["run"].is_null(), "{json}");
        Self { json, channels }
    }

    fn names(&self) -> Vec<&str> {
        self.channels.keys().map(String::as_str).collect()
    }

    #[track_caller]
    fn count(&self, channel: &str, name: &str) -> usize {
        usize::try_from(self.channels[channel][name].as_u64().expect("a number")).expect("a small one")
    }

    /// A channel's state and the reason for it.
    #[track_caller]
    fn end(&self, channel: &str) -> (&str, &str) {
        let channel = &self.channels[channel];
        (channel["state"].as_str().expect("a state"), channel["reason"].as_str().unwrap_or_default())
    }
}

/// The time from the first call to the last one, and the longest time between consecutive calls.
fn course(sandbox: &Sandbox) -> (Duration, Duration) {
    let moments: Vec<Duration> = sandbox.ledger().calls().iter().map(|call| call.since_start).collect();
    let gaps = moments.windows(2).map(|two| two[1].saturating_sub(two[0]));
    (moments[moments.len() - 1].saturating_sub(moments[0]), gaps.max().expect("several calls"))
}

async fn check_channels_fail_independently() {
    let (few, many) = (People::new(60, 2, 0), People::new(150, 2, 0));
    let (refused, down, steady) = (platform(slow(50)).await, platform(slow(50)).await, platform(slow(200)).await);
    let two_at_once = |name, sandbox: &Sandbox| Office { more: "concurrency = 2", ..Office::new(name, sandbox.url()) };
    let harness = Harness::unlimited().await;
    let offices = [two_at_once("refused", &refused), two_at_once("down", &down), two_at_once("steady", &steady)];
    configure(&harness, "search_lag = \"1s\"", &offices);
    harness.write("in.csv", alternating(&[("refused", &few), ("down", &few), ("steady", &many)]));

    // The same channel alone, at the same time, so that the machine is equally busy for both.
    let alone = async {
        let (harness, sandbox) = (Harness::unlimited().await, platform(slow(200)).await);
        configure(&harness, "search_lag = \"1s\"", &[two_at_once("steady", &sandbox)]);
        harness.write("in.csv", alternating(&[("steady", &many)]));
        harness.program("sync in.csv --json").run().await.exits(0);
        course(&sandbox)
    };
    let together = async {
        let mut running = harness.program("sync in.csv --json").start();
        assert!(running.until(|| refused.ledger().len() >= 20 && down.ledger().len() >= 20).await);
        refused.refuse_token("refused");
        // The worst kind of outage: calls have their effect, and their answers are lost.
        down.set_faults(Faults { lose_after: 1.0, ..slow(50) });
        let before = down.ledger().len();
        tokio::time::sleep(OUTAGE).await;
        // The other channels did not wait for it.
        many.assert_stored_in_channel(&steady, "steady");
        let during = down.ledger().len() - before;
        assert!((6..=14).contains(&during), "{during} calls to a platform that is down");
        down.set_faults(slow(50));
        running.end().await.exits(5)
    };
    let ((took_alone, _), ran) = tokio::join!(alone, together);

    let (took, gap) = course(&steady);
    assert!(
        took < took_alone.mul_f64(1.25) && gap < LONGEST_GAP,
        "{took:?} with the others, {took_alone:?} alone, {gap:?}"
    );
    few.assert_stored_in_channel(&down, "down");
    assert_eq!((down.ledger().creates("down"), steady.ledger().len()), (60, 150));

    let summary = Channels::of(&ran);
    assert_eq!(summary.names(), ["down", "refused", "steady"]);
    assert_eq!((summary.end("steady"), summary.count("steady", "created")), (("finished", ""), 150));
    assert_eq!(summary.count("steady", "retries"), 0);
    assert_eq!((summary.end("down"), summary.count("down", "created")), (("finished", ""), 60));
    assert!(summary.count("down", "retries") >= 5);
    let (state, reason) = summary.end("refused");
    assert!(state == "stopped" && reason.starts_with("the platform refused the token: "), "{state} {reason}");
    let pending = summary.count("refused", "pending");
    assert!((1..=40).contains(&pending), "{pending}");
    assert_eq!(summary.json["state"], "stopped");
    assert_eq!(summary.json["reason"], format!("channel `refused`: {reason}"));
    // Standard error names the refused channel and the one that paused, and not the third.
    assert_eq!(ran.stderr_lines("error: "), [format!("error: channel `refused`: {reason}")]);
    let paused = ran.stderr_lines("warning: channel `down`: the platform is not available; trying again in ");
    assert!((4..=6).contains(&paused.len()), "{ran:?}");
    assert!(ran.stderr.contains("hint: check the token, then run `contactsync resume`"), "{ran:?}");
    assert!(!ran.stderr.contains("steady"), "{ran:?}");

    // A channel that is refused again is reported again; finished ones make no call.
    let calls = || (down.ledger().len(), steady.ledger().len());
    let before = calls();
    harness.program("resume --channel-column office --json").run().await.exits(5);
    refused.accept_token("refused");
    let ran = harness.program("resume --channel-column office --json").run().await.exits(0);
    let summary = Channels::of(&ran);
    // The summary covers the whole input, not only the resumed channel.
    assert_eq!((summary.names(), summary.json["rows"].as_u64()), (vec!["down", "refused", "steady"], Some(270)));
    assert_eq!(["down", "refused", "steady"].map(|name| summary.end(name)), [("finished", ""); 3]);
    assert_eq!((summary.count("refused", "created"), refused.ledger().creates("refused")), (60, 60));
    few.assert_stored_in_channel(&refused, "refused");
    assert_eq!(calls(), before);
}

// Fifty calls of two channels with one token and a limit of thirty: thirty at once, twenty a minute later.
async fn check_equal_tokens_share_a_window() {
    const LIMIT: usize = 30;
    // The platform sends no rate limit headers, so the limits come from the configuration.
    let faults = Faults { strip_limit: true, ..Faults::default() };
    let harness = Harness::of(Config { rate: 30, faults, ..Config::default() }).await;
    let people = People::new(50, 2, 0);
    let url = || harness.sandbox.url();
    let one = Office { token: "shared", more: "rate = 30", ..Office::new("one", url()) };
    // Alone, this channel would be faster.
    let other = Office { token: "shared", more: "rate = 1000", ..Office::new("other", url()) };
    // The third channel has its own window, which it does not fill.
    configure(&harness, "", &[one, other, Office { more: "rate = 30", ..Office::new("own", url()) }]);
    rewrite(&harness, "contactsync.toml", &[("token_file = \"other.token\"", "token_env = \"OTHER\"")]);
    let csv = String::from_utf8(people.csv()).expect("a text");
    let mut rows = String::new();
    for (nth, line) in csv.lines().enumerate() {
        let office = ["office", "one", "other"][if nth == 0 { 0 } else { 1 + nth % 2 }];
        rows.push_str(&format!("{line},{office}\n"));
    }
    let own = alternating(&[("own", &People::new(20, 2, 0))]);
    rows.extend(own.lines().skip(1).map(|line| format!("{line}\n")));
    harness.write("in.csv", rows);

    let begun = Instant::now();
    let ran = harness.program("sync in.csv --json").environment(&[("OTHER", "shared")]).run().await.exits(0);
    let took = begun.elapsed();
    let ledger = harness.sandbox.ledger();
    assert_eq!((ledger.throttled(), ledger.len()), (0, 70));
    assert_eq!((ledger.busiest_minute("shared"), ledger.busiest_minute("own")), (LIMIT, 20));
    assert!((Duration::from_mins(1)..Duration::from_secs(80)).contains(&took), "{took:?}");
    people.assert_stored_in_channel(&harness.sandbox, "shared");
    let summary = Channels::of(&ran);
    assert_eq!(["one", "other", "own"].map(|name| summary.count(name, "created")), [25, 25, 20]);
    // It did not wait for the others.
    assert!(summary.channels["own"]["seconds"].as_f64() < Some(20.0), "{summary:?}");
}

#[tokio::test]
async fn slow_cases_run_concurrently() {
    tokio::join!(check_channels_fail_independently(), check_equal_tokens_share_a_window());
}

#[tokio::test]
async fn an_outage_beyond_the_timeout_leaves_the_channel_to_the_next_run() {
    let people = People::new(30, 2, 0);
    let (down, steady) = (platform(slow(20)).await, platform(slow(20)).await);
    let harness = Harness::unlimited().await;
    configure(&harness, "search_lag = \"1s\"", &[Office::new("down", down.url()), Office::new("steady", steady.url())]);
    harness.write("in.csv", alternating(&[("down", &people), ("steady", &people)]));
    let mut running = harness.program("sync in.csv --json --outage-timeout 2s").with("--concurrency 2").start();
    assert!(running.until(|| down.ledger().len() >= 10).await);
    // Permanently.
    down.set_faults(Faults { lose_after: 1.0, ..slow(20) });
    let begun = Instant::now();
    let ran = running.end().await.exits(4);
    assert!((Duration::from_secs(2)..Duration::from_secs(12)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let summary = Channels::of(&ran);
    assert_eq!((summary.end("steady"), summary.count("steady", "created")), (("finished", ""), 30));
    let (state, reason) = summary.end("down");
    assert!(state == "stopped" && reason.starts_with("the platform is not available: "), "{state} {reason}");
    let pending = summary.count("down", "pending");
    let expected = format!("warning: channel `down`: stopped: {reason}; {pending} of 30 rows are pending");
    assert_eq!(ran.stderr_lines("warning: channel `down`: stopped"), [expected]);
    people.assert_stored_in_channel(&steady, "steady");
    // The platform is back for the next run, which does not repeat creates whose answers were lost.
    down.set_faults(Faults::default());
    harness.program("resume --json").run().await.exits(0);
    people.assert_stored_in_channel(&down, "down");
    assert_eq!((down.ledger().creates("down"), steady.ledger().len()), (30, 30));
}

#[tokio::test]
async fn the_exit_code_is_that_of_the_most_severe_channel() {
    // The platforms beside a good one, whether a row is rejected, and the exit code.
    let check = async |others: &[&str], is_rejected: bool, code: i32| {
        let good = platform(Faults::default()).await;
        let refusing = platform(Faults::default()).await;
        refusing.refuse_token("refused");
        let harness = Harness::unlimited().await;
        let mut offices = vec![Office::new("good", good.url())];
        for &name in others {
            offices.push(match name {
                "refused" => Office::new(name, refusing.url()),
                "gone" => Office::new(name, closed_url().await),
                _ => panic!("{name}"),
            });
        }
        configure(&harness, "", &offices);
        let people = People::new(5, 2, 0);
        let channels: Vec<_> = offices.iter().map(|office| (office.name, &people)).collect();
        let mut csv = alternating(&channels);
        if is_rejected {
            csv.push_str(",,,good\n");
        }
        harness.write("in.csv", csv);
        let ran = harness.program("sync in.csv --outage-timeout 1s").run().await.exits(code);
        // The other channels do not affect this one.
        people.assert_stored_in_channel(&good, "good");
        // One line for each channel, with its name, its state and its counts.
        let line = |name: &str| {
            let lines = ran.stdout.lines().map(str::trim_start);
            let mut lines = lines.filter(|line| line.split_whitespace().next() == Some(name));
            let line = lines.next().unwrap_or_else(|| panic!("no line for {name}: {ran:?}"));
            line.split_once("  ").expect("a state").1.trim_start().to_owned()
        };
        let (rows, also) = if is_rejected { (6, ", 1 rejected") } else { (5, "") };
        assert_eq!(line("good"), format!("finished; {rows} rows: 5 created{also}; 5 calls"));
        for &name in others {
            let why =
                if name == "gone" { "the platform is not available: " } else { "the platform refused the token: " };
            let line = line(name);
            assert!(line.starts_with(&format!("stopped: {why}")) && line.contains("; 5 rows: 5 pending; "), "{line}");
            assert!(ran.stderr.contains(&format!("channel `{name}`: the platform ")), "{ran:?}");
        }
    };
    tokio::join!(
        check(&[], false, 0),
        check(&[], true, 3),
        check(&["gone"], false, 4),
        check(&["gone"], true, 4),
        check(&["refused"], false, 5),
        check(&["refused"], true, 5),
        check(&["refused", "gone"], true, 5),
    );
}

#[tokio::test]
async fn pending_rows_of_renamed_channels_are_reported() {
    let harness = Harness::unlimited().await;
    let url = || harness.sandbox.url();
    configure(&harness, "", &[Office::new("north", url()), Office::new("south", url())]);
    harness.write("in.csv", "email,office\na@example.com,north\nb@example.com,north\nc@example.com,south\n");
    harness.program("sync in.csv --max-calls 1").run().await.exits(4);
    configure(&harness, "", &[Office::new("norte", url()), Office::new("sur", url())]);
    let ran = harness.program("resume").run().await.exits(4);
    let hints = ran.stderr_lines("hint:").concat();
    assert!(hints.contains("`north`") && hints.contains("add it to the configuration again"), "{ran:?}");
}

#[tokio::test]
async fn the_channel_option_selects_the_rows_of_one_channel() {
    let harness = Harness::unlimited().await;
    let input = "email,office\na@example.com,north\nb@example.com,south\nc@example.com,north\nd@example.com,oeste\ne@example.com,\n";
    harness.write("in.csv", input);
    let url = harness.sandbox.url();
    let tables = ["north", "south"].map(|name| {
        harness.write(&format!("{name}.token"), name);
        format!("[channel.{name}]\ntoken_file = \"{name}.token\"\n")
    });
    let common = format!("url = \"{url}\"\nmatch = \"email\"\nmode = \"create\"\nrate = 1000000\n");
    let others = "1 row left out: of other channels than `north`";
    let none = "2 rows left out: unreadable, or of no channel of the configuration";
    // The configuration, further arguments, and the messages.
    let cases = [
        (format!("{common}channel_column = \"office\"\n{}", tables.concat()), "", [others, none]),
        (format!("{common}{}", tables.concat()), "--channel-column office", [others, none]),
        // The token of the environment; no table names other channels.
        (format!("{common}channel_column = \"office\"\n"), "", ["3 rows left out", "3 rows left out"]),
    ];
    for (nth, (config, more, expected)) in cases.iter().enumerate() {
        harness.write("contactsync.toml", config);
        let program = |command: &str| {
            let arguments = format!("{command} in.csv --channel north --journal {nth}.db {more}");
            harness.program(&arguments).token(Some("north")).with(if command == "check" { "" } else { "--json" })
        };
        for command in ["plan", "sync"] {
            let ran = program(command).run().await.exits(0);
            let summary = if command == "plan" { ran.planned() } else { ran.summary() };
            assert_eq!(summary.rows(), if command == "plan" { "2 pending" } else { "2 created" }, "{ran:?}");
            assert!(expected.iter().all(|text| ran.stderr.contains(text)), "{ran:?}");
        }
        let ran = program("check").run().await.exits(0);
        assert!(ran.stdout.contains("\n2 rows\n  2 to send\n") && ran.stdout.contains("left out"), "{ran:?}");
        assert_eq!(harness.sandbox.contacts("north").len(), 2 * (nth + 1), "{config}");
        assert_eq!(harness.sandbox.contacts("south").len(), 0, "{config}");
        assert_eq!(program("sync").run().await.exits(0).summary().rows(), "2 unchanged");
    }
    // A file without the column cannot be filtered by channel.
    harness.write("one.csv", "email\na@example.com\n");
    let ran = harness.program("sync one.csv --channel north --journal 9.db").token(Some("north")).run().await.exits(2);
    assert!(ran.stderr.contains("office"), "{ran:?}");
}

#[tokio::test]
async fn rows_without_a_channel_are_rejected_with_their_line() {
    let harness = Harness::unlimited().await;
    configure(&harness, "", &["norte", "sur"].map(|name| Office::new(name, harness.sandbox.url())));
    let input = "email,office\na@example.com,norte\nb@example.com,\nc@example.com,oeste\nd@example.com, sur \n\
                 e@example.com,NORTE\n,norte\n";
    harness.write("in.csv", input);
    let reason = |found: &str| format!("column `office`: expected the name of a channel, found {found}");
    let none = reason("none");
    let unknown = |name| reason(&format!("`{name}`, which is not in the configuration"));
    let expected = [
        format!("warning: in.csv:3: row 2 rejected: {none}"),
        format!("warning: in.csv:4: row 3 rejected: {}", unknown("oeste")),
        format!("warning: in.csv:6: row 5 rejected: {}; did you mean `norte`?", unknown("NORTE")),
        "warning: in.csv:7: row 6 rejected: the row has no value".to_owned(),
    ];
    let check = |ran: &Output, ends: &str| {
        assert_eq!(ran.stderr_lines("warning: in.csv:"), expected, "{ran:?}");
        let summary = Channels::of(ran);
        assert_eq!(summary.names(), [NO_CHANNEL, "norte", "sur"]);
        assert_eq!(["rows", "rejected"].map(|name| summary.count(NO_CHANNEL, name)), [3, 3]);
        assert_eq!(["rows", "rejected", ends].map(|name| summary.count("norte", name)), [2, 1, 1]);
        assert_eq!(["rows", "rejected", ends].map(|name| summary.count("sur", name)), [1, 0, 1]);
    };
    check(&harness.program("plan in.csv --json").run().await.exits(3), "pending");
    assert_eq!(harness.calls(), "none");
    check(&harness.program("sync in.csv --json --rejects bad.csv").run().await.exits(3), "created");
    assert_eq!(harness.calls(), "2 create");
    // The text summary too.
    let ran = harness.program("sync in.csv").run().await.exits(3);
    assert!(ran.stdout.contains("\n  (no channel)  finished; 3 rows: 3 rejected; 0 calls\n"), "{ran:?}");
    // Nothing is left to resume.
    harness.program("resume").run().await.exits(0);
    // The corrected list is an input.
    let corrections = [("oeste", "sur"), ("NORTE", "norte"), ("b@example.com,", "b@example.com,sur")];
    rewrite(&harness, "bad.csv", &corrections);
    let ran = harness.program("sync bad.csv --json").run().await.exits(3);
    let summary = Channels::of(&ran);
    assert_eq!(
        (summary.names(), summary.count("norte", "created"), summary.count("sur", "created")),
        (vec!["norte", "sur"], 1, 2)
    );
    // An input without the column is refused.
    harness.write("in.csv", "email\na@example.com\n");
    let ran = harness.program("sync in.csv").run().await.exits(2);
    assert!(ran.stderr_lines("error: ").len() == 1 && ran.stderr.contains("office"), "{ran:?}");
}

#[tokio::test]
async fn one_token_is_used_by_one_process_at_a_time() {
    let harness = Harness::faulty(slow(100)).await;
    let offices = [("a", "token"), ("b", "token"), ("c", "another")];
    configure(&harness, "", &offices.map(|(name, token)| Office { token, ..Office::new(name, harness.sandbox.url()) }));
    rewrite(&harness, "contactsync.toml", &[("channel_column = \"office\"\n", "")]);
    harness.write("in.csv", People::new(100, 2, 0).csv());
    harness.write("few.csv", "email\nextra@example.com\n");
    let made = |token| harness.sandbox.ledger().creates(token);

    let mut running = harness.program("sync in.csv --channel a --concurrency 1").start();
    assert!(running.until(|| made("token") > 2).await);
    let held = |ran: Output, what: &str| {
        let [error] = ran.stderr_lines("error: ")[..] else { panic!("{ran:?}") };
        let holder = error.strip_prefix(&format!("error: {what} (process ")).unwrap_or_else(|| panic!("{error}"));
        assert!(holder.split_once(" since ").is_some_and(|(id, _)| id.parse::<u32>().is_ok()), "{error}");
        assert_eq!(ran.stderr_lines("hint: ").len(), 1, "{ran:?}");
    };
    // Another channel with the same token, the channel itself, and a channel whose token is free.
    let ran = harness.program("sync few.csv --channel b").run().await.exits(6);
    held(ran, "channel `b`: its token is in use by another run");
    let ran = harness.program("sync few.csv --channel a").run().await.exits(6);
    held(ran, "channel `a`: in use by another run");
    harness.program("sync few.csv --channel c").run().await.exits(0);
    assert_eq!(made("another"), 1);
    // The first run was still working.
    assert!(made("token") < 100);
    let before = made("token");
    assert!(running.until(|| made("token") > before).await);
    running.signal("INT").await;
    running.end().await.exits(4);
    let emails = harness.sandbox.contacts("token");
    assert!(emails.iter().all(|contact| contact.fields["email"].text() != "extra@example.com"));
    // The token is free again.
    harness.program("sync few.csv --channel b").run().await.exits(0);
}

#[tokio::test]
async fn shards_are_interrupted_and_resumed_independently() {
    let harness = Harness::unlimited().await;
    let names: Vec<String> = (0..9).map(|number| format!("office-{number}")).collect();
    let offices: Vec<_> = names.iter().map(|name| Office::new(name, harness.sandbox.url())).collect();
    configure(&harness, "", &offices);
    // Channels of different sizes.
    let people: Vec<People> = (0..9).map(|number| People::new(3 + number, 2, 0)).collect();
    let channels: Vec<_> = names.iter().map(String::as_str).zip(&people).collect();
    let all: usize = (3..12).sum();
    harness.write("in.csv", alternating(&channels) + "x,unassigned@example.com,,\nx,unknown@example.com,,office-9\n");
    // All three at once, as on three machines.
    let shard = async |number: usize| {
        let options = format!("--shard {number}/3 --journal {number}.db --json");
        let ran = harness.program(&format!("sync in.csv {options} --max-calls 2")).run().await.exits(4);
        let again = format!("to continue: `contactsync resume --shard {number}/3 --journal {number}.db`");
        assert!(ran.stderr.contains(&again), "{ran:?}");
        let summary = Channels::of(&ran);
        let here: Vec<String> = summary.names().into_iter().map(str::to_owned).collect();
        let rows = summary.json["rows"].as_u64().expect("a number");
        // Rows without a channel are reported again, and with the same exit code.
        let code = if here.iter().any(|name| name == NO_CHANNEL) { 3 } else { 0 };
        let summary = Channels::of(&harness.program(&format!("resume {options}")).run().await.exits(code));
        assert_eq!(
            (summary.names(), summary.json["rows"].as_u64()),
            (here.iter().map(String::as_str).collect(), Some(rows))
        );
        (here, rows)
    };
    let (first, second, third) = tokio::join!(shard(0), shard(1), shard(2));
    assert_eq!(first.1 + second.1 + third.1, u64::try_from(all + 2).expect("a small number"));
    let mut reported: Vec<String> = [first.0, second.0, third.0].concat();
    reported.sort();
    let expected: Vec<&str> = [NO_CHANNEL].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_eq!(reported, expected, "one shard reports each channel, and one the rows without a channel");
    for (name, people) in channels {
        people.assert_stored_in_channel(&harness.sandbox, name);
    }
    assert_eq!(harness.calls(), format!("{all} create"));
}

#[tokio::test]
async fn max_calls_applies_to_each_channel() {
    let harness = Harness::unlimited().await;
    configure(&harness, "", &["small", "large"].map(|name| Office::new(name, harness.sandbox.url())));
    let (small, large) = (People::new(5, 2, 0), People::new(20, 2, 0));
    harness.write("in.csv", alternating(&[("small", &small), ("large", &large)]));
    let made = || ["small", "large"].map(|name| harness.sandbox.ledger().creates(name));
    let ran = harness.program("sync in.csv --max-calls 7 --json").run().await.exits(4);
    assert_eq!(made(), [5, 7]);
    let summary = Channels::of(&ran);
    assert_eq!(summary.end("small"), ("finished", ""));
    assert_eq!(summary.end("large"), ("stopped", "reached the limit of 7 calls"));
    assert_eq!(summary.count("large", "pending"), 13);
    harness.program("resume --max-calls 7").run().await.exits(4);
    assert_eq!(made(), [5, 14]);
    let ran = harness.program("resume --json").run().await.exits(0);
    let summary = Channels::of(&ran);
    assert_eq!((summary.names(), made()), (vec!["large", "small"], [5, 20]));
    assert_eq!(["large", "small"].map(|name| summary.count(name, "created")), [20, 5]);
    small.assert_stored_in_channel(&harness.sandbox, "small");
    large.assert_stored_in_channel(&harness.sandbox, "large");
}

#[tokio::test]
async fn resume_reports_the_whole_input() {
    let harness = Harness::unlimited().await;
    let offices = ["small", "large", "gone"];
    configure(&harness, "", &offices.map(|name| Office::new(name, harness.sandbox.url())));
    let (small, large) = (People::new(2, 2, 0), People::new(9, 2, 0));
    let rejected = ",,,small\nx,unassigned@example.com,,\n";
    harness.write("in.csv", alternating(&[("small", &small), ("large", &large), ("gone", &large)]) + rejected);
    harness.program("sync in.csv --max-calls 4").run().await.exits(4);
    let ends = ["created", "rejected", "pending"];
    let check = |ran: &Output, channels: &[(&str, [usize; 3])]| {
        let summary = Channels::of(ran);
        let found: Vec<_> =
            summary.names().into_iter().map(|name| (name, ends.map(|end| summary.count(name, end)))).collect();
        assert_eq!(found, channels, "{ran:?}");
    };
    // The summary has finished channels, channels that cannot be resumed, and rows without a channel beside the resumed ones.
    let all = fs::read_to_string(harness.path("contactsync.toml")).expect("a text");
    let (rest, _) = all.split_once("[channel.gone]").expect("the last one");
    harness.write("contactsync.toml", rest);
    let ran = harness.program("resume --json --max-calls 2").run().await.exits(4);
    let done = [(NO_CHANNEL, [0, 1, 0]), ("gone", [4, 0, 5]), ("large", [6, 0, 3]), ("small", [2, 1, 0])];
    check(&ran, &done);
    let why = "reached the limit of 4 calls";
    assert_eq!(Channels::of(&ran).end("gone"), ("stopped", why));
    let warning = format!("warning: channel `gone`: stopped: {why}; 5 of 9 rows are pending");
    assert_eq!(ran.stderr_lines("warning: channel `gone`"), [warning]);
    let back = "hint: channel `gone` is not among the channels of this run: add it to the configuration again, \
                then run `contactsync resume`";
    assert_eq!((ran.stderr_lines("hint: "), ran.stderr_lines("to continue: ").len()), (vec![back], 1));
    // As long as the channel is missing, with and without other work to resume.
    let done = [(NO_CHANNEL, [0, 1, 0]), ("gone", [4, 0, 5]), ("large", [9, 0, 0]), ("small", [2, 1, 0])];
    for _ in 0..2 {
        let ran = harness.program("resume --json").run().await.exits(4);
        check(&ran, &done);
        assert_eq!((ran.stderr_lines("hint: "), ran.stderr_lines("to continue: ").len()), (vec![back], 0), "{ran:?}");
    }
    let journal = rusqlite::Connection::open(harness.path("contactsync.db")).expect("a journal");
    let failed = "UPDATE runs SET state = 'failed', reason = 'the disk was full' WHERE channel = 'gone'";
    assert_eq!(journal.execute(failed, []), Ok(1));
    let ran = harness.program("resume --json").run().await.exits(4);
    assert_eq!(Channels::of(&ran).end("gone"), ("failed", "the disk was full"));
    let ran = harness.program("resume").run().await.exits(4);
    assert!(
        ran.stdout.contains("\n  gone          failed: the disk was full; 9 rows: 4 created, 5 pending; "),
        "{ran:?}"
    );
    harness.write("contactsync.toml", &all);
    // A newer run of a channel replaces its older one.
    harness.write("few.csv", "email\nextra@example.com\n");
    rewrite(&harness, "contactsync.toml", &[("channel_column = \"office\"\n", "")]);
    harness.program("sync few.csv --channel small").run().await.exits(0);
    harness.write("contactsync.toml", &all);
    let ran = harness.program("resume --json").run().await.exits(3);
    check(&ran, &[(NO_CHANNEL, [0, 1, 0]), ("gone", [9, 0, 0]), ("large", [9, 0, 0])]);
    harness.program("resume").run().await.exits(0);
}

#[tokio::test]
async fn a_plan_adds_up_the_calls_of_channels_with_one_token() {
    let harness = Harness::unlimited().await;
    let limited = |name| Office { more: "rate = 30\nconcurrency = 30", ..Office::new(name, harness.sandbox.url()) };
    configure(&harness, "", &["one", "other", "own"].map(limited));
    let people = People::new(30, 2, 0);
    harness.write("in.csv", alternating(&[("one", &people), ("other", &people), ("own", &people)]));
    let plan = async |options: &str| {
        let summary = Channels::of(&harness.program(&format!("plan in.csv --json {options}")).run().await.exits(0));
        let seconds =
            |json: &Json| Duration::from_secs_f64(json["minutes"]["max"].as_f64().expect("a number") * 60.0).as_secs();
        let of = ["one", "other", "own"].map(|name| seconds(&summary.channels[name]));
        (of, seconds(&summary.json), summary.json["runs"]["max"].as_u64())
    };
    assert_eq!(plan("").await, ([0, 0, 0], 0, None));
    // Thirty of the sixty calls wait for the next minute.
    rewrite(&harness, "contactsync.toml", &[("other.token", "one.token")]);
    assert_eq!(plan("").await, ([60, 60, 0], 60, None));
    assert_eq!(plan("--for 40s").await, ([0, 0, 0], 0, Some(2)));
}

#[tokio::test]
async fn rows_without_a_channel_of_two_inputs_are_added_up() {
    let harness = Harness::unlimited().await;
    configure(&harness, "", &["old", "new"].map(|name| Office::new(name, harness.sandbox.url())));
    let people = People::new(3, 2, 0);
    harness.write("in.csv", alternating(&[("old", &people), ("new", &people)]) + "x,unassigned@example.com,\n");
    harness.program("sync in.csv --max-calls 1").run().await.exits(4);
    // The newer input has rows of one channel; those of the other have no channel any more.
    let all = fs::read_to_string(harness.path("contactsync.toml")).expect("a text");
    let (keys, tables) = all.split_once("[channel.old]").expect("the first one");
    let (_, new) = tables.split_once("[channel.new]").expect("the second one");
    harness.write("contactsync.toml", format!("{keys}[channel.new]{new}"));
    harness.program("sync in.csv --max-calls 1").run().await.exits(4);
    harness.write("contactsync.toml", &all);
    let summary = Channels::of(&harness.program("resume --json").run().await.exits(3));
    assert_eq!(summary.names(), [NO_CHANNEL, "new", "old"]);
    assert_eq!((summary.count(NO_CHANNEL, "rejected"), summary.json["rows"].as_u64()), (1 + 4, Some(11)));
    assert!(summary.channels[NO_CHANNEL]["run"].is_null(), "{summary:?}");
}

#[tokio::test]
async fn the_time_limit_applies_to_all_channels() {
    let harness = Harness::faulty(slow(100)).await;
    let one_at_once = |name| Office { more: "concurrency = 1", ..Office::new(name, harness.sandbox.url()) };
    configure(&harness, "", &["small", "large", "huge"].map(one_at_once));
    let (small, large) = (People::new(2, 2, 0), People::new(40, 2, 0));
    harness.write("in.csv", alternating(&[("small", &small), ("large", &large), ("huge", &large)]));
    let begun = Instant::now();
    // With a call timeout of 30 s, calls start within the first three seconds.
    let ran = harness.program("sync in.csv --for 33s --json").run().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let summary = Channels::of(&ran);
    assert_eq!(summary.end("small"), ("finished", ""));
    for name in ["large", "huge"] {
        assert_eq!(summary.end(name), ("stopped", "reached the time limit"));
        let made = harness.sandbox.ledger().creates(name);
        assert!((1..=30).contains(&made), "{name}: {made}");
        assert_eq!(summary.count(name, "pending"), 40 - made);
    }
    harness.sandbox.set_faults(Faults::default());
    harness.program("resume --for 1h").run().await.exits(0);
    for (name, people) in [("small", &small), ("large", &large), ("huge", &large)] {
        people.assert_stored_in_channel(&harness.sandbox, name);
        assert_eq!(harness.sandbox.ledger().creates(name), harness.sandbox.contacts(name).len());
    }
}

#[tokio::test]
async fn a_window_that_cannot_be_read_back_fails_its_own_channels_and_no_others() {
    let (first, second) = (platform(Faults::default()).await, platform(Faults::default()).await);
    let harness = Harness::unlimited().await;
    // Two channels share the first token.
    let offices = [
        Office { token: "shared", ..Office::new("one", first.url()) },
        Office { token: "shared", ..Office::new("other", first.url()) },
        Office::new("steady", second.url()),
    ];
    configure(&harness, "", &offices);
    let (few, people) = (People::new(3, 2, 0), People::new(20, 2, 0));
    harness.write("in.csv", alternating(&[("one", &few)]));
    harness.program("sync in.csv").run().await.exits(0);
    // The limit that the platform stated for that token is damaged in the journal.
    let journal = rusqlite::Connection::open(harness.path("contactsync.db")).expect("the journal");
    let window: String = journal.query_row("SELECT name FROM windows", [], |row| row.get(0)).expect("a call");
    let limit = "INSERT INTO limits (window, calls, since, stated) VALUES (?1, 'x', 'x', 'x')";
    journal.execute(limit, [&window]).expect("a limit");
    drop(journal);
    harness.write("in.csv", alternating(&[("one", &people), ("other", &people), ("steady", &people)]));
    let before = first.ledger().len();
    let ran = harness.program("sync in.csv --json").run().await.exits(1);
    people.assert_stored_in_channel(&second, "steady");
    assert_eq!(first.ledger().len(), before, "{ran:?}");
    let failed: Vec<_> = ran.stderr_lines("error: channel `").into_iter().map(|line| line.split('`').nth(1)).collect();
    assert_eq!(failed, [Some("one"), Some("other")], "{ran:?}");
    // Both go on when the journal is in order again. Channel `one` had three of the contacts before.
    let journal = rusqlite::Connection::open(harness.path("contactsync.db")).expect("the journal");
    journal.execute("DELETE FROM limits WHERE window = ?1", [&window]).expect("the limit");
    drop(journal);
    harness.program("resume").run().await.exits(0);
    assert_eq!(first.ledger().creates("shared"), 2 * 20);
}
