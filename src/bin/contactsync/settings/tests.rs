//! Which level wins.

use std::time::Duration;

use clap::Parser;
use contactsync::client::{Clients, Timeouts};

use super::*;
use crate::args::{Cli, Command, wrong_option};
use crate::config::tests::config;
use crate::options::Sourced;

fn settings(arguments: &str, file: &str) -> Result<Settings, Failure> {
    let typed = ["contactsync", "sync", "in.csv"].into_iter().chain(arguments.split_whitespace());
    let cli = Cli::try_parse_from(typed).map_err(|error| match wrong_option(&error) {
        Some(wrong) => Failure::usage_text(wrong.message),
        None => panic!("{error}"),
    })?;
    let Command::Sync(args) = cli.command else { panic!("{arguments}") };
    let layer = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input)).with_history(args.history);
    Settings::of(layer, config(file).unwrap(), args.place.shard)
}

#[test]
fn an_option_wins_over_the_file_and_the_file_over_a_preset() {
    let check = |arguments: &str, file: &str, expected: &str| {
        let settings = settings(arguments, file).unwrap();
        let [channel] = settings.channels.here() else { panic!("one channel") };
        let url = channel.url.as_ref().map_or("-", |url| url.as_str());
        let found =
            format!("{url} {} {}", channel.rate(), channel.token.as_ref().map(Sourced::place).unwrap_or_default());
        assert_eq!(found, expected, "{arguments} / {file}");
    };
    let token = "environment variable CONTACTSYNC_TOKEN";
    let orade = "https://chatcentral.orade.com/api/v1";
    // Nothing, one level, both.
    check("", "", &format!("- 100 {token}"));
    check("--rate 7", "", &format!("- 7 {token}"));
    check("", "rate = 8", &format!("- 8 {token}"));
    check("--rate 7", "rate = 8", &format!("- 7 {token}"));
    // A preset's values are defaults, at whichever level it is named.
    check("", "platform = \"orade\"", &format!("{orade} 100 {token}"));
    check("--platform orade", "rate = 8", &format!("{orade} 8 {token}"));
    check("--rate 7", "platform = \"orade\"\nrate = 8", &format!("{orade} 7 {token}"));
    // An option replaces the alternative that the lower level sets.
    check("--url https://a.example", "platform = \"orade\"", &format!("https://a.example 100 {token}"));
    check("--platform orade", "url = \"https://a.example\"", &format!("{orade} 100 {token}"));
    check("--token-env A", "token_file = \"b\"", "- 100 environment variable A");
    check("--token-file a", "token_env = \"B\"", "- 100 token file a");
    check("", "token_env = \"B\"", "- 100 c.toml:1: key `token_env`: the environment variable that it names");
    check("", "token_file = \"b\"", "- 100 c.toml:1: key `token_file`: the file that it names");
}

#[test]
fn an_end_on_the_command_line_replaces_the_other_kind_in_the_file() {
    let check = |arguments: &str, file: &str, expected: Option<End>| {
        assert_eq!(settings(arguments, file).unwrap().bounds.end, expected, "{arguments} / {file}");
    };
    assert_eq!(settings("", "").unwrap().bounds, Bounds::default());
    let two_hours = Some(End::For(Duration::from_hours(2)));
    let six = "06:00".parse().ok().map(End::Until);
    check("", "", None);
    check("--for 2h", "", two_hours);
    check("--for 2h", "until = 06:00", two_hours);
    check("--until 06:00", "for = \"2h\"", six);
    check("", "for = \"2h\"", two_hours);
    let bounds = settings("--max-calls 5", "max_calls = 6\noutage_timeout = 60").unwrap().bounds;
    assert_eq!((bounds.max_calls, bounds.outage_timeout), (Some(5), Duration::from_mins(1)));
}

#[test]
fn a_channel_table_wins_over_the_settings_of_all_channels() {
    let file = "platform = \"orade\"\nrate = 8\ntoken_env = \"ALL\"\n\
                [channel.a]\nurl = \"https://a.example\"\nrate = 9\ntoken_env = \"A\"\n[channel.b]";
    let check = |arguments: &str, file: &str, expected: &str| {
        let settings = settings(arguments, file).unwrap();
        let [channel] = settings.channels.here() else { panic!("one channel") };
        let url = channel.url.as_ref().map_or("-", |url| url.as_str());
        assert_eq!(format!("{} {url} {}", channel.name, channel.rate()), expected, "{arguments} / {file}");
    };
    check("--channel a", file, "a https://a.example 9");
    check("--channel b", file, "b https://chatcentral.orade.com/api/v1 8");
    check("--channel b --rate 7", file, "b https://chatcentral.orade.com/api/v1 7");
    check("--channel a --url https://c.example", file, "a https://c.example 9");
    check("--channel default", file, "default https://chatcentral.orade.com/api/v1 8");
    check("--channel a", &format!("channel_column = \"office\"\n{file}"), "a https://a.example 9");
    // The only one need not be named; without tables, any name will do.
    check("", "[channel.a]\nrate = 9", "a - 9");
    check("--channel x", "", "x - 100");
    check("", "channel = \"x\"", "x - 100");
    check("--channel y", "channel = \"x\"", "y - 100");
}

