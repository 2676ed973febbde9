//! The command line as a whole: its snapshot, its reference, and the defaults that it states.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use clap::{Arg, ArgAction};
use contactsync::sandbox::{Fault, Rule, StoredForm};
use contactsync::{Clock, DryRun, Format, Mapping, Mode, Policy, ResumeOptions, RunOptions, Source, SyncInput};

use super::*;
use crate::commands::request::{overrides, routing, row_lists, run_options, selection};
use crate::config::mapping::keys::{FIELD_KEYS, ID_KEYS, KEYS, KeyInfo, NAMED_STEPS, STEP_KEYS, TAG_KEYS, TAKE_KEYS};
use crate::config::notify::{DEGRADED_KEYS, NOTIFY_KEYS};
use crate::config::tests::config;
use crate::settings::Settings;

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn the_sandbox_takes_rules_and_forms() {
    let command = ["contactsync", "sandbox", "--fault", "token-expired,from=20", "--stored-form", "phone=with-plus"];
    let Ok(Cli { command: Command::Sandbox(args), .. }) = Cli::try_parse_from(command) else {
        panic!("expected the arguments of the sandbox");
    };
    assert_eq!(args.faults.fault, [Rule::always(Fault::TokenExpired).from_call(20)]);
    assert_eq!(args.faults.stored_form, [("phone".to_owned(), StoredForm::WithPlus)]);
    for wrong in [["--fault", "nonsense"], ["--stored-form", "phone"], ["--stored-form", "phone=larger"]] {
        assert!(Cli::try_parse_from(["contactsync", "sandbox"].into_iter().chain(wrong)).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_help_of_every_command_is_that_of_the_snapshot() {
    let mut program = Cli::command().term_width(100);
    program.build();
    let mut text = String::new();
    let all = std::iter::once(&program).chain(program.get_subcommands());
    let all = all.flat_map(|command| std::iter::once(command).chain(commands_within(command)));
    for command in all.filter(|command| command.get_name() != "help") {
        let name = command.get_bin_name().unwrap_or("contactsync");
        let help = command.clone().render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = writeln!(text, "$ {name} --help\n{}\n", lines.join("\n"));
    }
    text.push_str(&errors_of_values(&program));
    compare("tests/snapshots/cli.txt", &text);
}

/// The error for each option and argument for a value that it does not take, each once.
fn errors_of_values(program: &clap::Command) -> String {
    let (mut text, mut seen) = (String::new(), BTreeSet::new());
    for (name, command) in leaves(program, "") {
        let words = || ["contactsync"].into_iter().chain(name.split(' ')).map(str::to_owned);
        let mut before: Vec<String> = Vec::new();
        for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let typed: Vec<String> = match argument.get_long() {
                Some(long) => words().chain([format!("--{long}={WRONG}")]).collect(),
                None => words().chain(before.clone()).chain([WRONG.to_owned()]).collect(),
            };
            if argument.is_positional() {
                before.push("1".to_owned());
            }
            let Some(wrong) = Cli::try_parse_from(&typed).err().and_then(|error| wrong_option(&error)) else {
                continue;
            };
            let WrongOption { message, hint } = wrong;
            if seen.insert(message.clone()) {
                let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
                let _ = writeln!(text, "$ {}\nerror: {message}\n{hint}", typed.join(" "));
            }
        }
    }
    text
}

/// A value that no number, time, key or choice is.
const WRONG: &str = "?";

#[test]
fn a_wrong_value_is_reported_with_the_whole_name_of_its_argument() {
    let check = |arguments: &[&str], expected: &str, hint: Option<&'static str>| {
        let error = Cli::try_parse_from(["contactsync"].iter().chain(arguments)).unwrap_err();
        assert_eq!(wrong_option(&error), Some(WrongOption { message: expected.into(), hint }), "{arguments:?}");
    };
    check(&["contact", "create", "phone"], "NAME=VALUE: expected a field and its value, found `phone`", None);
    check(&["contact", "update", "id:1", "phone"], "NAME=VALUE: expected a field and its value, found `phone`", None);
    check(
        &["plan", "in.csv", "--diff=x"],
        "--diff: expected a whole number from 0 to 18446744073709551615, found `x`",
        None,
    );
    let more = "99999999999999999999";
    let message = format!("--seed: expected a whole number from 0 to 18446744073709551615, found `{more}`");
    check(&["verify", "--seed", more], &message, None);
    check(&["sandbox", "--port=70000"], "--port: expected a whole number from 0 to 65535, found `70000`", None);
    check(&["runs", "--limit=-1"], "--limit: expected a whole number from 0 to 4294967295, found `-1`", None);
    check(&["explain", "line:x"], "KEY: expected a match value, FIELD=VALUE, id:ID or line:N, found `line:x`", None);
    for (arguments, name, found) in [
        (&["runs", "diff", "a", "1"][..], "A", "a"),
        (&["runs", "diff", "1", "0"], "B", "0"),
        (&["report", "99999999999999999999"], "RUN", "99999999999999999999"),
        (&["undo", "last"], "RUN", "last"),
    ] {
        let message = format!("{name}: expected a run number such as 12, found `{found}`");
        check(arguments, &message, Some("`contactsync runs` lists the runs with their numbers"));
    }
}

#[test]
fn the_reference_is_that_of_the_declarations() {
    compare("docs/reference.md", &reference());
}

/// The key of the inner table of `[notify]`, whose keys have a table below it.
const DEGRADED: KeyInfo = KeyInfo { name: "degraded", default: "none", meaning: "" };

#[test]
fn the_reference_lists_every_key_of_a_table() {
    let names = |keys: &[KeyInfo]| keys.iter().map(|key| key.name.to_owned()).collect::<Vec<_>>();
    let check = |table: &str, keys: &[KeyInfo]| {
        assert_eq!(keys_of(table), names(keys), "{table}");
    };
    let options = keys_of("");
    let (_, mapping) = options.split_at(options.len() - KEYS.len());
    assert_eq!(mapping, names(KEYS));
    check("[[tags]]\n", TAG_KEYS);
    check("[notify]\n", &[NOTIFY_KEYS, &[DEGRADED]].concat());
    check("[notify.degraded]\n", DEGRADED_KEYS);
    check("[[take]]\n", TAKE_KEYS);
    let in_braces = |text: &str, keys: &[KeyInfo]| {
        let error = config(text).unwrap_err().to_string();
        let (_, listed) = error.split_once("expected one of ").unwrap();
        assert_eq!(listed.split(", ").collect::<Vec<_>>(), names(keys), "{text}");
    };
    in_braces("[fields]\nname = { no_such_key = 1 }", FIELD_KEYS);
    in_braces("[fields]\nname = { column = \"a\", transform = { no_such_key = 1 } }", STEP_KEYS);
    in_braces("id = { no_such_key = 1 }", ID_KEYS);
}

/// The keys of the whole file that are tables and not options.
const TABLES: [&str; 2] = ["job", "notify"];

#[test]
fn each_key_in_the_reference_is_accepted_in_the_file() {
    let text = reference();
    let (_, options) = text.split_once("\n## Options\n").expect("the options");
    let (options, _) = options.split_once("\n## Keys of").expect("the keys");
    let in_code = |cell: &str| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).map(str::to_owned);
    let named: Vec<String> =
        options.lines().filter_map(|line| in_code(line.strip_prefix("| ")?.split(" | ").nth(1)?)).collect();
    // A value of each kind that an option takes.
    let values = [
        "\"x\"",
        "\"MX\"",
        "\"csv\"",
        "\"utf-8\"",
        "\"tab\"",
        "\"1h\"",
        "\"12:30\"",
        "\"a=b\"",
        "\"ignore\"",
        "\"respondio\"",
        "\"upsert\"",
        "\"last\"",
        "\"add\"",
        "\"viber\"",
        "\"plain\"",
        "\"json\"",
        "1",
        "true",
    ];
    for key in &named {
        let errors: Vec<String> = values
            .iter()
            .map_while(|value| config(&format!("{key} = {value}")).err().map(|error| error.to_string()))
            .collect();
        assert!(errors.len() < values.len(), "the key `{key}` takes no value: {errors:?}");
    }
    // And none is left out.
    let keys = keys_of("");
    let known = keys[..keys.len() - KEYS.len()].iter().filter(|key| !TABLES.contains(&key.as_str()));
    for key in known {
        assert!(named.contains(key), "the reference lacks the key `{key}`");
    }
}

