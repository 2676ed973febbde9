//! The channels that a run goes to, each with what all levels say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::slice;

use contactsync::{BaseUrl, ChannelKind, Clients, Http};

use super::layer::{Address, ChannelLayer, Layer, Routing, Sourced, TokenPlace};
use super::shard::Shard;
use super::token::{Found, TokenCommand};
use crate::args::{DEFAULT_CHANNEL, DEFAULT_TOKEN_ENV};
use crate::config::{ChannelTable, Config, DEFAULT_CONFIG, Location, did_you_mean};
use crate::failure::Failure;

/// Calls a minute when neither the platform nor the user says how many (API.md, "Platforms").
const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// How many names a message lists at the most.
const LISTED: usize = 10;

/// Where the rows go.
#[derive(Debug)]
pub enum Channels {
    /// All of them to one channel.
    One(Channel),
    /// Those whose cell of `column` names this channel to it; the others are left out.
    Selected {
        column: String,
        channel: Channel,
        /// The other channels of the configuration.
        others: BTreeSet<String>,
    },
    /// Each to the channel that its cell of `column` names.
    ByColumn {
        column: String,
        /// The channels of this run, in the order of the configuration.
        here: Vec<Channel>,
        /// The channels of other shards' runs: their rows are none of this run.
        elsewhere: BTreeSet<String>,
        /// Whether rows that name no channel are told by this run. Of several shards, the first one tells them.
        tells_unknown: bool,
    },
}

/// A channel as it is set up. Its token was not looked for yet.
#[derive(Debug)]
pub struct Channel {
    pub name: String,
    /// Where its table begins, when it has one.
    place: Option<Location>,
    pub url: Option<BaseUrl>,
    kind: Option<ChannelKind>,
    pub(super) token: Option<Sourced<TokenPlace>>,
    // As said, or the preset's.
    rate: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
    concurrency: Option<NonZeroU32>,
}

/// What a resumed run had, to be used where nothing else is said.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub url: String,
    pub kind: ChannelKind,
    pub rate: u32,
}

/// A platform that is ready to be called, and the pace.
#[derive(Debug)]
pub struct Connection<T> {
    pub url: BaseUrl,
    pub transport: T,
    pub rate: NonZeroU32,
    pub burst: Option<NonZeroU32>,
    pub concurrency: Option<usize>,
    /// The command that prints another token, once this one is refused.
    pub renewal: Option<TokenCommand>,
    /// What is to be reported about the place of the token.
    pub warning: Option<String>,
}

