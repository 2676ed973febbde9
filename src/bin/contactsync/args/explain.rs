//! The options of `explain`.

use clap::Args;
use contactsync::ContactRef;

use super::{ChannelJournalArgs, ConnectionArgs, InputArgs, OUTPUT};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync explain +525512345601
  contactsync explain phone=+525512345601 contacts.csv --show-values
  contactsync explain line:17 --json
  contactsync explain id:1776025372480910 --live --platform respondio")]
pub struct ExplainArgs {
    /// Explain this contact: a match value, FIELD=VALUE, id:ID, or line:N of INPUT (without INPUT, of the last input)
    #[arg(value_name = "KEY")]
    pub key: ContactRef,
    #[command(flatten)]
    pub input: InputArgs,
    /// Read the contact from the platform; show how it differs from the journal
    #[arg(long, help_heading = OUTPUT)]
    pub live: bool,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print values unmasked
    #[arg(long, help_heading = OUTPUT)]
    pub show_values: bool,
    /// Print the history as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
