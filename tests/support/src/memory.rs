//! The memory that a process has used.

use std::fmt::Display;
use std::fs;

/// The largest resident set of a process so far, in KiB; `self` is this process. `None` where the system does not report it:
/// `/proc` is Linux's.
pub fn peak_kib(process: impl Display) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse().ok()
}
