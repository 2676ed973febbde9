//! The command line of contactsync: arguments, progress, printing, exit codes. Everything else is the library's.

mod args;
mod bounded_file;
mod commands;
mod config;
mod escape;
mod exit;
mod exit_signals;
mod failure;
mod notify;
mod open_files;
mod options;
mod ownership;
mod render;
mod sandbox_state;
mod saved_plan;
mod settings;
mod shell;
mod signals;
mod stderr;
mod whole_file;

use std::borrow::Cow;
use std::env;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::args::{Command, WrongOption, wrong_option};
use crate::config::Config;
use crate::escape::escaped;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::OutputArgs;
use crate::render::console::{self, Console, Level};

fn main() -> ExitCode {
    Console::new(OutputArgs::default(), None, false).report_panics();
    let cli = match args::parse(env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refuse(error),
    };
    // It is read before the console is set up, because it may set the format of lines.
    let config = cli
        .command
        .config()
        .map_or_else(|| Ok(Config::default()), |args| Config::find(args.config.as_deref(), args.job.as_deref()));
    let configured = config.as_ref().ok().and_then(|config| config.log_format);
    let console = Console::new(cli.talk, cli.talk.log_format.or(configured), cli.command.works_long());
    console.report_panics();
    let ready = signals::survive_file_size_limit().map_err(|error| Failure::unexpected(&error));
    let unconfigured = |error| commands::without_config(&cli.command, Failure::usage(&error), &console);
    let ended = ready
        .and_then(|()| config.map_err(unconfigured))
        // A panic is reported already. It ends with the code of a failure.
        .and_then(|config| {
            panic::catch_unwind(AssertUnwindSafe(|| run(&cli.command, config, &console))).unwrap_or(Ok(Exit::Failed))
        });
    let exit = ended.unwrap_or_else(|failure| {
        render::failure::print(&failure, "", &console);
        failure.exit
    });
    console::end();
    exit.into()
}

/// Prints what is wrong with the arguments, or the help that they ask for. Errors repeat arguments.
fn refuse(error: clap::Error) -> ExitCode {
    let arguments = || env::args_os().map(|argument| escaped(&argument.to_string_lossy()).into_owned());
    let is_safe = env::args_os().all(|argument| matches!(escaped(&argument.to_string_lossy()), Cow::Borrowed(_)));
    let error = match error.kind() {
        // They repeat no argument.
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::InvalidUtf8 => Ok(error),
        _ if is_safe => Ok(error),
        // The same mistake, made with arguments that are escaped: so the lines of its text are still clap's own.
        _ => args::parse(arguments()).err().ok_or(error),
    };
    let code = match error {
        Ok(error) => {
            // A reader that has closed the stream needs no more of it.
            let _ = match wrong_option(&error) {
                Some(WrongOption { message, hint }) => {
                    let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
                    writeln!(io::stderr(), "error: {}{hint}", escaped(&message))
                }
                None => error.print(),
            };
            error.exit_code()
        }
        // The mistake is the dangerous character itself.
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}", escaped(&error.to_string()));
            error.exit_code()
        }
    };
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run(command: &Command, config: Config, console: &Console) -> Result<Exit, Failure> {
    if let Some(path) = &config.path {
        console.say(Level::Detail, &format!("configuration: {}", path.display()));
    }
    match command {
        Command::Demo => commands::demo::run(console),
        Command::Init(args) => commands::init::run(args, console),
        Command::Check(args) => commands::check::run(args, config, console),
        Command::Plan(args) => commands::plan::run(args, config, console),
        Command::Sync(args) if args.all => commands::all::run(args, config, console),
        Command::Sync(args) => commands::sync::run(args, config, console),
        Command::Resume(args) => commands::resume::run(args, config, console),
        Command::Pull(args) => commands::pull::run(args, config, console),
        Command::Verify(args) => commands::verify::run(args, config, console),
        Command::Undo(args) => commands::undo::run(args, config, console),
        Command::Runs(args) => commands::runs::run(args, config),
        Command::Report(args) => commands::report::run(args, config, console),
        Command::Explain(args) => commands::explain::run(args, config, console),
        Command::Contact(command) => commands::contact::run(command, config, console),
        Command::Journal(command) => commands::journal::run(command, config, console),
        Command::Sandbox(args) => commands::sandbox::run(args, console),
        Command::Schema => commands::reference::schema(),
        Command::Completions { shell } => commands::reference::completions(*shell),
        Command::Man => commands::reference::man(),
    }
}
