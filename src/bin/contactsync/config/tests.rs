//! The keys of a configuration file, and the error for each kind of mistake.

use std::time::Duration;

use contactsync::Format;
use contactsync::client::preset;
use contactsync::source::{Delimiter, SourceOptions};

use super::file::tests::file;
use super::*;
use crate::options::value::{DuplicatesArg, KindArg, ModeArg, TagsModeArg, TimeSpan};
use crate::options::{Address, EndArgs, ListArgs, RateArgs, TokenPlace};

/// The configuration of a file `c.toml` with that text.
pub fn config(text: &str) -> Result<Config, ConfigError> {
    Config::of(&file(text))
}

#[test]
fn a_mistake_is_reported_in_one_line() {
    let check = |text: &str, expected: &str| {
        let message = config(text).expect_err(text).to_string();
        assert_eq!(message, expected, "{text}");
    };
    // Unknown keys.
    check("rate = 50\ntokn_env = \"X\"\n", "c.toml:2: unknown key `tokn_env`; did you mean `token_env`?");
    check("chanel-kind = \"viber\"", "c.toml:1: unknown key `chanel-kind`; did you mean `channel_kind`?");
    check(
        "[channel.a]\nspeed = 5",
        "c.toml:2: unknown key `speed`; expected one of url, platform, token_env, token_file, token_command, kind, rate, burst, concurrency",
    );
    check("rate = 5\n\n[chanel.a]\nrate = 5", "c.toml:3: unknown key `chanel`; did you mean `channel`?");
    check(
        "[channel.a]\nrate = 5\njournal = \"a.db\"\n",
        "c.toml:3: key `journal`: it belongs to the whole file; move it above all tables",
    );
    check("json = true", "c.toml:1: key `json`: it applies to one run; use `--json`");
    check(
        "[channel]\nurl = \"https://example.com\"",
        "c.toml:2: key `url`: expected tables [channel.NAME], found a key of [channel]",
    );
    // Tokens.
    let token = "a token is never written in this file; put it into an environment variable or a file, and name that with \
                 token_env or token_file, or use token_command";
    check("token = \"s3cret\"", &format!("c.toml:1: key `token`: {token}"));
    check("[channel.a]\napi_key = \"s3cret\"", &format!("c.toml:2: key `api_key`: {token}"));
    check(
        "token_env = \"s3cret.s3cret\"",
        "c.toml:1: key `token_env`: expected the name of an environment variable, such as CONTACTSYNC_TOKEN, found another text",
    );
    // Values of another type.
    check("rate = \"fast\"", "c.toml:1: key `rate`: expected a whole number from 1, found text");
    check("rate = 0", "c.toml:1: key `rate`: expected a whole number from 1 to 4294967295, found 0");
    check("rate = -5", "c.toml:1: key `rate`: expected a whole number from 1 to 4294967295, found -5");
    check("rate = 1.5", "c.toml:1: key `rate`: expected a whole number from 1, found a number with a decimal point");
    check("concurrency = 70000", "c.toml:1: key `concurrency`: expected a whole number from 1 to 65535, found 70000");
    check("url = 5", "c.toml:1: key `url`: expected a text in quotes, found a whole number");
    check("url = \" \"", "c.toml:1: key `url`: expected a text, found an empty one");
    check("allow_http = \"yes\"", "c.toml:1: key `allow_http`: expected true or false, found text");
    check("mode = true", "c.toml:1: key `mode`: expected a text in quotes, found true or false");
    check("match = [\"a\", 5]", "c.toml:1: key `match`: expected a text in quotes, found a whole number");
    check("match = 1979-05-27", "c.toml:1: key `match`: expected a text in quotes, found a date or a time");
    check("channel = [\"a\"]", "c.toml:1: key `channel`: expected a text in quotes, found a list");
    check("search_lag = true", "c.toml:1: key `search_lag`: expected a text in quotes, found true or false");
    // Unknown values.
    check(
        "mode = \"upsrt\"",
        "c.toml:1: key `mode`: expected one of upsert, create, update, found another text; did you mean `upsert`?",
    );
    check(
        "channel_kind = \"s3cret\"",
        "c.toml:1: key `channel_kind`: expected one of standard, viber, found another text",
    );
    check(
        "search_lag = \"soon\"",
        "c.toml:1: key `search_lag`: expected a time such as 300ms, 30s, 5m, 2h or 90d, found `soon`",
    );
    check("format = \"xml\"", "c.toml:1: key `format`: expected csv, tsv, jsonl, json, xlsx or ods, found `xml`");
    check(
        "delimiter = \"ab\"",
        "c.toml:1: key `delimiter`: expected one character such as `,` `;` `|` or the word tab, found `ab`",
    );
    check(
        "encoding = \"utf-9\"",
        "c.toml:1: key `encoding`: expected an encoding such as utf-8, utf-16le, windows-1252, iso-8859-2, macintosh or cp850, found `utf-9`",
    );
    check(
        "platform = \"acme\"",
        "c.toml:1: key `platform`: expected one of `1980tic`, `orade`, `respondio`, `okeybot`, `botcity`, found `acme`; use the URL for any other platform",
    );
    check("until = \"6am\"", "c.toml:1: key `until`: expected a time of day from 00:00 to 23:59, found `6am`");
    check("until = 06:00:30", "c.toml:1: key `until`: expected a time of day from 00:00 to 23:59, found `06:00:30`");
    check("until = 2026-01-01T06:00:00", "c.toml:1: key `until`: expected a text in quotes, found a date or a time");
    // Keys of which only one can be set.
    check(
        "for = \"2h\"\nuntil = \"06:00\"",
        "c.toml:2: key `until`: expected `until` or `for`, found both; the other one is in line 1",
    );
    check(
        "url = \"https://example.com\"\nrate = 5\nplatform = \"orade\"",
        "c.toml:3: key `platform`: expected `url` or `platform`, found both; the other one is in line 1",
    );
    check(
        "[channel.a]\ntoken_file = \"a\"\ntoken_env = \"A\"",
        "c.toml:3: key `token_env`: expected `token_env` or `token_file`, found both; the other one is in line 2",
    );
    check("[channel.\"\"]\nrate = 5", "c.toml:1: [channel.]: the name of the channel is empty");
    check(
        "channel = \"a\"\nchannel_column = \"b\"",
        "c.toml:2: key `channel_column`: expected `channel` or `channel_column`, found both; the other one is in line 1",
    );
}

