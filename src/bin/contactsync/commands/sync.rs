//! `sync INPUT`: plans the file into the journal, then sends what is pending.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contactsync::{Clients, Clock, NO_CHANNEL, NewRun, PlanOptions, Routes, Stop, Timeouts, plan};

use crate::args::SyncArgs;
use crate::commands::bring::{Again, Sendable, Sending};
use crate::commands::input_notice::Remark;
use crate::commands::lists::{INPUT, claim, others, parts_of};
use crate::commands::new_columns::NewColumns;
use crate::commands::other_runs::OtherRuns;
use crate::commands::runtime;
use crate::commands::tokens::Tokens;
use crate::commands::workspace::{Announcement, Ready, Workspace};
use crate::config::Config;
use crate::console::{Console, Level};
use crate::failure::{Exit, Failure};
use crate::open_files;
use crate::options::Layer;
use crate::progress::Progress;
use crate::settings::{Channel, Channels, Reading, Settings};
use crate::signals;

pub fn run(args: &SyncArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    // Everything that can be wrong with the arguments is found before anything is read or written.
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input));
    let config_path = config.path.clone();
    let Settings { channels, journal, input, bounds, lists } = Settings::of(typed, config, args.place.shard)?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    // The time counts from the command and not from the end of its reading.
    let limits = bounds.limits(clock.now());
    let clients = Clients::new(Timeouts::default());
    let connect = |channel: &Channel| Ok((channel.name.clone(), channel.connect(&clients, None)?));
    let connections = channels.here().iter().map(connect).collect::<Result<Vec<_>, Failure>>()?;
    let Reading { source, mapping, policy, warnings } = Reading::open(&args.input.input, &input, channels.column())?;
    let remark = Remark::at_once(&source, console);
    for warning in &warnings {
        console.say(Level::Warning, &format!("{}: {warning}", source.name()));
    }
    open_files::make_room(connections.len())?;
    let mut place = Workspace::open(&journal)?;
    for channel in channels.here() {
        place.hold(&channel.name)?;
        place.look_for_loss(&channel.name, &clock, console)?;
    }
    let mut ready = place.fill_windows(connections)?;
    if args.connection.forget_limit {
        place.forget_limits(&ready)?;
    }
    for channel in &ready {
        place.hold_to_url(&channel.name, &channel.connection.url, args.connection.moved)?;
        place.hold_to_keys(&channel.name, &input.rules.matches, policy)?;
    }
    let parts = parts_of(&journal);
    let mut others = others(&journal, &parts, config_path.as_deref(), &channels);
    others.push((Path::new(&args.input.input), INPUT));
    let claims = claim(&lists, &others)?;

    let stop = Stop::default();
    let reading = Arc::new(AtomicBool::new(true));
    signals::listen(stop.clone(), console.clone(), Arc::clone(&reading))
        .map_err(|error| Failure::unexpected(&error))?;
    let announcement = Announcement::of(&ready);
    let tokens = Tokens { place: &place, clock: &clock, console, announcement: &announcement };
    let refused = tokens.hold(&runtime, &mut ready, args.connection.new_token, channels.are_several())?;

    let mut new_columns = NewColumns::named(&source, &mapping, &channels, &place.journal, console)?;

    let name = source.name().to_owned();
    let new = NewRun {
        channel: NO_CHANNEL.into(),
        url: String::new(),
        kind: String::new(),
        rate: 0,
        input: name.clone(),
        policy,
        now: clock.now(),
    };
    let progress = Progress::new(console, &name);
    let routes = routes(&channels, &ready, &place, &new);
    let plan_options =
        PlanOptions { duplicates: input.duplicates, max_changes: input.max_changes, files: claims.files() };
    let planned = plan(&place.journal, source, &mapping, routes, plan_options, &progress, &stop)?;
    remark.in_the_end(console);
    new_columns.in_the_end(console);
    new_columns.remember(&place.journal)?;
    let listed = claims.write(&place.journal, planned.sync, &stop)?;
    reading.store(false, Ordering::Release);
    progress.read_to_the_end(&planned, &channels);
    let to_be_sent = planned.runs.iter().zip(&ready).filter(|(_, to)| !refused.contains_key(&to.name));
    let sent = to_be_sent.map(|(run, _)| *run).collect();
    let sending = Sending {
        runtime: &runtime,
        journal: &place.journal,
        runs: planned
            .runs
            .iter()
            .zip(&ready)
            .filter(|(_, to)| !refused.contains_key(&to.name))
            .map(|(run, to)| Sendable { run: *run, policy: place.policy(&to.name, policy), to, listed: Some(&listed) })
            .collect(),
        other_runs: OtherRuns::of(&place.journal, [planned.sync], &sent)?,
        by_channel: channels.are_several(),
        limits,
        outage_timeout: bounds.outage_timeout,
        clock: &clock,
        stop: &stop,
        tokens: Some(tokens),
        refused,
    };
    let again = Again { place: &args.place, connection: &args.connection, lists: &args.lists };
    announcement.say(console);
    let sent = sending.send(&progress)?;
    let listed = listed.finish(&place.journal);
    sent.conclude(listed, args.json, &again, console)
}

fn routes(channels: &Channels, ready: &[Ready], place: &Workspace, new: &NewRun) -> Routes {
    let run = |to: &Ready| NewRun {
        channel: to.name.clone(),
        url: to.connection.url.to_string(),
        kind: to.connection.kind.name().into(),
        rate: to.connection.rate.get(),
        policy: place.policy(&to.name, new.policy),
        ..new.clone()
    };
    channels.routes(ready.iter().map(run).collect(), new)
}
