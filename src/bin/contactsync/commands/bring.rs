//! What `sync`, `resume` and `demo` share: sending planned runs, and ending with them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use contactsync::{
    Clock, Ending, Job, Journal, JournalError, Limits, Listed, ListingError, Policy, RunState, RunSummary, Stop,
    StopReason, Summary, run_summary, send_all,
};
use tokio::runtime::Runtime;

use crate::args::{ConnectionArgs, PlaceArgs};
use crate::commands::other_runs::OtherRuns;
use crate::commands::tokens::{Renewing, Tokens};
use crate::commands::workspace::Ready;
use crate::console::{Console, Level};
use crate::failure::{CHECK_URL, Exit, Failure, REWRITE};
use crate::options::{ChannelArgs, ListArgs};
use crate::progress::Progress;
use crate::stderr::STDERR;
use crate::summary;

/// How many channels a hint names.
const NAMED: usize = 10;

/// A run that is ready to be sent, and where to.
pub struct Sendable<'a> {
    pub run: i64,
    pub policy: Policy,
    pub to: &'a Ready,
    /// What lists its rows.
    pub listed: Option<&'a Listed>,
}

/// Runs that are ready to be sent, all at the same time.
pub struct Sending<'a> {
    pub runtime: &'a Runtime,
    pub journal: &'a Journal,
    pub runs: Vec<Sendable<'a>>,
    /// What else there is of their inputs.
    pub other_runs: OtherRuns,
    /// Whether rows are parted by channel, so that there may be several, though it is one this time.
    pub by_channel: bool,
    pub limits: Limits,
    /// How long a platform that is down is waited for.
    pub outage_timeout: Duration,
    pub clock: &'a Clock,
    pub stop: &'a Stop,
    /// What replaces refused tokens; `None` where none is replaced.
    pub tokens: Option<Tokens<'a>>,
    /// The channels that are not sent to, because their tokens are not theirs or could not be checked.
    pub refused: BTreeMap<String, Failure>,
}

/// What became of runs that were sent.
pub struct Sent<'a> {
    endings: Vec<(&'a Ready, Result<Ending, JournalError>)>,
    refused: BTreeMap<String, Failure>,
    pub summary: RunSummary,
}

impl<'a> Sending<'a> {
    pub fn send(self, progress: &Progress<'_>) -> Result<Sent<'a>, JournalError> {
        STDERR.leave_out_when_full();
        let names: Vec<&str> = self.runs.iter().map(|run| run.to.name.as_str()).collect();
        let lists = self.runs.iter().map(|run| run.listed);
        let observers: Vec<_> = progress.channels(&names).into_iter().zip(lists).collect();
        let stops: Vec<Stop> = self.runs.iter().map(|_| self.stop.part()).collect();
        let renewing: Vec<_> = self.runs.iter().map(|run| Renewing { to: run.to, tokens: self.tokens }).collect();
        let jobs: Vec<_> = self
            .runs
            .iter()
            .zip(observers.iter().zip(&stops).zip(&renewing))
            .map(|(Sendable { run, policy, to, .. }, ((observer, stop), transport))| Job {
                journal: self.journal,
                run: *run,
                channel: &to.name,
                window: &to.window,
                policy: *policy,
                transport,
                call_timeout: to.connection.call_timeout,
                rate: to.connection.rate,
                burst: to.connection.burst,
                concurrency: to.connection.concurrency,
                limits: self.limits,
                outage_timeout: self.outage_timeout,
                clock: self.clock,
                // Chance only spreads retries; that it differs from process to process is its use.
                seed: u64::from(process::id()) ^ self.clock.now().as_millis() ^ run.unsigned_abs().rotate_left(32),
                observer,
                stop,
            })
            .collect();
        let endings = self.runtime.block_on(send_all(&jobs));
        progress.end();
        let endings: Vec<_> = self.runs.iter().map(|run| run.to).zip(endings).collect();
        let summary = self.summary(&endings)?;
        Ok(Sent { endings, refused: self.refused, summary })
    }

    fn summary(&self, endings: &[(&Ready, Result<Ending, JournalError>)]) -> Result<RunSummary, JournalError> {
        let mut channels = BTreeMap::new();
        for (run, (to, ending)) in self.runs.iter().zip(endings) {
            let summary = match ending {
                Ok(ending) => ending.summary.clone(),
                Err(error) => {
                    // What can still be counted; the rows are as they were when the journal failed.
                    let counts = self.journal.counts_blocking(run.run).unwrap_or_default();
                    run_summary(run.run, RunState::Failed, Some(error.to_string()), &counts, Duration::ZERO)
                }
            };
            if !self.by_channel {
                return Ok(summary);
            }
            channels.insert(to.name.clone(), summary);
        }
        channels.extend(self.other_runs.summaries(self.journal)?);
        Ok(Summary::of_channels(channels))
    }
}

/// How to go on, as far as it has to be said again.
pub struct Again<'a> {
    pub place: &'a PlaceArgs,
    pub connection: &'a ConnectionArgs,
    pub lists: &'a ListArgs,
}

