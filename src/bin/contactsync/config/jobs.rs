//! The tables `[job.NAME]`: each is the whole file with the keys of the job instead of the same keys there.

use std::path::PathBuf;

use toml::de::DeValue;

use super::Config;
use super::deserializer::both;
use super::table::{ConfigItem, Table};
use crate::options::value::Name;
use crate::options::{ConfigError, Located};

/// Keys of which only one can be set. One of a job replaces all of them.
pub(super) const GROUPS: [&[&str]; 4] =
    [&["url", "platform"], &["token_env", "token_file", "token_command"], &["until", "for"], &["channel_column"]];

/// The keys of `[notify]` are replaced one by one, because a job may need another `ping_url` and the same commands.
const MERGED: &str = "notify";

/// The configuration of a job: its keys over those of the whole file.
pub(super) fn job<'f>(
    name: Located<String>,
    mut table: Table<'f>,
    mut whole: Table<'f>,
) -> Result<Config, ConfigError> {
    if name.value.trim().is_empty() {
        return Err(name.place.wrong("the name of the job is empty"));
    }
    table.refuse("job", "a job cannot contain jobs")?;
    let input_place = table.place_of("input");
    let input = table.item("input").map(input).transpose()?;
    let command =
        table.place_of("input_command").or_else(|| table.place_of("source").filter(|_| table.holds_table("source")));
    if let (Some(input), Some(command)) = (&input_place, table.place_of("input_command")) {
        return Err(both(input, &command));
    }
    if input.is_some() || command.is_some() {
        whole.take_entry("input_command");
    }
    // A source is the name of one input, so it is not that of every job.
    whole.take_entry("source");
    let channel_place = table.place_of("channel");
    let channel = table.take_entry("channel");
    if let (Some((_, value)), Some(place)) = (&channel, &channel_place) {
        if matches!(value.get_ref(), DeValue::Table(_)) {
            return Err(place.wrong_type(
                "tables [channel.NAME] are only allowed at the top level; choose one of them, as in channel = \"a\"",
            ));
        }
        if let Some(column) = table.place_of("channel_column") {
            return Err(both(place, &column));
        }
        whole.take_entry("channel_column");
    }
    let routes = channel.is_some() || table.place_of("channel_column").is_some();
    if routes && !whole.holds_table("channel") {
        whole.take_entry("channel");
    }
    let mut merged = whole.overlaid(table, &GROUPS, MERGED);
    // It is read already. An unknown key is answered with the known ones, and this is one of them.
    drop(merged.item("input"));
    let mut config = Config::of_table(merged, channel)?;
    let source = &mut config.layer.source_name;
    if input.is_some() {
        source.input_command = None;
    }
    source.source_name.get_or_insert_with(|| Name(name.value.clone()));
    Ok(Config { job: Some(name.value), input, ..config })
}