#[test]
fn every_key_is_an_option_of_sync() {
    let keys = keys_of("");
    for key in &keys[..keys.len() - KEYS.len()] {
        assert!(TABLES.contains(&key.as_str()) || sync().get_arguments().any(|option| key_of(option) == *key), "{key}");
    }
    for key in keys_of("[channel.a]\n") {
        assert!(key == "kind" || keys.contains(&key), "{key}");
    }
}

#[test]
fn an_option_that_is_set_to_its_default_changes_nothing() {
    let settings = |option: &[String]| {
        let typed = ["contactsync", "sync", "in.csv"].into_iter().map(str::to_owned).chain(option.iter().cloned());
        let Command::Sync(args) = Cli::try_parse_from(typed).unwrap().command else { panic!("{option:?}") };
        let layer =
            Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input)).with_history(args.history);
        format!("{:?}", Settings::of(layer, config("").unwrap(), args.place.shard).map_err(|failure| failure.message))
    };
    let nothing = settings(&[]);
    let mut held = 0;
    for option in sync().get_arguments() {
        let (_, Some(default)) = about(option) else { continue };
        let is_prose = default.contains(' ') || default == "none";
        if let (Some(name), false) = (option.get_long(), is_prose) {
            // Where a setting comes from is part of it; its value is the same.
            let set = settings(&[format!("--{name}"), default.clone()]);
            assert_eq!(set, nothing, "--{name} {default}");
            held += 1;
        }
    }
    assert!(held >= 8, "found only {held} defaults");
}

