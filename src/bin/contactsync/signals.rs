//! Ctrl-C and its kin: the first asks the run to stop, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, process};

use contactsync::{Stop, StopReason};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Exit;
use crate::voice::{Level, Voice};

/// Listens for SIGINT and SIGTERM. It takes a tokio runtime to be called in. As long as `reading` says so, nothing was sent
/// and nothing that changes anything is on its way: the first signal ends the process, too, which may be waiting for
/// standard input, or for the minute in which a token can be checked.
///
/// # Errors
/// What the system says when signals cannot be heard.
pub fn listen(stop: Stop, voice: Voice, reading: Arc<AtomicBool>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            let name = tokio::select! {
                Some(()) = interrupt.recv() => "SIGINT",
                Some(()) = terminate.recv() => "SIGTERM",
                else => return,
            };
            if asked {
                // What was sent is journaled, or its intent is: a sudden end loses nothing.
                process::exit(Exit::Stopped as i32);
            }
            if reading.load(Ordering::Acquire) {
                voice.say(Level::Info, &format!("{name}: ended before anything was sent"));
                process::exit(Exit::Stopped as i32);
            }
            asked = true;
            stop.ask(StopReason::Signal(name));
            voice.say(Level::Info, &format!("{name}: finishing what is on its way; once more ends at once"));
        }
    });
    Ok(())
}
