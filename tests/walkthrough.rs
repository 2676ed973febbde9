//! Runs the pages "A safe nightly sync", "Questions", "Contacts by hand" and "Explain" word for word: their commands in their order, with the
//! output and the exit codes that they show.

#![expect(clippy::unwrap_used, reason = "a helper that panics fails the test it is called by")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

const NIGHTLY_SYNC: &str = include_str!("../docs/safe-nightly-sync.md");
const BY_HAND: &str = include_str!("../docs/contact.md");
const QUESTIONS: &str = include_str!("../docs/questions.md");
const EXPLAIN: &str = include_str!("../docs/explain.md");

/// The address of the sandbox on the pages.
const ADDRESS: &str = "http://127.0.0.1:8100/api/v1";

/// A fenced block of the page.
struct Block<'a> {
    /// The comment before it, such as `exit 7`; blank without one.
    mark: &'a str,
    language: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut mark) = (Vec::new(), "");
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
            blocks.push(Block { mark, language, text });
        }
        mark = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")).unwrap_or_default();
    }
    blocks
}

/// The sandbox of the page, on a free port.
struct Sandbox {
    process: Child,
    url: String,
}

impl Sandbox {
    fn start(command: &str) -> Self {
        let arguments = command.trim().strip_prefix("contactsync ").unwrap().split(' ');
        let mut sandbox = Command::new(env!("CARGO_BIN_EXE_contactsync"));
        let mut process =
            sandbox.args(arguments).args(["--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A line without dates with a time, and without the milliseconds of calls.
fn timeless(line: &str) -> String {
    const FORM: &str = "0000-00-00 00:00:00";
    let is_date = |text: &str| {
        let of_form = |(found, form): (char, char)| if form == '0' { found.is_ascii_digit() } else { found == form };
        text.len() == FORM.len() && text.chars().zip(FORM.chars()).all(of_form)
    };
    let mut line = line.to_owned();
    while let Some(at) = (0..line.len()).find(|at| line.get(*at..*at + FORM.len()).is_some_and(is_date)) {
        line.replace_range(at..at + FORM.len(), "DATE");
    }
    match line.strip_suffix(" ms)").and_then(|rest| rest.rsplit_once(" (")) {
        Some((rest, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{rest} (MS)"),
        Some(_) | None => line,
    }
}

/// What a person sees of an output every time: without times, durations and progress.
fn shown(output: &str, url: &str) -> String {
    let is_duration = |line: &str| line.starts_with("  ") && line.ends_with(" s") && line.trim().len() < 8;
    let without_time = |line: &str| match line.split_once(' ') {
        Some((time, rest)) if time.len() > 18 && time.as_bytes()[10] == b'T' => rest.to_owned(),
        _ => line.to_owned(),
    };
    let lines = output.lines().map(without_time).filter(|line| !line.contains(" calls this minute"));
    lines
        .map(
            |line| {
                if is_duration(&line) { "  TIME\n".to_owned() } else { timeless(&line.replace(url, ADDRESS)) + "\n" }
            },
        )
        .collect()
}

#[test]
fn the_page_about_a_nightly_sync_runs_as_it_is_written() {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert!(env::var_os("CI").is_none(), "curl is missing: install it with `apt-get install curl`");
        return support::tools::skip("walkthrough", "curl is missing");
    }
    assert!(run(NIGHTLY_SYNC) > 15);
}

#[test]
fn the_pages_about_one_contact_run_as_they_are_written() {
    assert!(run(BY_HAND) > 8);
    assert!(run(EXPLAIN) > 5);
}

#[test]
fn each_question_is_answered_by_its_command() {
    assert!(run(QUESTIONS) > 10);
}

/// Whether a page shows an output. A line `…` of the page stands for any lines.
fn is_shown(output: &str, page: &str) -> bool {
    let mut parts = page.split("…\n");
    let Some(mut rest) = parts.next().and_then(|first| output.strip_prefix(first)) else { return false };
    let mut is_open = false;
    for part in parts {
        // Each part begins at the beginning of a line.
        let begins = |at: &usize| *at == 0 || rest.as_bytes()[at - 1] == b'\n';
        let Some(at) = rest.match_indices(part).map(|(at, _)| at).find(begins) else { return false };
        (rest, is_open) = (&rest[at + part.len()..], part.is_empty());
    }
    rest.is_empty() || is_open
}

#[test]
fn lines_that_are_left_out_of_a_page_are_the_only_ones_that_may_differ() {
    let output = "one\ntwo\nthree\n";
    for (page, expected) in [
        ("one\ntwo\nthree\n", true),
        ("one\n…\n", true),
        ("…\nthree\n", true),
        ("one\n…\nthree\n", true),
        ("…\ntwo\n…\n", true),
        ("one\n", false),
        ("two\n…\n", false),
        ("…\ntwo\n", false),
        ("…\nwo\n…\n", false),
        ("…\nthree\n…\none\n", false),
    ] {
        assert_eq!(is_shown(output, page), expected, "{page}");
    }
}

/// Runs the commands of a page, compares their output, and returns how many there are.
fn run(page: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let of_page = |name: &str| folder.path().join(name);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contacts.csv"), of_page("export.csv")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_contactsync")).parent().unwrap();
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap());
    let (mut sandbox, mut output, mut commands) = (None, String::new(), 0);
    for Block { mark, language, text } in blocks(page) {
        let url = |sandbox: &Option<Sandbox>| sandbox.as_ref().map(|sandbox| sandbox.url.clone()).unwrap_or_default();
        let text = text.replace(ADDRESS, &url(&sandbox));
        match (language, mark.split_once(' ').unwrap_or((mark, ""))) {
            ("sh", ("sandbox", _)) => sandbox = Some(Sandbox::start(&text)),
            ("toml", ("write", name)) => fs::write(of_page(name), text).unwrap(),
            ("toml", ("insert", name)) => {
                let rest = fs::read_to_string(of_page(name)).unwrap();
                fs::write(of_page(name), text + &rest).unwrap();
            }
            ("sh", ("not", "run")) | ("text", ("crontab", _)) => {}
            ("sh", (kind, code)) => {
                assert!(kind.is_empty() || kind == "exit", "{mark}");
                let mut shell = Command::new("sh");
                shell.args(["-ec", &format!("exec 2>&1\n{text}")]).current_dir(folder.path()).env("PATH", &path);
                let ran = shell.env("CONTACTSYNC_TOKEN", "any").env("TZ", "UTC").stdin(Stdio::null()).output().unwrap();
                output = shown(&String::from_utf8(ran.stdout).unwrap(), &url(&sandbox));
                let expected = if code.is_empty() { 0 } else { code.parse().unwrap() };
                assert_eq!(ran.status.code(), Some(expected), "{text}\n{output}");
                commands += text.matches("contactsync ").count();
            }
            ("text", ("", _)) => {
                let expected = shown(&text, &url(&sandbox));
                assert!(is_shown(&output, &expected), "the page has\n{expected}\nand the program prints\n{output}");
            }
            (language, _) => panic!("a block of {language} marked `{mark}`"),
        }
    }
    commands
}
