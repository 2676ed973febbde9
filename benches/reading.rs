//! Rows per second from a CSV file of 1,000,000 rows and 12 columns to contacts: reading, decoding, mapping and validating.
//!
//! Measured with two mappings: every column as the field of its name; and phone numbers in E.164, a date in ISO 8601 and a name
//! from a template. The clock runs from opening the file to the last contact. The bench also prints the processor time of all
//! cores and the peak memory of the process.
//!
//! Run with `cargo bench --bench reading`.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use contactsync::contact::Cells;
use contactsync::mapping::rules::{FieldRule, Origin, Rules, Step, Unmapped};
use contactsync::source::{Row, SourceError};
use contactsync::{Input, Mapping, Mode, Source};
use support::process::{cpu_seconds, peak_kib};

const ROWS: usize = 1_000_000;
const RUNS: usize = 5;

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let input = dir.path().join("contacts.csv");
    write(&input).expect("the input can be written");
    let megabytes = fs::metadata(&input).expect("the input exists").len() / 1_000_000;
    println!("{ROWS} rows, {megabytes} MB");
    let plain = Rules { matches: vec!["phone".to_owned()], ..Rules::default() };
    measure("plain", &input, &plain);
    measure("e164, date, template", &input, &full());
}

/// A rule for each column.
fn full() -> Rules {
    let plain = |name: &str| FieldRule::column(name, name);
    let by = |name: &str, step: Step| FieldRule { steps: vec![step], ..plain(name) };
    let date = "DD/MM/YYYY".parse().expect("a date format");
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
        let (begun, cpu) = (Instant::now(), cpu_seconds("self").unwrap_or(0.0));
        let mut source = Source::open(&Input::Path(input.to_owned()), None).expect("the input opens");
        let mapping = Mapping::by(rules, source.header(), Mode::Upsert).expect("the columns are known");
        let make = |row, _: Option<Cells>| match row {
            Row::Record(record) => mapping.contact(&record).ok(),
            Row::Rejected(_) => None,
        };
        let mut contacts = 0;
        let taken = source.in_batches(make, |batch| {
            contacts += batch.into_iter().flatten().count();
            Ok::<(), SourceError>(())
        });
        taken.expect("the input is read");
        assert_eq!(contacts, ROWS, "every row is a contact");
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds("self").unwrap_or(0.0) - cpu);
        #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
        let rate = ROWS as f64 / seconds;
        println!("{what}, run {run}: {seconds:.2} s ({cpu:.2} s of CPU): {rate:.0} rows/s");
        rates.push(rate);
    }
    rates.sort_by(f64::total_cmp);
    let memory = peak_kib("self").unwrap_or(0) / 1_000;
    println!("{what}: median of {RUNS}: {:.0} rows/s, peak memory {memory} MB", rates[RUNS / 2]);
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "phone,first_name,last_name,email,city,company,plan,birthday,source,notes,score,tags")?;
    for n in 0..ROWS {
        // Ten digits that are valid in a Mexican phone number.
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
