//! The file of `sandbox --state`: read at the start, and saved while the sandbox runs and when it ends.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use contactsync::Stop;
use contactsync::sandbox::{Sandbox, SavedState};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::{bounded_file, whole_file};

/// The time between two saves, if contacts changed.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Maximum size of the file. A million contacts with twenty fields take about 1 GB.
const MOST_BYTES: usize = 4 << 30;

/// Reads the state; it is empty if there is no file.
///
/// # Errors
/// If the file is not the state of a sandbox, or cannot be read.
pub fn read(path: &Path) -> Result<SavedState, Failure> {
    let shown = path.display();
    match bounded_file::read(path, MOST_BYTES) {
        Ok(content) => SavedState::parse(&content.bytes).map_err(|error| {
            Failure::usage_text(format!("{shown}: {error}"))
                .hint("restore the file from a copy, or use another --state FILE; the file was not changed")
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(SavedState::default()),
        Err(error) => Err(Failure::usage_text(format!("{shown}: cannot read it: {error}"))),
    }
}

/// Saves the state of a sandbox that has just begun, so that a file that cannot be written is an error at once.
///
/// # Errors
/// If the file cannot be written.
pub fn begin(path: &Path, sandbox: &Sandbox) -> Result<(), Failure> {
    write(path, &sandbox.saved_state()).map_err(|failure| Failure { exit: Exit::Usage, ..failure })
}

/// Saves the state of a running sandbox now and then, until it is to stop.
pub async fn save_until(stop: &Stop, sandbox: &Sandbox, path: &Path, console: &Console) {
    let mut ticks = tokio::time::interval(SAVE_EVERY);
    let (mut saved, mut has_failed) = (sandbox.changes(), false);
    loop {
        tokio::select! {
            () = stop.asked() => return,
            _ = ticks.tick() => {}
        }
        let changes = sandbox.changes();
        if changes == saved {
            continue;
        }
        match write(path, &sandbox.saved_state()) {
            Ok(()) => (saved, has_failed) = (changes, false),
            // It is tried again, and reported once.
            Err(failure) if !has_failed => {
                has_failed = true;
                console.say(Level::Warning, &failure.message);
            }
            Err(_) => {}
        }
    }
}

/// Writes the state.
///
/// # Errors
/// If the file cannot be written. It has the earlier state then.
pub fn write(path: &Path, state: &SavedState) -> Result<(), Failure> {
    whole_file::replace(path, &state.to_string(), 0o600).map_err(|error| {
        let text = format!("{}: cannot write it: {error}", path.display());
        Failure { exit: Exit::Failed, ..Failure::usage_text(text) }
    })
}
