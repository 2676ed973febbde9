//! The command line of contactsync: arguments, progress, printing, exit codes. Everything else is the library's.

mod args;
mod bounded_file;
mod commands;
mod config;
mod failure;
mod open_files;
mod output;
mod ownership;
mod progress;
mod settings;
mod signals;
mod voice;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command, LogFormat};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::voice::{Level, Voice};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // It comes before the voice, because it may say how lines are written.
    let config =
        cli.command.config().map_or_else(|| Ok(Config::default()), |args| Config::find(args.config.as_deref()));
    let configured = config.as_ref().ok().and_then(|config| config.log_format);
    let voice = Voice::new(cli.talk, cli.talk.log_format.or(configured).unwrap_or(LogFormat::Text));
    match config.map_err(|error| Failure::usage(&error)).and_then(|config| run(&cli.command, config, &voice)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            voice.say(Level::Error, &failure.message);
            if let Some(hint) = &failure.hint {
                voice.say(Level::Hint, hint);
            }
            failure.exit.into()
        }
    }
}

fn run(command: &Command, config: Config, voice: &Voice) -> Result<Exit, Failure> {
    if let Some(path) = &config.path {
        voice.say(Level::Detail, &format!("configuration: {}", path.display()));
    }
    match command {
        Command::Demo => commands::demo::run(voice),
        Command::Init(args) => commands::init::run(args, voice),
        Command::Check(args) => commands::check::run(args, config, voice),
        Command::Plan(args) => commands::plan::run(args, config, voice),
        Command::Sync(args) => commands::sync::run(args, config, voice),
        Command::Resume(args) => commands::resume::run(args, config, voice),
        Command::Runs(args) => commands::runs::run(args, config),
        Command::Sandbox(args) => commands::sandbox::run(args, voice),
    }
}
