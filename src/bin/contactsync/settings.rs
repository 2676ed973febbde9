//! The settings of a command: options, configuration, presets and defaults, merged and checked.
//!
//! An option wins over the configuration, the configuration over a preset, a preset over the default.

mod bounds;
mod channels;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;
use std::time::Duration;

use conflate::Merge as _;
use contactsync::mapping::MappingError;
use contactsync::mapping::rules::Rules;
use contactsync::source::SourceOptions;
use contactsync::{
    Duplicates, Field, Input, InputGuards, KEPT_BEFORE, KEPT_HISTORY, KeptValues, Mapping, Mark, Policy, Source,
};

use crate::config::Config;
use crate::failure::Failure;
use crate::options::value::{Calls, FieldValue, ModeArg, Name, OnMissingArg, RowCount, ShellCommand, TimeSpan};
use crate::options::{HistoryArgs, JournalArgs, Layer, ListArgs, MatchArgs, Shard, defaults};
use crate::ownership;

pub use bounds::{Bounds, End};
pub use channels::{Channel, Channels, Connected, Earlier};

/// The settings of a run, without the name of its input.
#[derive(Debug)]
pub struct Settings {
    pub channels: Channels,
    pub journal: PathBuf,
    /// How the journal keeps values; as before when `None`.
    pub kept_values: Option<KeptValues>,
    pub input: InputSettings,
    pub bounds: Bounds,
    /// The field and the value that a contact must have before anything is sent.
    pub access: Option<Field>,
    /// Whether a contact is read back after the first write of a field.
    pub read_back: bool,
    pub lists: ListArgs,
}

/// The settings of an input.
#[derive(Debug)]
pub struct InputSettings {
    /// As set. Other properties are detected from the input.
    pub source: SourceOptions,
    /// The rules of the mapping.
    pub rules: Rules,
    /// The configuration with these rules, if there is one.
    pub config: Option<PathBuf>,
    pub policy: Policy,
    pub duplicates: Duplicates,
    pub retry_rejected: bool,
    /// The name of where the input comes from.
    pub source_name: String,
    /// The command whose output is the input, if INPUT is not given.
    pub command: Option<String>,
    /// The input of the job, if neither INPUT nor a command is given.
    pub of_job: Option<PathBuf>,
    pub guards: InputGuards,
    /// The mark of missing contacts, if they get one.
    pub on_missing: Option<Mark>,
}

impl Settings {
    /// Merges the command line with the configuration, and fills in the defaults.
    pub fn of(typed: Layer, config: Config, shard: Option<Shard>) -> Result<Self, Failure> {
        let channels = Channels::of(&typed, &config, shard)?;
        let mut set = typed;
        set.merge(config.layer);
        let on_missing = on_missing(set.policy.on_missing.take(), &set.matching)?;
        Ok(Self {
            channels,
            journal: journal(set.journal)?,
            kept_values: set.history.values.map(Into::into),
            bounds: Bounds {
                max_calls: set.limits.max_calls.map(Calls::get),
                end: End::of(set.limits.end),
                outage_timeout: set.limits.outage_timeout.unwrap_or(defaults::OUTAGE_TIMEOUT).0,
                keep_history: kept_history(set.history),
                keep_before: kept_before(set.history),
            },
            access: set.look.check_access.map(|FieldValue { field, value }| Field::text(field, value)),
            read_back: !set.look.no_read_back,
            lists: set.lists,
            input: InputSettings {
                duplicates: set.matching.duplicates.unwrap_or_default().into(),
                retry_rejected: set.policy.retry_rejected,
                guards: InputGuards {
                    max_changes: set.policy.max_changes,
                    max_rejects: set.policy.max_rejects,
                    max_missing: set
                        .policy
                        .max_missing
                        .or_else(|| on_missing.is_some().then_some(defaults::MAX_MISSING)),
                    min_rows: set.policy.min_rows.map(|RowCount(rows)| rows),
                    max_age: set.policy.max_age.map(|TimeSpan(time)| time),
                },
                on_missing,
                of_job: config.input,
                command: set.source_name.input_command.map(|ShellCommand(command)| command),
                source_name: set.source_name.source_name.map_or_else(|| defaults::SOURCE.to_owned(), |Name(name)| name),
                source: set.source.into(),
                rules: Rules { matches: set.matching.matches.unwrap_or_default(), ..config.rules },
                config: config.path,
                policy: Policy {
                    mode: set.matching.mode.unwrap_or_default().into(),
                    tags_mode: set.policy.tags_mode.unwrap_or_default().into(),
                    search_lag: set.policy.search_lag.unwrap_or(defaults::SEARCH_LAG).0,
                    retry_in_doubt: set.policy.retry_in_doubt,
                    search_first: false,
                },
            },
        })
    }
}

// The mark of missing contacts. It changes existing contacts, and never what contacts are found by.
fn on_missing(given: Option<OnMissingArg>, matching: &MatchArgs) -> Result<Option<Mark>, Failure> {
    let mark = match given {
        Some(OnMissingArg::Mark(mark)) => mark,
        Some(OnMissingArg::Ignore) | None => return Ok(None),
    };
    let wrong = |why: String| Err(Failure::usage_text(format!("the mark `{mark}` of missing contacts: {why}")));
    if matching.mode == Some(ModeArg::Create) {
        return wrong("mode `create` does not change existing contacts; use `upsert` or `update`".into());
    }
    let is_match = |field: &str| matching.matches.iter().flatten().any(|name| name.trim() == field);
    match mark.field_name().filter(|field| is_match(field)) {
        Some(field) => wrong(format!("`{field}` is a match field; choose another field, or a tag")),
        None => Ok(Some(mark)),
    }
}

