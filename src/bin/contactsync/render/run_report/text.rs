//! A report as lines of text.

use contactsync::report::CallKind;
use contactsync::run_report::{RunReport, SlowCall};

use super::Made;
use super::words::{
    all_calls, calls_left, channel, failure, kind_words, lines_of, measured, outcomes, state, what_is_left, when_done,
};
use crate::render::runs::LONGEST_NAME;
use crate::render::sparkline::{can_draw, sparkline};
use crate::render::summary::{
    counted, counted_calls, counted_contacts, counted_rows, grouped, outcomes as in_words, shortened,
    state as with_reason, took,
};
use crate::render::time::moment;

/// Maximum number of reasons, of failures and of missing contacts that are printed.
const SHOWN: usize = 10;

/// Maximum number of lines of a reason that are printed.
const LINES: usize = 8;

/// Number of characters in which the calls of a run are drawn.
const SPARKS: usize = 40;

/// The report.
pub fn lines(report: &RunReport, made: Made<'_>) -> Vec<String> {
    let mut lines = vec![report.sentence.clone(), String::new()];
    lines.extend(facts(report));
    section(&mut lines, "rejected rows", rejected(report));
    section(&mut lines, "failed calls", failures(report));
    section(&mut lines, "slowest calls", slowest(report));
    section(&mut lines, "missing contacts", missing(report));
    section(&mut lines, "left to do", left(report, made));
    lines
}

fn section(lines: &mut Vec<String>, title: &str, of_section: Vec<String>) {
    if !of_section.is_empty() {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(of_section.into_iter().map(|line| format!("  {line}")));
    }
}

fn facts(report: &RunReport) -> Vec<String> {
    let RunReport { run, counts, rate, .. } = report;
    let names = CallKind::ALL.map(kind_words);
    let kinds: Vec<(u64, &str)> = CallKind::ALL
        .into_iter()
        .zip(&names)
        .map(|(kind, name)| (counts.calls.get(&kind).copied().unwrap_or(0), name.as_str()))
        .collect();
    let counted = |all: u64, parts: &[(u64, &str)]| match all {
        0 => "none".to_owned(),
        all => format!("{}: {}", grouped(all), in_words(parts)),
    };
    let mut facts = vec![
        ("state", with_reason(state(report), run.reason.as_deref())),
        ("input", shortened(&run.input, LONGEST_NAME).into()),
        ("channel", format!("{} at {}", channel(report), run.url)),
        ("time", time(report)),
        ("rows", counted(counts.rows, &outcomes(report))),
        ("calls", counted(all_calls(report), &kinds)),
    ];
    if rate.peak > 0 {
        let bars: Vec<u64> = rate.bars.iter().map(|bar| bar.peak).take(SPARKS).collect();
        let sparks = if can_draw() && bars.len() > 1 { format!("  {}", sparkline(&bars)) } else { String::new() };
        let limit = grouped(run.rate.into());
        facts.push(("rate", format!("busiest minute {}, limit {limit}{sparks}", counted_calls(rate.peak))));
        facts.push((
            "waits",
            format!("{} for the limit, {} in pauses", measured(rate.limit_wait), measured(rate.pauses)),
        ));
    }
    if let Some(latency) = report.latency {
        let [median, most, max] = [latency.median, latency.most, latency.max].map(measured);
        facts.push(("latency", format!("median {median}, 95 % within {most}, at most {max}")));
    }
    if !report.others.is_empty() {
        let others: Vec<String> = report.others.iter().take(SHOWN).map(i64::to_string).collect();
        let more = report.others.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
        facts.push(("same input", format!("runs {}{more}", others.join(", "))));
    }
    if report.calls_removed > 0 {
        facts.push(("removed", format!("{} no longer in the journal", counted_calls(report.calls_removed))));
    }
    facts.into_iter().map(|(name, text)| format!("  {name:10}  {text}")).collect()
}

fn time(report: &RunReport) -> String {
    let run = &report.run;
    let started = moment(run.started_at);
    match run.ended_at {
        #[expect(clippy::cast_precision_loss, reason = "no run takes 2^53 milliseconds")]
        Some(ended) => format!("{started} to {}, {} of work", moment(ended), took(run.worked_ms as f64 / 1_000.0)),
        None => format!("{started}, not ended"),
    }
}

fn rejected(report: &RunReport) -> Vec<String> {
    let groups = &report.reasons.groups;
    let mut lines: Vec<String> = groups
        .iter()
        .take(SHOWN)
        .map(|group| {
            format!("{}  {} ({})", grouped(group.rows), group.reason, lines_of(&group.lines, group.rows, LINES))
        })
        .collect();
    let more: u64 = groups.iter().skip(SHOWN).map(|group| group.rows).sum::<u64>() + report.reasons.other_rows;
    if more > 0 {
        lines.push(format!("{} with other reasons", counted_rows(more)));
    }
    if report.rejections_removed > 0 {
        lines.push(format!("{} no longer in the journal", counted_rows(report.rejections_removed)));
    }
    lines
}

fn failures(report: &RunReport) -> Vec<String> {
    let all = &report.failures;
    let mut lines: Vec<String> = all
        .failures
        .iter()
        .take(SHOWN)
        .map(|one| {
            let wait = one.longest_wait.map(|wait| format!("; longest requested wait {}", measured(wait)));
            format!("{}  {}: {}{}", grouped(one.calls), kind_words(one.kind), failure(one), wait.unwrap_or_default())
        })
        .collect();
    let more: u64 = all.failures.iter().skip(SHOWN).map(|one| one.calls).sum::<u64>() + all.other_calls;
    if more > 0 {
        lines.push(format!("{} failed in other ways", counted_calls(more)));
    }
    lines
}

fn slowest(report: &RunReport) -> Vec<String> {
    let line = |call: &SlowCall| {
        let key = call.key.as_deref().map(|key| format!(" {}", shortened(key, LONGEST_NAME))).unwrap_or_default();
        format!(
            "{:>8}  {}{key}: {}, at {}",
            measured(call.took),
            kind_words(call.kind),
            call.result.replace('_', " "),
            moment(call.started)
        )
    };
    report.slowest.iter().take(SHOWN / 2).map(line).collect()
}

fn missing(report: &RunReport) -> Vec<String> {
    let total = report.counts.missing;
    if total == 0 {
        return Vec::new();
    }
    let Some(listed) = &report.missing else {
        return vec![format!("{}; only the newest run of a source lists them", counted_contacts(total))];
    };
    let mut lines: Vec<String> = listed
        .iter()
        .take(SHOWN)
        .map(|contact| {
            let mark = if contact.is_marked { ", marked" } else { "" };
            format!("{} since {}{mark}", shortened(&contact.key, LONGEST_NAME), moment(contact.since))
        })
        .collect();
    let more = total.saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("and {}", counted(more, "more contact", "more contacts")));
    }
    lines
}

fn left(report: &RunReport, made: Made<'_>) -> Vec<String> {
    let Some(left) = &report.left else { return Vec::new() };
    vec![format!("{}, {}", what_is_left(left), calls_left(left)), when_done(report, left, made.now)]
}
