//! What a check found, as text.

use std::collections::BTreeMap;
use std::path::Path;

use contactsync::check::{
    Change, CheckReport, CheckedChannel, CheckedContact, CheckedInput, Lookup, RejectReason, Sample, TokenCheck,
};
use contactsync::contact::Value;
use contactsync::mapping::OutlineLine;
use contactsync::report::NotRoutedCounts;
use contactsync::source::Detected;
use contactsync::{BaseUrl, Contact, Duplicates, Mapping, Source};

use crate::exit::Exit;
use crate::failure::{CHECK_URL, Failure};
use crate::render::console::{Console, Level};
use crate::render::input_notice::{matters, sentence};
use crate::render::summary::{counted_calls, counted_rows, grouped, print_lines};
use crate::settings::{Channels, Reading};

/// Maximum number of reasons that are listed; the others are counted.
const REASONS_SHOWN: usize = 20;

/// Width of the names of facts, in characters.
const NAME_WIDTH: usize = 13;

/// A check, and the settings that its report names.
pub struct Checked<'a> {
    pub config: Option<&'a Path>,
    pub journal: &'a Path,
    pub channels: &'a Channels,
    /// Why channels could not be connected, by name.
    pub failed: BTreeMap<String, Failure>,
    pub input: Option<&'a Reading>,
    pub duplicates: Duplicates,
    pub found: CheckReport,
}

impl Checked<'_> {
    /// Prints the report and each failed check. Returns the most severe exit code.
    pub fn print(self, console: &Console) -> Result<Exit, Failure> {
        let Self { config, journal, channels, mut failed, input, duplicates, found } = self;
        let mut report = Report::default();
        report.line("configuration", config.map_or_else(|| "none".to_owned(), |path| path.display().to_string()));
        let (mut exits, mut lookups) = (Vec::new(), Vec::new());
        let mut checked: BTreeMap<_, _> = found.channels.into_iter().collect();
        if let Ok(exists) = found.journal {
            for channel in channels.here() {
                let state = match checked.remove(&channel.name) {
                    Some(Ok(mut checked)) => {
                        lookups.append(&mut checked.contacts);
                        channel_state(checked)
                    }
                    Some(Err(error)) => Err(vec![error.into()]),
                    None => Err(failed.remove(&channel.name).into_iter().collect()),
                };
                exits.push(report.channel(&channel.name, state, console));
            }
            report.journal(journal, exists);
        }
        if let (Some(reading), Some(checked)) = (input, &found.input) {
            report.input(reading, checked, duplicates, channels.selected().is_some());
            exits.push(if checked.rejected > 0 { Exit::Rejected } else { Exit::Done });
        }
        report.on_the_platform(&mut lookups, console);
        print_lines(&report.lines)?;
        found.journal?;
        Ok(Exit::gravest(exits))
    }
}

/// The report, one line for each fact.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
}

impl Report {
    fn line(&mut self, name: &str, what: impl AsRef<str>) {
        self.lines.push(format!("{name:NAME_WIDTH$}  {}", what.as_ref()));
    }

    // Adds the journal, which can be read if it `exists`.
    fn journal(&mut self, path: &Path, exists: bool) {
        let state = if exists { "can be read" } else { "does not exist yet; the first sync creates it" };
        self.line("journal", format!("{}: {state}", path.display()));
    }

    // Adds a channel, and prints why it is not ready. Returns the exit code.
    fn channel(&mut self, name: &str, state: Result<String, Vec<Failure>>, console: &Console) -> Exit {
        match state {
            Ok(state) => {
                self.line("platform", format!("{name}: {state}"));
                Exit::Done
            }
            Err(failures) => {
                self.line("platform", format!("{name}: not ready"));
                for failure in &failures {
                    console.say(Level::Error, &failure.message);
                    if let Some(hint) = &failure.hint {
                        console.say(Level::Hint, hint);
                    }
                }
                Exit::gravest(failures.iter().map(|failure| failure.exit))
            }
        }
    }

