//! Progress: folds the sync's events into a bar on a terminal, else into a line now and then.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contactsync::estimate::Span;
use contactsync::report::{CallKind, NotRoutedCounts, Outcome, PlannedRuns, Wait};
use contactsync::{Event, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::render::console::{Console, Level, columns};
use crate::render::summary::{counted_calls, counted_rows};
use crate::settings::Channels;

/// How often a line is written at the most when there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a bar is drawn anew at the most: a thousand channels have much to tell.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// How many rejected rows, and how many rows that are left for the next run, are named, unless more is asked for.
const ROWS_NAMED: u64 = 20;

/// How many causes of failed calls are named for each kind of call, unless more is asked for.
const CAUSES_NAMED: usize = 5;

/// Of an event that may repeat itself each minute, such as a 429, a further one is a warning again after this time.
const WARN_AGAIN: Duration = Duration::from_mins(10);

/// A tick that is older than this says nothing of what its channel waits for now. There is one each second.
const TICK_HOLDS: Duration = Duration::from_secs(3);

/// From so many columns on, there is room for a bar beside the text.
const ROOM_FOR_BAR: u16 = 70;

/// The watcher of one command's events, of all its channels.
pub struct Progress<'a> {
    console: &'a Console,
    // What the input is called, to say where a row is.
    input: String,
    state: RefCell<State>,
}

/// The watcher of one channel's events.
pub struct ChannelProgress<'a> {
    all: &'a Progress<'a>,
    place: usize,
    // What its lines begin with, when there are several.
    prefix: String,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    shown: Option<Instant>,
    channels: Vec<ChannelState>,
    done: u64,
    rejected: u64,
    left: u64,
    // The causes of failed calls that were told, by channel and kind of call.
    causes: BTreeMap<(usize, CallKind), BTreeSet<String>>,
    // When something that repeats itself was last told, by channel.
    told: BTreeMap<(usize, Repeated), Instant>,
    // What the last line of progress said, without what changes by itself.
    line: Option<RemoteState>,
    has_room_for_bar: bool,
}

/// What may happen once a minute for hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repeated {
    Throttled,
    Others,
}

/// What a line of progress says, without what changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RemoteState {
    done: u64,
    pending: u64,
    limit: usize,
    // Whether it waits, and for what.
    waits: Option<bool>,
}

/// How far a channel is.
#[derive(Clone, Copy, Default)]
struct ChannelState {
    pending: u64,
    used: usize,
    limit: usize,
    time: Span,
    // What it waited for at its last tick, and when that was.
    wait: Option<Wait>,
    ticked: Option<Instant>,
}

impl<'a> Progress<'a> {
    pub fn new(console: &'a Console, input: impl Into<String>) -> Self {
        Self { console, input: input.into(), state: RefCell::default() }
    }

