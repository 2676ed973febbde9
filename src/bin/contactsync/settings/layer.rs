//! What one level says: the command line, or `contactsync.toml`. Nothing has its default yet.
//!
//! Options that say the same thing in two ways (`--url` and `--platform`) are one value here, so that the way in which
//! a higher level says it wins over the other way of a lower one.

use std::error::Error;
use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use contactsync::{
    ChannelKind, Charset, Delimiter, Duplicates, Format, MaxChanges, Mode, Preset, SourceOptions, TagsMode,
    UnknownCharset, UnknownDelimiter, UnknownFormat, preset,
};

use crate::args::{
    CheckArgs, ConnectionArgs, DuplicatesArg, InputArgs, KindArg, ListArgs, ModeArg, PlaceArgs, SourceArgs, TagsModeArg,
};
use crate::config::{Located, Location};
use crate::failure::Failure;
use crate::settings::{End, TokenCommand};

/// Who said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option on the command line.
    Option(&'static str),
    /// A key of the configuration.
    Key(Location),
}

/// What was said, and where: so that what turns out to be wrong later can still be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    pub origin: Origin,
}

/// Where a platform is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Url(String),
    Preset(&'static Preset),
}

/// Where a token is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenPlace {
    Env(String),
    File(PathBuf),
    /// What this command prints.
    Command(TokenCommand),
}

/// Where the rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// All of them to this channel.
    Channel(String),
    /// Each to the channel that its cell of this column names.
    Column(String),
}

/// What a level says of a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelLayer {
    pub address: Option<Sourced<Address>>,
    pub token: Option<Sourced<TokenPlace>>,
    pub kind: Option<Sourced<ChannelKind>>,
    pub rate: Option<NonZeroU32>,
    pub burst: Option<NonZeroU32>,
    pub concurrency: Option<NonZeroU32>,
}

/// What a level says of how the input is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLayer {
    pub format: Option<Format>,
    pub delimiter: Option<Delimiter>,
    pub encoding: Option<Charset>,
    pub skip_lines: Option<u64>,
    pub no_header: Option<bool>,
    pub sheet: Option<String>,
}

/// The files that list rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    pub rejects: Option<PathBuf>,
    pub results: Option<PathBuf>,
}

/// What a level says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    pub channel: ChannelLayer,
    pub allow_http: Option<bool>,
    pub max_calls: Option<u64>,
    pub end: Option<End>,
    pub outage_timeout: Option<Duration>,
    pub routing: Option<Sourced<Routing>>,
    /// The channel whose rows are taken, where a column that is named beside it says each row's.
    pub selected: Option<Sourced<Routing>>,
    pub source: SourceLayer,
    pub matches: Option<Vec<String>>,
    pub mode: Option<Mode>,
    pub tags_mode: Option<TagsMode>,
    pub search_lag: Option<Duration>,
    pub duplicates: Option<Duplicates>,
    pub max_changes: Option<MaxChanges>,
    pub retry_in_doubt: Option<bool>,
    pub journal: Option<PathBuf>,
    pub lists: Lists,
}

impl ChannelLayer {
    /// This level, and where it says nothing the lower one.
    pub fn over(self, lower: Self) -> Self {
        Self {
            address: self.address.or(lower.address),
            token: self.token.or(lower.token),
            kind: self.kind.or(lower.kind),
            rate: self.rate.or(lower.rate),
            burst: self.burst.or(lower.burst),
            concurrency: self.concurrency.or(lower.concurrency),
        }
    }

    fn typed(args: &ConnectionArgs) -> Result<Self, Failure> {
        let url = args.url.clone().map(|url| Sourced::typed("--url", Address::Url(url)));
        let platform = args.platform.as_deref().map(|name| match preset(name) {
            Ok(preset) => Ok(Sourced::typed("--platform", Address::Preset(preset))),
            Err(error) => Err(Failure::usage_text(format!("--platform: {error}"))),
        });
        let env = args.token_env.clone().map(|name| Sourced::typed("--token-env", TokenPlace::Env(name)));
        let file = args.token_file.clone().map(|path| Sourced::typed("--token-file", TokenPlace::File(path)));
        let command = args.token_command.as_deref().map(|text| match TokenCommand::parse(text) {
            Ok(command) => Ok(Sourced::typed("--token-command", TokenPlace::Command(command))),
            Err(wrong) => Err(Failure::usage_text(format!("--token-command: {wrong}"))),
        });
        Ok(Self {
            address: url.or(platform.transpose()?),
            token: env.or(file).or(command.transpose()?),
            kind: args.channel_kind.map(|kind| Sourced::typed("--channel-kind", kind.into())),
            rate: args.rate.and_then(NonZeroU32::new),
            burst: args.burst.and_then(NonZeroU32::new),
            concurrency: args.concurrency.and_then(|number| NonZeroU32::new(number.into())),
        })
    }
}

impl SourceLayer {
    /// This level, and where it says nothing the lower one.
    pub fn over(self, lower: Self) -> Self {
        Self {
            format: self.format.or(lower.format),
            delimiter: self.delimiter.or(lower.delimiter),
            encoding: self.encoding.or(lower.encoding),
            skip_lines: self.skip_lines.or(lower.skip_lines),
            no_header: self.no_header.or(lower.no_header),
            sheet: self.sheet.or(lower.sheet),
        }
    }

    /// What the command line says.
    pub fn typed(args: &SourceArgs) -> Result<Self, Failure> {
        let wrong = |option: &str, error: &dyn Error| Failure::usage_text(format!("{option}: {error}"));
        let format = args.format.as_deref().map(str::parse).transpose();
        let delimiter = args.delimiter.as_deref().map(str::parse).transpose();
        let encoding = args.encoding.as_deref().map(str::parse).transpose();
        Ok(Self {
            format: format.map_err(|error: UnknownFormat| wrong("--format", &error))?,
            delimiter: delimiter.map_err(|error: UnknownDelimiter| wrong("--delimiter", &error))?,
            encoding: encoding.map_err(|error: UnknownCharset| wrong("--encoding", &error))?,
            skip_lines: args.skip_lines,
            no_header: flag(args.no_header),
            sheet: args.sheet.clone(),
        })
    }
}

