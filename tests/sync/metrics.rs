//! The file of metrics, held against the text format of Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use support::Harness;

const GOOD: &str = "email,name\na@example.com,A\nb@example.com,B\nc@example.com,C\n";

/// The samples of a file by name and labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Parses the text format strictly: every family has HELP, then TYPE, then its samples, in one group; names, labels and escapes
/// are valid; no sample occurs twice; the last line ends with a line break.
fn parsed(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let (mut helped, mut family): (Option<String>, Option<String>) = (None, None);
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("no line break at the end".into());
    }
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, meaning) = help.split_once(' ').ok_or("HELP without a text")?;
            if !is_name(name) || meaning.trim().is_empty() || !families.insert(name.to_owned()) {
                return Err(format!("a second or an invalid HELP: {line}"));
            }
            (helped, family) = (Some(name.to_owned()), None);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').ok_or("TYPE without a type")?;
            if helped.as_deref() != Some(name) || !["gauge", "counter"].contains(&kind) {
                return Err(format!("TYPE without its HELP: {line}"));
            }
            family = helped.take();
        } else {
            let (name, labels, value) = sample(line).ok_or_else(|| format!("not a sample: {line}"))?;
            if family.as_deref() != Some(&name) {
                return Err(format!("a sample outside of its family: {line}"));
            }
            if samples.insert((name, labels), value).is_some() {
                return Err(format!("the sample occurs twice: {line}"));
            }
        }
    }
    Ok(samples)
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_');
    begins && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match characters.next()?.1 {
                        'n' => '\n',
                        escaped @ ('\\' | '"') => escaped,
                        _ => return None,
                    }),
                    (_, character) => value.push(character),
                }
            };
            if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    let value: f64 = rest.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| (name.to_owned(), labels, value))
}

fn metrics(harness: &Harness, file: &str) -> Samples {
    let text = fs::read_to_string(harness.path(file)).expect("the file of metrics");
    parsed(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    samples.get(&(format!("contactsync_{name}"), labels)).copied()
}

#[test]
fn the_parser_is_strict() {
    let family = "# HELP a_b text\n# TYPE a_b gauge\n";
    for (text, is_valid) in [
        ("a_b 1\n", true),
        ("a_b{c=\"d\"} 1\na_b{c=\"e\\\"\\\\\\n\"} 2.5\n", true),
        ("a_b 1", false),
        ("a_b 1\na_b 2\n", false),
        ("a_b{c=d} 1\n", false),
        ("a_b{c=\"d\" 1\n", false),
        ("a_b{c=\"d\",} 1\n", false),
        ("a_b{c=\"\\t\"} 1\n", false),
        ("a_b one\n", false),
        ("a-b 1\n", false),
        ("c_d 1\n", false),
    ] {
        assert_eq!(parsed(&format!("{family}{text}")).is_ok(), is_valid, "{text}");
    }
    assert!(parsed("# TYPE a gauge\na 1\n").is_err() && parsed("a 1\n").is_err());
    assert!(parsed("# HELP a b\n# TYPE a gauge\n# HELP a b\n# TYPE a gauge\n").is_err());
}

#[tokio::test]
async fn a_run_writes_its_metrics_however_it_ends() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    harness.write("contactsync.toml", "match = \"email\"\nmetrics_file = \"m.prom\"\n");
    let channel = ("channel", "default");
    // Never successful yet.
    harness.sync("missing.csv").run().await.exits(2);
    let first = metrics(&harness, "m.prom");
    assert_eq!(value(&first, "last_success_timestamp_seconds", &[channel]), Some(0.0));
    assert_eq!(value(&first, "last_run_exit_code", &[channel]), Some(2.0));
    assert_eq!(value(&first, "health", &[channel, ("state", "failed")]), Some(1.0));
    assert_eq!(value(&first, "last_run_rows", &[channel, ("outcome", "created")]), None);

    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs_f64();
    let before = now();
    harness.sync("good.csv").run().await.exits(0);
    let second = metrics(&harness, "m.prom");
    let success = value(&second, "last_success_timestamp_seconds", &[channel]).expect("a time");
    assert!(before - 1.0 <= success && success <= now() + 1.0, "{before} {success}");
    assert_eq!(value(&second, "last_run_exit_code", &[channel]), Some(0.0));
    assert_eq!(value(&second, "health", &[channel, ("state", "ok")]), Some(1.0));
    assert_eq!(value(&second, "health", &[channel, ("state", "failed")]), Some(0.0));
    assert_eq!(value(&second, "last_run_rows", &[channel, ("outcome", "created")]), Some(3.0));
    assert_eq!(value(&second, "last_run_calls", &[channel, ("kind", "find")]), Some(3.0));
    assert!(value(&second, "last_run_duration_seconds", &[channel]).is_some_and(|seconds| seconds > 0.0));

    // Each kind of failure keeps the time of the last success.
    for (arguments, token, code) in
        [("missing.csv", "token", 2), ("good.csv", "wrong", 5), ("good.csv --min-rows 9", "token", 7)]
    {
        harness.sync(arguments).token(Some(token)).run().await.exits(code);
        let failed = metrics(&harness, "m.prom");
        assert_eq!(value(&failed, "last_success_timestamp_seconds", &[channel]), Some(success), "{arguments}");
        assert_eq!(value(&failed, "last_run_exit_code", &[channel]), Some(f64::from(code)), "{arguments}");
    }

    // An invalid configuration names no file, but the command line may.
    harness.write("bad.toml", "mach = \"email\"\n");
    harness.sync("good.csv --config bad.toml --metrics-file typed.prom").run().await.exits(2);
    let typed = metrics(&harness, "typed.prom");
    assert_eq!(value(&typed, "last_run_exit_code", &[channel]), Some(2.0));
    assert_eq!(value(&typed, "last_success_timestamp_seconds", &[channel]), Some(success));

    // Without the memory, the earlier file has the time.
    fs::remove_file(harness.path("journal.db.alerts")).expect("the memory");
    harness.sync("missing.csv").run().await.exits(2);
    let from_file = metrics(&harness, "m.prom");
    assert_eq!(value(&from_file, "last_success_timestamp_seconds", &[channel]), Some(success));

    // `resume` writes them as well, and a plan does not.
    harness
        .program("resume --journal journal.db")
        .with(&format!("--url {}", harness.sandbox.url()))
        .run()
        .await
        .exits(0);
    assert_eq!(value(&metrics(&harness, "m.prom"), "last_run_exit_code", &[channel]), Some(0.0));
    harness.plan("good.csv --metrics-file plan.prom").run().await.exits(0);
    assert!(!harness.path("plan.prom").exists());
}

