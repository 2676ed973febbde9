//! Prints the outcome of a sync or a resume: the summary, the reason for a stop, how to continue; and decides the exit code.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contactsync::history::RunState;
use contactsync::report::{ChannelOutcome, Ending, RunSummary};
use contactsync::{StopReason, SyncOutcome};

use crate::args::{ChannelJournalArgs, ConnectionArgs};
use crate::exit::Exit;
use crate::failure::{CHECK_URL, Failure, REWRITE, with_causes};
use crate::options::{ChannelArgs, ListArgs, PlatformCheckArgs};
use crate::render::console::{Console, Level};
use crate::render::summary;
use crate::settings::Channels;
use crate::shell::quoted;

/// Maximum number of channels that a hint names.
const NAMED: usize = 10;

/// The options that a suggested `resume` command repeats.
pub struct Again<'a> {
    pub place: &'a ChannelJournalArgs,
    pub connection: &'a ConnectionArgs,
    pub look: &'a PlatformCheckArgs,
    pub lists: &'a ListArgs,
    /// The job, also one of `--all`.
    pub job: Option<&'a str>,
    /// Whether the run is limited to contacts or to a saved plan, so that the same `sync` would not continue it.
    pub is_limited: bool,
}

/// How a summary is printed.
#[derive(Clone, Copy, Debug)]
pub enum SummaryOutput<'a> {
    /// As text, unless only errors are printed.
    Text,
    /// As text, with the name of the job.
    OfJob(&'a str),
    /// As JSON.
    Json,
    /// The caller prints it.
    Deferred,
}

impl SummaryOutput<'_> {
    /// The form that the option `--json` chooses.
    pub const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Prints the outcome of the runs and how to continue, and returns the most severe of their exit codes.
pub fn conclude(
    outcome: SyncOutcome,
    output: SummaryOutput<'_>,
    again: &Again<'_>,
    console: &Console,
) -> Result<Exit, Failure> {
    let SyncOutcome { summary, channels, refused, lists } = outcome;
    let refused: BTreeMap<String, Failure> =
        refused.into_iter().map(|(name, error)| (name, Failure::from(error))).collect();
    let printed = summary.as_ref().map_or(Ok(()), |summary| print(summary, output, console));
    let mut exits = vec![Exit::Done];
    // Rows that were not sent in this run count as well: the exit code is that of the whole input.
    exits.extend(summary.iter().map(of_summary));
    for failure in refused.values() {
        exits.push(failure.exit);
        console.say(Level::Error, &failure.message);
    }
    if let Some(hint) = refused.values().find_map(|failure| failure.hint.as_deref()) {
        console.say(Level::Hint, hint);
    }
    let several = summary.as_ref().map_or(channels.len(), |summary| summary.channels.len()) > 1;
    for channel in &channels {
        exits.push(print_ending(channel, several, console));
    }
    let is_sent = |name: &str| channels.iter().any(|channel| channel.name == name) || refused.contains_key(name);
    let missing = summary.as_ref().map_or_else(|_| Vec::new(), |summary| print_missing(summary, is_sent, console));
    let exit = Exit::gravest(exits);
    if let (true, Ok(summary)) = (console.is_quiet(), &summary) {
        print_exit_reason(exit, summary, console);
    }
    let endings = || channels.iter().filter_map(|channel| channel.ending.as_ref().ok());
    if exit != Exit::Failed && endings().any(|ending| ending.summary.pending + ending.summary.marks_pending > 0) {
        print_resume_hint(exit, again, console);
        if endings().any(was_refused) {
            console.say(Level::Hint, "these refusals are not about single rows; check the account on the platform");
        }
        if endings().any(was_asked_to_wait) {
            console.say(Level::Hint, "if the platform is available earlier, add `--forget-limit`");
        }
    }
    if !missing.is_empty() {
        let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
        print_missing_hint(&missing, again, console);
    }
    let unlisted = endings().find_map(unlisted);
    // The first failure with its hint. The others were printed, and most likely have the same cause.
    if let Some(error) = channels.into_iter().find_map(|channel| channel.ending.err()) {
        return Err(error.into());
    }
    summary?;
    lists?;
    if let Some(cause) = unlisted {
        // At the end it could be written again.
        return Err(Failure { exit: Exit::Failed, message: cause, details: Vec::new(), hint: Some(REWRITE.into()) });
    }
    printed.map(|()| exit)
}

