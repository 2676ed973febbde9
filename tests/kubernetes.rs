//! Checks the examples for Kubernetes, Airflow and Temporal: the program starts with their arguments and reaches its first call,
//! and their exit codes are those of the program. Also the image's files.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails the test it is called by")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use contactsync::sandbox::{Config, Sandbox};

const SETUP: &str = include_str!("../examples/kubernetes/setup.yaml");
const JOB: &str = include_str!("../examples/kubernetes/job.yaml");
const CRON_JOB: &str = include_str!("../examples/kubernetes/cronjob.yaml");
const SHARD: &str = include_str!("../examples/kubernetes/shards/base/cronjob.yaml");
const SHARDS: &str = include_str!("../examples/kubernetes/shards.yaml");
const LITESTREAM: &str = include_str!("../examples/kubernetes/litestream.yaml");

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
    let key = if yaml.contains("- args:") { "- args:" } else { "args:" };
    let is_argument = |line: &&str| line.starts_with("- ") || line.starts_with('#');
    let lines = below(yaml, key).into_iter().take_while(is_argument);
    let arguments: Vec<&str> = lines.filter_map(|line| line.strip_prefix("- ")).collect();
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
    for option in
        [arguments(JOB), arguments(CRON_JOB), arguments(SHARDS)].concat().iter().filter(|word| word.starts_with("--"))
    {
        let name = option.split('=').next().unwrap();
        assert!(words.contains(name), "sync has no {name}");
    }
}

/// Checks that every shard of an example reaches the guard for changes, so that nothing fails before the first call.
fn check(yaml: &str) {
    let shards = number(yaml, "completions");
    assert_eq!(number(yaml, "parallelism"), shards);
    let shard = format!("--shard={INDEX}/{shards}");
    assert!(arguments(yaml).contains(&shard.as_str()), "expected {shard}");
    let config = below(SETUP, "contactsync.toml: |").join("\n");
    for index in 0..shards {
        let arguments = arguments(yaml).into_iter().map(|argument| argument.replace(INDEX, &index.to_string()));
        reaches_its_first_call(&config, arguments.collect(), &format!("shard-{index}.db"));
    }
    assert!(shards > 1, "one shard is the whole input");
}

/// Starts the program with an example's configuration and arguments, whose folders are moved to a temporary one.
fn reaches_its_first_call(config: &str, arguments: Vec<String>, journal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str| format!("{}{path}", folder.path().display());
    for path in FOLDERS {
        fs::create_dir_all(place(path)).unwrap();
    }
    fs::write(Path::new(&place("/etc/contactsync")).join("contactsync.toml"), config).unwrap();
    let channels = channels(config);
    let rows = channels.iter().enumerate().map(|(nth, (name, _))| format!("+52555000100{nth},{name}\n"));
    fs::write(place("/srv/crm/contacts.csv"), format!("phone,office\n{}", rows.collect::<String>())).unwrap();
    let moved = |argument: String| FOLDERS.iter().fold(argument, |argument, path| argument.replace(path, &place(path)));
    let ran = Command::new(env!("CARGO_BIN_EXE_contactsync"))
        .args(arguments.into_iter().map(moved))
        .args(["--max-changes", "0"])
        .envs(channels.iter().map(|&(_, variable)| (variable, "token".to_owned() + variable)))
        .output()
        .unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(7), "{journal}: {stderr}");
    assert!(Path::new(&place("/var/lib/contactsync")).join(journal).exists(), "{journal}");
}

