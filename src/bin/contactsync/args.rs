//! The commands and the options that each takes. Options that several commands share are declared in `options`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use contactsync::ContactRef;
use contactsync::mapping::rules::Country;
use contactsync::sandbox::{Fault, Rule, StoredForm};

use crate::options::value::TimeSpan;
use crate::options::{
    AccessArgs, ChannelArgs, HistoryArgs, JournalArgs, Layer, LimitArgs, ListArgs, MatchArgs, PolicyArgs, RoutingArgs,
    Shard, SourceArgs, SourceNameArgs, TalkArgs, defaults, renamed, with_default,
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
    pub talk: TalkArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import a small file into a sandbox platform inside this process; no account is needed
    #[command(after_help = "\
Examples:
  contactsync demo
  contactsync demo --verbose")]
    Demo,
    /// Write a configuration with a mapping guessed from the columns of a file
    Init(InitArgs),
    /// Check the configuration, the mapping, the input and the token; send nothing
    Check(CheckArgs),
    /// Show what a sync would do: contacts, calls and time; send nothing
    Plan(PlanArgs),
    /// Make the platform match the input; run it again after an interruption to continue
    Sync(SyncArgs),
    /// Finish an interrupted run without reading its input again
    Resume(ResumeArgs),
    /// Learn the platform's contacts, ten a call, by a field that they have in common
    Pull(PullArgs),
    /// Read known contacts back and list what differs
    Verify(VerifyArgs),
    /// List the runs of a journal
    Runs(RunsArgs),
    /// Check, shrink or copy a journal
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Serve the platform's API on this machine, for tests and rehearsals
    Sandbox(SandboxArgs),
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
            Self::Runs(args) => Some(&args.config),
            Self::Journal(command) => Some(command.config()),
            // `init` writes the configuration.
            Self::Demo | Self::Init(_) | Self::Sandbox(_) | Self::Completions { .. } | Self::Man => None,
        }
    }

    /// Whether it may run for hours, so that its lines need date and time.
    pub const fn works_long(&self) -> bool {
        match self {
            Self::Sync(_) | Self::Resume(_) | Self::Pull(_) | Self::Verify(_) => true,
            Self::Demo
            | Self::Init(_)
            | Self::Check(_)
            | Self::Plan(_)
            | Self::Runs(_)
            | Self::Journal(_)
            | Self::Sandbox(_)
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
    pub place: PlaceArgs,
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
    pub place: PlaceArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    // A plan makes no calls. It takes the options of `sync`, so that a command line can be tried as a plan first.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    // A plan writes none of these files, for the same reason.
    #[command(flatten)]
    pub lists: ListArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub diff: DiffArgs,
    /// Save the plan to this file, for `sync --plan` [default: none]
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub save: Option<PathBuf>,
    /// Exit with 10 if a sync would send something, also if rows are rejected
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
  contactsync sync - --format jsonl --max-changes 20% --json < contacts.jsonl")]
pub struct SyncArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Carry out this plan, which `plan --save` saved; send nothing if the plan would be another one now
    #[arg(long, value_name = "FILE", help_heading = "Contacts")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub lists: ListArgs,
    /// Print the summary as one JSON object on standard output
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
    pub place: PlaceArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub lists: ListArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync pull --field source --value crm --platform respondio --match phone
  contactsync pull --field source --value crm --until 06:00
  contactsync pull --field source --value crm --config mexico.toml --json")]
pub struct PullArgs {
    /// Learn the contacts that have this field, such as `source`, with the value of `--value`
    #[arg(long, value_name = "FIELD", help_heading = "Marker")]
    pub field: String,
    /// Learn the contacts whose field has exactly this value
    #[arg(long, value_name = "VALUE", help_heading = "Marker")]
    pub value: String,
    #[command(flatten)]
    pub matching: MatchArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync verify --platform respondio --sample 500
  contactsync verify contacts.csv --match phone --show-values
  contactsync verify --repair --max-calls 3000 --json")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct VerifyArgs {
    /// Verify only the contacts and fields of this file; `-` is standard input [default: all known contacts]
    #[arg(value_name = "INPUT")]
    pub input: Option<String>,
    /// Verify at most this many contacts, chosen at random [default: all]
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub sample: Option<u64>,
    /// Choose the sample by this number; the same number chooses the same contacts [default: another one each time]
    #[arg(long, value_name = "N", requires = "sample", help_heading = "Verification")]
    pub seed: Option<u64>,
    /// Let the next sync send what differs
    #[arg(long, conflicts_with = "accept", help_heading = "Verification")]
    pub repair: bool,
    /// Accept the platform's values: they are not listed again, and not sent until the input has another value
    #[arg(long, help_heading = "Verification")]
    pub accept: bool,
    /// Read the contacts by the pages of this marker field if that takes fewer calls [default: that of the last `pull`]
    #[arg(long, value_name = "FIELD", requires = "value", help_heading = "Verification")]
    pub field: Option<String>,
    /// Set the value of the marker field
    #[arg(long, value_name = "VALUE", requires = "field", help_heading = "Verification")]
    pub value: Option<String>,
    #[command(flatten)]
    pub matching: MatchArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print values as they are instead of masked
    #[arg(long, help_heading = OUTPUT)]
    pub show_values: bool,
    /// Print the summary and the differences as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync runs
  contactsync runs --journal mexico.db --limit 5
  contactsync runs --json")]
pub struct RunsArgs {
    #[command(flatten)]
    pub journal: JournalArgs,
    /// List at most this many runs, newest first
    #[arg(long, value_name = "N", default_value_t = 20, help_heading = OUTPUT)]
    pub limit: u32,
    /// Print the runs as one JSON array
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What to do with a journal.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Check the file, its checksums, and that its content is consistent; write nothing
    #[command(after_help = "\
Examples:
  contactsync journal check
  contactsync journal check --journal mexico.db")]
    Check {
        #[command(flatten)]
        journal: JournalArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Remove old calls and rows and unused contacts, and shrink the file
    #[command(after_help = "\
Examples:
  contactsync journal prune
  contactsync journal prune --keep-history 7d")]
    Prune {
        #[command(flatten)]
        journal: JournalArgs,
        #[command(flatten)]
        history: HistoryArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Copy the journal to a new file, also while runs use it
    #[command(after_help = "\
Examples:
  contactsync journal backup monday.db
  contactsync journal backup /backups/contactsync.db --journal mexico.db")]
    Backup {
        /// Write the copy to this new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        journal: JournalArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

impl JournalCommand {
    const fn config(&self) -> &ConfigArgs {
        match self {
            Self::Check { config, .. } | Self::Prune { config, .. } | Self::Backup { config, .. } => config,
        }
    }
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
    pub limit: Option<NonZeroU64>,
    /// Send only this contact: a match value, FIELD=VALUE, id:ID or line:N; repeat it for several [default: all]
    #[arg(long, value_name = "KEY")]
    pub only: Vec<ContactRef>,
}

/// What a plan shows of each contact.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub struct DiffArgs {
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = defaults::DIFF, help = format!("List what would change for the first N contacts; without N, for {}", defaults::DIFF))]
    pub diff: Option<usize>,
    /// Show all values in `--diff`; otherwise only keys are shown, and other values are masked
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
    #[arg(long, value_name = "FILE", help = with_default("Read options from this file", format_args!("{}, if it exists", defaults::CONFIG)))]
    pub config: Option<PathBuf>,
}

/// Which channels, and where their runs are recorded.
#[derive(Debug, Args)]
pub struct PlaceArgs {
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
    pub access: AccessArgs,
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
    pub fn typed(place: &PlaceArgs, connection: &ConnectionArgs, lists: &ListArgs, input: Option<&InputArgs>) -> Self {
        let layer = Self {
            channel: connection.channel.clone(),
            access: connection.access,
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

    /// The same with the options of an input that is only checked.
    pub fn with_input(self, args: &CheckArgs) -> Self {
        Self { source: args.source.clone(), matching: args.matching.clone(), ..self }
    }
}

/// The options of all commands that have no key in the configuration, written as keys: they apply to one run.
pub fn one_run_options(keys: &[&str]) -> Vec<String> {
    let command = Cli::command();
    let with_configuration = command.get_subcommands().filter(|command| command.get_name() != "sandbox");
    let options = with_configuration.chain([&command]).flat_map(clap::Command::get_arguments);
    let names = options.map(|option| option.get_long().unwrap_or(option.get_id().as_str()).replace('-', "_"));
    names.filter(|name| !keys.contains(&name.as_str())).collect()
}

/// The message for an invalid value or a renamed option, as it is for a key of the configuration. `None` for other errors,
/// which clap reports.
pub fn wrong_option(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let option = argument.split([' ', '=']).next()?;
    match error.kind() {
        ErrorKind::ValueValidation => Some(format!("{option}: {}", std::error::Error::source(error)?)),
        ErrorKind::UnknownArgument => {
            let present = renamed(option).filter(|_| option.starts_with("--"))?.replace('_', "-");
            Some(format!("unknown option `{option}`; it was renamed to `--{present}`"))
        }
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WindowArg {
    /// A minute starts with the first call, as on the platforms
    Fixed,
    /// Count the calls of the last 60 seconds
    Sliding,
}

#[derive(Debug, Args)]
#[command(after_help = fault_names())]
pub struct SandboxArgs {
    /// Listen on this port of 127.0.0.1; 0 picks a free port
    #[arg(long, value_name = "N", default_value_t = 8100)]
    pub port: u16,
    /// Allow this many calls a minute for each token; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub rate: u32,
    /// Choose how the minute is counted
    #[arg(long, value_enum, default_value_t = WindowArg::Fixed)]
    pub window: WindowArg,
    /// Accept this token; repeat it for several [default: any token]
    #[arg(long, value_name = "TOKEN")]
    pub token: Vec<String>,
    /// Accept this token for a Viber channel; repeat it for several [default: none]
    #[arg(long, value_name = "TOKEN")]
    pub viber_token: Vec<String>,
    #[command(flatten)]
    pub faults: FaultArgs,
}

/// Faults to inject.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults (SHARE is the fraction of all calls, from 0 to 1)")]
pub struct FaultArgs {
    /// Use this seed for the random faults; the same seed and the same order of calls give the same faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Inject this fault; repeat it for several. RULE is FAULT[,share=N][,on=KIND][,from=CALL][,until=CALL][,over=BYTES][,value=TEXT], such as `unknown-error,share=0.1,on=find`
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<Rule>,
    /// Store and return the values of a field in another form, such as `phone=mexican-mobile`; repeat it for several
    #[arg(long, value_name = "FIELD=FORM", value_parser = stored_form)]
    pub stored_form: Vec<(String, StoredForm)>,
    /// Set the size of each contact that the fault `endless-hits` returns, in bytes
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub hit_bytes: usize,
    /// Send no answer, and apply no change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub lose_before: f64,
    /// Send no answer, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub lose_after: f64,
    /// Answer 500, and apply no change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub error_500: f64,
    /// Answer 500, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub error_500_after: f64,
    /// Answer 502 with an HTML page, and apply no change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub bad_gateway: f64,
    /// Answer 502 with an HTML page, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub bad_gateway_after: f64,
    /// Close the connection in the middle of the answer, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub cut_body: f64,
    /// Answer 429 with `Retry-After`, below the limit
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub throttle: f64,
    /// Set the Retry-After of --throttle, in seconds
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub throttle_seconds: u64,
    /// Answer 429 without `Retry-After`, below the limit
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub throttle_bare: f64,
    /// Delay the answer
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub slow: f64,
    /// Set the delay of --slow
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub slow_for: TimeSpan,
    /// Delay every answer by this time
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub latency: TimeSpan,
    /// Answer 449 (still in the queue) for a contact until this time after its create
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub queued: TimeSpan,
    /// Let the search find a change only after this time
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub late_search: TimeSpan,
    /// Simulate another client that makes this many calls a minute with each token
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub others: u32,
    /// Omit the `X-RateLimit` headers and `Retry-After`
    #[arg(long)]
    pub strip_limit: bool,
}

fn fault_names() -> String {
    let names: Vec<String> = Fault::ALL.iter().map(|fault| fault.name().replace('_', "-")).collect();
    format!(
        "Faults for --fault: {}\n\n\
         Examples:\n  \
           contactsync sandbox --port 0 --rate 0\n  \
           contactsync sandbox --lose-after 0.01 --late-search 5s\n  \
           contactsync sandbox --fault token-expired,from=20",
        names.join(", ")
    )
}

fn stored_form(text: &str) -> Result<(String, StoredForm), String> {
    let (field, form) = text.split_once('=').ok_or_else(|| format!("expected FIELD=FORM, found `{text}`"))?;
    Ok((field.to_owned(), form.parse()?))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("expected a number from 0 to 1, found `{text}`")),
    }
}

#[cfg(test)]
mod tests;
