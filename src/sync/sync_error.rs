//! Why a sync, a resume or a dry run could not be done.

use std::path::PathBuf;

use crate::core::counted::counted;
use crate::journal::JournalError;
use crate::sync::guard_error::GuardError;
use crate::sync::plan::{PlanError, RefusedInput};
use crate::sync::report::{ListError, ListKind, ListingError};

/// Why a sync, a resume or a dry run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A channel may not be sent to.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// All rows go to one channel, and another number of channels was given. Nothing was sent.
    #[error("all rows go to one channel, but {found} channels were given")]
    NotOneChannel {
        /// Number of channels that were given.
        found: usize,
    },
    /// A file that is to list rows cannot be written. Nothing was sent.
    #[error(transparent)]
    Claim(ListError),
    /// The run was begun with files that list its rows, which the caller does not name. Nothing was sent.
    #[error("the run was begun with files that list its rows, which were not named now")]
    UnnamedLists(Vec<(ListKind, PathBuf)>),
    /// The rows of the run cannot be listed: so many of them needed nothing, and only their number was stored. Nothing was sent.
    #[error("the results list would be incomplete: {} counted but not stored", counted(*.rows, "row was", "rows were"))]
    RowsNotStored {
        /// Number of the rows.
        rows: u64,
    },
    /// The input could not be planned. Nothing was sent.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A guard refuses the input. Nothing was sent.
    #[error(transparent)]
    Refused(#[from] RefusedInput),
    /// The files that list rows could not be written.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_rows_agrees_with_its_verb() {
        let text = |rows| SyncError::RowsNotStored { rows }.to_string();
        assert_eq!(text(1), "the results list would be incomplete: 1 row was counted but not stored");
        assert_eq!(text(2), "the results list would be incomplete: 2 rows were counted but not stored");
    }
}
