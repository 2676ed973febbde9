//! `plan INPUT`: what a sync would do. It sends nothing, and writes nothing but the file of `--save`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use contactsync::{Clock, DryChannel, DryRun, DryRunOutcome, Environment, Stop, dry_run};

use crate::args::{PlanArgs, PlanOutput};
use crate::commands::request::{overrides, routing, selection, timed};
use crate::commands::runtime;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Layer;
use crate::render::console::Console;
use crate::render::diff::DiffView;
use crate::render::input_notice::InputNotices;
use crate::render::notices::{Announcement, Notices};
use crate::render::plan::{Form, print, when};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::saved_plan;
use crate::settings::{Channel, Reading, Settings};

pub fn run(args: &PlanArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    if let Some(path) = &args.save {
        saved_plan::check(path)?;
    }
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input))
        .with_history(args.history)
        .with_look(&args.look)
        .with_metrics(&args.metrics);
    let Settings { channels, journal, input, bounds, access, read_back, .. } =
        Settings::of(typed, config, args.place.shard)?;
    let (clock, stop) = (Clock::system(), Stop::default());
    let begun = clock.now();
    let from = input.input(args.input.input.as_deref())?;
    let planned = input.file(args.input.input.as_deref());
    let Reading { source, mapping, policy, warnings } = Reading::open(&from, &input, channels.column())?;
    let notices = InputNotices::of_reading(&source, &warnings, console);
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let printer = Printer {
        notices: Notices { console, announcement: Announcement::default() },
        progress: Progress::new(console, source.name()),
        channels: Some(&channels),
        reading: Arc::default(),
        input_notices: RefCell::new(Some(notices)),
    };
    let request = DryRun {
        channels: dry_channels(channels.here()),
        routing: routing(&channels),
        source,
        source_name: input.source_name,
        mapping: &mapping,
        policy,
        duplicates: input.duplicates,
        retry_rejected: input.retry_rejected,
        guards: input.guards,
        selection: selection(&args.selection),
        on_missing: input.on_missing,
        listed: args.diff.diff.unwrap_or(0),
        access,
        read_back,
        is_recorded: args.save.is_some(),
        overrides: overrides(&args.connection),
        limits: &|now| bounds.limits(now),
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let mut outcome = dry_run(&journal, request, environment)?;
    outcome.summary = timed(outcome.summary, clock.now().since(begun));
    let when = outcome.has_room.then(|| when(&outcome.summary, bounds, clock.now()));
    let diff = args.diff.diff.map(|_| DiffView::of(&outcome, args.diff.show_values, channels.are_several()));
    let form = if args.json { Form::Json } else { args.diff.output.unwrap_or(PlanOutput::Text).into() };
    print(&outcome, &channels, when.as_deref(), (form, diff.as_ref()), &clock)?;
    if let Some(refused) = outcome.refused.take() {
        return Err(refused.into());
    }
    if let (Some(path), Some(approval)) = (&args.save, &outcome.approval) {
        let planned = planned.filter(|input| input != "-");
        saved_plan::write(path, planned.as_deref(), approval, &outcome.summary)?;
    }
    Ok(exit_code(&outcome, args.detailed_exitcode))
}

fn exit_code(outcome: &DryRunOutcome, is_detailed: bool) -> Exit {
    if is_detailed && outcome.to_send + outcome.summary.marks_pending > 0 {
        Exit::Changes
    } else if outcome.summary.rejected > 0 {
        Exit::Rejected
    } else {
        Exit::Done
    }
}

// The tokens are not read: where they are says which channels share one.
fn dry_channels(channels: &[Channel]) -> Vec<DryChannel> {
    let mut places = BTreeMap::new();
    let dry = channels.iter().map(|channel| {
        let token = channel.token_place().map(|place| {
            let next = places.len();
            *places.entry(place).or_insert(next)
        });
        DryChannel {
            name: channel.name.clone(),
            url: channel.url.clone(),
            rate: channel.rate(),
            burst: channel.burst(),
            concurrency: channel.concurrency(),
            token,
        }
    });
    dry.collect()
}
