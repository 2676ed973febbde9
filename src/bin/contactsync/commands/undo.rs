//! `undo RUN`: restores the values and tags that a run changed.

use std::cell::RefCell;
use std::slice;

use contactsync::undo::{Undo, UndoOptions};
use contactsync::{Clock, Environment, Workspace};

use crate::args::UndoArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, run_options};
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::value::Tag;
use crate::options::{Layer, ListArgs};
use crate::render::console::Console;
use crate::render::notices::{Announcement, Notices, report_upgrade};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::render::undo::{UndoOutput, conclude_undo};
use crate::settings::Settings;
use crate::signals;

pub fn run(args: &UndoArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None).with_history(args.history);
    let Settings { channels, journal, input, bounds, access, .. } = Settings::of(typed, config, args.place.shard)?;
    if !journal.exists() {
        return Err(Failure::usage_text(format!("journal {}: no such file", shown(&journal)))
            .hint("use --journal FILE with the journal of the run"));
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    let (options, begun) = (run_options(&bounds, false, &clock), clock.now());
    let (stop, reading) = signals::listen_while_reading(console)?;
    let notices = Notices { console, announcement: Announcement::default() };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &notices };
    let workspace = Workspace::open(&journal, holder())?;
    report_upgrade(workspace.journal(), &journal, console);
    let undo = Undo::find(&workspace, args.run, environment)?;
    let of_run = slice::from_ref(undo.run());
    let Connections { channels: mut connected, announcement } = Connections::of_runs(&channels, of_run)?;
    let Some((_, connection)) = connected.pop() else {
        let (run, channel) = (args.run, &undo.run().channel);
        return Err(Failure::usage_text(format!(
            "run {run} belongs to channel `{channel}`, which is not one of the selected channels"
        ))
        .hint(format!("use --channel {channel}")));
    };
    let printer = Printer {
        notices: Notices { console, announcement },
        progress: Progress::new(console, format!("undo of run {}", args.run)),
        channels: Some(&channels),
        reading,
        input_notices: RefCell::default(),
    };
    let wanted = UndoOptions {
        is_dry: args.dry_run,
        tag_created: args.tag_created.as_ref().map(|Tag(name)| name.as_str().into()),
        search_lag: input.policy.search_lag,
        access,
        overrides: overrides(&args.connection),
        options,
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let mut outcome = undo.undo(connection, &wanted, environment)?;
    outcome.summary.seconds = clock.now().since(begun).as_secs_f64();
    let output = UndoOutput { json: args.json, shows_values: args.show_values, is_dry: args.dry_run };
    conclude_undo(outcome, output, console)
}
