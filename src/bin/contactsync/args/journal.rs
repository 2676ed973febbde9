//! The commands of `journal` and their options.

use std::path::PathBuf;

use clap::Subcommand;
use contactsync::ContactRef;

use super::{ConfigArgs, OUTPUT};
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
    /// Erase one person from the journal and from the lists of rows that it knows
    #[command(after_help = "\
Examples:
  contactsync journal forget ann@example.com
  contactsync journal forget phone=+525512345601 --suppress
  contactsync journal forget id:1776025372480910 --journal mexico.db --json")]
    Forget {
        /// Erase the person with this match value, FIELD=VALUE, id:ID, or line:N of the last input
        #[arg(value_name = "KEY")]
        key: ContactRef,
        /// Skip the person's rows in later inputs: a keyed hash of each match value is kept
        #[arg(long)]
        suppress: bool,
        #[command(flatten)]
        journal: JournalArgs,
        /// Print what was erased as one JSON object on standard output
        #[arg(long, help_heading = OUTPUT)]
        json: bool,
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
            Self::Check { config, .. }
            | Self::Prune { config, .. }
            | Self::Forget { config, .. }
            | Self::Backup { config, .. } => config,
        }
    }
}
