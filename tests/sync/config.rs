//! `contactsync.toml` with the real program: where it is found, what overrides it, and how its errors are reported.

use std::fs;
use std::time::Duration;

use contactsync::sandbox::Faults;

use support::{ClosedPort, Harness, JOURNAL, People, TOKEN};

/// A harness with an input of ten contacts and a configuration with all keys that a sync needs, and `more`.
async fn configured(more: &str) -> (Harness, People) {
    let harness = Harness::unlimited().await;
    let people = People::new(10, 3, 1);
    harness.write("in.csv", people.csv());
    harness.write("token", format!("{TOKEN}\n"));
    let url = harness.sandbox.url();
    let config =
        format!("{more}\nurl = \"{url}\"\ntoken_file = \"token\"\njournal = \"{JOURNAL}\"\nmatch = \"email\"\n");
    harness.write("contactsync.toml", format!("{config}rate = 1000000\n"));
    (harness, people)
}

#[tokio::test]
async fn every_option_of_sync_has_a_key() {
    let (harness, people) = configured("").await;
    let plan = harness.program("plan in.csv --json").token(None).run().await.exits(0).planned();
    assert_eq!(plan.count("pending"), 10);
    let ran = harness.program("sync in.csv --json --verbose").token(None).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created");
    assert!(ran.stderr_lines("configuration: contactsync.toml").len() == 1, "{ran:?}");
    people.assert_stored_in(&harness.sandbox);
    assert!(harness.path(JOURNAL).exists());
    let runs = harness.program("runs").run().await.exits(0);
    assert!(runs.stdout.contains("10 rows: 10 created"), "{runs:?}");
    harness.program("resume").token(None).run().await.exits(0);
    // The demo ignores the configuration.
    harness.write("contactsync.toml", "not TOML");
    harness.program("demo").run().await.exits(0);
}

#[tokio::test]
async fn relative_paths_start_at_the_configuration_file() {
    let (harness, people) = configured("").await;
    let folder = harness.path("etc");
    fs::create_dir(&folder).unwrap();
    for name in ["contactsync.toml", "token"] {
        fs::rename(harness.path(name), folder.join(name)).unwrap();
    }
    let ran = harness.program("sync in.csv --config etc/contactsync.toml --json").token(None).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created");
    people.assert_stored_in(&harness.sandbox);
    assert!(folder.join(JOURNAL).exists() && !harness.path(JOURNAL).exists());
    // A path in an option is relative to the current directory.
    let ran = harness.program(&format!("sync in.csv --config etc/contactsync.toml --journal {JOURNAL} --json"));
    assert_eq!(ran.token(None).run().await.exits(0).summary().rows(), "10 unchanged");
    assert!(harness.path(JOURNAL).exists());
}

#[tokio::test]
async fn an_option_overrides_its_key() {
    let (harness, people) = configured("mode = \"update\"\nallow_http = true").await;
    let program = |options: &str| harness.program(&format!("sync in.csv --json {options}"));
    // `mode = "update"` from the file applies: there is no contact to update.
    assert_eq!(program("").run().await.exits(3).summary().count("rejected"), 10);
    assert_eq!(program("--mode create").run().await.exits(0).summary().rows(), "10 created");
    people.assert_stored_in(&harness.sandbox);
    // A preset is another platform than the URL in the file.
    let refused = program("--platform orade").run().await.exits(2);
    assert!(refused.stderr.contains("found https://chatcentral.orade.com/api/v1"), "{refused:?}");
    let refused = program("--token-env NO_SUCH").run().await.exits(2);
    assert!(refused.stderr.contains("environment variable NO_SUCH"), "{refused:?}");
}

#[tokio::test]
async fn the_command_to_resume_repeats_the_options() {
    let (harness, _) = configured("").await;
    fs::rename(harness.path("contactsync.toml"), harness.path("other.toml")).unwrap();
    harness.sandbox.set_faults(Faults { latency: Duration::from_millis(100), ..Faults::default() });
    let mut running = harness.program("sync in.csv --config other.toml --concurrency 1").token(None).start();
    assert!(running.until(|| harness.sandbox.ledger().len() > 2).await);
    running.signal("INT").await;
    let ran = running.end().await.exits(4);
    assert!(ran.stderr.contains("to continue: `contactsync resume --config other.toml`"), "{ran:?}");
}

