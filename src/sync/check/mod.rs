//! The use case of `check`: whether everything is ready for a sync. It changes nothing on the platform, creates no file, and
//! makes at most seven calls to each channel.

mod channel;
mod input;

use std::path::{Path, PathBuf};

pub use self::channel::{ChannelGuards, CheckedChannel, Lookup, TokenCheck};
pub use self::input::{CheckedContact, CheckedInput, InputCheck, RejectReason, RejectReasons, check_input};
use crate::core::mapping::Mapping;
use crate::input::Source;
use crate::journal::{Journal, JournalError};
use crate::sync::connection::Connection;
use crate::sync::environment::Environment;
use crate::sync::guard_error::GuardError;
use crate::sync::plan::PlanError;
use crate::sync::reporter::Reporter;
use crate::sync::workspace::Workspace;

/// What is checked.
#[derive(Debug)]
pub struct Check<'a> {
    /// The path of the journal.
    pub journal: &'a Path,
    /// The holder of the locks, as other processes display it.
    pub holder: String,
    /// The input, if there is one.
    pub input: Option<InputToCheck<'a>>,
    /// The channels, by name.
    pub channels: Vec<(String, Connection)>,
    /// What a sync would compare with the channels' known contacts.
    pub guards: ChannelGuards<'a>,
}

/// An input, and how it is checked.
#[derive(Debug)]
pub struct InputToCheck<'a> {
    /// The rows.
    pub source: &'a mut Source,
    /// How rows become contacts.
    pub mapping: &'a Mapping,
    /// The rules for the rows.
    pub check: InputCheck,
}

/// What a check found.
#[derive(Debug)]
pub struct CheckReport {
    /// Whether the journal exists.
    ///
    /// # Errors
    /// Why the journal cannot be read. No channel is asked then, because calls are journaled.
    pub journal: Result<bool, JournalError>,
    /// The copy of the journal as it was before it was upgraded from an earlier version, which asking a channel takes: its calls
    /// are journaled. `None` when it was not upgraded.
    pub backup: Option<PathBuf>,
    /// What a sync would make of the rows of the input.
    pub input: Option<CheckedInput>,
    /// The channels by name, in the order in which they were given.
    ///
    /// # Errors
    /// Why a channel cannot be checked.
    pub channels: Vec<(String, Result<CheckedChannel, GuardError>)>,
}

/// Checks an input, the journal and the channels. It blocks.
///
/// # Errors
/// A [`PlanError`] when the input cannot be read, or must not be used at all.
pub fn check<R: Reporter>(check: Check<'_>, environment: Environment<'_, R>) -> Result<CheckReport, PlanError> {
    let Check { journal: path, holder, input, channels, guards } = check;
    let input =
        input.map(|InputToCheck { source, mapping, check }| check_input(source, mapping, &check)).transpose()?;
    let journal = readable(path);
    let first = input.as_ref().map_or(&[][..], |input| &input.first);
    let mut backup = None;
    let check_one = |(name, connection): (String, Connection)| {
        let wanted: Vec<&CheckedContact> = first.iter().filter(|contact| contact.channel == name).collect();
        let workspace = Workspace::open_to_look(path, holder.as_str()).map_err(GuardError::from);
        let checked = workspace.and_then(|workspace| {
            backup = backup.take().or_else(|| workspace.journal().backup_of_upgrade().map(Path::to_owned));
            channel::check(&workspace, &name, connection, guards, &wanted, environment)
        });
        (name, checked)
    };
    let channels = if journal.is_ok() { channels.into_iter().map(check_one).collect() } else { Vec::new() };
    Ok(CheckReport { journal, backup, input, channels })
}

// Whether the journal exists. One that is missing while its log exists is an error.
fn readable(path: &Path) -> Result<bool, JournalError> {
    Journal::dry(path)?;
    let exists = path.exists();
    if exists {
        // SQLite leaves files beside a journal that was only read. Closing one that can be written removes them.
        drop(Journal::open_to_read(path));
    }
    Ok(exists)
}
