//! Every option that works on contacts, declared once.
//!
//! A field is an option of the command line (clap), a key of `contactsync.toml` (serde), its merge of the two levels
//! (conflate), its line in `--help`, and its row in `docs/reference.md`. To add one: add its field here, use it in `settings`,
//! and test it. `#[serde(skip)]` marks an option without a key; it applies to one run only.
//!
//! A level that does not set an option has no value for it: `settings` merges the levels and applies the [`defaults`], which
//! the help texts state.

pub mod defaults;
mod near;
mod place;
mod renamed;
mod shard;
mod time_of_day;
mod token_command;
pub mod value;

use std::fmt::Display;
use std::path::PathBuf;

use clap::builder::PathBufValueParser;
use clap::{Args, ValueEnum};
use conflate::Merge;
use conflate::option::overwrite_none;
use contactsync::client::Preset;
use contactsync::source::{Charset, Delimiter, SourceOptions};
use contactsync::{Format, RowLimit};
use serde::Deserialize;

use value::{
    Calls, Concurrency, DuplicatesArg, FieldValue, KeptValuesArg, KindArg, LineCount, LogFormat, ModeArg, Name,
    OnMissingArg, PresetArg, Rate, RowCount, ShellCommand, SourcedParser, TagsModeArg, TimeSpan, command, field_value,
    name, parsed, parsed_sourced, path, sourced_path, texts, variable,
};

pub use near::{did_you_mean, not_one_of};
pub use place::{ConfigError, Expected, Located, Location, SettingOrigin, Sourced};
pub use renamed::renamed;
pub use shard::Shard;
pub use time_of_day::TimeOfDay;
pub use token_command::TokenCommand;

/// Format of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Input format")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct SourceArgs {
    /// Read the input in this format: csv, tsv, jsonl, json, xlsx or ods [default: detected from the content]
    #[arg(long, value_name = "FORMAT")]
    #[serde(deserialize_with = "parsed")]
    pub format: Option<Format>,
    /// Split CSV at this delimiter: one character, or `tab` [default: detected from the content]
    #[arg(long, value_name = "CHARACTER")]
    #[serde(deserialize_with = "parsed")]
    pub delimiter: Option<Delimiter>,
    /// Decode text from this encoding, such as utf-8 or windows-1252 [default: detected from the content]
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "parsed")]
    pub encoding: Option<Charset>,
    /// Skip this many lines, or rows of a spreadsheet, before the header [default: 0]
    #[arg(long, value_name = "N")]
    pub skip_lines: Option<LineCount>,
    /// Read the first row as a contact and name the columns `column 1`, `column 2`, …
    #[arg(long)]
    #[merge(strategy = conflate::bool::overwrite_false)]
    pub no_header: bool,
    /// Read this sheet of a spreadsheet: its name, or its number from 1 [default: the first sheet that is not empty]
    #[arg(long, value_name = "SHEET")]
    #[serde(deserialize_with = "parsed")]
    pub sheet: Option<String>,
}

impl From<SourceArgs> for SourceOptions {
    fn from(args: SourceArgs) -> Self {
        let SourceArgs { format, delimiter, encoding, skip_lines, no_header, sheet } = args;
        Self { format, delimiter, encoding, skip_lines: skip_lines.map_or(0, LineCount::get), no_header, sheet }
    }
}

/// The name of where the input comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Input format")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct SourceNameArgs {
    #[arg(long = "source", value_name = "NAME", help = with_default("Name the source of the input, such as `crm`; use the same name for every export from it", defaults::SOURCE))]
    #[serde(rename = "source", deserialize_with = "parsed")]
    pub source_name: Option<Name>,
    /// Read contacts from the output of this command instead of INPUT; `sh -c` runs it, and if it fails, nothing is sent
    #[arg(long, value_name = "CMD", conflicts_with = "input")]
    #[serde(deserialize_with = "parsed")]
    pub input_command: Option<ShellCommand>,
}

