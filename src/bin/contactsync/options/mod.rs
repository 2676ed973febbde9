//! Every option that works on contacts, declared once.
//!
//! A field is an option of the command line (clap), a key of `contactsync.toml` (serde), its merge of the two levels
//! (conflate), its line in `--help`, and its row in `docs/reference.md`. To add one: add its field here, use it in `settings`,
//! and test it. `#[serde(skip)]` marks an option without a key; it applies to one run only.
//!
//! Nothing has a default here: `settings` merges the levels and fills in what none of them sets.

mod near;
mod place;
mod shard;
mod time_of_day;
mod token_command;
pub mod value;

use std::path::PathBuf;

use clap::Args;
use clap::builder::PathBufValueParser;
use conflate::Merge;
use conflate::option::overwrite_none;
use contactsync::{Charset, Delimiter, Format, MaxChanges, Preset, SourceOptions};
use serde::Deserialize;

use value::{
    Calls, Concurrency, DuplicatesArg, KindArg, Lines, LogFormat, ModeArg, Name, Platform, Rate, SourcedParser, Span,
    TagsModeArg, command, name, parsed, parsed_sourced, path, sourced_path, texts, variable,
};

pub use near::did_you_mean;
pub use place::{ConfigError, Located, Location, Origin, Sourced};
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
    pub skip_lines: Option<Lines>,
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
        Self { format, delimiter, encoding, skip_lines: skip_lines.map_or(0, Lines::get), no_header, sheet }
    }
}

/// Which contact a row is, and what may be done to it.
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
    /// Choose which contacts to create and to update [default: upsert]
    #[arg(long, value_enum, value_name = "MODE")]
    pub mode: Option<ModeArg>,
    /// Choose which row to use when several rows are the same contact [default: last]
    #[arg(long, value_enum, value_name = "CHOICE")]
    pub duplicates: Option<DuplicatesArg>,
}

/// What a run does to contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Contacts")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct PolicyArgs {
    /// Name where the input comes from, the same for each night's export: rows that are as they were in the last input of this
    /// name are not compared again [default: default]
    #[arg(long = "source", value_name = "NAME", help_heading = "Channel and journal")]
    #[serde(rename = "source", deserialize_with = "parsed")]
    pub source_name: Option<Name>,
    /// Choose what happens to tags that contactsync added and that the input no longer has [default: add]
    #[arg(long, value_enum, value_name = "MODE")]
    pub tags_mode: Option<TagsModeArg>,
    /// Send nothing if more than this number, or this share of the rows, would be created or updated [default: no limit]
    #[arg(long, value_name = "N|N%")]
    #[serde(deserialize_with = "parsed")]
    pub max_changes: Option<MaxChanges>,
    /// Allow this long for a new contact to appear in the platform's search [default: 30s]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "parsed")]
    pub search_lag: Option<Span>,
    /// Create a contact again if its first create got no answer and it has no match field; this may create a duplicate
    #[arg(long)]
    #[merge(strategy = conflate::bool::overwrite_false)]
    pub retry_in_doubt: bool,
}

/// Where the platform is: one of these.
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
    pub platform: Option<Sourced<Platform>>,
}

