//! An input that a command writes to its standard output.
//!
//! A shell pipe hides that the command on its left failed: its reader sees a short file. Here the end of the output is only
//! the end of the input once the command has ended with exit code 0.

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Number of bytes that are kept of the end of what the command writes to standard error.
const KEPT: usize = 4 * 1024;

/// A command that was started. Clones are of the same command.
#[derive(Clone, Debug)]
pub(super) struct RunningCommand(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    child: Child,
    output: ChildStdout,
    // Reads standard error until its end, so that the command never waits for a reader.
    errors: Option<JoinHandle<String>>,
    ended: Option<Ended>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ended {
    status: ExitStatus,
    errors: String,
}

/// A command that did not end with exit code 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
struct Failed(Ended);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended { status, errors } = &self.0;
        match status.code() {
            Some(code) => write!(f, "exit code {code}")?,
            // Such as `signal: 9 (SIGKILL)`.
            None => write!(f, "killed by {status}")?,
        }
        match cause_line(errors) {
            Some(line) => write!(f, ": {}", line.trim()),
            None => Ok(()),
        }
    }
}

/// The line of a command's messages that most likely has the cause: the last one about an error, else the last one with a word.
/// Databases print the statement and a mark below it after the error.
fn cause_line(errors: &str) -> Option<&str> {
    let is_error = |line: &&str| {
        let line = line.to_ascii_lowercase();
        line.contains("error") || line.contains("fatal")
    };
    let mut lines = errors.lines().rev().filter(|line| line.contains(char::is_alphanumeric));
    lines.clone().find(is_error).or_else(|| lines.next())
}

/// Whether reading failed because the command did.
pub(super) fn is_failure(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Failed>()).is_some()
}

impl RunningCommand {
    /// Starts a command line with the shell `sh`. It reads nothing from standard input.
    pub(super) fn start(command_line: &str) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(command_line).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("the command has no output"));
        };
        let errors = thread::Builder::new().spawn(move || last_of(errors))?;
        Ok(Self(Arc::new(Mutex::new(State { child, output, errors: Some(errors), ended: None }))))
    }

    /// Waits until the command has ended, and skips the rest of its output. Returns what it wrote to standard error.
    ///
    /// # Errors
    /// When it did not end with exit code 0.
    pub(super) fn finish(&self) -> io::Result<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }
}

impl Read for RunningCommand {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = if state.ended.is_some() { 0 } else { state.output.read(buffer)? };
        if count == 0 && !buffer.is_empty() {
            state.finish()?;
        }
        Ok(count)
    }
}

impl State {
    fn finish(&mut self) -> io::Result<String> {
        if self.ended.is_none() {
            io::copy(&mut self.output, &mut io::sink())?;
            let status = self.child.wait()?;
            let errors = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
            self.ended = Some(Ended { status, errors });
        }
        match &self.ended {
            Some(ended) if !ended.status.success() => Err(io::Error::other(Failed(ended.clone()))),
            Some(ended) => Ok(ended.errors.clone()),
            None => Ok(String::new()),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

// The end of the text that a command writes to standard error.
fn last_of(mut errors: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; KEPT]);
    while let Ok(count) = errors.read(&mut buffer) {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..count]);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::{Input, Row, Source};

    // The names of the rows, and the error that ends them.
    fn rows(command_line: &str) -> (Vec<String>, Option<String>) {
        let source = Source::open(&Input::Command(command_line.to_owned()), crate::input::SourceOptions::default());
        let mut source = match source {
            Ok(source) => source,
            Err(error) => return (Vec::new(), Some(with_cause(&error))),
        };
        let (mut names, mut failed) = (Vec::new(), None);
        for row in &mut source {
            match row {
                Ok(Row::Record(record)) => names.push(format!("{:?}", record.cells)),
                Ok(Row::Rejected(rejection)) => names.push(rejection.to_string()),
                Err(error) => failed = Some(with_cause(&error)),
            }
        }
        (names, failed)
    }

    fn with_cause(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }

    #[test]
    fn an_input_ends_only_when_its_command_has_succeeded() {
        let check = |command_line: &str, expected: usize, failure: Option<&str>| {
            let (names, failed) = rows(command_line);
            assert_eq!(names.len(), expected, "{command_line}: {names:?} {failed:?}");
            match (failure, &failed) {
                (None, None) => {}
                (Some(failure), Some(failed)) => assert!(failed.ends_with(failure), "{command_line}: {failed}"),
                _ => panic!("{command_line}: {failed:?}"),
            }
        };
        let two = r"printf 'phone\n+521\n+522\n'";
        check(two, 2, None);
        check(&format!("{two}; echo one message >&2"), 2, None);
        check(&format!("{two}; exit 3"), 2, Some("exit code 3"));
        check(&format!("{two}; echo connection lost >&2; exit 2"), 2, Some("exit code 2: connection lost"));
        let psql = r"printf 'ERROR:  relation x does not exist\nLINE 1: SELECT 1 FROM x\n     ^\n\n' >&2; exit 1";
        check(&format!("{two}; {psql}"), 2, Some("exit code 1: ERROR:  relation x does not exist"));
        check(&format!("{two}; printf 'gone\n ^\n' >&2; exit 1"), 2, Some("exit code 1: gone"));
        check(&format!("{two}; kill -9 $$"), 2, Some("killed by signal: 9 (SIGKILL)"));
        check("exit 1", 0, Some("exit code 1"));
        check("no-such-program-here", 0, Some("not found"));
        // The reader of JSON stops at the end of the array; the command does not.
        check(r#"printf '[{"phone":"+521"}]\n\n\n'; exit 4"#, 1, Some("exit code 4"));
        // More messages than a pipe holds.
        check(&format!("{two}; head -c 300000 /dev/zero | tr '\\0' x >&2"), 2, None);
    }

    #[test]
    fn what_a_command_writes_to_standard_error_is_a_notice() {
        let source = Source::open(
            &Input::Command(r"printf 'phone\n+521\n'; echo 'NOTICE: view is old' >&2".to_owned()),
            crate::input::SourceOptions::default(),
        );
        let mut source = source.unwrap();
        assert!(source.by_ref().all(|row| row.is_ok()));
        let notices: Vec<String> = source.detected().notices().iter().map(ToString::to_string).collect();
        assert_eq!(notices, ["it wrote to standard error: NOTICE: view is old"]);
    }
}
