//! The whole sync with virtual time and seeded randomness: the real tasks, window, retries and journal, against a model of the
//! platform that loses answers, answers late and refuses calls, while the process is killed between any two writes of the journal
//! and restarted.
//!
//! The oracle is the model's own ledger of effects, never the journal. A scenario is made from its seed alone; a failing
//! one prints it. `SCENARIOS=100000 cargo test --release --test simulation` runs more of them, `SEED=123` one.

mod journal;
mod oracle;
mod platform;
mod scenario;
mod scripted_scenarios;
mod trouble;
mod undo_scenarios;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use contactsync::sandbox::Fault;
use platform::Faults;
use scenario::{Bug, Scenario, Seen};

/// The number of scenarios that `cargo test` runs.
const SCENARIOS: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: expected a number, found `{text}`")))
}

/// Runs the scenarios of these seeds. Returns the first seed that violates an invariant and the violation, or the statistics of all.
fn run_seeds(seeds: impl IntoIterator<Item = u64>, bug: Option<Bug>) -> Result<Seen, (u64, String)> {
    let mut all = Seen::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| Scenario::from_seed(seed, bug).run())) {
            Ok(Ok(seen)) => all.add(seen),
            Ok(Err(broken)) => return Err((seed, broken)),
            Err(_) => return Err((seed, "it panicked".to_owned())),
        }
    }
    Ok(all)
}

/// Runs the even seeds on one thread and the odd seeds on another.
fn run_on_two_threads(seeds: &std::ops::Range<u64>) -> Result<Seen, (u64, String)> {
    thread::scope(|threads| {
        let halves = [0, 1].map(|rest| {
            let seeds = seeds.clone().filter(move |seed| seed % 2 == rest);
            threads.spawn(move || run_seeds(seeds, None))
        });
        halves.into_iter().try_fold(Seen::default(), |mut all, half| {
            all.add(half.join().expect("failures are caught")?);
            Ok(all)
        })
    })
}

#[test]
fn every_invariant_holds_in_every_scenario() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SCENARIOS").unwrap_or(SCENARIOS),
    };
    let seen = run_on_two_threads(&seeds).unwrap_or_else(|(seed, broken)| {
        panic!(
            "{broken}\nreplay: SEED={seed} cargo test --test simulation every_invariant\n{:#?}",
            Scenario::from_seed(seed, None)
        )
    });
    let count = seeds.end - seeds.start;
    let Seen { rounds, short_rounds, worked, .. } = seen;
    println!(
        "{count} scenarios; after the last fault at most {rounds} processes, or {short_rounds} short ones, in {worked:?}"
    );
    // A sample without a fault proves nothing about it.
    if count >= SCENARIOS {
        let missed: Vec<_> = trouble::combinations().into_iter().filter(|pair| !seen.struck.contains(pair)).collect();
        assert_eq!(missed, [], "these faults never struck these kinds of call");
    }
}

/// The same seed gives the same calls, answers and events, in the same order and at the same times.
#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in (0..SCENARIOS).step_by(19) {
        let [first, second] = [(); 2].map(|()| Scenario::from_seed(seed, None).run_logged());
        let difference =
            first.lines().zip(second.lines()).find(|(one, other)| without_hashes(one) != without_hashes(other));
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(first.lines().count(), second.lines().count(), "seed {seed}");
        assert!(first.contains("Called"), "seed {seed} makes no call");
    }
}

// Each journal makes its hashes with another key. A key that is one is shown by its end.
fn without_hashes(line: &str) -> String {
    let mut parts = line.split('…');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + "…" + part.trim_start_matches(|char: char| char.is_ascii_hexdigit()))
}

/// 250 calls at 100 a minute take two full windows and a part of the third, and at most 5 % more. The oracle checks the limit.
#[test]
fn a_run_takes_no_longer_than_the_limit_requires() {
    let optimum = Duration::from_mins(2);
    for latency in [Duration::from_millis(20), Duration::from_millis(300)] {
        let scenario = Scenario::plain(125, true, Faults { latency, ..Faults::default() });
        let time = scenario.time().expect("no invariant is violated");
        println!("250 calls with a latency of up to {latency:?} each way: {time:?}");
        assert!(time >= optimum && time <= optimum.mul_f64(1.05), "{time:?}");
    }
}

/// A check that cannot fail proves nothing: each bug removes one thing that an invariant depends on.
#[test]
fn each_planted_bug_is_caught() {
    // The bug, the fault that exposes it, and the violation.
    let cases: [(Bug, Option<Fault>, &[&str]); 11] = [
        (Bug::IntentNotCommitted, None, &["twice"]),
        (Bug::NoSettleSearch, None, &["twice"]),
        (Bug::NoReadBack, None, &["calls within 60 s", "calls were refused"]),
        (Bug::ClockNotFollowed, None, &["calls within 60 s", "calls were refused"]),
        // After a kill, a created contact is in doubt, or a change is sent again.
        (Bug::AnswerWithoutKnown, None, &["rejected", "the same file again", "another one's"]),
        (Bug::RefusedSearchIsAbsent, None, &["twice", "was there before"]),
        (Bug::ContradictionsIgnored, None, &["twice", "was there before", "several contacts"]),
        (Bug::SimilarHitsIgnored, None, &["twice"]),
        (Bug::ClaimedIdBelieved, Some(Fault::PreviousId), &["another one's", "differs from the file"]),
        (Bug::ProxyLimitLearnt, Some(Fault::BadGatewayLimit), &["more than"]),
        (Bug::SearchesBegunAnew, None, &["rounds without faults"]),
    ];
    for (bug, fault, breaks) in cases {
        let seeds = (0..4 * SCENARIOS).filter(|seed| fault.is_none_or(|fault| Scenario::fault(*seed) == Some(fault)));
        let Err((seed, broken)) = run_seeds(seeds, Some(bug)) else {
            panic!("{bug:?} was not caught");
        };
        let as_expected = breaks.iter().any(|words| broken.contains(words));
        assert!(as_expected, "{bug:?} broke something else in scenario {seed}: {broken}");
        println!("{bug:?}: caught in scenario {seed}: {broken}");
    }
}