/// Where the token is: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Platform and token")]
#[group(multiple = false)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the fields are the names of the options")]
pub struct TokenArgs {
    /// Read the channel's token from this environment variable [default: CONTACTSYNC_TOKEN]
    #[arg(long, value_name = "VAR")]
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

/// The kind of a channel, and how fast it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Rate limit")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct RateArgs {
    /// Set the kind of the channel, which decides how contact ids are sent [default: standard, or that of the resumed run]
    #[arg(long, value_enum, value_name = "KIND", help_heading = "Platform and token")]
    pub channel_kind: Option<KindArg>,
    /// Send at most this many calls a minute [default: the platform's rate, otherwise 100]
    #[arg(long, value_name = "N")]
    pub rate: Option<Rate>,
    /// Send at most this many calls at once after a pause [default: the rate]
    #[arg(long, value_name = "N")]
    pub burst: Option<Rate>,
    /// Keep at most this many calls in flight [default: 8 to 64, depending on the rate]
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

/// What may be sent where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Platform and token")]
#[serde(default)]
#[merge(strategy = conflate::bool::overwrite_false)]
pub struct AccessArgs {
    /// Allow plain http to a host other than this machine; the token is sent unencrypted
    #[arg(long)]
    pub allow_http: bool,
}

/// When no further call is started: one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "When to stop")]
#[group(multiple = false)]
#[serde(default)]
pub struct EndArgs {
    /// Start no call that could not end by this local time of day [default: no limit]
    #[arg(long, value_name = "HH:MM")]
    #[serde(deserialize_with = "parsed")]
    pub until: Option<TimeOfDay>,
    /// Start no call that could not end within this time, such as 90m or 2h [default: no limit]
    #[arg(id = "span", long = "for", value_name = "TIME")]
    #[serde(rename = "for", deserialize_with = "parsed")]
    pub span: Option<Span>,
}

/// When to stop before the end. The next run continues.
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
    /// Wait at most this long for a platform that is down [default: 5m]
    #[arg(long, value_name = "TIME")]
    #[serde(deserialize_with = "parsed")]
    pub outage_timeout: Option<Span>,
}

/// Which channel the rows go to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Channel and journal")]
#[serde(default)]
pub struct RoutingArgs {
    /// Use the channel of this name, with its table in the configuration; with a channel column, use only the rows of this
    /// channel [default: default]
    #[arg(long, value_name = "NAME")]
    #[serde(deserialize_with = "name")]
    pub channel: Option<Sourced<Name>>,
    /// Read the channel of each row from this column; each channel has a table in the configuration
    #[arg(long, value_name = "COLUMN")]
    #[serde(deserialize_with = "name")]
    pub channel_column: Option<Sourced<Name>>,
}

/// Where runs are recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize, Merge)]
#[command(next_help_heading = "Channel and journal")]
#[serde(default)]
#[merge(strategy = overwrite_none)]
pub struct JournalArgs {
    /// Record runs and known contacts in this file [default: contactsync.db]
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "path")]
    pub journal: Option<PathBuf>,
}

/// Files that list rows.
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

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[command(next_help_heading = "Output")]
#[serde(default)]
pub struct TalkArgs {
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
    /// Write lines on standard error in this format [default: text, without date and time on a terminal]
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// What one level sets: the command line, or `contactsync.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Merge)]
pub struct Layer {
    pub channel: ChannelArgs,
    pub access: AccessArgs,
    /// The channels are chosen from both levels together (`settings::Channels`).
    #[merge(skip)]
    pub routing: RoutingArgs,
    pub limits: LimitArgs,
    pub source: SourceArgs,
    pub matching: MatchArgs,
    pub policy: PolicyArgs,
    pub journal: JournalArgs,
    pub lists: ListArgs,
}

/// Where a platform is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    Url(&'a str),
    Preset(&'static Preset),
}

/// Where a token is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenPlace {
    Env(String),
    File(PathBuf),
    /// The output of this command.
    Command(TokenCommand),
}

impl AddressArgs {
    /// The address and where it is set.
    pub fn address(&self) -> Option<Sourced<Address<'_>>> {
        let Self { url, platform } = self;
        let url = url.as_ref().map(|url| Sourced { value: Address::Url(url), origin: url.origin.clone() });
        let preset = |platform: &Sourced<Platform>| platform.clone().map(|Platform(preset)| Address::Preset(preset));
        url.or_else(|| platform.as_ref().map(preset))
    }
}

impl TokenArgs {
    /// The place of the token and where it is set.
    pub fn place(&self) -> Option<Sourced<TokenPlace>> {
        let Self { token_env, token_file, token_command } = self.clone();
        let env = token_env.map(|name| name.map(TokenPlace::Env));
        let file = token_file.map(|path| path.map(TokenPlace::File));
        env.or(file).or_else(|| token_command.map(|command| command.map(TokenPlace::Command)))
    }
}

/// Options of which only one can be set: the higher level replaces whichever the lower level sets.
fn exclusive<T: Default + PartialEq>(higher: &mut T, lower: T) {
    if *higher == T::default() {
        *higher = lower;
    }
}
