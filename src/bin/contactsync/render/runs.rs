//! The history of a journal, as lines and as JSON.

use std::iter;

use contactsync::history::{Counts, INTERRUPTED, NO_CHANNEL, PastRun, RunRow};
use contactsync::report::WITHOUT_CHANNEL;
use serde_json::{Value, json};

use crate::render::sparkline::sparkline;
use crate::render::summary::{counted_calls, counted_rows, outcomes, shortened, state};
use crate::render::time::{instant, moment, offset_time};

/// What a line shows: number, beginning, channel, input, rows, calls, state.
const COLUMNS: usize = 7;

/// Maximum length of the names that a line shows, in characters.
pub const LONGEST_NAME: usize = 80;

const COUNTS: [&str; 7] = ["created", "updated", "unchanged", "rejected", "merged", "pending", "skipped"];

/// The runs, a line each, with aligned columns. `rates` are the calls of each run over its time, which are drawn; or empty.
pub fn lines(runs: &[PastRun], rates: &[Vec<u64>]) -> Vec<String> {
    let rates = rates.iter().map(Vec::as_slice).chain(iter::repeat(&[][..]));
    aligned(&runs.iter().zip(rates).map(|(run, rate)| cells(run, rate)).collect::<Vec<_>>())
}

/// The names of the inputs of some runs, in one text. The runs of several channels usually have one input.
pub fn input_names(runs: &[RunRow]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.input.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    shortened(&names.join(", "), LONGEST_NAME).into()
}

fn state_name(past: &PastRun) -> &'static str {
    if past.is_interrupted { INTERRUPTED } else { past.run.state.name() }
}

// The summary of the run; its counts when it has none.
fn counts(past: &PastRun) -> Value {
    match (&past.counts, past.run.summary.as_deref().map(serde_json::from_str)) {
        (None, Some(Ok(summary))) => summary,
        (counts, _) => live(&counts.clone().unwrap_or_default()),
    }
}

fn live(counts: &Counts) -> Value {
    json!({
        "rows": counts.rows,
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
        "merged": counts.merged,
        "pending": counts.pending,
        "skipped": counts.skipped,
        "missing": counts.missing,
        "calls": { "total": counts.calls.values().sum::<u64>() },
    })
}

/// The run as JSON.
pub fn object(past: &PastRun) -> Value {
    let PastRun { run, .. } = past;
    let time = |at| instant(at).map(offset_time);
    let mut object = json!({
        "run": run.id,
        "channel": run.channel,
        "url": run.url,
        "input": run.input,
        "started": time(run.started_at),
        "ended": run.ended_at.and_then(time),
    });
    if let (Value::Object(object), Value::Object(counts)) = (&mut object, counts(past)) {
        object.extend(counts);
        // Earlier versions wrote summaries without it.
        object.entry("skipped").or_insert_with(|| 0.into());
        object.entry("missing").or_insert_with(|| 0.into());
        // How the run is now: it may have been replaced after it was summed up.
        object.insert("state".into(), state_name(past).into());
        object.insert("reason".into(), run.reason.clone().into());
    }
    object
}

fn cells(past: &PastRun, rate: &[u64]) -> [String; COLUMNS] {
    let (run, counts) = (&past.run, counts(past));
    let of = |name: &str| counts[name].as_u64().unwrap_or(0);
    [
        format!("run {}", run.id),
        moment(run.started_at),
        if run.channel == NO_CHANNEL { WITHOUT_CHANNEL.into() } else { shortened(&run.channel, LONGEST_NAME).into() },
        shortened(&run.input, LONGEST_NAME).into(),
        format!("{}: {}", counted_rows(of("rows")), outcomes(&COUNTS.map(|name| (of(name), name)))),
        format!("{} {}", counted_calls(counts["calls"]["total"].as_u64().unwrap_or(0)), sparkline(rate))
            .trim_end()
            .into(),
        state(state_name(past), run.reason.as_deref()),
    ]
}

// Each column as wide as its longest cell. The last one, which may be a sentence, is not filled up.
fn aligned(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width = |at: usize| rows.iter().map(|cells| cells[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |cells: &[String; COLUMNS]| {
        let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
