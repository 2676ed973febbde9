//! The use case of `journal forget`: erases one person from a journal, and from the lists of rows that the journal knows.
//!
//! The lists come first: once the journal has forgotten whose rows are whose, they could not be found any more. A person who is
//! forgotten twice is only looked for again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::core::model::Key;
use crate::core::model::key::shown;
use crate::core::output_format::ListFiles;
use crate::core::selection::ContactRef;
use crate::journal::{JournalError, Obstacle};
use crate::sync::environment::Environment;
use crate::sync::guard_error::GuardError;
use crate::sync::report::{ErasedPerson, ListError, ListKind, erase};
use crate::sync::reporter::Reporter;
use crate::sync::workspace::Workspace;

/// What was forgotten of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// The keys of the person's contacts, with their channels.
    pub contacts: Vec<(String, String)>,
    /// Calls whose answers were erased.
    pub calls: u64,
    /// Rows of runs that no longer show whose they were.
    pub rows: u64,
    /// Lists of rows that were written anew, with the number of rows that were removed from each.
    pub lists: Vec<(PathBuf, u64)>,
    /// Lists that are not those that were written before any more, and were left as they are.
    pub foreign_lists: Vec<PathBuf>,
    /// Whether rows of the person are skipped from now on.
    pub is_suppressed: bool,
    /// Whether the journal's log could be emptied.
    pub is_log_empty: bool,
    /// Copies of the journal beside it, which may still have the person.
    pub copies: Vec<PathBuf>,
}

/// Why a person was not forgotten. Nothing was erased, except from lists that were rewritten before one that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The journal knows no such contact.
    #[error("the journal knows no contact `{0}`")]
    Unknown(ContactRef),
    /// The name stands for several persons.
    #[error("`{name}` matches several contacts: {}", keys.join(", "))]
    Ambiguous {
        /// The name.
        name: ContactRef,
        /// Their keys.
        keys: Vec<String>,
    },
    /// A create of the contact got no answer.
    #[error("contact `{key}` of channel `{channel}` is in doubt: the answer to its create was lost")]
    InDoubt {
        /// The contact's key.
        key: String,
        /// Its channel.
        channel: String,
    },
    /// A row of the contact is pending.
    #[error("contact `{key}` of channel `{channel}` is pending in run {run}")]
    Pending {
        /// The contact's key.
        key: String,
        /// Its channel.
        channel: String,
        /// The run.
        run: i64,
    },
    /// A channel is held by another run.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// A list cannot be rewritten.
    #[error(transparent)]
    List(#[from] ListError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Erases the person with this name from the journal of a workspace: contacts, values, answers to calls, rows, hashes, and what the
/// file and its log still hold of them in unused parts; and the person's rows from the lists that the journal knows. With
/// `is_final`, the rows of the person are skipped from now on. It blocks.
///
/// # Errors
/// A [`ForgetError`] when the person is not known or cannot be forgotten now, a channel is in use, or a file cannot be written.
pub fn forget<R: Reporter>(
    workspace: &Workspace,
    name: &ContactRef,
    is_final: bool,
    environment: Environment<'_, R>,
) -> Result<Forgotten, ForgetError> {
    let journal = workspace.journal();
    // No run of any channel may use the file while it is written anew.
    for channel in journal.channel_names()? {
        workspace.hold(&channel, environment)?;
    }
    let person = journal.person(name.clone())?;
    let mut keys: Vec<String> = person.iter().map(|contact| shown(&contact.key)).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > 1 {
        return Err(ForgetError::Ambiguous { name: name.clone(), keys });
    }
    let (mut identifiers, mut suppressed) = journal.identifiers(person.clone())?;
    if person.is_empty() {
        // The person may be in rows that became no contact, or be suppressed beforehand.
        let (text, key) = of_unknown(name).ok_or_else(|| ForgetError::Unknown(name.clone()))?;
        identifiers.add(&text);
        suppressed.extend(key);
    }
    if let Some((contact, obstacle)) = journal.obstacle(person.clone())? {
        let (key, channel) = (shown(&contact.key), contact.channel);
        return Err(match obstacle {
            Obstacle::InDoubt => ForgetError::InDoubt { key, channel },
            Obstacle::Pending { run } => ForgetError::Pending { key, channel, run },
        });
    }
    let mut forgotten = Forgotten { is_suppressed: is_final && !suppressed.is_empty(), ..Forgotten::default() };
    let mut seen = BTreeSet::new();
    for list in journal.lists_of(person.clone(), identifiers.clone())? {
        let erased = ErasedPerson { keys: &keys, identifiers: &identifiers, lines: &list.lines };
        let ListFiles { rejects, results } = &list.listing.files;
        for (kind, path) in [(ListKind::Rejects, rejects), (ListKind::Results, results)] {
            // The newest input with a file wrote it last.
            let Some(path) = path.as_ref().filter(|path| seen.insert((*path).clone())) else { continue };
            let path = Path::new(path);
            match erase(path, kind, &list.listing.output_format, erased) {
                Ok(Some(rows)) if rows > 0 => forgotten.lists.push((path.to_owned(), rows)),
                Ok(_) => {}
                Err(error) if error.is_foreign() => forgotten.foreign_lists.push(path.to_owned()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    forgotten.contacts = person.iter().map(|contact| (shown(&contact.key), contact.channel.clone())).collect();
    let suppressed = if is_final { suppressed } else { Vec::new() };
    let erased = journal.forget(person, identifiers, suppressed)?;
    (forgotten.calls, forgotten.rows) = (erased.calls, erased.rows);
    forgotten.is_log_empty = journal.rewrite()?;
    forgotten.copies = workspace.path().map_or_else(Vec::new, copies_beside);
    let has_nothing =
        forgotten.contacts.is_empty() && forgotten.rows + forgotten.calls == 0 && forgotten.lists.is_empty();
    if has_nothing && !forgotten.is_suppressed {
        return Err(ForgetError::Unknown(name.clone()));
    }
    Ok(forgotten)
}

// What identifies a person whom the journal has no contact of, and the key of such a contact if the name has its field.
fn of_unknown(name: &ContactRef) -> Option<(String, Option<Key>)> {
    match name {
        ContactRef::Match(text) => {
            let key = Key::parse_match(text);
            let value = match &key {
                Some(Key::Match { value, .. }) => value.to_string(),
                Some(Key::Id(_) | Key::Row { .. }) | None => text.clone(),
            };
            Some((value, key))
        }
        ContactRef::Id(id) => Some((id.clone(), crate::core::model::ContactId::new(id.clone()).map(Key::Id))),
        ContactRef::Line(_) => None,
    }
}

// Files whose names begin with the journal's, other than its log, its locks, and the memory for alerts, which has no data of
// contacts.
fn copies_beside(journal: &Path) -> Vec<PathBuf> {
    let (Some(name), folder) = (journal.file_name().and_then(|name| name.to_str()), journal.parent()) else {
        return Vec::new();
    };
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let is_copy = |found: &str| {
        let rest = found.strip_prefix(name).unwrap_or_default();
        let is_lock = Path::new(rest).extension().is_some_and(|extension| extension == "lock");
        !rest.is_empty() && !["-wal", "-shm", "-journal", ".alerts"].contains(&rest) && !is_lock
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_copy));
    let mut copies: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    copies.sort_unstable();
    copies
}
