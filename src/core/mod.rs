//! What contactsync knows and decides: pure functions and values, no I/O, no clock, no randomness, never async.
//!
//! Time arrives as a [`time::Timestamp`], chance as a number between 0 and 1.

pub mod answer;
pub mod approval;
pub mod attempt;
pub mod call;
pub mod channel;
pub mod circuit_breaker;
pub mod code_page;
pub mod contact_change;
pub mod decimal;
pub mod decision;
pub mod diff;
pub mod doubt;
pub mod doubtful_values;
pub mod duplicates;
pub(crate) mod email;
pub(crate) mod encoded_text;
pub mod eta;
pub mod field_use;
pub mod first_writes;
pub mod forecast;
pub mod forgotten;
pub mod guard;
pub mod guess;
pub mod headings;
pub mod kept_values;
pub mod lesson;
pub mod limits;
pub mod list;
pub mod mapping;
pub mod marker;
pub mod missing;
pub mod model;
pub mod nfc;
pub(crate) mod non_value;
pub mod output_format;
pub mod page;
pub mod past_rejection;
pub(crate) mod plain_kind;
pub mod planner;
pub mod record;
pub mod refusals;
pub mod retry;
pub mod routing;
pub mod sample;
pub mod search;
pub mod selection;
pub mod shared_values;
pub mod snapshot;
pub mod start_throttle;
pub mod task;
pub mod text;
pub mod time;
pub mod token_recognition;
pub(crate) mod total;
pub mod undo;
pub mod verification;
pub mod walk;
pub mod window;
pub(crate) mod without_values;
pub(crate) mod yes_no;

#[cfg(test)]
mod tests;