#[test]
fn the_defaults_of_the_library_are_those_of_the_options() {
    let Command::Sync(args) = Cli::try_parse_from(["contactsync", "sync", "in.csv"]).unwrap().command else { panic!() };
    let layer = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input)).with_history(args.history);
    let Ok(set) = Settings::of(layer, config("").unwrap(), args.place.shard) else {
        panic!("the settings are refused")
    };
    let header = || Source::from_reader("in.csv", Box::new("phone\n".as_bytes()), Format::Csv).unwrap();
    let source = header();
    let mapping = Mapping::new(source.header(), vec!["phone".into()], Mode::Upsert).unwrap();
    let policy = Policy::new(Mode::default());
    let SyncInput {
        channels: _,
        source: _,
        mapping: _,
        routing: of_rows,
        source_name,
        policy,
        duplicates,
        retry_rejected,
        guards,
        selection: contacts,
        access,
        on_missing,
        approved: _,
        lists,
        overrides: ignored,
        options,
    } = SyncInput::new(Vec::new(), source, &mapping, policy);
    let input = &set.input;
    assert_eq!((policy, duplicates, retry_rejected), (input.policy, input.duplicates, input.retry_rejected));
    assert_eq!((&source_name, &guards, &on_missing), (&input.source_name, &input.guards, &input.on_missing));
    assert_eq!((access, contacts), (set.access.clone(), selection(&args.selection)));
    assert_eq!(format!("{ignored:?}"), format!("{:?}", overrides(&args.connection)));
    assert_eq!(format!("{of_rows:?}"), format!("{:?}", routing(&set.channels)));
    assert_eq!(*lists, row_lists(set.lists, None, &set.channels, None));
    let by_options = run_options(&set.bounds, set.read_back, &Clock::system());
    let run = |options: RunOptions| format!("{:?}", RunOptions { seed: 0, ..options });
    assert_eq!(run(options), run(by_options));
    assert_eq!(run(options), run(ResumeOptions::default().options));

    let dry = DryRun::new(Vec::new(), header(), &mapping, policy);
    let now = Clock::system().now();
    assert_eq!(format!("{:?}", (dry.limits)(now)), format!("{:?}", set.bounds.limits(now)));
    assert_eq!((dry.source_name, dry.duplicates, dry.guards), (source_name, duplicates, guards));
    assert_eq!((dry.retry_rejected, dry.on_missing, dry.read_back), (retry_rejected, on_missing, options.read_back));
}

#[test]
fn two_processes_have_different_seeds_by_default() {
    let seeds: BTreeSet<u64> = (0..4).map(|_| RunOptions::default().seed).collect();
    assert_eq!(seeds.len(), 4);
}

