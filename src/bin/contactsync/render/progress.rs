//! Progress: folds the events of a sync into a bar on a terminal, and into occasional lines elsewhere.

mod channel;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use contactsync::estimate::Span;
use contactsync::report::{NotRoutedCounts, Outcome, PlannedRuns, Wait};
use contactsync::{Event, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::render::console::{Console, Level, columns};
use crate::render::duration::time_left;
use crate::render::summary::counted_rows;
use crate::settings::Channels;

pub use channel::ChannelProgress;

/// The shortest time between two lines where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The shortest time between two drawings of the bar. A thousand channels emit many events.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Maximum number of rejected rows, and of rows left for the next run, that are shown, unless `--verbose` is set.
const ROWS_SHOWN: u64 = 20;

/// The age up to which a tick describes its channel. There is one each second.
const TICK_HOLDS: Duration = Duration::from_secs(3);

/// The smallest width with room for a bar and the text, in columns.
const ROOM_FOR_BAR: u16 = 70;

/// The observer of one command, with all its channels.
pub struct Progress<'a> {
    console: &'a Console,
    // The name of the input, for the places of rows.
    input: String,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    // The bar while the input is read. How many rows it has is not known.
    reading: Option<ProgressBar>,
    shown: Option<Instant>,
    channels: Vec<ChannelState>,
    done: u64,
    rejected: u64,
    left: u64,
    warned: channel::Shown,
    // The last line of progress. An equal one is not printed again.
    line: Option<Line>,
    has_room_for_bar: bool,
}

/// The parts of a line of progress that do not change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    done: u64,
    pending: u64,
    limit: usize,
    // Whether it waits for the limit; `None` if it does not wait.
    waits: Option<bool>,
}

/// The progress of a channel.
#[derive(Clone, Copy, Default)]
struct ChannelState {
    pending: u64,
    used: usize,
    limit: usize,
    time: Span,
    // The wait at its last tick, and the time of that tick.
    wait: Option<Wait>,
    ticked: Option<Instant>,
}

impl<'a> Progress<'a> {
    pub fn new(console: &'a Console, input: impl Into<String>) -> Self {
        Self { console, input: input.into(), state: RefCell::default() }
    }

