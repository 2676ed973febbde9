//! The real program, killed before every system call with an external effect, and checked against the sandbox.
//!
//! A golden run under `strace` counts these calls. Then, for every n of every kind of call, the program runs on a new platform,
//! is killed at the nth call, and runs again until it is done. The sandbox's ledger shows whether each contact exists exactly
//! once with the right content. Some of the cases are killed a second time during recovery; in others, the call fails with
//! `EIO` instead.
//!
//! `cargo test` runs a sample; `CRASHES=all cargo test --test crash` runs all.
//!
//! Observed behaviour of `strace`:
//!
//! * `inject=CALL:signal=KILL:when=n` kills at the *entry* of the call: a killed `write` writes nothing. The state after the nth
//!   effect is the state before the next one, so kills before every effect cover every state of a thread. `error=` or
//!   `retval=` beside the signal change nothing. `epoll_wait` is among the calls because it marks the time at which all
//!   requests are sent and nothing is answered yet.
//! * Calls are counted *per thread*, and the first thread that reaches n is killed. The program has three threads here: its main
//!   thread, the journal's and, because `TOKIO_WORKER_THREADS` is 1, one for the network. On a new journal the main thread
//!   creates the tables, and so reaches the small n of `pwrite64` and `fsync` first. Therefore one golden run uses a grown
//!   journal, where the main thread writes neither to the journal nor to its log, and the small n belong to the journal's
//!   thread. A path filter excludes SQLite's shared memory from the count; with `--seccomp-bpf` that filter would inject
//!   nothing, so it is not used.
//! * An `openat` cannot be selected by its flags: the calls that may create a file are picked from the golden run.
//!
//! `SQLite` does not map the journal and its log into memory, so that no effect escapes the count; the golden runs check that. Its
//! shared memory file (`-shm`) is mapped by design: it holds the index of the log, and is rebuilt after a crash.

#![cfg(target_os = "linux")]

mod golden;
mod harness;
mod strace;

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use futures_util::StreamExt as _;
use support::tools::{has_strace, report};

use crate::golden::Golden;
use crate::harness::{Counts, Harness, Template};
use crate::strace::{Effect, Injection, Trace};

/// The number of cases that `cargo test` runs.
const SAMPLE: usize = 200;

/// The number of golden runs whose counts are combined: concurrent threads make a varying number of calls.
const GOLDEN_RUNS: usize = 3;

/// One case in this many is killed again during recovery.
const AGAIN: usize = 4;

/// The number of cases that run at once. They mostly wait, for the disk and for search lags.
const AT_ONCE: usize = 8;

/// A run with an injection, and its recovery.
#[derive(Clone, Debug)]
pub struct Case {
    golden: Golden,
    injection: Injection,
    /// Whether `resume` comes before the next sync.
    resumes: bool,
    /// The injection of the recovering run.
    again: Option<Injection>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_before_any_system_call_loses_no_contact_and_creates_no_duplicate() {
    if !has_strace("crash") {
        return;
    }
    let all = env::var("CRASHES").is_ok_and(|which| which == "all");
    let template = Template::grown().await;
    let mut cases = Vec::new();
    for golden in Golden::ALL {
        let mut calls: BTreeMap<&'static str, BTreeSet<usize>> = BTreeMap::new();
        for _ in 0..GOLDEN_RUNS {
            for (call, numbers) in golden_run(golden, &template).await.calls() {
                calls.entry(call).or_default().extend(numbers);
            }
        }
        cases.extend(cases_of(golden, &calls));
    }
    let seed = env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    inject_again(&mut cases, seed);
    let of = cases.len();
    if !all {
        cases = sample(cases, seed);
    }

    let checks = cases.into_iter().map(|case| {
        let template = &template;
        async move {
            let counts = Harness::set(case.golden, template).await.check(&case).await;
            (case, counts)
        }
    });
    let ended: Vec<(Case, Result<Counts, String>)> =
        futures_util::stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;

    let mut table: BTreeMap<String, Counts> = BTreeMap::new();
    let mut failed = Vec::new();
    for (case, counts) in &ended {
        let row = format!("{:8} {:6} {}", case.golden.name(), case.injection.effect.name(), case.injection.call);
        match counts {
            Ok(counts) => *table.entry(row).or_default() += *counts,
            Err(what) => failed.push(format!("{case:?}\n  {what}")),
        }
    }
    let mut sum = Counts::default();
    for (row, counts) in &table {
        report("crash", &format!("{row:32} {counts}"));
        sum += *counts;
    }
    report("crash", &format!("{} of {of} cases (seed {seed}): {sum}; {} failed", ended.len(), failed.len()));
    assert!(failed.is_empty(), "{} cases failed:\n{}", failed.len(), failed.join("\n"));
    assert!(sum.hit * 10 >= sum.run * 9, "most runs must reach their injection: {sum}");
}

/// A run without injections. Checks the assumptions of the cases.
async fn golden_run(golden: Golden, template: &Template) -> Trace {
    let stage = Harness::set(golden, template).await;
    let trace = stage.golden().await;
    let mapped: Vec<&str> = trace.mapped("journal.db").collect();
    assert!(!mapped.is_empty() && mapped.iter().all(|line| line.contains("journal.db-shm>")), "{mapped:#?}");
    if golden.is_grown() {
        // Otherwise the small n of the journal's thread would not be reached.
        assert_eq!((trace.by_main("pwrite64"), trace.by_main("fsync")), (0, 0), "the first thread writes");
    }
    if golden == Golden::Grown {
        assert!(trace.writes_to("journal.db>"), "the run must checkpoint the log");
    }
    trace
}

fn cases_of(golden: Golden, calls: &BTreeMap<&'static str, BTreeSet<usize>>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (&call, numbers) in calls {
        for effect in [Effect::Killed, Effect::Failed] {
            if effect == Effect::Failed && !strace::MAY_FAIL.contains(&call) {
                continue;
            }
            for &number in numbers {
                let injection = Injection { call, number, effect };
                cases.push(Case { golden, injection, resumes: cases.len() % 2 == 0, again: None });
            }
        }
    }
    cases
}

// Some of the cases get the injection of another case in their recovering run.
fn inject_again(cases: &mut [Case], seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let injections: Vec<Injection> = cases.iter().map(|case| case.injection).collect();
    for case in cases {
        if chance.usize(0..AGAIN) == 0 {
            case.again = chance.choice(&injections).copied();
        }
    }
}

// Some cases of every kind, evenly distributed.
fn sample(mut cases: Vec<Case>, seed: u64) -> Vec<Case> {
    fastrand::Rng::with_seed(seed).shuffle(&mut cases);
    let mut ranks: BTreeMap<(Golden, &str, Effect), usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Case)> = cases
        .into_iter()
        .map(|case| {
            let rank = ranks.entry((case.golden, case.injection.call, case.injection.effect)).or_default();
            *rank += 1;
            (*rank, case)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, case)| case).take(SAMPLE).collect()
}
