//! `runs`: the history of a journal.

use std::path::Path;

use contactsync::{Counts, Journal, Lock, NO_CHANNEL, RunRow, RunState, WITHOUT_CHANNEL};
use serde_json::{Value, json};

use crate::args::RunsArgs;
use crate::commands::{instant, moment, offset_time, shown};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::options::JournalArgs;
use crate::render::summary::{counted_calls, counted_rows, outcomes, print, print_json, print_lines, shortened, state};
use crate::settings::journal;

pub fn run(args: &RunsArgs, config: Config) -> Result<Exit, Failure> {
    let path = journal(JournalArgs { journal: args.journal.journal.clone().or(config.layer.journal.journal) })?;
    if !path.exists() {
        return Err(
            Failure::usage_text(format!("journal {}: there is no such file", shown(&path))).hint("say --journal FILE")
        );
    }
    let journal = Journal::open(&path)?;
    let (mut objects, mut rows) = (Vec::new(), Vec::new());
    for run in journal.runs(args.limit)? {
        // A run that was killed has no summary, and its rows are all there; one that ended may have lost some since.
        let counts = match run.summary.as_deref().map(serde_json::from_str::<Value>) {
            Some(Ok(summary)) => summary,
            Some(Err(_)) | None => live(&journal.counts_blocking(run.id)?),
        };
        let state = if is_interrupted(&run, &path) { INTERRUPTED } else { run.state.name() };
        rows.push(cells(&run, state, &counts));
        objects.push(object(&run, state, counts).to_string());
    }
    if args.json {
        print_json(&format!("[{}]", objects.join(",\n")))?;
    } else if rows.is_empty() {
        print("no runs yet")?;
    } else {
        print_lines(&aligned(&rows))?;
    }
    Ok(Exit::Done)
}

/// What a line shows: number, beginning, channel, input, rows, calls, state.
const COLUMNS: usize = 7;

/// The state of a run whose process ended before the run did. It can be resumed.
const INTERRUPTED: &str = "interrupted";

/// The longest name that a line shows, in characters.
const LONGEST_NAME: usize = 80;

const COUNTS: [&str; 6] = ["created", "updated", "unchanged", "rejected", "merged", "pending"];

// Whether a run that is under way by the journal has no process any more.
fn is_interrupted(run: &RunRow, journal: &Path) -> bool {
    match run.state {
        RunState::Planning | RunState::Planned | RunState::Sending => !Lock::is_held(journal, &run.channel),
        RunState::Finished | RunState::Stopped | RunState::Failed | RunState::Replaced => false,
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
        "calls": { "total": counts.calls.values().sum::<u64>() },
    })
}

fn object(run: &RunRow, state: &str, counts: Value) -> Value {
    let time = |at| instant(at).map(offset_time);
    let mut object = json!({
        "run": run.id,
        "channel": run.channel,
        "url": run.url,
        "input": run.input,
        "started": time(run.started_at),
        "ended": run.ended_at.and_then(time),
    });
    if let (Value::Object(object), Value::Object(counts)) = (&mut object, counts) {
        object.extend(counts);
        // How the run is now: it may have been replaced after it was summed up.
        object.insert("state".into(), state.into());
        object.insert("reason".into(), run.reason.clone().into());
    }
    object
}

fn cells(run: &RunRow, state_name: &str, counts: &Value) -> [String; COLUMNS] {
    let of = |name: &str| counts[name].as_u64().unwrap_or(0);
    [
        format!("run {}", run.id),
        moment(run.started_at),
        if run.channel == NO_CHANNEL { WITHOUT_CHANNEL.into() } else { shortened(&run.channel, LONGEST_NAME).into() },
        shortened(&run.input, LONGEST_NAME).into(),
        format!("{}: {}", counted_rows(of("rows")), outcomes(&COUNTS.map(|name| (of(name), name)))),
        counted_calls(counts["calls"]["total"].as_u64().unwrap_or(0)),
        state(state_name, run.reason.as_deref()),
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
