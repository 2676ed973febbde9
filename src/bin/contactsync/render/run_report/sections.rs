//! The sections of the page.

use contactsync::Timestamp;
use contactsync::report::CallKind;
use contactsync::run_report::{CallEnds, MissingContact, RunProgress, RunReport, SlowCall};

use super::Made;
use super::chart::chart;
use super::markup::Html;
use super::words::{
    all_calls, calls_left, channel, failure, kind_words, lines_of, measured, outcomes, state, what_is_left, when_done,
};
use crate::render::runs::LONGEST_NAME;
use crate::render::summary::{counted, counted_calls, counted_contacts, counted_rows, grouped, shortened, took};
use crate::render::time::{instant, moment, offset_time};

/// Maximum number of lines that are listed of a reason.
const LINES: usize = 50;

/// The longest reason of a stop that is shown, in characters.
const LONGEST_REASON: usize = 500;

/// What the run is, and what happened in a sentence.
pub fn header(report: &RunReport, made: Made<'_>) -> Html {
    let run = &report.run;
    let class = match report.progress {
        RunProgress::Finished if report.counts.rejected > 0 => "state attention",
        RunProgress::Finished => "state good",
        RunProgress::Running => "state running",
        RunProgress::Interrupted | RunProgress::Stopped => "state attention",
        RunProgress::Failed => "state bad",
        RunProgress::Replaced => "state",
    };
    let name = match report.progress {
        RunProgress::Running => "in progress",
        RunProgress::Interrupted
        | RunProgress::Finished
        | RunProgress::Stopped
        | RunProgress::Failed
        | RunProgress::Replaced => state(report),
    };
    let mut heading = Html::element("h1", &[], format!("Run {}", run.id));
    heading.push(Html::element("span", &[("class", class), ("id", "state")], name));
    let mut header = Html::element("p", &[("class", "brand")], "contactsync");
    header.push(Html::element("div", &[("class", "heading")], heading));
    header.push(Html::element("p", &[("class", "sentence"), ("id", "sentence")], report.sentence.as_str()));
    if let Some(reason) = &run.reason {
        header.push(Html::element("p", &[("class", "reason")], shortened(reason, LONGEST_REASON).into_owned()));
    }
    let mut facts = fact("Input", shortened(&run.input, LONGEST_NAME).into_owned());
    facts.push(fact("Channel", format!("{} at {}", channel(report), run.url)));
    facts.push(fact("Started", time(run.started_at)));
    match run.ended_at {
        Some(ended) => facts.push(fact("Ended", time(ended))),
        None => facts.push(fact("As of", time(made.now))),
    }
    #[expect(clippy::cast_precision_loss, reason = "no run takes 2^53 milliseconds")]
    if run.worked_ms > 0 {
        facts.push(fact("Time", took(run.worked_ms as f64 / 1_000.0)));
    }
    if !report.others.is_empty() {
        let others = format!("{} of other channels", counted(report.others.len() as u64, "run", "runs"));
        facts.push(fact("Same input", others));
    }
    header.push(Html::element("dl", &[("class", "facts")], facts));
    Html::element("header", &[], header)
}

fn fact(name: &'static str, value: impl Into<Html>) -> Html {
    let mut pair = Html::element("dt", &[], name);
    pair.push(Html::element("dd", &[], value));
    Html::element("div", &[], pair)
}

fn time(at: Timestamp) -> Html {
    let exact = instant(at).map(offset_time).unwrap_or_default();
    Html::element("time", &[("datetime", &exact)], moment(at))
}

fn section(title: &'static str, id: &'static str, content: Html) -> Html {
    let mut section = Html::element("h2", &[], title);
    section.push(content);
    Html::element("section", &[("id", id)], section)
}

/// How the rows ended.
pub fn rows(report: &RunReport) -> Html {
    let total = report.counts.rows;
    let (mut bar, mut legend) = (Html::default(), Html::default());
    for (count, name) in outcomes(report) {
        if count > 0 {
            let (class, grow) = (format!("part {name}"), format!("flex-grow:{count}"));
            let title = format!("{} {name}", grouped(count));
            bar.push(Html::element("span", &[("class", &class), ("style", &grow), ("title", &title)], ""));
        }
        let class = if count == 0 { "outcome none" } else { "outcome" };
        let (dot, id) = (format!("dot {name}"), format!("rows-{name}"));
        let mut entry = Html::element("span", &[("class", &dot)], "");
        entry.push(Html::element("span", &[("class", "name")], name));
        entry.push(Html::element("b", &[("id", &id)], grouped(count)));
        legend.push(Html::element("li", &[("class", class)], entry));
    }
    let mut content = Html::element("p", &[("class", "figure"), ("id", "rows-total")], counted_rows(total));
    if total > 0 {
        content.push(Html::element("div", &[("class", "outcomes"), ("aria-hidden", "true")], bar));
    }
    content.push(Html::element("ul", &[("class", "legend")], legend));
    section("Rows", "rows", content)
}

