//! `resume`: sends what interrupted runs left pending, without their input.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contactsync::{ChannelKind, Clients, Clock, Journal, RunRow, RunState, RunSummary, Stop, Timeouts};

use crate::args::ResumeArgs;
use crate::commands::bring::{Again, Sendable, Sending, Sent};
use crate::commands::lists::{go_on, others, parts_of};
use crate::commands::other_runs::OtherRuns;
use crate::commands::tokens::Tokens;
use crate::commands::workspace::{Announcement, Ready, Workspace};
use crate::commands::{runtime, shown};
use crate::config::Config;
use crate::console::{Console, Level};
use crate::failure::{Exit, Failure};
use crate::open_files;
use crate::options::Layer;
use crate::progress::Progress;
use crate::settings::{Earlier, Settings};
use crate::signals;
use crate::summary::{self, shortened};

pub fn run(args: &ResumeArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, None);
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
    let mut place = Workspace::open(&path)?;
    let clients = Clients::new(Timeouts::default());
    // The inputs that are gone on with, and those of channels that have nothing left.
    let (mut syncs, mut done) = (BTreeSet::new(), BTreeSet::new());
    let (mut runs, mut connections) = (Vec::new(), Vec::new());
    for channel in channels.here() {
        // Held before it is looked at: what another run is sending is no interrupted one.
        place.hold(&channel.name)?;
        place.look_for_loss(&channel.name, &clock, console)?;
        let Some(mut run) = place.journal.resumable(&channel.name)? else {
            done.extend(place.journal.newest(&channel.name)?.map(|run| run.sync));
            continue;
        };
        syncs.insert(run.sync);
        let kind = ChannelKind::from_name(&run.kind).unwrap_or_default();
        let earlier = Earlier { url: run.url.clone(), kind, rate: run.rate };
        connections.push((channel.name.clone(), channel.connect(&clients, Some(&earlier))?));
        place.take_up(&mut run)?;
        runs.push(run);
    }
    // The inputs whose rows the summary counts. The last one is among them even when the configuration no longer has any of
    // its channels.
    let counted = done.iter().copied().chain(place.journal.runs(1)?.into_iter().map(|run| run.sync)).collect();
    // A resume of one channel leaves no other channel to report.
    let mut not_sent = if channels.are_several() {
        other_runs(&place.journal, &runs, &syncs, &counted)?
    } else {
        OtherRuns::default()
    };
    for &sync in &done {
        if !is_listed(&place.journal, sync)? {
            syncs.insert(sync);
        }
    }
    let again = Again { place: &args.place, connection: &args.connection, lists: &args.lists };
    let stop = Stop::default();
    let parts = parts_of(&path);
    let others = others(&path, &parts, config_path.as_deref(), &channels);
    if runs.is_empty() {
        for (_, listed) in go_on(&place.journal, &syncs, &lists, &others, &stop, console)? {
            listed.finish(&place.journal)?;
            console.say(Level::Info, "completed the lists of the last run's rows");
        }
        let summaries = not_sent.summaries(&place.journal)?;
        if summaries.values().any(|summary| summary.pending > 0) {
            return Sent::nothing(summaries).conclude(Ok(()), args.json, &again, console);
        }
        let of = channels.here().first().filter(|_| !channels.are_several());
        let of = of.map_or_else(|| "its channels".into(), |channel| format!("channel `{}`", channel.name));
        console.say(Level::Info, &format!("nothing to resume: no run of {of} has anything left"));
        if args.json {
            summary::print_json(&RunSummary { state: RunState::Finished.name(), ..RunSummary::default() }.to_json())?;
        }
        return Ok(Exit::Done);
    }
    let mut ready = place.fill_windows(connections)?;
    if args.connection.forget_limit {
        place.forget_limits(&ready)?;
    }
    hold_to_urls(&place, &runs, &ready, args.connection.moved)?;
    let reading = Arc::new(AtomicBool::new(true));
    signals::listen(stop.clone(), console.clone(), Arc::clone(&reading))
        .map_err(|error| Failure::unexpected(&error))?;
    let announcement = Announcement::of(&ready);
    let tokens = Tokens { place: &place, clock: &clock, console, announcement: &announcement };
    let refused = tokens.hold(&runtime, &mut ready, args.connection.new_token, channels.are_several())?;

    // The runs of refused channels are reported with those of the channels that are not sent to.
    let sent: Vec<RunRow> = runs.iter().filter(|run| !refused.contains_key(&run.channel)).cloned().collect();
    if !refused.is_empty() {
        not_sent = other_runs(&place.journal, &sent, &syncs, &counted)?;
    }

    let listed = go_on(&place.journal, &syncs, &lists, &others, &stop, console)?;
    reading.store(false, Ordering::Release);
    let sending = Sending {
        runtime: &runtime,
        journal: &place.journal,
        runs: runs
            .iter()
            .zip(&ready)
            .filter(|(_, to)| !refused.contains_key(&to.name))
            .map(|(run, to)| Sendable { run: run.id, policy: run.policy, to, listed: listed.get(&run.sync) })
            .collect(),
        other_runs: not_sent,
        by_channel: channels.are_several(),
        limits,
        outage_timeout: bounds.outage_timeout,
        clock: &clock,
        stop: &stop,
        tokens: Some(tokens),
        refused,
    };
    let progress = Progress::new(console, inputs(&runs));
    announcement.say(console);
    let sent = sending.send(&progress)?;
    let listed = listed.values().try_for_each(|listed| listed.finish(&place.journal));
    sent.conclude(listed, args.json, &again, console)
}

// Nothing of a run goes to another platform than that of the known contacts.
fn hold_to_urls(place: &Workspace, runs: &[RunRow], ready: &[Ready], moved: bool) -> Result<(), Failure> {
    for (run, to) in runs.iter().zip(ready) {
        let url = &to.connection.url;
        place.hold_to_url(&to.name, url, moved)?;
        if url.as_str() != run.url {
            // The channel has no known contacts at the URL of the run, which was a wrong one. The pending rows are sent to this
            // URL.
            place.journal.move_channel(&to.name, url.as_str())?;
        }
    }
    Ok(())
}

// Whether the lists of an input's rows are whole. A process may have been killed while it wrote them, or could not.
fn is_listed(journal: &Journal, sync: i64) -> Result<bool, Failure> {
    Ok(journal.listing(sync)?.is_none_or(|(_, is_whole)| is_whole))
}

// Of the inputs that are gone on with, and of those of which only others have something left: their channels were taken
// out of the configuration, or moved to another shard.
fn other_runs(
    journal: &Journal,
    runs: &[RunRow],
    syncs: &BTreeSet<i64>,
    done: &BTreeSet<i64>,
) -> Result<OtherRuns, Failure> {
    let sent = runs.iter().map(|run| run.id).collect();
    let mut counted = syncs.clone();
    for &sync in done {
        if OtherRuns::of(journal, [sync], &sent)?.has_pending(journal)? {
            counted.insert(sync);
        }
    }
    Ok(OtherRuns::of(journal, counted, &sent)?)
}

/// How much of the inputs' names is shown, in characters.
const LONGEST_NAMES: usize = 80;

// Several channels' runs are of one input as a rule.
fn inputs(runs: &[RunRow]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.input.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    shortened(&names.join(", "), LONGEST_NAMES).into()
}
