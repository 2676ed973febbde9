//! Metrics in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::Path;

use contactsync::Timestamp;
use contactsync::alert::{Health, JobMemory, Night};
use contactsync::report::RunSummary;
use serde::{Deserialize, Serialize};

use crate::bounded_file;

/// The largest earlier file that is read, in bytes.
const LARGEST: usize = 16 << 20;

/// How each file begins.
const BEGIN: &str = "# HELP contactsync_";

const LAST_SUCCESS: &str = "contactsync_last_success_timestamp_seconds";

/// The metrics, with their meanings. All are gauges: each file is about the last run.
const METRICS: [(&str, &str); 9] = [
    (LAST_SUCCESS, "When a run last finished, also with rejected rows; 0 if never."),
    ("contactsync_last_run_timestamp_seconds", "When the last run ended."),
    ("contactsync_last_run_exit_code", "Exit code of the last run."),
    ("contactsync_last_run_duration_seconds", "Duration of the last run."),
    ("contactsync_health", "1 for the current health of the job, 0 for the other states."),
    ("contactsync_last_run_rows", "Rows of the last run by outcome."),
    ("contactsync_last_run_calls", "Calls of the last run by kind."),
    ("contactsync_last_run_retries", "Calls of the last run without a usable answer."),
    ("contactsync_last_run_missing", "Contacts that the source had and that the last input no longer has."),
];

/// Which job, or which channel without a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub job: Option<String>,
    /// `None` if the rows go to several channels.
    pub channel: Option<String>,
}

impl Identity {
    /// Its name in the memory.
    pub fn key(&self) -> String {
        match (&self.job, &self.channel) {
            (Some(job), _) => format!("job {job}"),
            (None, Some(channel)) => format!("channel {channel}"),
            (None, None) => "channels".to_owned(),
        }
    }
}

/// A job with its memory.
pub struct JobState<'a> {
    pub job: Option<&'a str>,
    pub channel: Option<&'a str>,
    pub memory: &'a JobMemory,
    pub last: Option<&'a LastRun>,
}

/// The last run of a job.
#[derive(Debug, Serialize, Deserialize)]
pub struct LastRun {
    at: Timestamp,
    exit: u8,
    seconds: f64,
    /// By channel; empty for a run that has no summary. The name is empty if the channel is not known.
    channels: BTreeMap<String, Figures>,
}

/// The numbers of a channel, by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Figures {
    rows: BTreeMap<String, u64>,
    calls: BTreeMap<String, u64>,
    retries: u64,
    missing: u64,
}

impl LastRun {
    /// A run that ended with this night.
    pub fn of(night: &Night, summary: Option<&RunSummary>, channel: Option<&str>) -> Self {
        let channels = match summary {
            None => BTreeMap::new(),
            Some(summary) if summary.channels.is_empty() => {
                BTreeMap::from([(channel.unwrap_or_default().to_owned(), Figures::of(summary))])
            }
            Some(summary) => summary.channels.iter().map(|(name, part)| (name.clone(), Figures::of(part))).collect(),
        };
        Self { at: night.at, exit: night.exit, seconds: night.seconds, channels }
    }
}

impl Figures {
    fn of(summary: &RunSummary) -> Self {
        let named = |counts: &[(&str, u64)]| counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        let calls = &summary.calls;
        Self {
            rows: named(&[
                ("created", summary.created),
                ("updated", summary.updated),
                ("unchanged", summary.unchanged),
                ("rejected", summary.rejected),
                ("merged", summary.merged),
                ("pending", summary.pending),
                ("skipped", summary.skipped),
            ]),
            calls: named(&[
                ("find", calls.find),
                ("read", calls.read),
                ("create", calls.create),
                ("update", calls.update),
                ("add_tags", calls.add_tags),
                ("remove_tags", calls.remove_tags),
            ]),
            retries: summary.retries,
            missing: summary.missing,
        }
    }
}

/// The samples of an earlier file, a line each.
#[derive(Debug, Default)]
pub struct Earlier(Vec<String>);

