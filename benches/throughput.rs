//! Calls per second without a rate limit: reading, journaling with full durability, sending.
//!
//! The bench starts the sandbox without a limit in this process, writes a CSV file of 20,000 new contacts with tags, and runs the
//! real binary on it: 40,000 calls, each with its intent and its answer committed. It prints the calls per second over the
//! life of the program, planning included, and the peak memory of the program.
//!
//! Run with `cargo bench --bench throughput`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use contactsync::sandbox::{Config, Sandbox};
use support::process::peak_kib;

const CONTACTS: usize = 20_000;
const RUNS: usize = 3;
const TOKEN: &str = "benchmark";

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let input = dir.path().join("contacts.csv");
    fs::write(&input, contacts()).expect("the input can be written");

    let mut rates = Vec::new();
    for run in 1..=RUNS {
        let config = Config { rate: 0, ..Config::default() };
        let sandbox = runtime.block_on(Sandbox::start(config)).expect("the sandbox starts");
        let begun = Instant::now();
        let child = start(&sandbox.url(), &input, &dir.path().join(format!("journal-{run}.db")));
        let memory = watch(child);
        let seconds = begun.elapsed().as_secs_f64();

        let calls = sandbox.ledger().len();
        assert_eq!(sandbox.contacts(TOKEN).len(), CONTACTS, "the platform has each contact once");
        assert_eq!(calls, 2 * CONTACTS, "a create and a call for the tags for each contact");
        #[expect(clippy::cast_precision_loss, reason = "40,000 is exact")]
        let rate = calls as f64 / seconds;
        println!("run {run}: {calls} calls in {seconds:.2} s: {rate:.0} calls/s, peak memory {} MB", memory / 1_000);
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    println!("median of {RUNS}: {:.0} calls/s", rates[RUNS / 2]);
}

fn contacts() -> String {
    let mut csv = String::from("phone,firstName,lastName,email,city,plan,tags\n");
    for n in 0..CONTACTS {
        let _ =
            writeln!(csv, "+52155{n:08},First{n},Last{n},contact{n}@example.com,City {},basic,customer;batch", n % 97);
    }
    csv
}

fn start(url: &str, input: &Path, journal: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_contactsync"))
        .args(["sync", "--mode", "create", "--match", "phone", "--rate", "1000000", "--quiet", "--url", url])
        .arg("--journal")
        .arg(journal)
        .arg(input)
        .env("CONTACTSYNC_TOKEN", TOKEN)
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

/// Waits for the end of the process. Returns its peak memory in KiB.
fn watch(mut child: Child) -> u64 {
    let mut most = 0;
    loop {
        if let Some(exit) = child.try_wait().expect("the process can be waited for") {
            assert!(exit.success(), "{exit}");
            return most;
        }
        most = most.max(peak_kib(child.id()).unwrap_or(0));
        thread::sleep(Duration::from_millis(20));
    }
}
