//! `contactsync.toml`: found, read, and held to the keys that there are.
//!
//! A key says what the option of the same name says. Here it is only read: what is not said here, and what wins over
//! it, is for `settings` to join.

mod file;
mod item;
mod location;
mod mapping;
mod near;
mod table;
#[cfg(test)]
pub mod tests;

use std::path::{Path, PathBuf};

use contactsync::rules::Rules;
use contactsync::{BadMaxChanges, UnknownCharset, UnknownDelimiter, UnknownFormat, preset};

use crate::args::{DuplicatesArg, KindArg, LogFormat, ModeArg, TagsModeArg, duration};
use crate::settings::layer::{Address, ChannelLayer, Layer, Lists, Routing, SourceLayer, Sourced, TokenPlace};
use crate::settings::{End, TimeOfDay};

use file::File;
use location::either;
use table::Table;

pub use location::{ConfigError, Located, Location};
pub use near::did_you_mean;

/// The file that is looked for where the program is started, unless told.
pub const DEFAULT_CONFIG: &str = "contactsync.toml";

/// What a configuration file says; nothing when there is none.
#[derive(Debug, Default)]
pub struct Config {
    /// The file that was read.
    pub path: Option<PathBuf>,
    pub log_format: Option<LogFormat>,
    pub layer: Layer,
    /// How rows become contacts, but for the match fields, which the layers say.
    pub rules: Rules,
    pub channels: Vec<ChannelTable>,
}

/// A table `[channel.NAME]`.
#[derive(Debug)]
pub struct ChannelTable {
    /// Its name, and where it begins.
    pub name: Located<String>,
    pub layer: ChannelLayer,
}

impl Config {
    /// Reads the file that was said, or the default one when it is there.
    pub fn find(said: Option<&Path>) -> Result<Self, ConfigError> {
        let path = said.unwrap_or(Path::new(DEFAULT_CONFIG));
        match File::read(path)? {
            Some(file) => Self::of(&file).map(|config| Self { path: Some(path.to_owned()), ..config }),
            None if said.is_some() => {
                Err(ConfigError(format!("{}: expected a configuration file, found none of that name", path.display())))
            }
            None => Ok(Self::default()),
        }
    }

    // The order is that in which the keys are listed to a person.
    fn of(file: &File) -> Result<Self, ConfigError> {
        let mut table = file.root()?;
        let channel = channel_layer(&mut table, file, "channel_kind")?;
        let allow_http = table.flag("allow_http")?.map(value);
        let has_tables = table.holds_table("channel");
        let (name, tables) =
            if has_tables { (None, table.named("channel")?) } else { (table.text("channel")?, Vec::new()) };
        let column = table.text("channel_column")?;
        let routing =
            either(name.map(|name| name.map(Routing::Channel)), column.map(|column| column.map(Routing::Column)))?;
        let max_calls = table.count("max_calls", u32::MAX)?;
        let until = table.parsed("until", str::parse::<TimeOfDay>)?;
        let span = table.parsed("for", duration)?;
        let end = either(until.map(|time| time.map(End::Until)), span.map(|span| span.map(End::For)))?;
        let outage_timeout = table.parsed("outage_timeout", duration)?;
        let source = SourceLayer {
            format: table.parsed("format", |name| name.parse().map_err(in_words::<UnknownFormat>))?.map(value),
            delimiter: table
                .parsed("delimiter", |character| character.parse().map_err(in_words::<UnknownDelimiter>))?
                .map(value),
            encoding: table.parsed("encoding", |name| name.parse().map_err(in_words::<UnknownCharset>))?.map(value),
            skip_lines: table.count("skip_lines", u32::MAX)?.map(|lines| lines.value.get().into()),
            no_header: table.flag("no_header")?.map(value),
            sheet: table.parsed("sheet", |sheet| Ok(sheet.to_owned()))?.map(value),
        };
        let layer = Layer {
            channel,
            allow_http,
            max_calls: max_calls.map(|number| number.value.get().into()),
            end: end.map(value),
            outage_timeout: outage_timeout.map(value),
            routing: routing.map(Sourced::from),
            selected: None,
            source,
            matches: table.texts("match")?.map(value),
            mode: table.choice::<ModeArg>("mode")?.map(|mode| mode.value.into()),
            tags_mode: table.choice::<TagsModeArg>("tags_mode")?.map(|mode| mode.value.into()),
            search_lag: table.parsed("search_lag", duration)?.map(value),
            duplicates: table.choice::<DuplicatesArg>("duplicates")?.map(|way| way.value.into()),
            max_changes: table
                .parsed("max_changes", |text| text.parse().map_err(in_words::<BadMaxChanges>))?
                .map(value),
            retry_in_doubt: table.flag("retry_in_doubt")?.map(value),
            journal: table.text("journal")?.map(|path| file.other_runs(&path.value)),
            lists: Lists {
                rejects: table.text("rejects")?.map(|path| file.other_runs(&path.value)),
                results: table.text("results")?.map(|path| file.other_runs(&path.value)),
            },
        };
        let log_format = table.choice("log_format")?.map(value);
        for key in ONE_RUN {
            table.refuse(key, "it is for one run: say it on the command line")?;
        }
        let rules = mapping::rules(&mut table)?;
        let keys_of_all = table.asked().to_vec();
        table.finish()?;

        let channels = tables.into_iter().map(|(name, mut table)| {
            if name.value.trim().is_empty() {
                return Err(name.place.wrong("expected a channel's name, found none"));
            }
            let layer = channel_layer(&mut table, file, "kind")?;
            table.refuse_keys_of_all(&keys_of_all)?;
            table.finish()?;
            Ok(ChannelTable { name, layer })
        });
        Ok(Self { path: None, log_format, layer, rules, channels: channels.collect::<Result<_, ConfigError>>()? })
    }
}