/// Prints that a resume found no pending rows.
pub fn nothing_to_resume(channels: &Channels, json: bool, console: &Console) -> Result<Exit, Failure> {
    let of = channels.here().first().filter(|_| !channels.are_several());
    let of = of.map_or_else(|| "its channels have".into(), |channel| format!("channel `{}` has", channel.name));
    console.say(Level::Info, &format!("nothing to resume: {of} no pending rows"));
    if json {
        summary::print_json(&RunSummary { state: RunState::Finished.name(), ..RunSummary::default() }.to_json())?;
    }
    Ok(Exit::Done)
}

fn print(summary: &RunSummary, output: SummaryOutput<'_>, console: &Console) -> Result<(), Failure> {
    let lines = match output {
        SummaryOutput::Json => return summary::print_json(&summary.to_json()),
        SummaryOutput::Deferred => return Ok(()),
        SummaryOutput::Text | SummaryOutput::OfJob(_) if console.is_quiet() => return Ok(()),
        SummaryOutput::Text => summary::run_text(summary),
        SummaryOutput::OfJob(job) => {
            let mut lines = summary::run_text(summary);
            if let Some(first) = lines.first_mut() {
                *first = format!("job `{job}`: {first}");
            }
            lines
        }
    };
    summary::print_lines(&lines)
}

fn of_summary(summary: &RunSummary) -> Exit {
    match summary {
        summary if summary.pending + summary.marks_pending > 0 => Exit::Stopped,
        summary if summary.rejected > 0 => Exit::Rejected,
        _ => Exit::Done,
    }
}

fn print_ending(channel: &ChannelOutcome, several: bool, console: &Console) -> Exit {
    let prefix = if several { format!("channel `{}`: ", channel.name) } else { String::new() };
    match &channel.ending {
        Ok(ending) => {
            print_stop(ending, channel, &prefix, console);
            Exit::of(ending)
        }
        Err(error) => {
            if several {
                console.say(Level::Error, &format!("{prefix}{}", with_causes(error)));
            }
            Exit::Failed
        }
    }
}

// Prints the pending rows of channels that were not sent to, and returns the names of these channels.
fn print_missing(summary: &RunSummary, is_sent: impl Fn(&str) -> bool, console: &Console) -> Vec<String> {
    let pending =
        summary.channels.iter().filter(|(name, summary)| summary.pending + summary.marks_pending > 0 && !is_sent(name));
    pending
        .map(|(name, summary)| {
            print_pending(summary, &format!("channel `{name}`: "), console);
            name.clone()
        })
        .collect()
}

fn unlisted(ending: &Ending) -> Option<String> {
    match ending.stopped.as_ref()? {
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
    }
}