#[test]
fn rows_go_to_the_channels_of_this_share() {
    let file = "channel_column = \"office\"\nplatform = \"orade\"\n\
                [channel.a]\ntoken_env = \"A\"\n[channel.b]\n[channel.c]\n[channel.d]\nrate = 9\n";
    let check = |arguments: &str, expected: &str| {
        let settings = settings(arguments, file).unwrap();
        let Channels::ByColumn { column, here, elsewhere, takes_unknown } = settings.channels else { panic!() };
        let names: Vec<String> = here.iter().map(|channel| format!("{}@{}", channel.name, channel.rate())).collect();
        let elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
        let found = format!("{column}: {} / {} / {takes_unknown}", names.join(" "), elsewhere.join(" "));
        assert_eq!(found, expected, "{arguments}");
    };
    check("", "office: a@100 b@100 c@100 d@9 /  / true");
    check("--channel-column team --rate 5", "team: a@5 b@5 c@5 d@5 /  / true");
    check("--shard 0/1", "office: a@100 b@100 c@100 d@9 /  / true");
    check("--shard 0/2", "office: b@100 d@9 / a c / true");
    check("--shard 1/2", "office: a@100 c@100 / b d / false");
}

#[test]
fn contradictory_options_are_refused() {
    let check = |arguments: &str, file: &str, expected: &str| {
        let failure = settings(arguments, file).expect_err(arguments);
        assert_eq!(failure.message, expected, "{arguments} / {file}");
    };
    let two = "[channel.norte]\n[channel.sur]\n";
    check("--channel nrote", two, "--channel: expected one of `norte`, `sur`; did you mean `norte`?");
    check("--channel oeste", two, "--channel: expected one of `norte`, `sur`");
    check("", two, "c.toml: 2 channels are configured: `norte`, `sur`");
    let many = (0..30).map(|number| format!("[channel.c{number}]")).collect::<Vec<_>>().join("\n");
    check(
        "",
        &many,
        "c.toml: 30 channels are configured: \
         `c0`, `c1`, `c2`, `c3`, `c4`, `c5`, `c6`, `c7`, `c8`, `c9` and 20 more",
    );
    check(
        "",
        "channel_column = \"office\"",
        "c.toml:1: key `channel_column`: contactsync.toml has no table [channel.NAME]",
    );
    check("--channel-column office", "", "--channel-column: contactsync.toml has no table [channel.NAME]");
    check("--channel-column office --token-env A", two, "--token-env: cannot be used with a channel column");
    check("--channel-column office --channel-kind viber", two, "--channel-kind: cannot be used with a channel column");
    check("--shard 0/2", "", "--shard 0/2: only one channel is configured");
    check(
        "--platform acme",
        "",
        "--platform: expected one of `1980tic`, `orade`, `respondio`, `okeybot`, `botcity`, found `acme`; use the URL for any other platform",
    );
    let plain = "expected `https://`, found plain `http://` to `a.example`, which sends the token unencrypted";
    check("", "rate = 5\nurl = \"http://a.example\"", &format!("c.toml:2: key `url`: {plain}"));
    check("--url http://a.example", "", &format!("--url: {plain}"));
    assert!(settings("--url http://a.example", "allow_http = true").is_ok());
}

#[test]
fn a_channel_among_several_needs_a_platform_and_a_token_of_its_own() {
    let check = |file: &str, expected: &str| {
        let settings = settings("--channel-column office", file).unwrap();
        let Channels::ByColumn { here, .. } = settings.channels else { panic!("{file}") };
        let failure = here[0].connect(&Clients::new(Timeouts::default()), None).expect_err(file);
        assert_eq!(failure.message, expected, "{file}");
    };
    check("[channel.a]\ntoken_env = \"A\"", "c.toml:1: [channel.a]: no platform: set `url` or `platform`");
    check(
        "platform = \"orade\"\n[channel.a]",
        "c.toml:2: [channel.a]: no token: set `token_env`, `token_file` or `token_command`",
    );
    check(
        "platform = \"orade\"\n[channel.a]\ntoken_env = \"CONTACTSYNC_NO_SUCH_VARIABLE\"",
        "c.toml:3: key `token_env`: the environment variable that it names is not set",
    );
    check(
        "platform = \"orade\"\ntoken_file = \"no/such/file\"\n[channel.a]",
        "c.toml:2: key `token_file`: the file that it names: cannot read it: No such file or directory (os error 2)",
    );
}
