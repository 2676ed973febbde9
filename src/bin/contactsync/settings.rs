//! What a command works with: arguments checked and joined with presets, the environment and files.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

use contactsync::{
    BaseUrl, ChannelKind, Format, Http, Input, Mapping, Mode, Policy, Source, TIMEOUT, TagsMode, Timeouts, Token,
    preset,
};

use crate::args::{ConnectionArgs, InputArgs, KindArg, ModeArg, TagsModeArg};
use crate::failure::Failure;

/// Calls a minute when neither the platform nor the user says how many (API.md, "Platforms").
const DEFAULT_RATE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

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
    pub kind: ChannelKind,
    pub transport: T,
    pub rate: NonZeroU32,
    pub burst: Option<NonZeroU32>,
    pub concurrency: Option<usize>,
    pub call_timeout: Duration,
}

impl Connection<Http> {
    /// Checks URL, token and pace.
    pub fn new(args: &ConnectionArgs, earlier: Option<&Earlier>) -> Result<Self, Failure> {
        let (url, rate) = match (&args.url, &args.platform, earlier) {
            (Some(url), _, _) => (url.clone(), None),
            (None, Some(name), _) => {
                let preset = preset(name).map_err(|error| Failure::usage(&error))?;
                (preset.base_url.to_owned(), Some(preset.calls_per_minute))
            }
            (None, None, Some(earlier)) => (earlier.url.clone(), None),
            (None, None, None) => {
                return Err(Failure::usage_text("expected a platform, found none")
                    .hint("say --url URL, or --platform 1980tic, orade or respondio"));
            }
        };
        let rate = args.rate.or(rate).or(earlier.map(|earlier| earlier.rate));
        let url = BaseUrl::parse(&url, args.allow_http).map_err(|error| Failure::usage(&error))?;
        let kind = match (args.channel_kind, earlier) {
            (Some(KindArg::Standard), _) | (None, None) => ChannelKind::Standard,
            (Some(KindArg::Viber), _) => ChannelKind::Viber,
            (None, Some(earlier)) => earlier.kind,
        };
        let timeouts = Timeouts::default();
        let transport = Http::new(url.clone(), token(args)?, kind, timeouts).map_err(|error| Failure::usage(&error))?;
        Ok(Self {
            url,
            kind,
            transport,
            rate: rate.and_then(NonZeroU32::new).unwrap_or(DEFAULT_RATE),
            burst: args.burst.and_then(NonZeroU32::new),
            concurrency: args.concurrency.map(usize::from),
            call_timeout: TIMEOUT,
        })
    }
}

/// What a plan needs of a connection: the URL, when it is said, and the rate. The token is not looked for.
pub fn planned(args: &ConnectionArgs) -> Result<(Option<BaseUrl>, u32), Failure> {
    let preset = args.platform.as_deref().map(preset).transpose().map_err(|error| Failure::usage(&error))?;
    let url = args.url.as_deref().or(preset.map(|preset| preset.base_url));
    let url =
        url.map(|url| BaseUrl::parse(url, args.allow_http)).transpose().map_err(|error| Failure::usage(&error))?;
    let rate = args.rate.or(preset.map(|preset| preset.calls_per_minute)).unwrap_or(DEFAULT_RATE.get());
    Ok((url, rate))
}

fn token(args: &ConnectionArgs) -> Result<Token, Failure> {
    let (place, text) = if let Some(path) = &args.token_file {
        let place = format!("token file {}", path.display());
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage_text(format!("{place}: cannot read it: {error}")))?;
        (place, text)
    } else {
        let place = format!("environment variable {}", args.token_env);
        let text = env::var(&args.token_env).map_err(|error| {
            let found = match error {
                env::VarError::NotPresent => "none: it is not set",
                env::VarError::NotUnicode(_) => "something that is not text",
            };
            Failure::usage_text(format!("{place}: expected the channel's token, found {found}"))
                .hint("set it, or say --token-env VAR or --token-file FILE")
        })?;
        (place, text)
    };
    Token::new(&text).map_err(|error| Failure::usage_text(format!("{place}: {error}")))
}

/// An input that is open, and what its rows mean.
pub struct Reading {
    pub source: Source,
    pub mapping: Mapping,
    pub policy: Policy,
    /// What may not be meant as it stands.
    pub warnings: Vec<String>,
}

/// Columns whose name has a meaning of its own but for its capitals: they are fields.
fn misspelt(header: &[Arc<str>]) -> Vec<String> {
    let reserved = ["contact_id", "tags", "remove_tags"];
    let meant = |column: &Arc<str>| {
        let name = reserved.into_iter().find(|name| column.eq_ignore_ascii_case(name) && **column != **name)?;
        Some(format!("column `{column}` is sent as a field of that name; the one that is understood is `{name}`"))
    };
    header.iter().filter_map(meant).collect()
}

impl Reading {
    /// Opens the input and holds the mapping against its header.
    pub fn open(args: &InputArgs) -> Result<Self, Failure> {
        let policy = policy(args);
        let format = args
            .format
            .as_deref()
            .map(|name| name.parse::<Format>().map_err(|error| Failure::usage(&error)))
            .transpose()?;
        let input = if args.input == "-" { Input::Stdin } else { Input::Path(PathBuf::from(&args.input)) };
        let source = Source::open(&input, format).map_err(|error| Failure::usage(&error))?;
        if let Some([only]) = source.header()
            && let Some(separator) = [';', '\t'].into_iter().find(|&sign| only.contains(sign))
        {
            let separator = if separator == ';' { "`;`" } else { "tabs" };
            return Err(Failure::usage_text(format!(
                "{}: expected columns separated by commas, found {separator}",
                source.name()
            ))
            .hint("save the file as CSV with commas, in UTF-8"));
        }
        let warnings = misspelt(source.header().unwrap_or_default());
        let mapping = Mapping::new(source.header(), args.matches.clone(), policy.mode)
            .map_err(|error| Failure::usage_text(format!("{}: {error}", source.name())))?;
        Ok(Self { source, mapping, policy, warnings })
    }
}

fn policy(args: &InputArgs) -> Policy {
    Policy {
        mode: match args.mode {
            ModeArg::Upsert => Mode::Upsert,
            ModeArg::Create => Mode::Create,
            ModeArg::Update => Mode::Update,
        },
        tags_mode: match args.tags_mode {
            TagsModeArg::Add => TagsMode::Add,
            TagsModeArg::Mirror => TagsMode::Mirror,
        },
        settle: args.settle,
        resend_unsure: args.resend_unsure,
    }
}
