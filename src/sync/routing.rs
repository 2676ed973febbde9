//! Which channel each row of an input goes to.

use std::collections::BTreeSet;

use crate::core::routing::RoutingTable;
use crate::journal::NewRun;
use crate::sync::plan::Routes;
use crate::sync::sync_error::SyncError;

/// Which channel each row of an input goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// All rows go to the only channel.
    One,
    /// Rows go to the only channel when their cell of `column` names it; the others are left out.
    Selected {
        /// The column that names each row's channel.
        column: String,
        /// The names of other channels.
        others: BTreeSet<String>,
    },
    /// Each row goes to the channel that its cell of `column` names.
    ByColumn {
        /// The column that names each row's channel.
        column: String,
        /// The channels of other processes. Their rows are left out.
        elsewhere: BTreeSet<String>,
        /// Whether rows that name no channel are rejected by this process, not by another one.
        takes_unknown: bool,
    },
}

impl Routing {
    /// Whether each channel is reported by name, even when there is one.
    pub(super) const fn is_by_channel(&self) -> bool {
        match self {
            Self::One | Self::Selected { .. } => false,
            Self::ByColumn { .. } => true,
        }
    }

    /// Makes sure that there is one channel where all rows go to one.
    pub(super) const fn verify(&self, channels: usize) -> Result<(), SyncError> {
        match self {
            Self::One | Self::Selected { .. } if channels != 1 => Err(SyncError::NotOneChannel { found: channels }),
            Self::One | Self::Selected { .. } | Self::ByColumn { .. } => Ok(()),
        }
    }

    /// The name of the inputs whose columns are compared with each other: those of the first channel, or those whose rows name
    /// their channels; and of one source.
    pub(super) fn source(&self, first_channel: Option<&str>, source_name: Option<&str>) -> String {
        let inputs = match self {
            Self::One => first_channel.unwrap_or_default().to_owned(),
            Self::Selected { column, .. } | Self::ByColumn { column, .. } => format!("channel column `{column}`"),
        };
        match source_name {
            Some(name) => format!("{inputs}, source `{name}`"),
            None => inputs,
        }
    }

    /// The destinations of rows: those of these channels, in their order, and then that of the rows that name no channel, if this
    /// process rejects them.
    pub(super) fn table(&self, channels: &[&str]) -> RoutingTable {
        match self {
            Self::One => RoutingTable::one(),
            Self::Selected { others, .. } => RoutingTable::by_channel(channels, others, false),
            Self::ByColumn { elsewhere, takes_unknown, .. } => {
                RoutingTable::by_channel(channels, elsewhere, *takes_unknown)
            }
        }
    }

    /// The routes to these runs, one for each channel. `unknown` is the run of the rows that name no channel.
    pub(super) fn routes(&self, runs: Vec<NewRun>, unknown: NewRun) -> Routes {
        let channels: Vec<&str> = runs.iter().map(|run| run.channel.as_str()).collect();
        let table = self.table(&channels);
        let unknown = match self {
            Self::ByColumn { takes_unknown: true, .. } => Some(unknown),
            Self::One | Self::Selected { .. } | Self::ByColumn { .. } => None,
        };
        Routes { runs, unknown, table }
    }
}