    /// A watcher for each of these channels.
    pub fn channels<'b>(&'b self, names: &[&str]) -> Vec<ChannelProgress<'b>> {
        self.state.borrow_mut().channels = vec![ChannelState::default(); names.len()];
        let prefix = |name: &str| if names.len() > 1 { format!("channel `{name}`: ") } else { String::new() };
        let watcher = |(place, name): (usize, &&str)| ChannelProgress { all: self, place, prefix: prefix(name) };
        names.iter().enumerate().map(watcher).collect()
    }

    /// Says how many rows the configuration left out of the input.
    pub fn read_to_the_end(&self, planned: &PlannedRuns, channels: &Channels) {
        let NotRoutedCounts { left_out, of_other_channels, of_no_channel } = planned.not_routed;
        if left_out > 0 {
            self.console
                .say(Level::Info, &format!("{}: {} left out, as configured", self.input, counted_rows(left_out)));
        }
        let Some(channel) = channels.selected() else { return };
        // Without tables, no other channel is known by name.
        let has_names = channels.are_several_named();
        let rows = |rows: u64, what: &str| format!("{}: {} left out: {what}", self.input, counted_rows(rows));
        if of_other_channels > 0 {
            self.console.say(Level::Info, &rows(of_other_channels, &format!("of other channels than `{channel}`")));
        }
        if of_no_channel > 0 {
            let what = "unreadable, or of no channel of the configuration; a sync without --channel rejects them";
            self.console.say(if has_names { Level::Warning } else { Level::Info }, &rows(of_no_channel, what));
        }
    }

    /// Takes the bar away; later lines stand below earlier ones.
    pub fn end(&self) {
        self.state.borrow_mut().bar = None;
        self.console.clear_bar();
    }

    fn begin(&self, state: &mut State) {
        let pending = state.pending();
        if pending == 0 || !self.console.has_bar() {
            return;
        }
        if let Some(bar) = &state.bar {
            bar.set_length(pending);
            return;
        }
        state.has_room_for_bar = columns() >= ROOM_FOR_BAR;
        // It is drawn at once, however lately a line was written.
        state.shown = None;
        state.bar = Some(self.console.draw_bar(pending).with_style(style(state.has_room_for_bar)));
    }

    fn show(&self, state: &mut State) {
        let every = if state.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        if !self.console.shows_progress() || state.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        if let Some(bar) = &state.bar {
            state.shown = Some(Instant::now());
            let has_room_for_bar = columns() >= ROOM_FOR_BAR;
            if has_room_for_bar != state.has_room_for_bar {
                bar.set_style(style(has_room_for_bar));
                state.has_room_for_bar = has_room_for_bar;
            }
            bar.set_position(state.done);
            let counts = state.counts().chars().count();
            let begun = if has_room_for_bar { BAR_WIDTH + 1 + counts } else { counts };
            bar.set_message(fitting(&state.parts(), usize::from(columns()).saturating_sub(begun)));
            return;
        }
        // The first one comes after a while: a short run needs none.
        let Some(_) = state.shown else {
            state.shown = Some(Instant::now());
            return;
        };
        let remote_state = state.remote_state();
        if state.line != Some(remote_state) {
            (state.line, state.shown) = (Some(remote_state), Some(Instant::now()));
            let parts: Vec<String> = [state.counts()].into_iter().chain(state.parts()).collect();
            self.console.say(Level::Info, &parts.join(SEPARATOR));
        }
    }

    fn rejected(&self, state: &mut State, (line, row): (u64, u64), reason: &str) {
        state.rejected += 1;
        let text = format!("{}:{line}: row {row} rejected: {reason}", self.input);
        self.name_row(state.rejected, &text, "further rejected rows are counted, not named (-v names them all)");
    }

    // The nth row of its kind.
    fn name_row(&self, nth: u64, text: &str, further: &str) {
        self.console.say(if nth <= ROWS_NAMED { Level::Warning } else { Level::Detail }, text);
        if nth == ROWS_NAMED && !self.console.is_verbose() {
            self.console.say(Level::Warning, further);
        }
    }
}

/// How wide the bar itself is, in columns.
const BAR_WIDTH: usize = 16;

/// What stands between the parts of a line of progress.
const SEPARATOR: &str = " · ";

fn style(has_room_for_bar: bool) -> ProgressStyle {
    let bar = if has_room_for_bar { format!("{{bar:{BAR_WIDTH}}} ") } else { String::new() };
    // The message begins with its separator, unless there is no room for any.
    ProgressStyle::with_template(&format!("{bar}{{pos}}/{{len}} contacts{{msg}}")).expect("the template is well formed")
}

// As many of the first parts as fit into so many columns, each after a separator. No word is cut: what is waited for is
// left out rather than that something is.
fn fitting(parts: &[String], columns: usize) -> String {
    let width = |text: &str| text.chars().count();
    let mut text = String::new();
    for part in parts {
        let left = columns.saturating_sub(width(&text) + width(SEPARATOR));
        let short = part.split(" for ").next().unwrap_or(part);
        let Some(part) = [part, short].into_iter().find(|part| width(part) <= left) else { break };
        text.push_str(SEPARATOR);
        text.push_str(part);
    }
    text
}

impl State {
    fn pending(&self) -> u64 {
        self.channels.iter().map(|channel| channel.pending).sum()
    }

    fn counts(&self) -> String {
        format!("{}/{} contacts", self.done, self.pending())
    }

    // What all channels wait for, which is the channel that goes on first.
    fn wait(&self) -> Option<Wait> {
        let fresh = self.channels.iter().filter(|channel| channel.ticked.is_some_and(|at| at.elapsed() < TICK_HOLDS));
        let waits: Option<Vec<Wait>> = fresh.map(|channel| channel.wait).collect();
        waits?.into_iter().min_by_key(|wait| wait.time()).filter(|wait| wait.time() >= Duration::from_secs(1))
    }

    fn remote_state(&self) -> RemoteState {
        let waits = self.wait().map(|wait| match wait {
            Wait::Limit(_) => true,
            Wait::Pause(_) => false,
        });
        let limit = self.channels.iter().map(|channel| channel.limit).sum();
        RemoteState { done: self.done, pending: self.pending(), limit, waits }
    }

