//! The output: progress, notices, and summaries of results, with the exit codes that follow from them.

pub mod check;
pub mod console;
pub mod contact;
pub mod demo;
pub mod diff;
mod duration;
pub mod explain;
pub mod failure;
pub mod forgotten;
pub mod input_notice;
pub mod notices;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod read_back;
pub mod reporter;
pub mod run_diff;
pub mod run_report;
pub mod runs;
pub mod sparkline;
pub mod suggestion;
pub mod summary;
pub mod time;
pub mod undo;
pub mod value;
