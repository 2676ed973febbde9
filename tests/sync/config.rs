//! `contactsync.toml` with the real program: where it is found, what wins over it, and what is said of its mistakes.

use std::fs;
use std::time::Duration;

use contactsync::sandbox::Faults;

use crate::scene::{JOURNAL, People, Scene, TOKEN};

/// A scene with an input of ten people and a configuration that says all that a sync needs, but for `more`.
async fn configured(more: &str) -> (Scene, People) {
    let scene = Scene::unlimited().await;
    let people = People::new(10, 3, 1);
    scene.write("in.csv", people.csv());
    scene.write("token", format!("{TOKEN}\n"));
    let url = scene.sandbox.url();
    let config =
        format!("{more}\nurl = \"{url}\"\ntoken_file = \"token\"\njournal = \"{JOURNAL}\"\nmatch = \"email\"\n");
    scene.write("contactsync.toml", format!("{config}rate = 1000000\n"));
    (scene, people)
}

#[tokio::test]
async fn all_that_a_sync_needs_can_stand_in_the_file() {
    let (scene, people) = configured("").await;
    let plan = scene.program("plan in.csv --json").token(None).run().await.exits(0).planned();
    assert_eq!(plan.count("pending"), 10);
    let ran = scene.program("sync in.csv --json --verbose").token(None).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created");
    assert!(ran.said("configuration: contactsync.toml").len() == 1, "{ran:?}");
    people.are_all_of(&scene.sandbox);
    assert!(scene.path(JOURNAL).exists());
    let runs = scene.program("runs").run().await.exits(0);
    assert!(runs.stdout.contains("10 rows: 10 created"), "{runs:?}");
    scene.program("resume").token(None).run().await.exits(0);
    // The demo has nothing to do with it.
    scene.write("contactsync.toml", "not TOML");
    scene.program("demo").run().await.exits(0);
}

#[tokio::test]
async fn paths_begin_where_the_file_is_and_not_where_the_program_is_started() {
    let (scene, people) = configured("").await;
    let folder = scene.path("etc");
    fs::create_dir(&folder).unwrap();
    for name in ["contactsync.toml", "token"] {
        fs::rename(scene.path(name), folder.join(name)).unwrap();
    }
    let ran = scene.program("sync in.csv --config etc/contactsync.toml --json").token(None).run().await.exits(0);
    assert_eq!(ran.summary().rows(), "10 created");
    people.are_all_of(&scene.sandbox);
    assert!(folder.join(JOURNAL).exists() && !scene.path(JOURNAL).exists());
    // What is typed begins where the program is started.
    let ran = scene.program(&format!("sync in.csv --config etc/contactsync.toml --journal {JOURNAL} --json"));
    assert_eq!(ran.token(None).run().await.exits(0).summary().rows(), "10 unchanged");
    assert!(scene.path(JOURNAL).exists());
}

#[tokio::test]
async fn an_option_wins_over_the_file() {
    let (scene, people) = configured("mode = \"update\"\nallow_http = true").await;
    let program = |options: &str| scene.program(&format!("sync in.csv --json {options}"));
    // Only to change is no use where nobody is: the file is heard.
    assert_eq!(program("").run().await.exits(3).summary().count("rejected"), 10);
    assert_eq!(program("--mode create").run().await.exits(0).summary().rows(), "10 created");
    people.are_all_of(&scene.sandbox);
    // A platform by its name is another platform than the file's URL: its contacts are not there.
    let refused = program("--platform orade").run().await.exits(2);
    assert!(refused.stderr.contains("found https://chatcentral.orade.com/api/v1"), "{refused:?}");
    let refused = program("--token-env NO_SUCH").run().await.exits(2);
    assert!(refused.stderr.contains("environment variable NO_SUCH"), "{refused:?}");
}

#[tokio::test]
async fn what_was_typed_is_said_again_to_go_on() {
    let (scene, _) = configured("").await;
    fs::rename(scene.path("contactsync.toml"), scene.path("other.toml")).unwrap();
    scene.sandbox.set_faults(Faults { latency: Duration::from_millis(100), ..Faults::default() });
    let mut running = scene.program("sync in.csv --config other.toml --concurrency 1").token(None).start();
    assert!(running.until(|| scene.sandbox.ledger().len() > 2).await);
    running.signal("INT").await;
    let ran = running.end().await.exits(4);
    assert!(ran.stderr.contains("to go on: `contactsync resume --config other.toml`"), "{ran:?}");
}

