//! The file `JOURNAL.alerts`: what is remembered of each job between its runs, for alerts and metrics.
//!
//! It is not in the journal, because a damaged, missing or locked journal is a reason for an alert.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use contactsync::alert::{AlertKind, Health, JobMemory, Judgement, Night, Thresholds};
use contactsync::report::RunSummary;
use serde::{Deserialize, Serialize};

use super::metrics::{self, Identity, JobState, LastRun};
use crate::bounded_file;
use crate::whole_file;

/// The largest file, in bytes. A job takes about 5 kB.
const LARGEST: usize = 16 << 20;

const ABOUT: &str =
    "health of the runs of contactsync; written by `sync` and `resume` if [notify] or metrics_file is set";

/// Where the memory of a journal's jobs is, and where their metrics are written.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    metrics: Option<PathBuf>,
}

/// What a night changed.
pub struct Noted {
    pub judgement: Judgement,
    /// The health before the night.
    pub earlier: Health,
    /// What could not be read or written.
    pub problems: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    about: String,
    jobs: BTreeMap<String, StoredJob>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredJob {
    job: Option<String>,
    channel: Option<String>,
    memory: JobMemory,
    last: Option<LastRun>,
}

impl Memory {
    pub fn of(journal: &Path, metrics: Option<PathBuf>) -> Self {
        let mut path = journal.as_os_str().to_owned();
        path.push(".alerts");
        Self { path: PathBuf::from(path), metrics }
    }

    /// Adds a night to the memory and writes the metrics. A message that has no target counts as delivered.
    pub fn note(
        &self,
        identity: &Identity,
        (night, summary): (Night, Option<&RunSummary>),
        (thresholds, repeats): (&Thresholds, bool),
        is_told: impl Fn(AlertKind) -> bool,
    ) -> Noted {
        let mut problems = Vec::new();
        // Held to the end, so that runs which end at the same time do not undo each other's changes.
        let _lock = lock(&self.path).map_err(|error| problems.push(self.problem("cannot be locked", &error))).ok();
        // Several journals may share the file of metrics.
        let metrics_lock = self.metrics.as_deref().map(lock).transpose();
        let mut stored = self.read().unwrap_or_else(|error| {
            problems.push(self.problem("cannot be read; starting empty", &error));
            Stored::default()
        });
        let earlier_metrics = self.metrics.as_deref().map(metrics::read_earlier).unwrap_or_default();
        let is_new = !stored.jobs.contains_key(&identity.key());
        let entry = stored.jobs.entry(identity.key()).or_default();
        (entry.job, entry.channel) = (identity.job.clone(), identity.channel.clone());
        if is_new {
            entry.memory.last_success = metrics::last_success(&earlier_metrics, identity);
        }
        entry.last = Some(LastRun::of(&night, summary, identity.channel.as_deref()));
        let earlier = entry.memory.health;
        let judgement = entry.memory.add(night, thresholds, repeats);
        if judgement.due.is_none_or(|kind| !is_told(kind)) {
            entry.memory.delivered(judgement.health);
        }
        if let Err(error) = self.write(&stored) {
            problems.push(self.problem("cannot be written", &error));
        }
        if let Some(path) = &self.metrics {
            let jobs = stored.jobs.values().map(StoredJob::shown);
            let text = metrics::text(&jobs.collect::<Vec<_>>(), &earlier_metrics);
            let written = match &metrics_lock {
                Ok(_held) => whole_file::replace(path, &text, 0o644),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            if let Err(error) = written {
                problems.push(format!("{}: the metrics cannot be written: {error}", path.display()));
            }
        }
        Noted { judgement, earlier, problems }
    }

    /// Notes that the message about this health was delivered.
    ///
    /// # Errors
    /// What could not be read or written.
    pub fn delivered(&self, identity: &Identity, health: Health) -> Result<(), String> {
        let noted = lock(&self.path).and_then(|_lock| {
            let mut stored = self.read()?;
            if let Some(entry) = stored.jobs.get_mut(&identity.key()) {
                entry.memory.delivered(health);
            }
            self.write(&stored)
        });
        noted.map_err(|error| self.problem("cannot be written, so the message may be repeated", &error))
    }

    fn problem(&self, what: &str, error: &io::Error) -> String {
        format!("{}: {what}: {error}", self.path.display())
    }

    fn read(&self) -> io::Result<Stored> {
        match bounded_file::read(&self.path, LARGEST) {
            Ok(content) => Ok(serde_json::from_slice(&content.bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stored::default()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, stored: &Stored) -> io::Result<()> {
        let with_about = serde_json::json!({ "about": ABOUT, "jobs": stored.jobs });
        whole_file::replace(&self.path, &serde_json::to_string_pretty(&with_about)?, 0o600)
    }
}

// The lock of a file is another file beside it, because the file is replaced.
fn lock(path: &Path) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside)?;
    file.lock()?;
    Ok(file)
}

impl StoredJob {
    fn shown(&self) -> JobState<'_> {
        JobState {
            job: self.job.as_deref(),
            channel: self.channel.as_deref(),
            memory: &self.memory,
            last: self.last.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use contactsync::Timestamp;
    use contactsync::alert::NightEnd;

    use super::*;

    #[test]
    fn runs_that_end_at_the_same_time_do_not_undo_each_other() {
        let folder = tempfile::tempdir().unwrap();
        // Half of them have another journal, and all write the same metrics.
        let journals = ["j.db", "k.db"].map(|name| folder.path().join(name));
        let metrics = folder.path().join("m.prom");
        let thresholds = Thresholds { rejects: None, duration: None, rows: None, stopped: None };
        thread::scope(|scope| {
            for number in 0..16 {
                let memory = Memory::of(&journals[number % 2], Some(metrics.clone()));
                scope.spawn(move || {
                    let identity = Identity { job: Some(format!("job {number}")), channel: None };
                    for _ in 0..5 {
                        let night = Night {
                            at: Timestamp::from_millis(1),
                            end: NightEnd::Failed,
                            exit: 6,
                            source: "crm".into(),
                            rows: None,
                            seconds: 0.1,
                        };
                        let noted = memory.note(&identity, (night, None), (&thresholds, false), |_| true);
                        assert_eq!(noted.problems, Vec::<String>::new());
                        memory.delivered(&identity, Health::Failed).unwrap();
                    }
                });
            }
        });
        for journal in &journals {
            let stored = Memory::of(journal, None).read().unwrap();
            assert_eq!(stored.jobs.len(), 8);
            assert!(stored.jobs.values().all(|job| job.memory.nights.len() == 5));
        }
        let text = std::fs::read_to_string(metrics).unwrap();
        assert_eq!(text.matches("contactsync_last_run_exit_code{").count(), 16, "{text}");
    }
}
