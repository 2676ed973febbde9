//! Prints a dry run: rows, calls, the time that they take, and the limits that the platform stated.

use std::time::Duration;

use contactsync::history::LearntLimit;
use contactsync::read_back::PullSuggestion;
use contactsync::report::{FieldUse, FieldUses, PlanSummary, Range};
use contactsync::{Clock, DryRunOutcome, Field, Timestamp};
use serde::Serialize;

use crate::args::PlanOutput;
use crate::failure::Failure;
use crate::render::diff::{Diff, DiffView, markdown};
use crate::render::duration::{short_time, time_range};
use crate::render::summary::{
    counted_calls, counted_contacts, counted_rows, grouped, outcomes, print_json, print_lines,
};
use crate::render::time::time_of_day;
use crate::settings::{Bounds, Channel, Channels, End};
use crate::shell::quoted;

/// Number of fields that are named among those that cause updates.
const FIELDS_SHOWN: usize = 5;

/// The form in which a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Markdown,
    Json,
}

impl From<PlanOutput> for Form {
    fn from(output: PlanOutput) -> Self {
        match output {
            PlanOutput::Text => Self::Text,
            PlanOutput::Markdown => Self::Markdown,
        }
    }
}

/// Prints what a sync would do. `when` is the time that it takes; `None` if the time limit is too short for a single call.
pub fn print(
    outcome: &DryRunOutcome,
    channels: &Channels,
    when: Option<&str>,
    (form, diff): (Form, Option<&DiffView<'_>>),
    clock: &Clock,
) -> Result<(), Failure> {
    if form == Form::Json {
        return print_json(&json(outcome, diff));
    }
    let mut lines = text(outcome, channels.here(), when);
    lines.extend(causes(&outcome.fields));
    lines.extend(stated(&outcome.learnt, channels.are_several(), clock));
    lines.extend(outcome.pull.as_ref().map(cheaper));
    if form == Form::Markdown {
        lines = lines.iter().map(|line| format!("- {}", markdown(line))).collect();
        lines.extend(diff.into_iter().flat_map(|diff| [vec![String::new()], diff.table()].concat()));
    } else {
        lines.extend(diff.into_iter().flat_map(DiffView::lines));
    }
    print_lines(&lines)
}

#[derive(Serialize)]
struct PlanObject<'a> {
    #[serde(flatten)]
    summary: &'a PlanSummary,
    /// The fields that cause updates of known contacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<Diff<'a>>,
}

// The summary as JSON, with the fields that cause updates, and the changes.
fn json(outcome: &DryRunOutcome, diff: Option<&DiffView<'_>>) -> String {
    let (summary, fields) = (&outcome.summary, outcome.fields.fields());
    let plan = PlanObject { summary, fields, diff: diff.map(DiffView::json) };
    serde_json::to_string(&plan).expect("numbers and text are always JSON")
}

// The fields that cause most updates, and how to save those of a field that changes by itself.
fn causes(fields: &FieldUses) -> Vec<String> {
    let all = fields.fields();
    if all.is_empty() {
        return Vec::new();
    }
    let cause = |field: &FieldUse| {
        let alone = if field.alone > 0 { format!(" ({} alone)", grouped(field.alone)) } else { String::new() };
        format!("`{}` in {}{alone}", field.field, grouped(field.contacts))
    };
    let mut causes: Vec<String> = all.iter().take(FIELDS_SHOWN).map(cause).collect();
    if all.len() > FIELDS_SHOWN {
        causes.push(format!("{} more", all.len() - FIELDS_SHOWN));
    }
    let mut lines = vec![format!("updated fields: {}", causes.join(", "))];
    if let Some(FieldUse { field, alone, .. }) = fields.noisy() {
        let (alone, updated) = (grouped(alone), grouped(fields.updated()));
        lines.push(format!(
            "{alone} of {updated} contacts are updated for `{field}` alone; if it changes often and can wait, set \
             `write = \"with_others\"` for it in [fields]: it is then only sent together with other fields"
        ));
    }
    lines
}