impl Lists {
    /// This level, and where it says nothing the lower one.
    pub fn over(self, lower: Self) -> Self {
        Self { rejects: self.rejects.or(lower.rejects), results: self.results.or(lower.results) }
    }
}

impl From<SourceLayer> for SourceOptions {
    fn from(said: SourceLayer) -> Self {
        let SourceLayer { format, delimiter, encoding, skip_lines, no_header, sheet } = said;
        let (skip_lines, no_header) = (skip_lines.unwrap_or(0), no_header.unwrap_or(false));
        Self { format, delimiter, encoding, skip_lines, no_header, sheet }
    }
}

impl Layer {
    /// What the command line says. A command without an input says nothing of one.
    pub fn typed(
        place: &PlaceArgs,
        connection: &ConnectionArgs,
        lists: &ListArgs,
        input: Option<&InputArgs>,
    ) -> Result<Self, Failure> {
        let channel = place.channel.clone().map(|name| Sourced::typed("--channel", Routing::Channel(name)));
        let column = place.channel_column.clone().map(|name| Sourced::typed("--channel-column", Routing::Column(name)));
        let limits = connection.limits;
        let layer = Self {
            channel: ChannelLayer::typed(connection)?,
            allow_http: flag(connection.allow_http),
            max_calls: limits.max_calls,
            end: limits.until.map(End::Until).or(limits.span.map(End::For)),
            outage_timeout: limits.outage_timeout,
            selected: channel.clone().filter(|_| column.is_some()),
            routing: column.or(channel),
            journal: place.journal.clone(),
            lists: Lists { rejects: lists.rejects.clone(), results: lists.results.clone() },
            ..Self::default()
        };
        let Some(input) = input else { return Ok(layer) };
        Ok(Self {
            source: SourceLayer::typed(&input.source)?,
            matches: Some(input.matches.clone()).filter(|fields| !fields.is_empty()),
            mode: input.mode.map(Mode::from),
            tags_mode: input.tags_mode.map(TagsMode::from),
            search_lag: input.search_lag,
            duplicates: input.duplicates.map(Duplicates::from),
            max_changes: input.max_changes,
            retry_in_doubt: flag(input.retry_in_doubt),
            ..layer
        })
    }

    /// The same with what is said of an input that is only looked at.
    pub fn with_input(self, args: &CheckArgs) -> Result<Self, Failure> {
        Ok(Self {
            source: SourceLayer::typed(&args.source)?,
            matches: Some(args.matches.clone()).filter(|fields| !fields.is_empty()),
            mode: args.mode.map(Mode::from),
            duplicates: args.duplicates.map(Duplicates::from),
            ..self
        })
    }

    /// This level, and where it says nothing the lower one.
    pub fn over(self, lower: Self) -> Self {
        Self {
            channel: self.channel.over(lower.channel),
            allow_http: self.allow_http.or(lower.allow_http),
            max_calls: self.max_calls.or(lower.max_calls),
            end: self.end.or(lower.end),
            outage_timeout: self.outage_timeout.or(lower.outage_timeout),
            routing: self.routing.or(lower.routing),
            selected: self.selected.or(lower.selected),
            source: self.source.over(lower.source),
            matches: self.matches.or(lower.matches),
            mode: self.mode.or(lower.mode),
            tags_mode: self.tags_mode.or(lower.tags_mode),
            search_lag: self.search_lag.or(lower.search_lag),
            duplicates: self.duplicates.or(lower.duplicates),
            max_changes: self.max_changes.or(lower.max_changes),
            retry_in_doubt: self.retry_in_doubt.or(lower.retry_in_doubt),
            journal: self.journal.or(lower.journal),
            lists: self.lists.over(lower.lists),
        }
    }
}

/// A flag that is not there says nothing, and not that it is off.
fn flag(is_there: bool) -> Option<bool> {
    is_there.then_some(true)
}

impl<T> Sourced<T> {
    pub const fn typed(option: &'static str, value: T) -> Self {
        Self { value, origin: Origin::Option(option) }
    }

    /// That it turned out to be wrong.
    pub fn wrong(&self, what: impl Display) -> Failure {
        Failure::usage_text(format!("{}: {what}", self.origin))
    }
}

impl<T> From<Located<T>> for Sourced<T> {
    fn from(spot: Located<T>) -> Self {
        Self { value: spot.value, origin: Origin::Key(spot.place) }
    }
}

impl Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => f.write_str(name),
            Self::Key(place) => place.fmt(f),
        }
    }
}

impl From<KindArg> for ChannelKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Standard => Self::Standard,
            KindArg::Viber => Self::Viber,
        }
    }
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Upsert => Self::Upsert,
            ModeArg::Create => Self::Create,
            ModeArg::Update => Self::Update,
        }
    }
}

impl From<DuplicatesArg> for Duplicates {
    fn from(way: DuplicatesArg) -> Self {
        match way {
            DuplicatesArg::Last => Self::Last,
            DuplicatesArg::First => Self::First,
            DuplicatesArg::Merge => Self::Merge,
            DuplicatesArg::Reject => Self::Reject,
        }
    }
}

impl From<TagsModeArg> for TagsMode {
    fn from(mode: TagsModeArg) -> Self {
        match mode {
            TagsModeArg::Add => Self::Add,
            TagsModeArg::Mirror => Self::Mirror,
        }
    }
}