/// The calls over time, by kind, and what they waited for.
pub fn calls(report: &RunReport) -> Html {
    let all = all_calls(report);
    let mut content = Html::element("p", &[("class", "figure"), ("id", "calls-total")], counted_calls(all));
    let rate = &report.rate;
    if let Some(chart) = chart(report) {
        let each = match rate.minutes_per_bar {
            1 => "Calls in each minute".to_owned(),
            minutes => format!("Calls per minute, {minutes} minutes per bar; the pale part is the busiest of them"),
        };
        content.push(Html::element("p", &[("class", "caption")], each));
        content.push(chart);
        content.push(ends_legend(report));
    }
    let mut tiles = Html::default();
    if rate.peak > 0 {
        let busiest = format!("{} of {}", grouped(rate.peak), grouped(report.run.rate.into()));
        tiles.push(tile("Busiest minute", "rate-peak", busiest));
        tiles.push(tile("Waited for the limit", "wait-limit", measured(rate.limit_wait)));
        tiles.push(tile("Other pauses", "wait-pauses", measured(rate.pauses)));
        tiles.push(tile("Answers with 429", "throttled", grouped(report.counts.throttled)));
    }
    if let Some(latency) = report.latency {
        tiles.push(tile("Latency, median", "latency-median", measured(latency.median)));
        tiles.push(tile("95 % within", "latency-p95", measured(latency.most)));
    }
    content.push(Html::element("dl", &[("class", "tiles")], tiles));
    if all > 0 {
        content.push(kinds(report));
    }
    if report.calls_removed > 0 {
        let note = format!("No longer in the journal: {}.", counted_calls(report.calls_removed));
        content.push(Html::element("p", &[("class", "note")], note));
    }
    section("Calls", "calls", content)
}

// Only the ends that occur.
fn ends_legend(report: &RunReport) -> Html {
    let sum = |of: fn(&CallEnds) -> u64| report.rate.bars.iter().map(|bar| of(&bar.calls)).sum::<u64>();
    let entries = [
        ("answered", "answered", sum(|ends| ends.answered)),
        ("refused", "refused", sum(|ends| ends.refused)),
        ("throttled", "answered with 429", sum(|ends| ends.throttled)),
        ("unanswered", "no usable answer", sum(|ends| ends.unanswered)),
    ];
    let entry = |(class, name, calls): (&str, &str, u64)| {
        let mut entry = Html::element("span", &[("class", &format!("dot {class}"))], "");
        entry.push(Html::element("span", &[("class", "name")], name));
        entry.push(Html::element("b", &[("id", &format!("ends-{class}"))], grouped(calls)));
        Html::element("li", &[], entry)
    };
    let entries = entries.into_iter().filter(|(.., calls)| *calls > 0).map(entry);
    Html::element("ul", &[("class", "legend small")], entries.collect::<Html>())
}

fn tile(name: &'static str, id: &'static str, value: String) -> Html {
    let mut pair = Html::element("dt", &[], name);
    pair.push(Html::element("dd", &[("id", id)], value));
    Html::element("div", &[], pair)
}

fn kinds(report: &RunReport) -> Html {
    let row = |kind: CallKind| {
        let count = report.counts.calls.get(&kind).copied().filter(|count| *count > 0)?;
        let id = format!("calls-{}", kind.name());
        let mut entry = Html::element("span", &[("class", "name")], kind_words(kind));
        entry.push(Html::element("b", &[("id", &id)], grouped(count)));
        Some(Html::element("li", &[("class", "outcome")], entry))
    };
    let rows: Html = CallKind::ALL.into_iter().filter_map(row).collect();
    Html::element("ul", &[("class", "legend kinds")], rows)
}

/// What is left and when it is done; `None` when nothing is.
pub fn left(report: &RunReport, now: Timestamp) -> Option<Html> {
    let left = report.left.as_ref()?;
    let mut content = Html::element("p", &[("class", "figure"), ("id", "left")], what_is_left(left));
    let when = when_done(report, left, now);
    content.push(Html::element("p", &[], format!("They take {}: {when}.", calls_left(left))));
    if report.progress != RunProgress::Running {
        let mut note = Html::text("To continue, run ");
        note.push(Html::element("code", &[], "contactsync resume"));
        note.push(" or the same sync again.");
        content.push(Html::element("p", &[("class", "note")], note));
    }
    Some(section("Left to do", "left-to-do", content))
}

/// The rejected rows by reason; `None` without any.
pub fn rejected(report: &RunReport) -> Option<Html> {
    let reasons = &report.reasons;
    if report.counts.rejected == 0 {
        return None;
    }
    let mut rows = Html::default();
    for group in &reasons.groups {
        let mut what = Html::element("span", &[("class", "what")], with_names(&group.reason));
        what.push(Html::element("span", &[("class", "lines")], lines_of(&group.lines, group.rows, LINES)));
        rows.push(counted_item(group.rows, what));
    }
    for (count, what) in [
        (reasons.other_rows, "with other reasons, which are not listed here"),
        (report.rejections_removed, "no longer in the journal"),
    ] {
        if count > 0 {
            rows.push(counted_item(count, what));
        }
    }
    let figure = counted_rows(report.counts.rejected);
    let mut content = Html::element("p", &[("class", "figure"), ("id", "rejected-total")], figure);
    content.push(Html::element("ul", &[("class", "reasons")], rows));
    Some(section("Rejected rows", "rejected", content))
}