#[test]
fn each_shard_with_a_claim_has_rows_and_can_start() {
    for yaml in [SHARDS, LITESTREAM] {
        let config = below(yaml, "contactsync.toml: |").join("\n");
        let shards: u32 = yaml
            .lines()
            .find_map(|line| line.trim().strip_prefix("SHARDS: \""))
            .unwrap()
            .trim_end_matches('"')
            .parse()
            .unwrap();
        let jobs: Vec<&str> = yaml.split("\n---\n").filter(|part| part.contains("kind: CronJob")).collect();
        assert_eq!(u32::try_from(jobs.len()).unwrap(), shards);
        for (index, job) in jobs.into_iter().enumerate() {
            assert!(job.contains(&format!("contactsync/shard: \"{index}\"")), "shard {index} has its label");
            assert!(job.contains(&format!("claimName: contactsync-journal-{index}\n")), "shard {index} has its claim");
            assert!(yaml.contains(&format!("  name: contactsync-journal-{index}\n")), "the claim of shard {index}");
            let argument = |argument: &str| {
                argument.replace("$(SHARDS)", &shards.to_string()).replace("$(SHARD)", &index.to_string())
            };
            reaches_its_first_call(&config, arguments(job).into_iter().map(argument).collect(), "contactsync.db");
        }
    }
}

/// With Kustomize, by itself or inside kubectl, which the tests do not install.
#[test]
fn the_generated_examples_are_what_kustomize_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes");
    for (name, expected) in [("shards", SHARDS), ("litestream", LITESTREAM)] {
        let (first, generated) = expected.split_once('\n').unwrap();
        assert!(first.starts_with("# Generated by "), "{name}: {first}");
        let run = |program: &str, command: &str| Command::new(program).arg(command).arg(root.join(name)).output();
        let Ok(built) = run("kustomize", "build").or_else(|_| run("kubectl", "kustomize")) else {
            eprintln!("kubernetes: no kustomize or kubectl: {name}.yaml is not compared");
            continue;
        };
        assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
        assert_eq!(String::from_utf8(built.stdout).unwrap(), generated, "{name}.yaml: generate it again");
    }
}

/// The wait before a journal that was restored is used, in the manifest and on the page.
#[test]
fn a_restored_journal_waits_as_long_as_the_page_says() {
    let page = include_str!("../docs/beyond-one-machine.md");
    let (_, after) = LITESTREAM.split_once("|| sleep ").unwrap();
    let seconds: u64 = after.lines().next().unwrap().trim().parse().unwrap();
    assert!(page.contains(&format!("{seconds} seconds")), "{seconds}");
    // A call counts for a minute, after it was in flight for its time-out.
    assert!(seconds > 60 + contactsync::client::TIMEOUT.as_secs());
}

/// The exit codes that the examples for Airflow and Temporal handle: each of the program's, once.
#[test]
fn the_orchestrators_know_each_exit_code() {
    for (name, source) in [
        ("airflow", include_str!("../examples/airflow/contactsync_dag.py")),
        ("temporal", include_str!("../examples/temporal/contactsync_activity.py")),
    ] {
        let codes = source.lines().filter_map(|line| line.trim().strip_prefix("# exit "));
        let codes: Vec<&str> = codes.map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(codes.join(" "), "0 1 2 3 4 5 6 7", "{name}");
        assert!(source.contains("--shard"), "{name}");
    }
}

/// Runs the activity without Temporal, on one shard of one, and returns the outcome that it prints.
fn activity(python: &str, folder: &Path, token: &str) -> serde_json::Value {
    let place = |name: &str| folder.join(name);
    let ran = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/temporal/contactsync_activity.py"))
        .args(["--sync", "0", "1"])
        .env("CONTACTSYNC", env!("CARGO_BIN_EXE_contactsync"))
        .env("CONTACTSYNC_INPUT", place("contacts.csv"))
        .env("CONTACTSYNC_CONFIG", place("contactsync.toml"))
        .env("CONTACTSYNC_STATE", folder)
        .env("CONTACTSYNC_TOKEN", token)
        .env("TOKEN_SOUTH", "south")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8(ran.stdout).unwrap();
    serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)))
}

