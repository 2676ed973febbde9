//! Progress: folds the engine's events into a bar on a terminal, else into a line now and then.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contactsync::{Event, Observer, Outcome, PlannedRuns, Span};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{counted_calls, counted_rows};
use crate::settings::Channels;
use crate::voice::{Level, Voice};

/// How often a line is written when there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a bar is drawn anew at the most: a thousand channels have much to tell.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// How many rejected rows are named, unless more is asked for.
const REJECTED_NAMED: u64 = 20;

/// The watcher of one command's events, of all its channels.
pub struct Progress<'a> {
    voice: &'a Voice,
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
    told: BTreeSet<String>,
}

/// How far a channel is.
#[derive(Clone, Copy, Default)]
struct ChannelState {
    pending: u64,
    used: usize,
    limit: usize,
    time: Span,
}

impl<'a> Progress<'a> {
    pub fn new(voice: &'a Voice, input: impl Into<String>) -> Self {
        Self { voice, input: input.into(), state: RefCell::default() }
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
        let PlannedRuns { left_out, of_others, of_none, .. } = *planned;
        if left_out > 0 {
            self.voice.say(Level::Info, &format!("{}: {} left out, as configured", self.input, counted_rows(left_out)));
        }
        let Some(channel) = channels.selected() else { return };
        // Without tables, no other channel is known by name.
        let has_names = channels.by_name().len() > 1;
        let rows = |rows: u64, what: &str| format!("{}: {} left out: {what}", self.input, counted_rows(rows));
        if of_others > 0 {
            self.voice.say(Level::Info, &rows(of_others, &format!("of other channels than `{channel}`")));
        }
        if of_none > 0 {
            let what = "unreadable, or of no channel of the configuration; a sync without --channel rejects them";
            self.voice.say(if has_names { Level::Warning } else { Level::Info }, &rows(of_none, what));
        }
    }

    /// Takes the bar away; what is said next stands below what was said before.
    pub fn end(&self) {
        self.state.borrow_mut().bar = None;
        self.voice.draw(None);
    }

    fn begin(&self, state: &mut State) {
        let pending = state.pending();
        if pending == 0 || !self.voice.has_bar() {
            return;
        }
        if let Some(bar) = &state.bar {
            bar.set_length(pending);
            return;
        }
        // Cut short, not wrapped, in a narrow window: the time that is left comes first.
        let style = ProgressStyle::with_template("{bar:16} {pos}/{len} contacts · {wide_msg}")
            .expect("the template is well formed");
        let bar = ProgressBar::new(pending).with_style(style);
        self.voice.draw(Some(bar.clone()));
        state.bar = Some(bar);
    }

    fn show(&self, state: &mut State) {
        let every = if state.bar.is_some() { BAR_EVERY } else { LINE_EVERY };
        if !self.voice.shows_progress() || state.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        let is_first = state.shown.replace(Instant::now()).is_none();
        let text = state.text();
        if let Some(bar) = &state.bar {
            bar.set_position(state.done);
            bar.set_message(text);
        } else if !is_first {
            self.voice.say(Level::Info, &format!("{}/{} contacts · {text}", state.done, state.pending()));
        }
    }

    fn rejected(&self, state: &mut State, (line, row): (u64, u64), reason: &str) {
        state.rejected += 1;
        let level = if state.rejected <= REJECTED_NAMED { Level::Warning } else { Level::Detail };
        self.voice.say(level, &format!("{}:{line}: row {row} rejected: {reason}", self.input));
        if state.rejected == REJECTED_NAMED && !self.voice.is_verbose() {
            self.voice.say(Level::Warning, "further rejected rows are counted, not named (-v names them all)");
        }
    }
}

impl State {
    fn pending(&self) -> u64 {
        self.channels.iter().map(|channel| channel.pending).sum()
    }

    // The channels work side by side: the one that takes longest says how long it takes.
    fn text(&self) -> String {
        let (used, limit) =
            self.channels.iter().fold((0, 0), |(used, limit), channel| (used + channel.used, limit + channel.limit));
        let longest = |of: fn(&Span) -> Duration| {
            let times = self.channels.iter().map(|channel| of(&channel.time));
            times.max().unwrap_or_default()
        };
        let left = time_left(longest(|time| time.min), longest(|time| time.max));
        format!("{left} · {used}/{limit} calls this minute")
    }
}

