//! `plan INPUT`: what a sync would do. It sends nothing and writes nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use contactsync::{Clock, DryChannel, DryRun, Environment, Stop, dry_run};

use crate::args::PlanArgs;
use crate::commands::request::{overrides, routing, timed};
use crate::commands::runtime;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::options::Layer;
use crate::render::console::{Console, Level};
use crate::render::input_notice::InputNotices;
use crate::render::notices::{Announcement, Notices};
use crate::render::plan::{print, when};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::settings::{Channel, Reading, Settings};

pub fn run(args: &PlanArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input)).with_history(args.history);
    let Settings { channels, journal, input, bounds, .. } = Settings::of(typed, config, args.place.shard)?;
    let (clock, stop) = (Clock::system(), Stop::default());
    let begun = clock.now();
    let from = input.input(args.input.input.as_deref())?;
    let Reading { source, mapping, policy, warnings } = Reading::open(&from, &input, channels.column())?;
    let notices = InputNotices::at_open(&source, console);
    for warning in &warnings {
        console.say(Level::Warning, &format!("{}: {warning}", source.name()));
    }
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
        overrides: overrides(&args.connection),
        limits: &|now| bounds.limits(now),
    };
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &printer };
    let mut outcome = dry_run(&journal, request, environment)?;
    outcome.summary = timed(outcome.summary, clock.now().since(begun));
    let when = outcome.has_room.then(|| when(&outcome.summary, bounds, clock.now()));
    print(&outcome, &channels, when.as_deref(), args.json, &clock)?;
    if let Some(refused) = outcome.refused {
        return Err(refused.into());
    }
    Ok(if outcome.summary.rejected > 0 { Exit::Rejected } else { Exit::Done })
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
