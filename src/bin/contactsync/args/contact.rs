//! The commands of `contact` and their options.

use std::str::FromStr;

use clap::{Args, Subcommand};
use contactsync::{ContactRef, Field};

use super::{ChannelJournalArgs, ConfigArgs, ConnectionArgs, OUTPUT};
use crate::options::HistoryArgs;
use crate::options::value::{ContactCount, Tag, TimeSpan};

/// The commands of `contact`.
#[derive(Debug, Subcommand)]
pub enum ContactCommand {
    /// Read one contact
    #[command(after_help = "\
Examples:
  contactsync contact get 1776025372480910 --platform respondio
  contactsync contact get phone=+525512345601 --show-values")]
    Get(GetArgs),
    /// Find the contacts that have a value
    #[command(after_help = "\
Examples:
  contactsync contact find --field email --value ann@example.com
  contactsync contact find --field source --value crm --limit 20 --json")]
    Find(FindArgs),
    /// Create a contact unless it exists
    #[command(after_help = "\
Examples:
  contactsync contact create phone=+525512345601 name=Ann --match phone
  contactsync contact create phone=+525512345601 name=Ann --tag vip --dry-run")]
    Create(CreateArgs),
    /// Write fields of a contact
    #[command(after_help = "\
Examples:
  contactsync contact update id:1776025372480910 city=Lima plan=pro
  contactsync contact update phone=+525512345601 --clear note")]
    Update(UpdateArgs),
    /// Add tags to a contact
    #[command(after_help = "\
Examples:
  contactsync contact tag id:1776025372480910 vip
  contactsync contact tag phone=+525512345601 vip new-customer --json")]
    Tag(TagsArgs),
    /// Remove tags from a contact
    #[command(after_help = "\
Examples:
  contactsync contact untag id:1776025372480910 vip
  contactsync contact untag phone=+525512345601 vip --dry-run")]
    Untag(TagsArgs),
}

impl ContactCommand {
    /// The options that all of them have.
    pub const fn shared(&self) -> &OneContactArgs {
        match self {
            Self::Get(args) => &args.shared,
            Self::Find(args) => &args.shared,
            Self::Create(args) => &args.edit.shared,
            Self::Update(args) => &args.edit.shared,
            Self::Tag(args) | Self::Untag(args) => &args.edit.shared,
        }
    }

    pub(super) const fn config(&self) -> &ConfigArgs {
        &self.shared().place.config
    }
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// Read this contact: its id, a match value, FIELD=VALUE, id:ID, or line:N of the last input
    #[arg(value_name = "KEY")]
    pub key: ContactRef,
    #[command(flatten)]
    pub shared: OneContactArgs,
}

#[derive(Debug, Args)]
pub struct FindArgs {
    /// Search this field
    #[arg(long, value_name = "FIELD", help_heading = "Search")]
    pub field: String,
    /// Search for this value; the platform may also show contacts whose value is similar
    #[arg(long, value_name = "VALUE", help_heading = "Search")]
    pub value: String,
    /// Show at most this many contacts; ten take one call [default: all]
    #[arg(long, value_name = "N", help_heading = "Search")]
    pub limit: Option<ContactCount>,
    #[command(flatten)]
    pub shared: OneContactArgs,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Write these fields; one of them must be a match field
    #[arg(value_name = "NAME=VALUE", required = true)]
    pub fields: Vec<Assignment>,
    /// Add this tag; repeat it for several [default: none]
    #[arg(long, value_name = "NAME", help_heading = "Contact")]
    pub tag: Vec<Tag>,
    #[command(flatten)]
    pub edit: EditArgs,
}

#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Change this contact: a match value, FIELD=VALUE, id:ID, or line:N of the last input
    #[arg(value_name = "KEY")]
    pub key: ContactRef,
    /// Write these fields
    #[arg(value_name = "NAME=VALUE", required_unless_present = "clear")]
    pub fields: Vec<Assignment>,
    /// Clear this field; repeat it for several [default: none]
    #[arg(long, value_name = "FIELD", help_heading = "Contact")]
    pub clear: Vec<String>,
    #[command(flatten)]
    pub edit: EditArgs,
}

#[derive(Debug, Args)]
pub struct TagsArgs {
    /// Change this contact: a match value, FIELD=VALUE, id:ID, or line:N of the last input
    #[arg(value_name = "KEY")]
    pub key: ContactRef,
    /// Add or remove these tags
    #[arg(value_name = "TAG", required = true)]
    pub tags: Vec<Tag>,
    #[command(flatten)]
    pub edit: EditArgs,
}

/// The options of the commands that change a contact.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// Print the requests that would be sent, and send nothing
    #[arg(long, help_heading = "Contact")]
    pub dry_run: bool,
    /// Search this long before a create is sent again; applies if its answer was lost and no search finds the contact [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Contact")]
    pub search_lag: Option<TimeSpan>,
    #[command(flatten)]
    pub history: HistoryArgs,
    #[command(flatten)]
    pub shared: OneContactArgs,
}

/// The options of all commands of `contact`.
#[derive(Debug, Args)]
pub struct OneContactArgs {
    /// Find contacts by this field; its values are printed unmasked; repeat it for several fields [default: none]
    #[arg(long = "match", value_name = "FIELD", help_heading = "Contact")]
    pub matches: Option<Vec<String>>,
    #[command(flatten)]
    pub place: ChannelJournalArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Print values unmasked
    #[arg(long, help_heading = OUTPUT)]
    pub show_values: bool,
    /// Print the result as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// A field with the value that it gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment(pub Field);

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let both = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        match both.filter(|(name, _)| !name.is_empty()) {
            None => Err(format!("expected a field and its value, found `{text}`")),
            Some((name, "")) => Err(format!("`{name}=` has no value; to clear a field, use --clear {name}")),
            Some((name, value)) => Ok(Self(Field::text(name, value))),
        }
    }
}
