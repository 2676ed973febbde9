//! Runs that are killed, and journals that are damaged after it: a bit of the journal or of its log turns over, or one of them
//! is cut short. Whatever happens, there is no panic; `upsert` and `create` create no contact twice;
//! in the end each contact is there. What the journal may have lost is announced.
//!
//! `cargo test` runs a few cases. `DAMAGES=N cargo test --test damaged_journals` runs N kills, N bit flips and N / 2 truncations, each in
//! `upsert` and `create` by turns; `DAMAGE_SEED` chooses others. A case that went wrong is named by its number, and runs
//! alone with `DAMAGE_CASE=kind:number`.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::time::{Duration, Instant};

use contactsync::sandbox::Faults;
use futures_util::StreamExt as _;

use support::tools::report;
use support::{Harness, JOURNAL, Output, People, Program, TOKEN};

/// How many cases of each kind `cargo test` runs.
const FEW: usize = 12;

/// How many cases run at once: most of their time is waiting.
const AT_ONCE: usize = 6;

const CONTACTS: usize = 24;

/// How late a search shows a new contact. Without that, the search before each create would hide that one was forgotten.
const LATE_SEARCH: Duration = Duration::from_millis(120);

/// The search lag that the program counts on.
const LAG: &str = "250ms";

/// How many runs may follow until all is done.
const MOST_RUNS: usize = 8;

/// What the program says before it searches for contacts that the journal may have lost.
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

/// What became of cases.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    cases: usize,
    /// Those whose damage was said to be damage.
    damaged: usize,
    /// Those whose journal was said to have lost calls.
    announced: usize,
    /// Runs, all together.
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
                "{:4} {mode}: {cases} cases, {runs} runs; {damaged} said to be damaged, {announced} to have lost calls; {twice} contacts \
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
    // As often as it is killed, it gets a bit further; what is damaged is killed once.
    let kills = if kind == Kind::Kill { chance.usize(1..4) } else { 1 };
    for _ in 0..kills {
        sum.runs += 1;
        kill(&harness, sync(), &mut chance).await?;
    }
    if kind != Kind::Kill && chance.bool() {
        // Until then most of it is in the log, which has checksums.
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

/// Starts it, and kills it at a moment: by the calls that arrived, or by the time.
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

/// The journal or its log, as they are there, with their contents.
fn files(harness: &Harness) -> Vec<(String, Vec<u8>)> {
    let read =
        |name: String| fs::read(harness.path(&name)).ok().filter(|bytes| !bytes.is_empty()).map(|bytes| (name, bytes));
    [JOURNAL.to_owned(), format!("{JOURNAL}-wal")].into_iter().filter_map(read).collect()
}

fn flip(harness: &Harness, chance: &mut fastrand::Rng) -> String {
    let files = files(harness);
    let Some((name, bytes)) = chance.choice(&files) else { return "nothing to damage".into() };
    let mut bytes = bytes.clone();
    // Much of a small journal is unused.
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
    let file = File::options().write(true).open(harness.path(name)).expect("it was read");
    file.set_len(u64::try_from(length).expect("a small number")).expect("a shorter file");
    format!("{name} cut from {} to {length}", bytes.len())
}

/// Runs it until all is done, and holds the platform against the file.
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
                return hold(harness, people, &ran, was_announced, sum);
            }
            Some(1 | 2) if ran.stderr.contains("damaged") || ran.stderr.contains("expected a journal") => {
                is_damaged = true;
                // As its hint says: it is moved away. What lies beside it stays.
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

/// Each contact is there once, as the file wants it.
fn hold(harness: &Harness, people: &People, ran: &Output, was_announced: bool, sum: &mut Sum) -> Result<(), String> {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for contact in harness.sandbox.contacts(TOKEN) {
        let email = contact.fields.get("email").map(|email| email.text().into_owned()).unwrap_or_default();
        let person = people.people.iter().find(|person| person.fields.iter().any(|(_, value)| *value == email));
        let Some(person) = person else { return Err(format!("{email} is there and is not in the file: {ran:?}")) };
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
        return Err(format!("{} of {CONTACTS} are there: {ran:?}", there.len()));
    }
    let twice = there.values().filter(|count| **count > 1).count();
    sum.twice += twice;
    if twice == 0 {
        return Ok(());
    }
    Err(format!("{twice} are there twice, announced: {was_announced}: {ran:?}"))
}