fn print_stop(ending: &Ending, channel: &ChannelOutcome, prefix: &str, console: &Console) {
    match &ending.stopped {
        Some(StopReason::Unauthorized(message)) => {
            console.say(Level::Error, &format!("{prefix}the platform refused the token: {message}"));
        }
        Some(StopReason::Unrenewed(cause)) => console.say(Level::Error, &format!("{prefix}{cause}")),
        Some(StopReason::WrongUrl(words)) => {
            let url = &channel.url;
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
        | None => print_pending(&ending.summary, prefix, console),
    }
}

// The state of a run, and what is left of it.
fn left_text(summary: &RunSummary) -> String {
    let state = summary::state(summary.state, summary.reason.as_deref());
    let are = |count: u64| if count == 1 { "is" } else { "are" };
    let mut left = Vec::new();
    if summary.pending > 0 || summary.marks_pending == 0 {
        let (pending, rows) = (summary::grouped(summary.pending), summary::counted_rows(summary.rows));
        left.push(format!("{pending} of {rows} {} pending", are(summary.pending)));
    }
    if summary.marks_pending > 0 {
        let missing = summary::counted(summary.missing, "missing contact", "missing contacts");
        let marks = summary::grouped(summary.marks_pending);
        left.push(format!("{marks} of {missing} {} not marked yet", are(summary.marks_pending)));
    }
    format!("{state}; {}", left.join("; "))
}

fn print_pending(summary: &RunSummary, prefix: &str, console: &Console) {
    if summary.pending + summary.marks_pending > 0 {
        console.say(Level::Warning, &format!("{prefix}{}", left_text(summary)));
    }
}

// When quiet, nothing else states the reason. The other exit codes are of errors, which are always printed.
fn print_exit_reason(exit: Exit, summary: &RunSummary, console: &Console) {
    let rows = summary::counted_rows(summary.rows);
    match exit {
        Exit::Stopped => {
            console.say(Level::Exit, &left_text(summary));
        }
        Exit::Rejected => {
            let (rejected, were) =
                (summary::grouped(summary.rejected), if summary.rejected == 1 { "was" } else { "were" });
            console.say(Level::Exit, &format!("{rejected} of {rows} {were} rejected"));
        }
        Exit::Done | Exit::Failed | Exit::Usage | Exit::Unauthorized | Exit::Held | Exit::Refused | Exit::Changes => {}
    }
}

fn was_refused(ending: &Ending) -> bool {
    matches!(ending.stopped, Some(StopReason::Refusing(_)))
}

fn was_asked_to_wait(ending: &Ending) -> bool {
    matches!(ending.stopped, Some(StopReason::AskedToWait(_)))
}

fn print_resume_hint(exit: Exit, again: &Again<'_>, console: &Console) {
    let resume = again.resume_line();
    if exit == Exit::Unauthorized {
        console.say(Level::Hint, &format!("check the token, then run `{resume}`"));
    } else if exit == Exit::Usage {
        console.say(Level::Hint, CHECK_URL);
    } else if again.is_limited {
        console.say(Level::Info, &format!("to continue: `{resume}`"));
    } else {
        console.say(Level::Info, &format!("to continue: `{resume}`, or the same `sync` again"));
    }
}

// Their rows cannot continue without the channel.
fn print_missing_hint(missing: &[&str], again: &Again<'_>, console: &Console) {
    let names = missing.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (who, are, them) = if missing.len() == 1 { ("channel", "is", "it") } else { ("channels", "are", "them") };
    let text = format!(
        "{who} {names}{more} {are} not among the channels of this run: add {them} to the configuration again, \
         then run `{}`",
        again.resume_line()
    );
    console.say(Level::Hint, &text);
}

impl Again<'_> {
    // Repeats the options of the command line. The configuration is read again, so its keys are left out.
    fn resume_line(&self) -> String {
        let Again { place, connection, look, lists, .. } = self;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| quoted(&path.display().to_string()));
        let ChannelArgs { address, token, .. } = &connection.channel;
        let options = [
            ("--config", path(&place.config.config)),
            ("--job", self.job.map(quoted)),
            ("--channel", place.routing.channel.as_ref().map(|name| quoted(name))),
            ("--channel-column", place.routing.channel_column.as_ref().map(|name| quoted(name))),
            ("--shard", place.shard.map(|shard| shard.to_string())),
            ("--journal", path(&place.journal.journal)),
            ("--url", address.url.as_ref().map(|url| quoted(url))),
            ("--platform", address.platform.as_ref().map(|platform| quoted(platform.0.name))),
            ("--token-file", path(&token.token_file.clone().map(|file| file.value))),
            // Its arguments may contain a secret.
            ("--token-command", token.token_command.as_ref().map(|_| "…".to_owned())),
            ("--token-env", token.token_env.as_ref().map(|name| name.to_string())),
            (
                "--check-access",
                look.check_access.as_ref().map(|access| quoted(&format!("{}={}", access.field, access.value))),
            ),
            ("--rejects", path(&lists.rejects)),
            ("--results", path(&lists.results)),
        ];
        let mut line = "contactsync resume".to_owned();
        for (option, value) in options {
            if let Some(value) = value {
                line.push_str(&format!(" {option} {value}"));
            }
        }
        if connection.http.allow_http {
            line.push_str(" --allow-http");
        }
        line
    }
}
