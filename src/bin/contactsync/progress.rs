//! Progress: folds the engine's events into a bar on a terminal, else into a line now and then.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contactsync::{Event, Observer, Outcome, Range, duration_at};
use indicatif::{ProgressBar, ProgressStyle};

use crate::voice::{Level, Voice};

/// How often a line is written when there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How many rejected rows are named, unless more is asked for.
const REJECTED_NAMED: u64 = 20;

/// The watcher of one command's events.
pub struct Progress<'a> {
    voice: &'a Voice,
    // What the input is called, to say where a row is.
    input: String,
    state: RefCell<State>,
}

struct State {
    bar: Option<ProgressBar>,
    last_line: Instant,
    pending: u64,
    done: u64,
    rejected: u64,
    limit: usize,
    told: BTreeSet<String>,
}

impl<'a> Progress<'a> {
    pub fn new(voice: &'a Voice, input: impl Into<String>) -> Self {
        let state = State {
            bar: None,
            last_line: Instant::now(),
            pending: 0,
            done: 0,
            rejected: 0,
            limit: 0,
            told: BTreeSet::new(),
        };
        Self { voice, input: input.into(), state: RefCell::new(state) }
    }

    /// Takes the bar away; what is said next stands below what was said before.
    pub fn end(&self) {
        self.state.borrow_mut().bar = None;
        self.voice.draw(None);
    }

    fn show(&self, state: &mut State, used: usize, calls: Range) {
        if !self.voice.shows_progress() {
            return;
        }
        let minute = format!("{used}/{} calls this minute", state.limit);
        let left = time_left(calls, used, state.limit);
        if let Some(bar) = &state.bar {
            bar.set_position(state.done);
            bar.set_message(format!("{left} · {minute}"));
        } else if state.last_line.elapsed() >= LINE_EVERY {
            state.last_line = Instant::now();
            let line = format!("{}/{} contacts · {left} · {minute}", state.done, state.pending);
            self.voice.say(Level::Info, &line);
        }
    }

    // A cause is told once; every further time only when everything is.
    fn tell_once(&self, state: &mut State, text: String) {
        let level = if state.told.contains(&text) { Level::Detail } else { Level::Warning };
        self.voice.say(level, &text);
        state.told.insert(text);
    }
}

impl Observer for Progress<'_> {
    fn tell(&self, event: &Event<'_>) {
        let state = &mut *self.state.borrow_mut();
        match event {
            Event::Read { rows } => {
                if self.voice.shows_progress() && state.last_line.elapsed() >= LINE_EVERY {
                    state.last_line = Instant::now();
                    self.voice.say(Level::Info, &format!("{rows} rows read"));
                }
            }
            Event::Sending { pending, calls, used, limit } => {
                state.pending = *pending;
                state.limit = *limit;
                if *pending > 0 && self.voice.has_bar() {
                    // Cut short, not wrapped, in a narrow window: the time that is left comes first.
                    let style = ProgressStyle::with_template("{bar:16} {pos}/{len} contacts · {wide_msg}")
                        .expect("the template is well formed");
                    let bar = ProgressBar::new(*pending).with_style(style);
                    self.voice.draw(Some(bar.clone()));
                    state.bar = Some(bar);
                }
                self.show(state, *used, *calls);
            }
            Event::Called { kind, result, took } => {
                let text = format!("{}: {result} after {} ms", kind.name(), took.as_millis());
                self.voice.say(Level::Detail, &text);
            }
            Event::Trouble { kind, cause } => {
                self.tell_once(state, format!("no answer to {}: {cause}; going on", kind.name()));
            }
            Event::Throttled { wait } => {
                let text = format!("the platform says 429 (too many requests): waiting {} s", wait.as_secs());
                self.voice.say(Level::Warning, &text);
            }
            Event::Paused { wait } => {
                let text = format!("the platform gives no answer: trying again in {} s", wait.as_secs());
                self.voice.say(Level::Warning, &text);
            }
            Event::Done { line, outcome, .. } => {
                if state.limit > 0 {
                    state.done += 1;
                }
                if let Outcome::Rejected(reason) = outcome {
                    state.rejected += 1;
                    let level = if state.rejected <= REJECTED_NAMED { Level::Warning } else { Level::Detail };
                    let text = format!("{}:{line}: rejected: {reason}", self.input);
                    self.voice.say(level, &text);
                    if state.rejected == REJECTED_NAMED && !self.voice.is_verbose() {
                        let text = "further rejected rows are counted, not named (-v names them all)";
                        self.voice.say(Level::Warning, text);
                    }
                }
            }
            Event::Left { line, reason } => {
                let text = format!("{}:{line}: left for the next run: {reason}", self.input);
                self.voice.say(Level::Warning, &text);
            }
            Event::Unsure { contacts } => {
                let text = format!(
                    "{contacts} contacts that the file no longer has may be on the platform: \
                     the answer to their create was lost, and they have no match field to search by"
                );
                self.voice.say(Level::Warning, &text);
            }
            Event::Tick { used, calls } => self.show(state, *used, *calls),
        }
    }
}

fn time_left(calls: Range, used: usize, limit: usize) -> String {
    let used = u64::try_from(used).unwrap_or(u64::MAX);
    let rate = u32::try_from(limit).unwrap_or(u32::MAX);
    // The calls that count already push the others back.
    let (at_least, at_most) = (duration_at(calls.min + used, rate), duration_at(calls.max + used, rate));
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
        let check = |min, max, used, expected: &str| assert_eq!(time_left(Range { min, max }, used, 100), expected);
        check(0, 0, 32, "under a minute left");
        check(30, 80, 0, "under a minute left");
        check(30, 80, 40, "under a minute to 1 min left");
        check(150, 180, 0, "about 1 min left");
        check(20_000, 30_000, 100, "3 h 21 min to 5 h 2 min left");
    }
}