    // What follows the counts, the most important first. The channels work side by side: the one that takes longest says
    // how long it takes.
    fn parts(&self) -> Vec<String> {
        let (used, limit) =
            self.channels.iter().fold((0, 0), |(used, limit), channel| (used + channel.used, limit + channel.limit));
        let longest = |of: fn(&Span) -> Duration| {
            let times = self.channels.iter().map(|channel| of(&channel.time));
            times.max().unwrap_or_default()
        };
        let left = time_left(longest(|time| time.min), longest(|time| time.max));
        let wait = self.wait().map(|wait| {
            let seconds = wait.time().as_secs_f64().ceil();
            match wait {
                Wait::Limit(_) => format!("waiting {seconds} s for the limit"),
                Wait::Pause(_) => format!("waiting {seconds} s for the platform"),
            }
        });
        wait.into_iter().chain([left, format!("{used}/{limit} calls this minute")]).collect()
    }
}

/// Of the reading of the input, which is for all channels.
impl Observer for Progress<'_> {
    fn observe(&self, event: &Event<'_>) {
        let state = &mut *self.state.borrow_mut();
        match event {
            Event::Read { rows } => {
                let shown = *state.shown.get_or_insert_with(Instant::now);
                if self.console.shows_progress() && shown.elapsed() >= LINE_EVERY {
                    state.shown = Some(Instant::now());
                    self.console.say(Level::Info, &format!("{} read", counted_rows(*rows)));
                }
            }
            Event::Done { row, line, outcome: Outcome::Rejected(reason), .. } => {
                self.rejected(state, (*line, *row), reason);
            }
            // Of the sending, which the channels tell.
            Event::Done { .. }
            | Event::Sending { .. }
            | Event::Called { .. }
            | Event::Trouble { .. }
            | Event::Throttled { .. }
            | Event::Paused { .. }
            | Event::KindPaused { .. }
            | Event::AskedToWait { .. }
            | Event::Limited { .. }
            | Event::Others { .. }
            | Event::Left { .. }
            | Event::InDoubt { .. }
            | Event::Tick { .. } => {}
        }
    }
}

impl ChannelProgress<'_> {
    fn say(&self, level: Level, text: &str) {
        self.all.console.say(level, &format!("{}{text}", self.prefix));
    }

    // A cause is told once for each kind of call; every further time only when everything is.
    fn tell_trouble(&self, state: &mut State, kind: CallKind, cause: &str) {
        let causes = state.causes.entry((self.place, kind)).or_default();
        let is_told = causes.len() > CAUSES_NAMED || !causes.insert(of_all_calls(cause));
        let name = kind.name();
        if !is_told && causes.len() > CAUSES_NAMED {
            self.say(Level::Warning, &format!("no answer to {name}: further causes are not named (-v names them all)"));
        }
        let level = if is_told || causes.len() > CAUSES_NAMED { Level::Detail } else { Level::Warning };
        self.say(level, &format!("no answer to {name}: {cause}; going on"));
    }

    // What may happen each minute is a warning only once in a while.
    fn tell_repeated(&self, state: &mut State, what: Repeated, text: &str) {
        let now = Instant::now();
        let told = state.told.get(&(self.place, what));
        let is_due = told.is_none_or(|told| now.duration_since(*told) >= WARN_AGAIN);
        if is_due {
            state.told.insert((self.place, what), now);
        }
        self.say(if is_due { Level::Warning } else { Level::Detail }, text);
    }
}

