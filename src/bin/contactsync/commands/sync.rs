//! `sync INPUT`: plans the input into the journal, then sends what is pending.

use std::cell::RefCell;

use contactsync::{Clock, Environment, RunOptions, SyncInput, Timestamp, Workspace, sync_input};

use crate::args::SyncArgs;
use crate::commands::connections::Connections;
use crate::commands::request::{holder, overrides, routing, row_lists, run_options, selection, timed};
use crate::commands::runtime;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::notify::{self, Seen};
use crate::open_files;
use crate::options::Layer;
use crate::render::console::Console;
use crate::render::input_notice::InputNotices;
use crate::render::notices::{Notices, report_upgrade};
use crate::render::outcome::{Again, SummaryOutput, conclude};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::saved_plan;
use crate::settings::{Reading, Settings};
use crate::signals;

pub fn run(args: &SyncArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let output = SummaryOutput::of(args.json);
    run_watched(args, config, (output, Clock::system().now()), &mut Seen::default(), console)
}

/// The options of the command line.
pub fn typed(args: &SyncArgs) -> Layer {
    Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input))
        .with_history(args.history)
        .with_look(&args.look)
        .with_metrics(&args.metrics)
}

/// Runs one sync, whose limits of time count from `since`, and reports how it ended.
pub(super) fn run_watched(
    args: &SyncArgs,
    config: Config,
    (output, since): (SummaryOutput<'_>, Timestamp),
    seen: &mut Seen,
    console: &Console,
) -> Result<Exit, Failure> {
    let watch = notify::begin(&typed(args), &config, console)?;
    watch.around(seen, |seen| run_one(args, config, (output, since), seen, console))
}

fn run_one(
    args: &SyncArgs,
    config: Config,
    (output, since): (SummaryOutput<'_>, Timestamp),
    seen: &mut Seen,
    console: &Console,
) -> Result<Exit, Failure> {
    // Everything that can be wrong with the arguments is found before anything is read or written.
    let job = config.job.clone();
    let config_path = config.path.clone();
    let Settings { channels, journal, kept_values, input, bounds, access, read_back, lists } =
        Settings::of(typed(args), config, args.place.shard)?;
    let saved = args.plan.as_deref().map(saved_plan::read).transpose()?;
    let planned_input = saved.as_ref().and_then(|saved| saved.input.as_deref()).filter(|_| input.command.is_none());
    let typed_input = args.input.input.as_deref().or(planned_input);
    let input_file = input.file(typed_input);
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    // The time counts from the command and not from the end of its reading.
    let (options, begun) = (run_options(&bounds, read_back, &clock), clock.now());
    let options = RunOptions { limits: bounds.limits(since), ..options };
    let connections = Connections::all(&channels)?;
    // Opening the input may wait for a pipe or a command.
    let (stop, reading) = signals::listen_while_reading(console)?;
    seen.stop = Some(stop.clone());
    let from = input.input(typed_input)?;
    signals::end_reading_at(options.limits.until, &from, &clock, &reading, console);
    let Reading { source, mapping, policy, warnings } = Reading::open(&from, &input, channels.column())?;
    let notices = InputNotices::of_reading(&source, &warnings, console);
    open_files::make_room(connections.channels.len())?;
    let printer = Printer {
        notices: Notices { console, announcement: connections.announcement },
        progress: Progress::new(console, source.name()),
        channels: Some(&channels),
        reading,
        input_notices: RefCell::new(Some(notices)),
    };
    let request = SyncInput {
        channels: connections.channels,
        routing: routing(&channels),
        source,
        source_name: input.source_name,
        mapping: &mapping,
        policy,
        duplicates: input.duplicates,
        retry_rejected: input.retry_rejected,
        guards: input.guards,
        selection: selection(&args.selection),
        access,
        on_missing: input.on_missing,
        approved: saved.as_ref().map(|saved| saved.approval.clone()),
        lists: &row_lists(lists, config_path.as_deref(), &channels, input_file.as_deref()),
        overrides: overrides(&args.connection),
        options,
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let workspace = Workspace::open_keeping(&journal, holder(), kept_values)?;
    report_upgrade(workspace.journal(), &journal, console);
    let mut outcome = sync_input(&workspace, request, environment)?;
    outcome.summary = outcome.summary.map(|summary| timed(summary, clock.now().since(begun)));
    seen.outcome(&outcome);
    let is_limited = args.plan.is_some() || !selection(&args.selection).is_all();
    let again = Again {
        place: &args.place,
        connection: &args.connection,
        look: &args.look,
        lists: &args.lists,
        job: job.as_deref(),
        is_limited,
    };
    conclude(outcome, output, &again, console)
}
