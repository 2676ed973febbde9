//! The commands and the options that each takes. Options that several commands share are declared in `options`.

mod contact;
mod explain;
mod journal;
mod read_back;
mod runs;
mod sandbox;
mod short_help;
mod undo;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use contactsync::ContactRef;
use contactsync::mapping::rules::Country;

pub use self::contact::{Assignment, ContactCommand, OneContactArgs};
pub use self::explain::ExplainArgs;
pub use self::journal::JournalCommand;
pub use self::read_back::{PullArgs, VerifyArgs};
use self::runs::{BadRunNumber, RUNS_HINT};
pub use self::runs::{ReportArgs, RunsArgs, RunsCommand};
pub use self::sandbox::{FaultArgs, SandboxArgs, WindowArg};
pub use self::short_help::parse;
pub use self::undo::UndoArgs;
use crate::options::value::{ContactCount, whole_number};
use crate::options::{
    ChannelArgs, HistoryArgs, HttpArgs, JournalArgs, Layer, LimitArgs, ListArgs, MatchArgs, MetricsArgs, OutputArgs,
    PlatformCheckArgs, PolicyArgs, RoutingArgs, Shard, SourceArgs, SourceNameArgs, defaults, renamed, with_default,
};

/// Import and sync contacts into messaging platforms whose API allows 100 calls a minute
#[derive(Debug, Parser)]
#[command(
    name = "contactsync",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  contactsync demo
  contactsync init contacts.csv
  contactsync sync contacts.csv --platform respondio --match phone"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub talk: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import a small file into a sandbox platform inside this process; no account is needed
    #[command(after_help = "\
Examples:
  contactsync demo
  contactsync demo --verbose")]
    Demo,
    /// Write a configuration with a mapping guessed from a file's columns
    Init(InitArgs),
    /// Check the configuration, the mapping, the input and the token; send nothing
    Check(CheckArgs),
    /// Show what a sync would do: contacts, calls and time; send nothing
    Plan(PlanArgs),
    /// Make the platform match the input; run it again after an interruption to continue
    Sync(SyncArgs),
    /// Finish an interrupted run without reading its input again
    Resume(ResumeArgs),
    /// Learn the platform's contacts by a field that they have in common; ten a call
    Pull(PullArgs),
    /// Read known contacts back and list what differs
    Verify(VerifyArgs),
    /// Restore the values and tags that a run changed
    Undo(UndoArgs),
    /// List the runs of a journal, or compare two of them
    Runs(RunsArgs),
    /// Report what happened in a run: rows, calls, waits, refusals, rejected rows, and what is left
    Report(ReportArgs),
    /// Show the history of one contact: its rows, calls and answers, and what differs now
    Explain(ExplainArgs),
    /// Read, find, create, update, tag or untag single contacts by hand
    #[command(subcommand)]
    Contact(ContactCommand),
    /// Check, shrink or copy a journal, or erase a person from it
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Serve the platform's API on this machine; for tests and rehearsals
    Sandbox(SandboxArgs),
    /// Print a JSON schema of `contactsync.toml`, for editors
    #[command(after_help = "\
Examples:
  contactsync schema > contactsync.schema.json")]
    Schema,
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  contactsync completions bash > ~/.local/share/bash-completion/completions/contactsync
  contactsync completions fish > ~/.config/fish/completions/contactsync.fish")]
    Completions {
        /// Write the script for this shell
        #[arg(value_enum, value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual page in roff format
    #[command(after_help = "\
Examples:
  contactsync man > contactsync.1
  contactsync man | man -l -")]
    Man,
}

impl Command {
    /// The configuration's options, of a command that reads one.
    pub const fn config(&self) -> Option<&ConfigArgs> {
        match self {
            Self::Check(args) => Some(&args.place.config),
            Self::Plan(args) => Some(&args.place.config),
            Self::Sync(args) => Some(&args.place.config),
            Self::Resume(args) => Some(&args.place.config),
            Self::Pull(args) => Some(&args.place.config),
            Self::Verify(args) => Some(&args.place.config),
            Self::Undo(args) => Some(&args.place.config),
            Self::Runs(args) => Some(args.config()),
            Self::Report(args) => Some(&args.config),
            Self::Explain(args) => Some(&args.place.config),
            Self::Contact(command) => Some(command.config()),
            Self::Journal(command) => Some(command.config()),
            // `init` writes the configuration.
            Self::Demo | Self::Init(_) | Self::Sandbox(_) | Self::Schema | Self::Completions { .. } | Self::Man => None,
        }
    }

    /// Whether it may run for hours, so that its lines need date and time.
    pub const fn works_long(&self) -> bool {
        match self {
            Self::Sync(_) | Self::Resume(_) | Self::Pull(_) | Self::Verify(_) | Self::Undo(_) => true,
            Self::Demo
            | Self::Init(_)
            | Self::Check(_)
            | Self::Plan(_)
            | Self::Runs(_)
            | Self::Report(_)
            | Self::Explain(_)
            | Self::Contact(_)
            | Self::Journal(_)
            | Self::Sandbox(_)
            | Self::Schema
            | Self::Completions { .. }
            | Self::Man => false,
        }
    }
}

