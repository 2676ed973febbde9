//! Code that several test targets, the benches and the fuzz target share.

pub mod answers;
mod closed_port;
mod contacts;
mod harness;
mod listener;
mod output;
pub mod process;
pub mod tools;

pub use closed_port::ClosedPort;
pub use contacts::{People, Person};
pub use harness::{Harness, JOURNAL, Program, Running, TOKEN, hang_up, program_path};
pub use listener::{Listener, Request};
pub use output::{Output, Summary, undated};
