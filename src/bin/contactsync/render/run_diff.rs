//! How two runs differ, as lines and as JSON.

use contactsync::report::CallKind;
use contactsync::run_report::{ReasonChange, RunComparison, RunReport};
use serde_json::{Value, json};

use crate::render::run_report::json::{calls, time};
use crate::render::run_report::words::{all_calls, channel, kind_words, outcomes, state};
use crate::render::runs::LONGEST_NAME;
use crate::render::summary::{counted, grouped, shortened, took};
use crate::render::time::moment;

/// A line of the comparison: what it is, its two values, and the difference.
type Row = [String; 4];

/// Maximum number of reasons that are printed.
const REASONS: usize = 20;

/// The comparison, a line for each value in which the runs may differ.
pub fn lines(compared: &RunComparison) -> Vec<String> {
    let RunComparison { before, after, reasons } = compared;
    let mut rows = vec![
        words("", |report| format!("run {}", report.run.id), before, after),
        words("state", |report| state(report).to_owned(), before, after),
        words("started", |report| moment(report.run.started_at), before, after),
        words("input", |report| shortened(&report.run.input, LONGEST_NAME).into(), before, after),
        words("channel", channel, before, after),
        seconds(before, after),
        numbers("rows", before.counts.rows, after.counts.rows),
    ];
    let outcomes = outcomes(before).into_iter().zip(outcomes(after));
    rows.extend(some(outcomes.map(|((one, name), (other, _))| (name, one, other))));
    rows.extend(some([("missing", before.counts.missing, after.counts.missing)]));
    rows.push(numbers("calls", all_calls(before), all_calls(after)));
    let of = |report: &RunReport, kind| report.counts.calls.get(&kind).copied().unwrap_or(0);
    let names = CallKind::ALL.map(kind_words);
    let kinds = CallKind::ALL.into_iter().zip(&names);
    rows.extend(some(kinds.map(|(kind, name)| (name.as_str(), of(before, kind), of(after, kind)))));
    rows.extend(some([
        ("retries", before.counts.retries, after.counts.retries),
        ("with status 429", before.counts.throttled, after.counts.throttled),
        ("busiest minute", before.rate.peak, after.rate.peak),
    ]));
    let mut lines = aligned(&rows);
    if !reasons.is_empty() {
        lines.extend([String::new(), "rejected rows".to_owned()]);
        lines.extend(reasons.iter().take(REASONS).map(reason));
        let more = reasons.len().saturating_sub(REASONS) as u64;
        if more > 0 {
            lines.push(format!("  … and {}; `--json` lists all", counted(more, "more reason", "more reasons")));
        }
    }
    lines
}

fn words(name: &str, of: impl Fn(&RunReport) -> String, before: &RunReport, after: &RunReport) -> Row {
    [name.to_owned(), of(before), of(after), String::new()]
}

fn numbers(name: &str, before: u64, after: u64) -> Row {
    let change = if after < before {
        format!("−{}", grouped(before - after))
    } else {
        format!("+{}", grouped(after - before))
    };
    [name.to_owned(), grouped(before), grouped(after), if before == after { "=".into() } else { change }]
}

// Those that are not 0 in both runs.
fn some<'a>(counts: impl IntoIterator<Item = (&'a str, u64, u64)>) -> Vec<Row> {
    let counts = counts.into_iter().filter(|(_, before, after)| before + after > 0);
    counts.map(|(name, before, after)| numbers(&format!("  {name}"), before, after)).collect()
}

fn seconds(before: &RunReport, after: &RunReport) -> Row {
    let [one, other] = [before, after].map(worked);
    let change = match took((other - one).abs()) {
        // As far as it is shown.
        none if none == took(0.0) => "=".to_owned(),
        less if other < one => format!("−{less}"),
        more => format!("+{more}"),
    };
    ["time".to_owned(), took(one), took(other), change]
}

#[expect(clippy::cast_precision_loss, reason = "no run takes 2^53 milliseconds")]
fn worked(report: &RunReport) -> f64 {
    report.run.worked_ms as f64 / 1_000.0
}

fn reason(change: &ReasonChange) -> String {
    let ReasonChange { reason, before, after } = change;
    match (before, after) {
        (0, after) => format!("  new   {}: {reason}", grouped(*after)),
        (before, 0) => format!("  gone  {}: {reason}", grouped(*before)),
        (before, after) => format!("  {} → {}: {reason}", grouped(*before), grouped(*after)),
    }
}

// Each column as wide as its longest cell. Numbers and words are aligned at the left, because they share columns.
fn aligned(rows: &[Row]) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &Row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The comparison as one object: the two runs, and what the second one has more of.
pub fn object(compared: &RunComparison) -> Value {
    let RunComparison { before, after, reasons } = compared;
    let difference = |one: u64, other: u64| i128::from(other) - i128::from(one);
    let number = |one: u64, other: u64| i64::try_from(difference(one, other)).unwrap_or(i64::MAX);
    let mut more = json!({
        "rows": number(before.counts.rows, after.counts.rows),
        "missing": number(before.counts.missing, after.counts.missing),
        "calls": number(all_calls(before), all_calls(after)),
        "retries": number(before.counts.retries, after.counts.retries),
        "throttled": number(before.counts.throttled, after.counts.throttled),
        "seconds": worked(after) - worked(before),
    });
    for ((one, name), (other, _)) in outcomes(before).into_iter().zip(outcomes(after)) {
        more[name] = number(one, other).into();
    }
    let reasons: Vec<Value> = reasons
        .iter()
        .map(|change| json!({ "reason": change.reason, "before": change.before, "after": change.after }))
        .collect();
    json!({ "before": side(before), "after": side(after), "difference": more, "rejected_reasons": reasons })
}

fn side(report: &RunReport) -> Value {
    let RunReport { run, counts, .. } = report;
    let mut side = json!({
        "run": run.id,
        "state": state(report),
        "channel": run.channel,
        "input": run.input,
        "started": time(run.started_at),
        "ended": run.ended_at.map(time),
        "seconds": worked(report),
        "rows": counts.rows,
        "missing": counts.missing,
        "calls": calls(report),
        "retries": counts.retries,
        "throttled": counts.throttled,
        "busiest_minute": report.rate.peak,
    });
    for (count, name) in outcomes(report) {
        side[name] = count.into();
    }
    side
}
