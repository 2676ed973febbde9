//! Reads `contactsync.toml` and checks its keys.
//!
//! A key sets the option of the same name. `settings` merges the file with the command line and applies the defaults.

mod deserializer;
mod file;
mod jobs;
mod lines;
pub mod mapping;
pub mod notify;
pub mod schema;
mod table;
#[cfg(test)]
pub mod tests;

use std::path::{Path, PathBuf};
use std::{env, fs};

use contactsync::Mark;
use contactsync::mapping::rules::Rules;
use serde::Deserialize;

use crate::args::one_run_options;
use crate::options::value::{LogFormat, Name, OnMissingArg, ShellCommand, parsed};
use crate::options::{
    ChannelArgs, ConfigError, Layer, LimitArgs, Located, OutputArgs, PolicyArgs, SourceNameArgs, defaults, did_you_mean,
};

use deserializer::{exclusive, group};
use file::ConfigFile;
pub use notify::NotifyTable;
use table::{Table, TableEntry};

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
    pub notify: NotifyTable,
    /// The name of the job whose keys these are.
    pub job: Option<String>,
    /// The input of the job.
    pub input: Option<PathBuf>,
    /// The jobs, each with the keys of the whole file below its own, in the order of the file.
    pub jobs: Vec<Self>,
    /// The environment variables that have a token by any table of the file, also by those of other jobs.
    pub token_variables: Vec<String>,
}

/// A table `[channel.NAME]`.
#[derive(Debug)]
pub struct ChannelTable {
    /// Its name, and the place where it begins.
    pub name: Located<String>,
    pub settings: ChannelArgs,
}

impl Config {
    fn own_token_variables(&self) -> impl Iterator<Item = String> {
        let tables = self.channels.iter().map(|table| &table.settings);
        [&self.layer.channel].into_iter().chain(tables).filter_map(|level| level.token.token_env.as_deref().cloned())
    }

    /// Reads the given file, or the default one if it exists. With a job, its keys win over those of the whole file.
    pub fn find(given: Option<&Path>, job: Option<&str>) -> Result<Self, ConfigError> {
        let path = given.map(Path::to_owned).or_else(default_path);
        let config = match &path {
            None => Self::default(),
            Some(path) => match ConfigFile::read(path)? {
                Some(file) => Self::of(&file)?.at(path),
                None => return Err(ConfigError::of_file(format!("{}: no such file", path.display()))),
            },
        };
        match job {
            Some(job) => config.of_job(job),
            None => Ok(config),
        }
    }

    fn at(self, path: &Path) -> Self {
        let jobs = self.jobs.into_iter().map(|job| job.at(path)).collect();
        Self { path: Some(path.to_owned()), jobs, ..self }
    }

    fn of_job(self, name: &str) -> Result<Self, ConfigError> {
        let path = self.path.as_deref().unwrap_or(Path::new(defaults::CONFIG)).display().to_string();
        let names: Vec<String> = self.jobs.iter().filter_map(|job| job.job.clone()).collect();
        let job = self.jobs.into_iter().find(|job| job.job.as_deref() == Some(name));
        job.ok_or_else(|| {
            let known = match names.as_slice() {
                [] => "the file has no tables [job.NAME]".to_owned(),
                names => {
                    let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                    let meant = did_you_mean(name, names.iter().map(String::as_str));
                    format!("expected one of {}{meant}", known.join(", "))
                }
            };
            ConfigError::of_file(format!("{path}: no job `{name}`: {known}"))
        })
    }

    fn of(file: &ConfigFile) -> Result<Self, ConfigError> {
        let mut whole = file.root()?;
        let tables = whole.named("job")?;
        let config = Self::of_table(whole.clone(), None)?;
        let jobs = tables.into_iter().map(|(name, table)| jobs::job(name, table, whole.clone()));
        let jobs: Vec<Self> = jobs.collect::<Result<_, _>>()?;
        let token_variables: Vec<String> = jobs.iter().chain([&config]).flat_map(Self::own_token_variables).collect();
        let with_variables = |job| Self { token_variables: token_variables.clone(), ..job };
        Ok(Self { jobs: jobs.into_iter().map(with_variables).collect(), token_variables, ..config })
    }

    // The keys of a whole file. `channel` names a channel beside the tables of channels. Errors list the keys in this order.
    fn of_table<'f>(mut table: Table<'f>, selected: Option<TableEntry<'f>>) -> Result<Self, ConfigError> {
        let channel = channel_args(&mut table)?;
        let http = group(&mut table)?;
        let has_tables = table.holds_table("channel");
        let tables = if has_tables { table.named("channel")? } else { Vec::new() };
        if let Some(selected) = selected {
            table.put_entry(selected);
        }
        let notify = notify::notify(&mut table)?;
        let layer = Layer {
            channel,
            http,
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
            metrics: group(&mut table)?,
        };
        let OutputArgs { log_format, .. } = group(&mut table)?;
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
        Ok(Self { log_format, layer, rules, channels, notify, ..Self::default() })
    }
}

/// The file that is read if no other one is given: that of the working directory, else that of the user.
fn default_path() -> Option<PathBuf> {
    let here = Path::new(defaults::CONFIG);
    if here.symlink_metadata().is_ok() {
        return Some(here.to_owned());
    }
    // An empty or a relative path does not count (XDG Base Directory Specification).
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    let path = folder.join("contactsync").join(defaults::CONFIG);
    // A service may not be allowed to look into a home.
    fs::metadata(&path).is_ok().then_some(path)
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
