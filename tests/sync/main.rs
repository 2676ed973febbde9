//! The real program against the sandbox: the contacts sent, the number of calls, and the output.
//!
//! Results are checked against the platform's ledger, never against the journal.

mod answers;
mod approvals;
mod bad_input;
mod calls;
mod channels;
mod check;
mod check_access;
mod commands_as_input;
mod config;
mod duplicates;
mod faults;
mod files;
mod foreign_files;
mod forget;
mod guards;
mod hostile;
mod init;
mod json_shapes;
mod json_values;
mod kill;
mod limited;
mod limiter;
mod lost;
mod machine;
mod maintenance;
mod mapping;
mod missing;
mod nights;
mod old_journals;
mod pages;
mod plans;
mod pull;
mod read_back;
mod rejections;
mod rejects;
mod rows;
mod secrets;
mod signals;
mod terminal;
mod tokens;
mod trouble;
mod undo;
mod verify;
mod write_modes;