/// The identity of contacts, and the changes that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Contacts")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct MatchArgs {
    /// Find existing contacts by this field; repeat it to try several fields in order. Required unless `--mode create` or
    /// every row has a contact id
    #[arg(long = "match", value_name = "FIELD")]
    #[serde(rename = "match", deserialize_with = "texts")]
    pub matches: Option<Vec<String>>,
    #[arg(long, value_enum, value_name = "MODE", help = with_default("Choose which contacts to create and to update", name_of(&ModeArg::default())))]
    pub mode: Option<ModeArg>,
    #[arg(long, value_enum, value_name = "CHOICE", help = with_default("Choose which row to use when several rows belong to one contact", name_of(&DuplicatesArg::default())))]
    pub duplicates: Option<DuplicatesArg>,
}

/// The changes that a run makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Contacts")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct PolicyArgs {
    #[arg(long, value_enum, value_name = "MODE", help = with_default("Choose what happens to tags that the input does not have", name_of(&TagsModeArg::default())))]
    pub tags_mode: Option<TagsModeArg>,
    /// Mark contacts that the source had and no longer has: `ignore`, `tag:NAME` or `field:NAME=VALUE`; the mark is
    /// removed when they return [default: ignore]
    #[arg(long, value_name = "MARK")]
    #[serde(deserialize_with = "parsed")]
    pub on_missing: Option<OnMissingArg>,
    /// Send nothing if more contacts than this would change: N, or N% of the rows; creates, updates and marks count [default:
    /// no limit]
    #[arg(long, value_name = "N|N%")]
    #[serde(deserialize_with = "parsed")]
    pub max_changes: Option<RowLimit>,
    /// Send nothing if more than N, or N%, of the source's contacts are missing [default: 10% with a mark, otherwise no limit]
    #[arg(long, value_name = "N|N%")]
    #[serde(deserialize_with = "parsed")]
    pub max_missing: Option<RowLimit>,
    /// Send nothing if more than N, or N%, of the rows are rejected [default: no limit]
    #[arg(long, value_name = "N|N%")]
    #[serde(deserialize_with = "parsed")]
    pub max_rejects: Option<RowLimit>,
    /// Send nothing if the input has fewer than N rows [default: no limit]
    #[arg(long, value_name = "N")]
    #[serde(deserialize_with = "parsed")]
    pub min_rows: Option<RowCount>,
    /// Send nothing if the input file was last changed longer ago than this, such as 26h [default: no limit]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "parsed")]
    pub max_age: Option<TimeSpan>,
    #[arg(long, value_name = "TIME", help = with_default("Allow this long for a new contact to appear in the platform's search", defaults::SEARCH_LAG))]
    #[serde(deserialize_with = "parsed")]
    pub search_lag: Option<TimeSpan>,
    /// With `--mode create`: repeat a create that got no answer although no match field allows a search; this may create a
    /// duplicate
    #[arg(long)]
    #[merge(strategy = conflate::bool::overwrite_false)]
    pub retry_in_doubt: bool,
    /// Retry all rows that earlier runs rejected; otherwise each is retried after 1, 2, 4 and 7 nights, then weekly
    #[arg(long)]
    #[merge(strategy = conflate::bool::overwrite_false)]
    pub retry_rejected: bool,
}

/// The platform: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Platform and token")]
#[group(multiple = false)]
#[serde(default)]
pub struct AddressArgs {
    /// Connect to the API at this base URL, such as `https://app.example.com/api/v1`
    #[arg(long, value_name = "URL")]
    #[serde(deserialize_with = "name")]
    pub url: Option<Sourced<Name>>,
    /// Connect to a known platform: 1980tic, orade, respondio, okeybot or botcity
    #[arg(long, value_name = "PRESET")]
    #[serde(deserialize_with = "parsed_sourced")]
    pub platform: Option<Sourced<PresetArg>>,
}

/// The place of the token: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Platform and token")]
#[group(multiple = false)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the fields are the names of the options")]
pub struct TokenArgs {
    #[arg(long, value_name = "VAR", help = with_default("Read the channel's token from this environment variable", defaults::TOKEN_ENV))]
    #[serde(deserialize_with = "variable")]
    pub token_env: Option<Sourced<String>>,
    /// Read the channel's token from this file
    #[arg(long, value_name = "FILE", value_parser = SourcedParser(PathBufValueParser::new()))]
    #[serde(deserialize_with = "sourced_path")]
    pub token_file: Option<Sourced<PathBuf>>,
    /// Run this command without a shell and read the channel's token from its output; run it again if the token is refused
    #[arg(long, value_name = "COMMAND")]
    #[serde(deserialize_with = "command")]
    pub token_command: Option<Sourced<TokenCommand>>,
}

