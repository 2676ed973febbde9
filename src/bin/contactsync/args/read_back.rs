//! The options of `pull` and `verify`.

use clap::Args;

use super::{ChannelJournalArgs, ConnectionArgs, OUTPUT};
use crate::options::value::{ContactCount, whole_number};
use crate::options::{MatchArgs, SourceArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync pull --field source --value crm --platform respondio --match phone
  contactsync pull --field source --value crm --until 06:00
  contactsync pull --field source --value crm --config mexico.toml --json")]
pub struct PullArgs {
    /// Learn the contacts in which this field, such as `source`, has the value of `--value`
    #[arg(long, value_name = "FIELD", help_heading = "Marker")]
    pub field: String,
    /// Learn the contacts whose field has exactly this value
    #[arg(long, value_name = "VALUE", help_heading = "Marker")]
    pub value: String,
    #[command(flatten)]
    pub matching: MatchArgs,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print the summary as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync verify --platform respondio --sample 500
  contactsync verify contacts.csv --match phone --show-values
  contactsync verify --repair --max-calls 3000 --json")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct VerifyArgs {
    /// Verify only the contacts and fields of this file; `-` is standard input [default: all known contacts]
    #[arg(value_name = "INPUT")]
    pub input: Option<String>,
    /// Verify at most this many contacts, chosen at random [default: all]
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub sample: Option<ContactCount>,
    /// Use this seed for the sample; the same seed chooses the same contacts [default: random]
    #[arg(long, value_name = "N", value_parser = whole_number::<u64, { u64::MAX }>, requires = "sample", help_heading = "Verification")]
    pub seed: Option<u64>,
    /// Let the next sync send what differs
    #[arg(long, conflicts_with = "accept", help_heading = "Verification")]
    pub repair: bool,
    /// Accept the platform's values: they are not listed again, and not sent until the input has another value
    #[arg(long, help_heading = "Verification")]
    pub accept: bool,
    /// Read contacts by pages through this marker field if that takes fewer calls [default: that of the last `pull`]
    #[arg(long, value_name = "FIELD", requires = "value", help_heading = "Verification")]
    pub field: Option<String>,
    /// The value that the marker field has
    #[arg(long, value_name = "VALUE", requires = "field", help_heading = "Verification")]
    pub value: Option<String>,
    #[command(flatten)]
    pub matching: MatchArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print values unmasked
    #[arg(long, help_heading = OUTPUT)]
    pub show_values: bool,
    /// Print the summary and the differences as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