impl Channels {
    /// Joins what is said of the channels: the command line wins over a channel's table, and that over the rest of the
    /// configuration.
    pub fn of(typed: &Layer, config: &Config, shard: Option<Shard>) -> Result<Self, Failure> {
        let allow_http = typed.allow_http.or(config.layer.allow_http).unwrap_or(false);
        let channel = |name: &str, table: Option<&ChannelTable>| {
            let own = table.map(|table| table.layer.clone()).unwrap_or_default();
            let joined = typed.channel.clone().over(own).over(config.layer.channel.clone());
            Channel::of(name, table.map(|table| table.name.place.clone()), joined, allow_http)
        };
        let only = |name: &str, table: Option<&ChannelTable>| {
            let default = || Sourced::typed("--token-env", TokenPlace::Env(DEFAULT_TOKEN_ENV.into()));
            channel(name, table).map(|channel| Channel { token: channel.token.or_else(|| Some(default())), ..channel })
        };
        let tables = &config.channels;
        let one_of = |said: &Sourced<Routing>, name: &str| {
            let table = tables.iter().find(|table| table.name.value == *name);
            if table.is_none() && !tables.is_empty() && name != DEFAULT_CHANNEL {
                return Err(said.wrong(format!("expected one of {}", listed(tables, name))));
            }
            only(name, table)
        };
        let column = [&typed.routing, &config.layer.routing].into_iter().flatten().find_map(|said| match &said.value {
            Routing::Column(column) => Some(column),
            Routing::Channel(_) => None,
        });
        let selected = typed.selected.as_ref().or(typed.routing.as_ref());
        if let (Some(said @ Sourced { value: Routing::Channel(name), .. }), Some(column), None) =
            (selected, column, shard)
        {
            let others = tables.iter().map(|table| table.name.value.clone()).filter(|other| other != name).collect();
            return Ok(Self::Selected { column: column.clone(), channel: one_of(said, name)?, others });
        }
        let routing = typed.routing.as_ref().or(config.layer.routing.as_ref());
        let one = match (routing.map(|said| (said, &said.value)), tables.as_slice()) {
            (Some((said, Routing::Column(_))), []) => {
                return Err(said.wrong(format!(
                    "expected a table [channel.NAME] for each channel in {}, found none",
                    config.path.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG)).display()
                )));
            }
            (Some((_, Routing::Column(column))), tables) => return by_column(column, typed, tables, shard, channel),
            (Some((said, Routing::Channel(name))), _) => one_of(said, name)?,
            (None, []) => only(DEFAULT_CHANNEL, None)?,
            (None, [table]) => only(&table.name.value, Some(table))?,
            (None, [first, ..]) => {
                return Err(Failure::usage_text(format!(
                    "{}: expected to be told which channel, found {} of them: {}",
                    first.name.place.file,
                    tables.len(),
                    listed(tables, "")
                ))
                .hint(
                    "say --channel NAME for one of them, or --channel-column COLUMN when a column of the input names each row's",
                ));
            }
        };
        match shard {
            None => Ok(Self::One(one)),
            Some(shard) => Err(Failure::usage_text(format!("--shard {shard}: expected several channels, found one"))
                .hint(
                    "a channel is never split; say --channel-column COLUMN when a column of the input names each row's",
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

    /// The column that names each row's channel, when it decides.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::One(_) => None,
            Self::Selected { column, .. } | Self::ByColumn { column, .. } => Some(column),
        }
    }

    /// Whether there may be several, so that each is reported by name.
    pub const fn are_several(&self) -> bool {
        match self {
            Self::One(_) | Self::Selected { .. } => false,
            Self::ByColumn { .. } => true,
        }
    }

    /// The only channel whose rows are taken where a column names each row's.
    pub fn selected(&self) -> Option<&str> {
        match self {
            Self::Selected { channel, .. } => Some(&channel.name),
            Self::One(_) | Self::ByColumn { .. } => None,
        }
    }

    /// Whose rows they are, by the channel's name: this run's, or another shard's.
    pub fn by_name(&self) -> BTreeMap<String, bool> {
        match self {
            Self::One(only) => BTreeMap::from([(only.name.clone(), true)]),
            Self::Selected { channel, others, .. } => {
                let others = others.iter().map(|name| (name.clone(), false));
                others.chain([(channel.name.clone(), true)]).collect()
            }
            Self::ByColumn { here, elsewhere, .. } => {
                let here = here.iter().map(|channel| (channel.name.clone(), true));
                here.chain(elsewhere.iter().map(|name| (name.clone(), false))).collect()
            }
        }
    }

    /// Whether rows that name no channel are told by this run, not by another shard's.
    pub fn tells_unknown(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Selected { .. } => false,
            Self::ByColumn { tells_unknown, .. } => *tells_unknown,
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
    // The platform may be said for all of them, as for a rehearsal. One token for all would put everybody into one.
    let token = typed.channel.token.as_ref().map(|token| &token.origin);
    if let Some(origin) = token.or(typed.channel.kind.as_ref().map(|kind| &kind.origin)) {
        return Err(Failure::usage_text(format!("{origin}: expected one channel, found {} of them", tables.len()))
            .hint("say it in each one's table, [channel.NAME]"));
    }
    let is_here = |table: &&ChannelTable| shard.is_none_or(|shard| shard.keeps(&table.name.value));
    let (here, elsewhere): (Vec<_>, Vec<_>) = tables.iter().partition(is_here);
    Ok(Channels::ByColumn {
        column: column.to_owned(),
        here: here.into_iter().map(|table| channel(&table.name.value, Some(table))).collect::<Result<_, _>>()?,
        elsewhere: elsewhere.into_iter().map(|table| table.name.value.clone()).collect(),
        tells_unknown: shard.is_none_or(Shard::is_first),
    })
}

fn listed(tables: &[ChannelTable], found: &str) -> String {
    let names = || tables.iter().map(|table| table.name.value.as_str());
    let more = tables.len().saturating_sub(LISTED);
    let shown: Vec<String> = names().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}{}", shown.join(", "), did_you_mean(found, names()))
}

