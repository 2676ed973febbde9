//! `check [INPUT]`: whether everything is ready for a sync. It changes nothing on the platform: it makes at most seven
//! calls for each token: reads of known contacts, when the token is not the one that the channel was last synced with; one
//! search to see that the token works; and searches for three contacts of the input. They are journaled where there is a
//! journal, because calls count. No file is created.
//!
//! A phone that the platform has in another form is a warning and no failure: contacts may be found by another match field.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::Path;

use contactsync::{
    Attempt, BaseUrl, Change, Clients, Clock, Contact, Detected, Duplicates, Field, Http, Journal, Key, Mapping,
    OutlineLine, Probe, Rejection, Row, Sample, Source, SourceError, TagMentions, Timeouts, Value, change, merged,
    other_forms, sampled,
};

use tokio::runtime::Runtime;

use crate::args::CheckArgs;
use crate::commands::runtime;
use crate::commands::tokens::{Compared, Tokens, other_channel, undecided};
use crate::commands::workspace::{Announcement, Ready, Workspace};
use crate::config::Config;
use crate::console::{Console, Level};
use crate::failure::{CHECK_URL, Exit, Failure};
use crate::options::{Layer, ListArgs};
use crate::settings::{Channel, Channels, Connection, Reading, Settings};
use crate::summary::{counted_calls, counted_rows, grouped, print_lines};

/// What is searched for, to see whether the token works. Nobody needs to have it.
const NOBODY: &str = "contactsync check";

/// How many calls are made with a token (DESIGN.md, `check`).
const MOST_CALLS: usize = 7;

/// How many contacts are shown as they would be sent.
const CONTACTS_SHOWN: usize = 3;

/// How many reasons are listed; the rest is counted.
const REASONS_SHOWN: usize = 20;

/// How many reasons are told apart: some name a byte, and there may be as many of those as there are rows.
const REASONS_KEPT: usize = 1_000;

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
                let wanted: Vec<&Shown> = samples.iter().filter(|shown| shown.is_of(&channel.name)).collect();
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

/// What is told, a line a thing.
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
    wanted: &[&Shown],
) -> Result<(String, Vec<Looked>), Failure> {
    let Asking { runtime, journal, matches, is_new, console } = *asking;
    let at = format!("{}, {} a minute", connection.url, counted_calls(connection.rate.get().into()));
    let mut place = Workspace::open_to_look(journal)?;
    let clock = Clock::system();
    // What a look writes down may hide that calls were lost.
    let held = place
        .hold(&channel.name)
        .and_then(|()| place.look_for_loss(&channel.name, &clock, console))
        .and_then(|()| place.fill_windows(vec![(channel.name.clone(), connection)]));
    let mut ready = match held {
        Ok(ready) => ready,
        // It is at work with the token just now.
        Err(failure) if failure.exit == Exit::Held => {
            return Ok((format!("{at}; {}, so it is not asked", failure.message), Vec::new()));
        }
        Err(failure) => return Err(failure),
    };
    let field = Field::text(matches.first().map_or("email", String::as_str), NOBODY);
    let mut said = at;
    let mut found = Vec::new();
    let announcement = Announcement::of(&ready);
    announcement.say(console);
    let tokens = Tokens { place: &place, clock: &clock, console, announcement: &announcement };
    for to in &mut ready {
        let (answer, is_renewed, calls) = runtime.block_on(tried(tokens, to, is_new, &field))?;
        if is_renewed {
            said.push_str("; the token is a new one of the same channel");
        }
        let look = tokens.look(to, &to.window);
        let is_ready = matches!(answer, Some(Attempt::Page(_)));
        said.push_str(&heard(answer, &to.connection.url)?);
        if is_ready {
            found.extend(look_up(runtime, &look, wanted, MOST_CALLS.saturating_sub(calls))?);
        }
    }
    Ok((said, found))
}