/// Checks that a file may be replaced by metrics: it does not exist, is empty, or has metrics of contactsync.
///
/// # Errors
/// What it is instead.
pub fn check(path: &Path) -> Result<(), String> {
    match bounded_file::read(path, LARGEST) {
        Ok(content) if content.bytes.is_empty() || content.bytes.starts_with(BEGIN.as_bytes()) => Ok(()),
        Ok(_) => Err("the file exists and does not contain metrics of contactsync".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads the samples of an earlier file, if there is one.
pub fn read_earlier(path: &Path) -> Earlier {
    let bytes = bounded_file::read(path, LARGEST).map(|content| content.bytes).unwrap_or_default();
    let text = String::from_utf8(bytes).unwrap_or_default();
    Earlier(text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(str::to_owned).collect())
}

/// When the job last succeeded, by an earlier file.
pub fn last_success(earlier: &Earlier, identity: &Identity) -> Option<Timestamp> {
    let labels = labels(&[("channel", identity.channel.as_deref()), ("job", identity.job.as_deref())]);
    let beginning = format!("{LAST_SUCCESS}{labels} ");
    let seconds: f64 = earlier.0.iter().find_map(|line| line.strip_prefix(&beginning))?.parse().ok()?;
    let at = std::time::Duration::try_from_secs_f64(seconds).ok().filter(|at| !at.is_zero())?;
    // A fraction of a second has no exact number with a binary point.
    u64::try_from((at.as_micros() + 500) / 1_000).ok().map(Timestamp::from_millis)
}

/// The text of a file with the metrics of these jobs. It keeps the samples of other jobs in the earlier file.
pub fn text(jobs: &[JobState<'_>], earlier: &Earlier) -> String {
    let mut samples: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for job in jobs {
        for (name, sample) in samples_of(job) {
            samples.entry(name).or_default().push(sample);
        }
    }
    let is_other = |line: &&String| {
        label(line, "job").is_some_and(|name| !jobs.iter().any(|job| job.job.map(quoted).as_deref() == Some(name)))
    };
    for line in earlier.0.iter().filter(is_other) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        if let Some((name, _)) = METRICS.iter().find(|(known, _)| *known == name) {
            samples.entry(name).or_default().push(line.clone());
        }
    }
    let mut text = String::new();
    for (name, meaning) in METRICS {
        let Some(lines) = samples.get(name) else { continue };
        let _ = writeln!(text, "# HELP {name} {meaning}\n# TYPE {name} gauge\n{}", lines.join("\n"));
    }
    text
}

fn samples_of(job: &JobState<'_>) -> Vec<(&'static str, String)> {
    let mut samples = Vec::new();
    let mut add = |name: &'static str, more: &[(&str, Option<&str>)], channel: Option<&str>, value: String| {
        let all = [&[("channel", channel), ("job", job.job)], more].concat();
        samples.push((name, format!("{name}{} {value}", labels(&all))));
    };
    let success = job.memory.last_success.map_or_else(|| "0".to_owned(), epoch_seconds);
    add(LAST_SUCCESS, &[], job.channel, success);
    for health in Health::ALL {
        let value = u8::from(health == job.memory.health).to_string();
        add("contactsync_health", &[("state", Some(health.name()))], job.channel, value);
    }
    let Some(LastRun { at, exit, seconds, channels }) = job.last else { return samples };
    add("contactsync_last_run_timestamp_seconds", &[], job.channel, epoch_seconds(*at));
    add("contactsync_last_run_exit_code", &[], job.channel, exit.to_string());
    add("contactsync_last_run_duration_seconds", &[], job.channel, format!("{seconds:.3}"));
    for (channel, Figures { rows, calls, retries, missing }) in channels {
        let channel = Some(channel.as_str());
        for (outcome, count) in rows {
            add("contactsync_last_run_rows", &[("outcome", Some(outcome))], channel, count.to_string());
        }
        for (kind, count) in calls {
            add("contactsync_last_run_calls", &[("kind", Some(kind))], channel, count.to_string());
        }
        add("contactsync_last_run_retries", &[], channel, retries.to_string());
        add("contactsync_last_run_missing", &[], channel, missing.to_string());
    }
    samples
}

// The moment in seconds since the Unix epoch, with milliseconds.
fn epoch_seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.as_millis() / 1_000, at.as_millis() % 1_000)
}

// A label without a value is the same as no label.
fn labels(all: &[(&str, Option<&str>)]) -> String {
    let set = all.iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    let set: Vec<String> = set.map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
    if set.is_empty() { String::new() } else { format!("{{{}}}", set.join(",")) }
}

/// The value of a label as the format writes it.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The value of a label in a sample, as it is written. In a value, a quote has a backslash, so `NAME="` is always a label.
fn label<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, after) = line.split_once(&format!("{name}=\""))?;
    let mut is_escaped = false;
    let end = after.find(|character| {
        let ends = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    });
    Some(&after[..end?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(job: &'a str, channel: &'a str, memory: &'a JobMemory) -> JobState<'a> {
        JobState { job: Some(job), channel: Some(channel), memory, last: None }
    }

    #[test]
    fn the_page_about_metrics_names_each_of_them() {
        let page = include_str!("../../../../docs/alerts.md");
        for (name, _) in METRICS {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn the_samples_of_other_jobs_and_the_last_success_are_kept() {
        let well = JobMemory { last_success: Some(Timestamp::from_millis(1_764_000_123_456)), ..JobMemory::default() };
        let (strange, never) = ("a \"b\" \\ c\n,job=\"x", JobMemory::default());
        let first = text(&[of(strange, "north", &well)], &Earlier::default());
        assert!(first.contains(
            "contactsync_last_success_timestamp_seconds{channel=\"north\",job=\"a \\\"b\\\" \\\\ c\\n,job=\\\"x\"} 1764000123.456\n"
        ));
        let earlier = Earlier(first.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect());
        let second = text(&[of("b", "north", &never)], &earlier);
        assert_eq!(second.matches(LAST_SUCCESS).count(), 4, "{second}");
        assert!(second.contains("{channel=\"north\",job=\"b\"} 0\n"), "{second}");
        let identity = |job: &str| Identity { job: Some(job.to_owned()), channel: Some("north".to_owned()) };
        assert_eq!(last_success(&earlier, &identity(strange)), well.last_success);
        assert_eq!(last_success(&earlier, &identity("b")), None);
        for millis in 1_764_000_123_000..1_764_000_124_000 {
            let at = Timestamp::from_millis(millis);
            let earlier = Earlier(vec![format!("{LAST_SUCCESS}{{job=\"b\"}} {}", epoch_seconds(at))]);
            assert_eq!(last_success(&earlier, &Identity { channel: None, ..identity("b") }), Some(at));
        }
        // Its own samples are replaced.
        let third = text(&[of(strange, "north", &never)], &earlier);
        assert!(third.matches(LAST_SUCCESS).count() == 3 && third.contains("} 0\n"), "{third}");
    }
}