#[test]
fn every_key_sets_what_its_option_sets() {
    let set = config(
        r#"
        platform = "orade"
        token_file = "token"
        channel_kind = "viber"
        rate = 50
        burst = 5
        concurrency = 0x10
        allow_http = true
        channel_column = "office"
        format = "jsonl"
        delimiter = "\t"
        encoding = "windows-1252"
        skip_lines = 2
        no_header = true
        sheet = 3
        match = ["phone", "email"]
        mode = "create"
        tags_mode = "mirror"
        search_lag = 45
        max_calls = 9000
        until = 06:00
        outage_timeout = "10m"
        duplicates = "merge"
        max_changes = "2.5%"
        retry_in_doubt = true
        journal = "j.db"
        rejects = "lists/bad.csv"
        results = "/lists/results.csv"
        log_format = "json"

        [channel.norte]
        url = "https://example.com/api/v1"
        token_env = "NORTE"
        kind = "standard"
        rate = 200

        [channel."Ciudad de México"]
        "#,
    )
    .unwrap();
    let layer = set.layer;
    assert_eq!(layer.matching.matches, Some(vec!["phone".into(), "email".into()]));
    assert_eq!((layer.matching.mode, layer.policy.tags_mode), (Some(ModeArg::Create), Some(TagsModeArg::Mirror)));
    assert_eq!((layer.policy.search_lag, layer.policy.retry_in_doubt), (Some(TimeSpan(Duration::from_secs(45))), true));
    assert_eq!(set.log_format, Some(LogFormat::Json));
    let source = SourceOptions {
        format: Some(Format::Jsonl),
        delimiter: Some(Delimiter::TAB),
        encoding: "Windows-1252".parse().ok(),
        skip_lines: 2,
        no_header: true,
        sheet: Some("3".into()),
    };
    assert_eq!(SourceOptions::from(layer.source), source);
    let changes = "2.5%".parse().ok();
    assert_eq!((layer.matching.duplicates, layer.policy.max_changes), (Some(DuplicatesArg::Merge), changes));
    let lists = ListArgs { rejects: Some("lists/bad.csv".into()), results: Some("/lists/results.csv".into()) };
    assert_eq!(layer.lists, lists);
    assert_eq!((layer.journal.journal, layer.http.allow_http), (Some("j.db".into()), true));
    let limits = layer.limits;
    assert_eq!((limits.max_calls, limits.outage_timeout), ("9000".parse().ok(), "10m".parse().ok()));
    assert_eq!(limits.end, EndArgs { until: "06:00".parse().ok(), span: None });
    let column = layer.routing.channel_column.unwrap();
    assert_eq!((&**column, column.origin.to_string().as_str()), ("office", "c.toml:9: key `channel_column`"));
    let ChannelArgs { address, token, rate } = layer.channel;
    assert_eq!(address.address().map(|address| address.value), preset("orade").ok().map(Address::Preset));
    assert_eq!(token.place().map(|token| token.value), Some(TokenPlace::File("token".into())));
    let expected = RateArgs {
        channel_kind: Some(KindArg::Viber),
        rate: "50".parse().ok(),
        burst: "5".parse().ok(),
        concurrency: "16".parse().ok(),
    };
    assert_eq!(rate, expected);

    let [norte, mexico] = &set.channels[..] else { panic!("{:?}", set.channels) };
    assert_eq!((norte.name.value.as_str(), norte.name.place.line), ("norte", 31));
    assert_eq!(norte.settings.rate.rate, "200".parse().ok());
    assert_eq!(norte.settings.rate.channel_kind, Some(KindArg::Standard));
    assert_eq!(mexico.name.place.to_string(), "c.toml:37: [channel.Ciudad de México]");
    assert_eq!(mexico.settings, ChannelArgs::default());

    // One field needs no list; times may have units.
    let layer = config("match = \"phone\"\nsearch_lag = \"2m\"\nchannel = \"a\"\nfor = \"2h\"").unwrap().layer;
    assert_eq!(layer.limits.end, EndArgs { until: None, span: "2h".parse().ok() });
    assert_eq!((layer.matching.matches, layer.policy.search_lag), (Some(vec!["phone".into()]), "2m".parse().ok()));
    assert_eq!(layer.routing.channel.as_ref().map(|name| &***name), Some("a"));
}

#[test]
fn a_thousand_channels_are_read_at_once() {
    let mut text = "platform = \"orade\"\nchannel_column = \"office\"\n".to_owned();
    for number in 0..1_000 {
        text.push_str(&format!("[channel.office-{number}]\ntoken_env = \"TOKEN_{number}\"\nrate = 100\n"));
    }
    let channels = config(&text).unwrap().channels;
    assert_eq!(channels.len(), 1_000);
    assert!(channels.iter().enumerate().all(|(at, table)| table.name.value == format!("office-{at}")));
    assert_eq!(channels[999].name.place.line, 3 + 999 * 3);
}