const OUTPUT: &str = "Output";
const CONFIGURATION: &str = "Configuration";
const PLATFORM: &str = "Platform and token";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync init contacts.csv
  contactsync init contacts.csv --country MX --config mexico.toml
  contactsync init export.txt --delimiter tab --encoding windows-1252")]
pub struct InitArgs {
    /// Read the columns of this file; `-` is standard input
    #[arg(value_name = "INPUT")]
    pub input: String,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Treat phone numbers without a country code as numbers of this country, such as MX
    #[arg(long, value_name = "COUNTRY", help_heading = CONFIGURATION)]
    pub country: Option<Country>,
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION, help = with_default("Write this file", defaults::CONFIG))]
    pub config: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long, help_heading = CONFIGURATION)]
    pub force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync check
  contactsync check contacts.csv --platform respondio --match phone
  contactsync check contacts.csv --config mexico.toml")]
pub struct CheckArgs {
    /// Check the rows of this file; `-` is standard input
    #[arg(value_name = "INPUT")]
    pub input: Option<String>,
    #[command(flatten)]
    pub matching: MatchArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync plan contacts.csv --platform respondio --match phone
  contactsync plan contacts.csv --config mexico.toml
  contactsync plan contacts.csv --diff --output markdown
  contactsync plan contacts.csv --json")]
pub struct PlanArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub look: PlatformCheckArgs,
    // A plan makes no calls. It takes the options of `sync`, so that a command line can be tried as a plan first.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    // A plan writes none of these files, for the same reason.
    #[command(flatten)]
    pub lists: ListArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub diff: DiffArgs,
    /// Save the plan to this file, for `sync --plan` [default: none]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub save: Option<PathBuf>,
    /// Exit with 10 if a sync would send something, even if rows are rejected
    #[arg(long, help_heading = OUTPUT)]
    pub detailed_exitcode: bool,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync sync contacts.csv --platform respondio --match phone
  contactsync sync contacts.csv --until 06:00 --rejects rejects.csv
  contactsync sync contacts.csv --limit 10
  contactsync sync --job customers
  contactsync sync - --format jsonl --max-changes 20% --json < contacts.jsonl")]
pub struct SyncArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Carry out the plan that `plan --save` wrote to this file; send nothing if the plan has changed since
    #[arg(long, value_name = "FILE", help_heading = "Contacts")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub look: PlatformCheckArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub lists: ListArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// Run all jobs in the configuration, one by one
    #[arg(long, conflicts_with_all = ["input", "job", "plan", "input_command"], help_heading = CONFIGURATION)]
    pub all: bool,
    /// Print the summary as one JSON object on standard output; with `--all`, one line per job
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync resume --platform respondio
  contactsync resume --config mexico.toml --for 2h")]
pub struct ResumeArgs {
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub look: PlatformCheckArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub lists: ListArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// What to read, and what it does to contacts.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Read contacts from this file; `-` is standard input. Required unless `--input-command` is set
    #[arg(value_name = "INPUT")]
    pub input: Option<String>,
    #[command(flatten)]
    pub matching: MatchArgs,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub source_name: SourceNameArgs,
}

/// The contacts to which a run is limited.
#[derive(Debug, Args)]
#[command(next_help_heading = "Contacts")]
pub struct SelectionArgs {
    /// Send only the first N contacts that need calls; the others are skipped, and a later run sends them [default: no limit]
    #[arg(long, value_name = "N")]
    pub limit: Option<ContactCount>,
    /// Send only this contact: a match value, FIELD=VALUE, id:ID or line:N; repeat it for several [default: all]
    #[arg(long, value_name = "KEY")]
    pub only: Vec<ContactRef>,
}

/// What a plan shows of each contact.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub struct DiffArgs {
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = defaults::DIFF, value_parser = whole_number::<usize, { usize::MAX as u64 }>, help = format!("List what would change for the first N contacts; without N, for {}", defaults::DIFF))]
    pub diff: Option<usize>,
    /// Show all values in `--diff`; otherwise values are masked, except in keys and tags
    #[arg(long, requires = "diff")]
    pub show_values: bool,
    /// Print the plan as text, or as Markdown for a ticket [default: text]
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "json")]
    pub output: Option<PlanOutput>,
}

/// The form of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// Lines of text
    Text,
    /// Markdown
    Markdown,
}

