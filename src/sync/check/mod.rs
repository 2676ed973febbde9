//! The use case of `check`: whether everything is ready for a sync. It changes nothing on the platform, creates no journal and
//! no lock, and makes at most seven calls to each channel. It writes nothing but these calls into an existing journal.

mod channel;
mod input;

use std::path::{Path, PathBuf};

pub use self::channel::{ChannelGuards, CheckedChannel, Lookup, TokenCheck};
pub(super) use self::input::RejectReasons;
use self::input::check_input;
pub use self::input::{CheckedContact, CheckedInput, InputCheck, RejectReason};
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
    let exists = path.exists();
    if channels.is_empty() {
        // No call is made, so the journal is only read, and is not upgraded either.
        let journal = read(path).map(|()| exists);
        return Ok(CheckReport { journal, backup: None, input, channels: Vec::new() });
    }
    let workspace = match Workspace::open_to_probe(path, holder) {
        Ok(workspace) => workspace,
        Err(error) => return Ok(CheckReport { journal: Err(error), backup: None, input, channels: Vec::new() }),
    };
    let first = input.as_ref().map_or(&[][..], |input| &input.first);
    let backup = workspace.journal().backup_of_upgrade().map(Path::to_owned);
    let check_one = |(name, connection): (String, Connection)| {
        let wanted: Vec<&CheckedContact> = first.iter().filter(|contact| contact.channel == name).collect();
        let checked = channel::check(&workspace, &name, connection, guards, &wanted, environment);
        workspace.release();
        (name, checked)
    };
    let channels = channels.into_iter().map(check_one).collect();
    Ok(CheckReport { journal: Ok(exists), backup, input, channels })
}

// Checks that the journal can be read. One that is missing while its log exists is an error.
fn read(path: &Path) -> Result<(), JournalError> {
    Journal::dry(path)?;
    if path.exists() {
        // SQLite leaves files beside a journal that was only read. Closing one that can be written removes them.
        drop(Journal::open_to_read(path));
    }
    Ok(())
}
