//! The options of `undo`.

use clap::Args;

use super::runs::run_number;
use super::{ChannelJournalArgs, ConnectionArgs, OUTPUT};
use crate::options::HistoryArgs;
use crate::options::value::Tag;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync undo 12 --dry-run
  contactsync undo 12 --platform respondio --tag-created imported-by-mistake
  contactsync undo 12 --config mexico.toml --until 06:00 --json")]
pub struct UndoArgs {
    /// Undo the run with this number, as `contactsync runs` prints it
    #[arg(value_name = "RUN", value_parser = run_number)]
    pub run: i64,
    /// Only read the contacts, and list what would be restored
    #[arg(long, help_heading = "Undo")]
    pub dry_run: bool,
    /// Add this tag to the contacts that the run created; the API cannot delete them [default: they are only listed]
    #[arg(long, value_name = "NAME", help_heading = "Undo")]
    pub tag_created: Option<Tag>,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print values unmasked
    #[arg(long, requires = "dry_run", help_heading = OUTPUT)]
    pub show_values: bool,
    /// Print the summary and the contacts as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
