//! What is printed on standard output: data.

use std::io::{self, Write};

use contactsync::{Calls, RunSummary};

use crate::progress::short_time;

/// Prints a text and the end of its line. A reader that has gone (`| head`) is no failure: the work is done.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A run's summary for people.
pub fn run_text(summary: &RunSummary) -> String {
    let mut text = String::new();
    if let Some(run) = summary.run {
        text.push_str(&format!("run {run} {}", summary.state));
    }
    text.push_str(&format!(
        "\n  {} rows: {}",
        summary.rows,
        outcomes(&[
            (summary.created, "created"),
            (summary.updated, "updated"),
            (summary.unchanged, "unchanged"),
            (summary.rejected, "rejected"),
            (summary.merged, "merged"),
            (summary.pending, "pending"),
        ])
    ));
    text.push_str(&format!("\n  {} calls{}", summary.calls.total, calls(&summary.calls)));
    if summary.retries > 0 {
        text.push_str(&format!("; {} without a usable answer, {} of them 429", summary.retries, summary.throttled));
    }
    text.push_str(&format!("\n  {}", took(summary.seconds)));
    text
}

/// How a run stands, with the reason, which may say the state itself: `stopped by SIGINT`.
pub fn state(state: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) if reason.starts_with(state) => reason.to_owned(),
        Some(reason) => format!("{state}: {reason}"),
        None => state.to_owned(),
    }
}

/// The non-zero ones of so many of each, as `3 created, 1 rejected`; `none` when all are zero.
pub fn outcomes(counts: &[(u64, &str)]) -> String {
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none".into() } else { counts.join(", ") }
}

fn calls(calls: &Calls<u64>) -> String {
    let kinds = outcomes(&[
        (calls.find, "find"),
        (calls.read, "read"),
        (calls.create, "create"),
        (calls.update, "update"),
        (calls.add_tags, "add tags"),
        (calls.remove_tags, "remove tags"),
    ]);
    if calls.total == 0 { String::new() } else { format!(": {kinds}") }
}

fn took(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.1} s") } else { short_time(std::time::Duration::from_secs_f64(seconds)) }
}
