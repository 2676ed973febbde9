//! Prints the results of `contact`, and decides the exit codes.

use std::collections::BTreeSet;

use contactsync::Field;
use contactsync::contact::{Remote, Value};
use contactsync::one_contact::{
    EditOutcome, EditSummary, EditedContact, FoundContacts, PlannedRequest, ReadContact, ReadOutcome, When,
};
use serde_json::{Value as Json, json};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::render::read_back::print_stop;
use crate::render::summary::{counted_calls, counted_contacts, print_json, print_lines, shortened, state, took};
use crate::render::value::Shown;

/// Maximum length of a cell of the table, in characters.
const LONGEST_CELL: usize = 40;

const AGAIN: &str = "run the same command again";

/// How a result is printed.
#[derive(Clone, Debug)]
pub struct ContactOutput {
    pub json: bool,
    pub shown: Shown,
}

/// Prints a contact that was read.
pub fn conclude_get(outcome: &ReadOutcome, output: &ContactOutput, console: &Console) -> Result<Exit, Failure> {
    let found = match &outcome.contact {
        Some(ReadContact::Shown(remote)) => Some(remote),
        Some(ReadContact::Missing(_) | ReadContact::Refused(_) | ReadContact::Failed(_)) | None => None,
    };
    if output.json {
        let contact = found.map_or(Json::Null, |remote| json_of(remote, output));
        print_json(&json!({ "contact": contact, "calls": outcome.calls }).to_string())?;
    } else if let Some(remote) = found {
        print_lines(&lines_of(remote, &output.shown))?;
    }
    if let Some(reason) = &outcome.stopped {
        return Ok(print_stop(reason, AGAIN, console));
    }
    let say = |text: String, exit| {
        console.say(Level::Exit, &text);
        exit
    };
    Ok(match &outcome.contact {
        Some(ReadContact::Shown(_)) => Exit::Done,
        Some(ReadContact::Missing(message)) => {
            say(format!("the platform has no such contact: {message}"), Exit::Rejected)
        }
        Some(ReadContact::Refused(message)) => say(format!("the platform refused the call: {message}"), Exit::Rejected),
        Some(ReadContact::Failed(why)) => say(format!("the contact could not be read: {why}"), Exit::Stopped),
        None => Exit::Stopped,
    })
}

/// Prints the contacts that a search showed for this field and value.
pub fn conclude_find(
    found: &FoundContacts,
    field: &Field,
    output: &ContactOutput,
    console: &Console,
) -> Result<Exit, Failure> {
    let FoundContacts { contacts, total, is_complete, failed, is_refused, calls, stopped } = found;
    if output.json {
        let object = |remote: &Remote| {
            let mut object = json_of(remote, output);
            object["exact"] = json!(remote.has(field));
            object
        };
        let contacts: Vec<Json> = contacts.iter().map(object).collect();
        let object = json!({ "contacts": contacts, "total": total, "complete": is_complete, "calls": calls });
        print_json(&object.to_string())?;
    } else if !contacts.is_empty() {
        print_lines(&table(contacts, field, &output.shown))?;
    }
    let inexact = contacts.iter().filter(|contact| !contact.has(field)).count() as u64;
    if inexact > 0 {
        let text = format!("marked ~: {} without exactly this value (the search is loose)", counted_contacts(inexact));
        console.say(Level::Info, &text);
    }
    if let Some(reason) = stopped {
        return Ok(print_stop(reason, AGAIN, console));
    }
    if let Some(why) = failed {
        let (what, exit) = if *is_refused {
            ("the platform refused the search", Exit::Rejected)
        } else {
            ("the search ended before its last page", Exit::Stopped)
        };
        console.say(Level::Exit, &format!("{what}: {why}"));
        return Ok(exit);
    }
    if contacts.is_empty() {
        console.say(Level::Info, "no contact was found");
    } else if !is_complete {
        console.say(Level::Info, "there are more contacts; use a higher --limit");
    }
    Ok(Exit::Done)
}

/// Prints the outcome of a change.
pub fn conclude_edit(outcome: EditOutcome, output: &ContactOutput, console: &Console) -> Result<Exit, Failure> {
    let EditOutcome { summary, stopped, failed } = outcome;
    // The change is in the journal, also if its outcome cannot be printed.
    let printed = if output.json {
        print_json(&serde_json::to_value(&summary).unwrap_or_default().to_string())
    } else if console.is_quiet() {
        Ok(())
    } else {
        print_lines(&edited(&summary))
    };
    if let Some(error) = failed {
        return Err(error.into());
    }
    let exit = match &stopped {
        Some(reason) => print_stop(reason, "to continue, run the same command again, or `contactsync resume`", console),
        None => print_outcome(&summary.contact, console),
    };
    printed.map(|()| exit)
}