#[test]
fn the_activity_for_temporal_translates_the_exit_code() {
    let Some(python) = ["python3", "python"].into_iter().find(|name| Command::new(name).arg("-V").output().is_ok())
    else {
        return support::tools::skip("kubernetes", "there is no python3");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tokens = vec!["valid".into(), "south".into()];
    let sandbox = runtime.block_on(Sandbox::start(Config { tokens, ..Config::default() })).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let configure = |keys: &str| {
        let channels =
            "[channel.north]\ntoken_env = \"CONTACTSYNC_TOKEN\"\n[channel.south]\ntoken_env = \"TOKEN_SOUTH\"\n";
        let url = sandbox.url();
        write("contactsync.toml", &format!("url = \"{url}\"\nchannel_column = \"office\"\n{keys}\n{channels}"));
    };
    let check = |token: &str, expected: (i64, &str, Option<bool>)| {
        let outcome = activity(python, folder.path(), token);
        let found = (outcome["code"].as_i64().unwrap(), outcome["name"].as_str().unwrap());
        assert_eq!((found.0, found.1, outcome["retryable"].as_bool()), expected, "{outcome}");
    };

    write("contacts.csv", "phone,office\n+525550001001,north\n+525550001002,south\n");
    configure("");
    check("valid", (2, "misconfigured", Some(false)));
    configure("match = \"phone\"");
    check("invalid", (5, "unauthorized", Some(false)));
    check("valid", (0, "finished", None));
    write("contacts.csv", "phone,office\n+525550001001,north\n,south\n");
    check("valid", (3, "finished with rejected rows", None));
    write("contacts.csv", "phone,office\n+525550001003,north\n+525550001004,south\n");
    configure("match = \"phone\"\nmax_calls = 1");
    check("valid", (4, "stopped", Some(true)));
}

/// The unit of a job starts the program with arguments that reach its first call, and the page shows its lines.
#[test]
fn the_unit_for_jobs_starts_the_program_and_is_shown() {
    let unit = include_str!("../packaging/systemd/contactsync@.service");
    let page = include_str!("../docs/install.md");
    let (_, shown) = page.split_once("<!-- job unit -->\n```ini\n").unwrap();
    for line in shown.split("```").next().unwrap().lines() {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/contactsync ")).unwrap();
    // The configuration has no job: its input and its options are those of the other examples.
    let command = command
        .replace("--job %i", "/srv/crm/contacts.csv")
        .replace("${STATE_DIRECTORY}", "/var/lib/contactsync")
        .replace("%i", "customers");
    let config = below(SETUP, "contactsync.toml: |").join("\n");
    reaches_its_first_call(&config, command.split(' ').map(str::to_owned).collect(), "contactsync.db");
    for file in ["contactsync@.timer", "contactsync-failed@.service"] {
        assert!(unit.contains(file.trim_end_matches("@.service").trim_end_matches("@.timer")), "{file}");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(file).exists(), "{file}");
    }
}

/// The paths that the image's Dockerfile copies and ignores.
#[test]
fn the_image_has_the_program_and_leaves_out_what_is_secret() {
    let dockerfile = include_str!("../packaging/Dockerfile");
    let ignored: BTreeSet<&str> = include_str!("../packaging/Dockerfile.dockerignore").lines().collect();
    for path in ["/target", "/.git", "*.db*", "/token"] {
        assert!(ignored.contains(path), "{path} is not ignored");
    }
    let minimum =
        include_str!("../Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    assert!(
        dockerfile.contains(&format!("FROM rust:{}-", minimum.trim_end_matches('"'))),
        "the image has another Rust"
    );
    let (_, last) = dockerfile.rsplit_once("\nFROM ").unwrap();
    assert!(last.contains(":nonroot") && !last.contains("USER root"), "the image runs as root");
    let program = last.lines().find_map(|line| line.strip_prefix("COPY --from=build ")).unwrap();
    let installed = program.split(' ').nth(1).unwrap();
    assert!(last.contains(&format!("ENTRYPOINT [\"{installed}\"]")), "{installed} is not what starts");
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
    for (yaml, minutes) in [(JOB, 47 * 60), (CRON_JOB, 210), (SHARD, 210)] {
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