#[test]
fn a_renamed_option_or_key_is_reported_with_its_present_name() {
    for (earlier, present) in
        [("settle", "search_lag"), ("patience", "outage_timeout"), ("resend_unsure", "retry_in_doubt")]
    {
        let (option, new) = (earlier.replace('_', "-"), present.replace('_', "-"));
        assert!(sync().get_arguments().any(|option| option.get_long() == Some(&new)), "{new}");
        for argument in [format!("--{option}"), format!("--{option}=1s")] {
            let error = Cli::try_parse_from(["contactsync", "sync", "in.csv", &argument]).unwrap_err();
            let message = format!("unknown option `--{option}`; it was renamed to `--{new}`");
            assert_eq!(wrong_option(&error), Some(WrongOption { message, hint: None }), "{argument}");
        }
        let error = config(&format!("rate = 5\n{earlier} = \"1s\"")).unwrap_err().to_string();
        assert_eq!(error, format!("c.toml:2: unknown key `{earlier}`; it was renamed to `{present}`"));
        // A channel's table has neither name.
        let error = config(&format!("[channel.a]\n{earlier} = \"1s\"")).unwrap_err().to_string();
        assert!(error.contains("expected one of url, "), "{error}");
    }
    let error = Cli::try_parse_from(["contactsync", "sync", "in.csv", "--no-such-option"]).unwrap_err();
    assert_eq!(wrong_option(&error), None);
}

#[test]
fn an_option_without_a_key_is_refused_in_the_file() {
    for option in ["config", "forget_limit", "input", "json", "moved", "new_token", "no_progress", "quiet", "shard"] {
        let error = config(&format!("{option} = true")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("c.toml:1: key `{option}`: it applies to one run")), "{error}");
    }
}

/// The commands of a command, such as `check` of `journal`. Those of the program itself are elsewhere.
fn commands_within(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    let is_program = command.get_name() == "contactsync";
    command.get_subcommands().filter(move |_| !is_program)
}

/// Compares a file of the repository with its generated text, or writes it.
fn compare(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = format!("{}\n", text.trim_end());
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(text.lines()).position(|(found, new)| found != new);
    assert!(
        found == text,
        "{file} is out of date from line {}: look at the change, then run with UPDATE_SNAPSHOTS=1",
        line.unwrap_or_else(|| found.lines().count().min(text.lines().count())) + 1
    );
}

fn sync() -> clap::Command {
    subcommand("sync")
}

fn subcommand(name: &str) -> clap::Command {
    let mut program = Cli::command();
    program.build();
    program.get_subcommands().find(|command| command.get_name() == name).unwrap().clone()
}