fn counted_item(count: u64, what: impl Into<Html>) -> Html {
    let mut item = Html::element("b", &[("class", "count")], grouped(count));
    item.push(Html::element("div", &[], what));
    Html::element("li", &[], item)
}

// Names in backticks as code.
fn with_names(text: &str) -> Html {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return Html::text(text);
    }
    let part = |(nth, part): (usize, &&str)| {
        if nth.is_multiple_of(2) { Html::text(part) } else { Html::element("code", &[], *part) }
    };
    parts.iter().enumerate().map(part).collect()
}

/// The calls that failed; `None` without any.
pub fn failed(report: &RunReport) -> Option<Html> {
    let failures = &report.failures;
    if failures.failures.is_empty() {
        return None;
    }
    let mut rows = Html::default();
    for one in &failures.failures {
        let kind = kind_words(one.kind);
        let mut what = Html::element("span", &[("class", "what")], with_names(&format!("{kind}: {}", failure(one))));
        if let Some(wait) = one.longest_wait {
            let wait = format!("the longest requested wait was {}", measured(wait));
            what.push(Html::element("span", &[("class", "lines")], wait));
        }
        rows.push(counted_item(one.calls, what));
    }
    if failures.other_calls > 0 {
        rows.push(counted_item(failures.other_calls, "failed in other ways, which are not listed here"));
    }
    let mut content = Html::element("ul", &[("class", "reasons")], rows);
    content.push(Html::element(
        "p",
        &[("class", "note")],
        "A call that had no effect is sent again, or its row is rejected.",
    ));
    Some(section("Refusals and failures", "failures", content))
}

/// The contacts that the input no longer has; `None` without any.
pub fn missing(report: &RunReport) -> Option<Html> {
    let total = report.counts.missing;
    if total == 0 {
        return None;
    }
    let mut content = Html::element("p", &[("class", "figure"), ("id", "missing")], counted_contacts(total));
    match &report.missing {
        None => {
            let note = "The journal lists them only for the newest run of a source.";
            content.push(Html::element("p", &[("class", "note")], note));
        }
        Some(listed) => {
            let row = |contact: &MissingContact| {
                let cells = [
                    Html::element("td", &[("class", "key")], contact.key.as_str()),
                    Html::element("td", &[("class", "nowrap")], time(contact.since)),
                    Html::element("td", &[], if contact.is_marked { "marked" } else { "" }),
                ];
                Html::element("tr", &[], cells.into_iter().collect::<Html>())
            };
            content.push(table(&["Contact", "Missing since", ""], listed.iter().map(row).collect()));
            let more = total.saturating_sub(listed.len() as u64);
            if more > 0 {
                let note = format!("and {}", counted(more, "more contact", "more contacts"));
                content.push(Html::element("p", &[("class", "note")], note));
            }
        }
    }
    Some(section("Missing from the input", "missing-contacts", content))
}

/// The slowest calls; `None` without any.
pub fn slowest(report: &RunReport) -> Option<Html> {
    if report.slowest.is_empty() {
        return None;
    }
    let row = |call: &SlowCall| {
        let cells = [
            Html::element("td", &[("class", "number nowrap")], measured(call.took)),
            Html::element("td", &[("class", "nowrap")], kind_words(call.kind)),
            Html::element("td", &[("class", "key")], call.key.clone().unwrap_or_default()),
            Html::element("td", &[], call.result.replace('_', " ")),
            Html::element("td", &[("class", "nowrap")], time(call.started)),
        ];
        Html::element("tr", &[], cells.into_iter().collect::<Html>())
    };
    let rows = report.slowest.iter().map(row).collect();
    Some(section("Slowest calls", "slowest", table(&["Time", "Kind", "Contact", "Result", "Started"], rows)))
}

fn table(heads: &[&'static str], rows: Html) -> Html {
    let heads: Html = heads.iter().map(|head| Html::element("th", &[("scope", "col")], *head)).collect();
    let mut table = Html::element("thead", &[], Html::element("tr", &[], heads));
    table.push(Html::element("tbody", &[], rows));
    Html::element("div", &[("class", "scroll")], Html::element("table", &[], table))
}

/// Where the page is from.
pub fn footer(made: Made<'_>) -> Html {
    let journal = made.journal.file_name().unwrap_or_default().to_string_lossy();
    let mut text = Html::text(format!("Generated by contactsync {} at ", env!("CARGO_PKG_VERSION")));
    text.push(time(made.now));
    text.push(format!(
        " from the journal {}. It identifies contacts by key. Messages from the platform are unmasked and may repeat other values.",
        shortened(&journal, LONGEST_NAME)
    ));
    Html::element("footer", &[], Html::element("p", &[], text))
}