/// Where the configuration is.
#[derive(Debug, Args)]
#[command(next_help_heading = CONFIGURATION)]
pub struct ConfigArgs {
    #[arg(long, value_name = "FILE", help = with_default("Read options from this file", format_args!("{}, else ~/.config/contactsync/{}, if it exists", defaults::CONFIG, defaults::CONFIG)))]
    pub config: Option<PathBuf>,
    /// Use the keys of the table `[job.NAME]`; they override the top-level keys [default: none]
    #[arg(long, value_name = "NAME")]
    pub job: Option<String>,
}

/// Which channels, and where their runs are recorded.
#[derive(Debug, Args)]
pub struct ChannelJournalArgs {
    #[command(flatten)]
    pub routing: RoutingArgs,
    /// Process only share I of N, counted from 0, to divide the channels among N machines
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    #[command(flatten)]
    pub journal: JournalArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// How to reach the platform, how fast to call it, and when to stop.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    #[command(flatten)]
    pub channel: ChannelArgs,
    #[command(flatten)]
    pub http: HttpArgs,
    /// Accept a new URL for a channel whose platform has moved; its known contacts are the same there
    #[arg(long, help_heading = PLATFORM)]
    pub moved: bool,
    /// Accept a new token without checking that it belongs to the same channel
    #[arg(long, help_heading = PLATFORM)]
    pub new_token: bool,
    /// Ignore a lower rate limit or a pause that the platform requested in an earlier run
    #[arg(long, help_heading = "Rate limit")]
    pub forget_limit: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl Layer {
    /// The options of the command line. A command without an input sets none of its options.
    pub fn typed(
        place: &ChannelJournalArgs,
        connection: &ConnectionArgs,
        lists: &ListArgs,
        input: Option<&InputArgs>,
    ) -> Self {
        let layer = Self {
            channel: connection.channel.clone(),
            http: connection.http,
            routing: place.routing.clone(),
            limits: connection.limits,
            journal: place.journal.clone(),
            lists: lists.clone(),
            ..Self::default()
        };
        let Some(input) = input else { return layer };
        Self {
            source: input.source.clone(),
            source_name: input.source_name.clone(),
            matching: input.matching.clone(),
            policy: input.policy.clone(),
            ..layer
        }
    }

    /// The same with what the journal keeps, of a command that may write it.
    pub fn with_history(self, history: HistoryArgs) -> Self {
        Self { history, ..self }
    }

    /// The same with what is looked at on the platform, of a command that may write to it.
    pub fn with_look(self, look: &PlatformCheckArgs) -> Self {
        Self { look: look.clone(), ..self }
    }

    /// The same with the file of metrics, of a command that writes it.
    pub fn with_metrics(self, metrics: &MetricsArgs) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }

    /// The same with the options of an input that is only checked.
    pub fn with_input(self, args: &CheckArgs) -> Self {
        Self { source: args.source.clone(), matching: args.matching.clone(), ..self }
    }
}

/// The options of the commands that read a configuration, written as keys.
fn options_as_keys() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let command = Cli::command();
        let with_configuration = command.get_subcommands().filter(|command| command.get_name() != "sandbox");
        let options = with_configuration.chain([&command]).flat_map(clap::Command::get_arguments);
        options.map(key_of).collect()
    });
    &NAMES
}

/// The key of an option in the configuration, if it has one.
pub fn key_of(option: &clap::Arg) -> String {
    option.get_long().unwrap_or(option.get_id().as_str()).replace('-', "_")
}

/// The options of all commands that have no key in the configuration, written as keys: they apply to one run.
pub fn one_run_options(keys: &[&str]) -> Vec<String> {
    options_as_keys().iter().filter(|name| !keys.contains(&name.as_str())).cloned().collect()
}

/// What is wrong with an option or its value, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongOption {
    pub message: String,
    pub hint: Option<&'static str>,
}

/// The message for an invalid value or a renamed option, as it is for a key of the configuration. `None` for other errors,
/// which clap reports.
pub fn wrong_option(error: &clap::Error) -> Option<WrongOption> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let option = name_of(argument);
    match error.kind() {
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error)?;
            let hint = cause.downcast_ref::<BadRunNumber>().map(|_| RUNS_HINT);
            Some(WrongOption { message: format!("{option}: {cause}"), hint })
        }
        ErrorKind::UnknownArgument => {
            let present = renamed(option).filter(|_| option.starts_with("--"))?.replace('_', "-");
            let message = format!("unknown option `{option}`; it was renamed to `--{present}`");
            Some(WrongOption { message, hint: None })
        }
        _ => None,
    }
}

/// The name of an argument as clap writes it in a usage: `--diff` for `--diff[=<N>]`, `NAME=VALUE` for `<NAME=VALUE>...`.
fn name_of(argument: &str) -> &str {
    if argument.starts_with('-') {
        return argument.split([' ', '=', '[']).next().unwrap_or(argument);
    }
    argument.trim_end_matches("...").trim_matches(['<', '>', '[', ']'])
}

#[cfg(test)]
mod tests;
