//! `sync --all`: the jobs of the configuration, one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use contactsync::report::RunSummary;
use contactsync::{Clock, Timestamp};

use crate::args::SyncArgs;
use crate::commands::shown;
use crate::commands::sync::run_watched;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::notify::Seen;
use crate::options::ListArgs;
use crate::render::console::{Console, Level};
use crate::render::failure;
use crate::render::outcome::SummaryOutput;
use crate::render::summary::print_json;

pub fn run(args: &SyncArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    if config.jobs.is_empty() {
        return Err(Failure::usage_text("no job is configured")
            .hint("add a table [job.NAME] to contactsync.toml for each input, or name one input"));
    }
    check_lists(&args.lists, &config.jobs)?;
    // The limits of time are those of the whole command.
    let since = Clock::system().now();
    let mut exits = Vec::new();
    let mut jobs = config.jobs.into_iter().map(|job| (job.job.clone().unwrap_or_default(), job));
    for (name, job) in jobs.by_ref() {
        console.say(Level::Info, &format!("job `{name}`"));
        let mut seen = Seen::default();
        exits.push(run_job(args, &name, (job, since), &mut seen, console)?);
        if seen.is_interrupted() {
            break;
        }
    }
    let left: Vec<String> = jobs.map(|(name, _)| format!("`{name}`")).collect();
    if !left.is_empty() {
        exits.push(Exit::Stopped);
        console.say(Level::Exit, &format!("jobs that were not started: {}", left.join(", ")));
    }
    Ok(Exit::gravest(exits))
}

// A failure of a job is printed and does not stop the others. One of standard output does.
fn run_job(
    args: &SyncArgs,
    name: &str,
    (job, since): (Config, Timestamp),
    seen: &mut Seen,
    console: &Console,
) -> Result<Exit, Failure> {
    let output = if args.json { SummaryOutput::Deferred } else { SummaryOutput::OfJob(name) };
    // A panic is reported already. It ends the job with the code of a failure.
    let run = AssertUnwindSafe(|| run_watched(args, job, (output, since), seen, console));
    let ended = panic::catch_unwind(run).unwrap_or(Ok(Exit::Failed));
    let message = ended.as_ref().err().map(|failure| failure.message.clone());
    let exit = ended.unwrap_or_else(|failure| {
        failure::print(&failure, &format!("job `{name}`: "), console);
        failure.exit
    });
    if args.json {
        let state = if exit == Exit::Stopped { "stopped" } else { "failed" };
        let failed = || RunSummary { state, reason: message, ..RunSummary::default() };
        let summary = seen.summary.take().unwrap_or_else(failed).to_json();
        let name = serde_json::Value::from(name);
        print_json(&format!("{{\"job\":{name},\"exit\":{},{}", exit as u8, summary.trim_start_matches('{')))?;
    }
    Ok(exit)
}

// A list of one job would replace that of another.
// The path without links and `..` in its folder, so that one file has one path.
fn resolved(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(path), fs::canonicalize(folder), path.file_name()) {
        (Ok(path), ..) => path,
        (Err(_), Ok(folder), Some(name)) => folder.join(name),
        (Err(_), _, _) => path.to_owned(),
    }
}

fn check_lists(typed: &ListArgs, jobs: &[Config]) -> Result<(), Failure> {
    let mut written: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for job in jobs {
        let (name, lists) = (job.job.as_deref().unwrap_or_default(), &job.layer.lists);
        let both =
            [typed.rejects.as_ref().or(lists.rejects.as_ref()), typed.results.as_ref().or(lists.results.as_ref())];
        for path in both.into_iter().flatten() {
            if let Some(other) = written.insert(resolved(path), name) {
                let text = format!("{}: jobs `{other}` and `{name}` would both write this file", shown(path));
                return Err(Failure::usage_text(text).hint("set `rejects` and `results` in the table of each job"));
            }
        }
    }
    Ok(())
}
