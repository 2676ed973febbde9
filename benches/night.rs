//! A night on which little or nothing changed: 1,000,000 rows of 11 columns (118 MB) that the last run has seen.
//!
//! The bench starts the sandbox without a limit in this process and creates all contacts with the real binary. A second run
//! finds them unchanged, and leaves the snapshot. Then it measures runs of the binary, medians of five: an unchanged file, the
//! same rows in random order, a `.gz`, a file from a pipe, and a file in which 1 % of the rows are changed and 0.1 % are new. Time
//! is from the start of the process to its end, or to its first call. Where Python has `duckdb`, `EXCEPT` of two such files
//! with two threads is the yardstick.
//!
//! Run with `cargo bench --bench night`; `ROWS` sets the size.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use contactsync::sandbox::{Config, Sandbox};
use flate2::Compression;
use flate2::write::GzEncoder;
use support::process::peak_kib;
use tokio::runtime::Runtime;

const RUNS: usize = 5;
const TOKEN: &str = "benchmark";
const HEADER: &str = "phone,first_name,last_name,email,city,company,plan,birthday,source,notes,score";

fn main() {
    let rows: usize = env::var("ROWS").map_or(1_000_000, |rows| rows.parse().expect("a number"));
    let runtime = Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    println!("{rows} rows; {}", machine());
    write(&at("same.csv"), (0..rows).map(|n| row(n, 0))).expect("the input can be written");
    let mut order: Vec<usize> = (0..rows).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    write(&at("shuffled.csv"), order.iter().map(|n| row(*n, 0))).expect("the input can be written");
    let new = rows..rows + rows / 1_000;
    let changed = (0..rows).map(|n| row(n, usize::from(n % 100 == 7))).chain(new.map(|n| row(n, 0)));
    write(&at("changed.csv"), changed).expect("the input can be written");
    pack(&at("same.csv"), &at("same.csv.gz")).expect("the input can be packed");

    let config = Config { rate: 0, ..Config::default() };
    let sandbox = runtime.block_on(Sandbox::start(config)).expect("the sandbox starts");
    let bench = Bench { sandbox, dir: dir.path(), lists: Cell::new(false) };
    for (what, mode) in [("created", "create"), ("found unchanged, without a snapshot", "upsert")] {
        let Measured { seconds, memory, journal, .. } = bench.run("same.csv", mode, false);
        println!("{what}: {seconds:.2} s, {} MB, journal +{} KB", memory / 1_000, journal / 1_000);
    }
    bench.keep();
    for (what, input, piped) in [
        ("unchanged", "same.csv", false),
        ("random order", "shuffled.csv", false),
        ("gz", "same.csv.gz", false),
        ("standard input", "same.csv", true),
    ] {
        bench.measure(what, input, piped, false);
    }
    bench.measure("1 % changed, 0.1 % new, to the first call", "changed.csv", false, true);
    bench.lists.set(true);
    bench.measure("unchanged, with --results and --rejects", "same.csv", false, false);
    duckdb(&at("same.csv"), &at("changed.csv"));
}

struct Bench<'a> {
    sandbox: Sandbox,
    dir: &'a Path,
    // Whether the rows are listed.
    lists: Cell<bool>,
}

/// What one run took.
struct Measured {
    seconds: f64,
    first_call: f64,
    memory: u64,
    // By how many bytes the journal grew.
    journal: u64,
    calls: usize,
}

