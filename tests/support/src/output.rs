//! What a program wrote and how it ended.

use std::collections::BTreeSet;

use contactsync::report::CallKind;
use serde_json::Value as Json;

/// The contract's keys of a summary.
const KEYS: [&str; 16] = [
    "run",
    "state",
    "reason",
    "rows",
    "created",
    "updated",
    "unchanged",
    "rejected",
    "merged",
    "pending",
    "skipped",
    "missing",
    "calls",
    "retries",
    "throttled",
    "seconds",
];

/// The contract's keys of the calls in a summary.
const CALL_KEYS: [&str; 7] = ["total", "find", "read", "create", "update", "add_tags", "remove_tags"];

/// A program that ended.
#[derive(Debug)]
pub struct Output {
    pub(crate) arguments: String,
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error without the timestamps of its lines.
    pub stderr: String,
    /// Standard error with the timestamps.
    pub log: String,
}

impl Output {
    /// A program that ended with this exit code and wrote this.
    pub fn of(code: Option<i32>, stdout: String, log: &str) -> Self {
        let stderr = log.split_inclusive('\n').map(undated).collect();
        Self { arguments: String::new(), code, stdout, stderr, log: log.to_owned() }
    }

    /// Checks the exit code.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the exit code is often all that a test checks")]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\nstdout: {}\nstderr: {}", self.arguments, self.stdout, self.stderr);
        self
    }

    /// The summary on standard output. Checks that it is one object, has the contract's keys, and that its counts add up.
    #[track_caller]
    pub fn summary(&self) -> Summary {
        let json = self.object();
        let more = ["dropped_fields", "marks_pending"].into_iter().filter(|key| json.get(key).is_some());
        assert_keys(&json, &KEYS.into_iter().chain(more).collect::<Vec<_>>());
        assert_keys(&json["calls"], &CALL_KEYS);
        let summary = Summary { json };
        assert!(["finished", "stopped", "failed"].contains(&summary.text("state")), "{}", self.stdout);
        let kinds: u64 = CALL_KEYS[1..].iter().map(|kind| number(&summary.json["calls"][kind])).sum();
        assert_eq!(kinds, number(&summary.json["calls"]["total"]), "{}", self.stdout);
        summary
    }

    /// The summary of a plan on standard output, with the same checks.
    #[track_caller]
    pub fn planned(&self) -> Summary {
        let json = self.object();
        let more = ["diff", "fields", "marks_pending"].into_iter().filter(|key| json.get(key).is_some());
        let expected: Vec<&str> = KEYS.into_iter().chain(["minutes"]).chain(more).collect();
        assert_keys(&json, &expected);
        assert_keys(&json["calls"], &CALL_KEYS);
        for range in CALL_KEYS.iter().map(|kind| &json["calls"][kind]).chain([&json["minutes"]]) {
            assert_keys(range, &["min", "max"]);
        }
        Summary { json }
    }

    #[track_caller]
    fn object(&self) -> Json {
        assert_eq!(self.stdout.lines().count(), 1, "{}\nstdout: {}", self.arguments, self.stdout);
        let json: Json = serde_json::from_str(&self.stdout).expect("standard output is one JSON object");
        let of = |name: &str| number(&json[name]);
        let ends = ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped"].map(of);
        assert_eq!(of("rows"), ends.iter().sum::<u64>(), "{}", self.stdout);
        json
    }

    /// The lines on standard error that start with this text.
    pub fn stderr_lines(&self, beginning: &str) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with(beginning)).collect()
    }
}

/// A summary that has the contract's keys.
#[derive(Debug)]
pub struct Summary {
    /// The object.
    pub json: Json,
}

impl Summary {
    /// How the rows ended, as `2 created, 1 rejected`.
    pub fn rows(&self) -> String {
        let names = ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped"];
        in_words(&names.map(|name| (self.count(name), name)))
    }

    /// The calls, as `2 find, 1 create`.
    pub fn calls(&self) -> String {
        let count = |kind: &str| usize::try_from(number(&self.json["calls"][kind])).expect("a small number");
        in_words(&CallKind::ALL.map(|kind| (count(kind.name()), kind.name())))
    }

    /// A number of the summary; one that is missing fails the test.
    #[track_caller]
    pub fn count(&self, name: &str) -> usize {
        usize::try_from(number(&self.json[name])).expect("a small number")
    }

    /// A text of the summary; empty where it is null.
    pub fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_default()
    }
}

/// A log line without its timestamp, if it has one.
pub fn undated(line: &str) -> &str {
    const FORM: &str = "0000-00-00T00:00:00+00:00 ";
    let is_of_form = |(found, form): (char, char)| match form {
        '0' => found.is_ascii_digit(),
        '+' => found == '+' || found == '-',
        other => found == other,
    };
    match line.split_at_checked(FORM.len()) {
        Some((date, rest)) if date.chars().zip(FORM.chars()).all(is_of_form) => rest,
        Some(_) | None => line,
    }
}

pub(crate) fn in_words(counts: &[(usize, &str)]) -> String {
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".into() } else { counts.join(", ") }
}

#[track_caller]
fn number(json: &Json) -> u64 {
    json.as_u64().unwrap_or_else(|| panic!("expected a number, found {json}"))
}

#[track_caller]
fn assert_keys(json: &Json, expected: &[&str]) {
    let keys: BTreeSet<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, expected.iter().copied().collect(), "{json}");
}
