//! Reads `contactsync.toml` and checks its keys.
//!
//! A key sets the option of the same name. `settings` merges the file with the command line and applies the defaults.

mod deserializer;
mod file;
mod lines;
pub mod mapping;
mod table;
#[cfg(test)]
pub mod tests;

use std::path::{Path, PathBuf};

use contactsync::Mark;
use contactsync::mapping::rules::Rules;
use serde::Deserialize;

use crate::args::one_run_options;
use crate::options::value::{LogFormat, Name, OnMissingArg, ShellCommand, parsed};
use crate::options::{
    ChannelArgs, ConfigError, Layer, LimitArgs, Located, PolicyArgs, SourceNameArgs, TalkArgs, defaults,
};

use deserializer::{exclusive, group};
use file::ConfigFile;
use table::Table;

/// A configuration file; empty if there is none.
#[derive(Debug, Default)]
pub struct Config {
    /// The file that was read.
    pub path: Option<PathBuf>,
    pub log_format: Option<LogFormat>,
    pub layer: Layer,
    /// The rules of the mapping, without the match fields, which are options.
    pub rules: Rules,
    pub channels: Vec<ChannelTable>,
}

/// A table `[channel.NAME]`.
#[derive(Debug)]
pub struct ChannelTable {
    /// Its name, and the place where it begins.
    pub name: Located<String>,
    pub settings: ChannelArgs,
}

impl Config {
    /// Reads the given file, or the default one if it exists.
    pub fn find(given: Option<&Path>) -> Result<Self, ConfigError> {
        let path = given.unwrap_or(Path::new(defaults::CONFIG));
        match ConfigFile::read(path)? {
            Some(file) => Self::of(&file).map(|config| Self { path: Some(path.to_owned()), ..config }),
            None if given.is_some() => Err(ConfigError::of_file(format!("{}: no such file", path.display()))),
            None => Ok(Self::default()),
        }
    }

    // Errors list the keys in this order.
    fn of(file: &ConfigFile) -> Result<Self, ConfigError> {
        let mut table = file.root()?;
        let channel = channel_args(&mut table)?;
        let access = group(&mut table)?;
        let has_tables = table.holds_table("channel");
        let tables = if has_tables { table.named("channel")? } else { Vec::new() };
        let layer = Layer {
            channel,
            access,
            routing: exclusive(&mut table)?,
            limits: LimitArgs { end: exclusive(&mut table)?, ..group(&mut table)? },
            source: group(&mut table)?,
            source_name: source_args(&mut table)?,
            matching: group(&mut table)?,
            policy: policy_args(&mut table)?,
            journal: group(&mut table)?,
            history: group(&mut table)?,
            look: group(&mut table)?,
            lists: group(&mut table)?,
        };
        let TalkArgs { log_format, .. } = group(&mut table)?;
        let rules = mapping::rules(&mut table)?;
        let keys_of_all = table.asked().to_vec();
        for option in one_run_options(&keys_of_all) {
            table.refuse(&option, &format!("it applies to one run; use `--{}`", option.replace('_', "-")))?;
        }
        table.finish()?;

        let channels = tables.into_iter().map(|(name, table)| {
            if name.value.trim().is_empty() {
                return Err(name.place.wrong("the name of the channel is empty"));
            }
            let mut table = table.renaming("channel_kind", "kind");
            let settings = channel_args(&mut table)?;
            table.refuse_keys_of_all(&keys_of_all)?;
            table.finish()?;
            Ok(ChannelTable { name, settings })
        });
        let channels = channels.collect::<Result<_, ConfigError>>()?;
        Ok(Self { path: None, log_format, layer, rules, channels })
    }
}

/// Keys under which users may try to set the token itself.
const SECRETS: [&str; 8] =
    ["token", "api_token", "access_token", "api_key", "apikey", "authorization", "password", "secret"];

/// The table `[source]`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SourceTable {
    #[serde(deserialize_with = "parsed")]
    name: Option<Name>,
    #[serde(deserialize_with = "parsed")]
    command: Option<ShellCommand>,
}

// The name of the source and its command: keys of the whole file, or of a table `[source]`.
fn source_args(table: &mut Table<'_>) -> Result<SourceNameArgs, ConfigError> {
    let item = if table.holds_table("source") { table.item("source") } else { None };
    let Some(item) = item else { return group(table) };
    let mut inner = item.table("a table [source]")?;
    let SourceTable { name, command } = group(&mut inner)?;
    inner.finish()?;
    if command.is_some() {
        table.refuse("input_command", "the table [source] has a command")?;
    }
    let SourceNameArgs { input_command, .. } = group(table)?;
    Ok(SourceNameArgs { source_name: name, input_command: command.or(input_command) })
}

/// The table `on_missing`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OnMissingTable {
    tag: Option<String>,
    field: Option<String>,
    value: Option<String>,
}

// The changes that a run makes. The mark of missing contacts may be a table.
fn policy_args(table: &mut Table<'_>) -> Result<PolicyArgs, ConfigError> {
    let item = if table.holds_table("on_missing") { table.item("on_missing") } else { None };
    let args = group(table)?;
    let Some(item) = item else { return Ok(args) };
    let place = item.place.clone();
    let mut inner = item.table("a text or a table")?;
    let OnMissingTable { tag, field, value } = group(&mut inner)?;
    inner.finish()?;
    let mark = match (tag, field, value) {
        (Some(tag), None, None) => Mark::tag(&tag),
        (None, Some(field), Some(value)) => Mark::field(&field, &value),
        _ => return Err(place.wrong("expected { tag = \"…\" } or { field = \"…\", value = \"…\" }")),
    };
    let mark = mark.map_err(|error| place.wrong(error.to_string()))?;
    Ok(PolicyArgs { on_missing: Some(OnMissingArg::Mark(mark)), ..args })
}

// The keys of all channels together are also those of each channel.
fn channel_args(table: &mut Table<'_>) -> Result<ChannelArgs, ConfigError> {
    for key in SECRETS {
        table.refuse(
            key,
            "a token is never written in this file; put it into an environment variable or a file, and name that with \
             token_env or token_file, or use token_command",
        )?;
    }
    Ok(ChannelArgs { address: exclusive(table)?, token: exclusive(table)?, rate: group(table)? })
}

fn value<T>(located: Located<T>) -> T {
    located.value
}
