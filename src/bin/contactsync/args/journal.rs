//! The commands of `journal` and their options.

use std::path::PathBuf;

use clap::Subcommand;

use super::ConfigArgs;
use crate::options::{HistoryArgs, JournalArgs};

/// What to do with a journal.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Check the file, its checksums, and that its content is consistent; write nothing
    #[command(after_help = "\
Examples:
  contactsync journal check
  contactsync journal check --journal mexico.db")]
    Check {
        #[command(flatten)]
        journal: JournalArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Remove old calls and rows and unused contacts, and shrink the file
    #[command(after_help = "\
Examples:
  contactsync journal prune
  contactsync journal prune --keep-history 7d")]
    Prune {
        #[command(flatten)]
        journal: JournalArgs,
        #[command(flatten)]
        history: HistoryArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Copy the journal to a new file, also while runs use it
    #[command(after_help = "\
Examples:
  contactsync journal backup monday.db
  contactsync journal backup /backups/contactsync.db --journal mexico.db")]
    Backup {
        /// Write the copy to this new file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        journal: JournalArgs,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

impl JournalCommand {
    pub(super) const fn config(&self) -> &ConfigArgs {
        match self {
            Self::Check { config, .. } | Self::Prune { config, .. } | Self::Backup { config, .. } => config,
        }
    }
}
