//! `runs`: the history of a journal.

use contactsync::history::history;

use crate::args::RunsArgs;
use crate::commands::shown;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::options::JournalArgs;
use crate::render::runs::{lines, object};
use crate::render::summary::{print, print_json, print_lines};
use crate::settings::journal;

pub fn run(args: &RunsArgs, config: Config) -> Result<Exit, Failure> {
    let path = journal(JournalArgs { journal: args.journal.journal.clone().or(config.layer.journal.journal) })?;
    if !path.exists() {
        let text = format!("journal {}: no such file", shown(&path));
        return Err(Failure::usage_text(text).hint("use --journal FILE for another journal"));
    }
    let runs = history(&path, args.limit)?;
    if args.json {
        let objects: Vec<String> = runs.iter().map(|run| object(run).to_string()).collect();
        print_json(&format!("[{}]", objects.join(",\n")))?;
    } else if runs.is_empty() {
        print("no runs yet")?;
    } else {
        print_lines(&lines(&runs))?;
    }
    Ok(Exit::Done)
}
