//! What a configuration file may say, and the one line for each mistake in it.

use std::num::NonZeroU32;
use std::time::Duration;

use contactsync::{ChannelKind, Delimiter, Duplicates, Format, Mode, SourceOptions, TagsMode};

use super::file::tests::file;
use super::*;

/// What a file `c.toml` of that text says.
pub fn config(text: &str) -> Result<Config, ConfigError> {
    Config::of(&file(text))
}

#[test]
fn a_mistake_is_told_in_one_line() {
    let check = |text: &str, expected: &str| {
        let message = config(text).expect_err(text).to_string();
        assert_eq!(message, expected, "{text}");
    };
    // Keys that are none.
    check(
        "rate = 50\ntokn_env = \"X\"\n",
        "c.toml:2: key `tokn_env`: expected a key that contactsync knows; did you mean `token_env`?",
    );
    check(
        "chanel-kind = \"viber\"",
        "c.toml:1: key `chanel-kind`: expected a key that contactsync knows; did you mean `channel_kind`?",
    );
    check(
        "[channel.a]\nspeed = 5",
        "c.toml:2: key `speed`: expected one of url, platform, token_env, token_file, token_command, kind, rate, burst, concurrency",
    );
    check(
        "rate = 5\n\n[chanel.a]\nrate = 5",
        "c.toml:3: key `chanel`: expected a key that contactsync knows; did you mean `channel`?",
    );
    check(
        "[channel.a]\nrate = 5\njournal = \"a.db\"\n",
        "c.toml:3: key `journal`: it belongs to no table: move it above all of them",
    );
    check("json = true", "c.toml:1: key `json`: it is for one run: say it on the command line");
    check(
        "[channel]\nurl = \"https://example.com\"",
        "c.toml:2: key `url`: expected a name in the brackets above, as [channel.NAME], found text",
    );
    // Tokens.
    let token = "a token does not stand in this file: put it into an environment variable or a file of its own, and say \
                 which with token_env or token_file, or have token_command print it";
    check("token = \"s3cret\"", &format!("c.toml:1: key `token`: {token}"));
    check("[channel.a]\napi_key = \"s3cret\"", &format!("c.toml:2: key `api_key`: {token}"));
    check(
        "token_env = \"s3cret.s3cret\"",
        "c.toml:1: key `token_env`: expected the name of an environment variable, such as CONTACTSYNC_TOKEN, found another text",
    );
    // Values of another kind.
    check("rate = \"fast\"", "c.toml:1: key `rate`: expected a whole number from 1, found text");
    check("rate = 0", "c.toml:1: key `rate`: expected a whole number from 1 to 4294967295, found 0");
    check("rate = -5", "c.toml:1: key `rate`: expected a whole number from 1 to 4294967295, found -5");
    check("rate = 1.5", "c.toml:1: key `rate`: expected a whole number from 1, found a number with a decimal point");
    check("concurrency = 70000", "c.toml:1: key `concurrency`: expected a whole number from 1 to 65535, found 70000");
    check("url = 5", "c.toml:1: key `url`: expected a text in quotes, found a whole number");
    check("url = \" \"", "c.toml:1: key `url`: expected a text, found an empty one");
    check("allow_http = \"yes\"", "c.toml:1: key `allow_http`: expected true or false, found text");
    check("mode = true", "c.toml:1: key `mode`: expected a text in quotes, found true or false");
    check("match = [\"a\", 5]", "c.toml:1: key `match`: expected a list of texts, found a whole number in it");
    check("match = 1979-05-27", "c.toml:1: key `match`: expected a text in quotes, found a date or a time");
    check("channel = [\"a\"]", "c.toml:1: key `channel`: expected a text in quotes, found a list");
    check("search_lag = true", "c.toml:1: key `search_lag`: expected a text in quotes, found true or false");
    // Values that are none.
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
        "c.toml:1: key `search_lag`: expected a time such as 300ms, 30s, 5m or 2h, found `soon`",
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
        "c.toml:1: key `platform`: expected a platform out of `1980tic`, `orade`, `respondio`, `okeybot`, `botcity`, found `acme`; any other one is given by its URL",
    );
    check("until = \"6am\"", "c.toml:1: key `until`: expected a time of day from 00:00 to 23:59, found `6am`");
    check("until = 06:00:30", "c.toml:1: key `until`: expected a time of day from 00:00 to 23:59, found `06:00:30`");
    check("until = 2026-01-01T06:00:00", "c.toml:1: key `until`: expected a text in quotes, found a date or a time");
    // Two ways of saying one thing.
    check(
        "for = \"2h\"\nuntil = \"06:00\"",
        "c.toml:2: key `until`: expected `until` or `for`, found both: the other one is in line 1",
    );
    check(
        "url = \"https://example.com\"\nrate = 5\nplatform = \"orade\"",
        "c.toml:3: key `platform`: expected `url` or `platform`, found both: the other one is in line 1",
    );
    check(
        "[channel.a]\ntoken_file = \"a\"\ntoken_env = \"A\"",
        "c.toml:3: key `token_env`: expected `token_env` or `token_file`, found both: the other one is in line 2",
    );
    check("[channel.\"\"]\nrate = 5", "c.toml:1: [channel.]: expected a channel's name, found none");
    check(
        "channel = \"a\"\nchannel_column = \"b\"",
        "c.toml:2: key `channel_column`: expected `channel` or `channel_column`, found both: the other one is in line 1",
    );
}

