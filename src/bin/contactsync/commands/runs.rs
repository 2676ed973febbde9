//! `runs`: the history of a journal; `runs diff`: how two runs differ.

use contactsync::Clock;
use contactsync::history::history;
use contactsync::run_report::{call_rates, compare_runs};

use crate::args::{RunsArgs, RunsCommand};
use crate::commands::existing_journal;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::run_diff;
use crate::render::runs::{lines, object};
use crate::render::sparkline::can_draw;
use crate::render::summary::{print, print_json, print_lines};

/// The number of bars in which the calls of a run are drawn.
const BARS: usize = 8;

pub fn run(args: &RunsArgs, config: Config) -> Result<Exit, Failure> {
    match &args.command {
        Some(RunsCommand::Diff { before, after, journal, json, .. }) => {
            let path = existing_journal(journal, config)?;
            let compared = compare_runs(&path, (*before, *after), Clock::system().now())?;
            if *json {
                print_json(&run_diff::object(&compared).to_string())?;
            } else {
                print_lines(&run_diff::lines(&compared))?;
            }
        }
        None => list(args, config)?,
    }
    Ok(Exit::Done)
}

fn list(args: &RunsArgs, config: Config) -> Result<(), Failure> {
    let path = existing_journal(&args.journal, config)?;
    let runs = history(&path, args.limit)?;
    if args.json {
        let objects: Vec<String> = runs.iter().map(|run| object(run).to_string()).collect();
        return print_json(&format!("[{}]", objects.join(",\n")));
    }
    if runs.is_empty() {
        return print("no runs yet");
    }
    let numbers: Vec<i64> = runs.iter().map(|past| past.run.id).collect();
    let rates = if can_draw() { call_rates(&path, &numbers, BARS)? } else { Vec::new() };
    print_lines(&lines(&runs, &rates))
}
