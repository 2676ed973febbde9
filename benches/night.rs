//! A night on which little or nothing changed: 1,000,000 rows of 11 columns (118 MB) that the last run has seen.
//!
//! The bench starts the sandbox without a limit in this process and creates all contacts with the real binary. A second run
//! finds them unchanged, and leaves the snapshot. Then it measures runs of the binary, medians of five: an unchanged file, the
//! same rows in random order, a `.gz`, a file from a pipe, a file in which 1 % of the rows are changed and 0.1 % are new, a file
//! of which all rows are listed, a file of new rows, a night on which the journal's values are replaced with hashes, and unchanged
//! files of 100,000 and 10,000,000 rows. Time is wall and processor time of the process, from its start to its end, or to its first
//! call; then it is killed. Where Python has `duckdb`, `EXCEPT` of two such files with two threads is the yardstick.
//! `benches/channels` has the time to the first call of 300,000 rows over 1,000 channels.
//!
//! Run with `cargo bench --bench night`; `ROWS` and `LARGE` set the sizes, and `LARGE=0` leaves out the large file. It and the
//! small one have the contacts' ids, and `--mode create` takes such contacts as they are: so many need not be created first.

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
use support::process::{cpu_seconds, peak_kib, written_bytes};
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
    let bench = Bench { sandbox, dir: dir.path() };
    let new = Case { to_first_call: true, ..Case::of("new rows, to the first call", "same.csv") };
    bench.measure(None, new);
    for (what, mode) in [("created", "create"), ("found unchanged, without a snapshot", "upsert")] {
        bench.run(Case { mode, ..Case::of(what, "same.csv") }).print(what);
    }
    bench.keep("kept");
    for case in [
        Case::of("unchanged", "same.csv"),
        Case::of("random order", "shuffled.csv"),
        Case::of("gz", "same.csv.gz"),
        Case { piped: true, ..Case::of("standard input", "same.csv") },
        Case { to_first_call: true, ..Case::of("1 % changed, 0.1 % new, to the first call", "changed.csv") },
        Case { lists: true, ..Case::of("unchanged, with --results and --rejects", "same.csv") },
        Case { lists: true, ..Case::of("random order, with --results and --rejects", "shuffled.csv") },
    ] {
        bench.measure(Some("kept"), case);
    }
    let hashed = Case { values: "hashed", ..Case::of("unchanged, with values replaced by hashes", "same.csv") };
    bench.measure(Some("kept"), hashed);
    duckdb(&at("same.csv"), &at("changed.csv"));
    let large = env::var("LARGE").map_or(10_000_000, |rows| rows.parse().expect("a number"));
    for rows in [100_000, large] {
        bench.measure_by_id(rows);
    }
}

struct Bench<'a> {
    sandbox: Sandbox,
    dir: &'a Path,
}

/// What is run.
#[derive(Clone, Copy)]
struct Case {
    what: &'static str,
    input: &'static str,
    mode: &'static str,
    // How the journal keeps values.
    values: &'static str,
    // Whether the input comes from a pipe.
    piped: bool,
    // Whether the process is killed at its first call.
    to_first_call: bool,
    // Whether the rows are listed.
    lists: bool,
}

impl Case {
    const fn of(what: &'static str, input: &'static str) -> Self {
        Self { what, input, mode: "upsert", values: "plain", piped: false, to_first_call: false, lists: false }
    }
}

/// What one run took.
struct Measured {
    seconds: f64,
    processor: f64,
    // In KiB.
    memory: u64,
    // By how many bytes the journal grew.
    journal: u64,
    // Number of bytes that were written to the disk.
    written: u64,
    calls: usize,
}

impl Measured {
    fn print(&self, what: &str) {
        let Self { seconds, processor, memory, journal, written, calls } = self;
        let (memory, journal, written) = (memory / 1_000, journal / 1_000, written / 1_000_000);
        println!(
            "{what}: {seconds:.3} s, processor {processor:.2} s, {memory} MB, journal +{journal} KB, {written} MB written, \
             {calls} calls"
        );
    }
}

