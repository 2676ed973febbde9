//! The answer parser against raw answers, unchanged and mutated.
//!
//! `fixtures/answers` has documented answers, answers that clients reported, and those of proxies, firewalls and the framework
//! behind the platform. `table.txt` has the meaning of each answer for each of the six calls, to review by eye. The property
//! test mutates the answers and checks rules that hold for every answer; they are written independently of the parser. The
//! fuzz target in `fuzz` checks the same rules.
//!
//! `CASES=10000000 cargo test --release --test answers` is the full run. `FIRST=N CASES=1` repeats case N.

mod mutation;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, thread};

use contactsync::Token;
use contactsync::engine::{Answer, Attempt};
use contactsync::report::CallKind;

use mutation::Mutator;
use support::answers::oracle;
use support::answers::raw::{Raw, TOKEN, call};

/// The meaning of each answer for each call.
const TABLE: &str = include_str!("table.txt");

fn corpus() -> BTreeMap<String, Raw> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/answers");
    // `tests/laravel` recorded the framework's answers.
    let folders = [root.clone(), root.join("laravel")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder of answers"));
    let files = entries.map(|entry| entry.expect("an entry").path());
    let is_answer = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "http");
    files
        .filter(is_answer)
        .map(|path| {
            let name = path.strip_prefix(&root).expect("a file below it").with_extension("");
            let raw = Raw::parse(&fs::read(&path).expect("a file that can be read"));
            (name.to_string_lossy().into_owned(), raw.expect("an answer with a status"))
        })
        .collect()
}

// A short description of an attempt for the table.
fn short(answer: &Answer) -> String {
    let limit = if answer.rate_limit.is_some() { " L" } else { "" };
    let wait = |wait: Option<Duration>| wait.map_or_else(String::new, |wait| format!(" {}s", wait.as_secs()));
    let text = match &answer.attempt {
        Attempt::Page(page) => {
            let more = if page.more { "+" } else { "" };
            let mark = if page.contradiction.is_some() { " contradicts" } else { "" };
            format!("page {}{more}{mark}", page.contacts.len())
        }
        Attempt::Refused { about_row: true, .. } => "refused row".to_owned(),
        Attempt::Throttled { retry_after, .. } => format!("throttled{}", wait(*retry_after)),
        Attempt::Lost { retry_after, .. } => format!("lost{}", wait(*retry_after)),
        Attempt::Taken { by, .. } => format!("taken{}", if by.is_some() { " by" } else { "" }),
        other => other.name().to_owned(),
    };
    text + limit
}

#[test]
fn every_answer_means_what_the_table_says() {
    let mut found = String::new();
    for (name, raw) in corpus() {
        let _ = writeln!(found, "{name}");
        let mut by_meaning: Vec<(String, Vec<String>)> = Vec::new();
        let calls = CallKind::ALL.map(|kind| (kind.name().to_owned(), call(kind, 1)));
        let pages = [2, 3].map(|page| (format!("find page {page}"), call(CallKind::Find, page)));
        for (label, call) in calls.into_iter().chain(pages) {
            let meaning = short(&raw.answer(&call));
            match by_meaning.iter_mut().find(|(other, _)| *other == meaning) {
                Some((_, labels)) => labels.push(label),
                None => by_meaning.push((meaning, vec![label])),
            }
        }
        let all = by_meaning.len() == 1;
        for (meaning, labels) in by_meaning {
            let labels = if all { "all".to_owned() } else { labels.join(", ") };
            let _ = writeln!(found, "    {meaning:22} {labels}");
        }
    }
    if TABLE != found {
        let both = TABLE.lines().zip(found.lines()).find(|(expected, found)| expected != found);
        panic!("the table first differs in {both:#?}\nthe whole table:\n{found}");
    }
}

/// The first case and the number of cases.
fn cases() -> (u64, u64) {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number")))
    };
    (number("FIRST", 0), number("CASES", 100_000))
}

#[test]
fn no_mutated_answer_breaks_a_rule() {
    let corpus: Vec<Raw> = corpus().into_values().collect();
    let token = Token::new(TOKEN).expect("a token");
    let (first, count) = cases();
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let seen: BTreeSet<(CallKind, &'static str)> = thread::scope(|scope| {
        let run = |thread: u64| {
            let (corpus, token) = (&corpus, &token);
            scope.spawn(move || {
                let mut seen = BTreeSet::new();
                for case in (first..first + count).filter(|case| case % threads == thread) {
                    let mutant = Mutator::of(case, corpus).mutant();
                    let answer = mutant.raw.answer(&mutant.call);
                    if let Err(broken) = oracle::check(&mutant.call, &mutant.raw, &answer, token) {
                        let body = String::from_utf8_lossy(&mutant.raw.body);
                        let Raw { status, headers, .. } = &mutant.raw;
                        panic!("case {case}: {broken}\n{:?}\n{status} {headers:?}\n{body}\n{answer:#?}", mutant.call);
                    }
                    seen.insert((mutant.call.kind(), answer.attempt.name()));
                }
                seen
            })
        };
        let threads: Vec<_> = (0..threads).map(run).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no rule is broken")).collect()
    });
    if count >= 100_000 {
        check_reached(&seen);
    }
}

/// Checks that the mutations cover every meaning that an answer to a call can have.
fn check_reached(seen: &BTreeSet<(CallKind, &'static str)>) {
    let always = ["refused", "unauthorized", "throttled", "queued", "wrong_path", "lost"];
    for kind in CallKind::ALL {
        let own: &[&str] = match kind {
            CallKind::Find => &["page"],
            CallKind::Read => &["contact", "missing"],
            CallKind::Create => &["created", "taken"],
            CallKind::Update => &["done", "missing", "taken"],
            CallKind::AddTags | CallKind::RemoveTags => &["done", "missing"],
        };
        let expected: BTreeSet<&str> = always.iter().chain(own).copied().collect();
        let found: BTreeSet<&str> = seen.iter().filter(|(other, _)| *other == kind).map(|(_, name)| *name).collect();
        assert_eq!(found, expected, "{}", kind.name());
    }
}