    // Adds what a sync would make of an input.
    fn input(&mut self, reading: &Reading, checked: &CheckedInput, duplicates: Duplicates, is_selected: bool) {
        let Reading { source, mapping, .. } = reading;
        let CheckedInput { contacts, merged, rejected, not_routed, first, reasons } = checked;
        let NotRoutedCounts { left_out, of_other_channels, of_no_channel } = *not_routed;
        self.line("input", format!("{}: {}", source.name(), format(source.detected())));
        for notice in source.detected().notices().iter().filter(|notice| matters(notice, Some(mapping))) {
            self.line("", sentence(notice));
        }
        self.outline(source, mapping);
        self.first(first);
        let others =
            if left_out > 0 { format!(", and {} excluded by [[take]]", grouped(left_out)) } else { String::new() };
        self.heading(&format!("{}{others}", counted_rows(contacts + rejected + merged)));
        self.item(&format!("{} to send", grouped(*contacts)));
        let mut count = |rows: u64, what: &str| {
            if rows > 0 {
                self.item(&format!("{} {what}", grouped(rows)));
            }
        };
        if is_selected {
            count(of_other_channels, "of other channels, left out");
            count(of_no_channel, "unreadable or of no channel of the configuration, left out");
        }
        count(*merged, &format!("merged into another row of the same contact (`duplicates = \"{duplicates}\"`)"));
        count(*rejected, "rejected");
        self.reasons(reasons);
    }

    // Adds where the first contacts of the input are on the platform, and warns of one that has another form there: a sync would
    // create it a second time.
    fn on_the_platform(&mut self, found: &mut [Lookup], console: &Console) {
        if found.is_empty() {
            return;
        }
        found.sort_by_key(|lookup| lookup.line);
        self.heading("the first contacts on the platform");
        for Lookup { line, field, sample, .. } in found.iter() {
            let name = &field.name;
            let result = match sample {
                Sample::Found(id) => format!("contact {id} has its `{name}`"),
                Sample::Several(one, other) => format!("contacts {one} and {other} both have its `{name}`: a conflict"),
                Sample::Absent => format!("no contact has its `{name}`"),
                Sample::OtherForm { id, value } => format!("contact {id} has its `{name}` in another form: {value:?}"),
                Sample::Unknown(why) => format!("not known: {why}"),
            };
            self.item(&format!("line {line}: {result}"));
        }
        if let Some((warning, hint)) = found.iter().find_map(other_form) {
            console.say(Level::Warning, &warning);
            console.say(Level::Hint, &hint);
        }
    }

    fn heading(&mut self, heading: &str) {
        self.lines.extend([String::new(), heading.to_owned()]);
    }

    fn item(&mut self, item: &str) {
        self.lines.push(format!("  {item}"));
    }

    fn outline(&mut self, source: &Source, mapping: &Mapping) {
        let lines = mapping.outline(source.header());
        self.heading("the mapping");
        let width = |of: fn(&OutlineLine) -> &str| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
        let (from, to) = (width(|line| &line.from), width(|line| &line.to));
        for line in &lines {
            let how = line.how.join(", ");
            self.item(format!("{:from$}  {:to$}  {how}", line.from, line.to).trim_end());
        }
        if source.header().is_none() {
            self.item("other keys are sent as fields of the same name, unless `unmapped` is set");
        }
    }

    fn first(&mut self, first: &[CheckedContact]) {
        if first.is_empty() {
            return;
        }
        self.heading("the first contacts, as they would be sent");
        for CheckedContact { line, contact, .. } in first {
            self.item(&shown(*line, contact));
        }
    }

    fn reasons(&mut self, reasons: &[RejectReason]) {
        for RejectReason { reason, count, line } in reasons.iter().take(REASONS_SHOWN) {
            self.item(&format!("  {}: {reason} (first on line {line})", grouped(*count)));
        }
        if reasons.len() > REASONS_SHOWN {
            let more = reasons.len() - REASONS_SHOWN;
            self.item(&format!("  and {more} other reason{}", if more == 1 { "" } else { "s" }));
        }
    }
}

// The state of a channel in words, or why it is not ready.
fn channel_state(checked: CheckedChannel) -> Result<String, Vec<Failure>> {
    let CheckedChannel { url, rate, refused, token, is_renewed, .. } = checked;
    if !refused.is_empty() {
        return Err(refused.into_iter().map(Failure::from).collect());
    }
    let renewed = if is_renewed { "; the token is new and belongs to the same channel" } else { "" };
    let state = token_state(token, &url).map_err(|failure| vec![failure])?;
    Ok(format!("{url}, {} a minute{renewed}; {state}", counted_calls(rate.get().into())))
}

