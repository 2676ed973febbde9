//! The memory and processor time that a process used, and the bytes that it wrote, from Linux's `/proc`. `self` is this process.

use std::fmt::Display;
use std::fs;

/// The largest resident set of a process so far, in KiB. `None` where the system does not report it.
pub fn peak_kib(process: impl Display) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse().ok()
}

/// The processor time of all threads of a process so far, in seconds. `None` where the system does not report it.
pub fn cpu_seconds(process: impl Display) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // User time and system time, in hundredths of a second.
    let ticks: Vec<f64> = stat.split(' ').skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / 100.0)
}

/// What a process wrote to the disk so far, in bytes. `None` where the system does not report it.
pub fn written_bytes(process: impl Display) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}
