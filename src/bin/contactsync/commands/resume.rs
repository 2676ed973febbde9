//! `resume`: sends what interrupted runs left pending, without their input.

use std::sync::Arc;

use contactsync::{ChannelKind, Clients, Clock, RunRow, RunState, RunSummary, Stop, Timeouts};

use crate::args::ResumeArgs;
use crate::commands::bring::{Again, Sendable, Sending};
use crate::commands::place::Place;
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::open_files;
use crate::output;
use crate::progress::Progress;
use crate::settings::layer::Layer;
use crate::settings::{Earlier, Settings};
use crate::signals;
use crate::voice::{Level, Voice};

pub fn run(args: &ResumeArgs, config: Config, voice: &Voice) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, None)?;
    let Settings { channels, journal: path, bounds, .. } = Settings::of(typed, config, args.place.shard)?;
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
    let (mut runs, mut connections) = (Vec::new(), Vec::new());
    for channel in channels.here() {
        // Held before it is looked at: what another run is sending is no interrupted one.
        place.hold(&channel.name)?;
        let Some(run) = place.journal.resumable(&channel.name)? else { continue };
        let kind = ChannelKind::from_name(&run.kind).unwrap_or_default();
        let earlier = Earlier { url: run.url.clone(), kind, rate: run.rate };
        connections.push((channel.name.clone(), channel.connect(&clients, Some(&earlier))?));
        runs.push(run);
    }
    if runs.is_empty() {
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

    let stop = Stop::default();
    signals::listen(stop.clone(), voice.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
    let sending = Sending {
        runtime: &runtime,
        journal: &place.journal,
        runs: runs.iter().zip(&ready).map(|(run, to)| Sendable { run: run.id, policy: run.policy, to }).collect(),
        unknown: None,
        by_channel: channels.column().is_some(),
        limits,
        patience: bounds.patience,
        clock: &clock,
        stop: &stop,
    };
    let again = Again { place: &args.place, connection: &args.connection };
    let progress = Progress::new(voice, inputs(&runs));
    sending.send(&progress)?.conclude(args.json, &again, voice)
}

// Several channels' runs are of one input as a rule.
fn inputs(runs: &[RunRow]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.input.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
