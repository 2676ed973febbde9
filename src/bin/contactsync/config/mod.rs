//! `contactsync.toml`: found, read, and checked against the keys that exist.
//!
//! A key sets what the option of the same name sets. Here the file is only read: `settings` merges it with the command line
//! and fills in the defaults.

mod deserializer;
mod file;
mod lines;
pub mod mapping;
mod table;
#[cfg(test)]
pub mod tests;

use std::path::{Path, PathBuf};

use contactsync::rules::Rules;

use crate::args::one_run_options;
use crate::options::value::LogFormat;
use crate::options::{ChannelArgs, ConfigError, Layer, LimitArgs, Located, TalkArgs};

use deserializer::{exclusive, group};
use file::File;
use table::Table;

/// The file that is read from the working directory, unless `--config` names another one.
pub const DEFAULT_CONFIG: &str = "contactsync.toml";

/// A configuration file; an empty one when there is none.
#[derive(Debug, Default)]
pub struct Config {
    /// The file that was read.
    pub path: Option<PathBuf>,
    pub log_format: Option<LogFormat>,
    pub layer: Layer,
    /// How rows become contacts, without the match fields, which are options.
    pub rules: Rules,
    pub channels: Vec<ChannelTable>,
}

/// A table `[channel.NAME]`.
#[derive(Debug)]
pub struct ChannelTable {
    /// Its name, and where it begins.
    pub name: Located<String>,
    pub settings: ChannelArgs,
}

impl Config {
    /// Reads the given file, or the default one if it exists.
    pub fn find(given: Option<&Path>) -> Result<Self, ConfigError> {
        let path = given.unwrap_or(Path::new(DEFAULT_CONFIG));
        match File::read(path)? {
            Some(file) => Self::of(&file).map(|config| Self { path: Some(path.to_owned()), ..config }),
            None if given.is_some() => Err(ConfigError::of_file(format!(
                "{}: expected a configuration file, found none of that name",
                path.display()
            ))),
            None => Ok(Self::default()),
        }
    }

    // The keys are listed to a person in this order.
    fn of(file: &File) -> Result<Self, ConfigError> {
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
            matching: group(&mut table)?,
            policy: group(&mut table)?,
            journal: group(&mut table)?,
            history: group(&mut table)?,
            lists: group(&mut table)?,
        };
        let TalkArgs { log_format, .. } = group(&mut table)?;
        let rules = mapping::rules(&mut table)?;
        let keys_of_all = table.asked().to_vec();
        for option in one_run_options(&keys_of_all) {
            table.refuse(&option, &format!("it applies to one run: use `--{}`", option.replace('_', "-")))?;
        }
        table.finish()?;

        let channels = tables.into_iter().map(|(name, table)| {
            if name.value.trim().is_empty() {
                return Err(name.place.wrong("expected a channel's name, found none"));
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

/// Keys under which a user may write the token itself.
const SECRETS: [&str; 8] =
    ["token", "api_token", "access_token", "api_key", "apikey", "authorization", "password", "secret"];

// The same keys for all channels together and for one of them.
fn channel_args(table: &mut Table<'_>) -> Result<ChannelArgs, ConfigError> {
    for key in SECRETS {
        table.refuse(
            key,
            "a token is never written in this file: put it into an environment variable or a file, and name that with \
             token_env or token_file, or use token_command",
        )?;
    }
    Ok(ChannelArgs { address: exclusive(table)?, token: exclusive(table)?, rate: group(table)? })
}

fn value<T>(located: Located<T>) -> T {
    located.value
}
