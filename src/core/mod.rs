//! What contactsync knows and decides: pure functions and values, no I/O, no clock, no randomness, never async.
//!
//! Time arrives as a [`time::Timestamp`], chance as a number between 0 and 1.

pub mod answer;
pub mod attempt;
pub mod call;
pub mod channel;
pub mod code_page;
pub mod decimal;
pub mod diff;
pub mod doubt;
pub mod duplicates;
pub mod guard;
pub mod guess;
pub mod health;
pub mod limits;
pub mod list;
pub mod mapping;
pub mod model;
pub mod nfc;
pub mod page;
pub mod plan;
pub mod recognition;
pub mod record;
pub mod refusals;
pub mod retry;
pub mod sample;
pub mod schedule;
pub mod search;
pub mod shape;
pub mod shared_values;
pub mod spread;
pub mod task;
pub mod text;
pub mod time;
pub(crate) mod total;
pub mod window;

#[cfg(test)]
mod properties;
