//! Prints data on standard output.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contactsync::report::{Calls, RunSummary};

use crate::escape::{escaped, escaped_json};
use crate::failure::Failure;
use crate::stderr::STDERR;

/// The time limit for writing earlier lines on standard error, so that they appear above the output.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the program is writing to standard output, which blocks while its reader does not read.
static IS_PRINTING: AtomicBool = AtomicBool::new(false);

/// Whether the program is writing to standard output now. Its work is done then, and it can exit immediately.
pub fn is_printing() -> bool {
    IS_PRINTING.load(Ordering::Acquire)
}

/// Prints a line.
///
/// # Errors
/// As [`print_lines`].
pub fn print(line: &str) -> Result<(), Failure> {
    print_lines(&[line])
}

/// Prints lines. Control characters in them are escaped.
///
/// # Errors
/// If they cannot be written, for instance on a full disk: a script must not take half of a text for all of it. A closed
/// pipe (`| head`) is not an error.
pub fn print_lines(lines: &[impl AsRef<str>]) -> Result<(), Failure> {
    let lines: Vec<Cow<'_, str>> = lines.iter().map(|line| escaped(line.as_ref())).collect();
    write(&lines.join("\n"))
}

/// Prints a text of the program with its line breaks.
///
/// # Errors
/// As [`print_lines`].
pub fn print_text(text: &str) -> Result<(), Failure> {
    write(text.trim_end())
}

/// Prints JSON, which may have line breaks between its tokens.
///
/// # Errors
/// As [`print_lines`].
pub fn print_json(json: &str) -> Result<(), Failure> {
    write(&escaped_json(json))
}

fn write(text: &str) -> Result<(), Failure> {
    STDERR.flush(FLUSH_TIMEOUT);
    IS_PRINTING.store(true, Ordering::Release);
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    IS_PRINTING.store(false, Ordering::Release);
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The summary of a run as lines of text: of several channels, the sum and then each of them.
pub fn run_text(summary: &RunSummary) -> Vec<String> {
    let head = match (summary.run, summary.channels.len()) {
        (Some(run), _) => format!("run {run} {}", summary.state),
        (None, 0) => String::new(),
        (None, _) => format!("several channels: {}", summary.state),
    };
    let mut made = format!("  {}{}", counted_calls(summary.calls.total), calls(&summary.calls));
    if summary.retries > 0 {
        made.push_str(&format!("; {} failed ({} with status 429)", summary.retries, summary.throttled));
    }
    let mut lines = vec![head, format!("  {}", rows_text(summary)), made, format!("  {}", took(summary.seconds))];
    let width = summary.channels.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, channel) in &summary.channels {
        let state = state(channel.state, channel.reason.as_deref());
        let calls = counted_calls(channel.calls.total);
        lines.push(format!("  {name:width$}  {state}; {}; {calls}", rows_text(channel)));
    }
    lines
}

fn rows_text(summary: &RunSummary) -> String {
    let outcomes = outcomes(&[
        (summary.created, "created"),
        (summary.updated, "updated"),
        (summary.unchanged, "unchanged"),
        (summary.rejected, "rejected"),
        (summary.merged, "merged"),
        (summary.pending, "pending"),
        (summary.skipped, "skipped"),
    ]);
    let missing = match summary.missing {
        0 => String::new(),
        missing => format!("; {} missing", grouped(missing)),
    };
    format!("{}: {outcomes}{missing}", counted_rows(summary.rows))
}

/// The longest reason that is printed as text, in characters.
const LONGEST_REASON: usize = 1_000;

/// The state of a run and its reason. A reason that begins with the state stands alone: `stopped by SIGINT`.
pub fn state(state: &str, reason: Option<&str>) -> String {
    let reason = reason.map(|reason| shortened(reason, LONGEST_REASON));
    match reason.as_deref() {
        Some(reason) if reason.starts_with(state) => reason.to_owned(),
        Some(reason) => format!("{state}: {reason}"),
        None => state.to_owned(),
    }
}

/// A text from a journal or an input, cut to this number of characters.
pub fn shortened(text: &str, length: usize) -> Cow<'_, str> {
    match text.char_indices().nth(length) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// A number with its noun: `1 row`, `1,240 rows`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number of rows: `1 row`, `1,240 rows`.
pub fn counted_rows(rows: u64) -> String {
    counted(rows, "row", "rows")
}

/// A number of contacts: `1 contact`, `1,240 contacts`.
pub fn counted_contacts(contacts: u64) -> String {
    counted(contacts, "contact", "contacts")
}

/// A number of calls: `1 call`, `1,240 calls`.
pub fn counted_calls(calls: u64) -> String {
    counted(calls, "call", "calls")
}

/// A number with its digits in groups of three: `1,240`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The counts that are not zero, as `3 created, 1 rejected`; `none` if all are zero.
pub fn outcomes(counts: &[(u64, &str)]) -> String {
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", grouped(*count)))
        .collect();
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

// The time that a run took. It is not rounded up, unlike the time that is left.
/// A time in seconds, for the end of a summary.
pub fn took(seconds: f64) -> String {
    let whole = std::time::Duration::from_secs_f64(seconds).as_secs();
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_singular() {
        let one = || RunSummary {
            rows: 1,
            created: 1,
            calls: Calls { total: 1, create: 1, ..Calls::default() },
            state: "finished",
            ..RunSummary::default()
        };
        assert_eq!(
            run_text(&RunSummary { run: Some(1), ..one() }),
            ["run 1 finished", "  1 row: 1 created", "  1 call: 1 create", "  0.0 s"]
        );
        let several = run_text(&RunSummary { channels: [("c".to_owned(), one())].into(), ..one() });
        assert_eq!(several[4], "  c  finished; 1 row: 1 created; 1 call");
    }

    #[test]
    fn a_time_that_is_over_is_not_rounded_up() {
        assert_eq!(took(1.24), "1.2 s");
        assert_eq!(took(124.3), "2 min 4 s");
        assert_eq!(took(7_265.0), "2 h 1 min");
    }

    #[test]
    fn a_large_number_is_grouped() {
        let check = |number: u64, expected: &str| assert_eq!(grouped(number), expected);
        check(0, "0");
        check(999, "999");
        check(1_240, "1,240");
        check(123_456, "123,456");
        check(1_234_567, "1,234,567");
        assert_eq!([0, 1, 1_240].map(counted_rows), ["0 rows", "1 row", "1,240 rows"]);
        assert_eq!([0, 1, 1_240].map(counted_contacts), ["0 contacts", "1 contact", "1,240 contacts"]);
        assert_eq!([0, 1, 1_240].map(counted_calls), ["0 calls", "1 call", "1,240 calls"]);
    }

    #[test]
    fn a_reason_that_begins_with_the_state_stands_alone() {
        assert_eq!(state("finished", None), "finished");
        assert_eq!(state("stopped", Some("stopped by SIGINT")), "stopped by SIGINT");
        assert_eq!(state("stopped", Some("the platform is gone")), "stopped: the platform is gone");
    }
}
