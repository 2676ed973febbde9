//! The commands, one a file, and what `sync`, `resume` and `demo` share: sending a run and ending with it.

pub mod demo;
pub mod plan;
pub mod resume;
pub mod runs;
pub mod sandbox;
pub mod sync;

use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use contactsync::{
    BaseUrl, ChannelLock, Clock, Ending, Job, Journal, JournalError, Key, Mode, Policy, RunState, Stop, StopReason,
    Transport, WindowId, run_summary, send,
};
use tokio::runtime::Runtime;

use crate::args::{ConnectionArgs, PlaceArgs};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::progress::Progress;
use crate::settings::Connection;
use crate::voice::{Level, Voice};

/// The runtime of a command: it drives connections and timers.
fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::unexpected(&error))
}

/// A journal, with the right to run on one of its channels.
struct Place {
    journal: Journal,
    _lock: ChannelLock,
}

impl Place {
    // The journal comes first: that it cannot be opened says more than that the file beside it cannot.
    fn take(path: &Path, channel: &str) -> Result<Self, Failure> {
        let journal = Journal::open(path)?;
        let holder = format!("process {} since {}", process::id(), local_time(jiff::Timestamp::now()));
        let lock = ChannelLock::take(path, channel, &holder)?;
        Ok(Self { journal, _lock: lock })
    }
}

/// Holds the channel to the platform that its known contacts are on.
fn hold_to_url(journal: &Journal, path: &Path, channel: &str, url: &BaseUrl, moved: bool) -> Result<(), Failure> {
    match journal.channel_url(channel)? {
        Some(known) if known != url.as_str() && moved => Ok(journal.move_channel(channel, url.as_str())?),
        Some(known) if known != url.as_str() => Err(Failure::usage_text(format!(
            "channel `{}` of journal {}: its contacts are on {known}, found {url}",
            channel,
            path.display(),
        ))
        .hint("take another --channel or --journal for another platform, or say --moved when it is the same one")),
        Some(_) | None => Ok(()),
    }
}

/// Holds `--mode create`, which searches for nobody, to the keys by which the channel's contacts are known: by others,
/// it would make them again.
fn hold_to_keys(
    journal: &Journal,
    path: &Path,
    channel: &str,
    matches: &[String],
    policy: Policy,
) -> Result<(), Failure> {
    if policy.mode != Mode::Create {
        return Ok(());
    }
    let by = |fields: &str| if fields.is_empty() { "their whole content".to_owned() } else { format!("`{fields}`") };
    match journal.known_by_others(channel, matches)? {
        None => Ok(()),
        Some(key) => {
            let known = match &key {
                Key::Match { field, .. } => by(field),
                Key::Id(_) | Key::Row { .. } => by(""),
            };
            Err(Failure::usage_text(format!(
                "channel `{}` of journal {}: its contacts are known by {known}, found {}: `--mode create` could make them again",
                channel,
                path.display(),
                by(&matches.join("`, `")),
            ))
            .hint("match as before, or say --mode upsert, which searches; other contacts go into another --channel"))
        }
    }
}

/// Sends a planned run and prints what it came to.
fn bring<T: Transport>(
    job: &Sending<'_, T>,
    place: &PlaceArgs,
    connection: &ConnectionArgs,
    voice: &Voice,
) -> Result<Exit, Failure> {
    let progress = Progress::new(voice, job.input);
    let ending = job.send(&progress);
    progress.end();
    let ending = ending.inspect_err(|error| {
        if job.json {
            // What can still be counted; the rows are as they were when the journal failed.
            let counts = job.journal.counts_blocking(job.run).unwrap_or_default();
            let reason = Some(error.to_string());
            // The failure itself says more than that its summary could not be printed.
            let _ = output::print(&run_summary(job.run, RunState::Failed, reason, &counts, Duration::ZERO).to_json());
        }
    })?;
    let printed = if job.json {
        output::print(&ending.summary.to_json())
    } else if voice.is_quiet() {
        Ok(())
    } else {
        output::print(&output::run_text(&ending.summary))
    };
    say_how_to_go_on(&ending, place, connection, voice);
    printed.map(|()| Exit::of(&ending))
}

/// A run that is ready to be sent.
struct Sending<'a, T> {
    runtime: &'a Runtime,
    journal: &'a Journal,
    run: i64,
    channel: &'a str,
    window: &'a WindowId,
    policy: Policy,
    connection: &'a Connection<T>,
    input: &'a str,
    json: bool,
    clock: &'a Clock,
    stop: &'a Stop,
}

impl<T: Transport> Sending<'_, T> {
    fn send(&self, progress: &Progress<'_>) -> Result<Ending, JournalError> {
        self.runtime.block_on(send(Job {
            journal: self.journal,
            run: self.run,
            channel: self.channel,
            window: self.window,
            policy: self.policy,
            transport: &self.connection.transport,
            call_timeout: self.connection.call_timeout,
            rate: self.connection.rate,
            burst: self.connection.burst,
            concurrency: self.connection.concurrency,
            clock: self.clock,
            // Chance only spreads retries; that it differs from process to process is its use.
            seed: u64::from(process::id()) ^ self.clock.now().as_millis(),
            observer: progress,
            stop: self.stop,
        }))
    }
}

fn say_how_to_go_on(ending: &Ending, place: &PlaceArgs, connection: &ConnectionArgs, voice: &Voice) {
    let summary = &ending.summary;
    let resume = resume_line(place, connection);
    if let Some(StopReason::Unauthorized(message)) = &ending.stopped {
        voice.say(Level::Error, &format!("the platform refused the token: {message}"));
        voice.say(Level::Hint, &format!("check the token; then `{resume}` goes on"));
    } else if summary.pending > 0 {
        let state = output::state(summary.state, summary.reason.as_deref());
        voice.say(Level::Warning, &format!("{state}; {} of {} rows are pending", summary.pending, summary.rows));
        voice.say(Level::Info, &format!("to go on: `{resume}`, or the same `sync` again"));
    }
}

// What has to be said again is what was said: the configuration is read again.
fn resume_line(place: &PlaceArgs, connection: &ConnectionArgs) -> String {
    let path = |path: &Option<PathBuf>| path.as_deref().map(quoted);
    let said = [
        ("--config", path(&place.config.config)),
        ("--channel", place.channel.as_deref().map(quoted_text)),
        ("--channel-column", place.channel_column.as_deref().map(quoted_text)),
        ("--shard", place.shard.map(|shard| shard.to_string())),
        ("--journal", path(&place.journal)),
        ("--token-file", path(&connection.token_file)),
        ("--token-env", connection.token_env.clone()),
    ];
    let mut line = "contactsync resume".to_owned();
    for (option, value) in said {
        if let Some(value) = value {
            line.push_str(&format!(" {option} {value}"));
        }
    }
    if connection.allow_http {
        line.push_str(" --allow-http");
    }
    line
}

// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    quoted_text(&path.display().to_string())
}

fn quoted_text(text: &str) -> String {
    let plain = text.chars().all(|sign| sign.is_ascii_alphanumeric() || "/._-".contains(sign));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A moment as the person at this machine writes it.
fn local_time(moment: jiff::Timestamp) -> String {
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn moment(at: contactsync::Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map_or_else(|_| "?".into(), local_time)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