impl Observer for ChannelProgress<'_> {
    fn observe(&self, event: &Event<'_>) {
        let state = &mut *self.all.state.borrow_mut();
        let input = &self.all.input;
        match event {
            Event::Read { .. } => {}
            Event::Sending { pending, used, limit, eta, calls: _ } => {
                let (pending, used, limit, time) = (*pending, *used, *limit, eta.time);
                state.channels[self.place] = ChannelState { pending, used, limit, time, wait: None, ticked: None };
                self.all.begin(state);
                self.all.show(state);
            }
            Event::Called { kind, line, key, result, took } => {
                if self.all.console.is_verbose() {
                    let place = line.map_or_else(String::new, |line| format!("{input}:{line}: "));
                    let took = took.as_millis();
                    self.say(Level::Detail, &format!("{place}{key}: {}: {result} after {took} ms", kind.name()));
                }
            }
            Event::Trouble { kind, cause } => self.tell_trouble(state, *kind, cause),
            Event::Throttled { wait } => {
                let text = format!("the platform says 429 (too many requests): waiting {} s", wait.as_secs());
                self.tell_repeated(state, Repeated::Throttled, &text);
            }
            Event::Paused { wait } => {
                let text = format!("the platform gives no answer: trying again in {} s", wait.as_secs());
                self.say(Level::Warning, &text);
            }
            Event::KindPaused { kind, wait } => {
                let (name, wait) = (kind.name(), wait.as_secs());
                let text = format!("every {name} call fails, other calls succeed: trying again in {wait} s");
                self.say(Level::Warning, &text);
            }
            Event::AskedToWait { wait } => {
                let text = format!("the platform asked to wait (`Retry-After`): waiting {} s", wait.as_secs());
                self.say(Level::Warning, &text);
            }
            Event::Limited { limit } => {
                state.channels[self.place].limit = *limit;
                let limit = counted_calls(u64::try_from(*limit).unwrap_or(u64::MAX));
                self.say(Level::Warning, &format!("the platform allows {limit} a minute: keeping to that"));
            }
            Event::Others { calls } => {
                let calls = counted_calls(u64::try_from(*calls).unwrap_or(u64::MAX));
                let text = format!(
                    "something else used this token (another program, or a `check`): {calls} in the past minute; leaving room for it"
                );
                self.tell_repeated(state, Repeated::Others, &text);
            }
            Event::Done { row, line, outcome, .. } => {
                state.done += 1;
                if let Outcome::Rejected(reason) = outcome {
                    self.all.rejected(state, (*line, *row), reason);
                }
            }
            Event::Left { line, reason } => {
                state.left += 1;
                let text = format!("{}{input}:{line}: left for the next run: {reason}", self.prefix);
                let further = "further rows that are left for the next run are counted, not named (-v names them all)";
                self.all.name_row(state.left, &text, further);
            }
            Event::InDoubt { contacts } => {
                let (who, their, they_have) = match contacts {
                    1 => ("contact", "its", "it has"),
                    _ => ("contacts", "their", "they have"),
                };
                let text = format!(
                    "{contacts} {who} that the file no longer has may be on the platform: \
                     the answer to {their} create was lost, and {they_have} no match field to search by"
                );
                self.say(Level::Warning, &text);
            }
            Event::Tick { used, limit, eta, wait, calls: _ } => {
                let channel = &mut state.channels[self.place];
                (channel.used, channel.limit, channel.time) = (*used, *limit, eta.time);
                (channel.wait, channel.ticked) = (*wait, Some(Instant::now()));
                self.all.show(state);
            }
        }
    }
}

// A cause without what differs from call to call: the ids of traces and requests, times, addresses.
fn of_all_calls(cause: &str) -> String {
    let is_of_word = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.' | ':');
    let is_id = |word: &str| {
        let word = word.trim_end_matches(['.', ':']);
        word.len() > 3 && word.contains(|character: char| character.is_ascii_digit())
    };
    let mut text = String::with_capacity(cause.len());
    let mut rest = cause;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| is_of_word(character) != is_of_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        text.push_str(if is_of_word(first) && is_id(word) { "#" } else { word });
        rest = after;
    }
    text
}

fn time_left(at_least: Duration, at_most: Duration) -> String {
    match (short_time(at_least), short_time(at_most)) {
        (least, most) if least != most => format!("{least} to {most} left"),
        (_, most) if at_most < Duration::from_secs(1) => format!("{most} left"),
        (_, most) => format!("about {most} left"),
    }
}

/// `under a minute`, `13 min`, `2 h 5 min`: rounded up, because a person waits for the end.
pub fn short_time(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, 0) => "under a minute".into(),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_the_same_whatever_its_ids_are() {
        let check = |one: &str, other: &str, is_same: bool| {
            assert_eq!(of_all_calls(one) == of_all_calls(other), is_same, "{one} {other}: {}", of_all_calls(one));
        };
        check("500: trace 6f1b2c3d", "500: trace a0b1c2d3", true);
        check("500 {\"id\":\"9f0c-11aa\"}", "500 {\"id\":\"77aa-0b1c\"}", true);
        check("Error at 2026-11-26T03:12:45Z", "Error at 2026-11-26T03:12:46Z", true);
        check("500: Server Error", "502: Server Error", false);
        check("500: Server Error", "500: Bad gateway", false);
        check("", "", true);
    }

    #[test]
    fn parts_that_do_not_fit_are_left_out_whole() {
        let check = |columns: usize, expected: &str| {
            assert_eq!(
                fitting(&["waiting 41 s for the limit".into(), "2 min left".into()], columns),
                expected,
                "{columns}"
            );
        };
        check(42, " · waiting 41 s for the limit · 2 min left");
        check(41, " · waiting 41 s for the limit");
        check(29, " · waiting 41 s for the limit");
        check(28, " · waiting 41 s · 2 min left");
        check(15, " · waiting 41 s");
        check(14, "");
        check(0, "");
    }

    #[test]
    fn the_time_left_reads_well() {
        let check = |min, max, expected: &str| {
            assert_eq!(time_left(Duration::from_secs(min), Duration::from_secs(max)), expected);
        };
        check(0, 0, "under a minute left");
        check(0, 50, "under a minute to 1 min left");
        check(55, 60, "about 1 min left");
        check(12_050, 18_060, "3 h 21 min to 5 h 1 min left");
    }
}
