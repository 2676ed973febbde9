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
mod request;
pub mod resume;
pub mod runs;
pub mod sandbox;
pub mod sync;
pub mod undo;
pub mod verify;

use std::path::Path;

use tokio::runtime::Runtime;

use crate::failure::Failure;

/// The runtime of a command: it drives connections and timers.
fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::unexpected(&error))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