/// The kind of a channel, and its rate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Rate limit")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct RateArgs {
    /// Set the kind of the channel, which decides how contact ids are sent [default: standard, or that of the resumed run]
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Platform and token")]
    pub channel_kind: Option<KindArg>,
    #[arg(long, value_name = "N", help = with_default("Send at most this many calls a minute", format_args!("the platform's rate, otherwise {}", defaults::RATE)))]
    pub rate: Option<Rate>,
    /// Start at most this many calls at once; applies after a time without calls [default: the rate]
    #[arg(long, value_name = "N")]
    pub burst: Option<Rate>,
    /// Keep at most this many calls in flight [default: 8 to 256, depending on the rate]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<Concurrency>,
}

/// The settings of a channel: for all channels, or in the table of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Merge)]
pub struct ChannelArgs {
    #[command(flatten)]
    #[merge(strategy = exclusive)]
    pub address: AddressArgs,
    #[command(flatten)]
    #[merge(strategy = exclusive)]
    pub token: TokenArgs,
    #[command(flatten)]
    pub rate: RateArgs,
}

/// Permission for plain http.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Platform and token")]
#[serde(default)]
#[merge(strategy = conflate::bool::overwrite_false)]
pub struct HttpArgs {
    /// Allow plain http to a host other than this machine; the token is sent unencrypted
    #[arg(long)]
    pub allow_http: bool,
}

/// The end of a run: one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "When to stop")]
#[group(multiple = false)]
#[serde(default)]
pub struct EndArgs {
    /// Stop by this local time: start no call that might end later [default: no limit]
    #[arg(long, value_name = "HH:MM")]
    #[serde(deserialize_with = "parsed")]
    pub until: Option<TimeOfDay>,
    /// Stop after this time, such as 90m or 2h: start no call that might end later [default: no limit]
    #[arg(id = "span", long = "for", value_name = "TIME")]
    #[serde(rename = "for", deserialize_with = "parsed")]
    pub span: Option<TimeSpan>,
}

/// The limits of a run. The next run continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "When to stop")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct LimitArgs {
    /// Start at most this many calls in each channel [default: no limit]
    #[arg(long, value_name = "N")]
    pub max_calls: Option<Calls>,
    #[command(flatten)]
    #[serde(skip)]
    #[merge(strategy = exclusive)]
    pub end: EndArgs,
    #[arg(long, value_name = "TIME", help = with_default("Wait at most this long for a platform that is down", defaults::OUTAGE_TIMEOUT))]
    #[serde(deserialize_with = "parsed")]
    pub outage_timeout: Option<TimeSpan>,
}

/// The channel of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Channel and journal")]
#[serde(default)]
pub struct RoutingArgs {
    #[arg(long, value_name = "NAME", help = with_default("Use this channel; if a channel column is set, use only the rows that name it", defaults::CHANNEL))]
    #[serde(deserialize_with = "name")]
    pub channel: Option<Sourced<Name>>,
    /// Read the channel of each row from this column; each channel has a table in the configuration
    #[arg(long, value_name = "COLUMN")]
    #[serde(deserialize_with = "name")]
    pub channel_column: Option<Sourced<Name>>,
}

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Channel and journal")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct JournalArgs {
    #[arg(long, value_name = "FILE", help = with_default("Keep the journal of runs and known contacts in this file", defaults::JOURNAL))]
    #[serde(deserialize_with = "path")]
    pub journal: Option<PathBuf>,
}

/// What the journal keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Channel and journal")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct HistoryArgs {
    /// Keep calls and rows of earlier runs for this time; known contacts are always kept [default: 90d]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "parsed")]
    pub keep_history: Option<TimeSpan>,
    /// Keep overwritten values for this time, so that `undo` can restore them; 0 keeps none [default: 30d]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "parsed")]
    pub keep_before: Option<TimeSpan>,
    /// Store the values of contacts in the journal in this form [default: unchanged; plain in a new journal]
    #[arg(long, value_enum, value_name = "HOW")]
    pub values: Option<KeptValuesArg>,
}

