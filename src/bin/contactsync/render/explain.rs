//! Prints the history of one contact, as lines and as JSON. Keys are shown, other values are masked unless they are requested.

use contactsync::Timestamp;
use contactsync::contact::{HASHED, Value};
use contactsync::one_contact::{
    CallStory, Difference, InputStory, LiveStory, PastTry, ReadContact, RowStory, RunStory, Story, StoryState,
    WrittenValue,
};
use serde_json::{Value as Json, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::render::contact::{ContactOutput, json_of, lines_of};
use crate::render::diff::DiffView;
use crate::render::read_back::print_stop;
use crate::render::summary::{print_json, print_lines, state};
use crate::render::time::{instant, moment, offset_time};
use crate::render::value::Shown;

/// Prints a history, with what the platform has if that was requested.
pub fn conclude_explain(
    story: &Story,
    live: Option<&LiveStory>,
    (output, all_values): (&ContactOutput, bool),
    console: &Console,
) -> Result<Exit, Failure> {
    if output.json {
        print_json(&object(story, live, (output, all_values)).to_string())?;
    } else {
        let mut lines = head(story, &output.shown);
        lines.extend(story.runs.iter().flat_map(|run| run_lines(run, &output.shown)));
        lines.extend(story.rejections.iter().map(rejection));
        lines.extend(story.input.iter().flat_map(|input| input_lines(input, all_values)));
        lines.extend(live.iter().flat_map(|live| live_lines(live, &output.shown)));
        print_lines(&lines)?;
    }
    if let Some(reason) = live.and_then(|live| live.stopped.as_ref()) {
        return Ok(print_stop(reason, "run the same command again", console));
    }
    if let Some(ReadContact::Failed(why)) = live.and_then(|live| live.contact.as_ref()) {
        console.say(Level::Exit, &format!("the contact could not be read: {why}"));
        return Ok(Exit::Stopped);
    }
    Ok(Exit::Done)
}

fn head(story: &Story, shown: &Shown) -> Vec<String> {
    let channel = story.channel.as_ref().map(|channel| format!(" of channel `{channel}`")).unwrap_or_default();
    let mut lines = vec![match &story.key {
        Some(key) => format!("{key}{channel}"),
        None => match story.runs.iter().map(|run| run.rows.len()).sum::<usize>() {
            0 | 1 => "a row without a contact".to_owned(),
            rows => format!("{rows} rows without a contact"),
        },
    }];
    if !story.aliases.is_empty() {
        lines.push(format!("  also known by: {}", story.aliases.join(", ")));
    }
    let field = |(name, value): (&String, &Value)| format!("    {name}: {}", shown.text(name, value));
    match &story.state {
        StoryState::Unknown if story.key.is_none() => {}
        StoryState::Unknown => lines.push("  platform: nothing is known".to_owned()),
        StoryState::InDoubt { cause, since, searches, sent } => {
            let since = since.map(|since| format!(" since {}", moment(since))).unwrap_or_default();
            let searches = if *searches == 1 { "1 search".to_owned() } else { format!("{searches} searches") };
            lines.push(format!("  platform: {cause}{since}; {searches} found no contact so far"));
            lines.extend(sent.iter().map(|(name, value)| field((name, value))));
        }
        StoryState::Known { id, fields, tags, own_tags, is_unsure, is_unfinished } => {
            let unsure = if *is_unsure { "; the answer to a change was lost" } else { "" };
            let unfinished = if *is_unfinished { "; its create is not finished" } else { "" };
            lines.push(format!("  platform: contact {id}{unsure}{unfinished}"));
            lines.extend(fields.iter().map(field));
            if !tags.is_empty() {
                let own = |tag: &String| if own_tags.contains(tag) { " (by contactsync)" } else { "" };
                let tags: Vec<String> = tags.iter().map(|tag| format!("{tag}{}", own(tag))).collect();
                lines.push(format!("    tags: {}", tags.join(", ")));
            }
        }
    }
    let missing =
        |(source, since): &(String, Timestamp)| format!("  missing from source `{source}` since {}", moment(*since));
    lines.extend(story.missing.iter().map(missing));
    lines
}

fn run_lines(run: &RunStory, shown: &Shown) -> Vec<String> {
    let RunStory { run: number, input, state: word, started_at, is_by_hand, rows, calls, written, tags } = run;
    let mut lines = vec![format!("run {number}, {}, {input} ({word})", moment(*started_at))];
    let place = |row: &RowStory| if *is_by_hand { String::new() } else { format!("line {}: ", row.line) };
    lines.extend(rows.iter().map(|row| format!("  {}{}", place(row), outcome(row))));
    lines.extend(calls.iter().map(call));
    lines.extend(written.iter().map(|written| {
        let WrittenValue { name, before, after } = written;
        let before = before.as_ref().map_or_else(|| "(unknown)".to_owned(), |before| shown.text(name, before));
        format!("  wrote {name}: {before} → {}", shown.text(name, after))
    }));
    lines.extend(tags.0.iter().map(|tag| format!("  added tag {tag}")));
    lines.extend(tags.1.iter().map(|tag| format!("  removed tag {tag}")));
    lines
}

fn outcome(row: &RowStory) -> String {
    state(row.state, row.reason.as_deref())
}

// `2026-11-27 10:00:01 find phone, page 1: page, no contact (12 ms)`.
fn call(call: &CallStory) -> String {
    let CallStory { kind, asked, at, took, result, detail } = call;
    let asked = match asked {
        Some((field, 1)) => format!(" {field}"),
        Some((field, page)) => format!(" {field}, page {page}"),
        None => String::new(),
    };
    let detail = detail.as_ref().map(|detail| format!(", {detail}")).unwrap_or_default();
    let took = took.map(|took| format!(" ({} ms)", took.as_millis())).unwrap_or_default();
    format!("  {} {}{asked}: {result}{detail}{took}", moment(*at), kind.name())
}

fn rejection(past: &PastTry) -> String {
    let PastTry { tries, tried_at, reason } = past;
    let times = if *tries == 1 { "once".to_owned() } else { format!("{tries} times") };
    format!("rejected by the platform {times}, last {}: {reason}", moment(*tried_at))
}

fn input_lines(input: &InputStory, all_values: bool) -> Vec<String> {
    let InputStory { name, rows, changes } = input;
    if rows.is_empty() {
        return vec![format!("{name}: no row of this contact")];
    }
    let row = |row: &RowStory| match row.state {
        "pending" => format!("{name}: line {}: would be sent", row.line),
        _ => format!("{name}: line {}: {}", row.line, outcome(row)),
    };
    let mut lines: Vec<String> = rows.iter().map(row).collect();
    let changes = DiffView::of_changes(changes, all_values, false).lines();
    lines.extend(changes.into_iter().map(|line| format!("  {line}")));
    lines
}

fn live_lines(live: &LiveStory, shown: &Shown) -> Vec<String> {
    let mut lines = match &live.contact {
        Some(ReadContact::Shown(remote)) => {
            let mut lines = lines_of(remote, shown);
            lines[0] = format!("on the platform now: {}", lines[0]);
            lines
        }
        Some(ReadContact::Missing(message)) => vec![format!("on the platform now: no such contact: {message}")],
        Some(ReadContact::Refused(message)) => vec![format!("on the platform now: the read was refused: {message}")],
        Some(ReadContact::Failed(_)) | None => Vec::new(),
    };
    let value = |name: &str, value: Option<&Value>| {
        value.map_or_else(|| "no value".to_owned(), |value| shown.text(name, value))
    };
    lines.extend(live.differences.iter().map(|difference| match difference {
        Difference::Field { name, wanted, found } => {
            format!(
                "  differs: {name}: expected {}, found {}",
                value(name, wanted.as_ref()),
                value(name, found.as_ref())
            )
        }
        Difference::TagMissing { tag } => format!("  differs: tag `{tag}` is missing"),
        Difference::TagPresent { tag } => format!("  differs: tag `{tag}` was removed but is still there"),
        Difference::Gone => "  differs: the contact is gone".to_owned(),
        Difference::Replaced => "  differs: it seems to be another person now".to_owned(),
    }));
    if matches!(live.contact, Some(ReadContact::Shown(_))) && live.differences.is_empty() {
        lines.push("  nothing differs from what is known".to_owned());
    }
    lines
}

fn time(at: Timestamp) -> Option<String> {
    instant(at).map(offset_time)
}

fn object(story: &Story, live: Option<&LiveStory>, (output, all_values): (&ContactOutput, bool)) -> Json {
    let shown = &output.shown;
    let missing = |(source, since): &(String, Timestamp)| json!({ "source": source, "since": time(*since) });
    let rejection =
        |past: &PastTry| json!({ "tries": past.tries, "tried": time(past.tried_at), "reason": past.reason });
    let mut object = json!({
        "key": story.key,
        "channel": story.channel,
        "aliases": story.aliases,
        "platform": state_object(&story.state, shown),
        "missing": story.missing.iter().map(missing).collect::<Vec<_>>(),
        "runs": story.runs.iter().map(|run| run_object(run, shown)).collect::<Vec<_>>(),
        "rejections": story.rejections.iter().map(rejection).collect::<Vec<_>>(),
    });
    if let Some(InputStory { name, rows, changes }) = &story.input {
        let changes = DiffView::of_changes(changes, all_values, true).json();
        object["input"] = json!({ "name": name, "rows": rows.iter().map(row_object).collect::<Vec<_>>() });
        object["input"]["changes"] = serde_json::to_value(changes).unwrap_or_default()["contacts"].take();
    }
    if let Some(live) = live {
        let (contact, problem) = match &live.contact {
            Some(ReadContact::Shown(remote)) => (json_of(remote, output), None),
            Some(ReadContact::Missing(why) | ReadContact::Refused(why) | ReadContact::Failed(why)) => {
                (Json::Null, Some(why))
            }
            None => (Json::Null, None),
        };
        let differences: Vec<Json> = live.differences.iter().map(|found| difference(found, shown)).collect();
        object["live"] =
            json!({ "contact": contact, "reason": problem, "differences": differences, "calls": live.calls });
    }
    object
}

fn fields<'a>(all: impl Iterator<Item = (&'a String, &'a Value)>, shown: &Shown) -> Json {
    Json::Object(all.map(|(name, value)| (name.clone(), shown.json(name, value))).collect())
}

