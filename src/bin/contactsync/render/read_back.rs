//! Prints the outcome of a pull or a verification, and decides the exit code.

use contactsync::StopReason;
use contactsync::contact::{HASHED, Value};
use contactsync::read_back::{
    Difference, DifferingContact, PullConflict, PullOutcome, PullSummary, VerifyOutcome, VerifySummary, masked,
};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::{CHECK_URL, Failure};
use crate::render::console::{Console, Level};
use crate::render::summary::{counted_calls, grouped, print_json, print_lines, state, took};

/// Maximum number of conflicts that are printed as text.
const CONFLICTS_SHOWN: usize = 10;

/// Prints what became of a pull.
pub fn conclude_pull(outcome: &PullOutcome, json: bool, console: &Console) -> Result<Exit, Failure> {
    let PullOutcome { summary, stopped } = outcome;
    // The journal has what was learnt even if it cannot be printed; messages on standard error are printed in any case.
    let printed = if json {
        print_json(&summary.to_json())
    } else if console.is_quiet() {
        Ok(())
    } else {
        print_lines(&pull_text(summary))
    };
    for PullConflict { key, ids } in summary.conflicting.iter().take(CONFLICTS_SHOWN) {
        let text = match ids.as_slice() {
            [id] => {
                format!("conflict: contact {id} was `{key}` and seems to be another contact now; it was not learnt")
            }
            ids => format!("conflict: contacts {} are both `{key}`; neither was learnt", ids.join(" and ")),
        };
        console.say(Level::Warning, &text);
    }
    if summary.conflicting.len() > CONFLICTS_SHOWN {
        console.say(Level::Warning, "there are more conflicts: `--json` lists the first 100");
    }
    if summary.learnt + summary.conflicts + summary.in_doubt == 0 && stopped.is_none() {
        console.say(Level::Warning, "no contact was learnt: check --field and --value, which are compared exactly");
    }
    if summary.missing > 0 {
        let text = format!(
            "the platform's pages show {} fewer than its total; the pages moved while they were read, or the total is wrong",
            contacts(summary.missing)
        );
        console.say(Level::Warning, &text);
    }
    if summary.uncertain {
        let text = "the pages repeated or moved while they were read, and the platform states no total: contacts may be missing";
        console.say(Level::Warning, text);
    }
    let exit = match stopped {
        Some(reason) => print_stop(reason, "run the same pull again; it continues", console),
        None if summary.is_partial() => {
            console.say(Level::Exit, "some contacts were not learnt");
            console.say(Level::Hint, "a sync searches for the contacts that were not learnt, one by one");
            Exit::Rejected
        }
        None => Exit::Done,
    };
    printed.map(|()| exit)
}

/// How the outcome of a verification is printed.
#[derive(Clone, Copy)]
pub struct VerifyOutput {
    pub json: bool,
    /// Whether values are printed as they are.
    pub shows_values: bool,
    /// Whether the next sync sends what differs.
    pub is_repaired: bool,
}

/// Prints what became of a verification.
pub fn conclude_verify(outcome: &VerifyOutcome, output: VerifyOutput, console: &Console) -> Result<Exit, Failure> {
    let VerifyOutcome { summary, differing, stopped } = outcome;
    let printed = print_verify(summary, differing, output, console);
    if printed.is_err() {
        // After a repair, no other verification finds these differences again.
        for contact in differing {
            console.say(Level::Exit, &line_of(contact, output));
        }
    }
    if summary.unread > 0 {
        let text = format!("{} could not be read, and may differ", contacts(summary.unread));
        console.say(Level::Exit, &text);
    }
    let exit =
        stopped.as_ref().map(|reason| print_stop(reason, "run the same verification again; it continues", console));
    if summary.differing > 0 {
        let verb = if summary.differing == 1 { "differs" } else { "differ" };
        console.say(Level::Exit, &format!("{} {verb} from what the journal knows", contacts(summary.differing)));
        if output.is_repaired {
            console
                .say(Level::Hint, "the next sync sends the values of its input that differ from those on the platform");
        }
    }
    let is_partial = summary.differing > 0 || summary.unread > 0;
    printed.map(|()| exit.unwrap_or(if is_partial { Exit::Rejected } else { Exit::Done }))
}

fn print_verify(
    summary: &VerifySummary,
    differing: &[DifferingContact],
    output: VerifyOutput,
    console: &Console,
) -> Result<(), Failure> {
    if output.json {
        let mut object = serde_json::to_value(summary).unwrap_or_default();
        let found = differing.iter().flat_map(|contact| contact.differences.iter().map(move |found| (contact, found)));
        object["differences"] = found.map(|(contact, found)| json_of(contact, found, output)).collect();
        print_json(&object.to_string())
    } else if console.is_quiet() {
        Ok(())
    } else {
        let mut lines: Vec<String> = differing.iter().map(|contact| line_of(contact, output)).collect();
        lines.extend(verify_text(summary));
        print_lines(&lines)
    }
}

