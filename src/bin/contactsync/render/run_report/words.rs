//! The wording that the text, the page and the JSON of a report share.

use std::time::Duration;

use contactsync::Timestamp;
use contactsync::history::{INTERRUPTED, NO_CHANNEL};
use contactsync::report::{CallKind, WITHOUT_CHANNEL};
use contactsync::run_report::{CallFailure, RemainingWork, RunProgress, RunReport};

use crate::render::duration::time_range;
use crate::render::runs::LONGEST_NAME;
use crate::render::summary::{counted_calls, counted_contacts, counted_rows, grouped, shortened, took};
use crate::render::time::{moment, time_of_day};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// The counts of rows with their names, in the order of summaries.
pub const fn outcomes(report: &RunReport) -> [(u64, &'static str); 7] {
    let counts = &report.counts;
    [
        (counts.created, "created"),
        (counts.updated, "updated"),
        (counts.unchanged, "unchanged"),
        (counts.rejected, "rejected"),
        (counts.merged, "merged"),
        (counts.pending, "pending"),
        (counts.skipped, "skipped"),
    ]
}

/// The number of all calls.
pub fn all_calls(report: &RunReport) -> u64 {
    report.counts.calls.values().sum()
}

/// The state of the run, as `runs` names it.
pub fn state(report: &RunReport) -> &'static str {
    match report.progress {
        RunProgress::Interrupted => INTERRUPTED,
        RunProgress::Running
        | RunProgress::Finished
        | RunProgress::Stopped
        | RunProgress::Failed
        | RunProgress::Replaced => report.run.state.name(),
    }
}

/// The channel, cut to a line.
pub fn channel(report: &RunReport) -> String {
    let name = if report.run.channel == NO_CHANNEL { WITHOUT_CHANNEL } else { &report.run.channel };
    shortened(name, LONGEST_NAME).into()
}

/// A time that was measured: `32 ms`, `1.2 s`, `2 min 4 s`.
pub fn measured(time: Duration) -> String {
    if time < SECOND { format!("{} ms", time.as_millis()) } else { took(time.as_secs_f64()) }
}

/// The kind of a call in words, such as `add tags`.
pub fn kind_words(kind: CallKind) -> String {
    kind.name().replace('_', " ")
}

/// The lines of some rows: `lines 2, 5 and 9`, `lines 2, 5, 9 and 40 more`.
pub fn lines_of(lines: &[u64], rows: u64, most: usize) -> String {
    let shown: Vec<String> = lines.iter().take(most).map(u64::to_string).collect();
    let more = rows.saturating_sub(shown.len() as u64);
    match (shown.split_last(), more) {
        (None, _) => String::new(),
        (Some((only, [])), 0) => format!("line {only}"),
        (Some((last, first)), 0) => format!("lines {} and {last}", first.join(", ")),
        (Some(_), more) => format!("lines {} and {} more", shown.join(", "), grouped(more)),
    }
}

/// What a failed call got, such as `429` or `no answer: connection reset`.
pub fn failure(failure: &CallFailure) -> String {
    let what = match failure.result {
        "throttled" => "too many calls",
        "lost" => "no usable answer",
        "unsent" => "not sent",
        "queued" => "postponed",
        "missing" => "no such contact",
        "taken" => "identifier of another contact",
        "unauthorized" => "token refused",
        "wrong_path" => "unknown path",
        other => other,
    };
    let status = failure.status.map(|status| format!(" ({status})")).unwrap_or_default();
    let message = if failure.message.is_empty() { String::new() } else { format!(": {}", failure.message) };
    format!("{what}{status}{message}")
}

/// How much is left: `12 rows and 3 marks of missing contacts`.
pub fn what_is_left(left: &RemainingWork) -> String {
    let marks = || format!("{} to mark as missing", counted_contacts(left.marks));
    match (left.rows, left.marks) {
        (rows, 0) => counted_rows(rows),
        (0, _) => marks(),
        (rows, _) => format!("{} and {}", counted_rows(rows), marks()),
    }
}

/// The calls that are left: `9 calls`, `3 to 9 calls`.
pub fn calls_left(left: &RemainingWork) -> String {
    let (min, max) = (left.calls.min, left.calls.max);
    if min == max { counted_calls(max) } else { format!("{} to {}", grouped(min), counted_calls(max)) }
}

/// How long the rest takes, and when it is done.
pub fn when_done(report: &RunReport, left: &RemainingWork, now: Timestamp) -> String {
    let time = time_range(left.eta.time.min, left.eta.time.max);
    let (first, last) = (clock(now, now + left.eta.time.min), clock(now, now + left.eta.time.max));
    let when = if first == last { format!("at about {last}") } else { format!("between {first} and {last}") };
    match report.progress {
        RunProgress::Running => format!("{time} at the limit; done {when}"),
        RunProgress::Interrupted
        | RunProgress::Finished
        | RunProgress::Stopped
        | RunProgress::Failed
        | RunProgress::Replaced => format!("{time} at the limit; resumed now, it is done {when}"),
    }
}

// A later day needs its date.
fn clock(now: Timestamp, at: Timestamp) -> String {
    let (today, day) = (moment(now), moment(at));
    let is_today = today.get(..10) == day.get(..10) && at.since(now) < DAY;
    if is_today { time_of_day(at) } else { day.get(..16).unwrap_or(&day).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_listed_within_bounds() {
        let check = |lines: &[u64], rows, expected: &str| assert_eq!(lines_of(lines, rows, 3), expected);
        check(&[], 0, "");
        check(&[2], 1, "line 2");
        check(&[2, 5], 2, "lines 2 and 5");
        check(&[2, 5, 9], 3, "lines 2, 5 and 9");
        check(&[2, 5, 9, 11], 4, "lines 2, 5, 9 and 1 more");
        check(&[2, 5, 9], 50_000, "lines 2, 5, 9 and 49,997 more");
        check(&[2], 2, "lines 2 and 1 more");
    }

    #[test]
    fn a_measured_time_has_a_unit() {
        let check = |millis, expected: &str| assert_eq!(measured(Duration::from_millis(millis)), expected);
        check(0, "0 ms");
        check(999, "999 ms");
        check(1_240, "1.2 s");
        check(124_000, "2 min 4 s");
    }
}
