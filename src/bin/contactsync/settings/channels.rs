//! The channels of a run, each with its merged settings.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::num::NonZeroU32;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use conflate::Merge as _;
use contactsync::client::{ChannelKind, Clients, RenewToken, UrlError};
use contactsync::history::RunRow;
use contactsync::{BaseUrl, Connection};

use super::token::FoundToken;
use crate::config::{ChannelTable, Config};
use crate::failure::Failure;
use crate::options::value::{Concurrency, Name, Rate};
use crate::options::{
    Address, ChannelArgs, Layer, Location, RateArgs, RoutingArgs, Shard, Sourced, TokenCommand, TokenPlace, defaults,
    did_you_mean,
};

/// Maximum number of names in a message.
const LISTED: usize = 10;

/// The setting that decides the channel of a row.
enum ChannelChoice<'a> {
    Column(&'a Sourced<Name>),
    Channel(&'a Sourced<Name>),
}

/// The channels of a run.
#[derive(Debug)]
pub enum Channels {
    /// All rows go to one channel.
    One(Channel),
    /// Rows that name this channel in `column` go to it; the others are left out.
    Selected {
        column: String,
        channel: Channel,
        /// The other channels of the configuration.
        others: BTreeSet<String>,
    },
    /// Each row goes to the channel that it names in `column`.
    ByColumn {
        column: String,
        /// The channels of this run, in the order of the configuration.
        here: Vec<Channel>,
        /// The channels of other shards. Their rows are left out.
        elsewhere: BTreeSet<String>,
        /// Whether this run reports rows that name no channel. Of several shards, the first one does.
        takes_unknown: bool,
    },
}

/// The settings of a channel. Its token was not read yet.
#[derive(Debug)]
pub struct Channel {
    pub name: String,
    /// The beginning of its table, if it has one.
    place: Option<Location>,
    pub url: Option<BaseUrl>,
    kind: Option<ChannelKind>,
    pub(super) token: Option<Sourced<TokenPlace>>,
    // As set, or that of the preset.
    rate: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
    concurrency: Option<NonZeroU32>,
}

/// The settings of the run that is resumed, used where no level sets another value.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub url: String,
    pub kind: ChannelKind,
    pub rate: u32,
}

impl From<&RunRow> for Earlier {
    fn from(run: &RunRow) -> Self {
        let kind = ChannelKind::from_name(&run.kind).unwrap_or_default();
        Self { url: run.url.clone(), kind, rate: run.rate }
    }
}

/// A connection to a channel's platform, and a warning about the place of its token.
#[derive(Debug)]
pub struct Connected {
    pub connection: Connection,
    pub warning: Option<String>,
}

impl Channels {
    /// Merges the settings of the channels: the command line wins over a channel's table, and that over the rest of the
    /// configuration.
    pub fn of(typed: &Layer, config: &Config, shard: Option<Shard>) -> Result<Self, Failure> {
        let allow_http = typed.http.allow_http || config.layer.http.allow_http;
        let channel = |name: &str, table: Option<&ChannelTable>| {
            let mut set = typed.channel.clone();
            set.merge(table.map(|table| table.settings.clone()).unwrap_or_default());
            set.merge(config.layer.channel.clone());
            Channel::of(name, table.map(|table| table.name.place.clone()), &set, allow_http)
        };
        let only = |name: &str, table: Option<&ChannelTable>| {
            let default = || Sourced::typed("--token-env", TokenPlace::Env(defaults::TOKEN_ENV.into()));
            channel(name, table).map(|channel| Channel { token: channel.token.or_else(|| Some(default())), ..channel })
        };
        let tables = config.channels.as_slice();
        let one_of = |set: &Sourced<Name>| {
            let name: &str = set;
            let table = tables.iter().find(|table| table.name.value == name);
            if table.is_none() && !tables.is_empty() && name != defaults::CHANNEL {
                return Err(wrong(set, format_args!("expected one of {}", listed(tables, name))));
            }
            only(name, table)
        };
        let (higher, lower) = (&typed.routing, &config.layer.routing);
        let column = higher.channel_column.as_ref().or(lower.channel_column.as_ref());
        if let (Some(name), Some(column), None) = (&higher.channel, column, shard) {
            let others =
                tables.iter().map(|table| table.name.value.clone()).filter(|other| **other != ***name).collect();
            return Ok(Self::Selected { column: column.to_string(), channel: one_of(name)?, others });
        }
        // The higher level wins; within a level, the column wins.
        let routing = [higher, lower].into_iter().find_map(|RoutingArgs { channel, channel_column }| {
            channel_column.as_ref().map(ChannelChoice::Column).or_else(|| channel.as_ref().map(ChannelChoice::Channel))
        });
        let one = match (routing, tables) {
            (Some(ChannelChoice::Column(column)), []) => {
                return Err(wrong(
                    column,
                    format_args!(
                        "{} has no table [channel.NAME]",
                        config.path.as_deref().unwrap_or(Path::new(defaults::CONFIG)).display()
                    ),
                ));
            }
            (Some(ChannelChoice::Column(column)), tables) => return by_column(column, typed, tables, shard, channel),
            (Some(ChannelChoice::Channel(name)), _) => one_of(name)?,
            (None, []) => only(defaults::CHANNEL, None)?,
            (None, [table]) => only(&table.name.value, Some(table))?,
            (None, [first, ..]) => {
                return Err(Failure::usage_text(format!(
                    "{}: {} channels are configured: {}",
                    first.name.place.file.display(),
                    tables.len(),
                    listed(tables, "")
                ))
                .hint(
                    "use --channel NAME for one of them, or --channel-column COLUMN if a column of the input names the channel of each row",
                ));
            }
        };
        match shard {
            None => Ok(Self::One(one)),
            Some(shard) => Err(Failure::usage_text(format!("--shard {shard}: only one channel is configured"))
                .hint(
                    "a channel is never split; use --channel-column COLUMN if a column of the input names the channel of each row",
                )),
        }
    }