impl Bench<'_> {
    /// Keeps the journal with its locks, a day later: on the next night, no call of the first one counts any more.
    fn keep(&self, kept: &str) {
        let journal = rusqlite::Connection::open(self.dir.join("journal.db")).expect("the journal can be opened");
        journal.execute("UPDATE calls SET started_at = started_at - 86400000", []).expect("calls");
        drop(journal);
        fs::create_dir(self.dir.join(kept)).expect("a directory");
        for path in self.files() {
            fs::copy(&path, self.dir.join(kept).join(path.file_name().expect("a name"))).expect("a copy");
        }
    }

    /// The files of the journal.
    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir).expect("the directory").map(|entry| entry.expect("an entry").path());
        files
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("journal.db")))
            .collect()
    }

    /// Removes the journal.
    fn clear(&self) {
        self.files().iter().for_each(|path| drop(fs::remove_file(path)));
    }

    /// Prints the medians of several runs and the maxima of what they needed, each on a kept journal or on none.
    fn measure(&self, kept: Option<&str>, case: Case) {
        let mut runs: Vec<Measured> = (0..RUNS)
            .map(|_| {
                self.clear();
                for entry in
                    kept.into_iter().flat_map(|kept| fs::read_dir(self.dir.join(kept)).expect("the kept journal"))
                {
                    let path = entry.expect("an entry").path();
                    let copy = self.dir.join(path.file_name().expect("a name"));
                    fs::copy(&path, &copy).expect("a copy");
                    // The last night's journal is on the disk. Otherwise the run would have to write it there.
                    File::open(&copy).and_then(|copy| copy.sync_all()).expect("the disk works");
                }
                self.run(case)
            })
            .collect();
        let most = |of: fn(&Measured) -> u64| runs.iter().map(of).max().unwrap_or(0);
        let (memory, journal, written) = (most(|run| run.memory), most(|run| run.journal), most(|run| run.written));
        runs.sort_by(|one, other| one.processor.total_cmp(&other.processor));
        let processor = runs[RUNS / 2].processor;
        runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        Measured { processor, memory, journal, written, ..runs.swap_remove(RUNS / 2) }.print(case.what);
        self.clear();
    }

    /// Measures an unchanged file of so many rows with ids.
    fn measure_by_id(&self, rows: usize) {
        if rows == 0 {
            return;
        }
        self.clear();
        let text = (0..rows).map(|n| format!("id{n},{}", row(n, 0)));
        write_below(&format!("contact_id,{HEADER}"), &self.dir.join("by_id.csv"), text).expect("the input is written");
        let case = Case { mode: "create", ..Case::of("unchanged", "by_id.csv") };
        self.run(case).print(&format!("{rows} rows with ids, without a snapshot"));
        let kept = format!("kept{rows}");
        self.keep(&kept);
        print!("{rows} rows with ids, ");
        self.measure(Some(&kept), case);
    }

    fn run(&self, case: Case) -> Measured {
        if !case.piped {
            return self.watch(case, |command| command.arg(case.input).stdin(Stdio::null()).spawn());
        }
        let input = File::open(self.dir.join(case.input)).expect("the input exists");
        let mut cat = Command::new("cat").stdin(input).stdout(Stdio::piped()).spawn().expect("`cat` exists");
        let pipe = cat.stdout.take().expect("it is piped");
        let measured = self.watch(case, |command| command.arg("-").stdin(pipe).spawn());
        cat.wait().expect("it ends");
        measured
    }

    fn watch(&self, case: Case, start: impl FnOnce(&mut Command) -> io::Result<Child>) -> Measured {
        let before = (self.journal(), self.sandbox.ledger().len());
        let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
        command.args(["sync", "--match", "phone", "--mode", case.mode, "--values", case.values]);
        // The first call is estimated and sent at the limit of a real platform.
        let rate = if case.to_first_call { "100" } else { "1000000" };
        command.args(["--rate", rate, "--quiet", "--url"]);
        command.arg(self.sandbox.url()).args(["--journal", "journal.db"]);
        if case.lists {
            command.args(["--results", "results.csv", "--rejects", "rejects.csv"]);
        }
        command.current_dir(self.dir).env("CONTACTSYNC_TOKEN", TOKEN).stdout(Stdio::null());
        let begun = Instant::now();
        let mut child = start(&mut command).expect("the binary starts");
        let (mut memory, mut processor, mut written) = (0, 0.0, 0);
        let (exit, seconds) = loop {
            if let Some(exit) = child.try_wait().expect("the process can be waited for") {
                break (Some(exit), begun.elapsed().as_secs_f64());
            }
            memory = memory.max(peak_kib(child.id()).unwrap_or(0));
            processor = cpu_seconds(child.id()).unwrap_or(processor);
            written = written_bytes(child.id()).unwrap_or(written);
            if case.to_first_call && self.sandbox.ledger().len() > before.1 {
                let seconds = begun.elapsed().as_secs_f64();
                child.kill().expect("the process can be killed");
                child.wait().expect("it ends");
                break (None, seconds);
            }
            thread::sleep(Duration::from_millis(2));
        };
        assert!(exit.is_none_or(|exit| exit.success()), "{exit:?}");
        Measured {
            seconds,
            processor,
            memory,
            journal: self.journal().saturating_sub(before.0),
            written,
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
    write_below(HEADER, path, rows)
}

fn write_below(header: &str, path: &Path, rows: impl Iterator<Item = String>) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    writeln!(file, "{header}")?;
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
