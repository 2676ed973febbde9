//! What was typed. Nothing here is checked beyond its form; `settings` turns it into what a command can work with.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use contactsync::MaxChanges;
use contactsync::rules::Country;
use contactsync::sandbox::{Fault, Rule, StoredForm};

use crate::settings::{Shard, TimeOfDay};

/// The channel's name, unless told.
pub const DEFAULT_CHANNEL: &str = "default";

/// The environment variable that holds the token unless told.
pub const DEFAULT_TOKEN_ENV: &str = "CONTACTSYNC_TOKEN";

/// The journal's path, unless told.
pub const DEFAULT_JOURNAL: &str = "contactsync.db";

/// How long a platform's search may lag, unless told.
pub const DEFAULT_SEARCH_LAG: Duration = Duration::from_secs(30);

/// Bulk import and sync of contacts into messaging platforms whose API takes 100 calls a minute.
#[derive(Debug, Parser)]
#[command(
    name = "contactsync",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub talk: TalkArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import a small file into a sandbox platform inside this process; needs no account
    Demo,
    /// Write a configuration with the mapping that a file's columns suggest, to look over and to change
    Init(InitArgs),
    /// Say whether everything is ready: the configuration, the mapping, the input, the token; sends nothing
    Check(CheckArgs),
    /// Say what a sync would do: contacts, calls, time at the limit; sends nothing
    Plan(PlanArgs),
    /// Bring the platform to the file; run again after an interruption, it goes on where it stopped
    Sync(SyncArgs),
    /// Finish what an interrupted run left, without its input
    Resume(ResumeArgs),
    /// List the runs of a journal
    Runs(RunsArgs),
    /// Serve the platform's API on this machine, to try things out
    Sandbox(SandboxArgs),
}

impl Command {
    /// Where the configuration is, for a command that reads one.
    pub const fn config(&self) -> Option<&ConfigArgs> {
        match self {
            Self::Check(args) => Some(&args.place.config),
            Self::Plan(args) => Some(&args.place.config),
            Self::Sync(args) => Some(&args.place.config),
            Self::Resume(args) => Some(&args.place.config),
            Self::Runs(args) => Some(&args.config),
            // What is to be written is not read.
            Self::Demo | Self::Init(_) | Self::Sandbox(_) => None,
        }
    }

    /// Whether it works for hours, so that its lines need date and time.
    pub const fn works_long(&self) -> bool {
        match self {
            Self::Sync(_) | Self::Resume(_) => true,
            Self::Demo | Self::Init(_) | Self::Check(_) | Self::Plan(_) | Self::Runs(_) | Self::Sandbox(_) => false,
        }
    }
}

// The heading of what is printed, in help texts.
const TALK: &str = "What is shown";