    /// The channels of this run.
    pub fn here(&self) -> &[Channel] {
        match self {
            Self::One(channel) | Self::Selected { channel, .. } => slice::from_ref(channel),
            Self::ByColumn { here, .. } => here,
        }
    }

    /// The column with the channel of each row.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::One(_) => None,
            Self::Selected { column, .. } | Self::ByColumn { column, .. } => Some(column),
        }
    }

    /// Whether there may be several channels, so that each is reported by name.
    pub const fn are_several(&self) -> bool {
        match self {
            Self::One(_) | Self::Selected { .. } => false,
            Self::ByColumn { .. } => true,
        }
    }

    /// The only channel whose rows are used, although a column names the channel of each row.
    pub fn selected(&self) -> Option<&str> {
        match self {
            Self::Selected { channel, .. } => Some(&channel.name),
            Self::One(_) | Self::ByColumn { .. } => None,
        }
    }

    /// Whether the configuration names several channels.
    pub fn are_several_named(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Selected { others, .. } => !others.is_empty(),
            Self::ByColumn { here, elsewhere, .. } => here.len() + elsewhere.len() > 1,
        }
    }
}

fn by_column(
    column: &str,
    typed: &Layer,
    tables: &[ChannelTable],
    shard: Option<Shard>,
    channel: impl Fn(&str, Option<&ChannelTable>) -> Result<Channel, Failure>,
) -> Result<Channels, Failure> {
    // One URL may serve all channels, as in a rehearsal. One token would send all contacts to one channel.
    let token = typed.channel.token.place().map(|token| token.origin.to_string());
    if let Some(option) = token.or_else(|| typed.channel.rate.channel_kind.map(|_| "--channel-kind".to_owned())) {
        return Err(Failure::usage_text(format!("{option}: cannot be used with a channel column"))
            .hint("set it in each channel's table, [channel.NAME]"));
    }
    let is_here = |table: &&ChannelTable| shard.is_none_or(|shard| shard.keeps(&table.name.value));
    let (here, elsewhere): (Vec<_>, Vec<_>) = tables.iter().partition(is_here);
    Ok(Channels::ByColumn {
        column: column.to_owned(),
        here: here.into_iter().map(|table| channel(&table.name.value, Some(table))).collect::<Result<_, _>>()?,
        elsewhere: elsewhere.into_iter().map(|table| table.name.value.clone()).collect(),
        takes_unknown: shard.is_none_or(Shard::is_first),
    })
}

/// A setting with an invalid value.
fn wrong<T>(set: &Sourced<T>, what: impl Display) -> Failure {
    Failure::usage_text(format!("{}: {what}", set.origin))
}

fn wrong_url<T>(set: &Sourced<T>, error: &UrlError) -> Failure {
    let failure = wrong(set, error);
    let hint = match error {
        UrlError::Plain(_) => "use `https://`, or --allow-http if every machine on the way to that host is trusted",
        UrlError::UserInfo => "a token is set with --token-env, --token-file or --token-command",
        UrlError::NotAbsolute
        | UrlError::Scheme(_)
        | UrlError::Character(_)
        | UrlError::Unreadable(_)
        | UrlError::Query
        | UrlError::Fragment => return failure,
    };
    failure.hint(hint)
}

