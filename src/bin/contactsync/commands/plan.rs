//! `plan INPUT`: what a sync would do. It sends nothing and writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use contactsync::{
    Clock, Eta, Forecast, Journal, LearntLimit, NO_CHANNEL, NewRun, PlanOptions, PlanSummary, Range, RateModel,
    SendJournal, Stop, Summary, TYPICAL_LATENCY, Timestamp, plan, plan_summary,
};

use crate::args::PlanArgs;
use crate::commands::input_notice::Remark;
use crate::commands::new_columns::NewColumns;
use crate::commands::other_runs::WITHOUT_CHANNEL;
use crate::commands::side_by_side::{Load, etas};
use crate::commands::workspace::hold_to_url;
use crate::commands::{runtime, time_of_day};
use crate::config::Config;
use crate::console::{Console, Level};
use crate::failure::{Exit, Failure};
use crate::options::Layer;
use crate::progress::{Progress, short_time};
use crate::settings::{Bounds, Channel, End, Reading, Settings};
use crate::summary::{counted_calls, counted_rows, grouped, outcomes, print_json, print_lines};

pub fn run(args: &PlanArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input));
    let Settings { channels, journal: path, input, bounds, .. } = Settings::of(typed, config, args.place.shard)?;
    let Reading { source, mapping, policy, warnings } = Reading::open(&args.input.input, &input, channels.column())?;
    let remark = Remark::at_once(&source, console);
    for warning in &warnings {
        console.say(Level::Warning, &format!("{}: {warning}", source.name()));
    }
    let journal = Journal::dry(&path)?;
    let mut new_columns = NewColumns::named(&source, &mapping, &channels, &journal, console)?;
    for channel in channels.here() {
        if let Some(url) = channel.url.as_ref().filter(|_| !args.connection.moved) {
            hold_to_url(&journal, &path, &channel.name, url, false)?;
        }
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    let new = NewRun {
        channel: NO_CHANNEL.into(),
        url: String::new(),
        kind: String::new(),
        rate: 0,
        input: source.name().to_owned(),
        policy,
        now: clock.now(),
    };
    let begun = clock.now();
    let progress = Progress::new(console, source.name());
    let run = |channel: &Channel| NewRun { channel: channel.name.clone(), rate: channel.rate().get(), ..new.clone() };
    let routes = channels.routes(channels.here().iter().map(run).collect(), &new);
    // The guard comes when the plan is told: whoever is to judge it has to see it. And no list is written.
    let plan_options = PlanOptions { duplicates: input.duplicates, ..PlanOptions::default() };
    let planned = plan(&journal, source, &mapping, routes, plan_options, &progress, &Stop::default())?;
    remark.in_the_end(console);
    new_columns.in_the_end(console);
    progress.read_to_the_end(&planned, &channels);
    let worked = || clock.now().since(begun);
    // As it would be if it were sent now: what was called in the past minute holds it up, and calls take as long as they
    // took before.
    let now = clock.now();
    // The tokens are not read: where they are says which channels share a window.
    let mut windows: BTreeMap<_, (Vec<_>, Vec<_>)> = BTreeMap::new();
    let mut limits = Vec::new();
    for (run, channel) in planned.runs.iter().zip(channels.here()) {
        let (counts, forecast) = runtime.block_on(async {
            Ok::<_, Failure>((journal.counts(*run).await?, journal.forecast(*run, &channel.name, policy).await?))
        })?;
        let ended = journal.ended_lately(&channel.name, now)?;
        let latency = journal.mean_latency_of(&channel.name)?.unwrap_or(TYPICAL_LATENCY);
        let mut rate_model =
            RateModel { ended, latency, throttle: Some(channels.throttle()), ..channel.rate_model(now) };
        // Unless it is to be forgotten, as a sync with the same options would.
        let learnt = journal.learnt_limit_of(&channel.name, now)?.filter(|_| !args.connection.forget_limit);
        if let Some(learnt) = learnt.filter(|learnt| learnt.calls < channel.rate().get()) {
            rate_model.limit = usize::try_from(learnt.calls).unwrap_or(usize::MAX);
            limits.push((channel.name.as_str(), learnt));
        }
        let token = channel.token_place();
        let (members, loads) = windows.entry((token, token.is_none().then_some(&channel.name))).or_default();
        members.push((channel, counts, forecast));
        loads.push(Load { calls: forecast.total, rate_model });
    }
    let (mut summaries, mut has_room) = (BTreeMap::new(), true);
    for (members, loads) in windows.values() {
        for ((channel, counts, forecast), eta) in members.iter().zip(etas(loads, &bounds.limits(now))) {
            has_room &= eta.runs.is_some();
            summaries.insert(channel.name.clone(), plan_summary(counts, forecast, &eta, worked()));
        }
    }
    if let Some(run) = planned.unknown {
        let counts = journal.counts_blocking(run)?;
        let nothing = plan_summary(&counts, &Forecast::default(), &Eta::default(), worked());
        summaries.insert(WITHOUT_CHANNEL.into(), nothing);
    }
    let summary = match (channels.are_several(), summaries.pop_first()) {
        (false, Some((_, only))) => only,
        (_, first) => Summary::of_channels(summaries.into_iter().chain(first).collect()),
    };
    let when = has_room.then(|| when(&summary, bounds, clock.now()));
    if args.json {
        print_json(&summary.to_json())?;
    } else {
        let mut lines = text(&summary, channels.here(), when.as_deref(), &limits);
        lines.extend(stated(&limits, channels.are_several(), &clock));
        print_lines(&lines)?;
    }
    if let Some(guard) = input.max_changes {
        guard.check(summary.pending, summary.rows)?;
    }
    Ok(if summary.rejected > 0 { Exit::Rejected } else { Exit::Done })
}

