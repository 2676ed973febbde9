//! Prints the notifications of a use case on standard error.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use contactsync::history::Loss;
use contactsync::report::{MissingUnsure, NewColumn, PlannedRuns};
use contactsync::{BaseUrl, Event, Journal, Notification, Observer, Reporter, Silent};

use crate::render::console::{Console, Level};
use crate::render::summary::{counted_contacts, counted_rows, grouped};

/// Maximum number of new columns that are named.
const COLUMNS_NAMED: usize = 20;

/// Prints the notifications of a use case.
pub struct Notices<'a> {
    pub console: &'a Console,
    pub announcement: Announcement,
}

/// The URLs that the tokens are sent to, and warnings about the places of the tokens. Printed once, before the first call.
#[derive(Default)]
pub struct Announcement {
    lines: RefCell<Vec<(Level, String)>>,
}

impl Announcement {
    /// Creates the announcement of channels with these URLs and warnings.
    pub fn of<'a>(urls: impl Iterator<Item = &'a BaseUrl>, warnings: Vec<String>) -> Self {
        let mut channels: BTreeMap<&str, u64> = BTreeMap::new();
        for url in urls {
            *channels.entry(url.as_str()).or_default() += 1;
        }
        let several =
            |channels| if channels > 1 { format!(" ({} channels)", grouped(channels)) } else { String::new() };
        let urls =
            channels.into_iter().map(|(url, channels)| (Level::Info, format!("platform: {url}{}", several(channels))));
        let mut warnings = warnings.into_iter();
        let warning = warnings.next().map(|first| match warnings.count() {
            0 => first,
            more => format!("{first}; the same applies to {more} more token files"),
        });
        Self { lines: RefCell::new(urls.chain(warning.map(|text| (Level::Warning, text))).collect()) }
    }

    /// Prints it, unless it was printed before.
    fn print(&self, console: &Console) {
        for (level, text) in self.lines.take() {
            console.say(level, &text);
        }
    }
}

/// Prints where the backup is that was made before the journal was upgraded, and whether it keeps hashes from now on.
pub fn report_upgrade(journal: &Journal, path: &Path, console: &Console) {
    report_backup(journal.backup_of_upgrade(), path, console);
    if journal.is_converted() {
        let text = format!("journal {}: it keeps hashes in place of values from now on", path.display());
        console.say(Level::Info, &text);
    }
}

/// Prints where this copy of a journal is, if there is one.
pub fn report_backup(backup: Option<&Path>, path: &Path, console: &Console) {
    if let Some(backup) = backup {
        let text = format!(
            "journal {}: upgraded from an earlier version; the previous version was saved as {}",
            path.display(),
            backup.display()
        );
        console.say(Level::Info, &text);
    }
}

impl Notices<'_> {
    /// Prints which contacts that seem to be missing do not count as missing yet, and why.
    pub fn unsure(&self, planned: &PlannedRuns, names_channels: bool) {
        for (channel, contacts, why) in &planned.unsure {
            let prefix = if names_channels { format!("channel `{channel}`: ") } else { String::new() };
            self.console.say(Level::Warning, &format!("{prefix}{}", unsure(*contacts, *why)));
        }
    }

    fn new_columns(&self, input: &str, new: &[NewColumn]) {
        let what = |NewColumn { name, is_sent }: &NewColumn| {
            format!("`{name}` ({})", if *is_sent { "sent" } else { "left out" })
        };
        let columns = if new.len() == 1 { "column" } else { "columns" };
        let text = format!("{input}: new {columns} since the last run: {}", first_columns(new.iter().map(what)));
        self.console.say(Level::Info, &text);
    }

    fn columns_gone(&self, input: &str, gone: &[&str]) {
        let (columns, are) = if gone.len() == 1 { ("column", "is") } else { ("columns", "are") };
        let named = first_columns(gone.iter().map(|name| format!("`{name}`")));
        self.console.say(Level::Warning, &format!("{input}: {columns} of the last run that {are} missing: {named}"));
    }
}

