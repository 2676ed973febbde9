//! A year of nights: 10,000 contacts of 11 fields, of which 1 % change every night. Does the journal stop growing?
//!
//! Each night is a run of the real binary against a sandbox without a limit in this process. Between two nights, all times in the
//! journal are moved back by a day, so that what is older than `keep_history` (90 days) and `keep_before` (30 days) is removed as
//! on a machine where the days pass. The bench fails if the journal is larger after the year than twice `keep_history` earlier.
//!
//! Run with `cargo bench --bench year`; `ROWS` and `NIGHTS` set the sizes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, thread};

use contactsync::sandbox::{Config, Sandbox};
use tokio::runtime::Runtime;

const TOKEN: &str = "benchmark";
const HEADER: &str = "phone,first_name,last_name,email,city,company,plan,birthday,source,notes,score";

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Number of nights after which the journal must have stopped growing: twice `keep_history`.
const SETTLED: usize = 180;

fn main() {
    let number = |name: &str, default| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (rows, nights): (usize, usize) = (number("ROWS", 10_000), number("NIGHTS", 365));
    let runtime = Runtime::new().expect("a runtime starts");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = Config { rate: 0, ..Config::default() };
    let sandbox = runtime.block_on(Sandbox::start(config)).expect("the sandbox starts");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{rows} rows, {nights} nights with 1 % changed, {cores} cores");
    let mut versions = vec![0; rows];
    let (mut random, mut sizes) = (fastrand::Rng::with_seed(1), Vec::new());
    let begun = Instant::now();
    for night in 0..=nights {
        if night > 0 {
            (0..rows / 100).for_each(|_| versions[random.usize(..rows)] += 1);
        }
        write(&dir.path().join("in.csv"), &versions).expect("the input can be written");
        sync(dir.path(), &sandbox.url());
        sizes.push(fs::metadata(dir.path().join("journal.db")).expect("the journal exists").len());
        if night % 30 == 0 || night == nights {
            println!("night {night}: journal {} KB", sizes[night] / 1_000);
        }
        let calls = sandbox.ledger().len();
        assert!(calls >= rows * 2 + night * (rows / 200), "the changed contacts were updated: {calls} calls");
        pass_a_day(&dir.path().join("journal.db")).expect("times can be moved");
    }
    println!("{:.1} s", begun.elapsed().as_secs_f64());
    if nights > SETTLED {
        let (settled, last) = (sizes[SETTLED], sizes[nights]);
        assert!(last <= settled + settled / 50, "the journal still grows: {settled} bytes, then {last}");
    }
}

fn sync(dir: &Path, url: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contactsync"));
    command.args([
        "sync",
        "in.csv",
        "--match",
        "phone",
        "--rate",
        "1000000",
        "--quiet",
        "--no-read-back",
        "--url",
        url,
    ]);
    command.args(["--journal", "journal.db"]).current_dir(dir).env("CONTACTSYNC_TOKEN", TOKEN).stdout(Stdio::null());
    let exit = command.status().expect("the binary starts");
    assert!(exit.success(), "{exit:?}");
}

// Moves all moments in the journal back by a day.
fn pass_a_day(journal: &Path) -> rusqlite::Result<()> {
    let journal = rusqlite::Connection::open(journal)?;
    let columns =
        "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND columns.name GLOB '*_at'";
    let mut query = journal.prepare(columns)?;
    let columns = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (table, column) in columns.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
        journal.execute(&format!("UPDATE {table} SET {column} = {column} - {DAY} WHERE {column} > 0"), [])?;
    }
    Ok(())
}

fn write(path: &Path, versions: &[u32]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    writeln!(file, "{HEADER}")?;
    for (n, version) in versions.iter().enumerate() {
        // Ten digits that are valid in a Mexican phone number.
        let local = 10_000_000 + n * 37 % 79_999_999;
        let (city, company) = (n % 97, n % 1_013);
        let (day, month, year) = (n % 28 + 1, n % 12 + 1, 1950 + n % 50);
        writeln!(
            file,
            "+5255{local:08},Mar\u{ed}a {n},Hern\u{e1}ndez,contact{n}@example.com,Ciudad {city},Compa\u{f1}\u{ed}a \
             {company},basic,{day:02}/{month:02}/{year},crm,called,{version}"
        )?;
    }
    file.flush()
}
