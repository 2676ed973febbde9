//! What the library reports and returns, in words for a person, and as exit codes.

pub mod check;
pub mod console;
pub mod input_notice;
pub mod notices;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod reporter;
pub mod runs;
pub mod suggestion;
pub mod summary;