    /// Returns an observer for each of these channels.
    pub fn channels<'b>(&'b self, names: &[&str]) -> Vec<ChannelProgress<'b>> {
        self.state.borrow_mut().channels = vec![ChannelState::default(); names.len()];
        let prefix = |name: &str| if names.len() > 1 { format!("channel `{name}`: ") } else { String::new() };
        let observer = |(place, name): (usize, &&str)| ChannelProgress { all: self, place, prefix: prefix(name) };
        names.iter().enumerate().map(observer).collect()
    }

    /// Prints how many rows of the input the configuration leaves out, and how rejected rows can be tried again.
    pub fn read_to_the_end(&self, planned: &PlannedRuns, channels: &Channels) {
        self.end();
        let NotRoutedCounts { left_out, of_other_channels, of_no_channel } = planned.not_routed;
        if left_out > 0 {
            self.console
                .say(Level::Info, &format!("{}: {} left out, as configured", self.input, counted_rows(left_out)));
        }
        if planned.has_waiting {
            let text = "some rows rejected by earlier runs were not retried; use `--retry-rejected` to retry them now";
            self.console.say(Level::Info, &format!("{}: {text}", self.input));
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

    /// Removes the bar. Later lines are printed below earlier ones.
    pub fn end(&self) {
        let state = &mut *self.state.borrow_mut();
        (state.bar, state.reading) = (None, None);
        self.console.clear_bar();
    }

    // Shows how many rows were read: in the bar, or now and then in a line.
    fn read(&self, state: &mut State, rows: u64) {
        if !self.console.shows_progress() {
            return;
        }
        let has_bar = self.console.has_bar();
        let shown = *state.shown.get_or_insert_with(Instant::now);
        let every = if has_bar { BAR_EVERY } else { LINE_EVERY };
        if shown.elapsed() < every {
            return;
        }
        state.shown = Some(Instant::now());
        let text = format!("{} read", counted_rows(rows));
        if has_bar {
            let style = || ProgressStyle::with_template("{msg}").expect("the template is well formed");
            let bar = state.reading.get_or_insert_with(|| self.console.draw_bar(0).with_style(style()));
            bar.set_message(format!("reading {}: {text}", self.input));
        } else {
            self.console.say(Level::Info, &text);
        }
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
        // It is drawn at once, even right after a line.
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
        // A short run prints no line.
        let Some(_) = state.shown else {
            state.shown = Some(Instant::now());
            return;
        };
        let line = state.line();
        if state.line != Some(line) {
            (state.line, state.shown) = (Some(line), Some(Instant::now()));
            let parts: Vec<String> = [state.counts()].into_iter().chain(state.parts()).collect();
            self.console.say(Level::Info, &parts.join(SEPARATOR));
        }
    }

    fn rejected(&self, state: &mut State, (line, row): (u64, u64), reason: &str) {
        state.rejected += 1;
        let text = format!("{}:{line}: row {row} rejected: {reason}", self.input);
        self.show_row(state.rejected, &text, "further rejected rows are counted but not shown (-v shows them all)");
    }

    // Prints the nth row of its kind as a warning, or as a detail if there were too many.
    fn show_row(&self, nth: u64, text: &str, further: &str) {
        self.console.say(if nth <= ROWS_SHOWN { Level::Warning } else { Level::Detail }, text);
        if nth == ROWS_SHOWN && !self.console.is_verbose() {
            self.console.say(Level::Warning, further);
        }
    }
}

/// The width of the bar itself, in columns.
const BAR_WIDTH: usize = 16;

/// The separator between the parts of a line of progress.
const SEPARATOR: &str = " · ";

fn style(has_room_for_bar: bool) -> ProgressStyle {
    let bar = if has_room_for_bar { format!("{{bar:{BAR_WIDTH}}} ") } else { String::new() };
    // The message begins with its separator, unless there is no room for any.
    ProgressStyle::with_template(&format!("{bar}{{pos}}/{{len}} contacts{{msg}}")).expect("the template is well formed")
}

// The first parts that fit into `columns`, with separators between them. Parts are not cut, except that the reason for a wait is
// omitted before the wait itself.
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

    // The shortest wait, if all channels wait.
    fn wait(&self) -> Option<Wait> {
        let fresh = self.channels.iter().filter(|channel| channel.ticked.is_some_and(|at| at.elapsed() < TICK_HOLDS));
        let waits: Option<Vec<Wait>> = fresh.map(|channel| channel.wait).collect();
        waits?.into_iter().min_by_key(|wait| wait.time()).filter(|wait| wait.time() >= Duration::from_secs(1))
    }

    fn line(&self) -> Line {
        let waits = self.wait().map(|wait| match wait {
            Wait::Limit(_) => true,
            Wait::Pause(_) => false,
        });
        let limit = self.channels.iter().map(|channel| channel.limit).sum();
        Line { done: self.done, pending: self.pending(), limit, waits }
    }

    // The parts after the counts, the most important first. The channels work concurrently, so the longest time counts.
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

/// An error may end the command while the bar is drawn.
impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Observes the reading of the input, which concerns all channels.
impl Observer for Progress<'_> {
    fn observe(&self, event: &Event<'_>) {
        let state = &mut *self.state.borrow_mut();
        match event {
            Event::Read { rows } => self.read(state, *rows),
            Event::Done { row, line, outcome: Outcome::Rejected(reason), .. } => {
                self.rejected(state, (*line, *row), reason);
            }
            // The channels report the events of sending.
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
            | Event::MarkRefused { .. }
            | Event::ReadBack { .. }
            | Event::InDoubt { .. }
            | Event::Dropped { .. }
            | Event::Tick { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
