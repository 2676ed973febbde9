//! Checks the examples for Kubernetes: the program starts with their arguments and reaches its first call.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails the test it is called by")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const SETUP: &str = include_str!("../examples/kubernetes/setup.yaml");
const JOB: &str = include_str!("../examples/kubernetes/job.yaml");
const CRON_JOB: &str = include_str!("../examples/kubernetes/cronjob.yaml");

/// The mount paths of the examples.
const FOLDERS: [&str; 3] = ["/srv/crm", "/etc/contactsync", "/var/lib/contactsync"];

/// The variable that Kubernetes sets.
const INDEX: &str = "$(JOB_COMPLETION_INDEX)";

/// The number at a key that must occur once.
fn number(yaml: &str, key: &str) -> u32 {
    let mut found = yaml.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    let number = found.next().unwrap_or_else(|| panic!("no {key}")).parse().unwrap();
    assert_eq!(found.next(), None, "{key} twice");
    number
}

/// The lines that are indented below a key.
fn below<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = yaml.lines().skip_while(|line| line.trim() != key);
    let outer = depth(lines.next().unwrap_or_else(|| panic!("no {key}")));
    lines.take_while(|line| line.is_empty() || depth(line) > outer).map(str::trim).collect()
}

fn arguments(yaml: &str) -> Vec<&str> {
    let arguments: Vec<&str> = below(yaml, "args:").into_iter().filter_map(|line| line.strip_prefix("- ")).collect();
    assert_eq!(arguments[0], "sync");
    arguments
}

/// The channels of the configuration, each with the variable that holds its token.
fn channels(config: &str) -> Vec<(&str, &str)> {
    let (_, tables) = config.split_once("[channel.").unwrap();
    let tables = tables.split("[channel.");
    tables.map(|table| (table.split(']').next().unwrap(), table.split('"').nth(1).unwrap())).collect()
}

#[test]
fn every_option_in_the_examples_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_contactsync")).args(["sync", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words: BTreeSet<&str> = help.split_whitespace().collect();
    for option in [arguments(JOB), arguments(CRON_JOB)].concat().iter().filter(|word| word.starts_with("--")) {
        let name = option.split('=').next().unwrap();
        assert!(words.contains(name), "sync has no {name}");
    }
}

/// Checks that every shard of an example reaches the guard for changes, so that nothing fails before the first call.
fn check(yaml: &str) {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| format!("{}{path}", folder.path().display());
    for path in FOLDERS {
        fs::create_dir_all(place(path)).unwrap();
    }
    let config = below(SETUP, "contactsync.toml: |").join("\n");
    fs::write(Path::new(&place("/etc/contactsync")).join("contactsync.toml"), &config).unwrap();
    let channels = channels(&config);
    let rows = channels.iter().enumerate().map(|(nth, (name, _))| format!("+52555000100{nth},{name}\n"));
    fs::write(place("/srv/crm/contacts.csv"), format!("phone,office\n{}", rows.collect::<String>())).unwrap();

    let shards = number(yaml, "completions");
    assert_eq!(number(yaml, "parallelism"), shards);
    let shard = format!("--shard={INDEX}/{shards}");
    assert!(arguments(yaml).contains(&shard.as_str()), "expected {shard}");
    for index in 0..shards {
        let arguments = arguments(yaml).into_iter().map(|argument| {
            let argument = argument.replace(INDEX, &index.to_string());
            FOLDERS.iter().fold(argument, |argument, path| argument.replace(path, &place(path)))
        });
        let ran = Command::new(env!("CARGO_BIN_EXE_contactsync"))
            .args(arguments)
            .args(["--max-changes", "0"])
            .envs(channels.iter().map(|&(_, variable)| (variable, "token".to_owned() + variable)))
            .output()
            .unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(7), "shard {index}: {stderr}");
        assert!(Path::new(&place(&format!("/var/lib/contactsync/shard-{index}.db"))).exists(), "shard {index}");
    }
    assert!(shards > 1, "one shard is the whole input");
}

#[test]
fn each_shard_of_the_migration_has_rows_and_can_start() {
    check(JOB);
}

#[test]
fn each_shard_of_the_nightly_sync_has_rows_and_can_start() {
    check(CRON_JOB);
}

#[test]
fn each_exit_code_has_one_rule_and_a_run_ends_before_its_deadline() {
    for (yaml, minutes) in [(JOB, 47 * 60), (CRON_JOB, 210)] {
        let values = yaml.lines().filter_map(|line| line.trim().strip_prefix("values: [")?.strip_suffix(']'));
        let codes: Vec<&str> = values.flat_map(|codes| codes.split(", ")).collect();
        let all: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(codes.len(), all.len(), "{codes:?}");
        // All exit codes except success and unexpected failures.
        assert_eq!(all.into_iter().collect::<String>(), "234567");
        let span = if minutes % 60 == 0 { format!("--for={}h", minutes / 60) } else { format!("--for={minutes}m") };
        assert!(arguments(yaml).contains(&span.as_str()), "expected {span}");
        assert!(minutes * 60 < number(yaml, "activeDeadlineSeconds"));
    }
}