#[tokio::test]
async fn a_configuration_error_has_its_line_and_sends_nothing() {
    let (harness, _) = configured("").await;
    let check = async |config: &str, options: &str, expected: &str| {
        harness.write("contactsync.toml", config);
        for command in ["plan in.csv", "sync in.csv", "resume"] {
            let ran = harness.program(&format!("{command} {options}")).run().await.exits(2);
            assert_eq!(ran.stderr_lines("error: "), [format!("error: {expected}")], "{config}: {ran:?}");
            let rest = ran.stderr.lines().filter(|line| !line.starts_with("error: ") && !line.starts_with("hint: "));
            assert_eq!(rest.count(), 0, "{config}: {ran:?}");
            assert_eq!(ran.stdout, "", "{config}");
            assert!(!ran.stderr.contains("s3cret"), "{config}: {ran:?}");
        }
        assert!(!harness.path(JOURNAL).exists() && !harness.path("contactsync.db").exists(), "{config}");
        assert_eq!(harness.calls(), "none", "{config}");
    };
    check(
        "# my token\ntokn_env = \"s3cret\"\n",
        "",
        "contactsync.toml:2: unknown key `tokn_env`; did you mean `token_env`?",
    )
    .await;
    check("rate = \"fast\"", "", "contactsync.toml:1: key `rate`: expected a whole number from 1, found text").await;
    check(
        "url = https://example.com/s3cret",
        "",
        "contactsync.toml:1: expected a value after `=`, and a text in quotes, as in mode = \"upsert\"",
    )
    .await;
    check(
        "url = \"https://example.com/v1?token=s3cret\"",
        "",
        "contactsync.toml:1: key `url`: expected a URL that ends with its path, found a query; remove the part from `?` on",
    )
    .await;
    check(
        "[channel.norte]\n[channel.sur]\n",
        "--channel note",
        "--channel: expected one of `norte`, `sur`; did you mean `norte`?",
    )
    .await;
    check("", "--config none.toml", "none.toml: no such file").await;
    check("", "--config .", ".: cannot read it: it is a directory, not a regular file").await;
}

#[tokio::test]
async fn log_format_and_verbosity_have_keys() {
    let (harness, _) = configured("log_format = \"json\"").await;
    let program = |options: &str| harness.program(&format!("resume {options}"));
    let stderr = program("").run().await.exits(2).stderr;
    assert!(stderr.lines().count() > 0 && stderr.lines().all(|line| line.starts_with("{\"at\":")), "{stderr}");
    let stderr = program("--log-format text").run().await.exits(2).stderr;
    assert!(stderr.lines().all(|line| !line.starts_with('{')), "{stderr}");
}

/// A configuration with twelve channels, each with its own token.
fn offices(harness: &Harness) -> String {
    let url = harness.sandbox.url();
    let mut config = format!("url = \"{url}\"\nmatch = \"email\"\nchannel_column = \"office\"\nrate = 1000000\n");
    for office in 0..12 {
        harness.write(&format!("token-{office}"), format!("token-{office}"));
        config.push_str(&format!("[channel.office-{office}]\ntoken_file = \"token-{office}\"\n"));
    }
    config
}

#[tokio::test]
async fn each_row_belongs_to_exactly_one_shard() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", offices(&harness));
    let mut rows = "email,office\n".to_owned();
    for person in 0..36 {
        rows.push_str(&format!("person.{person}@example.com,office-{}\n", person % 12));
    }
    // A row without a channel, one with an unknown channel, and one that cannot be read.
    rows.push_str("unassigned@example.com,\nunknown@example.com,office-12\nlong@example.com,office-1,more\n");
    harness.write("in.csv", rows);
    let (mut created, mut rejected) = (0, Vec::new());
    for shard in 0..3 {
        let code = if shard == 0 { 3 } else { 0 };
        let options = format!("in.csv --shard {shard}/3 --journal {shard}.db");
        let check = harness.program(&format!("check {options}")).token(None).run().await.exits(code);
        let ran = harness.program(&format!("sync {options} --json")).token(None).run().await.exits(code);
        let object: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(object["created"].as_u64() > Some(0), "{ran:?}");
        created += object["created"].as_u64().unwrap();
        rejected.push(object["rejected"].as_u64().unwrap());
        assert_eq!(object["rows"].as_u64(), Some(object["created"].as_u64().unwrap() + rejected[shard]), "{ran:?}");
        // `check` counts the same rows as the sync, and none of another shard.
        let mut expected = vec![format!("{} rows", object["rows"]), format!("  {} to send", object["created"])];
        expected.extend((rejected[shard] > 0).then(|| format!("  {} rejected", rejected[shard])));
        let counts = check
            .stdout
            .lines()
            .skip_while(|line| *line != expected[0])
            .take_while(|line| !line.is_empty() && !line.contains(':'));
        assert_eq!(counts.collect::<Vec<_>>(), expected, "{check:?}");
    }
    assert_eq!((created, rejected), (36, vec![3, 0, 0]));
    for office in 0..12 {
        let there = harness.sandbox.contacts(&format!("token-{office}"));
        assert_eq!(there.len(), 3, "office {office}");
        // The channel column is not sent.
        assert!(there.iter().all(|contact| contact.fields.iter().all(|(name, _)| name == "email")));
    }
}

