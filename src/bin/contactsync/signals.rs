//! Signals: the first one asks the run to stop, the second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, io, process};

use contactsync::{Clock, Input, Stop, StopReason, Timestamp};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::notify;
use crate::render::console::{Console, Level};
use crate::render::summary;
use crate::stderr::STDERR;

/// How long the last lines are waited for when the process is to end at once.
const OUTAGE_TIMEOUT: Duration = Duration::from_millis(200);

/// Makes a write beyond the limit of a file's size (`ulimit -f`) fail with an error, instead of ending the process by
/// SIGXFSZ. It holds for the whole process.
///
/// # Errors
/// What the system says when the signal cannot be heard.
pub fn survive_file_size_limit() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _inside = runtime.enter();
    // Its handler stays when nothing listens any more.
    let _listened = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    Ok(())
}

/// Listens for signals of a command that reads before it sends: returns the stop that a signal asks for, and whether the command
/// still [reads](listen), which is so at first.
pub fn listen_while_reading(console: &Console) -> Result<(Stop, Arc<AtomicBool>), Failure> {
    let (stop, reading) = (Stop::default(), Arc::new(AtomicBool::new(true)));
    listen(stop.clone(), console.clone(), Arc::clone(&reading)).map_err(|error| Failure::unexpected(&error))?;
    Ok((stop, reading))
}

/// Ends the process at the time `until` if it still [reads](listen) then. A file is read in any case; a command or a pipe may hang.
pub fn end_reading_at(
    until: Option<Timestamp>,
    from: &Input,
    clock: &Clock,
    reading: &Arc<AtomicBool>,
    console: &Console,
) {
    let (Some(until), Input::Stdin | Input::Command(_)) = (until, from) else { return };
    let (clock, reading, console) = (clock.clone(), Arc::clone(reading), console.clone());
    tokio::spawn(async move {
        clock.sleep_until(until).await;
        if reading.load(Ordering::Acquire) {
            end(&console, &format!("stopped at the deadline, {}, before anything was sent", clock.shown(until)));
        }
    });
}

/// Listens for SIGINT, SIGTERM and SIGHUP. It takes a tokio runtime to be called in. As long as `reading` says that the
/// input is being read or a token is being checked, nothing was sent that changes anything: the first signal ends the
/// process, too, which may be waiting for standard input, or for the minute in which a token can be checked. It does so as
/// well while the program waits for the reader of its output.
///
/// # Errors
/// What the system says when signals cannot be heard.
pub fn listen(stop: Stop, console: Console, reading: Arc<AtomicBool>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = if is_hang_up_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
    STDERR.give_up_when_stuck();
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            let name = tokio::select! {
                Some(()) = interrupt.recv() => "SIGINT",
                Some(()) = terminate.recv() => "SIGTERM",
                Some(()) = next(&mut hang_up) => "SIGHUP",
                else => return,
            };
            if asked {
                // What was sent is journaled, or its intent is: a sudden end loses nothing.
                exit_now(
                    &console,
                    &format!("{name}: exited immediately; the next run checks the calls that were in flight"),
                );
            }
            if reading.load(Ordering::Acquire) {
                if notify::is_watching() {
                    // Nothing may be sent while the end is reported.
                    stop.ask(StopReason::Signal(name));
                }
                end(&console, &format!("{name}: ended before anything was sent"));
            }
            if summary::is_printing() {
                end(&console, &format!("{name}: ended while writing to standard output"));
            }
            asked = true;
            stop.ask(StopReason::Signal(name));
            console.say(
                Level::Info,
                &format!("{name}: finishing the calls in flight; press Ctrl-C again to exit immediately"),
            );
        }
    });
    Ok(())
}

fn end(console: &Console, text: &str) -> ! {
    notify::end_early(text);
    exit_now(console, text)
}

fn exit_now(console: &Console, text: &str) -> ! {
    console.say(Level::Exit, text);
    STDERR.flush(OUTAGE_TIMEOUT);
    process::exit(Exit::Stopped as i32);
}

async fn next(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => None,
    }
}

// `nohup` has it ignored, so that the program outlives the terminal.
fn is_hang_up_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_ignored(&status, SignalKind::hangup().as_raw_value()))
}

fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_understood() {
        let check = |mask: &str, signal: i32, expected: bool| {
            let status = format!("Name:\tcontactsync\nSigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\nSigCgt:\t0\n");
            assert_eq!(is_ignored(&status, signal), expected, "{mask} {signal}");
        };
        check("0000000000000001", 1, true);
        check("0000000000001000", 1, false);
        check("0000000000001000", 13, true);
        check("", 1, false);
        assert!(!is_ignored("", 1));
    }
}
