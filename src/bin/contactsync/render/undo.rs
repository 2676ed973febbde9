//! Prints the outcome of an undo, and decides the exit code.

use contactsync::contact::Value;
use contactsync::report::masked;
use contactsync::undo::{FieldChange, UndoFate, UndoOutcome, UndoSummary, UndoneContact};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::render::read_back::print_stop;
use crate::render::summary::{counted_calls, grouped, print_json, print_lines, state, took};

/// Maximum number of contacts of a kind that are printed as text.
const SHOWN: usize = 100;

/// How the outcome of an undo is printed.
#[derive(Clone, Copy)]
pub struct UndoOutput {
    pub json: bool,
    /// Whether values are printed as they are.
    pub shows_values: bool,
    /// Whether it only says what would be restored.
    pub is_dry: bool,
}

/// Prints what became of an undo.
pub fn conclude_undo(outcome: UndoOutcome, output: UndoOutput, console: &Console) -> Result<Exit, Failure> {
    let UndoOutcome { summary, contacts, stopped, failed } = outcome;
    // What was restored is in the journal, also if it cannot be printed.
    let printed = print(&summary, &contacts, output, console);
    if let Some(error) = failed {
        return Err(error.into());
    }
    if summary.restored > 0 && !output.json {
        let text = "the next sync of an input that still has the undone values sends them again";
        console.say(Level::Info, text);
    }
    let exit = stopped.as_ref().map(|reason| {
        let again = if output.is_dry {
            "run the same undo again; a dry run begins anew"
        } else {
            "run the same undo again, or `contactsync resume`; it continues"
        };
        print_stop(reason, again, console)
    });
    let exit = exit.unwrap_or_else(|| print_not_restored(&summary, output, console));
    printed.map(|()| exit)
}

fn print(
    summary: &UndoSummary,
    contacts: &[UndoneContact],
    output: UndoOutput,
    console: &Console,
) -> Result<(), Failure> {
    if output.json {
        let mut object = serde_json::to_value(summary).unwrap_or_default();
        object["listed"] = contacts.iter().map(|contact| json_of(contact, output)).collect();
        print_json(&object.to_string())
    } else if console.is_quiet() {
        Ok(())
    } else {
        let mut lines = lines(contacts, output);
        lines.extend(text(summary, output));
        print_lines(&lines)
    }
}

// Prints how many contacts were not restored.
fn print_not_restored(summary: &UndoSummary, output: UndoOutput, console: &Console) -> Exit {
    if summary.pending > 0 {
        let pending = contacts_of(summary.pending);
        let text = if output.is_dry { "could not be read" } else { "could not be restored: calls kept failing" };
        console.say(Level::Exit, &format!("{pending} {text}"));
        return Exit::Stopped;
    }
    let not_restored = summary.left_alone + summary.impossible;
    if not_restored > 0 {
        let verb = match (output.is_dry, not_restored) {
            (true, _) => "would not be restored",
            (false, 1) => "was not restored",
            (false, _) => "were not restored",
        };
        console.say(Level::Exit, &format!("{} {verb}, or only in part", contacts_of(not_restored)));
        return Exit::Rejected;
    }
    Exit::Done
}

// The contacts, a kind after the other.
fn lines(contacts: &[UndoneContact], output: UndoOutput) -> Vec<String> {
    let kinds = [UndoFate::Restored, UndoFate::Tagged, UndoFate::LeftAlone, UndoFate::Impossible];
    let mut lines = Vec::new();
    for kind in kinds {
        let of_kind = contacts.iter().filter(|contact| contact.fate == kind);
        lines.extend(of_kind.clone().take(SHOWN).map(|contact| line(contact, output)));
        let more = of_kind.count().saturating_sub(SHOWN) as u64;
        if more > 0 {
            lines.push(format!("… and {} more {}; --json lists all", grouped(more), word(kind)));
        }
    }
    lines
}

const fn word(fate: UndoFate) -> &'static str {
    match fate {
        UndoFate::Restored => "to restore",
        UndoFate::LeftAlone => "left alone",
        UndoFate::Impossible => "that cannot be restored",
        UndoFate::Tagged => "to tag",
    }
}

// `~ email=ann@example.com: city: "L…a" → "Q…o", −vip`, `left alone email=bo@example.com: changed since: city`.
fn line(contact: &UndoneContact, output: UndoOutput) -> String {
    let UndoneContact { key, fate, reason, fields, add_tags, remove_tags, .. } = contact;
    let field = |change: &FieldChange| {
        let old = change.old.as_ref().map_or_else(|| "(unknown)".to_owned(), |old| shown(old, output));
        format!("{}: {old} → {}", change.name, shown(&change.new, output))
    };
    let added = add_tags.iter().map(|tag| format!("+{tag}"));
    let removed = remove_tags.iter().map(|tag| format!("−{tag}"));
    let parts: Vec<String> =
        reason.iter().cloned().chain(fields.iter().map(field)).chain(added).chain(removed).collect();
    let parts = if parts.is_empty() { "nothing to send".to_owned() } else { parts.join(", ") };
    match fate {
        UndoFate::Restored | UndoFate::Tagged => format!("~ {key}: {parts}"),
        UndoFate::LeftAlone => format!("left alone {key}: {parts}"),
        UndoFate::Impossible => format!("not restored {key}: {parts}"),
    }
}

fn shown(value: &Value, output: UndoOutput) -> String {
    let text = value.text();
    match (value.is_blank(), output.shows_values) {
        (true, _) => "(blank)".into(),
        (false, true) => text.into_owned(),
        (false, false) => masked(&text),
    }
}

fn json_of(contact: &UndoneContact, output: UndoOutput) -> serde_json::Value {
    let UndoneContact { key, id, fate, reason, fields, add_tags, remove_tags } = contact;
    let mut object = json!({ "key": key, "id": id, "what": fate, "reason": reason });
    if output.is_dry {
        let value = |value: &Value| match (value.is_blank(), output.shows_values) {
            (false, false) => json!(masked(&value.text())),
            (true, _) | (false, true) => json!(value),
        };
        object["fields"] = fields
            .iter()
            .map(|field| json!({ "name": field.name, "old": field.old.as_ref().map(value), "new": value(&field.new) }))
            .collect();
        object["add_tags"] = json!(add_tags);
        object["remove_tags"] = json!(remove_tags);
    }
    object
}

fn text(summary: &UndoSummary, output: UndoOutput) -> Vec<String> {
    let UndoSummary { run, undoes, restored, left_alone, impossible, tagged, pending, calls, seconds, .. } = summary;
    let title = match run {
        Some(run) => format!("run {run}: undo of run {undoes}"),
        None => format!("undo of run {undoes}"),
    };
    let counts = [
        (*restored, if output.is_dry { "would be restored" } else { "restored" }, true),
        (*left_alone, "left alone (changed after the run)", true),
        (*impossible, "cannot be restored", true),
        (*tagged, if output.is_dry { "would be tagged" } else { "tagged" }, false),
        (*pending, "pending", false),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _, is_always)| *count > 0 || *is_always)
        .map(|(count, what, _)| format!("{} {what}", grouped(*count)))
        .collect();
    vec![
        format!("{title} {}", state(summary.state, summary.reason.as_deref())),
        format!("  {}: {}", contacts_of(summary.contacts), counts.join(", ")),
        format!("  {}", counted_calls(calls.total)),
        format!("  {}", took(*seconds)),
    ]
}

fn contacts_of(count: u64) -> String {
    if count == 1 { "1 contact".to_owned() } else { format!("{} contacts", grouped(count)) }
}
