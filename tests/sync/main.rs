//! The real program against the sandbox: what arrives, how many calls it takes, and what it says.
//!
//! The platform's ledger is the judge, never the journal.

mod answers;
mod bad_input;
mod calls;
mod channels;
mod config;
mod duplicates;
mod faults;
mod files;
mod foreign_files;
mod guards;
mod hostile;
mod init;
mod kill;
mod limiter;
mod lost;
mod machine;
mod mapping;
mod pages;
mod plans;
mod rejects;
mod rows;
mod secrets;
mod signals;
mod terminal;
mod tokens;
mod trouble;
