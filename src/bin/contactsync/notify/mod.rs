//! Reports how runs end: the messages and pings of `[notify]`, and the file of metrics.
//!
//! A failure here is printed and never changes the result of the run.

mod hook;
mod memory;
mod metrics;
mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use contactsync::alert::{AlertKind, Health, Judgement, Night, NightEnd, NightRows, Thresholds};
use contactsync::client::WebhookError;
use contactsync::report::{ChannelOutcome, RunSummary};
use contactsync::{Clock, Stop, StopReason, SyncOutcome};
use serde_json::json;

use self::memory::{Memory, Noted};
use self::metrics::Identity;
use self::targets::{Targets, thresholds};
use crate::config::Config;
use crate::escape::escaped_json;
use crate::exit::Exit;
use crate::exit_signals::ExitOnSignal;
use crate::failure::Failure;
use crate::options::{Layer, defaults};
use crate::render::console::{Console, Level};
use crate::render::summary::run_text;
use crate::render::time::instant;

/// The run that is watched now, so that a signal which ends the process can report its end.
static WATCHED: Mutex<Option<Watch>> = Mutex::new(None);

/// What a run showed before it ended.
#[derive(Debug, Default)]
pub struct Seen {
    pub summary: Option<RunSummary>,
    /// Asks the run to stop.
    pub stop: Option<Stop>,
    is_of_platform: bool,
    is_idle: bool,
}

impl Seen {
    /// Notes that there was no run to continue: this shows neither a failure nor a success.
    pub const fn nothing_to_do(&mut self) {
        self.is_idle = true;
    }

    /// Notes the outcome of the run.
    pub fn outcome(&mut self, outcome: &SyncOutcome) {
        self.summary = outcome.summary.as_ref().ok().cloned();
        self.is_of_platform = !outcome.refused.is_empty() || outcome.channels.iter().any(was_stopped_by_platform);
    }

    /// Whether a signal asked the run to stop.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.stop.as_ref().and_then(Stop::reason), Some(StopReason::Signal(_)))
    }
}

// Without a reason, calls kept failing.
fn was_stopped_by_platform(channel: &ChannelOutcome) -> bool {
    channel.ending.as_ref().is_ok_and(|ending| match &ending.stopped {
        Some(reason) => reason.is_of_platform(),
        None => ending.summary.pending + ending.summary.marks_pending > 0,
    })
}

/// A run that is watched, if its end is to be reported.
#[must_use]
pub struct Watching(Option<Watch>);

#[derive(Debug)]
struct Watch {
    console: Console,
    identity: Identity,
    source: String,
    memory: Memory,
    targets: Targets,
    thresholds: Thresholds,
    repeats: bool,
    begun: Instant,
    ping: Option<JoinHandle<Result<(), WebhookError>>>,
}

/// How a run ended.
struct RunEnd {
    end: NightEnd,
    exit: Exit,
    /// Why, if it failed or stopped.
    message: Option<String>,
    summary: Option<RunSummary>,
}

/// Prepares to watch a run with these options.
///
/// # Errors
/// If a URL of `[notify]` is invalid, or the file of metrics is another file.
pub fn begin(typed: &Layer, config: &Config, console: &Console) -> Result<Watching, Failure> {
    let targets = Targets::of(typed, config)?;
    let metrics = typed.metrics.metrics_file.clone().or_else(|| config.layer.metrics.metrics_file.clone());
    if !targets.are_any() && metrics.is_none() {
        return Ok(Watching(None));
    }
    if let Some(path) = &metrics {
        metrics::check(path).map_err(|error| {
            Failure::usage_text(format!("{}: {error}", path.display()))
                .hint("use another file for the metrics; this one was not changed")
        })?;
    }
    let journal = typed.journal.journal.as_deref().or(config.layer.journal.journal.as_deref());
    let source = typed.source_name.source_name.as_ref().or(config.layer.source_name.source_name.as_ref());
    Ok(Watching(Some(Watch {
        console: console.clone(),
        identity: identity(typed, config),
        source: source.map_or_else(|| defaults::SOURCE.to_owned(), |name| name.0.clone()),
        memory: Memory::of(journal.unwrap_or(Path::new(defaults::JOURNAL)), metrics),
        targets,
        thresholds: thresholds(&config.notify),
        repeats: config.notify.repeat,
        begun: Instant::now(),
        ping: None,
    })))
}

