//! `resume`: sends what interrupted runs left pending, without their input.

use std::cell::RefCell;

use contactsync::{Clock, Environment, Interrupted, ResumeOptions, Workspace};

use crate::args::ResumeArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, row_lists, run_options, timed};
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::notify::{self, Seen};
use crate::open_files;
use crate::options::Layer;
use crate::render::console::Console;
use crate::render::notices::{Announcement, Notices, report_upgrade};
use crate::render::outcome::{Again, SummaryOutput, conclude, nothing_to_resume};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::render::runs::input_names;
use crate::settings::Settings;
use crate::signals;

pub fn run(args: &ResumeArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let watch = notify::begin(&typed(args), &config, console)?;
    watch.around(&mut Seen::default(), |seen| run_one(args, config, seen, console))
}

/// The options of the command line.
pub fn typed(args: &ResumeArgs) -> Layer {
    Layer::typed(&args.place, &args.connection, &args.lists, None)
        .with_history(args.history)
        .with_look(&args.look)
        .with_metrics(&args.metrics)
}

fn run_one(args: &ResumeArgs, config: Config, seen: &mut Seen, console: &Console) -> Result<Exit, Failure> {
    let job = config.job.clone();
    let config_path = config.path.clone();
    let Settings { channels, journal, kept_values, bounds, access, read_back, lists, .. } =
        Settings::of(typed(args), config, args.place.shard)?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    // The time counts from the command and not from the end of its reading.
    let (options, begun) = (run_options(&bounds, read_back, &clock), clock.now());
    if !journal.exists() {
        return Err(Failure::usage_text(format!("journal {}: no such file", shown(&journal)))
            .hint("use --journal FILE with the journal of the interrupted run"));
    }
    open_files::make_room(channels.here().len())?;
    let (stop, reading) = signals::listen_while_reading(console)?;
    seen.stop = Some(stop.clone());
    let notices = Notices { console, announcement: Announcement::default() };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &notices };
    let workspace = Workspace::open_keeping(&journal, holder(), kept_values)?;
    report_upgrade(workspace.journal(), &journal, console);
    let names = channels.here().iter().map(|channel| channel.name.as_str());
    let interrupted = Interrupted::find(&workspace, names, environment)?;
    let connections = Connections::of_runs(&channels, interrupted.runs())?;
    let printer = Printer {
        notices: Notices { console, announcement: connections.announcement },
        progress: Progress::new(console, input_names(interrupted.runs())),
        channels: Some(&channels),
        reading,
        input_notices: RefCell::default(),
    };
    let wanted = ResumeOptions {
        by_channel: channels.are_several(),
        lists: &row_lists(lists, config_path.as_deref(), &channels, None),
        access: access.as_ref(),
        overrides: overrides(&args.connection),
        options,
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let resumed = interrupted.resume(connections.channels.into_iter().collect(), wanted, environment)?;
    let Some(mut outcome) = resumed else {
        seen.nothing_to_do();
        return nothing_to_resume(&channels, args.json, console);
    };
    outcome.summary = outcome.summary.map(|summary| timed(summary, clock.now().since(begun)));
    seen.outcome(&outcome);
    let again = Again {
        place: &args.place,
        connection: &args.connection,
        look: &args.look,
        lists: &args.lists,
        job: job.as_deref(),
        is_limited: false,
    };
    conclude(outcome, SummaryOutput::of(args.json), &again, console)
}