#[tokio::test]
async fn a_missing_token_is_reported_before_anything_is_sent() {
    let harness = Harness::unlimited().await;
    harness.write("contactsync.toml", offices(&harness));
    harness.write("in.csv", "email,office\nann@example.com,office-1\n");
    fs::remove_file(harness.path("token-7")).unwrap();
    let ran = harness.program("sync in.csv").run().await.exits(2);
    let line = 4 + 2 * 8;
    let error = format!("error: contactsync.toml:{line}: key `token_file`: the file that it names: cannot read it: ");
    assert_eq!(ran.stderr_lines(&error).len(), 1, "{ran:?}");
    assert_eq!(harness.calls(), "none");
    // A channel that is not selected needs no token.
    harness.program("sync in.csv --channel office-1").run().await.exits(0);
    assert_eq!(harness.sandbox.contacts("token-1").len(), 1);
}

#[tokio::test]
async fn a_time_limit_leaves_the_rest_to_the_next_run() {
    let (harness, people) = configured("max_calls = 7").await;
    let sync = |options: &str| harness.program(&format!("sync in.csv --json {options}")).token(None);
    let ran = sync("").run().await.exits(4);
    assert!(ran.stderr.contains("reached the limit of 7 calls"), "{ran:?}");
    assert_eq!(harness.sandbox.ledger().len(), 7);
    // A call may take 30 s and so does not fit into one second.
    let ran = sync("--for 1s --max-calls 1000").run().await.exits(4);
    assert!(ran.stderr.contains("reached the time limit"), "{ran:?}");
    assert_eq!(harness.sandbox.ledger().len(), 7);
    let ran = harness.program("resume --max-calls 1000 --for 1h").token(None).run().await.exits(0);
    assert_eq!(ran.stderr_lines("error:"), [""; 0]);
    people.assert_stored_in(&harness.sandbox);
}

#[tokio::test]
async fn the_outage_timeout_has_an_option_and_a_key() {
    let (harness, _) = configured("outage_timeout = \"1s\"").await;
    let closed = ClosedPort::take().unwrap();
    let gone = closed.url().unwrap();
    let begun = std::time::Instant::now();
    let ran = harness.program(&format!("sync in.csv --url {gone}")).token(None).run().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(8), "{ran:?}");
}

#[tokio::test]
async fn input_options_have_keys() {
    let harness = Harness::unlimited().await;
    // Two lines before the first contact, no header, and text whose encoding is guessed wrong.
    harness.write("in.txt", b"Export\n2026\na@example.com^Jos\xE9\nb@example.com^Zo\xEB\n");
    let keys = "format = \"csv\"\ndelimiter = \"^\"\nencoding = \"windows-1252\"\nno_header = true\n";
    harness.write("contactsync.toml", format!("{keys}match = \"column 1\"\nskip_lines = 9\n"));
    let sync = |options: &str| harness.sync(&format!("in.txt {options}"));
    assert_eq!(sync("--skip-lines 2").run().await.exits(0).summary().rows(), "2 created");
    let mut names: Vec<String> = harness
        .sandbox
        .contacts(TOKEN)
        .iter()
        .filter_map(|contact| Some(contact.fields.get("column 2")?.text().into_owned()))
        .collect();
    names.sort();
    assert_eq!(names, ["José", "Zoë"]);
    for (option, part) in [
        ("--delimiter ab", "--delimiter: expected one character"),
        ("--encoding utf-9", "--encoding: expected"),
        ("--format xml", "--format: expected csv"),
    ] {
        let ran = sync(option).run().await.exits(2);
        assert!(ran.stderr_lines("error:").first().is_some_and(|line| line.contains(part)), "{ran:?}");
    }
}
