//! The command line of contactsync: arguments, progress, printing, exit codes. Everything else is the library's.

mod args;
mod commands;
mod failure;
mod open_files;
mod output;
mod progress;
mod settings;
mod signals;
mod voice;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::voice::{Level, Voice};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let voice = Voice::new(cli.talk);
    let done = match &cli.command {
        Command::Demo => commands::demo::run(&voice),
        Command::Plan(args) => commands::plan::run(args, &voice),
        Command::Sync(args) => commands::sync::run(args, &voice),
        Command::Resume(args) => commands::resume::run(args, &voice),
        Command::Runs(args) => commands::runs::run(args),
        Command::Sandbox(args) => commands::sandbox::run(args, &voice),
    };
    match done {
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
