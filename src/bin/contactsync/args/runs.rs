//! The options of `runs`, `runs diff` and `report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigArgs, OUTPUT};
use crate::options::JournalArgs;
use crate::options::value::whole_number;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  contactsync runs
  contactsync runs --journal mexico.db --limit 5
  contactsync runs diff 11 12
  contactsync runs --json"
)]
pub struct RunsArgs {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    #[command(flatten)]
    pub journal: JournalArgs,
    /// List at most this many runs, newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole_number::<u32, { u32::MAX as u64 }>, help_heading = OUTPUT)]
    pub limit: u32,
    /// Print the runs as one JSON array
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// What to do with runs instead of listing them.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Show how two runs differ: rows, calls, time, and the reasons for rejected rows
    #[command(after_help = "\
Examples:
  contactsync runs diff 11 12
  contactsync runs diff 11 12 --journal mexico.db --json")]
    Diff {
        /// Compare the run with this number; `contactsync runs` lists the numbers
        #[arg(value_name = "A", value_parser = run_number)]
        before: i64,
        /// Compare it with the run with this number
        #[arg(value_name = "B", value_parser = run_number)]
        after: i64,
        #[command(flatten)]
        journal: JournalArgs,
        /// Print the comparison as one JSON object on standard output
        #[arg(long, help_heading = OUTPUT)]
        json: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

impl RunsArgs {
    pub(super) const fn config(&self) -> &ConfigArgs {
        match &self.command {
            Some(RunsCommand::Diff { config, .. }) => config,
            None => &self.config,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  contactsync report
  contactsync report 12 --html run-12.html
  contactsync report --html - | mail -s 'contacts' -a 'Content-Type: text/html' ops@example.com
  contactsync report 12 --journal mexico.db --json")]
pub struct ReportArgs {
    /// Report the run with this number; `contactsync runs` lists the numbers [default: the newest run]
    #[arg(value_name = "RUN", value_parser = run_number)]
    pub run: Option<i64>,
    #[command(flatten)]
    pub journal: JournalArgs,
    /// Write the report as one HTML page to this file; the page is self-contained, and `-` is standard output [default: text]
    #[arg(long, value_name = "FILE", conflicts_with = "json", help_heading = OUTPUT)]
    pub html: Option<PathBuf>,
    /// Print the report as one JSON object on standard output
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// The hint for an argument that is not a run number.
pub const RUNS_HINT: &str = "`contactsync runs` lists the runs with their numbers";

/// The argument is not a run number.
#[derive(Debug, thiserror::Error)]
#[error("expected a run number such as 12, found `{0}`")]
pub struct BadRunNumber(String);

/// The number of a run, from 1.
pub fn run_number(text: &str) -> Result<i64, BadRunNumber> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| BadRunNumber(text.to_owned()))
}
