//! Signals while the end of a run is reported: the first one ends the process at once.

use std::process;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::render::console::{Console, Level};
use crate::stderr::STDERR;

/// How long the last line is waited for.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// As long as it lives, SIGINT and SIGTERM end the process.
#[must_use]
pub struct ExitOnSignal {
    _until: Option<oneshot::Sender<()>>,
}

impl ExitOnSignal {
    /// Listens from now on. Where that is not possible, a signal has no effect.
    pub fn listen(console: &Console) -> Self {
        let (until, dropped) = oneshot::channel();
        let console = console.clone();
        let listen = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
            let name = runtime.block_on(next(dropped))?;
            console.say(Level::Exit, &format!("{name}: ended before the end of the run was reported"));
            STDERR.flush(FLUSH_TIMEOUT);
            process::exit(Exit::Stopped as i32)
        };
        let listener = thread::Builder::new().name("signals".into()).spawn(move || -> Option<()> { listen() });
        Self { _until: listener.ok().map(|_| until) }
    }
}

// The next signal; `None` when it is no longer listened for.
async fn next(dropped: oneshot::Receiver<()>) -> Option<&'static str> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt()).ok()?, signal(SignalKind::terminate()).ok()?);
    tokio::select! {
        Some(()) = interrupt.recv() => Some("SIGINT"),
        Some(()) = terminate.recv() => Some("SIGTERM"),
        _ = dropped => None,
    }
}
