//! The real program, killed before every system call that has an effect outside of it, and held against the sandbox.
//!
//! A golden run under `strace` says how many such calls there are. Then, for every n of every kind of call, the program
//! runs anew on a fresh platform and is killed at the n-th, runs again until it is done, and the sandbox's ledger tells
//! whether everybody is there once and right. A part of the cases is killed a second time, while it recovers; another
//! part is not killed, but told by the system that the call failed (`EIO`).
//!
//! `cargo test` runs a sample; `CRASHES=all cargo test --test crash` runs all.
//!
//! What `strace` does, found by trying it:
//!
//! * `inject=CALL:signal=KILL:when=n` kills on the way *into* the call: a `write` killed so writes nothing. Killed before
//!   every effect, a thread is left at every place between two of its effects, so that the moment just after the n-th
//!   is the one before the next. `error=` or `retval=` beside the signal change nothing. `epoll_wait` is among the calls
//!   for the moment in which all that was asked for is done, and nothing is answered yet.
//! * Calls are counted *per thread*, and the first thread to come to n is hit. The program has three here: its own, the
//!   journal's and, because `TOKIO_WORKER_THREADS` is 1, one for the network. On a fresh journal the first one makes
//!   the tables, and so comes first to the small n of `pwrite64` and `fsync`. That is why there is a golden run on a grown
//!   journal, where it writes neither into the journal nor into its log: there the small n are the journal's thread's. A
//!   filter by path leaves SQLite's shared memory out of the count; with `--seccomp-bpf` that filter would inject
//!   nothing, so it is not used.
//! * It cannot choose by flags which `openat` to hit: those that may make a file are picked from the golden run.
//!
//! `SQLite` maps nothing of the journal and of its log into memory, so that no effect hides from the count; the golden runs
//! are held to that. Its file of shared memory (`-shm`) is mapped by design: it holds the index of the log, and is made
//! anew after a crash.

#![cfg(target_os = "linux")]

mod golden;
mod harness;
mod strace;

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use futures_util::StreamExt as _;
use support::tools::{has_strace, report};

use crate::golden::Golden;
use crate::harness::{Course, Stage, Template};
use crate::strace::{Fate, Injection, Trace};

/// How many cases `cargo test` runs.
const SAMPLE: usize = 200;

/// How many golden runs tell together how many calls there are: what the threads do at the same time, they do in fewer
/// calls or in more.
const GOLDEN_RUNS: usize = 3;

/// One case in so many is killed again while it recovers.
const AGAIN: usize = 4;

/// How many cases run at once: most of their time is waiting, for the disk and for settle times.
const AT_ONCE: usize = 8;

/// One run that is disturbed, and how it is gone on with.
#[derive(Clone, Debug)]
pub struct Case {
    golden: Golden,
    injection: Injection,
    /// `resume` before the file comes again.
    resumes: bool,
    /// What befalls the run after it.
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
    disturb_again(&mut cases, seed);
    let of = cases.len();
    if !all {
        cases = sample(cases, seed);
    }

    let checks = cases.into_iter().map(|case| {
        let template = &template;
        async move {
            let course = Stage::set(case.golden, template).await.hold(&case).await;
            (case, course)
        }
    });
    let ended: Vec<(Case, Result<Course, String>)> =
        futures_util::stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;

    let mut table: BTreeMap<String, Course> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (case, course) in &ended {
        let row = format!("{:8} {:6} {}", case.golden.name(), case.injection.fate.name(), case.injection.call);
        match course {
            Ok(course) => *table.entry(row).or_default() += *course,
            Err(what) => wrong.push(format!("{case:?}\n  {what}")),
        }
    }
    let mut sum = Course::default();
    for (row, course) in &table {
        report("crash", &format!("{row:32} {course}"));
        sum += *course;
    }
    report("crash", &format!("{} of {of} cases (seed {seed}): {sum}; {} wrong", ended.len(), wrong.len()));
    assert!(wrong.is_empty(), "{} cases went wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(sum.hit * 10 >= sum.run * 9, "most runs are hit: {sum}");
}

/// An undisturbed run, held to what the cases are built on.
async fn golden_run(golden: Golden, template: &Template) -> Trace {
    let stage = Stage::set(golden, template).await;
    let trace = stage.golden().await;
    let mapped: Vec<&str> = trace.mapped("journal.db").collect();
    assert!(!mapped.is_empty() && mapped.iter().all(|line| line.contains("journal.db-shm>")), "{mapped:#?}");
    if golden.is_grown() {
        // Or the small n of the journal's thread would not be reached.
        assert_eq!((trace.by_main("pwrite64"), trace.by_main("fsync")), (0, 0), "the first thread writes");
    }
    if golden == Golden::Grown {
        assert!(trace.writes_to("journal.db>"), "the log is written back into the journal in the middle of it");
    }
    trace
}

fn cases_of(golden: Golden, calls: &BTreeMap<&'static str, BTreeSet<usize>>) -> Vec<Case> {
    let mut cases = Vec::new();
    for (&call, numbers) in calls {
        for fate in [Fate::Killed, Fate::Failed] {
            if fate == Fate::Failed && !strace::MAY_FAIL.contains(&call) {
                continue;
            }
            for &number in numbers {
                let injection = Injection { call, number, fate };
                cases.push(Case { golden, injection, resumes: cases.len() % 2 == 0, again: None });
            }
        }
    }
    cases
}

// A part of the cases is hit again by what hits another case, in the run after the one that it hits first.
fn disturb_again(cases: &mut [Case], seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let injections: Vec<Injection> = cases.iter().map(|case| case.injection).collect();
    for case in cases {
        if chance.usize(0..AGAIN) == 0 {
            case.again = chance.choice(&injections).copied();
        }
    }
}

// Some of every kind, as evenly as there are.
fn sample(mut cases: Vec<Case>, seed: u64) -> Vec<Case> {
    fastrand::Rng::with_seed(seed).shuffle(&mut cases);
    let mut ranks: BTreeMap<(Golden, &str, Fate), usize> = BTreeMap::new();
    let mut ranked: Vec<(usize, Case)> = cases
        .into_iter()
        .map(|case| {
            let rank = ranks.entry((case.golden, case.injection.call, case.injection.fate)).or_default();
            *rank += 1;
            (*rank, case)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, case)| case).take(SAMPLE).collect()
}
