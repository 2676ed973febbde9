//! The commands, one a file, and what they share: the runtime, and paths as people write them.

pub mod all;
pub mod check;
mod connections;
pub mod contact;
pub mod demo;
mod demo_sync;
pub mod explain;
pub mod init;
pub mod journal;
pub mod plan;
pub mod pull;
pub mod reference;
pub mod report;
pub mod request;
pub mod resume;
pub mod runs;
pub mod sandbox;
pub mod sync;
pub mod undo;
pub mod verify;

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

use crate::args::Command;
use crate::config::Config;
use crate::failure::Failure;
use crate::notify::{self, Seen};
use crate::options::JournalArgs;
use crate::render::console::Console;
use crate::settings::journal;

/// Writes the metrics of a command whose configuration is invalid, if the command line names their file.
pub fn without_config(command: &Command, failure: Failure, console: &Console) -> Failure {
    let (typed, job) = match command {
        Command::Sync(args) => (sync::typed(args), &args.place.config.job),
        Command::Resume(args) => (resume::typed(args), &args.place.config.job),
        Command::Demo
        | Command::Init(_)
        | Command::Check(_)
        | Command::Plan(_)
        | Command::Pull(_)
        | Command::Verify(_)
        | Command::Undo(_)
        | Command::Runs(_)
        | Command::Report(_)
        | Command::Explain(_)
        | Command::Contact(_)
        | Command::Journal(_)
        | Command::Sandbox(_)
        | Command::Schema
        | Command::Completions { .. }
        | Command::Man => return failure,
    };
    let config = Config { job: job.clone(), ..Config::default() };
    let watched = notify::begin(&typed, &config, console);
    let ended = watched.and_then(|watch| watch.around(&mut Seen::default(), |_| Err(failure)));
    ended.err().unwrap_or_else(|| Failure::usage_text("the configuration is invalid"))
}

/// The runtime of a command: it drives connections and timers.
fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::unexpected(&error))
}

/// The path of a journal that must exist.
fn existing_journal(typed: &JournalArgs, config: Config) -> Result<PathBuf, Failure> {
    let path = journal(JournalArgs { journal: typed.journal.clone().or(config.layer.journal.journal) })?;
    if path.exists() {
        return Ok(path);
    }
    let text = format!("journal {}: no such file", shown(&path));
    Err(Failure::usage_text(text).hint("use --journal FILE for another journal"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
