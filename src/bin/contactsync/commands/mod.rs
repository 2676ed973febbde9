//! The commands, one a file, and what they share: the runtime, and paths as people write them.

pub mod check;
mod connections;
pub mod demo;
mod demo_sync;
pub mod init;
pub mod journal;
pub mod plan;
pub mod pull;
pub mod reference;
pub mod report;
mod request;
pub mod resume;
pub mod runs;
pub mod sandbox;
pub mod sync;
pub mod undo;
pub mod verify;

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;

use crate::config::Config;
use crate::failure::Failure;
use crate::options::JournalArgs;
use crate::settings::journal;

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
