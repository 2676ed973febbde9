//! Kills followed by damage to the journal: one bit of the journal or its log flips, or one of them is truncated. No command
//! panics, `upsert` and `create` create no duplicate, each contact exists in the end, and a possible loss is reported.
//!
//! `cargo test` runs a few cases. `DAMAGES=N cargo test --test damaged_journals` runs N kills, N bit flips and N / 2 truncations,
//! alternating between `upsert` and `create`; `DAMAGE_SEED` selects others. A failing case prints its number, and
//! `DAMAGE_CASE=kind:number` runs it alone.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::time::{Duration, Instant};

use contactsync::sandbox::Faults;
use futures_util::StreamExt as _;

use support::tools::report;
use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

/// The number of cases of each kind that `cargo test` runs.
const FEW: usize = 12;

/// The number of cases that run at once. They mostly wait.
const AT_ONCE: usize = 6;

const CONTACTS: usize = 24;

/// The delay after which a search finds a new contact. Without it, the search before each create would hide a forgotten create.
const LATE_SEARCH: Duration = Duration::from_millis(120);

/// The program's `--search-lag`.
const LAG: &str = "250ms";

/// The most runs until everything is done.
const MOST_RUNS: usize = 8;

/// The warning before the program searches for contacts that the journal may have lost.
const ANNOUNCED: &str = "unknown contacts are searched for before they are created";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Kill,
    Flip,
    Cut,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Kill, Self::Flip, Self::Cut];

    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Flip => "flip",
            Self::Cut => "cut",
        }
    }

    const fn cases(self, count: usize) -> usize {
        match self {
            Self::Kill | Self::Flip => count,
            Self::Cut => count / 2,
        }
    }
}