fn state_object(state: &StoryState, shown: &Shown) -> Json {
    match state {
        StoryState::Unknown => json!({ "state": "unknown" }),
        StoryState::InDoubt { cause, since, searches, sent } => json!({
            "state": "in_doubt",
            "reason": cause,
            "since": since.and_then(time),
            "searches": searches,
            "custom_fields": fields(sent.iter().map(|(name, value)| (name, value)), shown),
        }),
        StoryState::Known { id, fields: known, tags, own_tags, is_unsure, is_unfinished } => json!({
            "state": "known",
            "id": id,
            "custom_fields": fields(known.iter(), shown),
            "tags": tags,
            "own_tags": own_tags,
            "unsure": is_unsure,
            "unfinished": is_unfinished,
        }),
    }
}

fn run_object(run: &RunStory, shown: &Shown) -> Json {
    let RunStory { run: number, input, state: word, started_at, is_by_hand, rows, calls, written: wrote, tags } = run;
    let call = |call: &CallStory| {
        let CallStory { kind, asked, at, took, result, detail } = call;
        json!({
            "kind": kind.name(),
            "field": asked.as_ref().map(|(field, _)| field),
            "page": asked.as_ref().map(|(_, page)| page),
            "at": time(*at),
            "ms": took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            "result": result,
            "detail": detail,
        })
    };
    let written = |written: &WrittenValue| {
        let WrittenValue { name, before, after } = written;
        let before = before.as_ref().map(|before| shown.json(name, before));
        json!({ "name": name, "before": before, "after": shown.json(name, after) })
    };
    json!({
        "run": number,
        "input": input,
        "state": word,
        "started": time(*started_at),
        "by_hand": is_by_hand,
        "rows": rows.iter().map(row_object).collect::<Vec<_>>(),
        "calls": calls.iter().map(call).collect::<Vec<_>>(),
        "written": wrote.iter().map(written).collect::<Vec<_>>(),
        "added_tags": tags.0,
        "removed_tags": tags.1,
    })
}

fn row_object(row: &RowStory) -> Json {
    json!({ "line": row.line, "state": row.state, "reason": row.reason })
}

fn difference(found: &Difference, shown: &Shown) -> Json {
    let value = |name: &str, value: &Option<Value>| match value {
        Some(value) if *value.text() == *HASHED => json!(HASHED),
        Some(value) => shown.json(name, value),
        None => Json::Null,
    };
    match found {
        Difference::Field { name, wanted, found } => {
            json!({ "what": "field", "name": name, "wanted": value(name, wanted), "found": value(name, found) })
        }
        Difference::TagMissing { tag } => json!({ "what": "tag_missing", "name": tag }),
        Difference::TagPresent { tag } => json!({ "what": "tag_present", "name": tag }),
        Difference::Gone => json!({ "what": "gone" }),
        Difference::Replaced => json!({ "what": "replaced" }),
    }
}