/// The time that a sync takes, in one run or in several.
pub fn when(summary: &PlanSummary, bounds: Bounds, now: Timestamp) -> String {
    let range = |min: String, max: String| if min == max { max } else { format!("{min} to {max}") };
    let Some(runs) = summary.runs else {
        let time = |minutes: f64| Duration::from_secs_f64(minutes * 60.0);
        let minutes = summary.minutes.unwrap_or_default();
        return time_range(time(minutes.min), time(minutes.max));
    };
    let count = range(grouped(runs.min), grouped(runs.max));
    match (bounds.end, bounds.max_calls) {
        (Some(End::Until(end)), _) => format!("{count} nights, each from {} to {end}", time_of_day(now)),
        (Some(End::For(span)), _) => format!("{count} runs of {}", short_time(span)),
        (None, Some(calls)) => format!("{count} runs of {}", counted_calls(calls)),
        (None, None) => format!("{count} runs"),
    }
}

// The limits that the platform stated, with their times, and how to forget them.
fn stated(limits: &[(String, LearntLimit)], by_channel: bool, clock: &Clock) -> Vec<String> {
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

fn text(outcome: &DryRunOutcome, channels: &[Channel], when: Option<&str>) -> Vec<String> {
    let DryRunOutcome { summary, to_send, learnt, .. } = outcome;
    let calls = &summary.calls;
    let kinds = [
        (calls.find, "find"),
        (calls.read, "read"),
        (calls.create, "create"),
        (calls.update, "update"),
        (calls.add_tags, "add tags"),
        (calls.remove_tags, "remove tags"),
    ];
    let rows = outcomes(&[
        (*to_send, "to send"),
        (summary.pending - to_send, "pending"),
        (summary.unchanged, "unchanged"),
        (summary.rejected, "rejected"),
        (summary.merged, "merged"),
        (summary.skipped, "skipped"),
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
    let mut lines = vec![format!("{}: {rows}", counted_rows(summary.rows))];
    lines.extend(missing(outcome));
    lines.push(made);
    if calls.total.max > 0 {
        lines.push(match (when, channels) {
            (None, _) => "the time limit is too short for a single call".into(),
            (Some(when), [only]) => {
                let rate = learnt.first().map_or(only.rate().get(), |(_, learnt)| learnt.calls);
                format!("{when} at {} a minute", counted_calls(rate.into()))
            }
            (Some(when), several) => {
                format!("{when} at the limits of {} channels, which are called concurrently", several.len())
            }
        });
    }
    lines
}

// How many contacts are missing, how many of them since the last input, and how many are to be marked.
fn missing(DryRunOutcome { summary, missing, .. }: &DryRunOutcome) -> Option<String> {
    if summary.missing == 0 && *missing == 0 {
        return None;
    }
    let mut line = format!("{} of the source missing", counted_contacts(summary.missing));
    if summary.marks_pending > 0 {
        line.push_str(&format!(", {} of them to mark", grouped(summary.marks_pending)));
    }
    Some(line)
}

// A pull that takes fewer calls than searching one by one, with both prices.
fn cheaper(PullSuggestion { marker: Field { name, value }, finds, pages }: &PullSuggestion) -> String {
    let (argument, finds, pages) = (value.text(), counted_calls(*finds), counted_calls(*pages));
    let command = format!("contactsync pull --field {} --value {}", quoted(name), quoted(&argument));
    format!(
        "searching for the unknown contacts takes {finds}; if they are on the platform with `{name}` = `{argument}`, \
         `{command}` with the same match fields, platform and journal learns them in {pages}"
    )
}

fn range(min: u64, max: u64) -> String {
    if min == max { grouped(max) } else { format!("{} to {}", grouped(min), grouped(max)) }
}
