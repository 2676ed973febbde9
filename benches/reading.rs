//! How fast rows become contacts: reading, decoding, mapping and validating a CSV of 1,000,000 rows and 12 columns.
//!
//! Run by hand: `cargo bench --bench reading`.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use contactsync::{Input, Mapping, Mode, Row, Source};

const ROWS: usize = 1_000_000;
const RUNS: usize = 3;

fn main() {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let input = dir.path().join("contacts.csv");
    write(&input).expect("the input can be written");
    println!("{} MB", fs::metadata(&input).expect("it is there").len() / 1_000_000);
    measure("read", || {
        let source = Source::open(&Input::Path(input.clone()), None).expect("opens");
        source.filter(Result::is_ok).count()
    });
    measure("read and map on both cores", || {
        let source = Source::open(&Input::Path(input.clone()), None).expect("opens");
        let mapping = Mapping::new(source.header(), vec!["phone".to_owned()], Mode::Upsert).expect("maps");
        let mut count = 0;
        let make = |row| match row {
            Row::Record(record) => mapping.contact(&record).ok(),
            Row::Rejected(_) => None,
        };
        source
            .in_batches(make, |batch| {
                count += batch.into_iter().flatten().count();
                Ok::<(), contactsync::SourceError>(())
            })
            .expect("is read");
        count
    });
    measure("read and map", || {
        let source = Source::open(&Input::Path(input.clone()), None).expect("opens");
        let mapping = Mapping::new(source.header(), vec!["phone".to_owned()], Mode::Upsert).expect("maps");
        source
            .filter(|row| match row {
                Ok(Row::Record(record)) => mapping.contact(record).is_ok(),
                Ok(Row::Rejected(_)) | Err(_) => false,
            })
            .count()
    });
}

fn measure(what: &str, run: impl Fn() -> usize) {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            let cpu = cpu();
            assert_eq!(run(), ROWS);
            eprintln!("{what}: {:.2} s of CPU, {:.2} s", self::cpu() - cpu, begun.elapsed().as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a million is exact")]
            let rate = ROWS as f64 / begun.elapsed().as_secs_f64();
            rate
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    println!("{what}: median of {RUNS}: {:.0} rows/s ({:.0} to {:.0})", rates[RUNS / 2], rates[0], rates[RUNS - 1]);
}

fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "phone,first_name,last_name,email,city,company,plan,birthday,source,notes,score,tags")?;
    for n in 0..ROWS {
        writeln!(
            file,
            "+5255{:08},Mar\u{ed}a {n},Hern\u{e1}ndez,contact{n}@example.com,Ciudad {},Compa\u{f1}\u{ed}a {},basic,{:02}/{:02}/{},crm,called in spring,{},customer;batch",
            10_000_000 + n * 37 % 89_999_999,
            n % 97,
            n % 1_013,
            n % 28 + 1,
            n % 12 + 1,
            1950 + n % 50,
            n % 101,
        )?;
    }
    file.flush()
}
