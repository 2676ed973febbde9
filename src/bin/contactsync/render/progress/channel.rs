//! The events of one channel, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use contactsync::contact::ContactId;
use contactsync::report::{CallKind, Outcome};
use contactsync::{Event, Observer};

use super::{ChannelState, Progress};
use crate::render::console::Level;
use crate::render::summary::counted_calls;

/// Maximum number of different causes of failures that are shown for each kind of call, unless `--verbose` is set.
const CAUSES_SHOWN: usize = 5;

/// The time after which a repeated event, such as a 429 each minute, is a warning again.
const WARN_AGAIN: Duration = Duration::from_mins(10);

/// The observer of one channel.
pub struct ChannelProgress<'a> {
    pub(super) all: &'a Progress<'a>,
    /// The place of the channel among all channels.
    pub(super) place: usize,
    /// The beginning of its lines, if there are several channels.
    pub(super) prefix: String,
}

/// The warnings that were shown.
#[derive(Default)]
pub(super) struct Shown {
    // The causes of failures, by channel and kind of call.
    causes: BTreeMap<(usize, CallKind), BTreeSet<String>>,
    // The time of the last warning about a repeated event, by channel.
    repeated: BTreeMap<(usize, Repeated), Instant>,
}

/// An event that may occur each minute for hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repeated {
    Throttled,
    Others,
}

