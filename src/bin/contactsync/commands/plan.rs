//! `plan INPUT`: what a sync would do. It sends nothing and writes nothing.

use contactsync::{Clock, Intake, Journal, NewRun, PlanSummary, Routes, SendJournal, Stop, plan, plan_summary};

use crate::args::PlanArgs;
use crate::commands::{hold_to_url, runtime};
use crate::failure::{Exit, Failure};
use crate::output::{outcomes, print};
use crate::progress::{Progress, short_time};
use crate::settings::{Reading, planned};
use crate::voice::{Level, Voice};

pub fn run(args: &PlanArgs, voice: &Voice) -> Result<Exit, Failure> {
    let (url, rate) = planned(&args.connection)?;
    let Reading { source, mapping, policy, warnings } = Reading::open(&args.input)?;
    for warning in &warnings {
        voice.say(Level::Warning, &format!("{}: {warning}", source.name()));
    }
    let journal = Journal::dry(&args.place.journal)?;
    if let Some(url) = url.filter(|_| !args.connection.moved) {
        hold_to_url(&journal, &args.place, &url, false)?;
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clock = Clock::system();
    let channel = &args.place.channel;
    let new = NewRun {
        channel: channel.clone(),
        url: String::new(),
        kind: String::new(),
        rate,
        input: source.name().to_owned(),
        policy,
        now: clock.now(),
    };
    let begun = clock.now();
    let progress = Progress::new(voice, source.name());
    let run =
        plan(&journal, source, &mapping, Routes::One(new), Intake::default(), &progress, &Stop::default())?.runs[0];
    let (counts, forecast) = runtime.block_on(async {
        Ok::<_, Failure>((journal.counts(run).await?, journal.forecast(run, channel, policy).await?))
    })?;
    let summary = plan_summary(&counts, &forecast, rate, clock.now().since(begun));
    print(&if args.json { summary.to_json() } else { text(&summary, rate) })?;
    Ok(if summary.rejected > 0 { Exit::Rejected } else { Exit::Done })
}

fn text(summary: &PlanSummary, rate: u32) -> String {
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
        let time = |minutes: f64| short_time(std::time::Duration::from_secs_f64(minutes * 60.0));
        let (min, max) = (time(minutes.min), time(minutes.max));
        let time = if min == max { max } else { format!("{min} to {max}") };
        text.push_str(&format!("\n{time} at {rate} calls a minute"));
    }
    text
}

fn range(min: u64, max: u64) -> String {
    if min == max { max.to_string() } else { format!("{min} to {max}") }
}