// Prints why the contact is not as it was asked for.
fn print_outcome(contact: &EditedContact, console: &Console) -> Exit {
    let EditedContact { outcome, reason, .. } = contact;
    match outcome.as_str() {
        "rejected" => {
            console.say(Level::Exit, &format!("rejected: {}", reason.as_deref().unwrap_or("no reason is known")));
            Exit::Rejected
        }
        "pending" => {
            console.say(Level::Exit, "the contact is pending: its calls kept failing");
            console.say(Level::Hint, "to continue, run the same command again, or `contactsync resume`");
            Exit::Stopped
        }
        _ => Exit::Done,
    }
}

fn edited(summary: &EditSummary) -> Vec<String> {
    let EditSummary { run, state: word, reason, contact, calls, seconds } = summary;
    let run = run.map_or_else(|| "the change".to_owned(), |run| format!("run {run}"));
    let id = contact.id.as_ref().map(|id| format!(" (contact {id})")).unwrap_or_default();
    vec![
        format!("{run} {}", state(word, reason.as_deref())),
        format!("  {}: {}{id}", contact.key, contact.outcome),
        format!("  {}", counted_calls(calls.total)),
        format!("  {}", took(*seconds)),
    ]
}

/// Prints the requests that a change would send.
pub fn print_requests(requests: &[PlannedRequest], output: &ContactOutput) -> Result<Exit, Failure> {
    if output.json {
        let object = |request: &PlannedRequest| {
            let PlannedRequest { method, path, when, .. } = request;
            json!({ "method": method, "path": path, "body": body(request, &output.shown), "when": word(*when) })
        };
        let requests: Vec<Json> = requests.iter().map(object).collect();
        print_json(&json!({ "requests": requests }).to_string())?;
        return Ok(Exit::Done);
    }
    let line = |request: &PlannedRequest| {
        let body = body(request, &output.shown).map(|body| format!(" {body}")).unwrap_or_default();
        let when = word(request.when).map(|when| format!("{when}: ")).unwrap_or_default();
        format!("{when}{} {}{body}", request.method, request.path)
    };
    print_lines(&requests.iter().map(line).collect::<Vec<_>>())?;
    Ok(Exit::Done)
}

const fn word(when: When) -> Option<&'static str> {
    match when {
        When::Always => None,
        When::Absent => Some("if no contact is found"),
        When::Found => Some("if a contact is found"),
    }
}

// The body of a request, with masked values.
fn body(request: &PlannedRequest, shown: &Shown) -> Option<Json> {
    let mut body = request.body.clone()?;
    let fields = body.get_mut("custom_fields").and_then(Json::as_array_mut);
    for field in fields.into_iter().flatten() {
        let name = field["name"].as_str().unwrap_or_default().to_owned();
        if let Ok(value) = serde_json::from_value::<Value>(field["value"].take()) {
            field["value"] = shown.json(&name, &value);
        }
    }
    Some(body)
}

/// A contact as the platform shows it, in JSON.
pub fn json_of(remote: &Remote, output: &ContactOutput) -> Json {
    let field = |(name, value): (&String, &Value)| (name.clone(), output.shown.json(name, value));
    let fields: serde_json::Map<String, Json> = remote.fields.iter().map(field).collect();
    json!({ "id": remote.id.as_str(), "custom_fields": fields, "tags": remote.tags })
}

/// A contact as the platform shows it, a line for each field.
pub fn lines_of(remote: &Remote, shown: &Shown) -> Vec<String> {
    let mut lines = vec![format!("contact {}", remote.id)];
    lines.extend(remote.fields.iter().map(|(name, value)| format!("  {name}: {}", shown.text(name, value))));
    if !remote.tags.is_empty() {
        lines.push(format!("  tags: {}", remote.tags.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    lines
}

// The contacts with their fields as columns, the searched one first.
fn table(contacts: &[Remote], field: &Field, shown: &Shown) -> Vec<String> {
    let names: BTreeSet<&str> = contacts.iter().flat_map(|contact| contact.fields.keys().map(String::as_str)).collect();
    let others = names.into_iter().filter(|name| *name != &*field.name);
    let columns: Vec<&str> = std::iter::once(&*field.name).chain(others).collect();
    let header = std::iter::once("id").chain(columns.iter().copied()).chain(["tags"]).map(str::to_owned).collect();
    let row = |contact: &Remote| {
        let mark = if contact.has(field) { "" } else { "~" };
        let cell = |name: &&str| contact.fields.get(*name).map(|value| shown.text(name, value)).unwrap_or_default();
        let tags = contact.tags.iter().cloned().collect::<Vec<_>>().join(", ");
        let cells = std::iter::once(format!("{mark}{}", contact.id)).chain(columns.iter().map(cell)).chain([tags]);
        cells.map(|cell| shortened(&cell, LONGEST_CELL).into_owned()).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(contacts.iter().map(row)).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len() + 2).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