// First each contact by its own value, then those that are absent in other forms, until one is found or `left` searches
// are made. Each contact begins with another form, because the platform has one form for all.
fn look_up(
    runtime: &Runtime,
    look: &Probe<'_, Http>,
    wanted: &[&Shown],
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

// What a token comes to: the answer to a search, whether it is a new one of the channel's, and how many calls that took. A
// token that is refused is renewed once, if it can be.
async fn tried(
    tokens: Tokens<'_>,
    to: &mut Ready,
    is_new: bool,
    field: &Field,
) -> Result<(Option<Attempt>, bool, usize), Failure> {
    let (mut calls, mut was_renewed) = (0, false);
    loop {
        let (compared, made) = if is_new { (Compared::Unchanged, 0) } else { tokens.compare(to, &to.window).await? };
        calls += made;
        let (answer, is_renewed) = match compared {
            Compared::Other(how) => return Err(other_channel(&to.name, &how)),
            Compared::Undecided(answer @ Some(Attempt::Unauthorized { .. })) => (answer, false),
            Compared::Undecided(answer) => return Err(undecided(to, answer)),
            Compared::Unchanged | Compared::Incomparable | Compared::Renewed { .. } => {
                calls += 1;
                let is_renewed = matches!(compared, Compared::Renewed { is_known: true });
                (tokens.look(to, &to.window).find(field.clone()).await?, is_renewed)
            }
        };
        match answer {
            Some(Attempt::Unauthorized { .. }) if !was_renewed => match tokens.renew(to).await? {
                Some(window) => (to.window, was_renewed) = (window, true),
                None => return Ok((answer, is_renewed, calls)),
            },
            answer => return Ok((answer, is_renewed, calls)),
        }
    }
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
        let said = match sample {
            Sample::Found(id) => format!("contact {id} has its `{name}`"),
            Sample::Several(one, other) => format!("contacts {one} and {other} both have its `{name}`: a conflict"),
            Sample::Absent => format!("no contact has its `{name}`"),
            Sample::OtherForm { id, value } => format!("contact {id} has its `{name}` in another form: {value:?}"),
            Sample::Unknown(why) => format!("not known: {why}"),
        };
        report.item(&format!("line {line}: {said}"));
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

fn heard(answer: Option<Attempt>, url: &BaseUrl) -> Result<String, Failure> {
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
        Ok((said, looked)) => {
            found.extend(looked);
            report.line("platform", format!("{}: {said}", channel.name));
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

/// What became of a row.
enum Seen {
    LeftOut,
    // Another shard's to tell.
    Elsewhere,
    // Of no channel, where none is to be rejected for that.
    Nameless,
    // With a digest of who it is, where rows may be of one contact.
    Contact(u64, Box<Contact>, Option<u64>, Option<String>),
    Rejected(Rejection),
}

/// A contact as it would be sent, by the rows so far.
struct Shown {
    line: u64,
    contact: Box<Contact>,
    who: Option<u64>,
    // The channel that its row names; `None` where there is only one.
    channel: Option<String>,
}

impl Shown {
    fn is_of(&self, channel: &str) -> bool {
        self.channel.as_deref().is_none_or(|own| own == channel)
    }

    // As planning does, what is together no contact leaves the earlier row as it is.
    fn meet(&mut self, line: u64, later: Box<Contact>, duplicates: Duplicates, match_fields: &[String]) {
        let stands = match duplicates {
            Duplicates::Last => Some(later),
            Duplicates::Merge => merged(&self.contact, &later, match_fields).ok().map(Box::new),
            Duplicates::First | Duplicates::Reject => None,
        };
        if let Some(contact) = stands {
            (self.line, self.contact) = (line, contact);
        }
    }
}

/// How many rows were rejected for one reason, and the line of the first.
struct Reason {
    count: u64,
    line: u64,
}

fn rows(
    reading: Reading,
    channels: &Channels,
    duplicates: Duplicates,
    report: &mut Report,
) -> Result<(Exit, Vec<Shown>), Failure> {
    let Reading { mut source, mapping, policy, .. } = reading;
    let mentions = TagMentions::new(policy.tags_mode);
    let here = channels.by_name();
    let of_no_channel = |rejection| if channels.tells_unknown() { Seen::Rejected(rejection) } else { Seen::Nameless };
    let of_row = |row: Row| match row {
        // A row that cannot be read names no channel either.
        Row::Rejected(rejection) => of_no_channel(rejection),
        Row::Record(record) if !mapping.takes(&record) => Seen::LeftOut,
        Row::Record(record) => match mapping.channel_among(&record, &here) {
            Ok(Some(false)) => Seen::Elsewhere,
            Ok(Some(true) | None) => match mapping.contact(&record) {
                Ok(contact) => {
                    let who = digest(&contact, mapping.channel(&record));
                    let channel = mapping.channel(&record).map(str::to_owned);
                    Seen::Contact(record.line, Box::new(contact), who, channel)
                }
                Err(rejection) => Seen::Rejected(rejection),
            },
            Err(rejection) => of_no_channel(rejection),
        },
    };
    let (mut contacts, mut left_out, mut rejected, mut doubles) = (0, 0, 0, 0);
    let (mut of_others, mut of_none) = (0, 0);
    let mut known: HashSet<u64> = HashSet::new();
    let mut first: Vec<Shown> = Vec::with_capacity(CONTACTS_SHOWN);
    let mut reasons: BTreeMap<String, Reason> = BTreeMap::new();
    let count = |seen: Vec<Seen>| -> Result<(), SourceError> {
        for seen in seen {
            match seen {
                Seen::LeftOut => left_out += 1,
                Seen::Elsewhere => of_others += 1,
                Seen::Nameless => of_none += 1,
                Seen::Contact(line, contact, Some(who), _) if !known.insert(who) => {
                    if let Some(earlier) = first.iter_mut().find(|shown| shown.who == Some(who)) {
                        earlier.meet(line, contact, duplicates, mapping.match_fields());
                    }
                    match duplicates {
                        Duplicates::Last | Duplicates::First | Duplicates::Merge => doubles += 1,
                        Duplicates::Reject => {
                            rejected += 1;
                            let reason = "expected each contact once, found this one in an earlier row too".into();
                            reasons.entry(reason).or_insert(Reason { count: 0, line }).count += 1;
                        }
                    }
                }
                Seen::Contact(line, contact, who, channel) => {
                    contacts += 1;
                    if first.len() < CONTACTS_SHOWN {
                        first.push(Shown { line, contact, who, channel });
                    }
                }
                Seen::Rejected(rejection) => {
                    rejected += 1;
                    let line = rejection.line;
                    let mut reason = rejection.to_string();
                    if reasons.len() >= REASONS_KEPT && !reasons.contains_key(&reason) {
                        reason = "other reasons".into();
                    }
                    reasons.entry(reason).or_insert(Reason { count: 0, line }).count += 1;
                }
            }
        }
        Ok(())
    };
    let see = |row: Row, _| {
        let mention = mentions.of(&row, &mapping);
        let seen = of_row(row);
        if matches!(seen, Seen::Contact(..) | Seen::Rejected(_)) {
            mentions.add(mention);
        }
        seen
    };
    source.in_batches(see, count).map_err(|error| Failure::usage(&error))?;
    mentions.check()?;
    // The encoding is known by now: a file may be ASCII for long.
    report.line("input", format!("{}: {}", source.name(), in_words(source.detected())));
    for notice in source.detected().notices() {
        report.line("", notice.to_string());
    }
    outline(&source, &mapping, report);
    list_first(&first, report);
    let others = if left_out > 0 { format!(", and {} that are not taken", grouped(left_out)) } else { String::new() };
    report.heading(&format!("{}{others}", counted_rows(contacts + rejected + doubles)));
    report.item(&format!("{} to be sent", grouped(contacts)));
    if channels.selected().is_some() && of_others > 0 {
        report.item(&format!("{} of other channels, left out", grouped(of_others)));
    }
    if channels.selected().is_some() && of_none > 0 {
        report.item(&format!("{} unreadable or of no channel of the configuration, left out", grouped(of_none)));
    }
    if doubles > 0 {
        report.item(&format!(
            "{} merged: of a contact that has another row (`duplicates = \"{duplicates}\"`)",
            grouped(doubles)
        ));
    }
    if rejected > 0 {
        report.item(&format!("{} rejected", grouped(rejected)));
    }
    list_reasons(reasons, report);
    Ok((if rejected > 0 { Exit::Rejected } else { Exit::Done }, first))
}

fn list_first(first: &[Shown], report: &mut Report) {
    if first.is_empty() {
        return;
    }
    report.heading("the first contacts, as they would be sent");
    for Shown { line, contact, .. } in first {
        report.item(&shown(*line, contact));
    }
}

fn list_reasons(reasons: BTreeMap<String, Reason>, report: &mut Report) {
    let mut reasons: Vec<(String, Reason)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, reason)| (std::cmp::Reverse(reason.count), reason.line));
    for (reason, Reason { count, line }) in reasons.iter().take(REASONS_SHOWN) {
        report.item(&format!("  {}: {reason} (the first in line {line})", grouped(*count)));
    }
    if reasons.len() > REASONS_SHOWN {
        let more = reasons.len() - REASONS_SHOWN;
        report.item(&format!("  and {more} other reason{}", if more == 1 { "" } else { "s" }));
    }
}

// Of who a contact is: rows with the same are one contact. Rows that are only equal are several.
fn digest(contact: &Contact, channel: Option<&str>) -> Option<u64> {
    match contact.key() {
        Key::Row { .. } => None,
        key @ (Key::Match { .. } | Key::Id(_)) => {
            let mut digest = DefaultHasher::new();
            (key.to_string(), channel).hash(&mut digest);
            Some(digest.finish())
        }
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
