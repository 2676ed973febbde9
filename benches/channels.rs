//! A thousand channels at their rate limit in one process, with the platform on the same machine.
//!
//! The bench starts the sandbox in this process, with 100 calls a minute for each token, and runs the real binary on a CSV file
//! with more new contacts for each of 1,000 channels than the time allows. After five minutes it stops the run with SIGINT and
//! evaluates the sandbox's ledger: how many calls each channel made in each full minute after its first call, how late they
//! started, how many were answered with 429, and whether any 60 s held more calls than the limit.
//!
//! Run with `cargo bench --bench channels`; `CHANNELS` and `MINUTES` set the size.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use contactsync::sandbox::{CALLS_PER_MINUTE, CallRecord, Config, Sandbox};
use support::process::{cpu_seconds, peak_kib};

const MINUTE: Duration = Duration::from_mins(1);

/// How long a call counts against the limit after its end: the minute and the safety margin.
const COUNTS: Duration = Duration::from_millis(60_250);

const LIMIT: usize = CALLS_PER_MINUTE as usize;

/// The calls per minute that a channel must reach.
const AT_LEAST: usize = LIMIT * 99 / 100;

/// The largest mean delay with which a channel reaches [`AT_LEAST`] for as long as it runs. Call n + 100 waits for call n to leave
/// the window, so the delays and latencies of earlier calls add up.
const LATE: Duration = Duration::from_millis(60_000 * LIMIT as u64 / AT_LEAST as u64 - 60_250);

/// The largest peak memory allowed, in KiB.
const MEMORY: u64 = 300_000;

fn main() {
    let (channels, minutes) = (number("CHANNELS", 1_000), number("MINUTES", 5_u32));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a temporary directory");
    // A contact takes two calls: a create and one for its tags.
    let contacts = LIMIT * (minutes as usize + 1) / 2;
    fs::write(dir.path().join("contacts.csv"), input(channels, contacts)).expect("the input can be written");
    let sandbox = runtime.block_on(Sandbox::start(Config::default())).expect("the sandbox starts");
    fs::write(dir.path().join("contactsync.toml"), config(channels, &sandbox.url()))
        .expect("the configuration can be written");

    let mut child = start(dir.path(), channels);
    let planning = Instant::now();
    while sandbox.ledger().is_empty() {
        assert!(
            child.try_wait().expect("the process can be waited for").is_none(),
            "the program ended before its first call"
        );
        thread::sleep(Duration::from_millis(20));
    }
    println!(
        "{channels} channels, {} rows: first call after {:.1} s",
        channels * contacts,
        planning.elapsed().as_secs_f64()
    );
    thread::sleep(MINUTE * minutes + Duration::from_secs(1));
    let memory = peak_kib(child.id()).expect("the program runs, on Linux");
    let [program, platform] =
        [child.id().to_string(), "self".to_owned()].map(|process| cpu_seconds(process).unwrap_or(0.0));
    let until = interrupt(&mut child, &sandbox);

    evaluate(&sandbox, channels, until);
    println!("peak memory {} MB; processor time {program:.0} s, of the sandbox {platform:.0} s", memory / 1_000);
    assert!(memory < MEMORY, "too much memory");
}

