//! How fast rows become contacts: reading, decoding, mapping and validating a CSV of 1,000,000 rows and 12 columns.
//!
//! Once with every column sent as the field of its name, once with phone numbers by their country's rules, a date into
//! ISO 8601 and names put together. The figure is the rows by the seconds from opening the file to the last contact; the
//! seconds of all cores together stand beside it, and the most memory that the process had by then.
//!
//! Run by hand: `cargo bench --bench reading`.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use contactsync::rules::{FieldRule, Origin, Rules, Step, Unmapped};
use contactsync::{Cells, Input, Mapping, Mode, Row, Source, SourceError};

const ROWS: usize = 1_000_000;
const RUNS: usize = 5;

fn main() {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let input = dir.path().join("contacts.csv");
    write(&input).expect("the input can be written");
    let megabytes = fs::metadata(&input).expect("it is there").len() / 1_000_000;
    println!("{ROWS} rows, {megabytes} MB");
    let plain = Rules { matches: vec!["phone".to_owned()], ..Rules::default() };
    measure("plain", &input, &plain);
    measure("e164, date, template", &input, &full());
}

/// Every column by a rule of its own.
fn full() -> Rules {
    let plain = |name: &str| FieldRule::column(name, name);
    let by = |name: &str, step: Step| FieldRule { steps: vec![step], ..plain(name) };
    let date = "DD/MM/YYYY".parse().expect("a form of a date");
    let name = "{first_name} {last_name}".parse().expect("a template");
    let fields = vec![
        by("phone", Step::E164("MX".parse().ok())),
        FieldRule { origin: Origin::Template(name), ..plain("name") },
        by("email", Step::Lower),
        plain("city"),
        plain("company"),
        plain("plan"),
        by("birthday", Step::Date(vec![date])),
        plain("source"),
        plain("notes"),
        plain("score"),
    ];
    Rules { matches: vec!["phone".to_owned()], fields, unmapped: Unmapped::Ignore, ..Rules::default() }
}

fn measure(what: &str, input: &Path, rules: &Rules) {
    let mut rates = Vec::new();
    for run in 1..=RUNS {
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        let mut source = Source::open(&Input::Path(input.to_owned()), None).expect("it opens");
        let mapping = Mapping::by(rules, source.header(), Mode::Upsert).expect("its columns");
        let make = |row, _: Option<Cells>| match row {
            Row::Record(record) => mapping.contact(&record).ok(),
            Row::Rejected(_) => None,
        };
        let mut contacts = 0;
        let taken = source.in_batches(make, |batch| {
            contacts += batch.into_iter().flatten().count();
            Ok::<(), SourceError>(())
        });
        taken.expect("it is read");
        assert_eq!(contacts, ROWS, "every row is a contact");
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
        let rate = ROWS as f64 / seconds;
        println!("{what}, run {run}: {seconds:.2} s ({cpu:.2} s of CPU): {rate:.0} rows/s");
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    println!("{what}: median of {RUNS}: {:.0} rows/s, {} MB at the most", rates[RUNS / 2], peak_memory() / 1_000);
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "phone,first_name,last_name,email,city,company,plan,birthday,source,notes,score,tags")?;
    for n in 0..ROWS {
        // Ten digits that a Mexican number may have.
        let local = 10_000_000 + n * 37 % 79_999_999;
        let (city, company, score) = (n % 97, n % 1_013, n % 101);
        let (day, month, year) = (n % 28 + 1, n % 12 + 1, 1950 + n % 50);
        writeln!(
            file,
            "+5255{local:08},Mar\u{ed}a {n},Hern\u{e1}ndez,contact{n}@example.com,Ciudad {city},Compa\u{f1}\u{ed}a {company},\
             basic,{day:02}/{month:02}/{year},crm,called,{score},customer;batch",
        )?;
    }
    file.flush()
}

/// What all threads of this process have computed so far (Linux).
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let numbers: Vec<f64> = stat.split(' ').map(|field| field.parse().unwrap_or(0.0)).collect();
    // In the kernel's hundredths of a second, as a user and in the kernel.
    numbers.get(13..15).map_or(0.0, |both| both.iter().sum::<f64>() / 100.0)
}

/// The most memory that this process had resident so far, in kB (Linux).
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