#[test]
fn every_key_says_what_its_option_says() {
    let said = config(
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
    let layer = said.layer;
    assert_eq!(layer.matches, Some(vec!["phone".into(), "email".into()]));
    assert_eq!((layer.mode, layer.tags_mode), (Some(Mode::Create), Some(TagsMode::Mirror)));
    assert_eq!((layer.search_lag, layer.retry_in_doubt), (Some(Duration::from_secs(45)), Some(true)));
    assert_eq!(said.log_format, Some(LogFormat::Json));
    let source = SourceOptions {
        format: Some(Format::Jsonl),
        delimiter: Some(Delimiter::TAB),
        encoding: "Windows-1252".parse().ok(),
        skip_lines: 2,
        no_header: true,
        sheet: Some("3".into()),
    };
    assert_eq!(SourceOptions::from(layer.source), source);
    assert_eq!((layer.duplicates, layer.max_changes), (Some(Duplicates::Merge), "2.5%".parse().ok()));
    let lists = Lists { rejects: Some("lists/bad.csv".into()), results: Some("/lists/results.csv".into()) };
    assert_eq!(layer.lists, lists);
    assert_eq!((layer.journal, layer.allow_http), (Some("j.db".into()), Some(true)));
    assert_eq!((layer.max_calls, layer.outage_timeout), (Some(9_000), Some(Duration::from_mins(10))));
    assert_eq!(layer.end, Some(End::Until("06:00".parse().unwrap())));
    let routing = layer.routing.unwrap();
    assert_eq!(routing.value, Routing::Column("office".into()));
    assert_eq!(routing.origin.to_string(), "c.toml:9: key `channel_column`");
    let channel = layer.channel;
    assert_eq!(channel.address.map(|said| said.value), preset("orade").ok().map(Address::Preset));
    assert_eq!(channel.token.map(|said| said.value), Some(TokenPlace::File("token".into())));
    assert_eq!(channel.kind.map(|said| said.value), Some(ChannelKind::Viber));
    let numbers = [channel.rate, channel.burst, channel.concurrency].map(|number| number.map_or(0, NonZeroU32::get));
    assert_eq!(numbers, [50, 5, 16]);

    let [norte, mexico] = &said.channels[..] else { panic!("{:?}", said.channels) };
    assert_eq!((norte.name.value.as_str(), norte.name.place.line), ("norte", 31));
    assert_eq!(norte.layer.rate, NonZeroU32::new(200));
    assert_eq!(mexico.name.place.to_string(), "c.toml:37: [channel.Ciudad de México]");
    assert_eq!(mexico.layer, ChannelLayer::default());

    // One field needs no list; times may have units.
    let said = config("match = \"phone\"\nsearch_lag = \"2m\"\nchannel = \"a\"\nfor = \"2h\"").unwrap().layer;
    assert_eq!(said.end, Some(End::For(Duration::from_hours(2))));
    assert_eq!((said.matches, said.search_lag), (Some(vec!["phone".into()]), Some(Duration::from_mins(2))));
    assert_eq!(said.routing.map(|said| said.value), Some(Routing::Channel("a".into())));
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
