//! Helps, completions, colours and the schema, as a person at a terminal meets them.

use std::process::{Command, Stdio};

use support::tools::skip;
use support::{Harness, program_path};

use crate::terminal::Terminal;

/// What the program writes if standard output and standard error are a terminal of 80 columns.
async fn in_terminal(harness: &Harness, arguments: &str, variables: &[(&str, &str)]) -> String {
    const END: &str = "# end";
    let terminal = Terminal::of(80);
    let (_, path) = terminal.shell().split_once("2>").expect("its path");
    let shell = format!("\"$@\" >{path} 2>&1; echo '{END}' >{path}");
    harness.program(arguments).environment(variables).shell(&shell).run().await;
    terminal.until(END).split(END).next().expect("a text").to_owned()
}

#[tokio::test]
async fn no_color_and_pipes_have_no_escape_sequences() {
    let harness = Harness::unlimited().await;
    let written = async |arguments: &str, variables: &[(&str, &str)]| in_terminal(&harness, arguments, variables).await;
    for arguments in ["--help", "sync -h", "sync --no-such-option"] {
        let term = ("TERM", "xterm-256color");
        assert!(written(arguments, &[term]).await.contains("\u{1b}["), "{arguments}");
        for no_color in ["1", "true"] {
            let text = written(arguments, &[term, ("NO_COLOR", no_color)]).await;
            assert!(text.contains("contactsync") && !text.contains('\u{1b}'), "{arguments}: {text:?}");
        }
        let ran = harness.program(arguments).environment(&[term]).run().await;
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}

#[tokio::test]
async fn a_short_help_fits_a_screen_of_eighty_columns() {
    let harness = Harness::unlimited().await;
    for (command, longer) in [("", true), ("sync", true), ("plan", true), ("sandbox", true), ("journal prune", false)] {
        let text = in_terminal(&harness, &format!("{command} -h"), &[("NO_COLOR", "1")]).await;
        let lines: Vec<&str> = text.lines().collect();
        assert!((10..=40).contains(&lines.len()), "{command}: {} lines\n{text}", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{command}: {text}");
        assert!(text.contains("Examples:"), "{command}: {text}");
        assert_eq!(text.contains("`--help`"), longer, "{command}: {text}");
    }
}

#[tokio::test]
async fn bash_completes_commands_and_options() {
    let script = "source <(\"$0\" completions bash) && COMP_WORDS=(contactsync \"$@\") COMP_CWORD=$# && \
                  _contactsync contactsync \"${COMP_WORDS[$#]}\" \"${COMP_WORDS[$#-1]}\" && printf '%s\\n' \"${COMPREPLY[@]}\"";
    let complete = |words: &[&str]| {
        let output = Command::new("bash").args(["-c", script]).arg(program_path()).args(words).output();
        let output = output.expect("bash");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    if let Err(error) = Command::new("bash").arg("--version").stdout(Stdio::null()).status() {
        return skip("sync", &format!("bash cannot be started: {error}"));
    }
    assert_eq!(complete(&["sy"]), ["sync"]);
    assert_eq!(complete(&["sync", "--max-c"]), ["--max-changes", "--max-calls"]);
    assert_eq!(complete(&["journal", "for"]), ["forget"]);
    assert_eq!(complete(&["sync", "--mode", "up"]), ["upsert", "update"]);
}

#[tokio::test]
async fn the_schema_is_json_for_editors() {
    let harness = Harness::unlimited().await;
    let ran = harness.program("schema").run().await.exits(0);
    assert_eq!(ran.stderr, "");
    let schema: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["mode"]["enum"], serde_json::json!(["upsert", "create", "update"]));
}