// Names the first of these columns.
fn first_columns(columns: impl ExactSizeIterator<Item = String>) -> String {
    let more = match columns.len().saturating_sub(COLUMNS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    columns.take(COLUMNS_NAMED).collect::<Vec<_>>().join(", ") + &more
}

impl Observer for Notices<'_> {
    fn observe(&self, _: &Event<'_>) {}
}

impl Reporter for Notices<'_> {
    type Channel<'a>
        = Silent
    where
        Self: 'a;

    fn notify(&self, notification: &Notification<'_>) {
        let say = |level, text: &str| self.console.say(level, text);
        match notification {
            Notification::JournalLoss { channel, loss } => say(Level::Warning, &lossy(channel, *loss)),
            Notification::Calling => self.announcement.print(self.console),
            Notification::TokenRenewed { channel } => {
                let text = format!("channel `{channel}`: the token was renewed; it belongs to the same channel");
                say(Level::Info, &text);
            }
            Notification::NewColumns { input, columns } => self.new_columns(input, columns),
            Notification::ColumnsGone { input, columns } => self.columns_gone(input, columns),
            Notification::EarlierListLeft { path } => {
                let text = format!("{}: not written: it lists the rows of an earlier input", path.display());
                say(Level::Warning, &text);
            }
            Notification::RowsNotKept { path } => {
                let text = format!(
                    "{}: not written: the run was started without --rejects, so its rows were not kept",
                    path.display()
                );
                say(Level::Warning, &text);
            }
            Notification::HistoryNotRemoved(error) => {
                say(Level::Warning, &format!("old history was not removed; the next run tries again: {error}"));
            }
            Notification::ListsCompleted => say(Level::Info, "completed the lists of the last run's rows"),
            Notification::Planned(planned) => {
                if planned.suppressed > 0 {
                    let rows = counted_rows(planned.suppressed);
                    say(
                        Level::Info,
                        &format!("skipped {rows} of people who were erased with `journal forget --suppress`"),
                    );
                }
            }
            Notification::InputRead { .. } | Notification::Sending | Notification::Sent => {}
        }
    }

    fn channels(&self, names: &[&str]) -> Vec<Silent> {
        vec![Silent; names.len()]
    }
}

fn unsure(contacts: u64, why: MissingUnsure) -> String {
    let seem = if contacts == 1 { "seems" } else { "seem" };
    let contacts = counted_contacts(contacts);
    match why {
        MissingUnsure::NoEarlierInput => {
            "the journal has no earlier input of this source, so no contact is known to be missing".into()
        }
        MissingUnsure::Damaged => {
            "the journal's record of this source's last input is damaged, so contacts missing since then are not known"
                .into()
        }
        MissingUnsure::OtherBasis => format!(
            "{contacts} {seem} to be missing, but the columns, the mapping or the program changed since the last input: \
             none is marked until a run is complete"
        ),
        MissingUnsure::UnidentifiedRows => format!(
            "{contacts} {seem} to be missing, but rejected rows without a usable match value or id may be theirs: none \
             is marked while the input has such rows"
        ),
        MissingUnsure::NoRows => {
            "the input has no rows for this channel, so none of its contacts count as missing".into()
        }
    }
}

fn lossy(channel: &str, loss: Loss) -> String {
    let why = match loss {
        Loss::Calls => {
            "calls to it may be missing from the journal, which was truncated, replaced by an older copy, or copied without its locks"
        }
        Loss::OtherBoot => "the machine restarted during its last run, so calls may be missing from the journal",
        Loss::Unfinished => "an earlier run found that the journal may have lost calls, and is not finished",
    };
    format!(
        "channel `{channel}`: {why}; after the search lag, unknown contacts are searched for before they are created, also with \
         `--mode create`"
    )
}