#[tokio::test]
async fn a_mistake_is_one_line_with_its_place_and_nothing_is_sent_or_written() {
    let (scene, _) = configured("").await;
    let check = async |config: &str, options: &str, expected: &str| {
        scene.write("contactsync.toml", config);
        for command in ["plan in.csv", "sync in.csv", "resume"] {
            let ran = scene.program(&format!("{command} {options}")).run().await.exits(2);
            assert_eq!(ran.said("error: "), [format!("error: {expected}")], "{config}: {ran:?}");
            let rest = ran.stderr.lines().filter(|line| !line.starts_with("error: ") && !line.starts_with("hint: "));
            assert_eq!(rest.count(), 0, "{config}: {ran:?}");
            assert_eq!(ran.stdout, "", "{config}");
            assert!(!ran.stderr.contains("s3cret"), "{config}: {ran:?}");
        }
        assert!(!scene.path(JOURNAL).exists() && !scene.path("contactsync.db").exists(), "{config}");
        assert_eq!(scene.calls(), "none", "{config}");
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
        "contactsync.toml:1: key `url`: expected a URL that ends with its path, found a query after it; remove everything from `?` on",
    )
    .await;
    check(
        "[channel.norte]\n[channel.sur]\n",
        "--channel note",
        "--channel: expected one of `norte`, `sur`; did you mean `norte`?",
    )
    .await;
    check("", "--config none.toml", "none.toml: expected a configuration file, found none of that name").await;
    check("", "--config .", ".: cannot read it: expected a regular file, found a directory").await;
}

#[tokio::test]
async fn how_lines_are_written_can_stand_in_the_file() {
    let (scene, _) = configured("log_format = \"json\"").await;
    let program = |options: &str| scene.program(&format!("resume {options}"));
    let told = program("").run().await.exits(2).stderr;
    assert!(told.lines().count() > 0 && told.lines().all(|line| line.starts_with("{\"at\":")), "{told}");
    let told = program("--log-format text").run().await.exits(2).stderr;
    assert!(told.lines().all(|line| !line.starts_with('{')), "{told}");
}

/// Twelve offices, each with a token of its own.
fn offices(scene: &Scene) -> String {
    let url = scene.sandbox.url();
    let mut config = format!("url = \"{url}\"\nmatch = \"email\"\nchannel_column = \"office\"\nrate = 1000000\n");
    for office in 0..12 {
        scene.write(&format!("token-{office}"), format!("token-{office}"));
        config.push_str(&format!("[channel.office-{office}]\ntoken_file = \"token-{office}\"\n"));
    }
    config
}

#[tokio::test]
async fn the_shards_of_an_input_take_each_row_once() {
    let scene = Scene::unlimited().await;
    scene.write("contactsync.toml", offices(&scene));
    let mut rows = "email,office\n".to_owned();
    for person in 0..36 {
        rows.push_str(&format!("person.{person}@example.com,office-{}\n", person % 12));
    }
    // Of no office, of one that there is not, and one that cannot be read.
    rows.push_str("nobody@example.com,\nnowhere@example.com,office-12\nlong@example.com,office-1,more\n");
    scene.write("in.csv", rows);
    let (mut created, mut rejected) = (0, Vec::new());
    for shard in 0..3 {
        let code = if shard == 0 { 3 } else { 0 };
        let options = format!("in.csv --shard {shard}/3 --journal {shard}.db");
        let check = scene.program(&format!("check {options}")).token(None).run().await.exits(code);
        let ran = scene.program(&format!("sync {options} --json")).token(None).run().await.exits(code);
        let object: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(object["created"].as_u64() > Some(0), "{ran:?}");
        created += object["created"].as_u64().unwrap();
        rejected.push(object["rejected"].as_u64().unwrap());
        assert_eq!(object["rows"].as_u64(), Some(object["created"].as_u64().unwrap() + rejected[shard]), "{ran:?}");
        // A check counts what the sync does, and no other shard's rows.
        let mut told = vec![format!("{} rows", object["rows"]), format!("  {} to be sent", object["created"])];
        told.extend((rejected[shard] > 0).then(|| format!("  {} rejected", rejected[shard])));
        let counts = check
            .stdout
            .lines()
            .skip_while(|line| *line != told[0])
            .take_while(|line| !line.is_empty() && !line.contains(':'));
        assert_eq!(counts.collect::<Vec<_>>(), told, "{check:?}");
    }
    assert_eq!((created, rejected), (36, vec![3, 0, 0]));
    for office in 0..12 {
        let there = scene.sandbox.contacts(&format!("token-{office}"));
        assert_eq!(there.len(), 3, "office {office}");
        // Which channel it is stays at home.
        assert!(there.iter().all(|contact| contact.fields.iter().all(|(name, _)| name == "email")));
    }
}