/// The keys of a table, as the program lists them for a key that does not exist.
fn keys_of(table: &str) -> Vec<String> {
    let error = config(&format!("{table}no_such_key = 1")).unwrap_err().to_string();
    let (_, keys) = error.split_once("expected one of ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

/// The help of an option, and the default that it states.
fn about(option: &Arg) -> (String, Option<String>) {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    let declared = option.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).next();
    let takes_value = option.get_action().takes_values();
    match help.split_once(" [default: ") {
        Some((meaning, default)) => (meaning.to_owned(), Some(default.trim_end_matches(']').to_owned())),
        None => (help, declared.filter(|_| takes_value)),
    }
}

fn reference() -> String {
    let mut text = "\
# Reference: commands, options and keys

This page is generated from the declarations of the options; `UPDATE_SNAPSHOTS=1 cargo test --bin contactsync` regenerates it. \
`contactsync COMMAND --help` prints the same for one command, and `contactsync man` prints all of it as a manual page.

- [Commands](#commands)
- [Options](#options)
- [Keys of `contactsync.toml`](#keys-of-contactsynctoml)
- [Options of `sandbox`](#options-of-sandbox)

## Commands

| command | what it does |
| --- | --- |
"
    .to_owned();
    let mut program = Cli::command();
    program.build();
    let commands = leaves(&program, "");
    for (name, command) in &commands {
        let positionals = command.get_positionals().map(|input| {
            let name = input.get_value_names().map(|names| names[0].to_string()).unwrap_or_default();
            let name = if input.is_required_set() { name } else { format!("[{name}]") };
            let more = if matches!(input.get_action(), ArgAction::Append) { "..." } else { "" };
            format!(" {name}{more}")
        });
        let usage = positionals.fold(name.clone(), |usage, input| usage + &input);
        row(&mut text, &[code(&usage), command.get_about().map(ToString::to_string).unwrap_or_default()]);
    }
    text.push_str(
        "
## Options

An option wins over the key of the same name in `contactsync.toml`, the key over a value of the platform's preset, and that \
over the default. A key in the table of a channel wins over the same key of the whole file. Options without a key apply to one \
run. TIME is a number with `ms`, `s`, `m`, `h` or `d`, such as `30s`; a plain number is in seconds.
",
    );
    let (sandbox, mut shared): (Vec<_>, Vec<_>) = commands.into_iter().partition(|(name, _)| name == "sandbox");
    // The headings stand in the order of `sync --help`.
    shared.sort_by_key(|(name, _)| name != "sync");
    let keys: Vec<String> = keys_of("").into_iter().filter(|key| !TABLES.contains(&key.as_str())).collect();
    for (heading, options) in by_heading(&shared) {
        let _ = write!(
            text,
            "\n### {heading}\n\n| option | key | default | meaning | commands |\n| --- | --- | --- | --- | --- |\n"
        );
        for (option, users) in options {
            let key = Some(key_of(&option)).filter(|key| keys.contains(key)).map(|key| code(&key)).unwrap_or_default();
            let users = if option.is_global_set() { "all".into() } else { in_groups(&users, &shared).join(", ") };
            let (meaning, default) = meaning(&option);
            row(&mut text, &[usage(&option), key, default, meaning, users]);
        }
    }
    text.push_str(KEYS_OF_FILE);
    let named = |keys: &[String]| keys.iter().map(|key| code(key)).collect::<Vec<_>>().join(", ");
    let _ = writeln!(
        text,
        "\n### Keys of a channel\n\nA table `[channel.NAME]` sets these keys for one channel: {}. `kind` is `channel_kind` for \
         the whole file; the other keys have the names that they have there. When there are several channels, each needs its own \
         token.",
        named(&keys_of("[channel.a]\n"))
    );
    text.push_str(
        "\n### Keys of a job\n\nA table `[job.NAME]` takes all keys of the whole file except the tables of channels, and `input`. \
         [Jobs](jobs.md) explains which value wins.\n",
    );
    key_table(&mut text, "Keys of `notify`", "[Alerts](alerts.md) explains the table `[notify]`.", NOTIFY_KEYS);
    key_table(&mut text, "Keys of `notify.degraded`", "They are the thresholds of unusual runs.", DEGRADED_KEYS);
    key_table(&mut text, "Keys of the mapping", "They decide which columns become fields and tags.", KEYS);
    key_table(
        &mut text,
        "Keys of a field",
        "A field is `NAME = \"Column\"`, or a table with these keys: `phone = { column = \"Tel\", transform = [\"e164\"] }`.",
        FIELD_KEYS,
    );
    steps(&mut text);
    key_table(&mut text, "Keys of `[[tags]]`", "Each table `[[tags]]` is one rule.", TAG_KEYS);
    key_table(&mut text, "Keys of `[[take]]`", "Each table `[[take]]` is one condition.", TAKE_KEYS);
    text.push_str("\n## Options of `sandbox`\n\n| option | default | meaning |\n| --- | --- | --- |\n");
    for (_, options) in by_heading(&sandbox) {
        for (option, _) in options.iter().filter(|(option, _)| !option.is_global_set()) {
            let (meaning, default) = meaning(option);
            row(&mut text, &[usage(option), default, meaning]);
        }
    }
    text.push_str("\n`contactsync sandbox --help` lists the names of the faults. SHARE is a fraction of all calls, from 0 to 1.\n");
    text
}

const KEYS_OF_FILE: &str = "
## Keys of `contactsync.toml`

`contactsync.toml` is read from the path of `--config`, else from the working directory, else from \
`$XDG_CONFIG_HOME/contactsync` (`~/.config/contactsync`). Keys of the whole file come before all tables. A relative path starts at the folder of the file. An unknown key is an error. A token is never written in the \
file. The keys of options are in the tables above: a key takes the value of its option as a text, flags as `true` or `false`, \
numbers without quotes; `match` and `token_command` also take a list of texts.
";

fn key_table(text: &mut String, title: &str, about: &str, keys: &[KeyInfo]) {
    let _ = write!(text, "\n### {title}\n\n{about}\n\n| key | default | meaning |\n| --- | --- | --- |\n");
    for KeyInfo { name, default, meaning } in keys {
        row(text, &[code(name), (*default).to_owned(), (*meaning).to_owned()]);
    }
}

fn steps(text: &mut String) {
    text.push_str("\n### Steps of `transform`\n\n| step | what it does |\n| --- | --- |\n");
    for step in NAMED_STEPS {
        row(text, &[code(&format!("\"{}\"", step.name)), step.meaning.to_owned()]);
    }
    for KeyInfo { name, default: example, meaning } in STEP_KEYS {
        row(text, &[code(&format!("{{ {name} = {example} }}")), (*meaning).to_owned()]);
    }
}

/// A heading, with its options and the commands that take each.
type Heading = (String, Vec<(Arg, Vec<String>)>);

/// The commands that do something, with their whole names, such as `runs`, `runs diff` and `journal check`, but not `journal`.
fn leaves<'c>(command: &'c clap::Command, above: &str) -> Vec<(String, &'c clap::Command)> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    let found = below.flat_map(|below| leaves(below, &format!("{above}{} ", below.get_name())));
    let own = (!command.is_subcommand_required_set()).then(|| (above.trim_end().to_owned(), command));
    own.into_iter().chain(found).collect()
}

/// The options of several commands, each once, with the commands that take it, by heading.
fn by_heading(commands: &[(String, &clap::Command)]) -> Vec<Heading> {
    let mut headings: Vec<Heading> = Vec::new();
    for (user, command) in commands {
        for option in command.get_arguments().filter(|option| !option.is_positional() && option.get_id() != "help") {
            let heading = option.get_help_heading().unwrap_or("Options").to_owned();
            let name = option.get_long().unwrap_or_default().to_owned();
            let (meaning, _) = about(option);
            let at = headings.iter().position(|(there, _)| *there == heading).unwrap_or_else(|| {
                headings.push((heading, Vec::new()));
                headings.len() - 1
            });
            let options = &mut headings[at].1;
            // An option of the same name with another meaning has its own row.
            let same = |other: &Arg| other.get_long() == Some(&name) && about(other).0 == meaning;
            match options.iter_mut().find(|(other, _)| same(other)) {
                Some((_, users)) => users.push(user.clone()),
                None => options.push((option.clone(), vec![user.clone()])),
            }
        }
    }
    headings
}

// The commands, of which those of a group that has them all, such as `journal`, are named by the group.
fn in_groups(users: &[String], all: &[(String, &clap::Command)]) -> Vec<String> {
    let group = |name: &str| name.split_once(' ').map(|(group, _)| group.to_owned());
    let is_whole = |of: &str| {
        let is_member = |name: &&String| *name == of || group(name).as_deref() == Some(of);
        let mut members = all.iter().map(|(name, _)| name).filter(is_member);
        members.all(|name| users.contains(name))
    };
    let mut named: Vec<String> =
        users.iter().map(|user| group(user).filter(|of| is_whole(of)).unwrap_or_else(|| user.clone())).collect();
    named.dedup();
    named
}

fn usage(option: &Arg) -> String {
    let long = option.get_long().unwrap_or_default();
    let short = option.get_short().map(|short| format!("`-{short}`, ")).unwrap_or_default();
    let value = option.get_value_names().filter(|_| option.get_action().takes_values());
    let is_optional = option.is_require_equals_set();
    let value = value.map(|names| if is_optional { format!("[={}]", names[0]) } else { format!(" {}", names[0]) });
    format!("{short}{}", code(&format!("--{long}{}", value.unwrap_or_default())))
}

// The meaning with the possible values, and the default.
fn meaning(option: &Arg) -> (String, String) {
    let (mut meaning, default) = about(option);
    let values = option.get_possible_values();
    let values: Vec<String> =
        values.iter().filter_map(|value| Some(format!("{}: {}", code(value.get_name()), value.get_help()?))).collect();
    if !values.is_empty() && option.get_action().takes_values() {
        meaning = format!("{meaning}. {}", values.join("; "));
    }
    let is_value = |default: &String| !default.contains(' ') && default != "none";
    let default = default.map(|default| if is_value(&default) { code(&default) } else { default });
    let default =
        default.unwrap_or_else(|| if option.get_action().takes_values() { "none".into() } else { "off".into() });
    (meaning, default)
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn row(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}
