//! Which contacts a run may create and change.

use serde::{Deserialize, Serialize};

/// Which contacts a run may create and update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Creates missing contacts and updates existing ones.
    #[default]
    Upsert,
    /// Creates contacts that the journal does not know, without a search, and skips the others.
    Create,
    /// Updates existing contacts and creates none.
    Update,
}
