//! Programs that a test needs and a machine may lack, and messages past the test runner.

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

/// The browser that tests open pages in.
const CHROMIUM: &str = "chromium";

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

/// Whether Chromium can open a page here. Where it cannot, the current test is reported as skipped.
///
/// # Panics
/// With `CI=true`, where it cannot.
pub fn has_chromium(target: &str) -> bool {
    match Command::new(CHROMIUM).arg("--version").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            skip(target, &format!("{CHROMIUM}: {}", String::from_utf8_lossy(&output.stderr).trim()));
            false
        }
        Err(error) => {
            skip(target, &format!("{CHROMIUM} cannot be started ({error}); on Debian: apt-get install chromium"));
            false
        }
    }
}

/// Opens a page in headless Chromium, which reaches no network. Returns the document as it is then, and what the browser logged.
///
/// # Panics
/// If Chromium fails.
pub fn open_page(page: &Path) -> (String, String) {
    let profile = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new(CHROMIUM)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0"])
        // A request to anywhere fails, and is logged.
        .args(["--proxy-server=127.0.0.1:9", "--window-size=390,800", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .expect("Chromium, which was there before");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    (String::from_utf8_lossy(&output.stdout).into_owned(), log)
}
