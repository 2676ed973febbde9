//! The short help of each command (`-h`), which fits one screen: the main options, one line each. `--help` explains all.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use super::Cli;

/// Options of several commands that are in the short help of each. Options of a single command are always in it.
const MAIN: &[&str] = &[
    "channel",
    "config",
    "dry-run",
    "journal",
    "json",
    "limit",
    "match",
    "max-changes",
    "mode",
    "platform",
    "rejects",
    "token-env",
    "until",
    "url",
];

/// Options of one command that only its long help has.
const LONG_ONLY: &[&str] = &["log-format", "no-progress", "plan", "save", "show-values"];

/// Options that a plan takes because `sync` does, and that change nothing in it.
const WITHOUT_EFFECT: &[&str] = &["rejects", "token-env", "until"];

/// Options of `sandbox` for faults that its short help has.
const MAIN_FAULTS: &[&str] = &["error-500", "fault", "latency", "lose-after"];

/// Parses a command line.
///
/// # Errors
/// If it is invalid, or asks for the help or the version.
pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let is_short_help = arguments.iter().any(|argument| argument == "-h");
    let mut program = if is_short_help { with_short_help(Cli::command()) } else { Cli::command() };
    let matches = program.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut program))
}

/// The program with the short help of each command.
fn with_short_help(program: Command) -> Command {
    let users = users_of_options(&program);
    let all = "`contactsync COMMAND -h` has a command's main options, `--help` all of them.";
    let examples = text(program.get_after_help());
    program
        .after_help(format!("{examples}\n\n{all}"))
        .mut_args(|option| {
            let is_hidden = is_long_only(&option);
            shortened_option(option, is_hidden)
        })
        .mut_subcommands(|command| shortened(command, &users))
}

/// By how many of a command's commands each option is taken.
fn users_of_options(command: &Command) -> BTreeMap<String, usize> {
    let mut users: BTreeMap<String, usize> = BTreeMap::new();
    for option in command.get_subcommands().flat_map(Command::get_arguments).filter_map(Arg::get_long) {
        *users.entry(option.to_owned()).or_default() += 1;
    }
    users
}

fn shortened(command: Command, users: &BTreeMap<String, usize>) -> Command {
    let is_plan = command.get_name() == "plan";
    // It shares names of options with other commands, and not their meanings.
    let is_sandbox = command.get_name() == "sandbox";
    let is_hidden = |option: &Arg| {
        let Some(name) = option.get_long() else { return false };
        let is_fault = option.get_help_heading().is_some_and(|heading| heading.starts_with("Faults"));
        let is_shared = !is_sandbox && users.get(name).is_some_and(|users| *users > 1);
        let is_main = MAIN.contains(&name) && !(is_plan && WITHOUT_EFFECT.contains(&name));
        is_fault && !MAIN_FAULTS.contains(&name) || is_shared && !is_main || is_long_only(option)
    };
    let has_more = command.get_arguments().any(is_hidden);
    let about = first_clause(&text(command.get_about()));
    let examples = text(command.get_after_help());
    let pointer = if has_more { "These are the main options; `--help` lists all of them." } else { "" };
    let short = format!("{examples}\n\n{pointer}").trim().to_owned();
    let command = if about.is_empty() { command } else { command.about(about) };
    // What the few commands of `journal` share may be what one of them is about.
    let inner = if command.get_name() == "contact" { users_of_options(&command) } else { BTreeMap::new() };
    command
        .after_help(short)
        .mut_args(|option| {
            let is_hidden = is_hidden(&option);
            shortened_option(option, is_hidden)
        })
        .mut_subcommands(|command| shortened(command, &inner))
}

fn is_long_only(option: &Arg) -> bool {
    option.get_long().is_some_and(|name| LONG_ONLY.contains(&name))
}

// Without a heading, all options are one list.
fn shortened_option(option: Arg, is_hidden: bool) -> Arg {
    let help = first_clause(&text(option.get_help()));
    let takes_values = option.get_action().takes_values();
    option.help(help).help_heading(None).hide_possible_values(takes_values).hide_short_help(is_hidden)
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

/// The first clause of a help text, without its default.
fn first_clause(help: &str) -> String {
    let ends = ["; ", ". ", ": ", ", such as ", " [default: "];
    let end = ends.iter().filter_map(|end| help.find(end)).min().unwrap_or(help.len());
    help[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest short help, in lines of a terminal with 80 columns.
    const SCREEN: usize = 40;

    #[test]
    fn the_short_help_of_each_command_fits_one_screen_and_has_examples() {
        let mut program = with_short_help(Cli::command()).term_width(80);
        program.build();
        let check = |command: &Command| {
            let help = command.clone().render_help().to_string();
            let (name, lines) = (command.get_bin_name().unwrap_or_default(), help.lines().count());
            assert!(lines <= SCREEN, "{name}: {lines} lines\n{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{name}: {help}");
            let has_commands = command.get_subcommands().next().is_some();
            assert!(has_commands || help.contains("Examples:\n"), "{name}: {help}");
        };
        let mut left: Vec<&Command> = vec![&program];
        while let Some(command) = left.pop() {
            check(command);
            left.extend(command.get_subcommands().filter(|command| command.get_name() != "help"));
        }
    }

    #[test]
    fn what_the_short_help_omits_is_in_the_long_one() {
        let mut program = Cli::command();
        program.build();
        for name in ["sync", "plan", "sandbox"] {
            let help = |option| parse(["contactsync", name, option]).unwrap_err().to_string();
            let (short, long) = (help("-h"), help("--help"));
            let pointer = "`--help` lists all of them";
            assert!(short.contains(pointer) && !long.contains(pointer), "{name}");
            let command = program.find_subcommand(name).unwrap();
            let options: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            assert!(options.iter().all(|option| long.contains(&format!("--{option}"))), "{name}");
            assert!(options.iter().any(|option| !short.contains(&format!("--{option}"))), "{name}");
        }
    }
}