/// How long the journal keeps what runs did.
pub fn kept_history(given: HistoryArgs) -> Duration {
    given.keep_history.map_or(KEPT_HISTORY, |TimeSpan(time)| time)
}

/// How long the journal keeps the values before their changes.
pub fn kept_before(given: HistoryArgs) -> Duration {
    given.keep_before.map_or(KEPT_BEFORE, |TimeSpan(time)| time)
}

/// The path of the journal: the given one, or the default. A journal that other users can write is refused.
pub fn journal(given: JournalArgs) -> Result<PathBuf, Failure> {
    let path = given.journal.unwrap_or_else(|| defaults::JOURNAL.into());
    ownership::check_journal(&path).map_err(Failure::usage_text)?;
    Ok(path)
}

impl InputSettings {
    /// The input: INPUT of the command line, else the output of a command, else the input of the job.
    pub fn input(&self, typed: Option<&str>) -> Result<Input, Failure> {
        match (typed, &self.command, &self.of_job) {
            (Some("-"), _, _) => Ok(Input::Stdin),
            (Some(path), _, _) => Ok(Input::Path(PathBuf::from(path))),
            (None, Some(command), _) => Ok(Input::Command(command.clone())),
            (None, None, Some(path)) => Ok(Input::Path(path.clone())),
            (None, None, None) => Err(Failure::usage_text("no input is given").hint(
                "name a file, `-` for standard input, a command with --input-command CMD, or a job with --job NAME",
            )),
        }
    }

    /// The name of the file that is the input: INPUT of the command line, else the input of the job.
    pub fn file(&self, typed: Option<&str>) -> Option<String> {
        let of_job = self.of_job.as_ref().filter(|_| self.command.is_none());
        typed.map(str::to_owned).or_else(|| of_job.map(|path| path.display().to_string()))
    }
}

/// An open input with its mapping.
pub struct Reading {
    pub source: Source,
    pub mapping: Mapping,
    pub policy: Policy,
    /// Possible mistakes.
    pub warnings: Vec<String>,
}

/// Names of columns that are not sent as fields, where no rule names the column.
const RESERVED: [&str; 3] = ["contact_id", "tags", "remove_tags"];

/// Warnings about fields with the name of a column that has a special meaning.
fn fields_in_name_only(rules: &Rules) -> impl Iterator<Item = String> {
    rules.fields.iter().map(|rule| rule.name.trim()).filter_map(|name| {
        let key = match name {
            "contact_id" => "the key `id`",
            "tags" => "tables [[tags]]",
            "remove_tags" => "tables [[tags]] with `remove = true`",
            _ => return None,
        };
        Some(format!("[fields] sends a custom field called `{name}`; use {key} if it has a special meaning"))
    })
}

/// A key of the whole file that was added at its end, and so became a field.
fn misplaced(error: &MappingError) -> Option<&'static str> {
    let MappingError::Missing { rule, .. } = error else { return None };
    let keys = ["match", "unmapped", "country", "mode", "duplicates", "url", "platform", "token_env", "token_file"];
    keys.into_iter().chain(["journal", "rejects", "results"]).find(|key| *rule == format!("field `{key}`"))
}

/// The hint for titles above the header.
pub fn skip_titles(source: &Source) -> Option<String> {
    let line = source.detected().likely_header()?;
    Some(format!("line {line} looks like the header: use `--skip-lines {}`", line - 1))
}

/// Warnings about columns whose names differ from reserved names only in case: they are fields.
fn misspelt(mapping: &Mapping) -> Vec<String> {
    let meant = |column: &str| {
        let name = RESERVED.into_iter().find(|name| column.eq_ignore_ascii_case(name) && column != *name)?;
        Some(format!("column `{column}` is sent as a field of that name; only `{name}` has a special meaning"))
    };
    mapping.fields_by_name().filter_map(meant).collect()
}

impl Reading {
    /// Opens the input and checks the mapping against its header. `channel_column` names each row's channel.
    pub fn open(input: &Input, settings: &InputSettings, channel_column: Option<&str>) -> Result<Self, Failure> {
        let InputSettings { source, rules, config, policy, .. } = settings;
        let mut source = Source::open(input, source.clone()).map_err(|error| Failure::usage(&error))?;
        let mapping = Mapping::by(rules, source.header(), policy.mode)
            .and_then(|mapping| match channel_column {
                Some(column) => mapping.routed_by(source.header(), column),
                None => Ok(mapping),
            })
            .map_err(|error| {
                let failure = match (error.line(), config) {
                    (Some(line), Some(config)) => Failure::usage_text(format!("{}:{line}: {error}", config.display())),
                    (Some(_), None) | (None, _) => Failure::usage_text(format!("{}: {error}", source.name())),
                };
                match (misplaced(&error), skip_titles(&source)) {
                    (Some(key), _) => {
                        failure.hint(format!("move `{key}` above all tables; below [fields] it is a field"))
                    }
                    (None, Some(hint)) => failure.hint(hint),
                    (None, None) if matches!(error, MappingError::NoChannelColumn { .. }) => {
                        failure.hint("if all rows belong to one channel, remove channel_column and use --channel NAME")
                    }
                    (None, None) if matches!(error, MappingError::NoMatch { .. }) => {
                        failure.hint("name the field that identifies a contact with --match FIELD")
                    }
                    (None, None) => failure,
                }
            })?;
        if let Some(read) = source.header().map(|header| mapping.reads(header)) {
            source.only(read);
        }
        source.match_by(mapping.match_paths());
        let titles = skip_titles(&source);
        let warnings = titles.into_iter().chain(misspelt(&mapping)).chain(fields_in_name_only(rules)).collect();
        Ok(Self { source, mapping, policy: *policy, warnings })
    }
}