/// What is looked at on the platform before and after contacts are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Platform and token")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct PlatformCheckArgs {
    /// Change nothing unless this value is found: FIELD=VALUE, which a contact must have exactly [default: no check]
    #[arg(long, value_name = "FIELD=VALUE")]
    #[serde(deserialize_with = "field_value")]
    pub check_access: Option<FieldValue>,
    /// Do not read contacts back; by default, a contact is read to check that the platform stored a field that is written for the first time
    #[arg(long)]
    #[merge(strategy = conflate::bool::overwrite_false)]
    pub no_read_back: bool,
}

/// Lists of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Lists of rows")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct ListArgs {
    /// Write rejected rows to this file, in the format of the input, with their lines and reasons [default: none]
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "path")]
    pub rejects: Option<PathBuf>,
    /// Write the outcome of every row to this CSV file [default: none]
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "path")]
    pub results: Option<PathBuf>,
}

/// Figures for monitoring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Output")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct MetricsArgs {
    /// Write Prometheus metrics to this file; it is written at the end of each run, even if the run fails [default: none]
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "path")]
    pub metrics_file: Option<PathBuf>,
}

/// The output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Output")]
#[serde(default)]
pub struct OutputArgs {
    /// Print every call, with its row and key
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    #[serde(skip)]
    pub verbose: bool,
    /// Print only errors and the reason for a non-zero exit code
    #[arg(short, long, global = true)]
    #[serde(skip)]
    pub quiet: bool,
    /// Hide the progress bar
    #[arg(long, global = true)]
    #[serde(skip)]
    pub no_progress: bool,
    /// Write lines on standard error in this format [default: text; outside a terminal, commands that may run for hours add date and time]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The options that one level sets: the command line, or `contactsync.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Merge)]
pub struct Layer {
    pub channel: ChannelArgs,
    pub http: HttpArgs,
    /// The channels are chosen from both levels together (`settings::Channels`).
    #[merge(skip)]
    pub routing: RoutingArgs,
    pub limits: LimitArgs,
    pub source: SourceArgs,
    pub source_name: SourceNameArgs,
    pub matching: MatchArgs,
    pub policy: PolicyArgs,
    pub journal: JournalArgs,
    pub history: HistoryArgs,
    pub look: PlatformCheckArgs,
    pub lists: ListArgs,
    pub metrics: MetricsArgs,
}

/// The address of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    Url(&'a str),
    Preset(&'static Preset),
}

/// The place of a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenPlace {
    Env(String),
    File(PathBuf),
    /// The output of this command.
    Command(TokenCommand),
}

impl AddressArgs {
    /// The address with its origin.
    pub fn address(&self) -> Option<Sourced<Address<'_>>> {
        let Self { url, platform } = self;
        let url = url.as_ref().map(|url| Sourced { value: Address::Url(url), origin: url.origin.clone() });
        let preset = |platform: &Sourced<PresetArg>| platform.clone().map(|PresetArg(preset)| Address::Preset(preset));
        url.or_else(|| platform.as_ref().map(preset))
    }
}

impl TokenArgs {
    /// The place of the token with its origin.
    pub fn place(&self) -> Option<Sourced<TokenPlace>> {
        let Self { token_env, token_file, token_command } = self.clone();
        let env = token_env.map(|name| name.map(TokenPlace::Env));
        let file = token_file.map(|path| path.map(TokenPlace::File));
        env.or(file).or_else(|| token_command.map(|command| command.map(TokenPlace::Command)))
    }
}

/// The help of an option with its default.
pub fn with_default(help: &str, default: impl Display) -> String {
    format!("{help} [default: {default}]")
}

fn name_of(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Options of which only one can be set: the higher level replaces the one that the lower level sets.
fn exclusive<T: Default + PartialEq>(higher: &mut T, lower: T) {
    if *higher == T::default() {
        *higher = lower;
    }
}
