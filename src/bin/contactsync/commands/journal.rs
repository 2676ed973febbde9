//! `journal check | prune | forget | backup`: maintenance of a journal.

use std::path::{Path, PathBuf};

use contactsync::history::{self, Removed};
use contactsync::{Clock, ContactRef, Environment, Journal, Stop, Workspace};

use crate::args::JournalCommand;
use crate::commands::request::holder;
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{HistoryArgs, JournalArgs};
use crate::render::console::Console;
use crate::render::forgotten::print_forgotten;
use crate::render::notices::{Announcement, Notices, report_upgrade};
use crate::render::summary::{counted, counted_calls, counted_rows, grouped, print, print_lines};
use crate::settings::{journal, kept_before, kept_history};

pub fn run(command: &JournalCommand, config: Config, console: &Console) -> Result<Exit, Failure> {
    let of_file = config.layer;
    let place =
        |given: &JournalArgs| existing(JournalArgs { journal: given.journal.clone().or(of_file.journal.journal) });
    match command {
        JournalCommand::Check { journal, .. } => check(&place(journal)?),
        JournalCommand::Prune { journal, history, .. } => {
            let history = HistoryArgs {
                keep_history: history.keep_history.or(of_file.history.keep_history),
                keep_before: history.keep_before.or(of_file.history.keep_before),
                values: history.values.or(of_file.history.values),
            };
            prune(&place(journal)?, history, console)
        }
        JournalCommand::Forget { key, suppress, journal, json, .. } => {
            forget(&place(journal)?, key, *suppress, *json, console)
        }
        JournalCommand::Backup { file, journal, .. } => backup(&place(journal)?, file),
    }
}

// The path of a journal that is there.
fn existing(given: JournalArgs) -> Result<PathBuf, Failure> {
    let path = journal(given)?;
    if path.exists() {
        return Ok(path);
    }
    let text = format!("journal {}: no such file", shown(&path));
    Err(Failure::usage_text(text).hint("use --journal FILE to name the journal"))
}

fn check(path: &Path) -> Result<Exit, Failure> {
    let problems = Journal::check_invariants(path)?;
    let name = shown(path);
    if problems.is_empty() {
        print(&format!("journal {name}: no problem found"))?;
        return Ok(Exit::Done);
    }
    let lines: Vec<String> = problems.iter().map(|problem| format!("journal {name}: {problem}")).collect();
    print_lines(&lines)?;
    Ok(Exit::Failed)
}

fn prune(path: &Path, history: HistoryArgs, console: &Console) -> Result<Exit, Failure> {
    let journal = Journal::open_keeping(path, history.values.map(Into::into))?;
    report_upgrade(&journal, path, console);
    let now = Clock::system().now();
    journal.remove_values_before(now, kept_before(history))?;
    let removed = journal.prune(now, kept_history(history))?;
    let Removed { calls, rows, runs, contacts, bytes_before, bytes_after, .. } = removed;
    print(&format!(
        "journal {}: removed {}, {}, {} and {}; the file has {} KB (before: {} KB)",
        shown(path),
        counted_calls(calls),
        counted_rows(rows),
        counted(runs, "run", "runs"),
        counted(contacts, "unused contact", "unused contacts"),
        grouped(bytes_after.div_ceil(1_000)),
        grouped(bytes_before.div_ceil(1_000)),
    ))?;
    Ok(Exit::Done)
}

fn forget(path: &Path, key: &ContactRef, suppresses: bool, json: bool, console: &Console) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let (clock, stop) = (Clock::system(), Stop::default());
    let notices = Notices { console, announcement: Announcement::default() };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &notices };
    let workspace = Workspace::open(path, holder())?;
    report_upgrade(workspace.journal(), path, console);
    let forgotten = history::forget(&workspace, key, suppresses, environment)?;
    print_forgotten(&forgotten, (path, key), json, console)
}

fn backup(path: &Path, file: &Path) -> Result<Exit, Failure> {
    Journal::backup(path, file)?;
    print(&format!("journal {}: copied to {}", shown(path), shown(file)))?;
    Ok(Exit::Done)
}