#[tokio::test]
async fn one_token_of_many_that_is_missing_is_told_before_anything_is_sent() {
    let scene = Scene::unlimited().await;
    scene.write("contactsync.toml", offices(&scene));
    scene.write("in.csv", "email,office\nann@example.com,office-1\n");
    fs::remove_file(scene.path("token-7")).unwrap();
    let ran = scene.program("sync in.csv").run().await.exits(2);
    let line = 4 + 2 * 8;
    let error = format!("error: contactsync.toml:{line}: key `token_file`: the file that it names: cannot read it: ");
    assert_eq!(ran.said(&error).len(), 1, "{ran:?}");
    assert_eq!(scene.calls(), "none");
    // Who is not asked for is not missed.
    scene.program("sync in.csv --channel office-1").run().await.exits(0);
    assert_eq!(scene.sandbox.contacts("token-1").len(), 1);
}

#[tokio::test]
async fn a_run_that_may_not_take_longer_leaves_the_rest_to_the_next() {
    let (scene, people) = configured("max_calls = 7").await;
    let sync = |options: &str| scene.program(&format!("sync in.csv --json {options}")).token(None);
    let ran = sync("").run().await.exits(4);
    assert!(ran.stderr.contains("it made the 7 calls that it may make"), "{ran:?}");
    assert_eq!(scene.sandbox.ledger().len(), 7);
    // A call that could take half a minute cannot end within a second.
    let ran = sync("--for 1s --max-calls 1000").run().await.exits(4);
    assert!(ran.stderr.contains("the time is up"), "{ran:?}");
    assert_eq!(scene.sandbox.ledger().len(), 7);
    let ran = scene.program("resume --max-calls 1000 --for 1h").token(None).run().await.exits(0);
    assert_eq!(ran.said("error:"), [""; 0]);
    people.are_all_of(&scene.sandbox);
}

#[tokio::test]
async fn how_long_a_platform_that_is_down_is_waited_for_can_be_said() {
    let (scene, _) = configured("outage_timeout = \"1s\"").await;
    // Nobody listens where it was said to be.
    let gone = Scene::unlimited().await.sandbox.url();
    let begun = std::time::Instant::now();
    let ran = scene.program(&format!("sync in.csv --url {gone}")).token(None).run().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(8), "{ran:?}");
}

#[tokio::test]
async fn how_the_input_is_to_be_read_can_be_said_in_both_places() {
    let scene = Scene::unlimited().await;
    // Two lines before the first contact, no header, and a text that looks like another encoding's.
    scene.write("in.txt", b"Export\n2026\na@example.com^Jos\xE9\nb@example.com^Zo\xEB\n");
    let said = "format = \"csv\"\ndelimiter = \"^\"\nencoding = \"windows-1252\"\nno_header = true\n";
    scene.write("contactsync.toml", format!("{said}match = \"column 1\"\nskip_lines = 9\n"));
    let sync = |options: &str| scene.sync(&format!("in.txt {options}"));
    assert_eq!(sync("--skip-lines 2").run().await.exits(0).summary().rows(), "2 created");
    let mut names: Vec<String> = scene
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
        assert!(ran.said("error:").first().is_some_and(|line| line.contains(part)), "{ran:?}");
    }
}
