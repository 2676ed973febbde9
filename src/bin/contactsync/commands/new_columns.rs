//! Names the columns that an input has and the inputs of earlier runs did not have.

use std::collections::BTreeSet;
use std::sync::Arc;

use contactsync::{Detected, Journal, JournalError, Mapping, Source};

use crate::console::{Console, Level};
use crate::settings::Channels;

/// How many are named; the rest is counted.
const NAMED: usize = 20;

/// The columns of an input, and what they are compared with.
pub struct NewColumns {
    // The inputs that they are compared with: those of the channel, or those whose rows name their channels.
    of: String,
    known: BTreeSet<String>,
    names: Vec<String>,
    // Of an input without a header, whose keys are known when it was read.
    unread: Option<Unread>,
}

struct Unread {
    name: String,
    detected: Detected,
    mapping: Mapping,
}

impl NewColumns {
    /// Names those that are new since the last run. The first run has none that are new.
    pub fn named(
        source: &Source,
        mapping: &Mapping,
        channels: &Channels,
        journal: &Journal,
        console: &Console,
    ) -> Result<Self, JournalError> {
        let of = match (channels.column(), channels.here()) {
            (Some(column), _) => format!("channel column `{column}`"),
            (None, [channel, ..]) => channel.name.clone(),
            (None, []) => String::new(),
        };
        let known = journal.columns_of(&of)?;
        let mut new = Self { of, known, names: Vec::new(), unread: None };
        if let Some(header) = source.header() {
            new.compare(source.name(), header, mapping, console);
        } else {
            let (name, detected) = (source.name().to_owned(), source.detected().clone());
            new.unread = Some(Unread { name, detected, mapping: mapping.clone() });
        }
        Ok(new)
    }

    /// Names the keys of an input without a header that are new, once all of it was read.
    pub fn in_the_end(&mut self, console: &Console) {
        if let Some(Unread { name, detected, mapping }) = self.unread.take() {
            self.compare(&name, &detected.keys(), &mapping, console);
        }
    }

    fn compare(&mut self, input: &str, columns: &[Arc<str>], mapping: &Mapping, console: &Console) {
        let is_new = |name: &str| !name.starts_with('_') && !self.known.contains(name);
        let new: Vec<(&Arc<str>, bool)> =
            columns.iter().zip(mapping.reads(columns)).filter(|(name, _)| is_new(name)).collect();
        // An input that shares no column with the earlier ones is of another kind.
        let is_of_their_kind = columns.iter().any(|name| self.known.contains(&**name));
        if is_of_their_kind && !new.is_empty() {
            let what = |(name, is_read): &(&Arc<str>, bool)| {
                format!("`{name}` ({})", if *is_read { "sent" } else { "left out" })
            };
            let named: Vec<String> = new.iter().take(NAMED).map(what).collect();
            let more = match new.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let columns = if new.len() == 1 { "column" } else { "columns" };
            let text = format!("{input}: new {columns} since the last run: {}{more}", named.join(", "));
            console.say(Level::Info, &text);
        }
        self.names = new.iter().map(|(name, _)| (*name).to_string()).collect();
    }

    /// Remembers them for the next run.
    pub fn remember(self, journal: &Journal) -> Result<(), JournalError> {
        if self.names.is_empty() { Ok(()) } else { journal.add_columns(&self.of, self.names) }
    }
}
