//! Which contacts a run may create and change.

use serde::{Deserialize, Serialize};

/// Which contacts a run may make and change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Makes those that are not there, changes those that are.
    #[default]
    Upsert,
    /// Makes those that the journal does not know, without a search, and leaves the others alone.
    Create,
    /// Changes those that are there, makes none.
    Update,
}
