//! `check [INPUT]`: whether everything is ready for a sync. It changes nothing on the platform: it makes at most seven
//! calls for each token: reads of known contacts, when the token is not the one that the channel was last synced with; one
//! search to see that the token works; and searches for three contacts of the input. They are journaled where there is a
//! journal, because calls count. No file is created.
//!
//! A phone that the platform has in another form is a warning and no failure: contacts may be found by another match field.

use std::path::Path;

use contactsync::{
    Attempt, BaseUrl, Change, CheckedContact, CheckedInput, Clients, Clock, Contact, Detected, Duplicates, Environment,
    Field, Http, InputCheck, Journal, Mapping, Notification, OutlineLine, Planner, Probe, RejectReason, Reporter,
    Sample, Source, Stop, Timeouts, Tokens, Transport, Tried, Value, Workspace, change, check_input, other_forms,
    sampled,
};

use tokio::runtime::Runtime;

use crate::args::CheckArgs;
use crate::commands::request::{holder, of_settings};
use crate::commands::runtime;
use crate::config::Config;
use crate::failure::{CHECK_URL, Exit, Failure};
use crate::options::{Layer, ListArgs};
use crate::render::console::{Console, Level};
use crate::render::input_notice::{matters, sentence};
use crate::render::notices::{Announcement, Notices};
use crate::render::summary::{counted_calls, counted_rows, grouped, print_lines};
use crate::settings::{Channel, Channels, Connection, Reading, Settings};

/// The value of the search that shows whether the token works. No contact needs to have it.
const PROBE_VALUE: &str = "contactsync check";

/// Maximum number of calls with a token (DESIGN.md, `check`).
const MOST_CALLS: usize = 7;

/// Number of contacts that are shown as they would be sent.
const CONTACTS_SHOWN: usize = 3;

/// Maximum number of reasons that are listed; the others are counted.
const REASONS_SHOWN: usize = 20;

pub fn run(args: &CheckArgs, config: Config, console: &Console) -> Result<Exit, Failure> {
    let typed = Layer::typed(&args.place, &args.connection, &ListArgs::default(), None).with_input(args);
    let config_path = config.path.clone();
    let Settings { channels, journal, input, .. } = Settings::of(typed, config, args.place.shard)?;
    let mut exit = Exit::Done;
    let mut report = Report::default();
    match &config_path {
        Some(path) => report.line("configuration", path.display().to_string()),
        None => report.line("configuration", "none"),
    }
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let clients = Clients::new(Timeouts::default());
    let mut read = Report::default();
    let mut samples = Vec::new();
    if let Some(name) = &args.input {
        let reading = Reading::open(name, &input, channels.column())?;
        for warning in &reading.warnings {
            console.say(Level::Warning, &format!("{}: {warning}", reading.source.name()));
        }
        let (ended, first) = rows(reading, &channels, input.duplicates, &mut read)?;
        exit = ended;
        samples = first;
    }
    let place = match readable(&journal) {
        Ok(place) => place,
        // Nothing is asked: calls are to be journaled.
        Err(failure) => {
            report.lines.append(&mut read.lines);
            print_lines(&report.lines)?;
            return Err(failure);
        }
    };
    let asking = Asking {
        runtime: &runtime,
        journal: &journal,
        matches: &input.rules.matches,
        is_new: args.connection.new_token,
        console,
    };
    let mut found = Vec::new();
    for channel in channels.here() {
        let asked = match channel.connect(&clients, None) {
            Ok(connection) => {
                let is_of = |sample: &&CheckedContact| sample.channel.as_ref().is_none_or(|own| *own == channel.name);
                let wanted: Vec<&CheckedContact> = samples.iter().filter(is_of).collect();
                ask(&asking, channel, connection, &wanted)
            }
            Err(failure) => Err(failure),
        };
        exit = Exit::gravest([exit, platform(channel, asked, &mut report, &mut found, console)]);
    }
    report.line("journal", place);
    report.lines.append(&mut read.lines);
    on_the_platform(&mut found, &mut report, console);
    print_lines(&report.lines)?;
    Ok(exit)
}

/// The report, one line for each fact.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
}

impl Report {
    const NAMES: usize = 13;

    fn line(&mut self, name: &str, what: impl AsRef<str>) {
        self.lines.push(format!("{name:width$}  {}", what.as_ref(), width = Self::NAMES));
    }

    fn heading(&mut self, heading: &str) {
        self.lines.extend([String::new(), heading.to_owned()]);
    }

    fn item(&mut self, item: &str) {
        self.lines.push(format!("  {item}"));
    }
}

/// What the platform has of a contact of the input.
struct Looked {
    line: u64,
    field: Field,
    sample: Sample,
}