/// Of the reading of the input, which is for all channels.
impl Observer for Progress<'_> {
    fn tell(&self, event: &Event<'_>) {
        let state = &mut *self.state.borrow_mut();
        match event {
            Event::Read { rows } => {
                let shown = *state.shown.get_or_insert_with(Instant::now);
                if self.voice.shows_progress() && shown.elapsed() >= LINE_EVERY {
                    state.shown = Some(Instant::now());
                    self.voice.say(Level::Info, &format!("{} read", counted_rows(*rows)));
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
            | Event::Unsure { .. }
            | Event::Tick { .. } => {}
        }
    }
}

impl ChannelProgress<'_> {
    fn say(&self, level: Level, text: &str) {
        self.all.voice.say(level, &format!("{}{text}", self.prefix));
    }

    // A cause is told once; every further time only when everything is.
    fn tell_once(&self, state: &mut State, text: &str) {
        let text = format!("{}{text}", self.prefix);
        let level = if state.told.contains(&text) { Level::Detail } else { Level::Warning };
        self.all.voice.say(level, &text);
        state.told.insert(text);
    }
}

impl Observer for ChannelProgress<'_> {
    fn tell(&self, event: &Event<'_>) {
        let state = &mut *self.all.state.borrow_mut();
        let input = &self.all.input;
        match event {
            Event::Read { .. } => {}
            Event::Sending { pending, used, limit, outlook, calls: _ } => {
                let (pending, used, limit, time) = (*pending, *used, *limit, outlook.time);
                state.channels[self.place] = ChannelState { pending, used, limit, time };
                self.all.begin(state);
                self.all.show(state);
            }
            Event::Called { kind, result, took } => {
                self.say(Level::Detail, &format!("{}: {result} after {} ms", kind.name(), took.as_millis()));
            }
            Event::Trouble { kind, cause } => {
                self.tell_once(state, &format!("no answer to {}: {cause}; going on", kind.name()));
            }
            Event::Throttled { wait } => {
                let text = format!("the platform says 429 (too many requests): waiting {} s", wait.as_secs());
                self.say(Level::Warning, &text);
            }
            Event::Paused { wait } => {
                let text = format!("the platform gives no answer: trying again in {} s", wait.as_secs());
                self.say(Level::Warning, &text);
            }
            Event::KindPaused { kind, wait } => {
                let (kind, wait) = (kind.name(), wait.as_secs());
                self.say(
                    Level::Warning,
                    &format!("every {kind} call fails, other calls succeed: trying again in {wait} s"),
                );
            }
            Event::AskedToWait { wait } => {
                self.say(
                    Level::Warning,
                    &format!("the platform asked to wait (`Retry-After`): waiting {} s", wait.as_secs()),
                );
            }
            Event::Limited { limit } => {
                state.channels[self.place].limit = *limit;
                let limit = counted_calls(u64::try_from(*limit).unwrap_or(u64::MAX));
                self.say(Level::Warning, &format!("the platform allows {limit} a minute: keeping to that"));
            }
            Event::Others { calls } => {
                let calls = counted_calls(u64::try_from(*calls).unwrap_or(u64::MAX));
                let text = format!("somebody else uses this token: {calls} in the past minute; giving way");
                self.say(Level::Warning, &text);
            }
            Event::Done { row, line, outcome, .. } => {
                state.done += 1;
                if let Outcome::Rejected(reason) = outcome {
                    self.all.rejected(state, (*line, *row), reason);
                }
            }
            Event::Left { line, reason } => {
                self.say(Level::Warning, &format!("{input}:{line}: left for the next run: {reason}"));
            }
            Event::Unsure { contacts } => {
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
            Event::Tick { used, limit, outlook, calls: _ } => {
                let channel = &mut state.channels[self.place];
                (channel.used, channel.limit, channel.time) = (*used, *limit, outlook.time);
                self.all.show(state);
            }
        }
    }
}

fn time_left(at_least: Duration, at_most: Duration) -> String {
    match (short_time(at_least), short_time(at_most)) {
        (least, most) if least != most => format!("{least} to {most} left"),
        (_, most) if at_most.is_zero() => format!("{most} left"),
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