#[tokio::test]
async fn several_channels_and_jobs_have_their_labels() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    harness.write("two.csv", "email,office\na@example.com,north\nb@example.com,south\nc@example.com,south\n");
    let url = harness.sandbox.url();
    harness.sandbox.accept_token("second");
    harness.write("token", "second");
    let tables = "[channel.north]\ntoken_env = \"CONTACTSYNC_TOKEN\"\n[channel.south]\ntoken_file = \"token\"\n";
    let jobs = "[job.\"Clientes \\\"A\\\"\"]\ninput = \"good.csv\"\nchannel = \"north\"\n[job.both]\ninput = \"two.csv\"\nchannel_column = \"office\"\n";
    let config = format!("match = \"email\"\nurl = {url:?}\nmetrics_file = \"m.prom\"\n{tables}{jobs}");
    harness.write("contactsync.toml", config);
    harness.program("sync --all --rate 100000").run().await.exits(0);
    let samples = metrics(&harness, "m.prom");
    let (north, south, job) = (("channel", "north"), ("channel", "south"), ("job", "both"));
    assert_eq!(value(&samples, "last_run_rows", &[south, job, ("outcome", "created")]), Some(2.0));
    assert_eq!(value(&samples, "last_run_exit_code", &[job]), Some(0.0));
    let first = ("job", "Clientes \"A\"");
    assert_eq!(value(&samples, "last_run_rows", &[north, first, ("outcome", "created")]), Some(3.0));
    // A job with another journal keeps the samples of the others in the same file.
    harness.program("sync --job both --journal other.db --token-env CONTACTSYNC_TOKEN").run().await.exits(2);
    let samples = metrics(&harness, "m.prom");
    assert_eq!(value(&samples, "last_run_exit_code", &[job]), Some(2.0));
    assert_eq!(value(&samples, "last_run_exit_code", &[north, first]), Some(0.0));
}

#[tokio::test]
async fn the_file_is_written_whole_or_not_at_all() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    harness.write(
        "contactsync.toml",
        "match = \"email\"\nmetrics_file = \"m.prom\"\n[notify]\non_failure = \"touch told\"\n",
    );
    harness.sync("good.csv").run().await.exits(0);
    let whole = fs::read_to_string(harness.path("m.prom")).expect("metrics");
    // No file may grow beyond 512 bytes, as on a full disk.
    let full = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let ran = harness.sync("good.csv").shell(full).run().await;
    let warning = "warning: m.prom: the metrics cannot be written: ";
    assert_eq!(ran.exits(1).stderr_lines(warning).len(), 1);
    assert_eq!(fs::read_to_string(harness.path("m.prom")).expect("metrics"), whole);
    let names = fs::read_dir(harness.path("")).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let parts: Vec<_> = names.filter(|name| name.to_string_lossy().contains(".part")).collect();
    assert!(parts.is_empty(), "{parts:?}");
    // The message does not depend on the disk.
    assert!(harness.path("told").exists());

    // A folder that does not exist is reported; the run is as it was.
    let ran = harness.sync("good.csv -q --metrics-file no/such/folder/m.prom").run().await.exits(0);
    assert_eq!(ran.stderr_lines("warning: no/such/folder/m.prom: the metrics cannot be written: ").len(), 1, "{ran:?}");
}

#[tokio::test]
async fn another_file_is_not_overwritten() {
    let harness = Harness::unlimited().await;
    harness.write("good.csv", GOOD);
    harness.write("empty", "");
    for (file, code) in [("good.csv", 2), (".", 2), ("/dev/null", 2), ("empty", 0), ("new.prom", 0), ("new.prom", 0)] {
        let ran = harness.sync(&format!("good.csv --match email --metrics-file {file}")).run().await.exits(code);
        assert_eq!(ran.stderr_lines(&format!("error: {file}: ")).len(), usize::from(code == 2), "{ran:?}");
    }
    assert_eq!(fs::read_to_string(harness.path("good.csv")).expect("the input"), GOOD);
    for text in ["metrics_file = 5\n", "metrics_file = \"\"\n"] {
        harness.write("bad.toml", text);
        let ran = harness.sync("good.csv --config bad.toml").run().await.exits(2);
        assert_eq!(ran.stderr_lines("error: bad.toml:1: key `metrics_file`: ").len(), 1, "{ran:?}");
    }
}