fn token_state(token: TokenCheck, url: &BaseUrl) -> Result<String, Failure> {
    let failed = |exit, message: String| {
        Err(Failure { exit, message: format!("{url}: {message}"), details: Vec::new(), hint: None })
    };
    match token {
        TokenCheck::Works => Ok("the token works".into()),
        TokenCheck::Held(error) => Ok(format!("{}; not checked", Failure::from(error).message)),
        TokenCheck::NotTried => Ok("not checked".into()),
        TokenCheck::Throttled => {
            Ok("the platform answered 429 (too many requests): another client is using the token".into())
        }
        TokenCheck::Paused => {
            Ok("not checked: the platform asked for a pause (429, too many requests) that is still in effect".into())
        }
        TokenCheck::CallsUsedUp => failed(
            Exit::Stopped,
            "the check used all its calls, because the platform did not answer some of them".into(),
        ),
        TokenCheck::Contradiction { why } => {
            failed(Exit::Usage, format!("the answer to a search contradicts itself: {why}"))
        }
        TokenCheck::Refused { message } => {
            failed(Exit::Unauthorized, format!("the platform refused the token: {message}"))
        }
        TokenCheck::NoAnswer { status: None, cause } => failed(Exit::Stopped, format!("no answer: {cause}")),
        TokenCheck::NoAnswer { status: Some(_), cause } => failed(Exit::Stopped, format!("unusable answer: {cause}")),
        TokenCheck::WrongPath { message } => {
            let message = format!("{url}: the search was answered 404: {message}");
            Err(Failure { exit: Exit::Usage, message, details: Vec::new(), hint: Some(CHECK_URL.into()) })
        }
        TokenCheck::SearchRefused { message } => {
            failed(Exit::Usage, format!("the platform refused the search: {message}"))
        }
        TokenCheck::OtherAnswer => failed(Exit::Usage, "expected a page of contacts, found another answer".into()),
    }
}

// The warning and the hint for a contact that the platform has in another form.
fn other_form(lookup: &Lookup) -> Option<(String, String)> {
    let Lookup { line, field, sample, .. } = lookup;
    let (id, value) = match sample {
        Sample::OtherForm { id, value } => (id, value),
        Sample::Found(_) | Sample::Several(..) | Sample::Absent | Sample::Unknown(_) => return None,
    };
    let (name, wanted) = (&field.name, field.value.text());
    let warning = format!(
        "line {line}: `{name}` is {wanted:?}, but contact {id} has {value:?}; if that is the same person, a sync creates a duplicate"
    );
    let hint = match lookup.change() {
        Some(Change::E164) => {
            format!("to match the platform, set `transform = [\"e164\"]` for `{name}`, and `country`")
        }
        Some(Change::Instead { digits, prefix }) => {
            let prefix = if prefix.is_empty() { String::new() } else { format!(", {{ prefix = \"{prefix}\" }}") };
            format!(
                "to match the platform, set `transform = [\"e164\", {{ first = \"+{digits}\" }}{prefix}]` for `{name}`"
            )
        }
        Some(Change::Punctuation) => format!(
            "no transform produces the platform's format, which contains characters other than digits; on the platform, change `{name}` to \
             `+` and digits"
        ),
        None => format!("compare the two contacts: if they are one person, write `{name}` as the platform does"),
    };
    Some((warning, hint))
}

// The detected format, with what was skipped.
fn format(detected: &Detected) -> String {
    let mut text = detected.to_string();
    if let Some(other) = detected.sheet().and_then(|sheet| sheet.passed_over.as_ref()) {
        text.push_str(&format!("; sheet `{other}` contains instructions (select another sheet with `--sheet`)"));
    }
    if let Some(ignored) = detected.ignored() {
        text.push_str(&format!("; {ignored}"));
    }
    text
}

// As it would be sent, on one line.
fn shown(line: u64, contact: &Contact) -> String {
    let value = |value: &Value| match value {
        Value::Text(text) => format!("{:?}", text.as_str()),
        Value::Bool(_) | Value::Number(_) | Value::Hashed(_) => value.text().into_owned(),
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
