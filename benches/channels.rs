//! A thousand channels at their limit in one process, on a machine that the platform shares.
//!
//! It starts the sandbox in this process, with 100 calls a minute for each token, and runs the real binary on a CSV with
//! more new contacts for each of 1,000 channels than there is time for. After five minutes it ends the run with SIGINT,
//! and reads the sandbox's ledger: how many calls each channel made in each full minute from its first call on, how late
//! they began, how many were refused, and whether any 60 s held more than the limit.
//!
//! Run by hand: `cargo bench --bench channels`; `CHANNELS` and `MINUTES` make it larger or smaller.

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

const MINUTE: Duration = Duration::from_mins(1);

/// How long a call counts after its end: the minute and the margin.
const COUNTS: Duration = Duration::from_millis(60_250);

const LIMIT: usize = CALLS_PER_MINUTE as usize;

/// The calls a minute that a channel must come to.
const AT_LEAST: usize = LIMIT * 99 / 100;

/// How late a call may begin in the mean for a channel to come to that for as long as it runs: each takes the place of the
/// one that is as many before it as the limit, and so is as much later, and by its latency.
const LATE: Duration = Duration::from_millis(60_000 * LIMIT as u64 / AT_LEAST as u64 - 60_250);

/// The memory that all of it may take, in kB.
const MEMORY: u64 = 300_000;

fn main() {
    let (channels, minutes) = (number("CHANNELS", 1_000), number("MINUTES", 5_u32));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a folder can be made");
    // A contact takes two calls, one for itself and one for its tags.
    let contacts = LIMIT * (minutes as usize + 1) / 2;
    fs::write(dir.path().join("contacts.csv"), input(channels, contacts)).expect("the input can be written");
    let sandbox = runtime.block_on(Sandbox::start(Config::default())).expect("the sandbox starts");
    fs::write(dir.path().join("contactsync.toml"), config(channels, &sandbox.url())).expect("so can the configuration");

    let mut child = start(dir.path(), channels);
    let planning = Instant::now();
    while sandbox.ledger().is_empty() {
        assert!(child.try_wait().expect("it can be waited for").is_none(), "it ended before its first call");
        thread::sleep(Duration::from_millis(20));
    }
    println!(
        "{channels} channels, {} rows: first call after {:.1} s",
        channels * contacts,
        planning.elapsed().as_secs_f64()
    );
    thread::sleep(MINUTE * minutes + Duration::from_secs(1));
    let memory = peak_memory(&child);
    let cpu = (cpu_seconds(&child.id().to_string()), cpu_seconds("self"));
    let until = interrupt(&mut child, &sandbox);

    tell(&sandbox, channels, until);
    println!("{} MB at the most; {:.0} s of processor, and {:.0} s of the sandbox", memory / 1_000, cpu.0, cpu.1);
    assert!(memory < MEMORY, "too much memory");
}

/// What the ledger says, up to a moment.
fn tell(sandbox: &Sandbox, channels: usize, until: Duration) {
    let mut by_token: BTreeMap<Arc<str>, Vec<CallRecord>> = BTreeMap::new();
    for call in sandbox.ledger().calls().into_iter().filter(|call| call.since_start < until) {
        by_token.entry(Arc::clone(&call.token)).or_default().push(call);
    }
    assert_eq!(by_token.len(), channels, "each channel called");
    let (mut all, mut first, mut minutes, mut late) = (0, Duration::MAX, Vec::new(), Vec::new());
    for (token, calls) in &mut by_token {
        calls.sort_unstable_by_key(|call| call.since_start);
        all += calls.len();
        first = first.min(calls[0].since_start);
        minutes.extend(full_minutes(calls, until));
        late.push(lateness(calls));
        assert!(sandbox.ledger().busiest_minute(token) <= LIMIT, "{token} was over its limit");
    }
    let throttled = sandbox.ledger().throttled();
    let seconds = until.saturating_sub(first).as_secs_f64();
    println!("{all} calls in {seconds:.1} s: {:.0} calls/s; {throttled} answers with 429", float(all) / seconds);
    minutes.sort_unstable();
    let (least, median) = (minutes[0], minutes[minutes.len() / 2]);
    println!("calls in each of {} full minutes of a channel: at least {least}, median {median}", minutes.len());
    println!("late, latency included, the second {LIMIT} calls of each channel, the third, …:");
    for nth in 0.. {
        let mut hundreds: Vec<Duration> =
            late.iter().filter_map(|late| late.chunks_exact(LIMIT).nth(nth)).flatten().copied().collect();
        if hundreds.is_empty() {
            break;
        }
        hundreds.sort_unstable();
        let at = |share: usize| hundreds[(hundreds.len() * share / 100).min(hundreds.len() - 1)].as_millis();
        let mean = mean(&hundreds).as_millis();
        println!("  {mean} ms in the mean, {} in the median, {} for 99 of 100, {} at worst", at(50), at(99), at(100));
    }
    assert_eq!(throttled, 0, "calls over the limit");
    assert!(least >= AT_LEAST, "a channel made {least} calls in a minute");
    let mean = mean(&late.concat());
    assert!(mean <= LATE, "{mean:?} late in the mean: in the long run less than {AT_LEAST} calls a minute");
}

fn mean(late: &[Duration]) -> Duration {
    late.iter().sum::<Duration>() / u32::try_from(late.len()).expect("not too many").max(1)
}

/// How many calls began in each full minute from the first on.
fn full_minutes(calls: &[CallRecord], until: Duration) -> Vec<usize> {
    let begin = calls[0].since_start;
    let ends = (1..).map(|nth| begin + nth * MINUTE).take_while(|&end| end <= until);
    let before = |moment: Duration| calls.partition_point(|call| call.since_start < moment);
    ends.map(|end| before(end) - before(end.saturating_sub(MINUTE))).collect()
}

/// How much longer than the rule makes it the time was from each call to the one that took its place.
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

/// Asks it to stop, as Ctrl-C does, and waits for it. Returns when that was by the ledger's clock.
fn interrupt(child: &mut Child, sandbox: &Sandbox) -> Duration {
    let until = sandbox.ledger().calls().last().map_or(Duration::ZERO, |call| call.since_start);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("`kill` is there");
    assert!(asked.success());
    let exit = child.wait().expect("the process can be waited for");
    assert_eq!(exit.code(), Some(4), "stopped before its end");
    until
}

fn number<T: FromStr<Err: std::fmt::Debug>>(variable: &str, unless_told: T) -> T {
    std::env::var(variable).map_or(unless_told, |text| text.parse().expect("a number"))
}

#[expect(clippy::cast_precision_loss, reason = "less than a million")]
fn float(number: usize) -> f64 {
    number as f64
}

/// The most memory that the process had resident so far, in kB (Linux).
fn peak_memory(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
    peak.trim().trim_end_matches(" kB").parse().expect("a number of kB")
}

/// What all threads of a process have computed so far (Linux).
fn cpu_seconds(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let numbers: Vec<f64> = stat.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
    // In the kernel's hundredths of a second, as a user and in the kernel.
    numbers.get(13..15).map_or(0.0, |both| both.iter().sum::<f64>() / 100.0)
}