impl Channel {
    fn of(name: &str, place: Option<Location>, said: ChannelLayer, allow_http: bool) -> Result<Self, Failure> {
        let (url, preset_rate) = match &said.address {
            None => (None, None),
            Some(address) => {
                let (text, rate) = match &address.value {
                    Address::Url(url) => (url.as_str(), None),
                    Address::Preset(preset) => (preset.base_url, NonZeroU32::new(preset.calls_per_minute)),
                };
                (Some(BaseUrl::parse(text, allow_http).map_err(|error| address.wrong(error))?), rate)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            place,
            url,
            kind: said.kind.map(|kind| kind.value),
            token: said.token,
            rate: said.rate.or(preset_rate),
            burst: said.burst,
            concurrency: said.concurrency,
        })
    }

    /// Calls a minute, when no earlier run says otherwise.
    pub fn rate(&self) -> NonZeroU32 {
        self.rate.unwrap_or(DEFAULT_RATE)
    }

    /// Calls at once, as far as that was said.
    pub const fn burst(&self) -> Option<NonZeroU32> {
        self.burst
    }

    /// Calls in flight, as far as that was said.
    pub fn concurrency(&self) -> Option<usize> {
        self.concurrency.and_then(|number| usize::try_from(number.get()).ok())
    }

    /// The file that its token is in, when it is in one.
    pub fn token_file(&self) -> Option<&Path> {
        match self.token_place()? {
            TokenPlace::File(path) => Some(path),
            TokenPlace::Env(_) | TokenPlace::Command(_) => None,
        }
    }

    /// Where its token is, as far as that was said: channels with the same place have the same token.
    pub fn token_place(&self) -> Option<&TokenPlace> {
        self.token.as_ref().map(|said| &said.value)
    }

    /// Looks for the token and makes the channel ready to be called; connects to nothing yet.
    pub fn connect(&self, clients: &Clients, earlier: Option<&Earlier>) -> Result<Connection<Http>, Failure> {
        let url = match (&self.url, earlier) {
            (Some(url), _) => url.clone(),
            // A journal may be another person's: a token is not sent to wherever it says.
            (None, Some(earlier)) => {
                return Err(Failure::usage_text(format!(
                    "channel `{}`: its run was sent to {}, which neither the command line nor the configuration names",
                    self.name, earlier.url
                ))
                .hint("if this is your platform, pass its URL with --url"));
            }
            (None, None) => return Err(self.without_platform()),
        };
        let kind = self.kind.or(earlier.map(|earlier| earlier.kind)).unwrap_or_default();
        let rate = self.rate.or(earlier.and_then(|earlier| NonZeroU32::new(earlier.rate))).unwrap_or(DEFAULT_RATE);
        let Found { token, warning } = self.token()?;
        let transport = clients.http(url.clone(), token, kind).map_err(|error| Failure::usage(&error))?;
        Ok(Connection {
            url,
            transport,
            rate,
            burst: self.burst,
            concurrency: self.concurrency(),
            renewal: self.renewal(),
            warning,
        })
    }

    fn without_platform(&self) -> Failure {
        match &self.place {
            None => Failure::usage_text("expected a platform, found none")
                .hint("use --url URL, or --platform with 1980tic, orade, respondio, okeybot or botcity"),
            Some(place) => Failure::usage(&place.wrong("expected a platform, found neither `url` nor `platform`")),
        }
    }

    fn token(&self) -> Result<Found, Failure> {
        let Some(said) = &self.token else {
            let place = self.place.as_ref().map_or_else(|| self.name.clone(), ToString::to_string);
            return Err(Failure::usage_text(format!(
                "{place}: expected a token, found none of `token_env`, `token_file` and `token_command`"
            ))
            .hint("each of several channels has a token of its own"));
        };
        said.find()
    }

    // What prints another token, once this one is refused.
    fn renewal(&self) -> Option<TokenCommand> {
        match self.token_place() {
            Some(TokenPlace::Command(command)) => Some(command.clone()),
            Some(TokenPlace::Env(_) | TokenPlace::File(_)) | None => None,
        }
    }
}
