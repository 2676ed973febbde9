//! `resume`: sends what interrupted runs left pending, without their input.

use std::collections::BTreeSet;
use std::sync::Arc;

use contactsync::{ChannelKind, Clients, Clock, Journal, NO_CHANNEL, RunRow, RunState, RunSummary, Stop, Timeouts};

use crate::args::ResumeArgs;
use crate::commands::bring::{Again, Sendable, Sending, WITHOUT_CHANNEL};
use crate::commands::lists::{CONFIG, JOURNAL, go_on};
use crate::commands::place::Place;
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::open_files;
use crate::output;
use crate::progress::Progress;
use crate::settings::layer::{Layer, Lists};
use crate::settings::{Earlier, Settings};
use crate::signals;
use crate::voice::{Level, Voice};

pub fn run(args: &ResumeArgs, config: Config, voice: &Voice) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, None)?;
    let config_path = config.path.clone();
    let Settings { channels, journal: path, bounds, lists, .. } = Settings::of(typed, config, args.place.shard)?;
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    // The time counts from the command and not from the end of its reading.
    let limits = bounds.limits(clock.now());
    if !path.exists() {
        return Err(Failure::usage_text(format!("journal {}: there is no such file", shown(&path)))
            .hint("say --journal FILE, the one that the run was begun with"));
    }
    open_files::make_room(channels.here().len())?;
    let mut place = Place::open(&path)?;
    let clients = Clients::new(Timeouts::default());
    let (mut runs, mut connections, mut syncs) = (Vec::new(), Vec::new(), BTreeSet::new());
    for channel in channels.here() {
        // Held before it is looked at: what another run is sending is no interrupted one.
        place.hold(&channel.name)?;
        let Some(run) = place.journal.resumable(&channel.name)? else {
            syncs.extend(unwritten(&place.journal, &channel.name)?);
            continue;
        };
        syncs.insert(run.sync);
        let kind = ChannelKind::from_name(&run.kind).unwrap_or_default();
        let earlier = Earlier { url: run.url.clone(), kind, rate: run.rate };
        connections.push((channel.name.clone(), channel.connect(&clients, Some(&earlier))?));
        runs.push(run);
    }
    let stop = Stop::default();
    let others = [(path.as_path(), JOURNAL)].into_iter().chain(config_path.as_deref().map(|path| (path, CONFIG)));
    let others: Vec<_> = others.collect();
    if runs.is_empty() {
        for (_, listed) in go_on(&place.journal, &syncs, &Lists::default(), &others, &stop, voice)? {
            listed.finish(&place.journal)?;
            voice.say(Level::Info, "the lists of its rows are written, which were not whole");
        }
        let of = channels.here().first().filter(|_| channels.column().is_none());
        let of = of.map_or_else(|| "its channels".into(), |channel| format!("channel `{}`", channel.name));
        voice.say(Level::Info, &format!("nothing to resume: no run of {of} has anything left"));
        if args.json {
            output::print(&RunSummary { state: RunState::Finished.name(), ..RunSummary::default() }.to_json())?;
        }
        return Ok(Exit::Done);
    }
    let ready = place.fill_windows(connections)?;
    for (run, to) in runs.iter().zip(&ready) {
        let url = &to.connection.url;
        place.hold_to_url(&to.name, url, args.connection.moved)?;
        if url.as_str() != run.url {
            // Nobody is known where it went before: that was a wrong URL. What is left of it goes where it should have gone.
            place.journal.move_channel(&to.name, url.as_str())?;
        }
    }

    let listed = go_on(&place.journal, &syncs, &lists, &others, &stop, voice)?;
    signals::listen(stop.clone(), voice.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
    let sending = Sending {
        runtime: &runtime,
        journal: &place.journal,
        runs: runs
            .iter()
            .zip(&ready)
            .map(|(run, to)| Sendable { run: run.id, policy: run.policy, to, listed: listed.get(&run.sync) })
            .collect(),
        beside: beside(&place.journal, &runs)?,
        by_channel: channels.column().is_some(),
        limits,
        patience: bounds.patience,
        clock: &clock,
        stop: &stop,
    };
    let again = Again { place: &args.place, connection: &args.connection };
    let progress = Progress::new(voice, inputs(&runs));
    let sent = sending.send(&progress)?;
    let listed = listed.values().try_for_each(|listed| listed.finish(&place.journal));
    sent.conclude(listed, args.json, &again, voice)
}

// The newest run of a channel that has nothing left but lists that are not whole: its process was killed while it wrote
// them, or could not.
fn unwritten(journal: &Journal, channel: &str) -> Result<Option<i64>, Failure> {
    let Some(run) = journal.newest(channel)? else { return Ok(None) };
    let is_whole = journal.listing(run.sync)?.is_none_or(|(_, is_whole)| is_whole);
    Ok(Some(run.sync).filter(|_| !is_whole))
}

// What else there is of the inputs that are gone on with, the older ones first, so that of two inputs the newer one's rows
// without a channel are told.
fn beside(journal: &Journal, runs: &[RunRow]) -> Result<Vec<(String, i64)>, Failure> {
    let syncs: BTreeSet<i64> = runs.iter().map(|run| run.sync).collect();
    let mut beside = Vec::new();
    for sync in syncs {
        let others = journal.current_runs(sync)?.into_iter().filter(|other| runs.iter().all(|run| run.id != other.id));
        beside.extend(others.map(|RunRow { id, channel, .. }| {
            let name = if channel == NO_CHANNEL { WITHOUT_CHANNEL.to_owned() } else { channel };
            (name, id)
        }));
    }
    Ok(beside)
}

// Several channels' runs are of one input as a rule.
fn inputs(runs: &[RunRow]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.input.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