/// Prints and checks what the ledger holds up to a moment.
fn evaluate(sandbox: &Sandbox, channels: usize, until: Duration) {
    let mut by_token: BTreeMap<Arc<str>, Vec<CallRecord>> = BTreeMap::new();
    for call in sandbox.ledger().calls().into_iter().filter(|call| call.since_start < until) {
        by_token.entry(Arc::clone(&call.token)).or_default().push(call);
    }
    assert_eq!(by_token.len(), channels, "each channel made calls");
    let (mut all, mut first, mut minutes, mut late) = (0, Duration::MAX, Vec::new(), Vec::new());
    for (token, calls) in &mut by_token {
        calls.sort_unstable_by_key(|call| call.since_start);
        all += calls.len();
        first = first.min(calls[0].since_start);
        minutes.extend(full_minutes(calls, until));
        late.push(lateness(calls));
        assert!(sandbox.ledger().busiest_minute(token) <= LIMIT, "{token} exceeded its limit");
    }
    let throttled = sandbox.ledger().throttled();
    let seconds = until.saturating_sub(first).as_secs_f64();
    println!("{all} calls in {seconds:.1} s: {:.0} calls/s; {throttled} answers with 429", float(all) / seconds);
    minutes.sort_unstable();
    let (least, median) = (minutes[0], minutes[minutes.len() / 2]);
    println!("calls in each of {} full minutes of a channel: at least {least}, median {median}", minutes.len());
    println!("delay, latency included, of the second {LIMIT} calls of each channel, of the third, …:");
    for nth in 0.. {
        let mut hundreds: Vec<Duration> =
            late.iter().filter_map(|late| late.chunks_exact(LIMIT).nth(nth)).flatten().copied().collect();
        if hundreds.is_empty() {
            break;
        }
        hundreds.sort_unstable();
        let at = |share: usize| hundreds[(hundreds.len() * share / 100).min(hundreds.len() - 1)].as_millis();
        let mean = mean(&hundreds).as_millis();
        println!("  mean {mean} ms, median {}, 99th percentile {}, maximum {}", at(50), at(99), at(100));
    }
    assert_eq!(throttled, 0, "calls over the limit");
    assert!(least >= AT_LEAST, "a channel made only {least} calls in a minute");
    let mean = mean(&late.concat());
    assert!(mean <= LATE, "mean delay {mean:?}: fewer than {AT_LEAST} calls a minute in the long run");
}

fn mean(late: &[Duration]) -> Duration {
    late.iter().sum::<Duration>() / u32::try_from(late.len()).expect("not too many").max(1)
}

/// The number of calls that started in each full minute after the first call.
fn full_minutes(calls: &[CallRecord], until: Duration) -> Vec<usize> {
    let begin = calls[0].since_start;
    let ends = (1..).map(|nth| begin + nth * MINUTE).take_while(|&end| end <= until);
    let before = |moment: Duration| calls.partition_point(|call| call.since_start < moment);
    ends.map(|end| before(end) - before(end.saturating_sub(MINUTE))).collect()
}

/// The delay of each call beyond the moment at which the call [`LIMIT`] before it left the window.
fn lateness(calls: &[CallRecord]) -> Vec<Duration> {
    let begun: Vec<Duration> = calls.iter().map(|call| call.since_start).collect();
    begun.iter().zip(begun.iter().skip(LIMIT)).map(|(&call, &next)| next.saturating_sub(call + COUNTS)).collect()
}

fn input(channels: usize, contacts: usize) -> String {
    let mut csv = String::from("channel,phone,firstName,lastName,email,plan,tags\n");
    for n in 0..contacts {
        for channel in 0..channels {
            let _ =
                writeln!(csv, "c{channel},+52155{n:08},First{n},Last{n},contact{n}@example.com,basic,customer;batch");
        }
    }
    csv
}

fn config(channels: usize, url: &str) -> String {
    let mut toml = format!("url = \"{url}\"\nmatch = \"phone\"\nmode = \"create\"\nchannel_column = \"channel\"\n");
    for channel in 0..channels {
        let _ = write!(toml, "\n[channel.c{channel}]\ntoken_env = \"TOKEN_{channel}\"\n");
    }
    toml
}

fn start(dir: &Path, channels: usize) -> Child {
    Command::new(env!("CARGO_BIN_EXE_contactsync"))
        .args(["sync", "contacts.csv", "--quiet"])
        .current_dir(dir)
        .envs((0..channels).map(|channel| (format!("TOKEN_{channel}"), format!("token-{channel}"))))
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// Stops the program as Ctrl-C does and waits for its end. Returns the time of the last call by the ledger's clock.
fn interrupt(child: &mut Child, sandbox: &Sandbox) -> Duration {
    let until = sandbox.ledger().calls().last().map_or(Duration::ZERO, |call| call.since_start);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("`kill` exists");
    assert!(asked.success());
    let exit = child.wait().expect("the process can be waited for");
    assert_eq!(exit.code(), Some(4), "stopped with rows left");
    until
}

fn number<T: FromStr<Err: std::fmt::Debug>>(variable: &str, default: T) -> T {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[expect(clippy::cast_precision_loss, reason = "less than a million")]
fn float(number: usize) -> f64 {
    number as f64
}