fn verify_text(summary: &VerifySummary) -> Vec<String> {
    let VerifySummary { contacts: all, verified, differing, gone, calls, seconds, .. } = summary;
    let gone = if *gone > 0 { format!(", {} of them gone", grouped(*gone)) } else { String::new() };
    vec![
        format!("verify {}", state(summary.state, summary.reason.as_deref())),
        format!(
            "  {} of {} verified, {} with differences{gone}",
            grouped(*verified),
            contacts(*all),
            grouped(*differing)
        ),
        format!("  {}", counted_calls(calls.total)),
        format!("  {}", took(*seconds)),
    ]
}

// A contact with what differs: `email=ann@example.com: city: "L…a" is "Q…o"; tag `vip` is missing`.
fn line_of(contact: &DifferingContact, output: VerifyOutput) -> String {
    let differences: Vec<String> = contact
        .differences
        .iter()
        .map(|difference| match difference {
            Difference::Field { name, wanted, found } => {
                format!("{name}: expected {}, found {}", value(wanted.as_ref(), output), value(found.as_ref(), output))
            }
            Difference::TagMissing { tag } => format!("tag `{tag}` is missing"),
            Difference::TagPresent { tag } => format!("tag `{tag}` was removed but is still there"),
            Difference::Gone => format!("contact {} is gone", contact.id),
            Difference::Replaced => {
                format!("contact {} seems to be another person now; it is neither repaired nor accepted", contact.id)
            }
        })
        .collect();
    format!("{}: {}", contact.key, differences.join("; "))
}

fn value(value: Option<&Value>, output: VerifyOutput) -> String {
    match value {
        None => "no value".to_owned(),
        Some(value) if *value.text() == *HASHED => HASHED.to_owned(),
        Some(value) if output.shows_values => format!("`{}`", value.text()),
        Some(value) => format!("`{}`", masked(&value.text())),
    }
}

fn json_of(contact: &DifferingContact, difference: &Difference, output: VerifyOutput) -> serde_json::Value {
    let shown = |value: &Option<Value>| match value {
        None => serde_json::Value::Null,
        Some(value) if *value.text() == *HASHED => json!(HASHED),
        Some(value) if output.shows_values => json!(value),
        Some(value) => json!(masked(&value.text())),
    };
    let (key, id) = (&contact.key, &contact.id);
    match difference {
        Difference::Field { name, wanted, found } => {
            json!({ "key": key, "id": id, "what": "field", "name": name, "wanted": shown(wanted), "found": shown(found) })
        }
        Difference::TagMissing { tag } => json!({ "key": key, "id": id, "what": "tag_missing", "name": tag }),
        Difference::TagPresent { tag } => json!({ "key": key, "id": id, "what": "tag_present", "name": tag }),
        Difference::Gone => json!({ "key": key, "id": id, "what": "gone" }),
        Difference::Replaced => json!({ "key": key, "id": id, "what": "replaced" }),
    }
}

// Prints why a command ended early, and how it goes on.
pub(super) fn print_stop(reason: &StopReason, again: &str, console: &Console) -> Exit {
    let exit = Exit::of_stop(reason);
    console.say(Level::Exit, &state("stopped", Some(&reason.text())));
    let hint = if exit == Exit::Usage { CHECK_URL } else { again };
    console.say(Level::Hint, hint);
    exit
}

fn pull_text(summary: &PullSummary) -> Vec<String> {
    let PullSummary { seen, total, learnt, calls, passes, seconds, .. } = summary;
    let seen = match total {
        Some(total) => format!("{} of {} seen", grouped(*seen), contacts(*total)),
        None => format!("{} seen", contacts(*seen)),
    };
    let counts = [
        (*learnt, "learnt"),
        (summary.conflicts, "in conflict"),
        (summary.in_doubt, "in doubt"),
        (summary.unmarked, "with another value"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, what)| *count > 0 || *what == "learnt")
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
    let walked = if *passes > 1 { format!("; the pages were read {passes} times") } else { String::new() };
    vec![
        format!("pull {}", state(summary.state, summary.reason.as_deref())),
        format!("  {seen}: {}", counts.join(", ")),
        format!("  {}{walked}", counted_calls(calls.total)),
        format!("  {}", took(*seconds)),
    ]
}

fn contacts(count: u64) -> String {
    if count == 1 { "1 contact".to_owned() } else { format!("{} contacts", grouped(count)) }
}