/// How the program talks.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = TALK)]
pub struct TalkArgs {
    /// Print more: every call with its row and key
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print only errors and the reason for a non-zero exit code
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Show no progress
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Format of the lines on standard error [default: text; without date and time on a terminal]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people, with date and time
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The file with the contacts; `-` is standard input
    #[arg(value_name = "INPUT")]
    pub input: String,
    #[command(flatten)]
    pub source: SourceArgs,
    /// The country of phone numbers without a country code, by its two letters
    #[arg(long, value_name = "COUNTRY", help_heading = "The configuration")]
    pub country: Option<Country>,
    /// The file to write [default: contactsync.toml]
    #[arg(long, value_name = "FILE", help_heading = "The configuration")]
    pub config: Option<PathBuf>,
    /// Write it although there is one already: what it says is lost
    #[arg(long, help_heading = "The configuration")]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file with the contacts; `-` is standard input
    #[arg(value_name = "INPUT")]
    pub input: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// A field that tells contacts apart (repeatable, tried in order); needed but for `--mode create` and for rows with an id
    #[arg(long = "match", value_name = "FIELD", help_heading = "The input")]
    pub matches: Vec<String>,
    /// Which contacts may be made and changed [default: upsert]
    #[arg(long, value_enum, help_heading = "The input")]
    pub mode: Option<ModeArg>,
    /// Which of several rows of one contact counts [default: last]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "The input")]
    pub duplicates: Option<DuplicatesArg>,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    // A plan calls nobody. It takes what `sync` takes, so that one line can be tried as a plan first.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    // A plan writes none of them, for the same reason.
    #[command(flatten)]
    pub lists: ListArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = TALK)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SyncArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub lists: ListArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = TALK)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub lists: ListArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = TALK)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunsArgs {
    /// The journal [default: contactsync.db]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// The most runs to list, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Print the runs as one JSON array
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What to read and what it means.
#[derive(Debug, Args)]
#[command(next_help_heading = "The input")]
pub struct InputArgs {
    /// The file with the contacts; `-` is standard input
    #[arg(value_name = "INPUT", help_heading = None::<&str>)]
    pub input: String,
    #[command(flatten)]
    pub source: SourceArgs,
    /// A field that tells contacts apart (repeatable, tried in order); needed but for `--mode create` and for rows with an id
    #[arg(long = "match", value_name = "FIELD")]
    pub matches: Vec<String>,
    /// Which contacts may be made and changed [default: upsert]
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    /// What becomes of tags that contactsync added and the file no longer names [default: add]
    #[arg(long, value_enum, value_name = "MODE")]
    pub tags_mode: Option<TagsModeArg>,
    /// Which of several rows of one contact counts [default: last]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub duplicates: Option<DuplicatesArg>,
    /// Send nothing when more contacts than these, or than this share of the rows, would be made or changed
    #[arg(long, value_name = "N|N%")]
    pub max_changes: Option<MaxChanges>,
    /// How long a new contact may take until the platform's search finds it [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub search_lag: Option<Duration>,
    /// Create a contact again whose create got no answer and that has no match field to search by; may make it twice
    #[arg(long)]
    pub retry_in_doubt: bool,
}

/// The files that list rows.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Lists of rows")]
pub struct ListArgs {
    /// Write the rejected rows there, as a file like the input, with their lines and the reasons
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Write there how each row ended, as CSV
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}

/// Where further settings are.
#[derive(Debug, Args)]
#[command(next_help_heading = "The configuration")]
pub struct ConfigArgs {
    /// What is said there need not be said here [default: contactsync.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How the input is to be read. What is not said is told by the input itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "The input")]
pub struct SourceArgs {
    /// The input's format: csv, tsv, jsonl, json, xlsx or ods [default: by what it holds]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// What parts the cells of CSV: one character, or `tab` [default: by what it holds]
    #[arg(long, value_name = "SIGN")]
    pub delimiter: Option<String>,
    /// What the text is written in, such as `utf-8` or `windows-1252` [default: by what it holds]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// So many lines, or rows of a spreadsheet, stand before the header
    #[arg(long, value_name = "N")]
    pub skip_lines: Option<u64>,
    /// The first row is a contact already; the columns are called `column 1`, `column 2`, and so on
    #[arg(long)]
    pub no_header: bool,
    /// The sheet of a spreadsheet, by its name or its place from 1 [default: the first one with anything in it]
    #[arg(long, value_name = "SHEET")]
    pub sheet: Option<String>,
}

/// Which channel, and where its runs are written down.
#[derive(Debug, Args)]
#[command(next_help_heading = "The channel and the journal")]
pub struct PlaceArgs {
    /// The channel's name in the journal, and its table in the configuration [default: default]; with a channel column,
    /// only the rows of this channel are taken
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub channel: Option<String>,
    /// The column that names each row's channel, each with a table in the configuration
    #[arg(long, value_name = "COLUMN")]
    pub channel_column: Option<String>,
    /// Take the share I (from 0) of N shares of the channels; the others are other machines' work
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// The journal [default: contactsync.db]
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// How to reach the platform, and how fast.
#[derive(Debug, Args)]
#[command(next_help_heading = "The platform and the pace")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct ConnectionArgs {
    /// The API's base URL, such as `https://app.example.com/api/v1`
    #[arg(long, value_name = "URL", conflicts_with = "platform")]
    pub url: Option<String>,
    /// The platform by name: 1980tic, orade, respondio, okeybot or botcity
    #[arg(long, value_name = "PRESET")]
    pub platform: Option<String>,
    /// The environment variable that holds the channel's token [default: CONTACTSYNC_TOKEN]
    #[arg(long, value_name = "VAR", conflicts_with_all = ["token_file", "token_command"])]
    pub token_env: Option<String>,
    /// The file that holds the channel's token
    #[arg(long, value_name = "FILE", conflicts_with = "token_command")]
    pub token_file: Option<PathBuf>,
    /// Run this command, without a shell, and use what it prints as the channel's token; run again when the token is refused
    #[arg(long, value_name = "CMD")]
    pub token_command: Option<String>,
    /// The channel's kind, when its ids need one
    #[arg(long, value_enum, value_name = "KIND")]
    pub channel_kind: Option<KindArg>,
    /// Calls a minute [default: the platform's, else 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Calls at once [default: the rate]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub burst: Option<u32>,
    /// Calls on their way at the same time [default: by the rate, 8 to 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: Option<u16>,
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Send the token over plain http to a host that is not this machine
    #[arg(long)]
    pub allow_http: bool,
    /// The platform has moved to this URL: the channel's known contacts are the same there
    #[arg(long)]
    pub moved: bool,
    /// Accept a new token without checking that it belongs to the same channel
    #[arg(long)]
    pub new_token: bool,
    /// Forget the lower rate limit that the platform stated in an earlier run, and how long it asked to wait
    #[arg(long)]
    pub forget_limit: bool,
}

/// When to stop before the end. The next run goes on.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "When to stop")]
pub struct LimitArgs {
    /// Start so many calls at the most, in each channel
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_calls: Option<u64>,
    /// Start no call that could not end by this time of day, the next one on the local clock
    #[arg(long, value_name = "HH:MM", conflicts_with = "span")]
    pub until: Option<TimeOfDay>,
    /// Start no call that could not end within this time, such as 90m or 2h
    #[arg(id = "span", long = "for", value_name = "TIME", value_parser = duration)]
    pub span: Option<Duration>,
    /// Wait so long for a platform that is down [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub outage_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Make those that are not there, change those that are
    Upsert,
    /// Make those that the journal does not know, without a search; leave the others alone
    Create,
    /// Change those that are there, make none
    Update,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TagsModeArg {
    /// They stay
    Add,
    /// They are removed; tags that others put there stay
    Mirror,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DuplicatesArg {
    /// The last one
    Last,
    /// The first one
    First,
    /// All: later values win, and what is blank keeps the earlier ones
    Merge,
    /// The first one; the others are rejected
    Reject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// Ids stand in the path as they are
    Standard,
    /// Ids stand in the path in Base64
    Viber,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WindowArg {
    /// It begins with the first call, as the platforms' does
    Fixed,
    /// The past 60 seconds at any moment
    Sliding,
}

#[derive(Debug, Args)]
#[command(after_help = fault_names())]
pub struct SandboxArgs {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8100)]
    pub port: u16,
    /// Calls a minute and token; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub rate: u32,
    /// How the minute is counted
    #[arg(long, value_enum, default_value_t = WindowArg::Fixed)]
    pub window: WindowArg,
    /// A token that is valid (repeatable) [default: any]
    #[arg(long, value_name = "T")]
    pub token: Vec<String>,
    /// A token of a Viber channel (repeatable)
    #[arg(long, value_name = "T")]
    pub viber_token: Vec<String>,
    #[command(flatten)]
    pub faults: FaultArgs,
}

/// Faults on demand. A share is a number from 0 to 1: of all calls, that part fails so.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults (a SHARE is a number from 0 to 1 of all calls)")]
pub struct FaultArgs {
    /// What the chance begins from; the same seed gives the same faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Inject this fault into calls (repeatable). RULE is FAULT[,share=N][,on=KIND][,from=CALL][,until=CALL][,over=BYTES][,value=TEXT], such as `unknown-error,share=0.1,on=find`
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<Rule>,
    /// Store and return a field's values in another form (repeatable), such as `phone=mexican-mobile`
    #[arg(long, value_name = "FIELD=FORM", value_parser = stored_form)]
    pub stored_form: Vec<(String, StoredForm)>,
    /// Size of each contact that the fault `endless-hits` returns, in bytes
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub hit_bytes: usize,
    /// No answer, and no effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub lose_before: f64,
    /// No answer, after the effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub lose_after: f64,
    /// 500 without the effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub error_500: f64,
    /// 500 after the effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub error_500_after: f64,
    /// 502 as an HTML page, without the effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub bad_gateway: f64,
    /// 502 as an HTML page, after the effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub bad_gateway_after: f64,
    /// An answer that breaks off in its body, after the effect
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub cut_body: f64,
    /// 429 with `Retry-After` although the limit is not reached
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub throttle: f64,
    /// What that `Retry-After` says, in seconds
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub throttle_seconds: u64,
    /// 429 without `Retry-After`
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub throttle_bare: f64,
    /// Slow answers
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub slow: f64,
    /// How slow those are
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    pub slow_for: Duration,
    /// How long every answer takes
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub latency: Duration,
    /// How long after its create a contact answers 449 (still in the queue)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub queued: Duration,
    /// How long after a change the search finds it
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub late_search: Duration,
    /// How many calls a minute somebody else makes with each token
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub others: u32,
    /// Say nothing of the limit: no `X-RateLimit` headers and no `Retry-After`
    #[arg(long)]
    pub strip_limit: bool,
}

fn fault_names() -> String {
    let names: Vec<String> = Fault::ALL.iter().map(|fault| fault.name().replace('_', "-")).collect();
    format!("Faults for --fault: {}", names.join(", "))
}

/// `300ms`, `30s`, `5m`, `2h`, or a plain number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 300ms, 30s, 5m or 2h, found `{text}`");
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let number: u64 = digits.parse().map_err(|_| expected())?;
    let millis = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(expected)
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
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_sandbox_takes_rules_and_forms() {
        let command =
            ["contactsync", "sandbox", "--fault", "token-expired,from=20", "--stored-form", "phone=with-plus"];
        let Ok(Cli { command: Command::Sandbox(args), .. }) = Cli::try_parse_from(command) else {
            panic!("expected the arguments of the sandbox");
        };
        assert_eq!(args.faults.fault, [Rule::always(Fault::TokenExpired).from_call(20)]);
        assert_eq!(args.faults.stored_form, [("phone".to_owned(), StoredForm::WithPlus)]);
        for wrong in [["--fault", "nonsense"], ["--stored-form", "phone"], ["--stored-form", "phone=larger"]] {
            assert!(Cli::try_parse_from(["contactsync", "sandbox"].into_iter().chain(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_have_units() {
        let check = |text: &str, millis: u64| assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        check("300ms", 300);
        check("30s", 30_000);
        check("30", 30_000);
        check("5m", 300_000);
        check("2h", 7_200_000);
        for text in ["", "s", "1d", "-1s", "1.5s", "99999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