impl Sent<'_> {
    /// Of inputs of which nothing could be sent.
    pub fn nothing(channels: BTreeMap<String, RunSummary>) -> Self {
        Self { endings: Vec::new(), refused: BTreeMap::new(), summary: Summary::of_channels(channels) }
    }

    /// Prints what the runs came to, says how to go on, and gives the gravest of their exits. `listed` is what became of
    /// the lists of their rows.
    pub fn conclude(
        self,
        listed: Result<(), ListingError>,
        json: bool,
        again: &Again<'_>,
        console: &Console,
    ) -> Result<Exit, Failure> {
        let printed = if json {
            summary::print_json(&self.summary.to_json())
        } else if console.is_quiet() {
            Ok(())
        } else {
            summary::print_lines(&summary::run_text(&self.summary))
        };
        // What was not sent now counts as well: who asks wants to know how the input stands.
        let mut exits = vec![match &self.summary {
            summary if summary.pending > 0 => Exit::Stopped,
            summary if summary.rejected > 0 => Exit::Rejected,
            _ => Exit::Done,
        }];
        for failure in self.refused.values() {
            exits.push(failure.exit);
            console.say(Level::Error, &failure.message);
        }
        if let Some(hint) = self.refused.values().find_map(|failure| failure.hint.as_deref()) {
            console.say(Level::Hint, hint);
        }
        let several = self.summary.channels.len() > 1;
        for (to, ending) in &self.endings {
            let prefix = if several { format!("channel `{}`: ", to.name) } else { String::new() };
            match ending {
                Ok(ending) => {
                    exits.push(Exit::of(ending));
                    say_why_it_stopped(ending, to, &prefix, console);
                }
                Err(error) => {
                    exits.push(Exit::Failed);
                    if several {
                        console.say(Level::Error, &format!("{prefix}{error}"));
                    }
                }
            }
        }
        let is_sent =
            |name: &str| self.endings.iter().any(|(sent, _)| sent.name == name) || self.refused.contains_key(name);
        let pending = self.summary.channels.iter().filter(|(name, summary)| summary.pending > 0 && !is_sent(name));
        let missing: Vec<&str> = pending
            .map(|(name, summary)| {
                say_what_is_pending(summary, &format!("channel `{name}`: "), console);
                name.as_str()
            })
            .collect();
        let exit = Exit::gravest(exits);
        if console.is_quiet() {
            say_why(exit, &self.summary, console);
        }
        let is_pending = |ending: &Result<Ending, _>| ending.as_ref().is_ok_and(|ending| ending.summary.pending > 0);
        if exit != Exit::Failed && self.endings.iter().any(|(_, ending)| is_pending(ending)) {
            say_how_to_go_on(exit, again, console);
            if self.endings.iter().any(|(_, ending)| was_refused(ending)) {
                console.say(Level::Hint, "these refusals are not about single rows; check the account on the platform");
            }
            if self.endings.iter().any(|(_, ending)| was_asked_to_wait(ending)) {
                console.say(Level::Hint, "if the platform is available earlier, add `--forget-limit`");
            }
        }
        if !missing.is_empty() {
            say_what_to_put_back(&missing, again, console);
        }
        let unlisted = self.endings.iter().find_map(|(_, ending)| match ending.as_ref().ok()?.stopped.as_ref()? {
            StopReason::Unlisted(cause) => Some(cause.clone()),
            StopReason::Signal(_)
            | StopReason::Unauthorized(_)
            | StopReason::Unrenewed(_)
            | StopReason::Down(_)
            | StopReason::KindDown(_)
            | StopReason::Refusing(_)
            | StopReason::AskedToWait(_)
            | StopReason::WrongUrl(_)
            | StopReason::Deadline
            | StopReason::MaxCalls(_) => None,
        });
        // The first failure in full, with its hint; the others are told, and are most likely the same.
        if let Some(error) = self.endings.into_iter().find_map(|(_, ending)| ending.err()) {
            return Err(error.into());
        }
        listed?;
        if let Some(cause) = unlisted {
            // It could be written again at the end.
            return Err(Failure { exit: Exit::Failed, message: cause, hint: Some(REWRITE.into()) });
        }
        printed.map(|()| exit)
    }
}

