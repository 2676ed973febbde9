//! Calls per second without a rate limit: reading, journaling with full durability, sending.
//!
//! The bench starts the sandbox without a limit in this process, writes a CSV file of 20,000 new contacts with tags, and runs the
//! real binary on it: 40,000 calls, each with its intent and its answer committed. It prints the calls per second over the
//! life of the program, planning included, and the peak memory of the program.
//!
//! It also prints the size of the journal afterwards, and what the program wrote to the disk. `CONTACTS=1000000 FIELDS=11 TAGS=0
//! RUNS=1` imports as many contacts with 11 fields and without tags, in one call each.
//!
//! Run with `cargo bench --bench throughput`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use contactsync::sandbox::{Config, Sandbox};
use support::process::{peak_kib, written_bytes};

/// The numbers without the variables of these names.
const CONTACTS: usize = 20_000;
const RUNS: usize = 3;
const FIELDS: usize = 6;
const TAGS: usize = 2;
const TOKEN: &str = "benchmark";

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let input = dir.path().join("contacts.csv");
    let (count, runs) = (number("CONTACTS", CONTACTS), number("RUNS", RUNS));
    let (fields, tags) = (number("FIELDS", FIELDS), number("TAGS", TAGS));
    fs::write(&input, contacts(count, fields, tags)).expect("the input can be written");

    let mut rates = Vec::new();
    for run in 1..=runs {
        let config = Config { rate: 0, ..Config::default() };
        let sandbox = runtime.block_on(Sandbox::start(config)).expect("the sandbox starts");
        let journal = dir.path().join(format!("journal-{run}.db"));
        let begun = Instant::now();
        let child = start(&sandbox.url(), &input, &journal);
        let mut first_call = None;
        let Use { memory, written } = watch(child, || {
            if first_call.is_none() && !sandbox.ledger().is_empty() {
                first_call = Some(begun.elapsed());
            }
        });
        let seconds = begun.elapsed().as_secs_f64();
        let planned = first_call.unwrap_or_default().as_secs_f64();

        let calls = sandbox.ledger().len();
        assert_eq!(sandbox.contacts(TOKEN).len(), count, "the platform has each contact once");
        assert_eq!(calls, count * if tags > 0 { 2 } else { 1 }, "a create, and a call for the tags, for each contact");
        #[expect(clippy::cast_precision_loss, reason = "numbers of calls and bytes are far below 2^53")]
        let (calls, sending, written, size) = {
            let size = fs::metadata(&journal).map_or(0, |file| file.len());
            let calls = calls as f64;
            (calls, calls / (seconds - planned), written as f64 / 1e6, size as f64 / 1e6)
        };
        let rate = calls / seconds;
        println!(
            "run {run}: {calls} calls in {seconds:.2} s: {rate:.0} calls/s, {sending:.0} calls/s after the first call at \
             {planned:.2} s, peak memory {} MB, journal {size:.1} MB, written {written:.0} MB",
            memory / 1_000
        );
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    println!("median of {runs}: {:.0} calls/s", rates[runs / 2]);
}

fn number(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |number| number.parse().expect("a number"))
}

/// Contacts with this number of fields and tags.
fn contacts(count: usize, fields: usize, tags: usize) -> String {
    let names =
        ["phone", "firstName", "lastName", "email", "city", "plan", "street", "zip", "company", "birthday", "note"];
    let mut csv = format!("{},tags\n", names[..fields].join(","));
    for n in 0..count {
        // Not in the order of the numbers, as in a real file.
        let phone = n * 7_919 % 100_000_007;
        let values = [
            format!("+52155{phone:08}"),
            format!("First{n}"),
            format!("Last{n}"),
            format!("contact{n}@example.com"),
            format!("City {}", n % 97),
            "basic".to_owned(),
            format!("Street {n}"),
            format!("{:05}", n % 99_999),
            format!("Company {}", n % 1_000),
            format!("1990-01-{:02}", n % 28 + 1),
            format!("note {n}"),
        ];
        let tags = &["customer", "batch"][..tags];
        let _ = writeln!(csv, "{},{}", values[..fields].join(","), tags.join(";"));
    }
    csv
}

fn start(url: &str, input: &Path, journal: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_contactsync"))
        // The calls are counted exactly: without the read after the first write of each field.
        .args(["sync", "--mode", "create", "--match", "phone", "--rate", "1000000", "--no-read-back", "--quiet"])
        .args(["--url", url])
        .arg("--journal")
        .arg(journal)
        .arg(input)
        .env("CONTACTSYNC_TOKEN", TOKEN)
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// What a process used.
#[derive(Default)]
struct Use {
    /// Its peak memory in KiB.
    memory: u64,
    /// What it wrote to the disk, in bytes.
    written: u64,
}

/// Waits for the end of the process.
fn watch(mut child: Child, mut each: impl FnMut()) -> Use {
    let mut used = Use::default();
    loop {
        if let Some(exit) = child.try_wait().expect("the process can be waited for") {
            assert!(exit.success(), "{exit}");
            return used;
        }
        used.memory = used.memory.max(peak_kib(child.id()).unwrap_or(0));
        used.written = used.written.max(written_bytes(child.id()).unwrap_or(0));
        each();
        thread::sleep(Duration::from_millis(10));
    }
}
