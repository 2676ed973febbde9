//! Inputs that a command writes: a failed command sends nothing.

use std::time::{Duration, Instant};

use support::Harness;

const TWO: &str = "printf 'email,name\\na@example.com,A\\nb@example.com,B\\n'";

#[tokio::test]
async fn the_output_of_a_command_is_synced() {
    let harness = Harness::unlimited().await;
    harness.write("export.sh", format!("#!/bin/sh\n{TWO}\necho 'NOTICE: 2 rows' >&2\n"));
    for config in [
        "match = \"email\"\n[source]\ncommand = \"sh export.sh\"\n",
        "match = \"email\"\n[source]\nname = \"crm\"\ncommand = \"sh export.sh\"\n",
        "match = \"email\"\nsource = \"crm\"\ninput_command = \"sh export.sh\"\n",
    ] {
        harness.write("contactsync.toml", config);
        let ran = harness.plan("").run().await.exits(0);
        assert!(ran.stderr.contains("it wrote to standard error: NOTICE: 2 rows"), "{ran:?}");
    }
    let ran = harness.sync("").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "2 created");
    // INPUT wins over the configuration, and so does a command of the command line.
    harness.write("in.csv", "email,name\nc@example.com,C\n");
    assert_eq!(harness.sync("in.csv").run().await.exits(0).summary().rows(), "1 created");
    let ran = harness.sync("").argument("--input-command").argument("cat in.csv in.csv | head -2").run().await.exits(0);
    assert_eq!(ran.summary().rows(), "1 unchanged");
}

#[tokio::test]
async fn a_command_that_fails_sends_nothing() {
    let harness = Harness::unlimited().await;
    let check = async |command: &str, error: &str| {
        for name in ["plan", "sync"] {
            let base = if name == "plan" { harness.plan("--match email") } else { harness.sync("--match email") };
            let ran = base.argument("--input-command").argument(command).run().await.exits(2);
            let errors = ran.stderr_lines("error:");
            assert!(errors.len() == 1 && errors[0].contains(error), "{command}: {ran:?}");
            assert_eq!(harness.calls(), "none", "{command}");
        }
    };
    check(&format!("{TWO}; exit 1"), "the input command failed: exit code 1").await;
    check(
        &format!("{TWO}; echo 'could not connect to server' >&2; exit 2"),
        "the input command failed: exit code 2: could not connect to server",
    )
    .await;
    check(&format!("{TWO}; kill -9 $$"), "the input command failed: killed by signal: 9").await;
    check("false", "the input command failed: exit code 1").await;
    check("/no/such/program --all", "the input command failed: exit code 127").await;
    // The end of a truncated export is no end of a pipe.
    check("(echo email; seq 50000 | sed 's/$/@example.com/') | gzip | head -c 20000", "failed to read the input").await;
    for blank in ["", " ", "\n"] {
        let option = format!("--input-command={blank}");
        let ran = harness.sync("--match email").argument(&option).run().await.exits(2);
        assert!(ran.stderr.contains("the command is empty"), "{ran:?}");
        for config in [format!("input_command = {blank:?}"), format!("source.command = {blank:?}")] {
            harness.write("blank.toml", format!("match = \"email\"\n{config}\n"));
            let ran = harness.sync("--config blank.toml").run().await.exits(2);
            let (place, errors) = ("error: blank.toml:2: key `", ran.stderr_lines("error:"));
            let is_clear =
                errors.len() == 1 && errors[0].starts_with(place) && errors[0].ends_with("the command is empty");
            assert!(is_clear, "{ran:?}");
        }
    }
    let ran = harness.sync("in.csv --match email --input-command true").run().await.exits(2);
    assert!(ran.stderr.contains("cannot be used with"), "{ran:?}");
    let ran = harness.sync("--match email").run().await.exits(2);
    assert!(ran.stderr.contains("no input is given") && ran.stderr.contains("--input-command"), "{ran:?}");
}

#[tokio::test]
async fn a_command_that_hangs_is_left_at_the_deadline() {
    let harness = Harness::unlimited().await;
    let command = "echo email; echo a@example.com; sleep 20";
    let begun = Instant::now();
    let ran = harness.sync("--match email --for 1s").argument("--input-command").argument(command).run().await.exits(4);
    assert!(begun.elapsed() < Duration::from_secs(10), "{ran:?}");
    assert!(ran.stderr.contains("before anything was sent"), "{ran:?}");
    assert_eq!(harness.calls(), "none");
}