/// Options that say something of one run only.
const ONE_RUN: [&str; 9] =
    ["config", "forget_limit", "input", "json", "moved", "new_token", "no_progress", "quiet", "verbose"];

/// Keys under which somebody may write the token itself.
const SECRETS: [&str; 8] =
    ["token", "api_token", "access_token", "api_key", "apikey", "authorization", "password", "secret"];

// The same keys for all channels together and for one of them; only the kind is called otherwise.
fn channel_layer(table: &mut Table<'_>, file: &File, kind_key: &'static str) -> Result<ChannelLayer, ConfigError> {
    for key in SECRETS {
        table.refuse(
            key,
            "a token does not stand in this file: put it into an environment variable or a file of its own, and say \
             which with token_env or token_file, or have token_command print it",
        )?;
    }
    let url = table.text("url")?;
    let platform = table.parsed("platform", |name| preset(name).map_err(in_words))?;
    let address = either(url.map(|url| url.map(Address::Url)), platform.map(|preset| preset.map(Address::Preset)))?;
    let env = table.parsed("token_env", variable)?;
    let path = table.text("token_file")?;
    let path = path.map(|path| path.map(|path| TokenPlace::File(file.other_runs(&path))));
    let command = table.words("token_command")?;
    let command = command.map(|words| words.map(|words| words.other_runs(|path| file.other_runs(path))));
    let token = either(env.map(|name| name.map(TokenPlace::Env)), path)?;
    let token = either(token, command.map(|command| command.map(TokenPlace::Command)))?;
    Ok(ChannelLayer {
        address: address.map(Sourced::from),
        token: token.map(Sourced::from),
        kind: table.choice::<KindArg>(kind_key)?.map(|kind| Sourced::from(kind.map(Into::into))),
        rate: table.count("rate", u32::MAX)?.map(value),
        burst: table.count("burst", u32::MAX)?.map(value),
        concurrency: table.count("concurrency", u32::from(u16::MAX))?.map(value),
    })
}

/// The name of an environment variable. Another text is not repeated: it may be the token, at the wrong place.
fn variable(name: &str) -> Result<String, String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let begins = name.starts_with(|character: char| is_name(character) && !character.is_ascii_digit());
    if begins && name.chars().all(is_name) {
        Ok(name.to_owned())
    } else {
        Err("expected the name of an environment variable, such as CONTACTSYNC_TOKEN, found another text".into())
    }
}

fn value<T>(spot: Located<T>) -> T {
    spot.value
}

fn in_words<E: std::error::Error>(error: E) -> String {
    error.to_string()
}
