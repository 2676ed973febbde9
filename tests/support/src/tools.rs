//! Programs that a test needs and a machine may lack, and messages past the test runner.

use std::env;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

/// Prints a line that is shown although the test passes: the test runner only captures what `print!` and `eprint!` write.
pub fn report(target: &str, line: &str) {
    // In one piece: other tests write at the same time.
    let _ = io::stderr().write_all(format!("{target}: {line}\n").as_bytes());
}

/// Reports that the current test, or a part of it, is skipped and why.
///
/// # Panics
/// With `CI=true`: there, a test that cannot run has failed.
pub fn skip(target: &str, why: &str) {
    let is_ci = env::var("CI").is_ok_and(|ci| ci == "true");
    let name = thread::current().name().unwrap_or_default().to_owned();
    assert!(!is_ci, "{name} cannot run: {why}");
    report(target, &format!("SKIPPED: {name}: {why}"));
}

/// Whether `strace` can trace a program here. Where it cannot, the current test is reported as skipped.
///
/// # Panics
/// With `CI=true`, where it cannot.
pub fn has_strace(target: &str) -> bool {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    match FOUND.get_or_init(try_strace) {
        Ok(()) => true,
        Err(why) => {
            skip(target, why);
            false
        }
    }
}

fn try_strace() -> Result<(), String> {
    let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    match tried {
        Err(error) => Err(format!("strace cannot be started ({error}); on Debian: apt-get install strace")),
        Ok(output) if !output.status.success() => {
            Err(format!("strace may not trace here: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Ok(_) => Ok(()),
    }
}