// How long it takes, in one run or in several.
fn when(summary: &PlanSummary, bounds: Bounds, now: Timestamp) -> String {
    let range = |min: String, max: String| if min == max { max } else { format!("{min} to {max}") };
    let Some(runs) = summary.runs else {
        let time = |minutes: f64| short_time(Duration::from_secs_f64(minutes * 60.0));
        let minutes = summary.minutes.unwrap_or_default();
        return range(time(minutes.min), time(minutes.max));
    };
    let count = range(grouped(runs.min), grouped(runs.max));
    match (bounds.end, bounds.max_calls) {
        (Some(End::Until(end)), _) => format!("{count} nights of {}–{end}", time_of_day(now)),
        (Some(End::For(span)), _) => format!("{count} runs of {}", short_time(span)),
        (None, Some(calls)) => format!("{count} runs of {}", counted_calls(calls)),
        (None, None) => format!("{count} runs"),
    }
}

// The limits that the platform stated, with their time, and how to forget them.
fn stated(limits: &[(&str, LearntLimit)], by_channel: bool, clock: &Clock) -> Vec<String> {
    let mut lines = Vec::new();
    for (channel, LearntLimit { calls, since, stated }) in limits {
        let prefix = if by_channel { format!("channel `{channel}`: ") } else { String::new() };
        let (calls, since, last) = (counted_calls(u64::from(*calls)), clock.shown(*since), clock.shown(*stated));
        lines.push(format!("{prefix}the platform stated a limit of {calls} a minute on {since}, last on {last}"));
    }
    if !lines.is_empty() {
        lines.push(
            "`sync --forget-limit` forgets it; otherwise it expires 24 hours after the platform last stated it".into(),
        );
    }
    lines
}

fn text(
    summary: &PlanSummary,
    channels: &[Channel],
    when: Option<&str>,
    limits: &[(&str, LearntLimit)],
) -> Vec<String> {
    let calls = &summary.calls;
    let kinds = [
        (calls.find, "find"),
        (calls.create, "create"),
        (calls.update, "update"),
        (calls.add_tags, "add tags"),
        (calls.remove_tags, "remove tags"),
    ];
    let rows = outcomes(&[
        (summary.pending, "to send"),
        (summary.unchanged, "unchanged"),
        (summary.rejected, "rejected"),
        (summary.merged, "merged"),
    ]);
    let count = match calls.total {
        Range { min, max } if min == max => counted_calls(max),
        Range { min, max } => format!("{} calls", range(min, max)),
    };
    let mut made = count;
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(range, _)| range.max > 0)
        .map(|(calls, name)| format!("{} {name}", range(calls.min, calls.max)))
        .collect();
    if !kinds.is_empty() {
        made.push_str(&format!(": {}", kinds.join(", ")));
    }
    let mut lines = vec![format!("{}: {rows}", counted_rows(summary.rows)), made];
    if calls.total.max > 0 {
        lines.push(match (when, channels) {
            (None, _) => "no call could end in the time that there is".into(),
            (Some(when), [only]) => {
                let rate = limits.first().map_or(only.rate().get(), |(_, learnt)| learnt.calls);
                format!("{when} at {} a minute", counted_calls(rate.into()))
            }
            (Some(when), several) => format!("{when} at the limits of {} channels, side by side", several.len()),
        });
    }
    lines
}

fn range(min: u64, max: u64) -> String {
    if min == max { grouped(max) } else { format!("{} to {}", grouped(min), grouped(max)) }
}