fn listed(tables: &[ChannelTable], found: &str) -> String {
    let names = || tables.iter().map(|table| table.name.value.as_str());
    let more = tables.len().saturating_sub(LISTED);
    let shown: Vec<String> = names().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}{}", shown.join(", "), did_you_mean(found, names()))
}

impl Channel {
    fn of(name: &str, place: Option<Location>, set: &ChannelArgs, allow_http: bool) -> Result<Self, Failure> {
        let RateArgs { channel_kind, rate, burst, concurrency } = set.rate;
        let (url, preset_rate) = match set.address.address() {
            None => (None, None),
            Some(address) => {
                let (text, rate) = match address.value {
                    Address::Url(url) => (url, None),
                    Address::Preset(preset) => (preset.base_url, NonZeroU32::new(preset.calls_per_minute)),
                };
                (Some(BaseUrl::parse(text, allow_http).map_err(|error| wrong_url(&address, &error))?), rate)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            place,
            url,
            kind: channel_kind.map(ChannelKind::from),
            token: set.token.place(),
            rate: rate.map(Rate::non_zero).or(preset_rate),
            burst: burst.map(Rate::non_zero),
            concurrency: concurrency.map(Concurrency::non_zero),
        })
    }

    /// Calls a minute, unless an earlier run learnt another rate.
    pub fn rate(&self) -> NonZeroU32 {
        self.rate.unwrap_or(defaults::RATE)
    }

    /// The kind, if it is set.
    pub fn kind(&self) -> ChannelKind {
        self.kind.unwrap_or_default()
    }

    /// Calls at once, if set.
    pub const fn burst(&self) -> Option<NonZeroU32> {
        self.burst
    }

    /// Calls in flight, if set.
    pub fn concurrency(&self) -> Option<usize> {
        self.concurrency.and_then(|number| usize::try_from(number.get()).ok())
    }

    /// The file with its token, if there is one.
    pub fn token_file(&self) -> Option<&Path> {
        match self.token_place()? {
            TokenPlace::File(path) => Some(path),
            TokenPlace::Env(_) | TokenPlace::Command(_) => None,
        }
    }

    /// The place of its token, if it is set. Channels with the same place have the same token.
    pub fn token_place(&self) -> Option<&TokenPlace> {
        self.token.as_ref().map(|token| &token.value)
    }

    /// Reads the token and prepares the connection. Sends nothing yet.
    pub fn connect(&self, clients: &Clients, earlier: Option<&Earlier>) -> Result<Connected, Failure> {
        let url = match (&self.url, earlier) {
            (Some(url), _) => url.clone(),
            // A journal may come from another person: a token is not sent to a URL that only the journal names.
            (None, Some(earlier)) => {
                return Err(Failure::usage_text(format!(
                    "channel `{}`: its run was sent to {}, which neither the command line nor the configuration sets",
                    self.name, earlier.url
                ))
                .hint("if this is your platform, pass its URL with --url"));
            }
            (None, None) => return Err(self.without_platform()),
        };
        let kind = self.kind.or(earlier.map(|earlier| earlier.kind)).unwrap_or_default();
        let rate = self.rate.or(earlier.and_then(|earlier| NonZeroU32::new(earlier.rate))).unwrap_or(defaults::RATE);
        let FoundToken { token, warning } = self.token()?;
        let http = clients.http(url, token, kind).map_err(|error| Failure::usage(&error))?;
        let mut connection = Connection::new(http, rate);
        connection.burst = self.burst;
        connection.concurrency = self.concurrency();
        connection.renewal = self.renewal().map(|command| Arc::new(command) as Arc<dyn RenewToken>);
        Ok(Connected { connection, warning })
    }

    fn without_platform(&self) -> Failure {
        match &self.place {
            None => Failure::usage_text("no platform is configured")
                .hint("use --url URL, or --platform with 1980tic, orade, respondio, okeybot or botcity"),
            Some(place) => Failure::usage(&place.wrong("no platform: set `url` or `platform`")),
        }
    }

    fn token(&self) -> Result<FoundToken, Failure> {
        let Some(token) = &self.token else {
            let place = self.place.as_ref().map_or_else(|| self.name.clone(), ToString::to_string);
            return Err(Failure::usage_text(format!(
                "{place}: no token: set `token_env`, `token_file` or `token_command`"
            ))
            .hint("each of several channels needs its own token"));
        };
        token.find()
    }

    // The command that prints a new token if this one is refused.
    fn renewal(&self) -> Option<TokenCommand> {
        match self.token_place() {
            Some(TokenPlace::Command(command)) => Some(command.clone()),
            Some(TokenPlace::Env(_) | TokenPlace::File(_)) | None => None,
        }
    }
}
