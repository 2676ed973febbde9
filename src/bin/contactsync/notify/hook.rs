//! A command that is notified of the end of a run.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// Number of bytes that are kept of the end of its output.
const KEPT: usize = 4 * 1024;

/// How long the end of its output is waited for after it ended. A process that it left behind may keep the output open.
const OUTPUT_TIMEOUT: Duration = Duration::from_millis(200);

/// Runs a command line with the shell `sh`, with the JSON on its standard input. After the time limit, it and all processes that it
/// started are killed. It does not get the variables `without`, which hold tokens.
///
/// # Errors
/// Why it failed, with the last line of its output.
pub fn run(command_line: &str, json: &str, timeout: Duration, without: &[String]) -> Result<(), String> {
    let in_words = |error: io::Error| error.to_string();
    let (output, writer) = io::pipe().map_err(in_words)?;
    let child = start(command_line, writer, without).map_err(in_words)?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = feed_and_wait(child, json.to_owned()).map_err(in_words)?;
    let output = last_of(output).map_err(in_words)?;
    match ended.recv_timeout(timeout) {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(described(status, &output.recv_timeout(OUTPUT_TIMEOUT).unwrap_or_default())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            // It may end at this moment; then there is nothing to kill.
            let killed = group.map(|group| kill_process_group(group, Signal::KILL));
            let outcome = if killed.is_some_and(|killed| killed.is_ok()) { "was killed" } else { "was left running" };
            Err(format!("did not end within {} s and {outcome}", timeout.as_secs_f64()))
        }
    }
}

// In a process group, so that the time limit also ends what it starts.
fn start(command_line: &str, output: io::PipeWriter, without: &[String]) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(command_line).process_group(0);
    command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
    for variable in without {
        command.env_remove(variable);
    }
    command.spawn()
}

fn feed_and_wait(mut child: Child, json: String) -> io::Result<Receiver<io::Result<ExitStatus>>> {
    let (sender, ended) = mpsc::channel();
    if let Some(input) = child.stdin.take() {
        thread::Builder::new().name("hook input".into()).spawn(move || feed(input, &json))?;
    }
    thread::Builder::new().name("hook".into()).spawn(move || drop(sender.send(child.wait())))?;
    Ok(ended)
}

fn feed(mut input: ChildStdin, json: &str) {
    // It is not an error if the command does not read it.
    let _ = writeln!(input, "{json}");
}

fn last_of(mut output: PipeReader) -> io::Result<Receiver<String>> {
    let (sender, text) = mpsc::channel();
    thread::Builder::new().name("hook output".into()).spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; KEPT]);
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            kept.extend_from_slice(&buffer[..count]);
            let excess = kept.len().saturating_sub(KEPT);
            kept.drain(..excess);
        }
        drop(sender.send(String::from_utf8_lossy(&kept).into_owned()));
    })?;
    Ok(text)
}

fn described(status: ExitStatus, output: &str) -> String {
    let end = status.code().map_or_else(|| format!("killed by {status}"), |code| format!("exit code {code}"));
    match output.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{end}: {}", line.trim()),
        None => end,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_command_gets_the_json_and_its_failure_is_described() {
        let check = |command: &str, expected: Result<(), &str>| {
            let found = run(command, "{\"a\":1}", Duration::from_mins(1), &["PATH_OF_TOKEN".to_owned()]);
            assert_eq!(found, expected.map_err(str::to_owned), "{command}");
        };
        check("test \"$(cat)\" = '{\"a\":1}'", Ok(()));
        check("true", Ok(()));
        check("echo noise; echo more >&2", Ok(()));
        check("exit 3", Err("exit code 3"));
        check("echo first; echo 'no route' >&2; exit 7", Err("exit code 7: no route"));
        check("kill -9 $$", Err("killed by signal: 9 (SIGKILL)"));
        // What stays behind keeps the output open.
        check("sleep 30 & exit 1", Err("exit code 1"));
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_what_it_started() {
        let begun = Instant::now();
        let found = run("sleep 60 & sleep 60", "{}", Duration::from_millis(300), &[]);
        assert_eq!(found, Err("did not end within 0.3 s and was killed".to_owned()));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
