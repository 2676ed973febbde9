//! `plan INPUT`: what a sync would do. It sends nothing and writes nothing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use contactsync::{
    Clock, Forecast, Intake, Journal, NO_CHANNEL, NewRun, PlanSummary, SendJournal, Stop, Summary, Tempo,
    concurrency_for, plan, plan_summary,
};

use crate::args::PlanArgs;
use crate::commands::bring::WITHOUT_CHANNEL;
use crate::commands::place::hold_to_url;
use crate::commands::runtime;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{outcomes, print};
use crate::progress::{Progress, short_time};
use crate::settings::layer::Layer;
use crate::settings::{Channel, Reading, Settings};
use crate::voice::{Level, Voice};

pub fn run(args: &PlanArgs, config: Config, voice: &Voice) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &args.lists, Some(&args.input))?;
    let Settings { channels, journal: path, input, .. } = Settings::of(typed, config, args.place.shard)?;
    let Reading { source, mapping, policy, warnings } = Reading::open(&args.input.input, &input, channels.column())?;
    for warning in &warnings {
        voice.say(Level::Warning, &format!("{}: {warning}", source.name()));
    }
    let journal = Journal::dry(&path)?;
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
    let progress = Progress::new(voice, source.name());
    let run = |channel: &Channel| NewRun { channel: channel.name.clone(), rate: channel.rate().get(), ..new.clone() };
    let routes = channels.routes(channels.here().iter().map(run).collect(), &new);
    // The guard comes when the plan is told: whoever is to judge it has to see it. And no list is written.
    let intake = Intake { duplicates: input.duplicates, ..Intake::default() };
    let planned = plan(&journal, source, &mapping, routes, intake, &progress, &Stop::default())?;
    progress.read_to_the_end(planned.left_out);
    let worked = || clock.now().since(begun);
    let tempo = |rate| Tempo::quiet(rate, None, concurrency_for(rate), clock.now());
    let mut summaries = BTreeMap::new();
    for (run, channel) in planned.runs.iter().zip(channels.here()) {
        let (counts, forecast) = runtime.block_on(async {
            Ok::<_, Failure>((journal.counts(*run).await?, journal.forecast(*run, &channel.name, policy).await?))
        })?;
        summaries.insert(channel.name.clone(), plan_summary(&counts, &forecast, &tempo(channel.rate()), worked()));
    }
    if let Some(run) = planned.unknown {
        let counts = journal.counts_blocking(run)?;
        summaries.insert(
            WITHOUT_CHANNEL.into(),
            plan_summary(&counts, &Forecast::default(), &tempo(NonZeroU32::MIN), worked()),
        );
    }
    let summary = match (channels.column(), summaries.pop_first()) {
        (None, Some((_, only))) => only,
        (_, first) => Summary::of_channels(summaries.into_iter().chain(first).collect()),
    };
    print(&if args.json { summary.to_json() } else { text(&summary, channels.here()) })?;
    if let Some(guard) = input.max_changes {
        guard.check(summary.pending, summary.rows)?;
    }
    Ok(if summary.rejected > 0 { Exit::Rejected } else { Exit::Done })
}

fn text(summary: &PlanSummary, channels: &[Channel]) -> String {
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
    let mut text = format!("{} rows: {rows}\n{} calls", summary.rows, range(calls.total.min, calls.total.max));
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(range, _)| range.max > 0)
        .map(|(calls, name)| format!("{} {name}", range(calls.min, calls.max)))
        .collect();
    if !kinds.is_empty() {
        text.push_str(&format!(": {}", kinds.join(", ")));
    }
    if let Some(minutes) = summary.minutes.filter(|_| calls.total.max > 0) {
        let time = |minutes: f64| short_time(Duration::from_secs_f64(minutes * 60.0));
        let (min, max) = (time(minutes.min), time(minutes.max));
        let time = if min == max { max } else { format!("{min} to {max}") };
        text.push_str(&format!("\n{time} at "));
        match channels {
            [only] => text.push_str(&format!("{} calls a minute", only.rate())),
            several => text.push_str(&format!("the limits of {} channels, side by side", several.len())),
        }
    }
    text
}

fn range(min: u64, max: u64) -> String {
    if min == max { max.to_string() } else { format!("{min} to {max}") }
}