fn say_why_it_stopped(ending: &Ending, to: &Ready, prefix: &str, console: &Console) {
    match &ending.stopped {
        Some(StopReason::Unauthorized(message)) => {
            console.say(Level::Error, &format!("{prefix}the platform refused the token: {message}"));
        }
        Some(StopReason::Unrenewed(cause)) => console.say(Level::Error, &format!("{prefix}{cause}")),
        Some(StopReason::WrongUrl(words)) => {
            let url = &to.connection.url;
            console.say(Level::Error, &format!("{prefix}every call to {url} was answered 404: {words}"));
        }
        Some(
            StopReason::Signal(_)
            | StopReason::Down(_)
            | StopReason::KindDown(_)
            | StopReason::Refusing(_)
            | StopReason::AskedToWait(_)
            | StopReason::Deadline
            | StopReason::MaxCalls(_)
            | StopReason::Unlisted(_),
        )
        | None => say_what_is_pending(&ending.summary, prefix, console),
    }
}

fn say_what_is_pending(summary: &RunSummary, prefix: &str, console: &Console) {
    if summary.pending > 0 {
        let state = summary::state(summary.state, summary.reason.as_deref());
        let (pending, rows) = (summary::grouped(summary.pending), summary::counted_rows(summary.rows));
        let are = if summary.pending == 1 { "is" } else { "are" };
        console.say(Level::Warning, &format!("{prefix}{state}; {pending} of {rows} {are} pending"));
    }
}

// Nothing else says it when the program is quiet. The other exits are of errors, which are always told.
fn say_why(exit: Exit, summary: &RunSummary, console: &Console) {
    let rows = summary::counted_rows(summary.rows);
    match exit {
        Exit::Stopped => {
            let state = summary::state(summary.state, summary.reason.as_deref());
            let (pending, are) = (summary::grouped(summary.pending), if summary.pending == 1 { "is" } else { "are" });
            console.say(Level::Exit, &format!("{state}; {pending} of {rows} {are} pending"));
        }
        Exit::Rejected => {
            let (rejected, were) =
                (summary::grouped(summary.rejected), if summary.rejected == 1 { "was" } else { "were" });
            console.say(Level::Exit, &format!("{rejected} of {rows} {were} rejected"));
        }
        Exit::Done | Exit::Failed | Exit::Usage | Exit::Unauthorized | Exit::Held | Exit::Refused => {}
    }
}

fn was_refused(ending: &Result<Ending, JournalError>) -> bool {
    ending.as_ref().is_ok_and(|ending| matches!(ending.stopped, Some(StopReason::Refusing(_))))
}

fn was_asked_to_wait(ending: &Result<Ending, JournalError>) -> bool {
    ending.as_ref().is_ok_and(|ending| matches!(ending.stopped, Some(StopReason::AskedToWait(_))))
}

fn say_how_to_go_on(exit: Exit, again: &Again<'_>, console: &Console) {
    let resume = again.resume_line();
    if exit == Exit::Unauthorized {
        console.say(Level::Hint, &format!("check the token; then `{resume}` goes on"));
    } else if exit == Exit::Usage {
        console.say(Level::Hint, CHECK_URL);
    } else {
        console.say(Level::Info, &format!("to go on: `{resume}`, or the same `sync` again"));
    }
}

// Nothing can go on with their rows as it is.
fn say_what_to_put_back(missing: &[&str], again: &Again<'_>, console: &Console) {
    let names = missing.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (who, are, them) = if missing.len() == 1 { ("channel", "is", "it") } else { ("channels", "are", "them") };
    let text = format!(
        "{who} {names}{more} {are} not among the channels of this run: put {them} back into the configuration; then \
         `{}` goes on with {them}",
        again.resume_line()
    );
    console.say(Level::Hint, &text);
}

impl Again<'_> {
    // What has to be said again is what was said: the configuration is read again.
    fn resume_line(&self) -> String {
        let Again { place, connection, lists } = self;
        let ChannelArgs { address, token, .. } = &connection.channel;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| quoted(&path.display().to_string()));
        let said = [
            ("--config", path(&place.config.config)),
            ("--channel", place.routing.channel.as_ref().map(|name| quoted(name))),
            ("--channel-column", place.routing.channel_column.as_ref().map(|name| quoted(name))),
            ("--shard", place.shard.map(|shard| shard.to_string())),
            ("--journal", path(&place.journal.journal)),
            ("--url", address.url.as_ref().map(|url| quoted(url))),
            ("--platform", address.platform.as_ref().map(|platform| quoted(platform.0.name))),
            ("--token-file", path(&token.token_file.clone().map(|file| file.value))),
            // Its arguments may hold a secret.
            ("--token-command", token.token_command.as_ref().map(|_| "…".to_owned())),
            ("--token-env", token.token_env.as_ref().map(|name| name.to_string())),
            ("--rejects", path(&lists.rejects)),
            ("--results", path(&lists.results)),
        ];
        let mut line = "contactsync resume".to_owned();
        for (option, value) in said {
            if let Some(value) = value {
                line.push_str(&format!(" {option} {value}"));
            }
        }
        if connection.access.allow_http {
            line.push_str(" --allow-http");
        }
        line
    }
}

// As a shell takes it for one word.
pub fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "/._-:".contains(character));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