/// How the channels are asked.
struct Asking<'a> {
    runtime: &'a Runtime,
    journal: &'a Path,
    matches: &'a [String],
    // Whether a new token is taken without a check.
    is_new: bool,
    console: &'a Console,
}

// What a channel answers to the searches, in words.
fn ask(
    asking: &Asking<'_>,
    channel: &Channel,
    connection: Connection<Http>,
    wanted: &[&CheckedContact],
) -> Result<(String, Vec<Looked>), Failure> {
    let Asking { runtime, journal, matches, is_new, console } = *asking;
    let at = format!("{}, {} a minute", connection.url, counted_calls(connection.rate.get().into()));
    let mut connection = connection;
    let announcement = Announcement::of([&connection.url].into_iter(), connection.warning.take().into_iter().collect());
    let notices = Notices { console, announcement };
    let workspace = Workspace::open_to_look(journal, holder())?;
    let (clock, stop) = (Clock::system(), Stop::default());
    let environment = Environment { runtime: runtime.handle(), clock: &clock, stop: &stop, reporter: &notices };
    let held = workspace.hold_to_look(&channel.name, of_settings(connection), environment).map_err(Failure::from);
    let mut held = match held {
        Ok(held) => held,
        // It is at work with the token just now.
        Err(failure) if failure.exit == Exit::Held => {
            return Ok((format!("{at}; {}, so it is not asked", failure.message), Vec::new()));
        }
        Err(failure) => return Err(failure),
    };
    let field = Field::text(matches.first().map_or("email", String::as_str), PROBE_VALUE);
    let mut state = at;
    let mut found = Vec::new();
    notices.notify(&Notification::Calling);
    let tokens = Tokens { workspace: &workspace, clock: &clock, reporter: &notices };
    let Tried { answer, is_renewed, calls } = runtime.block_on(tokens.try_token(&mut held, is_new, &field))?;
    if is_renewed {
        state.push_str("; the token is a new one of the same channel");
    }
    let look = tokens.probe(&held);
    let is_ready = matches!(answer, Some(Attempt::Page(_)));
    state.push_str(&token_state(answer, held.url())?);
    if is_ready {
        found.extend(look_up(runtime, &look, wanted, MOST_CALLS.saturating_sub(calls))?);
    }
    Ok((state, found))
}