impl ChannelProgress<'_> {
    fn say(&self, level: Level, text: &str) {
        self.all.console.say(level, &format!("{}{text}", self.prefix));
    }

    fn warn(&self, text: &str) {
        self.say(Level::Warning, text);
    }

    // Each cause is a warning once for each kind of call. Further failures with it are details.
    fn say_failure(&self, shown: &mut Shown, kind: CallKind, cause: &str) {
        let causes = shown.causes.entry((self.place, kind)).or_default();
        let is_shown = causes.len() > CAUSES_SHOWN || !causes.insert(without_ids(cause));
        let name = kind.name();
        if !is_shown && causes.len() > CAUSES_SHOWN {
            self.warn(&format!("{name} also failed for other reasons; use -v to show all of them"));
        }
        let level = if is_shown || causes.len() > CAUSES_SHOWN { Level::Detail } else { Level::Warning };
        self.say(level, &format!("{name} failed, continuing: {cause}"));
    }

    fn say_repeated(&self, shown: &mut Shown, what: Repeated, text: &str) {
        let now = Instant::now();
        let last = shown.repeated.get(&(self.place, what));
        let is_due = last.is_none_or(|last| now.duration_since(*last) >= WARN_AGAIN);
        if is_due {
            shown.repeated.insert((self.place, what), now);
        }
        self.say(if is_due { Level::Warning } else { Level::Detail }, text);
    }

    fn say_pause(&self, shown: &mut Shown, event: &Event<'_>) {
        match event {
            Event::Throttled { wait } => {
                let text = format!("the platform answered 429 (too many requests); waiting {} s", wait.as_secs());
                self.say_repeated(shown, Repeated::Throttled, &text);
            }
            Event::Paused { wait } => {
                self.warn(&format!("the platform is not available; trying again in {} s", wait.as_secs()));
            }
            Event::KindPaused { kind, wait } => {
                let (name, wait) = (kind.name(), wait.as_secs());
                self.warn(&format!("every {name} call fails, other calls succeed; trying again in {wait} s"));
            }
            Event::AskedToWait { wait } => {
                self.warn(&format!("the platform asked to wait (`Retry-After`); waiting {} s", wait.as_secs()));
            }
            Event::Limited { limit } => {
                self.warn(&format!("the platform allows {} a minute; using that limit", calls(*limit)));
            }
            Event::Others { calls: others } => {
                let others = calls(*others);
                let text = format!(
                    "another client used this token (another program, or a `check`): {others} in the past minute; slowing down"
                );
                self.say_repeated(shown, Repeated::Others, &text);
            }
            Event::Read { .. }
            | Event::Sending { .. }
            | Event::Called { .. }
            | Event::Trouble { .. }
            | Event::Done { .. }
            | Event::Left { .. }
            | Event::MarkRefused { .. }
            | Event::ReadBack { .. }
            | Event::InDoubt { .. }
            | Event::Dropped { .. }
            | Event::Tick { .. } => {}
        }
    }

    fn say_in_doubt(&self, contacts: u64) {
        let (who, their, they_have) = match contacts {
            1 => ("contact that is", "its", "it has"),
            _ => ("contacts that are", "their", "they have"),
        };
        self.warn(&format!(
            "{contacts} {who} no longer in the file may exist on the platform: \
             the answer to {their} create was lost, and {they_have} no match field to search by"
        ));
    }

    fn say_dropped(&self, fields: &[String], key: &str, id: &ContactId) {
        let names: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        let (field, them, it) = if fields.len() == 1 { ("field", "it", "it") } else { ("fields", "them", "they") };
        self.warn(&format!(
            "the platform accepted the {field} {} and did not store {them}: contact {id} ({key}) was read back without {them}; check \
             whether {it} exist{} there under exactly that name, then run `contactsync verify --repair` and the sync again",
            names.join(", "),
            if fields.len() == 1 { "s" } else { "" },
        ));
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
            Event::Trouble { kind, cause } => self.say_failure(&mut state.warned, *kind, cause),
            Event::Throttled { .. }
            | Event::Paused { .. }
            | Event::KindPaused { .. }
            | Event::AskedToWait { .. }
            | Event::Others { .. } => self.say_pause(&mut state.warned, event),
            Event::Limited { limit } => {
                state.channels[self.place].limit = *limit;
                self.say_pause(&mut state.warned, event);
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
                let further =
                    "further rows that are left for the next run are counted but not shown (-v shows them all)";
                self.all.show_row(state.left, &text, further);
            }
            Event::MarkRefused { key, reason } => {
                state.left += 1;
                let text = format!("{}{key}: not marked as missing; a later run tries again: {reason}", self.prefix);
                let further = "further contacts that are not marked are counted but not shown (-v shows them all)";
                self.all.show_row(state.left, &text, further);
            }
            Event::ReadBack { contacts } => state.done = *contacts,
            Event::InDoubt { contacts } => self.say_in_doubt(*contacts),
            Event::Dropped { fields, key, id } => self.say_dropped(fields, key, id),
            Event::Tick { used, limit, eta, wait, calls: _ } => {
                let channel = &mut state.channels[self.place];
                (channel.used, channel.limit, channel.time) = (*used, *limit, eta.time);
                (channel.wait, channel.ticked) = (*wait, Some(Instant::now()));
                self.all.show(state);
            }
        }
    }
}

fn calls(count: usize) -> String {
    counted_calls(u64::try_from(count).unwrap_or(u64::MAX))
}

// A cause without the parts that differ from call to call: ids of traces and requests, times, addresses.
fn without_ids(cause: &str) -> String {
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.' | ':');
    let is_id = |word: &str| {
        let word = word.trim_end_matches(['.', ':']);
        word.len() > 3 && word.contains(|character: char| character.is_ascii_digit())
    };
    let mut text = String::with_capacity(cause.len());
    let mut rest = cause;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| is_word(character) != is_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        text.push_str(if is_word(first) && is_id(word) { "#" } else { word });
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_differ_in_ids_only_are_the_same() {
        let check = |one: &str, other: &str, is_same: bool| {
            assert_eq!(without_ids(one) == without_ids(other), is_same, "{one} {other}: {}", without_ids(one));
        };
        check("500: trace 6f1b2c3d", "500: trace a0b1c2d3", true);
        check("500 {\"id\":\"9f0c-11aa\"}", "500 {\"id\":\"77aa-0b1c\"}", true);
        check("Error at 2026-11-26T03:12:45Z", "Error at 2026-11-26T03:12:46Z", true);
        check("500: Server Error", "502: Server Error", false);
        check("500: Server Error", "500: Bad gateway", false);
        check("", "", true);
    }
}