/// The results of cases.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    cases: usize,
    /// Cases whose damage was reported.
    damaged: usize,
    /// Cases in which lost calls were reported.
    announced: usize,
    /// Runs of all cases.
    runs: usize,
    /// Contacts that were created twice.
    twice: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_followed_by_journal_damage_creates_no_duplicate() {
    let count = env::var("DAMAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(FEW);
    let seed: u64 = env::var("DAMAGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let only = env::var("DAMAGE_CASE").ok();
    let cases: Vec<(Kind, usize)> =
        Kind::ALL.into_iter().flat_map(|kind| (0..kind.cases(count)).map(move |number| (kind, number))).collect();
    let is_wanted =
        |(kind, number): &(Kind, usize)| only.as_ref().is_none_or(|only| *only == format!("{}:{number}", kind.name()));
    let cases = cases.into_iter().filter(is_wanted);
    let begun = Instant::now();
    let ended: Vec<_> = futures_util::stream::iter(cases.map(|(kind, number)| async move {
        let mut sum = Sum { cases: 1, ..Sum::default() };
        let ended = case(kind, number, seed, &mut sum).await;
        (kind, number, sum, ended)
    }))
    .buffer_unordered(AT_ONCE)
    .collect()
    .await;
    let (mut table, mut wrong) = (BTreeMap::<(Kind, &str), Sum>::new(), Vec::new());
    for (kind, number, sum, ended) in ended {
        let row = table.entry((kind, mode(number))).or_default();
        row.cases += sum.cases;
        row.damaged += sum.damaged;
        row.announced += sum.announced;
        row.runs += sum.runs;
        row.twice += sum.twice;
        if let Err(what) = ended {
            wrong.push(format!("{}:{number} in {}: {what}", kind.name(), mode(number)));
        }
    }
    for ((kind, mode), Sum { cases, damaged, announced, runs, twice }) in &table {
        report(
            "damaged_journals",
            &format!(
                "{:4} {mode}: {cases} cases, {runs} runs; {damaged} reported as damaged, {announced} with lost calls; {twice} contacts \
             twice",
                kind.name()
            ),
        );
    }
    report("damaged_journals", &format!("{} wrong (seed {seed}), {:.0} s", wrong.len(), begun.elapsed().as_secs_f64()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const fn mode(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "upsert" } else { "create" }
}

async fn case(kind: Kind, number: usize, seed: u64, sum: &mut Sum) -> Result<(), String> {
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..=number {
        chance = fastrand::Rng::with_seed(chance.u64(..) ^ u64::from(kind.name().as_bytes()[0]));
    }
    let faults = Faults { latency: Duration::from_millis(2), late_search: LATE_SEARCH, ..Faults::default() };
    let harness = Harness::faulty(faults).await;
    let people = People::new(CONTACTS, 3, 2);
    harness.write("in.csv", people.csv());
    let mode = mode(number);
    let sync = || {
        let options = format!("in.csv --match email --mode {mode} --search-lag {LAG} --concurrency 4 --no-progress");
        harness.sync(&options)
    };
    // A killed case makes progress with each kill; a damaged one is killed once.
    let kills = if kind == Kind::Kill { chance.usize(1..4) } else { 1 };
    for _ in 0..kills {
        sum.runs += 1;
        kill(&harness, sync(), &mut chance).await?;
    }
    if kind != Kind::Kill && chance.bool() {
        // Before the checkpoint, most data is in the log, which has checksums.
        let journal = rusqlite::Connection::open(harness.path(JOURNAL)).map_err(|error| error.to_string())?;
        let _ = journal.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    let damage = match kind {
        Kind::Kill => String::new(),
        Kind::Flip => flip(&harness, &mut chance),
        Kind::Cut => cut(&harness, &mut chance),
    };
    finish(&harness, &people, sync, sum).await.map_err(|what| format!("{damage}: {what}"))
}

/// Starts the program and kills it after a number of calls or after a time.
async fn kill(harness: &Harness, sync: Program<'_>, chance: &mut fastrand::Rng) -> Result<(), String> {
    let ledger = harness.sandbox.ledger();
    let calls = ledger.len() + chance.usize(1..=CONTACTS * 2);
    let time = Duration::from_micros(chance.u64(5_000..150_000));
    let by_time = chance.u8(0..3) == 0;
    let begun = Instant::now();
    let mut running = sync.start();
    let killed = running.until(|| if by_time { begun.elapsed() >= time } else { ledger.len() >= calls }).await;
    if killed {
        running.kill().await;
        return Ok(());
    }
    let ran = running.end().await;
    if ran.code == Some(0) { Ok(()) } else { Err(format!("before any damage: {ran:?}")) }
}

/// The journal and its log, where they exist, with their contents.
fn files(harness: &Harness) -> Vec<(String, Vec<u8>)> {
    let read =
        |name: String| fs::read(harness.path(&name)).ok().filter(|bytes| !bytes.is_empty()).map(|bytes| (name, bytes));
    [JOURNAL.to_owned(), format!("{JOURNAL}-wal")].into_iter().filter_map(read).collect()
}

fn flip(harness: &Harness, chance: &mut fastrand::Rng) -> String {
    let files = files(harness);
    let Some((name, bytes)) = chance.choice(&files) else { return "nothing to damage".into() };
    let mut bytes = bytes.clone();
    // Much of a small journal is unused space.
    let mut bit = chance.usize(..bytes.len() * 8);
    while bytes[bit / 8] == 0 && chance.u8(0..8) != 0 {
        bit = chance.usize(..bytes.len() * 8);
    }
    bytes[bit / 8] ^= 1 << (bit % 8);
    harness.write(name, bytes);
    format!("bit {} of byte {} of {name}", bit % 8, bit / 8)
}

fn cut(harness: &Harness, chance: &mut fastrand::Rng) -> String {
    let files = files(harness);
    let Some((name, bytes)) = chance.choice(&files) else { return "nothing to damage".into() };
    let length = chance.usize(..bytes.len());
    let file = File::options().write(true).open(harness.path(name)).expect("the file exists");
    file.set_len(u64::try_from(length).expect("a small number")).expect("a shorter file");
    format!("{name} cut from {} to {length}", bytes.len())
}

/// Runs the program until everything is done and checks the platform.
async fn finish<'a>(
    harness: &'a Harness,
    people: &People,
    sync: impl Fn() -> Program<'a>,
    sum: &mut Sum,
) -> Result<(), String> {
    let (mut was_announced, mut is_damaged) = (false, false);
    for _ in 0..MOST_RUNS {
        sum.runs += 1;
        let ran = sync().run().await;
        was_announced |= ran.stderr.contains(ANNOUNCED);
        match ran.code {
            _ if ran.stderr.contains("unexpected failure") => return Err(format!("a panic: {ran:?}")),
            Some(0) => {
                sum.damaged += usize::from(is_damaged);
                sum.announced += usize::from(was_announced);
                return check_platform(harness, people, &ran, was_announced, sum);
            }
            Some(1 | 2) if ran.stderr.contains("damaged") || ran.stderr.contains("expected a journal") => {
                is_damaged = true;
                // As the hint says, the journal is moved away. The files beside it stay.
                for part in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(harness.path(&format!("{JOURNAL}{part}")));
                }
            }
            Some(4) => {}
            Some(_) | None => return Err(format!("{ran:?}")),
        }
    }
    Err("it never came to its end".into())
}

/// Checks that each contact of the file exists exactly once and is complete.
fn check_platform(
    harness: &Harness,
    people: &People,
    ran: &Output,
    was_announced: bool,
    sum: &mut Sum,
) -> Result<(), String> {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for contact in harness.sandbox.contacts(TOKEN) {
        let email = contact.fields.get("email").map(|email| email.text().into_owned()).unwrap_or_default();
        let person = people.people.iter().find(|person| person.fields.iter().any(|(_, value)| *value == email));
        let Some(person) = person else { return Err(format!("{email} is stored and not in the file: {ran:?}")) };
        let fields = person
            .fields
            .iter()
            .all(|(name, value)| contact.fields.get(name).is_some_and(|found| found.text() == value.as_str()));
        if !fields || !person.tags.iter().all(|tag| contact.tags.contains(tag)) {
            return Err(format!("{email} is incomplete: {ran:?}"));
        }
        *there.entry(email).or_default() += 1;
    }
    if there.len() != CONTACTS {
        return Err(format!("{} of {CONTACTS} are stored: {ran:?}", there.len()));
    }
    let twice = there.values().filter(|count| **count > 1).count();
    sum.twice += twice;
    if twice == 0 {
        return Ok(());
    }
    Err(format!("{twice} are stored twice, announced: {was_announced}: {ran:?}"))
}