// First each contact by its own value, then those that are absent in other forms, until one is found or `left` searches
// are made. Each contact begins with another form, because the platform has one form for all.
fn look_up<T: Transport>(
    runtime: &Runtime,
    look: &Probe<'_, T>,
    wanted: &[&CheckedContact],
    mut left: usize,
) -> Result<Vec<Looked>, Failure> {
    let mut found = Vec::new();
    for shown in wanted {
        if left == 0 {
            break;
        }
        let Some(field) = sampled(&shown.contact) else { continue };
        left -= 1;
        let sample = runtime.block_on(look.sample(field, field.clone()))?;
        found.push(Looked { line: shown.line, field: field.clone(), sample });
    }
    let mut forms: Vec<Vec<Field>> = found.iter().map(|looked| other_forms(&looked.field)).collect();
    for (nth, forms) in forms.iter_mut().enumerate() {
        let begin = nth % forms.len().max(1);
        forms.rotate_left(begin);
    }
    let rounds = forms.iter().map(Vec::len).max().unwrap_or(0);
    for round in 0..rounds {
        for (looked, forms) in found.iter_mut().zip(&forms) {
            let Some(form) = forms.get(round).filter(|_| left > 0 && looked.sample == Sample::Absent) else { continue };
            left -= 1;
            looked.sample = runtime.block_on(look.sample(&looked.field, form.clone()))?;
            if matches!(looked.sample, Sample::OtherForm { .. }) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

// Where the contacts of the input are on the platform. One that is there in another form would be created a second time.
fn on_the_platform(found: &mut [Looked], report: &mut Report, console: &Console) {
    if found.is_empty() {
        return;
    }
    found.sort_by_key(|looked| looked.line);
    report.heading("the first contacts on the platform");
    for Looked { line, field, sample } in found.iter() {
        let name = &field.name;
        let result = match sample {
            Sample::Found(id) => format!("contact {id} has its `{name}`"),
            Sample::Several(one, other) => format!("contacts {one} and {other} both have its `{name}`: a conflict"),
            Sample::Absent => format!("no contact has its `{name}`"),
            Sample::OtherForm { id, value } => format!("contact {id} has its `{name}` in another form: {value:?}"),
            Sample::Unknown(why) => format!("not known: {why}"),
        };
        report.item(&format!("line {line}: {result}"));
    }
    let other_form = found.iter().find_map(|looked| match &looked.sample {
        Sample::OtherForm { id, value } => Some((looked, id, value)),
        Sample::Found(_) | Sample::Several(..) | Sample::Absent | Sample::Unknown(_) => None,
    });
    if let Some((Looked { line, field, .. }, id, value)) = other_form {
        let (name, wanted) = (&field.name, field.value.text());
        console.say(
            Level::Warning,
            &format!(
                "line {line}: `{name}` is {wanted:?}, but contact {id} has {value:?}; if that is the same person, a sync creates a duplicate"
            ),
        );
        let hint = match change(&wanted, value) {
            Some(Change::E164) => {
                format!(
                    "for the platform's form write `transform = [\"e164\"]` for `{name}`, with the `country` of its numbers"
                )
            }
            Some(Change::Instead { digits, prefix }) => {
                let prefix = if prefix.is_empty() { String::new() } else { format!(", {{ prefix = \"{prefix}\" }}") };
                format!(
                    "for the platform's form write `transform = [\"e164\", {{ first = \"+{digits}\" }}{prefix}]` for `{name}`"
                )
            }
            Some(Change::Punctuation) => format!(
                "no step writes the platform's form, which has more than digits: change `{name}` on the platform to \
                 digits after a `+`"
            ),
            None => format!("compare the two contacts: if they are one person, write `{name}` as the platform does"),
        };
        console.say(Level::Hint, &hint);
    }
}

fn token_state(answer: Option<Attempt>, url: &BaseUrl) -> Result<String, Failure> {
    let failed = |exit, message: String| Err(Failure { exit, message: format!("{url}: {message}"), hint: None });
    match answer {
        Some(Attempt::Page(page)) => match page.contradiction {
            None => Ok("; the token works".into()),
            Some(why) => failed(Exit::Usage, format!("the answer to a search contradicts itself: {why}")),
        },
        Some(Attempt::Unauthorized { message }) => {
            failed(Exit::Unauthorized, format!("the platform refused the token: {message}"))
        }
        Some(Attempt::Throttled { .. }) => Ok("; it says 429 (too many requests): the token is used elsewhere".into()),
        None => Ok("; a 429 (too many requests) asked for a pause that is not over, so it is not asked".into()),
        Some(Attempt::Unsent { cause } | Attempt::Lost { cause, .. }) => {
            failed(Exit::Stopped, format!("no answer: {cause}"))
        }
        Some(Attempt::WrongPath { message }) => {
            let message = format!("{url}: the search was answered 404: {message}");
            Err(Failure { exit: Exit::Usage, message, hint: Some(CHECK_URL.into()) })
        }
        Some(
            Attempt::Refused { message, .. }
            | Attempt::Missing { message }
            | Attempt::Taken { message, .. }
            | Attempt::Queued { message },
        ) => failed(Exit::Usage, format!("expected contacts, found a refusal: {message}")),
        // No answer to a search.
        Some(Attempt::Contact(_) | Attempt::Created(_) | Attempt::Done) => {
            failed(Exit::Usage, "expected a page of contacts, found another answer".into())
        }
    }
}

fn platform(
    channel: &Channel,
    asked: Result<(String, Vec<Looked>), Failure>,
    report: &mut Report,
    found: &mut Vec<Looked>,
    console: &Console,
) -> Exit {
    match asked {
        Ok((state, looked)) => {
            found.extend(looked);
            report.line("platform", format!("{}: {state}", channel.name));
            Exit::Done
        }
        Err(failure) => {
            report.line("platform", format!("{}: not ready", channel.name));
            console.say(Level::Error, &failure.message);
            if let Some(hint) = &failure.hint {
                console.say(Level::Hint, hint);
            }
            failure.exit
        }
    }
}

fn readable(path: &Path) -> Result<String, Failure> {
    // One that is missing while its log is there is an error.
    Journal::dry(path)?;
    if !path.exists() {
        return Ok(format!("{}: not there yet, the first sync makes it", path.display()));
    }
    // SQLite leaves files beside a journal that was only read. Closing one that can be written removes them.
    drop(Journal::open(path));
    Ok(format!("{}: can be read", path.display()))
}

fn rows(
    reading: Reading,
    channels: &Channels,
    duplicates: Duplicates,
    report: &mut Report,
) -> Result<(Exit, Vec<CheckedContact>), Failure> {
    let Reading { mut source, mapping, policy, .. } = reading;
    let check = InputCheck {
        planner: Planner { duplicates, match_fields: mapping.match_fields().to_vec() },
        tags_mode: policy.tags_mode,
        channels: channels.by_name(),
        rejects_unknown: channels.tells_unknown(),
        sample: CONTACTS_SHOWN,
    };
    let CheckedInput { contacts, merged, rejected, left_out, of_others, of_none, first, reasons } =
        check_input(&mut source, &mapping, &check)?;
    // The encoding is known by now: a file may be ASCII for long.
    report.line("input", format!("{}: {}", source.name(), in_words(source.detected())));
    for notice in source.detected().notices().iter().filter(|notice| matters(notice, Some(&mapping))) {
        report.line("", sentence(notice));
    }
    outline(&source, &mapping, report);
    list_first(&first, report);
    let others = if left_out > 0 { format!(", and {} that are not taken", grouped(left_out)) } else { String::new() };
    report.heading(&format!("{}{others}", counted_rows(contacts + rejected + merged)));
    report.item(&format!("{} to be sent", grouped(contacts)));
    if channels.selected().is_some() {
        list_others(of_others, of_none, report);
    }
    list_merged(merged, duplicates, report);
    if rejected > 0 {
        report.item(&format!("{} rejected", grouped(rejected)));
    }
    list_reasons(&reasons, report);
    Ok((if rejected > 0 { Exit::Rejected } else { Exit::Done }, first))
}

// Rows that are not of the channel that was selected.
fn list_others(of_others: u64, of_none: u64, report: &mut Report) {
    if of_others > 0 {
        report.item(&format!("{} of other channels, left out", grouped(of_others)));
    }
    if of_none > 0 {
        report.item(&format!("{} unreadable or of no channel of the configuration, left out", grouped(of_none)));
    }
}

fn list_merged(merged: u64, duplicates: Duplicates, report: &mut Report) {
    if merged > 0 {
        report.item(&format!(
            "{} merged: of a contact that has another row (`duplicates = \"{duplicates}\"`)",
            grouped(merged)
        ));
    }
}

fn list_first(first: &[CheckedContact], report: &mut Report) {
    if first.is_empty() {
        return;
    }
    report.heading("the first contacts, as they would be sent");
    for CheckedContact { line, contact, .. } in first {
        report.item(&shown(*line, contact));
    }
}

fn list_reasons(reasons: &[RejectReason], report: &mut Report) {
    for RejectReason { reason, count, line } in reasons.iter().take(REASONS_SHOWN) {
        report.item(&format!("  {}: {reason} (the first in line {line})", grouped(*count)));
    }
    if reasons.len() > REASONS_SHOWN {
        let more = reasons.len() - REASONS_SHOWN;
        report.item(&format!("  and {more} other reason{}", if more == 1 { "" } else { "s" }));
    }
}

fn in_words(detected: &Detected) -> String {
    let mut text = detected.format().to_string();
    if let Some(packing) = detected.packing() {
        text.push_str(&format!(" in {packing}"));
    }
    if let Some(encoding) = detected.encoding() {
        text.push_str(&format!(", {encoding}"));
    }
    if let Some(delimiter) = detected.delimiter() {
        text.push_str(&format!(", columns separated by {delimiter}"));
    }
    if let Some(sheet) = detected.sheet() {
        text.push_str(&format!(", sheet `{}`", sheet.name));
        if let Some(other) = &sheet.passed_over {
            text.push_str(&format!(" (`{other}` holds instructions: `--sheet` takes another one)"));
        }
    }
    if let Some(keys) = detected.rows_under() {
        text.push_str(&format!(", rows under `{}`", keys.escape_debug()));
    }
    if !detected.has_header() && detected.format().has_header() {
        text.push_str(", no header");
    }
    if let Some(ignored) = detected.ignored() {
        text.push_str(&format!("; {ignored}"));
    }
    text
}

fn outline(source: &Source, mapping: &Mapping, report: &mut Report) {
    let lines = mapping.outline(source.header());
    report.heading("the mapping");
    let width = |of: fn(&OutlineLine) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (from, to) = (width(|line| &line.from), width(|line| &line.to));
    for line in &lines {
        let how = line.how.join(", ");
        report.item(format!("{:from$}  {:to$}  {how}", line.from, line.to).trim_end());
    }
    if source.header().is_none() {
        report.item("further keys mean what their names say, unless `unmapped` says otherwise");
    }
}

// As it would be sent, on one line.
fn shown(line: u64, contact: &Contact) -> String {
    let value = |value: &Value| match value {
        Value::Text(text) => format!("{:?}", text.as_str()),
        Value::Bool(_) | Value::Number(_) => value.text().into_owned(),
    };
    let mut parts = vec![format!("line {line}:")];
    parts.extend(contact.id().map(|id| format!("id {id}")));
    parts.extend(contact.fields().iter().map(|field| format!("{}={}", field.name, value(&field.value))));
    for (what, tags) in [("tags", contact.tags()), ("tags to remove", contact.remove_tags())] {
        if !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|tag| format!("{:?}", tag.as_str())).collect();
            parts.push(format!("{what}: {}", tags.join(", ")));
        }
    }
    parts.join(" ")
}
