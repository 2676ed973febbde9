//! The files that list rows: which may be written, and how an interrupted run continues its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::core::output_format::{Listing, OutputFormat};
use crate::sync::environment::Environment;
use crate::sync::report::{ListClaims, ListError, ListKind, Listed};
use crate::sync::reporter::{Notification, Reporter};
use crate::sync::sync_error::SyncError;
use crate::sync::workspace::Workspace;

/// The files that list the rows of an input, as the caller wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowLists {
    /// The rejected rows, as an input of their own.
    pub rejects: Option<PathBuf>,
    /// How each row ended.
    pub results: Option<PathBuf>,
    /// Files that they must not be, each with what it is. Those of the journal are added.
    pub reserved: Vec<(PathBuf, &'static str)>,
}

/// No files.
pub(super) static NO_LISTS: RowLists = RowLists { rejects: None, results: None, reserved: Vec::new() };

/// What the journal's files are when they are named as a list by mistake.
const JOURNAL: &str = "the journal";

/// What SQLite appends to a journal's name for the files beside it.
const ENDINGS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

impl RowLists {
    /// Takes the right to write the files, before anything is sent. They must be none of the reserved ones.
    pub(super) fn claim(&self, workspace: &Workspace) -> Result<ListClaims, ListError> {
        self.claim_these(self.rejects.as_deref(), self.results.as_deref(), workspace)
    }

    fn claim_these(
        &self,
        rejects: Option<&Path>,
        results: Option<&Path>,
        workspace: &Workspace,
    ) -> Result<ListClaims, ListError> {
        let files = workspace.path().map_or_else(Vec::new, files_of);
        let files = files.iter().map(|file| (file.as_path(), JOURNAL));
        let reserved: Vec<_> = files.chain(self.reserved.iter().map(|(path, what)| (path.as_path(), *what))).collect();
        ListClaims::new(rejects, results, &reserved)
    }

    /// Continues the lists of these inputs, given by their numbers. These files are the lists of the newest input. A list that
    /// only the journal names is not written: the journal may come from someone else.
    pub(super) fn continued<R: Reporter>(
        &self,
        workspace: &Workspace,
        syncs: &BTreeSet<i64>,
        environment: Environment<'_, R>,
    ) -> Result<BTreeMap<i64, Listed>, SyncError> {
        let (journal, reporter) = (workspace.journal(), environment.reporter);
        let (mut lists, mut taken) = (BTreeMap::new(), BTreeSet::<PathBuf>::new());
        for (nth, &sync) in syncs.iter().rev().enumerate() {
            let is_newest = nth == 0;
            let wanted = |path: &Option<PathBuf>| path.clone().filter(|_| is_newest);
            let (mut rejects, results) = (wanted(&self.rejects), wanted(&self.results));
            let before = journal.listing(sync)?.map(|(listing, _)| listing);
            let output_format = before.as_ref().map_or(OutputFormat::Objects, |listing| listing.output_format.clone());
            let begun = before.map(|listing| listing.files).unwrap_or_default();
            let keeps_rows = begun.rejects.is_some();
            let begun = [
                (ListKind::Rejects, begun.rejects.map(PathBuf::from), &rejects),
                (ListKind::Results, begun.results.map(PathBuf::from), &results),
            ];
            let unnamed = begun.into_iter().filter(|(_, _, wanted)| wanted.is_none());
            let unnamed: Vec<(ListKind, PathBuf)> =
                unnamed.filter_map(|(kind, begun, _)| Some((kind, begun?))).collect();
            if is_newest && !unnamed.is_empty() {
                return Err(SyncError::UnnamedLists(unnamed));
            }
            if results.is_some() {
                let rows = journal.rows_not_stored(sync)?;
                if rows > 0 {
                    return Err(SyncError::RowsNotStored { rows });
                }
            }
            for (_, path) in unnamed.iter().filter(|(_, path)| !taken.contains(path)) {
                reporter.notify(&Notification::EarlierListLeft { path });
            }
            if let Some(path) = rejects.take_if(|_| !keeps_rows) {
                reporter.notify(&Notification::RowsNotKept { path: &path });
            }
            let claims =
                self.claim_these(rejects.as_deref(), results.as_deref(), workspace).map_err(SyncError::Claim)?;
            let files = claims.files();
            // Of two inputs with one list, the newer one has it.
            taken.extend([&files.rejects, &files.results].into_iter().flatten().map(PathBuf::from));
            if !files.is_empty() {
                journal.set_listing(sync, Listing { files, output_format })?;
            }
            lists.insert(sync, claims.write(journal, sync, environment.stop)?);
        }
        Ok(lists)
    }
}

// The journal at this path, and the files that SQLite keeps beside it.
fn files_of(journal: &Path) -> Vec<PathBuf> {
    let file = |ending: &str| {
        let mut name = journal.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    ENDINGS.map(file).into()
}