// The settings of the run decide the same later. They may be invalid.
fn identity(typed: &Layer, config: &Config) -> Identity {
    let (upper, lower) = (&typed.routing, &config.layer.routing);
    let channel = match (&upper.channel, &upper.channel_column, &lower.channel_column, &lower.channel) {
        (Some(name), ..) | (None, None, None, Some(name)) => Some(name.0.clone()),
        (None, Some(_), ..) | (None, None, Some(_), _) => None,
        (None, None, None, None) => match config.channels.as_slice() {
            [] => Some(defaults::CHANNEL.to_owned()),
            [table] => Some(table.name.value.clone()),
            [_, _, ..] => None,
        },
    };
    Identity { job: config.job.clone(), channel }
}

impl Watching {
    /// Runs a command and reports how it ended.
    pub fn around(
        self,
        seen: &mut Seen,
        run: impl FnOnce(&mut Seen) -> Result<Exit, Failure>,
    ) -> Result<Exit, Failure> {
        let Self(Some(mut watch)) = self else { return run(seen) };
        watch.start_ping();
        *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        let ended = panic::catch_unwind(AssertUnwindSafe(|| run(seen)));
        let end = match &ended {
            Ok(ended) => RunEnd::of(ended, seen),
            Err(_) => RunEnd {
                end: NightEnd::Failed,
                exit: Exit::Failed,
                message: Some("unexpected failure".to_owned()),
                summary: None,
            },
        };
        match take() {
            Some(watch) => watch.conclude(&end),
            // A signal reports the end and then ends the process.
            None => loop {
                thread::park();
            },
        }
        ended.unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}

fn take() -> Option<Watch> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether the end of the run is to be reported.
pub fn is_watching() -> bool {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Reports the end of a run that a signal or a time limit ends at once. The caller then ends the process.
pub fn end_early(message: &str) {
    if let Some(watch) = take() {
        let end =
            RunEnd { end: NightEnd::Stopped, exit: Exit::Stopped, message: Some(message.to_owned()), summary: None };
        watch.conclude(&end);
    }
}

impl RunEnd {
    fn of(ended: &Result<Exit, Failure>, seen: &Seen) -> Self {
        let exit = ended.as_ref().map_or_else(|failure| failure.exit, |exit| *exit);
        let message = ended.as_ref().err().map(|failure| failure.message.clone());
        let asked = seen.stop.as_ref().and_then(Stop::reason);
        let is_of_platform = match ended {
            Ok(_) => seen.is_of_platform,
            // A run that was not asked to stop could not ask the platform for what it needs.
            Err(_) => asked.is_none_or(|reason| reason.is_of_platform()),
        };
        let end = match exit {
            Exit::Done if seen.is_idle => NightEnd::Idle,
            Exit::Done | Exit::Rejected | Exit::Changes => NightEnd::Finished,
            Exit::Stopped if !is_of_platform => NightEnd::Stopped,
            Exit::Stopped | Exit::Failed | Exit::Usage | Exit::Unauthorized | Exit::Held | Exit::Refused => {
                NightEnd::Failed
            }
        };
        let summary = seen.summary.clone();
        let message = message.or_else(|| summary.as_ref().and_then(|summary| summary.reason.clone()));
        Self { end, exit, message, summary }
    }
}

impl Watch {
    // The run does not wait for it.
    fn start_ping(&mut self) {
        if let Some(url) = &self.targets.ping {
            let (url, timeout) = (url.below("start"), self.targets.timeout);
            self.ping = thread::Builder::new().name("ping".into()).spawn(move || url.get(timeout)).ok();
        }
    }

    fn conclude(mut self, end: &RunEnd) {
        let _signals = ExitOnSignal::listen(&self.console);
        let at = Clock::system().now();
        let rows = end.summary.as_ref().filter(|_| end.end != NightEnd::Failed);
        let night = Night {
            at,
            end: end.end,
            exit: end.exit as u8,
            source: self.source.clone(),
            rows: rows.map(|summary| NightRows { all: summary.rows, rejected: summary.rejected }),
            seconds: self.begun.elapsed().as_secs_f64(),
        };
        let what = (night.clone(), end.summary.as_ref());
        let judged_by = (&self.thresholds, self.repeats);
        let noted = self.memory.note(&self.identity, what, judged_by, |kind| self.targets.tells(kind));
        for problem in &noted.problems {
            self.report(problem);
        }
        self.end_ping(end.end);
        if let Some(kind) = noted.judgement.due.filter(|kind| self.targets.tells(*kind)) {
            let json = self.message(Some(kind), end, &night, &noted);
            match self.targets.tell(kind, &json) {
                Ok(()) => {
                    let delivered = self.memory.delivered(&self.identity, noted.judgement.health);
                    delivered.unwrap_or_else(|problem| self.report(&problem));
                }
                Err(problem) => self.report(&problem),
            }
        }
        if self.targets.tells_every_end() {
            let json = self.message(None, end, &night, &noted);
            self.targets.tell_end(&json).unwrap_or_else(|problem| self.report(&problem));
        }
    }

    // The check sees the start before the end.
    fn end_ping(&mut self, end: NightEnd) {
        let Some(url) = &self.targets.ping else { return };
        let started = self.ping.take().and_then(|ping| ping.join().ok());
        let url = match end {
            NightEnd::Finished | NightEnd::Stopped | NightEnd::Idle => url.clone(),
            NightEnd::Failed => url.below("fail"),
        };
        for pinged in started.into_iter().chain([url.get(self.targets.timeout)]) {
            if let Err(error) = pinged {
                self.report(&format!("notify: ping_url: {}: {error}", url.origin()));
            }
        }
    }

    // It is printed also when only errors are printed: a message that is lost is no success.
    fn report(&self, problem: &str) {
        self.console.say(Level::Exit, problem);
    }

    // The summary with a sentence and the circumstances.
    fn message(&self, kind: Option<AlertKind>, end: &RunEnd, night: &Night, noted: &Noted) -> String {
        let Judgement { health, unusual, .. } = &noted.judgement;
        let reasons: Vec<String> = unusual.iter().map(ToString::to_string).collect();
        let alert = json!({
            "event": kind.map_or("finish", |kind| match kind {
                AlertKind::Failure => "failure",
                AlertKind::Degraded => "degraded",
                AlertKind::Recovered => "recovered",
            }),
            "health": health.name(),
            "earlier": noted.earlier.name(),
            "exit": night.exit,
            "message": end.message,
            "reasons": reasons,
            "job": self.identity.job,
            "channel": self.identity.channel,
            "source": self.source,
            "at": instant(night.at).map(|at| at.to_string()),
        });
        let summary = end.summary.as_ref().map_or_else(
            || {
                let state = match end.end {
                    NightEnd::Stopped => "stopped",
                    NightEnd::Finished | NightEnd::Idle => "finished",
                    NightEnd::Failed => "failed",
                };
                let reason = end.message.clone();
                RunSummary { state, reason, seconds: night.seconds, ..RunSummary::default() }.to_json()
            },
            RunSummary::to_json,
        );
        let text = json!(self.sentence(kind, end, *health, &reasons));
        // It is an object, so it ends with a brace.
        let open = &summary[..summary.len() - 1];
        escaped_json(&format!("{open},\"text\":{text},\"alert\":{alert}}}")).into_owned()
    }

    fn sentence(&self, kind: Option<AlertKind>, end: &RunEnd, health: Health, reasons: &[String]) -> String {
        let who = match &self.identity {
            Identity { job: Some(job), .. } => format!("job `{job}`"),
            Identity { job: None, channel: Some(channel) } => format!("channel `{channel}`"),
            Identity { job: None, channel: None } => "several channels".to_owned(),
        };
        let message = end.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        let summary = end.summary.as_ref().map(run_text).unwrap_or_default();
        let rows = summary.get(1).map(|rows| format!("; {}", rows.trim())).unwrap_or_default();
        let exit = end.exit as u8;
        let failed = format!("{who} failed (exit code {exit}){message}");
        let what = match (kind, end.end) {
            (Some(AlertKind::Failure), _) | (None, NightEnd::Failed) => failed,
            (Some(AlertKind::Degraded), _) => {
                let reasons = if reasons.is_empty() { health.name().to_owned() } else { reasons.join("; ") };
                format!("{who} is degraded: {reasons}{rows}")
            }
            (Some(AlertKind::Recovered), _) => format!("{who} has recovered (exit code {exit}){rows}"),
            (None, NightEnd::Finished) => format!("{who} finished (exit code {exit}){rows}"),
            (None, NightEnd::Idle) => format!("{who} had nothing to resume (exit code {exit})"),
            (None, NightEnd::Stopped) => format!("{who} stopped (exit code {exit}){message}{rows}"),
        };
        format!("contactsync: {what}")
    }
}