impl Bench<'_> {
    /// Keeps the journal with its locks, a day later: on the next night, no call of the first one counts any more.
    fn keep(&self) {
        let journal = rusqlite::Connection::open(self.dir.join("journal.db")).expect("the journal can be opened");
        journal.execute("UPDATE calls SET started_at = started_at - 86400000", []).expect("calls");
        drop(journal);
        fs::create_dir(self.dir.join("kept")).expect("a directory");
        for path in self.files() {
            fs::copy(&path, self.dir.join("kept").join(path.file_name().expect("a name"))).expect("a copy");
        }
    }

    /// The files of the journal.
    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir).expect("the directory").map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal.db")))
            .collect()
    }

    /// Prints the medians of several runs, each on the journal as it was before.
    fn measure(&self, what: &str, input: &str, piped: bool, to_first_call: bool) {
        let (mut times, mut memory, mut journal, mut calls) = (Vec::new(), 0, 0, 0);
        for _ in 0..RUNS {
            self.files().iter().for_each(|path| drop(fs::remove_file(path)));
            for entry in fs::read_dir(self.dir.join("kept")).expect("the kept journal") {
                let path = entry.expect("an entry").path();
                fs::copy(&path, self.dir.join(path.file_name().expect("a name"))).expect("a copy");
            }
            let run = if piped { self.run_piped(input) } else { self.run(input, "upsert", to_first_call) };
            times.push(if to_first_call { run.first_call } else { run.seconds });
            memory = run.memory.max(memory);
            journal = run.journal.max(journal);
            calls = run.calls;
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{what}: {:.3} s, at most {} MB, journal +{} KB, {calls} calls",
            times[RUNS / 2],
            memory / 1_000,
            journal / 1_000
        );
    }

    fn run(&self, input: &str, mode: &str, to_first_call: bool) -> Measured {
        self.watch(|command| command.args(["--mode", mode, input]).stdin(Stdio::null()).spawn(), to_first_call)
    }

    fn run_piped(&self, input: &str) -> Measured {
        let input = File::open(self.dir.join(input)).expect("the input exists");
        let mut cat = Command::new("cat").stdin(input).stdout(Stdio::piped()).spawn().expect("`cat` exists");
        let pipe = cat.stdout.take().expect("it is piped");
        let measured = self.watch(|command| command.arg("-").stdin(pipe).spawn(), false);
        cat.wait().expect("it ends");
        measured
    }

    fn watch(&self, start: impl FnOnce(&mut Command) -> io::Result<Child>, to_first_call: bool) -> Measured {
        let before = (self.journal(), self.sandbox.ledger().len());
        let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
        command.args(["sync", "--match", "phone", "--rate", "1000000", "--quiet", "--url"]);
        command.arg(self.sandbox.url()).args(["--journal", "journal.db"]);
        if self.lists.get() {
            command.args(["--results", "results.csv", "--rejects", "rejects.csv"]);
        }
        command.current_dir(self.dir).env("CONTACTSYNC_TOKEN", TOKEN).stdout(Stdio::null());
        let begun = Instant::now();
        let mut child = start(&mut command).expect("the binary starts");
        let (mut memory, mut first_call) = (0, None);
        let exit = loop {
            if let Some(exit) = child.try_wait().expect("the process can be waited for") {
                break exit;
            }
            memory = memory.max(peak_kib(child.id()).unwrap_or(0));
            if to_first_call && first_call.is_none() && self.sandbox.ledger().len() > before.1 {
                first_call = Some(begun.elapsed().as_secs_f64());
            }
            thread::sleep(Duration::from_millis(2));
        };
        let seconds = begun.elapsed().as_secs_f64();
        assert!(exit.success(), "{exit}");
        Measured {
            seconds,
            first_call: first_call.unwrap_or(seconds),
            memory,
            journal: self.journal().saturating_sub(before.0),
            calls: self.sandbox.ledger().len() - before.1,
        }
    }

    fn journal(&self) -> u64 {
        fs::metadata(self.dir.join("journal.db")).map_or(0, |metadata| metadata.len())
    }
}

fn row(n: usize, version: usize) -> String {
    // Ten digits that are valid in a Mexican phone number.
    let local = 10_000_000 + n * 37 % 79_999_999;
    let (city, company, score) = (n % 97, n % 1_013, n % 101 + version);
    let (day, month, year) = (n % 28 + 1, n % 12 + 1, 1950 + n % 50);
    format!(
        "+5255{local:08},Mar\u{ed}a {n},Hern\u{e1}ndez,contact{n}@example.com,Ciudad {city},Compa\u{f1}\u{ed}a {company},\
         basic,{day:02}/{month:02}/{year},crm,called,{score}\n"
    )
}

fn write(path: &Path, rows: impl Iterator<Item = String>) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    writeln!(file, "{HEADER}")?;
    for row in rows {
        file.write_all(row.as_bytes())?;
    }
    file.flush()
}

fn pack(from: &Path, to: &Path) -> io::Result<()> {
    let mut packed = GzEncoder::new(File::create(to)?, Compression::default());
    io::copy(&mut File::open(from)?, &mut packed)?;
    packed.finish().map(drop)
}

/// The processor and the number of cores.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, {}", model.trim_start_matches([' ', '\t', ':']))
}

/// The same comparison by `DuckDB`, where it is installed.
fn duckdb(one: &Path, other: &Path) {
    let mut script = String::from(
        "import duckdb, time\ndb = duckdb.connect()\ndb.execute('set threads = 2')\nbegun = time.time()\n",
    );
    let table = |path: &Path| format!("SELECT * FROM read_csv('{}', all_varchar = true)", path.display());
    let _ = writeln!(script, "rows = len(db.execute(\"{} EXCEPT {}\").fetchall())", table(other), table(one));
    script.push_str("print(f'DuckDB, EXCEPT with two threads: {time.time() - begun:.3f} s, {rows} rows')\n");
    match Command::new("python3").args(["-c", &script]).output() {
        Ok(output) if output.status.success() => print!("{}", String::from_utf8_lossy(&output.stdout)),
        Ok(_) | Err(_) => println!("DuckDB is not installed"),
    }
}