fn input(item: ConfigItem<'_>) -> Result<PathBuf, ConfigError> {
    let Located { value, place } = item.text()?;
    match value.trim() {
        "" => Err(place.wrong("expected the path of a file, found an empty text")),
        "-" => Err(place.wrong("expected the path of a file; standard input is only available on the command line")),
        _ => Ok(place.path(&value)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::tests::config;
    use crate::options::Address;

    const FILE: &str = r#"
        match = "phone"
        platform = "orade"
        token_file = "token"
        until = 06:00
        rejects = "rejected.csv"
        source = "crm"
        input_command = "export"
        rate = 50
        unmapped = "ignore"
        [fields]
        phone = "Phone"
        [notify]
        on_failure = "mail"
        [notify.degraded]
        stopped = 2
        rejects = "5%"
        [channel.north]
        rate = 10
        [channel.south]
        [job.a]
        input = "a.csv"
        channel = "north"
        url = "https://example.com"
        token_env = "A"
        for = "2h"
        [job.a.fields]
        email = "Mail"
        [job.a.notify]
        ping_url = "https://ping.example.com/a"
        degraded.stopped = 5
        [[job.a.take]]
        column = "State"
        is = "on"
        [job.b]
        channel = "south"
        match = ["email"]
    "#;

    #[test]
    fn the_keys_of_a_job_win_over_those_of_the_whole_file() {
        let whole = config(FILE).unwrap();
        let [a, b] = &whole.jobs[..] else { panic!("{:?}", whole.jobs) };
        assert_eq!((a.job.as_deref(), a.input.as_deref()), (Some("a"), Some(Path::new("a.csv"))));
        let address = a.layer.channel.address.address().unwrap().value;
        assert_eq!(address, Address::Url("https://example.com"));
        assert_eq!(a.layer.limits.end.until, None);
        assert_eq!(a.layer.routing.channel.as_ref().map(|name| &***name), Some("north"));
        let source = &a.layer.source_name;
        assert_eq!((source.source_name.clone(), source.input_command.clone()), (Some(Name("a".into())), None));
        assert_eq!(a.layer.lists, whole.layer.lists);
        assert_eq!(a.rules.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["email"]);
        assert_eq!((a.rules.take.len(), a.rules.unmapped), (1, whole.rules.unmapped));
        assert_eq!(a.channels.len(), 2);
        assert_eq!(a.notify.on_failure, whole.notify.on_failure);
        assert!(a.notify.ping_url.is_some() && whole.notify.ping_url.is_none());
        assert_eq!((a.notify.degraded.stopped, a.notify.degraded.rejects), (Some(5), whole.notify.degraded.rejects));

        assert_eq!(b.layer.matching.matches, Some(vec!["email".to_owned()]));
        assert_eq!((&b.rules.fields, &b.input), (&whole.rules.fields, &None));
        assert_eq!(b.layer.source_name.source_name, Some(Name("b".into())));
        assert!(b.layer.source_name.input_command.is_some());
    }

    #[test]
    fn a_key_of_each_group_replaces_the_others() {
        let values = [
            ("url", "\"https://example.com\""),
            ("platform", "\"orade\""),
            ("token_env", "\"A\""),
            ("token_file", "\"a\""),
            ("token_command", "\"a\""),
            ("until", "06:00"),
            ("for", "\"2h\""),
            ("channel", "\"a\""),
            ("channel_column", "\"a\""),
        ];
        let groups: Vec<&[&str]> = GROUPS[..3].iter().copied().chain([&["channel", "channel_column"][..]]).collect();
        let value = |key: &str| values.iter().find(|(name, _)| *name == key).unwrap().1;
        for group in groups {
            for (lower, upper) in group.iter().flat_map(|one| group.iter().map(move |other| (*one, *other))) {
                let text = format!("{lower} = {}\n[job.a]\n{upper} = {}", value(lower), value(upper));
                assert!(config(&text).is_ok(), "{text}: {:?}", config(&text).err());
            }
        }
    }

    #[test]
    fn a_mistake_in_a_job_is_reported_with_its_line() {
        let check = |text: &str, expected: &str| {
            let message = config(text).expect_err(text).to_string();
            assert_eq!(message, expected, "{text}");
        };
        check("[job.a]\nrat = 5", "c.toml:2: unknown key `rat`; did you mean `rate`?");
        check("[job.\"\"]\nrate = 5", "c.toml:1: [job.]: the name of the job is empty");
        check("[job]\nrate = 5", "c.toml:2: key `rate`: expected tables [job.NAME], found a key of [job]");
        check("job = \"a\"", "c.toml:1: key `job`: expected tables [job.NAME], found text");
        check("[job.a]\n[job.a.job.b]\nrate = 5", "c.toml:2: key `job`: a job cannot contain jobs");
        check("[job.a]\ninput = 5", "c.toml:2: key `input`: expected a text in quotes, found a whole number");
        check(
            "[job.a]\ninput = \"-\"",
            "c.toml:2: key `input`: expected the path of a file; standard input is only available on the command line",
        );
        check(
            "[job.a]\ninput = \"a\"\ninput_command = \"b\"",
            "c.toml:3: key `input_command`: expected `input` or `input_command`, found both; the other one is in line 2",
        );
        check(
            "[job.a]\nchannel = \"a\"\nchannel_column = \"b\"",
            "c.toml:3: key `channel_column`: expected `channel` or `channel_column`, found both; the other one is in line 2",
        );
        check(
            "[job.a]\nurl = \"https://example.com\"\nplatform = \"orade\"",
            "c.toml:3: key `platform`: expected `url` or `platform`, found both; the other one is in line 2",
        );
        check(
            "[job.a.channel.north]\nrate = 5",
            "c.toml:1: key `channel`: tables [channel.NAME] are only allowed at the top level; choose one of them, as in channel = \"a\"",
        );
        check("rate = 5\n[job.a]\nrate = \"x\"", "c.toml:3: key `rate`: expected a whole number from 1, found text");
        check("input = \"a.csv\"", "c.toml:1: key `input`: it applies to one run; use `--input`");
    }

    #[test]
    fn a_job_is_chosen_by_its_name() {
        let message = |text: &str, job: &str| config(text).unwrap().of_job(job).unwrap_err().to_string();
        let two = "[job.customers]\nrate = 5\n[job.leads]\nrate = 6";
        assert_eq!(config(two).unwrap().of_job("leads").unwrap().layer.channel.rate.rate, "6".parse().ok());
        assert_eq!(
            message(two, "customer"),
            "contactsync.toml: no job `customer`: expected one of `customers`, `leads`; did you mean `customers`?"
        );
        assert_eq!(message("rate = 5", "a"), "contactsync.toml: no job `a`: the file has no tables [job.NAME]");
    }
}
