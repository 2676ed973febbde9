//! Names the columns that an input has and the inputs of earlier runs did not have.

use std::sync::Arc;

use contactsync::{Journal, JournalError, Mapping, Source};

use crate::settings::Channels;
use crate::voice::{Level, Voice};

/// How many are named; the rest is counted.
const NAMED: usize = 20;

/// The columns of an input, and what they are compared with.
pub struct NewColumns {
    // The inputs that they are compared with: those of the channel, or those whose rows name their channels.
    of: String,
    names: Vec<String>,
}

impl NewColumns {
    /// Names those that are new since the last run. An input without a header has none, and the first run has none that
    /// are new.
    pub fn named(
        source: &Source,
        mapping: &Mapping,
        channels: &Channels,
        journal: &Journal,
        voice: &Voice,
    ) -> Result<Self, JournalError> {
        let of = match (channels.column(), channels.here()) {
            (Some(column), _) => format!("channel column `{column}`"),
            (None, [channel, ..]) => channel.name.clone(),
            (None, []) => String::new(),
        };
        let header: &[Arc<str>] = source.header().unwrap_or_default();
        let known = journal.columns_of(&of)?;
        let is_new = |name: &str| !name.starts_with('_') && !known.contains(name);
        let new: Vec<(&Arc<str>, bool)> =
            header.iter().zip(mapping.reads(header)).filter(|(name, _)| is_new(name)).collect();
        // An input that shares no column with the earlier ones is of another kind.
        let is_of_their_kind = header.iter().any(|name| known.contains(&**name));
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
            let text = format!("{}: new {columns} since the last run: {}{more}", source.name(), named.join(", "));
            voice.say(Level::Info, &text);
        }
        Ok(Self { of, names: new.iter().map(|(name, _)| (*name).to_string()).collect() })
    }

    /// Remembers them for the next run.
    pub fn remember(self, journal: &Journal) -> Result<(), JournalError> {
        if self.names.is_empty() { Ok(()) } else { journal.add_columns(&self.of, self.names) }
    }
}
